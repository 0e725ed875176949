"""How each mail server is started and stopped, and how many mails it has kept."""

from __future__ import annotations

import ssl
from typing import Any, Literal

from benchmarks.http_servers import HOST, Adapter, free_port

TLSMode = Literal["starttls", "implicit"]


class MailAdapter(Adapter):
    """A mail server.

    Attributes:
        tls: How it speaks TLS, if it does; set before it is started.
    """

    tls: TLSMode | None = None


class OurMail(MailAdapter):
    """The mail server of this library."""

    def start(self) -> None:
        from liveserver_testcase.mail.server import SMTPServer

        self._server = SMTPServer(tls=self.tls)
        self._server.start()
        self.port = self._server.port

    def forget(self) -> None:
        self._server.reset()

    def stop(self) -> None:
        self._server.stop()


class _Keeper:
    """A handler for aiosmtpd that keeps what it is sent."""

    def __init__(self) -> None:
        self.outbox: list[bytes] = []

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:
        self.outbox.append(envelope.content)
        return "250 OK"


class Aiosmtpd(MailAdapter):
    """aiosmtpd's Controller; it cannot bind port 0, so a port is looked for first."""

    def start(self) -> None:
        from aiosmtpd.controller import Controller

        self.port = free_port()
        self._keeper = _Keeper()
        options = {}
        if self.tls is not None:
            import trustme

            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            trustme.CA().issue_cert(HOST).configure_cert(context)
            options["tls_context" if self.tls == "starttls" else "ssl_context"] = context
        self._controller = Controller(self._keeper, hostname=HOST, port=self.port, **options)
        self._controller.start()

    def forget(self) -> None:
        self._keeper.outbox.clear()

    def stop(self) -> None:
        self._controller.stop()


class PytestLocalserverMail(Adapter):
    """The mail server of pytest-localserver, which parses each mail when it arrives."""

    def start(self) -> None:
        from pytest_localserver.smtp import Server

        self._server = Server(host=HOST, port=0)
        self._server.start()
        self.port = self._server.port

    def forget(self) -> None:
        self._server.outbox.clear()

    def stop(self) -> None:
        self._server.stop()


class Smtpdfix(Adapter):
    """The mail server of smtpdfix, which does so too."""

    def start(self) -> None:
        from smtpdfix.controller import AuthController

        self.port = free_port()
        self._server = AuthController(hostname=HOST, port=self.port)
        self._server.start()

    def forget(self) -> None:
        self._server._messages.clear()

    def stop(self) -> None:
        self._server.stop()

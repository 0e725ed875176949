"""The mail server keeps what every server keeps."""

from __future__ import annotations

import socket
import ssl
from typing import Any

from liveserver_testcase.core.server import Server
from liveserver_testcase.mail.server import SMTPServer
from tests.contracts.base import ServerCase
from tests.contracts.server_contract import ServerContract
from tests.support import NoLeaks


class _WorkingServer(SMTPServer):
    """Does a test's work whenever it accepts a mail."""

    case: ServerCase

    def keep(self, *arguments: Any) -> None:
        self.case.do_work()
        super().keep(*arguments)


class SMTPContract(ServerContract, NoLeaks):
    """An `SMTPServer`: a request is a mail."""

    half_said = {
        "half a command": b"EHL",
        "half a mail": b"EHLO a\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nSubject: x\r\n",
    }

    def make_server(self, **options: Any) -> Server:
        server = _WorkingServer(**options)
        server.case = self
        return server

    def ask(self, client: socket.socket) -> None:
        client.sendall(
            b"EHLO a\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nSubject: x\r\n\r\nhello\r\n.\r\n"
        )

    def check_answer(self, client: socket.socket) -> None:
        replies = self.receive(client, b"Accepted\r\n").splitlines()
        self.assertEqual([b"354", b"250"], [reply[:3] for reply in replies[-2:]])


class SMTPSContract(SMTPContract):
    """An `SMTPServer` with TLS from the first byte."""

    def make_server(self, **options: Any) -> Server:
        server = _WorkingServer(tls="implicit", **options)
        server.case = self
        return server

    def client_context(self, server: Server) -> ssl.SSLContext | None:
        assert isinstance(server, SMTPServer)
        return server.client_context()

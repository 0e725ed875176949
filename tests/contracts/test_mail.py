"""The mail server keeps what every server keeps."""

from __future__ import annotations

import socket
import ssl
from typing import Any

from liveserver_testcase.core.server import Server
from liveserver_testcase.mail.engine import SMTPEngine
from liveserver_testcase.mail.server import SMTPServer
from tests.contracts.base import ServerCase
from tests.contracts.server_contract import ServerContract
from tests.support import NoLeaks


def make_working_server(case: ServerCase, **options: Any) -> SMTPServer:
    """A server that does a test's work whenever it accepts a mail."""
    server = SMTPServer(**options)
    server.reject_message(when=lambda _: case.do_work())  # which says None: no mail is meant
    return server


class SMTPContract(ServerContract, NoLeaks):
    """An `SMTPServer`: a request is a mail."""

    half_said = {
        "half a command": b"EHL",
        "half a mail": b"EHLO a\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nSubject: x\r\n",
    }

    def make_server(self, **options: Any) -> Server:
        return make_working_server(self, **options)._engine

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
        return make_working_server(self, tls="implicit", **options)._engine

    def client_context(self, server: Server) -> ssl.SSLContext | None:
        assert isinstance(server, SMTPEngine)
        return server.client_context()

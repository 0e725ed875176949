"""A mail server for a test, and clients that can say anything to it."""

from __future__ import annotations

import smtplib
import socket
import ssl
import unittest
from typing import Any

from liveserver_testcase import SMTPServer
from liveserver_testcase.mail.session import SMTPSession
from tests.support import HANG, NoLeaks, wait_until

__all__ = ["MAIL", "Client", "MailTestCase"]

MAIL = b"Subject: hello\r\n\r\nHow are you?\r\n"


class Client:
    """A client that says what it is told to, and reads answer by answer."""

    def __init__(self, server: SMTPServer, context: ssl.SSLContext | None = None) -> None:
        self.sock: socket.socket = socket.create_connection(server.address, timeout=HANG)
        if context is not None:
            self.sock = context.wrap_socket(self.sock, server_hostname=server.host)
        self.file = self.sock.makefile("rb")

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def answer(self) -> str:
        """The next answer, its lines joined by ``|``; empty at the end of the connection."""
        lines = []
        while True:
            line = self.file.readline()
            lines.append(line.decode().rstrip("\r\n"))
            if line[3:4] != b"-":
                return "|".join(lines)

    def ask(self, line: bytes | str) -> str:
        """Send a line and read its answer."""
        self.send((line.encode() if isinstance(line, str) else line) + b"\r\n")
        return self.answer()

    def code(self, line: bytes | str) -> int:
        """The code of the answer to a line."""
        return int(self.ask(line)[:3])

    def begin(self, recipient: str = "bob@example.com") -> None:
        """Read the greeting and say everything up to DATA."""
        answers = [
            self.answer(),
            *map(self.ask, ("EHLO test", "MAIL FROM:<ann@example.com>", f"RCPT TO:<{recipient}>")),
        ]
        if [answer[:3] for answer in answers] != ["220", "250", "250", "250"]:
            raise AssertionError(answers)

    def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        try:
            return self.file.read()
        except ConnectionResetError:
            return b""

    def secure(self, context: ssl.SSLContext, host: str) -> None:
        """Speak TLS from here on."""
        self.file.close()
        self.sock = context.wrap_socket(self.sock, server_hostname=host)
        self.file = self.sock.makefile("rb")

    def close(self) -> None:
        self.file.close()
        self.sock.close()


class MailTestCase(NoLeaks, unittest.TestCase):
    """A server by the name of ``self.server``, made with the options of `serve`."""

    server: SMTPServer

    def serve(self, **options: Any) -> SMTPServer:
        self.server = SMTPServer(**options)
        self.server.start()
        self.addCleanup(self.server.stop)
        return self.server

    def client(self, context: ssl.SSLContext | None = None) -> Client:
        client = Client(self.server, context)
        self.addCleanup(client.close)
        return client

    def greeted(self, *lines: str) -> Client:
        """A client that has read the greeting, and the replies to these lines."""
        client = self.client()
        client.answer()
        for line in lines:
            client.ask(line)
        return client

    def in_data(self) -> Client:
        """A client in the middle of a mail, after DATA."""
        client = self.client()
        client.begin()
        client.ask("DATA")
        return client

    def smtp(self, **options: Any) -> smtplib.SMTP:
        smtp = smtplib.SMTP(*self.server.addr, timeout=HANG, **options)
        self.addCleanup(smtp.close)
        return smtp

    def send(self, mail: bytes = MAIL, sender: str = "ann@example.com", recipient: str = "bob@example.com") -> None:
        """Send a mail with smtplib."""
        with self.smtp() as smtp:
            smtp.sendmail(sender, recipient, mail)

    def session(self) -> SMTPSession:
        """The only session, when it is over."""
        (session,) = wait_until(lambda: [each for each in self.server.sessions if not each.is_open])
        return session

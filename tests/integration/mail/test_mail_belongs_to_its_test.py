"""A mail belongs to the test that sent it, also if that test ends with the final dot and does not wait for the reply.

Each test here runs a class of many tests with ``smtp_strict``: every one of those sends a mail that nobody looks at,
and ends at once.  A mail that were recorded for another test, or for none, would show in the reports.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable
from typing import Any

from liveserver_testcase import SMTPServer, SMTPTestCase
from tests.integration.mail.clients import Client
from tests.integration.running import make_case, run_case
from tests.support import NoLeaks

COUNT = int(os.environ.get("BELONGING_TESTS", "200"))
"""Generated tests of each kind."""

_TEST = re.compile(r"test_(\d+)")
_SUBJECT = re.compile(r"sent-by-(\d+)")


class Sender:
    """What the generated tests of one class share: its connections, which stay open until the class is over."""

    def __init__(self) -> None:
        self.open: list[Client] = []

    def connect(self, server: SMTPServer) -> Client:
        client = Client(server, server.client_context() if server.config.tls == "implicit" else None)
        self.open.append(client)
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what is sent is there when the test ends
        self.expect(client, "220")
        self.expect(client, "250", "EHLO test")
        if server.config.tls == "starttls":
            self.expect(client, "220", "STARTTLS")
            context = server.client_context()
            if context is None:
                raise AssertionError("there is no TLS")
            client.secure(context, "127.0.0.1")
            self.expect(client, "250", "EHLO test")
        return client

    def begin(self, client: Client) -> None:
        for line, code in (("MAIL FROM:<a@b>", "250"), ("RCPT TO:<c@d>", "250"), ("DATA", "354")):
            self.expect(client, code, line)

    def expect(self, client: Client, code: str, line: str | None = None) -> None:
        reply = client.answer() if line is None else client.ask(line)
        if not reply.startswith(code):
            raise AssertionError(reply)

    def close(self) -> None:
        while self.open:
            self.open.pop().close()

    # -- the kinds ---------------------------------------------------------------------------------------------------

    def send_on_new_connection(self, server: SMTPServer, number: int) -> None:
        client = self.connect(server)
        self.begin(client)
        client.send(b"Subject: sent-by-%d\r\n\r\n.\r\n" % number)

    def send_and_close(self, server: SMTPServer, number: int) -> None:
        self.send_on_new_connection(server, number)
        self.open.pop().close()

    def send_on_kept_connection(self, server: SMTPServer, number: int) -> None:
        if self.open:
            client = self.open[0]
            self.expect(client, "250")  # the reply to the mail of the test before
        else:
            client = self.connect(server)
        self.begin(client)
        client.send(b"Subject: sent-by-%d\r\n\r\n.\r\n" % number)

    def send_pipelined(self, server: SMTPServer, number: int) -> None:
        client = self.connect(server)
        mail = b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nSubject: sent-by-%d\r\n\r\n.\r\n" % number
        client.send(mail * 3)

    def send_half(self, server: SMTPServer, number: int) -> None:
        """Send a mail without its end in one test, and its final dot in the next."""
        if number % 2 == 0:
            self.begin(self.connect(server))
            self.open[-1].send(b"Subject: sent-by-%d\r\n\r\n" % number)
        elif self.open:
            self.open[-1].send(b".\r\n")


class MailBelongingTest(NoLeaks):
    """Plain, inside of STARTTLS and over implicit TLS."""

    def check(
        self, send: Callable[[Sender, SMTPServer, int], None], wanted: dict[int, list[int]], **settings: Any
    ) -> None:
        """Run `COUNT` generated tests, and compare whose mails are held against each with ``wanted``."""
        sender = Sender()
        case = make_case(
            SMTPTestCase,
            smtp_strict=True,
            **{f"test_{number:05}": _make_test(sender, send, number) for number in range(COUNT)},
            **settings,
        )
        try:
            outcome = run_case(case)
        finally:
            sender.close()
        self.assertEqual([], outcome.result.errors)
        found: dict[int, list[int]] = {}
        for test, text in outcome.result.failures:
            name = _TEST.search(str(test))
            assert name is not None
            report = text[text.rfind("AssertionError: ") :]
            found[int(name[1])] = sorted(int(number) for number in _SUBJECT.findall(report))
        self.assertEqual(wanted, found)

    def test_each_kind(self) -> None:
        """Whatever the connection, the mail fails the test that sent it."""
        for tls in (None, "starttls", "implicit"):
            for send in (Sender.send_on_new_connection, Sender.send_and_close, Sender.send_on_kept_connection):
                with self.subTest(send=send.__name__, tls=tls):
                    self.check(send, {number: [number] for number in range(COUNT)}, smtp_tls=tls)

    def test_pipelined(self) -> None:
        """Of several mails in one go none is left for the next test."""
        self.check(Sender.send_pipelined, {number: [number] * 3 for number in range(COUNT)})

    def test_half(self) -> None:
        """A mail that is finished in the next test is said to be late there, with the name of the test that sent it."""
        # half a mail is on its way, and is waited for in each even test
        self.check(Sender.send_half, {number: [number - 1] for number in range(1, COUNT, 2)}, smtp_timeout=0.02)


def _make_test(
    sender: Sender, send: Callable[[Sender, SMTPServer, int], None], number: int
) -> Callable[[SMTPTestCase], None]:
    return lambda case: send(sender, case.smtp, number)

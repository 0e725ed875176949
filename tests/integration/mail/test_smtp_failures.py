"""What a failed assertion about mail prints with real senders, over real sockets."""

from __future__ import annotations

import base64
import contextlib
import re
import smtplib
import socket
import ssl
import unittest
from typing import Any

from liveserver_testcase import SMTPTestCase
from tests.integration.mail.mailing import MailTest, make_mail
from tests.integration.running import make_case, run_case
from tests.support import HANG, wait_until


class OwnErrorTest(unittest.TestCase):
    """Tests that fail because the client raised: the note has what the server saw, and what to set."""

    def fail_with(self, use: Any, attributes: dict[str, object]) -> str:
        """The report of a test that is left by an error of its client."""

        def test(case: SMTPTestCase) -> None:
            with smtplib.SMTP(*case.smtp.addr, timeout=HANG) as client:
                use(client)

        return run_case(make_case(SMTPTestCase, test_it=test, **attributes)).report

    def test_each(self) -> None:
        """Each error has the advice that goes with it, also if it is the cause of another; no password is shown."""

        def wrap(client: smtplib.SMTP) -> None:
            try:
                client.starttls()
            except smtplib.SMTPException as error:
                raise LookupError("no mail today") from error

        no_tls = '      STARTTLS is not offered: set smtp_tls = "starttls".\n'
        for use, attributes, *parts in (
            (
                smtplib.SMTP.starttls,
                {},
                "STARTTLS extension not supported by server",
                "SMTPNotSupportedError was raised, and this is what it saw\n",
                no_tls,
                "      C: EHLO ",
            ),
            (wrap, {}, no_tls),
            (
                lambda client: client.login("ann", "secret"),
                {},
                "      AUTH is not offered: set smtp_users, or have the client log in after STARTTLS.\n",
            ),
            (
                lambda client: client.login("ann", "wrong-password"),
                {"smtp_users": {"ann": "secret"}, "smtp_auth_mechanisms": ("PLAIN",)},
                "  refused: 1\n      AUTH PLAIN -> 535",
                "      The login was refused: smtp_users has the names and passwords that are accepted.\n",
            ),
            (
                lambda client: client.starttls(context=ssl.create_default_context()),
                {"smtp_tls": "starttls"},
                "SSLCertVerificationError was raised, and this is what it saw",
                "does it trust smtp.ca_file, and was it given smtp.client_context()?",
            ),
        ):
            report = self.fail_with(use, attributes)
            for part in parts:
                with self.subTest(part):
                    self.assertIn(part, report)

    def test_another_error(self) -> None:
        """An error that is none of a mail client gets no such note."""

        def fail(client: smtplib.SMTP) -> None:
            with contextlib.suppress(smtplib.SMTPException):
                client.starttls()
            raise LookupError("boom")

        self.assertNotIn("what it saw", self.fail_with(fail, {}))


class FailureTest(MailTest):
    """A mixin's test whose sessions are over when it looks at them."""

    def look(self, **criteria: str) -> str:
        """The report of a mail that is not there, when every connection is over."""
        wait_until(lambda: not any(session.is_open for session in self.smtp.sessions))
        text = self.report(self.assertEmailSent, timeout=0, **criteria)
        return re.sub(r"S: 334 \S+", "S: 334 CHALLENGE", text)

    def connect(self) -> smtplib.SMTP:
        """A client that has sent nothing yet."""
        client = smtplib.SMTP(*self.smtp.addr, local_hostname="laptop", timeout=HANG)
        self.addCleanup(client.close)
        return client


class Plain(FailureTest):
    """Failures of a server without TLS and AUTH."""

    def test_a_refused_recipient(self) -> None:
        """Who was refused is shown with the whole transcript, and that the test has scripted it."""
        self.smtp.reject_recipient("eve@example.com", 550, text="5.1.1 no such user")
        with self.connect() as client, self.assertRaises(smtplib.SMTPRecipientsRefused):
            client.send_message(make_mail(to="eve@example.com"))
        self.assertEqual(self.look(to="eve@example.com"), REFUSED)

    def test_a_session_that_lasts(self) -> None:
        """A mail that is still on its way is shown."""
        self.send("one")
        client = self.begin_mail("bob@example.com")
        text = self.report(self.assertEmailSent, timeout=0, to="bob@example.com")
        self.assertIn("  sessions: 2 (1 still open, in a mail)\n  transcript of the last one:\n", text)
        client.rset()

    def test_a_line_that_is_too_long(self) -> None:
        """A line beyond the limit is shown, with what to do."""
        with self.connect() as client, self.assertRaises(smtplib.SMTPDataError):
            client.sendmail("team@example.com", "ann@example.com", b"Subject: x\r\n\r\n" + b"x" * 1200 + b"\r\n")
        refused = "500 5.6.0 Line 3 of the mail is too long: 1200 octets, the limit is 998\n"
        text = self.look()
        self.assertIn(f"  refused: 1\n      END_OF_DATA 1216 bytes -> {refused}", text)
        self.assertIn("encode the body, or set smtp_line_limit = None to allow them.\n", text)
        self.assertIn(f"      C: <1216 bytes>\n      S: {refused}", text)

    def test_tls_on_a_plain_port(self) -> None:
        """A client that begins with TLS, where the server does not, is recognised."""
        with contextlib.suppress(OSError):
            smtplib.SMTP_SSL(*self.smtp.addr, timeout=1)
        advice = 'What the client sent is no SMTP. Does it begin with TLS? Then smtp_tls must be "implicit".'
        self.assertIn(advice, self.look())

    def test_no_control_character(self) -> None:
        """Nothing that a client sends can move the cursor of the terminal that shows the report."""
        with socket.create_connection(self.smtp.addr, timeout=HANG) as client:
            client.sendall(b"EHLO \x1b[2J\xe2\x80\xae\r\nMAIL FROM:<\x1b[31m@x>\r\n\x07\x9b\r\nQUIT\r\n")
            while client.recv(4096):
                pass
        self.assertEqual([char for char in self.look() if not char.isprintable() and char != "\n"], [])


class WithLogin(FailureTest):
    """Failures of a server with users."""

    smtp_users = {"shop": "s3cret-Pa55"}
    smtp_require_auth = True

    def test_a_wrong_password(self) -> None:
        """A refused login is shown, and no password is."""
        for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5"):
            with self.connect() as client:
                client.ehlo()
                client.user, client.password = "shop", "wr0ng-Pa55"
                method = getattr(client, f"auth_{mechanism.lower().replace('-', '_')}")
                self.assertRaises(smtplib.SMTPAuthenticationError, client.auth, mechanism, method)
        self.assertEqual(self.look(), WRONG_PASSWORD)

    def test_no_login(self) -> None:
        """A mail without a login is shown, with the setting that wants one."""
        with self.connect() as client, self.assertRaises(smtplib.SMTPSenderRefused):
            client.send_message(make_mail())
        self.assertIn("  refused: 1\n      MAIL FROM:<team@example.com> size=", self.look())
        self.assertIn("      smtp_require_auth is set: the client must log in first.\n", self.look())

    def test_a_right_password_is_not_shown_either(self) -> None:
        """Neither is the password of somebody who may log in, in any form."""
        with self.connect() as client:
            client.login("shop", "s3cret-Pa55")
            client.send_message(make_mail())
            client.docmd("VRFY")
        text = self.look(subject="other") + repr(self.smtp) + repr(self.smtp.sessions) + repr(self.smtp.attempts())
        forms = [b"s3cret-Pa55", b"\0shop\0s3cret-Pa55", b"wr0ng-Pa55"]
        for form in [*(base64.b64encode(form).decode() for form in forms), *map(bytes.decode, forms)]:
            self.assertNotIn(form, text)
        self.assertEqual(self.assertEmailSent().session.auth_user, "shop")  # type: ignore[union-attr]


class ImplicitTLS(FailureTest):
    """Failures of a server that speaks TLS from the first byte."""

    smtp_tls = "implicit"

    def test_a_client_that_does_not_trust(self) -> None:
        """A handshake that the client broke off is shown, with what to trust."""
        context = ssl.create_default_context()
        self.assertRaises(ssl.SSLError, smtplib.SMTP_SSL, *self.smtp.addr, timeout=HANG, context=context)
        text = self.look()
        self.assertIn("  1 connection to 127.0.0.1:2525, but no email was delivered over it\n", text)
        self.assertIn("      The client broke off the TLS handshake: does it trust smtp.ca_file, and was it gi", text)

    def test_a_plain_client(self) -> None:
        """A client that does not begin with TLS is recognised."""
        with socket.create_connection(self.smtp.addr, timeout=HANG) as client:
            client.sendall(b"EHLO laptop\r\n")
            with contextlib.suppress(OSError):  # the server has closed it already
                while client.recv(4096):
                    pass
        self.assertIn("      The client spoke without TLS where TLS was due: see smtp_tls, and how", self.look())


REFUSED = """\
no email matched
  wanted:  to='eve@example.com'
  received in this test: 0
  refused: 1
      RCPT TO:<eve@example.com> -> 550 5.1.1 no such user (scripted)
  1 connection to 127.0.0.1:2525, but no email was delivered over it
  transcript of the last one:
      S: 220 localhost ESMTP
      C: EHLO laptop
      S: 250 localhost, PIPELINING, SIZE 33554432, 8BITMIME, ENHANCEDSTATUSCODES, DSN, SMTPUTF8, HELP
      C: MAIL FROM:<team@example.com> size=190
      S: 250 2.1.0 OK
      C: RCPT TO:<eve@example.com>
      S: 550 5.1.1 no such user
      C: RSET
      S: 250 2.0.0 OK
      C: QUIT
      S: 221 2.0.0 Bye
  server: smtp://127.0.0.1:2525"""

WRONG_PASSWORD = """\
no email arrived
  wanted:  any email
  received in this test: 0
  refused: 3
      AUTH PLAIN -> 535 5.7.8 Authentication credentials invalid
      AUTH LOGIN -> 535 5.7.8 Authentication credentials invalid
      AUTH CRAM-MD5 -> 535 5.7.8 Authentication credentials invalid
  3 connections to 127.0.0.1:2525, but no email was delivered over them
      The login was refused: smtp_users has the names and passwords that are accepted.
  transcript of the last one:
      S: 220 localhost ESMTP
      C: EHLO laptop
      S: 250 localhost, PIPELINING, SIZE 33554432, 8BITMIME, ENHANCEDSTATUSCODES, DSN, SMTPUTF8, AUTH PLAIN LOGIN CRAM-MD5, HELP
      C: AUTH CRAM-MD5
      S: 334 CHALLENGE
      C: ***
      S: 535 5.7.8 Authentication credentials invalid
      C: QUIT
      S: 221 2.0.0 Bye
  server: smtp://127.0.0.1:2525"""  # noqa: E501

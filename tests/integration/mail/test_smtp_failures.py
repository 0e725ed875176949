"""What a failed assertion about mail prints, letter by letter: real senders, over real sockets."""

from __future__ import annotations

import contextlib
import re
import smtplib
import socket
import ssl
import unittest
from collections.abc import Callable

from liveserver_testcase import SMTPTestCase
from tests.integration.mail.mailing import MailTest, make_mail
from tests.integration.running import make_case, run_case
from tests.support import HANG, wait_until


class FailureTest(MailTest):
    """A mixin's test whose sessions are over when it looks at them."""

    def look(self, **criteria: str) -> str:
        """The report of a mail that is not there, when every connection is over."""
        wait_until(lambda: not any(session.is_open for session in self.smtp.sessions))
        text = self.report(self.assertEmailSent, timeout=0, **criteria)
        return re.sub(r"S: 334 \S+", "S: 334 CHALLENGE", text)

    def connect(self) -> smtplib.SMTP:
        """A client that has said nothing yet."""
        client = smtplib.SMTP(*self.smtp.addr, local_hostname="laptop", timeout=HANG)
        self.addCleanup(client.close)
        return client


class OwnErrorTest(unittest.TestCase):
    """Tests that fail because the client raised: the note says what the server saw, and what to set."""

    def fail_with(self, test: Callable[[SMTPTestCase], object], **attributes: object) -> str:
        """The report of a test that is left by an error of its client."""
        return run_case(make_case(SMTPTestCase, test_it=test, **attributes)).report

    def test_no_starttls(self) -> None:
        """A client that wants TLS gets to know which setting offers it."""

        def test(case: SMTPTestCase) -> None:
            with smtplib.SMTP(*case.smtp.addr, timeout=HANG) as client:
                client.starttls()

        report = self.fail_with(test)

        self.assertIn("STARTTLS extension not supported by server", report)
        self.assertIn("SMTPNotSupportedError was raised, and this is what it saw\n", report)
        self.assertIn('      STARTTLS is not offered: set smtp_tls = "starttls".\n', report)
        self.assertIn("      C: EHLO ", report)

    def test_no_auth(self) -> None:
        """A client that wants to log in gets to know which setting lets it."""

        def test(case: SMTPTestCase) -> None:
            with smtplib.SMTP(*case.smtp.addr, timeout=HANG) as client:
                client.login("ann", "secret")

        report = self.fail_with(test)

        self.assertIn("      AUTH is not offered: set smtp_users, or have the client log in after STARTTLS.\n", report)

    def test_wrong_password(self) -> None:
        """A login that was refused is listed, with where the names and passwords are; no password is."""

        def test(case: SMTPTestCase) -> None:
            with smtplib.SMTP(*case.smtp.addr, timeout=HANG) as client:
                client.login("ann", "wrong-password")

        report = self.fail_with(test, smtp_users={"ann": "secret"}, smtp_auth_mechanisms=("PLAIN",))

        self.assertIn("  refused: 1\n      AUTH PLAIN -> 535", report)
        self.assertIn(
            "      The login was refused: smtp_users has the names and passwords that are accepted.\n", report
        )

    def test_certificate(self) -> None:
        """A client that refused the certificate gets to know what to trust."""

        def test(case: SMTPTestCase) -> None:
            with smtplib.SMTP(*case.smtp.addr, timeout=HANG) as client:
                client.starttls(context=ssl.create_default_context())

        report = self.fail_with(test, smtp_tls="starttls")

        self.assertIn("SSLCertVerificationError was raised, and this is what it saw", report)
        self.assertIn("does it trust smtp.ca_file, and was it given smtp.client_context()?", report)

    def test_an_error_behind_an_error(self) -> None:
        """What the application makes of the client's error is explained, too."""

        def test(case: SMTPTestCase) -> None:
            try:
                with smtplib.SMTP(*case.smtp.addr, timeout=HANG) as client:
                    client.starttls()
            except smtplib.SMTPException as error:
                raise LookupError("no mail today") from error

        self.assertIn("STARTTLS is not offered", self.fail_with(test))

    def test_another_error(self) -> None:
        """An error that is none of a mail client gets no such note."""

        def test(case: SMTPTestCase) -> None:
            with contextlib.suppress(smtplib.SMTPException), smtplib.SMTP(*case.smtp.addr, timeout=HANG) as client:
                client.starttls()
            raise LookupError("boom")

        self.assertNotIn("what it saw", self.fail_with(test))


class Plain(FailureTest):
    """Failures of a server without TLS and AUTH."""

    def test_the_nearest_miss(self) -> None:
        """The failure shows what was wanted, what came nearest, and all that was received."""
        self.send("Invoice 7", "bob@example.com", html="<p>Pay")
        self.send("Welcome!")
        self.assertEqual(self.look(to="ann@example.com", subject="Welcome"), NEAREST)

    def test_nobody_connected(self) -> None:
        """With nothing received and no connection, the failure asks for the configuration."""
        self.assertEqual(self.look(to="ann@example.com"), NOBODY)

    def test_a_mail_that_was_not_wanted(self) -> None:
        """The mail that should not have been sent is shown."""
        self.send()
        self.assertEqual(self.report(self.assertNoEmailSent, to="ann@example.com"), UNWANTED)

    def test_a_refused_recipient(self) -> None:
        """Who was refused, and what was said, is shown, and that the test has scripted it."""
        self.smtp.reject_recipient("eve@example.com", 550, text="5.1.1 no such user")
        with self.connect() as client:
            with self.assertRaises(smtplib.SMTPRecipientsRefused):
                client.send_message(make_mail(to="eve@example.com"))
        self.assertEqual(self.look(to="eve@example.com"), REFUSED)

    def test_a_session_that_lasts(self) -> None:
        """A mail that is still on its way is shown."""
        self.send("one")
        client = self.begin_mail("bob@example.com")
        self.assertEqual(self.report(self.assertEmailSent, timeout=0, to="bob@example.com"), OPEN)
        client.rset()

    def test_a_line_that_is_too_long(self) -> None:
        """A line beyond the limit is told, with what to do."""
        with self.connect() as client:
            with self.assertRaises(smtplib.SMTPDataError):
                client.sendmail("team@example.com", "ann@example.com", b"Subject: x\r\n\r\n" + b"x" * 1200 + b"\r\n")
        self.assertEqual(self.look(), LONG_LINE)

    def test_tls_on_a_plain_port(self) -> None:
        """A client that begins with TLS, where the server does not, is recognised."""
        with contextlib.suppress(OSError):
            smtplib.SMTP_SSL(*self.smtp.addr, timeout=1)
        text = self.look()
        self.assertIn(
            'What the client sent is no SMTP. Does it begin with TLS? Then smtp_tls must be "implicit".', text
        )

    def test_no_control_character(self) -> None:
        """Nothing that a client sends can move the cursor of the terminal that shows the report."""
        with socket.create_connection(self.smtp.addr, timeout=HANG) as client:
            client.sendall(b"EHLO \x1b[2J\xe2\x80\xae\r\nMAIL FROM:<\x1b[31m@x>\r\n\x07\x9b\r\nQUIT\r\n")
            while client.recv(4096):
                pass
        text = self.look()
        self.assertEqual([char for char in text if not char.isprintable() and char != "\n"], [])


class WithLogin(FailureTest):
    """Failures of a server with users."""

    smtp_users = {"shop": "s3cret-Pa55"}
    smtp_require_auth = True

    def test_a_wrong_password(self) -> None:
        """A refused login is told, and no password is."""
        for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5"):
            with self.connect() as client:
                client.ehlo()
                client.user, client.password = "shop", "wr0ng-Pa55"
                method = getattr(client, f"auth_{mechanism.lower().replace('-', '_')}")
                with self.assertRaises(smtplib.SMTPAuthenticationError):
                    client.auth(mechanism, method)
        text = self.look()
        self.assertEqual(text, WRONG_PASSWORD)

    def test_no_login(self) -> None:
        """A mail without a login is told, with the setting that wants one."""
        with self.connect() as client:
            with self.assertRaises(smtplib.SMTPSenderRefused):
                client.send_message(make_mail())
        self.assertIn("  refused: 1\n      MAIL FROM:<team@example.com> size=", self.look())
        self.assertIn("      smtp_require_auth is set: the client must log in first.\n", self.look())

    def test_a_right_password_is_not_shown_either(self) -> None:
        """Neither is the password of somebody who may log in, in any form."""
        import base64

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
        """A handshake that the client broke off is told, with whom to trust."""
        with self.assertRaises(ssl.SSLError):
            smtplib.SMTP_SSL(*self.smtp.addr, timeout=HANG, context=ssl.create_default_context())
        text = self.look()
        self.assertIn("  1 connection to 127.0.0.1:2525, but no email was delivered over it\n", text)
        self.assertIn("      The client broke off the TLS handshake: does it trust smtp.ca_file, and was it gi", text)

    def test_a_plain_client(self) -> None:
        """A client that does not begin with TLS is told."""
        with socket.create_connection(self.smtp.addr, timeout=HANG) as client:
            client.sendall(b"EHLO laptop\r\n")
            with contextlib.suppress(OSError):  # the server has gone already
                while client.recv(4096):
                    pass
        text = self.look()
        self.assertIn("      The client spoke without TLS where TLS was due: see smtp_tls, and how the client is", text)


NEAREST = """\
no email matched
  wanted:  to='ann@example.com', subject='Welcome'
  nearest: #2 from team@example.com to ann@example.com  'Welcome!'  (1 of 2 criteria)
      ok   to
      FAIL subject: 'Welcome' != 'Welcome!'; to search for a part, write re.compile('Welcome')
  received in this test: 2
      #1 team@example.com -> bob@example.com  'Invoice 7'  text+html
      #2 team@example.com -> ann@example.com  'Welcome!'  text
  server: smtp://127.0.0.1:2525"""

NOBODY = """\
no email matched
  wanted:  to='ann@example.com'
  received in this test: 0
  no connection was made to 127.0.0.1:2525
      Is the code under test given this host and port? smtp.settings() has all that a sender must know.
      Flask-Mail sends nothing while MAIL_SUPPRESS_SEND is true, its default under TESTING: see smtp.flask_config().
      Django's test runner sets EMAIL_BACKEND to locmem: override it, see smtp.django_settings().
  server: smtp://127.0.0.1:2525"""

UNWANTED = """\
1 email matched, none was wanted
  wanted:  to='ann@example.com'
  matched: #1
  received in this test: 1
      #1 team@example.com -> ann@example.com  'Welcome'  text
  server: smtp://127.0.0.1:2525"""

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

OPEN = """\
no email matched
  wanted:  to='bob@example.com'
  nearest: #1 from team@example.com to ann@example.com  'one'  (0 of 1 criterion)
      FAIL to: 'bob@example.com' is not among ['ann@example.com']
  received in this test: 1
      #1 team@example.com -> ann@example.com  'one'  text
  sessions: 2 (1 still open, in a mail)
  transcript of the last one:
      S: 220 localhost ESMTP
      C: EHLO laptop
      S: 250 localhost, PIPELINING, SIZE 33554432, 8BITMIME, ENHANCEDSTATUSCODES, DSN, SMTPUTF8, HELP
      C: MAIL FROM:<team@example.com>
      S: 250 2.1.0 OK
      C: RCPT TO:<bob@example.com>
      S: 250 2.1.5 OK
  server: smtp://127.0.0.1:2525"""

LONG_LINE = """\
no email arrived
  wanted:  any email
  received in this test: 0
  refused: 1
      END_OF_DATA 1216 bytes -> 500 5.6.0 Line 3 of the mail is too long: 1200 octets, the limit is 998
  1 connection to 127.0.0.1:2525, but no email was delivered over it
      Mail servers refuse such lines (RFC 5321): encode the body, or set smtp_line_limit = None to allow them.
  transcript of the last one:
      S: 220 localhost ESMTP
      C: EHLO laptop
      S: 250 localhost, PIPELINING, SIZE 33554432, 8BITMIME, ENHANCEDSTATUSCODES, DSN, SMTPUTF8, HELP
      C: MAIL FROM:<team@example.com> size=1216
      S: 250 2.1.0 OK
      C: RCPT TO:<ann@example.com>
      S: 250 2.1.5 OK
      C: DATA
      S: 354 End data with <CR><LF>.<CR><LF>
      C: <1216 bytes>
      S: 500 5.6.0 Line 3 of the mail is too long: 1200 octets, the limit is 998
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

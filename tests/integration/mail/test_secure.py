"""TLS and logging in, for real: certificates are verified, and passwords matter."""

from __future__ import annotations

import base64
import contextlib
import functools
import json
import smtplib
import socket
import ssl
import unittest
from typing import Any

from liveserver_testcase import SMTPServer
from tests.contracts.base import has_ipv6
from tests.integration.mail.clients import MAIL, MailTestCase
from tests.support import HANG, wait_until

USERS = {"ann": "secret", "bob": "pässword"}


def encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class STARTTLSTest(MailTestCase):
    """TLS that begins with a command."""

    def context(self) -> ssl.SSLContext:
        context = self.server.client_context()
        assert context is not None
        return context

    def test_with_its_own_context(self) -> None:
        """`client_context` trusts the server, and nobody else does."""
        self.serve(tls="starttls")
        with self.smtp() as smtp:
            smtp.starttls(context=self.server.client_context())
        with self.smtp() as smtp, self.assertRaisesRegex(ssl.SSLCertVerificationError, "unable to get local issuer"):
            smtp.starttls(context=ssl.create_default_context())

    def test_the_session_begins_anew(self) -> None:
        """What was said in plain text does not count: EHLO is needed again, and STARTTLS is gone."""
        self.serve(tls="starttls")
        client = self.greeted()
        self.assertIn("250-STARTTLS|", client.ask("EHLO before"))
        client.ask("MAIL FROM:<a@b>")
        self.assertEqual("501 5.5.4 Syntax: STARTTLS", client.ask("STARTTLS now"))
        self.assertEqual("220 2.0.0 Ready to start TLS", client.ask("STARTTLS"))
        client.secure(self.context(), "127.0.0.1")
        self.assertEqual("503 5.5.1 Send EHLO or HELO first", client.ask("MAIL FROM:<a@b>"))
        self.assertNotIn("STARTTLS", client.ask("EHLO after"))
        self.assertEqual("503 5.5.1 TLS is in use already", client.ask("STARTTLS"))
        self.assertEqual(250, client.code("MAIL FROM:<a@b>"))

    def test_nothing_is_injected(self) -> None:
        """What is sent in plain text after STARTTLS is dropped, not obeyed inside of TLS."""
        self.serve(tls="starttls")
        client = self.greeted("EHLO test")
        injected = b"EHLO injected\r\nMAIL FROM:<evil@b>\r\n"
        client.send(b"STARTTLS\r\n" + injected)
        self.assertEqual("220 2.0.0 Ready to start TLS", client.answer())
        client.secure(self.context(), "127.0.0.1")
        self.assertEqual("250 2.0.0 OK", client.ask("NOOP"))
        self.assertEqual("503 5.5.1 Send EHLO or HELO first", client.ask("MAIL FROM:<a@b>"))
        self.assertIn(
            f"({len(injected)} bytes that were sent in plain text after STARTTLS are dropped)",
            self.server.sessions[0].transcript,
        )

    def test_a_handshake_that_fails(self) -> None:
        """Whoever speaks no TLS after STARTTLS is off, and the record says why."""
        self.serve(tls="starttls")
        client = self.greeted("EHLO test", "STARTTLS")
        client.send(b"NOOP\r\nNOOP\r\n")
        client.rest()
        self.assertRegex(self.session().close_reason, r"^the TLS handshake failed: \[SSL: ")

    def test_a_silent_client(self) -> None:
        """A client that does not begin its handshake in time is off, and the record says why."""
        for tls in ("starttls", "implicit"):
            with self.subTest(tls=tls):
                self.serve(tls=tls, handshake_timeout=0.05)
                client = self.client()
                if tls == "starttls":
                    client.answer()
                    client.ask("EHLO test")
                    client.ask("STARTTLS")
                self.assertEqual(b"", client.rest())
                self.assertRegex(self.session().close_reason, "^the TLS handshake failed: ")

    def test_a_sender_that_does_not_wait(self) -> None:
        """A mail that was sent in one go, with the end of TLS behind it, is kept whole."""
        self.serve(tls="starttls")
        client = self.greeted("EHLO test", "STARTTLS")
        client.secure(self.context(), "127.0.0.1")
        big = b"x" * 900 + b"\r\n"
        client.send(
            b"EHLO test\r\n"
            + b"".join(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n" + big * 1000 + b".\r\n" for _ in range(3))
        )
        with contextlib.suppress(ssl.SSLError):  # the replies are not read
            client.sock.unwrap()  # type: ignore[attr-defined]
        client.sock.shutdown(socket.SHUT_WR)
        mails = wait_until(lambda: self.server.outbox if len(self.server.outbox) == 3 else None)
        self.assertEqual([902_000] * 3, [len(mail.raw) for mail in mails])


class ImplicitTLSTest(MailTestCase):
    """TLS from the first byte."""

    def test_on_both_names(self) -> None:
        """The certificate is verified with the CA file alone, on 127.0.0.1 and localhost; the mail has TLS and user."""
        for tls, scheme in (("starttls", "smtp"), ("implicit", "smtps")):
            self.serve(host="localhost", tls=tls, users=USERS)
            self.assertEqual(f"{scheme}://localhost:{self.server.port}", self.server.url)
            context = ssl.create_default_context(cafile=self.server.ca_file)
            for host in ("127.0.0.1", "localhost"):
                make: Any = functools.partial(smtplib.SMTP_SSL, context=context) if tls == "implicit" else smtplib.SMTP
                with self.subTest(tls=tls, host=host), make(host, self.server.port, timeout=HANG) as smtp:
                    if tls == "starttls":
                        smtp.starttls(context=context)
                    smtp.login("ann", "secret")
                    smtp.sendmail("ann@example.com", "bob@example.com", MAIL)
            sessions = [mail.session for mail in self.server.outbox]
            self.assertEqual(["ann"] * 2, [session and session.auth_user for session in sessions])
            for session in sessions:
                self.assertRegex((session and session.tls) or "", r"^TLSv1\.[23]$")

    @unittest.skipUnless(has_ipv6(), "this machine has no IPv6")
    def test_ipv6(self) -> None:
        """On ::1 the certificate is verified as well, and addresses have brackets."""
        self.serve(host="::1", tls="implicit")
        self.assertEqual(f"smtps://[::1]:{self.server.port}", self.server.url)
        with smtplib.SMTP_SSL("::1", self.server.port, timeout=HANG, context=self.server.client_context()) as smtp:
            smtp.sendmail("ann@example.com", "bob@example.com", MAIL)
        self.assertRegex(repr(self.server.sessions[0]), r"^<SMTPSession 0 from \[::1\]:\d+ ")

    def test_a_client_without_tls(self) -> None:
        """A client that sends plain SMTP or HTTP to it is disconnected, and the record has the reason."""
        for sent, reason in (
            (b"EHLO test\r\n", "^the TLS handshake failed: "),
            (b"GET / HTTP/1.1\r\n\r\n", "^the client spoke plain HTTP on a port that speaks TLS$"),
        ):
            self.serve(tls="implicit")
            client = self.client()
            client.send(sent)
            client.rest()
            self.assertRegex(self.session().close_reason, reason)

    def test_a_context_of_ones_own(self) -> None:
        """A context of the user's is used as it is; whom to trust is the user's to know."""
        other = SMTPServer(tls="starttls")
        self.serve(tls="implicit", certificate=other._engine.server_context())
        with smtplib.SMTP_SSL(*self.server.addr, timeout=HANG, context=other.client_context()) as smtp:
            smtp.noop()
        self.assertIsNone(self.server.ca_file)


class CertificateTest(MailTestCase):
    """Certificates that fail on purpose."""

    def test_each(self) -> None:
        """A client that verifies breaks off with the reason; the session has that it did."""
        for tls in ("starttls", "implicit"):
            for flaw, reason in {
                "expired": "certificate has expired",
                "wrong-host": "IP address mismatch, certificate is not valid for '127.0.0.1'.",
                "untrusted": "unable to get local issuer certificate",
            }.items():
                with self.subTest(flaw=flaw, tls=tls):
                    self.serve(tls=tls, certificate=flaw)
                    context = self.server.client_context()
                    with self.assertRaises(ssl.SSLCertVerificationError) as caught:
                        if tls == "implicit":
                            smtplib.SMTP_SSL(*self.server.addr, timeout=HANG, context=context)
                        else:
                            self.smtp().starttls(context=context)
                    self.assertEqual(reason, caught.exception.verify_message)
                    self.assertRegex(self.session().close_reason, r"^the TLS handshake failed: \[SSL: .*ALERT")
                    self.assertEqual([], self.server.outbox)

    def test_a_client_that_does_not_verify(self) -> None:
        """A client that does not look is not stopped: that is the fault that a test can find."""
        self.serve(tls="starttls", certificate="expired")
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with self.smtp() as smtp:
            smtp.starttls(context=context)
            smtp.sendmail("a@example.com", "b@example.com", MAIL)
        self.assertEqual(1, len(self.server.outbox))


class LoginTest(MailTestCase):
    """AUTH."""

    def test_every_mechanism(self) -> None:
        """Each lets in who has the password, or anybody where any login is accepted; the mail has the user."""
        for options, password in (({"users": USERS}, "secret"), ({"accept_any_login": True}, "any")):
            for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5"):
                with self.subTest(mechanism=mechanism, **options):
                    self.serve(auth_mechanisms=(mechanism.lower(),), require_auth=True, **options)
                    with self.smtp() as smtp:
                        smtp.ehlo()
                        self.assertEqual(f" {mechanism}", smtp.esmtp_features["auth"])
                        self.assertEqual(235, smtp.login("ann", password)[0])
                        smtp.sendmail("a@example.com", "b@example.com", MAIL)
                    self.assertEqual("ann", self.server.outbox[0].session.auth_user)  # type: ignore[union-attr]
        self.serve(auth_mechanisms=("XOAUTH2",), accept_any_login=True)
        client = self.greeted("EHLO test")
        token = encode("user=eve\1auth=Bearer any\1\1")
        self.assertEqual(235, client.code(f"AUTH XOAUTH2 {token}"))

    def test_bad_passwords(self) -> None:
        """A wrong password, and a name that nobody has, are refused with 535 in every mechanism."""
        for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5"):
            self.serve(users=USERS, auth_mechanisms=(mechanism,))
            for name, password in (("ann", "wrong"), ("eve", "secret"), ("ann", "")):
                with self.subTest(mechanism=mechanism, name=name), self.smtp() as smtp:
                    with self.assertRaises(smtplib.SMTPAuthenticationError) as caught:
                        smtp.login(name, password)
                    self.assertEqual((535, b"5.7.8 Authentication credentials invalid"), caught.exception.args)

    def test_by_hand(self) -> None:
        """Every way to say it: with or without an initial response, in letters of any size, and in UTF-8."""
        self.serve(users=USERS)
        plain = encode("\0bob\0pässword")
        for lines in (
            [f"AUTH plain {plain}"],
            ["Auth PLAIN", plain],
            ["AUTH Login", encode("bob"), encode("pässword")],
            [f"AUTH LOGIN {encode('bob')}", encode("pässword")],
        ):
            with self.subTest(lines=lines):
                client = self.greeted("EHLO test")
                answers = [client.ask(line) for line in lines]
                self.assertEqual("235 2.7.0 Authentication successful", answers[-1])
                self.assertEqual(["334"] * (len(lines) - 1), [answer[:3] for answer in answers[:-1]])
                self.assertEqual("503 5.5.1 Already logged in", client.ask("AUTH PLAIN"))

    def test_nonsense(self) -> None:
        """What is no dialogue of AUTH is refused, and the session goes on."""
        self.serve(users=USERS)
        client = self.greeted()
        self.assertEqual("502 5.5.1 AUTH is not offered", client.ask("AUTH PLAIN"))
        client.ask("EHLO test")
        for lines, answer in (
            (["AUTH"], "504 5.5.4 Unknown mechanism; there are PLAIN LOGIN CRAM-MD5"),
            (["AUTH XOAUTH2 abc"], "504 5.5.4 Unknown mechanism; there are PLAIN LOGIN CRAM-MD5"),
            (["AUTH PLAIN !!!"], "501 5.5.2 The response is not in base64"),
            (["AUTH PLAIN", "*"], "501 5.7.0 The client has given up"),
            (["AUTH PLAIN", encode("no nulls")], "501 5.5.2 PLAIN wants three parts with NUL between them"),
            (["AUTH PLAIN ="], "501 5.5.2 PLAIN wants three parts with NUL between them"),
            (["AUTH CRAM-MD5 abcd"], "501 5.7.0 CRAM-MD5 begins with a challenge"),
            (["AUTH CRAM-MD5", encode("ann")], "535 5.7.8 Authentication credentials invalid"),
            (["AUTH LOGIN", "x" * 20_000], "500 5.5.2 The line is too long: more than 12288 octets"),
            (["MAIL FROM:<a@b>", "AUTH PLAIN"], "503 5.5.1 A mail is on its way"),
        ):
            with self.subTest(lines=lines[0]):
                self.assertEqual(answer, [client.ask(line) for line in lines][-1])

    def test_tokens(self) -> None:
        """XOAUTH2 and OAUTHBEARER let in who knows the token, with or without an initial response."""
        self.serve(users={"ann@example.com": "t0ken", "a,b=c": "t0ken"}, auth_mechanisms=("XOAUTH2", "OAUTHBEARER"))
        for mechanism, response, user in (
            ("XOAUTH2", "user=ann@example.com\1auth=Bearer t0ken\1\1", "ann@example.com"),
            ("xoauth2", "user=ann@example.com\1auth=bearer t0ken\1\1", "ann@example.com"),
            ("OAUTHBEARER", "n,a=ann@example.com,\1host=127.0.0.1\1port=25\1auth=Bearer t0ken\1\1", "ann@example.com"),
            ("OAUTHBEARER", "n,a=a=2Cb=3Dc,\1auth=Bearer t0ken\1\1", "a,b=c"),
        ):
            for lines in ([f"AUTH {mechanism} {encode(response)}"], [f"AUTH {mechanism}", encode(response)]):
                with self.subTest(lines=lines):
                    client = self.greeted()
                    self.assertIn("250-AUTH XOAUTH2 OAUTHBEARER", client.ask("EHLO test"))
                    self.assertEqual("235 2.7.0 Authentication successful", [client.ask(line) for line in lines][-1])
                    self.assertEqual(user, self.server.sessions[-1].auth_user)

    def test_bad_tokens(self) -> None:
        """A wrong token is answered with JSON, which the client acknowledges, and then with 535."""
        self.serve(users={"ann@example.com": "t0ken"}, auth_mechanisms=("XOAUTH2", "OAUTHBEARER"))
        client = self.greeted("EHLO test")
        for mechanism, response, acknowledgement in (
            ("XOAUTH2", "user=ann@example.com\1auth=Bearer wrong\1\1", ""),
            ("OAUTHBEARER", "n,a=eve@example.com,\1auth=Bearer t0ken\1\1", encode("\1")),
        ):
            with self.subTest(mechanism=mechanism):
                code, _, question = client.ask(f"AUTH {mechanism} {encode(response)}").partition(" ")
                self.assertEqual("334", code)
                self.assertIn("status", json.loads(base64.b64decode(question)))
                self.assertEqual("535 5.7.8 Authentication credentials invalid", client.ask(acknowledgement))
        for mechanism in ("XOAUTH2", "OAUTHBEARER"):
            self.assertRegex(client.ask(f"AUTH {mechanism} {encode('ann')}"), f"^501 5.5.2 {mechanism} wants ")
        self.assertNotIn("t0ken", self.server.sessions[0].transcript)

    def test_inside_tls_only(self) -> None:
        """AUTH is offered inside of TLS only, where TLS is required for a mail, or for AUTH alone."""
        for setting, reply in (
            ("require_tls", "530 5.7.0 Must issue a STARTTLS command first"),
            ("auth_require_tls", "538 5.7.11 Encryption required for requested authentication mechanism"),
        ):
            with self.subTest(setting):
                self.serve(users=USERS, tls="starttls", **{setting: True})
                client = self.greeted()
                self.assertNotIn("AUTH", client.ask("EHLO test"))
                self.assertEqual(reply, client.ask("AUTH PLAIN"))
                with self.smtp() as smtp:
                    smtp.starttls(context=self.server.client_context())
                    smtp.login("ann", "secret")
        self.send()  # outside of TLS, without a login
        self.assertEqual(1, len(self.server.outbox))

    def test_it_can_be_required(self) -> None:
        """Before a required login, or TLS, RCPT and DATA are refused with 530 as MAIL is, and not for their order."""
        for options, reply in (
            ({"require_auth": True}, "530 5.7.0 Authentication required"),
            ({"require_tls": True, "tls": "starttls"}, "530 5.7.0 Must issue a STARTTLS command first"),
        ):
            with self.subTest(**options):
                self.serve(users=USERS, **options)
                client = self.greeted("EHLO test")
                lines = ("MAIL FROM:<a@b>", "RCPT TO:<a@b>", "DATA")
                self.assertEqual([reply] * 3, [client.ask(line) for line in lines])
                with self.smtp() as smtp:
                    if "tls" in options:
                        smtp.starttls(context=self.server.client_context())
                    smtp.login("ann", "secret")
                    smtp.sendmail("a@example.com", "b@example.com", MAIL)
                self.assertEqual(1, len(self.server.outbox))

    def test_passwords_are_on_no_record(self) -> None:
        """Neither a transcript nor an attempt nor the server's own text has a password in it, however it was sent."""
        self.serve(users={"ann": "s3cret-Word"}, tls="starttls")
        digest_free = []
        for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5"):
            with self.smtp() as smtp:
                smtp.user, smtp.password = "ann", "s3cret-Word"
                smtp.ehlo()
                smtp.auth(mechanism, getattr(smtp, f"auth_{mechanism.lower().replace('-', '_')}"))
        client = self.greeted("EHLO test")
        for line in ("AUTH UNKNOWN", encode("s3cret-Word"), f"AUTH PLAIN {encode('s3cret-Word')}"):
            client.ask(line)
        client.ask("QUIT")
        sessions = wait_until(lambda: [s for s in self.server.sessions if not s.is_open][3:] and self.server.sessions)
        for session in sessions:
            digest_free += [
                session.transcript,
                repr(session),
                *map(str, session.attempts),
                *map(repr, session.attempts),
            ]
        text = "\n".join([*digest_free, repr(self.server), repr(self.server.config)])
        for secret in ("s3cret-Word", encode("s3cret-Word"), encode("\0ann\0s3cret-Word")):
            self.assertNotIn(secret, text)
        self.assertIn("C: AUTH LOGIN\nS: 334 UGFzc3dvcmQ6\nC: ***\nS: 235 2.7.0 Authentication successful", text)
        self.assertIn("C: (a line after AUTH)\nS: 500 5.5.1 Unknown command", text)

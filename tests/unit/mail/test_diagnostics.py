"""What a report says of refusals and connections, letter by letter."""

from __future__ import annotations

import unittest
from typing import Any

from liveserver_testcase.core.journal import JournalWindow
from liveserver_testcase.mail.report import Diagnostics, describe_diagnostics, explain_attempts
from liveserver_testcase.mail.session import SMTPAttempt, SMTPSession, Transaction

URL = "smtp://127.0.0.1:40123"
EPOCH = JournalWindow(1, "test")
MAIL = ("MAIL", "FROM:<shop@x>", 250, "OK")

FLASK_MAIL = (
    "      Flask-Mail sends nothing while MAIL_SUPPRESS_SEND is true, its default under TESTING: "
    "see smtp.flask_config()."
)


def session(*said: tuple[str, str, int | None, str], ending: str = "QUIT", stage: str = "idle", mails: int = 0) -> Any:
    """A session in which this was said: command, argument, code and reply; without an ending it lasts."""
    made = SMTPSession(0, ("127.0.0.1", 5), EPOCH)
    for command, argument, code, reply in said:
        attempt = SMTPAttempt(made, command, argument, EPOCH, Transaction(EPOCH, "shop@x", ()))
        attempt.code, attempt.reply = code, reply
        made.add(attempt)
    made.mails = mails
    made.state = stage
    if ending:
        made.end(ending)
    return made


def around(*sessions: SMTPSession, loss: str = "") -> Diagnostics:
    attempts = [attempt for each in sessions for attempt in each.attempts]
    return Diagnostics(server_url=URL, sessions=sessions, attempts=attempts, loss=loss)


class DiagnosticsCase(unittest.TestCase):
    maxDiff = None

    def check(self, facts: Diagnostics, *lines: str, has_emails: bool = False) -> None:
        self.assertEqual(describe_diagnostics(facts, has_emails), [*lines, f"  server: {URL}"])


class Connections(DiagnosticsCase):
    def test_nobody(self) -> None:
        """If nobody connected, the report asks for the configuration that usually is the reason."""
        self.check(
            around(),
            "  no connection was made to 127.0.0.1:40123",
            "      Is the code under test given this host and port? smtp.settings() has all that a sender must know.",
            FLASK_MAIL,
            "      Django's test runner sets EMAIL_BACKEND to locmem: override it, see smtp.django_settings().",
        )

    def test_nothing_delivered(self) -> None:
        """If somebody connected and delivered nothing, the report shows what was said last."""
        self.check(
            around(session(), session(("EHLO", "me", 250, "hello"))),
            "  2 connections to 127.0.0.1:40123, but no email was delivered over them",
            "      Did the client stop before it sent a mail, or is it still sending?",
            "  transcript of the last one:",
            "      C: EHLO me",
            "      S: 250 hello",
        )

    def test_still_sending(self) -> None:
        """A mail that is on its way is told."""
        self.check(
            around(session(MAIL, ending="", stage="in DATA")),
            "  1 connection to 127.0.0.1:40123, but no email was delivered over it (1 still open, in DATA)",
            "      A mail is still on its way: if that is as it should be, wait for it with a longer timeout.",
            "  transcript of the last one:",
            "      C: MAIL FROM:<shop@x>",
            "      S: 250 OK",
        )

    def test_all_is_well(self) -> None:
        """If mails were delivered and nothing went wrong, connections are not spoken of."""
        self.check(around(session(MAIL, mails=1), session(MAIL, mails=1, ending="")), has_emails=True)

    def test_another_is_still_sending(self) -> None:
        """If mails were delivered, sessions in which one is on its way are told all the same."""
        self.check(
            around(session(MAIL, mails=1), session(MAIL, stage="in a mail", ending="", mails=1)),
            "  sessions: 2 (1 still open, in a mail)",
            "  transcript of the last one:",
            "      C: MAIL FROM:<shop@x>",
            "      S: 250 OK",
            has_emails=True,
        )

    def test_refused(self) -> None:
        """What was refused is listed, equal ones counted, and the last session with a refusal is shown."""
        refused = ("RCPT", "TO:<eve@x>", 550, "5.1.1 no such user")
        self.check(
            around(session(refused), session(MAIL, refused), session(MAIL, mails=1)),
            "  refused: 2",
            "      RCPT TO:<eve@x> -> 550 5.1.1 no such user  (2 times)",
            "  transcript of the last one that failed:",
            "      C: MAIL FROM:<shop@x>",
            "      S: 250 OK",
            "      C: RCPT TO:<eve@x>",
            "      S: 550 5.1.1 no such user",
            has_emails=True,
        )

    def test_no_answer(self) -> None:
        """What got no answer is told as refused, but not what has none yet."""
        silent = session(
            ("DATA", "", None, "the script never answers"), ("NOOP", "", None, ""), ending="", stage="idle"
        )
        self.assertEqual(
            describe_diagnostics(around(silent), False)[:2],
            ["  refused: 1", "      DATA -> the script never answers"],
        )

    def test_many_refused(self) -> None:
        """Of many different refusals twenty are listed, of a long transcript the last forty lines."""
        facts = around(session(*(("RCPT", f"TO:<{number}@x>", 550, "no") for number in range(30))))
        lines = describe_diagnostics(facts, False)
        self.assertEqual(lines[0], "  refused: 30")
        self.assertEqual(lines[20:22], ["      RCPT TO:<19@x> -> 550 no", "      … 10 more"])
        transcript = lines[lines.index("  transcript of the last one:") + 1 : -1]
        self.assertEqual((len(transcript), transcript[0]), (41, "      (20 lines before these)"))

    def test_long_answers(self) -> None:
        """An answer of several lines is one line."""
        lines = describe_diagnostics(around(session(("EHLO", "me", 250, "a\nb\nc"), ("NOOP", "", 250, "d"))), False)
        self.assertEqual(
            lines[3:-1],
            ["      C: EHLO me", "      S: 250 a, b, c", "      C: NOOP", "      S: 250 d"],
        )

    def test_loss(self) -> None:
        """If mails were lost, the report says so."""
        self.check(around(session(MAIL, mails=1), loss="the journal is full"), "  the journal is full", has_emails=True)


class Reasons(DiagnosticsCase):
    def test_each(self) -> None:
        """What can be seen in the record has the advice that goes with it."""
        for advice, sessions in {
            "The client broke off the TLS handshake: does it trust smtp.ca_file, and was it given "
            "smtp.client_context()?": session(ending="the client has left in the TLS handshake"),
            "The client spoke without TLS where TLS was due: see smtp_tls, and how the client is configured.": session(
                ending="the TLS handshake failed: [SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1020)"
            ),
            'What the client sent is no SMTP. Does it begin with TLS? Then smtp_tls must be "implicit".': session(
                ("(unreadable)", "", 500, "5.5.2 x")
            ),
            "The client spoke HTTP: it was given the address of the mail server for a web server's.": session(
                ending="the client spoke plain HTTP on a port that speaks TLS"
            ),
            "The login was refused: smtp_users has the names and passwords that are accepted.": session(
                ("AUTH", "PLAIN", 535, "no")
            ),
            "AUTH is not offered: set smtp_users, or have the client log in after STARTTLS.": session(
                ("AUTH", "PLAIN", 502, "no")
            ),
            'STARTTLS is not offered: set smtp_tls = "starttls".': session(("STARTTLS", "", 502, "no")),
            "smtp_require_tls is set: the client must say STARTTLS first.": session(
                ("MAIL", "", 530, "5.7.0 Must issue a STARTTLS command first")
            ),
            "smtp_require_auth is set: the client must log in first.": session(
                ("MAIL", "", 530, "5.7.0 Authentication required")
            ),
            "The mail is larger than smtp_size_limit.": session(("MAIL", "", 552, "x"), ("END_OF_DATA", "", 552, "x")),
            "Mail servers refuse such lines (RFC 5321): encode the body, or set smtp_line_limit = None to allow "
            "them.": session(("END_OF_DATA", "", 500, "5.6.0 Line 3 of the mail is too long: 1200 octets")),
        }.items():
            with self.subTest(advice):
                lines = describe_diagnostics(around(sessions), False)
                before = next(number for number, line in enumerate(lines) if "no email was delivered" in line)
                self.assertEqual(lines[before + 1 : before + 3], [f"      {advice}", "  transcript of the last one:"])

    def test_scripted(self) -> None:
        """What the test itself has scripted needs no advice."""
        refused = session(("AUTH", "PLAIN", 535, "no"))
        refused.attempts[0].fault = object()
        lines = describe_diagnostics(around(refused), False)
        self.assertEqual(lines[1], "      AUTH PLAIN -> 535 no (scripted)")
        self.assertEqual(lines[3], "  transcript of the last one:")


class Attempts(unittest.TestCase):
    maxDiff = None

    def check(self, facts: Diagnostics, *lines: str, **more: Any) -> None:
        wanted = {"command": "RCPT", "argument": "eve@x", "code": None}
        text = explain_attempts(wanted, [], facts, **{"times": None, "waited": 2.0, **more})
        self.assertEqual(text.splitlines(), [*lines, f"  server: {URL}"])

    def test_others(self) -> None:
        """Attempts with this command are listed."""
        self.check(
            around(session(MAIL, ("RCPT", "TO:<ann@x>", 250, "OK"))),
            "no attempt matched within 2.0 s",
            "  wanted:  command='RCPT', argument='eve@x'",
            "  RCPT in this test: 1",
            "      RCPT TO:<ann@x> -> 250 OK",
        )

    def test_none(self) -> None:
        """If there are none with this command, all are listed; and if there are none at all, that is told."""
        self.check(
            around(session(MAIL)),
            "no attempt matched, 2 wanted",
            "  note:    wait",
            "  wanted:  command='RCPT', argument='eve@x'",
            "  attempted in this test: 1",
            "      MAIL FROM:<shop@x> -> 250 OK",
            times=2,
            waited=None,
            advice="wait",
        )
        self.check(
            around(),
            "no attempt matched within 2.0 s",
            "  wanted:  command='RCPT', argument='eve@x'",
            "  attempted in this test: 0",
            "  no connection was made to 127.0.0.1:40123",
            "      Is the code under test given this host and port? smtp.settings() has all that a sender must know.",
            FLASK_MAIL,
            "      Django's test runner sets EMAIL_BACKEND to locmem: override it, see smtp.django_settings().",
        )

"""The report of a failed assertion about mail: emails, refusals, connections and reasons, letter by letter."""

from __future__ import annotations

import textwrap
import unittest
from typing import Any

from liveserver_testcase.core.journal import JournalWindow
from liveserver_testcase.mail.criteria import Criteria
from liveserver_testcase.mail.message import ReceivedEmail
from liveserver_testcase.mail.report import Diagnostics, describe_diagnostics, explain, explain_attempts, one_line
from liveserver_testcase.mail.session import SMTPAttempt, SMTPSession, Transaction
from tests.unit.mail import letter, mixed, part, receive

INVOICE = receive(
    letter("Invoice 7", "bob@x", html="<p>", attachments={"inv-7.pdf": b"x" * 12_000}), "bob@x", mail_from="shop@x"
)
INVOICE_LINE = "shop@x -> bob@x  'Invoice 7'  text+html, 1 attachment (inv-7.pdf application/pdf 12 kB)"
WELCOME = receive(letter("Welcome!"))
WELCOME_LINE = "shop@example.com -> ann@example.com  'Welcome!'  text"
URL = "smtp://127.0.0.1:40123"
AROUND = Diagnostics(server_url=URL)
WINDOW = JournalWindow(1, "test")
MAIL = ("MAIL", "FROM:<shop@x>", 250, "OK")
SAID_MAIL = ["      C: MAIL FROM:<shop@x>", "      S: 250 OK"]
FLASK_MAIL = "Flask-Mail sends nothing while MAIL_SUPPRESS_SEND is true, its default under TESTING"
NO_CONNECTION = [
    "  no connection was made to 127.0.0.1:40123",
    "      Is the code under test given this host and port? smtp.settings() has all that a sender must know.",
    f"      {FLASK_MAIL}: see smtp.flask_config().",
    "      Django's test runner sets EMAIL_BACKEND to locmem: override it, see smtp.django_settings().",
]


class ExplainTest(unittest.TestCase):
    """What a failed assertion about emails has of them."""

    maxDiff = None

    def explain(self, emails: list[ReceivedEmail], predicate: Any = None, /, **options: Any) -> str:
        """The report, with keywords of `explain` among the criteria."""
        names = ("times", "waited", "advice", "diagnostics")
        keywords = {name: options.pop(name) for name in names if name in options}
        around = keywords.pop("diagnostics", AROUND)
        return explain(Criteria.build(predicate, **options), emails, around, **{"waited": 2.0, **keywords})

    def test_whole(self) -> None:
        """The email that meets most criteria is compared with each, and every email is listed."""
        report = f"""
            no email matched within 2.0 s
              wanted:  to='ann@example.com', subject='Welcome'
              nearest: #2 from shop@example.com to ann@example.com  'Welcome!'  (1 of 2 criteria)
                  ok   to
                  FAIL subject: 'Welcome' != 'Welcome!'; to search for a part, write re.compile('Welcome')
              received in this test: 2
                  #1 {INVOICE_LINE}
                  #2 {WELCOME_LINE}
              server: smtp://127.0.0.1:40123
            """
        found = self.explain([INVOICE, WELCOME], to="ann@example.com", subject="Welcome")
        self.assertEqual(found, textwrap.dedent(report).strip("\n"))

    def test_long_values(self) -> None:
        """Texts and differences go on below their criterion, and headers are criteria of their own."""
        email = receive(letter(to="ann@x", text="Hello,\nyour code is 43.\nBye"), "ann@example.com")
        report = """
            no email matched
              wanted:  text='Hello,\\nyour code is 42.', body='42', headers['X-Id']='1', headers['To']='ann@x'
              nearest: #1 from shop@example.com to ann@example.com  'Welcome'  (1 of 4 criteria)
                  FAIL text: not found; the nearest lines differ so:
                       --- wanted
                       +++ got
                       @@ -1,2 +1,3 @@
                        Hello,
                       -your code is 42.
                       +your code is 43.
                       +Bye
                  FAIL body: '42' not found in 27 characters:
                       | Hello,
                       | your code is 43.
                       | Bye
                  FAIL headers['X-Id']: '1' is wanted, but there is none
                  ok   headers['To']
            """
        headers = {"X-Id": "1", "To": "ann@x"}
        found = self.explain([email], waited=None, text="Hello,\nyour code is 42.", body="42", headers=headers)
        self.assertEqual(found.partition("\n  received")[0], textwrap.dedent(report).strip("\n"))

    def test_parts(self) -> None:
        """What each situation adds to the report."""

        def is_short(email: Any) -> bool:
            if isinstance(email, str):
                raise LookupError("no!")
            return False

        name = f"predicate is_short (test_report.py:{is_short.__code__.co_firstlineno})"
        welcome = "from shop@example.com to ann@example.com  'Welcome!'"
        broken = receive(b"Content-Type: text/plain; charset=utf-8\r\n\r\ngr\xfcn\r\n")
        late = Diagnostics(server_url=URL, late=[(WELCOME, "test_signup")])
        for report, *lines in (
            # of emails that meet as many criteria, the one that comes closer is the nearest, not the last
            (self.explain([WELCOME, INVOICE], subject="Welcome"), f"  nearest: #1 {welcome}  (0 of 1 criterion)"),
            # what had to be mended in it may be the reason
            (
                self.explain([broken], text="grün"),
                "      FAIL text: 'grün' not found in 'gr\ufffdn'",
                "      note text/plain part: not valid utf-8",
            ),
            # a predicate is a criterion like any other, and what it raises does not hide the report
            (
                self.explain([WELCOME], is_short, subject="Welcome!"),
                f"  wanted:  {name}, subject='Welcome!'",
                f"  nearest: #1 {welcome}  (1 of 2 criteria)",
                "      FAIL predicate: is not true of it",
                "      ok   subject",
            ),
            (
                self.explain([WELCOME], text=is_short),
                f"      FAIL text: {name} raised LookupError: no! on 'Hello Ann'",
                "  received in this test: 1",
            ),
            # too few: the nearest of the others; too many: none
            (
                self.explain([WELCOME, INVOICE], times=2, subject="Welcome!"),
                "1 email matched within 2.0 s, 2 wanted",
                "  wanted:  subject='Welcome!'",
                "  matched: #1",
                "  nearest: #2 from shop@x to bob@x  'Invoice 7'  (0 of 1 criterion)",
            ),
            (
                self.explain([WELCOME, INVOICE, WELCOME], waited=0.5, times=1, subject="Welcome!"),
                "2 emails matched within 0.5 s, 1 wanted",
                "  wanted:  subject='Welcome!'",
                "  matched: #1, #3",
                "  received in this test: 3",
            ),
            (
                self.explain([WELCOME], waited=None, times=0, advice="write await", diagnostics=late),
                "1 email arrived, none was wanted",
                "  note:    write await",
                "  wanted:  any email",
                "  matched: #1",
                "  received in this test: 1",
                f"      #1 {WELCOME_LINE}",
                "  late, from tests that had ended: 1",
                f"      {WELCOME_LINE}  (from test_signup)",
                f"  server: {URL}",
            ),
            (self.explain([], waited=0.02), "no email arrived within 0.02 s"),  # not 0.0
        ):
            with self.subTest(lines[0]):
                self.assertIn("\n".join(lines) + "\n", report + "\n")

    def test_many(self) -> None:
        """Of many emails the last twenty are listed."""
        report = self.explain([WELCOME] * 50, times=0, waited=None).splitlines()
        self.assertEqual(report[0], "50 emails arrived, none was wanted")
        self.assertEqual(report[2], f"  matched: {', '.join(f'#{number}' for number in range(1, 21))}, … 30 more")
        self.assertEqual(report[3], "  received in this test: 50 (the last 20 are listed)")
        self.assertEqual(report[4:24], [f"      #{number} {WELCOME_LINE}" for number in range(31, 51)])

    def test_escapes(self) -> None:
        """No control character, escape sequence or turn of direction reaches the report."""
        evil = "\x1b[31m\x07\r\u202e\u2066\x9b"
        raw = evil.replace("\r", "")
        word = "".join(f"={byte:02X}" for byte in evil.encode())
        email = receive(
            f"Subject: =?utf-8?q?{word}?=\nX-Evil: {raw}\nContent-Type: text/plain; charset={raw}\n\n{evil}\n{raw}\n",
            f"{evil}@x",
            mail_from=f"{evil}@x",
        )
        wanted = Criteria.build(subject="x", text="x\ny", body="x", to=["a@x"], headers={"X-Evil": "1"})
        evil_session = session(("RCPT", evil, 550, evil), ending="")
        evil_session.add(evil)
        found = around(evil_session, late=[(email, evil)])
        report = explain(wanted, [email], found)
        self.assertIn("transcript", report)
        self.assertEqual([char for char in report if not char.isprintable() and char != "\n"], [])
        self.assertIn(r"\x1b[31m", report)

    def test_one_line(self) -> None:
        """An email is sender, recipients, subject, kinds of text, and attachments; of many the first three."""
        anybody = "shop@example.com -> "
        unnamed = ["unnamed a/b 0 bytes"] * 3
        evil = b"Subject: \x1b[2J\xe2\x80\xae\r\n" + mixed(part("Content-Type: x/y\x1b; name=\x1b\x07", ""))
        for email, line in (
            (WELCOME, WELCOME_LINE),
            (INVOICE, INVOICE_LINE),
            (receive(b"", "ann@x", mail_from=""), "<> -> ann@x  (no subject)  no text"),
            (
                receive(mixed(*[part("Content-Type: a/b", "")] * 3), "a@x"),
                f"{anybody}a@x  (no subject)  no text, 3 attachments ({', '.join(unnamed)})",
            ),
            (
                receive(mixed(*[part("Content-Type: a/b", "")] * 5), "a@x"),
                f"{anybody}a@x  (no subject)  no text, 5 attachments ({', '.join(unnamed)}, 2 more)",
            ),
            (receive("Subject: x\n\n", "a@x", "b@x", "c@x"), f"{anybody}a@x, b@x, c@x  'x'  no text"),
            (
                receive("Subject: x\n\n", *(f"{name}@x" for name in "abcde")),
                f"{anybody}a@x, b@x, c@x, 2 more  'x'  no text",
            ),
            (
                receive(evil, "\x1b@x", mail_from="\u202e@x"),
                r"\u202e@x -> \x1b@x  '\x1b[2J\u202e'  no text, 1 attachment (\x1b\x07 x/y\x1b 0 bytes)",
            ),
        ):
            with self.subTest(line):
                self.assertEqual(one_line(email), line)


def session(*said: tuple[str, str, int | None, str], ending: str = "QUIT", stage: str = "idle", mails: int = 0) -> Any:
    """A session with these commands: name, argument, code and reply; without an ending it lasts."""
    made = SMTPSession(0, ("127.0.0.1", 5), WINDOW)
    for command, argument, code, reply in said:
        attempt = SMTPAttempt(made, command, argument, WINDOW, Transaction(WINDOW, "shop@x", ()))
        attempt.code, attempt.reply = code, reply
        made.add(attempt)
    made.mails = mails
    made.state = stage
    if ending:
        made.end(ending)
    return made


def around(*sessions: SMTPSession, **more: Any) -> Diagnostics:
    attempts = [attempt for each in sessions for attempt in each.attempts]
    return Diagnostics(server_url=URL, sessions=sessions, attempts=attempts, **more)


class DiagnosticsTest(unittest.TestCase):
    """What a report has of refusals and connections."""

    maxDiff = None

    def test_connections(self) -> None:
        """How far clients have come, what was refused, and the last session that went wrong."""
        refused = ("RCPT", "TO:<eve@x>", 550, "5.1.1 no such user")
        well = session(MAIL, mails=1)
        undelivered = "to 127.0.0.1:40123, but no email was delivered over"
        for has_emails, diagnostics, *lines in (
            (False, around(), *NO_CONNECTION),
            (
                False,
                around(session(), session(("EHLO", "me", 250, "a\nb\nc"), ("NOOP", "", 250, "d"))),
                f"  2 connections {undelivered} them",
                "      Did the client stop before it sent a mail, or is it still sending?",
                "  transcript of the last one:",
                *("      C: EHLO me", "      S: 250 a, b, c", "      C: NOOP", "      S: 250 d"),
            ),
            (
                False,
                around(session(MAIL, ending="", stage="in DATA")),
                f"  1 connection {undelivered} it (1 still open, in DATA)",
                "      A mail is still on its way: if that is as it should be, wait for it with a longer timeout.",
                "  transcript of the last one:",
                *SAID_MAIL,
            ),
            (True, around(well, session(MAIL, mails=1, ending=""))),
            (
                True,
                around(well, session(MAIL, stage="in a mail", ending="", mails=1)),
                "  sessions: 2 (1 still open, in a mail)",
                "  transcript of the last one:",
                *SAID_MAIL,
            ),
            (
                True,
                around(session(refused), session(MAIL, refused), well),
                "  refused: 2",
                "      RCPT TO:<eve@x> -> 550 5.1.1 no such user  (2 times)",
                "  transcript of the last one that failed:",
                *SAID_MAIL,
                "      C: RCPT TO:<eve@x>",
                "      S: 550 5.1.1 no such user",
            ),
            # what got no reply was refused, but not what has none yet
            (
                False,
                around(session(("DATA", "", None, "the script never answers"), ("NOOP", "", None, ""), ending="")),
                "  refused: 1",
                "      DATA -> the script never answers",
                f"  1 connection {undelivered} it (1 still open, idle)",
                "  transcript of the last one:",
                *("      C: DATA", "         (the script never answers)", "      C: NOOP"),
            ),
            (True, around(well, loss="the journal is full"), "  the journal is full"),
        ):
            with self.subTest(lines=lines):
                self.assertEqual(describe_diagnostics(diagnostics, has_emails), [*lines, f"  server: {URL}"])

    def test_many_refused(self) -> None:
        """Of many different refusals twenty are listed, of a long transcript the last forty lines."""
        facts = around(session(*(("RCPT", f"TO:<{number}@x>", 550, "no") for number in range(30))))
        lines = describe_diagnostics(facts, False)
        self.assertEqual(lines[0], "  refused: 30")
        self.assertEqual(lines[20:22], ["      RCPT TO:<19@x> -> 550 no", "      … 10 more"])
        transcript = lines[lines.index("  transcript of the last one:") + 1 : -1]
        self.assertEqual((len(transcript), transcript[0]), (41, "      (20 lines before these)"))

    def test_reasons(self) -> None:
        """What can be seen in the record has the advice that goes with it."""
        trust = "does it trust smtp.ca_file, and was it given smtp.client_context()?"
        encode = "encode the body, or set smtp_line_limit = None to allow them."
        no_tls = "the TLS handshake failed: [SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1020)"
        for recorded, advice in (
            (
                session(ending="the client has left in the TLS handshake"),
                f"The client broke off the TLS handshake: {trust}",
            ),
            (
                session(ending=no_tls),
                "The client spoke without TLS where TLS was due: see smtp_tls, and how the client is configured.",
            ),
            (
                session(("(unreadable)", "", 500, "5.5.2 x")),
                'What the client sent is no SMTP. Does it begin with TLS? Then smtp_tls must be "implicit".',
            ),
            (
                session(ending="the client spoke plain HTTP on a port that speaks TLS"),
                "The client spoke HTTP: it was given the address of the mail server for a web server's.",
            ),
            *(
                (session((command, "", code, reply)), advice)
                for command, code, reply, advice in (
                    (
                        "AUTH",
                        535,
                        "",
                        "The login was refused: smtp_users has the names and passwords that are accepted.",
                    ),
                    ("AUTH", 502, "", "AUTH is not offered: set smtp_users, or have the client log in after STARTTLS."),
                    ("STARTTLS", 502, "", 'STARTTLS is not offered: set smtp_tls = "starttls".'),
                    ("MAIL", 530, "a STARTTLS", "smtp_require_tls is set: the client must say STARTTLS first."),
                    ("MAIL", 530, "Authentication", "smtp_require_auth is set: the client must log in first."),
                    ("MAIL", 552, "", "The mail is larger than smtp_size_limit."),
                    ("END_OF_DATA", 552, "", "The mail is larger than smtp_size_limit."),
                )
            ),
            (
                session(("END_OF_DATA", "", 500, "5.6.0 Line 3 of the mail is too long: 1200 octets")),
                f"Mail servers refuse such lines (RFC 5321): {encode}",
            ),
        ):
            with self.subTest(advice):
                lines = describe_diagnostics(around(recorded), False)
                before = next(number for number, line in enumerate(lines) if "no email was delivered" in line)
                self.assertEqual(lines[before + 1 : before + 3], [f"      {advice}", "  transcript of the last one:"])

    def test_scripted(self) -> None:
        """What the test itself has scripted needs no advice."""
        refused = session(("AUTH", "PLAIN", 535, "no"))
        refused.attempts[0].fault = object()
        lines = describe_diagnostics(around(refused), False)
        self.assertEqual(lines[1], "      AUTH PLAIN -> 535 no (scripted)")
        self.assertEqual(lines[3], "  transcript of the last one:")

    def test_attempts(self) -> None:
        """Attempts with the wanted command are listed, or else all; without any, what usually is the reason."""
        wanted = {"command": "RCPT", "argument": "eve@x", "code": None}
        wanted_line = "  wanted:  command='RCPT', argument='eve@x'"
        for facts, options, *lines in (
            (
                around(session(MAIL, ("RCPT", "TO:<ann@x>", 250, "OK"))),
                {},
                *("no attempt matched within 2.0 s", wanted_line, "  RCPT in this test: 1"),
                "      RCPT TO:<ann@x> -> 250 OK",
            ),
            (
                around(session(MAIL)),
                {"times": 2, "waited": None, "advice": "wait"},
                *("no attempt matched, 2 wanted", "  note:    wait", wanted_line, "  attempted in this test: 1"),
                "      MAIL FROM:<shop@x> -> 250 OK",
            ),
            (
                around(),
                {},
                *("no attempt matched within 2.0 s", wanted_line, "  attempted in this test: 0"),
                *NO_CONNECTION,
            ),
        ):
            text = explain_attempts(wanted, [], facts, **{"times": None, "waited": 2.0, **options})  # type: ignore[arg-type]
            self.assertEqual(text.splitlines(), [*lines, f"  server: {URL}"])

"""The report of a failed assertion about mail, letter by letter."""

from __future__ import annotations

import textwrap
import unittest
from collections.abc import Sequence
from dataclasses import replace

from liveserver_testcase.core.journal import JournalWindow
from liveserver_testcase.mail.criteria import Criteria, EmailPredicate
from liveserver_testcase.mail.message import ReceivedEmail
from liveserver_testcase.mail.report import Diagnostics, explain, one_line
from liveserver_testcase.mail.session import SMTPAttempt, SMTPSession
from tests.unit.mail import letter, mixed, part, receive

INVOICE = receive(
    letter("Invoice 7", "bob@x", html="<p>", attachments={"inv-7.pdf": b"x" * 12_000}),
    "bob@x",
    mail_from="shop@x",
)
WELCOME = receive(letter("Welcome!"))
AROUND = Diagnostics(server_url="smtp://127.0.0.1:40123")


class Explain(unittest.TestCase):
    maxDiff = None

    def check(
        self,
        report: str,
        emails: Sequence[ReceivedEmail],
        /,
        *,
        waited: float | None = 2.0,
        times: int | None = None,
        advice: str = "",
        around: Diagnostics = AROUND,
        predicate: EmailPredicate = None,
        **criteria: object,
    ) -> None:
        wanted = Criteria.build(predicate, **criteria)
        found = explain(wanted, emails, around, times=times, waited=waited, advice=advice)
        self.assertEqual(found, textwrap.dedent(report).strip("\n"))

    def test_nearest(self) -> None:
        """The mail that meets most criteria is judged criterion by criterion, and every mail is listed."""
        self.check(
            """
            no email matched within 2.0 s
              wanted:  to='ann@example.com', subject='Welcome'
              nearest: #2 from shop@example.com to ann@example.com  'Welcome!'  (1 of 2 criteria)
                  ok   to
                  FAIL subject: 'Welcome' != 'Welcome!'; to search for a part, write re.compile('Welcome')
              received in this test: 2
                  #1 shop@x -> bob@x  'Invoice 7'  text+html, 1 attachment (inv-7.pdf application/pdf 12 kB)
                  #2 shop@example.com -> ann@example.com  'Welcome!'  text
              server: smtp://127.0.0.1:40123
            """,
            [INVOICE, WELCOME],
            to="ann@example.com",
            subject="Welcome",
        )

    def test_nearest_of_equals(self) -> None:
        """Of mails that meet as many criteria, the one that comes closer is the nearest, not the last."""
        self.check(
            """
            no email matched within 2.0 s
              wanted:  subject='Welcome'
              nearest: #1 from shop@example.com to ann@example.com  'Welcome!'  (0 of 1 criterion)
                  FAIL subject: 'Welcome' != 'Welcome!'; to search for a part, write re.compile('Welcome')
              received in this test: 2
                  #1 shop@example.com -> ann@example.com  'Welcome!'  text
                  #2 shop@x -> bob@x  'Invoice 7'  text+html, 1 attachment (inv-7.pdf application/pdf 12 kB)
              server: smtp://127.0.0.1:40123
            """,
            [WELCOME, INVOICE],
            subject="Welcome",
        )

    def test_long_values(self) -> None:
        """Texts and differences go on below their criterion, and headers are criteria of their own."""
        email = receive(letter(to="ann@x", text="Hello,\nyour code is 43.\nBye"), "ann@example.com")
        self.check(
            """
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
              received in this test: 1
                  #1 shop@example.com -> ann@example.com  'Welcome'  text
              server: smtp://127.0.0.1:40123
            """,
            [email],
            waited=None,
            text="Hello,\nyour code is 42.",
            body="42",
            headers={"X-Id": "1", "To": "ann@x"},
        )

    def test_defects(self) -> None:
        """What had to be mended in the nearest mail is noted, as it may be the reason."""
        self.check(
            """
            no email matched within 2.0 s
              wanted:  text='grün'
              nearest: #1 from shop@example.com to ann@example.com  (no subject)  (0 of 1 criterion)
                  FAIL text: 'grün' not found in 'gr\ufffdn'
                  note text/plain part: not valid utf-8
              received in this test: 1
                  #1 shop@example.com -> ann@example.com  (no subject)  text
              server: smtp://127.0.0.1:40123
            """,
            [receive(b"Content-Type: text/plain; charset=utf-8\r\n\r\ngr\xfcn\r\n")],
            text="grün",
        )

    def test_predicate_raises(self) -> None:
        """A predicate that raises on a mail does not hide the report."""

        def code(text: str) -> object:
            raise LookupError("no!")

        line = code.__code__.co_firstlineno
        self.check(
            f"""
            no email matched within 2.0 s
              wanted:  text=predicate code (test_report.py:{line})
              nearest: #1 from shop@example.com to ann@example.com  'Welcome!'  (0 of 1 criterion)
                  FAIL text: predicate code (test_report.py:{line}) raised LookupError: no! on 'Hello Ann'
              received in this test: 1
                  #1 shop@example.com -> ann@example.com  'Welcome!'  text
              server: smtp://127.0.0.1:40123
            """,
            [WELCOME],
            text=code,
        )

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
        session = SMTPSession(0, ("127.0.0.1", 5), JournalWindow(1, "x"))
        attempt = SMTPAttempt(session, "RCPT", evil, session.window)
        attempt.code, attempt.reply = 550, evil
        session.add(attempt)
        session.add(evil)
        report = explain(
            wanted,
            [email],
            Diagnostics(server_url="smtp://127.0.0.1:1", late=[(email, evil)], sessions=[session], attempts=[attempt]),
        )
        self.assertIn("transcript", report)
        self.assertEqual([char for char in report if not char.isprintable() and char != "\n"], [])
        self.assertIn(r"\x1b[31m", report)

    def test_too_few(self) -> None:
        """With fewer matches than wanted the nearest of the others is judged."""
        self.check(
            """
            1 email matched within 2.0 s, 2 wanted
              wanted:  subject='Welcome!'
              matched: #1
              nearest: #2 from shop@x to bob@x  'Invoice 7'  (0 of 1 criterion)
                  FAIL subject: 'Welcome!' != 'Invoice 7'
              received in this test: 2
                  #1 shop@example.com -> ann@example.com  'Welcome!'  text
                  #2 shop@x -> bob@x  'Invoice 7'  text+html, 1 attachment (inv-7.pdf application/pdf 12 kB)
              server: smtp://127.0.0.1:40123
            """,
            [WELCOME, INVOICE],
            times=2,
            subject="Welcome!",
        )

    def test_too_many(self) -> None:
        """With more matches than wanted they are numbered, and no miss is judged."""
        self.check(
            """
            2 emails matched within 0.5 s, 1 wanted
              wanted:  subject='Welcome!'
              matched: #1, #3
              received in this test: 3
                  #1 shop@example.com -> ann@example.com  'Welcome!'  text
                  #2 shop@x -> bob@x  'Invoice 7'  text+html, 1 attachment (inv-7.pdf application/pdf 12 kB)
                  #3 shop@example.com -> ann@example.com  'Welcome!'  text
              server: smtp://127.0.0.1:40123
            """,
            [WELCOME, INVOICE, WELCOME],
            waited=0.5,
            times=1,
            subject="Welcome!",
        )

    def test_none_wanted(self) -> None:
        """Mail that should not have been sent is listed."""
        self.check(
            """
            1 email arrived, none was wanted
              wanted:  any email
              matched: #1
              received in this test: 1
                  #1 shop@example.com -> ann@example.com  'Welcome!'  text
              server: smtp://127.0.0.1:40123
            """,
            [WELCOME],
            waited=None,
            times=0,
        )

    def test_many(self) -> None:
        """Of many mails the last twenty are listed."""
        report = explain(Criteria.build(), [WELCOME] * 50, AROUND, times=0).splitlines()
        self.assertEqual(report[0], "50 emails arrived, none was wanted")
        self.assertEqual(report[2], f"  matched: {', '.join(f'#{number}' for number in range(1, 21))}, … 30 more")
        self.assertEqual(report[3], "  received in this test: 50 (the last 20 are listed)")
        self.assertTrue(report[4].startswith("      #31 shop@"))
        self.assertTrue(report[23].startswith("      #50 shop@"))
        self.assertEqual(report[24], "  server: smtp://127.0.0.1:40123")

    def test_advice(self) -> None:
        """Advice stands below the headline."""
        self.check(
            """
            1 email arrived, 2 wanted
              note:    write await self.assertEmailSentAsync(…)
              wanted:  any email
              matched: #1
              received in this test: 1
                  #1 shop@example.com -> ann@example.com  'Welcome!'  text
              server: smtp://127.0.0.1:40123
            """,
            [WELCOME],
            waited=None,
            times=2,
            advice="write await self.assertEmailSentAsync(…)",
        )

    def test_late(self) -> None:
        """Mail of a test that had ended is listed with that test's name."""
        self.check(
            """
            1 email arrived, none was wanted
              wanted:  any email
              matched: #1
              received in this test: 1
                  #1 shop@example.com -> ann@example.com  'Welcome!'  text
              late, from tests that had ended: 1
                  shop@example.com -> ann@example.com  'Welcome!'  text  (from test_signup)
              server: smtp://127.0.0.1:40123
            """,
            [WELCOME],
            waited=None,
            times=0,
            around=replace(AROUND, late=[(WELCOME, "test_signup")]),
        )

    def test_short_waits(self) -> None:
        """A wait too short for a tenth of a second is not shown as none."""
        report = explain(Criteria.build(), [], AROUND, waited=0.02)
        self.assertEqual(report.splitlines()[0], "no email arrived within 0.02 s")

    def test_predicate(self) -> None:
        """A predicate is a criterion like any other."""

        def is_short(email: ReceivedEmail) -> bool:
            return len(email.raw) < 10

        self.check(
            f"""
            no email matched within 2.0 s
              wanted:  predicate is_short (test_report.py:{is_short.__code__.co_firstlineno}), subject='Welcome!'
              nearest: #1 from shop@example.com to ann@example.com  'Welcome!'  (1 of 2 criteria)
                  FAIL predicate: is not true of it
                  ok   subject
              received in this test: 1
                  #1 shop@example.com -> ann@example.com  'Welcome!'  text
              server: smtp://127.0.0.1:40123
            """,
            [WELCOME],
            predicate=is_short,
            subject="Welcome!",
        )


class OneLine(unittest.TestCase):
    def test_text(self) -> None:
        """A mail is sender, recipients, subject and the kinds of text in it."""
        self.assertEqual(one_line(receive(letter())), "shop@example.com -> ann@example.com  'Welcome'  text")
        self.assertEqual(
            one_line(receive(letter(html="<p>"))), "shop@example.com -> ann@example.com  'Welcome'  text+html"
        )

    def test_nothing(self) -> None:
        """What is not there is said to be not there."""
        self.assertEqual(one_line(receive(b"", "ann@x", mail_from="")), "<> -> ann@x  (no subject)  no text")

    def test_attachments(self) -> None:
        """Attachments have name, type and size; of many the first three."""
        one = receive(letter(attachments={"inv-7.pdf": b"x" * 12_000}), "a@x")
        self.assertEqual(
            one_line(one),
            "shop@example.com -> a@x  'Welcome'  text, 1 attachment (inv-7.pdf application/pdf 12 kB)",
        )
        three = receive(mixed(*[part("Content-Type: a/b", "")] * 3), "a@x")
        self.assertTrue(
            one_line(three).endswith("3 attachments (unnamed a/b 0 bytes, unnamed a/b 0 bytes, unnamed a/b 0 bytes)")
        )
        five = receive(mixed(*[part("Content-Type: image/png", "x")] * 5), "a@x")
        self.assertEqual(
            one_line(five),
            "shop@example.com -> a@x  (no subject)  no text, 5 attachments "
            "(unnamed image/png 1 byte, unnamed image/png 1 byte, unnamed image/png 1 byte, 2 more)",
        )

    def test_many_recipients(self) -> None:
        """Of many recipients the first three are named."""
        email = receive("Subject: x\n\n", "a@x", "b@x", "c@x")
        self.assertEqual(one_line(email), "shop@example.com -> a@x, b@x, c@x  'x'  no text")
        email = receive("Subject: x\n\n", "a@x", "b@x", "c@x", "d@x", "e@x")
        self.assertEqual(one_line(email), "shop@example.com -> a@x, b@x, c@x, 2 more  'x'  no text")

    def test_escapes(self) -> None:
        """Nothing of a mail moves a cursor: not subject, addresses, names or types."""
        source = mixed(
            part("Content-Type: x/y\x1b; name=\x1b\x07", ""),
        )
        source = b"Subject: \x1b[2J\xe2\x80\xae\r\n" + source
        line = one_line(receive(source, "\x1b@x", mail_from="\u202e@x"))
        self.assertEqual(
            line,
            r"\u202e@x -> \x1b@x  '\x1b[2J\u202e'  no text, 1 attachment (\x1b\x07 x/y\x1b 0 bytes)",
        )

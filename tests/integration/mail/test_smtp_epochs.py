"""Mail and the tests it belongs to: strict classes, and mail that comes too late."""

from __future__ import annotations

import asyncio
import smtplib
import unittest
from typing import Any

from liveserver_testcase import SMTPTestCase
from tests.integration.mail.mailing import make_mail
from tests.integration.running import Outcome, make_case, run_case
from tests.support import HANG, NoClassLeaks


def send(case: SMTPTestCase, subject: str = "Welcome") -> None:
    with smtplib.SMTP(*case.smtp.addr, timeout=HANG) as client:
        client.send_message(make_mail(subject))


def begin_mail(case: SMTPTestCase) -> smtplib.SMTP:
    """A client in the middle of a mail."""
    client = smtplib.SMTP(*case.smtp.addr, timeout=HANG)
    client.ehlo("laptop")
    client.mail("team@example.com")
    client.rcpt("ann@example.com")
    return client


def end_mail(client: smtplib.SMTP, subject: str) -> None:
    client.data(make_mail(subject).as_bytes())
    client.quit()


class EpochCase(unittest.TestCase):
    maxDiff = None

    def run_tests(self, *tests: Any, **members: Any) -> Outcome:
        """Run a class with these tests, in this order."""
        named = {f"test_{number}": test for number, test in enumerate(tests)}
        return run_case(make_case(NoClassLeaks, SMTPTestCase, **{"smtp_timeout": HANG, **named, **members}))


class Strict(EpochCase):
    """``smtp_strict``."""

    def check_passes(self, test: Any, **members: Any) -> None:
        outcome = self.run_tests(test, **{"smtp_strict": True, **members})
        self.assertEqual(outcome.summary, {"run": 1}, outcome.printed)

    def test_unseen(self) -> None:
        """Mail that no assertion looked at fails its test."""

        def test(case: SMTPTestCase) -> None:
            send(case, "one")
            send(case, "two")
            case.assertEmailSent(subject="one")
            len(case.outbox)

        outcome = self.run_tests(test, smtp_strict=True)
        self.assertEqual(outcome.summary, {"run": 1, "failures": 1})
        self.assertIn(UNSEEN, outcome.report)

    def test_still_coming(self) -> None:
        """A mail that is on its way when the test ends is waited for."""
        clients = []

        def test(case: SMTPTestCase) -> None:
            clients.append(begin_mail(case))
            import threading

            thread = threading.Thread(target=end_mail, args=(clients[0], "coming"))
            thread.start()
            case.addCleanup(thread.join, HANG)

        outcome = self.run_tests(test, smtp_strict=True)
        self.assertIn("'coming'", outcome.report)

    def test_looked_at(self) -> None:
        """Mail that was asserted on, taken or forgotten is looked at."""

        def asserted(case: SMTPTestCase) -> None:
            send(case)
            case.assertEmailSent(subject="Welcome")

        def counted(case: SMTPTestCase) -> None:
            send(case)
            case.assertEmailCount(1)

        def in_a_block(case: SMTPTestCase) -> None:
            with case.assertEmailsSent(subject="Welcome"):
                send(case)

        def captured(case: SMTPTestCase) -> None:
            with case.captureEmails() as emails:
                send(case)
            case.assertEqual(emails[0].subject, "Welcome")

        def taken(case: SMTPTestCase) -> None:
            send(case)
            case.assertEqual(case.outbox[0].subject, "Welcome")

        def run_through(case: SMTPTestCase) -> None:
            send(case)
            case.assertEqual([mail.subject for mail in case.outbox], ["Welcome"])

        def filtered(case: SMTPTestCase) -> None:
            send(case)
            case.assertEqual(len(case.outbox.filter(subject="Welcome")), 1)

        def forgotten(case: SMTPTestCase) -> None:
            send(case)
            case.outbox.clear()

        for test in (asserted, counted, in_a_block, captured, taken, run_through, filtered, forgotten):
            with self.subTest(test.__name__):
                self.check_passes(test)

    def test_not_strict(self) -> None:
        """Without it nobody has to look."""
        self.check_passes(send, smtp_strict=False)

    def test_already_failed(self) -> None:
        """A test that failed by itself has the report as a note."""

        def test(case: SMTPTestCase) -> None:
            send(case)
            case.fail("by itself")

        outcome = self.run_tests(test, smtp_strict=True)
        self.assertEqual(outcome.summary, {"run": 1, "failures": 1})
        self.assertIn("by itself", outcome.report)

    def test_late(self) -> None:
        """Mail that comes after its test had ended fails the next one, which names it."""
        clients: list[smtplib.SMTP] = []

        def first(case: SMTPTestCase) -> None:
            clients.append(begin_mail(case))

        def second(case: SMTPTestCase) -> None:
            end_mail(clients[0], "late")
            case.assertNoEmailSent()

        outcome = self.run_tests(first, second, smtp_strict=True, smtp_timeout=0.01)
        self.assertEqual(outcome.summary, {"run": 2, "failures": 1})
        self.assertIn(LATE_STRICT, outcome.report)


class Late(EpochCase):
    """Mail of an earlier test."""

    def test_it_is_not_in_the_next_outbox(self) -> None:
        """Mail that was begun in one test and ended in the next is not in its outbox; its report names the first."""
        clients: list[smtplib.SMTP] = []

        def first(case: SMTPTestCase) -> None:
            clients.append(begin_mail(case))

        def second(case: SMTPTestCase) -> None:
            end_mail(clients[0], "late")
            case.assertEqual(case.outbox, [])
            case.assertNoEmailSent()
            case.assertEmailSent(subject="late", timeout=0)

        outcome = self.run_tests(first, second)
        self.assertEqual(outcome.summary, {"run": 2, "failures": 1})
        self.assertIn(LATE, outcome.report)

    def test_nobody_waits_for_it(self) -> None:
        """A mail that an earlier test has left half-sent is not waited for: on a loop that would be refused."""
        clients: list[smtplib.SMTP] = []

        def first(case: SMTPTestCase) -> None:
            clients.append(begin_mail(case))

        async def look(case: SMTPTestCase) -> None:
            case.assertEqual(len(case.smtp.in_flight), 1)
            case.assertNoEmailSent()
            case.assertEmailCount(0)

        def second(case: SMTPTestCase) -> None:
            asyncio.run(look(case))
            clients[0].close()

        self.assertEqual(self.run_tests(first, second).summary, {"run": 2})

    def test_between_two_tests(self) -> None:
        """So it is with mail that came when one test was over and the next not begun."""
        clients: list[smtplib.SMTP] = []

        def first(case: SMTPTestCase) -> None:
            clients.append(begin_mail(case))

        def second(case: SMTPTestCase) -> None:
            case.assertEmailSent(subject="late", timeout=0)

        class Between(SMTPTestCase):
            def run(self, result: Any = None) -> Any:
                if "test_1" in self.id():
                    end_mail(clients[0], "late")
                return super().run(result)

        outcome = run_case(make_case(NoClassLeaks, Between, test_0=first, test_1=second))
        self.assertEqual(outcome.summary, {"run": 2, "failures": 1})
        self.assertIn(LATE.splitlines()[3], outcome.report)

    def test_of_the_class(self) -> None:
        """Mail that was sent before the first test belongs to none."""

        class Early(SMTPTestCase):
            @classmethod
            def setUpClass(cls) -> None:
                super().setUpClass()
                with smtplib.SMTP(*cls.smtp.addr, timeout=HANG) as client:
                    client.send_message(make_mail("early"))

        outcome = run_case(make_case(NoClassLeaks, Early, test=lambda case: case.assertEmailSent(timeout=0)))
        self.assertIn("'early'  text  (from before the first test)", outcome.report)


class Conditions(EpochCase):
    """Functions of the test that run in the server."""

    def test_what_they_raise(self) -> None:
        """What a condition of a fault raises fails the test, with its traceback."""

        def test(case: SMTPTestCase) -> None:
            def broken(mail: object) -> bool:
                raise LookupError("boom")

            case.smtp.reject_message(when=broken)
            with case.assertRaises(smtplib.SMTPDataError):
                send(case)

        outcome = self.run_tests(test)
        self.assertEqual(outcome.summary, {"run": 1, "failures": 1})
        self.assertIn("a function of the test (when=) raised LookupError", outcome.report)
        self.assertIn('LookupError("boom")', outcome.report)


UNSEEN = """\
mail server smtp://127.0.0.1:PORT: 1 email was sent that no assertion looked at (smtp_strict)
      team@example.com -> ann@example.com  'two'  text
Assert on each, take it from self.outbox, or forget it with self.outbox.clear()."""

LATE_STRICT = """\
mail server smtp://127.0.0.1:PORT: 1 email came after its test had ended (smtp_strict)
      team@example.com -> ann@example.com  'late'  text  (from made.Case.test_0)"""

LATE = """\
  wanted:  subject='late'
  received in this test: 0
  late, from tests that had ended: 1
      team@example.com -> ann@example.com  'late'  text  (from made.Case.test_0)
"""

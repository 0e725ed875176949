"""Mail and the tests it belongs to: strict classes, and mail that comes too late."""

from __future__ import annotations

import asyncio
import smtplib
import threading
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

    def setUp(self) -> None:
        self.clients: list[smtplib.SMTP] = []  # that are kept from one test to the next
        self.begin = lambda case: self.clients.append(begin_mail(case))  # a test that ends in the middle of its mail

    def run_tests(self, *tests: Any, base: type[SMTPTestCase] = SMTPTestCase, **members: Any) -> Outcome:
        """Run a class with these tests, in this order."""
        named = {f"test_{number}": test for number, test in enumerate(tests)}
        return run_case(make_case(NoClassLeaks, base, **{"smtp_timeout": HANG, **named, **members}))


class Strict(EpochCase):
    """``smtp_strict``."""

    def test_unseen(self) -> None:
        """Mail that no assertion looked at fails its test; it is a note where the test failed by itself."""

        def test(case: SMTPTestCase) -> None:
            send(case, "one")
            send(case, "two")
            case.assertEmailSent(subject="one")
            len(case.outbox)

        def fail(case: SMTPTestCase) -> None:
            send(case, "two")
            case.fail("by itself")

        for name, each, parts in (
            ("it fails", test, (UNSEEN,)),
            ("a note", fail, ("AssertionError: by itself\n", UNSEEN)),
        ):
            with self.subTest(name):
                outcome = self.run_tests(each, smtp_strict=True)
                self.assertEqual(outcome.summary, {"run": 1, "failures": 1})
                for part in parts:
                    self.assertIn(part, outcome.report)

    def test_still_coming(self) -> None:
        """A mail that is on its way when the test ends is waited for."""

        def test(case: SMTPTestCase) -> None:
            thread = threading.Thread(target=end_mail, args=(begin_mail(case), "coming"))
            thread.start()
            case.addCleanup(thread.join, HANG)

        self.assertIn("'coming'", self.run_tests(test, smtp_strict=True).report)

    def test_looked_at(self) -> None:
        """Mail that was asserted on, taken or cleared is looked at; without ``smtp_strict`` none has to be."""

        def in_a_block(case: SMTPTestCase) -> None:
            with case.assertEmailsSent(subject="Welcome"):
                send(case)

        def captured(case: SMTPTestCase) -> None:
            with case.captureEmails() as emails:
                send(case)
            case.assertEqual(emails[0].subject, "Welcome")

        def then(look: Any) -> Any:
            def test(case: SMTPTestCase) -> None:
                send(case)
                look(case)

            return test

        for name, test, is_strict in (
            ("in a block", in_a_block, True),
            ("captured", captured, True),
            ("asserted", then(lambda case: case.assertEmailSent(subject="Welcome")), True),
            ("counted", then(lambda case: case.assertEmailCount(1)), True),
            ("taken", then(lambda case: case.outbox[0]), True),
            ("run through", then(lambda case: list(case.outbox)), True),
            ("filtered", then(lambda case: case.outbox.filter(subject="Welcome")), True),
            ("cleared", then(lambda case: case.outbox.clear()), True),
            ("not strict", send, False),
        ):
            with self.subTest(name):
                self.run_tests(test, smtp_strict=is_strict).assert_passed()

    def test_late(self) -> None:
        """Mail that comes after its test had ended fails the next one, which names it."""

        def second(case: SMTPTestCase) -> None:
            end_mail(self.clients[0], "late")
            case.assertNoEmailSent()

        outcome = self.run_tests(self.begin, second, smtp_strict=True, smtp_timeout=0.01)
        self.assertEqual(outcome.summary, {"run": 2, "failures": 1})
        self.assertIn(LATE_STRICT, outcome.report)


class Late(EpochCase):
    """Mail of an earlier test."""

    def test_it_is_not_in_the_next_outbox(self) -> None:
        """Mail that was begun in one test and ended in the next is not in its outbox; its report names the first."""

        def second(case: SMTPTestCase) -> None:
            end_mail(self.clients[0], "late")
            case.assertEqual(case.outbox, [])
            case.assertNoEmailSent()
            case.assertEmailSent(subject="late", timeout=0)

        outcome = self.run_tests(self.begin, second)
        self.assertEqual(outcome.summary, {"run": 2, "failures": 1})
        self.assertIn(LATE, outcome.report)

    def test_nobody_waits_for_it(self) -> None:
        """A mail that an earlier test has left half-sent is not waited for: on a loop that would be refused."""

        async def look(case: SMTPTestCase) -> None:
            case.assertEqual(len(case.smtp.in_flight), 1)
            case.assertNoEmailSent()
            case.assertEmailCount(0)

        def second(case: SMTPTestCase) -> None:
            asyncio.run(look(case))
            self.clients[0].close()

        self.run_tests(self.begin, second).assert_passed(2)

    def test_between_two_tests(self) -> None:
        """So it is with mail that came when one test was over and the next not begun."""
        clients = self.clients

        class Between(SMTPTestCase):
            def run(self, result: Any = None) -> Any:
                if "test_1" in self.id():
                    end_mail(clients[0], "late")
                return super().run(result)

        outcome = self.run_tests(self.begin, lambda case: case.assertEmailSent(subject="late", timeout=0), base=Between)
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

        outcome = self.run_tests(lambda case: case.assertEmailSent(timeout=0), base=Early)
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

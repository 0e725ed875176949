"""SMTPTestCase: assertions about mail, as a test author meets them."""

from __future__ import annotations

import re
import smtplib
import threading
import unittest
from email.message import EmailMessage

from liveserver_testcase import ReceivedEmail, SMTPTestCase, UsageError
from tests.support import HANG, NoLeaks


class SMTPTestCaseTest(NoLeaks, SMTPTestCase):
    """The assertions, within a test case that has the mixin."""

    smtp_timeout = 0.05  # the failures that are wanted here need not be waited for

    def send(self, subject: str = "Welcome", to: str = "ann@example.com", text: str = "Good to have you.\n") -> None:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = "The team <team@example.com>", to, subject
        mail.set_content(text)
        with smtplib.SMTP(*self.smtp.addr, timeout=HANG) as client:
            client.send_message(mail)

    def report(self, call: object, /, *arguments: object, **keywords: object) -> str:
        """The text of the failure that a call must raise, with port and clock made the same for all."""
        with self.assertRaises(self.failureException) as caught:
            call(*arguments, **keywords)  # type: ignore[operator]
        text = str(caught.exception).replace(f":{self.smtp.port}", ":2525")
        return re.sub(r"\d\d:\d\d:\d\d(\.\d+)?", "12:00:00", text)

    def test_a_mail_is_found_by_what_is_asked_of_it(self) -> None:
        """The mail that meets every criterion is returned."""
        self.send()
        mail = self.assertEmailSent(to="ann@example.com", from_="team@example.com", subject="Welcome", body="have you")
        self.assertIsInstance(mail, ReceivedEmail)
        self.assertEqual(mail.text, "Good to have you.")

    def test_any_mail_will_do(self) -> None:
        """Without criteria any mail is wanted."""
        self.send("one")
        self.assertEqual(self.assertEmailSent().subject, "one")

    def test_it_waits(self) -> None:
        """A mail that comes later is waited for."""
        waiting = threading.Event()

        def send_later() -> None:
            waiting.wait(HANG)
            self.send()

        thread = threading.Thread(target=send_later)
        thread.start()
        waiting.set()
        self.assertEmailSent(subject="Welcome", timeout=HANG)
        thread.join(HANG)

    def test_times_wants_exactly_so_many(self) -> None:
        """With ``times`` there must be exactly so many, and all of them are returned."""
        self.send("one")
        self.send("two")
        found = self.assertEmailSent(times=2, to="ann@example.com")
        self.assertEqual([mail.subject for mail in found], ["one", "two"])
        self.assertEqual(self.assertEmailSent(times=1, subject="two").subject, "two")
        self.assertEqual(self.assertEmailSent(times=0, subject="three"), [])
        self.report(self.assertEmailSent, times=1)
        self.report(self.assertEmailSent, times=3)

    def test_no_mail(self) -> None:
        """``assertNoEmailSent`` passes while nothing that matches was sent."""
        self.assertNoEmailSent()
        self.send()
        self.assertNoEmailSent(subject="Farewell")
        self.report(self.assertNoEmailSent)
        self.report(self.assertNoEmailSent, subject="Welcome")

    def test_each_test_has_an_outbox_of_its_own(self) -> None:
        """The outbox begins empty, whatever other tests have sent."""
        self.assertEqual(self.outbox, [])
        self.send()
        self.assertEqual(len(self.outbox), 1)

    def test_the_outbox_is_a_snapshot(self) -> None:
        """What was taken from the outbox does not change under the test's hands."""
        before = self.outbox
        self.send()
        self.assertEqual(before, [])

    def test_an_unknown_criterion_names_the_nearest(self) -> None:
        """A misspelt keyword is an error, never "no such mail"."""
        with self.assertRaisesRegex(TypeError, "unknown criterion 'subjct'; did you mean 'subject'?"):
            self.assertEmailSent(subjct="Welcome")  # type: ignore[call-overload]

    def test_a_negative_number_of_mails(self) -> None:
        """``times`` that can never be is an error."""
        with self.assertRaisesRegex(UsageError, "times is -1; wanted a number of mails, or None for at least one"):
            self.assertEmailSent(times=-1)

    def test_the_report_names_the_nearest_miss(self) -> None:
        """The failure shows what was wanted, what came nearest, and all that was received."""
        self.send("Welcome!")
        self.assertEqual(self.report(self.assertEmailSent, to="ann@example.com", subject="Welcome"), NEAREST)

    def test_the_report_when_nobody_connected(self) -> None:
        """With nothing received and no connection, the failure asks for the configuration."""
        self.assertEqual(self.report(self.assertEmailSent, to="ann@example.com"), NOBODY)

    def test_the_report_of_a_mail_that_was_not_wanted(self) -> None:
        """The mail that should not have been sent is shown."""
        self.send()
        self.assertEqual(self.report(self.assertNoEmailSent, to="ann@example.com"), UNWANTED)

    def test_what_the_author_says_comes_first(self) -> None:
        """``msg`` stands before the report."""
        self.assertTrue(self.report(self.assertEmailSent, msg="no welcome").startswith("no welcome\n"))


NEAREST = """\
no email matched within 0.05 s
  wanted:  to='ann@example.com', subject='Welcome'
  nearest: #1 from team@example.com to ann@example.com  "Welcome!"  (1 of 2 criteria)
      ok   to
      FAIL subject: 'Welcome' != 'Welcome!'
  received in this test: 1
      #1 team@example.com -> ann@example.com  "Welcome!"  text
  server: smtp://127.0.0.1:2525"""

NOBODY = """\
no email matched within 0.05 s
  wanted:  to='ann@example.com'
  received in this test: 0
  no connection was made to 127.0.0.1:2525
      Is the code under test configured with this host and port?
      Flask-Mail sends nothing while MAIL_SUPPRESS_SEND is true, its default under TESTING.
      Django's test runner sets EMAIL_BACKEND to locmem: override it with the smtp backend.
  server: smtp://127.0.0.1:2525"""

UNWANTED = """\
1 email matched, none was wanted
  wanted:  to='ann@example.com'
  matched: #1
  received in this test: 1
      #1 team@example.com -> ann@example.com  "Welcome"  text
  server: smtp://127.0.0.1:2525"""


if __name__ == "__main__":
    unittest.main()

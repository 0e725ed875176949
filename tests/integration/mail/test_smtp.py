"""SMTPTestCase: assertions about mail, as a test author meets them."""

from __future__ import annotations

import re
from unittest.mock import ANY

import freezegun

from liveserver_testcase import ReceivedEmail, UsageError
from tests.integration.mail.mailing import MailTest, make_mail
from tests.support import HANG


class EmailSent(MailTest):
    """``assertEmailSent``."""

    def test_a_mail_is_found_by_what_is_asked_of_it(self) -> None:
        """The mail that meets every criterion is returned."""
        self.send()
        mail = self.assertEmailSent(
            lambda mail: mail.text.endswith("."),
            to="ann@example.com",
            cc=None,
            bcc=[],
            recipients=["ann@example.com"],
            from_="team@example.com",
            mail_from="team@example.com",
            reply_to=None,
            subject="Welcome",
            text="Good to have",
            html=None,
            body=re.compile("^Good"),
            headers={"MIME-Version": "1.0"},
            attachment=None,
            auth_user=None,
            tls=False,
        )
        self.assertIsInstance(mail, ReceivedEmail)
        self.assertEqual(mail.text, "Good to have you.")

    def test_the_first_of_several(self) -> None:
        """Without criteria any mail is wanted; of several that match, the first is returned."""
        self.send("one")
        self.send("two")
        self.assertEqual(["one"] * 2, [self.assertEmailSent().subject, self.assertEmailSent(subject=ANY).subject])

    def test_it_waits(self) -> None:
        """A mail that comes later is waited for."""
        self.in_background(self.when_waited_for, self.send, "other")
        self.assertEmailSent(lambda mail: mail.text, subject="other", timeout=HANG)

    def test_times_wants_exactly_so_many(self) -> None:
        """With ``times`` there must be exactly so many, and all of them are returned."""
        self.send("one")
        self.send("two")
        found = self.assertEmailSent(times=2, to="ann@example.com")
        self.assertEqual([mail.subject for mail in found], ["one", "two"])
        self.assertEqual(self.assertEmailSent(times=1, subject="two").subject, "two")
        self.assertEqual(self.assertEmailSent(times=0, subject="three"), [])
        self.assertTrue(self.report(self.assertEmailSent, times=1).startswith("2 emails arrived, 1 wanted\n"))
        self.assertTrue(self.report(self.assertEmailSent, times=3).startswith("2 emails arrived within 0.05 s, 3 wan"))

    def test_it_gives_up_while_time_stands_still(self) -> None:
        """A test that has frozen the clocks waits no longer than others, and what comes is found."""
        with freezegun.freeze_time("2020-02-02"):
            self.report(self.assertEmailSent)
            self.report(self.assertEmailCount, 1)
            self.in_background(self.when_waited_for, self.send)
            self.assertEmailSent(timeout=HANG)
            with self.captureEmails() as emails:
                self.send("frozen")
            self.assertEqual([mail.subject for mail in emails], ["frozen"])

    def test_what_the_author_says(self) -> None:
        """``msg`` stands before the report, and alone where a class wants no long messages."""
        self.assertTrue(self.report(self.assertEmailSent, msg="no welcome").startswith("no welcome\nno email arrived"))
        self.longMessage = False
        self.assertEqual(self.report(self.assertEmailSent, msg="no welcome"), "no welcome")
        self.assertTrue(self.report(self.assertEmailSent).startswith("no email arrived"))


class EmailsOfAllKinds(MailTest):
    """What people send besides plain letters."""

    def test_addresses_outside_ascii(self) -> None:
        """Addresses that are not ASCII are found as they are written, in envelope and header (SMTPUTF8)."""
        mail = make_mail("Grüße", "Jörg <jörg@bücher.example>", "Schöne Grüße\n")
        with self.client() as client:
            client.send_message(mail, from_addr="müller@example.com")
        found = self.assertEmailSent(
            to="jörg@bücher.example",
            recipients=["jörg@xn--bcher-kva.example"],
            mail_from="müller@example.com",
            subject="Grüße",
            text="Schöne Grüße",
        )
        self.assertEqual((found.bcc, found.defects), ([], []))
        self.assertIn("SMTPUTF8", [option.upper() for option in found.details.mail_options])

    def test_a_bounce(self) -> None:
        """A bounce is from the null sender, and has the mail that bounced."""
        bounce = make_mail("Undelivered", "team@example.com")
        bounce.add_attachment(make_mail("Welcome"))
        with self.client() as client:
            client.send_message(bounce, from_addr="")
        found = self.assertEmailSent(mail_from="", attachment="message/rfc822")
        self.assertIn(b"Subject: Welcome\r\n", found.attachment("message/*").content)
        self.assertNoEmailSent(mail_from=ANY)

    def test_bytes_that_are_no_mail(self) -> None:
        """What is no mail to anybody is one to the server, and can be looked at."""
        with self.client() as client:
            client.sendmail("team@example.com", "ann@example.com", b"\xff\x00\r\n.\r\n..\r\n", ["BODY=8BITMIME"])
        found = self.assertEmailSent(to=None, subject=None)
        self.assertEqual(found.raw, b"\xff\x00\r\n.\r\n..\r\n")
        self.assertTrue(found.defects)
        listed = "received in this test: 1\n      #1 team@example.com -> ann@example.com  (no subject)"
        self.assertIn(listed, self.report(self.assertEmailSent, subject="x"))


class EmailSentOverTLS(MailTest):
    """``assertEmailSent`` where there is more to ask."""

    smtp_tls = "starttls"
    smtp_users = {"shop": "secret"}

    def test_tls_and_login(self) -> None:
        """A mail is found by its TLS and by who had logged in."""
        self.send("plain")
        client = self.client()
        client.starttls(context=self.smtp.client_context())
        client.login("shop", "secret")
        client.send_message(make_mail("secure"))
        client.quit()
        self.assertEqual(self.assertEmailSent(tls=True).subject, "secure")
        self.assertEqual(self.assertEmailSent(tls=re.compile(r"^TLSv1\.[23]$"), auth_user="shop").subject, "secure")
        self.assertEqual(self.assertEmailSent(tls=False, auth_user=None).subject, "plain")
        self.assertIn("FAIL auth_user: 'ann' != 'shop'", self.report(self.assertEmailSent, tls=True, auth_user="ann"))


class NoEmailSent(MailTest):
    """``assertNoEmailSent``."""

    def test_no_mail(self) -> None:
        """It passes while nothing that matches was sent."""
        self.assertNoEmailSent()
        self.send()
        self.assertNoEmailSent(subject="StopReport")
        self.assertNoEmailSent(lambda mail: mail.html)
        self.report(self.assertNoEmailSent)
        self.report(self.assertNoEmailSent, subject="Welcome")

    def test_it_can_wait(self) -> None:
        """With ``within`` a mail that comes in this time is seen, and the test need not wait any longer."""
        self.in_background(self.send)
        self.report(self.assertNoEmailSent, within=HANG)


class EmailCount(MailTest):
    """``assertEmailCount``."""

    def test_exactly(self) -> None:
        """There must be exactly so many, and they are returned in order."""
        self.assertEqual(self.assertEmailCount(0), [])
        self.send("one")
        self.send("two")
        self.assertEqual([mail.subject for mail in self.assertEmailCount(2)], ["one", "two"])
        self.assertEqual([mail.subject for mail in self.assertEmailCount(1, subject="two")], ["two"])
        self.assertEqual(self.assertEmailCount(1, lambda mail: mail.subject == "one")[0].subject, "one")
        for n in (0, 1):
            self.assertTrue(self.report(self.assertEmailCount, n).startswith("2 emails arrived, "))
        self.report(self.assertEmailCount, 3)

    def test_one_mail_for_many(self) -> None:
        """A mail for ten people, nine of them blind copies, is one mail."""
        copies = [f"copy{number}@example.com" for number in range(9)]
        with self.client() as client:
            client.send_message(make_mail(), to_addrs=["ann@example.com", *copies])
        (mail,) = self.assertEmailCount(1, to=["ann@example.com"], bcc=copies)
        self.assertEqual(len(mail.recipients), 10)

    def test_it_waits_for_all(self) -> None:
        """It waits until there are so many."""

        def send() -> None:
            for number in range(20):
                self.send(str(number))

        self.in_background(send)
        found = self.assertEmailCount(20, timeout=HANG)
        self.assertEqual([mail.subject for mail in found], [str(number) for number in range(20)])


class Blocks(MailTest):
    """``assertEmailsSent`` and ``captureEmails``."""

    def test_only_what_arrives_inside(self) -> None:
        """Mails before and after the block are not in it."""
        self.send("before")
        with self.assertEmailsSent(times=1, to="ann@example.com") as emails:
            self.send("inside")
        self.send("after")
        self.assertEqual([mail.subject for mail in emails], ["inside"])

    def test_so_far(self) -> None:
        """In the block there are the mails so far."""
        with self.captureEmails() as emails:
            self.assertEqual(emails, [])
            self.send("one")
            self.assertEqual([mail.subject for mail in emails], ["one"])
            self.send("two")
        self.assertEqual((emails.first.subject, emails.last.subject, len(emails)), ("one", "two", 2))

    def test_it_waits(self) -> None:
        """At the end of the block it waits for what is wanted."""
        with self.assertEmailsSent(times=2, timeout=HANG) as emails:
            self.in_background(self.send, "one")
            self.in_background(self.send, "two")
        self.assertEqual({mail.subject for mail in emails}, {"one", "two"})

    def test_too_few_and_too_many(self) -> None:
        """Too few and too many fail, and the report is about the block."""
        self.send("before")
        with self.assertRaises(self.failureException) as caught:
            with self.assertEmailsSent(subject="inside", msg="no mail"):
                self.send("other")
        self.assertEqual(self.normal(caught.exception), IN_BLOCK)
        with self.assertRaises(self.failureException):
            with self.assertEmailsSent(times=0):
                self.send()
        with self.assertEmailsSent(times=0, subject="inside"):
            self.send()

    def test_what_is_raised(self) -> None:
        """What a predicate raises is raised in the test, not "no such mail"; what the block raises comes first."""
        self.send()
        self.assertRaises(ZeroDivisionError, self.assertEmailSent, lambda mail: 1 / 0)
        with self.assertRaises(ZeroDivisionError), self.assertEmailsSent(lambda mail: 1 / 0):
            self.send()
        for criteria in ((), (lambda mail: 1 / 0,)):
            with self.assertRaisesRegex(ValueError, "boom"), self.assertEmailsSent(*criteria):
                self.send()
                raise ValueError("boom")


class OnItsWay(MailTest):
    """A mail that has been begun was sent: it is waited for."""

    def end_when_waited_for(self) -> None:
        """Begin a mail, and end it as soon as an assertion waits for it."""
        client = self.begin_mail()
        self.in_background(self.when_waited_for, client.data, make_mail().as_bytes())

    def test_each(self) -> None:
        """It is one too many, and it is in the block in which it was begun."""
        self.be_patient()
        self.end_when_waited_for()
        self.assertIn("1 email arrived, none was wanted", self.report(self.assertNoEmailSent))
        self.end_when_waited_for()
        text = self.report(self.assertEmailCount, 1, subject="Welcome", timeout=HANG)
        self.assertTrue(text.startswith("2 emails matched, 1 wanted\n"), text)
        with self.captureEmails() as emails:
            self.end_when_waited_for()
        self.assertEqual(len(emails), 1)


class TheOutbox(MailTest):
    """``self.outbox``."""

    def test_each_test_has_its_own(self) -> None:
        """The outbox begins empty, whatever other tests have sent."""
        self.assertEqual(self.outbox, [])
        self.send()
        self.assertEqual(len(self.outbox), 1)

    test_again = test_each_test_has_its_own  # so does the next one

    def test_like_a_list(self) -> None:
        """It can be indexed, cut, run through and filtered."""
        for subject in ("one", "two", "three"):
            self.send(subject)
        outbox = self.outbox
        self.assertEqual([mail.subject for mail in outbox], ["one", "two", "three"])
        self.assertEqual((outbox[0].subject, outbox[-1].subject), ("one", "three"))
        self.assertEqual([mail.subject for mail in outbox[1:]], ["two", "three"])
        self.assertEqual((outbox.first.subject, outbox.last.subject), ("one", "three"))
        self.assertEqual([mail.subject for mail in outbox.filter(subject=re.compile("t"))], ["two", "three"])
        self.assertEqual(outbox.filter(lambda mail: mail.html), [])
        self.assertEqual(outbox, list(outbox))
        self.assertEqual(outbox, tuple(outbox))
        self.assertEqual(outbox, self.outbox)
        self.assertNotEqual(outbox, outbox[1:])
        self.assertNotEqual(outbox, "x")
        self.assertIn(outbox[0], outbox)
        self.assertTrue(outbox)
        self.assertEqual(repr(outbox), repr(list(outbox)))

    def test_clear(self) -> None:
        """What was taken does not change, unless it is cleared: what comes next is the first."""
        before = self.outbox
        self.send("one")
        self.assertEqual(before, [])
        outbox = self.outbox
        outbox.clear()
        self.assertEqual((outbox, self.outbox, self.smtp.outbox), ([], [], []))
        self.send("two")
        self.assertEqual(self.assertEmailSent(times=1).subject, "two")

    def test_nothing_there(self) -> None:
        """To take what is not there is an IndexError with the number of those that are."""
        self.assertRaisesRegex(IndexError, "^0: there is no email in the outbox of this test$", lambda: self.outbox[0])
        self.assertRaisesRegex(IndexError, "^-1: there is no email in the outbox", lambda: self.outbox.last)
        self.send()
        self.send()
        self.assertRaisesRegex(IndexError, "^2: there are 2 emails in the outbox of this test$", lambda: self.outbox[2])

    def test_it_cannot_be_replaced(self) -> None:
        """To set it, as one does with Django's, is answered with what to write."""
        with self.assertRaisesRegex(UsageError, r"^self.outbox cannot be replaced; write self.outbox.clear\(\) to"):
            self.outbox = []  # type: ignore[assignment]


class Attempted(MailTest):
    """``assertEmailAttempted``."""

    def test_refused(self) -> None:
        """A recipient that was refused was attempted."""
        self.smtp.reject_recipient("eve@example.com", 550)
        client = self.begin_mail("ann@example.com", "eve@example.com")
        client.rset()
        (attempt,) = self.assertEmailAttempted("RCPT", "eve@example.com", 550)
        self.assertEqual((attempt.address, attempt.code), ("eve@example.com", 550))
        self.assertEqual(len(self.assertEmailAttempted()), 2)

    def test_retried(self) -> None:
        """A sender that tries again is there twice."""
        self.smtp.greylist(times=1)
        for _ in range(2):
            self.begin_mail().rset()
        self.assertEmailAttempted(code=451, times=1)
        self.assertEmailAttempted(code=250, times=1)
        self.assertEmailAttempted("rcpt", "ann@example.com", times=2)
        self.assertEmailAttempted("DATA", times=0)

    def test_it_waits(self) -> None:
        """It waits for an attempt that comes later."""
        self.smtp.reject_message(554)

        thread = self.in_background(lambda: self.begin_mail().data(b"x"))
        self.assertEmailAttempted("END_OF_DATA", code=554, timeout=HANG)
        thread.join(HANG)  # a clean-up would close the client before it has read the answer


class Misuse(MailTest):
    """What cannot be meant is an error at once, never "no such mail"."""

    def test_each(self) -> None:
        """The message has the value and what is wanted, or the nearest name."""
        unknown = "unknown criterion 'subjct'; did you mean 'subject'?"
        times = "wanted a whole number, 0 or more, or None for at least one"
        code = "code is 42; wanted a code of SMTP, from 200 to 599, or None for any"
        predicate = "the predicate is 'Welcome'; wanted is a callable that is asked about each email. "
        seconds = "wanted a number of seconds, 0 or more"
        for call, value, message in (
            *((call, {"subjct": "x"}, unknown) for call in (self.assertEmailSent, self.assertNoEmailSent)),
            *((call, {"subjct": "x"}, unknown) for call in (self.outbox.filter, self.assertEmailsSent)),
            *((self.assertEmailSent, {"times": each}, f"times is {each!r}; {times}") for each in (-1, True, 1.0)),
            *(
                (call, {"times": -1}, f"times is -1; {times}")
                for call in (self.assertEmailsSent, self.assertEmailAttempted)
            ),
            *(
                (self.assertEmailCount, each, f"n is {each!r}; wanted a whole number, 0 or more")
                for each in (-1, True, "2", None)
            ),
            *(
                (call, {name: each}, f"{name} is {each!r}; {seconds}")
                for call, name in ((self.assertEmailSent, "timeout"), (self.assertNoEmailSent, "within"))
                for each in (-1, float("inf"), float("nan"), "1", True)
            ),
            (self.assertEmailSent, "Welcome", f"{predicate}Everything else has a name, as in subject='Welcome'."),
            (self.assertEmailAttempted, {"code": 42}, code),
            (self.assertEmailAttempted, "RCTP", "there is no command 'RCTP': did you mean 'RCPT'?"),
        ):
            with self.subTest(message), self.assertRaises(TypeError if message == unknown else UsageError) as caught:
                call(**value) if isinstance(value, dict) else call(value)  # type: ignore[operator]
            self.assertEqual(str(caught.exception), message)


IN_BLOCK = """\
no mail
no email matched within 0.05 s
  wanted:  subject='inside'
  nearest: #1 from team@example.com to ann@example.com  'other'  (0 of 1 criterion)
      FAIL subject: 'inside' != 'other'
  received in this block: 1
      #1 team@example.com -> ann@example.com  'other'  text
  server: smtp://127.0.0.1:2525"""

"""Tests that fail, each for a reason of its own, to show what they print."""

import smtplib

from accounts import send_reset

from liveserver_testcase import SMTPTestCase


class FailingTest(SMTPTestCase):
    smtp_timeout = 0.5

    def test_another_subject(self):
        send_reset("ann@example.com", "Ann", self.smtp.host, self.smtp.port)
        self.assertEmailSent(to="ann@example.com", subject="Your new password")

    def test_nobody_connects(self):
        self.assertEmailSent(to="ann@example.com")

    def test_a_recipient_is_refused(self):
        self.smtp.reject_recipient("*@example.com", 550, text="5.1.1 no such user")
        try:
            send_reset("ann@example.com", "Ann", self.smtp.host, self.smtp.port)
        except smtplib.SMTPRecipientsRefused:
            pass  # the code under test keeps it to itself
        self.assertEmailSent(to="ann@example.com")

    def test_one_too_many(self):
        send_reset("ann@example.com", "Ann", self.smtp.host, self.smtp.port)
        send_reset("ann@example.com", "Ann", self.smtp.host, self.smtp.port)
        self.assertEmailCount(1, to="ann@example.com")

    def test_a_link_that_is_not_there(self):
        send_reset("ann@example.com", "Ann", self.smtp.host, self.smtp.port)
        self.assertEmailSent().link("Confirm your address")

    def test_no_starttls(self):
        with smtplib.SMTP(self.smtp.host, self.smtp.port) as client:
            client.starttls()

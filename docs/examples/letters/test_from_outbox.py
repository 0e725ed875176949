"""Tests that read ``django.core.mail.outbox`` before, and read a real mail server's now."""

import unittest

import django
from django import conf
from django.core.mail import EmailMessage, send_mail
from django.test import SimpleTestCase, override_settings

from liveserver_testcase import SMTPTestCase


def setUpModule():
    if not conf.settings.configured:  # in a project this is done
        conf.settings.configure(DEFAULT_FROM_EMAIL="team@example.com")


def settings_for(smtp):
    """How Django is told to send to the test's mail server."""
    if django.VERSION >= (6, 1):
        return {"MAILERS": smtp.django_mailers()}
    return smtp.django_settings()


class NewsTest(SMTPTestCase, SimpleTestCase):
    def setUp(self):
        smtp = override_settings(**settings_for(self.smtp))
        smtp.enable()
        self.addCleanup(smtp.disable)

    def test_the_outbox(self):
        send_mail("News", "Tea is cheap.", "team@example.com", ["ann@example.com"])

        self.assertEqual(len(self.outbox), 1)
        self.assertEqual(self.outbox[0].subject, "News")
        self.assertEqual(self.outbox[0].body, "Tea is cheap.")
        self.assertEqual(self.outbox[0].to, ["ann@example.com"])
        self.assertEqual(self.outbox[0].from_, "team@example.com")

    def test_it_can_be_emptied(self):
        send_mail("one", "", "team@example.com", ["ann@example.com"])
        self.outbox.clear()
        send_mail("two", "", "team@example.com", ["ann@example.com"])
        self.assertEqual([mail.subject for mail in self.outbox], ["two"])

    def test_recipients(self):
        EmailMessage("News", "", "team@example.com", ["ann@example.com"], bcc=["boss@example.com"]).send()
        self.assertEqual(self.outbox[0].recipients, ["ann@example.com", "boss@example.com"])
        self.assertEqual(self.outbox[0].bcc, ["boss@example.com"])

    def test_headers(self):
        EmailMessage("News", "", "team@example.com", ["ann@example.com"], headers={"X-Campaign": "tea"}).send()
        self.assertEqual(self.outbox[0].headers["X-Campaign"], "tea")


if __name__ == "__main__":
    unittest.main()

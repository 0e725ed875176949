"""Mail that a Django project sends, over real SMTP."""

import unittest

import django
from django import conf
from django.core import mail
from django.test import SimpleTestCase, override_settings

from liveserver_testcase import SMTPTestCase


def setUpModule():
    if not conf.settings.configured:  # in a project this is done
        conf.settings.configure(DEFAULT_FROM_EMAIL="team@example.com")


def settings_for(smtp):
    """The settings with which Django sends to the test's mail server."""
    if django.VERSION >= (6, 1):
        return {"MAILERS": smtp.django_mailers()}
    return smtp.django_settings()


class WelcomeTest(SMTPTestCase, SimpleTestCase):
    def setUp(self):
        smtp = override_settings(**settings_for(self.smtp))  # over what Django's runner has set
        smtp.enable()
        self.addCleanup(smtp.disable)

    def test_a_welcome(self):
        mail.send_mail("Welcome", "Good to have you.", "team@example.com", ["ann@example.com"])

        message = self.assertEmailSent(to="ann@example.com", subject="Welcome")
        self.assertEqual(message.body, "Good to have you.")

    def test_blind_copies(self):
        message = mail.EmailMultiAlternatives(
            "News", "Tea is cheap.", "team@example.com", ["ann@example.com"], bcc=["boss@example.com"]
        )
        message.attach_alternative("<p>Tea is <b>cheap</b>.", "text/html")
        message.attach("prices.csv", "tea;3.50\n", "text/csv")
        message.send()

        self.assertEmailSent(bcc="boss@example.com", html="<b>cheap</b>", attachment="prices.csv")


if __name__ == "__main__":
    unittest.main()

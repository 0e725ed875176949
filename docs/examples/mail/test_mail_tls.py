"""A sender that insists on TLS and logs in, and the mail servers that it must not trust."""

import smtplib
import ssl
import unittest
from email.message import EmailMessage

from liveserver_testcase import SMTPTestCase


def send_report(settings, to, *, verify=True):
    """Send the weekly report, over TLS and nothing else."""
    context = ssl.create_default_context(cafile=settings["ca_file"])
    if not verify:  # the mistake that the tests below are about
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "reports@example.com", to, "This week"
    mail.set_content("Nothing happened.\n")
    with smtplib.SMTP(settings["host"], settings["port"], timeout=5) as smtp:
        smtp.starttls(context=context)
        smtp.login(settings["username"], settings["password"])
        smtp.send_message(mail)


class SecureMailTest(SMTPTestCase):
    smtp_tls = "starttls"
    smtp_require_tls = True
    smtp_users = {"reports": "let-me-in"}
    smtp_require_auth = True

    def test_the_report_is_sent_over_tls(self):
        send_report(self.smtp.settings(), "ann@example.com")
        mail = self.assertEmailSent(to="ann@example.com", auth_user="reports")
        self.assertTrue(mail.session.tls)

    def test_a_wrong_password(self):
        settings = self.smtp.settings() | {"password": "guess"}
        with self.assertRaises(smtplib.SMTPAuthenticationError):
            send_report(settings, "ann@example.com")
        self.assertEmailAttempted("AUTH", code=535)

    def test_the_server_stops_offering_tls(self):
        self.smtp.offer(without=["STARTTLS"])
        with self.assertRaises(smtplib.SMTPNotSupportedError):
            send_report(self.smtp.settings(), "ann@example.com")
        self.assertNoEmailSent()


class ExpiredCertificateTest(SMTPTestCase):
    smtp_tls = "starttls"
    smtp_certificate = "expired"  # or "wrong-host", "untrusted"
    smtp_users = {"reports": "let-me-in"}

    def test_nothing_is_sent(self):
        with self.assertRaises(ssl.SSLCertVerificationError):
            send_report(self.smtp.settings(), "ann@example.com")
        self.assertNoEmailSent()

    def test_a_sender_that_does_not_verify(self):
        send_report(self.smtp.settings(), "ann@example.com", verify=False)
        self.assertEmailSent(to="ann@example.com")  # the password and the report are in a stranger's hands


class ImplicitTLSTest(SMTPTestCase):
    smtp_tls = "implicit"

    def test_tls_from_the_first_byte(self):
        with smtplib.SMTP_SSL(*self.smtp.addr, context=self.smtp.client_context(), timeout=5) as smtp:
            smtp.sendmail("a@example.com", "b@example.com", "Subject: hello\r\n\r\nhello\r\n")
        self.assertEmailSent(subject="hello", tls=True)


def send_with_token(settings, to, token):
    """Send a mail as Google and Microsoft want it: with a token of OAuth 2.0 in the place of a password."""
    with smtplib.SMTP(settings["host"], settings["port"], timeout=5) as smtp:
        smtp.starttls(context=ssl.create_default_context(cafile=settings["ca_file"]))
        smtp.ehlo()
        smtp.auth("XOAUTH2", lambda challenge=None: f"user=ann@example.com\1auth=Bearer {token}\1\1")
        smtp.sendmail("ann@example.com", to, f"To: {to}\r\nSubject: hello\r\n\r\nhello\r\n")


class TokenTest(SMTPTestCase):
    smtp_tls = "starttls"
    smtp_users = {"ann@example.com": "ya29.token"}
    smtp_auth_mechanisms = ("XOAUTH2",)
    smtp_auth_require_tls = True

    def test_a_token(self):
        send_with_token(self.smtp.settings(), "bob@example.com", "ya29.token")
        self.assertEmailSent(to="bob@example.com", auth_user="ann@example.com")

    def test_a_token_that_has_expired(self):
        with self.assertRaises(smtplib.SMTPAuthenticationError):
            send_with_token(self.smtp.settings(), "bob@example.com", "ya29.old")
        self.assertEmailAttempted("AUTH", code=535)


if __name__ == "__main__":
    unittest.main()

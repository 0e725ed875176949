"""What tests look like that came from other mail servers for tests."""

import smtplib
import unittest

from liveserver_testcase import SMTPServer, SMTPTestCase

MAIL = "From: ann@example.com\r\nTo: bob@example.com\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nHello\r\n"


def send(host, port):
    with smtplib.SMTP(host, port, timeout=5) as smtp:
        smtp.sendmail("ann@example.com", ["bob@example.com"], MAIL)


class FromPytestLocalserver(SMTPTestCase):
    def test_a_mail(self):
        send(*self.smtp.addr)
        self.assertEqual(len(self.outbox), 1)
        mail = self.outbox[0]
        self.assertEqual(mail["To"], "bob@example.com")
        self.assertEqual(mail["Subject"], "Grüße")  # decoded, where the header was bytes before
        self.assertEqual(mail.details.rcpttos, ["bob@example.com"])
        self.assertEqual(mail.details.mailfrom, "ann@example.com")


class AsAFixture(unittest.TestCase):
    def test_without_a_mixin(self):
        with SMTPServer() as smtpserver:
            send(*smtpserver.addr)
            self.assertEqual(smtpserver.outbox[0]["Subject"], "Grüße")


class FromSmtpdfix(SMTPTestCase):
    smtp_users = {"user": "password"}
    smtp_tls = "starttls"

    def test_a_login(self):
        with smtplib.SMTP(*self.smtp.addr, timeout=5) as smtp:
            smtp.starttls(context=self.smtp.client_context())
            smtp.login("user", "password")
            smtp.sendmail("ann@example.com", ["bob@example.com"], MAIL)
        self.assertEmailSent(auth_user="user", tls=True)


class FromMailpit(SMTPTestCase):
    def test_what_a_search_was_for(self):
        send(*self.smtp.addr)
        mail = self.assertEmailSent(to="bob@example.com", subject="Grüße", text="Hello")
        self.assertEqual(mail.recipients, ["bob@example.com"])

    def test_what_chaos_was_for(self):
        self.smtp.reject_recipient("bob@example.com", 451, times=1)
        with self.assertRaises(smtplib.SMTPRecipientsRefused):
            send(*self.smtp.addr)
        send(*self.smtp.addr)
        self.assertEqual([attempt.code for attempt in self.smtp.attempts("RCPT")], [451, 250])


if __name__ == "__main__":
    unittest.main()

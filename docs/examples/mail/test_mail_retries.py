"""A sender that tries again, and a mail server that makes it."""

import smtplib
import unittest
from email.message import EmailMessage

from liveserver_testcase import SMTPTestCase


def send_with_retries(server, to, tries=5):
    """Send a mail; where the server is busy, try again."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "shop@example.com", to, "Your order"
    mail.set_content("Thank you.\n")
    for attempt in range(1, tries + 1):
        try:
            with smtplib.SMTP(*server, timeout=5) as smtp:
                smtp.send_message(mail)
            return attempt
        except smtplib.SMTPRecipientsRefused as error:
            code = error.recipients[to][0]
            if code >= 500:
                raise
        except smtplib.SMTPResponseException as error:
            if error.smtp_code >= 500:
                raise
        except smtplib.SMTPServerDisconnected:
            pass
    raise TimeoutError(f"no server took the mail in {tries} tries")


class RetryTest(SMTPTestCase):
    def test_a_busy_server_is_tried_again(self):
        busy = self.smtp.fail("RCPT", (451, "4.3.2 Try again later"), times=2)
        send_with_retries(self.smtp.addr, "ann@example.com")
        self.assertEqual(len(self.outbox), 1)
        self.assertEqual(busy.hits, 2)
        self.assertEqual([attempt.code for attempt in self.smtp.attempts("RCPT")], [451, 451, 250])

    def test_greylisting(self):
        self.smtp.greylist()
        self.assertEqual(send_with_retries(self.smtp.addr, "ann@example.com"), 2)

    def test_an_unknown_recipient_is_not_tried_again(self):
        self.smtp.reject_recipient("*@gone.example")
        with self.assertRaises(smtplib.SMTPRecipientsRefused):
            send_with_retries(self.smtp.addr, "bob@gone.example")
        self.assertEqual(len(self.smtp.attempts("RCPT")), 1)

    def test_a_lost_answer_sends_the_mail_twice(self):
        self.smtp.drop("END_OF_DATA", record=True, times=1)
        send_with_retries(self.smtp.addr, "ann@example.com")
        self.assertEqual(len(self.outbox), 2)

    def test_a_server_that_is_gone(self):
        with self.smtp.refuse_connections(), self.assertRaises(ConnectionRefusedError):
            send_with_retries(self.smtp.addr, "ann@example.com")
        send_with_retries(self.smtp.addr, "ann@example.com")


if __name__ == "__main__":
    unittest.main()

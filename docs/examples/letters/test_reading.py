"""What can be asked of a mail that was received."""

import re
import smtplib
import unittest
from email.message import EmailMessage
from email.utils import make_msgid

from liveserver_testcase import SMTPTestCase


def invoice():
    """A mail as a shop sends it: text, HTML with a logo, and a file."""
    mail = EmailMessage()
    mail["From"] = "shop@example.com"
    mail["To"] = "Ann Lee <ann@example.com>"
    mail["Subject"] = "Your invoice, in €"
    mail.set_content("Invoice 7 is attached.\n\nPay here: https://pay.example/7.\n")
    logo = make_msgid()
    mail.add_alternative(
        f'<img src="cid:{logo[1:-1]}" alt="Our shop"><p>Invoice <b>7</b> is attached.'
        '<p><a href="https://pay.example/7">Pay now</a> <a href="https://shop.example/">Our shop</a>',
        subtype="html",
    )
    mail.get_payload()[1].add_related(b"\x89PNG", "image", "png", cid=logo, filename="logo.png")
    mail.add_attachment(b"%PDF-1.7 ...", maintype="application", subtype="pdf", filename="invoice-7.pdf")
    return mail


class ReadingTest(SMTPTestCase):
    def setUp(self):
        with smtplib.SMTP(*self.smtp.addr, timeout=5) as smtp:
            smtp.send_message(invoice(), to_addrs=["ann@example.com", "books@example.com"])

    def test_attachments(self):
        mail = self.assertEmailSent(attachment="invoice-*.pdf")
        self.assertEqual([file.name for file in mail.attachments], ["invoice-7.pdf"])
        self.assertTrue(mail.attachment("*.pdf").content.startswith(b"%PDF"))

    def test_attachments_by_more_than_a_name(self):
        self.assertEmailSent(attachment="application/pdf")
        self.assertEmailSent(attachment=re.compile(r"-\d+\.pdf$"))
        self.assertEmailSent(attachment=b"%PDF-1.7 ...")
        self.assertEmailSent(attachment={"name": "*.pdf", "content": re.compile(rb"^%PDF-1\.[4-7]")})
        self.assertEmailSent(attachment=lambda file: len(file.content) < 1_000_000)
        self.assertNoEmailSent(attachment=["*.pdf", "*.csv"])  # both, in one mail

    def test_inline_pictures(self):
        mail = self.assertEmailSent()
        self.assertEqual([picture.name for picture in mail.inline], ["logo.png"])

    def test_links(self):
        mail = self.assertEmailSent()
        self.assertEqual(mail.link("Pay now").url, "https://pay.example/7")
        self.assertEqual(mail.link(url="pay.example").path, "/7")
        self.assertEqual([link.text for link in mail.links()], ["Pay now", "Our shop"])

    def test_blind_copies(self):
        mail = self.assertEmailSent(to=["ann@example.com"], bcc="books@example.com")
        self.assertEqual(mail.recipients, ["ann@example.com", "books@example.com"])

    def test_what_people_read(self):
        self.assertEmailSent(subject="Your invoice, in €", text="Invoice 7 is attached.", html="<b>7</b>")

    def test_as_python_sees_it(self):
        mail = self.assertEmailSent()
        self.assertEqual(mail["To"], "Ann Lee <ann@example.com>")
        self.assertEqual(mail.get_content_type(), "multipart/mixed")


class CodeTest(SMTPTestCase):
    def send(self, text):
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = "shop@example.com", "ann@example.com", "Your code"
        mail.set_content(text)
        with smtplib.SMTP(*self.smtp.addr, timeout=5) as smtp:
            smtp.send_message(mail)

    def test_a_code(self):
        self.send("Your code is 123 456.\n\n© 2026, 12345 Town")
        self.assertEqual(self.assertEmailSent().code(6), "123456")

    def test_a_code_of_letters(self):
        self.send("Your code is KX-7Q2.")
        self.assertEqual(self.assertEmailSent().code(pattern=r"[A-Z]{2}-[A-Z0-9]{3}"), "KX-7Q2")


if __name__ == "__main__":
    unittest.main()

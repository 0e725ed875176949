import smtplib

from liveserver_testcase import SMTPTestCase


def welcome(address, mail_server):
    with smtplib.SMTP(*mail_server) as smtp:
        text = f"To: {address}\nSubject: Welcome\n\nGood to have you here."
        smtp.sendmail("shop@example.com", address, text)


class WelcomeTest(SMTPTestCase):
    def test_welcome(self):
        welcome("ann@example.com", self.smtp.addr)
        self.assertEmailSent(to="ann@example.com", subject="Welcome", body="Good to have you")

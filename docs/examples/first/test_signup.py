import smtplib
import unittest
from email.message import EmailMessage

import requests
from flask import Flask, request

from liveserver_testcase import HTTPStubTestCase, LiveServerTestCase, SMTPTestCase


def create_app(spam_api, mail_server):
    """A sign-up form that asks a spam API about the address and mails a welcome."""
    app = Flask(__name__)

    @app.post("/signup")
    def signup():
        email = request.form["email"]
        if requests.get(f"{spam_api}/check/{email}", timeout=5).json()["spam"]:
            return "no, thank you", 403
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = "team@example.com", email, "Welcome"
        mail.set_content("Good to have you here.")
        with smtplib.SMTP(*mail_server) as smtp:
            smtp.send_message(mail)
        return "welcome", 201

    return app


class SignupTest(LiveServerTestCase, HTTPStubTestCase, SMTPTestCase):
    @classmethod
    def create_app(cls):
        return create_app(spam_api=cls.stub.url, mail_server=cls.smtp.addr)

    def test_a_welcome_is_mailed(self):
        self.stub.expect("GET", "/check/ann@example.com").reply(json={"spam": False})

        answer = requests.post(self.live_url("/signup"), data={"email": "ann@example.com"})

        self.assertEqual(answer.status_code, 201)
        self.assertEmailSent(to="ann@example.com", subject="Welcome", body="Good to have you")

    def test_spammers_get_no_mail(self):
        self.stub.expect("GET", "/check/eve@example.com").reply(json={"spam": True})

        answer = self.live.post("/signup", data={"email": "eve@example.com"})

        self.assertEqual(answer.status_code, 403)
        self.assertNoEmailSent()


if __name__ == "__main__":
    unittest.main()

"""Mail that a Flask application sends with Flask-Mail."""

import unittest

from flask import Flask
from flask_mail import Mail, Message

from liveserver_testcase import LiveServerTestCase, SMTPTestCase

mail = Mail()


def create_app(config):
    """The application: it mails whoever signs up."""
    app = Flask("signup")
    app.config.update(MAIL_DEFAULT_SENDER="team@example.com", **config)
    mail.init_app(app)

    @app.post("/signup/<address>")
    def sign_up(address):
        mail.send(Message("Welcome", recipients=[address], body="Good to have you."))
        return "", 201

    return app


class SignUpTest(LiveServerTestCase, SMTPTestCase):
    @classmethod
    def create_app(cls):
        return create_app({"TESTING": True, **cls.smtp.flask_config()})

    def test_a_welcome(self):
        self.live.post("/signup/ann@example.com")
        self.assertEmailSent(to="ann@example.com", from_="team@example.com", subject="Welcome")


class WithoutALiveServer(SMTPTestCase):
    def test_a_welcome(self):
        app = create_app({"TESTING": True, **self.smtp.flask_config()})
        app.test_client().post("/signup/ann@example.com")
        self.assertEmailSent(to="ann@example.com", text="Good to have you.")


if __name__ == "__main__":
    unittest.main()

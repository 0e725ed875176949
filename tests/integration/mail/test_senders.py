"""Senders that people use, none of them ours, from wherever a test may send; and how they are told where to."""

from __future__ import annotations

import concurrent.futures
import importlib.util
import logging
import logging.handlers
import os
import shutil
import smtplib
import subprocess
import sys
import unittest
from typing import Any

from liveserver_testcase import SMTPServer
from tests.integration.mail.clients import MailTestCase
from tests.integration.mail.mailing import make_mail
from tests.support import HANG, run_python

USERS = {"ann": "pass word/é", "bob": "other"}
NAMED = {"ann@example.com": "secret"}


def lacks(module: str) -> Any:
    """Skips a test where a module is not installed."""
    return unittest.skipUnless(importlib.util.find_spec(module), f"{module} is not installed")


def needs(program: str) -> Any:
    """Skips a test where a program is not installed."""
    return unittest.skipUnless(shutil.which(program), f"{program} is not installed")


class SettingsTest(unittest.TestCase):
    """The server's address, in the words of each framework."""

    maxDiff = None

    def test_of_a_plain_server(self) -> None:
        """Nobody logs in, and nothing is encrypted."""
        with SMTPServer() as smtp:
            host, port = smtp.addr
            nobody = {"username": None, "password": None, "starttls": False, "implicit_tls": False, "ca_file": None}
            self.assertEqual({"host": host, "port": port, **nobody}, smtp.settings())
            environ = {"SMTP_HOST": host, "SMTP_PORT": str(port), "SMTP_URL": f"smtp://127.0.0.1:{port}"}
            self.assertEqual(environ, smtp.environ())

    def test_of_a_difficult_server(self) -> None:
        """User, password and TLS are in each framework's own names."""
        with SMTPServer(host="localhost", tls="starttls", users=USERS) as smtp:
            port = smtp.port
            django = {
                "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
                "EMAIL_HOST": "localhost", "EMAIL_PORT": port, "EMAIL_USE_TLS": True, "EMAIL_USE_SSL": False,
                "EMAIL_HOST_USER": "ann", "EMAIL_HOST_PASSWORD": "pass word/é",
            }  # fmt: skip
            flask = {
                "MAIL_SERVER": "localhost", "MAIL_PORT": port, "MAIL_USE_TLS": True, "MAIL_USE_SSL": False,
                "MAIL_USERNAME": "ann", "MAIL_PASSWORD": "pass word/é",
                "MAIL_SUPPRESS_SEND": False, "MAIL_BACKEND": "smtp",
            }  # fmt: skip
            environ = {
                "MAIL_HOST": "localhost", "MAIL_PORT": str(port), "MAIL_TLS": "starttls",
                "MAIL_URL": f"smtp://ann:pass%20word%2F%C3%A9@localhost:{port}",
                "MAIL_USERNAME": "ann", "MAIL_PASSWORD": "pass word/é", "SSL_CERT_FILE": smtp.ca_file,
            }  # fmt: skip
            for wanted, found in (
                (django, smtp.django_settings()),
                (flask, smtp.flask_config()),
                (environ, smtp.environ("MAIL_")),
            ):
                self.assertEqual(wanted, found)

    def test_implicit_tls(self) -> None:
        """TLS from the first byte has its own switch and scheme; Django 6.1 wants settings in another shape."""
        with SMTPServer(tls="implicit", users={"ann": "secret"}) as smtp:
            self.assertEqual((True, False), (smtp.flask_config()["MAIL_USE_SSL"], smtp.flask_config()["MAIL_USE_TLS"]))
            self.assertEqual((True, False), (smtp.django_settings()["EMAIL_USE_SSL"], smtp.settings()["starttls"]))
            self.assertEqual(f"smtps://ann:secret@127.0.0.1:{smtp.port}", smtp.environ()["SMTP_URL"])
            options = {
                "host": "127.0.0.1", "port": smtp.port, "username": "ann", "password": "secret",
                "use_tls": False, "use_ssl": True,
            }  # fmt: skip
            backend = smtp.django_settings()["EMAIL_BACKEND"]
            self.assertEqual({"default": {"BACKEND": backend, "OPTIONS": options}}, smtp.django_mailers())


class PlaceTest(MailTestCase):
    """From wherever it is sent."""

    def setUp(self) -> None:
        super().setUp()
        self.serve()

    def send_one(self) -> None:
        with smtplib.SMTP(*self.server.addr, timeout=HANG) as smtp:
            smtp.send_message(make_mail("hello"))

    def test_an_executor(self) -> None:
        """A mail from another thread is there when that has ended."""
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for _ in range(8):
                pool.submit(self.send_one)
        self.assertEqual(8, len(self.server.outbox))

    def test_another_process(self) -> None:
        """So is one from another process, which finds the server through its environment."""
        script = (
            "import os, smtplib\n"
            "with smtplib.SMTP(os.environ['SMTP_HOST'], int(os.environ['SMTP_PORT']), timeout=10) as smtp:\n"
            "    smtp.sendmail('ann@example.com', 'bob@example.com', 'Subject: child\\r\\n\\r\\nx\\r\\n')\n"
        )
        environ = {**os.environ, **self.server.environ()}
        subprocess.run([sys.executable, "-c", script], env=environ, check=True, timeout=60)
        self.assertEqual(["child"], [mail.subject for mail in self.server.outbox])


class AsyncTest(unittest.IsolatedAsyncioTestCase):
    """From the test's own loop."""

    async def asyncSetUp(self) -> None:
        self.server = SMTPServer(tls="starttls", users={"ann": "secret"})
        self.server.start()
        self.addCleanup(self.server.stop)

    @lacks("aiosmtplib")
    async def test_aiosmtplib(self) -> None:
        """A mail that is sent on the loop of the test is there when the send has been awaited."""
        import aiosmtplib

        await aiosmtplib.send(
            make_mail("hello"),
            hostname=self.server.host,
            port=self.server.port,
            username="ann",
            password="secret",
            start_tls=True,
            tls_context=self.server.client_context(),
            timeout=HANG,
        )
        (mail,) = self.server.outbox
        assert mail.session is not None
        self.assertEqual(("hello", "ann"), (mail.subject, mail.session.auth_user))


class FrameworkTest(MailTestCase):
    """Mail of web frameworks and libraries."""

    @lacks("flask_mail")
    def test_flask_mail(self) -> None:
        """Flask-Mail sends under TESTING too, with the configuration that it is given."""
        import flask
        import flask_mail

        self.serve(users={"ann": "secret"})  # smtplib wants passwords in ASCII
        app = flask.Flask("app")
        app.config.update(TESTING=True, **self.server.flask_config())
        mail = flask_mail.Mail(app)
        with app.app_context():
            mail.send(flask_mail.Message("hello", sender="ann@example.com", recipients=["bob@example.com"], body="x"))
        (received,) = self.server.outbox
        assert received.session is not None
        self.assertEqual(("hello", "ann"), (received.subject, received.session.auth_user))

    @lacks("django")
    def test_django(self) -> None:
        """Django's SMTP backend sends with the settings that it is given, over TLS that it verifies."""
        script = """
            import django
            from django.conf import settings
            from django.core.mail import EmailMultiAlternatives
            from liveserver_testcase import SMTPServer
            import os

            for tls in (None, "starttls", "implicit"):
                with SMTPServer(tls=tls, users={"ann": "secret"}) as smtp:
                    os.environ.update(smtp.environ())
                    if not settings.configured:
                        settings.configure()
                        django.setup()
                    for name, value in smtp.django_settings().items():
                        setattr(settings, name, value)
                    to, bcc = ["bob@example.com"], ["eve@example.com"]
                    mail = EmailMultiAlternatives("hello", "text", "ann@example.com", to, bcc=bcc)
                    mail.attach_alternative("<p>html", "text/html")
                    mail.send()
                    (received,) = smtp.outbox
                    print(received.subject, received.bcc, received.session.auth_user, received.session.tls is not None)
        """
        done = run_python(script, options=())
        wanted = "hello ['eve@example.com'] ann False\n" + "hello ['eve@example.com'] ann True\n" * 2
        self.assertEqual(wanted, done.stdout, done.stderr)

    @lacks("yagmail")
    def test_yagmail(self) -> None:
        """A library for people who do not want to know of MIME."""
        import yagmail

        server = self.serve(users=NAMED)
        with yagmail.SMTP(
            "ann@example.com", "secret", host=server.host, port=server.port, smtp_starttls=False, smtp_ssl=False
        ) as client:
            client.send("bob@example.com", "hello", ["How are you?"])
        (email,) = server.outbox
        self.assertEqual(("hello", ["bob@example.com"]), (email.subject, email.to))
        self.assertIn("How are you?", email.text)

    @lacks("redmail")
    def test_redmail(self) -> None:
        """A library with templates and attachments."""
        import redmail

        server = self.serve()
        sender = redmail.EmailSender(host=server.host, port=server.port, use_starttls=False)
        sender.send(
            subject="report",
            sender="ann@example.com",
            receivers=["bob@example.com"],
            html="<p>See {{ what }}.</p>",
            body_params={"what": "below"},
            attachments={"data.csv": b"a,b\n1,2\n"},
        )
        (email,) = server.outbox
        self.assertEqual("report", email.subject)
        self.assertIn("See below.", email.html)
        self.assertEqual(["data.csv"], [attachment.name for attachment in email.attachments])

    def test_logging(self) -> None:
        """The handler of the standard library that mails what goes wrong."""
        server = self.serve(users=NAMED)
        handler = logging.handlers.SMTPHandler(
            server.addr, "ann@example.com", ["bob@example.com"], "it went wrong", ("ann@example.com", "secret")
        )
        log = logging.getLogger(f"{__name__}.shop")
        log.propagate = False
        log.addHandler(handler)
        self.addCleanup(log.removeHandler, handler)
        log.error("no tea left")
        (email,) = server.outbox
        self.assertEqual(("it went wrong", "no tea left"), (email.subject, email.text))


class ProgramTest(MailTestCase):
    """Programs that are not Python."""

    def run_program(self, *command: str, stdin: bytes = b"") -> None:
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=60, check=False)
        self.assertEqual((0, b""), (done.returncode, done.stderr), done.stdout)

    @needs("curl")
    def test_curl(self) -> None:
        """In plain text, with STARTTLS and over implicit TLS; with each way to log in that it has."""
        mail = b"Subject: hello\r\n\r\nHow are you?\r\n"
        for tls in (None, "starttls", "implicit"):
            for mechanism in (None, "PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2", "OAUTHBEARER"):
                with self.subTest(tls=tls, mechanism=mechanism):
                    server = self.serve(tls=tls, users=NAMED, auth_mechanisms=(mechanism or "PLAIN",))
                    options = ["--mail-from", "ann@example.com", "--mail-rcpt", "bob@example.com", "-T", "-"]
                    if tls is not None:
                        options += ["--ssl-reqd", "--cacert", str(server.ca_file)]
                    if mechanism in ("XOAUTH2", "OAUTHBEARER"):
                        options += ["--user", "ann@example.com:", "--oauth2-bearer", "secret"]
                    elif mechanism is not None:
                        options += ["--user", "ann@example.com:secret", "--login-options", f"AUTH={mechanism}"]
                    self.run_program("curl", "-sS", server.url, *options, stdin=mail)
                    (email,) = server.outbox
                    assert email.session is not None
                    self.assertEqual("How are you?", email.text)
                    self.assertEqual(tls is not None, email.session.tls is not None)
                    self.assertEqual("ann@example.com" if mechanism else None, email.session.auth_user)

    @needs("smtp-source")
    def test_smtp_source(self) -> None:
        """Postfix's load generator, with twenty sessions at once."""
        server = self.serve()
        host, port = server.addr
        self.run_program("smtp-source", "-s", "20", "-m", "400", "-l", "2048", f"inet:{host}:{port}")
        self.assertEqual(400, len(server.outbox))

    @needs("swaks")
    def test_swaks(self) -> None:
        """swaks sends with each mechanism, to several recipients."""
        for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5"):
            with self.subTest(mechanism=mechanism):
                host, port = self.serve(users=USERS).addr
                self.run_program(
                    "swaks", "--server", f"{host}:{port}", "--header", "Subject: swaks", "--auth", mechanism,
                    "--auth-user", "bob", "--auth-password", "other", "--hide-all",
                    "--from", "ann@example.com", "--to", "bob@example.com,eve@example.com",
                )  # fmt: skip
                (mail,) = self.server.outbox
                self.assertEqual(("swaks", ["bob@example.com", "eve@example.com"]), (mail.subject, mail.recipients))
                self.assertEqual("bob", mail.session.auth_user)  # type: ignore[union-attr]

"""Real programs and libraries send mail, as people's code does; those that a machine lacks are skipped."""

from __future__ import annotations

import importlib.util
import logging
import logging.handlers
import shutil
import subprocess
import unittest
from typing import Any

from liveserver_testcase import SMTPServer
from tests.support import NoLeaks

USERS = {"ann@example.com": "secret"}
PATIENCE = 60  # seconds for a program that is started anew


def needs(program: str) -> Any:
    """Skip the test where a program is not installed."""
    return unittest.skipUnless(shutil.which(program), f"{program} is not installed")


def needs_module(name: str) -> Any:
    """Skip the test where a library is not installed."""
    return unittest.skipUnless(importlib.util.find_spec(name), f"{name} is not installed")


class SenderTest(NoLeaks):
    """Each sender's mail arrives, however it speaks."""

    def serve(self, **options: Any) -> SMTPServer:
        server = SMTPServer(**options)
        server.start()
        self.addCleanup(server.stop)
        return server

    def run_program(self, *arguments: str, stdin: bytes = b"") -> None:
        done = subprocess.run(arguments, input=stdin, capture_output=True, timeout=PATIENCE, check=False)
        self.assertEqual((0, b""), (done.returncode, done.stderr), done.stdout)

    @needs("curl")
    def test_curl(self) -> None:
        """In plain text, with STARTTLS and over implicit TLS; with each way to log in that it has."""
        mail = b"Subject: hello\r\n\r\nHow are you?\r\n"
        for tls in (None, "starttls", "implicit"):
            for mechanism in (None, "PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2", "OAUTHBEARER"):
                with self.subTest(tls=tls, mechanism=mechanism):
                    server = self.serve(tls=tls, users=USERS, auth_mechanisms=(mechanism or "PLAIN",))
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

    @needs("swaks")
    def test_swaks(self) -> None:
        """The tester's own tester."""
        server = self.serve()
        host, port = server.addr
        addresses = ("--from", "ann@example.com", "--to", "bob@example.com,eve@example.com")
        self.run_program("swaks", "--server", f"{host}:{port}", *addresses, "--header", "Subject: hello")
        self.assertEqual(
            [("hello", ["bob@example.com", "eve@example.com"])], [(e.subject, e.recipients) for e in server.outbox]
        )

    @needs("smtp-source")
    def test_smtp_source(self) -> None:
        """Postfix's load generator, with twenty sessions at once."""
        server = self.serve()
        host, port = server.addr
        self.run_program("smtp-source", "-s", "20", "-m", "400", "-l", "2048", f"inet:{host}:{port}")
        self.assertEqual(400, len(server.outbox))

    @needs_module("yagmail")
    def test_yagmail(self) -> None:
        """A library for people who do not want to know of MIME."""
        import yagmail

        server = self.serve(users=USERS)
        with yagmail.SMTP(
            "ann@example.com", "secret", host=server.host, port=server.port, smtp_starttls=False, smtp_ssl=False
        ) as client:
            client.send("bob@example.com", "hello", ["How are you?"])
        (email,) = server.outbox
        self.assertEqual(("hello", ["bob@example.com"]), (email.subject, email.to))
        self.assertIn("How are you?", email.text)

    @needs_module("redmail")
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
        server = self.serve(users=USERS)
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

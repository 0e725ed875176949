"""The mail server: real senders, over real sockets."""

from __future__ import annotations

import logging
import smtplib
import unittest
from email.message import EmailMessage

from liveserver_testcase import ServerStartError, SMTPServer
from tests.support import HANG, NoLeaks


def make_mail(subject: str = "hello", text: str = "How are you?\n") -> EmailMessage:
    """A mail from ann to bob."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Ann <ann@example.com>", "bob@example.com", subject
    mail.set_content(text)
    return mail


class SMTPServerTest(NoLeaks, unittest.TestCase):
    """What is sent is kept."""

    def setUp(self) -> None:
        self.server = SMTPServer()
        self.server.start()
        self.addCleanup(self.server.stop)

    def client(self) -> smtplib.SMTP:
        client = smtplib.SMTP(*self.server.addr, timeout=HANG)
        self.addCleanup(client.close)
        return client

    def test_a_mail_is_kept_before_its_sender_knows(self) -> None:
        """When the sender has its 250 the mail is in the outbox."""
        with self.client() as client:
            client.send_message(make_mail())
            (mail,) = self.server.outbox
        self.assertEqual(
            (mail.subject, mail.from_, mail.to, mail.text),
            ("hello", "ann@example.com", ["bob@example.com"], "How are you?"),
        )

    def test_the_envelope_is_kept_apart(self) -> None:
        """Sender and recipients are those of the dialogue, whatever the header says."""
        with self.client() as client:
            client.sendmail("bounces@example.com", ["bob@example.com", "eve@example.com"], make_mail().as_bytes())
        (mail,) = self.server.outbox
        self.assertEqual(
            (mail.mail_from, mail.recipients, mail.bcc),
            ("bounces@example.com", ["bob@example.com", "eve@example.com"], ["eve@example.com"]),
        )

    def test_two_servers_do_not_disturb_each_other(self) -> None:
        """Two servers keep their own mails, also when their sessions overlap."""
        with SMTPServer() as second:
            ours = self.client()
            ours.ehlo()
            with smtplib.SMTP(*second.addr, timeout=HANG) as theirs:
                theirs.send_message(make_mail("theirs"))
                ours.send_message(make_mail("ours"))
            self.assertEqual([m.subject for m in self.server.outbox], ["ours"])
            self.assertEqual([m.subject for m in second.outbox], ["theirs"])
            ours.quit()

    def test_nothing_is_logged(self) -> None:
        """What aiosmtpd logs is not seen by a test that looks at its own logs."""
        with self.assertLogs(level="INFO") as logs:
            logging.getLogger(f"{__name__}.test_nothing_is_logged").info("sending")
            with smtplib.SMTP(*self.server.addr, timeout=HANG) as smtp:
                smtp.ehlo()
                smtp.docmd("NONSENSE")
                smtp.sendmail("a@example.com", "b@example.com", "Subject: x\r\n\r\n")
        self.assertEqual([f"INFO:{__name__}.test_nothing_is_logged:sending"], logs.output)

    def test_a_misspelt_attribute(self) -> None:
        """An attribute that the server does not have is refused, with the nearest name."""
        with self.assertRaisesRegex(AttributeError, "'stop_timeot': SMTPServer has .*: did you mean 'stop_timeout'"):
            self.server.stop_timeot = 1  # type: ignore[attr-defined]

    def test_a_taken_port_is_told_at_once(self) -> None:
        """The port's number is in the error, and the cause is the system's."""
        other = SMTPServer(port=self.server.port)
        with self.assertRaises(ServerStartError) as caught:
            other.start()
        self.assertIsInstance(caught.exception.__cause__, OSError)
        self.assertIn(f"127.0.0.1:{self.server.port}: the port is taken", str(caught.exception))

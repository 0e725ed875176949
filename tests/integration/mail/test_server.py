"""The mail server: real senders, over real sockets."""

from __future__ import annotations

import logging
import smtplib
import socket
import threading
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

    def test_the_null_sender_is_empty(self) -> None:
        """A bounce has an empty ``mail_from``."""
        with self.client() as client:
            client.sendmail("", ["bob@example.com"], make_mail().as_bytes())
        self.assertEqual(self.server.outbox[0].mail_from, "")

    def test_the_session_is_kept(self) -> None:
        """A mail knows the client's address and the name it gave."""
        with self.client() as client:
            client.ehlo("laptop.example.com")
            client.send_message(make_mail())
        session = self.server.outbox[0].session
        assert session is not None
        self.assertEqual((session.peer[0], session.ehlo), ("127.0.0.1", "laptop.example.com"))

    def test_nothing_is_added(self) -> None:
        """The raw bytes are those that were sent, dots and all."""
        raw = b"Subject: dots\r\n\r\n.one\r\n..two\r\n.\r\nend\r\n"
        with self.client() as client:
            client.sendmail("a@example.com", ["b@example.com"], raw)
        self.assertEqual(self.server.outbox[0].raw, raw)

    def test_several_mails_on_one_connection(self) -> None:
        """Mails are kept in the order of their acceptance."""
        with self.client() as client:
            for number in range(5):
                client.send_message(make_mail(f"mail {number}"))
        self.assertEqual([mail.subject for mail in self.server.outbox], [f"mail {number}" for number in range(5)])

    def test_many_senders_at_once(self) -> None:
        """Eight senders lose and double nothing."""

        def send(sender: int) -> None:
            with smtplib.SMTP(*self.server.addr, timeout=HANG) as client:
                for number in range(20):
                    client.send_message(make_mail(f"{sender}.{number}"))

        threads = [threading.Thread(target=send, args=(sender,)) for sender in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(HANG)
        found = sorted(mail.subject for mail in self.server.outbox)
        self.assertEqual(found, sorted(f"{sender}.{number}" for sender in range(8) for number in range(20)))

    def test_half_a_mail_is_none(self) -> None:
        """What a client left half-sent is not kept, and the next session is served."""
        client = self.client()
        client.ehlo()
        client.mail("a@example.com")
        client.rcpt("b@example.com")
        client.putcmd("data")
        client.getreply()
        client.send(b"Subject: half\r\n\r\nno end")
        client.close()
        with self.client() as other:
            other.send_message(make_mail("whole"))
        self.assertEqual([mail.subject for mail in self.server.outbox], ["whole"])

    def test_a_mail_belongs_to_the_test_in_which_it_was_begun(self) -> None:
        """A mail that is accepted after its test ended is not in the next outbox, and is known as late."""
        self.server.begin("first")
        client = self.client()
        client.ehlo()
        client.mail("a@example.com")
        client.rcpt("b@example.com")
        self.server.begin("second")
        client.data(make_mail("late").as_bytes())
        client.quit()
        self.assertEqual(self.server.outbox, [])
        self.assertEqual([(mail.subject, name) for mail, name in self.server.late()], [("late", "first")])

    def test_each_test_begins_with_an_empty_outbox(self) -> None:
        """The mails of one test are gone in the next."""
        self.server.begin("first")
        with self.client() as client:
            client.send_message(make_mail())
        self.server.begin("second")
        self.assertEqual((self.server.outbox, self.server.sessions), ([], []))

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

    def test_its_name_is_not_looked_up(self) -> None:
        """The greeting has the configured name: the machine's own could take seconds to find."""
        with socket.create_connection(self.server.address, timeout=HANG) as client:
            self.assertTrue(client.recv(1000).startswith(b"220 localhost "))

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

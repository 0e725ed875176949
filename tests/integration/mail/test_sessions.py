"""What is on record of the clients: sessions, attempts and transcripts, test by test."""

from __future__ import annotations

import smtplib
import threading
import unittest

from liveserver_testcase import SMTPServer, UsageError
from tests.integration.mail.clients import MAIL, MailTestCase
from tests.integration.mail.mailing import normalise_dialogue
from tests.support import HANG, wait_until

TRANSCRIPT = """\
S: 220 localhost ESMTP
C: EHLO laptop
S: 250-localhost
S: 250-PIPELINING
S: 250-SIZE 33554432
S: 250-8BITMIME
S: 250-ENHANCEDSTATUSCODES
S: 250-DSN
S: 250-SMTPUTF8
S: 250 HELP
C: MAIL FROM:<ann@example.com>
S: 250 2.1.0 OK
C: RCPT TO:<eve@example.com>
S: 550 5.1.1 No such user
C: RCPT TO:<bob@example.com>
S: 250 2.1.5 OK
C: DATA
S: 354 End data with <CR><LF>.<CR><LF>
C: <32 bytes>
S: 250 2.0.0 Accepted
C: NOOP
   (the script has dropped the connection)
   (the script has dropped the connection at NOOP)"""


class SessionTest(MailTestCase):
    """What one session was."""

    def setUp(self) -> None:
        super().setUp()
        self.serve()

    def test_its_transcript(self) -> None:
        """Everything that was said is there, and how it ended; of the mail its size alone."""
        self.server.reject_recipient("eve@example.com")
        self.server.drop("NOOP")
        client = self.greeted()
        for line in ("EHLO laptop", "MAIL FROM:<ann@example.com>", "RCPT TO:<eve@example.com>"):
            client.ask(line)
        client.ask("RCPT TO:<bob@example.com>")
        client.ask("DATA")
        client.ask(MAIL + b".")
        client.send(b"NOOP\r\n")
        client.rest()
        session = self.session()
        self.assertEqual(TRANSCRIPT, session.transcript)
        host, port = session.peer
        self.assertEqual(
            f"<SMTPSession 0 from {host}:{port} as 'laptop', closed: the script has dropped the connection at NOOP>",
            repr(session),
        )
        self.assertEqual((1, "laptop", None, None), (session.mails, session.ehlo, session.tls, session.auth_user))

    def test_while_it_lasts(self) -> None:
        """An open session says what it is at."""
        client = self.greeted()
        (session,) = self.server.sessions
        stages = [session.state]
        for line in ("EHLO test", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA"):
            client.ask(line)
            wait_until(lambda line=line: line != "DATA" or session.state == "in DATA")
            stages.append(session.state)
        self.assertEqual(["idle", "idle", "in a mail", "in a mail", "in DATA"], stages)
        self.assertRegex(repr(session), r"^<SMTPSession 0 from 127.0.0.1:\d+ as 'test', open, in DATA>$")
        self.assertTrue(session.is_open)

    def test_a_very_long_one(self) -> None:
        """A session that lasts for ever does not fill the memory: its last commands are kept, the others counted."""
        client = self.greeted()
        client.send(b"NOOP\r\n" * 2500 + b"QUIT\r\n")
        client.rest()
        session = self.session()
        self.assertEqual("   (502 lines before these are not kept)", session.transcript.split("\n")[0])
        self.assertEqual(2000, len(session.attempts))

    def test_what_a_mail_knows_of_it(self) -> None:
        """A mail has the facts of the moment in which it was accepted, whatever comes after."""
        client = self.greeted()
        for name in ("first", "second"):
            for line in (f"EHLO {name}", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA", "x\r\n."):
                client.ask(line)
        sessions = [mail.session for mail in self.server.outbox]
        self.assertEqual(["first", "second"], [session.ehlo for session in sessions if session is not None])


class AttemptTest(MailTestCase):
    """What clients have tried."""

    def setUp(self) -> None:
        super().setUp()
        self.serve()

    def test_a_retry(self) -> None:
        """A sender that tries again is there twice, with the replies that it got."""
        self.server.fail("RCPT", (451, "4.3.2 Try again"), times=1)
        self.assertRaises(smtplib.SMTPRecipientsRefused, self.send)
        self.send()
        first, second = self.server.attempts("RCPT")
        texts = ["-> 451 4.3.2 Try again (scripted)", "-> 250 2.1.5 OK"]
        texts = [f"RCPT TO:<bob@example.com> {text}" for text in texts]
        self.assertEqual(texts, [normalise_dialogue(str(each)) for each in (first, second)])
        self.assertEqual((451, "4.3.2 Try again", True), (first.code, first.reply, first.was_refused))
        self.assertEqual((250, "2.1.5 OK", False), (second.code, second.reply, second.was_refused))
        self.assertEqual(("ann@example.com", "bob@example.com"), (first.mail_from, first.address))
        self.assertEqual(([], ["bob@example.com"]), (first.recipients, second.recipients))
        self.assertIs(self.server.sessions[0], first.session)
        self.assertEqual(f"<SMTPAttempt {texts[1]}>", normalise_dialogue(repr(second)))

    def test_which_ones(self) -> None:
        """Attempts are found by command, by argument and by code."""
        self.server.reject_recipient("eve@example.com")
        with self.smtp() as smtp:
            smtp.sendmail("ann@example.com", ["bob@example.com", "eve@example.com"], MAIL)
        wait_until(lambda: not self.server.sessions[0].is_open)
        self.assertEqual(
            ["CONNECT", "EHLO", "MAIL", "RCPT", "RCPT", "DATA", "END_OF_DATA", "QUIT"],
            [attempt.command for attempt in self.server.attempts()],
        )
        for found in (
            self.server.attempts("rcpt", argument="EVE@example.com"),
            self.server.attempts(code=550),
            self.server.attempts(argument="TO:<eve@"),
        ):
            self.assertEqual(
                ["RCPT TO:<eve@example.com> -> 550 5.1.1 No such user (scripted)"],
                [normalise_dialogue(str(each)) for each in found],
            )

    def test_in_their_order(self) -> None:
        """Attempts of several sessions are in the order in which they came; of a misspelt command there are none."""
        one, other = self.greeted(), self.greeted()
        for client, line in ((one, "NOOP 1"), (other, "NOOP 2"), (one, "NOOP 3"), (other, "NOOP 4")):
            client.ask(line)
        self.assertEqual(["1", "2", "3", "4"], [attempt.argument for attempt in self.server.attempts("NOOP")])
        with self.assertRaisesRegex(UsageError, r"^there is no command 'RCTP': did you mean 'RCPT'\?$"):
            self.server.attempts("RCTP")

    def test_no_answer(self) -> None:
        """A command that is not answered yet, or never, says so."""
        self.server.hang("NOOP")
        client = self.greeted()
        client.send(b"NOOP\r\n")
        wait_until(lambda: self.server.faults[0].hits)
        (attempt,) = self.server.attempts("NOOP")
        wait_until(lambda: attempt.reply)
        self.assertEqual(("NOOP -> the script never answers (scripted)", None), (str(attempt), attempt.code))


class EpochTest(MailTestCase):
    """What belongs to which test."""

    def setUp(self) -> None:
        super().setUp()
        self.serve()
        self.server.begin("first")

    def test_the_next_test_begins_with_nothing(self) -> None:
        """Mails, sessions and attempts of one test are gone in the next."""
        self.send()
        wait_until(lambda: not self.server.sessions[0].is_open)
        self.server.begin("second")
        self.assertEqual(([], [], []), (self.server.outbox, self.server.sessions, self.server.attempts()))

    def test_a_connection_that_is_kept(self) -> None:
        """A connection of an earlier test belongs to those tests in which something is said on it."""
        client = self.client()
        client.begin()
        self.server.begin("second")
        self.assertEqual([], self.server.sessions)
        client.ask("RSET")
        client.ask("NOOP")
        self.assertEqual(1, len(self.server.sessions))
        self.assertEqual(["NOOP"], [attempt.command for attempt in self.server.attempts()])

    def test_a_late_mail(self) -> None:
        """A mail that arrives after its test belongs to that test, with all its commands."""
        client = self.client()
        client.begin()
        self.server.begin("second")
        client.ask("DATA")
        client.ask("x\r\n.")
        self.assertEqual(([], []), (self.server.outbox, self.server.attempts()))
        self.assertEqual(["first"], [name for _, name in self.server.late()])

    def test_a_limit_in_bytes(self) -> None:
        """No more bytes of mails are kept than the limit says; the oldest go, and the journal says so."""
        self.serve(kept_bytes_limit=250)
        for number in range(5):
            self.send(b"Subject: %d\r\n\r\n" % number + b"x" * 80 + b"\r\n")
        self.assertEqual(["3", "4"], [mail.subject for mail in self.server.outbox])
        self.assertIn("10000 entries and 250 bytes, and 3 more came", self.server.journal.dropped_message)
        self.server.begin("next")
        self.assertEqual("", self.server.journal.dropped_message)

    def test_a_reset(self) -> None:
        """A reset forgets what has come and removes the faults; the test goes on, and so do its connections."""
        client = self.client()
        client.begin()
        self.send()
        self.server.fail("DATA")
        self.server.reset()
        self.assertEqual(([], []), (self.server.outbox, self.server.faults))
        client.ask("DATA")
        client.ask("x\r\n.")
        self.assertEqual([b"x\r\n"], [mail.raw for mail in self.server.outbox])
        self.assertEqual([], self.server.late())

    def test_waiting_for_mails_on_their_way(self) -> None:
        """A mail that has been begun is waited for, until it is accepted or given up."""
        for end in (b"DATA\r\nx\r\n.\r\n", b"RSET\r\n", b"QUIT\r\n"):
            with self.subTest(end=end):
                client = self.client()
                client.begin()
                self.assertFalse(self.server.wait_until_idle(0))
                waiter = threading.Thread(target=self.server.wait_until_idle, args=(HANG,), daemon=True)
                waiter.start()
                client.send(end)
                waiter.join(HANG)
                self.assertFalse(waiter.is_alive())
                self.assertEqual([], self.server.in_flight)


class CrowdTest(MailTestCase):
    """Many at once."""

    def test_two_thousand_mails(self) -> None:
        """Twenty senders with a hundred mails each lose and double none; the order is that of their acceptance."""
        self.serve()

        def send(sender: int) -> None:
            with smtplib.SMTP(*self.server.addr, timeout=6 * HANG) as smtp:
                for number in range(100):
                    smtp.sendmail(f"{sender}@example.com", "bob@example.com", f"Subject: {number}\r\n\r\nx\r\n")

        threads = [threading.Thread(target=send, args=(sender,), daemon=True) for sender in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(6 * HANG)
        mails = self.server.outbox
        self.assertEqual(list(range(2000)), [mail.index for mail in mails])
        for sender in range(20):
            own = [mail.raw for mail in mails if mail.mail_from == f"{sender}@example.com"]
            self.assertEqual([b"Subject: %d\r\n\r\nx\r\n" % number for number in range(100)], own)

    def test_a_stop_with_two_hundred_clients(self) -> None:
        """Nobody is waited for: neither who is idle, nor who is in a mail, nor who has begun TLS or has not."""
        for tls in ("starttls", "implicit"):
            server = SMTPServer(tls=tls, stop_timeout=3600)  # type: ignore[arg-type]
            self.server = server
            server.start()
            self.addCleanup(server.stop)
            context = server.client_context()
            assert context is not None
            for number in range(50):
                silent = self.client()
                if tls == "implicit":
                    self.client(context).answer()
                    continue
                silent.answer()
                client = self.in_data()
                client.send(b"half")
                client = self.greeted("EHLO test", "STARTTLS")
                if number % 2:
                    client.secure(context, "127.0.0.1")
            stop = threading.Thread(target=server.stop, daemon=True)
            stop.start()
            stop.join(HANG)
            self.assertFalse(stop.is_alive())


class AloneTest(unittest.TestCase):
    """Outside of a test class."""

    def test_a_with_block(self) -> None:
        """A server is a context manager, which can be entered again on its port; its mails are there afterwards."""
        server = SMTPServer()
        ports = []
        for _ in range(3):
            with server as smtp, smtplib.SMTP(smtp.host, smtp.port, timeout=HANG) as client:
                client.sendmail("a@example.com", "b@example.com", MAIL)
                ports.append(smtp.port)
        self.assertEqual((False, 1, 3), (server.is_running, len(set(ports)), len(server.outbox)))

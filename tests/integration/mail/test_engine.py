"""What the mail server says to whom: the protocol, command by command, over real sockets."""

from __future__ import annotations

import contextlib
import logging
import smtplib
import socket
import struct
import threading

from liveserver_testcase import SMTPServer, UnfinishedWorkWarning
from tests.integration.mail.clients import MAIL, MailTestCase
from tests.support import HANG, wait_until

GREETING = "220 localhost ESMTP"


class DialogueTest(MailTestCase):
    """A session with a well-behaved client, and one that is not."""

    def setUp(self) -> None:
        super().setUp()
        self.serve()

    def test_a_whole_session(self) -> None:
        """Every command has its answer, letter by letter."""
        client = self.client()
        self.assertEqual(GREETING, client.answer())
        said = {
            "EHLO test": "250-localhost|250-PIPELINING|250-SIZE 33554432|250-8BITMIME|250-ENHANCEDSTATUSCODES|250-DSN"
            "|250-SMTPUTF8|250 HELP",
            "MAIL FROM:<ann@example.com>": "250 2.1.0 OK",
            "RCPT TO:<bob@example.com>": "250 2.1.5 OK",
            "DATA": "354 End data with <CR><LF>.<CR><LF>",
            "hello\r\n.": "250 2.0.0 Accepted",
            "NOOP": "250 2.0.0 OK",
            "RSET": "250 2.0.0 OK",
            "VRFY bob": "252 2.5.2 Cannot verify, but will accept mail and attempt delivery",
            "HELP": "214 2.0.0 AUTH DATA EHLO HELO HELP MAIL NOOP QUIT RCPT RSET STARTTLS VRFY",
            "HELO test": "250 localhost",
            "QUIT": "221 2.0.0 Bye",
        }
        self.assertEqual(said, {line: client.ask(line) for line in said})
        self.assertEqual(b"", client.rest())

    def test_commands_out_of_order(self) -> None:
        """A command that does not fit is refused, and says what would."""
        client = self.greeted()
        for line, answer in (
            ("MAIL FROM:<a@b>", "503 5.5.1 Send EHLO or HELO first"),
            ("EHLO", "501 5.5.4 Syntax: EHLO hostname"),
            ("HELO", "501 5.5.4 Syntax: HELO hostname"),
            ("helo test", "250 localhost"),  # in any case of letters
            ("MAIL FROM:<a@b> SIZE=1", "555 5.5.4 Unsupported parameter: SIZE=1"),
            ("RCPT TO:<a@b>", "503 5.5.1 Need MAIL before RCPT"),
            ("DATA", "503 5.5.1 Need MAIL before DATA"),
            ("mail from:<a@b>", "250 2.1.0 OK"),
            ("MAIL FROM:<a@b>", "503 5.5.1 A mail is on its way; send RSET before another MAIL"),
            ("DATA", "554 5.5.1 No valid recipients"),
            ("RCPT TO:<>", "501 5.5.4 Syntax: RCPT TO:<address>"),
            ("RCPT TO:<jürgen@b>", "553 5.6.7 The address is not in ASCII, and MAIL has no parameter SMTPUTF8"),
            ("RCPT TO:<a@b>", "250 2.1.5 OK"),
            ("DATA now", "501 5.5.4 Syntax: DATA"),
            ("HELO again", "250 localhost"),
            ("DATA", "503 5.5.1 Need MAIL before DATA"),
            ("VRFY", "501 5.5.4 Syntax: VRFY address"),
            ("STARTTLS", "502 5.5.1 STARTTLS is not offered"),
            ("AUTH PLAIN", "502 5.5.1 AUTH is not offered"),
            ("EXPN all", "500 5.5.1 Unknown command"),
            ("", "500 5.5.1 Unknown command"),
        ):
            with self.subTest(line=line):
                self.assertEqual(answer, client.ask(line))

    def test_pipelining(self) -> None:
        """Everything may be sent at once: two mails and a QUIT are answered in order."""
        client = self.client()
        mail = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n" + MAIL + b".\r\n"
        client.send(b"EHLO test\r\n" + mail + mail + b"QUIT\r\n")
        codes = [line[:3] for line in client.rest().splitlines() if line[3:4] == b" "]
        self.assertEqual([b"220", b"250", *[b"250", b"250", b"354", b"250"] * 2, b"221"], codes)
        self.assertEqual([MAIL, MAIL], [mail.raw for mail in self.server.outbox])

    def test_notifications_of_delivery(self) -> None:
        """Parameters of DSN are taken, and kept as they came."""
        with self.smtp() as smtp:
            smtp.sendmail(
                "ann@example.com",
                "bob@example.com",
                MAIL,
                ["RET=HDRS", "ENVID=QQ314159"],
                ["NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;Bob@Example.com"],
            )
        (mail,) = self.server.outbox
        self.assertEqual((f"size={len(MAIL)}", "RET=HDRS", "ENVID=QQ314159"), mail.envelope.mail_options)
        self.assertEqual(("NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;Bob@Example.com"), mail.envelope.rcpt_options)

    def test_other_alphabets(self) -> None:
        """With SMTPUTF8 addresses may have letters of any alphabet."""
        with self.smtp() as smtp:
            smtp.sendmail("jürgen@bücher.example", ["用户@例子.example"], MAIL, ["SMTPUTF8", "BODY=8BITMIME"])
        (mail,) = self.server.outbox
        self.assertEqual(("jürgen@bücher.example", ["用户@例子.example"]), (mail.mail_from, mail.recipients))

    def test_any_bytes(self) -> None:
        """A mail is kept byte for byte, without the dots that were stuffed into it; the null sender is empty."""
        raw = b"Subject: \xff\r\n\r\n\0\x01\x80\xff bare \r carriage \n return\r\n"
        client = self.in_data()
        self.assertEqual("250 2.0.0 Accepted", client.ask(raw + b"."))
        dots = b"Subject: dots\r\n\r\n.\r\n..\r\n...three\r\nend.\r\n"
        self.send(dots, sender="")
        self.assertEqual([raw, dots], [mail.raw for mail in self.server.outbox])
        self.assertEqual("", self.server.outbox[1].mail_from)

    def test_a_thousand_recipients(self) -> None:
        """There may be as many recipients as the sender likes."""
        recipients = [f"user{number}@example.com" for number in range(1000)]
        with self.smtp() as smtp:
            smtp.sendmail("ann@example.com", recipients, MAIL)
        self.assertEqual(recipients, self.server.outbox[0].recipients)

    def test_some_recipients(self) -> None:
        """The recipients that were not refused get the mail, and are those that it has."""
        self.server.reject_recipient("eve@example.com")
        with self.smtp() as smtp:
            refused = smtp.sendmail("ann@example.com", ["bob@example.com", "eve@example.com"], MAIL)
        self.assertEqual({"eve@example.com": (550, b"5.1.1 No such user")}, refused)
        mail = self.server.outbox[0]
        self.assertEqual((["bob@example.com"], ("eve@example.com",)), (mail.recipients, mail.envelope.refused))
        self.server.fail("RCPT", 451, times=1)  # who is refused first, and taken then, is a recipient
        client = self.greeted()
        lines = ("EHLO a", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "RCPT TO:<c@d>", "DATA", "x\r\n.")
        self.assertEqual([250, 250, 451, 250, 354, 250], [client.code(line) for line in lines])
        mail = self.server.outbox[1]
        self.assertEqual((["c@d"], ()), (mail.recipients, mail.envelope.refused))

    def test_its_name_is_not_looked_up(self) -> None:
        """The server's name is the one in its settings."""
        self.serve(hostname="mail.example.com")
        client = self.client()
        self.assertEqual("220 mail.example.com ESMTP", client.answer())
        self.assertTrue(client.ask("EHLO test").startswith("250-mail.example.com|"))

    def test_a_mail_whose_sender_does_not_wait(self) -> None:
        """A client that sends the last line and leaves has sent its mail."""
        client = self.in_data()
        client.send(MAIL + b".\r\n")
        client.close()
        self.assertEqual([MAIL], [mail.raw for mail in wait_until(lambda: self.server.outbox)])


class LimitTest(MailTestCase):
    """Too much is refused, and the next command is served."""

    def test_commands(self) -> None:
        """A line that is too long, or is no line, is refused, kept on no record, and the next command is served."""
        self.serve()
        too_long = "500 5.5.2 The line is too long: more than 4096 octets"
        control = "500 5.5.2 There are control characters in the command"
        client = self.greeted()
        for sent, reply in (
            (b"x" * 10_000_000 + b"\r\n", too_long),
            (b"HELO " + b"x" * (4096 - 7) + b"\r\n", "250 localhost"),
            (b"HELO " + b"x" * (4097 - 7) + b"\r\n", too_long),
            (b"NOOP\n", "500 5.5.2 A line ends with a bare line feed; wanted carriage return and line feed"),
            (b"NOOP \x1b[2J\r\n", control),
            (b"NOOP \0\r\n", control),
        ):
            with self.subTest(sent=sent[:20]):
                client.send(sent)
                self.assertEqual([reply, "250 2.0.0 OK"], [client.answer(), client.ask("NOOP")])
        client.ask("QUIT")
        self.assertTrue(self.session().transcript.replace("\n", "").isprintable())

    def test_a_long_line_in_a_mail(self) -> None:
        """A line of more than 998 octets is refused after the mail, with its number and its length."""
        self.serve()
        self.send(b"Subject: x\r\n\r\n" + b"x" * 998 + b"\r\n")
        with self.assertRaises(smtplib.SMTPDataError) as caught:
            self.send(b"Subject: x\r\n\r\n" + b"x" * 1200 + b"\r\n")
        self.assertEqual(
            (500, b"5.6.0 Line 3 of the mail is too long: 1200 octets, the limit is 998"), caught.exception.args
        )
        self.assertEqual(1, len(self.server.outbox))

    def test_sizes(self) -> None:
        """A mail that is too big is refused at MAIL if its size is announced, or else when it has come."""
        self.serve(size_limit=1000)
        too_big = "5.3.4 The mail is too big: the limit is 1000 bytes"
        with self.assertRaises(smtplib.SMTPSenderRefused) as caught:
            self.send(b"x" * 1001)
        self.assertEqual((552, too_big.encode()), caught.exception.args[:2])
        client = self.in_data()
        self.assertEqual(f"552 {too_big}", client.ask((b"x" * 98 + b"\r\n") * 600_000 + b"."))
        lines = ("MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA", "x\r\n.")
        self.assertEqual([250, 250, 354, 250], [client.code(line) for line in lines])
        self.assertEqual([b"x\r\n"], [mail.raw for mail in self.server.outbox])

    def test_no_limits(self) -> None:
        """Limits for lines and sizes can be others, or none; then there is none to announce."""
        self.serve(line_limit=None, size_limit=None)
        self.send(b"Subject: x\r\n\r\n" + b"x" * 10_000_000 + b"\r\n")
        self.assertEqual(1, len(self.server.outbox))
        with self.smtp() as smtp:
            smtp.ehlo()
            self.assertEqual("", smtp.esmtp_features["size"])

    def test_without_other_alphabets(self) -> None:
        """A server without SMTPUTF8 does not offer it, and takes no such address."""
        self.serve(utf8=False)
        client = self.greeted()
        self.assertNotIn("SMTPUTF8", client.ask("EHLO test"))
        self.assertEqual("555 5.5.4 Unsupported parameter: SMTPUTF8", client.ask("MAIL FROM:<a@b> SMTPUTF8"))
        refused = "553 5.6.7 The command is not in ASCII, and SMTPUTF8 is not offered"
        self.assertEqual(refused, client.ask("MAIL FROM:<é@b>"))


ENDS = (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\r\n\0.\r\n")


class SmugglingTest(MailTestCase):
    """Nobody can be made to see a mail where there is none."""

    def test_other_ends_of_a_mail(self) -> None:
        """Whatever looks like an end of the mail without being one is part of it: there is one mail."""
        for end in ENDS:
            with self.subTest(end=end):
                self.serve()
                client = self.in_data()
                hidden = b"MAIL FROM:<evil@b>\r\nRCPT TO:<victim@d>\r\nDATA\r\nevil"
                self.assertEqual("250 2.0.0 Accepted", client.ask(b"first" + end + hidden + b"\r\n."))
                self.assertEqual(["ann@example.com"], [mail.mail_from for mail in self.server.outbox])
                self.assertEqual(250, client.code("NOOP"))

    def test_a_browser(self) -> None:
        """A request of HTTP ends the session: a mail hidden in its body is none."""
        self.serve()
        dialogue = b"EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx\r\n.\r\n"
        for verb in (b"POST", b"GET", b"PUT", b"OPTIONS", b"CONNECT", b"get"):
            with self.subTest(verb=verb):
                client = self.client()
                client.send(verb + b" / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 70\r\n\r\n" + dialogue)
                ended = b"221 2.7.0 This is a mail server; it does not speak HTTP\r\n"
                self.assertEqual(b"220 localhost ESMTP\r\n" + ended, client.rest())
        self.assertEqual([], self.server.outbox)
        self.assertEqual("the client spoke HTTP", self.server.sessions[0].close_reason)


class DepartureTest(MailTestCase):
    """Clients that leave where they should not."""

    def test_in_the_middle_of_a_mail(self) -> None:
        """Half a mail is none, and what happened is on record; also after a reset."""
        for with_reset in (False, True):
            with self.subTest(with_reset=with_reset):
                self.serve()
                client = self.in_data()
                client.send(b"half")
                if with_reset:
                    wait_until(lambda: self.server.sessions[0].state == "in DATA")
                    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.close()
                session = self.session()
                self.assertEqual("the client has left in DATA", session.close_reason)
                lost = "END_OF_DATA 4 bytes -> the client has left before the end of the mail"
                if not with_reset:  # which may overtake the bytes
                    self.assertEqual(lost, str(session.attempts[-1]))
                self.assertEqual([], self.server.outbox)
                self.send()
                self.assertEqual(1, len(self.server.outbox))

    def test_with_its_replies_unread(self) -> None:
        """A client that reads no reply, and is gone at last, leaves nothing behind."""
        self.serve()
        client = self.client()
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # soon full
        client.sock.setblocking(False)

        unsent = bytearray(b"EHLO test\r\n" * 8000)

        def is_stuck() -> bool:
            with contextlib.suppress(BlockingIOError):
                del unsent[: client.sock.send(unsent)]
            return any(protocol.connection.unsent > 65_536 for protocol in self.server._engine.protocols)

        wait_until(is_stuck)
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        self.assertIn("the client has left", self.session().close_reason)
        self.server.stop()

    def test_between_commands(self) -> None:
        """A client that just leaves does no harm, and one that leaves before its password has not logged in."""
        for lines in ((), ("EHLO test", "AUTH LOGIN")):
            self.serve(users={"ann": "secret"})
            self.greeted(*lines).close()
            session = self.session()
            self.assertEqual(("the client has left without a QUIT", None), (session.close_reason, session.auth_user))


class OwnFunctionTest(MailTestCase):
    """What goes wrong in the test's own functions."""

    def test_an_exception(self) -> None:
        """The client gets a 451, the session goes on, and the exception is for the test to know."""
        self.serve()
        for error in (ValueError("boom"), SystemExit(3), KeyboardInterrupt()):
            with self.subTest(error=error):

                def fail(_: object, error: BaseException = error) -> bool:
                    raise error

                with self.server.fail("RCPT", when=fail):
                    client = self.client()
                    for line in ("EHLO a", "MAIL FROM:<a@b>"):
                        client.ask(line)
                    client.answer()
                    self.assertEqual("451 4.3.0 The test's own function has failed", client.ask("RCPT TO:<c@d>"))
                    self.assertEqual([error], self.server.take_errors())
                self.assertEqual("250 2.1.5 OK", client.ask("RCPT TO:<c@d>"))

    def test_one_that_does_not_end(self) -> None:
        """A stop gives it its grace, cuts it off then, and says with which mail it was busy."""
        freed = threading.Event()
        self.addCleanup(freed.set)
        server = self.serve(stop_timeout=0.05)
        server.reject_message(when=lambda mail: freed.wait(6 * HANG))
        client = self.in_data()
        client.send(MAIL + b".\r\n")
        wait_until(lambda: server.attempts("END_OF_DATA"))
        with self.assertWarnsRegex(UnfinishedWorkWarning, "cut off a mail from 'ann@example.com' from 127.0.0.1:"):
            server.stop()
        freed.set()
        self.assertEqual("the server has stopped", self.session().close_reason)

    def test_nobody_asks(self) -> None:
        """An exception that nobody has taken note of is raised by the stop."""
        server = SMTPServer()
        server.start()
        self.addCleanup(server.stop)
        self.server = server
        server.reject_message(when=lambda mail: mail.no_such_thing)
        with self.assertRaises(smtplib.SMTPDataError):
            self.send()
        with self.assertRaisesRegex(
            Exception, "AttributeError: 'ReceivedEmail' object has no attribute 'no_such_thing'"
        ):
            server.stop()


class AloneTest(MailTestCase):
    """The server outside of a test class."""

    def test_two_servers_do_not_disturb_each_other(self) -> None:
        """Two servers keep their own mails, also when their sessions overlap."""
        first, second = self.serve(), self.serve()
        with smtplib.SMTP(*first.addr, timeout=HANG) as one, smtplib.SMTP(*second.addr, timeout=HANG) as other:
            one.ehlo()
            other.sendmail("b@example.com", "c@example.com", MAIL)
            one.sendmail("a@example.com", "c@example.com", MAIL)
            senders = [[mail.mail_from for mail in server.outbox] for server in (first, second)]
            self.assertEqual([["a@example.com"], ["b@example.com"]], senders)

    def test_nothing_is_logged(self) -> None:
        """What aiosmtpd logs is not seen by a test that looks at its own logs."""
        self.serve()
        with self.assertLogs(level="INFO") as logs:
            logging.getLogger(f"{__name__}.own").info("sending")
            with self.smtp() as smtp:
                smtp.ehlo()
                smtp.docmd("NONSENSE")
                smtp.sendmail("a@example.com", "b@example.com", MAIL)
        self.assertEqual([f"INFO:{__name__}.own:sending"], logs.output)

    def test_a_misspelt_attribute(self) -> None:
        """An attribute that the server does not have is refused, with the nearest name."""
        with self.assertRaisesRegex(AttributeError, "'stop_timeot': SMTPServer has .*: did you mean 'stop_timeout'"):
            self.serve().stop_timeot = 1  # type: ignore[attr-defined]

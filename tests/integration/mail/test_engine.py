"""What the mail server says to whom: the protocol, command by command, over real sockets."""

from __future__ import annotations

import contextlib
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
            ("HELO test", "250 localhost"),
            ("MAIL FROM:<a@b> SIZE=1", "555 5.5.4 Unsupported parameter: SIZE=1"),
            ("RCPT TO:<a@b>", "503 5.5.1 Need MAIL before RCPT"),
            ("DATA", "503 5.5.1 Need MAIL before DATA"),
            ("MAIL FROM:<a@b>", "250 2.1.0 OK"),
            ("MAIL FROM:<a@b>", "503 5.5.1 A mail is on its way; send RSET before another MAIL"),
            ("DATA", "554 5.5.1 No valid recipients"),
            ("RCPT TO:<>", "501 5.5.4 Syntax: RCPT TO:<address>"),
            ("RCPT TO:<jürgen@b>", "553 5.6.7 The address is not in ASCII, and MAIL has no parameter SMTPUTF8"),
            ("RCPT TO:<a@b>", "250 2.1.5 OK"),
            ("DATA now", "501 5.5.4 Syntax: DATA"),
            ("EHLO again", None),
            ("DATA", "503 5.5.1 Need MAIL before DATA"),
            ("VRFY", "501 5.5.4 Syntax: VRFY address"),
            ("STARTTLS", "502 5.5.1 STARTTLS is not offered"),
            ("AUTH PLAIN", "502 5.5.1 AUTH is not offered"),
            ("EXPN all", "500 5.5.1 Unknown command"),
            ("", "500 5.5.1 Unknown command"),
        ):
            with self.subTest(line=line):
                found = client.ask(line)
                if answer is not None:
                    self.assertEqual(answer, found)

    def test_commands_in_any_case(self) -> None:
        """Commands and their words are the same in small letters."""
        client = self.greeted()
        lines = ("ehlo test", "mail from:<a@b>", "rcpt to:<c@d>", "data", "x\r\n.", "quit")
        self.assertEqual([250, 250, 250, 354, 250, 221], [client.code(line) for line in lines])

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

    def test_eight_bits(self) -> None:
        """Bytes of any value are kept as they are: null bytes and bare carriage returns too."""
        raw = b"Subject: \xff\r\n\r\n\0\x01\x80\xff bare \r carriage \n return\r\n"
        client = self.client()
        client.begin()
        client.ask("DATA")
        self.assertEqual("250 2.0.0 Accepted", client.ask(raw + b"."))
        self.assertEqual(raw, self.server.outbox[0].raw)

    def test_the_null_sender(self) -> None:
        """A bounce comes from nobody: ``<>`` is an empty address."""
        self.send(sender="")
        self.assertEqual("", self.server.outbox[0].mail_from)

    def test_nothing_is_added(self) -> None:
        """A mail is kept byte for byte, without the dots that were stuffed into it."""
        raw = b"Subject: dots\r\n\r\n.\r\n..\r\n...three\r\nend.\r\n"
        self.send(raw)
        self.assertEqual(raw, self.server.outbox[0].raw)

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

    def test_a_recipient_that_is_taken_later(self) -> None:
        """Who was refused first, and taken then, is a recipient like any other."""
        self.server.fail("RCPT", 451, times=1)
        client = self.greeted()
        lines = ("EHLO a", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "RCPT TO:<c@d>", "DATA", "x\r\n.")
        self.assertEqual([250, 250, 451, 250, 354, 250], [client.code(line) for line in lines])
        mail = self.server.outbox[0]
        self.assertEqual((["c@d"], ()), (mail.recipients, mail.envelope.refused))

    def test_its_name_is_not_looked_up(self) -> None:
        """The server's name is what it was told."""
        self.serve(hostname="mail.example.com")
        client = self.client()
        self.assertEqual("220 mail.example.com ESMTP", client.answer())
        self.assertTrue(client.ask("EHLO test").startswith("250-mail.example.com|"))

    def test_a_mail_whose_sender_does_not_wait(self) -> None:
        """A client that sends the last line and leaves has sent its mail."""
        client = self.client()
        client.begin()
        client.ask("DATA")
        client.send(MAIL + b".\r\n")
        client.close()
        self.assertEqual([MAIL], [mail.raw for mail in wait_until(lambda: self.server.outbox)])


class LimitTest(MailTestCase):
    """Too much is refused, and the next command is served."""

    def test_a_long_command(self) -> None:
        """Ten megabytes without a line's end are one long line: they are not kept, and then answered."""
        self.serve()
        client = self.greeted()
        client.send(b"x" * 10_000_000 + b"\r\n")
        self.assertEqual("500 5.5.2 The line is too long: more than 4096 octets", client.answer())
        self.assertEqual(250, client.code("NOOP"))

    def test_the_longest_command(self) -> None:
        """A command of 4096 octets is served, one of an octet more is refused."""
        self.serve()
        client = self.greeted()
        self.assertEqual("250 localhost", client.ask(b"HELO " + b"x" * (4096 - 7)))
        self.assertEqual(
            "500 5.5.2 The line is too long: more than 4096 octets", client.ask(b"HELO " + b"x" * (4097 - 7))
        )
        self.assertEqual("250 2.0.0 OK", client.ask("NOOP"))

    def test_a_bare_line_feed(self) -> None:
        """A command that ends with a line feed alone is answered, not waited for."""
        self.serve()
        client = self.greeted()
        client.send(b"NOOP\n")
        self.assertEqual(
            "500 5.5.2 A line ends with a bare line feed; wanted carriage return and line feed", client.answer()
        )

    def test_control_characters(self) -> None:
        """No control character of a command comes into any record."""
        self.serve()
        client = self.greeted()
        self.assertEqual("500 5.5.2 There are control characters in the command", client.ask(b"NOOP \x1b[2J"))
        self.assertEqual("500 5.5.2 There are control characters in the command", client.ask(b"NOOP \0"))
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

    def test_no_limit_for_lines(self) -> None:
        """The limit for lines can be another, or none."""
        self.serve(line_limit=None)
        self.send(b"Subject: x\r\n\r\n" + b"x" * 10_000_000 + b"\r\n")
        self.assertEqual(1, len(self.server.outbox))

    def test_an_announced_size(self) -> None:
        """A mail that is announced as too big is refused at MAIL."""
        self.serve(size_limit=1000)
        with self.assertRaises(smtplib.SMTPSenderRefused) as caught:
            self.send(b"x" * 1001)
        self.assertEqual((552, b"5.3.4 The mail is too big: the limit is 1000 bytes"), caught.exception.args[:2])

    def test_a_size_that_was_not_announced(self) -> None:
        """A mail that turns out too big is refused when it has come, and the next one is taken."""
        self.serve(size_limit=1000)
        client = self.client()
        client.begin()
        client.ask("DATA")
        self.assertEqual(
            "552 5.3.4 The mail is too big: the limit is 1000 bytes", client.ask((b"x" * 98 + b"\r\n") * 600_000 + b".")
        )
        for line in ("MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA", "x\r\n."):
            self.assertIn(client.code(line), (250, 354))
        self.assertEqual([b"x\r\n"], [mail.raw for mail in self.server.outbox])

    def test_no_limit_for_sizes(self) -> None:
        """Without a limit there is none to announce."""
        self.serve(size_limit=None)
        with self.smtp() as smtp:
            smtp.ehlo()
            self.assertEqual("", smtp.esmtp_features["size"])

    def test_without_other_alphabets(self) -> None:
        """A server without SMTPUTF8 does not offer it, and takes no such address."""
        self.serve(utf8=False)
        client = self.greeted()
        self.assertNotIn("SMTPUTF8", client.ask("EHLO test"))
        self.assertEqual("555 5.5.4 Unsupported parameter: SMTPUTF8", client.ask("MAIL FROM:<a@b> SMTPUTF8"))
        self.assertEqual(
            "553 5.6.7 The command is not in ASCII, and SMTPUTF8 is not offered", client.ask("MAIL FROM:<é@b>")
        )


ENDS = (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\r\n\0.\r\n")


class SmugglingTest(MailTestCase):
    """Nobody can be made to see a mail where there is none."""

    def test_the_ends_mean_something(self) -> None:
        """A careless reader takes each of them for the end of a mail: what follows shows something."""
        for end in ENDS:
            self.assertRegex(b"first" + end + b"MAIL", rb"[\r\n]\0?\.[\r\n]")

    def test_other_ends_of_a_mail(self) -> None:
        """Whatever looks like an end of the mail without being one is part of it: there is one mail."""
        for end in ENDS:
            with self.subTest(end=end):
                self.serve()
                client = self.client()
                client.begin()
                client.ask("DATA")
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
                said = client.rest()
                self.assertEqual(
                    b"220 localhost ESMTP\r\n221 2.7.0 This is a mail server; it does not speak HTTP\r\n", said
                )
        self.assertEqual([], self.server.outbox)
        self.assertEqual("the client spoke HTTP", self.server.sessions[0].close_reason)


class DepartureTest(MailTestCase):
    """Clients that leave where they should not."""

    def test_in_the_middle_of_a_mail(self) -> None:
        """Half a mail is none, and what happened is on record."""
        self.serve()
        client = self.client()
        client.begin()
        client.ask("DATA")
        client.send(b"half")
        client.close()
        session = self.session()
        self.assertEqual("the client has left in DATA", session.close_reason)
        self.assertEqual(
            "END_OF_DATA 4 bytes -> the client has left before the end of the mail", str(session.attempts[-1])
        )
        self.assertEqual([], self.server.outbox)
        self.send()
        self.assertEqual(1, len(self.server.outbox))

    def test_with_a_reset(self) -> None:
        """A connection that is reset is a client that left."""
        self.serve()
        client = self.client()
        client.begin()
        client.ask("DATA")
        client.send(b"half")
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        client.close()
        self.assertEqual("the client has left in DATA", self.session().close_reason)

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

    def test_while_it_logs_in(self) -> None:
        """A client that leaves before its password has not logged in."""
        self.serve(users={"ann": "secret"})
        client = self.greeted("EHLO test", "AUTH LOGIN")
        client.close()
        session = self.session()
        self.assertEqual(("the client has left without a QUIT", None), (session.close_reason, session.auth_user))

    def test_between_commands(self) -> None:
        """A client that just leaves is not held against anybody."""
        self.serve()
        client = self.greeted()
        client.close()
        self.assertEqual("the client has left without a QUIT", self.session().close_reason)


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
        client = self.client()
        client.begin()
        client.ask("DATA")
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

"""The mail server misbehaves exactly as it is told to, to real clients."""

from __future__ import annotations

import importlib.util
import re
import smtplib
import threading
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any

from liveserver_testcase import ServerNotStarted, SMTPServer, UsageError
from liveserver_testcase.mail.faults import SMTPFault
from tests.integration.mail.clients import MAIL, MailTestCase
from tests.integration.mail.faults import USERS, ask_aiosmtplib, ask_smtplib
from tests.support import HANG, wait_until

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "mail-faults.rst"
ROW = re.compile(
    r"   \* - ``(?P<script>.+)``\n     - (?P<smtplib>.+)\n     - (?P<aiosmtplib>.+)\n     - (?P<kept>\d)\n"
)


# What a client does where it would not meet the fault by sending a mail alone: it encrypts, logs in, or gives up soon.
NEEDS = {
    'smtp.offer(without=["STARTTLS"])': "starttls",
    'smtp.fail("STARTTLS", 454)': "starttls",
    'SMTPServer(tls="starttls", certificate="expired")': "starttls",
    'SMTPServer(tls="starttls", certificate="untrusted")': "starttls",
    "smtp.reject_auth()": "login",
    'smtp.offer(without=["AUTH"])': "login",
    'smtp.hang("CONNECT")': "a short timeout",
    'smtp.hang("END_OF_DATA")': "a short timeout",
    'smtp.delay("END_OF_DATA", 60)': "a short timeout",
    "smtp.throttle(20)": "a short timeout",
}


class TableTest(MailTestCase):
    """What the documentation says that clients make of each fault."""

    def serve_row(self, script: str) -> None:
        """Run the very text of the page: what is copied from there works."""
        if script.startswith("SMTPServer("):
            self.server = eval(script, {"SMTPServer": SMTPServer})
            self.server.start()
            self.addCleanup(self.server.stop)
        else:
            self.serve(users=USERS, tls="starttls")
            eval(script, {"smtp": self.server})

    def check(self, column: str, ask: Any) -> None:
        rows = list(ROW.finditer(PAGE.read_text(encoding="utf-8")))
        self.assertGreater(len(rows), 30)
        self.assertLessEqual(set(NEEDS), {row["script"] for row in rows})
        for row in rows:
            with self.subTest(fault=row["script"]):
                self.serve_row(row["script"])
                self.assertEqual(row[column], ask(self.server, NEEDS.get(row["script"], "")))
                self.assertEqual(int(row["kept"]), len(self.server.outbox))
                self.assertEqual([], self.server.unused_faults())
                self.server.stop()

    def test_smtplib(self) -> None:
        """Each row holds for smtplib."""
        self.check("smtplib", ask_smtplib)

    @unittest.skipUnless(importlib.util.find_spec("aiosmtplib"), "aiosmtplib is not installed")
    def test_aiosmtplib(self) -> None:
        """Each row holds for aiosmtplib."""
        self.check("aiosmtplib", ask_aiosmtplib)


class ScriptTest(MailTestCase):
    """Which fault happens, to whom, and how often."""

    def setUp(self) -> None:
        super().setUp()
        self.serve()

    def codes(self, *recipients: str) -> list[int]:
        """The answers to RCPT for these, of one mail."""
        client = self.greeted("EHLO test", "MAIL FROM:<ann@example.com>")
        found = [client.code(f"RCPT TO:<{recipient}>") for recipient in recipients]
        client.ask("QUIT")
        return found

    def test_how_often(self) -> None:
        """``times`` counts the occasions that are hit, after those that ``after`` lets pass; the next fault follows."""
        fault = self.server.fail("RCPT", 451, times=2, after=1)
        self.server.fail("RCPT", 452, times=1, after=2)
        self.assertEqual([250, 451, 451, 250, 452, 250], self.codes(*["bob@example.com"] * 6))
        self.assertEqual(2, fault.hits)

    def test_who_is_meant(self) -> None:
        """An address in letters of any size, a glob, a pattern, and a function of the attempt."""
        conditions: list[Any] = [
            "EVE@example.COM",
            "e?e@*",
            re.compile("^eve@"),
            lambda attempt: attempt.address == "eve@example.com" and attempt.mail_from == "ann@example.com",
        ]
        for who in conditions:
            with self.subTest(who=who), self.server.reject_recipient(who):
                self.assertEqual([250, 550, 250], self.codes("bob@example.com", "eve@example.com", "eva@example.com"))

    def test_what_is_meant(self) -> None:
        """Other commands are compared by what follows them, ``END_OF_DATA`` by its sender or a function of the mail."""
        with self.server.fail("VRFY", 550, when="root*"):
            client = self.greeted()
            self.assertEqual([550, 252], [client.code("VRFY root"), client.code("VRFY bob")])
        with self.server.reject_message(when=lambda mail: "secret" in mail.subject):
            self.send()
            with self.assertRaises(smtplib.SMTPDataError):
                self.send(b"Subject: top secret\r\n\r\nx\r\n")
        with self.server.reject_message(when=lambda mail: mail["Subject"] == "hello"):
            with self.assertRaises(smtplib.SMTPDataError):
                self.send()
        with self.server.reject_message(when="ann@*"), self.assertRaises(smtplib.SMTPDataError):
            self.send()
        self.assertEqual(["hello"], [mail.subject for mail in self.server.outbox])

    def test_a_with_block(self) -> None:
        """A fault ends with its block; ending it again does nothing."""
        with self.server.fail("RCPT") as fault:
            self.assertEqual([550], self.codes("bob@example.com"))
        fault.remove()
        self.assertEqual([250], self.codes("bob@example.com"))
        self.assertEqual((1, [], False), (fault.hits, self.server.faults, fault.is_active))

    def test_it_ends_with_its_test(self) -> None:
        """The next test finds a server that behaves."""
        self.server.fail("RCPT")
        self.server.begin("the next test")
        self.assertEqual([250], self.codes("bob@example.com"))

    def test_faults_that_never_happened(self) -> None:
        """A fault without a hit is told of."""
        used, unused = self.server.fail("RCPT"), self.server.fail("AUTH")
        self.codes("bob@example.com")
        self.assertEqual([unused], self.server.unused_faults())
        self.assertEqual([used, unused], self.server.faults)

    def test_greylisting(self) -> None:
        """Every pair of sender and recipient is refused so often, and taken then."""
        fault = self.server.greylist(times=2)
        self.assertEqual(
            [451, 451, 451, 250, 451, 250],
            self.codes(*[f"{name}@example.com" for name in ("bob", "eve", "bob", "bob", "EVE", "eve")]),
        )
        self.assertEqual(4, fault.hits)

    def test_a_refusal_of_service(self) -> None:
        """After a 421 the connection is over, at whatever command."""
        client = self.greeted()
        self.server.shut_down_reply(times=1)
        self.assertEqual("421 4.3.2 Server shutting down", client.ask("NOOP"))
        self.assertEqual(b"", client.rest())
        self.assertEqual("the server has ended it with 421", self.session().close_reason)
        self.send()

    def test_an_unwelcoming_greeting(self) -> None:
        """After a greeting that refuses there is nothing but QUIT."""
        self.server.fail("CONNECT", (554, "5.3.2 No service"))
        client = self.client()
        answers = [client.answer(), client.ask("EHLO test"), client.ask("QUIT")]
        self.assertEqual(
            ["554 5.3.2 No service", "503 5.5.1 There is no service, as the greeting said", "221 2.0.0 Bye"], answers
        )

    def test_an_end_after_the_answer(self) -> None:
        """A command can take effect and be answered before the connection ends."""
        self.server.drop("END_OF_DATA", after_reply=True)
        client = self.in_data()
        self.assertEqual("250 2.0.0 Accepted", client.ask("x\r\n."))
        self.assertEqual(b"", client.rest())
        self.assertEqual(1, len(self.server.outbox))
        self.assertEqual("the script has dropped the connection at END_OF_DATA", self.session().close_reason)

    def test_a_reset(self) -> None:
        """An end can be a reset, as of a network that fails."""
        self.server.drop("MAIL", reset=True)
        client = self.greeted("EHLO test")
        client.send(b"MAIL FROM:<a@b>\r\n")
        with self.assertRaises(ConnectionResetError):
            client.file.readline()

    def test_in_the_middle_of_a_mail(self) -> None:
        """The connection ends after exactly so many bytes; a shorter mail comes through."""
        fault = self.server.drop("END_OF_DATA", after_bytes=100)
        self.send()
        self.assertEqual(0, fault.hits)
        with self.assertRaises((smtplib.SMTPServerDisconnected, ConnectionError)):
            self.send(b"x" * 98 + b"\r\n" + MAIL)
        attempt = self.server.attempts("END_OF_DATA")[-1]
        self.assertEqual(
            "END_OF_DATA 100 bytes -> the script has dropped the connection after 100 bytes (scripted)", str(attempt)
        )
        self.assertEqual((1, 1), (fault.hits, len(self.server.outbox)))

    def test_an_answer_that_is_lost(self) -> None:
        """A mail can be kept although its sender never hears so: a careful one sends it twice."""
        self.server.drop("END_OF_DATA", record=True, times=1)
        with self.assertRaises(smtplib.SMTPServerDisconnected):
            self.send()
        self.send()
        self.assertEqual(2, len(self.server.outbox))

    def test_offers(self) -> None:
        """What is offered can be more, or less: and what is not offered is not granted."""
        self.server.offer(["LIMITS RCPTMAX=10"], without=["8bitmime", "DSN", "SIZE"])
        client = self.greeted()
        self.assertEqual(
            "250-localhost|250-PIPELINING|250-ENHANCEDSTATUSCODES|250-SMTPUTF8|250-HELP|250 LIMITS RCPTMAX=10",
            client.ask("EHLO test"),
        )
        self.assertEqual("555 5.5.4 Unsupported parameter: BODY=8BITMIME", client.ask("MAIL FROM:<a@b> BODY=8BITMIME"))

    def test_limits(self) -> None:
        """A limit for sizes is announced."""
        self.server.limit_size(1000)
        with self.smtp() as smtp:
            smtp.ehlo()
            self.assertEqual("1000", smtp.esmtp_features["size"])

    def test_a_slow_server(self) -> None:
        """A throttle slows reading down, and the mail comes all the same."""
        fault = self.server.throttle(20_000)
        self.send(b"x" * 98 + b"\r\n")
        self.assertGreater(fault.hits, 0)
        self.assertEqual(100, len(self.server.outbox[0].raw))


class WaitTest(MailTestCase):
    """Clients that are kept waiting."""

    def setUp(self) -> None:
        super().setUp()
        self.serve()

    def kept_waiting(self) -> Any:
        """A client whose NOOP is not answered."""
        client = self.greeted()
        client.send(b"NOOP\r\n")
        wait_until(lambda: self.server.faults[0].hits)
        return client

    def test_a_delay(self) -> None:
        """Delays add up, and the command is answered then."""
        faults = [self.server.delay("NOOP", 0.01), self.server.delay("NOOP", 0.01)]
        client = self.greeted()
        self.assertEqual("250 2.0.0 OK", client.ask("NOOP"))
        self.assertEqual([1, 1], [fault.hits for fault in faults])

    def assert_stops(self) -> None:
        """A stop ends in a moment, whatever its grace is."""
        stop = threading.Thread(target=self.server.stop, daemon=True)
        stop.start()
        stop.join(HANG)
        self.assertFalse(stop.is_alive())

    def test_a_client_that_gives_up(self) -> None:
        """A client that leaves while it is kept waiting is noticed, its command has no effect, and no stop waits."""
        for place in ("END_OF_DATA", "CONNECT"):
            for kind in ("delay", "hang"):
                self.serve(stop_timeout=3600, tls="starttls")
                self.server.hang(place) if kind == "hang" else self.server.delay(place, 3600)
                client = self.client()
                if place == "END_OF_DATA":
                    client.begin()
                    client.ask("DATA")
                    client.send(MAIL + b".\r\n")
                wait_until(lambda: self.server.faults[0].hits)
                client.close()
                self.assertEqual("the client has left while it was kept waiting", self.session().close_reason)
                self.assertEqual([], self.server.outbox)
                self.assert_stops()

    def test_the_end_of_a_hang(self) -> None:
        """Who is kept waiting for ever is cut off when the fault ends, or the test."""
        ends: list[Callable[[SMTPFault], object]] = [SMTPFault.remove, lambda _: self.server.begin("next")]
        for end in ends:
            fault = self.server.hang("NOOP")
            client = self.kept_waiting()
            end(fault)
            self.assertEqual(b"", client.rest())

    def test_a_stop(self) -> None:
        """A stop waits for nobody who is kept waiting."""
        for put in (lambda: self.server.delay("NOOP", 3600), lambda: self.server.hang("NOOP")):
            self.serve(stop_timeout=3600)
            put()
            client = self.kept_waiting()
            self.assert_stops()
            self.assertEqual(b"", client.rest())

    def test_who_is_in_flight(self) -> None:
        """A mail that is kept waiting for ever is not waited for; one that is delayed is."""
        self.server.hang("END_OF_DATA")
        client = self.client()
        client.begin()
        self.assertEqual(1, len(self.server.in_flight))
        client.ask("DATA")
        client.send(b"x\r\n.\r\n")
        wait_until(lambda: self.server.faults[0].hits)
        self.assertTrue(self.server.wait_until_idle(10))


class ClosedTest(MailTestCase):
    """Nobody listens."""

    def test_connections_are_refused(self) -> None:
        """New clients find nobody, open connections stay, and with the fault it is over."""
        self.serve()
        client = self.greeted()
        with self.server.refuse_connections() as fault:
            with self.assertRaises(ConnectionRefusedError):
                self.smtp()
            self.assertEqual("250 2.0.0 OK", client.ask("NOOP"))
            with self.server.refuse_connections():
                pass
            with self.assertRaises(ConnectionRefusedError):
                self.smtp()
        self.send()
        self.assertEqual(("<SMTPFault refuses connections, 1 hit, removed>", []), (repr(fault), self.server.faults))

    def test_it_ends_with_its_test(self) -> None:
        """The next test finds somebody there."""
        self.serve(host="localhost")
        self.server.refuse_connections()
        self.server.begin("next")
        self.send()

    def test_a_stop_and_a_start(self) -> None:
        """A server that was stopped so listens when it is started again, on its port."""
        self.serve()
        port = self.server.port
        self.server.refuse_connections()
        self.server.stop()
        with self.assertRaises(ServerNotStarted):
            self.server.refuse_connections()
        self.server.start()
        self.send()
        self.assertEqual((port, []), (self.server.port, self.server.faults))


class MisuseTest(unittest.TestCase):
    """Faults that cannot be, and how those that can be are shown."""

    maxDiff = None

    def test_an_unknown_keyword_names_the_nearest(self) -> None:
        """Of every method that puts a fault in place, and of those that ask for what came."""
        smtp = SMTPServer()
        rows: tuple[tuple[str, tuple[Any, ...], str, str], ...] = (
            ("fail", ("RCPT",), "tmies", "times"),
            ("reject_recipient", ("ann@example.com",), "tmies", "times"),
            ("reject_sender", ("ann@example.com",), "txet", "text"),
            ("reject_auth", (), "tmies", "times"),
            ("reject_message", (), "txet", "text"),
            ("greylist", (), "tmies", "times"),
            ("shut_down_reply", (), "tmies", "times"),
            ("delay", ("RCPT", 1.0), "tmies", "times"),
            ("hang", ("RCPT",), "tmies", "times"),
            ("drop", ("RCPT",), "tmies", "times"),
            ("offer", (), "withuot", "without"),
            ("limit_recipients", (1,), "txet", "text"),
            ("attempts", (), "cod", "code"),
            ("environ", (), "prefx", "prefix"),
        )
        for name, arguments, wrong, meant in rows:
            with self.subTest(name):
                with self.assertRaises(TypeError) as caught:
                    getattr(smtp, name)(*arguments, **{wrong: 1})
                text = f"{name}() got an unexpected keyword argument '{wrong}'. Did you mean '{meant}'?"
                self.assertEqual(text, str(caught.exception))
        self.assertEqual([], smtp.faults)

    def test_messages(self) -> None:
        """Each has what was given, what is wanted and what to do; nothing is put in place."""
        smtp = SMTPServer()
        places = "CONNECT, EHLO, HELO, STARTTLS, AUTH, MAIL, RCPT, DATA, END_OF_DATA, RSET, NOOP, QUIT, VRFY"
        reply = "wanted a code from 400 to 599, as in (550, '5.1.1 no such user'), or bytes to send as they are"
        who = "says nothing of who is meant; wanted an address, a glob, a pattern or a function"
        number = "wanted a whole number from"
        lines = "wanted a list of lines, as in ['STARTTLS']"
        rows: tuple[tuple[Callable[[Any], object], str], ...] = (
            (lambda smtp: smtp.fail("RCTP"), "there is no command 'RCTP': did you mean 'RCPT'?"),
            (lambda smtp: smtp.hang("x"), f"there is no command 'x': known are {places}"),
            (lambda smtp: smtp.fail("RCPT", 250), f"reply is 250; {reply}"),
            (lambda smtp: smtp.fail("RCPT", True), f"reply is True; {reply}"),
            (lambda smtp: smtp.fail("RCPT", "550 no"), f"reply is '550 no'; {reply}"),
            (lambda smtp: smtp.fail("RCPT", (550, "a\r\nb")),
             r"the text of a reply is 'a\r\nb'; wanted one line of printable text"),
            (lambda smtp: smtp.fail("RCPT", times=0), f"times is 0; {number} 1: how often, or None for always"),
            (lambda smtp: smtp.fail("RCPT", after=-1), f"after is -1; {number} 0: how many occasions pass first"),
            (lambda smtp: smtp.reject_recipient(""), f"'' {who}"),
            (lambda smtp: smtp.reject_sender(1), f"1 {who}"),
            (lambda smtp: smtp.reject_message(200), f"reply is (200, '2.6.0 Message refused'); {reply}"),
            (lambda smtp: smtp.greylist(0), f"times is 0; {number} 1: how often each one is refused"),
            (lambda smtp: smtp.delay("RCPT", -1), "seconds is -1; wanted 0 to 86400, or use hang() to wait for ever"),
            (lambda smtp: smtp.drop("RCPT", after_bytes=1),
             "after_bytes is 1, but RCPT has no mail behind it: put it at 'END_OF_DATA'"),
            (lambda smtp: smtp.drop("DATA", record=True),
             "record is True, but there is no mail to keep: put it at 'END_OF_DATA', without after_bytes"),
            (lambda smtp: smtp.drop("END_OF_DATA", after_bytes=-1),
             f"after_bytes is -1; {number} 0: bytes of the mail"),
            (lambda smtp: smtp.throttle(0), "bytes_per_second is 0; wanted a number greater than 0"),
            (lambda smtp: smtp.limit_size(None), f"size is None; {number} 1: bytes"),
            (lambda smtp: smtp.limit_size(0), f"size is 0; {number} 1: bytes"),
            (lambda smtp: smtp.limit_recipients(None), f"number is None; {number} 0: recipients of one mail"),
            (lambda smtp: smtp.limit_recipients(-1), f"number is -1; {number} 0: recipients of one mail"),
            (lambda smtp: smtp.offer("SIZE"), f"extensions is 'SIZE'; {lines}"),
            (lambda smtp: smtp.offer(without=["a\nb"]), rf"without is ['a\nb']; {lines}"),
            (lambda smtp: smtp.offer(), "offer() changes nothing; wanted extensions to add, or some to go without"),
        )  # fmt: skip
        for call, message in rows:
            with self.subTest(message):
                with self.assertRaises(UsageError) as caught:
                    call(smtp)
                self.assertEqual(message, str(caught.exception))
        self.assertEqual([], smtp.faults)

    def test_how_a_fault_is_shown(self) -> None:
        """A fault has where it is, what it does and how often it has."""
        rows: tuple[tuple[Callable[[Any], object], str], ...] = (
            (lambda smtp: smtp.fail("rcpt"), "RCPT: answers 550 5.1.1 no such user"),
            (lambda smtp: smtp.fail("CONNECT", b"?\r\n"), r"CONNECT: sends b'?\r\n'"),
            (lambda smtp: smtp.delay("MAIL", 0.5), "MAIL: waits 0.5 s"),
            (lambda smtp: smtp.hang("DATA"), "DATA: never answers"),
            (lambda smtp: smtp.drop("QUIT"), "QUIT: drops the connection without an answer"),
            (lambda smtp: smtp.drop("NOOP", after_reply=True), "NOOP: drops the connection after the answer"),
            (lambda smtp: smtp.drop("END_OF_DATA", record=True),
             "END_OF_DATA: drops the connection without an answer, with the mail in the outbox"),
            (lambda smtp: smtp.drop("END_OF_DATA", after_bytes=9),
             "END_OF_DATA: drops the connection after 9 bytes of the mail"),
            (lambda smtp: smtp.throttle(100), "reads 100 bytes a second"),
            (lambda smtp: smtp.limit_size(9), "refuses mails of more than 9 bytes"),
            (lambda smtp: smtp.limit_recipients(1), "answers 452 to each recipient after 1"),
            (lambda smtp: smtp.offer(["X"], without=["size"]), "offers X, does not offer SIZE"),
            (lambda smtp: smtp.shut_down_reply(), "*: answers 421 4.3.2 Server shutting down"),
        )  # fmt: skip
        for call, shown in rows:
            with self.subTest(shown):
                self.assertEqual(f"<SMTPFault {shown}, 0 hits>", repr(call(SMTPServer())))

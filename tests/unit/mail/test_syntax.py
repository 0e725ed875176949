"""Commands are understood as RFC 5321 has them, and refused where they could be understood in two ways."""

from __future__ import annotations

import unittest

from liveserver_testcase.mail.syntax import Refused, Reply, decode_line, parse_path, read_size, strip_line

ALL = ("SIZE", "8BITMIME", "SMTPUTF8", "DSN", "AUTH")


class PathTest(unittest.TestCase):
    """``MAIL FROM:`` and ``RCPT TO:``."""

    def assert_refused(self, answer: str, argument: str, word: str = "FROM", extensions: tuple[str, ...] = ALL) -> None:
        with self.assertRaises(Refused) as caught:
            parse_path(argument, word, extensions)
        self.assertEqual(answer, str(caught.exception))

    def test_addresses(self) -> None:
        """An address is what stands between the brackets, or without them up to the next space."""
        for argument, address in {
            "FROM:<a@b.example>": "a@b.example",
            "from: <a@b.example>": "a@b.example",
            "FROM:a@b.example": "a@b.example",
            "FROM:<>": "",
            'FROM:<"a b>\\"c"@d.example>': '"a b>\\"c"@d.example',
            "FROM:<@relay.example,@other.example:a@b.example>": "a@b.example",
            "FROM:<a@[127.0.0.1]>": "a@[127.0.0.1]",
            "FROM:<a@[IPv6:::1]>": "a@[IPv6:::1]",
        }.items():
            with self.subTest(argument=argument):
                self.assertEqual((address, ()), parse_path(argument, "FROM", ALL))

    def test_parameters_are_kept_as_they_came(self) -> None:
        """Parameters of MAIL and RCPT keep the case of their letters."""
        self.assertEqual(
            ("a@b.example", ("size=12", "BODY=8bitmime", "Ret=Full", "ENVID=QQ314159", "AUTH=<>", "SMTPUTF8")),
            parse_path(
                "FROM:<a@b.example> size=12  BODY=8bitmime Ret=Full ENVID=QQ314159 AUTH=<> SMTPUTF8", "FROM", ALL
            ),
        )
        self.assertEqual(
            ("a@b.example", ("NOTIFY=SUCCESS,DELAY", "orcpt=rfc822;Bob@Example.com")),
            parse_path("TO:<a@b.example> NOTIFY=SUCCESS,DELAY orcpt=rfc822;Bob@Example.com", "TO", ALL),
        )

    def test_refusals(self) -> None:
        """Whatever is no path, or has a parameter that is not known or not offered, has its reply."""
        path, unknown = "501 5.5.4 Syntax: MAIL FROM:<address>", "555 5.5.4 Unsupported parameter:"
        for argument, reply in {
            **dict.fromkeys(["", "FROM", "FROM:", "FROM <a@b>", "TO:<a@b>", "FROM:<a b@c>"], path),
            **dict.fromkeys(["FROM:<a@b", "FROM:a@b>", "FROM:<a@b>x"], path),
            # no text makes the reading take more than its length
            **dict.fromkeys(["FROM:<" + '"a' * 2000, "FROM:<" + '\\"' * 2000 + ">"], path),
            **dict.fromkeys(["FROM:" + "<" * 4000, "FROM:<@" + ":" * 4000], path),
            "FROM:<a@b> FOO=1": f"{unknown} FOO=1",
            "FROM:<a@b> NOTIFY=NEVER": f"{unknown} NOTIFY=NEVER",
            "FROM:<a@b> =1": f"{unknown} =1",
            "FROM:<a@b> BODY=9BIT": "501 5.5.4 BODY is 9BIT; wanted 7BIT or 8BITMIME",
            "FROM:<a@b> RET": "501 5.5.4 RET is empty; wanted FULL or HDRS",
        }.items():
            with self.subTest(argument=argument[:30]):
                self.assert_refused(reply, argument)
        self.assert_refused("501 5.5.4 Syntax: RCPT TO:<address>", "FROM:<a@b>", "TO")
        self.assert_refused(f"{unknown} SIZE=1", "TO:<a@b> SIZE=1", "TO")
        self.assert_refused(f"{unknown} RET=FULL", "FROM:<a@b> RET=FULL", extensions=("SIZE",))

    def test_addresses_of_other_letters(self) -> None:
        """A sender that is not in ASCII wants the parameter SMTPUTF8."""
        self.assertEqual("jürgen@b.example", parse_path("FROM:<jürgen@b.example> SMTPUTF8", "FROM", ALL)[0])
        self.assert_refused(
            "553 5.6.7 The address is not in ASCII, and MAIL has no parameter SMTPUTF8", "FROM:<jürgen@b.example>"
        )

    def test_size(self) -> None:
        """The announced size is a number, 0 if there is none."""
        self.assertEqual([0, 0, 123], [read_size(options) for options in ((), ("BODY=7BIT",), ("size=123",))])
        for value, shown in {"": "empty", "x": "x", "-1": "-1", "٣": "٣", "1" * 21: "1" * 21}.items():
            with self.subTest(value=value), self.assertRaises(Refused) as caught:
                read_size((f"SIZE={value}",))
            self.assertEqual(f"501 5.5.4 SIZE is {shown}; wanted a number of bytes", str(caught.exception))


class LineTest(unittest.TestCase):
    """From bytes to text and back."""

    def test_an_answer_of_several_lines(self) -> None:
        """Every line but the last has a hyphen after its code."""
        self.assertEqual(b"250-a\r\n250-b\r\n250 c\r\n", Reply(250, "a\nb\nc").to_wire())
        self.assertEqual(b"250 a\r\n", Reply(250, "a").to_wire())

    def test_ends_of_lines(self) -> None:
        """A line ends with CRLF and has no other carriage return."""
        self.assertEqual(b"NOOP", strip_line(b"NOOP\r\n"))
        for line, answer in {
            b"NOOP\n": "500 5.5.2 A line ends with a bare line feed; wanted carriage return and line feed",
            b"NOOP\r\r\n": "500 5.5.2 There is a bare carriage return in the line",
            b"NO\rOP\r\n": "500 5.5.2 There is a bare carriage return in the line",
        }.items():
            with self.subTest(line=line), self.assertRaises(Refused) as caught:
                strip_line(line)
            self.assertEqual(answer, str(caught.exception))

    def test_letters(self) -> None:
        """A command is printable, in ASCII or where that is offered in UTF-8."""
        self.assertEqual("é", decode_line("é".encode(), True))
        for line, utf8, answer in (
            ("é".encode(), False, "553 5.6.7 The command is not in ASCII, and SMTPUTF8 is not offered"),
            (b"\xff", True, "500 5.5.2 The command is not in UTF-8"),
            (b"NO\0OP", True, "500 5.5.2 There are control characters in the command"),
            (b"\x1b[31m", True, "500 5.5.2 There are control characters in the command"),
            ("\u202e".encode(), True, "500 5.5.2 There are control characters in the command"),
        ):
            with self.subTest(line=line), self.assertRaises(Refused) as caught:
                decode_line(line, utf8)
            self.assertEqual(answer, str(caught.exception))

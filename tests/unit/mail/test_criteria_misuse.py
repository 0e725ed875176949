"""Criteria that every mail meets, or that none can: refused when they are built."""

from __future__ import annotations

import re
import unittest

from liveserver_testcase.errors import UsageError
from liveserver_testcase.mail.criteria import Criteria


class Nonsense(unittest.TestCase):
    def refuse(self, message: str, error: type[Exception] = UsageError, /, **wanted: object) -> None:
        with self.assertRaises(error) as caught:
            Criteria.build(**wanted)
        self.assertEqual(str(caught.exception), message)

    def test_unknown(self) -> None:
        """An unknown criterion is a TypeError that names the nearest, or all."""
        self.refuse("unknown criterion 'subjct'; did you mean 'subject'?", TypeError, subjct="x")
        self.refuse("unknown criterion 'from'; did you mean 'from_'?", TypeError, **{"from": "x"})
        self.refuse(
            "unknown criterion 'zzz'; known are attachment, auth_user, bcc, body, cc, from_, headers, html, "
            "mail_from, recipients, reply_to, subject, text, tls, to",
            TypeError,
            zzz=1,
        )

    def test_types(self) -> None:
        """A value of a type that cannot be compared is refused, and the types that can are told."""
        kinds = "a compiled pattern, a callable, unittest.mock.ANY, or None for absent."
        self.refuse(f"to=5 is of type int; wanted is an address, a list of addresses, {kinds}", to=5)
        self.refuse(f"from_=['a@x'] is of type list; wanted is an address, {kinds}", from_=["a@x"])
        self.refuse(f"subject=b'x' is of type bytes; wanted is a str, {kinds}", subject=b"x")
        self.refuse(f"text=5 is of type int; wanted is a str, a list of them, {kinds}", text=5)
        self.refuse(f"headers['X']=1 is of type int; wanted is a str, {kinds}", headers={"X": 1})

    def test_items(self) -> None:
        """A list of addresses holds str, and a list of texts patterns too."""
        self.refuse("to=['a@x', 1] holds 1; a list is of str.", to=["a@x", 1])
        self.refuse("to=[re.compile('x')] holds re.compile('x'); a list is of str.", to=[re.compile("x")])
        self.refuse("text=[None] holds None; a list is of str.", text=[None])

    def test_patterns_of_bytes(self) -> None:
        """A pattern of bytes can be in no text."""
        self.refuse("text=re.compile(b'x') is a pattern of bytes; compile it from a str.", text=re.compile(b"x"))

    def test_addresses(self) -> None:
        """What is no address, or several, is refused."""
        self.refuse("to='' is no address; use None for an email without to.", to="")
        self.refuse("from_='Ann Lee' is no address; use None for an email without from_.", from_="Ann Lee")
        self.refuse("cc=' , ' is no address; use None for an email without cc.", cc=" , ")
        self.refuse("to='a@x, b@x' is 2 addresses; pass a list: to=['a@x', 'b@x'].", to="a@x, b@x")
        self.refuse("to='a@x, b@x' is 2 addresses; pass a list: to=['a@x', 'b@x'].", to=["a@x, b@x"])

    def test_empty_texts(self) -> None:
        """A text that is in every mail is refused."""
        self.refuse("text=' \\n' is in every email; use None for an email without text.", text=" \n")
        self.refuse("html=[] is in every email; use None for an email without html.", html=[])
        self.refuse("body='' is in every email; use None for an email without body.", body=["x", ""])

    def test_headers(self) -> None:
        """Headers are a mapping of names, and not an empty one."""
        for wanted in ("X-Id", {}, {1: "x"}, None, ["X-Id"]):
            with self.subTest(wanted):
                self.refuse(
                    f"headers={wanted!r} is no mapping of names to values, as in headers={{'X-Id': '1'}}.",
                    headers=wanted,
                )

"""How values and mails are written in a report."""

from __future__ import annotations

import functools
import re
import unittest

from liveserver_testcase.mail.wording import count, difference, escaped, in_full, one_line, quoted, shown, size
from tests.mail import letter, mixed, part, receive


class Values(unittest.TestCase):
    def test_escaped(self) -> None:
        """Only what can be printed on one line is left as it is."""
        self.assertEqual(escaped("a ü 日\x1b[0m\r\n\t\x7f"), r"a ü 日\x1b[0m\r\n\t\x7f")
        self.assertEqual(escaped("\u202e\u2066\u200b\xa0\ud800"), r"\u202e\u2066\u200b\xa0\ud800")

    def test_quoted(self) -> None:
        """Quotes inside are marked, and long texts are cut."""
        self.assertEqual(quoted('a "b"\n'), r'"a \"b\"\n"')
        self.assertEqual(quoted("x" * 101), '"' + "x" * 100 + '…"')

    def test_count(self) -> None:
        """A noun is in the plural from two."""
        self.assertEqual([count(n, "email") for n in range(3)], ["no email", "1 email", "2 emails"])

    def test_size(self) -> None:
        """Sizes have the unit in which they are short."""
        self.assertEqual(
            [size(n) for n in (0, 1, 999, 1000, 12_345, 999_499, 999_500, 1_500_000)],
            ["0 bytes", "1 byte", "999 bytes", "1 kB", "12 kB", "999 kB", "1.0 MB", "1.5 MB"],
        )

    def test_shown(self) -> None:
        """Values look as in code, cut if they are long."""
        self.assertEqual(shown("a\x1b"), r"'a\x1b'")
        self.assertEqual(shown("x" * 1234), f"'{'x' * 100}'… (1,234 characters)")
        self.assertEqual(shown(["a", re.compile("b"), None]), "['a', re.compile('b'), None]")
        self.assertEqual(shown(list("abcdefghijkl"))[-24:], "'h', 'i', 'j', … 2 more]")
        self.assertTrue(shown(list("abcdefghij")).endswith("'h', 'i', 'j']"))

    def test_shown_predicates(self) -> None:
        """A predicate has its name, and its place if it is written in Python."""
        line = Values.test_shown_predicates.__code__.co_firstlineno
        self.assertEqual(shown(lambda _: True), f"predicate <lambda> (test_wording.py:{line + 3})")
        self.assertEqual(shown(functools.partial(max)), "predicate partial")
        self.assertEqual(shown(str.isdigit), "predicate isdigit")

    def test_in_full(self) -> None:
        """Short values stay on the line; longer ones go on lines of their own."""
        self.assertEqual(in_full("a"), "'a'")
        self.assertEqual(in_full(["a\n", "b"]), r"['a\n', 'b']")
        self.assertEqual(in_full("a\nb"), "3 characters:\n| a\n| b")
        self.assertEqual(in_full("x" * 100), f"'{'x' * 100}'")
        self.assertEqual(in_full("x" * 101), f"101 characters:\n| {'x' * 101}")

    def test_difference(self) -> None:
        """Short lines are told side by side, others as a difference with two lines around."""
        self.assertEqual(difference("a" * 100, "b"), f"'{'a' * 100}' != 'b'")
        self.assertEqual(
            difference("1\n2\n3\n4", "1\n2\n3\n5"),
            "they differ so:\n--- wanted\n+++ got\n@@ -2,3 +2,3 @@\n 2\n 3\n-4\n+5",
        )

    def test_difference_of_a_part(self) -> None:
        """The lines that stand for a part begin where it would, also if its first line is not there."""
        self.assertEqual(
            difference("x\n5", "\n".join("0123456789"), part=True),
            "--- wanted\n+++ got\n@@ -1,2 +1,6 @@\n-x\n+2\n+3\n+4\n 5\n+6\n+7",
        )

    def test_difference_of_long_texts(self) -> None:
        """Of a very long text the first five thousand lines are compared."""
        text = "\n" * 5000 + "y"
        self.assertNotIn("y", difference("x\ny", text, part=True).removeprefix("--- wanted").replace("-y", ""))
        self.assertIn(" y", difference("x\ny", text[1:], part=True))


class OneLine(unittest.TestCase):
    def test_text(self) -> None:
        """A mail is sender, recipients, subject and the kinds of text in it."""
        self.assertEqual(one_line(receive(letter())), 'shop@example.com -> ann@example.com  "Welcome"  text')
        self.assertEqual(
            one_line(receive(letter(html="<p>"))), 'shop@example.com -> ann@example.com  "Welcome"  text+html'
        )

    def test_nothing(self) -> None:
        """What is not there is said to be not there."""
        self.assertEqual(one_line(receive(b"", "ann@x", mail_from="")), "<> -> ann@x  (no subject)  no text")

    def test_attachments(self) -> None:
        """Attachments have name, type and size; of many the first three."""
        one = receive(letter(attachments={"inv-7.pdf": b"x" * 12_000}), "a@x")
        self.assertEqual(
            one_line(one),
            'shop@example.com -> a@x  "Welcome"  text, 1 attachment (inv-7.pdf application/pdf 12 kB)',
        )
        three = receive(mixed(*[part("Content-Type: a/b", "")] * 3), "a@x")
        self.assertTrue(
            one_line(three).endswith("3 attachments (unnamed a/b 0 bytes, unnamed a/b 0 bytes, unnamed a/b 0 bytes)")
        )
        five = receive(mixed(*[part("Content-Type: image/png", "x")] * 5), "a@x")
        self.assertEqual(
            one_line(five),
            "shop@example.com -> a@x  (no subject)  no text, 5 attachments "
            "(unnamed image/png 1 byte, unnamed image/png 1 byte, unnamed image/png 1 byte, 2 more)",
        )

    def test_many_recipients(self) -> None:
        """Of many recipients the first three are named."""
        email = receive("Subject: x\n\n", "a@x", "b@x", "c@x")
        self.assertEqual(one_line(email), 'shop@example.com -> a@x, b@x, c@x  "x"  no text')
        email = receive("Subject: x\n\n", "a@x", "b@x", "c@x", "d@x", "e@x")
        self.assertEqual(one_line(email), 'shop@example.com -> a@x, b@x, c@x, 2 more  "x"  no text')

    def test_escapes(self) -> None:
        """Nothing of a mail moves a cursor: not subject, addresses, names or types."""
        source = mixed(
            part("Content-Type: x/y\x1b; name=\x1b\x07", ""),
        )
        source = b"Subject: \x1b[2J\xe2\x80\xae\r\n" + source
        line = one_line(receive(source, "\x1b@x", mail_from="\u202e@x"))
        self.assertEqual(
            line,
            r'\u202e@x -> \x1b@x  "\x1b[2J\u202e"  no text, 1 attachment (\x1b\x07 x/y\x1b 0 bytes)',
        )

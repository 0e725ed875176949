"""How values are written in a report."""

from __future__ import annotations

import functools
import re
import unittest

from liveserver_testcase.mail.content import shown
from liveserver_testcase.mail.criteria import difference, in_full
from liveserver_testcase.mail.mime import describe_size as size


class Values(unittest.TestCase):
    def test_size(self) -> None:
        """Sizes have the unit in which they are short."""
        self.assertEqual(
            [size(n) for n in (0, 1, 999, 1000, 12_345, 999_499, 999_500, 1_500_000)],
            ["0 bytes", "1 byte", "999 bytes", "1 kB", "12 kB", "999 kB", "1.0 MB", "1.5 MB"],
        )

    def test_shown(self) -> None:
        """Values look as in code, cut if they are long."""
        self.assertEqual(shown("a\x1b"), r"'a\x1b'")
        self.assertEqual(shown("x" * 1234), f"'{'x' * 120}'… (1,234 characters)")
        self.assertEqual(shown(["a", re.compile("b"), None]), "['a', re.compile('b'), None]")
        self.assertEqual(shown(list("abcdefghijkl"))[-24:], "'h', 'i', 'j', … 2 more]")
        self.assertTrue(shown(list("abcdefghij")).endswith("'h', 'i', 'j']"))

    def test_shown_predicates(self) -> None:
        """A predicate has its name, and its place if it is written in Python."""
        line = Values.test_shown_predicates.__code__.co_firstlineno
        self.assertEqual(shown(lambda _: True), f"predicate <lambda> (test_criteria_values.py:{line + 3})")
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

"""How values are written in a report."""

from __future__ import annotations

import unittest

from liveserver_testcase.core.text import count, describe_error, escape, one_line, quote


class ValuesTest(unittest.TestCase):
    """Somebody else's text, made fit for a terminal."""

    def test_printable_text_is_left_as_it_is(self) -> None:
        """Letters of any script, and spaces, are printed."""
        self.assertEqual("grüße, 東京 ✓", escape("grüße, 東京 ✓"))

    def test_what_a_terminal_would_act_on_is_escaped(self) -> None:
        """Escape sequences, line ends and changes of the direction of writing are shown, not done."""
        self.assertEqual(r"a\x1b[2Jb\r\nc\u202ed", escape("a\x1b[2Jb\r\nc\u202ed"))

    def test_a_quoted_text_is_written_as_in_code(self) -> None:
        """Quotes and control characters are those of a Python literal."""
        self.assertEqual("'it\\'s \"1\"\\n'", quote('it\'s "1"\n'))

    def test_a_long_quoted_text_is_cut_inside_its_quotes(self) -> None:
        """Text and bytes keep their quotes and have their size named."""
        self.assertEqual("'" + "x" * 120 + "'… (5,000 characters)", quote("x" * 5000))
        self.assertEqual("b'" + "x" * 120 + "'… (5,000 bytes)", quote(b"x" * 5000))

    def test_another_long_value_is_cut_too(self) -> None:
        """The ``repr`` of a list has an end."""
        self.assertEqual("[" + "0, " * 39 + "0,… (3,000 characters)", quote([0] * 1000))

    def test_the_size_is_that_of_what_came(self) -> None:
        """Masking and escaping do not change it; a long secret is not printed as a short text."""
        self.assertEqual(r"'\x1b'", quote("\x1b"))
        self.assertEqual("password=***… (20,009 characters)", one_line("password=" + "x" * 20_000))
        self.assertEqual(r"\x1b" * 30 + "… (200 characters)", one_line("\x1b" * 200))

    def test_numbers_agree_with_their_noun(self) -> None:
        """One is singular, anything else is plural, thousands are set off."""
        self.assertEqual(
            ["0 bytes", "1 byte", "2 bytes", "12,000 bytes"], [count(number, "byte") for number in (0, 1, 2, 12000)]
        )

    def test_an_error_is_its_class_and_its_message(self) -> None:
        """Printable, and cut if it is long; the class alone where it says no more."""
        self.assertEqual(r"ValueError: a\nb", describe_error(ValueError("a\nb")))
        self.assertEqual("KeyError", describe_error(KeyError()))
        self.assertEqual(f"OSError: {'a' * 991}… (2,009 characters)", describe_error(OSError("a" * 2000)))
        self.assertEqual("OSError: GET /?token=*** failed", describe_error(OSError("GET /?token=hunter2 failed")))

"""How values are written in a report."""

from __future__ import annotations

import unittest

from liveserver_testcase.core.text import count, describe_error, escape, one_line, quote


class ValuesTest(unittest.TestCase):
    """Somebody else's text, made fit for a terminal."""

    def test_escape(self) -> None:
        """Letters of any script are printed; what a terminal would act on is shown, not done."""
        self.assertEqual("grüße, 東京 ✓", escape("grüße, 東京 ✓"))
        self.assertEqual(r"a\x1b[2Jb\r\nc\u202ed", escape("a\x1b[2Jb\r\nc\u202ed"))

    def test_quote(self) -> None:
        """A value is written as in code, cut inside its quotes if it is long, with the size of what came."""
        for value, wanted in (
            ('it\'s "1"\n', "'it\\'s \"1\"\\n'"),
            ("\x1b", r"'\x1b'"),
            ("x" * 5000, f"'{'x' * 120}'… (5,000 characters)"),
            (b"x" * 5000, f"b'{'x' * 120}'… (5,000 bytes)"),
            ([0] * 1000, f"[{'0, ' * 39}0,… (3,000 characters)"),
        ):
            with self.subTest(wanted):
                self.assertEqual(wanted, quote(value))

    def test_one_line(self) -> None:
        """Masking and escaping do not change the size; a long secret is not printed as a short text."""
        self.assertEqual("password=***… (20,009 characters)", one_line("password=" + "x" * 20_000))
        self.assertEqual(r"\x1b" * 30 + "… (200 characters)", one_line("\x1b" * 200))

    def test_numbers_agree_with_their_noun(self) -> None:
        """One is singular, anything else is plural, thousands are set off."""
        wanted = ["0 bytes", "1 byte", "2 bytes", "12,000 bytes"]
        self.assertEqual(wanted, [count(number, "byte") for number in (0, 1, 2, 12000)])

    def test_an_error_is_its_class_and_its_message(self) -> None:
        """Printable, without secrets, and cut if it is long; the class alone where it says no more."""
        for error, wanted in (
            (ValueError("a\nb"), r"ValueError: a\nb"),
            (KeyError(), "KeyError"),
            (OSError("a" * 2000), f"OSError: {'a' * 991}… (2,009 characters)"),
            (OSError("GET /?token=hunter2 failed"), "OSError: GET /?token=*** failed"),
        ):
            self.assertEqual(wanted, describe_error(error))

"""How values are written in a report."""

from __future__ import annotations

import unittest

from liveserver_testcase.stub.wording import count, cut, describe_error, escape, is_secret, mask, quote


class WordingTest(unittest.TestCase):
    """Somebody else's text, made fit for a terminal."""

    def test_printable_text_is_left_as_it_is(self) -> None:
        """Letters of any script, and spaces, are printed."""
        self.assertEqual("grüße, 東京 ✓", escape("grüße, 東京 ✓"))

    def test_what_a_terminal_would_act_on_is_escaped(self) -> None:
        """Escape sequences, line ends and changes of the direction of writing are shown, not done."""
        self.assertEqual(r"a\x1b[2Jb\r\nc\u202ed", escape("a\x1b[2Jb\r\nc\u202ed"))

    def test_a_short_text_is_not_cut(self) -> None:
        """120 characters are printed."""
        self.assertEqual("x" * 120, cut("x" * 120))

    def test_a_long_text_is_cut_and_its_size_named(self) -> None:
        """Of more than 120 characters the rest is a number."""
        self.assertEqual("x" * 120 + "… (12,345 characters)", cut("x" * 12345))

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

    def test_numbers_agree_with_their_noun(self) -> None:
        """One is singular, anything else is plural, thousands are set off."""
        self.assertEqual(
            ["0 bytes", "1 byte", "2 bytes", "12,000 bytes"], [count(number, "byte") for number in (0, 1, 2, 12000)]
        )


class MaskTest(unittest.TestCase):
    """A URL without what nobody may read in a log."""

    def test_parameters_that_carry_secrets_are_masked(self) -> None:
        """Names that mean a key, a token or a password lose their values, whatever their spelling."""
        for name in (
            "key", "api_key", "apiKey", "X-API-Key", "accesskey", "token", "access_token", "refreshToken",
            "client_secret", "password", "passwd", "pwd", "auth", "Authorization", "X-Amz-Signature", "sig", "sid",
            "session_id", "X-Amz-Credential",
        ):  # fmt: skip
            with self.subTest(name=name):
                self.assertEqual(f"/a?b=1&{name}=***&c=2", mask(f"/a?b=1&{name}=hunter2&c=2"))

    def test_other_parameters_are_shown(self) -> None:
        """Words that only contain such a name are not secrets."""
        target = "/a?keyword=tea&author=ann&keys=2&design=1&monkey=no&flag&empty="
        self.assertEqual(target, mask(target))

    def test_a_path_is_left_as_it_is(self) -> None:
        """What has no query is not touched."""
        for target in ("/", "*", "/token=1;key=2", "http://shop.test/x"):
            with self.subTest(target=target):
                self.assertEqual(target, mask(target))

    def test_parameters_may_be_separated_by_semicolons(self) -> None:
        """Both separators end a secret."""
        self.assertEqual("/?token=***;a=1", mask("/?token=x;a=1"))

    def test_a_name_says_whether_its_value_is_a_secret(self) -> None:
        """Of a header, a field, a key of JSON."""
        self.assertEqual([True, True, False], [is_secret(name) for name in ("X-Api-Key", "password", "author")])


class ErrorTest(unittest.TestCase):
    """An exception on one line."""

    def test_class_and_message(self) -> None:
        """Printable, and cut if it is long; the class alone where it says no more."""
        self.assertEqual(r"ValueError: a\nb", describe_error(ValueError("a\nb")))
        self.assertEqual("KeyError", describe_error(KeyError()))
        self.assertEqual(f"OSError: {'a' * 111}… (1,009 characters)", describe_error(OSError("a" * 1000)))


if __name__ == "__main__":
    unittest.main()

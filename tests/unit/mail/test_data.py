"""The data of a mail end where they end, in whatever pieces they come."""

from __future__ import annotations

import unittest

from hypothesis import given
from hypothesis import strategies as st

from liveserver_testcase.mail.data import LongLine, MailData, find_long_line

PIECES = st.lists(st.sampled_from([b"a", b".", b"\r\n", b"\n", b"\r", b"\r\n.", b"..", b"\0", b"\r\n.\r"]), max_size=30)


def stuff(mail: bytes) -> bytes:
    """A mail as a client sends it; it ends with a line's end."""
    lines = mail.split(b"\r\n")
    return b"\r\n".join(b"." + line if line.startswith(b".") else line for line in lines) + b".\r\n"


def read(sent: bytes, size: int, limit: int | None = None) -> tuple[MailData, bytes | None]:
    """Feed ``sent`` in pieces; the rest comes with what is fed after the end."""
    data = MailData(limit)
    for start in range(0, len(sent), size):
        rest = data.feed(sent[start : start + size])
        if rest is not None:
            return data, rest + sent[start + size :]
    return data, None


class MailDataTest(unittest.TestCase):
    """What is collected."""

    def test_every_cut(self) -> None:
        """Pieces of any size give the same mail, and leave what follows it."""
        mail = b"Subject: x\r\n\r\n.one\r\n..\r\n.\r\nlast\r\n"
        sent = stuff(mail) + b"QUIT\r\n"
        for size in range(1, len(sent) + 1):
            with self.subTest(size=size):
                data, rest = read(sent, size)
                self.assertEqual((mail, b"QUIT\r\n"), (data.take(), rest))

    @given(PIECES, st.integers(1, 9))
    def test_any_mail(self, pieces: list[bytes], size: int) -> None:
        """What was stuffed is unstuffed, whatever the mail and its pieces."""
        mail = b"".join(pieces) + b"\r\n"
        data, rest = read(stuff(mail), size)
        self.assertEqual((mail, b""), (data.take(), rest))
        self.assertEqual(len(stuff(mail)), data.received)

    @given(PIECES, st.integers(1, 9), st.integers(1, 40))
    def test_any_limit(self, pieces: list[bytes], size: int, limit: int) -> None:
        """A mail with more bytes on the wire than the limit is too big, one with fewer is not."""
        sent = stuff(b"".join(pieces) + b"\r\n")
        data, rest = read(sent, size, limit)
        self.assertEqual((len(sent) - 3 > limit, b""), (data.is_too_big, rest))

    def test_an_empty_mail(self) -> None:
        """A dot alone right after DATA ends a mail without a byte."""
        for size in (1, 2, 3):
            data, rest = read(b".\r\n", size)
            self.assertEqual((b"", b""), (data.take(), rest))

    def test_other_ends_are_none(self) -> None:
        """Only CRLF, dot, CRLF is an end: no mix with bare line feeds and carriage returns."""
        for end in (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\r\n\0.\r\n", b"\r\n.\0\r\n"):
            with self.subTest(end=end):
                data, rest = read(b"first" + end + b"MAIL FROM:<a@b>\r\n.\r\n", 1000)
                self.assertIn(b"MAIL", data.take())
                self.assertEqual(b"", rest)

    def test_nothing_is_kept_beyond_the_limit(self) -> None:
        """The bytes of a mail that is too big are let go while it comes."""
        data = MailData(10)
        for _ in range(100):
            self.assertIsNone(data.feed(b"x" * 100))
        self.assertEqual((True, 10_000), (data.is_too_big, data.received))
        self.assertLess(len(data.take()), 5)


class LongLineTest(unittest.TestCase):
    """Lines over the limit are found."""

    def test_at_the_limit(self) -> None:
        """A line may be as long as the limit, without its end."""
        self.assertIsNone(find_long_line(b"a\r\n" + b"x" * 998 + b"\r\n", 998))
        self.assertEqual(LongLine(2, 999), find_long_line(b"a\r\n" + b"x" * 999 + b"\r\nb\r\n", 998))

    def test_the_last_line(self) -> None:
        """The last line counts too, with or without an end."""
        self.assertEqual(LongLine(1, 5), find_long_line(b"12345", 4))
        self.assertIsNone(find_long_line(b"1234", 4))
        self.assertIsNone(find_long_line(b"", 4))

    @given(st.lists(st.integers(0, 12), max_size=20), st.integers(1, 12))
    def test_any_lines(self, lengths: list[int], limit: int) -> None:
        """The first long line is found, by its number and its length."""
        mail = b"".join(b"x" * length + b"\r\n" for length in lengths)
        wanted = next((LongLine(n, length) for n, length in enumerate(lengths, 1) if length > limit), None)
        self.assertEqual(wanted, find_long_line(mail, limit))

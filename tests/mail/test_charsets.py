"""Bytes into text."""

from __future__ import annotations

import codecs
import unittest

from liveserver_testcase.mail.charsets import decode_text
from liveserver_testcase.mail.charsets import remove_surrogates as without_surrogates
from liveserver_testcase.mail.headers import read_field
from liveserver_testcase.mail.transfer import decode_transfer


class DecodeText(unittest.TestCase):
    def check(self, data: bytes, charset: str, wanted: str, *notes: str) -> None:
        told: list[str] = []
        self.assertEqual(decode_text(data, charset, "part", told.append), wanted)
        self.assertEqual(told, list(notes))

    def test_declared(self) -> None:
        """A charset that Python knows is used."""
        self.check("grün".encode(), "UTF-8", "grün")
        self.check("grün".encode("iso-8859-15"), "iso-8859-15", "grün")
        self.check("日本".encode("iso-2022-jp"), "ISO-2022-JP", "日本")
        self.check("日本".encode("utf-16"), "utf-16", "日本")

    def test_wider_charsets(self) -> None:
        """Charsets that senders name too narrowly are read as mail clients read them."""
        self.check(b"\x93hi\x94 \x80", "iso-8859-1", "“hi” €")
        self.check("镕𠀀".encode("gb18030"), "gb2312", "镕𠀀")
        self.check("镕𠀀".encode("gb18030"), "GBK", "镕𠀀")
        self.check("똠".encode("cp949"), "ks_c_5601-1987", "똠")
        self.check("①".encode("cp932"), "Shift_JIS", "①")

    def test_other_names(self) -> None:
        """Names that Python does not know, but senders use, are known."""
        self.check(b"\x80", "ANSI", "€")
        self.check(b"\x81", "cp-850", "ü")
        self.check("ب".encode("iso8859-6"), "iso-8859-6-i", "ب")
        self.check("ש".encode("iso8859-8"), "iso-8859-8-i", "ש")
        self.check("日".encode("cp932"), "x-sjis", "日")

    def test_quotes_around_the_name(self) -> None:
        """Quotes and spaces around a charset's name do not count."""
        self.check("ü".encode(), " 'utf-8' ", "ü")

    def test_unknown(self) -> None:
        """Bytes in an unknown charset are read as UTF-8 if they are, and else as windows-1252."""
        unknown = "part: unknown charset 'nope'"
        self.check(b"hi", "nope", "hi", unknown)
        self.check(
            "ü".encode(),
            "nope",
            "ü",
            unknown,
            "part: bytes outside ASCII without a known charset, read as UTF-8",
        )
        self.check(
            b"\xfc",
            "nope",
            "ü",
            unknown,
            "part: bytes outside ASCII that are not UTF-8, read as windows-1252",
        )

    def test_no_windows_1252(self) -> None:
        """Bytes that are nothing in windows-1252 either are replaced."""
        note = "part: bytes outside ASCII that are not UTF-8, read as windows-1252"
        self.check(b"a\x81", "", "a\ufffd", note)

    def test_missing(self) -> None:
        """ASCII without a charset is nothing to note; other bytes are."""
        self.check(b"hi", "", "hi")
        self.check(b"hi", "us-ascii", "hi")
        self.check("ü".encode(), "", "ü", "part: bytes outside ASCII without a known charset, read as UTF-8")

    def test_wrong(self) -> None:
        """What is not valid in the declared charset is replaced, as a reader would see it."""
        self.check(b"gr\xfcn", "utf-8", "gr\ufffdn", "part: not valid utf-8")
        self.check(b"\xff\xfea\x00b", "utf-16", "a\ufffd", "part: not valid utf-16")

    def test_no_charsets(self) -> None:
        """Codecs that are no charsets, and names that are no names, are unknown charsets."""
        for name in (
            "hex", "zlib", "rot13", "base64", "quopri", "uu", "bz2", "idna", "punycode", "undefined",
            "unicode_escape", "raw-unicode-escape", "mbcs", "oem",
            "a\0b", "ü", "\udcff", "../x", "x" * 999, "..",
        ):  # fmt: skip
            with self.subTest(ascii(name)):
                self.check(b"a\\x41", name, "a\\x41", f"part: unknown charset {name!r}")

    def test_codec_that_cannot_replace(self) -> None:
        """A codec that raises in spite of being asked to replace is given up."""

        def refuse(data: object, errors: str = "strict") -> tuple[str, int]:
            raise UnicodeError

        def find(name: str) -> codecs.CodecInfo | None:
            info = codecs.CodecInfo(refuse, refuse, name="stubborn")  # type: ignore[arg-type]
            return info if name == "stubborn" else None

        codecs.register(find)
        self.addCleanup(codecs.unregister, find)
        self.check(b"hi", "stubborn", "hi", "part: not valid stubborn")

    def test_lone_surrogates(self) -> None:
        """No text holds a lone surrogate, which nothing could print: UTF-7 smuggles them in."""
        self.check(b"+2AA-", "utf-7", "\ufffd")


class WithoutSurrogates(unittest.TestCase):
    def test_smuggled_bytes(self) -> None:
        """Bytes that were smuggled in as surrogates are read as UTF-8."""
        self.assertEqual(without_surrogates("gr\udcc3\udcbcn"), "grün")

    def test_lone(self) -> None:
        """Surrogates that are no UTF-8 are replaced."""
        self.assertEqual(without_surrogates("\ud800 \udcff ü"), "\ufffd \ufffd ü")


class DecodeTransfer(unittest.TestCase):
    def check(self, data: bytes, encoding: str, wanted: bytes, *notes: str) -> None:
        told: list[str] = []
        self.assertEqual(decode_transfer(data, encoding, "part", told.append), wanted)
        self.assertEqual(told, list(notes))

    def test_plain(self) -> None:
        """Without an encoding bytes are themselves."""
        for encoding in ("", "7bit", "8bit", "binary"):
            with self.subTest(encoding):
                self.check(b"a=3D\xff", encoding, b"a=3D\xff")

    def test_quoted_printable(self) -> None:
        """Quoted-printable is decoded; what is none of it stays."""
        self.check(b"a=3Db=\r\nc=XY\xff", "quoted-printable", b"a=bc=XY\xff")

    def test_base64(self) -> None:
        """Base64 is decoded, line ends or not."""
        self.check(b"SGVs\r\nbG8=\r\n", "base64", b"Hello")

    def test_damaged_base64(self) -> None:
        """Of damaged base64 everything that can be read is read."""
        damaged = "part: damaged base64"
        self.check(b"SGVsbG8", "base64", b"Hello", damaged)  # no padding
        self.check(b"SGVs*bG8=", "base64", b"Hello", damaged)  # foreign characters
        self.check(b"SGVsbG8=SGVsbG8=", "base64", b"HelloHello", damaged)  # joined pieces
        self.check(b"SGVsbG8=A", "base64", b"Hello", damaged)  # six bits too many
        self.check(b"\xff\xfe", "base64", b"", damaged)

    def test_unknown(self) -> None:
        """An unknown encoding leaves the bytes as they are."""
        self.check(b"abc", "x-own", b"abc", "part: unknown transfer encoding 'x-own', left as it is")


class DecodeHeader(unittest.TestCase):
    def check(self, source: bytes, wanted: str, *notes: str) -> None:
        told: list[str] = []
        text = source.decode("ascii", "surrogateescape")
        self.assertEqual(read_field("Subject", text, told.append).value, wanted)
        self.assertEqual(told, list(notes))

    def test_words(self) -> None:
        """Encoded words are decoded, in either encoding and any case, and other text stays."""
        self.check(b"=?UTF-8?Q?gr=C3=BCn_x?= and =?utf-8?b?w7w=?=.", "grün x and ü.")

    def test_neighbours(self) -> None:
        """White space between encoded words is no text, and beside other text it is."""
        self.check(b"=?utf-8?q?a?=  =?iso-8859-1?q?b?= c =?utf-8?q?d?=", "ab c d")

    def test_cut_character(self) -> None:
        """A character that a sender cut in two words is whole."""
        self.check(b"=?utf-8?b?4oI=?= =?utf-8?b?rA==?= =?utf-8?q?=E2?= =?utf-8?q?=82=AC?=", "€€")

    def test_language(self) -> None:
        """A language after the charset is no part of it."""
        self.check(b"=?utf-8*de?q?gr=C3=BCn?=", "grün")

    def test_raw_utf8(self) -> None:
        """UTF-8 that is not encoded is read, as SMTPUTF8 allows."""
        self.check("grün".encode(), "grün")

    def test_raw_bytes(self) -> None:
        """Other bytes are read as windows-1252 and noted."""
        self.check(b"gr\xfcn\x81", "grün\ufffd", "Subject header: bytes that are not UTF-8, read as windows-1252")

    def test_unknown_charset(self) -> None:
        """A word in an unknown charset is mended as a text is."""
        self.check(b"=?nope?q?hi?=", "hi", "Subject header: unknown charset 'nope'")

    def test_damaged_word(self) -> None:
        """Damaged base64 is mended, and what only looks like an encoded word stays."""
        self.check(b"=?utf-8?b?SGVsbG8?=", "Hello", "Subject header: damaged base64")
        self.check(b"=?utf-8?x?hi?= =?utf-8?q?hi ?=?", "=?utf-8?x?hi?= hi ?")
        self.check(b"=?utf-8?q?=ZZ=4?=", "=ZZ=4")

    def test_stripped(self) -> None:
        """White space around a header's text is left out."""
        self.check(b"  a  ", "a")

    def test_time(self) -> None:
        """Half a megabyte of what begins like an encoded word is read in linear time."""
        for piece in (b"=?", b"=?a?q?", b"=?a", b"=?a?q?b?= "):
            with self.subTest(piece):
                read_field("Subject", (piece * 100_000).decode(), lambda _: None)

"""Bytes into text."""

from __future__ import annotations

import base64
import codecs
import unittest

from hypothesis import given
from hypothesis import strategies as st

from liveserver_testcase.mail.decoding import decode_text, decode_transfer
from liveserver_testcase.mail.decoding import remove_surrogates as without_surrogates
from liveserver_testcase.mail.headers import read_field
from tests.unit.mail import receive


class DecodeText(unittest.TestCase):
    def check(self, data: bytes, charset: str, wanted: str, *notes: str) -> None:
        told: list[str] = []
        self.assertEqual(decode_text(data, charset, "part", told.append), wanted)
        self.assertEqual(told, list(notes))

    def test_each(self) -> None:
        """Bytes are read as mail clients read them; what had to be guessed or replaced is noted."""
        unknown = "unknown charset 'nope'"
        as_utf8 = "bytes outside ASCII without a known charset, read as UTF-8"
        as_cp1252 = "bytes outside ASCII that are not UTF-8, read as windows-1252"
        for data, charset, wanted, *notes in (
            # charsets that Python knows
            ("grün".encode(), "UTF-8", "grün"),
            ("grün".encode("iso-8859-15"), "iso-8859-15", "grün"),
            ("日本".encode("iso-2022-jp"), "ISO-2022-JP", "日本"),
            ("日本".encode("utf-16"), "utf-16", "日本"),
            # those that senders name too narrowly
            (b"\x93hi\x94 \x80", "iso-8859-1", "“hi” €"),
            ("镕𠀀".encode("gb18030"), "gb2312", "镕𠀀"),
            ("镕𠀀".encode("gb18030"), "GBK", "镕𠀀"),
            ("똠".encode("cp949"), "ks_c_5601-1987", "똠"),
            ("①".encode("cp932"), "Shift_JIS", "①"),
            # names that senders use and Python does not know
            (b"\x80", "ANSI", "€"),
            (b"\x81", "cp-850", "ü"),
            ("ب".encode("iso8859-6"), "iso-8859-6-i", "ب"),
            ("ש".encode("iso8859-8"), "iso-8859-8-i", "ש"),
            ("日".encode("cp932"), "x-sjis", "日"),
            ("ü".encode(), " 'utf-8' ", "ü"),
            # unknown ones, and none
            (b"hi", "nope", "hi", unknown),
            ("ü".encode(), "nope", "ü", unknown, as_utf8),
            (b"\xfc", "nope", "ü", unknown, as_cp1252),
            (b"a\x81", "", "a\ufffd", as_cp1252),
            (b"hi", "", "hi"),
            (b"hi", "us-ascii", "hi"),
            ("ü".encode(), "", "ü", as_utf8),
            # what is not valid is replaced, as a reader would see it
            (b"gr\xfcn", "utf-8", "gr\ufffdn", "not valid utf-8"),
            (b"\xff\xfea\x00b", "utf-16", "a\ufffd", "not valid utf-16"),
            (b"+2AA-", "utf-7", "\ufffd"),  # a lone surrogate, which nothing could print
        ):
            with self.subTest(data=data, charset=charset):
                self.check(data, charset, wanted, *(f"part: {note}" for note in notes))

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


# WHATWG Encoding §4.2, by Python's name of the charset; without those that stand for no charset.
LABELS = """
utf-8: unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 x-unicode20utf8
cp866: 866 cp866 csibm866 ibm866
iso8859-2: csisolatin2 iso-8859-2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 l2 latin2
iso8859-3: csisolatin3 iso-8859-3 iso-ir-109 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988 l3 latin3
iso8859-4: csisolatin4 iso-8859-4 iso-ir-110 iso8859-4 iso88594 iso_8859-4 iso_8859-4:1988 l4 latin4
iso8859-5: csisolatincyrillic cyrillic iso-8859-5 iso-ir-144 iso8859-5 iso88595 iso_8859-5 iso_8859-5:1988
iso8859-6: arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6 iso-8859-6-e
    iso-8859-6-i iso-ir-127 iso8859-6 iso88596 iso_8859-6 iso_8859-6:1987
iso8859-7: csisolatingreek ecma-118 elot_928 greek greek8 iso-8859-7 iso-ir-126 iso8859-7 iso88597 iso_8859-7
    iso_8859-7:1987 sun_eu_greek
iso8859-8: csiso88598e csisolatinhebrew hebrew iso-8859-8 iso-8859-8-e iso-ir-138 iso8859-8 iso88598
    iso_8859-8 iso_8859-8:1988 visual csiso88598i iso-8859-8-i logical
iso8859-10: csisolatin6 iso-8859-10 iso-ir-157 iso8859-10 iso885910 l6 latin6
iso8859-13: iso-8859-13 iso8859-13 iso885913
iso8859-14: iso-8859-14 iso8859-14 iso885914
iso8859-15: csisolatin9 iso-8859-15 iso8859-15 iso885915 iso_8859-15 l9
iso8859-16: iso-8859-16
koi8-r: cskoi8r koi koi8 koi8-r koi8_r
koi8-u: koi8-ru koi8-u
mac-roman: csmacintosh mac macintosh x-mac-roman
cp874: dos-874 iso-8859-11 iso8859-11 iso885911 tis-620 windows-874
cp1250: cp1250 windows-1250 x-cp1250
cp1251: cp1251 windows-1251 x-cp1251
cp1252: cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 iso88591 iso_8859-1 iso_8859-1:1987 l1
    latin1 windows-1252 x-cp1252
ascii: ascii us-ascii
cp1253: cp1253 windows-1253 x-cp1253
cp1254: cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9 iso_8859-9:1989 l5 latin5
    windows-1254 x-cp1254
cp1255: cp1255 windows-1255 x-cp1255
cp1256: cp1256 windows-1256 x-cp1256
cp1257: cp1257 windows-1257 x-cp1257
cp1258: cp1258 windows-1258 x-cp1258
mac-cyrillic: x-mac-cyrillic x-mac-ukrainian
gb18030: chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 gbk iso-ir-58 x-gbk gb18030
big5hkscs: big5 big5-hkscs cn-big5 csbig5 x-x-big5
euc_jp: cseucpkdfmtjapanese euc-jp x-euc-jp
iso2022_jp: csiso2022jp iso-2022-jp
cp932: csshiftjis ms932 ms_kanji shift-jis shift_jis sjis windows-31j x-sjis
cp949: cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601
    windows-949
utf-16-be: unicodefffe utf-16be
utf-16-le: csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16le
utf-16: utf-16
"""


class Labels(unittest.TestCase):
    """Charsets by the labels that mail programs write."""

    def check(self, charset: str, data: bytes, wanted: str) -> None:
        body = base64.encodebytes(data).decode()
        email = receive(f"Content-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: base64\n\n{body}")
        self.assertEqual((email.text, email.defects), (wanted, []))

    def test_each(self) -> None:
        """Each label of the table is known, in capitals, too."""
        samples = {
            "cp866": "привет", "cp874": "ก", "cp932": "①", "cp949": "똠", "big5hkscs": "䏰", "gb18030": "你好",
            "euc_jp": "あ", "iso2022_jp": "あ", "koi8-r": "привет", "koi8-u": "їжак", "mac-roman": "é",
            "mac-cyrillic": "привет", "cp1251": "привет", "cp1252": "“€”", "cp1254": "“ş”", "iso8859-2": "żółw",
        }  # fmt: skip
        for line in LABELS.replace("\n    ", " ").strip().splitlines():
            codec, _, labels = line.partition(": ")
            sample = samples.get(codec, "abc")
            for label in labels.split():
                with self.subTest(label):
                    self.check(f'"{label}"', sample.encode(codec), sample)
                    self.check(f'"{label.upper()}"', sample.encode(codec), sample)

    def test_wider_tables(self) -> None:
        """Where WHATWG's table has more than the name, or Python's codec of it, says, that is read."""
        for charset, data, wanted in (
            # the rows of NEC and IBM, and half-width kana
            ("iso-2022-jp", b"\x1b$B-!-\x22\x1b(B", "①②"),
            ("iso-2022-jp", b"\x1b$B|b\x1b(B", "髙"),
            ("iso-2022-jp", b"\x1b(I1234\x1b(B", "ｱｲｳｴ"),
            ("iso-2022-jp", "一行\n二行 abc".encode("iso-2022-jp"), "一行\n二行 abc"),
            ("euc-jp", b"\xad\xa1", "①"),
            ("euc-jp", b"\xfc\xe2\x8e\xb1", "髙ｱ"),
            ("iso-8859-9", b"\x93x\x94", "“x”"),
            ("tis-620", b"\xa1\x80", "ก€"),
            ("iso-8859-11", b"\xa1\x80", "ก€"),
            ("big5", b"\x87\x40", "䏰"),
            ("big5", b"\xa3\xe1", "€"),
            ("unicode", "é".encode("utf-16-le"), "é"),
        ):
            with self.subTest(charset=charset, wanted=wanted):
                self.check(charset, data, wanted)

    @given(st.sampled_from(["iso-2022-jp", "euc-jp", "shift_jis", "gb2312", "gbk", "big5", "euc-kr"]), st.data())
    def test_what_python_writes(self, charset: str, data: st.DataObject) -> None:
        """What Python's codec of that name writes is read as it was."""
        letters = "日本語中国你好한글안녕abc 12\n、。「」" + ("" if charset == "big5" else "あいうアイウー々")
        known = [char for char in letters if char.encode(charset, "ignore")]
        text = data.draw(st.text(known, max_size=40)).rstrip("\n")
        self.check(charset, text.encode(charset), text)

    @given(st.sampled_from(["iso-2022-jp", "euc-jp", "big5", "utf-16", "gb18030", "hz", "x-mac-cyrillic"]), st.binary())
    def test_any_bytes(self, charset: str, data: bytes) -> None:
        """Of any bytes in any charset there is a text that every output can print."""
        decode_text(data, charset, "", lambda _: None).encode()


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

    def test_each(self) -> None:
        """Whatever can be read is read; what is damaged or unknown is noted."""
        damaged = "damaged base64"
        for data, encoding, wanted, *notes in (
            *((b"a=3D\xff", encoding, b"a=3D\xff") for encoding in ("", "7bit", "8bit", "binary")),
            (b"a=3Db=\r\nc=XY\xff", "quoted-printable", b"a=bc=XY\xff"),
            (b"SGVs\r\nbG8=\r\n", "base64", b"Hello"),
            (b"SGVsbG8", "base64", b"Hello", damaged),  # no padding
            (b"SGVs*bG8=", "base64", b"Hello", damaged),  # foreign characters
            (b"SGVsbG8=SGVsbG8=", "base64", b"HelloHello", damaged),  # joined pieces
            (b"SGVsbG8=A", "base64", b"Hello", damaged),  # six bits too many
            (b"\xff\xfe", "base64", b"", damaged),
            (b"abc", "x-own", b"abc", "unknown transfer encoding 'x-own', left as it is"),
        ):
            with self.subTest(data=data, encoding=encoding):
                self.check(data, encoding, wanted, *(f"part: {note}" for note in notes))


class DecodeHeader(unittest.TestCase):
    def check(self, source: bytes, wanted: str, *notes: str) -> None:
        told: list[str] = []
        text = source.decode("ascii", "surrogateescape")
        self.assertEqual(read_field("Subject", text, told.append).value, wanted)
        self.assertEqual(told, list(notes))

    def test_each(self) -> None:
        """Encoded words are decoded, and other text stays; what had to be mended is noted."""
        for source, wanted, *notes in (
            (b"=?UTF-8?Q?gr=C3=BCn_x?= and =?utf-8?b?w7w=?=.", "grün x and ü."),
            (b"=?utf-8?q?a?=  =?iso-8859-1?q?b?= c =?utf-8?q?d?=", "ab c d"),  # space between words is no text
            # a character that a sender cut in two words
            (b"=?utf-8?b?4oI=?= =?utf-8?b?rA==?= =?utf-8?q?=E2?= =?utf-8?q?=82=AC?=", "€€"),
            (b"=?utf-8*de?q?gr=C3=BCn?=", "grün"),  # a language after the charset
            ("grün".encode(), "grün"),  # as SMTPUTF8 allows
            (b"gr\xfcn\x81", "grün\ufffd", "bytes that are not UTF-8, read as windows-1252"),
            (b"=?nope?q?hi?=", "hi", "unknown charset 'nope'"),
            (b"=?utf-8?b?SGVsbG8?=", "Hello", "damaged base64"),
            # what only looks like an encoded word
            (b"=?utf-8?x?hi?= =?utf-8?q?hi ?=?", "=?utf-8?x?hi?= hi ?"),
            (b"=?utf-8?q?=ZZ=4?=", "=ZZ=4"),
            (b"  a  ", "a"),
        ):
            with self.subTest(source=source):
                self.check(source, wanted, *(f"Subject header: {note}" for note in notes))

    def test_time(self) -> None:
        """Half a megabyte of what begins like an encoded word is read in linear time."""
        for piece in (b"=?", b"=?a?q?", b"=?a", b"=?a?q?b?= "):
            with self.subTest(piece):
                read_field("Subject", (piece * 100_000).decode(), lambda _: None)

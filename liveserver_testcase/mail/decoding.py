"""The texts of an email: transfer encodings (RFC 2045 §6), charsets and format=flowed (RFC 3676), decoded.

Nothing here raises on what was received: the best reading is returned, and what had to be mended is given to
``on_defect``.  Charsets are looked up as browsers and mail clients do, by the WHATWG table of labels: senders write
"iso-8859-1" and mean windows-1252, or "gb2312" and mean GB 18030.  The codecs are Python's; where WHATWG's table has
characters that Python's codec of that name lacks, a wider codec is taken.
"""

from __future__ import annotations

import binascii
import codecs
import re
from collections.abc import Callable
from typing import TypeAlias

__all__ = [
    "OnDefect", "decode_base64", "decode_text", "decode_transfer", "remove_surrogates", "split_uuencoded",
    "unwrap_flowed",
]  # fmt: skip

OnDefect: TypeAlias = Callable[[str], None]
"""Called with one phrase for each thing that had to be mended, guessed or left out."""

# Labels of WHATWG Encoding §4.2 that Python does not know, by the name of Python's codec; a few more that senders use.
_LABELS = {
    label: codec
    for codec, labels in {
        "utf_8": "unicode-1-1-utf-8 unicode11utf8 unicode20utf8 x-unicode20utf8",
        "utf_16_le": "csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff",
        "utf_16_be": "unicodefffe",
        "cp866": "ibm866 csibm866",
        "cp850": "cp-850",
        "iso8859_2": "iso88592",
        "iso8859_3": "iso88593",
        "iso8859_4": "iso88594",
        "iso8859_5": "iso88595",
        "iso8859_6": "csiso88596e csiso88596i iso-8859-6-e iso-8859-6-i iso88596",
        "iso8859_7": "iso88597 sun_eu_greek",
        "iso8859_8": "csiso88598e csiso88598i iso-8859-8-e iso-8859-8-i iso88598 logical visual",
        "iso8859_10": "iso885910",
        "iso8859_13": "iso885913",
        "iso8859_14": "iso885914",
        "iso8859_15": "csisolatin9 iso885915",
        "koi8_r": "koi koi8 koi8_r",
        "koi8_u": "koi8-ru",
        "mac_roman": "csmacintosh mac x-mac-roman",
        "mac_cyrillic": "x-mac-cyrillic x-mac-ukrainian",
        "cp874": "dos-874 iso885911 windows-874",
        "cp1252": "ansi iso88591",
        "cp1254": "iso88599",
        **{f"cp{number}": f"x-cp{number}" for number in (1250, 1251, 1253, 1255, 1256, 1257, 1258)},
        "gb18030": "csgb2312 gb_2312 gb_2312-80 x-gbk",
        "big5hkscs": "cn-big5 x-x-big5",
        "euc_jp": "cseucpkdfmtjapanese x-euc-jp",
        "cp932": "csshiftjis shift-jis windows-31j x-sjis",
        "cp949": "csksc56011987 cseuckr iso-ir-149 ks_c_5601-1989 ksc5601 ksc_5601 windows-949",
    }.items()
    for label in labels.split()
}
_LABELS["x-cp1252"] = "cp1252"
_LABELS["x-cp1254"] = "cp1254"
# Python's name of a charset, and the larger one that the same label stands for in WHATWG's table.
_WIDER = {
    "big5": "big5hkscs",
    "euc_kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "shift_jis": "cp932",
}
# Codecs of Python that are no charset of an email: some warn, some run escapes, some refuse to replace what is wrong.
_NOT_CHARSETS = frozenset({"idna", "mbcs", "oem", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})
_CHARSET_NAME = re.compile(r"[A-Za-z0-9_.:+()-]{1,60}")

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")

# One character of EUC-JP, and one run of ISO-2022-JP with the escape sequence that chooses its character set.
_EUC_DOUBLE = re.compile(rb"[\xa1-\xfe]{2}")
_EUC_PIECES = re.compile(
    rb"(?:\x8e[\xa1-\xdf]|\x8f[\xa1-\xfe]{2})+|(?:[\xa1-\xfe]{2})+|[^\xa1-\xfe\x8e\x8f]+|.", re.DOTALL
)
_JIS_PAIR = re.compile(rb"([\x21-\x7e]|.)((?<=[\x21-\x7e])[\x21-\x7e]|)", re.DOTALL)
_JIS_RUN = re.compile(rb"(\x1b\$[@B]|\x1b\(I|\x1b[$(]+[^\x1b]|)([^\x1b]*)", re.DOTALL)


def remove_surrogates(text: str) -> str:
    """Return ``text`` as every output can print it: bytes smuggled in as surrogates read, lone ones replaced."""
    if text.isascii() or not _LONE_SURROGATE.search(text):
        return text
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeError:
        return _LONE_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


def decode_text(data: bytes, charset: str, what: str, on_defect: OnDefect) -> str:
    """Return ``data`` as text; ``what`` names the part in a defect, as in ``text/plain part``.

    A charset that is missing, unknown or ASCII is guessed: UTF-8 where the bytes are UTF-8, else windows-1252.  A
    charset that is known is taken, and what is not valid in it becomes U+FFFD, so that a test sees what a reader
    would see.  Source: WHATWG Encoding, §4.2.
    """
    codec = _find_codec(charset)
    if codec is None and charset:
        on_defect(f"{what}: unknown charset {charset!r}")
    if codec is None or codec == "ascii":
        return _guess(data, what, on_defect)
    decode = _DECODERS.get(codec) or (lambda raw, errors: raw.decode(codec, errors))
    try:
        return remove_surrogates(decode(data, "strict"))
    except UnicodeError:
        on_defect(f"{what}: not valid {charset}")
    try:
        return remove_surrogates(decode(data, "replace"))
    except UnicodeError:  # a codec that cannot replace
        return _guess(data, what, on_defect)


def _find_codec(charset: str) -> str | None:
    """Return Python's name of a charset; None if it is not known, or is no charset."""
    name = charset.strip().strip("'\"").lower()
    name = _LABELS.get(name, name)
    if not _CHARSET_NAME.fullmatch(name):
        return None
    try:
        codec = codecs.lookup(name).name
        codec = _WIDER.get(codec, codec)
        if codec.replace("_", "-") in _NOT_CHARSETS:
            return None
        b"x".decode(codec)  # LookupError for a codec that is not of text: hex, zlib, rot13
    except LookupError:
        return None
    except UnicodeError:
        # One byte is not enough for UTF-16 and UTF-32.
        pass
    return codec


def _guess(data: bytes, what: str, on_defect: OnDefect) -> str:
    if data.isascii():
        return data.decode("ascii")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        on_defect(f"{what}: bytes outside ASCII that are not UTF-8, read as windows-1252")
        return data.decode("cp1252", "replace")
    on_defect(f"{what}: bytes outside ASCII without a known charset, read as UTF-8")
    return text


def _decode_euc_jp(data: bytes, errors: str) -> str:
    """Decode EUC-JP with the rows of NEC and IBM, which Python has in its codec of Shift_JIS only."""
    return "".join(
        _decode_jis_pairs(bytes(byte & 0x7F for byte in piece), errors)
        if _EUC_DOUBLE.match(piece)
        else piece.decode("euc_jp", errors)
        for piece in _EUC_PIECES.findall(data)
    )


def _decode_iso_2022_jp(data: bytes, errors: str) -> str:
    """Decode ISO-2022-JP with the rows of NEC and IBM, and with half-width kana."""
    pieces = []
    for escape, run in _JIS_RUN.findall(data):
        if escape in (b"\x1b$@", b"\x1b$B"):
            pieces.append(_decode_jis_pairs(run, errors))
        else:
            pieces.append((escape + run).decode("iso2022_jp_ext", errors))
    return "".join(pieces)


def _decode_big5(data: bytes, errors: str) -> str:
    """Decode Big5 with the characters of Hong Kong, or else with those of Windows."""
    try:
        return data.decode("big5hkscs")
    except UnicodeError:
        try:
            return data.decode("cp950")
        except UnicodeError:
            return data.decode("big5hkscs", errors)


def _decode_jis_pairs(run: bytes, errors: str) -> str:
    """Decode pairs of JIS X 0208; in the rows of NEC and IBM, 13 and 89 to 92, by way of Shift_JIS."""
    pieces = []
    for first, second in _JIS_PAIR.findall(run):
        if second and (first == b"\x2d" or b"\x79" <= first <= b"\x7c"):
            row, cell = first[0], second[0]
            lead = (row - 0x21) // 2 + (0x81 if row <= 0x5E else 0xC1)
            trail = cell + 0x7E if row % 2 == 0 else cell + (0x1F if cell <= 0x5F else 0x20)
            pieces.append(bytes([lead, trail]).decode("cp932", errors))
        else:
            # Without a second byte it is white space, which stands for itself, or half a pair.
            pieces.append(
                bytes(byte | 0x80 if byte > 0x20 else byte for byte in first + second).decode("euc_jp", errors)
            )
    return "".join(pieces)


# Charsets for which no codec of Python has every character.
_DECODERS: dict[str, Callable[[bytes, str], str]] = {
    "big5hkscs": _decode_big5,
    "euc_jp": _decode_euc_jp,
    "iso2022_jp": _decode_iso_2022_jp,
}


# -- transfer encodings, and the line breaks of format=flowed

_BASE64 = re.compile(rb"[A-Za-z0-9+/]*={0,2}")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]+")
_UUENCODE = frozenset({"x-uuencode", "uuencode", "x-uue", "uue"})
# A file in a text: its name, and lines of which the first character is the number of bytes that follow, 1 to 45.
_UUENCODED_FILE = re.compile(
    r"^begin [0-7]{3,4} (\S[^\n]*)\n((?:[!-M][ -`]{0,84}\n)+)(?:[` ]?\n)?end *(?:\n|\Z)", re.MULTILINE
)
_QUOTED_LINE = re.compile(r"(>*) ?(.*)", re.DOTALL)


def decode_transfer(data: bytes, encoding: str, what: str, on_defect: OnDefect) -> bytes:
    """Return ``data`` without its transfer encoding, or as it is if that is unknown."""
    if encoding in {"", "7bit", "8bit", "binary"}:
        return data
    if encoding == "quoted-printable":
        return binascii.a2b_qp(data)
    if encoding == "base64":
        return decode_base64(data, what, on_defect)
    if encoding in _UUENCODE:
        return _decode_uuencode(data, what, on_defect)
    on_defect(f"{what}: unknown transfer encoding {encoding!r}, left as it is")
    return data


def decode_base64(data: bytes, what: str, on_defect: OnDefect) -> bytes:
    """Return base64 decoded; of damaged base64 everything that can be read."""
    compact = data.translate(None, b" \t\r\n")
    if len(compact) % 4 == 0 and _BASE64.fullmatch(compact):
        return binascii.a2b_base64(compact)
    on_defect(f"{what}: damaged base64")
    decoded = bytearray()
    # Padding in the middle ends a run: some senders join encoded pieces.
    for run in _NOT_BASE64.sub(b"", compact).split(b"="):
        usable = len(run) - (len(run) % 4 == 1)  # six bits alone are no byte
        decoded += binascii.a2b_base64(run[:usable] + b"=" * (-usable % 4))
    return bytes(decoded)


def _decode_uuencode(data: bytes, what: str, on_defect: OnDefect) -> bytes:
    """Return what stands between ``begin`` and ``end``, or else ``data``."""
    lines = iter(data.splitlines())
    if not any(re.match(rb"begin [0-7]{3,4} ", line) for line in lines):
        on_defect(f"{what}: no uuencode, left as it is")
        return data
    decoded = bytearray()
    for line in lines:
        if line.strip() in (b"end", b"", b"`"):
            break
        # A line begins with its number of bytes; some senders pad it with more, which Python refuses.
        usable = (((line[0] - 32) & 63) * 4 + 5) // 3
        try:
            decoded += binascii.a2b_uu(line[:usable])
        except binascii.Error:
            on_defect(f"{what}: damaged uuencode")
    return bytes(decoded)


def split_uuencoded(text: str) -> tuple[str, list[tuple[str, bytes]]]:
    """Return a text without the files that stand in it in uuencode, as before MIME, and their names and contents."""
    files: list[tuple[str, bytes]] = []

    def take(match: re.Match[str]) -> str:
        defects: list[str] = []
        content = _decode_uuencode(match[0].encode(), "", defects.append)
        if defects:
            return match[0]
        files.append((match[1].strip(), content))
        return ""

    return (_UUENCODED_FILE.sub(take, text) if "\nend" in text else text), files


def unwrap_flowed(text: str, *, delsp: bool) -> str:
    """Return a text of ``format=flowed`` with each paragraph on one line, as its writer had it.

    With ``delsp`` the space at which a line was broken goes, too.  Source: RFC 3676 §4.
    """
    paragraphs: list[list[str]] = []  # each the pieces of one line
    open_depth: int | None = None  # how deep the line is quoted that goes on; None if it does not
    for line in text.split("\n"):
        quoted, content = _QUOTED_LINE.fullmatch(line).groups()  # type: ignore[union-attr]  # it matches any line
        goes_on = content.endswith(" ") and content != "-- "  # which stands before a signature
        if open_depth != len(quoted) or content == "-- ":
            paragraphs.append([f"{quoted} "] if quoted else [])
        paragraphs[-1].append(content[:-1] if goes_on and delsp else content)
        open_depth = len(quoted) if goes_on else None
    return "\n".join(map("".join, paragraphs))

"""Bytes of a mail into text, whatever its sender did to them.

Nothing here raises on what was received: the best reading is returned, and what had to be mended is told to a
`Note`. The decoders of the standard library's ``email`` package are not used for this, because they raise on
hostile input, and on different input in each version of Python.
"""

from __future__ import annotations

import binascii
import codecs
import re
from collections.abc import Callable
from typing import TypeAlias

__all__ = [
    "Note",
    "decode_header",
    "decode_text",
    "decode_transfer",
    "encoded_words",
    "header_source",
    "without_surrogates",
]

Note: TypeAlias = Callable[[str], None]
"""Where a reader says what it had to mend: one phrase for each thing."""

# Names that senders use and Python does not know.
_ALIASES = {
    "ansi": "cp1252",
    "cp-850": "cp850",
    "iso-8859-6-i": "iso8859-6",
    "iso-8859-8-i": "iso8859-8",
    "x-sjis": "cp932",
}
# Python's name for a charset, and the larger one that senders mean by it, and browsers and mail clients read
# (WHATWG Encoding, §4.2): Windows writes curly quotes into "iso-8859-1".
_WIDER = {
    "euc_kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "iso8859-1": "cp1252",
    "shift_jis": "cp932",
}
# Codecs of Python that are no charset of a mail: some warn, some run escapes, some refuse to replace what is
# wrong.
_NOT_CHARSETS = frozenset({"idna", "mbcs", "oem", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})
_CHARSET_NAME = re.compile(r"[A-Za-z0-9_.:+()-]{1,60}")

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")

# RFC 2047 §2, and RFC 2231 §5 for the language after "*".  Spaces inside are not allowed but sent.
_ENCODED_WORD = re.compile(r"=\?([^?*\s]{1,60})(?:\*[^?\s]{0,60})?\?([bBqQ])\?([^?\r\n]*)\?=")

_HEX_PAIR = re.compile(rb"=([0-9A-Fa-f]{2})")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]*={0,2}")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]+")


def without_surrogates(text: str) -> str:
    """`text` as every output can print it: bytes smuggled in as surrogates are read, lone ones replaced."""
    if text.isascii() or not _LONE_SURROGATE.search(text):
        return text
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeError:
        return _LONE_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


def decode_text(data: bytes, charset: str, what: str, note: Note) -> str:
    """`data` as text.

    A charset that is missing, unknown or ASCII is guessed: UTF-8 where the bytes are UTF-8, else
    windows-1252.  A charset that is known is believed, and what is not valid in it becomes U+FFFD, so that a
    test sees what a reader would see.

    Args:
        data: The bytes, transfer encoding already removed.
        charset: As declared; empty for none.
        what: Names the part in a note, as in ``text/plain part``.
        note: Told what was mended.
    """
    codec = _codec_of(charset)
    if codec is None and charset:
        note(f"{what}: unknown charset {charset!r}")
    if codec is None or codec == "ascii":
        return _guess(data, what, note)
    try:
        return without_surrogates(data.decode(codec))
    except UnicodeError:
        note(f"{what}: not valid {charset}")
    try:
        return without_surrogates(data.decode(codec, "replace"))
    except UnicodeError:  # a codec that cannot replace
        return _guess(data, what, note)


def _codec_of(charset: str) -> str | None:
    """Python's name for a charset; None for one that it does not know, or that is no charset."""
    name = charset.strip().strip("'\"").lower()
    name = _ALIASES.get(name, name)
    if not _CHARSET_NAME.fullmatch(name):
        return None
    try:
        codec = codecs.lookup(name).name
        codec = _WIDER.get(codec, codec)
        if codec.replace("_", "-") in _NOT_CHARSETS:
            return None
        b"x".decode(codec)  # LookupError for a codec that is not of text: hex, zlib, rot13 ...
    except LookupError:
        return None
    except UnicodeError:  # one byte is not enough for it: UTF-16 and UTF-32
        pass
    return codec


def _guess(data: bytes, what: str, note: Note) -> str:
    if data.isascii():
        return data.decode("ascii")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        note(f"{what}: bytes outside ASCII that are not UTF-8, read as windows-1252")
        return data.decode("cp1252", "replace")
    note(f"{what}: bytes outside ASCII without a known charset, read as UTF-8")
    return text


def decode_transfer(data: bytes, encoding: str, what: str, note: Note) -> bytes:
    """`data` without its transfer encoding (RFC 2045 §6), or as it is if that is unknown."""
    if encoding in {"", "7bit", "8bit", "binary"}:
        return data
    if encoding == "quoted-printable":
        return binascii.a2b_qp(data)
    if encoding == "base64":
        return _decode_base64(data, what, note)
    note(f"{what}: unknown transfer encoding {encoding!r}, left as it is")
    return data


def _decode_base64(data: bytes, what: str, note: Note) -> bytes:
    compact = data.translate(None, b" \t\r\n")
    if len(compact) % 4 == 0 and _BASE64.fullmatch(compact):
        return binascii.a2b_base64(compact)
    note(f"{what}: damaged base64")
    decoded = bytearray()
    # padding in the middle ends a run: some senders join encoded pieces
    for run in _NOT_BASE64.sub(b"", compact).split(b"="):
        usable = len(run) - (len(run) % 4 == 1)  # six bits alone are no byte
        decoded += binascii.a2b_base64(run[:usable] + b"=" * (-usable % 4))
    return bytes(decoded)


def decode_header(source: str, name: str, note: Note) -> str:
    """The text of a header field: bytes outside ASCII read, encoded words decoded, stripped.

    Args:
        source: Unfolded; ASCII, and every other byte as a surrogate (``surrogateescape``), as Python's parser
            gives it.
        name: The field's name, for a note.
        note: Told what was mended.

    Source:
        RFC 2047, RFC 6532 (UTF-8 in headers).
    """
    return encoded_words(header_source(source, name, note), f"{name} header", note).strip()


def header_source(source: str, name: str, note: Note) -> str:
    """A header field with bytes outside ASCII read, its encoded words still encoded."""
    if source.isascii():
        return source
    data = source.encode("utf-8", "surrogateescape")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        note(f"{name} header: bytes that are not UTF-8, read as windows-1252")
        return data.decode("cp1252", "replace")


def encoded_words(text: str, what: str, note: Note) -> str:
    """`text` with its encoded words decoded (RFC 2047), also where the rules allow none, as mail clients do.

    `what` names the text in a note.  Neighbours in one charset are joined before they are decoded, because
    senders cut characters in two.
    """
    if "=?" not in text:
        return text
    pieces: list[str] = []
    charset, pending, end = "", bytearray(), 0

    def flush() -> None:
        if pending:
            pieces.append(decode_text(bytes(pending), charset, what, note))
            pending.clear()

    for word in _ENCODED_WORD.finditer(text):
        between = text[end : word.start()]
        # white space between two words is not text
        neighbour = end > 0 and (not between or between.isspace())
        if not neighbour or word[1].lower() != charset:
            flush()
        if not neighbour:
            pieces.append(between)
        charset, end = word[1].lower(), word.end()
        pending += _decode_word(word[2], word[3], what, note)
    flush()
    return "".join([*pieces, text[end:]])


def _decode_word(encoding: str, content: str, what: str, note: Note) -> bytes:
    data = content.encode("utf-8", "replace")
    if encoding in "bB":
        return _decode_base64(data, what, note)
    return _HEX_PAIR.sub(lambda pair: bytes([int(pair[1], 16)]), data.replace(b"_", b" "))

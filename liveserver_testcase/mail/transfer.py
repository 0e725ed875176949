"""Transfer encodings (RFC 2045 §6) and the line breaks of format=flowed (RFC 3676), undone; nothing here raises."""

from __future__ import annotations

import binascii
import re

from .charsets import OnDefect

__all__ = ["decode_base64", "decode_transfer", "split_uuencoded", "unwrap_flowed"]

_BASE64 = re.compile(rb"[A-Za-z0-9+/]*={0,2}")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]+")
_UUENCODE = frozenset({"x-uuencode", "uuencode", "x-uue", "uue"})
# A file in a text: its name, and lines of which the first character says how many bytes follow, 1 to 45.
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
    """Return what base64 says; of damaged base64 everything that can be read."""
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
        # A line says how many bytes it has; some senders pad it with more, which Python refuses.
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
    r"""Return a text of ``format=flowed`` with each paragraph on one line, as its writer had it.

    Args:
        text: With ``\n`` for line ends.
        delsp: Whether the space at which a line was broken goes, too.

    Source:
        RFC 3676 §4.
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

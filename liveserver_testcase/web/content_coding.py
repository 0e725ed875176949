"""The Content-Encoding of a message, taken off.  Source: RFC 9110, 8.4."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import NamedTuple

from ..core.text import describe_error

__all__ = ["MAX_CONTENT", "DecodedContent", "decode_content", "take_coding_off"]

MAX_CONTENT = 256 * 1024 * 1024
"""Bytes that a compressed body may have when it is decoded: a few kilobytes can become gigabytes."""


class DecodedContent(NamedTuple):
    """A body without its Content-Encoding.

    Attributes:
        content: The body as far as it could be decoded; empty where there is a problem.
        left: A coding that is not known here, such as ``aws-chunked``, and stays on; empty for none.
        problem: Why a coding that is known could not be taken off; empty if all could.
    """

    content: bytes
    left: str = ""
    problem: str = ""


def decode_content(body: bytes, coding: str) -> DecodedContent:
    """Take the codings off that a Content-Encoding names."""
    content = body
    for name in reversed([each.strip().lower() for each in coding.split(",") if each.strip()]):
        if name == "identity":
            continue
        decode = _CODINGS.get(name)
        if decode is None:
            return DecodedContent(content, left=name)
        try:
            content = decode(content)
        except ImportError:
            return DecodedContent(b"", problem="to decode the Content-Encoding br, install brotli")
        except Exception as error:  # each library has its own
            problem = f"its Content-Encoding is {name}, and it is not: {describe_error(error)}"
            return DecodedContent(b"", problem=problem)
    return DecodedContent(content)


def take_coding_off(body: bytes, coding: str) -> bytes | None:
    """Return the body without its Content-Encoding; None if it has none, or that cannot be taken off."""
    content, left, problem = decode_content(body, coding)
    return None if left or problem or not coding else content


def _gunzip(data: bytes) -> bytes:
    content, rest = _inflate(data, 31)
    while rest.strip(b"\0"):  # several members are one content: RFC 1952, 2.2
        member, rest = _inflate(rest, 31)
        content += member
    return content


def _decode_deflate(data: bytes) -> bytes:
    try:
        return _inflate(data, zlib.MAX_WBITS)[0]
    except zlib.error:  # "some non-conformant implementations" leave the zlib wrapper out: RFC 9110, 8.4.1.2
        return _inflate(data, -zlib.MAX_WBITS)[0]


def _inflate(data: bytes, wbits: int) -> tuple[bytes, bytes]:
    """The content, and what follows it."""
    decoder = zlib.decompressobj(wbits)
    content = decoder.decompress(data, MAX_CONTENT)
    if decoder.unconsumed_tail:
        raise ValueError(f"it has more than {MAX_CONTENT:,} bytes")
    if not decoder.eof:
        raise ValueError("it is incomplete")
    return content, decoder.unused_data


def _decode_brotli(data: bytes) -> bytes:
    try:
        import brotli  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        import brotlicffi as brotli  # type: ignore[import-not-found,unused-ignore]
    return bytes(brotli.decompress(data))


_CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _decode_deflate,
    "br": _decode_brotli,
}

"""A request as a command for the shell."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from ..core.masking import mask, mask_header
from .parsing import decode_octets

if TYPE_CHECKING:
    from .request import RecordedRequest

__all__ = ["write_curl"]

# What clients send by themselves; of a command that is only read it is left out.
_NOISE = ("accept-encoding", "connection", "expect", "transfer-encoding", "user-agent")
_LONGEST = 2000  # bytes of a body that still stands in a line
_PLAIN = re.compile(r"/[\w\-.~!$&'()*+,;=:@%/{}\[\]]*(\?[\w\-.~!$&'()*+,;=:@%/?{}\[\]]+)?", re.ASCII)
_GLOBBED = re.compile(r"[][{}]")
_DOTS = re.compile(r"/(?:\.|%2[Ee]){1,2}(?:[/?]|\Z)")


def write_curl(request: RecordedRequest, base_url: str, *, secrets: bool = False) -> str:
    """The command that sends ``request`` again, to the stub and to nobody else, whatever host the request names.

    Args:
        request: The request.
        base_url: The stub's.
        secrets: Whether it is exact: with passwords, tokens and keys, and with what clients send by themselves.
            Otherwise ``***`` stands for the first, and the second is left out.
    """
    parts = ["curl", "--noproxy", "'*'"]
    if base_url.startswith("https:"):
        parts.append("--insecure")
    if request.head.version == "HTTP/1.0":
        parts.append("--http1.0")
    lines = request.header_lines
    named = {name.lower() for name, _ in lines}
    has_body = bool(request.body) or b"content-length" in named or b"transfer-encoding" in named
    parts += _write_method(request.method, has_body=has_body)
    parts += _write_headers(lines, base_url.partition("://")[2].encode(), secrets=secrets)
    added = [b"User-Agent", b"Accept"] if secrets else []  # what curl adds where nothing was sent
    if has_body:
        added += [b"Content-Type", b"Expect"] if secrets or request.body else []
    for name in added:
        if name.lower() not in named and (name != b"Expect" or len(request.body) > _LONGEST):
            parts += ["-H", f"{name.decode()}:"]
    if has_body:
        parts += _write_body(request.body, secrets=secrets)
    return " ".join([*parts, *_write_target(request.head.target, base_url, secrets=secrets)])


def _write_method(method: str, *, has_body: bool) -> list[str]:
    if method == "HEAD":  # -I refuses a body, and after -X HEAD curl waits for the body of the answer
        return ["-X", "HEAD", "--max-filesize", "1", "--max-time", "2"] if has_body else ["-I"]
    return [] if method == ("POST" if has_body else "GET") else ["-X", _quote(method.encode())]


def _write_headers(lines: list[tuple[bytes, bytes]], host: bytes, *, secrets: bool) -> list[str]:
    parts: list[str] = []
    for octets, value in lines:
        name = octets.decode("ascii")
        key = name.lower()
        if key == "content-length" or (octets, value) == (b"Host", host):  # curl says so itself
            continue
        if not secrets and (key in _NOISE or (key, value) == ("accept", b"*/*")):
            continue
        shown = value if secrets else mask_header(name, decode_octets(value)).encode()
        parts += ["-H", _quote(octets + b": " + shown if value else octets + b";")]
    if not any(name.lower() == b"host" for name, _ in lines):
        parts += ["-H", "Host:"]
    return parts


def _write_body(body: bytes, *, secrets: bool) -> list[str]:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = "\0"
    if len(body) > _LONGEST or "\0" in text:
        return ["--data-binary", "@-"]
    return ["--data-raw", _quote(body if secrets else mask(text).encode())]


def _write_target(target: str, base_url: str, *, secrets: bool) -> list[str]:
    """The URL, with what keeps curl from changing it; a target that is no path is given by itself."""
    shown = target if secrets else mask(target)
    if not _PLAIN.fullmatch(target):
        return ["--request-target", _quote(shown.encode()), base_url]
    options = ["--globoff"] if _GLOBBED.search(target) else []
    if _DOTS.search(target.partition("?")[0]):
        options.append("--path-as-is")
    return [*options, _quote(f"{base_url}{shown}".encode())]


def _quote(word: bytes) -> str:
    """A word for a POSIX shell, or, with octets that cannot be printed, for bash."""
    try:
        text = word.decode()
    except UnicodeDecodeError:
        text = "\0"
    if text.isprintable():
        return shlex.quote(text)
    return "$'" + "".join(map(_escape, word)) + "'"


def _escape(octet: int) -> str:
    char = chr(octet)
    if char in "\\'":
        return f"\\{char}"
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(char) or (char if " " <= char <= "~" else f"\\x{octet:02x}")

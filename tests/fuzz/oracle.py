"""A second reading of HTTP/1.1 requests, to hold against the server's.

It is slow, has all bytes at hand, shares no code with the package, and says no whenever RFC 9112 lets it.
"""

from __future__ import annotations

import ipaddress
import string
from dataclasses import dataclass, field

__all__ = ["Reading", "Request", "read_strictly"]

TOKEN = set((string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~").encode())
HOST = set((string.ascii_letters + string.digits + "-._~!$&'()*+,;=%").encode())
DIGITS = set(string.digits.encode())
HEX = set(string.hexdigits.encode())
ONLY_ONCE = (b"host", b"content-length", b"transfer-encoding", b"expect", b"content-type")


class Refused(Exception):
    """The bytes are no request, or more than one."""


class Cut(Exception):
    """The bytes end in the middle of a request."""


@dataclass
class Request:
    """A request, in the only way in which it can be read.

    Attributes:
        body: None if it cannot be read to its end.
    """

    method: bytes
    target: bytes
    version: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes | None = None

    def get_all(self, name: bytes) -> list[bytes]:
        """The values of a header."""
        return [value for key, value in self.headers if key.lower() == name]

    def is_last(self) -> bool:
        """Whether the client wants the connection closed."""
        options = [
            option.strip(b" \t") for value in self.get_all(b"connection") for option in value.lower().split(b",")
        ]
        return b"close" in options or (self.version == b"HTTP/1.0" and b"keep-alive" not in options)


@dataclass
class Reading:
    """What the bytes of a connection say.

    Attributes:
        requests: Those whose heads are good; only the last one may be without its body.
        end: ``closed`` between requests, ``cut`` in the middle of one, ``refused`` because of one.
    """

    requests: list[Request] = field(default_factory=list)
    end: str = "closed"


def read_strictly(data: bytes) -> Reading:
    """Read the requests of a connection that the client has half closed after ``data``."""
    reading = Reading()
    position = 0
    try:
        while True:
            if data[position:] == b"\r":
                return reading
            if data[position : position + 2] == b"\r\n":
                position += 2
            if position == len(data):
                return reading
            request, position = _read_head(data, position)
            reading.requests.append(request)
            request.body, position = _read_body(request, data, position)
            if request.is_last():
                return reading
    except Refused:
        reading.end = "refused"
    except Cut:
        reading.end = "cut"
    return reading


def _read_line(data: bytes, position: int, most: int) -> tuple[bytes, int]:
    """A line, and where the next one begins."""
    end = data.find(b"\n", position)
    line = data[position:] if end < 0 else data[position : end - 1]
    if end >= 0 and (end == position or data[end - 1 : end] != b"\r"):
        raise Refused("bare LF")
    if end < 0 and line.endswith(b"\r"):
        line = line[:-1]
    if b"\r" in line:
        raise Refused("bare CR")
    if len(line) > most:
        raise Refused("too long")
    if end < 0:
        raise Cut
    return line, end + 1


def _read_head(data: bytes, start: int) -> tuple[Request, int]:
    if not _is_token(data[start : start + 1]):
        raise Refused("no method")
    first, position = _read_line(data, start, 16384)
    request = _read_request_line(first)
    while True:
        line, position = _read_line(data, position, 65536)
        if position - start > 65536:
            raise Refused("too long a head")
        if not line:
            break
        name, colon, value = line.partition(b":")
        if not colon or not _is_token(name) or any((byte < 32 and byte != 9) or byte == 127 for byte in value):
            raise Refused("no header")
        if name.lower() == b"transfer-encoding":  # behind which some readers take a tab for a part of the value
            value = value.rstrip(b" ").replace(b"\t", b"?") if value.rstrip(b" ").endswith(b"\t") else value
        request.headers.append((name, value.strip(b" \t")))
        if len(request.headers) > 200:
            raise Refused("too many headers")
    _check(request)
    return request, position


def _read_request_line(line: bytes) -> Request:
    parts = line.split(b" ")
    if len(parts) != 3 or not _is_token(parts[0]):
        raise Refused("no request line")
    if parts[2] not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise Refused("no version")
    if not parts[1] or any(not 33 <= byte <= 126 or byte == ord("#") for byte in parts[1]):
        raise Refused("no target")
    return Request(parts[0], parts[1], parts[2], [])


def _check(request: Request) -> None:
    if request.method == b"CONNECT":
        raise Refused("a method for proxies")
    for name in ONLY_ONCE:
        if len(request.get_all(name)) > 1:
            raise Refused("twice")
    hosts = request.get_all(b"host")
    if not hosts and request.version == b"HTTP/1.1":
        raise Refused("no host")
    if hosts and hosts[0] and not _is_host(hosts[0]):
        raise Refused("bad host")
    target = request.target
    if not target.startswith(b"/") and not (target == b"*" and request.method == b"OPTIONS"):
        scheme, mark, rest = target.partition(b"://")
        host = rest.split(b"/")[0].split(b"?")[0]
        if not mark or scheme.lower() not in (b"http", b"https") or not _is_host(host):
            raise Refused("bad target")
    codings, lengths = request.get_all(b"transfer-encoding"), request.get_all(b"content-length")
    if codings and (lengths or codings[0].lower() != b"chunked" or request.version == b"HTTP/1.0"):
        raise Refused("bad coding")
    if lengths and not (1 <= len(lengths[0]) <= 18 and set(lengths[0]) <= DIGITS):
        raise Refused("bad length")
    expectations = request.get_all(b"expect")
    if expectations and request.version == b"HTTP/1.1" and expectations[0].lower() != b"100-continue":
        raise Refused("bad expectation")


def _read_body(request: Request, data: bytes, position: int) -> tuple[bytes, int]:
    if request.get_all(b"transfer-encoding"):
        return _read_chunks(data, position)
    length = int((request.get_all(b"content-length") or [b"0"])[0])
    if len(data) - position < length:
        raise Cut
    return data[position : position + length], position + length


def _read_chunks(data: bytes, position: int) -> tuple[bytes, int]:
    body = b""
    while True:
        line, position = _read_line(data, position, 4096)
        digits, _, _ = line.partition(b";")
        if b";" in line:
            digits = digits.rstrip(b" \t")
            _check_extensions(line[len(digits) :])
        if not 1 <= len(digits) <= 16 or not set(digits) <= HEX:
            raise Refused("bad size")
        size = int(digits, 16)
        if not size:
            break
        chunk, after = data[position : position + size], data[position + size : position + size + 2]
        if len(chunk) < size or after in (b"", b"\r"):
            raise Cut
        if after != b"\r\n":
            raise Refused("longer than it says")
        body += chunk
        position += size + 2
    while True:
        line, position = _read_line(data, position, 4096)
        if not line:
            return body, position
        name, colon, value = line.partition(b":")
        if not colon or not _is_token(name) or any((byte < 32 and byte != 9) or byte == 127 for byte in value):
            raise Refused("no trailer")


def _check_extensions(text: bytes) -> None:
    """``*( BWS ";" BWS name [ BWS "=" BWS value ] )``.  Source: RFC 9112, 7.1.1."""
    rest = text
    while rest:
        rest = rest.lstrip(b" \t")
        if not rest.startswith(b";"):
            raise Refused("no extension")
        name, rest = _take_token(rest[1:].lstrip(b" \t"))
        after = rest.lstrip(b" \t")
        if not name:
            raise Refused("no extension")
        if after.startswith(b"="):
            after = after[1:].lstrip(b" \t")
            if after.startswith(b'"'):
                rest = _skip_quoted(after)
            else:
                value, rest = _take_token(after)
                if not value:
                    raise Refused("no value")


def _take_token(text: bytes) -> tuple[bytes, bytes]:
    length = 0
    while length < len(text) and text[length] in TOKEN:
        length += 1
    return text[:length], text[length:]


def _skip_quoted(text: bytes) -> bytes:
    position = 1
    while position < len(text):
        byte = text[position]
        if byte == ord('"'):
            return text[position + 1 :]
        if byte == ord("\\"):
            position += 1
            if position == len(text):
                break
            byte = text[position]
        if (byte < 32 and byte != 9) or byte == 127:
            raise Refused("control character")
        position += 1
    raise Refused("no end of quotes")


def _is_token(text: bytes) -> bool:
    return bool(text) and set(text) <= TOKEN


def _is_host(text: bytes) -> bool:
    if text.startswith(b"["):
        host, bracket, port = text[1:].partition(b"]")
        try:
            ipaddress.IPv6Address(host.decode("latin-1"))
        except ValueError:
            return False
        if not bracket or b"%" in host:
            return False
    else:
        host, colon, port = text.partition(b":")
        if not host or not set(host) <= HOST:
            return False
        port = colon + port
    return not port or (port.startswith(b":") and set(port[1:]) <= DIGITS)

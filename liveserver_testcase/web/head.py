"""The head of a request: parsed strictly, and refused wherever two readers could understand it differently.

The only importer of httptools (llhttp, the parser of Node.js).  What older releases of it let pass is checked before.
"""

from __future__ import annotations

import re

import httptools

__all__ = ["MAX_HEAD", "BadRequest", "Head", "check_beginning", "find_end", "parse_head"]

MAX_HEAD = 64 * 1024
"""Bytes that the head of a request may have, request line included."""
MAX_LINES = 200
"""Header lines that it may have."""
MAX_REQUEST_LINE = 16 * 1024
"""Bytes that its request line may have."""

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # RFC 9110, 5.6.2
_HEAD = re.compile(
    rb"(?:\r\n)?" + _TOKEN + rb" [\x21-\x7e]+ HTTP/1\.[01]\r\n"
    rb"(?:" + _TOKEN + rb":[^\x00-\x08\x0a-\x1f\x7f]*\r\n)*\r\n"
)
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb") ([\x21-\x7e]+) HTTP/(\d\.\d)")
_HOST = re.compile(rb"[A-Za-z0-9\-._~!$&'()*+,;=%]*(?::\d*)?|\[[0-9A-Fa-f:.]+(?:%25[\w.~-]+)?\](?::\d*)?")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_FRAMING = frozenset((b"host", b"content-length", b"transfer-encoding", b"expect", b"content-type"))
_FIRST_BYTES = frozenset(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz\r")


class BadRequest(Exception):
    """A request that is refused.

    Attributes:
        status: The status to answer with, such as ``400``.
        reason: What is wrong with the request, in words.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Head:
    """The request line, the headers, and what they say of the body.

    Attributes:
        method: Such as ``GET``.
        target: The raw target of the request line, such as ``/a%20b?q=1`` or ``http://host/path``.
        version: ``HTTP/1.1`` or ``HTTP/1.0``.
        headers: Names and values as sent and in order, values without surrounding white space.
        length: The body's bytes; 0 without a body, None for a chunked one.
        keep_alive: Whether the client wants the connection to stay.
        expects_continue: Whether the client waits for a ``100 Continue`` before it sends the body.
    """

    __slots__ = ("expects_continue", "headers", "keep_alive", "length", "method", "target", "version")

    def __init__(self) -> None:
        self.method = ""
        self.target = ""
        self.version = "HTTP/1.1"
        self.headers: list[tuple[bytes, bytes]] = []
        self.length: int | None = 0
        self.keep_alive = False
        self.expects_continue = False

    # what httptools calls

    def on_url(self, url: bytes) -> None:
        self.target += url.decode("ascii")

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value.rstrip(b" \t")))

    def get_all(self, name: bytes) -> list[bytes]:
        """The values of every header called ``name`` (in lower case), in order."""
        return [value for key, value in self.headers if key.lower() == name]

    @property
    def line(self) -> str:
        """The request line."""
        return f"{self.method} {self.target} {self.version}"


def find_end(data: bytes, start: int = 0) -> int:
    """Where the head at the beginning of ``data`` ends, or -1 if it is not all there."""
    end = data.find(b"\r\n\r\n", start)
    return end + 4 if end >= 0 else -1


def check_beginning(data: bytes) -> None:
    """Refuse the incomplete head ``data`` as soon as it can no longer become a good one.

    Raises:
        BadRequest: It cannot.
    """
    if data[0] not in _FIRST_BYTES:
        if data[0] == 0x16:
            raise BadRequest(400, "a TLS handshake on a port that speaks plain HTTP")
        raise BadRequest(400, "not an HTTP request")
    if len(data) > MAX_HEAD:
        raise BadRequest(431, f"the request's head is longer than {MAX_HEAD} bytes")
    first = data.find(b"\r\n", 2)
    if first > MAX_REQUEST_LINE or (first < 0 and len(data) > MAX_REQUEST_LINE):
        raise BadRequest(414, f"the request line is longer than {MAX_REQUEST_LINE} bytes")
    lines = data.count(b"\n")
    if lines > MAX_LINES + 2:
        raise BadRequest(431, f"the request has more than {MAX_LINES} header lines")
    if lines != data.count(b"\r\n") or b"\0" in data:
        raise BadRequest(400, "a NUL or a line feed without carriage return in the request's head")
    if first >= 0:
        _check_line(data[:first])


def parse_head(block: bytes) -> Head:
    """Parse a complete head, its final empty line included.

    Raises:
        BadRequest: It is malformed, ambiguous or too large.  Source: RFC 9112, 2-6; RFC 9110, 5 and 7.2.
    """
    if len(block) > MAX_HEAD or block.count(b"\n") > MAX_LINES + 2 or not _HEAD.fullmatch(block):
        _refuse(block)
    head = Head()
    parser = httptools.HttpRequestParser(head)
    try:
        parser.feed_data(block)
    except httptools.HttpParserUpgrade:
        pass  # CONNECT, or a wish to change the protocol: the application decides, and most just answer
    except httptools.HttpParserInvalidMethodError as error:
        raise BadRequest(501, f"unknown method {block.split(b' ', 1)[0].decode('ascii', 'replace')!r}") from error
    except httptools.HttpParserError as error:
        raise BadRequest(400, f"malformed request: {error}") from error
    head.method = parser.get_method().decode("ascii")
    if parser.get_http_version() == "1.0":
        head.version = "HTTP/1.0"
    head.keep_alive = parser.should_keep_alive()
    _read_framing(head)
    if len(head.target) > MAX_REQUEST_LINE:
        raise BadRequest(414, f"the request line is longer than {MAX_REQUEST_LINE} bytes")
    return head


def _read_framing(head: Head) -> None:
    """Find out how long the body is, and refuse whatever leaves room for doubt."""
    seen: dict[bytes, bytes] = {}
    for name, value in head.headers:
        lower = name.lower()
        if lower in _FRAMING:
            if lower in seen:
                raise BadRequest(400, f"more than one {name.decode('ascii')} header")
            seen[lower] = value
    host = seen.get(b"host")
    if host is None:
        if head.version == "HTTP/1.1":
            raise BadRequest(400, "no Host header")
    elif not _HOST.fullmatch(host):
        raise BadRequest(400, "a Host header that is no host")
    if len(seen) > 1 or host is None:
        _read_length(head, seen)


def _read_length(head: Head, seen: dict[bytes, bytes]) -> None:
    coding = seen.get(b"transfer-encoding")
    length = seen.get(b"content-length")
    if coding is not None:
        if length is not None:
            raise BadRequest(400, "both Content-Length and Transfer-Encoding")
        if head.version == "HTTP/1.0":
            raise BadRequest(400, "Transfer-Encoding in an HTTP/1.0 request")
        if coding.lower() != b"chunked":
            raise BadRequest(501, "a Transfer-Encoding other than chunked")
        head.length = None
    elif length is not None:
        if not _LENGTH.fullmatch(length):
            raise BadRequest(400, "a Content-Length that is no number")
        head.length = int(length)
    expectation = seen.get(b"expect")
    if expectation is not None and head.version == "HTTP/1.1":
        if expectation.lower() != b"100-continue":
            raise BadRequest(417, "an Expect header other than 100-continue")
        head.expects_continue = head.length != 0


def _check_line(line: bytes) -> None:
    match = _REQUEST_LINE.fullmatch(line.removeprefix(b"\r\n"))
    if match is None:
        raise BadRequest(400, "malformed request line")
    if match[3] not in (b"1.1", b"1.0"):
        raise BadRequest(505, f"HTTP version {match[3].decode('ascii')}")


def _refuse(block: bytes) -> None:
    """Say what is wrong with a head that does not match, from the coarse to the fine."""
    check_beginning(block)
    for line in block.removeprefix(b"\r\n").split(b"\r\n")[1:-2]:
        name, colon, value = line.partition(b":")
        if line[:1] in (b" ", b"\t"):
            raise BadRequest(400, "a header line that begins with white space")
        if not colon or not re.fullmatch(_TOKEN, name):
            raise BadRequest(400, "a malformed header name")
        if re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", value):
            raise BadRequest(400, "a control character in a header")
    raise BadRequest(400, "malformed request")

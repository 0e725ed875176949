"""The head of a request: parsed strictly, and refused wherever two readers could understand it differently.

One regular expression holds the whole head to the grammar of RFC 9112.  What it accepts is split at line ends and
colons, without a second opinion.  What it refuses, `HeadValidator` reads once more, line by line, to say what is wrong.
"""

from __future__ import annotations

import functools
import re
import socket
from urllib.parse import unquote_to_bytes

__all__ = [
    "MAX_HEAD", "MAX_LINES", "MAX_REQUEST_LINE", "TOKEN", "BadRequest", "Head", "HeadValidator", "parse_head",
    "split_request_line", "split_target",
]  # fmt: skip

MAX_HEAD = 64 * 1024
"""Bytes that the head of a request may have, request line included."""
MAX_LINES = 200
"""Header lines that it may have."""
MAX_REQUEST_LINE = 16 * 1024
"""Bytes that its request line may have."""

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
"""The expression of a token, such as a method or a header's name.  Source: RFC 9110, 5.6.2."""
_TARGET = rb"[\x21\x22\x24-\x7e]+"  # visible ASCII, and no fragment: RFC 9112, 3.2
_VALUE = rb"[^\x00-\x08\x0a-\x1f\x7f]*"  # no control character but the tab
_HEAD = re.compile(
    rb"(" + TOKEN + rb") (" + _TARGET + rb") HTTP/1\.([01])\r\n(?:" + TOKEN + rb":" + _VALUE + rb"\r\n)*\r\n"
)
_REQUEST_LINE = re.compile(rb"(" + TOKEN + rb") ([^ ]+) HTTP/(\d\.\d)")
_GOOD_TARGET = re.compile(_TARGET)
_NAME = re.compile(TOKEN)
_GOOD_VALUE = re.compile(_VALUE)
_STRAY = re.compile(rb"\r(?!\n|\Z)")

_HOST_TEXT = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=%]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?"  # RFC 3986, 3.2.2, without a user
_HOST = re.compile(_HOST_TEXT)
_ABSOLUTE = re.compile(rf"https?://({_HOST_TEXT})((?:[/?].*)?)", re.IGNORECASE)  # RFC 9112, 3.2.2
_LENGTH = re.compile(r"[0-9]{1,18}")
# Nothing may stand before or behind it but what every reader takes for white space: some take a tab for its part.
_CHUNKED = re.compile(rb"\ntransfer-encoding:[ \t]*chunked *\r\n", re.IGNORECASE)

_ONCE = frozenset(("HTTP_HOST", "CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING", "HTTP_EXPECT", "CONTENT_TYPE"))
_NOT_HTTP = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
_VERSIONS = {b"1": "HTTP/1.1", b"0": "HTTP/1.0"}
_REMEMBERED = 256  # heads that are remembered, by their bytes
_REMEMBERED_SIZE = 2048  # bytes of the longest of them


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
    """The request line, the headers, and what they say of the body.  It may be shared: nobody changes it.

    Attributes:
        block: Its bytes.
        method: Such as ``GET``.
        target: The raw target of the request line, such as ``/a%20b?q=1`` or ``http://host/path``.
        version: ``HTTP/1.1`` or ``HTTP/1.0``.
        variables: All of it as CGI and WSGI call it, such as ``PATH_INFO`` and ``HTTP_ACCEPT``: repeated headers
            joined, and without those that have an underscore in their name, which could pass for others.
            Source: RFC 3875, 4.1; PEP 3333.
        length: The body's bytes; 0 without a body, None for a chunked one.
        keep_alive: Whether the client wants the connection to stay.
        expects_continue: Whether the client waits for a ``100 Continue`` before it sends the body.
    """

    length: int | None = 0
    expects_continue = False

    def __init__(self, block: bytes, method: str, target: str, version: str) -> None:
        self.block = block
        self.method = method
        self.target = target
        self.version = version
        self.variables = {
            "REQUEST_METHOD": method, "REQUEST_URI": target, "RAW_URI": target, "SERVER_PROTOCOL": version,
        }  # fmt: skip
        self.keep_alive = version == "HTTP/1.1"

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Names and values as sent and in order, values without surrounding white space."""
        pairs = [line.partition(b":") for line in self.block.split(b"\r\n")[1:-2]]
        return [(name, value.strip(b" \t")) for name, _, value in pairs]


def split_target(target: str) -> tuple[str, str, str | None]:
    """Path, query and, for a target in absolute form, the host; percent-encoding stays.

    ``*``, which stands for the server as a whole, has an empty path.  Source: RFC 9112, 3.2.
    """
    host = None
    if target[:1] != "/":
        match = _ABSOLUTE.fullmatch(target)
        host, target = match.groups() if match is not None else (None, "")
        if host is not None and target[:1] != "/":
            target = "/" + target
    path, _, query = target.partition("?")
    return path, query, host


def parse_head(block: bytes, *, accepts_connect: bool = False) -> Head:
    """Parse a complete head, its final empty line included.

    Clients repeat themselves, byte for byte: what has been understood once is remembered.

    Args:
        block: Its bytes.
        accepts_connect: Whether the method CONNECT is served; its target is ``host:port``, and it has no body.

    Raises:
        BadRequest: It is malformed, ambiguous or too large.  Source: RFC 9112, 2-6; RFC 9110, 5 and 7.2.
    """
    head = (_parse if len(block) <= _REMEMBERED_SIZE else _parse.__wrapped__)(block)
    if head.method == "CONNECT":  # RFC 9110, 9.3.6
        if not accepts_connect:
            raise BadRequest(501, "the method CONNECT, which is for proxies")
        if not head.target.rpartition(":")[2].isdigit() or not _is_host(head.target):
            raise BadRequest(400, "a CONNECT to something other than host:port")
        if "CONTENT_LENGTH" in head.variables or "HTTP_TRANSFER_ENCODING" in head.variables:
            raise BadRequest(400, "a CONNECT with a body")
    return head


@functools.lru_cache(_REMEMBERED)
def _parse(block: bytes) -> Head:
    """Parse a head, and refuse what can be read in two ways."""
    match = _HEAD.fullmatch(block)
    if match is None or len(block) > MAX_HEAD or block.count(b"\n") > MAX_LINES + 2 or match.end(3) > MAX_REQUEST_LINE:
        HeadValidator().scan(block)  # which says what is wrong
        raise BadRequest(400, "a malformed request")
    method, target, version = match.groups()
    head = Head(block, method.decode("ascii"), target.decode("ascii"), _VERSIONS[version])
    variables = head.variables
    repeated = ""
    for line in block.decode("latin-1").split("\r\n")[1:-2]:
        name, _, value = line.partition(":")
        key = _find_key(name)
        value = value.strip(" \t")
        if key in variables:
            if key in _ONCE:
                repeated = key
            value = variables[key] + ("; " if key == "HTTP_COOKIE" else ",") + value
        if key:
            variables[key] = value
    if repeated:
        raise BadRequest(400, f"more than one {repeated.removeprefix('HTTP_').replace('_', '-').title()} header")

    host = variables.get("HTTP_HOST")
    if host is None:
        if head.version == "HTTP/1.1":
            raise BadRequest(400, "no Host header")
    elif host and not _is_host(host):
        raise BadRequest(400, "a Host header that is no host")
    if head.method == "CONNECT":
        variables["PATH_INFO"] = variables["QUERY_STRING"] = ""
        return head  # the rest is looked at where it is served
    if head.target[0] != "/" and (head.target != "*" or head.method != "OPTIONS"):
        url = _ABSOLUTE.fullmatch(head.target)
        if url is None or not _is_host(url[1]):  # RFC 9112, 3.2
            raise BadRequest(400, "a request target that is neither a path nor a URL")
    path, variables["QUERY_STRING"], host = split_target(head.target)
    variables["PATH_INFO"] = unquote_to_bytes(path).decode("latin-1") if "%" in path else path
    if host is not None:
        variables["HTTP_HOST"] = host  # the target outranks the header: RFC 9112, 3.2.2

    connection = variables.get("HTTP_CONNECTION")
    if connection is not None:
        options = {option.strip(" \t") for option in connection.lower().split(",")}
        head.keep_alive = "close" not in options and (head.keep_alive or "keep-alive" in options)
    if "CONTENT_LENGTH" in variables or "HTTP_TRANSFER_ENCODING" in variables or "HTTP_EXPECT" in variables:
        _read_framing(head)
    return head


def _read_framing(head: Head) -> None:
    """Find out how long the body is, and refuse whatever leaves room for doubt."""
    variables = head.variables
    coding, length = variables.get("HTTP_TRANSFER_ENCODING"), variables.get("CONTENT_LENGTH")
    if coding is not None:
        if length is not None:
            raise BadRequest(400, "both Content-Length and Transfer-Encoding")
        if head.version == "HTTP/1.0":
            raise BadRequest(400, "Transfer-Encoding in an HTTP/1.0 request")
        if not _CHUNKED.search(head.block):
            raise BadRequest(501, "a Transfer-Encoding other than chunked")
        head.length = None
    elif length is not None:
        if not _LENGTH.fullmatch(length):
            raise BadRequest(400, "a Content-Length that is no number of bytes")
        head.length = int(length)
    expectation = variables.get("HTTP_EXPECT")
    if expectation is not None and head.version == "HTTP/1.1":
        if expectation.lower() != "100-continue":
            raise BadRequest(417, "an Expect header other than 100-continue")
        head.expects_continue = head.length != 0


def split_request_line(data: bytes) -> tuple[str, str, str]:
    """Method, target and version of a request that is refused, as far as they can be made out."""
    match = _REQUEST_LINE.match(data)
    if match is None or not _GOOD_TARGET.fullmatch(match[2]):
        return "", "", ""
    method, target, version = (group.decode("ascii") for group in match.groups())
    return method, target, f"HTTP/{version}"


def _is_host(text: str) -> bool:
    """Return True for a host and perhaps a port; what is in brackets must be an IPv6 address.

    `urllib.parse.urlsplit` raises an exception for anything else in brackets, and so would the application.
    """
    if _HOST.fullmatch(text) is None:
        return False
    if text.startswith("["):
        try:
            socket.inet_pton(socket.AF_INET6, text[1 : text.index("]")])
        except OSError:
            return False
    return True


@functools.lru_cache(1000)
def _find_key(name: str) -> str:
    """The variable of a header; none for a name with ``_``, which could pass for another one with ``-``."""
    return "" if "_" in name else _NOT_HTTP.get(name.lower()) or "HTTP_" + name.upper().replace("-", "_")


class HeadValidator:
    """Looks at a head while it arrives: where it ends, and which line is the first that is wrong.

    It goes line by line, so that what it says does not depend on how the bytes came.

    Attributes:
        end: Where the head ends; -1 while it is not all there.
    """

    def __init__(self) -> None:
        self.end = -1
        self._position = 0
        self._lines = 0

    def scan(self, data: bytes) -> None:
        """Look at what has come; ``data`` begins with the head and has grown since the last call.

        Raises:
            BadRequest: It can no longer become a good one.
        """
        while (stop := data.find(b"\n", self._position)) >= 0:
            line = data[self._position : stop + 1]
            self._position = stop + 1
            self._check_bytes(line)
            if line == b"\r\n" and self._lines:
                self.end = self._position
                return
            (self._check_header if self._lines else self._check_request_line)(line[:-2])
            self._lines += 1
        self._check_bytes(data[self._position :])

    def _check_bytes(self, line: bytes) -> None:
        """Refuse a line, or the beginning of one, for its bytes, its length or its number."""
        if not self._lines:
            if line[:1] == b"\x16":
                raise BadRequest(400, "a TLS handshake on a port that speaks plain HTTP")
            if line and not _NAME.match(line):
                raise BadRequest(400, "something that is not an HTTP request")
            if len(line.rstrip(b"\r\n")) > MAX_REQUEST_LINE:
                raise BadRequest(414, f"a request line of more than {MAX_REQUEST_LINE} bytes")
        elif self._lines > MAX_LINES and line.rstrip(b"\r\n"):
            raise BadRequest(431, f"more than {MAX_LINES} header lines")
        elif self._position + (0 if line[-1:] == b"\n" else len(line)) > MAX_HEAD:
            raise BadRequest(431, f"a head of more than {MAX_HEAD} bytes")
        if b"\0" in line:
            raise BadRequest(400, "a NUL in the request's head")
        if line[-1:] == b"\n" and line[-2:] != b"\r\n":
            raise BadRequest(400, "a line feed without a carriage return in the request's head")
        if _STRAY.search(line):
            raise BadRequest(400, "a carriage return without a line feed in the request's head")

    def _check_request_line(self, line: bytes) -> None:
        match = _REQUEST_LINE.fullmatch(line)
        if match is None:
            raise BadRequest(400, "a malformed request line")
        if match[3] not in (b"1.1", b"1.0"):
            raise BadRequest(505, f"HTTP version {match[3].decode('ascii')}: only 1.1 and 1.0 are spoken here")
        if not _GOOD_TARGET.fullmatch(match[2]):
            what = "a fragment" if b"#" in match[2] else "a byte that is no visible ASCII character"
            raise BadRequest(400, f"a request target with {what}")

    def _check_header(self, line: bytes) -> None:
        name, colon, value = line.partition(b":")
        if line[:1] in (b" ", b"\t"):
            raise BadRequest(400, "a header line that begins with white space")
        if not colon or not _NAME.fullmatch(name):
            raise BadRequest(400, "a malformed header name")
        if not _GOOD_VALUE.fullmatch(value):
            raise BadRequest(400, "a control character in a header")

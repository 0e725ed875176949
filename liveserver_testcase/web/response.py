"""Write one response: framed correctly or not at all, its head and first bytes in one send."""

from __future__ import annotations

import email.utils
import functools
import re
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TypeAlias

from ..core.interrupts import wall_clock
from ..core.masking import mask_header
from ..core.text import quote
from ..errors import InvalidResponse
from .request_head import TOKEN, Head

__all__ = ["SERVER", "PreparedHead", "ResponseWriter", "describe_status", "plain_response", "prepare_head"]

SERVER = "liveserver_testcase"

_STATUS = re.compile(r"[1-9][0-9]{2}(?: [^\x00-\x1f\x7f]*)?")
_TOKEN = re.compile(TOKEN.decode("ascii"))
_EVENT_STREAM = re.compile(rb"\nContent-Type:[ \t]*text/event-stream\b", re.IGNORECASE)
_JOIN_LIMIT = 64 * 1024  # up to here copying the body behind the head is cheaper than a second send
_REMEMBERED = 256  # heads that are remembered
_stamp: tuple[int, bytes] = (0, b"")


def _make_stamp() -> bytes:
    """The Date and Server headers, made once a second.  Source: RFC 9110, 5.6.7 and 10.2.4."""
    global _stamp
    now = int(wall_clock())
    if _stamp[0] != now:
        _stamp = (now, f"Date: {email.utils.formatdate(now, usegmt=True)}\r\nServer: {SERVER}\r\n".encode("ascii"))
    return _stamp[1]


def _encode(lines: list[str]) -> bytes:
    """Status line and header lines as they go on the wire, if they are as many there as they are here."""
    text = "".join(lines)
    count = len(lines)
    try:
        if text.count("\n") == count and text.count("\r") == count and "\0" not in text:
            return text.encode("latin-1")
    except UnicodeEncodeError:
        pass
    for line in lines:
        name, _, value = line[:-2].partition(": ")
        what = f"header {name!r} has the value {quote(mask_header(name, value))}"
        if line.startswith("HTTP/1.1 "):
            what = f"the status is {line[9:-2]!r}"
        elif "\n" in value or "\r" in value or "\0" in value:
            raise InvalidResponse(f"{what}: a CR, LF or NUL must not be in it")
        if max(line) > "\xff":
            raise InvalidResponse(f"{what}: it is not Latin-1, so encode it (RFC 8187, or percent-encoding)")
    raise InvalidResponse(f"the head of the response cannot be sent: {quote(text)}")


PreparedHead: TypeAlias = tuple[int, bytes, int | None, bool, int]
"""A status and headers that have been checked, and encoded but for what depends on time and framing.

The code; status line and header lines; the Content-Length among them, if there is one; whether a Connection header asks
for an end; which of Date (1) and Server (2) are there already.  No class: making one takes as long as a header.
"""


def prepare_head(status: str, headers: Iterable[tuple[str, str]]) -> PreparedHead:
    """Check status and headers; see `ResponseWriter.begin`.

    Applications repeat themselves: what has been prepared lately is remembered.

    Raises:
        InvalidResponse: They must not go on the wire.
    """
    headers = tuple(headers)
    try:
        return _prepare(status, headers)
    except TypeError:  # something in it is unhashable, such as a header that is a list
        return _prepare.__wrapped__(status, headers)


@functools.lru_cache(_REMEMBERED)
def _prepare(status: object, headers: tuple[tuple[str, str], ...]) -> PreparedHead:
    if not isinstance(status, str) or not _STATUS.fullmatch(status):
        raise InvalidResponse(
            f"status {status!r} is no status: wanted a code and a reason in one line, such as '200 OK'"
        )
    left: int | None = None
    wants_close, has = False, 0
    lines = [f"HTTP/1.1 {status[:3]} {status[4:]}\r\n"]
    for name, value in headers:
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise InvalidResponse(
                f"header name {name!r} is not a token: wanted letters, digits and !#$%&'*+-.^_`|~ only"
            )
        if not isinstance(value, str):
            what = f"{value!r}, of type {type(value).__name__}"
            raise InvalidResponse(f"header {name!r} has the value {what}: wanted a str")
        line = f"{name}: {value}\r\n"
        meaning = name.lower()
        if meaning == "content-length":
            if not (value.isascii() and value.isdigit() and len(value) <= 18):
                raise InvalidResponse(f"Content-Length is {value!r}: wanted a number of bytes")
            if left is not None and left != int(value):
                raise InvalidResponse(f"two Content-Length headers that differ: {left} and {value}")
            left = int(value)
            continue
        if meaning in ("transfer-encoding", "keep-alive"):  # the server frames, whatever the application says
            _encode([line])  # left out, but not because it is wrong
            continue
        if meaning == "connection":
            wants_close = wants_close or "close" in value.lower()
            if value.lower() in ("close", "keep-alive"):
                continue
        elif meaning == "date":
            has |= 1
        elif meaning == "server":
            has |= 2
        lines.append(line)
    return int(status[:3]), _encode(lines), left, wants_close, has


class ResponseWriter:
    """One response on its way to the client; whatever sends raises `ClientDisconnected` if the client is gone.

    `begin` checks and prepares the head, which leaves with the first `write` or with `finish`; until then another
    `begin` replaces it.  Who returns without `finish` has the connection cut.

    Args:
        head: The request that is answered.
        send: Hands bytes to the system.
        on_begin: Called when the head leaves; returns whether the connection can stay open as far as the server is
            concerned.

    Attributes:
        status: The status, once prepared.
        begun: Whether anything of it has left.
        finished: Whether all of it has.
        keep_alive: Whether the connection stays open after it; decided when the head leaves.
        framed: Whether the client knows where it ends; else the end of the connection shows it.
        is_taken_over: Whether nothing of it leaves, since the handler uses the connection itself.
        has_no_body: Whether a body would not be sent: for HEAD, 1xx, 204 and 304.  Source: RFC 9110, 6.4.1.
        sent: Bytes of the body that have left.
    """

    status = sent = 0
    framed = True
    begun = finished = has_no_body = is_taken_over = keep_alive = False
    _fields = b""
    _left: int | None = None  # bytes that the Content-Length still promises
    _chunked = False
    _wants_close = False

    def __init__(self, head: Head, send: Callable[[bytes], None], on_begin: Callable[[], bool]) -> None:
        self._head = head
        self._send = send
        self._on_begin = on_begin

    def begin(self, status: str, headers: Iterable[tuple[str, str]]) -> None:
        """Set status and headers, such as ``404 NOT FOUND`` and pairs of a name and a value.

        A Content-Length among them is believed and kept to; how the body is framed otherwise is the server's business,
        so a Transfer-Encoding is passed over.

        Raises:
            InvalidResponse: It must not go on the wire; nothing has.
        """
        self.begin_prepared(prepare_head(status, headers))

    def begin_prepared(self, head: PreparedHead) -> None:
        """Set status and headers that have been checked before."""
        if self.begun:
            raise InvalidResponse("the response has begun; its status and headers cannot change any more")
        code, fields, self._left, self._wants_close, has = head
        stamp = _make_stamp()
        if has:
            date, _, server = stamp.partition(b"\n")
            stamp = (b"" if has & 1 else date + b"\n") + (b"" if has & 2 else server)
        self._fields = fields + stamp
        self.status = code
        self.has_no_body = code < 200 or code in (204, 304) or self._head.method == "HEAD"

    def send_constant(self, head: PreparedHead, tail: bytes, size: int) -> bool:
        """Send a response of which all is known but the date, on a connection that stays.

        Args:
            head: Without Content-Length, Connection, Date and Server, for a status that has a body.
            tail: Content-Length, the empty line and the body.
            size: The bytes of the body.

        Returns:
            Whether it was sent; if not, nothing was done: it must be framed for this request.
        """
        request = self._head
        if not request.keep_alive or request.method == "HEAD" or request.version != "HTTP/1.1" or self.begun:
            return False
        self.status = head[0]
        if not self._on_begin():
            return False
        self.begun = self.keep_alive = True
        self.sent = size
        self._send(head[1] + _make_stamp() + tail)
        self.finished = True
        return True

    @property
    def is_streaming(self) -> bool:
        """Whether it lasts for as long as the client likes: a stream of events, or what the handler does itself."""
        return self.is_taken_over or (not self.finished and _EVENT_STREAM.search(self._fields) is not None)

    def take_over(self) -> None:
        """Let nothing of it leave, whatever is given to it."""
        self.is_taken_over = True
        self._send = lambda data: None

    def open_tunnel(self) -> None:
        """Answer CONNECT, after which the connection is the client's tunnel.  Source: RFC 9110, 9.3.6."""
        self.status = 200
        self._on_begin()
        self.begun = self.keep_alive = True  # whatever its version of HTTP is
        self._send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self.finished = True

    def wrap_send(self, wrap: Callable[[Callable[[bytes], None]], Callable[[bytes], None]]) -> None:
        """Have what leaves from now on go through what ``wrap`` makes of the way it went until now."""
        self._send = wrap(self._send)

    def send_head(self, length: int | None = None) -> None:
        """Send the head by itself, now.

        Args:
            length: The bytes of the body that follows; None if that is not known, or it is to be chunked.
        """
        if not self.begun:
            head = self._make_head(length)
            if self._left is None and not self.has_no_body:
                self._left = length
            self._send(head)

    def write(self, data: bytes) -> None:
        """Send some of the body at once, the head before it; nothing for an empty ``data``.

        Raises:
            InvalidResponse: It is more than the Content-Length; what fits has been sent.
        """
        if self.finished:
            raise InvalidResponse("the response is over; nothing can be added to it")
        if not data:
            return
        head = b"" if self.begun else self._make_head(None)
        if self.has_no_body:
            if head:
                self._send(head)
            return
        size = len(data)
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        self.sent += len(data)
        self._emit(head, b"%x\r\n%b\r\n" % (size, data) if self._chunked else data)
        if len(data) < size:
            self.keep_alive = False
            raise InvalidResponse(f"the body is at least {size - len(data)} bytes longer than its Content-Length")

    def finish(self, data: bytes = b"", trailers: bytes = b"") -> None:
        """Send the rest, ``data``, and end the response; a body that is all here is sent with its length.

        Args:
            data: The rest of the body.
            trailers: Header lines after a chunked body, encoded; dropped where the body is not chunked.

        Raises:
            InvalidResponse: The body is not what the Content-Length says.  If nothing had left before, nothing has.
        """
        if self.begun:
            self.write(data)
            if self._chunked:
                self._send(b"0\r\n%b\r\n" % trailers)
            elif self._left and not self.has_no_body:
                self.keep_alive = False
                raise InvalidResponse(f"the body is {self._left} bytes shorter than its Content-Length")
        elif self.has_no_body:
            self._send(self._make_head(len(data) or None))
        else:
            size = len(data)
            if self._left is not None and self._left != size:
                raise InvalidResponse(f"the body has {size} bytes, and its Content-Length says {self._left}")
            head = self._make_head(size)
            self.sent, self._left = size, 0
            self._emit(head, data)
        self.finished = True

    def _make_head(self, length: int | None) -> bytes:
        """The head as it leaves, with the decision how the client learns where the body ends.  RFC 9112, 6.3."""
        status, head, framing = self.status, self._head, b""
        if not status:
            raise InvalidResponse("the response has no status yet: call begin() first")
        stays = self._on_begin() and head.keep_alive and not self._wants_close
        if self._left is not None:
            length = self._left
        if status < 200:
            stays = False  # what follows would be taken for the rest of this response
        elif length is not None and status != 204 and (status != 304 or self._left is not None):
            framing = b"Content-Length: %d\r\n" % length
        elif not self.has_no_body:
            self.framed = self._chunked = head.version == "HTTP/1.1"
            if self._chunked:
                framing = b"Transfer-Encoding: chunked\r\n"
        self.keep_alive = stays and self.framed
        if not self.keep_alive:
            framing += b"Connection: close\r\n"
        elif head.version == "HTTP/1.0":
            framing += b"Connection: keep-alive\r\n"
        self.begun = True
        return b"%b%b\r\n" % (self._fields, framing)

    def _emit(self, head: bytes, data: bytes) -> None:
        if head and len(data) > _JOIN_LIMIT:
            self._send(head)
            head = b""
        self._send(head + data if head else data)


def describe_status(status: int) -> str:
    """A status line's code and reason, such as ``404 Not Found``."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status} Unknown"


def plain_response(status: int, text: str, *, has_body: bool = True) -> bytes:
    """A whole response for a request that could not be understood, after which the connection is closed."""
    body = f"{text}\n".encode("utf-8", "replace")
    _, head, *_ = prepare_head(describe_status(status), [("Content-Type", "text/plain; charset=utf-8")])
    framing = b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
    return head + _make_stamp() + framing + (body if has_body else b"")

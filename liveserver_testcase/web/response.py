"""Write one response: framed correctly or not at all, its head and first bytes in one send."""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import NoReturn

from ..errors import InvalidResponse
from .head import Head

__all__ = ["SERVER", "ResponseWriter", "describe_status", "plain_response"]

SERVER = "liveserver_testcase"

_STATUS = re.compile(r"[1-9][0-9]{2}(?: [^\x00-\x1f\x7f]*)?")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_JOIN_LIMIT = 64 * 1024  # up to here copying the body behind the head is cheaper than a second send
_good_names: set[str] = set()  # header names that have been checked; bounded below
_date: tuple[int, str] = (0, "")

_SPECIAL = frozenset(("content-length", "transfer-encoding", "keep-alive", "connection", "date", "server"))
_OWN_FRAMING = frozenset(("transfer-encoding", "keep-alive"))  # the server frames, whatever the application says


def _http_date() -> str:
    """The Date header's value, made once a second.  Source: RFC 9110, 5.6.7."""
    global _date
    now = int(time.time())
    if _date[0] != now:
        _date = (now, email.utils.formatdate(now, usegmt=True))
    return _date[1]


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not _TOKEN.fullmatch(name):
        raise InvalidResponse(f"header name {name!r} is not a token: wanted letters, digits and !#$%&'*+-.^_`|~ only")
    if len(_good_names) < 1000:
        _good_names.add(name)


class ResponseWriter:
    """One response on its way to the client.

    `begin` checks and prepares the head, which leaves with the first `write` or with `finish`; until then another
    `begin` replaces it.

    Args:
        head: The request that is answered.
        send: Hands bytes to the system.
        may_stay: Asked when the head leaves: whether the connection can stay open as far as the server is concerned.

    Attributes:
        status: The status, once prepared.
        begun: Whether anything of it has left.
        finished: Whether all of it has.
        keep_alive: Whether the connection stays open after it; decided when the head leaves.
        sent: Bytes of the body that have left.
    """

    __slots__ = (
        "_chunked", "_head", "_left", "_lines", "_may_stay", "_send", "_wants_close",
        "begun", "finished", "keep_alive", "sent", "status",
    )  # fmt: skip

    def __init__(self, head: Head, send: Callable[[bytes], None], may_stay: Callable[[], bool]) -> None:
        self._head = head
        self._send = send
        self._may_stay = may_stay
        self._lines: list[str] = []
        self._left: int | None = None  # bytes that the Content-Length still promises
        self._chunked = False
        self._wants_close = False
        self.status = 0
        self.begun = False
        self.finished = False
        self.keep_alive = False
        self.sent = 0

    @property
    def has_no_body(self) -> bool:
        """Whether a body would not be sent: for HEAD, 1xx, 204 and 304.  Source: RFC 9110, 6.4.1."""
        return self.status < 200 or self.status in (204, 304) or self._head.method == "HEAD"

    def begin(self, status: str, headers: Iterable[tuple[str, str]]) -> None:
        """Set status and headers.

        Args:
            status: Code and reason, such as ``404 NOT FOUND``.
            headers: Names and values.  A Content-Length among them is believed and kept to; how the body is framed
                otherwise is the server's business, so a Transfer-Encoding is passed over.

        Raises:
            InvalidResponse: It must not go on the wire; nothing has.
        """
        if self.begun:
            raise InvalidResponse("the response has begun; its status and headers cannot change any more")
        if not isinstance(status, str) or not _STATUS.fullmatch(status):
            raise InvalidResponse(f"status {status!r} is no status: wanted a code and a reason, such as '200 OK'")
        left: int | None = None
        wants_close = False
        lines = [f"HTTP/1.1 {status}\r\n"]
        missing = {"date", "server"}
        for name, value in headers:
            if name not in _good_names:
                _check_name(name)
            if type(value) is not str:
                raise InvalidResponse(f"header {name!r} has the value {value!r}, a {type(value).__name__}: wanted a str")
            if "\n" in value or "\r" in value or "\0" in value:
                raise InvalidResponse(f"header {name!r} has a CR, LF or NUL in its value {value!r}")
            lower = name.lower()
            if lower in _SPECIAL:
                if lower == "content-length":
                    left = _parse_length(value, left)
                    continue
                if lower in _OWN_FRAMING:
                    continue
                if lower == "connection":
                    wants_close = wants_close or "close" in value.lower()
                    if value.lower() in ("close", "keep-alive"):
                        continue
                missing.discard(lower)
            lines.append(f"{name}: {value}\r\n")
        if "date" in missing:
            lines.append(f"Date: {_http_date()}\r\n")
        if "server" in missing:
            lines.append(f"Server: {SERVER}\r\n")
        self.status = int(status[:3])
        self._lines, self._left, self._wants_close = lines, left, wants_close

    def write(self, data: bytes) -> None:
        """Send some of the body at once, the head before it; nothing for an empty ``data``.

        Raises:
            InvalidResponse: It is more than the Content-Length; what fits has been sent.
            ClientDisconnected: The client is gone.
        """
        if not data:
            return
        head = b"" if self.begun else self._make_head(None)
        if self.has_no_body:
            if head:
                self._send(head)
            return
        excess = 0
        if self._left is not None:
            excess = max(0, len(data) - self._left)
            if excess:
                data = data[: self._left]
            self._left -= len(data)
        self.sent += len(data)
        self._emit(head, b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)
        if excess:
            self._complain(f"the body is at least {excess} bytes longer than its Content-Length")

    def finish(self, data: bytes = b"") -> None:
        """Send the rest, ``data``, and end the response; a body that is all here is sent with its length.

        Raises:
            InvalidResponse: The body is not what the Content-Length says; what fits has been sent.
            ClientDisconnected: The client is gone.
        """
        if self.begun or self._left is not None or self.has_no_body:
            self.write(data)
            if not self.begun:
                self._send(self._make_head(len(data) or None))
            elif self._chunked:
                self._send(b"0\r\n\r\n")
            if self._left and not self.has_no_body:
                self._complain(f"the body is {self._left} bytes shorter than its Content-Length")
        else:
            head = self._make_head(len(data))
            self.sent, self._left = len(data), 0
            self._emit(head, data)
        self.finished = True

    def _complain(self, what: str) -> NoReturn:
        self.keep_alive = False
        raise InvalidResponse(what)

    def _make_head(self, length: int | None) -> bytes:
        """The head as it leaves, with the decision how the client learns where the body ends.  RFC 9112, 6.3."""
        lines = self._lines
        stays = self._may_stay()
        if self.status < 200 or self.status == 204:
            framed = True  # a Content-Length is forbidden: RFC 9110, 8.6
        elif self._left is not None or (length is not None and self.status != 304):
            framed = True
            lines.append(f"Content-Length: {self._left if self._left is not None else length}\r\n")
        elif self.has_no_body:
            framed = True
        else:
            framed = self._chunked = self._head.version == "HTTP/1.1"
            if framed:
                lines.append("Transfer-Encoding: chunked\r\n")
        self.keep_alive = framed and stays and self._head.keep_alive and not self._wants_close
        if not self.keep_alive:
            lines.append("Connection: close\r\n")
        elif self._head.version == "HTTP/1.0":
            lines.append("Connection: keep-alive\r\n")
        lines.append("\r\n")
        try:
            head = "".join(lines).encode("latin-1")
        except UnicodeEncodeError as error:
            raise InvalidResponse(f"a header is not Latin-1: {error}. Encode it (RFC 8187, or percent-encoding)") from error
        self.begun = True
        return head

    def _emit(self, head: bytes, data: bytes) -> None:
        if head and len(data) > _JOIN_LIMIT:
            self._send(head)
            self._send(data)
        else:
            self._send(head + data if head else data)


def _parse_length(value: str, known: int | None) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", value):
        raise InvalidResponse(f"Content-Length is {value!r}: wanted a number of bytes")
    if known is not None and known != int(value):
        raise InvalidResponse(f"two Content-Length headers that differ: {known} and {value}")
    return int(value)


def describe_status(status: int) -> str:
    """A status line's code and reason, such as ``404 Not Found``."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status} Unknown"


def plain_response(status: int, text: str) -> bytes:
    """A whole response for a request that could not be understood, after which the connection is closed."""
    body = f"{text}\n".encode("utf-8", "replace")
    return (
        f"HTTP/1.1 {describe_status(status)}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nDate: {_http_date()}\r\nServer: {SERVER}\r\nConnection: close\r\n\r\n"
    ).encode("latin-1") + body

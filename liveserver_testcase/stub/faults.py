"""How the stub misbehaves: a fault is *what* times *where* in an exchange; and what lasts until it is ended.

A new fault is a member of `Fault` and its row in ``_EFFECTS``: where it can happen, and how it is done.

A `FaultPlan` is checked when it is made: what makes no sense at a point is refused where it is written.  A fault of
which nothing would be seen is refused as soon as that is known.
"""

from __future__ import annotations

import contextlib
import enum
import os
import select
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from ..core.checks import KnownAttributes, is_count
from ..core.connection import RECEIVE, ConnectionState
from ..core.listener import ServerSocket
from ..core.text import count, quote
from ..errors import ClientDisconnected, UsageError

if TYPE_CHECKING:
    from ..core.tls import Flaw
    from ..web.records import Exchange
    from .connection import StubConnection
    from .reply import Reply

__all__ = [
    "GARBAGE", "ConnectionFault", "Disruption", "Fault", "FaultPlan", "FaultPoint", "Outage", "fill", "plan_fault",
]  # fmt: skip

D = TypeVar("D", bound="Disruption")

GARBAGE = bytes(range(128, 256)) + b"\r\n\r\n" + bytes(range(255, 127, -1))
"""What is sent where no HTTP is: the same each time."""

_ALERT = bytes((21, 3, 3, 0, 2, 2, 40))  # a fatal alert, handshake_failure: RFC 8446, 6
_FILL = 0.05  # seconds in which a connection over the loopback is made, if it is
_MOST = 16  # connections that fill a queue of none: Linux takes one more than it is asked for


class Fault(enum.Enum):
    """What goes wrong.  Each shows on the wire exactly as it says here, whatever the client makes of it."""

    RESET = "reset"
    """The connection ends with a TCP reset."""
    CLOSE = "close"
    """The connection ends in good order, but too early: where nothing else is said, in place of a response."""
    STALL = "stall"
    """Nothing more is read or sent; the connection stays open until the client leaves, or the stub stops."""
    TRUNCATE = "truncate"
    """The body is shorter than what was promised."""
    GARBAGE = "garbage"
    """What is sent is not HTTP; then the connection ends."""
    BAD_STATUS_LINE = "bad status line"
    """The response begins with a line that is no status line."""
    BAD_HEADER = "bad header"
    """Among the headers is a line that is no header."""
    BAD_CHUNK = "bad chunk"
    """The body is chunked, and one of the chunks has a size that is no number."""
    WRONG_LENGTH = "wrong length"
    """The Content-Length is smaller than the body: what is left over spoils the connection."""
    HALF_CLOSE = "half close"
    """The stub sends nothing more and says so, but goes on reading."""
    NO_READ = "no read"
    """The request's body is not read; the answer is sent all the same."""
    TLS_HANDSHAKE = "TLS handshake"
    """The TLS handshake is refused."""
    EXPIRED_CERT = "expired certificate"
    """The certificate's time is over."""
    WRONG_HOST_CERT = "wrong host certificate"
    """The certificate is for another host."""
    UNTRUSTED_CERT = "untrusted certificate"
    """The certificate is from an authority that the client does not trust."""


class FaultPoint(enum.Enum):
    """Where in an exchange."""

    CONNECT = "connect"
    """When the client has connected, before anything is read."""
    REQUEST_START = "request start"
    """When the request's head is here, before its body is read."""
    REQUEST_BODY = "request body"
    """In the middle of the request's body."""
    RESPONSE_START = "response start"
    """When the request is here as a whole, before anything is sent."""
    RESPONSE_BODY = "response body"
    """When the response's head and a part of its body have been sent."""
    RESPONSE_END = "response end"
    """When the whole response has been sent."""


# -- how each is done --------------------------------------------------------------------------------------------------


def _stall(connection: StubConnection) -> None:
    connection.state = ConnectionState.READING  # a stop need not wait for this
    with contextlib.suppress(ClientDisconnected):
        connection.pause(None)


def _refuse_handshake(connection: StubConnection) -> None:
    with contextlib.suppress(OSError):
        connection.set_timeout(connection.server.header_timeout)
        ServerSocket.recv(connection.sock, RECEIVE)
    connection.send_plain(_ALERT)


_START, _BODY, _CONNECT = (FaultPoint.RESPONSE_START,), (FaultPoint.RESPONSE_BODY,), (FaultPoint.CONNECT,)
_EARLY = (FaultPoint.REQUEST_START, FaultPoint.REQUEST_BODY)
_ON_THE_WAY_BACK = (*_START, *_CONNECT, *_BODY, FaultPoint.RESPONSE_END)
_EVERYWHERE = (*_START, *_CONNECT, *_EARLY, *_BODY, FaultPoint.RESPONSE_END)


@dataclass(frozen=True)
class _Effect:
    """How a fault is done: with the response, if there is one, and then with the connection, which ends."""

    points: tuple[FaultPoint, ...]  # where it can happen; the first one is meant where none is given
    sends_all: bool = False  # whether the response is sent as a whole
    # what of the response's head is replaced, as a pattern, and by what: %(size)d is where in the body it happens
    spoils: tuple[bytes, bytes] | None = None
    is_chunked: bool = False  # whether the body is sent in chunks, whatever the reply says
    data: bytes = b""  # what is sent before the end
    before_end: Callable[[StubConnection], None] | None = None  # what is done before the end
    resets: bool = False  # whether it is a TCP reset
    lingers: bool = True  # whether the client gets to read what it was sent
    needs_tls: bool = False  # whether it goes wrong in TLS
    flaw: Flaw | None = None  # what is wrong with the certificate; the connection then goes on as the client likes


_EFFECTS: Mapping[Fault, _Effect] = {
    Fault.RESET: _Effect(_EVERYWHERE, resets=True, lingers=False),
    Fault.CLOSE: _Effect(_EVERYWHERE),
    Fault.STALL: _Effect(_EVERYWHERE, before_end=_stall, lingers=False),
    Fault.TRUNCATE: _Effect(_BODY),
    Fault.GARBAGE: _Effect(_ON_THE_WAY_BACK, data=GARBAGE),
    Fault.BAD_STATUS_LINE: _Effect(_START, sends_all=True, spoils=(rb"^HTTP/1\.1 \d{3}", b"HTTP/1.1 2x0")),
    Fault.BAD_HEADER: _Effect(_START, sends_all=True, spoils=(b"\r\n", b"\r\nthis is no header\r\n")),
    Fault.BAD_CHUNK: _Effect(_BODY, is_chunked=True, data=b"zz\r\n" + GARBAGE),
    Fault.WRONG_LENGTH: _Effect(
        _BODY, sends_all=True, spoils=(rb"\r\nContent-Length: \d+\r\n", b"\r\nContent-Length: %(size)d\r\n")
    ),
    Fault.HALF_CLOSE: _Effect(_ON_THE_WAY_BACK, before_end=lambda connection: connection.half_close(), lingers=False),
    # Its end resets the connection, since there is something in it that was not read.
    Fault.NO_READ: _Effect(_EARLY, sends_all=True, lingers=False),
    Fault.TLS_HANDSHAKE: _Effect(_CONNECT, before_end=_refuse_handshake, needs_tls=True),
    Fault.EXPIRED_CERT: _Effect(_CONNECT, needs_tls=True, flaw="expired"),
    Fault.WRONG_HOST_CERT: _Effect(_CONNECT, needs_tls=True, flaw="wrong-host"),
    Fault.UNTRUSTED_CERT: _Effect(_CONNECT, needs_tls=True, flaw="untrusted"),
}


@dataclass(frozen=True)
class FaultPlan:
    """A fault at a point; see `plan_fault`."""

    fault: Fault
    point: FaultPoint
    after_bytes: int | None = None  # of the body; None for half of it

    @property
    def effect(self) -> _Effect:
        """How it is done."""
        return _EFFECTS[self.fault]

    @property
    def is_early(self) -> bool:
        """Whether it happens before the request's body has been read as a whole."""
        return self.point in _EARLY

    @property
    def precedes_response(self) -> bool:
        """Whether it happens before anything of the response; a request that has no body fails no earlier."""
        return (self.is_early or self.point is FaultPoint.RESPONSE_START) and not self.effect.sends_all

    def cut(self, size: int | None) -> int:
        """Return after how many bytes of a body it happens; ``size`` is None for one of unknown length."""
        if self.after_bytes is not None:
            return self.after_bytes
        return 1 if size is None else size // 2

    def describe(self) -> str:
        """Describe it, as in ``reset at response body, after 10 bytes``."""
        after = "" if self.after_bytes is None else f", after {self.after_bytes:,} bytes"
        return f"{self.fault.value} at {self.point.value}{after}"

    def check(self, reply: Reply, exchange: Exchange | None = None) -> None:
        """Refuse a fault of which nothing would be seen; without an exchange, what holds for every request."""
        effect, is_of_body, why = self.effect, self.point is FaultPoint.RESPONSE_BODY, ""
        # What comes in pieces is cut at its end, too: the last chunk is missing.
        in_pieces = reply.stream is not None or (reply.chunks is not None and not effect.sends_all)
        size = len(reply.body)
        if reply.raw is not None:
            if is_of_body or effect.spoils is not None:
                why = "raw bytes are sent as they are; change those"
        elif is_of_body and reply.has_no_content:
            why = f"a response with status {reply.status} has no body"
        elif is_of_body and not in_pieces and not effect.is_chunked and self.cut(size) >= size:
            why = (
                f"the body has {count(size, 'byte')}, and the client would get all of it; give a longer body, "
                "or a smaller after_bytes"
            )
        if exchange is not None and not why:
            body = exchange.body
            if self.is_early and effect.sends_all and (body is None or body.finished):
                why = "the request has no body" if body is None else "the body was read, since criteria look at it"
            elif is_of_body and exchange.method == "HEAD":
                why = "a response to HEAD has no body"
            elif effect.is_chunked and exchange.version != "HTTP/1.1":
                why = f"a client of {exchange.version} gets no chunks"
        if why:
            raise UsageError(f"{self.describe()} cannot take effect: {why}")


def plan_fault(
    fault: Fault, at: FaultPoint | None = None, after_bytes: int | None = None, *, has_request: bool = True
) -> FaultPlan:
    """Plan what goes wrong with a request that an expectation matches, or with a connection before there is one."""
    if not isinstance(fault, Fault):
        raise UsageError(f"fault is {quote(fault)}; wanted one of {', '.join(map(str, Fault))}")
    points = _EFFECTS[fault].points
    point = points[0] if at is None else at
    if not isinstance(point, FaultPoint):
        raise UsageError(f"at is {quote(point)}; wanted one of {', '.join(map(str, FaultPoint))}")
    if point not in points:
        raise UsageError(f"{fault} at {point} makes no sense; it can happen at {' or '.join(map(str, points))}")
    if after_bytes is not None:
        if not is_count(after_bytes):
            raise UsageError(f"after_bytes is {quote(after_bytes)}; wanted a number of bytes, 0 or more")
        if point not in (FaultPoint.REQUEST_BODY, FaultPoint.RESPONSE_BODY):
            raise UsageError(
                f"after_bytes is {after_bytes}, but {point} is a moment without bytes; "
                "it goes with FaultPoint.REQUEST_BODY and FaultPoint.RESPONSE_BODY"
            )
    if has_request and point is FaultPoint.CONNECT:
        raise UsageError(
            f"{fault} at FaultPoint.CONNECT happens before there is a request that an expectation could match; "
            f"write stub.on_connect({fault})"
        )
    return FaultPlan(fault, point, after_bytes)


# -- what lasts --------------------------------------------------------------------------------------------------------


class Disruption(KnownAttributes):
    """Something that lasts until its ``with`` block ends, until `end` is called, or until the test is over."""

    __slots__ = ("__weakref__", "_on_end", "is_over")

    def __init__(self: D, on_end: Callable[[D], None]) -> None:
        self.is_over = False
        self._on_end: Callable[[Any], None] = on_end

    def end(self) -> None:
        """End it; a second time does nothing."""
        if not self.is_over:
            self.is_over = True
            self._on_end(self)

    def __enter__(self: D) -> D:
        return self

    def __exit__(self, *_error: object) -> None:
        self.end()


class Outage(Disruption):
    """A time in which a stub cannot be reached."""

    __slots__ = ("sockets",)

    def __init__(self, on_end: Callable[[Outage], None]) -> None:
        super().__init__(on_end)
        self.sockets: list[socket.socket] = []

    def abandon(self) -> None:
        """Let go of what it holds; called when the stub stops, too."""
        while self.sockets:
            self.sockets.pop().close()


def fill(sock: socket.socket) -> list[socket.socket]:
    """Have a bound socket listen so that nobody gets through: what is returned fills its queue; Windows refuses."""
    if os.name != "nt":  # where the port is exclusive, and nothing of a connection that was cut is in the way
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.listen(0)
    clients: list[socket.socket] = []
    for _ in range(_MOST):
        client = ServerSocket(sock.family, socket.SOCK_STREAM)
        clients.append(client)
        client.setblocking(False)
        with contextlib.suppress(OSError):
            client.connect(sock.getsockname())
        if not select.select([], [client], [], _FILL)[1]:
            break
    return clients


class ConnectionFault(Disruption):
    """What goes wrong with new connections.

    Attributes:
        plan: What goes wrong.
        times: With how many of them; None for all.
        count: With how many it has gone wrong.
    """

    __slots__ = ("count", "plan", "times")

    def __init__(self, plan: FaultPlan, times: int | None, on_end: Callable[[ConnectionFault], None]) -> None:
        super().__init__(on_end)
        self.plan = plan
        self.times = times
        self.count = 0

    @property
    def has_room(self) -> bool:
        """Whether another connection will fail."""
        return self.times is None or self.count < self.times

    def __repr__(self) -> str:
        often = "" if self.times is None else f" {self.count}/{self.times}"
        return f"<ConnectionFault {self.plan.describe()}{often}>"

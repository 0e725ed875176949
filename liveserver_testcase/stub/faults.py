"""How the stub misbehaves: a fault is *what* times *where* in an exchange; and what lasts until it is ended.

A `FaultPlan` is checked when it is made: what makes no sense at a place is refused where it is written.
"""

from __future__ import annotations

import contextlib
import enum
import os
import select
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from ..core.listener import ServerSocket
from ..core.text import quote
from ..errors import UsageError

if TYPE_CHECKING:
    from ..core.tls import Flaw

__all__ = [
    "FLAWS", "ConnectionFault", "Disruption", "Fault", "FaultPlan", "FaultPoint", "Outage", "fill", "plan_connection",
    "plan_exchange",
]  # fmt: skip

D = TypeVar("D", bound="Disruption")

_FILL = 0.05  # seconds in which a connection over the loopback is made, if it is
_MOST = 16  # connections that fill a queue of none: Linux takes one more than it is told to


class Fault(enum.Enum):
    """What goes wrong.  Each shows on the wire exactly as it says here, however the client takes it."""

    RESET = "reset"
    """The connection ends with a TCP reset."""
    CLOSE = "close"
    """The connection ends in good order, but too early: where nothing else is said, in place of a response."""
    STALL = "stall"
    """Nothing more is read or sent; the connection stays open until the client, or the stub, has enough."""
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
    """The certificate is from an authority that the client was not told of."""


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


_EVERYWHERE = (
    FaultPoint.RESPONSE_START, FaultPoint.CONNECT, FaultPoint.REQUEST_START, FaultPoint.REQUEST_BODY,
    FaultPoint.RESPONSE_BODY, FaultPoint.RESPONSE_END,
)  # fmt: skip
_START, _BODY = (FaultPoint.RESPONSE_START,), (FaultPoint.RESPONSE_BODY,)

_POINTS: Mapping[Fault, tuple[FaultPoint, ...]] = {  # the first one is meant where none is given
    Fault.RESET: _EVERYWHERE,
    Fault.CLOSE: _EVERYWHERE,
    Fault.STALL: _EVERYWHERE,
    Fault.TRUNCATE: _BODY,
    Fault.GARBAGE: (FaultPoint.RESPONSE_START, FaultPoint.CONNECT, FaultPoint.RESPONSE_BODY, FaultPoint.RESPONSE_END),
    Fault.BAD_STATUS_LINE: _START,
    Fault.BAD_HEADER: _START,
    Fault.BAD_CHUNK: _BODY,
    Fault.WRONG_LENGTH: _BODY,
    Fault.HALF_CLOSE: (
        FaultPoint.RESPONSE_START,
        FaultPoint.CONNECT,
        FaultPoint.RESPONSE_BODY,
        FaultPoint.RESPONSE_END,
    ),
    Fault.NO_READ: (FaultPoint.REQUEST_START, FaultPoint.REQUEST_BODY),
    Fault.TLS_HANDSHAKE: (FaultPoint.CONNECT,),
    Fault.EXPIRED_CERT: (FaultPoint.CONNECT,),
    Fault.WRONG_HOST_CERT: (FaultPoint.CONNECT,),
    Fault.UNTRUSTED_CERT: (FaultPoint.CONNECT,),
}

FLAWS: Mapping[Fault, Flaw] = {
    Fault.EXPIRED_CERT: "expired",
    Fault.WRONG_HOST_CERT: "wrong-host",
    Fault.UNTRUSTED_CERT: "untrusted",
}
"""The faults that are those of a certificate."""

_EARLY = frozenset((FaultPoint.REQUEST_START, FaultPoint.REQUEST_BODY))
_BODIES = frozenset((FaultPoint.REQUEST_BODY, FaultPoint.RESPONSE_BODY))


@dataclass(frozen=True)
class FaultPlan:
    """A fault at a point.

    Attributes:
        fault: What goes wrong.
        point: Where.
        after_bytes: After how many bytes of the body; None for half of it.
    """

    fault: Fault
    point: FaultPoint
    after_bytes: int | None = None

    @property
    def is_early(self) -> bool:
        """Whether it happens before the request's body has been read as a whole."""
        return self.point in _EARLY

    def cut(self, size: int | None) -> int:
        """After how many bytes of a body it happens; ``size`` is None for a body whose end nobody knows."""
        if self.after_bytes is not None:
            return self.after_bytes
        return 1 if size is None else size // 2

    def describe(self) -> str:
        """As in ``reset at response body, after 10 bytes``."""
        after = "" if self.after_bytes is None else f", after {self.after_bytes:,} bytes"
        return f"{self.fault.value} at {self.point.value}{after}"


def plan_exchange(fault: Fault, at: FaultPoint | None = None, after_bytes: int | None = None) -> FaultPlan:
    """The plan for a request that an expectation matches.

    Raises:
        UsageError: There is no such fault or point, it makes no sense there, or it comes before any request.
    """
    _check(fault)
    point = _POINTS[fault][0] if at is None else at
    if point is FaultPoint.CONNECT:
        raise UsageError(
            f"{fault} at FaultPoint.CONNECT happens before there is a request that an expectation could match; "
            f"write stub.on_connect({fault})"
        )
    return _make_plan(fault, point, after_bytes)


def plan_connection(fault: Fault) -> FaultPlan:
    """The plan for a connection, before there is a request.

    Raises:
        UsageError: There is no such fault, or it makes no sense there.
    """
    _check(fault)
    return _make_plan(fault, FaultPoint.CONNECT, None)


def _check(fault: object) -> None:
    if not isinstance(fault, Fault):
        raise UsageError(f"fault is {quote(fault)}; wanted one of {', '.join(map(str, Fault))}")


def _make_plan(fault: Fault, point: FaultPoint, after_bytes: int | None) -> FaultPlan:
    if not isinstance(point, FaultPoint):
        raise UsageError(f"at is {quote(point)}; wanted one of {', '.join(map(str, FaultPoint))}")
    if point not in _POINTS[fault]:
        wanted = " or ".join(str(known) for known in _POINTS[fault])
        raise UsageError(f"{fault} at {point} makes no sense; it can happen at {wanted}")
    if after_bytes is not None:
        if isinstance(after_bytes, bool) or not isinstance(after_bytes, int) or after_bytes < 0:
            raise UsageError(f"after_bytes is {quote(after_bytes)}; wanted a number of bytes, 0 or more")
        if point not in _BODIES:
            raise UsageError(
                f"after_bytes is {after_bytes}, but {point} is a moment without bytes; "
                "it goes with FaultPoint.REQUEST_BODY and FaultPoint.RESPONSE_BODY"
            )
    return FaultPlan(fault, point, after_bytes)


# -- what lasts --------------------------------------------------------------------------------------------------------


class Disruption:
    """Something that lasts until its ``with`` block ends, until `end` is called, or until the test is over."""

    def __init__(self) -> None:
        self.is_over = False

    def end(self) -> None:
        """End it; a second time does nothing."""
        if not self.is_over:
            self.is_over = True
            self._end()

    def _end(self) -> None:
        raise NotImplementedError

    def __enter__(self: D) -> D:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()


class Outage(Disruption):
    """A time in which a stub cannot be reached.

    Args:
        reopen: Called at its end.
    """

    def __init__(self, reopen: Callable[[], None]) -> None:
        super().__init__()
        self.sockets: list[socket.socket] = []
        self._reopen = reopen

    def abandon(self) -> None:
        """Let go of what it holds; called when the stub stops, too."""
        while self.sockets:
            self.sockets.pop().close()

    def _end(self) -> None:
        self.abandon()
        self._reopen()


def fill(sock: socket.socket) -> list[socket.socket]:
    """Have a bound socket listen so that nobody gets through: its queue is full of the connections that are returned.

    Linux and macOS then answer no attempt to connect at all; Windows refuses it.
    """
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

    def __init__(self, plan: FaultPlan, times: int | None, forget: Callable[[ConnectionFault], None]) -> None:
        super().__init__()
        self.plan = plan
        self.times = times
        self.count = 0
        self._forget = forget

    @property
    def has_room(self) -> bool:
        """Whether another connection is to fail."""
        return self.times is None or self.count < self.times

    def _end(self) -> None:
        self._forget(self)

    def __repr__(self) -> str:
        often = "" if self.times is None else f" {self.count}/{self.times}"
        return f"<ConnectionFault {self.plan.describe()}{often}>"

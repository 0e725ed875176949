"""What is done to a stub as a whole: it cannot be reached, or fails whoever connects.  Each ends with its block."""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

from ..core.listener import ServerSocket
from .fault import Plan

__all__ = ["ConnectionFault", "Outage", "Until", "fill"]

U = TypeVar("U", bound="Until")

_FILL = 0.05  # seconds in which a connection over the loopback is made, if it is
_MOST = 16  # connections that fill a queue of none: Linux takes one more than it is told to


class Until:
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

    def __enter__(self: U) -> U:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()


class Outage(Until):
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
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # of connections that were cut something is left
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


class ConnectionFault(Until):
    """What goes wrong with new connections.

    Attributes:
        plan: What goes wrong.
        times: With how many of them; None for all.
        count: With how many it has gone wrong.
    """

    def __init__(self, plan: Plan, times: int | None, forget: Callable[[ConnectionFault], None]) -> None:
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

"""Waiting for the sake of a request that is being answered: for a time, for the test, or for a coroutine."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Awaitable
from typing import Any, Protocol, TypeVar

from ..core.listener import make_socket_pair
from ..errors import ClientDisconnected

__all__ = ["Serving", "Wake"]

T = TypeVar("T")


class Wake:
    """Ends a wait from another thread; it can be waited for together with a client."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the sockets' end: a byte must not go into a reused number
        self._inner, self._outer = make_socket_pair()

    def fileno(self) -> int:
        """What becomes readable."""
        return self._inner.fileno()

    def set(self) -> None:
        """End the wait, also one that has not begun; again, or when it is over, does nothing."""
        with self._lock, contextlib.suppress(OSError):
            self._outer.send(b"!")

    def close(self) -> None:
        """Let go of it; called by who has waited."""
        with self._lock:
            self._inner.close()
            self._outer.close()


class Serving(Protocol):
    """The connection on which a request is being answered, as far as an answer needs it."""

    def pause(self, seconds: float | None, wake: Wake | None = None) -> bool:
        """Wait; whether the time is over, or ``wake`` was set: else the stub stops.

        Raises:
            ClientDisconnected: The client has left.
        """

    def wait_readable(self, sock: socket.socket, seconds: float) -> None:
        """Wait until another socket than the client's can be read.

        Raises:
            TimeoutError: It cannot within the time.
            ClientDisconnected: The client has left, or the stub stops.
        """

    def run(self, work: Awaitable[T]) -> T:
        """Run a coroutine on the stub's loop, and wait for its result.

        Raises:
            ClientDisconnected: The client has left, or the stub stops.
        """

    def tell(self) -> None:
        """Wake who waits for something to happen to a request."""

    def has_left(self) -> bool:
        """Return True if the client has left, as far as it shows without waiting."""

    def is_late(self, request: Any, /) -> bool:
        """Whether the test in which a request came is over."""

    def abandon(self, reason: str, *, reset: bool = False, linger: bool = False) -> ClientDisconnected:
        """Send nothing more; see `Connection.abandon`."""

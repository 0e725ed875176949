"""One connection of a server on an event loop: what a stop must know of it, and how its writes are joined.

An HTTP response is written in pieces, its head and its body at the least.  Each piece that is sent by itself is a call
of the system, a packet, and a client that wakes.  So what is written in one turn of the loop is sent at once, before
the loop waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import selectors
import socket
from collections.abc import Callable
from typing import Any

from .connection import is_readable
from .interrupts import monotonic
from .listener import format_host
from .tracebacks import Unfinished

__all__ = ["FlushingSelector", "LoopConnection", "WriteBuffer"]

_LARGE = 16 * 1024  # bytes from which on joining costs more than it saves
_LOOKS = 8  # for a client's next request, before the loop falls asleep: ten microseconds


class LoopConnection:
    """One connection: made and lost on the loop, cut from any thread."""

    is_busy = False
    """Whether something is being done for the client, rather than waited for from it."""

    def __init__(self, transport: asyncio.BaseTransport, index: int) -> None:
        self.transport: Any = transport  # of TCP, under STARTTLS too: its abort() waits for nobody
        self.index = index  # among the server's connections
        self.address = transport.get_extra_info("peername") or ("unknown", 0)
        self.socket = transport.get_extra_info("socket")  # to be asked for its number and shut down, never read
        self.is_tls = transport.get_extra_info("sslcontext") is not None  # from the first byte
        self.is_cut = False  # the server has ended it
        self.resets = False  # the client is to see a reset, and no end before it
        self.is_last = False  # a stop waits for what is being done, and nothing comes after it
        self.what = "a connection"  # what is being done
        self.since = self.accepted_at = monotonic()
        self._task: asyncio.Task[Any] | None = None

    @property
    def peer(self) -> str:
        """The client's address as text, ``host:port``."""
        return f"{format_host(str(self.address[0]))}:{self.address[1]}"

    def mark_busy(self, what: str) -> None:
        """Note that something is being done for the client; called on the loop."""
        self.what, self.since, self.is_busy = what, monotonic(), True
        self._task = asyncio.current_task()

    def mark_idle(self) -> None:
        """Note that it is the client's turn; called on the loop, when the answer has been written."""
        self.is_busy = False
        self._task = None
        if self.is_last:
            self.transport.close()  # sends what is still to be sent

    def is_at_rest(self) -> bool:
        """Return True if nothing that the client has sent is still to be read, but for work that is in progress.

        Called on the loop, where nothing is on its way between the socket and the protocol.
        """
        if self.is_busy or self.socket.fileno() < 0 or not is_readable(self.socket):
            return True
        return not self.transport.is_reading()

    def close_when_idle(self) -> None:
        """Close as soon as nothing is being done for the client, and it has been sent everything."""
        self.is_last = True
        if not self.is_busy:
            self.transport.close() if self.unsent else self.abort()

    @property
    def unsent(self) -> int:
        """Bytes that the client has not been sent yet, because it does not read."""
        try:
            return int(self.transport.get_write_buffer_size())
        except AttributeError:  # that of TLS has forgotten its protocol once it was closed twice
            return 0

    def abort(self) -> None:
        """Cut the connection, without the goodbyes of TLS: they take up to 30 s on Python 3.12 and later."""
        self.transport.abort()
        if self.is_tls:
            self.cut()  # a TLS transport that was closed twice lets nobody abort it any more
        else:
            self.shut_down()

    def cut(self) -> None:
        """End the connection under whoever uses it; from any thread."""
        self.is_cut = True
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def shut_down(self) -> None:
        """End the connection for its client, whoever has a copy of the socket: a transport merely closes its own.

        A child that is forked while a client is being accepted has one that nobody could tell it of.  What nobody has
        read makes the close a reset, which an end before it would hide.
        """
        if not self.resets and self.socket.fileno() >= 0 and not is_readable(self.socket):
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)

    def cancel_overdue(self, waited: float, thread: str) -> list[Unfinished]:
        """Cancel what a stop has waited for long enough, ``waited`` seconds; returns what had to be cut."""
        return []

    def describe_all(self, thread: str) -> list[Unfinished]:
        """Name everything that is being done."""
        return [self.describe(thread)] if self.is_busy else []

    def describe(self, thread: str, stack: str = "") -> Unfinished:
        """Name what is being done, and where."""
        if not stack and self._task is not None:
            text = io.StringIO()
            self._task.print_stack(file=text)
            stack = text.getvalue()
        return Unfinished(self.what, self.peer, monotonic() - self.since, thread, stack)


class FlushingSelector(selectors.DefaultSelector):
    """The selector of a loop whose write buffers are flushed before it waits."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[WriteBuffer] = []  # that hold something
        self.has_sent = False  # since the loop waited for the last time
        self._skipped = 0  # turns without a look, one after the other
        self._let_others_run: Callable[[], None] = getattr(os, "sched_yield", lambda: None)  # Windows has none

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """See `selectors.BaseSelector.select`."""
        if self.written:
            for buffer in self.written:
                buffer.flush()
                if buffer.is_closing():  # the connection is broken: the loop must not wait to say so
                    timeout = 0.0
            self.written.clear()
        # A request is a few turns of the loop, each of which would ask the system who has sent something meanwhile.
        # While the loop has work, every third turn does.
        if timeout == 0.0 and self._skipped < 2:
            self._skipped += 1
            return []
        self._skipped = 0
        if self.has_sent and timeout != 0.0:
            # Who has just been answered often asks again within microseconds, in which the loop would fall asleep and
            # have to be woken, which takes longer than a few looks.  On a machine with one core the client goes first.
            self.has_sent = False
            self._let_others_run()
            for _ in range(_LOOKS):
                if events := super().select(0.0):
                    return events
        return super().select(timeout)


class WriteBuffer:
    """Stands before a transport on such a loop, and has its other methods, too; made on the loop."""

    __slots__ = ("_held", "_selector", "is_closing", "transport")

    def __init__(self, transport: Any) -> None:
        self.transport = transport
        self.is_closing: Callable[[], bool] = transport.is_closing
        self._selector: FlushingSelector = asyncio.get_running_loop().selector  # type: ignore[attr-defined]
        self._held = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)

    def write(self, data: bytes) -> None:
        """See `asyncio.WriteTransport.write`."""
        if self._held:
            self._held += data
        else:
            self._held = data
            self._selector.written.append(self)
        if len(self._held) > _LARGE:
            self.flush()  # the transport must know what is unsent, and say so

    def flush(self) -> None:
        """Send what has been written."""
        if self._held:
            data, self._held = self._held, b""
            self._selector.has_sent = True
            self.transport.write(data)

    def close(self) -> None:
        """See `asyncio.BaseTransport.close`."""
        self.flush()
        self.transport.close()

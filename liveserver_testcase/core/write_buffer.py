"""Join what is written in one turn of an event loop, and send it before the loop waits.

An HTTP response is written in pieces, its head and its body at the least.  Each piece that is sent by itself is a call
of the system, a packet, and a client that wakes.
"""

from __future__ import annotations

import asyncio
import selectors
from typing import Any

__all__ = ["FlushingSelector", "WriteBuffer"]

_LARGE = 16 * 1024  # bytes from which on joining costs more than it saves


class FlushingSelector(selectors.DefaultSelector):
    """The selector of a loop whose write buffers are flushed before it waits.

    Attributes:
        written: The buffers that hold something.
    """

    def __init__(self) -> None:
        super().__init__()
        self.written: list[WriteBuffer] = []

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """See `selectors.BaseSelector.select`."""
        if self.written:
            for buffer in self.written:
                buffer.flush()
                if buffer.transport.is_closing():  # the connection is broken: the loop must not wait to say so
                    timeout = 0.0
            self.written.clear()
        return super().select(timeout)


class WriteBuffer:
    """Stands before a transport on such a loop, and has its other methods, too.

    Args:
        transport: What is written to.
        selector: The loop's.
    """

    __slots__ = ("_held", "_selector", "transport")

    def __init__(self, transport: asyncio.Transport, selector: FlushingSelector) -> None:
        self.transport = transport
        self._selector = selector
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
            self.transport.write(data)

    def close(self) -> None:
        """See `asyncio.BaseTransport.close`."""
        self.flush()
        self.transport.close()

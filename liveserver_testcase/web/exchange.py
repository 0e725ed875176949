"""One request and its response, as the server's journal keeps them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from ..core.clock import monotonic
from ..core.journal import Epoch
from ..core.listener import format_host
from .body import Body
from .head import Head, split_target
from .response import ResponseWriter

__all__ = ["Exchange"]

_BEFORE = Epoch(0, "")


class Exchange:
    """One request on its way through the server.

    It is recorded when its head has arrived (or has been refused), and completed when it has been answered or given up.
    While it is served it also holds what serves it: `head`, `body` and `response`; afterwards these are None.

    Attributes:
        index: Its number in the server's journal.
        epoch: The test in which it arrived.
        connection_index: The connection it came on, numbered from 0 in the order of their acceptance.
        exchange_index: Its number on that connection, from 0.
        address: The client's, as the socket module has it: host and port are the first two.
        method: Such as ``GET``; empty if no request could be made out.
        target: The raw target of the request line.
        version: ``HTTP/1.1`` or ``HTTP/1.0``.
        arrived: When it arrived, on the monotonic clock.
        received_at: The same as seconds since 1970.
        duration: Seconds from its arrival to its end; None while it is served.
        completed: Whether the whole response has been handed to the system.
        aborted: Why it did not come to its end through the client; empty if it did.
        refused: Why it was refused as malformed; empty if it was not.
        errors: The exceptions of the application.
        trailers: Header lines that followed a chunked body, as bytes.
        chunk_sizes: How the client cut a chunked body; of a very long one, the first 100,000.
        record: What the handler wants to keep with it.
    """

    __slots__ = (
        "_status", "aborted", "address", "arrived", "body", "chunk_sizes", "completed", "connection_index", "duration",
        "epoch", "errors", "exchange_index", "head", "index", "method", "received_at", "record", "refused", "response",
        "target", "trailers", "version",
    )  # fmt: skip

    def __init__(self, head: Head | None, connection_index: int, exchange_index: int, address: Any) -> None:
        self.arrived = monotonic()
        self.received_at = time.time()
        self.index = -1
        self.epoch = _BEFORE
        self.connection_index = connection_index
        self.exchange_index = exchange_index
        self.address = address
        self.head = head
        self.body: Body | None = None
        self.response: ResponseWriter | None = None
        self.record: object = None
        if head is not None:
            self.method = head.method
            self.target = head.target
            self.version = head.version
        else:
            self.method = self.target = self.version = ""
        self.duration: float | None = None
        self._status: int | None = None
        self.completed = False
        self.aborted = self.refused = ""
        self.trailers: Sequence[tuple[bytes, bytes]] = ()
        self.chunk_sizes: Sequence[int] = ()
        self.errors: list[BaseException] = []

    @property
    def status(self) -> int | None:
        """The status that was answered with, from the moment the response's head leaves; None if none was."""
        response = self.response  # once, for the serving thread takes it away
        return response.status if response is not None and response.begun else self._status

    @status.setter
    def status(self, status: int) -> None:
        self._status = status

    @property
    def peer(self) -> str:
        """The client's ``host:port``."""
        return f"{format_host(self.address[0])}:{self.address[1]}"

    @property
    def path(self) -> str:
        """The raw path, without the query."""
        return split_target(self.target)[0]

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.duration is not None

    @property
    def age(self) -> float:
        """Seconds since it arrived, or how long it took."""
        return monotonic() - self.arrived if self.duration is None else self.duration

    def end(self) -> None:
        """Complete the record and let go of what served it."""
        response = self.response
        if response is not None:
            self._status = self.status
            self.completed = response.finished
        if self.body is not None:
            self.trailers, self.chunk_sizes = self.body.trailers, self.body.chunk_sizes
        self.duration = monotonic() - self.arrived
        self.head = self.body = self.response = None

    def describe(self) -> str:
        """The request line, or that there was none."""
        return f"{self.method} {self.target}" if self.method else "a request that could not be made out"

    def __repr__(self) -> str:
        result = self.aborted or self.refused or ("in progress" if self.status is None else str(self.status))
        return f"<Exchange #{self.index} {self.describe()}: {result}>"

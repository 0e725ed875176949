"""One request and its response, as the server's journal keeps them."""

from __future__ import annotations

import time

from ..core.clock import monotonic
from ..core.journal import Epoch
from .body import Body
from .head import Head
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
        peer: The client's ``host:port``.
        method: Such as ``GET``; empty if no request could be made out.
        target: The raw target of the request line.
        version: ``HTTP/1.1`` or ``HTTP/1.0``.
        received_at: When it arrived: seconds since 1970.
        duration: Seconds from its arrival to its end; None while it is served.
        status: The status that was answered with; None if none was.
        completed: Whether the whole response has been handed to the system.
        aborted: Why it did not come to its end through the client; empty if it did.
        refused: Why it was refused as malformed; empty if it was not.
        errors: The exceptions of the application.
        record: What the handler wants to keep with it.
    """

    __slots__ = (
        "_arrived", "aborted", "body", "completed", "connection_index", "duration", "epoch", "errors",
        "exchange_index", "head", "index", "method", "peer", "received_at", "record", "refused", "response", "status",
        "target", "version",
    )  # fmt: skip

    def __init__(self, head: Head | None, connection_index: int, exchange_index: int, peer: str) -> None:
        self.index = -1
        self.epoch = _BEFORE
        self.head = head
        self.body: Body | None = None
        self.record: object = None
        self.response: ResponseWriter | None = None
        self.connection_index = connection_index
        self.exchange_index = exchange_index
        self.peer = peer
        self.method = head.method if head is not None else ""
        self.target = head.target if head is not None else ""
        self.version = head.version if head is not None else ""
        self.received_at = time.time()
        self._arrived = monotonic()
        self.duration: float | None = None
        self.status: int | None = None
        self.completed = False
        self.aborted = ""
        self.refused = ""
        self.errors: list[BaseException] = []

    @property
    def path(self) -> str:
        """The raw path, without the query."""
        return self.target.partition("?")[0]

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.duration is not None

    @property
    def age(self) -> float:
        """Seconds since it arrived, or how long it took."""
        return monotonic() - self._arrived if self.duration is None else self.duration

    def end(self) -> None:
        """Complete the record and let go of what served it."""
        response = self.response
        if response is not None:
            if response.begun:
                self.status = response.status
            self.completed = response.finished
        self.duration = monotonic() - self._arrived
        self.head = self.body = self.response = None

    def describe(self) -> str:
        """The request line, or that there was none."""
        return f"{self.method} {self.target}" if self.method else "a request that could not be made out"

    def __repr__(self) -> str:
        result = self.aborted or self.refused or ("in progress" if self.status is None else str(self.status))
        return f"<Exchange #{self.index} {self.describe()}: {result}>"

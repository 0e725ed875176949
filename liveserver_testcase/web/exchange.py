"""One request and its response, as the server's journal keeps them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from ..core.clock import monotonic
from .body import Body
from .head import Head, split_target
from .record import BEFORE, RequestRecord
from .response import ResponseWriter

__all__ = ["Exchange"]


class Exchange(RequestRecord):
    """One request on its way through the engine: a `RequestRecord`, and what is only known to who reads the wire.

    It is recorded when its head has arrived (or has been refused), and completed when it has been answered or given up.
    While it is served it also holds what serves it: `head`, `body` and `response`; afterwards these are None.

    Attributes:
        refused: Why it was refused as malformed; empty if it was not.
        trailers: Header lines that followed a chunked body, as bytes.
        chunk_sizes: How the client cut a chunked body; of a very long one, the first 100,000.
        record: What the handler wants to keep with it.
    """

    __slots__ = ("body", "chunk_sizes", "head", "record", "refused", "response", "trailers")

    # sets every attribute itself: a call of the base's would be a tenth of what the record costs
    def __init__(self, head: Head | None, connection_index: int, exchange_index: int, address: Any) -> None:
        self.arrived = monotonic()
        self.received_at = time.time()
        self.index = -1
        self.epoch = BEFORE
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
    def status(self, status: int | None) -> None:
        self._status = status

    @property
    def path(self) -> str:
        """The raw path, without the query."""
        return split_target(self.target)[0]

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

    def __repr__(self) -> str:
        result = self.aborted or self.refused or ("in progress" if self.status is None else str(self.status))
        return f"<Exchange #{self.index} {self.describe()}: {result}>"

"""One connection of an ASGI server, and what is kept of each request on it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Protocol

from ..core.talk import Talk
from ..core.unfinished import Unfinished
from .record import RequestRecord

__all__ = ["ASGIRecord", "Line"]

_FAREWELL = 0.5  # seconds of a stop that an application gets to notice that its WebSocket or event stream is over


class ASGIRecord(RequestRecord):
    """What is kept of one request or WebSocket.

    Attributes:
        is_lasting: Whether it has no end of its own and lasts until one side leaves: a WebSocket, a stream of events.
    """

    __slots__ = ("is_lasting",)

    def __init__(self, method: str, target: str, address: Any) -> None:
        super().__init__(method, target, address)
        self.is_lasting = method == "WEBSOCKET"


class Carried(Protocol):
    """What a connection asks of a call that came on it; see `Call`."""

    record: ASGIRecord
    is_reading: bool
    was_told: bool
    was_cancelled: bool

    def lose(self) -> None:
        """The connection is lost."""

    def cancel(self) -> None:
        """Give it up."""

    def describe(self, thread: str) -> Unfinished:
        """Name it and where it is."""


class Line(Talk):
    """One connection, with the calls that came on it: more than one while a response's background task still runs.

    It is parted with when it is lost and its calls have ended, so that a stop waits for those, too.

    Attributes:
        address: The client's, as the socket module has it.
        protocol: What speaks on it: for HTTP, and after an upgrade for the WebSocket.
    """

    def __init__(self, transport: asyncio.BaseTransport, index: int, part: Callable[[Talk], None]) -> None:
        super().__init__(transport, index)
        self._parted_with = part
        self.address = transport.get_extra_info("peername") or ("unknown", 0)
        self.protocol: Any = None
        self.calls: list[Carried] = []
        self.count = 0
        self.is_lost = False
        self.is_cut = False

    def open(self, call: Carried) -> None:
        """Take down that the application is called."""
        call.record.connection_index = self.index
        call.record.exchange_index = self.count
        self.count += 1
        self.calls.append(call)
        self.what, self.since = call.record.describe(), call.record.arrived
        self.update()

    def close(self, call: Carried) -> None:
        """Take down that a call has ended, its response sent as far as it will be."""
        self.calls.remove(call)
        self.update()
        if not self.calls:
            if self.is_lost:
                self._parted_with(self)
            elif self.is_last:
                self.end()

    def update(self) -> None:
        """Something is being done for the client while a call does not just wait for its request's body."""
        self.is_busy = any(not call.is_reading for call in self.calls)

    def lose(self) -> None:
        """Take down that the connection is lost."""
        self.is_lost = True
        for call in list(self.calls):
            call.lose()
        if not self.calls:
            self._parted_with(self)
        else:
            self.abort()  # it is lost already, but the TLS transport of Python 3.10 does not know

    def cut(self) -> None:
        """See `Talk.cut`."""
        self.is_cut = True
        super().cut()

    def retire(self) -> None:
        """See `Talk.retire`; what lasts is told at once, since waiting would not end it."""
        lasting = [call for call in self.calls if call.record.is_lasting]
        for call in lasting:
            call.was_told = True
        if lasting and lasting[0].record.method != "WEBSOCKET":
            self.is_last = True
            self.abort()
        elif self.is_busy and not self.is_lost:
            self.is_last = True
            with contextlib.suppress(Exception):  # it is uvicorn's, and the connection may be in any state
                # what uvicorn calls for each connection when it stops: closes a WebSocket with 1012, and makes the
                # response that is still to come the last one
                self.protocol.shutdown()
        else:
            super().retire()

    def press(self, waited: float, thread: str) -> list[Unfinished]:
        """Cancel what was told that it is over and goes on; before that, cut clients that keep TLS waiting."""
        if not self.is_lost and any(call.was_told for call in self.calls):
            self.abort()
        late = [call for call in self.calls if call.was_told and not call.was_cancelled and waited >= _FAREWELL]
        found = [call.describe(thread) for call in late]
        for call in late:
            call.cancel()
        return found

    def describe_all(self, thread: str) -> list[Unfinished]:
        """Name every call that has not been given up yet."""
        return [call.describe(thread) for call in self.calls if not (call.was_cancelled or call.is_reading)]

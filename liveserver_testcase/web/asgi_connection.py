"""One connection of an ASGI server, with the calls of the application that came on it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any

from ..core.interrupts import monotonic
from ..core.loop_connection import LoopConnection
from ..core.tracebacks import Unfinished
from .records import BEFORE, RequestRecord

if TYPE_CHECKING:
    from .asgi import ASGIServer
    from .asgi_cycle import RequestResponseCycle

__all__ = ["ASGIConnection"]

_SHUTDOWN_NOTICE = 0.5  # seconds of a stop that an application gets to notice the end of its WebSocket or event stream


class ASGIConnection(LoopConnection):
    """One connection, with the calls that came on it: more than one while a response's background task still runs.

    It is over when it is lost and its calls have ended, so that a stop waits for those, too.
    """

    def __init__(self, transport: asyncio.BaseTransport, index: int, server: ASGIServer) -> None:
        super().__init__(transport, index)
        self.server = server
        self.protocol: Any = None  # what speaks on it: for HTTP, and after an upgrade for the WebSocket
        self.cycles: list[RequestResponseCycle] = []  # the calls of the application that have not ended
        self.count = 0  # of the requests that have come
        self.thread = threading.get_ident()  # the loop's
        self.is_lost = False  # nothing can be sent any more
        self.is_half_closed = False  # the client sends no more, and may have left
        self.is_upgrading = False  # a WebSocket was asked for, and the application has not been called yet
        self.handshake_done_at = monotonic() if self.is_tls else None
        self.first_byte_at: float | None = None  # of the last request
        self.window = BEFORE  # the test in which it came

    @property
    def is_busy(self) -> bool:  # type: ignore[override]
        """Whether a call does more than to wait for its request's body."""
        return any(not cycle.is_reading for cycle in self.cycles)

    def is_at_rest(self) -> bool:
        """See `LoopConnection.is_at_rest`."""
        return not self.is_upgrading and super().is_at_rest()

    def begin_request(self) -> None:
        """Note that the first byte of a request is here."""
        self.first_byte_at = monotonic()
        self.window = self.server.journal.window

    def add_record(self, record: RequestRecord) -> None:
        """Give a record its place on the connection, and put it into the journal."""
        record.connection_index = self.index
        record.exchange_index = self.count
        self.count += 1
        record.accepted_at = self.accepted_at
        record.handshake_done_at = self.handshake_done_at
        record.first_byte_at = self.first_byte_at
        self.server.journal.add(record, self.window)

    def remove(self, cycle: RequestResponseCycle) -> None:
        """Note that a call has ended, its response sent as far as it will be."""
        self.cycles.remove(cycle)
        if not self.cycles:
            if self.is_lost:
                self._end()
            elif self.is_last:
                self.transport.close()

    def connection_lost(self) -> None:
        """Note that the connection is lost."""
        self.is_lost = True
        for cycle in list(self.cycles):
            cycle.connection_lost()
        if self.cycles:
            self.shut_down()
            self.abort()
        else:
            self._end()

    def _end(self) -> None:
        self.server._connection_lost(self)
        if self.protocol is not None:  # a cycle of references would leave each connection to the garbage collector
            self.protocol.app = self.protocol.ws_protocol_class = None
            self.protocol = None

    def abort(self) -> None:
        """See `LoopConnection.abort`."""
        # a transport that is being lost would lose its connection twice; that of TLS does not know, on Python 3.10
        if self.is_tls or not self.is_lost:
            super().abort()

    def close_when_idle(self) -> None:
        """See `LoopConnection.close_when_idle`; what lasts is ended at once, since waiting would not end it."""
        lasting = [cycle for cycle in self.cycles if cycle.record.is_streaming]
        for cycle in lasting:
            cycle.was_notified = True
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
            super().close_when_idle()

    def cancel_overdue(self, waited: float, thread: str) -> list[Unfinished]:
        """Cancel what was notified of the stop and goes on."""
        if not self.is_lost and any(cycle.was_notified for cycle in self.cycles):
            self.abort()  # TLS keeps its client waiting for an end of its own
        late = [cycle for cycle in self.cycles if cycle.was_notified and not cycle.was_cancelled]
        if waited < _SHUTDOWN_NOTICE:
            return []
        found = [cycle.describe(thread) for cycle in late]
        for cycle in late:
            cycle.cancel()
        return found

    def describe(self, thread: str, stack: str = "") -> Unfinished:
        """See `LoopConnection.describe`."""
        if self.cycles:
            self.what, self.since = self.cycles[-1].record.describe(), self.cycles[-1].record.arrived
        return super().describe(thread, stack)

    def describe_all(self, thread: str) -> list[Unfinished]:
        """Name every call that has not been cancelled yet."""
        return [cycle.describe(thread) for cycle in self.cycles if not (cycle.was_cancelled or cycle.is_reading)]

    def describe_loss(self, when: str) -> str:
        """Who ended the connection, and when."""
        if self.server.has_refused and not self.is_half_closed:
            return f"the server stopped {when}"
        return f"the server cut the connection {when}" if self.is_cut else f"the client left {when}"

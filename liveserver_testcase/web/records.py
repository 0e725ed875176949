"""What a server keeps of its requests, whatever serves them: one record each, and the exceptions behind them."""

from __future__ import annotations

import abc
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from ..core.interrupts import monotonic
from ..core.journal import Journal, JournalWindow, drain
from ..core.listener import format_host
from ..core.text import one_line
from ..core.tracebacks import find_library
from .request_body import Body, is_client_error
from .request_head import Head, split_target
from .response import ResponseWriter

if TYPE_CHECKING:
    from .capture import Capture

__all__ = ["BEFORE", "Around", "Exchange", "RequestLog", "RequestRecord"]

BEFORE = JournalWindow(0, "")
"""The window of a record that is in no journal yet."""

_CLOCK_STARTED_AT = time.time() - monotonic()  # when the monotonic clock was zero, in seconds since 1970


class RequestRecord:
    """One request on its way through a server, from the arrival of its head to the end of its response.

    Attributes:
        index: Its number in the server's journal.
        window: The test in which it arrived.
        connection_index: The connection it came on, numbered from 0 in the order of their acceptance.
        exchange_index: Its number on that connection, from 0.
        address: The client's, as the socket module has it: host and port are the first two.
        method: Such as ``GET``, or ``WEBSOCKET``; empty if no request could be made out.
        target: The raw target of the request line; through a tunnel to a host of a stub, the whole URL.
        version: ``HTTP/1.1`` or ``HTTP/1.0``.
        accepted_at: When its connection was accepted; this and the other times are of the monotonic clock, and None for
            what has not happened, or is not known to the server.
        handshake_done_at: When its connection's TLS handshake was done.
        first_byte_at: When its first byte came.
        arrived: When its head was complete.
        body_complete_at: When its body had been read; the same as ``arrived`` for one without a body.
        response_begun_at: When the response's head was about to be sent.
        status: The status that was answered with; None if none was.
        duration: Seconds from its arrival to its end; None while it is served.
        completed: Whether the whole response has been handed to the system.
        aborted: Why it did not come to its end through the client; empty if it did.
        refused: Why it was refused as malformed; empty if it was not.
        errors: The exceptions of the application.
        capture: Headers and bodies, where the server keeps them (``LiveServer(capture=True)``); None elsewhere.
    """

    __slots__ = (
        "_is_streaming", "aborted", "accepted_at", "address", "arrived", "body_complete_at", "capture", "completed",
        "connection_index", "duration", "errors", "exchange_index", "first_byte_at", "handshake_done_at", "index",
        "method", "refused", "response_begun_at", "status", "target", "version", "window",
    )  # fmt: skip

    def __init__(self, method: str, target: str, address: Any = ("unknown", 0), version: str = "HTTP/1.1") -> None:
        self.arrived = monotonic()
        self.index = self.connection_index = self.exchange_index = -1
        self.window = BEFORE
        self.address = address
        self.method = method
        self.target = target
        self.version = version
        self.accepted_at: float | None = None
        self.handshake_done_at: float | None = None
        self.first_byte_at: float | None = None
        self.body_complete_at: float | None = None
        self.response_begun_at: float | None = None
        self.duration: float | None = None
        self.status: int | None = None
        self.completed = False
        self._is_streaming = method == "WEBSOCKET"
        self.aborted = self.refused = ""
        self.errors: list[BaseException] = []
        self.capture: Capture | None = None

    @property
    def is_streaming(self) -> bool:
        """Whether it has no end of its own and lasts until one side leaves: a WebSocket, a stream of events."""
        return self._is_streaming

    @property
    def received_at(self) -> float:
        """When its head was complete, in seconds since 1970."""
        return _CLOCK_STARTED_AT + self.arrived

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
    def finished_at(self) -> float | None:
        """When the response was finished, or given up; None while it is served."""
        return None if self.duration is None else self.arrived + self.duration

    @property
    def age(self) -> float:
        """Seconds since it arrived, or how long it took."""
        return monotonic() - self.arrived if self.duration is None else self.duration

    def measure(self) -> dict[str, float]:
        """Return the seconds that its parts took, under the names of HAR: ``ssl``, ``send``, ``wait`` and ``receive``.

        What is not over, or is not known to the server, is left out.
        """
        read, answering = self.body_complete_at or self.arrived, self.response_begun_at
        moments: dict[str, tuple[float | None, float | None]] = {
            "send": (self.first_byte_at or self.arrived, read),
            "wait": (read, answering),
            "receive": (answering, self.finished_at),
        }
        if self.exchange_index == 0:
            moments["ssl"] = self.accepted_at, self.handshake_done_at
        return {name: max(0.0, end - start) for name, (start, end) in moments.items() if start and end}

    def end(self) -> None:
        """Complete the record."""
        self.duration = monotonic() - self.arrived

    def describe(self) -> str:
        """The request line without its secrets, or that there was none."""
        return f"{self.method} {one_line(self.target)}" if self.method else "a request that could not be made out"

    def __repr__(self) -> str:
        result = self.aborted or self.refused or ("in progress" if self.status is None else str(self.status))
        return f"<{type(self).__name__} #{self.index} {self.describe()}: {result}>"


R = TypeVar("R", bound=RequestRecord)
Around: TypeAlias = Callable[[RequestRecord], contextlib.AbstractContextManager[object]]
"""Called with each request's record before the application is; what it returns is entered around it."""


class RequestLog(abc.ABC, Generic[R]):
    """The side of a server that a test asks: what it was sent, what is in flight, what was raised.

    Args:
        journal_limit: How many requests are kept, and how many exceptions that nobody has taken.
    """

    def __init__(self, journal_limit: int = 10_000) -> None:
        self.journal: Journal[R] = Journal(journal_limit)
        self._errors: list[tuple[R, BaseException]] = []

    @property
    @abc.abstractmethod
    def in_flight(self) -> list[R]:
        """The requests that are being served at the moment."""

    def stack_of(self, record: R) -> str:
        """The stack of the application for a request in flight, as `traceback` formats it; empty if unknown."""
        return ""

    def note_error(self, record: R, error: BaseException) -> None:
        """Record that the application raised ``error`` while it handled a request; once for each exception.

        What it raises because the client left, or sent nonsense, is not counted against it.
        """
        if is_client_error(error):
            return
        if not any(known is error for known in record.errors):
            trace = error.__traceback__
            while trace is not None and trace.tb_frame.f_globals.get("__package__") == __package__:
                trace = trace.tb_next
            own = trace
            while own is not None and find_library(own.tb_frame.f_code.co_filename):
                own = own.tb_next
            # The server's and the framework's frames say little.  One that never comes to the application's own code
            # keeps those of the framework.
            error.__traceback__ = own or trace or error.__traceback__
            self._add_error(record, error)
            self.journal.notify(record)

    def _add_error(self, record: R, error: BaseException) -> None:
        record.errors.append(error)
        if len(self._errors) >= self.journal.limit:  # a server that is used alone, and nobody asks
            del self._errors[0]
        self._errors.append((record, error))

    def begin(self, name: str) -> None:
        """Begin a test: forget the requests of the one before."""
        self.journal.begin(name)
        self.journal.clear()

    def move_to_window(self, records: Sequence[R], window: JournalWindow) -> list[BaseException]:
        """Move ``records`` out of their test into ``window``; returns what was raised in them, which is of no test."""
        errors = [error for record, error in self._errors if record in records]
        self._errors = [raised for raised in self._errors if raised[0] not in records]
        for record in records:
            record.window = window
        return errors

    def take_errors(self) -> list[tuple[R, BaseException]]:
        """The exceptions that were recorded since the last call, each with its request."""
        return drain(self._errors)

    def wait_until_idle(self, timeout: float, window: JournalWindow | None = None) -> list[R]:
        """Wait until every request that was sent is recorded, and none (of ``window``) is in flight.

        Not for a WebSocket or a stream of events: those last for as long as their clients want.

        Returns:
            What is still in flight after ``timeout`` seconds.
        """

        def is_waited_for(record: R) -> bool:
            return not record.is_streaming and (window is None or record.window.number == window.number)

        self.journal.wait_for(lambda: self._is_idle(is_waited_for), timeout)
        return [record for record in self.in_flight if is_waited_for(record)]

    def _is_idle(self, is_waited_for: Callable[[R], bool]) -> bool:
        """Return True if nothing is in flight that is waited for, and nothing that was sent is still to be read."""
        return not any(map(is_waited_for, self.in_flight))


class Exchange(RequestRecord):
    """One request on its way through the engine: a `RequestRecord`, and what is only known to who reads the wire.

    It is recorded when its head has arrived (or has been refused), and completed when it has been answered or given up.
    While it is served it also holds what serves it: `head`, `body` and `response`; afterwards these are None.

    Attributes:
        trailers: Header lines that followed a chunked body, as bytes.
        chunk_sizes: How the client cut a chunked body; of a very long one, the first 100,000.
        handler_data: What the handler wants to keep with it.
    """

    __slots__ = ("body", "chunk_sizes", "handler_data", "head", "response", "trailers")

    def __init__(self, head: Head | None, connection_index: int, exchange_index: int, address: Any) -> None:
        if head is None:
            RequestRecord.__init__(self, "", "", address, "")
        else:
            RequestRecord.__init__(self, head.method, head.target, address, head.version)
        self.connection_index = connection_index
        self.exchange_index = exchange_index
        self.head = head
        self.body: Body | None = None
        self.response: ResponseWriter | None = None
        self.trailers: Sequence[tuple[bytes, bytes]] = ()
        self.chunk_sizes: Sequence[int] = ()
        self.handler_data: object = None

    @property
    def is_streaming(self) -> bool:
        """Whether it is being answered with a stream of events, or its handler has taken over the connection."""
        response = self.response  # once, for the serving thread takes it away
        return response is not None and response.is_streaming

    def end(self) -> None:
        """Complete the record and let go of what served it."""
        if self.response is not None:
            self.completed = self.response.finished
        if self.head is not None:
            self.body_complete_at = self.arrived if self.body is None else self.body.finished_at
        self.duration = monotonic() - self.arrived
        self.head = self.body = self.response = None

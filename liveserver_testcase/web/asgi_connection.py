"""One connection of an ASGI server, and one call of the application on it.

A connection is one of uvicorn's protocols with a mixin before it.  Bytes from the client come to the mixin first, which
checks each request by the rules of `request_head` and hands on what is sound, one request at a time: the next one when
the response to the one before is complete.  So whatever is refused is refused when it is its turn, by us, and recorded.

uvicorn's protocol parses what it is given and calls the application in a task.  A `RequestResponseCycle` stands between
the two: it is recorded when the head has come, sees what is received and sent, and ends with the task.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
import time
import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextvars import Context, ContextVar
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Protocol, cast

from ..core.event_loop import LoopConnection
from ..core.interrupts import monotonic
from ..core.tracebacks import Unfinished, loop_stack, task_stack, thread_stacks
from ..errors import ClientDisconnected, InvalidResponse
from .records import BEFORE, RequestRecord
from .request_framing import BodyFraming, drop_upgrade, make_framing, wants_websocket
from .request_head import BadRequest, Head, HeadValidator, parse_head, split_request_line, split_target
from .response import plain_response

if TYPE_CHECKING:
    from .asgi import ASGIServer
    from .lifespan import ASGIApplication

__all__ = [
    "ASGIConnection",
    "ASGIRecord",
    "ProtocolLoop",
    "RequestResponseCycle",
    "RequestTask",
    "ServerState",
    "current_cycle",
    "link_http",
    "link_websocket",
]

_SHUTDOWN_NOTICE = (
    0.5  # seconds of a stop that an application gets to notice that its WebSocket or event stream is over
)
_LINGER = 1.0  # seconds that a refused client gets to read the response before its connection is cut
_SLICE = 256 * 1024  # bytes of a body that are sent at once
_HELD_BACK = 64 * 1024  # bytes of later requests that are kept, while one is answered, before reading pauses


class ASGIRecord(RequestRecord):
    """What is kept of one request or WebSocket.

    Attributes:
        refused: Why it was refused as malformed; empty if it was not.
    """

    __slots__ = ("_is_streaming", "refused")

    def __init__(self, method: str, target: str, address: Any) -> None:
        super().__init__(method, target, address)
        self._is_streaming = method == "WEBSOCKET"
        self.refused = ""

    @property
    def is_streaming(self) -> bool:
        """Whether it has no end of its own and lasts until one side leaves: a WebSocket, a stream of events."""
        return self._is_streaming

    @property
    def path(self) -> str:
        """The raw path, without the query."""
        return split_target(self.target)[0]

    def __repr__(self) -> str:
        if not self.refused or self.aborted:
            return super().__repr__()
        return f"<{type(self).__name__} #{self.index} {self.describe()}: {self.refused}>"


class ASGIConnection(LoopConnection):
    """One connection, with the calls that came on it: more than one while a response's background task still runs.

    It is over when it is lost and its calls have ended, so that a stop waits for those, too.

    Attributes:
        server: Its server.
        address: The client's, as the socket module has it.
        protocol: What speaks on it: for HTTP, and after an upgrade for the WebSocket.
        cycles: The calls of the application that have not ended.
        count: How many requests have come.
        thread: The loop's thread, by its number.
        is_lost: Whether nothing can be sent any more.
        is_upgrading: Whether a WebSocket was asked for, and the application has not been called yet.
        first_byte_at: When the first byte of the last request came.
        window: The test in which it came.
    """

    def __init__(self, transport: asyncio.BaseTransport, index: int, server: ASGIServer) -> None:
        super().__init__(transport, index)
        self.server = server
        self.address = transport.get_extra_info("peername") or ("unknown", 0)
        self.protocol: Any = None
        self.cycles: list[RequestResponseCycle] = []
        self.count = 0
        self.thread = threading.get_ident()
        self.is_lost = False
        self.is_cut = False
        self.is_upgrading = False
        self.handshake_done_at = monotonic() if self.is_tls else None
        self.first_byte_at: float | None = None
        self.window = BEFORE

    def begin_request(self) -> None:
        """Note that the first byte of a request is here."""
        self.first_byte_at = monotonic()
        self.window = self.server.journal.window

    def is_at_rest(self) -> bool:
        """See `LoopConnection.is_at_rest`."""
        return not self.is_upgrading and super().is_at_rest()

    def add_record(self, record: ASGIRecord) -> None:
        """Give a record its place on the connection, and put it into the journal."""
        record.connection_index = self.index
        record.exchange_index = self.count
        self.count += 1
        record.accepted_at = self.accepted_at
        record.handshake_done_at = self.handshake_done_at
        record.first_byte_at = self.first_byte_at
        self.server.journal.add(record, self.window)

    def add(self, cycle: RequestResponseCycle) -> None:
        """Note that the application is called."""
        self.cycles.append(cycle)
        self.is_busy = True
        self.server._calls.add(cycle)
        self.add_record(cycle.record)

    def remove(self, cycle: RequestResponseCycle) -> None:
        """Note that a call has ended, its response sent as far as it will be."""
        self.cycles.remove(cycle)
        self.update()
        if not self.cycles:
            if self.is_lost:
                self.server._connection_lost(self)
            elif self.is_last:
                self.mark_idle()

    def update(self) -> None:
        """Something is being done for the client while a call does not just wait for its request's body."""
        for cycle in self.cycles:
            if not cycle.is_reading:
                self.is_busy = True
                return
        self.is_busy = False

    def connection_lost(self) -> None:
        """Note that the connection is lost."""
        self.is_lost = True
        for cycle in list(self.cycles):
            cycle.connection_lost()
        if not self.cycles:
            self.server._connection_lost(self)
        else:
            self.abort()

    def abort(self) -> None:
        """See `LoopConnection.abort`."""
        # a transport that is being lost would lose its connection twice; that of TLS does not know, on Python 3.10
        if self.is_tls or not self.is_lost:
            super().abort()

    def cut(self) -> None:
        """See `LoopConnection.cut`."""
        self.is_cut = True
        super().cut()

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
        if waited < _SHUTDOWN_NOTICE or not late:
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
        """Name every call that has not been given up yet."""
        return [cycle.describe(thread) for cycle in self.cycles if not (cycle.was_cancelled or cycle.is_reading)]


_ERROR_HEADERS = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
_ERROR_TEXT = b"Internal Server Error\n"

# what frameworks raise in the application when its client is gone; none of them is imported here
_DEPARTURES = frozenset(("ClientDisconnect", "ClientDisconnected", "WebSocketDisconnect", "RequestAborted"))

# A context variable: whatever works for a call, in tasks or in threads, has it in its context.
_current: ContextVar[RequestResponseCycle | None] = ContextVar("liveserver_testcase_cycle", default=None)


def current_cycle() -> RequestResponseCycle | None:
    """Return the call for which the calling code works; None outside of one."""
    return _current.get()


class RequestResponseCycle:
    """One call of the application, from its request's head to the end of its task.

    Attributes:
        record: What is kept of it.
        has_body: Whether the whole body has been given to the application.
        has_started: Whether the response has begun.
        has_ended: Whether the response is complete.
        is_reading: Whether it waits for more of the request's body.
        is_gone: Whether the client is gone as far as the application knows.
        must_raise: Whether a ``send`` after the client has left is to raise, as ASGI says from 2.4 on.
        was_notified: Whether a stop has ended what lasts.
        was_cancelled: Whether a stop has given it up.
        task: The task in which it runs, uvicorn's; None before and after.
    """

    __slots__ = (
        "_deferred_end", "_raw_receive", "_raw_send", "connection", "has_body", "has_ended", "has_started", "is_gone",
        "is_reading", "must_raise", "record", "server", "task", "was_cancelled", "was_notified",
    )  # fmt: skip

    def __init__(self, connection: ASGIConnection, record: ASGIRecord, *, has_body: bool) -> None:
        self.record = record
        self.server = connection.server
        self.connection = connection
        self.has_body = has_body
        self.is_reading = self.was_notified = self.was_cancelled = False
        self.has_started = self.has_ended = False
        self.is_gone = False
        self.must_raise = False
        self._deferred_end: dict[str, Any] | None = None
        self.task: asyncio.Task[Any] | None = None

    async def run(
        self,
        app: ASGIApplication,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        """Call the application; what it raises is recorded and goes no further."""
        self._raw_receive, self._raw_send = receive, send
        # uvicorn before 0.34 promises it and does not do it: streams would go on for ever
        self.must_raise = scope["asgi"].get("spec_version", "") >= "2.4"
        self.task = task = asyncio.current_task()
        _current.set(self)  # the task is this call's own, and ends with it
        websocket = self.record.method == "WEBSOCKET"
        if websocket and task is not None:
            task.add_done_callback(self.finish)  # what uvicorn does after the application takes its time
        try:
            try:
                with self.server.around(self.record):
                    result: object = await app(scope, self.receive, self.send_ws if websocket else self.send)  # type: ignore[func-returns-value]
                self._check(result)
            except BaseException as error:
                self._note(error)
                if not websocket:
                    await self._answer_error()
                elif self.has_started:
                    self.connection.transport.close()
                elif not self.connection.is_lost:
                    self.record.status = 500  # uvicorn's answer to a handshake that nobody has ended
            if self._deferred_end is not None:
                await self._release()
        finally:
            if not websocket:
                self.finish()

    def _check(self, result: object) -> None:
        """Record an error if the application returned before it had done its part."""
        if result is not None:
            raise InvalidResponse(f"the application returned {result!r}; an ASGI application returns nothing")
        if self.has_ended or self.is_gone or self.connection.is_lost or self._deferred_end is not None:
            return
        if self.record.method == "WEBSOCKET":
            if not self.has_started:
                raise InvalidResponse("the application returned without having accepted or closed the WebSocket")
        elif not self.has_started:
            raise InvalidResponse("the application returned without a response")
        else:
            raise InvalidResponse("the application returned before the end of its response")

    def _note(self, error: BaseException) -> None:
        """Record an exception, unless it is how an application takes the departure of its client, or a stop."""
        if isinstance(error, asyncio.CancelledError) and (self.was_cancelled or self.server.has_refused):
            return
        if (self.is_gone or self.connection.is_lost) and _is_departure(error):
            return
        self.server.note_error(self.record, error)

    async def _answer_error(self) -> None:
        """Answer in the application's place, if nobody has; a response that had begun is broken off by uvicorn."""
        if self.has_started or self.is_gone or self.connection.is_lost:
            return
        length = (b"content-length", str(len(_ERROR_TEXT)).encode())
        with contextlib.suppress(Exception):
            await self.send({"type": "http.response.start", "status": 500, "headers": [*_ERROR_HEADERS, length]})
            await self.send({"type": "http.response.body", "body": _ERROR_TEXT})

    def finish(self, _task: object = None) -> None:
        """End the record and leave the connection: nothing more is done for the request."""
        record = self.record
        if record.duration is None:
            record.end()
        self.is_reading = False
        self.task = None
        self.connection.remove(self)
        self.server._calls.discard(self)
        self.server.journal.notify(self.record)

    # -- between uvicorn and the application ---------------------------------------------------------------------

    async def receive(self) -> dict[str, Any]:
        """The application's ``receive``: notes when it waits for its client."""
        if self.has_body:
            message = await self._raw_receive()
        else:
            self.is_reading = True
            self.connection.update()
            try:
                message = await self._raw_receive()
            finally:
                self.is_reading = False
                self.connection.update()
            self.has_body = not message.get("more_body", False)
        if message["type"].endswith(".disconnect"):
            self.is_gone = True
        return message

    async def send(self, message: dict[str, Any]) -> None:
        """The application's ``send`` for a response: what it says is recorded before the client can read it."""
        record, kind = self.record, message["type"]
        if self.connection.is_lost and self._is_unwanted():
            self._raise_gone()
        if kind == "http.response.start" and not self.has_started:
            record._is_streaming = _is_event_stream(message)
            record.status, self.has_started = message["status"], True
            record.response_begun_at = monotonic()
            try:
                await self._raw_send(message)
            except BaseException as error:
                record.status, self.has_started = None, False
                record.response_begun_at = None
                self.is_gone = self.is_gone or isinstance(error, OSError)
                raise
        elif kind == "http.response.body" and self.has_started and not message.get("more_body", False):
            if (record.status or 0) >= 500 and self._deferred_end is None and not self.has_ended:
                # Starlette answers with a 500 and raises afterwards: the client is not to be first to know
                self._deferred_end = message
                flushing = asyncio.get_running_loop().create_task(self._release())
                flushing.add_done_callback(_ignore)
                return
            await self._complete(message)
        else:
            await self._send_on(message)

    async def _release(self) -> None:
        """Send the end of a response that was deferred."""
        message, self._deferred_end = self._deferred_end, None
        if message is not None:
            try:
                await self._complete(message)
            except Exception as error:
                self._note(error)

    async def _complete(self, message: dict[str, Any]) -> None:
        """Send the end of a response."""
        record = self.record
        body = message.get("body", b"")
        if len(body) > _SLICE:
            # uvicorn waits for a client that does not read before each message; the loop would copy all of a large one
            view = memoryview(body)
            last = (len(body) - 1) // _SLICE * _SLICE
            for start in range(0, last, _SLICE):
                piece = bytes(view[start : start + _SLICE])
                await self._send_on({"type": message["type"], "body": piece, "more_body": True})
            message = {**message, "body": bytes(view[last:])}
        if not (self.connection.is_lost or self.is_gone):
            record.completed = self.has_ended = True
            record.end()
        try:
            await self._raw_send(message)
        except BaseException as error:
            record.completed = self.has_ended = False
            record.duration = None
            self.is_gone = self.is_gone or isinstance(error, OSError)
            raise
        self.server.journal.notify(self.record)

    async def send_ws(self, message: dict[str, Any]) -> None:
        """The application's ``send`` for a WebSocket."""
        kind, before = message["type"], (self.record.status, self.has_started, self.has_ended)
        if kind == "websocket.accept" and not self.has_started:
            self.record.status, self.has_started = 101, True
            self.record.response_begun_at = monotonic()
        elif kind == "websocket.close":
            if not self.has_started:
                self.record.status, self.has_started = 403, True
            self.has_ended = True
        elif kind == "websocket.http.response.start" and not self.has_started:
            self.record.status, self.has_started = message["status"], True
        try:
            await self._send_on(message)
        except BaseException:
            self.record.status, self.has_started, self.has_ended = before
            raise

    async def _send_on(self, message: dict[str, Any]) -> None:
        if self.connection.is_lost and self._is_unwanted():
            self._raise_gone()
        try:
            await self._raw_send(message)
        except OSError:
            self.is_gone = True
            raise

    def _is_unwanted(self) -> bool:
        """Whether an application must know that what it sends reaches nobody, although uvicorn would not say so."""
        return self.must_raise or self.server.has_refused

    def _raise_gone(self) -> None:
        self.is_gone = True
        raise ClientDisconnected("the client has left")

    # -- the end -------------------------------------------------------------------------------------------------

    def connection_lost(self) -> None:
        """Record that the connection is lost, and when."""
        record = self.record
        if self.has_ended or record.aborted or record.refused:
            return
        if record.method == "WEBSOCKET":
            if self.has_started:
                return  # how WebSockets end
            when = "before the WebSocket was accepted"
        elif self.is_reading:
            when = "in the middle of its request's body"
        else:
            when = "in the middle of the response" if self.has_started else "before it was answered"
        record.aborted = _describe_loss(self.connection, when)

    def cancel(self) -> None:
        """Give it up: end the connection, and the task."""
        self.was_cancelled = True
        if not self.connection.is_lost:
            self.connection.abort()
        if self.task is not None:
            self.task.cancel()

    def describe(self, thread: str) -> Unfinished:
        """Name it and where it is."""
        age = monotonic() - self.record.arrived
        return Unfinished(self.record.describe(), self.connection.peer, age, thread, self.stack())

    def stack(self) -> str:
        """Where the application is: in its coroutines, and in threads that work for them."""
        if self.task is None:
            return ""
        thread = self.connection.thread
        if getattr(self.task.get_coro(), "cr_running", False) and threading.get_ident() != thread:
            return loop_stack(thread)
        return task_stack(self.task) + thread_stacks(self.is_context)

    def is_context(self, context: Context) -> bool:
        """Whether what runs in ``context`` works for this call."""
        return context.get(_current) is self


def _describe_loss(connection: ASGIConnection, when: str) -> str:
    if connection.server.has_refused:
        return f"the server stopped {when}"
    return f"the server cut the connection {when}" if connection.is_cut else f"the client left {when}"


def _is_event_stream(message: dict[str, Any]) -> bool:
    for name, value in message.get("headers", ()):
        if len(name) == 12 and name.lower() == b"content-type":
            return bool(value.startswith(b"text/event-stream"))
    return False


def _is_departure(error: BaseException) -> bool:
    """Return True if an exception says no more than that the client is gone.

    What the application raises by itself while it handles the departure says more.
    """
    inner = getattr(error, "exceptions", None)  # of an exception group
    if isinstance(inner, tuple):
        return all(_is_departure(one) for one in inner)
    if isinstance(error, asyncio.CancelledError | ClientDisconnected | BadRequest):
        return True
    return any(kind.__name__ in _DEPARTURES for kind in type(error).__mro__)


def _ignore(task: asyncio.Task[None]) -> None:
    """Ask for what a task raised, so that asyncio does not log it."""
    if not task.cancelled():
        task.exception()


class ServerState:
    """What uvicorn's protocols share: the four attributes of its ``ServerState``.

    uvicorn's main loop sets the headers of all responses once a second; here they are made when they are asked for.
    """

    def __init__(self, config: Any) -> None:
        self.total_requests = 0
        self.connections: set[object] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self._config = config
        self._second = -1
        self._headers: list[tuple[bytes, bytes]] = []

    @property
    def default_headers(self) -> list[tuple[bytes, bytes]]:
        """Date, Server and those of the options."""
        second = int(time.time())
        if second != self._second:
            date = [(b"date", formatdate(second, usegmt=True).encode())] if self._config.date_header else []
            self._headers = [*date, *self._config.encoded_headers]
            self._second = second
        return self._headers


class ProtocolLoop:
    """What uvicorn's protocols for HTTP use of their loop: they make tasks, and time connections that are kept.

    The task of a request is made without the loop's task factory, which is for those that the application makes.  An
    hour's timer for each response, to be cancelled by the next request, is no use to anybody.

    Args:
        loop: The event loop.
        is_timed: Whether kept connections are to be timed.
    """

    __slots__ = ("call_later", "create_task")

    def __init__(self, loop: asyncio.AbstractEventLoop, *, is_timed: bool) -> None:
        self.create_task = functools.partial(asyncio.Task, loop=loop)
        self.call_later: Callable[..., object] = loop.call_later if is_timed else _do_not_time


class _NoTimer:
    def cancel(self) -> None:
        """Do nothing."""


_NO_TIMER = _NoTimer()


def _do_not_time(_delay: float, _callback: object) -> object:
    return _NO_TIMER


class _UvicornProtocol(Protocol):
    """What is used of uvicorn's protocols, whichever is chosen; each of these is there from version 0.30 on."""

    app: ASGIApplication
    access_log: bool
    ws_protocol_class: Any
    flow: Any  # pauses and resumes reading
    cycle: Any  # what runs the application
    transport: Any

    def connection_made(self, transport: asyncio.BaseTransport) -> None: ...
    def connection_lost(self, exc: Exception | None) -> None: ...
    def data_received(self, data: bytes) -> None: ...
    def on_response_complete(self) -> None: ...


class _ProtocolMixin:
    """Put before one of uvicorn's protocol classes: notifies the server of its connection and of its calls."""

    _server: ASGIServer
    _connection: ASGIConnection

    def link(self, server: ASGIServer) -> None:
        """Tie a new protocol to its server."""
        uvicorn = cast(_UvicornProtocol, self)
        self._server = server
        # the application that the protocol calls, with what uvicorn may have put around it
        self._app = server.app if uvicorn.app is server._call_app else uvicorn.app
        uvicorn.app = self._serve
        uvicorn.access_log = False  # the option of this name would take the handlers off the logger uvicorn.access

    async def _serve(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        raise NotImplementedError

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._connection.protocol = self
        cast(_UvicornProtocol, super()).connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._connection.connection_lost()
        cast(_UvicornProtocol, super()).connection_lost(exc)


class _WebSocketMixin(_ProtocolMixin):
    """Put before uvicorn's protocol for WebSockets, which takes over a connection in an upgrade."""

    def take_over(self, connection: ASGIConnection) -> None:
        """Go on with a connection that has asked for an upgrade."""
        self._connection = connection
        self.link(connection.server)

    async def _serve(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        query = scope["query_string"].decode("latin-1")
        path = scope["raw_path"].decode("latin-1").removeprefix(scope["root_path"])
        record = ASGIRecord("WEBSOCKET", f"{path}?{query}" if query else path, self._connection.address)
        record.version = f"HTTP/{scope['http_version']}"
        cycle = RequestResponseCycle(self._connection, record, has_body=True)
        self._connection.add(cycle)
        self._connection.is_upgrading = False
        await cycle.run(self._app, scope, receive, send)


class _HTTPMixin(_ProtocolMixin):
    """Put before uvicorn's protocol for HTTP: checks each request before the parser below is given it.

    uvicorn's parsers accept what can be read in two ways, one of them loses the body of a request that offers another
    protocol, and none has a limit for the time that a head may take.
    """

    _received = b""  # and not yet handed on: part of a head, or requests behind the current one
    _validator: HeadValidator | None = None  # of a head that comes in pieces
    _skipped_line = False  # the empty line before a head
    _head_timer: asyncio.TimerHandle | None = None
    _body: BodyFraming | None = None  # of the current request, while it comes
    _cycle: RequestResponseCycle | None = None  # of the current request
    _their_last: object = None  # what ran the application for the request before, in uvicorn's protocol
    _is_answering = False  # the response to it is not complete
    _discards = False  # a request was refused: what follows is nobody's

    def link(self, server: ASGIServer) -> None:
        """Tie a new protocol to its server."""
        super().link(server)
        uvicorn = cast(_UvicornProtocol, self)
        self._websocket_class = uvicorn.ws_protocol_class
        if self._websocket_class is not None:
            uvicorn.ws_protocol_class = self._upgrade

    def _upgrade(self, **arguments: Any) -> Any:
        """What uvicorn calls in place of the class of the WebSocket protocol."""
        with _without_warnings(self._websocket_class):
            protocol = self._websocket_class(**arguments)
        protocol.take_over(self._connection)
        return protocol

    async def _serve(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if self._cycle is not None:
            await self._cycle.run(self._app, scope, receive, send)

    # -- called by the transport ---------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._connection = cast(ASGIConnection, self._server._connection_made(transport))
        super().connection_made(transport)
        uvicorn = cast(_UvicornProtocol, self)
        uvicorn.transport = self._writes = self._server._buffer_writes(cast(asyncio.Transport, transport))

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if not self._discards:
            if self._received:
                self._received += data
            else:
                self._received = data
                self._connection.begin_request()
            self._hand_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._stop_head_timer()
        if self._validator is not None and not self._discards:
            record = self._make_record()
            when = f"after {len(self._received)} bytes of a request's head"
            record.aborted = _describe_loss(self._connection, when)
            self._add_ended(record)
        self._received = b""
        super().connection_lost(exc)

    # -- called by uvicorn's protocol ----------------------------------------------------------------------------

    def on_response_complete(self) -> None:
        """Go on with the next request, if it is here."""
        cycle = self._cycle
        if cycle is not None and not cycle.has_ended and cycle.task is None and cycle in self._connection.cycles:
            cycle.record.status, cycle.record.completed = 503, True  # uvicorn's own, beyond its limit_concurrency
            cycle.has_ended = True
            cycle.finish()
        cast(_UvicornProtocol, super()).on_response_complete()
        self._is_answering = False
        if cast(asyncio.Transport, self._connection.transport).is_closing():
            self._discards = True  # that was the last one on the connection
        elif self._received and not self._discards:
            self._hand_on()

    def send_400_response(self, msg: str) -> None:
        """Refuse what has passed all checks and is refused by uvicorn's parser: llhttp knows a list of methods."""
        method = self._cycle.record.method if self._cycle is not None else ""
        self._refuse(BadRequest(501, f"the method {method}, which uvicorn's parser does not know"))

    # -- requests ------------------------------------------------------------------------------------------------

    def _hand_on(self) -> None:
        """Hand on what has come, as far as it is sound and its turn."""
        try:
            while self._received and not self._discards:
                if self._body is not None:
                    if not self._hand_on_body(self._body):
                        return
                elif self._is_answering:
                    if len(self._received) > _HELD_BACK:
                        cast(_UvicornProtocol, self).flow.pause_reading()  # uvicorn resumes it with the next request
                    return
                elif not self._hand_on_head():
                    return
        except BadRequest as refusal:
            self._refuse(refusal)

    def _hand_on_head(self) -> bool:
        """Hand on a head; False if it is not all there."""
        data = self._received
        if data[0] == 13 and self._validator is None and not self._skipped_line:  # one is forgiven: RFC 9112, 2.2
            if data == b"\r":
                return False
            if data[1] == 10:
                self._skipped_line = True
                self._received = data = data[2:]
                if not data:
                    return True
        end = data.find(b"\r\n\r\n") + 4
        if end < 4:
            if self._validator is None:
                self._validator = HeadValidator()
                self._head_timer = asyncio.get_running_loop().call_later(
                    self._server.header_timeout, self._on_head_timeout
                )
            self._validator.scan(data)
            return False
        self._stop_head_timer()
        was_partial = self._validator is not None
        self._validator = None
        self._skipped_line = False
        head = parse_head(data if end == len(data) else data[:end])
        self._received = data[end:]
        block = head.block
        if "HTTP_UPGRADE" in head.variables:
            if self._websocket_class is not None and wants_websocket(head):
                self._hand_over(block)
                return True
            block = drop_upgrade(block)
        self._begin(head)
        if was_partial:
            self._connection.begin_request()  # the next one came with the rest of the head
        cast(_UvicornProtocol, super()).data_received(block)
        return True

    def _begin(self, head: Head) -> None:
        record = ASGIRecord(head.method, head.target, self._connection.address)
        record.version = head.version
        self._body = body = make_framing(head)
        if body is None:
            record.body_complete_at = record.arrived
        self._cycle = RequestResponseCycle(self._connection, record, has_body=body is None)
        self._is_answering = True
        self._their_last = cast(_UvicornProtocol, self).cycle
        self._connection.add(self._cycle)

    def _hand_over(self, block: bytes) -> None:
        """Hand a request for a WebSocket on, and with it the connection."""
        self._is_answering = self._connection.is_upgrading = True
        self._writes.flush()
        cast(_UvicornProtocol, self).transport = self._connection.transport
        rest, self._received = self._received, b""
        cast(_UvicornProtocol, super()).data_received(block)
        protocol = self._connection.protocol
        if rest and protocol is not self:
            protocol.data_received(rest)

    def _hand_on_body(self, body: BodyFraming) -> bool:
        """Hand on what has come of the body; False if the rest is not all there."""
        data = self._received
        count = body.take(data)
        self._received = data[count:]
        if body.finished:
            self._body = None
            if self._cycle is not None:
                self._cycle.record.body_complete_at = monotonic()
        if count:
            cast(_UvicornProtocol, super()).data_received(data if count == len(data) else data[:count])
        return body.finished

    # -- refusals ------------------------------------------------------------------------------------------------

    def _on_head_timeout(self) -> None:
        self._refuse(BadRequest(408, f"a head that is not complete after {self._server.header_timeout:g} s"))

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _make_record(self) -> ASGIRecord:
        """Return a record of a request of which there is no head."""
        method, target, version = split_request_line(self._received)
        record = ASGIRecord(method, target, self._connection.address)
        record.version = version
        return record

    def _add_ended(self, record: ASGIRecord) -> None:
        record.end()
        self._connection.add_record(record)

    def _refuse(self, refusal: BadRequest) -> None:
        """Answer a request that is malformed, unless it has been answered, and end the connection."""
        if self._discards:
            return
        self._stop_head_timer()
        self._discards = True
        cycle = self._cycle if self._body is not None or self._is_answering else None
        transport = self._writes
        if cycle is not None:
            record = cycle.record
            record.refused = refusal.reason
            if cycle.has_started:
                # what was sent stays; uvicorn ends a response that had begun no more
                self._end_cycle(cycle)
                transport.close()
                return
        else:
            record = self._make_record()
            record.refused = refusal.reason
        record.status, record.completed = refusal.status, True
        record.response_begun_at = monotonic()
        if cycle is None:
            self._add_ended(record)
        else:
            record.end()
            self._end_cycle(cycle)
        self._received = b""
        transport.write(plain_response(refusal.status, refusal.reason, has_body=record.method != "HEAD"))
        transport.flush()
        if transport.can_write_eof():
            # a close with unread bytes would reset the response away: RFC 9112, 9.6
            transport.write_eof()
            cast(_UvicornProtocol, self).flow.resume_reading()
            asyncio.get_running_loop().call_later(_LINGER, transport.abort)
        else:
            transport.close()

    def _end_cycle(self, cycle: RequestResponseCycle) -> None:
        """Let the application know that there is nobody to read its response."""
        cycle.is_gone = True
        theirs = cast(_UvicornProtocol, self).cycle
        if theirs is self._their_last:
            cycle.finish()  # the application has not been called, and will not be
        else:
            theirs.disconnected = True
            theirs.message_event.set()


@contextlib.contextmanager
def _ignore_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _without_warnings(kind: type) -> contextlib.AbstractContextManager[object]:
    """Around the making of a protocol: older versions of uvicorn use what websockets has deprecated since."""
    if any(base.__module__.startswith("websockets.legacy") for base in kind.__mro__):
        return _ignore_warnings()
    return contextlib.nullcontext()


@functools.cache
def link_http(base: type) -> type:
    """Return one of uvicorn's protocol classes for HTTP, linked."""
    return type(f"Linked{base.__name__}", (_HTTPMixin, base), {})


@functools.cache
def link_websocket(base: type) -> type:
    """Return one of uvicorn's protocol classes for WebSockets, linked."""
    return type(f"Linked{base.__name__}", (_WebSocketMixin, base), {})


class RequestTask(asyncio.Task[Any]):
    """A task that knows for which call it was made; from Python 3.12 on its context is asked instead."""

    call: RequestResponseCycle | None = None

    @classmethod
    def make(cls, loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
        """Make a task, as a loop's task factory; a plain one, which is faster, where there is nothing to know."""
        call = current_cycle()
        if call is None:
            return asyncio.Task(coro, loop=loop, **options)
        task = cls(coro, loop=loop, **options)
        task.call = call
        return task

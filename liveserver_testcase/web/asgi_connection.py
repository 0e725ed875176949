"""One connection of an ASGI server, and what is kept of each request on it."""

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
from .lifespan import ASGIApplication
from .records import RequestRecord
from .request_body import is_client_error

if TYPE_CHECKING:
    from .lifespan import ASGIApplication

__all__ = [
    "ASGIConnection",
    "ASGIRecord",
    "CycleServer",
    "Host",
    "RequestResponseCycle",
    "RequestTask",
    "ServerState",
    "current_cycle",
    "link_protocol",
]

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


class ConnectionCycle(Protocol):
    """What a connection asks of a call that came on it; see `RequestResponseCycle`."""

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


class ASGIConnection(LoopConnection):
    """One connection, with the calls that came on it: more than one while a response's background task still runs.

    It is parted with when it is lost and its calls have ended, so that a stop waits for those, too.

    Attributes:
        address: The client's, as the socket module has it.
        protocol: What speaks on it: for HTTP, and after an upgrade for the WebSocket.
    """

    def __init__(self, transport: asyncio.BaseTransport, index: int, part: Callable[[LoopConnection], None]) -> None:
        super().__init__(transport, index)
        self._parted_with = part
        self.address = transport.get_extra_info("peername") or ("unknown", 0)
        self.protocol: Any = None
        self.calls: list[ConnectionCycle] = []
        self.count = 0
        self.is_lost = False
        self.is_cut = False

    def open(self, call: ConnectionCycle) -> None:
        """Take down that the application is called."""
        call.record.connection_index = self.index
        call.record.exchange_index = self.count
        self.count += 1
        self.calls.append(call)
        self.what, self.since = call.record.describe(), call.record.arrived
        self.update()

    def close(self, call: ConnectionCycle) -> None:
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
        """See `LoopConnection.cut`."""
        self.is_cut = True
        super().cut()

    def retire(self) -> None:
        """See `LoopConnection.retire`; what lasts is told at once, since waiting would not end it."""
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


_ERROR_HEADERS = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
_ERROR_TEXT = b"Internal Server Error\n"

# what frameworks raise in the application when its client is gone; none of them is imported here
_DEPARTURES = frozenset(("ClientDisconnect", "ClientDisconnected", "WebSocketDisconnect", "RequestAborted"))

# A context variable: whatever works for a call, in tasks or in threads, has it in its context.
_current: ContextVar[RequestResponseCycle | None] = ContextVar("liveserver_testcase_call", default=None)


def current_cycle() -> RequestResponseCycle | None:
    """The call for which the calling code works; None outside of one."""
    return _current.get()


class CycleServer(Protocol):
    """What a call asks of its server."""

    @property
    def has_refused(self) -> bool:
        """Whether the server stops."""

    def _enter(self, record: ASGIRecord) -> contextlib.AbstractContextManager[object]:
        """What is entered around the application."""

    def _begin(self, call: RequestResponseCycle) -> None: ...
    def _end(self, call: RequestResponseCycle) -> None: ...
    def _touch(self) -> None: ...
    def note_error(self, record: ASGIRecord, error: BaseException) -> None:
        """Record an exception of the application."""


class RequestResponseCycle:
    """One call of the application, from its scope to the end of its task.

    Attributes:
        record: What is kept of it.
        is_reading: Whether it waits for more of the request's body.
        must_raise: Whether a ``send`` after the client has left is to raise, as ASGI says from 2.4 on.
        was_told: Whether a stop has told it that it is over.
        was_cancelled: Whether a stop has given it up.
        thread: The loop's thread, by its number.
        task: The task in which it runs, uvicorn's; None when that is done.
    """

    __slots__ = (
        "_held", "_raw_receive", "_raw_send", "has_body", "has_ended", "has_started", "is_gone", "is_reading",
        "line", "must_raise", "record", "server", "task", "thread", "was_cancelled", "was_told",
    )  # fmt: skip

    def __init__(self, server: CycleServer, line: ASGIConnection, scope: dict[str, Any]) -> None:
        method = scope["method"] if scope["type"] == "http" else "WEBSOCKET"
        query = scope["query_string"]
        path = scope["raw_path"].decode("latin-1").removeprefix(scope["root_path"])
        self.record = ASGIRecord(method, f"{path}?{query.decode('latin-1')}" if query else path, line.address)
        self.record.version = f"HTTP/{scope['http_version']}"
        self.server = server
        self.line = line
        self.is_reading = self.was_told = self.was_cancelled = False
        self.has_body = self.record.is_lasting
        self.has_started = self.has_ended = False  # the response
        self.is_gone = False  # the client, as the application has been told
        # uvicorn before 0.34 promises it and does not do it: streams would go on for ever
        self.must_raise = scope["asgi"].get("spec_version", "") >= "2.4"
        self._held: dict[str, Any] | None = None
        self.thread = 0
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
        self.task = task = asyncio.current_task()
        self.thread = threading.get_ident()
        _current.set(self)  # the task is this call's own, and ends with it
        self.server._begin(self)
        if task is not None:
            task.add_done_callback(self._finish)
        websocket = self.record.method == "WEBSOCKET"
        try:
            with self.server._enter(self.record):
                result: object = await app(scope, self.receive, self.send_ws if websocket else self.send)  # type: ignore[func-returns-value]
            self._check(result)
        except BaseException as error:
            self._note(error)
            if not websocket:
                await self._answer_error()
            elif self.has_started:
                self.line.transport.close()
            elif not self.line.is_lost:
                self.record.status = 500  # uvicorn's answer to a handshake that nobody has ended
        if self._held is not None:
            await self._release()

    def _check(self, result: object) -> None:
        """Complain of an application that returned before it had done its part."""
        if result is not None:
            raise InvalidResponse(f"the application returned {result!r}; an ASGI application returns nothing")
        if self.line.is_lost or self.is_gone or self.has_ended or self._held is not None:
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
        if (self.is_gone or self.line.is_lost) and _is_departure(error):
            return
        self.server.note_error(self.record, error)

    async def _answer_error(self) -> None:
        """Answer in the application's place, if nobody has; a response that had begun is broken off by uvicorn."""
        if self.has_started or self.line.is_lost:
            return
        length = (b"content-length", str(len(_ERROR_TEXT)).encode())
        with contextlib.suppress(Exception):
            await self.send({"type": "http.response.start", "status": 500, "headers": [*_ERROR_HEADERS, length]})
            await self.send({"type": "http.response.body", "body": _ERROR_TEXT})

    def _finish(self, _task: object) -> None:
        """The task is done, and with it what uvicorn did after the application."""
        self.is_reading = False
        if not self.record.is_over:
            self.record.end()
        self.task = None
        self.line.close(self)
        self.server._end(self)

    # -- between uvicorn and the application ---------------------------------------------------------------------

    async def receive(self) -> dict[str, Any]:
        """The application's ``receive``: tells when it waits for its client."""
        if self.has_body:
            message = await self._raw_receive()
        else:
            self.is_reading = True
            self.line.update()
            try:
                message = await self._raw_receive()
            finally:
                self.is_reading = False
                self.line.update()
            self.has_body = not message.get("more_body", False)
        if message["type"].endswith(".disconnect"):
            self.is_gone = True
        return message

    async def send(self, message: dict[str, Any]) -> None:
        """The application's ``send`` for a response: what it says is recorded before the client can read it."""
        record = self.record
        if message["type"] == "http.response.start" and not self.has_started:
            status = message["status"]
            record.is_lasting = any(
                name.lower() == b"content-type" and value.startswith(b"text/event-stream")
                for name, value in message.get("headers", ())
            )
            record.status, self.has_started = status, True
            try:
                await self._pass(message)
            except BaseException:
                record.status, self.has_started = None, False
                raise
        elif message["type"] == "http.response.body" and self.has_started and not message.get("more_body", False):
            if (record.status or 0) >= 500 and self._held is None and not self.has_ended:
                # Starlette answers with a 500 and raises afterwards: the client is not to be first to know
                self._held = message
                flushing = asyncio.get_running_loop().create_task(self._release())
                flushing.add_done_callback(_ignore)
                return
            await self._complete(message)
        else:
            await self._pass(message)

    async def _release(self) -> None:
        """Send the end of a response that was held back."""
        message, self._held = self._held, None
        if message is not None:
            try:
                await self._complete(message)
            except Exception as error:
                self._note(error)

    async def _complete(self, message: dict[str, Any]) -> None:
        """Send the end of a response."""
        record = self.record
        was_lost = self.line.is_lost
        if not was_lost:
            record.completed = self.has_ended = True
            record.end()
        try:
            await self._pass(message)
        except BaseException:
            record.completed = self.has_ended = False
            record.duration = None
            raise
        self.server._touch()

    async def send_ws(self, message: dict[str, Any]) -> None:
        """The application's ``send`` for a WebSocket."""
        kind, before = message["type"], (self.record.status, self.has_started, self.has_ended)
        if kind == "websocket.accept" and not self.has_started:
            self.record.status, self.has_started = 101, True
        elif kind == "websocket.close":
            if not self.has_started:
                self.record.status, self.has_started = 403, True
            self.has_ended = True
        elif kind == "websocket.http.response.start" and not self.has_started:
            self.record.status, self.has_started = message["status"], True
        try:
            await self._pass(message)
        except BaseException:
            self.record.status, self.has_started, self.has_ended = before
            raise

    async def _pass(self, message: dict[str, Any]) -> None:
        if self.line.is_lost and self.must_raise:
            self.is_gone = True
            raise ClientDisconnected("the client has left")
        try:
            await self._raw_send(message)
        except OSError:
            self.is_gone = True
            raise

    # -- the end -------------------------------------------------------------------------------------------------

    def lose(self) -> None:
        """The connection is lost."""
        record = self.record
        if self.has_ended or record.aborted:
            return
        if record.method == "WEBSOCKET":
            if self.has_started:
                return  # how WebSockets end
            when = "before the WebSocket was accepted"
        elif self.is_reading:
            when = "in the middle of its request's body"
        else:
            when = "in the middle of the response" if self.has_started else "before it was answered"
        if self.server.has_refused:
            record.aborted = f"the server stopped {when}"
        else:
            record.aborted = f"the server cut the connection {when}" if self.line.is_cut else f"the client left {when}"

    def cancel(self) -> None:
        """Give it up: end the connection, and the task."""
        self.was_cancelled = True
        if not self.line.is_lost:
            self.line.abort()
        if self.task is not None:
            self.task.cancel()

    def describe(self, thread: str) -> Unfinished:
        """Name it and where it is."""
        age = monotonic() - self.record.arrived
        return Unfinished(self.record.describe(), self.line.peer, age, thread, self.stack())

    def stack(self) -> str:
        """Where the application is: in its coroutines, and in threads that work for them."""
        if self.task is None:
            return ""
        if getattr(self.task.get_coro(), "cr_running", False) and threading.get_ident() != self.thread:
            return loop_stack(self.thread)
        return task_stack(self.task) + thread_stacks(self.is_context)

    def is_context(self, context: Context) -> bool:
        """Whether what runs in ``context`` works for this call."""
        return context.get(_current) is self


def _is_departure(error: BaseException) -> bool:
    """Whether an exception says no more than that the client is gone."""
    inner = getattr(error, "exceptions", None)  # of an exception group
    if isinstance(inner, tuple):
        return all(_is_departure(one) for one in inner)
    if isinstance(error, asyncio.CancelledError | ConnectionError) or is_client_error(error):
        return True
    return any(kind.__name__ in _DEPARTURES for kind in type(error).__mro__)


def _ignore(task: asyncio.Task[None]) -> None:
    """Have asked for what a task raised, so that asyncio does not complain."""
    if not task.cancelled():
        task.exception()


class Host(CycleServer, Protocol):
    """What a protocol asks of its server."""

    app: ASGIApplication
    _call_app: ASGIApplication

    def _connection_made(self, transport: asyncio.BaseTransport) -> LoopConnection: ...
    def _record_malformed(self, line: ASGIConnection) -> None: ...


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


class _Wire(Protocol):
    """What is used of uvicorn's protocols, whichever is chosen; each of these is there from version 0.30 on."""

    app: ASGIApplication
    access_log: bool
    ws_protocol_class: Any

    def connection_made(self, transport: asyncio.BaseTransport) -> None: ...
    def connection_lost(self, exc: Exception | None) -> None: ...
    def send_400_response(self, msg: str) -> None: ...


class _ProtocolMixin:
    """Put before one of uvicorn's protocol classes: tells the server of its connection and of its calls."""

    _server: Host
    _line: ASGIConnection | None = None

    def link(self, server: Host, line: ASGIConnection | None = None) -> None:
        """Tie a new protocol to its server, and to the connection that it takes over in an upgrade."""
        wire = cast(_Wire, self)
        self._server, self._line = server, line
        # the application that the protocol calls, with what uvicorn may have put around it
        self._app = server.app if wire.app is server._call_app else wire.app
        wire.app = self._serve
        wire.access_log = False  # the option of this name would take the handlers off the logger uvicorn.access
        self._upgraded = getattr(self, "ws_protocol_class", None)
        if self._upgraded is not None:
            wire.ws_protocol_class = self._upgrade

    def _upgrade(self, **arguments: Any) -> Any:
        """What an HTTP protocol calls in place of the class of the WebSocket protocol."""
        if self._upgraded is None:
            raise RuntimeError("there is no protocol to upgrade to")
        with _calmly(self._upgraded):
            protocol = self._upgraded(**arguments)
        protocol.link(self._server, self._line)
        return protocol

    async def _serve(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if self._line is not None:
            await RequestResponseCycle(self._server, self._line, scope).run(self._app, scope, receive, send)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        if self._line is None:
            self._line = cast(ASGIConnection, self._server._connection_made(transport))
        self._line.protocol = self
        cast(_Wire, super()).connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        if self._line is not None:
            self._line.lose()
        cast(_Wire, super()).connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Record a request that could not be understood; called by uvicorn's protocols of HTTP."""
        if self._line is not None:
            self._server._record_malformed(self._line)
        cast(_Wire, super()).send_400_response(msg)


@contextlib.contextmanager
def _ignore_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _calmly(kind: type) -> contextlib.AbstractContextManager[object]:
    """Around the making of a protocol: older versions of uvicorn use what websockets has deprecated since."""
    if any(base.__module__.startswith("websockets.legacy") for base in kind.__mro__):
        return _ignore_warnings()
    return contextlib.nullcontext()


@functools.cache
def link_protocol(base: type) -> type:
    """One of uvicorn's protocol classes, linked."""
    return type(f"Linked{base.__name__}", (_ProtocolMixin, base), {})


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

"""One call of an ASGI application, from its request's head to the end of its task.

uvicorn's protocol parses what it is given and calls the application in a task.  A `RequestResponseCycle` stands between
the two: it is recorded when the head has come, sees what is received and sent, and ends with the task.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from ..core.interrupts import monotonic
from ..core.tracebacks import Unfinished, loop_stack, task_stack, thread_stacks
from ..errors import ClientDisconnected, InvalidResponse
from .request_head import BadRequest

if TYPE_CHECKING:
    from .asgi_connection import ASGIConnection
    from .lifespan import ASGIApplication
    from .records import RequestRecord

__all__ = ["RequestResponseCycle", "RequestTask", "current_cycle"]

_SLICE = 256 * 1024  # bytes of a body that are sent at once
_ERROR_TEXT = b"Internal Server Error\n"
_ERROR_HEADERS = [
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"connection", b"close"),
    (b"content-length", b"%d" % len(_ERROR_TEXT)),
]

# what frameworks raise in the application when its client is gone; none of them is imported here
_DEPARTURES = frozenset(("ClientDisconnect", "ClientDisconnected", "WebSocketDisconnect", "RequestAborted"))

# A context variable: whatever works for a call, in tasks or in threads, has it in its context.
_current: ContextVar[RequestResponseCycle | None] = ContextVar("liveserver_testcase_cycle", default=None)


def current_cycle() -> RequestResponseCycle | None:
    """Return the call for which the calling code works; None outside of one."""
    return _current.get()


class RequestResponseCycle:
    """One call of the application, from its request's head to the end of its task."""

    _raw_receive: Callable[[], Awaitable[dict[str, Any]]]  # uvicorn's
    _raw_send: Callable[[dict[str, Any]], Awaitable[None]]
    _releasing: asyncio.Task[None]

    def __init__(self, connection: ASGIConnection, record: RequestRecord, *, has_body: bool) -> None:
        self.record = record
        self.server = connection.server
        self.connection = connection
        self.task: asyncio.Task[Any] | None = None  # in which it runs, uvicorn's; None before and after
        self.has_received = False  # the application, all of the request
        self.receiver: asyncio.Task[Any] | None = None  # in which it waits for the client to leave
        self.has_body = has_body  # the whole body has been given to the application
        self.is_reading = False  # it waits for more of the request's body
        self.has_started = self.has_ended = False  # the response
        self.is_gone = False  # the client, as far as the application knows
        self.must_raise = False  # a ``send`` after the client has left, as ASGI says from 2.4 on
        self.was_notified = False  # of a stop, because it lasts
        self.was_cancelled = False  # by a stop
        self._deferred_end: dict[str, Any] | None = None
        connection.cycles.append(self)
        connection.add_record(record)

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
        connection = self.connection
        websocket = self.record.method == "WEBSOCKET"
        if not websocket:
            scope["method"] = self.record.method  # the parser may have been given another one
        if websocket and task is not None:
            task.add_done_callback(self.finish)  # what uvicorn does after the application takes its time
        try:
            try:
                with self.server.around(self.record):
                    result: object = await app(scope, self.receive, self.send_ws if websocket else self.send)  # type: ignore[func-returns-value]
                if result is not None:
                    raise InvalidResponse(f"the application returned {result!r}; an ASGI application returns nothing")
                if not (self.has_ended or self.is_gone or connection.is_lost or self._deferred_end is not None):
                    if not self.has_started:
                        what = "having accepted or closed the WebSocket" if websocket else "a response"
                        raise InvalidResponse(f"the application returned without {what}")
                    if not websocket:
                        raise InvalidResponse("the application returned before the end of its response")
            except BaseException as error:
                self._note(error)
                if websocket:
                    if self.has_started:
                        connection.transport.close()
                    elif not connection.is_lost:
                        self.record.status = 500  # uvicorn's answer to a handshake that nobody has ended
                elif not (self.has_started or self.is_gone or connection.is_lost):
                    # Nobody has answered; a response that had begun is broken off by uvicorn.
                    with contextlib.suppress(Exception):
                        await self.send({"type": "http.response.start", "status": 500, "headers": _ERROR_HEADERS})
                        await self.send({"type": "http.response.body", "body": _ERROR_TEXT})
            if self._deferred_end is not None:
                await self._release()
        finally:
            if not websocket:
                self.finish()

    def _note(self, error: BaseException) -> None:
        """Record an exception, unless it is how an application takes the departure of its client, or a stop."""
        if isinstance(error, asyncio.CancelledError) and (self.was_cancelled or self.server.has_refused):
            return
        if not ((self.is_gone or self.connection.is_lost) and _is_departure(error)):
            self.server.note_error(self.record, error)

    def finish(self, _task: object = None) -> None:
        """End the record and leave the connection: nothing more is done for the request."""
        if self.record.duration is None:
            self.record.end()
        self.is_reading = False
        self.task = None
        self.connection.remove(self)
        self.server.journal.notify(self.record)

    def only_waits(self) -> bool:
        """Whether nothing is done for the client but to wait for its departure, so that no write would ever show it."""
        if self.receiver is None or self.receiver is not self.task:
            return False
        if sys.version_info >= (3, 12):
            mine = [task for task in asyncio.all_tasks() if task.get_context().get(_current) is self]
            return mine == [self.task]
        return not any(getattr(task, "call", None) is self for task in asyncio.all_tasks())

    # -- between uvicorn and the application ---------------------------------------------------------------------

    async def receive(self) -> dict[str, Any]:
        """The application's ``receive``: notes when it waits for its client."""
        if self.has_received:
            self.receiver = asyncio.current_task()
            if self.connection.is_half_closed and not self.has_ended and self.only_waits():
                self.connection.protocol.transport.close()
            try:
                message = await self._raw_receive()
            finally:
                self.receiver = None
        elif self.has_body:
            message = await self._raw_receive()
        else:
            self.is_reading = True
            timer = asyncio.get_running_loop().call_later(
                self.server.body_timeout, self.connection.protocol.on_body_timeout
            )
            try:
                message = await self._raw_receive()
            finally:
                timer.cancel()
                self.is_reading = False
            self.has_body = not message.get("more_body", False)
        self.has_received = self.has_body
        if message["type"].endswith(".disconnect"):
            self.is_gone = True
        return message

    async def send(self, message: dict[str, Any]) -> None:
        """The application's ``send`` for a response: what it says is recorded before the client can read it."""
        record, kind = self.record, message["type"]
        if kind == "http.response.start" and not self.has_started:
            record._is_streaming = _is_event_stream(message)
            record.status, self.has_started = message["status"], True
            record.response_begun_at = monotonic()
            try:
                await self._send_on(message)
            except BaseException:
                record.status = record.response_begun_at = None
                self.has_started = False
                raise
        elif kind != "http.response.body" or not self.has_started or message.get("more_body", False):
            await self._send_on(message)
        elif (record.status or 0) >= 500 and self._deferred_end is None and not self.has_ended:
            # Starlette answers with a 500 and raises afterwards: the client is not to be first to know
            self._deferred_end = message
            self._releasing = asyncio.get_running_loop().create_task(self._release())
        else:
            await self._complete(message)

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
        is_there = not (self.connection.is_lost or self.is_gone)
        if is_there:
            record.completed = self.has_ended = True
            record.aborted = ""  # a client that was half-closed has read on
            record.end()
        try:
            await self._send_on(message)
        except BaseException:
            record.completed = self.has_ended = False
            record.duration = None
            raise
        if is_there and self.connection.is_lost:  # uvicorn has waited for a client that does not read, and it has left
            record.completed = self.has_ended = False
            record.duration = None
            self.connection_lost()
        self.server.journal.notify(record)

    async def send_ws(self, message: dict[str, Any]) -> None:
        """The application's ``send`` for a WebSocket."""
        record, kind = self.record, message["type"]
        before = record.status, self.has_started, self.has_ended
        status = {"websocket.accept": 101, "websocket.close": 403}.get(kind) or message.get("status")
        if status is not None and not self.has_started:
            record.status, self.has_started = status, True
            if status == 101:
                record.response_begun_at = monotonic()
        self.has_ended = self.has_ended or kind == "websocket.close"
        try:
            await self._send_on(message)
        except BaseException:
            record.status, self.has_started, self.has_ended = before
            raise

    async def _send_on(self, message: dict[str, Any]) -> None:
        # an application must know that what it sends reaches nobody, although uvicorn would not say so
        if self.connection.is_lost and (self.must_raise or self.server.has_refused):
            self.is_gone = True
            raise ClientDisconnected("the client has left")
        try:
            await self._raw_send(message)
        except OSError:
            self.is_gone = True
            raise

    # -- the end -------------------------------------------------------------------------------------------------

    def connection_lost(self) -> None:
        """Record that the connection is lost, or may be, and when."""
        record = self.record
        if self.has_ended or record.refused or (record.aborted and not self.connection.is_half_closed):
            return
        if record.method == "WEBSOCKET":
            if self.has_started:
                return  # how WebSockets end
            when = "before the WebSocket was accepted"
        elif self.is_reading or (record.body_complete_at is None and not self.has_started):
            when = "in the middle of its request's body"
        else:
            when = "in the middle of the response" if self.has_started else "before it was answered"
        record.aborted = self.connection.describe_loss(when)

    def cancel(self) -> None:
        """End the connection, and the task."""
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
        return task_stack(self.task) + thread_stacks(lambda context: context.get(_current) is self)


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

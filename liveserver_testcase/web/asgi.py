"""Serve an ASGI application on uvicorn's protocols, on an event loop of the server's own.

How a request comes to the application: `asgi_protocol` checks what a client sends and hands it to uvicorn's protocol,
which calls the application in a task through a `RequestResponseCycle` of `asgi_cycle`.  An `ASGIConnection` knows the
cycles of its connection, so that a stop can wait for them and name them.  `Lifespan` is the call of the application
around all of these.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys
from collections.abc import Callable, Mapping
from typing import Any

from ..core.checks import check_seconds
from ..core.event_loop import EventLoopServer, LoopConnection
from ..core.interrupts import monotonic
from ..core.listener import Listener
from ..core.server import State
from ..core.tls import resolve_tls
from ..core.tracebacks import Unfinished
from ..errors import ServerThreadError
from .asgi_connection import ASGIConnection
from .asgi_cycle import RequestResponseCycle, RequestTask, current_cycle
from .asgi_protocol import HTTPMixin, WebSocketMixin, link_protocol
from .http_server import HTTPEndpoint
from .lifespan import ASGIApplication, Lifespan
from .records import Around, RequestLog, RequestRecord
from .uvicorn_config import ServerState, configure, make_protocol_loop

__all__ = ["ASGIServer"]

_LOOK = 1.0  # seconds for the loop to read what was sent
_TAKE_NOTE = 0.15  # seconds for cancelled calls to end
_SHUTDOWN = 0.5  # seconds that a shutdown gets at the least, when requests have used up the grace


class ASGIServer(EventLoopServer, HTTPEndpoint[RequestRecord]):
    """Serves one ASGI application: HTTP, WebSockets, and its lifespan.

    Args:
        app: The application, of ASGI 3.
        tls: True for a throw-away certificate, ``(certfile, keyfile)``, or an ``ssl.SSLContext``.
        options: Keywords for ``uvicorn.Config``, such as ``root_path`` or ``ws_max_size``.
        header_timeout: Seconds for the head of a request, from its first byte; also for a TLS handshake.
        body_timeout: Seconds without a byte of a body that the application waits for.
        start_timeout: Seconds that a start may take, the application's own startup included.
        stop_timeout: Seconds that requests in flight, and then the application's shutdown, may take.
        around: Called with each request's record before the application is; returns a context manager that is entered
            around it, in the same task.

    Raises:
        ServerStartError: uvicorn is not installed.
        UsageError: An option is unknown, or not to be set.
    """

    label = "live-server"
    _shutdown_grace = 1.0

    def __init__(
        self,
        app: ASGIApplication,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        tls: bool | tuple[str, str] | ssl.SSLContext | None = None,
        external_host: str | None = None,
        options: Mapping[str, Any] | None = None,
        journal_limit: int = 10_000,
        header_timeout: float = 10.0,
        body_timeout: float = 30.0,
        start_timeout: float = 10.0,
        stop_timeout: float = 2.0,
        around: Around | None = None,
    ) -> None:
        EventLoopServer.__init__(self, host, port, start_timeout=start_timeout, stop_timeout=stop_timeout)
        RequestLog.__init__(self, journal_limit)
        self.app = app
        self.header_timeout = check_seconds("header_timeout", header_timeout)
        self.body_timeout = check_seconds("body_timeout", body_timeout)
        self.around: Around = around or contextlib.nullcontext
        self.external_host = external_host
        self.tls = resolve_tls(tls, *filter(None, (host, external_host)))
        self._lifespan_mode = str((options or {}).get("lifespan", "auto"))
        self._config = configure(self._call_app, options or {})
        if self._config.ws_protocol_class is not None:
            self._config.ws_protocol_class = link_protocol(WebSocketMixin, self._config.ws_protocol_class)
        # a debugger must not cost a test its session: a kept connection may be idle for as long as it likes
        self._is_timed = "timeout_keep_alive" in (options or {})
        self._loop: Any = None
        self._http: Any = link_protocol(HTTPMixin, self._config.http_protocol_class)
        self._shared = ServerState(self._config)
        self._lifespan = Lifespan(app, self.__repr__, self._lifespan_mode)  # of one run
        self._is_shutting_down = False  # the application's shutdown has begun, and not ended

    @property
    def _cycles(self) -> list[RequestResponseCycle]:
        """The calls of the application that have not ended."""
        # what a stop has left behind, in a thread that does not come back, is not being served any more
        connections = list(self._run.connections) if self._run is not None and self.state is not State.STOPPED else []
        return [cycle for each in connections if isinstance(each, ASGIConnection) for cycle in list(each.cycles)]

    @property
    def in_flight(self) -> list[RequestRecord]:
        """The requests and WebSockets for which the application runs, also after their response or their client."""
        return sorted((cycle.record for cycle in self._cycles), key=lambda record: record.index)

    def _is_idle(self, is_waited_for: Callable[[RequestRecord], bool]) -> bool:
        # the loop is only asked when it has nothing else to do: an application may block it for long
        return super()._is_idle(is_waited_for) and self._has_read_all(_LOOK) and super()._is_idle(is_waited_for)

    def stack_of(self, record: RequestRecord) -> str:
        """See `RequestLog.stack_of`: the coroutines that wait for each other, and the threads that work for them."""
        return next((cycle.stack() for cycle in self._cycles if cycle.record is record), "")

    # -- the life of a server ------------------------------------------------------------------------------------

    def _open(self, listener: Listener) -> None:
        self._is_shutting_down = False
        self._lifespan = Lifespan(self.app, self.__repr__, self._lifespan_mode)
        before, self._port = self._port, listener.port  # the application's startup may ask for its own URL
        try:
            super()._open(listener)
        except BaseException:
            self._port = before
            raise

    async def _prepare(self) -> None:
        loop = asyncio.get_running_loop()
        if sys.version_info < (3, 12):
            loop.set_task_factory(RequestTask.make)
        is_counting = self._config.limit_concurrency is not None
        self._loop = make_protocol_loop(loop, is_timed=self._is_timed, is_counting=is_counting)
        await self._lifespan.start(self.start_timeout)

    async def _shutdown(self, deadline: float) -> None:
        cycles, lifespan = self._cycles, self._lifespan
        for cycle in cycles:
            if not cycle.was_cancelled:
                cycle.cancel()
        tasks = [cycle.task for cycle in cycles if cycle.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=_TAKE_NOTE)
        self._is_shutting_down = True
        try:
            await lifespan.stop(max(deadline - monotonic(), _SHUTDOWN))
        except ServerThreadError as error:
            self._record_failure(error)
        finally:
            self._is_shutting_down = False

    def _close(self, timeout: float) -> list[Unfinished]:
        try:
            unfinished = super()._close(timeout)
            if unfinished and self._is_shutting_down:
                # It blocks the loop: a shutdown that only waits has been given up there.
                self._record_failure(self._lifespan.shutdown_error(timeout, unfinished[-1].stack))
                return []
            return unfinished
        finally:
            for cycle in self._cycles:  # of a thread that does not come back
                if not cycle.record.is_over:
                    cycle.record.end()
            self.journal.notify()

    def _is_server_thread(self) -> bool:
        call = current_cycle()  # of a thread, too, that works for a request
        return super()._is_server_thread() or (call is not None and call.server is self)

    # -- the loop's side -----------------------------------------------------------------------------------------

    def _options(self) -> dict[str, Any]:
        return {"ssl": self.tls.context, "ssl_handshake_timeout": self.header_timeout} if self.tls is not None else {}

    def _make_protocol(self) -> Any:
        protocol: Any = self._http(
            config=self._config, server_state=self._shared, app_state=self._lifespan.state, _loop=self._loop
        )
        protocol.link(self)
        return protocol

    def _make_connection(self, transport: asyncio.BaseTransport, index: int) -> LoopConnection:
        return ASGIConnection(transport, index, self)

    async def _call_app(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        # uvicorn asks whether it has a factory by calling it without arguments, which this one does not take
        await self.app(scope, receive, send)

    @property
    def has_refused(self) -> bool:
        """Whether the server stops, or has stopped."""
        return self._run is None or self._run.stopping

    def _handle_task_error(self, error: BaseException, context: dict[str, Any]) -> bool:
        """Record what a task or a callback of the application's has raised, with nobody to ask for it."""
        task = context.get("task") or context.get("future")
        if task is None and "handle" not in context:
            return False  # about a connection
        call = current_cycle() or getattr(task, "call", None)
        if call is not None:
            record: RequestRecord = call.record
        else:
            name = getattr(getattr(task, "get_coro", lambda: None)(), "__qualname__", "callback")
            record = RequestRecord("task", name, ("unknown", 0))
            record.window = self.journal.window
            record.end()
        self.note_error(record, error)
        self.journal.notify()
        return True

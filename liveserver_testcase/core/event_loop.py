"""Serve with an asyncio event loop of the server's own, in one thread."""

from __future__ import annotations

import abc
import asyncio
import contextlib
import io
import logging
import math
import socket
import ssl
import sys
import threading
import traceback
from collections.abc import Iterable
from typing import Any

from ..errors import ServerStartError
from .interrupts import OneShotEvent, ServerThread, monotonic, start_thread
from .journal import drain
from .listener import BACKLOG, EXHAUSTED, Listener, format_host
from .server import HasDescriptor, Server
from .tracebacks import Unfinished, fold_stack, loop_stack

__all__ = ["EventLoopServer", "LoopConnection"]


class LoopConnection:
    """One connection of a loop server, as far as a stop must know.

    Attributes:
        transport: The TCP transport, under STARTTLS too: its ``abort()`` waits for nobody.
        index: Its number among the server's connections.
        peer: The client's address as text, ``host:port``.
        is_tls: Whether the server speaks TLS from the first byte.
        is_busy: Whether something is being done for the client, rather than waited for from it.
        what: What is being done, in a few words.
        since: When it began, on the monotonic clock.
        socket: What can be asked for its ``fileno()`` and shut down; never to be read or written.
    """

    def __init__(self, transport: asyncio.BaseTransport, index: int) -> None:
        self.transport = transport
        self.index = index
        self.is_busy = False
        self.what = "a connection"
        self.since = monotonic()
        self.is_last = False  # a stop waits for what is being done, and nothing comes after it
        self._task: asyncio.Task[Any] | None = None
        self.is_tls = transport.get_extra_info("sslcontext") is not None
        self.socket = transport.get_extra_info("socket")
        address = transport.get_extra_info("peername") or ("unknown", 0)
        self.peer = f"{format_host(str(address[0]))}:{address[1]}"

    def begin(self, what: str) -> None:
        """Note that something is being done for the client; called on the loop."""
        self.what, self.since, self.is_busy = what, monotonic(), True
        self._task = asyncio.current_task()

    def end(self) -> None:
        """Note that it is the client's turn; called on the loop, when the answer has been written."""
        self.is_busy = False
        self._task = None
        if self.is_last:
            self.transport.close()  # sends what is still to be sent

    def close_when_idle(self) -> None:
        """Close as soon as nothing is being done for the client, and it has been sent everything."""
        self.is_last = True
        if not self.is_busy:
            self.transport.close() if self.unsent else self.abort()

    @property
    def unsent(self) -> int:
        """Bytes that the client has not been sent yet, because it does not read."""
        transport = self.transport
        return transport.get_write_buffer_size() if isinstance(transport, asyncio.WriteTransport) else 0

    def abort(self) -> None:
        """Cut the connection, without the goodbyes of TLS: they take up to 30 s on Python 3.12 and later."""
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()
        if self.is_tls:
            self.cut()  # a TLS transport that was closed twice lets nobody abort it any more

    def cut(self) -> None:
        """End the connection under whoever uses it; from any thread."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def cancel_overdue(self, waited: float, thread: str) -> list[Unfinished]:
        """Give up what a stop has waited for long enough, before its grace is over.

        Args:
            waited: Seconds since the stop began.
            thread: The name of the loop's thread.

        Returns:
            What had to be cut.
        """
        return []

    def describe_all(self, thread: str) -> list[Unfinished]:
        """Name everything that is being done."""
        return [self.describe(thread)] if self.is_busy else []

    def describe(self, thread: str, stack: str = "") -> Unfinished:
        """Name what is being done, and where."""
        if not stack and self._task is not None:
            text = io.StringIO()
            self._task.print_stack(file=text)
            stack = text.getvalue()
        return Unfinished(self.what, self.peer, monotonic() - self.since, thread, stack)


log = logging.getLogger("liveserver_testcase.core")

_SEND_BUFFER = 128 * 1024  # bytes that the system takes of what a client does not read; its default may be megabytes
_JOIN = 0.3  # seconds that the loop's thread gets to end once nothing holds it
_STALL = 0.1  # seconds without a byte taken after which a client that a stop waits for is not reading
_CLIENTS_DOING = (ConnectionError, ssl.SSLError, TimeoutError, asyncio.TimeoutError)
_STEPS = 3  # rounds of the loop from abort() to a closed socket: one a layer, and TLS is a layer


class _Run:
    """The loop, the thread and the connections of one run, from a start to its stop."""

    def __init__(self, server: EventLoopServer, listener: Listener, name: str) -> None:
        self.server = server
        self.listener = listener
        self.loop: asyncio.AbstractEventLoop | None = None  # made, used and closed by the thread
        self.thread = ServerThread(target=self.work, name=name, daemon=True)
        self.connections: set[LoopConnection] = set()
        self.servers: list[asyncio.Server] = []
        self.ready = OneShotEvent()
        self.ended = OneShotEvent()
        self.all_closed = asyncio.Event()  # while stopping: the last connection is lost
        self.winding = False  # the grace is over, and the loop not blocked
        self.finished = asyncio.Event()  # the loop has nothing more to do
        self.serving: asyncio.Task[None] | None = None
        self.stopping = False
        self.was_woken = True
        self.error: BaseException | None = None
        self.cut: list[Unfinished] = []
        self.finishing: list[asyncio.Task[None]] = []  # the loop itself keeps no task from the garbage collection
        self.grace: float | None = None  # what the stop that came first gives
        self.lock = threading.Lock()  # guards `loop` and `grace`: a stop may come before there is a loop
        self.was_exhausted = False

    # -- the loop's thread -----------------------------------------------------------------------------------

    def work(self) -> None:
        """The life of the loop's thread."""
        try:
            loop = asyncio.new_event_loop()
            try:
                self.run(loop)
            finally:
                self.clean_up(loop)
        except BaseException as error:  # also SystemExit, which a thread would swallow
            self.error = error
            if self.ready.is_set():
                log.error("the loop of %r ended", self.server, exc_info=error)
                self.server._record_failure(error)
        finally:
            self.ready.set()
            self.ended.set()

    def run(self, loop: asyncio.AbstractEventLoop) -> None:
        """Serve until the loop is stopped."""
        loop.time = monotonic  # type: ignore[method-assign]  # its own stands still while a test freezes time
        loop.slow_callback_duration = math.inf  # -X dev would print each handler that takes its time
        loop.set_exception_handler(self.handle_loop_exception)
        asyncio.set_event_loop(loop)
        with self.lock:
            self.loop = loop
            if self.grace is not None:
                return
        loop.run_until_complete(self.serve(loop))

    async def serve(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin, and wait for the end: whoever looks for a task that lasts as long as the loop (anyio) finds this."""
        self.serving = asyncio.current_task()
        await self.server._prepare()
        await self.begin(loop)
        self.ready.set()
        await self.finished.wait()

    async def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Serve on every socket."""
        factory, options = self.server._make_protocol, self.server._options()
        for sock in self.listener.sockets:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)  # the connections inherit it
            self.servers.append(await loop.create_server(factory, sock=sock, backlog=BACKLOG, **options))

    async def finish(self, loop: asyncio.AbstractEventLoop, timeout: float) -> None:
        """Refuse, cut who waits, let the busy end, cut them too, and leave the loop."""
        began = monotonic()
        deadline = began + timeout
        try:
            self.close_servers()
            for connection in list(self.connections):
                connection.close_when_idle()
            await _settle()
            while self.connections and deadline > monotonic():
                # who reads nothing, or is done and does not leave, is waited for in vain
                before = {each: each.unsent for each in self.connections if each.unsent or not each.is_busy}
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self.all_closed.wait(), min(_STALL, deadline - monotonic()))
                for connection, unsent in before.items():
                    if connection.unsent >= unsent:
                        connection.abort()
                for connection in list(self.connections):
                    self.cut += connection.cancel_overdue(monotonic() - began, self.thread.name)
                await _settle()
            for connection in list(self.connections):
                self.cut += connection.describe_all(self.thread.name)
            self.winding = True
            self.cut += await self.server._shutdown(deadline)
        finally:
            self.finished.set()
            if not self.ready.is_set() and self.serving is not None:
                self.serving.cancel()

    def clean_up(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close everything, however the loop has ended."""
        with self.lock:
            self.loop = None  # a stop from now on has nothing to do here but wait
        self.close_servers()
        for connection in list(self.connections):
            connection.abort()
        self.listener.close()
        for _ in range(_STEPS):
            try:
                loop.run_until_complete(self.cancel_tasks(loop))
                loop.run_until_complete(loop.shutdown_asyncgens())
                break
            except BaseException as error:  # somebody answers the end with SystemExit, say: then once more
                self.handle_loop_exception(loop, {"message": "the loop is not cleaned up yet", "exception": error})
        loop.close()

    async def cancel_tasks(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel what is left on the loop (TLS handshakes, for one) and give it a moment to take note."""
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        done = (await asyncio.wait(tasks, timeout=_JOIN / 2))[0] if tasks else ()
        for task in done:
            if not task.cancelled() and task.exception() is not None:
                self.handle_loop_exception(loop, {"message": "a task ended", "exception": task.exception()})
        await _settle()

    def close_servers(self) -> None:
        for server in self.servers:
            with contextlib.suppress(OSError, ValueError):  # a stop that had to give up has closed the socket
                server.close()

    def part(self, connection: LoopConnection) -> None:
        self.connections.discard(connection)
        # It is lost already, but the TLS transport of Python 3.10 does not know.  A plain transport that closed after
        # its last byte takes an abort() for the first one, and fails in a second loss, for which it has no socket left.
        if connection.is_tls:
            connection.abort()
        if self.stopping and not self.connections:
            self.all_closed.set()

    def handle_loop_exception(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Take down what goes wrong in a callback: what is no client's doing is raised by the stop."""
        error, message = context.get("exception"), context.get("message", "")
        if error is not None and not self.stopping and self.server._handle_task_error(error, context):
            return
        if isinstance(error, OSError) and error.errno in EXHAUSTED:
            if not self.was_exhausted:  # asyncio tries again every second, and says so each time
                log.error("%r cannot accept: %s", self.server, error)
            self.was_exhausted = True
        elif error is None or self.stopping or isinstance(error, _CLIENTS_DOING):
            log.debug("%r: %s: %r", self.server, message, error)
        else:
            log.error("%r: %s", self.server, message, exc_info=error)
            self.server._record_failure(error)

    # -- other threads ---------------------------------------------------------------------------------------

    def stop(self, timeout: float) -> None:
        """Have the loop finish within ``timeout`` seconds."""
        with self.lock:
            self.grace = timeout
            loop = self.loop
            if loop is not None:
                loop.call_soon_threadsafe(self.begin_to_finish, loop, timeout)

    def begin_to_finish(self, loop: asyncio.AbstractEventLoop, timeout: float) -> None:
        """Run `finish`, unless the loop has ended by itself meanwhile."""
        if self.loop is not None:
            self.finishing.append(loop.create_task(self.finish(loop, timeout)))

    def abandon(self) -> list[Unfinished]:
        """Something blocks the loop: end its sockets from outside, leave the thread, name what it is at."""
        stack = self.stack()
        connections = list(self.connections)
        for connection in connections:
            connection.cut()
        if not self.was_woken:
            self.listener.close()  # otherwise left to the thread: its number is still known to the loop
        name = self.thread.name
        return [connection.describe(name, stack) for connection in connections if connection.is_busy] or [
            Unfinished("a callback of the event loop", "the server itself", 0.0, name, stack)
        ]

    def stack(self) -> str:
        frame = sys._current_frames().get(self.thread.ident or 0)
        return "".join(traceback.format_stack(frame)) if frame is not None else ""


async def _settle() -> None:
    """Let the connections that were just aborted be lost."""
    for _ in range(_STEPS):
        await asyncio.sleep(0)


class EventLoopServer(Server):
    """A server whose connections are protocols on an asyncio loop in a thread of its own.

    A protocol calls `_connection_made` and `_connection_lost`, and tells its `LoopConnection` when it does something
    for its client: a stop waits for that, and for nothing else.  What a callback raises is raised by
    the stop, too; of what a task raises the loop hears only when the task is garbage: have a callback ask for it.
    """

    _run: _Run | None = None
    _shutdown_grace: float = 0.0
    """Seconds that `_shutdown` may take when the grace of a stop is over."""

    @abc.abstractmethod
    def _make_protocol(self) -> asyncio.BaseProtocol:
        """Make the protocol object for a new connection; runs in the loop's thread."""

    def _options(self) -> dict[str, Any]:
        """More keywords for ``loop.create_server``, such as ``ssl``."""
        return {}

    async def _prepare(self) -> None:
        """Do what comes before the first client; runs on the loop, and may take up to ``start_timeout``."""

    async def _shutdown(self, deadline: float) -> list[Unfinished]:
        """Do what comes after the last client, or when the grace is over; runs on the loop.

        Args:
            deadline: The end of the grace, on the monotonic clock; `_shutdown_grace` seconds later no one waits.

        Returns:
            What had to be cut.
        """
        return []

    def _handle_task_error(self, error: BaseException, context: dict[str, Any]) -> bool:
        """Whether the server has itself taken down what went wrong on the loop; called on the loop."""
        return False

    def _make_connection(self, transport: asyncio.BaseTransport, index: int) -> LoopConnection:
        return LoopConnection(transport, index)

    def _connection_made(self, transport: asyncio.BaseTransport) -> LoopConnection:
        """Take down a connection that was made; called on the loop."""
        connection = self._make_connection(transport, next(self._indexes))
        if self._run is not None:
            self._run.connections.add(connection)
            if self._run.stopping:
                asyncio.get_running_loop().call_soon(connection.close_when_idle)
        return connection

    def _connection_lost(self, connection: LoopConnection) -> None:
        """Take down that a connection was lost; called on the loop."""
        if self._run is not None:
            self._run.part(connection)

    def close_connections(self) -> None:
        """Cut every connection that is open, whatever it is at; the server goes on."""
        for connection in list(self._run.connections) if self._run is not None else []:
            connection.cut()

    def open_sockets(self) -> Iterable[HasDescriptor]:
        """The listening sockets and those of the connections."""
        connections = list(self._run.connections) if self._run is not None else []
        return [*super().open_sockets(), *(connection.socket for connection in connections)]

    def _open(self, listener: Listener) -> None:
        run = self._run = _Run(self, listener, self._thread_name)
        start_thread(run.thread)
        if not run.ready.wait(self.start_timeout + self._shutdown_grace):
            stack = fold_stack(loop_stack(run.thread.ident)).rstrip()
            raise ServerStartError(
                f"{self!r} could not start: its event loop is not ready after {self.start_timeout:g} s; "
                f"it is at\n{stack}"
            )
        if run.error is not None:
            raise run.error

    def _stop_accepting(self) -> None:
        if self._run is not None:
            self._run.stopping = True
            self._run.was_woken = self._run.listener.wake()

    def _close(self, timeout: float) -> list[Unfinished]:
        run = self._run
        if run is None:
            return []
        if not run.ended.is_set():
            run.stop(timeout)
            if not run.ended.wait(timeout + _JOIN) and not (run.winding and run.ended.wait(self._shutdown_grace)):
                return run.abandon()
        run.thread.join(_JOIN)
        return drain(run.cut)

    def _is_server_thread(self) -> bool:
        return self._run is not None and threading.get_ident() == self._run.thread.ident

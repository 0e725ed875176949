"""Serve with an asyncio event loop of the server's own, in one thread.

How it works: a start binds the sockets in the caller's thread and starts a thread with a new loop, which accepts
connections and makes a protocol for each.  A protocol reports its connection to the server, which keeps a
`LoopConnection` of it: whether something is being done for the client, and how to end it.

A stop is the end of `_LoopRun.serve`, on the loop.  Nobody is accepted any more, idle connections close at once, busy
ones when they are done; who reads nothing is cut after a tenth of a second, and everybody when the grace is over.  Then
the server does what it has to do last, and tasks that remain are cancelled.  If a callback blocks the loop, the stop
does what can be done from outside, names where the thread is and leaves it behind.

A test that is over asks, with `EventLoopServer._has_read_all`, whether everything that was sent has been read.  That is
looked at on the loop, where nothing is between the socket and the protocol: no client waits to be accepted, and no
connection at rest has something to read.  As long as one has, the loop takes another turn.
"""

from __future__ import annotations

import abc
import asyncio
import contextlib
import logging
import math
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ..errors import ServerNotStarted, ServerStartError
from .connection import is_readable
from .interrupts import OneShotEvent, ServerThread, monotonic, start_thread
from .journal import drain
from .listener import EXHAUSTED, Listener, make_socket_pair
from .loop_connection import FlushingSelector, LoopConnection
from .server import Server
from .tracebacks import Unfinished, fold_stack, loop_stack

if TYPE_CHECKING:
    from _typeshed import HasFileno

__all__ = ["EventLoopServer", "LoopConnection"]

log = logging.getLogger("liveserver_testcase.core")

_PAUSE = 0.05  # seconds before accept() is tried again when the process has no descriptor left
_JOIN = 0.3  # seconds that the loop gets to end after the grace, where something may block it
_SLOW = 1.0  # seconds that it gets when nothing blocks it: the machine may be busy
_STALL = 0.1  # seconds without a byte taken after which a client that a stop waits for is not reading
_CLIENTS_DOING = (ConnectionError, ssl.SSLError, TimeoutError, asyncio.TimeoutError)
_STEPS = 3  # rounds of the loop from abort() to a closed socket: one a layer, and TLS is a layer


class EventLoop(asyncio.SelectorEventLoop):
    """An event loop that goes on while a test has frozen the time, or replaced ``socket.socket``."""

    run: _LoopRun  # whose loop it is

    def __init__(self) -> None:
        self.selector = FlushingSelector()
        super().__init__(self.selector)

    def time(self) -> float:
        """See ``asyncio.AbstractEventLoop.time``."""
        return monotonic()

    def _make_self_pipe(self) -> None:
        """Do what asyncio does to be woken by other threads, with sockets of our own class."""
        self._ssock, self._csock = make_socket_pair()
        self._ssock.setblocking(False)
        self._csock.setblocking(False)
        self._internal_fds += 1  # type: ignore[attr-defined]
        self._add_reader(self._ssock.fileno(), self._read_from_self)  # type: ignore[attr-defined]


class _LoopRun:
    """The loop, the thread and the connections of one run, from a start to its stop.

    A thread that a stop has to leave behind keeps to this object, so that it cannot disturb the next run.
    """

    def __init__(self, server: EventLoopServer, listener: Listener, name: str) -> None:
        self.server = server
        self.listener = listener
        self.thread = ServerThread(target=self.work, name=name, daemon=True)
        self.lock = threading.Lock()  # guards `loop`, and the end of the listening sockets
        self.loop: EventLoop | None = None  # made, used and closed by the thread; None also as soon as it is to end
        self.ready = OneShotEvent()
        self.ended = OneShotEvent()
        self.error: BaseException | None = None

        # clients
        self.connections: set[LoopConnection] = set()
        # Sockets from their acceptance until their protocol has them, which takes a turn, and with TLS a handshake.
        self.accepted: dict[int, tuple[socket.socket, float]] = {}  # and when they were accepted, by the descriptor
        self.handshakes: set[asyncio.Task[None]] = set()
        self.is_paused = False  # nobody listens, and the listener's sockets only keep the port
        self.was_exhausted = False

        # the stop
        self.stopping = False
        self.serving: asyncio.Task[None] | None = None
        self.deadline = math.inf  # of the stop, once the loop knows of it
        self.changed = asyncio.Event()  # while stopping: the deadline is another one, or the last connection is lost
        self.is_shutting_down = False  # the grace is over, and the loop not blocked
        self.cut: list[Unfinished] = []

    # -- the loop's thread -----------------------------------------------------------------------------------

    def work(self) -> None:
        """The life of the loop's thread."""
        try:
            loop = EventLoop()
            loop.run = self
            try:
                loop.slow_callback_duration = math.inf  # -X dev would print each handler that takes its time
                loop.set_exception_handler(self.handle_loop_exception)
                asyncio.set_event_loop(loop)
                with self.lock:
                    self.loop = loop
                loop.run_until_complete(self.serve())
            finally:
                self.clean_up(loop)
        except BaseException as error:  # also SystemExit, which a thread would swallow
            self.error = error
            if self.ready.is_set() and not (self.stopping and isinstance(error, asyncio.CancelledError)):
                log.error("the loop of %r ended", self.server, exc_info=error)
                self.server._record_failure(error)
        finally:
            self.ready.set()
            self.ended.set()

    async def serve(self) -> None:
        """Serve to the end: whoever looks for a task that lasts as long as the loop (anyio) finds this one."""
        self.serving = asyncio.current_task()
        if self.stopping:  # before there was a loop
            return
        await self.server._prepare()
        self.listen()
        self.ready.set()
        # The life of the loop has no bound: `begin_stop` ends it, and a stop that cannot reach it gives up.
        await self.changed.wait()
        began = monotonic()
        self.stop_accepting()
        for connection in list(self.connections):
            connection.close_when_idle()
        await _settle()
        while self.connections and (left := self.deadline - monotonic()) > 0:
            # who reads nothing, or is done and does not leave, is waited for in vain
            before = {each: each.unsent for each in self.connections if each.unsent or not each.is_busy}
            self.changed.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.changed.wait(), min(_STALL, left))  # bounded by `wait_for`
            for connection, unsent in before.items():
                if connection.unsent >= unsent:
                    connection.abort()
            for connection in list(self.connections):
                self.cut += connection.cancel_overdue(monotonic() - began, self.thread.name)
            await _settle()
        for connection in list(self.connections):
            self.cut += connection.describe_all(self.thread.name)
        self.is_shutting_down = True
        if self.server._run is self:  # or else a stop has left this one behind, and all that is there is the next one's
            await self.server._shutdown(self.deadline)

    def begin_stop(self, timeout: float) -> None:
        """Have `serve` end within ``timeout`` seconds; called on the loop, once more if a stop was interrupted."""
        self.deadline = monotonic() + timeout
        self.changed.set()
        if self.serving is not None and not self.ready.is_set():
            self.serving.cancel()
        elif self.serving is not None and self.is_shutting_down:
            asyncio.get_running_loop().call_later(self.server._shutdown_grace, self.serving.cancel)

    def listen(self) -> None:
        if self.stopping or self.is_paused:
            return
        options = self.server._options()
        for sock in self.listener.sockets:
            sock.setblocking(False)
            asyncio.get_running_loop().add_reader(sock, self.accept, sock, options)

    def accept(self, sock: socket.socket, options: dict[str, Any]) -> None:
        """Accept the clients that wait: one where hardly anybody is connected, and a crowd in ever larger steps.

        An accept() that finds nobody would cost a client who comes alone a twentieth of the time for its request.
        """
        loop = asyncio.get_running_loop()
        for _ in range(1 + len(self.connections) // 2):
            try:
                client, _ = sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if not self.stopping:
                    loop.remove_reader(sock)
                    self.handle_loop_exception(loop, {"message": "accept() failed", "exception": error})
                    if error.errno in EXHAUSTED:
                        loop.call_later(_PAUSE, self.listen)
                return
            try:
                client.setblocking(False)
                protocol = self.server._make_protocol()
                if options:
                    task = loop.create_task(self.shake_hands(client, protocol, options))
                    self.handshakes.add(task)
                    task.add_done_callback(self.handshakes.discard)
                else:
                    # What `connect_accepted_socket` does, without a task that waits for connection_made() to be called.
                    loop._make_socket_transport(client, protocol)  # type: ignore[attr-defined]
            except Exception as error:
                client.close()
                self.handle_loop_exception(loop, {"message": "a client was not connected", "exception": error})
            else:
                self.accepted[client.fileno()] = client, monotonic()

    async def shake_hands(self, sock: socket.socket, protocol: asyncio.BaseProtocol, options: dict[str, Any]) -> None:
        """Give a connection its protocol after the handshake of TLS."""
        loop, number = asyncio.get_running_loop(), sock.fileno()
        try:
            await loop.connect_accepted_socket(lambda: protocol, sock, **options)
        except Exception as error:
            self.handle_loop_exception(loop, {"message": "a client was not connected", "exception": error})
        finally:
            accepted = self.accepted.get(number)
            if accepted is not None and accepted[0] is sock:  # else the next one has its number
                del self.accepted[number]

    def has_read_all(self) -> bool:
        """Return True if nobody waits to be accepted, and nothing that was sent waits to be read."""
        listening = self.listener.sockets if not self.is_paused else ()
        waiting = [*listening, *(sock for sock, _ in self.accepted.values())]
        if any(sock.fileno() >= 0 and is_readable(sock) for sock in waiting):
            return False
        return all(connection.is_at_rest() for connection in self.connections)

    def read_all(self, done: OneShotEvent) -> None:
        """Set ``done`` when everything that was sent has been read; end when somebody else has set it."""
        if done.is_set() or self.stopping or self.has_read_all():
            done.set()
        else:
            asyncio.get_running_loop().call_soon(self.read_all, done)  # another turn accepts and reads

    def pause_accepting(self) -> None:
        for sock in self.listener.sockets:
            asyncio.get_running_loop().remove_reader(sock)
        self.listener.stop_listening()

    def handle_loop_exception(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Record what goes wrong in a callback: what is no client's doing is raised by the stop."""
        error, message = context.get("exception"), context.get("message", "")
        if error is not None and not self.stopping and self.server._handle_task_error(error, context):
            return
        if isinstance(error, OSError) and error.errno in EXHAUSTED:
            if not self.was_exhausted:  # it is tried again and again
                log.error("%r cannot accept: %s", self.server, error)
            self.was_exhausted = True
        elif error is None or self.stopping or isinstance(error, _CLIENTS_DOING):
            log.debug("%r: %s: %r", self.server, message, error)
        else:
            log.error("%r: %s", self.server, message, exc_info=error)
            self.server._record_failure(error)

    def clean_up(self, loop: EventLoop) -> None:
        """Close everything, however the loop has ended."""
        self.stop_accepting()
        with self.lock:
            self.loop = None  # a stop from now on has nothing to do here but wait
        for connection in list(self.connections):
            connection.abort()
        for _ in range(_STEPS):
            try:
                loop.run_until_complete(self.end_tasks(loop))
                break
            except BaseException as error:  # somebody answers the end with SystemExit, say: then once more
                self.handle_loop_exception(loop, {"message": "the loop is not cleaned up yet", "exception": error})
        for sock, _ in self.accepted.values():  # whose task was cancelled before it began
            sock.close()
        loop.close()

    async def end_tasks(self, loop: EventLoop) -> None:
        """Cancel what is left on the loop (TLS handshakes, for one) and give it a moment to end."""
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        done = (await asyncio.wait(tasks, timeout=_JOIN / 2))[0] if tasks else ()
        for task in done:
            if not task.cancelled() and (error := task.exception()) is not None:
                self.handle_loop_exception(loop, {"message": "a task ended", "exception": error})
        await _settle()
        await loop.shutdown_asyncgens()

    # -- any thread ------------------------------------------------------------------------------------------

    def post(self, function: Callable[..., None], *arguments: object) -> bool:
        """Have the loop call ``function``; False if there is no loop yet, or none that goes on."""
        with self.lock:
            if self.loop is not None:
                self.loop.call_soon_threadsafe(function, *arguments)
            return self.loop is not None

    def call(self, function: Callable[[], None]) -> None:
        """Call ``function`` on the loop, and wait until it has returned."""
        done = OneShotEvent()

        def call_it() -> None:
            function()
            done.set()

        limit = self.server.start_timeout
        if self.post(call_it) and not done.wait(limit):
            raise TimeoutError(
                f"the event loop takes no note for {limit:g} s; it is at\n{loop_stack(self.thread.ident)}"
            )

    def stop_accepting(self) -> None:
        with self.lock:
            for sock in self.listener.sockets:
                # A loop that still knew a closed socket would fail with EBADF, where it waits with `select()`.
                if self.loop is not None and sock.fileno() >= 0:
                    self.loop.remove_reader(sock)
            self.listener.close()

    def cut_all(self) -> None:
        """End every connection under whoever uses it."""
        for connection in list(self.connections):
            connection.cut()
        for sock, _ in list(self.accepted.values()):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


async def _settle() -> None:
    """Let the connections that were just aborted be lost."""
    for _ in range(_STEPS):
        await asyncio.sleep(0)


class EventLoopServer(Server):
    """A server whose connections are protocols on an asyncio loop in a thread of its own.

    A protocol calls `_connection_made` and `_connection_lost`, and reports to its `LoopConnection` when it does
    something for its client: a stop waits for that, and for nothing else.  What a callback raises is raised by the
    stop, too; the loop learns what a task raised only when the task is garbage: have a callback ask for it.
    """

    _run: _LoopRun | None = None
    _shutdown_grace: float = 0.0
    """Seconds that `_shutdown` may take when the grace of a stop is over."""

    @abc.abstractmethod
    def _make_protocol(self) -> asyncio.BaseProtocol:
        """Make the protocol object for a new connection; runs in the loop's thread."""

    def _options(self) -> dict[str, Any]:
        """More keywords for ``loop.connect_accepted_socket``, such as ``ssl``."""
        return {}

    async def _prepare(self) -> None:
        """Do what comes before the first client; runs on the loop, and may take up to ``start_timeout``."""

    async def _shutdown(self, deadline: float) -> None:
        """Do what comes after the last client, or when the grace is over; runs on the loop.

        ``deadline`` is the end of the grace; `_shutdown_grace` seconds later nobody waits.
        """

    def _handle_task_error(self, error: BaseException, context: dict[str, Any]) -> bool:
        """Whether the server has itself recorded what went wrong on the loop; called on the loop."""
        return False

    def _make_connection(self, transport: asyncio.BaseTransport, index: int) -> LoopConnection:
        return LoopConnection(transport, index)

    def _run_of_this_loop(self) -> _LoopRun | None:
        """Return the run of the calling loop: a thread that was left behind has another than the server."""
        return getattr(asyncio.get_running_loop(), "run", self._run)

    def _connection_made(self, transport: asyncio.BaseTransport) -> LoopConnection:
        connection = self._make_connection(transport, next(self._indexes))
        run = self._run_of_this_loop()
        if run is not None:
            accepted = run.accepted.pop(connection.socket.fileno(), None)
            if accepted is not None:
                _, connection.accepted_at = accepted
            run.connections.add(connection)
            if run.stopping:
                asyncio.get_running_loop().call_soon(connection.close_when_idle)
        return connection

    def _connection_lost(self, connection: LoopConnection) -> None:
        run = self._run_of_this_loop()
        if run is not None:
            run.connections.discard(connection)
            if run.deadline < math.inf and not run.connections:
                run.changed.set()
        connection.shut_down()
        # It is lost already, but the TLS transport of Python 3.10 does not know.  A plain transport that closed after
        # its last byte takes an abort() for the first one, and fails in a second loss, for which it has no socket left.
        if connection.is_tls:
            connection.abort()

    def pause_accepting(self) -> None:
        """Refuse new clients, as if nobody listened; connections that are open stay, and the port is kept.

        Raises:
            ServerNotStarted: It does not run.
        """
        with self._lock:
            run = self._run
            if run is None or not self.is_running:
                raise ServerNotStarted(f"{self!r} is not running; call start() before pause_accepting()")
            if not run.is_paused:
                run.is_paused = True
                run.call(run.pause_accepting)

    def resume_accepting(self) -> None:
        """Serve new clients again; does nothing unless a running server has paused accepting.

        Raises:
            ServerStartError: Somebody has taken the port meanwhile.
        """
        with self._lock:
            run = self._run
            if run is not None and self.is_running and run.is_paused:
                run.listener.listen_again()
                run.is_paused = False
                run.call(run.listen)

    def close_connections(self) -> None:
        """Cut every connection that is open, whatever it is at; the server goes on."""
        if self._run is not None:
            self._run.cut_all()

    def _has_read_all(self, timeout: float) -> bool:
        """Return True when everything that clients have sent until now has been read; False if a callback blocks."""
        run = self._run
        if run is None:
            return True
        if run.thread.ident == threading.get_ident():
            return run.has_read_all()
        done = OneShotEvent()
        if not run.post(run.read_all, done) or done.wait(timeout):
            return True
        done.set()
        return False

    def open_sockets(self) -> Iterable[HasFileno]:
        """The listening sockets and those of the connections."""
        if self._run is None:
            return super().open_sockets()
        connections = [connection.socket for connection in list(self._run.connections)]
        accepted = [sock for sock, _ in list(self._run.accepted.values())]
        return [*super().open_sockets(), *connections, *accepted]

    def _open(self, listener: Listener) -> None:
        run = self._run = _LoopRun(self, listener, self._thread_name)
        start_thread(run.thread)
        if not run.ready.wait(self.start_timeout + self._shutdown_grace):
            raise ServerStartError(
                f"{self!r} could not start: its event loop is not ready after {self.start_timeout:g} s.\n"
                f"It was at\n{fold_stack(loop_stack(run.thread.ident)).rstrip()}"
            )
        if run.error is not None:
            raise run.error

    def _stop_accepting(self) -> None:
        if self._run is not None:
            self._run.stopping = True
            self._run.listener.wake()

    def _close(self, timeout: float) -> list[Unfinished]:
        run = self._run
        if run is None:
            return []
        run.post(run.begin_stop, timeout)
        has_ended = run.ended.wait(timeout + _JOIN)
        if has_ended or (run.is_shutting_down and run.ended.wait(self._shutdown_grace + _SLOW)):
            run.thread.join(_SLOW)
            return drain(run.cut)
        # Something blocks the loop: end its sockets from here, leave the thread, and name what it is at.
        stack = loop_stack(run.thread.ident)
        busy = [connection for connection in list(run.connections) if connection.is_busy]
        run.cut_all()
        run.stop_accepting()
        name = run.thread.name
        return [connection.describe(name, stack) for connection in busy] or [
            Unfinished("a callback of the event loop", "the server itself", 0.0, name, stack)
        ]

    def _is_server_thread(self) -> bool:
        return self._run is not None and threading.get_ident() == self._run.thread.ident

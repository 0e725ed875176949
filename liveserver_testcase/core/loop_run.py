"""One run of a server on an event loop, from a start to its stop: the loop, its thread and its connections."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import socket
import ssl
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from .connection import is_readable
from .interrupts import OneShotEvent, ServerThread, monotonic
from .journal import drain
from .listener import BACKLOG, EXHAUSTED, Listener, make_socket_pair
from .loop_connection import LoopConnection
from .tracebacks import Unfinished, loop_stack
from .write_buffer import FlushingSelector

if TYPE_CHECKING:
    from .event_loop import EventLoopServer

__all__ = ["EventLoop", "LoopRun"]

log = logging.getLogger("liveserver_testcase.core")

_SEND_BUFFER = 128 * 1024  # bytes that the system takes of what a client does not read; its default may be megabytes
_PAUSE = 0.05  # seconds before accept() is tried again when the process has no descriptor left
_JOIN = 0.3  # seconds that the loop's thread gets to end once nothing holds it
_STALL = 0.1  # seconds without a byte taken after which a client that a stop waits for is not reading
_CLIENTS_DOING = (ConnectionError, ssl.SSLError, TimeoutError, asyncio.TimeoutError)
_STEPS = 3  # rounds of the loop from abort() to a closed socket: one a layer, and TLS is a layer


class EventLoop(asyncio.SelectorEventLoop):
    """An event loop that goes on while a test has frozen the time, or replaced ``socket.socket``."""

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


class _Accepted(NamedTuple):
    """A connection from its acceptance until its protocol has it: for the whole of a TLS handshake."""

    sock: socket.socket
    at: float
    task: asyncio.Task[None]


class LoopRun:
    """The loop, the thread and the connections of one run, from a start to its stop."""

    def __init__(self, server: EventLoopServer, listener: Listener, name: str) -> None:
        self.server = server
        self.listener = listener
        self.loop: asyncio.AbstractEventLoop | None = None  # made, used and closed by the thread
        self.thread = ServerThread(target=self.work, name=name, daemon=True)
        self.connections: set[LoopConnection] = set()
        self.accepted: dict[int, _Accepted] = {}  # by the descriptor
        self.ready = OneShotEvent()
        self.ended = OneShotEvent()
        self.all_closed = asyncio.Event()  # while stopping: the last connection is lost
        self.is_shutting_down = False  # the grace is over, and the loop not blocked
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
        self.is_paused = False  # nobody listens, and the listener's sockets only keep the port

    # -- the loop's thread -----------------------------------------------------------------------------------

    def work(self) -> None:
        """The life of the loop's thread."""
        try:
            loop = EventLoop()
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
        self.begin(loop)
        self.ready.set()
        await self.finished.wait()

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Serve on every socket."""
        options = self.server._options()
        for sock in self.listener.sockets:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)  # the connections inherit it
            loop.add_reader(sock, self.accept, loop, sock, options)

    def accept(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, options: dict[str, Any]) -> None:
        """Accept all clients that wait."""
        try:
            for _ in range(BACKLOG):
                accepted, _ = sock.accept()
                accepted.setblocking(False)
                task = loop.create_task(self.connect(loop, accepted, options))
                self.accepted[accepted.fileno()] = _Accepted(accepted, monotonic(), task)
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            loop.remove_reader(sock)
            if not self.stopping:
                self.handle_loop_exception(loop, {"message": "accept() failed", "exception": error})
                if error.errno in EXHAUSTED:
                    loop.call_later(_PAUSE, self.accept_again, loop, sock, options)

    def accept_again(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, options: dict[str, Any]) -> None:
        """Go on accepting after a pause."""
        if not self.stopping:
            loop.add_reader(sock, self.accept, loop, sock, options)

    async def connect(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, options: dict[str, Any]) -> None:
        """Give a connection its protocol, after a TLS handshake if there is TLS."""
        number = sock.fileno()
        try:
            await loop.connect_accepted_socket(self.server._make_protocol, sock, **options)
        except Exception as error:
            self.handle_loop_exception(loop, {"message": "a client was not connected", "exception": error})
        finally:
            if self.accepted[number].sock is sock:  # else it was closed before, and the next one has its number
                del self.accepted[number]

    def has_read_all(self) -> bool:
        """Whether nobody waits to be accepted, and nothing that was sent waits to be read; called on the loop."""
        listening = self.listener.sockets if not self.is_paused else ()
        waiting = [*listening, *(accepted.sock for accepted in self.accepted.values())]
        return not any(sock.fileno() >= 0 and is_readable(sock) for sock in waiting) and all(
            connection.is_at_rest() for connection in self.connections
        )

    def read_all(self, loop: asyncio.AbstractEventLoop, done: OneShotEvent) -> None:
        """Set ``done`` when everything that was sent has been read; end when somebody else has set it."""
        if done.is_set() or self.stopping or self.has_read_all():
            done.set()
        else:
            loop.call_soon(self.read_all, loop, done)  # another turn accepts and reads

    async def finish(self, loop: asyncio.AbstractEventLoop, timeout: float) -> None:
        """Refuse, cut who waits, let the busy end, cut them too, and leave the loop."""
        began = monotonic()
        deadline = began + timeout
        try:
            self.stop_accepting(loop)
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
            self.is_shutting_down = True
            self.cut += await self.server._shutdown(deadline)
        finally:
            self.finished.set()
            if not self.ready.is_set() and self.serving is not None:
                self.serving.cancel()

    def clean_up(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close everything, however the loop has ended."""
        with self.lock:
            self.loop = None  # a stop from now on has nothing to do here but wait
        self.stop_accepting(loop)
        for connection in list(self.connections):
            connection.abort()
        for _ in range(_STEPS):
            try:
                loop.run_until_complete(self.cancel_tasks(loop))
                loop.run_until_complete(loop.shutdown_asyncgens())
                break
            except BaseException as error:  # somebody answers the end with SystemExit, say: then once more
                self.handle_loop_exception(loop, {"message": "the loop is not cleaned up yet", "exception": error})
        for accepted in self.accepted.values():  # whose task was cancelled before it began
            accepted.sock.close()
        loop.close()

    async def cancel_tasks(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel what is left on the loop (TLS handshakes, for one) and give it a moment to end."""
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        done = (await asyncio.wait(tasks, timeout=_JOIN / 2))[0] if tasks else ()
        for task in done:
            if not task.cancelled() and task.exception() is not None:
                self.handle_loop_exception(loop, {"message": "a task ended", "exception": task.exception()})
        await _settle()

    def stop_accepting(self, loop: asyncio.AbstractEventLoop) -> None:
        """Refuse new clients, and close the listening sockets."""
        for sock in self.listener.sockets:
            if sock.fileno() >= 0:  # a stop that had to give up has closed it
                loop.remove_reader(sock)
        self.listener.close()

    def pause_accepting(self, loop: asyncio.AbstractEventLoop, done: OneShotEvent) -> None:
        """Refuse new clients, and keep the port."""
        for sock in self.listener.sockets:
            loop.remove_reader(sock)
        self.listener.stop_listening()
        done.set()

    def resume_accepting(self, loop: asyncio.AbstractEventLoop, done: OneShotEvent) -> None:
        """Accept again, on another listener."""
        self.begin(loop)
        self.is_paused = False
        done.set()

    def remove(self, connection: LoopConnection) -> None:
        """Forget a connection that was lost."""
        self.connections.discard(connection)
        # It is lost already, but the TLS transport of Python 3.10 does not know.  A plain transport that closed after
        # its last byte takes an abort() for the first one, and fails in a second loss, for which it has no socket left.
        if connection.is_tls:
            connection.abort()
        if self.stopping and not self.connections:
            self.all_closed.set()

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

    # -- other threads ---------------------------------------------------------------------------------------

    def close(self, timeout: float) -> list[Unfinished]:
        """End within about ``timeout`` seconds, and name what had to be cut."""
        if not self.ended.is_set():
            self.stop(timeout)
            has_ended = self.ended.wait(timeout + _JOIN)
            if not has_ended and not (self.is_shutting_down and self.ended.wait(self.server._shutdown_grace)):
                return self.abandon()
        self.thread.join(_JOIN)
        return drain(self.cut)

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

    def has_read_all_by(self, deadline: float) -> bool:
        """Have the loop read all that was sent; False if it has not by then."""
        if threading.get_ident() == self.thread.ident:
            return self.has_read_all()
        done = OneShotEvent()
        with self.lock:
            loop = self.loop
            if loop is None:
                return True
            loop.call_soon_threadsafe(self.read_all, loop, done)
        if done.wait(deadline - monotonic()):
            return True
        done.set()
        return False

    def call(self, function: Callable[[asyncio.AbstractEventLoop, OneShotEvent], None]) -> None:
        """Call ``function`` on the loop, and wait until it has set its event or the loop has ended."""
        done = OneShotEvent()
        with self.lock:
            loop = self.loop
            if loop is None:
                return
            loop.call_soon_threadsafe(function, loop, done)
        if not done.wait(self.server.start_timeout):
            raise TimeoutError(
                f"the event loop takes no note for {self.server.start_timeout:g} s; it is at\n{self.stack()}"
            )

    def cut_all(self) -> None:
        """End every connection under whoever uses it."""
        for connection in list(self.connections):
            connection.cut()
        for accepted in list(self.accepted.values()):
            with contextlib.suppress(OSError):
                accepted.sock.shutdown(socket.SHUT_RDWR)

    def abandon(self) -> list[Unfinished]:
        """Something blocks the loop: end its sockets from outside, leave the thread, name what it is at."""
        stack = self.stack()
        connections = list(self.connections)
        self.cut_all()
        if not self.was_woken:
            self.listener.close()  # otherwise left to the thread: its number is still known to the loop
        name = self.thread.name
        return [connection.describe(name, stack) for connection in connections if connection.is_busy] or [
            Unfinished("a callback of the event loop", "the server itself", 0.0, name, stack)
        ]

    def stack(self) -> str:
        """Format where the application is, or the loop itself."""
        return loop_stack(self.thread.ident)


async def _settle() -> None:
    """Let the connections that were just aborted be lost."""
    for _ in range(_STEPS):
        await asyncio.sleep(0)

"""Serve with an asyncio event loop of the server's own, in one thread.

How it works: a start binds the sockets in the caller's thread and starts a thread with a new loop, which accepts
connections and makes a protocol for each.  A protocol reports its connection to the server, which keeps a
`LoopConnection` of it: whether something is being done for the client, and how to end it.

A stop runs on the loop, in `LoopRun.finish`.  Nobody is accepted any more, idle connections close at once, busy ones
when they are done; who reads nothing is cut after a tenth of a second, and everybody when the grace is over.  Then the
server does what it has to do last, and tasks that remain are cancelled.  If a callback blocks the loop, the stop does
what can be done from outside, names where the thread is and leaves it behind.

A test that is over asks, with `EventLoopServer._has_read_all`, whether everything that was sent has been read.  That is
looked at on the loop, where nothing is between the socket and the protocol: no client waits to be accepted, and no
connection at rest has something to read.  As long as one has, the loop takes another turn.
"""

from __future__ import annotations

import abc
import asyncio
import threading
from collections.abc import Iterable
from typing import Any, cast

from ..errors import ServerNotStarted, ServerStartError
from .interrupts import monotonic, start_thread
from .listener import Listener
from .loop_connection import LoopConnection
from .loop_run import EventLoop, LoopRun
from .server import HasDescriptor, Server
from .tracebacks import Unfinished, fold_stack
from .write_buffer import WriteBuffer

__all__ = ["EventLoopServer", "LoopConnection", "WriteBuffer"]


class EventLoopServer(Server):
    """A server whose connections are protocols on an asyncio loop in a thread of its own.

    A protocol calls `_connection_made` and `_connection_lost`, and reports to its `LoopConnection` when it does
    something for its client: a stop waits for that, and for nothing else.  What a callback raises is raised by the
    stop, too; the loop learns what a task raised only when the task is garbage: have a callback ask for it.
    """

    _run: LoopRun | None = None
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

    async def _shutdown(self, deadline: float) -> list[Unfinished]:
        """Do what comes after the last client, or when the grace is over; runs on the loop.

        Args:
            deadline: The end of the grace, on the monotonic clock; `_shutdown_grace` seconds later no one waits.

        Returns:
            What had to be cut.
        """
        return []

    def _handle_task_error(self, error: BaseException, context: dict[str, Any]) -> bool:
        """Whether the server has itself recorded what went wrong on the loop; called on the loop."""
        return False

    def _make_connection(self, transport: asyncio.BaseTransport, index: int) -> LoopConnection:
        return LoopConnection(transport, index)

    def _connection_made(self, transport: asyncio.BaseTransport) -> LoopConnection:
        """Add a connection that was made; called on the loop."""
        connection = self._make_connection(transport, next(self._indexes))
        if self._run is not None:
            accepted = self._run.accepted.get(connection.socket.fileno())
            if accepted is not None:
                connection.accepted_at = accepted.at
            self._run.connections.add(connection)
            if self._run.stopping:
                asyncio.get_running_loop().call_soon(connection.close_when_idle)
        return connection

    def _buffer_writes(self, transport: asyncio.Transport) -> WriteBuffer:
        """Have what is written in one turn of the loop sent at once; called on the loop."""
        return WriteBuffer(transport, cast(EventLoop, asyncio.get_running_loop()).selector)

    def _connection_lost(self, connection: LoopConnection) -> None:
        """Remove a connection that was lost; called on the loop."""
        if self._run is not None:
            self._run.remove(connection)

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
                run.listener.close()
                run.listener = self._listener = Listener(self._host, self.port)
                run.call(run.resume_accepting)

    def close_connections(self) -> None:
        """Cut every connection that is open, whatever it is at; the server goes on."""
        if self._run is not None:
            self._run.cut_all()

    def _has_read_all(self, timeout: float) -> bool:
        """Whether everything that clients have sent until now has been read, once the loop has done so.

        Args:
            timeout: Seconds that the loop gets: a callback may block it.
        """
        return self._run is None or self._run.has_read_all_by(monotonic() + timeout)

    def open_sockets(self) -> Iterable[HasDescriptor]:
        """The listening sockets and those of the connections."""
        if self._run is None:
            return super().open_sockets()
        connections = [connection.socket for connection in list(self._run.connections)]
        accepted = [accepted.sock for accepted in list(self._run.accepted.values())]
        return [*super().open_sockets(), *connections, *accepted]

    def _open(self, listener: Listener) -> None:
        run = self._run = LoopRun(self, listener, self._thread_name)
        start_thread(run.thread)
        if not run.ready.wait(self.start_timeout + self._shutdown_grace):
            raise ServerStartError(
                f"{self!r} could not start: its event loop is not ready after {self.start_timeout:g} s.\n"
                f"It was at\n{fold_stack(run.stack()).rstrip()}"
            )
        if run.error is not None:
            raise run.error

    def _stop_accepting(self) -> None:
        if self._run is not None:
            self._run.stopping = True
            self._run.was_woken = self._run.listener.wake()

    def _close(self, timeout: float) -> list[Unfinished]:
        return self._run.close(timeout) if self._run is not None else []

    def _is_server_thread(self) -> bool:
        return self._run is not None and threading.get_ident() == self._run.thread.ident

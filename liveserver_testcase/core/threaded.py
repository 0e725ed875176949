"""Accept connections and serve each in a thread, with threads that take turns to accept.

Every worker waits in ``accept()`` itself and serves the connection it took; the last one to leave the acceptor
calls another to it.  A connection costs no hand-over between threads, and none but the first few cost a new
one.
"""

from __future__ import annotations

import abc
import contextlib
import errno
import logging
import queue
import select
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import ServerNotStarted
from .connection import Connection, ConnectionState, is_readable
from .interrupts import OneShotEvent, ServerThread, monotonic, start_thread
from .listener import Listener
from .server import HasDescriptor, Server
from .tracebacks import Unfinished, stack_of_thread

__all__ = ["Connection", "ConnectionState", "ThreadedServer"]

log = logging.getLogger("liveserver_testcase.core")

_SPARE = 8  # workers kept waiting in accept(): enough that bursts of a browser's size start no thread
_STALL = 0.1  # seconds without a byte after which a stop does not wait for a client any more
_JOIN = 0.25  # seconds that a thread gets to end once its socket is shut down
_PAUSE = 0.05  # seconds before accept() is tried again, as when the process has no descriptor left
_ONE_WORKER = getattr(select, "EPOLLIN", 0) | getattr(select, "EPOLLONESHOT", 0)  # not on macOS and Windows


class _Acceptor:
    """One listening socket and how many workers wait at it."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.waiting = 0
        # a socket of gevent's, in an application's own process, bears but one that waits for it
        self.spare = 1 if type(sock).__module__.startswith("gevent.") else _SPARE
        self.is_shut = False
        # Lets one worker at a time know that there is somebody to accept, and leaves the accepting to it.  A worker
        # in a blocking accept() would have taken a connection before it could say so.
        self.poller: Any = None
        if hasattr(select, "epoll") and self.spare > 1:
            self.poller = select.epoll()
            self.poller.register(sock, _ONE_WORKER)

    def await_client(self) -> None:
        """Wait until there is somebody to accept; returns for one worker at a time, until `pass_on`."""
        if self.poller is not None:
            self.poller.poll()

    def pass_on(self) -> None:
        """Let the next worker be woken."""
        if self.poller is not None:
            with contextlib.suppress(OSError, ValueError):  # one of the two is closed
                self.poller.modify(self.sock, _ONE_WORKER)

    def close(self) -> None:
        """Close what is besides the socket."""
        if self.poller is not None:
            self.poller.close()


class _Workers:
    """The threads and connections of one run, from a start to its stop.

    A thread that outlives its run (a handler that does not end) keeps to this object, so that it cannot
    disturb the next run of the same server.
    """

    def __init__(self, server: ThreadedServer, listener: Listener, name: str) -> None:
        self.server = server
        self.listener = listener
        self.name = name
        self.serving: dict[int, Connection] = {}  # by the identifier of the thread that serves it
        self.accepting: set[int] = set()  # identifiers of the threads that accept a connection, and are not serving yet
        self.threads: set[threading.Thread] = set()  # ended ones leave it only now and then: a stop joins all
        self.threads_limit = 2 * _SPARE
        self.stopping = OneShotEvent()
        self.acceptors = [_Acceptor(sock) for sock in listener.sockets]
        self.lock = threading.Lock()  # guards `threads` and every acceptor's count of waiting workers
        self.left: queue.SimpleQueue[None] = queue.SimpleQueue()  # gets an item, while stopping, when one has left
        self.logged: set[str] = set()

    def start(self) -> None:
        for acceptor in self.acceptors:
            self.spawn_worker(acceptor)

    def spawn_worker(self, acceptor: _Acceptor) -> None:
        """Start another worker at ``acceptor``, where it counts as waiting from now on.

        The thread is started with the lock held: a stop finds either no trace of it, or one that it can join.
        """
        with self.lock:
            if self.stopping.is_set() or acceptor.is_shut:
                return
            if len(self.threads) > self.threads_limit:
                self.threads = {thread for thread in self.threads if thread.is_alive()}
                self.threads_limit = 2 * len(self.threads) + _SPARE
            thread = ServerThread(target=self.work, args=(acceptor,), name=self.name, daemon=True)
            self.threads.add(thread)
            acceptor.waiting += 1
            try:
                start_thread(thread)
            except RuntimeError:  # the system has no more threads
                self.threads.discard(thread)
                acceptor.waiting -= 1
                raise

    def work(self, acceptor: _Acceptor) -> None:
        """The life of a worker: wait, serve, wait again, until accepting ends or enough others wait."""
        try:
            accepted = self.accept(acceptor)
            while accepted is not None:
                self.serve(*accepted)
                accepted = self.accept(acceptor) if self.rejoin(acceptor) else None
        except BaseException as error:
            self.fail("a thread of %r ended", error)

    def rejoin(self, acceptor: _Acceptor) -> bool:
        """Whether a worker that has served is needed at ``acceptor``, where it counts as waiting from now on."""
        with self.lock:
            if self.stopping.is_set() or acceptor.is_shut or acceptor.waiting >= acceptor.spare:
                return False
            acceptor.waiting += 1
            return True

    def accept(self, acceptor: _Acceptor) -> tuple[socket.socket, Any] | None:
        """Take the next connection, and see to it that somebody waits for the one after; None: stop."""
        alone = False
        accepted = None
        try:
            accepted = self.accept_next(acceptor)
        finally:
            if accepted is None:
                self.accepting.discard(threading.get_ident())
            with self.lock:
                acceptor.waiting -= 1
                alone = not acceptor.waiting
            if self.stopping.is_set() or acceptor.is_shut:
                self.left.put(None)
        if accepted is None:
            return None
        if self.stopping.is_set():
            accepted[0].close()
            return None
        if alone:
            try:
                self.spawn_worker(acceptor)
            except RuntimeError as error:  # clients wait in the queue until this thread is back
                self.log_once("%r has no spare thread: %s", error)
        return accepted

    def accept_next(self, acceptor: _Acceptor) -> tuple[socket.socket, Any] | None:
        """Wait for the next connection, whatever else comes; None: nobody is accepted any more."""
        while not (self.stopping.is_set() or acceptor.is_shut):
            try:
                self.accepting.discard(threading.get_ident())
                acceptor.await_client()
                self.accepting.add(threading.get_ident())
                return acceptor.sock.accept()
            except OSError as error:
                if self.stopping.is_set() or acceptor.is_shut:
                    break
                if error.errno in (errno.EBADF, errno.EINVAL, errno.ENOTSOCK):
                    raise  # somebody else has closed the socket: it will never work again
                if error.errno not in (errno.ECONNABORTED, errno.EPROTO, errno.EINTR):
                    self.log_once(f"%r cannot accept: %s; it tries again every {_PAUSE:g} s", error)
                    self.stopping.wait(_PAUSE)
            except ValueError:  # the poller is closed, and with it the acceptor
                break
            finally:
                acceptor.pass_on()
        return None

    def serve(self, sock: socket.socket, address: Any) -> None:
        """Serve a connection from its beginning to its end."""
        ident = threading.get_ident()
        connection: Connection | None = None
        try:
            if sock.gettimeout() is not None:
                sock.settimeout(None)  # the tests have called socket.setdefaulttimeout()
            connection = self.server._connect(sock, address, next(self.server._indexes), self.stopping)
            self.serving[ident] = connection
            self.accepting.discard(ident)
            if not self.stopping.is_set():  # else the stop may have looked at the connections before
                connection.serve()
        except BaseException as error:
            self.fail("%r failed to serve a connection", error)
        finally:
            try:
                (connection or sock).close()
            finally:
                self.serving.pop(ident, None)
                self.accepting.discard(ident)
                self.server._on_connection_closed()
                if self.stopping.is_set():
                    self.left.put(None)

    def fail(self, message: str, error: BaseException) -> None:
        """Keep the error of a thread for the next stop; a thread that was given up may do what it likes."""
        if not self.stopping.is_set():
            log.error(message, self.server, exc_info=error)
            self.server._record_failure(error)

    def log_once(self, message: str, error: Exception) -> None:
        """Log a difficulty, once a run."""
        if message not in self.logged:
            self.logged.add(message)
            log.error(message, self.server, error)

    def accepted(self) -> list[Connection] | None:
        """Return the open connections; None while a client waits to be accepted, or just is."""
        if not self.stopping.is_set():
            # in this order: a worker is in `accepting` before it takes a client out of the socket's queue, and until
            # the connection is in `serving`
            if any(is_readable(acceptor.sock) for acceptor in self.acceptors if not acceptor.is_shut):
                return None
            if self.accepting:
                return None
        return list(self.serving.values())

    # -- accepting ----------------------------------------------------------------------------------------------

    def shut(self) -> None:
        """Refuse new clients; those that are being served stay, and the port is kept."""
        for acceptor in self.acceptors:
            acceptor.is_shut = True
        self.wake(self.listener.wake())
        self.wait_until(lambda: not any(acceptor.waiting for acceptor in self.acceptors), _JOIN)
        self.close_acceptors()
        self.listener.stop_listening()

    def close_acceptors(self) -> None:
        for acceptor in self.acceptors:
            acceptor.close()

    def open(self, listener: Listener) -> None:
        """Serve new clients again."""
        self.listener = listener
        self.acceptors = [_Acceptor(sock) for sock in listener.sockets]
        self.start()

    def wake(self, woken: bool) -> None:
        """Wake who waits at an acceptor, where the system has not."""
        if not woken:
            with self.lock:
                waiting = [acceptor.sock for acceptor in self.acceptors for _ in range(acceptor.waiting)]
            for sock in waiting:
                self.listener.wake_by_connecting(sock)

    # -- stopping --------------------------------------------------------------------------------------------

    def refuse(self) -> None:
        """Stop accepting, and cut whatever is not being answered."""
        self.stopping.set()
        woken = self.listener.wake()
        for connection in list(self.serving.values()):
            if connection.state is not ConnectionState.ACTIVE or connection.is_streaming:
                connection.cut()
        self.wake(woken)

    def close(self, timeout: float) -> list[Unfinished]:
        """Wait for the active connections, cut and name those that do not end, join the threads."""
        deadline = monotonic() + timeout
        # not before the workers have left the sockets: a descriptor's number could be in use again
        self.wait_until(lambda: not any(acceptor.waiting for acceptor in self.acceptors), _JOIN)
        self.close_acceptors()
        self.listener.close()
        self.wait_for_clients(deadline)
        left = list(self.serving.items())
        unfinished = [
            self.describe(ident, connection)
            for ident, connection in left
            if connection.state is ConnectionState.ACTIVE and not connection.is_streaming
        ]
        for _, connection in left:
            connection.cut()
        self.join(_JOIN)
        return unfinished

    def wait_for_clients(self, deadline: float) -> None:
        """Wait until the last client is gone; on the way, cut those who are waited for in vain.

        That is whoever does not read what is sent, or is not being answered any more and does not leave.
        """
        while True:
            before = {connection: connection.sending for connection in list(self.serving.values())}
            if self.wait_until(self.only_streams_are_left, min(_STALL, deadline - monotonic())):
                return
            if monotonic() >= deadline:
                return
            for connection, sent in before.items():
                stalls = sent >= 0 and connection.sending == sent
                if stalls or connection.state is not ConnectionState.ACTIVE or connection.is_streaming:
                    connection.cut()

    def only_streams_are_left(self) -> bool:
        """Whether every client is gone but those whose stream has no end of its own."""
        return all(connection.is_streaming for connection in list(self.serving.values()))

    def wait_until(self, predicate: Callable[[], bool], timeout: float) -> bool:
        """Wait for clients or workers to leave, for ``timeout`` seconds at most; whether they have."""
        deadline = monotonic() + timeout
        while not predicate():
            remaining = deadline - monotonic()
            if remaining <= 0:
                return False
            with contextlib.suppress(queue.Empty):
                self.left.get(timeout=remaining)
        return True

    def join(self, timeout: float) -> None:
        """Join the threads, for ``timeout`` seconds in all; none is added once the run is stopping."""
        deadline = monotonic() + timeout
        with self.lock:
            threads = self.threads - {threading.current_thread()}
        for thread in threads:
            thread.join(max(0.0, deadline - monotonic()))

    def describe(self, ident: int, connection: Connection) -> Unfinished:
        """Name what a connection is at, and where its thread is."""
        age = monotonic() - connection.since
        return Unfinished(connection.describe(), connection.peer, age, self.name, stack_of_thread(ident))


class ThreadedServer(Server):
    """A server that gives each connection a thread of its own for as long as it lasts."""

    _workers: _Workers | None = None

    @abc.abstractmethod
    def _connect(self, sock: socket.socket, address: Any, index: int, stopping: threading.Event) -> Connection:
        """Make the connection object for an accepted socket."""

    def _on_connection_closed(self) -> None:
        """Do what follows from the end of a connection; runs in the thread that served it."""

    def _accepted_connections(self) -> list[Connection] | None:
        """Return the open connections; None while a client waits to be accepted."""
        return self._workers.accepted() if self._workers is not None else []

    @property
    def connections(self) -> list[Connection]:
        """The connections that are open at the moment."""
        return list(self._workers.serving.values()) if self._workers is not None else []

    def open_sockets(self) -> Iterable[HasDescriptor]:
        """The listening sockets and those of the connections."""
        return [*super().open_sockets(), *(connection.sock for connection in self.connections)]

    def _open(self, listener: Listener) -> None:
        self._workers = _Workers(self, listener, self._thread_name)
        self._workers.start()

    def _stop_accepting(self) -> None:
        if self._workers is not None:
            self._workers.refuse()

    def _close(self, timeout: float) -> list[Unfinished]:
        return self._workers.close(timeout) if self._workers is not None else []

    def _is_server_thread(self) -> bool:
        return self._workers is not None and threading.get_ident() in self._workers.serving

    def pause_accepting(self) -> None:
        """Refuse new clients, as if nobody listened; connections that are open stay, and the port is kept.

        Raises:
            ServerNotStarted: It does not run.
        """
        with self._lock:
            if self._workers is None or not self.is_running:
                raise ServerNotStarted(f"{self!r} is not running; call start() before pause_accepting()")
            if not self._workers.acceptors[0].is_shut:
                self._workers.shut()

    def resume_accepting(self) -> None:
        """Serve new clients again; does nothing unless a running server has paused accepting.

        Raises:
            ServerStartError: Somebody has taken the port meanwhile.
        """
        with self._lock:
            if self._workers is not None and self.is_running and self._workers.acceptors[0].is_shut:
                self._workers.listener.close()
                self._listener = Listener(self._host, self.port)
                self._workers.open(self._listener)

    def close_connections(self) -> None:
        """Cut every connection that is open, whatever it is at; the server goes on."""
        for connection in self.connections:
            connection.cut()

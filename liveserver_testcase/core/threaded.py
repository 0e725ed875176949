"""Accept connections and serve each in a thread, with threads that take turns to accept.

Every worker waits in ``accept()`` itself and serves the connection it took; the last one to leave the door calls
another to it.  A connection costs no hand-over between threads, and none but the first few cost a new thread.
"""

from __future__ import annotations

import abc
import contextlib
import enum
import errno
import itertools
import logging
import socket
import sys
import threading
import traceback
from typing import Any

from .clock import monotonic
from .listener import Listener, format_host
from .server import Server, Unfinished

__all__ = ["Connection", "ConnectionState", "ThreadedServer"]

log = logging.getLogger("liveserver_testcase.core")

_SPARE = 8  # workers kept waiting in accept(): enough that bursts of a browser's size start no thread
_STALL = 0.1  # seconds without a byte taken after which a client that a stop waits for is not reading
_JOIN = 0.25  # seconds that a thread gets to end once its socket is shut down
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_PAUSE = 0.05  # seconds before accept() is tried again when the process has no descriptor left


class ConnectionState(enum.Enum):
    """What a connection is at, as far as a stop must know."""

    NEW = "new"  # nothing has been received
    READING = "reading"  # part of a request has
    ACTIVE = "active"  # a request is being answered
    IDLE = "idle"  # answered; waiting for the next


class Connection(abc.ABC):
    """One accepted connection, served by one thread from beginning to end.

    Attributes:
        index: Its number among the server's connections, from 0.
        stopping: Set when the server stops: whoever serves looks at it before waiting for the client.
        peer: The client's address as text, ``host:port``.
        state: Written by the serving thread alone.
        since: When the current state's work began, on the monotonic clock.
        sending: Bytes that the response being sent has handed to the system so far; -1 outside of a long one.
    """

    def __init__(self, sock: socket.socket, address: Any, index: int, stopping: threading.Event) -> None:
        self.sock = sock
        self.address = address
        self.index = index
        self.stopping = stopping
        self.state = ConnectionState.NEW
        self.since = monotonic()
        self.sending = -1
        self.is_cut = False
        self._closing = threading.Lock()  # guards the descriptor's end: a shutdown must never hit its reused number

    @property
    def peer(self) -> str:
        return f"{format_host(self.address[0])}:{self.address[1]}"

    @abc.abstractmethod
    def serve(self) -> None:
        """Talk to the client until the connection is over."""

    @abc.abstractmethod
    def describe(self) -> str:
        """What is being served at the moment, in a few words."""

    def cut(self) -> None:
        """End both directions from any thread; the serving thread wakes and closes."""
        with self._closing, contextlib.suppress(OSError):
            self.is_cut = True
            # not SSLSocket.shutdown, which takes the TLS object away from the thread that uses it
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the socket; called by the serving thread when it is done."""
        with self._closing:
            self.sock.close()


class _Door:
    """One listening socket and the workers that wait at it."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.waiting = 0


class _Workers:
    """The threads and connections of one run, from a start to its stop.

    A thread that outlives its run (a handler that does not end) keeps to this object, so that it cannot disturb the
    next run of the same server.
    """

    def __init__(self, server: ThreadedServer, listener: Listener, name: str) -> None:
        self.server = server
        self.listener = listener
        self.name = name
        self.connections: set[Connection] = set()
        self.serving: dict[int, Connection] = {}  # by the identifier of the thread
        self.threads: set[threading.Thread] = set()  # ended ones leave it only now and then, so that a stop joins all
        self.threads_limit = 2 * _SPARE
        self.stopping = threading.Event()
        self.doors = [_Door(sock) for sock in listener.sockets]
        self.lock = threading.Lock()  # guards `threads` and every door's count of waiting workers
        self.gone = threading.Condition(threading.Lock())  # notified, while stopping, when a connection is closed
        self.exhausted = 0

    def start(self) -> None:
        for door in self.doors:
            self.spawn(door)

    def spawn(self, door: _Door) -> None:
        """Call another worker to ``door``, which counts as waiting from now on."""
        with self.lock:
            door.waiting += 1
            if len(self.threads) > self.threads_limit:
                self.threads = {thread for thread in self.threads if thread.ident is None or thread.is_alive()}
                self.threads_limit = 2 * len(self.threads) + _SPARE
            thread = threading.Thread(target=self.work, args=(door,), name=self.name, daemon=True)
            self.threads.add(thread)
        try:
            thread.start()
        except BaseException:
            with self.lock:
                self.threads.discard(thread)
                door.waiting -= 1
            raise

    def work(self, door: _Door) -> None:
        """The life of a worker: wait, serve, wait again, until the door shuts or others are enough."""
        try:
            while True:
                accepted = self.accept(door)
                if accepted is None:
                    return
                self.serve(*accepted)
                with self.lock:
                    if self.stopping.is_set() or door.waiting >= _SPARE:
                        return
                    door.waiting += 1
        except BaseException as error:
            log.exception("a thread of %r ended", self.server)
            self.server._failures.append(error)

    def accept(self, door: _Door) -> tuple[socket.socket, Any] | None:
        """Take the next connection, seeing to it that somebody else waits for the one after; None: the door is shut."""
        while True:
            try:
                sock, address = door.sock.accept()
                break
            except OSError as error:
                if self.stopping.is_set():
                    return None
                if error.errno in _EXHAUSTED:
                    self.exhausted += 1
                    if self.exhausted == 1:
                        log.error("%r cannot accept: %s; it tries again every %g s", self.server, error, _PAUSE)
                    self.stopping.wait(_PAUSE)
                elif error.errno not in (errno.ECONNABORTED, errno.EPROTO, errno.EINTR):
                    raise
        with self.lock:
            door.waiting -= 1
            alone = door.waiting == 0
        if self.stopping.is_set():
            sock.close()
            return None
        if alone:
            try:
                self.spawn(door)
            except RuntimeError as error:  # no more threads: clients wait in the queue until this one is back
                log.warning("%r serves without a spare thread: %s", self.server, error)
        return sock, address

    def serve(self, sock: socket.socket, address: Any) -> None:
        sock.settimeout(None)  # whatever socket.setdefaulttimeout() the tests have set
        connection = self.server._connect(sock, address, next(self.server._indexes), self.stopping)
        ident = threading.get_ident()
        self.connections.add(connection)
        self.serving[ident] = connection
        try:
            if not self.stopping.is_set():  # else the stop may have listed the connections before this one came
                connection.serve()
        except BaseException as error:
            if not self.stopping.is_set():
                log.exception("%r failed to serve %s", self.server, connection.peer)
                self.server._failures.append(error)
        finally:
            connection.close()
            del self.serving[ident]
            self.connections.discard(connection)
            if self.stopping.is_set():
                with self.gone:
                    self.gone.notify_all()

    # -- stopping --------------------------------------------------------------------------------------------------

    def refuse(self) -> None:
        """Shut the doors and cut whatever is not being answered."""
        self.stopping.set()
        woken = self.listener.wake()
        for connection in list(self.connections):
            if connection.state is not ConnectionState.ACTIVE:
                connection.cut()
        if not woken:
            for door in self.doors:
                for _ in range(door.waiting):
                    self.listener.knock(door.sock)

    def close(self, timeout: float) -> list[Unfinished]:
        """Wait for the active connections, cut and name those that do not end, join the threads."""
        deadline = monotonic() + timeout
        self.cut_stalled(min(_STALL, timeout))
        self.wait_until_gone(deadline - monotonic())
        left = list(self.connections)
        unfinished = [self.describe(connection) for connection in left if connection.state is ConnectionState.ACTIVE]
        for connection in left:
            connection.cut()
        self.join(_JOIN)
        self.listener.close()  # not before the workers have left it: its descriptor's number could be in use again
        return unfinished

    def join(self, timeout: float) -> None:
        """Join the threads; again until there are no new ones, since a worker may just have called another."""
        deadline = monotonic() + timeout
        joined: set[threading.Thread] = set()
        while True:
            with self.lock:
                rest = self.threads - joined
            if not rest:
                return
            for thread in rest:
                thread.join(max(0.0, deadline - monotonic()))
            joined |= rest

    def cut_stalled(self, patience: float) -> None:
        """Cut the clients that do not read: those to whom nothing more could be sent for ``patience`` seconds."""
        before = {connection: connection.sending for connection in list(self.connections)}
        if before and not self.wait_until_gone(patience):
            for connection, sent in before.items():
                if sent >= 0 and connection.sending == sent:
                    connection.cut()

    def wait_until_gone(self, timeout: float) -> bool:
        """Wait until no connection is left, for ``timeout`` seconds at most."""
        with self.gone:
            return self.gone.wait_for(lambda: not self.connections, max(0.0, timeout))

    def describe(self, connection: Connection) -> Unfinished:
        ident = next((ident for ident, served in list(self.serving.items()) if served is connection), None)
        frame = sys._current_frames().get(ident) if ident is not None else None
        stack = "".join(traceback.format_stack(frame)) if frame is not None else ""
        thread = next((thread.name for thread in list(self.threads) if thread.ident == ident), self.name)
        return Unfinished(connection.describe(), connection.peer, monotonic() - connection.since, thread, stack)


class ThreadedServer(Server):
    """A server that gives each connection a thread of its own for as long as it lasts."""

    _workers: _Workers | None = None

    def __init__(
        self, host: str = "127.0.0.1", port: int = 0, *, start_timeout: float = 10.0, stop_timeout: float = 2.0
    ) -> None:
        super().__init__(host, port, start_timeout=start_timeout, stop_timeout=stop_timeout)
        self._indexes = itertools.count()

    @abc.abstractmethod
    def _connect(self, sock: socket.socket, address: Any, index: int, stopping: threading.Event) -> Connection:
        """Make the connection object for an accepted socket."""

    @property
    def connections(self) -> list[Connection]:
        """The connections that are open at the moment."""
        return list(self._workers.connections) if self._workers is not None else []

    def _open(self, listener: Listener) -> None:
        self._workers = _Workers(self, listener, self._thread_name)
        self._workers.start()

    def _refuse(self) -> None:
        if self._workers is not None:
            self._workers.refuse()

    def _close(self, timeout: float) -> list[Unfinished]:
        return self._workers.close(timeout) if self._workers is not None else []

    def _is_inside(self) -> bool:
        return self._workers is not None and threading.get_ident() in self._workers.serving

    def close_connections(self) -> None:
        """Cut every connection that is open, whatever it is at; the server goes on."""
        for connection in self.connections:
            connection.cut()

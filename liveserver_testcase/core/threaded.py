"""Serve many connections with few threads: one waits for clients and serves them, another takes over where it must.

How it works.  All workers are threads of one kind.  At any time one of them *leads*: it waits at the poller for whoever
connects or sends, and serves them itself, one after the other, each for as long as it has sent something.  A connection
that waits for its client's next request costs no thread: it is *idle* and belongs to the poller.  So neither a new
connection nor the next request of a kept one costs a switch between threads, which is dear under the interpreter lock.
Only with a client that is alone, and has come again, the worker stays: waiting in ``recv()`` costs less than polling.

A request may take its time, and nobody must wait for it who could be served.  Therefore a second worker *stands by*: a
leader that has not come to its next client within `_PATIENCE` is held up, and the one that stands by leads in its
place.  From then on leaders hand over before they serve, until a client has been served quickly.  A worker that comes
back stands by, or waits with a few others to be needed, or ends.

Where there is no ``epoll`` the leader waits for new clients alone.  It hands over at once, and serves its client to the
end, waiting for each request in the connection.
"""

from __future__ import annotations

import abc
import collections
import contextlib
import errno
import functools
import logging
import queue
import select
import socket
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ..errors import ServerNotStarted
from .connection import Connection, ConnectionState, is_readable
from .interrupts import OneShotEvent, ServerThread, defer_sigint, monotonic, start_thread
from .listener import Listener, ServerSocket, make_socket_pair
from .server import Server
from .tracebacks import Unfinished, stack_of_thread

if TYPE_CHECKING:
    from _typeshed import HasFileno

__all__ = ["Connection", "ConnectionState", "ThreadedServer"]

log = logging.getLogger("liveserver_testcase.core")

_SPARE = 8  # workers kept for when they are needed: enough that bursts of a browser's size start no thread
_PATIENCE = 0.005  # seconds that clients wait for a request of another one's before a second worker leads
_STALL = 0.1  # seconds without a byte after which a stop does not wait for a client any more
_JOIN = 0.25  # seconds that a thread gets to end which a handler may hold up, once its socket is shut down
_SLOW = 1.0  # seconds that it gets when nothing holds it up: the machine may be busy
_PAUSE = 0.05  # seconds before accept() is tried again, as when the process has no descriptor left
_NOBODY = -1  # leads once the server stops
_EVENTS = 64  # clients that are taken from the poller at once
_HAS_EPOLL = hasattr(select, "epoll")  # not on macOS and Windows, and not under gevent


class _Poller:
    """Waits for clients: those who connect, and where the system can, those of idle connections who send.

    Attributes:
        poll: Waits for somebody; returns pairs, whose first is a descriptor with something to do.
    """

    def __init__(self) -> None:
        self.listeners: dict[int, socket.socket] = {}  # by their descriptors
        self.poll: Callable[[], list[tuple[int, int]]] = self._select
        if _HAS_EPOLL:
            self.epoll = select.epoll()
            self.poll = functools.partial(self.epoll.poll, -1, _EVENTS)
            self.waker: socket.socket | None = None
        else:
            self.inner, self.outer = make_socket_pair()

    def _select(self) -> list[tuple[int, int]]:
        watched: list[Any] = [self.inner, *self.listeners]
        try:
            ready = select.select(watched, [], [])[0]
        except OSError:  # a socket has been closed: by `shut`, which has emptied the list, or else accept() will say so
            return [(number, 0) for number in self.listeners]
        if self.inner in ready:
            self.inner.recv(1)
        return [(number, 0) for number in self.listeners if number in ready]

    def wake(self) -> None:
        """Have the one that waits come back, now and whenever it waits again."""
        if not _HAS_EPOLL:
            with contextlib.suppress(OSError):  # it is closed
                self.outer.send(b"!")
        elif self.waker is None and not self.epoll.closed:
            with contextlib.suppress(OSError):  # no descriptor is left: the end of the listening sockets wakes it too
                self.waker = ServerSocket(socket.AF_INET, socket.SOCK_STREAM)
                self.epoll.register(self.waker, select.EPOLLIN)  # which is ready since it is not connected

    def listen(self, sockets: Iterable[socket.socket]) -> None:
        """Wait for those who connect to these sockets, and to no others."""
        if _HAS_EPOLL:
            for sock in self.listeners.values():
                with contextlib.suppress(OSError, ValueError):  # somebody else has closed it
                    self.epoll.unregister(sock)
        self.listeners = {sock.fileno(): sock for sock in sockets}
        for number, sock in self.listeners.items():
            sock.setblocking(False)  # whoever connected may have left again, or another worker may have been faster
            if _HAS_EPOLL:
                self.epoll.register(number, select.EPOLLIN)
            with contextlib.suppress(OSError):  # no TCP
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # those that it accepts inherit this
        if not _HAS_EPOLL:
            self.wake()

    def watch(self, connection: Connection) -> None:
        connection.is_watched = True
        try:
            self.epoll.register(connection.number, select.EPOLLIN)
        except (OSError, ValueError):
            pass  # it is known already, or this or the connection has been closed

    def unwatch(self, connection: Connection) -> None:
        connection.is_watched = False
        with contextlib.suppress(OSError, ValueError):  # it is not known, or the poller is closed
            self.epoll.unregister(connection.number)

    def close(self) -> None:
        """Let go of everything but the listening sockets; again does nothing."""
        if not _HAS_EPOLL:
            self.inner.close()
            self.outer.close()
        else:
            self.epoll.close()
            if self.waker is not None:
                self.waker.close()


class _Workers:
    """The threads and connections of one run, from a start to its stop.

    A thread that outlives its run (a handler that does not end) keeps to this object, so that it cannot
    disturb the next run of the same server.
    """

    def __init__(self, server: ThreadedServer, listener: Listener, name: str) -> None:
        self.server = server
        self.listener = listener
        self.name = name
        self.stopping = OneShotEvent()
        self.is_stopping = False  # the same, for those who cannot afford a call
        self.lock = threading.Lock()  # guards `threads` and who has which role
        self.threads: set[threading.Thread] = set()  # ended ones leave it only now and then: a stop joins all
        self.threads_limit = 2 * _SPARE
        self.leader = 0  # the thread that leads, by its identifier; the same for the next one
        self.polling = 0  # the thread that waits at the poller
        self.stands_by = False  # whether a worker stands by
        self.spare = 0  # workers that wait to be called
        self.signals: queue.SimpleQueue[None] = queue.SimpleQueue()  # for the worker that stands by
        self.calls: queue.SimpleQueue[None] = queue.SimpleQueue()  # for those that are spare
        self.is_observed = True  # whether the one that stands by looks at the leader every now and then
        self.is_slow = False  # whether a request has held up the leader, and none has been quick since
        self.turns = 0  # how often a leader has come to its next client
        self.ready: collections.deque[tuple[int, int]] = collections.deque()  # who is next, as the poller says it
        self.accepting: set[int] = set()  # threads with a connection that is not among the following yet
        self.connections: dict[int, Connection] = {}  # all that are open, by descriptor
        self.idle: dict[int, Connection] = {}  # those of them that nobody serves: whoever takes one out does
        self.left: queue.SimpleQueue[None] = queue.SimpleQueue()  # gets an item when a worker has left
        self.logged: set[str] = set()
        self.poller = _Poller()
        self.poller.listen(listener.sockets)

    # -- roles -----------------------------------------------------------------------------------------------------

    def work(self) -> None:
        """The life of a worker: stand by, lead, and so on, until it is not needed any more."""
        try:
            while True:
                self.stand_by()
                self.lead()
                if not self.is_needed():
                    break
        except BaseException as error:
            self.fail("a thread of %r ended", error)
            if self.leader == threading.get_ident():
                self.leader = 0
                self.signals.put(None)
        finally:
            self.left.put(None)

    def call_worker(self) -> None:
        """Have another worker stand by, or lead if nobody does.

        A thread is started with the lock held: a stop finds either no trace of it, or one that it can join.

        Raises:
            RuntimeError: The system has no more threads.
        """
        with self.lock:
            if self.stopping.is_set() or self.stands_by:
                return
            self.stands_by = True
            if self.spare:
                self.spare -= 1
                self.calls.put(None)
                return
            if len(self.threads) > self.threads_limit:
                self.threads = {thread for thread in self.threads if thread.is_alive()}
                self.threads_limit = 2 * len(self.threads) + _SPARE
            thread = ServerThread(target=self.work, name=self.name, daemon=True)
            self.threads.add(thread)
            try:
                start_thread(thread)
            except RuntimeError:
                self.threads.discard(thread)
                self.stands_by = False
                raise

    def is_needed(self) -> bool:
        """Whether a worker that does not lead any more stands by now; waits to be called if that must be."""
        with self.lock:
            if self.stopping.is_set():
                return False
            if not self.stands_by:
                self.stands_by = True
                return True
            if self.spare >= _SPARE - 1:
                return False
            self.spare += 1
        self.calls.get()
        return not self.stopping.is_set()

    def stand_by(self) -> None:
        """Wait until the leader hands over or is held up, then lead in its place; returns also for a stop."""
        is_held_up = False
        while not self.stopping.is_set():
            with self.lock:
                if self.is_stopping:
                    return
                if is_held_up or not self.leader:
                    self.is_slow = self.is_slow or is_held_up
                    self.leader, self.stands_by = threading.get_ident(), False
                    return
            turns = self.turns
            try:
                self.signals.get(timeout=_PATIENCE)
                continue
            except queue.Empty:
                is_held_up = self.turns == turns and not self.polling
            if self.turns == turns and not is_held_up:
                # Nobody has come.  The leader sees this flag when it has left the poller, or is seen to have left it.
                self.is_observed = False
                if self.polling:
                    self.signals.get()
                self.is_observed = True

    def hand_over(self) -> None:
        """Let another worker lead, since this one will be busy."""
        if self.leader == threading.get_ident():
            with self.lock:
                if not self.stands_by:
                    return
                self.leader = 0
            self.signals.put(None)

    def lead(self) -> None:
        """Serve whoever is next, one after the other, for as long as no other worker leads."""
        me = threading.get_ident()
        ready = self.ready
        while self.leader == me or ready:
            if not ready:
                self.polling = me
                try:
                    ready.extend(self.poller.poll())
                finally:
                    if self.polling == me:
                        self.polling = 0
                if not self.is_observed:
                    self.is_observed = True
                    self.signals.put(None)
            try:
                number, _ = ready.popleft()
            except IndexError:  # another worker was faster
                continue
            self.turns += 1
            if not self.stands_by:
                try:
                    self.call_worker()
                except RuntimeError as error:  # clients wait until this thread has time for them
                    self.log_once("%r has no spare thread: %s", error)
            connection = self.idle.pop(number, None)
            if connection is not None:
                self.serve(connection, me)
            elif number in self.poller.listeners:
                self.accept(self.poller.listeners[number])
            elif _HAS_EPOLL and (connection := self.connections.get(number)) is not None:
                # Another worker serves it, and will have it watched again.
                self.poller.unwatch(connection)
                if number in self.idle:  # by now, and the worker may have seen it watched
                    self.poller.watch(connection)

    # -- connections -----------------------------------------------------------------------------------------------

    def accept(self, listener: socket.socket) -> None:
        me = threading.get_ident()
        self.accepting.add(me)
        try:
            sock, address = listener.accept()
            try:
                if not _HAS_EPOLL or sock.gettimeout() is not None:
                    sock.settimeout(None)  # the tests have called socket.setdefaulttimeout(), or it is the listener's
                connection = self.server._connect(sock, address, next(self.server._indexes), self.stopping)
            except BaseException as error:
                self.fail("%r failed to serve a connection", error)
                sock.close()
                return
            self.connections[connection.number] = connection
        except OSError as error:
            if listener.fileno() in self.poller.listeners and not self.stopping.is_set():
                if error.errno in (errno.EBADF, errno.EINVAL, errno.ENOTSOCK):
                    self.poller.listen(sock for sock in self.poller.listeners.values() if sock is not listener)
                    self.fail("%r cannot accept any more: somebody else has closed its socket", error)
                elif error.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EPROTO, errno.EINTR):
                    self.log_once(f"%r cannot accept: %s; it tries again every {_PAUSE:g} s", error)
                    self.stopping.wait(_PAUSE)
            return
        finally:
            self.accepting.discard(me)
            if not self.poller.listeners:
                self.left.put(None)
        self.serve(connection, me)

    def serve(self, connection: Connection, me: int) -> None:
        """Serve a connection until it is idle, or has come to its end."""
        connection.thread = me
        connection.awaits_client = False
        began = 0.0
        if self.is_slow or not _HAS_EPOLL:
            self.hand_over()
            began = monotonic()
        stays: bool | None = False
        try:
            if not self.is_stopping:  # else the stop may have looked at the connections before
                stays = connection.serve()
                while stays and (len(self.connections) == 1 or not _HAS_EPOLL) and self.stays_with(connection):
                    connection.waits_first = True
                    stays = connection.serve()
        except BaseException as error:
            self.fail("%r failed to serve a connection", error)
            stays = False
        if began and monotonic() - began < _PATIENCE:
            self.is_slow = False
        if not stays:
            self.end(connection)
            return
        connection.thread, connection.waits_first = 0, False
        connection.rest()
        self.idle[connection.number] = connection  # from here on it can be another worker's
        if not connection.is_watched:
            self.poller.watch(connection)
        if self.is_stopping and self.idle.pop(connection.number, None) is not None:
            self.end(connection)

    def stays_with(self, connection: Connection) -> bool:
        """Whether this worker itself waits for the next request: that of the only client, if it has come again."""
        if _HAS_EPOLL and not (connection.is_watched or connection.waits_first):
            return False
        if self.leader == connection.thread:
            self.hand_over()
            if self.leader == connection.thread:  # nobody is there to lead
                return False
        if connection.is_watched:
            self.poller.unwatch(connection)
        return True

    def end(self, connection: Connection) -> None:
        try:
            connection.close()
        except BaseException as error:
            self.fail("%r failed to close a connection", error)
        finally:
            if self.connections.get(connection.number) is connection:  # its descriptor may be another one's by now
                del self.connections[connection.number]
            self.server._on_connection_closed()
            if self.is_stopping:
                self.left.put(None)

    def fail(self, message: str, error: BaseException) -> None:
        """Keep the error of a thread for the next stop; a thread that was given up may do what it likes."""
        if not self.stopping.is_set():
            self.server._record_failure(error)
            with contextlib.suppress(Exception):  # logging asks a clock that a test may have replaced
                log.error(message, self.server, exc_info=error)

    def log_once(self, message: str, error: Exception) -> None:
        if message not in self.logged:
            self.logged.add(message)
            log.error(message, self.server, error)

    # -- the stop --------------------------------------------------------------------------------------------------

    def refuse(self) -> None:
        """Stop accepting, and cut whatever is not being answered."""
        self.is_stopping = True
        self.stopping.set()
        with self.lock:
            self.leader = _NOBODY
        self.listener.wake()
        for connection in list(self.connections.values()):
            if connection.state is not ConnectionState.ACTIVE or connection.is_streaming:
                connection.cut()
        self.poller.wake()
        self.signals.put(None)
        for _ in range(_SPARE):
            self.calls.put(None)

    def close(self, timeout: float) -> list[Unfinished]:
        """Wait for the active connections, cut and name those that do not end, join the threads."""
        deadline = monotonic() + timeout
        # not before the workers have left the sockets: a descriptor's number could be in use again
        self.wait_until(lambda: not (self.polling or self.accepting), _SLOW)
        self.poller.close()
        self.listener.close()
        while self.idle:
            self.end(self.idle.popitem()[1])
        while monotonic() < deadline:
            before = {connection: connection.sending for connection in list(self.connections.values())}
            if self.wait_until(self.has_only_streams, min(_STALL, deadline - monotonic())) or monotonic() >= deadline:
                break
            # Some are waited for in vain: who does not read what is sent, or is not being answered and does not leave.
            for connection, sent in before.items():
                stalls = sent >= 0 and connection.sending == sent
                if stalls or connection.state is not ConnectionState.ACTIVE or connection.is_streaming:
                    connection.cut()
        unfinished = []
        for connection in list(self.connections.values()):
            if connection.state is ConnectionState.ACTIVE and not connection.is_streaming:
                age, stack = monotonic() - connection.since, stack_of_thread(connection.thread)
                unfinished.append(Unfinished(connection.describe(), connection.peer, age, self.name, stack))
            connection.cut()
        with self.lock:  # none is added once the run is stopping
            threads = self.threads - {threading.current_thread()}
        held_up = {connection.thread for connection in list(self.connections.values())}
        deadline = monotonic() + _JOIN
        for thread in threads:
            thread.join(max(0.0, deadline - monotonic()) if thread.ident in held_up else _SLOW)
        return unfinished

    def has_only_streams(self) -> bool:
        """Whether no client is left, but those of streams without an end."""
        return all(connection.is_streaming for connection in list(self.connections.values()))

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


class ThreadedServer(Server):
    """A server that serves its connections in threads of its own."""

    _workers: _Workers | None = None

    @abc.abstractmethod
    def _connect(self, sock: socket.socket, address: Any, index: int, stopping: threading.Event) -> Connection:
        """Make the connection object for an accepted socket."""

    def _on_connection_closed(self) -> None:
        """Do what follows from the end of a connection; runs in the thread that served it."""

    def _accepted_connections(self) -> list[Connection] | None:
        """Return the open connections; None while a client waits to be accepted, or just is."""
        workers = self._workers
        if workers is not None and not workers.stopping.is_set():
            # in this order: a worker is in `accepting` before it takes a client out of the socket's queue, and until
            # the connection is in `connections`
            if any(is_readable(sock) for sock in list(workers.poller.listeners.values())) or workers.accepting:
                return None
        return self.connections

    @property
    def connections(self) -> list[Connection]:
        """The connections that are open at the moment."""
        return list(self._workers.connections.values()) if self._workers is not None else []

    def open_sockets(self) -> Iterable[HasFileno]:
        """The listening sockets and those of the connections."""
        return [*super().open_sockets(), *(connection.sock for connection in self.connections)]

    def _open(self, listener: Listener) -> None:
        def make_workers() -> None:
            self._workers = _Workers(self, listener, self._thread_name)

        defer_sigint(make_workers)  # an interrupt in the middle of it would leave a descriptor to the garbage
        if self._workers is not None:
            self._workers.call_worker()

    def _stop_accepting(self) -> None:
        if self._workers is not None:
            self._workers.refuse()

    def _close(self, timeout: float) -> list[Unfinished]:
        return self._workers.close(timeout) if self._workers is not None else []

    def _is_server_thread(self) -> bool:
        return any(connection.thread == threading.get_ident() for connection in self.connections)

    def pause_accepting(self) -> None:
        """Refuse new clients, as if nobody listened; connections that are open stay, and the port is kept.

        Raises:
            ServerNotStarted: It does not run.
        """
        with self._lock:
            if self._workers is None or not self.is_running:
                raise ServerNotStarted(f"{self!r} is not running; call start() before pause_accepting()")
            workers = self._workers
            if workers.poller.listeners:
                workers.poller.listen(())
                workers.wait_until(lambda: not workers.accepting, _JOIN)
                workers.listener.stop_listening()

    def resume_accepting(self) -> None:
        """Serve new clients again; does nothing unless a running server has paused accepting.

        Raises:
            ServerStartError: Somebody has taken the port meanwhile.
        """
        with self._lock:
            if self._workers is not None and self.is_running and not self._workers.poller.listeners:
                self._workers.listener.listen_again()
                self._workers.poller.listen(self._workers.listener.sockets)

    def close_connections(self) -> None:
        """Cut every connection that is open, whatever it is at; the server goes on."""
        for connection in self.connections:
            connection.cut()

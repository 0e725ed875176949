"""What every server is: a table of states, `start` and `stop` that keep it, an address and a ``repr``.

How it works: `_MOVES` is the one table of states, and `Server._transition` the one place where a state changes, under
the server's lock.  `start` binds the socket in the caller's thread, so that a taken port is an error there and then,
hands it to ``_open`` of the subclass, which returns when the server serves, and rolls everything back if any of that
fails. `stop` first has ``_stop_accepting`` refuse new work and then ``_close`` end what is in flight within the grace;
what had to be cut becomes a warning, and what a thread ended with is raised.  Users see a `ServerFacade`, which has
nothing of this among its names.

A stop that a thread of the server itself asks for, such as a handler's, goes on in a thread of its own; one that is
interrupted by Ctrl-C closes everything at once and then lets the interrupt through.

Every running server is in a registry.  At exit each is stopped, since plain unittest cleans up nothing on Ctrl-C; in a
forked child the sockets are closed and the servers forgotten, for they are the parent's.
"""

from __future__ import annotations

import abc
import atexit
import contextlib
import enum
import itertools
import os
import ssl
import threading
import warnings
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, NoReturn, Protocol, TypeVar

from ..errors import (
    LiveServerTestCaseError,
    ServerNotStarted,
    ServerStartError,
    ServerStateError,
    ServerThreadError,
    UnfinishedWorkWarning,
)
from .checks import KnownAttributes, check_seconds
from .interrupts import ServerThread
from .journal import drain
from .listener import Listener, check_address, format_host, warn_of_wildcard
from .masking import mask
from .tracebacks import Unfinished, callers_level, describe_all

if TYPE_CHECKING:
    from _typeshed import HasFileno

    from .tls import TLS

__all__ = ["Server", "ServerFacade", "State", "Unfinished"]

S = TypeVar("S", bound="_Startable")

_SLACK = 2.0  # seconds beyond its own limit that another thread's stop is waited for

_running: set[Server] = set()  # what is stopped at exit


def _stop_all() -> None:
    for server in list(_running):
        with contextlib.suppress(Exception):
            server.stop(0.0)


def _close_after_fork() -> None:
    """In a forked child: let go the sockets of the parent's servers.

    Their clients would otherwise wait for an end of the connection that comes only when the child ends, too.  Each
    descriptor is made to lead nowhere and stays taken, so that whoever closes it later closes nothing else.
    """
    sockets = [sock for server in _running for sock in server.open_sockets() if sock.fileno() >= 0]
    _running.clear()
    if not sockets:
        return
    with contextlib.suppress(OSError), open(os.devnull, "r+b", buffering=0) as nowhere:  # no descriptor left: bear it
        for sock in sockets:
            os.dup2(nowhere.fileno(), sock.fileno(), inheritable=False)


atexit.register(_stop_all)
if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_close_after_fork)


class State(enum.Enum):
    """The states of a server."""

    NEW = "new"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


_MOVES = {
    State.NEW: {State.STARTING},
    State.STARTING: {State.RUNNING, State.FAILED},
    State.RUNNING: {State.STOPPING},
    State.STOPPING: {State.STOPPED},
    State.STOPPED: {State.STARTING},
    State.FAILED: {State.STARTING},
}
_BUSY = (State.STARTING, State.STOPPING)


class _Startable(Protocol):
    def start(self) -> None: ...
    def stop(self) -> None: ...


class _StartedByWith:
    """What is started and stopped by a ``with`` block."""

    __slots__ = ()

    def __enter__(self: S) -> S:
        self.start()
        return self

    def __exit__(
        self: _Startable, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Server(_StartedByWith, abc.ABC):
    """A server: ``start()``, ``stop()``, ``start()`` again on the same port, ``with``.

    Nothing is bound and no thread runs before `start`.  `stop` may be called at any time, from any thread,
    also from one of the server's own.

    Args:
        host: Where to listen: an address of this machine, or ``localhost`` for 127.0.0.1 and ::1 on one port.
        port: A TCP port; 0 lets the system choose at the first start, and later starts use the same.
        start_timeout: Seconds that a start may take.
        stop_timeout: Seconds that work in flight may take to end when the server stops.

    Raises:
        UsageError: One of these is of the wrong kind.
    """

    scheme: ClassVar[str]
    label: ClassVar[str]
    """What the server's threads are called, before the address."""
    stops_at_exit = True
    """At the end of the process it is stopped by itself."""
    tls: TLS | None = None
    """What it needs to speak TLS; None if it speaks none."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        start_timeout: float = 10.0,
        stop_timeout: float = 2.0,
    ) -> None:
        self.display_name = type(self).__name__  # in its `repr`, and so in every message
        self.start_timeout = check_seconds("start_timeout", start_timeout)
        self.stop_timeout = check_seconds("stop_timeout", stop_timeout)
        self._host, self._port = check_address(host, port)
        self._listener: Listener | None = None
        self._adopted: Listener | None = None
        self._state = State.NEW
        # Guards _state.  The thread that has it can take it again, so that a signal handler may call stop().
        # It is taken by itself and not through the condition, whose __enter__ is Python: a KeyboardInterrupt
        # inside of that would leave it taken.
        self._lock = threading.RLock()
        self._state_changed = threading.Condition(self._lock)  # notified at each move
        self._transition_thread = 0  # the thread that starts or stops the server at the moment
        self._pid = os.getpid()
        self._indexes = itertools.count()  # numbers its connections, over all of its lives
        self._is_silent = False
        self._unfinished: list[Unfinished] = []
        self._failures: list[BaseException] = []

    # -- what a concrete server provides ---------------------------------------------------------------------

    @abc.abstractmethod
    def _open(self, listener: Listener) -> None:
        """Begin to serve on ``listener``; the server serves when this returns."""

    @abc.abstractmethod
    def _stop_accepting(self) -> None:
        """Stop taking new work: quick, from any thread, also one of the server's own."""

    @abc.abstractmethod
    def _close(self, timeout: float) -> list[Unfinished]:
        """End what is going on within about ``timeout`` seconds, join the threads, name what had to be cut.

        It may be called again, with no time, when a call was interrupted.
        """

    @abc.abstractmethod
    def _is_server_thread(self) -> bool:
        """Whether the calling thread is one of the server's own."""

    def open_sockets(self) -> Iterable[HasFileno]:
        """Every socket that is open at the moment: what a forked child must let go."""
        return self._listener.sockets if self._listener is not None else ()

    # -- life ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Bind the socket in this thread and begin to serve; returns when the server serves.

        Raises:
            ServerStartError: It cannot; the cause is attached and nothing is left behind.
            ServerStateError: It runs already, or is starting or stopping.

        Warns:
            WildcardAddressWarning: It listens on every interface of this machine.
        """
        if self._adopted is None:
            warn_of_wildcard(self._host, repr(self))
        begun = False
        try:
            with self._lock:
                if self._state is State.RUNNING:
                    advice = "runs already; a second start() would change nothing. Call stop() first."
                    raise ServerStateError(f"{self!r} {advice}")
                if self._state in _BUSY:
                    advice = "wait until that is done before calling start()."
                    raise ServerStateError(f"{self!r} is {self._state.value}; {advice}")
                begun = True
                self._transition(State.STARTING)
                self._pid = os.getpid()
                self._unfinished, self._failures = [], []
            adopted, self._adopted = self._adopted, None
            self._listener = adopted or Listener(self._host, self._port)
            if adopted is not None:
                adopted.listen()
            self._open(self._listener)
            self._port = self._listener.port
            _running.add(self)
            with self._lock:
                self._transition(State.RUNNING)
        except BaseException as error:
            if not begun:
                raise
            try:
                listener, self._listener = self._listener, None
                _running.discard(self)
                if listener is not None:
                    with contextlib.suppress(Exception):
                        self._stop_accepting()
                        self._close(0.0)
                    listener.close()
            finally:
                with self._lock:
                    if self._state is State.RUNNING:  # interrupted on the last step
                        self._transition(State.STOPPING)
                        self._transition(State.STOPPED)
                    elif self._state is State.STARTING:
                        self._transition(State.FAILED)
            if isinstance(error, LiveServerTestCaseError) or not isinstance(error, (Exception, SystemExit)):
                raise  # not SystemExit: in a setUpClass it would end the whole run, without a word
            raise ServerStartError(f"{self!r} could not start: {type(error).__name__}: {mask(str(error))}") from error

    def adopt(self, listener: Listener) -> None:
        """Have the next `start` serve on ``listener``; if the server is for another port, that is closed instead."""
        if self._port in (0, listener.port):
            self._adopted = listener
        else:
            listener.close()

    def stop(self, timeout: float | None = None) -> None:
        """Stop serving; does nothing unless the server runs.

        Where another thread is starting or stopping it, that is waited for.  From one of the server's own threads (a
        handler) it refuses new clients at once and returns; the rest happens when the handler has answered, and the
        next stop() from elsewhere waits for it and reports.

        Args:
            timeout: Seconds that work in flight gets to end by itself; ``stop_timeout`` by default.

        Raises:
            ServerThreadError: A thread of the server had ended with an exception.

        Warns:
            UnfinishedWorkWarning: Work had to be cut; each piece of it is named.
        """
        if self._pid != os.getpid():  # a forked child: the server is its parent's
            return
        adopted, self._adopted = self._adopted, None
        if adopted is not None:  # it was never started
            adopted.close()
        inside = self._is_server_thread()
        grace = self.stop_timeout if timeout is None else check_seconds("timeout", timeout)
        mine = False
        try:
            with self._lock:
                if not inside:
                    self._wait_until_settled(grace)
                if self._state is State.RUNNING:
                    mine = True
                    self._transition(State.STOPPING)
            if mine:
                self._stop_accepting()
                if inside:
                    name = f"{self._thread_name} stop"
                    ServerThread(target=self._finish, args=(grace,), name=name, daemon=True).start()
                    return
                self._finish(grace)
        except BaseException:
            if mine:  # interrupted, as by Ctrl-C: there is no time left, but nothing is left behind either
                self._stop_accepting()
                self._finish(0.0)
            raise
        if not inside and not self._is_silent:
            unfinished = drain(self._unfinished)
            try:
                if unfinished:
                    text = f"{self!r} cut off {describe_all(unfinished)}"
                    warnings.warn(text, UnfinishedWorkWarning, stacklevel=callers_level())
            finally:  # the warning may be an error
                self.check()

    def silence(self) -> None:
        """Have `stop` report nothing: another process does, which is sent what `take_report` returns."""
        self._is_silent = True

    def take_report(self) -> tuple[list[Unfinished], list[BaseException]]:
        """What was cut by a stop, and what threads of the server have ended with, since the last call."""
        return drain(self._unfinished), drain(self._failures)

    def _wait_until_settled(self, grace: float) -> None:
        """Wait, with the lock held, while another thread starts or stops the server."""
        if self._state in _BUSY and self._transition_thread == threading.get_ident():
            if self._state is State.STARTING:
                raise ServerStateError(f"{self!r} cannot be stopped by the thread that is just starting it")
            return  # a signal handler came in between: the stop goes on when it is done
        bound = grace + _SLACK if self._state is State.STOPPING else self.start_timeout
        if not self._state_changed.wait_for(lambda: self._state not in _BUSY, bound):
            raise ServerStateError(f"{self!r} is still {self._state.value} after {bound:.1f} s; nothing was done")

    def _finish(self, timeout: float) -> None:
        """Close what is open and note that it is; also a second time, if the first one was interrupted."""
        try:
            unfinished = self._close(timeout)
        except Exception as error:
            unfinished = []
            self._record_failure(error)
        _running.discard(self)
        with self._lock:
            self._unfinished += unfinished
            if self._state is State.STOPPING:
                self._transition(State.STOPPED)

    def _record_failure(self, error: BaseException) -> None:
        """Keep what a thread of the server has raised for the next report; from any thread."""
        if not any(known is error for known in self._failures):
            self._failures.append(error)

    def check(self) -> None:
        """Raise what a thread of the server has ended with meanwhile; said once, here or by `stop`.

        Raises:
            ServerThreadError: A thread of the server has ended with an exception.
        """
        failures = drain(self._failures)
        if failures:
            error = failures[0]
            if isinstance(error, ServerThreadError):  # it says itself what went wrong
                raise error
            more = f" (and {len(failures) - 1} more)" if failures[1:] else ""
            what = f"{type(error).__name__}: {mask(str(error))}{more}"
            raise ServerThreadError(f"a thread of {self!r} ended with {what}") from error

    def _transition(self, state: State) -> None:
        """Make a move, with the lock held."""
        if state not in _MOVES[self._state]:
            raise ServerStateError(f"{self!r} cannot go from {self._state.value} to {state.value}")
        self._transition_thread = threading.get_ident()
        self._state = state
        self._state_changed.notify_all()

    # -- facts -----------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The server's state."""
        return self._state

    @property
    def is_running(self) -> bool:
        """Whether the server serves."""
        return self._state is State.RUNNING

    @property
    def host(self) -> str:
        """The host it listens on, as given: a literal address stays one, and no client looks anything up."""
        return self._host

    @property
    def port(self) -> int:
        """The port it listens on; it survives stop and start.

        Raises:
            ServerNotStarted: The port was left to the system, which chooses at the first start.
        """
        if not self._port:
            raise ServerNotStarted(f"{self!r} has no port yet: the system chooses one when it starts. Call start().")
        return self._port

    @property
    def address(self) -> tuple[str, int]:
        """``(host, port)``, as the socket module wants it."""
        return self.host, self.port

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        return f"{self.scheme}://{format_host(self.host)}:{self.port}"

    @property
    def ca_file(self) -> str | None:
        """The certificates to trust, as a path for ``verify=``; None without TLS or with a context of your own."""
        return self.tls.ca_file if self.tls is not None else None

    def client_context(self) -> ssl.SSLContext | None:
        """A client's context that trusts the server's certificate and no other; None without TLS.

        Raises:
            UsageError: The server's context was made by the user: only they know whom to trust.
        """
        return self.tls.client_context() if self.tls is not None else None

    @property
    def _thread_name(self) -> str:
        port = self._listener.port if self._listener is not None else self._port
        return f"{self.label} {format_host(self.host)}:{port}"

    def __repr__(self) -> str:
        where = f"{self.scheme}://{format_host(self.host)}:{self._port}"
        return f"<{self.display_name} {self._state.value} at {where}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{self!r} cannot be pickled or copied: it is a socket and threads of this process. "
            "Hand on its url instead."
        )


class ServerFacade(_StartedByWith, KnownAttributes):
    """A server as users see it: its life and its address.  Another one, its engine, serves."""

    __slots__ = ()

    stops_at_exit = True
    _engine: Server

    # -- life --------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """See `Server.start`."""
        self._engine.start()

    def stop(self, timeout: float | None = None) -> None:
        """See `Server.stop`."""
        self._engine.stop(timeout)

    def check(self) -> None:
        """Raise a failure of the server since the last call, once.  See `Server.check`."""
        self._engine.check()

    # -- facts -------------------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The server's state."""
        return self._engine.state

    @property
    def is_running(self) -> bool:
        """Whether the server serves."""
        return self._engine.is_running

    @property
    def start_timeout(self) -> float:
        """Seconds that a start may take."""
        return self._engine.start_timeout

    @property
    def stop_timeout(self) -> float:
        """Seconds that requests in flight may take to end when it stops."""
        return self._engine.stop_timeout

    @property
    def host(self) -> str:
        """The host it listens on, as given."""
        return self._engine.host

    @property
    def port(self) -> int:
        """The port it listens on; it survives stop and start.

        Raises:
            ServerNotStarted: The port was left to the system, which chooses at the first start.
        """
        return self._engine.port

    @property
    def address(self) -> tuple[str, int]:
        """``(host, port)``, as the socket module wants it."""
        return self._engine.address

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        return self._engine.url

    @property
    def ca_file(self) -> str | None:
        """The certificates to trust, as a path for ``verify=``; None without TLS or with a context of your own."""
        return self._engine.ca_file

    def client_context(self) -> ssl.SSLContext | None:
        """A client's context that trusts the server's certificate and no other; None without TLS.

        Raises:
            UsageError: The server's context was made by the user: only they know whom to trust.
        """
        return self._engine.client_context()

    def __repr__(self) -> str:
        return repr(self._engine)

    def __reduce__(self) -> NoReturn:
        self._engine.__reduce__()

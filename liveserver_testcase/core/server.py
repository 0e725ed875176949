"""What every server is: a table of states, `start` and `stop` that keep it, an address and a ``repr``."""

from __future__ import annotations

import abc
import atexit
import contextlib
import enum
import os
import threading
import warnings
from dataclasses import dataclass
from types import TracebackType
from typing import ClassVar, NoReturn, TypeVar

from ..errors import (
    LiveServerTestCaseError,
    ServerNotStarted,
    ServerStartError,
    ServerStateError,
    ServerThreadError,
    UnfinishedWorkWarning,
)
from .listener import Listener, format_host

__all__ = ["Server", "State", "Unfinished"]


class State(enum.Enum):
    """Where a server is in its life."""

    NEW = "new"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


_MOVES = {
    State.NEW: {State.STARTING},
    State.STARTING: {State.RUNNING, State.FAILED},
    State.RUNNING: {State.STOPPING, State.FAILED},
    State.STOPPING: {State.STOPPED},
    State.STOPPED: {State.STARTING},
    State.FAILED: {State.STARTING},
}

S = TypeVar("S", bound="Server")

_running: set[Server] = set()  # what atexit stops: plain unittest runs no clean-up after a KeyboardInterrupt


@dataclass(frozen=True)
class Unfinished:
    """Something that was still going on when a server had to stop.

    Attributes:
        what: What was being served, such as ``GET /slow HTTP/1.1``.
        peer: Who had asked for it, such as ``127.0.0.1:50004``.
        age: Seconds since it began.
        thread: The name of the thread that served it.
        stack: Where that thread was, as text; empty if it had ended by then.
    """

    what: str
    peer: str
    age: float
    thread: str
    stack: str

    def __str__(self) -> str:
        text = f"{self.what} from {self.peer}, {self.age:.1f} s old, in thread {self.thread!r}"
        return f"{text}, which was at\n{self.stack.rstrip()}" if self.stack else text


class Server(abc.ABC):
    """A server with a life: ``start()``, ``stop()``, ``start()`` again on the same port, ``with``.

    Nothing is bound and no thread runs before `start`.  `stop` may be called at any time, from any thread, also from
    one of the server's own.

    Args:
        host: Where to listen: an address of this machine, or ``localhost`` for 127.0.0.1 and ::1 on one port.
        port: A TCP port; 0 lets the system choose at the first start, and later starts use the same.
        start_timeout: Seconds that a start may take.
        stop_timeout: Seconds that work in flight may take to end when the server stops.
    """

    scheme: ClassVar[str]
    label: ClassVar[str]
    """What the server's threads are called, before the address."""

    def __init__(
        self, host: str = "127.0.0.1", port: int = 0, *, start_timeout: float = 10.0, stop_timeout: float = 2.0
    ) -> None:
        self.start_timeout = start_timeout
        self.stop_timeout = stop_timeout
        self._wanted_host = host
        self._port = port
        self._listener: Listener | None = None
        self._state = State.NEW
        self._changed = threading.Condition(threading.Lock())  # guards _state; notified at each move
        self._pid = os.getpid()
        self._unfinished: list[Unfinished] = []
        self._failures: list[BaseException] = []

    # -- what a concrete server provides ---------------------------------------------------------------------------

    @abc.abstractmethod
    def _open(self, listener: Listener) -> None:
        """Begin to serve on ``listener``; the server serves when this returns."""

    @abc.abstractmethod
    def _refuse(self) -> None:
        """Stop taking new work: quick, from any thread, also one of the server's own."""

    @abc.abstractmethod
    def _close(self, timeout: float) -> list[Unfinished]:
        """End what is going on within about ``timeout`` seconds, join the threads, name what had to be cut."""

    @abc.abstractmethod
    def _is_inside(self) -> bool:
        """Whether the calling thread is one of the server's own."""

    # -- life ------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Bind the socket in this thread and begin to serve; returns when the server serves.

        Raises:
            ServerStartError: It cannot; the cause is attached and nothing is left behind.
            ServerStateError: It runs already, or is starting or stopping.
        """
        with self._changed:
            if State.STARTING not in _MOVES[self._state]:
                self._refuse_start()
            self._move(State.STARTING)
            self._pid = os.getpid()
            self._unfinished, self._failures = [], []
        try:
            self._listener = Listener(self._wanted_host, self._port)
            self._open(self._listener)
            self._port = self._listener.port
            _running.add(self)
            with self._changed:
                self._move(State.RUNNING)
        except BaseException as error:
            self._abandon()
            if isinstance(error, LiveServerTestCaseError) or not isinstance(error, Exception):
                raise
            raise ServerStartError(f"{self!r} could not start: {type(error).__name__}: {error}") from error

    def stop(self, timeout: float | None = None) -> None:
        """Stop serving; does nothing unless the server runs, and waits where another thread is starting or stopping it.

        From one of the server's own threads (a handler) it refuses new clients at once and returns; the rest happens
        when the handler has answered.

        Args:
            timeout: Seconds that work in flight gets to end by itself; ``stop_timeout`` by default.

        Raises:
            ServerThreadError: A thread of the server had ended with an exception.

        Warns:
            UnfinishedWorkWarning: For each piece of work that had to be cut.
        """
        if self._pid != os.getpid():  # a forked child: the server is its parent's
            return
        inside = self._is_inside()
        with self._changed:
            if not inside:
                self._await_rest(timeout)
            if self._state is State.RUNNING:
                self._move(State.STOPPING)
                first = True
            else:
                first = False
        if first:
            self._refuse()
            grace = self.stop_timeout if timeout is None else timeout
            if inside:
                name = f"{self._thread_name} stop"
                threading.Thread(target=self._finish, args=(grace,), name=name, daemon=True).start()
                return
            self._finish(grace)
        if not inside:
            self._report()

    def _await_rest(self, timeout: float | None) -> None:
        """Wait, with the lock held, while another thread starts or stops the server."""
        grace = self.stop_timeout if timeout is None else timeout
        bound = grace + 2.0 if self._state is State.STOPPING else self.start_timeout
        busy = (State.STARTING, State.STOPPING)
        if not self._changed.wait_for(lambda: self._state not in busy, bound):
            raise ServerStateError(f"{self!r} is still {self._state.value} after {bound:.1f} s; nothing was done")

    def _finish(self, timeout: float) -> None:
        try:
            self._unfinished += self._close(timeout)
        except Exception as error:
            self._failures.append(error)
        finally:
            _running.discard(self)
            with self._changed:
                self._move(State.STOPPED)

    def _report(self) -> None:
        unfinished, self._unfinished = self._unfinished, []
        failures, self._failures = self._failures, []
        for work in unfinished:
            warnings.warn(f"{self!r} cut off {work}", UnfinishedWorkWarning, stacklevel=3)
        if failures:
            error = failures[0]
            raise ServerThreadError(f"a thread of {self!r} ended with {type(error).__name__}: {error}") from error

    def _abandon(self) -> None:
        """Take back a start that failed, whatever it had got to."""
        listener, self._listener = self._listener, None
        _running.discard(self)
        try:
            if listener is not None:
                with contextlib.suppress(Exception):
                    self._refuse()
                    self._close(0.0)
                listener.close()
        finally:
            with self._changed:
                self._move(State.FAILED)

    def _move(self, state: State) -> None:
        """Make a move, with the lock held."""
        if state not in _MOVES[self._state]:
            raise ServerStateError(f"{self!r} cannot go from {self._state.value} to {state.value}")
        self._state = state
        self._changed.notify_all()

    def _refuse_start(self) -> NoReturn:
        if self._state is State.RUNNING:
            raise ServerStateError(f"{self!r} runs already; a second start() would change nothing. Call stop() first.")
        raise ServerStateError(f"{self!r} is {self._state.value}; wait until that is done before calling start().")

    def __enter__(self: S) -> S:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- facts -----------------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """Where the server is in its life."""
        return self._state

    @property
    def is_running(self) -> bool:
        """Whether the server serves."""
        return self._state is State.RUNNING

    @property
    def host(self) -> str:
        """The host it listens on, as given: a literal address stays one, so that no client looks anything up."""
        return self._listener.host if self._listener is not None else self._wanted_host.strip("[]")

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
    def _thread_name(self) -> str:
        return f"{self.label} {format_host(self.host)}:{self._listener.port if self._listener else self._port}"

    def __repr__(self) -> str:
        where = f"{self.scheme}://{format_host(self.host)}:{self._port}"
        return f"<{type(self).__name__} {self._state.value} at {where}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{self!r} cannot be pickled or copied: it is a socket and threads of this process. Hand on its url instead."
        )


def _stop_all() -> None:
    for server in list(_running):
        with contextlib.suppress(Exception):
            server.stop(0.0)


atexit.register(_stop_all)

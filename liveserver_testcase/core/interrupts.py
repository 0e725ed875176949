"""What a KeyboardInterrupt cannot break: an event, and what must be done whole, such as the start of a thread.

Also a clock that a test cannot stop, and a bound for calls that may not return.

The events and conditions of `threading` are Python, and a signal may come between any two steps of that: an
interrupt can leave their inner lock taken, and whoever touches them next waits for ever.
`threading.Thread.start` waits on such an event: about one interrupt of 300 leaves a thread that never comes
to its work, or becomes a `RuntimeError`.
"""

from __future__ import annotations

import contextlib
import functools
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from types import FrameType

from .tracebacks import frame_stack

__all__ = [
    "OneShotEvent", "ServerThread", "TimeLimitExceeded", "defer_sigint", "monotonic", "start_thread", "time_limit",
    "wall_clock",
]  # fmt: skip

_LEAST = 0.001  # seconds: a timer of 0 would never go off
_AGAIN = 0.5  # seconds after which code that has caught the interrupt is interrupted once more
_DEBUGGERS = frozenset(("bdb", "debugpy", "pydevd", "_pydevd_bundle"))


class OneShotEvent(threading.Event):
    """An event that is set once, for good; each step of it that matters is one call of C."""

    def __init__(self) -> None:
        super().__init__()
        self._is_set = False
        self._gate = threading.Lock()
        self._gate.acquire()

    def is_set(self) -> bool:
        """Whether it has been set."""
        return self._is_set

    def set(self) -> None:
        """Set it, and wake everybody who waits; again does nothing."""
        self._is_set = True
        with contextlib.suppress(RuntimeError):  # the gate is open
            self._gate.release()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, for ``timeout`` seconds at most; whether it is."""
        if not self._is_set and self._gate.acquire(timeout=-1 if timeout is None else max(0.0, timeout)):
            with contextlib.suppress(RuntimeError):  # a second set() has opened it
                self._gate.release()  # the next one can pass, too
        return self._is_set


class ServerThread(threading.Thread):
    """A thread of a server: the real class, also while a test has replaced ``threading.Thread``."""


def start_thread(thread: threading.Thread) -> None:
    """Start ``thread``; an interrupt meanwhile comes when it has begun.

    Raises:
        RuntimeError: The system has no more threads.
    """
    defer_sigint(thread.start)


def defer_sigint(function: Callable[[], None]) -> None:
    """Call ``function``; an interrupt meanwhile comes when it has returned."""
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        function()
        return
    held: list[int] = []
    try:
        signal.signal(signal.SIGINT, lambda number, _frame: held.append(number))
    except ValueError:  # in a subinterpreter, which gets no signals
        function()
        return
    try:
        function()
    finally:
        signal.signal(signal.SIGINT, handler)
        if held:
            handler(held[0], None)


def _find_clock() -> Callable[[], float]:
    """Pick a reading of the monotonic clock that freezegun and its like do not replace.

    They replace ``time.monotonic`` and every module attribute that refers to it, but not
    ``time.clock_gettime``, and nothing that is held inside of another object.
    """
    if hasattr(time, "clock_gettime"):
        return functools.partial(time.clock_gettime, time.CLOCK_MONOTONIC)
    plain = time.monotonic  # Windows
    return lambda: plain()  # noqa: PLW0108 - the attribute of this module must not be what they look for


monotonic = _find_clock()
"""Seconds since some fixed moment; only differences mean anything."""


def _find_wall_clock() -> Callable[[], float]:
    real = time.time

    def read() -> float:
        """Seconds since 1970: the frozen ones of freezegun; but a mock of ``time.time`` is not asked, nor used up."""
        now = time.time
        if now is real or not getattr(now, "__module__", "").startswith("freezegun"):
            return real()
        return now()

    return read


wall_clock = _find_wall_clock()


class TimeLimitExceeded(BaseException):
    """The time is over.  It is no `Exception`: a loop that goes on whatever happens is just what never returns.

    Attributes:
        stack: Where the call was, as `traceback` formats it.
    """

    def __init__(self, seconds: float, stack: str) -> None:
        super().__init__(f"interrupted after {seconds:g} s")
        self.stack = stack


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Interrupt what runs in this block after so many seconds, where that is possible.

    The block stays in the caller's thread, because what it makes may belong to that: a connection to a database, a
    context variable.  So it is interrupted there by the signal of a timer, as Ctrl-C would interrupt it.  Python
    handles signals in the main thread only, and Windows has no such timer: in other threads, and there, it is not
    bounded.  A timer of somebody else's, such as pytest-timeout's, goes on; where its time is over first, this one is
    not set.

    Raises:
        TimeLimitExceeded: The time is over.
    """
    is_over = False

    def interrupt(_number: int, frame: FrameType | None) -> None:
        if not is_over and frame is not None and not _is_debugged(frame):
            raise TimeLimitExceeded(seconds, frame_stack(frame))

    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return
    began = monotonic()
    handler, (delay, interval) = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)
    if handler is None or 0 < delay <= seconds:  # None: it is not Python's, and could not be set again
        yield
        return
    try:
        signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, max(seconds, _LEAST), _AGAIN)
        yield
    finally:
        is_over = True
        if signal.getsignal(signal.SIGALRM) is interrupt:  # else the code has set a timer of its own, and left it
            left = max(delay - (monotonic() - began), _LEAST) if delay else 0.0
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(signal.SIGALRM, handler)
            signal.setitimer(signal.ITIMER_REAL, left, interval)


def _is_debugged(frame: FrameType) -> bool:
    """Return True if a debugger has stopped the code: a person who looks around is not hurried."""
    names = (str(each.f_globals.get("__name__")) for each, _ in traceback.walk_stack(frame))
    return any(name.partition(".")[0] in _DEBUGGERS for name in names)

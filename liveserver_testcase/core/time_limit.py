"""Bound a call of code that may not return.

The call stays in the caller's thread, because what it makes may belong to that: a connection to a database, a context
variable.  So it is interrupted there by the signal of a timer, as Ctrl-C would interrupt it.  Python handles signals in
the main thread only, and Windows has no such timer: in other threads, and there, the call is not bounded.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import traceback
from collections.abc import Iterator
from types import FrameType

from .interrupts import monotonic
from .tracebacks import frame_stack

__all__ = ["TimeLimitExceeded", "time_limit"]

_LEAST = 0.001  # seconds: a timer of 0 would never go off
_AGAIN = 0.5  # seconds after which code that has caught the interrupt is interrupted once more
_DEBUGGERS = frozenset(("bdb", "debugpy", "pydevd", "_pydevd_bundle"))


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

    A timer of somebody else's, such as pytest-timeout's, goes on; where its time is over first, this one is not set.

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

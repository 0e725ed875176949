"""What a KeyboardInterrupt cannot break: an event, and what must be done whole, such as the start of a thread.

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
from collections.abc import Callable

__all__ = ["OneShotEvent", "ServerThread", "defer_sigint", "monotonic", "start_thread"]


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

    def clear(self) -> None:
        """Refuse it: the event is set for good.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError("a OneShotEvent is set for good; make another one")


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

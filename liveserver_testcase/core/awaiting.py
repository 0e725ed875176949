"""Await a journal: `Journal.wait_for`, for code on an event loop that must not be blocked."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from .interrupts import start_thread
from .journal import Journal

if TYPE_CHECKING:
    import asyncio

__all__ = ["await_journal", "runs_loop"]

T = TypeVar("T")

_SLACK = 1.0  # seconds by which the loop's own clock may outlast the thread's
_JOIN = 1.0  # seconds for a thread that has nothing left to do


def runs_loop() -> bool:
    """Whether an event loop runs in this thread, which a wait would block."""
    asyncio = sys.modules.get("asyncio")  # who has not imported it runs none
    return asyncio is not None and asyncio._get_running_loop() is not None


async def await_journal(journal: Journal[Any], predicate: Callable[[], T], timeout: float) -> T:
    """Wait until ``predicate()`` is true, asking again whenever the journal changes; the loop goes on meanwhile.

    The predicate is asked on the loop.  The time is kept by a thread, so that it passes while a test has frozen it.

    Args:
        journal: What changes.
        predicate: Its first true result is returned.
        timeout: Seconds; 0 asks once.

    Returns:
        The predicate's last result, true, or after ``timeout`` seconds false.
    """
    import asyncio  # 20 ms, which tests without coroutines need not wait

    result = predicate()
    if result or timeout <= 0:
        return result
    watch = _Watch(journal, timeout)
    start_thread(watch.thread)
    try:
        while not result and not watch.is_over:
            # not wait_for(): before Python 3.12 it can lose a cancellation
            await asyncio.wait([watch.changed], timeout=timeout + _SLACK)
            watch.changed = watch.make_future()
            result = predicate()
        return result
    finally:
        watch.end()


class _Watch:
    """Tells a loop, from a thread of its own, when a journal has changed or the time is over."""

    def __init__(self, journal: Journal[Any], timeout: float) -> None:
        import asyncio

        self._loop = asyncio.get_running_loop()
        self.changed = self.make_future()
        self.is_over = False
        self.thread = threading.Thread(target=self._work, name="await-journal", daemon=True)
        self._journal = journal
        self._timeout = timeout

    def make_future(self) -> asyncio.Future[None]:
        """What is done at the next change."""
        return self._loop.create_future()

    def _work(self) -> None:
        self._journal.wait_for(self._tell, self._timeout)
        self.is_over = True
        self._tell()

    def _tell(self) -> bool:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._note)
        return self.is_over

    def _note(self) -> None:
        if not self.changed.done():
            self.changed.set_result(None)

    def end(self) -> None:
        """Have the thread end."""
        self.is_over = True
        self._journal.touch()
        self.thread.join(_JOIN)

"""An ordered, thread-safe record of what a server was sent, and in which test.

Entries belong to the *window* that was current when they were added: one window is the life of one test, from
its beginning to the beginning of the next.  An entry that is completed late still belongs to the test it
arrived in.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from ..errors import UsageError
from .interrupts import ServerThread, monotonic, start_thread

if TYPE_CHECKING:
    import asyncio

__all__ = ["Entry", "Journal", "JournalWindow", "await_journal", "drain", "runs_loop"]


@dataclass(frozen=True)
class JournalWindow:
    """One stretch of a journal: a test, or the time before the first one (number 0)."""

    number: int
    name: str


class Entry(Protocol):
    """What a journal keeps: anything with a place for its index and its window, which `Journal.add` sets."""

    index: int
    window: JournalWindow


E = TypeVar("E", bound=Entry)
T = TypeVar("T")


def drain(found: list[T]) -> list[T]:
    """Empty a list that other threads append to, and return what was in it; nothing is lost in between."""
    count = len(found)
    taken = found[:count]
    del found[:count]
    return taken


class Journal(Generic[E]):
    """A bounded list of entries that threads add to and tests wait on.

    Beyond ``limit`` the oldest entries go, and `dropped` counts them: whoever reports from a journal says so.

    Args:
        limit: How many entries are kept, 1 or more.

    Raises:
        UsageError: The limit is no such number.
    """

    def __init__(self, limit: int = 10_000) -> None:
        if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
            raise UsageError(f"a journal's limit is {limit!r}; wanted a whole number of entries, 1 or more")
        self.limit = limit
        self._lock = threading.Lock()  # guards everything below
        self._changed = threading.Condition(self._lock)  # waiters sleep on it
        self._entries: collections.deque[E] = collections.deque()
        self._indexes = itertools.count()
        self._waiting = 0
        self._generation = 0  # grows with every change that a waiter may care for
        self._dropped = 0
        self._listener: Callable[[E | None], None] | None = None
        self._epoch = JournalWindow(0, "before the first test")

    @property
    def window(self) -> JournalWindow:
        """The current window."""
        return self._epoch

    @property
    def dropped(self) -> int:
        """How many entries are gone because the journal was full."""
        return self._dropped

    @property
    def loss(self) -> str:
        """What to say in a report when entries are gone; empty while none is."""
        dropped = self.dropped
        if not dropped:
            return ""
        return (
            f"the journal keeps {self.limit} entries, and {dropped} more came: "
            "the oldest are gone. Set a higher limit to keep them."
        )

    def begin(self, name: str) -> JournalWindow:
        """Begin the next window; entries of earlier ones stay until `clear`."""
        with self._lock:
            self._epoch = JournalWindow(self._epoch.number + 1, name)
            self._announce()
            return self._epoch

    def resume(self, window: JournalWindow, index: int | None = None) -> None:
        """Go on where another journal has ended: in its window, and with the index that follows its last."""
        with self._lock:
            self._epoch = window
            if index is not None:
                self._indexes = itertools.count(index)

    def subscribe(self, listener: Callable[[E | None], None]) -> None:
        """Have ``listener`` called with each entry that is added, in their order, and with each that changes.

        It runs in the thread that adds or changes the entry, and may not use the journal.  None stands for entries
        that are not named.
        """
        self._listener = listener

    def clear(self) -> None:
        """Forget the entries.  Indexes and windows go on, so that no two entries ever share one."""
        with self._lock:
            self._entries.clear()
            self._dropped = 0
            self._announce()

    def add(self, entry: E, window: JournalWindow | None = None) -> None:
        """Append ``entry`` with its index and ``window`` (by default the current one), and wake who waits."""
        with self._lock:
            entry.index = next(self._indexes)
            entry.window = self._epoch if window is None else window
            if len(self._entries) >= self.limit:
                self._entries.popleft()
                self._dropped += 1
            self._entries.append(entry)
            if self._listener is not None:
                self._listener(entry)
            self._announce()

    def touch(self, entry: E | None = None) -> None:
        """Wake the waiters because an entry has changed."""
        if self._listener is not None:
            self._listener(entry)
        self.wake()

    def wake(self) -> None:
        """Wake the waiters because something besides the entries has changed."""
        if self._waiting:  # a waiter that comes after this line looks at the entry before it sleeps
            with self._lock:
                self._announce()

    def entries(self, window: JournalWindow | None = None) -> list[E]:
        """The entries in the order of their arrival, of one window or of all."""
        with self._lock:
            if window is None:
                return list(self._entries)
            return [entry for entry in self._entries if entry.window.number == window.number]

    def __len__(self) -> int:
        return len(self._entries)

    def wait_for(self, predicate: Callable[[], T], timeout: float) -> T:
        """Wait until ``predicate()`` is true, asking again whenever the journal changes.

        The predicate runs without the journal's lock, so it may call any method of the journal.

        Args:
            predicate: Called in this thread; its first true result is returned.
            timeout: Seconds; 0 asks once.

        Returns:
            The predicate's last result, true, or after ``timeout`` seconds false.
        """
        deadline = monotonic() + timeout
        with self._lock:
            self._waiting += 1
        try:
            while True:
                with self._lock:
                    seen = self._generation
                result = predicate()
                if result:
                    return result
                with self._lock:
                    remaining = deadline - monotonic()
                    if not self._changed.wait_for(lambda: self._generation != seen, remaining):  # noqa: B023
                        return result
        finally:
            with self._lock:
                self._waiting -= 1

    def _announce(self) -> None:
        """Tell the waiters, with the lock held, that there is something new to look at."""
        if self._waiting:
            self._generation += 1
            self._changed.notify_all()


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
    watch = _AsyncWaiter(journal, timeout)
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


class _AsyncWaiter:
    """Tells a loop, from a thread of its own, when a journal has changed or the time is over."""

    def __init__(self, journal: Journal[Any], timeout: float) -> None:
        import asyncio

        self._loop = asyncio.get_running_loop()
        self.changed = self.make_future()
        self.is_over = False
        self.thread = ServerThread(target=self._work, name="await-journal", daemon=True)
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

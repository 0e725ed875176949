"""An ordered, thread-safe record of what a server was sent, and in which test.

Entries belong to the *window* that was current when they were added: one window is the life of one test, from
its beginning to the beginning of the next.  An entry that is completed late still belongs to the test it
arrived in.

How it works: everything happens under one lock.  A thread that waits asks its predicate, without the lock, and sleeps
on a condition until the journal has changed.  A coroutine that waits does the same on its event loop: it sleeps on a
future, which a change completes with ``call_soon_threadsafe``.  A change costs next to nothing while nobody waits.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import sys
import threading
from collections.abc import Callable
from typing import Generic, NamedTuple, Protocol, TypeVar

from ..errors import UsageError
from .interrupts import OneShotEvent, ServerThread, monotonic, start_thread

__all__ = ["Entry", "Journal", "JournalWindow", "drain", "runs_loop"]


class JournalWindow(NamedTuple):
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
        size_limit: How many bytes of them are kept; None for any number.
        size_of: The size of an entry, where there is a `size_limit`.

    Attributes:
        window: The current window.
        on_drop: Called with each entry that goes because there are too many, under the journal's lock: whoever keeps
            something for each entry lets go of it.
    """

    def __init__(
        self, limit: int = 10_000, *, size_limit: int | None = None, size_of: Callable[[E], int] | None = None
    ) -> None:
        if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
            raise UsageError(f"a journal's limit is {limit!r}; wanted a whole number of entries, 1 or more")
        self.limit = limit
        self.size_limit = size_limit
        self._size_of = size_of or (lambda entry: 0)
        self._size = 0  # of all entries, where that is limited
        self._lock = threading.Lock()  # guards everything below
        self._changed = threading.Condition(self._lock)  # waiters sleep on it
        self._entries: collections.deque[E] = collections.deque()
        self._indexes = itertools.count()
        self._waiting = 0  # threads and coroutines
        self._loop_waiters: list[_LoopWaiter] = []
        self._generation = 0  # grows with every change that a waiter may care for
        self._dropped = 0
        self._listener: Callable[[E | None], None] | None = None
        self.on_drop: Callable[[E], None] | None = None
        self.window = JournalWindow(0, "before the first test")

    @property
    def dropped(self) -> int:
        """How many entries are gone because the journal was full."""
        return self._dropped

    @property
    def dropped_message(self) -> str:
        """What to say in a report when entries are gone; empty while none is."""
        dropped = self.dropped
        if not dropped:
            return ""
        size = f" and {self.size_limit} bytes" if self.size_limit is not None else ""
        kept = f"the journal keeps {self.limit} entries{size}"
        return f"{kept}, and {dropped} more came: the oldest are gone. Set a higher limit to keep them."

    def begin(self, name: str) -> JournalWindow:
        """Begin the next window; entries of earlier ones stay until `clear`."""
        with self._lock:
            self.window = JournalWindow(self.window.number + 1, name)
            self._announce()
            return self.window

    def resume(self, window: JournalWindow, index: int | None = None) -> None:
        """Go on where another journal has ended: in its window, and with the index that follows its last."""
        with self._lock:
            self.window = window
            if index is not None:
                self._indexes = itertools.count(index)

    def subscribe(self, listener: Callable[[E | None], None]) -> None:
        """Have ``listener`` called with each entry that is added, in their order, and with each that changes.

        It runs in the thread that adds or changes the entry, and may not use the journal.  None stands for entries
        that are not named.
        """
        self._listener = listener

    def followed(self) -> contextlib.AbstractContextManager[None]:
        """A block in which a listener is called at once, also by a journal that is kept in another process."""
        return contextlib.nullcontext()

    def clear(self) -> None:
        """Forget the entries.  Indexes and windows go on, so that no two entries ever share one."""
        with self._lock:
            self._entries.clear()
            self._dropped = self._size = 0
            self._announce()

    def add(self, entry: E, window: JournalWindow | None = None) -> None:
        """Append ``entry`` with its index and ``window`` (by default the current one), and wake who waits."""
        with self._lock:
            entry.index = next(self._indexes)
            entry.window = self.window if window is None else window
            self._entries.append(entry)
            if self.size_limit is not None:
                self._size += self._size_of(entry)
            while len(self._entries) > self.limit or (self.size_limit is not None and self._size > self.size_limit):
                oldest = self._entries.popleft()
                self._size -= self._size_of(oldest)
                self._dropped += 1
                if self.on_drop is not None:
                    self.on_drop(oldest)
            if self._listener is not None:
                self._listener(entry)
            if self._waiting:
                self._announce()

    def notify(self, entry: E | None = None) -> None:
        """Wake the waiters because ``entry`` has changed, or something besides the entries."""
        if self._listener is not None:
            self._listener(entry)
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

        Args:
            predicate: Called in this thread, and without the journal's lock: it may call any method of the journal.
            timeout: Seconds; 0 asks once.

        Returns:
            The predicate's last result, the first true one, or after ``timeout`` seconds a false one.
        """
        result = predicate()
        if result or timeout <= 0:
            return result
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

    async def wait_for_async(self, predicate: Callable[[], T], timeout: float) -> T:
        """`wait_for`, for a coroutine: the predicate is called on its event loop, which goes on meanwhile."""
        result = predicate()
        if result or timeout <= 0:
            return result
        deadline = monotonic() + timeout
        waiter = _LoopWaiter()
        with self._lock:
            self._waiting += 1
            self._loop_waiters.append(waiter)
        try:
            while True:
                result = predicate()
                remaining = deadline - monotonic()
                if result or remaining <= 0:
                    return result
                await waiter.wait(remaining)
        finally:
            with self._lock:
                self._waiting -= 1
                self._loop_waiters.remove(waiter)

    def _announce(self) -> None:
        """Wake the waiters, with the lock held, because there is something new to look at."""
        if self._waiting:
            self._generation += 1
            self._changed.notify_all()
            for waiter in self._loop_waiters:
                waiter.wake()


def runs_loop() -> bool:
    """Whether an event loop runs in this thread, which a wait would block."""
    asyncio = sys.modules.get("asyncio")  # who has not imported it runs none
    return asyncio is not None and asyncio._get_running_loop() is not None


_SAME_CLOCK = 1.0  # seconds by which two readings of one clock may differ
_JOIN = 1.0  # seconds for a thread that has nothing to do any more


class _LoopWaiter:
    """Wakes a coroutine that waits on its event loop; from any thread."""

    def __init__(self) -> None:
        import asyncio  # 20 ms, which tests without coroutines need not wait

        self._loop = asyncio.get_running_loop()
        self._changed = self._loop.create_future()
        self._is_woken = False

    def wake(self) -> None:
        """Have the coroutine look again."""
        if not self._is_woken:
            self._is_woken = True
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._note)

    def _note(self) -> None:
        if not self._changed.done():
            self._changed.set_result(None)

    async def wait(self, timeout: float) -> None:
        """Wait until it is woken, for ``timeout`` seconds at most."""
        before = self._loop.time()
        timer = thread = None
        if before < self._loop.time() and abs(before - monotonic()) < _SAME_CLOCK:
            timer = self._loop.call_later(timeout, self._note)
        else:  # a test has stopped the loop's clock, as freezegun does
            is_over = OneShotEvent()

            def keep_time() -> None:
                if not is_over.wait(timeout):
                    self.wake()

            thread = ServerThread(target=keep_time, name="journal clock", daemon=True)
            start_thread(thread)
        try:
            await self._changed
        finally:
            if timer is not None:
                timer.cancel()
            if thread is not None:
                is_over.set()
                thread.join(_JOIN)
        self._changed = self._loop.create_future()
        self._is_woken = False  # from here on a change is one that the next look may miss

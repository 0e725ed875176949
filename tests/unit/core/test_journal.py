"""The journal: order, windows, limits, and waiting without a lost wake-up, in threads and in coroutines."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
import threading
import time
import unittest
from collections.abc import Callable
from dataclasses import dataclass, field
from unittest import mock

from freezegun import freeze_time

from liveserver_testcase.core.journal import Journal, JournalWindow, drain
from liveserver_testcase.errors import UsageError
from tests.support import HANG, NoLeaks, call_in_thread


@dataclass
class Note:
    """The least that a journal can keep."""

    text: str = ""
    index: int = -1
    window: JournalWindow = field(default_factory=lambda: JournalWindow(-1, "none yet"))


def texts(notes: list[Note]) -> list[str]:
    return [note.text for note in notes]


class JournalCase(NoLeaks):
    """A journal."""

    def setUp(self) -> None:
        super().setUp()
        self.journal: Journal[Note] = Journal()

    def add(self, *notes: str) -> None:
        for note in notes:
            self.journal.add(Note(note))

    def in_threads(self, *functions: Callable[[], object]) -> None:
        """Call the functions in threads of their own, to their end."""
        threads = [threading.Thread(target=function) for function in functions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(6 * HANG)

    def switch_often(self) -> None:
        """Have the threads take turns at every step."""
        self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(1e-6)


class TheRecord(JournalCase):
    """What was added, and in which test."""

    def test_entries(self) -> None:
        """`entries` gives what was added until then, oldest first, with indexes from 0; first of no test, window 0."""
        self.add("a", "b")
        before = self.journal.entries()
        self.add("c")
        self.assertEqual((["a", "b"], ["a", "b", "c"]), (texts(before), texts(self.journal.entries())))
        self.assertEqual([0, 1, 2], [note.index for note in self.journal.entries()])
        self.assertEqual(3, len(self.journal))
        self.assertEqual(JournalWindow(0, "before the first test"), self.journal.window)
        self.assertEqual({0}, {note.window.number for note in self.journal.entries()})

    def test_windows(self) -> None:
        """`begin` makes the next window, also for a test of the same name; entries can be asked for by window."""
        first = self.journal.begin("test_a")
        self.add("a")
        second = self.journal.begin("test_a")
        self.add("b")
        self.journal.add(Note("late"), first)  # which began in an earlier test
        self.assertEqual((JournalWindow(1, "test_a"), JournalWindow(2, "test_a")), (first, second))
        self.assertIs(second, self.journal.window)
        self.assertEqual(["a", "late"], texts(self.journal.entries(first)))
        self.assertEqual(["b"], texts(self.journal.entries(second)))

    def test_clear_forgets_and_goes_on(self) -> None:
        """`clear` forgets the entries; indexes and windows are never used twice."""
        self.journal.begin("test_a")
        self.add("a", "b")
        self.journal.clear()
        self.assertEqual([], self.journal.entries())
        self.add("c")
        self.assertEqual((2, 1), (self.journal.entries()[0].index, self.journal.begin("test_b").number - 1))

    def test_the_oldest_go_when_it_is_full(self) -> None:
        """Beyond the limit the oldest entries go; they are counted, and there is a sentence for it."""
        journal: Journal[Note] = Journal(limit=2)
        self.assertEqual((0, ""), (journal.dropped, journal.dropped_message))
        for text in "abcde":
            journal.add(Note(text))
        wanted = "the journal keeps 2 entries, and 3 more came: the oldest are gone. Set a higher limit to keep them."
        self.assertEqual((["d", "e"], 3, wanted), (texts(journal.entries()), journal.dropped, journal.dropped_message))
        journal.clear()
        self.assertEqual((0, ""), (journal.dropped, journal.dropped_message))

    def test_a_bad_limit(self) -> None:
        """A limit that keeps nothing, or is no number, is refused."""
        for limit in (0, -1, True, 1.5, None):
            wanted = f"a journal's limit is {limit!r}; wanted a whole number of entries, 1 or more"
            with self.subTest(limit=limit), self.assertRaisesRegex(UsageError, f"^{re.escape(wanted)}$"):
                Journal(limit)  # type: ignore[arg-type]

    def test_drain_beside_appending_threads(self) -> None:
        """`drain` empties a list in place: nothing is lost or taken twice while other threads append."""
        self.switch_often()
        found: list[int] = []
        taken: list[int] = []
        adder = threading.Thread(target=lambda: [found.append(number) for number in range(50_000)])
        adder.start()
        while adder.is_alive():
            taken += drain(found)
        adder.join(HANG)
        self.assertEqual(list(range(50_000)), taken + drain(found))

    def test_entries_of_many_threads(self) -> None:
        """Entries that eight threads add at once are all kept, with indexes in the order they stand in."""
        self.switch_often()
        self.in_threads(*(lambda name=name: self.add(*(f"{name}{n}" for n in range(200))) for name in "abcdefgh"))
        entries = self.journal.entries()
        self.assertEqual(list(range(1600)), [entry.index for entry in entries])
        for name in "abcdefgh":
            self.assertEqual([f"{name}{n}" for n in range(200)], [t for t in texts(entries) if t[0] == name])


class Waiting(JournalCase):
    """`wait_for` a predicate, in one thread, while others add."""

    def while_waiting(self, act: Callable[[], object], predicate: Callable[[], object]) -> object:
        """What `wait_for` returns if ``act`` is called once it has asked for the first time."""
        asked = threading.Event()
        acted = call_in_thread(lambda: asked.wait(HANG) and act())
        found = self.journal.wait_for(lambda: (predicate(), asked.set())[0], HANG)
        acted.result(HANG)
        return found

    def test_how_often_it_asks(self) -> None:
        """What is true at once is returned, with 0 seconds whatever is; the last result when the time is over."""
        for seconds, answer in ((HANG, ["found"]), (0, [])):
            answers = iter([answer])
            with self.subTest(seconds=seconds):
                self.assertIs(answer, self.journal.wait_for(lambda answers=answers: next(answers), seconds))
        self.assertEqual([], self.journal.wait_for(list, 0.01))

    def test_what_wakes(self) -> None:
        """A new entry, a change of one, `clear` and `begin` wake a waiter, also while the clocks stand still."""
        note, journal = Note("begun"), self.journal

        def complete() -> None:
            note.text = "completed"
            journal.notify(note)

        table: list[tuple[Callable[[], object], Callable[[], object]]] = [
            (lambda: journal.add(note), journal.entries),
            (complete, lambda: note.text == "completed"),
            (journal.clear, lambda: not len(journal)),
            (lambda: journal.begin("b"), lambda: journal.window.number),
        ]
        for act, predicate in table:
            self.assertTrue(self.while_waiting(act, predicate))
        with freeze_time("2001-02-03"):
            self.assertFalse(journal.wait_for(lambda: False, 0.01))
            self.assertTrue(self.while_waiting(lambda: journal.add(Note()), lambda: len(journal)))

    def test_what_the_predicate_may_do(self) -> None:
        """It runs without the lock: it may call everything, even wait; what it raises passes through."""

        def predicate() -> bool:
            self.journal.notify()
            self.journal.begin("again")
            self.journal.wait_for(lambda: True, HANG)
            self.add("mine")
            return len(self.journal.entries()) >= 3

        self.assertTrue(self.journal.wait_for(predicate, HANG))
        self.assertRaises(ZeroDivisionError, self.journal.wait_for, lambda: 1 / 0, HANG)
        self.assertTrue(self.while_waiting(lambda: self.add("a"), lambda: len(self.journal) > 3))

    def test_no_wake_up_is_lost(self) -> None:
        """Under load, with threads changing at every step, a waiter never sleeps through the change it waits for.

        Two threads take turns: each waits for the other's entry or change and then makes its own.  One lost wake-up
        and both wait for ever.
        """
        self.switch_often()
        rounds = 300
        turns = [Note("0"), Note("0")]
        lost: list[str] = []

        def play(me: int) -> None:
            for turn in range(1, rounds + 1):
                wanted = turn if me else turn - 1
                if not self.journal.wait_for(lambda wanted=wanted: int(turns[1 - me].text) >= wanted, HANG):
                    lost.append(f"player {me}, turn {turn}")
                    return
                turns[me].text = str(turn)
                self.journal.notify() if turn % 2 else self.journal.add(turns[me])

        done = threading.Event()
        noise = threading.Thread(target=lambda: [None for _ in iter(done.is_set, True)])
        noise.start()
        self.in_threads(lambda: play(0), lambda: play(1))
        done.set()
        noise.join(HANG)
        self.assertEqual([], lost)
        self.assertEqual([str(rounds)] * 2, [turn.text for turn in turns])


class WaitForAsync(JournalCase, unittest.IsolatedAsyncioTestCase):
    """`wait_for_async`, on an event loop."""

    async def test_at_once_or_not_at_all(self) -> None:
        """What is there already is returned; when the time is over, the last, false, result is."""
        for seconds in (0.01, 0):
            self.assertEqual([], await self.journal.wait_for_async(self.journal.entries, seconds))
        self.add("a")
        self.assertEqual(1, len(await self.journal.wait_for_async(self.journal.entries, HANG)))

    async def test_surroundings(self) -> None:
        """Time passes while the loop's clock stands still, whatever has stopped it, and while threads are mocks."""
        clocks = [
            freeze_time("2001-02-03"),
            mock.patch("time.monotonic", return_value=time.monotonic()),
            mock.patch("time.monotonic", return_value=0.0),
            *(mock.patch(name) for name in ("threading.Thread", "socket.socket", "time.sleep")),
        ]
        for clock in clocks:
            with self.subTest(clock=clock), clock:
                self.assertEqual([], await self.journal.wait_for_async(self.journal.entries, 0.01))

    async def test_eight_at_a_time(self) -> None:
        """Waits take no thread, leave the loop and its executor to others, and see what a thread or the loop adds."""
        threads = threading.active_count()
        waits = [asyncio.create_task(self.journal.wait_for_async(self.journal.entries, HANG)) for _ in range(8)]
        await asyncio.sleep(0)
        self.assertEqual(threads, threading.active_count())
        await asyncio.get_running_loop().getaddrinfo("127.0.0.1", 80)
        self.assertFalse([wait for wait in waits if wait.done()])
        self.add("a")
        self.assertEqual([1] * 8, [len(entries) for entries in await asyncio.gather(*waits)])
        waits = [asyncio.create_task(self.journal.wait_for_async(lambda: len(self.journal) == 2, HANG)) for _ in "ab"]
        await asyncio.to_thread(self.add, "b")
        self.assertEqual([True, True], await asyncio.gather(*waits))
        await asyncio.get_running_loop().shutdown_default_executor()

    async def test_the_end_of_a_wait(self) -> None:
        """One that is cancelled ends at once and leaves nothing; what the predicate raises is raised to its waiter."""

        def broken() -> bool:
            if len(self.journal):
                raise ValueError("boom")
            return False

        cancelled = asyncio.create_task(self.journal.wait_for_async(self.journal.entries, 3600))
        failed = asyncio.create_task(self.journal.wait_for_async(broken, HANG))
        await asyncio.sleep(0)
        cancelled.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await cancelled
        self.add("a")
        with self.assertRaisesRegex(ValueError, "^boom$"):
            await failed
        self.assertTrue(cancelled.cancelled())
        self.assertEqual([], self.journal._loop_waiters)

"""A journal that is awaited."""

from __future__ import annotations

import asyncio
import threading
import unittest

from liveserver_testcase.core.journal import Journal, JournalWindow, await_journal
from tests.support import HANG, NoLeaks, wait_until


class Note:
    """An entry."""

    index = -1
    window = JournalWindow(0, "")


class AwaitJournal(NoLeaks, unittest.IsolatedAsyncioTestCase):
    def setUp(self) -> None:
        self.journal: Journal[Note] = Journal()

    async def test_at_once(self) -> None:
        """What is there already is returned, and no thread is started."""
        self.journal.add(Note())
        threads = threading.active_count()
        self.assertEqual(len(await await_journal(self.journal, self.journal.entries, HANG)), 1)
        self.assertEqual(threading.active_count(), threads)

    async def test_from_the_loop(self) -> None:
        """What is added by a task of the same loop is seen."""

        async def add() -> None:
            await asyncio.sleep(0)
            self.journal.add(Note())

        task = asyncio.create_task(add())
        self.assertEqual(len(await await_journal(self.journal, self.journal.entries, HANG)), 1)
        await task

    async def test_from_a_thread(self) -> None:
        """What is added by another thread is seen, and the loop is not blocked meanwhile."""
        steps = 0

        def enough() -> bool:
            return len(self.journal) == 3

        def work() -> None:
            for _ in range(3):
                wait_until(lambda: steps > 0)
                self.journal.add(Note())

        thread = threading.Thread(target=work)
        thread.start()
        waiting = asyncio.create_task(await_journal(self.journal, enough, HANG))
        while not waiting.done():
            steps += 1
            await asyncio.sleep(0)
        self.assertTrue(await waiting)
        thread.join(HANG)

    async def test_time_is_over(self) -> None:
        """After the timeout the last, false, result is returned."""
        self.assertEqual(await await_journal(self.journal, self.journal.entries, 0.01), [])
        self.assertEqual(await await_journal(self.journal, self.journal.entries, 0), [])

    async def test_frozen_time(self) -> None:
        """Time passes while the loop's clock stands still, as it does under freezegun."""
        loop = asyncio.get_running_loop()
        moment = loop.time()
        loop.time = lambda: moment  # type: ignore[method-assign]
        try:
            self.assertEqual(await await_journal(self.journal, self.journal.entries, 0.01), [])
        finally:
            del loop.time

    async def test_cancelled(self) -> None:
        """A wait that is cancelled leaves no thread, however long it would have lasted."""
        task = asyncio.create_task(await_journal(self.journal, self.journal.entries, 3600))
        await asyncio.sleep(0)
        task.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await task
        self.assertNotIn("await-journal", [thread.name for thread in threading.enumerate()])

    async def test_what_the_predicate_raises(self) -> None:
        """What the predicate raises is raised where it is awaited, and leaves no thread."""

        def broken() -> bool:
            if len(self.journal):
                raise ValueError("boom")
            return False

        task = asyncio.create_task(await_journal(self.journal, broken, HANG))
        await asyncio.sleep(0)
        self.journal.add(Note())
        with self.assertRaisesRegex(ValueError, "^boom$"):
            await task


if __name__ == "__main__":
    unittest.main()

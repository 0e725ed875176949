"""A journal that is awaited."""

from __future__ import annotations

import asyncio
import threading
import time
import unittest
from unittest import mock

from freezegun import freeze_time

from liveserver_testcase.core.journal import Journal, JournalWindow
from tests.support import HANG, NoLeaks, wait_until


class Note:
    """An entry."""

    index = -1
    window = JournalWindow(0, "")


class WaitForAsync(NoLeaks, unittest.IsolatedAsyncioTestCase):
    def setUp(self) -> None:
        self.journal: Journal[Note] = Journal()

    async def test_at_once(self) -> None:
        """What is there already is returned."""
        self.journal.add(Note())
        self.assertEqual(len(await self.journal.wait_for_async(self.journal.entries, HANG)), 1)

    async def test_from_the_loop(self) -> None:
        """What is added by a task of the same loop is seen."""

        async def add() -> None:
            await asyncio.sleep(0)
            self.journal.add(Note())

        task = asyncio.create_task(add())
        self.assertEqual(len(await self.journal.wait_for_async(self.journal.entries, HANG)), 1)
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
        waiting = asyncio.create_task(self.journal.wait_for_async(enough, HANG))
        while not waiting.done():
            steps += 1
            await asyncio.sleep(0)
        self.assertTrue(await waiting)
        thread.join(HANG)

    async def test_time_is_over(self) -> None:
        """After the timeout the last, false, result is returned."""
        self.assertEqual(await self.journal.wait_for_async(self.journal.entries, 0.01), [])
        self.assertEqual(await self.journal.wait_for_async(self.journal.entries, 0), [])

    async def test_frozen_time(self) -> None:
        """Time passes while the loop's clock stands still, whatever has stopped it."""
        clocks = [
            freeze_time("2001-02-03"),
            mock.patch("time.monotonic", return_value=time.monotonic()),
            mock.patch("time.monotonic", return_value=0.0),
        ]
        for clock in clocks:
            with self.subTest(clock=clock), clock:
                self.assertEqual(await self.journal.wait_for_async(self.journal.entries, 0.01), [])

    async def test_eight_at_a_time(self) -> None:
        """Waits take no thread, and leave the loop's executor to others."""
        threads = threading.active_count()
        waits = [asyncio.create_task(self.journal.wait_for_async(self.journal.entries, HANG)) for _ in range(8)]
        await asyncio.sleep(0)
        self.assertEqual(threads, threading.active_count())
        await asyncio.get_running_loop().getaddrinfo("127.0.0.1", 80)
        self.assertFalse([wait for wait in waits if wait.done()])
        self.journal.add(Note())
        self.assertEqual([1] * 8, [len(entries) for entries in await asyncio.gather(*waits)])
        await asyncio.get_running_loop().shutdown_default_executor()

    async def test_patched_surroundings(self) -> None:
        """A wait works while threads, sockets and the sleep of a test are mocks."""
        with mock.patch("threading.Thread"), mock.patch("socket.socket"), mock.patch("time.sleep"):
            self.assertEqual([], await self.journal.wait_for_async(self.journal.entries, 0.01))

    async def test_cancelled(self) -> None:
        """A wait that is cancelled ends at once and leaves nothing, however long it would have lasted."""
        task = asyncio.create_task(self.journal.wait_for_async(self.journal.entries, 3600))
        await asyncio.sleep(0)
        task.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await task
        self.assertEqual([], self.journal._loop_waiters)

    async def test_what_the_predicate_raises(self) -> None:
        """What the predicate raises is raised where it is awaited."""

        def broken() -> bool:
            if len(self.journal):
                raise ValueError("boom")
            return False

        task = asyncio.create_task(self.journal.wait_for_async(broken, HANG))
        await asyncio.sleep(0)
        self.journal.add(Note())
        with self.assertRaisesRegex(ValueError, "^boom$"):
            await task

"""An event and the start of a thread that a KeyboardInterrupt cannot break."""

from __future__ import annotations

import signal
import threading
from unittest import mock

from freezegun import freeze_time

from liveserver_testcase.core.interrupts import OneShotEvent, start_thread
from tests.support import HANG, NoLeaks


class TheAlarm(NoLeaks):
    """`OneShotEvent`, which is a `threading.Event` that is never cleared."""

    def setUp(self) -> None:
        super().setUp()
        self.alarm = OneShotEvent()

    def test_it_is_not_set_at_first(self) -> None:
        """A new alarm is not set, and waiting for it comes to nothing."""
        self.assertFalse(self.alarm.is_set())
        self.assertFalse(self.alarm.wait(0))
        self.assertFalse(self.alarm.wait(0.01))
        self.assertFalse(self.alarm.wait(-1))

    def test_it_stays_set(self) -> None:
        """Once set it is set, and nobody waits; a second time changes nothing."""
        for _ in range(2):
            self.alarm.set()
            self.assertTrue(self.alarm.is_set())
            self.assertTrue(self.alarm.wait(HANG))
            self.assertTrue(self.alarm.wait())

    def test_everybody_is_woken(self) -> None:
        """All who wait are woken, with a limit or without."""
        woken: list[bool] = []
        waiters = [
            threading.Thread(target=lambda limit=limit: woken.append(self.alarm.wait(limit)), daemon=True)
            for limit in (None, HANG, None, HANG)
        ]
        for waiter in waiters:
            waiter.start()
        self.alarm.set()
        self.alarm.set()
        for waiter in waiters:
            waiter.join(HANG)
        self.assertEqual([True] * 4, woken)

    def test_the_limit_passes_in_frozen_time(self) -> None:
        """While the clocks stand still the limit passes."""
        with freeze_time("2001-02-03"):
            self.assertFalse(self.alarm.wait(0.01))


class TheStart(NoLeaks):
    """`start_thread`."""

    def setUp(self) -> None:
        super().setUp()
        self.handler = signal.getsignal(signal.SIGINT)
        self.ran = threading.Event()
        self.thread = threading.Thread(target=self.ran.set)

    def tearDown(self) -> None:
        self.assertIs(self.handler, signal.getsignal(signal.SIGINT), "the handler of the tests is another one now")
        super().tearDown()

    def interrupt(self) -> None:
        """Start the thread, with an interrupt in the middle of it."""
        really = self.thread.start

        def start() -> None:
            signal.raise_signal(signal.SIGINT)
            really()

        with mock.patch.object(self.thread, "start", start):
            start_thread(self.thread)

    def test_it_starts(self) -> None:
        """The thread runs."""
        start_thread(self.thread)
        self.thread.join(HANG)
        self.assertTrue(self.ran.is_set())

    def test_it_starts_from_another_thread(self) -> None:
        """A thread that gets no signals can start one."""
        starter = threading.Thread(target=start_thread, args=(self.thread,))
        starter.start()
        starter.join(HANG)
        self.thread.join(HANG)
        self.assertTrue(self.ran.is_set())

    def test_an_interrupt_comes_afterwards(self) -> None:
        """An interrupt while it starts is raised when the thread has begun, and not lost."""
        self.addCleanup(signal.signal, signal.SIGINT, self.handler)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.assertRaises(KeyboardInterrupt, self.interrupt)
        self.assertIs(signal.default_int_handler, signal.getsignal(signal.SIGINT))
        self.thread.join(HANG)
        self.assertTrue(self.ran.is_set())
        signal.signal(signal.SIGINT, self.handler)

    def test_a_handler_that_raises_nothing(self) -> None:
        """Another handler of the tests' is called, once, and the start goes on."""
        heard: list[int] = []
        self.addCleanup(signal.signal, signal.SIGINT, self.handler)
        signal.signal(signal.SIGINT, lambda number, _frame: heard.append(number))
        self.interrupt()
        self.thread.join(HANG)
        self.assertEqual([signal.SIGINT], heard)
        signal.signal(signal.SIGINT, self.handler)

    def test_an_ignored_interrupt_stays_ignored(self) -> None:
        """Where interrupts are ignored nothing is put in between."""
        self.addCleanup(signal.signal, signal.SIGINT, self.handler)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.interrupt()
        self.thread.join(HANG)
        self.assertIs(signal.SIG_IGN, signal.getsignal(signal.SIGINT))
        signal.signal(signal.SIGINT, self.handler)

    def test_no_more_threads(self) -> None:
        """When the system has no more threads the error passes through."""
        with mock.patch.object(self.thread, "start", side_effect=RuntimeError("can't start new thread")):
            self.assertRaises(RuntimeError, start_thread, self.thread)

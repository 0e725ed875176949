"""What a KeyboardInterrupt cannot break, a clock that goes on in frozen time, and a bound for calls that may hang."""

from __future__ import annotations

import signal
import threading
import time
import types
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from freezegun import freeze_time

from liveserver_testcase.core import interrupts
from liveserver_testcase.core.interrupts import OneShotEvent, TimeLimitExceeded, start_thread, time_limit
from tests.support import HANG, NoLeaks, call_in_thread, wait_until


class TheEvent(NoLeaks):
    """`OneShotEvent`, which is a `threading.Event` that is never cleared."""

    def test_before_and_after(self) -> None:
        """A new one is not set, and waiting comes to nothing, in frozen time too; once set it stays so."""
        event = OneShotEvent()
        self.assertFalse(event.is_set())
        for limit in (0, 0.01, -1):
            self.assertFalse(event.wait(limit))
        with freeze_time("2001-02-03"):
            self.assertFalse(event.wait(0.01))
        for _ in range(2):
            event.set()
            self.assertEqual((True, True, True), (event.is_set(), event.wait(HANG), event.wait()))

    def test_everybody_is_woken(self) -> None:
        """All who wait are woken, with a limit or without."""
        event = OneShotEvent()
        woken = [call_in_thread(event.wait, limit) for limit in (None, HANG, None, HANG)]
        event.set()
        self.assertEqual([True] * 4, [each.result(HANG) for each in woken])


class TheStart(NoLeaks):
    """`start_thread`."""

    def setUp(self) -> None:
        super().setUp()
        self.handler = signal.getsignal(signal.SIGINT)
        self.ran = threading.Event()
        self.thread = threading.Thread(target=self.ran.set)

    def interrupt(self, handler: Any) -> None:
        """Start the thread under this handler, with an interrupt in the middle of it; the handler stays."""
        really = self.thread.start

        def start() -> None:
            signal.raise_signal(signal.SIGINT)
            really()

        self.addCleanup(signal.signal, signal.SIGINT, self.handler)
        signal.signal(signal.SIGINT, handler)
        try:
            with mock.patch.object(self.thread, "start", start):
                start_thread(self.thread)
        finally:
            self.assertIs(handler, signal.getsignal(signal.SIGINT))
            self.thread.join(HANG)
            self.assertTrue(self.ran.is_set())

    def test_it_starts(self) -> None:
        """The thread runs, also if a thread that gets no signals starts it."""
        starter = threading.Thread(target=start_thread, args=(self.thread,), daemon=True)
        start_thread(starter)
        starter.join(HANG)
        self.thread.join(HANG)
        self.assertTrue(self.ran.is_set())
        self.assertIs(self.handler, signal.getsignal(signal.SIGINT))

    def test_an_interrupt_comes_afterwards(self) -> None:
        """An interrupt while it starts is raised when the thread has begun, and not lost."""
        self.assertRaises(KeyboardInterrupt, self.interrupt, signal.default_int_handler)

    def test_other_handlers(self) -> None:
        """Another handler of the tests' is called, once, and the start goes on; what is ignored stays ignored."""
        called: list[int] = []
        self.interrupt(lambda number, _frame: called.append(number))
        self.assertEqual([signal.SIGINT], called)
        self.thread = threading.Thread(target=self.ran.set)
        self.interrupt(signal.SIG_IGN)

    def test_no_more_threads(self) -> None:
        """When the system has no more threads the error passes through."""
        with mock.patch.object(self.thread, "start", side_effect=RuntimeError("can't start new thread")):
            self.assertRaises(RuntimeError, start_thread, self.thread)


class TheClock(NoLeaks):
    """`monotonic()`."""

    def test_a_system_without_clock_gettime(self) -> None:
        """Without `time.clock_gettime` it reads `time.monotonic`; with either it goes on in frozen time."""
        with mock.patch.object(interrupts, "time", mock.Mock(spec_set=["monotonic"], monotonic=time.monotonic)):
            fallback = interrupts._find_clock()
        for read in (interrupts.monotonic, fallback):
            before, now, after = time.monotonic(), read(), time.monotonic()
            self.assertTrue(before <= now <= after, (before, now, after))
            with freeze_time("2001-02-03"):
                self.assertTrue(wait_until(lambda: read() > now))  # noqa: B023
                self.assertEqual(time.monotonic(), time.monotonic())


def wait_for_nothing() -> None:
    """Wait for longer than any test may take."""
    threading.Event().wait(6 * HANG)


@contextmanager
def others_timer(delay: float, interval: float = 0.0) -> Iterator[list[int]]:
    """A timer of somebody else's; yields what it has called."""
    called: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _frame: called.append(number))
    signal.setitimer(signal.ITIMER_REAL, delay, interval)
    try:
        yield called
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@unittest.skipUnless(hasattr(signal, "setitimer"), "this system has no such timer")
class TimeLimit(NoLeaks):
    """What it interrupts, and what it leaves alone."""

    def check_restored(self) -> None:
        self.assertEqual(signal.SIG_DFL, signal.getsignal(signal.SIGALRM))
        self.assertEqual((0.0, 0.0), signal.getitimer(signal.ITIMER_REAL))

    def test_a_wait(self) -> None:
        """A wait is interrupted, and its place is known; no time at all is a limit, too."""
        with self.assertRaisesRegex(TimeLimitExceeded, "interrupted after 0.02 s") as caught, time_limit(0.02):
            wait_for_nothing()
        self.assertIn("in wait_for_nothing\n    threading.Event().wait(6 * HANG)\n", caught.exception.stack)
        with self.assertRaises(TimeLimitExceeded), time_limit(0.0):
            wait_for_nothing()
        self.check_restored()

    def test_a_loop(self) -> None:
        """A loop that goes on whatever is raised is interrupted, if need be more than once."""
        for kind in (Exception, BaseException):
            with self.subTest(kind=kind):
                caught = 0
                with self.assertRaises(TimeLimitExceeded), time_limit(0.02):
                    while caught < 2:
                        try:
                            wait_for_nothing()
                        except kind:
                            caught += 1
                    wait_for_nothing()
                self.check_restored()

    def test_in_time(self) -> None:
        """What returns in time, or raises, is as it is without."""
        with time_limit(HANG):
            pass
        with self.assertRaises(KeyError), time_limit(HANG):
            raise KeyError
        self.check_restored()

    def test_a_timer_of_somebody_else(self) -> None:
        """It goes on with what is left of its time; one that is over first makes the limit needless."""
        with others_timer(6 * HANG, 5.0):
            with time_limit(HANG):
                pass
            delay, interval = signal.getitimer(signal.ITIMER_REAL)
            self.assertTrue(0 < delay <= 6 * HANG)
            self.assertEqual(5.0, interval)
        with others_timer(HANG) as called:
            handler = signal.getsignal(signal.SIGALRM)
            with time_limit(6 * HANG):
                self.assertIs(handler, signal.getsignal(signal.SIGALRM))
                signal.raise_signal(signal.SIGALRM)
            self.assertEqual([signal.SIGALRM], called)

    def test_a_timer_of_the_code(self) -> None:
        """Code that sets a timer keeps it."""
        with time_limit(HANG):
            signal.signal(signal.SIGALRM, signal.SIG_IGN)
            signal.setitimer(signal.ITIMER_REAL, 6 * HANG)
        self.addCleanup(signal.signal, signal.SIGALRM, signal.SIG_DFL)
        self.addCleanup(signal.setitimer, signal.ITIMER_REAL, 0)
        self.assertIs(signal.SIG_IGN, signal.getsignal(signal.SIGALRM))
        self.assertGreater(signal.getitimer(signal.ITIMER_REAL)[0], HANG)

    def test_a_debugger(self) -> None:
        """Code that a debugger has stopped is left alone."""
        debugger = types.ModuleType("bdb")
        exec("def stop(work):\n    work()\n", vars(debugger))
        with time_limit(6 * HANG):
            debugger.stop(lambda: signal.raise_signal(signal.SIGALRM))
        self.check_restored()

    def test_where_nothing_can_be_done(self) -> None:
        """In another thread than the main one, or where there is no timer, nothing can be done, and nothing is."""

        def find_handler() -> object:
            with time_limit(HANG):
                return signal.getsignal(signal.SIGALRM)

        self.assertEqual(signal.SIG_DFL, call_in_thread(find_handler).result(HANG))
        timer = mock.patch.object(signal, "setitimer")
        timer.start()
        self.addCleanup(timer.stop)
        del signal.setitimer
        self.assertEqual(signal.SIG_DFL, find_handler())

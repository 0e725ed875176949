"""A bound for code that does not return, in the thread that calls it."""

from __future__ import annotations

import signal
import threading
import types
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from liveserver_testcase.core.interrupts import TimeLimitExceeded, time_limit
from tests.support import HANG, NoLeaks


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
        """A wait is interrupted, and its place is known."""
        with self.assertRaisesRegex(TimeLimitExceeded, "interrupted after 0.02 s") as caught, time_limit(0.02):
            wait_for_nothing()
        self.assertIn("in wait_for_nothing\n    threading.Event().wait(6 * HANG)\n", caught.exception.stack)
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

    def test_no_time(self) -> None:
        """No time at all is a limit, too."""
        with self.assertRaises(TimeLimitExceeded), time_limit(0.0):
            wait_for_nothing()

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

    def test_another_thread(self) -> None:
        """In another thread than the main one nothing can be done, and nothing is."""
        handlers: list[object] = []

        def work() -> None:
            with time_limit(HANG):
                handlers.append(signal.getsignal(signal.SIGALRM))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join(HANG)
        self.assertEqual([signal.SIG_DFL], handlers)

    def test_no_timer(self) -> None:
        """Where the system has no timer, nothing can be done either."""
        timer = mock.patch.object(signal, "setitimer")
        timer.start()
        self.addCleanup(timer.stop)
        del signal.setitimer
        with time_limit(HANG):
            self.assertEqual(signal.SIG_DFL, signal.getsignal(signal.SIGALRM))

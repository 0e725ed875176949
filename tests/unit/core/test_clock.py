"""The clock that goes on while a test has frozen time."""

from __future__ import annotations

import time
from unittest import mock

from freezegun import freeze_time

from liveserver_testcase.core import interrupts as clock
from tests.support import NoLeaks, wait_until


class TheClock(NoLeaks):
    """`monotonic()`."""

    def test_it_is_the_systems_monotonic_clock(self) -> None:
        """It reads what `time.monotonic` reads."""
        before, now, after = time.monotonic(), clock.monotonic(), time.monotonic()
        self.assertTrue(before <= now <= after, (before, now, after))

    def test_it_goes_on_in_frozen_time(self) -> None:
        """freezegun does not stop it, neither by name nor by the name of this module."""
        with freeze_time("2001-02-03"):
            before = clock.monotonic()
            self.assertTrue(wait_until(lambda: clock.monotonic() > before))
            self.assertEqual(time.monotonic(), time.monotonic())

    def test_a_system_without_clock_gettime(self) -> None:
        """Where there is no `time.clock_gettime` it reads `time.monotonic`, and still goes on in frozen time."""
        with mock.patch.object(clock, "time", mock.Mock(spec_set=["monotonic"], monotonic=time.monotonic)):
            read = clock._find_clock()
        with freeze_time("2001-02-03"):
            before = read()
            self.assertTrue(wait_until(lambda: read() > before))

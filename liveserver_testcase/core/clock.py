"""A clock that time-freezing tools do not stop."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["monotonic"]


def _find_clock() -> Callable[[], float]:
    """Pick a reading of the monotonic clock that freezegun and its like do not replace.

    They replace ``time.monotonic`` and every module attribute that refers to it, but not
    ``time.clock_gettime``, and nothing that is held inside a closure.
    """
    if hasattr(time, "clock_gettime"):
        read, which = time.clock_gettime, time.CLOCK_MONOTONIC
        return lambda: read(which)
    plain = time.monotonic  # Windows
    return lambda: plain()  # noqa: PLW0108 - the attribute of this module must not be what they look for


monotonic = _find_clock()
"""Seconds since some fixed moment; only differences mean anything."""

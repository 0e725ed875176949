"""How often something must, or may, happen."""

from __future__ import annotations

from typing import TypeAlias, TypeGuard

from ..core.text import count, quote
from ..errors import UsageError

__all__ = ["Times", "at_least", "at_most", "describe_times", "parse_limit", "parse_times"]

Times: TypeAlias = tuple[int, int | None]
"""The fewest and the most; None for no most."""


def at_least(number: int) -> Times:
    """So often or more: ``expect(…, times=at_least(2))``.

    Raises:
        UsageError: It is no number of times.
    """
    if not _is_number(number):
        raise UsageError(f"at_least({quote(number)}): wanted a whole number, 0 or more")
    return number, None


def at_most(number: int) -> Times:
    """So often or less, or not at all: ``expect(…, times=at_most(3))``.

    Raises:
        UsageError: It is no number of times.
    """
    if not _is_number(number):
        raise UsageError(f"at_most({quote(number)}): wanted a whole number, 0 or more")
    return 0, number


def parse_times(times: object) -> Times:
    """Check ``times=`` of what must happen: None for at least once, ``n`` for exactly n, ``(low, high)`` for a range.

    Raises:
        UsageError: It is none of these.
    """
    if times is None:
        return 1, None
    low, high = times if isinstance(times, tuple) and len(times) == 2 else (times, times)
    if _is_number(low) and (high is None or (_is_number(high) and low <= high)):
        return low, high
    raise UsageError(f"times is {quote(times)}; wanted a number, (low, high), or None for at least once")


def parse_limit(times: object) -> Times:
    """Check ``times=`` of what may happen: None for any number, ``n`` or ``(0, n)`` for at most n.

    Raises:
        UsageError: It is none of these, or it says what must happen.
    """
    if times is None:
        return 0, None
    low, high = parse_times(times)
    if high == 0:
        raise UsageError(
            f"times is {quote(times)}, so that this would never answer; for what must never come "
            "write expect(…, times=0)"
        )
    if isinstance(times, tuple) and low:
        raise UsageError(
            f"times is {quote(times)}, but what on() writes need not come; for at least {low} "
            f"write expect(…, times={times!r})"
        )
    return 0, high


def _is_number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def describe_times(times: Times) -> str:
    """As in ``exactly once``, ``at least 2 times``, ``at most 3 times``, ``1 to 3 times``, ``never``."""
    low, high = times
    if high == 0:
        return "never"
    if low == high:
        return f"exactly {_times(low)}"
    if high is None:
        return f"at least {_times(low)}" if low else "any number of times"
    return f"{low} to {_times(high)}" if low else f"at most {_times(high)}"


def _times(number: int) -> str:
    return "once" if number == 1 else count(number, "time")

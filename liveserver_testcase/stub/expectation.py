"""One expectation: what it matches, how often, and what it answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..errors import UsageError
from .matching import Criterion, Mismatch
from .reply import Reply, make_reply
from .request import RecordedRequest

__all__ = ["Expectation", "Times", "describe_times", "parse_times"]

Times = tuple[int, int | None]
"""The fewest and the most; None for no most."""


def parse_times(times: int | tuple[int, int | None] | None) -> Times:
    """Check ``times=``: None for at least once, ``n`` for exactly n, ``(low, high)`` for a range.

    Raises:
        UsageError: It is none of these.
    """
    if times is None:
        return 1, None
    low, high = times if isinstance(times, tuple) and len(times) == 2 else (times, times)
    whole = isinstance(low, int) and (high is None or isinstance(high, int))
    if isinstance(times, bool) or not whole or low < 0 or (high is not None and high < low):  # type: ignore[operator]
        raise UsageError(f"times is {times!r}; wanted a number, (low, high), or None for at least once")
    return low, high  # type: ignore[return-value]


def describe_times(times: Times) -> str:
    """``exactly once``, ``at least 2 times``, ``1 to 3 times``, ``never``."""
    low, high = times
    if high == 0:
        return "never"
    if low == high:
        return "exactly once" if low == 1 else f"exactly {low} times"
    if high is None:
        return "at least once" if low == 1 else f"at least {low} times"
    return f"{low} to {high} times"


class Expectation:
    """What the stub answers to the requests that match, and how often they must come.

    Made by the stub's ``on()`` and ``expect()``; the server's book counts it under its lock.

    Attributes:
        criteria: What a request must have.
        times: The fewest and the most requests; the fewest is 0 for what may but need not happen.
        requests: Those it has answered in this test, in order.
        written_at: Where in the test it was written, ``file:line``.
    """

    def __init__(
        self,
        criteria: tuple[Criterion, ...],
        times: Times,
        *,
        written_at: str,
        forget: Callable[[Expectation], None],
    ) -> None:
        self.criteria = criteria
        self.times = times
        self.written_at = written_at
        self.requests: list[RecordedRequest] = []
        self._forget = forget
        self._answer: Reply | None = None

    def reply(
        self,
        status: int = 200,
        body: bytes | str | None = None,
        *,
        json: Any = None,
        text: str | None = None,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
        content_type: str | None = None,
        delay: float = 0.0,
    ) -> Expectation:
        """Answer with this; a later call replaces it.  See `make_reply` for the arguments."""
        self._answer = make_reply(
            status, body, json=json, text=text, headers=headers, content_type=content_type, delay=delay
        )
        return self

    @property
    def answer(self) -> Reply | None:
        """What it answers with; None until the test has said so."""
        return self._answer

    @property
    def times_called(self) -> int:
        """How many requests it has answered in this test."""
        return len(self.requests)

    @property
    def is_satisfied(self) -> bool:
        """Whether it was called as often as it must be, and not more."""
        low, high = self.times
        return low <= len(self.requests) and (high is None or len(self.requests) <= high)

    @property
    def has_room(self) -> bool:
        """Whether it may answer another request."""
        high = self.times[1]
        return high is None or len(self.requests) < high

    @property
    def is_bounded(self) -> bool:
        """Whether there is a most."""
        return self.times[1] is not None

    def remove(self) -> None:
        """Take it out of the stub: it answers nothing more and is not verified."""
        self._forget(self)

    def compare(self, request: RecordedRequest) -> list[Mismatch]:
        """How ``request`` differs from what is wanted; nothing if it matches."""
        found = [criterion.compare(request) for criterion in self.criteria]
        return [mismatch for mismatch in found if mismatch is not None]

    def matches(self, request: RecordedRequest) -> bool:
        """Whether every criterion is met."""
        return all(criterion.compare(request) is None for criterion in self.criteria)

    def describe(self) -> str:
        """The criteria on one line, such as ``POST '/charge'``."""
        return describe_criteria(self.criteria)

    def __repr__(self) -> str:
        return f"<Expectation {self.describe()}, {describe_times(self.times)}, called {len(self.requests)} times>"


def describe_criteria(criteria: tuple[Criterion, ...]) -> str:
    """Criteria on one line."""
    texts = {criterion.name: criterion.describe() for criterion in criteria}
    method, path = texts.pop("method", "any method"), texts.pop("path", "any path")
    return re.sub(r"^any method any path$", "any request", " ".join([method, path, *texts.values()]))

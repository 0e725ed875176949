"""One expectation: what it matches, how often, and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeGuard, overload

from ..errors import UsageError
from .keywords import suggest_keywords
from .matching import Criteria
from .reply import NOT_GIVEN, Headers, Reply, make_reply
from .request import RecordedRequest
from .wording import count, quote

__all__ = ["Expectation", "Times", "describe_times", "parse_limit", "parse_times"]

Times: TypeAlias = tuple[int, int | None]
"""The fewest and the most; None for no most."""


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


class Expectation:
    """What the stub answers to the requests that match, and how often they must come.

    Made by the stub's ``on()`` and ``expect()``.  It takes part once it has been told what to `reply`.

    Attributes:
        criteria: What a request must have.
        times: The fewest and the most requests; the fewest is 0 for what may but need not happen.
        is_bounded: Whether there is a most.
        is_never: Whether the most is 0: a request that matches is held against the test.
        answer: What it answers with; None until the test has said so.
        written_at: Where in the test it was written, ``file:line``.
    """

    def __init__(
        self,
        criteria: Criteria,
        times: Times,
        *,
        written_at: str = "",
        forget: Callable[[Expectation], None] | None = None,
    ) -> None:
        self.criteria = criteria
        self.times = times
        self.is_bounded = times[1] is not None
        self.is_never = times[1] == 0
        self.answer: Reply | None = None
        self.written_at = written_at
        self._forget = forget
        self._claimed: list[RecordedRequest] = []  # appended to by the book alone, under its lock

    @overload
    def reply(self, reply: Reply, /) -> Expectation: ...
    @overload
    def reply(
        self,
        status: int = 200,
        body: bytes | str | None = None,
        *,
        json: Any = ...,
        text: str | None = None,
        headers: Headers | None = None,
        content_type: str | None = None,
        delay: float = 0.0,
    ) -> Expectation: ...
    @suggest_keywords
    def reply(
        self,
        status: int | Reply = 200,
        body: bytes | str | None = None,
        *,
        json: Any = NOT_GIVEN,
        text: str | None = None,
        headers: Headers | None = None,
        content_type: str | None = None,
        delay: float = 0.0,
    ) -> Expectation:
        """Answer with this; a later call replaces it.

        Args:
            status: The status code; or a whole `Reply`, and nothing else.
            body: Bytes, sent as ``application/octet-stream``, or text, sent as ``text/html``.
            json: Any JSON value, None for ``null``, sent as ``application/json``.
            text: Text, sent as ``text/plain``.
            headers: A mapping, or pairs where a name comes twice.
            content_type: The Content-Type, in place of the one that goes with the body.  Text is sent in the charset
                that it names, else as UTF-8.
            delay: Seconds before the answer; the stop of the stub ends them.

        Returns:
            The expectation itself.

        Raises:
            UsageError: More than one of ``body``, ``json`` and ``text``, or a value that cannot be sent.
            TypeError: An unknown keyword; the message names the nearest.
        """
        if not isinstance(status, Reply):
            self.answer = make_reply(
                status, body, json=json, text=text, headers=headers, content_type=content_type, delay=delay
            )
        elif body is None and json is NOT_GIVEN and (text, headers, content_type, delay) == (None, None, None, 0.0):
            self.answer = status
        else:
            raise UsageError("a Reply is a whole answer: give nothing else beside it")
        return self

    @property
    def requests(self) -> list[RecordedRequest]:
        """Those it has answered in this test, in order; a snapshot."""
        return self._claimed.copy()

    @property
    def times_called(self) -> int:
        """How many requests it has answered in this test."""
        return len(self._claimed)

    @property
    def is_satisfied(self) -> bool:
        """Whether it was called as often as it must be, and not more."""
        low, high = self.times
        return low <= len(self._claimed) and (high is None or len(self._claimed) <= high)

    @property
    def has_room(self) -> bool:
        """Whether it may answer another request."""
        high = self.times[1]
        return high is None or len(self._claimed) < high

    def remove(self) -> None:
        """Take it out of the stub: it answers nothing more and is not verified.

        What was written for the whole class is back for the next test.
        """
        if self._forget is not None:
            self._forget(self)

    def matches(self, request: RecordedRequest) -> bool:
        """Whether every criterion is met, whatever has room."""
        return self.criteria.matches(request)

    def claim(self, request: RecordedRequest) -> None:
        """Count a request; called by the book, under its lock."""
        self._claimed.append(request)

    def begin(self, answer: Reply | None) -> None:
        """Count anew, and answer with ``answer`` again; called by the book when a test begins."""
        self._claimed = []
        self.answer = answer

    def describe(self) -> str:
        """The criteria on one line, such as ``POST '/charges'``."""
        return self.criteria.describe()

    def __repr__(self) -> str:
        return (
            f"<Expectation {self.describe()}, {describe_times(self.times)}, called {count(self.times_called, 'time')}>"
        )

"""What a stub was sent in a test, in words.  Pure."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias, TypeVar

from ..core.text import count, one_line, quote
from ..web.records import Exchange
from .criterion import Mismatch
from .matching import Criteria
from .request import RecordedRequest

__all__ = ["Traffic", "describe_exchange", "find_requests", "get_distance", "get_outcome", "list_criteria", "shorten"]

_MOST_LINES = 20  # of one kind in a report: who needs more looks at them in a debugger
_MOST_COMPARED = 1000  # requests among which the nearest is looked for: it takes time
_MOST_NUMBERS = 5

_SCHEMES = {
    "TLS handshake on a port": "wants TLS of a stub that speaks plain HTTP: does its URL begin with https?",
    "plain HTTP on a port": "speaks plain HTTP to a stub that wants TLS: does its URL begin with http?",
}

T = TypeVar("T")
Miss: TypeAlias = "tuple[RecordedRequest, list[Mismatch]]"


class Traffic:
    """What a stub was sent in a test.

    Args:
        url: The stub's.
        exchanges: All of them, in the order of their arrival.
        loss: What to say about exchanges that are no longer kept.
        name: The stub's, where there are several.

    Attributes:
        requests: Those that came whole.
    """

    def __init__(self, url: str, exchanges: Sequence[Exchange], loss: str = "", name: str = "") -> None:
        self.url = url
        self.name_of_stub = name
        self.requests = find_requests(exchanges)
        self._broken = [
            e for e in exchanges if not isinstance(e.handler_data, RecordedRequest) or e.handler_data.failure
        ]
        self._loss = loss

    @functools.cached_property
    def _numbers(self) -> dict[int, int]:
        return {id(request): number for number, request in enumerate(self.requests, 1)}

    @property
    def stub(self) -> str:
        """What the stub is called in a sentence."""
        return f"the stub {quote(self.name_of_stub)}" if self.name_of_stub else "the stub"

    def name(self, request: RecordedRequest) -> str:
        """A request with its number: the first of the test is #1; one that is no longer kept has none."""
        number = self._numbers.get(id(request))
        return f"#{number} {request.describe()}" if number else request.describe()

    def list_numbers(self, requests: Iterable[RecordedRequest]) -> str:
        """As in ``#1, #3``; requests that are no longer kept have no number."""
        found = [f"#{self._numbers[id(r)]}" for r in requests if id(r) in self._numbers]
        more = f" and {len(found) - _MOST_NUMBERS:,} more" if len(found) > _MOST_NUMBERS else ""
        return ", ".join(found[:_MOST_NUMBERS]) + more

    def find_nearest(self, criteria: Criteria) -> Miss | None:
        """The request that misses the criteria by the least."""
        compared = [(request, criteria.compare(request)) for request in self.requests[-_MOST_COMPARED:]]
        return min((miss for miss in compared if miss[1]), key=lambda miss: get_distance(miss[1]), default=None)

    def explain_nearest(self, criteria: Criteria) -> list[str]:
        """The request that misses the criteria by the least, criterion by criterion."""
        miss = self.find_nearest(criteria)
        if miss is None:
            return []
        return [f"  nearest: {self.name(miss[0])}", *list_criteria(criteria, miss[1])]

    def list_requests(self) -> list[str]:
        """What came, a line each."""
        lines = []
        if self.requests:
            lines.append(f"{self.stub} at {self.url} was sent {count(len(self.requests), 'request')} in this test:")
            lines += shorten(self.requests, "  ", self._tell)
        if self._broken:
            what = f"{count(len(self._broken), 'request')} that {'was' if len(self._broken) == 1 else 'were'}"
            start = "and" if lines else f"{self.stub} at {self.url} was sent"
            lines.append(f"{start} {what} incomplete or malformed:")
            lines += shorten(self._broken, "  ", lambda each: f"  {describe_exchange(each)}: {get_outcome(each)}")
            reasons = [each.refused or each.aborted for each in self._broken]
            lines += [f"  a client {hint}" for sign, hint in _SCHEMES.items() if any(sign in each for each in reasons)]
        if not lines:
            lines.append(f"{self.stub} was sent nothing in this test: does the code under test use {self.url}?")
        return [*lines, self._loss] if self._loss else lines

    def _tell(self, request: RecordedRequest) -> str:
        return f"  {self.name(request)} -> {get_outcome(request.exchange)}"


def find_requests(exchanges: Iterable[Exchange]) -> list[RecordedRequest]:
    """The requests that came whole."""
    records = [exchange.handler_data for exchange in exchanges]
    return [record for record in records if isinstance(record, RecordedRequest) and not record.failure]


def describe_exchange(exchange: Exchange) -> str:
    """Its request line, or that none could be made out, without secrets."""
    return one_line(exchange.describe())


def get_outcome(exchange: Exchange) -> str:
    """The status that it was answered with, or why it was not."""
    request = exchange.handler_data if isinstance(exchange.handler_data, RecordedRequest) else None
    reason = exchange.refused or exchange.aborted or (request.failure if request is not None else "")
    if reason:
        return one_line(reason)
    reply = request.reply if request is not None else None
    status = exchange.status or (reply.status if reply is not None else "still coming")
    return f"{status} after {reply.delay:g} s" if reply is not None and reply.delay else str(status)


def shorten(items: Sequence[T], margin: str, write: Callable[[T], str]) -> list[str]:
    """A line for each item; for the first and the last of them, if there are many."""
    if len(items) <= _MOST_LINES:
        return [write(item) for item in items]
    half = _MOST_LINES // 2
    more = f"{margin}… {len(items) - 2 * half:,} more …"
    return [*map(write, items[:half]), more, *map(write, items[-half:])]


def list_criteria(criteria: Criteria, mismatches: Sequence[Mismatch]) -> list[str]:
    """Each criterion on a line: whether it is met, and how not."""
    failed = {mismatch.criterion: mismatch for mismatch in mismatches}
    if "path" in failed and "method" in failed:  # who asks for something else has not mistaken the method
        failed["method"] = replace(failed["method"], hint="")
    lines = []
    for criterion in criteria.criteria:
        mismatch = failed.get(criterion.name)
        if mismatch is None:
            lines.append(f"    ok   {criterion.name} {criterion.describe()}")
        else:
            lines += [f"    FAIL {mismatch}", *(f"         {line}" for line in mismatch.details)]
    return lines


def get_distance(mismatches: Sequence[Mismatch]) -> float:
    """How far a request is from criteria."""
    return sum(mismatch.distance for mismatch in mismatches)

"""Recorded facts to text: why a request found no answer, why an expectation was not met.  Pure."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ..web.exchange import Exchange
from .book import Decision
from .criterion import Mismatch
from .expectation import Expectation, Times, describe_times
from .matching import Criteria
from .request import RecordedRequest
from .wording import count, cut, escape, mask, quote

__all__ = [
    "Traffic",
    "Violation",
    "describe_exchange",
    "explain_count",
    "explain_leftovers",
    "explain_verdict",
    "find_violation",
]

_MOST_LINES = 20  # of one kind in a report: who needs more looks at them in a debugger
_MOST_COMPARED = 1000  # expectations, or requests, among which the nearest is looked for: it takes time
_MOST_NUMBERS = 5

Miss: TypeAlias = "tuple[RecordedRequest, list[Mismatch]]"


@dataclass(frozen=True)
class Violation:
    """A request that is held against the test in which it came.

    Attributes:
        request: The request.
        text: Why, for the test's report and for the client.
        nearest: The expectation that it came nearest to, if it was not matched.
    """

    request: RecordedRequest
    text: str
    nearest: Expectation | None = None


class Traffic:
    """What a stub was sent in a test.

    Args:
        url: The stub's.
        exchanges: All of them, in the order of their arrival.
        loss: What to say about exchanges that are no longer kept.

    Attributes:
        requests: Those that came whole.
    """

    def __init__(self, url: str, exchanges: Sequence[Exchange], loss: str = "") -> None:
        self.url = url
        self.requests = [e.record for e in exchanges if isinstance(e.record, RecordedRequest)]
        self._broken = [e for e in exchanges if not isinstance(e.record, RecordedRequest)]
        self._loss = loss

    @functools.cached_property
    def _numbers(self) -> dict[int, int]:
        return {id(request): number for number, request in enumerate(self.requests, 1)}

    def name(self, request: RecordedRequest) -> str:
        """A request with its number: the first of the test is #1."""
        return f"#{self._numbers[id(request)]} {request.describe()}"

    def list_numbers(self, requests: Iterable[RecordedRequest]) -> str:
        """As in ``#1, #3``; requests that are no longer kept have no number."""
        found = [f"#{self._numbers[id(r)]}" for r in requests if id(r) in self._numbers]
        more = f" and {len(found) - _MOST_NUMBERS:,} more" if len(found) > _MOST_NUMBERS else ""
        return ", ".join(found[:_MOST_NUMBERS]) + more

    def find_nearest(self, criteria: Criteria) -> Miss | None:
        """The request that misses the criteria by the least."""
        compared = [(request, criteria.compare(request)) for request in self.requests[-_MOST_COMPARED:]]
        return min((miss for miss in compared if miss[1]), key=lambda miss: _distance(miss[1]), default=None)

    def explain_nearest(self, criteria: Criteria) -> list[str]:
        """The request that misses the criteria by the least, criterion by criterion."""
        miss = self.find_nearest(criteria)
        if miss is None:
            return []
        return [f"  nearest: {self.name(miss[0])}", *_criterion_lines(criteria, miss[1])]

    def list_requests(self) -> list[str]:
        """What came, a line each."""
        lines = []
        if self.requests:
            lines.append(f"the stub was sent {count(len(self.requests), 'request')} in this test:")
            lines += _shorten([f"  {self.name(r)} -> {_outcome(r.exchange)}" for r in self.requests], "  ")
        if self._broken:
            what = f"{count(len(self._broken), 'request')} that {'was' if len(self._broken) == 1 else 'were'}"
            lines.append(f"{'and' if lines else 'the stub was sent'} {what} incomplete or malformed:")
            lines += _shorten([f"  {describe_exchange(e)}: {_outcome(e)}" for e in self._broken], "  ")
        if not lines:
            lines.append(f"the stub was sent nothing in this test: does the code under test use {self.url}?")
        return [*lines, self._loss] if self._loss else lines


def describe_exchange(exchange: Exchange) -> str:
    """Its request line, or that none could be made out, without secrets."""
    return cut(escape(mask(exchange.describe())))


def _outcome(exchange: Exchange) -> str:
    reason = exchange.refused or exchange.aborted
    if reason:
        return cut(escape(reason))
    reply = exchange.record.reply if isinstance(exchange.record, RecordedRequest) else None
    status = exchange.status or (reply.status if reply is not None else "still coming")
    return f"{status} after {reply.delay:g} s" if reply is not None and reply.delay else str(status)


def _shorten(lines: Sequence[str], margin: str) -> list[str]:
    """The first and the last of them, if there are many."""
    if len(lines) <= _MOST_LINES:
        return list(lines)
    half = _MOST_LINES // 2
    return [*lines[:half], f"{margin}… {len(lines) - 2 * half:,} more …", *lines[-half:]]


def _criterion_lines(criteria: Criteria, mismatches: Sequence[Mismatch]) -> list[str]:
    failed = {mismatch.criterion: mismatch for mismatch in mismatches}
    lines = []
    for criterion in criteria.criteria:
        mismatch = failed.get(criterion.name)
        lines.append(
            f"    ok   {criterion.name} {criterion.describe()}" if mismatch is None else f"    FAIL {mismatch}"
        )
    return lines


def _distance(mismatches: Sequence[Mismatch]) -> float:
    return sum(mismatch.distance for mismatch in mismatches)


# -- one request -------------------------------------------------------------------------------------------------------


def find_violation(request: RecordedRequest, decision: Decision) -> Violation:
    """Why nothing answered ``request``: the nearest expectation, criterion by criterion."""
    what = request.describe()
    if decision.is_late:
        return Violation(request, f"{what} was complete only when its test was over, so nothing answered it")
    if decision.expectation is not None:
        return Violation(request, f"{what} came, and must never come\n  never: {_name(decision.expectation)}")
    if decision.passed_over:
        unready = any(e.answer is None for e in decision.passed_over)
        reason = "what matches it has no reply; add .reply(…)" if unready else "what matches it is used up"
        known = _shorten([f"  {_name(e)}" for e in decision.passed_over], "  ")
        return Violation(request, "\n".join([f"nothing answers {what}: {reason}", *known]))
    if not decision.others:
        advice = f"stub.on({request.method!r}, {quote(request.plain_path)}).reply(…), or expect(…) if it must come"
        return Violation(request, f"nothing answers {what}: no expectation is written\n  write {advice}")
    return _explain_unmatched(request, decision.others)


def _explain_unmatched(request: RecordedRequest, others: Sequence[Expectation]) -> Violation:
    compared = [(e, e.criteria.compare(request)) for e in others[-_MOST_COMPARED:]]
    nearest, mismatches = min(compared, key=lambda pair: _distance(pair[1]))
    lines = [f"no expectation matches {request.describe()}", f"  nearest: {_name(nearest)}"]
    lines += _criterion_lines(nearest.criteria, mismatches)
    rest = [f"    {_name(e)}" for e in others if e is not nearest]
    if rest:
        lines += [f"  {count(len(rest), 'other')}:", *_shorten(rest, "    ")]
    return Violation(request, "\n".join(lines), nearest)


def _name(expectation: Expectation) -> str:
    """Criteria, what prevents it from answering, and where it stands."""
    state = ""
    if not expectation.is_never:
        if expectation.answer is None:
            state = ", without a reply"
        elif not expectation.has_room:
            state = f", used up {expectation.times_called}/{expectation.times[1]}"
    return f"{expectation.describe()}{state}, written at {expectation.written_at}"


# -- a whole test ------------------------------------------------------------------------------------------------------


def explain_verdict(traffic: Traffic, violations: Sequence[Violation], expectations: Sequence[Expectation]) -> str:
    """What is held against a test; empty if nothing is.

    Args:
        traffic: What was sent in it.
        violations: Its own.
        expectations: Those in the book at its end.
    """
    unmet = [e for e in expectations if not e.is_satisfied and not e.is_never]
    blocks: list[str] = []
    groups = _group(violations)
    for same in groups[:_MOST_LINES]:
        numbers = traffic.list_numbers(v.request for v in same)
        blocks.append(f"{numbers}{': ' if numbers else ''}{same[0].text}")
        meant = _find_meant(same, unmet, traffic)
        if meant is not None:  # say in the same breath what follows from it
            unmet.remove(meant)
            blocks.append(f"  {_tell(meant.criteria, meant.times, meant.times_called)}")
    if len(groups) > _MOST_LINES:
        blocks.append(f"… and {count(len(groups) - _MOST_LINES, 'more request')} that nothing answers")
    blocks += _tell_passed_over(expectations, unmet, violations, traffic)
    claimed = {id(request): e for e in expectations for request in e.requests} if unmet else {}
    blocks += [_tell_unmet(e, claimed, traffic) for e in unmet[:_MOST_LINES]]
    if len(unmet) > _MOST_LINES:
        blocks.append(f"… and {count(len(unmet) - _MOST_LINES, 'more expectation')} not met")
    return "\n".join([f"stub {traffic.url}:", *blocks, *traffic.list_requests()]) if blocks else ""


def explain_leftovers(url: str, violations: Sequence[Violation]) -> str:
    """What came to light when its test had been judged, each naming that test; empty if nothing did."""
    groups = _group(violations)
    blocks = [f"left over from {same[0].request.epoch.name}: {same[0].text}" for same in groups[:_MOST_LINES]]
    if len(groups) > _MOST_LINES:
        blocks.append(f"… and {count(len(groups) - _MOST_LINES, 'more request')} that nothing answers")
    return "\n".join([f"stub {url}:", *blocks]) if blocks else ""


def _group(violations: Iterable[Violation]) -> list[list[Violation]]:
    """Those that say the same: a client that tries again and again is told of once."""
    groups: dict[tuple[int, str], list[Violation]] = {}
    for violation in violations:
        groups.setdefault((violation.request.epoch.number, violation.text), []).append(violation)
    return list(groups.values())


def _find_meant(same: Sequence[Violation], unmet: Sequence[Expectation], traffic: Traffic) -> Expectation | None:
    """The unmet expectation that these requests were probably meant for: each is the nearest of the other."""
    nearest = same[0].nearest
    if nearest is None or not any(nearest is e for e in unmet):
        return None
    miss = traffic.find_nearest(nearest.criteria)
    return nearest if miss is not None and any(v.request is miss[0] for v in same) else None


def _tell(criteria: Criteria, times: Times, called: int) -> str:
    """As in ``POST '/charges' was expected exactly once, and never came``."""
    came = {0: "never came", 1: "came once"}.get(called, f"came {called:,} times")
    wanted = "must never come" if times[1] == 0 else f"was expected {describe_times(times)}"
    return f"{criteria.describe()} {wanted}, and {came}"


def _tell_unmet(expectation: Expectation, claimed: dict[int, Expectation], traffic: Traffic) -> str:
    """That an expectation was not met, and what came instead."""
    criteria = expectation.criteria
    lines = [f"{_tell(criteria, expectation.times, expectation.times_called)}, written at {expectation.written_at}"]
    matching = [r for r in traffic.requests if claimed.get(id(r)) is not expectation and criteria.matches(r)]
    for request in matching[:_MOST_NUMBERS]:
        other = claimed.get(id(request))
        line = f"  {traffic.name(request)} matches it, but"
        if expectation.answer is None:
            lines.append(f"{line} it has no reply: add .reply(…)")
        elif other is not None:
            lines.append(f"{line} was answered by {other.describe()}, written at {other.written_at}")
        else:
            lines.append(f"{line} came before it was written")
    return "\n".join(lines if matching else [*lines, *traffic.explain_nearest(criteria)])


def _tell_passed_over(
    expectations: Sequence[Expectation],
    unmet: Sequence[Expectation],
    violations: Sequence[Violation],
    traffic: Traffic,
) -> list[str]:
    """The expectations without a reply, in whose place something else has answered."""
    blocks = []
    told = {id(violation.request) for violation in violations}
    for expectation in expectations:
        if expectation.answer is None and not expectation.is_never and not any(expectation is e for e in unmet):
            passed = [r for r in traffic.requests if id(r) not in told and expectation.matches(r)]
            if passed:
                blocks.append(
                    f"{traffic.name(passed[0])} was answered by something else, because {expectation.describe()}, "
                    f"written at {expectation.written_at}, has no reply: add .reply(…)"
                )
    return blocks


# -- an assertion ------------------------------------------------------------------------------------------------------


def explain_count(criteria: Criteria, times: Times, traffic: Traffic) -> str:
    """Why the requests that came are not as many as were wanted: the nearest one, and what came at all."""
    found = [request for request in traffic.requests if criteria.matches(request)]
    lines = [_tell(criteria, times, len(found))]
    if found:
        lines.append(f"  matching: {traffic.list_numbers(found)}")
    if len(found) < times[0]:
        lines += traffic.explain_nearest(criteria)
    return "\n".join([*lines, *traffic.list_requests()])

"""Recorded facts to text: why a request found no answer, why an expectation was not met.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

from .expectation import Expectation, describe_criteria, describe_times
from .matching import Criterion, Mismatch
from .request import RecordedRequest

__all__ = ["escape", "explain_count", "explain_no_reply", "explain_unmatched", "explain_unmet", "list_requests"]

_MOST_LINES = 20
_MOST_TEXT = 200


def escape(text: str) -> str:
    """``text`` with whatever a terminal would act on written as an escape, cut to a bearable length."""
    shown = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    return shown if len(shown) <= _MOST_TEXT else f"{shown[:_MOST_TEXT]}… ({len(text)} characters)"


def explain_unmatched(request: RecordedRequest, expectations: Sequence[Expectation]) -> str:
    """Why nothing answered ``request``: the nearest expectation, criterion by criterion."""
    lines = [f"no expectation matches {_describe(request)}"]
    if not expectations:
        lines.append("  nothing was expected: write self.stub.on(…).reply(…) or self.stub.expect(…).reply(…) first")
        return "\n".join(lines)
    used_up = [e for e in expectations if e.matches(request)]
    if used_up:
        lines += [f"  used up: {_describe_expectation(e)}" for e in used_up]
        return "\n".join(lines)
    nearest, mismatches = min(((e, e.compare(request)) for e in expectations), key=lambda pair: _distance(pair[1]))
    lines.append(f"  nearest: {_describe_expectation(nearest)}")
    lines += _criterion_lines(nearest.criteria, mismatches)
    others = len(expectations) - 1
    if others:
        lines.append(f"  {others} other expectation{'s' if others > 1 else ''}:")
        rest = [e for e in expectations if e is not nearest]
        lines += [f"    {_describe_expectation(e)}" for e in rest[:_MOST_LINES]]
        if others > _MOST_LINES:
            lines.append(f"    … and {others - _MOST_LINES} more")
    return "\n".join(lines)


def explain_unmet(expectation: Expectation, requests: Sequence[RecordedRequest]) -> str:
    """Why ``expectation`` counts as not met, with the request that came nearest."""
    lines = [
        f"expected {expectation.describe()} {describe_times(expectation.times)}, got {expectation.times_called}"
        f"  (written at {expectation.written_at})"
    ]
    if expectation.times_called < expectation.times[0]:
        lines += _nearest_request(expectation.criteria, [r for r in requests if not expectation.matches(r)])
    return "\n".join(lines)


def explain_no_reply(expectation: Expectation, request: RecordedRequest) -> str:
    """That an expectation has nothing to answer with."""
    return (
        f"{_describe(request)} matches {expectation.describe()}, which has no reply: "
        f"add .reply(…) to it  (written at {expectation.written_at})"
    )


def explain_count(
    criteria: tuple[Criterion, ...], wanted: str, found: Sequence[RecordedRequest], requests: Sequence[RecordedRequest]
) -> str:
    """Why ``assertRequested`` fails: how many there are, the nearest one, and what came at all."""
    lines = [f"wanted {describe_criteria(criteria)} {wanted}, got {len(found)}"]
    if not found:
        lines += _nearest_request(criteria, requests)
    lines += list_requests(requests)
    return "\n".join(lines)


def list_requests(requests: Sequence[RecordedRequest]) -> list[str]:
    """What the stub was sent in this test, a line each."""
    if not requests:
        return ["  the stub was sent nothing in this test: does the code under test use self.stub.url?"]
    lines = [f"  the stub was sent {len(requests)} request{'s' if len(requests) > 1 else ''} in this test:"]
    lines += [f"    #{request.index} {_describe(request)} -> {_outcome(request)}" for request in requests[:_MOST_LINES]]
    if len(requests) > _MOST_LINES:
        lines.append(f"    … and {len(requests) - _MOST_LINES} more")
    return lines


def _nearest_request(criteria: tuple[Criterion, ...], requests: Sequence[RecordedRequest]) -> list[str]:
    compared = [(r, [m for m in (c.compare(r) for c in criteria) if m is not None]) for r in requests]
    if not compared:
        return []
    nearest, mismatches = min(compared, key=lambda pair: _distance(pair[1]))
    return [f"  nearest: #{nearest.index} {_describe(nearest)}", *_criterion_lines(criteria, mismatches)]


def _criterion_lines(criteria: Sequence[Criterion], mismatches: Sequence[Mismatch]) -> list[str]:
    failed = {mismatch.criterion: mismatch for mismatch in mismatches}
    lines = []
    for criterion in criteria:
        mismatch = failed.get(criterion.name)
        text = f"{criterion.name} {criterion.describe()}" if mismatch is None else escape(str(mismatch))
        lines.append(f"    {'ok  ' if mismatch is None else 'FAIL'} {text}")
    return lines


def _distance(mismatches: Sequence[Mismatch]) -> int:
    return sum(mismatch.weight - (2 if mismatch.hint else 0) for mismatch in mismatches)


def _describe(request: RecordedRequest) -> str:
    size = f", {len(request.body)} bytes of {request.mimetype or 'no content type'}" if request.body else ""
    return escape(f"{request.method} {request.exchange.target}") + escape(size)


def _describe_expectation(expectation: Expectation) -> str:
    called = expectation.times_called
    often = describe_times(expectation.times) if expectation.is_bounded or expectation.times[0] else "any number of times"
    return f"{expectation.describe()}, {often}, called {called} so far  (written at {expectation.written_at})"


def _outcome(request: RecordedRequest) -> str:
    exchange = request.exchange
    if exchange.aborted:
        return escape(exchange.aborted)
    return str(exchange.status) if exchange.status is not None else "being answered"

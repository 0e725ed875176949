"""Recorded facts to text: why a request found no answer, why an expectation was not met.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..core.text import count, quote
from ..web.records import Exchange
from .book import Decision
from .expectation import Expectation
from .matching import Criteria
from .request import RecordedRequest
from .targets import suggest_path
from .times import Times, describe_times
from .traffic import Traffic, describe_exchange, get_distance, get_outcome, list_criteria, shorten

__all__ = [
    "Traffic",
    "Violation",
    "describe_exchange",
    "explain_count",
    "explain_failure",
    "explain_late",
    "explain_order",
    "explain_script",
    "find_violation",
]

_MOST_LINES = 20  # of one kind in a report: who needs more looks at them in a debugger
_MOST_COMPARED = 1000  # expectations among which the nearest is looked for: it takes time
_MOST_NUMBERS = 5


@dataclass(frozen=True)
class Violation:
    """A request that is held against the test in which it came.

    Attributes:
        request: The request.
        text: Why, for the test's report and for the client.
        again: How to send it again.
        nearest: The expectation that it came nearest to, if it was not matched.
        newest: The number of the newest expectation that was there.
    """

    request: RecordedRequest
    text: str
    again: str = ""
    nearest: Expectation | None = None
    newest: int = 0


# -- one request -------------------------------------------------------------------------------------------------------


def find_violation(request: RecordedRequest, decision: Decision, elsewhere: Sequence[str] = ()) -> Violation:
    """Why nothing answered ``request``: the nearest expectation, criterion by criterion.

    Args:
        request: The request.
        decision: What the book said.
        elsewhere: What other stubs have for it, in words.
    """
    what = request.describe()
    nearest = None
    if decision.is_late:
        lines = [f"{what} was complete only when its test was over, so nothing answered it"]
    elif decision.expectation is not None:
        lines = [f"{what} came, and must never come", f"  never: {_name(decision.expectation)}"]
    elif decision.passed_over:
        lines = _explain_passed_over(what, decision.passed_over)
    elif decision.others:
        nearest, lines = _explain_unmatched(request, decision.others)
    else:
        advice = f"stub.on({request.method!r}, {quote(suggest_path(request))}).reply(…), or expect(…) if it must come"
        lines = [f"nothing answers {what}: no expectation is written", f"  write {advice}"]
    lines += [f"  {line}" for line in elsewhere]
    again = f"  to send it again: {request.curl()}"
    return Violation(request, "\n".join(lines), again, nearest, decision.newest)


def _explain_passed_over(what: str, passed_over: Sequence[tuple[Expectation, str]]) -> list[str]:
    reasons = [reason for _, reason in passed_over]
    if any("no reply" in reason for reason in reasons):
        why = "what matches it has no reply; add .reply(…)"
    elif all(reason.startswith("used up") for reason in reasons):
        why = "what matches it is used up"
    else:
        why = "what matches it cannot answer now"
    return [f"nothing answers {what}: {why}", *shorten(passed_over, "  ", _tell_pass)]


def _tell_pass(passed: tuple[Expectation, str]) -> str:
    expectation, reason = passed
    says_more = not reason.startswith("used up") and "no reply" not in reason
    return f"  {_name(expectation)}" + (f"\n    {reason}" if says_more else "")


def _explain_unmatched(request: RecordedRequest, others: Sequence[Expectation]) -> tuple[Expectation, list[str]]:
    compared = [(e, e.criteria.compare(request)) for e in others[-_MOST_COMPARED:]]
    nearest, mismatches = min(compared, key=lambda pair: get_distance(pair[1]))
    lines = [f"no expectation matches {request.describe()}", f"  nearest: {_name(nearest)}"]
    lines += list_criteria(nearest.criteria, mismatches)
    rest = [expectation for expectation in others if expectation is not nearest]
    if rest:
        lines += [f"  {count(len(rest), 'other')}:", *shorten(rest, "    ", lambda each: f"    {_name(each)}")]
    return nearest, lines


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


def explain_failure(
    traffic: Traffic,
    violations: Sequence[Violation],
    expectations: Sequence[Expectation],
    *,
    must_be_met: bool = True,
    unreadable: Sequence[Exchange] = (),
    more: Sequence[str] = (),
) -> str:
    """What is held against a test; empty if nothing is.

    Args:
        traffic: What was sent in it.
        violations: Its own.
        expectations: Those in the book at its end.
        must_be_met: Whether an expectation that is not met is held against it.
        unreadable: What came in it and was no request, or broke off in the middle of one.
        more: What is held against it besides.
    """
    unmet = [e for e in expectations if must_be_met and not e.is_satisfied and not e.is_never]
    blocks: list[str] = []
    groups = _group(violations)
    for same in groups[:_MOST_LINES]:
        numbers = traffic.list_numbers(v.request for v in same)
        blocks.append(f"{numbers}{': ' if numbers else ''}{same[0].text}")
        blocks += _tell_written_later(same[0], expectations, unmet)
        meant = _find_meant(same, unmet, traffic)
        if meant is not None:  # say in the same breath what follows from it
            unmet.remove(meant)
            blocks.append(f"  {_tell(meant.describe(), meant.times, meant.times_called)}")
        blocks.append(same[0].again)
    if len(groups) > _MOST_LINES:
        blocks.append(f"… and {count(len(groups) - _MOST_LINES, 'more request')} that nothing answers")
    blocks += [*_explain_unreadable(unreadable), *more]
    blocks += _tell_passed_over(expectations, unmet, violations, traffic)
    claimed = {id(request): e for e in expectations for request in e.requests} if unmet else {}
    blocks += [_tell_unmet(e, claimed, traffic) for e in unmet[:_MOST_LINES]]
    if len(unmet) > _MOST_LINES:
        blocks.append(f"… and {count(len(unmet) - _MOST_LINES, 'more expectation')} not met")
    return "\n".join([*_mark(blocks, traffic), *traffic.list_requests()]) if blocks else ""


def _mark(blocks: list[str], traffic: Traffic) -> list[str]:
    """The same; the first begins with the name of the stub, where there are several."""
    if blocks and traffic.name_of_stub:
        return [f"stub {quote(traffic.name_of_stub)}: {blocks[0]}", *blocks[1:]]
    return blocks


def _explain_unreadable(exchanges: Iterable[Exchange]) -> list[str]:
    """A line for each that could not be read, and for those that say the same one."""
    texts = dict.fromkeys(f"{describe_exchange(each)} could not be read: {get_outcome(each)}" for each in exchanges)
    return shorten(list(texts), "", str)


def explain_late(stub: str, violations: Sequence[Violation], unreadable: Sequence[Exchange] = ()) -> str:
    """What came to light when its test had been judged, each naming that test; empty if nothing did.

    Args:
        stub: Its name, where there are several.
        violations: Of earlier tests.
        unreadable: What came in earlier tests and could not be read.
    """
    groups = _group(violations)
    lead = f"stub {quote(stub)}: " if stub else ""
    blocks = [f"{lead}left over from {same[0].request.window.name}: {same[0].text}" for same in groups[:_MOST_LINES]]
    if len(groups) > _MOST_LINES:
        blocks.append(f"… and {count(len(groups) - _MOST_LINES, 'more request')} that nothing answers")
    for each in unreadable[:_MOST_LINES]:
        blocks += [f"{lead}left over from {each.window.name}: {line}" for line in _explain_unreadable([each])]
    return "\n".join(blocks)


def _group(violations: Iterable[Violation]) -> list[list[Violation]]:
    """Those that say the same: a client that tries again and again is told of once."""
    groups: dict[tuple[int, str], list[Violation]] = {}
    for violation in violations:
        groups.setdefault((violation.request.window.number, violation.text), []).append(violation)
    return list(groups.values())


def _tell_written_later(
    violation: Violation, expectations: Sequence[Expectation], unmet: Sequence[Expectation]
) -> list[str]:
    """What would answer a request, had it been written before that came; unmet ones say so themselves."""
    later = [e for e in expectations if e.number > violation.newest and not e.is_never and e not in unmet]
    found = [e for e in later[:_MOST_COMPARED] if e.criteria.criteria and e.matches(violation.request)]
    return [f"  {e.describe()}, written at {e.written_at}, was written when it had come already" for e in found[:1]]


def _find_meant(same: Sequence[Violation], unmet: Sequence[Expectation], traffic: Traffic) -> Expectation | None:
    """The unmet expectation that these requests were probably meant for: each is the nearest of the other."""
    nearest = same[0].nearest
    if nearest is None or not any(nearest is e for e in unmet):
        return None
    miss = traffic.find_nearest(nearest.criteria)
    return nearest if miss is not None and any(v.request is miss[0] for v in same) else None


def _tell(what: str, times: Times, called: int, *, none: str = "never came") -> str:
    """As in ``POST '/charges' was expected exactly once, and never came``."""
    came = {0: none, 1: "came once"}.get(called, f"came {called:,} times")
    wanted = "must never come" if times[1] == 0 else f"was expected {describe_times(times)}"
    return f"{what} {wanted}, and {came}"


def _tell_unmet(expectation: Expectation, claimed: dict[int, Expectation], traffic: Traffic) -> str:
    """That an expectation was not met, and what came instead."""
    criteria = expectation.criteria
    matching = [r for r in traffic.requests if claimed.get(id(r)) is not expectation and criteria.matches(r)]
    none = "answered none" if matching else "never came"
    told = _tell(expectation.describe(), expectation.times, expectation.times_called, none=none)
    lines = [f"{told}, written at {expectation.written_at}"]
    for request in matching[:_MOST_NUMBERS]:
        other = claimed.get(id(request))
        line = f"  {traffic.name(request)} matches it, but"
        if expectation.answer is None:
            lines.append(f"{line} it has no reply: add .reply(…)")
        elif other is not None:
            lines.append(f"{line} was answered by {other.describe()}, written at {other.written_at}")
        elif request.newest >= expectation.number:
            lines.append(f"{line} not while it could answer: {_explain_wait(expectation)}")
        else:
            lines.append(f"{line} came before it was written")
    return "\n".join(lines if matching else [*lines, *traffic.explain_nearest(criteria)])


def _explain_wait(expectation: Expectation) -> str:
    """Why an expectation that is there does not answer."""
    if expectation.order is not None:
        return "it stands in an order, and its turn had not come"
    if expectation.state is not None and expectation.scenario is not None:
        return f"{quote(expectation.scenario.name)} was not in state {quote(expectation.state)}"
    return "something else had to answer"


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


# -- an assertion, and a look in between -------------------------------------------------------------------------------


def explain_count(criteria: Criteria, times: Times, traffic: Traffic, *, waited: float = 0.0) -> str:
    """Why the requests that came are not as many as were wanted: the nearest one, and what came at all.

    Args:
        criteria: What was wanted of them.
        times: How many.
        traffic: What came.
        waited: Seconds that were waited for them.
    """
    found = [request for request in traffic.requests if criteria.matches(request)]
    lines = [_tell(criteria.describe(), times, len(found)) + (f" within {waited:g} s" if waited else "")]
    if found:
        lines.append(f"  matching: {traffic.list_numbers(found)}")
    if len(found) < times[0]:
        lines += traffic.explain_nearest(criteria)
    return "\n".join([*lines, *traffic.list_requests()])


def explain_order(steps: Sequence[Criteria], found: Sequence[RecordedRequest], traffic: Traffic, *, exact: bool) -> str:
    """Why requests did not come in an order.

    Args:
        steps: What was wanted.
        found: The requests of the first steps.
        traffic: What came.
        exact: Whether nothing else was to come.
    """
    if len(found) == len(steps):
        text = f"more came than the {count(len(steps), 'request')} that were wanted"
        return "\n".join([text, *traffic.list_requests()])
    missed = steps[len(found)]
    place = traffic.requests.index(found[-1]) if found else -1
    after = f"after {traffic.name(found[-1])}, " if found else ""
    lines = [f"{after}{'next' if exact else 'sooner or later'} must come {missed.describe()}, and did not"]
    for index, request in enumerate(traffic.requests):
        if missed.matches(request) and len(lines) <= _MOST_NUMBERS:
            lines.append(f"  {traffic.name(request)} matches it, and came {'before' if index <= place else 'later'}")
    lines.append("  the order that was wanted:")
    for number, criteria in enumerate(steps):
        mark = "ok  " if number < len(found) else "FAIL" if number == len(found) else "    "
        lines.append(f"    {mark} {criteria.describe()}")
    return "\n".join([*lines, *traffic.list_requests()])


def explain_script(traffic: Traffic, expectations: Sequence[Expectation]) -> str:
    """What is in the script of a stub, and what came."""

    def tell(expectation: Expectation) -> str:
        often = f"{describe_times(expectation.times)}, called {count(expectation.times_called, 'time')}"
        return f"  {expectation.describe()}, {often}, written at {expectation.written_at}"

    head = f"{traffic.stub} knows {count(len(expectations), 'expectation')}{':' if expectations else ''}"
    return "\n".join([head, *shorten(expectations, "  ", tell), *traffic.list_requests()])

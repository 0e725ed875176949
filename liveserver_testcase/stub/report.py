"""Recorded facts to text: why a request found no answer, why an expectation was not met, what came.  Pure.

A report says first what went wrong, then what came nearest to it, criterion by criterion, and at its end lists what
came.  `Traffic` is all that came in a test, and a `Violation` one request that is held against it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import islice
from typing import TypeAlias, TypeVar

from ..core.text import count, one_line, quote
from ..web.records import Exchange
from .expectation import Expectation, Times, cite, describe_calls, describe_times
from .matcher import Mismatch
from .matching import Criteria
from .registry import Decision, Skipped
from .request import RecordedRequest
from .target_matchers import suggest_path

__all__ = [
    "Traffic", "Violation", "describe_exchange", "explain_count", "explain_failure", "explain_late",
    "explain_order", "explain_script", "find_requests", "find_violation", "shorten",
]  # fmt: skip

_MOST_LINES = 20  # of one kind in a report: who needs more looks at them in a debugger
_MOST_COMPARED = 1000  # requests or expectations among which the nearest is looked for: it takes time
_MOST_NUMBERS = 5

_MISTRUST = "does not trust the stub: give it stub.ca_file, or a context of stub.client_context()"
_CLIENT_HINTS = {
    "TLS handshake on a port": "wants TLS of a stub that speaks plain HTTP: does its URL begin with https?",
    "method CONNECT": "takes the stub for its HTTPS proxy, and only a stub with stub_hosts is one",
    "plain HTTP on a port": "speaks plain HTTP to a stub that wants TLS: does its URL begin with http?",
    "alert unknown ca": _MISTRUST,
    "alert bad certificate": _MISTRUST,
    "alert certificate unknown": _MISTRUST,
}

T = TypeVar("T")
L = TypeVar("L")
Line: TypeAlias = "str | Callable[[Traffic | None], str]"
"""A line of a report, or what makes it of what came: only that knows the numbers of requests."""


# -- what came ---------------------------------------------------------------------------------------------------------


class Traffic:
    """What a stub was sent in a test; ``loss`` says what of it is no longer kept, ``name`` which of several stubs."""

    def __init__(self, url: str, exchanges: Sequence[Exchange], loss: str = "", name: str = "") -> None:
        self.requests = find_requests(exchanges)
        self.stub = f"the stub {quote(name)}" if name else "the stub"  # in a sentence
        self.lead = f"stub {quote(name)}: " if name else ""  # in front of a report
        self._url = url
        self._loss = loss
        self._broken: list[Exchange] = []  # what did not come whole
        for exchange in exchanges:
            is_tunnel = exchange.method == "CONNECT" and exchange.status == 200 and not exchange.aborted
            request = exchange.handler_data
            if request.failure if isinstance(request, RecordedRequest) else not is_tunnel:
                self._broken.append(exchange)

    @cached_property
    def _numbers(self) -> dict[int, int]:
        return {id(request): number for number, request in enumerate(self.requests, 1)}

    def name(self, request: RecordedRequest) -> str:
        """A request with its number: the first of the test is #1; one that is no longer kept has none."""
        number = self._numbers.get(id(request))
        return f"#{number} {request.describe()}" if number else request.describe()

    def list_numbers(self, requests: Iterable[RecordedRequest]) -> str:
        """As in ``#1, #3``; requests that are no longer kept have no number."""
        found = [f"#{self._numbers[id(r)]}" for r in requests if id(r) in self._numbers]
        more = f" and {len(found) - _MOST_NUMBERS:,} more" if len(found) > _MOST_NUMBERS else ""
        return ", ".join(found[:_MOST_NUMBERS]) + more

    def find_nearest(self, criteria: Criteria) -> tuple[RecordedRequest, list[Mismatch]] | None:
        """Return the request that misses the criteria by the least."""
        compared = [(request, criteria.compare(request)) for request in self.requests[-_MOST_COMPARED:]]
        return min((miss for miss in compared if miss[1]), key=_get_distance, default=None)

    def explain_nearest(self, criteria: Criteria) -> list[str]:
        """Return the request that misses the criteria by the least, criterion by criterion."""
        miss = self.find_nearest(criteria)
        return [f"  nearest: {self.name(miss[0])}", *_list_criteria(criteria, miss[1])] if miss is not None else []

    def list_requests(self) -> list[str]:
        """What came, a line each."""
        lines = []
        if self.requests:
            lines.append(f"{self.stub} at {self._url} was sent {count(len(self.requests), 'request')} in this test:")
            lines += shorten(self.requests, "  ", lambda r: f"  {self.name(r)} -> {_get_outcome(r.exchange)}")
        if self._broken:
            what = f"{count(len(self._broken), 'request')} that {'was' if len(self._broken) == 1 else 'were'}"
            start = "and" if lines else f"{self.stub} at {self._url} was sent"
            lines.append(f"{start} {what} incomplete or malformed:")
            lines += shorten(self._broken, "  ", lambda each: f"  {describe_exchange(each)}: {_get_outcome(each)}")
            reasons = [each.refused or each.aborted for each in self._broken]
            hints = [hint for sign, hint in _CLIENT_HINTS.items() if any(sign in each for each in reasons)]
            lines += [f"  a client {hint}" for hint in dict.fromkeys(hints)]
        if not lines:
            lines.append(f"{self.stub} was sent nothing in this test: does the code under test use {self._url}?")
        return [*lines, self._loss] if self._loss else lines


def find_requests(exchanges: Iterable[Exchange]) -> list[RecordedRequest]:
    """The requests that came whole."""
    records = [exchange.handler_data for exchange in exchanges]
    return [record for record in records if isinstance(record, RecordedRequest) and not record.failure]


def describe_exchange(exchange: Exchange) -> str:
    """Its request line, or that none could be made out, without secrets."""
    return one_line(exchange.describe())


def _get_outcome(exchange: Exchange) -> str:
    """The status that it was answered with, or why it was not."""
    request = exchange.handler_data if isinstance(exchange.handler_data, RecordedRequest) else None
    reason = exchange.refused or exchange.aborted or (request.failure if request is not None else "")
    if reason:
        return one_line(reason)
    if request is not None and request.websocket is not None:
        return f"{exchange.status or 'no answer'}, {request.websocket._channel.summarize()}"
    reply = request.reply if request is not None else None
    status = exchange.status or (reply.status if reply is not None else "still coming")
    return f"{status} after {reply.delay:g} s" if reply is not None and reply.delay else str(status)


def shorten(items: Sequence[T], margin: str, write: Callable[[T], L]) -> list[L | str]:
    """A line for each item; for the first and the last of them, if there are many."""
    if len(items) <= _MOST_LINES:
        return [*map(write, items)]
    half = _MOST_LINES // 2
    more = f"{margin}… {len(items) - 2 * half:,} more …"
    return [*map(write, items[:half]), more, *map(write, items[-half:])]


def _list_criteria(criteria: Criteria, mismatches: Sequence[Mismatch]) -> list[str]:
    """Each criterion on a line: whether it is met, and how not."""
    failed = {mismatch.criterion: mismatch for mismatch in mismatches}
    if "path" in failed and "method" in failed:  # who asks for something else has not mistaken the method
        failed["method"] = replace(failed["method"], hint="")
    lines = []
    for criterion in criteria.matchers:
        mismatch = failed.get(criterion.name)
        if mismatch is None:
            lines.append(f"    ok   {criterion.name} {criterion.describe()}")
        else:
            lines += [f"    FAIL {mismatch}", *(f"         {line}" for line in mismatch.details)]
    return lines


def _get_distance(miss: tuple[object, Sequence[Mismatch]]) -> float:
    return sum(mismatch.distance for mismatch in miss[1])


# -- one request -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Violation:
    """A request that is held against the test in which it came, and why."""

    request: RecordedRequest
    lines: tuple[Line, ...]
    nearest: Expectation | None = None  # to which it came nearest, if it was not matched
    is_repeatable: bool = True  # not to open a WebSocket on which something has gone wrong

    def explain(self, traffic: Traffic | None = None) -> str:
        """Say why; with the numbers of other requests, where it is known what came in the test."""
        return "\n".join(line if isinstance(line, str) else line(traffic) for line in self.lines)

    @property
    def again(self) -> str:
        """How to send it again."""
        return f"  to send it again: {self.request.curl()}"


def find_violation(request: RecordedRequest, decision: Decision, elsewhere: Sequence[str] = ()) -> Violation:
    """Return why nothing answered ``request``, and what other stubs have for it: ``elsewhere``, in words."""
    what = request.describe()
    nearest = None
    lines: list[Line]
    if decision.is_late:
        lines = [f"{what} was complete only when its test was over, so nothing answered it"]
    elif decision.foreign_host:
        host = quote(decision.foreign_host)
        known = ", ".join(map(quote, decision.hosts))
        lines = [
            f"{what} was refused, since {host} is none of the stub's hosts; nothing reached the network",
            f"  they are {known}: add {host}, or where it may be refused write",
            f"  with stub.allow_unmatched(host={host}): …",
        ]
    elif decision.expectation is not None:
        lines = [f"{what} came, and must never come", _name("  never: ", decision.expectation)]
    elif decision.skipped:
        lines = _explain_skipped(what, decision.skipped)
    elif decision.others:
        compared = [(e, e.criteria.compare(request)) for e in decision.others[-_MOST_COMPARED:]]
        nearest, mismatches = min(compared, key=_get_distance)
        lines = [f"no expectation matches {what}", _name("  nearest: ", nearest)]
        lines += _list_criteria(nearest.criteria, mismatches)
        if request.opens_websocket and not any(matcher.name == "upgrade" for matcher in nearest.criteria.matchers):
            lines.append(f"  it opens a WebSocket: write {_advise_websocket(request)}")
        rest = [expectation for expectation in decision.others if expectation is not nearest]
        if rest:
            lines += [f"  {count(len(rest), 'other')}:", *shorten(rest, "    ", partial(_name, "    "))]
    else:
        advice = f"stub.on({request.method!r}, {quote(suggest_path(request))}).reply(…), or expect(…) if it must come"
        if request.opens_websocket:
            advice = f"{_advise_websocket(request)}: it opens a WebSocket"
        lines = [f"nothing answers {what}: no expectation is written", f"  write {advice}"]
    return Violation(request, (*lines, *(f"  {line}" for line in elsewhere)), nearest)


def _advise_websocket(request: RecordedRequest) -> str:
    return f"stub.on_websocket({quote(suggest_path(request))}), or expect_websocket(…) if it must come"


def _explain_skipped(what: str, skipped: Sequence[Skipped]) -> list[Line]:
    """That expectations match a request, and why none of them answers it."""
    is_used_up = all(each.expectation.answer is not None and not each.has_room for each in skipped)
    why = "no expectation is left for it" if is_used_up else "what matches it cannot answer now"
    if any(each.expectation.answer is None for each in skipped):
        why = "what matches it has no reply; add .reply(…)"
    lines: list[Line] = [f"nothing answers {what}: {why}", *shorten(skipped, "  ", _format_skipped)]
    if is_used_up and len(skipped) == 1:
        lines.append(f"  for more write times={skipped[0].expectation.times_called + 1:,}, or on() for any number")
    return lines


def _format_skipped(skipped: Skipped) -> Line:
    expectation, has_room, state, first = skipped
    name = _name("  ", expectation)
    if expectation.answer is None or not has_room or not isinstance(name, str):
        return name  # which says so
    why = "it matches now, and did not then"
    if expectation.state is not None and expectation.scenario is not None and expectation.state != state:
        scenario = expectation.scenario.name
        why = f"it wants {scenario!r} in state {expectation.state!r}, which is in state {state!r}"
    elif first is not None:
        why = f"it is later in its order: first must come {cite(first)}"
    elif expectation.order is not None:
        why = "its turn in the order is over"
    return f"{name}\n    {why}"


def _name(lead: str, expectation: Expectation) -> Line:
    """Criteria, where they stand, and what prevents the expectation from answering."""
    if expectation.answer is None and not expectation.is_never:
        return f"{lead}{expectation.describe()}, without a reply, written at {expectation.location}"
    name = f"{lead}{cite(expectation)}"
    if expectation.has_room or expectation.is_never:
        return name

    def format_used_up(traffic: Traffic | None) -> str:
        most = expectation.times_called
        numbers = traffic.list_numbers(expectation.requests) if traffic is not None else ""
        had = f"{numbers} had" if numbers else "has had"
        return f"{name}, was for {count(most, 'request')}, and {had} {'it' if most == 1 else 'them'}"

    return format_used_up


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
    """Say what is held against a test, at whose end these expectations were there; empty if nothing is."""
    unmet = [e for e in expectations if must_be_met and not e.is_satisfied and not e.is_never]
    blocks: list[str] = []
    groups = _group(violations)
    for same in groups[:_MOST_LINES]:
        violation = same[0]
        numbers = traffic.list_numbers(each.request for each in same)
        blocks.append(f"{numbers}{': ' if numbers else ''}{violation.explain(traffic)}")
        if violation.is_repeatable:  # else it was answered, and something has gone wrong then
            # What would answer it, had it been written before the request came; unmet ones say so themselves.
            later = [e for e in expectations if e.number > violation.request.newest and not e.is_never]
            later = [e for e in later if e not in unmet][:_MOST_COMPARED]
            found = (e for e in later if e.criteria.matchers and e.matches(violation.request))
            blocks += [f"  {cite(e)}, was written when it had come already" for e in islice(found, 1)]
        # The unmet expectation that these requests were probably meant for: each is the nearest of the other.
        meant = violation.nearest if violation.nearest in unmet else None
        miss = traffic.find_nearest(meant.criteria) if meant is not None else None
        if meant is not None and miss is not None and any(each.request is miss[0] for each in same):
            unmet.remove(meant)
            blocks.append(f"  {_format_times(meant.describe(), meant.times, meant.times_called)}")
        if violation.is_repeatable:
            blocks.append(violation.again)
    if len(groups) > _MOST_LINES:
        blocks.append(f"… and {count(len(groups) - _MOST_LINES, 'more request')} that nothing answers")
    blocks += [*_explain_unreadable(unreadable), *more]
    violating = {id(violation.request) for violation in violations}
    for mute in [e for e in expectations if e.answer is None and not e.is_never and e not in unmet]:
        passed = (request for request in traffic.requests if id(request) not in violating and mute.matches(request))
        blocks += [
            f"{traffic.name(request)} was answered by something else, because {cite(mute)}, has no reply: add .reply(…)"
            for request in islice(passed, 1)
        ]
    claimed = {id(request): e for e in expectations for request in e.requests} if unmet else {}
    blocks += [_format_unmet(e, claimed, traffic) for e in unmet[:_MOST_LINES]]
    if len(unmet) > _MOST_LINES:
        blocks.append(f"… and {count(len(unmet) - _MOST_LINES, 'more expectation')} not met")
    if not blocks:
        return ""
    return "\n".join([f"{traffic.lead}{blocks[0]}", *blocks[1:], *traffic.list_requests()])


def _explain_unreadable(exchanges: Iterable[Exchange]) -> list[str]:
    """A line for each that could not be read, and for those that say the same one."""
    texts = dict.fromkeys(f"{describe_exchange(each)} could not be read: {_get_outcome(each)}" for each in exchanges)
    return shorten(list(texts), "", str)


def explain_late(stub: str, violations: Sequence[Violation], unreadable: Sequence[Exchange] = ()) -> str:
    """What came to light when its test had been judged, each naming that test; empty if nothing did."""
    groups = _group(violations)
    lead = f"stub {quote(stub)}: " if stub else ""
    first = [same[0] for same in groups[:_MOST_LINES]]
    blocks = [f"{lead}left over from {each.request.window.name}: {each.explain()}" for each in first]
    if len(groups) > _MOST_LINES:
        blocks.append(f"… and {count(len(groups) - _MOST_LINES, 'more request')} that nothing answers")
    for each in unreadable[:_MOST_LINES]:
        blocks += [f"{lead}left over from {each.window.name}: {line}" for line in _explain_unreadable([each])]
    return "\n".join(blocks)


def _group(violations: Iterable[Violation]) -> list[list[Violation]]:
    """Those that say the same: a client that tries again and again is named once."""
    groups: dict[tuple[int, str], list[Violation]] = {}
    for violation in violations:
        groups.setdefault((violation.request.window.number, violation.explain()), []).append(violation)
    return list(groups.values())


def _format_times(what: str, times: Times, called: int, *, none: str = "never came") -> str:
    """As in ``POST '/charges' was expected exactly once, and never came``."""
    came = {0: none, 1: "came once"}.get(called, f"came {called:,} times")
    wanted = "must never come" if times[1] == 0 else f"was expected {describe_times(times)}"
    return f"{what} {wanted}, and {came}"


def _format_unmet(expectation: Expectation, claimed: dict[int, Expectation], traffic: Traffic) -> str:
    """That an expectation was not met, and what came instead."""
    criteria = expectation.criteria
    matching = [r for r in traffic.requests if claimed.get(id(r)) is not expectation and criteria.matches(r)]
    none = "answered none" if matching else "never came"
    text = _format_times(expectation.describe(), expectation.times, expectation.times_called, none=none)
    lines = [f"{text}, written at {expectation.location}"]
    if not matching:
        return "\n".join([*lines, *traffic.explain_nearest(criteria)])
    why = "something else had to answer"
    if expectation.order is not None:
        why = "it stands in an order, and its turn had not come"
    elif expectation.state is not None and expectation.scenario is not None:
        why = f"{quote(expectation.scenario.name)} was not in state {quote(expectation.state)}"
    for request in matching[:_MOST_NUMBERS]:
        other = claimed.get(id(request))
        if expectation.answer is None:
            but = "it has no reply: add .reply(…)"
        elif other is not None:
            but = f"was answered by {cite(other)}"
        elif request.newest >= expectation.number:
            but = f"not while it could answer: {why}"
        else:
            but = "came before it was written"
        lines.append(f"  {traffic.name(request)} matches it, but {but}")
    return "\n".join(lines)


# -- an assertion, and a look in between -------------------------------------------------------------------------------


def explain_count(criteria: Criteria, times: Times, traffic: Traffic, *, waited: float = 0.0) -> str:
    """Why the requests that came, and were waited for so long, are not as many as were wanted."""
    found = [request for request in traffic.requests if criteria.matches(request)]
    lines = [_format_times(criteria.describe(), times, len(found)) + (f" within {waited:g} s" if waited else "")]
    if found:
        lines.append(f"  matching: {traffic.list_numbers(found)}")
    if len(found) < times[0]:
        lines += traffic.explain_nearest(criteria)
    return "\n".join([*lines, *traffic.list_requests()])


def explain_order(steps: Sequence[Criteria], found: Sequence[RecordedRequest], traffic: Traffic, *, exact: bool) -> str:
    """Why requests did not come in an order; ``found`` are those of its first steps."""
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
    head = f"{traffic.stub} knows {count(len(expectations), 'expectation')}{':' if expectations else ''}"
    lines = shorten(expectations, "  ", lambda e: f"  {e.describe()}, {describe_calls(e)}, written at {e.location}")
    return "\n".join([head, *lines, *traffic.list_requests()])

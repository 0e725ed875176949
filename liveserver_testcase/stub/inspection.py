"""What a stub was sent: to look at, to wait for, and to hold against the test.

An `Inspection` reads the journal, in which every exchange is put when it arrives, and keeps what speaks against a test
until that is asked for, once.  What came in an earlier test than the one that runs is kept apart, and names its test.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

from ..core.checks import check_seconds
from ..core.journal import drain
from ..core.text import count, describe_error, quote
from ..web.records import Exchange
from .expectation import Expectation, cite
from .registry import Decision, ExpectationRegistry
from .reply import Reply
from .report import Traffic, Violation, describe_exchange, explain_failure, explain_late, find_requests, find_violation
from .request import RecordedRequest
from .waiting import Wait

if TYPE_CHECKING:
    from ..core.started import StartedBlock, StartedCoroutine
    from .engine import StubEngine

__all__ = ["Failure", "Inspection"]

__unittest = True

T = TypeVar("T")
_Raised: TypeAlias = tuple[Exchange, BaseException]

_MOST_HELD = 1000  # failures that are kept one by one: a report shows the first twenty that differ


class Failure(NamedTuple):
    """What is held against a test: why, and the exception behind it, if there is one."""

    text: str
    error: BaseException | None = None


class Inspection:
    """The requests of the test that runs, and what is held against it."""

    is_remote = False  # whether the stub is in another process

    def __init__(self, engine: StubEngine, registry: ExpectationRegistry) -> None:
        self.name = ""  # see `HTTPStub`; so for the next four
        self.timeout = 2.0
        self.is_strict = self.is_verified = True
        self.unmatched_reply = Reply(501)
        self.has_early = False  # whether anything is to fail before a request's body has come
        self.siblings: list[Inspection] = []  # of the other stubs of the test: a report looks at what they expect
        # The calls of the test that are to be awaited, or entered; None where nothing could fail for one.
        self.started: list[StartedCoroutine | StartedBlock] | None = None
        self._engine = engine
        self._registry = registry
        self._taking = threading.Lock()  # two threads that take a request take two
        self._surplus = 0  # violations of this test beyond those that are kept
        # What no report has said yet, of the test that runs and of earlier ones: each exchange, and what was wrong with
        # it; None if no request could be made out of it.
        self._held: list[tuple[Exchange, Violation | BaseException | None]] = []

    # -- what has come ---------------------------------------------------------------------------------------------

    @property
    def exchanges(self) -> list[Exchange]:
        """All that came in this test."""
        journal = self._engine.journal
        return journal.entries(journal.window)

    @property
    def requests(self) -> list[RecordedRequest]:
        """Those of them that came whole."""
        return find_requests(self.exchanges)

    @property
    def traffic(self) -> Traffic:
        """What came, for a report."""
        return Traffic(self._engine.url, self.exchanges, self._engine.journal.dropped_message, self.name)

    # -- while requests come ---------------------------------------------------------------------------------------

    def note_unanswered(self, request: RecordedRequest, decision: Decision) -> Violation:
        """Hold it against the test, unless that allows it, that nothing answers a request; returns why."""
        elsewhere = [
            f"the stub {sibling.name or 'stub'!r} at {sibling._engine.url} expects it: {cite(expectation)}"
            for sibling in self.siblings
            for expectation in sibling._registry.expectations[-100:]
            if not expectation.is_never and expectation.criteria.matchers and expectation.matches(request)
        ]
        violation = find_violation(request, decision, elsewhere)
        if decision.expectation is None and not decision.is_late:
            request.is_unmatched = True
        if decision.expectation is not None or decision.is_late or (self.is_strict and not decision.is_allowed):
            self._hold_against(request.exchange, violation)
        return violation

    def note_unreadable(self, exchange: Exchange) -> None:
        """Hold against the test what came and was no request, or broke off in the middle of one."""
        request = exchange.handler_data
        if self.is_strict and not self._registry.allows(request if isinstance(request, RecordedRequest) else None):
            self._hold_against(exchange, None)

    def note_violation(self, violation: Violation) -> None:
        """Hold it against the test, unless that allows it, that something has gone wrong on a WebSocket."""
        if self.is_strict and not self._registry.allows(violation.request):
            self._hold_against(violation.request.exchange, violation)

    def _hold_against(self, exchange: Exchange, what: Violation | None) -> None:
        """Note what is held against the test; when there is as much of it as anybody can read, count it."""
        if len(self._held) < min(self._engine.journal.limit, _MOST_HELD):
            self._held.append((exchange, what))
        else:
            self._surplus += 1

    # -- a test begins ---------------------------------------------------------------------------------------------

    def begin(self, name: str) -> None:
        """Begin a test: forget what the one before has written, recorded and held."""
        journal = self._engine.journal
        journal.clear()  # first: a request that comes in between belongs to the old test, and is not lost
        self._surplus = 0
        self._registry.begin(lambda: journal.begin(name))
        for request in self._list_in_flight():  # not before: one of the old test may just be coming to its hold
            if request.held_by is not None:
                request.held_by.drop_before(journal.window.number)

    def _list_in_flight(self) -> list[RecordedRequest]:
        """The requests that are being answered, of whatever test."""
        records = [exchange.handler_data for exchange in self._engine.in_flight]
        return [record for record in records if isinstance(record, RecordedRequest)]

    def reset(self) -> None:
        """Forget what is held against the test, and what it has written unless that is of the class."""
        self._take_held()
        self._registry.clear()

    # -- what is held against a test -------------------------------------------------------------------------------

    def settle(self, timeout: float) -> None:
        """Wait, for ``timeout`` seconds at most, until it is decided what answers each request of this test."""
        self._engine.journal.wait_for(self._engine.is_decided, timeout)

    def settle_and(self, conclude: Callable[[], T]) -> Wait[T]:
        """Wait as `settle` does, and then conclude."""
        return Wait(self._engine.journal, self._engine.is_decided, self.timeout, lambda _: conclude())

    def take_failures(self) -> list[Failure]:
        """Return what is held against this test, see `HTTPStub.failure_report`: each request once."""
        current = self._engine.journal.window.number
        violations, unreadable, errors = self._take_held(current)
        traffic, expectations = self.traffic, self._registry.expectations
        more = []
        for request in self._list_in_flight():
            hold, serving = request.held_by, request.serving
            if request.window.number == current and hold is not None and serving is not None and not serving.has_left():
                said = hold.report_unanswered(request)
                more += [f"{traffic.name(request)} {said}"] if said else []
        more += self._explain_scripts(traffic, expectations, once=True)
        if self._surplus:
            more.append(f"… and {count(self._surplus, 'more request')} without an answer")
            self._surplus = 0
        report = explain_failure(
            traffic, violations, expectations, must_be_met=self.is_verified, unreadable=unreadable, more=more
        )
        failures = [self._explain_error(*raised) for raised in errors]
        return [*failures, Failure(report)] if report else failures

    def _take_held(self, window: int | None = None) -> tuple[list[Violation], list[Exchange], list[_Raised]]:
        """Take what is held against the test of this number, or all; more may be put there meanwhile."""
        self._held += self._engine.take_errors()
        known = drain(self._held)
        self._held[:0] = [each for each in known if window not in (None, each[0].window.number)]
        taken = [each for each in known if window in (None, each[0].window.number)]
        return (
            [what for _, what in taken if isinstance(what, Violation)],
            [exchange for exchange, what in taken if what is None],
            [(exchange, what) for exchange, what in taken if isinstance(what, BaseException)],
        )

    def _explain_scripts(self, traffic: Traffic, expectations: Sequence[Expectation], *, once: bool) -> Iterator[str]:
        """Say what of the scripts of WebSockets has not happened, or has happened besides."""
        for request in traffic.requests if self.is_verified else ():
            if request.websocket is None or request.expectation not in expectations:
                continue
            lines = request.websocket._channel.script.explain_problem(once=once)
            if lines:
                yield "\n".join([f"{traffic.list_numbers([request])}: {lines[0]}", *lines[1:]])

    def take_late_failures(self) -> list[Failure]:
        """Return what is held against tests that were judged already; each is said once and names its test."""
        violations, unreadable, errors = self._take_held()
        failures = [self._explain_error(*raised, late=True) for raised in errors]
        report = explain_late(self.name, violations, unreadable)
        return [*failures, Failure(report)] if report else failures

    def take_all(self) -> tuple[list[Failure], list[Failure], list[Failure]]:
        """Return what is held against this test, what is against earlier ones, and both for when this one is over."""
        self._held += self._engine.take_errors()
        held = list(self._held)
        current, late = self.take_failures(), self.take_late_failures()
        self._held = held
        return current, late, self.take_late_failures()

    def _explain_error(self, exchange: Exchange, error: BaseException, *, late: bool = False) -> Failure:
        lead = f"stub {quote(self.name)}: " if self.name else ""
        when = f"left over from {exchange.window.name}: " if late else ""
        what = f"{describe_exchange(exchange)} could not be answered: {describe_error(error)}"
        return Failure(f"{lead}{when}{what}", error)

    def raise_failures(self) -> None:
        """Fail if anything is held against this test."""
        failures = self.take_failures()
        if failures:
            raise AssertionError("\n\n".join(failure.text for failure in failures)) from failures[0].error

    def check_met(self, expectations: Sequence[Expectation], *, stop_on_unmatched: bool = False) -> None:
        """Fail unless these expectations are met, or if a wait for them was stopped by an unmatched request."""
        traffic = self.traffic
        scripts = self._explain_scripts(traffic, expectations, once=False)
        report = explain_failure(traffic, [], expectations, more=[*scripts])
        first = next((each for each in traffic.requests if each.is_unmatched), None) if stop_on_unmatched else None
        if first is not None:
            held = "\n\n".join(failure.text for failure in self.take_failures())
            report = f"stopped waiting, since nothing answers {traffic.name(first)}\n{held or report}"
        if report:
            raise AssertionError(report)

    # -- waits -----------------------------------------------------------------------------------------------------

    def wait(self, until: Callable[[], T | None], timeout: float | None, what: str) -> Wait[T]:
        """Wait for ``what``, and return it: the first true result of ``until()``."""
        seconds = self.get_seconds(timeout)

        def check(result: T | None) -> T:
            if not result:
                raise AssertionError("\n".join([f"waited {seconds:g} s for {what}", *self.traffic.list_requests()]))
            return result

        return Wait(self._engine.journal, until, seconds, check)

    def get_seconds(self, timeout: float | None) -> float:
        """How long a wait lasts that was given this ``timeout``."""
        return self.timeout if timeout is None else check_seconds("timeout", timeout)

    def take_next(self, timeout: float | None) -> Wait[RecordedRequest]:
        """Wait for the oldest request of this test that was not taken yet, and take it."""

        def take() -> RecordedRequest | None:
            with self._taking:
                request = next((request for request in self.requests if not request.is_taken), None)
                if request is not None:
                    request.is_taken = True
                return request

        taken = sum(request.is_taken for request in self.requests)
        return self.wait(take, timeout, f"request #{taken + 1}, after those that were taken" if taken else "a request")

    def is_satisfied(self) -> bool:
        """Return True if every expectation is met, and the requests for it are recorded."""
        expected = self._registry.expectations
        for expectation in expected:
            must_go_on = getattr(expectation.answer, "must_go_on", None)  # of those of WebSockets
            if must_go_on is not None and any(map(must_go_on, expectation.requests)):
                return False
        return all(e.has_enough and all(r.exchange.handler_data is r for r in e.requests) for e in expected)

"""The script of a stub: what it is told to answer, and what it says of what happened."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ..core.journal import drain
from ..core.text import count, describe_error, quote
from ..errors import UsageError
from ..web.http_server import HTTPServer
from ..web.records import Exchange
from .answer import Answer
from .book import Book
from .content import Chunked, Content, make_content_answer
from .diagnosis import Traffic, Violation, explain_failure, explain_late, explain_script, find_violation
from .expectation import Expectation, Order
from .keywords import suggest_keywords
from .matching import CriteriaKeywords, make_criteria, make_criteria_of
from .place import find_caller
from .reply import Headers, Reply
from .request import RecordedRequest
from .scripting import ScenarioScript, Scripting, Wish
from .traffic import describe_exchange, find_requests
from .waiting import Waiting, refuse_in_loop

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Failure", "Script"]

__unittest = True

T = TypeVar("T")

_DO_NOT_RETRY = ("x-should-retry", "false")  # heeded by the SDKs that Stainless generates: a script has no other answer


class Failure(NamedTuple):
    """What is held against a test: why, and the exception behind it, if there is one."""

    text: str
    error: BaseException | None = None


class Script(Waiting, Scripting, HTTPServer):
    """The part of an `HTTPStub` that is scripted, decides and judges; how it answers on the wire is no matter here.

    Attributes:
        name: What reports call it, where there are several; empty for the only one.
        timeout: Seconds that a wait lasts where nothing else is said.
        is_strict: Whether a request that nothing answers, or that cannot be read, is held against the test.
        is_verified: Whether an expectation that is not met is held against the test.
        unmatched_reply: What the client gets whose request nothing answers; without a body, the report.
        has_early: Whether anything is to fail before a request's body has come.
        siblings: The other stubs of the test, whose expectations a report looks at, too.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.name = ""
        self.timeout = 2.0
        self.has_early = False
        self.is_strict = self.is_verified = True
        self.unmatched_reply = Reply(501)
        self.siblings: list[Script] = []
        self._book = Book()
        self._taking = threading.Lock()  # two threads that take a request take two
        self._order: Order | None = None
        self._violations: list[Violation] = []  # that no verdict has told of yet
        self._late: list[Violation] = []  # of earlier tests than the one that was judged
        self._unreadable: list[Exchange] = []
        self._late_unreadable: list[Exchange] = []
        self._late_errors: list[tuple[Exchange, BaseException]] = []
        self._surplus = 0  # violations of this test beyond as many as the journal keeps
        self.journal.on_drop = _forget

    # -- scripting -------------------------------------------------------------------------------------------------

    def _write(self, wish: Wish) -> Expectation:
        if wish.state is not None and wish.scenario is None:
            raise UsageError(
                f"state is {quote(wish.state)}, but of no scenario; "
                f"write stub.scenario('…').on(…, state={quote(wish.state)})"
            )
        criteria = make_criteria_of(wish.method, wish.path, wish.wanted)
        expectation = Expectation(
            criteria,
            wish.times,
            written_at=find_caller(),
            name=wish.name,
            owner=self,
            scenario=wish.scenario,
            state=wish.state,
            reply_headers=wish.reply_headers,
        )
        expectation.order = self._order
        self._book.add(expectation)
        return expectation

    def forget(self, expectation: Expectation) -> None:
        """Take ``expectation`` out of the script, as its ``remove()`` does."""
        self._book.remove(expectation)

    @suggest_keywords
    def serve_content(
        self,
        content: Content = "",
        code: int = 200,
        headers: Headers | None = None,
        *,
        chunked: Chunked | bool | None = Chunked.NO,
        cookies: Mapping[str, str] | None = None,
        delay: float = 0.0,
        show_post_vars: bool = False,
    ) -> None:
        """Answer with ``content`` whatever no expectation matches; each call replaces the last one, headers and all.

        Args:
            content: Bytes, or text that is sent as UTF-8 ``text/html``; or several pieces of either.
            code: The status.
            headers: A mapping, or pairs where a name comes twice.
            chunked: Whether each piece is sent as a chunk.
            cookies: Names and values, sent as Set-Cookie.
            delay: Seconds before the answer.
            show_post_vars: Whether a form that is posted is answered with its fields, as JSON, instead.

        Raises:
            UsageError: One of these cannot be sent.
            TypeError: An unknown keyword; the message names the nearest.
        """
        answer = make_content_answer(
            content,
            code,
            headers,
            chunked=chunked,
            cookies=cookies,
            delay=delay,
            show_post_vars=show_post_vars,
        )
        self._book.serve(answer)

    def enqueue(self, reply: object, *, method: str | None = None) -> Expectation:
        """Answer the next request that nothing else answers with this; after those that were enqueued before.

        Args:
            reply: A `Reply`, a status, or whatever else a view of Flask returns.
            method: Only a request with this method, before those for any.

        Returns:
            What was enqueued, with its request when that has come.

        Raises:
            UsageError: It is nothing that can be sent.
        """
        expectation = Expectation(make_criteria(method), (0, 1), written_at=find_caller(), owner=self)
        expectation.reply(reply)
        self._book.enqueue(expectation)
        return expectation

    @contextlib.contextmanager
    def in_order(self) -> Iterator[None]:
        """Have requests come in the order in which their expectations are written inside.

        What comes before its turn is answered by something else, or by nothing.

        Raises:
            UsageError: It is inside another order.
        """
        if self._order is not None:
            raise UsageError("in_order() stands inside another in_order(); write one after the other")
        self._order = Order()
        try:
            yield
        finally:
            self._order = None

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Have what is written inside end with the block, and be verified there.

        Raises:
            AssertionError: At the end of the block: an expectation that was written inside is not met.
            UsageError: It would block a running event loop: write ``async with stub.scope_async()`` there.
        """
        refuse_in_loop("stub.scope()", "async with stub.scope_async()")
        with self._scope() as check:
            yield
            self.settle(self.timeout)
            check()

    @contextlib.asynccontextmanager
    async def scope_async(self) -> AsyncIterator[None]:
        """Like `scope`, for code on an event loop."""
        with self._scope() as check:
            yield
            await self.settle_async(self.timeout)
            check()

    @contextlib.contextmanager
    def _scope(self) -> Iterator[Callable[[], None]]:
        """Strike out at the end of the block what was written in it; what it is given fails if that is not met."""
        scope = self._book.begin_scope()

        def check() -> None:
            report = explain_failure(self.traffic, [], self._book.end_scope(scope))
            if report:
                raise AssertionError(report)

        try:
            yield check
        finally:
            self._book.end_scope(scope)

    def scenario(self, name: str, first: str | None = None) -> ScenarioScript:
        """A view of the stub for a thing with a state, such as an order that is new, paid and then shipped.

        Expectations that are written through it can want a ``state`` and move the thing on with ``then_state()``; the
        move is one with the answer, so that no second request finds the old state.

        Args:
            name: Of the thing; the same name is the same thing.
            first: The state in which each test finds it; ``start`` if none of the views says another.

        Raises:
            UsageError: The name is no text, or the thing begins in another state.
        """
        if not isinstance(name, str) or not name:
            raise UsageError(f"name is {quote(name)}; wanted a text")
        return ScenarioScript(self, self._book.find_scenario(name, first))

    @contextlib.contextmanager
    def allow_unmatched(
        self, method: object = None, path: object = None, /, **criteria: Unpack[CriteriaKeywords]
    ) -> Iterator[None]:
        """Hold nothing against the test if nothing answers requests like this while the block lasts."""
        allowed = make_criteria(method, path, **criteria)
        self._book.allow(allowed)
        try:
            yield
        finally:
            self._book.disallow(allowed)

    # -- what happened ---------------------------------------------------------------------------------------------

    @property
    def expectations(self) -> list[Expectation]:
        """What is in the book, oldest first; a snapshot."""
        return self._book.expectations

    @property
    def exchanges(self) -> list[Exchange]:
        """All that came in this test, also what was malformed or broke off; a snapshot."""
        return self.journal.entries(self.journal.window)

    @property
    def requests(self) -> list[RecordedRequest]:
        """What it was sent in this test, in the order of arrival; a snapshot.

        A request is there once its body has arrived and its answer is decided, before the client gets it.
        """
        return find_requests(self.exchanges)

    @property
    def failed_requests(self) -> list[RecordedRequest]:
        """The requests of this test that broke off in the middle, each with its ``failure``; a snapshot."""
        records = [exchange.handler_data for exchange in self.exchanges]
        return [record for record in records if isinstance(record, RecordedRequest) and record.failure]

    @property
    def requests_in_flight(self) -> list[RecordedRequest]:
        """The requests that are being answered; a snapshot."""
        records = [exchange.handler_data for exchange in self.in_flight]
        return [record for record in records if isinstance(record, RecordedRequest)]

    @property
    def last_request(self) -> RecordedRequest:
        """The request that came last in this test.

        Raises:
            AssertionError: None came.
        """
        requests = self.requests
        if not requests:
            raise AssertionError("\n".join(self.traffic.list_requests()))
        return requests[-1]

    @property
    def unmatched(self) -> list[RecordedRequest]:
        """The requests of this test that nothing answered; a snapshot."""
        return [request for request in self.requests if request.is_unmatched]

    @property
    def traffic(self) -> Traffic:
        """What it was sent in this test, for a report."""
        return Traffic(self.url, self.exchanges, self.journal.dropped_message, self.name)

    def explain(self) -> str:
        """What is in the script, and what came: for a look in between, or a message of one's own."""
        return explain_script(self.traffic, self.expectations)

    # -- deciding and judging --------------------------------------------------------------------------------------

    def decide(self, request: RecordedRequest) -> Answer:
        """What answers ``request``; it is counted where it belongs, or noted as one that nothing answers."""
        decision = self._book.decide(request)
        if decision.answer is not None:
            return decision.answer
        violation = find_violation(request, decision, self._find_elsewhere(request))
        if decision.expectation is None and not decision.is_late:
            request.is_unmatched = True
        if decision.expectation is not None or decision.is_late or (self.is_strict and not decision.is_allowed):
            self._hold_against(self._violations, violation)
        reply = self.unmatched_reply
        if not any(name.lower() == _DO_NOT_RETRY[0] for name, _ in reply.headers):
            reply = reply.changed(headers=(*reply.headers, _DO_NOT_RETRY))
        if reply.body or reply.stream is not None or reply.chunks is not None or reply.status in (204, 304):
            return reply
        named = any(name.lower() == "content-type" for name, _ in reply.headers)
        kind = () if named else (("Content-Type", "text/plain; charset=utf-8"),)
        return reply.changed(
            body=f"{violation.text}\n{violation.again}\n".encode(errors="replace"), headers=(*reply.headers, *kind)
        )

    def note_unreadable(self, exchange: Exchange) -> None:
        """Hold against the test what came and was no request, or broke off in the middle of one."""
        request = exchange.handler_data
        if self.is_strict and not self._book.allows(request if isinstance(request, RecordedRequest) else None):
            self._hold_against(self._unreadable, exchange)

    def _hold_against(self, held: list[T], what: T) -> None:
        """Note what is held against the test, or count it when as much is noted as the journal keeps requests."""
        if len(held) < self.journal.limit:
            held.append(what)
        else:
            self._surplus += 1

    def _find_elsewhere(self, request: RecordedRequest) -> list[str]:
        """What another stub of the test would have answered, in words."""
        return [
            f"the stub {sibling.name or 'stub'!r} at {sibling.url} expects it: {expectation.describe()}, "
            f"written at {expectation.written_at}"
            for sibling in self.siblings
            for expectation in sibling.expectations[-100:]
            if not expectation.is_never and expectation.criteria.criteria and expectation.matches(request)
        ]

    def begin(self, name: str) -> None:
        """Begin a test: forget what the one before has written and recorded.

        What was written before the first test is there again in each.
        """
        self.journal.clear()  # first: a request that comes in between belongs to the old test, and is not lost
        self._surplus = 0
        self._book.begin(lambda: self.journal.begin(name))

    def reset(self) -> None:
        """Forget what this test has written and what has come, and what is held against it; the class's script stays.

        Of a stub that is used alone, everything is forgotten.
        """
        self._violations.clear()
        self._unreadable.clear()
        self.take_errors()
        self._book.clear()
        self.begin(self.journal.window.name)

    def settle(self, timeout: float) -> None:
        """Wait, for ``timeout`` seconds at most, until it is decided what answers each request of this test.

        What is kept back on purpose, as by a delay, is not waited for: nothing more will be known at its end.
        """
        self.journal.wait_for(lambda: self._is_idle(self._is_open), timeout)

    async def settle_async(self, timeout: float) -> None:
        """Like `settle`, for code on an event loop."""
        await self.journal.wait_for_async(lambda: self._is_idle(self._is_open), timeout)

    def _is_open(self, exchange: Exchange) -> bool:
        request = exchange.handler_data
        waits = isinstance(request, RecordedRequest) and request.is_paused
        return exchange.window.number == self.journal.window.number and not waits

    def failure_report(self) -> str:
        """Return what is held against this test, as text: see `take_failures`.

        Returns:
            A report; empty if there is nothing to say.
        """
        return "\n\n".join(failure.text for failure in self.take_failures())

    def take_failures(self) -> list[Failure]:
        """Return what is held against this test: each request once, by the first who asks.

        That is what could not be answered, since a handler, a hook or an application has raised or returned what is no
        answer, or a sequence was used up; requests that nothing answered, and what could not be read as one;
        expectations that are not met.
        """
        current = self.journal.window.number
        errors, violations = self.take_errors(), drain(self._violations)
        self._late_errors += [raised for raised in errors if raised[0].window.number != current]
        self._late += [violation for violation in violations if violation.request.window.number != current]
        mine = [violation for violation in violations if violation.request.window.number == current]
        failures = [self._explain_error(*raised) for raised in errors if raised[0].window.number == current]
        unreadable = drain(self._unreadable)
        self._late_unreadable += [exchange for exchange in unreadable if exchange.window.number != current]
        unreadable = [exchange for exchange in unreadable if exchange.window.number == current]
        traffic = self.traffic
        report = explain_failure(
            traffic,
            mine,
            self.expectations,
            must_be_met=self.is_verified,
            unreadable=unreadable,
            more=[*self._find_unanswered(traffic), *self._explain_surplus()],
        )
        return [*failures, Failure(report)] if report else failures

    def _find_unanswered(self, traffic: Traffic) -> Iterator[str]:
        """Find the requests that wait for the test to answer them, and whose clients have not left."""
        current = self.journal.window.number
        for request in self.requests_in_flight:
            hold, serving = request.held_by, request.serving
            if request.window.number == current and hold is not None and serving is not None and not serving.has_left():
                said = hold.report_unanswered(request)
                if said:
                    yield f"{traffic.name(request)} {said}"

    def _explain_surplus(self) -> list[str]:
        surplus, self._surplus = self._surplus, 0
        return [f"… and {count(surplus, 'more request')} without an answer"] if surplus else []

    def take_late_failures(self) -> list[Failure]:
        """Return what is held against tests that were judged already; each is said once and names its test."""
        errors = drain(self._late_errors) + self.take_errors()
        failures = [self._explain_error(*raised, late=True) for raised in errors]
        unreadable = drain(self._late_unreadable) + drain(self._unreadable)
        report = explain_late(self.name, drain(self._late) + drain(self._violations), unreadable)
        return [*failures, Failure(report)] if report else failures

    def _explain_error(self, exchange: Exchange, error: BaseException, *, late: bool = False) -> Failure:
        lead = f"stub {quote(self.name)}: " if self.name else ""
        when = f"left over from {exchange.window.name}: " if late else ""
        what = f"{describe_exchange(exchange)} could not be answered: {describe_error(error)}"
        return Failure(f"{lead}{when}{what}", error)

    def verify(self) -> None:
        """Fail if anything is held against what has happened so far: for a stub that no test case looks after.

        Raises:
            AssertionError: The `failure_report`; its cause is what a handler raised, if one did.
            UsageError: It would block a running event loop: await `verify_async` there.
        """
        refuse_in_loop("stub.verify()", "await stub.verify_async()")
        self.settle(self.timeout)
        self._raise_failures()

    async def verify_async(self) -> None:
        """Like `verify`, for code on an event loop."""
        await self.settle_async(self.timeout)
        self._raise_failures()

    def _raise_failures(self) -> None:
        failures = self.take_failures()
        if failures:
            raise AssertionError("\n\n".join(failure.text for failure in failures)) from failures[0].error


def _forget(exchange: Exchange) -> None:
    """Let its expectation go of a request that the journal keeps no longer."""
    request = exchange.handler_data
    if isinstance(request, RecordedRequest) and isinstance(request.expectation, Expectation):
        request.expectation.forget_request(request)

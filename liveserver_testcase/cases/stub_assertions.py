"""Assertions about what a stub was sent."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias, overload

from ..core.checks import check_seconds, suggest_keywords, suggest_more_keywords
from ..core.started import note_started
from ..errors import UsageError
from ..stub.expectation import Expectation, Times, parse_times
from ..stub.matching import CRITERIA, Criteria, CriteriaKeywords, make_criteria
from ..stub.report import explain_count, explain_order
from ..stub.request import RecordedRequest
from ..stub.server import HTTPStub
from .base import ServerTestCase
from .class_server import ServerAttribute
from .stub_adapter import StubsAttribute
from .waiting import Inquiry, Wait, count_matches, first_or_all, in_coroutine, in_thread

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["StubAssertions"]

__unittest = True
__tracebackhide__ = True

_suggest = suggest_more_keywords(*CRITERIA)
_Times: TypeAlias = "int | tuple[int, int | None]"
_Step: TypeAlias = "Expectation | tuple[object, ...]"


class StubAssertions(ServerTestCase):
    """What a test can say about its stubs; see `HTTPStubTestCase`."""

    stub: ServerAttribute[HTTPStub] = ServerAttribute()
    stubs = StubsAttribute()
    stub_names: Sequence[str] = ()

    # -- that something came ---------------------------------------------------------------------------------------

    @overload
    def assertRequested(  # type: ignore[overload-overlap]  # the literal 1 is not any int
        self,
        method: object = None,
        path: object = None,
        *,
        times: Literal[1] | None = None,
        timeout: float | None = None,
        stub: HTTPStub | str | None = None,
        msg: str | None = None,
        **criteria: Unpack[CriteriaKeywords],
    ) -> RecordedRequest: ...
    @overload
    def assertRequested(
        self,
        method: object = None,
        path: object = None,
        *,
        times: _Times,
        timeout: float | None = None,
        stub: HTTPStub | str | None = None,
        msg: str | None = None,
        **criteria: Unpack[CriteriaKeywords],
    ) -> list[RecordedRequest]: ...
    @in_thread
    @_suggest
    def assertRequested(
        self,
        method: object = None,
        path: object = None,
        *,
        times: _Times | None = None,
        timeout: float | None = None,
        stub: HTTPStub | str | None = None,
        msg: str | None = None,
        **criteria: Unpack[CriteriaKeywords],
    ) -> Inquiry[RecordedRequest | list[RecordedRequest]]:
        """Fail unless such requests came in this test; waits for those on their way.

        Args:
            method: Such as ``GET``; None for any.
            path: The path; see `Script.on`.
            times: How often: ``n`` for exactly n, ``(low, high)``, None for at least once, 0 for never.
            timeout: Seconds to wait for what has not come yet; None for ``stub_timeout``, but on an event loop, which
                must not be blocked, for none.
            stub: Which stub, or its name; None for ``self.stub``.
            msg: What to say besides when it fails.
            criteria: What else is wanted of each.

        Returns:
            The first `RecordedRequest` that matches; a list of all where ``times`` is anything but None or 1.

        Raises:
            UsageError: No request can match, ``times`` is none of these, or it would block a running event loop: await
                `assertRequestedAsync` there.
            TypeError: An unknown keyword; the message names the nearest.
        """
        of = self._find_stub(stub)
        refusal = "assertRequested() would block the event loop of this test" if timeout else ""
        wanted = make_criteria(method, path, **criteria)
        inquiry = self._count(of, wanted, parse_times(times), of._inspection.get_seconds(timeout), msg, refusal)
        return first_or_all(inquiry, times)

    assertRequestedAsync = in_coroutine(assertRequested)

    def _count(
        self, stub: HTTPStub, wanted: Criteria, often: Times, timeout: float, msg: str | None, refusal: str = ""
    ) -> Inquiry[list[RecordedRequest]]:
        def find() -> list[RecordedRequest]:
            return [request for request in stub.requests if wanted.matches(request)]

        def fail(_found: object, _too_few: bool, advice: str) -> None:
            first, _, rest = explain_count(wanted, often, stub._inspection.traffic).partition("\n")
            report = "\n".join(filter(None, (first, advice and f"  {advice}", rest)))
            self.fail_with(report, msg, about=f"stub {stub.name}".strip())

        return count_matches(stub.journal, find, often, timeout, fail, refusal=refusal)

    # -- that nothing came -----------------------------------------------------------------------------------------

    @in_thread
    @_suggest
    def assertNotRequested(
        self,
        method: object = None,
        path: object = None,
        *,
        within: float = 0.0,
        stub: HTTPStub | str | None = None,
        msg: str | None = None,
        **criteria: Unpack[CriteriaKeywords],
    ) -> Inquiry[None]:
        """Fail if such a request came in this test.

        Args:
            method: Such as ``GET``; None for any.
            path: The path; see `Script.on`.
            within: Seconds in which it must not come either: without them, what is sent in the background proves
                nothing by not having come yet.
            stub: Which stub, or its name; None for ``self.stub``.
            msg: What to say besides when it fails.
            criteria: What else is wanted of it.

        Raises:
            UsageError: No request can match, or it would block a running event loop: await `assertNotRequestedAsync`
                there.
            TypeError: An unknown keyword; the message names the nearest.
        """
        of, wanted = self._find_stub(stub), make_criteria(method, path, **criteria)
        count = self._count(of, wanted, (0, 0), 0.0, msg)

        def conclude(_advice: str) -> None:
            count.conclude("")

        wait = Wait(of.journal, lambda: any(map(wanted.matches, of.requests)), check_seconds("within", within))
        return Inquiry([wait], conclude, "assertNotRequested()" if within else "")

    assertNotRequestedAsync = in_coroutine(assertNotRequested)

    # -- how it came -----------------------------------------------------------------------------------------------

    @suggest_keywords
    def assertRequestOrder(
        self,
        steps: Sequence[_Step],
        *,
        exact: bool = False,
        stub: HTTPStub | str | None = None,
        msg: str | None = None,
    ) -> list[RecordedRequest]:
        """Fail unless these requests came in this order.

        Args:
            steps: Each ``(method, path)``, ``(method, path, {…})`` with further criteria, or an expectation.
            exact: Whether nothing else may have come.
            stub: Which stub, or its name; None for ``self.stub``.
            msg: What to say besides when it fails.

        Returns:
            The requests, one for each step.

        Raises:
            UsageError: A step is none of these.
        """
        of = self._find_stub(stub)
        wanted = [_make_step(step) for step in steps]
        if not (wanted or exact):
            raise UsageError("assertRequestOrder() was given no step; wanted (method, path) of each request")
        rest, found = iter(of.requests), list[RecordedRequest]()
        for criteria in wanted:
            request = next(filter(criteria.matches, itertools.islice(rest, 1) if exact else rest), None)
            if request is None:
                break
            found.append(request)
        if len(found) < len(wanted) or (exact and next(rest, None) is not None):
            report = explain_order(wanted, found, of._inspection.traffic, exact=exact)
            self.fail_with(report, msg, about=f"stub {of.name}".strip())
        return found

    @suggest_keywords
    def assertConnectionReused(self, first: RecordedRequest, second: RecordedRequest, msg: str | None = None) -> None:
        """Fail unless both requests came on the same connection, the second after the first.

        Args:
            first: A request of this test.
            second: Another one.
            msg: What to say besides when it fails.
        """
        if first.connection_index != second.connection_index:
            self.fail_with(
                f"{second.describe()} came on connection {second.connection_index}, and {first.describe()} on "
                f"connection {first.connection_index}: the client did not use it again",
                msg,
            )
        if first.exchange_index >= second.exchange_index:
            self.fail_with(f"{second.describe()} came on the same connection, but not after {first.describe()}", msg)

    @in_thread
    @suggest_keywords
    def assertStubSatisfied(self, stub: HTTPStub | str | None = None, msg: str | None = None) -> Inquiry[None]:
        """Fail now if there is anything that would fail the test at its end.

        Args:
            stub: Which stub, or its name; None for all.
            msg: What to say besides when it fails.

        Raises:
            UsageError: It would block a running event loop: await `assertStubSatisfiedAsync` there.
        """
        all_stubs = self._find_stubs(stub)

        def conclude(_advice: str) -> None:
            failures = [failure for each in all_stubs for failure in each._inspection.take_failures()]
            if failures:
                self.fail_with("\n\n".join(failure.text for failure in failures), msg, cause=failures[0].error)

        waits = [Wait(each.journal, each._engine.is_decided, each.timeout) for each in all_stubs]
        return Inquiry(waits, conclude, "assertStubSatisfied()")

    assertStubSatisfiedAsync = in_coroutine(assertStubSatisfied)

    @note_started("self.allowUnmatchedRequests", lambda case, call: case._note_started(call))
    @contextlib.contextmanager
    def allowUnmatchedRequests(
        self,
        method: object = None,
        path: object = None,
        *,
        stub: HTTPStub | str | None = None,
        **criteria: Unpack[CriteriaKeywords],
    ) -> Iterator[None]:
        """Let requests like this stay unmatched while the block lasts, without failing the test.

        Args:
            method: Such as ``GET``; None for any.
            path: The path; see `Script.on`.
            stub: Which stub, or its name; None for all.
            criteria: What else is wanted of them.

        Raises:
            UsageError: No request can match.
            TypeError: An unknown keyword; the message names the nearest.
        """
        with contextlib.ExitStack() as stack:
            for each in self._find_stubs(stub):
                stack.enter_context(each.allow_unmatched(method, path, **criteria))
            yield

    def _find_stubs(self, stub: HTTPStub | str | None) -> list[HTTPStub]:
        return [self.stub, *self.stubs.values()] if stub is None else [self._find_stub(stub)]

    def _find_stub(self, stub: HTTPStub | str | None) -> HTTPStub:
        if stub is None:
            return self.stub
        if isinstance(stub, str):
            return self.stubs[stub]
        if not isinstance(stub, HTTPStub):
            raise UsageError(f"stub is {stub!r}; wanted an HTTPStub, the name of one, or None for self.stub")
        return stub


def _make_step(step: object) -> Criteria:
    if isinstance(step, Expectation):
        return step.criteria
    more = step[2] if isinstance(step, tuple) and len(step) == 3 else {}
    if not isinstance(step, tuple) or len(step) not in (2, 3) or not isinstance(more, Mapping):
        raise UsageError(f"a step is {step!r}; wanted (method, path), (method, path, {{…}}), or an expectation")
    return make_criteria(step[0], step[1], **more)

"""Waiting for requests, in a thread or on an event loop."""

from __future__ import annotations

import abc
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, TypeVar, overload

from ..core.journal import runs_loop
from ..errors import UsageError
from ..web.http_server import HTTPServer
from .diagnosis import Traffic, explain_count, explain_failure
from .expectation import Expectation
from .keywords import suggest_more_keywords
from .matching import CRITERIA, Criteria, CriteriaKeywords, make_criteria
from .request import RecordedRequest
from .times import Times, parse_times

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Waiting", "refuse_in_loop"]

__unittest = True

T = TypeVar("T")
_suggest = suggest_more_keywords(*CRITERIA)


def refuse_in_loop(what: str, twin: str) -> None:
    """Refuse to block an event loop.

    Args:
        what: Who would block it, such as ``stub.take_request()``.
        twin: What to write instead.

    Raises:
        UsageError: One runs in this thread.
    """
    if runs_loop():
        raise UsageError(
            f"{what} would block the event loop that runs here, and with it the code that it waits for: write {twin}"
        )


class Waiting(HTTPServer):
    """The part of an `HTTPStub` that waits until something has come."""

    timeout: float
    _taking: threading.Lock

    def wait(self, predicate: Callable[[], T | None], timeout: float | None, what: str, twin: str) -> T:
        """Wait until ``predicate()`` is true; asked again whenever something has come or was answered.

        Args:
            predicate: Its first true result is returned.
            timeout: Seconds; None for the stub's ``timeout``.
            what: What is waited for, for the message.
            twin: What to write on an event loop.

        Raises:
            AssertionError: It did not become true.
            UsageError: It would block a running event loop.
        """
        refuse_in_loop("this wait", twin)
        seconds = self.timeout if timeout is None else timeout
        return self._check(self.journal.wait_for(predicate, seconds), what, seconds)

    async def wait_async(self, predicate: Callable[[], T | None], timeout: float | None, what: str) -> T:
        """`wait`, for code on an event loop."""
        seconds = self.timeout if timeout is None else timeout
        return self._check(await self.journal.wait_for_async(predicate, seconds), what, seconds)

    def _check(self, result: T | None, what: str, seconds: float) -> T:
        if not result:
            lines = [f"waited {seconds:g} s for {what}", *self.traffic.list_requests()]
            raise AssertionError("\n".join(lines))
        return result

    @property
    @abc.abstractmethod
    def requests(self) -> list[RecordedRequest]:
        """What it was sent in this test, in the order of arrival."""

    @property
    @abc.abstractmethod
    def expectations(self) -> list[Expectation]:
        """What is in the script."""

    @property
    @abc.abstractmethod
    def unmatched(self) -> list[RecordedRequest]:
        """The requests of this test that nothing answered."""

    @abc.abstractmethod
    def failure_report(self) -> str:
        """What is held against this test."""

    @property
    @abc.abstractmethod
    def traffic(self) -> Traffic:
        """What it was sent in this test, for a report."""

    # -- the next request ------------------------------------------------------------------------------------------

    def take_request(self, timeout: float | None = None) -> RecordedRequest:
        """Return the oldest request of this test that was not taken yet; wait for one if there is none.

        A request counts once it has come whole: one that takes longer to arrive is taken after those that came in
        between.

        Raises:
            AssertionError: None came.
            UsageError: It would block a running event loop: await `take_request_async` there.
        """
        return self.wait(self._take, timeout, self._tell_next(), "await stub.take_request_async(…)")

    async def take_request_async(self, timeout: float | None = None) -> RecordedRequest:
        """`take_request`, for code on an event loop."""
        return await self.wait_async(self._take, timeout, self._tell_next())

    def _take(self) -> RecordedRequest | None:
        with self._taking:
            request = next((request for request in self.requests if not request.is_taken), None)
            if request is not None:
                request.is_taken = True
            return request

    def _tell_next(self) -> str:
        taken = sum(request.is_taken for request in self.requests)
        return f"request #{taken + 1}, after those that were taken" if taken else "a request"

    # -- a certain request -----------------------------------------------------------------------------------------

    @overload
    def wait_for_request(  # type: ignore[overload-overlap]  # the literal 1 is not any int
        self,
        method: object = None,
        path: object = None,
        /,
        *,
        times: Literal[1] = 1,
        timeout: float | None = None,
        **criteria: Unpack[CriteriaKeywords],
    ) -> RecordedRequest: ...
    @overload
    def wait_for_request(
        self,
        method: object = None,
        path: object = None,
        /,
        *,
        times: int | tuple[int, int | None],
        timeout: float | None = None,
        **criteria: Unpack[CriteriaKeywords],
    ) -> list[RecordedRequest]: ...
    @_suggest
    def wait_for_request(
        self,
        method: object = None,
        path: object = None,
        /,
        *,
        times: int | tuple[int, int | None] = 1,
        timeout: float | None = None,
        **criteria: Unpack[CriteriaKeywords],
    ) -> RecordedRequest | list[RecordedRequest]:
        """Wait until requests like this have come in this test, so often or more.

        Args:
            method: See `Scripting.on`; so for the path and the criteria.
            path: The path.
            times: How often at least.
            timeout: Seconds; None for the stub's ``timeout``.
            criteria: What else is wanted of each.

        Returns:
            The first that matches; with ``times``, all of them in the order of their arrival.

        Raises:
            AssertionError: They did not come; the message names the nearest.
            UsageError: No request can match, or it would block a running event loop: await `wait_for_request_async`
                there.
        """
        refuse_in_loop("stub.wait_for_request()", "await stub.wait_for_request_async(…)")
        wanted, often = make_criteria(method, path, **criteria), parse_times(times)
        seconds = self.timeout if timeout is None else timeout
        self.journal.wait_for(lambda: len(self._find(wanted)) >= often[0], seconds)
        return self._get_found(wanted, often, seconds)

    @overload
    async def wait_for_request_async(  # type: ignore[overload-overlap]  # as above
        self,
        method: object = None,
        path: object = None,
        /,
        *,
        times: Literal[1] = 1,
        timeout: float | None = None,
        **criteria: Unpack[CriteriaKeywords],
    ) -> RecordedRequest: ...
    @overload
    async def wait_for_request_async(
        self,
        method: object = None,
        path: object = None,
        /,
        *,
        times: int | tuple[int, int | None],
        timeout: float | None = None,
        **criteria: Unpack[CriteriaKeywords],
    ) -> list[RecordedRequest]: ...
    @_suggest
    async def wait_for_request_async(
        self,
        method: object = None,
        path: object = None,
        /,
        *,
        times: int | tuple[int, int | None] = 1,
        timeout: float | None = None,
        **criteria: Unpack[CriteriaKeywords],
    ) -> RecordedRequest | list[RecordedRequest]:
        """`wait_for_request`, for code on an event loop."""
        wanted, often = make_criteria(method, path, **criteria), parse_times(times)
        seconds = self.timeout if timeout is None else timeout
        await self.journal.wait_for_async(lambda: len(self._find(wanted)) >= often[0], seconds)
        return self._get_found(wanted, often, seconds)

    def _find(self, criteria: Criteria) -> list[RecordedRequest]:
        return [request for request in self.requests if criteria.matches(request)]

    def _get_found(self, criteria: Criteria, times: Times, seconds: float) -> RecordedRequest | list[RecordedRequest]:
        found = self._find(criteria)
        if len(found) < times[0]:
            raise AssertionError(explain_count(criteria, (times[0], None), self.traffic, waited=seconds))
        return found[0] if times == (1, 1) else found

    # -- everything ------------------------------------------------------------------------------------------------

    def wait_until_satisfied(self, timeout: float | None = None, *, stop_on_unmatched: bool = False) -> None:
        """Wait until every expectation is met.

        Args:
            timeout: Seconds; None for the stub's ``timeout``.
            stop_on_unmatched: Whether to fail at once when there is a request that nothing answers: its sender will
                hardly send what is expected.

        Raises:
            AssertionError: One is not; the message is the report.
            UsageError: It would block a running event loop: await `wait_until_satisfied_async` there.
        """
        refuse_in_loop("stub.wait_until_satisfied()", "await stub.wait_until_satisfied_async(…)")
        seconds = self.timeout if timeout is None else timeout
        self.journal.wait_for(lambda: self._is_satisfied() or (stop_on_unmatched and self.unmatched), seconds)
        self._check_satisfied(stop_on_unmatched=stop_on_unmatched)

    async def wait_until_satisfied_async(
        self, timeout: float | None = None, *, stop_on_unmatched: bool = False
    ) -> None:
        """`wait_until_satisfied`, for code on an event loop."""
        seconds = self.timeout if timeout is None else timeout
        await self.journal.wait_for_async(
            lambda: self._is_satisfied() or (stop_on_unmatched and self.unmatched), seconds
        )
        self._check_satisfied(stop_on_unmatched=stop_on_unmatched)

    def _is_satisfied(self) -> bool:
        expected = self.expectations
        return all(e.has_enough and all(r.exchange.handler_data is r for r in e.requests) for e in expected)

    def _check_satisfied(self, *, stop_on_unmatched: bool) -> None:
        report = explain_failure(self.traffic, [], self.expectations)
        unmatched = self.unmatched
        if stop_on_unmatched and unmatched:
            lines = [f"stopped waiting, since nothing answers {self.traffic.name(unmatched[0])}"]
            report = "\n".join([*lines, self.failure_report() or report])
        if report:
            raise AssertionError(report)

"""The script of a stub: what it is told to answer, and what it says of what happened."""

from __future__ import annotations

import re
from typing import Any

from ..core.journal import take_all
from ..web.exchange import Exchange
from ..web.http import HTTPServer
from ..web.urls import build_url
from .book import Book
from .diagnosis import Traffic, Violation, explain_leftovers, explain_verdict, find_violation
from .expectation import Expectation, Times, parse_limit, parse_times
from .keywords import suggest_keywords
from .matching import make_criteria
from .place import find_caller
from .reply import Headers, Reply, make_reply
from .request import RecordedRequest

__all__ = ["Script"]


class Script(HTTPServer):
    """The part of an `HTTPStub` that is scripted, decides and judges; how it answers on the wire is no matter here."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._book = Book()
        self._violations: list[Violation] = []  # that no verdict has told of yet
        self._late: list[Violation] = []  # of earlier tests than the one that was judged

    # -- scripting -------------------------------------------------------------------------------------------------

    @suggest_keywords
    def on(
        self,
        method: str | None = None,
        path: str | re.Pattern[str] | None = None,
        /,
        *,
        times: int | tuple[int, int | None] | None = None,
    ) -> Expectation:
        """Answer requests like this, which may come or not.

        Args:
            method: Such as ``GET``; None for any.
            path: The path without the query, a compiled pattern that matches all of it, or None for any.  Both are
                compared decoded, but for ``%2F``, which is no slash.
            times: How often it may answer at most; None for any number.

        Returns:
            The expectation; call its ``reply()``.

        Raises:
            UsageError: No request can match, or ``times`` says that one must come.
            TypeError: An unknown keyword; the message names the nearest.
        """
        return self._write(method, path, parse_limit(times))

    @suggest_keywords
    def expect(
        self,
        method: str | None = None,
        path: str | re.Pattern[str] | None = None,
        /,
        *,
        times: int | tuple[int, int | None] | None = 1,
    ) -> Expectation:
        """Answer requests like this, which must come: exactly once, unless ``times`` says otherwise.

        Args:
            method: See `on`.
            path: See `on`.
            times: ``n`` for exactly n, ``(low, high)`` with None for no most, None for at least once, 0 for never: then
                a request that matches is held against the test whatever else would answer it.

        Returns:
            The expectation; call its ``reply()``.

        Raises:
            UsageError: No request can match, or ``times`` is none of these.
            TypeError: An unknown keyword; the message names the nearest.
        """
        return self._write(method, path, parse_times(times))

    @suggest_keywords
    def serve_content(self, content: str | bytes = "", code: int = 200, headers: Headers | None = None) -> None:
        """Answer with ``content`` whatever no expectation matches; each call replaces the last one, headers and all.

        Args:
            content: Bytes, or text that is sent as UTF-8 ``text/html``.
            code: The status.
            headers: A mapping, or pairs where a name comes twice.

        Raises:
            UsageError: One of these cannot be sent.
            TypeError: An unknown keyword; the message names the nearest.
        """
        self._book.serve(make_reply(code, content, headers=headers))

    def _write(self, method: str | None, path: str | re.Pattern[str] | None, times: Times) -> Expectation:
        criteria = make_criteria(method, path)
        expectation = Expectation(criteria, times, written_at=find_caller(), forget=self._book.remove)
        self._book.add(expectation)
        return expectation

    # -- what happened ---------------------------------------------------------------------------------------------

    @property
    def expectations(self) -> list[Expectation]:
        """What is in the book, oldest first; a snapshot."""
        return self._book.expectations

    @property
    def requests(self) -> list[RecordedRequest]:
        """What it was sent in this test, in the order of arrival; a snapshot.

        A request is there once its body has arrived and its answer is decided, before the client gets it.
        """
        records = [exchange.record for exchange in self.journal.entries(self.journal.epoch)]
        return [record for record in records if isinstance(record, RecordedRequest)]

    @property
    def traffic(self) -> Traffic:
        """What it was sent in this test, for a report."""
        journal = self.journal
        return Traffic(self.url, journal.entries(journal.epoch), journal.loss)

    def url_for(self, path: str = "", /, **query: Any) -> str:
        """The URL of ``path`` on this server, with ``query`` as parameters."""
        return build_url(self.url, path, query)

    # -- the life of a test ----------------------------------------------------------------------------------------

    def begin(self, name: str) -> None:
        """Begin a test: forget what the one before has written and recorded.

        What was written before the first test is there again in each.
        """
        self.journal.clear()  # first: a request that comes in between belongs to the old test, and is not lost
        self._book.begin(lambda: self.journal.begin(name))

    def settle(self, timeout: float) -> None:
        """Wait, for ``timeout`` seconds at most, until it is decided what answers each request of this test.

        A delay of a reply is not waited for: nothing more will be known at its end.
        """
        self.journal.wait_for(lambda: not any(self._is_open(exchange) for exchange in self.in_flight), timeout)

    def _is_open(self, exchange: Exchange) -> bool:
        request = exchange.record
        waits = isinstance(request, RecordedRequest) and request.reply is not None and request.reply.delay > 0
        return exchange.epoch.number == self.journal.epoch.number and not waits

    def verdict(self) -> str:
        """What is held against this test: requests that nothing answered, expectations that were not met.

        A request is held against its test once, in the first verdict after it.

        Returns:
            A report; empty if there is nothing to say.
        """
        current = self.journal.epoch.number
        found = take_all(self._violations)
        self._late += [violation for violation in found if violation.request.epoch.number != current]
        mine = [violation for violation in found if violation.request.epoch.number == current]
        return explain_verdict(self.traffic, mine, self.expectations)

    def leftovers(self) -> str:
        """What is held against tests that were judged already; each is said once and names its test.

        Returns:
            A report; empty if there is nothing to say.
        """
        return explain_leftovers(self.url, take_all(self._late) + take_all(self._violations))

    # -- deciding --------------------------------------------------------------------------------------------------

    def _decide(self, request: RecordedRequest) -> Reply:
        decision = self._book.decide(request)
        if decision.reply is not None:
            return decision.reply
        violation = find_violation(request, decision)
        self._violations.append(violation)
        return make_reply(501, text=f"{violation.text}\n")

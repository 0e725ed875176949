"""The scripted HTTP server: a book of expectations behind one socket."""

from __future__ import annotations

import os
import re
import ssl
import sys
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from ..core.journal import Epoch, take_all
from ..errors import UsageError
from ..web.client import build_url
from ..web.environ import make_environ
from ..web.exchange import Exchange
from ..web.http import HTTPServer
from ..web.response import describe_status
from .book import Book
from .diagnosis import explain_no_reply, explain_unmatched, explain_unmet
from .expectation import Expectation, parse_times
from .matching import make_criteria
from .reply import Reply, make_reply
from .request import RecordedRequest

__all__ = ["HTTPStub"]

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class HTTPStub(HTTPServer):
    """An HTTP server that a test scripts, and asks afterwards what it was sent.

    Args:
        host: See `HTTPServer`; so for the other keywords.
    """

    label = "http-stub"

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        tls: bool | tuple[str, str] | ssl.SSLContext | None = None,
        **options: Any,
    ) -> None:
        super().__init__(host, port, tls=tls, **options)
        self._book = Book()
        self._violations: list[tuple[Epoch, str]] = []
        self._errors: list[tuple[Exchange, BaseException]] = []
        self._quit = threading.Event()  # ends the delays of replies

    # -- scripting -------------------------------------------------------------------------------------------------

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
            path: The decoded path without the query, a compiled pattern that matches all of it, or None for any.
            times: How often it may answer at most: ``n``, ``(low, high)``; None for any number.

        Returns:
            The expectation: call its ``reply()``.
        """
        high = None if times is None else parse_times(times)[1]
        return self._write(method, path, (0, high))

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
            times: ``n`` for exactly n, ``(low, high)`` with None for no most, None for at least once.
        """
        return self._write(method, path, parse_times(times))

    def serve_content(
        self,
        content: str | bytes = "",
        code: int = 200,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
    ) -> None:
        """Answer with ``content`` whatever no expectation matches; each call replaces the last one, headers and all.

        Args:
            content: Bytes, or text that is sent as UTF-8 ``text/html``.
            code: The status.
            headers: A mapping, or pairs.
        """
        self._book.serve(make_reply(code, content, headers=headers))

    def _write(self, method: str | None, path: str | re.Pattern[str] | None, times: tuple[int, int | None]) -> Expectation:
        expectation = Expectation(
            make_criteria(method, path), times, written_at=_find_caller(), forget=self._book.remove
        )
        self._book.add(expectation)
        return expectation

    # -- what happened ---------------------------------------------------------------------------------------------

    @property
    def expectations(self) -> list[Expectation]:
        """What is in the book, oldest first."""
        return self._book.expectations

    @property
    def requests(self) -> list[RecordedRequest]:
        """What it was sent in this test, in the order of arrival; a snapshot."""
        return [e.record for e in self.journal.entries(self.journal.epoch) if isinstance(e.record, RecordedRequest)]

    def url_for(self, path: str = "", /, **query: Any) -> str:
        """The URL of ``path`` on this server, with ``query`` as parameters."""
        return build_url(self.url, path, query)

    # -- for a test case -------------------------------------------------------------------------------------------

    def begin(self, name: str) -> None:
        """Begin a test: forget what the one before has written and recorded."""
        self.journal.begin(name)
        self.journal.clear()
        self._book.begin()

    def take_violations(self) -> list[tuple[Epoch, str]]:
        """What the stub holds against the code under test, or the script, since the last call, each with its test."""
        return take_all(self._violations)

    def take_errors(self) -> list[tuple[Exchange, BaseException]]:
        """The exceptions of handlers since the last call."""
        return take_all(self._errors)

    def explain_unmet(self) -> list[str]:
        """For each expectation that was not called as often as it must be, why."""
        return [explain_unmet(e, self.requests) for e in self.expectations if not e.is_satisfied]

    # -- serving ---------------------------------------------------------------------------------------------------

    def handle(self, exchange: Exchange) -> None:
        """Record the request, decide, answer."""
        response = exchange.response
        if response is None:
            raise UsageError(f"{exchange!r} is over")
        environ = make_environ(exchange, self.base_environ)
        body = environ["wsgi.input"].read()
        request = exchange.record = RecordedRequest(environ, body, exchange)
        reply = self._decide(request)
        if reply.delay:
            self._quit.wait(reply.delay)
        response.begin(describe_status(reply.status), reply.headers)
        response.finish(reply.body)

    def _decide(self, request: RecordedRequest) -> Reply:
        decision = self._book.decide(request)
        self.journal.touch()
        if decision.reply is not None:
            return decision.reply
        if decision.expectation is not None:
            text = explain_no_reply(decision.expectation, request)
        else:
            text = explain_unmatched(request, self._book.expectations)
        self._violations.append((request.epoch, text))
        return make_reply(501, text=f"{text}\n")

    def note_error(self, exchange: Exchange, error: BaseException) -> None:
        known = len(exchange.errors)
        super().note_error(exchange, error)
        if len(exchange.errors) > known:
            self._errors.append((exchange, error))

    def _open(self, listener: Any) -> None:
        self._quit = threading.Event()
        super()._open(listener)

    def _refuse(self) -> None:
        self._quit.set()
        super()._refuse()


def _find_caller() -> str:
    """``file:line`` of the nearest frame outside this package."""
    frame = sys._getframe(1)
    while frame.f_back is not None and os.path.abspath(frame.f_code.co_filename).startswith(_PACKAGE):
        frame = frame.f_back
    return f"{os.path.relpath(frame.f_code.co_filename)}:{frame.f_lineno}"

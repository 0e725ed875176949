"""The scripted HTTP server: a book of expectations behind one socket."""

from __future__ import annotations

import ssl
from typing import Any

from ..web.environ import make_environ
from ..web.exchange import Exchange
from .request import RecordedRequest
from .script import Script

__all__ = ["HTTPStub"]


class HTTPStub(Script):
    """An HTTP server that a test scripts, and asks afterwards what it was sent.

    Which expectation answers a request: none, if one that matches says that it must never come (``times=0``); else the
    oldest bounded one (``expect()``, or ``on(times=n)``) that matches and has room; else the newest unbounded one that
    matches; else what ``serve_content()`` said; else none, and the client gets a 501 that says why.

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

    # -- serving ---------------------------------------------------------------------------------------------------

    def handle(self, exchange: Exchange) -> None:
        """Record the request, decide, answer."""
        response = exchange.response
        if response is None:
            raise RuntimeError(f"{exchange!r} is over")
        environ = make_environ(exchange, self.base_environ)
        body = environ.pop("wsgi.input").read()  # not kept: it has a buffer that is larger than most bodies
        request = RecordedRequest(environ, body, exchange)
        try:
            reply = request.reply = self._decide(request)
        finally:  # not before: who finds it among the requests finds it counted, too
            exchange.record = request
            self.journal.touch()
        workers = self._workers
        if reply.delay and workers is not None:
            workers.stopping.wait(reply.delay)  # ends with the run that it belongs to
        response.begin(reply.status_line, reply.headers)
        response.finish(reply.body)

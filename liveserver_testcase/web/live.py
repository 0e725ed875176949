"""The user's own application on a live port, with its exceptions kept for the test."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

from ..core.journal import take_all
from .client import build_url
from .exchange import Exchange
from .wsgi import WSGIServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.listener import Listener
    from ..core.server import Unfinished

__all__ = ["LiveServer"]


class LiveServer(WSGIServer):
    """Serves a WSGI application and keeps what it raises, also what its framework answers with a 500 by itself.

    Usable alone: ``with LiveServer(app) as server: requests.get(server.url_for("/"))``.
    """

    def __init__(self, app: Any, host: str = "127.0.0.1", port: int = 0, **options: Any) -> None:
        super().__init__(app, host, port, **options)
        self._errors: list[tuple[Exchange, BaseException]] = []
        self._disconnect: list[Callable[[], object]] = []

    def url_for(self, path: str = "", /, **query: Any) -> str:
        """The URL of ``path`` on this server, with ``query`` as parameters."""
        return build_url(self.url, path, query)

    def take_errors(self) -> list[tuple[Exchange, BaseException]]:
        """The application's exceptions since the last call, each with its exchange."""
        return take_all(self._errors)

    def note_error(self, exchange: Exchange, error: BaseException) -> None:
        known = len(exchange.errors)
        super().note_error(exchange, error)
        if len(exchange.errors) > known:
            self._errors.append((exchange, error))

    def _open(self, listener: Listener) -> None:
        super()._open(listener)
        self._disconnect = [connect(self) for connect in (_connect_flask, _connect_django)]

    def _close(self, timeout: float) -> list[Unfinished]:
        unfinished = super()._close(timeout)
        for disconnect in self._disconnect:
            disconnect()
        self._disconnect = []
        return unfinished


def _note(server: LiveServer, error: BaseException | None) -> None:
    """Record ``error`` if the calling thread is serving a request of ``server``, else it is none of its business."""
    exchange = server.current_exchange
    if exchange is not None and error is not None:
        server.note_error(exchange, error)


def _connect_flask(server: LiveServer) -> Callable[[], object]:
    """Hear of the exceptions that Flask answers with a 500, if Flask is loaded at all."""
    flask = sys.modules.get("flask")
    if flask is None:
        return lambda: None

    def hear(_sender: object, exception: BaseException | None = None, **_more: object) -> None:
        _note(server, exception)

    flask.got_request_exception.connect(hear, weak=False)
    return lambda: flask.got_request_exception.disconnect(hear)


def _connect_django(server: LiveServer) -> Callable[[], object]:
    """Hear of the exceptions that Django answers with a 500, if Django's handlers are loaded."""
    signals = sys.modules.get("django.core.signals")
    if signals is None:
        return lambda: None

    def hear(**_more: object) -> None:
        _note(server, sys.exc_info()[1])

    signals.got_request_exception.connect(hear, weak=False)

    def disconnect() -> None:
        with contextlib.suppress(Exception):
            signals.got_request_exception.disconnect(hear)

    return disconnect

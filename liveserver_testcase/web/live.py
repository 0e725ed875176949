"""The user's own application on a live port, with its exceptions kept for the test."""

from __future__ import annotations

import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from .wsgi import WSGIServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.listener import Listener
    from ..core.unfinished import Unfinished
    from .exchange import Exchange

__all__ = ["LiveServer"]

_FRAMEWORKS = ("flask", "django.core.signals")  # each has a signal ``got_request_exception``

# Which request of which server runs.  A context variable, since frameworks carry it over to the threads in which they
# run asynchronous code; whoever else uses the same application at the same time has none.
_serving: ContextVar[tuple[LiveServer, Exchange] | None] = ContextVar("liveserver_testcase_serving", default=None)


class LiveServer(WSGIServer):
    """Serves a WSGI application and keeps what it raises, also what its framework answers with a 500 by itself.

    Usable alone: ``with LiveServer(app) as server: requests.get(server.url_for("/"))``.
    """

    def __init__(self, app: Any, host: str = "127.0.0.1", port: int = 0, **options: Any) -> None:
        super().__init__(app, host, port, **options)
        self._disconnect: dict[str, Callable[[], object]] = {}

    def begin(self, name: str) -> None:
        """Begin a test: forget the exchanges of the one before."""
        self.journal.begin(name)
        self.journal.clear()
        self._connect_frameworks()

    def handle(self, exchange: Exchange) -> None:
        """Call the application, within reach of what its framework says about exceptions."""
        token = _serving.set((self, exchange))
        try:
            super().handle(exchange)
        finally:
            _serving.reset(token)

    def _open(self, listener: Listener) -> None:
        self._connect_frameworks()
        super()._open(listener)

    def _close(self, timeout: float) -> list[Unfinished]:
        try:
            return super()._close(timeout)
        finally:
            while self._disconnect:
                self._disconnect.popitem()[1]()

    def _connect_frameworks(self) -> None:
        """Hear of the exceptions that a framework answers with a 500: of those that are loaded, and none is by us."""
        for name in _FRAMEWORKS:
            signal = getattr(sys.modules.get(name), "got_request_exception", None)
            if signal is not None and name not in self._disconnect:
                self._disconnect[name] = _connect(self, signal)

    def _hear(self, error: BaseException | None) -> None:
        """Record ``error`` if it is of a request that this server serves, else it is none of its business."""
        serving = _serving.get()
        if serving is not None and serving[0] is self and error is not None:
            self.note_error(serving[1], error)


def _connect(server: LiveServer, signal: Any) -> Callable[[], object]:
    """Have ``server`` hear of the exceptions that ``signal`` tells; returns what ends it."""

    def hear(*_sender: object, exception: BaseException | None = None, **_more: object) -> None:
        server._hear(exception or sys.exc_info()[1])  # Django sends no exception, but while it handles one

    signal.connect(hear, weak=False)
    return lambda: signal.disconnect(hear)

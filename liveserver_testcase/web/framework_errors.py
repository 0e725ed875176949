"""The exceptions that a framework answers with a 500 by itself, recorded with their requests by way of its signal.

Which request runs is a context variable: frameworks carry it over to the threads in which they run asynchronous code,
and whoever else uses the same application at the same time has none.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar

from .records import Around, RequestRecord

__all__ = ["FrameworkErrors"]

_SIGNALS = (  # each by its module
    "flask.got_request_exception",
    "quart.got_request_exception",
    "quart.got_websocket_exception",
    "quart.signals.got_background_exception",
    "django.core.signals.got_request_exception",
)

_current: ContextVar[tuple[FrameworkErrors, RequestRecord] | None]
_current = ContextVar("liveserver_testcase_current_request", default=None)


class FrameworkErrors:
    """Records what the frameworks of this process signal while a server handles a request.

    Args:
        note_error: Records an exception of a request.
        around: Called with each request's record before the application is; returns a context manager that is entered
            around it, in the same thread or task.
    """

    def __init__(self, note_error: Callable[[RequestRecord, BaseException], None], around: Around | None) -> None:
        self._note_error = note_error
        self._around = around
        self._disconnect: dict[str, Callable[[], object]] = {}

    def connect(self) -> None:
        """Connect to the signals of the frameworks that are loaded, also of those that were not at an earlier call."""
        for name in _SIGNALS:
            module, _, attribute = name.rpartition(".")
            signal = getattr(sys.modules.get(module), attribute, None)
            if signal is not None and name not in self._disconnect:
                signal.connect(self._record_signalled, weak=False)
                self._disconnect[name] = functools.partial(signal.disconnect, self._record_signalled)

    def disconnect(self) -> None:
        """Disconnect from all of them."""
        while self._disconnect:
            self._disconnect.popitem()[1]()

    def is_handling(self) -> bool:
        """Whether the calling code belongs to a request of this server."""
        current = _current.get()
        return current is not None and current[0] is self

    def surround(self, record: RequestRecord) -> contextlib.AbstractContextManager[object]:
        """What is entered around each call of the application."""
        # the price of a generator is paid only where there is something around
        return self._enter(self._around, record) if self._around is not None else _Current(self, record)

    @contextlib.contextmanager
    def _enter(self, around: Around, record: RequestRecord) -> Iterator[None]:
        with _Current(self, record), around(record):
            yield

    def _record_signalled(self, *_sender: object, exception: BaseException | None = None, **_more: object) -> None:
        error = exception or sys.exc_info()[1]  # Django sends no exception, but while it handles one
        current = _current.get()
        if error is not None and current is not None and current[0] is self:
            self._note_error(current[1], error)


class _Current:
    """Says which request runs while it is entered."""

    __slots__ = ("_current", "_token")

    def __init__(self, errors: FrameworkErrors, record: RequestRecord) -> None:
        self._current = errors, record

    def __enter__(self) -> None:
        self._token = _current.set(self._current)

    def __exit__(self, *_exc_info: object) -> None:
        _current.reset(self._token)

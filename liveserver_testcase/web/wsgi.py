"""Serve a WSGI application.  Source: PEP 3333."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..errors import InvalidResponse
from .environ import make_environ
from .http_server import HTTPServer
from .records import Exchange
from .response import ResponseWriter

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

__all__ = ["WSGIServer"]

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]


class _Call:
    """One call of the application: its ``start_response`` and ``write``."""

    __slots__ = ("response", "started")

    def __init__(self, response: ResponseWriter) -> None:
        self.response = response
        self.started = False

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: _ExcInfo | None = None
    ) -> Callable[[bytes], None]:
        if exc_info is not None and exc_info[1] is not None:
            try:
                if self.response.begun:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # the traceback refers to this frame
        elif self.started:
            raise InvalidResponse("start_response() was called a second time without exc_info")
        self.response.begin(status, headers)
        self.started = True
        return self.write

    def write(self, data: bytes) -> None:
        """The ``write`` callable of PEP 3333, for applications from before it."""
        self.response.write(_as_bytes(data))

    def check_started(self) -> None:
        if not self.started:
            raise InvalidResponse("the application sent a body, or ended, without calling start_response()")


class WSGIServer(HTTPServer):
    """Serves one WSGI application, each connection in a thread.

    Args:
        app: The application.
        host: See `HTTPServer`; so for the other keywords.
    """

    label = "live-server"

    def __init__(
        self,
        app: WSGIApplication,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        tls: bool | tuple[str, str] | ssl.SSLContext | None = None,
        **options: Any,
    ) -> None:
        super().__init__(host, port, tls=tls, **options)
        self.app = app

    def handle(self, exchange: Exchange) -> None:
        """Call the application and send what it gives, item by item; its ``close()`` is always called."""
        response = exchange.response
        if response is None:
            raise RuntimeError("the exchange is over")
        call = _Call(response)
        result = self.app(make_environ(exchange, self.base_environ), call.start_response)
        try:
            if type(result) is list or type(result) is tuple:
                call.check_started()
                response.finish(b"".join([_as_bytes(item) for item in result]))
            else:
                _send_each(call, response, result)
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()


def _send_each(call: _Call, response: ResponseWriter, items: Iterable[object]) -> None:
    """Send each item when the application gives it; PEP 3333 forbids to hold one back."""
    if isinstance(items, str | bytes) or not (hasattr(items, "__iter__") or hasattr(items, "__getitem__")):
        raise InvalidResponse(f"the application returned {_shorten(items)}: wanted an iterable of bytes")
    for item in items:
        data = _as_bytes(item)
        if data:
            call.check_started()
            response.write(data)
            if response.has_no_body:
                break
    call.check_started()
    response.finish()


def _as_bytes(item: object) -> bytes:
    if not isinstance(item, bytes):
        raise InvalidResponse(f"the application's body has the item {_shorten(item)}: wanted bytes")
    return item


def _shorten(value: object) -> str:
    text = repr(value)
    return f"{text if len(text) <= 80 else text[:77] + '...'}, of type {type(value).__name__}"

"""Serve a WSGI application.  Source: PEP 3333."""

from __future__ import annotations

import io
import logging
import ssl
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes
from wsgiref.util import FileWrapper

from ..errors import InvalidResponse
from .connection import input_stream
from .exchange import Exchange
from .head import Head
from .http import HTTPServer
from .response import SERVER, ResponseWriter

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

__all__ = ["WSGIServer"]

log = logging.getLogger("liveserver_testcase.web")

_NOT_HTTP = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
_ExcInfo = tuple[type[BaseException], BaseException, TracebackType]
_keys: dict[bytes, str] = {}  # header names as sent, and their environ keys ("" for none); bounded below


def _key(name: bytes) -> str:
    """The environ key of a header; none for a name with ``_``, which could pass for another one with ``-``."""
    text = name.decode("ascii")
    key = "" if "_" in text else _NOT_HTTP.get(text.lower()) or "HTTP_" + text.upper().replace("-", "_")
    if len(_keys) < 1000:
        _keys[name] = key
    return key


def split_target(head: Head) -> tuple[str, str, str | None]:
    """Path, query and, for a target in absolute form, the host of a request; percent-encoding stays.

    Source: RFC 9112, 3.2.
    """
    target = head.target
    host = None
    if not target.startswith("/") and "://" in target and head.method != "CONNECT":
        host, slash, rest = target.partition("://")[2].partition("/")
        if "?" in host:
            host, _, rest = host.partition("?")
            target = f"/?{rest}"
        else:
            target = slash + rest if slash else "/"
    path, _, query = target.partition("?")
    return path, query, host


class _ErrorStream(io.TextIOBase):
    """``wsgi.errors``: what an application writes there goes to logging, a line a record."""

    def write(self, text: str) -> int:
        for line in text.splitlines():
            if line:
                log.error("%s", line)
        return len(text)

    def flush(self) -> None:
        """Nothing is kept back."""


class _Call:
    """One call of the application: its ``start_response`` and ``write``."""

    __slots__ = ("response", "started")

    def __init__(self, response: ResponseWriter) -> None:
        self.response = response
        self.started = False

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: _ExcInfo | None = None
    ) -> Callable[[bytes], None]:
        if exc_info is not None:
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


def _as_bytes(item: object) -> bytes:
    if not isinstance(item, bytes):
        raise InvalidResponse(f"the application's body has an item of type {type(item).__name__}: wanted bytes")
    return item


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
        self._base_environ: dict[str, Any] = {}

    def handle(self, exchange: Exchange) -> None:
        """Call the application and send what it gives, item by item; its ``close()`` is always called."""
        response = exchange.response
        if response is None:
            raise RuntimeError("the exchange is over")
        call = _Call(response)
        result = self.app(self.make_environ(exchange), call.start_response)
        try:
            if type(result) is list or type(result) is tuple:
                self._send_all(call, response, result)
            else:
                self._send_each(call, response, result)
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()

    def _send_all(self, call: _Call, response: ResponseWriter, items: Iterable[object]) -> None:
        """Send a body that is all there, in one piece and with its length."""
        call.check_started()
        body = b"".join([_as_bytes(item) for item in items])
        response.finish(body)

    def _send_each(self, call: _Call, response: ResponseWriter, items: Iterable[object]) -> None:
        """Send each item when the application gives it; PEP 3333 forbids to hold one back."""
        for item in items:
            data = _as_bytes(item)
            if data:
                call.check_started()
                response.write(data)
                if response.has_no_body:
                    break
        call.check_started()
        response.finish()

    def make_environ(self, exchange: Exchange) -> dict[str, Any]:
        """The environ of a request.

        Besides what PEP 3333 asks for: ``REQUEST_URI``, the raw target, ``REMOTE_PORT``, ``wsgi.input_terminated``,
        and ``liveserver.exchange``.
        """
        head = exchange.head
        if head is None:
            raise RuntimeError("the exchange is over")
        path, query, host = split_target(head)
        environ = dict(self._base_environ or self._make_base())
        environ["REQUEST_METHOD"] = head.method
        environ["PATH_INFO"] = unquote_to_bytes(path).decode("latin-1") if "%" in path else path
        environ["QUERY_STRING"] = query
        environ["REQUEST_URI"] = environ["RAW_URI"] = head.target
        environ["SERVER_PROTOCOL"] = head.version
        environ["REMOTE_ADDR"], _, environ["REMOTE_PORT"] = exchange.peer.rpartition(":")
        environ["wsgi.input"] = input_stream(exchange.body)
        environ["liveserver.exchange"] = exchange
        for name, value in head.headers:
            key = _keys.get(name)
            if key is None:
                key = _key(name)
            if not key:
                continue
            text = value.decode("latin-1")
            if key in environ:
                text = environ[key] + ("; " if key == "HTTP_COOKIE" else ",") + text
            environ[key] = text
        if host is not None:
            environ["HTTP_HOST"] = host  # the target outranks the header: RFC 9112, 3.2.2
        return environ

    def _make_base(self) -> dict[str, Any]:
        self._base_environ = {
            "SCRIPT_NAME": "",
            "SERVER_NAME": self.host,
            "SERVER_PORT": str(self.port),
            "SERVER_SOFTWARE": SERVER,
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": self.scheme,
            "wsgi.errors": _ErrorStream(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
            "wsgi.file_wrapper": FileWrapper,
        }
        return self._base_environ

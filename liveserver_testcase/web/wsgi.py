"""Serve a WSGI application.  Source: PEP 3333."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import socket
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast
from wsgiref.util import FileWrapper

from ..core.listener import format_host
from ..core.text import quote
from ..errors import InvalidResponse
from .connection import HTTPConnection
from .http_server import HTTPServer
from .records import Around, Exchange
from .request_body import WSGIInput
from .request_head import Head
from .response import SERVER, ResponseWriter

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

__all__ = ["WSGIHandler", "WSGIServer", "describe_request", "make_base_environ"]

log = logging.getLogger("liveserver_testcase.web")

_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([0-9]{3})")
_NOT_STARTED = "the application sent a body, or ended, without calling start_response()"
_ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]


class _ErrorStream(io.TextIOBase):
    """``wsgi.errors``: what an application writes there goes to logging, a line a record."""

    def write(self, text: str) -> int:
        for line in text.splitlines():
            if line:
                log.error("%s", line)
        return len(text)

    def flush(self) -> None:
        """Nothing is kept back."""


def describe_request(head: Head, address: Any, base: dict[str, Any]) -> dict[str, Any]:
    """What an environ says of a request, without its body."""
    return {**base, **head.variables, "REMOTE_ADDR": address[0], "REMOTE_PORT": str(address[1])}


def make_base_environ(scheme: str, host: str, port: int) -> dict[str, Any]:
    """What is the same in every environ of a server."""
    return {
        "SCRIPT_NAME": "",
        "SERVER_NAME": format_host(host),
        "SERVER_PORT": str(port),
        "SERVER_SOFTWARE": SERVER,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.errors": _ErrorStream(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
        "wsgi.file_wrapper": FileWrapper,
    }


class _Call:
    """One call of the application: its ``start_response`` and ``write``, and what it returns."""

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

    def send_each(self, items: object) -> None:
        """Send each item when the application gives it; PEP 3333 forbids to hold one back."""
        response = self.response
        if isinstance(items, str | bytes) or not (hasattr(items, "__iter__") or hasattr(items, "__getitem__")):
            what = f"the application returned {quote(items)}, of type {type(items).__name__}"
            raise InvalidResponse(f"{what}: wanted an iterable of bytes")
        for item in cast(Iterable[object], items):
            data = _as_bytes(item)
            if data:
                if not self.started:
                    break
                response.write(data)
                if response.has_no_body:
                    break
        if not self.started:
            raise InvalidResponse(_NOT_STARTED)
        response.finish()


def _as_bytes(item: object) -> bytes:
    if not isinstance(item, bytes):
        what = f"the application's body has the item {quote(item)}, of type {type(item).__name__}"
        raise InvalidResponse(f"{what}: wanted bytes")
    return item


class UpgradeSocket:
    """``environ["werkzeug.socket"]``: the client's socket, which takes over the connection when it is first used.

    It is what werkzeug's server gives to applications, and what Flask-Sock and Flask-SocketIO need for WebSockets.
    """

    def __init__(self, exchange: Exchange, connection: HTTPConnection) -> None:
        self._exchange = exchange
        self._connection = connection
        self._taken: socket.socket | None = None
        self._received = b""

    def _take(self) -> socket.socket:
        if self._taken is None:
            self._taken, self._received = self._connection.take_over()
        return self._taken

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """See `socket.socket.recv`; first gives what came together with the request."""
        sock = self._take()
        if not self._received:
            return sock.recv(size, flags)
        data, self._received = self._received[:size], self._received[size:]
        return data

    def send(self, data: bytes, /) -> int:
        """Send all of ``data``; see `sendall`."""
        self.sendall(data)
        return len(data)

    def sendall(self, data: bytes, /) -> None:
        """See `socket.socket.sendall`; the status of what is sent first is recorded."""
        sock = self._take()
        if self._exchange.status is None:
            match = _STATUS_LINE.match(data)
            self._exchange.status = int(match[1]) if match is not None else None
        sock.sendall(data)

    def close(self) -> None:
        """End the connection, which the server closes when the application has returned."""
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._take(), socket.SHUT_RDWR)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._take(), name)


class WSGIHandler:
    """Answers the requests of a server by a WSGI application, each call of it in a context that ``around`` makes."""

    def __init__(self, app: WSGIApplication, around: Around | None = None) -> None:
        self.app = app
        self.around: Around = around or contextlib.nullcontext
        self._base: tuple[HTTPServer | None, dict[str, Any]] = None, {}  # the server, and what its environs share

    def handle(self, exchange: Exchange, connection: HTTPConnection) -> None:
        """Call the application and send what it gives, item by item; its ``close()`` is always called."""
        server, base = self._base
        if server is not connection.server:  # the first request of a server: only now is its port known for certain
            server = connection.server
            base = make_base_environ(server.scheme, server.host, server.port)
            self._base = server, base
        head, response = exchange.head, exchange.response
        if head is None or response is None:
            raise RuntimeError("the exchange is over")
        # Besides what PEP 3333 asks for: REQUEST_URI, the raw target, REMOTE_PORT, wsgi.input_terminated and these.
        environ = describe_request(head, exchange.address, base)
        environ["wsgi.input"] = io.BytesIO() if exchange.body is None else WSGIInput(exchange.body)
        environ["liveserver.exchange"] = exchange
        if "HTTP_UPGRADE" in environ:
            environ["werkzeug.socket"] = UpgradeSocket(exchange, connection)
        call = _Call(response)
        with self.around(exchange):
            result = self.app(environ, call.start_response)
            if type(result) is list or type(result) is tuple:  # all of it is there, and it has no close()
                if not call.started:
                    raise InvalidResponse(_NOT_STARTED)
                response.finish(b"".join([_as_bytes(item) for item in result]))
                return
            try:
                call.send_each(result)
            finally:
                close = getattr(result, "close", None)
                if close is not None:
                    close()


class WSGIServer(HTTPServer):
    """Serves one WSGI application; see `HTTPServer` and `WSGIHandler`."""

    label = "live-server"

    def __init__(
        self,
        app: WSGIApplication,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        around: Around | None = None,
        **options: Any,
    ) -> None:
        super().__init__(WSGIHandler(app, around), host, port, **options)

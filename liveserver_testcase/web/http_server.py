"""A threaded HTTP server whose requests a handler answers."""

from __future__ import annotations

import abc
import re
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any, Generic, Literal, TypeAlias, cast, get_args
from urllib.parse import quote, urlencode

from ..core.checks import check_seconds
from ..core.journal import Journal, JournalWindow
from ..core.listener import format_host
from ..core.server import Server, ServerFacade
from ..core.threaded import ThreadedServer
from ..core.tracebacks import stack_of_thread
from ..errors import UsageError
from .connection import Handler, HTTPConnection
from .records import Exchange, R, RequestLog

__all__ = [
    "HTTPEndpoint", "HTTPServer", "HTTPServerFacade", "Mode", "build_base_url", "build_url", "check_external_host",
    "check_mode",
]  # fmt: skip

Mode: TypeAlias = Literal["thread", "process"]
"""Where a server serves: in threads of this process, or in a process of its own."""

_SAFE = "!#$%&'()*+,/:;=?@[]~"  # what has a meaning in a URL, or stands for itself.  Source: RFC 3986, 2.2 and 2.3
_BARE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")  # data, not the beginning of an octet.  Source: RFC 3986, 2.4
_WHOLE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def check_mode(mode: object) -> None:
    """Refuse what is no `Mode`."""
    if mode not in get_args(Mode):
        raise UsageError(f"mode is {mode!r}; wanted 'thread' or 'process'")


def build_url(base: str, path: str = "", query: dict[str, Any] | None = None) -> str:
    """The URL of ``path`` on the server at ``base``.

    Args:
        base: Without a slash at its end.
        path: With or without a slash at its beginning; may have a query of its own.  What no URL can have, such as a
            space or a percent sign that encodes nothing, is percent-encoded; what is encoded already stays.  A whole
            URL is returned as it is.
        query: Parameters; a list or tuple gives one for each of its items, None leaves the parameter out.

    Raises:
        UsageError: The path is no text.
    """
    if not isinstance(path, str):
        raise UsageError(f"path is {path!r}; wanted a text such as '/users/1'")
    url = path
    if not _WHOLE.match(path):
        url = f"{base}/{quote(_BARE_PERCENT.sub('%25', path.removeprefix('/')), safe=_SAFE)}"
    pairs: list[tuple[str, str | bytes]] = []
    for name, value in (query or {}).items():
        values = value if isinstance(value, list | tuple) else [value]
        pairs += [(name, item if isinstance(item, bytes) else str(item)) for item in values if item is not None]
    if pairs:
        url, hash_, fragment = url.partition("#")
        url += ("&" if "?" in url else "?") + urlencode(pairs) + hash_ + fragment
    return url


_HOST = re.compile(r"[\w.~-]*|\[?[0-9A-Fa-f:.]+\]?")  # a name, which may be none of DNS, or an address


def check_external_host(host: object) -> None:
    """Refuse what is no host of a URL.

    Raises:
        UsageError: It is none.
    """
    if host is not None and not (isinstance(host, str) and _HOST.fullmatch(host)):
        raise UsageError(f"external_host is {host!r}; wanted a name or an address alone, such as 'shop.test'")


_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1", "[::]": "::1"}  # by wildcard


def build_base_url(scheme: str, host: str, port: int, external_host: str | None) -> str:
    """Build the URL of a server, without a slash at its end: of ``external_host``, or of where it listens.

    Nobody can connect to a wildcard address, so that the loopback address stands for it.
    """
    return f"{scheme}://{format_host(external_host or _LOOPBACK.get(host, host))}:{port}"


class HTTPEndpoint(Server, RequestLog[R]):
    """A server of HTTP, over TLS where `tls` is set, and what it keeps of its requests.

    Attributes:
        external_host: The host in its URLs, where clients know it by another name than the one it listens on.
    """

    external_host: str | None = None

    @abc.abstractmethod
    def close_connections(self) -> None:
        """Close every connection at once, whatever it is at; the server goes on."""

    @property
    def scheme(self) -> str:  # type: ignore[override]
        """``http`` or ``https``."""
        return "http" if self.tls is None else "https"

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end: of `external_host`, or of the address it listens on."""
        return build_base_url(self.scheme, self.host, self.port, self.external_host)

    @property
    def ws_url(self) -> str:
        """The same for WebSockets: ``ws://`` or ``wss://``."""
        return f"ws{self.url.removeprefix('http')}"

    def url_for(self, path: str = "", /, **query: Any) -> str:
        """The URL of ``path`` on this server, with ``query`` as parameters."""
        return build_url(self.url, path, query)


class HTTPServer(ThreadedServer, HTTPEndpoint[Exchange]):
    """Speaks HTTP/1.1 and 1.0, over TLS if asked to, and keeps a journal of its exchanges.

    Args:
        handler: Answers each exchange, in the thread of its connection; see `Handler`.
        tls: See `resolve_tls`.
        external_host: The host in its URLs, where clients know it by another name; in its certificate, too.
        journal_limit: How many exchanges are kept.
        header_timeout: Seconds from the first byte of a request to the end of its head, and for a TLS handshake.
        body_timeout: Seconds without a byte of a body that is being read.

    Attributes:
        journal: The exchanges, in the order of their arrival.
    """

    label = "http"
    keep_alive = True  # whether connections stay open after a response

    def __init__(
        self,
        handler: Handler,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        tls: bool | tuple[str, str] | ssl.SSLContext | None = None,
        external_host: str | None = None,
        journal_limit: int = 10_000,
        header_timeout: float = 10.0,
        body_timeout: float = 30.0,
        start_timeout: float = 10.0,
        stop_timeout: float = 2.0,
    ) -> None:
        ThreadedServer.__init__(self, host, port, start_timeout=start_timeout, stop_timeout=stop_timeout)
        RequestLog.__init__(self, journal_limit)
        check_external_host(external_host)
        self.external_host = external_host
        if tls is not None and tls is not False:
            from ..core.tls import resolve_tls  # which most servers do not need

            self.tls = resolve_tls(tls, *filter(None, (host, external_host)))
        self.handler = handler
        self.accepts_connect = bool(getattr(handler, "accepts_connect", False))
        self.header_timeout = check_seconds("header_timeout", header_timeout)
        self.body_timeout = check_seconds("body_timeout", body_timeout)

    @property
    def in_flight(self) -> list[Exchange]:
        """The exchanges that are being served at the moment."""
        exchanges = [cast(HTTPConnection, connection).exchange for connection in self.connections]
        return [exchange for exchange in exchanges if exchange is not None]

    def _is_idle(self, is_waited_for: Callable[[Exchange], bool]) -> bool:
        connections = self._accepted_connections()
        if connections is None:
            return False
        for connection in connections:
            # once: an exchange that ends after this look leaves a connection that is at rest, or reads on
            exchange = cast(HTTPConnection, connection).exchange
            if exchange is not None:
                if is_waited_for(exchange):
                    return False
            elif self.is_running and not connection.is_at_rest():
                return False
        return True

    def _on_connection_closed(self) -> None:
        self.journal.notify()

    def stack_of(self, record: Exchange) -> str:
        """Where the thread is that serves it."""
        for connection in self.connections:
            if cast(HTTPConnection, connection).exchange is record:
                return stack_of_thread(connection.thread)
        return ""

    def _connect(self, sock: socket.socket, address: Any, index: int, stopping: threading.Event) -> HTTPConnection:
        return HTTPConnection(self, sock, address, index, stopping)


class HTTPServerFacade(ServerFacade, Generic[R]):
    """A server of HTTP as users see it."""

    __slots__ = ()

    _engine: HTTPEndpoint[R]

    def close_connections(self) -> None:
        """Close every connection at once, also those with a request in flight; the server goes on."""
        self._engine.close_connections()

    @property
    def journal(self) -> Journal[R]:
        """The requests, in the order of their arrival."""
        return self._engine.journal

    @property
    def in_flight(self) -> list[R]:
        """The requests that are being served at the moment."""
        return self._engine.in_flight

    def wait_until_idle(self, timeout: float, window: JournalWindow | None = None) -> list[R]:
        """Wait until no request is in flight; see `RequestLog.wait_until_idle`."""
        return self._engine.wait_until_idle(check_seconds("timeout", timeout), window)

    @property
    def external_host(self) -> str | None:
        """The host in its URLs, where clients know it by another name than the one it listens on."""
        return self._engine.external_host

    @property
    def ws_url(self) -> str:
        """The same for WebSockets: ``ws://`` or ``wss://``."""
        return self._engine.ws_url

    def url_for(self, path: str = "", /, **query: Any) -> str:
        """The URL of ``path`` on this server, with ``query`` as parameters; None leaves one out."""
        return self._engine.url_for(path, **query)

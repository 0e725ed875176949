"""A threaded HTTP server whose requests a subclass handles."""

from __future__ import annotations

import abc
import socket
import ssl
import threading
from typing import Any

from ..core.threaded import ThreadedServer
from ..core.tls import resolve_tls
from ..core.unfinished import stack_of_thread
from .connection import HTTPConnection
from .environ import make_base_environ
from .exchange import Exchange
from .record import Recorder
from .site import Site

__all__ = ["HTTPServer"]


class HTTPServer(ThreadedServer, Site, Recorder[Exchange]):
    """Speaks HTTP/1.1 and 1.0, over TLS if asked to, and keeps a journal of its exchanges.

    Args:
        host: See `Server`.
        port: See `Server`.
        tls: True for a throw-away certificate, ``(certfile, keyfile)``, or an ``ssl.SSLContext``.
        journal_limit: How many exchanges are kept.
        header_timeout: Seconds from the first byte of a request to the end of its head, and for a TLS handshake.
        body_timeout: Seconds without a byte of a body that is being read.
        start_timeout: See `Server`.
        stop_timeout: See `Server`.

    Attributes:
        journal: The exchanges, in the order of their arrival.
    """

    label = "http"

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        tls: bool | tuple[str, str] | ssl.SSLContext | None = None,
        journal_limit: int = 10_000,
        header_timeout: float = 10.0,
        body_timeout: float = 30.0,
        start_timeout: float = 10.0,
        stop_timeout: float = 2.0,
    ) -> None:
        ThreadedServer.__init__(self, host, port, start_timeout=start_timeout, stop_timeout=stop_timeout)
        Recorder.__init__(self, journal_limit)
        self.tls = resolve_tls(tls, *self._known_as(host))
        self._base_environ: dict[str, Any] | None = None
        self.header_timeout = header_timeout
        self.body_timeout = body_timeout

    @abc.abstractmethod
    def handle(self, exchange: Exchange) -> None:
        """Answer ``exchange`` through its ``response``; runs in the connection's thread.

        What it raises is recorded with `note_error`; the client gets a plain 500, or a cut connection if the response
        had begun.
        """

    @property
    def base_environ(self) -> dict[str, Any]:
        """What is the same in the environ of every request; made when the first one comes, and the port is known."""
        if self._base_environ is None:
            self._base_environ = make_base_environ(self.scheme, self.host, self.port)
        return self._base_environ

    @property
    def current_exchange(self) -> Exchange | None:
        """The exchange that the calling thread is serving."""
        workers = self._workers
        connection = workers.serving.get(threading.get_ident()) if workers is not None else None
        return connection.exchange if isinstance(connection, HTTPConnection) else None

    @property
    def in_flight(self) -> list[Exchange]:
        """The exchanges that are being served at the moment."""
        connections = self.connections
        exchanges = [connection.exchange for connection in connections if isinstance(connection, HTTPConnection)]
        return [exchange for exchange in exchanges if exchange is not None]

    def stack_of(self, record: Exchange) -> str:
        """Where the thread is that serves it."""
        serving = list(self._workers.serving.items()) if self._workers is not None else []
        for ident, connection in serving:
            if isinstance(connection, HTTPConnection) and connection.exchange is record:
                return stack_of_thread(ident)
        return ""

    def _connect(self, sock: socket.socket, address: Any, index: int, stopping: threading.Event) -> HTTPConnection:
        return HTTPConnection(self, sock, address, index, stopping)

"""A threaded HTTP server whose requests a subclass handles."""

from __future__ import annotations

import abc
import socket
import ssl
import threading
from types import TracebackType
from typing import Any

from ..core.journal import Epoch, Journal, take_all
from ..core.threaded import ThreadedServer
from ..core.tls import TLS, resolve_tls
from .body import is_clients_doing
from .connection import HTTPConnection
from .environ import make_base_environ
from .exchange import Exchange

__all__ = ["HTTPServer"]


class HTTPServer(ThreadedServer):
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
        super().__init__(host, port, start_timeout=start_timeout, stop_timeout=stop_timeout)
        self.tls: TLS | None = resolve_tls(tls, *([host] if host else []))
        self.journal: Journal[Exchange] = Journal(journal_limit)
        self._errors: list[tuple[Exchange, BaseException]] = []
        self._base_environ: dict[str, Any] | None = None
        self.header_timeout = header_timeout
        self.body_timeout = body_timeout

    @property
    def scheme(self) -> str:  # type: ignore[override]
        """``http`` or ``https``."""
        return "http" if self.tls is None else "https"

    @property
    def ca_file(self) -> str | None:
        """What a client must trust, as a path for ``verify=``; None without TLS or with a context of the user's."""
        return self.tls.ca_file if self.tls is not None else None

    @abc.abstractmethod
    def handle(self, exchange: Exchange) -> None:
        """Answer ``exchange`` through its ``response``; runs in the connection's thread.

        What it raises is recorded with `note_error`; the client gets a plain 500, or a cut connection if the response
        had begun.
        """

    def note_error(self, exchange: Exchange, error: BaseException) -> None:
        """Record that the application raised ``error`` while it handled ``exchange``; once for each exception.

        What it raises because the client left, or sent nonsense, is not counted against it.
        """
        if is_clients_doing(error):
            return
        if not any(known is error for known in exchange.errors):
            error.__traceback__ = _skip_own_frames(error.__traceback__)
            exchange.errors.append(error)
            self._errors.append((exchange, error))

    def take_errors(self) -> list[tuple[Exchange, BaseException]]:
        """The exceptions that were recorded since the last call, each with its exchange."""
        return take_all(self._errors)

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

    def wait_until_idle(self, timeout: float, epoch: Epoch | None = None) -> list[Exchange]:
        """Wait until no exchange (of ``epoch``) is in flight.

        Args:
            timeout: Seconds.
            epoch: Only those that arrived in it; None for all.

        Returns:
            What is still in flight after ``timeout`` seconds.
        """

        def left() -> list[Exchange]:
            return [e for e in self.in_flight if epoch is None or e.epoch.number == epoch.number]

        self.journal.wait_for(lambda: not left(), timeout)
        return left()

    def _connect(self, sock: socket.socket, address: Any, index: int, stopping: threading.Event) -> HTTPConnection:
        return HTTPConnection(self, sock, address, index, stopping)


def _skip_own_frames(trace: TracebackType | None) -> TracebackType | None:
    """A traceback from where the application's frames begin: the server's say nothing to its author."""
    inner = trace
    while inner is not None and inner.tb_frame.f_globals.get("__package__") == __package__:
        inner = inner.tb_next
    return inner or trace

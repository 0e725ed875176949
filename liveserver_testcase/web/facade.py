"""What the server of HTTP that users see has of the one behind it, besides its life: its URLs and its requests."""

from __future__ import annotations

from typing import Any, Generic

from ..core.facade import ServerFacade
from ..core.journal import Journal, JournalWindow
from ..core.server import check_seconds
from .http_server import HTTPEndpoint
from .records import R

__all__ = ["HTTPServerFacade"]


class HTTPServerFacade(ServerFacade, Generic[R]):
    """A server as users see it; another one, its engine, serves."""

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

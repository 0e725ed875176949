"""What the server that users see has of the one behind it, which serves: its life, its URLs, its requests."""

from __future__ import annotations

import ssl
from types import TracebackType
from typing import Any, Generic, NoReturn, TypeVar

from ..core.journal import Journal, JournalWindow
from ..core.names import KnownAttributes
from ..core.server import State, check_seconds
from .http_server import HTTPEndpoint
from .records import R

__all__ = ["HTTPServerFacade"]

F = TypeVar("F", bound="HTTPServerFacade[Any]")


class HTTPServerFacade(KnownAttributes, Generic[R]):
    """A server as users see it; another one, its engine, serves."""

    __slots__ = ()

    stops_at_exit = True
    _engine: HTTPEndpoint[R]

    # -- life --------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """See `Server.start`."""
        self._engine.start()

    def stop(self, timeout: float | None = None) -> None:
        """See `Server.stop`."""
        self._engine.stop(timeout)

    def check(self) -> None:
        """Raise what has gone wrong with the server meanwhile; said once.  See `Server.check`."""
        self._engine.check()

    def close_connections(self) -> None:
        """Close every connection at once, also those with a request in flight; the server goes on."""
        self._engine.close_connections()

    def __enter__(self: F) -> F:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- what happened -----------------------------------------------------------------------------------------------

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

    # -- facts -------------------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """Where the server is in its life."""
        return self._engine.state

    @property
    def is_running(self) -> bool:
        """Whether the server serves; in process mode its process has not died either."""
        return self._engine.is_running

    @property
    def start_timeout(self) -> float:
        """Seconds that a start may take."""
        return self._engine.start_timeout

    @property
    def stop_timeout(self) -> float:
        """Seconds that requests in flight may take to end when it stops."""
        return self._engine.stop_timeout

    @property
    def host(self) -> str:
        """The host it listens on, as given."""
        return self._engine.host

    @property
    def port(self) -> int:
        """The port it listens on; it survives stop and start.

        Raises:
            ServerNotStarted: The port was left to the system, which chooses at the first start.
        """
        return self._engine.port

    @property
    def address(self) -> tuple[str, int]:
        """``(host, port)``, as the socket module wants it."""
        return self._engine.address

    @property
    def external_host(self) -> str | None:
        """The host in its URLs, where clients know it by another name than the one it listens on."""
        return self._engine.external_host

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        return self._engine.url

    @property
    def ws_url(self) -> str:
        """The same for WebSockets: ``ws://`` or ``wss://``."""
        return self._engine.ws_url

    def url_for(self, path: str = "", /, **query: Any) -> str:
        """The URL of ``path`` on this server, with ``query`` as parameters; None leaves one out."""
        return self._engine.url_for(path, **query)

    @property
    def ca_file(self) -> str | None:
        """What a client must trust, as a path for ``verify=``; None without TLS or with a context of the user's."""
        return self._engine.ca_file

    def client_context(self) -> ssl.SSLContext | None:
        """A client's context that trusts the server's certificate and no other; None without TLS.

        Raises:
            UsageError: The server's context was made by the user: only they know whom to trust.
        """
        return self._engine.client_context()

    def __repr__(self) -> str:
        return repr(self._engine)

    def __reduce__(self) -> NoReturn:
        self._engine.__reduce__()

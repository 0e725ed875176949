"""What the server that users see has of the one behind it, which serves: its life and its address."""

from __future__ import annotations

import ssl
from types import TracebackType
from typing import NoReturn, TypeVar

from .names import KnownAttributes
from .server import Server, State

__all__ = ["ServerFacade"]

F = TypeVar("F", bound="ServerFacade")


class ServerFacade(KnownAttributes):
    """A server as users see it; another one, its engine, serves."""

    __slots__ = ()

    stops_at_exit = True
    _engine: Server

    # -- life --------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """See `Server.start`."""
        self._engine.start()

    def stop(self, timeout: float | None = None) -> None:
        """See `Server.stop`."""
        self._engine.stop(timeout)

    def check(self) -> None:
        """Raise a failure of the server since the last call, once.  See `Server.check`."""
        self._engine.check()

    def __enter__(self: F) -> F:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- facts -------------------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The server's state."""
        return self._engine.state

    @property
    def is_running(self) -> bool:
        """Whether the server serves."""
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
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        return self._engine.url

    @property
    def ca_file(self) -> str | None:
        """The certificates to trust, as a path for ``verify=``; None without TLS or with a context of your own."""
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

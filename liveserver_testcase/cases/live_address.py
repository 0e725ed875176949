"""Where a live server is going to listen, for an application that wants to know it while it is made."""

from __future__ import annotations

import ssl
from typing import Any

from ..core.listener import Listener, warn_of_wildcard
from ..core.tls import TLS, resolve_tls
from ..errors import UsageError
from ..web.http_server import build_base_url, build_url

__all__ = ["LiveAddress", "check_port"]

__unittest = True
__tracebackhide__ = True


class LiveAddress:
    """The address of a live server that is being made.  Its socket is bound when something of it is first read.

    Until the server starts, the port is kept and clients are refused.

    Args:
        host: Where to listen.
        port: The port; 0 for one that the system chooses.
        external_host: The host in its URLs; None for ``host``.
        tls: As `LiveServer` wants it.

    Attributes:
        wanted_port: The port as it was given: 0 for one that the system chooses.
        listener: The bound socket; None as long as nothing was read.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        external_host: str | None = None,
        tls: bool | tuple[str, str] | ssl.SSLContext | None = None,
    ) -> None:
        self.host = host
        self.wanted_port = port
        self.external_host = external_host
        self.tls = tls
        self.listener: Listener | None = None
        self._resolved_tls: TLS | None = None

    def bind(self) -> Listener:
        """Bind the socket, unless it is bound already.

        Raises:
            ServerStartError: The port is taken, or the host is not an address of this machine.
        """
        if self.listener is None:
            warn_of_wildcard(self.host, "the live server")
            self.listener = Listener(self.host, self.wanted_port, listens=False)
        return self.listener

    def close(self) -> None:
        """Give the port up, if it is bound."""
        if self.listener is not None:
            self.listener.close()

    @property
    def port(self) -> int:
        """The port."""
        return self.bind().port

    @property
    def address(self) -> tuple[str, int]:
        """``(host, port)``, as the socket module wants it."""
        return self.host, self.port

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        return build_base_url("https" if self.tls else "http", self.host, self.port, self.external_host)

    @property
    def ws_url(self) -> str:
        """The same for WebSockets: ``ws://`` or ``wss://``."""
        return f"ws{self.url.removeprefix('http')}"

    def url_for(self, path: str = "", /, **query: Any) -> str:
        """The URL of ``path`` on this server, with ``query`` as parameters."""
        return build_url(self.url, path, query)

    @property
    def ca_file(self) -> str | None:
        """The certificates to trust, as a path for ``verify=``; None without TLS or with a context of your own."""
        tls = self._resolve_tls()
        return tls.ca_file if tls is not None else None

    def client_context(self) -> ssl.SSLContext | None:
        """A client's context that trusts the server's certificate and no other; None without TLS."""
        tls = self._resolve_tls()
        return tls.client_context() if tls is not None else None

    def _resolve_tls(self) -> TLS | None:
        if self._resolved_tls is None:
            self._resolved_tls = resolve_tls(self.tls, *filter(None, (self.host, self.external_host)))
        return self._resolved_tls


def check_port(case: type, bound: int, configured: int) -> None:
    """Check that an application does not ask for another port than the one whose URL it was made with.

    Args:
        case: The test class.
        bound: The port that the socket is bound to since `create_app` has read the URL.
        configured: ``config["LIVESERVER_PORT"]`` of the application; 0 if it asks for none.

    Raises:
        UsageError: It does.
    """
    if configured not in (0, bound):
        raise UsageError(
            f"{case.__name__}.create_app() has read the URL of the live server, which is bound to port {bound} since "
            f"then, and the application's config['LIVESERVER_PORT'] is {configured}. Set {case.__name__}.live_port = "
            f"{configured}, which is known before the application is, or leave LIVESERVER_PORT out of its configuration"
        )

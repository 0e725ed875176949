"""What every server of HTTP has, whatever serves it: a scheme, its certificates and the URLs of its paths."""

from __future__ import annotations

import ssl
from typing import Any

from ..core.listener import format_host
from ..core.server import Server
from ..core.tls import TLS
from .urls import build_url

__all__ = ["Site"]


_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1", "[::]": "::1"}  # by wildcard


class Site(Server):
    """A server of HTTP, over TLS where `tls` is set.

    Attributes:
        tls: What it needs to speak TLS; None if it speaks none.
        external_host: The host in its URLs, where clients know it by another name than the one it listens on.
    """

    tls: TLS | None = None
    external_host: str | None = None

    def _known_as(self, host: str) -> list[str]:
        """The names that a certificate of this server must be for."""
        return [name for name in (host, self.external_host) if name]

    @property
    def scheme(self) -> str:  # type: ignore[override]
        """``http`` or ``https``."""
        return "http" if self.tls is None else "https"

    @property
    def ca_file(self) -> str | None:
        """What a client must trust, as a path for ``verify=``; None without TLS or with a context of the user's."""
        return self.tls.ca_file if self.tls is not None else None

    def client_context(self) -> ssl.SSLContext | None:
        """A client's context that trusts the server's certificate and no other; None without TLS.

        Raises:
            UsageError: The server's context was made by the user: only they know whom to trust.
        """
        return self.tls.client_context() if self.tls is not None else None

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end: of `external_host`, or of the address it listens on.

        Nobody can connect to a wildcard address, so that the loopback address stands for it.
        """
        host = self.external_host or _LOOPBACK.get(self.host, self.host)
        return f"{self.scheme}://{format_host(host)}:{self.port}"

    @property
    def ws_url(self) -> str:
        """The same for WebSockets: ``ws://`` or ``wss://``."""
        return f"ws{self.url.removeprefix('http')}"

    def url_for(self, path: str = "", /, **query: Any) -> str:
        """The URL of ``path`` on this server, with ``query`` as parameters."""
        return build_url(self.url, path, query)

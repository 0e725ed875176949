"""What every server of HTTP has, whatever serves it: a scheme, its certificates and the URLs of its paths."""

from __future__ import annotations

import ssl
from typing import Any

from ..core.server import Server
from ..core.tls import TLS
from .urls import build_url

__all__ = ["Site"]


class Site(Server):
    """A server of HTTP, over TLS where `tls` is set.

    Attributes:
        tls: What it needs to speak TLS; None if it speaks none.
    """

    tls: TLS | None = None

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

    def url_for(self, path: str = "", /, **query: Any) -> str:
        """The URL of ``path`` on this server, with ``query`` as parameters."""
        return build_url(self.url, path, query)

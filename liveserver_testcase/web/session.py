"""A requests session that belongs to one server.  The only importer of requests."""

from __future__ import annotations

from typing import Any

import requests

from .http_server import build_url

__all__ = ["LiveSession"]


class LiveSession(requests.Session):
    """A session for which ``/path`` is a path on its server.

    It takes no proxy, certificate or password from the environment, and gives up after `timeout` seconds unless a
    request says otherwise: a test must not hang.

    Args:
        base_url: Where paths begin, such as ``http://127.0.0.1:49213``.
        ca_file: What to trust, for a server that speaks TLS with a certificate of its own.
        timeout: Seconds to wait for a connection, and for each part of an answer.
        trust_env: Whether to take those from the environment after all: for a server that is not on this machine.
    """

    def __init__(
        self, base_url: str, *, ca_file: str | None = None, timeout: float | None = 30.0, trust_env: bool = False
    ) -> None:
        super().__init__()
        self.base_url = base_url
        self.timeout = timeout
        self.trust_env = trust_env
        if ca_file is not None:
            self.verify = ca_file

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **options: Any) -> requests.Response:
        """As `requests.Session.request`; ``url`` may be a path."""
        options.setdefault("timeout", self.timeout)
        verb, path = (part.decode("ascii") if isinstance(part, bytes) else part for part in (method, url))
        return super().request(verb, build_url(self.base_url, path), *args, **options)

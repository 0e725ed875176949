"""A server that somebody else runs, at ``LIVESERVER_URL``, in the place of the live one."""

from __future__ import annotations

import os
import ssl
import unittest
from typing import Any, NoReturn
from urllib.parse import urlsplit

from ..errors import UsageError
from ..web.http_server import build_url
from .class_server import ClassServer

__all__ = ["VARIABLE", "ExternalAdapter", "ExternalServer", "external_url"]

__unittest = True
__tracebackhide__ = True

VARIABLE = "LIVESERVER_URL"


def external_url() -> str:
    """The base URL that the environment names, without a slash at its end; empty if it names none.

    Raises:
        UsageError: It is no URL of HTTP.
    """
    text = os.environ.get(VARIABLE, "").strip().rstrip("/")
    if text:
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise UsageError(
                f"the environment variable {VARIABLE} is {text!r}; wanted a base URL, such as https://staging.example.com"
            )
    return text


class ExternalServer:
    """Looks like a `LiveServer` to tests that only talk to it; what else they ask of it skips them.

    Attributes:
        url: The base URL.
        ca_file: None: its certificate is verified as any other.
    """

    ca_file: str | None = None
    is_running = True

    def __init__(self, url: str) -> None:
        self.url = url
        parts = urlsplit(url)
        self.host = parts.hostname or ""
        self.port = parts.port or (443 if parts.scheme == "https" else 80)

    @property
    def ws_url(self) -> str:
        """The same for WebSockets."""
        return f"ws{self.url.removeprefix('http')}"

    def url_for(self, path: str = "", /, **query: Any) -> str:
        """The URL of ``path`` on this server, with ``query`` as parameters."""
        return build_url(self.url, path, query)

    def client_context(self) -> ssl.SSLContext | None:
        """A client's context that trusts whom this machine trusts; None without TLS."""
        return ssl.create_default_context() if self.url.startswith("https:") else None

    def start(self) -> NoReturn:
        """Skip the test, as everything that needs a server of ours."""
        skip_external("live_server.start()", self.url)

    def stop(self) -> NoReturn:
        """Skip the test, as everything that needs a server of ours."""
        skip_external("live_server.stop()", self.url)

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        skip_external(f"live_server.{name}", self.url)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {self.url}>"


class ExternalAdapter(ClassServer[ExternalServer]):
    """The place of the live application in the base: nothing is started, asked or stopped."""

    def __init__(self, name: str, url: str) -> None:
        super().__init__(name, lambda: ExternalServer(url), order=30)

    def start(self) -> None:
        """Nothing has to be started."""
        self.server = self._make()

    def stop(self) -> None:
        """It goes on."""

    @property
    def host(self) -> None:
        """None: it may well be behind a proxy."""
        return


def skip_external(what: str, url: str) -> NoReturn:
    """Skip the test that asks somebody else's server for what only ours has."""
    raise unittest.SkipTest(f"{what} needs a server of ours, and {VARIABLE} is {url}")

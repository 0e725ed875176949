"""Where the live server is, if it cannot be asked: it is still being made, somebody else's, or in another process.

`LiveAddress` is for an application that wants to know its URL while it is made, `ExternalServer` stands for the server
at ``LIVESERVER_URL``, and `ServerView` is what an application in a process of its own knows of its class's servers.
"""

from __future__ import annotations

import os
import ssl
import unittest
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from ..core.listener import Listener, warn_of_wildcard
from ..errors import UsageError
from ..web.http_server import build_base_url, build_url, check_external_host
from .class_server import ClassRun, ClassServer

if TYPE_CHECKING:
    from ..core.tls import TLS

__all__ = [
    "CHILD_VARIABLE", "ExternalAdapter", "LiveAddress", "ServerView", "check_port", "describe_servers", "external_url",
    "make_child_run", "skip_external",
]  # fmt: skip

__unittest = True
__tracebackhide__ = True

_URL_VARIABLE = "LIVESERVER_URL"

CHILD_VARIABLE = "LIVESERVER_TESTCASE_SERVERS"
"""The environment variable by which the process of a live server knows the other servers of its class."""

_FACTS = ("url", "ws_url", "host", "port", "address", "addr", "ca_file")


# -- still being made --------------------------------------------------------------------------------------------------


class LiveAddress:
    """The address of a live server that is being made.  Its socket is bound when something of it is first read.

    Until the server starts, the port is kept and clients are refused.
    """

    def __init__(
        self, host: str, port: int, *, external_host: str | None, tls: bool | tuple[str, str] | ssl.SSLContext
    ) -> None:
        self.host = host
        self.wanted_port = port
        check_external_host(external_host)
        self.external_host = external_host
        self.tls = tls
        self.listener: Listener | None = None  # as long as nothing was read
        self._resolved_tls: TLS | None = None

    def bind(self) -> Listener:
        """Bind the socket, unless it is bound already."""
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
            from ..core.tls import resolve_tls

            self._resolved_tls = resolve_tls(self.tls, *filter(None, (self.host, self.external_host)))
        return self._resolved_tls


def check_port(case: type, bound: int, configured: int) -> None:
    """Check that an application does not ask for another port than the one whose URL it was made with."""
    if configured not in (0, bound):
        raise UsageError(
            f"{case.__name__}.create_app() has read the URL of the live server, which is bound to port {bound} since "
            f"then, and the application's config['LIVESERVER_PORT'] is {configured}. Set {case.__name__}.live_port = "
            f"{configured}, which is known before the application is, or leave LIVESERVER_PORT out of its configuration"
        )


# -- somebody else's ---------------------------------------------------------------------------------------------------


def external_url() -> str:
    """The base URL that the environment names, without a slash at its end; empty if it names none."""
    text = os.environ.get(_URL_VARIABLE, "").strip().rstrip("/")
    if text:
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise UsageError(
                f"the environment variable {_URL_VARIABLE} is {text!r}; wanted a base URL, such as "
                "https://staging.example.com"
            )
    return text


def skip_external(what: str, url: str) -> NoReturn:
    """Skip the test that asks somebody else's server for what only ours has."""
    raise unittest.SkipTest(f"{what} needs a server of ours, and {_URL_VARIABLE} is {url}")


class ExternalServer:
    """Looks like a `LiveServer` to tests that only talk to it; what else they ask of it skips them."""

    ca_file: str | None = None  # its certificate is verified as any other
    is_running = True

    def __init__(self, url: str) -> None:
        self.url = url
        self.ws_url = f"ws{url.removeprefix('http')}"
        parts = urlsplit(url)
        self.host = parts.hostname or ""
        self.port = parts.port or (443 if parts.scheme == "https" else 80)

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

    host = None  # it may well be behind a proxy

    def __init__(self, name: str, url: str) -> None:
        super().__init__(name, lambda: ExternalServer(url), order=30)

    def start(self) -> None:
        self.server = self._make()

    def stop(self) -> None:
        pass


# -- in another process ------------------------------------------------------------------------------------------------


def describe_servers(servers: Mapping[str, object]) -> str:
    """Describe where the servers of these names are, for `CHILD_VARIABLE`."""
    import json  # a class whose application runs in a thread does not need it

    described = {}
    for name, server in servers.items():
        facts = {fact: getattr(server, fact, None) for fact in _FACTS}
        described[name] = {fact: value for fact, value in facts.items() if isinstance(value, str | int | list | tuple)}
    return json.dumps(described)


class ServerView:
    """What an application can know of a server of its class: ``url``, ``host``, ``port`` and such."""

    def __init__(self, name: str, facts: dict[str, Any]) -> None:
        self._name = name
        self._facts = facts
        self.was_read = False

    def url_for(self, path: str = "", /, **query: Any) -> str:
        """The URL of ``path`` on this server, with ``query`` as parameters."""
        return build_url(self.url, path, query)

    def move(self, port: int) -> None:
        """Note that the server is going to listen on another port than it was described with."""
        for name in ("url", "ws_url"):
            self._facts[name] = f"{self._facts[name].rpartition(':')[0]}:{port}"
        self._facts |= {"port": port, "address": [self._facts["host"], port]}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        facts: dict[str, Any] = self.__dict__["_facts"]
        if name not in facts:
            known = ", ".join([*facts, "url_for()"])
            raise UsageError(
                f"{self._name}.{name} was asked for in the live server's own process, which knows only where "
                f"{self._name} is: create_app() can use {known}"
            )
        self.was_read = True
        value = facts[name]
        return tuple(value) if isinstance(value, list) else value

    def __repr__(self) -> str:
        return f"<{self._name} of the test's process at {self._facts.get('url')}>"


def make_child_run() -> ClassRun:
    """Make what stands for the servers of a class in the child: views of them."""
    import json

    servers: list[ClassServer[Any]] = []
    for name, facts in json.loads(os.environ.get(CHILD_VARIABLE, "{}")).items():
        servers.append(ClassServer(name, lambda: None))
        servers[-1].server = ServerView(name, facts)
    return ClassRun(servers)

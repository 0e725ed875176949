"""The hosts that a stub answers for as a proxy: what is written, whom it covers, and the tunnels that clients ask for.

A client that was given a proxy sends ``http://`` requests to it with their whole URL.  For ``https://`` it asks with
CONNECT for a tunnel to ``host:port``, and speaks TLS in it, to that host as it believes: the stub has a certificate for
whatever name it covers.  What comes through a tunnel is a request like any other; its target is written as a whole URL.
"""

from __future__ import annotations

import contextlib
import re
import ssl
from collections.abc import Sequence
from typing import Any

from ..core.listener import format_host
from ..core.proxies import LOOPBACK
from ..core.text import quote
from ..core.tls import Certificates, Flaw
from ..errors import ServerStartError, UsageError
from ..web.records import Exchange
from ..web.wsgi import make_base_environ

__all__ = ["StubbedHosts", "Tunnel", "check_hosts"]

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?"
_PATTERN = re.compile(
    rf"(?P<name>\*|(?:\*\.)?{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\])(?::(?P<port>[1-9][0-9]{{0,4}}))?"
)
_WANTED = "wanted a name such as 'api.example.com', or '*.example.com' for all below it"


class Tunnel:
    """What a client has asked for with CONNECT."""

    def __init__(self, host: str, port: int, exchange: Exchange) -> None:
        self.host = host  # in lower case
        self.port = port
        self.exchange = exchange  # the CONNECT
        # The environ that its requests have in common; None until it is known what is spoken in it.
        self.base: dict[str, Any] | None = None

    def open(self, scheme: str, proxy_url: str) -> None:
        """Note what is spoken in it, now that the client has begun to."""
        self.base = {**make_base_environ(scheme, self.host, self.port), "liveserver.proxy": proxy_url}

    def make_url(self, exchange: Exchange) -> str:
        """The target of a request that came through it as a whole URL, with the host that the request names."""
        if self.base is None or not exchange.target.startswith("/"):
            return exchange.target
        scheme = self.base["wsgi.url_scheme"]
        named = exchange.head.variables.get("HTTP_HOST") if exchange.head is not None else None
        port = "" if self.port == (443 if scheme == "https" else 80) else f":{self.port}"
        return f"{scheme}://{named or f'{format_host(self.host)}{port}'}{exchange.target}"


class StubbedHosts:
    """The hosts of a stub, as `check_hosts` returns them, and what makes a certificate for each."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self.patterns = tuple(patterns)
        self._wanted = [(found["name"], found["port"]) for found in map(_PATTERN.fullmatch, patterns) if found]
        try:
            self.certificates = Certificates.shared()
        except ServerStartError as error:
            raise ServerStartError(
                f"a stub for the hosts {', '.join(map(repr, patterns))} shows a certificate for each, which trustme "
                f"makes, and that cannot be imported ({error.__cause__}). Install liveserver-testcase[tls]."
            ) from error

    def server_context(self, host: str, flaw: Flaw | None = None) -> ssl.SSLContext:
        """The context for a tunnel to ``host``."""
        return self.certificates.server_context(host, flaw=flaw)

    def find_foreign(self, target: str) -> str:
        """The host that a URL or a CONNECT names if that is none of them; empty if it is, or if none is named."""
        if target[:1] in "/*":
            return ""
        name, port = _split_host(target)
        host = format_host(name)
        for pattern, wanted_port in self._wanted:
            is_below = pattern.startswith("*.") and host.endswith(pattern[1:])
            if (is_below or pattern in ("*", host)) and wanted_port in (None, str(port)):
                return ""
        return name

    def make_tunnel(self, exchange: Exchange) -> Tunnel:
        """What a CONNECT asks for; a `UsageError` if no certificate can be made for its host."""
        tunnel = Tunnel(*_split_host(exchange.target), exchange)
        self.server_context(tunnel.host)  # now, while the client can be answered, and not when it speaks TLS
        return tunnel


def _split_host(target: str) -> tuple[str, int]:
    """The host, in lower case, and the port of a URL, or of what a CONNECT names."""
    scheme, separator, rest = target.partition("://")
    authority = re.split("[/?]", rest if separator else target, maxsplit=1)[0].lower()
    host, _, port = authority.rpartition(":") if re.search(r":[0-9]*\Z", authority) else (authority, "", "")
    usual = 443 if scheme.lower() == "https" else 80
    return host.strip("[]").rstrip("."), int(port[-6:] or usual)


def check_hosts(hosts: object, what: str = "hosts") -> tuple[str, ...]:
    """Return the hosts of a stub in lower case; refuse with ``what``, where they are written, what can be none."""
    if hosts is None:
        return ()
    if isinstance(hosts, str | bytes):
        raise UsageError(f"{what} is {quote(hosts)}; wanted several: [{quote(hosts)}]")
    if not isinstance(hosts, Sequence | set | frozenset):
        raise UsageError(f"{what} is {quote(hosts)}; wanted a list such as ['api.example.com', '*.example.org']")
    checked: dict[str, None] = {}
    for host in hosts:
        _check_host(host, f"{what} has {quote(host)}")
        checked[host.lower()] = None
    return tuple(checked)


def _check_host(host: object, what: str) -> None:
    if not isinstance(host, str):
        raise UsageError(f"{what}; {_WANTED}")
    if "/" in host:
        name = host.rpartition("://")[2].partition("/")[0]
        raise UsageError(f"{what}; wanted the host alone: {quote(name)}, and the path where a request is expected")
    if not host.isascii():
        with contextlib.suppress(UnicodeError):
            raise UsageError(f"{what}; wanted it as clients send it: {host.encode('idna').decode()!r}")
    if "*" in host[1:]:
        raise UsageError(f"{what}; a star stands only in front, for all that is below: '*.example.com'")
    found = _PATTERN.fullmatch(host.lower())
    if found is None:
        raise UsageError(f"{what}, which is no host; {_WANTED}")
    if found["name"].strip("[]") in LOOPBACK:
        raise UsageError(f"{what}, which is this machine: a request to it goes through no proxy; use stub.url")

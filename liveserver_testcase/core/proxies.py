"""The proxy variables of this process: they divert no request to this machine, and others only if a test says so.

While servers of a class run, the loopback addresses are named in ``NO_PROXY`` if a proxy is set.  A stub with hosts is
the one exception to that rule, and asked for by name: while `use_proxy` lasts it is the proxy of everything else, and
its certificate authority is the one that is trusted.  What was in ``NO_PROXY`` is put aside meanwhile, for a host in
it would be reached over the network.  Loopback addresses, and the servers of the class, stay direct.

A variable that somebody else sets in between is theirs, and not restored.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

__all__ = [
    "LOOPBACK", "TRUST_VARIABLES", "Proxy", "bypass_proxies", "exempt_host", "read_original", "restore_proxies",
    "use_proxy",
]  # fmt: skip

LOOPBACK = ("127.0.0.1", "localhost", "::1")
TRUST_VARIABLES = (
    "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO",
    "DENO_CERT",
)  # fmt: skip
"""What clients find a certificate authority by."""
_NO_PROXY = ("no_proxy", "NO_PROXY")  # some read the lower one first, some the upper one, some only one of them
_PROXY_VARIABLES = (
    "http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
    "ws_proxy", "WS_PROXY", "wss_proxy", "WSS_PROXY",  # for WebSockets of aiohttp
)  # fmt: skip
_NAMES_PROXY = re.compile(r"(?!no_proxy|node_use_env_proxy).*_proxy")


@dataclass(eq=False)
class Proxy:
    """A proxy, and what its clients must trust.

    Args:
        url: Its URL.
        ca_file: The certificate authority of those that it answers for, as a path.
        host: Where it listens, which is direct.
    """

    url: str
    ca_file: str
    host: str

    def make_variables(self, direct: Iterable[str] = ()) -> dict[str, str]:
        """Make the environment of its clients; loopback and ``direct`` hosts are reached without it."""
        no_proxy = ",".join(dict.fromkeys([*LOOPBACK, self.host, *direct]))
        return {
            **dict.fromkeys(_PROXY_VARIABLES, self.url),
            **dict.fromkeys(_NO_PROXY, no_proxy),
            **dict.fromkeys(TRUST_VARIABLES, self.ca_file),
            "NODE_USE_ENV_PROXY": "1",  # Node.js looks at the others only then
        }


_lock = threading.Lock()  # guards what follows
_users = 0
_hosts: list[str] = []  # of the users' servers, besides the loopback ones
_proxies: list[Proxy] = []  # in use; the last one rules
_saved: dict[str, str | None] = {}  # the variables that are changed, as they were
_written: dict[str, str] = {}


def bypass_proxies() -> None:
    """Name the loopback addresses in NO_PROXY if a proxy is set; `restore_proxies` takes it back, call for call."""
    global _users
    with _lock:
        _users += 1
        _apply()


def exempt_host(host: object) -> None:
    """Name one more host, until the last `restore_proxies`: a server may listen on another address."""
    with _lock:
        if _users and isinstance(host, str) and host and host not in (*LOOPBACK, *_hosts):
            _hosts.append(host)
            _apply()


def restore_proxies() -> None:
    """Take back one `bypass_proxies`."""
    global _users
    with _lock:
        _users -= 1
        if not _users:
            _hosts.clear()
        _apply()


def read_original(name: str) -> str | None:
    """The value of a variable as it is without us."""
    with _lock:
        return _read(name)


def _read(name: str) -> str | None:
    value = os.environ.get(name)
    return _saved.get(name, value) if value == _written.get(name) else value


@contextlib.contextmanager
def use_proxy(proxy: Proxy) -> Iterator[None]:
    """Have this process, and the children that it starts, use ``proxy``; of several the last one."""
    with _lock:
        _proxies.append(proxy)
        _apply()
    try:
        yield
    finally:
        with _lock:
            _proxies.remove(proxy)
            _apply()


def _apply() -> None:
    """Write the variables as they are to be now, and restore those that are to be left alone."""
    for name in [name for name in _saved if os.environ.get(name) != _written[name]]:
        del _saved[name], _written[name]  # somebody else has set it since
    wanted: dict[str, str] = {}
    if _proxies:
        wanted = _proxies[-1].make_variables(_hosts)
    elif _users and any(_read(name) for name in {*os.environ, *_saved} if _NAMES_PROXY.fullmatch(name.lower())):
        lower, upper = map(_read, _NO_PROXY)
        for name, listed in zip(_NO_PROXY, (lower or upper or "", upper or lower or ""), strict=True):
            known = [host.strip() for host in listed.split(",") if host.strip()]
            # a star means every host only where it stands alone
            wanted[name] = listed if known == ["*"] else ",".join(dict.fromkeys([*known, *LOOPBACK, *_hosts]))
    for name in set(_written) - set(wanted):
        value = _saved.pop(name)
        del _written[name]
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    # all before any is written: on Windows two names are one variable
    _saved.update({name: os.environ.get(name) for name in wanted if name not in _saved})
    for name, text in wanted.items():
        _written[name] = os.environ[name] = text

"""Keep proxy variables from diverting requests that are meant for this machine."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable

__all__ = ["bypass_proxies", "exempt_host", "restore_proxies"]

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_NAMES = ("no_proxy", "NO_PROXY")  # some read the lower one first, some the upper one, some only one of them

_lock = threading.Lock()  # guards the three below
_users = 0
_saved: dict[str, str | None] = {}  # the variables as they were; empty while they are left alone
_written: dict[str, str] = {}


def bypass_proxies() -> None:
    """Name the loopback addresses in NO_PROXY if a proxy is set; `restore_proxies` takes it back, call for call."""
    global _users
    with _lock:
        _users += 1
        if _users == 1 and _is_proxy_set():
            _saved.update({name: os.environ.get(name) for name in _NAMES})
            _exempt(_LOOPBACK)


def exempt_host(host: object) -> None:
    """Name one more host, where the variables are changed at all: a server may listen on another address."""
    with _lock:
        if _saved and isinstance(host, str) and host:
            _exempt([host])


def restore_proxies() -> None:
    """Take back one `bypass_proxies`; the last one restores the variables, but for what somebody else has set since."""
    global _users
    with _lock:
        _users -= 1
        if _users:
            return
        for name, value in _saved.items():
            if os.environ.get(name) != _written.get(name):
                continue
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        _saved.clear()
        _written.clear()


def _is_proxy_set() -> bool:
    names = {name.lower() for name, value in os.environ.items() if value}
    return any(name.endswith("_proxy") and name != "no_proxy" for name in names)


def _exempt(hosts: Iterable[str]) -> None:
    lower, upper = (os.environ.get(name) for name in _NAMES)
    for name, value in zip(_NAMES, (lower or upper or "", upper or lower or ""), strict=True):
        known = [host.strip() for host in value.split(",") if host.strip()]
        if known != ["*"]:  # which means every host only where it stands alone
            value = ",".join(dict.fromkeys([*known, *hosts]))
        _written[name] = os.environ[name] = value

"""Keep proxy variables from diverting requests that are meant for this machine."""

from __future__ import annotations

import os
import threading

__all__ = ["bypass_proxies", "restore_proxies"]

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_NAMES = ("no_proxy", "NO_PROXY")  # requests reads the lower one first, others the upper one

_lock = threading.Lock()  # guards the two below
_users = 0
_saved: dict[str, str | None] = {}


def bypass_proxies() -> None:
    """Name the loopback addresses in NO_PROXY if a proxy is set; `restore_proxies` takes it back, call for call."""
    global _users
    with _lock:
        _users += 1
        if _users > 1 or not any(name.lower().endswith("_proxy") and value for name, value in os.environ.items()):
            return
        _saved.update({name: os.environ.get(name) for name in _NAMES})
        known = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
        hosts = [host for host in known.split(",") if host.strip()]
        value = ",".join(hosts + [host for host in _LOOPBACK if host not in hosts])
        os.environ.update(dict.fromkeys(_NAMES, value))


def restore_proxies() -> None:
    """Take back one `bypass_proxies`; the last one restores the variables."""
    global _users
    with _lock:
        _users -= 1
        if _users:
            return
        for name, value in _saved.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        _saved.clear()

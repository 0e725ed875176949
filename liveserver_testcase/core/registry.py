"""The servers of this process that run: stopped when it exits, let go by the children it forks."""

from __future__ import annotations

import atexit
import contextlib
import os
from collections.abc import Iterable
from typing import Protocol

__all__ = ["HasDescriptor", "Running", "forget", "go_first", "remember"]


class HasDescriptor(Protocol):
    """Anything that is a descriptor of the system, such as a socket."""

    def fileno(self) -> int:
        """The descriptor's number; negative if it is closed."""


class Running(Protocol):
    """What the registry must know of a server."""

    def stop(self, timeout: float | None = None) -> None:
        """Stop it within about ``timeout`` seconds."""

    def open_sockets(self) -> Iterable[HasDescriptor]:
        """Every socket that it has open at the moment."""


_running: set[Running] = set()


def remember(server: Running) -> None:
    """Stop ``server`` at exit unless it is forgotten before: plain unittest cleans up nothing on Ctrl-C."""
    _running.add(server)


def forget(server: Running) -> None:
    """Take ``server`` off the list, if it is on it."""
    _running.discard(server)


def go_first() -> None:
    """Stop the servers at exit before whatever has been registered with `atexit` until now is done."""
    atexit.unregister(_stop_all)
    atexit.register(_stop_all)


def _stop_all() -> None:
    for server in list(_running):
        with contextlib.suppress(Exception):
            server.stop(0.0)


def _let_go() -> None:
    """In a forked child: let go the sockets of the parent's servers.

    Their clients would otherwise wait for an end of the connection that comes only when the child ends,
    too.  Each descriptor is made to lead nowhere and stays taken, so that whoever closes it later closes
    nothing else.
    """
    sockets = [sock for server in _running for sock in server.open_sockets() if sock.fileno() >= 0]
    _running.clear()
    if not sockets:
        return
    with contextlib.suppress(OSError), open(os.devnull, "r+b", buffering=0) as nowhere:  # no descriptor left: bear it
        for sock in sockets:
            os.dup2(nowhere.fileno(), sock.fileno(), inheritable=False)


atexit.register(_stop_all)
if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_let_go)

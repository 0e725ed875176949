"""Live servers that classes share: those of a module, of a package, or of the whole run."""

from __future__ import annotations

import contextlib
import logging
import os
import unittest
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from ..web.live import LiveServer
from .live_debug import watch_threads

__all__ = ["end_others", "get_shared"]

__unittest = True
__tracebackhide__ = True

log = logging.getLogger("liveserver_testcase.cases")


@dataclass(eq=False)
class _SharedServer:
    """A server that classes share; it runs, unless a test has stopped it."""

    server: LiveServer
    owner: str | None  # the module or package whose classes share it; None for the whole run
    scope: str
    pid: int  # of the process that started it
    warn_of_threads: Callable[[LiveServer], None]

    def is_for(self, module: str) -> bool:
        """Whether it goes on while a class of ``module`` runs."""
        if self.scope == "package":
            return f"{module}.".startswith(f"{self.owner}.") if self.owner else "." not in module
        return self.scope == "session" or module == self.owner


_shared: dict[Hashable, _SharedServer] = {}  # runners run the classes of a process one after the other
_watched: set[str] = set()  # modules that unittest will tell us the end of


def get_shared(key: Hashable, module: str, scope: str, make: Callable[[], LiveServer], *, starts: bool) -> LiveServer:
    """The server of this key; made when it is first wanted.

    A module's is stopped when its last class is over, as far as that can be known (unittest says so; with other
    runners it is when the first class of another module begins), a package's when the first class begins that is
    neither in it nor in a package of it, a run's when the process ends.
    """
    owner = {"module": module, "package": module.rpartition(".")[0], "session": None}[scope]
    if scope == "module" and module not in _watched:
        _watched.add(module)
        unittest.addModuleCleanup(_end_module, module)
    key = scope, owner, key
    shared = _shared.get(key)
    if shared is None or shared.pid != os.getpid():  # in a forked child the server is its parent's
        warn_of_threads, server = watch_threads(), make()
        shared = _SharedServer(server, owner, scope, os.getpid(), warn_of_threads)
    if starts and not shared.server.is_running:
        shared.server.start()
    _shared[key] = shared
    return shared.server


def end_others(module: str) -> None:
    """Stop the servers that are for other modules than this one, whose class begins."""
    with contextlib.suppress(Exception):  # it is said in the log, and is not this class's doing
        _end(lambda shared: not shared.is_for(module))


def _end_module(module: str) -> None:
    _watched.discard(module)
    _end(lambda shared: shared.scope == "module" and shared.owner == module)


def _end(is_over: Callable[[_SharedServer], bool]) -> None:
    """Stop these servers, whatever goes wrong with one of them."""
    failure: Exception | None = None
    for key in [key for key, shared in _shared.items() if is_over(shared)]:
        shared = _shared.pop(key)
        try:
            shared.server.stop()
            shared.warn_of_threads(shared.server)
        except Exception as error:
            log.error("stopping a server of the %s %s: %s", shared.scope, shared.owner, error)
            failure = error
    if failure is not None:
        raise failure

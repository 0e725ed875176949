"""Live servers that classes share: those of a module, or of the whole run."""

from __future__ import annotations

import contextlib
import logging
import os
import unittest
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from ..web.live import LiveServer

__all__ = ["borrow"]

__unittest = True
__tracebackhide__ = True

log = logging.getLogger("liveserver_testcase.cases")


@dataclass(frozen=True)
class _Loan:
    """A server that classes share.

    Attributes:
        server: It runs, unless a test has stopped it.
        module: The module whose classes share it; None for the whole run.
        pid: The process that started it.
    """

    server: LiveServer
    module: str | None
    pid: int


_loans: dict[Hashable, _Loan] = {}  # runners run the classes of a process one after the other
_watched: set[str] = set()  # modules that unittest will tell us the end of


def borrow(key: Hashable, module: str | None, make: Callable[[], LiveServer], *, starts: bool = True) -> LiveServer:
    """The server of this key; made when it is first wanted.

    Args:
        key: What makes two classes want the same server.
        module: The module whose classes share it; None for the whole run.
        make: Makes the server.
        starts: Whether it is started if it does not run.

    Returns:
        The server.  A module's is stopped when its last class is over, as far as that can be known (unittest says so;
        with other runners it is when the first class of another module begins), a run's when the process ends.
    """
    if module is not None:
        for other in {loan.module for loan in _loans.values()} - {module, None}:
            with contextlib.suppress(Exception):  # it is said in the log, and is not this class's doing
                end_module(other)
        if module not in _watched:
            _watched.add(module)
            unittest.addModuleCleanup(end_module, module)
    loan = _loans.get(key)
    if loan is not None and loan.pid != os.getpid():  # a forked child: the server is its parent's
        loan = None
    if loan is None:
        server = make()
        if starts:
            server.start()
        loan = _loans[key] = _Loan(server, module, os.getpid())
    elif starts and not loan.server.is_running:
        loan.server.start()
    return loan.server


def end_module(module: str | None) -> None:
    """Stop the servers of a module."""
    _watched.discard(module or "")
    keys = [key for key, loan in _loans.items() if loan.module == module]
    try:
        for key in keys:
            _loans[key].server.stop()
    except Exception as error:
        log.error("stopping a server of the module %s: %s", module, error)
        raise
    finally:
        for key in keys:
            _loans.pop(key, None)

"""Threads that go on when everything else is over: the end of the process waits for them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Collection

__all__ = ["find_lasting_threads"]

_EXECUTORS = "concurrent.futures"


def find_lasting_threads(known: Collection[threading.Thread], timeout: float) -> list[threading.Thread]:
    """Return the threads that run, are no daemons, and are not known.

    The threads of executors that have nothing to do are left out: Python ends them by itself.

    Args:
        known: Threads that are left out.
        timeout: Seconds that each of the others gets to end.
    """
    found = [each for each in threading.enumerate() if not each.daemon and each not in known and not _is_idle(each)]
    for thread in found:
        thread.join(timeout)
    return [thread for thread in found if thread.is_alive()]


def _is_idle(thread: threading.Thread) -> bool:
    """Return True if it belongs to an executor and waits for work: what it has called last is the executor's own."""
    frame = sys._current_frames().get(thread.ident or 0)
    module = str(frame.f_globals.get("__name__")) if frame is not None else ""
    return module.startswith(_EXECUTORS) or type(thread).__module__.startswith(_EXECUTORS)

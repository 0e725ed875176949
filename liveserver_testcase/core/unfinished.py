"""What a server was still at when it had to stop, in words."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Sequence
from dataclasses import dataclass

from .stacks import fold_stack

_WAYS = (threading.__file__, os.path.dirname(os.path.dirname(__file__)))  # to the application

__all__ = ["Unfinished", "describe_all", "stack_of_thread"]


@dataclass(frozen=True)
class Unfinished:
    """Something that was still going on when a server had to stop.

    Attributes:
        what: What was being served, such as ``GET /slow HTTP/1.1``.
        peer: Who had asked for it, such as ``127.0.0.1:50004``.
        age: Seconds since it began.
        thread: The name of the thread that served it.
        stack: Where that thread was, as text; empty if it had ended by then.
    """

    what: str
    peer: str
    age: float
    thread: str
    stack: str

    def __str__(self) -> str:
        text = f"{self.what} from {self.peer}, {self.age:.1f} s old, in thread {self.thread!r}"
        return f"{text}, which was at\n{fold_stack(self.stack).rstrip()}" if self.stack else text


def describe_all(unfinished: Sequence[Unfinished]) -> str:
    """One piece of work as it is; several with their number and one below the other."""
    if len(unfinished) == 1:
        return str(unfinished[0])
    return "\n".join([f"{len(unfinished)} pieces of work:", *map(str, unfinished)])


def stack_of_thread(ident: int | None) -> str:
    """Where a thread is at the moment, as `traceback` formats it; empty if it has ended.

    It begins where this package's frames end: how a request came to the application says nothing to its author.
    """
    frame = sys._current_frames().get(ident or 0)
    frames = traceback.extract_stack(frame) if frame is not None else []
    first = next((i for i, entry in enumerate(frames) if not entry.filename.startswith(_WAYS)), 0)
    return "".join(traceback.format_list(frames[first:]))

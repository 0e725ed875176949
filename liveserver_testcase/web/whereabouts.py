"""Where an application is at the moment: the coroutines that wait for each other, and threads that work for them."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import Any

__all__ = ["stack_of_loop", "stack_of_task", "stacks_of_threads"]

_OWN = os.path.dirname(os.path.dirname(__file__))
_DEEPEST = 200  # coroutines that wait for each other: a bound, should they ever wait in a circle


def stack_of_task(task: asyncio.Task[Any]) -> str:
    """Where a task waits, from the application's first frame to the innermost, as `traceback` formats it.

    `asyncio.Task.get_stack` has only the outermost frame of a coroutine that waits.
    """
    return _format((frame, frame.f_lineno) for frame in _frames_of(task.get_coro()))


def stack_of_loop(ident: int | None) -> str:
    """Where the application is in the loop's thread, while it runs there and does not wait; empty if it has ended."""
    frame = sys._current_frames().get(ident or 0)
    return _format(reversed(list(traceback.walk_stack(frame)))) if frame is not None else ""


def _format(frames: Iterable[tuple[FrameType, int]]) -> str:
    """Frames as text, from the application's first one on."""
    entries = traceback.StackSummary.extract(iter(list(frames)), lookup_lines=True)
    ours = [number for number, entry in enumerate(entries) if entry.filename.startswith(_OWN)]
    first = ours[-1] + 1 if ours and ours[-1] + 1 < len(entries) else 0
    return "".join(traceback.format_list(list(entries)[first:]))


def stacks_of_threads(belongs: Callable[[contextvars.Context], bool]) -> str:
    """The stacks of the threads that work for a coroutine; empty if none does.

    Who hands work to a thread hands on a copy of its context, which is then a local variable in that thread: so in
    anyio, in asgiref and in `asyncio.to_thread`.

    Args:
        belongs: Whether a context is one of the coroutine's.
    """
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    found = []
    for ident, frame in sys._current_frames().items():
        if ident != threading.get_ident() and any(belongs(context) for context in _contexts_in(frame)):
            stack = "".join(traceback.format_stack(frame))
            found.append(f"in thread {names.get(ident, ident)!r}:\n{stack}")
    return "".join(found)


def _contexts_in(frame: FrameType | None) -> Iterator[contextvars.Context]:
    """The contexts that the frames of a thread refer to."""
    while frame is not None:
        for value in list(frame.f_locals.values()):
            function = getattr(value, "fn", value)  # a work item of concurrent.futures
            holder = getattr(getattr(function, "func", function), "__self__", value)  # a partial of ``context.run``
            if isinstance(holder, contextvars.Context):
                yield holder
        frame = frame.f_back


def _frames_of(waiting: Any) -> Iterator[FrameType]:
    """The frames of a coroutine and of what it waits for, from the outside to the inside."""
    for _ in range(_DEEPEST):
        frame = next((f for name in ("cr", "gi", "ag") if (f := getattr(waiting, f"{name}_frame", None))), None)
        if frame is not None:
            yield frame
            names = ("cr_await", "gi_yieldfrom", "ag_await")
            waiting = next((inner for name in names if (inner := getattr(waiting, name, None))), None)
        else:
            waiting = _behind(waiting)
        if waiting is None:
            return


def _behind(waiting: Any) -> Any:
    """What stands behind an object that is waited for and has no frame: a step of a generator, another task."""
    if waiting is None:
        return None
    candidates = [waiting, *gc.get_referents(waiting)]
    for candidate in candidates:
        if isinstance(candidate, asyncio.Task):
            return candidate.get_coro()
    return next((c for c in candidates if any(hasattr(c, f"{name}_frame") for name in ("cr", "gi", "ag"))), None)

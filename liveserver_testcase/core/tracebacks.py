"""Where threads and coroutines are, as text, without the stretches that say nothing to their reader."""

from __future__ import annotations

import contextlib
import contextvars
import gc
import os
import re
import sys
import threading
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import asyncio

__all__ = [
    "Unfinished", "callers_level", "describe_all", "find_lasting_threads", "find_library", "fold_stack", "frame_stack",
    "loop_stack", "stack_of_thread", "task_stack", "thread_stacks",
]  # fmt: skip

_ENTRY = re.compile(r'^(?P<indent> *)File "(?P<file>[^"]+)", line \d+.*\n(?:(?! *File ") +.*\n)*', re.MULTILINE)
_PACKAGE = re.compile(r"[/\\](?:site|dist)-packages[/\\](?P<name>[^/\\.]+)")
_LIBRARY = os.path.dirname(os.__file__)
_OWN = os.path.dirname(os.path.dirname(__file__))
_EXECUTORS = "concurrent.futures"
_LEAST = 3  # entries in a row that are worth a fold
_KINDS = ("cr", "gi", "ag")  # coroutines, generators and asynchronous ones, in the names of their attributes
_DEEPEST = 200  # coroutines that wait for each other: a bound, should they ever wait in a circle


def callers_level() -> int:
    """The ``stacklevel`` for a warning that is to name the line from which this package was called."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_OWN):
        level, frame = level + 1, frame.f_back
    return level


def fold_stack(stack: str) -> str:
    """Fold the entries of installed packages and of the standard library, where several come in a row.

    The last entry of a stack stays: it is what is being waited for.

    Args:
        stack: As `traceback` formats it.
    """
    text = stack if stack.endswith("\n") else f"{stack}\n"
    folded = ""
    row: list[re.Match[str]] = []  # entries of libraries that have come one after the other

    def unfold() -> str:
        entries = "".join(entry[0] for entry in row)
        if len(row) >= _LEAST:
            owners = ", ".join(dict.fromkeys(find_library(entry["file"]) for entry in row))
            entries = f"{row[0]['indent']}… {len(row)} frames of {owners}\n"
        row.clear()
        return entries

    end = 0
    for entry in _ENTRY.finditer(text):
        if entry.start() != end:  # another stack begins
            folded += unfold() + text[end : entry.start()]
        end = entry.end()
        is_last = not _ENTRY.match(text, end)
        if find_library(entry["file"]) and not is_last:
            row.append(entry)
        else:
            folded += unfold() + entry[0]
    return folded + text[end:]


def find_library(file: str) -> str:
    """The installed package that a source file belongs to, or ``Python``; empty for one of the user's own."""
    found = _PACKAGE.search(file)
    if found is not None:
        return found["name"]
    return "Python" if file.startswith((_LIBRARY, "<frozen")) else ""


class Unfinished(NamedTuple):
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
    entries = list(traceback.StackSummary.extract(iter(_frames_of_thread(ident))))
    first = next((i for i, entry in enumerate(entries) if not entry.filename.startswith((threading.__file__, _OWN))), 0)
    return "".join(traceback.format_list(entries[first:]))


def task_stack(task: asyncio.Task[Any]) -> str:
    """Where a task waits, from the application's first frame to the innermost, as `traceback` formats it.

    `asyncio.Task.get_stack` has only the outermost frame of a coroutine that waits.
    """
    return _format((frame, frame.f_lineno) for frame in _frames_of(task.get_coro()))


def loop_stack(ident: int | None) -> str:
    """Where the application is in the loop's thread, while it runs there and does not wait; empty if it has ended."""
    return _format(_frames_of_thread(ident))


def frame_stack(frame: FrameType) -> str:
    """Format where the application is that has called this frame."""
    return _format(reversed(list(traceback.walk_stack(frame))))


@contextlib.contextmanager
def _frames_of_threads() -> Iterator[dict[int, FrameType]]:
    """The innermost frames of all threads, which may be walked in this block.

    CPython 3.11 makes the object of a frame when it is asked for.  That may start a garbage collection, in which the
    thread may go on and end, and then the interpreter reads memory that is gone.
    """
    was_enabled = gc.isenabled()
    try:
        gc.disable()
        yield sys._current_frames()
    finally:
        if was_enabled:
            gc.enable()


def _frames_of_thread(ident: int | None) -> list[tuple[FrameType, int]]:
    """The frames of a thread and their lines, from the outermost on; none if it has ended."""
    with _frames_of_threads() as frames:
        frame = frames.get(ident or 0)
        return list(traceback.walk_stack(frame))[::-1] if frame is not None else []


def _format(frames: Iterable[tuple[FrameType, int]]) -> str:
    """Frames as text, from the application's first one on."""
    entries = traceback.StackSummary.extract(iter(list(frames)), lookup_lines=True)
    ours = [number for number, entry in enumerate(entries) if entry.filename.startswith(_OWN)]
    first = ours[-1] + 1 if ours and ours[-1] + 1 < len(entries) else 0
    return "".join(traceback.format_list(list(entries)[first:]))


def thread_stacks(belongs: Callable[[contextvars.Context], bool]) -> str:
    """The stacks of the threads that work for a coroutine; empty if none does.

    Who hands work to a thread hands on a copy of its context, which is then a local variable in that thread: so in
    anyio, in asgiref and in `asyncio.to_thread`.

    Args:
        belongs: Whether a context is one of the coroutine's.
    """

    def is_at_work(frame: FrameType) -> bool:
        for each, _ in traceback.walk_stack(frame):
            for value in list(each.f_locals.values()):
                function = getattr(value, "fn", value)  # a work item of concurrent.futures
                holder = getattr(getattr(function, "func", function), "__self__", value)  # a partial of ``context.run``
                if isinstance(holder, contextvars.Context) and belongs(holder):
                    return True
        return False

    names = {thread.ident: thread.name for thread in threading.enumerate()}
    found = ""
    with _frames_of_threads() as frames:
        for ident, frame in frames.items():
            if ident != threading.get_ident() and is_at_work(frame):
                found += f"in thread {names.get(ident, ident)!r}:\n" + "".join(traceback.format_stack(frame))
    return found


def find_lasting_threads(known: Collection[threading.Thread], timeout: float) -> list[threading.Thread]:
    """Return the threads that run, are no daemons, and are not known.

    Args:
        known: Threads that are left out.
        timeout: Seconds that each of the others gets to end.
    """
    found = []
    with _frames_of_threads() as frames:
        for thread in threading.enumerate():
            if thread.daemon or thread in known:
                continue
            # Left out are the threads of executors that wait for work, which Python ends by itself: what such a thread
            # has called last is the executor's own.
            frame = frames.get(thread.ident or 0)
            modules = type(thread).__module__, str(frame.f_globals.get("__name__")) if frame is not None else ""
            if not any(module.startswith(_EXECUTORS) for module in modules):
                found.append(thread)
    for thread in found:
        thread.join(timeout)
    return [thread for thread in found if thread.is_alive()]


def _frames_of(waiting: Any) -> Iterator[FrameType]:
    """The frames of a coroutine and of what it waits for, from the outside to the inside."""
    asyncio = sys.modules["asyncio"]  # 20 ms to import; whoever has a coroutine that waits has it
    for _ in range(_DEEPEST):
        frame = next((f for name in _KINDS if (f := getattr(waiting, f"{name}_frame", None))), None)
        if frame is not None:
            yield frame
            names = ("cr_await", "gi_yieldfrom", "ag_await")
            waiting = next((inner for name in names if (inner := getattr(waiting, name, None))), None)
        elif waiting is not None:  # what stands behind one without a frame: a step of a generator, another task
            behind = [waiting, *gc.get_referents(waiting)]
            task = next((each for each in behind if isinstance(each, asyncio.Task)), None)
            steps = (each for each in behind if any(hasattr(each, f"{name}_frame") for name in _KINDS))
            waiting = task.get_coro() if task is not None else next(steps, None)
        if waiting is None:
            return

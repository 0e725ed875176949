"""What a test has called and may have forgotten: a coroutine does nothing until it is awaited, nor does a block."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, ParamSpec, TypeVar

__all__ = ["StartedBlock", "StartedCoroutine", "explain_no_block", "find_place", "note_started"]

__unittest = True

P = ParamSpec("P")
R = TypeVar("R")


def find_place() -> str:
    """Return where the test is, such as ``test_shop.py:12``: the nearest frame that no assertion runs in."""
    frame = sys._getframe(1)
    while "__unittest" in frame.f_globals and frame.f_back is not None:
        frame = frame.f_back
    return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"


class StartedCoroutine(NamedTuple):
    """A call that a test is to await, by a name such as ``stub.verify_async``, and what it does to no effect."""

    name: str
    place: str
    coroutine: Coroutine[Any, Any, Any]
    effect: str = "done"

    def explain_if_forgotten(self) -> str:
        """Say that nobody has awaited it; empty if somebody has."""
        if inspect.getcoroutinestate(self.coroutine) != inspect.CORO_CREATED:
            return ""
        self.coroutine.close()  # else Python warns of it, too
        plain = self.name.removesuffix("Async").removesuffix("_async")
        return (
            f"{self.name}(…) at {self.place} was never awaited, so it has {self.effect} nothing: "
            f"write await {self.name}(…) in an async def test, or {plain}(…)"
        )


class StartedBlock(NamedTuple):
    """A block that a test is to enter, made by `contextlib`, by a name such as ``stub.scope``."""

    name: str
    place: str
    manager: Any

    def explain_if_forgotten(self) -> str:
        """Say that nobody has entered it; empty if somebody has."""
        # contextlib lets go of the one when it is entered, and calls the other for a function that it decorates
        if not hasattr(self.manager, "args") or hasattr(self.manager, "was_copied"):
            return ""
        keyword = "async with" if hasattr(self.manager, "__aenter__") else "with"
        return explain_no_block(f"{self.name}(…)", self.place, keyword)


def explain_no_block(call: str, place: str, keyword: str = "with") -> str:
    """Say that a call is about a block that nobody has entered, and what to write."""
    return f"{call} at {place} is about a block, and there was none: write {keyword} {call}:"


def _copy(manager: Any) -> Any:
    manager.was_copied = True
    return type(manager)(manager.func, manager.args, manager.kwds)


def note_started(
    name: str, note: Callable[[Any, StartedCoroutine | StartedBlock], object]
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Note each call of a method, such as ``stub.scope``, for the test to fail that forgets to await or enter it.

    Args:
        name: What the test calls it.
        note: Called with the object whose method it is, and what was started.
    """

    def decorate(method: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(method)
        def start(*args: P.args, **kwargs: P.kwargs) -> R:
            made: Any = method(*args, **kwargs)
            if hasattr(made, "_recreate_cm"):
                made._recreate_cm = functools.partial(_copy, made)
            note(args[0], (StartedCoroutine if inspect.iscoroutine(made) else StartedBlock)(name, find_place(), made))
            return made  # type: ignore[no-any-return]

        return start

    return decorate

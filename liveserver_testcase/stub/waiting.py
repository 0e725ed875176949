"""The verbs of a stub that wait, each written once for threads and for coroutines, and those that are blocks.

A verb that waits is a method that returns a `Wait`: `in_thread` makes the form that a thread calls, and `in_coroutine`
the one that a coroutine awaits.  A test fails that calls that one and does not await it, or does not enter a block.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

from ..core.checks import suggest_more_keywords
from ..core.journal import Journal, runs_loop
from ..core.started import StartedBlock, StartedCoroutine, find_place, note_started
from ..errors import UsageError

__all__ = ["Wait", "in_coroutine", "in_thread", "note_block", "refuse_in_loop"]

__unittest = True

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


def refuse_in_loop(what: str, instead: str) -> None:
    """Refuse to have ``what``, such as ``stub.take_request()``, block an event loop."""
    if runs_loop():
        raise UsageError(
            f"{what} would block the event loop that runs here, and with it the code that it waits for: write {instead}"
        )


class _Waiting(Protocol[T_co]):
    """What a verb returns."""

    def run(self, what: str, instead: str, /) -> T_co: ...

    async def run_async(self) -> T_co: ...


@dataclass(frozen=True)
class Wait(Generic[T]):
    """A wait for what the journal tells; it ends with what ``conclude`` makes of the last result of ``until()``."""

    journal: Journal[Any]
    until: Callable[[], Any]  # asked again whenever something has come or ended
    seconds: float
    conclude: Callable[[Any], T]  # fails if that is not true

    def run(self, what: str, instead: str) -> T:
        """Wait in a thread; where that would block an event loop, say what to write instead of ``what``."""
        refuse_in_loop(what, instead)
        return self.conclude(self.journal.wait_for(self.until, self.seconds))

    async def run_async(self) -> T:
        """Wait in a coroutine."""
        return self.conclude(await self.journal.wait_for_async(self.until, self.seconds))


def in_thread(
    instead: str, what: str = "this wait", *keywords: str
) -> Callable[[Callable[P, _Waiting[T]]], Callable[P, T]]:
    """Make the form of a verb that a thread calls: a coroutine is to write ``instead``."""

    def decorate(verb: Callable[P, _Waiting[T]]) -> Callable[P, T]:
        annotations = verb.__annotations__  # documentation and tools read what a caller gets
        annotations["return"] = annotations["return"].partition("[")[2].removesuffix("]")

        @functools.wraps(verb)
        def wait(*args: P.args, **kwargs: P.kwargs) -> T:
            return verb(*args, **kwargs).run(what, instead)

        return suggest_more_keywords(*keywords)(wait)

    return decorate


def in_coroutine(form: Callable[P, T], owner: str, *keywords: str) -> Callable[P, Coroutine[Any, Any, T]]:
    """Make the form of a verb of ``owner``, such as ``stub``, that a coroutine awaits."""
    verb: Callable[P, _Waiting[T]] = inspect.unwrap(form)
    name = f"{form.__name__}_async"

    async def wait(*args: P.args, **kwargs: P.kwargs) -> T:
        return await verb(*args, **kwargs).run_async()

    @functools.wraps(form)
    def start(*args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        coroutine = wait(*args, **kwargs)
        _note(args[0], StartedCoroutine(f"{owner}.{name}", find_place(), coroutine))
        return coroutine

    start.__name__, start.__qualname__ = name, f"{form.__qualname__}_async"
    start.__doc__ = f"`{form.__name__}`, for code on an event loop."
    return suggest_more_keywords(*keywords)(start)


def note_block(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Have a test fail that calls a verb, such as ``stub.scope``, and does not enter the block that this makes."""
    return note_started(name, _note)


def _note(owner: Any, started: StartedBlock | StartedCoroutine) -> None:
    # without a test case there is none to fail, and whoever keeps a coroutine keeps Python from warning of it
    if owner._inspection is not None and owner._inspection.started is not None:
        owner._inspection.started.append(started)

"""What an assertion waits for, and what it says then: a test waits in its thread, a coroutine awaits.

An assertion makes an `Inquiry`: the conditions that it waits for, one after the other, and a function that looks at
what is there then, and fails the test or returns what was found.  Both forms of an assertion run the same inquiry.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, TypeVar

from ..core.journal import Journal, runs_loop
from ..errors import UsageError

__all__ = [
    "Inquiry",
    "StartedAssertion",
    "Wait",
    "check_count",
    "check_times",
    "must_be_awaited",
    "refuse_on_loop",
]

__unittest = True
__tracebackhide__ = True

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Wait:
    """A condition that is waited for.

    Attributes:
        until: The condition; asked again whenever the journal changes.
        timeout: Seconds; 0 asks once.
        refusal: What to raise where a wait would block the event loop of the calling test; empty to go on without it.
    """

    until: Callable[[], object]
    timeout: float
    refusal: str = ""


@dataclass(frozen=True)
class Inquiry(Generic[T]):
    """What an assertion waits for and concludes.

    Attributes:
        waits: One after the other.
        conclude: Returns what was found, or fails the test; called with whether it could wait.
    """

    waits: Sequence[Wait]
    conclude: Callable[[bool], T]

    def run(self, journal: Journal[Any]) -> T:
        """Run it in the test's thread; on an event loop it cannot wait.

        Raises:
            UsageError: It would have to, and there is no other way.
        """
        for wait in self.waits:
            if wait.until() or wait.timeout <= 0:
                continue
            if runs_loop():
                if wait.refusal:
                    raise UsageError(wait.refusal)
                return self.conclude(False)
            journal.wait_for(wait.until, wait.timeout)
        return self.conclude(True)

    async def run_async(self, journal: Journal[Any]) -> T:
        """Run it in a coroutine; the loop goes on while it waits."""
        for wait in self.waits:
            await journal.wait_for_async(wait.until, wait.timeout)
        return self.conclude(True)


@dataclass(frozen=True)
class StartedAssertion:
    """An assertion that a test has called and is to await.

    Attributes:
        name: Of its method.
        place: Where it was called, such as ``test_shop.py:12``.
        coroutine: What the call returned.
    """

    name: str
    place: str
    coroutine: Coroutine[Any, Any, Any]

    def explain_if_forgotten(self) -> str:
        """Say that nobody has awaited it; empty if somebody has."""
        if inspect.getcoroutinestate(self.coroutine) != inspect.CORO_CREATED:
            return ""
        self.coroutine.close()  # else Python warns of it, too
        return (
            f"self.{self.name}(…) at {self.place} was never awaited, so it has asserted nothing: "
            f"write await self.{self.name}(…) in an async def test, or self.{self.name.removesuffix('Async')}(…)"
        )


def must_be_awaited(method: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Have the test fail that calls this asynchronous assertion and does not await it."""

    @functools.wraps(method)
    def start(*arguments: P.args, **keywords: P.kwargs) -> Coroutine[Any, Any, T]:
        coroutine = method(*arguments, **keywords)
        caller = sys._getframe(1)
        place = f"{os.path.basename(caller.f_code.co_filename)}:{caller.f_lineno}"
        case: Any = arguments[0]
        started = StartedAssertion(method.__name__, place, coroutine)
        case._started_assertions = (*case._started_assertions, started)
        return coroutine

    return start


def refuse_on_loop(what: str, instead: str) -> None:
    """Refuse a wait that would block the event loop of a test.

    Raises:
        UsageError: A loop runs in this thread.
    """
    if runs_loop():
        raise UsageError(f"{what} would block the event loop of this test; write {instead}")


def check_times(times: object) -> int | None:
    """How many, or None for at least one.

    Raises:
        UsageError: It is neither.
    """
    if times is None:
        return None
    if not isinstance(times, int) or isinstance(times, bool) or times < 0:
        raise UsageError(f"times is {times!r}; wanted a whole number, 0 or more, or None for at least one")
    return times


def check_count(n: object) -> int:
    """How many.

    Raises:
        UsageError: It is no such number.
    """
    if not isinstance(n, int) or isinstance(n, bool) or n < 0:
        raise UsageError(f"n is {n!r}; wanted a whole number of emails, 0 or more")
    return n

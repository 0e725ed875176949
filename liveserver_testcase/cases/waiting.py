"""What an assertion waits for, and what it says then: a test waits in its thread, a coroutine awaits.

An assertion is a method that returns an `Inquiry`: the conditions that it waits for, one after the other, and a
function that looks at what is there then, and fails the test or returns what was found.  `in_thread` makes the plain
form of it, and `in_coroutine` the one that a coroutine awaits::

    @in_thread
    def assertSomething(self, …) -> Inquiry[Something]: ...

    assertSomethingAsync = in_coroutine(assertSomething)
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, NamedTuple, ParamSpec, TypeAlias, TypeVar

from ..core.checks import is_count
from ..core.journal import Journal, runs_loop
from ..core.started import StartedCoroutine, explain_no_block, find_place
from ..errors import UsageError

__all__ = [
    "Block", "Inquiry", "Wait", "check_times", "count_matches", "first_or_all", "in_coroutine",
    "in_thread",
]  # fmt: skip

__unittest = True
__tracebackhide__ = True

P = ParamSpec("P")
T = TypeVar("T")


class Wait(NamedTuple):
    """A condition that is asked again whenever the journal changes.

    Attributes:
        timeout: Seconds; 0 asks once.
        refusal: What to say where the wait would block the event loop of the calling test; empty to go on without it.
    """

    journal: Journal[Any]
    until: Callable[[], object]
    timeout: float
    refusal: str = ""


@dataclass(eq=False)
class Inquiry(Generic[T]):
    """What an assertion waits for and concludes.

    Attributes:
        conclude: Returns what was found, or fails the test; called with what to say of a wait that there was not.
        refused: What may not be done on an event loop at all, such as ``assertNoLiveErrors()``; empty if it may.
    """

    waits: Sequence[Wait]
    conclude: Callable[[str], T]
    refused: str = ""

    def run(self, instead: str) -> T:
        """Run it in the test's thread; on an event loop it cannot wait, and says what to write instead."""
        self.check_loop(instead)
        for wait in self.waits:
            if wait.until() or wait.timeout <= 0:
                continue
            if runs_loop():
                if wait.refusal:
                    raise UsageError(f"{wait.refusal}; write {instead}")
                return self.conclude(
                    f"there was no wait, as it would block the event loop of this test; write {instead}"
                )
            wait.journal.wait_for(wait.until, wait.timeout)
        return self.conclude("")

    def check_loop(self, instead: str) -> None:
        """Refuse what would block the event loop of a test in any case."""
        if self.refused and runs_loop():
            raise UsageError(f"{self.refused} would block the event loop of this test; write {instead}")

    async def run_async(self) -> T:
        """Run it in a coroutine; the loop goes on while it waits."""
        for wait in self.waits:
            await wait.journal.wait_for_async(wait.until, wait.timeout)
        return self.conclude("")


# -- the two forms of an assertion -------------------------------------------------------------------------------------


def in_thread(inquire: Callable[P, Inquiry[T]]) -> Callable[P, T]:
    """Make the plain form of an assertion, which runs what the method inquires."""
    instead = f"await self.{inquire.__name__}Async(…)"

    annotations = inspect.unwrap(inquire).__annotations__  # documentation and tools read what a caller gets
    annotations["return"] = annotations["return"].removeprefix("Inquiry[").removesuffix("]")

    @functools.wraps(inquire)
    def assertion(*args: P.args, **kwargs: P.kwargs) -> T:
        return inquire(*args, **kwargs).run(instead)

    return assertion


def in_coroutine(assertion: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Make the form of an assertion that a coroutine awaits; the test fails that calls it and does not."""
    inquire: Callable[P, Inquiry[T]] = assertion.__wrapped__  # type: ignore[attr-defined]
    name = f"{assertion.__name__}Async"

    @functools.wraps(assertion)
    def start(*args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        coroutine = inquire(*args, **kwargs).run_async()
        case: Any = args[0]
        started = StartedCoroutine(f"self.{name}", find_place(), coroutine, "asserted")
        case._note_started(started)
        return coroutine

    start.__name__, start.__qualname__ = name, f"{assertion.__qualname__}Async"
    start.__doc__ = f"`{assertion.__name__}`, for code on an event loop, which goes on while it waits."
    return start


class Block(Generic[T]):
    """A block of a test that an assertion is about; ``with`` in a test, ``async with`` in a coroutine.

    The inquiry is run when it is over, unless it has raised something; ``name`` is what to write in a coroutine.  The
    test fails that makes one and does not enter it.
    """

    def __init__(
        self,
        case: Any,
        name: str,
        value: T,
        inquiry: Inquiry[Any],
        *,
        enter: Callable[[], object],
        leave: Callable[[], object],
    ) -> None:
        self._place = find_place()
        self._is_entered = False
        case._note_started(self)
        self._name = name
        self._value = value
        self._inquiry = inquiry
        self._enter = enter
        self._leave = leave

    def explain_if_forgotten(self) -> str:
        """Say that nobody has entered it; empty if somebody has."""
        if self._is_entered:
            return ""
        return explain_no_block(self._name.removeprefix("async with "), self._place)

    def __enter__(self) -> T:
        self._is_entered = True
        self._inquiry.check_loop(self._name)
        self._enter()
        return self._value

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            if error is None:
                self._inquiry.run(self._name)
        finally:
            self._leave()

    async def __aenter__(self) -> T:
        self._is_entered = True
        self._enter()
        return self._value

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        try:
            if error is None:
                await self._inquiry.run_async()
        finally:
            self._leave()


# -- how often ---------------------------------------------------------------------------------------------------------

Times: TypeAlias = tuple[int, int | None]
"""The fewest and the most; None for no most."""


def check_times(times: object, *, name: str = "times", least: int = 0, may_be_none: bool = True) -> Times:
    """Read how often something is wanted: n for exactly n, None for at least once."""
    if times is None and may_be_none:
        return 1, None
    if is_count(times) and times >= least:
        return times, times
    more = ", or None for at least one" if may_be_none else ""
    raise UsageError(f"{name} is {times!r}; wanted a whole number, {least} or more{more}")


def count_matches(
    journal: Journal[Any],
    find: Callable[[], list[T]],
    often: Times,
    timeout: float,
    fail: Callable[[list[T], bool, str], object],
    *,
    refusal: str = "",
    settling: Wait | None = None,
) -> Inquiry[list[T]]:
    """Inquire whether matches come as often as they are wanted, and no more often.

    Args:
        fail: Called with those that there are, whether they are too few, and what to say of a wait that there was not.
        refusal: Of the wait for the first of them: see `Wait`.
        settling: The wait for what is on its way, which may be one too many.
    """
    low, high = often

    def conclude(advice: str) -> list[T]:
        found = find()
        if len(found) < low or (high is not None and len(found) > high):
            fail(found, len(found) < low, advice)
        return found

    waits = [Wait(journal, lambda: len(find()) >= low, timeout, refusal)]
    if settling is not None and high is not None:
        waits.append(settling)
    return Inquiry(waits, conclude)


def first_or_all(inquiry: Inquiry[list[T]], times: object) -> Inquiry[T | list[T]]:
    """Have an assertion return the first of what was found where one is wanted, else a list of all."""
    conclude = inquiry.conclude
    return Inquiry(inquiry.waits, (lambda advice: conclude(advice)[0]) if times in (None, 1) else conclude)

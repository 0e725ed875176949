"""Did this test fail?  A result that stands between a test and its runner until the verdict is known.

`unittest` reports a failure to the result at once on Python 3.11 and later, and after the clean-ups on 3.10; a note
added later would not be seen.  So the events of one test are kept back until it is over, judged, and then handed on
in their order.  Nothing private of `unittest` is used, and the runner may be any that takes a result.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any

__all__ = ["JudgedResult", "add_note"]

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]

_EVENTS = frozenset(
    ("addSuccess", "addError", "addFailure", "addSkip", "addExpectedFailure", "addUnexpectedSuccess", "addSubTest")
)


class JudgedResult:
    """The result that a test is run with in place of the runner's.

    Args:
        result: The runner's; everything but the events of the test goes straight to it.
        judge: Called once when the test is over and was not skipped: returns the verdict's exception, or None.
        failure: The test's ``failureException``: an exception of this type is a failure, any other an error.
    """

    def __init__(
        self, result: Any, judge: Callable[[], BaseException | None], failure: type[BaseException]
    ) -> None:
        self._result = result
        self._judge = judge
        self._failure = failure
        self._events: list[tuple[str, tuple[Any, ...]]] = []

    def __getattr__(self, name: str) -> Any:
        target = getattr(self._result, name)  # an AttributeError is the answer for what the runner's has not got
        if name not in _EVENTS:
            return target

        def keep(*arguments: Any) -> None:
            self._events.append((name, arguments))

        return keep

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_") and name in ("_result", "_judge", "_failure", "_events"):
            super().__setattr__(name, value)
        else:
            setattr(self._result, name, value)

    def stopTest(self, test: Any) -> None:  # noqa: N802
        """The test and its clean-ups are over: judge, and tell the runner what happened."""
        events, self._events = self._events, []
        try:
            for name, arguments in self._with_verdict(test, events):
                getattr(self._result, name)(*arguments)
        finally:
            self._result.stopTest(test)

    def _with_verdict(self, test: Any, events: list[tuple[str, tuple[Any, ...]]]) -> list[tuple[str, tuple[Any, ...]]]:
        """The events as the verdict leaves them."""
        names = {name for name, _ in events}
        if not events or names == {"addSkip"}:
            return events  # interrupted or skipped: nothing to judge
        problem = self._judge()
        if problem is None:
            return events
        failed = next((info for info in map(_failure_of, events) if info is not None), None)
        if failed is not None:
            add_note(failed[1], str(problem))
            return events
        name = "addFailure" if isinstance(problem, self._failure) else "addError"
        verdict = (name, (test, (type(problem), problem, problem.__traceback__)))
        if "addUnexpectedSuccess" in names:  # the test was expected to fail, and this is how it did
            verdict = ("addExpectedFailure", verdict[1])
        return [event for event in events if event[0] not in ("addSuccess", "addUnexpectedSuccess")] + [verdict]


def _failure_of(event: tuple[str, tuple[Any, ...]]) -> ExcInfo | None:
    """The exception that an event reports, if it reports one."""
    name, arguments = event
    if name in ("addError", "addFailure", "addExpectedFailure"):
        return arguments[1]  # type: ignore[no-any-return]
    if name == "addSubTest":
        return arguments[2]  # type: ignore[no-any-return]
    return None


def add_note(error: BaseException, note: str) -> None:
    """Attach ``note`` to an exception so that every runner prints it."""
    if sys.version_info >= (3, 11):
        error.add_note(note)
        return
    plain = type(error).__str__ in (BaseException.__str__, Exception.__str__)
    if plain and len(error.args) <= 1:
        text = str(error)
        error.args = (f"{text}\n{note}" if text else note,)
        return
    last = error  # its text is made elsewhere: print the note as an exception that came before
    while last.__cause__ is not None or last.__context__ is not None:
        last = last.__cause__ or last.__context__  # type: ignore[assignment]
    last.__context__ = AssertionError(note)

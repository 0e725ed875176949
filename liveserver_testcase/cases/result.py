"""Did this test fail?  A result that stands between a test and its runner until the servers have been asked.

`unittest` reports a failure to the result at once on Python 3.11 and later, and after the clean-ups on 3.10.  Runners
print an event when they get it, so a failure that is known only later could not be added to it.
Therefore the events of a test are kept back until its clean-ups are over and its servers have been asked, and then
passed on in their order.
Nothing private of `unittest` is used, and the runner may be any that takes a result.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ServerNotStarted
from .failure_text import add_note, as_note, format_error

if TYPE_CHECKING:
    from .base import ServerTestCase

__all__ = ["DelayedResult"]

__unittest = True
__tracebackhide__ = True

_ERRORS = ("addError", "addFailure", "addExpectedFailure")
_OUTCOMES = frozenset((*_ERRORS, "addSuccess", "addSkip", "addUnexpectedSuccess", "addSubTest"))
_EVENTS = _OUTCOMES | {"addDuration"}
_LISTS = {"failures": "addFailure", "errors": "addError"}
_REPORTS_AFTER_CLEAN_UPS = sys.version_info < (3, 11)


class _Event(NamedTuple):
    """Something that a test reported to its result."""

    name: str
    arguments: tuple[Any, ...]

    @property
    def error(self) -> BaseException | None:
        """The exception that it reports, if it reports one."""
        if self.name not in (*_ERRORS, "addSubTest"):
            return None
        described: tuple[Any, BaseException, Any] | None = self.arguments[-1]
        return described[1] if described is not None else None

    @property
    def is_failure(self) -> bool:
        """Whether the test, or a subtest, has failed."""
        return self.error is not None and self.name != "addExpectedFailure"


class DelayedResult:
    """The result that a test is run with: everything but the events of the test goes straight to the runner's."""

    __slots__ = ("_failure", "_kept", "_result", "_test", "_was_asked")

    def __init__(self, result: Any, test: ServerTestCase) -> None:
        self._result = result
        self._test = test
        self._kept: list[_Event] = []
        self._was_asked = False
        self._failure: BaseException | None = None  # until it was passed on

    def __getattr__(self, name: str) -> Any:
        target = getattr(self._result, name)  # an AttributeError is the answer for what the runner's has not got
        if name in _LISTS:  # a ``tearDown`` looks there for its own test's
            kept = [event.arguments for event in self._kept if event.name == _LISTS[name]]
            return [*target, *((test, format_error(described[1])) for test, described in kept)] if kept else target
        if name not in _EVENTS:
            return target

        def keep(*arguments: Any) -> None:
            event = _Event(name, arguments)
            self._kept.append(event)
            if event.is_failure:
                self._test._failed()
            if _REPORTS_AFTER_CLEAN_UPS and name in _OUTCOMES:  # pytest needs it before the test is over
                self._pass_all_on()

        return keep

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__slots__:
            super().__setattr__(name, value)
        else:
            setattr(self._result, name, value)

    def stopTest(self, test: Any) -> None:
        """The test and its clean-ups are over: ask its servers, and pass on what happened."""
        try:
            if self._kept:  # else it was interrupted
                self._pass_all_on()
            if self._failure is not None:
                self._test._failed()
                self._pass_on([self._as_event(self._failure)])
        finally:
            self._result.stopTest(test)

    def _pass_all_on(self) -> None:
        """Pass on what was kept back, with what the servers say."""
        events, self._kept = self._kept, []
        try:
            if not self._was_asked and not isinstance(sys.exc_info()[1], KeyboardInterrupt):
                self._was_asked = True
                skipped = any(event.name == "addSkip" and event.arguments[0] is self._test for event in events)
                self._failure = self._test._find_failure(skipped)
        finally:  # also when somebody interrupts the servers' answers
            passed = []
            for event in events:
                if event.error is not None and event.is_failure:
                    explanation = self._test._explain_error(event.error)
                    if explanation:
                        add_note(event.error, f"\n{explanation}")
                passed.append(event if self._failure is None else self._amend(event, self._failure))
            self._pass_on(passed)

    def _amend(self, event: _Event, failure: BaseException) -> _Event:
        """The event with the failure in it, if it is one that the failure can go with."""
        if event.error is not None:
            self._failure = None
            if not isinstance(event.error, type(failure)) or not isinstance(failure, ServerNotStarted):
                add_note(event.error, as_note(failure))  # else it says the same already
        elif event.name == "addSuccess":
            self._test._failed()
            return self._as_event(failure)
        elif event.name == "addUnexpectedSuccess":  # the test was expected to fail, and this is how it did
            return self._as_event(failure)._replace(name="addExpectedFailure")
        return event

    def _as_event(self, failure: BaseException) -> _Event:
        """The servers' failure as the test's own failure or error, which is passed on next."""
        self._failure = None
        name = "addFailure" if isinstance(failure, self._test.failureException) else "addError"
        return _Event(name, (self._test, (type(failure), failure, failure.__traceback__)))

    def _pass_on(self, events: list[_Event]) -> None:
        try:
            failures = [event for event in events if event.is_failure]
            # the last argument is what happened, and the one before it the test or subtest that it happened to
            self._test._keep_failures([(event.arguments[-2].id(), event.arguments[-1][1]) for event in failures])
        finally:  # also when somebody interrupts it
            for event in events:
                getattr(self._result, event.name)(*event.arguments)

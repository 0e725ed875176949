"""Did this test fail?  A result that stands between a test and its runner until the verdict is known.

`unittest` reports a failure to the result at once on Python 3.11 and later, and after the clean-ups on 3.10.  Runners
print what they are told when they are told it, so a verdict that is known only later could not be added to it.
Therefore the events of a test are kept back until its clean-ups are over, judged, and then handed on in their order.
Nothing private of `unittest` is used, and the runner may be any that takes a result.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import linecache
import sys
import traceback
import unittest
from collections.abc import Callable, Sequence
from types import CodeType, FunctionType, TracebackType
from typing import Any, NamedTuple, TypeVar

from ..core.masking import mask
from ..errors import ServerNotStarted

__all__ = [
    "JudgedResult",
    "add_note",
    "as_note",
    "format_error",
    "is_all_ours",
    "members_of",
    "name_error",
    "raise_at",
]

__unittest = True
__tracebackhide__ = True

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]
E = TypeVar("E", bound=BaseException)

_ERRORS = ("addError", "addFailure", "addExpectedFailure")
_OUTCOMES = frozenset((*_ERRORS, "addSuccess", "addSkip", "addUnexpectedSuccess", "addSubTest"))
_EVENTS = _OUTCOMES | {"addDuration"}
_LISTS = {"failures": "addFailure", "errors": "addError"}
_PACKAGE = __name__.partition(".")[0]
_MOST_NAMED = 5  # exceptions of a group
_GROUP: Any = getattr(builtins, "BaseExceptionGroup", ())
_MOST_DECORATORS = 50  # lines of them, beyond which it is not worth the search
_TOLD_AFTER_CLEAN_UPS = sys.version_info < (3, 11)


class _Event(NamedTuple):
    """Something that a test told its result."""

    name: str
    arguments: tuple[Any, ...]

    @property
    def error(self) -> ExcInfo | None:
        """The exception that it reports, if it reports one."""
        if self.name in _ERRORS:
            return self.arguments[1]  # type: ignore[no-any-return]
        return self.arguments[2] if self.name == "addSubTest" else None


class JudgedResult:
    """The result that a test is run with in place of the runner's.

    Args:
        result: The runner's; everything but the events of the test goes straight to it.
        test: The test.
        judge: Called once, when the test's clean-ups are over, with whether it was skipped; returns the exception that
            is the verdict, or None.
        alarm: Called the moment the test is seen to fail: on Python 3.11 and later before its tearDown.
        explain: Called with each exception of the test when it was judged; returns what its note is to say besides.
    """

    __slots__ = ("_alarm", "_explain", "_held", "_is_judged", "_judge", "_result", "_test", "_verdict")

    def __init__(
        self,
        result: Any,
        test: unittest.TestCase,
        judge: Callable[[bool], BaseException | None],
        alarm: Callable[[], None] = lambda: None,
        explain: Callable[[BaseException], str] = lambda _: "",
    ) -> None:
        self._result = result
        self._test = test
        self._judge = judge
        self._alarm = alarm
        self._explain = explain
        self._held: list[_Event] = []
        self._is_judged = False
        self._verdict: BaseException | None = None  # until the runner has heard of it

    def __getattr__(self, name: str) -> Any:
        target = getattr(self._result, name)  # an AttributeError is the answer for what the runner's has not got
        if name in _LISTS:
            return self._with_held(name, target)
        if name not in _EVENTS:
            return target

        def keep(*arguments: Any) -> None:
            event = _Event(name, arguments)
            self._held.append(event)
            if event.error is not None and name != "addExpectedFailure":
                self._alarm()
            if _TOLD_AFTER_CLEAN_UPS and name in _OUTCOMES:  # pytest wants to hear of it before the test is over
                self._hand_on()

        return keep

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__slots__:
            super().__setattr__(name, value)
        else:
            setattr(self._result, name, value)

    def stopTest(self, test: Any) -> None:
        """The test and its clean-ups are over: judge, and tell the runner what happened."""
        try:
            if self._held:  # else it was interrupted
                self._hand_on()
            if self._verdict is not None:
                self._alarm()
                self._tell(self._as_event(self._verdict))
        finally:
            self._result.stopTest(test)

    def _hand_on(self) -> None:
        """Tell the runner what was kept back, as the verdict leaves it."""
        events, self._held = self._held, []
        try:
            if not self._is_judged and not isinstance(sys.exc_info()[1], KeyboardInterrupt):
                self._is_judged = True
                skipped = any(event.name == "addSkip" and event.arguments[0] is self._test for event in events)
                self._verdict = self._judge(skipped)
        finally:  # whoever interrupts the judging still wants to know the rest
            for event in events:
                if event.error is not None and event.name != "addExpectedFailure":
                    explanation = self._explain(event.error[1])
                    if explanation:
                        add_note(event.error[1], f"\n{explanation}")
                self._tell(event if self._verdict is None else self._amend(event, self._verdict))

    def _amend(self, event: _Event, verdict: BaseException) -> _Event:
        """The event with the verdict in it, if it is one that the verdict can go with."""
        if event.error is not None:
            self._verdict = None
            if not isinstance(event.error[1], type(verdict)) or not isinstance(verdict, ServerNotStarted):
                add_note(event.error[1], as_note(verdict))  # else it says the same already
        elif event.name == "addSuccess":
            self._alarm()
            return self._as_event(verdict)
        elif event.name == "addUnexpectedSuccess":  # the test was expected to fail, and this is how it did
            return self._as_event(verdict)._replace(name="addExpectedFailure")
        return event

    def _as_event(self, verdict: BaseException) -> _Event:
        """The verdict as the test's own failure or error, which the runner hears of next."""
        self._verdict = None
        name = "addFailure" if isinstance(verdict, self._test.failureException) else "addError"
        return _Event(name, (self._test, (type(verdict), verdict, verdict.__traceback__)))

    def _tell(self, event: _Event) -> None:
        getattr(self._result, event.name)(*event.arguments)

    def _with_held(self, name: str, known: list[Any]) -> list[Any]:
        """``failures`` or ``errors`` as a ``tearDown`` expects them that looks there for its own test's."""
        held = [event for event in self._held if event.name == _LISTS[name]]
        return [*known, *((e.arguments[0], format_error(e.arguments[1][1])) for e in held)] if held else known


def raise_at(place: object, error: E) -> E:
    """Raise ``error`` as if the first line of ``place``, a function or class, did, and return it.

    That is where readers, editors and runners look for a test, and nothing in its body is to blame.  pytest would
    otherwise print the source of this module.
    """
    try:
        code = _make_raising_code(place)
    except Exception:  # it is neither, or has no source
        code = None
    try:
        if code is not None:
            FunctionType(code, {"error": error})()
        raise error
    except BaseException as raised:
        if raised is not error:
            raise
    return error


def is_all_ours(error: BaseException) -> bool:
    """Whether an exception has passed no other code than this package's: its traceback tells its reader nothing."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return all(frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE for frame in frames)


def _make_raising_code(place: Any) -> CodeType:
    """Code that raises the global ``error`` and passes for the first line of ``place``."""
    if isinstance(place, type):
        file, line, name = inspect.getfile(place), inspect.getsourcelines(place)[1], place.__name__
    else:
        original = inspect.unwrap(place).__code__
        file, line, name = original.co_filename, _find_def(original), original.co_name
    tree = ast.parse("raise error")
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt | ast.expr):
            node.col_offset = node.end_col_offset = -1  # none: no part of the line is underlined
    return compile(tree, file, "exec").replace(co_name=name, co_firstlineno=line)


def _find_def(code: CodeType) -> int:
    """The line of a function's ``def``; its code begins with the first decorator."""
    first, starts = code.co_firstlineno, (f"def {code.co_name}", f"async def {code.co_name}")
    for line in range(first, first + _MOST_DECORATORS):
        if linecache.getline(code.co_filename, line).lstrip().startswith(starts):
            return line
    return first


def as_note(problem: BaseException) -> str:
    """A verdict as text, with the traceback of the exception behind it: a note has no cause of its own."""
    cause = problem.__cause__
    return f"\n{problem}" if cause is None else f"\n{problem}\n\n{format_error(cause)}"


def format_error(error: BaseException) -> str:
    """An exception as it is printed when nobody catches it."""
    return "".join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip()


def name_error(error: BaseException) -> str:
    """An exception in a line, without its secrets.

    The rest of its text, its notes, and the place of a syntax error are left out; of a group its members are named.
    """
    parts = traceback.format_exception_only(type(error), error)
    name = mask(next((part for part in parts if not part.startswith(" ")), parts[0]).splitlines()[0])
    inner = members_of(error)
    more = ["…"] if len(inner) > _MOST_NAMED else []
    return f"{name}, with {'; '.join([*map(name_error, inner[:_MOST_NAMED]), *more])}" if inner else name


def members_of(error: BaseException) -> Sequence[BaseException]:
    """The exceptions in a group; none of anything else, and none on Python 3.10, which has no groups."""
    return error.exceptions if isinstance(error, _GROUP) else ()


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
    seen = {id(last)}
    while (before := last.__cause__ or (None if last.__suppress_context__ else last.__context__)) is not None:
        if id(before) in seen:
            return
        seen.add(id(before))
        last = before
    if last.__suppress_context__:
        last.__cause__ = AssertionError(note)
    else:
        last.__context__ = AssertionError(note)

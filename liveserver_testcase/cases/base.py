"""Servers of a test class: started before its first test, judged after each, stopped after its last."""

from __future__ import annotations

import contextlib
import os
import unittest
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, NoReturn, Protocol, TypeVar, overload

from ..errors import ServerNotStarted, UsageError
from .outcome import JudgedResult, add_note
from .proxies import bypass_proxies, restore_proxies

__all__ = ["ClassServer", "Problem", "ServerAttribute", "ServerTestCase", "Startable"]

__unittest = True  # unittest leaves the frames of this module out of its tracebacks

_FALSE = ("", "0", "false", "no", "off")


class Startable(Protocol):
    """The least that a class server needs: it can be started and stopped."""

    def start(self) -> Any:
        """Begin to serve; return when it serves."""

    def stop(self) -> Any:
        """Stop serving, also if it never started."""


S = TypeVar("S", bound=Startable)
C = TypeVar("C", str, int, float)


@dataclass(frozen=True)
class Problem:
    """Something that a server holds against a test.

    Attributes:
        text: What the failing test's report says.
        cause: The exception behind it, whose traceback is printed too.
    """

    text: str
    cause: BaseException | None = None


class ClassServer(Generic[S]):
    """One server of a test class: how it starts, begins a test, is judged and stops.

    Enough as it is for a server that only has to run.  A subclass that knows more of its server overrides `begin`,
    `settle` and `problems`.

    Args:
        name: The attribute under which the test finds the server (see `ServerAttribute`).
        make: Makes the server when its turn comes; the servers before it in `order` run by then.
        order: Servers start from the lowest to the highest and stop in reverse: mail is 10, stubs 20, the live
            application 30.
    """

    def __init__(self, name: str, make: Callable[[], S], *, order: int = 20) -> None:
        self.name = name
        self.order = order
        self._make = make
        self.server: S | None = None

    def start(self) -> None:
        """Make the server and start it."""
        self.server = self._make()
        self.server.start()

    def begin(self, test_id: str) -> None:
        """A test begins: forget the one before."""

    def settle(self) -> None:
        """A test is over: let come to an end what is still going on, within a bound."""

    def problems(self) -> list[Problem]:
        """What is held against the test that is over; each problem once."""
        return []

    def leftovers(self) -> list[Problem]:
        """What came to light after the last test was judged."""
        return []

    def stop(self) -> None:
        """Stop the server, if it was made."""
        if self.server is not None:
            self.server.stop()


class ServerAttribute(Generic[S]):
    """A class attribute through which a test class and its tests reach the server of the same name."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type[ServerTestCase]) -> S: ...
    @overload
    def __get__(self, instance: ServerTestCase, owner: type[ServerTestCase]) -> S: ...
    def __get__(self, instance: ServerTestCase | None, owner: type[ServerTestCase]) -> S:
        for part in owner._parts():
            if part.name == self._name and part.server is not None:
                return part.server  # type: ignore[no-any-return]
        raise ServerNotStarted(f"{owner.__name__}.{self._name} is not there yet: {owner._why_not_started()}")


class ServerTestCase(unittest.TestCase):
    """The base of every test class with servers: it runs them, and has the last word on each test.

    A subclass says which servers there are in `class_servers`.  They run from ``setUpClass`` to ``tearDownClass``,
    whatever a test class overrides: a forgotten ``super()`` in ``setUp``, ``tearDown`` or ``tearDownClass`` changes
    nothing, and one in ``setUpClass`` is reported.
    """

    _class_parts: ClassVar[list[ClassServer[Any]] | None] = None

    @classmethod
    def class_servers(cls) -> list[ClassServer[Any]]:
        """The servers of this class: extend what ``super().class_servers()`` returns."""
        return []

    @classmethod
    def setting(cls, attribute: str, variable: str, kind: type[C]) -> C:
        """The value of a configuration attribute, which an environment variable overrides for one run.

        Args:
            attribute: Such as ``live_port``.
            variable: Such as ``LIVESERVER_PORT``.
            kind: ``str``, ``int`` or ``float``.

        Raises:
            UsageError: The variable is no ``kind``.
        """
        text = os.environ.get(variable, "")
        if not text:
            return getattr(cls, attribute)  # type: ignore[no-any-return]
        try:
            return kind(text)
        except ValueError as error:
            wanted = {int: "a whole number", float: "a number of seconds"}.get(kind, "text")
            raise UsageError(f"the environment variable {variable} is {text!r}; wanted {wanted}") from error

    # -- the life of a class -----------------------------------------------------------------------------------------

    @classmethod
    def setUpClass(cls) -> None:
        """Start the servers of the class."""
        super().setUpClass()
        cls._start_servers()

    @classmethod
    def tearDownClass(cls) -> None:
        """Stop the servers of the class, and report what came to light after its last test."""
        try:
            cls._stop_servers()
        finally:
            super().tearDownClass()

    @classmethod
    def _start_servers(cls) -> None:
        cls._class_parts = []
        cls.addClassCleanup(cls._stop_servers)  # before anything runs: unittest calls it also if this fails half-way
        bypass_proxies()
        try:
            for part in sorted(cls.class_servers(), key=lambda part: part.order):
                cls._class_parts.append(part)
                part.start()
        except BaseException:  # unittest calls no clean-up for KeyboardInterrupt and SystemExit
            with contextlib.suppress(Exception):
                cls._stop_servers()
            raise

    @classmethod
    def _stop_servers(cls) -> None:
        """Stop what runs, the last started first; done once, from wherever it is called first."""
        parts = cls._parts()
        if cls.__dict__.get("_class_parts") is None:
            return
        cls._class_parts = None
        errors: list[BaseException] = []
        problems: list[Problem] = []
        for part in reversed(parts):
            try:
                part.stop()
                problems += part.leftovers()
            except Exception as error:
                errors.append(error)
        restore_proxies()
        if problems:
            errors.insert(0, _make_failure(cls.failureException, problems))
        if errors:
            for error in errors[1:]:
                add_note(errors[0], f"and also {type(error).__name__}: {error}")
            raise errors[0]

    @classmethod
    def _parts(cls) -> list[ClassServer[Any]]:
        """The servers that this very class has started: never those of a base class, which may be over already."""
        return cls.__dict__.get("_class_parts") or []

    @classmethod
    def _why_not_started(cls) -> str:
        return (
            f"the servers of {cls.__name__} run from its setUpClass() to its tearDownClass(). "
            "Was setUpClass() overridden without calling super().setUpClass() first?"
        )

    # -- the life of a test ------------------------------------------------------------------------------------------

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        """Run the test, judge it by what its servers saw, and tell the runner."""
        stop_run = None
        if result is None:
            result = self.defaultTestResult()
            getattr(result, "startTestRun", lambda: None)()
            stop_run = getattr(result, "stopTestRun", None)
        try:
            self._begin_test()
            super().run(JudgedResult(result, self._judge, self.failureException))  # type: ignore[arg-type]
        finally:
            if stop_run is not None:
                stop_run()
        return result

    def debug(self) -> None:
        """Run the test without collecting its result; a verdict against it is raised."""
        self._begin_test()
        super().debug()
        problem = self._judge()
        if problem is not None:
            raise problem

    def fail_with(self, report: str, msg: str | None = None) -> NoReturn:
        """Fail with a report, and with what the test's author wanted to be said besides."""
        raise self.failureException(report if msg is None else f"{msg}\n{report}")

    def _begin_test(self) -> None:
        for part in self._parts():
            part.begin(self.id())

    def _judge(self) -> BaseException | None:
        """What the servers hold against the test that is over, as an exception."""
        if type(self).__dict__.get("_class_parts") is None:
            return ServerNotStarted(f"{self.id()} ran without its servers: {self._why_not_started()}")
        try:
            for part in self._parts():
                part.settle()
            problems = [problem for part in self._parts() for problem in part.problems()]
        except Exception as error:  # a server that cannot be judged is an error of the test, not of the runner
            return error
        return _make_failure(self.failureException, problems) if problems else None


def _make_failure(kind: type[BaseException], problems: list[Problem]) -> BaseException:
    """One exception for all problems, the first cause chained to it."""
    cause = next((problem.cause for problem in problems if problem.cause is not None), None)
    try:
        raise kind("\n\n".join(problem.text for problem in problems)) from cause
    except kind as failure:  # raised, so that it has the traceback that runners look for
        return failure

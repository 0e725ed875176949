"""Servers of a test class: started before its first test, asked about each test, stopped after the last."""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import unittest
from collections.abc import Sequence
from typing import Any, ClassVar, NoReturn, TypeVar

from ..core.started import StartedBlock, StartedCoroutine
from ..errors import LiveServerTestCaseError, ServerNotStarted, ServerStartError, UsageError
from .after_failure import FailureFolder, find_folder, find_screenshot, is_folder_wanted
from .class_server import NOT_STARTED, ClassRun, ClassServer, Findings, Problem
from .failure_text import add_note, as_note, find_skip, format_error, is_all_ours, raise_at
from .mistakes import check_class, explain_own_settings, find_name, refuse_coroutine, suggest_attribute
from .result import DelayedResult
from .settings import read_setting
from .waiting import Block

__all__ = ["ServerTestCase", "make_failure"]

__unittest = True  # unittest leaves the frames of this module out of its tracebacks
__tracebackhide__ = True  # and so does pytest

C = TypeVar("C", str, int, float, bool)


class ServerTestCase(unittest.TestCase):
    """The base of every test class with servers: it runs them, and fails each test that they report a problem of.

    A subclass says which servers there are in `class_servers`.  They run from ``setUpClass`` to ``tearDownClass``,
    whatever a test class overrides: a forgotten ``super()`` in ``setUp``, ``tearDown`` or ``tearDownClass`` changes
    nothing, and one in ``setUpClass`` is reported.

    Attributes:
        server_artifacts: A folder in which each test that fails leaves a folder of its own, with what its servers saw;
            None for no such thing.  Environment: ``LIVESERVER_ARTIFACTS``.
    """

    server_artifacts: ClassVar[str | os.PathLike[str] | None] = None

    _class_run: ClassVar[ClassRun] = NOT_STARTED
    _class_is_over: ClassVar[bool] = False
    _artifacts: ClassVar[str] = ""  # the path of that folder
    _class_folder: ClassVar[FailureFolder | None] = None  # what has failed outside of a test
    _folder = FailureFolder("", "")
    _described_server: str = ""  # the name of a server whose activity a failed assertion has described
    _started_assertions: Sequence[StartedCoroutine | StartedBlock | Block[Any]] = ()  # what the test may have forgotten
    _was_described: bool = False  # whether this test's report has what its servers did

    @classmethod
    def class_servers(cls) -> list[ClassServer[Any]]:
        """Return the servers of this class: extend the list of ``super().class_servers()``."""
        return []

    @classmethod
    def setting(cls, attribute: str, variable: str, kind: type[C], choices: Sequence[C] = ()) -> C:
        """The value of a configuration attribute, which an environment variable overrides for one run.

        Args:
            attribute: Such as ``live_port``.
            variable: Such as ``LIVESERVER_PORT``.
            kind: ``str``, ``int`` (0 or more), ``float`` (seconds) or ``bool``, which a variable says with ``1``,
                ``true``, ``yes``, ``on`` or their opposites.
            choices: The values that there are; none for any.

        Raises:
            UsageError: The value is no ``kind``, or none of the choices; says whether it is the attribute's or the
                variable's.
        """
        return read_setting(cls, attribute, variable, kind, choices)

    def server_screenshot(self) -> bytes | None:
        """Return a picture of the browser as PNG, for the folder of this test, which has just failed; None for none.

        As it is, it looks at ``self.browser``, ``self.page``, ``self.driver`` and ``self.selenium`` for a driver of
        Selenium or a page of Playwright.  Override it where the browser is elsewhere.
        """

        def find_plain(name: str) -> Any:
            value = inspect.getattr_static(self, name, None)
            return None if hasattr(type(value), "__get__") else value  # a property might start a browser

        picture: bytes | None = find_screenshot(find_plain)
        return picture

    # -- the life of a class -----------------------------------------------------------------------------------------

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        set_up = vars(cls).get("setUpClass")
        if not isinstance(set_up, classmethod) or not is_folder_wanted(cls):
            return

        @functools.wraps(set_up.__func__)
        def set_up_class(cls: type[ServerTestCase]) -> None:
            try:
                set_up.__func__(cls)
            except Exception as error:  # which may come before or after the start of the servers
                cls._keep_failure(error, cls._own_run())
                raise

        setattr(cls, "setUpClass", classmethod(set_up_class))  # noqa: B010  # which mypy refuses

    @classmethod
    def setUpClass(cls) -> None:
        """Start the servers of the class."""
        super().setUpClass()
        cls._start_servers()

    @classmethod
    def tearDownClass(cls) -> None:
        """Stop the servers of the class, and report problems that were found after its last test."""
        try:
            cls._stop_servers()
        finally:
            super().tearDownClass()

    @classmethod
    def _start_servers(cls) -> None:
        if cls._own_run() is not NOT_STARTED:
            return  # a second call, by way of another base
        cls.addClassCleanup(cls._stop_servers)  # before anything runs: unittest calls it also if this fails half-way
        cls._class_is_over = False
        check_class(cls)
        cls._artifacts, cls._class_folder = find_folder(cls), None
        run = cls._class_run = ClassRun(cls.class_servers())
        try:
            run.start()
        except BaseException as error:  # unittest calls no clean-up for KeyboardInterrupt and SystemExit
            for further in run.stop().errors:
                add_note(error, f"\n{further.text}")
            cls._class_run = NOT_STARTED
            skip = find_skip(error)
            if skip is not None:
                raise skip from None
            if isinstance(error, ServerStartError) and cls.__name__ not in str(error):
                add_note(error, f"(for {cls.__name__}.{run.latest})")
            cls._keep_failure(error, run)
            if is_all_ours(error):
                raise raise_at(cls, error.with_traceback(None))  # noqa: B904  # it is the same error
            raise

    @classmethod
    def _stop_servers(cls) -> None:
        """Stop what runs; done once, from wherever it is called first."""
        run = cls._own_run()
        if run is NOT_STARTED:
            return
        cls._class_run, cls._class_is_over = NOT_STARTED, True
        failure = make_failure(run.stop(), cls.failureException, cls)
        if failure is not None:
            cls._keep_failure(failure, run)
            raise failure

    @classmethod
    def _keep_failure(cls, error: BaseException, run: ClassRun) -> None:
        """Leave the folder of the class, for what has failed outside of its tests."""
        if isinstance(error, unittest.SkipTest) or not isinstance(error, Exception):
            return
        name = f"{cls.__module__}.{cls.__qualname__}"
        with contextlib.suppress(UsageError):  # which is, or will be, the failure itself
            folder = cls._class_folder = vars(cls).get("_class_folder") or FailureFolder(find_folder(cls), name)
            folder.write([(name, error)], run.servers)

    @classmethod
    def _own_run(cls) -> ClassRun:
        """The servers of this very class: never those of a base class, which may be over already."""
        run: ClassRun = cls.__dict__.get("_class_run", NOT_STARTED)
        return run

    @classmethod
    def _explain_absence(cls, name: str, shown: str = "") -> ServerNotStarted:
        """An error that says why there is no server of this name, which messages call ``shown``."""
        return ServerNotStarted(f"{cls.__name__}.{shown or name} is not there: {cls._find_reason(name)}")

    @classmethod
    def _find_reason(cls, name: str = "") -> str:
        """Why there is no server of this name, or none at all."""
        run = cls._own_run()
        if run is NOT_STARTED and cls.__dict__.get("_class_is_over"):
            return f"the servers of {cls.__name__} were stopped by its tearDownClass()"
        if run is NOT_STARTED:
            return (
                f"no setUpClass() has started the servers of {cls.__name__}; "
                "if the class overrides setUpClass(), it must call super().setUpClass() first"
            )
        adapter = run.adapter(name)
        if adapter is None:
            return f"{cls.__name__}.class_servers() does not list it; does it extend super().class_servers()?"
        names = ", ".join(server.name for server in run.servers)
        in_turn = f"the servers of {cls.__name__} start in the order {names}, and its turn has not come"
        return adapter.explain_absence() or in_turn

    # -- the life of a test ------------------------------------------------------------------------------------------

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        """Run the test, and fail it if its servers report a problem."""
        stop_run = None
        if result is None:
            result = self.defaultTestResult()
            getattr(result, "startTestRun", lambda: None)()
            stop_run = getattr(result, "stopTestRun", None)
        try:
            self._begin_test()
            super().run(DelayedResult(result, self))  # type: ignore[arg-type]
        finally:
            if stop_run is not None:
                stop_run()
        return result

    def debug(self) -> None:
        """Run the test without collecting its result; problems of its servers are raised."""
        self._begin_test()
        try:
            super().debug()
        except unittest.SkipTest:
            self._find_failure(skipped=True)
            raise
        except Exception as error:
            self._failed()
            failure = self._find_failure()
            for note in (self._explain_error(error), failure and as_note(failure)):
                if note:
                    add_note(error, note)
            self._keep_failures([(self.id(), error)])
            raise
        failure = self._find_failure()
        if failure is not None:
            self._keep_failures([(self.id(), failure)])
            raise failure

    def fail_with(
        self, report: str, msg: str | None = None, *, about: str = "", cause: BaseException | None = None
    ) -> NoReturn:
        """Fail with a report, and with the message that the test passed.

        Args:
            report: Why.
            msg: What is said first; without ``longMessage`` all that is said.
            about: The name of a server whose activity the report has, so that it is not described again.
            cause: The exception behind it, whose traceback is printed too.
        """
        self._described_server = about
        if msg is not None:
            report = f"{msg}\n{report}" if self.longMessage else msg
        raise self.failureException(report) from cause

    def _note_started(self, call: StartedCoroutine | StartedBlock | Block[Any]) -> None:
        """Note what the test is to await, or to enter."""
        self._started_assertions = (*self._started_assertions, call)

    def _begin_test(self) -> None:
        self._was_described, self._described_server = False, ""
        self._started_assertions = ()
        self._folder = FailureFolder(self._artifacts, self.id())
        refuse_coroutine(self)
        skip = self._own_run().begin(self.id())
        if skip is not None:  # raised by what makes a server for this test
            setattr(self, find_name(self), unittest.skip(str(skip))(lambda: None))

    def _failed(self) -> None:
        """Pass on to the servers, while they run, that the test has just failed."""
        self._folder.look(self.server_screenshot)
        self._own_run().failed(self.id())

    def _keep_failures(self, failures: Sequence[tuple[str, BaseException]]) -> None:
        """Leave the folder of the test; its path is added to each failure, which comes with the id of its (sub)test."""
        self._folder.write(failures, self._own_run().servers)

    def _explain_error(self, error: BaseException) -> str:
        """What the servers saw that helps with an error of the test, and, once, what they did in it."""
        run = self._own_run()
        texts = [] if isinstance(error, self.failureException) else [suggest_attribute(self, error), run.explain(error)]
        if not self._was_described:
            self._was_described = True
            texts.append(run.describe_activity(without=self._described_server))
        return "\n\n".join(filter(None, texts))

    def _find_failure(self, skipped: bool = False) -> BaseException | None:
        """What the servers hold against the test that is over, as an exception."""
        method = getattr(type(self), find_name(self), None)
        forgotten = [started.explain_if_forgotten() for started in self._started_assertions]
        forgotten += explain_own_settings(self)
        run = self._own_run()
        if run is NOT_STARTED:
            error = ServerNotStarted(f"{self.id()} ran without its servers: {self._find_reason()}")
            return None if skipped else raise_at(method, error)
        found = run.end_test(skipped)
        if not skipped:
            found.problems[:0] = [Problem(text) for text in forgotten if text]
        return make_failure(found, self.failureException, method)


def make_failure(found: Findings, failure: type[BaseException], where: object) -> BaseException | None:
    """One exception for all that was found, or None: the first cause is chained to it, further ones are printed.

    It is a ``failure`` where there are problems, and an error where a server merely went wrong; it is raised at
    ``where``, a function or class.
    """
    everything = [*found.problems, *found.errors]
    if not everything:
        return None
    chained = next((problem.cause for problem in everything if problem.cause is not None), None)
    texts = []
    for problem in everything:
        texts.append(problem.text)
        if problem.cause is not None and problem.cause is not chained:
            texts.append(format_error(problem.cause))
    kind = failure if found.problems else LiveServerTestCaseError
    error = kind("\n\n".join(texts))
    error.__cause__ = chained
    return raise_at(where, error)

"""What tests of every room share: nothing may be left behind, and no test waits on a clock.

`NoLeaks` watches every test of a class, `NoClassLeaks` a class as a whole, `wait_until` waits for something
that will be true in a moment, `call_in_thread` calls what may hang, and `run_python` runs a script in a fresh
interpreter.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import stat
import subprocess
import sys
import textwrap
import threading
import traceback
import unittest
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

__all__ = ["HANG", "NoClassLeaks", "NoLeaks", "call_in_thread", "run_files", "run_python", "wait_until"]

HANG = 10.0
"""Seconds after which something that takes milliseconds hangs; never a measure of speed."""

ROOT = Path(__file__).resolve().parent.parent

_STEP = 0.005  # seconds between two looks
_PATIENCE = 1.0  # seconds that threads, sockets and children get to go, as in CPython's own test suite

T = TypeVar("T")


def wait_until(predicate: Callable[[], T], timeout: float = HANG) -> T:
    """Ask until the answer is true, and return it; after about ``timeout`` seconds the last answer, a false one.

    It reads no clock, so it works while a test has frozen time.
    """
    pause = threading.Event()
    for _ in range(int(timeout / _STEP)):
        answer = predicate()
        if answer:
            return answer
        pause.wait(_STEP)
    return predicate()


def call_in_thread(function: Callable[..., T], *arguments: Any) -> Future[T]:
    """Call ``function`` in a thread, and return what will have its result, or what it raises.

    A call that hangs fails its test alone: the thread is a daemon, which neither the test nor the end of the run waits
    for.  A pool waits for its threads without limit, in its ``with`` and again at the end of the process.
    """
    future: Future[T] = Future()

    def call() -> None:
        try:
            future.set_result(function(*arguments))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=call, daemon=True).start()
    return future


def run_python(
    script: str, *arguments: str, options: tuple[str, ...] = ("-X", "dev", "-W", "error"), timeout: float = 60.0
) -> subprocess.CompletedProcess[str]:
    """Run ``script`` (dedented) in a fresh interpreter that can import the package and the tests."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    return subprocess.run(
        [sys.executable, *options, "-c", textwrap.dedent(script), *arguments],
        capture_output=True,
        check=False,
        cwd=ROOT,
        encoding="utf-8",
        env=environ,
        timeout=timeout,
    )


def run_files(folder: str, *command: str, files: dict[str, str], exit_code: int | None = None, **variables: str) -> str:
    """Write modules (dedented) into a folder and run ``python -m command`` there; what it prints.

    Raises:
        AssertionError: It has ended with another exit code than the one that is given.
    """
    for name, text in files.items():
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-m", *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        check=False,
        encoding="utf-8",
        timeout=120,
    )
    printed = done.stdout + done.stderr
    if exit_code not in (None, done.returncode):
        raise AssertionError(f"python -m {' '.join(command)} ended with exit code {done.returncode}:\n{printed}")
    return printed


# -- what there is at a moment --------------------------------------------------------------------------------


def _threads() -> dict[object, str]:
    return {thread: f"thread {thread.name!r}" for thread in threading.enumerate()}


def _descriptors() -> dict[object, str]:
    """What every open descriptor leads to; nothing where the system has no list of them."""
    directory = next((path for path in ("/proc/self/fd", "/dev/fd") if os.path.isdir(path)), None)
    found: dict[object, str] = {}
    for number in os.listdir(directory) if directory else []:
        with contextlib.suppress(OSError):  # the one that listed the directory is closed by now
            facts = os.fstat(int(number))
            what = "socket" if stat.S_ISSOCK(facts.st_mode) else "descriptor"
            target = os.readlink(f"/proc/self/fd/{number}") if directory == "/proc/self/fd" else "?"
            found[int(number), facts.st_dev, facts.st_ino] = f"{what} {number}, open on {target}"
    return found


def _children() -> dict[object, str]:
    """The child processes, zombies too; nothing where the system does not tell."""
    found: dict[object, str] = {}
    for path in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found.update({int(pid): f"child process {pid}" for pid in path.read_text().split()})
    return found


def _take_stock() -> dict[object, str]:
    return {**_threads(), **_descriptors(), **_children()}


@functools.cache
def _spare_the_collector() -> None:
    """Take what is there before the first test out of the garbage collections after each one: most of their time."""
    gc.collect()
    gc.freeze()


class _Watch:
    """Compares what there is with what there was, and collects what no test would otherwise hear of."""

    def __init__(self) -> None:
        self._before: dict[object, str] = {}
        self._heard: list[str] = []

    def begin(self) -> None:
        _spare_the_collector()
        self._before = _take_stock()

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Hear of what is raised where nobody can catch it; a `ResourceWarning` is raised, too."""
        hooks = sys.unraisablehook, threading.excepthook
        sys.unraisablehook, threading.excepthook = self._hear_unraisable, self._hear_thread
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", ResourceWarning)
                yield
        finally:
            sys.unraisablehook, threading.excepthook = hooks

    def _hear_unraisable(self, found: Any) -> None:
        # as text: keeping the object could bring it back to life
        self._heard.append(f"unraisable, in {found.object!r}: {_describe(found.exc_value)}")

    def _hear_thread(self, found: Any) -> None:
        name = found.thread.name if found.thread is not None else "?"
        self._heard.append(f"raised in thread {name!r}: {_describe(found.exc_value)}")

    def end(self) -> list[str]:
        """What is left, and what was heard, as text."""
        gc.collect()  # a forgotten socket in a cycle says so now
        if not wait_until(lambda: not self._left(), _PATIENCE):
            self._heard += [f"left: {text}" for text in self._left()]
        heard, self._heard = self._heard, []
        return heard

    def _left(self) -> list[str]:
        return [text for key, text in _take_stock().items() if key not in self._before]


def _describe(error: BaseException | None) -> str:
    return "".join(traceback.format_exception(error)).strip() if error is not None else "an unknown error"


class NoLeaks(unittest.TestCase):
    """Fails a test that leaves a thread, a descriptor or a child process, or raised where nobody catches it.

    The check runs after the test's own `tearDown` and clean-ups, whatever they forget to call.  What a
    class has set up is there before its tests begin and does not count; a server that lives for a class and
    calls more threads in the course of its tests wants `NoClassLeaks`.
    """

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        watch = _Watch()
        set_up = self.setUp

        def watched_set_up() -> None:
            self.addCleanup(self._check_leaks, watch)  # the first one in is the last one called
            watch.begin()  # here, since an asynchronous test has its loop by now
            set_up()

        self.setUp = watched_set_up  # type: ignore[method-assign]
        try:
            with watch.listening():
                return super().run(result)
        finally:
            del self.setUp

    def _check_leaks(self, watch: _Watch) -> None:
        found = watch.end()
        if found:
            self.fail("\n".join(["the test left something behind:", *found]))


class NoClassLeaks(unittest.TestCase):
    """Fails a class that leaves something, after its `tearDownClass` and class clean-ups; see `NoLeaks`.

    Put it first among the bases, and call ``super().setUpClass()`` first.
    """

    @classmethod
    def setUpClass(cls) -> None:
        watch = _Watch()
        listening = watch.listening()
        cls.addClassCleanup(cls._check_class_leaks, watch, listening)
        listening.__enter__()
        watch.begin()
        super().setUpClass()

    @classmethod
    def _check_class_leaks(cls, watch: _Watch, listening: contextlib.AbstractContextManager[None]) -> None:
        try:
            found = watch.end()
        finally:
            listening.__exit__(None, None, None)
        if found:
            raise cls.failureException("\n".join([f"{cls.__name__} left something behind:", *found]))

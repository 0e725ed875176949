"""What is done when a test has failed, where that is asked for: its servers wait, or a folder keeps what they saw.

``LIVESERVER_PAUSE_ON_FAILURE=1`` stops at the first test that fails, and goes on serving until somebody presses Enter.
``LIVESERVER_ARTIFACTS=folder``, or ``server_artifacts``, has each test that fails leave a folder.  Nothing that goes
wrong here fails a test: it is said in the text of the failure.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..core.checks import read_switch
from ..core.interrupts import TimeLimitExceeded, time_limit
from ..core.text import describe_error
from ..errors import LiveServerTestCaseError, UsageError
from .failure_text import add_note, name_error
from .settings import read_optional

if TYPE_CHECKING:
    from .class_server import ClassServer

__all__ = ["FailureFolder", "find_folder", "find_screenshot", "is_folder_wanted", "is_pause_wanted", "pause_on_failure"]

__unittest = True
__tracebackhide__ = True

_FOLDER_VARIABLE = "LIVESERVER_ARTIFACTS"

_BROWSERS = ("browser", "page", "driver", "selenium")  # what tests call them
_CAMERAS = ("get_screenshot_as_png", "screenshot")  # of Selenium's drivers and of Playwright's pages
_SCREENSHOT_TIMEOUT = 10.0  # seconds; a browser that hangs does not hold the run up

_has_paused = False


def is_pause_wanted() -> bool:
    """Whether the first failure of the run is to be looked at."""
    return bool(read_switch("LIVESERVER_PAUSE_ON_FAILURE"))


def pause_on_failure(test_id: str, servers: Sequence[tuple[str, Any]]) -> None:
    """Say where the servers of a class are that run, and wait for Enter; only for the first failure of a run."""
    global _has_paused
    running = [(name, server) for name, server in servers if hasattr(server, "url") and server.is_running]
    if _has_paused or not running:
        return
    _has_paused = True
    is_one = len(running) == 1
    listed = "\n".join(f"    {'' if is_one else f'{name:<12} '}{server.url}" for name, server in running)
    still = "its server still runs" if is_one else "its servers still run"
    with contextlib.ExitStack() as stack:
        try:  # the terminal itself, since runners capture what stands for it
            reader = stack.enter_context(open("/dev/tty", encoding="utf-8"))
            writer = stack.enter_context(open("/dev/tty", "w", encoding="utf-8"))
        except OSError:
            if sys.__stdin__ is None or sys.__stderr__ is None:
                return
            reader, writer = sys.__stdin__, sys.__stderr__  # what the process began with
        looked_at = ""
        with contextlib.suppress(ImportError, LiveServerTestCaseError):  # no Jinja2, or no port
            from ..inspector.feed import find_sources
            from ..inspector.pages import Inspector

            inspector = Inspector(find_sources(running), title="failed test")
            inspector.start()
            stack.callback(inspector.stop)
            looked_at = f"What {'it was' if is_one else 'they were'} sent is at\n\n    {inspector.url}\n\n"
        writer.write(f"\n{test_id} has failed, and {still} at\n\n{listed}\n\n{looked_at}Press Enter to go on. ")
        writer.flush()
        with contextlib.suppress(OSError, ValueError):  # nobody can press anything
            reader.readline()


def is_folder_wanted(case: Any) -> bool:
    """Whether a test class is asked for folders, right or wrong."""
    return bool(os.environ.get(_FOLDER_VARIABLE) or case.server_artifacts)


def find_folder(case: Any) -> str:
    """The folder that a test class names for its failures, as an absolute path; empty if it names none."""
    value = case.server_artifacts
    if isinstance(value, os.PathLike):
        value = os.environ.get(_FOLDER_VARIABLE, "").strip() or os.fspath(value)
        return "" if value.lower() == "none" else os.path.abspath(value)
    path = read_optional(case, "server_artifacts", _FOLDER_VARIABLE, str)
    if path is not None and not path.strip():
        raise UsageError(f"{case.__name__}.server_artifacts is {path!r}; wanted the path of a folder, or None")
    return os.path.abspath(path) if path else ""


class FailureFolder:
    """What is left, below ``root``, of one test that fails, or of a class whose start does; nothing without a root."""

    def __init__(self, root: str, name: str) -> None:
        self._root = root
        self._name = name
        self._failures: list[tuple[str, BaseException]] = []
        self._screenshot: bytes | None = None
        self._trouble: list[str] = []
        self._was_looked_at = not root

    def look(self, take_screenshot: Callable[[], object]) -> None:
        """Take a screenshot while the browser is there; done once, at the first failure."""
        if self._was_looked_at:
            return
        self._was_looked_at = True
        try:
            with time_limit(_SCREENSHOT_TIMEOUT):
                picture = take_screenshot()
            if inspect.iscoroutine(picture):
                picture.close()  # else Python warns that nobody has awaited it
                raise UsageError("it is a coroutine: override server_screenshot() and return bytes")
            if picture is not None and not isinstance(picture, bytes):
                raise UsageError(f"server_screenshot() returned {type(picture).__name__}; wanted bytes, or None")
            self._screenshot = picture
        except (Exception, TimeLimitExceeded) as error:
            self._trouble.append(f"there is no screenshot: {name_error(error)}")

    def write(self, failures: Sequence[tuple[str, BaseException]], servers: Iterable[ClassServer[Any]]) -> None:
        """Write the folder, with these failures of the test or a subtest and earlier ones, and add its path to each."""
        new = [(test, error) for test, error in failures if all(error is not known for _, known in self._failures)]
        if not new or not self._root:
            return
        self._failures += new
        lines = list(self._trouble)
        made = [server for server in servers if server.is_made]
        outputs = []
        for server in made:
            try:
                outputs.append((server.name, server.output()))
            except Exception as error:
                lines.append(f"there is no output of the server {server.name!r}: {describe_error(error)}")
        try:
            from ..inspector.artifacts import write_folder

            path, trouble = write_folder(
                self._root,
                self._name,
                failures=[(test, _format_failure(error)) for test, error in self._failures],
                servers=[(server.name, server.server) for server in made],
                outputs=outputs,
                screenshot=self._screenshot,
            )
            lines += [*trouble, f"what its servers saw is in {path}"]
        except Exception as error:
            lines.append(f"there is no folder of this failure in {self._root}: {describe_error(error)}")
        for _, failure in new:
            add_note(failure, "\n" + "\n".join(lines))


def _format_failure(error: BaseException) -> str:
    """A failure as a runner prints it: without the frames of runners and of this package."""
    described = traceback.TracebackException.from_exception(error)
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    described.stack[:] = [
        line for line, frame in zip(described.stack, frames, strict=False) if "__unittest" not in frame.f_globals
    ]
    return "".join(described.format()).rstrip()


def find_screenshot(find: Callable[[str], Any]) -> Any:
    """Take a screenshot of the browser that ``find`` has under one of the usual names; None without one."""
    for browser in map(find, _BROWSERS):
        for name in _CAMERAS if browser is not None else ():
            take = getattr(browser, name, None)
            if callable(take):
                return take()
    return None

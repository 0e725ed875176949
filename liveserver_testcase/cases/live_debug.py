"""Look at a live server whose test has failed: what its application has logged and left behind, and the server itself.

``LIVESERVER_PAUSE_ON_FAILURE=1`` stops at the first test that fails, and goes on serving until somebody presses Enter.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import os
import sys
import threading
import warnings
from collections.abc import Collection, Iterator
from typing import TextIO

from ..core.masking import mask
from ..core.tracebacks import callers_level, find_lasting_threads, fold_stack, stack_of_thread
from ..errors import UnfinishedWorkWarning
from ..web.live import LiveServer

__all__ = ["VARIABLE", "LogCapture", "ThreadWatch", "pause_on_failure"]

__unittest = True
__tracebackhide__ = True

VARIABLE = "LIVESERVER_PAUSE_ON_FAILURE"

_MOST = 1000  # records that are kept of a test
_LAST_MOMENT = 0.05  # seconds for a thread that is just ending

_format = logging.Formatter("%(levelname)s %(name)s: %(message)s").format
_has_paused = False


def pause_on_failure(test_id: str, url: str) -> None:
    """Say where the server is and wait for Enter; only for the first failure of a run, and only if asked to."""
    global _has_paused
    if _has_paused or os.environ.get(VARIABLE, "").strip().lower() in ("", "0", "false", "no", "off"):
        return
    _has_paused = True
    with _terminal() as (reader, writer):
        if reader is None or writer is None:
            return
        writer.write(f"\n{test_id} has failed, and its server still runs at\n\n    {url}\n\nPress Enter to go on. ")
        writer.flush()
        with contextlib.suppress(OSError, ValueError):  # nobody can press anything
            reader.readline()


@contextlib.contextmanager
def _terminal() -> Iterator[tuple[TextIO | None, TextIO | None]]:
    """The terminal itself, since runners capture what stands for it; else what the process began with."""
    try:
        with open("/dev/tty", encoding="utf-8") as reader, open("/dev/tty", "w", encoding="utf-8") as writer:
            yield reader, writer
    except OSError:
        yield sys.__stdin__, sys.__stderr__


class LogCapture(logging.Handler):
    """Keeps what is logged while a request of a server is handled, from whatever thread or task.

    It is a handler of the root logger while a test runs, and only then.  Without one, warnings go to stderr; those of
    anybody else still do, and the application's are here.
    """

    def __init__(self) -> None:
        super().__init__()
        self.server: LiveServer | None = None
        self._records: collections.deque[logging.LogRecord] = collections.deque(maxlen=_MOST)

    def begin(self, server: LiveServer) -> None:
        """Begin a test."""
        self.server = server
        self._records.clear()
        logging.getLogger().addHandler(self)

    def end(self) -> None:
        """The test is over; what was kept stays."""
        logging.getLogger().removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if self.server is not None and self.server.is_handling():
            self._records.append(record)
            return
        last = logging.lastResort
        if last is not None and record.levelno >= last.level and self._is_alone(record.name):
            last.handle(record)

    def describe(self, reported: Collection[BaseException]) -> list[str]:
        """What was logged as a warning or worse, as lines without secrets.

        Args:
            reported: Exceptions that the report has, so that a record of one is left out.
        """
        lines: list[str] = []
        for record in list(self._records):
            error = record.exc_info[1] if record.exc_info else None
            if record.levelno >= logging.WARNING and not any(error is known for known in reported):
                lines += mask(_format(record)).splitlines()
        return lines

    @property
    def text(self) -> str:
        """The records as lines, with their tracebacks."""
        return "".join(f"{_format(record)}\n" for record in list(self._records))

    def _is_alone(self, name: str) -> bool:
        """Whether nobody else handles what this logger is given."""
        logger: logging.Logger | None = logging.getLogger(name)
        while logger is not None:
            if any(handler is not self for handler in logger.handlers):
                return False
            logger = logger.parent if logger.propagate else None
        return True


class ThreadWatch:
    """The threads there are before an application is made: those that come later may be its own."""

    def __init__(self) -> None:
        self._known = [*threading.enumerate(), threading.current_thread()]

    def warn(self, server: LiveServer) -> None:
        """Warn of each thread that has come since and still runs, if the end of the process would wait for it.

        Args:
            server: The server of the application, which has stopped.

        Warns:
            UnfinishedWorkWarning: There is such a thread.
        """
        threads = find_lasting_threads(self._known, _LAST_MOMENT)
        if threads:
            named = [f"{thread.name!r}, at\n{fold_stack(stack_of_thread(thread.ident)).rstrip()}" for thread in threads]
            what = "a thread goes on" if len(threads) == 1 else f"{len(threads)} threads go on"
            warnings.warn(
                f"{server!r} has stopped, and {what} that came with its application: this process cannot end before. "
                "End it in tearDownClass(), or make it a daemon: " + "\n".join(named),
                UnfinishedWorkWarning,
                stacklevel=callers_level(),
            )

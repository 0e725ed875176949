"""What the application of a live server has logged, and the threads that it leaves behind."""

from __future__ import annotations

import collections
import logging
import threading
import warnings
from collections.abc import Callable, Collection

from ..core.masking import mask
from ..core.tracebacks import callers_level, find_lasting_threads, fold_stack, stack_of_thread
from ..errors import UnfinishedWorkWarning
from ..web.live import LiveServer

__all__ = ["LogCapture", "watch_threads"]

__unittest = True
__tracebackhide__ = True

_MOST = 1000  # records that are kept of a test
_LAST_MOMENT = 0.05  # seconds for a thread that is just ending

_format = logging.Formatter("%(levelname)s %(name)s: %(message)s").format


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
        if last is None or record.levelno < last.level:
            return
        logger: logging.Logger | None = logging.getLogger(record.name)
        while logger is not None:
            if any(handler is not self for handler in logger.handlers):
                return  # somebody else handles what this logger is given
            logger = logger.parent if logger.propagate else None
        last.handle(record)

    def describe(self, reported: Collection[BaseException]) -> list[str]:
        """What was logged as a warning or worse, as lines without secrets, but for records of ``reported`` errors."""
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


def watch_threads() -> Callable[[LiveServer], None]:
    """Note the threads there are before an application is made: those that come later may be its own.

    Returns:
        Called with the server of the application, when it has stopped: warns of each thread that has come since and
        still runs, if the end of the process would wait for it.
    """
    known = [*threading.enumerate(), threading.current_thread()]

    def warn(server: LiveServer) -> None:
        threads = find_lasting_threads(known, _LAST_MOMENT)
        if threads:
            named = [f"{thread.name!r}, at\n{fold_stack(stack_of_thread(thread.ident)).rstrip()}" for thread in threads]
            what = "a thread goes on" if len(threads) == 1 else f"{len(threads)} threads go on"
            warnings.warn(
                f"{server!r} has stopped, and {what} that came with its application: this process cannot end before. "
                "End it in tearDownClass(), or make it a daemon: " + "\n".join(named),
                UnfinishedWorkWarning,
                stacklevel=callers_level(),
            )

    return warn

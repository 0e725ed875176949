"""What the application logs while a test runs."""

from __future__ import annotations

import collections
import logging
from collections.abc import Collection

from ..core.masking import mask
from ..web.live import LiveServer

__all__ = ["LogKeeper"]

_MOST = 1000  # records that are kept of a test

_format = logging.Formatter("%(levelname)s %(name)s: %(message)s").format


class LogKeeper(logging.Handler):
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

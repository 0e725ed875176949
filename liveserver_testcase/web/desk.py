"""In a server's own process: makes a server of HTTP there, and answers its parent's questions about requests."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..core.child import Desk
from ..core.crossing import Crossing
from ..core.journal import Epoch
from .record import Recorder, RequestRecord

__all__ = ["LastWords", "RequestDesk", "Told", "make_site"]


@dataclass(frozen=True)
class Told:
    """A request's record as it travels.

    Attributes:
        index: Its number in the journal.
        values: The attributes of the record, by the names of its slots.
        errors: The exceptions of the application.
    """

    index: int
    values: dict[str, Any]
    errors: list[Crossing]


@dataclass(frozen=True)
class LastWords:
    """What is known of the requests when the server has stopped.

    Attributes:
        records: The journal.
        raised: What nobody had taken: records, each with the place of the exception among its own.
        dropped: How many records are gone because the journal was full.
    """

    records: list[Told]
    raised: list[tuple[Told, int]]
    dropped: int


def make_site(app: Any, server: str, epoch: Epoch, index: int, **options: Any) -> Any:
    """Make a server of an application; called in the process in which it is to run.

    Args:
        app: An import string of the application, or a callable that makes it.
        server: The import string of the server's class; it is called with the application and ``options``.
        epoch: The test that is running.
        index: The number of the first request.
        options: Such as host and port.
    """
    made = pkgutil.resolve_name(server)(app if isinstance(app, str) else app(), **options)
    made.journal.resume(epoch, index)
    return made


class RequestDesk(Desk):
    """Answers for a `Recorder`."""

    waits = frozenset(("wait_until_idle", "wait_for_change"))

    def begin(self, name: str) -> Epoch:
        """A test begins: forget the requests of the one before."""
        self.flush()
        begin: Callable[[str], object] | None = getattr(self.server, "begin", None)
        if begin is not None:
            begin(name)
        else:
            self.server.journal.begin(name)
            self.server.journal.clear()
        epoch: Epoch = self.server.journal.epoch
        return epoch

    def clear(self) -> None:
        """Forget the requests."""
        self.server.journal.clear()

    def entries(self) -> tuple[list[Told], int]:
        """The journal, and how many records it has dropped."""
        return _tell_all(self.server.journal.entries()), self.server.journal.dropped

    def count(self) -> int:
        """How many records the journal has."""
        return len(self.server.journal)

    def in_flight(self) -> list[Told]:
        """The requests that are being served."""
        return _tell_all(self.server.in_flight)

    def take_errors(self) -> list[tuple[Told, int]]:
        """The exceptions since the last call: records, each with the place of the exception among its own."""
        told = []
        for record, error in self.server.take_errors():
            place = next((i for i, known in enumerate(record.errors) if known is error), len(record.errors))
            told.append((_tell(record, error if place == len(record.errors) else None), place))
        return told

    def stack_of(self, index: int) -> str:
        """Where the application is with a request that is in flight."""
        recorder: Recorder[RequestRecord] = self.server
        return next((recorder.stack_of(record) for record in recorder.in_flight if record.index == index), "")

    def wait_until_idle(self, timeout: float, epoch: Epoch | None) -> list[Told]:
        """Wait until no request of an epoch is in flight; which ones are."""
        return _tell_all(self.server.wait_until_idle(timeout, epoch))

    def state(self) -> object:
        """Something that is another thing when anything about the requests has changed."""
        records = self.server.journal.entries()
        facts = [(r.status, r.is_over, r.aborted, len(r.errors)) for r in records]
        return self.server.journal.epoch.number, records[-1].index if records else -1, hash(tuple(facts))

    def wait_for_change(self, state: object, timeout: float) -> None:
        """Wait until `state` is another one."""
        self.server.journal.wait_for(lambda: self.state() != state, timeout)

    def close_connections(self) -> None:
        """Cut every connection."""
        self.server.close_connections()

    def _last_words(self) -> LastWords:
        records, dropped = self.entries()
        return LastWords(records, self.take_errors(), dropped)


_SLOTS = [name for name in RequestRecord.__slots__ if name not in ("errors", "_status", "aborted", "index")]


def _tell(record: RequestRecord, further: BaseException | None = None) -> Told:
    values = {name: getattr(record, name) for name in _SLOTS}
    values["_status"] = record.status
    values["aborted"] = record.aborted or getattr(record, "refused", "")
    errors = [*record.errors, *([further] if further is not None else [])]
    return Told(record.index, values, [Crossing.pack(error) for error in errors])


def _tell_all(records: list[Any]) -> list[Told]:
    return [_tell(record) for record in records]

"""In a server's own process: makes a server of HTTP there, and answers its parent's questions about requests."""

from __future__ import annotations

import pkgutil
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ..core.interrupts import monotonic
from ..core.journal import Journal, JournalWindow, drain
from ..core.listener import Listener
from ..core.tls import Certificates, resolve_tls
from ..errors import LiveServerTestCaseError, UsageError
from ..process.messages import RemoteException, ServerFactory
from ..process.server import ProcessServer, StartMethod
from ..process.worker import CommandHandler
from .http_server import HTTPEndpoint
from .records import RequestLog, RequestRecord

__all__ = ["FinalRecords", "RecordSnapshot", "RemoteJournal", "RemoteServer", "RequestCommandHandler", "make_server"]


@dataclass(frozen=True)
class RecordSnapshot:
    """A request's record as it travels.

    Attributes:
        index: Its number in the journal.
        values: The attributes of the record, by the names of its slots.
        errors: The exceptions of the application.
    """

    index: int
    values: dict[str, Any]
    errors: list[RemoteException]


@dataclass(frozen=True)
class FinalRecords:
    """What is known of the requests when the server has stopped.

    Attributes:
        records: The journal.
        raised: What nobody had taken: records, each with the place of the exception among its own.
        dropped: How many records are gone because the journal was full.
    """

    records: list[RecordSnapshot]
    raised: list[tuple[RecordSnapshot, int]]
    dropped: int


def make_server(app: Any, server: str, window: JournalWindow, index: int, **options: Any) -> Any:
    """Make a server of an application; called in the process in which it is to run.

    Args:
        app: An import string of the application, or a callable that makes it.
        server: The import string of the server's class; it is called with the application and ``options``.
        window: The test that is running.
        index: The number of the first request.
        options: Such as host and port.
    """
    made = pkgutil.resolve_name(server)(app if isinstance(app, str) else app(), **options)
    made.journal.resume(window, index)
    return made


class RequestCommandHandler(CommandHandler):
    """Answers for a `RequestLog`."""

    waits = frozenset(("wait_until_idle", "wait_for_change"))

    def begin(self, name: str) -> JournalWindow:
        """A test begins: forget the requests of the one before."""
        self.flush()
        begin: Callable[[str], object] | None = getattr(self.server, "begin", None)
        if begin is not None:
            begin(name)
        else:
            self.server.journal.begin(name)
            self.server.journal.clear()
        window: JournalWindow = self.server.journal.window
        return window

    def clear(self) -> None:
        """Forget the requests."""
        self.server.journal.clear()

    def entries(self) -> tuple[list[RecordSnapshot], int]:
        """The journal, and how many records it has dropped."""
        return _tell_all(self.server.journal.entries()), self.server.journal.dropped

    def count(self) -> int:
        """How many records the journal has."""
        return len(self.server.journal)

    def in_flight(self) -> list[RecordSnapshot]:
        """The requests that are being served."""
        return _tell_all(self.server.in_flight)

    def take_errors(self) -> list[tuple[RecordSnapshot, int]]:
        """The exceptions since the last call: records, each with the place of the exception among its own."""
        told = []
        for record, error in self.server.take_errors():
            place = next((i for i, known in enumerate(record.errors) if known is error), len(record.errors))
            told.append((_tell(record, error if place == len(record.errors) else None), place))
        return told

    def stack_of(self, index: int) -> str:
        """Where the application is with a request that is in flight."""
        recorder: RequestLog[RequestRecord] = self.server
        return next((recorder.stack_of(record) for record in recorder.in_flight if record.index == index), "")

    def wait_until_idle(self, timeout: float, window: JournalWindow | None) -> list[RecordSnapshot]:
        """Wait until no request of a window is in flight; which ones are."""
        return _tell_all(self.server.wait_until_idle(timeout, window))

    def state(self) -> object:
        """Something that is another thing when anything about the requests has changed."""
        records = self.server.journal.entries()
        facts = [(r.status, r.is_over, r.aborted, len(r.errors)) for r in records]
        return self.server.journal.window.number, records[-1].index if records else -1, hash(tuple(facts))

    def wait_for_change(self, state: object, timeout: float) -> None:
        """Wait until `state` is another one."""
        self.server.journal.wait_for(lambda: self.state() != state, timeout)

    def close_connections(self) -> None:
        """Cut every connection."""
        self.server.close_connections()

    def _shutdown_grace(self) -> FinalRecords:
        records, dropped = self.entries()
        return FinalRecords(records, self.take_errors(), dropped)


_SLOTS = [name for name in RequestRecord.__slots__ if name not in ("errors", "_status", "aborted", "index")]


def _tell(record: RequestRecord, further: BaseException | None = None) -> RecordSnapshot:
    values = {name: getattr(record, name) for name in _SLOTS}
    values["_status"] = record.status
    values["aborted"] = record.aborted or getattr(record, "refused", "")
    errors = [*record.errors, *([further] if further is not None else [])]
    return RecordSnapshot(record.index, values, [RemoteException.pack(error) for error in errors])


def _tell_all(records: list[Any]) -> list[RecordSnapshot]:
    return [_tell(record) for record in records]


_SLACK = 5.0  # seconds beyond its own limit that the answer to a wait may take

T = TypeVar("T")


class RemoteServer(HTTPEndpoint, ProcessServer, RequestLog[RequestRecord]):  # type: ignore[override]  # HTTPEndpoint knows the scheme
    """Serves an application in a process of its own, and knows of its requests what a server in a thread knows.

    Args:
        app: The import string of an application, or a callable that the child can import and that makes one, such as
            the class method ``create_app`` of a test class.
        host: See `Server`.
        port: See `Server`.
        server: The import string of the class that serves it in the child; called with the application, ``host``,
            ``port``, ``tls`` and such.
        options: Further keywords for that class, to be pickled.
        tls: True for a throw-away certificate, or ``(certfile, keyfile)``.
        start_method: See `ProcessServer`.
        env: See `ProcessServer`.
        journal_limit: How many requests are kept.
        start_timeout: See `Server`.
        stop_timeout: See `Server`.

    Attributes:
        journal: The requests, in the order of their arrival: those of the child.
    """

    label = "live-server"
    desk = f"{__package__}.live_process:RequestCommandHandler"

    def __init__(
        self,
        app: Callable[[], Any] | str,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        server: str = f"{__package__}.live:LiveServer",
        options: Mapping[str, Any] | None = None,
        tls: bool | tuple[str, str] | ssl.SSLContext | None = None,
        start_method: StartMethod = "spawn",
        env: Mapping[str, str] | None = None,
        journal_limit: int = 10_000,
        start_timeout: float = 10.0,
        stop_timeout: float = 2.0,
    ) -> None:
        if isinstance(tls, ssl.SSLContext):
            raise UsageError(
                f"tls is {tls!r}, which cannot be sent to the server's process; wanted True, or (certfile, keyfile)"
            )
        ProcessServer.__init__(
            self,
            make_server,
            host=host,
            port=port,
            options=options,
            start_method=start_method,
            env=env,
            start_timeout=start_timeout,
            stop_timeout=stop_timeout,
        )
        RequestLog.__init__(self, journal_limit)
        self.app = app
        self.journal: RemoteJournal = RemoteJournal(self, journal_limit)
        self.tls = resolve_tls(tls, *self._known_as(host))
        self._server, self._tls = server, tls

    # -- what a test asks ----------------------------------------------------------------------------------------

    def begin(self, name: str) -> None:
        """Begin a test: forget the requests and the output of the one before."""
        self._is_death_told = False  # a test of a class whose server has died fails, each by itself
        self.journal.begin(name)
        self._output.clear()

    @property
    def in_flight(self) -> list[RequestRecord]:
        """The requests that are being served at the moment."""
        return self.journal._learn_all(self._ask("in_flight")) if self._serves else []

    def take_errors(self) -> list[tuple[RequestRecord, BaseException]]:
        """The exceptions that were recorded since the last call, each with its request.

        Raises:
            ServerDied: The server's process has; said once in each test.
        """
        self.check()
        found = drain(self._errors)
        if self._serves:
            found += self.journal._learn_errors(self._ask("take_errors"))
        return found

    def wait_until_idle(self, timeout: float, window: JournalWindow | None = None) -> list[RequestRecord]:
        """See `RequestLog.wait_until_idle`; in a process that has died nothing is in flight."""
        if not self._serves:
            return []
        return self.journal._learn_all(self._ask("wait_until_idle", timeout, window, timeout=timeout + _SLACK))

    def stack_of(self, record: RequestRecord) -> str:
        """See `RequestLog.stack_of`."""
        return str(self._ask("stack_of", record.index)) if self._serves else ""

    def close_connections(self) -> None:
        """Cut every connection that is open, whatever it is at; the server goes on."""
        if self._serves:
            self._ask("close_connections")

    # -- life ----------------------------------------------------------------------------------------------------

    def _recipe(self, port: int) -> ServerFactory:
        tls: Any = self._tls
        if tls is True:
            file = Certificates.shared().server_certificate(*self._known_as(self._host))
            tls = (file, file)
        early = (self.app.partition(":")[0],) if isinstance(self.app, str) else ()
        options = {
            **super()._recipe(port).options,
            "tls": tls,
            "journal_limit": self.journal.limit,
            "window": self.journal.window,
            "index": self.journal._next_index,
        }
        return ServerFactory(make_server, (self.app, self._server), options, early)

    def _open(self, listener: Listener) -> None:
        try:
            super()._open(listener)
        finally:
            if self._tls is True:  # the child has read the file, or never will
                Certificates.shared().forget_server_certificate(*self._known_as(self._host))

    def _on_stop_report(self, words: object) -> None:
        if isinstance(words, FinalRecords):
            self._errors += self.journal._learn_errors(words.raised)
            self.journal._keep(words)


class RemoteJournal(Journal[RequestRecord]):
    """The journal of a server in another process: it is there, and what has been before its last start is here.

    A request has one record here, however often it is asked for.
    """

    def __init__(self, server: RemoteServer, limit: int) -> None:
        super().__init__(limit)
        self._server = server
        self._records: dict[int, RequestRecord] = {}  # that were told of, by their index
        self._past: list[RequestRecord] = []  # of children that have stopped, in this window
        self._past_dropped = 0
        self._next_index = 0

    def begin(self, name: str) -> JournalWindow:
        """See `Journal.begin`; it also forgets the entries of the window before."""
        if self._server._serves:
            try:
                self._epoch = self._server._ask("begin", name)
            except LiveServerTestCaseError:  # it has died, which the verdict says
                super().begin(name)
        else:
            super().begin(name)
        self._forget()
        return self._epoch

    def clear(self) -> None:
        """See `Journal.clear`."""
        if self._server._serves:
            self._server._ask("clear")
        self._forget()

    def _forget(self) -> None:
        self._past, self._past_dropped = [], 0
        self._records = {index: record for index, record in self._records.items() if not record.is_over}

    @property
    def dropped(self) -> int:
        """See `Journal.dropped`."""
        return self._past_dropped + (self._server._ask("entries")[1] if self._server._serves else 0)

    def entries(self, window: JournalWindow | None = None) -> list[RequestRecord]:
        """See `Journal.entries`."""
        self._server._check_life()
        records = list(self._past)
        if self._server._serves:
            records += self._learn_all(self._server._ask("entries")[0])
        return [record for record in records if window is None or record.window.number == window.number]

    def __len__(self) -> int:
        return len(self._past) + (self._server._ask("count") if self._server._serves else 0)

    def wait_for(self, predicate: Callable[[], T], timeout: float) -> T:
        """See `Journal.wait_for`."""
        deadline = monotonic() + timeout
        server = self._server
        while True:
            serves = server._serves
            seen = server._ask("state") if serves else None
            result = predicate()
            remaining = deadline - monotonic()
            if result or remaining <= 0 or not serves:
                return result
            server._ask("wait_for_change", seen, remaining, timeout=remaining + _SLACK)

    # -- what the child tells --------------------------------------------------------------------------------------

    def _learn(self, told: RecordSnapshot) -> RequestRecord:
        """The record of a request, brought up to date."""
        record = self._records.get(told.index) or RequestRecord.__new__(RequestRecord)
        for name, value in told.values.items():
            setattr(record, name, value)
        known: list[BaseException] = getattr(record, "errors", [])
        record.errors = known + [crossing.unpack() for crossing in told.errors[len(known) :]]
        record.index = told.index
        if told.index >= 0:
            self._records[told.index] = record
            self._next_index = max(self._next_index, told.index + 1)
        return record

    def _learn_all(self, told: list[RecordSnapshot]) -> list[RequestRecord]:
        return [self._learn(each) for each in told]

    def _learn_errors(self, told: list[tuple[RecordSnapshot, int]]) -> list[tuple[RequestRecord, BaseException]]:
        learnt = [(self._learn(each), place) for each, place in told]
        return [(record, record.errors[place]) for record, place in learnt]

    def _keep(self, words: FinalRecords) -> None:
        """Keep what a child that stops has in its journal."""
        self._past = (self._past + self._learn_all(words.records))[-self.limit :]
        self._past_dropped += words.dropped

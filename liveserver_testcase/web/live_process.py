"""The live server in a child process: the requests are recorded there, and the parent keeps the same journal.

How it works.  Clients connect to the child; only questions about requests pass between the two processes.  In the child
a `RequestCommandHandler` subscribes to the journal of the server.  It writes a row for each request into memory that
both processes have, before the request is answered and again when it is over, and keeps the record in a queue.  The
parent need not be woken for that.

When a test reads the `SyncedJournal` of the `RemoteServer`, the parent sends the command ``sync``; the child pushes
what is in the queue, and what has changed of requests that were not over when they were pushed, and the result of the
command arrives behind that.  So a test that has its response finds the request after one round trip.  While somebody
waits in the parent, and for exceptions of the application, the child pushes at once.  If it dies, the parent completes
its journal from the rows.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import operator
import pkgutil
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ..core.journal import Journal, JournalWindow, drain
from ..core.tls import Certificates, load_server_pem, resolve_tls
from ..errors import LiveServerTestCaseError, UsageError
from ..process.messages import RemoteException, ServerFactory, StopReport
from ..process.server import ProcessServer
from ..process.worker import CommandHandler
from .http_server import HTTPEndpoint
from .records import RequestLog, RequestRecord
from .request_table import RequestTable

if TYPE_CHECKING:
    from ..core.listener import Listener

__all__ = ["RecordUpdate", "RemoteServer", "RequestCommandHandler", "SyncedJournal", "make_server"]

T = TypeVar("T")

_FACTS = [name for name in RequestRecord.__slots__ if name not in ("errors", "index", "window")]
_read_facts = operator.attrgetter(*_FACTS)


class RecordUpdate(NamedTuple):
    """What has changed about a request: the child pushes lists of these."""

    number: int  # of the record in the journal; negative for one that is in no journal
    window: JournalWindow
    facts: tuple[Any, ...]  # the attributes of `_FACTS`
    known: int  # how many of its exceptions have been pushed before
    errors: list[RemoteException]  # those that follow
    more: Any = None  # what the server keeps of the request besides


# -- in the child --------------------------------------------------------------------------------------------------


def make_server(
    app: Any, server: str, window: JournalWindow, index: int, tls: bool | tuple[str, str] | bytes | None, **options: Any
) -> Any:
    """Make a server of an application, as `RemoteServer` has it, in the process in which it is to run.

    It goes on in ``window`` with a request of number ``index``.  ``tls`` may also be certificate and key as PEM.
    """
    context = load_server_pem(tls) if isinstance(tls, bytes) else tls
    made = pkgutil.resolve_name(server)(app if isinstance(app, str) else app(), tls=context, **options)
    made.journal.resume(window, index)
    return made


class RequestCommandHandler(CommandHandler):
    """Pushes the records of a `RequestLog`, and runs the commands that are about requests."""

    slow_commands = frozenset(("wait_until_idle",))

    def __init__(self, server: Any, push: Callable[[object], None], memory: int) -> None:
        super().__init__(server, push, memory)
        self._table = RequestTable(memory)
        self._next_index = 0  # of the next record that arrives
        self._arrived: collections.deque[RequestRecord] = collections.deque(maxlen=server.journal.limit)
        self._is_followed = False
        self._lock = threading.Lock()  # guards _open, and keeps updates of one record in order
        self._open: dict[int, tuple[RequestRecord, RecordUpdate]] = {}  # what was not over, and what was pushed of it
        # How many exceptions have been pushed of each record that has some.  One that another thread has found to be
        # over is noted once more by the thread that serves it, perhaps when the next test has begun.
        self._known: dict[int, int] = {}
        server.journal.subscribe(self._note)

    def sync(self, *records: RequestRecord) -> None:
        """Push what is new or has changed, and these; the result of the command comes after it."""
        with self._lock:
            found = [record for record, _ in self._open.values()]
            with contextlib.suppress(IndexError):  # more may arrive meanwhile
                while True:
                    found.append(self._arrived.popleft())
            self._push_updates(list(dict.fromkeys([*found, *records])))

    def follow(self, is_followed: bool) -> None:
        """Push every change at once from now on, or no longer."""
        self._is_followed = is_followed

    def begin(self, window: JournalWindow) -> None:
        """A test begins: from now on requests belong to its window."""
        self.flush()
        self.server.begin(window.name)
        self.server.journal.resume(window)

    def in_flight(self) -> list[int]:
        """The numbers of the requests that are being served."""
        return self._push_and_number(self.server.in_flight)

    def wait_until_idle(self, timeout: float, window: JournalWindow | None) -> list[int]:
        """Wait until no request of a window is in flight; the numbers of those that are."""
        return self._push_and_number(self.server.wait_until_idle(timeout, window))

    def _push_and_number(self, records: list[RequestRecord]) -> list[int]:
        self.sync(*records)
        return [record.index for record in records]

    def stack_of(self, index: int) -> str:
        """Where the application is with a request that is in flight."""
        log: RequestLog[RequestRecord] = self.server
        return next((log.stack_of(record) for record in log.in_flight if record.index == index), "")

    def close_connections(self) -> None:
        """Cut every connection."""
        self.server.close_connections()

    def stop(self, timeout: float) -> StopReport:
        """See `CommandHandler.stop`."""
        report = super().stop(timeout)
        self.sync()
        return report

    def _note(self, record: RequestRecord | None) -> None:
        """Note that a record is new or has changed; None: something else has."""
        if record is None:
            if self._is_followed:
                self.sync()
            return
        index = record.index
        if index >= self._next_index:
            self._next_index = index + 1
            self._arrived.append(record)
            self._table.add(record)
        elif record.completed and index >= 0:
            self._table.complete(record)
        # else the parent asks for it, and need not be woken for each request; of what is in no journal it knows nothing
        if self._is_followed or record.errors or record.aborted or index < 0:
            self.sync(record)

    def _push_updates(self, records: list[RequestRecord]) -> None:
        """Push what is new of some records, with the lock held."""
        updates = [update for update in map(self._make_update, records) if update is not None]
        if updates:
            self.push(updates)

    def _make_update(self, record: RequestRecord) -> RecordUpdate | None:
        index = record.index
        last = self._open.pop(index)[1] if index in self._open else None
        known = self._known.get(index, 0)
        is_over = record.is_over  # read first: what is pushed of a record that is over is final
        errors = [RemoteException.pack(error) for error in record.errors[known:]]
        update = RecordUpdate(index, record.window, _read_facts(record), known, errors, self._read_more(record))
        if errors and index >= 0:
            self._known[index] = known + len(errors)
            if len(self._known) > self.server.journal.limit:
                del self._known[next(iter(self._known))]
        if not is_over and index >= 0:
            self._open[index] = record, update._replace(known=known + len(errors), errors=[])
        return update if last is None or errors or update != last else None

    def _read_more(self, record: Any) -> Any:
        """What is pushed of a record besides its facts; see `RemoteServer._set_more`."""
        return None


# -- in the parent -------------------------------------------------------------------------------------------------


class SyncedJournal(Journal[RequestRecord]):
    """A journal to which another process pushes: whoever reads it waits until everything has arrived.

    ``sync`` returns when what has happened in the other process until now is here.  ``follow`` is called with True when
    somebody begins to wait for what comes, and with False when they have ended.
    """

    def __init__(self, limit: int, sync: Callable[[], None], follow: Callable[[bool], None]) -> None:
        super().__init__(limit)
        self._sync = sync
        self._follow = follow

    def skip(self, index: int) -> None:
        """Leave out the entries up to ``index``: the other process does not have them any more."""
        with self._lock:
            first = next(self._indexes)
            self._dropped += index - first
            self._indexes = itertools.count(index)

    @property
    def dropped(self) -> int:
        """See `Journal.dropped`."""
        self._sync()
        return super().dropped

    def entries(self, window: JournalWindow | None = None) -> list[RequestRecord]:
        """See `Journal.entries`."""
        self._sync()
        return super().entries(window)

    def clear(self) -> None:
        """See `Journal.clear`."""
        self._sync()
        super().clear()

    def __len__(self) -> int:
        self._sync()
        return super().__len__()

    def wait_for(self, predicate: Callable[[], T], timeout: float) -> T:
        """See `Journal.wait_for`."""
        result = predicate()
        if result or timeout <= 0:
            return result
        with self.followed():
            return super().wait_for(predicate, timeout)

    async def wait_for_async(self, predicate: Callable[[], T], timeout: float) -> T:
        """See `Journal.wait_for_async`."""
        result = predicate()
        if result or timeout <= 0:
            return result
        with self.followed():
            return await super().wait_for_async(predicate, timeout)

    @contextlib.contextmanager
    def followed(self) -> Iterator[None]:
        """See `Journal.followed`."""
        self._follow(True)
        try:
            yield
        finally:
            self._follow(False)


_SLACK = 5.0  # seconds beyond its own limit that the result of a wait may take


class RemoteServer(HTTPEndpoint[RequestRecord], ProcessServer):  # type: ignore[override]  # HTTPEndpoint knows the scheme
    """Serves an application in a child process, and knows of its requests what a server in a thread knows.

    Args:
        app: The import string of an application, or a callable that the child can import and that makes one, such as
            the class method ``create_app`` of a test class.
        host: See `Server`.
        port: See `Server`.
        server: The import string of the class that serves it in the child; called with the application, ``host``,
            ``port``, ``tls`` and such.
        tls: True for a throw-away certificate, or ``(certfile, keyfile)``.
        external_host: See `HTTPServer`.
        journal_limit: How many requests are kept; they outlive the child.
        settings: Further keywords of `ProcessServer`; of these ``options`` are for the class that serves.
    """

    label = "live-server"
    handler = f"{__package__}.live_process:RequestCommandHandler"
    _record_type: type[RequestRecord] = RequestRecord

    def __init__(
        self,
        app: Callable[[], Any] | str,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        server: str = f"{__package__}.live:LiveServer",
        tls: bool | tuple[str, str] | ssl.SSLContext | None = None,
        external_host: str | None = None,
        journal_limit: int = 10_000,
        **settings: Any,
    ) -> None:
        if isinstance(tls, ssl.SSLContext):
            raise UsageError(
                f"tls is {tls!r}, which cannot be sent to the server's process; wanted True, or (certfile, keyfile)"
            )
        ProcessServer.__init__(self, make_server, host=host, port=port, **settings)
        RequestLog.__init__(self, journal_limit)
        self.app = app
        self.journal: SyncedJournal = SyncedJournal(journal_limit, self._sync, self._follow)
        self.external_host = external_host
        self._names = [name for name in (self._host, external_host) if name]  # what its certificate is for
        self.tls = resolve_tls(tls, *self._names)
        self._server, self._tls = server, tls
        self._records: dict[int, RequestRecord] = {}  # that the child may still push changes of, by their index
        self._next_index = 0
        self._followers = 0
        self._follow_lock = threading.Lock()  # guards _followers, and keeps what the child is sent of them in order

    # -- what a test asks ----------------------------------------------------------------------------------------

    def begin(self, name: str) -> None:
        """Begin a test: forget the requests and the output of the one before."""
        self._is_death_reported = False  # a test of a class whose server has died fails, each by itself
        window = self.journal.begin(name)
        try:
            self.journal.clear()
            self._call("begin", window)
        except LiveServerTestCaseError:  # it has died, which the test's result says
            self._is_death_reported = False
            Journal.clear(self.journal)
        self._records = {index: record for index, record in self._records.items() if not record.is_over}
        self._output.clear()

    @property
    def in_flight(self) -> list[RequestRecord]:
        """The requests that are being served at the moment."""
        return self._find(self._query("in_flight", default=()))

    def take_errors(self) -> list[tuple[RequestRecord, BaseException]]:
        """The exceptions that were recorded since the last call, each with its request.

        Raises:
            ServerDied: The server's process has; raised once in each test.
        """
        self.check()  # by its command everything that was pushed before is here
        return drain(self._errors)

    def wait_until_idle(self, timeout: float, window: JournalWindow | None = None) -> list[RequestRecord]:
        """See `RequestLog.wait_until_idle`; in a process that has died nothing is in flight."""
        return self._find(self._query("wait_until_idle", timeout, window, timeout=timeout + _SLACK, default=()))

    def _find(self, indexes: Iterable[int]) -> list[RequestRecord]:
        return [self._records[index] for index in indexes if index in self._records]

    def stack_of(self, record: RequestRecord) -> str:
        """See `RequestLog.stack_of`."""
        return str(self._query("stack_of", record.index, default=""))

    def close_connections(self) -> None:
        """Cut every connection that is open, whatever it is at; the server goes on."""
        self._query("close_connections")

    def _sync(self) -> None:
        """Wait until the records are what they are in the child at this moment."""
        self._check_life()
        self._query("sync")

    def _follow(self, begins: bool | None = None) -> None:
        """Have the child push every change at once while somebody waits for one; None for no more of them, or less."""
        with self._follow_lock:
            if begins is not None:
                self._followers += 1 if begins else -1
            if self._serves:
                self._send_command("follow", self._followers > 0)

    # -- what the child pushes -----------------------------------------------------------------------------------

    def _on_event(self, value: list[RecordUpdate]) -> None:
        for update in value:
            number = update.number
            record = self._records.get(number)
            is_new = record is None
            if record is None:
                record = self._record_type.__new__(self._record_type)
                record.index, record.window, record.errors = number, update.window, []
            for error in update.errors[max(0, len(record.errors) - update.known) :]:
                self._add_error(record, error.unpack())
            for name, fact in zip(_FACTS, update.facts, strict=True):
                setattr(record, name, fact)
            self._set_more(record, update.more)
            if is_new and number >= self._next_index:
                self._add_record(record)
            else:
                if is_new and number >= 0 and not record.is_over:  # the journal has dropped it, or forgotten it
                    self._records[number] = record
                self.journal.notify()

    def _set_more(self, record: Any, more: Any) -> None:
        """Bring up to date what is kept of a record besides its facts."""

    def _add_record(self, record: RequestRecord) -> None:
        index = record.index
        if index > self._next_index:
            self.journal.skip(index)
        self._next_index = index + 1
        self._records[index] = record
        old = self._records.get(index - self.journal.limit)
        if old is not None and old.is_over:
            del self._records[old.index]
        self.journal.add(record, record.window)

    def _on_end(self, memory: int) -> None:
        """Complete the records with what the child has noted of them and not pushed."""
        with contextlib.closing(RequestTable(memory)) as table:
            found = table.read(self.journal.window)
        for noted in found:
            record = self._records.get(noted.index)
            if noted.index >= self._next_index:
                self._add_record(noted)
            elif record is not None and not record.is_over:
                record.duration, record.status, record.completed = noted.duration, noted.status, noted.completed
        self.journal.notify()

    # -- life ----------------------------------------------------------------------------------------------------

    def _open(self, listener: Listener) -> None:
        super()._open(listener)
        if self._followers:
            self._follow()

    def _make_factory(self, port: int) -> ServerFactory:
        tls: Any = self._tls
        if tls is True:
            tls = Certificates.shared().server_pem(*self._names)
        preload = (self.app.partition(":")[0],) if isinstance(self.app, str) else ()
        options = {
            **super()._make_factory(port).options,
            "port": self._port,  # 0 as long as it is left to the application's configuration, or else to the system
            "tls": tls,
            "journal_limit": self.journal.limit,
            "window": self.journal.window,
            "index": self._next_index,
        }
        return ServerFactory(make_server, (self.app, self._server), options, preload)

"""A stub in a process of its own, as that process has it: see `remote`."""

from __future__ import annotations

import io
import pickle
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..core.journal import JournalWindow
from ..core.text import describe_error
from ..core.tls import Certificates
from ..errors import UsageError
from ..process.messages import RemoteException, StopReport
from ..process.worker import import_modules
from ..web.live_process import RequestCommandHandler
from ..web.records import Exchange
from .remote import EXCHANGE, KINDS, REQUEST, Unpacker, refuse_stream
from .request import RecordedRequest
from .server import HTTPStub
from .stream import Stream, encode_piece

if TYPE_CHECKING:
    from ..web.records import RequestRecord

__all__ = ["ServedStub", "StubCommandHandler", "make_stub"]

# What a test reads of a request, besides its head: each that the request has.
_PUSHED = (
    "body", "body_size", "path_params", "expectation", "turn", "newest", "reply", "failure", "is_paused",
    "is_unmatched", "held_by", "tls",
)  # fmt: skip

_BASE = ("wsgi.url_scheme", "SERVER_NAME", "SERVER_PORT", "liveserver.proxy")  # of what comes through a tunnel


def _of_engine(name: str) -> Any:
    return property(lambda stub: getattr(stub._engine, name))


class ServedStub(HTTPStub):
    """A stub with what a process asks of its server besides."""

    __slots__ = ("first_number",)

    first_number: int
    adopt, silence, take_report, stack_of = map(_of_engine, ("adopt", "silence", "take_report", "stack_of"))


def make_stub(
    window: JournalWindow,
    index: int,
    authority: tuple[bytes, bytes] | None,
    display_name: str,
    first_number: int,
    settings: Mapping[str, Any],
    **options: Any,
) -> ServedStub:
    """Make the stub, in the process in which it is to run; the numbers are those of its first request and handle."""
    if authority is not None:
        Certificates.adopt(*authority)
    stub = ServedStub(**options)
    stub.first_number = first_number
    stub._engine.display_name = display_name
    for name, value in settings.items():
        setattr(stub._inspection, name, value)
    stub.journal.resume(window, index)
    if window.number:  # it was started again in a test: what is written now is of that
        stub._registry.begin(lambda: window)
    return stub


class StubCommandHandler(RequestCommandHandler):
    """Pushes the exchanges of a stub, and calls its objects for the parent."""

    def __init__(self, server: ServedStub, push: Callable[[object], None], memory: int) -> None:
        super().__init__(server, push, memory)
        self._numbering = threading.Lock()  # guards these three
        self._objects: dict[int, object] = dict(enumerate((server._registry, server._inspection, server._engine)))
        self._numbers: dict[int, int] = {}  # by the id() of the objects
        self._next_number = server.first_number
        self._kept: int | None = self._next_number if server._registry.is_in_test else None

    def run(
        self, number: int, name: str, data: bytes, modules: Mapping[str, str], main: Mapping[str, str]
    ) -> bytes:  # fmt: skip
        """Call a method of an object; all that its result refers to is pushed before it."""
        try:
            import_modules(modules, main)
            args, kwargs = Unpacker(data, self._load).load()
        except UsageError:
            raise
        except Exception as error:
            raise UsageError(f"the stub's process cannot import what it was sent: {describe_error(error)}") from error
        found = self._load(None, number)
        # an attribute is read as Python reads it, which asks `__getattr__` for the nearest name of one that is missing
        result = getattr(found, *args) if name == "__getattribute__" else getattr(found, name)(*args, **kwargs)
        self.sync()
        return self._pack(result)

    def begin(self, window: JournalWindow) -> None:
        """A test begins: its objects have numbers from here on."""
        super().begin(window)
        with self._numbering:
            if self._kept is None:
                self._kept = self._next_number
            for number in [known for known in self._objects if known >= self._kept]:
                self._numbers.pop(id(self._objects.pop(number)), None)

    def stop(self, timeout: float) -> StopReport:
        """See `CommandHandler.stop`; what is held against tests is left to the parent."""
        report = super().stop(timeout)
        self.push(self._pack(self.server._inspection.take_all()))
        return report

    # -- what travels ------------------------------------------------------------------------------------------------

    def number_of(self, value: object) -> int:
        """Return the number of an object, which is kept until the next test begins, or for good before the first."""
        with self._numbering:
            number = self._numbers.get(id(value))
            if number is None:
                number = self._numbers[id(value)] = self._next_number
                self._objects[number] = value
                self._next_number += 1
            return number

    def _load(self, kind: Any, number: int) -> object:
        if kind is None:
            found = self._objects.get(number)
            if found is None:
                raise UsageError(
                    "this is of a test that is over, or was written before its stub was stopped: write it again"
                )
            return found
        entries = [*self.server.journal.entries(), *self.server.in_flight]
        exchange = next((each for each in entries if each.index == number), None)
        if exchange is None:
            raise UsageError(f"request number {number} is no longer kept: see journal_limit")
        return exchange.handler_data if kind == REQUEST else exchange

    def _pack(self, value: object) -> bytes:
        file = io.BytesIO()
        _Packer(file, self).dump(value)
        return file.getvalue()

    def _note(self, record: RequestRecord | None) -> None:
        super()._note(record)
        if record is None and self._is_followed:  # who waits is to look again, also at what is in no record
            self.push(self._pack([]))

    def _push_updates(self, records: list[RequestRecord]) -> None:
        updates = [update for update in map(self._make_update, records) if update is not None]
        if updates:
            self.push(self._pack(updates))

    def _read_more(self, record: Exchange) -> Any:
        request, block, base, found = record.handler_data, b"", {}, None
        if isinstance(request, RecordedRequest):
            known = vars(request)
            base = {name: request._base[name] for name in _BASE if name in request._base}
            block, found = request._block, {name: known[name] for name in _PUSHED if name in known}
        kept = {name: getattr(record, name) for name in ("aborted", "refused", "chunk_sizes", "trailers")}
        return kept, block, base, found


class _Packer(pickle.Pickler):
    """Pickles results for the parent, in which there are handles of what stays here."""

    def __init__(self, file: io.BytesIO, handler: StubCommandHandler) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self._handler = handler

    def persistent_id(self, value: object) -> object:
        kind = type(value)
        if kind in KINDS:
            return kind, self._handler.number_of(value)
        if isinstance(value, RecordedRequest):
            return REQUEST, value.index
        return (EXCHANGE, value.index) if isinstance(value, Exchange) else None

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, BaseException):
            return RemoteException.unpack, (RemoteException.pack(value),)
        return (Stream, (refuse_stream, encode_piece)) if isinstance(value, Stream) else NotImplemented

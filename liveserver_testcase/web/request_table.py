"""The last requests of a server, in memory that outlives its process."""

from __future__ import annotations

import mmap
import os
import struct
from typing import NamedTuple

from ..core.journal import JournalWindow
from .records import RequestRecord

__all__ = ["RequestTable", "Row"]

# Duration and status; numbers of window, connection, exchange, port; when it came; host, method, version, target; and
# the index plus 1, which is 0 in a row that was never written, and is stored when the rest is.
_ROW = struct.Struct("di4id46s16s8s256sq")
_RESULT = struct.Struct("di")
_ROWS = 1024  # the processor keeps so many at hand; a test reads its journal before as many have come
_IN_PROGRESS = -1.0


class Row(NamedTuple):
    """One row; see `RequestRecord` for what it says."""

    duration: float
    status: int
    window: int
    connection_index: int
    exchange_index: int
    port: int
    arrived: float
    host: bytes
    method: bytes
    version: bytes
    target: bytes
    next_index: int

    def complete(self, record: RequestRecord) -> None:
        """Note in ``record`` that it was answered, if it was."""
        if self.duration != _IN_PROGRESS:
            record.duration, record.status, record.completed = self.duration, self.status, True

    def make_record(self, window: JournalWindow) -> RequestRecord:
        """The record, in ``window`` if that has the row's number."""
        host, method, version, target = (
            text.rstrip(b"\0").decode(errors="replace") for text in (self.host, self.method, self.version, self.target)
        )
        record = RequestRecord(method, target, (host, self.port))
        record.index, record.version = self.next_index - 1, version
        record.arrived = self.arrived
        record.window = window if window.number == self.window else JournalWindow(self.window, "")
        record.connection_index, record.exchange_index = self.connection_index, self.exchange_index
        self.complete(record)
        return record


class RequestTable:
    """One row for each of the last requests, written before the request is answered.

    A row costs a hundredth of a message to another process, which is what makes it worth while: it is read only when
    the server's process has died.  It has what a report needs of a request, and of a long target the beginning.

    Args:
        memory: A descriptor of a file that is as large as a table: see `make_room`.

    Raises:
        ValueError: It is smaller.
    """

    @staticmethod
    def make_room(memory: int) -> None:
        """Make a file as large as a table; one that was is not changed."""
        os.truncate(memory, _ROWS * _ROW.size)

    def __init__(self, memory: int) -> None:
        self._rows = mmap.mmap(memory, _ROWS * _ROW.size)

    def add(self, record: RequestRecord) -> None:
        """Write the row of a request that has come."""
        host, port = record.address[:2]
        _ROW.pack_into(
            self._rows,
            record.index % _ROWS * _ROW.size,
            _IN_PROGRESS,
            0,
            record.window.number,
            record.connection_index,
            record.exchange_index,
            port,
            record.arrived,
            host.encode(),
            record.method.encode(),
            record.version.encode(),
            record.target.encode(errors="backslashreplace"),
            record.index + 1,
        )

    def complete(self, record: RequestRecord) -> None:
        """Note that a request has been answered."""
        _RESULT.pack_into(self._rows, record.index % _ROWS * _ROW.size, record.duration, record.status or 0)

    def row(self, index: int) -> Row:
        """The row of the request with this index, or of a later one that has taken its place, or an empty one."""
        return Row._make(_ROW.unpack_from(self._rows, index % _ROWS * _ROW.size))

    def rows_from(self, index: int) -> list[Row]:
        """The rows of this request and of all that came later, in their order."""
        if self.row(index).next_index <= index:
            return []
        rows = [Row._make(values) for values in _ROW.iter_unpack(self._rows) if values[-1] > index]
        return sorted(rows, key=lambda row: row.next_index)

    def close(self) -> None:
        """Let go of the memory."""
        self._rows.close()

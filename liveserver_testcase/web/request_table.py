"""The last requests of a server, one row for each, in memory that outlives its process.

A row is written before its request is answered, and costs a hundredth of a message to another process, which is what
makes it worth while: it is read only when the process has died.  It has what a report needs of a request, and of a long
target the beginning.
"""

from __future__ import annotations

import functools
import mmap
import os
import struct

from ..core.journal import JournalWindow
from .records import RequestRecord

__all__ = ["RequestTable"]

# Duration and status; numbers of window, connection, exchange, port; when it came; the index plus 1, 0 in a row
# that was never written; and client, method, version and target, with spaces between them.  That is 256 bytes: four
# lines of the processor's cache, and as much of a target as a report shows.
_ROW = struct.Struct("di4idq208s")
_RESULT = struct.Struct("di")
_ROWS = 1024  # the processor keeps so many at hand; a test reads its journal before as many have come
_IN_PROGRESS = -1.0  # the duration of a request that is being served
_truncate = functools.partial(os.truncate)  # pyfakefs replaces the functions of os, and what refers to them


class RequestTable:
    """The rows.

    Args:
        memory: A descriptor of a file; where nothing has been written, it is made as large as a table.
    """

    def __init__(self, memory: int) -> None:
        _truncate(memory, _ROWS * _ROW.size)
        self._rows = mmap.mmap(memory, _ROWS * _ROW.size)

    def close(self) -> None:
        """Let go of the memory."""
        self._rows.close()

    def add(self, record: RequestRecord) -> None:
        """Write the row of a request that has come."""
        index, address = record.index, record.address
        text = f"{address[0]} {record.method} {record.version} {record.target}"
        _ROW.pack_into(
            self._rows, index % _ROWS * _ROW.size, _IN_PROGRESS, 0, record.window.number, record.connection_index,
            record.exchange_index, address[1], record.arrived, index + 1, text.encode("utf-8", "backslashreplace"),
        )  # fmt: skip

    def complete(self, record: RequestRecord) -> None:
        """Note that a request has been answered."""
        _RESULT.pack_into(self._rows, record.index % _ROWS * _ROW.size, record.duration, record.status or 0)

    def read(self, window: JournalWindow) -> list[RequestRecord]:
        """Make a record of each row, in the order of their arrival; in ``window`` if that has the row's number."""
        records = []
        for values in _ROW.iter_unpack(self._rows):
            duration, status, number, connection, exchange, port, arrived, next_index, text = values
            if not next_index:
                continue
            host, method, version, target = text.rstrip(b"\0").decode(errors="replace").split(" ", 3)
            record = RequestRecord(method, target, (host, port), version)
            record.index, record.connection_index, record.exchange_index = next_index - 1, connection, exchange
            record.arrived = arrived
            record.window = window if window.number == number else JournalWindow(number, "")
            if duration != _IN_PROGRESS:
                record.duration, record.status, record.completed = duration, status, True
            records.append(record)
        return sorted(records, key=lambda record: record.index)

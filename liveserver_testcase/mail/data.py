"""What a client sends: lines, and the data of a mail, where it ends and what was stuffed into it; pure.

Only the end of each piece is searched: a mail of 25 MB is received nearly as fast as the system delivers it.
"""

from __future__ import annotations

from typing import NamedTuple

from .syntax import Refused

__all__ = ["InputBuffer", "LongLine", "MailData", "find_long_line"]

_END = b"\r\n.\r\n"


class InputBuffer:
    """What a client has sent and was not taken yet; ``is_at_end`` if it sends nothing more."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._is_skipping = False  # the rest of a line of which the beginning was too long already
        self.is_at_end = False

    def __len__(self) -> int:
        return len(self._bytes)

    def feed(self, data: bytes) -> None:
        """Add what has come."""
        self._bytes += data

    def put_back(self, data: bytes) -> None:
        """Put ``data`` in front: it is taken next."""
        self._bytes[:0] = data

    def clear(self) -> None:
        """Drop everything."""
        self._bytes.clear()

    def take_line(self, longest: int) -> bytes | None:
        """Return the next line with its end; None while there is none.  One that is too long is dropped: `Refused`."""
        end = self._bytes.find(b"\n") + 1
        if not end:
            if len(self._bytes) > longest:
                self._is_skipping = True
                self._bytes.clear()
            return None
        line = self.take(end)
        is_too_long, self._is_skipping = self._is_skipping or end > longest, False
        if is_too_long:
            raise Refused(500, f"5.5.2 The line is too long: more than {longest} octets")
        return line

    def take(self, size: int) -> bytes:
        """Return up to ``size`` bytes."""
        with memoryview(self._bytes) as view:
            data = bytes(view[:size])
        del self._bytes[:size]
        return data


class MailData:
    """Collects what follows DATA, in pieces of any size, up to the line with nothing but a dot.

    Nothing else is an end, whatever a client has for ends of lines: RFC 5321, 4.1.1.4.  ``received`` counts all bytes;
    with more than ``limit`` the mail is too big, and nothing is kept.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._data = bytearray(b"\r\n")  # the data begin at the beginning of a line
        self.received = 0
        self.is_too_big = False

    def feed(self, data: bytes) -> bytes | None:
        """Take the next piece; return what follows the end in it, or None while there is no end."""
        before = len(self._data)
        self._data += data
        at = self._data.find(_END, max(0, before - len(_END) + 1))
        end = at + len(_END) if at >= 0 else len(self._data)
        self.received += end - before
        if self._limit is not None and self.received - (3 if at >= 0 else len(_END)) > self._limit:
            self.is_too_big = True
        if self.is_too_big:
            del self._data[: 1 - len(_END)]
        elif at >= 0:
            del self._data[at + 2 :]
        return data[end - before :] if at >= 0 else None

    def take(self) -> bytes:
        """Return the mail as it was before dots were stuffed into it, once."""
        with memoryview(self._data) as view:
            mail = bytes(view[2:])
        self._data.clear()  # no more than two copies exist at any time
        return mail.removeprefix(b".").replace(b"\r\n.", b"\r\n")  # the same object if there is none


class LongLine(NamedTuple):
    """A line that is too long: its number, from 1, and its octets without the end."""

    number: int
    length: int


def find_long_line(mail: bytes, limit: int) -> LongLine | None:
    """Return the first line with more than ``limit`` octets, if any; leap from one line's end to the last in reach."""
    start, size = 0, len(mail)
    while size - start > limit:
        end = mail.rfind(b"\r\n", start, start + limit + 2)
        if end < 0:
            end = mail.find(b"\r\n", start)
            length = (end if end >= 0 else size) - start
            return LongLine(mail.count(b"\r\n", 0, start) + 1, length) if length > limit else None
        start = end + 2
    return None

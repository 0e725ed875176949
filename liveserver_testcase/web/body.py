"""The body of a request: read from the connection when somebody wants it, and never beyond its end."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import ClientDisconnected
from .head import BadRequest

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["Body", "ChunkedBody", "Incoming", "LengthBody"]

_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})(?:[ \t]*;[^\x00-\x08\x0a-\x1f\x7f]*)?")  # RFC 9112, 7.1
_TRAILER = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*")
_MAX_CHUNK_LINE = 4096
_MAX_TRAILERS = 64 * 1024
_MAX_SIZES = 100_000  # chunk sizes that are kept for inspection


class Incoming:
    """Bytes that have been received and not yet used, and a way to get more.

    Args:
        receive: Returns the next bytes from the client; none at its end.
    """

    __slots__ = ("data", "position", "receive")

    def __init__(self, receive: Callable[[], bytes]) -> None:
        self.receive = receive
        self.data = b""
        self.position = 0

    def __len__(self) -> int:
        return len(self.data) - self.position

    def fill(self) -> None:
        """Receive once.

        Raises:
            ClientDisconnected: The client has closed the connection.
        """
        more = self.receive()
        if not more:
            raise ClientDisconnected("the client closed the connection in the middle of its request")
        self.data = self.data[self.position :] + more if len(self) else more
        self.position = 0

    def take_into(self, view: memoryview, most: int) -> int:
        """Move at most ``most`` bytes into ``view``, receiving once if there are none; returns how many."""
        if not len(self):
            self.fill()
        count = min(len(view), most, len(self))
        view[:count] = self.data[self.position : self.position + count]
        self.position += count
        return count

    def take_line(self, most: int) -> bytes:
        """Take a line, without the CRLF at its end.

        Raises:
            BadRequest: It is longer than ``most`` bytes, or has a carriage return or line feed of its own.
        """
        start = 0
        while (end := self.data.find(b"\r\n", self.position + start)) < 0:
            start = max(0, len(self) - 1)
            if start > most:
                raise BadRequest(400, "an endless line in a chunked body")
            self.fill()
        line = self.data[self.position : end]
        self.position = end + 2
        if len(line) > most or b"\n" in line or b"\r" in line:
            raise BadRequest(400, "a malformed line in a chunked body")
        return line


    def take_end_of_chunk(self) -> None:
        """Take the CRLF that ends a chunk.

        Raises:
            BadRequest: Something else is there.
        """
        while len(self) < 2:
            self.fill()
        if self.data[self.position : self.position + 2] != b"\r\n":
            raise BadRequest(400, "a chunk that is longer than its size")
        self.position += 2


class Body(io.RawIOBase):
    """A body that is being read; ``io.BufferedReader`` makes of it what an application reads.

    Attributes:
        finished: Whether all of it has been read.
        received: Bytes of it that have been read.
        failure: Why it cannot be read to its end: the client's fault, or its disappearance.
        trailers: Header lines that followed a chunked body.
        chunk_sizes: How the client cut it.
    """

    def __init__(self, incoming: Incoming, before: Callable[[], None] | None = None) -> None:
        self._incoming = incoming
        self._before = before  # sends the 100 Continue that the client may be waiting for
        self.finished = False
        self.received = 0
        self.failure: BadRequest | ClientDisconnected | None = None
        self.trailers: list[tuple[bytes, bytes]] = []
        self.chunk_sizes: list[int] = []

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read some bytes.

        Raises:
            ClientDisconnected: The client is gone, or its body is malformed: there is no telling where it ends.
        """
        if self.failure is not None:
            raise ClientDisconnected(str(self.failure)) from self.failure
        if self.finished:
            return 0
        if self._before is not None:
            before, self._before = self._before, None
            before()
        try:
            count = self._read(memoryview(buffer).cast("B"))
        except (BadRequest, ClientDisconnected) as error:
            self.failure = error
            raise ClientDisconnected(str(error)) from error
        self.received += count
        return count

    def _read(self, view: memoryview) -> int:
        raise NotImplementedError

    def drain(self, most: int) -> bool:
        """Read and forget up to ``most`` bytes; whether that was the rest.

        Raises:
            ClientDisconnected: As `readinto`.
        """
        scratch = bytearray(min(most, 65536))
        while most > 0 and not self.finished:
            count = self.readinto(scratch)
            most -= count
        return self.finished

    @property
    def was_asked_for(self) -> bool:
        """Whether a client that waits for ``100 Continue`` has been told to send the body."""
        return self._before is None


class LengthBody(Body):
    """A body of a known length."""

    def __init__(self, incoming: Incoming, length: int, before: Callable[[], None] | None = None) -> None:
        super().__init__(incoming, before)
        self.left = length

    def _read(self, view: memoryview) -> int:
        if not len(view):
            return 0
        count = self._incoming.take_into(view, self.left)
        self.left -= count
        self.finished = self.left == 0
        return count


class ChunkedBody(Body):
    """A chunked body.  A size must be plain hexadecimal digits, and each chunk end where it says."""

    _left = 0

    def _read(self, view: memoryview) -> int:
        if not len(view):
            return 0
        if self._left == 0:
            self._left = self._read_size()
            if self._left == 0:
                self._read_trailers()
                self.finished = True
                return 0
        count = self._incoming.take_into(view, self._left)
        self._left -= count
        if self._left == 0:
            self._incoming.take_end_of_chunk()
        return count

    def _read_size(self) -> int:
        match = _CHUNK.fullmatch(self._incoming.take_line(_MAX_CHUNK_LINE))
        if match is None:
            raise BadRequest(400, "a chunk size that is no hexadecimal number")
        size = int(match[1], 16)
        if len(self.chunk_sizes) < _MAX_SIZES:
            self.chunk_sizes.append(size)
        return size

    def _read_trailers(self) -> None:
        room = _MAX_TRAILERS
        while line := self._incoming.take_line(room):
            match = _TRAILER.fullmatch(line)
            if match is None:
                raise BadRequest(400, "a malformed trailer")
            self.trailers.append((match[1], match[2]))
            room -= len(line) + 2

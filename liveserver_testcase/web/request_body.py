"""The body of a request: read from the connection when somebody wants it, and never beyond its end."""

from __future__ import annotations

import functools
import io
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..core.interrupts import monotonic
from ..errors import ClientDisconnected
from .request_head import TOKEN, BadRequest

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = [
    "CHUNK",
    "MAX_LINE",
    "MAX_TRAILERS",
    "TRAILER",
    "Body",
    "ChunkedBody",
    "LengthBody",
    "ReceiveBuffer",
    "WSGIInput",
    "is_client_error",
]

_QUOTED = rb'"(?:[^\x00-\x08\x0a-\x1f\x7f"\\]|\\[^\x00-\x08\x0a-\x1f\x7f])*"'
_EXTENSION = rb"[ \t]*;[ \t]*" + TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + TOKEN + rb"|" + _QUOTED + rb"))?"
CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})(?:" + _EXTENSION + rb")*")  # RFC 9112, 7.1
_NEXT_CHUNK = re.compile(rb"\r\n([0-9A-Fa-f]{1,16})\r\n")  # the end of a chunk, and a plain size
TRAILER = re.compile(rb"(" + TOKEN + rb"):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*")
MAX_LINE = 4096  # bytes of a chunk's size and extensions, or of a trailer
MAX_TRAILERS = 64 * 1024
_MAX_SIZES = 100_000  # chunk sizes that are kept for inspection
_PIECE = 64 * 1024


class ReceiveBuffer:
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
        while (end := self.data.find(b"\n", self.position + start)) < 0:
            start = len(self)
            self._check_line(self.data[self.position :], most)
            self.fill()
        line = self.data[self.position : end]
        self._check_line(line, most)
        if line[-1:] != b"\r":
            raise BadRequest(400, "a line feed without a carriage return in a chunked body")
        self.position = end + 1
        return line[:-1]

    def _check_line(self, line: bytes, most: int) -> None:
        """Refuse a line, which may not be all there, as soon as it is wrong: its end could be long in coming."""
        if len(line) > most + 1:
            raise BadRequest(400, f"a line of more than {most} bytes in a chunked body")
        if b"\r" in line[:-1]:
            raise BadRequest(400, "a carriage return without a line feed in a chunked body")

    def take_end_of_chunk(self) -> None:
        """Take the CRLF that ends a chunk.

        Raises:
            BadRequest: Something else is there.
        """
        while (got := self.data[self.position : self.position + 2]) != b"\r\n":
            if got not in (b"", b"\r"):
                raise BadRequest(400, "a chunk that is longer than its size")
            self.fill()
        self.position += 2


class Body(io.RawIOBase):
    """A body that is being read; `WSGIInput` makes of it what an application reads.

    Attributes:
        finished: Whether all of it has been read.
        received: Bytes of it that have been read.
        finished_at: When that was, on the monotonic clock.
        failure: Why it cannot be read to its end: the client's fault, or its disappearance.
        trailers: Header lines that followed a chunked body.
        chunk_sizes: How the client cut a chunked body; of a very long one, the first 100,000.
        observe: Called with what has been read, whoever reads it; None for nobody.
    """

    def __init__(self, incoming: ReceiveBuffer, before: Callable[[], None] | None = None) -> None:
        self._incoming = incoming
        self._before = before  # sends the 100 Continue that the client may be waiting for
        self.finished = False
        self.finished_at: float | None = None
        self.received = 0
        self.failure: BadRequest | ClientDisconnected | None = None
        self.trailers: list[tuple[bytes, bytes]] = []
        self.chunk_sizes: list[int] = []
        self.observe: Callable[[bytes], None] | None = None

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read some bytes: what is there, without waiting for more.

        Raises:
            ClientDisconnected: The client is gone, or its body is malformed, so that nobody knows where it ends.
        """
        if self.finished:
            return 0
        if self.failure is not None:
            raise _wrap_failure(self.failure)
        view = memoryview(buffer).cast("B")
        if not len(view):
            return 0
        try:
            if self._before is not None:
                before, self._before = self._before, None
                before()
            count = self._read(view)
        except (BadRequest, ClientDisconnected) as error:
            self.failure = error
            raise _wrap_failure(error) from error
        self.received += count
        if self.observe is not None:
            self.observe(bytes(view[:count]))
        if self.finished:
            self.finished_at = monotonic()
        return count

    def _read(self, view: memoryview) -> int:
        raise NotImplementedError

    def drain(self, most: int) -> bool:
        """Read and forget up to ``most`` bytes; whether that was the rest.

        Raises:
            ClientDisconnected: As `readinto`.
        """
        scratch = bytearray(min(most, _PIECE))
        while most > 0 and not self.finished:
            most -= self.readinto(scratch)
        return self.finished

    def read_into(self, pieces: list[bytes], most: int) -> None:
        """Read on to the end, or until there are ``most`` bytes; what was read is in ``pieces`` whatever comes.

        Raises:
            ClientDisconnected: As `readinto`.
        """
        scratch = memoryview(bytearray(min(most, self._size(), _PIECE)))
        while most > 0 and not self.finished:
            count = self.readinto(scratch[:most] if most < len(scratch) else scratch)
            pieces.append(bytes(scratch[:count]))
            most -= count

    def _size(self) -> int:
        """How many bytes are to come at most."""
        return _PIECE

    def skip_rest(self) -> None:
        """Read and forget the rest, which `received` counts.

        Raises:
            ClientDisconnected: As `readinto`.
        """
        while not self.drain(_PIECE):
            pass

    def abandon(self) -> None:
        """Let nobody read from the connection any more: the exchange is over, and what follows is not for it."""
        if not self.finished and self.failure is None:
            self.failure = ClientDisconnected("the exchange is over: its body cannot be read any more")

    @property
    def was_asked_for(self) -> bool:
        """Whether a client that waits for ``100 Continue`` has been sent that."""
        return self._before is None


class LengthBody(Body):
    """A body of a known length."""

    def __init__(self, incoming: ReceiveBuffer, length: int, before: Callable[[], None] | None = None) -> None:
        super().__init__(incoming, before)
        self.left = length

    def _size(self) -> int:
        return self.left

    def _read(self, view: memoryview) -> int:
        count = self._incoming.take_into(view, self.left)
        self.left -= count
        self.finished = self.left == 0
        return count


class ChunkedBody(Body):
    """A chunked body.  A size must be plain hexadecimal digits, and each chunk end where it says."""

    _left = 0  # bytes of the current chunk that are still to come
    _begun = False

    def _read(self, view: memoryview) -> int:
        incoming = self._incoming
        if self._left == 0 and not self._begin_chunk():
            return 0
        done = 0
        while True:
            count = incoming.take_into(view[done:], self._left)
            self._left -= count
            done += count
            if self._left or done == len(view):
                return done
            # the next chunk too, if it is here and has nothing special about it
            match = _NEXT_CHUNK.match(incoming.data, incoming.position)
            if match is None or match.end() == len(incoming.data) or not self._note_size(match[1]):
                return done
            incoming.position = match.end()

    def _begin_chunk(self) -> bool:
        """Go to the next chunk; False: there is none, and the trailers have been read."""
        if self._begun:
            self._incoming.take_end_of_chunk()
        self._begun = True
        match = CHUNK.fullmatch(self._incoming.take_line(MAX_LINE))
        if match is None:
            raise BadRequest(400, "a chunk size that is no hexadecimal number")
        if self._note_size(match[1]):
            return True
        self._read_trailers()
        self.finished = True
        return False

    def _note_size(self, digits: bytes) -> int:
        self._left = int(digits, 16)
        if self._left and len(self.chunk_sizes) < _MAX_SIZES:
            self.chunk_sizes.append(self._left)
        return self._left

    def _read_trailers(self) -> None:
        room = MAX_TRAILERS
        while line := self._incoming.take_line(MAX_LINE):
            match = TRAILER.fullmatch(line)
            room -= len(line) + 2
            if match is None:
                raise BadRequest(400, "a malformed trailer")
            if room < 0:
                raise BadRequest(400, f"trailers of more than {MAX_TRAILERS} bytes")
            self.trailers.append((match[1], match[2]))


class WSGIInput(io.BufferedReader):
    """``wsgi.input``: a body as an application reads it; never takes more memory than bytes have arrived."""

    def __init__(self, body: Body) -> None:
        super().__init__(body, _PIECE)

    def read(self, size: int | None = -1, /) -> bytes:
        """Read ``size`` bytes, or all; what is promised in a Content-Length is not believed before it is here."""
        if size is not None and 0 <= size <= _PIECE:
            return super().read(size)
        pieces: list[bytes] = []
        left = sys.maxsize if size is None or size < 0 else size
        while left and (piece := super().read(min(left, _PIECE))):
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)


def is_client_error(error: BaseException) -> bool:
    """Return True if the client brought ``error`` about: it, or what it was explicitly raised from, is of our making.

    An exception that merely came up while another was handled (``__context__``) is the application's own: a misspelt
    name in ``except OSError:`` is a bug, whatever the client did before.
    """
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        if isinstance(link, ClientDisconnected | BadRequest):
            return True
        seen.add(id(link))
        link = link.__cause__
    return False


def _wrap_failure(failure: BadRequest | ClientDisconnected) -> ClientDisconnected:
    """What to raise in the application because of ``failure``."""
    kind = _for_werkzeug() if "werkzeug.exceptions" in sys.modules else ClientDisconnected
    return kind(str(failure))


@functools.cache
def _for_werkzeug() -> type[ClientDisconnected]:
    """`ClientDisconnected` as an application built on werkzeug expects it, which would log any other as its own bug."""
    from werkzeug import exceptions

    class ClientLeft(ClientDisconnected, exceptions.ClientDisconnected):
        """The client went away, or sent nonsense."""

        def __init__(self, text: str) -> None:
            exceptions.ClientDisconnected.__init__(self, text)
            ClientDisconnected.__init__(self, text)  # last, since the other one takes the arguments away

    return ClientLeft

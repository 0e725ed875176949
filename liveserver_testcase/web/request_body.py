"""The body of a request: where it ends, and how an application reads it.

A `BodyFraming` finds the body in what has come, wherever that was cut, and refuses one as soon as it can no longer
become a good one.  An event loop gives it what a client sends; a `Body` receives when somebody reads it.
"""

from __future__ import annotations

import functools
import io
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..core.interrupts import monotonic
from ..errors import ClientDisconnected
from .request_head import TOKEN, BadRequest, Head

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from .connection import HTTPConnection

__all__ = ["Body", "BodyFraming", "WSGIInput", "is_client_error", "make_framing"]

_QUOTED = rb'"(?:[^\x00-\x08\x0a-\x1f\x7f"\\]|\\[^\x00-\x08\x0a-\x1f\x7f])*"'
_EXTENSION = rb"[ \t]*;[ \t]*" + TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + TOKEN + rb"|" + _QUOTED + rb"))?"
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})(?:" + _EXTENSION + rb")*")  # RFC 9112, 7.1
_NEXT_CHUNK = re.compile(rb"\r\n([0-9A-Fa-f]{1,16})\r\n")  # the end of a chunk, and a plain size
_TRAILER = re.compile(rb"(" + TOKEN + rb"):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*")
_MAX_LINE = 4096  # bytes of a chunk's size and extensions, or of a trailer
_MAX_TRAILERS = 64 * 1024
_MAX_SIZES = 100_000  # chunk sizes that are kept for inspection
_PIECE = 64 * 1024


class BodyFraming:
    """A body of a known length.

    Attributes:
        left: Bytes that are still to come; of a chunked body, in the current chunk.
        finished: Whether all of it has come.
        trailers: Header lines that followed a chunked body.
        chunk_sizes: How the client cut a chunked body; of a very long one, the first 100,000.
    """

    is_chunked = False

    def __init__(self, length: int) -> None:
        self.left = length
        self.finished = length == 0
        self.trailers: list[tuple[bytes, bytes]] = []
        self.chunk_sizes: list[int] = []

    def take(self, data: bytes, start: int, most: int) -> tuple[int, bytes]:
        """Take up to ``most`` bytes of the body from ``data``, beginning at ``start``.

        Returns:
            Where that ends which is sound and belongs to the body, and the bytes of the body in it.  What stands behind
            that is to be given again, with more behind it.

        Raises:
            BadRequest: The body is malformed; what came before has been returned by earlier calls.
        """
        count = min(self.left, len(data) - start, most)
        self.left -= count
        self.finished = self.left == 0
        return start + count, data[start : start + count]


class _ChunkedFraming(BodyFraming):
    """A chunked body.  A size must be plain hexadecimal digits, and each chunk end where it says.  RFC 9112, 7.1."""

    is_chunked = True

    def __init__(self) -> None:
        super().__init__(0)
        self.finished = False
        self._is_in_chunk = False  # the CRLF behind it is still to come
        self._is_in_trailers = False
        self._room = _MAX_TRAILERS

    def take(self, data: bytes, start: int, most: int) -> tuple[int, bytes]:
        """See `BodyFraming.take`; a line is taken when it is complete, and its bytes are checked before."""
        position = start
        pieces: list[bytes] = []
        try:
            while not self.finished:
                if self.left:
                    piece = data[position : position + min(self.left, most)]
                    if not piece:
                        break
                    pieces.append(piece)
                    most -= len(piece)
                    self.left -= len(piece)
                    position += len(piece)
                elif self._is_in_chunk:
                    # the next chunk too, if it is here and has nothing special about it
                    match = _NEXT_CHUNK.match(data, position)
                    if match is not None and self._begin_chunk(match[1]):
                        position = match.end()
                        continue
                    end = data[position : position + 2]
                    if end != b"\r\n":
                        if end not in (b"", b"\r"):
                            raise BadRequest(400, "a chunk that is longer than its size")
                        break
                    self._is_in_chunk = False
                    position += 2
                else:
                    end_of_line = data.find(b"\n", position)
                    line = data[position:] if end_of_line < 0 else data[position:end_of_line]
                    # what is not all there is refused as soon as it is wrong: its end could be long in coming
                    if len(line) > _MAX_LINE + 1:
                        raise BadRequest(400, f"a line of more than {_MAX_LINE} bytes in a chunked body")
                    if b"\r" in line[:-1]:
                        raise BadRequest(400, "a carriage return without a line feed in a chunked body")
                    if end_of_line < 0:
                        break
                    if line[-1:] != b"\r":
                        raise BadRequest(400, "a line feed without a carriage return in a chunked body")
                    self._take_line(line[:-1])
                    position = end_of_line + 1
        except BadRequest:
            if not pieces:
                raise
        return position, b"".join(pieces)

    def _take_line(self, line: bytes) -> None:
        if not self._is_in_trailers:
            match = _CHUNK.fullmatch(line)
            if match is None:
                raise BadRequest(400, "a chunk size that is no hexadecimal number")
            self._is_in_chunk = self._begin_chunk(match[1])
            self._is_in_trailers = not self._is_in_chunk
        elif line:
            match = _TRAILER.fullmatch(line)
            self._room -= len(line) + 2
            if match is None:
                raise BadRequest(400, "a malformed trailer")
            if self._room < 0:
                raise BadRequest(400, f"trailers of more than {_MAX_TRAILERS} bytes")
            self.trailers.append((match[1], match[2]))
        else:
            self.finished = True

    def _begin_chunk(self, digits: bytes) -> bool:
        self.left = int(digits, 16)
        if self.left and len(self.chunk_sizes) < _MAX_SIZES:
            self.chunk_sizes.append(self.left)
        return self.left > 0


def make_framing(head: Head) -> BodyFraming:
    """Return the framing of the body that follows ``head``, which is finished if there is none."""
    return _ChunkedFraming() if head.length is None else BodyFraming(head.length)


class Body(io.RawIOBase):
    """A body that is read off its connection; `WSGIInput` makes of it what an application reads.

    What cannot be read to its end raises `ClientDisconnected`: the client is gone, or its body is malformed, so that
    nobody knows where it ends.

    Args:
        connection: Holds what was received and not used yet, and receives more.
        framing: Where the body ends.
        before: Called before the first byte is waited for; sends the 100 Continue that the client may want.

    Attributes:
        received: Bytes of it that have been read.
        finished_at: When all of it had been read, on the monotonic clock.
        failure: Why it cannot be read to its end: the client's fault, or its disappearance.
        observe: Called with what has been read, whoever reads it; None for nobody.
    """

    finished_at: float | None = None
    received = 0
    failure: BadRequest | ClientDisconnected | None = None
    observe: Callable[[bytes], None] | None = None

    def __init__(
        self, connection: HTTPConnection, framing: BodyFraming, before: Callable[[], None] | None = None
    ) -> None:
        self._connection = connection
        self.framing = framing
        self._before = before

    @property
    def finished(self) -> bool:
        """Whether all of it has been read."""
        return self.framing.finished

    @property
    def was_asked_for(self) -> bool:
        """Whether a client that waits for ``100 Continue`` has been sent that."""
        return self._before is None

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read some bytes: what is there, without waiting for more."""
        view = memoryview(buffer).cast("B")
        piece = self.take(len(view))
        view[: len(piece)] = piece
        return len(piece)

    def take(self, most: int) -> bytes:
        """Read what is there, and wait only if there is nothing; empty at the end of the body, and for no bytes."""
        connection, framing, piece = self._connection, self.framing, b""
        if framing.finished or not most:
            return piece
        if self.failure is not None:
            raise _wrap_failure(self.failure)
        try:
            if self._before is not None:
                before, self._before = self._before, None
                before()
            while True:
                connection.position, piece = framing.take(connection.data, connection.position, most)
                if piece or framing.finished:
                    break
                connection.receive_body()
        except (BadRequest, ClientDisconnected) as error:
            self.failure = error
            raise _wrap_failure(error) from error
        self.received += len(piece)
        if self.observe is not None:
            self.observe(piece)
        if framing.finished:
            self.finished_at = monotonic()
        return piece

    def read_into(self, pieces: list[bytes], most: int) -> None:
        """Read on to the end, or until there are ``most`` bytes; what was read is in ``pieces`` whatever comes."""
        while most > 0 and not self.finished:
            pieces.append(self.take(min(most, _PIECE)))
            most -= len(pieces[-1])

    def drain(self, most: int | None = None) -> bool:
        """Read and forget the rest, or up to ``most`` bytes; whether that was the rest."""
        left = sys.maxsize if most is None else most
        while left > 0 and not self.finished:
            left -= len(self.take(min(left, _PIECE)))
        return self.finished

    def abandon(self) -> None:
        """Let nobody read from the connection any more: the exchange is over, and what follows is not for it."""
        if not self.finished and self.failure is None:
            self.failure = ClientDisconnected("the exchange is over: its body cannot be read any more")


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

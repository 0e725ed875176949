"""Find the end of each request in bytes that a parser which waits for nobody is to be given.

An event loop hands over bytes as they come, in pieces of any size.  What is here says how many of them are sound and
belong to the current body, and refuses a body as soon as it can no longer become a good one: by the rules of
`request_body`, which reads from a socket.  The parser is given no chunk extensions, of which parsers understand
different things, and no trailers, which httptools would add to the headers.
"""

from __future__ import annotations

import re

from .request_body import CHUNK, MAX_LINE, MAX_TRAILERS, TRAILER
from .request_head import BadRequest, Head

__all__ = ["BodyFraming", "ChunkedFraming", "drop_upgrade", "make_framing", "wants_websocket"]

_UPGRADE = re.compile(rb"\r\nupgrade:[^\r\n]*", re.IGNORECASE)


class BodyFraming:
    """A body of a known length.

    Attributes:
        finished: Whether all of it has come.
    """

    __slots__ = ("_left", "finished")

    def __init__(self, length: int) -> None:
        self._left = length
        self.finished = length == 0

    def take(self, data: bytes) -> tuple[int, bytes]:
        """Take what has come of the body.

        Args:
            data: The next bytes on the connection; those that were not taken are given again, with more behind them.

        Returns:
            How many of them belong to the body and are sound, and what the parser is to be given of them.

        Raises:
            BadRequest: The body is malformed.
        """
        count = min(self._left, len(data))
        self._left -= count
        self.finished = self._left == 0
        return count, data if count == len(data) else data[:count]


class ChunkedFraming(BodyFraming):
    """A chunked body.  Source: RFC 9112, 7.1."""

    __slots__ = ("_in_trailers", "_must_end", "_room")

    def __init__(self) -> None:
        super().__init__(0)
        self.finished = False
        self._must_end = False  # the CRLF behind a chunk is to come
        self._in_trailers = False
        self._room = MAX_TRAILERS

    def take(self, data: bytes) -> tuple[int, bytes]:
        """See `BodyFraming.take`; a line is taken when it is complete, and its bytes checked before."""
        position = 0
        handed: list[bytes] = []  # up to `start`
        start = 0
        while position < len(data) and not self.finished:
            if self._left:
                count = min(self._left, len(data) - position)
                self._left -= count
                position += count
            elif self._must_end:
                end = data[position : position + 2]
                if end == b"\r":
                    break
                if end != b"\r\n":
                    raise BadRequest(400, "a chunk that is longer than its size")
                self._must_end = False
                position += 2
            else:
                end_of_line = data.find(b"\n", position)
                line = data[position:] if end_of_line < 0 else data[position:end_of_line]
                _check_line(line)
                if end_of_line < 0:
                    break
                if line[-1:] != b"\r":
                    raise BadRequest(400, "a line feed without a carriage return in a chunked body")
                plain = self._take_line(line[:-1])
                if len(plain) != len(line) + 1:
                    handed += [data[start:position], plain]
                    start = end_of_line + 1
                position = end_of_line + 1
        return position, b"".join([*handed, data[start:position]])

    def _take_line(self, line: bytes) -> bytes:
        """Take a line without its end; what the parser is to be given for it."""
        if not self._in_trailers:
            match = CHUNK.fullmatch(line)
            if match is None:
                raise BadRequest(400, "a chunk size that is no hexadecimal number")
            self._left = int(match[1], 16)
            self._must_end = self._left > 0
            self._in_trailers = self._left == 0
            return match[1] + b"\r\n"
        if not line:
            self.finished = True
            return b"\r\n"
        self._room -= len(line) + 2
        if TRAILER.fullmatch(line) is None:
            raise BadRequest(400, "a malformed trailer")
        if self._room < 0:
            raise BadRequest(400, f"trailers of more than {MAX_TRAILERS} bytes")
        return b""


def _check_line(line: bytes) -> None:
    if len(line) > MAX_LINE + 1:
        raise BadRequest(400, f"a line of more than {MAX_LINE} bytes in a chunked body")
    if b"\r" in line[:-1]:
        raise BadRequest(400, "a carriage return without a line feed in a chunked body")


def make_framing(head: Head) -> BodyFraming | None:
    """Return the framing of the body that follows ``head``; None if there is no body."""
    if head.length is None:
        return ChunkedFraming()
    return BodyFraming(head.length) if head.length else None


def wants_websocket(head: Head) -> bool:
    """Return True if the head asks for a WebSocket.  Source: RFC 6455, 4.1."""
    variables = head.variables
    options = [option.strip(" \t") for option in variables.get("HTTP_CONNECTION", "").lower().split(",")]
    return (
        head.method == "GET"
        and head.version == "HTTP/1.1"
        and head.length == 0
        and variables["HTTP_UPGRADE"].lower() == "websocket"
        and "upgrade" in options
    )


def drop_upgrade(block: bytes) -> bytes:
    """Return a head without its offers to change the protocol, which a server may ignore.  Source: RFC 9110, 7.8."""
    return _UPGRADE.sub(b"", block)

"""Objects over a socket, one after the other and both ways: what two processes of ours say to each other."""

from __future__ import annotations

import pickle
import socket
import threading
from typing import Any

__all__ = ["Pipe"]

_HEAD = 4  # bytes of a message's length: 4 GB are enough


class Pipe:
    """One end; several threads may send, one receives.

    Args:
        sock: A connected socket, which is the pipe's from now on.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._lock = threading.Lock()  # keeps the bytes of a message together

    def send(self, message: object) -> None:
        """Send a message that can be pickled.

        Raises:
            OSError: Nobody is at the other end.
        """
        data = pickle.dumps(message)
        with self._lock:
            self.sock.sendall(len(data).to_bytes(_HEAD, "big") + data)

    def receive(self) -> Any:
        """Wait for the next message.

        Raises:
            EOFError: There will be none: nobody is at the other end.
        """
        return pickle.loads(self._read(int.from_bytes(self._read(_HEAD), "big")))

    def _read(self, count: int) -> bytes:
        parts: list[bytes] = []
        while count:
            try:
                part = self.sock.recv(min(count, 1 << 20))
            except OSError as error:
                raise EOFError(f"the pipe broke: {error}") from error
            if not part:
                raise EOFError("the other end of the pipe is closed")
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def fileno(self) -> int:
        """The descriptor of the socket; negative if it is closed."""
        return self.sock.fileno()

    def close(self) -> None:
        """Close this end."""
        self.sock.close()

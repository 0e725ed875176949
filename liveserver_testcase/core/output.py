"""The end of what a process prints."""

from __future__ import annotations

import threading

__all__ = ["Output"]


class Output:
    """Keeps the last of the bytes that it is given; threads may add while others read.

    Args:
        limit: How many bytes are kept.
    """

    def __init__(self, limit: int = 65536) -> None:
        self.limit = limit
        self._lock = threading.Lock()  # guards what is below
        self._kept = bytearray()
        self._lost = 0

    def add(self, data: bytes) -> None:
        """Append, and forget the oldest beyond the limit."""
        with self._lock:
            self._kept += data
            excess = len(self._kept) - self.limit
            if excess > 0:
                self._lost += excess
                del self._kept[:excess]

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()
            self._lost = 0

    @property
    def text(self) -> str:
        """What is kept; its first line says how much is not."""
        with self._lock:
            kept, lost = bytes(self._kept), self._lost
        text = kept.decode("utf-8", "replace")
        return f"… {lost} bytes before this are not kept\n{text}" if lost else text

    def tail(self, lines: int = 100) -> str:
        """The last lines of it, without the empty ones at its end."""
        return "\n".join(self.text.rstrip().splitlines()[-lines:])

"""One accepted connection of a threaded server, as far as the server must know it."""

from __future__ import annotations

import abc
import contextlib
import enum
import socket
import threading
from typing import Any

from .clock import monotonic
from .listener import format_host

__all__ = ["Connection", "ConnectionState"]


class ConnectionState(enum.Enum):
    """What a connection is at, as far as a stop must know."""

    NEW = "new"  # nothing has been received
    READING = "reading"  # part of a request has
    ACTIVE = "active"  # a request is being answered
    IDLE = "idle"  # answered; waiting for the next


class Connection(abc.ABC):
    """One accepted connection, served by one thread from beginning to end.

    Attributes:
        index: Its number among the server's connections, from 0.
        stopping: Set when the server stops: whoever serves looks at it before waiting for the client.
        state: Written by the serving thread alone.
        since: When the current state's work began, on the monotonic clock.
        sending: Bytes that the response being sent has handed to the system so far; -1 outside of a long one.
    """

    def __init__(self, sock: socket.socket, address: Any, index: int, stopping: threading.Event) -> None:
        self.sock = sock
        self.address = address
        self.index = index
        self.stopping = stopping
        self.state = ConnectionState.NEW
        self.since = monotonic()
        self.sending = -1
        self.is_cut = False
        # guards the descriptor's end: a shutdown must never hit its reused number
        self._closing = threading.Lock()

    @property
    def peer(self) -> str:
        """The client's address as text, ``host:port``."""
        return f"{format_host(self.address[0])}:{self.address[1]}"

    @abc.abstractmethod
    def serve(self) -> None:
        """Talk to the client until the connection is over."""

    @abc.abstractmethod
    def describe(self) -> str:
        """What is being served at the moment, in a few words."""

    def cut(self) -> None:
        """End both directions from any thread; the serving thread wakes and closes."""
        with self._closing, contextlib.suppress(OSError):
            self.is_cut = True
            # not SSLSocket.shutdown, which takes the TLS object away from the thread that uses it
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the socket; called by the serving thread when it is done."""
        with self._closing:
            self.sock.close()

"""One accepted connection of a threaded server: handshake, sending, ending, and what a stop must know of it."""

from __future__ import annotations

import abc
import contextlib
import enum
import os
import select
import socket
import ssl
import struct
import threading
from typing import Any

from ..errors import ClientDisconnected
from .interrupts import monotonic
from .listener import ServerSocket, format_host

__all__ = ["RECEIVE", "RESET", "Connection", "ConnectionState", "PlainHTTP", "is_readable"]


class ConnectionState(enum.Enum):
    """What a connection is at, as far as a stop must know."""

    NEW = "new"  # nothing has been received
    READING = "reading"  # part of a request has
    ACTIVE = "active"  # a request is being answered
    IDLE = "idle"  # answered; waiting for the next


RECEIVE = 64 * 1024
"""Bytes that are received at once."""

_FIRST = 8 * 1024  # bytes that are received at once where a request begins: what has a body of some size goes on
_DO_NOT_WAIT = getattr(socket, "MSG_DONTWAIT", 0)  # not on Windows
_SLICE = 256 * 1024  # how much of a large response is handed over at once, so that a stop can see it move
# a client may take note of the last response before a close that could destroy it, for as long as it goes on sending
_LINGER = 1.0  # seconds without a byte
_LINGER_TIME = 10.0  # seconds in all
_LINGER_BYTES = 4 * 1024 * 1024
RESET = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)  # SO_LINGER with no time: close() sends RST


class PlainHTTP(Exception):
    """A client spoke plain HTTP to a port that speaks TLS."""


def is_readable(sock: socket.socket) -> bool:
    """Return True if a read of ``sock`` (an ``accept()``, if it listens) would not block; also if it is closed."""
    number = sock.fileno()
    if number < 0:
        return True
    if not hasattr(select, "poll"):  # Windows
        try:
            return bool(select.select([number], [], [], 0)[0])
        except OSError:  # another thread has closed it meanwhile, which poll() says without an error
            return True
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return bool(poll.poll(0))


class Connection(abc.ABC):
    """One accepted connection: its socket from the handshake to the last byte, served by one thread at a time.

    Attributes:
        index: Its number among the server's connections, from 0.
        number: Its socket's descriptor.
        thread: The thread that serves it, by its identifier; 0 while none does.
        stopping: Set when the server stops: whoever serves looks at it before waiting for the client.
        state: Written by the serving thread alone.
        since: When the current state's work began; this and the other times are of the monotonic clock.
        sending: Bytes that the response being sent has handed to the system so far; -1 outside of a long one.
        awaits_client: Whether all has been taken that had come; no byte is taken before this is False again.
        is_done_reading: Whether nothing that the client sends from now on is looked at.
        waits_first: Whether `serve` is to wait until the client has sent something.
        is_watched: Whether the server's poller knows it.
    """

    # What a connection begins with stands here: each attribute that is set for every new one costs, and an object with
    # more than 30 is a slow one (CPython 3.11).
    thread = 0
    state = ConnectionState.NEW
    handshake_done_at: float | None = None
    sending = -1
    awaits_client = False
    is_cut = False
    is_done_reading = False
    waits_first = False
    is_encrypted = False
    is_watched = False
    _timeout: float | None = None
    _sent = 0
    _unread = False  # whether the client may have sent what nobody has read
    _unclean = False  # whether the client must not take the end of the connection for that of a response
    _resets = False  # whether the connection is to end with a reset
    _gone: ClientDisconnected | None = None  # why nothing more can be sent
    _is_shut = False  # whether the client has been sent an end
    _lingers = False  # whether the client gets to read what was sent, although nothing more is
    # The system writes into it before it takes the bytes off the socket: who finds the socket empty sees them here,
    # while the serving thread is not even back from the call.  No request begins with a zero.
    _arriving: bytearray | None = None

    def __init__(self, sock: socket.socket, address: Any, index: int, stopping: threading.Event) -> None:
        self.sock = sock
        self.number = sock.fileno()
        self.address = address
        self.index = index
        self.stopping = stopping
        self.since = self.accepted_at = monotonic()
        # guards the descriptor's end: a shutdown must never hit its reused number
        self._closing = threading.Lock()

    @property
    def is_streaming(self) -> bool:
        """Whether what is being served has no end of its own, so that a stop does not wait for it."""
        return False

    @property
    def peer(self) -> str:
        """The client's address as text, ``host:port``."""
        return f"{format_host(self.address[0])}:{self.address[1]}"

    @abc.abstractmethod
    def serve(self) -> bool | None:
        """Serve the client until the connection is over, or for as long as the client has sent something.

        Returns:
            True if the connection stays open: this is called again when the client has sent more, or has left.
        """

    @abc.abstractmethod
    def describe(self) -> str:
        """Name what is being served at the moment, in a few words."""

    def is_at_rest(self) -> bool:
        """Return True if all that the client has sent has been taken, and dealt with."""
        # In this order: no byte is taken before the flag is cleared.  Who finds the socket empty and then the flag set
        # knows that nothing is in between.
        if self.is_done_reading:
            return True
        return not is_readable(self.sock) and self.awaits_client and not (self._arriving and self._arriving[0])

    def rest(self) -> None:
        """Note that all has been taken that had come."""
        self.awaits_client = True

    def do_handshake(self, context: ssl.SSLContext, timeout: float) -> None:
        """Speak TLS from here on.

        Raises:
            ClientDisconnected: The client does not, for ``timeout`` seconds or at all.
            PlainHTTP: That is what it speaks.
        """
        try:
            with self._closing:  # wrap_socket moves the descriptor into another object
                self.set_timeout(0.0)
                self.sock = session = context.wrap_socket(self.sock, server_side=True, do_handshake_on_connect=False)
                self.is_encrypted = True
            deadline = monotonic() + timeout
            while True:
                # Each step is done when its bytes have come: a call of OpenSSL that waits looks like one that works.
                self.set_timeout(0.0)
                try:
                    session.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    self.set_timeout(max(0.001, deadline - monotonic()))
                    self.await_client()
                except ssl.SSLWantWriteError:  # a client that does not even read the certificate
                    if not select.select([], [session], [], max(0.0, deadline - monotonic()))[1]:
                        raise TimeoutError("the client does not read") from None
            self.handshake_done_at = monotonic()
            self.set_timeout(None)
        except (OSError, ValueError) as error:
            self._unclean = True  # there is no TLS to end
            self._unread = True  # let the client read the alert
            if getattr(error, "reason", "") == "HTTP_REQUEST":
                raise PlainHTTP from error
            raise ClientDisconnected(f"the TLS handshake failed: {error}") from error

    def await_client(self) -> None:
        """Wait until the client has sent something, or left; take nothing of it.

        Raises:
            OSError: The connection is broken, or the timeout that is set has passed.
        """
        if isinstance(self.sock, ssl.SSLSocket) and self.sock.pending():
            return
        self.rest()
        try:
            # not SSLSocket.recv, which knows no flags
            ServerSocket.recv(self.sock, 1, socket.MSG_PEEK)
        finally:
            self.awaits_client = False

    def receive_next(self) -> bytes:
        """Wait until the client has sent something, and take it; empty: it has left.  Raises as `await_client`."""
        if self.is_encrypted:
            self.await_client()
            return self.sock.recv(RECEIVE)
        if self._arriving is None:
            self._arriving = bytearray(_FIRST)
        arriving = self._arriving
        self.rest()
        try:
            return bytes(arriving[: self.sock.recv_into(arriving)])
        finally:
            self.awaits_client = False
            arriving[0] = 0

    def receive_now(self) -> bytes | None:
        """Take what the client has sent, without waiting; None: nothing, empty: it has left."""
        sock = self.sock
        if self.is_encrypted or not _DO_NOT_WAIT:
            there_is = is_readable(sock) or (isinstance(sock, ssl.SSLSocket) and sock.pending())
            return sock.recv(RECEIVE) if there_is else None
        try:
            return sock.recv(_FIRST, _DO_NOT_WAIT)
        except BlockingIOError:
            return None

    def set_timeout(self, timeout: float | None) -> None:
        """Let receiving wait ``timeout`` seconds; None waits for as long as the server runs."""
        if timeout != self._timeout:
            self._timeout = timeout
            self.sock.settimeout(timeout)

    def send(self, data: bytes) -> None:
        """Hand ``data`` to the system; blocks while the client does not read.

        Raises:
            ClientDisconnected: The client is gone, or the connection was cut.
        """
        if self._timeout is not None:
            self.set_timeout(None)
        self.sending = self._sent
        try:
            if len(data) <= _SLICE:
                self.sock.sendall(data)
            else:
                view = memoryview(data)
                for start in range(0, len(data), _SLICE):
                    self.sock.sendall(view[start : start + _SLICE])
                    self.sending += _SLICE
        except OSError as error:
            self._gone = ClientDisconnected(self.describe_disconnect(f"before it had the whole response: {error}"))
            raise self._gone from error
        finally:
            self.sending = -1
        self._sent += len(data)

    def send_plain(self, data: bytes) -> None:
        """Send ``data`` as it is, also where TLS was meant to be spoken."""
        with contextlib.suppress(OSError):
            ServerSocket.sendall(self.sock, data)

    def describe_disconnect(self, when: str) -> str:
        """Who ended the connection, and when."""
        return f"the server cut the connection {when}" if self.is_cut else f"the client left {when}"

    # -- the end ---------------------------------------------------------------------------------------------------

    def cut(self) -> None:
        """End both directions from any thread; the serving thread wakes and closes."""
        with self._closing, contextlib.suppress(OSError):
            self.is_cut = self._is_shut = True
            # not SSLSocket.shutdown, which takes the TLS object away from the thread that uses it
            ServerSocket.shutdown(self.sock, socket.SHUT_RDWR)

    def linger(self) -> None:
        """Let the client read the last response: a close with unread bytes would reset it away.  RFC 9112, 9.6."""
        if self._resets:
            return
        self.state = ConnectionState.READING  # a stop need not wait for this
        self._send_close_notify()
        deadline = monotonic() + _LINGER_TIME
        left = _LINGER_BYTES
        with contextlib.suppress(OSError):
            self._is_shut = True
            ServerSocket.shutdown(self.sock, socket.SHUT_WR)
            self.set_timeout(_LINGER)
            while left > 0 and monotonic() < deadline and not self.stopping.is_set():
                data = ServerSocket.recv(self.sock, RECEIVE)
                if not data:
                    return
                left -= len(data)

    def mark_truncated(self, *, reset: bool) -> None:
        """See to it that the client cannot take the end of the connection for the end of the response.

        Args:
            reset: Nothing else shows the client where the response ends: close with a reset.
        """
        self._unclean = True
        if reset:
            self._resets = True
            with contextlib.suppress(OSError):
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    def abandon(self, reason: str, *, reset: bool = False, linger: bool = False) -> ClientDisconnected:
        """Send nothing more, for a reason of ours; return what to raise, so that nobody goes on with the response.

        Args:
            reason: Why, for the record.
            reset: Whether the client is to see a reset.
            linger: Whether it gets to read what it was sent, and then sees an orderly end.
        """
        self._gone = ClientDisconnected(reason)
        self._lingers = linger
        if reset:
            self.mark_truncated(reset=True)
        return self._gone

    def close(self) -> None:
        """Close the socket, after TLS's close_notify if there is TLS; called by the serving thread when it is done."""
        if self.is_encrypted and not self._unclean and not self.is_cut:
            self.state = ConnectionState.READING
            self._send_close_notify()
        with self._closing, contextlib.closing(self.sock):
            # What nobody has read makes the close a reset, which an end before it would hide.
            if not self._is_shut and not self._resets and not is_readable(self.sock):
                # a child that was forked while the client was accepted may have a copy, and would keep it waiting
                with contextlib.suppress(OSError):
                    ServerSocket.shutdown(self.sock, socket.SHUT_RDWR)

    def _send_close_notify(self) -> None:
        """Send a TLS client, once, the alert that says that the end is not an attack."""
        if self.is_encrypted and not self._unclean:
            self._unclean = True
            with contextlib.suppress(OSError, ValueError):
                self.set_timeout(_LINGER)
                self.sock.unwrap()  # type: ignore[attr-defined]

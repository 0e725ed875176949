"""Plain sockets as clients: one request, and loops that send as many as they can.

They know the one answer that the servers give, so that a client costs less than any server.
"""

from __future__ import annotations

import select
import socket
import ssl
import struct
import time
from abc import ABC, abstractmethod
from contextlib import suppress

from benchmarks.apps import BODY

HOST = "127.0.0.1"
#: No answer takes so many seconds; a socket that waits longer is an error.
PATIENCE = 10
#: The same as the system's sockets take it, a struct timeval.
TIMEOUT = struct.pack("@ll", PATIENCE, 0)
#: A new connection leaves its port in TIME_WAIT, and a client has about 28,000 of them.
MOST_CONNECTIONS = 20_000
MOST_REQUESTS = 2_000_000
#: The end of the headers and the whole body: an answer that ends so is complete.
END = b"\r\n\r\n" + BODY


def request(port: int, path: str = "/") -> bytes:
    """Give a request with the five headers that `requests` sends."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nUser-Agent: benchmarks/1\r\n"
        "Accept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n"
    ).encode()


def connect(port: int) -> socket.socket:
    """Open a connection with a time limit and without delayed sends."""
    sock = socket.socket()
    try:
        # The system keeps the time: with settimeout() each call would poll the socket first.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, TIMEOUT)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, TIMEOUT)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.connect((HOST, port))
    except BaseException:
        sock.close()
        raise
    return sock


def read_answer(sock: socket.socket) -> bytes:
    """Read one whole answer.

    Raises:
        ConnectionError: The server closed the connection before the answer was complete.
    """
    answer = sock.recv(65536)
    while not answer.endswith(END):
        more = sock.recv(65536)
        if not more:
            raise ConnectionError(f"incomplete answer: {answer[:200]!r}")
        answer += more
    return answer


def will_close(answer: bytes) -> bool:
    """Say whether the server closes the connection after this answer. Source: RFC 9112 9.3."""
    head = answer.lower()
    if b"\r\nconnection: close" in head:
        return True
    return head.startswith(b"http/1.0") and b"\r\nconnection: keep-alive" not in head


def get(port: int) -> None:
    """Make one request on a connection of its own."""
    with connect(port) as sock:
        sock.sendall(request(port))
        read_answer(sock)


def speak_tls(sock: socket.socket) -> ssl.SSLSocket:
    """Speak TLS on a connection, whoever the server is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(sock)


def get_over_tls(port: int) -> None:
    """Make one request over TLS on a connection of its own."""
    with speak_tls(connect(port)) as sock:
        sock.sendall(request(port))
        read_answer(sock)


def greeting(port: int) -> None:
    """Read the greeting of a mail server."""
    with connect(port) as sock:
        line = sock.recv(1024)
        if not line.startswith(b"220"):
            raise ConnectionError(f"no greeting: {line!r}")


class Client(ABC):
    """A client that does the same thing again and again.

    Attributes:
        most: It does it no more often than this, however fast the server is.
        connections: How many connections it has opened.
    """

    most = MOST_REQUESTS
    connections = 0

    @abstractmethod
    def step(self) -> int:
        """Do it, and say how many exchanges it was."""

    def close(self) -> None:  # noqa: B027 - most clients keep nothing open
        """Close what is open still."""

    def run(self, seconds: float) -> tuple[int, float]:
        """Do it for so long; give the number of exchanges and the seconds that they took."""
        count = steps = 0
        began = now = time.perf_counter()
        while now < began + seconds and steps < self.most:
            count += self.step()
            steps += 1
            now = time.perf_counter()
        return count, now - began


class NewConnections(Client):
    """Makes each request on a connection of its own, one after the other."""

    most = MOST_CONNECTIONS

    def __init__(self, port: int) -> None:
        self._port = port
        self._message = request(port)

    def step(self) -> int:
        """Connect, ask, read the answer, close."""
        self.connections += 1
        with connect(self._port) as sock:
            sock.sendall(self._message)
            read_answer(sock)
        return 1


class KeptConnection(Client):
    """Keeps one connection: asks, reads the answer, asks again.

    Where the server closes it after the answer, the next request opens another, as a real client
    would.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._message = request(port)
        self._sock: socket.socket | None = None

    def step(self) -> int:
        """Ask once and read the answer."""
        if self._sock is None:
            self._sock = connect(self._port)
            self.connections += 1
            self.most = MOST_REQUESTS if self.connections < MOST_CONNECTIONS else 0
        self._sock.sendall(self._message)
        if will_close(read_answer(self._sock)):
            self.close()
        return 1

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None


class KeptConnections(Client):
    """Keeps so many connections busy: whichever has its answer asks again at once."""

    def __init__(self, port: int, width: int) -> None:
        self._port = port
        self._width = width
        self._message = request(port)
        self._socks: set[socket.socket] = set()

    def step(self) -> int:
        """Read the answers that have come, and ask again on those connections."""
        while len(self._socks) < self._width:
            sock = connect(self._port)
            self._socks.add(sock)
            self.connections += 1
            self.most = MOST_REQUESTS if self.connections < MOST_CONNECTIONS else 0
            sock.sendall(self._message)
        ready, _, _ = select.select(self._socks, (), (), PATIENCE)
        if not ready:
            raise TimeoutError(f"no answer within {PATIENCE} s")
        for sock in ready:
            if will_close(read_answer(sock)):
                self._socks.remove(sock)
                sock.close()
            else:
                sock.sendall(self._message)
        return len(ready)

    def close(self) -> None:
        """Read the answers that are due still, and close the connections."""
        for sock in self._socks:
            with sock, suppress(OSError):
                read_answer(sock)
        self._socks.clear()

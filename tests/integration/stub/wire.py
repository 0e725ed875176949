"""A client that reads bytes and knows how a connection ended."""

from __future__ import annotations

import socket
import ssl
from typing import NamedTuple

from liveserver_testcase.stub.server import HTTPStub
from tests.integration.stub.support import StubTest
from tests.support import HANG

__all__ = ["GET", "WireTest", "post", "split"]

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def get(path: str = "/", *headers: str, version: str = "1.1", method: str = "GET") -> bytes:
    """A request without a body."""
    lines = [f"{method} {path} HTTP/{version}", "Host: a", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def post(body: bytes, *headers: str, path: str = "/") -> bytes:
    """A request with a body of a known length."""
    return get(path, f"Content-Length: {len(body)}", *headers, method="POST") + body


class Seen(NamedTuple):
    """What a client saw of a connection: the bytes, and how it ended.

    ``end`` is ``FIN``, ``RST``, or ``OPEN`` if it did not end while it was looked at.
    """

    data: bytes
    end: str

    @property
    def head(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"

    @property
    def body(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[2]


def split(data: bytes) -> tuple[str, dict[str, str], bytes]:
    """Status line, headers with lower-case names, and the rest."""
    head, _, rest = data.partition(b"\r\n\r\n")
    line, *lines = head.decode("latin-1").split("\r\n")
    return line, {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}, rest


class WireTest(StubTest):
    """A test that talks bytes."""

    def dial(self, stub: HTTPStub | None = None, name: str = "127.0.0.1") -> socket.socket:
        """A connection, over TLS if the stub speaks it; closed at the test's end."""
        to = stub or self.stub
        client = socket.create_connection(to.address, HANG)
        self.addCleanup(client.close)
        context = to.client_context()
        if context is not None:
            client = context.wrap_socket(client, server_hostname=name)
            self.addCleanup(client.close)
        return client

    def look(self, client: socket.socket, *, patience: float = HANG) -> Seen:
        """Read until the connection ends, or for ``patience`` seconds without a byte."""
        data = b""
        client.settimeout(patience)
        while True:
            try:
                more = client.recv(65536)
            except TimeoutError:
                return Seen(data, "OPEN")
            except (ConnectionResetError, BrokenPipeError):
                return Seen(data, "RST")
            except ssl.SSLError:
                return Seen(data, "FIN")  # without the goodbye of TLS
            if not more:
                return Seen(data, "FIN")
            data += more

    def see(self, request: bytes = GET, *, stub: HTTPStub | None = None) -> Seen:
        """Send a request on a new connection, and see what comes of it until the connection ends."""
        client = self.dial(stub)
        client.sendall(request)
        return self.look(client)

    def read(self, client: socket.socket, size: int) -> bytes:
        """Exactly so many bytes."""
        data = b""
        while len(data) < size:
            more = client.recv(size - len(data))
            self.assertTrue(more, f"the connection ended after {data!r}")
            data += more
        return data

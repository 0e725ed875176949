"""The stub keeps what every server keeps."""

from __future__ import annotations

import socket
from typing import Any

from liveserver_testcase import HTTPStub
from liveserver_testcase.core.server import Server
from liveserver_testcase.core.tls import Certificates
from tests.contracts.server_contract import ServerContract
from tests.support import NoLeaks


class HTTPStubContract(ServerContract, NoLeaks):
    """An `HTTPStub` with content."""

    half_said = {
        "half a head": b"GET / HTTP/1.1\r\nHo",
        "half a body": b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc",
    }

    def make_server(self, **options: Any) -> Server:
        stub = HTTPStub(**options)
        stub.on().reply_with(self.answer)
        return stub._engine

    def answer(self) -> bytes:
        self.do_work()
        return b"hello"

    def ask(self, client: socket.socket) -> None:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")

    def check_answer(self, client: socket.socket) -> None:
        head, _, body = self.receive(client, b"\r\n\r\nhello").partition(b"\r\n\r\n")
        self.assertEqual((b"HTTP/1.1 200 OK", b"hello"), (head.splitlines()[0], body))


class HTTPStubTLSContract(HTTPStubContract):
    """An `HTTPStub` that speaks TLS."""

    def make_server(self, **options: Any) -> Server:
        return super().make_server(tls=True, **options)


class HTTPStubTunnelContract(HTTPStubContract):
    """An `HTTPStub` whose clients speak TLS in a tunnel, to a host that it answers for."""

    def make_server(self, **options: Any) -> Server:
        return super().make_server(hosts=["a"], **options)

    def client_context(self, server: Any) -> Any:
        return Certificates.shared().client_context()

    def secure(self, server: Server, client: socket.socket) -> socket.socket:
        client.sendall(b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n")
        if not self.receive(client, b"\r\n\r\n"):  # a server that stops serves no new client
            return client
        wrapped: socket.socket = self.client_context(server).wrap_socket(client, server_hostname="a")
        self.addCleanup(wrapped.close)
        return wrapped

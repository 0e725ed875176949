"""The stub keeps what every server keeps."""

from __future__ import annotations

import socket
from typing import Any

from liveserver_testcase import HTTPStub
from liveserver_testcase.core.server import Server
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

"""The stub keeps what every server keeps."""

from __future__ import annotations

import socket
from typing import Any

from liveserver_testcase import HTTPStub
from liveserver_testcase.core.server import Server
from liveserver_testcase.web.connection import Handler
from liveserver_testcase.web.records import Exchange
from tests.contracts.base import ServerCase
from tests.contracts.server_contract import ServerContract
from tests.support import NoLeaks


class _WorkingHandler:
    """Does a test's work before the stub answers."""

    def __init__(self, handler: Handler, case: ServerCase) -> None:
        self._handler = handler
        self._case = case

    def handle(self, exchange: Exchange, connection: Any) -> None:
        self._case.do_work()
        self._handler.handle(exchange, connection)


class HTTPStubContract(ServerContract, NoLeaks):
    """An `HTTPStub` with content."""

    half_said = {
        "half a head": b"GET / HTTP/1.1\r\nHo",
        "half a body": b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc",
    }

    def make_server(self, **options: Any) -> Server:
        stub = HTTPStub(**options)
        stub.handler = _WorkingHandler(stub.handler, self)
        stub.serve_content("hello")
        return stub

    def ask(self, client: socket.socket) -> None:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")

    def check_answer(self, client: socket.socket) -> None:
        head, _, body = self.receive(client, b"\r\n\r\nhello").partition(b"\r\n\r\n")
        self.assertEqual((b"HTTP/1.1 200 OK", b"hello"), (head.splitlines()[0], body))


class HTTPStubTLSContract(HTTPStubContract):
    """An `HTTPStub` that speaks TLS."""

    def make_server(self, **options: Any) -> Server:
        return super().make_server(tls=True, **options)

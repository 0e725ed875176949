"""The contract, held against every server that there is; a new one adds a class of a few lines here."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from typing import Any

from liveserver_testcase.core.server import Server
from liveserver_testcase.web.wsgi import WSGIServer
from tests.contracts.server_contract import ServerContract
from tests.contracts.toys import EchoLoopServer, EchoServer
from tests.support import NoLeaks

__all__ = [
    "EchoContract",
    "EchoLoopContract",
    "EchoLoopTLSContract",
    "WSGIContract",
    "WSGITLSContract",
]


class EchoContract(ServerContract, NoLeaks):
    """A plain `ThreadedServer`."""

    half_said = {"half a line": b"hel"}

    def make_server(self, **options: Any) -> Server:
        return EchoServer(self.do_work, **options)

    def ask(self, client: socket.socket) -> None:
        client.sendall(b"hello\n")

    def check_answer(self, client: socket.socket) -> None:
        self.assertEqual(b"hello\n", self.receive(client, b"\n"))


class EchoLoopContract(EchoContract):
    """A plain `EventLoopServer`."""

    def make_server(self, **options: Any) -> Server:
        return EchoLoopServer(self.do_work, **options)


class EchoLoopTLSContract(EchoLoopContract):
    """A `EventLoopServer` that speaks TLS."""

    def make_server(self, **options: Any) -> Server:
        return EchoLoopServer(self.do_work, tls=True, **options)


class WSGIContract(ServerContract, NoLeaks):
    """The HTTP server for a WSGI application."""

    half_said = {
        "half a head": b"GET / HTTP/1.1\r\nHost: exam",
        "half a body": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nten bytes.",
        "half a chunk": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\nten bytes.",
    }
    answer = b"hello"

    def make_server(self, **options: Any) -> Server:
        return WSGIServer(self.app, **options)

    def app(self, environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        environ["wsgi.input"].read()
        self.work()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [self.answer]

    def ask(self, client: socket.socket) -> None:
        client.sendall(b"GET / HTTP/1.1\r\nHost: example\r\n\r\n")

    def check_answer(self, client: socket.socket) -> None:
        head, _, body = self.receive(client, b"\r\n\r\nhello").partition(b"\r\n\r\n")
        self.assertEqual((b"HTTP/1.1 200 OK", b"hello"), (head.splitlines()[0], body))

    def test_a_client_that_does_not_read_is_cut(self) -> None:
        """Nobody waits for a client that does not read the rest of a long answer."""
        self.answer = bytes(50_000_000)
        server = self.started(stop_timeout=600.0)
        client = self.connect(server)
        self.ask(client)
        self.assertTrue(client.recv(1))
        raised = self.in_threads(server.stop)
        self.assertEqual([None], raised)


class WSGITLSContract(WSGIContract):
    """The HTTP server over TLS."""

    def make_server(self, **options: Any) -> Server:
        return WSGIServer(self.app, tls=True, **options)

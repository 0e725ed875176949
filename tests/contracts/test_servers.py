"""The contract, held against every server of this process; a new one adds a class of a few lines here."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import Any

from liveserver_testcase import HTTPStub
from liveserver_testcase.core.server import Server
from liveserver_testcase.core.tls import Certificates
from liveserver_testcase.mail.server import SMTPServer
from liveserver_testcase.web.asgi import ASGIServer
from liveserver_testcase.web.wsgi import WSGIServer
from tests.contracts.server_contract import ServerContract
from tests.contracts.toys import EchoLoopServer, EchoServer
from tests.support import NoLeaks


class EchoContract(ServerContract, NoLeaks):
    """A plain `ThreadedServer`."""

    half_said = {"half a line": b"hel"}
    request = b"hello\n"

    def make_server(self, **options: Any) -> Server:
        return EchoServer(self.do_work, **options)

    def check_answer(self, client: socket.socket) -> None:
        self.assertEqual(b"hello\n", self.receive(client, b"\n"))


class EchoLoopContract(EchoContract):
    """A plain `EventLoopServer`."""

    def make_server(self, **options: Any) -> Server:
        return EchoLoopServer(self.do_work, **options)


class EchoLoopTLSContract(EchoContract):
    """An `EventLoopServer` that speaks TLS."""

    def make_server(self, **options: Any) -> Server:
        return EchoLoopServer(self.do_work, tls=True, **options)


class HTTPCase(ServerContract):
    """What clients of HTTP say."""

    half_said = {
        "half a head": b"GET / HTTP/1.1\r\nHost: exam",
        "half a body": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nten bytes.",
        "half a chunk": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\nten bytes.",
    }
    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    answer = b"hello"

    def check_answer(self, client: socket.socket) -> None:
        head, _, body = self.receive(client, b"\r\n\r\nhello").partition(b"\r\n\r\n")
        self.assertEqual((b"HTTP/1.1 200 OK", b"hello"), (head.splitlines()[0], body))


class WSGIContract(HTTPCase, NoLeaks):
    """The HTTP server for a WSGI application."""

    options: dict[str, Any] = {}

    def make_server(self, **options: Any) -> Server:
        return WSGIServer(self.app, **self.options, **options)

    def app(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ["wsgi.input"].read()
        self.work()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [self.answer]

    def test_a_client_that_does_not_read_is_cut(self) -> None:
        """Nobody waits for a client that does not read the rest of a long answer."""
        self.answer = bytes(50_000_000)
        server = self.started(stop_timeout=600.0)
        client = self.connect(server)
        self.ask(client)
        self.assertTrue(client.recv(1))
        self.assertEqual([None], self.in_threads(server.stop))


class WSGITLSContract(WSGIContract):
    """The HTTP server over TLS."""

    options = {"tls": True}


class ASGIContract(WSGIContract):
    """The server for an ASGI application, whose work is done on the loop, so it blocks it."""

    def make_server(self, **options: Any) -> Server:
        return ASGIServer(self.asgi_app, **self.options, **options)

    async def asgi_app(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            if not message.get("more_body"):
                break
        self.work()
        length = (b"content-length", str(len(self.answer)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": self.answer})


class ASGITLSContract(ASGIContract):
    """The server for an ASGI application over TLS."""

    options = {"tls": True}


class HTTPStubContract(HTTPCase, NoLeaks):
    """An `HTTPStub` with content."""

    options: dict[str, Any] = {}

    def make_server(self, **options: Any) -> Server:
        stub = HTTPStub(**self.options, **options)
        stub.on().reply_with(lambda: (self.do_work(), self.answer)[1])
        return stub._engine


class HTTPStubTLSContract(HTTPStubContract):
    """An `HTTPStub` that speaks TLS."""

    options = {"tls": True}


class HTTPStubTunnelContract(HTTPStubContract):
    """An `HTTPStub` whose clients speak TLS in a tunnel, to a host that it answers for."""

    options = {"hosts": ["a"]}

    def client_context(self, server: Any) -> Any:
        return Certificates.shared().client_context()

    def secure(self, server: Server, client: socket.socket) -> socket.socket:
        client.sendall(b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n")
        if not self.receive(client, b"\r\n\r\n"):  # a server that stops serves no new client
            return client
        wrapped: socket.socket = self.client_context(server).wrap_socket(client, server_hostname="a")
        self.addCleanup(wrapped.close)
        return wrapped


class SMTPContract(ServerContract, NoLeaks):
    """An `SMTPServer`, which does a test's work whenever it accepts a mail: a request is a mail."""

    half_said = {
        "half a command": b"EHL",
        "half a mail": b"EHLO a\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nSubject: x\r\n",
    }
    request = half_said["half a mail"] + b"\r\nhello\r\n.\r\n"
    options: dict[str, Any] = {}

    def make_server(self, **options: Any) -> Server:
        server = SMTPServer(**self.options, **options)
        server.reject_message(when=lambda _: self.do_work())  # which says None: no mail is meant
        return server._engine

    def check_answer(self, client: socket.socket) -> None:
        replies = self.receive(client, b"Accepted\r\n").splitlines()
        self.assertEqual([b"354", b"250"], [reply[:3] for reply in replies[-2:]])


class SMTPSContract(SMTPContract):
    """An `SMTPServer` with TLS from the first byte."""

    options = {"tls": "implicit"}

    def client_context(self, server: Any) -> Any:
        return server.client_context()

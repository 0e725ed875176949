"""Connections that a handler takes over, for a protocol of its own."""

from __future__ import annotations

from typing import Any

import flask
import flask_sock
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from liveserver_testcase.web.http_server import HTTPServer
from tests.integration.web.wire import GET, WireTestCase, get
from tests.support import HANG

UPGRADE = get("/", "Connection: Upgrade", "Upgrade: echo")
CONNECT = b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"


def echo_all(connection: Any, head: bytes) -> None:
    """Take over the connection, and echo until the client has said everything."""
    sock, data = connection.take_over()
    sock.sendall(head + data)
    while data := sock.recv(1000):
        sock.sendall(data)


class EchoHandler:
    """Switches to a protocol in which everything comes back."""

    def handle(self, exchange: Any, connection: Any) -> None:
        """Echo, and then answer, which is not sent."""
        exchange.status = 101
        echo_all(connection, SWITCH)
        exchange.response.begin("200 OK", [])
        exchange.response.finish(b"not sent")


class ProxyHandler:
    """Lets clients of a tunnel meet an echo, and answers everything else itself."""

    accepts_connect = True

    def handle(self, exchange: Any, connection: Any) -> None:
        """Take over the connection of a CONNECT."""
        if exchange.method != "CONNECT" or exchange.target.startswith("forbidden"):
            exchange.response.begin("403 Forbidden", [])
            exchange.response.finish(b"no")
            return
        exchange.status = 200
        echo_all(connection, b"HTTP/1.1 200 Connection established\r\n\r\n")


class TakenOver(WireTestCase):
    """A handler may use the socket."""

    def serve_with(self, handler: Any, **options: Any) -> Any:
        return self.start(HTTPServer(handler, **options))

    def test_bytes_behind_the_head(self) -> None:
        """What came together with the request is handed over, and nothing but the handler's bytes is sent."""
        for handler, request in ((EchoHandler(), UPGRADE), (ProxyHandler(), CONNECT)):
            server = self.serve_with(handler)
            client = self.connect(server).send(request + b"early")
            client.read_until(b"\r\n\r\nearly")
            client.send(b"later").read_until(b"later")
            self.assertTrue(client.half_close().is_at_end())
            exchange = self.exchange(server)
            self.assertEqual((True, "", "", []), (
                exchange.completed, exchange.aborted, exchange.refused, exchange.errors,
            ))  # fmt: skip
            wanted = ("CONNECT", "a.example:443", "", 200) if request is CONNECT else ("GET", "/", "/", 101)
            self.assertEqual(wanted, (exchange.method, exchange.target, exchange.path, exchange.status))

    def test_refused_connect(self) -> None:
        """It may answer a CONNECT itself, and what is no CONNECT, on a connection that stays."""
        client = self.connect(self.serve_with(ProxyHandler()))
        for request in (b"CONNECT forbidden:1 HTTP/1.1\r\nHost: forbidden:1\r\n\r\n", GET):
            answer = client.send(request).answer()
            self.assertEqual((403, b"no"), (answer.status, answer.body))

    def test_malformed_connect(self) -> None:
        """A CONNECT that could be understood in two ways is refused for every handler."""
        bodies = ("Content-Length: 3", "Transfer-Encoding: chunked")
        for target, field, reason in (
            *((to, "X: 1", "a CONNECT to something other than host:port") for to in ("/", "a", "http://a:1", "[a]:1")),
            *(("a:1", field, "a CONNECT with a body") for field in bodies),
        ):
            with self.subTest(target=target, field=field):
                client = self.connect(self.serve_with(ProxyHandler()))
                answer = client.send(f"CONNECT {target} HTTP/1.1\r\nHost: a:1\r\n{field}\r\n\r\n".encode()).answer()
                self.assertEqual((400, f"{reason}\n".encode()), (answer.status, answer.body))

    def test_stop(self) -> None:
        """A stop does not wait for it, and says nothing."""
        server = self.serve_with(EchoHandler(), stop_timeout=10 * HANG)
        client = self.connect(server).send(UPGRADE + b"early")
        client.read_until(b"early")
        self.assertEqual([], server.wait_until_idle(0.0))
        self.assert_stops_at_once(server)
        self.assertTrue(client.is_at_end())

    def test_too_late(self) -> None:
        """A response that has begun cannot be taken back."""

        class Late:
            def handle(self, exchange: Any, connection: Any) -> None:
                exchange.response.begin("200 OK", [])
                exchange.response.finish(b"x")
                connection.take_over()

        server = self.serve_with(Late())
        self.assertEqual(200, self.connect(server).ask(GET).status)
        self.assertEqual(
            ["the connection cannot be taken over: the response has begun; do it before anything is sent"],
            [str(error) for error in self.exchange(server).errors],
        )


class FlaskSock(WireTestCase):
    """Flask-Sock's WebSockets work over WSGI."""

    def setUp(self) -> None:
        app = flask.Flask("ws")
        sock = flask_sock.Sock(app)

        @sock.route("/echo")
        def echo(ws: Any) -> None:
            while (text := ws.receive()) != "end":
                ws.send(text)

        @sock.route("/fails")
        def fails(ws: Any) -> None:
            raise ValueError("boom")

        app.testing = True
        self.server = self.serve(app, valid=False, stop_timeout=10 * HANG)
        self.url = f"ws://127.0.0.1:{self.server.port}"

    def test_each_end(self) -> None:
        """Messages come back; an orderly end and a client that leaves are no error, what the handler raises is one."""

        def converse(ws: Any) -> None:
            for text in ("one", "two" * 50_000):
                ws.send(text)
                self.assertEqual(text, ws.recv(HANG))

        def end(ws: Any) -> None:
            converse(ws)
            ws.send("end")
            self.assertRaises(ConnectionClosed, ws.recv, HANG)

        def fail(ws: Any) -> None:
            self.assertRaises(ConnectionClosed, ws.recv, HANG)

        ends = (("/echo", converse, []), ("/echo", end, []), ("/fails", fail, ["boom"]))
        for number, (path, act, errors) in enumerate(ends, 1):
            with self.subTest(number=number):
                with connect(f"{self.url}{path}") as ws:
                    act(ws)
                exchange = self.exchanges(self.server, number)[-1]
                self.assertEqual((101, errors), (exchange.status, [str(error) for error in exchange.errors]))

    def test_stop(self) -> None:
        """A stop ends it at once."""
        with connect(f"{self.url}/echo") as ws:
            ws.send("one")
            ws.recv(HANG)
            self.server.stop()
            self.assertRaises(ConnectionClosed, ws.recv, HANG)

"""How long a connection of WSGI lasts, and how long its clients may take; see `test_every_engine` for the rest."""

from __future__ import annotations

import threading
from typing import Any

from tests.integration.web.wire import (
    CHUNKED,
    GET,
    PLAIN,
    SHORT,
    WireTestCase,
    chunked,
    echo,
    get,
    hello,
    post,
    replying,
    streaming,
)
from tests.support import HANG


class KeepAlive(WireTestCase):
    """A connection stays until one side does not want it to."""

    def test_application_closes(self) -> None:
        """An application can have the connection closed."""
        client = self.connect(self.serve(replying(b"bye", headers=[*PLAIN, ("Connection", "Close")])))
        self.assertEqual(["close"], client.ask(GET).get_all("Connection"))
        self.assertTrue(client.is_at_end())

    def test_http_1_0(self) -> None:
        """A connection of HTTP/1.0 stays, and says so, if the client asks for that and the length is known."""
        for app, fields, body, length in (
            (hello, [], b"hello", "5"),
            (hello, ["Connection: keep-alive, close"], b"hello", "5"),
            (streaming(b"one", b"two"), ["Connection: keep-alive"], b"onetwo", None),  # ends with the connection
        ):
            with self.subTest(app=app, fields=fields):
                client = self.connect(self.serve(app))
                answer = client.ask(get("/", *fields, version="1.0"))
                found = answer.body, answer.get("Content-Length"), answer.get("Connection")
                self.assertEqual((body, length, "close"), found)
                self.assertTrue(client.is_at_end())
        client = self.connect(self.serve(hello))
        for _ in range(2):
            answer = client.ask(get("/", "Connection: Keep-Alive", version="1.0"))
            self.assertEqual("keep-alive", answer.get("Connection"))


class Patience(WireTestCase):
    """What is not bounded."""

    def serve_impatiently(self, app: Any) -> Any:
        return self.serve(app, header_timeout=SHORT, body_timeout=SHORT)

    def outlast_timeouts(self, server: Any) -> None:
        """Let more time pass than any of the timeouts: two requests run into theirs, one after the other."""
        for _ in range(2):
            client = self.connect(server)
            self.assertEqual(408, client.send(b"G").answer().status)
            client.close()

    def test_idle(self) -> None:
        """A connection may be idle for longer than a request may take, whatever came on it before."""
        server = self.serve_impatiently(lambda e, s: (hello if e["PATH_INFO"] == "/unread" else echo)(e, s))
        new, used, nudged, slow, drained = clients = [self.connect(server) for _ in range(5)]
        used.ask(GET)
        nudged.ask(GET)
        nudged.send(b"\r\n")
        for client, path, cut in ((slow, "/", 1), (drained, "/unread", 6)):
            request = post(b"unread", path=path)
            client.send(request[:-cut])
            if client is drained:
                client.answer()
            client.send(request[-cut:])
        slow.answer()
        self.outlast_timeouts(server)
        for client in clients:
            self.assertEqual(200, client.ask(GET).status)
        port = new.sock.getsockname()[1]
        self.assertEqual([0], [each.exchange_index for each in server.journal.entries() if each.address[1] == port])

    def test_slow_reader(self) -> None:
        """A client may read its response as slowly as it likes, also after a body that came slowly."""
        data = bytes(8 * 1024 * 1024)
        server = self.serve_impatiently(lambda e, s: [e["wsgi.input"].read(-1), s("200 OK", PLAIN)] and [data])
        client = self.connect(server)
        request = post(b"body")
        client.send(request[:-1]).send(request[-1:])
        self.outlast_timeouts(server)
        self.assertEqual(data, client.answer().body)

    def test_slow_body(self) -> None:
        """A body may take as long as it likes while something comes; the response, too, has all the time."""
        released = threading.Event()

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            body = environ["wsgi.input"].read(-1)
            start_response("200 OK", PLAIN)
            yield body
            released.wait(HANG)
            yield b"!"

        server = self.serve_impatiently(app)
        client = self.connect(server)
        client.send(CHUNKED[:20]).send(CHUNKED[20:]).send(chunked(b"body")).read_until(b"body")
        self.outlast_timeouts(server)
        released.set()
        client.read_until(b"0\r\n\r\n")

    def test_body_that_nobody_reads(self) -> None:
        """An answer does not wait for a body that nobody reads; a rest that does not come ends the connection."""
        server = self.serve_impatiently(hello)
        client = self.connect(server)
        self.assertEqual(200, client.send(post(b"body")[:-1]).answer().status)
        self.assertTrue(client.is_at_end())
        exchange = self.exchange(server)
        self.assertEqual((200, True, None), (exchange.status, exchange.completed, exchange.body_complete_at))
        self.assertEqual("a body of which nothing more came for 0.05 s", exchange.refused)

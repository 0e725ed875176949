"""Clients that stop in the middle, and stay."""

from __future__ import annotations

import threading
from typing import Any

from tests.integration.web.wire import GET, WireTestCase, chunked, echo, get, hello, post
from tests.support import HANG

SHORT = 0.05
"""Seconds that a client gets where it is to be found too slow."""


class Timeouts(WireTestCase):
    """A request must come to its end."""

    def test_head(self) -> None:
        """A head that is not complete in time is refused with a 408, however far it got, also of a later request."""
        for part in (b"G", b"GET / HTTP/1.1\r\n", GET[:-1]):
            with self.subTest(part=part):
                server = self.serve(hello, header_timeout=SHORT)
                client = self.connect(server)
                answer = client.send(part).answer()
                self.assertEqual((408, b"a head that is not complete after 0.05 s\n"), (answer.status, answer.body))
                self.assertTrue(client.is_at_end())
                self.assertEqual("a head that is not complete after 0.05 s", self.exchange(server).refused)
        client = self.connect(self.serve(hello, header_timeout=SHORT))
        client.ask(GET)
        self.assertEqual(408, client.send(GET[:-1]).answer().status)

    def test_drop_by_drop(self) -> None:
        """A head that goes on coming is refused all the same: the time is for the whole of it."""
        server = self.serve(hello, header_timeout=SHORT)
        client = self.connect(server)
        stop = threading.Event()

        def drip() -> None:
            try:
                client.send(b"GET / HTTP/1.1\r\nX: ")
                while not stop.wait(SHORT / 10):
                    client.send(b"x")
            except OSError:
                pass  # refused

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            self.assertEqual(408, client.answer().status)
        finally:
            stop.set()
            thread.join(HANG)

    def outlast_timeouts(self, server: Any) -> None:
        """Let more time pass than any of the timeouts: two requests run into theirs, one after the other."""
        for _ in range(2):
            client = self.connect(server)
            self.assertEqual(408, client.send(b"G").answer().status)
            client.close()

    def test_idle(self) -> None:
        """A connection may be idle for longer than a request may take, whatever came on it before."""

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            return (hello if environ["PATH_INFO"] == "/unread" else echo)(environ, start_response)

        server = self.serve(app, header_timeout=SHORT, body_timeout=SHORT)
        new, used, nudged, slow, drained = clients = [self.connect(server) for _ in range(5)]
        used.ask(GET)
        nudged.ask(GET)
        nudged.send(b"\r\n")
        request = post(b"slow")
        slow.send(request[:-1])
        slow.send(request[-1:]).answer()
        request = post(b"unread", path="/unread")
        drained.send(request[:-6]).answer()
        drained.send(request[-6:])
        self.outlast_timeouts(server)
        for client in clients:
            self.assertEqual(200, client.ask(GET).status)
        port = new.sock.getsockname()[1]
        self.assertEqual([0], [each.exchange_index for each in server.journal.entries() if each.address[1] == port])

    def test_slow_reader(self) -> None:
        """A client may read its response as slowly as it likes, also after a body that came slowly."""
        data = b"x" * 8 * 1024 * 1024

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            environ["wsgi.input"].read(-1)
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [data]

        server = self.serve(app, body_timeout=SHORT, header_timeout=SHORT)
        client = self.connect(server)
        request = post(b"body")
        client.send(request[:-1])
        client.send(request[-1:])
        self.outlast_timeouts(server)
        self.assertEqual(data, client.answer().body)

    def test_body(self) -> None:
        """A body of which nothing more comes is refused with a 408, and the application is told."""
        told: list[str] = []

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            try:
                return echo(environ, start_response)
            except OSError as error:
                told.append(str(error))
                raise

        message = "a body of which nothing more came for 0.05 s"
        for sent in (post(b"body")[:-1], get("/", "Transfer-Encoding: chunked", method="POST") + b"4\r\nbo"):
            server = self.serve(app, body_timeout=SHORT)
            client = self.connect(server)
            answer = client.send(sent).answer()
            self.assertEqual((408, f"{message}\n"), (answer.status, answer.body.decode()))
            self.assertTrue(client.is_at_end())
            exchange = self.exchange(server)
            self.assertEqual((message, 408, []), (exchange.refused, exchange.status, exchange.errors))
        self.assertEqual([message] * 2, told)

    def test_body_that_nobody_reads(self) -> None:
        """An answer does not wait for a body that nobody reads; a rest that does not come ends the connection."""
        server = self.serve(hello, body_timeout=SHORT)
        client = self.connect(server)
        self.assertEqual(200, client.send(post(b"body")[:-1]).answer().status)
        self.assertTrue(client.is_at_end())
        exchange = self.exchange(server)
        self.assertEqual((200, True), (exchange.status, exchange.completed))
        self.assertEqual("a body of which nothing more came for 0.05 s", exchange.refused)

    def test_slow_body(self) -> None:
        """A body may take as long as it likes while something comes; the response, too, has all the time."""
        released = threading.Event()

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            body = environ["wsgi.input"].read(-1)
            start_response("200 OK", [("Content-Type", "text/plain")])
            yield body
            released.wait(HANG)
            yield b"!"

        server = self.serve(app, body_timeout=SHORT, header_timeout=SHORT)
        client = self.connect(server)
        head = get("/", "Transfer-Encoding: chunked", method="POST")
        client.send(head[:20]).send(head[20:]).send(chunked(b"body")).read_until(b"body")
        self.outlast_timeouts(server)
        released.set()
        client.read_until(b"0\r\n\r\n")

    def test_half_open_clients_disturb_nobody(self) -> None:
        """With 200 clients in the middle of a head, the next one is served."""
        server = self.serve(hello)
        for _ in range(200):
            self.connect(server).send(GET[:-1])
        self.assertEqual(200, self.connect(server).ask(GET).status)

"""Requests that can be understood in two ways, or in none: refused, recorded, and never handed on.

Each row of the tables is sent in one piece and byte by byte, since what a server makes of bytes must not depend on
their packets.
"""

from __future__ import annotations

import itertools
from typing import Any

from tests.integration.web import malformed
from tests.integration.web.malformed import CHUNKED, SIZE
from tests.integration.web.wire import GET, WireTestCase, chunked, echo, get, post
from tests.support import wait_until


class Malformed(WireTestCase):
    """Each row of the tables."""

    def setUp(self) -> None:
        self.bodies: list[bytes] = []
        self.logged = self.keep_logs()
        self.server = self.serve(self.app)

    def app(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        """Read the body, and keep what came whole."""
        result = echo(environ, start_response)
        self.bodies += result
        return result

    def check(self, payload: bytes, status: int, reason: str, *, by_byte: bool) -> None:
        """Send a payload; look at the answer, at the record, and at the next good request."""
        server, seen = self.server, len(self.server.journal)
        client = self.connect(server)
        try:
            for start in range(0, len(payload), 1 if by_byte else len(payload)):
                client.send(payload[start : start + (1 if by_byte else len(payload))])
        except ConnectionError:
            pass  # refused before it was all sent
        answer = client.answer()
        self.assertEqual(
            (status, "close", f"{reason}\n"), (answer.status, answer.get("Connection"), answer.body.decode())
        )
        self.assertTrue(client.is_at_end())
        client.close()
        wait_until(lambda: len(server.journal) > seen and server.journal.entries()[seen].is_over)
        self.assertEqual(seen + 1, len(server.journal))
        exchange = server.journal.entries()[seen]
        self.assertEqual(
            (reason, status, True, ""), (exchange.refused, exchange.status, exchange.completed, exchange.aborted)
        )
        self.assertEqual([], exchange.errors)
        self.assertTrue(f"{exchange.describe()}{exchange!r}".isprintable())
        self.assertEqual([], self.bodies)
        self.assert_lives(server)
        self.bodies.clear()

    def test_tables(self) -> None:
        """Request lines, headers, bodies and chunks that are none, or that can be read in two ways; other protocols."""
        tables = malformed.REQUEST_LINES, malformed.HEADERS, malformed.FRAMING, malformed.CHUNKS
        for payload, status, reason in itertools.chain(*tables, malformed.OTHER_PROTOCOLS, malformed.SIZES):
            for by_byte in (False, True) if len(payload) < 10_000 else (False,):
                with self.subTest(payload=payload[:100], by_byte=by_byte):
                    self.check(payload, status, reason, by_byte=by_byte)
        self.assertEqual([], self.logged)


class Limits(WireTestCase):
    """What is just not too long."""

    def test_sizes(self) -> None:
        """A request line of 16,384 bytes is fine, and so is a head of 65,536 bytes or 200 lines."""
        line = get("/" + "a" * (16384 - len("GET / HTTP/1.1")))
        head = get("/", "X: " + "a" * (65536 - len(get("/", "X: "))))
        lines = get("/", *["X: y"] * 199)
        client = self.connect(self.serve(echo))
        for request in (line, head, lines, b"\r\n" + lines):
            self.assertEqual(200, client.ask(request).status)


class Records(WireTestCase):
    """What is kept of a refused request."""

    def test_what_is_known(self) -> None:
        """The request line is recorded if it could be made out, and the place on its connection."""
        server = self.serve(echo)
        self.connect(server).ask(get("/path?query", "Host: b"))
        client = self.connect(server)
        client.ask(GET)
        client.ask(b"GET /\x1b[31m HTTP/1.1\r\n\r\n")
        first, _, third = self.exchanges(server, 3)
        self.assertEqual(("GET", "/path?query", "HTTP/1.1"), (first.method, first.target, first.version))
        self.assertEqual("<Exchange #0 GET /path?query: more than one Host header>", repr(first))
        self.assertEqual(("", "", ""), (third.method, third.target, third.version))
        self.assertEqual("a request that could not be made out", third.describe())
        self.assertEqual((2, 1, 1), (third.index, third.connection_index, third.exchange_index))
        self.assertIsNotNone(third.duration)

    def test_malformed_behind_the_answer(self) -> None:
        """A body that turns out malformed when its request is answered is recorded, and ends the connection."""
        server = self.serve(lambda e, s: [s("200 OK", [("Content-Type", "text/plain")]) and b"early"], valid=False)
        client = self.connect(server)
        client.send(CHUNKED + b"5\r\nhello\r\nx\r\n" + GET)
        self.assertEqual(b"early", client.answer().body)
        self.assertTrue(client.is_at_end())
        exchange = self.exchange(server)
        self.assertEqual((SIZE, 200, True), (exchange.refused, exchange.status, exchange.completed))

    def test_malformed_in_a_stream(self) -> None:
        """A body that turns out malformed when the response has begun cuts it off."""

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            start_response("200 OK", [("Content-Type", "text/plain")])
            while piece := environ["wsgi.input"].read(5):
                yield piece

        server = self.serve(app)
        client = self.connect(server).send(CHUNKED + b"5\r\nhello\r\n")
        received = client.read_until(b"hello\r\n")
        client.send(b"x\r\n")
        while more := client.read(65536):
            received += more
        self.assertTrue(received.endswith(b"5\r\nhello\r\n"), received)
        exchange = self.exchange(server)
        self.assertEqual((SIZE, False, []), (exchange.refused, exchange.completed, exchange.errors))

    def test_swallowed(self) -> None:
        """An application that passes over a malformed body does not get to answer it."""

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            try:
                environ["wsgi.input"].read(-1)
            except OSError:
                start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"fine"]

        for number, returns in enumerate((list, iter)):
            server = self.serve(lambda e, s, returns=returns: returns(app(e, s)), valid=False)
            self.assertEqual(
                (400, f"{SIZE}\n"),
                ((a := self.connect(server).ask(CHUNKED + b"x\r\n")).status, a.body.decode()),
                number,
            )
            self.assertEqual(SIZE, self.exchange(server).refused)


class Ends(WireTestCase):
    """Requests that end in the middle, by half a close."""

    def test_truncated(self) -> None:
        """Whatever is cut short, the application is given nothing that was not sent, and no answer pretends."""
        bodies: list[bytes] = []

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            result = echo(environ, start_response)
            bodies.extend(result)
            return result

        server = self.serve(app)
        for whole in (post(b"hello"), CHUNKED + chunked(b"he", b"llo")):
            for length in range(1, len(whole)):
                client = self.connect(server)
                self.assertTrue(client.send(whole[:length]).half_close().is_at_end(), whole[:length])
                client.close()
        self.assertEqual([], bodies)
        self.assert_lives(server)
        self.assert_no_app_errors(server)

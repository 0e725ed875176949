"""Requests that can be understood in two ways, or in none: refused, recorded, and never handed on.

Each row is sent in one piece and byte by byte, since what a server makes of bytes must not depend on their packets.
"""

from __future__ import annotations

import unittest
from typing import Any

from tests.support import wait_until
from tests.web.wire import GET, WireTestCase, chunked, echo, get, post

Row = tuple[bytes, int, str]

HOST = b"Host: a\r\n"
CHUNKED = get("/", "Transfer-Encoding: chunked", method="POST")
NOT_HTTP = "something that is not an HTTP request"
BARE_LF = "a line feed without a carriage return in the request's head"
BARE_CR = "a carriage return without a line feed in the request's head"
CONTROL = "a control character in a header"
NAME = "a malformed header name"
LINE = "a malformed request line"
TARGET = "a request target that is neither a path nor a URL"
BYTE = "a request target with a byte that is no visible ASCII character"
LENGTH = "a Content-Length that is no number of bytes"
BOTH = "both Content-Length and Transfer-Encoding"
NO_HOST = "a Host header that is no host"
SIZE = "a chunk size that is no hexadecimal number"
CHUNK_LF = "a line feed without a carriage return in a chunked body"
CHUNK_CR = "a carriage return without a line feed in a chunked body"
TOO_LONG_CHUNK = "a chunk that is longer than its size"


def line(text: bytes) -> bytes:
    """A request with this request line."""
    return text + b"\r\n" + HOST + b"\r\n"


def header(text: bytes) -> bytes:
    """A request with a body of five bytes and this header line besides."""
    return b"POST / HTTP/1.1\r\n" + HOST + text + b"\r\nContent-Length: 5\r\n\r\nhello"


def framed(*lines: bytes, body: bytes = b"hello") -> bytes:
    """A request with these header lines, and the Host."""
    return b"".join([b"POST / HTTP/1.1\r\n", HOST, *(text + b"\r\n" for text in lines), b"\r\n", body])


REQUEST_LINES: list[Row] = [
    (b"garbage\r\n\r\n", 400, LINE),
    (b"GET\r\n\r\n", 400, LINE),
    (b"GET /\r\n\r\n", 400, LINE),
    (b"GET / \r\n\r\n", 400, LINE),
    (line(b"GET  / HTTP/1.1"), 400, LINE),
    (line(b"GET /  HTTP/1.1"), 400, LINE),
    (line(b"GET / HTTP/1.1 "), 400, LINE),
    (line(b"GET / x HTTP/1.1"), 400, LINE),
    (line(b"GET\t/\tHTTP/1.1"), 400, LINE),
    (line(b"GET / http/1.1"), 400, LINE),
    (line(b"GET / HTTP/1"), 400, LINE),
    (line(b"GET / HTTP/1.10"), 400, LINE),
    (line(b"GET / HTTP/01.1"), 400, LINE),
    (line(b"GET / HTTP/1,1"), 400, LINE),
    (line(b"GET / HTTPS/1.1"), 400, LINE),
    (line(b"GE(T / HTTP/1.1"), 400, LINE),
    (line(b"GET/ HTTP/1.1"), 400, LINE),
    (line(b" GET / HTTP/1.1"), 400, NOT_HTTP),
    (line(b"\xef\xbb\xbfGET / HTTP/1.1"), 400, NOT_HTTP),
    (b"\0" + GET, 400, NOT_HTTP),
    (b"\n" + GET, 400, NOT_HTTP),
    (b"\r" + GET, 400, NOT_HTTP),
    (b"(x)\r\n\r\n", 400, NOT_HTTP),
    (line(b"GET / HTTP/0.9"), 505, "HTTP version 0.9: only 1.1 and 1.0 are spoken here"),
    (line(b"GET / HTTP/1.2"), 505, "HTTP version 1.2: only 1.1 and 1.0 are spoken here"),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "HTTP version 2.0: only 1.1 and 1.0 are spoken here"),
    (line(b"FROB / HTTP/1.1"), 501, "the method FROB, which is unknown here"),
    (line(b"get / HTTP/1.1"), 501, "the method get, which is unknown here"),
    (line(b"GETX / HTTP/1.1"), 501, "the method GETX, which is unknown here"),
    (line(b"CONNECT a:1 HTTP/1.1"), 501, "the method CONNECT, which is for proxies"),
    (line(b"CONNECT / HTTP/1.1"), 501, "the method CONNECT, which is for proxies"),
    (line(b"GET /a#b HTTP/1.1"), 400, "a request target with a fragment"),
    (line(b"GET # HTTP/1.1"), 400, "a request target with a fragment"),
    (line(b"GET /\xc3\xa4 HTTP/1.1"), 400, BYTE),
    (line(b"GET /\x7f HTTP/1.1"), 400, BYTE),
    (line(b"GET /\x1b[31m HTTP/1.1"), 400, BYTE),
    (line(b"GET /\x0b HTTP/1.1"), 400, BYTE),
    (line(b"GET a HTTP/1.1"), 400, TARGET),
    (line(b"GET * HTTP/1.1"), 400, TARGET),
    (line(b"OPTIONS ** HTTP/1.1"), 400, TARGET),
    (line(b"GET ?a HTTP/1.1"), 400, TARGET),
    (line(b"GET ftp://a/ HTTP/1.1"), 400, TARGET),
    (line(b"GET http:// HTTP/1.1"), 400, TARGET),
    (line(b"GET http:///a HTTP/1.1"), 400, TARGET),
    (line(b"GET http://user@a/ HTTP/1.1"), 400, TARGET),
    (line(b"GET http://user:pw@a/ HTTP/1.1"), 400, TARGET),
    (line(b"GET http://a:b/ HTTP/1.1"), 400, TARGET),
    (line(b"GET http:/a HTTP/1.1"), 400, TARGET),
    (line(b"GET //a\\@b#c HTTP/1.1"), 400, "a request target with a fragment"),
]

HEADERS: list[Row] = [
    (header(b"X: a\0b"), 400, "a NUL in the request's head"),
    (header(b"X: a\rb"), 400, BARE_CR),
    (header(b"X: a\r"), 400, BARE_CR),
    (header(b"X: a\nY: b"), 400, BARE_LF),
    (b"GET / HTTP/1.1\nHost: a\n\n", 400, BARE_LF),
    (b"GET / HTTP/1.1\r\nHost: a\n\r\n", 400, BARE_LF),
    (b"GET / HTTP/1.1\r\nHost: a\r\n\n", 400, BARE_LF),
    (b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", 400, BARE_CR),
    (b"GET / HTTP/1.1\rHost: a\r\n\r\n", 400, BARE_CR),
    (header(b"X: a\x01b"), 400, CONTROL),
    (header(b"X: a\x7fb"), 400, CONTROL),
    (header(b"X: a\x0bb"), 400, CONTROL),
    (header(b"X: \x1b[31m"), 400, CONTROL),
    (header(b"Content-Length : 5"), 400, NAME),
    (header(b"X : a"), 400, NAME),
    (header(b"X\t: a"), 400, NAME),
    (header(b": a"), 400, NAME),
    (header(b"X"), 400, NAME),
    (header(b"X Y: a"), 400, NAME),
    (header(b"X\xe4: a"), 400, NAME),
    (header(b"X(: a"), 400, NAME),
    (header(b"X\x0b: a"), 400, NAME),
    (header(b"X: a\r\n b"), 400, "a header line that begins with white space"),
    (header(b"X: a\r\n\tb"), 400, "a header line that begins with white space"),
    (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400, "a header line that begins with white space"),
    (b"GET / HTTP/1.1\r\n\r\n", 400, "no Host header"),
    (header(b"Host: a"), 400, "more than one Host header"),
    (header(b"host: b"), 400, "more than one Host header"),
    (header(b"Content-Type: a/b\r\nContent-type: c/d"), 400, "more than one Content-Type header"),
    *[
        (b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n", 400, NO_HOST)
        for host in (b"a b", b"a/b", b"http://a", b"u@a", b"a:b", b"[::1", b"::1", b":80", b"a,b c", b"\xe4", b"a\\b", b'"', b"a:8:0")
    ],
]

FRAMING: list[Row] = [
    (framed(b"Content-Length: 5", b"Content-Length: 6"), 400, "more than one Content-Length header"),
    (framed(b"Content-Length: 5", b"content-length: 5"), 400, "more than one Content-Length header"),
    *[
        (framed(b"Content-Length: " + length), 400, LENGTH)
        for length in (
            b"", b"-1", b"+5", b"0_5", b"5, 5", b"5,5", b"5 5", b"0x5", b"5.0", b"5e0", b"five", b"1" * 19, b"\xb2", b"\xa05", b"5;",
        )
    ],
    (framed(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=chunked(b"hello")), 400, BOTH),
    (framed(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=chunked(b"hello")), 400, BOTH),
    (framed(b"Transfer-Encoding: chunked", b"Content-Length: x", body=chunked(b"hello")), 400, BOTH),
    (framed(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=chunked(b"x")), 400, "more than one Transfer-Encoding header"),
    (framed(b"Transfer-Encoding: chunked", b"Transfer-encoding: identity", body=chunked(b"x")), 400, "more than one Transfer-Encoding header"),
    *[
        (framed(b"Transfer-Encoding: " + coding, body=chunked(b"x")), 501, "a Transfer-Encoding other than chunked")
        for coding in (
            b"", b"identity", b"gzip", b"gzip, chunked", b"chunked, chunked", b"chunked, identity", b"chunked,", b",chunked", b"xchunked",
            b'"chunked"', b"chunked;q=1", b"chunkedd", b"chunked\xa0", b"\xffchunked", b"chun ked",
        )
    ],
    (framed(b"Transfer-Encoding: chunked\t", body=chunked(b"x")), 501, "a Transfer-Encoding other than chunked"),
    (line(b"PRI / HTTP/1.1"), 400, "a request that two parsers read differently"),
    (framed(b"Transfer-Encoding: \x0bchunked", body=chunked(b"x")), 400, CONTROL),
    (framed(b"Transfer-Encoding : chunked", body=chunked(b"x")), 400, NAME),
    (framed(b"Transfer-Encoding:\r\n chunked", body=chunked(b"x")), 400, "a header line that begins with white space"),
    (
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"hello"),
        400,
        "Transfer-Encoding in an HTTP/1.0 request",
    ),
    (framed(b"Content-Length: 5", b"Expect: 200-ok"), 417, "an Expect header other than 100-continue"),
    (framed(b"Expect: 100-continue", b"Expect: 100-continue"), 400, "more than one Expect header"),
]  # fmt: skip

CHUNKS: list[Row] = [
    *[
        (CHUNKED + size + b"\r\nhello\r\n0\r\n\r\n", 400, SIZE)
        for size in (
            b"", b"0x5", b"+5", b"-5", b"0_5", b"5_0", b" 5", b"5 ", b"5\t", b"g", b"5g", b"5,", b"five", b"\xef\xbc\x95", b"5;", b"5;a b",
            b"5;a=", b'5;a="', b'5;a="b', b"5;a=b=c", b"5;\0", b"5;a\x01", b";a", b"0" * 16 + b"5", b"10000000000000000", b"5 5", b"0x",
        )
    ],
    (CHUNKED + b"5\nhello\n0\n\n", 400, CHUNK_LF),
    (CHUNKED + b"5\r\nhello\n0\r\n\r\n", 400, TOO_LONG_CHUNK),
    (CHUNKED + b"5\r\nhello0\r\n\r\n", 400, TOO_LONG_CHUNK),
    (CHUNKED + b"5\r\nhelloXX0\r\n\r\n", 400, TOO_LONG_CHUNK),
    (CHUNKED + b"5\r\nhello\r0\r\n\r\n", 400, TOO_LONG_CHUNK),
    (CHUNKED + b"4\r\nhello\r\n0\r\n\r\n", 400, TOO_LONG_CHUNK),
    (CHUNKED + b"6\r\nhello\r\n0\r\n\r\n", 400, TOO_LONG_CHUNK),
    (CHUNKED + b"5;a\nhello\r\n0\r\n\r\n", 400, CHUNK_LF),
    (CHUNKED + b"5;a\rb\r\nhello\r\n0\r\n\r\n", 400, CHUNK_CR),
    (CHUNKED + b'5;a="\n"\r\nhello\r\n0\r\n\r\n', 400, CHUNK_LF),
    (CHUNKED + b"5\r\r\nhello\r\n0\r\n\r\n", 400, CHUNK_CR),
    (CHUNKED + b"5\rhello", 400, CHUNK_CR),
    (CHUNKED + b"1\r\na\r\n0\r\n\n", 400, CHUNK_LF),
    (CHUNKED + b"0\r\nX: a\rb\r\n\r\n", 400, CHUNK_CR),
    (CHUNKED + b"0\r\nX : a\r\n\r\n", 400, "a malformed trailer"),
    (CHUNKED + b"0\r\n X: a\r\n\r\n", 400, "a malformed trailer"),
    (CHUNKED + b"0\r\nX\r\n\r\n", 400, "a malformed trailer"),
    (CHUNKED + b"0\r\nX: a\0\r\n\r\n", 400, "a malformed trailer"),
    (CHUNKED + b"0\r\n" + GET, 400, "a malformed trailer"),
]  # fmt: skip

OTHER_PROTOCOLS: list[Row] = [
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "a TLS handshake on a port that speaks plain HTTP"),
    (b"\x80\x2e\x01\x00\x02", 400, NOT_HTTP),
    (b"\x05\x01\x00", 400, NOT_HTTP),
    (b"EHLO example.com\r\n", 400, LINE),
    (b"\0\0\0\x01", 400, NOT_HTTP),
]

SIZES: list[Row] = [
    (line(b"GET /" + b"a" * 16380 + b" HTTP/1.1"), 414, "a request line of more than 16384 bytes"),
    (b"A" * 16385, 414, "a request line of more than 16384 bytes"),
    (framed(*[b"X: y"] * 200), 431, "more than 200 header lines"),
    (framed(*[b"X: y"] * 100_000), 431, "more than 200 header lines"),
    (framed(b"X: " + b"a" * 65536), 431, "a head of more than 65536 bytes"),
    (b"GET / HTTP/1.1\r\nX: " + b"a" * 1024 * 1024, 431, "a head of more than 65536 bytes"),
    (framed(*[b"X: " + b"a" * 1000] * 66), 431, "a head of more than 65536 bytes"),
    (CHUNKED + b"5;" + b"a" * 4096 + b"\r\nhello\r\n0\r\n\r\n", 400, "a line of more than 4096 bytes in a chunked body"),
    (CHUNKED + b"0" * 5000, 400, "a line of more than 4096 bytes in a chunked body"),
    (CHUNKED + b"0\r\n" + b"X: y\r\n" * 11_000 + b"\r\n", 400, "trailers of more than 65536 bytes"),
    (CHUNKED + b"0\r\nX: " + b"y" * 4096 + b"\r\n\r\n", 400, "a line of more than 4096 bytes in a chunked body"),
]


class Malformed(WireTestCase):
    """Each row of the tables above."""

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
        self.assertEqual((status, "close", f"{reason}\n"), (answer.status, answer.get("Connection"), answer.body.decode()))
        self.assertTrue(client.is_at_end())
        client.close()
        wait_until(lambda: len(server.journal) > seen and server.journal.entries()[seen].is_over)
        self.assertEqual(seen + 1, len(server.journal))
        exchange = server.journal.entries()[seen]
        self.assertEqual((reason, status, True, ""), (exchange.refused, exchange.status, exchange.completed, exchange.aborted))
        self.assertEqual([], exchange.errors)
        self.assertTrue(f"{exchange.describe()}{exchange!r}".isprintable())
        self.assertEqual([], self.bodies)
        self.assert_lives(server)
        self.bodies.clear()

    def check_all(self, table: list[Row], *, by_byte: bool = True) -> None:
        for payload, status, reason in table:
            for way in (False, True) if by_byte else (False,):
                with self.subTest(payload=payload[:100], by_byte=way):
                    self.check(payload, status, reason, by_byte=way)
        self.assertEqual([], self.logged)

    def test_request_lines(self) -> None:
        """Request lines that are none."""
        self.check_all(REQUEST_LINES)

    def test_headers(self) -> None:
        """Headers that are none, or not the ones that a request needs."""
        self.check_all(HEADERS)

    def test_framing(self) -> None:
        """Bodies whose end is told in no way, or in two."""
        self.check_all(FRAMING)

    def test_chunks(self) -> None:
        """Chunks that are not what they say."""
        self.check_all(CHUNKS)

    def test_other_protocols(self) -> None:
        """Bytes of other protocols."""
        self.check_all(OTHER_PROTOCOLS)

    def test_sizes(self) -> None:
        """Lines, heads and trailers that are too long."""
        self.check_all(SIZES, by_byte=False)


class Limits(WireTestCase):
    """What is just not too long."""

    def test_request_line(self) -> None:
        """A request line of 16,384 bytes is fine."""
        target = "/" + "a" * (16384 - len("GET / HTTP/1.1"))
        self.assertEqual(200, self.ask(echo, get(target)).status)

    def test_header_lines(self) -> None:
        """200 header lines are fine, and so they are behind an empty line."""
        client = self.connect(self.serve(echo))
        for _ in range(2):
            self.assertEqual(200, client.ask(get("/", *["X: y"] * 199)).status)
            client.send(b"\r\n")

    def test_head(self) -> None:
        """A head of 65,536 bytes is fine."""
        missing = 65536 - len(get("/", "X: "))
        self.assertEqual(200, self.ask(echo, get("/", "X: " + "a" * missing)).status)


class Records(WireTestCase):
    """What is kept of a refused request."""

    def test_request_line(self) -> None:
        """The request line is recorded if it could be made out."""
        server = self.serve(echo)
        self.connect(server).ask(get("/path?query", "Host: b"))
        exchange = self.exchange(server)
        self.assertEqual(("GET", "/path?query", "HTTP/1.1"), (exchange.method, exchange.target, exchange.version))
        self.assertEqual("<Exchange #0 GET /path?query: more than one Host header>", repr(exchange))

    def test_no_request_line(self) -> None:
        """If it could not, there is none."""
        server = self.serve(echo)
        self.connect(server).ask(b"GET /\x1b[31m HTTP/1.1\r\n\r\n")
        exchange = self.exchange(server)
        self.assertEqual(("", "", ""), (exchange.method, exchange.target, exchange.version))
        self.assertEqual("a request that could not be made out", exchange.describe())

    def test_its_place(self) -> None:
        """A refused request has its place on its connection."""
        server = self.serve(echo)
        self.connect(server).ask(GET)
        client = self.connect(server)
        client.ask(GET)
        client.ask(b"BAD\r\n\r\n")
        exchange = self.exchanges(server, 3)[2]
        self.assertEqual((2, 1, 1), (exchange.index, exchange.connection_index, exchange.exchange_index))
        self.assertIsNotNone(exchange.duration)

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
        client = self.connect(server)
        client.send(CHUNKED + b"5\r\nhello\r\n")
        received = b""
        while b"hello" not in received:
            received += client.sock.recv(65536)
        client.send(b"x\r\n")
        while more := client.sock.recv(65536):
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
            self.assertEqual((400, f"{SIZE}\n"), ((a := self.connect(server).ask(CHUNKED + b"x\r\n")).status, a.body.decode()), number)
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


if __name__ == "__main__":
    unittest.main()

"""Requests that can be understood in two ways, or in none: their bytes, the status they get, and the reason."""

from __future__ import annotations

from collections.abc import Callable

from tests.integration.web.wire import GET, chunked, get

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
TWO_CODINGS = "more than one Transfer-Encoding header"
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


def in_chunks(text: bytes) -> bytes:
    """A request with this for its chunked body."""
    return CHUNKED + text


def rows(make: Callable[[bytes], bytes], status: int, reason: str, *texts: bytes) -> list[Row]:
    """A row for each text, of the same reason."""
    return [(make(text), status, reason) for text in texts]


REQUEST_LINES: list[Row] = [
    *rows(bytes, 400, LINE, b"garbage\r\n\r\n", b"GET\r\n\r\n", b"GET /\r\n\r\n", b"GET / \r\n\r\n"),
    *rows(line, 400, LINE,
        b"GET  / HTTP/1.1", b"GET /  HTTP/1.1", b"GET / HTTP/1.1 ", b"GET / x HTTP/1.1", b"GET\t/\tHTTP/1.1",
        b"GET / http/1.1", b"GET / HTTP/1", b"GET / HTTP/1.10", b"GET / HTTP/01.1", b"GET / HTTP/1,1",
        b"GET / HTTPS/1.1", b"GE(T / HTTP/1.1", b"GET/ HTTP/1.1"
    ),
    *rows(line, 400, NOT_HTTP, b" GET / HTTP/1.1", b"\xef\xbb\xbfGET / HTTP/1.1"),
    (b"\0" + GET, 400, NOT_HTTP),
    (b"\n" + GET, 400, NOT_HTTP),
    (b"\r" + GET, 400, NOT_HTTP),
    (b"(x)\r\n\r\n", 400, NOT_HTTP),
    (line(b"GET / HTTP/0.9"), 505, "HTTP version 0.9: only 1.1 and 1.0 are spoken here"),
    (line(b"GET / HTTP/1.2"), 505, "HTTP version 1.2: only 1.1 and 1.0 are spoken here"),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "HTTP version 2.0: only 1.1 and 1.0 are spoken here"),
    *rows(line, 501, "the method CONNECT, which is for proxies", b"CONNECT a:1 HTTP/1.1", b"CONNECT / HTTP/1.1"),
    *rows(line, 400, "a request target with a fragment",
        b"GET /a#b HTTP/1.1", b"GET # HTTP/1.1", b"GET //a\\@b#c HTTP/1.1"
    ),
    *rows(line, 400, BYTE,
        b"GET /\xc3\xa4 HTTP/1.1", b"GET /\x7f HTTP/1.1", b"GET /\x1b[31m HTTP/1.1", b"GET /\x0b HTTP/1.1"
    ),
    *rows(line, 400, TARGET,
        b"GET a HTTP/1.1", b"GET * HTTP/1.1", b"OPTIONS ** HTTP/1.1", b"GET ?a HTTP/1.1", b"GET ftp://a/ HTTP/1.1",
        b"GET http:// HTTP/1.1", b"GET http:///a HTTP/1.1", b"GET http://user@a/ HTTP/1.1",
        b"GET http://user:pw@a/ HTTP/1.1", b"GET http://a:b/ HTTP/1.1", b"GET http:/a HTTP/1.1",
        b"GET http://[:1]/ HTTP/1.1"
    ),
]  # fmt: skip

HEADERS: list[Row] = [
    (header(b"X: a\0b"), 400, "a NUL in the request's head"),
    *rows(header, 400, BARE_CR, b"X: a\rb", b"X: a\r"),
    (header(b"X: a\nY: b"), 400, BARE_LF),
    *rows(bytes, 400, BARE_LF,
        b"GET / HTTP/1.1\nHost: a\n\n", b"GET / HTTP/1.1\r\nHost: a\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n\n"
    ),
    *rows(bytes, 400, BARE_CR, b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1\rHost: a\r\n\r\n"),
    *rows(header, 400, CONTROL, b"X: a\x01b", b"X: a\x7fb", b"X: a\x0bb", b"X: \x1b[31m"),
    *rows(header, 400, NAME,
        b"Content-Length : 5", b"X : a", b"X\t: a", b": a", b"X", b"X Y: a", b"X\xe4: a", b"X(: a", b"X\x0b: a"
    ),
    *rows(header, 400, "a header line that begins with white space", b"X: a\r\n b", b"X: a\r\n\tb"),
    (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400, "a header line that begins with white space"),
    (b"GET / HTTP/1.1\r\n\r\n", 400, "no Host header"),
    *rows(header, 400, "more than one Host header", b"Host: a", b"host: b"),
    (header(b"Content-Type: a/b\r\nContent-type: c/d"), 400, "more than one Content-Type header"),
    *[
        (b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n", 400, NO_HOST)
        for host in (
            b"a b", b"a/b", b"http://a", b"u@a", b"a:b", b"[::1", b"[:1]", b"[8:1]:80", b"[::1.2.3]", b"::1", b":80",
            b"a,b c", b"\xe4", b"a\\b", b'"', b"a:8:0",
        )
    ],
]  # fmt: skip

FRAMING: list[Row] = [
    (framed(b"Content-Length: 5", b"Content-Length: 6"), 400, "more than one Content-Length header"),
    (framed(b"Content-Length: 5", b"content-length: 5"), 400, "more than one Content-Length header"),
    *[
        (framed(b"Content-Length: " + length), 400, LENGTH)
        for length in (
            b"", b"-1", b"+5", b"0_5", b"5, 5", b"5,5", b"5 5", b"0x5", b"5.0", b"5e0", b"five", b"1" * 19,
            b"\xb2", b"\xa05", b"5;",
        )
    ],
    (framed(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=chunked(b"hello")), 400, BOTH),
    (framed(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=chunked(b"hello")), 400, BOTH),
    (framed(b"Transfer-Encoding: chunked", b"Content-Length: x", body=chunked(b"hello")), 400, BOTH),
    (framed(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=chunked(b"x")), 400, TWO_CODINGS),
    (framed(b"Transfer-Encoding: chunked", b"Transfer-encoding: identity", body=chunked(b"x")), 400, TWO_CODINGS),
    *[
        (framed(b"Transfer-Encoding: " + coding, body=chunked(b"x")), 501, "a Transfer-Encoding other than chunked")
        for coding in (
            b"", b"identity", b"gzip", b"gzip, chunked", b"chunked, chunked", b"chunked, identity", b"chunked,",
            b",chunked", b"xchunked",
            b'"chunked"', b"chunked;q=1", b"chunkedd", b"chunked\xa0", b"\xffchunked", b"chun ked",
        )
    ],
    (framed(b"Transfer-Encoding: chunked\t", body=chunked(b"x")), 501, "a Transfer-Encoding other than chunked"),
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
            b"", b"0x5", b"+5", b"-5", b"0_5", b"5_0", b" 5", b"5 ", b"5\t", b"g", b"5g", b"5,", b"five",
            b"\xef\xbc\x95", b"5;", b"5;a b",
            b"5;a=", b'5;a="', b'5;a="b', b"5;a=b=c", b"5;\0", b"5;a\x01", b";a", b"0" * 16 + b"5",
            b"10000000000000000", b"5 5", b"0x",
        )
    ],
    *rows(in_chunks, 400, CHUNK_LF,
        b"5\nhello\n0\n\n", b"5;a\nhello\r\n0\r\n\r\n", b'5;a="\n"\r\nhello\r\n0\r\n\r\n', b"1\r\na\r\n0\r\n\n"
    ),
    *rows(in_chunks, 400, TOO_LONG_CHUNK,
        b"5\r\nhello\n0\r\n\r\n", b"5\r\nhello0\r\n\r\n", b"5\r\nhelloXX0\r\n\r\n", b"5\r\nhello\r0\r\n\r\n",
        b"4\r\nhello\r\n0\r\n\r\n", b"6\r\nhello\r\n0\r\n\r\n"
    ),
    *rows(in_chunks, 400, CHUNK_CR,
        b"5;a\rb\r\nhello\r\n0\r\n\r\n", b"5\r\r\nhello\r\n0\r\n\r\n", b"5\rhello", b"0\r\nX: a\rb\r\n\r\n"
    ),
    *rows(in_chunks, 400, "a malformed trailer",
        b"0\r\nX : a\r\n\r\n", b"0\r\n X: a\r\n\r\n", b"0\r\nX\r\n\r\n", b"0\r\nX: a\0\r\n\r\n"
    ),
    (CHUNKED + b"0\r\n" + GET, 400, "a malformed trailer"),
]  # fmt: skip

OTHER_PROTOCOLS: list[Row] = [
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "a TLS handshake on a port that speaks plain HTTP"),
    *rows(bytes, 400, NOT_HTTP, b"\x80\x2e\x01\x00\x02", b"\x05\x01\x00", b"\0\0\0\x01"),
    (b"EHLO example.com\r\n", 400, LINE),
]  # fmt: skip

SIZES: list[Row] = [
    (line(b"GET /" + b"a" * 16380 + b" HTTP/1.1"), 414, "a request line of more than 16384 bytes"),
    (b"A" * 16385, 414, "a request line of more than 16384 bytes"),
    (framed(*[b"X: y"] * 200), 431, "more than 200 header lines"),
    (framed(*[b"X: y"] * 100_000), 431, "more than 200 header lines"),
    (framed(b"X: " + b"a" * 65536), 431, "a head of more than 65536 bytes"),
    (b"GET / HTTP/1.1\r\nX: " + b"a" * 1024 * 1024, 431, "a head of more than 65536 bytes"),
    (framed(*[b"X: " + b"a" * 1000] * 66), 431, "a head of more than 65536 bytes"),
    (
        CHUNKED + b"5;" + b"a" * 4096 + b"\r\nhello\r\n0\r\n\r\n",
        400,
        "a line of more than 4096 bytes in a chunked body",
    ),
    (CHUNKED + b"0" * 5000, 400, "a line of more than 4096 bytes in a chunked body"),
    (CHUNKED + b"0\r\n" + b"X: y\r\n" * 11_000 + b"\r\n", 400, "trailers of more than 65536 bytes"),
    (CHUNKED + b"0\r\nX: " + b"y" * 4096 + b"\r\n\r\n", 400, "a line of more than 4096 bytes in a chunked body"),
]  # fmt: skip

"""A client that knows bytes and nothing else, applications, and servers for them."""

from __future__ import annotations

import asyncio
import io
import logging
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from wsgiref.validate import validator

from liveserver_testcase.errors import ClientDisconnected
from liveserver_testcase.web.asgi import ASGIServer
from liveserver_testcase.web.wsgi import WSGIServer
from tests.support import HANG, NoLeaks, wait_until

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
"""The shortest request that HTTP/1.1 allows."""

PLAIN = [("Content-Type", "text/plain")]
IN_CHUNKS = "Transfer-Encoding: chunked"

SHORT = 0.05
"""Seconds that a client gets where it is to be found too slow."""


def get(path: str = "/", *headers: str, version: str = "1.1", method: str = "GET") -> bytes:
    """A request without a body."""
    lines = [f"{method} {path} HTTP/{version}", "Host: a", *headers]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1")


def post(body: bytes, *headers: str, path: str = "/") -> bytes:
    """A request with a body of a known length."""
    return get(path, f"Content-Length: {len(body)}", *headers, method="POST") + body


CHUNKED = get("/", IN_CHUNKS, method="POST")
"""The head of a request whose body comes in chunks."""


def chunked(*chunks: bytes) -> bytes:
    """A chunked body."""
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in [*chunks, b""])


# -- applications ------------------------------------------------------------------------------------------------------


def replying(*body: bytes, status: str = "200 OK", headers: Iterable[tuple[str, str]] = PLAIN) -> App:
    """An application that always gives the same answer, as a list."""

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response(status, list(headers))
        return list(body)

    return app


hello = replying(b"hello")


def echo(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """An application that gives the body back."""
    body = environ["wsgi.input"].read(-1)
    start_response("200 OK", PLAIN)
    return [body]


def streaming(*items: Any, headers: Iterable[tuple[str, str]] = PLAIN) -> App:
    """An application that gives these items one after the other, or raises the one that is an exception."""

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", list(headers))
        for item in items:
            if isinstance(item, BaseException):
                raise item
            yield item

    return app


class Held:
    """An application that is held in each call until the test says `go`.

    Attributes:
        inside: Released by each call.
    """

    def __init__(self, app: App = hello) -> None:
        self.app = app
        self.inside = threading.Semaphore(0)
        self.go = threading.Event()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.inside.release()
        self.go.wait(HANG)
        return self.app(environ, start_response)

    def wait(self) -> bool:
        """Wait until it has been called; whether it has."""
        return self.inside.acquire(timeout=HANG)


def checked(app: App) -> App:
    """``app`` under wsgiref's validator, which fails it, or the server, for each sin against PEP 3333.

    A list stays a list: the server may treat one differently from other iterables.
    """

    def outer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        kind: list[type] = []

        def inner(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            result = app(environ, start_response)
            kind.append(type(result))
            return result

        result = validator(inner)(environ, start_response)
        if kind != [list]:
            return result
        try:
            return list(result)
        finally:
            result.close()

    return outer


class _Body(io.RawIOBase):
    """What an ASGI application receives, as a file."""

    def __init__(self, receive: Callable[[], dict[str, Any]]) -> None:
        self.receive, self.rest, self.more = receive, b"", True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self.rest and self.more:
            message = self.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnected("the client has left")
            self.rest, self.more = message["body"], message["more_body"]
        data, self.rest = self.rest[: len(buffer)], self.rest[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)


def as_asgi(app: App) -> Any:
    """``app`` for a server of ASGI applications, each call of it in a thread beside the loop."""

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        loop = asyncio.get_running_loop()
        environ = {
            "REQUEST_METHOD": scope["method"],
            "PATH_INFO": scope["path"],
            "QUERY_STRING": scope["query_string"].decode(),
            "RAW_PATH": scope["raw_path"].decode(),
            "wsgi.url_scheme": scope["scheme"],
            **{
                "HTTP_" + name.decode().upper().replace("-", "_"): value.decode("latin-1")
                for name, value in scope["headers"]
            },
        }
        begin: dict[str, Any] = {"type": "http.response.start"}

        def wait(coroutine: Any) -> Any:
            return asyncio.run_coroutine_threadsafe(coroutine, loop).result(6 * HANG)

        def start_response(status: str, headers: Any) -> None:
            pairs = [(name.encode(), value.encode("latin-1")) for name, value in headers]
            begin.update(status=int(status[:3]), headers=pairs)

        def call() -> None:
            environ["wsgi.input"] = io.BufferedReader(_Body(lambda: wait(receive())), 1)
            result = app(environ, start_response)
            if isinstance(result, list):
                begin["headers"].append((b"Content-Length", str(len(b"".join(result))).encode()))
            for number, item in enumerate(result):
                wait(send(begin)) if not number else None
                wait(send({"type": "http.response.body", "body": item, "more_body": True}))
            wait(send({"type": "http.response.body"}))

        await asyncio.to_thread(call)

    return serve


# -- the client --------------------------------------------------------------------------------------------------------


@dataclass
class Answer:
    """A response as it came."""

    version: str
    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    chunks: list[bytes] = field(default_factory=list)
    raw_head: bytes = b""

    def get(self, name: str) -> str | None:
        """The value of a header that may come once."""
        values = self.get_all(name)
        if len(values) > 1:
            raise AssertionError(f"{name} came more than once: {values}")
        return values[0] if values else None

    def get_all(self, name: str) -> list[str]:
        """The values of a header that may come often."""
        return [value for key, value in self.headers if key.lower() == name.lower()]


def _read_line(read: Callable[[int], bytes]) -> bytes:
    line = b""
    while not line.endswith(b"\r\n"):
        more = read(1)
        if not more:
            raise EOFError(f"the connection ended in the line {line!r}")
        line += more
    return line


def _read_exactly(read: Callable[[int], bytes], count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        more = read(count - len(data))
        if not more:
            raise EOFError(f"the connection ended after {len(data)} of {count} bytes")
        data += more
    return bytes(data)


def read_answer(read: Callable[[int], bytes], method: str = "GET") -> Answer:
    """Read one response strictly, and nothing after it.

    Args:
        read: Returns at most so many bytes, none at the end.
        method: That of the request, for a response to HEAD has no body.

    Raises:
        EOFError: There is none, or not all of it.
        AssertionError: It is malformed.
    """
    raw = _read_line(read)
    version, status, reason = raw[:-2].decode("latin-1").split(" ", 2)
    assert version == "HTTP/1.1" and len(status) == 3, raw
    answer = Answer(version, int(status), reason, [])
    while (line := _read_line(read)) != b"\r\n":
        raw += line
        name, colon, value = line[:-2].decode("latin-1").partition(": ")
        assert colon and name.strip() == name and not set(value) & set("\r\n\0"), line
        answer.headers.append((name, value))
    answer.raw_head = raw + line
    if method == "HEAD" or answer.status < 200 or answer.status in (204, 304):
        return answer
    coding, length = answer.get("Transfer-Encoding"), answer.get("Content-Length")
    if coding is not None:
        assert coding == "chunked" and length is None, raw
        while size := int(_read_line(read)[:-2], 16):
            answer.chunks.append(_read_exactly(read, size))
            assert _read_exactly(read, 2) == b"\r\n"
        assert _read_line(read) == b"\r\n"
        answer.body = b"".join(answer.chunks)
    elif length is not None:
        answer.body = _read_exactly(read, int(length))
    else:
        assert answer.get("Connection") == "close", raw
        while more := read(65536):
            answer.body += more
    return answer


class Client:
    """One connection.  Nothing it waits for takes longer than `HANG`."""

    def __init__(
        self, address: tuple[str, int], context: ssl.SSLContext | None = None, name: str = "localhost"
    ) -> None:
        self.sock = socket.create_connection(address, timeout=HANG)
        if context is not None:
            self.sock = context.wrap_socket(self.sock, server_hostname=name)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def send(self, data: bytes) -> Client:
        """Send bytes."""
        self.sock.sendall(data)
        return self

    def read(self, most: int) -> bytes:
        """At most so many bytes; none at the end.  A reset is an end, too, to whoever does not ask for it."""
        if not self._rest:
            self._rest = self.sock.recv(65536)
        data, self._rest = self._rest[:most], self._rest[most:]
        return data

    def read_until(self, end: bytes) -> bytes:
        """Read until ``end`` has come."""
        data = b""
        while end not in data:
            more = self.read(65536)
            if not more:
                raise EOFError(f"the connection ended after {data!r}")
            data += more
        return data

    def answer(self, method: str = "GET") -> Answer:
        """The next response."""
        return read_answer(self.read, method)

    def ask(self, data: bytes) -> Answer:
        """Send a request and read its response."""
        return self.send(data).answer(data.split(b" ", 1)[0].decode("latin-1"))

    def is_at_end(self) -> bool:
        """Whether the server has closed in good order; waits for it, or for bytes that prove the contrary."""
        return self.read(1) == b""

    def half_close(self) -> Client:
        """Send no more."""
        self.sock.shutdown(socket.SHUT_WR)
        return self

    def close(self) -> None:
        """Leave."""
        self.sock.close()

    def reset(self) -> None:
        """Leave with a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


# -- the test case -----------------------------------------------------------------------------------------------------


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(self.format(record))


class WireTestCase(NoLeaks):
    """Starts servers and connects to them; all are gone after the test."""

    maxDiff = None

    engine = "wsgi"
    """Or one of uvicorn's parsers of HTTP: the same application is an ASGI application then."""

    def serve(self, app: App, *, valid: bool = True, **options: Any) -> Any:
        """Start a server for ``app``, which wsgiref's validator watches unless ``valid`` is false."""
        if self.engine != "wsgi":
            return self.serve_asgi(as_asgi(app), **options)
        return self.start(WSGIServer(checked(app) if valid else app, **options))

    def serve_asgi(self, app: Any, **options: Any) -> Any:
        """Start a server for an ASGI application without a lifespan."""
        return self.start(ASGIServer(app, options={"http": self.engine, "lifespan": "off"}, **options))

    def start(self, server: Any) -> Any:
        """Start a server that ends with the test at the latest."""
        server.start()
        self.addCleanup(server.stop)
        return server

    def connect(self, server: Any, **options: Any) -> Client:
        """Connect to ``server``."""
        client = Client(server.address, **options)
        self.addCleanup(client.close)
        return client

    def ask(self, app: App, request: bytes = GET, **options: Any) -> Answer:
        """The response of a server with ``app`` to one request."""
        return self.connect(self.serve(app, **options)).ask(request)

    def assert_stops_at_once(self, server: Any) -> None:
        """Fail unless a stop does not wait for its grace."""
        stopper = threading.Thread(target=server.stop, daemon=True)
        stopper.start()
        stopper.join(HANG)
        self.assertFalse(stopper.is_alive())

    def exchanges(self, server: Any, count: int = 1) -> list[Any]:
        """What the server has recorded, once that is ``count`` exchanges and all are over."""
        wait_until(lambda: len(server.journal) >= count and all(e.is_over for e in server.journal.entries()))
        found = server.journal.entries()
        self.assertEqual(count, len(found), found)
        self.assertTrue(all(exchange.is_over for exchange in found), found)
        return found

    def exchange(self, server: Any) -> Any:
        """The one exchange of the server, once it is over."""
        return self.exchanges(server)[0]

    def assert_lives(self, server: Any) -> None:
        """Fail unless the server answers a good request on a new connection."""
        client = self.connect(server)
        self.assertLess(client.ask(GET).status, 500)
        client.close()

    def assert_no_app_errors(self, server: Any) -> None:
        """Fail if anything is held against the application."""
        self.assertEqual([], [error for exchange in server.journal.entries() for error in exchange.errors])

    def keep_logs(self) -> list[str]:
        """What is logged from now on as a warning or worse, in a list that grows."""
        kept = _Kept()
        logging.getLogger().addHandler(kept)
        self.addCleanup(logging.getLogger().removeHandler, kept)
        return kept.records

"""Bodies that come bit by bit: sent when the application gives them, and closed whatever happens."""

from __future__ import annotations

import io
import sys
import threading
from typing import Any

from tests.integration.web.wire import GET, PLAIN, WireTestCase, get
from tests.support import HANG

MUCH = 8 * 1024 * 1024
"""More bytes than the buffers of a loopback connection hold."""


class Stream:
    """An iterable that tells when it is closed."""

    def __init__(self, *items: bytes) -> None:
        self.items = iter(items)
        self.closed = threading.Event()
        self.times_closed = 0

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> bytes:
        return next(self.items)

    def close(self) -> None:
        self.times_closed += 1
        self.closed.set()


def streaming(stream: Any, *headers: tuple[str, str], status: str = "200 OK") -> Any:
    """An application that answers with ``stream``."""

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response(status, [*PLAIN, *headers])
        return stream

    return app


class Streams(WireTestCase):
    """Iterables are sent item by item, and closed."""

    def test_start_response_while_iterating(self) -> None:
        """An application may call start_response() as late as before its first item that is not empty."""

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            yield b""
            start_response("201 CREATED", PLAIN)
            yield b"late"

        self.assertEqual((201, b"late"), ((answer := self.ask(app, valid=False)).status, answer.body))

    def test_close_is_called(self) -> None:
        """close() is called once, after success, for HEAD, after an error in the stream and in the application."""

        def failing() -> Any:
            yield b"one"
            raise ValueError("in the stream")

        class Failing(Stream):
            def __next__(self) -> bytes:
                raise ValueError("at once")

        for request, stream in (
            (GET, Stream(b"one", b"two")),
            (GET, Stream()),
            (get(method="HEAD"), Stream(b"one", b"two")),
            (GET, Failing()),
            (GET, Stream(*[b"x"] * 3, "no bytes")),  # type: ignore[list-item]
        ):
            with self.subTest(stream=stream):
                server = self.serve(streaming(stream), valid=False)
                self.connect(server).send(request)
                self.exchange(server)
                self.assertEqual(1, stream.times_closed)

    def test_close_when_the_client_has_left(self) -> None:
        """close() is called when the client has left; so a generator that is not used up runs its ``finally``."""
        ended = threading.Event()

        def generate() -> Any:
            try:
                while True:
                    yield b"x" * 65536
            finally:
                ended.set()

        stream = Stream(*[b"x" * MUCH] * 3)
        for body, closed in ((stream, stream.closed), (generate(), ended)):
            server = self.serve(streaming(body))
            client = self.connect(server)
            client.send(GET).read(1)
            client.reset()
            self.assertTrue(closed.wait(HANG))
            self.assertEqual([], self.exchange(server).errors)

    def test_file_wrapper(self) -> None:
        """``wsgi.file_wrapper`` sends a file and closes it."""
        data = bytes(range(256)) * 1000
        file = io.BytesIO(data)

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            start_response("200 OK", [*PLAIN, ("Content-Length", str(len(data)))])
            return environ["wsgi.file_wrapper"](file, 10_000)

        server = self.serve(app)
        self.assertEqual(data, self.connect(server).ask(GET).body)
        self.exchange(server)
        self.assertTrue(file.closed)


class WriteCallable(WireTestCase):
    """``write()``, for applications from before iterables."""

    def test_write(self) -> None:
        """What is written is sent at once, before what is returned."""
        written = threading.Event()

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            write = start_response("200 OK", PLAIN)
            write(b"one ")
            write(b"")
            self.assertTrue(written.wait(HANG))
            return [b"two"]

        client = self.connect(self.serve(app)).send(GET)
        received = client.read_until(b"one \r\n")
        written.set()
        self.assertIn(b"Transfer-Encoding: chunked", received)
        received += client.read_until(b"0\r\n\r\n")
        self.assertTrue(received.endswith(b"4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n"), received)

    def test_write_with_length(self) -> None:
        """With a Content-Length what is written counts."""

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            start_response("200 OK", [*PLAIN, ("Content-Length", "3")])(b"one")
            return []

        client = self.connect(self.serve(app))
        for _ in range(2):
            self.assertEqual(b"one", client.ask(GET).body)

    def test_write_after_the_end(self) -> None:
        """What is written when the response is over is an error of the writer, and is not sent."""
        kept: list[Any] = []

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            kept.append(start_response("200 OK", PLAIN))
            return [b"one"]

        server = self.serve(app, valid=False)
        client = self.connect(server)
        client.ask(GET)
        self.exchange(server)
        with self.assertRaisesRegex(ValueError, "the response is over; nothing can be added to it"):
            kept[0](b"two")
        self.assertEqual(b"one", client.ask(GET).body)


class Restart(WireTestCase):
    """start_response() a second time, with exc_info."""

    def test_before_the_head_left(self) -> None:
        """Before anything was sent, the second status and headers replace the first."""

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            start_response("200 OK", [*PLAIN, ("X-A", "1"), ("Content-Length", "100"), ("Connection", "close")])
            try:
                raise ValueError("oops")
            except ValueError:
                start_response("503 SORRY", PLAIN, sys.exc_info())
            return [b"sorry"]

        client = self.connect(self.serve(app))
        for _ in range(2):
            answer = client.ask(GET)
            self.assertEqual((503, b"sorry", None), (answer.status, answer.body, answer.get("X-A")))

    def test_after_the_head_left(self) -> None:
        """When something was sent, the error is raised again, recorded, and the connection cut."""

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            start_response("200 OK", PLAIN)
            yield b"some"
            try:
                raise ValueError("oops")
            except ValueError:
                start_response("500 SORRY", PLAIN, sys.exc_info())
            yield b"never"

        server = self.serve(app)
        client = self.connect(server)
        with self.assertRaises(EOFError):
            client.ask(GET)
        exchange = self.exchange(server)
        self.assertEqual(["ValueError('oops')"], [repr(error) for error in exchange.errors])
        self.assertEqual((200, False), (exchange.status, exchange.completed))

    def test_without_an_exception(self) -> None:
        """An exc_info that holds no exception is none."""

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            start_response("200 OK", PLAIN, (None, None, None))
            return [b"fine"]

        self.assertEqual(b"fine", self.ask(app, valid=False).body)

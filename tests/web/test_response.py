"""Responses: framed so that the client knows where they end, and sent when the application gives them."""

from __future__ import annotations

import io
import sys
import threading
import unittest
from typing import Any

from tests.support import HANG
from tests.web.wire import GET, WireTestCase, echo, get, hello, post, replying

PLAIN = [("Content-Type", "text/plain")]

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


class Framing(WireTestCase):
    """How the client learns where the body ends."""

    def test_list(self) -> None:
        """A list is sent with its length, all of it."""
        answer = self.ask(replying(b"one", b"", b"two"))
        self.assertEqual(("6", None, b"onetwo"), (answer.get("Content-Length"), answer.get("Transfer-Encoding"), answer.body))

    def test_tuple(self) -> None:
        """So is a tuple."""
        answer = self.ask(streaming((b"one", b"two")), valid=False)
        self.assertEqual(("6", b"onetwo"), (answer.get("Content-Length"), answer.body))

    def test_empty(self) -> None:
        """An empty body has the length 0."""
        for app in (replying(), replying(b""), streaming(iter([])), streaming(iter([b"", b""]))):
            self.assertEqual(("0", b""), ((answer := self.ask(app)).get("Content-Length"), answer.body))

    def test_stream(self) -> None:
        """A stream of unknown length is chunked, an item a chunk, without empty ones, which would end it."""
        answer = self.ask(streaming(iter([b"one", b"", b"two", b""])))
        self.assertEqual(("chunked", [b"one", b"two"]), (answer.get("Transfer-Encoding"), answer.chunks))

    def test_stream_with_length(self) -> None:
        """A stream with a Content-Length is sent as it is."""
        client = self.connect(self.serve(streaming(iter([b"one", b"two"]), ("Content-Length", "6"))))
        self.assertEqual((b"onetwo", []), ((answer := client.ask(GET)).body, answer.chunks))
        client.send(GET)

    def test_stream_to_http_1_0(self) -> None:
        """HTTP/1.0 has no chunks: the end of the connection ends the stream."""
        answer = self.ask(streaming(iter([b"one", b"two"])), get(version="1.0"))
        self.assertEqual((b"onetwo", None), (answer.body, answer.get("Transfer-Encoding")))

    def test_large(self) -> None:
        """Large bodies arrive whole, from a list and from a stream."""
        data = bytes(range(256)) * 4096 * 8
        for app in (replying(data), streaming(iter([data])), replying(data[:70000])):
            self.assertTrue(data.startswith(self.ask(app).body))
        self.assertEqual(len(data), len(self.ask(replying(data)).body))

    def test_application_cannot_frame(self) -> None:
        """Transfer-Encoding and Keep-Alive of an application are left out: the server frames."""
        app = replying(b"5\r\nhello\r\n0\r\n\r\n", headers=[*PLAIN, ("Transfer-Encoding", "chunked"), ("Keep-Alive", "x")])
        answer = self.ask(app)
        self.assertEqual((None, None), (answer.get("Transfer-Encoding"), answer.get("Keep-Alive")))
        self.assertEqual(b"5\r\nhello\r\n0\r\n\r\n", answer.body)

    def test_repeated_length(self) -> None:
        """A Content-Length that comes twice with one value is sent once."""
        app = replying(b"hello", headers=[*PLAIN, ("Content-Length", "5"), ("content-length", "5")])
        self.assertEqual("5", self.ask(app).get("Content-Length"))


class WithoutBody(WireTestCase):
    """Responses that have no body by definition; the next response follows where one would be."""

    def check(self, app: Any, request: bytes, status: int, length: str | None) -> None:
        client = self.connect(self.serve(app, valid=False))
        for _ in range(2):
            answer = client.ask(request)
            self.assertEqual((status, length), (answer.status, answer.get("Content-Length")))
            self.assertIsNone(answer.get("Transfer-Encoding"))

    def test_head_of_a_list(self) -> None:
        """HEAD of a list has the length that GET would have, and no body."""
        self.check(hello, get(method="HEAD"), 200, "5")

    def test_head_with_length(self) -> None:
        """HEAD keeps the application's Content-Length, whatever the body is."""
        length = [*PLAIN, ("Content-Length", "1000")]
        for body in ([], [b"x"], [b"x" * 1000]):
            self.check(replying(*body, headers=length), get(method="HEAD"), 200, "1000")

    def test_head_of_a_stream(self) -> None:
        """HEAD of a stream has neither length nor chunks, and takes no more of the stream than it must."""
        taken: list[int] = []

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            start_response("200 OK", PLAIN)
            for number in range(100):
                taken.append(number)
                yield b"x"

        self.check(app, get(method="HEAD"), 200, None)
        self.assertEqual([0, 0], taken)

    def test_no_content(self) -> None:
        """204 has neither body nor Content-Length, whatever the application says."""
        for headers in (PLAIN, [*PLAIN, ("Content-Length", "5")]):
            self.check(replying(b"hello", status="204 NO CONTENT", headers=headers), GET, 204, None)
            self.check(streaming([b"hello"].__iter__(), status="204 NO CONTENT"), GET, 204, None)

    def test_not_modified(self) -> None:
        """304 has no body, and no length but the application's."""
        self.check(replying(b"hello", status="304 NOT MODIFIED"), GET, 304, None)
        self.check(replying(status="304 NOT MODIFIED", headers=[("Content-Length", "7")]), GET, 304, "7")

    def test_interim(self) -> None:
        """A 1xx status of an application goes out without a body, and the connection is closed: nothing can follow."""
        for status in (100, 101, 103, 199):
            with self.subTest(status=status):
                client = self.connect(self.serve(replying(b"hello", status=f"{status} X"), valid=False))
                answer = client.ask(GET)
                self.assertEqual((status, None, "close"), (answer.status, answer.get("Content-Length"), answer.get("Connection")))
                self.assertTrue(client.is_at_end())


class Headers(WireTestCase):
    """Headers of responses."""

    def test_order_and_repetition(self) -> None:
        """Headers are sent in their order and case, each as often as it was given."""
        headers = [("Set-Cookie", "a=1"), ("X-One", "\xe4 "), ("set-cookie", "b=2; Path=/"), ("X-EMPTY", ""), *PLAIN]
        answer = self.ask(replying(b"", headers=headers))
        self.assertEqual(headers, answer.headers[:5])
        self.assertEqual(["a=1", "b=2; Path=/"], answer.get_all("Set-Cookie"))

    def test_date_and_server(self) -> None:
        """Date and Server are added, unless the application gives them."""
        own = [("Date", "Mon, 02 Jan 2006 15:04:05 GMT"), ("server", "mine")]
        for given in ([], own[:1], own[1:], own):
            answer = self.ask(replying(b"", headers=[*PLAIN, *given]))
            self.assertEqual({"date", "server"}, {name.lower() for name, _ in answer.headers[1:3]})
            self.assertRegex(answer.get("Date") or "", r"^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$")
            self.assertEqual("mine" if own[1] in given else "liveserver_testcase", answer.get("Server"))
            if own[0] in given:
                self.assertEqual(own[0][1], answer.get("Date"))

    def test_hop_by_hop(self) -> None:
        """A connection option of the application is sent; ``keep-alive`` needs no words."""
        answer = self.ask(replying(b"", headers=[*PLAIN, ("Connection", "X-Hop"), ("X-Hop", "1")]))
        self.assertEqual((["X-Hop"], "1"), (answer.get_all("Connection"), answer.get("X-Hop")))
        self.assertIsNone(self.ask(replying(b"", headers=[*PLAIN, ("Connection", "Keep-Alive")])).get("Connection"))

    def test_status(self) -> None:
        """Any status from 200 on and any reason are sent as they are."""
        for status in ("200 OK", "299 Odd (reason)", "404 NOT FOUND", "599 \xe4", "999 x"):
            answer = self.ask(replying(b"", status=status), valid=False)
            self.assertEqual(status, f"{answer.status} {answer.reason}")

    def test_status_without_reason(self) -> None:
        """A reason may be missing."""
        self.assertEqual((204, ""), ((answer := self.ask(replying(status="204"), valid=False)).status, answer.reason))

    def test_subclass_of_str(self) -> None:
        """A subclass of str is a str."""

        class Text(str):
            __slots__ = ()

        headers = [(Text("X-A"), Text("b"))]
        self.assertEqual("b", self.ask(replying(b"", status=Text("200 OK"), headers=headers), valid=False).get("X-A"))


class Streams(WireTestCase):
    """Iterables are sent item by item, and closed."""

    def test_item_by_item(self) -> None:
        """The client has each item before the application makes the next."""
        for headers, version in (([], "1.1"), ([("Content-Length", "6")], "1.1"), ([], "1.0")):
            with self.subTest(headers=headers, version=version):
                seen = threading.Event()

                def app(environ: dict[str, Any], start_response: Any, headers: Any = headers, seen: Any = seen) -> Any:
                    start_response("200 OK", [*PLAIN, *headers])
                    yield b"one"
                    yield b"two" if seen.wait(HANG) else b"!!!"

                client = self.connect(self.serve(app))
                client.send(get(version=version))
                received = b""
                while b"one" not in received:
                    received += client.sock.recv(65536)
                self.assertNotIn(b"two", received)
                seen.set()
                while b"two" not in received:
                    received += client.sock.recv(65536) or self.fail(str(received))

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

    def test_close_of_a_generator(self) -> None:
        """A generator that is not used up is closed, so that its ``finally`` runs."""
        ended = threading.Event()

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            start_response("200 OK", PLAIN)
            try:
                while True:
                    yield b"x" * 65536
            finally:
                ended.set()

        client = self.connect(self.serve(app))
        client.send(GET).sock.recv(1)
        client.reset()
        self.assertTrue(ended.wait(HANG))

    def test_close_when_the_client_has_left(self) -> None:
        """close() is called when the client has left."""
        stream = Stream(*[b"x" * MUCH] * 3)
        server = self.serve(streaming(stream))
        client = self.connect(server)
        client.send(GET).sock.recv(1)
        client.reset()
        self.assertTrue(stream.closed.wait(HANG))
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

        client = self.connect(self.serve(app))
        received = b""
        client.send(GET)
        while b"one " not in received:
            received += client.sock.recv(65536)
        written.set()
        self.assertIn(b"Transfer-Encoding: chunked", received)
        while b"0\r\n\r\n" not in received:
            received += client.sock.recv(65536)
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


class EarlyAnswers(WireTestCase):
    """Responses that do not wait for the request."""

    def test_response_and_request_cross(self) -> None:
        """A response that streams while the body is still coming loses nothing of either."""

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            start_response("200 OK", PLAIN)
            while piece := environ["wsgi.input"].read(1):
                yield piece.upper()

        client = self.connect(self.serve(app))
        data = post(b"abc")
        received = client.send(data[:-2]).sock.recv(65536)
        while b"A" not in received.partition(b"\r\n\r\n")[2]:
            received += client.sock.recv(65536)
        client.send(data[-2:])
        while not received.endswith(b"0\r\n\r\n"):
            received += client.sock.recv(65536)
        self.assertTrue(received.endswith(b"1\r\nA\r\n1\r\nB\r\n1\r\nC\r\n0\r\n\r\n"), received)
        self.assertEqual(b"", client.ask(GET).body)

    def test_echo(self) -> None:
        """The helper that other tests rely on gives back what it is sent."""
        self.assertEqual(b"abc", self.ask(echo, post(b"abc")).body)


if __name__ == "__main__":
    unittest.main()

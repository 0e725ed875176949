"""Bodies of requests: what an application reads is what was sent, no more and no less, and when it was sent."""

from __future__ import annotations

import io
import random
import threading
from typing import Any

from liveserver_testcase.errors import ClientDisconnected
from tests.integration.web.wire import GET, WireTestCase, chunked, echo, get, hello, post
from tests.support import HANG

MEGABYTE = 1024 * 1024
CHUNKED = get("/", "Transfer-Encoding: chunked", method="POST")


def cut(data: bytes, *sizes: int) -> list[bytes]:
    """``data`` in pieces of these sizes, over and over."""
    pieces, position, turn = [], 0, 0
    while position < len(data):
        pieces.append(data[position : position + sizes[turn % len(sizes)]])
        position += len(pieces[-1])
        turn += 1
    return pieces


class WholeBodies(WireTestCase):
    """Bodies that come from one end to the other."""

    def test_length(self) -> None:
        """A megabyte of a known length arrives byte for byte."""
        data = random.Random(1).randbytes(MEGABYTE)
        self.assertEqual(data, self.ask(echo, post(data)).body)

    def test_chunks(self) -> None:
        """A megabyte in chunks of every size from a byte to 64 KB arrives byte for byte."""
        data = random.Random(2).randbytes(MEGABYTE)
        for sizes in ((1, 2, 3, 5, 8, 65536), (1000,), (65536,), (65535, 1), (MEGABYTE,)):
            with self.subTest(sizes=sizes):
                server = self.serve(echo)
                client = self.connect(server)
                chunks = cut(data, *sizes)
                self.assertEqual(data, client.ask(CHUNKED + chunked(*chunks)).body)
                self.assertEqual([len(chunk) for chunk in chunks], self.exchange(server).chunk_sizes)

    def test_single_bytes(self) -> None:
        """A body in chunks of one byte arrives byte for byte."""
        data = random.Random(3).randbytes(100_000)
        self.assertEqual(data, self.ask(echo, CHUNKED + chunked(*cut(data, 1))).body)

    def test_many_chunk_sizes(self) -> None:
        """Of the sizes of very many chunks the first 100,000 are kept."""
        server = self.serve(echo)
        self.connect(server).ask(CHUNKED + chunked(*[b"x"] * 100_001))
        self.assertEqual([1] * 100_000, self.exchange(server).chunk_sizes)

    def test_chunk_extensions(self) -> None:
        """Chunk extensions are passed over, a CR or LF in a quoted one excepted."""
        body = b'2;a\r\nab\r\n1 ; b = c ;d="e;\\"f"\r\nc\r\n0;last=1\r\n\r\n'
        self.assertEqual(b"abc", self.ask(echo, CHUNKED + body).body)

    def test_leading_zeros(self) -> None:
        """A chunk size may have leading zeros, and letters of both cases."""
        self.assertEqual(
            b"x" * 10 + b"y" * 10, self.ask(echo, CHUNKED + b"000A\r\nxxxxxxxxxx\r\na\r\nyyyyyyyyyy\r\n0\r\n\r\n").body
        )

    def test_trailers(self) -> None:
        """Trailers are kept with the exchange, and never among the headers."""
        seen: list[dict[str, Any]] = []

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            seen.append(environ)
            return echo(environ, start_response)

        server = self.serve(app)
        body = b"2\r\nab\r\n0\r\nX-Sum: 7 \r\nContent-Length: 99\r\nx-sum:8\r\n\r\n"
        self.assertEqual(b"ab", self.connect(server).ask(CHUNKED + body).body)
        trailers = [(b"X-Sum", b"7"), (b"Content-Length", b"99"), (b"x-sum", b"8")]
        self.assertEqual(trailers, self.exchange(server).trailers)
        self.assertNotIn("HTTP_X_SUM", seen[0])
        self.assertNotIn("CONTENT_LENGTH", seen[0])

    def test_no_body(self) -> None:
        """A request without a length has no body, whatever its method."""
        self.assertEqual(b"", self.ask(echo, get("/", method="POST")).body)


class ReadingMethods(WireTestCase):
    """``wsgi.input`` is a file, and ends where the body ends."""

    def read_with(self, read: Any, body: bytes = b"one\ntwo\nthree") -> None:
        found: list[Any] = []

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            self.assertIs(True, environ["wsgi.input_terminated"])
            found.append(read(environ["wsgi.input"]))
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b""]

        client = self.connect(self.serve(app, valid=False))
        for data in (post(body), CHUNKED + chunked(*cut(body, 2, 5))):
            self.assertEqual(200, client.send(data + GET).answer().status)
            self.assertEqual(200, client.answer().status)
        self.found = found[0::2]

    def test_read(self) -> None:
        """read() without a size, with None and with a negative one reads all."""
        for size in ((), (None,), (-1,)):
            with self.subTest(size=size):
                self.read_with(lambda stream, size=size: stream.read(*size))
                self.assertEqual([b"one\ntwo\nthree"] * 2, self.found)

    def test_read_size(self) -> None:
        """read(size) reads exactly so much, less at the end, then nothing, as often as it is asked."""
        self.read_with(lambda stream: [stream.read(size) for size in (4, 0, 5, 100, 1)])
        self.assertEqual([[b"one\n", b"", b"two\nt", b"hree", b""]] * 2, self.found)

    def test_read_more_than_there_is(self) -> None:
        """A size far beyond the body costs nothing."""
        self.read_with(lambda stream: stream.read(2**62))
        self.assertEqual([b"one\ntwo\nthree"] * 2, self.found)

    def test_readline(self) -> None:
        """readline() reads a line, or a part of one."""
        self.read_with(lambda stream: [stream.readline(), stream.readline(2), *(stream.readline() for _ in range(3))])
        self.assertEqual([[b"one\n", b"tw", b"o\n", b"three", b""]] * 2, self.found)

    def test_readlines(self) -> None:
        """readlines() reads all lines, or as many as a hint needs."""
        self.read_with(lambda stream: [stream.readlines(5), stream.readlines()])
        self.assertEqual([[[b"one\n", b"two\n"], [b"three"]]] * 2, self.found)

    def test_iteration(self) -> None:
        """Iterating gives the lines."""
        self.read_with(list)
        self.assertEqual([[b"one\n", b"two\n", b"three"]] * 2, self.found)

    def test_readinto(self) -> None:
        """readinto() fills a buffer."""

        def read(stream: Any) -> bytes:
            buffer = bytearray(8)
            stream.readinto(buffer)
            return bytes(buffer)

        self.read_with(read)
        self.assertEqual([b"one\ntwo\n"] * 2, self.found)

    def test_close(self) -> None:
        """Closing it, or wrapping it in text, takes nothing away from the next request."""
        self.read_with(lambda stream: stream.close())
        self.read_with(lambda stream: io.TextIOWrapper(stream, "utf-8").readline())
        self.assertEqual(["one\n"] * 2, self.found)

    def test_no_body(self) -> None:
        """A request without a body has an empty one."""
        self.assertEqual(b"", self.ask(echo, GET).body)


class Streaming(WireTestCase):
    """The body is read when the application asks for it."""

    def test_before_it_is_there(self) -> None:
        """The application is called when the head is there, and reads each part when it comes."""
        seen: list[bytes] = []
        progress = threading.Semaphore(0)

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            progress.release()
            for _ in range(2):
                seen.append(environ["wsgi.input"].read(3))
                progress.release()
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b""]

        for head, parts in (
            (get("/", "Content-Length: 6", method="POST"), [b"one", b"two"]),
            (CHUNKED, [b"3\r\none", b"\r\n3\r\ntwo\r\n0\r\n\r\n"]),
            (CHUNKED, [b"3\r\none\r\n3\r\n", b"two\r\n0\r\n\r\n"]),
        ):
            with self.subTest(head=head):
                client = self.connect(self.serve(app))
                seen.clear()
                client.send(head)
                self.assertTrue(progress.acquire(timeout=HANG))
                for count, part in enumerate(parts, 1):
                    client.send(part)
                    self.assertTrue(progress.acquire(timeout=HANG))
                    self.assertEqual([b"one", b"two"][:count], seen)
                self.assertEqual(200, client.answer().status)

    def test_answer_before_the_end(self) -> None:
        """An application may answer while the body is still coming; the rest is read and dropped."""
        client = self.connect(self.serve(hello))
        data = b"x" * 200_000
        for request in (post(data), CHUNKED + chunked(*cut(data, 7000))):
            head, body = request[:100], request[100:]
            client.send(head)
            self.assertEqual((200, None), ((answer := client.answer()).status, answer.get("Connection")))
            client.send(body)
        self.assertEqual(200, client.ask(GET).status)

    def test_long_rest(self) -> None:
        """A rest too long to be dropped ends the connection, announced, and the answer still arrives."""
        server = self.serve(hello)
        client = self.connect(server)
        client.send(get("/", f"Content-Length: {3 * MEGABYTE}", method="POST"))
        answer = client.answer()
        self.assertEqual((200, "close"), (answer.status, answer.get("Connection")))
        client.send(b"x" * 3 * MEGABYTE)
        self.assertTrue(client.is_at_end())

    def test_long_rest_that_is_here(self) -> None:
        """A long body that was sent before the answer does not destroy it: there is no reset."""
        for request in (post(b"x" * 3 * MEGABYTE), CHUNKED + chunked(*[b"x" * 65536] * 48)):
            client = self.connect(self.serve(hello))
            client.send(request)
            self.assertEqual((200, b"hello"), ((answer := client.answer()).status, answer.body))
            self.assertTrue(client.is_at_end())

    def test_after_the_exchange(self) -> None:
        """A body that was left unread cannot be read when the exchange is over, even if its bytes never came."""
        kept: list[Any] = []

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            kept.append(environ["wsgi.input"])
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"hello"]

        server = self.serve(app, valid=False)
        client = self.connect(server)
        client.ask(get("/", f"Content-Length: {MEGABYTE}", method="POST"))
        self.exchange(server)
        with self.assertRaisesRegex(ClientDisconnected, "the exchange is over"):
            kept[0].read()


class Continue(WireTestCase):
    """A client that waits for 100 Continue."""

    HEAD = get("/", "Content-Length: 4", "Expect: 100-continue", method="POST")

    def test_when_the_body_is_read(self) -> None:
        """100 Continue is sent when the application reads the body, and not before."""
        called, go = threading.Event(), threading.Event()

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            called.set()
            self.assertTrue(go.wait(HANG))
            return echo(environ, start_response)

        client = self.connect(self.serve(app))
        client.send(self.HEAD)
        self.assertTrue(called.wait(HANG))
        client.sock.setblocking(False)
        with self.assertRaises(BlockingIOError):
            client.sock.recv(1)
        client.sock.settimeout(HANG)
        go.set()
        self.assertEqual((100, b"HTTP/1.1 100 Continue\r\n\r\n"), ((answer := client.answer()).status, answer.raw_head))
        client.send(b"body")
        self.assertEqual((200, b"body"), ((answer := client.answer()).status, answer.body))
        self.assertEqual(200, client.ask(GET).status)

    def test_once(self) -> None:
        """100 Continue is sent once, however often the application reads."""

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            parts = [environ["wsgi.input"].read(2)]
            read.set()
            parts.append(environ["wsgi.input"].read(2))
            start_response("200 OK", [("Content-Type", "text/plain")])
            return parts

        read = threading.Event()
        client = self.connect(self.serve(app))
        self.assertEqual(100, client.ask(self.HEAD).status)
        client.send(b"bo")
        self.assertTrue(read.wait(HANG))
        self.assertEqual((200, b"body"), ((answer := client.send(b"dy").answer()).status, answer.body))

    def test_final_status_instead(self) -> None:
        """An application that does not read the body answers at once, and the connection is closed."""
        client = self.connect(self.serve(hello))
        answer = client.ask(self.HEAD)
        self.assertEqual((200, "close"), (answer.status, answer.get("Connection")))
        self.assertTrue(client.is_at_end())

    def test_client_that_does_not_wait(self) -> None:
        """A client that sends the body at once is not told to."""
        client = self.connect(self.serve(echo))
        self.assertEqual((200, b"body"), ((answer := client.ask(self.HEAD + b"body")).status, answer.body))
        self.assertEqual(200, client.ask(GET).status)

    def test_chunked(self) -> None:
        """It works for chunked bodies, too."""
        client = self.connect(self.serve(echo))
        client.send(get("/", "Transfer-Encoding: chunked", "Expect: 100-Continue", method="POST"))
        self.assertEqual(100, client.answer().status)
        self.assertEqual(b"body", client.send(chunked(b"body")).answer().body)

    def test_without_body(self) -> None:
        """Without a body there is nothing to wait for."""
        client = self.connect(self.serve(echo))
        for _ in range(2):
            self.assertEqual(200, client.ask(get("/", "Expect: 100-continue")).status)

    def test_http_1_0(self) -> None:
        """In HTTP/1.0 the expectation means nothing."""
        client = self.connect(self.serve(echo))
        client.send(get("/", "Content-Length: 4", "Expect: 100-continue", version="1.0", method="POST") + b"body")
        self.assertEqual((200, b"body"), ((answer := client.answer()).status, answer.body))

    def test_read_after_the_answer_began(self) -> None:
        """100 Continue is not sent into a response that has begun."""

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            start_response("200 OK", [("Content-Type", "text/plain")])
            yield b"began "
            yield environ["wsgi.input"].read(4)

        client = self.connect(self.serve(app))
        received = client.send(self.HEAD).sock.recv(65536)
        while b"began" not in received:
            received += client.sock.recv(65536)
        client.send(b"body")
        while not received.endswith(b"0\r\n\r\n"):
            received += client.sock.recv(65536)
        self.assertTrue(received.endswith(b"\r\n\r\n6\r\nbegan \r\n4\r\nbody\r\n0\r\n\r\n"), received)

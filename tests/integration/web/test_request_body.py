"""Bodies of requests: what an application reads is what was sent, no more and no less, and when it was sent."""

from __future__ import annotations

import io
import random
import threading
from typing import Any

from liveserver_testcase.errors import ClientDisconnected
from tests.integration.web.wire import CHUNKED, GET, PLAIN, Held, WireTestCase, chunked, echo, get, hello, post
from tests.support import HANG

MEGABYTE = 1024 * 1024


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

    def test_bytes(self) -> None:
        """A megabyte of a known length, or in chunks of every size from a byte to 64 KB, arrives byte for byte."""
        data = random.Random(1).randbytes(MEGABYTE)
        self.assertEqual(data, self.ask(echo, post(data)).body)
        for sizes in ((1, 2, 3, 5, 8, 65536), (1000,), (65536,), (65535, 1), (MEGABYTE,)):
            with self.subTest(sizes=sizes):
                server = self.serve(echo)
                chunks = cut(data, *sizes)
                self.assertEqual(data, self.connect(server).ask(CHUNKED + chunked(*chunks)).body)
                self.assertEqual([len(chunk) for chunk in chunks], self.exchange(server).chunk_sizes)

    def test_many_chunk_sizes(self) -> None:
        """Very many chunks of one byte arrive, and of their sizes the first 100,000 are kept."""
        server = self.serve(echo)
        self.assertEqual(b"x" * 100_001, self.connect(server).ask(CHUNKED + chunked(*[b"x"] * 100_001)).body)
        self.assertEqual([1] * 100_000, self.exchange(server).chunk_sizes)

    def test_chunk_lines(self) -> None:
        """Extensions are passed over; a size may have leading zeros, and letters of both cases."""
        for body, data in (
            (b'2;a\r\nab\r\n1 ; b = c ;d="e;\\"f"\r\nc\r\n0;last=1\r\n\r\n', b"abc"),
            (b"000A\r\nxxxxxxxxxx\r\na\r\nyyyyyyyyyy\r\n0\r\n\r\n", b"x" * 10 + b"y" * 10),
        ):
            self.assertEqual(data, self.ask(echo, CHUNKED + body).body)

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


class ReadingMethods(WireTestCase):
    """``wsgi.input`` is a file, and ends where the body ends."""

    def read_with(self, read: Any, body: bytes = b"one\ntwo\nthree") -> list[Any]:
        """What an application reads of a body of a known length, and of the same in chunks; another request follows."""
        found: list[Any] = []

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            self.assertIs(True, environ["wsgi.input_terminated"])
            found.append(read(environ["wsgi.input"]))
            start_response("200 OK", PLAIN)
            return [b""]

        client = self.connect(self.serve(app, valid=False))
        for data in (post(body), CHUNKED + chunked(*cut(body, 2, 5))):
            self.assertEqual(200, client.send(data + GET).answer().status)
            self.assertEqual(200, client.answer().status)
        return found[0::2]

    def test_each(self) -> None:
        """read, readline, readlines, iteration and readinto are those of a file."""

        def read_into(stream: Any) -> bytes:
            buffer = bytearray(8)
            stream.readinto(buffer)
            return bytes(buffer)

        whole = b"one\ntwo\nthree"
        methods: list[tuple[Any, Any]] = [
            (lambda stream: stream.read(), whole),
            (lambda stream: stream.read(None), whole),
            (lambda stream: stream.read(-1), whole),
            (lambda stream: stream.read(2**62), whole),  # a size far beyond the body costs nothing
            (lambda stream: [stream.read(n) for n in (4, 0, 5, 100, 1)], [b"one\n", b"", b"two\nt", b"hree", b""]),
            (
                lambda stream: [stream.readline(), stream.readline(2), *(stream.readline() for _ in range(3))],
                [b"one\n", b"tw", b"o\n", b"three", b""],
            ),
            (lambda stream: [stream.readlines(5), stream.readlines()], [[b"one\n", b"two\n"], [b"three"]]),
            (list, [b"one\n", b"two\n", b"three"]),
            (read_into, b"one\ntwo\n"),
            (lambda stream: stream.close(), None),  # which takes nothing away from the next request
            (lambda stream: io.TextIOWrapper(stream, "utf-8").readline(), "one\n"),
        ]
        for number, (read, wanted) in enumerate(methods):
            with self.subTest(number=number):
                self.assertEqual([wanted] * 2, self.read_with(read))


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
            start_response("200 OK", PLAIN)
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
        """A rest too long to be dropped ends the connection, announced if it is still to come; the answer arrives."""
        body = b"x" * 3 * MEGABYTE
        client = self.connect(self.serve(hello))
        client.send(get("/", f"Content-Length: {len(body)}", method="POST"))
        answer = client.answer()
        self.assertEqual((200, "close"), (answer.status, answer.get("Connection")))
        self.assertTrue(client.send(body).is_at_end())
        for request in (post(body), CHUNKED + chunked(*[b"x" * 65536] * 48)):  # all of it is here: there is no reset
            client = self.connect(self.serve(hello))
            self.assertEqual((200, b"hello"), ((answer := client.ask(request)).status, answer.body))
            self.assertTrue(client.is_at_end())

    def test_after_the_exchange(self) -> None:
        """A body that was left unread cannot be read when the exchange is over, even if its bytes never came."""
        kept: list[Any] = []

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            kept.append(environ["wsgi.input"])
            start_response("200 OK", PLAIN)
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
        """100 Continue is sent when the application reads the body, chunked or not, and not before."""
        in_chunks = get("/", "Transfer-Encoding: chunked", "Expect: 100-Continue", method="POST")
        for head, body in ((self.HEAD, b"body"), (in_chunks, chunked(b"body"))):
            with self.subTest(head=head):
                held = Held(echo)
                client = self.connect(self.serve(held)).send(head)
                self.assertTrue(held.wait())
                client.sock.setblocking(False)
                self.assertRaises(BlockingIOError, client.sock.recv, 1)
                client.sock.settimeout(HANG)
                held.go.set()
                self.assertEqual(b"HTTP/1.1 100 Continue\r\n\r\n", client.answer().raw_head)
                self.assertEqual(b"body", client.send(body).answer().body)
                self.assertEqual(200, client.ask(GET).status)

    def test_once(self) -> None:
        """100 Continue is sent once, however often the application reads."""

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            parts = [environ["wsgi.input"].read(2)]
            read.set()
            parts.append(environ["wsgi.input"].read(2))
            start_response("200 OK", PLAIN)
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

    def test_nothing_to_wait_for(self) -> None:
        """A client that sends the body at once, or has none, or speaks HTTP/1.0, is not told to go on."""
        old = get("/", "Content-Length: 4", "Expect: 100-continue", version="1.0", method="POST") + b"body"
        for request, body in ((self.HEAD + b"body", b"body"), (get("/", "Expect: 100-continue"), b""), (old, b"body")):
            client = self.connect(self.serve(echo))
            for _ in range(1 if request is old else 2):
                self.assertEqual((200, body), ((answer := client.ask(request)).status, answer.body))

    def test_read_after_the_answer_began(self) -> None:
        """100 Continue is not sent into a response that has begun."""

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            start_response("200 OK", PLAIN)
            yield b"began "
            yield environ["wsgi.input"].read(4)

        client = self.connect(self.serve(app)).send(self.HEAD)
        received = client.read_until(b"began \r\n")
        received += client.send(b"body").read_until(b"0\r\n\r\n")
        self.assertTrue(received.endswith(b"\r\n\r\n6\r\nbegan \r\n4\r\nbody\r\n0\r\n\r\n"), received)

"""Responses: framed so that the client knows where they end, and sent when the application gives them."""

from __future__ import annotations

import unittest
from typing import Any

from liveserver_testcase.errors import InvalidResponse
from liveserver_testcase.web.request_head import parse_head
from liveserver_testcase.web.response import ResponseWriter, prepare_head
from tests.integration.web.wire import GET, PLAIN, WireTestCase, get, hello, replying, streaming


class Framing(WireTestCase):
    """How the client learns where the body ends."""

    def test_known_length(self) -> None:
        """A list or tuple is sent with its length, all of it; an empty body, of a stream too, has the length 0."""

        def of_a_tuple(environ: dict[str, Any], start_response: Any) -> Any:
            start_response("200 OK", PLAIN)
            return b"one", b"two"

        table: list[tuple[Any, bytes]] = [
            (replying(b"one", b"", b"two"), b"onetwo"), (of_a_tuple, b"onetwo"), (replying(), b""),
            (replying(b""), b""), (streaming(), b""), (streaming(b"", b""), b""),
        ]  # fmt: skip
        for app, body in table:
            answer = self.ask(app, valid=app is not of_a_tuple)
            found = answer.get("Content-Length"), answer.get("Transfer-Encoding"), answer.body
            self.assertEqual((str(len(body)), None, body), found)

    def test_stream(self) -> None:
        """An item is a chunk, without empty ones, which would end it; with a length it is sent as it is."""
        answer = self.ask(streaming(b"one", b"", b"two", b""))
        self.assertEqual(("chunked", [b"one", b"two"]), (answer.get("Transfer-Encoding"), answer.chunks))
        client = self.connect(self.serve(streaming(b"one", b"two", headers=[*PLAIN, ("Content-Length", "6")])))
        for _ in range(2):
            self.assertEqual((b"onetwo", []), ((answer := client.ask(GET)).body, answer.chunks))

    def test_large(self) -> None:
        """Large bodies arrive whole, from a list and from a stream."""
        data = bytes(range(256)) * 4096 * 8
        for app, size in ((replying(data), len(data)), (streaming(data), len(data)), (replying(data[:70000]), 70000)):
            self.assertEqual(data[:size], self.ask(app).body)

    def test_application_cannot_frame(self) -> None:
        """Transfer-Encoding and Keep-Alive of an application are left out; a length that comes twice is sent once."""
        body = b"5\r\nhello\r\n0\r\n\r\n"
        framing = [("Transfer-Encoding", "chunked"), ("Keep-Alive", "x"), *[("Content-Length", str(len(body)))] * 2]
        answer = self.ask(replying(body, headers=[*PLAIN, *framing]))
        self.assertEqual((None, None), (answer.get("Transfer-Encoding"), answer.get("Keep-Alive")))
        self.assertEqual((str(len(body)), body), (answer.get("Content-Length"), answer.body))


class WithoutBody(WireTestCase):
    """Responses that have no body by definition; the next response follows where one would be."""

    def check(self, app: Any, request: bytes, status: int, length: str | None) -> None:
        client = self.connect(self.serve(app, valid=False))
        for _ in range(2):
            answer = client.ask(request)
            self.assertEqual((status, length), (answer.status, answer.get("Content-Length")))
            self.assertIsNone(answer.get("Transfer-Encoding"))

    def test_head(self) -> None:
        """HEAD of a list has the length that GET would have; of any body that which the application says."""
        self.check(hello, get(method="HEAD"), 200, "5")
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

    def test_statuses(self) -> None:
        """204 has neither body nor Content-Length, whatever the application says; 304 only the application's length."""
        for headers in (PLAIN, [*PLAIN, ("Content-Length", "5")]):
            self.check(replying(b"hello", status="204 NO CONTENT", headers=headers), GET, 204, None)
        self.check(replying(b"hello", status="304 NOT MODIFIED"), GET, 304, None)
        self.check(replying(status="304 NOT MODIFIED", headers=[("Content-Length", "7")]), GET, 304, "7")

    def test_interim(self) -> None:
        """A 1xx status of an application goes out without a body, and the connection is closed: nothing can follow."""
        for status in (100, 101, 103, 199):
            with self.subTest(status=status):
                client = self.connect(self.serve(replying(b"hello", status=f"{status} X"), valid=False))
                answer = client.ask(GET)
                self.assertEqual(
                    (status, None, "close"), (answer.status, answer.get("Content-Length"), answer.get("Connection"))
                )
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
        """Any status from 200 on and any reason are sent as they are; the reason may be missing."""
        for status in ("200 OK", "299 Odd (reason)", "404 NOT FOUND", "599 \xe4", "999 x", "204"):
            answer = self.ask(replying(b"", status=status), valid=False)
            self.assertEqual(status, f"{answer.status} {answer.reason}".strip())

    def test_subclass_of_str(self) -> None:
        """A subclass of str is a str."""

        class Text(str):
            __slots__ = ()

        headers = [(Text("X-A"), Text("b"))]
        self.assertEqual("b", self.ask(replying(b"", status=Text("200 OK"), headers=headers), valid=False).get("X-A"))


class ByHand(unittest.TestCase):
    """What a handler can do that is no WSGI application."""

    def setUp(self) -> None:
        self.sent: list[bytes] = []
        self.response = self.make(GET)

    def make(self, request: bytes) -> ResponseWriter:
        return ResponseWriter(parse_head(request), self.sent.append, lambda: True)

    def begin(self, *headers: tuple[str, str]) -> None:
        own = (("Date", "now"), ("Server", "mine"))
        self.response.begin_prepared(prepare_head("200 OK", (*headers, *own)))

    def assert_sent(self, *pieces: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\nDate: now\r\nServer: mine\r\n"
        self.assertEqual([head + pieces[0], *pieces[1:]], self.sent)

    def test_a_prepared_head(self) -> None:
        """A head that was checked once is sent to any number of clients."""
        prepared = prepare_head("201 Created", [("Date", "now"), ("Server", "mine"), ("X-A", "1")])
        for _ in range(2):
            response = self.make(GET)
            response.begin_prepared(prepared)
            response.finish(b"abc")
        expected = b"HTTP/1.1 201 Created\r\nDate: now\r\nServer: mine\r\nX-A: 1\r\nContent-Length: 3\r\n\r\nabc"
        self.assertEqual([expected] * 2, self.sent)

    def test_a_constant(self) -> None:
        """What is always the same is sent in one piece, where the connection stays, and else not at all."""
        prepared, tail = prepare_head("200 OK", [("X-A", "1")]), b"Content-Length: 3\r\n\r\nabc"
        self.assertTrue(self.response.send_constant(prepared, tail, 3))
        (sent,) = self.sent
        self.assertRegex(sent, rb"^HTTP/1.1 200 OK\r\nX-A: 1\r\nDate: [^\r]+ GMT\r\nServer: [^\r]+\r\n" + tail + b"$")
        facts = self.response
        self.assertEqual((200, 3, True, True), (facts.status, facts.sent, facts.finished, facts.keep_alive))
        self.assertFalse(self.response.send_constant(prepared, tail, 3))
        for request in (get(method="HEAD"), get(version="1.0"), get("/", "Connection: close")):
            self.assertFalse(self.make(request).send_constant(prepared, tail, 3))
        closing = ResponseWriter(parse_head(GET), self.sent.append, lambda: False)
        self.assertFalse(closing.send_constant(prepared, tail, 3))
        self.assertEqual((1, False), (len(self.sent), closing.begun))

    def test_a_head_by_itself(self) -> None:
        """It leaves alone and cannot change any more, with the length that is told, and the body is held to it."""
        self.begin()
        self.response.send_head(3)
        self.response.send_head(99)
        self.assert_sent(b"Content-Length: 3\r\n\r\n")
        with self.assertRaisesRegex(InvalidResponse, "its status and headers cannot change any more"):
            self.begin()
        with self.assertRaisesRegex(InvalidResponse, "1 bytes longer"):
            self.response.write(b"abcd")
        self.assertEqual([b"abc"], self.sent[1:])

    def test_a_head_of_no_length_or_no_body(self) -> None:
        """Without a length the body is chunked; to a HEAD the length is said, and nothing follows."""
        self.begin()
        self.response.send_head()
        self.response.write(b"abc")
        self.response.finish()
        self.assert_sent(b"Transfer-Encoding: chunked\r\n\r\n", b"3\r\nabc\r\n", b"0\r\n\r\n")
        self.sent.clear()
        self.response = self.make(get(method="HEAD"))
        self.begin()
        self.response.send_head(3)
        self.response.finish(b"abc")
        self.assert_sent(b"Content-Length: 3\r\n\r\n")

    def test_trailers(self) -> None:
        """They follow a chunked body, and are dropped where the body is not chunked."""
        self.begin()
        self.response.write(b"abc")
        self.response.finish(b"d", trailers=b"X-Sum: 1\r\n")
        self.assertEqual(b"0\r\nX-Sum: 1\r\n\r\n", self.sent[-1])
        self.response = self.make(GET)
        self.begin()
        self.response.finish(b"d", trailers=b"X-Sum: 1\r\n")
        self.assertTrue(self.sent[-1].endswith(b"Content-Length: 1\r\n\r\nd"))

    def test_diverted(self) -> None:
        """What leaves can go another way."""
        self.begin()
        self.response.wrap_send(lambda send: lambda data: send(data.replace(b"200 OK", b"2x0 OK")))
        self.response.finish()
        self.assertTrue(self.sent[0].startswith(b"HTTP/1.1 2x0 OK\r\n"))

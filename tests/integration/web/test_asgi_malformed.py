"""ASGI is as strict as WSGI: the same table of malformed requests, before both of uvicorn's parsers."""

from __future__ import annotations

from typing import Any

from liveserver_testcase.web.asgi import ASGIServer
from tests.integration.web import test_malformed as wsgi
from tests.integration.web.asgi_case import ASGICase, answer
from tests.integration.web.malformed import CHUNKED, SIZE
from tests.integration.web.wire import GET, chunked, get, post
from tests.support import wait_until

__all__ = ["HTTPToolsMalformed"]

SHORT = 0.05
"""Seconds that a client gets where it is to be found too slow."""
IN_CHUNKS = ("Transfer-Encoding: chunked",)
H2C = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAAB")


class HTTPToolsMalformed(wsgi.Malformed):
    """Each row of the tables, with the parser of Node.js behind the checks."""

    parser = "httptools"
    server: Any

    def setUp(self) -> None:
        self.bodies: list[bytes] = []
        self.logged = self.keep_logs()
        self.server = ASGIServer(self.asgi_app, options={"http": self.parser, "lifespan": "off"})
        self.server.start()
        self.addCleanup(self.server.stop)

    async def asgi_app(self, scope: Any, receive: Any, send: Any) -> None:
        """Read the body, and keep what came whole."""
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            if not message["more_body"]:
                break
        self.bodies.append(body)
        await answer(send, b"")


class H11Malformed(HTTPToolsMalformed):
    """The same with h11."""

    parser = "h11"


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the body."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    await answer(send, b"<%b>" % body)


class Requests(ASGICase):
    """Good requests that look unusual, and what is refused in time, with the parser of Node.js."""

    parser = "httptools"

    def statuses(self) -> list[int | None]:
        """What was answered with, when every call has ended."""
        self.wait_idle()
        return [record.status for record in self.server.journal.entries()]

    def test_an_offer_of_http2(self) -> None:
        """An offer to change the protocol is ignored, and the body read, whatever its framing."""
        self.serve(echo, self.parser)
        for request in (post(b"abc", *H2C), get("/", *H2C, *IN_CHUNKS, method="POST") + b"3\r\nabc\r\n0\r\n\r\n"):
            with self.subTest(request=request):
                client = self.client().send(request + GET)
                self.assertEqual([b"<abc>", b"<>"], [client.answer().body, client.answer().body])

    def test_pieces(self) -> None:
        """Requests that come byte by byte, one behind the other, are read as if they came at once."""
        in_chunks = get("/", *IN_CHUNKS, method="POST") + b"2;a=b\r\nab\r\n1\r\nc\r\n0\r\nX: y\r\n\r\n"
        self.serve(echo, self.parser)
        client = self.client()
        for byte in post(b"hello") + b"\r\n" + in_chunks + GET:
            client.send(bytes([byte]))
        self.assertEqual([b"<hello>", b"<abc>", b"<>"], [client.answer().body for _ in range(3)])
        self.assertEqual([0, 1, 2], [record.exchange_index for record in self.server.journal.entries()])

    def test_chunk_extensions_and_trailers(self) -> None:
        """Neither is handed to the application: parsers do not agree on them, and trailers are no headers."""
        names: list[list[bytes]] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await echo(scope, receive, send)
            names.append([name for name, _ in scope["headers"]])

        body = b'2 ; a="b"\r\nab\r\n0001\r\nc\r\n0 ;x\r\nX: y\r\nContent-Length: 1\r\n\r\n'
        self.serve(app, self.parser)
        client = self.client().send(get("/", *IN_CHUNKS, method="POST") + body + get("/", "Connection: close"))
        self.assertEqual([b"<abc>", b"<>"], [client.answer().body for _ in range(2)])
        self.assertTrue(client.is_at_end())
        self.assertEqual([[b"host", b"transfer-encoding"], [b"host", b"connection"]], names)

    def test_empty_lines(self) -> None:
        """One empty line before a request is forgiven, and no second one, however they arrive."""
        self.serve(echo, self.parser)
        for by_byte in (False, True):
            for lines, status in ((1, 200), (2, 400)):
                with self.subTest(by_byte=by_byte, lines=lines):
                    client = self.client()
                    sent = b"\r\n" * lines + get("/", "Connection: close")
                    try:
                        for piece in [sent[i : i + 1] for i in range(len(sent))] if by_byte else [sent]:
                            client.send(piece)
                    except OSError:  # it was refused before all of it had been sent
                        self.assertEqual(400, status)
                    self.assertEqual(status, client.answer().status)

    def test_pipelined_and_malformed(self) -> None:
        """What comes before a malformed request is answered; what comes behind it is not."""
        self.serve(echo, self.parser)
        client = self.client().send(post(b"abc") + get("/", "Host: b") + GET)
        self.assertEqual(b"<abc>", client.answer().body)
        refusal = client.answer()
        self.assertEqual((400, b"more than one Host header\n"), (refusal.status, refusal.body))
        self.assertTrue(client.is_at_end())
        self.assertEqual([200, 400], self.statuses())

    def test_behind_the_last_one(self) -> None:
        """What comes behind a request that ends the connection is neither answered nor recorded."""
        for behind in (GET, get("/", "Host: b")):
            with self.subTest(behind=behind):
                self.serve(echo, self.parser)
                client = self.client().send(get("/", "Connection: close") + behind)
                self.assertEqual(b"<>", client.answer().body)
                self.assertEqual([200], self.statuses())

    def test_an_unknown_method(self) -> None:
        """Any token is a method, whatever httptools knows of it, with any framing, and also of a later request."""
        methods: list[str] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            methods.append(scope["method"])
            await echo(scope, receive, send)

        self.serve(app, self.parser)
        names = ["GET", "LIST", "BREW", "PLAY", "PRI", "SOURCE", "M-SEARCH", "get", "head", "!#$%&'*+-.^_`|~1"]
        for name in names:
            client = self.client().send(GET + get(method=name) + get("/", *IN_CHUNKS, method=name) + chunked(b"ab"))
            client.send(get("/", "Content-Length: 3", method=name) + b"abc" + get(version="1.0", method=name))
            bodies = [client.answer().body for _ in range(5)]
            with self.subTest(name=name):
                self.assertEqual([b"<>", b"<>", b"<ab>", b"<abc>", b"<>"], bodies)
                self.assertTrue(client.is_at_end())
        wanted = [method for name in names for method in ("GET", *[name] * 4)]
        self.wait_idle()
        self.assertEqual((wanted, wanted), (methods, [record.method for record in self.server.journal.entries()]))

    def test_whole_urls(self) -> None:
        """A target that is a whole URL is its path and its query."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await answer(send, b"%b %b" % (scope["raw_path"], scope["query_string"]))

        self.serve(app, self.parser)
        client = self.client()
        for method in ("GET", "OPTIONS", "LIST"):
            for target, wanted in (
                ("http://a", b"/ "),
                ("http://a?b", b"/ b"),
                ("http://a/%41?b?c", b"/%41 b?c"),
                ("/http://a", b"/http://a "),
            ):
                with self.subTest(method=method, target=target):
                    self.assertEqual(wanted, client.ask(get(target, method=method)).body)

    def test_many_at_once(self) -> None:
        """Thousands of requests that are sent at once are all answered in turn."""
        self.serve(echo, self.parser)
        client = self.client().send(GET * 5000)
        self.assertEqual({b"<>"}, {client.answer().body for _ in range(5000)})

    def test_malformed_in_a_stream(self) -> None:
        """A body that turns out malformed when the response has begun cuts it off."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while (message := await receive())["type"] == "http.request":
                await send({"type": "http.response.body", "body": message["body"], "more_body": True})

        self.serve(app, self.parser)
        client = self.client().send(CHUNKED + b"5\r\nhello\r\n")
        received = client.read_until(b"hello\r\n")
        client.send(b"x\r\n")
        self.assertTrue(received.endswith(b"5\r\nhello\r\n"), received)
        self.assertTrue(client.is_at_end())
        record = self.only()
        self.assertEqual((SIZE, False, []), (record.refused, record.completed, record.errors))

    def test_a_slow_head(self) -> None:
        """A head that is not complete in time is refused with a 408, also that of a later request."""
        self.serve(echo, self.parser, header_timeout=SHORT)
        for before in ([], [GET]):
            with self.subTest(before=before):
                client = self.client()
                for request in before:
                    client.ask(request)
                refusal = client.send(GET[:-1]).answer()
                self.assertEqual((408, b"a head that is not complete after 0.05 s\n"), (refusal.status, refusal.body))
                self.assertTrue(client.is_at_end())

    def test_a_slow_body(self) -> None:
        """A body of which nothing more comes is refused with a 408, and the application's answer not sent."""
        reason = "a body of which nothing more came for 0.05 s"
        for sent in (post(b"body")[:-1], get("/", *IN_CHUNKS, method="POST") + b"4\r\nbo"):
            with self.subTest(sent=sent):
                self.serve(echo, self.parser, body_timeout=SHORT)
                client = self.client().send(sent)
                refusal = client.answer()
                self.assertEqual((408, f"{reason}\n".encode()), (refusal.status, refusal.body))
                self.assertTrue(client.is_at_end())
                self.assertEqual([], self.errors())
                record = self.only()
                self.assertEqual((reason, 408), (record.refused, record.status))

    def test_half_a_head(self) -> None:
        """A client that leaves in the middle of a head is recorded."""
        self.serve(echo, self.parser)
        self.client().send(GET[:-1]).close()
        self.assertTrue(wait_until(lambda: len(self.server.journal)))
        self.assertEqual("the client left after 26 bytes of a request's head", self.only().aborted)


class H11Requests(Requests):
    """The same with h11."""

    parser = "h11"

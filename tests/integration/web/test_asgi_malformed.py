"""ASGI is as strict as WSGI: the same table of malformed requests, before both of uvicorn's parsers."""

from __future__ import annotations

from typing import Any

from liveserver_testcase.web.asgi import ASGIServer
from tests.integration.web import test_malformed as wsgi
from tests.integration.web.asgi_case import ASGICase
from tests.integration.web.malformed import CHUNKED, SIZE
from tests.integration.web.wire import GET, get, post
from tests.support import wait_until

__all__ = ["HTTPToolsMalformed", "Requests"]

SHORT = 0.05
"""Seconds that a client gets where it is to be found too slow."""
H2C = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAAB")


class HTTPToolsMalformed(wsgi.Malformed):
    """Each row of the tables, with the parser of Node.js behind the checks."""

    parser = "httptools"
    server: Any

    def setUp(self) -> None:
        self.bodies: list[bytes] = []
        self.logged: list[str] = []  # uvicorn warns of the methods that its parser does not know
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
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})


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
    length = str(len(body) + 2).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
    await send({"type": "http.response.body", "body": b"<%b>" % body})


class Requests(ASGICase):
    """Good requests that look unusual."""

    def test_an_offer_of_http2(self) -> None:
        """An offer to change the protocol is ignored, and the body read, whatever its framing."""
        in_chunks = get("/", *H2C, "Transfer-Encoding: chunked", method="POST") + b"3\r\nabc\r\n0\r\n\r\n"
        for parser in self.parsers:
            for request in (post(b"abc", *H2C), in_chunks):
                with self.subTest(parser=parser, request=request):
                    client = self.connect(self.serve(echo, parser))
                    client.send(request + GET)
                    self.assertEqual([b"<abc>", b"<>"], [client.answer().body, client.answer().body])

    def test_pieces(self) -> None:
        """Requests that come byte by byte, one behind the other, are read as if they came at once."""
        chunked = get("/", "Transfer-Encoding: chunked", method="POST") + b"2;a=b\r\nab\r\n1\r\nc\r\n0\r\nX: y\r\n\r\n"
        for parser in self.parsers:
            with self.subTest(parser=parser):
                server = self.serve(echo, parser)
                client = self.connect(server)
                for byte in post(b"hello") + b"\r\n" + chunked + GET:
                    client.send(bytes([byte]))
                self.assertEqual([b"<hello>", b"<abc>", b"<>"], [client.answer().body for _ in range(3)])
                self.assertEqual([0, 1, 2], [record.exchange_index for record in server.journal.entries()])

    def test_chunk_extensions_and_trailers(self) -> None:
        """Neither is handed to the application: parsers do not agree on them, and trailers are no headers."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await echo(scope, receive, send)
            names.append([name for name, _ in scope["headers"]])

        chunked = get("/", "Transfer-Encoding: chunked", method="POST")
        body = b'2 ; a="b"\r\nab\r\n0001\r\nc\r\n0 ;x\r\nX: y\r\nContent-Length: 1\r\n\r\n'
        for parser in self.parsers:
            with self.subTest(parser=parser):
                names: list[list[bytes]] = []
                client = self.connect(self.serve(app, parser))
                client.send(chunked + body + get("/", "Connection: close"))
                self.assertEqual([b"<abc>", b"<>"], [client.answer().body for _ in range(2)])
                self.assertTrue(client.is_at_end())
                self.assertEqual([[b"host", b"transfer-encoding"], [b"host", b"connection"]], names)

    def test_empty_lines(self) -> None:
        """One empty line before a request is forgiven, and no second one, however they arrive."""
        for parser in self.parsers:
            for by_byte in (False, True):
                for lines, status in ((1, 200), (2, 400)):
                    with self.subTest(parser=parser, by_byte=by_byte, lines=lines):
                        client = self.connect(self.serve(echo, parser))
                        sent = b"\r\n" * lines + get("/", "Connection: close")
                        try:
                            for piece in [sent[i : i + 1] for i in range(len(sent))] if by_byte else [sent]:
                                client.send(piece)
                        except OSError:  # it was refused before all of it had been sent
                            self.assertEqual(400, status)
                        self.assertEqual(status, client.answer().status)

    def test_pipelined_and_malformed(self) -> None:
        """What comes before a malformed request is answered; what comes behind it is not."""
        for parser in self.parsers:
            with self.subTest(parser=parser):
                server = self.serve(echo, parser)
                client = self.connect(server)
                client.send(post(b"abc") + get("/", "Host: b") + GET)
                self.assertEqual(b"<abc>", client.answer().body)
                answer = client.answer()
                self.assertEqual((400, b"more than one Host header\n"), (answer.status, answer.body))
                self.assertTrue(client.is_at_end())
                self.assertEqual([200, 400], [record.status for record in server.journal.entries()])

    def test_behind_the_last_one(self) -> None:
        """What comes behind a request that ends the connection is neither answered nor recorded."""
        for parser in self.parsers:
            for behind in (GET, get("/", "Host: b")):
                with self.subTest(parser=parser, behind=behind):
                    server = self.serve(echo, parser)
                    client = self.connect(server)
                    client.send(get("/", "Connection: close") + behind)
                    self.assertEqual(b"<>", client.answer().body)
                    self.assertTrue(wait_until(lambda server=server: not server.in_flight))  # type: ignore[misc]
                    self.assertEqual([200], [record.status for record in server.journal.entries()])

    def test_an_unknown_method(self) -> None:
        """A method that httptools does not know is refused, as a later request, too; h11 knows any."""
        for parser, statuses in zip(self.parsers, ([200, 501], [200, 200]), strict=True):
            with self.subTest(parser=parser):
                server = self.serve(echo, parser)
                client = self.connect(server)
                client.send(GET + get(method="FROB"))
                self.assertEqual(statuses, [client.answer().status, client.answer().status])
                self.assertTrue(wait_until(lambda server=server: not server.in_flight))  # type: ignore[misc]
                self.assertEqual(statuses, [record.status for record in server.journal.entries()])

    def test_many_at_once(self) -> None:
        """Thousands of requests that are sent at once are all answered in turn."""
        for parser in self.parsers:
            with self.subTest(parser=parser):
                client = self.connect(self.serve(echo, parser))
                client.send(GET * 5000)
                self.assertEqual({b"<>"}, {client.answer().body for _ in range(5000)})

    def test_malformed_in_a_stream(self) -> None:
        """A body that turns out malformed when the response has begun cuts it off."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while (message := await receive())["type"] == "http.request":
                await send({"type": "http.response.body", "body": message["body"], "more_body": True})

        for parser in self.parsers:
            with self.subTest(parser=parser):
                server = self.serve(app, parser)
                client = self.connect(server)
                client.send(CHUNKED + b"5\r\nhello\r\n")
                received = b""
                while b"hello" not in received:
                    received += client.sock.recv(65536)
                client.send(b"x\r\n")
                while more := client.sock.recv(65536):
                    received += more
                self.assertTrue(received.endswith(b"5\r\nhello\r\n"), received)
                wait_until(lambda server=server: not server.in_flight)  # type: ignore[misc]
                (record,) = server.journal.entries()
                self.assertEqual((SIZE, False, []), (getattr(record, "refused", ""), record.completed, record.errors))

    def test_a_slow_head(self) -> None:
        """A head that is not complete in time is refused with a 408, also that of a later request."""
        for parser in self.parsers:
            for before in (b"", GET):
                with self.subTest(parser=parser, before=before):
                    client = self.connect(self.serve(echo, parser, header_timeout=SHORT))
                    if before:
                        client.ask(before)
                    answer = client.send(GET[:-1]).answer()
                    self.assertEqual((408, b"a head that is not complete after 0.05 s\n"), (answer.status, answer.body))
                    self.assertTrue(client.is_at_end())

    def test_a_slow_body(self) -> None:
        """A body of which nothing more comes is refused with a 408, and the application's answer not sent."""
        reason = "a body of which nothing more came for 0.05 s"
        for parser in self.parsers:
            for sent in (post(b"body")[:-1], get("/", "Transfer-Encoding: chunked", method="POST") + b"4\r\nbo"):
                with self.subTest(parser=parser, sent=sent):
                    server = self.serve(echo, parser, body_timeout=SHORT)
                    client = self.connect(server)
                    answer = client.send(sent).answer()
                    self.assertEqual((408, f"{reason}\n".encode()), (answer.status, answer.body))
                    self.assertTrue(client.is_at_end())
                    self.assertEqual([], self.errors(server))
                    (record,) = server.journal.entries()
                    self.assertEqual((reason, 408), (record.refused, record.status))

    def test_half_a_head(self) -> None:
        """A client that leaves in the middle of a head is recorded."""
        server = self.serve(echo, "httptools")
        client = self.connect(server)
        client.send(GET[:-1])
        client.close()
        wait_until(lambda: len(server.journal) > 0)
        (record,) = server.journal.entries()
        self.assertEqual("the client left after 26 bytes of a request's head", record.aborted)

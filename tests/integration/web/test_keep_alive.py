"""How long a connection lasts, and what may come on it."""

from __future__ import annotations

from typing import Any

from tests.integration.web.wire import GET, WireTestCase, chunked, echo, get, hello, post, streaming


class KeepAlive(WireTestCase):
    """A connection stays until one side does not want it to."""

    def test_stays(self) -> None:
        """A connection of HTTP/1.1 stays for the next request without being asked to."""
        client = self.connect(self.serve(hello))
        for _ in range(3):
            answer = client.ask(GET)
            self.assertEqual((200, b"hello", None), (answer.status, answer.body, answer.get("Connection")))

    def test_connection_header(self) -> None:
        """A close that the client asks for, in any of its headers, comes after the answer, announced; nothing else."""
        for values in (["close"], ["Close"], ["foo, close"], ["foo , close"], ["close,keep-alive"], ["x", "close"]):
            with self.subTest(values=values):
                client = self.connect(self.serve(hello))
                fields = [f"Connection: {value}" for value in values]
                self.assertEqual("close", client.ask(get("/", *fields)).get("Connection"))
                self.assertTrue(client.is_at_end())
        client = self.connect(self.serve(hello))
        self.assertIsNone(client.ask(get("/", "Connection: closet, x")).get("Connection"))
        self.assertEqual(200, client.ask(GET).status)

    def test_application_closes(self) -> None:
        """An application can have the connection closed."""
        client = self.connect(self.serve(closing))
        self.assertEqual(["close"], client.ask(GET).get_all("Connection"))
        self.assertTrue(client.is_at_end())

    def test_http_1_0(self) -> None:
        """A connection of HTTP/1.0 stays, and says so, if the client asks for that and the length is known."""
        # what has no length ends with the connection
        for app, fields, body, length in (
            (hello, [], b"hello", "5"),
            (hello, ["Connection: keep-alive, close"], b"hello", "5"),
            (streaming(b"one", b"two"), ["Connection: keep-alive"], b"onetwo", None),
        ):
            with self.subTest(app=app, fields=fields):
                client = self.connect(self.serve(app))
                answer = client.ask(get("/", *fields, version="1.0"))
                found = answer.body, answer.get("Content-Length"), answer.get("Connection")
                self.assertEqual((body, length, "close"), found)
                self.assertTrue(client.is_at_end())
        client = self.connect(self.serve(hello))
        for _ in range(2):
            answer = client.ask(get("/", "Connection: Keep-Alive", version="1.0"))
            self.assertEqual("keep-alive", answer.get("Connection"))

    def test_upgrade_is_not_granted(self) -> None:
        """A wish to change the protocol is passed over; body and connection are those of HTTP/1.1."""
        client = self.connect(self.serve(echo))
        wish = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA")
        answer = client.ask(post(b"body", *wish))
        self.assertEqual((200, b"body"), (answer.status, answer.body))
        self.assertEqual(b"next", client.ask(post(b"next")).body)

    def test_empty_lines(self) -> None:
        """One before a request is forgiven, however it arrives, and makes no request of its own; two are none."""
        server = self.serve(hello)
        for parts in ([b"\r\n" + GET], [b"\r", b"\n", GET], [b"\r\n", GET[:5], GET[5:]]):
            with self.subTest(parts=parts):
                client = self.connect(server)
                client.ask(GET)
                for part in parts:
                    client.send(part)
                self.assertEqual(200, client.answer().status)
                client.close()
        self.assertEqual([], [exchange for exchange in server.journal.entries() if exchange.refused])
        for parts in ([b"\r\n\r\n" + GET], [b"\r\n", b"\r\n" + GET]):
            with self.subTest(parts=parts):
                client = self.connect(server)
                for part in parts:
                    client.send(part)
                self.assertEqual(400, client.answer().status)


class Pipelining(WireTestCase):
    """Requests that come before the last one is answered are answered in their order."""

    def test_many_at_once(self) -> None:
        """Twenty requests in one segment get twenty answers in their order."""
        client = self.connect(self.serve(telling_path))
        client.send(b"".join(get(f"/{number}") for number in range(20)))
        self.assertEqual([b"/%d" % number for number in range(20)], [client.answer().body for _ in range(20)])

    def test_bodies(self) -> None:
        """Bodies of both kinds, with requests behind them, are told apart."""
        client = self.connect(self.serve(echo))
        head = get("/", "Transfer-Encoding: chunked", method="POST")
        client.send(post(b"GET / HTTP/1.1\r\n\r\n") + head + chunked(b"ab", b"c") + post(b"") + post(b"last"))
        self.assertEqual([b"GET / HTTP/1.1\r\n\r\n", b"abc", b"", b"last"], [client.answer().body for _ in range(4)])

    def test_bodies_nobody_reads(self) -> None:
        """A body that the application does not read is not taken for the next request."""
        client = self.connect(self.serve(hello))
        head = get("/", "Transfer-Encoding: chunked", method="POST")
        client.send(post(GET) + head + chunked(GET, GET) + GET)
        self.assertEqual([200] * 3, [client.answer().status for _ in range(3)])
        client.half_close()
        self.assertTrue(client.is_at_end())

    def test_error_in_the_second(self) -> None:
        """Of two requests, the good one is answered and the bad one behind it refused, and then it is over."""
        server = self.serve(echo)
        client = self.connect(server)
        client.send(post(b"good") + b"BAD\r\n\r\n" + GET)
        self.assertEqual(b"good", client.answer().body)
        answer = client.answer()
        self.assertEqual((400, "close"), (answer.status, answer.get("Connection")))
        self.assertTrue(client.is_at_end())
        self.assertEqual(["", "a malformed request line"], [e.refused for e in self.exchanges(server, 2)])

    def test_behind_a_close(self) -> None:
        """What comes behind a request that asks for a close is not answered, and does not destroy the answer."""
        server = self.serve(hello)
        client = self.connect(server)
        client.send(get("/", "Connection: close") + GET * 1000)
        self.assertEqual(200, client.answer().status)
        self.assertTrue(client.is_at_end())
        self.exchange(server)

    def test_half_closed(self) -> None:
        """A client that has nothing more to say still gets all its answers."""
        client = self.connect(self.serve(echo))
        client.send(post(b"one") + post(b"two")).half_close()
        self.assertEqual([b"one", b"two"], [client.answer().body for _ in range(2)])
        self.assertTrue(client.is_at_end())

    def test_byte_by_byte(self) -> None:
        """Requests that come a byte at a time are the same requests."""
        client = self.connect(self.serve(echo))
        data = post(b"one") + get("/", "Transfer-Encoding: chunked", method="POST") + chunked(b"tw", b"o") + GET
        for index in range(len(data)):
            client.send(data[index : index + 1])
        self.assertEqual([b"one", b"two", b""], [client.answer().body for _ in range(3)])


def closing(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Connection", "Close")])
    return [b"bye"]


def telling_path(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode("latin-1")]

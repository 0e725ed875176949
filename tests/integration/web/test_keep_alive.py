"""How long a connection lasts, and what may come on it."""

from __future__ import annotations

from typing import Any

from tests.integration.web.wire import GET, WireTestCase, chunked, echo, get, hello, post


class KeepAlive(WireTestCase):
    """A connection stays until one side does not want it to."""

    def test_stays(self) -> None:
        """A connection of HTTP/1.1 stays for the next request without being asked to."""
        client = self.connect(self.serve(hello))
        for _ in range(3):
            answer = client.ask(GET)
            self.assertEqual((200, b"hello", None), (answer.status, answer.body, answer.get("Connection")))

    def test_client_closes(self) -> None:
        """A client that asks for a close gets one, announced, after its answer."""
        for value in ("close", "Close", "foo, close", "foo , close", "close,keep-alive"):
            with self.subTest(value=value):
                client = self.connect(self.serve(hello))
                self.assertEqual("close", client.ask(get("/", f"Connection: {value}")).get("Connection"))
                self.assertTrue(client.is_at_end())

    def test_two_connection_headers(self) -> None:
        """A close is seen in any of several Connection headers."""
        client = self.connect(self.serve(hello))
        client.ask(get("/", "Connection: keep-alive", "Connection: close"))
        self.assertTrue(client.is_at_end())

    def test_unknown_option(self) -> None:
        """A connection option that the server does not know changes nothing."""
        client = self.connect(self.serve(hello))
        self.assertIsNone(client.ask(get("/", "Connection: closet, x")).get("Connection"))
        self.assertEqual(200, client.ask(GET).status)

    def test_application_closes(self) -> None:
        """An application can have the connection closed."""
        client = self.connect(self.serve(closing))
        self.assertEqual(["close"], client.ask(GET).get_all("Connection"))
        self.assertTrue(client.is_at_end())

    def test_http_1_0(self) -> None:
        """A connection of HTTP/1.0 is closed after the answer."""
        client = self.connect(self.serve(hello))
        answer = client.ask(get(version="1.0"))
        self.assertEqual(("close", "5"), (answer.get("Connection"), answer.get("Content-Length")))
        self.assertTrue(client.is_at_end())

    def test_http_1_0_keep_alive(self) -> None:
        """A connection of HTTP/1.0 stays, and says so, if the client asks for it and the length is known."""
        client = self.connect(self.serve(hello))
        for _ in range(2):
            answer = client.ask(get("/", "Connection: Keep-Alive", version="1.0"))
            self.assertEqual("keep-alive", answer.get("Connection"))

    def test_http_1_0_both(self) -> None:
        """Of keep-alive and close in HTTP/1.0, close wins."""
        client = self.connect(self.serve(hello))
        client.ask(get("/", "Connection: keep-alive, close", version="1.0"))
        self.assertTrue(client.is_at_end())

    def test_http_1_0_unknown_length(self) -> None:
        """A response of unknown length to HTTP/1.0 is ended by the end of the connection, also with keep-alive."""
        client = self.connect(self.serve(streaming))
        answer = client.ask(get("/", "Connection: keep-alive", version="1.0"))
        self.assertEqual(
            (b"onetwo", None, "close"), (answer.body, answer.get("Content-Length"), answer.get("Connection"))
        )

    def test_upgrade_is_not_granted(self) -> None:
        """A wish to change the protocol is passed over; body and connection are those of HTTP/1.1."""
        client = self.connect(self.serve(echo))
        wish = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA")
        answer = client.ask(post(b"body", *wish))
        self.assertEqual((200, b"body"), (answer.status, answer.body))
        self.assertEqual(b"next", client.ask(post(b"next")).body)

    def test_empty_line_before_a_request(self) -> None:
        """One empty line before a request is forgiven, however it arrives, and makes no request of its own."""
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

    def test_two_empty_lines(self) -> None:
        """Two empty lines are no request."""
        for parts in ([b"\r\n\r\n" + GET], [b"\r\n", b"\r\n" + GET]):
            with self.subTest(parts=parts):
                client = self.connect(self.serve(hello))
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


def streaming(environ: dict[str, Any], start_response: Any) -> Any:
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"one"
    yield b"two"


def telling_path(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode("latin-1")]

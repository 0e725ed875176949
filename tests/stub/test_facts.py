"""What a recorded request knows of the wire, and how much of it is kept."""

from __future__ import annotations

import pickle
import unittest

from liveserver_testcase import HTTPStub, UsageError
from tests.stub.support import receive
from tests.stub.wire import WireTest, get, post
from tests.support import HANG


class FactsTest(WireTest):
    """Facts of the wire."""

    def test_of_a_plain_request(self) -> None:
        """Where it came from, what answered it, and that there was nothing special about it."""
        expectation = self.stub.on("GET", "/users/<int:id>").reply(200)
        self.send("GET", "/users/7?a=%20")
        (request,) = self.stub.requests
        self.assertEqual(
            ("127.0.0.1", "/users/7", {"id": 7}), (request.client_ip, request.raw_path, request.path_params)
        )
        self.assertIs(expectation, request.expectation)
        self.assertEqual((200, 0, 0, 0), (request.reply.status if request.reply else 0, request.index,
                                          request.connection_index, request.exchange_index))  # fmt: skip
        self.assertEqual(("", None, (), {}), (request.failure, request.tls, request.chunk_sizes, request.trailers))
        self.assertEqual((False, None), (request.is_paused, request.serving))
        self.assertGreater(request.received_at, 1.7e9)
        self.assertGreaterEqual(request.duration or -1, 0)

    def test_of_a_kept_connection(self) -> None:
        """Index of the connection, and of the exchange on it."""
        self.stub.on().reply(200)
        for _ in range(2):
            client = self.dial()
            for _ in range(2):
                client.sendall(get())
                receive(client, lambda data: data.endswith(b"\r\n\r\n"))
        places = [(request.connection_index, request.exchange_index) for request in self.stub.requests]
        self.assertEqual([(0, 0), (0, 1), (1, 0), (1, 1)], places)

    def test_of_a_chunked_request(self) -> None:
        """How it was cut, and what followed it, in a handler and afterwards."""
        seen = []
        self.stub.on().reply_with(lambda request: seen.append((request.chunk_sizes, request.trailers)) or "")
        body = b"3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n"
        client = self.dial()
        client.sendall(get("/", "Transfer-Encoding: chunked", method="POST") + body)
        receive(client, lambda data: b"\r\n\r\n" in data)
        self.stub.wait_until_idle(HANG)
        (request,) = self.stub.requests
        facts = ((3, 2), {"x-sum": "5"})
        self.assertEqual((facts, facts, b"abcde"), (seen[0], (request.chunk_sizes, request.trailers), request.body))

    def test_of_one_that_broke_off(self) -> None:
        """It is among the exchanges, with what came of its body and the reason, and among the requests it is not."""
        self.stub.on().reply(200)
        client = self.dial()
        client.sendall(get("/a", "Content-Length: 10", method="PUT") + b"abc")
        self.wait_for(lambda: self.stub.exchanges)
        client.close()
        self.stub.wait_until_idle(HANG)
        (exchange,) = self.stub.exchanges
        request = exchange.handler_data
        assert request is not None
        self.assertEqual((b"abc", 3, "PUT"), (request.body, request.body_size, request.method))  # type: ignore[attr-defined]
        self.assertRegex(request.failure, "^the client left in the middle of its request's body")  # type: ignore[attr-defined]
        self.assertEqual([], self.stub.requests)

    def test_of_a_malformed_one(self) -> None:
        """It is among the exchanges, with the reason."""
        self.see(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n")
        (exchange,) = self.stub.exchanges
        self.assertEqual(("GET", "a Content-Length that is no number of bytes"), (exchange.method, exchange.refused))

    def test_comparing(self) -> None:
        """It can be asked for criteria, and how it differs from them; unknown keywords name the nearest."""
        self.stub.on().reply(200)
        self.send("POST", "/a?b=1", b"body")
        request = self.stub.last_request
        self.assertTrue(request.matches() and request.matches("POST", "/a", query={"b": "1"}, body=b"body"))
        self.assertFalse(request.matches("GET", "/a") or request.matches(None, "/b"))
        self.assertEqual(
            ["method: wanted GET, got POST"], [str(mismatch) for mismatch in request.difference("GET", "/a")]
        )
        for function in (request.matches, request.difference):
            with self.assertRaises(TypeError) as caught:
                function("GET", quer={})  # type: ignore[call-arg]
            self.assertEqual(
                f"{function.__name__}() got an unexpected keyword argument 'quer'. Did you mean 'query'?",
                str(caught.exception),
            )

    def test_it_is_no_thing_to_pickle(self) -> None:
        """Neither is the stub: what to do instead is said."""
        with self.assertRaisesRegex(
            TypeError, "cannot be pickled or copied: it is a socket and threads of this process"
        ):
            pickle.dumps(self.stub)

    def test_what_a_handler_keeps(self) -> None:
        """An environ can be made again and again, with the body to be read from its beginning."""
        self.stub.on().reply_with(lambda request: request.make_environ()["wsgi.input"].read() * 2)
        self.assertEqual(b"abab", self.send("POST", "/", b"ab").body)
        (request,) = self.stub.requests
        self.assertEqual(b"ab", request.make_environ()["wsgi.input"].read())


class KeepingTest(WireTest):
    """How much of the bodies is kept: `body_limit`."""

    def serve(self, limit: int) -> HTTPStub:
        self.stub.stop()
        self.stub = HTTPStub(body_limit=limit)
        self.addCleanup(self.stub.stop)
        self.stub.start()
        return self.stub

    def test_the_oldest_go_first(self) -> None:
        """Of all that is beyond the limit the size is kept, and reports say so."""
        stub = self.serve(100)
        stub.on().reply(200)
        for number in range(4):
            self.send("POST", f"/{number}", bytes([65 + number]) * 40)
        self.assertEqual([(40, 0), (40, 0), (40, 40), (40, 40)], [(r.body_size, len(r.body)) for r in stub.requests])
        self.assertEqual(
            "POST /0 (40 bytes of no content type, of which none is kept: see body_limit)",
            stub.requests[0].describe(),
        )
        self.assertIn("of which none is kept: see body_limit", "\n".join(stub.traffic.list_requests()))

    def test_one_that_is_too_large_by_itself(self) -> None:
        """Its beginning is kept, the rest is counted; matching and answering go on."""
        stub = self.serve(100)
        stub.on().reply(200)
        self.assertEqual(200, self.send("POST", "/", b"x" * 1_000_000).status)
        self.assertEqual(200, self.send("POST", "/", iter([b"y" * 70_000] * 2), encode_chunked=True,
                                        headers={"Transfer-Encoding": "chunked"}).status)  # fmt: skip
        first, second = stub.requests
        self.assertEqual((1_000_000, 140_000, b"y" * 100), (first.body_size, second.body_size, second.body))
        self.assertRegex(second.describe(), r"140,000 bytes of no content type, of which the first 100 are kept")

    def test_json_that_was_not_kept(self) -> None:
        """Whoever reads it is told why it is no JSON."""
        stub = self.serve(5)
        stub.on().reply(200)
        self.send("POST", "/", b'{"a": 1, "b": 2}', {"Content-Type": "application/json"})
        with self.assertRaises(ValueError) as caught:
            _ = stub.requests[0].json
        self.assertEqual(
            "the body of POST / (16 bytes of application/json, of which the first 5 are kept: see body_limit) "
            "was not kept as a whole",
            str(caught.exception),
        )

    def test_each_test_has_room_of_its_own(self) -> None:
        """The bodies of the one before do not count."""
        stub = self.serve(100)
        for name in ("a", "b"):
            self.begin(name)
            stub.on().reply(200)
            self.send("POST", "/", b"x" * 100)
            self.assertEqual(100, len(stub.requests[0].body))

    def test_misuse(self) -> None:
        """A number of bytes."""
        for limit in (-1, 1.5, True, "64M"):
            with self.subTest(limit=limit), self.assertRaises(UsageError) as caught:
                HTTPStub(body_limit=limit)  # type: ignore[arg-type]
            self.assertEqual(f"body_limit is {limit!r}; wanted a number of bytes, 0 or more", str(caught.exception))

    def test_a_thousand_large_ones(self) -> None:
        """Never more than the limit is kept, however many come."""
        stub = self.serve(1_000_000)
        stub.on().reply(200)
        client = self.dial()
        for _ in range(100):
            client.sendall(post(b"x" * 100_000))
            receive(client, lambda data: data.endswith(b"\r\n\r\n"))
        self.assertEqual(1_000_000, sum(len(request.body) for request in stub.requests))
        self.assertEqual(10_000_000, sum(request.body_size for request in stub.requests))


if __name__ == "__main__":
    unittest.main()

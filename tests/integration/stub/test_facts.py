"""What a recorded request knows of the wire, and how much of it is kept."""

from __future__ import annotations

import gc
import re
import weakref
from typing import Any

from liveserver_testcase import ABSENT, HTTPStub, RecordedRequest, UsageError
from tests.integration.stub.support import WireTest, get, post, receive
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
        """How it was cut, and what followed it, in a handler and afterwards; an environ can be made again."""
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
        self.begin("shop.test_b")
        self.stub.on().reply_with(lambda request: request.make_environ()["wsgi.input"].read() * 2)
        self.assertEqual(b"abab", self.send("POST", "/", b"ab").body)
        (request,) = self.stub.requests
        self.assertEqual(b"ab", request.make_environ()["wsgi.input"].read())

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


class KeepingTest(WireTest):
    """How much of the bodies is kept: `body_limit`."""

    def serve(self, limit: int) -> HTTPStub:
        self.stub = self.make_stub(body_limit=limit)
        return self.stub

    def test_each_is_capped_by_itself(self) -> None:
        """What is beyond the limit is counted, and reports say so; no other request loses anything by it."""
        stub = self.serve(40)
        stub.on().reply(200)
        for size in (40, 41, 1_000_000, 40):
            self.assertEqual(200, self.send("POST", "/", b"x" * size).status)
        sizes = [(40, 40), (41, 40), (1_000_000, 40), (40, 40)]
        self.assertEqual(sizes, [(request.body_size, len(request.body)) for request in stub.requests])
        chunked = {"headers": {"Transfer-Encoding": "chunked"}, "encode_chunked": True}
        self.assertEqual(200, self.send("POST", "/", iter([b"y" * 70_000] * 2), **chunked).status)  # type: ignore[arg-type]
        self.assertEqual((140_000, b"y" * 40), (stub.last_request.body_size, stub.last_request.body))

    def test_what_is_said_of_it(self) -> None:
        """How much of it is kept, in every report; whoever reads JSON is told why it is none."""
        for limit, kept in ((5, "the first 5 are kept"), (1, "the first 1 are kept"), (0, "none is kept")):
            stub = self.serve(limit)
            stub.on().reply(200)
            self.send("POST", "/", b'{"a": 1, "b": 2}', {"Content-Type": "application/json"})
            line = f"POST / (16 bytes of application/json, of which {kept}: see body_limit)"
            self.assertEqual(line, stub.requests[0].describe())
            self.assertIn(f"#1 {line} -> 200", "\n".join(stub._inspection.traffic.list_requests()))
            with self.assertRaises(ValueError) as caught:
                _ = stub.requests[0].json
            self.assertEqual(f"the body of {line} was not kept as a whole", str(caught.exception))

    def test_what_a_handler_reads_stays(self) -> None:
        """Another upload takes nothing from a request that is being answered."""
        stub = self.serve(100)
        seen: list[int] = []

        def handle(request: RecordedRequest) -> int:
            if request.path == "/first":
                self.see(post(b"y" * 100, "Connection: close", path="/second"))
            seen.append(len(request.body))
            return 200

        stub.on().reply_with(handle)
        self.send("POST", "/first", b"x" * 100)
        self.assertEqual([100, 100], seen)

    def test_what_is_wanted_of_a_body_that_was_not_kept(self) -> None:
        """No criterion is met by the part that was: it is not what was sent."""
        stub = self.serve(4)
        wanted: tuple[dict[str, Any], ...] = (
            {"body": b"1234"}, {"text": "1234"}, {"json": 1234}, {"form": {"1234": ""}}, {"body": re.compile("1.*")}
        )  # fmt: skip
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        for criteria in wanted:
            with self.subTest(criteria=criteria):
                stub.reset()
                stub.on("POST", "/", **criteria).reply(200)
                self.assertEqual(501, self.send("POST", "/", b"12345", kind).status)
                self.assertIn(
                    "got b'1234' (it had 5 bytes, of which the first 4 are kept: see body_limit)", stub.failure_report()
                )
                self.assertEqual(200, self.send("POST", "/", b"1234", kind).status)
        self.serve(0).on("POST", "/", body=ABSENT).reply(200)
        self.assertEqual([501, 200], [self.send("POST", "/", body).status for body in (b"1", b"")])

    def test_misuse(self) -> None:
        """A number of bytes."""
        for limit in (-1, 1.5, True, "64M"):
            with self.subTest(limit=limit), self.assertRaises(UsageError) as caught:
                HTTPStub(body_limit=limit)  # type: ignore[arg-type]
            self.assertEqual(f"body_limit is {limit!r}; wanted a number of bytes, 0 or more", str(caught.exception))


class LimitTest(WireTest):
    """How many requests are kept: `journal_limit`."""

    def setUp(self) -> None:
        super().setUp()
        self.stub = self.make_stub(journal_limit=3)

    def come(self, count: int, path: str = "/") -> None:
        for _ in range(count):
            self.send("GET", path)

    def test_an_expectation_keeps_no_more(self) -> None:
        """It counts all of its requests, and has those that the stub has."""
        expectation = self.stub.expect("GET", "/a", times=5).reply(200)
        other = self.stub.on("GET", "/b").reply(200)
        self.come(5, "/a")
        self.assertEqual((5, 3), (expectation.times_called, len(expectation.requests)))
        self.assertEqual(self.stub.requests, expectation.requests)
        self.assertEqual(expectation.requests, expectation.wait(5, timeout=0))
        self.come(2, "/b")
        self.assertEqual((1, 2), (len(expectation.requests), len(other.requests)))
        self.stub.verify()

    def test_what_nothing_answers(self) -> None:
        """The first are held against the test one by one, the others by their number."""
        self.come(5)
        self.assertEqual(3, len(self.stub.unmatched))
        report = self.stub.failure_report()
        self.assertIn("\n… and 2 more requests without an answer\n", report)
        self.assertEqual("", self.stub.failure_report())

    def test_references(self) -> None:
        """Nothing of the stub holds a request that is not among its exchanges."""
        self.stub.on("GET", "/a").reply(200)
        self.stub.on("GET", "/b").reply_with(lambda request: request.path)
        self.come(1, "/a")
        gone = [weakref.ref(request) for request in self.stub.requests]
        self.come(3, "/b")
        gc.collect()
        self.assertEqual([None], [reference() for reference in gone])

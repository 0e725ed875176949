"""Nothing passes silently: what went wrong in an exchange fails the test in which it went wrong, and `verify()`."""

from __future__ import annotations

import contextlib
import http.client
import socket
import unittest
from collections.abc import AsyncIterator, Callable
from typing import Any

from liveserver_testcase import Expectation, Fault, FaultPoint, HTTPStub, HTTPStubTestCase, UsageError
from tests.integration.stub.support import Seen, StubTest, WireTest, get, post
from tests.support import HANG


def run_test(body: Callable[[Any], object], **attributes: object) -> unittest.TestResult:
    """Run ``body`` as the one test of a class with a stub."""
    case = type("CaseTest", (HTTPStubTestCase,), {"test": body, **attributes})
    result = unittest.TestResult()
    unittest.TestSuite([case("test")]).run(result)
    return result


def boom(*_args: object) -> Any:
    raise ValueError("boom")


def serve(status: str, headers: list[tuple[str, str]], piece: Any) -> Any:
    def app(_environ: Any, start_response: Any) -> Any:
        start_response(status, headers)
        return [piece]

    return app


async def fail_later() -> AsyncIterator[str]:
    try:
        while True:
            yield "a"
            raise LookupError("first")
    finally:
        boom()


class RaisedTest(StubTest):
    """What a handler, a hook or an application raises, or returns that is no answer."""

    MISTAKES: tuple[tuple[str, Callable[[HTTPStub], object], str], ...] = (
        ("raises", lambda stub: stub.on().reply_with(boom), "ValueError: boom"),
        ("returns None", lambda stub: stub.on().reply_with(lambda: None), "returned None; wanted a Reply"),
        ("hook", lambda stub: stub.on().reply(200).after(boom), "ValueError: boom"),
        ("hook returns", lambda stub: stub.on().reply(200).after(lambda _r, _a: object()), "the hook .* returned <obj"),
        ("application", lambda stub: stub.on().reply_wsgi(boom), "ValueError: boom"),
        ("HEAD's", lambda stub: stub.on().reply(200, headers={"Content-Length": "5"}), "InvalidResponse: "),
        ("text", lambda stub: stub.on().reply_wsgi(serve("200 OK", [], "ab")), "gave 'ab', of type str; wanted bytes"),
        ("length", lambda stub: stub.on().reply_wsgi(serve("200 OK", [("Content-Length", "5")], b"ab")),
         "the application announced '5' bytes, and gave 2"),
        ("no body", lambda stub: stub.on().reply_wsgi(serve("204 No Content", [], b"ab")), "status 204 has no body"),
        ("sequence", lambda stub: stub.on().reply_sequence(201), "has 1 reply, and this was request 2"),
        ("stream", lambda stub: stub.on().reply_stream(boom), "ValueError: boom"),
        ("asynchronous", lambda stub: stub.on().reply_stream(fail_later), "ValueError: boom"),
    )  # fmt: skip

    def ask(self, stub: HTTPStub) -> None:
        for _ in range(2):
            with contextlib.suppress(http.client.IncompleteRead):
                self.send("GET", "/x?token=hunter2", stub=stub)

    def test_verify(self) -> None:
        """It fails, with what was raised as its cause; a second one has nothing more to say."""
        for name, script, wanted in self.MISTAKES:
            with self.subTest(name), HTTPStub() as stub:
                script(stub)
                self.ask(stub)
                with self.assertRaisesRegex(
                    AssertionError, rf"^GET /x\?token=\*\*\* could not be .*: .*{wanted}"
                ) as caught:
                    stub.verify()
                self.assertIsNotNone(caught.exception.__cause__)
                stub.verify()

    def test_assert_stub_satisfied(self) -> None:
        """It fails there, and the test once, not twice."""
        for name, script, wanted in self.MISTAKES:

            def body(case: Any, script: Any = script, wanted: str = wanted) -> None:
                script(case.stub)
                self.ask(case.stub)
                with case.assertRaisesRegex(AssertionError, wanted):
                    case.assertStubSatisfied()

            with self.subTest(name):
                result = run_test(body)
                self.assertEqual(([], []), (result.failures, result.errors))

    def test_who_is_told(self) -> None:
        """The report of a stub that is used alone, or who takes the errors; nobody after `reset`; the next test."""

        def fail(name: str) -> None:
            self.begin(name)
            self.stub.on().reply_with(boom)
            self.send("GET", "/x")

        fail("shop.test_a")
        self.assertRegex(self.stub.failure_report(), "^GET /x could not be answered: ValueError: boom$")
        fail("shop.test_b")
        self.assertEqual(["boom"], [str(error) for _, error in self.take_errors()])
        self.stub.verify()
        fail("shop.test_c")
        self.stub.reset()
        self.stub.verify()
        fail("shop.test_d")
        self.begin("shop.test_e")
        self.stub.verify()
        self.assertRegex(self.late_report(), r"^left over from shop\.test_d: GET /x could not be answered")


class UnreadableTest(WireTest):
    """What is malformed, or breaks off in the middle."""

    CHUNKED = b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    HALF = b"PUT /big HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc"
    # what is sent, how the client ends (it waits for a 400, leaves or resets), and what the exchange and verify() say
    WRONG: tuple[tuple[bytes, str, str, str], ...] = (
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", "", "GET /", "a Content-Length that is no number"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "", "a request", "a TLS handshake on a port"),
        (CHUNKED + b"nonsense\r\n", "", "POST /x", "chunk"),
        (HALF, "leaves", "PUT /big", "the client left in the middle of its request's body"),
        (HALF, "resets", "PUT /big", "the client left in the middle of its request's body"),
        (CHUNKED + b"3\r\nabc\r\n", "leaves", "POST /x", "the client left in the middle of its request's body"),
        (b"GET /half HTTP/1.1\r\nHo", "leaves", "a request", "the client left after 22 bytes of a request's head"),
    )

    def send_wrong(self, data: bytes, end: str = "leaves") -> None:
        client = self.dial()
        client.sendall(data)
        if not end:
            self.assertEqual(b"HTTP/1.1 400", self.look(client).data[:12])
        elif data == self.HALF:
            self.wait_for(lambda: self.stub.in_flight)
        if end == "resets":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        self.wait_for(lambda: any(each.aborted or each.refused for each in self.stub.exchanges))
        self.stub.wait_until_idle(HANG)

    def test_verify(self) -> None:
        """It fails, once, although it is no request, and no expectation's; what came of the body is in the exchange."""
        for data, end, name, reason in self.WRONG:
            with self.subTest(data=data, end=end):
                self.begin("shop.test_a")
                expectation = self.stub.on().reply(200)
                self.send_wrong(data, end)
                (exchange,) = self.stub.exchanges
                self.assertIn(reason, exchange.aborted or exchange.refused)
                self.assertEqual(([], 0, []), (self.stub.requests, expectation.times_called, self.take_errors()))
                if data == self.HALF:
                    request: Any = exchange.handler_data
                    self.assertEqual((b"abc", 3, "PUT"), (request.body, request.body_size, request.method))
                    self.assertIn(reason, request.failure)
                with self.assertRaisesRegex(AssertionError, f"^{name}.* could not be read: .*{reason}"):
                    self.stub.verify()
                self.stub.verify()

    def test_a_client_that_leaves_before_it_has_the_whole_response(self) -> None:
        """Its request counts, nothing is held against the test, and the listing says how it ended."""
        self.stub.expect("GET", "/big").reply(200, b"x" * 20_000_000)
        client = self.dial()
        client.sendall(get("/big"))
        client.recv(1000)
        client.close()
        self.assertEqual([], self.stub.wait_until_idle(HANG))
        (request,) = self.stub.requests
        self.assertFalse(request.exchange.completed)
        self.assertRegex(request.exchange.aborted, "before it had the whole response")
        self.assertEqual(("", []), (self.stub.failure_report(), self.take_errors()))
        self.assertRegex(self.stub._inspection.traffic.list_requests()[1], r"^  #1 GET /big -> \D+")

    def test_who_only_connects(self) -> None:
        """What is refused is held once the client has its answer; who only connects asks for nothing."""
        client = self.dial()
        client.sendall(self.WRONG[0][0])
        client.recv(1)
        self.assertRegex(self.stub.failure_report(), "^GET / could not be read: ")
        self.begin("shop.test_b")
        self.dial().close()
        self.wait_for(lambda: any("without having sent a request" in each.aborted for each in self.stub.exchanges))
        self.stub.verify()

    def test_what_is_allowed(self) -> None:
        """Who is not strict, or allows what matches, is not disturbed."""
        with self.stub.allow_unmatched():
            for data, end, *_ in self.WRONG:
                self.send_wrong(data, end)
        with self.stub.allow_unmatched("PUT", "/big"):
            self.send_wrong(self.HALF)
        self.stub.is_strict = False
        self.send_wrong(self.HALF)
        self.stub.verify()
        self.stub.is_strict = True
        with self.stub.allow_unmatched("GET", "/big"):
            self.send_wrong(self.HALF)
        self.assertRegex(self.stub.failure_report(), "^PUT /big could not be read")

    def test_what_the_test_ends_itself(self) -> None:
        """A cut connection and a stop are the test's own doing."""
        for end in (self.stub.close_connections, self.stub.stop):
            client = self.dial()
            client.sendall(self.HALF)
            self.wait_for(lambda: self.stub.in_flight)
            end()
            self.stub.wait_until_idle(HANG)
        self.assertEqual("", self.stub.failure_report())

    def test_of_an_earlier_test(self) -> None:
        """It names its test."""
        self.begin("shop.test_a")
        self.send_wrong(self.HALF)
        self.begin("shop.test_b")
        self.stub.verify()
        self.assertRegex(self.late_report(), r"^left over from shop\.test_a: PUT /big could not be read: ")
        self.assertEqual("", self.late_report())


class EffectTest(WireTest):
    """A fault of which a client would see nothing: it would get a perfect response."""

    def assert_refused(self, write: Callable[[], object], wanted: str) -> None:
        with self.assertRaisesRegex(UsageError, f" cannot take effect: {wanted}"):
            write()

    def test_where_it_is_written(self) -> None:
        """What cannot be seen in any case is refused there, and the answer stays what it was."""
        on = self.stub.on().reply(201)
        self.assert_refused(lambda: on.fail(Fault.TRUNCATE), "the body has 0 bytes, and the client would get all of it")
        self.assertEqual(201, self.send().status)
        self.assert_refused(lambda: self.stub.on().fail(Fault.TRUNCATE).reply(201), "the body has 0 bytes")
        self.assert_refused(lambda: self.stub.on().fail(Fault.TRUNCATE, after_bytes=1024), "the body has 1,024 bytes")
        full = self.stub.on().reply(200, b"abc")
        for fault in (Fault.TRUNCATE, Fault.WRONG_LENGTH, Fault.STALL, Fault.RESET, Fault.HALF_CLOSE, Fault.GARBAGE):
            self.assert_refused(
                lambda fault=fault: full.fail(fault, FaultPoint.RESPONSE_BODY, after_bytes=3),  # type: ignore[misc]
                "the body has 3 bytes",
            )
        raw = self.stub.on().reply_raw(b"HTTP/1.1 200 OK\r\n\r\n")
        for fault in (Fault.BAD_HEADER, Fault.BAD_STATUS_LINE, Fault.TRUNCATE):
            self.assert_refused(lambda fault=fault: raw.fail(fault), "raw bytes are sent as they are")  # type: ignore[misc]

    def test_when_the_request_is_here(self) -> None:
        """What depends on the request, or on a function, answers 500 and fails the test."""
        head, old = get(method="HEAD"), get(version="1.0")
        cases: tuple[tuple[Callable[[Expectation], object], bytes, str], ...] = (
            (lambda on: on.fail(Fault.TRUNCATE), head, "a response to HEAD has no body"),
            (lambda on: on.fail(Fault.BAD_CHUNK), head, "a response to HEAD has no body"),
            (lambda on: on.reply_with(lambda: 201).fail(Fault.TRUNCATE), get(), "the body has 0 bytes"),
            (lambda on: on.fail(Fault.BAD_CHUNK), old, "a client of HTTP/1.0 gets no chunks"),
            (lambda on: on.fail(Fault.NO_READ), get(), "the request has no body"),
            (lambda on: on.reply_stream([b"a"]).fail(Fault.WRONG_LENGTH), get(), "the stream gave 1 byte"),
            (lambda on: on.reply_stream([b"a"]).fail(Fault.TRUNCATE, after_bytes=2), old, "the stream gave 1 byte"),
        )
        for script, request, wanted in cases:
            with self.subTest(wanted):
                self.begin("shop.test_a")
                script(self.stub.on())
                client = self.dial()
                client.sendall(request.replace(b"Host: a", b"Host: a\r\nConnection: close"))
                self.look(client)
                with self.assertRaisesRegex(AssertionError, f" could not be answered: .* cannot take effect: {wanted}"):
                    self.stub.verify()

    def test_the_body_had_to_be_read(self) -> None:
        """An older expectation looks at it, so that it cannot be left unread."""
        self.stub.expect("POST", "/", json={"a": 1}).reply(200)
        self.stub.on("POST", "/").fail(Fault.NO_READ)
        self.send("POST", "/", b"{}")
        self.assertRegex(self.stub.failure_report(), "cannot take effect: the body was read, since criteria look at it")

    def test_what_is_seen_all_the_same(self) -> None:
        """A cut at the end of chunks, since the last one is missing, and a reset after raw bytes."""
        self.stub.on().reply(chunks=[b"ab"]).fail(Fault.TRUNCATE, after_bytes=2)
        seen = self.see()
        self.assertEqual((b"2\r\nab\r\n", "FIN"), (seen.body, seen.end))
        self.stub.on().reply_raw(b"x").fail(Fault.RESET, FaultPoint.RESPONSE_END)
        self.assertEqual("RST", self.see().end)


class EarlyFaultTest(WireTest):
    """A fault before the body has been read is decided upon with the precedence of everything else."""

    def post(self, body: bytes) -> Seen:
        return self.see(post(body, "Content-Type: application/json", "Connection: close"))

    def test_what_has_precedence_and_looks_at_the_body(self) -> None:
        """It is asked first: an older bounded expectation, one that forbids, one whose turn it is in an order."""

        def write_order() -> None:
            with self.stub.in_order():
                self.stub.expect("POST", "/", json=1).reply(201)

        for write in (
            lambda: self.stub.expect("POST", "/", json=1).reply(201),
            lambda: self.stub.forbid("POST", "/", json=1),
            write_order,
        ):
            self.begin("shop.test_a")
            write()
            failing = self.stub.expect("POST", "/", times=None).fail(Fault.RESET, FaultPoint.REQUEST_START)
            self.assertEqual(["FIN", "RST"], [self.post(b"1").end, self.post(b"2").end])
            self.assertEqual(1, failing.times_called)

    def test_who_has_none_is_not_asked(self) -> None:
        """The body of which it would be is not read; what was enqueued leaves it unread, too, and is used up."""
        head = get(method="POST").replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\n")
        self.begin("shop.test_a")
        self.stub.on("POST", "/", json=1).reply(201)
        self.stub.expect("POST", "/").fail(Fault.RESET, FaultPoint.REQUEST_START)
        client = self.dial()
        client.sendall(head)
        self.assertEqual("RST", self.look(client).end)
        self.begin("shop.test_b")
        self.stub.enqueue(200).fail(Fault.NO_READ)
        client = self.dial()
        client.sendall(head)
        self.assertEqual(b"HTTP/1.1 200", self.read(client, 12))
        client.close()
        self.assertEqual(501, self.send().status)

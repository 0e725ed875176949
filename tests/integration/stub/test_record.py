"""What the stub keeps of what came, and what lasts from test to test."""

from __future__ import annotations

import socket
import threading

from liveserver_testcase import HTTPStub
from liveserver_testcase.core.journal import JournalWindow
from tests.integration.stub.support import StubTest, make_exchange
from tests.integration.stub.wire import WireTest, get, post
from tests.support import HANG


class HalfTest(StubTest):
    """Requests of which the end is long in coming."""

    def send_half(self) -> socket.socket:
        """Send all of a request but for the last byte of its body."""
        client = self.connect()
        client.sendall(b"PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab")
        self.wait_for(lambda: len(self.stub.journal))
        return client


class RecordTest(HalfTest):
    """What is kept of what came."""

    def test_requests_are_in_the_order_of_their_arrival(self) -> None:
        """Whoever answered them, or nobody."""
        self.stub.on("GET", "/a").reply(200)
        for target in ("/a", "/b", "/a?c"):
            self.send("GET", target)
        self.assertEqual(["/a", "/b", "/a?c"], [request.exchange.target for request in self.stub.requests])

    def test_a_request_is_recorded_before_it_is_answered(self) -> None:
        """Who waits for it finds it, and its expectation called, while the answer is delayed."""
        slow = self.stub.expect("GET", "/slow").reply(200, delay=60)
        client = self.connect()
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        self.wait_for(lambda: self.stub.requests)
        (request,) = self.stub.requests
        self.assertEqual(([request], None, False), (slow.requests, request.duration, request.exchange.is_over))
        self.assertEqual("", self.stub.failure_report())

    def test_who_waits_for_a_request_is_woken_when_it_is_complete(self) -> None:
        """Neither before nor only at the end of its answer."""
        self.stub.on().reply(200, delay=60)
        asked, found = threading.Event(), list[object]()

        def look() -> object:
            asked.set()
            return self.stub.requests

        thread = threading.Thread(target=lambda: found.append(self.stub.journal.wait_for(look, HANG)))
        client = self.send_half()
        thread.start()
        self.assertTrue(asked.wait(HANG))
        client.sendall(b"c")
        thread.join(2 * HANG)
        self.assertEqual([self.stub.requests], found)
        self.assertEqual(1, len(self.stub.requests))

    def test_a_request_is_recorded_when_it_is_decided_upon(self) -> None:
        """Who finds it among the requests finds it counted, and with its violation."""
        seen: list[tuple[int, bool]] = []

        def look() -> bool:
            seen.append((len(self.stub.requests), "GET /x" in self.stub._inspection.take_failures()[0].text))
            return True

        wait = self.stub.journal.wait_for
        thread = threading.Thread(target=lambda: wait(lambda: self.stub.requests and look(), HANG))
        thread.start()
        self.send("GET", "/x")
        thread.join(HANG)
        self.assertEqual([(1, True)], seen)

    def test_a_client_that_leaves_before_the_answer_is_recorded(self) -> None:
        """The request counts, and the listing says how it ended."""
        self.stub.expect("GET", "/big").reply(200, b"x" * 20_000_000)
        client = self.connect()
        client.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        client.recv(1000)
        client.close()
        self.assertEqual([], self.stub.wait_until_idle(HANG))
        (request,) = self.stub.requests
        self.assertFalse(request.exchange.completed)
        self.assertTrue(request.exchange.aborted)
        self.assertEqual(("", []), (self.stub.failure_report(), self.take_errors()))
        self.assertRegex(self.stub._inspection.traffic.list_requests()[1], r"^  #1 GET /big -> \D+")

    def test_a_client_that_leaves_in_the_middle_of_its_request_is_recorded(self) -> None:
        """It is no request, and no expectation's; but reports list it."""
        self.stub.expect("PUT", "/big").reply(200)
        client = self.connect()
        client.sendall(b"PUT /big HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc")
        self.wait_for(lambda: len(self.stub.journal))
        client.close()
        self.assertEqual([], self.stub.wait_until_idle(HANG))
        self.assertEqual(([], 0, []), (self.stub.requests, self.stub.expectations[0].times_called, self.take_errors()))
        report = self.stub.failure_report()
        (exchange,) = self.stub.journal.entries()
        line = f"was sent 1 request that was incomplete or malformed:\n  PUT /big: {exchange.aborted}"
        self.assertTrue(report.endswith(line), report)

    def test_a_malformed_request_is_recorded(self) -> None:
        """The client gets a 400, reports list the reason."""
        client = self.connect()
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n")
        self.assertEqual(b"HTTP/1.1 400", client.recv(4000)[:12])
        client.close()
        self.stub.expect("GET", "/").reply(200)
        self.assertEqual([], self.stub.requests)
        (exchange,) = self.stub.journal.entries()
        report = self.stub.failure_report()
        line = f"\nthe stub at {self.stub.url} was sent 1 request that was incomplete or malformed:\n"
        self.assertTrue(report.endswith(f"{line}  {exchange.describe()}: {exchange.refused}"), report)

    def test_a_malformed_body_is_recorded(self) -> None:
        """The client gets a 400, and nothing is claimed."""
        self.stub.on().reply(200)
        client = self.connect()
        client.sendall(b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n")
        self.assertEqual(b"HTTP/1.1 400", client.recv(4000)[:12])
        client.close()
        self.assertEqual([], self.stub.wait_until_idle(HANG))
        self.assertEqual(([], 0, []), (self.stub.requests, self.stub.expectations[0].times_called, self.take_errors()))

    def test_a_full_journal_is_mentioned(self) -> None:
        """Reports say that the oldest requests are gone."""
        with HTTPStub(journal_limit=2) as stub:
            for target in ("/a", "/b", "/c"):
                self.send("GET", target, stub=stub)
            self.assertEqual(["/b", "/c"], [request.path for request in stub.requests])
            lines = stub.failure_report().split("\n")
            self.assertEqual("nothing answers GET /a: no expectation is written", lines[0])
            self.assertEqual("#1: nothing answers GET /b: no expectation is written", lines[3])
            self.assertEqual(stub.journal.dropped_message, lines[-1])


class TestsTest(HalfTest):
    """From test to test."""

    def test_a_new_test_begins_with_nothing(self) -> None:
        """Requests, violations aside, are gone; so are expectations and content."""
        self.begin("a")
        self.stub.expect("GET", "/x").reply(200)
        self.stub.serve_content("content")
        self.send("GET", "/y")
        self.begin("b")
        self.assertEqual(([], [], ""), (self.stub.requests, self.stub.expectations, self.stub.failure_report()))
        self.assertEqual(501, self.send("GET", "/y").status)

    def test_a_class_wide_script_survives(self) -> None:
        """It answers in each test, and is verified anew in each."""
        self.stub.expect("GET", "/login", times=1).reply(200)
        self.stub.serve_content("content")
        for name in ("a", "b"):
            with self.subTest(name=name):
                self.begin(name)
                self.assertIn("GET '/login' was expected exactly once, and never came", self.stub.failure_report())
                self.assertEqual([b"", b"content"], [self.send("GET", "/login").body for _ in range(2)])
                self.assertEqual("", self.stub.failure_report())

    def test_a_violation_of_an_earlier_test_names_it(self) -> None:
        """It is told of once, apart from the verdict, and its request is not among this test's."""
        self.begin("shop.test_a")
        self.send("GET", "/x")
        self.begin("shop.test_b")
        self.assertEqual(([], ""), (self.stub.requests, self.stub.failure_report()))
        self.assertEqual(
            "left over from shop.test_a: nothing answers GET /x: no expectation is written\n"
            "  write stub.on('GET', '/x').reply(…), or expect(…) if it must come",
            self.late_report(),
        )
        self.assertEqual("", self.late_report())

    def test_what_comes_to_light_after_the_last_test_names_it(self) -> None:
        """Expectations were judged already."""
        self.begin("shop.test_a")
        self.stub.expect("GET", "/y").reply(200)
        self.stub.failure_report()
        self.send("GET", "/x")
        self.assertRegex(self.late_report(), r"^left over from shop\.test_a: no expectation matches GET /x\n")
        self.assertEqual("", self.late_report())

    def test_a_request_that_was_not_complete_in_its_test_is_not_answered_in_the_next(self) -> None:
        """It neither uses up nor counts, and is held against the test in which it came."""
        self.begin("shop.test_a")
        client = self.send_half()
        self.begin("shop.test_b")
        expectation = self.stub.expect("PUT", "/x").reply(200)
        client.sendall(b"c")
        self.assertEqual(b"HTTP/1.1 501", client.recv(4000)[:12])
        self.wait_for(lambda: not self.stub.in_flight)
        self.assertEqual(([], []), (self.stub.requests, expectation.requests))
        self.assertIn(
            "left over from shop.test_a: PUT /x (3 bytes of no content type) was complete only when its test "
            "was over, so nothing answered it",
            self.late_report(),
        )

    def test_an_answer_that_is_late_belongs_to_its_test(self) -> None:
        """A delayed exchange of the test before is not in this one, when it ends either."""
        self.begin("a")
        self.stub.on().reply(200, delay=60)
        client = self.connect()
        client.sendall(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
        self.wait_for(lambda: self.stub.requests)
        self.begin("b")
        self.assertEqual(([], ""), (self.stub.requests, self.stub.failure_report()))
        self.stub.stop()
        self.assertEqual([], self.stub.requests)

    def test_settling_waits_for_what_is_on_its_way(self) -> None:
        """A request whose body is still coming is decided upon when it returns."""
        client = self.send_half()
        threading.Timer(0.05, client.sendall, [b"c"]).start()
        self.stub._inspection.settle(HANG)
        self.assertEqual(1, len(self.stub.requests))
        client.recv(4000)

    def settle(self) -> bool:
        """Settle; whether that is over soon, although it might take very long."""
        thread = threading.Thread(target=self.stub._inspection.settle, args=[6 * HANG])
        thread.start()
        thread.join(HANG)
        is_over = not thread.is_alive()
        self.stub.stop()  # so that the thread ends in any case
        thread.join(HANG)
        return is_over

    def test_settling_does_not_wait_for_delays(self) -> None:
        """A reply that takes its time holds nobody up."""
        self.stub.on().reply(200, delay=60)
        client = self.connect()
        client.sendall(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
        self.wait_for(lambda: self.stub.requests)
        self.assertTrue(self.settle())

    def test_settling_gives_up(self) -> None:
        """A client that never ends its request cannot hold a test for longer than was said."""
        self.send_half()
        self.stub._inspection.settle(0.01)
        self.assertEqual(1, len(self.stub.in_flight))

    def test_settling_cares_for_this_test_only(self) -> None:
        """What an earlier test left hanging is not waited for."""
        self.send_half()
        self.begin("b")
        self.assertTrue(self.settle())

    def test_what_arrives_while_a_test_begins_is_not_lost(self) -> None:
        """The record is emptied before the test begins, not after."""
        begin = self.stub.journal.begin

        def begin_and_receive(name: str) -> JournalWindow:
            window = begin(name)
            self.stub.journal.add(make_exchange("GET", "/early"))
            return window

        self.stub.journal.begin = begin_and_receive  # type: ignore[method-assign]
        self.begin("b")
        self.assertEqual(["b"], [exchange.window.name for exchange in self.stub.journal.entries()])


class DyingClientTest(WireTest):
    """A client that dies leaves a trace, and fails the test if its request is not whole (field case B7)."""

    def assert_trace(self, sent: bytes, *, reset: bool = False, wanted: str) -> None:
        self.begin("shop.test_a")
        self.stub.on().reply(200)
        self.stub.on("GET", "/big").reply(200, b"x" * 20_000_000)
        client = self.dial()
        client.sendall(sent)
        if sent.endswith(b"\r\n\r\n") and b"/big" in sent:
            client.recv(1000)
        if reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        self.wait_for(lambda: any(exchange.aborted for exchange in self.stub.exchanges))
        self.assertRegex(self.stub.exchanges[-1].aborted, wanted)
        held = f" could not be read: .*{wanted}" if "request's" in wanted else "^$"
        self.assertEqual([], self.take_errors())
        self.assertRegex(self.stub.failure_report(), held)

    def test_each(self) -> None:
        """Before the head, in it, in the body, between chunks, with a reset, and before it has read the answer."""
        chunks = get("/", "Transfer-Encoding: chunked", method="POST")
        for sent, reset, wanted in (
            (b"", False, "without having sent a request"), (b"GET / HT", False, "after 8 bytes of a request's head"),
            (post(b"x" * 10)[:-5], False, "in the middle of its request's body"),
            (chunks + b"3\r\nabc\r\n", False, "in the middle of its request's body"),
            (post(b"x" * 10)[:-5], True, "in the middle of its request's body"),
            (get("/big"), False, "before it had the whole response"),
        ):  # fmt: skip
            with self.subTest(wanted=wanted):
                self.assert_trace(sent, reset=reset, wanted=wanted)

"""What the stub keeps of what came, and what lasts from test to test."""

from __future__ import annotations

import pickle
import socket
import threading
import unittest

from liveserver_testcase import HTTPStub
from liveserver_testcase.core.journal import JournalWindow
from tests.contracts.base import has_ipv6
from tests.integration.stub.support import StubTest, make_exchange
from tests.support import HANG, run_python


class HalfTest(StubTest):
    """Requests of which the end is long in coming."""

    def send_half(self) -> socket.socket:
        """Send all of a request but for the last byte of its body."""
        client = self.connect()
        client.sendall(b"PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab")
        self.wait_for(lambda: len(self.stub.journal))
        return client

    def send_and_go_on(self) -> socket.socket:
        """Send a request whose answer takes a minute."""
        self.stub.on().reply(200, delay=60)
        client = self.connect()
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        self.wait_for(lambda: self.stub.requests)
        return client


class RecordTest(HalfTest):
    """When a request is there to be found."""

    def test_a_request_is_recorded_before_it_is_answered(self) -> None:
        """Who waits for it finds it, and its expectation called, while the answer is delayed."""
        self.send_and_go_on()
        (request,), (slow,) = self.stub.requests, self.stub.expectations
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
        self.assertEqual(([self.stub.requests], 1), (found, len(self.stub.requests)))

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

    def test_a_new_test_begins_with_the_script_of_the_class(self) -> None:
        """Each finds that as it was, counted anew; what a test wrote, changed, removed or was sent is gone with it."""
        login = self.stub.expect("GET", "/login", times=1).reply(200)
        other = self.stub.on("GET", "/other").reply(200)
        self.stub.serve_content("content")
        self.stub.on("GET", "/gone").reply(200).remove()
        for name in ("a", "b"):
            with self.subTest(name=name):
                self.begin(name)
                self.assertEqual(([], [login, other]), (self.stub.requests, self.stub.expectations))
                self.assertIn("GET '/login' was expected exactly once, and never came", self.stub.failure_report())
                self.assertEqual([b"", b"content"], [self.send("GET", "/login").body for _ in range(2)])
                self.assertEqual([200, b"content"], [self.send("GET", "/other").status, self.send("GET", "/gone").body])
                self.assertEqual("", self.stub.failure_report())
                login.remove()
                other.reply(500)
                self.stub.serve_content("of the test")
                self.stub.expect("GET", "/x").reply(200)

    def test_what_is_held_against_an_earlier_test_names_it(self) -> None:
        """It is told of once, apart from the report of this one; of what came after a report, too."""
        self.begin("shop.test_a")
        self.send("GET", "/x")
        self.begin("shop.test_b")
        self.assertEqual(([], ""), (self.stub.requests, self.stub.failure_report()))
        self.assertEqual(
            "left over from shop.test_a: nothing answers GET /x: no expectation is written\n"
            "  write stub.on('GET', '/x').reply(…), or expect(…) if it must come",
            self.late_report(),
        )
        self.stub.expect("GET", "/y").reply(200)
        self.stub.failure_report()
        self.send("GET", "/x")
        self.assertRegex(self.late_report(), r"^left over from shop\.test_b: no expectation matches GET /x\n")
        self.assertEqual("", self.late_report())

    def test_a_request_that_was_not_complete_in_its_test_is_not_answered_in_the_next(self) -> None:
        """It neither uses up nor counts, is not forbidden, and is held against the test in which it came."""
        self.begin("shop.test_a")
        client = self.send_half()
        self.begin("shop.test_b")
        written = [self.stub.expect("PUT", "/x").reply(200), self.stub.forbid("PUT", "/x")]
        self.stub.serve_content()
        client.sendall(b"c")
        self.assertEqual(b"HTTP/1.1 501", client.recv(4000)[:12])
        self.wait_for(lambda: not self.stub.in_flight)
        self.assertEqual(([], [0, 0]), (self.stub.requests, [each.times_called for each in written]))
        self.assertIn(
            "left over from shop.test_a: PUT /x (3 bytes of no content type) was complete only when its test "
            "was over, so nothing answered it",
            self.late_report(),
        )

    def test_an_answer_that_is_late_belongs_to_its_test(self) -> None:
        """A delayed exchange of the test before is not in this one, when it ends either."""
        self.begin("a")
        self.send_and_go_on()
        self.begin("b")
        self.assertEqual(([], ""), (self.stub.requests, self.stub.failure_report()))
        self.stub.stop()
        self.assertEqual([], self.stub.requests)

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


class SettleTest(HalfTest):
    """The end of a test waits for what is on its way."""

    def test_a_body_that_is_still_coming_is_waited_for(self) -> None:
        """Its request is decided upon when the wait returns."""
        client = self.send_half()
        threading.Timer(0.05, client.sendall, [b"c"]).start()
        self.stub._inspection.settle(HANG)
        self.assertEqual(1, len(self.stub.requests))
        client.recv(4000)

    def test_what_is_not_waited_for(self) -> None:
        """A reply that takes its time, and what an earlier test has left; who never ends it has what was said."""

        def leave_half() -> None:
            self.send_half()
            self.begin("b")

        for leave, timeout in ((self.send_half, 0.01), (self.send_and_go_on, 6 * HANG), (leave_half, 6 * HANG)):
            with self.subTest(leave=leave.__name__):
                self.stub = self.make_stub()
                leave()
                thread = threading.Thread(target=self.stub._inspection.settle, args=[timeout])
                thread.start()
                thread.join(HANG)
                self.assertFalse(thread.is_alive())
                self.assertEqual(1, len(self.stub.in_flight))
                self.stub.stop()  # so that the thread ends in any case
                thread.join(HANG)


class AloneTest(StubTest):
    """A stub outside of any test case."""

    def test_it_can_be_scripted_before_it_starts(self) -> None:
        """Neither expectations nor the record need a socket; it cannot be pickled."""
        stub = HTTPStub()
        self.assertEqual(([], []), (stub.requests, stub.expectations))
        stub.on("GET", "/x").reply(200)
        with stub:
            self.assertEqual(200, self.send("GET", "/x", stub=stub).status)
        with self.assertRaisesRegex(TypeError, "^<HTTPStub running at http://.*> cannot be pickled or copied: "):
            pickle.dumps(self.stub)

    def test_the_script_survives_a_restart(self) -> None:
        """So does the record, which can be asked when the stub has stopped, too."""
        self.stub.expect("GET", "/x", times=2).reply(200)
        self.send("GET", "/x")
        self.stub.stop()
        self.stub.start()
        self.assertEqual(200, self.send("GET", "/x").status)
        self.send("GET", "/y")
        self.stub.stop()
        self.assertEqual(3, len(self.stub.requests))
        self.assertIn("no expectation matches GET /y", self.stub.failure_report())

    def test_two_at_once_are_strangers(self) -> None:
        """Each has its own port, script and record."""
        with HTTPStub() as other:
            self.stub.on("GET", "/x").reply(text="one")
            other.on("GET", "/x").reply(text="two")
            self.assertEqual(["one", "two"], [self.send("GET", "/x", stub=stub).text for stub in (self.stub, other)])
            self.assertEqual([1, 1], [len(stub.requests) for stub in (self.stub, other)])

    @unittest.skipUnless(has_ipv6(), "there is no IPv6 here")
    def test_it_speaks_ipv6(self) -> None:
        """The URL has brackets, and the request its address."""
        with HTTPStub("::1") as stub:
            stub.on().reply(200)
            self.assertEqual(f"http://[::1]:{stub.port}", stub.url)
            self.assertEqual(200, self.send("GET", "/x", stub=stub).status)
            self.assertEqual(("::1", f"{stub.url}/x"), (stub.requests[0].remote_addr, stub.requests[0].url))

    def test_who_does_without_pays_nothing(self) -> None:
        """A stub without hosts, WebSockets, documents and a process of its own loads nothing of these."""
        result = run_python(
            """
            import sys, urllib.request
            from liveserver_testcase import HTTPStub, LiveServerTestCase
            with HTTPStub() as stub:
                stub.on("GET", "/").reply(200)
                urllib.request.urlopen(stub.url).close()
            costly = "trustme cryptography stub.hosts websocket openapi jsonschema remote e.process".split()
            print([name for name in sys.modules if any(part in name for part in costly)])
            """
        )
        self.assertEqual(("[]\n", ""), (result.stdout, result.stderr))

"""The stub over real sockets: script, record, verdict."""

from __future__ import annotations

import collections
import json
import os
import re
import socket
import sys
import threading
import unittest
import warnings
from typing import Any

from liveserver_testcase import HTTPStub, InvalidResponse, Reply, UsageError
from liveserver_testcase.stub import server as server_module
from tests.stub.support import StubTest
from tests.support import HANG, run_python

HERE = os.path.relpath(__file__)


def has_ipv6() -> bool:
    """Whether this machine has a loopback address of IPv6."""
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


class ScriptTest(StubTest):
    """What a test writes is what a client gets."""

    def test_a_scripted_reply_is_sent(self) -> None:
        """Status, headers and body arrive, with their length."""
        self.stub.on("GET", "/users").reply(201, json={"id": 1}, headers={"X-A": "1"})
        answer = self.send("GET", "/users")
        self.assertEqual((201, {"id": 1}), (answer.status, json.loads(answer.body)))
        self.assertEqual(
            ("application/json", "1", "9"),
            (answer.headers["content-type"], answer.headers["x-a"], answer.headers["content-length"]),
        )

    def test_what_may_happen_need_not(self) -> None:
        """``on()`` holds nothing against a test in which nothing comes."""
        self.stub.on("GET", "/users").reply(200)
        self.assertEqual("", self.stub.verdict())

    def test_what_must_happen_is_verified(self) -> None:
        """``expect()`` does, until it came."""
        self.stub.expect("GET", "/users").reply(200)
        self.assertIn("GET '/users' was expected exactly once, and never came", self.stub.verdict())
        self.send("GET", "/users")
        self.assertEqual("", self.stub.verdict())

    def test_what_must_happen_once_is_answered_once(self) -> None:
        """The second request finds it used up."""
        self.stub.expect("GET", "/users").reply(200)
        self.assertEqual([200, 501], [self.send("GET", "/users").status for _ in range(2)])

    def test_how_often_can_be_said(self) -> None:
        """Exactly n, a range, at least, at most, never."""
        for times, rightly, wrongly in ((2, (2,), (0, 1, 3)), ((1, 2), (1, 2), (0, 3)), ((2, None), (2, 9), (1,)),
                                        (None, (1, 5), (0,)), ((0, 1), (0, 1), (2,)), (0, (0,), (1,))):  # fmt: skip
            for number in rightly + wrongly:
                with self.subTest(times=times, number=number):
                    self.begin(f"{times}, {number}")
                    self.stub.expect("GET", "/x", times=times).reply(200)
                    for _ in range(number):
                        self.send("GET", "/x")
                    self.assertEqual(number in wrongly, bool(self.stub.verdict()))

    def test_at_most_is_a_limit(self) -> None:
        """``on(times=n)`` answers n requests and demands none."""
        self.stub.on("GET", "/x", times=2).reply(200)
        self.assertEqual("", self.stub.verdict())
        self.assertEqual([200, 200, 501], [self.send("GET", "/x").status for _ in range(3)])

    def test_expectations_know_their_requests(self) -> None:
        """The request that an expectation answered can be looked at."""
        charge = self.stub.expect("POST", "/charges").reply(201)
        self.send("POST", "/charges", b'{"amount": 5}', {"Content-Type": "application/json"})
        self.assertEqual([{"amount": 5}], [request.json for request in charge.requests])
        self.assertEqual(charge.requests, self.stub.requests)

    def test_an_expectation_can_be_removed(self) -> None:
        """It answers nothing more and is not verified."""
        self.stub.expect("GET", "/x").reply(200).remove()
        self.assertEqual(("", []), (self.stub.verdict(), self.stub.expectations))
        self.assertEqual(501, self.send("GET", "/x").status)

    def test_a_pattern_can_be_expected(self) -> None:
        """It sees the decoded path."""
        self.stub.on("GET", re.compile("/[a-zü]+")).reply(200)
        self.assertEqual([200, 501], [self.send("GET", target).status for target in ("/gr%C3%BCn", "/1")])

    def test_a_reply_object_can_be_shared(self) -> None:
        """Many expectations may answer with the same."""
        down = Reply(503, b"", (("Retry-After", "1"),))
        self.stub.on("GET", "/a").reply(down)
        self.stub.on("GET", "/b").reply(down)
        self.assertEqual(["1", "1"], [self.send("GET", target).headers["retry-after"] for target in ("/a", "/b")])

    def test_it_is_noted_where_an_expectation_was_written(self) -> None:
        """File and line of the test, not of the library."""
        line = sys._getframe().f_lineno + 1
        expectations = [self.stub.on("GET", "/a"), self.stub.expect("GET", "/b").reply(200)]
        self.assertEqual([f"{HERE}:{line}"] * 2, [expectation.written_at for expectation in expectations])

    def test_the_place_is_absolute_if_it_is_elsewhere(self) -> None:
        """A file that is not below the working directory is named in full."""
        self.addCleanup(os.chdir, os.getcwd())
        path = os.path.abspath(__file__)
        os.chdir(os.path.dirname(os.__file__))
        self.assertEqual(path, self.stub.on("GET", "/a").written_at.rpartition(":")[0])

    def test_urls_are_made(self) -> None:
        """The path is joined with one slash, and parameters are encoded."""
        self.assertEqual(f"{self.stub.url}/a?q=b+c&n=1", self.stub.url_for("/a", q="b c", n=1))


class ContentTest(StubTest):
    """``serve_content()``, which answers whatever nothing else does."""

    def test_every_request_gets_it(self) -> None:
        """Whatever its method and path."""
        self.stub.serve_content("<p>grün</p>")
        for method, target in (("GET", "/"), ("POST", "/a?b=1"), ("DELETE", "/c")):
            with self.subTest(method=method):
                answer = self.send(method, target)
                self.assertEqual((200, "<p>grün</p>"), (answer.status, answer.text))
                self.assertEqual("text/html; charset=utf-8", answer.headers["content-type"])
        self.assertEqual("", self.stub.verdict())

    def test_bytes_are_sent_as_they_are(self) -> None:
        """No charset is guessed."""
        self.stub.serve_content(b"\x00\xff")
        answer = self.send()
        self.assertEqual((b"\x00\xff", "application/octet-stream"), (answer.body, answer.headers["content-type"]))

    def test_each_call_is_complete(self) -> None:
        """Content, code and headers of an earlier call do not stick."""
        self.stub.serve_content("a", 404, {"X-A": "1", "Content-Type": "text/plain"})
        first = self.send()
        self.assertEqual(
            (404, b"a", "1", "text/plain"),
            (first.status, first.body, first.headers["x-a"], first.headers["content-type"]),
        )
        self.stub.serve_content("b")
        second = self.send()
        self.assertEqual(
            (200, b"b", "text/html; charset=utf-8"), (second.status, second.body, second.headers["content-type"])
        )
        self.assertNotIn("x-a", second.headers)

    def test_an_expectation_goes_first(self) -> None:
        """The content is for the rest."""
        self.stub.on("GET", "/a").reply(201)
        self.stub.serve_content("rest")
        self.assertEqual([201, 200], [self.send("GET", target).status for target in ("/a", "/b")])

    def test_without_a_body(self) -> None:
        """204 and 304 are sent without body, length and type; the connection stays."""
        for code in (204, 304):
            with self.subTest(code=code):
                self.stub.serve_content(code=code)
                client = self.connect()
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
                received = b""
                while received.count(b"\r\n\r\n") < 2:
                    received += client.recv(1000)
                heads = received.split(b"\r\n\r\n")
                self.assertEqual([b"", 3], [heads[2], len(heads)])
                for head in heads[:2]:
                    self.assertTrue(head.startswith(b"HTTP/1.1 %d " % code), head)
                    self.assertNotIn(b"content-", head.lower())
                    self.assertNotIn(b"close", head.lower())

    def test_unknown_keywords_name_the_nearest(self) -> None:
        """As everywhere."""
        with self.assertRaises(TypeError) as caught:
            self.stub.serve_content("a", status=404)  # type: ignore[call-arg]
        self.assertEqual(
            "serve_content() got an unexpected keyword argument 'status'. It knows 'content', 'code', 'headers'.",
            str(caught.exception),
        )


class WireTest(StubTest):
    """How replies are framed."""

    def test_head_is_answered_without_body(self) -> None:
        """The length is that of the body which a GET would get."""
        self.stub.on("HEAD", "/x").reply(200, b"12345")
        answer = self.send("HEAD", "/x")
        self.assertEqual((b"", "5"), (answer.body, answer.headers["content-length"]))

    def test_head_may_be_answered_with_a_length_alone(self) -> None:
        """A Content-Length without a body is what HEAD is for."""
        self.stub.on("HEAD", "/x").reply(200, headers={"Content-Length": "5"})
        self.assertEqual("5", self.send("HEAD", "/x").headers["content-length"])
        self.assertEqual([], self.stub.take_errors())

    def test_a_header_may_be_sent_twice(self) -> None:
        """Pairs are sent as pairs."""
        self.stub.on().reply(headers=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
        client = self.connect()
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        received = b"".join(iter(lambda: client.recv(1000), b""))
        self.assertEqual(2, received.count(b"Set-Cookie: "))

    def test_pipelined_requests_are_answered_in_order(self) -> None:
        """Each by its own expectation, on the connection that stays."""
        for number in range(50):
            self.stub.expect("GET", f"/{number}").reply(text=f"<{number}>")
        client = self.connect()
        client.sendall(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(50)))
        received = b""
        while b"<49>" not in received:
            received += client.recv(65536)
        self.assertEqual([b"<%d>" % number for number in range(50)], re.findall(rb"<\d+>", received))

    def test_a_large_reply_arrives_whole(self) -> None:
        """Eight million bytes."""
        body = bytes(range(256)) * 31_250
        self.stub.on().reply(200, body)
        self.assertEqual(body, self.send().body)

    def test_a_length_that_cannot_be_kept_is_an_error_of_the_script(self) -> None:
        """A length for HEAD that is sent to a GET is recorded, not passed over."""
        self.stub.on().reply(200, headers={"Content-Length": "5"})
        self.assertEqual(500, self.send("GET", "/x").status)
        ((exchange, error),) = self.stub.take_errors()
        self.assertEqual(("GET /x", InvalidResponse), (exchange.describe(), type(error)))


class UnmatchedTest(StubTest):
    """What a client gets that nothing answers."""

    def test_it_is_a_501_that_says_why(self) -> None:
        """The body is the report."""
        self.stub.on("GET", "/users").reply(200)
        answer = self.send("GET", "/users/")
        self.assertEqual((501, "text/plain; charset=utf-8"), (answer.status, answer.headers["content-type"]))
        self.assertEqual(
            [
                "no expectation matches GET /users/",
                f"  nearest: GET '/users', written at {HERE}:",
                "    ok   method GET",
                "    FAIL path: wanted '/users', got '/users/' (it has a slash at the end)",
                "",
            ],
            re.sub(r"(?<=\.py:)\d+", "", answer.text).split("\n"),
        )

    def test_it_is_held_against_the_test_once(self) -> None:
        """The next verdict is silent about it."""
        self.send("GET", "/users")
        self.assertIn("#1: nothing answers GET /users: no expectation is written", self.stub.verdict())
        self.assertEqual("", self.stub.verdict())

    def test_a_request_without_a_reply_is_a_violation(self) -> None:
        """The client gets the same words as the test."""
        self.stub.on("GET", "/users")
        answer = self.send("GET", "/users")
        self.assertEqual(501, answer.status)
        first = "nothing answers GET /users: what matches it has no reply; add .reply(…)\n"
        self.assertTrue(answer.text.startswith(first), answer.text)
        self.assertIn(f"#1: {first}", self.stub.verdict())

    def test_a_forbidden_request_is_a_violation(self) -> None:
        """Although something else would answer it."""
        self.stub.serve_content("ok")
        self.stub.expect("DELETE", times=0)
        self.assertEqual([200, 501], [self.send(method, "/x").status for method in ("GET", "DELETE")])
        self.assertIn("#2: DELETE /x came, and must never come\n  never: DELETE any path", self.stub.verdict())

    def test_head_gets_no_report(self) -> None:
        """There is no body in the answer to a HEAD."""
        answer = self.send("HEAD", "/x")
        self.assertEqual((501, b""), (answer.status, answer.body))

    def test_the_stub_goes_on(self) -> None:
        """One stray request spoils no other, nor the connection."""
        self.stub.on("GET", "/x").reply(200)
        client = self.connect()
        for target, status in ((b"/favicon.ico", b"501"), (b"/x", b"200")):
            client.sendall(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % target)
            self.assertEqual(b"HTTP/1.1 " + status, client.recv(4000)[:12])

    def test_secrets_stay_secret(self) -> None:
        """Neither the client's copy of the report nor the test's has them."""
        self.stub.on("GET", "/x").reply(200)
        headers = {
            "Authorization": "Bearer hunter2",
            "Cookie": "sid=hunter2",
            "X-Api-Key": "hunter2",
            "Proxy-Authorization": "hunter2",
        }
        answer = self.send("GET", "/y?access_token=hunter2", b"password=hunter2", headers)
        self.assertEqual(501, answer.status)
        self.assertNotIn("hunter2", answer.text + self.stub.verdict())


class RecordTest(StubTest):
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
        self.assertEqual("", self.stub.verdict())

    def test_a_request_is_recorded_with_its_violation(self) -> None:
        """Who finds it among the requests finds it in the verdict."""
        client = self.connect()
        for number in range(1, 51):
            client.sendall(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
            self.wait_for(lambda: len(self.stub.requests) == number)  # noqa: B023
            self.assertIn(f"#{number}: nothing answers GET /x", self.stub.verdict())
            client.recv(4000)

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
        self.assertEqual(("", []), (self.stub.verdict(), self.stub.take_errors()))
        self.assertRegex(self.stub.traffic.list_requests()[1], r"^  #1 GET /big -> \D+")

    def test_a_client_that_leaves_in_the_middle_of_its_request_is_recorded(self) -> None:
        """It is no request, and no expectation's; but reports list it."""
        self.stub.expect("PUT", "/big").reply(200)
        client = self.connect()
        client.sendall(b"PUT /big HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc")
        self.wait_for(lambda: len(self.stub.journal))
        client.close()
        self.assertEqual([], self.stub.wait_until_idle(HANG))
        self.assertEqual(
            ([], 0, []), (self.stub.requests, self.stub.expectations[0].times_called, self.stub.take_errors())
        )
        report = self.stub.verdict()
        self.assertIn("\nthe stub was sent nothing in this test: ", report)
        (exchange,) = self.stub.journal.entries()
        self.assertTrue(report.endswith(f"\n1 request did not come whole:\n  PUT /big: {exchange.aborted}"), report)

    def test_a_malformed_request_is_recorded(self) -> None:
        """The client gets a 400, reports list the reason."""
        client = self.connect()
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n")
        self.assertEqual(b"HTTP/1.1 400", client.recv(4000)[:12])
        client.close()
        self.stub.expect("GET", "/").reply(200)
        self.assertEqual([], self.stub.requests)
        (exchange,) = self.stub.journal.entries()
        report = self.stub.verdict()
        line = f"\n1 request did not come whole:\n  {exchange.describe()}: {exchange.refused}"
        self.assertTrue(report.endswith(line), report)

    def test_a_malformed_body_is_recorded(self) -> None:
        """The client gets a 400, and nothing is claimed."""
        self.stub.on().reply(200)
        client = self.connect()
        client.sendall(b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n")
        self.assertEqual(b"HTTP/1.1 400", client.recv(4000)[:12])
        client.close()
        self.assertEqual([], self.stub.wait_until_idle(HANG))
        self.assertEqual(
            ([], 0, []), (self.stub.requests, self.stub.expectations[0].times_called, self.stub.take_errors())
        )

    def test_a_full_journal_is_mentioned(self) -> None:
        """Reports say that the oldest requests are gone."""
        with HTTPStub(journal_limit=2) as stub:
            for target in ("/a", "/b", "/c"):
                self.send("GET", target, stub=stub)
            self.assertEqual(["/b", "/c"], [request.path for request in stub.requests])
            lines = stub.verdict().split("\n")
            self.assertEqual("nothing answers GET /a: no expectation is written", lines[1])
            self.assertEqual("#1: nothing answers GET /b: no expectation is written", lines[3])
            self.assertEqual(stub.journal.loss, lines[-1])


class TestsTest(StubTest):
    """From test to test."""

    def test_a_new_test_begins_with_nothing(self) -> None:
        """Requests, violations aside, are gone; so are expectations and content."""
        self.begin("a")
        self.stub.expect("GET", "/x").reply(200)
        self.stub.serve_content("content")
        self.send("GET", "/y")
        self.begin("b")
        self.assertEqual(([], [], ""), (self.stub.requests, self.stub.expectations, self.stub.verdict()))
        self.assertEqual(501, self.send("GET", "/y").status)

    def test_a_class_wide_script_survives(self) -> None:
        """It answers in each test, and is verified anew in each."""
        self.stub.expect("GET", "/login", times=1).reply(200)
        self.stub.serve_content("content")
        for name in ("a", "b"):
            with self.subTest(name=name):
                self.begin(name)
                self.assertIn("GET '/login' was expected exactly once, and never came", self.stub.verdict())
                self.assertEqual([b"", b"content"], [self.send("GET", "/login").body for _ in range(2)])
                self.assertEqual("", self.stub.verdict())

    def test_a_violation_of_an_earlier_test_names_it(self) -> None:
        """It is told of once, apart from the verdict, and its request is not among this test's."""
        self.begin("shop.test_a")
        self.send("GET", "/x")
        self.begin("shop.test_b")
        self.assertEqual(([], ""), (self.stub.requests, self.stub.verdict()))
        self.assertEqual(
            f"stub {self.stub.url}:\n"
            "left over from shop.test_a: nothing answers GET /x: no expectation is written\n"
            "  write stub.on('GET', '/x').reply(…), or expect(…) if it must come",
            self.stub.leftovers(),
        )
        self.assertEqual("", self.stub.leftovers())

    def test_what_comes_to_light_after_the_last_test_names_it(self) -> None:
        """Expectations were judged already."""
        self.begin("shop.test_a")
        self.stub.expect("GET", "/y").reply(200)
        self.stub.verdict()
        self.send("GET", "/x")
        self.assertRegex(
            self.stub.leftovers(), r"^stub .*:\nleft over from shop\.test_a: no expectation matches GET /x\n"
        )
        self.assertEqual("", self.stub.leftovers())

    def test_a_request_that_was_not_complete_in_its_test_is_not_answered_in_the_next(self) -> None:
        """It neither uses up nor counts, and is held against the test in which it came."""
        self.begin("shop.test_a")
        client = self.connect()
        client.sendall(b"PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab")
        self.wait_for(lambda: len(self.stub.journal))
        self.begin("shop.test_b")
        expectation = self.stub.expect("PUT", "/x").reply(200)
        client.sendall(b"c")
        self.assertEqual(b"HTTP/1.1 501", client.recv(4000)[:12])
        self.wait_for(lambda: not self.stub.in_flight)
        self.assertEqual(([], []), (self.stub.requests, expectation.requests))
        self.assertIn(
            "\nleft over from shop.test_a: PUT /x (3 bytes of no content type) was complete only when its test "
            "was over, so nothing answered it",
            self.stub.leftovers(),
        )

    def test_an_answer_that_is_late_belongs_to_its_test(self) -> None:
        """A delayed exchange of the test before is not in this one, when it ends either."""
        self.begin("a")
        self.stub.on().reply(200, delay=60)
        client = self.connect()
        client.sendall(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
        self.wait_for(lambda: self.stub.requests)
        self.begin("b")
        self.assertEqual(([], ""), (self.stub.requests, self.stub.verdict()))
        self.stub.stop()
        self.assertEqual([], self.stub.requests)

    def test_settling_waits_for_what_is_on_its_way(self) -> None:
        """A request whose body is still coming is decided upon when it returns."""
        client = self.connect()
        client.sendall(b"PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab")
        self.wait_for(lambda: len(self.stub.journal))
        threading.Timer(0.05, client.sendall, [b"c"]).start()
        self.stub.settle(HANG)
        self.assertEqual(1, len(self.stub.requests))
        client.recv(4000)

    def test_settling_does_not_wait_for_delays(self) -> None:
        """A reply that takes its time holds nobody up."""
        self.stub.on().reply(200, delay=HANG)
        client = self.connect()
        client.sendall(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
        self.wait_for(lambda: self.stub.requests)
        self.stub.settle(HANG)
        self.assertEqual(1, len(self.stub.in_flight))

    def test_settling_gives_up(self) -> None:
        """A client that never ends its request cannot hold a test for longer than was said."""
        client = self.connect()
        client.sendall(b"PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab")
        self.wait_for(lambda: len(self.stub.journal))
        self.stub.settle(0.01)
        self.assertEqual(1, len(self.stub.in_flight))

    def test_settling_cares_for_this_test_only(self) -> None:
        """What an earlier test left hanging is not waited for."""
        client = self.connect()
        client.sendall(b"PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab")
        self.wait_for(lambda: len(self.stub.journal))
        self.begin("b")
        self.stub.settle(HANG)
        self.assertEqual(1, len(self.stub.in_flight))


class DelayTest(StubTest):
    """Replies that take their time."""

    def test_a_delay_is_kept(self) -> None:
        """The answer does not come before it is over."""
        self.stub.on().reply(200, delay=0.05)
        self.send()
        self.assertGreaterEqual(self.stub.requests[0].duration or 0, 0.05)

    def test_a_delay_holds_up_nobody_else(self) -> None:
        """Other clients are answered meanwhile, and the script can be changed."""
        self.stub.on("GET", "/slow").reply(200, delay=60)
        client = self.connect()
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        self.wait_for(lambda: self.stub.requests)
        self.stub.on("GET", "/quick").reply(200)
        self.assertEqual(200, self.send_quickly("/quick"))

    def send_quickly(self, target: str) -> int:
        """Send on a connection of its own, without waiting for the others."""
        client = self.connect()
        client.sendall(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % target.encode())
        return int(client.recv(1000)[9:12])

    def test_it_ends_when_the_stub_stops(self) -> None:
        """The client is answered at once, and nothing has to be cut."""
        self.stub.on().reply(200, delay=60)
        clients = [self.connect() for _ in range(5)]
        for client in clients:
            client.sendall(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
        self.wait_for(lambda: len(self.stub.requests) == 5)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of work that was cut
            self.stub.stop(timeout=HANG)
        for client in clients:
            received = b"".join(iter(lambda: client.recv(1000), b""))  # noqa: B023
            self.assertTrue(received.startswith(b"HTTP/1.1 200 OK\r\n"), received)
            self.assertIn(b"\r\nConnection: close\r\n", received)

    def test_there_are_delays_after_a_restart(self) -> None:
        """A stop ends the delays of its run only."""
        self.stub.stop()
        self.stub.start()
        self.stub.on().reply(200, delay=0.05)
        self.send()
        self.assertGreaterEqual(self.stub.requests[0].duration or 0, 0.05)


class AloneTest(StubTest):
    """A stub outside of any test case."""

    def test_with_starts_and_stops_it(self) -> None:
        """Inside of the block it serves."""
        with HTTPStub() as stub:
            stub.on("GET", "/x").reply(200)
            self.assertEqual(200, self.send("GET", "/x", stub=stub).status)
            self.assertEqual(["/x"], [request.path for request in stub.requests])
            self.assertEqual("", stub.verdict())
        self.assertFalse(stub.is_running)

    def test_it_can_be_scripted_before_it_starts(self) -> None:
        """Expectations need no socket."""
        stub = HTTPStub()
        stub.on("GET", "/x").reply(200)
        with stub:
            self.assertEqual(200, self.send("GET", "/x", stub=stub).status)

    def test_the_script_survives_a_restart(self) -> None:
        """So does the record."""
        self.stub.expect("GET", "/x", times=2).reply(200)
        self.send("GET", "/x")
        self.stub.stop()
        self.stub.start()
        self.assertEqual(200, self.send("GET", "/x").status)
        self.assertEqual((2, ""), (len(self.stub.requests), self.stub.verdict()))

    def test_it_can_be_asked_when_it_has_stopped(self) -> None:
        """Record and verdict are still there."""
        self.stub.expect("GET", "/x").reply(200)
        self.send("GET", "/y")
        self.stub.stop()
        self.assertEqual(1, len(self.stub.requests))
        self.assertIn("no expectation matches GET /y", self.stub.verdict())

    def test_two_at_once_are_strangers(self) -> None:
        """Each has its own port, script and record."""
        with HTTPStub() as other:
            self.stub.on("GET", "/x").reply(text="one")
            other.on("GET", "/x").reply(text="two")
            self.assertEqual(["one", "two"], [self.send("GET", "/x", stub=stub).text for stub in (self.stub, other)])
            self.assertEqual([1, 1], [len(stub.requests) for stub in (self.stub, other)])
            self.assertNotEqual(self.stub.port, other.port)

    @unittest.skipUnless(has_ipv6(), "there is no IPv6 here")
    def test_it_speaks_ipv6(self) -> None:
        """The URL has brackets, and the request its address."""
        with HTTPStub("::1") as stub:
            stub.on().reply(200)
            self.assertEqual(f"http://[::1]:{stub.port}", stub.url)
            self.assertEqual(200, self.send("GET", "/x", stub=stub).status)
            self.assertEqual(("::1", f"{stub.url}/x"), (stub.requests[0].remote_addr, stub.requests[0].url))

    def test_it_cannot_be_pickled(self) -> None:
        """The reason is given."""
        import pickle

        with self.assertRaisesRegex(TypeError, "^<HTTPStub running at http://.*> cannot be pickled or copied: "):
            pickle.dumps(self.stub)

    def test_a_script_without_a_file_has_a_place_too(self) -> None:
        """What is typed in has a line."""
        result = run_python(
            """
            from liveserver_testcase import HTTPStub
            print(HTTPStub().on("GET", "/x").written_at)
            """
        )
        self.assertEqual(("<string>:3\n", ""), (result.stdout, result.stderr))

    def test_it_is_noted_when_the_directory_is_gone(self) -> None:
        """Nothing needs the working directory."""
        result = run_python(
            """
            import os, tempfile
            import liveserver_testcase.stub.server
            with tempfile.TemporaryDirectory() as directory:
                os.chdir(directory)
            print(liveserver_testcase.stub.server.HTTPStub().on("GET", "/x").written_at)
            """
        )
        self.assertEqual(("<string>:6\n", ""), (result.stdout, result.stderr))


class MisuseTest(StubTest):
    """A script that makes no sense is refused where it is written, and changes nothing."""

    def test_nonsense_is_refused(self) -> None:
        """Whichever method it is given to."""
        calls: list[Any] = [
            lambda: self.stub.on("/x"),
            lambda: self.stub.expect("GET", "x"),
            lambda: self.stub.on("GET", "/x?a=1"),
            lambda: self.stub.expect("GET", "/x", times=-1),
            lambda: self.stub.on("GET", "/x", times=0),
            lambda: self.stub.serve_content("a", 99),
            lambda: self.stub.serve_content({"a": 1}),  # type: ignore[arg-type]
        ]
        for number, call in enumerate(calls):
            with self.subTest(number=number), self.assertRaises(UsageError):
                call()
        self.assertEqual([], self.stub.expectations)
        self.assertEqual(501, self.send().status)

    def test_unknown_keywords_name_the_nearest(self) -> None:
        """For both methods that write expectations."""
        for method in (self.stub.on, self.stub.expect):
            with self.subTest(method=method.__name__):
                with self.assertRaises(TypeError) as caught:
                    method("GET", "/x", time=1)  # type: ignore[call-arg]
                self.assertEqual(
                    f"{method.__name__}() got an unexpected keyword argument 'time'. Did you mean 'times'?",
                    str(caught.exception),
                )

    def test_method_and_path_have_no_names(self) -> None:
        """It is said how they are given."""
        with self.assertRaises(TypeError) as caught:
            self.stub.on(path="/x")  # type: ignore[call-arg]
        self.assertEqual(
            "on() takes 'path' by its position, without its name: on(method, path, …)", str(caught.exception)
        )

    def test_handling_needs_an_open_exchange(self) -> None:
        """One that is over is not answered again."""
        self.stub.on().reply(200)
        self.send()
        exchange = self.stub.requests[0].exchange
        with self.assertRaisesRegex(RuntimeError, "is over$"):
            self.stub.handle(exchange)
        self.assertEqual(1, self.stub.expectations[0].times_called)


class ThreadsTest(StubTest):
    """Twenty clients at once, their threads and the server's switched as often as can be."""

    def test_nothing_is_lost_or_doubled(self) -> None:
        """Bounded expectations are claimed exactly, every client gets the answer of the expectation that counts it."""
        self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())
        bounded = [
            self.stub.expect("GET", re.compile("/.*"), times=n).reply(text=f"<{i}>")
            for i, n in enumerate((1, 50, 7, 300))
        ]
        rest = self.stub.on("GET", re.compile("/.*")).reply(text="<rest>")
        answers: list[bytes] = []

        def work(number: int) -> None:
            with socket.create_connection(self.stub.address, HANG) as client:
                client.sendall(b"".join(b"GET /%d/%d HTTP/1.1\r\nHost: a\r\n\r\n" % (number, n) for n in range(50)))
                received = b""
                while received.count(b"<") < 50 or not received.endswith(b">"):
                    received += client.recv(65536)
            answers.extend(re.findall(rb"<\w+>", received))

        threads = [threading.Thread(target=work, args=[number]) for number in range(20)]
        sys.setswitchinterval(1e-6)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(HANG)
        self.assertEqual([], self.stub.wait_until_idle(HANG))
        called = {b"<%d>" % i: expectation.times_called for i, expectation in enumerate(bounded)}
        self.assertEqual({b"<0>": 1, b"<1>": 50, b"<2>": 7, b"<3>": 300}, called)
        self.assertEqual(called | {b"<rest>": rest.times_called}, collections.Counter(answers))
        sent = {f"/{number}/{n}" for number in range(20) for n in range(50)}
        recorded = [request.path for request in self.stub.requests]
        claimed = [request.path for expectation in [*bounded, rest] for request in expectation.requests]
        self.assertEqual((sent, 1000), (set(recorded), len(recorded)))
        self.assertEqual((sent, 1000), (set(claimed), len(claimed)))
        self.assertEqual("", self.stub.verdict())


class PlaceTest(unittest.TestCase):
    """Where the library ends and the test begins."""

    def test_a_package_with_a_similar_name_is_not_ours(self) -> None:
        """Only the library's own frames are passed over."""
        scope: dict[str, Any] = {"__name__": "liveserver_testcase_helpers.stubs", "find": server_module._find_caller}
        exec(compile("place = find()", "helpers.py", "exec"), scope)
        self.assertEqual("helpers.py:1", scope["place"])


if __name__ == "__main__":
    unittest.main()

"""The stub over real sockets: what a test writes is what a client gets."""

from __future__ import annotations

import json
import os
import re
import sys
from typing import Any

from liveserver_testcase import InvalidResponse, Reply, UsageError
from tests.integration.stub.support import StubTest, receive

HERE = os.path.relpath(__file__)


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
        self.assertEqual("", self.stub.failure_report())

    def test_what_must_happen_is_verified(self) -> None:
        """``expect()`` does, until it came."""
        self.stub.expect("GET", "/users").reply(200)
        self.assertIn("GET '/users' was expected exactly once, and never came", self.stub.failure_report())
        self.send("GET", "/users")
        self.assertEqual("", self.stub.failure_report())

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
                    self.assertEqual(number in wrongly, bool(self.stub.failure_report()))

    def test_at_most_is_a_limit(self) -> None:
        """``on(times=n)`` answers n requests and demands none."""
        self.stub.on("GET", "/x", times=2).reply(200)
        self.assertEqual("", self.stub.failure_report())
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
        self.assertEqual(("", []), (self.stub.failure_report(), self.stub.expectations))
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
        self.assertEqual([f"{HERE}:{line}"] * 2, [expectation.location for expectation in expectations])

    def test_the_place_is_absolute_if_it_is_elsewhere(self) -> None:
        """A file that is not below the working directory is named in full."""
        self.addCleanup(os.chdir, os.getcwd())
        path = os.path.abspath(__file__)
        os.chdir(os.path.dirname(os.__file__))
        self.assertEqual(path, self.stub.on("GET", "/a").location.rpartition(":")[0])

    def test_urls_are_made(self) -> None:
        """The path is joined with one slash, and parameters are encoded."""
        self.assertEqual(f"{self.stub.url}/a?q=b+c&n=1", self.stub.url_for("/a", q="b c", n=1))


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
        self.assertEqual([], self.take_errors())

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
        received = receive(client, lambda data: b"<49>" in data)
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
        ((exchange, error),) = self.take_errors()
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
                f"  to send it again: curl --noproxy '*' {self.stub.url}/users/",
                "",
            ],
            re.sub(r"(?<=\.py:)\d+", "", answer.text).split("\n"),
        )

    def test_it_is_held_against_the_test_once(self) -> None:
        """The next verdict is silent about it."""
        self.send("GET", "/users")
        self.assertIn("#1: nothing answers GET /users: no expectation is written", self.stub.failure_report())
        self.assertEqual("", self.stub.failure_report())

    def test_a_request_without_a_reply_is_a_violation(self) -> None:
        """The client gets the same words as the test."""
        self.stub.on("GET", "/users")
        answer = self.send("GET", "/users")
        self.assertEqual(501, answer.status)
        first = "nothing answers GET /users: what matches it has no reply; add .reply(…)\n"
        self.assertTrue(answer.text.startswith(first), answer.text)
        self.assertIn(f"#1: {first}", self.stub.failure_report())

    def test_a_forbidden_request_is_a_violation(self) -> None:
        """Although something else would answer it."""
        self.stub.serve_content("ok")
        self.stub.expect("DELETE", times=0)
        self.assertEqual([200, 501], [self.send(method, "/x").status for method in ("GET", "DELETE")])
        self.assertIn("#2: DELETE /x came, and must never come\n  never: DELETE any path", self.stub.failure_report())

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
        self.assertNotIn("hunter2", answer.text + self.stub.failure_report())


class MisuseTest(StubTest):
    """A script that makes no sense is refused where it is written, and changes nothing."""

    def test_nonsense_is_refused(self) -> None:
        """Whichever method it is given to."""
        calls: list[Any] = [
            lambda: self.stub.on("/x"),
            lambda: self.stub.expect("GET", "x"),
            lambda: self.stub.on("GET", "/x?a=1", query="b=1"),
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
            self.stub._engine.handler.handle(exchange, None)
        self.assertEqual(1, self.stub.expectations[0].times_called)

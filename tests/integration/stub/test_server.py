"""The stub over real sockets: what a test writes is what a client gets."""

from __future__ import annotations

import json
import os
import re
import sys
from typing import Any

from liveserver_testcase import UsageError, at_least, at_most
from liveserver_testcase.stub.script import caller_location
from tests.integration.stub.support import StubTest, receive
from tests.support import run_python

HERE = os.path.relpath(__file__)


class ScriptTest(StubTest):
    """What a test writes is what a client gets."""

    def test_a_scripted_reply_is_sent(self) -> None:
        """Status, headers and body arrive, with their length, and the expectation knows its request."""
        charge = self.stub.expect("POST", "/charges").reply(201, json={"id": 1}, headers={"X-A": "1"})
        answer = self.send("POST", "/charges", b'{"amount": 5}', {"Content-Type": "application/json"})
        self.assertEqual((201, {"id": 1}), (answer.status, json.loads(answer.body)))
        headers = [answer.headers[name] for name in ("content-type", "x-a", "content-length")]
        self.assertEqual(["application/json", "1", "9"], headers)
        self.assertEqual([{"amount": 5}], [request.json for request in charge.requests])
        self.assertEqual((charge.requests, ""), (self.stub.requests, self.stub.failure_report()))

    def test_how_often_can_be_said(self) -> None:
        """Exactly n, a range, at least, at most, never; ``on(times=n)`` answers n requests and demands none."""
        for times, rightly, wrongly in (
            (2, (2,), (0, 1, 3)), ((1, 2), (1, 2), (0, 3)), (at_least(2), (2, 9), (1,)), (None, (1, 5), (0,)),
            (at_most(1), (0, 1), (2,)), (0, (0,), (1,)),
        ):  # fmt: skip
            for number in rightly + wrongly:
                with self.subTest(times=times, number=number):
                    self.begin(f"{times}, {number}")
                    self.stub.expect("GET", "/x", times=times).reply(200)
                    for _ in range(number):
                        self.send("GET", "/x")
                    self.assertEqual(number in wrongly, bool(self.stub.failure_report()))
        self.begin("shop.test_a")
        self.stub.on("GET", "/x", times=2).reply(200)
        self.assertEqual("", self.stub.failure_report())
        self.assertEqual([200, 200, 501], [self.send("GET", "/x").status for _ in range(3)])
        for function, number in ((at_least, "2"), (at_most, -1)):
            with self.assertRaises(UsageError) as caught:
                function(number)  # type: ignore[operator]
            wanted = f"{function.__name__}({number!r}): wanted a whole number, 0 or more"
            self.assertEqual(wanted, str(caught.exception))

    def test_pipelined_requests_are_answered_in_order(self) -> None:
        """Each by its own expectation, on the connection that stays."""
        for number in range(50):
            self.stub.expect("GET", f"/{number}").reply(text=f"<{number}>")
        client = self.connect()
        client.sendall(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(50)))
        received = receive(client, lambda data: b"<49>" in data)
        self.assertEqual([b"<%d>" % number for number in range(50)], re.findall(rb"<\d+>", received))


class LocationTest(StubTest):
    """Where an expectation was written."""

    def test_it_is_noted(self) -> None:
        """File and line of the test, not of the library; in full where that is not below the working directory."""
        line = sys._getframe().f_lineno + 1
        expectations = [self.stub.on("GET", "/a"), self.stub.expect("GET", "/b").reply(200)]
        self.assertEqual([f"{HERE}:{line}"] * 2, [expectation.location for expectation in expectations])
        self.addCleanup(os.chdir, os.getcwd())
        path = os.path.abspath(__file__)
        os.chdir(os.path.dirname(os.__file__))
        self.assertEqual(path, self.stub.on("GET", "/a").location.rpartition(":")[0])

    def test_without_a_file_or_a_working_directory(self) -> None:
        """What is typed in has a line, also when the directory is gone."""
        result = run_python(
            """
            import os, tempfile
            from liveserver_testcase import HTTPStub
            print(HTTPStub().on("GET", "/x").location)
            with tempfile.TemporaryDirectory() as directory:
                os.chdir(directory)
            print(HTTPStub().on("GET", "/x").location)
            """
        )
        self.assertEqual(("<string>:4\n<string>:7\n", ""), (result.stdout, result.stderr))

    def test_a_package_with_a_similar_name_is_not_ours(self) -> None:
        """Only the library's own frames are passed over."""
        scope: dict[str, Any] = {"__name__": "liveserver_testcase_helpers.stubs", "find": caller_location}
        exec(compile("place = find()", "helpers.py", "exec"), scope)
        self.assertEqual("helpers.py:1", scope["place"])


class UnmatchedTest(StubTest):
    """What a client gets that nothing answers."""

    def test_it_is_a_501_that_says_why(self) -> None:
        """The body is the report, unless it is the answer to a HEAD; it is held against the test once."""
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
        self.assertIn("#1: no expectation matches GET /users/", self.stub.failure_report())
        self.assertEqual("", self.stub.failure_report())
        answer = self.send("HEAD", "/x")
        self.assertEqual((501, b""), (answer.status, answer.body))

    def test_the_stub_goes_on(self) -> None:
        """One stray request spoils no other, nor the connection."""
        self.stub.on("GET", "/x").reply(200)
        client = self.connect()
        for target, status in ((b"/favicon.ico", b"501"), (b"/x", b"200")):
            client.sendall(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % target)
            self.assertEqual(b"HTTP/1.1 " + status, client.recv(4000)[:12])

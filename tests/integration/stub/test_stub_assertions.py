"""`assertRequested`, as a test author meets it."""

from __future__ import annotations

import re
from typing import Any

from liveserver_testcase import HTTPStubTestCase, RecordedRequest
from tests.integration.running import normalise
from tests.integration.stub.test_stub import send
from tests.support import NoClassLeaks


class AssertRequestedTest(NoClassLeaks, HTTPStubTestCase):
    """`assertRequested`, within a test case that has the mixin."""

    maxDiff = None
    stub_timeout = 0.0

    def setUp(self) -> None:
        self.stub.serve_content("ok")

    def send(self, *requests: tuple[str, str]) -> None:
        for method, target in requests:
            send(self.stub, method, target)

    def report(self, *arguments: Any, **keywords: Any) -> list[str]:
        """The lines of the failure that a call must raise."""
        with self.assertRaises(self.failureException) as caught:
            self.assertRequested(*arguments, **keywords)
        return normalise(str(caught.exception)).split("\n")

    def test_the_request_is_returned(self) -> None:
        """The first that matches."""
        self.send(("GET", "/a"), ("POST", "/b?n=1"), ("POST", "/b?n=2"))
        request = self.assertRequested("POST", "/b")
        self.assertIsInstance(request, RecordedRequest)
        self.assertEqual("1", request.args["n"])

    def test_whatever_is_asked_for(self) -> None:
        """Any request, a pattern, which matches the whole path, or method and path by their names."""
        self.send(("GET", "/users/12"))
        self.assertEqual("/users/12", self.assertRequested().path)
        self.assertRequested("GET", re.compile(r"/users/\d+"))
        self.report("GET", re.compile(r"/users/\d"))
        self.assertEqual("/users/12", self.assertRequested(method="GET", path="/users/12").path)

    def test_one_request_is_returned_as_itself(self) -> None:
        """``times=1`` means exactly one."""
        self.send(("GET", "/a"))
        self.assertEqual("/a", self.assertRequested("GET", "/a", times=1).path)
        self.send(("GET", "/a"))
        self.report("GET", "/a", times=1)

    def test_several_requests_are_returned_as_a_list(self) -> None:
        """In their order."""
        self.send(("GET", "/a"), ("GET", "/b"), ("GET", "/a?2"))
        for times in (2, (1, 2), (2, None), (1, 5)):
            with self.subTest(times=times):
                found = self.assertRequested("GET", "/a", times=times)
                self.assertEqual(["/a", "/a?2"], [request.exchange.target for request in found])
        for times in (1, 3, (3, None), (0, 1), 0):
            with self.subTest(times=times):
                self.report("GET", "/a", times=times)
        self.assertEqual([], self.assertRequested("GET", "/c", times=0))

    def test_a_request_that_nothing_answered_counts(self) -> None:
        """It came."""
        self.stub.expect("GET", "/x", times=0)
        self.send(("GET", "/x"))
        self.assertRequested("GET", "/x")
        self.stub.failure_report()

    def test_a_request_is_there_before_its_answer(self) -> None:
        """A client that has the answer finds its request asserted."""
        for number in range(1, 31):
            self.send(("GET", "/a"))
            self.assertRequested("GET", "/a", times=(number, number))

    def test_a_failure_is_a_failure(self) -> None:
        """Of the class that the test wants, so that runners do not count an error; and reports why."""
        self.send(("GET", "/charge"), ("PUT", "/x"))
        self.assertEqual(
            [
                "GET '/charges' was expected at least once, and never came",
                "  nearest: #1 GET /charge",
                "    ok   method GET",
                "    FAIL path: wanted '/charges', got '/charge'",
                "the stub at http://127.0.0.1:PORT was sent 2 requests in this test:",
                "  #1 GET /charge -> 200",
                "  #2 PUT /x -> 200",
            ],
            self.report("GET", "/charges"),
        )

    def test_nothing_came(self) -> None:
        """The stub's URL is shown."""
        self.assertEqual(
            [
                "any request was expected at least once, and never came",
                "the stub was sent nothing in this test: does the code under test use http://127.0.0.1:PORT?",
            ],
            self.report(),
        )

    def test_the_authors_words_come_first(self) -> None:
        """``msg`` stands above the report."""
        self.assertEqual(
            ["the shop must ask", "GET '/a' was expected at least once, and never came"],
            self.report("GET", "/a", msg="the shop must ask")[:2],
        )

    def test_an_unknown_keyword_names_the_nearest(self) -> None:
        """The function is named, too."""
        with self.assertRaises(TypeError) as caught:
            self.assertRequested("GET", "/x", time=1)  # type: ignore[call-overload]
        self.assertEqual(
            "assertRequested() got an unexpected keyword argument 'time'. Did you mean 'times'?", str(caught.exception)
        )

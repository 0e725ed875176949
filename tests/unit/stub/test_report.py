"""Reports, letter by letter: about one request, about a whole test, about an assertion; and what the stub was sent."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable
from typing import Any

from liveserver_testcase import Reply
from liveserver_testcase.core.journal import JournalWindow
from liveserver_testcase.stub.expectation import Order
from liveserver_testcase.stub.matching import make_criteria
from liveserver_testcase.stub.registry import Decision
from liveserver_testcase.stub.report import explain_count, explain_late, find_violation
from liveserver_testcase.stub.responders import ServedContent
from liveserver_testcase.web.records import Exchange
from tests.integration.stub.support import URL, ReportTest, make_exchange, make_expectation, make_request

ONCE = (1, 1)
NEVER = (0, 0)
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
LONG = "a" * 4999


class StoryTest(ReportTest):
    """What is written, and what comes, in the order of a list."""

    def play(self, *steps: tuple[Any, ...] | str) -> None:
        """Do one step after the other.

        A text, such as ``GET /a``, is a request; so is a tuple of text, body and content type.  Any other tuple is an
        expectation, its last item a mapping if it has keywords.
        """
        self.setUp()
        for step in steps:
            line, *more = step if isinstance(step, tuple) else (step,)
            if isinstance(line, str) and " " in line:
                self.come(*line.split(" "), *more)
            else:
                keywords = more.pop() if more and isinstance(more[-1], dict) else {}
                self.add(line, *more, **keywords)

    def check(self, rows: Iterable[tuple[tuple[Any, ...], str]], *, whole: bool = False) -> None:
        """Play each story, and compare the report: of the last request, or of the whole test."""
        for steps, text in rows:
            with self.subTest(steps=steps):
                self.play(*steps)
                found = self.failure_report() if whole else self.violations[-1].explain()
                self.assertEqual(textwrap.dedent(text).strip("\n"), found)


class ViolationTest(StoryTest):
    """One request that nothing answers: the text that its client gets, too."""

    def test_why_nothing_answers(self) -> None:
        """The nearest expectation is compared criterion by criterion, and the line to write is shown."""
        rows: list[tuple[tuple[Any, ...], str]] = [
            (
                (("POST /charges?live=1", b"{}", JSON),),
                """
                nothing answers POST /charges?live=1 (2 bytes of application/json): no expectation is written
                  write stub.on('POST', '/charges').reply(…), or expect(…) if it must come
                """,
            ),
            (
                (("GET", "/status"), ("POST", "/charges", ONCE), (None, re.compile(r"/rates/\w+")),
                 ("POST /charge", b"a=1", FORM)),
                r"""
                no expectation matches POST /charge (3 bytes of application/x-www-form-urlencoded)
                  nearest: POST '/charges', written at shop.py:2
                    ok   method POST
                    FAIL path: wanted '/charges', got '/charge'
                  2 others:
                    GET '/status', written at shop.py:1
                    any method matching '/rates/\\w+', written at shop.py:3
                """,
            ),
            (  # a known slip weighs less than the method, the method less than a strange path
                (("GET", "/charges"), ("POST", "/Charges"), ("POST", "/refunds"), "POST /charges"),
                """
                no expectation matches POST /charges
                  nearest: POST '/Charges', written at shop.py:2
                    ok   method POST
                    FAIL path: wanted '/Charges', got '/charges' (upper and lower case differ)
                  2 others:
                    GET '/charges', written at shop.py:1
                    POST '/refunds', written at shop.py:3
                """,
            ),
            (
                (("POST", "/refunds"), ("POST", "/charges"), "GET /charges"),
                """
                no expectation matches GET /charges
                  nearest: POST '/charges', written at shop.py:2
                    FAIL method: wanted POST, got GET (a client that follows a redirect makes a GET of a POST)
                    ok   path '/charges'
                  1 other:
                    POST '/refunds', written at shop.py:1
                """,
            ),
            (  # of those with the same path the one with fewer differences
                (("POST", "/x", {"json": {"a": 1, "b": 2}}), ("POST", "/x", {"json": {"a": 9, "b": 9}}),
                 ("POST /x", b'{"a": 1, "b": 3}', JSON)),
                """
                no expectation matches POST /x (16 bytes of application/json)
                  nearest: POST '/x' json={'a': 1, 'b': 2}, written at shop.py:1
                    ok   method POST
                    ok   path '/x'
                    FAIL json at $.b: wanted 2, got 3
                  1 other:
                    POST '/x' json={'a': 9, 'b': 9}, written at shop.py:2
                """,
            ),
            (  # what matches is used up
                (("GET", "/a"), ("POST", "/charges", (2, 2)), "POST /charges", "POST /charges", "POST /charges"),
                """
                nothing answers POST /charges: no expectation is left for it
                  POST '/charges', written at shop.py:2, was for 2 requests, and has had them
                  for more write times=3, or on() for any number
                """,
            ),
            (
                (("POST", "/charges", ONCE), "POST /charges", "POST /charges/"),
                """
                no expectation matches POST /charges/
                  nearest: POST '/charges', written at shop.py:1, was for 1 request, and has had it
                    ok   method POST
                    FAIL path: wanted '/charges', got '/charges/' (it has a slash at the end)
                """,
            ),
            (
                (("POST", "/charges", ONCE, {"reply": False}), "POST /charges"),
                """
                nothing answers POST /charges: what matches it has no reply; add .reply(…)
                  POST '/charges', without a reply, written at shop.py:1
                """,
            ),
            (
                (("DELETE", None, NEVER), "DELETE /users/1"),
                """
                DELETE /users/1 came, and must never come
                  never: DELETE any path, written at shop.py:1
                """,
            ),
            (  # an order
                (("GET", "/login", ONCE, {"order": (order := Order())}), ("GET", "/buy", ONCE, {"order": order}),
                 "GET /buy"),
                """
                nothing answers GET /buy: what matches it cannot answer now
                  GET '/buy', written at shop.py:2
                    it is later in its order: first must come GET '/login', written at shop.py:1
                """,
            ),
            (
                (("GET", "/poll", {"order": (order := Order())}), ("GET", "/buy", ONCE, {"order": order}),
                 "GET /buy", "GET /poll"),
                """
                nothing answers GET /poll: what matches it cannot answer now
                  GET '/poll', written at shop.py:1
                    its turn in the order is over
                """,
            ),
            (  # each difference with its values, but for secrets
                (("POST", "/x", {"json": {"a": 1, "b": 2, "c": 3, "password": 4, "e": 5}}),
                 ("POST /x", b'{"a": 1, "password": 5}', JSON)),
                """
                no expectation matches POST /x (23 bytes of application/json)
                  nearest: POST '/x' json={'a': 1, 'b': 2, 'c': 3, 'password': '***', 'e': 5}, written at shop.py:1
                    ok   method POST
                    ok   path '/x'
                    FAIL json at $.b: wanted 2, got nothing (3 more differences)
                         at $.c: wanted 3, got nothing
                         at $.password: wanted ***, got another
                         at $.e: wanted 5, got nothing
                """,
            ),
            (  # five of many
                (("POST", "/x", {"json": list(range(9))}), ("POST /x", json.dumps(list(range(10, 19))).encode(), JSON)),
                """
                no expectation matches POST /x (36 bytes of application/json)
                  nearest: POST '/x' json=[0, 1, 2, 3, 4, 5, 6, 7, 8], written at shop.py:1
                    ok   method POST
                    ok   path '/x'
                    FAIL json at $[0]: wanted 0, got 10 (8 more differences)
                         at $[1]: wanted 1, got 11
                         at $[2]: wanted 2, got 12
                         at $[3]: wanted 3, got 13
                         at $[4]: wanted 4, got 14
                         … and 4 more differences
                """,
            ),
            (
                (("POST", "/x", {"text": "one\ntwo\nthree"}), ("POST /x", b"one\n2\nthree", "text/plain")),
                r"""
                no expectation matches POST /x (11 bytes of text/plain)
                  nearest: POST '/x' text='one\ntwo\nthree', written at shop.py:1
                    ok   method POST
                    ok   path '/x'
                    FAIL text: wanted 'one\ntwo\nthree', got 'one\n2\nthree'
                         --- wanted
                         +++ got
                         @@ -1,3 +1,3 @@
                          one
                         -two
                         +2
                          three
                """,
            ),
        ]  # fmt: skip
        self.check(rows)

    def test_what_was_complete_too_late(self) -> None:
        """A request of an earlier test says why it got nothing."""
        violation = find_violation(make_request("PUT", "/x"), Decision(None, is_late=True))
        text = "PUT /x was complete only when its test was over, so nothing answered it"
        self.assertEqual(text, violation.explain())

    def test_many_others_are_cut(self) -> None:
        """The first and the last ten, and how many lie between."""
        self.play(*[("GET", f"/{number}") for number in range(31)], "PUT /30")
        lines = self.violations[-1].explain().split("\n")
        self.assertEqual(("  nearest: GET '/30', written at shop.py:31", "  30 others:"), (lines[1], lines[4]))
        self.assertEqual(
            ["    GET '/9', written at shop.py:10", "    … 10 more …", "    GET '/20', written at shop.py:21"],
            lines[14:17],
        )
        self.assertEqual(26, len(lines))

    def test_secrets_are_masked(self) -> None:
        """Nothing of the headers is printed, and nothing of the query's keys; nor in the command to send it again."""
        headers = ["Authorization: Basic hunter2", "Cookie: a=hunter2", "X-Api-Key: hunter2", "X-B: b"]
        for body, kind in ((b"user=ann&password=hunter2", FORM), (b'{"a": [{"token": "hunter2"}]}', JSON)):
            with self.subTest(kind=kind):
                request = make_request("POST", "/x?access_token=hunter2", body, kind, headers)
                for decision in (Decision(None), Decision(None, others=(make_expectation("GET", "/y"),))):
                    self.assertNotIn("hunter2", find_violation(request, decision).explain())
                self.assertNotIn("hunter2", request.curl())
                self.assertEqual(5, request.curl(secrets=True).count("hunter2"))
                self.assertIn("X-B: b", request.curl())


class FailureTest(StoryTest):
    """A whole test."""

    def test_nothing_to_say(self) -> None:
        """A test that went as it should has no report, whatever came."""
        self.check(
            [
                ((), ""),
                (
                    (("GET", "/a"), ("GET", "/b", ONCE), ("GET", "/c", NEVER), ("GET", "/d", {"reply": False}),
                     "GET /a", "GET /b"),
                    "",
                ),
            ],
            whole=True,
        )  # fmt: skip

    def test_what_was_wanted_what_came_and_what_follows(self) -> None:
        """Requests first, in their order, then expectations; what belongs together is said once."""
        rows: list[tuple[tuple[Any, ...], str]] = [
            (  # a request, and the expectation that it was meant for
                (("POST", "/charges", ONCE), ("POST /v1/charges", b"{}", JSON)),
                f"""
                #1: no expectation matches POST /v1/charges (2 bytes of application/json)
                  nearest: POST '/charges', written at shop.py:1
                    ok   method POST
                    FAIL path: wanted '/charges', got '/v1/charges' (it has '/v1' in front: is the base URL right?)
                  POST '/charges' was expected exactly once, and never came
                the stub at {URL} was sent 1 request in this test:
                  #1 POST /v1/charges (2 bytes of application/json) -> 501
                """,
            ),
            (  # a client that tries again
                (("POST", "/charges", ONCE), ("GET", "/status"),
                 "POST /charge", "GET /status", "POST /charge", "POST /charge"),
                f"""
                #1, #3, #4: no expectation matches POST /charge
                  nearest: POST '/charges', written at shop.py:1
                    ok   method POST
                    FAIL path: wanted '/charges', got '/charge'
                  1 other:
                    GET '/status', written at shop.py:2
                  POST '/charges' was expected exactly once, and never came
                the stub at {URL} was sent 4 requests in this test:
                  #1 POST /charge -> 501
                  #2 GET /status -> 200
                  #3 POST /charge -> 501
                  #4 POST /charge -> 501
                """,
            ),
            (  # one that was not met shows the nearest request, whoever answered that
                (("POST", "/charges", (2, None)), ("PUT", "/charges"), "POST /charges", "PUT /charges?a=1"),
                f"""
                POST '/charges' was expected at least 2 times, and came once, written at shop.py:1
                  nearest: #2 PUT /charges?a=1
                    FAIL method: wanted POST, got PUT
                    ok   path '/charges'
                the stub at {URL} was sent 2 requests in this test:
                  #1 POST /charges -> 200
                  #2 PUT /charges?a=1 -> 200
                """,
            ),
            (
                (("POST", "/charges", ONCE),),
                f"""
                POST '/charges' was expected exactly once, and never came, written at shop.py:1
                the stub was sent nothing in this test: does the code under test use {URL}?
                """,
            ),
            (  # what came before it was written
                ("POST /charges", ("POST", "/charges", ONCE)),
                f"""
                #1: nothing answers POST /charges: no expectation is written
                  write stub.on('POST', '/charges').reply(…), or expect(…) if it must come
                POST '/charges' was expected exactly once, and answered none, written at shop.py:1
                  #1 POST /charges matches it, but came before it was written
                the stub at {URL} was sent 1 request in this test:
                  #1 POST /charges -> 501
                """,
            ),
            (
                ("GET /rates", ("GET", "/rates")),
                f"""
                #1: nothing answers GET /rates: no expectation is written
                  write stub.on('GET', '/rates').reply(…), or expect(…) if it must come
                  GET '/rates', written at shop.py:1, was written when it had come already
                the stub at {URL} was sent 1 request in this test:
                  #1 GET /rates -> 501
                """,
            ),
            (  # what had been answered before
                (("POST", "/charges", ONCE), "POST /charges", "POST /charges"),
                f"""
                #2: nothing answers POST /charges: no expectation is left for it
                  POST '/charges', written at shop.py:1, was for 1 request, and #1 had it
                  for more write times=2, or on() for any number
                the stub at {URL} was sent 2 requests in this test:
                  #1 POST /charges -> 200
                  #2 POST /charges -> 501
                """,
            ),
            (  # what another one answered
                (("POST", None, ONCE), ("POST", "/charges", ONCE), "POST /charges"),
                f"""
                POST '/charges' was expected exactly once, and answered none, written at shop.py:2
                  #1 POST /charges matches it, but was answered by POST any path, written at shop.py:1
                the stub at {URL} was sent 1 request in this test:
                  #1 POST /charges -> 200
                """,
            ),
            (  # one without a reply that need not come: it was written to answer
                (("GET", "/rates"), ("GET", "/rates", {"reply": False}), "GET /rates"),
                f"""
                #1 GET /rates was answered by something else, because GET '/rates', written at shop.py:2, has no reply: add .reply(…)
                the stub at {URL} was sent 1 request in this test:
                  #1 GET /rates -> 200
                """,  # noqa: E501
            ),
        ]  # fmt: skip
        self.check(rows, whole=True)

    def test_an_expectation_that_was_not_met_for_want_of_a_reply(self) -> None:
        """What to add is said, also if content answered."""
        self.book.serve(ServedContent())
        self.add("POST", "/charges", ONCE, reply=False)
        self.come("POST", "/charges")
        self.assertEqual(
            "POST '/charges' was expected exactly once, and answered none, written at shop.py:1\n"
            "  #1 POST /charges matches it, but it has no reply: add .reply(…)\n"
            f"the stub at {URL} was sent 1 request in this test:\n"
            "  #1 POST /charges -> 200",
            self.failure_report(),
        )

    def test_what_is_left_over_names_its_test(self) -> None:
        """What looks the same in the same test is said once."""
        windows = [JournalWindow(number, f"shop.test_{number}") for number in (1, 2, 1)]
        late = [find_violation(make_request("GET", "/late", window=window), Decision(None)) for window in windows]
        text = (
            "left over from shop.test_{}: nothing answers GET /late: no expectation is written\n"
            "  write stub.on('GET', '/late').reply(…), or expect(…) if it must come"
        )
        self.assertEqual(f"{text.format(1)}\n{text.format(2)}", explain_late("", late))
        self.assertEqual("", explain_late("", []))

    def test_much_is_cut(self) -> None:
        """Twenty texts, or the first five numbers, and how many more."""
        self.play(*["GET /x"] * 12)
        first = "#1, #2, #3, #4, #5 and 7 more: nothing answers GET /x: no expectation is written"
        self.assertEqual(first, self.failure_report().split("\n")[0])
        self.play(*[f"GET /{number}" for number in range(25)])
        lines = self.failure_report().split("\n")
        self.assertEqual("#20: nothing answers GET /19: no expectation is written", lines[38])
        self.assertEqual("… and 5 more requests that nothing answers", lines[40])
        late = explain_late("", self.violations).split("\n")
        self.assertEqual("… and 5 more requests that nothing answers", late[-1])
        self.play(*[("GET", f"/{number}", ONCE) for number in range(25)])
        lines = self.failure_report().split("\n")
        self.assertEqual("GET '/19' was expected exactly once, and never came, written at shop.py:20", lines[19])
        self.assertEqual("… and 5 more expectations not met", lines[20])


class TrafficTest(StoryTest):
    """What the stub was sent, and why an assertion about that fails."""

    def setUp(self) -> None:
        super().setUp()
        self.book.serve(ServedContent())

    def add_exchange(self, exchange: Exchange, *, aborted: str = "", refused: str = "", over: bool = True) -> None:
        exchange.aborted, exchange.refused = aborted, refused
        if over:
            exchange.end()
        self.exchanges.append(exchange)

    def test_how_each_was_answered(self) -> None:
        """Its status; of a delayed one the delay, of one that its client left the reason.

        What did not come whole is listed apart, and has no number, since it is not among the requests.
        """
        reason = "the client left before it had the whole response: [Errno 32] Broken\npipe"
        tls = "a TLS handshake on a port that speaks plain HTTP"
        self.add_exchange(make_exchange("PUT", "/big?token=hunter2"), aborted="the client closed the connection")
        self.come("GET", "/a")
        delayed, left = make_request("GET", "/b"), make_request("GET", "/c")
        delayed.reply, left.reply = Reply(202, delay=30), Reply(200)
        self.add_exchange(delayed.exchange, over=False)
        self.add_exchange(left.exchange, aborted=reason)
        self.add_exchange(make_exchange("PUT", "/slow"), over=False)
        self.add_exchange(Exchange(None, 3, 0, ("127.0.0.1", 1)), refused=tls)
        self.add_exchange(Exchange(None, 4, 0, ("127.0.0.1", 1)), refused="the method CONNECT, which is for proxies")
        self.assertEqual(
            [
                f"the stub at {URL} was sent 3 requests in this test:",
                "  #1 GET /a -> 200",
                "  #2 GET /b -> 202 after 30 s",
                r"  #3 GET /c -> the client left before it had the whole response: [Errno 32] Broken\npipe",
                "and 4 requests that were incomplete or malformed:",
                "  PUT /big?token=***: the client closed the connection",
                "  PUT /slow: still coming",
                "  a request that could not be made out: a TLS handshake on a port that speaks plain HTTP",
                "  a request that could not be made out: the method CONNECT, which is for proxies",
                "  a client wants TLS of a stub that speaks plain HTTP: does its URL begin with https?",
                "  a client takes the stub for its HTTPS proxy, and only a stub with stub_hosts is one",
                "12 are gone",
            ],
            self.traffic("12 are gone").list_requests(),
        )

    def test_a_long_list_is_cut_in_the_middle(self) -> None:
        """The first and the last ten; twenty are not cut."""
        self.play(*["GET /"] * 20)
        self.assertEqual(21, len(self.traffic().list_requests()))
        self.play(*[f"GET /{number}" for number in range(1, 1201)])
        lines = self.traffic().list_requests()
        self.assertEqual(f"the stub at {URL} was sent 1,200 requests in this test:", lines[0])
        self.assertEqual(["  #10 GET /10 -> 200", "  … 1,180 more …", "  #1191 GET /1191 -> 200"], lines[10:13])
        self.assertEqual(22, len(lines))

    def test_why_the_count_is_wrong(self) -> None:
        """Which ones came, and the nearest if they are too few."""
        rows: list[tuple[tuple[str, ...], tuple[Any, Any, tuple[int, int | None]], str]] = [
            (
                ("PUT /x", "GET /charge"),
                ("GET", "/charges", (1, None)),
                """
                GET '/charges' was expected at least once, and never came
                  nearest: #2 GET /charge
                    ok   method GET
                    FAIL path: wanted '/charges', got '/charge'
                """,
            ),
            (
                ("GET /a", "GET /b", "GET /a"),
                (None, "/a", ONCE),
                """
                any method '/a' was expected exactly once, and came 2 times
                  matching: #1, #3
                """,
            ),
            (
                ("GET /a", "GET /a/"),
                ("GET", "/a", (2, 2)),
                """
                GET '/a' was expected exactly 2 times, and came once
                  matching: #1
                  nearest: #2 GET /a/
                    ok   method GET
                    FAIL path: wanted '/a', got '/a/' (it has a slash at the end)
                """,
            ),
            (
                ("GET /a",),
                (None, None, NEVER),
                """
                any request must never come, and came once
                  matching: #1
                """,
            ),
            ((), ("GET", "/a", (1, None)), "GET '/a' was expected at least once, and never came"),
        ]
        for steps, (method, path, times), text in rows:
            with self.subTest(steps=steps):
                self.play(*steps)
                found = explain_count(make_criteria(method, path), times, self.traffic())
                lines = [textwrap.dedent(text).strip("\n"), *self.traffic().list_requests()]
                self.assertEqual("\n".join(lines), found)

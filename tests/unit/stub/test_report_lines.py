"""Reports about one request, and about an assertion, letter by letter."""

from __future__ import annotations

import re

from liveserver_testcase import Reply
from liveserver_testcase.stub.matching import make_criteria
from liveserver_testcase.stub.registry import Decision
from liveserver_testcase.stub.report import (
    explain_count,
    find_violation,
)
from liveserver_testcase.stub.responders import ServedContent
from liveserver_testcase.web.records import Exchange
from tests.integration.stub.support import URL, ReportTest, make_exchange, make_expectation, make_request

ONCE = (1, 1)


class ViolationTest(ReportTest):
    """One request that nothing answers: the text that its client gets, too."""

    def test_nothing_was_written(self) -> None:
        """The line to write is shown."""
        self.come("POST", "/charges?live=1", b"{}", "application/json")
        self.assert_violation(
            "nothing answers POST /charges?live=1 (2 bytes of application/json): no expectation is written",
            "  write stub.on('POST', '/charges').reply(…), or expect(…) if it must come",
        )

    def test_the_nearest_is_compared_criterion_by_criterion(self) -> None:
        """What is right is said, too; the others are listed."""
        self.add("GET", "/status")
        self.add("POST", "/charges", ONCE)
        self.add(None, re.compile(r"/rates/\w+"))
        self.come("POST", "/charge", b"a=1", "application/x-www-form-urlencoded")
        self.assert_violation(
            "no expectation matches POST /charge (3 bytes of application/x-www-form-urlencoded)",
            "  nearest: POST '/charges', written at shop.py:2",
            "    ok   method POST",
            "    FAIL path: wanted '/charges', got '/charge'",
            "  2 others:",
            "    GET '/status', written at shop.py:1",
            r"    any method matching '/rates/\\w+', written at shop.py:3",
        )

    def test_a_hint_is_given_with_the_mismatch(self) -> None:
        """A slash at the end is named for what it is."""
        self.add("GET", "/charges")
        self.come("GET", "/charges/")
        self.assert_violation(
            "no expectation matches GET /charges/",
            "  nearest: GET '/charges', written at shop.py:1",
            "    ok   method GET",
            "    FAIL path: wanted '/charges', got '/charges/' (it has a slash at the end)",
        )

    def test_a_slip_of_the_path_is_nearer_than_another_method(self) -> None:
        """A known slip weighs less than the method, the method less than a strange path."""
        self.add("GET", "/charges")
        self.add("POST", "/Charges")
        self.add("POST", "/refunds")
        self.come("POST", "/charges")
        self.assert_violation(
            "no expectation matches POST /charges",
            "  nearest: POST '/Charges', written at shop.py:2",
            "    ok   method POST",
            "    FAIL path: wanted '/Charges', got '/charges' (upper and lower case differ)",
            "  2 others:",
            "    GET '/charges', written at shop.py:1",
            "    POST '/refunds', written at shop.py:3",
        )

    def test_another_method_is_nearer_than_a_strange_path(self) -> None:
        """The right path with the wrong method comes first."""
        self.add("POST", "/refunds")
        self.add("POST", "/charges")
        self.come("GET", "/charges")
        self.assert_violation(
            "no expectation matches GET /charges",
            "  nearest: POST '/charges', written at shop.py:2",
            "    FAIL method: wanted POST, got GET (a client that follows a redirect makes a GET of a POST)",
            "    ok   path '/charges'",
            "  1 other:",
            "    POST '/refunds', written at shop.py:1",
        )

    def test_what_matches_is_used_up(self) -> None:
        """The expectation is named, and what to write for more; the others are not."""
        self.add("GET", "/a")
        self.add("POST", "/charges", (2, 2))
        for _ in range(3):
            self.come("POST", "/charges")
        self.assert_violation(
            "nothing answers POST /charges: no expectation is left for it",
            "  POST '/charges', written at shop.py:2, was for 2 requests, and has had them",
            "  for more write times=3, or on() for any number",
        )

    def test_one_that_is_used_up_can_be_nearest(self) -> None:
        """That it would not have answered anyway is said."""
        self.add("POST", "/charges", ONCE)
        self.come("POST", "/charges")
        self.come("POST", "/charges/")
        self.assert_violation(
            "no expectation matches POST /charges/",
            "  nearest: POST '/charges', written at shop.py:1, was for 1 request, and has had it",
            "    ok   method POST",
            "    FAIL path: wanted '/charges', got '/charges/' (it has a slash at the end)",
        )

    def test_what_matches_has_no_reply(self) -> None:
        """What to add, and where."""
        self.add("POST", "/charges", ONCE, reply=False)
        self.come("POST", "/charges")
        self.assert_violation(
            "nothing answers POST /charges: what matches it has no reply; add .reply(…)",
            "  POST '/charges', without a reply, written at shop.py:1",
        )

    def test_what_must_never_come(self) -> None:
        """Who forbids it is named."""
        self.add("DELETE", None, (0, 0))
        self.come("DELETE", "/users/1")
        self.assert_violation(
            "DELETE /users/1 came, and must never come", "  never: DELETE any path, written at shop.py:1"
        )

    def test_what_was_complete_too_late(self) -> None:
        """A request of an earlier test says why it got nothing."""
        violation = find_violation(make_request("PUT", "/x"), Decision(None, is_late=True))
        self.assert_lines(
            violation.explain(), "PUT /x was complete only when its test was over, so nothing answered it"
        )

    def test_many_others_are_cut(self) -> None:
        """The first and the last ten, and how many lie between."""
        for number in range(31):
            self.add("GET", f"/{number}")
        self.come("PUT", "/30")
        lines = self.violations[-1].explain().split("\n")
        self.assertEqual("  nearest: GET '/30', written at shop.py:31", lines[1])
        self.assertEqual("  30 others:", lines[4])
        self.assertEqual("    GET '/9', written at shop.py:10", lines[14])
        self.assertEqual("    … 10 more …", lines[15])
        self.assertEqual("    GET '/20', written at shop.py:21", lines[16])
        self.assertEqual(26, len(lines))

    def test_secrets_are_masked(self) -> None:
        """Nothing of the headers is printed, and nothing of the query's keys."""
        request = make_request(
            "GET", "/x?api_key=hunter2", headers=["Authorization: Basic hunter2", "Cookie: sid=hunter2"]
        )
        for decision in (Decision(None), Decision(None, others=(make_expectation("GET", "/y"),))):
            self.assertNotIn("hunter2", find_violation(request, decision).explain())

    def test_control_characters_are_escaped(self) -> None:
        """Path and type cannot write to the terminal."""
        self.add("POST", "/x")
        self.come("POST", "/%1B%5B2J", b"a", "text/\x9b")
        self.assert_violation(
            r"no expectation matches POST /%1B%5B2J (1 byte of text/\x9b)",
            "  nearest: POST '/x', written at shop.py:1",
            "    ok   method POST",
            r"    FAIL path: wanted '/x', got '/\x1b[2J'",
        )

    def test_long_targets_are_cut(self) -> None:
        """The full size is named, and the rest of the line is there."""
        self.add("GET", "/x")
        self.come("GET", "/" + "a" * 4999)
        self.assert_violation(
            f"no expectation matches GET /{'a' * 119}… (5,000 characters)",
            "  nearest: GET '/x', written at shop.py:1",
            "    ok   method GET",
            f"    FAIL path: wanted '/x', got '/{'a' * 119}'… (5,000 characters)",
        )


class ListingTest(ReportTest):
    """What the stub was sent."""

    def list(self, loss: str = "") -> list[str]:
        return self.traffic(loss).list_requests()

    def add_exchange(self, exchange: Exchange, *, aborted: str = "", refused: str = "", over: bool = True) -> None:
        exchange.aborted, exchange.refused = aborted, refused
        if over:
            exchange.end()
        self.exchanges.append(exchange)

    def test_how_each_was_answered(self) -> None:
        """Its status; of a delayed one the delay, of one that its client left the reason."""
        self.book.serve(ServedContent())
        self.come("GET", "/a")
        delayed = make_request("GET", "/b")
        delayed.reply = Reply(202, delay=30)
        left = make_request("GET", "/c")
        left.reply = Reply(200)
        self.exchanges.append(delayed.exchange)
        self.add_exchange(
            left.exchange, aborted="the client left before it had the whole response: [Errno 32] Broken\npipe"
        )
        self.assertEqual(
            [
                f"the stub at {URL} was sent 3 requests in this test:",
                "  #1 GET /a -> 200",
                "  #2 GET /b -> 202 after 30 s",
                r"  #3 GET /c -> the client left before it had the whole response: [Errno 32] Broken\npipe",
            ],
            self.list(),
        )

    def test_what_did_not_come_whole_is_listed_apart(self) -> None:
        """It has no number, since it is not among the requests."""
        self.book.serve(ServedContent())
        self.add_exchange(make_exchange("PUT", "/big?token=hunter2"), aborted="the client closed the connection")
        self.come("GET", "/a")
        self.add_exchange(make_exchange("PUT", "/slow"), over=False)
        self.add_exchange(
            Exchange(None, 3, 0, ("127.0.0.1", 1)), refused="a TLS handshake on a port that speaks plain HTTP"
        )
        self.assertEqual(
            [
                f"the stub at {URL} was sent 1 request in this test:",
                "  #1 GET /a -> 200",
                "and 3 requests that were incomplete or malformed:",
                "  PUT /big?token=***: the client closed the connection",
                "  PUT /slow: still coming",
                "  a request that could not be made out: a TLS handshake on a port that speaks plain HTTP",
                "  a client wants TLS of a stub that speaks plain HTTP: does its URL begin with https?",
            ],
            self.list(),
        )

    def test_a_long_list_is_cut_in_the_middle(self) -> None:
        """The first and the last ten."""
        self.book.serve(ServedContent())
        for number in range(1, 1201):
            self.come("GET", f"/{number}")
        lines = self.list()
        self.assertEqual(f"the stub at {URL} was sent 1,200 requests in this test:", lines[0])
        self.assertEqual(["  #10 GET /10 -> 200", "  … 1,180 more …", "  #1191 GET /1191 -> 200"], lines[10:13])
        self.assertEqual(22, len(lines))

    def test_twenty_are_not_cut(self) -> None:
        """As many as there is room for."""
        self.book.serve(ServedContent())
        for _ in range(20):
            self.come()
        self.assertEqual(21, len(self.list()))

    def test_what_is_no_longer_kept_is_mentioned(self) -> None:
        """The journal's own words are the last line."""
        self.assertEqual("12 are gone", self.list("12 are gone")[-1])


class CountTest(ReportTest):
    """Why an assertion about requests fails."""

    def explain(self, method: str | None, path: str | None, times: tuple[int, int | None]) -> str:
        return explain_count(make_criteria(method, path), times, self.traffic())

    def setUp(self) -> None:
        super().setUp()
        self.book.serve(ServedContent())

    def test_none_came(self) -> None:
        """The nearest is compared, and everything is listed."""
        self.come("PUT", "/x")
        self.come("GET", "/charge")
        self.assert_lines(
            self.explain("GET", "/charges", (1, None)),
            "GET '/charges' was expected at least once, and never came",
            "  nearest: #2 GET /charge",
            "    ok   method GET",
            "    FAIL path: wanted '/charges', got '/charge'",
            f"the stub at {URL} was sent 2 requests in this test:",
            "  #1 PUT /x -> 200",
            "  #2 GET /charge -> 200",
        )

    def test_too_many_came(self) -> None:
        """Which ones is said, and no nearest is looked for."""
        for target in ("/a", "/b", "/a"):
            self.come("GET", target)
        self.assert_lines(
            self.explain(None, "/a", ONCE),
            "any method '/a' was expected exactly once, and came 2 times",
            "  matching: #1, #3",
            f"the stub at {URL} was sent 3 requests in this test:",
            "  #1 GET /a -> 200",
            "  #2 GET /b -> 200",
            "  #3 GET /a -> 200",
        )

    def test_too_few_came(self) -> None:
        """Those that did are named, and the nearest of the others."""
        self.come("GET", "/a")
        self.come("GET", "/a/")
        self.assert_lines(
            self.explain("GET", "/a", (2, 2)),
            "GET '/a' was expected exactly 2 times, and came once",
            "  matching: #1",
            "  nearest: #2 GET /a/",
            "    ok   method GET",
            "    FAIL path: wanted '/a', got '/a/' (it has a slash at the end)",
            f"the stub at {URL} was sent 2 requests in this test:",
            "  #1 GET /a -> 200",
            "  #2 GET /a/ -> 200",
        )

    def test_one_came_that_must_not(self) -> None:
        """It says so."""
        self.come("GET", "/a")
        self.assert_lines(
            self.explain(None, None, (0, 0)),
            "any request must never come, and came once",
            "  matching: #1",
            f"the stub at {URL} was sent 1 request in this test:",
            "  #1 GET /a -> 200",
        )

    def test_nothing_came(self) -> None:
        """There is no nearest."""
        self.assert_lines(
            self.explain("GET", "/a", (1, None)),
            "GET '/a' was expected at least once, and never came",
            f"the stub was sent nothing in this test: does the code under test use {URL}?",
        )

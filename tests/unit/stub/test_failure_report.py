"""Reports about a whole test, letter by letter."""

from __future__ import annotations

from liveserver_testcase.core.journal import JournalWindow
from liveserver_testcase.stub.registry import Decision
from liveserver_testcase.stub.report import explain_late, find_violation
from liveserver_testcase.stub.responders import ServedContent
from tests.integration.stub.support import URL, ReportTest, make_request

ONCE = (1, 1)


class VerdictTest(ReportTest):
    """A whole test."""

    def test_nothing_to_say(self) -> None:
        """A test that went as it should has no report, whatever came."""
        self.assertEqual("", self.failure_report())
        self.add("GET", "/a")
        self.add("GET", "/b", ONCE)
        self.add("GET", "/c", (0, 0))
        self.add("GET", "/d", reply=False)
        self.come("GET", "/a")
        self.come("GET", "/b")
        self.assertEqual("", self.failure_report())

    def test_a_request_and_the_expectation_that_it_was_meant_for_are_told_of_once(self) -> None:
        """What was wanted, what came and what follows are one text."""
        self.add("POST", "/charges", ONCE)
        self.come("POST", "/charge/charges", b"{}", "application/json")
        self.assert_verdict(
            "#1: no expectation matches POST /charge/charges (2 bytes of application/json)",
            "  nearest: POST '/charges', written at shop.py:1",
            "    ok   method POST",
            "    FAIL path: wanted '/charges', got '/charge/charges' "
            "(it has '/charge' in front: is the base URL right?)",
            "  POST '/charges' was expected exactly once, and never came",
            f"the stub at {URL} was sent 1 request in this test:",
            "  #1 POST /charge/charges (2 bytes of application/json) -> 501",
        )

    def test_a_client_that_tries_again_is_told_of_once(self) -> None:
        """Requests that look the same share a text, with their numbers."""
        self.add("POST", "/charges", ONCE)
        self.come("POST", "/charge")
        self.add("GET", "/status")
        self.come("GET", "/status")
        self.violations.clear()
        self.exchanges.clear()
        for target in ("/charge", "/status", "/charge", "/charge"):
            self.come("POST" if target == "/charge" else "GET", target)
        self.assert_verdict(
            "#1, #3, #4: no expectation matches POST /charge",
            "  nearest: POST '/charges', written at shop.py:1",
            "    ok   method POST",
            "    FAIL path: wanted '/charges', got '/charge'",
            "  1 other:",
            "    GET '/status', written at shop.py:2",
            "  POST '/charges' was expected exactly once, and never came",
            f"the stub at {URL} was sent 4 requests in this test:",
            "  #1 POST /charge -> 501",
            "  #2 GET /status -> 200",
            "  #3 POST /charge -> 501",
            "  #4 POST /charge -> 501",
        )

    def test_many_tries_are_counted(self) -> None:
        """The first five numbers, and how many more."""
        for _ in range(12):
            self.come("GET", "/x")
        self.assertEqual(
            "#1, #2, #3, #4, #5 and 7 more: nothing answers GET /x: no expectation is written",
            self.failure_report().split("\n")[0],
        )

    def test_an_expectation_that_was_not_met_shows_the_nearest_request(self) -> None:
        """Also if that was answered by another expectation."""
        self.add("POST", "/charges", (2, None))
        self.add("PUT", "/charges")
        self.come("POST", "/charges")
        self.come("PUT", "/charges?a=1")
        self.assert_verdict(
            "POST '/charges' was expected at least 2 times, and came once, written at shop.py:1",
            "  nearest: #2 PUT /charges?a=1",
            "    FAIL method: wanted POST, got PUT",
            "    ok   path '/charges'",
            f"the stub at {URL} was sent 2 requests in this test:",
            "  #1 POST /charges -> 200",
            "  #2 PUT /charges?a=1 -> 200",
        )

    def test_nothing_came_at_all(self) -> None:
        """The stub's URL is shown: perhaps the code under test uses another."""
        self.add("POST", "/charges", ONCE)
        self.assert_verdict(
            "POST '/charges' was expected exactly once, and never came, written at shop.py:1",
            f"the stub was sent nothing in this test: does the code under test use {URL}?",
        )

    def test_what_came_before_the_expectation_was_written(self) -> None:
        """A request that would match says why it does not count; the request itself was unmatched."""
        self.come("POST", "/charges")
        self.add("POST", "/charges", ONCE)
        self.assert_verdict(
            "#1: nothing answers POST /charges: no expectation is written",
            "  write stub.on('POST', '/charges').reply(…), or expect(…) if it must come",
            "POST '/charges' was expected exactly once, and answered none, written at shop.py:1",
            "  #1 POST /charges matches it, but came before it was written",
            f"the stub at {URL} was sent 1 request in this test:",
            "  #1 POST /charges -> 501",
        )

    def test_what_another_expectation_answered(self) -> None:
        """Who answered is named."""
        self.add("POST", None, ONCE)
        self.add("POST", "/charges", ONCE)
        self.come("POST", "/charges")
        self.assert_verdict(
            "POST '/charges' was expected exactly once, and answered none, written at shop.py:2",
            "  #1 POST /charges matches it, but was answered by POST any path, written at shop.py:1",
            f"the stub at {URL} was sent 1 request in this test:",
            "  #1 POST /charges -> 200",
        )

    def test_an_expectation_that_was_not_met_for_want_of_a_reply(self) -> None:
        """What to add is said, also if something else answered."""
        self.book.serve(ServedContent())
        self.add("POST", "/charges", ONCE, reply=False)
        self.come("POST", "/charges")
        self.assert_verdict(
            "POST '/charges' was expected exactly once, and answered none, written at shop.py:1",
            "  #1 POST /charges matches it, but it has no reply: add .reply(…)",
            f"the stub at {URL} was sent 1 request in this test:",
            "  #1 POST /charges -> 200",
        )

    def test_one_without_a_reply_that_need_not_come(self) -> None:
        """That something else answered in its place is held against the test: it was written to answer."""
        self.add("GET", "/rates")
        self.add("GET", "/rates", reply=False)
        self.come("GET", "/rates")
        self.assert_verdict(
            "#1 GET /rates was answered by something else, because GET '/rates', written at shop.py:2, "
            "has no reply: add .reply(…)",
            f"the stub at {URL} was sent 1 request in this test:",
            "  #1 GET /rates -> 200",
        )

    def test_what_must_never_come_is_told_of_once(self) -> None:
        """The request is; that the expectation was not met follows."""
        self.add("DELETE", None, (0, 0))
        self.come("DELETE", "/a")
        self.assert_verdict(
            "#1: DELETE /a came, and must never come",
            "  never: DELETE any path, written at shop.py:1",
            f"the stub at {URL} was sent 1 request in this test:",
            "  #1 DELETE /a -> 501",
        )

    def test_everything_at_once(self) -> None:
        """Requests first, in their order, then expectations; strangers are not told of in one breath."""
        self.add("POST", "/charges", ONCE)
        self.add("GET", "/rates", (2, 3))
        self.come("GET", "/favicon.ico")
        self.come("POST", "/charges")
        self.come("POST", "/charges")
        self.come("GET", "/rates")
        self.come("GET", "/rates/")
        self.assert_verdict(
            "#1: no expectation matches GET /favicon.ico",
            "  nearest: GET '/rates', written at shop.py:2",
            "    ok   method GET",
            "    FAIL path: wanted '/rates', got '/favicon.ico'",
            "  1 other:",
            "    POST '/charges', written at shop.py:1",
            "#3: nothing answers POST /charges: no expectation is left for it",
            "  POST '/charges', written at shop.py:1, was for 1 request, and #2 had it",
            "  for more write times=2, or on() for any number",
            "#5: no expectation matches GET /rates/",
            "  nearest: GET '/rates', written at shop.py:2",
            "    ok   method GET",
            "    FAIL path: wanted '/rates', got '/rates/' (it has a slash at the end)",
            "  1 other:",
            "    POST '/charges', written at shop.py:1, was for 1 request, and #2 had it",
            "  GET '/rates' was expected 2 to 3 times, and came once",
            f"the stub at {URL} was sent 5 requests in this test:",
            "  #1 GET /favicon.ico -> 501",
            "  #2 POST /charges -> 200",
            "  #3 POST /charges -> 501",
            "  #4 GET /rates -> 200",
            "  #5 GET /rates/ -> 501",
        )

    def test_what_is_left_over_names_its_test(self) -> None:
        """What looks the same in the same test is told of once."""
        late = [
            make_request("GET", "/late", window=JournalWindow(number, f"shop.test_{number}")) for number in (1, 2, 1)
        ]
        self.assert_lines(
            explain_late("", [find_violation(request, Decision(None)) for request in late]),
            "left over from shop.test_1: nothing answers GET /late: no expectation is written",
            "  write stub.on('GET', '/late').reply(…), or expect(…) if it must come",
            "left over from shop.test_2: nothing answers GET /late: no expectation is written",
            "  write stub.on('GET', '/late').reply(…), or expect(…) if it must come",
        )
        self.assertEqual("", explain_late("", []))

    def test_much_that_is_left_over_is_cut(self) -> None:
        """Twenty texts, and how many more."""
        late = [find_violation(make_request("GET", f"/{number}"), Decision(None)) for number in range(25)]
        self.assertEqual("… and 5 more requests that nothing answers", explain_late("", late).split("\n")[-1])

    def test_many_violations_are_cut(self) -> None:
        """Twenty texts, and how many more."""
        for number in range(25):
            self.come("GET", f"/{number}")
        lines = self.failure_report().split("\n")
        self.assertEqual("#20: nothing answers GET /19: no expectation is written", lines[38])
        self.assertEqual("… and 5 more requests that nothing answers", lines[40])

    def test_many_expectations_are_cut(self) -> None:
        """Twenty texts, and how many more."""
        for number in range(25):
            self.add("GET", f"/{number}", ONCE)
        lines = self.failure_report().split("\n")
        self.assertEqual("GET '/19' was expected exactly once, and never came, written at shop.py:20", lines[19])
        self.assertEqual("… and 5 more expectations not met", lines[20])

"""The report's hints, each for a common mistake; and the line for the shell."""

from __future__ import annotations

import json
import unittest

from liveserver_testcase.core.masking import mask
from liveserver_testcase.stub.expectation import Order
from tests.integration.stub.support import URL, ReportTest, make_request

ONCE = (1, 1)
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


class HintsTest(ReportTest):
    """A request that nothing answers, and what the likely mistake is."""

    def test_a_number_for_a_text(self) -> None:
        """The place in the JSON is named, and what is there."""
        self.add("POST", "/charges", ONCE, json={"items": [{"id": 1, "price": 500}], "currency": "EUR"})
        self.come("POST", "/charges", b'{"items": [{"id": 1, "price": "500"}], "currency": "EUR"}', JSON)
        self.assert_violation(
            "no expectation matches POST /charges (57 bytes of application/json)",
            "  nearest: POST '/charges' json={'items': [{'id': 1, 'price': 500}], 'currency': 'EUR'}, "
            "written at shop.py:1",
            "    ok   method POST",
            "    ok   path '/charges'",
            "    FAIL json at $.items[0].price: wanted 500, got '500' (a text, not a number)",
        )

    def test_several_differences(self) -> None:
        """Each with its values, up to five."""
        self.add("POST", "/x", json={"a": 1, "b": 2, "c": 3, "password": 4, "e": 5})
        self.come("POST", "/x", b'{"a": 1, "password": 5}', JSON)
        self.assertEqual(
            [
                "    FAIL json at $.b: wanted 2, got nothing (3 more differences)",
                "         at $.c: wanted 3, got nothing",
                "         at $.password: wanted ***, got another",
                "         at $.e: wanted 5, got nothing",
            ],
            self.violations[-1].explain().split("\n")[-4:],
        )

    def test_many_differences(self) -> None:
        """Five of them, and how many more there are."""
        self.add("POST", "/x", json=list(range(20)))
        self.come("POST", "/x", json.dumps(list(range(100, 120))).encode(), JSON)
        self.assertEqual(
            [
                "    FAIL json at $[0]: wanted 0, got 100 (19 more differences)",
                "         at $[1]: wanted 1, got 101",
                "         at $[2]: wanted 2, got 102",
                "         at $[3]: wanted 3, got 103",
                "         at $[4]: wanted 4, got 104",
                "         … and 15 more differences",
            ],
            self.violations[-1].explain().split("\n")[-6:],
        )

    def test_another_content_type(self) -> None:
        """What was sent as a form is no JSON."""
        self.add("POST", "/charges", json={"amount": 5})
        self.come("POST", "/charges", b"amount=5", FORM)
        self.assertEqual(
            "    FAIL json: wanted {'amount': 5}, got 'amount=5', which is no JSON "
            "(its Content-Type is application/x-www-form-urlencoded, not that of JSON)",
            self.violations[-1].explain().split("\n")[-1],
        )

    def test_a_long_text_is_a_diff(self) -> None:
        """Below its criterion."""
        self.add("POST", "/x", text="one\ntwo\nthree")
        self.come("POST", "/x", b"one\n2\nthree", "text/plain")
        self.assert_violation(
            "no expectation matches POST /x (11 bytes of text/plain)",
            r"  nearest: POST '/x' text='one\ntwo\nthree', written at shop.py:1",
            "    ok   method POST",
            "    ok   path '/x'",
            r"    FAIL text: wanted 'one\ntwo\nthree', got 'one\n2\nthree'",
            "         --- wanted",
            "         +++ got",
            "         @@ -1,3 +1,3 @@",
            "          one",
            "         -two",
            "         +2",
            "          three",
        )

    def test_a_wrong_query_is_nearer_than_a_wrong_path(self) -> None:
        """Path and host weigh most, the method less, what is sent least."""
        self.add("GET", "/search", query={"q": "tea"})
        self.add("GET", "/other")
        self.come("GET", "/search?q=coffee")
        self.assertEqual(
            "    FAIL query at q: wanted 'tea', got 'coffee'", self.violations[-1].explain().split("\n")[4]
        )

    def test_the_nearest_of_those_with_the_same_path(self) -> None:
        """The one with fewer differences."""
        self.add("POST", "/x", json={"a": 1, "b": 2, "c": 3})
        self.add("POST", "/x", json={"a": 9, "b": 9, "c": 9})
        self.come("POST", "/x", b'{"a": 1, "b": 2, "c": 4}', JSON)
        self.assertIn("FAIL json at $.c: wanted 3, got 4", self.violations[-1].explain())

    def test_a_fault_of_an_order(self) -> None:
        """What must come first, and where that is written."""
        order = Order()
        self.add("GET", "/login", ONCE, order=order)
        self.add("GET", "/buy", ONCE, order=order)
        self.come("GET", "/buy")
        self.assert_violation(
            "nothing answers GET /buy: what matches it cannot answer now",
            "  GET '/buy', written at shop.py:2",
            "    it is later in its order: first must come GET '/login', written at shop.py:1",
        )

    def test_a_turn_that_is_over(self) -> None:
        """A member of an order that could have come again, before another had its turn."""
        order = Order()
        self.add("GET", "/poll", order=order)
        self.add("GET", "/buy", ONCE, order=order)
        self.come("GET", "/buy")
        self.come("GET", "/poll")
        self.assert_violation(
            "nothing answers GET /poll: what matches it cannot answer now",
            "  GET '/poll', written at shop.py:1",
            "    its turn in the order is over",
        )

    def test_what_was_written_too_late(self) -> None:
        """It would answer now."""
        self.come("GET", "/rates")
        self.add("GET", "/rates")
        self.assert_verdict(
            "#1: nothing answers GET /rates: no expectation is written",
            "  write stub.on('GET', '/rates').reply(…), or expect(…) if it must come",
            "  GET '/rates', written at shop.py:1, was written when it had come already",
            f"the stub at {URL} was sent 1 request in this test:",
            "  #1 GET /rates -> 501",
        )


class MaskedCommandTest(unittest.TestCase):
    """The command that sends a request again, without secrets."""

    def test_secrets_are_masked(self) -> None:
        """Headers, query, form and JSON; unless they are wanted."""
        headers = ["Authorization: Basic hunter2", "Cookie: a=hunter2", "X-Api-Key: hunter2", "X-B: b"]
        for body, kind in ((b"user=ann&password=hunter2", FORM), (b'{"a": [{"token": "hunter2"}]}', JSON)):
            with self.subTest(kind=kind):
                request = make_request("POST", "/x?access_token=hunter2", body, kind, headers)
                self.assertNotIn("hunter2", request.curl())
                self.assertEqual(5, request.curl(secrets=True).count("hunter2"))
                self.assertIn("X-B: b", request.curl())

    def test_a_body_without_secrets_is_as_it_was(self) -> None:
        """Its spaces, too."""
        for body in ('{"a":1}', "a=1", "plain text", '{"a": }', '{"author":  "x"}'):
            with self.subTest(body=body):
                self.assertEqual(body, mask(body))

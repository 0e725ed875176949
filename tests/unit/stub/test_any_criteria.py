"""What holds for whatever is wanted of whatever comes: random criteria against random requests."""

from __future__ import annotations

import json
import random
import re
import unittest
from typing import Any
from unittest import mock

from liveserver_testcase import ABSENT, ALL_OF, ANY_OF, INCLUDING, NOT, UNORDERED, UsageError
from liveserver_testcase.stub.expectation import Expectation
from liveserver_testcase.stub.matching import Criteria, make_criteria
from liveserver_testcase.stub.registry import ExpectationRegistry
from liveserver_testcase.stub.report import find_violation
from liveserver_testcase.stub.request import RecordedRequest
from tests.integration.stub.support import make_request

ROUNDS = 3000
PREDICATES = (str, int, len, lambda value: value > 1, lambda value: 1 // 0)
LEAVES = ("a", "", "ü", "1", "x" * 200, "one\ntwo", "\x1b[2J", 0, 1, 2.5, True, False, None, mock.ANY, ABSENT)
MULTIPART = b'--x\r\nContent-Disposition: form-data; name="a"; filename="f"\r\n\r\nabc\r\n--x--\r\n'
BODIES = (
    (b"", ""),
    (b"a=1&b=2&a=3", "application/x-www-form-urlencoded"),
    (b"\xff\xfe", "image/x"),
    (MULTIPART, "multipart/form-data; boundary=x"),
    (b"junk", "multipart/form-data; boundary=x"),
    (b"a", "text/plain; charset=nonsense"),
)
TARGETS = ("/", "/a/b?a=1&a=2&b", "/a%2Fb", "/%ff?%ff=%zz", "//x", "/a/5")
HEADERS = ([], ["Authorization: Basic !!!"], ["Authorization: Bearer abc", "Cookie: a=b; =; c"], ["X-A: 1", "X-A: 2"])
MAPPINGS = ("query", "headers", "cookies", "form", "files")
KEYWORDS = (*MAPPINGS, "body", "text", "json", "auth", "host", "matcher")


class AnyCriteriaTest(unittest.TestCase):
    """Whatever is written that is no misuse."""

    def setUp(self) -> None:
        self.random = random.Random(20)

    def make_value(self, depth: int = 0) -> Any:
        """A value to be wanted."""
        pick = self.random.randrange(9 if depth < 3 else 3)
        if pick == 0:
            return re.compile(self.random.choice([".*", "a", "[0-9]+"]))
        if pick == 1:
            return self.random.choice(PREDICATES)
        if pick == 2:
            return self.random.choice(LEAVES)
        parts = [self.make_value(depth + 1) for _ in range(self.random.randrange(1, 3))]
        if pick == 3:
            return {self.random.choice("abc"): part for part in parts}
        if pick == 4:
            return parts
        if pick == 5:
            return NOT(parts[0])
        return self.random.choice([ANY_OF, ALL_OF, INCLUDING, UNORDERED])(*parts)

    def make_json(self, depth: int = 0) -> Any:
        """A JSON value that comes."""
        pick = self.random.randrange(3 if depth < 3 else 1)
        if pick == 0:
            return self.random.choice(["a", "b", "", "1", 0, 1, 2.5, True, False, None])
        parts = [self.make_json(depth + 1) for _ in range(self.random.randrange(3))]
        return parts if pick == 1 else {self.random.choice("abc"): part for part in parts}

    def make_request(self) -> RecordedRequest:
        body, kind = self.random.choice([*BODIES, (json.dumps(self.make_json()).encode(), "application/json")])
        method, target = self.random.choice(["GET", "POST", "HEAD"]), self.random.choice(TARGETS)
        return make_request(method, target, body, kind, self.random.choice(HEADERS))

    def make_criteria(self) -> Criteria | None:
        wanted = {keyword: self.make_value() for keyword in self.random.sample(KEYWORDS, self.random.randrange(3))}
        for keyword in wanted:
            if keyword in MAPPINGS and self.random.random() < 0.7:
                wanted[keyword] = {name: self.make_value() for name in self.random.sample(["a", "X-A", "Cookie"], 2)}
        method = self.random.choice([None, "GET", "POST", ANY_OF("GET", "PUT")])
        path = self.random.choice([None, "/", "/a/b", "/a/<int:n>", "/a?a=1", re.compile("/a.*"), self.make_value()])
        try:
            return make_criteria(method, path, **wanted)
        except UsageError:
            return None

    def test_a_request_matches_or_the_report_says_why_not(self) -> None:
        """Never both, never neither; nothing is raised, and no character reaches the terminal as it came."""
        tried = matched = 0
        for number in range(ROUNDS):
            criteria, request = self.make_criteria(), self.make_request()
            if criteria is None:
                continue
            with self.subTest(number=number, criteria=criteria.describe(), request=request):
                mismatches = criteria.compare(request)
                self.assertEqual(not mismatches, criteria.matches(request))
                book, expectation = ExpectationRegistry(), Expectation(criteria, (0, 1)).reply(200)
                book.add(expectation)
                decision = book.decide(request)
                self.assertEqual(None if mismatches else expectation, decision.expectation)
                texts = [criteria.describe(), *map(str, mismatches)]
                self.assertTrue(all(text.isprintable() for text in texts), texts)
                if mismatches:
                    violation = find_violation(request, decision)
                    self.assertTrue(f"{violation.explain()}{violation.again}".replace("\n", "").isprintable())
                tried, matched = tried + 1, matched + (not mismatches)
        self.assertGreater(tried, ROUNDS // 3)
        self.assertGreater(matched, ROUNDS // 20)

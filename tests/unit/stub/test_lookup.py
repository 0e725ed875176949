"""Expectations beside each other are looked up by what they want of the body; who answers stays the same."""

from __future__ import annotations

import json
import random
import unittest
from typing import Any

from liveserver_testcase import ANY_OF, INCLUDING
from liveserver_testcase.stub.expectation import Expectation
from liveserver_testcase.stub.registry import ExpectationRegistry
from liveserver_testcase.stub.request import RecordedRequest
from liveserver_testcase.stub.values import accepts, freeze
from tests.integration.stub.support import StubTest, make_expectation, make_request

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, 1.0, -0.0, 2.5, "", "1", "a", [], {}, [1], [True], [[1]], {"a": 1}, {"a": True},
    {"a": None}, {"a": [1, {"b": 1.0}]}, {"a": [1, {"b": 1}]}, {"b": 1, "a": 2}, {"a": 2, "b": 1},
    ["a", "b"], ["b", "a"],
)  # fmt: skip
CONTENTS = [json.dumps(value).encode() for value in VALUES] + [b"", b"no json", b"\xff", b'{"b": 1,  "a": 2}']


class FreezeTest(unittest.TestCase):
    """A value as a key."""

    def test_two_are_equal_if_each_accepts_the_other(self) -> None:
        """``1`` is ``1.0`` and not ``true``, at any depth; the order of keys is no matter."""
        for wanted in VALUES:
            for got in VALUES:
                with self.subTest(wanted=wanted, got=got):
                    self.assertEqual(accepts(wanted, got), freeze(wanted) == freeze(got))
                    if accepts(wanted, got):
                        self.assertEqual(hash(freeze(wanted)), hash(freeze(got)))

    def test_what_must_be_asked_is_none(self) -> None:
        """It stands for many values."""
        for wanted in (int, {"a": INCLUDING("b")}, [ANY_OF(1, 2)], lambda value: True):
            with self.subTest(wanted=wanted), self.assertRaises(TypeError):
                freeze(wanted)


class LookupTest(unittest.TestCase):
    """Who answers."""

    def setUp(self) -> None:
        self.random = random.Random(11)

    def make_expectation(self) -> Expectation:
        chance = self.random
        kind = chance.choice(["json", "text", "body", "none"])
        value = chance.choice(VALUES)
        content = chance.choice(CONTENTS)
        wanted: dict[str, Any] = {
            "json": {"json": chance.choice([value, ANY_OF(value, "x"), lambda got: got == value])},
            "text": {"text": content.decode(errors="replace")},
            "body": {"body": chance.choice([content, content.decode(errors="replace")])},
            "none": {},
        }[kind]
        times = chance.choice([(0, None), (0, None), (1, 1), (0, 2), (0, 0) if chance.random() < 0.2 else (1, 1)])
        path = chance.choice(["/x", "/x", "/<name>", None])
        return make_expectation(chance.choice(["POST", None]), path, times, **wanted)

    def find(self, expectations: list[Expectation], request: RecordedRequest) -> Expectation | None:
        """The rule, asked of one after the other."""
        matching = [each for each in expectations if each.criteria.matches(request)]
        forbidding = [each for each in matching if each.is_never]
        bounded = [each for each in matching if each.is_bounded and each.has_room and not each.is_never]
        unbounded = [each for each in matching if not each.is_bounded and not each.is_never]
        return (forbidding or bounded or unbounded[::-1] or [None])[0]  # type: ignore[list-item]

    def test_it_is_as_without_an_index(self) -> None:
        """Those that forbid, then the oldest with room, then the newest without a limit."""
        for _ in range(60):
            registry, expectations = ExpectationRegistry(), [self.make_expectation() for _ in range(30)]
            for expectation in expectations:
                registry.add(expectation)
            for gone in self.random.sample(expectations, 3):
                registry.remove(gone)
                expectations.remove(gone)
            for _ in range(40):
                request = make_request("POST", "/x", self.random.choice(CONTENTS))
                wanted = self.find(expectations, request)
                found = registry.decide(request).expectation
                if wanted is not None and wanted.is_never:
                    self.assertTrue(found is not None and found.is_never)
                else:
                    self.assertIs(wanted, found)


class ManyTest(StubTest):
    """Very many beside each other."""

    def test_each_is_found(self) -> None:
        """By its JSON, its text or its bytes, although all have one path."""
        for number in range(1000):
            self.stub.on("POST", "/x", json={"id": number}).reply(200, text=f"json {number}")
            self.stub.on("POST", "/x", text=f"text {number}").reply(200, text=f"text {number}")
            self.stub.on("POST", "/x", body=b"body %d" % number).reply(200, text=f"body {number}")
        for number in (0, 500, 999):
            for body in (f"text {number}", f"body {number}"):
                self.assertEqual(body, self.send("POST", "/x", body.encode()).text)
            self.assertEqual(f"json {number}", self.send("POST", "/x", b'{ "id": %d }' % number).text)
        self.assertEqual(501, self.send("POST", "/x", b"{}").status)

"""The book: which expectation answers, and that none is lost or doubled."""

from __future__ import annotations

import collections
import json
import random
import sys
import threading
import unittest
from collections.abc import Callable
from typing import Any

from liveserver_testcase import ANY_OF, INCLUDING
from liveserver_testcase.core.journal import JournalWindow
from liveserver_testcase.stub.expectation import Expectation, Order, Scenario
from liveserver_testcase.stub.matching import make_criteria
from liveserver_testcase.stub.registry import Decision, ExpectationRegistry, Skipped
from liveserver_testcase.stub.request import RecordedRequest
from liveserver_testcase.stub.responders import ServedContent
from liveserver_testcase.stub.values import accepts, freeze
from tests.integration.stub.support import make_expectation, make_request
from tests.support import HANG


class BookTest(unittest.TestCase):
    """A book and its expectations."""

    def setUp(self) -> None:
        self.book = ExpectationRegistry()

    def add(
        self,
        method: str | None = None,
        path: str | None = None,
        times: tuple[int, int | None] = (0, None),
        *,
        reply: bool = True,
    ) -> Expectation:
        expectation = make_expectation(method, path, times, reply=reply)
        self.book.add(expectation)
        return expectation

    def begin(self, number: int) -> None:
        self.book.begin(lambda: JournalWindow(number, f"test {number}"))

    def decide(self, method: str = "GET", path: str = "/x") -> Decision:
        return self.book.decide(make_request(method, path))


class PrecedenceTest(BookTest):
    """Who answers, if several could."""

    def test_bounded_before_unbounded_the_oldest_before_the_newest(self) -> None:
        """Bounded ones are used up as they were written; of the others a test's goes before its class's."""
        once, twice, any_number, at_least_once = (1, 1), (0, 2), (0, None), (1, None)
        rows: list[tuple[list[tuple[Any, ...]], list[int]]] = [
            ([(None, None, once), (None, None, twice), (None, None, once)], [0, 1, 1, 2]),
            ([(None, None, once), ()], [0, 1, 1]),
            ([(), (None, None, once)], [1, 0, 0]),
            ([(), (None, None, at_least_once)], [1, 1]),
            ([("GET", "/y", once), ("GET", "/x", any_number), ("PUT", "/x", any_number)], [1, 1]),
            ([("GET", "/x", once), (None, "/<name>", once), ("GET", None, once), (None, None, once)], [0, 1, 2, 3]),
            ([(None, None), ("GET", None), (None, "/<name>"), ("GET", "/x")], [3, 3]),
            ([("GET", "/x"), (None, "/<name>"), ("GET", None), (None, None)], [3, 3]),
        ]
        for written, winners in rows:
            with self.subTest(written=written):
                self.setUp()
                expectations = [self.add(*each) for each in written]
                found = [self.decide().expectation for _ in winners]
                self.assertEqual([expectations[index] for index in winners], found)

    def test_one_without_a_reply_is_skipped(self) -> None:
        """Another one answers, and it has its turn once it has a reply."""
        first = self.add("GET", "/x", (1, 1), reply=False)
        second = self.add()
        self.add(reply=False)
        self.assertIs(second, self.decide().expectation)
        first.reply(200)
        self.assertIs(first, self.decide().expectation)
        self.assertEqual((1, 1), (first.times_called, second.times_called))


class UnmatchedTest(BookTest):
    """What is said of a request that nothing answers."""

    def test_what_is_said(self) -> None:
        """What matches and cannot answer is set apart from what does not; what must never come is not named."""
        self.assertEqual(Decision(None), self.decide())
        used_up, other, mute = self.add(times=(0, 1)), self.add("GET", "/b"), self.add(reply=False)
        self.add("GET", "/c", (0, 0))
        self.decide()
        for _ in range(2):
            skipped = Skipped(used_up, has_room=False), Skipped(mute)
            self.assertEqual(Decision(None, skipped=skipped, others=(other,)), self.decide())
        self.assertEqual([1, 0, 0], [expectation.times_called for expectation in (used_up, other, mute)])


class LifeTest(BookTest):
    """What lasts from test to test."""

    def test_nobody_finds_a_test_half_begun(self) -> None:
        """While the next test is being begun, whoever asks or writes waits, and finds it begun."""
        kept, struck_out, added = (
            self.add("GET", "/kept"),
            self.add("GET", "/struck-out"),
            make_expectation("GET", "/added"),
        )
        content, request = ServedContent("content"), make_request("GET", "/kept", window=JournalWindow(2, ""))
        self.begin(1)
        done: list[object] = []
        calls: list[Callable[[], object]] = [
            lambda: self.book.decide(request),
            lambda: self.book.expectations,
            lambda: self.book.remove(struck_out),
            lambda: self.book.add(added),
            lambda: self.book.serve(content),
        ]
        threads = [threading.Thread(target=lambda call=call: done.append(call())) for call in calls]

        def advance() -> JournalWindow:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(0.01)
            self.assertEqual([], done)
            return JournalWindow(2, "")

        self.book.begin(advance)
        for thread in threads:
            thread.join(HANG)
        self.assertEqual(([request], [kept, added]), (kept.requests, self.book.expectations))
        self.book.remove(added)
        self.assertEqual(
            Decision(content.answer), self.book.decide(make_request("GET", "/other", window=JournalWindow(2, "")))
        )


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


THREADS = 20
DECISIONS = 10_000


class RaceTest(unittest.TestCase):
    """The book alone: decisions of twenty threads, which are switched as often as can be."""

    def setUp(self) -> None:
        self.book = ExpectationRegistry()
        self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(1e-6)

    def decide_all(
        self, make: Callable[[int], RecordedRequest], count: int = DECISIONS
    ) -> list[tuple[RecordedRequest, Decision]]:
        """Each request with what was decided upon it."""
        found: list[tuple[RecordedRequest, Decision]] = []

        def work(first: int) -> None:
            for number in range(first, count, THREADS):
                request = make(number)
                found.append((request, self.book.decide(request)))

        threads = [threading.Thread(target=work, args=[number]) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10 * HANG)
        self.assertEqual(count, len(found))
        return found

    def assert_attributed(self, found: list[tuple[RecordedRequest, Decision]]) -> None:
        """Every request is counted by the one that answers it, with a turn of its own."""
        turns: dict[Expectation, list[int]] = collections.defaultdict(list)
        for request, decision in found:
            expectation = decision.expectation
            self.assertIs(expectation, request.expectation)
            if expectation is not None:
                turns[expectation].append(request.turn)
        for expectation, taken in turns.items():
            self.assertEqual(list(range(expectation.times_called)), sorted(taken))

    def add(self, times: tuple[int, int | None], path: str | None = None) -> Expectation:
        expectation = make_expectation(None, path, times)
        self.book.add(expectation)
        return expectation

    def test_bounded_expectations_are_used_up_exactly(self) -> None:
        """What is beyond them goes to the one without a bound."""
        limits = [1, 7, 20, 300] * 10
        bounded = [self.add((0, limit)) for limit in limits]
        rest = self.add((0, None))
        requests = [make_request() for _ in range(100)]  # which of them it is does not matter here
        count = THREADS * DECISIONS
        found = self.decide_all(lambda number: requests[number % 100], count)
        counted = collections.Counter(decision.expectation for _, decision in found)
        self.assertEqual(counted, {each: each.times_called for each in (*bounded, rest)})
        self.assertEqual(limits, [expectation.times_called for expectation in bounded])
        self.assertEqual(count - sum(limits), rest.times_called)

    def test_an_order_is_kept(self) -> None:
        """Whoever comes, the next one answers: a turn is never given twice, and none is left out."""
        order = Order()
        members = [make_expectation(times=(100, 100)) for _ in range(DECISIONS // 100)]
        for member in members:
            member.order = order
            self.book.add(member)
        found = self.decide_all(lambda number: make_request())
        self.assert_attributed(found)
        self.assertEqual({100}, {member.times_called for member in members})
        self.assertIsNone(self.book.decide(make_request()).expectation)

    def test_a_scenario_moves_one_step_a_request(self) -> None:
        """Of all that come in one state, one moves it on."""
        scenario = Scenario("counter", "0")
        steps = []
        for number in range(100):
            criteria = make_criteria("GET", "/x")
            step = Expectation(criteria, (0, None), scenario=scenario, state=str(number)).reply(200)
            steps.append(step.then_state(str((number + 1) % 100)))
            self.book.add(step)
        self.assert_attributed(self.decide_all(lambda number: make_request("GET", "/x")))
        self.assertEqual([DECISIONS // 100] * 100, [step.times_called for step in steps])

    def test_the_queue_gives_each_reply_once(self) -> None:
        """And what comes when it is empty gets nothing."""
        queued = [make_expectation(times=(0, 1)) for _ in range(1000)]
        for expectation in queued:
            self.book.enqueue(expectation)
        found = self.decide_all(lambda number: make_request("GET", f"/{number}"))
        self.assert_attributed(found)
        self.assertEqual([1] * 1000, [expectation.times_called for expectation in queued])
        self.assertEqual(DECISIONS - 1000, sum(decision.answer is None for _, decision in found))

    def test_many_paths_do_not_get_mixed_up(self) -> None:
        """Each request is answered by the expectation of its path, while all threads write some and strike them out."""
        expectations = [self.add((1, 10), f"/{number}") for number in range(DECISIONS // 10)]
        wrong: list[object] = []

        def make(number: int) -> RecordedRequest:
            mine = self.add((1, 1), f"/mine/{number}")
            if self.book.decide(make_request("GET", f"/mine/{number}")).expectation is not mine:
                wrong.append(mine)
            self.book.remove(mine)
            return make_request("GET", f"/{number // 10}")

        found = self.decide_all(make)
        self.assert_attributed(found)
        self.assertEqual(({10}, []), ({expectation.times_called for expectation in expectations}, wrong))
        self.assertEqual(expectations, self.book.expectations)

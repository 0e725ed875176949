"""Twenty threads decide at once: nothing is lost, doubled or misattributed."""

from __future__ import annotations

import collections
import sys
import threading
import unittest
from collections.abc import Callable

from liveserver_testcase.stub.expectation import Expectation, Order, Scenario
from liveserver_testcase.stub.matching import make_criteria
from liveserver_testcase.stub.registry import Decision, ExpectationRegistry
from liveserver_testcase.stub.request import RecordedRequest
from tests.integration.stub.support import make_expectation, make_request
from tests.support import HANG

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

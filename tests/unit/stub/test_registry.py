"""The book: which expectation answers, and that none is lost or doubled."""

from __future__ import annotations

import threading
import unittest
from collections.abc import Callable
from typing import Any

from liveserver_testcase.core.journal import JournalWindow
from liveserver_testcase.stub.expectation import Expectation
from liveserver_testcase.stub.registry import Decision, ExpectationRegistry, Skipped
from liveserver_testcase.stub.responders import ServedContent
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
        kept, struck_out, added = self.add("GET", "/kept"), self.add("GET", "/struck-out"), make_expectation()
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

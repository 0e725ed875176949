"""The book: which expectation answers, and that none is lost or doubled."""

from __future__ import annotations

import threading
import unittest
from collections.abc import Callable
from typing import Any

from liveserver_testcase import Reply
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

    def test_content_goes_last(self) -> None:
        """It answers what no expectation answers."""
        content = ServedContent("content")
        self.book.serve(ServedContent("an earlier one"))
        self.book.serve(content)
        bounded = self.add(times=(0, 1))
        self.assertEqual([Decision(bounded.answer, bounded), Decision(content.answer)], [self.decide(), self.decide()])

    def test_never_goes_first(self) -> None:
        """What must never come is not answered by anything else, content or expectation, older or newer."""
        self.book.serve(ServedContent())
        self.add(times=(1, 1))
        never = self.add("GET", "/x", (0, 0))
        self.add()
        self.assertEqual(Decision(None, never), self.decide())
        self.assertEqual(1, never.times_called)
        self.assertNotEqual(never, self.decide("GET", "/other").expectation)

    def test_one_without_a_reply_is_skipped(self) -> None:
        """Another one answers, and it has its turn once it has a reply."""
        first = self.add("GET", "/x", (1, 1), reply=False)
        second = self.add()
        self.add(reply=False)
        self.assertIs(second, self.decide().expectation)
        first.reply(200)
        self.assertIs(first, self.decide().expectation)
        self.assertEqual((1, 1), (first.times_called, second.times_called))

    def test_one_that_was_removed_answers_no_more(self) -> None:
        """Removing it twice changes nothing."""
        first, second = self.add(times=(1, 1)), self.add(times=(1, 1))
        self.book.remove(first)
        self.book.remove(first)
        self.assertIs(second, self.decide().expectation)
        self.assertEqual([second], self.book.expectations)


class UnmatchedTest(BookTest):
    """What is said of a request that nothing answers."""

    def test_an_empty_book(self) -> None:
        """There is nothing to say."""
        self.assertEqual(Decision(None), self.decide())

    def test_what_does_not_match(self) -> None:
        """The others are named, in their order; what must never come is not among them."""
        first, second = self.add("GET", "/a"), self.add("GET", "/b", (1, 1))
        self.add("GET", "/c", (0, 0))
        self.assertEqual(Decision(None, others=(first, second)), self.decide())

    def test_what_matches_and_cannot_answer(self) -> None:
        """Used up or without a reply, it is set apart."""
        used_up, other, mute = self.add(times=(0, 1)), self.add("GET", "/b"), self.add(reply=False)
        self.decide()
        self.assertEqual(
            Decision(None, skipped=(Skipped(used_up, has_room=False), Skipped(mute)), others=(other,)),
            self.decide(),
        )

    def test_nothing_is_counted(self) -> None:
        """A request that nobody answers is nobody's."""
        expectations = [self.add(times=(0, 1)), self.add("GET", "/b"), self.add(reply=False)]
        self.decide()
        self.decide()
        self.assertEqual([1, 0, 0], [expectation.times_called for expectation in expectations])


class LifeTest(BookTest):
    """What lasts from test to test."""

    def test_what_was_written_before_the_first_test_stays(self) -> None:
        """It is the class's, and counts anew in each test."""
        kept = self.add(times=(1, 1))
        for number in (1, 2, 3):
            self.begin(number)
            self.assertEqual(0, kept.times_called)
            self.assertIs(kept, self.book.decide(make_request(window=JournalWindow(number, ""))).expectation)

    def test_what_a_test_wrote_is_gone_with_it(self) -> None:
        """Expectations and content."""
        self.begin(1)
        self.add()
        self.book.serve(ServedContent())
        self.begin(2)
        self.assertEqual(
            ([], Decision(None)),
            (self.book.expectations, self.book.decide(make_request(window=JournalWindow(2, "")))),
        )

    def test_what_a_test_changed_is_as_it_was(self) -> None:
        """A removal, another reply, another content of the class's script last as long as the test."""
        first, second = self.add("GET", "/a"), self.add("GET", "/b")
        content = ServedContent("class")
        self.book.serve(content)
        self.begin(1)
        self.book.remove(first)
        second.reply(500)
        self.book.serve(ServedContent(code=404))
        self.begin(2)
        self.assertEqual([first, second], self.book.expectations)
        self.assertEqual(Reply(200), second.answer)
        self.assertEqual(
            Decision(content.answer), self.book.decide(make_request("GET", "/c", window=JournalWindow(2, "")))
        )

    def test_what_was_removed_before_the_first_test_is_gone(self) -> None:
        """The class's script is what is there when the first test begins."""
        self.book.remove(self.add())
        self.begin(1)
        self.assertEqual([], self.book.expectations)

    def test_a_request_of_an_earlier_test_is_nobodys(self) -> None:
        """It is not answered out of this test's script, and not counted, nor forbidden."""
        expectations = [self.add(), self.add(times=(0, 0))]
        self.book.serve(ServedContent())
        self.begin(2)
        decision = self.book.decide(make_request(window=JournalWindow(1, "")))
        self.assertEqual(Decision(None, is_late=True), decision)
        self.assertEqual([0, 0], [expectation.times_called for expectation in expectations])

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

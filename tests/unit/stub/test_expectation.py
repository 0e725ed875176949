"""One expectation: how often, what it answers, and how it reads in a report."""

from __future__ import annotations

import unittest
from typing import Any

from liveserver_testcase import Reply, UsageError
from liveserver_testcase.stub.expectation import Expectation, describe_times, parse_limit, parse_times
from liveserver_testcase.stub.matching import make_criteria
from tests.integration.stub.support import make_expectation, make_request

NONSENSE = (-1, 1.0, "1", True, (1,), (1, 2, 3), (2, 1), (None, 1), (1, "2"), (True, 2), (-1, 2), [1, 2])


class TimesTest(unittest.TestCase):
    """``times=``, for what must and for what may happen."""

    def test_what_must_happen(self) -> None:
        """None is at least once, a number is exactly that, a pair is a range."""
        for times, wanted in (
            (None, (1, None)),
            (0, (0, 0)),
            (1, (1, 1)),
            (3, (3, 3)),
            ((1, 3), (1, 3)),
            ((2, None), (2, None)),
            ((0, 2), (0, 2)),
        ):
            with self.subTest(times=times):
                self.assertEqual(wanted, parse_times(times))

    def test_what_may_happen(self) -> None:
        """None is any number, a number is the most."""
        for times, wanted in ((None, (0, None)), (1, (0, 1)), (3, (0, 3)), ((0, 3), (0, 3)), ((0, None), (0, None))):
            with self.subTest(times=times):
                self.assertEqual(wanted, parse_limit(times))

    def test_nonsense_is_refused(self) -> None:
        """The value is shown, and what would do."""
        for parse in (parse_times, parse_limit):
            for times in NONSENSE:
                with self.subTest(parse=parse.__name__, times=times):
                    with self.assertRaises(UsageError) as caught:
                        parse(times)
                    self.assertEqual(
                        f"times is {times!r}; wanted a number, (low, high), or None for at least once",
                        str(caught.exception),
                    )

    def test_what_may_happen_cannot_be_forbidden(self) -> None:
        """An expectation that never answers is pointed to ``expect()``."""
        for times in (0, (0, 0)):
            with self.subTest(times=times):
                with self.assertRaises(UsageError) as caught:
                    parse_limit(times)
                self.assertEqual(
                    f"times is {times!r}, so that this would never answer; for what must never come "
                    "write expect(…, times=0)",
                    str(caught.exception),
                )

    def test_what_may_happen_cannot_be_demanded(self) -> None:
        """A fewest that would not be verified is pointed to ``expect()``."""
        with self.assertRaises(UsageError) as caught:
            parse_limit((2, 3))
        self.assertEqual(
            "times is (2, 3), but what on() writes need not come; for at least 2 write expect(…, times=(2, 3))",
            str(caught.exception),
        )

    def test_they_are_described_in_words(self) -> None:
        """A number says whether it is the least, the most or exact."""
        for times, words in (
            ((0, None), "any number of times"),
            ((0, 0), "never"),
            ((0, 1), "at most once"),
            ((0, 3), "at most 3 times"),
            ((1, 1), "exactly once"),
            ((2, 2), "exactly 2 times"),
            ((1, None), "at least once"),
            ((2, None), "at least 2 times"),
            ((1, 3), "1 to 3 times"),
            ((12_000, 12_000), "exactly 12,000 times"),
        ):
            with self.subTest(times=times):
                self.assertEqual(words, describe_times(times))


class CountingTest(unittest.TestCase):
    """What an expectation knows of its requests."""

    def test_room(self) -> None:
        """Whether it is satisfied, and has room: after no request, after one, …"""
        for times, *states in (
            ((0, None), (True, True), (True, True), (True, True)),
            ((0, 1), (True, True), (True, False)),
            ((2, 2), (False, True), (False, True), (True, False)),
            ((1, None), (False, True), (True, True)),
            ((0, 0), (True, False), (False, False)),
        ):
            expectation = make_expectation(times=times)
            found = [(expectation.is_satisfied, expectation.has_room)]
            for _ in states[1:]:
                expectation.claim(make_request())
                found.append((expectation.is_satisfied, expectation.has_room))
            with self.subTest(times=times):
                self.assertEqual(states, found)

    def test_its_requests_are_a_snapshot(self) -> None:
        """Who changes the list changes nothing else."""
        expectation, request = make_expectation(), make_request()
        expectation.claim(request)
        expectation.requests.clear()
        self.assertEqual(([request], 1), (expectation.requests, expectation.times_called))

    def test_a_list_that_was_taken_does_not_grow(self) -> None:
        """What comes later is not in it."""
        expectation = make_expectation()
        taken = expectation.requests
        expectation.claim(make_request())
        self.assertEqual([], taken)

    def test_it_begins_anew(self) -> None:
        """A new test finds no requests, and the answer that it is given."""
        expectation = make_expectation()
        expectation.claim(make_request())
        expectation.save()
        expectation.reply(500).begin()
        self.assertEqual(([], Reply(200)), (expectation.requests, expectation.answer))

    def test_it_reads_well(self) -> None:
        """Its ``repr`` says what it wants and how far it is."""
        expectation = make_expectation("POST", "/x", (0, 2))
        self.assertEqual("<Expectation POST '/x', at most 2 times, called 0 times>", repr(expectation))
        expectation.claim(make_request())
        self.assertEqual("<Expectation POST '/x', at most 2 times, called 1 time>", repr(expectation))


class ReplyTest(unittest.TestCase):
    """What an expectation answers."""

    def setUp(self) -> None:
        self.expectation = Expectation(make_criteria("GET", "/x"), (0, None))

    def test_there_is_none_at_first(self) -> None:
        """Nobody has said what to answer."""
        self.assertIsNone(self.expectation.answer)

    def test_reply_returns_the_expectation(self) -> None:
        """So that it can be kept in one line with its making."""
        self.assertIs(self.expectation, self.expectation.reply(204))

    def test_a_later_reply_replaces_an_earlier_one(self) -> None:
        """Headers of the earlier one are gone."""
        self.expectation.reply(200, "a", headers={"X-A": "1"}).reply(404)
        self.assertEqual(Reply(404), self.expectation.answer)

    def test_all_of_a_reply_can_be_said(self) -> None:
        """Status, JSON, headers and delay arrive."""
        self.expectation.reply(201, json={"id": 1}, headers=[("X-A", "1")], delay=0.5)
        reply = Reply(201, b'{"id": 1}', [("X-A", "1"), ("Content-Type", "application/json")], delay=0.5)
        self.assertEqual(reply, self.expectation.answer)

    def test_a_whole_reply_can_be_given(self) -> None:
        """One made elsewhere is used as it is."""
        reply = Reply(503, b"", (("Retry-After", "1"),))
        self.assertIs(reply, self.expectation.reply(reply).answer)

    def test_a_whole_reply_stands_alone(self) -> None:
        """What is given beside it is not passed over in silence; nothing has changed."""
        beside: list[dict[str, Any]] = [
            {"body": "a"},
            {"json": None},
            {"text": "a"},
            {"headers": {}},
            {"content_type": "a"},
            {"delay": 1},
        ]
        for more in beside:
            with self.subTest(more=more):
                with self.assertRaises(UsageError) as caught:
                    self.expectation.reply(Reply(503), **more)
                self.assertEqual("a Reply is a whole answer: give nothing else beside it", str(caught.exception))
                self.assertIsNone(self.expectation.answer)

    def test_a_reply_that_is_refused_changes_nothing(self) -> None:
        """The one before stays."""
        self.expectation.reply(404)
        with self.assertRaises(UsageError):
            self.expectation.reply(99)
        self.assertEqual(Reply(404), self.expectation.answer)

"""One expectation: how often, what it answers, and how it reads in a report."""

from __future__ import annotations

import unittest
import weakref
from typing import Any

from liveserver_testcase import Reply, UsageError
from liveserver_testcase.stub.expectation import Expectation, describe_times, parse_limit, parse_times
from liveserver_testcase.stub.matching import make_criteria
from tests.integration.stub.support import make_expectation, make_request


class TimesTest(unittest.TestCase):
    """``times=``, for what must and for what may happen."""

    def test_what_must_and_what_may_happen(self) -> None:
        """None is at least once, or any number; a number is exactly that, or the most; a pair is a range."""
        for parse, times, wanted in (
            (parse_times, None, (1, None)),
            (parse_times, 0, (0, 0)),
            (parse_times, 3, (3, 3)),
            (parse_times, (1, 3), (1, 3)),
            (parse_times, (2, None), (2, None)),
            (parse_limit, None, (0, None)),
            (parse_limit, 3, (0, 3)),
            (parse_limit, (0, 3), (0, 3)),
            (parse_limit, (0, None), (0, None)),
        ):
            with self.subTest(parse=parse.__name__, times=times):
                self.assertEqual(wanted, parse(times))

    def test_what_is_refused(self) -> None:
        """Nonsense, with what would do; and of what may happen, what says that it must, or must not."""
        nonsense = (-1, 1.0, "1", True, (1,), (1, 2, 3), (2, 1), (None, 1), (1, "2"), (True, 2), (-1, 2), [1, 2])
        none = "times is {!r}; wanted a number, (low, high), or None for at least once"
        never = "times is {!r}, so that this would never answer; for what must never come write expect(…, times=0)"
        must = "times is {!r}, but what on() writes need not come; for at least 2 write expect(…, times=(2, 3))"
        for parse, times, message in (
            *[(parse, times, none) for parse in (parse_times, parse_limit) for times in nonsense],
            *[(parse_limit, times, never) for times in (0, (0, 0))],
            (parse_limit, (2, 3), must),
        ):
            with self.subTest(parse=parse.__name__, times=times):
                with self.assertRaises(UsageError) as caught:
                    parse(times)
                self.assertEqual(message.format(times), str(caught.exception))

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
        """Who changes the list changes nothing else, and what comes later is not in it."""
        expectation, request = make_expectation(), make_request()
        taken = expectation.requests
        expectation.claim(request)
        expectation.requests.clear()
        self.assertEqual(([], [request], 1), (taken, expectation.requests, expectation.times_called))

    def test_it_begins_anew(self) -> None:
        """A new test finds no requests, and the answer that it is given."""
        expectation = make_expectation()
        expectation.claim(make_request())
        expectation.save()
        expectation.reply(500).begin()
        self.assertEqual(([], Reply(200)), (expectation.requests, expectation.answer))

    def test_what_it_does_not_have(self) -> None:
        """An unknown attribute is refused with the nearest; it can be referred to weakly, as any object."""
        expectation = make_expectation()
        with self.assertRaisesRegex(AttributeError, "^cannot set 'nme': Expectation has no .*: did you mean 'name'"):
            expectation.nme = "x"
        with self.assertRaisesRegex(AttributeError, "^Expectation has no attribute 'repli': did you mean 'reply'"):
            expectation.repli  # noqa: B018
        self.assertIs(expectation, weakref.ref(expectation)())

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

    def test_the_latest_reply_is_the_answer(self) -> None:
        """All of a reply can be said, or a whole one given; headers of an earlier one are gone."""
        self.assertIsNone(self.expectation.answer)
        self.assertIs(self.expectation, self.expectation.reply(200, "a", headers={"X-A": "1"}))
        self.assertEqual(Reply(404), self.expectation.reply(404).answer)
        self.expectation.reply(201, json={"id": 1}, headers=[("X-A", "1")], delay=0.5)
        reply = Reply(201, b'{"id": 1}', [("X-A", "1"), ("Content-Type", "application/json")], delay=0.5)
        self.assertEqual(reply, self.expectation.answer)
        whole = Reply(503, b"", (("Retry-After", "1"),))
        self.assertIs(whole, self.expectation.reply(whole).answer)

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

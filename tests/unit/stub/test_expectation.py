"""One expectation: how often, what it answers, and how it reads in a report."""

from __future__ import annotations

import unittest
import weakref
from typing import Any

from liveserver_testcase import Reply, UsageError
from liveserver_testcase.stub.expectation import describe_times, parse_limit, parse_times
from tests.integration.stub.support import make_expectation, make_request


class TimesTest(unittest.TestCase):
    """``times=``, for what must and for what may happen."""

    def test_what_must_and_what_may_happen(self) -> None:
        """None is at least once, or any number; a number is exactly that, or the most; a pair is a range."""
        for times, must, may in (
            (None, (1, None), (0, None)), (3, (3, 3), (0, 3)), ((0, 3), (0, 3), (0, 3)),
            ((0, None), (0, None), (0, None)), (0, (0, 0), None), ((1, 3), (1, 3), None), ((2, None), (2, None), None),
        ):  # fmt: skip
            with self.subTest(times=times):
                self.assertEqual(must, parse_times(times))
                if may is not None:
                    self.assertEqual(may, parse_limit(times))

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
            ((0, None), "any number of times"), ((0, 0), "never"), ((0, 1), "at most once"),
            ((0, 3), "at most 3 times"), ((1, 1), "exactly once"), ((2, 2), "exactly 2 times"),
            ((1, None), "at least once"), ((2, None), "at least 2 times"), ((1, 3), "1 to 3 times"),
            ((12_000, 12_000), "exactly 12,000 times"),
        ):  # fmt: skip
            with self.subTest(times=times):
                self.assertEqual(words, describe_times(times))


class ExpectationTest(unittest.TestCase):
    """What an expectation knows of its requests, and what it answers."""

    def test_its_requests_are_a_snapshot(self) -> None:
        """Who changes the list changes nothing else, and what comes later is not in it; its ``repr`` counts them."""
        expectation, request = make_expectation("POST", "/x", (0, 2)), make_request()
        self.assertEqual("<Expectation POST '/x', at most 2 times, called 0 times>", repr(expectation))
        taken = expectation.requests
        expectation.claim(request)
        expectation.requests.clear()
        self.assertEqual(([], [request], 1), (taken, expectation.requests, expectation.times_called))
        self.assertEqual("<Expectation POST '/x', at most 2 times, called 1 time>", repr(expectation))
        self.assertIs(expectation, weakref.ref(expectation)())  # it can be referred to weakly, as any object

    def test_the_latest_reply_is_the_answer(self) -> None:
        """All of a reply can be said, or a whole one given; headers of an earlier one are gone."""
        expectation = make_expectation(reply=False)
        self.assertIsNone(expectation.answer)
        self.assertIs(expectation, expectation.reply(200, "a", headers={"X-A": "1"}))
        self.assertEqual(Reply(404), expectation.reply(404).answer)
        expectation.reply(201, json={"id": 1}, headers=[("X-A", "1")], delay=0.5)
        reply = Reply(201, b'{"id": 1}', [("X-A", "1"), ("Content-Type", "application/json")], delay=0.5)
        self.assertEqual(reply, expectation.answer)
        self.assertIs(reply, expectation.reply(reply).answer)

    def test_what_is_refused_changes_nothing(self) -> None:
        """What is given beside a whole reply is not passed over in silence."""
        expectation = make_expectation().reply(404)
        with self.assertRaisesRegex(AttributeError, "^cannot set 'nme': Expectation has no .*: did you mean 'name'"):
            expectation.nme = "x"
        with self.assertRaisesRegex(AttributeError, "^Expectation has no attribute 'repli': did you mean 'reply'"):
            expectation.repli  # noqa: B018
        beside: list[dict[str, Any]] = [
            {"body": "a"}, {"json": None}, {"text": "a"}, {"headers": {}}, {"content_type": "a"}, {"delay": 1}
        ]  # fmt: skip
        for more in beside:
            with self.subTest(more=more), self.assertRaises(UsageError) as caught:
                expectation.reply(Reply(503), **more)
            self.assertEqual("a Reply is a whole answer: give nothing else beside it", str(caught.exception))
        with self.assertRaises(UsageError):
            expectation.reply(99)
        self.assertEqual(Reply(404), expectation.answer)

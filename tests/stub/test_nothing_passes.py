"""Nothing passes silently: what went wrong in an exchange fails the test in which it went wrong, and `verify()`."""

from __future__ import annotations

import contextlib
import http.client
import unittest
from collections.abc import Callable
from typing import Any

from liveserver_testcase import HTTPStub, HTTPStubTestCase
from tests.stub.support import StubTest


def run_test(body: Callable[[Any], object], **attributes: object) -> unittest.TestResult:
    """Run ``body`` as the one test of a class with a stub."""
    case = type("CaseTest", (HTTPStubTestCase,), {"test": body, **attributes})
    result = unittest.TestResult()
    unittest.TestSuite([case("test")]).run(result)
    return result


def boom(*_args: object) -> Any:
    raise ValueError("boom")


class RaisedTest(StubTest):
    """What a handler, a hook or an application raises, or returns that is no answer."""

    MISTAKES: tuple[tuple[str, Callable[[HTTPStub], object], str], ...] = (
        ("raises", lambda stub: stub.on().reply_with(boom), "ValueError: boom"),
        ("returns None", lambda stub: stub.on().reply_with(lambda: None), "returned None; wanted a Reply"),
        ("hook", lambda stub: stub.on().reply(200).after(boom), "ValueError: boom"),
        ("hook returns", lambda stub: stub.on().reply(200).after(lambda _r, _a: object()), "the hook .* returned <obj"),
        ("application", lambda stub: stub.on().reply_wsgi(boom), "ValueError: boom"),
        ("sequence", lambda stub: stub.on().reply_sequence(201), "has 1 reply, and this was request 2"),
        ("stream", lambda stub: stub.on().reply_stream(boom), "ValueError: boom"),
    )

    def ask(self, stub: HTTPStub) -> None:
        for _ in range(2):
            with contextlib.suppress(http.client.IncompleteRead):
                self.send("GET", "/x", stub=stub)

    def test_verify(self) -> None:
        """It fails, with what was raised as its cause; a second one has nothing more to say."""
        for name, script, wanted in self.MISTAKES:
            with self.subTest(name), HTTPStub() as stub:
                script(stub)
                self.ask(stub)
                with self.assertRaisesRegex(AssertionError, f"^GET /x could not be answered: .*{wanted}") as caught:
                    stub.verify()
                self.assertIsNotNone(caught.exception.__cause__)
                stub.verify()

    def test_assert_stub_satisfied(self) -> None:
        """It fails there, and the test once, not twice."""
        for name, script, wanted in self.MISTAKES:

            def body(case: Any, script: Any = script, wanted: str = wanted) -> None:
                script(case.stub)
                self.ask(case.stub)
                with case.assertRaisesRegex(AssertionError, wanted):
                    case.assertStubSatisfied()

            with self.subTest(name):
                result = run_test(body)
                self.assertEqual(([], []), (result.failures, result.errors))

    def test_failure_report(self) -> None:
        """It is there for whoever looks after a stub otherwise."""
        self.stub.on().reply_with(boom)
        self.send("GET", "/x")
        self.assertRegex(self.stub.failure_report(), "^GET /x could not be answered: ValueError: boom$")

    def test_what_was_taken_is_not_held(self) -> None:
        """Who wants the error takes it."""
        self.stub.on().reply_with(boom)
        self.send("GET", "/x")
        self.assertEqual(["boom"], [str(error) for _, error in self.stub.take_errors()])
        self.stub.verify()

    def test_reset_forgets_it(self) -> None:
        """As it forgets what was not answered."""
        self.stub.on().reply_with(boom)
        self.send("GET", "/x")
        self.stub.reset()
        self.stub.verify()

    def test_of_an_earlier_test(self) -> None:
        """It names its test."""
        self.begin("shop.test_a")
        self.stub.on().reply_with(boom)
        self.send("GET", "/x")
        self.begin("shop.test_b")
        self.stub.verify()
        self.assertRegex(self.late_report(), r"^left over from shop\.test_a: GET /x could not be answered")


if __name__ == "__main__":
    unittest.main()

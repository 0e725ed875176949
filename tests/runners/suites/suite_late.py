"""What comes to light when its test has been judged: reported once, and under the name of its test."""

from __future__ import annotations

import threading
import unittest
from typing import Any

import requests

from liveserver_testcase import LiveServerTestCase
from tests.integration.apps import Gate, make_app
from tests.runners.suites.expected import ClassError, expect

RAISED = ("the application raised an error:", "GET /boom: RuntimeError: kaboom")


class WhileTheNextRuns(LiveServerTestCase):
    """The first test leaves a request behind, which fails while the second one runs."""

    live_pending_timeout = 0.05
    gate = Gate(RuntimeError("too late"))
    app = make_app(gate=gate)
    client: threading.Thread

    @expect("failed", "still in flight 0.05 s after the test:", "  GET /gate, ", " s old")
    def test_a_leaves_something(self):
        url = self.live_url("/gate")
        WhileTheNextRuns.client = threading.Thread(target=lambda: requests.get(url, timeout=30))
        self.client.start()
        self.gate.entered.wait(10)

    @expect(
        "failed",
        "left over from tests.runners.suites.suite_late.WhileTheNextRuns.test_a_leaves_something: "
        "the application raised an error:",
        "GET /gate: RuntimeError: too late",
        conceals=["still in flight", "\nthe application raised"],
    )
    def test_b_is_told(self):
        self.gate.open.set()
        self.client.join(10)

    @expect("passed")
    def test_c_hears_nothing(self):
        self.live.get("/")


class Between(LiveServerTestCase):
    """Something calls the application when a test is over, and before the next one begins."""

    app = make_app()
    callers: tuple[str, ...] = ()

    def run(self, result: Any = None) -> Any:
        try:
            return super().run(result)
        finally:
            if self.id().rpartition(".")[2] in self.callers:
                requests.get(self.live_url("/boom"), timeout=10)


class BetweenTwo(Between):
    callers = ("test_a",)

    @expect("passed")
    def test_a(self):
        self.live.get("/")

    @expect(
        "failed",
        "RuntimeError: kaboom",
        "left over from tests.runners.suites.suite_late.BetweenTwo.test_a: the application raised an error:",
    )
    def test_b(self):
        self.live.get("/")

    @expect("passed")
    def test_c(self):
        self.live.get("/")


class BetweenTwoAndFailed(Between):
    callers = ("test_a",)

    @expect("failed", *RAISED, conceals=["left over"])
    def test_a(self):
        self.live.get("/boom")

    @expect("failed", "1 != 2", "left over from tests.runners.suites.suite_late.BetweenTwoAndFailed.test_a: ")
    def test_b(self):
        self.assertEqual(1, 2)


class BetweenWithSkips(Between):
    callers = ("test_a",)

    @expect("passed")
    def test_a(self):
        self.live.get("/")

    @expect("skipped", "not now", conceals=["left over"])
    def test_b(self):
        self.live.get("/boom")
        self.skipTest("not now")

    @unittest.skip("never")
    @expect("skipped", "never", conceals=["left over"])
    def test_c(self):
        self.fail("not reached")

    @expect(
        "failed",
        "left over from tests.runners.suites.suite_late.BetweenWithSkips.test_a: the application raised an error:",
        conceals=["test_b"],
    )
    def test_d(self):
        self.live.get("/")


def left_over(case: str) -> ClassError:
    """What a class says whose last test has left something."""
    return ClassError("tearDownClass", [f"left over from tests.runners.suites.suite_late.{case}.test_a: ", *RAISED])


class AfterTheLast(Between):
    callers = ("test_a",)
    class_error = left_over("AfterTheLast")

    @expect("passed")
    def test_a(self):
        self.live.get("/")


class AfterTheLastForgetful(AfterTheLast):
    class_error = left_over("AfterTheLastForgetful")

    @classmethod
    def tearDownClass(cls) -> None:
        pass


class AfterASkippedLast(AfterTheLast):
    """What was kept because of a skipped test is not lost."""

    class_error = left_over("AfterASkippedLast")

    @expect("skipped", "not now")
    def test_b(self):
        self.skipTest("not now")


class BeforeTheFirst(LiveServerTestCase):
    app = make_app()

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        requests.get(cls.live_url("/boom"), timeout=10)

    @expect("failed", "left over from before the first test: the application raised an error:")
    def test_a(self):
        self.live.get("/")

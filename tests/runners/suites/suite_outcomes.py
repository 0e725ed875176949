"""Each way in which a test can end, with and without a problem that only the servers saw."""

from __future__ import annotations

import unittest

from liveserver_testcase import HTTPStubTestCase, LiveServerTestCase
from tests.integration.apps import make_app
from tests.runners.suites.expected import expect

APP = ("the application raised an error:", "GET /boom: RuntimeError: kaboom")
TRACE = ("Traceback (most recent call last)", "RuntimeError: kaboom")
APP_TWICE = ("the application raised 2 errors:", "GET /boom: RuntimeError: kaboom")
STUB = ("#1: nothing answers GET /nope", "GET /nope")
UNMET = ("GET '/pay' was expected exactly once, and never came",)


class Case(LiveServerTestCase, HTTPStubTestCase):
    """No tests of its own."""

    app = make_app()

    def provoke(self) -> None:
        """Make the application raise, and ignore the 500."""
        self.live.get("/boom")


class Bodies(Case):
    @expect("passed")
    def test_nothing_happens(self):
        self.assertEqual(self.live.get("/").text, "fine")

    @expect("failed", "RuntimeError: kaboom", *APP)
    def test_app_raises(self):
        self.provoke()

    @expect("failed", *STUB)
    def test_unmatched_request(self):
        self.live.get("/call", params={"url": self.stub.url_for("/nope")})

    @expect("failed", *UNMET)
    def test_unmet_expectation(self):
        self.stub.expect("GET", "/pay").reply(200)

    @expect("failed", *STUB, *APP)
    def test_stub_and_app(self):
        self.provoke()
        self.live.get("/call", params={"url": self.stub.url_for("/nope")})

    @expect("failed", "AssertionError", "500 != 200", *APP, *TRACE)
    def test_failed_already(self):
        self.assertEqual(self.live.get("/boom").status_code, 200)

    @expect("error", "ValueError: of the test", *APP, *TRACE)
    def test_error_in_body(self):
        self.provoke()
        raise ValueError("of the test")

    @expect("failed", "1 != 2", conceals=[APP[0], STUB[0]])
    def test_failed_for_itself(self):
        self.assertEqual(1, 2)


class Fixtures(Case):
    """What goes wrong around the body."""

    def setUp(self) -> None:
        super().setUp()
        if "in_set_up" in self.id():
            self.provoke()
            if "skip" in self.id():
                self.skipTest("not here")
            raise ValueError("of setUp")

    def tearDown(self) -> None:
        if "in_tear_down" in self.id():
            self.provoke()
        if "error_in_tear_down" in self.id():
            raise ValueError("of tearDown")

    def clean_up(self) -> None:
        self.provoke()
        if "error" in self.id():
            raise ValueError("of a clean-up")

    @expect("error", "ValueError: of setUp", *APP, *TRACE)
    def test_error_in_set_up(self):
        self.fail("not reached")

    @expect("error", "ValueError: of tearDown", *APP, *TRACE)
    def test_error_in_tear_down(self):
        pass

    @expect("failed", *APP)
    def test_app_raises_in_tear_down(self):
        pass

    @expect("error", "ValueError: of a clean-up", *APP, *TRACE)
    def test_error_in_clean_up(self):
        self.addCleanup(self.clean_up)

    @expect("skipped", "not here", conceals=["application"])
    def test_skip_in_set_up(self):
        self.fail("not reached")


class Skips(Case):
    @unittest.skip("by decorator")
    @expect("skipped", "by decorator")
    def test_by_decorator(self):
        self.fail("not reached")

    @expect("skipped", "in the body", conceals=["application"])
    def test_in_body(self):
        self.provoke()
        self.stub.expect("GET", "/pay").reply(200)
        self.skipTest("in the body")

    @expect("passed")
    def test_next_one_hears_nothing_of_it(self):
        self.live.get("/")


@unittest.skip("the whole class")
class SkippedClass(Case):
    @expect("skipped", "the whole class")
    def test_skipped(self):
        self.fail("not reached")


class SubTests(Case):
    @expect("failed", "number 1", *APP_TWICE, *TRACE)
    def test_one_fails_and_one_does_not(self):
        for number in (1, 2):
            with self.subTest(number=number):
                self.provoke()
                self.assertEqual(number, 2, f"number {number}")

    @expect("failed", *APP_TWICE)
    def test_one_is_skipped(self):
        for number in (1, 2):
            with self.subTest(number=number):
                self.provoke()
                if number == 1:
                    self.skipTest("not this one")

    @expect("passed")
    def test_no_problem(self):
        for number in (1, 2):
            with self.subTest(number=number):
                self.live.get("/")


class ExpectedFailures(Case):
    @unittest.expectedFailure
    @expect("expected failure")
    def test_body_fails(self):
        self.assertEqual(self.live.get("/").status_code, 500)

    @unittest.expectedFailure
    @expect("expected failure")
    def test_body_fails_and_so_does_the_app(self):
        self.assertEqual(self.live.get("/boom").status_code, 200)

    @unittest.expectedFailure
    @expect("expected failure")
    def test_only_the_verdict_fails(self):
        self.provoke()

    @unittest.expectedFailure
    @expect("unexpected success")
    def test_nothing_fails(self):
        self.live.get("/")

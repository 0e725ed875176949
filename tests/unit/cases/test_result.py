"""The result between a test and its runner: what the runner hears, and when."""

from __future__ import annotations

import contextlib
import io
import traceback
import unittest
import warnings
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from liveserver_testcase import ServerTestCase
from liveserver_testcase.cases.result import DelayedResult
from tests.integration.running import make_case, run_case


class Listener(unittest.TestResult):
    """Writes down what it is told, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if name.startswith("add") or name in ("startTest", "stopTest"):
            return lambda *arguments: (self.heard.append(name), value(*arguments))[1]
        return value


class Bodies:
    """Tests that end in every way; mixed into a plain test case and into one with servers."""

    def tearDown(self: Any) -> None:
        if "tear_down" in self.id():
            raise ValueError("of tearDown")

    def test_passes(self: Any) -> None:
        pass

    def test_fails(self: Any) -> None:
        self.fail("it does")

    def test_errs(self: Any) -> None:
        raise ValueError("it does")

    def test_exits(self: Any) -> None:
        raise SystemExit(3)

    def test_fails_and_tear_down_too(self: Any) -> None:
        self.fail("it does")

    def test_skips(self: Any) -> None:
        self.skipTest("it does")

    def test_skips_and_tear_down_errs(self: Any) -> None:
        self.skipTest("it does")

    @unittest.skip("always")
    def test_skipped(self: Any) -> None:
        pass

    @unittest.expectedFailure
    def test_expected(self: Any) -> None:
        self.fail("it does")

    @unittest.expectedFailure
    def test_unexpected(self: Any) -> None:
        pass

    def test_subtests(self: Any) -> None:
        for number in range(4):
            with self.subTest(number=number):
                if number == 1:
                    self.skipTest("one")
                self.assertNotEqual(number, 2)

    def test_clean_up_errs(self: Any) -> None:
        self.addCleanup(self.fail, "late")


class SameAsUnittest(unittest.TestCase):
    """Where there is nothing to ask, nothing changes."""

    def test_runner_hears_the_same(self) -> None:
        """The runner hears the same as of a plain test, in the same order, and prints the same."""
        plain, served = make_case(Bodies, unittest.TestCase), make_case(Bodies, ServerTestCase)
        served.setUpClass()
        self.addCleanup(served.tearDownClass)
        for name in [name for name in dir(Bodies) if name.startswith("test_")]:
            heard = []
            for case in (plain, served):
                result = Listener()
                case(name).run(result)
                heard.append((result.heard, [text for _, text in [*result.failures, *result.errors]]))
            with self.subTest(name=name):
                self.assertEqual(heard[0], heard[1])


class Minimal:
    """A result that has no more than unittest needs."""

    shouldStop = failfast = False

    def __init__(self) -> None:
        self.heard: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name not in ("startTest", "stopTest", "addSuccess", "addError", "addFailure"):
            raise AttributeError(name)
        return lambda test, err=(None, ""): self.heard.append(f"{name} {err[1]}".strip())


def make_failing(test: Callable[[Any], None], failure: BaseException | None = None, **members: Any) -> type[Any]:
    """A class whose one test gets this failure."""

    class Judged(ServerTestCase):
        asked: list[bool] = []

        def _find_failure(self, skipped: bool = False) -> BaseException | None:
            self.asked.append(skipped)
            return None if skipped else failure

    return make_case(Judged, test=test, **members)


def passes(case: Any) -> None:
    """Be a test that passes, and prints something."""
    print("printed by the test")
    with case.subTest("one"):
        pass


@contextlib.contextmanager
def no_runtime_warning() -> Iterator[None]:
    """Without unittest's warnings about what a result has not got."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


class OtherRunners(unittest.TestCase):
    """Results that are not unittest's own."""

    def test_without_subtests_and_durations(self) -> None:
        """A result without addSubTest and addDuration hears what it can; what is no failureException is an error."""
        for failure, heard in (
            (None, "addSuccess"),
            (AssertionError("no"), "addFailure no"),
            (ValueError("no"), "addError no"),
        ):
            result: Any = Minimal()
            with self.subTest(heard), no_runtime_warning():
                make_failing(passes, failure)("test_it").run(result)
                self.assertEqual(["startTest", heard, "stopTest"], result.heard)

    def test_runner_that_raises(self) -> None:
        """What a runner raises when it is told reaches it, and the test is ended for it all the same."""
        result: Any = Minimal()
        result.addSuccess = mock.Mock(side_effect=KeyboardInterrupt)
        with no_runtime_warning(), self.assertRaises(KeyboardInterrupt):
            make_failing(passes)("test_it").run(result)
        self.assertEqual(["startTest", "stopTest"], result.heard)


class Runs(unittest.TestCase):
    """Ways to run a test."""

    def test_with_and_without_a_result(self) -> None:
        """``run()`` returns the result that it was given, or makes one, and begins and ends its run."""
        result = unittest.TestResult()
        self.assertIs(result, make_failing(passes)("test_it").run(result))
        case = make_failing(passes, AssertionError("no"))
        made = mock.Mock(wraps=unittest.TestResult(), spec=unittest.TestResult, failfast=False, shouldStop=False)
        case.defaultTestResult = lambda self: made
        self.assertIs(made, case("test_it").run())
        calls = [call[0] for call in made.method_calls]
        self.assertEqual(("startTestRun", "stopTestRun"), (calls[0], calls[-1]))
        self.assertEqual(1, calls.count("addFailure"))

    def test_twice(self) -> None:
        """A test that is run twice is asked about twice."""
        test, result = make_failing(passes, AssertionError("no"))("test_it"), unittest.TestResult()
        test.run(result)
        test.run(result)
        self.assertEqual((2, 2), (result.testsRun, len(result.failures)))

    def test_failfast(self) -> None:
        """A failure stops a run that is to stop at the first one; a subtest that fails ends its test then."""
        case = make_failing(passes, AssertionError("no"), test_later=passes)
        self.assertEqual({"run": 1, "failures": 1}, run_case(case, failfast=True).summary)
        reached = []

        def test(self: Any) -> None:
            for number in range(3):
                with self.subTest(number=number):
                    reached.append(number)
                    self.fail("it does")

        run_case(make_failing(test), failfast=True)
        self.assertEqual([0], reached)

    def test_buffer(self) -> None:
        """What a test has printed stands in its report, if only the failure is against it, too; else it is dropped."""
        with contextlib.redirect_stdout(io.StringIO()) as stdout:
            outcome = run_case(make_failing(passes, AssertionError("no")), buffer=True)
        self.assertIn("Stdout:\nprinted by the test", outcome.report)
        self.assertIn("printed by the test", stdout.getvalue())
        with contextlib.redirect_stdout(io.StringIO()) as stdout:
            run_case(make_failing(passes), buffer=True)
        self.assertEqual("", stdout.getvalue())

    def test_debug(self) -> None:
        """``debug()`` raises the failure, or the test's own exception with it; it asks nothing of one that skips."""
        failure = AssertionError("no")
        with self.assertRaises(AssertionError) as caught:
            make_failing(passes, failure)("test_it").debug()
        self.assertIs(failure, caught.exception)

        def raises(self: Any) -> None:
            raise ValueError("of the test")

        with self.assertRaises(ValueError) as raised:
            make_failing(raises, AssertionError("of the servers"))("test_it").debug()
        text = "".join(traceback.format_exception(raised.exception))
        self.assertIn("ValueError: of the test\n\nof the servers", text)

        skips = make_failing(lambda self: self.skipTest("not now"), failure)
        with self.assertRaises(unittest.SkipTest):
            skips("test_it").debug()
        passing = make_failing(passes)
        passing("test_it").debug()
        self.assertEqual(([True], [False]), (skips.asked, passing.asked))


class Interrupts(unittest.TestCase):
    """Ctrl-C."""

    def test_where_it_comes(self) -> None:
        """It goes through at once, and nothing is asked then; what came of the test before is told as by unittest."""

        def interrupt(self: Any, *arguments: Any) -> Any:
            raise KeyboardInterrupt

        def run(case: Any) -> list[str]:
            result = Listener()
            with self.assertRaises(KeyboardInterrupt):
                case("test_it").run(result)
            return [name for name in result.heard if name != "addDuration"]  # of 3.12 and later

        fails = {"test": lambda self: self.fail("first")}
        for members in ({"test": interrupt}, {**fails, "tearDown": interrupt}):
            with self.subTest(members):
                case = make_failing(failure=AssertionError("no"), **members)
                self.assertEqual((run(make_case(unittest.TestCase, **members)), []), (run(case), case.asked))
        self.assertEqual(
            ["startTest", "addFailure", "stopTest"], run(make_failing(failure=None, _find_failure=interrupt, **fails))
        )


class TheResult(unittest.TestCase):
    """The object that a test sees as its result."""

    def test_it_stands_for_the_runners(self) -> None:
        """What is set on it is set on the runner's, which has all that it has; failures so far are told once."""
        theirs = Listener()
        result: Any = DelayedResult(theirs, make_failing(passes)("test_it"))
        result.shouldStop = True
        self.assertTrue(theirs.shouldStop)
        self.assertFalse(hasattr(result, "addSomething"))
        result.addError(self, (ValueError, ValueError("it does"), None))
        result.addFailure(self, (AssertionError, AssertionError("it does"), None))
        # a tearDown may look for its own failure there
        self.assertEqual([[self], [self]], [[test for test, _ in each] for each in (result.failures, result.errors)])
        self.assertIn("ValueError: it does", result.errors[0][1])
        result.stopTest(self)
        self.assertEqual((1, 1), (len(theirs.failures), len(theirs.errors)))

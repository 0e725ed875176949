"""A server of the user's own as a class-level server: the public seam, of which the documentation has an example."""

from __future__ import annotations

import inspect
import unittest
from typing import Any

from liveserver_testcase import ClassServer, Problem, ServerAttribute, ServerNotStarted, ServerTestCase
from tests.integration.cases.toys import Toy, make_toys
from tests.integration.running import make_case, run_case
from tests.support import NoLeaks, run_python


class ToyTestCase(ServerTestCase):
    """A mixin as users write it."""

    toy: ServerAttribute[Toy] = ServerAttribute()

    @classmethod
    def class_servers(cls) -> list[ClassServer[Any]]:
        return [*super().class_servers(), ClassServer("toy", Toy)]


class ToyPart(ClassServer[Toy]):
    """Writes down what it is asked."""

    def __init__(self, name: str, heard: list[str], order: int = 20) -> None:
        super().__init__(name, lambda: Toy(name, heard), order=order)
        self.heard = heard

    def begin(self, test_id: str) -> None:
        self.heard.append(f"begin {self.name} {test_id}")

    def settle(self) -> None:
        self.heard.append(f"settle {self.name}")

    def problems(self) -> list[Problem]:
        self.heard.append(f"problems {self.name}")
        return []

    def late_problems(self) -> list[Problem]:
        self.heard.append(f"late_problems {self.name}")
        return []


class BrokenToy(ToyPart):
    """Holds something against each test."""

    def problems(self) -> list[Problem]:
        return [Problem("the toy is broken")]


class TheSeam(NoLeaks):
    """What is called, and when."""

    def test_calls(self) -> None:
        """A server starts, begins and settles each test, is asked about it after all clean-ups, and stops."""
        heard: list[str] = []

        def test(self: Any) -> None:
            self.addCleanup(heard.append, "clean up")
            heard.append("test")

        run_case(make_toys(ToyPart("toy", heard), test=test))
        told = ["start toy", "begin toy made.Case.test_it", "test", "clean up", "settle toy", "problems toy"]
        self.assertEqual([*told, "late_problems toy", "stop toy", "late_problems toy"], heard)

    def test_order(self) -> None:
        """Servers start by their order, settle and stop in reverse; equal ones in the order of the list."""
        heard: list[str] = []
        parts = [ToyPart(name, heard, order) for name, order in (("c", 30), ("a", 10), ("b1", 20), ("b2", 20))]
        run_case(make_toys(*parts))
        there, back = "a b1 b2 c", "c b2 b1 a"
        for verb, names in (("start", there), ("settle", back), ("stop", back), ("problems", there)):
            with self.subTest(verb=verb):
                told = [word.partition(" ")[2] for word in heard if word.startswith(f"{verb} ")]
                self.assertEqual(names.split(), told)

    def test_made_when_its_turn_comes(self) -> None:
        """A server is made when those before it run; the test and its class reach it under one name."""
        heard: list[str] = []

        def class_servers(cls: Any) -> list[ClassServer[Any]]:
            second = ClassServer("second", lambda: Toy(f"after {cls.toy.name}", heard), order=30)
            return [second, ClassServer("toy", lambda: Toy("first", heard), order=10)]

        def test(self: Any) -> None:
            self.assertIs(self.toy, type(self).toy)
            self.assertEqual(["start first", "start after first"], heard)

        run_case(make_case(ToyTestCase, class_servers=classmethod(class_servers), test=test)).assert_passed()

    def test_problems(self) -> None:
        """What a server holds against a test fails it, with the class's failureException."""

        class Mine(AssertionError):
            pass

        for members, text in (({}, "AssertionError"), ({"failureException": Mine}, "Mine")):
            with self.subTest(text):
                outcome = run_case(make_toys(BrokenToy("toy", []), **members))
                self.assertEqual({"run": 1, "failures": 1}, outcome.summary)
                self.assertTrue(outcome.report.endswith(f"{text}: the toy is broken"))

    def test_late_problems_of_the_class(self) -> None:
        """What comes to light when the server has stopped is an error of the class."""

        class Part(ToyPart):
            def late_problems(self) -> list[Problem]:
                return [Problem("left over")] if "stop toy" in self.heard else []

        outcome = run_case(make_toys(Part("toy", [])))
        self.assertEqual({"run": 1, "errors": 1}, outcome.summary)
        self.assertIn("tearDownClass (made.Case)", outcome.printed)
        self.assertIn("AssertionError: left over", outcome.printed)

    def test_errors_of_the_hooks(self) -> None:
        """What a hook raises is an error of the test, which runs all the same, and hides no other problem."""

        def fail(self: Any, *arguments: Any) -> list[Problem]:
            if "stop toy" not in self.heard:
                raise ValueError("oh")
            return []

        for hook in ("begin", "settle", "problems", "late_problems"):
            with self.subTest(hook=hook):
                reached: list[str] = []
                part = type("Part", (ToyPart,), {hook: fail})("toy", [])
                outcome = run_case(make_toys(part, test=lambda self, reached=reached: reached.append("test")))
                self.assertEqual(({"run": 1, "errors": 1}, ["test"]), (outcome.summary, reached))
                self.assertIn(f"{hook}() of the server 'toy' raised ValueError: oh", outcome.report)
        failing = type("Part", (ToyPart,), {"problems": fail})("a", [])
        outcome = run_case(make_toys(failing, BrokenToy("b", [])))
        self.assertEqual({"run": 1, "failures": 1}, outcome.summary)
        wanted = "AssertionError: the toy is broken\n\nproblems() of the server 'a' raised ValueError: oh"
        self.assertTrue(outcome.report.endswith(wanted), outcome.report)

    def test_repr(self) -> None:
        """A part names itself and its server."""
        self.assertEqual("<ClassServer 'toy': None>", repr(ClassServer("toy", Toy)))


class BeforeTheStart(unittest.TestCase):
    """A server that is not there yet."""

    def test_from_a_test_and_from_the_class(self) -> None:
        """Both get an error that says what to do, and that is an AttributeError; a class as soon as it is used."""
        wanted = (
            "ToyTestCase.toy is not there: no setUpClass() has started the servers of ToyTestCase; "
            "if the class overrides setUpClass(), it must call super().setUpClass() first"
        )
        test = ToyTestCase("run")
        for ask in (lambda: test.toy, lambda: ToyTestCase.toy.name):
            with self.assertRaises(ServerNotStarted) as caught:
                ask()
            self.assertEqual(wanted, str(caught.exception))
        self.assertEqual((False, False), (hasattr(test, "toy"), hasattr(ToyTestCase.toy, "name")))
        self.assertEqual("<ToyTestCase.toy, not started>", repr(ToyTestCase.toy))
        self.assertIn("toy", dict(inspect.getmembers(ToyTestCase)))  # as collectors do

    def test_it_never_comes(self) -> None:
        """A server that needs another which starts later is told the order; one that is not listed is named."""

        def with_an_earlier_one(cls: Any) -> list[ClassServer[Any]]:
            return [ClassServer("toy", Toy), ClassServer("early", lambda: Toy(cls.toy.name), order=5)]

        turn = "the servers of Case start in the order early, toy, and its turn has not come"
        missing = "Case.class_servers() does not list it; does it extend super().class_servers()?"
        for servers, reason in ((with_an_earlier_one, turn), (lambda cls: [], missing)):
            with self.subTest(reason):
                members = {"class_servers": classmethod(servers), "test": lambda case: case.toy}
                report = run_case(make_case(ToyTestCase, **members)).report
                self.assertTrue(report.endswith(f"Case.toy is not there: {reason}"), report)


class UnderPytest(unittest.TestCase):
    """The seam under pytest."""

    def test_debugger(self) -> None:
        """``--pdb`` stops at what a server holds against a test, while that server still runs, and goes on."""
        process = run_python(
            """
            import io, sys, pytest
            sys.stdin = io.StringIO("p 'running: ' + str(self.stub.is_running)\\nc\\n")
            arguments = ["--pdb", "-s", "-p", "no:cacheprovider", "-o", "python_files=suite_*.py"]
            sys.exit(pytest.main([*arguments, "tests/runners/suites/suite_outcomes.py", "-k", "failed_already"]))
            """
        )
        self.assertEqual(1, process.returncode, process.stdout + process.stderr)
        self.assertIn("'running: True'", process.stdout)
        self.assertIn("1 failed", process.stdout)

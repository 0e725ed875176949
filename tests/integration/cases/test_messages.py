"""What a person reads when something went wrong, letter by letter."""

from __future__ import annotations

import textwrap
import unittest
from typing import Any

from liveserver_testcase import ClassServer, HTTPStubTestCase, LiveServerTestCase, Problem, SMTPTestCase
from tests.integration.apps import Gate, make_app
from tests.integration.cases.toys import Toy, make_toys, nothing
from tests.integration.running import make_case, run_case, visit
from tests.support import HANG, NoLeaks

BOOM = """\
Traceback (most recent call last):
  File "apps.py", line N, in __call__
    return answer(start, "nothing here", "404 Not Found") if route is None else route(environ, start)
  File "apps.py", line N, in _boom
    raise RuntimeError("kaboom")
RuntimeError: kaboom
"""


class ReportCase(NoLeaks):
    """Compares whole reports."""

    maxDiff = None

    def assert_report(self, wanted: str, case: type[unittest.TestCase]) -> None:
        """The only report of the class's run reads so, where ``BOOM`` stands for the traceback of that page."""
        wanted = textwrap.dedent(wanted).strip("\n").replace("BOOM", BOOM.rstrip())
        self.assertEqual(wanted, run_case(case).report)


class ApplicationErrors(ReportCase):
    """What the application raised."""

    def test_several(self) -> None:
        """Each request is listed; a traceback that is the same as one before is not printed again.

        The traceback in the application comes first, and the report is placed at the test's def.
        """

        def test(self: Any) -> None:
            for path in ("/boom", "/bang", "/boom"):
                self.live.get(path)

        self.assert_report(
            """
            BOOM

            The above exception was the direct cause of the following exception:

            Traceback (most recent call last):
              File "test_messages.py", line N, in test
                def test(self: Any) -> None:
            AssertionError: the application raised 3 errors:
              GET /boom: RuntimeError: kaboom
              GET /bang: LookupError: no such thing
              GET /boom: RuntimeError: kaboom

            GET /bang:
            Traceback (most recent call last):
              File "apps.py", line N, in __call__
                return answer(start, "nothing here", "404 Not Found") if route is None else route(environ, start)
              File "apps.py", line N, in _bang
                raise LookupError("no such thing")
            LookupError: no such thing
            """,
            make_case(LiveServerTestCase, app=make_app(), test=test),
        )

    def test_many_with_several_lines(self) -> None:
        """Beyond twenty they are counted; of each the list has the first line, and its traceback the rest."""

        def fail(environ: Any, start: Any) -> Any:
            raise LookupError("first line\nsecond line")

        case = make_case(LiveServerTestCase, app=make_app(long=fail), test=visit(*["/long"] * 23))
        report = run_case(case).report
        first, *lines, last = report.partition("AssertionError: ")[2].splitlines()
        self.assertEqual(["  GET /long: LookupError: first line"] * 20, lines)
        self.assertEqual(("the application raised 23 errors:", "  … and 3 more"), (first, last))
        self.assertIn("second line\n\nThe above exception was", report)

    def test_another_text_than_expected(self) -> None:
        """An error of the right class with another text is not the one that was expected: the report has both."""

        def test(self: Any) -> None:
            with self.expectLiveErrors(RuntimeError, regex="other"):
                self.live.get("/boom")

        report = run_case(make_case(LiveServerTestCase, app=make_app(), test=test)).report
        self.assertIn(
            "the application raised no RuntimeError matching 'other' in this block; wanted at least one. "
            "In this test it has raised\n  RuntimeError: kaboom",
            report,
        )
        self.assertIn("the application raised an error:\n  GET /boom: RuntimeError: kaboom", report)

    def test_in_flight(self) -> None:
        """A request that has not ended is named with its age, and where the application is with it."""
        gate = Gate()
        self.addCleanup(gate.open.set)

        def test(self: Any) -> None:
            with self.assertRaises(OSError):
                self.live.get("/gate", timeout=0.05)
            gate.entered.wait(HANG)

        tear_down = classmethod(lambda cls: gate.open.set())
        members = {"app": make_app(gate=gate), "test": test, "tearDownClass": tear_down}
        report = run_case(make_case(LiveServerTestCase, live_pending_timeout=0.01, **members)).report
        wanted = """
            Traceback (most recent call last):
              File "test_messages.py", line N, in test
                def test(self: Any) -> None:
            AssertionError: still in flight 0.01 s after the test:
              GET /gate, N s old, at
                  File "apps.py", line N, in __call__
                    return answer(start, "nothing here", "404 Not Found") if route is None else route(environ, start)
                  File "apps.py", line N, in __call__
                    self.open.wait(30)
            """
        beginning = report[: report.index('    File "threading.py"')].rstrip()  # which differs from Python to Python
        self.assertEqual(textwrap.dedent(wanted).strip("\n"), beginning)


class ClassErrors(ReportCase):
    """What keeps a class from running."""

    def test_at_the_class(self) -> None:
        """What is wrong with a class is placed at its first line."""

        class Nameless(LiveServerTestCase):
            test_it = nothing

        self.assert_report(
            """
            Traceback (most recent call last):
              File "test_messages.py", line N, in Nameless
                class Nameless(LiveServerTestCase):
            liveserver_testcase.errors.UsageError: Nameless has no application: set `app`, or override the class \
method create_app()
            """,
            Nameless,
        )

    def test_create_app_that_raises(self) -> None:
        """What create_app() raises has the traceback of its author, and none of ours."""

        def create_app(cls: Any) -> Any:
            raise LookupError("no configuration")

        self.assert_report(
            """
            Traceback (most recent call last):
              File "test_messages.py", line N, in create_app
                raise LookupError("no configuration")
            LookupError: no configuration

            The above exception was the direct cause of the following exception:

            liveserver_testcase.errors.ServerStartError: Case.create_app() raised LookupError: no configuration
            """,
            make_case(LiveServerTestCase, test=nothing, create_app=classmethod(create_app)),
        )

    def test_two_servers_of_one_name(self) -> None:
        """Each needs a name of its own."""
        self.assert_report(
            """
            liveserver_testcase.errors.UsageError: class_servers() lists two servers named 'toy'; each needs a name \
of its own
            """,
            make_toys(Toy, Toy),
        )


class BrokenServers(ReportCase):
    """What goes wrong with a server itself."""

    def test_several_causes(self) -> None:
        """The first cause is chained, the traceback of the second one is printed in the report."""

        class Part(ClassServer[Toy]):
            def problems(self) -> list[Problem]:
                causes = ValueError("one"), ValueError("two")
                return [Problem("one thing", causes[0]), Problem("another", causes[1]), Problem("a third")]

        def test(self: Any) -> None:
            pass

        self.assert_report(
            """
            ValueError: one

            The above exception was the direct cause of the following exception:

            Traceback (most recent call last):
              File "test_messages.py", line N, in test
                def test(self: Any) -> None:
            AssertionError: one thing

            another

            ValueError: two

            a third
            """,
            make_toys(Part("toy", Toy), test=test),
        )


def fail_in_every_way(case: Any) -> dict[str, str]:
    """Call every assertion that takes a ``msg``; what each has said, by its name."""
    case.stub.expect("GET", "/never").reply()
    case.live.get("/boom")
    calls: dict[str, Any] = {
        "assertLiveRequested": lambda: case.assertLiveRequested("GET", "/x", timeout=0, msg="mine"),
        "assertNoLiveErrors": lambda: case.assertNoLiveErrors(msg="mine"),
        "assertRequested": lambda: case.assertRequested("GET", "/x", timeout=0, msg="mine"),
        "assertRequestOrder": lambda: case.assertRequestOrder([("GET", "/x")], msg="mine"),
        "assertStubSatisfied": lambda: case.assertStubSatisfied(msg="mine"),
        "assertEmailSent": lambda: case.assertEmailSent(timeout=0, msg="mine"),
        "assertEmailCount": lambda: case.assertEmailCount(1, timeout=0, msg="mine"),
        "assertEmailAttempted": lambda: case.assertEmailAttempted(timeout=0, msg="mine"),
    }
    said = {}
    for name, call in calls.items():
        with case.assertRaises(AssertionError) as caught:
            call()
        said[name] = str(caught.exception)
    case.stub.reset()
    return said


class LongMessage(unittest.TestCase):
    """``longMessage``, as everywhere in unittest."""

    def test_what_the_author_says(self) -> None:
        """It comes before the report, and in its place where ``longMessage`` is off."""
        bases = (LiveServerTestCase, HTTPStubTestCase, SMTPTestCase)
        for is_long in (True, False):
            said: dict[str, str] = {}

            def test(case: Any, said: dict[str, str] = said) -> None:
                said.update(fail_in_every_way(case))

            run_case(make_case(*bases, app=make_app(), longMessage=is_long, test=test)).assert_passed()
            self.assertEqual(8, len(said))
            for name, text in said.items():
                with self.subTest(name=name, is_long=is_long):
                    self.assertEqual(("mine", is_long), (text.split("\n")[0], "\n" in text))

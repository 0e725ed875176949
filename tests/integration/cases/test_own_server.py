"""A server of the user's own as a class-level server: the public seam."""

from __future__ import annotations

import inspect
import socket
import threading
import unittest
from typing import Any

from liveserver_testcase import ClassServer, Problem, ServerAttribute, ServerNotStarted, ServerTestCase
from tests.integration.cases.toys import Toy, make_toys
from tests.integration.running import make_case, run_case
from tests.support import NoLeaks, run_python


# The whole of what somebody has to write: a server, and a mixin for it.
class EchoServer:
    def start(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = self.socket.getsockname()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        while data := (client := self.socket.accept()[0]).recv(100):
            client.sendall(data)
            client.close()
        client.close()

    def stop(self) -> None:
        socket.create_connection(self.address).close()
        self.thread.join()
        self.socket.close()


class EchoTestCase(ServerTestCase):
    echo: ServerAttribute[EchoServer] = ServerAttribute()

    @classmethod
    def class_servers(cls) -> list[ClassServer[Any]]:
        return [*super().class_servers(), ClassServer("echo", EchoServer)]


class AnEchoTest(NoLeaks, EchoTestCase):
    """Tests of the mixin above, as its author would write them."""

    def test_it_answers(self) -> None:
        """The server runs when the test does, and is the one of its class."""
        with socket.create_connection(self.echo.address) as client:
            client.sendall(b"hello")
            self.assertEqual(b"hello", client.recv(100))

        self.assertIs(self.echo, type(self).echo)


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


class TheSeam(unittest.TestCase):
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
        """A server is made when those before it run."""
        heard: list[str] = []

        class Case(ServerTestCase):
            first: ServerAttribute[Toy] = ServerAttribute()

            @classmethod
            def class_servers(cls) -> list[ClassServer[Any]]:
                second = ClassServer("second", lambda: Toy(f"after {cls.first.name}", heard), order=30)
                return [second, ClassServer("first", lambda: Toy("first", heard), order=10)]

            def test_it(self) -> None:
                pass

        self.assertEqual({"run": 1}, run_case(Case).summary)
        self.assertEqual(["start first", "start after first"], heard[:2])

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
        self.assertEqual("<ClassServer 'toy': None>", repr(ClassServer("toy", EchoServer)))


class BeforeTheStart(unittest.TestCase):
    """A server that is not there yet."""

    wanted = (
        r"^EchoTestCase\.echo is not there: no setUpClass\(\) has started the servers of EchoTestCase; "
        r"if the class overrides setUpClass\(\), it must call super\(\)\.setUpClass\(\) first$"
    )

    def test_from_a_test_and_from_the_class(self) -> None:
        """Both get an error that says what to do, and that is an AttributeError; a class as soon as it is used."""
        test = EchoTestCase("run")
        for ask in (lambda: test.echo, lambda: EchoTestCase.echo.address):
            with self.assertRaisesRegex(ServerNotStarted, self.wanted):
                ask()
        self.assertEqual((False, False), (hasattr(test, "echo"), hasattr(EchoTestCase.echo, "address")))
        self.assertEqual("<EchoTestCase.echo, not started>", repr(EchoTestCase.echo))
        self.assertIn("echo", dict(inspect.getmembers(EchoTestCase)))  # as collectors do

    def test_it_never_comes(self) -> None:
        """A server that needs another which starts later is told the order; one that is not listed is named."""

        def with_an_earlier_one(cls: Any) -> list[ClassServer[Any]]:
            return [ClassServer("echo", EchoServer), ClassServer("early", lambda: Toy(cls.echo.address, []), order=5)]

        turn = "the servers of Case start in the order early, echo, and its turn has not come"
        missing = "Case.class_servers() does not list it; does it extend super().class_servers()?"
        for servers, reason in ((with_an_earlier_one, turn), (lambda cls: [], missing)):
            with self.subTest(reason):
                members = {"class_servers": classmethod(servers), "test": lambda case: case.echo}
                report = run_case(make_case(EchoTestCase, **members)).report
                self.assertTrue(report.endswith(f"Case.echo is not there: {reason}"), report)


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

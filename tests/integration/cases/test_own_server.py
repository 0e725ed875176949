"""A server of the user's own as a class-level server: the public seam."""

from __future__ import annotations

import inspect
import socket
import threading
import unittest
from typing import Any

from liveserver_testcase import ClassServer, Problem, ServerAttribute, ServerNotStarted, ServerTestCase
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
        """The server runs when the test does."""
        with socket.create_connection(self.echo.address) as client:
            client.sendall(b"hello")
            self.assertEqual(b"hello", client.recv(100))

    def test_it_is_the_classs(self) -> None:
        """The test and its class reach the same server."""
        self.assertIs(self.echo, type(self).echo)


class Toy:
    """A server that writes down what happens to it."""

    def __init__(self, name: str, heard: list[str]) -> None:
        self.name = name
        self.heard = heard

    def start(self) -> None:
        self.heard.append(f"start {self.name}")

    def stop(self) -> None:
        self.heard.append(f"stop {self.name}")


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


def make_toys(*parts: ClassServer[Any], **members: Any) -> type[Any]:
    """A class with these servers."""
    return make_case(ServerTestCase, class_servers=classmethod(lambda cls: list(parts)), **members)


class TheSeam(unittest.TestCase):
    """What is called, and when."""

    def test_calls(self) -> None:
        """A server starts, begins and settles each test, is asked about it after all clean-ups, and stops."""
        heard: list[str] = []

        def test(self: Any) -> None:
            self.addCleanup(heard.append, "clean up")
            heard.append("test")

        run_case(make_toys(ToyPart("toy", heard), test=test))
        self.assertEqual(
            [
                "start toy",
                "begin toy made.Case.test_it",
                "test",
                "clean up",
                "settle toy",
                "problems toy",
                "late_problems toy",
                "stop toy",
                "late_problems toy",
            ],
            heard,
        )

    def test_order(self) -> None:
        """Servers start by their order, settle and stop in reverse; equal ones in the order of the list."""
        heard: list[str] = []
        parts = [ToyPart(name, heard, order) for name, order in (("c", 30), ("a", 10), ("b1", 20), ("b2", 20))]
        run_case(make_toys(*parts, test=lambda self: None))
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
        """What a server holds against a test fails it."""

        class Part(ToyPart):
            def problems(self) -> list[Problem]:
                return [Problem("the toy is broken")]

        outcome = run_case(make_toys(Part("toy", []), test=lambda self: None))
        self.assertEqual({"run": 1, "failures": 1}, outcome.summary)
        self.assertTrue(outcome.report.endswith("AssertionError: the toy is broken"))

    def test_failure_exception(self) -> None:
        """A class that has a failureException of its own fails with that."""

        class Part(ToyPart):
            def problems(self) -> list[Problem]:
                return [Problem("the toy is broken")]

        class Mine(AssertionError):
            pass

        outcome = run_case(make_toys(Part("toy", []), test=lambda self: None, failureException=Mine))
        self.assertEqual({"run": 1, "failures": 1}, outcome.summary)
        self.assertTrue(outcome.report.endswith("Mine: the toy is broken"))

    def test_late_problems_of_the_class(self) -> None:
        """What comes to light when the server has stopped is an error of the class."""

        class Part(ToyPart):
            def late_problems(self) -> list[Problem]:
                return [Problem("left over")] if "stop toy" in self.heard else []

        outcome = run_case(make_toys(Part("toy", []), test=lambda self: None))
        self.assertEqual({"run": 1, "errors": 1}, outcome.summary)
        self.assertIn("tearDownClass (made.Case)", outcome.printed)
        self.assertIn("AssertionError: left over", outcome.printed)

    def test_errors_of_the_hooks(self) -> None:
        """What begin() or settle() raises is an error of the test, which runs all the same."""
        for hook in ("begin", "settle", "problems", "late_problems"):
            with self.subTest(hook=hook):
                reached: list[str] = []

                def fail(self: Any, *arguments: Any) -> list[Problem]:
                    if "stop toy" not in self.heard:
                        raise ValueError("oh")
                    return []

                part = type("Part", (ToyPart,), {hook: fail})("toy", [])
                outcome = run_case(make_toys(part, test=lambda self, reached=reached: reached.append("test")))
                self.assertEqual(({"run": 1, "errors": 1}, ["test"]), (outcome.summary, reached))
                self.assertIn(f"{hook}() of the server 'toy' raised ValueError: oh", outcome.report)

    def test_errors_of_one_and_problems_of_another(self) -> None:
        """A server that cannot be asked hides nothing of what another one says."""

        class Failing(ToyPart):
            def problems(self) -> list[Problem]:
                raise ValueError("oh")

        class Telling(ToyPart):
            def problems(self) -> list[Problem]:
                return [Problem("the toy is broken")]

        outcome = run_case(make_toys(Failing("a", []), Telling("b", []), test=lambda self: None))
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

    def test_from_a_test(self) -> None:
        """A test that asks for it gets an error that says what to do, and that is an AttributeError."""
        test = EchoTestCase("run")
        with self.assertRaisesRegex(ServerNotStarted, self.wanted):
            _ = test.echo
        self.assertFalse(hasattr(test, "echo"))

    def test_from_the_class(self) -> None:
        """A class gets the same error as soon as it uses the server."""
        with self.assertRaisesRegex(ServerNotStarted, self.wanted):
            _ = EchoTestCase.echo.address
        self.assertFalse(hasattr(EchoTestCase.echo, "address"))

    def test_repr(self) -> None:
        """What a class gets shows that it is no server."""
        self.assertEqual("<EchoTestCase.echo, not started>", repr(EchoTestCase.echo))

    def test_looking_at_everything(self) -> None:
        """Whoever looks at every attribute of the class, as collectors do, is not disturbed."""
        self.assertIn("echo", dict(inspect.getmembers(EchoTestCase)))
        for name in dir(EchoTestCase):
            value = getattr(EchoTestCase, name)
            self.assertFalse(inspect.isgeneratorfunction(value))

    def test_its_turn_has_not_come(self) -> None:
        """A server that needs another which starts later is told the order."""

        class Case(EchoTestCase):
            @classmethod
            def class_servers(cls) -> list[ClassServer[Any]]:
                early = ClassServer("early", lambda: Toy(cls.echo.address, []), order=5)
                return [*super().class_servers(), early]

            def test_it(self) -> None:
                pass

        wanted = "Case.echo is not there: the servers of Case start in the order early, echo, and its turn has not come"
        self.assertTrue(run_case(Case).report.endswith(wanted))

    def test_it_is_not_listed(self) -> None:
        """A class that overrides class_servers() without super() is told so."""

        class Case(EchoTestCase):
            @classmethod
            def class_servers(cls) -> list[ClassServer[Any]]:
                return []

            def test_it(self) -> None:
                _ = self.echo

        wanted = (
            "Case.echo is not there: Case.class_servers() does not list it; does it extend super().class_servers()?"
        )
        self.assertTrue(run_case(Case).report.endswith(wanted))


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

"""LiveServerTestCase: what a test is told of its application, where that comes from, and what is kept."""

from __future__ import annotations

import contextlib
import threading
import unittest
from collections.abc import Callable
from typing import Any

import requests

from liveserver_testcase import HTTPStubTestCase, LiveServer, LiveServerTestCase, UnfinishedWorkWarning
from tests.integration.apps import Gate, Routes, answer, make_app
from tests.integration.running import make_case, run_case
from tests.support import HANG, NoLeaks, run_python, wait_until


def visit(path: str) -> Callable[[Any], None]:
    """A test that requests this path, and does not mind what becomes of it."""

    def test(self: Any) -> None:
        with contextlib.suppress(requests.RequestException):
            self.live.get(path, timeout=HANG)

    return test


class ItsErrors(NoLeaks):
    """What the application raises."""

    def test_each(self) -> None:
        """It fails the test, wherever it is raised; the list has the class and the message, and no more."""

        class Noted(Exception):
            __notes__ = ["a note"]  # which stands in the traceback

        def raise_it(error: BaseException) -> Callable[..., Any]:
            def route(environ: Any, start: Any) -> Any:
                raise error

            return route

        app = make_app(
            leave=raise_it(SystemExit("enough")),
            noted=raise_it(Noted("its text")),
            bad=raise_it(SyntaxError("invalid syntax", ("template", 1, 2, "a b"))),
        )
        for path, said in (
            ("/middle", "RuntimeError: raised in the middle"),
            ("/closing", "RuntimeError: raised in close()"),
            ("/leave", "SystemExit: enough"),
            ("/noted", "test_each.<locals>.Noted: its text"),
            ("/bad", "SyntaxError: invalid syntax"),
        ):
            with self.subTest(path=path):
                outcome = run_case(make_case(LiveServerTestCase, app=app, test=visit(path)))
                self.assertEqual({"run": 1, "failures": 1}, outcome.summary)
                self.assertIn(f"AssertionError: the application raised an error:\n  GET {path}: ", outcome.report)
                self.assertIn(said.rpartition(".")[2], outcome.report.splitlines()[-1])

    def test_client_that_leaves(self) -> None:
        """A client that leaves early is no error of the application."""
        left = threading.Event()

        def pour(environ: Any, start: Any) -> Any:
            start("200 OK", [])
            yield b"x"
            left.wait(10)
            for _ in range(1000):
                yield b"x" * 65536

        def test(self: Any) -> None:
            with self.live.get("/pour", stream=True) as response:
                response.raw.read(1)
            left.set()

        run_case(make_case(LiveServerTestCase, app=make_app(pour=pour), test=test)).assert_passed()

    def test_thread_of_the_application(self) -> None:
        """What a thread does that the application has left behind is known by way of the stub that it calls."""

        class Case(LiveServerTestCase, HTTPStubTestCase):
            @classmethod
            def create_app(cls) -> Routes:
                def start_work(environ: Any, start: Any) -> Any:
                    url = cls.stub.url_for("/report")
                    cls.worker = threading.Thread(target=lambda: requests.get(url, timeout=10))
                    cls.worker.start()
                    return answer(start)

                return Routes(work=start_work)

            def test_it(self) -> None:
                self.live.get("/work")
                self.worker.join(10)

        outcome = run_case(Case)
        self.assertEqual({"run": 1, "failures": 1}, outcome.summary)
        self.assertIn("GET /report", outcome.report)


class InFlight(NoLeaks):
    """Requests that go on when the test is over."""

    def test_one_that_ends_soon(self) -> None:
        """A request that ends while it is waited for counts, with what it raises."""
        gate = Gate(RuntimeError("at last"))

        def test(self: Any) -> None:
            url = self.live_url("/gate")
            client = threading.Thread(target=lambda: requests.get(url, timeout=30))
            client.start()
            gate.entered.wait(10)
            engine = self.live_server._server._engine
            waiting = engine.wait_until_idle

            def open_and_wait(*arguments: Any) -> Any:
                gate.open.set()
                return waiting(*arguments)

            engine.wait_until_idle = open_and_wait
            type(self).addClassCleanup(client.join, 10)

        outcome = run_case(make_case(LiveServerTestCase, app=make_app(gate=gate), test=test))
        self.assertEqual({"run": 1, "failures": 1}, outcome.summary)
        self.assertTrue(outcome.report.endswith("GET /gate: RuntimeError: at last"), outcome.report)

    def test_one_that_does_not_end(self) -> None:
        """A request that never ends fails its test, holds up no other one, and is named when the server stops."""
        gate = Gate()
        self.addCleanup(lambda: wait_until(lambda: not [t for t in threading.enumerate() if t.name == thread]))
        self.addCleanup(gate.open.set)

        def test(self: Any) -> None:
            with self.assertRaises(requests.Timeout):
                self.live.get("/gate", timeout=0.05)
            gate.entered.wait(HANG)

        members = {"live_pending_timeout": 0.01, "live_stop_timeout": 0.01}
        case = make_case(LiveServerTestCase, app=make_app(gate=gate), test=test, test_next=visit("/"), **members)
        case.setUpClass()
        thread = f"live-server 127.0.0.1:{case.live_server.port}"
        results = []
        for name in ("test_it", "test_next"):
            result = unittest.TestResult()
            case(name).run(result)
            results.append(len(result.failures))
        self.assertEqual([1, 0], results)
        with self.assertWarnsRegex(UnfinishedWorkWarning, "GET /gate"):
            case.tearDownClass()


class Applications(unittest.TestCase):
    """Where the application comes from."""

    def test_each(self) -> None:
        """``app`` is anything that can be called, or names it; ``create_app`` anything that makes it."""

        class Factory:
            def __call__(self) -> Routes:
                return make_app()

        def test(self: Any) -> None:
            self.assertEqual("fine", self.live.get("/").text)

        for members in (
            {"app": make_app()},
            {"app": lambda environ, start: answer(start)},  # which is not taken for a method
            {"app": "tests.integration.apps:plain"},
            {"app": "tests.integration.apps:make_app()"},
            {"create_app": classmethod(lambda cls: make_app())},
            {"create_app": staticmethod(make_app)},
            {"create_app": Factory()},
        ):
            with self.subTest(members=members):
                outcome = run_case(make_case(LiveServerTestCase, test=test, **members))
                self.assertEqual({"run": 1}, outcome.summary, outcome.printed)


class Memory(NoLeaks):
    """What is kept."""

    def test_exchanges_are_forgotten(self) -> None:
        """A test begins with an empty journal, and the one before keeps its own until then."""
        case = make_case(LiveServerTestCase, app=make_app(), test=visit("/"))
        case.setUpClass()
        self.addCleanup(case.tearDownClass)
        for _ in range(2):
            case("test_it").run(unittest.TestResult())
            self.assertEqual(["/"], [exchange.target for exchange in case.live_server.journal.entries()])

    def test_a_server_alone(self) -> None:
        """Without a test case it keeps what the application raises until somebody asks."""
        with LiveServer(make_app()) as server:
            requests.get(server.url_for("/boom"), timeout=10)
            ((exchange, error),) = server.take_errors()
            self.assertEqual(("GET /boom", "kaboom"), (exchange.describe(), str(error)))
            self.assertEqual([], server.take_errors())

    def test_no_framework(self) -> None:
        """A class with a plain application loads no framework, no mail server and no asynchronous server."""
        process = run_python(
            """
            import sys, unittest
            from liveserver_testcase import LiveServerTestCase
            from tests.integration.apps import make_app

            class Case(LiveServerTestCase):
                app = make_app()

                def test_it(self):
                    self.live.get("/")

            result = unittest.TextTestRunner().run(unittest.defaultTestLoader.loadTestsFromTestCase(Case))
            print(result.testsRun, sorted({"flask", "django", "aiosmtpd", "uvicorn", "trustme"} & set(sys.modules)))
            """
        )
        self.assertEqual("1 []\n", process.stdout, process.stderr)

"""LiveServerTestCase: what a test is told of its application, where that comes from, and what is kept."""

from __future__ import annotations

import contextlib
import threading
import unittest
from typing import Any

import requests

from liveserver_testcase import LiveServerTestCase
from tests.integration.apps import Gate, Routes, answer, make_app
from tests.integration.running import make_case, run_case, visit
from tests.support import HANG, NoLeaks, run_python


class ItsErrors(NoLeaks):
    """What the application raises."""

    def test_each(self) -> None:
        """It fails the test, wherever it is raised; the list has the class and the message, and no more."""

        class Noted(Exception):
            __notes__ = ["a note"]  # which stands in the traceback

        def raising(error: BaseException) -> Any:
            def route(environ: Any, start: Any) -> Any:
                raise error

            return route

        app = make_app(
            leave=raising(SystemExit("enough")),
            noted=raising(Noted("its text")),
            bad=raising(SyntaxError("invalid syntax", ("template", 1, 2, "a b"))),
        )
        for path, said in (
            ("/middle", "RuntimeError: raised in the middle"),
            ("/closing", "RuntimeError: raised in close()"),
            ("/leave", "SystemExit: enough"),
            ("/noted", "Noted: its text"),
            ("/bad", "SyntaxError: invalid syntax"),
        ):

            def test(self: Any, path: str = path) -> None:
                with contextlib.suppress(requests.RequestException):
                    self.live.get(path)

            with self.subTest(path=path):
                outcome = run_case(make_case(LiveServerTestCase, app=app, test=test))
                self.assertEqual({"run": 1, "failures": 1}, outcome.summary)
                self.assertIn(f"AssertionError: the application raised an error:\n  GET {path}: ", outcome.report)
                self.assertIn(said, outcome.report.splitlines()[-1])

    def test_of_a_client_that_leaves(self) -> None:
        """A client that leaves early is no error of the application."""
        left = threading.Event()

        def pour(environ: Any, start: Any) -> Any:
            start("200 OK", [])
            yield b"x"
            left.wait(HANG)
            for _ in range(1000):
                yield b"x" * 65536

        def test(self: Any) -> None:
            with self.live.get("/pour", stream=True) as response:
                response.raw.read(1)
            left.set()

        run_case(make_case(LiveServerTestCase, app=make_app(pour=pour), test=test)).assert_passed()

    def test_of_a_request_that_ends_after_its_test(self) -> None:
        """A request that ends while it is waited for counts, with what it raises."""
        gate = Gate(RuntimeError("at last"))

        def test(self: Any) -> None:
            client = threading.Thread(target=requests.get, args=(self.live_url("/gate"),), kwargs={"timeout": HANG})
            client.start()
            type(self).addClassCleanup(client.join, HANG)
            gate.entered.wait(HANG)
            engine = self.live_server._server._engine
            waiting = engine.wait_until_idle

            def open_and_wait(*arguments: Any) -> Any:
                gate.open.set()
                return waiting(*arguments)

            engine.wait_until_idle = open_and_wait

        outcome = run_case(make_case(LiveServerTestCase, app=make_app(gate=gate), test=test))
        self.assertEqual({"run": 1, "failures": 1}, outcome.summary)
        self.assertTrue(outcome.report.endswith("GET /gate: RuntimeError: at last"), outcome.report)


class Applications(NoLeaks):
    """Where the application comes from, and what is kept of it."""

    def test_each(self) -> None:
        """``app`` is anything that can be called, or names it; ``create_app`` anything that makes it."""

        class Factory:
            def __call__(self) -> Routes:
                return make_app()

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
                run_case(make_case(LiveServerTestCase, test=visit("/", status=200), **members)).assert_passed()

    def test_exchanges_are_forgotten(self) -> None:
        """A test begins with an empty journal, and the one before keeps its own until then."""
        case = make_case(LiveServerTestCase, app=make_app(), test=visit("/"))
        case.setUpClass()
        self.addCleanup(case.tearDownClass)
        for _ in range(2):
            case("test_it").run(unittest.TestResult())
            self.assertEqual(["/"], [exchange.target for exchange in case.live_server.journal.entries()])

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

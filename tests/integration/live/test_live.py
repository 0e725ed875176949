"""LiveServerTestCase: what a test gets, and what it hears of its application."""

from __future__ import annotations

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
    """A test that requests this path."""

    def test(self: Any) -> None:
        self.live.get(path)

    return test


class ItsErrors(NoLeaks):
    """What the application raises."""

    def check(self, path: str, said: str, *, fails: bool = False) -> None:
        """A test whose client does not mind fails because of what the application raised."""

        def test(self: Any) -> None:
            try:
                self.live.get(path)
            except requests.RequestException:
                if not fails:
                    raise

        outcome = run_case(make_case(LiveServerTestCase, app=make_app(), test=test))
        self.assertEqual({"run": 1, "failures": 1}, outcome.summary)
        self.assertTrue(
            outcome.report.endswith(f"AssertionError: the application raised an error:\n  GET {path}: {said}"),
            outcome.report,
        )

    def test_in_the_call(self) -> None:
        """An exception in the call of the application."""
        self.check("/boom", "RuntimeError: kaboom")

    def test_in_the_middle(self) -> None:
        """An exception while the body is sent."""
        self.check("/middle", "RuntimeError: raised in the middle", fails=True)

    def test_in_close(self) -> None:
        """An exception in the body's close(), when the client has all it wants."""
        self.check("/closing", "RuntimeError: raised in close()", fails=True)

    def test_exit(self) -> None:
        """An application that exits does not end the tests."""

        def leave(environ: Any, start: Any) -> Any:
            raise SystemExit("enough")

        outcome = run_case(make_case(LiveServerTestCase, app=make_app(leave=leave), test=visit("/leave")))
        self.assertEqual({"run": 1, "failures": 1}, outcome.summary)
        self.assertTrue(outcome.report.endswith("GET /leave: SystemExit: enough"))

    def test_notes(self) -> None:
        """An exception's notes are left to its traceback, in which they stand."""

        class Noted(Exception):
            __notes__ = ["a note"]

        def raise_it(environ: Any, start: Any) -> Any:
            raise Noted("its text")

        outcome = run_case(make_case(LiveServerTestCase, app=make_app(noted=raise_it), test=visit("/noted")))
        self.assertTrue(outcome.report.endswith("its text"), outcome.report)

    def test_syntax_error(self) -> None:
        """Of a syntax error the list has the message, not the place."""

        def compile_it(environ: Any, start: Any) -> Any:
            compile("a b", "template", "exec")

        outcome = run_case(make_case(LiveServerTestCase, app=make_app(bad=compile_it), test=visit("/bad")))
        self.assertIn("\n  GET /bad: SyntaxError: invalid syntax", outcome.report)

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

        self.assertEqual(
            {"run": 1}, run_case(make_case(LiveServerTestCase, app=make_app(pour=pour), test=test)).summary
        )

    def test_thread_of_the_application(self) -> None:
        """A thread that the application has left behind is heard of by way of the stub that it calls."""

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

        case = make_case(
            LiveServerTestCase,
            app=make_app(gate=gate),
            test=test,
            test_next=visit("/"),
            live_pending_timeout=0.01,
            live_stop_timeout=0.01,
        )
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

    def check(self, **members: Any) -> None:
        def test(self: Any) -> None:
            self.assertEqual("fine", self.live.get("/").text)

        self.assertEqual({"run": 1}, run_case(make_case(LiveServerTestCase, test=test, **members)).summary)

    def test_attribute(self) -> None:
        """``app`` may be an object that can be called."""
        self.check(app=make_app())

    def test_function(self) -> None:
        """``app`` may be a function: it is not taken for a method."""
        self.check(app=lambda environ, start: answer(start))

    def test_class_method(self) -> None:
        """``create_app()`` may be a class method."""
        self.check(create_app=classmethod(lambda cls: make_app()))

    def test_static_method(self) -> None:
        """``create_app()`` may be a static method."""
        self.check(create_app=staticmethod(make_app))

    def test_callable(self) -> None:
        """``create_app`` may be any other callable."""

        class Factory:
            def __call__(self) -> Routes:
                return make_app()

        self.check(create_app=Factory())


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


class Alone(NoLeaks):
    """The server without a test case."""

    def test_percent_signs_in_urls(self) -> None:
        """A percent sign that encodes nothing is data; an octet that is encoded already stays."""
        with LiveServer(make_app()) as server:
            for path, wanted in (
                ("/50% off", "/50%25%20off"),
                ("/100%", "/100%25"),
                ("/a%zz", "/a%25zz"),
                ("/a%2", "/a%252"),
                ("/a%2Fb", "/a%2Fb"),
                ("/a%252Fb", "/a%252Fb"),
                ("/?q=5%&r=%41", "/?q=5%25&r=%41"),
            ):
                with self.subTest(path=path):
                    self.assertEqual(f"{server.url}{wanted}", server.url_for(path))

    def test_url_for(self) -> None:
        """It knows its URLs."""
        with LiveServer(make_app()) as server:
            self.assertEqual(f"{server.url}/a?b=1", server.url_for("/a", b=1))
            self.assertEqual("fine", requests.get(server.url_for("/"), timeout=10).text)

    def test_errors(self) -> None:
        """It keeps what the application raises until somebody asks."""
        with LiveServer(make_app()) as server:
            requests.get(server.url_for("/boom"), timeout=10)
            ((exchange, error),) = server.take_errors()
            self.assertEqual(("GET /boom", "kaboom"), (exchange.describe(), str(error)))
            self.assertEqual([], server.take_errors())


class Imports(unittest.TestCase):
    """What is loaded."""

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

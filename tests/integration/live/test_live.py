"""LiveServerTestCase: what a test is told of its application, in a thread, on an event loop and in a process."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import unittest
from typing import Any
from unittest import mock

import fastapi
import httpx
import requests
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse
from websockets.asyncio.client import connect

from liveserver_testcase import HTTPStubTestCase, LiveServerTestCase
from tests.integration.apps import Gate, Routes, answer, make_app, make_lifespan_app
from tests.integration.live import apart
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


class ErrorsOverASGI(NoLeaks):
    """What the application raises when it has answered."""

    def test_places(self) -> None:
        """In a task in the background, and in one that outlives its request."""
        app = fastapi.FastAPI()

        async def fail() -> None:
            raise RuntimeError("kaboom")

        @app.get("/background")
        async def background() -> JSONResponse:
            return JSONResponse({}, background=BackgroundTask(fail))

        @app.get("/left")
        async def left() -> dict[str, str]:
            task = asyncio.get_running_loop().create_task(fail())
            await asyncio.wait([task])
            return {}

        for path in ("/background", "/left"):
            with self.subTest(path=path):
                report = run_case(make_case(LiveServerTestCase, app=app, test=visit(path))).report
                self.assertTrue(report.endswith(f"raised an error:\n  GET {path}: RuntimeError: kaboom"), report)
                self.assertIn('File "test_live.py", line N, in fail', report)


class Coroutines(NoLeaks):
    """A test that is a coroutine, with an ASGI application and the class's other servers."""

    def test_together(self) -> None:
        """Over TLS, clients on the test's own loop talk to a page that calls the stub, and to a WebSocket."""

        class Case(LiveServerTestCase, HTTPStubTestCase, unittest.IsolatedAsyncioTestCase):
            live_tls = True

            @classmethod
            def create_app(cls) -> Any:
                app, url = fastapi.FastAPI(), cls.stub.url_for("/pay")

                @app.get("/buy")
                async def buy() -> Any:
                    async with httpx.AsyncClient(trust_env=False) as client:
                        return (await client.post(url)).json()

                @app.websocket("/echo")
                async def echo(socket: fastapi.WebSocket) -> None:
                    await socket.accept()
                    await socket.send_text(await socket.receive_text())

                return app

            async def test_it(self) -> None:
                context = self.live_server.client_context()
                self.stub.expect("POST", "/pay").reply(json={"paid": True})
                async with httpx.AsyncClient(verify=context, trust_env=False) as client:
                    self.assertEqual({"paid": True}, (await client.get(self.live_url("/buy"))).json())
                url = self.live_ws_url("/echo")
                self.assertEqual("wss", url[:3])
                async with connect(url, ssl=context, proxy=None) as socket:
                    await socket.send("hello")
                    self.assertEqual("hello", await socket.recv())
                socket.transport.close()  # the server has closed it first: asyncio of Python 3.10 warns of that
                await self.assertLiveRequestedAsync("WEBSOCKET", "/echo", times=1)

        run_case(Case).assert_passed()


class Lifespans(NoLeaks):
    """What an application does before its first request and after its last."""

    def test_enforced(self) -> None:
        """It is entered once for each server, and again for a restart."""
        for scope, count in (("class", 3), ("test", 4)):
            events: list[str] = []

            def test(self: Any, events: list[str] = events) -> None:
                begun = len(events)
                self.assertEqual("startup", events[-1])
                self.live_server.restart()
                self.assertEqual(["shutdown", "startup"], events[begun:])

            def create_app(cls: Any, events: list[str] = events) -> Any:
                return make_lifespan_app(lambda: events.append("shutdown"), lambda: events.append("startup"))

            members = {"create_app": classmethod(create_app), "live_scope": scope, "test": test, "test_2": test}
            run_case(make_case(LiveServerTestCase, **members)).assert_passed(2)
            self.assertEqual(["startup", "shutdown"] * count, events)

    def test_what_it_raises(self) -> None:
        """What startup or shutdown raises is an error of the class."""

        def fail() -> None:
            raise LookupError("no database")

        cannot = "ServerStartError: <LiveServer starting at .+> could not start: the application's startup"
        for step, ran, where, wanted in (
            ("start_up", 0, "setUpClass", rf"LookupError: no database\n(?s:.*){cannot} (raised|failed)"),
            ("shut_down", 1, "tearDownClass", "LookupError: no database"),
        ):
            with self.subTest(step):
                case = make_case(LiveServerTestCase, app=make_lifespan_app(**{step: fail}), test=lambda self: None)
                outcome = run_case(case)
                self.assertEqual({"run": ran, "errors": 1}, outcome.summary, outcome.printed)
                self.assertIn(f"ERROR: {where}", outcome.printed)
                self.assertRegex(outcome.report, wanted)


class InAProcess(NoLeaks):
    """What a test gets."""

    maxDiff = None

    def test_everything(self) -> None:
        """Other servers, environment, requests, errors, output and a restart."""
        run_case(apart.Everything).assert_passed(3)

    def test_there(self) -> None:
        """An import string is loaded there, and the context of a request is entered there; TLS is trusted here."""
        run_case(apart.Named, apart.Surrounded).assert_passed(2)

    def test_error(self) -> None:
        """What the application raises fails the test, with its traceback from there."""
        report = run_case(apart.Failing).report
        self.assertIn(
            'File "apps.py", line N, in _boom\n    raise RuntimeError("kaboom")\nRuntimeError: kaboom', report
        )
        self.assertTrue(
            report.endswith("AssertionError: the application raised an error:\n  GET /boom: RuntimeError: kaboom"),
            report,
        )

    def test_death(self) -> None:
        """A process that dies fails its test and every one after it, with its end and the last of its output."""
        outcome = run_case(apart.Dying)
        self.assertEqual({"run": 2, "failures": 2}, outcome.summary, outcome.printed)
        first, second = outcome.reports()
        died = r"the server at http://127\.0\.0\.1:PORT died: its process \(pid \d+\) ended with exit code 3"
        self.assertRegex(first, rf"AssertionError: {died}\. The last of its output:\ngoodbye$")
        self.assertRegex(second, rf"AssertionError: {died}; what it had printed is in the first report of it$")
        self.assertNotIn("ServerDied", second)

    def test_a_class_that_its_application_skips(self) -> None:
        """A ``SkipTest`` of ``create_app()`` skips the class as it does in a thread."""
        outcome = run_case(apart.Skipping)
        self.assertEqual(({"run": 0, "skipped": 1}, "not here"), (outcome.summary, outcome.result.skipped[0][1]))

    def test_tests_that_their_application_skips(self) -> None:
        """With a server for each test it skips that test, in a thread and in a process, before its ``setUp()``."""
        for mode in "process", "thread":
            case = apart.SkippingEach
            with self.subTest(mode=mode), mock.patch.object(case, "live_mode", mode):
                outcome = run_case(case)
                skipped = [reason for _, reason in outcome.result.skipped]
                self.assertEqual(["not here"], skipped, outcome.printed)
                self.assertTrue(outcome.result.wasSuccessful())
                case.setUpClass()
                with self.assertRaisesRegex(unittest.SkipTest, "^not here$"):
                    case("test_it").debug()
                case.doClassCleanups()

    def test_app_that_cannot_be_made(self) -> None:
        """What create_app() raises there is the cause of the class's error here."""
        outcome = run_case(apart.Unready)
        self.assertEqual({"run": 0, "errors": 1}, outcome.summary, outcome.printed)
        self.assertIn('in create_app\n    raise LookupError("no configuration")', outcome.report)
        self.assertIn("Unready.create_app() raised LookupError: no configuration", outcome.report)

    def test_what_is_not_there(self) -> None:
        """An application that scripts the stub from there is told what it can use."""
        report = run_case(apart.Curious).report
        self.assertIn(
            "stub.on was asked for in the live server's own process, which knows only where stub is: "
            "create_app() can use url, ",
            report,
        )

"""LiveServerTestCase with ASGI applications: errors find their test, lifespans are enforced, coroutines are at home."""

from __future__ import annotations

import asyncio
import contextlib
import json
import unittest
from collections.abc import AsyncIterator
from typing import Any

import fastapi
import httpx
import requests
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, StreamingResponse
from websockets.asyncio.client import connect as connect_async
from websockets.sync.client import connect

from liveserver_testcase import HTTPStubTestCase, LiveServerTestCase, SMTPTestCase
from tests.integration.running import make_case, run_case
from tests.support import HANG, NoLeaks


def make_app(**options: Any) -> fastapi.FastAPI:
    """A small application with all that can go wrong in one."""
    app = fastapi.FastAPI(**options)

    @app.get("/")
    async def index() -> dict[str, str]:
        return {"tea": "Earl Grey"}

    @app.get("/threaded")
    def threaded() -> dict[str, str]:
        return {"tea": "Assam"}

    @app.get("/boom")
    async def boom() -> None:
        raise RuntimeError("kaboom")

    @app.get("/threaded-boom")
    def threaded_boom() -> None:
        raise RuntimeError("kaboom in a thread")

    @app.get("/middle")
    async def middle() -> StreamingResponse:
        async def stream() -> AsyncIterator[bytes]:
            yield b"be"
            raise RuntimeError("raised in the middle")

        return StreamingResponse(stream())

    @app.get("/background")
    async def background() -> JSONResponse:
        async def fail() -> None:
            raise RuntimeError("raised in the background")

        return JSONResponse({}, background=BackgroundTask(fail))

    @app.get("/left")
    async def left() -> dict[str, str]:
        async def fail() -> None:
            await asyncio.sleep(0)
            raise RuntimeError("raised in a task that was left")

        app.state.task = asyncio.get_running_loop().create_task(fail())
        with contextlib.suppress(RuntimeError):
            await asyncio.sleep(0.01)
        del app.state.task
        return {}

    @app.websocket("/echo")
    async def echo(socket: fastapi.WebSocket) -> None:
        await socket.accept()
        while True:
            text = await socket.receive_text()
            if text == "boom":
                raise RuntimeError("raised in a WebSocket")
            await socket.send_text(text)

    return app


class ItsErrors(NoLeaks):
    """What the application raises."""

    def check(self, path: str, error: str) -> None:
        """A test whose client does not mind fails because of what the application raised."""

        def test(self: Any) -> None:
            with contextlib.suppress(requests.RequestException):
                self.live.get(path)

        outcome = run_case(make_case(LiveServerTestCase, app=make_app(), test=test))
        self.assertEqual({"run": 1, "failures": 1}, outcome.summary, outcome.printed)
        self.assertTrue(
            outcome.report.endswith(f"the application raised an error:\n  GET {path}: {error}"), outcome.report
        )
        self.assertIn('File "test_live_asgi.py", line N, in ', outcome.report)

    def test_places(self) -> None:
        """In a coroutine, in a thread, in the middle of the response, after it, and in a task that outlives it."""
        for path, error in (
            ("/boom", "RuntimeError: kaboom"),
            ("/threaded-boom", "RuntimeError: kaboom in a thread"),
            ("/middle", "RuntimeError: raised in the middle"),
            ("/background", "RuntimeError: raised in the background"),
            ("/left", "RuntimeError: raised in a task that was left"),
        ):
            with self.subTest(path=path):
                self.check(path, error)

    def test_websocket(self) -> None:
        """In a WebSocket; its record says what it was."""

        def test(self: Any) -> None:
            with connect(self.live_ws_url("/echo"), proxy=None) as socket:
                socket.send("hello")
                self.assertEqual("hello", socket.recv(HANG))
                socket.send("boom")
                with contextlib.suppress(Exception):
                    socket.recv(HANG)

        outcome = run_case(make_case(LiveServerTestCase, app=make_app(), test=test))
        self.assertEqual({"run": 1, "failures": 1}, outcome.summary, outcome.printed)
        self.assertTrue(
            outcome.report.endswith("raised an error:\n  WEBSOCKET /echo: RuntimeError: raised in a WebSocket"),
            outcome.report,
        )

    def test_wanted(self) -> None:
        """One that is wanted fails nothing."""

        def test(self: Any) -> None:
            with self.expectLiveErrors(RuntimeError, regex="background"):
                self.live.get("/background")
            self.assertLiveRequested("GET", "/background", status=200)

        self.assertEqual({"run": 1}, run_case(make_case(LiveServerTestCase, app=make_app(), test=test)).summary)


class Lifespans(NoLeaks):
    """What an application does before its first request and after its last."""

    @staticmethod
    def make_lifespan(events: list[str], *, start: str = "", stop: str = "") -> Any:
        """A lifespan that takes down its steps, and raises at one of them."""

        @contextlib.asynccontextmanager
        async def lifespan(app: Any) -> AsyncIterator[None]:
            events.append("startup")
            if start:
                raise LookupError(start)
            yield
            events.append("shutdown")
            if stop:
                raise LookupError(stop)

        return lifespan

    def test_enforced(self) -> None:
        """It is entered once a class, and again for a restart."""
        events: list[str] = []

        def test(self: Any) -> None:
            self.assertEqual(["startup"], events)
            self.live_server.restart()
            self.assertEqual(["startup", "shutdown", "startup"], events)
            self.assertEqual("Assam", self.live.get("/threaded").json()["tea"])

        app = make_app(lifespan=self.make_lifespan(events))
        outcome = run_case(make_case(LiveServerTestCase, app=app, test=test))
        self.assertEqual({"run": 1}, outcome.summary, outcome.printed)
        self.assertEqual(["startup", "shutdown"] * 2, events)

    def test_startup(self) -> None:
        """What the startup raises is the cause of the class's error."""
        app = make_app(lifespan=self.make_lifespan([], start="no database"))
        outcome = run_case(make_case(LiveServerTestCase, app=app, test=lambda self: None))
        self.assertEqual({"run": 0, "errors": 1}, outcome.summary, outcome.printed)
        self.assertIn("raise LookupError(start)\nLookupError: no database\n", outcome.report)
        self.assertRegex(
            outcome.report,
            r"ServerStartError: <LiveServer starting at http://127\.0\.0\.1:\w+> could not start: "
            r"the application's startup (raised|failed).*",
        )

    def test_shutdown(self) -> None:
        """What the shutdown raises is an error of the class."""
        app = make_app(lifespan=self.make_lifespan([], stop="no flush"))
        outcome = run_case(make_case(LiveServerTestCase, app=app, test=lambda self: None))
        self.assertEqual({"run": 1, "errors": 1}, outcome.summary, outcome.printed)
        self.assertIn("ERROR: tearDownClass", outcome.printed)
        self.assertIn("LookupError: no flush", outcome.report)


class Coroutines(NoLeaks):
    """Tests that are coroutines."""

    def test_clients(self) -> None:
        """httpx and websockets on the test's own loop talk to the server on its own."""

        class Case(LiveServerTestCase, unittest.IsolatedAsyncioTestCase):
            app = make_app()

            async def test_httpx(self) -> None:
                async with httpx.AsyncClient(base_url=self.live_url(), trust_env=False) as client:
                    answers = await asyncio.gather(*(client.get("/") for _ in range(10)))
                self.assertEqual(["Earl Grey"] * 10, [answer.json()["tea"] for answer in answers])
                self.assertLiveRequested("GET", "/", times=10)

            async def test_websocket(self) -> None:
                async with connect_async(self.live_ws_url("/echo"), proxy=None) as socket:
                    await socket.send("hello")
                    self.assertEqual("hello", await socket.recv())
                self.assertLiveRequested("WEBSOCKET", "/echo", times=1)

            async def test_error(self) -> None:
                async with httpx.AsyncClient(trust_env=False) as client:
                    self.assertEqual(500, (await client.get(self.live_url("/boom"))).status_code)

        outcome = run_case(Case)
        self.assertEqual({"run": 3, "failures": 1}, outcome.summary, outcome.printed)
        self.assertTrue(outcome.report.endswith("  GET /boom: RuntimeError: kaboom"), outcome.report)


class Together(NoLeaks):
    """An ASGI application with the class's other servers."""

    def test_all_three(self) -> None:
        """It calls the stub from a coroutine, over TLS on its own side."""

        class Case(LiveServerTestCase, HTTPStubTestCase, SMTPTestCase):
            live_tls = True

            @classmethod
            def create_app(cls) -> Any:
                app = make_app()
                url = cls.stub.url_for("/pay")

                @app.post("/buy")
                async def buy() -> Any:
                    async with httpx.AsyncClient(trust_env=False) as client:
                        return (await client.post(url)).json()

                return app

            def test_it(self) -> None:
                self.stub.expect("POST", "/pay").reply(json={"paid": True})
                self.assertEqual({"paid": True}, json.loads(self.live.post("/buy").text))
                self.assertEqual("wss", self.live_ws_url()[:3])

        outcome = run_case(Case)
        self.assertEqual({"run": 1}, outcome.summary, outcome.printed)

    def test_scope(self) -> None:
        """A server a test has a lifespan a test."""
        events: list[str] = []

        class Case(LiveServerTestCase):
            live_scope = "test"

            @classmethod
            def create_app(cls) -> Any:
                return make_app(lifespan=Lifespans.make_lifespan(events))

            def test_1(self) -> None:
                self.live.get("/")

            def test_2(self) -> None:
                self.live.get("/")

        self.assertEqual({"run": 2}, run_case(Case).summary)
        self.assertEqual(["startup", "shutdown"] * 2, events)

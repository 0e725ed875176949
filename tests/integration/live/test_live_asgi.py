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

    def test_places(self) -> None:
        """In a coroutine, in a thread, in the middle of the response, after it, and in a task that outlives it."""
        for path, error in (
            ("/boom", "RuntimeError: kaboom"),
            ("/threaded-boom", "RuntimeError: kaboom in a thread"),
            ("/middle", "RuntimeError: raised in the middle"),
            ("/background", "RuntimeError: raised in the background"),
            ("/left", "RuntimeError: raised in a task that was left"),
        ):

            def test(self: Any, path: str = path) -> None:
                with contextlib.suppress(requests.RequestException):
                    self.live.get(path)

            with self.subTest(path=path):
                outcome = run_case(make_case(LiveServerTestCase, app=make_app(), test=test))
                self.assertEqual({"run": 1, "failures": 1}, outcome.summary, outcome.printed)
                wanted = f"the application raised an error:\n  GET {path}: {error}"
                self.assertTrue(outcome.report.endswith(wanted), outcome.report)
                self.assertIn('File "test_live_asgi.py", line N, in ', outcome.report)

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
        """It is entered once for each server, and again for a restart."""
        for scope in ("class", "test"):
            events: list[str] = []

            def test(self: Any, events: list[str] = events) -> None:
                begun = len(events)
                self.assertEqual("startup", events[-1])
                self.live_server.restart()
                self.assertEqual(["shutdown", "startup"], events[begun:])
                self.assertEqual("Assam", self.live.get("/threaded").json()["tea"])

            def create_app(cls: Any, events: list[str] = events) -> Any:
                return make_app(lifespan=Lifespans.make_lifespan(events))

            members = {"create_app": classmethod(create_app), "live_scope": scope, "test": test, "test_2": test}
            run_case(make_case(LiveServerTestCase, **members)).assert_passed(2)
            self.assertEqual(["startup", "shutdown"] * (3 if scope == "class" else 4), events)

    def test_what_it_raises(self) -> None:
        """What the startup raises is the cause of the class's error; what the shutdown raises is one, too."""
        failed = r"ServerStartError: <LiveServer starting at .+> could not start: the application's"
        for step, ran, wanted in (
            ({"start": "no database"}, 0, rf"LookupError: no database\n(?s:.*){failed} startup (raised|failed)"),
            ({"stop": "no flush"}, 1, "LookupError: no flush"),
        ):
            app = make_app(lifespan=self.make_lifespan([], **step))
            outcome = run_case(make_case(LiveServerTestCase, app=app, test=lambda self: None))
            self.assertEqual({"run": ran, "errors": 1}, outcome.summary, outcome.printed)
            self.assertRegex(outcome.report, wanted)
        self.assertIn("ERROR: tearDownClass", outcome.printed)


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

        run_case(Case).assert_passed()

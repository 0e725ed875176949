"""LiveServerTestCase with ASGI applications: errors after the response find their test, and lifespans are enforced."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import fastapi
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse

from liveserver_testcase import LiveServerTestCase
from tests.integration.running import make_case, run_case, visit
from tests.support import NoLeaks


class ItsErrors(NoLeaks):
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
                self.assertIn('File "test_live_asgi.py", line N, in fail', report)


class Lifespans(NoLeaks):
    """What an application does before its first request and after its last."""

    @staticmethod
    def make_app(events: list[str], *, fails: str = "") -> fastapi.FastAPI:
        """An application whose lifespan takes down its steps, and raises at one of them."""

        @contextlib.asynccontextmanager
        async def lifespan(app: Any) -> AsyncIterator[None]:
            take_step("startup")
            yield
            take_step("shutdown")

        def take_step(step: str) -> None:
            events.append(step)
            if step == fails:
                raise LookupError(f"no database for {step}")

        return fastapi.FastAPI(lifespan=lifespan)

    def test_enforced(self) -> None:
        """It is entered once for each server, and again for a restart."""
        for scope, count in (("class", 3), ("test", 4)):
            events: list[str] = []

            def test(self: Any, events: list[str] = events) -> None:
                begun = len(events)
                self.assertEqual("startup", events[-1])
                self.live_server.restart()
                self.assertEqual(["shutdown", "startup"], events[begun:])

            create_app = classmethod(lambda cls, events=events: Lifespans.make_app(events))
            members = {"create_app": create_app, "live_scope": scope, "test": test, "test_2": test}
            run_case(make_case(LiveServerTestCase, **members)).assert_passed(2)
            self.assertEqual(["startup", "shutdown"] * count, events)

    def test_what_it_raises(self) -> None:
        """What startup or shutdown raises is an error of the class."""
        cannot = (
            r"ServerStartError: <LiveServer starting at .+> could not start: the application's startup (raised|failed)"
        )
        for fails, ran, where, wanted in (
            ("startup", 0, "setUpClass", rf"LookupError: no database for startup\n(?s:.*){cannot}"),
            ("shutdown", 1, "tearDownClass", "LookupError: no database for shutdown"),
        ):
            with self.subTest(fails):
                app = self.make_app([], fails=fails)
                outcome = run_case(make_case(LiveServerTestCase, app=app, test=lambda self: None))
                self.assertEqual({"run": ran, "errors": 1}, outcome.summary, outcome.printed)
                self.assertIn(f"ERROR: {where}", outcome.printed)
                self.assertRegex(outcome.report, wanted)

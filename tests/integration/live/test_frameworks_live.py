"""Every framework serves the same small suite."""

from __future__ import annotations

import unittest
from typing import Any

import websockets.exceptions
import websockets.sync.client

from liveserver_testcase import LiveServerTestCase
from tests.integration.apps import Routes, answer
from tests.integration.live.frameworks import STATIC, FrameworkSuite, boom, broken, broken_later, lines, lines_later
from tests.support import NoClassLeaks, run_python, wait_until


class PlainWSGI(FrameworkSuite, NoClassLeaks, LiveServerTestCase, unittest.IsolatedAsyncioTestCase):
    """No framework."""

    @classmethod
    def create_app(cls) -> Any:
        def away(environ: Any, start: Any) -> Any:
            start("302 Found", [("Location", "/"), ("Content-Length", "0")])
            return []

        def stream(environ: Any, start: Any) -> Any:
            start("200 OK", [("Content-Type", "text/plain")])
            return (line.encode() for line in (broken if environ["PATH_INFO"] == "/broken" else lines)())

        def static(environ: Any, start: Any) -> Any:
            start("200 OK", [("Content-Type", "text/css")])
            return environ["wsgi.file_wrapper"]((STATIC / "style.css").open("rb"))

        routes = {"index": lambda environ, start: answer(start), "boom": lambda environ, start: boom(), "away": away}
        return Routes(**routes, **{"stream": stream, "broken": stream, "static/style.css": static})


class PlainASGI(FrameworkSuite, NoClassLeaks, LiveServerTestCase, unittest.IsolatedAsyncioTestCase):
    """No framework, and no lifespan."""

    @classmethod
    def create_app(cls) -> Any:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            async def begin(status: int, *headers: tuple[bytes, bytes]) -> None:
                await send({"type": "http.response.start", "status": status, "headers": headers})

            path = scope["path"]
            bodies: dict[str, Any] = {"/stream": lines_later, "/broken": broken_later}
            if path == "/boom":
                boom()
            if path == "/away":
                await begin(302, (b"location", b"/"))
            elif path == "/static/style.css":
                await begin(200, (b"content-type", b"text/css"))
                await send(
                    {"type": "http.response.body", "body": (STATIC / "style.css").read_bytes(), "more_body": True}
                )
            else:
                await begin(200)
            if path == "/":
                await send({"type": "http.response.body", "body": b"fine", "more_body": True})
            if path in bodies:
                async for line in bodies[path]():
                    await send({"type": "http.response.body", "body": line.encode(), "more_body": True})
            await send({"type": "http.response.body", "body": b""})

        return app


class Flask(FrameworkSuite, NoClassLeaks, LiveServerTestCase, unittest.IsolatedAsyncioTestCase):
    """Flask, which answers exceptions by itself."""

    @classmethod
    def create_app(cls) -> Any:
        import flask

        app = flask.Flask("shop", static_folder=str(STATIC))
        app.logger.disabled = True
        app.add_url_rule("/", "index", lambda: "fine")
        app.add_url_rule("/boom", view_func=boom)
        app.add_url_rule("/away", "away", lambda: flask.redirect(flask.url_for("index")))
        app.add_url_rule("/stream", view_func=lines)
        app.add_url_rule("/broken", view_func=broken)
        return app


class Bottle(FrameworkSuite, NoClassLeaks, LiveServerTestCase, unittest.IsolatedAsyncioTestCase):
    """Bottle, told to let exceptions through."""

    @classmethod
    def create_app(cls) -> Any:
        import bottle

        app = bottle.Bottle()
        app.config["catchall"] = False
        app.route("/", callback=lambda: "fine")
        app.route("/boom", callback=boom)
        app.route("/away", callback=lambda: bottle.redirect("/"))
        app.route("/stream", callback=lines)
        app.route("/broken", callback=broken)
        app.route("/static/<name>", callback=lambda name: bottle.static_file(name, root=str(STATIC)))
        return app


class Starlette(FrameworkSuite, NoClassLeaks, LiveServerTestCase, unittest.IsolatedAsyncioTestCase):
    """Starlette, which answers exceptions and raises them again."""

    @classmethod
    def create_app(cls) -> Any:
        from starlette.applications import Starlette
        from starlette.responses import PlainTextResponse, RedirectResponse, StreamingResponse
        from starlette.routing import Mount, Route
        from starlette.staticfiles import StaticFiles

        async def fine(request: Any) -> Any:
            return PlainTextResponse("fine")

        async def fail(request: Any) -> Any:
            return boom()

        async def away(request: Any) -> Any:
            return RedirectResponse("/")

        async def stream(request: Any) -> Any:
            return StreamingResponse(lines_later())

        async def break_off(request: Any) -> Any:
            return StreamingResponse(broken_later())

        views = {"/": fine, "/boom": fail, "/away": away, "/stream": stream, "/broken": break_off}
        routes = [Route(path, view) for path, view in views.items()]
        return Starlette(routes=[*routes, Mount("/static", StaticFiles(directory=STATIC))])


class FastAPI(FrameworkSuite, NoClassLeaks, LiveServerTestCase, unittest.IsolatedAsyncioTestCase):
    """FastAPI, with views that are no coroutines and generators that block."""

    @classmethod
    def create_app(cls) -> Any:
        from fastapi import FastAPI
        from fastapi.responses import PlainTextResponse, RedirectResponse, StreamingResponse
        from fastapi.staticfiles import StaticFiles

        app = FastAPI()
        app.get("/", response_class=PlainTextResponse)(lambda: "fine")
        app.get("/boom")(boom)
        app.get("/away")(lambda: RedirectResponse("/"))
        app.get("/stream")(lambda: StreamingResponse(lines()))
        app.get("/broken")(lambda: StreamingResponse(broken()))
        app.mount("/static", StaticFiles(directory=STATIC))
        return app


class Quart(FrameworkSuite, NoClassLeaks, LiveServerTestCase, unittest.IsolatedAsyncioTestCase):
    """Quart, which answers exceptions by itself, as Flask does."""

    @classmethod
    def create_app(cls) -> Any:
        import quart

        app = quart.Quart("shop", static_folder=str(STATIC))
        app.logger.disabled = True

        async def fine() -> str:
            return "fine"

        async def fail() -> str:
            return boom()

        async def away() -> Any:
            return quart.redirect(quart.url_for("fine"))

        async def stream() -> Any:
            return lines_later()

        async def break_off() -> Any:
            return broken_later()

        async def begin() -> str:
            app.add_background_task(boom)
            return "begun"

        async def chat() -> None:
            await quart.websocket.send(boom())

        views = {"/": fine, "/boom": fail, "/away": away, "/stream": stream, "/broken": break_off, "/begin": begin}
        for path, view in views.items():
            app.add_url_rule(path, view_func=view)
        app.add_websocket("/chat", view_func=chat)
        return app

    def check_broken(self, report: str) -> None:
        """With task groups, on Python 3.11 and later, it is the one exception of a group."""
        self.assertIn("an error:\n  GET /broken: ", report)
        self.assertIn("RuntimeError: in the middle\n", report)

    def test_websocket(self) -> None:
        """An exception in a WebSocket fails the test, though Quart answers it by itself."""

        def test(case: Any) -> None:
            with case.assertRaises(websockets.exceptions.WebSocketException):
                websockets.sync.client.connect(case.live_ws_url("/chat"), proxy=None)

        self.assertIn("an error:\n  WEBSOCKET /chat: RuntimeError: kaboom", self.run_test(test))

    def test_background_task(self) -> None:
        """So does one in a task that the request has left behind."""
        with self.expectLiveErrors(RuntimeError):
            self.assertEqual("begun", self.live.get("/begin").text)
            wait_until(lambda: self.live_server.errors)


class Django(unittest.TestCase):
    """Django over both interfaces, in a process of its own: it can be set up only once."""

    def test_both(self) -> None:
        """It passes the suite."""
        process = run_python("import unittest; unittest.main('tests.runners.suites.django_live')", "-v")
        self.assertEqual(0, process.returncode, process.stderr)
        self.assertIn("Ran 18 tests", process.stderr)

"""Every framework serves the same small suite; what it answers with a 500 by itself fails its test all the same."""

from __future__ import annotations

import threading
import unittest
from typing import Any
from unittest import mock

import requests
import websockets.exceptions
import websockets.sync.client

from liveserver_testcase import LiveServer, LiveServerTestCase, ServerStartError
from tests.integration.apps import Routes, answer
from tests.integration.live.frameworks import STATIC, FrameworkSuite, boom, broken, broken_later, lines, lines_later
from tests.integration.running import make_case, run_case, visit
from tests.support import HANG, NoClassLeaks, run_python, wait_until


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

    def test_modules_that_are_called_as_frameworks(self) -> None:
        """They are left alone."""
        with mock.patch.dict("sys.modules", {"flask": None, "django.core.signals": unittest}):
            run_case(make_case(LiveServerTestCase, app=self.create_app(), test=visit())).assert_passed()


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
    def create_app(cls, **config: Any) -> Any:
        import flask

        app = flask.Flask("shop", static_folder=str(STATIC))
        app.config.update(config)
        app.logger.disabled = True
        app.add_url_rule("/", "index", lambda: "fine")
        app.add_url_rule("/boom", view_func=boom)
        app.add_url_rule("/away", "away", lambda: flask.redirect(flask.url_for("index")))
        app.add_url_rule("/stream", view_func=lines)
        app.add_url_rule("/broken", view_func=broken)
        app.add_url_rule("/abort", "abort", lambda: flask.abort(500))
        app.add_url_rule("/handled", "handled", lambda: {}["nothing"])
        app.register_error_handler(KeyError, lambda error: ("not here", 404))
        return app

    def test_pages_for_errors(self) -> None:
        """An exception counts once, whether Flask lets it through or shows a page for it, and one of that page, too."""

        def fail(error: Exception) -> Any:
            raise ValueError("no page")

        kaboom = "GET /boom: RuntimeError: kaboom"
        for config, handler, found in (
            ({"PROPAGATE_EXCEPTIONS": True}, None, f"an error:\n  {kaboom}"),
            ({}, lambda error: ("sorry", 500), f"an error:\n  {kaboom}"),
            ({}, fail, f"2 errors:\n  {kaboom}\n  GET /boom: ValueError: no page"),
        ):
            app = self.create_app(**config)
            if handler is not None:
                app.register_error_handler(500, handler)
            self.assertIn(f"the application raised {found}", self.run_test(visit("/boom"), app=app))

    def test_no_error(self) -> None:
        """What it handles, or answers with a 500 on purpose, is none, nor what a test client provokes meanwhile."""
        self.assertEqual([404, 500], [self.live.get(path).status_code for path in ("/handled", "/abort")])
        client = self.live_server.app.test_client()
        client.get("/boom")
        thread = threading.Thread(target=client.get, args=("/boom",))
        thread.start()
        thread.join(HANG)

    def test_two_servers_at_once(self) -> None:
        """Of two servers that serve one application each keeps what was raised in its own requests."""
        app = self.create_app()
        meeting = threading.Barrier(2, timeout=HANG)
        app.before_request(lambda: meeting.wait() and None)
        with LiveServer(app) as one, LiveServer(app) as other:
            urls = one.url_for("/boom?0"), other.url_for("/boom?1")
            clients = [threading.Thread(target=requests.get, args=(url,), kwargs={"timeout": HANG}) for url in urls]
            for client in clients:
                client.start()
            for client in clients:
                client.join(2 * HANG)
            found = [[exchange.target for exchange, _ in server.take_errors()] for server in (one, other)]
        self.assertEqual([["/boom?0"], ["/boom?1"]], found)

    def test_nothing_is_left_connected(self) -> None:
        """A server is connected to Flask's signals while it runs, and only then, also if a start fails."""
        from flask import got_request_exception

        before = len(got_request_exception.receivers)
        server = LiveServer(self.create_app())
        with mock.patch("threading.Thread.start", side_effect=RuntimeError("no more threads")):
            with self.assertRaises(ServerStartError):
                server.start()
        for _ in range(2):
            self.assertEqual(before, len(got_request_exception.receivers))
            server.begin("while it does not run")
            self.assertEqual(before, len(got_request_exception.receivers))
            with server:
                requests.get(server.url_for("/boom"), timeout=HANG)
                self.assertEqual(1, len(server.take_errors()))
        self.assertEqual(before, len(got_request_exception.receivers))

    def test_loaded_later(self) -> None:
        """A Flask that is first imported while the server runs is connected from the next test on."""
        process = run_python(
            """
            import sys, unittest
            from liveserver_testcase import LiveServerTestCase

            class Case(LiveServerTestCase):
                flask_app = None

                @classmethod
                def create_app(cls):
                    return lambda environ, start: cls.flask_app(environ, start)

                def test_a(self):
                    assert "flask" not in sys.modules
                    from flask import Flask
                    type(self).flask_app = app = Flask("late")
                    app.add_url_rule("/", view_func=self.fail_to_view)
                    app.logger.disabled = True

                @staticmethod
                def fail_to_view():
                    raise RuntimeError("kaboom")

                def test_b(self):
                    self.live.get("/")

            unittest.main(argv=["here"])
            """
        )
        self.assertIn("GET /: RuntimeError: kaboom", process.stderr)
        self.assertIn("FAILED (failures=1)", process.stderr)


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


class FastAPI(FrameworkSuite, NoClassLeaks, LiveServerTestCase, unittest.IsolatedAsyncioTestCase):
    """FastAPI, and Starlette below it: views and generators of both kinds."""

    @classmethod
    def create_app(cls) -> Any:
        from fastapi import FastAPI
        from fastapi.responses import PlainTextResponse, RedirectResponse, StreamingResponse
        from fastapi.staticfiles import StaticFiles

        async def fine() -> str:
            return "fine"

        async def break_off() -> Any:
            return StreamingResponse(broken_later())

        app = FastAPI()
        app.get("/", response_class=PlainTextResponse)(fine)
        app.get("/boom")(boom)
        app.get("/away")(lambda: RedirectResponse("/"))
        app.get("/stream")(lambda: StreamingResponse(lines()))
        app.get("/broken")(break_off)
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
        process = run_python("import unittest; unittest.main('tests.integration.live.django_suite')", "-v")
        self.assertEqual(0, process.returncode, process.stderr)
        self.assertIn("Ran 21 tests", process.stderr)

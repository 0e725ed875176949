"""The lifespan of ASGI applications: a failed startup fails the start, a failed shutdown the stop."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import fastapi
import quart
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from liveserver_testcase.core.server import State
from liveserver_testcase.errors import ServerStartError, ServerThreadError, UsageError
from liveserver_testcase.web.asgi import ASGIServer
from tests.integration.web.test_asgi import ASGICase, tell
from tests.support import HANG

NEVER = 10 * HANG


async def answer(send: Any, text: bytes = b"hello") -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": text})


class LifespanCase(ASGICase):
    """Starts that fail, and what they say."""

    def make(self, app: Any, **options: Any) -> ASGIServer:
        self.server = ASGIServer(app, **options)
        self.addCleanup(self.server.stop)
        return self.server

    def assert_fails(self, app: Any, message: str, **options: Any) -> BaseException | None:
        """Fail unless the start does, with this message; returns the cause."""
        server = self.make(app, **options)
        wanted = rf"<ASGIServer starting at http://127\.0\.0\.1:[0-9]+> could not start: {re.escape(message)}"
        if " raised " in message:
            wanted += r"( \(if it knows no lifespan, set the option lifespan to 'off'\))?"
        with self.assertRaisesRegex(ServerStartError, f"^{wanted}$") as caught:
            server.start()
        self.assertIs(State.FAILED, server.state)
        return caught.exception.__cause__


class Startup(LifespanCase):
    """Before the first request."""

    def test_it_comes_first(self) -> None:
        """The startup has ended when the server serves, and its state reaches the requests."""
        steps: list[str] = []

        @contextlib.asynccontextmanager
        async def lifespan(_app: Starlette) -> AsyncIterator[dict[str, str]]:
            steps.append("startup")
            yield {"database": "open"}
            steps.append("shutdown")

        async def page(request: Request) -> PlainTextResponse:
            return PlainTextResponse(request.state.database)

        self.serve(Starlette(routes=[Route("/", page)], lifespan=lifespan))
        self.assertEqual(["startup"], steps)
        self.assertEqual("open", self.get().text)
        self.server.stop()
        self.assertEqual(["startup", "shutdown"], steps)
        self.server.start()
        self.assertEqual("open", self.get().text)
        self.assertEqual(["startup", "shutdown", "startup"], steps)

    def test_a_startup_that_raises(self) -> None:
        """What the startup of a FastAPI application raises is the cause, and nothing is left behind."""
        error = ValueError("no database")

        @contextlib.asynccontextmanager
        async def lifespan(_app: fastapi.FastAPI) -> AsyncIterator[None]:
            raise error
            yield

        app = fastapi.FastAPI(lifespan=lifespan)
        cause = self.assert_fails(app, "the application's startup raised ValueError: no database")
        self.assertIs(error, cause)

    def test_a_startup_that_failed_once(self) -> None:
        """A server whose application failed to start can be started again."""
        errors: list[Exception] = [ValueError("not yet")]

        @contextlib.asynccontextmanager
        async def lifespan(_app: fastapi.FastAPI) -> AsyncIterator[None]:
            if errors:
                raise errors.pop()
            yield

        self.assert_fails(fastapi.FastAPI(lifespan=lifespan), "the application's startup raised ValueError: not yet")
        self.server.start()
        self.assertEqual(404, self.get().status_code)

    def test_a_startup_that_says_it_failed(self) -> None:
        """An application that only says that it failed: its message is ours."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "lifespan.startup.failed", "message": "no database"})

        self.assertIsNone(self.assert_fails(app, "the application's startup failed: no database"))

    def test_a_startup_that_says_nothing_more(self) -> None:
        """The same without a message."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "lifespan.startup.failed"})

        self.assertIsNone(self.assert_fails(app, "the application's startup failed: it does not say why"))

    def test_quart(self) -> None:
        """Quart keeps the exception to itself, and says what it was."""
        app = quart.Quart("x")

        @app.before_serving
        async def fail() -> None:
            raise ValueError("no database")

        server = self.make(app)
        with self.assertLogs("x"), self.assertRaisesRegex(ServerStartError, "no database"):
            server.start()

    def test_a_plain_startup_that_raises(self) -> None:
        """An application without a framework whose startup raises."""
        error = ValueError("no database")

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                await receive()
                raise error
            await answer(send)

        self.assertIs(error, self.assert_fails(app, "the application's startup raised ValueError: no database"))

    def test_its_own_url(self) -> None:
        """A startup can read the URL at which its application will be served."""
        urls: list[str] = []

        @contextlib.asynccontextmanager
        async def lifespan(_app: fastapi.FastAPI) -> AsyncIterator[None]:
            urls.append(self.server.url)
            yield

        self.make(fastapi.FastAPI(lifespan=lifespan))
        self.server.start()
        self.assertEqual([self.server.url], urls)

    def test_exit(self) -> None:
        """A startup that wants to end the process ends the start."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                await receive()
                raise SystemExit(3)

        cause = self.assert_fails(app, "the application's startup raised SystemExit: 3")
        self.assertIsInstance(cause, SystemExit)

    def test_a_startup_that_never_ends(self) -> None:
        """A startup that has not ended after `start_timeout` is an error that says where it is."""

        async def connect_to_database() -> None:
            await asyncio.get_running_loop().create_future()

        @contextlib.asynccontextmanager
        async def lifespan(_app: fastapi.FastAPI) -> AsyncIterator[None]:
            await connect_to_database()
            yield

        server = self.make(fastapi.FastAPI(lifespan=lifespan), start_timeout=0.5)
        with self.assertRaises(ServerStartError) as caught:
            server.start()
        text = str(caught.exception)
        self.assertIn("could not start: the application's startup has not ended after 0.5 s.\nIt was at\n", text)
        self.assertIn("in lifespan\n", text)
        self.assertTrue(text.endswith("in connect_to_database\n    await asyncio.get_running_loop().create_future()"))

    def test_a_startup_that_blocks(self) -> None:
        """A startup that blocks the loop is an error, too, that says where its thread is."""
        freed = threading.Event()
        self.addCleanup(freed.set)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            freed.wait(NEVER)

        server = self.make(app, start_timeout=0.5)
        with self.assertRaisesRegex(
            ServerStartError, r"its event loop is not ready after 0\.5 s\.\nIt was at\n"
        ) as caught:
            server.start()
        self.assertIn("freed.wait(NEVER)", str(caught.exception))

    def test_another_thread_stops_meanwhile(self) -> None:
        """A stop from elsewhere waits for the startup, and then stops."""
        begun = threading.Event()

        @contextlib.asynccontextmanager
        async def lifespan(_app: fastapi.FastAPI) -> AsyncIterator[None]:
            begun.set()
            await asyncio.sleep(0.05)
            yield

        server = self.make(fastapi.FastAPI(lifespan=lifespan))
        starter = threading.Thread(target=server.start)
        starter.start()
        self.assertTrue(begun.wait(HANG))
        server.stop()
        starter.join(HANG)
        self.assertIs(State.STOPPED, server.state)


class NoLifespan(LifespanCase):
    """Applications that know of none: told apart from those whose startup fails."""

    def test_they_are_served(self) -> None:
        """They are served, whatever they do about a scope that they do not know."""

        async def asserts(scope: Any, receive: Any, send: Any) -> None:
            assert scope["type"] == "http"
            await answer(send)

        async def raises(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http":
                raise ValueError(f"only http, not {scope['type']}")
            await answer(send)

        async def looks_for_a_path(scope: Any, receive: Any, send: Any) -> None:
            await answer(send, scope["path"].encode())

        async def answers(scope: Any, receive: Any, send: Any) -> None:
            await answer(send)

        async def reads_and_answers(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await answer(send)

        async def returns(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                await answer(send)

        for app in (asserts, raises, looks_for_a_path, answers, reads_and_answers, returns):
            with self.subTest(app=app.__name__):
                self.serve(app)
                self.assertEqual(200, self.get().status_code)
                self.wait_idle()
                self.assertEqual([], self.server.take_errors())
                self.server.stop()

    def test_off(self) -> None:
        """With the option ``off`` no application is asked."""
        seen: list[str] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            seen.append(scope["type"])
            await answer(send)

        self.serve(app, options={"lifespan": "off"})
        self.get()
        self.assertEqual(["http"], seen)

    def test_on(self) -> None:
        """With the option ``on`` an application that knows none is an error."""
        cause = self.assert_fails(
            tell, "the application knows no lifespan, and the option lifespan is 'on'", options={"lifespan": "on"}
        )
        self.assertIsInstance(cause, AssertionError)

    def test_a_wrong_option(self) -> None:
        """Any other value is refused."""
        with self.assertRaisesRegex(
            UsageError, "^the uvicorn option 'lifespan' is 'maybe'; wanted 'auto', 'on' or 'off'$"
        ):
            ASGIServer(tell, options={"lifespan": "maybe"})


class Shutdown(LifespanCase):
    """After the last request."""

    def lifespan_app(self, shutdown: Any) -> fastapi.FastAPI:
        @contextlib.asynccontextmanager
        async def lifespan(_app: fastapi.FastAPI) -> AsyncIterator[None]:
            yield
            await shutdown()

        return fastapi.FastAPI(lifespan=lifespan)

    def test_it_raises(self) -> None:
        """What the shutdown raises is raised by the stop, once; the server has stopped."""
        error = ValueError("cannot flush")

        async def shutdown() -> None:
            raise error

        self.serve(self.lifespan_app(shutdown))
        with self.assertRaises(ServerThreadError) as caught:
            self.server.stop()
        who = f"<ASGIServer stopping at {self.server.url}>"
        self.assertEqual(
            f"the application of {who} raised ValueError when it shut down: cannot flush", str(caught.exception)
        )
        self.assertIs(error, caught.exception.__cause__)
        self.assertIs(State.STOPPED, self.server.state)
        self.server.stop()

    def test_it_says_that_it_failed(self) -> None:
        """An application that only says so is believed."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.failed", "message": "cannot flush"})

        self.serve(app)
        with self.assertRaisesRegex(ServerThreadError, "^the application of .+ failed to shut down: cannot flush$"):
            self.server.stop()

    def test_it_ended_before(self) -> None:
        """An application whose lifespan breaks while it is served says so when it stops."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                await receive()
                await send({"type": "lifespan.startup.complete"})
                raise ValueError("boom")
            await answer(send)

        self.serve(app)
        self.assertEqual(200, self.get().status_code)
        with self.assertRaisesRegex(ServerThreadError, "raised ValueError while it was served: boom$"):
            self.server.stop()

    def test_it_returned_before(self) -> None:
        """An application whose lifespan returns early has nothing to shut down."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                await receive()
                await send({"type": "lifespan.startup.complete"})

        self.serve(app)
        self.server.stop()

    def test_it_never_ends(self) -> None:
        """A shutdown that does not end is cut, and is an error that says where it was."""

        async def close_database() -> None:
            await asyncio.get_running_loop().create_future()

        self.serve(self.lifespan_app(close_database), stop_timeout=0.05)
        with self.assertRaises(ServerThreadError) as caught:
            self.server.stop()
        text = str(caught.exception)
        self.assertRegex(text, r"^the shutdown of the application of <.+> has not ended after 0\.5 s\.\nIt was at\n")
        self.assertIn("in close_database\n", text)
        self.assertIs(State.STOPPED, self.server.state)

    def test_it_comes_after_the_requests(self) -> None:
        """A request that ends within the grace still finds everything open."""
        steps: list[str] = []
        begun, go_on = threading.Event(), threading.Event()

        async def shutdown() -> None:
            steps.append("shutdown")

        app = self.lifespan_app(shutdown)

        @app.get("/")
        async def page() -> str:
            begun.set()
            await asyncio.to_thread(go_on.wait, HANG)
            steps.append("request")
            return "done"

        self.serve(app, stop_timeout=NEVER)
        got: list[str] = []
        client = threading.Thread(target=lambda: got.append(self.get().text))
        client.start()
        self.assertTrue(begun.wait(HANG))
        timer = threading.Timer(0.02, go_on.set)
        timer.start()
        self.server.stop()
        client.join(HANG)
        timer.join(HANG)
        self.assertEqual((["request", "shutdown"], ['"done"']), (steps, got))

    def test_it_takes_its_time(self) -> None:
        """A shutdown may take as long as the grace is."""
        done: list[float] = []

        async def shutdown() -> None:
            await asyncio.sleep(0.05)
            done.append(time.monotonic())

        self.serve(self.lifespan_app(shutdown))
        self.server.stop()
        self.assertEqual(1, len(done))

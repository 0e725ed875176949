"""The lifespan of ASGI applications: a failed startup fails the start, a failed shutdown the stop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from unittest import mock

import fastapi
import quart
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from liveserver_testcase.core.server import State
from liveserver_testcase.errors import ServerStartError, ServerThreadError, UsageError
from tests.integration.web.asgi_case import NEVER, ASGICase, answer, serve_page, tell, wait_for_ever
from tests.support import HANG, call_in_thread

HINT = " (if it knows no lifespan, set the option lifespan to 'off')"


def with_lifespan(startup: Callable[[], Awaitable[Any]], shutdown: Callable[[], Awaitable[Any]]) -> fastapi.FastAPI:
    """An application of FastAPI's that starts up and shuts down so."""

    @contextlib.asynccontextmanager
    async def lifespan(_app: fastapi.FastAPI) -> AsyncIterator[Any]:
        state = await startup()
        yield state
        await shutdown()

    return fastapi.FastAPI(lifespan=lifespan)


async def nothing() -> None:
    """Start up, or shut down, at once."""


class Startup(ASGICase):
    """Before the first request."""

    def test_it_comes_first(self) -> None:
        """The startup has ended when the server serves, and its state reaches the requests; so again after a stop."""
        steps: list[str] = []

        @contextlib.asynccontextmanager
        async def lifespan(_app: Starlette) -> AsyncIterator[dict[str, str]]:
            steps.extend(["startup", self.server.url])  # which it can read already
            yield {"database": "open"}
            steps.append("shutdown")

        async def page(request: Request) -> PlainTextResponse:
            return PlainTextResponse(request.state.database)

        self.make(serve_page(page, lifespan=lifespan))
        for life in (1, 2):
            with self.server:
                started = ["startup", self.server.url]
                self.assertEqual([*started, "shutdown"] * (life - 1) + started, steps)
                self.assertEqual("open", self.get().text)
            self.assertEqual([*started, "shutdown"] * life, steps)

    def test_it_raises(self) -> None:
        """What the startup raises is the cause; the server can be started again."""
        errors: list[BaseException] = []

        async def fail() -> None:
            if errors:
                raise errors.pop()

        async def plain(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                await receive()
                await fail()
                await send({"type": "lifespan.startup.complete"})
                await receive()
                await send({"type": "lifespan.shutdown.complete"})
            else:
                await answer(send)

        for app, hint in ((with_lifespan(fail, nothing), ""), (plain, HINT)):
            for error in (ValueError("no database"), SystemExit(3)):
                with self.subTest(app=app, error=error):
                    self.make(app)
                    errors.append(error)
                    what = f"{type(error).__name__}: {error}"
                    cause = self.assert_start_fails(f"the application's startup raised {what}{hint}")
                    self.assertIs(error, cause)
                    self.server.start()
                    self.assertEqual(State.RUNNING, self.server.state)

    def test_it_says_that_it_failed(self) -> None:
        """An application that only says that it failed is believed, with its message or without."""
        for more, why in (({"message": "no database"}, "no database"), ({}, "it does not say why")):
            with self.subTest(message=more):

                async def app(scope: Any, receive: Any, send: Any, more: Any = more) -> None:
                    await receive()
                    await send({"type": "lifespan.startup.failed", **more})

                self.make(app)
                self.assertIsNone(self.assert_start_fails(f"the application's startup failed: {why}"))
        app = quart.Quart("x")  # it keeps the exception to itself, and says what it was

        @app.before_serving
        async def fail() -> None:
            raise ValueError("no database")

        self.make(app)
        with self.assertLogs("x"), self.assertRaisesRegex(ServerStartError, "no database"):
            self.server.start()

    def test_it_never_ends(self) -> None:
        """A startup that has not ended after `start_timeout`, or blocks the loop, is an error that says where it is."""
        freed = threading.Event()
        self.addCleanup(freed.set)

        async def block() -> None:
            freed.wait(NEVER)

        for startup, message, place in (
            (wait_for_ever, "the application's startup has not ended after 0.5 s.\nIt was at\n", "in wait_for_ever\n"),
            (block, "its event loop is not ready after 0.5 s.\nIt was at\n", "freed.wait(NEVER)"),
        ):
            with self.subTest(startup=startup.__name__):
                self.make(with_lifespan(startup, nothing), start_timeout=0.5)
                with self.assertRaises(ServerStartError) as caught:
                    self.server.start()
                text = str(caught.exception)
                self.assertIn(f"could not start: {message}", text)
                self.assertIn("in lifespan\n", text)
                self.assertIn(place, text)

    def test_another_thread_stops_meanwhile(self) -> None:
        """A stop from elsewhere waits for the startup, and then stops."""
        begun = threading.Event()

        async def startup() -> None:
            begun.set()
            await asyncio.sleep(0.05)

        self.make(with_lifespan(startup, nothing))
        started = call_in_thread(self.server.start)
        self.assertTrue(begun.wait(HANG))
        self.server.stop()
        started.result(HANG)
        self.assertIs(State.STOPPED, self.server.state)


class NoLifespan(ASGICase):
    """Applications that know of none: told apart from those whose startup fails."""

    def test_they_are_served(self) -> None:
        """They are served, whatever they do about a scope that they do not know."""

        async def asserts(scope: Any, receive: Any, send: Any) -> None:
            assert scope["type"] == "http"
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

        for app in (asserts, looks_for_a_path, answers, reads_and_answers, returns):
            with self.subTest(app=app.__name__):
                self.serve(app)
                self.assertEqual(200, self.get().status_code)
                self.assertEqual([], self.errors())

    def test_the_option(self) -> None:
        """With ``off`` no application is asked, with ``on`` one that knows none is an error; any other is refused."""
        seen: list[str] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            seen.append(scope["type"])
            await answer(send)

        self.serve(app, options={"lifespan": "off"})
        self.get()
        self.assertEqual(["http"], seen)

        self.make(tell, options={"lifespan": "on"})
        cause = self.assert_start_fails("the application knows no lifespan, and the option lifespan is 'on'")
        self.assertIsInstance(cause, AssertionError)

        wanted = "^the uvicorn option 'lifespan' is 'maybe'; wanted 'auto', 'on' or 'off'$"
        self.assertRaisesRegex(UsageError, wanted, self.make, tell, options={"lifespan": "maybe"})


class Shutdown(ASGICase):
    """After the last request."""

    def assert_stop_fails(self, message: str) -> BaseException | None:
        """Fail unless the stop raises this once, and has stopped the server; returns the cause."""
        with self.assertRaisesRegex(ServerThreadError, message) as caught:
            self.server.stop()
        self.assertIs(State.STOPPED, self.server.state)
        self.server.stop()
        return caught.exception.__cause__

    def test_it_ends_by_itself(self) -> None:
        """An application that says that it failed is believed, also if it did not wait; one that returns is done."""

        async def says_so(receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "lifespan.shutdown.failed", "message": "cannot flush"})

        async def says_so_early(_receive: Any, send: Any) -> None:
            await send({"type": "lifespan.shutdown.failed", "message": "cannot flush"})

        async def breaks(_receive: Any, _send: Any) -> None:
            raise ValueError("boom")

        async def returns(_receive: Any, _send: Any) -> None:
            """Do nothing more."""

        failed = "^the application of .+ failed to shut down: cannot flush$"
        for end, message in {
            says_so: failed,
            says_so_early: failed,
            breaks: "raised ValueError while it was served: boom$",
            returns: "",
        }.items():
            with self.subTest(end=end.__name__):

                async def app(scope: Any, receive: Any, send: Any, end: Any = end) -> None:
                    if scope["type"] == "lifespan":
                        await receive()
                        await send({"type": "lifespan.startup.complete"})
                        await end(receive, send)
                    else:
                        await answer(send)

                self.serve(app)
                self.assertEqual(200, self.get().status_code)
                if message:
                    self.assert_stop_fails(message)
                else:
                    self.server.stop()

    def test_it_raises(self) -> None:
        """What the shutdown raises is raised by the stop, once; the server has stopped."""
        error = ValueError("cannot flush")
        self.serve(with_lifespan(nothing, mock.AsyncMock(side_effect=error)))
        who = f"<ASGIServer stopping at {self.server.url}>"
        message = f"^the application of {who} raised ValueError when it shut down: cannot flush$"
        self.assertIs(error, self.assert_stop_fails(message))

    def test_it_never_ends(self) -> None:
        """A shutdown that does not end is cut, and is an error that says where it was."""
        self.serve(with_lifespan(nothing, wait_for_ever), stop_timeout=0.05)
        who = r"<ASGIServer stopping at http://127\.0\.0\.1:[0-9]+>"
        self.assert_stop_fails(
            rf"^the shutdown of the application of {who} has not ended after 0\.5 s\.\n"
            r"It was at\n(.+\n)+.+in wait_for_ever\n"
        )

    def test_it_comes_after_the_requests(self) -> None:
        """A request that ends within the grace still finds everything open; the shutdown may take its time."""
        steps: list[str] = []
        go_on = threading.Event()

        async def shutdown() -> None:
            await asyncio.sleep(0.05)
            steps.append("shutdown")

        app = with_lifespan(nothing, shutdown)

        @app.get("/")
        async def page() -> str:
            await asyncio.to_thread(go_on.wait, HANG)
            steps.append("request")
            return "done"

        self.serve(app, stop_timeout=NEVER)
        client = self.begin()
        with self.stopping():
            go_on.set()
            self.assertEqual(b'"done"', client.getresponse().read())
        self.assertEqual(["request", "shutdown"], steps)

"""What a stop does to the clients of an ASGI application: who is waited for, who is told, and who is named."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import threading
import warnings
from collections.abc import AsyncIterator
from typing import Any
from unittest import mock

import fastapi
from fastapi import WebSocket
from fastapi.responses import StreamingResponse
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from liveserver_testcase.core.server import State
from liveserver_testcase.web import asgi_connection
from tests.integration.web.asgi_case import NEVER, ASGICase, answer, serve_page, wait_for_ever
from tests.integration.web.test_asgi_websockets import UPGRADE, SocketCase
from tests.integration.web.wire import get
from tests.support import HANG, wait_until


class Handlers(ASGICase):
    """Handlers that take their time."""

    def test_a_coroutine_is_cancelled_and_named(self) -> None:
        """After the grace it is cancelled, and named with the whole chain of coroutines that it waited in."""
        ended: list[str] = []
        app = fastapi.FastAPI()

        async def fetch() -> None:
            try:
                await wait_for_ever()
            finally:
                ended.append("fetch")

        @app.get("/slow")
        async def slow() -> None:
            await fetch()

        self.serve(app)
        connection = self.begin("/slow?a=b")
        (record,) = self.server.in_flight
        text = self.stop_warned(0.05)
        self.assertRegex(
            text,
            rf"cut off GET /slow\?a=b from {record.peer}, [0-9.]+ s old, in thread 'live-server 127.0.0.1:[0-9]+', "
            "which was at\n",
        )
        for name in ("in slow\n    await fetch()", "in fetch\n", "in wait_for_ever\n"):
            self.assertIn(name, text)
        self.assertNotIn("liveserver_testcase", text.partition("which was at")[2].replace(__file__, ""))
        self.assertEqual(["fetch"], ended)
        self.assertEqual([], self.server.take_errors())
        self.assertEqual("the server stopped before it was answered", record.aborted)
        self.assertTrue(record.is_over)
        with self.assertRaises((ConnectionError, http.client.HTTPException)):
            connection.getresponse()

    def test_a_function_in_a_thread_is_named(self) -> None:
        """A function in a thread, which nobody can end, is named with that thread's stack: FastAPI's or asyncio's."""
        freed = threading.Event()
        self.addCleanup(freed.set)
        app = fastapi.FastAPI()

        @app.get("/worker")
        def hang_in_a_thread() -> None:
            freed.wait(NEVER)

        @app.get("/executor")
        async def page() -> None:
            await asyncio.to_thread(hang_in_a_thread)

        for path, thread in (("/worker", "AnyIO worker thread"), ("/executor", "asyncio_0")):
            with self.subTest(path=path):
                self.serve(app)
                self.begin(path)
                (record,) = self.server.in_flight
                self.assertTrue(wait_until(lambda: "in hang_in_a_thread\n" in self.server.stack_of(record)))  # noqa: B023
                text = self.stop_warned(0.05)
                self.assertIn(f"cut off GET {path} from ", text)
                self.assertIn(f"in thread '{thread}':\n", text)
                self.assertIn("in hang_in_a_thread\n    freed.wait(NEVER)", text)
                self.assertEqual([], self.server.in_flight)

    def test_a_stop_from_a_handler(self) -> None:
        """A plain function in a thread may stop the server: its client is answered, and the server comes to rest."""
        app = fastapi.FastAPI()

        @app.get("/")
        def stop() -> str:
            self.server.stop()
            return "stopped"

        self.serve(app)
        self.assertEqual("stopped", self.get().json())
        self.assertTrue(wait_until(lambda: self.server.state is State.STOPPED))

    def test_two_at_once_on_one_connection(self) -> None:
        """A background task and the next request on its connection are both named."""

        async def page(request: Request) -> PlainTextResponse:
            if request.url.path == "/second":
                await wait_for_ever()
            return PlainTextResponse("done", background=BackgroundTask(wait_for_ever))

        self.serve(serve_page(page))
        connection = self.begin("/first")
        self.assertEqual(b"done", connection.getresponse().read())
        connection.request("GET", "/second")
        self.assertTrue(wait_until(lambda: len(self.server.in_flight) == 2))
        text = self.stop_warned(0.05)
        self.assertIn("cut off 2 pieces of work:\nGET /first from ", text)
        self.assertIn("\nGET /second from ", text)

    def test_a_client_that_has_left(self) -> None:
        """A handler whose client has left is waited for and named all the same."""

        async def page(_request: Request) -> PlainTextResponse:
            await wait_for_ever()
            return PlainTextResponse("done")

        self.serve(serve_page(page))
        self.begin().close()
        self.assertTrue(wait_until(lambda: self.server.in_flight[0].aborted))
        self.assertIn("cut off GET / from ", self.stop_warned(0.05))

    def test_a_handler_that_does_not_end(self) -> None:
        """A coroutine that takes no notice of its end is left behind; the stop does not wait for it."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            assert scope["type"] == "http"
            for _ in range(5):
                with contextlib.suppress(asyncio.CancelledError):
                    await wait_for_ever()

        self.serve(app)
        self.begin()
        self.assertIn("cut off GET / from ", self.stop_warned(0.05))
        self.assertEqual([], self.server.in_flight)


class Streams(SocketCase):
    """Answers without an end."""

    def begin_stream(self, path: str = "/") -> http.client.HTTPResponse:
        """A client that has read the first byte of an answer."""
        response = self.begin(path).getresponse()
        self.addCleanup(response.close)
        self.assertTrue(response.read(1))
        return response

    def test_one_that_takes_notice(self) -> None:
        """Events are told that their client is gone, and not worth a word; any other answer gets the grace."""
        ended: list[str] = []

        async def ticks() -> AsyncIterator[str]:
            try:
                while True:
                    yield "data: tick\n\n"
                    await asyncio.sleep(0.005)
            finally:
                ended.append("ticks")

        async def page(request: Request) -> StreamingResponse:
            return StreamingResponse(ticks(), media_type=f"text/{request.path_params['kind']}")

        app = Starlette(routes=[Route("/{kind}", page)])
        self.serve(app, stop_timeout=NEVER)
        response = self.begin_stream("/event-stream")
        self.server.stop()
        self.assertRaises((ConnectionError, http.client.IncompleteRead), response.read)

        self.serve(app, stop_timeout=0.05)
        self.begin_stream("/plain")
        self.assertIn("cut off GET /plain from ", self.stop_warned())
        self.assertEqual((["ticks", "ticks"], []), (ended, self.server.take_errors()))

    def test_one_that_takes_no_notice(self) -> None:
        """Events and WebSockets that go on without their client are cancelled soon, whatever the grace, and named."""

        async def hang(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "websocket":
                await receive()
                await send({"type": "websocket.accept"})
            else:
                headers = [(b"content-type", b"text/event-stream")]
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                await send({"type": "http.response.body", "body": b"data: tick\n\n", "more_body": True})
            await wait_for_ever()

        for what, begin in {"GET /": self.begin_stream, "WEBSOCKET /": lambda: self.open("/")}.items():
            with self.subTest(what=what):
                self.serve(hang, "auto", stop_timeout=NEVER)
                begin()
                with mock.patch.object(asgi_connection, "_SHUTDOWN_NOTICE", 0.05):
                    text = self.stop_warned()
                self.assertIn(f"cut off {what} from ", text)
                self.assertIn("in hang\n", text)
                self.assertEqual([], self.server.take_errors())


class Crowds(SocketCase):
    """Many clients of every kind."""

    def test_everybody_goes(self) -> None:
        """With streams of events, WebSockets, idle and silent clients, plain and over TLS, nothing is left."""
        app = fastapi.FastAPI()

        @app.get("/events")
        async def events() -> StreamingResponse:
            async def ticks() -> AsyncIterator[str]:
                while True:
                    yield "data: tick\n\n"
                    await asyncio.sleep(0.02)

            return StreamingResponse(ticks(), media_type="text/event-stream")

        @app.websocket("/ws")
        async def echo(websocket: WebSocket) -> None:
            await websocket.accept()
            while True:
                await websocket.send_text(await websocket.receive_text())

        for tls in (False, True):
            with self.subTest(tls=tls):
                self.serve(app, tls=tls, stop_timeout=NEVER)
                self.fill(20)
                self.server.stop()
                self.assertIs(State.STOPPED, self.server.state)
                self.assertEqual(([], []), (self.server.in_flight, self.server.take_errors()))

    def fill(self, count: int) -> None:
        for _ in range(count):
            silent = socket.create_connection(self.server.address, timeout=HANG)
            self.addCleanup(silent.close)
            for path, more in {"/events": (), "/ws": UPGRADE, "/nothing": ()}.items():
                self.assertTrue(self.client().send(get(path, *more)).read(10))
        self.assertTrue(wait_until(lambda: len(self.server.in_flight) == 2 * count))


class Unread(ASGICase):
    """Clients that do not read: nobody waits for them, and nobody is named."""

    def stop_silently(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            self.server.stop()
        self.assertEqual([], self.server.take_errors())

    def test_the_beginning_of_a_response(self) -> None:
        """A response that is sent without end, or in one piece, is interrupted, and recorded as not complete."""

        async def send_without_end(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while True:
                await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})

        async def send_in_one_piece(scope: Any, receive: Any, send: Any) -> None:
            await answer(send, bytes(50_000_000))

        for app in (send_without_end, send_in_one_piece):
            with self.subTest(app.__name__):
                self.serve(app, "auto", stop_timeout=NEVER)
                self.assertTrue(self.client().send(get()).read(10))
                (record,) = self.server.in_flight
                self.stop_silently()
                self.assertEqual("the server stopped in the middle of the response", record.aborted)
                self.assertEqual((False, True), (record.completed, record.is_over))

    def test_a_client_that_sends_in_pieces(self) -> None:
        """A client that goes on sending and reads nothing is cut before the grace is over."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while (message := await receive())["type"] == "http.request":
                for _ in range(64):
                    await send({"type": "http.response.body", "body": message["body"], "more_body": True})

        for tls in (None, True):
            with self.subTest(tls=tls):
                self.serve(app, "auto", tls=tls, stop_timeout=NEVER)
                client = self.client().send(get("/", "Transfer-Encoding: chunked", method="POST"))
                client.sock.settimeout(0.2)
                with contextlib.suppress(TimeoutError):
                    while True:
                        client.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")
                self.stop_silently()


class LeftBehind(ASGICase):
    """A run whose application blocks its loop, when it comes back beside the next one."""

    def test_it_disturbs_no_other(self) -> None:
        """It ends, and neither cuts the requests of the next run nor shuts down what that has started."""
        freed, go, lives = threading.Event(), asyncio.Event(), []
        self.addCleanup(freed.set)

        @contextlib.asynccontextmanager
        async def lifespan(_app: Starlette) -> AsyncIterator[None]:
            lives.append("begun")
            number = len(lives)
            yield
            lives.append(f"ended {number}")

        async def page(request: Request) -> PlainTextResponse:
            if request.url.path == "/block":
                freed.wait(NEVER)
            await go.wait()
            return PlainTextResponse("done")

        self.serve(serve_page(page, lifespan=lifespan), stop_timeout=NEVER)
        self.begin("/block")
        left = self.server._run
        self.stop_warned(0.0)
        self.server.start()
        client = self.begin("/wait")
        freed.set()
        self.assertTrue(left.ended.wait(HANG))
        self.assertEqual(["begun", "begun"], lives)
        self.server._run.loop.call_soon_threadsafe(go.set)
        self.assertEqual(b"done", client.getresponse().read())
        self.server.stop()
        self.assertEqual(["begun", "begun", "ended 2"], lives)

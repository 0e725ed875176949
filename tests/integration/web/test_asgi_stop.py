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
from liveserver_testcase.errors import UnfinishedWorkWarning
from liveserver_testcase.web import asgi_connection
from tests.integration.web.test_asgi import ASGICase
from tests.integration.web.test_asgi_websockets import SocketCase
from tests.integration.web.wire import Client, get
from tests.support import HANG, wait_until

NEVER = 10 * HANG


async def wait_for_ever() -> None:
    await asyncio.get_running_loop().create_future()


class StopCase(ASGICase):
    """Requests in flight while the server stops."""

    def begin(self, path: str = "/") -> http.client.HTTPConnection:
        """A client whose request is in flight."""
        before = len(self.server.in_flight)
        connection = self.connect()
        connection.request("GET", path)
        self.assertTrue(wait_until(lambda: len(self.server.in_flight) > before))
        return connection

    def stream(self, path: str = "/") -> http.client.HTTPResponse:
        """A client that has read the first byte of an answer."""
        answer = self.begin(path).getresponse()
        self.addCleanup(answer.close)
        self.assertTrue(answer.read(1))
        return answer

    def is_retiring(self) -> bool:
        """Whether the stop has told every connection."""
        run = self.server._run
        return run is not None and all(connection.is_last for connection in run.connections)

    def stop_warned(self, timeout: float | None = None) -> str:
        """Stop; what was said of unfinished work."""
        with self.assertWarns(UnfinishedWorkWarning) as caught:
            self.server.stop(timeout)
        self.assertIs(State.STOPPED, self.server.state)
        return str(caught.warning)


class Handlers(StopCase):
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
        """A plain function of FastAPI runs in a thread, which nobody can end: it is named with that thread's stack."""
        freed = threading.Event()
        self.addCleanup(freed.set)
        app = fastapi.FastAPI()

        @app.get("/")
        def hang_in_a_thread() -> None:
            freed.wait(NEVER)

        self.serve(app)
        self.begin()
        (record,) = self.server.in_flight
        self.assertTrue(wait_until(lambda: "in hang_in_a_thread\n" in self.server.stack_of(record)))
        text = self.stop_warned(0.05)
        self.assertIn("cut off GET / from ", text)
        self.assertIn("in thread 'AnyIO worker thread':\n", text)
        self.assertIn("in hang_in_a_thread\n    freed.wait(NEVER)", text)
        self.assertEqual([], self.server.in_flight)

    def test_a_function_in_the_executor_is_named(self) -> None:
        """So is what `asyncio.to_thread` runs."""
        freed = threading.Event()
        self.addCleanup(freed.set)

        def hang_in_the_executor() -> None:
            freed.wait(NEVER)

        async def page(_request: Request) -> PlainTextResponse:
            await asyncio.to_thread(hang_in_the_executor)
            return PlainTextResponse("done")

        self.serve(Starlette(routes=[Route("/", page)]))
        self.begin()
        self.assertTrue(
            wait_until(lambda: "in hang_in_the_executor\n" in self.server.stack_of(self.server.in_flight[0]))
        )
        self.assertIn("in hang_in_the_executor\n", self.stop_warned(0.05))

    def test_it_starts_again_beside_a_thread(self) -> None:
        """A thread that does not come back is the old run's: the server starts and serves beside it."""
        freed = threading.Event()
        self.addCleanup(freed.set)
        app = fastapi.FastAPI()

        @app.get("/hang")
        def hang() -> None:
            freed.wait(NEVER)

        self.serve(app)
        self.begin("/hang")
        self.stop_warned(0.0)
        self.server.start()
        self.assertEqual(404, self.get().status_code)
        self.wait_idle()
        freed.set()
        self.server.stop()

    def test_a_handler_that_ends_in_time(self) -> None:
        """A handler that ends within the grace is let end, and its client gets the whole answer."""
        go_on = threading.Event()
        app = fastapi.FastAPI()

        @app.get("/")
        def wait() -> str:
            go_on.wait(HANG)
            return "done"

        self.serve(app, stop_timeout=NEVER)
        connection = self.begin()
        stop = threading.Thread(target=self.server.stop)
        stop.start()
        self.assertTrue(wait_until(self.is_retiring))
        go_on.set()
        self.assertEqual(b'"done"', connection.getresponse().read())
        stop.join(HANG)
        self.assertIs(State.STOPPED, self.server.state)

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

        self.serve(Starlette(routes=[Route("/{name}", page)]))
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

        self.serve(Starlette(routes=[Route("/", page)]))
        self.begin().close()
        self.assertTrue(wait_until(lambda: self.server.in_flight[0].aborted))
        self.assertIn("cut off GET / from ", self.stop_warned(0.05))

    def test_a_handler_that_does_not_close_after_fork(self) -> None:
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


class Streams(StopCase):
    """Answers without an end."""

    def events_app(self, kind: str, ended: list[str]) -> Starlette:
        async def events() -> AsyncIterator[str]:
            try:
                while True:
                    yield "data: tick\n\n"
                    await asyncio.sleep(0.005)
            finally:
                ended.append("events")

        async def page(_request: Request) -> StreamingResponse:
            return StreamingResponse(events(), media_type=kind)

        return Starlette(routes=[Route("/", page)])

    def test_a_stream_of_events(self) -> None:
        """A stream of events is told that its client is gone; one that takes notice is not worth a word."""
        ended: list[str] = []
        self.serve(self.events_app("text/event-stream", ended), stop_timeout=NEVER)
        answer = self.stream()
        self.server.stop()
        self.assertEqual((["events"], []), (ended, self.server.take_errors()))
        with self.assertRaises((ConnectionError, http.client.IncompleteRead)):
            answer.read()

    def test_a_stream_of_something_else(self) -> None:
        """Any other answer may have an end, so it gets the grace, and is named."""
        ended: list[str] = []
        self.serve(self.events_app("text/plain", ended), stop_timeout=0.05)
        self.stream()
        text = self.stop_warned()
        self.assertIn("cut off GET / from ", text)
        self.assertEqual((["events"], []), (ended, self.server.take_errors()))

    def test_a_stream_that_takes_no_notice(self) -> None:
        """A stream of events that goes on without its client is cancelled soon, whatever the grace, and named."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            assert scope["type"] == "http"
            headers = [(b"content-type", b"text/event-stream")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"data: tick\n\n", "more_body": True})
            await wait_for_ever()

        self.serve(app, stop_timeout=NEVER)
        self.stream()
        with mock.patch.object(asgi_connection, "_SHUTDOWN_NOTICE", 0.05):
            text = self.stop_warned()
        self.assertIn("cut off GET / from ", text)
        self.assertIn("in app\n", text)


class Sockets(SocketCase, StopCase):
    """WebSockets whose application does not end."""

    def test_one_that_takes_no_notice(self) -> None:
        """A WebSocket's handler that waits for something else is cancelled soon, whatever the grace, and named."""
        app = fastapi.FastAPI()

        @app.websocket("/ws")
        async def broadcast(websocket: WebSocket) -> None:
            await websocket.accept()
            await wait_for_ever()

        self.serve(app, stop_timeout=NEVER)
        self.open("/ws")
        with mock.patch.object(asgi_connection, "_SHUTDOWN_NOTICE", 0.05):
            text = self.stop_warned()
        self.assertIn("cut off WEBSOCKET /ws from ", text)
        self.assertIn("in broadcast\n", text)
        self.assertEqual([], self.server.take_errors())


class Crowds(SocketCase, StopCase):
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
        context = self.server.client_context()
        upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
        asks = {
            "/events": "",
            "/ws": f"{upgrade}AAAAAAAAAAAAAAAAAAAAAA==\r\n",
            "/nothing": "",
        }
        for _ in range(count):
            silent = socket.create_connection(self.server.address, timeout=HANG)
            self.addCleanup(silent.close)
            for path, more in asks.items():
                client = socket.create_connection(self.server.address, timeout=HANG)
                if context is not None:
                    client = context.wrap_socket(client, server_hostname="127.0.0.1")
                self.addCleanup(client.close)
                client.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n{more}\r\n".encode())
                self.assertTrue(client.recv(10))
        self.assertTrue(wait_until(lambda: len(self.server.in_flight) == 2 * count))


class Unread(StopCase):
    """Clients that do not read."""

    def test_an_application_that_only_sends(self) -> None:
        """An application that sends without end is interrupted: its client reads nothing, so nobody waits for it."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while True:
                await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})

        self.serve(app, options={"lifespan": "off"}, stop_timeout=NEVER)
        self.begin()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            self.server.stop()
        self.assertEqual([], self.server.take_errors())

    def test_a_large_response(self) -> None:
        """A response of which the client reads only the beginning is not complete, and not waited for."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            headers = [(b"content-length", b"10000000")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"x" * 10_000_000})

        self.serve(app, options={"lifespan": "off"}, stop_timeout=NEVER)
        self.begin().getresponse().close()
        (record,) = self.server.in_flight
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            self.server.stop()
        self.assertEqual("the server stopped in the middle of the response", record.aborted)
        self.assertFalse(record.completed)

    def test_a_client_that_sends_in_pieces(self) -> None:
        """A client that goes on sending and reads nothing is cut before the grace is over, and nobody is named."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while (message := await receive())["type"] == "http.request":
                for _ in range(64):
                    await send({"type": "http.response.body", "body": message["body"], "more_body": True})

        for tls in (False, True):
            with self.subTest(tls=tls):
                self.serve(app, tls=tls, options={"lifespan": "off"}, stop_timeout=NEVER)
                context = self.server.client_context() if tls else None
                client = Client(self.server.address, context)
                self.addCleanup(client.close)
                client.send(get("/", "Transfer-Encoding: chunked", method="POST"))
                piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
                client.sock.settimeout(0.2)
                with contextlib.suppress(TimeoutError):
                    while True:
                        client.send(piece)
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    self.server.stop()
                self.assertEqual([], self.server.take_errors())

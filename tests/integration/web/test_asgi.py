"""Serving ASGI applications: requests, streams, what is recorded of them, and what they raise."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import fastapi
import httpx
import requests
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route

from liveserver_testcase.core.journal import JournalWindow
from liveserver_testcase.errors import InvalidResponse
from liveserver_testcase.web.asgi import ASGIServer
from liveserver_testcase.web.records import RequestRecord
from tests.integration.web.wire import Client, get
from tests.support import HANG, NoLeaks, wait_until

__all__ = ["ASGICase"]


class ASGICase(NoLeaks):
    """A server for one application; `serve` starts it."""

    server: ASGIServer

    def serve(self, app: Any, **options: Any) -> ASGIServer:
        self.server = ASGIServer(app, **options)
        self.addCleanup(self.server.stop)
        self.server.start()
        return self.server

    def get(self, path: str = "/", **options: Any) -> requests.Response:
        return requests.get(self.server.url_for(path), timeout=HANG, **options)

    def connect(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(*self.server.address, timeout=HANG)
        self.addCleanup(connection.close)
        return connection

    def wait_idle(self) -> None:
        """Wait for the end of every call, of those that last, too."""
        self.assertTrue(wait_until(lambda: not self.server.in_flight), "still in flight")

    def only(self) -> RequestRecord:
        """The one record, when it is complete."""
        self.wait_idle()
        (record,) = self.server.journal.entries()
        return record

    def error(self) -> BaseException:
        """The one exception that was recorded."""
        self.wait_idle()
        ((_, error),) = self.server.take_errors()
        return error


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with what it was sent, as it comes."""
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-path", scope["raw_path"])]})
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        more = message["more_body"]
        await send({"type": "http.response.body", "body": message["body"], "more_body": more})


async def tell(scope: Any, receive: Any, send: Any) -> None:
    """Answers with what it sees of the scope."""
    assert scope["type"] == "http"
    names = ("client", "scheme", "root_path", "path", "state")
    body = json.dumps({name: scope.get(name) for name in names}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})


class Requests(ASGICase):
    """What clients get, and what the journal keeps."""

    def test_fastapi(self) -> None:
        """A FastAPI application: its coroutines, its plain functions in threads, its 404 and its 422."""
        app = fastapi.FastAPI()

        @app.get("/items/{number}")
        async def read_item(number: int) -> dict[str, int]:
            return {"number": number}

        @app.get("/thread")
        def thread() -> str:
            return threading.current_thread().name

        self.serve(app)
        self.assertEqual({"number": 3}, self.get("/items/3").json())
        self.assertEqual(422, self.get("/items/three").status_code)
        self.assertEqual(404, self.get("/nothing").status_code)
        self.assertIn("worker thread", self.get("/thread").json())

    def test_starlette(self) -> None:
        """A Starlette application that reads a form."""

        async def page(request: Request) -> JSONResponse:
            return JSONResponse(await request.json())

        self.serve(Starlette(routes=[Route("/", page, methods=["POST"])]))
        answer = requests.post(self.server.url_for("/"), json={"a": [1]}, timeout=HANG)
        self.assertEqual({"a": [1]}, answer.json())

    def test_record(self) -> None:
        """A record has method, target, status, version, connection, peer and duration."""
        self.serve(echo)
        connection = self.connect()
        for path in ("/a%20b?c=d&e", "/second"):
            connection.request("POST", path, b"hello")
            answer = connection.getresponse()
            self.assertEqual((path.partition("?")[0], b"hello"), (answer.headers["X-Path"], answer.read()))
        self.wait_idle()
        first, second = self.server.journal.entries()
        self.assertEqual(
            ("POST", "/a%20b?c=d&e", "/a%20b", 200, "HTTP/1.1", 0, 0),
            (
                first.method, first.target, first.path, first.status, first.version,
                first.connection_index, first.exchange_index,
            ),
        )  # fmt: skip
        self.assertEqual((0, 1), (second.connection_index, second.exchange_index))
        self.assertEqual(f"127.0.0.1:{connection.sock.getsockname()[1]}", first.peer)
        self.assertTrue(first.completed and first.is_over and not first.aborted)
        self.assertEqual("<RequestRecord #1 POST /second: 200>", repr(second))

    def test_epochs(self) -> None:
        """A record belongs to the test in which its request arrived."""
        self.serve(tell)
        self.server.journal.begin("test_one")
        self.get()
        self.assertEqual(JournalWindow(1, "test_one"), self.only().window)

    def test_times(self) -> None:
        """A record says when each part of its request came to its end, in the order of the wire."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            assert scope["type"] == "http"
            body = b""
            while (message := await receive())["more_body"]:
                body += message["body"]
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": body + message["body"]})

        names = ["first_byte_at", "arrived", "body_complete_at", "response_begun_at", "finished_at"]
        for tls in (False, True):
            with self.subTest(tls=tls):
                self.serve(app, tls=tls)
                client = Client(self.server.address, self.server.client_context() if tls else None)
                self.addCleanup(client.close)
                for request in (get("/"), get("/", "Content-Length: 3", method="POST")):
                    client.send(request)
                client.send(b"abc")
                self.assertEqual([b"", b"abc"], [client.answer().body for _ in range(2)])
                self.wait_idle()
                first, second = self.server.journal.entries()
                for record in (first, second):
                    times = [getattr(record, name) for name in ["accepted_at", *["handshake_done_at"][:tls], *names]]
                    self.assertNotIn(None, times)
                    self.assertEqual(sorted(times), times)
                self.assertEqual(first.accepted_at, second.accepted_at)
                self.assertEqual(first.arrived, first.body_complete_at)
                self.assertEqual(tls, first.handshake_done_at is not None)
                self.server.stop()

    def test_a_client_that_has_its_answer_need_not_wait(self) -> None:
        """When the client has read its answer, status and completion are recorded."""
        self.serve(tell)
        for number in range(200):
            self.get()
            record = self.server.journal.entries()[number]
            self.assertEqual((200, True, True), (record.status, record.completed, record.is_over))

    def test_around(self) -> None:
        """The context manager that `around` returns is entered around each call, in its task."""
        steps: list[object] = []

        @contextlib.contextmanager
        def around(record: RequestRecord) -> Iterator[None]:
            steps.append((record.target, record.status, asyncio.current_task()))
            yield
            steps.append(record.status)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await tell(scope, receive, send)
            steps.append(asyncio.current_task())

        self.serve(app, around=around)
        self.get("/page")
        self.wait_idle()
        (target, status, task), inside, after = steps
        self.assertEqual(("/page", None, 200), (target, status, after))
        self.assertIs(task, inside)

    def test_nonsense(self) -> None:
        """A request that is none is answered with 400, and recorded."""
        self.serve(tell)
        connection = self.connect()
        connection.connect()
        connection.sock.sendall(b"\x00\x01\x02\r\n\r\n")
        self.assertIn(b"400", connection.sock.recv(1000))
        record = self.only()
        self.assertEqual((400, "a request that could not be made out"), (record.status, record.describe()))

    def test_proxy_headers_are_not_trusted(self) -> None:
        """What a client says of other clients is not believed, unless the options say so."""
        headers = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https"}
        self.serve(tell)
        self.assertEqual(("127.0.0.1", "http"), _facts(self.get(headers=headers)))
        self.server.stop()
        self.serve(tell, options={"proxy_headers": True})
        self.assertEqual(("192.0.2.1", "https"), _facts(self.get(headers=headers)))
        self.assertTrue(self.only().peer.startswith("127.0.0.1:"))

    def test_other_clients(self) -> None:
        """httpx and aiohttp are served, too."""
        self.serve(echo)
        with httpx.Client() as client:
            self.assertEqual("hello", client.post(self.server.url_for("/"), content="hello").text)

        async def ask() -> None:
            async with httpx.AsyncClient() as client:
                self.assertEqual("hello", (await client.post(self.server.url_for("/"), content="hello")).text)
            async with aiohttp.ClientSession() as session, session.post(self.server.url_for("/"), data="hello") as got:
                self.assertEqual("hello", await got.text())

        asyncio.run(ask())

    def test_tls(self) -> None:
        """TLS that requests and httpx verify."""
        self.serve(tell, tls=True)
        self.assertEqual(("127.0.0.1", "https"), _facts(self.get(verify=self.server.ca_file)))
        with httpx.Client(verify=self.server.client_context() or True) as client:
            self.assertEqual("https", client.get(self.server.url_for("/")).json()["scheme"])

    def test_a_hundred_at_once(self) -> None:
        """A hundred clients at the same time are all answered."""

        async def page(request: Request) -> PlainTextResponse:
            await asyncio.sleep(0)
            return PlainTextResponse(request.url.path)

        self.serve(Starlette(routes=[Route("/{name}", page)]))

        async def ask() -> list[str]:
            async with aiohttp.ClientSession() as session:

                async def one(number: int) -> str:
                    async with session.get(self.server.url_for(f"/{number}")) as answer:
                        return await answer.text()

                return await asyncio.gather(*map(one, range(100)))

        self.assertEqual([f"/{number}" for number in range(100)], asyncio.run(ask()))

    def test_pipelining(self) -> None:
        """Requests that are sent at once are answered one after the other, each with its record."""
        self.serve(echo)
        connection = self.connect()
        connection.connect()
        connection.sock.sendall(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
        received = b""
        while received.count(b"0\r\n\r\n") < 3:
            received += connection.sock.recv(1000)
        self.wait_idle()
        self.assertEqual([0, 1, 2], [record.exchange_index for record in self.server.journal.entries()])


def _facts(answer: requests.Response) -> tuple[str, str]:
    found = answer.json()
    return found["client"][0], found["scheme"]


class Streams(ASGICase):
    """Bodies in pieces, both ways."""

    def test_up_and_down(self) -> None:
        """What comes in pieces goes back in pieces, while more is on its way."""
        self.serve(echo)
        answer = requests.post(self.server.url_for("/"), data=iter([b"one", b"two"]), timeout=HANG, stream=True)
        self.assertEqual(b"onetwo", answer.content)

    def test_down(self) -> None:
        """The client has each piece before the next one is made."""
        steps: list[threading.Event] = [threading.Event(), threading.Event()]

        async def numbers() -> AsyncIterator[bytes]:
            for step in steps:
                yield b"x"
                await asyncio.to_thread(step.wait, HANG)

        async def page(_request: Request) -> StreamingResponse:
            return StreamingResponse(numbers())

        self.serve(Starlette(routes=[Route("/", page)]))
        pieces = self.get(stream=True).iter_content(1)
        for step in steps:
            self.assertEqual(b"x", next(pieces))
            self.assertEqual([200], [record.status for record in self.server.in_flight])
            step.set()
        self.assertEqual([], list(pieces))

    def test_a_large_answer(self) -> None:
        """An answer of many megabytes arrives whole."""

        async def page(_request: Request) -> PlainTextResponse:
            return PlainTextResponse(b"x" * 20_000_000)

        self.serve(Starlette(routes=[Route("/", page)]))
        self.assertEqual(20_000_000, len(self.get().content))

    def test_head_and_body_at_once(self) -> None:
        """A response that is written at once comes in one piece, however many messages it was."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            assert scope["type"] == "http"
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"6")]})
            for piece in (b"one", b"two"):
                await send({"type": "http.response.body", "body": piece, "more_body": piece == b"one"})

        self.serve(app)
        client = Client(self.server.address)
        self.addCleanup(client.close)
        client.send(get("/"))
        self.assertTrue(client.sock.recv(65536).endswith(b"\r\n\r\nonetwo"))

    def test_a_head_alone(self) -> None:
        """A client has the head while the application waits with the body."""
        go_on = threading.Event()
        self.addCleanup(go_on.set)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            assert scope["type"] == "http"
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await asyncio.to_thread(go_on.wait, HANG)
            await send({"type": "http.response.body", "body": b"late"})

        self.serve(app)
        connection = self.connect()
        connection.request("GET", "/")
        response = connection.getresponse()
        go_on.set()
        self.assertEqual(b"late", response.read())


class Errors(ASGICase):
    """What the application raises, wherever it does."""

    def test_before_the_response(self) -> None:
        """An exception is answered with a 500, and recorded with the application's traceback, before the answer."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            assert scope["type"] == "http"
            raise ValueError("boom")

        self.serve(app)
        answer = self.get()
        ((record, error),) = self.server.take_errors()
        self.assertEqual((500, "Internal Server Error\n"), (answer.status_code, answer.text))
        self.assertEqual(("ValueError('boom')", 500), (repr(error), record.status))
        self.assertEqual([error], record.errors)
        assert error.__traceback__ is not None
        self.assertEqual("app", error.__traceback__.tb_frame.f_code.co_name)

    def test_fastapi_and_the_client_that_is_first(self) -> None:
        """Starlette answers first and raises then; still the client is not first to know."""
        app = fastapi.FastAPI()

        @app.get("/")
        async def boom() -> None:
            raise ValueError("boom")

        self.serve(app)
        for _ in range(100):
            self.assertEqual(500, self.get().status_code)
            self.assertEqual(["ValueError('boom')"], [repr(error) for _, error in self.server.take_errors()])

    def test_a_500_that_was_meant(self) -> None:
        """A 500 that the application answers with, without raising, is no error."""

        async def page(_request: Request) -> PlainTextResponse:
            return PlainTextResponse("sorry", 500)

        self.serve(Starlette(routes=[Route("/", page)]))
        self.assertEqual("sorry", self.get().text)
        self.wait_idle()
        self.assertEqual([], self.server.take_errors())

    def test_in_the_middle_of_the_response(self) -> None:
        """An exception in the middle of a stream breaks it off, and is recorded."""

        async def numbers() -> AsyncIterator[bytes]:
            yield b"1"
            raise ValueError("boom")

        async def page(_request: Request) -> StreamingResponse:
            return StreamingResponse(numbers())

        self.serve(Starlette(routes=[Route("/", page)]))
        with self.assertRaises(requests.exceptions.ChunkedEncodingError):
            self.get()
        self.assertIn("boom", repr(self.error()))
        self.assertFalse(self.only().completed)

    def test_in_a_background_task(self) -> None:
        """A response whose background task runs is in flight; what that raises is recorded."""
        go_on = threading.Event()

        async def task() -> None:
            await asyncio.to_thread(go_on.wait, HANG)
            raise ValueError("boom")

        async def page(_request: Request) -> PlainTextResponse:
            return PlainTextResponse("done", background=BackgroundTask(task))

        self.serve(Starlette(routes=[Route("/", page)]))
        self.assertEqual("done", self.get().text)
        (record,) = self.server.in_flight
        self.assertTrue(record.completed)
        self.assertEqual([record], self.server.wait_until_idle(0.01))
        self.assertTrue(wait_until(lambda: "in task\n" in self.server.stack_of(record)))
        go_on.set()
        self.assertEqual("ValueError('boom')", repr(self.error()))

    def test_in_a_task_that_was_left_behind(self) -> None:
        """What a forgotten task raises is recorded with the request in which it was made."""

        async def fail() -> None:
            raise ValueError("boom")

        async def page(_request: Request) -> PlainTextResponse:
            asyncio.get_running_loop().create_task(fail())
            return PlainTextResponse("done")

        self.serve(Starlette(routes=[Route("/page", page)]))
        self.get("/page")
        ((record, error),) = wait_until(self.server.take_errors)
        self.assertEqual(("/page", "ValueError('boom')"), (record.target, repr(error)))

    def test_in_a_task_of_the_lifespan(self) -> None:
        """What a task raises that belongs to no request is recorded under the name of its coroutine function."""
        go_on = asyncio.Event()

        async def poll() -> None:
            await go_on.wait()
            raise ValueError("boom")

        @contextlib.asynccontextmanager
        async def lifespan(_app: Starlette) -> AsyncIterator[None]:
            asyncio.get_running_loop().create_task(poll())
            yield

        async def page(_request: Request) -> PlainTextResponse:
            go_on.set()
            return PlainTextResponse("done")

        self.serve(Starlette(routes=[Route("/", page)], lifespan=lifespan))
        self.server.journal.begin("test_one")
        self.get()
        ((record, error),) = wait_until(self.server.take_errors)
        self.assertRegex(record.describe(), r"^task .+\.poll$")
        self.assertEqual(
            ("ValueError('boom')", "test_one", False), (repr(error), record.window.name, record.is_streaming)
        )

    def test_in_a_callback(self) -> None:
        """What a callback of the application raises is recorded, too."""

        def fail() -> None:
            raise ValueError("boom")

        async def page(_request: Request) -> PlainTextResponse:
            asyncio.get_running_loop().call_soon(fail)
            return PlainTextResponse("done")

        self.serve(Starlette(routes=[Route("/page", page)]))
        self.get("/page")
        ((_record, error),) = wait_until(self.server.take_errors)
        self.assertEqual("ValueError('boom')", repr(error))

    def test_no_response(self) -> None:
        """An application that returns without a response, or in the middle of one, has an error."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            assert scope["type"] == "http"
            if scope["path"] == "/half":
                await send({"type": "http.response.start", "status": 200, "headers": []})

        self.serve(app)
        self.assertEqual(500, self.get().status_code)
        error = self.error()
        self.assertIsInstance(error, InvalidResponse)
        self.assertEqual("the application returned without a response", str(error))
        with self.assertRaises(requests.exceptions.RequestException):
            self.get("/half")
        self.assertEqual("the application returned before the end of its response", str(self.error()))

    def test_a_result(self) -> None:
        """An application that returns something, as a WSGI one would, has an error."""

        async def app(scope: Any, receive: Any, send: Any) -> object:
            assert scope["type"] == "http"
            return [b"hello"]

        self.serve(app)
        self.assertEqual(500, self.get().status_code)
        self.assertEqual("the application returned [b'hello']; an ASGI application returns nothing", str(self.error()))

    def test_exit(self) -> None:
        """`SystemExit` is an error of the request like any other; the server goes on."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            assert scope["type"] == "http"
            raise SystemExit(3)

        self.serve(app)
        self.assertEqual([500, 500], [self.get().status_code for _ in range(2)])
        self.assertEqual(["SystemExit(3)"] * 2, [repr(error) for _, error in self.server.take_errors()])


class Departures(ASGICase):
    """Clients that leave: no errors."""

    def leave(self, path: str = "/", body: bytes = b"") -> None:
        connection = self.connect()
        connection.connect()
        connection.sock.sendall(b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n%b" % (path.encode(), body))
        self.assertTrue(wait_until(lambda: self.server.in_flight))
        connection.close()

    def test_in_the_middle_of_a_body(self) -> None:
        """A client that leaves while its body is read: Starlette raises, and no error is recorded."""

        async def page(request: Request) -> PlainTextResponse:
            return PlainTextResponse(await request.body())

        self.serve(Starlette(routes=[Route("/", page, methods=["POST"])]))
        self.leave(body=b"half")
        self.assertEqual("the client left in the middle of its request's body", self.only().aborted)
        self.assertEqual([], self.server.take_errors())

    def test_before_the_answer(self) -> None:
        """A client that leaves before it is answered: the application ends, and the record says so."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            assert scope["type"] == "http"
            while (await receive())["type"] != "http.disconnect":
                pass
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body"})

        self.serve(app)
        self.leave(body=b"ten bytes.")
        record = self.only()
        self.assertEqual(("the client left before it was answered", False), (record.aborted, record.completed))
        self.assertEqual([], self.server.take_errors())

    def test_a_bug_on_the_way_out(self) -> None:
        """What an application raises of its own accord when its client is gone is an error."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            assert scope["type"] == "http"
            while (await receive())["type"] != "http.disconnect":
                pass
            raise ValueError("boom")

        self.serve(app)
        self.leave(body=b"ten bytes.")
        self.assertEqual("ValueError('boom')", repr(self.error()))

    def test_in_the_middle_of_a_stream(self) -> None:
        """A client that leaves an endless stream of events ends it, without an error."""

        async def events() -> AsyncIterator[str]:
            while True:
                yield "data: tick\n\n"
                await asyncio.sleep(0.01)

        async def page(_request: Request) -> StreamingResponse:
            return StreamingResponse(events(), media_type="text/event-stream")

        self.serve(Starlette(routes=[Route("/", page)]))
        answer = self.get(stream=True)
        pieces = answer.iter_content(4)  # kept, for a generator that is thrown away closes the connection
        self.assertEqual(b"data", next(pieces))
        (record,) = self.server.in_flight
        self.assertTrue(record.is_streaming)
        answer.close()
        self.assertEqual("the client left in the middle of the response", self.only().aborted)
        self.assertEqual([], self.server.take_errors())

    def test_close_connections(self) -> None:
        """The server can cut every connection, and goes on."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            assert scope["type"] == "http"
            if scope["path"] == "/":
                while (await receive())["type"] != "http.disconnect":
                    pass
            else:
                await tell(scope, receive, send)

        self.serve(app)
        connection = self.connect()
        connection.request("GET", "/")
        self.assertTrue(wait_until(lambda: self.server.in_flight))
        self.server.close_connections()
        with self.assertRaises((ConnectionError, http.client.HTTPException)):
            connection.getresponse()
        self.assertEqual("the server cut the connection before it was answered", self.only().aborted)
        self.assertEqual(200, self.get("/again").status_code)

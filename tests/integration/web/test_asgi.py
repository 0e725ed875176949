"""Serving ASGI applications: requests, streams, what is recorded of them, and what they raise."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import fastapi
import requests
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from liveserver_testcase.web.records import RequestRecord
from tests.integration.web.asgi_case import ASGICase, serve_page, tell
from tests.integration.web.wire import GET
from tests.support import HANG, wait_until


async def boom() -> None:
    raise ValueError("boom")


BOOM = ["ValueError('boom')"]


class Requests(ASGICase):
    """What clients get, and what the journal keeps."""

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

    def test_proxy_headers_are_not_trusted(self) -> None:
        """What a client says of other clients is not believed, unless the options say so."""
        headers = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https"}
        for options, facts in (({}, ("127.0.0.1", "http")), ({"proxy_headers": True}, ("192.0.2.1", "https"))):
            with self.subTest(options=options):
                self.serve(tell, options=options)
                self.assertEqual(facts, _facts(self.get(headers=headers)))
                self.assertTrue(self.only().peer.startswith("127.0.0.1:"))


def _facts(response: requests.Response) -> tuple[str, str]:
    found = response.json()
    return found["client"][0], found["scheme"]


class Streams(ASGICase):
    """Bodies in pieces, both ways."""

    def test_head_and_body_at_once(self) -> None:
        """A response that is written at once comes in one piece, however many messages it was."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"6")]})
            for piece in (b"one", b"two"):
                await send({"type": "http.response.body", "body": piece, "more_body": piece == b"one"})

        self.serve(app, "auto")
        self.assertTrue(self.client().send(GET).sock.recv(65536).endswith(b"\r\n\r\nonetwo"))


class Errors(ASGICase):
    """What the application raises, wherever it does."""

    def test_the_client_is_not_first(self) -> None:
        """Starlette answers first and raises then; still the client is not first to know."""
        self.serve(fastapi.FastAPI(routes=[Route("/page", lambda _request: 1 // 0)]))
        for _ in range(100):
            self.assertEqual(500, self.get("/page").status_code)
            ((record, error),) = self.server.take_errors()
            self.assertEqual((ZeroDivisionError, 500, [error]), (type(error), record.status, record.errors))

    def test_in_a_background_task(self) -> None:
        """A response whose background task runs is in flight; what that raises is recorded."""
        go_on = threading.Event()

        async def task() -> None:
            await asyncio.to_thread(go_on.wait, HANG)
            raise ValueError("boom")

        async def page(_request: Request) -> PlainTextResponse:
            return PlainTextResponse("done", background=BackgroundTask(task))

        self.serve(serve_page(page))
        self.assertEqual("done", self.get("/page").text)
        (record,) = self.server.in_flight
        self.assertTrue(record.completed)
        self.assertEqual([record], self.server.wait_until_idle(0.01))
        self.assertTrue(wait_until(lambda: "in task\n" in self.server.stack_of(record)))
        go_on.set()
        self.assertEqual(BOOM, self.errors())

    def test_in_what_a_request_left_behind(self) -> None:
        """What a forgotten task raises is recorded with the request in which it was made; a callback's is, too."""

        async def start_task(_request: Request) -> PlainTextResponse:
            asyncio.get_running_loop().create_task(boom())
            return PlainTextResponse("done")

        async def start_callback(_request: Request) -> PlainTextResponse:
            asyncio.get_running_loop().call_soon([].pop)
            return PlainTextResponse("done")

        for page, wanted in ((start_task, BOOM), (start_callback, ["IndexError('pop from empty list')"])):
            with self.subTest(page=page.__name__):
                self.serve(serve_page(page))
                self.get("/page")
                ((record, error),) = wait_until(self.server.take_errors)
                self.assertEqual(wanted, [repr(error)])
                if page is start_task:
                    self.assertEqual("/page", record.target)

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

        self.serve(serve_page(page, lifespan=lifespan))
        self.server.journal.begin("test_one")
        self.get("/page")
        ((record, error),) = wait_until(self.server.take_errors)
        self.assertRegex(record.describe(), r"^task .+\.poll$")
        self.assertEqual(
            ("ValueError('boom')", "test_one", False), (repr(error), record.window.name, record.is_streaming)
        )

    def test_each_answer(self) -> None:
        """One that raises, returns too early, returns something, or wants to exit has an error; the server goes on.

        A 500 that the application answers with, without raising, is no error.
        """

        async def app(scope: Any, receive: Any, send: Any) -> object:
            path = scope["path"]
            if path in ("/half", "/meant"):
                status = 500 if path == "/meant" else 200
                await send({"type": "http.response.start", "status": status, "headers": []})
            if path == "/meant":
                await send({"type": "http.response.body", "body": b"sorry"})
            if path == "/exit":
                raise SystemExit(3)
            if path == "/boom":
                await boom()
            return [b"hello"] if path == "/list" else None

        self.serve(app, "auto")
        ours, returned = "Internal Server Error\n", "the application returned"
        for path, text, errors in (
            ("/", ours, [f"InvalidResponse('{returned} without a response')"]),
            ("/list", ours, [f"""InvalidResponse("{returned} [b'hello']; an ASGI application returns nothing")"""]),
            ("/exit", ours, ["SystemExit(3)"]),
            ("/boom", ours, BOOM),
            ("/half", None, [f"InvalidResponse('{returned} before the end of its response')"]),
            ("/meant", "sorry", []),
        ):
            with self.subTest(path=path):
                if text is None:
                    self.assertRaises(requests.exceptions.RequestException, self.get, path)
                else:
                    response = self.get(path)
                    self.assertEqual((500, text), (response.status_code, response.text))
                self.assertEqual(errors, self.errors())

"""Clients of an ASGI application that leave: their departure fails no test, an error of the application always does."""

from __future__ import annotations

import asyncio
import http.client
import threading
from collections.abc import AsyncIterator
from typing import Any

import django
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.test.utils import override_settings
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from liveserver_testcase.errors import ClientDisconnected
from tests.integration.web.asgi_case import ASGICase, answer, tell
from tests.integration.web.wire import get, post
from tests.support import HANG, wait_until

urlpatterns: list[Any] = []  # Django reads a body before it looks for its view


async def wait_for_departure(receive: Any) -> None:
    """Receive until the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


class Departures(ASGICase):
    """What is recorded of a client that leaves."""

    def leave(self, request: bytes) -> None:
        client = self.client().send(request)
        self.assertTrue(wait_until(lambda: self.server.in_flight))
        client.close()

    def test_in_the_middle_of_a_body(self) -> None:
        """A client that leaves while its body is read: Starlette and Django raise, and no error is recorded."""

        async def page(request: Request) -> PlainTextResponse:
            return PlainTextResponse(await request.body())

        if not settings.configured:
            settings.configure(SECRET_KEY="x")
        django.setup()
        with override_settings(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], MIDDLEWARE=[]):
            for app in (Starlette(routes=[Route("/", page, methods=["POST"])]), ASGIHandler()):
                with self.subTest(app=app):
                    self.serve(app)
                    self.leave(post(b"ten bytes.")[:-6])
                    self.assertEqual("the client left in the middle of its request's body", self.only().aborted)
                    self.assertEqual([], self.errors())

    def test_before_the_answer(self) -> None:
        """A client that leaves before it is answered: the application ends, and the record says so."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await wait_for_departure(receive)
            await answer(send)

        self.serve(app, "auto")
        self.leave(post(b"ten bytes."))
        record = self.only()
        self.assertEqual(("the client left before it was answered", False), (record.aborted, record.completed))
        self.assertEqual([], self.errors())

    def test_in_the_middle_of_a_stream(self) -> None:
        """A client that leaves an endless stream of events ends it, without an error."""

        async def events() -> AsyncIterator[str]:
            while True:
                yield "data: tick\n\n"
                await asyncio.sleep(0.01)

        async def page(_request: Request) -> StreamingResponse:
            return StreamingResponse(events(), media_type="text/event-stream")

        self.serve(Starlette(routes=[Route("/", page)]))
        response = self.get(stream=True)
        pieces = response.iter_content(4)  # kept, for a generator that is thrown away closes the connection
        self.assertEqual(b"data", next(pieces))
        (record,) = self.server.in_flight
        self.assertTrue(record.is_streaming)
        response.close()
        self.assertEqual("the client left in the middle of the response", self.only().aborted)
        self.assertEqual([], self.errors())

    def test_close_connections(self) -> None:
        """The server can cut every connection, and goes on."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/":
                await wait_for_departure(receive)
            else:
                await tell(scope, receive, send)

        self.serve(app, "auto")
        connection = self.begin()
        self.server.close_connections()
        self.assertRaises((ConnectionError, http.client.HTTPException), connection.getresponse)
        self.assertEqual("the server cut the connection before it was answered", self.only().aborted)
        self.assertEqual(200, self.get("/again").status_code)


class Errors(ASGICase):
    """What an application raises when its client has left."""

    def raised(self, handle: Any) -> list[str]:
        """What is held against an application that handles the departure so."""
        begun = threading.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            begun.set()
            await wait_for_departure(receive)
            await handle()

        self.serve(app, "auto")
        client = self.client().send(get())
        self.assertTrue(begun.wait(HANG))
        client.close()
        return self.errors()

    def test_the_departure(self) -> None:
        """The departure itself is no error, whatever a framework makes of it."""

        async def fail(error: BaseException, cause: BaseException | None = None) -> None:
            raise error from cause

        for error in (ClientDisconnected("gone"), ClientDisconnect(), asyncio.CancelledError()):
            with self.subTest(error=error):
                self.assertEqual([], self.raised(lambda error=error: fail(error)))
        self.assertEqual([], self.raised(lambda: fail(ValueError("upload"), ClientDisconnected("gone"))))

    def test_the_application(self) -> None:
        """What the application raises by itself is an error, also while it handles the departure."""

        async def misspelt() -> None:
            try:
                raise ClientDisconnected("gone")
            except OSError:
                undefined  # type: ignore[name-defined]  # noqa: B018, F821

        async def no_database() -> None:
            raise ConnectionRefusedError("no database")

        self.assertEqual(["""NameError("name 'undefined' is not defined")"""], self.raised(misspelt))
        self.assertEqual(["ConnectionRefusedError('no database')"], self.raised(no_database))

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
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, StreamingResponse

from liveserver_testcase.errors import ClientDisconnected
from tests.integration.web.asgi_case import PARSERS, ASGICase, answer_after, serve_page, tell
from tests.integration.web.wire import get, post
from tests.support import HANG, wait_until

urlpatterns: list[Any] = []  # Django reads a body before it looks for its view
START = {"type": "http.response.start", "status": 200, "headers": []}


async def wait_for_departure(receive: Any) -> None:
    """Receive until the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def wait_and_tell(scope: Any, receive: Any, send: Any) -> None:
    """Wait for the client's departure, except at /again."""
    if scope["path"] != "/again":
        await wait_for_departure(receive)
    await tell(scope, receive, send)


class Departures(ASGICase):
    """What is recorded of a client that leaves."""

    def assert_aborted(
        self, app: Any, request: bytes, reason: str, *, reads: bytes = b"", streams: bool = False
    ) -> None:
        """Fail unless this is recorded of a client that leaves behind this request, and nothing of the application."""
        self.serve(app)
        client = self.client().send(request)
        self.assertTrue(wait_until(lambda: self.server.in_flight))
        if reads:
            client.read_until(reads)
        self.assertEqual([streams], [record.is_streaming for record in self.server.in_flight])
        client.close()
        record = self.only()
        self.assertEqual((reason, False, []), (record.aborted, record.completed, self.errors()))

    def test_in_the_middle_of_a_body(self) -> None:
        """A client that leaves while its body is read: Starlette and Django raise, and no error is recorded."""

        async def page(request: Request) -> PlainTextResponse:
            return PlainTextResponse(await request.body())

        if not settings.configured:
            settings.configure(SECRET_KEY="x")
        django.setup()
        with override_settings(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], MIDDLEWARE=[]):
            for app in (serve_page(page), ASGIHandler()):
                with self.subTest(app=app):
                    reason = "the client left in the middle of its request's body"
                    self.assert_aborted(app, post(b"ten bytes.")[:-6], reason)

    def test_before_the_answer(self) -> None:
        """A client that leaves before it is answered: the application ends, and the record says so."""
        reason = "the client left before it was answered"
        self.assert_aborted(wait_and_tell, post(b"ten bytes."), reason)

    def test_in_an_event_stream(self) -> None:
        """A client that leaves an endless stream of events ends it, without an error."""

        async def events() -> AsyncIterator[str]:
            while True:
                yield "data: tick\n\n"
                await asyncio.sleep(0.01)

        async def page(_request: Request) -> StreamingResponse:
            return StreamingResponse(events(), media_type="text/event-stream")

        reason = "the client left in the middle of the response"
        self.assert_aborted(serve_page(page), get(), reason, reads=b"data", streams=True)

    def test_close_connections(self) -> None:
        """The server can cut every connection, and goes on."""
        self.serve(wait_and_tell, "auto")
        connection = self.begin()
        self.server.close_connections()
        self.assertRaises((ConnectionError, http.client.HTTPException), connection.getresponse)
        self.assertEqual("the server cut the connection before it was answered", self.only().aborted)
        self.assertEqual(200, self.get("/again").status_code)


class HalfClosed(ASGICase):
    """Clients that send no more, and read on."""

    def make_app(self, *, is_beside: bool) -> Any:
        """An application that answers slowly, and waits beside it for its client's departure, as frameworks do."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            while (await receive()).get("more_body"):
                pass
            departure = asyncio.ensure_future(wait_for_departure(receive)) if is_beside else None
            for turn in range(20):
                if turn == 10:
                    await send(START)
                if turn >= 10:
                    self.assertFalse(departure is not None and departure.done())
                    await send({"type": "http.response.body", "body": bytes(100_000), "more_body": True})
                await asyncio.sleep(0.001)
            await send({"type": "http.response.body"})
            if departure is not None:
                await departure  # the end of the response is one, too

        return app

    def test_slow_answers(self) -> None:
        """Every request that was sent whole is answered whole, and then the connection ends."""
        for parser in PARSERS:
            for is_beside in (False, True):
                with self.subTest(parser=parser, is_beside=is_beside):
                    self.serve(self.make_app(is_beside=is_beside), parser)
                    client = self.client().send(get() + post(b"body") + get()).half_close()
                    self.assertEqual([1_000_000] * 3, [len(client.answer().body) for _ in range(3)])
                    self.assertTrue(client.is_at_end())
                    self.wait_idle()
                    records = self.server.journal.entries()
                    self.assertEqual([(True, "")] * 3, [(record.completed, record.aborted) for record in records])
                    self.assertEqual([], self.errors())

    def test_starlette(self) -> None:
        """A stream comes whole that Starlette would end with its client."""

        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(10):
                await asyncio.sleep(0.001)
                yield bytes(1000)

        async def page(_request: Request) -> StreamingResponse:
            return StreamingResponse(pieces())

        self.serve(serve_page(page))
        client = self.client().send(get()).half_close()
        self.assertEqual(10_000, len(client.answer().body))
        self.assertTrue(client.is_at_end())
        self.assertEqual([], self.errors())

    def test_what_is_not_whole(self) -> None:
        """A connection that waits for its client ends at once; so does one behind the last whole request."""
        for parser in PARSERS:
            for rest in (b"", get()[:-1], post(b"body")[:-1]):
                for whole in (0, 1):
                    with self.subTest(parser=parser, rest=rest, whole=whole):
                        self.serve(self.make_app(is_beside=False), parser)
                        client = self.client().send(get() * whole + rest).half_close()
                        for _ in range(whole):
                            self.assertEqual(1_000_000, len(client.answer().body))
                        self.assertTrue(client.is_at_end())
                        self.assertEqual([], self.errors())

    def test_a_stop(self) -> None:
        """A stop waits for the response, and no longer."""
        for parser in PARSERS:
            with self.subTest(parser=parser):
                go = threading.Event()
                self.serve(answer_after(go), parser)
                client = self.client().send(get()).half_close()
                self.assertTrue(wait_until(lambda: self.server.in_flight))
                with self.stopping():
                    go.set()
                    self.assertEqual(b"hello", client.answer().body)
                self.assertTrue(client.is_at_end())
                self.assertTrue(self.only().completed)

    def test_before_the_answer(self) -> None:
        """Until it is answered, a half-closed client is taken for one that has left, by the record alone."""
        go = threading.Event()
        self.serve(answer_after(go), "auto")
        client = self.client().send(get()).half_close()
        self.assertTrue(wait_until(lambda: [each for each in self.server.in_flight if each.aborted]))
        self.assertEqual("the client left before it was answered", self.server.in_flight[0].aborted)
        go.set()
        self.assertEqual(b"hello", client.answer().body)
        record = self.only()
        self.assertEqual((True, ""), (record.completed, record.aborted))

    def test_one_that_leaves(self) -> None:
        """A client that leaves behind its last byte is noticed by what is sent to it."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            departure = asyncio.ensure_future(wait_for_departure(receive))
            await send(START)
            while not departure.done():
                await send({"type": "http.response.body", "body": b"tick", "more_body": True})
                await asyncio.sleep(0.001)

        for parser in PARSERS:
            with self.subTest(parser=parser):
                self.serve(app, parser)
                client = self.client().send(get()).half_close()
                client.read_until(b"tick")
                client.close()
                self.assertEqual("the client left in the middle of the response", self.only().aborted)
                self.assertEqual([], self.errors())


class Errors(ASGICase):
    """What an application raises when its client has left."""

    def test_each(self) -> None:
        """The departure itself is no error, whatever a framework makes of it; anything else is one."""

        async def fail(error: BaseException, cause: BaseException | None = None) -> None:
            raise error from cause

        async def misspelt() -> None:
            try:
                raise ClientDisconnected("gone")
            except OSError:
                undefined  # type: ignore[name-defined]  # noqa: B018, F821

        table: dict[str, tuple[Any, list[str]]] = {
            "ours": (lambda: fail(ClientDisconnected("gone")), []),
            "Starlette's": (lambda: fail(ClientDisconnect()), []),
            "a cancelled task": (lambda: fail(asyncio.CancelledError()), []),
            "caused by it": (lambda: fail(ValueError("upload"), ClientDisconnected("gone")), []),
            "raised while it is handled": (misspelt, ["""NameError("name 'undefined' is not defined")"""]),
            "of another connection": (
                lambda: fail(ConnectionRefusedError("no database")), ["ConnectionRefusedError('no database')"],
            ),
        }  # fmt: skip
        for name, (handle, wanted) in table.items():
            with self.subTest(name):
                begun = threading.Event()

                async def app(scope: Any, receive: Any, send: Any, handle: Any = handle, begun: Any = begun) -> None:
                    begun.set()
                    await wait_for_departure(receive)
                    await handle()

                self.serve(app, "auto")
                client = self.client().send(get())
                self.assertTrue(begun.wait(HANG))
                client.close()
                self.assertEqual(wanted, self.errors())

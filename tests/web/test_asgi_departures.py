"""Clients of an ASGI application that leave: their departure fails no test, an error of the application always does."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Any

from starlette.requests import ClientDisconnect

from liveserver_testcase.errors import ClientDisconnected
from liveserver_testcase.web.asgi import ASGIServer
from tests.support import HANG, NoLeaks, wait_until
from tests.web.wire import Client, get

__all__ = ["DepartureCase"]

SIZES = (1_000, 100_000, 20_000_000)


class DepartureCase(NoLeaks):
    """A server for one application."""

    def serve(self, app: Any, **options: Any) -> ASGIServer:
        server = ASGIServer(app, options={"lifespan": "off"}, **options)
        server.start()
        self.addCleanup(server.stop)
        return server

    def connect(self, server: ASGIServer) -> Client:
        client = Client(server.address)
        self.addCleanup(client.close)
        return client

    def errors(self, server: ASGIServer) -> list[str]:
        """What the application has raised, when every call has ended."""
        self.assertTrue(wait_until(lambda: not server.in_flight))
        return [repr(error) for _, error in server.take_errors()]


class Downloads(DepartureCase):
    """Responses that clients read in their own way."""

    def app(self, size: int, pieces: int) -> Any:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            length = (b"content-length", str(size).encode())
            await send({"type": "http.response.start", "status": 200, "headers": [length]})
            for number in range(pieces):
                body = {"body": b"x" * (size // pieces), "more_body": number + 1 < pieces}
                await send({"type": "http.response.body", **body})

        return app

    def test_sound(self) -> None:
        """Nothing is held against the application, however the client reads and leaves."""

        def read(client: Client, size: int) -> None:
            self.assertEqual(size, len(client.answer().body))

        def read_and_close(client: Client, size: int) -> None:
            read(client, size)
            client.close()

        def half_close(client: Client, _size: int) -> None:
            client.half_close()
            with contextlib.suppress(ConnectionError):
                while client.sock.recv(65536):
                    pass

        def reset(client: Client, _size: int) -> None:
            client.sock.recv(100)
            client.reset()

        def reset_at_once(client: Client, _size: int) -> None:
            client.reset()

        for size in SIZES:
            for pieces in (1, 10):
                server = self.serve(self.app(size, pieces))
                for leave in (read, read_and_close, half_close, reset, reset_at_once):
                    with self.subTest(size=size, pieces=pieces, leave=leave.__name__):
                        client = self.connect(server)
                        client.send(get("/", "Connection: close"))
                        leave(client, size)
                        self.assertEqual([], self.errors(server))
                server.stop()


class Errors(DepartureCase):
    """What an application raises when its client has left."""

    def raised(self, handle: Any) -> list[str]:
        """What is held against an application that handles the departure so."""
        begun = threading.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            begun.set()
            while (await receive())["type"] != "http.disconnect":
                pass
            await handle()

        server = self.serve(app)
        client = self.connect(server)
        client.send(get())
        self.assertTrue(begun.wait(HANG))
        client.close()
        return self.errors(server)

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

"""Clients of an ASGI application that leave: their departure fails no test, an error of the application always does."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from starlette.requests import ClientDisconnect

from liveserver_testcase.errors import ClientDisconnected
from tests.integration.web.asgi_case import ASGICase
from tests.integration.web.wire import get
from tests.support import HANG


class Errors(ASGICase):
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

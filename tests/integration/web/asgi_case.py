"""A server for one ASGI application, clients for it, and what has become of its requests."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import re
import threading
from collections.abc import Iterator
from typing import Any

import requests
from starlette.applications import Starlette
from starlette.routing import Route

from liveserver_testcase.core.server import State
from liveserver_testcase.errors import ServerStartError, UnfinishedWorkWarning
from liveserver_testcase.web.asgi import ASGIServer
from liveserver_testcase.web.records import RequestRecord
from tests.integration.web.wire import Client
from tests.support import HANG, NoLeaks, call_in_thread, wait_until

NEVER = 10 * HANG
PARSERS = ("httptools", "h11")


class ASGICase(NoLeaks):
    """Serves one application after the other; each server ends with the test at the latest."""

    server: ASGIServer

    def make(self, app: Any, **options: Any) -> ASGIServer:
        """Make a server."""
        self.server = ASGIServer(app, **options)
        self.addCleanup(self.server.stop)
        return self.server

    def serve(self, app: Any, parser: str | None = None, **options: Any) -> ASGIServer:
        """Start a server; with a parser it is one for an application without a lifespan."""
        if parser is not None:
            options["options"] = {"http": parser, "lifespan": "off"}
        self.make(app, **options).start()
        return self.server

    def get(self, path: str = "/", **options: Any) -> requests.Response:
        """Get a page."""
        return requests.get(self.server.url_for(path), timeout=HANG, **options)

    def connect(self) -> http.client.HTTPConnection:
        """A client of the standard library."""
        connection = http.client.HTTPConnection(*self.server.address, timeout=HANG)
        self.addCleanup(connection.close)
        return connection

    def client(self) -> Client:
        """A client that sends bytes, with TLS if the server wants it."""
        client = Client(self.server.address, self.server.client_context() if self.server.tls is not None else None)
        self.addCleanup(client.close)
        return client

    def begin(self, path: str = "/") -> http.client.HTTPConnection:
        """A client whose request is in flight."""
        before = len(self.server.in_flight)
        connection = self.connect()
        connection.request("GET", path)
        self.assertTrue(wait_until(lambda: len(self.server.in_flight) > before))
        return connection

    def stop_warned(self, timeout: float | None = None) -> str:
        """Stop; what was said of unfinished work."""
        with self.assertWarns(UnfinishedWorkWarning) as caught:
            self.server.stop(timeout)
        self.assertIs(State.STOPPED, self.server.state)
        return str(caught.warning)

    def wait_idle(self) -> None:
        """Wait for the end of every call, of those that last, too."""
        self.assertTrue(wait_until(lambda: not self.server.in_flight), "still in flight")

    def only(self) -> RequestRecord:
        """The one record, when it is complete."""
        self.wait_idle()
        (record,) = self.server.journal.entries()
        return record

    def errors(self) -> list[str]:
        """What the application has raised, when every call has ended."""
        self.wait_idle()
        return [repr(error) for _, error in self.server.take_errors()]

    def assert_start_fails(self, message: str) -> BaseException | None:
        """Fail unless the server cannot start for this reason; returns the cause."""
        wanted = rf"^<ASGIServer starting at http://127\.0\.0\.1:[0-9]+> could not start: {re.escape(message)}$"
        with self.assertRaisesRegex(ServerStartError, wanted) as caught:
            self.server.start()
        self.assertIs(State.FAILED, self.server.state)
        return caught.exception.__cause__

    @contextlib.contextmanager
    def stopping(self) -> Iterator[None]:
        """A block while which the server stops, once it has told every connection."""
        stopped = call_in_thread(self.server.stop)
        run = self.server._run
        self.assertTrue(wait_until(lambda: run is not None and all(each.is_last for each in run.connections)))
        yield
        stopped.result(HANG)
        self.assertIs(State.STOPPED, self.server.state)


async def answer(send: Any, body: bytes = b"hello", content_type: bytes = b"text/plain") -> None:
    """Answer with a body of a known length."""
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def wait_for_ever() -> None:
    await asyncio.get_running_loop().create_future()


def answer_after(go: threading.Event) -> Any:
    """An application that answers when the test says so, on a loop that is not blocked."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while not go.is_set():
            await asyncio.sleep(0.001)
        await answer(send)

    return app


def serve_page(page: Any, **options: Any) -> Starlette:
    """An application of Starlette's with this page at every path."""
    return Starlette(routes=[Route("/{name:path}", page, methods=["GET", "POST"])], **options)


async def tell(scope: Any, receive: Any, send: Any) -> None:
    """Answers with what it sees of the scope."""
    assert scope["type"] == "http"
    names = ("client", "scheme", "root_path", "path", "state")
    await answer(send, json.dumps({name: scope.get(name) for name in names}).encode(), b"application/json")

"""Applications that the tests of servers in processes have served in their children."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

from tests.integration.process.children import Particular, work_that_hangs

__all__ = ["Custom", "app", "bridged"]


class Custom(ValueError):
    """Can be pickled, and is known where it is imported."""


def app(environ: dict[str, Any], start_response: Any) -> Any:
    """Does what the path says."""
    path = environ["PATH_INFO"]
    if path == "/custom":
        try:
            int("x")
        except ValueError as error:
            raise Custom("not a number", 7) from error
    if path == "/particular":
        raise Particular(1, 2)
    if path == "/exit":
        os._exit(3)
    if path == "/kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if path == "/wait":
        _go_on.wait(600)
    if path == "/print":
        print("printed", environ["QUERY_STRING"])
    if path == "/go":
        _go_on.set()
    if path == "/stream":
        start_response("200 OK", [])
        return _stream()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{path} of {os.getpid()}".encode()]


_go_on = threading.Event()


def _stream() -> Iterator[bytes]:
    yield b"some"
    raise Custom("in the middle")


def broken() -> Any:
    """Cannot make it."""
    sys.stderr.write("looking for the database\n")
    raise Particular(3, 4)


async def hello(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answers."""
    if scope["type"] != "http":
        raise RuntimeError(f"no {scope['type']} here")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


async def stubborn(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Starts, and then ends neither a request nor itself."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(600)


def bridged() -> Any:
    """An application whose work another process does."""

    def serve(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        environ["wsgi.input"].read()
        work_that_hangs(os.environ["BRIDGE"])
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"hello"]

    return serve

"""Small WSGI applications to test against."""

from __future__ import annotations

import inspect
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import parse_qs

import requests

__all__ = ["Gate", "Routes", "answer", "make_app", "make_configured_app", "make_lifespan_app", "plain"]

Environ = dict[str, Any]
Start = Callable[..., Any]


def answer(start: Start, text: str = "fine", status: str = "200 OK") -> list[bytes]:
    """Answer with plain text."""
    body = text.encode()
    start(status, [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))])
    return [body]


class Routes:
    """An application of paths, each with a function like an application; a 404 for the rest."""

    def __init__(self, **routes: Callable[[Environ, Start], Iterable[bytes]]) -> None:
        self.routes = routes
        self.config: dict[str, object] = {}

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        route = self.routes.get(environ["PATH_INFO"].lstrip("/") or "index")
        return answer(start, "nothing here", "404 Not Found") if route is None else route(environ, start)


class Gate:
    """A route that answers when it is opened: with an exception, if it is given one."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.entered = threading.Event()
        self.open = threading.Event()

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        self.entered.set()
        self.open.wait(30)
        if self.error is not None:
            raise self.error
        return answer(start)


class _Closing:
    """A body whose ``close()`` raises."""

    def __iter__(self) -> Iterator[bytes]:
        return iter([b"fine"])

    def close(self) -> None:
        raise RuntimeError("raised in close()")


def _boom(environ: Environ, start: Start) -> Iterable[bytes]:
    raise RuntimeError("kaboom")


def _bang(environ: Environ, start: Start) -> Iterable[bytes]:
    raise LookupError("no such thing")


def _hidden(environ: Environ, start: Start) -> Iterable[bytes]:
    answer(start)
    return _stream_and_raise()


def _stream_and_raise() -> Iterator[bytes]:
    yield b"fi"
    raise RuntimeError("raised in the middle")


def _closing(environ: Environ, start: Start) -> Iterable[bytes]:
    answer(start)
    return _Closing()


def _call(environ: Environ, start: Start) -> Iterable[bytes]:
    """Call another server, as code under test does that knows its URL, and hide what becomes of it."""
    url = parse_qs(environ["QUERY_STRING"])["url"][0]
    return answer(start, str(requests.get(url, timeout=10).status_code))


def make_app(**more: Callable[[Environ, Start], Iterable[bytes]]) -> Routes:
    """An application with a page that works and several that do not."""
    routes: dict[str, Callable[[Environ, Start], Iterable[bytes]]] = {
        "index": lambda environ, start: answer(start),
        "boom": _boom,
        "bang": _bang,
        "middle": _hidden,
        "closing": _closing,
        "call": _call,
    }
    return Routes(**{**routes, **more})


def make_configured_app() -> Routes:
    """An application whose configuration has the port of the environment."""
    app = make_app()
    app.config["LIVESERVER_PORT"] = os.environ["SHOP_PORT"]
    return app


def make_lifespan_app(
    shut_down: Callable[[], Any] = lambda: None,
    start_up: Callable[[], Any] = lambda: None,
    answer: Callable[[], str] = lambda: "fine",
) -> Any:
    """An ASGI application that begins with one function, ends with another, or a coroutine, and answers with a text."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": answer().encode()})
            return
        start_up()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        ending = shut_down()
        if inspect.isawaitable(ending):
            await ending
        await send({"type": "lifespan.shutdown.complete"})

    return app


plain = make_app()  # to be named by an import string

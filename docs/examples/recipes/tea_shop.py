"""Applications for the recipes, in nothing but WSGI."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from typing import Any

Start = Callable[..., Any]


def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    """Sell tea: the price of one kind, as JSON."""
    prices = {"/assam": 450, "/sencha": 620}
    if environ["PATH_INFO"] == "/gunpowder":
        raise RuntimeError("the gunpowder is wet")
    price = prices.get(environ["PATH_INFO"])
    body = json.dumps({"cents": price}).encode()
    status = "200 OK" if price else "404 Not Found"
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def make_application() -> Callable[..., Iterable[bytes]]:
    """Make the shop."""
    return application


class Stopwatch:
    """A middleware that says how long a request took."""

    def __init__(self, inner: Callable[..., Iterable[bytes]]) -> None:
        self.inner = inner

    def __call__(self, environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        began = time.perf_counter()

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            took = time.perf_counter() - began
            return start_response(status, [*headers, ("Server-Timing", f"shop;dur={took * 1000:.3f}")], *more)

        return self.inner(environ, start)

"""Applications that answer each request and then raise an error that names its target."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["serve_asgi", "serve_wsgi"]


class _Body:
    def __init__(self, target: str) -> None:
        self.target = target

    def __iter__(self) -> Iterator[bytes]:
        return iter([b"fine"])

    def close(self) -> None:
        raise RuntimeError(f"raised for {self.target}")


def serve_wsgi(environ: dict[str, Any], start: Callable[..., Any]) -> _Body:
    """Answer, and raise when the body is closed: the connection is kept."""
    start("200 OK", [("Content-Length", "4")])
    return _Body(environ["PATH_INFO"])


async def serve_asgi(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer, and raise when the response is complete: the connection is kept."""
    if scope["type"] != "http":
        raise RuntimeError("this application only speaks HTTP")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"fine"})
    raise RuntimeError(f"raised for {scope['path']}")

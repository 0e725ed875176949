"""A WebSocket of an ASGI server: uvicorn's protocol takes over a connection that has asked for an upgrade."""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Iterator
from typing import Any

from .asgi_connection import ASGIConnection, ASGIRecord
from .asgi_cycle import RequestResponseCycle
from .asgi_protocol import ProtocolMixin

__all__ = ["link_websocket", "make_without_warnings"]


class _WebSocketMixin(ProtocolMixin):
    """Put before uvicorn's protocol for WebSockets, which takes over a connection in an upgrade."""

    def take_over(self, connection: ASGIConnection) -> None:
        """Go on with a connection that has asked for an upgrade."""
        self._connection = connection
        self.link(connection.server)

    async def _serve(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        query = scope["query_string"].decode("latin-1")
        path = scope["raw_path"].decode("latin-1").removeprefix(scope["root_path"])
        record = ASGIRecord("WEBSOCKET", f"{path}?{query}" if query else path, self._connection.address)
        record.version = f"HTTP/{scope['http_version']}"
        cycle = RequestResponseCycle(self._connection, record, has_body=True)
        self._connection.add(cycle)
        self._connection.is_upgrading = False
        await cycle.run(self._app, scope, receive, send)


@functools.cache
def link_websocket(base: type) -> type:
    """Return one of uvicorn's protocol classes for WebSockets, linked."""
    return type(f"Linked{base.__name__}", (_WebSocketMixin, base), {})


@contextlib.contextmanager
def _ignore_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def make_without_warnings(kind: type) -> contextlib.AbstractContextManager[object]:
    """Around the making of a protocol: older versions of uvicorn use what websockets has deprecated since."""
    if any(base.__module__.startswith("websockets.legacy") for base in kind.__mro__):
        return _ignore_warnings()
    return contextlib.nullcontext()

"""What stands before uvicorn's protocols, whether for HTTP or for WebSockets.

A connection is one of uvicorn's protocols with a mixin before it: the class is made by `link_http` or `link_websocket`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from .asgi import ASGIServer
    from .asgi_connection import ASGIConnection
    from .lifespan import ASGIApplication

__all__ = ["ProtocolMixin", "UvicornProtocol"]


class UvicornProtocol(Protocol):
    """What is used of uvicorn's protocols, whichever is chosen; each of these is there from version 0.30 on."""

    app: ASGIApplication
    access_log: bool
    ws_protocol_class: Any
    flow: Any  # pauses and resumes reading
    cycle: Any  # what runs the application
    transport: Any

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""

    def on_response_complete(self) -> None:
        """Go on after a response."""


class ProtocolMixin:
    """Put before one of uvicorn's protocol classes: notifies the server of its connection and of its calls."""

    _server: ASGIServer
    _connection: ASGIConnection

    def link(self, server: ASGIServer) -> None:
        """Tie a new protocol to its server."""
        uvicorn = cast(UvicornProtocol, self)
        self._server = server
        # the application that the protocol calls, with what uvicorn may have put around it
        self._app = server.app if uvicorn.app is server._call_app else uvicorn.app
        uvicorn.app = self._serve
        uvicorn.access_log = False  # the option of this name would take the handlers off the logger uvicorn.access

    async def _serve(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        raise NotImplementedError

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._connection.protocol = self
        cast(UvicornProtocol, super()).connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._connection.connection_lost()
        cast(UvicornProtocol, super()).connection_lost(exc)

"""A server for an ASGI application that has no lifespan, and clients that send bytes."""

from __future__ import annotations

from typing import Any

from liveserver_testcase.web.asgi import ASGIServer
from tests.integration.web.wire import Client
from tests.support import NoLeaks, wait_until

__all__ = ["ASGICase"]


class ASGICase(NoLeaks):
    """Serves ASGI applications, with either of uvicorn's parsers."""

    parsers = ("httptools", "h11")

    def serve(self, app: Any, parser: str = "auto", **options: Any) -> ASGIServer:
        """Start a server, which ends with the test."""
        server = ASGIServer(app, options={"http": parser, "lifespan": "off"}, **options)
        server.start()
        self.addCleanup(server.stop)
        return server

    def connect(self, server: ASGIServer) -> Client:
        """Connect to a server; the connection ends with the test."""
        client = Client(server.address)
        self.addCleanup(client.close)
        return client

    def errors(self, server: ASGIServer) -> list[str]:
        """What the application has raised, when every call has ended."""
        self.assertTrue(wait_until(lambda: not server.in_flight))
        return [repr(error) for _, error in server.take_errors()]

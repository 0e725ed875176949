"""The contract, held against the server of ASGI applications; its application works on the loop, so it blocks it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from liveserver_testcase.core.server import Server
from liveserver_testcase.web.asgi import ASGIServer
from tests.contracts import test_servers as other
from tests.contracts.server_contract import ServerContract
from tests.support import NoLeaks

__all__ = ["ASGIContract", "ASGITLSContract"]

Send = Callable[[dict[str, Any]], Awaitable[None]]


class ASGIContract(ServerContract, NoLeaks):
    """The server for an ASGI application."""

    half_said = other.WSGIContract.half_said
    answer = b"hello"
    ask = other.WSGIContract.ask
    check_answer = other.WSGIContract.check_answer
    test_a_client_that_does_not_read_is_cut = other.WSGIContract.test_a_client_that_does_not_read_is_cut

    def make_server(self, **options: Any) -> Server:
        return ASGIServer(self.app, **options)

    async def app(self, scope: dict[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]], send: Send) -> None:
        assert scope["type"] == "http"
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            if not message.get("more_body"):
                break
        self.work()
        length = (b"content-length", str(len(self.answer)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": self.answer})


class ASGITLSContract(ASGIContract):
    """The server for an ASGI application over TLS."""

    def make_server(self, **options: Any) -> Server:
        return ASGIServer(self.app, tls=True, **options)

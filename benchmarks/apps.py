"""The tiny application that every server serves, for WSGI and for ASGI.

``/`` answers at once and is what rates are measured with; the other paths hold a server up, so
that stopping it can be measured: ``/read`` reads the body, ``/big`` answers more than a socket
takes, ``/pieces`` the same in pieces, ``/sleep`` waits.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

BODY = b"hello"
#: What ``/pieces`` sends, and how often.
PIECE, PIECES = b"x" * 4096, 4096
#: How long ``/sleep`` holds its request, far longer than any server may take to stop.
SLEEP = 30.0


@functools.cache
def make_big() -> bytes:
    """Make more than the send and receive buffers of a loopback connection hold together: when it is first sent."""
    return b"x" * (16 * 1024 * 1024)


Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def hello(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer as a WSGI application; the body has a length, so a connection can be kept."""
    path = environ["PATH_INFO"]
    body = BODY
    if path == "/read":
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    elif path == "/big":
        body = make_big()
    elif path == "/pieces":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return (PIECE for _ in range(PIECES))
    elif path == "/sleep":
        threading.Event().wait(SLEEP)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


async def hello_asgi(scope: Message, receive: Receive, send: Send) -> None:
    """Answer as an ASGI application, what `hello` answers."""
    path = scope["path"]
    body = BODY
    if path == "/read":
        while (await receive()).get("more_body"):
            pass
    elif path == "/big":
        body = make_big()
    elif path == "/pieces":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        for _ in range(PIECES):
            await send({"type": "http.response.body", "body": PIECE, "more_body": True})
        await send({"type": "http.response.body"})
        return
    elif path == "/sleep":
        import asyncio

        await asyncio.sleep(SLEEP)
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})

"""What ties uvicorn's protocols to a server of ours; uvicorn itself is not imported."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
import warnings
from collections.abc import Iterator
from email.utils import formatdate
from typing import Any, Protocol, cast

from ..core.talk import Talk
from .asgi_call import Call, Caller, current_call
from .asgi_line import Line
from .lifespan import ASGIApplication

__all__ = ["Host", "KnowingTask", "SharedState", "link_class"]


class Host(Caller, Protocol):
    """What a protocol asks of its server."""

    app: ASGIApplication
    _call_app: ASGIApplication

    def _greet(self, transport: asyncio.BaseTransport) -> Talk: ...
    def _record_nonsense(self, line: Line) -> None: ...


class SharedState:
    """What uvicorn's protocols share: the four attributes of its ``ServerState``.

    uvicorn's main loop sets the headers of all responses once a second; here they are made when they are asked for.
    """

    def __init__(self, config: Any) -> None:
        self.total_requests = 0
        self.connections: set[object] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self._config = config
        self._second = -1
        self._headers: list[tuple[bytes, bytes]] = []

    @property
    def default_headers(self) -> list[tuple[bytes, bytes]]:
        """Date, Server and those of the options."""
        second = int(time.time())
        if second != self._second:
            date = [(b"date", formatdate(second, usegmt=True).encode())] if self._config.date_header else []
            self._headers = [*date, *self._config.encoded_headers]
            self._second = second
        return self._headers


class _Wire(Protocol):
    """What is used of uvicorn's protocols, whichever is chosen; each of these is there from version 0.30 on."""

    app: ASGIApplication
    access_log: bool
    ws_protocol_class: Any

    def connection_made(self, transport: asyncio.BaseTransport) -> None: ...
    def connection_lost(self, exc: Exception | None) -> None: ...
    def send_400_response(self, msg: str) -> None: ...


class _Linked:
    """Put before one of uvicorn's protocol classes: tells the server of its connection and of its calls."""

    _server: Host
    _line: Line | None = None

    def link(self, server: Host, line: Line | None = None) -> None:
        """Tie a new protocol to its server, and to the connection that it takes over in an upgrade."""
        wire = cast(_Wire, self)
        self._server, self._line = server, line
        # the application that the protocol calls, with what uvicorn may have put around it
        self._app = server.app if wire.app is server._call_app else wire.app
        wire.app = self._serve
        wire.access_log = False  # the option of this name would take the handlers off the logger uvicorn.access
        self._upgraded = getattr(self, "ws_protocol_class", None)
        if self._upgraded is not None:
            wire.ws_protocol_class = self._upgrade

    def _upgrade(self, **arguments: Any) -> Any:
        """What an HTTP protocol calls in place of the class of the WebSocket protocol."""
        if self._upgraded is None:
            raise RuntimeError("there is no protocol to upgrade to")
        with _calmly(self._upgraded):
            protocol = self._upgraded(**arguments)
        protocol.link(self._server, self._line)
        return protocol

    async def _serve(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if self._line is not None:
            await Call(self._server, self._line, scope).run(self._app, scope, receive, send)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        if self._line is None:
            self._line = cast(Line, self._server._greet(transport))
        self._line.protocol = self
        cast(_Wire, super()).connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        if self._line is not None:
            self._line.lose()
        cast(_Wire, super()).connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Record a request that could not be understood; called by uvicorn's protocols of HTTP."""
        if self._line is not None:
            self._server._record_nonsense(self._line)
        cast(_Wire, super()).send_400_response(msg)


@contextlib.contextmanager
def _ignore_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _calmly(kind: type) -> contextlib.AbstractContextManager[object]:
    """Around the making of a protocol: older versions of uvicorn use what websockets has deprecated since."""
    if any(base.__module__.startswith("websockets.legacy") for base in kind.__mro__):
        return _ignore_warnings()
    return contextlib.nullcontext()


@functools.cache
def link_class(base: type) -> type:
    """One of uvicorn's protocol classes, linked."""
    return type(f"Linked{base.__name__}", (_Linked, base), {})


class KnowingTask(asyncio.Task[Any]):
    """A task that knows for which call it was made; from Python 3.12 on its context is asked instead."""

    call: Call | None = None

    @classmethod
    def make(cls, loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
        """Make a task, as a loop's task factory; a plain one, which is faster, where there is nothing to know."""
        call = current_call()
        if call is None:
            return asyncio.Task(coro, loop=loop, **options)
        task = cls(coro, loop=loop, **options)
        task.call = call
        return task

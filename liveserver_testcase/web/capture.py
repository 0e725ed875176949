"""Headers and bodies of what a live application was sent and answered, for who wants to look at them or save them.

How it works: a middleware stands around the application, so that both engines and a process of its own are served
alike.  It puts a `Capture` on the request's record and adds to it what the application reads and sends.  Without it,
which is the rule, a record has no `Capture` and a request costs nothing more.
"""

from __future__ import annotations

import collections
import functools
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from werkzeug.wsgi import ClosingIterator

from ..core.interrupts import monotonic
from .asgi_cycle import current_cycle
from .records import RequestRecord

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

__all__ = ["Capture", "CapturedMessage", "Pairs", "WebSocketMessage", "capture_exchanges"]

Pairs: TypeAlias = list[tuple[str, str]]
"""Names and values, in order."""

_BODY_LIMIT = 1024 * 1024  # bytes that are kept of one body, enough for a page and its pictures
_TOTAL_LIMIT = 64 * 1024 * 1024  # bytes of bodies that a server keeps in all; the oldest are given up
_MESSAGE_LIMIT = 1000  # messages that are kept of one WebSocket


@dataclass
class CapturedMessage:
    """A request or a response.

    Attributes:
        headers: Names and values in the order in which they were sent.
        size: Bytes that the body had; more than are in `body` if not all were kept.
        kept: Those of it that are kept.
    """

    headers: Pairs
    size: int = 0
    kept: bytearray = field(default_factory=bytearray, repr=False)

    @property
    def body(self) -> bytes:
        """What was read or sent, without transfer coding; of a long one the beginning."""
        return bytes(self.kept)


@dataclass
class WebSocketMessage:
    """A message on a WebSocket, or, as far as its server knows of those, a control frame.

    Attributes:
        sent: Whether the server sent it; else it was received.
        at: When, on the monotonic clock.
        data: What it was, text or bytes; of a long one that an application was sent or sends the beginning.  Of the end
            the reason.
        kind: ``message``, ``ping``, ``pong`` or ``close``; of a live application's all are messages.
        code: Of the end, why: 1005 where no code was given.
    """

    sent: bool
    at: float
    data: str | bytes
    kind: Literal["message", "ping", "pong", "close"] = "message"
    code: int | None = None


@dataclass
class Capture:
    """What was exchanged for one request.

    Attributes:
        request: As far as it has been read.
        response: As the application sent it; without headers while there is none.
        messages: Of a WebSocket, the first 1,000.
    """

    request: CapturedMessage
    response: CapturedMessage
    messages: list[WebSocketMessage]


def capture_exchanges(app: Any, interface: Literal["wsgi", "asgi"]) -> Any:
    """Return an application that does what ``app`` does, and puts a `Capture` on the record of each request."""
    return _CapturingASGI(app) if interface == "asgi" else _CapturingWSGI(app)


class _CapturingApp:
    """An application around another one; captures what passes, and keeps no more bytes than there is room for."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self._lock = threading.Lock()  # guards what follows
        self._order: collections.deque[CapturedMessage] = collections.deque()
        self._kept = 0

    def _begin(self, record: RequestRecord, headers: Iterable[tuple[bytes, bytes]]) -> Capture:
        """Begin to capture a request."""
        record.capture = Capture(CapturedMessage(_decode(headers)), CapturedMessage([]), [])
        return record.capture

    def _add(self, message: CapturedMessage, item: object) -> None:
        """Add to a body; an item of another type is refused by who sends it."""
        if not isinstance(item, bytes | bytearray | memoryview):
            return
        data = bytes(item)
        message.size += len(data)
        data = data[: max(0, _BODY_LIMIT - len(message.kept))]
        if not data:
            return
        with self._lock:
            if not message.kept:
                self._order.append(message)
            message.kept += data
            self._kept += len(data)
            while self._kept > _TOTAL_LIMIT:
                oldest = self._order.popleft()
                self._kept -= len(oldest.kept)
                oldest.kept.clear()

    def __repr__(self) -> str:
        return repr(self.app)


class _CapturingWSGI(_CapturingApp):
    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        exchange = environ["liveserver.exchange"]
        capture = self._begin(exchange, exchange.head.headers)
        if exchange.body is not None:
            exchange.body.observe = functools.partial(self._add, capture.request)

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
            write = start_response(status, headers, exc_info)
            capture.response.headers = list(headers)

            def write_on(data: bytes) -> object:
                self._add(capture.response, data)
                return write(data)

            return write_on

        def tee(items: Iterable[bytes]) -> Iterator[bytes]:
            for item in items:
                self._add(capture.response, item)
                yield item

        result: Iterable[bytes] = self.app(environ, start)
        if type(result) is list or type(result) is tuple:  # which are sent as one, with a length
            return type(result)(tee(result))
        if isinstance(result, str | bytes) or not hasattr(result, "__iter__"):
            return result  # which the server refuses, and says why
        close = getattr(result, "close", None)
        return ClosingIterator(tee(result), [] if close is None else [close])


class _CapturingASGI(_CapturingApp):
    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> object:
        cycle = current_cycle() if scope["type"] in ("http", "websocket") else None
        if cycle is None:
            return await self.app(scope, receive, send)
        capture = self._begin(cycle.record, scope["headers"])

        def note(message: dict[str, Any], *, sent: bool) -> None:
            if len(capture.messages) < _MESSAGE_LIMIT:
                text = message.get("text")
                data = text if text is not None else message.get("bytes") or b""
                capture.messages.append(WebSocketMessage(sent, monotonic(), data[:_BODY_LIMIT]))

        async def receive_on() -> dict[str, Any]:
            message = await receive()
            if message["type"] == "http.request":
                self._add(capture.request, message.get("body", b""))
            elif message["type"] == "websocket.receive":
                note(message, sent=False)
            return message

        async def send_on(message: dict[str, Any]) -> None:
            kind = message.get("type")
            if kind in ("http.response.start", "websocket.accept", "websocket.http.response.start"):
                capture.response.headers = _decode(message.get("headers", ()))
            elif kind in ("http.response.body", "websocket.http.response.body"):
                self._add(capture.response, message.get("body", b""))
            elif kind == "websocket.send":
                note(message, sent=True)
            await send(message)

        return await self.app(scope, receive_on, send_on)


def _decode(headers: Iterable[tuple[bytes, bytes]]) -> Pairs:
    return [(bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in headers]

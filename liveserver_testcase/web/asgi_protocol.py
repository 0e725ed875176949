"""What stands before uvicorn's protocols: what comes from a client is checked before their parser is given it.

A connection is one of uvicorn's protocols with a mixin before it, a class that `link_protocol` makes.
Bytes come to the mixin first, which checks each request by the rules of `request_head` and hands on what is sound, one
request at a time: the next one when the response to the one before is complete.  So whatever is refused is refused when
it is its turn, by us, and recorded.

uvicorn's parsers accept what can be read in two ways, one of them loses the body of a request that offers another
protocol, and none has a limit for the time that a head may take.
"""

from __future__ import annotations

import asyncio
import functools
import re
import warnings
from typing import TYPE_CHECKING, Any

from ..core.interrupts import monotonic
from ..core.loop_connection import WriteBuffer
from .asgi_connection import ASGIConnection
from .asgi_cycle import RequestResponseCycle
from .records import RequestRecord
from .request_body import BodyFraming, make_framing
from .request_head import BadRequest, Head, HeadValidator, parse_head, split_request_line, split_target
from .response import plain_response

if TYPE_CHECKING:
    from .asgi import ASGIServer

    class _UvicornProtocol(asyncio.Protocol):
        """What is used of uvicorn's protocols, whichever is chosen; each of these is there from version 0.30 on."""

        app: Any  # what is called for the next request
        access_log: bool
        ws_protocol_class: Any
        flow: Any  # pauses and resumes reading
        cycle: Any  # what runs the application
        transport: Any

        def on_response_complete(self) -> None:
            """Go on after a response."""

else:
    _UvicornProtocol = object

__all__ = ["HTTPMixin", "WebSocketMixin", "link_protocol"]

_LINGER = 1.0  # seconds that a refused client gets to read the response before its connection is cut
_HELD_BACK = 64 * 1024  # bytes of later requests that are kept, while one is answered, before reading pauses
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"))
_UPGRADE = re.compile(rb"\r\nupgrade:[^\r\n]*", re.IGNORECASE)


class ProtocolMixin(_UvicornProtocol):
    """Put before one of uvicorn's protocol classes: notifies the server of its connection and of its calls."""

    _server: ASGIServer
    _connection: ASGIConnection

    def link(self, server: ASGIServer) -> None:
        """Tie a new protocol to its server."""
        self._server = server
        # the application that the protocol calls, with what uvicorn may have put around it
        self._app = server.app if self.app == server._call_app else self.app
        self.access_log = False  # the option of this name would take the handlers off the logger uvicorn.access

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._connection.protocol = self
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._connection.connection_lost()
        super().connection_lost(exc)


class WebSocketMixin(ProtocolMixin):
    """Put before uvicorn's protocol for WebSockets, which takes over a connection that has asked for an upgrade."""

    def take_over(self, connection: ASGIConnection) -> None:
        """Go on with the connection."""
        self._connection = connection
        self.link(connection.server)
        self.app = self._serve

    async def _serve(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        query = scope["query_string"].decode("latin-1")
        path = scope["raw_path"].decode("latin-1").removeprefix(scope["root_path"])
        target, version = f"{path}?{query}" if query else path, f"HTTP/{scope['http_version']}"
        record = RequestRecord("WEBSOCKET", target, self._connection.address, version)
        cycle = RequestResponseCycle(self._connection, record, has_body=True)
        self._connection.is_upgrading = False
        await cycle.run(self._app, scope, receive, send)


class HTTPMixin(ProtocolMixin):
    """Put before uvicorn's protocol for HTTP: checks each request before the parser below is given it."""

    _received = b""  # and not yet handed on: part of a head, or requests behind the current one
    _validator: HeadValidator | None = None  # of a head that comes in pieces
    _skipped_line = False  # the empty line before a head
    _head_timer: asyncio.TimerHandle | None = None
    _body: BodyFraming | None = None  # of the current request, while it comes
    _cycle: RequestResponseCycle | None = None  # of the current request
    _their_last: object = None  # what ran the application for the request before, in uvicorn's protocol
    _is_answering = False  # the response to it is not complete
    _discards = False  # a request was refused, and what follows is ignored

    def link(self, server: ASGIServer) -> None:
        """Tie a new protocol to its server."""
        super().link(server)
        self._websocket_class = self.ws_protocol_class
        if self._websocket_class is not None:
            self.ws_protocol_class = self._upgrade

    def _upgrade(self, **arguments: Any) -> Any:
        """What uvicorn calls in place of the class of the WebSocket protocol."""
        kind = self._websocket_class
        if any(base.__module__.startswith("websockets.legacy") for base in kind.__mro__):
            with warnings.catch_warnings():  # older versions of uvicorn use what websockets has deprecated since
                warnings.simplefilter("ignore")
                protocol = kind(**arguments)
        else:
            protocol = kind(**arguments)
        protocol.take_over(self._connection)
        return protocol

    # -- called by the transport ---------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._connection = self._server._connection_made(transport)  # type: ignore[assignment]
        super().connection_made(transport)
        self.transport = self._writes = WriteBuffer(transport)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if not self._discards:
            if self._received:
                self._received += data
            else:
                self._received = data
                self._connection.begin_request()
            self._hand_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._stop_head_timer()
        if self._validator is not None and not self._discards:
            record = self._make_record()
            record.aborted = self._connection.describe_loss(f"after {len(self._received)} bytes of a request's head")
            record.end()
            self._connection.add_record(record)
        self._received = b""
        super().connection_lost(exc)

    def eof_received(self) -> bool:
        """Answer on to a client that sends no more, but may read on: only a write shows whether it has left."""
        self._connection.is_half_closed = True
        cycle = self._cycle
        if cycle is None or cycle.only_waits() or not self._owes_only_response() or self._connection.is_tls:
            self._writes.close()  # over TLS asyncio closes, whatever is returned
            return False
        cycle.connection_lost()
        return True

    def _owes_only_response(self) -> bool:
        """Whether a response is to be completed for which nothing more of its request is awaited."""
        return self._is_answering and self._body is None and not self._discards

    # -- called by uvicorn's protocol ----------------------------------------------------------------------------

    def on_response_complete(self) -> None:
        """Go on with the next request, if it is here."""
        self._writes.flush()  # what is done from here on, the client need not wait for
        cycle = self._cycle
        if cycle is not None and not cycle.has_ended and cycle.task is None and cycle in self._connection.cycles:
            cycle.record.status, cycle.record.completed = 503, True  # uvicorn's own, beyond its limit_concurrency
            cycle.has_ended = True
            cycle.finish()
        super().on_response_complete()
        self._is_answering = False
        if self._writes.is_closing():
            self._discards = True  # that was the last one on the connection
        elif self._received and not self._discards:
            self._hand_on()
        if self._connection.is_half_closed and not (self._discards or self._owes_only_response()):
            self._writes.close()

    def send_400_response(self, msg: str) -> None:
        """Refuse what has passed all checks and is refused by uvicorn's parser."""
        self._refuse(BadRequest(400, "a request that uvicorn's parser does not take"))

    # -- requests ------------------------------------------------------------------------------------------------

    def _hand_on(self) -> None:
        """Hand on what has come, as far as it is sound and its turn."""
        try:
            while self._received and not self._discards:
                if self._body is not None:
                    if not self._hand_on_body(self._body):
                        return
                elif self._is_answering:
                    if len(self._received) > _HELD_BACK:
                        self.flow.pause_reading()  # uvicorn resumes it with the next request
                    return
                elif not self._hand_on_head():
                    return
        except BadRequest as refusal:
            self._refuse(refusal)

    def _hand_on_head(self) -> bool:
        """Hand on a head; False if it is not all there."""
        data, connection = self._received, self._connection
        if data[0] == 13 and self._validator is None and not self._skipped_line:  # one is forgiven: RFC 9112, 2.2
            if data == b"\r":
                return False
            if data[1] == 10:
                self._skipped_line = True
                self._received = data = data[2:]
                if not data:
                    return True
        end = data.find(b"\r\n\r\n") + 4
        if end < 4:
            if self._validator is None:
                self._validator = HeadValidator()
                self._head_timer = asyncio.get_running_loop().call_later(
                    self._server.header_timeout, self._on_head_timeout
                )
            self._validator.scan(data)
            return False
        self._stop_head_timer()
        was_partial = self._validator is not None
        self._validator = None
        self._skipped_line = False
        head = parse_head(data if end == len(data) else data[:end])
        self._received = data[end:]
        block = head.block
        if head.method not in _METHODS or head.target[0] not in "/*":
            # llhttp takes the methods of a list of its own, some of them for other protocols only; the framing is that
            # of any method, and the application is given the real one.  uvicorn takes a whole URL for a path.
            method = head.method if head.method in _METHODS else "POST"
            path, query, _ = split_target(head.target)
            line = f"{method} {path}?{query} {head.version}" if query else f"{method} {path} {head.version}"
            block = line.encode("ascii") + block[block.index(b"\r\n") :]
        if "HTTP_UPGRADE" in head.variables:
            if self._websocket_class is not None and _wants_websocket(head):
                # The connection goes with the request, and what has come behind it.
                self._is_answering = connection.is_upgrading = True
                self._writes.flush()
                self.transport = connection.transport
                rest, self._received = self._received, b""
                super().data_received(block)
                if rest and connection.protocol is not self:
                    connection.protocol.data_received(rest)
                return True
            block = _UPGRADE.sub(b"", block)  # which a server may ignore: RFC 9110, 7.8

        record = RequestRecord(head.method, head.target, connection.address, head.version)
        if head.length == 0:
            record.body_complete_at = record.arrived
        else:
            self._body = make_framing(head)
        self._cycle = RequestResponseCycle(connection, record, has_body=head.length == 0)
        self._is_answering = True
        self._their_last = self.cycle
        self.app = functools.partial(self._cycle.run, self._app)
        if was_partial:
            connection.begin_request()  # the next one came with the rest of the head
        super().data_received(block)
        return True

    def _hand_on_body(self, body: BodyFraming) -> bool:
        """Hand on what has come of the body; False if nothing has that is complete."""
        data = self._received
        end, piece = body.take(data, 0, len(data))
        self._received = data[end:]
        if body.finished:
            self._body = None
            if self._cycle is not None:
                self._cycle.record.body_complete_at = monotonic()
        if body.is_chunked:
            # The parser is given no chunk extensions, of which parsers understand different things, and no trailers,
            # which httptools would add to the headers.
            piece = b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""
            if body.finished:
                piece += b"0\r\n\r\n"
        if piece:
            super().data_received(piece)
        return end > 0  # then there may be more, such as what makes it a malformed one

    # -- refusals ------------------------------------------------------------------------------------------------

    def _on_head_timeout(self) -> None:
        self._refuse(BadRequest(408, f"a head that is not complete after {self._server.header_timeout:g} s"))

    def on_body_timeout(self) -> None:
        """Refuse a body of which nothing has come while the application waited for it."""
        self._refuse(BadRequest(408, f"a body of which nothing more came for {self._server.body_timeout:g} s"))

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _make_record(self) -> RequestRecord:
        """Return a record of a request of which there is no head."""
        method, target, version = split_request_line(self._received)
        return RequestRecord(method, target, self._connection.address, version)

    def _refuse(self, refusal: BadRequest) -> None:
        """Answer a request that is malformed, unless it has been answered, and end the connection."""
        if self._discards:
            return
        self._stop_head_timer()
        self._discards = True
        cycle = self._cycle if self._body is not None or self._is_answering else None
        record = self._make_record() if cycle is None else cycle.record
        record.refused = refusal.reason
        self._received = b""
        has_started = cycle is not None and cycle.has_started
        if not has_started:
            record.status, record.completed = refusal.status, True
            record.response_begun_at = monotonic()
            record.end()
        if cycle is None:
            self._connection.add_record(record)
        else:
            # The application is to know that there is nobody to read its response, of which nothing more is sent.
            cycle.is_gone = True
            cycle.has_ended = cycle.has_ended or not has_started
            cycle.has_started = True
            if self.cycle is self._their_last:
                cycle.finish()  # the application has not been called, and will not be
            else:
                self.cycle.disconnected = True
                self.cycle.message_event.set()
        transport = self._writes
        if has_started:
            transport.close()  # what was sent stays; uvicorn ends a response that had begun no more
            return
        transport.write(plain_response(refusal.status, refusal.reason, has_body=record.method != "HEAD"))
        transport.flush()
        if transport.can_write_eof():
            # a close with unread bytes would reset the response away: RFC 9112, 9.6
            transport.write_eof()
            self.flow.resume_reading()
            asyncio.get_running_loop().call_later(_LINGER, transport.abort)
        else:
            transport.close()


def _wants_websocket(head: Head) -> bool:
    """Return True if the head asks for a WebSocket.  Source: RFC 6455, 4.1."""
    variables = head.variables
    options = [option.strip(" \t") for option in variables.get("HTTP_CONNECTION", "").lower().split(",")]
    return (
        head.method == "GET"
        and head.version == "HTTP/1.1"
        and head.length == 0
        and variables["HTTP_UPGRADE"].lower() == "websocket"
        and "upgrade" in options
    )


@functools.cache
def link_protocol(mixin: type[ProtocolMixin], base: type) -> type:
    """Return one of uvicorn's protocol classes with a mixin before it."""
    return type(f"Linked{base.__name__}", (mixin, base), {})

"""Send a reply as it says: with its delays, in its pieces, and with its fault."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, NoReturn

from ..core.text import count
from ..errors import ClientDisconnected, UsageError
from ..web.records import Exchange
from ..web.response import ResponseWriter, describe_status
from .connection import GARBAGE, StubConnection
from .faults import Fault, FaultPlan, FaultPoint
from .reply import Reply
from .request import RecordedRequest
from .stream import Pause

__all__ = ["ResponseSender"]

_NO_PIECE = object()
_LENGTH = re.compile(rb"\r\nContent-Length: (\d+)\r\n")


class _Enough(Exception):
    """No more of the body is to be sent."""


class ResponseSender:
    """One reply on its way to one client.

    Args:
        connection: The client's.
        exchange: The exchange, while it is served.
        request: What is answered.
        reply: What it is answered with.
    """

    def __init__(self, connection: StubConnection, exchange: Exchange, request: RecordedRequest, reply: Reply) -> None:
        response = exchange.response
        if response is None:
            raise RuntimeError(f"{exchange!r} is over")
        self._connection = connection
        self._exchange = exchange
        self._request = request
        self._reply = reply
        self._response: ResponseWriter = response

    def send(self) -> None:
        """Send all of it.

        Raises:
            ClientDisconnected: The client has left, the stub stops, or the reply is to end in another way.
        """
        reply, plan = self._reply, self._reply.fault
        self._inform()
        if reply.delay:
            self._connection.pause(reply.delay)  # a stop ends it: then the reply comes at once
        if plan is not None:
            self._check_fault(plan)
        if plan is not None and self._is_due(plan) and not self._spoil_head(plan):
            self._connection.misbehave(plan)
        if reply.raw is not None:
            self._send_raw(reply.raw, plan)
        self._response.begin_prepared(reply.head)
        if plan is not None and plan.point is FaultPoint.RESPONSE_BODY:
            self._spoil_body(plan)
        elif reply.stream is not None:
            self._send_stream()
        else:
            self._send_body()
        if plan is not None:
            self._fail_after(plan)

    def _check_fault(self, plan: FaultPlan) -> None:
        """Refuse a fault of which nothing would be seen: the client would get a perfect response.

        Raises:
            UsageError: Nothing would be; nothing has been sent.
        """
        self._reply.check_fault(plan)
        body, why = self._exchange.body, ""
        if plan.fault is Fault.NO_READ and (body is None or body.finished):
            why = "the request has no body" if body is None else "the body was read, since criteria look at it"
        elif plan.point is FaultPoint.RESPONSE_BODY and self._exchange.method == "HEAD":
            why = "a response to HEAD has no body"
        elif plan.fault is Fault.BAD_CHUNK and self._exchange.version != "HTTP/1.1":
            why = f"a client of {self._exchange.version} gets no chunks"
        if why:
            raise UsageError(f"{plan.describe()} cannot take effect: {why}")

    def _is_due(self, plan: FaultPlan) -> bool:
        """Whether it is to happen before anything of the response; a request that has no body fails no earlier."""
        return plan.point is FaultPoint.RESPONSE_START or (plan.is_early and plan.fault is not Fault.NO_READ)

    def _inform(self) -> None:
        """Send what comes before the response; HTTP/1.0 knows none of it."""
        for status, headers in self._reply.informational:
            lines = [f"HTTP/1.1 {describe_status(status)}", *(f"{name}: {value}" for name, value in headers), "", ""]
            if self._exchange.version == "HTTP/1.1":
                self._connection.send("\r\n".join(lines).encode("latin-1"))

    def _send_raw(self, pieces: tuple[bytes, ...], plan: FaultPlan | None) -> NoReturn:
        for piece in pieces:
            self._connection.send(piece)
        match = re.match(rb"HTTP/1\.[01] (\d{3})", pieces[0]) if pieces else None
        if match is not None:
            self._exchange.status = int(match[1])
        if plan is not None and plan.point is FaultPoint.RESPONSE_END:
            self._connection.misbehave(plan)
        raise self._connection.abandon("", linger=True)

    # -- the body --------------------------------------------------------------------------------------------------

    def _send_body(self) -> None:
        """Send a body that is known: whole, in chunks or slowly."""
        reply, response = self._reply, self._response
        if reply.chunks is None and not reply.body_delay and reply.throttle is None:
            response.finish(reply.body)
            return
        if response.has_no_body:
            response.finish(reply.body)
            return
        length = len(reply.body) if reply.chunks is None else None
        response.send_head(length)
        self._pause(reply.body_delay)
        for piece in [reply.body] if reply.chunks is None else reply.chunks:
            self._write(piece)
        response.finish(trailers=self._trailers())

    def _trailers(self) -> bytes:
        return "".join(f"{name}: {value}\r\n" for name, value in self._reply.trailers).encode("latin-1")

    def _write(self, piece: bytes) -> None:
        """Write a piece, as slowly as it must be."""
        throttle = self._reply.throttle
        if throttle is None:
            self._response.write(piece)
            return
        for start in range(0, len(piece), throttle.size):
            if self._response.sent:
                self._pause(throttle.seconds)
            self._response.write(piece[start : start + throttle.size])

    def _pause(self, seconds: float | None) -> None:
        """Wait in the middle of a response, which a stop ends."""
        if seconds != 0 and not self._connection.pause(seconds):
            raise self._connection.abandon("the stub stopped in the middle of the response")

    def _send_stream(self) -> None:
        """Send the pieces when they come; the first one does not wait for the second."""
        response, stream = self._response, self._reply.stream
        if response.has_no_body or stream is None:
            response.finish()
            return
        response.send_head()
        self._pause(self._reply.body_delay)
        self._each_piece(self._write_or_pause)
        if stream.keep_open:
            self._pause(None)
        response.finish(trailers=self._trailers())

    def _write_or_pause(self, piece: bytes | Pause) -> None:
        if isinstance(piece, Pause):
            self._pause(piece.seconds)
        elif piece:
            self._write(piece)

    def _each_piece(self, take: Callable[[bytes | Pause], None]) -> None:
        """Have ``take`` take each piece of the stream, and close what gives them."""
        stream = self._reply.stream
        if stream is None:
            return
        items = stream.open(self._request)
        try:
            while not self._connection.stopping.is_set():
                item = self._next(items)
                if item is _NO_PIECE:
                    return
                take(stream.encode(item))
            raise self._connection.abandon("the stub stopped in the middle of the response")
        finally:
            self._close(items)

    def _next(self, items: Iterator[object] | AsyncIterator[object]) -> object:
        if isinstance(items, AsyncIterator):
            return self._connection.run(_next_of(items))
        return next(items, _NO_PIECE)

    def _close(self, items: Any) -> None:
        close = getattr(items, "close", None) or getattr(items, "aclose", None)
        if close is None:
            return
        if isinstance(items, AsyncIterator):
            self._connection.server.loop.finish(close())
        else:
            close()

    # -- faults ----------------------------------------------------------------------------------------------------

    def _spoil_head(self, plan: FaultPlan) -> bool:
        """Have the head leave with a mistake in it; False: the fault is not about the head."""
        if plan.fault is Fault.BAD_STATUS_LINE:
            spoil = _spoil_status_line
        elif plan.fault is Fault.BAD_HEADER:
            spoil = _spoil_header
        else:
            return False
        self._divert(spoil)
        return True

    def _divert(self, spoil: Callable[[bytes], bytes]) -> None:
        """Send the first bytes, where the head is, as ``spoil`` changes them."""

        def wrap(send: Callable[[bytes], None]) -> Callable[[bytes], None]:
            heads = [spoil]

            def changed(data: bytes) -> None:
                send(heads.pop()(data) if heads else data)

            return changed

        self._response.wrap_send(wrap)

    def _spoil_body(self, plan: FaultPlan) -> None:
        """Send the head and a part of the body, and then what is planned."""
        reply, response = self._reply, self._response
        whole = None if reply.stream is not None else len(reply.body)
        left = plan.cut(whole)
        if plan.fault is Fault.WRONG_LENGTH:
            self._divert(lambda data: _LENGTH.sub(b"\r\nContent-Length: %d\r\n" % left, data, count=1))
            body = self._collect()
            if left >= len(body):
                raise UsageError(f"{plan.describe()} cannot take effect: the stream gave {count(len(body), 'byte')}")
            response.finish(body)
            raise self._connection.end_early(f"the stub was told to fail: {plan.describe()}", linger=True)
        chunked = plan.fault is Fault.BAD_CHUNK or reply.chunks is not None or whole is None
        response.send_head(None if chunked else whole)
        self._pause(reply.body_delay)
        if not self._send_part(left) and not response.framed:
            what = f"{plan.describe()} cannot take effect: the stream gave {count(response.sent, 'byte')} only"
            raise UsageError(f"{what}, and the end of the connection is the end of the body")
        if plan.fault is Fault.BAD_CHUNK:
            self._connection.send(b"zz\r\n" + GARBAGE)
        elif plan.fault is Fault.GARBAGE:
            self._connection.send(GARBAGE)
        kind = Fault.CLOSE if plan.fault in (Fault.TRUNCATE, Fault.BAD_CHUNK, Fault.GARBAGE) else plan.fault
        self._fail_as(plan, kind)

    def _send_part(self, size: int) -> bool:
        """Send the first ``size`` bytes of the body; whether there are as many."""
        left = size

        def take(piece: bytes | Pause) -> None:
            nonlocal left
            if isinstance(piece, Pause):
                self._pause(piece.seconds)
            elif left > 0:
                self._write(piece[:left])
                left -= len(piece)
            if left <= 0:
                raise _Enough

        try:
            if self._reply.stream is not None:
                self._each_piece(take)
            for piece in self._reply.chunks or [self._reply.body]:
                take(piece)
        except _Enough:
            return True
        return False

    def _collect(self) -> bytes:
        """The whole body, of a stream too."""
        if self._reply.stream is None:
            return self._reply.body
        pieces: list[bytes] = []
        self._each_piece(lambda piece: pieces.append(piece) if isinstance(piece, bytes) else None)
        return b"".join(pieces)

    def _fail_as(self, plan: FaultPlan, fault: Fault) -> None:
        try:
            self._connection.misbehave(FaultPlan(fault, plan.point))
        except ClientDisconnected as gone:
            gone.args = (f"the stub was told to fail: {plan.describe()}",)
            raise

    def _fail_after(self, plan: FaultPlan) -> None:
        """Do what is planned for when the response has been sent."""
        if plan.point is FaultPoint.RESPONSE_END:
            self._connection.misbehave(plan)
        elif plan.fault is Fault.NO_READ:
            raise self._connection.end_early(f"the stub was told to fail: {plan.describe()}")
        elif plan.point is FaultPoint.RESPONSE_START:  # a spoilt head, after which nobody knows where they are
            self._fail_as(plan, Fault.CLOSE)


async def _next_of(items: AsyncIterator[object]) -> object:
    return await anext(items, _NO_PIECE)


def _spoil_status_line(data: bytes) -> bytes:
    return re.sub(rb"^HTTP/1\.1 \d{3}", b"HTTP/1.1 2x0", data)


def _spoil_header(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\r\nthis is no header\r\n", 1)

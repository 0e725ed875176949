"""Send a reply as it says: the part that the client asks for, with its delays, in its pieces, and with its fault."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from werkzeug.datastructures import Range
from werkzeug.http import parse_date, parse_etags, parse_range_header, unquote_etag

from ..core.text import count
from ..errors import UsageError
from ..web.records import Exchange
from ..web.response import ResponseWriter, describe_status
from .connection import StubConnection
from .faults import FaultPlan, FaultPoint
from .reply import Reply
from .request import RecordedRequest
from .stream import Pause

__all__ = ["ResponseSender", "select"]

_NO_PIECE = object()


@dataclass(frozen=True)
class ResponseSender:
    """One reply on its way to one client."""

    connection: StubConnection
    exchange: Exchange  # while it is served
    response: ResponseWriter
    request: RecordedRequest
    reply: Reply

    def send(self) -> None:
        """Send all of it: what is informational, the head and the body, and as far as its fault lets it come."""
        connection, response, reply, plan = self.connection, self.response, self.reply, self.reply.fault
        for status, headers in reply.informational if self.exchange.version == "HTTP/1.1" else ():
            lines = [f"HTTP/1.1 {describe_status(status)}", *(f"{name}: {value}" for name, value in headers), "", ""]
            connection.send("\r\n".join(lines).encode("latin-1"))
        if reply.delay:
            connection.pause(reply.delay)  # a stop ends it: then the reply comes at once
        size = None if reply.stream is not None else len(reply.body)
        if plan is not None:
            plan.check(reply, self.exchange)
            if plan.precedes_response:
                connection.inject_fault(plan)
            if plan.effect.spoils is not None:
                pattern, replacement = plan.effect.spoils
                response.wrap_send(partial(_spoil_first, pattern, replacement % {b"size": plan.cut(size)}))
        if reply.raw is not None:
            for piece in reply.raw:
                connection.send(piece)
            match = re.match(rb"HTTP/1\.[01] (\d{3})", reply.raw[0]) if reply.raw else None
            if match is not None:
                self.exchange.status = int(match[1])
            if plan is not None and plan.point is FaultPoint.RESPONSE_END:
                connection.inject_fault(plan)
            raise connection.abandon("", linger=True)
        response.begin_prepared(reply.head)
        self._send_body(size, plan if plan is not None and plan.point is FaultPoint.RESPONSE_BODY else None)
        if plan is not None:
            connection.inject_fault(plan)

    def _send_body(self, size: int | None, plan: FaultPlan | None) -> None:
        """Send the head and the body: whole, piece by piece or slowly, and as far as a fault lets it come."""
        reply, response = self.reply, self.response
        if plan is not None and plan.effect.sends_all:
            body = b"".join(piece for piece in self._pieces() if isinstance(piece, bytes))
            if plan.cut(size) >= len(body):
                raise UsageError(f"{plan.describe()} cannot take effect: the stream gave {count(len(body), 'byte')}")
            response.finish(body)
            return
        in_pieces = reply.chunks is not None or reply.stream is not None
        is_whole = not (in_pieces or reply.body_delay or reply.throttle is not None or plan is not None)
        if is_whole or response.has_no_body:
            response.finish(reply.body)
            return
        response.send_head(None if in_pieces or (plan is not None and plan.effect.is_chunked) else size)
        self._pause(reply.body_delay)
        if plan is not None:
            if not self._send_pieces(plan.cut(size)) and not response.framed:
                what = f"{plan.describe()} cannot take effect: the stream gave {count(response.sent, 'byte')} only"
                raise UsageError(f"{what}, and the end of the connection is the end of the body")
            return
        self._send_pieces(None)
        if reply.stream is not None and reply.stream.keep_open:
            self._pause(None)
        trailers = "".join(f"{name}: {value}\r\n" for name, value in reply.trailers)
        response.finish(trailers=trailers.encode("latin-1"))

    def _send_pieces(self, left: int | None) -> bool:
        """Send each piece when it comes, but no more than ``left`` bytes; whether there are as many."""
        throttle = self.reply.throttle
        with contextlib.closing(self._pieces()) as pieces:
            for piece in pieces:
                if isinstance(piece, Pause):
                    self._pause(piece.seconds)
                    continue
                sent = piece[:left]
                size = len(sent) if throttle is None else throttle.size
                for start in range(0, len(sent), size or 1):
                    if throttle is not None and self.response.sent:
                        self._pause(throttle.seconds)
                    self.response.write(sent[start : start + size])
                if left is not None:
                    left -= len(piece)
                    if left <= 0:
                        return True
        return False

    def _pieces(self) -> Generator[bytes | Pause]:
        """Give the pieces of the body; closing this closes what they come from."""
        reply, connection = self.reply, self.connection
        if reply.stream is None:
            yield from [reply.body] if reply.chunks is None else reply.chunks
            return
        items = reply.stream.open(self.request)
        try:
            while not connection.stopping.is_set():
                if isinstance(items, AsyncIterator):
                    item = connection.run(_next_of(items))
                else:
                    item = next(items, _NO_PIECE)
                if item is _NO_PIECE:
                    return
                yield reply.stream.encode(item)
            raise connection.abandon("the stub stopped in the middle of the response")
        finally:
            close = getattr(items, "close", None) or getattr(items, "aclose", None)
            if close is not None and isinstance(items, AsyncIterator):
                connection.server.loop.finish(close())
            elif close is not None:
                close()

    def _pause(self, seconds: float | None) -> None:
        """Wait in the middle of a response, which a stop ends."""
        if seconds != 0 and not self.connection.pause(seconds):
            raise self.connection.abandon("the stub stopped in the middle of the response")


def _spoil_first(pattern: bytes, replacement: bytes, send: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """Have the first bytes, where the head is, changed before ``send`` gets them."""
    is_first = iter((True,))
    return lambda data: send(re.sub(pattern, replacement, data, count=1) if next(is_first, False) else data)


async def _next_of(items: AsyncIterator[object]) -> object:
    return await anext(items, _NO_PIECE)


# -- parts and conditions: RFC 9110, 13 and 14 -------------------------------------------------------------------------

_CONDITIONS = frozenset((
    "HTTP_IF_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_NONE_MATCH", "HTTP_IF_UNMODIFIED_SINCE", "HTTP_RANGE",
))  # fmt: skip


def select(reply: Reply, request: RecordedRequest) -> Reply:
    """Return what a client gets of ``reply``: all of it, a part, or that it has, or has not, changed.  Pure."""
    head = request.exchange.head if reply.selects and request.method in ("GET", "HEAD") else None
    if head is None or _CONDITIONS.isdisjoint(head.variables):
        return reply
    variables = head.variables
    etag, modified = reply.find_header("ETag"), parse_date(reply.find_header("Last-Modified"))
    status = _evaluate(etag, modified, variables)
    if status:
        left = tuple(pair for pair in reply.headers if not pair[0].lower().startswith("content-"))
        return reply.changed(status=status, reason=None, body=b"", headers=left, selects=False)
    wanted = parse_range_header(variables.get("HTTP_RANGE"))
    if request.method != "GET" or wanted is None or reply.find_header("Accept-Ranges") == "none":
        return reply
    # A client that has a part wants the rest of the same: RFC 9110, 13.1.5.
    condition = variables.get("HTTP_IF_RANGE")
    if condition is not None and '"' in condition:
        is_current = etag == condition and not condition.startswith("W/")
    else:
        is_current = condition is None or (modified is not None and parse_date(condition) == modified)
    return _cut(reply, wanted) if is_current else reply


def _evaluate(etag: str | None, modified: datetime | None, variables: Mapping[str, Any]) -> int:
    """Return 412 or 304, or 0 where the conditions let the request go on.  Source: RFC 9110, 13.2.2."""
    tag, is_weak = unquote_etag(etag)
    if "HTTP_IF_MATCH" in variables:
        known = parse_etags(variables["HTTP_IF_MATCH"])
        if not (known.star_tag or (tag is not None and not is_weak and known.is_strong(tag))):
            return 412
    elif modified is not None:
        unchanged_since = parse_date(variables.get("HTTP_IF_UNMODIFIED_SINCE"))
        if unchanged_since is not None and modified > unchanged_since:
            return 412
    if "HTTP_IF_NONE_MATCH" in variables:
        known = parse_etags(variables["HTTP_IF_NONE_MATCH"])
        return 304 if known.star_tag or (tag is not None and known.contains_weak(tag)) else 0
    changed_since = parse_date(variables.get("HTTP_IF_MODIFIED_SINCE"))
    return 304 if modified is not None and changed_since is not None and modified <= changed_since else 0


def _cut(reply: Reply, wanted: Range) -> Reply:
    """Return one part; a request for several gets all, as a server may answer it.  Source: RFC 9110, 14.2."""
    size = len(reply.body)
    if wanted.units != "bytes" or len(wanted.ranges) != 1:
        return reply
    start, stop, _ = slice(*wanted.ranges[0]).indices(size)  # of the last bytes the start is negative
    status, shown, dropped = 206, f"{start}-{stop - 1}", "content-length"
    if start >= stop:
        status, shown, dropped = 416, "*", "content-"
    left = [pair for pair in reply.headers if not pair[0].lower().startswith(dropped)]
    headers = (*left, ("Content-Range", f"bytes {shown}/{size}"))
    return reply.changed(status=status, reason=None, body=reply.body[start:stop], headers=headers, selects=False)

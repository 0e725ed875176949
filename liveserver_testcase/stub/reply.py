"""What the stub answers with."""

from __future__ import annotations

import functools
import gzip
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from ..core.checks import check_seconds, refuse_unknown
from ..core.text import count, quote
from ..errors import UsageError
from ..web.response import PreparedHead, describe_status, prepare_head
from .bodies import Headers, ReplyOptions, make_content, make_cookies, make_pairs, refuse_pair, split_headers
from .faults import FaultPlan
from .parsing import TOKEN
from .stream import Stream

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["WITHOUT_BODY", "Headers", "Reply", "ReplyOptions", "Throttle"]

WITHOUT_BODY = (204, 304)
"""Statuses of responses without a body, which have no length, either.  Source: RFC 9110, 6.4.1."""
_WITHOUT_CONTENT = (*WITHOUT_BODY, 205)  # RFC 9110, 15.3.6: its length is 0
_BYTES = (bytes, bytearray, memoryview)
_STAMPS = (("date", 1), ("server", 2))  # headers that the server adds, and their flags in `PreparedHead`
_FRAMING = ("content-length", "transfer-encoding", "trailer")  # RFC 9110, 6.5.1: not among trailers
_SMALL = 64 * 1024  # bytes of a body up to which another copy of it costs less than a second send
_KNOWN = tuple(ReplyOptions.__annotations__)
_describe_status = functools.cache(describe_status)  # there are no more than 400 of them


@dataclass(frozen=True)
class Throttle:
    """How slowly a body is sent: bytes at a time, and seconds from one time to the next."""

    size: int
    seconds: float


@dataclass(frozen=True, init=False, repr=False)
class Reply:
    """An immutable scripted answer, checked when it is made: what must not go on the wire is refused here.

    Args:
        status: The status code, 200 to 599.
        body: Bytes, sent as ``application/octet-stream``, or text, sent as ``text/html``; or an iterator of these, for
            one request.  Of bytes, and of a file, a client gets the range that it asks for, with status 206, and 304 if
            it has what ``ETag`` or ``Last-Modified`` say.
        headers: A mapping, or pairs; several values of one name in a list.  Content-Length, Date and Server are added
            on the way; None leaves out what would be added.
        json: Any JSON value, None for ``null``, sent as ``application/json``.
        text: Text, sent as ``text/plain``.
        html: Text, sent as ``text/html``.
        form: Names and values, sent as ``application/x-www-form-urlencoded``.
        file: The path of a file, which is read now; the type goes by its name.
        chunks: Pieces of bytes or text, each sent as a chunk.
        chunk_size: Bytes of each chunk in which the body is sent.
        cookies: Names and values, sent as Set-Cookie; a value can be a mapping with ``value`` and attributes.
        content_type: The Content-Type, in place of the one that goes with the body.  Text is sent in the charset that
            it names, else as UTF-8.
        reason: The words after the status code.
        trailers: Headers that follow the body, which is sent in chunks.
        informational: Statuses from 102 to 199 that are sent first, each a number or ``(number, headers)``.
        delay: Seconds before the answer; the client's leaving and the stop of the stub end them.
        body_delay: Seconds between the head and the body.
        throttle: Bytes a second, or ``(bytes, seconds)``: how slowly the body is sent.
        compress: ``"gzip"`` for a body that is sent compressed, whatever the client accepts.

    Attributes:
        body: The body, whole; of chunks all together, of a stream nothing.
        headers: Names and values, in order.
        chunks: The pieces of a body that is sent in chunks; None for one that is sent with its length.

    Raises:
        UsageError: More than one body, or a value that cannot be sent.
        TypeError: An unknown keyword; the message names the nearest.
    """

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    reason: str | None = None
    chunks: tuple[bytes, ...] | None = None
    stream: Stream | None = None  # gives the body of a streamed reply
    trailers: tuple[tuple[str, str], ...] = ()
    informational: tuple[tuple[int, tuple[tuple[str, str], ...]], ...] = ()
    delay: float = 0.0
    body_delay: float = 0.0
    throttle: Throttle | None = None
    fault: FaultPlan | None = None
    raw: tuple[bytes, ...] | None = None  # what is sent in place of a response, as it is
    left_out: tuple[str, ...] = ()  # the names, in lower case, of headers that it is not to have
    selects: bool = False  # a client can ask for a part of its body, or whether that has changed

    def __init__(
        self, status: int = 200, body: object = None, headers: Headers | None = None, **options: Unpack[ReplyOptions]
    ) -> None:
        if options:
            refuse_unknown("Reply", options, _KNOWN)
        if not isinstance(status, int) or isinstance(status, bool) or not 200 <= status <= 599:
            raise UsageError(f"status is {quote(status)}; wanted a number from 200 to 599")
        pairs, left_out = split_headers(headers)
        named = next((value for name, value in pairs if name.lower() == "content-type"), None)
        content_type = options.get("content_type")
        if content_type is not None:
            if named is not None:
                raise UsageError(
                    f"content_type is {quote(content_type)}, and among the headers is Content-Type {quote(named)}: "
                    "keep one of them"
                )
            if not isinstance(content_type, str):
                raise refuse_pair(("Content-Type", content_type))
            named = content_type
            pairs.append(("Content-Type", named))
        if named is not None and "content-type" in left_out:
            raise UsageError(f"the Content-Type is {quote(named)}, and among the headers it is None: keep one of them")
        kind, content = make_content(body, options, named)
        if content and named is None and "content-type" not in left_out:
            pairs.append(("Content-Type", kind))
        made: dict[str, Any] = {"status": status}
        if left_out:
            made["left_out"] = tuple(left_out)
        if options:
            pairs += make_cookies(options.get("cookies"))
            content = _make_options(made, options, content, pairs)
        if isinstance(content, bytes):
            made["body"] = content
            is_file = options.get("file") is not None
            made["selects"] = bool(content) and status == 200 and (is_file or isinstance(body, _BYTES))
        elif isinstance(content, tuple):
            made["chunks"], made["body"] = content, b"".join(content)
        else:
            made["stream"] = content
        made["headers"] = tuple(pairs)
        self.__dict__.update(made)
        self.checked()

    def checked(self) -> Reply:
        """Return it, if it can be sent; else that is a `UsageError`."""
        if self.has_no_content and (self.body or self.stream is not None):
            size = count(len(self.body), "byte") if self.body else "unknown length"
            raise UsageError(
                f"a response with status {self.status} has no body, but one of {size} "
                "was given: leave it out, or take another status"
            )
        for name, value in self.headers:
            _check_field(name, value)
            if name.lower() == "transfer-encoding":
                raise UsageError(f"header {name!r} is set by the server, which frames the body itself: leave it out")
            if name.lower() == "content-length":
                self._check_length(name, value)
        return self

    def _check_length(self, name: str, value: str) -> None:
        why, size = "", len(self.body)
        if self.chunks is not None or self.stream is not None:
            why = "the body is sent in pieces"
        # without a body it can be what a GET would have got, in the answer to a HEAD
        elif value != str(size) and (size or not re.fullmatch("[0-9]{1,18}", value)):
            why = f"the body has {count(size, 'byte')}"
        if why:
            raise UsageError(f"header {name!r} is {quote(value)}, but {why}: leave it out")

    # -- what is sent ----------------------------------------------------------------------------------------------

    def reply_to(self, _request: object) -> Reply:
        """It is its own answer, whatever the request."""
        return self

    @property
    def status_line(self) -> str:
        """Status and reason, such as ``404 Not Found``."""
        if self.reason is not None:
            return f"{self.status} {self.reason}"
        return _describe_status(self.status)

    @functools.cached_property
    def head(self) -> PreparedHead:
        """Status and headers, checked and encoded once."""
        code, fields, length, wants_close, has = prepare_head(self.status_line, self.headers)
        for name, flag in _STAMPS:
            has |= flag if name in self.left_out else 0
        return code, fields, length, wants_close, has

    @functools.cached_property
    def tail(self) -> bytes | None:
        """What follows the Date on a connection that stays, made once; None where that depends on the request."""
        _, _, length, wants_close, has_date_or_server = self.head
        if length is not None or wants_close or has_date_or_server or self.status in WITHOUT_BODY:
            return None
        size = len(self.body)
        return None if size > _SMALL else b"Content-Length: %d\r\n\r\n%b" % (size, self.body)

    @functools.cached_property
    def is_plain(self) -> bool:
        """Whether it is sent at once, with its length, and as it should be: nearly all are."""
        special = (self.chunks, self.stream, self.throttle, self.fault, self.raw)
        return not (self.delay or self.body_delay or self.informational) and special == (None,) * 5

    def find_header(self, name: str) -> str | None:
        """Find the first header of this name; None if there is none."""
        return next((value for known, value in self.headers if known.lower() == name.lower()), None)

    @property
    def has_no_content(self) -> bool:
        """Whether its status is one of a response without a body."""
        return self.status in _WITHOUT_CONTENT

    def with_defaults(self, *headers: tuple[str, str]) -> Reply:
        """Add these headers, but for those that it has itself, or is not to have."""
        own = {*(name.lower() for name, _ in self.headers), *self.left_out}
        more = tuple(pair for pair in headers if pair[0].lower() not in own)
        return self.changed(headers=(*self.headers, *more)) if more else self

    def changed(self, **values: Any) -> Reply:
        """Return it with other values for some of its attributes; unlike the keywords, these are not checked."""
        refuse_unknown("changed", values, Reply.__match_args__)
        made = object.__new__(Reply)
        made.__dict__.update({known.name: getattr(self, known.name) for known in fields(self)})
        made.__dict__.update(values)
        return made

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is made of the rest when it is wanted."""
        return {known.name: vars(self)[known.name] for known in fields(self) if known.name in vars(self)}

    def __repr__(self) -> str:
        own = {known.name: getattr(self, known.name) for known in fields(self)[1:]}
        said = [f"{name}={quote(value)}" for name, value in own.items() if value != getattr(Reply, name)]
        return f"Reply({', '.join([str(int(self.status)), *said])})"


def _make_options(
    made: dict[str, Any], options: ReplyOptions, content: Any, pairs: list[tuple[str, str]]
) -> bytes | tuple[bytes, ...] | Stream:
    """Put what is rarely given into ``made``; returns the body, cut and compressed."""
    made["delay"] = check_seconds("delay", options.get("delay", 0.0))
    made["body_delay"] = check_seconds("body_delay", options.get("body_delay", 0.0))
    reason = made["reason"] = options.get("reason")
    if reason is not None and (not isinstance(reason, str) or re.search(r"[\x00-\x1f\x7f\u0100-\U0010ffff]", reason)):
        raise UsageError(f"reason is {quote(reason)}; wanted Latin-1 text on one line")
    made["throttle"] = _make_throttle(options.get("throttle"))
    informational: Any = options.get("informational")
    if not isinstance(informational, Iterable | None):
        raise UsageError(f"informational is {quote(informational)}; wanted several statuses: [{quote(informational)}]")
    made["informational"] = tuple(map(_make_informational, informational or ()))
    trailers = options.get("trailers")
    if trailers is not None:
        made["trailers"] = tuple(make_pairs(trailers, "trailers"))
        for name, value in made["trailers"]:
            _check_field(name, value)
            if name.lower() in _FRAMING:
                raise UsageError(f"trailer {name!r} would come too late: it says how the body is read")
        pairs.append(("Trailer", ", ".join(name for name, _ in made["trailers"])))
        content = (content,) if isinstance(content, bytes) else content
    size = options.get("chunk_size")
    if size is not None:
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise UsageError(f"chunk_size is {quote(size)}; wanted a number of bytes, 1 or more")
        if isinstance(content, Stream) or "chunks" in options:
            raise UsageError(f"chunk_size is {size}, but the body comes in pieces of its own: leave it out")
        content = _cut_in_chunks(content if isinstance(content, bytes) else b"".join(content), size)
    coding = options.get("compress")
    if coding is not None:
        if coding != "gzip" or isinstance(content, Stream):
            what = "a stream is compressed by what gives it" if coding == "gzip" else "wanted 'gzip' or None"
            raise UsageError(f"compress is {quote(coding)}; {what}")
        pairs.append(("Content-Encoding", coding))
        packed = gzip.compress(content if isinstance(content, bytes) else b"".join(content), mtime=0)
        if isinstance(content, tuple):  # as many chunks as there were
            size = max(1, -(-len(packed) // max(1, len(content))))
            return _cut_in_chunks(packed, size)
        content = packed
    return content  # type: ignore[no-any-return]


def _cut_in_chunks(body: bytes, size: int) -> tuple[bytes, ...]:
    return tuple(body[start : start + size] for start in range(0, len(body), size))


def _make_throttle(throttle: object) -> Throttle | None:
    if throttle is None:
        return None
    size: Any
    seconds: Any
    size, seconds = throttle if isinstance(throttle, tuple) and len(throttle) == 2 else (throttle, 1.0)
    numbers = all(isinstance(n, int | float) and not isinstance(n, bool) and math.isfinite(n) for n in (size, seconds))
    if not numbers or size < 1 or seconds < 0 or (isinstance(throttle, tuple) and not isinstance(size, int)):
        raise UsageError(f"throttle is {quote(throttle)}; wanted bytes a second, or (bytes, seconds)")
    if not isinstance(throttle, tuple):
        seconds = 0.05 if size >= 20 else 1.0 / size  # often enough that it looks like a slow line
        size = max(1, int(size * seconds))
    return Throttle(size, check_seconds("throttle", seconds))


def _make_informational(item: object) -> tuple[int, tuple[tuple[str, str], ...]]:
    status, headers = item if isinstance(item, tuple) and len(item) == 2 else (item, ())
    if not isinstance(status, int) or isinstance(status, bool) or not 102 <= status <= 199:
        raise UsageError(
            f"informational has {quote(item)}; wanted numbers from 102 to 199, each by itself or as (number, headers)"
        )
    pairs = tuple(make_pairs(headers))
    for name, value in pairs:
        _check_field(name, value)
    return status, pairs


def _check_field(name: str, value: str) -> None:
    """Refuse a header that must not go on the wire."""
    if not TOKEN.fullmatch(name):
        raise UsageError(f"header name {quote(name)} is no token: wanted letters, digits and !#$%&'*+-.^_`|~ only")
    if re.search(r"[\r\n\0\u0100-\U0010ffff]", value):
        raise UsageError(
            f"header {name!r} has the value {quote(value)}; wanted Latin-1 without CR, LF and NUL "
            "(percent-encode the rest, or see RFC 8187)"
        )

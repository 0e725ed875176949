"""Bodies that come piece by piece: from a list, a generator or an asynchronous one, and as server-sent events."""

from __future__ import annotations

import inspect
import itertools
import json
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from ..core.checks import check_seconds, check_switch, is_count
from ..core.text import quote
from ..errors import UsageError

if TYPE_CHECKING:
    from .request import RecordedRequest

__all__ = [
    "Pause", "Stream", "StreamSource", "encode_piece", "format_event", "make_single_stream", "make_stream",
    "takes_arguments",
]  # fmt: skip

StreamSource: TypeAlias = "Iterable[object] | AsyncIterable[object] | Callable[..., object]"
"""What gives the pieces: an iterable, an asynchronous one, or a function that returns one anew for each request."""


@dataclass(frozen=True)
class Pause:
    """A piece of a stream: a time in which nothing is sent.

    Attributes:
        seconds: How long.  The wait ends early when the client leaves, or the stub stops.

    Raises:
        UsageError: It is no time that can be waited for.
    """

    seconds: float

    def __post_init__(self) -> None:
        check_seconds("Pause", self.seconds)


@dataclass(frozen=True)
class Stream:
    """What `Reply` keeps of a streamed body."""

    # gives the items for a request; a second call gives the same ones again, or says why it cannot
    source: Callable[[RecordedRequest], Iterable[object] | AsyncIterable[object]]
    encode: Callable[[object], bytes | Pause]  # makes of an item what is sent
    keep_open: bool = False  # whether the response stays open when the items are used up

    def open(self, request: RecordedRequest) -> Iterator[object] | AsyncIterator[object]:
        """Begin to give the items for ``request``."""
        items = self.source(request)
        if isinstance(items, AsyncIterable):
            return aiter(items)
        if isinstance(items, str | bytes | Mapping) or not isinstance(items, Iterable):
            raise UsageError(f"the stream's function gave {_describe(items)}; wanted an iterable of bytes and str")
        return iter(items)


def make_single_stream(items: Iterator[object] | AsyncIterator[object]) -> Stream:
    """Make a stream of an iterator, for one request: what it gives is not kept."""
    turns = itertools.count()

    def give(_request: RecordedRequest) -> Iterator[object] | AsyncIterator[object]:
        if next(turns):
            raise UsageError(
                "the iterator that is the body has been used up by an earlier request; "
                "give reply_stream() the function that makes it, or have reply_with() make the reply"
            )
        return items

    return Stream(give, encode_piece)


def make_stream(
    source: StreamSource, encode: Callable[[object], bytes | Pause] | None = None, *, keep_open: bool = False
) -> Stream:
    """Make a stream of what a test author gives."""
    encode = encode or encode_piece
    check_switch("keep_open", keep_open)
    if isinstance(source, Iterator | AsyncIterator):
        name = getattr(source, "__name__", "")
        name = name if name.isidentifier() else "ticks"
        raise UsageError(
            f"a stream of {_describe(source)}, which gives its pieces once, and each request wants them; "
            f"give the function that makes it, without calling it: reply_stream({name}), not reply_stream({name}())"
        )
    if isinstance(source, AsyncIterable):
        return Stream(lambda _request: source, encode, keep_open)
    if isinstance(source, Iterable) and not isinstance(source, str | bytes | bytearray | Mapping):
        items = tuple(source)
        for item in items:
            encode(item)  # what cannot be sent is refused here
        return Stream(lambda _request: items, encode, keep_open)
    if not callable(source):
        raise UsageError(f"a stream of {_describe(source)}; wanted an iterable of bytes and str, or a function")
    function: Callable[..., Any] = source
    wants_request = takes_arguments(function)
    return Stream(lambda request: function(request) if wants_request else function(), encode, keep_open)


def takes_arguments(function: Callable[..., Any]) -> bool:
    """Return True if ``function`` takes an argument by position that is not the default value of a closure."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # of a builtin without a signature
        return True
    by_position = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL)]
    return any(p.default is p.empty or p.name == "request" for p in by_position)


def encode_piece(item: object) -> bytes | Pause:
    """A piece of a stream as it is sent."""
    if isinstance(item, str):
        return item.encode()
    if isinstance(item, bytes | bytearray | memoryview):
        return bytes(item)
    if isinstance(item, Pause):
        return item
    raise UsageError(f"the stream gave {_describe(item)}; wanted bytes, str or Pause(seconds)")


_EVENT_FIELDS = ("event", "id", "retry", "comment", "data")


def format_event(item: object) -> bytes | Pause:
    """Write a server-sent event, see `Expectation.reply_sse`, as it is sent.  Source: the HTML standard, 9.2."""
    if isinstance(item, bytes | Pause):
        return item
    if isinstance(item, str):
        item = {"data": item}
    if not isinstance(item, Mapping) or not item or any(name not in _EVENT_FIELDS for name in item):
        known = ", ".join(map(repr, _EVENT_FIELDS))
        raise UsageError(
            f"an event is {_describe(item)}; wanted a str, a mapping with some of {known}, or Pause(seconds)"
        )
    lines = []
    for name in _EVENT_FIELDS:
        if name not in item:
            continue
        value = item[name]
        if name == "data" and not isinstance(value, str):
            try:
                value = json.dumps(value, allow_nan=False)
            except (TypeError, ValueError, RecursionError) as error:
                raise UsageError(f"an event's data {quote(value)} cannot be written as JSON: {error}") from error
        if name == "retry" and not is_count(value):
            raise UsageError(f"an event's retry is {quote(value)}; wanted a whole number of milliseconds")
        text = str(value)
        if name in ("data", "comment"):
            field = "" if name == "comment" else "data"
            lines += [f"{field}: {line}\n" for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
        elif any(char in text for char in "\r\n\0"):
            raise UsageError(f"an event's {name} is {quote(text)}; wanted one line")
        else:
            lines.append(f"{name}: {text}\n")
    return "".join([*lines, "\n"]).encode()


def _describe(value: object) -> str:
    return f"{quote(value)}, of type {type(value).__name__}"

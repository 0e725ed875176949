"""What the stub answers with."""

from __future__ import annotations

import functools
import json as json_module
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..errors import UsageError
from ..web.response import describe_status
from .wording import count, quote

__all__ = ["NOT_GIVEN", "Headers", "Reply", "make_reply"]

Headers = Mapping[str, str] | Iterable[tuple[str, str]]
"""A mapping, or pairs where a name comes twice."""

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, 5.6.2
_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([^\s;\"]+)", re.IGNORECASE)
_WITHOUT_BODY = (204, 304)  # RFC 9110, 6.4.1
_describe_status = functools.cache(describe_status)  # there are no more than 400 of them


class _NotGiven:
    """The default of an argument for which None is a value."""

    def __repr__(self) -> str:
        return "NOT_GIVEN"


NOT_GIVEN: Final = _NotGiven()


@dataclass(frozen=True)
class Reply:
    """An immutable scripted answer, checked when it is made: what must not go on the wire is refused here.

    Attributes:
        status: The status code, 200 to 599.
        body: The body, whole.
        headers: Names and values, in order; Content-Length, Date and Server are added on the way.
        delay: Seconds to wait before answering; the stop of the server ends the wait.

    Raises:
        UsageError: One of these cannot be.
    """

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    delay: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.status, int) or isinstance(self.status, bool) or not 200 <= self.status <= 599:
            raise UsageError(f"status is {quote(self.status)}; wanted a number from 200 to 599")
        if not isinstance(self.body, bytes):
            raise UsageError(f"body is a {type(self.body).__name__}; wanted bytes")
        if self.body and self.status in _WITHOUT_BODY:
            raise UsageError(
                f"a response with status {self.status} has no body, but one of {count(len(self.body), 'byte')} "
                "was given: leave it out, or take another status"
            )
        if not isinstance(self.headers, tuple):
            raise UsageError(f"headers are a {type(self.headers).__name__}; wanted a tuple of pairs")
        for pair in self.headers:
            _check_header(pair, self.body)
        number = isinstance(self.delay, int | float) and not isinstance(self.delay, bool)
        if not number or not 0 <= self.delay <= threading.TIMEOUT_MAX:
            raise UsageError(f"delay is {quote(self.delay)}; wanted a number of seconds, 0 or more")

    @property
    def status_line(self) -> str:
        """Status and reason, such as ``404 Not Found``."""
        return _describe_status(self.status)


def make_reply(
    status: int = 200,
    body: bytes | str | None = None,
    *,
    json: Any = NOT_GIVEN,
    text: str | None = None,
    headers: Headers | None = None,
    content_type: str | None = None,
    delay: float = 0.0,
) -> Reply:
    """Make a reply from what a test author writes.

    Args:
        status: The status code.
        body: Bytes, sent as ``application/octet-stream``, or text, sent as ``text/html``.
        json: Any JSON value, None for ``null``, sent as ``application/json``.
        text: Text, sent as ``text/plain``.
        headers: A mapping, or pairs where a name comes twice.
        content_type: The Content-Type, in place of the one that goes with the body.  Text is sent in the charset that
            it names, else as UTF-8.
        delay: Seconds before the answer.

    Raises:
        UsageError: More than one of ``body``, ``json`` and ``text``, or a value of the wrong kind.
    """
    values = (("body", body, None), ("json", json, NOT_GIVEN), ("text", text, None))
    given = [name for name, value, nothing in values if value is not nothing]
    if len(given) > 1:
        raise UsageError(f"a reply has one body, but {' and '.join(given)} were given: keep one of them")
    pairs = _make_pairs(headers)
    own = next((value for name, value in pairs if name.lower() == "content-type"), None)
    if content_type is not None:
        if own is not None:
            raise UsageError(
                f"content_type is {quote(content_type)}, and among the headers is Content-Type {quote(own)}: "
                "keep one of them"
            )
        pairs.append(("Content-Type", content_type))
    named = own if content_type is None else content_type
    kind, content = _make_content(body, json, text, named)
    if content and named is None:
        pairs.append(("Content-Type", kind))
    return Reply(status, content, tuple(pairs), delay)


def _make_content(body: object, json: object, text: object, named: str | None) -> tuple[str, bytes]:
    """The Content-Type that goes with a body, and the body's bytes."""
    if json is not NOT_GIVEN:
        try:
            return "application/json", json_module.dumps(json, allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise UsageError(f"json={quote(json)} cannot be written as JSON: {error}") from error
    if text is not None:
        if not isinstance(text, str):
            raise UsageError(f"text is a {type(text).__name__}; wanted str")
        return "text/plain; charset=utf-8", _encode("text", text, named)
    if isinstance(body, str):
        return "text/html; charset=utf-8", _encode("body", body, named)
    if body is None or isinstance(body, bytes | bytearray | memoryview):
        return "application/octet-stream", bytes(body or b"")
    raise UsageError(f"body is a {type(body).__name__}; wanted bytes or str (or json=… for a JSON value)")


def _encode(name: str, text: str, content_type: str | None) -> bytes:
    """Text in the charset that its Content-Type promises."""
    found = _CHARSET.search(content_type) if isinstance(content_type, str) else None
    charset = found[1] if found else "utf-8"
    try:
        return text.encode(charset)
    except (LookupError, ValueError) as error:
        raise UsageError(f"{name} {quote(text)} cannot be sent as {charset}: {error}") from error


def _make_pairs(headers: Headers | None) -> list[tuple[str, str]]:
    pairs = headers.items() if isinstance(headers, Mapping) else headers or ()
    if isinstance(pairs, str | bytes) or not isinstance(pairs, Iterable):
        raise UsageError(f"headers are {quote(headers)}; wanted a mapping, or pairs of name and value")
    made = [tuple(pair) if isinstance(pair, list) else pair for pair in pairs]
    for pair in made:
        _check_pair(pair)
    return made


def _check_pair(pair: object) -> None:
    if not isinstance(pair, tuple) or len(pair) != 2 or not all(isinstance(part, str) for part in pair):
        raise UsageError(f"header {quote(pair)} is no pair of texts: wanted a name and a value, both str")


def _check_header(pair: tuple[str, str], body: bytes) -> None:
    """Refuse a header that must not, or would not, go on the wire as it is written."""
    _check_pair(pair)
    name, value = pair
    if not _TOKEN.fullmatch(name):
        raise UsageError(f"header name {quote(name)} is no token: wanted letters, digits and !#$%&'*+-.^_`|~ only")
    if re.search(r"[\r\n\0\u0100-\U0010ffff]", value):
        raise UsageError(
            f"header {name!r} has the value {quote(value)}; wanted Latin-1 without CR, LF and NUL "
            "(percent-encode the rest, or see RFC 8187)"
        )
    lower = name.lower()
    if lower == "transfer-encoding":
        raise UsageError(f"header {name!r} is the server's business: it frames the body itself; leave it out")
    # without a body it can be what a GET would have got, in the answer to a HEAD
    if lower == "content-length" and value != str(len(body)) and (body or not re.fullmatch("[0-9]{1,18}", value)):
        raise UsageError(
            f"header {name!r} is {quote(value)}, but the body has {count(len(body), 'byte')}: leave it out"
        )

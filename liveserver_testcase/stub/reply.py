"""What the stub answers with."""

from __future__ import annotations

import json as json_module
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import UsageError

__all__ = ["Reply", "make_reply"]


@dataclass(frozen=True)
class Reply:
    """An immutable scripted answer.

    Attributes:
        status: The status code, 200 to 599.
        body: The body, whole.
        headers: Names and values, in order; a Content-Length and a Date are added on the way.
        delay: Seconds to wait before answering; a stop of the server ends the wait.
    """

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = field(default=())
    delay: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.status, int) or isinstance(self.status, bool) or not 200 <= self.status <= 599:
            raise UsageError(f"status is {self.status!r}; wanted a number from 200 to 599")
        if not isinstance(self.body, bytes):
            raise UsageError(f"body is a {type(self.body).__name__}; wanted bytes")
        if not isinstance(self.delay, int | float) or self.delay < 0:
            raise UsageError(f"delay is {self.delay!r}; wanted seconds, 0 or more")


def make_reply(
    status: int = 200,
    body: bytes | str | None = None,
    *,
    json: Any = None,
    text: str | None = None,
    headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
    content_type: str | None = None,
    delay: float = 0.0,
) -> Reply:
    """Make a reply from what a test author writes.

    Args:
        status: The status code.
        body: Bytes, or text that is sent as UTF-8.
        json: Any JSON value, sent as ``application/json``.  For a JSON ``null`` write ``body="null"``.
        text: Text, sent as ``text/plain; charset=utf-8``.
        headers: A mapping, or pairs where a name comes twice.
        content_type: The Content-Type, in place of the one that goes with the body.
        delay: Seconds before the answer.

    Raises:
        UsageError: More than one of ``body``, ``json`` and ``text``, or a value of the wrong kind.
    """
    given = [name for name, value in (("body", body), ("json", json), ("text", text)) if value is not None]
    if len(given) > 1:
        raise UsageError(f"a reply has one body, but {' and '.join(given)} were given: keep one of them")
    kind, content = "application/octet-stream", b""
    if json is not None:
        try:
            kind, content = "application/json", json_module.dumps(json).encode()
        except (TypeError, ValueError) as error:
            raise UsageError(f"json={json!r} cannot be written as JSON: {error}") from error
    elif text is not None:
        kind, content = "text/plain; charset=utf-8", _encode("text", text)
    elif isinstance(body, str):
        kind, content = "text/html; charset=utf-8", _encode("body", body)
    elif body is not None:
        if not isinstance(body, bytes | bytearray | memoryview):
            raise UsageError(f"body is a {type(body).__name__}; wanted bytes or str (or json=… for a JSON value)")
        content = bytes(body)
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers or ())
    for pair in pairs:
        if len(pair) != 2 or not all(isinstance(part, str) for part in pair):
            raise UsageError(f"header {pair!r} is no pair of texts: wanted a name and a value, both str")
    if content_type is not None:
        pairs = [pair for pair in pairs if pair[0].lower() != "content-type"] + [("Content-Type", content_type)]
    elif content and not any(name.lower() == "content-type" for name, _ in pairs):
        pairs.append(("Content-Type", kind))
    return Reply(status, content, tuple(pairs), delay)


def _encode(name: str, text: object) -> bytes:
    if not isinstance(text, str):
        raise UsageError(f"{name} is a {type(text).__name__}; wanted str")
    return text.encode()

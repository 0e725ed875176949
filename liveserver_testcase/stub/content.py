"""What `Script.serve_content` answers: one content for whatever nothing else matches."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from ..core.text import quote
from ..errors import UsageError
from .bodies import Headers
from .reply import Reply
from .responders import FormResponder, Responder

__all__ = ["Chunked", "Content", "ServedContent"]

Content: TypeAlias = "str | bytes | Iterable[str | bytes]"


class Chunked(enum.Enum):
    """Whether content is sent in chunks: never, always, or if its headers say ``Transfer-Encoding: chunked``."""

    NO = False
    YES = True
    AUTO = None

    def __bool__(self) -> bool:
        return bool(self.value)


class ServedContent:
    """What `Script.serve_content` was given, and the answer that is made of it.

    Raises:
        UsageError: One of these cannot be sent.
    """

    def __init__(
        self,
        content: Content = "",
        code: int = 200,
        headers: Headers | None = None,
        chunked: Chunked | bool | None = Chunked.NO,
        cookies: Mapping[str, str] | None = None,
        delay: float = 0.0,
        show_post_vars: bool = False,
    ) -> None:
        try:
            mode = Chunked(chunked.value if isinstance(chunked, Chunked) else chunked)
        except ValueError as error:
            raise UsageError(f"chunked is {quote(chunked)}; wanted Chunked.YES, Chunked.NO or Chunked.AUTO") from error
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers or ())
        plain = [pair for pair in pairs if len(pair) != 2 or str(pair[0]).lower() != "transfer-encoding"]
        says_chunked = any("chunked" in str(pair[-1]).lower() for pair in pairs if pair not in plain)
        in_chunks = mode is Chunked.YES or (mode is Chunked.AUTO and says_chunked)
        items = _list_items(content)
        self.content = content if isinstance(content, str | bytes) else items
        self.code = code
        self.headers = dict(headers) if isinstance(headers, Mapping) else pairs
        self.chunked = mode
        self._options: dict[str, Any] = {"cookies": cookies or {}, "delay": delay}
        self._show_post_vars = show_post_vars
        sent = pairs if mode is Chunked.NO else plain  # the server says by itself that it sends chunks
        if in_chunks:
            reply = Reply(code, headers=sent, chunks=[item for item in items if item], **self._options)
        else:
            is_text = all(isinstance(item, str) for item in items)
            body = "".join(items) if is_text else b"".join(map(_encode, items))  # type: ignore[arg-type]
            reply = Reply(code, body, sent, **self._options)
        self.answer: Responder = FormResponder(reply) if show_post_vars else reply

    def changed(self, **changes: Any) -> ServedContent:
        """Return the same but for ``changes`` of content, code, headers or chunked."""
        now = {name: getattr(self, name) for name in ("content", "code", "headers", "chunked")}
        return ServedContent(**{**now, **changes}, **self._options, show_post_vars=self._show_post_vars)


def _list_items(content: object) -> list[str | bytes]:
    """The pieces of content: of a generator all, so that every request gets them."""
    if isinstance(content, str | bytes):
        return [content]
    if isinstance(content, Mapping) or not isinstance(content, Iterable):
        raise UsageError(f"content is {quote(content)}; wanted text, bytes, or several pieces of either")
    items = list(content)
    for item in items:
        if not isinstance(item, str | bytes):
            raise UsageError(f"content has the piece {quote(item)}; wanted text or bytes")
    return items


def _encode(item: str | bytes) -> bytes:
    return item.encode() if isinstance(item, str) else item

"""What `Script.serve_content` answers: one content for whatever nothing else matches."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from ..core.text import quote
from ..errors import UsageError
from .answer import Answer, ShownForm
from .bodies import Headers
from .reply import Reply

__all__ = ["Chunked", "Content", "make_content_answer"]

Content: TypeAlias = "str | bytes | Iterable[str | bytes]"


class Chunked(enum.Enum):
    """Whether content is sent in chunks: never, always, or if its headers say ``Transfer-Encoding: chunked``."""

    NO = False
    YES = True
    AUTO = None

    def __bool__(self) -> bool:
        return bool(self.value)


def make_content_answer(
    content: Content,
    code: int,
    headers: Headers | None,
    *,
    chunked: Chunked | bool | None,
    cookies: Mapping[str, str] | None,
    delay: float,
    show_post_vars: bool,
) -> Answer:
    """Make an answer of what `Script.serve_content` is given.

    Raises:
        UsageError: One of these cannot be sent.
    """
    try:
        mode = Chunked(chunked.value if isinstance(chunked, Chunked) else chunked)
    except ValueError as error:
        raise UsageError(f"chunked is {quote(chunked)}; wanted Chunked.YES, Chunked.NO or Chunked.AUTO") from error
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers or ())
    plain = [pair for pair in pairs if len(pair) != 2 or str(pair[0]).lower() != "transfer-encoding"]
    says_chunked = any("chunked" in str(pair[-1]).lower() for pair in pairs if pair not in plain)
    in_chunks = mode is Chunked.YES or (mode is Chunked.AUTO and says_chunked)
    if mode is not Chunked.NO:
        pairs = plain  # the server says so itself
    items = _list_items(content)
    if in_chunks:
        reply = Reply(code, headers=pairs, chunks=[item for item in items if item], cookies=cookies or {}, delay=delay)
    else:
        is_text = all(isinstance(item, str) for item in items)
        body = "".join(items) if is_text else b"".join(map(_encode, items))  # type: ignore[arg-type]
        reply = Reply(code, body, pairs, cookies=cookies or {}, delay=delay)
    return ShownForm(reply) if show_post_vars else reply


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

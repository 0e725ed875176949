"""How values are written in a report.

What was received is somebody else's text: no character of it that could move a cursor, change a colour or turn the
direction of writing reaches the terminal, no length of it buries the report, and no secret of it is printed.
"""

from __future__ import annotations

import re

__all__ = ["count", "cut", "describe_error", "escape", "is_secret", "mask", "quote"]

_LONGEST = 120  # characters of one value: it is still read at a glance

# names of query parameters whose values must not be read in a log: api_key, accessToken, client_secret, X-Amz-Signature
_SECRET = re.compile(
    r"(?i)token|secret|passw|pwd|auth(?!or)|authoriz|signature|credential|session[-_]?id|^sig$|^sid$"
    r"|(?:api|access|account|private|shared|subscription)[-_]?key$"  # not an Idempotency-Key
)


def escape(text: str) -> str:
    r"""``text`` on one line and printable: any other character is written as ``\x1b`` or ``\u202e``."""
    return text if text.isprintable() else "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def cut(text: str) -> str:
    """``text``, or if it is long its beginning and its full length."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text):,} characters)"


def quote(value: object) -> str:
    """A value as it would be written in code, cut if it is long."""
    if isinstance(value, str | bytes) and len(value) > _LONGEST:
        return f"{value[:_LONGEST]!r}… ({len(value):,} {'characters' if isinstance(value, str) else 'bytes'})"
    return cut(repr(value))


def is_secret(name: str) -> bool:
    """Whether what has this name, or lies in this place, must not be read in a log."""
    return _SECRET.search(name) is not None


def mask(target: str) -> str:
    """A request's target without the secrets that a query can carry: passwords, tokens and keys become ``***``."""
    path, question, query = target.partition("?")
    parts = re.split("([&;])", query)
    for index, part in enumerate(parts):
        name, equals, value = part.partition("=")
        if value and (_SECRET.search(name) or name.lower() == "key"):  # as map services want it
            parts[index] = f"{name}{equals}***"
    return f"{path}{question}{''.join(parts)}"


def count(number: int, noun: str) -> str:
    """As in ``1 request``, ``3 requests``, ``12,000 bytes``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def describe_error(error: BaseException) -> str:
    """Its class and its message, on one line."""
    text = escape(str(error))
    return cut(f"{type(error).__name__}: {text}" if text else type(error).__name__)

"""How values are written in a report, a ``repr`` or a log.

What was received is somebody else's text: no character of it that could move a cursor, change a colour or turn the
direction of writing reaches the terminal, no length of it buries the report, and no secret of it is printed.

`quote`, `one_line` and `describe_error` do all three; `escape` and `masking.mask` do one each.
"""

from __future__ import annotations

from collections.abc import Callable

from .masking import mask

__all__ = ["count", "describe_error", "escape", "one_line", "quote"]

_LONGEST = 120  # characters of one value: it is still read at a glance
_LONGEST_ERROR = 1000  # of an exception: its text may be all that is known
_WINDOW = 10_000  # characters that are searched for secrets where 120 are shown: a body may have 100 MB


def escape(text: str) -> str:
    r"""``text`` on one line and printable: any other character is written as ``\x1b`` or ``\u202e``."""
    return text if text.isprintable() else "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def quote(value: object) -> str:
    """A value as it would be written in code, without its secrets, cut if it is long."""
    if isinstance(value, str):
        return _quote(value, mask(value[:_WINDOW]), "character")
    if isinstance(value, bytes):
        return _quote(value, mask(value[:_WINDOW]), "byte")
    return _shorten(repr(value))


def _quote(value: str | bytes, shown: str | bytes, unit: str) -> str:
    if len(shown) <= _LONGEST and len(value) <= _WINDOW:
        return repr(shown)
    return f"{shown[:_LONGEST]!r}… ({count(len(value), unit)})"


def one_line(text: str) -> str:
    """Somebody else's text without its secrets, printable on one line, cut if it is long."""
    return _shorten(text, escape)


def describe_error(error: BaseException) -> str:
    """Its class and its message, without secrets, on one line."""
    text = str(error)
    return _shorten(f"{type(error).__name__}: {text}" if text else type(error).__name__, escape, _LONGEST_ERROR)


def count(number: int, noun: str) -> str:
    """As in ``1 request``, ``3 requests``, ``12,000 bytes``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _shorten(text: str, change: Callable[[str], str] = str, longest: int = _LONGEST) -> str:
    """``text`` masked, changed and cut; the size that is named is what it had before."""
    shown = change(mask(text[:_WINDOW]))
    if len(shown) <= longest and len(text) <= _WINDOW:
        return shown
    return f"{shown[:longest]}… ({count(len(text), 'character')})"

"""How a report about emails writes its values.

Bodies and differences are not masked: the links and codes of an email are what a test looks at.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable

from ..core.text import count, escape, quote

__all__ = ["LONGEST_VALUE", "difference", "in_full", "shown", "size"]

LONGEST_VALUE = 100  # characters that are read at a glance; more is cut or goes on lines of its own
LONGEST_TEXT = 2000  # characters of a body in a report: a screenful
_MOST_LINES = 5000  # of a text that is compared line by line: beyond, it would take seconds
_MOST_ITEMS = 10


def size(number: int) -> str:
    """As in "812 bytes", "12 kB", "1.5 MB"; a kB is 1,000 bytes."""
    if number < 1000:
        return count(number, "byte")
    if number < 999_500:  # more is rounded to 1.0 MB
        return f"{number / 1000:.0f} kB"
    return f"{number / 1_000_000:.1f} MB"


def shown(value: object) -> str:
    """A value that a test wants, or a short one that was received, as it would be written in code."""
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, (list, tuple)):
        more = [f"… {len(value) - _MOST_ITEMS} more"] if len(value) > _MOST_ITEMS else []
        return f"[{', '.join([*map(shown, value[:_MOST_ITEMS]), *more])}]"
    if value is None or isinstance(value, re.Pattern) or not callable(value):
        return repr(value).removeprefix("<").removesuffix(">")  # <ANY> is ANY
    name = getattr(value, "__name__", type(value).__name__)
    code = getattr(value, "__code__", None)
    place = f" ({os.path.basename(code.co_filename)}:{code.co_firstlineno})" if code else ""
    return f"predicate {name}{place}"


def in_full(value: str | list[str]) -> str:
    """A value that was received: on this line if it is short, else on lines of its own, cut if long."""
    if isinstance(value, list) or (len(value) <= LONGEST_VALUE and "\n" not in value):
        return shown(value)
    return f"{len(value):,} characters:\n{_block(value.splitlines())}"


def _block(lines: Iterable[str], margin: str = "| ") -> str:
    """Lines behind a margin, printable, cut at `LONGEST_TEXT` with the full length named."""
    text = "\n".join(lines)
    cut = [margin + escape(line) for line in text[:LONGEST_TEXT].split("\n")]
    if len(text) > LONGEST_TEXT:
        cut.append(f"[cut: {LONGEST_TEXT:,} of {len(text):,} characters are shown]")
    return "\n".join(cut)


def difference(wanted: str, got: str, *, part: bool = False) -> str:
    """How two texts differ: side by side if they are short, else as a unified diff.

    Args:
        wanted: What the test wants.
        got: What was received.
        part: `wanted` is a fragment: of `got`, only the lines around what is nearest to it are compared.
    """
    if not part and max(len(wanted), len(got)) <= LONGEST_VALUE and "\n" not in wanted + got:
        return f"{wanted!r} != {got!r}" if got else f"{wanted!r} is wanted, but there is none"
    wanted_lines = [line.strip() for line in wanted.strip().splitlines()]
    got_lines = [line.strip() for line in got.splitlines()[:_MOST_LINES]]
    if part:
        got_lines = _around(wanted_lines, got_lines)
    lines = difflib.unified_diff(wanted_lines, got_lines, "wanted", "got", lineterm="", n=2)
    header = "" if part else "they differ so:\n"
    return header + _block(lines, margin="")


def _around(wanted: list[str], got: list[str]) -> list[str]:
    """The lines of `got` that can stand for `wanted`: around those that both have, and two more each way."""
    blocks = [
        block
        for block in difflib.SequenceMatcher(None, wanted, got, autojunk=False).get_matching_blocks()
        if block.size
    ]
    if not blocks:
        return got[: len(wanted) + 2]
    first, last = blocks[0], blocks[-1]
    start = max(0, first.b - first.a - 2)
    return got[start : last.b + len(wanted) - last.a + 2]

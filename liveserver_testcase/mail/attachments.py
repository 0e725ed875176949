"""Attachments as a test asks for them: by name, content type and content."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, TypeAlias, TypedDict

from ..core.text import escape
from ..errors import UsageError
from .mime import Attachment
from .wording import shown, size

__all__ = [
    "AttachmentWanted",
    "describe_attachment",
    "explain_attachments",
    "is_wanted",
    "refuse_attachment",
    "shown_attachment",
]

NameWanted: TypeAlias = "str | re.Pattern[str] | Callable[[str], object]"
ContentWanted: TypeAlias = "bytes | str | re.Pattern[str] | re.Pattern[bytes] | Callable[[bytes], object]"


class AttachmentFacts(TypedDict, total=False):
    """What one attachment must be, all at once."""

    name: NameWanted
    content_type: NameWanted
    content: ContentWanted


One: TypeAlias = "str | bytes | re.Pattern[str] | AttachmentFacts | Callable[[Attachment], object]"
AttachmentWanted: TypeAlias = "One | Sequence[One] | None"

_FACTS = ("name", "content_type", "content")
_LONGEST_BYTES = 40  # of a content in a report


def is_wanted(wanted: object, attachment: Attachment) -> bool:
    """Whether an attachment is the one that is meant.

    Args:
        wanted: A glob of its name, or with a slash of its content type; its bytes; a pattern to be found in its
            name; a mapping of ``name``, ``content_type`` and ``content``, all of which it must have; a callable
            that is asked about it.
        attachment: The attachment.
    """
    if isinstance(wanted, str):
        wanted = {"content_type" if "/" in wanted else "name": wanted}
    elif isinstance(wanted, bytes):
        wanted = {"content": wanted}
    elif isinstance(wanted, re.Pattern):
        wanted = {"name": wanted}
    if isinstance(wanted, Mapping):
        return not _missed_facts(wanted, attachment)
    return bool(wanted(attachment))  # type: ignore[operator]  # refuse_attachment has looked at it


def _missed_facts(wanted: Mapping[str, object], attachment: Attachment) -> list[str]:
    """Which of ``name``, ``content_type`` and ``content`` the attachment has otherwise."""
    return [fact for fact, value in wanted.items() if not _has(attachment, fact, value)]


def _has(attachment: Attachment, fact: str, wanted: object) -> bool:
    value = getattr(attachment, fact)
    if isinstance(wanted, bytes):
        return bool(value == wanted)
    if isinstance(wanted, re.Pattern):
        return bool(wanted.search(attachment.text if fact == "content" and _is_textual(wanted) else value))
    if isinstance(wanted, str):
        if fact == "content":
            return " ".join(wanted.split()) in " ".join(attachment.text.split())
        glob = wanted.lower() if fact == "content_type" else wanted
        return value == glob or fnmatchcase(value, glob)
    return bool(wanted(value))  # type: ignore[operator]


def _is_textual(pattern: re.Pattern[Any]) -> bool:
    return isinstance(pattern.pattern, str)


def refuse_attachment(name: str, wanted: object) -> None:
    """Raise UsageError for what no attachment, or every one, is.

    Args:
        name: Of the criterion, for the message.
        wanted: One attachment, as for `is_wanted`.
    """
    if isinstance(wanted, Mapping):
        for fact, value in wanted.items():
            _refuse_fact(name, wanted, fact, value)
        if wanted:
            return
    elif isinstance(wanted, re.Pattern):
        _refuse_fact(name, wanted, "name", wanted)
        return
    elif isinstance(wanted, (str, bytes)):
        if wanted:
            return
    elif callable(wanted):
        return
    raise UsageError(
        f"{name}={wanted!r}; wanted is a glob of the file's name, a content type, its bytes, a compiled pattern, a "
        "callable, a mapping of name, content_type and content, a list of these, unittest.mock.ANY, or None for "
        "absent."
    )


def _refuse_fact(name: str, wanted: object, fact: object, value: object) -> None:
    if fact not in _FACTS:
        near = difflib.get_close_matches(str(fact), _FACTS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(_FACTS)}."
        raise UsageError(f"{name}={wanted!r} has the unknown key {fact!r}; {hint}")
    if isinstance(value, re.Pattern):
        if fact != "content" and not isinstance(value.pattern, str):
            raise UsageError(f"{name}={wanted!r} has a pattern of bytes for {fact}; compile it from a str.")
    elif isinstance(value, bytes):
        if fact != "content":
            raise UsageError(f"{name}={wanted!r} has bytes for {fact}; it is a str.")
    elif not callable(value) and not (isinstance(value, str) and value):
        kinds = "a str, a compiled pattern or a callable"
        raise UsageError(f"{name}={wanted!r} has {value!r} for {fact}; wanted is {kinds}.")


def describe_attachment(attachment: Attachment) -> str:
    """An attachment on one line: name, content type and size."""
    name = escape(attachment.name) or "unnamed"
    return f"{name} {escape(attachment.content_type)} {size(len(attachment.content))}"


def explain_attachments(wanted: object, attachments: Iterable[Attachment]) -> str:
    """Why none of some attachments is the one that is meant."""
    told = []
    for attachment in attachments:
        line = describe_attachment(attachment)
        if isinstance(wanted, Mapping):
            line += f" (another {' and '.join(_missed_facts(wanted, attachment))})"
        told.append(line)
    return f"{shown_attachment(wanted)} is none of: {', '.join(told)}"


def shown_attachment(wanted: object) -> str:
    """What is wanted, as in a report: bytes are cut, and not printed by the megabyte."""
    if isinstance(wanted, bytes):
        return repr(wanted) if len(wanted) <= _LONGEST_BYTES else f"{wanted[:_LONGEST_BYTES]!r}… ({size(len(wanted))})"
    if isinstance(wanted, Mapping):
        return "{" + ", ".join(f"{key!r}: {shown_attachment(value)}" for key, value in wanted.items()) + "}"
    if isinstance(wanted, (list, tuple)):
        return "[" + ", ".join(map(shown_attachment, wanted)) + "]"
    return shown(wanted)

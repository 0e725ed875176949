"""The parts of an email: its texts and its attachments.

Python's parser builds the tree, out of `ParsedPart`, and this module adds what Python's ``get_body`` and
``iter_attachments`` lack: texts in several parts, names and charsets as mail clients read them, messages in any
transfer encoding, with the bytes as they were sent.  Nothing here raises on what was received; what had to be mended
is given to ``on_defect``.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from email.contentmanager import raw_data_manager
from email.feedparser import BytesFeedParser
from email.message import EmailMessage
from typing import Any, TypeVar, cast

from ..core.text import count, escape
from .decoding import OnDefect, decode_text, decode_transfer, split_uuencoded, unwrap_flowed
from .headers import MailPolicy, read_field

__all__ = [
    "POLICY", "Attachment", "Content", "ParsedPart", "describe_size", "mark_inline", "parse_message", "read_as_text",
    "read_content", "split_head",
]  # fmt: skip

T = TypeVar("T")
P = TypeVar("P", bound="ParsedPart")

# A limit against nonsense, far above any email that was meant to be read; what lies deeper is kept as an attachment.
_DEEPEST = 100
_EMPTY_LINES = re.compile(rb"(?:\r?\n){2,}")
_HEAD_END = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}")


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """A part of an email that is not its text: a file, an inline picture, a forwarded email.

    The name is the sender's and may hold anything, path separators too: do not write to it unseen.

    Attributes:
        name: The file name, decoded; empty if the part has none.
        content_type: In lower case, without parameters, as in ``application/pdf``.
        content: The bytes, transfer encoding removed; of a text and of an email too.
        disposition: ``attachment``, ``inline``, or empty if the sender did not say.
        content_id: Under which the HTML can show it (``cid:``), without brackets; empty if it has none.
        charset: Of a text, as declared; empty if the sender did not say.
        is_inline: Whether it is shown inside the email: the HTML refers to it, or it is an ``inline`` picture.
    """

    name: str
    content_type: str
    content: bytes = field(repr=False)
    disposition: str = ""
    content_id: str = ""
    charset: str = ""
    is_inline: bool = False

    def __str__(self) -> str:
        name = escape(self.name) or "unnamed"
        return f"{name} {escape(self.content_type)} {describe_size(len(self.content))}"

    @property
    def text(self) -> str:
        r"""The content as text, decoded as the email's own text is, with ``\n`` for line ends."""
        return _read_text(self.content, self.charset, "", _ignore)


@dataclass(frozen=True, kw_only=True)
class Content:
    """The texts and the attachments of an email."""

    text: str
    html: str
    attachments: tuple[Attachment, ...]
    defects: tuple[str, ...]


# -- the tree


def _get_text(part: EmailMessage, *_args: Any, **_options: Any) -> str:
    """Return what ``get_content`` returns of a text: the text in its charset, whichever that is."""
    return decode_text(_read_bytes(part, "", _ignore), part.get_content_charset() or "", "", _ignore)


def _ignore(_defect: str) -> None:
    """Leave out a defect that is found elsewhere."""


_contents = copy.deepcopy(raw_data_manager)
_contents.add_get_handler("text", _get_text)
POLICY = MailPolicy(content_manager=_contents)
"""The policy under which every email is parsed."""


class ParsedPart(EmailMessage):
    """A part of an email, as Python's parser makes it.

    To the parser a message in a part is bytes, because it would not keep them as they were sent, and would not decode a
    message that is sent in base64 at all.  Afterwards the message is parsed from its bytes, which are in ``enclosed``.
    What is wrong with the structure (defects of Python's, and phrases) is in ``parser_defects``.
    """

    parser_defects: list[Any]
    enclosed: bytes | None = None
    _is_complete = False

    def __init__(self, policy: Any = POLICY) -> None:
        super().__init__(policy)
        self.parser_defects = self.defects

    def get_content_type(self) -> str:
        """Return the content type; while the parser runs, a message is a file."""
        kind = super().get_content_type()
        return kind if self._is_complete or not kind.startswith("message/") else "application/octet-stream"

    def complete(self, depth: int = 0) -> Iterator[tuple[ParsedPart, int]]:
        """Show the part as it is, parse the message in it, and yield the parts to go on with, each with its depth."""
        self._is_complete = True
        if self.is_multipart():
            yield from ((part, depth) for part in cast("list[ParsedPart]", self.get_payload()))
        elif self.get_content_type().startswith("message/"):
            self.enclosed = _read_bytes(self, f"{self.get_content_type()} part", self.parser_defects.append)
            sources = [self.enclosed]
            if self.get_content_type() == "message/delivery-status":  # fields of the message, then of each recipient
                sources = [block + b"\r\n\r\n" for block in _EMPTY_LINES.split(self.enclosed) if block.strip()]
            if depth == _DEEPEST:
                self.parser_defects.append(f"MIME structure: parts nested deeper than {_DEEPEST}")
                return
            try:
                messages = [_feed(source, ParsedPart) for source in sources]
            except Exception as error:  # parts nested beyond Python's recursion limit, for one
                self.parser_defects.append(f"MIME structure: could not be read ({type(error).__name__})")
                return
            self.set_payload(cast("Any", messages))
            yield from ((message, depth + 1) for message in messages)


def parse_message(raw: bytes, root: Callable[..., P]) -> P:
    """Parse an email; ``root`` makes the root of the tree.  Python's parser may raise anything, RecursionError too."""
    message = _feed(raw, root)
    waiting: list[tuple[ParsedPart, int]] = [(message, 0)]
    while waiting:
        part, depth = waiting.pop()
        waiting += part.complete(depth)
    return message


def _feed(raw: bytes, root: Callable[..., P]) -> P:
    factories: list[Callable[..., Any]] = []

    def make(policy: Any) -> Any:
        return (factories.pop() if factories else ParsedPart)(policy=policy)

    # The parser tries its factory when it is made; the first message that it makes of what it is fed is the root.
    parser = BytesFeedParser(cast("Any", make), policy=POLICY)
    factories.append(root)
    parser.feed(raw)
    return cast("P", parser.close())


# -- what is in it


def read_content(root: ParsedPart) -> Content:
    """Return the texts and attachments of an email.

    The body is every ``text/plain`` (or ``text/html``) part that is no attachment, joined by line ends: an email that
    goes on after a picture is one text to its reader.  A text part is an attachment if its disposition says so, or if
    it has a file name and is not the first text part, unless it is an alternative in a ``multipart/alternative``.
    Files in uuencode inside of a text are attachments, too.
    """
    defects: list[str] = []
    texts: dict[str, list[str]] = {"text/plain": [], "text/html": []}
    attachments: list[Attachment] = []
    for part, is_alternative in _find_leaves(root, defects.append):
        leaf, parameters = _read_leaf(part, defects.append)
        is_text = leaf.content_type in texts and leaf.disposition != "attachment" and not part.is_multipart()
        if not is_text or (leaf.name and not is_alternative and any(texts.values())):
            attachments.append(leaf)
            continue
        text = _read_text(leaf.content, leaf.charset, f"{leaf.content_type} part", defects.append)
        if leaf.content_type == "text/plain":
            if parameters.get("format", "").lower() == "flowed":
                text = unwrap_flowed(text, delsp=parameters.get("delsp", "").lower() == "yes")
            text, files = split_uuencoded(text)
            kind = "application/octet-stream"
            attachments += [
                Attachment(name=name, content_type=kind, content=content, disposition="attachment")
                for name, content in files
            ]
        texts[leaf.content_type].append(text)
    return Content(
        text="\n".join(texts["text/plain"]),
        html="\n".join(texts["text/html"]),
        attachments=tuple(attachments),
        defects=tuple(defects),
    )


def read_as_text(raw: bytes, error: Exception) -> Content:
    """Return an email that cannot be parsed as a client without MIME shows it."""
    defects = [f"MIME structure: could not be read ({type(error).__name__})"]
    text = _read_text(split_head(raw)[1], "", "body", defects.append)
    return Content(text=text, html="", attachments=(), defects=tuple(defects))


def split_head(raw: bytes) -> tuple[bytes, bytes]:
    """Return the header of an email with the empty line that ends it, and what follows."""
    end = _HEAD_END.search(raw)
    return (raw[: end.end()], raw[end.end() :]) if end else (raw, b"")


def mark_inline(attachments: Sequence[Attachment], content_ids: Collection[str]) -> tuple[Attachment, ...]:
    """Return the attachments with those marked that are shown in the email, by the HTML or by their disposition."""
    return tuple(
        replace(each, is_inline=True)
        if (each.content_id and each.content_id in content_ids)
        or (each.disposition == "inline" and each.content_type.startswith("image/"))
        else each
        for each in attachments
    )


def _find_leaves(root: ParsedPart, on_defect: OnDefect) -> Iterator[tuple[ParsedPart, bool]]:
    """Yield every part that holds no others, in order, and whether it is an alternative; a message holds no others."""
    waiting = [(root, False, 0)]
    while waiting:
        part, is_alternative, depth = waiting.pop()
        for defect in part.parser_defects:
            on_defect(defect if isinstance(defect, str) else _describe_defect(defect))
        nests = part.is_multipart() and part.enclosed is None
        if not nests or depth == _DEEPEST:
            if nests:
                on_defect(f"MIME structure: parts nested deeper than {_DEEPEST}")
            yield part, is_alternative
            continue
        is_alternative = part.get_content_type() == "multipart/alternative"
        children = cast("list[ParsedPart]", part.get_payload())
        waiting += [(child, is_alternative, depth + 1) for child in reversed(children)]


def _describe_defect(defect: object) -> str:
    """Return a defect that Python's parser found in words, as in "close boundary not found"."""
    name = type(defect).__name__.removesuffix("Defect")
    return f"MIME structure: {re.sub('(?<!^)(?=[A-Z])', ' ', name).lower()}"


def _read_leaf(part: ParsedPart, on_defect: OnDefect) -> tuple[Attachment, Mapping[str, str]]:
    """Return a part as an attachment, with a fallback for each thing in it, and the parameters of its content type."""
    fields: dict[str, str] = {}
    for name, source in part.raw_items():
        if name.lower().startswith("content-") and name.lower() not in fields:
            fields[name.lower()] = read_field(name, str(source), on_defect).value
    kind = part.get_content_type()
    if kind.startswith("multipart/") and not part.is_multipart():
        kind = "text/plain"  # it has no boundary, or not that one: what there is of it is text
    parameters = getattr(fields.get("content-type"), "params", {})
    disposition = fields.get("content-disposition", "")
    file_name = getattr(disposition, "params", {}).get("filename") or parameters.get("name", "")
    attachment = Attachment(
        name=re.sub(r"[\r\n]+", "", file_name),
        content_type=kind,
        content=part.enclosed if part.enclosed is not None else _read_bytes(part, f"{kind} part", on_defect),
        disposition=str(getattr(disposition, "content_disposition", None) or "").lower(),
        content_id=fields.get("content-id", "").strip().strip("<>"),
        charset=str(parameters.get("charset", "")).lower(),
    )
    return attachment, parameters


def _read_bytes(part: EmailMessage, what: str, on_defect: OnDefect) -> bytes:
    """Return the bytes of a part, transfer encoding removed."""
    if part.is_multipart():
        return part.as_bytes()
    encoding = str(part.get("Content-Transfer-Encoding", ""))
    # Without the header Python gives the bytes as they came: with it, it would decode them in its own way.
    bare = copy.copy(part)
    del bare["Content-Transfer-Encoding"]
    data = cast("bytes", bare.get_payload(decode=True))
    return decode_transfer(data, encoding, what, on_defect)


def _read_text(data: bytes, charset: str, what: str, on_defect: OnDefect) -> str:
    r"""Return a text as its writer had it: ``\n`` for line ends, and not the last, which SMTP may have added."""
    text = decode_text(data, charset, what, on_defect).removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")
    return text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")


def describe_size(number: int) -> str:
    """Return a size as in "812 bytes", "12 kB", "1.5 MB"; a kB is 1,000 bytes."""
    if number < 1000:
        return count(number, "byte")
    if number < 999_500:  # more is rounded to 1.0 MB
        return f"{number / 1000:.0f} kB"
    return f"{number / 1_000_000:.1f} MB"

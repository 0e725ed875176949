"""The structure of a mail: its header fields, its texts and its attachments.

Python's parser finds the parts, under a policy that leaves every header as it was sent; `decoding` and
`addresses` read what is in them.  Like those, nothing here raises on what was received.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from email.message import Message
from email.parser import BytesParser
from email.policy import Compat32
from typing import TypeVar, cast
from urllib.parse import unquote

from .addresses import parse_addresses
from .decoding import (
    Note,
    decode_header,
    decode_text,
    decode_transfer,
    encoded_words,
    header_source,
    without_surrogates,
)

__all__ = ["Attachment", "Content", "Head", "read_content", "read_head"]

T = TypeVar("T")

_HEAD_END = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}")
_TOKEN = re.compile(r"[A-Za-z0-9-]+")
_CID = re.compile(r"(?i)\bcid:([^\s\"')>,;]+)")
_BODY_TYPES = frozenset({"text/plain", "text/html"})
# A wall against nonsense, far above any mail that was meant to be read; what lies deeper is kept as an
# attachment.
_DEEPEST = 100


class _AsSent(Compat32):
    """Headers are given unfolded and written back as they came; Compat32 makes `Header` objects of some."""

    def header_fetch_parse(self, name: str, value: str) -> str:
        return value.replace("\r", "").replace("\n", "")

    def fold_binary(self, name: str, value: str) -> bytes:
        return f"{name}: {value}{self.linesep}".encode("ascii", "surrogateescape")


_AS_SENT = _AsSent(linesep="\r\n", mangle_from_=False)


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """A part of a mail that is not its text: a file, an inline picture, a forwarded mail.

    The name is the sender's and may hold anything, path separators too: do not write to it unseen.

    Attributes:
        name: The file name, decoded; empty if the part has none.
        content_type: In lower case, without parameters, as in ``application/pdf``.
        content: The bytes, transfer encoding removed; of a text too.
        disposition: ``attachment``, ``inline``, or empty if the sender did not say.
        content_id: Under which the HTML can show it (``cid:``), without brackets; empty if it has none.
        charset: Of a text, as declared; empty if the sender did not say.
        is_inline: Whether it is shown inside the mail: the HTML refers to it, or it is an ``inline`` picture.
    """

    name: str
    content_type: str
    content: bytes = field(repr=False)
    disposition: str = ""
    content_id: str = ""
    charset: str = ""
    is_inline: bool = False

    @property
    def text(self) -> str:
        r"""The content as text, decoded as the mail's own text is, with ``\n`` for line ends."""
        return _body_text(self.content, self.charset, "", lambda _: None)


@dataclass(frozen=True, kw_only=True)
class Head:
    """The header fields of a mail, decoded, in their order, and the addresses in some of them."""

    fields: tuple[tuple[str, str], ...]
    addresses: Mapping[str, Sequence[str]]
    defects: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a mail says and carries."""

    text: str
    html: str
    attachments: tuple[Attachment, ...]
    defects: tuple[str, ...]


_ADDRESS_FIELDS = frozenset({"from", "to", "cc", "reply-to", "resent-to", "resent-cc"})


def read_head(raw: bytes) -> Head:
    """The header of `raw`; the body, however large, is not looked at."""
    notes: list[str] = []
    end = _HEAD_END.search(raw)
    head = raw[: end.end()] if end else raw
    message = _guarded("header", notes.append, lambda: _parse(head, headers_only=True), Message())
    fields = []
    addresses: dict[str, list[str]] = {}
    for name, source in message.items():
        fields.append((name, decode_header(source, name, notes.append)))
        key = name.lower()
        if key in _ADDRESS_FIELDS:
            found = parse_addresses(header_source(source, name, notes.append), name, notes.append)
            addresses.setdefault(key, []).extend(found)
    for single in ("Subject", "From"):  # a second To or Cc is wrong as well, but all of them are read
        count = sum(name.lower() == single.lower() for name, _ in fields)
        if count > 1:
            notes.append(f"{single} header: {count} of them, the first counts")
    return Head(fields=tuple(fields), addresses=addresses, defects=_once(notes))


def read_content(raw: bytes) -> Content:
    """The texts and attachments of `raw`.

    The body is every ``text/plain`` (or ``text/html``) part that is no attachment, joined by line ends: a
    mail that goes on after a picture is one text to its reader.  A text part is an attachment if its
    disposition says so, or if it has a file name and is not the first text part, unless it is one of the
    alternatives of a ``multipart/alternative``.
    """
    notes: list[str] = []
    root = _guarded("MIME structure", notes.append, lambda: _parse(raw), None)
    if root is None:  # show it as a client that knows no MIME would
        end = _HEAD_END.search(raw)
        text = _body_text(raw[end.end() :] if end else b"", "", "body", notes.append)
        return Content(text=text, html="", attachments=(), defects=_once(notes))
    texts: dict[str, list[str]] = {"text/plain": [], "text/html": []}
    attachments: list[Attachment] = []
    for part, is_alternative in _leaves(root, notes.append):
        leaf = _Leaf(part, notes.append)
        first = not any(texts.values())
        if leaf.is_body(first=first, is_alternative=is_alternative):
            texts[leaf.content_type].append(leaf.text())
        else:
            attachments.append(leaf.attachment())
    html = "\n".join(texts["text/html"])
    return Content(
        text="\n".join(texts["text/plain"]),
        html=html,
        attachments=_with_places(attachments, html),
        defects=_once(notes),
    )


def _with_places(attachments: Sequence[Attachment], html: str) -> tuple[Attachment, ...]:
    """The attachments, those that are shown inside the mail marked."""
    shown = {unquote(name) for name in _CID.findall(html)} if any(each.content_id for each in attachments) else set()
    return tuple(
        replace(each, is_inline=True)
        if (each.content_id and each.content_id in shown)
        or (each.disposition == "inline" and each.content_type.startswith("image/"))
        else each
        for each in attachments
    )


def _parse(data: bytes, *, headers_only: bool = False) -> Message:
    return BytesParser(policy=_AS_SENT).parsebytes(data, headersonly=headers_only)


def _leaves(root: Message, note: Note) -> Iterator[tuple[Message, bool]]:
    """Every part that holds no others, in order, and whether it is an alternative."""
    waiting = [(root, False, 0)]
    while waiting:
        part, is_alternative, depth = waiting.pop()
        for defect in _structural_defects(part):
            note(defect)
        kind = _guarded("Content-Type", note, part.get_content_type, "text/plain")
        nests = kind.startswith("multipart/") and part.is_multipart()
        if not nests or depth == _DEEPEST:
            if nests:
                note(f"MIME structure: parts nested deeper than {_DEEPEST}")
            yield part, is_alternative
            continue
        alternatives = kind == "multipart/alternative"
        children = cast("list[Message]", part.get_payload())
        waiting += [(child, alternatives, depth + 1) for child in reversed(children)]


class _Leaf:
    """One part, read with a fallback for each thing in it."""

    def __init__(self, part: Message, note: Note) -> None:
        self._part = part
        self._note = note
        kind = self._read("Content-Type", part.get_content_type, "text/plain")
        self.holds_messages = part.is_multipart()
        # a multipart without parts has no boundary, or not that one: what there is of it is text
        broken = kind.startswith("multipart/") and not self.holds_messages
        self.content_type = "text/plain" if broken else kind
        self.disposition = self._read("Content-Disposition", lambda: part.get_content_disposition() or "", "")
        self.name = self._read("file name", lambda: part.get_filename() or "", "")
        self.what = f"{self.content_type} part"

    def _read(self, what: str, read: Callable[[], str], default: str) -> str:
        value = _guarded(what, self._note, read, default)
        return encoded_words(without_surrogates(value), what, self._note)

    def is_body(self, *, first: bool, is_alternative: bool) -> bool:
        if self.holds_messages or self.content_type not in _BODY_TYPES or self.disposition == "attachment":
            return False
        return first or is_alternative or not self.name

    def text(self) -> str:
        data = _guarded(self.what, self._note, self._content, b"")
        return _body_text(data, self._charset(), self.what, self._note)

    def _charset(self) -> str:
        return self._read("charset", lambda: self._part.get_content_charset() or "", "")

    def attachment(self) -> Attachment:
        read = self._enclosed_messages if self.holds_messages else self._content
        return Attachment(
            name=self.name,
            content_type=self.content_type,
            content=_guarded(self.what, self._note, read, b""),
            disposition=self.disposition,
            content_id=self._read("Content-ID", lambda: str(self._part.get("Content-ID", "")), "").strip().strip("<>"),
            charset=self._charset(),
        )

    def _content(self) -> bytes:
        encoding = _TOKEN.search(str(self._part.get("Content-Transfer-Encoding", "")))
        # Without the header Python gives the bytes as they came: with it, it would decode them in its own
        # way.  The tree is private to one reading, so nobody misses the header.
        del self._part["Content-Transfer-Encoding"]
        data = cast("bytes", self._part.get_payload(decode=True))
        return decode_transfer(data, encoding[0].lower() if encoding else "", self.what, self._note)

    def _enclosed_messages(self) -> bytes:
        """What a ``message/…`` part holds.  Python has parsed it: it is written again, as on the wire."""
        written = self._part.as_bytes()
        return written.removeprefix(b"\r\n") if not self._part.keys() else written.partition(b"\r\n\r\n")[2]


def _body_text(data: bytes, charset: str, what: str, note: Note) -> str:
    r"""A text as its writer had it: ``\n`` for line ends, and not the last, which SMTP may have added."""
    text = decode_text(data, charset, what, note).removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")
    return text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")


def _structural_defects(part: Message) -> list[str]:
    """What Python's parser found wrong, in words: "close boundary not found"."""
    names = [type(defect).__name__.removesuffix("Defect") for defect in part.defects]
    return [f"MIME structure: {re.sub('(?<!^)(?=[A-Z])', ' ', name).lower()}" for name in names]


def _guarded(what: str, note: Note, read: Callable[[], T], default: T) -> T:
    """What `read` gives, or `default` and a note: Python's parser raises many things, unforeseen ones too."""
    try:
        return read()
    except Exception as error:
        note(f"{what}: could not be read ({type(error).__name__})")
        return default


def _once(notes: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(notes))

"""HTML as its reader sees it: the text without the tags, and the links with what they say.

Python's own parser is enough for what mails hold, and nothing here raises on what was received.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html.parser import HTMLParser

from .decoding import Note

__all__ = ["Hypertext", "read_html"]

_UNSEEN = frozenset({"head", "noscript", "script", "style", "template", "title"})
_VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"})
_CELLS = frozenset({"td", "th"})
_BLOCKS = frozenset(
    {"address", "article", "aside", "blockquote", "body", "br", "center", "dd", "div", "dl", "dt", "fieldset", "figure"}
    | {"footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "html", "li", "main", "nav", "ol"}
    | {"option", "p", "pre", "section", "table", "tbody", "tfoot", "thead", "tr", "ul"}
)
_SPACES = re.compile(r"[^\S\n]+")
# white space that is there to be seen, as in a number or an address, and the one that is not
_SOFT = {ord("\N{NO-BREAK SPACE}"): " ", ord("\N{SOFT HYPHEN}"): None, ord("\N{ZERO WIDTH SPACE}"): None}
_LONGEST = 5_000_000  # characters that are read: more is no mail to a person, and takes seconds


@dataclass(frozen=True, kw_only=True)
class Hypertext:
    """What a reader sees of HTML.

    Attributes:
        text: Without tags, each block on a line of its own, white space folded.
        anchors: Address and text of every link, in order, as written; a picture's text is its ``alt``.
    """

    text: str = ""
    anchors: Sequence[tuple[str, str]] = ()


def read_html(source: str, note: Note) -> Hypertext:
    """Read HTML, however broken it is.

    Args:
        source: The HTML, decoded.
        note: Told what had to be left out.
    """
    reader = _Reader()
    if len(source) > _LONGEST:
        note(f"HTML: {len(source):,} characters, of which the first {_LONGEST:,} are read")
    try:
        reader.feed(source[:_LONGEST])
        reader.close()
    except Exception as error:  # AssertionError and others, not the same in each version of Python
        note(f"HTML: read up to line {reader.getpos()[0]} ({type(error).__name__})")
    reader.end_anchor()
    return Hypertext(text=_fold(reader.seen), anchors=tuple(reader.anchors))


class _Reader(HTMLParser):
    """Collects what is seen, and the links."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.seen: list[str] = []
        self.anchors: list[tuple[str, str]] = []
        self._unseen: list[str] = []  # open elements that are not shown
        self._href: str | None = None
        self._label: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in reversed(attrs)}  # of several of a name the first counts
        if tag in _UNSEEN:
            self._unseen.append(tag)
        if tag in ("a", "area"):
            self.end_anchor()  # links do not nest: the first one was not closed
            self._href = found.get("href")
        if tag in ("img", "area"):
            self._write(found.get("alt", ""))
        elif tag in _BLOCKS:
            self._write("\n")
        elif tag in _CELLS:
            self._write(" ")
        if tag == "area":
            self.end_anchor()

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID and tag in _UNSEEN:  # <title/> is <title> to a browser, but nobody means it
            self._unseen.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag in self._unseen:
            while self._unseen.pop() != tag:
                pass
        if tag == "a":
            self.end_anchor()
        elif tag in _BLOCKS:
            self._write("\n")

    def handle_data(self, data: str) -> None:
        self._write(data.replace("\n", " "))

    def end_anchor(self) -> None:
        """Take down the link that is open, if there is one."""
        if self._href is not None:
            self.anchors.append((self._href, " ".join("".join(self._label).translate(_SOFT).split())))
        self._href, self._label = None, []

    def _write(self, text: str) -> None:
        if not self._unseen:
            self.seen.append(text)
            self._label.append(text)


def _fold(pieces: Sequence[str]) -> str:
    """The text with white space folded, and no empty line."""
    text = "".join(pieces).translate(_SOFT)
    lines = (_SPACES.sub(" ", line).strip() for line in text.split("\n"))
    return "\n".join(line for line in lines if line)

"""What a person finds in an email: the text of its HTML, its links, and its one-time codes."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from html.entities import html5
from html.parser import HTMLParser
from typing import TypeAlias, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from ..core.text import count, quote
from ..errors import UsageError
from .decoding import OnDefect

__all__ = [
    "HTMLContent", "Link", "LinkWanted", "demand_one", "describe_wanted", "find_codes", "find_links", "read_html",
    "select_links", "shown",
]  # fmt: skip

__unittest = True
__tracebackhide__ = True

T = TypeVar("T")

LinkWanted: TypeAlias = "str | re.Pattern[str] | Callable[[str], object] | None"


# -- HTML

_UNSEEN = frozenset({"head", "noscript", "script", "style", "template", "title"})
_VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"})
_CELLS = frozenset({"td", "th"})
_BLOCKS = frozenset(
    {"address", "article", "aside", "blockquote", "body", "br", "center", "dd", "div", "dl", "dt", "fieldset", "figure"}
    | {"footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "html", "li", "main", "nav", "ol"}
    | {"option", "p", "pre", "section", "table", "tbody", "tfoot", "thead", "tr", "ul"}
)
_SPACES = re.compile(r"[^\S\n]+")
# White space that is there to be seen, as in a number or an address, and the one that is not.
_SOFT = {ord("\N{NO-BREAK SPACE}"): " ", ord("\N{SOFT HYPHEN}"): None, ord("\N{ZERO WIDTH SPACE}"): None}
_LONGEST = 5_000_000  # characters that are read: more is no email to a person, and takes seconds

_ATTRIBUTE = re.compile(r"""([^\s/>=][^\s/>=]*)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"'][^\s>]*)))?""")
_REFERENCE = re.compile(r"&(?:#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[A-Za-z0-9]+;?)")
_CONTENT_ID = re.compile(r"(?i)(?:^|[\s('\",])cid:([^\s\"')>,;]+)")


@dataclass(frozen=True, kw_only=True)
class HTMLContent:
    """What a reader sees of HTML: its text, each block on a line, its links as written, and the parts it shows."""

    text: str = ""
    anchors: Sequence[tuple[str, str]] = ()
    content_ids: frozenset[str] = frozenset()


def read_html(source: str, on_defect: OnDefect) -> HTMLContent:
    """Read HTML, however broken it is."""
    reader = _Reader()
    if len(source) > _LONGEST:
        on_defect(f"HTML: {len(source):,} characters, of which the first {_LONGEST:,} are read")
    try:
        reader.feed(source[:_LONGEST])
        reader.close()
    except Exception as error:  # AssertionError and others, not the same in each version of Python
        on_defect(f"HTML: read up to line {reader.getpos()[0]} ({type(error).__name__})")
    reader.end_anchor()
    lines = (_SPACES.sub(" ", line).strip() for line in "".join(reader.seen).translate(_SOFT).split("\n"))
    return HTMLContent(
        text="\n".join(line for line in lines if line),
        anchors=tuple(reader.anchors),
        content_ids=frozenset(map(unquote, reader.content_ids)),
    )


class _Reader(HTMLParser):
    """Collects what is seen, the links, and what is shown out of other parts."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.seen: list[str] = []
        self.anchors: list[tuple[str, str]] = []
        self.content_ids: list[str] = []
        self._unseen: list[str] = []  # open elements that are not shown
        self._href: str | None = None
        self._label: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = self._read_attributes()
        for value in found.values():
            self.content_ids += _CONTENT_ID.findall(value)
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
        if tag not in _VOID and tag in _UNSEEN:  # <title/> is <title> to a browser, but it is never meant
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
        if self._unseen[-1:] == ["style"]:
            self.content_ids += _CONTENT_ID.findall(data)
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

    def _read_attributes(self) -> dict[str, str]:
        """Return the attributes of the tag; of several of a name the first counts."""
        # Those that `HTMLParser` gives are not used: in most versions of Python it decodes "&copy=1" in an address.
        tag = (self.get_starttag_text() or "").lstrip("<")
        name_end = re.match(r"[^\s/>]*", tag).end()  # type: ignore[union-attr]  # it matches an empty tag, too
        found: dict[str, str] = {}
        for name, *values in _ATTRIBUTE.findall(tag.removesuffix(">"), name_end):
            found.setdefault(name.lower(), _decode_attribute("".join(values)))
        return found


def _decode_attribute(value: str) -> str:
    """Return the value of an attribute with its character references decoded."""

    def decode(reference: re.Match[str]) -> str:
        # A name without ";" before "=" or an alphanumeric is text, as in "?id=1&copy=2": HTML, §13.2.5.73.
        text = reference[0]
        if text[1] == "#" or text.endswith(";"):
            return unescape(text)
        return html5[text[1:]] if text[1:] in html5 and value[reference.end() :][:1] != "=" else text

    return _REFERENCE.sub(decode, value) if "&" in value else value


# -- links

# Chinese, Japanese and Korean: there is no space between their words and an address or a number.
_CJK = "\u1100-\u11ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdc\U00020000-\U0003ffff"
_CJK_PUNCTUATION = "\u3000-\u3004\u3008-\u3020\u30fb\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\ufe30-\ufe4f"
_INVISIBLE = "\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff"
# What ends an address in running text: white space, quotes, brackets, and what is between words where no space is.  A
# word in Chinese right after an ASCII letter or digit is text, but after "/" or "=" a part of the address.
_PLAIN_URL = re.compile(
    rf"(?i)(?<![a-z0-9])https?://(?:(?!\]\(|(?<=[a-z0-9_~-])[{_CJK}])"
    rf"[^\s<>\"`\\^{{}}|\x00-\x1f\x7f«»“”‹›„‘{_CJK_PUNCTUATION}{_INVISIBLE}])+"
)
_NEVER_LAST = ".,;:!?…’"
_EMPHASIS = "_~*'"
_BRACKETS = {")": "(", "]": "["}
_NO_LINK = re.compile(r"(?i)\s*(?:#|javascript:|data:|cid:|about:|$)")


@dataclass(frozen=True, kw_only=True)
class Link:
    """A link of an email.

    Attributes:
        url: The address, entities decoded.
        text: What the reader sees of it; of a plain text the address itself.
    """

    url: str
    text: str

    @property
    def path(self) -> str:
        """Path and query, for a client that has the host: ``/confirm?token=1``."""
        try:
            parts = urlsplit(self.url)
        except ValueError:  # https://[x]
            return ""
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the query, decoded; of several of a name the last."""
        try:
            return dict(parse_qsl(urlsplit(self.url).query, keep_blank_values=True))
        except ValueError:
            return {}

    def __str__(self) -> str:
        return self.url


def find_links(text: str, anchors: Iterable[tuple[str, str]]) -> list[Link]:
    """Return the links of an email in order: those of the HTML, then those that only the text has.

    What leads nowhere (``#``, ``javascript:``, pictures in the email) is no link.
    """
    # A browser takes an address from an attribute without line ends, and without spaces around.
    taken = [(re.sub(r"[\t\r\n]", "", url).strip(), label) for url, label in anchors if not _NO_LINK.match(url)]
    found = [Link(url=url, text=label) for url, label in taken]
    known = {link.url for link in found}
    for match in _PLAIN_URL.finditer(text):
        start, end = match.span()
        url = _cut_punctuation(match[0], text[max(start - 3, 0) : start], text[end : end + 1])
        if url not in known and not url.endswith("://"):
            found.append(Link(url=url, text=url))
    return list(dict.fromkeys(found))


def _cut_punctuation(url: str, before: str, behind: str) -> str:
    """Return an address in a running text without the comma or bracket that follows it."""
    # "_", "~", "*" and "'" are characters of an address (RFC 3986 §2), and a token can end with one: they are cut off
    # only where the same character stands before the address.
    opening = before[-1:]
    if (opening, behind) == ("<", ">"):
        return url
    if opening == "'":
        url = re.split(r"'(?![A-Za-z0-9])", url, maxsplit=1)[0]
    emphasis = len(before) - len(before.rstrip(opening)) if opening and opening in _EMPHASIS else 0
    surplus = {bracket: url.count(bracket) - url.count(opener) for bracket, opener in _BRACKETS.items()}
    end = len(url)
    while end:
        last = url[end - 1]
        if emphasis and last == opening:
            emphasis -= 1
        elif surplus.get(last, 0) > 0:
            surplus[last] -= 1
        elif last not in _NEVER_LAST:
            break
        end -= 1
    return url[:end]


def select_links(links: Iterable[Link], text: LinkWanted, url: LinkWanted) -> list[Link]:
    """Return the links with this text and this address; `ReceivedEmail.links` says how they are compared."""
    for name, wanted in (("text", text), ("url", url)):
        if not (wanted is None or isinstance(wanted, (str, re.Pattern)) or callable(wanted)) or wanted == "":
            raise UsageError(f"{name}={wanted!r}; wanted is a str to be contained, a compiled pattern or a callable.")
    return [link for link in links if _meets(text, link.text) and _meets(url, link.url)]


def _meets(wanted: LinkWanted, value: str) -> bool:
    if wanted is None:
        return True
    if isinstance(wanted, re.Pattern):
        return bool(wanted.search(value))
    if isinstance(wanted, str):
        return " ".join(wanted.split()) in value
    return bool(wanted(value))


# -- codes

# A number, or the digits of one in boxes of their own.
_NUMBER = re.compile(r"(?<!\d)(?:\d(?:[ \n]\d){3,7}(?![ \n]?\d)|\d{3}[ -]\d{3}(?!\d)|\d+)")
_EMPHASISED = re.compile(r"(?<!\w)(_{1,2})(\d[\d -]*)\1(?!\w)")
_LETTER = rf"[^\W{_CJK}]"
_CURRENCY = r"(?:EUR|USD|GBP|CHF|JPY|CNY|RMB|KRW|INR|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|BRL|MXN|Euros?|[Dd]ollars?)"
_MONTH = (
    r"(?:jan(?:uary?|uar|vier)?|jänner|enero|feb(?:ruary?|ruar|rero)?|février|mar(?:ch|s|zo|ço)?|märz|apr(?:il|ile)?"
    r"|avril|abril|ma[iyo]|maggio|mayo|june?|juni|juin|junio|july?|juli|juillet|julio|aug(?:ust)?|août|agosto"
    r"|sept?(?:ember)?|septembre|septiembre|o[ck]t(?:ober)?|octobre|octubre|nov(?:ember|embre|iembre)?"
    r"|de[cz](?:ember)?|décembre|diciembre)"
)
# What a number is a part of, by what stands before it: a word, a number, an address, a price; and behind it.
_PART_BEFORE = re.compile(
    rf"(?:{_LETTER}|\d[ ,.:/–-]|[.,/#&?%+–-]|(?<!{_LETTER})(?<![{_CJK}\)\]])[:=]|[?&][\w-]+="
    rf"|[$€£¥₩₹] ?|\b{_CURRENCY} ?)\Z"
)
_PREFIX = re.compile(r"(?<![\w-])(?:FB|[A-Z]{1,2})-\Z")  # as in G-482913; with fewer digits it is a postal code
_PART_BEHIND = re.compile(rf"{_LETTER}|[.,:/–-]{_LETTER}| \d| ?[%$€£¥₩₹°]| ?{_CURRENCY}\b|[年月円元원년]")
# What makes a number of four digits a year: a date, or a notice of copyright.
_YEAR = re.compile(r"(?:19|20)\d\d")
_YEAR_BEFORE = re.compile(
    rf"(?i)\b(?:{_MONTH}\.?(?: \d\d?(?:st|nd|rd|th)?)?,?(?: de| of)?|since|seit|est\.?|year|in|©[^\n]*|\(c\)[^\n]*) \Z"
)
_COPYRIGHT = re.compile(r"(?i)©|\(c\)|copyright|rights reserved")


def find_codes(text: str, digits: int | None, pattern: str | re.Pattern[str] | None) -> list[str]:
    """Return the one-time codes in a text, each once, in order; `ReceivedEmail.codes` says what is one."""
    if pattern is not None:
        if digits is not None:
            raise UsageError("a code is told by digits or by pattern, not by both.")
        matches = re.finditer(pattern, text)
        return list(dict.fromkeys(match[1] if match.re.groups else match[0] for match in matches))
    if digits is not None and (not isinstance(digits, int) or isinstance(digits, bool) or not 1 <= digits <= 20):
        raise UsageError(f"digits={digits!r}; wanted is how many digits the code has, 1 to 20.")
    text = _EMPHASISED.sub(r" \2 ", _PLAIN_URL.sub(" ", text))
    wanted = range(4, 9) if digits is None else [digits]
    found: dict[str, None] = {}
    for match in _NUMBER.finditer(text):
        code = "".join(str(unicodedata.digit(char)) for char in match[0] if char.isdigit())
        if len(code) in wanted and not _is_part(text, match, code):
            found[code] = None
    return list(found)


def _is_part(text: str, number: re.Match[str], code: str) -> bool:
    """Return True if a number is a part of something: a word, a price, a date, a phone number, an address."""
    before, behind = text[max(0, number.start() - 80) : number.start()], text[number.end() : number.end() + 80]
    prefix = _PREFIX.search(before)
    if prefix and (len(code) >= 6 or prefix[0] == "FB-"):
        before = before[: prefix.start()]
    if _PART_BEFORE.search(before) or _PART_BEHIND.match(behind):
        return True
    if number[0][1] in " \n" and code in "0123456789":
        return True  # the answers to choose from, as in 1 2 3 4 5
    if not _YEAR.fullmatch(code):
        return False
    line = before.rpartition("\n")[2] + code + behind.partition("\n")[0]
    return bool(_YEAR_BEFORE.search(before) or _COPYRIGHT.search(line))


# -- exactly one of them

_MOST_LISTED = 20
_MOST_ITEMS = 10


def demand_one(
    found: Sequence[T], wanted: str, everything: Sequence[str], noun: str, advice: str, others: str = ""
) -> T:
    """Return the only one of ``found``, or raise AssertionError.

    The message has what was ``wanted``, the ``noun`` for it, ``everything`` that there is, a line each, with what
    introduces it if nothing was found (``others``), and how to say more exactly what is meant (``advice``).
    """
    if len(found) == 1:
        return found[0]
    what = f"{count(len(found), noun) if found else f'no {noun}'}{wanted and ' '}{wanted}, wanted exactly one."
    if found:
        what = f"{what} {advice}"
    if not everything:
        raise AssertionError(f"{what} The email has no {'text' if others else noun} at all.")
    lines = [f"    {line}" for line in everything[:_MOST_LISTED]]
    if len(everything) > _MOST_LISTED:
        lines.append(f"    … {len(everything) - _MOST_LISTED} more")
    introduction = others if others and not found else "The email has these"
    raise AssertionError("\n".join([f"{what} {introduction}:", *lines]))


def describe_wanted(**wanted: object) -> str:
    """Return what was asked for, as in ``with text='Confirm', url='/confirm'``."""
    given = [f"{name}={shown(value)}" for name, value in wanted.items() if value is not None]
    return f"with {', '.join(given)}" if given else ""


def shown(value: object) -> str:
    """Return a value that a test wants, or a short one that was received, as it would be written in code."""
    if isinstance(value, (str, bytes)):
        return quote(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {shown(each)}" for key, each in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        more = [f"… {len(value) - _MOST_ITEMS} more"] if len(value) > _MOST_ITEMS else []
        return f"[{', '.join([*map(shown, value[:_MOST_ITEMS]), *more])}]"
    if value is None or isinstance(value, re.Pattern) or not callable(value):
        return repr(value).removeprefix("<").removesuffix(">")  # <ANY> is ANY
    name = getattr(value, "__name__", type(value).__name__)
    code = getattr(value, "__code__", None)
    place = f" ({os.path.basename(code.co_filename)}:{code.co_firstlineno})" if code else ""
    return f"predicate {name}{place}"

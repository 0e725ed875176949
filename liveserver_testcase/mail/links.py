"""The links of a mail, and the one-time codes in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar
from urllib.parse import parse_qsl, urlsplit

from ..core.text import count, escape, quote
from ..errors import UsageError
from .wording import shown

__all__ = [
    "Link",
    "LinkWanted",
    "demand_one",
    "describe_link",
    "describe_wanted",
    "find_codes",
    "find_links",
    "select_links",
]

__unittest = True
__tracebackhide__ = True

T = TypeVar("T")

LinkWanted: TypeAlias = "str | re.Pattern[str] | Callable[[str], object] | None"

# what ends an address in running text is not known: white space, quotes and brackets do, and punctuation at its end
_PLAIN_URL = re.compile(r"(?i)\bhttps?://[^\s<>\"'`\\^{}|\x00-\x1f\x7f]+")
_NEVER_LAST = ".,;:!?*_~…»«”“’‘›‹"
_BRACKETS = {")": "(", "]": "["}
_NO_LINK = re.compile(r"(?i)\s*(?:#|javascript:|data:|cid:|about:|$)")
# a number that is a part of another thing (a price, a date, a phone number, a word, a colour) is no code
_BEFORE = r"(?<![\w.,:/#$€£&=?%+-])(?<!\d )"
_BEHIND = r"(?![\w%€$£]|[.,:/-]\w| \d)"
_CODE = re.compile(rf"{_BEFORE}(?:\d{{4,8}}|\d{{3}}[ -]\d{{3}}){_BEHIND}")
_MOST_LISTED = 20


@dataclass(frozen=True, kw_only=True)
class Link:
    """A link of a mail.

    Attributes:
        url: The address, entities decoded.
        text: What the reader sees of it; of a plain text the address itself.
    """

    url: str
    text: str

    @property
    def path(self) -> str:
        """Path and query, for a client that knows the host: ``/confirm?token=1``."""
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
    """The links of a mail in order: those of the HTML, then those that only the text has.

    What leads nowhere (``#``, ``javascript:``, pictures in the mail) is no link.
    """
    found = [Link(url=_without_breaks(url), text=label) for url, label in anchors if not _NO_LINK.match(url)]
    known = {link.url for link in found}
    for match in _PLAIN_URL.finditer(text):
        url = _without_punctuation(match[0])
        if url not in known and not url.endswith("://"):
            found.append(Link(url=url, text=url))
    return list(dict.fromkeys(found))


def _without_breaks(url: str) -> str:
    """An address as a browser takes it from an attribute: without line ends, and without spaces around."""
    return re.sub(r"[\t\r\n]", "", url).strip()


def _without_punctuation(url: str) -> str:
    """An address in a running text, without the comma or bracket that follows it."""
    while url:
        last = url[-1]
        if last in _NEVER_LAST or (last in _BRACKETS and url.count(last) > url.count(_BRACKETS[last])):
            url = url[:-1]
        else:
            break
    return url


def select_links(links: Iterable[Link], text: LinkWanted, url: LinkWanted) -> list[Link]:
    """The links with this text and this address.

    Args:
        links: Of one mail.
        text: What the link says: contained, white space folded; a pattern is searched for, a callable asked.
            None for anything.
        url: Where it leads, likewise.

    Raises:
        UsageError: A value is none of these.
    """
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


def find_codes(text: str, digits: int | None, pattern: str | re.Pattern[str] | None) -> list[str]:
    """The one-time codes in a text, each once, in order.

    Raises:
        UsageError: Both ways to say what a code looks like are used, or one makes no sense.
    """
    if pattern is not None:
        if digits is not None:
            raise UsageError("a code is told by digits or by pattern, not by both.")
        matches = re.finditer(pattern, text)
        return list(dict.fromkeys(match[1] if match.re.groups else match[0] for match in matches))
    if digits is not None and (not isinstance(digits, int) or isinstance(digits, bool) or not 1 <= digits <= 20):
        raise UsageError(f"digits={digits!r}; wanted is how many digits the code has, 1 to 20.")
    code = _CODE if digits is None else re.compile(rf"{_BEFORE}(?:\d{{{digits}}}|\d{{3}}[ -]\d{{3}}){_BEHIND}")
    found = [re.sub(r"\D", "", match[0]) for match in code.finditer(_PLAIN_URL.sub(" ", text))]
    return list(dict.fromkeys(each for each in found if digits is None or len(each) == digits))


def demand_one(
    found: Sequence[T], wanted: str, everything: Sequence[str], noun: str, advice: str, others: str = ""
) -> T:
    """The only one of ``found``.

    Args:
        found: What was looked for and found.
        wanted: What was looked for, as in ``with text='Confirm'``; empty for anything.
        everything: What to list when there is not exactly one, a line each.
        noun: As in ``link``.
        advice: How to say more exactly what is meant.
        others: How to introduce the list if nothing was found; "The email has these" by default.

    Raises:
        AssertionError: There is none, or several.
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


def describe_link(link: Link) -> str:
    """A link on one line."""
    return f"{escape(link.url)}  {quote(link.text)}"


def describe_wanted(**wanted: object) -> str:
    """What was asked for, as in ``with text='Confirm', url='/confirm'``."""
    given = [f"{name}={shown(value)}" for name, value in wanted.items() if value is not None]
    return f"with {', '.join(given)}" if given else ""

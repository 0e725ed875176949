"""What a test wants of an email: criteria, each of which finds how an email differs from it.

`Criterion.check` reads one value of an email and compares it; a `Mismatch` keeps what was compared, and is put into
words only when a report wants them.  The functions that compare attachments serve `ReceivedEmail.attachment`, too.
Pure: no clock, socket or thread.
"""

from __future__ import annotations

import difflib
import functools
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict

from ..core.checks import is_predicate, suggest_name
from ..core.masking import mask
from ..core.text import escape
from ..errors import UsageError
from .content import shown
from .headers import address_key, parse_addresses
from .mime import Attachment

if TYPE_CHECKING:
    from .message import ReceivedEmail

__all__ = [
    "KNOWN", "AddressesWanted", "AttachmentWanted", "Criteria", "Criterion", "EmailCriteria", "EmailPredicate",
    "HeadersWanted", "LineWanted", "Mismatch", "TLSWanted", "TextWanted", "difference", "in_full", "is_wanted",
    "refuse_attachment",
]  # fmt: skip

LineWanted: TypeAlias = "str | re.Pattern[str] | Callable[[str], object] | None"
AddressesWanted: TypeAlias = (
    "str | list[str] | tuple[str, ...] | re.Pattern[str] | Callable[[list[str]], object] | None"
)
TextWanted: TypeAlias = "str | Sequence[str | re.Pattern[str]] | re.Pattern[str] | Callable[[str], object] | None"
HeadersWanted: TypeAlias = "Mapping[str, str | re.Pattern[str] | Callable[[list[str]], object] | None]"
NameWanted: TypeAlias = "str | re.Pattern[str] | Callable[[str], object]"
ContentWanted: TypeAlias = "bytes | str | re.Pattern[str] | re.Pattern[bytes] | Callable[[bytes], object]"


class AttachmentFacts(TypedDict, total=False):
    """What one attachment must be, all at once."""

    name: NameWanted
    content_type: NameWanted
    content: ContentWanted


One: TypeAlias = "str | bytes | re.Pattern[str] | AttachmentFacts | Callable[[Attachment], object]"
AttachmentWanted: TypeAlias = "One | Sequence[One] | None"

EmailPredicate: TypeAlias = "Callable[[ReceivedEmail], object] | None"
TLSWanted: TypeAlias = "bool | str | re.Pattern[str] | None"


class EmailCriteria(TypedDict, total=False):
    """The keywords that the assertions about mail take; `Criteria` says how each is compared."""

    to: AddressesWanted
    cc: AddressesWanted
    bcc: AddressesWanted
    recipients: AddressesWanted
    from_: LineWanted
    mail_from: LineWanted
    reply_to: AddressesWanted
    subject: LineWanted
    text: TextWanted
    html: TextWanted
    body: TextWanted
    headers: HeadersWanted
    attachment: AttachmentWanted
    auth_user: LineWanted
    tls: TLSWanted


# -- all criteria of a test


@dataclass(frozen=True)
class Criteria:
    r"""Everything that a test wants of one email; every email meets criteria of which there are none.

    Build it with `build`.  How a value is compared:

    - ``to``, ``cc``, ``bcc``, ``recipients``, ``reply_to``: a str is one of the addresses; a list or tuple is exactly
      these, in any order.  Addresses are compared as addresses: display names and the case of letters do not count,
      before the ``@`` either (RFC 5321 lets a server treat ``Ann@`` and ``ann@`` as two; none does).
    - ``from_``, ``mail_from``: the address, compared likewise; ``mail_from=""`` is the null sender.
    - ``subject``: equal, after decoding.
    - ``text``, ``html``, ``body``: contained, runs of white space being as good as one space; a list means all of
      them.  ``html`` is compared as source, ``body`` is what is read: the text, or the HTML without its tags.
    - ``headers``: a mapping; of each name, one header is equal, after decoding.
    - ``attachment``: a str is a glob of an attachment's name, or with a slash of its content type; bytes are its
      content; a pattern is found in its name; a mapping has ``name``, ``content_type`` and ``content``, and one
      attachment is all of it; a callable is asked about each.  A list means that each of its items is there.
    - ``auth_user``: equal.
    - ``tls``: True for any version, False for none, a str for just this.

    Wherever a value is wanted, a compiled pattern is searched for (``\A`` and ``\Z`` bind it); of several values one is
    enough.  A callable is given the value (a list for addresses and headers) and decides by the truth of what it
    returns.  ``unittest.mock.ANY`` wants a value to be there and not empty, None wants none.

    A predicate is called last, and only with emails that meet every other criterion.  What it raises is raised in the
    test: a broken predicate must not pass for "no such mail".
    """

    criteria: tuple[Criterion, ...]

    @classmethod
    def build(cls, predicate: EmailPredicate = None, /, **wanted: object) -> Criteria:
        """Make criteria of keywords, and of a predicate that is called with the whole email.

        Raises:
            TypeError: A keyword is not known; the message names the nearest.
            UsageError: A value cannot be what was meant: of a wrong type, or every mail would do.
        """
        criteria: list[Criterion] = []
        if predicate is not None:
            criteria.append(Criterion("predicate", predicate, PREDICATE, lambda email: email))
        for name, value in wanted.items():
            if name == "headers":
                if not isinstance(value, Mapping) or not value or not all(isinstance(key, str) for key in value):
                    raise UsageError(
                        f"headers={value!r} is no mapping of names to values, as in headers={{'X-Id': '1'}}."
                    )
                criteria += [
                    Criterion(f"headers[{key!r}]", each, LINES, functools.partial(_read_header, key))
                    for key, each in value.items()
                ]
            elif name in KNOWN:
                criteria.append(Criterion(name, value, *KNOWN[name]))
            else:
                raise TypeError(f"unknown criterion {name!r}; {suggest_name(name, sorted([*KNOWN, 'headers']))}")
        return cls(tuple(criteria))

    def matches(self, email: ReceivedEmail) -> bool:
        """Return True if `email` meets every criterion.

        Raises:
            Exception: What a predicate raised.
        """
        email.parse()
        for criterion in sorted(self.criteria, key=lambda criterion: criterion.is_predicate):
            mismatch = criterion.check(email)
            if mismatch is not None:
                if mismatch.error is not None:
                    raise mismatch.error
                return False
        return True

    def mismatches(self, email: ReceivedEmail) -> list[Mismatch]:
        """Return how `email` differs from each criterion; nothing is raised, not by a predicate either."""
        email.parse()
        return [mismatch for criterion in self.criteria if (mismatch := criterion.check(email)) is not None]

    def __str__(self) -> str:
        return ", ".join(map(str, self.criteria))


def _read_header(name: str, email: ReceivedEmail) -> list[str]:
    return email.headers.get_all(name)


# -- one criterion

Reason: TypeAlias = Callable[[], str]
"""Puts what is wrong into words: a difference of texts takes time, and is made only for a report."""


@dataclass(frozen=True)
class Kind:
    """A kind of value that emails have: how it is checked for sense, compared with what is wanted, and shown."""

    # a criterion's name, and what is wanted: refuses what every email has, or none can
    check: Callable[[str, Any], None]
    compare: Callable[[Any, Any], Reason | None]  # what is wanted, and what an email has
    show: Callable[[Any], str] = str


@dataclass(frozen=True)
class Mismatch:
    """How one email differs from one criterion: what was wanted, what it has, and what a predicate has raised."""

    criterion: str
    wanted: object
    got: object
    error: Exception | None
    _reason: Reason = field(repr=False, compare=False)

    def describe(self) -> str:
        """Return name and reason; the reason goes on in further lines if it quotes a text or a difference."""
        return f"{self.criterion}: {self._reason()}"

    @property
    def closeness(self) -> float:
        """How near the email came, from 0 to 1, where that can be said: to find the nearest of several."""
        if not isinstance(self.wanted, str):
            return 0.0
        wanted = self.wanted[:100].casefold()  # comparing takes the product of the lengths
        values = self.got if isinstance(self.got, list) else [self.got]
        return max((_closeness(wanted, value.casefold()) for value in values if isinstance(value, str)), default=0.0)


def _closeness(wanted: str, got: str) -> float:
    if len(got) <= 2 * len(wanted) + 20:
        return difflib.SequenceMatcher(None, wanted, got, autojunk=False).ratio()
    # in a long text, how much of what is wanted stands there in one piece
    match = difflib.SequenceMatcher(None, wanted, got[:2000], autojunk=False).find_longest_match()
    return match.size / len(wanted) if wanted else 0.0


@dataclass(frozen=True)
class Criterion:
    """One thing that a test wants of an email, checked for sense when it is made."""

    name: str
    wanted: object
    kind: Kind
    read: Callable[[ReceivedEmail], Any]

    def __post_init__(self) -> None:
        self.kind.check(self.name, self.wanted)

    @property
    def is_predicate(self) -> bool:
        """True if the test's own code decides."""
        return callable(self.wanted) and not _is_any(self.wanted)

    def check(self, email: ReceivedEmail) -> Mismatch | None:
        """Return None if `email` is as wanted.  What a predicate raises is in ``Mismatch.error``."""
        got = self.read(email)
        error: Exception | None = None
        reason: Reason | None
        try:
            reason = self.kind.compare(self.wanted, got)
        except Exception as raised:
            error, reason = raised, functools.partial(self._explain_error, raised, got)
        return Mismatch(self.name, self.wanted, got, error, reason) if reason is not None else None

    def _explain_error(self, error: Exception, got: Any) -> str:
        raised = f"raised {type(error).__name__}: {escape(str(error)[:_LONGEST_VALUE])}"
        return raised if self.kind is PREDICATE else f"{shown(self.wanted)} {raised} on {self.kind.show(got)}"

    def __str__(self) -> str:
        return shown(self.wanted) if self.kind is PREDICATE else f"{self.name}={shown(self.wanted)}"


def _is_any(wanted: object) -> bool:
    """Return True for ``unittest.mock.ANY``; a test that passes it has imported the module."""
    mock = sys.modules.get("unittest.mock")
    return mock is not None and wanted is mock.ANY


# -- texts and addresses

Value: TypeAlias = "str | list[str]"
TextKind: TypeAlias = Literal["address", "addresses", "line", "lines", "text"]

_ALLOWED: Mapping[TextKind, str] = {
    "address": "an address",
    "addresses": "an address, a list of addresses",
    "line": "a str",
    "lines": "a str",
    "text": "a str, a list of them",
}


def _kind_of_text(kind: TextKind) -> Kind:
    def plain(got: Value) -> Value:  # the value of a header that is there once, for a report
        return got[0] if kind == "lines" and len(got) == 1 else got

    def compare(wanted: Any, got: Value) -> Reason | None:
        value = plain(got)
        if _is_any(wanted):
            return None if got else lambda: _none("ANY")
        if wanted is None:
            return (lambda: f"None is wanted, but it is {in_full(value)}") if got else None
        if isinstance(wanted, re.Pattern):
            return _search([wanted], value)
        if callable(wanted):
            return None if wanted(got) else lambda: f"{shown(wanted)} is not true of {in_full(value)}"
        if isinstance(wanted, (list, tuple)) and kind == "addresses":
            return _exactly(wanted, got)
        if kind == "text":
            return _search(wanted if isinstance(wanted, (list, tuple)) else [wanted], got)
        return _equal(str(wanted), value, kind)

    return Kind(functools.partial(_check_text, kind=kind), compare, lambda got: in_full(plain(got)))


def _none(wanted: str) -> str:
    return f"{wanted} is wanted, but there is none"


def _equal(wanted: str, got: Value, kind: TextKind) -> Reason | None:
    """`wanted` is the value, or one of the values."""
    compared: Callable[[str], str] = _address_of if kind in {"address", "addresses"} else str
    if compared(wanted) in map(compared, [got] if isinstance(got, str) else got):
        return None
    if not isinstance(got, str):
        return lambda: f"{shown(wanted)} is not among {shown(got)}" if got else _none(shown(wanted))
    if compared is _address_of or not wanted.strip() or wanted not in got or len(got) > _LONGEST_VALUE:
        return lambda: difference(wanted, got)
    # a part of the value: perhaps that was to be enough
    pattern = repr(wanted) if re.fullmatch(r"[^.^$*+?{}\[\]\\|()]*", wanted) else f"re.escape({wanted!r})"
    return lambda: f"{difference(wanted, got)}; to search for a part, write re.compile({pattern})"


def _address_of(address: str) -> str:
    """Return what is compared of an address; of a criterion the display name is taken off."""
    found = parse_addresses(address)
    return address_key(found[0] if len(found) == 1 else address.removeprefix("<").removesuffix(">"))


def _exactly(wanted: Sequence[str], got: Value) -> Reason | None:
    have = Counter(map(_address_of, got))
    want = Counter(map(_address_of, wanted))
    if want == have:
        return None
    missing, surplus = sorted((want - have).elements()), sorted((have - want).elements())
    parts = [f"exactly {shown(list(wanted))} is wanted"]
    if missing:
        parts.append(f"missing: {shown(missing)}")
    if surplus:
        parts.append(f"not wanted: {shown(surplus)}")
    return lambda: "; ".join(parts)


def _search(wanted: Sequence[object], got: Value) -> Reason | None:
    """Return which fragments and patterns are in none of the values; None if all are found."""
    values = [got] if isinstance(got, str) else got
    missing = [item for item in wanted if not _is_in(item, values)]
    if not missing:
        return None
    if not any(values):
        return lambda: _none(shown(missing[0] if len(missing) == 1 else missing))
    first = missing[0]
    if len(missing) == 1 and isinstance(first, str) and isinstance(got, str):
        if "\n" in first.strip() or len(first) > _LONGEST_VALUE:
            return lambda: f"not found; the nearest lines differ so:\n{difference(first, got, part=True)}"
    return lambda: f"{', '.join(map(shown, missing))} not found in {in_full(got)}"


def _is_in(item: object, values: Sequence[str]) -> bool:
    """Search for a pattern in the value as it is, for a fragment with white space folded in both."""
    if isinstance(item, re.Pattern):
        return any(item.search(value) for value in values)
    fragment = _folded(str(item))
    return any(fragment in _folded(value) for value in values)


def _folded(text: str) -> str:
    return " ".join(text.split())


def _check_text(name: str, wanted: object, kind: TextKind) -> None:
    """Raise UsageError for a criterion that every email meets, or none can."""
    if wanted is None or _is_any(wanted):
        return
    if isinstance(wanted, re.Pattern):
        if not isinstance(wanted.pattern, str):
            raise UsageError(f"{name}={wanted!r} is a pattern of bytes; compile it from a str.")
    elif isinstance(wanted, (list, tuple)) and kind in {"addresses", "text"}:
        if kind == "text" and not wanted:
            raise UsageError(f"{name}={wanted!r} is in every email; use None for an email without {name}.")
        for item in wanted:
            if not isinstance(item, str if kind == "addresses" else (str, re.Pattern)):
                raise UsageError(f"{name}={wanted!r} holds {item!r}; a list is of str.")
            _check_text(name, item, kind)
    elif isinstance(wanted, str):
        if kind == "text" and not wanted.strip():
            raise UsageError(f"{name}={wanted!r} is in every email; use None for an email without {name}.")
        if kind == "addresses" or (kind == "address" and wanted not in {"", "<>"}):
            found = parse_addresses(wanted)
            if not found:
                raise UsageError(f"{name}={wanted!r} is no address; use None for an email without {name}.")
            if len(found) > 1:
                raise UsageError(f"{name}={wanted!r} is {len(found)} addresses; pass a list: {name}={found!r}.")
    elif not is_predicate(wanted):
        raise UsageError(
            f"{name}={wanted!r} is of type {type(wanted).__name__}; wanted is {_ALLOWED[kind]}, "
            "a compiled pattern, a callable, unittest.mock.ANY, or None for absent."
        )


# -- predicates, and TLS


def _check_predicate(_name: str, wanted: object) -> None:
    if not is_predicate(wanted) or isinstance(wanted, type):
        raise UsageError(
            f"the predicate is {shown(wanted)}; wanted is a callable that is asked about each email. "
            "Everything else has a name, as in subject='Welcome'."
        )


def _check_tls(_name: str, wanted: object) -> None:
    is_version = isinstance(wanted, str) and re.fullmatch(r"(TLS|SSL)v[0-9.]+", wanted) is not None
    is_pattern = isinstance(wanted, re.Pattern) and isinstance(wanted.pattern, str)
    if not (wanted is None or isinstance(wanted, bool) or is_version or is_pattern or _is_any(wanted)):
        raise UsageError(
            f"tls={wanted!r}; wanted is True or False, a version as in 'TLSv1.3', a compiled pattern, "
            "unittest.mock.ANY, or None for a connection without TLS."
        )


def _compare_tls(wanted: Any, got: str) -> Reason | None:
    if wanted is None or wanted is False:
        return (lambda: f"{wanted} is wanted, but it came over {got}") if got else None
    if not got:
        return lambda: f"{shown(wanted)} is wanted, but it came without TLS"
    if isinstance(wanted, re.Pattern):
        return _search([wanted], got)
    return None if wanted == got or not isinstance(wanted, str) else lambda: difference(wanted, got)


# -- attachments

_FACTS = ("name", "content_type", "content")


def _facts_of(wanted: object) -> Mapping[str, object] | None:
    """Return what one attachment must be, all at once; None for a callable, which decides by itself."""
    if isinstance(wanted, str):
        return {"content_type" if "/" in wanted else "name": wanted}
    if isinstance(wanted, bytes):
        return {"content": wanted}
    if isinstance(wanted, re.Pattern):
        return {"name": wanted}
    return wanted if isinstance(wanted, Mapping) else None


def is_wanted(wanted: object, attachment: Attachment) -> bool:
    """Return True if an attachment is the one that is meant; `Criteria` says how."""
    facts = _facts_of(wanted)
    if facts is None:
        return bool(wanted(attachment))  # type: ignore[operator]  # refuse_attachment has looked at it
    return not _missed_facts(facts, attachment)


def _missed_facts(facts: Mapping[str, object], attachment: Attachment) -> list[str]:
    return [fact for fact, value in facts.items() if not _has(attachment, fact, value)]


def _has(attachment: Attachment, fact: str, wanted: object) -> bool:
    value = getattr(attachment, fact)
    if isinstance(wanted, bytes):
        return bool(value == wanted)
    if isinstance(wanted, re.Pattern):
        return bool(wanted.search(attachment.text if fact == "content" and isinstance(wanted.pattern, str) else value))
    if isinstance(wanted, str):
        if fact == "content":
            return _folded(wanted) in _folded(attachment.text)
        glob = wanted.lower() if fact == "content_type" else wanted
        return value == glob or fnmatchcase(value, glob)
    return bool(wanted(value))  # type: ignore[operator]


def refuse_attachment(name: str, wanted: object) -> None:
    """Raise UsageError for what no attachment, or every one, is; ``name`` is the criterion's, for the message."""
    facts = _facts_of(wanted)
    if not (callable(wanted) if facts is None else wanted):
        raise UsageError(
            f"{name}={wanted!r}; wanted is a glob of the file's name, a content type, its bytes, a compiled pattern, a "
            "callable, a mapping of name, content_type and content, a list of these, unittest.mock.ANY, or None for "
            "absent."
        )
    for fact, value in (facts or {}).items():
        if fact not in _FACTS:
            raise UsageError(f"{name}={wanted!r} has the unknown key {fact!r}; {suggest_name(fact, _FACTS)}")
        if isinstance(value, re.Pattern):
            if fact != "content" and not isinstance(value.pattern, str):
                raise UsageError(f"{name}={wanted!r} has a pattern of bytes for {fact}; compile it from a str.")
        elif isinstance(value, bytes):
            if fact != "content":
                raise UsageError(f"{name}={wanted!r} has bytes for {fact}; it is a str.")
        elif not is_predicate(value) and not (isinstance(value, str) and value):
            kinds = "a str, a compiled pattern or a callable"
            raise UsageError(f"{name}={wanted!r} has {value!r} for {fact}; wanted is {kinds}.")


def _check_attachments(name: str, wanted: object) -> None:
    if wanted is not None and not _is_any(wanted):
        for item in (wanted if isinstance(wanted, (list, tuple)) else [wanted]) or [wanted]:
            refuse_attachment(name, item)


def _compare_attachments(wanted: Any, got: list[Attachment]) -> Reason | None:
    """Compare with one of `is_wanted`, or with a list, of which each item is to be there."""
    files = [each for each in got if not each.is_inline]
    if _is_any(wanted):
        return None if files else lambda: _none("ANY")
    if wanted is None:
        return (lambda: f"None is wanted, but there is {_show_attachments(files)}") if files else None
    items = wanted if isinstance(wanted, (list, tuple)) else [wanted]
    missing = [item for item in items if not any(is_wanted(item, each) for each in got)]
    if not missing:
        return None
    if not got:
        return lambda: _none(shown(missing[0] if len(missing) == 1 else missing))
    return lambda: "; ".join(_explain_attachments(item, got) for item in missing)


def _show_attachments(got: list[Attachment]) -> str:
    return ", ".join(map(str, got)) or "no attachment"


def _explain_attachments(wanted: object, attachments: Iterable[Attachment]) -> str:
    """Return why none of some attachments is the one that is meant."""
    described = [
        f"{each} (another {' and '.join(_missed_facts(wanted, each))})" if isinstance(wanted, Mapping) else str(each)
        for each in attachments
    ]
    return f"{shown(wanted)} is none of: {', '.join(described)}"


# -- texts that differ

_LONGEST_VALUE = 100  # characters that are read at a glance; more is cut or goes on lines of its own
_LONGEST_TEXT = 2000  # characters of a body in a report: a screenful
_MOST_LINES = 5000  # of a text that is compared line by line: beyond, it would take seconds


def in_full(value: str | list[str]) -> str:
    """Return a value that was received: on this line if it is short, else on lines of its own, cut if long."""
    if isinstance(value, list) or (len(value) <= _LONGEST_VALUE and "\n" not in value):
        return shown(value)
    return f"{len(value):,} characters:\n{_block(value.splitlines())}"


def _block(lines: Iterable[str], margin: str = "| ") -> str:
    """Return lines behind a margin, printable, without secrets, cut at `_LONGEST_TEXT` with the full length named."""
    text = "\n".join(lines)
    cut = [margin + escape(line) for line in mask(text[:_LONGEST_TEXT]).split("\n")]
    if len(text) > _LONGEST_TEXT:
        cut.append(f"[cut: {_LONGEST_TEXT:,} of {len(text):,} characters are shown]")
    return "\n".join(cut)


def difference(wanted: str, got: str, *, part: bool = False) -> str:
    """Return how two texts differ: side by side if they are short, else as a unified diff.

    If `wanted` is a part, only the lines around what is nearest to it in `got` are compared.
    """
    if not part and max(len(wanted), len(got)) <= _LONGEST_VALUE and "\n" not in wanted + got:
        wanted, got = repr(mask(wanted)), mask(got)
        return f"{wanted} != {got!r}" if got else f"{wanted} is wanted, but there is none"
    wanted_lines = [line.strip() for line in wanted.strip().splitlines()]
    got_lines = [line.strip() for line in got.splitlines()[:_MOST_LINES]]
    if part:
        got_lines = _around(wanted_lines, got_lines)
    lines = difflib.unified_diff(wanted_lines, got_lines, "wanted", "got", lineterm="", n=2)
    header = "" if part else "they differ so:\n"
    return header + _block(lines, margin="")


def _around(wanted: list[str], got: list[str]) -> list[str]:
    """Return the lines of `got` that can stand for `wanted`: around those that both have, and two more each way."""
    matcher = difflib.SequenceMatcher(None, wanted, got, autojunk=False)
    blocks = [block for block in matcher.get_matching_blocks() if block.size]
    if not blocks:
        return got[: len(wanted) + 2]
    first, last = blocks[0], blocks[-1]
    return got[max(0, first.b - first.a - 2) : last.b + len(wanted) - last.a + 2]


# -- all kinds, and all criteria but headers

PREDICATE = Kind(_check_predicate, lambda wanted, email: None if wanted(email) else lambda: "is not true of it")
ADDRESS, ADDRESSES = _kind_of_text("address"), _kind_of_text("addresses")
LINE, LINES, TEXT = _kind_of_text("line"), _kind_of_text("lines"), _kind_of_text("text")
TLS = Kind(_check_tls, _compare_tls)
ATTACHMENTS = Kind(_check_attachments, _compare_attachments, _show_attachments)

# The criterion's name: how it is compared, and with what.
KNOWN: Mapping[str, tuple[Kind, Callable[[ReceivedEmail], object]]] = {
    **{name: (ADDRESSES, attrgetter(name)) for name in ("to", "cc", "bcc", "recipients", "reply_to")},
    **{name: (ADDRESS, attrgetter(name)) for name in ("from_", "mail_from")},
    "subject": (LINE, attrgetter("subject")),
    **{name: (TEXT, attrgetter(name)) for name in ("text", "html", "body")},
    "attachment": (ATTACHMENTS, lambda email: [*email.attachments, *email.inline]),
    "auth_user": (LINE, lambda email: (email.session and email.session.auth_user) or ""),
    "tls": (TLS, lambda email: (email.session and email.session.tls) or ""),
}

"""One criterion of a mail: what a test may want of it, and how it tells that the mail is otherwise.

Here are the criteria that compare a text or an address; `kinds` has the others, and `matching` puts them together.
Pure: a mail in, None or a `Mismatch` out.
"""

from __future__ import annotations

import abc
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any, Literal, TypeAlias

from ..core.text import escape
from ..errors import UsageError
from .addresses import address_key, parse_addresses
from .message import ReceivedEmail
from .wording import LONGEST_VALUE, difference, in_full, shown

__all__ = [
    "KNOWN",
    "AddressesWanted",
    "Criterion",
    "HeadersWanted",
    "LineWanted",
    "Mismatch",
    "Reason",
    "TextWanted",
    "ValueCriterion",
    "is_any",
    "search",
]

LineWanted: TypeAlias = "str | re.Pattern[str] | Callable[[str], object] | None"
AddressesWanted: TypeAlias = (
    "str | list[str] | tuple[str, ...] | re.Pattern[str] | Callable[[list[str]], object] | None"
)
TextWanted: TypeAlias = "str | Sequence[str | re.Pattern[str]] | re.Pattern[str] | Callable[[str], object] | None"
HeadersWanted: TypeAlias = "Mapping[str, str | re.Pattern[str] | Callable[[list[str]], object] | None]"

Kind: TypeAlias = Literal["address", "addresses", "line", "lines", "text"]
Value: TypeAlias = "str | list[str]"
Reason: TypeAlias = Callable[[], str]

# the criterion's name: what kind of value it is compared with, and where that is
KNOWN: Mapping[str, tuple[Kind, Callable[[ReceivedEmail], Value]]] = {
    "to": ("addresses", lambda email: email.to),
    "cc": ("addresses", lambda email: email.cc),
    "bcc": ("addresses", lambda email: email.bcc),
    "recipients": ("addresses", lambda email: email.recipients),
    "from_": ("address", lambda email: email.from_),
    "mail_from": ("address", lambda email: email.mail_from),
    "reply_to": ("addresses", lambda email: email.reply_to),
    "subject": ("line", lambda email: email.subject),
    "text": ("text", lambda email: email.text),
    "html": ("text", lambda email: email.html),
    "body": ("text", lambda email: email.body),
    "auth_user": ("line", lambda email: (email.session and email.session.auth_user) or ""),
}

_ALLOWED: Mapping[Kind, str] = {
    "address": "an address",
    "addresses": "an address, a list of addresses",
    "line": "a str",
    "lines": "a str",
    "text": "a str, a list of them",
}


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """What one criterion has against one mail.

    Attributes:
        criterion: The criterion's name, as in ``subject`` or ``headers['X-Id']``.
        wanted: As the test gave it.
        got: What the mail has.
        error: What a predicate of the test raised; None if nothing was.
    """

    criterion: str
    wanted: object
    got: object
    error: Exception | None = None
    _reason: Reason = field(repr=False, compare=False)

    def describe(self) -> str:
        """Name and reason; the reason goes on in further lines if it quotes a text or a difference."""
        return f"{self.criterion}: {self._reason()}"

    @property
    def closeness(self) -> float:
        """How near the mail came, from 0 to 1, where that can be said: to find the nearest of several."""
        if not isinstance(self.wanted, str):
            return 0.0
        wanted = self.wanted[:100].casefold()  # comparing takes the product of the lengths
        values = self.got if isinstance(self.got, list) else [self.got]
        return max((_closeness(wanted, value.casefold()) for value in values if isinstance(value, str)), default=0.0)


def _closeness(wanted: str, got: str) -> float:
    if len(got) <= 2 * len(wanted) + 20:
        return SequenceMatcher(None, wanted, got, autojunk=False).ratio()
    # in a long text, how much of what is wanted stands there in one piece
    match = SequenceMatcher(None, wanted, got[:2000], autojunk=False).find_longest_match()
    return match.size / len(wanted) if wanted else 0.0


@dataclass(frozen=True, kw_only=True)
class Criterion(abc.ABC):
    """One thing that a test wants of a mail, checked for sense when it is made.

    Attributes:
        name: As in a report.
        wanted: As the test gave it.
    """

    name: str
    wanted: object

    @property
    def is_predicate(self) -> bool:
        """Whether the test's own code decides."""
        return callable(self.wanted) and not is_any(self.wanted)

    def check(self, email: ReceivedEmail) -> Mismatch | None:
        """None if `email` is as wanted.  What a predicate raises is not raised, but in ``Mismatch.error``."""
        got = self._read(email)
        error: Exception | None = None
        try:
            reason = self._judge(got)
        except Exception as raised:
            error, reason = raised, self._raised(raised, got)
        if reason is None:
            return None
        return Mismatch(criterion=self.name, wanted=self.wanted, got=got, error=error, _reason=reason)

    @abc.abstractmethod
    def _read(self, email: ReceivedEmail) -> Any:
        """What is compared."""

    @abc.abstractmethod
    def _judge(self, got: Any) -> Reason | None:
        """What is wrong with it."""

    def _shown(self, got: Any) -> str:
        """What is compared, in a report."""
        return str(got)

    def _raised(self, error: Exception, got: Any) -> Reason:
        raised = f"{type(error).__name__}: {escape(str(error)[:LONGEST_VALUE])}"
        return lambda: f"{shown(self.wanted)} raised {raised} on {self._shown(got)}"

    def __str__(self) -> str:
        return f"{self.name}={shown(self.wanted)}"


@dataclass(frozen=True, kw_only=True)
class ValueCriterion(Criterion):
    """A text or address of the mail.

    Attributes:
        kind: How values are compared.
        read: Gives the value of a mail.
    """

    kind: Kind
    read: Callable[[ReceivedEmail], Value] = field(repr=False)

    def __post_init__(self) -> None:
        _refuse_nonsense(self.name, self.wanted, self.kind)

    def _read(self, email: ReceivedEmail) -> Value:
        return self.read(email)

    def _shown(self, got: Value) -> str:
        return in_full(self._plain(got))

    def _judge(self, got: Value) -> Reason | None:
        wanted, plain = self.wanted, self._plain(got)
        if is_any(wanted):
            return None if got else lambda: "ANY is wanted, but there is none"
        if wanted is None:
            return (lambda: f"None is wanted, but it is {in_full(plain)}") if got else None
        if isinstance(wanted, re.Pattern):
            return search([wanted], plain)
        if callable(wanted):
            if wanted(got):
                return None
            return lambda: f"{shown(wanted)} is not true of {in_full(plain)}"
        if isinstance(wanted, (list, tuple)) and self.kind == "addresses":
            return _exactly(wanted, got)
        if self.kind == "text":
            return search(wanted if isinstance(wanted, (list, tuple)) else [wanted], got)
        return self._equal(str(wanted), plain)

    def _plain(self, got: Value) -> Value:
        """For a report, the value of a header that is there once, not a list of it."""
        return got[0] if self.kind == "lines" and len(got) == 1 else got

    def _equal(self, wanted: str, got: Value) -> Reason | None:
        """`wanted` is the value, or one of the values."""
        compared: Callable[[str], str] = _address_of if self.kind in {"address", "addresses"} else str
        values = [got] if isinstance(got, str) else got
        if compared(wanted) in map(compared, values):
            return None
        if isinstance(got, str):
            return lambda: difference(wanted, got)
        return lambda: f"{shown(wanted)} is not among {shown(got)}" if got else _none(wanted)


def _none(wanted: object) -> str:
    return f"{shown(wanted)} is wanted, but there is none"


def _address_of(address: str) -> str:
    """What is compared of an address; of a criterion the display name is taken off."""
    found = parse_addresses(address, "", lambda _: None)
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


def search(wanted: Sequence[object], got: Value) -> Reason | None:
    """Every fragment and pattern is in the value, or in one of the values."""
    values = [got] if isinstance(got, str) else got
    missing = [item for item in wanted if not _is_in(item, values)]
    if not missing:
        return None
    if not any(values):
        return lambda: _none(missing[0] if len(missing) == 1 else missing)
    first = missing[0]
    if len(missing) == 1 and isinstance(first, str) and isinstance(got, str):
        if "\n" in first.strip() or len(first) > LONGEST_VALUE:
            return lambda: f"not found; the nearest lines differ so:\n{difference(first, got, part=True)}"
    return lambda: f"{', '.join(map(shown, missing))} not found in {in_full(got)}"


def _is_in(item: object, values: Sequence[str]) -> bool:
    """A pattern is searched for in the value as it is, a fragment with white space folded in both."""
    if isinstance(item, re.Pattern):
        return any(item.search(value) for value in values)
    fragment = _folded(str(item))
    return any(fragment in _folded(value) for value in values)


def _folded(text: str) -> str:
    return " ".join(text.split())


def is_any(wanted: object) -> bool:
    """Whether it is ``unittest.mock.ANY``; not imported for the question: who passes it has done that."""
    mock = sys.modules.get("unittest.mock")
    return mock is not None and wanted is mock.ANY


def _refuse_nonsense(name: str, wanted: object, kind: Kind) -> None:
    """Raise UsageError for a criterion that every mail meets, or none can."""
    if wanted is None or is_any(wanted):
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
            _refuse_nonsense(name, item, kind)
    elif isinstance(wanted, str):
        _refuse_str(name, wanted, kind)
    elif not callable(wanted):
        raise UsageError(
            f"{name}={wanted!r} is of type {type(wanted).__name__}; wanted is {_ALLOWED[kind]}, "
            "a compiled pattern, a callable, unittest.mock.ANY, or None for absent."
        )


def _refuse_str(name: str, wanted: str, kind: Kind) -> None:
    if kind == "text" and not wanted.strip():
        raise UsageError(f"{name}={wanted!r} is in every email; use None for an email without {name}.")
    if kind not in {"address", "addresses"} or (kind == "address" and wanted in {"", "<>"}):
        return
    found = parse_addresses(wanted, name, lambda _: None)
    if not found:
        raise UsageError(f"{name}={wanted!r} is no address; use None for an email without {name}.")
    if len(found) > 1:
        raise UsageError(f"{name}={wanted!r} is {len(found)} addresses; pass a list: {name}={found!r}.")

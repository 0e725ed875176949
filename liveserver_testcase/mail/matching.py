"""What a test wants of a mail: criteria together.

Pure: no clock, socket or thread.  `criteria` says how one value is compared.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, TypedDict

from ..errors import UsageError
from .attachments import AttachmentWanted
from .criteria import (
    KNOWN,
    AddressesWanted,
    Criterion,
    HeadersWanted,
    LineWanted,
    Mismatch,
    TextWanted,
    ValueCriterion,
)
from .kinds import AttachmentCriterion, PredicateCriterion, TLSCriterion
from .message import ReceivedEmail

__all__ = [
    "AddressesWanted",
    "AttachmentWanted",
    "Criteria",
    "Criterion",
    "EmailCriteria",
    "EmailPredicate",
    "HeadersWanted",
    "LineWanted",
    "Mismatch",
    "TLSWanted",
    "TextWanted",
]

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


@dataclass(frozen=True)
class Criteria:
    r"""Everything that a test wants of one mail; every mail meets criteria of which there are none.

    Build it with `build`.  How a value is compared:

    - ``to``, ``cc``, ``bcc``, ``recipients``, ``reply_to``: a str is one of the addresses; a list or tuple is exactly
      these, in any order.  Addresses are compared as addresses: display names and the case of letters do not count,
      before the ``@`` either (RFC 5321 would let a server tell ``Ann@`` from ``ann@``; none does).
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

    A predicate is asked last, and only about mails that meet every other criterion.  What it raises is raised in the
    test: a broken predicate must not pass for "no such mail".
    """

    criteria: tuple[Criterion, ...]

    @classmethod
    def build(cls, predicate: EmailPredicate = None, /, **wanted: object) -> Criteria:
        """Criteria from keywords, and a predicate that is asked about the whole mail.

        Raises:
            TypeError: A keyword is not known; the message names the nearest.
            UsageError: A value cannot be what was meant: of a wrong type, or every mail would do.
        """
        criteria: list[Criterion] = [] if predicate is None else [PredicateCriterion(wanted=predicate)]
        for name, value in wanted.items():
            if name == "headers":
                criteria += _header_criteria(value)
            elif name == "attachment":
                criteria.append(AttachmentCriterion(wanted=value))
            elif name == "tls":
                criteria.append(TLSCriterion(wanted=value))
            elif name in KNOWN:
                kind, read = KNOWN[name]
                criteria.append(ValueCriterion(name=name, wanted=value, kind=kind, read=read))
            else:
                raise TypeError(_unknown(name))
        return cls(tuple(criteria))

    def matches(self, email: ReceivedEmail) -> bool:
        """Whether `email` meets every criterion.

        Raises:
            Exception: What a predicate raised.
        """
        for criterion in sorted(self.criteria, key=lambda criterion: criterion.is_predicate):
            mismatch = criterion.check(email)
            if mismatch is not None:
                if mismatch.error is not None:
                    raise mismatch.error
                return False
        return True

    def mismatches(self, email: ReceivedEmail) -> list[Mismatch]:
        """What each criterion has against `email`; nothing is raised, not by a predicate either."""
        return [mismatch for criterion in self.criteria if (mismatch := criterion.check(email)) is not None]

    def __str__(self) -> str:
        return ", ".join(map(str, self.criteria))


def _header_criteria(wanted: object) -> list[Criterion]:
    if not isinstance(wanted, Mapping) or not wanted or not all(isinstance(name, str) for name in wanted):
        raise UsageError(f"headers={wanted!r} is no mapping of names to values, as in headers={{'X-Id': '1'}}.")

    def reader(name: str) -> Callable[[ReceivedEmail], list[str]]:
        return lambda email: email.headers.get_all(name)

    return [
        ValueCriterion(name=f"headers[{name!r}]", wanted=value, kind="lines", read=reader(name))
        for name, value in wanted.items()
    ]


def _unknown(name: str) -> str:
    known = sorted([*KNOWN, "attachment", "headers", "tls"])
    near = difflib.get_close_matches(name, known, n=1)
    return f"unknown criterion {name!r}; " + (f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}")

"""What a test wants of a mail: criteria together, and a report of what was received instead.

Pure: no clock, socket or thread.  `criteria` says how one value is compared.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from ..errors import UsageError
from .criteria import (
    KNOWN,
    AddressesWanted,
    Criterion,
    HeadersWanted,
    LineWanted,
    Mismatch,
    TextWanted,
)
from .message import ReceivedEmail
from .wording import count, escaped, one_line, quoted, route, shown

__all__ = [
    "AddressesWanted",
    "Criteria",
    "Criterion",
    "EmailCriteria",
    "HeadersWanted",
    "LineWanted",
    "Mismatch",
    "TextWanted",
    "explain",
]

_MOST_LISTED = 20  # mails in a report; a test that got more is not read to the end
_MOST_COMPARED = 50  # mails in which the nearest is looked for: comparing texts takes time
_MOST_DEFECTS = 3


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
      them.  HTML is compared as source.
    - ``headers``: a mapping; of each name, one header is equal, after decoding.

    Wherever a value is wanted, a compiled pattern is searched for (``\A`` and ``\Z`` bind it); of several values one is
    enough.  A callable is given the value (a list for addresses and headers) and decides by the truth of what it
    returns.  ``unittest.mock.ANY`` wants a value to be there and not empty, None wants none.

    A predicate is asked last, and only about mails that meet every other criterion.  What it raises is raised in the
    test: a broken predicate must not pass for "no such mail".
    """

    criteria: tuple[Criterion, ...]

    @classmethod
    def build(cls, **wanted: object) -> Criteria:
        """Criteria from keywords.

        Raises:
            TypeError: A keyword is not known; the message names the nearest.
            UsageError: A value cannot be what was meant: of a wrong type, or every mail would do.
        """
        criteria: list[Criterion] = []
        for name, value in wanted.items():
            if name == "headers":
                criteria += _header_criteria(value)
            elif name in KNOWN:
                kind, read = KNOWN[name]
                criteria.append(Criterion(name=name, wanted=value, kind=kind, read=read))
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
        return ", ".join(f"{each.name}={shown(each.wanted)}" for each in self.criteria)


def _header_criteria(wanted: object) -> list[Criterion]:
    if not isinstance(wanted, Mapping) or not wanted or not all(isinstance(name, str) for name in wanted):
        raise UsageError(f"headers={wanted!r} is no mapping of names to values, as in headers={{'X-Id': '1'}}.")

    def reader(name: str) -> Callable[[ReceivedEmail], list[str]]:
        return lambda email: email.get_all(name)

    return [
        Criterion(name=f"headers[{name!r}]", wanted=value, kind="lines", read=reader(name))
        for name, value in wanted.items()
    ]


def _unknown(name: str) -> str:
    known = sorted([*KNOWN, "headers"])
    near = difflib.get_close_matches(name, known, n=1)
    return f"unknown criterion {name!r}; " + (f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}")


def explain(
    criteria: Criteria,
    emails: Sequence[ReceivedEmail],
    *,
    server_url: str,
    waited: float | None,
    wanted_times: int | None,
    late: Sequence[tuple[ReceivedEmail, str]] = (),
    sessions_seen: int | None = None,
    name: str = "email",
) -> str:
    """Why an assertion about mail failed, for a person who has only this text.

    Args:
        criteria: What was wanted.
        emails: What was received in this test, in order.
        server_url: As in ``smtp://127.0.0.1:2525``.
        waited: For how long, in seconds; None if there was no wait.
        wanted_times: How many mails were wanted; None for at least one, 0 for none.
        late: Mails of earlier tests that arrived when those had ended, and the names of those tests.
        sessions_seen: How many connections were made in this test; None if that was not counted.
        name: What a mail is called in the text.

    Returns:
        Lines without a final line end; the first is a sentence.
    """
    judged = [(number, email, criteria.mismatches(email)) for number, email in enumerate(emails, 1)]
    matched = [number for number, _, mismatches in judged if not mismatches]
    lines = [_headline(criteria, len(matched), waited, wanted_times, name)]
    lines.append(f"  wanted:  {criteria if criteria.criteria else f'any {name}'}")
    if matched:
        more = f", … {len(matched) - _MOST_LISTED} more" if len(matched) > _MOST_LISTED else ""
        lines.append(f"  matched: {', '.join(f'#{number}' for number in matched[:_MOST_LISTED])}{more}")
    if len(matched) < (1 if wanted_times is None else wanted_times):
        lines += _nearest(criteria, [entry for entry in judged if entry[2]])
    lines += _received(emails)
    if late:
        lines.append(f"  late, from tests that had ended: {len(late)}")
        lines += [f"      {one_line(email)}  (from {escaped(test)})" for email, test in late[-_MOST_LISTED:]]
    if not emails:
        lines += _connections(server_url, sessions_seen, name)
    return "\n".join([*lines, f"  server: {server_url}"])


def _headline(criteria: Criteria, matched: int, waited: float | None, wanted_times: int | None, name: str) -> str:
    verb = "matched" if criteria.criteria else "arrived"
    within = f" within {waited:.{1 if waited >= 0.1 else 2}f} s" if waited else ""
    wanted = {None: "", 0: ", none was wanted"}.get(wanted_times, f", {wanted_times} wanted")
    return f"{count(matched, name)} {verb}{within}{wanted}"


def _nearest(criteria: Criteria, missed: Sequence[tuple[int, ReceivedEmail, list[Mismatch]]]) -> list[str]:
    """The mail that meets most criteria; of several the one that comes nearest to the rest; then the last."""
    if not missed:
        return []
    fewest = min(len(entry[2]) for entry in missed)
    candidates = [entry for entry in missed if len(entry[2]) == fewest][-_MOST_COMPARED:]
    number, email, mismatches = max(candidates, key=lambda entry: (sum(each.closeness for each in entry[2]), entry[0]))
    total, met = len(criteria.criteria), len(criteria.criteria) - len(mismatches)
    subject = quoted(email.subject, 80) if email.subject else "(no subject)"
    noun = "criterion" if total == 1 else "criteria"
    lines = [f"  nearest: #{number} from {route(email, ' to ')}  {subject}  ({met} of {total} {noun})"]
    failed = {mismatch.criterion: mismatch for mismatch in mismatches}
    for criterion in criteria.criteria:
        if criterion.name not in failed:
            lines.append(f"      ok   {criterion.name}")
            continue
        first, *more = failed[criterion.name].describe().split("\n")
        lines.append(f"      FAIL {first}")
        lines += [f"           {line}" for line in more]
    lines += [f"      note {escaped(defect)}" for defect in email.defects[:_MOST_DEFECTS]]
    return lines


def _received(emails: Sequence[ReceivedEmail]) -> list[str]:
    left_out = max(0, len(emails) - _MOST_LISTED)
    note = f" (the last {_MOST_LISTED} are listed)" if left_out else ""
    listed = list(enumerate(emails, 1))[left_out:]
    return [
        f"  received in this test: {len(emails)}{note}",
        *(f"      #{number} {one_line(email)}" for number, email in listed),
    ]


def _connections(server_url: str, sessions_seen: int | None, name: str) -> list[str]:
    """With nothing received: did anybody try?"""
    address = server_url.partition("://")[2]
    if sessions_seen is None:
        return []
    if sessions_seen:
        them = "it" if sessions_seen == 1 else "them"
        return [
            f"  {count(sessions_seen, 'connection')} to {address}, but no {name} was delivered over {them}",
            "      Did the client stop at a refused login or recipient, or is it still sending?",
        ]
    return [
        f"  no connection was made to {address}",
        "      Is the code under test configured with this host and port?",
        "      Flask-Mail sends nothing while MAIL_SUPPRESS_SEND is true, its default under TESTING.",
        "      Django's test runner sets EMAIL_BACKEND to locmem: override it with the smtp backend.",
    ]

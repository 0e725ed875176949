"""The emails of a test, as the test takes them: all of them, or those of a block.

An email is parsed here, when it is taken, and not while it is received.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, overload

from ..core.journal import Journal
from ..core.text import count

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .criteria import Criteria, EmailCriteria, EmailPredicate
    from .message import ReceivedEmail

__all__ = ["CapturedEmails", "EmailList", "Outbox", "build_criteria"]


def build_criteria(predicate: EmailPredicate = None, /, **criteria: Unpack[EmailCriteria]) -> Criteria:
    """Check what a test wants of its emails, and return it; see `Criteria`."""
    from .criteria import Criteria  # loaded when the server starts

    return Criteria.build(predicate, **criteria)


class EmailList(Sequence["ReceivedEmail"], abc.ABC):
    """Emails in the order of their acceptance; equal to a list of the same.

    An email that is taken from it counts as looked at (``smtp_strict``); ``len()`` looks at none.
    """

    @abc.abstractmethod
    def _emails(self) -> Sequence[ReceivedEmail]:
        """Return the emails."""

    @overload
    def __getitem__(self, index: int) -> ReceivedEmail: ...
    @overload
    def __getitem__(self, index: slice) -> list[ReceivedEmail]: ...
    def __getitem__(self, index: int | slice) -> ReceivedEmail | list[ReceivedEmail]:
        emails = self._emails()
        if isinstance(index, slice):
            return [_seen(email) for email in emails[index]]
        try:
            return _seen(emails[index])
        except IndexError:
            number = count(len(emails), "email") if emails else "no email"
            raise IndexError(f"{index}: there {'are' if len(emails) > 1 else 'is'} {number} in {self._name}") from None

    def __iter__(self) -> Iterator[ReceivedEmail]:
        return map(_seen, self._emails())

    def __len__(self) -> int:
        return len(self._emails())

    @property
    def first(self) -> ReceivedEmail:
        """The email that was accepted first.

        Raises:
            IndexError: There is none.
        """
        return self[0]

    @property
    def last(self) -> ReceivedEmail:
        """The email that was accepted last.

        Raises:
            IndexError: There is none.
        """
        return self[-1]

    def filter(self, predicate: EmailPredicate = None, /, **criteria: Unpack[EmailCriteria]) -> list[ReceivedEmail]:
        """Return the emails that meet all of these, as `Criteria` explains.

        Raises:
            TypeError: A criterion is not known; the message names the nearest.
            UsageError: A criterion would match every mail, or none can.
        """
        wanted = build_criteria(predicate, **criteria)
        return [_seen(email) for email in self._emails() if wanted.matches(email)]

    def __contains__(self, email: object) -> bool:
        return email in self._emails()

    def __eq__(self, other: object) -> bool:
        if isinstance(other, EmailList):
            return list(self._emails()) == list(other._emails())
        return list(self._emails()) == list(other) if isinstance(other, (list, tuple)) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # equal to a list

    _name = "the outbox of this test"

    def __repr__(self) -> str:
        return f"[{', '.join(map(repr, self._emails()))}]"


class Outbox(EmailList):
    """The emails of the test that runs, as they were when it was taken: it does not change afterwards.

    Args:
        journal: Where the server keeps its mails.
    """

    def __init__(self, journal: Journal[ReceivedEmail]) -> None:
        self._journal = journal
        self._taken: tuple[ReceivedEmail, ...] = tuple(journal.entries(journal.window))

    def _emails(self) -> Sequence[ReceivedEmail]:
        return self._taken

    def clear(self) -> None:
        """Forget the emails so far, here and at the server."""
        self._journal.clear()
        self._taken = ()


class CapturedEmails(EmailList):
    """The emails that arrive in a block of a test: while it lasts those so far, and afterwards those of the block.

    Args:
        journal: Where the server keeps its mails.
        criteria: What is wanted of them; the others are passed over.
    """

    _name = "this block"

    def __init__(self, journal: Journal[ReceivedEmail], criteria: Criteria) -> None:
        self._journal = journal
        self._criteria = criteria
        self._since = 0
        self._kept: list[ReceivedEmail] | None = []

    def _emails(self) -> Sequence[ReceivedEmail]:
        return [email for email in self.everything() if self._criteria.matches(email)]

    def everything(self) -> list[ReceivedEmail]:
        """Return all emails of the block, wanted or not."""
        if self._kept is not None:
            return self._kept
        return [email for email in self._journal.entries(self._journal.window) if email.index >= self._since]

    def open(self) -> None:
        """Begin the block: what has come before is not in it."""
        entries = self._journal.entries()
        self._since = entries[-1].index + 1 if entries else 0
        self._kept = None

    def close(self) -> None:
        """End the block: what comes from now on is not in it."""
        self._kept = self.everything()


def _seen(email: ReceivedEmail) -> ReceivedEmail:
    email.was_seen = True
    return email.parse()

"""Criteria that compare no text: attachments, TLS, and the test's own predicate.

Pure: a mail in, None or a `Mismatch` out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from ..core.text import escape
from ..errors import UsageError
from .attachments import describe_attachment, explain_attachments, is_wanted, refuse_attachment, shown_attachment
from .criteria import Criterion, Reason, is_any, search
from .message import Attachment, ReceivedEmail
from .wording import LONGEST_VALUE, difference, shown

__all__ = ["AttachmentCriterion", "PredicateCriterion", "TLSCriterion"]


@dataclass(frozen=True, kw_only=True)
class PredicateCriterion(Criterion):
    """The test's own code, asked about the whole mail."""

    name: str = "predicate"

    def __post_init__(self) -> None:
        if not callable(self.wanted) or isinstance(self.wanted, type):
            raise UsageError(
                f"the predicate is {shown(self.wanted)}; wanted is a callable that is asked about each email. "
                "Everything else has a name, as in subject='Welcome'."
            )

    def _read(self, email: ReceivedEmail) -> ReceivedEmail:
        return email

    def _judge(self, got: ReceivedEmail) -> Reason | None:
        return None if cast("Callable[[ReceivedEmail], object]", self.wanted)(got) else lambda: "is not true of it"

    def _raised(self, error: Exception, got: ReceivedEmail) -> Reason:
        return lambda: f"raised {type(error).__name__}: {escape(str(error)[:LONGEST_VALUE])}"

    def __str__(self) -> str:
        return shown(self.wanted)


@dataclass(frozen=True, kw_only=True)
class TLSCriterion(Criterion):
    """Whether, or with which version of TLS, the mail came."""

    name: str = "tls"

    def __post_init__(self) -> None:
        wanted = self.wanted
        if not (wanted is None or is_any(wanted) or (isinstance(wanted, (bool, str, re.Pattern)) and wanted != "")):
            raise UsageError(
                f"tls={wanted!r}; wanted is True or False, a version as in 'TLSv1.3', a compiled pattern, "
                "unittest.mock.ANY, or None for a connection without TLS."
            )

    def _read(self, email: ReceivedEmail) -> str:
        return (email.session and email.session.tls) or ""

    def _judge(self, got: str) -> Reason | None:
        wanted = self.wanted
        if wanted is None or wanted is False:
            return (lambda: f"{wanted} is wanted, but it came over {got}") if got else None
        if not got:
            return lambda: f"{shown(wanted)} is wanted, but it came without TLS"
        if isinstance(wanted, re.Pattern):
            return search([wanted], got)
        return None if wanted == got or not isinstance(wanted, str) else lambda: difference(str(wanted), got)


@dataclass(frozen=True, kw_only=True)
class AttachmentCriterion(Criterion):
    """What is attached; see `is_wanted` for one attachment.  A list wants each of its items to be there."""

    name: str = "attachment"

    def __post_init__(self) -> None:
        if self.wanted is None or is_any(self.wanted):
            return
        items = self.wanted if isinstance(self.wanted, (list, tuple)) else [self.wanted]
        for item in items or [self.wanted]:
            refuse_attachment(self.name, item)

    def _read(self, email: ReceivedEmail) -> list[Attachment]:
        return [*email.attachments, *email.inline]

    def _judge(self, got: list[Attachment]) -> Reason | None:
        wanted = self.wanted
        files = [each for each in got if not each.is_inline]
        if is_any(wanted):
            return None if files else lambda: "ANY is wanted, but there is none"
        if wanted is None:
            return (lambda: f"None is wanted, but there is {self._shown(files)}") if files else None
        items = wanted if isinstance(wanted, (list, tuple)) else [wanted]
        missing = [item for item in items if not any(is_wanted(item, each) for each in got)]
        if not missing:
            return None
        if not got:
            first = missing[0] if len(missing) == 1 else missing
            return lambda: f"{shown_attachment(first)} is wanted, but there is none"
        return lambda: "; ".join(explain_attachments(item, got) for item in missing)

    def _shown(self, got: list[Attachment]) -> str:
        return ", ".join(map(describe_attachment, got)) or "no attachment"

    def __str__(self) -> str:
        return f"{self.name}={shown_attachment(self.wanted)}"

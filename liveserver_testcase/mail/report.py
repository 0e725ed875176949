"""The report of a failed assertion about mail, for a person who has only this text.

Pure: recorded facts in, text out; held letter by letter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..core.text import count, escape, quote
from .circumstances import Circumstances, describe_circumstances, headline
from .criteria import Criteria, Mismatch, describe_attachment
from .message import ReceivedEmail

__all__ = ["Verdict", "explain", "one_line", "route"]

_MOST_LISTED = 20  # mails in a report; a test that got more is not read to the end
_MOST_COMPARED = 50  # mails in which the nearest is looked for: comparing texts takes time
_MOST_DEFECTS = 3
_MOST_NAMED = 3  # recipients or attachments of one mail


def one_line(email: ReceivedEmail) -> str:
    """A mail in a list: sender -> recipients, subject, kinds of text, attachments."""
    parts = [route(email, " -> "), quote(email.subject) if email.subject else "(no subject)"]
    kinds = [kind for kind, text in (("text", email.text), ("html", email.html)) if text]
    content = "+".join(kinds) or "no text"
    for noun, attachments in (("attachment", email.attachments), ("inline picture", email.inline)):
        if attachments:
            named = [describe_attachment(attachment) for attachment in attachments[:_MOST_NAMED]]
            if len(attachments) > _MOST_NAMED:
                named.append(f"{len(attachments) - _MOST_NAMED} more")
            content += f", {count(len(attachments), noun)} ({', '.join(named)})"
    return "  ".join([*parts, content])


def route(email: ReceivedEmail, arrow: str) -> str:
    """Sender and recipients, of the envelope."""
    recipients = [escape(address) for address in email.recipients[:_MOST_NAMED]]
    if len(email.recipients) > _MOST_NAMED:
        recipients.append(f"{len(email.recipients) - _MOST_NAMED} more")
    return f"{escape(email.mail_from) or '<>'}{arrow}{', '.join(recipients)}"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What an assertion wanted, and how it looked for it.

    Attributes:
        criteria: What was wanted.
        times: How many mails were wanted; None for at least one, 0 for none.
        waited: For how long, in seconds; None if there was no wait.
        advice: What to say after the headline; empty for nothing.
        place: Where the mails are from, as in ``in this test``.
    """

    criteria: Criteria
    times: int | None = None
    waited: float | None = None
    advice: str = ""
    place: str = "in this test"


def explain(verdict: Verdict, emails: Sequence[ReceivedEmail], around: Circumstances) -> str:
    """Why an assertion about mail failed.

    Args:
        verdict: What was wanted.
        emails: What was received, in order.
        around: What else was going on at the server.

    Returns:
        Lines without a final line end; the first is a sentence.
    """
    criteria = verdict.criteria
    judged = [(number, email, criteria.mismatches(email)) for number, email in enumerate(emails, 1)]
    matched = [number for number, _, mismatches in judged if not mismatches]
    verb = "matched" if criteria.criteria else "arrived"
    lines = [headline(len(matched), "email", verb, verdict.waited, verdict.times)]
    if verdict.advice:
        lines.append(f"  note:    {verdict.advice}")
    lines.append(f"  wanted:  {criteria if criteria.criteria else 'any email'}")
    if matched:
        more = f", … {len(matched) - _MOST_LISTED} more" if len(matched) > _MOST_LISTED else ""
        lines.append(f"  matched: {', '.join(f'#{number}' for number in matched[:_MOST_LISTED])}{more}")
    if len(matched) < (1 if verdict.times is None else verdict.times):
        lines += _nearest(criteria, [entry for entry in judged if entry[2]])
    lines += _received(emails, verdict.place)
    if around.late:
        lines.append(f"  late, from tests that had ended: {len(around.late)}")
        lines += [f"      {one_line(email)}  (from {escape(test)})" for email, test in around.late[-_MOST_LISTED:]]
    return "\n".join([*lines, *describe_circumstances(around, bool(emails))])


def _nearest(criteria: Criteria, missed: Sequence[tuple[int, ReceivedEmail, list[Mismatch]]]) -> list[str]:
    """The mail that meets most criteria; of several the one that comes nearest to the rest; then the last."""
    if not missed:
        return []
    fewest = min(len(entry[2]) for entry in missed)
    candidates = [entry for entry in missed if len(entry[2]) == fewest][-_MOST_COMPARED:]
    number, email, mismatches = max(candidates, key=lambda entry: (sum(each.closeness for each in entry[2]), entry[0]))
    total, met = len(criteria.criteria), len(criteria.criteria) - len(mismatches)
    subject = quote(email.subject) if email.subject else "(no subject)"
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
    lines += [f"      note {escape(defect)}" for defect in email.defects[:_MOST_DEFECTS]]
    return lines


def _received(emails: Sequence[ReceivedEmail], place: str) -> list[str]:
    left_out = max(0, len(emails) - _MOST_LISTED)
    note = f" (the last {_MOST_LISTED} are listed)" if left_out else ""
    listed = list(enumerate(emails, 1))[left_out:]
    return [
        f"  received {place}: {len(emails)}{note}",
        *(f"      #{number} {one_line(email)}" for number, email in listed),
    ]

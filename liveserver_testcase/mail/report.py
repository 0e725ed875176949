"""The report of a failed assertion about mail, for a person who has only this text.

Pure: recorded facts in, text out; held letter by letter.
"""

from __future__ import annotations

from collections.abc import Sequence

from .attachments import describe_attachment
from .matching import Criteria, Mismatch
from .message import ReceivedEmail
from .wording import count, escaped, quoted

__all__ = ["explain", "one_line", "route"]

_MOST_LISTED = 20  # mails in a report; a test that got more is not read to the end
_MOST_COMPARED = 50  # mails in which the nearest is looked for: comparing texts takes time
_MOST_DEFECTS = 3
_MOST_NAMED = 3  # recipients or attachments of one mail


def one_line(email: ReceivedEmail) -> str:
    """A mail in a list: sender -> recipients, subject, kinds of text, attachments."""
    parts = [route(email, " -> "), quoted(email.subject, 80) if email.subject else "(no subject)"]
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
    recipients = [escaped(address) for address in email.recipients[:_MOST_NAMED]]
    if len(email.recipients) > _MOST_NAMED:
        recipients.append(f"{len(email.recipients) - _MOST_NAMED} more")
    return f"{escaped(email.mail_from) or '<>'}{arrow}{', '.join(recipients)}"


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
    """Why an assertion about mail failed.

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

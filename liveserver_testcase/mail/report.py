"""The report of a failed assertion about mail, for a person who has only this text.

A report has, from top to bottom: what was wanted, the nearest email criterion by criterion, the emails that were
received, what the server refused, its connections, what usually is the reason, and a transcript.  `explain_error` has
what of that helps when the code under test failed by itself.  Pure: recorded facts in, text out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..core.text import count, escape, quote
from .criteria import Criteria, Mismatch
from .message import ReceivedEmail
from .session import SMTPAttempt, SMTPSession

__all__ = ["Diagnostics", "describe_diagnostics", "explain", "explain_attempts", "explain_error", "one_line", "route"]

_MOST_LISTED = 20  # emails or refusals in a report; a test that got more is not read to the end
_MOST_COMPARED = 50  # emails in which the nearest is looked for: comparing texts takes time
_MOST_DEFECTS = 3
_MOST_NAMED = 3  # recipients or attachments of one email
_MOST_LINES = 40  # of a transcript: a dialogue of one email has twenty
_LONGEST_LINE = 200
_PREFIX = len("S: 250-")


@dataclass(frozen=True, kw_only=True)
class Diagnostics:
    """What there is to know besides the emails of a test.

    Attributes:
        server_url: As in ``smtp://127.0.0.1:2525``.
        sessions: The connections of the test.
        attempts: What clients have tried in it, in order.
        late: Mails of earlier tests that arrived when those had ended, and the names of those tests.
        loss: A line for the report if mails were lost because there were too many; empty if none was.
    """

    server_url: str
    sessions: Sequence[SMTPSession] = ()
    attempts: Sequence[SMTPAttempt] = ()
    late: Sequence[tuple[ReceivedEmail, str]] = ()
    loss: str = ""


# -- emails


def explain(
    criteria: Criteria,
    emails: Sequence[ReceivedEmail],
    diagnostics: Diagnostics,
    *,
    times: int | None = None,
    waited: float | None = None,
    advice: str = "",
    place: str = "in this test",
) -> str:
    """Return why an assertion about mail failed: lines without a final line end, of which the first is a sentence.

    ``times`` is None for at least one email, 0 for none; ``waited`` are seconds, None without a wait; ``advice`` comes
    after the headline; ``place`` is where the emails are from.
    """
    compared = [(number, email, criteria.mismatches(email)) for number, email in enumerate(emails, 1)]
    matched = [number for number, _, mismatches in compared if not mismatches]
    verb = "matched" if criteria.criteria else "arrived"
    lines = [_headline(len(matched), "email", verb, waited, times)]
    if advice:
        lines.append(f"  note:    {advice}")
    lines.append(f"  wanted:  {criteria if criteria.criteria else 'any email'}")
    if matched:
        more = f", … {len(matched) - _MOST_LISTED} more" if len(matched) > _MOST_LISTED else ""
        lines.append(f"  matched: {', '.join(f'#{number}' for number in matched[:_MOST_LISTED])}{more}")
    if len(matched) < (1 if times is None else times):
        lines += _describe_nearest(criteria, [entry for entry in compared if entry[2]])
    lines += _describe_received(emails, place)
    if diagnostics.late:
        lines.append(f"  late, from tests that had ended: {len(diagnostics.late)}")
        lines += [f"      {one_line(email)}  (from {escape(test)})" for email, test in diagnostics.late[-_MOST_LISTED:]]
    return "\n".join([*lines, *describe_diagnostics(diagnostics, bool(emails))])


def _describe_nearest(criteria: Criteria, missed: Sequence[tuple[int, ReceivedEmail, list[Mismatch]]]) -> list[str]:
    """Describe the email that meets most criteria; of several the nearest to the rest; then the last."""
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


def _describe_received(emails: Sequence[ReceivedEmail], place: str) -> list[str]:
    left_out = max(0, len(emails) - _MOST_LISTED)
    note = f" (the last {_MOST_LISTED} are listed)" if left_out else ""
    listed = list(enumerate(emails, 1))[left_out:]
    return [
        f"  received {place}: {len(emails)}{note}",
        *(f"      #{number} {one_line(email)}" for number, email in listed),
    ]


def one_line(email: ReceivedEmail) -> str:
    """Return an email on one line: sender -> recipients, subject, kinds of text, attachments."""
    parts = [route(email, " -> "), quote(email.subject) if email.subject else "(no subject)"]
    kinds = [kind for kind, text in (("text", email.text), ("html", email.html)) if text]
    content = "+".join(kinds) or "no text"
    for noun, attachments in (("attachment", email.attachments), ("inline picture", email.inline)):
        if attachments:
            named = list(map(str, attachments[:_MOST_NAMED]))
            if len(attachments) > _MOST_NAMED:
                named.append(f"{len(attachments) - _MOST_NAMED} more")
            content += f", {count(len(attachments), noun)} ({', '.join(named)})"
    return "  ".join([*parts, content])


def route(email: ReceivedEmail, arrow: str) -> str:
    """Return sender and recipients, of the envelope."""
    recipients = [escape(address) for address in email.recipients[:_MOST_NAMED]]
    if len(email.recipients) > _MOST_NAMED:
        recipients.append(f"{len(email.recipients) - _MOST_NAMED} more")
    return f"{escape(email.mail_from) or '<>'}{arrow}{', '.join(recipients)}"


# -- what else was going on


def describe_diagnostics(diagnostics: Diagnostics, has_emails: bool) -> list[str]:
    """Return the lines of a report below the emails; without any, the connections are what there is to look at."""
    sessions, address = diagnostics.sessions, diagnostics.server_url.partition("://")[2]
    refused = describe_refused(diagnostics.attempts)
    lines = list(refused)
    if sessions:
        reasons = _find_reasons(diagnostics)
        if not reasons and not has_emails and not refused:
            reasons = ["Did the client stop before it sent a mail, or is it still sending?"]
        lines += _describe_sessions(sessions, address, has_emails)
        lines += [f"      {reason}" for reason in reasons]
        lines += _describe_transcript(sessions, has_emails)
    elif not has_emails:
        lines += _describe_no_connection(address)
    if diagnostics.loss:
        lines.append(f"  {diagnostics.loss}")
    return [*lines, f"  server: {diagnostics.server_url}"]


def list_attempts(attempts: Sequence[SMTPAttempt]) -> list[str]:
    """Return attempts, one a line, equal ones counted."""
    counted = Counter(escape(str(attempt)[:_LONGEST_LINE]) for attempt in attempts)
    lines = [f"      {text}{f'  ({number} times)' if number > 1 else ''}" for text, number in counted.items()]
    more = len(lines) - _MOST_LISTED
    return [*lines[:_MOST_LISTED], f"      … {more} more"] if more > 0 else lines


def describe_refused(attempts: Sequence[SMTPAttempt]) -> list[str]:
    """Return what the server has refused, or left without an answer."""
    refused = [attempt for attempt in attempts if attempt.was_refused and (attempt.code or attempt.reply)]
    return [f"  refused: {len(refused)}", *list_attempts(refused)] if refused else []


def _describe_no_connection(address: str) -> list[str]:
    return f"""\
  no connection was made to {address}
      Is the code under test given this host and port? smtp.settings() has all that a sender must know.
      Flask-Mail sends nothing while MAIL_SUPPRESS_SEND is true, its default under TESTING: see smtp.flask_config().
      Django's test runner sets EMAIL_BACKEND to locmem: override it, see smtp.django_settings().""".split("\n")


def _describe_sessions(sessions: Sequence[SMTPSession], address: str, has_emails: bool) -> list[str]:
    """Return how many connections there were, and which of them last; nothing if nothing is wrong with them."""
    lasting = [session for session in sessions if session.is_open]
    if not has_emails:
        them = "it" if len(sessions) == 1 else "them"
        head = f"  {count(len(sessions), 'connection')} to {address}, but no email was delivered over {them}"
    elif any(session.state != "idle" for session in lasting):
        head = f"  sessions: {len(sessions)}"
    else:
        return []
    stages = ", ".join(sorted({escape(session.state) for session in lasting}))
    return [f"{head} ({len(lasting)} still open, {stages})" if lasting else head]


def _describe_transcript(sessions: Sequence[SMTPSession], has_emails: bool) -> list[str]:
    """Return the transcript of the last session that went wrong."""
    troubled = [session for session in sessions if not has_emails or _is_troubled(session)]
    if not troubled:
        return []
    lines = [escape(line[:_LONGEST_LINE]) for line in _join_answers(troubled[-1].transcript.splitlines())]
    if len(lines) > _MOST_LINES:
        lines = [f"({len(lines) - _MOST_LINES} lines before these)", *lines[-_MOST_LINES:]]
    which = "of the last one" if troubled[-1] is sessions[-1] else "of the last one that failed"
    return [f"  transcript {which}:", *(f"      {line}" for line in lines)]


def _join_answers(lines: Sequence[str]) -> list[str]:
    """Return a transcript in which a reply of several lines is one: that to EHLO has ten."""
    joined: list[str] = []
    goes_on = False
    for line in lines:
        if goes_on:
            joined[-1] = f"{joined[-1][: _PREFIX - 1]} {joined[-1][_PREFIX:]}, {line[_PREFIX:]}"
        else:
            joined.append(line)
        goes_on = line.startswith("S: ") and line[_PREFIX - 1 : _PREFIX] == "-"
    return joined


def _is_troubled(session: SMTPSession) -> bool:
    return not session.mails or session.state.startswith("in ") or any(each.was_refused for each in session.attempts)


# What can be seen in the record, and what usually is the reason.  Patterns are searched for in "COMMAND CODE reply" of
# each attempt that no script decided, and in how each session has ended ("closed: ") or lasts ("state: ").
_REASONS = (
    (
        r"^closed: (?!.*WRONG_VERSION_NUMBER).*TLS handshake",
        "The client broke off the TLS handshake: does it trust smtp.ca_file, and was it given smtp.client_context()?",
    ),
    (
        r"^closed: .*WRONG_VERSION_NUMBER",  # OpenSSL's word for it
        "The client spoke without TLS where TLS was due: see smtp_tls, and how the client is configured.",
    ),
    (
        r"^\(unreadable\) 500",
        'What the client sent is no SMTP. Does it begin with TLS? Then smtp_tls must be "implicit".',
    ),
    (
        r"^closed: .*HTTP",
        "The client spoke HTTP: it was given the address of the mail server for a web server's.",
    ),
    (r"^AUTH 535", "The login was refused: smtp_users has the names and passwords that are accepted."),
    (r"^AUTH 502", "AUTH is not offered: set smtp_users, or have the client log in after STARTTLS."),
    (r"^STARTTLS 502", 'STARTTLS is not offered: set smtp_tls = "starttls".'),
    (r"^MAIL 530 .*STARTTLS", "smtp_require_tls is set: the client must say STARTTLS first."),
    (r"^MAIL 530 .*Auth", "smtp_require_auth is set: the client must log in first."),
    (r"^(MAIL|END_OF_DATA) 552", "The mail is larger than smtp_size_limit."),
    (
        r"^END_OF_DATA 500 .*too long",
        "Mail servers refuse such lines (RFC 5321): encode the body, or set smtp_line_limit = None to allow them.",
    ),
    (
        r"^state: in DATA$",
        "A mail is still on its way: if that is as it should be, wait for it with a longer timeout.",
    ),
)


def _find_reasons(diagnostics: Diagnostics) -> list[str]:
    record = [f"{each.command} {each.code} {each.reply}" for each in diagnostics.attempts if each.fault is None]
    for session in diagnostics.sessions:
        record += [f"closed: {session.close_reason}", f"state: {session.state}"]
    return [advice for pattern, advice in _REASONS if any(re.search(pattern, line) for line in record)]


# -- errors of the code under test

_MAIL_LIBRARIES = ("smtplib", "aiosmtplib", "ssl")
# Texts of clients about an extension that was not offered; they send no command that could be on record.
_NOT_OFFERED = (
    ("STARTTLS", 'STARTTLS is not offered: set smtp_tls = "starttls".'),
    ("SMTPUTF8", "SMTPUTF8 is not offered: smtp_utf8 is False, or the client did not say EHLO."),
    ("authentication method", "No mechanism of the client is offered: smtp_auth_mechanisms has those that are."),
    ("AUTH", "AUTH is not offered: set smtp_users, or have the client log in after STARTTLS."),
)


def explain_error(error: BaseException, diagnostics: Diagnostics) -> str:
    """Return what the server saw of the client that raised this in the code under test, and what to set.

    Empty if the error is none of a mail client, or the server saw nothing of it.
    """
    raised = [
        each
        for each in _find_causes(error)
        if any(kind.__module__.partition(".")[0] in _MAIL_LIBRARIES for kind in type(each).__mro__)
    ]
    if not raised or not diagnostics.sessions:
        return ""
    found = _find_reasons(diagnostics)
    for each in raised:
        if "NotSupported" in type(each).__name__ or "not supported" in str(each) or "No suitable" in str(each):
            found += [advice for text, advice in _NOT_OFFERED if text in str(each)][:1]
    refused = describe_refused(diagnostics.attempts)
    if not found and not refused:
        return ""
    return "\n".join(
        [
            f"mail server {diagnostics.server_url}: {type(raised[0]).__name__} was raised, and this is what it saw",
            *refused,
            *(f"      {advice}" for advice in dict.fromkeys(found)),
            *_describe_transcript(diagnostics.sessions, has_emails=False),
        ]
    )


def _find_causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those that it came from, each once."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop(0)
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting += [each.__cause__, each.__context__]


# -- attempts


def explain_attempts(
    wanted: Mapping[str, object],
    found: Sequence[SMTPAttempt],
    diagnostics: Diagnostics,
    *,
    times: int | None,
    waited: float | None,
    advice: str = "",
) -> str:
    """Return why an assertion about attempts failed, as `explain` does; a value of ``wanted`` is None for any."""
    attempts = diagnostics.attempts
    lines = [_headline(len(found), "attempt", "matched", waited, times)]
    if advice:
        lines.append(f"  note:    {advice}")
    lines.append("  wanted:  " + ", ".join(f"{name}={value!r}" for name, value in wanted.items() if value is not None))
    same = [attempt for attempt in attempts if attempt.command == wanted["command"]]
    what = f"{wanted['command']} in this test" if same else "attempted in this test"
    lines.append(f"  {what}: {len(same or attempts)}")
    lines += list_attempts(same or attempts)
    address = diagnostics.server_url.partition("://")[2]
    if not diagnostics.sessions:
        lines += _describe_no_connection(address)
    return "\n".join([*lines, f"  server: {diagnostics.server_url}"])


def _headline(matched: int, noun: str, verb: str, waited: float | None, times: int | None) -> str:
    """Return the first line, as in ``no email matched within 2.0 s, 3 wanted``."""
    within = f" within {waited:.{1 if waited >= 0.1 else 2}f} s" if waited else ""
    wanted = {None: "", 0: ", none was wanted"}.get(times, f", {times} wanted")
    return f"{count(matched, noun) if matched else f'no {noun}'} {verb}{within}{wanted}"

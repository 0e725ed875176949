"""What was going on at a mail server when an assertion failed: refusals, connections, and what usually is the reason.

Pure: recorded facts in, text out; held letter by letter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..core.text import count, escape
from .message import ReceivedEmail
from .session import SMTPAttempt, SMTPSession

__all__ = ["Circumstances", "describe_circumstances", "explain_attempts", "headline"]

_MOST_LISTED = 20  # refusals in a report
_MOST_LINES = 40  # of a transcript: a dialogue of one mail has twenty
_LONGEST_LINE = 200
_PREFIX = len("S: 250-")


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What there is to know besides the mails of a test.

    Attributes:
        server_url: As in ``smtp://127.0.0.1:2525``.
        sessions: The connections of the test.
        attempts: What clients have tried in it, in order.
        late: Mails of earlier tests that arrived when those had ended, and the names of those tests.
        loss: What to say if mails were lost because there were too many; empty if none was.
    """

    server_url: str
    sessions: Sequence[SMTPSession] = ()
    attempts: Sequence[SMTPAttempt] = ()
    late: Sequence[tuple[ReceivedEmail, str]] = ()
    loss: str = ""


def describe_circumstances(around: Circumstances, has_emails: bool) -> list[str]:
    """The lines of a report below the mails.

    Args:
        around: The facts.
        has_emails: Whether any mail was received: without, the connections are what there is to look at.
    """
    lines = describe_refused(around.attempts)
    address = around.server_url.partition("://")[2]
    if not around.sessions:
        if not has_emails:
            lines += _nobody(address)
    else:
        lines += _sessions(around.sessions, address, has_emails)
        lines += _reasons(around, has_emails)
        lines += _transcript(around.sessions, has_emails)
    if around.loss:
        lines.append(f"  {around.loss}")
    return [*lines, f"  server: {around.server_url}"]


def list_attempts(attempts: Sequence[SMTPAttempt]) -> list[str]:
    """Attempts, one a line, equal ones counted."""
    counted = Counter(escape(str(attempt)[:_LONGEST_LINE]) for attempt in attempts)
    lines = [f"      {text}{f'  ({number} times)' if number > 1 else ''}" for text, number in counted.items()]
    more = len(lines) - _MOST_LISTED
    return [*lines[:_MOST_LISTED], f"      … {more} more"] if more > 0 else lines


def describe_refused(attempts: Sequence[SMTPAttempt]) -> list[str]:
    """What the server has refused, or left without an answer."""
    refused = [attempt for attempt in attempts if attempt.was_refused and (attempt.code or attempt.reply)]
    return [f"  refused: {len(refused)}", *list_attempts(refused)] if refused else []


def _nobody(address: str) -> list[str]:
    return [
        f"  no connection was made to {address}",
        "      Is the code under test given this host and port? smtp.settings() has all that a sender must know.",
        (
            "      Flask-Mail sends nothing while MAIL_SUPPRESS_SEND is true, its default under TESTING: "
            "see smtp.flask_config()."
        ),
        "      Django's test runner sets EMAIL_BACKEND to locmem: override it, see smtp.django_settings().",
    ]


def _sessions(sessions: Sequence[SMTPSession], address: str, has_emails: bool) -> list[str]:
    """How many connections there were, and which of them last; nothing if that says nothing."""
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


def _transcript(sessions: Sequence[SMTPSession], has_emails: bool) -> list[str]:
    """What was said in the last session that has no happy end."""
    troubled = [session for session in sessions if not has_emails or _is_troubled(session)]
    if not troubled:
        return []
    lines = [escape(line[:_LONGEST_LINE]) for line in _joined(troubled[-1].transcript.splitlines())]
    if len(lines) > _MOST_LINES:
        lines = [f"({len(lines) - _MOST_LINES} lines before these)", *lines[-_MOST_LINES:]]
    which = "of the last one" if troubled[-1] is sessions[-1] else "of the last one that failed"
    return [f"  transcript {which}:", *(f"      {line}" for line in lines)]


def _joined(lines: Sequence[str]) -> list[str]:
    """A transcript in which an answer of several lines is one: that to EHLO has ten."""
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


def _said(command: str, code: int, text: str = "") -> Callable[[Circumstances], bool]:
    """Whether a command was answered with this, by the server itself and not by a script."""

    def look(around: Circumstances) -> bool:
        return any(
            attempt.command == command and attempt.code == code and text in attempt.reply and attempt.fault is None
            for attempt in around.attempts
        )

    return look


def _ended(text: str, other_than: str = "\0") -> Callable[[Circumstances], bool]:
    return lambda around: any(
        text in each.close_reason and other_than not in each.close_reason for each in around.sessions
    )


_NO_TLS = "WRONG_VERSION_NUMBER"  # what OpenSSL says of it

# what can be seen in the record, and what usually is the reason
_REASONS: Sequence[tuple[Callable[[Circumstances], bool], str]] = (
    (
        _ended("TLS handshake", other_than=_NO_TLS),
        "The client broke off the TLS handshake: does it trust smtp.ca_file, and was it given smtp.client_context()?",
    ),
    (
        _ended(_NO_TLS),
        "The client spoke without TLS where TLS was due: see smtp_tls, and how the client is configured.",
    ),
    (
        _said("(unreadable)", 500),
        'What the client sent is no SMTP. Does it begin with TLS? Then smtp_tls must be "implicit".',
    ),
    (_ended("HTTP"), "The client spoke HTTP: it was given the address of the mail server for a web server's."),
    (_said("AUTH", 535), "The login was refused: smtp_users has the names and passwords that are accepted."),
    (_said("AUTH", 502), "AUTH is not offered: set smtp_users, or have the client log in after STARTTLS."),
    (_said("STARTTLS", 502), 'STARTTLS is not offered: set smtp_tls = "starttls".'),
    (_said("MAIL", 530, "STARTTLS"), "smtp_require_tls is set: the client must say STARTTLS first."),
    (_said("MAIL", 530, "Auth"), "smtp_require_auth is set: the client must log in first."),
    (_said("MAIL", 552), "The mail is larger than smtp_size_limit."),
    (_said("END_OF_DATA", 552), "The mail is larger than smtp_size_limit."),
    (
        _said("END_OF_DATA", 500, "too long"),
        "Mail servers refuse such lines (RFC 5321): encode the body, or set smtp_line_limit = None to allow them.",
    ),
    (
        lambda around: any(session.state == "in DATA" for session in around.sessions),
        "A mail is still on its way: if that is as it should be, wait for it with a longer timeout.",
    ),
)


def _reasons(around: Circumstances, has_emails: bool) -> list[str]:
    found = list(dict.fromkeys(advice for applies, advice in _REASONS if applies(around)))
    if not found and not has_emails and not describe_refused(around.attempts):
        found = ["Did the client stop before it sent a mail, or is it still sending?"]
    return [f"      {advice}" for advice in found]


def explain_attempts(
    wanted: Mapping[str, object],
    found: Sequence[SMTPAttempt],
    around: Circumstances,
    *,
    times: int | None,
    waited: float | None,
    advice: str = "",
) -> str:
    """Why an assertion about attempts failed.

    Args:
        wanted: Command, argument and code; None for any.
        found: What was as wanted.
        around: What was going on at the server.
        times: How often it was wanted; None for at least once.
        waited: For how long, in seconds; None if there was no wait.
        advice: What to say after the headline; empty for nothing.

    Returns:
        Lines without a final line end; the first is a sentence.
    """
    attempts = around.attempts
    lines = [headline(len(found), "attempt", "matched", waited, times)]
    if advice:
        lines.append(f"  note:    {advice}")
    lines.append("  wanted:  " + ", ".join(f"{name}={value!r}" for name, value in wanted.items() if value is not None))
    same = [attempt for attempt in attempts if attempt.command == wanted["command"]]
    what = f"{wanted['command']} in this test" if same else "attempted in this test"
    lines.append(f"  {what}: {len(same or attempts)}")
    lines += list_attempts(same or attempts)
    address = around.server_url.partition("://")[2]
    if not around.sessions:
        lines += _nobody(address)
    return "\n".join([*lines, f"  server: {around.server_url}"])


def headline(matched: int, noun: str, verb: str, waited: float | None, times: int | None) -> str:
    """As in ``no email matched within 2.0 s, 3 wanted``."""
    within = f" within {waited:.{1 if waited >= 0.1 else 2}f} s" if waited else ""
    wanted = {None: "", 0: ", none was wanted"}.get(times, f", {times} wanted")
    return f"{count(matched, noun) if matched else f'no {noun}'} {verb}{within}{wanted}"

"""Tests of the mail server, and the mails that they look at."""

from __future__ import annotations

from email import policy
from email.message import EmailMessage

from hypothesis import HealthCheck, settings

from liveserver_testcase.mail.message import Envelope, ReceivedEmail, SessionFacts

# How long an example takes says how busy the machine is.
settings.register_profile("mail", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("mail")


def receive(
    source: str | bytes | EmailMessage,
    *recipients: str,
    mail_from: str = "shop@example.com",
    session: SessionFacts | None = None,
) -> ReceivedEmail:
    """A mail as the server would keep it; in a str, line ends are those of the wire."""
    if isinstance(source, EmailMessage):
        raw = source.as_bytes(policy=policy.SMTP)
    elif isinstance(source, str):
        raw = wire(source)
    else:
        raw = source
    envelope = Envelope(mail_from=mail_from, recipients=recipients or ("ann@example.com",))
    return ReceivedEmail(raw, envelope, session=session, received_at=0.0).parse()


def letter(
    subject: str = "Welcome",
    to: str = "ann@example.com",
    text: str = "Hello Ann",
    html: str = "",
    attachments: dict[str, bytes] | None = None,
) -> EmailMessage:
    """A sound mail, as an application would write it."""
    message = EmailMessage()
    message["From"] = "Shop <shop@example.com>"
    message["To"] = to
    message["Subject"] = subject
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    for name, content in (attachments or {}).items():
        message.add_attachment(content, maintype="application", subtype="pdf", filename=name)
    return message


def wire(source: str) -> bytes:
    """`source` with the line ends of the wire."""
    return source.replace("\n", "\r\n").encode()


def part(headers: str, body: str) -> str:
    """A part for `mixed`."""
    return f"--b\n{headers}\n\n{body}\n"


def mixed(*parts: str, subtype: str = "mixed") -> bytes:
    """A mail of several parts."""
    return wire(f"Content-Type: multipart/{subtype}; boundary=b\n\n{''.join(parts)}--b--\n")

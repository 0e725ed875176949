"""One email, as the server accepted it and as people see it."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from functools import cached_property
from pathlib import Path
from typing import Any

from ..core.interrupts import monotonic
from ..core.journal import JournalWindow
from ..core.masking import mask
from ..core.text import escape
from . import content, mime
from .content import HTMLContent, Link, LinkWanted, describe_wanted, shown
from .criteria import AttachmentWanted, is_wanted, refuse_attachment
from .headers import Headers, read_field, without_addresses
from .mime import Attachment, ParsedPart

__all__ = ["Attachment", "Envelope", "Headers", "Link", "MessageDetails", "ReceivedEmail", "SessionFacts"]

__unittest = True
__tracebackhide__ = True


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """The sender and recipients of an email in SMTP, which may differ from those in its header.

    Attributes:
        mail_from: The address in ``MAIL FROM``; empty for the null sender ``<>`` of bounces.
        recipients: The addresses in the ``RCPT TO`` commands that were accepted, in their order.
        mail_options: Parameters of ``MAIL FROM``, as in ``BODY=8BITMIME``.
        rcpt_options: Parameters of the ``RCPT TO`` commands.
        refused: The addresses that were refused in its ``RCPT TO`` commands, and not accepted later.
    """

    mail_from: str
    recipients: tuple[str, ...]
    mail_options: tuple[str, ...] = ()
    rcpt_options: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SessionFacts:
    """What the server knew of the connection when it accepted an email; the connection may have gone on since.

    Attributes:
        peer: The client's host and port.
        ehlo: The name that the client gave in EHLO or HELO; empty if it gave none.
        tls: The version of TLS, as in ``TLSv1.3``; None on a plain connection.
        auth_user: The user who had logged in, or None.
    """

    peer: tuple[str, int]
    ehlo: str = ""
    tls: str | None = None
    auth_user: str | None = None


@dataclass(frozen=True, kw_only=True)
class MessageDetails:
    """Envelope and peer under the names of pytest-localserver, for tests that come from there."""

    peer: tuple[str, int] | None
    mailfrom: str
    rcpttos: list[str]
    mail_options: list[str]
    rcpt_options: list[str]


@dataclass(frozen=True, kw_only=True)
class _Head:
    """The header fields, decoded, in their order, and the addresses in each that has some, by its name."""

    fields: tuple[tuple[str, str], ...]
    addresses: Mapping[str, Sequence[str]]
    defects: tuple[str, ...]


_NOT_IN_A_NAME = re.compile(r"[^\w.@-]+")

_NO_TEST = JournalWindow(0, "no test")

# Guards the parsing of every email: two threads that take one at the same time parse it once.
_parsing = threading.Lock()


class ReceivedEmail(ParsedPart):
    """An email that the server accepted: its envelope, its bytes, and its decoded content.

    No property raises, whatever was sent: what had to be mended, guessed or left out is in `defects`.  A text that is
    not there is an empty string, not None.

    It is an `email.message.EmailMessage`, too, under a policy like `email.policy.default` on which no header raises:
    ``email["Subject"]`` is the decoded header, or None if there is none, ``email.walk()`` gives the parts.  Some of its
    methods (``as_bytes``) raise on some hostile emails; what is described here does not.

    While an email is received nothing of it is parsed.  The outbox does that, with `parse`, when a test takes it.

    Attributes:
        raw: The bytes of the message as sent, dot-stuffing removed, nothing added.
        envelope: Its sender and recipients in SMTP.
        session: What the server knew of the connection; None if that was not recorded.
        received_at: When it was accepted, in seconds since the epoch.  Do not order by it: clocks are turned
            back.
        arrived: The same on the monotonic clock, to order it by.
        index: Counts the emails of a server from 0, in the order in which they were accepted; set by its
            journal.
        window: The test in which it was begun; set by the journal.
        was_seen: Whether the test has looked at it: an assertion has found it, or it was taken from the outbox.
    """

    def __init__(
        self, raw: bytes, envelope: Envelope, *, session: SessionFacts | None = None, received_at: float
    ) -> None:
        # The part of it that is an EmailMessage is made by the parser.
        self.raw = raw
        self.envelope = envelope
        self.session: SessionFacts | None = session
        self.received_at = received_at
        self.arrived = monotonic()
        self.index = -1
        self.window = _NO_TEST
        self.was_seen = False

    # -- parsing

    _is_parsed = False
    _is_being_parsed = False
    _error: Exception | None = None  # on which Python's parser gave up

    def parse(self) -> ReceivedEmail:
        """Parse the email, unless that was done; return it."""
        if not self._is_parsed:
            with _parsing:
                if not self._is_parsed:
                    self._parse()
        return self

    def _parse(self) -> None:
        self._is_being_parsed = True
        try:
            mime.parse_message(self.raw, self._begin_message)
        except Exception as error:  # parts nested beyond Python's recursion limit, for one
            self._error = error
            head, body = mime.split_head(self.raw)
            try:
                mime.parse_message(head, self._begin_message)
            except Exception:
                self._begin_message()
                body = self.raw
            self.set_payload(body.decode("ascii", "surrogateescape"))
            self.parser_defects = []
        self._sources = tuple((name, str(source)) for name, source in self.raw_items())
        self._is_being_parsed = False
        self._is_parsed = True

    def _begin_message(self, policy: Any = mime.POLICY) -> ReceivedEmail:
        EmailMessage.__init__(self, policy)
        return self

    # Two threads that read at the same time get equal values: nothing is changed in place.

    @cached_property
    def _head(self) -> _Head:
        self.parse()
        defects: list[str] = []
        fields = []
        addresses: dict[str, list[str]] = {}
        for name, source in self._sources:
            found = read_field(name, source, defects.append)
            fields.append((name, str(found.value)))
            addresses.setdefault(name.lower(), []).extend(found.addresses)
        for single in ("Subject", "From"):  # a second To or Cc is wrong as well, but all of them are read
            count = sum(name.lower() == single.lower() for name, _ in fields)
            if count > 1:
                defects.append(f"{single} header: {count} of them, the first counts")
        for hidden in ("Bcc", "Resent-Bcc"):
            if hidden.lower() in addresses:
                defects.append(f"{hidden} header: it shows the blind copies to everybody who gets the email")
        return _Head(fields=tuple(fields), addresses=addresses, defects=tuple(defects))

    @cached_property
    def _content(self) -> mime.Content:
        self.parse()
        return mime.read_content(self) if self._error is None else mime.read_as_text(self.raw, self._error)

    @cached_property
    def _html_content(self) -> tuple[HTMLContent, list[str]]:
        """The HTML as it is seen, and what is wrong with it."""
        defects: list[str] = []
        return (content.read_html(self.html, defects.append) if self.html else HTMLContent()), defects

    @cached_property
    def _attachments(self) -> tuple[Attachment, ...]:
        found = self._content.attachments
        has_ids = any(attachment.content_id for attachment in found)
        return mime.mark_inline(found, self._html_content[0].content_ids if has_ids else frozenset())

    # -- the envelope

    @property
    def mail_from(self) -> str:
        """The sender in the envelope, to whom a bounce goes; empty for the null sender.

        `from_` is the sender in the header.
        """
        return self.envelope.mail_from

    @property
    def recipients(self) -> list[str]:
        """Everybody the server is to deliver to, the blind copies too, in order."""
        return list(self.envelope.recipients)

    @property
    def refused(self) -> list[str]:
        """Who was named in a RCPT command that the server refused; in order."""
        return list(self.envelope.refused)

    @property
    def details(self) -> MessageDetails:
        """Peer and envelope under the names of pytest-localserver: ``peer``, ``mailfrom``, ``rcpttos``."""
        return MessageDetails(
            peer=self.session.peer if self.session else None,
            mailfrom=self.mail_from,
            rcpttos=self.recipients,
            mail_options=list(self.envelope.mail_options),
            rcpt_options=list(self.envelope.rcpt_options),
        )

    # -- the header

    @property
    def headers(self) -> Headers:
        """The header fields, decoded, by name in any case of letters."""
        return Headers(self._head.fields)

    @property
    def subject(self) -> str:
        """The subject, decoded; the first if there are several, empty if there is none."""
        return self.headers.get("Subject", "")

    @property
    def from_(self) -> str:
        """The address in the ``From`` header: the first of several, empty if there is none.

        It comes without the display name, which is in ``email["From"]``.
        """
        return next(iter(self._addresses("from")), "")

    @property
    def to(self) -> list[str]:
        """The addresses in the ``To`` headers, without display names."""
        return self._addresses("to")

    @property
    def cc(self) -> list[str]:
        """The addresses in the ``Cc`` headers, without display names."""
        return self._addresses("cc")

    @property
    def bcc(self) -> list[str]:
        """Recipients that the header does not show: those of the envelope that are in no ``To`` or ``Cc``.

        A ``Bcc`` header that the sender forgot to remove changes nothing here: it is in ``email["Bcc"]``, and it is one
        of the `defects`.
        """
        shown = [*self.to, *self.cc, *self._addresses("resent-to"), *self._addresses("resent-cc")]
        return without_addresses(self.recipients, shown)

    @property
    def reply_to(self) -> list[str]:
        """The addresses in the ``Reply-To`` header, without display names; empty if there is none."""
        return self._addresses("reply-to")

    def _addresses(self, field: str) -> list[str]:
        return list(self._head.addresses.get(field, ()))

    # -- the content

    @property
    def text(self) -> str:
        r"""The plain text, decoded, with ``\n`` for line ends and without the last; empty if there is none.

        The last line end is left out, as it may be the server's: SMTP ends every email with one.
        """
        return self._content.text

    @property
    def html(self) -> str:
        """The HTML source, decoded as `text` is; empty if there is none."""
        return self._content.html

    @property
    def body(self) -> str:
        """The text as it is read: `text`, or if there is none, the HTML without its tags."""
        return self.text or self._html_content[0].text

    @property
    def attachments(self) -> list[Attachment]:
        """The files and forwarded emails, in order: all that is not `text`, `html` or `inline`."""
        return [attachment for attachment in self._attachments if not attachment.is_inline]

    @property
    def inline(self) -> list[Attachment]:
        """The pictures that are shown inside the email, in order."""
        return [attachment for attachment in self._attachments if attachment.is_inline]

    def attachment(self, wanted: AttachmentWanted = None, /) -> Attachment:
        """Return the attachment or inline picture that is meant; without an argument, the only attachment.

        Args:
            wanted: A glob of its name (``"*.pdf"``), or with a slash of its content type (``"image/*"``); its bytes;
                a pattern to be found in its name; a mapping of ``name``, ``content_type`` and ``content``, all of
                which it must have; a callable that is asked about it.

        Raises:
            AssertionError: There is none, or several; the message lists all.
            UsageError: ``wanted`` is none of these.
        """
        everything = self._attachments
        found: list[Attachment] = self.attachments
        if wanted is not None:
            refuse_attachment("attachment", wanted)
            found = [attachment for attachment in everything if is_wanted(wanted, attachment)]
        what = "" if wanted is None else f"that is {shown(wanted)}"
        listed = [str(attachment) for attachment in everything]
        return content.demand_one(
            found, what, listed, "attachment", "Say more of it, or take it from email.attachments."
        )

    def links(self, text: LinkWanted = None, *, url: LinkWanted = None) -> list[Link]:
        """Return the links in the HTML, and those in the text that the HTML does not have; in order.

        Args:
            text: What the link says, a picture's ``alt`` included: contained, white space folded; a pattern is
                searched for, a callable asked.
            url: Where it leads, likewise.

        Raises:
            UsageError: A value is none of these.
        """
        return content.select_links(self._links, text, url)

    def link(self, text: LinkWanted = None, *, url: LinkWanted = None) -> Link:
        """Return the link that is meant, as `links` finds it; one that is there twice, in text and HTML, is one.

        Raises:
            AssertionError: There is none, or several lead to different places; the message lists all.
            UsageError: A value is none of these.
        """
        found = list({link.url: link for link in reversed(self.links(text, url=url))}.values())[::-1]
        listed = [f"{escape(link.url)}  {shown(link.text)}" for link in self._links]
        advice = "Say more of it, or take it from email.links()."
        return content.demand_one(found, describe_wanted(text=text, url=url), listed, "link", advice)

    def codes(self, digits: int | None = None, *, pattern: str | re.Pattern[str] | None = None) -> list[str]:
        """Return the one-time codes in the body, or if it has none, in the subject; each once, in order.

        A code is a number of 4 to 8 digits that is no part of something else.  ``123 456``, ``123-456``, digits in
        boxes of their own and ``G-123456`` are ``123456``.  Numbers in addresses, prices, dates and words are none, nor
        is the year of a copyright notice.

        Args:
            digits: How many it has, if not 4 to 8.
            pattern: What it looks like, if it is no number: group 1 is the code, or all that is found.

        Raises:
            UsageError: Both are given, or make no sense.
        """
        for text in (self.text, self._html_content[0].text, self.subject):
            found = content.find_codes(text, digits, pattern)
            if found:
                return found
        return []

    def code(self, digits: int | None = None, *, pattern: str | re.Pattern[str] | None = None) -> str:
        """Return the one-time code, as `codes` finds it.

        Raises:
            AssertionError: There is none, or several; the message lists them, or has the text.
            UsageError: Both arguments are given, or make no sense.
        """
        found = self.codes(digits, pattern=pattern)
        listed = [shown(code) for code in found] or [line for line in self.body.splitlines() if line.strip()]
        advice = r"Say how many digits it has, code(6), or what it looks like, code(pattern=r'PIN: (\d+)')."
        what = describe_wanted(digits=digits, pattern=pattern)
        return content.demand_one(found, what, [escape(line) for line in listed], "code", advice, "The email says")

    @property
    def _links(self) -> list[Link]:
        return content.find_links(self.text, self._html_content[0].anchors)

    @property  # type: ignore[override]
    def defects(self) -> list[str]:  # in words, where Python has objects
        """What is wrong with the email, or had to be guessed to read it, as texts; empty for a correct one."""
        if self._is_being_parsed:  # Python's parser adds its objects
            return self.parser_defects
        return list(dict.fromkeys([*self._head.defects, *self._content.defects, *self._html_content[1]]))

    @defects.setter
    def defects(self, value: list[Any]) -> None:
        self.parser_defects = value  # of an EmailMessage that is made

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the email as it was sent, to be opened with a mail program.

        Args:
            path: A file, as in ``welcome.eml``, which is overwritten; or a folder, in which it gets a name.

        Returns:
            Where it was written.

        Raises:
            OSError: It cannot be written there.
        """
        file = Path(path)
        if file.is_dir():
            subject = _NOT_IN_A_NAME.sub("-", self.subject[:60]).strip("-.")
            file = file / f"{max(self.index, 0) + 1:03}-{subject or 'no-subject'}.eml"
        file.write_bytes(self.raw)
        return file

    def __bool__(self) -> bool:
        return True

    def __str__(self) -> str:
        return self.raw.decode("utf-8", "replace").replace("\r\n", "\n")

    def __repr__(self) -> str:
        # repr() of each part, so that nothing in a mail can move the cursor of the terminal that shows it
        route = f"from {self.mail_from!r} to {', '.join(self.recipients)!r}"
        return f"<ReceivedEmail {mask(self.subject)!r} {route}, {len(self.raw)} bytes>"

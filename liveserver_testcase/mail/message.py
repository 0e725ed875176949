"""One mail, as the server accepted it and as people see it."""

from __future__ import annotations

import os
import re
from functools import cached_property
from pathlib import Path

from ..core.journal import JournalWindow
from ..core.text import escape
from .addresses import without_addresses
from .attachments import AttachmentWanted, describe_attachment, is_wanted, refuse_attachment, shown_attachment
from .facts import Envelope, Headers, MessageDetails, SessionFacts
from .hypertext import Hypertext, read_html
from .lazy import LazyMessage
from .links import (
    Link,
    LinkWanted,
    demand_one,
    describe_link,
    describe_wanted,
    find_codes,
    find_links,
    select_links,
)
from .mime import Attachment, Content, Head, read_content, read_head
from .wording import shown

__all__ = ["Attachment", "Envelope", "Headers", "Link", "MessageDetails", "ReceivedEmail", "SessionFacts"]

__unittest = True
__tracebackhide__ = True


_NOT_IN_A_NAME = re.compile(r"[^\w.@-]+")

_NO_TEST = JournalWindow(0, "no test")


class ReceivedEmail(LazyMessage):
    """A mail that the server accepted: its envelope, its bytes, and what people see of it.

    Nothing is parsed before it is looked at, and no property raises, whatever was sent: what had to be mended,
    guessed or left out is in `defects`.  A text that is not there is an empty string, not None.

    It is an `email.message.EmailMessage` too, with all that one can do: ``email["Subject"]`` is the decoded header, or
    None if there is none, ``email.walk()`` gives the parts.  Some of its methods (``get_body``, ``get_content``) raise
    on some hostile mails; what is described here does not.

    Attributes:
        raw: The bytes of the message as sent, dot-stuffing removed, nothing added.
        envelope: What the sender told the server.
        session: What the server knew of the connection; None if that was not recorded.
        received_at: When it was accepted, in seconds since the window.  Do not order by it: clocks are turned
            back.
        index: Counts the mails of a server from 0, in the order in which they were accepted; set by its
            journal.
        window: The test in which it was begun; set by the journal.
        was_seen: Whether the test has looked at it: an assertion has found it, or it was taken from the outbox.
    """

    def __init__(
        self,
        raw: bytes,
        envelope: Envelope,
        *,
        session: SessionFacts | None = None,
        received_at: float,
    ) -> None:
        super().__init__(raw)
        self.envelope = envelope
        self.session = session
        self.received_at = received_at
        self.index = -1
        self.window = _NO_TEST
        self.was_seen = False

    # Two threads that look at the same time parse twice and get equal values: nothing is changed in place.

    @cached_property
    def _head(self) -> Head:
        return read_head(self.raw)

    @cached_property
    def _content(self) -> Content:
        return read_content(self.raw)

    @cached_property
    def _hypertext(self) -> tuple[Hypertext, list[str]]:
        """The HTML as it is seen, and what is wrong with it."""
        notes: list[str] = []
        return (read_html(self.html, notes.append) if self.html else Hypertext()), notes

    # -- the envelope

    @property
    def mail_from(self) -> str:
        """The sender in the envelope, to whom a bounce goes; empty for the null sender.

        `from_` is the sender in the header.
        """
        return self.envelope.mail_from

    @property
    def recipients(self) -> list[str]:
        """Everybody the server was told to deliver to, the blind copies too, in order."""
        return list(self.envelope.recipients)

    @property
    def refused(self) -> list[str]:
        """Whom the sender named, too, and the server refused; in order."""
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

        A ``Bcc`` header that the sender forgot to remove changes nothing here: it is in ``email["Bcc"]``.
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

        The last line end is left out because nobody can tell who wrote it: SMTP ends every mail with one.
        """
        return self._content.text

    @property
    def html(self) -> str:
        """The HTML source, decoded as `text` is; empty if there is none."""
        return self._content.html

    @property
    def body(self) -> str:
        """What is read: the `text`, or if there is none, the HTML without its tags."""
        return self.text or self._hypertext[0].text

    @property
    def attachments(self) -> list[Attachment]:
        """The files and forwarded mails, in order: all that is not `text`, `html` or `inline`."""
        return [attachment for attachment in self._content.attachments if not attachment.is_inline]

    @property
    def inline(self) -> list[Attachment]:
        """What is shown inside the mail, in order: the pictures of its HTML."""
        return [attachment for attachment in self._content.attachments if attachment.is_inline]

    def attachment(self, wanted: AttachmentWanted = None, /) -> Attachment:
        """The attachment or inline picture that is meant; without an argument, the only attachment.

        Args:
            wanted: A glob of its name (``"*.pdf"``), or with a slash of its content type (``"image/*"``); its bytes;
                a pattern to be found in its name; a mapping of ``name``, ``content_type`` and ``content``, all of
                which it must have; a callable that is asked about it.

        Raises:
            AssertionError: There is none, or several; the message lists all.
            UsageError: ``wanted`` is none of these.
        """
        everything = self._content.attachments
        found: list[Attachment] = self.attachments
        if wanted is not None:
            refuse_attachment("attachment", wanted)
            found = [attachment for attachment in everything if is_wanted(wanted, attachment)]
        what = "" if wanted is None else f"that is {shown_attachment(wanted)}"
        listed = [describe_attachment(attachment) for attachment in everything]
        return demand_one(found, what, listed, "attachment", "Say more of it, or take it from email.attachments.")

    def links(self, text: LinkWanted = None, *, url: LinkWanted = None) -> list[Link]:
        """The links in the HTML, and those in the text that the HTML does not have; in order.

        Args:
            text: What the link says, a picture's ``alt`` included: contained, white space folded; a pattern is
                searched for, a callable asked.
            url: Where it leads, likewise.

        Raises:
            UsageError: A value is none of these.
        """
        return select_links(self._links, text, url)

    def link(self, text: LinkWanted = None, *, url: LinkWanted = None) -> Link:
        """The link that is meant, as `links` finds it; one that is there twice, in text and HTML, is one.

        Raises:
            AssertionError: There is none, or several lead to different places; the message lists all.
            UsageError: A value is none of these.
        """
        found = list({link.url: link for link in reversed(self.links(text, url=url))}.values())[::-1]
        listed = [describe_link(link) for link in self._links]
        advice = "Say more of it, or take it from email.links()."
        return demand_one(found, describe_wanted(text=text, url=url), listed, "link", advice)

    def codes(self, digits: int | None = None, *, pattern: str | re.Pattern[str] | None = None) -> list[str]:
        """The one-time codes in the body, or if it has none, in the subject; each once, in order.

        A code is a number of 4 to 8 digits that stands alone, or ``123 456`` and ``123-456``, which are given as
        ``123456``.  Numbers in addresses, prices, dates and words are none.

        Args:
            digits: How many it has, if not 4 to 8.
            pattern: What it looks like, if it is no number: group 1 is the code, or all that is found.

        Raises:
            UsageError: Both are given, or make no sense.
        """
        for text in (self.text, self._hypertext[0].text, self.subject):
            found = find_codes(text, digits, pattern)
            if found:
                return found
        return []

    def code(self, digits: int | None = None, *, pattern: str | re.Pattern[str] | None = None) -> str:
        """The one-time code, as `codes` finds it.

        Raises:
            AssertionError: There is none, or several; the message lists them, or has the text.
            UsageError: Both arguments are given, or make no sense.
        """
        found = self.codes(digits, pattern=pattern)
        listed = [shown(code) for code in found] or [line for line in self.body.splitlines() if line.strip()]
        advice = r"Say how many digits it has, code(6), or what it looks like, code(pattern=r'PIN: (\d+)')."
        what = describe_wanted(digits=digits, pattern=pattern)
        return demand_one(found, what, [escape(line) for line in listed], "code", advice, "The email says")

    @property
    def _links(self) -> list[Link]:
        return find_links(self.text, self._hypertext[0].anchors)

    @property
    def defects(self) -> list[str]:  # type: ignore[override]  # in words, where Python has objects
        """What was mended, guessed or left out to read the mail, in words; empty for a sound one."""
        return list(dict.fromkeys([*self._head.defects, *self._content.defects, *self._hypertext[1]]))

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the mail as it was sent, to be opened with a mail program.

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

    def __repr__(self) -> str:
        # repr() of each part, so that nothing in a mail can move the cursor of the terminal that shows it
        route = f"from {self.mail_from!r} to {', '.join(self.recipients)!r}"
        return f"<ReceivedEmail {self.subject!r} {route}, {len(self.raw)} bytes>"

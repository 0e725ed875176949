"""One mail, as the server accepted it and as people see it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import EmailPolicy
from functools import cached_property
from typing import Any, cast

from ..core.journal import Epoch
from .addresses import without_addresses
from .decoding import decode_header
from .mime import Attachment, Content, Head, read_content, read_head

__all__ = ["Attachment", "Envelope", "Headers", "MessageDetails", "ReceivedEmail", "SessionFacts"]


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """What the sender told the server about a mail, which need not be what the mail's header says.

    Attributes:
        mail_from: The address in ``MAIL FROM``; empty for the null sender ``<>`` of bounces.
        recipients: The addresses in the ``RCPT TO`` commands that were accepted, in their order.
        mail_options: Parameters of ``MAIL FROM``, as in ``BODY=8BITMIME``.
        rcpt_options: Parameters of the ``RCPT TO`` commands.
    """

    mail_from: str
    recipients: tuple[str, ...]
    mail_options: tuple[str, ...] = ()
    rcpt_options: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SessionFacts:
    """What the server knew of the connection when it accepted a mail; the connection may have gone on since.

    Attributes:
        peer: The client's host and port.
        ehlo: The name that the client gave in EHLO or HELO; empty if it gave none.
        tls: The version of TLS, as in ``TLSv1.3``; None on a plain connection.
        auth_user: Who had logged in; None for nobody.
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


class Headers(Mapping[str, str]):
    """Header fields by name, in any case of letters, decoded.

    A field may be there several times: ``headers[name]`` is the first, `get_all` has all.  Iterating and
    ``len`` count each name once.
    """

    def __init__(self, fields: Iterable[tuple[str, str]]) -> None:
        self._fields = tuple(fields)

    def __getitem__(self, name: str) -> str:
        for value in self.get_all(name):
            return value
        near = difflib.get_close_matches(name.lower(), [known.lower() for known in self], n=1)
        hint = f"; there is {next(known for known in self if known.lower() == near[0])!r}" if near else ""
        raise KeyError(f"no header {name!r}{hint}")

    def get_all(self, name: str) -> list[str]:
        """Every value of the field `name`, in the mail's order; an empty list if there is none."""
        if not isinstance(name, str):
            raise TypeError(f"a header's name is a str, not {type(name).__name__}")
        return [value for known, value in self._fields if known.lower() == name.lower()]

    def fields(self) -> list[tuple[str, str]]:
        """Every field as name and value, in the mail's order, repeated ones too."""
        return list(self._fields)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self.get_all(name))

    def __iter__(self) -> Iterator[str]:
        return iter({name.lower(): name for name, _ in reversed(self._fields)}.values())

    def __len__(self) -> int:
        return len({name.lower() for name, _ in self._fields})

    def __repr__(self) -> str:
        return f"Headers({list(self._fields)!r})"


class _Forgiving(EmailPolicy):
    """`email.policy.default`, except that a header which it cannot parse is given as plain text."""

    def header_fetch_parse(self, name: str, value: str) -> Any:
        try:
            return super().header_fetch_parse(name, value)
        except Exception:  # IndexError, KeyError, AttributeError ... not the same in each version of Python
            return decode_header(value.replace("\r", "").replace("\n", ""), name, lambda _: None)


_NO_TEST = Epoch(0, "no test")


class ReceivedEmail:
    """A mail that the server accepted: its envelope, its bytes, and what people see of it.

    Nothing is parsed before it is looked at, and nothing that is looked at raises, whatever was sent: what
    had to be mended, guessed or left out is in `defects`.  A text that is not there is an empty string, not
    None.

    ``email["Subject"]`` is the decoded header, or None if there is none, as in Python's ``email`` package.

    Attributes:
        raw: The bytes of the message as sent, dot-stuffing removed, nothing added.
        envelope: What the sender told the server.
        session: What the server knew of the connection; None if that was not recorded.
        received_at: When it was accepted, in seconds since the epoch.  Do not order by it: clocks are turned
            back.
        index: Counts the mails of a server from 0, in the order in which they were accepted; set by its
            journal.
        epoch: The test in which it was begun; set by the journal.
    """

    def __init__(
        self,
        raw: bytes,
        envelope: Envelope,
        *,
        session: SessionFacts | None = None,
        received_at: float,
    ) -> None:
        self.raw = raw
        self.envelope = envelope
        self.session = session
        self.received_at = received_at
        self.index = -1
        self.epoch = _NO_TEST

    # Two threads that look at the same time parse twice and get equal values: nothing is changed in place.

    @cached_property
    def _head(self) -> Head:
        return read_head(self.raw)

    @cached_property
    def _content(self) -> Content:
        return read_content(self.raw)

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

    def __getitem__(self, name: str) -> str | None:
        return next(iter(self.headers.get_all(name)), None)

    def __contains__(self, name: object) -> bool:
        return name in self.headers

    def get(self, name: str, default: str | None = None) -> str | None:
        """The header `name`, decoded, or `default` if there is none."""
        return self.headers.get(name, default)

    def get_all(self, name: str) -> list[str]:
        """Every header `name`, decoded, in the mail's order; an empty list if there is none."""
        return self.headers.get_all(name)

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
        """`text`, or `html` if there is no text."""
        return self.text or self.html

    @property
    def attachments(self) -> list[Attachment]:
        """Everything that is not `text` or `html`, inline pictures and forwarded mails too, in order."""
        return list(self._content.attachments)

    @cached_property
    def message(self) -> EmailMessage:
        """The mail as Python's ``email`` package sees it, under ``email.policy.default``.

        Its own methods raise on some hostile mails (``get_body``, ``get_content``); the properties here do
        not.
        """
        policy = _Forgiving()
        try:
            return cast("EmailMessage", BytesParser(policy=policy).parsebytes(self.raw))
        except Exception:  # parts nested beyond Python's recursion limit, for one
            message = EmailMessage(policy=policy)
            message.set_payload(self.raw.decode("ascii", "surrogateescape"))
            return message

    @property
    def defects(self) -> list[str]:
        """What was mended, guessed or left out to read the mail, in words; empty for a sound one."""
        return list(dict.fromkeys([*self._head.defects, *self._content.defects]))

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        # repr() of each part, so that nothing in a mail can move the cursor of the terminal that shows it
        route = f"from {self.mail_from!r} to {', '.join(self.recipients)!r}"
        return f"<ReceivedEmail {self.subject!r} {route}, {len(self.raw)} bytes>"

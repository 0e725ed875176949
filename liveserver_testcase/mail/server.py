"""The mail server: speaks SMTP and keeps what it is sent.  The only importer of aiosmtpd.

aiosmtpd's protocol runs on a loop and a socket of our own; its Controller is not used: that one cannot choose
a free port, reports a taken one after five seconds, and waits thirty for an idle TLS client when it stops.
"""

from __future__ import annotations

import asyncio
import collections
import time
from typing import Any, AnyStr, cast

from aiosmtpd.smtp import SMTP
from aiosmtpd.smtp import Envelope as WireEnvelope
from aiosmtpd.smtp import Session as WireSession

from ..core.journal import Epoch, Journal
from ..core.looped import LoopServer, Talk
from .message import Envelope, ReceivedEmail, SessionFacts

__all__ = ["SMTPServer"]

_SIZE_LIMIT = 32 * 1024 * 1024


class _Handler:
    """What aiosmtpd calls when a mail is complete."""

    def __init__(self, server: SMTPServer) -> None:
        self._server = server

    async def handle_DATA(self, protocol: _Protocol, session: WireSession, envelope: WireEnvelope) -> str:
        """Keep the mail before its sender reads the 250, so that a sender that waits for it finds it kept."""
        if protocol.talk is not None:
            protocol.talk.begin(f"a mail from {envelope.mail_from}")
        self._server._accept(protocol, session, envelope)
        return "250 OK"


class _Protocol(SMTP):
    """One SMTP session."""

    def __init__(self, server: SMTPServer) -> None:
        # aiosmtpd shares one dict of command sizes among all its servers, and clears it at each connection
        self.command_size_limits = collections.defaultdict(lambda: SMTP.command_size_limit)
        super().__init__(_Handler(server), hostname=server.hostname, enable_SMTPUTF8=True, data_size_limit=_SIZE_LIMIT)
        self._server = server
        self.talk: Talk | None = None
        self.epoch: Epoch | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self.talk is None:  # made once for TCP, and again after STARTTLS
            self.talk = self._server._greet(transport)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self.talk is not None:
            self._server._part(self.talk)
        super().connection_lost(error)

    async def push(self, status: AnyStr) -> None:
        """Send a reply, after which it is the client's turn."""
        await super().push(status)
        if self.talk is not None and self.talk.is_busy:
            self.talk.end()

    async def smtp_MAIL(self, arg: str | None) -> None:
        """Begin a mail: it belongs to the test in which it was begun."""
        self.epoch = self._server.journal.epoch
        await super().smtp_MAIL(arg)


class SMTPServer(LoopServer):
    """A mail server that accepts everything and keeps it.

    Args:
        host: See `Server`.
        port: See `Server`.
        hostname: What it calls itself in its greeting.
        journal_limit: How many mails are kept.
        start_timeout: See `Server`.
        stop_timeout: See `Server`.

    Attributes:
        journal: The mails, in the order of their acceptance.
    """

    scheme = "smtp"
    label = "smtp-server"

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        hostname: str = "localhost",
        journal_limit: int = 10_000,
        start_timeout: float = 10.0,
        stop_timeout: float = 2.0,
    ) -> None:
        super().__init__(host, port, start_timeout=start_timeout, stop_timeout=stop_timeout)
        self.hostname = hostname
        self.journal: Journal[ReceivedEmail] = Journal(journal_limit)
        self._sessions = 0

    @property
    def addr(self) -> tuple[str, int]:
        """``(host, port)``."""
        return self.address

    @property
    def outbox(self) -> list[ReceivedEmail]:
        """The mails of this test, in the order of their acceptance; a snapshot."""
        return self.journal.entries(self.journal.epoch)

    @property
    def sessions_seen(self) -> int:
        """How many connections there were in this test."""
        return self._sessions

    def late(self) -> list[tuple[ReceivedEmail, str]]:
        """Mails that were begun in an earlier test and accepted since, each with that test's name."""
        current = self.journal.epoch.number
        return [(mail, mail.epoch.name) for mail in self.journal.entries() if mail.epoch.number < current]

    def begin(self, name: str) -> None:
        """Begin a test: forget the mails of the one before."""
        self.journal.begin(name)
        self.journal.clear()
        self._sessions = 0

    # -- the loop's side -----------------------------------------------------------------------------------------------

    def _make_protocol(self) -> asyncio.BaseProtocol:
        return _Protocol(self)

    def _greet(self, transport: asyncio.BaseTransport) -> Talk:
        self._sessions += 1
        return super()._greet(transport)

    def _accept(self, protocol: _Protocol, session: WireSession, envelope: WireEnvelope) -> None:
        sender = envelope.mail_from or ""
        mail = ReceivedEmail(
            cast(bytes, envelope.original_content or envelope.content or b""),
            Envelope(
                mail_from="" if sender == "<>" else sender,
                recipients=tuple(envelope.rcpt_tos),
                mail_options=tuple(envelope.mail_options),
                rcpt_options=tuple(envelope.rcpt_options),
            ),
            session=SessionFacts(peer=cast(Any, session.peer)[:2], ehlo=session.host_name or ""),
            received_at=time.time(),
        )
        self.journal.add(mail, protocol.epoch)

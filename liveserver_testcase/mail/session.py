"""What is recorded of an SMTP session: every command with its answer, and no password."""

from __future__ import annotations

import collections
import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..core.interrupts import monotonic
from ..core.journal import JournalWindow
from ..core.listener import format_host

if TYPE_CHECKING:
    from .faults import SMTPFault

__all__ = ["SMTPAttempt", "SMTPSession", "Transaction"]

_MOST_LINES = 2_000  # of one session that are kept, so that a connection which lives for ever cannot fill the memory
_order = itertools.count()  # of all attempts of the process; its steps are atomic


class Transaction:
    """One mail on its way, from MAIL to the reply to its last line; ``window`` is the test in which it was begun."""

    __slots__ = ("attempted_recipients", "is_utf8", "mail_from", "mail_options", "rcpt_options", "recipients", "window")

    def __init__(self, window: JournalWindow, mail_from: str, mail_options: tuple[str, ...]) -> None:
        self.window = window
        self.mail_from = mail_from
        self.mail_options = mail_options
        self.recipients: list[str] = []
        self.rcpt_options: list[str] = []
        self.attempted_recipients: list[str] = []
        self.is_utf8 = any(option.upper() == "SMTPUTF8" for option in mail_options)

    @property
    def refused(self) -> tuple[str, ...]:
        """The recipients that were refused for good."""
        if len(self.attempted_recipients) == len(self.recipients):
            return ()
        return tuple(dict.fromkeys(address for address in self.attempted_recipients if address not in self.recipients))


class SMTPAttempt:
    """One command of a client, and the reply to it.

    Two of them are no commands: ``CONNECT`` stands for the connection, answered with the greeting, and ``END_OF_DATA``
    for the mail itself, answered after its last line.

    Attributes:
        command: In capitals, such as ``RCPT``.
        argument: What followed it; of AUTH only the mechanism's name.
        address: The address in MAIL and RCPT; empty for other commands.
        code: The code of the answer, such as 550; None if there was no answer, or none yet.
        reply: The text of the answer; without one what happened instead, in words.
        session: The session it is from.
        fault: The scripted fault that decided; None if the server did by itself.
        window: The test it belongs to: the one in which its mail was begun, or else the one in which it came.
    """

    __slots__ = (
        "_order", "_transaction", "address", "argument", "between", "code", "command", "fault", "reply", "session",
        "window",
    )  # fmt: skip

    def __init__(
        self,
        session: SMTPSession,
        command: str,
        argument: str,
        window: JournalWindow,
        transaction: Transaction | None = None,
    ) -> None:
        self.session = session
        self.command = command
        self.argument = argument
        self.address = ""
        self.code: int | None = None
        self.reply = ""
        self.fault: SMTPFault | None = None
        self.between: tuple[str, ...] = ()  # lines between the command and its reply
        self._transaction = transaction
        self.window = window if transaction is None else transaction.window
        self._order = next(_order)

    @property
    def mail_from(self) -> str:
        """The sender of the mail that it belongs to; empty outside of a mail, and for the null sender."""
        if self._transaction is not None:
            return self._transaction.mail_from
        return self.address if self.command == "MAIL" else ""

    @property
    def recipients(self) -> list[str]:
        """The recipients of its mail that have been accepted, by now."""
        return list(self._transaction.recipients) if self._transaction is not None else []

    def is_about(self, text: str) -> bool:
        """Whether ``text`` is its address, or stands in what followed the command."""
        return text.lower() in (self.address.lower(), self.argument.lower()) or text.lower() in self.argument.lower()

    @property
    def was_refused(self) -> bool:
        """Whether the answer was a 4xx or 5xx, or there was none."""
        return self.code is None or self.code >= 400

    @property
    def order(self) -> int:
        """Its number among the attempts of all sessions, as they came."""
        return self._order

    @property
    def command_line(self) -> str:
        """The command as it came, as in ``RCPT TO:<ann@example.com>``; no password is in it."""
        return f"{self.command} {self.argument}".rstrip()

    def __str__(self) -> str:
        answer = self.reply.partition("\n")[0]
        if self.code is not None:
            answer = f"{self.code} {answer}".rstrip()
        return f"{self.command_line} -> {answer or 'no answer yet'}{' (scripted)' if self.fault is not None else ''}"

    def __repr__(self) -> str:
        return f"<SMTPAttempt {self}>"


class SMTPSession:
    """One connection of a client, as far as it has come.

    Attributes:
        index: Its number among the server's connections.
        peer: The client's host and port.
        ehlo: The name in the last EHLO or HELO; empty if there was none.
        tls: The version of TLS, as in ``TLSv1.3``; None on a plain connection.
        auth_user: The user who has logged in, or None.
        window: The test in which it was opened.
        mails: How many mails were accepted on it.
        is_open: Whether it lasts.
        close_reason: How it ended, in words; empty while it is open.
        state: What it is at, in a word or two: ``idle``, ``in DATA``.
    """

    def __init__(self, index: int, peer: tuple[str, int], window: JournalWindow) -> None:
        self.index = index
        self.peer = peer
        self.ehlo = ""
        self.is_extended = False  # whether the name came with EHLO
        self.tls: str | None = None
        self.auth_user: str | None = None
        self.window = window
        self.last_window = window  # the test of its last command
        self.mails = 0
        self.is_open = True
        self.close_reason = ""
        self.state = "connected"
        self.opened = monotonic()
        self._lines: collections.deque[SMTPAttempt | str] = collections.deque(maxlen=_MOST_LINES)
        self._count = 0

    def add(self, line: SMTPAttempt | str) -> None:
        """Record a command, or a remark."""
        self._count += 1
        self._lines.append(line)

    def end(self, ending: str) -> None:
        """Record how it ended, unless that is on record."""
        if self.is_open:
            self.close_reason = self.close_reason or ending
            self.is_open = False
            self.state = "closed"

    @property
    def attempts(self) -> list[SMTPAttempt]:
        """Its commands, in their order."""
        return [line for line in self._snapshot() if isinstance(line, SMTPAttempt)]

    @property
    def transcript(self) -> str:
        """The session as text, ``C:`` for the client and ``S:`` for the server, without passwords and mail content."""
        lost = self._count - len(self._lines)
        lines = [f"   ({lost} lines before these are not kept)"] if lost > 0 else []
        for line in self._snapshot():
            lines += [f"   ({line})"] if isinstance(line, str) else _render(line)
        if not self.is_open and self.close_reason != "QUIT":  # which is a line of it
            lines.append(f"   ({self.close_reason})")
        return "\n".join(lines)

    def _snapshot(self) -> Iterable[SMTPAttempt | str]:
        return self._lines.copy()  # one step for the interpreter's lock: the session may go on

    def __repr__(self) -> str:
        host, port = self.peer
        name = f" as {self.ehlo!r}" if self.ehlo else ""
        state = f"open, {self.state}" if self.is_open else f"closed: {self.close_reason}"
        return f"<SMTPSession {self.index} from {format_host(host)}:{port}{name}, {state}>"


def _render(attempt: SMTPAttempt) -> list[str]:
    lines = []
    if attempt.command == "END_OF_DATA":
        lines.append(f"C: <{attempt.argument}>")
    elif attempt.command != "CONNECT":
        lines.append(f"C: {attempt.command_line}")
    lines += attempt.between
    if attempt.code is None:
        return [*lines, f"   ({attempt.reply})"] if attempt.reply else lines
    *first, last = (attempt.reply or " ").split("\n")
    return [*lines, *(f"S: {attempt.code}-{line}" for line in first), f"S: {attempt.code} {last}".rstrip()]

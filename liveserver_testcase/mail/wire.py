"""The line to one SMTP client: reads its commands, sends answers, and behaves as badly as the script wants."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from ..core.connection import Connection, ConnectionState
from ..core.interrupts import monotonic
from ..core.journal import Journal, JournalWindow
from ..errors import ClientDisconnected
from .config import ServerConfig
from .faults import Delay, Drop, FaultScript, Hang, RawReply, Refusal, SMTPFault
from .session import SMTPAttempt, SMTPSession
from .syntax import Refused, Reply

if TYPE_CHECKING:
    from .message import ReceivedEmail

__all__ = ["Over", "SMTPWire", "Said", "Scripted", "Service"]

_SLICE = 0.1  # seconds' worth of a throttled client's bytes that are read at once
_GONE = getattr(select, "POLLRDHUP", 0)  # Linux tells without a read that the other side has closed
_STEP = 0.05  # seconds between two looks where the system does not tell
_FOR_EVER = 3600.0  # seconds; a wait ends with the client, the script or the server


Said: TypeAlias = Reply | RawReply
"""What a client is answered."""


class Service(Protocol):
    """What a connection wants of its server."""

    config: ServerConfig
    script: FaultScript
    journal: Journal[ReceivedEmail]

    def open_session(self, index: int, peer: tuple[str, int]) -> SMTPSession:
        """Take down a connection."""

    def server_context(self) -> ssl.SSLContext:
        """The server's side of TLS."""

    def keep(self, mail: ReceivedEmail, window: JournalWindow) -> None:
        """Put a mail into the outbox."""

    def note_error(self, error: BaseException) -> None:
        """Record what the test's own function has raised."""


class Over(Exception):
    """The connection ends here, and this is how."""


class Scripted(Exception):
    """The script answers in place of the server."""

    def __init__(self, said: Said) -> None:
        super().__init__(str(said))
        self.said = said


class SMTPWire(Connection):
    """The socket of an SMTP connection, and what the script does with it.

    Attributes:
        session: What is recorded of the connection.
        held: The fault that keeps the client waiting for ever.
    """

    def __init__(
        self, server: Service, sock: socket.socket, address: Any, index: int, stopping: threading.Event
    ) -> None:
        super().__init__(sock, address, index, stopping)
        self.server = server
        self.session = server.open_session(index, (str(address[0]), int(address[1])))
        self.held: SMTPFault | None = None
        self._buffer = b""
        self._leaver: tuple[SMTPAttempt, SMTPFault] | None = None  # drop the connection when this has been answered

    # -- reading ---------------------------------------------------------------------------------------------------

    def read_line(self, longest: int) -> bytes:
        """The next line, with its end.

        Raises:
            Refused: It is too long; it has been read to its end all the same, and nothing of it was kept.
            ClientDisconnected: The client has left.
        """
        is_too_long = False
        while True:
            end = self._buffer.find(b"\n") + 1
            if end:
                line, self._buffer = self._buffer[:end], self._buffer[end:]
                if is_too_long or end > longest:
                    raise Refused(500, f"5.5.2 The line is too long: more than {longest} octets")
                return line
            if len(self._buffer) > longest:
                is_too_long, self._buffer = True, b""
            self._buffer += self.receive(65536)

    def receive(self, size: int) -> bytes:
        """What the client has sent, at least one byte.

        Raises:
            ClientDisconnected: It has left, or was cut off.
        """
        slow = self.server.script.slow_down() if self.server.script.faults else None
        if slow is not None:
            size = min(size, max(1, int(slow[1] * _SLICE)))
        try:
            data = self.sock.recv(size)
        except (OSError, ValueError) as error:
            self._unclean = True
            raise ClientDisconnected("the client has left") from error
        if not data:
            raise ClientDisconnected("the client has left")
        if slow is not None:
            slow[0].count_hit()
            self.pause(len(data) / slow[1])
        return data

    def pause(self, seconds: float | None) -> None:
        """Wait; None is for as long as the client stays.

        Raises:
            ClientDisconnected: The client has left, or the connection was cut.
        """
        state, self.state = self.state, ConnectionState.READING  # a stop need not wait for this
        deadline = monotonic() + (_FOR_EVER if seconds is None else seconds)
        poll = select.poll()
        poll.register(self.sock, _GONE)
        while not (self.is_cut or self.stopping.is_set()):
            remaining = deadline - monotonic()
            if remaining <= 0:
                self.state = state
                return
            if poll.poll((remaining if _GONE else min(remaining, _STEP)) * 1000 + 1):  # rounded up, or it would spin
                break
        self._unclean = True
        raise ClientDisconnected("the client has left while it was kept waiting")

    # -- answering -------------------------------------------------------------------------------------------------

    def answer(self, attempt: SMTPAttempt, answer: Said) -> None:
        """Send an answer; it is on record before the client can know it.

        Raises:
            ClientDisconnected: The client has left.
            Over: The script wants the connection to end with this answer.
        """
        if isinstance(answer, RawReply):
            attempt.reply = str(answer)
            data = answer.data
        else:
            attempt.code, attempt.reply = answer
            data = answer.to_wire()
        try:
            self.send(data)
        except ClientDisconnected as error:
            raise ClientDisconnected("the client has left") from error
        self.state = ConnectionState.READING
        self.server.journal.notify()
        if self._leaver is not None:
            self.drop(*self._leaver)

    def apply_faults(self, attempt: SMTPAttempt, mail: ReceivedEmail | None = None) -> None:
        """Do what the script says about a command that the server would grant.

        Raises:
            Scripted: The script answers instead, and nothing else is to be done.
            ClientDisconnected: The client has left meanwhile.
            Over: The script ends the connection.
            BaseException: Whatever the test's own condition raises.
        """
        for fault in self.server.script.decide(attempt, mail):
            effect = fault.effect
            attempt.fault = fault
            if isinstance(effect, Delay):
                self.pause(effect.seconds)
            elif isinstance(effect, Refusal):
                raise Scripted(effect.answer)
            elif isinstance(effect, RawReply):
                raise Scripted(effect)
            elif isinstance(effect, Hang):
                self.hang(attempt, fault)
            elif isinstance(effect, Drop):
                if mail is not None and effect.record:
                    self.server.keep(mail, attempt.window)
                if not effect.after_reply:
                    self.drop(attempt, fault)
                self._leaver = attempt, fault

    def hang(self, attempt: SMTPAttempt, fault: SMTPFault) -> None:
        """Keep the client waiting until it leaves, the fault is removed or the server stops.

        Raises:
            ClientDisconnected: One of these has happened.
        """
        attempt.reply = "the script never answers"
        self.held = fault
        self.server.journal.notify()
        if fault.is_active:  # else whoever removed it may have looked at the connections before
            self.pause(None)
        raise ClientDisconnected("the client has been kept waiting in vain")

    def drop(self, attempt: SMTPAttempt, fault: SMTPFault, when: str = "") -> None:
        """End the connection as the script says.

        Raises:
            Over: Always.
        """
        effect = fault.effect
        attempt.fault = fault
        if attempt.code is None:
            attempt.reply = f"the script has dropped the connection{when}"
        self.mark_truncated(reset=isinstance(effect, Drop) and effect.reset)
        raise Over(f"the script has dropped the connection at {attempt.command}{when}")

"""The dialogue with one SMTP client: command after command, each recorded, handled and answered."""

from __future__ import annotations

import abc
import contextlib
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeAlias

from ..core.connection import ConnectionState, PlainHTTP
from ..core.interrupts import monotonic
from ..errors import ClientDisconnected
from .session import SMTPAttempt, Transaction
from .syntax import Refused, Reply, decode_line, strip_line
from .wire import Over, Said, Scripted, Service, SMTPWire

__all__ = ["Dialogue", "Handler"]

_LONGEST_COMMAND = 4096  # octets; RFC 5321 wants 512 at least, and parameters want more
_LONGEST_WORD = 10  # letters of a command that is on record although nobody knows it: STARTTLS has 8
_HANDSHAKE = 10.0  # seconds

_ERROR = Reply(451, "4.3.0 The test's own function has failed")

Handler: TypeAlias = Callable[[Any, SMTPAttempt, str], Reply]


class Dialogue(SMTPWire):
    """Serves one client from its greeting to its last command.

    Attributes:
        handlers: What each command does; called with the connection, the attempt and what follows the command.
        transaction: The mail that is on its way.
    """

    handlers: ClassVar[Mapping[str, Handler]]

    def __init__(
        self, server: Service, sock: socket.socket, address: Any, index: int, stopping: threading.Event
    ) -> None:
        super().__init__(server, sock, address, index, stopping)
        self.transaction: Transaction | None = None
        self._then: Callable[[SMTPAttempt], None] | None = None  # what follows when the answer has been sent
        self._ending = ""  # how the server ends it; it does so when there is something here
        self._doing: SMTPAttempt | None = None
        self._is_unwelcome = False  # the greeting was a refusal: QUIT is all that is left
        self._after_auth = False  # whether the last command was AUTH: what follows could be a password

    def describe(self) -> str:
        """What is being done."""
        attempt = self._doing
        if attempt is None:
            return "a connection"
        return f"a mail from {attempt.mail_from!r}" if attempt.command == "BODY" else attempt.said

    @property
    def is_busy(self) -> bool:
        """Whether a mail is on its way that may still be accepted."""
        return self.transaction is not None and self.held is None

    # -- the loop --------------------------------------------------------------------------------------------------

    def serve(self) -> None:
        """Serve one command after the other, until the client, the server or the script ends it."""
        ending = "the server has ended it"
        try:
            with contextlib.suppress(OSError):  # it is gone already, or no TCP
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.server.config.tls == "implicit":
                self._secure()
            self._perform(self._attempt("CONNECT", ""), type(self)._greet)
            while not (self._ending or self.stopping.is_set()):
                self._serve_one()
            ending = self._ending or "the server has stopped"
            self.session.end(ending)
            if self._buffer or ending != "QUIT":
                self.linger()
        except Over as over:
            ending = str(over)
        except PlainHTTP:
            ending = "the client spoke plain HTTP on a port that speaks TLS"
        except ClientDisconnected as error:
            ending = self._explain(str(error))
        finally:
            self.session.end(ending)
            self.transaction = None
            self.server.journal.notify()

    def _explain(self, text: str) -> str:
        """How the connection came to its end without a QUIT."""
        if self.stopping.is_set():
            return "the server has stopped"
        if self.is_cut:
            return "the server has cut the connection"
        if text != "the client has left":
            return text
        return f"{text} {self.session.stage}" if self.session.stage.startswith("in ") else f"{text} without a QUIT"

    def _serve_one(self) -> None:
        """Read a command and have it handled."""
        try:
            line = self.read_line(_LONGEST_COMMAND)
            text = decode_line(strip_line(line), self.server.config.utf8)
        except Refused as refused:
            attempt = self._attempt("(unreadable)", "")
            self.answer(attempt, refused.answer)
            return
        verb, _, argument = text.partition(" ")
        verb, argument = verb.upper(), argument.strip(" ")
        handler = self.handlers.get(verb) if not self._is_unwelcome or verb == "QUIT" else type(self)._turn_away
        was_auth, self._after_auth = self._after_auth, verb == "AUTH"
        if handler is not None:
            self._perform(self._attempt(verb, argument if verb != "AUTH" else ""), handler, argument)
        elif was_auth:
            self._perform(self._attempt("(a line after AUTH)", ""), type(self)._unknown)
        else:  # what follows is on no record: it could be AUTH with a slip of the pen
            known = verb.isalpha() and len(verb) <= _LONGEST_WORD
            self._perform(self._attempt(verb if known else "(unknown)", ""), type(self)._unknown)

    def _attempt(self, command: str, argument: str) -> SMTPAttempt:
        session = self.session
        window = session.last_window = self.server.journal.window
        attempt = SMTPAttempt(session, command, argument, window, None if command == "MAIL" else self.transaction)
        session.add(attempt)
        return attempt

    def _perform(self, attempt: SMTPAttempt, handler: Handler, argument: str = "") -> None:
        """Have a command handled, send the answer, and do what follows from it."""
        self.since = monotonic()
        self._doing = attempt
        self.state = ConnectionState.ACTIVE
        try:
            said: Said = handler(self, attempt, argument)
        except Refused as refused:
            said = refused.answer
        except Scripted as scripted:
            said = scripted.said
        except (ClientDisconnected, PlainHTTP, Over):
            raise
        except BaseException as error:  # the test's own function has failed, by SystemExit even
            self.server.note_error(error)
            self._then = None
            said = _ERROR
        if isinstance(said, Reply) and said.code == 421:
            self._ending = "the server has ended it with 421"
        self.answer(attempt, said)
        then, self._then = self._then, None
        if then is not None:
            then(attempt)

    def _secure(self) -> None:
        """Speak TLS from here on."""
        self.session.stage = "in the TLS handshake"
        self.do_handshake(self.server.server_context(), _HANDSHAKE)
        self.session.tls = self.sock.version()  # type: ignore[attr-defined]
        self.session.add(f"TLS begins: {self.session.tls}")
        self.session.stage = "idle"

    def _turn_away(self, _attempt: SMTPAttempt, _argument: str) -> Reply:
        """Source: RFC 5321, 3.1."""
        return Reply(503, "5.5.1 There is no service, as the greeting said")

    @abc.abstractmethod
    def _greet(self, attempt: SMTPAttempt, _argument: str) -> Reply:
        """What the client is greeted with."""

    @abc.abstractmethod
    def _unknown(self, attempt: SMTPAttempt, _argument: str) -> Reply:
        """What a command is answered that nobody knows."""

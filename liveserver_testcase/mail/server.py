"""SMTPServer: captures all email that it is sent, and fails as its script says."""

from __future__ import annotations

import asyncio
import collections
import ssl
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..core.event_loop import EventLoopServer
from ..core.journal import Journal, JournalWindow, drain
from ..core.names import suggest_name
from ..core.tls import TLS, resolve_tls
from ..core.tracebacks import Unfinished
from .client_settings import (
    DjangoMailer,
    DjangoSettings,
    FlaskConfig,
    SenderSettings,
    build_settings,
    to_django,
    to_environ,
    to_flask,
    to_mailers,
)
from .config import KEPT_BYTES_LIMIT, SIZE_LIMIT, CertificateChoice, ServerConfig, TLSMode
from .fault_injection import SMTPConnection
from .faults import NotListening, SMTPFault, check_command
from .outbox import Outbox
from .protocol import SMTPProtocol, silence
from .scripting import ScriptedFaults
from .session import SMTPAttempt, SMTPSession
from .transport import ImplicitTLS

if TYPE_CHECKING:
    from ..core.listener import Listener
    from .message import ReceivedEmail

__all__ = ["SMTPServer"]

_LOOK = 0.5  # seconds that the loop gets to read what was sent, if something holds it up
_MOST_SESSIONS = 10_000  # that are kept, as mails are


class SMTPServer(ScriptedFaults, EventLoopServer):
    """A mail server that accepts everything and keeps it, unless it is told to be difficult.

    Args:
        host: See `Server`.
        port: See `Server`.
        hostname: What it calls itself in its greeting; nothing is looked up.
        tls: ``"starttls"`` for TLS after that command, ``"implicit"`` for TLS from the first byte, None for none.
        certificate: ``"valid"`` for a throw-away certificate that clients can verify with `ca_file`; ``"expired"``,
            ``"wrong-host"`` or ``"untrusted"`` for one that they must refuse; ``(certfile, keyfile)`` or an
            ``ssl.SSLContext`` for your own.
        require_tls: Whether a mail is refused with 530 outside of TLS.
        users: Names and passwords; AUTH is offered when there are any, in plain text too.
        require_auth: Whether a mail is refused with 530 before somebody has logged in.
        auth_require_tls: Whether AUTH is offered inside of TLS only, while mail is taken outside of it, too.
        auth_mechanisms: Any of PLAIN, LOGIN, CRAM-MD5, XOAUTH2 and OAUTHBEARER; for the last two
            a user's password is the token.
        handshake_timeout: Seconds for a TLS handshake.
        size_limit: The largest mail in bytes; None for no limit.
        line_limit: The longest line of a mail in octets, without its end; None for no limit.  998 is the limit of
            RFC 5321: who sends a longer line has a fault that shows with other servers, too.
        utf8: Whether SMTPUTF8 is offered.
        journal_limit: How many mails are kept.
        kept_bytes_limit: How many bytes of mails are kept, 256 MiB by default; None for any number.
        start_timeout: See `Server`.
        stop_timeout: See `Server`.

    Attributes:
        journal: The mails, in the order of their acceptance.
        config: The settings, checked.

    Raises:
        UsageError: A setting is wrong, or two contradict each other.
        ServerStartError: A certificate cannot be made or loaded.
    """

    label = "smtp-server"
    _loop_thread = 0
    _is_made = False

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        hostname: str = "localhost",
        tls: TLSMode | None = None,
        certificate: CertificateChoice = "valid",
        require_tls: bool = False,
        users: Mapping[str, str] | None = None,
        require_auth: bool = False,
        auth_require_tls: bool = False,
        auth_mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN", "CRAM-MD5"),
        handshake_timeout: float = 10.0,
        size_limit: int | None = SIZE_LIMIT,
        line_limit: int | None = 998,
        utf8: bool = True,
        journal_limit: int = 10_000,
        kept_bytes_limit: int | None = KEPT_BYTES_LIMIT,
        start_timeout: float = 10.0,
        stop_timeout: float = 2.0,
    ) -> None:
        EventLoopServer.__init__(self, host, port, start_timeout=start_timeout, stop_timeout=stop_timeout)
        ScriptedFaults.__init__(self)
        self.config = ServerConfig(
            hostname=hostname,
            tls=tls,
            certificate=certificate,
            require_tls=require_tls,
            users=dict(users or {}) if isinstance(users, Mapping | None) else users,
            require_auth=require_auth,
            auth_require_tls=auth_require_tls,
            handshake_timeout=handshake_timeout,
            kept_bytes_limit=kept_bytes_limit,
            auth_mechanisms=auth_mechanisms,
            size_limit=size_limit,
            line_limit=line_limit,
            utf8=utf8,
        )
        self.journal: Journal[ReceivedEmail] = Journal(
            journal_limit, size_limit=kept_bytes_limit, size_of=lambda email: len(email.raw)
        )
        self.protocols: set[SMTPProtocol] = set()  # of the open connections; changed by the loop only
        self._tls = self._resolve_tls()
        self._sessions: collections.deque[SMTPSession] = collections.deque(maxlen=_MOST_SESSIONS)
        self._errors: list[BaseException] = []
        self._trimming = threading.Lock()  # guards the replacing of `_sessions`
        self._is_made = True

    if not TYPE_CHECKING:  # where it would let every name be set

        def __setattr__(self, name: str, value: object) -> None:
            # a subclass may have attributes of its own
            if self._is_made and type(self) is SMTPServer and not (name.startswith("_") or hasattr(self, name)):
                known = [each for each in dir(self) if not each.startswith("_")]
                advice = suggest_name(name, known)
                raise AttributeError(f"cannot set {name!r}: an SMTPServer has no such attribute: {advice}")
            super().__setattr__(name, value)

    def _resolve_tls(self) -> TLS | None:
        choice = self.config.certificate
        if self.config.tls is None:
            return None
        if isinstance(choice, str):
            return resolve_tls(True, self._host)
        return resolve_tls(choice)

    # -- where it is -----------------------------------------------------------------------------------------------

    @property
    def scheme(self) -> str:  # type: ignore[override]
        """``smtp``, or ``smtps`` where TLS begins with the connection."""
        return "smtps" if self.config.tls == "implicit" else "smtp"

    @property
    def addr(self) -> tuple[str, int]:
        """``(host, port)``."""
        return self.address

    @property
    def ca_file(self) -> str | None:
        """What a client must trust, as a path; None without TLS, or with a context of your own."""
        return self._tls.ca_file if self._tls is not None else None

    def client_context(self) -> ssl.SSLContext | None:
        """A client's context that trusts the server's certificate and no other; None without TLS.

        Raises:
            UsageError: The server's context is your own: only you know whom to trust.
        """
        return self._tls.client_context() if self._tls is not None else None

    def settings(self) -> SenderSettings:
        """What a sender needs to know: host, port, username, password, starttls, implicit_tls, ca_file."""
        return build_settings(self.config, self.host, self.port, self.ca_file)

    def django_settings(self) -> DjangoSettings:
        """The same for Django, as in ``override_settings(**self.smtp.django_settings())``.

        The backend is part of it: Django's test runner replaces it by one that sends nothing.
        """
        return to_django(self.settings())

    def django_mailers(self) -> dict[str, DjangoMailer]:
        """The same for Django 6.1 and later, as in ``override_settings(MAILERS=self.smtp.django_mailers())``.

        There ``MAILERS`` comes in the place of the settings that `django_settings` gives, which are deprecated.
        """
        return to_mailers(self.settings())

    def flask_config(self) -> FlaskConfig:
        """The same for Flask-Mail, as in ``app.config.update(self.smtp.flask_config())`` before ``Mail(app)``."""
        return to_flask(self.settings())

    def environ(self, prefix: str = "SMTP_") -> dict[str, str]:
        """The same as environment variables for another process: HOST, PORT, URL, USERNAME, PASSWORD and TLS.

        With TLS there is ``SSL_CERT_FILE`` too, which has Python, OpenSSL and curl trust the certificate.
        """
        return to_environ(self.settings(), self.url, prefix)

    # -- what has come ---------------------------------------------------------------------------------------------

    @property
    def outbox(self) -> Outbox:
        """The mails of this test, in the order of their acceptance; a snapshot."""
        return Outbox(self.journal)

    @property
    def sessions(self) -> list[SMTPSession]:
        """The connections of this test in their order, and older ones that were used in it."""
        number = self.journal.window.number
        return [s for s in self._sessions.copy() if number in (s.window.number, s.last_window.number)]

    def attempts(
        self, command: str | None = None, *, argument: str | None = None, code: int | None = None
    ) -> list[SMTPAttempt]:
        """What clients have tried in this test, in order: every command with its answer, granted or refused.

        A sender that tries again is there twice: ``[a.code for a in smtp.attempts("RCPT")] == [451, 250]``.

        Args:
            command: Such as ``RCPT``, in any case; ``CONNECT`` is a connection, ``END_OF_DATA`` a mail itself.
            argument: What the address is, or else what the argument contains.
            code: The code of the answer.

        Raises:
            UsageError: There is no such command.
        """
        command = None if command is None else check_command(command)
        number = self.journal.window.number
        found = [attempt for session in self.sessions for attempt in session.attempts]
        found = [
            attempt
            for attempt in found
            if attempt.window.number == number
            and (command is None or attempt.command == command)
            and (argument is None or attempt.is_about(argument))
            and (code is None or attempt.code == code)
        ]
        return sorted(found, key=lambda attempt: attempt.order)

    def late(self) -> list[tuple[ReceivedEmail, str]]:
        """Mails that were begun in an earlier test and accepted since, each with that test's name."""
        current = self.journal.window.number
        return [(mail, mail.window.name) for mail in self.journal.entries() if mail.window.number < current]

    @property
    def in_flight(self) -> list[SMTPSession]:
        """The sessions with a mail on its way that may still be accepted."""
        return [
            each.record for each in list(self.protocols) if each.transaction is not None and each.faults.fault is None
        ]

    def wait_until_idle(self, timeout: float) -> bool:
        """Wait until no mail is on its way, for ``timeout`` seconds at most; whether none is."""
        return self.journal.wait_for(lambda: not self.in_flight, timeout)

    def wait_until_served(self, timeout: float) -> bool:
        """Wait until everything that clients have sent until now is served; whether it is after ``timeout`` seconds.

        A mail that has been sent by half is not waited for.
        """

        def is_served() -> bool:
            served = not any(protocol.is_serving for protocol in list(self.protocols))
            return served and self._has_read_all(_LOOK)

        # twice: what has been read only now is served only now
        return self.journal.wait_for(lambda: is_served() and is_served(), timeout)

    def take_errors(self) -> list[BaseException]:
        """What the test's own functions (``when=``) have raised in the server's threads; each is told once.

        What nobody asks for is raised by `stop`.
        """
        return drain(self._errors)

    # -- tests -----------------------------------------------------------------------------------------------------

    def begin(self, name: str) -> None:
        """Begin a test: forget the mails, the sessions and the faults of the one before."""
        self.journal.begin(name)
        self.reset()

    def reset(self) -> None:
        """Forget the mails and sessions so far, and remove every fault; connections that are open stay so."""
        for fault in self.faults:
            fault.remove()
        self.journal.clear()
        with self._trimming:
            kept = [session for session in self._sessions if session.is_open]
            self._sessions = collections.deque(kept, maxlen=_MOST_SESSIONS)

    def refuse_connections(self) -> SMTPFault:
        """Listen no more, so that clients find nobody there; connections that are open stay.

        Raises:
            ServerNotStarted: The server does not run.
        """
        self.pause_accepting()
        fault = self._put("", NotListening())
        fault.count_hit()
        return fault

    def _take_back(self, fault: SMTPFault) -> None:
        super()._take_back(fault)
        if isinstance(fault.effect, NotListening) and not any(
            isinstance(other.effect, NotListening) for other in self.faults
        ):
            self.resume_accepting()
        for protocol in list(self.protocols):
            if protocol.faults.fault is fault:
                protocol.connection.cut()

    # -- the connections' side -------------------------------------------------------------------------------------

    def _open(self, listener: Listener) -> None:
        # What reads mails, matches and explains them is loaded now: a class without a test need not wait for it, and a
        # test may have replaced what an import needs.
        from . import criteria, message, report  # noqa: F401

        if self._tls is not None:
            self.server_context()  # makes the certificate, which cannot be done while a test has frozen the time
        super()._open(listener)

    async def _prepare(self) -> None:
        self._loop_thread = threading.get_ident()
        silence.threads.add(self._loop_thread)

    def _make_protocol(self) -> asyncio.BaseProtocol:
        protocol = SMTPProtocol(self)
        if self.config.tls == "implicit":
            return ImplicitTLS(protocol, self.server_context(), self.config.handshake_timeout)
        return protocol

    def _make_connection(self, transport: asyncio.BaseTransport, index: int) -> SMTPConnection:
        return SMTPConnection(transport, index)

    def _is_server_thread(self) -> bool:
        functions = [protocol.connection.function_thread for protocol in list(self.protocols)]
        return super()._is_server_thread() or threading.current_thread() in functions

    def open_session(self, index: int, peer: tuple[str, int]) -> SMTPSession:
        """Take down a connection; called by it."""
        session = SMTPSession(index, peer, self.journal.window)
        with self._trimming:
            self._sessions.append(session)
        return session

    def server_context(self) -> ssl.SSLContext:
        """The server's side of TLS; called by a connection that begins it."""
        if self._tls is None:
            raise RuntimeError("there is no TLS to begin")
        choice = self.config.certificate
        if choice == "expired" or choice == "wrong-host" or choice == "untrusted":  # noqa: PLR1714 - mypy narrows so
            return self._tls.flawed_context(choice)
        return self._tls.context

    def keep(self, mail: ReceivedEmail, window: JournalWindow) -> None:
        """Put a mail into the outbox; called by its connection before the client is told."""
        self.journal.add(mail, window)

    def note_error(self, error: BaseException) -> None:
        """Record what the test's own function has raised; called by a connection."""
        self._errors.append(error)

    def _close(self, timeout: float) -> list[Unfinished]:
        unfinished = super()._close(timeout)
        silence.threads.discard(self._loop_thread)
        for fault in self.faults:
            if isinstance(fault.effect, NotListening):  # the next start listens
                fault.remove()
        for error in self.take_errors():
            self._record_failure(error)
        return unfinished

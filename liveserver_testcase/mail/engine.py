"""What serves an `SMTPServer`: its socket, its connections, and what is kept of them."""

from __future__ import annotations

import asyncio
import collections
import ssl
import threading
from typing import TYPE_CHECKING

from ..core.event_loop import EventLoopServer
from ..core.journal import Journal, drain
from ..core.tls import resolve_tls
from ..core.tracebacks import Unfinished
from .config import ServerConfig
from .fault_injection import SMTPConnection
from .faults import FaultScript, NotListening, SMTPFault
from .protocol import SMTPProtocol, explain_handshake, silence
from .session import SMTPSession

if TYPE_CHECKING:
    from ..core.listener import Listener
    from .message import ReceivedEmail

__all__ = ["SMTPEngine"]

_LOOK = 0.5  # seconds that the loop gets to read what was sent, if something holds it up
_MOST_SESSIONS = 10_000  # that are kept, as mails are


class SMTPEngine(EventLoopServer):
    """An event loop whose connections are `SMTPProtocol`.

    Attributes:
        sessions: Records of the connections; the loop adds them.
        errors: What functions of the test (``when=``) have raised, and was not taken.
        protocols: Of the open connections; changed by the loop only.
    """

    label = "smtp-server"
    _loop_thread = 0

    def __init__(
        self,
        config: ServerConfig,
        host: str,
        port: int,
        *,
        journal_limit: int,
        start_timeout: float,
        stop_timeout: float,
    ) -> None:
        super().__init__(host, port, start_timeout=start_timeout, stop_timeout=stop_timeout)
        self.config = config
        self.journal: Journal[ReceivedEmail] = Journal(
            journal_limit, size_limit=config.kept_bytes_limit, size_of=lambda email: len(email.raw)
        )
        self.script = FaultScript(self._end_fault)
        self.protocols: set[SMTPProtocol] = set()
        self.sessions: collections.deque[SMTPSession] = collections.deque(maxlen=_MOST_SESSIONS)
        self.errors: list[BaseException] = []
        self._trimming = threading.Lock()  # guards the replacing of `sessions`
        if config.tls is not None:
            is_ours = isinstance(config.certificate, str)
            self.tls = resolve_tls(True, host) if is_ours else resolve_tls(config.certificate)  # type: ignore[arg-type]

    @property
    def scheme(self) -> str:  # type: ignore[override]
        """``smtp``, or ``smtps`` where TLS begins with the connection."""
        return "smtps" if self.config.tls == "implicit" else "smtp"

    @property
    def in_flight(self) -> list[SMTPSession]:
        """The sessions with a mail on its way that may still be accepted."""
        return [
            each.record for each in list(self.protocols) if each.transaction is not None and each.faults.fault is None
        ]

    def is_served(self) -> bool:
        """Return True if all that clients have sent until now is read, and no command is being served."""
        return not any(protocol.is_serving for protocol in list(self.protocols)) and self._has_read_all(_LOOK)

    def add_session(self, session: SMTPSession) -> None:
        """Record a new connection."""
        with self._trimming:
            self.sessions.append(session)

    def forget_sessions(self) -> None:
        """Drop the sessions of connections that are closed."""
        with self._trimming:
            kept = [session for session in self.sessions if session.is_open]
            self.sessions = collections.deque(kept, maxlen=_MOST_SESSIONS)

    def server_context(self) -> ssl.SSLContext:
        """Return the server's side of TLS."""
        if self.tls is None:
            raise RuntimeError("there is no TLS to begin")
        choice = self.config.certificate
        if choice == "expired" or choice == "wrong-host" or choice == "untrusted":  # noqa: PLR1714 - mypy narrows so
            return self.tls.flawed_context(choice)
        return self.tls.context

    def _end_fault(self, fault: SMTPFault) -> None:
        """Accept again what a removed fault has refused, and end the connections that it kept waiting."""
        if isinstance(fault.effect, NotListening) and self.script.last(NotListening) is None:
            self.resume_accepting()
        for protocol in list(self.protocols):
            if protocol.faults.fault is fault:
                protocol.connection.cut()

    # -- the life of it ----------------------------------------------------------------------------------------------

    def _open(self, listener: Listener) -> None:
        # What reads mails, matches and explains them is loaded now: a class without a test need not wait for it, and a
        # test may have replaced what an import needs.
        from . import criteria, message, report  # noqa: F401

        if self.tls is not None:
            self.server_context()  # makes the certificate, which cannot be done while a test has frozen the time
        super()._open(listener)

    async def _prepare(self) -> None:
        self._loop_thread = threading.get_ident()
        silence.threads.add(self._loop_thread)

    def _make_protocol(self) -> asyncio.BaseProtocol:
        protocol = SMTPProtocol(self)
        return ImplicitTLS(protocol) if self.config.tls == "implicit" else protocol

    def _make_connection(self, transport: asyncio.BaseTransport, index: int) -> SMTPConnection:
        return SMTPConnection(transport, index)

    def _is_server_thread(self) -> bool:
        functions = [protocol.connection.function_thread for protocol in list(self.protocols)]
        return super()._is_server_thread() or threading.current_thread() in functions

    def _close(self, timeout: float) -> list[Unfinished]:
        unfinished = super()._close(timeout)
        silence.threads.discard(self._loop_thread)
        for fault, _ in self.script.all(NotListening):  # the next start listens
            fault.remove()
        for error in drain(self.errors):
            self._record_failure(error)
        return unfinished


class ImplicitTLS(asyncio.Protocol):
    """Speaks TLS from the first byte, and passes the connection to an `SMTPProtocol` when the handshake is done.

    ``create_server(ssl=...)`` would do that, too, but does not report a handshake that fails.
    """

    def __init__(self, protocol: SMTPProtocol) -> None:
        self._protocol = protocol
        self._task: asyncio.Task[None] | None = None  # the loop itself keeps no task from the garbage collection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake."""
        self._protocol.accept(transport)
        self._task = asyncio.get_running_loop().create_task(self._secure(transport))

    async def _secure(self, transport: asyncio.BaseTransport) -> None:
        protocol = self._protocol
        context, limit = protocol.server.server_context(), protocol.config.handshake_timeout
        protocol.record.state = "in the TLS handshake"
        try:
            secured = await asyncio.get_running_loop().start_tls(
                transport, protocol, context, server_side=True, ssl_handshake_timeout=limit
            )
        except Exception as error:
            protocol.end(explain_handshake(error))
            return
        # one that was aborted in the middle of the handshake: start_tls() returns all the same
        if secured is None or secured.is_closing():
            protocol.end("the client has left in the TLS handshake")
            return
        protocol.connection_made(secured)

"""SMTP on aiosmtpd, of which this is the only importer.

aiosmtpd runs a connection: it reads a command, calls ``smtp_X`` for it, sends replies by `push`, and begins TLS.  Of
what it offers these are used, and nothing else: the methods that it documents as overridable, and asyncio's callbacks.

A command on its way: `data_received` puts bytes into the buffer → `_advance` checks a line and passes it on, when it is
the client's turn → aiosmtpd calls ``smtp_X`` → `_run` records the attempt, runs the body of the command and sends its
one reply, which is on record before the client can know it.  Bodies refuse by raising `Refused`; `FaultInjector.apply`
looks at the script, which may raise a reply of its own, keep the client waiting, or end the connection.  After DATA the
bytes of a mail go past aiosmtpd, in large slices.

A client may leave while commands are still unread, or while one runs.  The end of its bytes, and the loss of its
connection, are seen when everything that came before them has been served: a mail is not lost because its sender did
not wait for the reply.
"""

from __future__ import annotations

import asyncio
import base64
import collections
import enum
import functools
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from aiosmtpd.smtp import SMTP, TLSSetupException

from ..core.connection import RESET
from ..core.interrupts import wall_clock
from . import syntax
from .data import InputBuffer, MailData, find_long_line
from .fault_injection import FaultInjector, FaultReply, SMTPConnection
from .faults import EHLOOverride, RawReply, RecipientLimit, SizeLimit
from .session import SMTPAttempt, SMTPSession, Transaction
from .syntax import HTTP_VERBS, MECHANISMS, Refused, Reply

if TYPE_CHECKING:
    from .engine import SMTPEngine

__all__ = ["SMTPProtocol", "explain_handshake", "silence"]

_LONGEST_COMMAND = 4096  # octets; RFC 5321 wants 512 at least, and parameters want more
_LONGEST_RESPONSE = 12 * 1024  # octets, in an exchange of AUTH: RFC 4954, 4.5
_LONGEST_WORD = 10  # letters of a command that is on record although it is unknown: STARTTLS has 8
_HIGH_WATER = 512 * 1024  # bytes of a client that wait to be taken before it is read no further
_SLICE = 1024 * 1024  # bytes of a mail that are taken at once
_LINGER = 1.0  # seconds for a client to read the last reply, while it may still be sending
_NO_TIMEOUT = 1e9  # seconds: aiosmtpd would end an idle connection after 300, and a debugger must not cost a test one

_GO_AHEAD = Reply(354, "End data with <CR><LF>.<CR><LF>")
_FUNCTION_FAILED = Reply(451, "4.3.0 The test's own function has failed")
_NEEDS_TLS = "5.7.0 Must issue a STARTTLS command first"
_NEEDS_AUTH = "5.7.0 Authentication required"
_NOT_OFFERED = "5.5.1 {} is not offered"

_KEPT_WAITING = "the client has left while it was kept waiting"

Body: TypeAlias = "Callable[[Any, SMTPAttempt, str], Awaitable[Reply | None]]"


class _Silence(logging.Filter):
    """Keeps what aiosmtpd logs in threads of our servers away from the test's own handlers, such as ``assertLogs``."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[int] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        return record.thread not in self.threads


silence = _Silence()
logging.getLogger("mail.log").addFilter(silence)


class Phase(enum.Enum):
    """Where a connection is: which of the two sides acts, and what becomes of bytes that come meanwhile."""

    GREETING = enum.auto()  # the server: the greeting is not sent yet; bytes wait
    SERVING = enum.auto()  # the server: a command is served; bytes wait
    HELD = enum.auto()  # neither: the script keeps the client waiting, within a command; bytes wait
    HANDSHAKE = enum.auto()  # both: STARTTLS, within its command; bytes go to TLS
    COMMAND = enum.auto()  # the client: a line is taken
    INPUT = enum.auto()  # the client: a response in AUTH, or a mail, is taken within a command
    CLOSING = enum.auto()  # neither: what was written is sent; bytes are dropped
    CLOSED = enum.auto()  # it is over, and on record


# The client's next command can be served although its connection is lost: a mail is on its way only in these.
_ACTIVE = (Phase.GREETING, Phase.SERVING, Phase.COMMAND, Phase.INPUT)


def command(body: Body) -> Callable[[SMTPProtocol, str | None], Awaitable[None]]:
    """Make the body of a command, ``smtp_X``, a method that aiosmtpd can call."""

    @functools.wraps(body)
    async def run(self: SMTPProtocol, argument: str | None) -> None:
        await self._run(body.__name__.removeprefix("smtp_"), body, argument or "")

    return run


class SMTPProtocol(SMTP):
    """One connection of a client.

    Attributes:
        record: What is recorded of it; aiosmtpd's own ``session`` is not used.
        transaction: The mail that is on its way.
        faults: Carries out the script on it.
        phase: Where it is; changed on the loop.
        is_lost: Whether it is lost; what its client has sent before is served all the same.
    """

    command_size_limit = _LONGEST_COMMAND
    line_length_limit = 2 * _LONGEST_COMMAND  # of aiosmtpd's reader, which gets single lines
    record: SMTPSession
    connection: SMTPConnection
    transport: Any  # of TCP, or of TLS over it

    def __init__(self, server: SMTPEngine) -> None:
        # The class's own limits are shared by all connections, and cleared by each new one.
        self.command_size_limits: dict[str, int] = collections.defaultdict(lambda: _LONGEST_COMMAND)
        self.server, self.config = server, server.config
        super().__init__(
            None,  # no handler: every command is a method here
            hostname=self.config.hostname,
            ident="ESMTP",
            enable_SMTPUTF8=self.config.utf8,
            data_size_limit=None,
            tls_context=server.server_context() if self.config.tls == "starttls" else None,
            auth_require_tls=False,  # whether it is required is decided in smtp_AUTH: aiosmtpd has it for STARTTLS only
            timeout=_NO_TIMEOUT,
            loop=asyncio.get_running_loop(),
        )
        self.transaction: Transaction | None = None
        self.faults = FaultInjector(self)
        self._offered: frozenset[str] = frozenset()
        # bytes
        self._input = InputBuffer()
        self._arrived: asyncio.Future[None] | None = None  # a command waits for bytes
        self._is_reading_paused = False
        self._writable = asyncio.Event()  # cleared while the client does not read its replies
        self._writable.set()
        # the command that is served
        self._attempt: SMTPAttempt | None = None
        self._last_command = ""
        self._refused: tuple[str, Refused] = "(unknown)", Refused(500, "5.5.1 Unknown command")
        # the connection
        self.phase = Phase.GREETING
        self.is_lost = False
        self._is_unwelcome = False  # the greeting was a refusal: QUIT is all that is served

    @property
    def is_serving(self) -> bool:
        """Whether a command is being served, and the client is not kept waiting on purpose."""
        return self.phase in (Phase.GREETING, Phase.SERVING)

    def __dir__(self) -> list[str]:
        """The extension points: aiosmtpd looks for them in each connection, through every name there is."""
        return _EXTENSION_POINTS

    # -- the connection ----------------------------------------------------------------------------------------------

    def accept(self, tcp: asyncio.BaseTransport) -> None:
        """Record a new connection."""
        self._tcp: Any = tcp
        self.connection = self.server._connection_made(tcp)  # type: ignore[assignment]
        host, port, *_ = tcp.get_extra_info("peername") or ("unknown", 0)
        self.record = SMTPSession(self.connection.index, (host, port), self.server.journal.window)
        self.server.add_session(self.record)
        self.server.protocols.add(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or begin anew inside of TLS; what was sent in plain text before that does not count.

        Source: RFC 3207, 4.2.
        """
        tls = transport.get_extra_info("ssl_object")
        if tls is None:
            self.accept(transport)
        else:
            if self._input and self.config.tls == "starttls":
                self.record.add(f"{len(self._input)} bytes that were sent in plain text after STARTTLS are dropped")
                self._input.clear()
            self.record.tls = tls.version()
            self.record.add(f"TLS begins: {self.record.tls}")
            self.record.ehlo, self.record.auth_user, self._offered = "", None, frozenset()
            self._reset()
        super().connection_made(transport)

    def eof_received(self) -> bool:
        """Note that the client sends nothing more; it may still read."""
        self._input.is_at_end = True
        if self.phase in (Phase.CLOSING, Phase.CLOSED):
            return False
        if self.phase is Phase.HELD and self.record.state != "in DATA":
            self.end(_KEPT_WAITING)
            return False
        self._advance()
        return self.record.tls is None

    def connection_lost(self, error: Exception | None) -> None:
        """Note that the client is gone, when everything that it has sent is served."""
        self._input.is_at_end = self.is_lost = True
        self._writable.set()
        if self.phase in _ACTIVE and self.server.is_running and not self.connection.is_cut:
            self.connection.shut_down()
            self._advance()
        else:
            self._finish()

    def pause_writing(self) -> None:
        """Have commands wait until the client has read their replies."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Have them go on."""
        self._writable.set()

    def _finish(self) -> None:
        """The connection is over; called once it is lost, and nothing is left to be served."""
        if self.phase is Phase.CLOSED:
            return
        self.record.end(self._explain_end())
        self.phase = Phase.CLOSED
        self.transaction = None
        self.server.protocols.discard(self)
        self.server._connection_lost(self.connection)
        if self.transport is not None:  # else aiosmtpd did not get it: a handshake of implicit TLS has failed
            self.transport.close()  # that of TLS does not know that the one below is lost
            super().connection_lost(None)  # cancels what still runs
        self.server.journal.notify()

    def _explain_end(self) -> str:
        """How the connection came to its end without a QUIT."""
        if not self.server.is_running:
            return "the server has stopped"
        if self.connection.is_cut:
            return "the server has cut the connection"
        if self.phase is Phase.HELD:
            return _KEPT_WAITING
        stage = self.record.state
        return f"the client has left {stage}" if stage.startswith("in ") else "the client has left without a QUIT"

    def end(self, reason: str) -> None:
        """End the connection at once."""
        self._begin_close(reason)
        self.connection.abort()
        self._finish()

    def _begin_close(self, reason: str) -> None:
        self.record.end(reason)
        if self.phase is not Phase.CLOSED:
            self.phase = Phase.CLOSING

    def abort(self, reason: str) -> NoReturn:
        """End the connection at once, and with it the command that is served."""
        self.end(reason)
        raise asyncio.CancelledError  # as aiosmtpd itself ends the task of a connection

    def drop(self, reason: str, *, reset: bool) -> NoReturn:
        """End the connection as if the network or the server had failed, when what was written is sent."""
        self._begin_close(reason)
        if reset:
            self.connection.resets = True
            self._tcp.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        if self._tcp.get_write_buffer_size():
            self._tcp.close()
        else:
            self.connection.abort()
        if self.is_lost:
            self._finish()
        raise asyncio.CancelledError

    def _close(self, reason: str) -> None:
        """End the connection when the client has been sent everything, and has had a chance to read it."""
        self._begin_close(reason)
        if self.is_lost:
            self._finish()
        elif reason == "QUIT" and not self._input:
            self.transport.close()
        else:
            self._set_reading(True)  # a close with unread bytes would reset the last reply away
            if self.transport.can_write_eof():
                self.transport.write_eof()
            self.loop.call_later(_LINGER, self.connection.abort)

    async def hold(self, seconds: float | None) -> None:
        """Keep the client waiting; None is for as long as it stays."""
        if self.is_lost or (self._input.is_at_end and self.record.state != "in DATA"):
            self.abort(_KEPT_WAITING)
        released = self.loop.create_future()
        timer = self.loop.call_later(seconds, released.set_result, None) if seconds is not None else None
        self.phase = Phase.HELD
        self.connection.mark_idle()  # a stop does not wait for this
        try:
            await released  # the loss of the connection cancels it
        finally:
            if timer is not None:
                timer.cancel()
        self.phase = Phase.SERVING
        self.connection.mark_busy(self.connection.what)

    # -- bytes -------------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Take what the client has sent."""
        if self.phase in (Phase.CLOSING, Phase.CLOSED):
            return
        self._input.feed(data)
        self._advance()

    def _advance(self) -> None:
        """Pass on what has come, if it is the client's turn: one line to aiosmtpd, or wake the command that waits."""
        if self.phase is Phase.INPUT and (self._input or self._input.is_at_end):
            self.phase = Phase.SERVING
            if self._arrived is not None and not self._arrived.done():
                self._arrived.set_result(None)
        elif self.phase is Phase.COMMAND:
            line = self._take_command()
            if line is not None:
                self.phase = Phase.SERVING
                super().data_received(line)
            elif self._input.is_at_end:
                self.phase = Phase.CLOSING
                if self.is_lost:
                    self._finish()
                else:
                    super().eof_received()  # ends aiosmtpd's task, which closes the connection
        self._set_reading(len(self._input) < _HIGH_WATER)

    def _take_command(self) -> bytes | None:
        """A line that aiosmtpd may see: what it would reply to by itself, and repeat, is a command of ours instead."""
        try:
            line = self._input.take_line(_LONGEST_COMMAND)
            if line is None:
                return None
            text = syntax.decode_line(syntax.strip_line(line), self.config.utf8)
        except Refused as refused:
            self._refused = "(unreadable)", refused
            return b"XREFUSED\r\n"
        verb = text.partition(" ")[0].upper()
        if f"smtp_{verb}" in _KNOWN:
            return line
        if verb in HTTP_VERBS:
            shown = verb
        elif self._last_command == "AUTH":
            shown = "(a line after AUTH)"  # it could be a password
        else:  # what follows is on no record: it could be AUTH with a slip of the pen
            shown = verb if verb.isalpha() and len(verb) <= _LONGEST_WORD else "(unknown)"
        self._refused = shown, Refused(500, "5.5.1 Unknown command")
        return b"XREFUSED\r\n"

    async def _await_input(self) -> None:
        """Wait until the client has sent something more, or sends nothing more."""
        self.phase = Phase.INPUT
        self._arrived = self.loop.create_future()
        self.connection.mark_idle()
        self._set_reading(True)
        await self._arrived
        if self._attempt is not None:
            self.connection.mark_busy(self.connection.what)

    def _set_reading(self, reads: bool) -> None:
        if self._is_reading_paused is reads and self.transport is not None and not self.is_lost:
            self._is_reading_paused = not reads
            (self.transport.resume_reading if reads else self.transport.pause_reading)()

    # -- commands, each the same way ---------------------------------------------------------------------------------

    async def _run(self, name: str, body: Body, argument: str) -> None:
        """Serve a command; then it is the client's turn."""
        if name == "XREFUSED":
            name, argument = self._refused[0], ""
        self._last_command = name
        if name != "CONNECT":
            await self.faults.throttle(len(name) + len(argument) + 3)
        await self._perform(self._note(name, "" if name == "AUTH" else argument), body, argument)
        if self.phase is Phase.SERVING:
            self.phase = Phase.COMMAND
            self._advance()
            self.server.journal.notify()  # for waits until nothing is served

    def _note(self, name: str, argument: str) -> SMTPAttempt:
        window = self.record.last_window = self.server.journal.window
        attempt = SMTPAttempt(self.record, name, argument, window, None if name == "MAIL" else self.transaction)
        self.record.add(attempt)
        return attempt

    async def _perform(self, attempt: SMTPAttempt, body: Body, argument: str) -> None:
        """Run the body of a command and send its reply."""
        self._attempt = attempt
        self.connection.mark_busy(
            f"a mail from {attempt.mail_from!r}" if attempt.command == "END_OF_DATA" else attempt.command_line
        )
        reply: Reply | RawReply | None
        try:
            if self._is_unwelcome and attempt.command != "QUIT":  # RFC 5321, 3.1
                raise Refused(503, "5.5.1 There is no service, as the greeting said")
            reply = await body(self, attempt, argument)
        except Refused as refused:
            reply = refused.reply
        except FaultReply as fault:
            reply = fault.reply
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # the test's own function has failed, by SystemExit even
            self.server.errors.append(error)
            reply = _FUNCTION_FAILED
        if reply is not None:
            await self._reply(attempt, reply)
        self._attempt = None

    async def push(self, status: bytes | str | None) -> None:
        """Send what aiosmtpd replies by itself: the greeting, and what comes before a TLS handshake."""
        if status is None:  # it was cancelled while it made one
            return
        if self.phase is Phase.GREETING:
            self.phase = Phase.SERVING
            await self._run("CONNECT", type(self)._reply_to_connect, "")
        elif self._attempt is not None and self._attempt.command == "STARTTLS":
            await self._reply(self._attempt, Reply(220, "2.0.0 Ready to start TLS"))
        else:
            raise RuntimeError(f"aiosmtpd has replied {status!r} by itself")

    async def handle_exception(self, error: Exception) -> str:
        """Record an error of ours, which the stop raises; the connection ends."""
        self.server.errors.append(error)
        self.abort("the server has failed")

    async def _reply(self, attempt: SMTPAttempt, reply: Reply | RawReply) -> None:
        """Send a reply, and do what follows from it."""
        if isinstance(reply, RawReply):
            attempt.reply = str(reply)
            await self._send(reply.data)
        else:
            attempt.code, attempt.reply = reply
            await self._send(reply.to_wire())
        self.server.journal.notify()
        self.connection.mark_idle()
        self.faults.after_reply()
        if isinstance(reply, Reply) and reply.code == 421:
            self._close("the server has ended it with 421")
        elif isinstance(reply, Reply) and reply.code == 221:
            self._close("QUIT" if attempt.command == "QUIT" else "the client spoke HTTP")

    async def _send(self, data: bytes) -> None:
        if not self.is_lost:  # what a client cannot read any more is on record all the same
            self.transport.write(data)
            if not self._writable.is_set():  # until the client reads, or is lost, as by a stop
                await self._writable.wait()

    # -- what each command does --------------------------------------------------------------------------------------

    async def _reply_to_connect(self, attempt: SMTPAttempt, _argument: str) -> Reply:
        self.record.state = "idle"
        try:
            await self.faults.apply(attempt)
        except FaultReply as fault:
            self._is_unwelcome = isinstance(fault.reply, Reply)
            raise
        return Reply(220, f"{self.config.hostname} ESMTP")

    @command
    async def smtp_XREFUSED(self, attempt: SMTPAttempt, _argument: str) -> Reply:
        """Refuse a line that aiosmtpd does not see."""
        if attempt.command in HTTP_VERBS:
            return Reply(221, "2.7.0 This is a mail server; it does not speak HTTP")
        raise self._refused[1]

    @command
    async def smtp_EHLO(self, attempt: SMTPAttempt, argument: str) -> Reply:
        """See RFC 5321, 4.1.1.1."""
        await self._hello(attempt, argument)
        changes = []
        for fault, override in self.server.script.all(EHLOOverride):
            fault.count_hit()
            attempt.fault = fault
            changes.append(override)
        lines = self.config.offer(self.record.tls is not None, self._size_limit(), changes)
        self._offered = frozenset(line.partition(" ")[0].upper() for line in lines)
        return Reply(250, "\n".join([self.config.hostname, *lines]))

    @command
    async def smtp_HELO(self, attempt: SMTPAttempt, argument: str) -> Reply:
        """See RFC 5321, 4.1.1.1."""
        await self._hello(attempt, argument)
        self._offered = frozenset()
        return Reply(250, self.config.hostname)

    async def _hello(self, attempt: SMTPAttempt, argument: str) -> None:
        if not argument:
            raise Refused(501, f"5.5.4 Syntax: {attempt.command} hostname")
        await self.faults.apply(attempt)
        self._reset()
        self.record.ehlo, self.record.is_extended = argument, attempt.command == "EHLO"

    @command
    async def smtp_STARTTLS(self, attempt: SMTPAttempt, argument: str) -> None:
        """See RFC 3207; aiosmtpd does the handshake."""
        if self.record.tls is not None:
            raise Refused(503, "5.5.1 TLS is in use already")
        if self.config.tls != "starttls" or "STARTTLS" not in self._offered:
            raise Refused(502, _NOT_OFFERED.format("STARTTLS"))
        if argument:
            raise Refused(501, "5.5.4 Syntax: STARTTLS")
        await self.faults.apply(attempt)
        limit = self.config.handshake_timeout
        overdue = f"the TLS handshake failed: it was not done after {limit:g} s"
        timer = self.loop.call_later(limit, self.end, overdue)
        self.record.state, self.phase = "in the TLS handshake", Phase.HANDSHAKE
        self._set_reading(True)
        try:
            await super().smtp_STARTTLS("")
        except TLSSetupException as error:
            self.abort(explain_handshake(error.__cause__))
        finally:
            timer.cancel()
            if self.phase is Phase.HANDSHAKE:
                self.phase = Phase.SERVING
        if self.record.tls is None:  # lost in the middle of the handshake, which is no error to aiosmtpd
            self.abort("the client has left in the TLS handshake")

    @command
    async def smtp_AUTH(self, attempt: SMTPAttempt, argument: str) -> Reply:
        """See RFC 4954, and `MECHANISMS`; what the client answers is on no record."""
        name, _, initial = argument.partition(" ")
        mechanism = attempt.argument = name.upper()
        if self.config.require_tls and self.record.tls is None:
            raise Refused(530, _NEEDS_TLS)
        if self.config.auth_require_tls and self.record.tls is None:
            raise Refused(538, "5.7.11 Encryption required for requested authentication mechanism")
        if "AUTH" not in self._offered:
            raise Refused(502, _NOT_OFFERED.format("AUTH"))
        if self.record.auth_user is not None:
            raise Refused(503, "5.5.1 Already logged in")
        if self.transaction is not None:
            raise Refused(503, "5.5.1 A mail is on its way")
        if mechanism not in self.config.mechanisms:
            raise Refused(504, f"5.5.4 Unknown mechanism; there are {' '.join(self.config.mechanisms)}")
        await self.faults.apply(attempt)
        exchange = MECHANISMS[mechanism](self.config.known_users, self.config.hostname)
        challenge = next(exchange)
        response = None if not initial else "" if initial == "=" else initial
        if response is not None and challenge and mechanism != "LOGIN":
            raise Refused(501, f"5.7.0 {mechanism} begins with a challenge")
        try:
            while True:
                if response is None:
                    question = base64.b64encode(challenge).decode()
                    attempt.between += (f"S: 334 {question}".rstrip(), "C: ***")
                    await self._send(f"334 {question}\r\n".encode())
                    response = await self._read_response()
                challenge = exchange.send(syntax.decode_response(response))
                response = None
        except StopIteration as end:
            user: str | None = end.value
        if user is None:
            raise Refused(535, "5.7.8 Authentication credentials invalid")
        self.record.auth_user = user
        return Reply(235, "2.7.0 Authentication successful")

    async def _read_response(self) -> str:
        while (line := self._input.take_line(_LONGEST_RESPONSE)) is None:
            if self._input.is_at_end:
                self.abort("the client has left without a QUIT")
            await self._await_input()
        return syntax.strip_line(line).decode("ascii", "replace")

    @command
    async def smtp_MAIL(self, attempt: SMTPAttempt, argument: str) -> Reply:
        """See RFC 5321, 4.1.1.2."""
        if not self.record.ehlo:
            raise Refused(503, "5.5.1 Send EHLO or HELO first")
        self._check_rights()
        if self.transaction is not None:
            raise Refused(503, "5.5.1 A mail is on its way; send RSET before another MAIL")
        attempt.address, options = syntax.parse_path(argument, "FROM", self._offered)
        limit = self._size_limit()
        if limit is not None and syntax.read_size(options) > limit:
            raise self._refuse_size(attempt)
        await self.faults.apply(attempt)
        self.transaction = Transaction(attempt.window, attempt.address, options)
        self.record.state = "in a mail"
        return Reply(250, "2.1.0 OK")

    @command
    async def smtp_RCPT(self, attempt: SMTPAttempt, argument: str) -> Reply:
        """See RFC 5321, 4.1.1.3."""
        self._check_rights()
        transaction = self.transaction
        if transaction is None:
            raise Refused(503, "5.5.1 Need MAIL before RCPT")
        attempt.address, options = syntax.parse_path(argument, "TO", self._offered)
        if not attempt.address:
            raise Refused(501, "5.5.4 Syntax: RCPT TO:<address>")
        transaction.attempted_recipients.append(attempt.address)
        if not (attempt.address.isascii() or transaction.is_utf8):
            raise Refused(553, "5.6.7 The address is not in ASCII, and MAIL has no parameter SMTPUTF8")
        await self.faults.apply(attempt)
        limit = self.server.script.last(RecipientLimit)
        if limit is not None and len(transaction.recipients) >= limit[1].number and limit[0].use(attempt):
            attempt.fault = limit[0]
            raise FaultReply(limit[1].reply)
        transaction.recipients.append(attempt.address)
        transaction.rcpt_options += options
        return Reply(250, "2.1.5 OK")

    @command
    async def smtp_DATA(self, attempt: SMTPAttempt, argument: str) -> None:
        """Receive a mail, and reply to its end.  See RFC 5321, 4.1.1.4."""
        if argument:
            raise Refused(501, "5.5.4 Syntax: DATA")
        self._check_rights()
        transaction = self.transaction
        if transaction is None:
            raise Refused(503, "5.5.1 Need MAIL before DATA")
        if not transaction.recipients:
            raise Refused(554, "5.5.1 No valid recipients")
        await self.faults.apply(attempt)
        await self._reply(attempt, _GO_AHEAD)
        self.record.state = "in DATA"
        data = await self._read_mail(attempt)
        self.record.state = "in a mail"

        async def accept(_self: SMTPProtocol, body: SMTPAttempt, _argument: str) -> Reply:
            return await self._accept(body, data, transaction)

        await self._perform(self._note("END_OF_DATA", f"{data.received - 3} bytes"), accept, "")
        self._reset()

    async def _read_mail(self, attempt: SMTPAttempt) -> MailData:
        """Read to the line with nothing but a dot, unless the script or the client ends it before."""
        data = MailData(self._size_limit())
        cut, limit = await self.faults.find_cut(attempt) or (None, None)
        while True:
            if cut is not None and limit is not None and data.received >= limit and cut.use(attempt):
                left = self._note("END_OF_DATA", f"{data.received} bytes")
                self.faults.drop(left, cut, f" after {data.received} bytes")
            if not (self._input or self._input.is_at_end):
                await self._await_input()
            size = self.faults.bytes_at_once(_SLICE)
            piece = self._input.take(size if limit is None else max(1, min(size, limit - data.received)))
            self._set_reading(len(self._input) < _HIGH_WATER)
            if not piece:
                left = self._note("END_OF_DATA", f"{data.received} bytes")
                left.reply = "the client has left before the end of the mail"
                self.abort(f"the client has left {self.record.state}")
            await self.faults.throttle(len(piece))
            rest = data.feed(piece)
            if rest is not None:
                self._input.put_back(rest)
                return data

    async def _accept(self, attempt: SMTPAttempt, data: MailData, transaction: Transaction) -> Reply:
        """Keep a mail that has arrived, unless something is wrong with it."""
        if data.is_too_big:
            raise self._refuse_size(attempt)
        raw = data.take()
        limit = self.config.line_limit
        long = find_long_line(raw, limit) if limit is not None else None
        if long is not None:
            raise Refused(
                500, f"5.6.0 Line {long.number} of the mail is too long: {long.length} octets, the limit is {limit}"
            )
        from .message import Envelope, ReceivedEmail, SessionFacts  # loaded when the server starts

        record = self.record
        envelope = Envelope(
            mail_from=transaction.mail_from,
            recipients=tuple(transaction.recipients),
            mail_options=transaction.mail_options,
            rcpt_options=tuple(transaction.rcpt_options),
            refused=transaction.refused,
        )
        facts = SessionFacts(peer=record.peer, ehlo=record.ehlo, tls=record.tls, auth_user=record.auth_user)
        mail = ReceivedEmail(raw, envelope, session=facts, received_at=wall_clock())
        await self.faults.apply(attempt, mail)
        self.server.journal.add(mail, transaction.window)
        record.mails += 1
        return Reply(250, "2.0.0 Accepted")

    @command
    async def smtp_RSET(self, attempt: SMTPAttempt, _argument: str) -> Reply:
        """Forget the mail that is on its way."""
        await self.faults.apply(attempt)
        self._reset()
        return Reply(250, "2.0.0 OK")

    @command
    async def smtp_NOOP(self, attempt: SMTPAttempt, _argument: str) -> Reply:
        """Do nothing."""
        await self.faults.apply(attempt)
        return Reply(250, "2.0.0 OK")

    @command
    async def smtp_VRFY(self, attempt: SMTPAttempt, argument: str) -> Reply:
        """Reveal nothing about an address."""
        if not argument:
            raise Refused(501, "5.5.4 Syntax: VRFY address")
        await self.faults.apply(attempt)
        return Reply(252, "2.5.2 Cannot verify, but will accept mail and attempt delivery")

    @command
    async def smtp_HELP(self, _attempt: SMTPAttempt, _argument: str) -> Reply:
        """Name the commands."""
        return Reply(214, f"2.0.0 {' '.join(sorted(name.removeprefix('smtp_') for name in _KNOWN))}")

    @command
    async def smtp_QUIT(self, attempt: SMTPAttempt, _argument: str) -> Reply:
        """End the session."""
        await self.faults.apply(attempt)
        return Reply(221, "2.0.0 Bye")

    # -- what several of them need -----------------------------------------------------------------------------------

    def _check_rights(self) -> None:
        """Refuse a mail that wants TLS or a login first.  Source: RFC 3207, 4, and RFC 4954, 6."""
        if self.config.require_tls and self.record.tls is None:
            raise Refused(530, _NEEDS_TLS)
        if self.config.require_auth and self.record.auth_user is None:
            raise Refused(530, _NEEDS_AUTH)

    def _reset(self) -> None:
        self.transaction = None
        self.record.state = "idle"

    def _size_limit(self) -> int | None:
        scripted = self.server.script.last(SizeLimit)
        return scripted[1].size if scripted is not None else self.config.size_limit

    def _refuse_size(self, attempt: SMTPAttempt) -> Refused:
        scripted = self.server.script.last(SizeLimit)
        if scripted is not None:
            attempt.fault = scripted[0]
            scripted[0].count_hit()
        return Refused(552, f"5.3.4 The mail is too big: the limit is {self._size_limit()} bytes")


_EXTENSION_POINTS = [name for name in vars(SMTPProtocol) if name.startswith("smtp_")]
_KNOWN = frozenset(_EXTENSION_POINTS) - {"smtp_XREFUSED"}


def explain_handshake(error: BaseException | None) -> str:
    """How a handshake that failed ends the connection, in words."""
    if isinstance(error, ssl.SSLError) and error.reason == "HTTP_REQUEST":
        return "the client spoke plain HTTP on a port that speaks TLS"
    if error is None or isinstance(error, EOFError | ConnectionResetError):
        return "the client has left in the TLS handshake"
    return f"the TLS handshake failed: {error}"

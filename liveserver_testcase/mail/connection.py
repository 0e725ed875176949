"""One SMTP connection: what each command means, and what it is answered."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, ClassVar

from ..core.connection import ConnectionState
from ..errors import ClientDisconnected
from .auth import MECHANISMS, decode_response, encode_challenge
from .data import MailData, find_long_line
from .dialogue import Dialogue, Handler
from .faults import Drop
from .session import SMTPAttempt, Transaction
from .syntax import HTTP_VERBS, Refused, Reply, parse_path, read_size, strip_line
from .wire import Scripted

__all__ = ["SMTPConnection"]

_RECEIVE = 256 * 1024  # bytes of a mail that are received at once: large ones come in fewer pieces
_LONGEST_RESPONSE = 12 * 1024  # octets, in a dialogue of AUTH: RFC 4954, 4.5

_GO_AHEAD = Reply(354, "End data with <CR><LF>.<CR><LF>")
_ACCEPTED = Reply(250, "2.0.0 Accepted")
_NOT_OFFERED = "5.5.1 {} is not offered"


class SMTPConnection(Dialogue):
    """Knows the commands."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._offered: frozenset[str] = frozenset()

    # -- the session -----------------------------------------------------------------------------------------------

    def _greet(self, attempt: SMTPAttempt, _argument: str) -> Reply:
        self.session.stage = "idle"
        try:
            self.apply_faults(attempt)
        except Scripted as scripted:
            self._is_unwelcome = isinstance(scripted.said, Reply)
            raise
        return Reply(220, f"{self.server.config.hostname} ESMTP")

    def _ehlo(self, attempt: SMTPAttempt, argument: str) -> Reply:
        if not argument:
            raise Refused(501, f"5.5.4 Syntax: {attempt.command} hostname")
        self.apply_faults(attempt)
        config, session = self.server.config, self.session
        self._reset()
        session.ehlo = argument
        if attempt.command == "HELO":
            self._offered = frozenset()
            return Reply(250, config.hostname)
        changes = []
        for fault, offer in self.server.script.offers():
            fault.count_hit()
            attempt.fault = fault
            changes.append(offer)
        lines = config.offer(session.tls is not None, self._size_limit(), changes)
        self._offered = frozenset(line.partition(" ")[0].upper() for line in lines)
        return Reply(250, "\n".join([config.hostname, *lines]))

    def _starttls(self, attempt: SMTPAttempt, argument: str) -> Reply:
        if self.session.tls is not None:
            raise Refused(503, "5.5.1 TLS is in use already")
        if self.server.config.tls != "starttls" or "STARTTLS" not in self._offered:
            raise Refused(502, _NOT_OFFERED.format("STARTTLS"))
        if argument:
            raise Refused(501, "5.5.4 Syntax: STARTTLS")
        self.apply_faults(attempt)
        self._then = self._begin_tls
        return Reply(220, "2.0.0 Ready to start TLS")

    def _begin_tls(self, _attempt: SMTPAttempt) -> None:
        """Begin anew over TLS; what has been sent before it does not count.  Source: RFC 3207, 4.2."""
        if self._buffer:
            self.session.add(f"{len(self._buffer)} bytes that were sent in plain text after STARTTLS are dropped")
            self._buffer = b""
        self._reset()
        self._secure()
        self.session.ehlo, self.session.auth_user, self._offered = "", None, frozenset()

    def _auth(self, attempt: SMTPAttempt, argument: str) -> Reply:
        name, _, initial = argument.partition(" ")
        mechanism = attempt.argument = name.upper()
        config = self.server.config
        if config.require_tls and self.session.tls is None:
            raise Refused(530, "5.7.0 Must issue a STARTTLS command first")
        if "AUTH" not in self._offered:
            raise Refused(502, _NOT_OFFERED.format("AUTH"))
        if self.session.auth_user is not None or self.transaction is not None:
            raise Refused(503, "5.5.1 Already logged in" if self.transaction is None else "5.5.1 A mail is on its way")
        if mechanism not in config.mechanisms:
            raise Refused(504, f"5.5.4 Unknown mechanism; there are {' '.join(config.mechanisms)}")
        self.apply_faults(attempt)
        dialogue = MECHANISMS[mechanism](config.users, config.hostname)
        challenge = next(dialogue)
        response = None if not initial else "" if initial == "=" else initial
        if response is not None and challenge and mechanism != "LOGIN":
            raise Refused(501, f"5.7.0 {mechanism} begins with a challenge")
        try:
            while True:
                if response is None:
                    response = self._challenge(attempt, challenge)
                challenge = dialogue.send(decode_response(response))
                response = None
        except StopIteration as end:
            user: str | None = end.value
        if user is None:
            raise Refused(535, "5.7.8 Authentication credentials invalid")
        self.session.auth_user = user
        return Reply(235, "2.7.0 Authentication successful")

    def _challenge(self, attempt: SMTPAttempt, challenge: bytes) -> str:
        """Put a question to the client; what it answers is on no record."""
        question = encode_challenge(challenge)
        attempt.between += (f"S: 334 {question}".rstrip(), "C: ***")
        self.send(f"334 {question}\r\n".encode())
        self.state = ConnectionState.READING
        response = strip_line(self.read_line(_LONGEST_RESPONSE)).decode("ascii", "replace")
        self.state = ConnectionState.ACTIVE
        return response

    # -- the mail --------------------------------------------------------------------------------------------------

    def _size_limit(self) -> int | None:
        scripted = self.server.script.limit_size()
        return scripted[1] if scripted is not None else self.server.config.size_limit

    def _refuse_size(self, attempt: SMTPAttempt, limit: int | None) -> Refused:
        scripted = self.server.script.limit_size()
        if scripted is not None:
            attempt.fault = scripted[0]
            scripted[0].count_hit()
        return Refused(552, f"5.3.4 The mail is too big: the limit is {limit} bytes")

    def _reset(self) -> None:
        self.transaction = None
        self.session.stage = "idle"

    def _mail(self, attempt: SMTPAttempt, argument: str) -> Reply:
        config, session = self.server.config, self.session
        if not session.ehlo:
            raise Refused(503, "5.5.1 Send EHLO or HELO first")
        if config.require_tls and session.tls is None:
            raise Refused(530, "5.7.0 Must issue a STARTTLS command first")
        if config.require_auth and session.auth_user is None:
            raise Refused(530, "5.7.0 Authentication required")
        if self.transaction is not None:
            raise Refused(503, "5.5.1 A mail is on its way; send RSET before another MAIL")
        address, options = parse_path(argument, "FROM", self._offered)
        attempt.address = address
        limit = self._size_limit()
        if limit is not None and read_size(options) > limit:
            raise self._refuse_size(attempt, limit)
        self.apply_faults(attempt)
        self.transaction = Transaction(attempt.window, address, options)
        session.stage = "in a mail"
        return Reply(250, "2.1.0 OK")

    def _rcpt(self, attempt: SMTPAttempt, argument: str) -> Reply:
        transaction = self.transaction
        if transaction is None:
            raise Refused(503, "5.5.1 Need MAIL before RCPT")
        attempt.address, options = parse_path(argument, "TO", self._offered)
        if not attempt.address:
            raise Refused(501, "5.5.4 Syntax: RCPT TO:<address>")
        transaction.attempted_recipients.append(attempt.address)
        if not (attempt.address.isascii() or transaction.is_utf8):
            raise Refused(553, "5.6.7 The address is not in ASCII, and MAIL has no parameter SMTPUTF8")
        self.apply_faults(attempt)
        too_many = self.server.script.refuse_recipient(attempt)
        if too_many is not None:
            attempt.fault, answer = too_many
            raise Scripted(answer)
        transaction.recipients.append(attempt.address)
        transaction.rcpt_options += options
        return Reply(250, "2.1.5 OK")

    def _data(self, attempt: SMTPAttempt, argument: str) -> Reply:
        if argument:
            raise Refused(501, "5.5.4 Syntax: DATA")
        transaction = self.transaction
        if transaction is None:
            raise Refused(503, "5.5.1 Need MAIL before DATA")
        if not transaction.recipients:
            raise Refused(554, "5.5.1 No valid recipients")
        self.apply_faults(attempt)
        self._then = lambda attempt: self._receive_mail(attempt, transaction)
        return _GO_AHEAD

    def _receive_mail(self, attempt: SMTPAttempt, transaction: Transaction) -> None:
        """Read what follows DATA, to its end, and answer that."""
        self.session.stage = "in DATA"
        data = MailData(self._size_limit())
        cut = self.server.script.find_cut(attempt)
        limit = cut.effect.after_bytes if cut is not None and isinstance(cut.effect, Drop) else None
        rest: bytes | None = None
        try:
            while rest is None:
                if cut is not None and limit is not None and data.received >= limit and cut.use(attempt):
                    self.drop(self._attempt("BODY", f"{data.received} bytes"), cut, f" after {data.received} bytes")
                piece, self._buffer = self._buffer, b""
                size = _RECEIVE if limit is None else max(1, min(_RECEIVE, limit - data.received))
                rest = data.feed(piece or self.receive(size))
        except ClientDisconnected:
            left = self._attempt("BODY", f"{data.received} bytes")
            left.reply = "the client has left before the end of the mail"
            raise
        self._buffer = rest
        body = self._attempt("BODY", f"{data.received - 3} bytes")
        self._perform(body, lambda self, attempt, _: self._accept(attempt, data, transaction))
        self._reset()

    def _accept(self, attempt: SMTPAttempt, data: MailData, transaction: Transaction) -> Reply:
        """Keep a mail that has arrived, unless something is wrong with it."""
        session = self.session
        if data.is_too_big:
            raise self._refuse_size(attempt, self._size_limit())
        raw = data.take()
        limit = self.server.config.line_limit
        long = find_long_line(raw, limit) if limit is not None else None
        if long is not None:
            raise Refused(
                500, f"5.6.0 Line {long.number} of the mail is too long: {long.length} octets, the limit is {limit}"
            )
        from .message import Envelope, ReceivedEmail, SessionFacts  # loaded when the server starts

        envelope = Envelope(
            mail_from=transaction.mail_from,
            recipients=tuple(transaction.recipients),
            mail_options=transaction.mail_options,
            rcpt_options=tuple(transaction.rcpt_options),
            refused=transaction.refused,
        )
        facts = SessionFacts(peer=session.peer, ehlo=session.ehlo, tls=session.tls, auth_user=session.auth_user)
        mail = ReceivedEmail(raw, envelope, session=facts, received_at=time.time())
        self.apply_faults(attempt, mail)
        self.server.keep(mail, transaction.window)
        session.mails += 1
        return _ACCEPTED

    # -- the rest --------------------------------------------------------------------------------------------------

    def _rset(self, attempt: SMTPAttempt, _argument: str) -> Reply:
        self.apply_faults(attempt)
        self._reset()
        return Reply(250, "2.0.0 OK")

    def _noop(self, attempt: SMTPAttempt, _argument: str) -> Reply:
        self.apply_faults(attempt)
        return Reply(250, "2.0.0 OK")

    def _vrfy(self, attempt: SMTPAttempt, argument: str) -> Reply:
        if not argument:
            raise Refused(501, "5.5.4 Syntax: VRFY address")
        self.apply_faults(attempt)
        return Reply(252, "2.5.2 Cannot verify, but will accept mail and attempt delivery")

    def _help(self, _attempt: SMTPAttempt, _argument: str) -> Reply:
        return Reply(214, f"2.0.0 {' '.join(sorted(self.handlers))}")

    def _quit(self, attempt: SMTPAttempt, _argument: str) -> Reply:
        self.apply_faults(attempt)
        self._ending = "QUIT"
        return Reply(221, "2.0.0 Bye")

    def _unknown(self, attempt: SMTPAttempt, _argument: str) -> Reply:
        if attempt.command in HTTP_VERBS:
            self._ending = "the client spoke HTTP"
            return Reply(221, "2.7.0 This is a mail server; it does not speak HTTP")
        return Reply(500, "5.5.1 Unknown command")

    handlers: ClassVar[Mapping[str, Handler]] = {
        "AUTH": _auth,
        "DATA": _data,
        "EHLO": _ehlo,
        "HELO": _ehlo,
        "HELP": _help,
        "MAIL": _mail,
        "NOOP": _noop,
        "QUIT": _quit,
        "RCPT": _rcpt,
        "RSET": _rset,
        "STARTTLS": _starttls,
        "VRFY": _vrfy,
    }

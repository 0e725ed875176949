"""How a test scripts the mail server: a verb for each kind of fault."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

from ..core.checks import suggest_keywords
from ..errors import UsageError
from . import faults as effects
from .faults import Condition, FaultScript, SMTPFault, check_answer, check_command, check_count

__all__ = ["ScriptedFaults"]

_LONGEST = 86_400.0  # seconds


class ScriptedFaults:
    """The methods that script faults.  Each ends with its test, with its ``with`` block, or with its ``remove()``.

    Where several faults are put at one command, the first that applies and is not used up decides: with
    ``fail("RCPT", 451, times=2)`` and then ``fail("RCPT", 550)`` the answers are 451 twice, and 550 from then on.
    Delays add up.

    Those that are put at a command take

    ``when``
        who is meant: an address or a glob such as ``"*@example.com"``, which MAIL and RCPT compare with their address,
        ``END_OF_DATA`` with the sender, and the others with what follows the command; a compiled pattern, which is
        searched for there; or a function, which is called in a thread of its own with the `SMTPAttempt`, at
        ``END_OF_DATA`` with the `ReceivedEmail`;
    ``times``
        how often, None for always;
    ``after``
        how many occasions pass first.
    """

    __slots__ = ("_script",)

    def __init__(self, script: FaultScript) -> None:
        self._script = script

    @property
    def faults(self) -> list[SMTPFault]:
        """The faults that are in place, in the order in which they were scripted."""
        return list(self._script.faults)

    def unused_faults(self) -> list[SMTPFault]:
        """Those of them that have never come into effect: a test that relies on one has not tested it."""
        return [fault for fault in self._script.faults if not fault.hits]

    @suggest_keywords
    def fail(
        self,
        command: str,
        reply: tuple[int, str] | int | bytes = (550, "5.1.1 no such user"),
        *,
        when: Condition | None = None,
        times: int | None = None,
        after: int = 0,
    ) -> SMTPFault:
        """Refuse a command.

        Args:
            command: ``CONNECT`` for the greeting, ``END_OF_DATA`` for the reply to a mail, or a command of SMTP:
                EHLO, HELO, STARTTLS, AUTH, MAIL, RCPT, DATA, RSET, NOOP, QUIT, VRFY.
            reply: A code from 400 to 599, with or without a text, or the bytes to send as they are.  After a 421 the
                connection is closed.
            when: Who is meant; see `ScriptedFaults`.
            times: How often; None for always.
            after: How many occasions pass first.

        Raises:
            UsageError: There is no such command, or it is no such reply.
        """
        return self._put(check_command(command), check_answer(reply), when, times, after)

    @suggest_keywords
    def reject_recipient(
        self, who: Condition, code: int = 550, *, text: str = "", times: int | None = None, after: int = 0
    ) -> SMTPFault:
        """Refuse recipients: an address, a glob, a pattern or a function of the `SMTPAttempt`."""
        return self._reject("RCPT", code, text or f"{code // 100}.1.1 No such user", who, times, after)

    @suggest_keywords
    def reject_sender(
        self, who: Condition, code: int = 553, *, text: str = "", times: int | None = None, after: int = 0
    ) -> SMTPFault:
        """Refuse senders: an address, a glob, a pattern or a function of the `SMTPAttempt`."""
        return self._reject("MAIL", code, text or f"{code // 100}.1.8 Sender refused", who, times, after)

    @suggest_keywords
    def reject_auth(self, code: int = 535, *, text: str = "", times: int | None = None, after: int = 0) -> SMTPFault:
        """Refuse to let anybody log in, with whatever password."""
        text = text or f"{code // 100}.7.8 Authentication credentials invalid"
        return self._reject("AUTH", code, text, None, times, after)

    @suggest_keywords
    def reject_message(
        self,
        code: int = 554,
        *,
        text: str = "",
        when: Condition | None = None,
        times: int | None = None,
        after: int = 0,
    ) -> SMTPFault:
        """Refuse mails when they have arrived; ``when`` may be a function of the `ReceivedEmail`."""
        return self._reject("END_OF_DATA", code, text or f"{code // 100}.6.0 Message refused", when, times, after)

    @suggest_keywords
    def greylist(self, times: int = 1, code: int = 451, *, text: str = "") -> SMTPFault:
        """Refuse each recipient so often, and take it then; each pair of sender and recipient counts by itself."""
        check_count("times", times, 1, "how often each one is refused")
        refusal = check_answer((code, text or f"{code // 100}.7.1 Greylisted, please try again later"))
        fault = SMTPFault(
            "RCPT",
            refusal,
            self._script.discard,
            times=times,
            key=lambda attempt: (attempt.session.peer[0], attempt.mail_from, attempt.address.lower()),
        )
        return self._script.add(fault)

    @suggest_keywords
    def shut_down_reply(self, *, text: str = "4.3.2 Server shutting down", times: int | None = None) -> SMTPFault:
        """Reply 421 to whatever comes next, the connection itself included, and close it."""
        return self._reject("*", 421, text, None, times, 0)

    @suggest_keywords
    def delay(
        self, command: str, seconds: float, *, when: Condition | None = None, times: int | None = None, after: int = 0
    ) -> SMTPFault:
        """Wait before a command is answered; a client that leaves is noticed, and its command has no effect."""
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= _LONGEST:
            raise UsageError(f"seconds is {seconds!r}; wanted 0 to {_LONGEST:.0f}, or use hang() to wait for ever")
        return self._put(check_command(command), effects.Delay(seconds), when, times, after)

    @suggest_keywords
    def hang(
        self, command: str, *, when: Condition | None = None, times: int | None = None, after: int = 0
    ) -> SMTPFault:
        """Never answer a command.  The client is cut off when the fault, the test or the server ends."""
        return self._put(check_command(command), effects.Hang(), when, times, after)

    @suggest_keywords
    def drop(
        self,
        command: str,
        *,
        after_bytes: int | None = None,
        after_reply: bool = False,
        record: bool = False,
        reset: bool = False,
        when: Condition | None = None,
        times: int | None = None,
        after: int = 0,
    ) -> SMTPFault:
        """End the connection in place of an answer.

        Args:
            command: See `fail`.
            after_bytes: End it in the middle of the mail, after so many of its bytes: at ``DATA`` or ``END_OF_DATA``.
            after_reply: Serve the command, reply to it, and end the connection then.
            record: At ``END_OF_DATA``: keep the mail.  The sender gets no reply, and may send it again.
            reset: End it with a reset (RST), as if the network had failed, not with a close.
            when: Who is meant; see `ScriptedFaults`.
            times: How often; None for always.
            after: How many occasions pass first.

        Raises:
            UsageError: The options contradict each other, or one is of the wrong kind.
        """
        place = check_command(command)
        check_count("after_bytes", after_bytes, 0, "bytes of the mail")
        if after_bytes is not None and place not in ("DATA", "END_OF_DATA"):
            raise UsageError(
                f"after_bytes is {after_bytes!r}, but {place} has no mail behind it: put it at 'END_OF_DATA'"
            )
        if record and (place != "END_OF_DATA" or after_bytes is not None):
            raise UsageError(
                "record is True, but there is no mail to keep: put it at 'END_OF_DATA', without after_bytes"
            )
        effect: effects.Effect = effects.Drop(after_reply=after_reply, record=record, reset=reset)
        if after_bytes is not None:
            effect = effects.Cut(after_bytes, reset)
        return self._put(place, effect, when, times, after)

    @suggest_keywords
    def throttle(self, bytes_per_second: float) -> SMTPFault:
        """Read so slowly what clients send."""
        number = isinstance(bytes_per_second, int | float) and not isinstance(bytes_per_second, bool)
        if not number or not 0 < bytes_per_second < math.inf:
            raise UsageError(f"bytes_per_second is {bytes_per_second!r}; wanted a number greater than 0")
        return self._put("", effects.Throttle(bytes_per_second))

    @suggest_keywords
    def limit_size(self, size: int) -> SMTPFault:
        """Announce this limit for the size of a mail, and answer 552 to larger ones.

        A client that announces the size of its mail is refused at MAIL, another one when the mail has arrived.
        """
        if check_count("size", size, 1, "bytes") is None:
            raise UsageError("size is None; wanted a whole number from 1: bytes")
        return self._put("", effects.SizeLimit(size))

    @suggest_keywords
    def limit_recipients(self, number: int, code: int = 452, *, text: str = "") -> SMTPFault:
        """Refuse every recipient of a mail after the first so many."""
        if check_count("number", number, 0, "recipients of one mail") is None:
            raise UsageError("number is None; wanted a whole number from 0: recipients of one mail")
        refusal = check_answer((code, text or f"{code // 100}.5.3 Too many recipients"))
        return self._put("", effects.RecipientLimit(number, cast("effects.Refusal", refusal).reply))

    @suggest_keywords
    def offer(self, extensions: Sequence[str] = (), *, without: Sequence[str] = ()) -> SMTPFault:
        """Change what the answer to EHLO offers.

        Args:
            extensions: Lines to add, such as ``"LIMITS RCPTMAX=10"``.
            without: What to leave out, such as ``"STARTTLS"``, ``"8BITMIME"``; it is not granted, then, either.

        Raises:
            UsageError: They are no such lines, or there are none.
        """
        for name, lines in (("extensions", extensions), ("without", without)):
            if isinstance(lines, str) or not all(_is_line(line) for line in lines):
                raise UsageError(f"{name} is {lines!r}; wanted a list of lines, as in ['STARTTLS']")
        if not extensions and not without:
            raise UsageError("offer() changes nothing; wanted extensions to add, or some to go without")
        return self._put("", effects.EHLOOverride(tuple(extensions), tuple(word.upper() for word in without)))

    # -- how they are put in place ---------------------------------------------------------------------------------

    def _reject(
        self, command: str, code: int, text: str, when: Condition | None, times: int | None, after: int
    ) -> SMTPFault:
        return self._put(command, check_answer((code, text)), when, times, after)

    def _put(
        self,
        command: str,
        effect: effects.Effect,
        when: Condition | None = None,
        times: int | None = None,
        after: int = 0,
    ) -> SMTPFault:
        return self._script.add(SMTPFault(command, effect, self._script.discard, when=when, times=times, after=after))


def _is_line(line: object) -> bool:
    return isinstance(line, str) and line != "" and line.isprintable()

"""Faults: what each does, at which command, for which clients and how often."""

from __future__ import annotations

import fnmatch
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, TypeVar

from ..core.checks import is_count, suggest_name
from ..errors import UsageError
from .session import SMTPAttempt
from .syntax import Reply

if TYPE_CHECKING:
    from .message import ReceivedEmail

__all__ = [
    "COMMANDS", "Condition", "Cut", "Delay", "Drop", "EHLOOverride", "Effect", "FaultScript", "Hang", "NotListening",
    "RawReply", "RecipientLimit", "Refusal", "SMTPFault", "SizeLimit", "Throttle", "check_answer", "check_command",
]  # fmt: skip

COMMANDS = (
    "CONNECT", "EHLO", "HELO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "END_OF_DATA", "RSET", "NOOP", "QUIT",
    "VRFY",
)  # fmt: skip
"""Where a fault can be put: a command, ``CONNECT`` for the greeting, and ``END_OF_DATA`` for the reply to a mail."""

Condition: TypeAlias = "str | re.Pattern[str] | Callable[[Any], object]"
"""Who is meant: an address or a glob, a pattern, or a function of the `SMTPAttempt`, at ``END_OF_DATA`` of the mail."""


class Effect:
    """What a fault does; ``words`` is its text, a format of the fields."""

    words: ClassVar[str]

    def __str__(self) -> str:
        return self.words.format(**vars(self))


# Not frozen: of ten classes that is a tenth of what the import of the package costs beside that of its libraries.


@dataclass
class Refusal(Effect):
    """Reply so, and do nothing else."""

    words = "answers {reply.code} {reply.text}"
    reply: Reply


@dataclass
class RawReply(Effect):
    """Send these bytes instead of an answer."""

    words = "sends {data!r}"
    data: bytes


@dataclass
class Delay(Effect):
    """Wait before the answer."""

    words = "waits {seconds:g} s"
    seconds: float


@dataclass
class Hang(Effect):
    """Never answer."""

    words = "never answers"


@dataclass
class Drop(Effect):
    """End the connection, in place of the answer or after it."""

    after_reply: bool = False
    record: bool = False
    reset: bool = False

    def __str__(self) -> str:
        kept = ", with the mail in the outbox" if self.record else ""
        return f"drops the connection {'after the answer' if self.after_reply else 'without an answer'}{kept}"


@dataclass
class Cut(Effect):
    """End the connection in the middle of the mail."""

    words = "drops the connection after {after_bytes} bytes of the mail"
    after_bytes: int
    reset: bool


@dataclass
class Throttle(Effect):
    """Read so slowly."""

    words = "reads {bytes_per_second:g} bytes a second"
    bytes_per_second: float


@dataclass
class SizeLimit(Effect):
    """Refuse larger mails, and announce the limit."""

    words = "refuses mails of more than {size} bytes"
    size: int


@dataclass
class RecipientLimit(Effect):
    """Refuse more recipients than so many."""

    words = "answers {reply.code} to each recipient after {number}"
    number: int
    reply: Reply


@dataclass
class EHLOOverride(Effect):
    """Change the reply to EHLO."""

    extensions: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ", ".join([*map("offers {}".format, self.extensions), *map("does not offer {}".format, self.without)])


@dataclass
class NotListening(Effect):
    """Accept no connection."""

    words = "refuses connections"


class SMTPFault:
    """A scripted fault of the mail server; it ends with its ``with`` block, with `remove`, or with the test.

    Attributes:
        command: The command it is put at; empty if it is for none in particular.
        hits: How often it came into effect.
        times: How often it does at most; None for always.
        after: How many occasions it lets pass first.
    """

    def __init__(
        self,
        command: str,
        effect: Effect,
        remove: Callable[[SMTPFault], None],
        *,
        when: Condition | None = None,
        times: int | None = None,
        after: int = 0,
        key: Callable[[SMTPAttempt], object] | None = None,
    ) -> None:
        self.command = command
        self.effect = effect
        self.times = check_count("times", times, 1, "how often, or None for always")
        self.after = check_count("after", after, 0, "how many occasions pass first") or 0
        if when is not None and not callable(when) and (not isinstance(when, str | re.Pattern) or when == ""):
            raise UsageError(
                f"{when!r} says nothing of who is meant; wanted an address, a glob, a pattern or a function"
            )
        self._when = when
        self._remove = remove
        self._key = key  # counts `times` for each value of it: for greylisting
        self._seen: dict[object, int] = {}
        self._lock = threading.Lock()  # guards `hits` and `_seen`
        self.hits = 0
        self.is_active = True

    @property
    def has_function(self) -> bool:
        """True if a function of the user's decides, which may take its time."""
        return callable(self._when)

    def applies(self, subject: SMTPAttempt | ReceivedEmail) -> bool:
        """Return True if this one is meant; what the user's function raises passes through."""
        when = self._when
        if when is None:
            return True
        if callable(when):
            return bool(when(subject if isinstance(subject, SMTPAttempt) else subject.parse()))
        text = (subject.address or subject.argument) if isinstance(subject, SMTPAttempt) else subject.mail_from
        if isinstance(when, re.Pattern):
            return when.search(text) is not None
        from .headers import same_address  # loaded when the server starts

        return same_address(when, text) or fnmatch.fnmatchcase(text.lower(), when.lower())

    def use(self, attempt: SMTPAttempt) -> bool:
        """Count an occasion; return True if the fault comes into effect."""
        key = self._key(attempt) if self._key is not None else None
        with self._lock:
            if not self.is_active:
                return False
            seen = self._seen[key] = self._seen.get(key, 0) + 1
            if seen <= self.after or (self.times is not None and seen > self.after + self.times):
                return False
            self.hits += 1
            return True

    def count_hit(self) -> None:
        """Count an effect that cannot be refused, such as a slow read."""
        with self._lock:
            self.hits += 1

    def remove(self) -> None:
        """End the fault; a second time does nothing.  A client that it keeps waiting is disconnected."""
        self.is_active = False
        self._remove(self)

    def __enter__(self) -> SMTPFault:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def __repr__(self) -> str:
        where = f"{self.command}: " if self.command else ""
        hits = f"{self.hits} hit{'' if self.hits == 1 else 's'}"
        return f"<SMTPFault {where}{self.effect}, {hits}{'' if self.is_active else ', removed'}>"


# -- what the user may write -------------------------------------------------------------------------------------------


def check_command(command: str, among: Sequence[str] = COMMANDS) -> str:
    """Return the command in capitals, or raise UsageError."""
    name = command.upper() if isinstance(command, str) else ""
    if name in among:
        return name
    raise UsageError(f"there is no command {command!r}: {suggest_name(name, among)}")


def check_answer(reply: object) -> Refusal | RawReply:
    """Return what a fault answers (a code, a code and a text, or the bytes to send), or raise UsageError."""
    if isinstance(reply, bytes):
        return RawReply(reply)
    code, text = reply if isinstance(reply, tuple) and len(reply) == 2 else (reply, None)
    if isinstance(code, bool) or not isinstance(code, int) or not 400 <= code <= 599:
        raise UsageError(
            f"reply is {reply!r}; wanted a code from 400 to 599, as in (550, '5.1.1 no such user'), "
            "or bytes to send as they are"
        )
    if text is None:
        text = f"{code // 100}.0.0 Refused"
    if not isinstance(text, str) or not text.isprintable():
        raise UsageError(f"the text of a reply is {text!r}; wanted one line of printable text")
    return Refusal(Reply(code, text))


def check_count(name: str, value: int | None, least: int, meaning: str) -> int | None:
    """Return a whole number, or None where that has a meaning; raise UsageError for anything else."""
    if value is not None and not (is_count(value) and value >= least):
        raise UsageError(f"{name} is {value!r}; wanted a whole number from {least}: {meaning}")
    return value


# -- which fault happens -----------------------------------------------------------------------------------------------

E = TypeVar("E", bound=Effect)


class FaultScript:
    """The faults that are to happen, in the order in which they were scripted.

    The first fault that applies and is not used up decides the answer; delays before it add up.  Reading takes no
    lock: the tuple of faults is replaced, never changed.
    """

    def __init__(self, on_removed: Callable[[SMTPFault], None]) -> None:
        self._on_removed = on_removed
        self._lock = threading.Lock()  # guards the replacing of `faults`
        self.faults: tuple[SMTPFault, ...] = ()

    def add(self, fault: SMTPFault) -> SMTPFault:
        """Add a fault at the end."""
        with self._lock:
            self.faults = (*self.faults, fault)
        return fault

    def discard(self, fault: SMTPFault) -> None:
        """Take a fault out, if it is there."""
        with self._lock:
            self.faults = tuple(known for known in self.faults if known is not fault)
        self._on_removed(fault)

    def at(self, command: str) -> list[SMTPFault]:
        """The faults that decide how a command is replied to, in their order."""
        return [fault for fault in self.faults if fault.command in (command, "*") and not isinstance(fault.effect, Cut)]

    def all(self, kind: type[E]) -> Iterator[tuple[SMTPFault, E]]:
        """The faults with an effect of this kind, each with that."""
        for fault in self.faults:
            if isinstance(fault.effect, kind):
                yield fault, fault.effect

    def last(self, kind: type[E]) -> tuple[SMTPFault, E] | None:
        """The last of them, where only one can have an effect."""
        return next(iter(reversed([*self.all(kind)])), None) if self.faults else None

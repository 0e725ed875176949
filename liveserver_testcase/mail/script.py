"""The script of a mail server's faults: a command in, what to do instead out; it owns no socket and no clock."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

from .commands import Answer
from .fault import Delay, Drop, Effect, Offer, RecipientLimit, SizeLimit, SMTPFault, Throttle
from .message import ReceivedEmail
from .session import SMTPAttempt

__all__ = ["Script"]

E = TypeVar("E", bound=Effect)


class Script:
    """The faults that are to happen, in the order in which they were asked for.

    The first fault that applies and is not used up decides the answer; delays before it add up.  Asking is
    lock-free: the tuple of faults is replaced, never changed.
    """

    def __init__(self) -> None:
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

    def decide(self, attempt: SMTPAttempt, mail: ReceivedEmail | None = None) -> Iterator[SMTPFault]:
        """The faults that come into effect at a command, one after the other; each is counted when it is given.

        Nothing after the first that is more than a delay.

        Args:
            attempt: The command, not answered yet.
            mail: The mail, at ``BODY``.

        Raises:
            BaseException: Whatever the user's own condition raises.
        """
        for fault in self.faults:
            if fault.command not in (attempt.command, "*") or _is_for_the_data(fault.effect):
                continue
            if fault.applies(mail if mail is not None else attempt) and fault.claim(attempt):
                yield fault
                if not isinstance(fault.effect, Delay):
                    return

    def find_cut(self, attempt: SMTPAttempt) -> SMTPFault | None:
        """The fault that ends the connection in the middle of the mail that is about to come.

        It is not counted: the mail may end before.
        """
        return next((f for f in self.faults if _is_for_the_data(f.effect) and f.applies(attempt)), None)

    def refuse_recipient(self, attempt: SMTPAttempt) -> tuple[SMTPFault, Answer] | None:
        """Whether this is a recipient too many."""
        found = self._last(RecipientLimit)
        if found is None or len(attempt.recipients) < found[1].number or not found[0].claim(attempt):
            return None
        return found[0], found[1].answer

    def limit_size(self) -> tuple[SMTPFault, int] | None:
        """The scripted limit for the size of a mail."""
        found = self._last(SizeLimit)
        return (found[0], found[1].size) if found is not None else None

    def slow_down(self) -> tuple[SMTPFault, float] | None:
        """How many bytes a second are to be read."""
        found = self._last(Throttle)
        return (found[0], found[1].bytes_per_second) if found is not None else None

    def offers(self) -> list[tuple[SMTPFault, Offer]]:
        """What changes the answer to EHLO."""
        return list(self._all(Offer))

    def _last(self, kind: type[E]) -> tuple[SMTPFault, E] | None:
        return next(iter(reversed(list(self._all(kind)))), None)

    def _all(self, kind: type[E]) -> Iterable[tuple[SMTPFault, E]]:
        for fault in self.faults:
            if isinstance(fault.effect, kind):
                yield fault, fault.effect


def _is_for_the_data(effect: Effect) -> bool:
    return isinstance(effect, Drop) and effect.after_bytes is not None

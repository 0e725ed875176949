"""What an assertion about mail waits for, step by step: a test waits in its thread, a coroutine awaits.

Each assertion is a generator of waits, and is run by `run_now` or by `run_async`; so both find, settle and fail alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from ..core.journal import Journal, runs_loop
from ..errors import UsageError
from ..mail.outbox import CapturedEmails
from ..mail.server import SMTPServer
from ..mail.session import SMTPAttempt

if TYPE_CHECKING:
    from ..mail.circumstances import Circumstances
    from ..mail.matching import Criteria
    from ..mail.message import ReceivedEmail

__all__ = [
    "Demand",
    "Steps",
    "Wait",
    "check_count",
    "check_seconds",
    "check_times",
    "find_attempts",
    "find_emails",
    "find_none",
    "run_async",
    "run_now",
    "settle",
]

__unittest = True
__tracebackhide__ = True

T = TypeVar("T")


@dataclass
class Wait:
    """Something to wait for."""

    until: Callable[[], object]
    timeout: float


Steps: TypeAlias = Generator[Wait, bool, T]
"""An assertion: it is sent whether there could be a wait, and returns what it has found."""


@dataclass(kw_only=True)
class Demand:
    """What a test demands of its mails.

    Attributes:
        server: Where they arrive.
        twin: How a coroutine writes the assertion, as in ``await self.assertEmailSentAsync(…)``.
        fail: Fails the test with a report.
        around: Tells what is going on at the server.
        timeout: Seconds to wait.
        criteria: What is wanted of a mail.
        times: How many there must be; None for at least one.
        block: Where they must come; None for the whole test.
    """

    server: SMTPServer
    twin: str
    fail: Callable[[str], Any]
    around: Callable[[], Circumstances]
    timeout: float
    criteria: Criteria
    times: int | None = None
    block: CapturedEmails | None = None

    def emails(self) -> list[ReceivedEmail]:
        """The mails so far."""
        journal = self.server.journal
        return self.block.everything() if self.block is not None else journal.entries(journal.window)

    def explain(self, waited: float | None, times: int | None, *, advice: str = "") -> str:
        """Why it failed."""
        from ..mail.report import Verdict, explain  # loaded when the server starts

        place = "in this test" if self.block is None else "in this block"
        verdict = Verdict(criteria=self.criteria, times=times, waited=waited, advice=advice, place=place)
        return explain(verdict, self.emails(), self.around())


class _Look:
    """Finds the mails that match, and judges each only once while others arrive."""

    def __init__(self, demand: Demand) -> None:
        self._demand = demand
        self._judged: dict[int, bool] = {}
        self._may_change = any(criterion.is_predicate for criterion in demand.criteria.criteria)

    def __call__(self) -> list[ReceivedEmail]:
        return [email for email in self._demand.emails() if self._matches(email)]

    def _matches(self, email: ReceivedEmail) -> bool:
        if self._may_change:
            return self._demand.criteria.matches(email)
        if email.index not in self._judged:
            self._judged[email.index] = self._demand.criteria.matches(email)
        return self._judged[email.index]


def find_emails(demand: Demand) -> Steps[list[ReceivedEmail]]:
    """The mails that are demanded, as many as are demanded."""
    look = _Look(demand)
    enough = 1 if demand.times is None else demand.times
    could_wait = True
    missed = len(look()) < enough
    if missed:
        could_wait = yield Wait(lambda: len(look()) >= enough, demand.timeout)
    if demand.times is not None and could_wait:
        yield from settle(demand)  # one more may be on its way
    found = look()
    if len(found) < enough or (demand.times is not None and len(found) > demand.times):
        waited = demand.timeout if len(found) < enough and could_wait else None
        demand.fail(demand.explain(waited, demand.times, advice="" if could_wait else _not_waited(demand)))
    return _seen(found)


def find_none(demand: Demand, within: float) -> Steps[None]:
    """Nothing, or a failure."""
    look = _Look(demand)
    if within and not (yield Wait(look, within)):
        raise UsageError(
            f"to wait {within:g} s for an email that must not come would block the event loop of this test; "
            f"write {demand.twin}"
        )
    if not look():
        yield from settle(demand)
    if look():
        demand.fail(demand.explain(None, 0))


def settle(demand: Demand) -> Steps[None]:
    """No mail of this test is on its way any more; one that an earlier test has left half-sent is not its own."""
    server = demand.server
    window = server.journal.window

    def is_settled() -> bool:
        return not any(session.last_window == window for session in server.in_flight)

    if not (yield Wait(is_settled, demand.timeout)):
        raise UsageError(
            "an email is on its way, and to wait for it would block the event loop of this test, from which it may "
            f"come; write {demand.twin}"
        )


def find_attempts(demand: Demand, command: str, argument: str | None, code: int | None) -> Steps[list[SMTPAttempt]]:
    """What clients have tried and the server has answered, as often as demanded."""
    server, times = demand.server, demand.times

    def look() -> list[SMTPAttempt]:
        found = server.attempts(command, argument=argument, code=code)
        return [attempt for attempt in found if attempt.code is not None or attempt.reply]

    enough = 1 if times is None else times
    could_wait = True
    if len(look()) < enough:
        could_wait = yield Wait(lambda: len(look()) >= enough, demand.timeout)
    if times is not None and could_wait:
        yield from settle(demand)
    found = look()
    if len(found) < enough or (times is not None and len(found) > times):
        from ..mail.circumstances import explain_attempts  # loaded when the server starts

        wanted = {"command": command, "argument": argument, "code": code}
        waited = demand.timeout if len(found) < enough and could_wait else None
        advice = "" if could_wait else _not_waited(demand)
        demand.fail(explain_attempts(wanted, found, demand.around(), times=times, waited=waited, advice=advice))
    return found


def _not_waited(demand: Demand) -> str:
    return f"there was no wait, as it would block the event loop of this test; write {demand.twin}"


def _seen(emails: Sequence[ReceivedEmail]) -> list[ReceivedEmail]:
    for email in emails:
        email.was_seen = True
    return list(emails)


def run_now(steps: Steps[T], journal: Journal[Any]) -> T:
    """Run an assertion in the test's thread; on an event loop it cannot wait."""
    try:
        wait = next(steps)
        while True:
            done = bool(wait.until()) or wait.timeout <= 0
            if not done and not runs_loop():
                journal.wait_for(wait.until, wait.timeout)
                done = True
            wait = steps.send(done)
    except StopIteration as end:
        found: T = end.value
        return found


async def run_async(steps: Steps[T], journal: Journal[Any]) -> T:
    """Run an assertion in a coroutine; the loop goes on while it waits."""
    try:
        wait = next(steps)
        while True:
            await journal.wait_for_async(wait.until, wait.timeout)
            wait = steps.send(True)
    except StopIteration as end:
        found: T = end.value
        return found


def check_times(times: object) -> int | None:
    """How many, or None for at least one.

    Raises:
        UsageError: It is neither.
    """
    if times is None:
        return None
    if not isinstance(times, int) or isinstance(times, bool) or times < 0:
        raise UsageError(f"times is {times!r}; wanted a whole number, 0 or more, or None for at least one")
    return times


def check_count(n: object) -> int:
    """How many.

    Raises:
        UsageError: It is no such number.
    """
    if not isinstance(n, int) or isinstance(n, bool) or n < 0:
        raise UsageError(f"n is {n!r}; wanted a whole number of emails, 0 or more")
    return n


def check_seconds(name: str, seconds: object) -> float:
    """A number of seconds.

    Raises:
        UsageError: It is none.
    """
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool) or not 0 <= seconds < math.inf:
        raise UsageError(f"{name} is {seconds!r}; wanted a number of seconds, 0 or more")
    return float(seconds)

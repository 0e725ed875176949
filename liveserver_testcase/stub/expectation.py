"""One expectation: what it matches, how often, and in which order and state."""

from __future__ import annotations

import collections
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias, TypeGuard

from ..core.names import suggest_name
from ..core.text import count, quote
from ..errors import UsageError
from .matching import Criteria
from .reply import Reply
from .reply_verbs import ReplyVerbs
from .request import RecordedRequest
from .responders import Responder

if TYPE_CHECKING:
    from .inspection import Inspection

__all__ = [
    "Expectation", "Matches", "Order", "Scenario", "Times", "at_least", "at_most", "describe_times",
    "parse_limit", "parse_times",
]  # fmt: skip

__unittest = True

Matches: TypeAlias = Callable[[Criteria, RecordedRequest], bool]
"""Compares a request with criteria."""

# -- how often ---------------------------------------------------------------------------------------------------------

Times: TypeAlias = tuple[int, int | None]
"""The fewest and the most; None for no most."""


def at_least(number: int) -> Times:
    """So often or more: ``expect(…, times=at_least(2))``.

    Raises:
        UsageError: It is no number of times.
    """
    if not _is_number(number):
        raise UsageError(f"at_least({quote(number)}): wanted a whole number, 0 or more")
    return number, None


def at_most(number: int) -> Times:
    """So often or less, or not at all: ``expect(…, times=at_most(3))``.

    Raises:
        UsageError: It is no number of times.
    """
    if not _is_number(number):
        raise UsageError(f"at_most({quote(number)}): wanted a whole number, 0 or more")
    return 0, number


def parse_times(times: object) -> Times:
    """Check ``times=`` of what must happen: None for at least once, ``n`` for exactly n, ``(low, high)`` for a range.

    Raises:
        UsageError: It is none of these.
    """
    if times is None:
        return 1, None
    low, high = times if isinstance(times, tuple) and len(times) == 2 else (times, times)
    if _is_number(low) and (high is None or (_is_number(high) and low <= high)):
        return low, high
    raise UsageError(f"times is {quote(times)}; wanted a number, (low, high), or None for at least once")


def parse_limit(times: object) -> Times:
    """Check ``times=`` of what may happen: None for any number, ``n`` or ``(0, n)`` for at most n.

    Raises:
        UsageError: It is none of these, or it says what must happen.
    """
    if times is None:
        return 0, None
    low, high = parse_times(times)
    if high == 0:
        raise UsageError(
            f"times is {quote(times)}, so that this would never answer; for what must never come "
            "write expect(…, times=0)"
        )
    if isinstance(times, tuple) and low:
        raise UsageError(
            f"times is {quote(times)}, but what on() writes need not come; for at least {low} "
            f"write expect(…, times={times!r})"
        )
    return 0, high


def _is_number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def describe_times(times: Times) -> str:
    """As in ``exactly once``, ``at least 2 times``, ``at most 3 times``, ``1 to 3 times``, ``never``."""
    low, high = times
    if high == 0:
        return "never"
    if low == high:
        return f"exactly {_times(low)}"
    if high is None:
        return f"at least {_times(low)}" if low else "any number of times"
    return f"{low} to {_times(high)}" if low else f"at most {_times(high)}"


def _times(number: int) -> str:
    return "once" if number == 1 else count(number, "time")


# -- what it is a part of ----------------------------------------------------------------------------------------------


class Scenario:
    """A thing with a state.

    Attributes:
        name: What the test calls it.
        first: The state in which each test finds it.
        state: The state in which it is now; read and moved under the registry's lock while a request is decided upon.
    """

    def __init__(self, name: str, first: str) -> None:
        self.name = name
        self.first = self.state = first

    def __repr__(self) -> str:
        return f"<Scenario {self.name!r} in state {self.state!r}>"


class Order:
    """Expectations whose requests must come in this order: the next one's turn is once the one before has had its own.

    Attributes:
        members: In their order.
        position: The one that was answered last, or the first.
    """

    def __init__(self) -> None:
        self.members: list[Expectation] = []
        self.position = 0

    def find(self, request: RecordedRequest, matches: Matches = Criteria.matches) -> Expectation | None:
        """Whose turn it is, if it matches ``request``: one that had enough can be followed by the next."""
        members = self.members
        while self.position < len(members) - 1 and not members[self.position].has_room:
            self.position += 1
        for expectation in members[self.position :]:
            if expectation.is_ready and expectation.has_room and matches(expectation.criteria, request):
                return expectation
            if not expectation.has_enough:
                return None
        return None

    def get_head(self) -> Expectation | None:
        """The one that must come before any later one can; None if there is none."""
        return next((e for e in self.members[self.position :] if not e.has_enough), None)

    def is_later(self, expectation: Expectation) -> bool:
        """Whether its turn is still to come."""
        head = self.get_head()
        members = self.members
        return head is not None and members.index(expectation) > members.index(head)


class Expectation(ReplyVerbs):
    """What the stub answers to the requests that match, and how often they must come.

    Made by the stub's ``on()``, ``expect()`` and their like.  It takes part once it has been told what to answer.

    Attributes:
        criteria: What a request must have.
        times: The fewest and the most requests; the fewest is 0 for what may but need not happen.
        name: What the test calls it; may be empty.
        is_bounded: Whether there is a most.
        is_never: Whether the most is 0: a request that matches is held against the test.
        location: Where in the test it was written, ``file:line``.
        order: The order in which it stands; None if it stands in none.
        scenario: The scenario that it is a part of; None if it is part of none.
        state: The state in which its scenario must be; None for any.
        next_state: The state to which it moves its scenario; None to leave it.
        number: Its number in the registry, which grows from one to the next.
    """

    def __init__(
        self,
        criteria: Criteria,
        times: Times,
        *,
        location: str = "",
        name: str = "",
        inspection: Inspection | None = None,
        scenario: Scenario | None = None,
        state: str | None = None,
        reply_headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.criteria = criteria
        self.times = times
        self.name = name
        self.is_bounded = times[1] is not None
        self.is_never = times[1] == 0
        self.answer: Responder | None = None
        self.location = location
        self.order: Order | None = None
        self.scenario = scenario
        self.state = state
        self.next_state: str | None = None
        self.number = 0
        self._reply_headers = reply_headers
        self._inspection = inspection
        # Both grow by the registry alone, under its lock; what the journal drops is taken out again.
        self._claimed: collections.deque[RecordedRequest] = collections.deque()
        self._calls = 0

    if not TYPE_CHECKING:  # where it would let every name be set

        def __setattr__(self, name: str, value: object) -> None:
            if name not in _ATTRIBUTES:
                advice = suggest_name(name, [known for known in _ATTRIBUTES if not known.startswith("_")])
                raise AttributeError(f"cannot set {name!r}: Expectation has no such attribute: {advice}")
            object.__setattr__(self, name, value)

    # -- scripting -------------------------------------------------------------------------------------------------

    def _answer_with(self, answer: Responder) -> None:
        """Answer with this from now on, and with the headers that its defaults add."""
        if self._reply_headers and isinstance(answer, Reply):
            own = {*(name.lower() for name, _ in answer.headers), *answer.left_out}
            more = tuple(pair for pair in self._reply_headers if pair[0].lower() not in own)
            answer = answer.changed(headers=(*more, *answer.headers))
        self.answer = answer

    def then_state(self, state: str) -> Expectation:
        """Move the scenario to ``state`` when it has been called; the step is one with being matched.

        Raises:
            UsageError: It is part of no scenario, or the state is no text.
        """
        if self.scenario is None:
            raise UsageError(
                f"{self.describe()} is part of no scenario; write stub.scenario('…').on(…).then_state({quote(state)})"
            )
        if not isinstance(state, str) or not state:
            raise UsageError(f"state is {quote(state)}; wanted a text")
        self.next_state = state
        return self

    def remove(self) -> None:
        """Take it out of the stub: it answers nothing more and is not verified.

        What was written for the whole class is back for the next test.
        """
        if self._inspection is not None:
            self._inspection.forget(self)

    # -- what happened ---------------------------------------------------------------------------------------------

    @property
    def requests(self) -> list[RecordedRequest]:
        """Those it has answered in this test, in order, as far as the journal keeps them; a snapshot."""
        return list(self._claimed)

    @property
    def times_called(self) -> int:
        """How many requests it has answered in this test."""
        return self._calls

    @property
    def is_satisfied(self) -> bool:
        """Whether it was called as often as it must be, and not more."""
        high = self.times[1]
        return self.has_enough and (high is None or self._calls <= high)

    @property
    def has_enough(self) -> bool:
        """Whether it was called as often as it must be."""
        return self._calls >= self.times[0]

    @property
    def has_room(self) -> bool:
        """Whether it may answer another request."""
        high = self.times[1]
        return high is None or self._calls < high

    def wait(self, times: int = 1, timeout: float | None = None) -> list[RecordedRequest]:
        """Wait until it has been called so often; each request is recorded, with what it is answered, by then.

        Args:
            times: How often, 1 or more.
            timeout: Seconds; None for the stub's ``timeout``.

        Returns:
            Its requests.

        Raises:
            AssertionError: They did not come; the message says what came instead.
            UsageError: It would block a running event loop: await `wait_async` there.
        """
        inspection, predicate = self._get_inspection("wait"), self._waiting_for(times)
        return inspection.wait(predicate, timeout, self._describe_wanted(times), "await expectation.wait_async(…)")

    async def wait_async(self, times: int = 1, timeout: float | None = None) -> list[RecordedRequest]:
        """`wait`, for code on an event loop."""
        inspection, predicate = self._get_inspection("wait_async"), self._waiting_for(times)
        return await inspection.wait_async(predicate, timeout, self._describe_wanted(times))

    def _get_inspection(self, what: str) -> Inspection:
        if self._inspection is None:
            raise UsageError(f"{what}() waits for requests, and {self!r} is in no stub that could get any")
        return self._inspection

    def _waiting_for(self, times: int) -> Callable[[], list[RecordedRequest] | None]:
        if not isinstance(times, int) or isinstance(times, bool) or times < 1:
            raise UsageError(f"times is {quote(times)}; wanted a number of requests, 1 or more")

        def find() -> list[RecordedRequest] | None:
            claimed = self.requests
            recorded = [request for request in claimed if request.exchange.handler_data is request]
            return recorded if self._calls - len(claimed) + len(recorded) >= times else None

        return find

    def _describe_wanted(self, times: int) -> str:
        return f"{self.describe()}, written at {self.location}, to come {describe_times((times, None))}"

    # -- for the registry ----------------------------------------------------------------------------------------------

    @property
    def is_ready(self) -> bool:
        """Whether it has an answer, and its scenario is in its state."""
        return self.answer is not None and (
            self.state is None or self.scenario is None or self.scenario.state == self.state
        )

    def matches(self, request: RecordedRequest) -> bool:
        """Whether every criterion is met, whatever has room."""
        return self.criteria.matches(request)

    def claim(self, request: RecordedRequest) -> None:
        """Count a request, and take the step that follows; called by the registry, under its lock."""
        own = self.__dict__  # what sets attributes checks their names, which takes as long as all of this
        request.turn = own["_calls"]
        own["_calls"] += 1
        request.expectation = self
        path = self.criteria.path
        if path is not None and path.has_params:
            request.path_params = path.find_params(request)
        self._claimed.append(request)
        if self.order is not None and not self.is_never:
            self.order.position = self.order.members.index(self, self.order.position)
        if self.next_state is not None and self.scenario is not None:
            self.scenario.state = self.next_state

    def forget_request(self, request: RecordedRequest) -> None:
        """Keep a request no longer that it has answered; it stays counted."""
        claimed = self._claimed
        if claimed and claimed[0] is request:
            claimed.popleft()
            return
        with contextlib.suppress(ValueError):  # a test has begun in between
            claimed.remove(request)

    def save(self) -> dict[str, object]:
        """All that can be changed of it; called by the registry when the first test begins."""
        return {name: value for name, value in vars(self).items() if name not in ("_claimed", "_calls")}

    def begin(self, saved: dict[str, object]) -> None:
        """Count anew, and be as it was; called by the registry when a test begins."""
        vars(self).update(saved)
        self.first_turn = 0
        self._claimed, self._calls = collections.deque(), 0

    # -- in words --------------------------------------------------------------------------------------------------

    def describe(self) -> str:
        """Its name and its criteria on one line, such as ``'charge' POST '/charges'``."""
        where = f" in state {quote(self.state)} of {quote(self.scenario.name)}" if self.scenario and self.state else ""
        return f"{quote(self.name) + ' ' if self.name else ''}{self.criteria.describe()}{where}"

    def __repr__(self) -> str:
        return (
            f"<Expectation {self.describe()}, {describe_times(self.times)}, called {count(self.times_called, 'time')}>"
        )


_ATTRIBUTES = frozenset((
    "criteria", "times", "name", "is_bounded", "is_never", "answer", "location", "order", "scenario", "state",
    "next_state", "number", "first_turn", "_reply_headers", "_inspection", "_claimed", "_calls",
))  # fmt: skip

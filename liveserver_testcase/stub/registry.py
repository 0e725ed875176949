"""The registry of expectations: a request in, a decision out.

Which expectation answers a request: none, if one that matches says that it must never come (``forbid()``, ``times=0``);
else the one of an order (``in_order()``) whose turn it is; else the oldest bounded one (``expect()``, or ``times=n``)
that matches and has room; else the newest unbounded one that matches; else the next enqueued reply; else what
``serve_content()`` said; else none, and the request is unmatched.  An expectation that has no answer yet, or whose
scenario is in another state, is passed over.  All of that is decided, counted and moved on in one step.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable
from typing import NamedTuple

from ..core.journal import JournalWindow
from ..errors import UsageError
from .expectation import Expectation, Matches, Order, Scenario
from .matching import Criteria, Key, find_group, read_content
from .request import RecordedRequest
from .responders import Responder, ServedContent

__all__ = ["Decision", "ExpectationRegistry", "Scope"]


class Decision(NamedTuple):
    """What is to be done with a request, and of what there is no answer, why: as it was in that moment.

    Attributes:
        answer: The answer; None if there is none.
        expectation: Who gives it, or forbids it; None for ``serve_content()``, and for an unmatched request.
        skipped: If nobody answers: those that match, and why each does not answer.
        others: If nobody answers: those that do not match.
        is_late: Whether it came in an earlier test than the one that runs now.
        is_allowed: Whether nothing is held against the test although nobody answers.
        newest: The number of the newest expectation that was there.
    """

    answer: Responder | None
    expectation: Expectation | None = None
    skipped: tuple[tuple[Expectation, str], ...] = ()
    others: tuple[Expectation, ...] = ()
    is_late: bool = False
    is_allowed: bool = False
    newest: int = 0


class Scope(NamedTuple):
    """What was in the registry when a scope began."""

    known: dict[Expectation, int]
    queue: tuple[Expectation, ...]
    content: ServedContent | None


class ExpectationRegistry:
    """Holds the expectations, and decides and counts in one atomic step.

    What is written before the first `begin` belongs to the class and is there again, as it was then, in each test;
    what is written after it belongs to one test and is gone when the next begins.
    """

    def __init__(self) -> None:
        # Guards everything below, what the expectations have claimed, and the scenarios' states.  It can be taken again
        # by its own thread, since a predicate of the test's may ask the stub something.
        self._lock = threading.RLock()
        self._numbers: dict[Expectation, int] = {}  # every expectation but the enqueued, oldest first
        self._next_number = 0
        self._index = _Index()
        self._orders: list[Order] = []
        self._queue: list[Expectation] = []
        self._content: ServedContent | None = None
        self._scenarios: dict[str, Scenario] = {}
        self._allowed: list[Criteria] = []
        self._kept: list[tuple[Expectation, dict[str, object]]] | None = None  # of the class; None before any test
        self._kept_queue: tuple[Expectation, ...] = ()
        self._kept_content: ServedContent | None = None
        self._epoch = 0  # the number of the test that runs
        self.order: Order | None = None  # of what is written now

    # -- writing ---------------------------------------------------------------------------------------------------

    def begin(self, next_epoch: Callable[[], JournalWindow]) -> None:
        """Begin a test: drop what the one before has written, and count anew.

        Args:
            next_epoch: Begins the test in the journal too, and says which it is.  It is called under the lock, so that
                no request finds the one begun and the other not.
        """
        with self._lock:
            if self._kept is None:
                self._kept = [(expectation, expectation.save()) for expectation in (*self._numbers, *self._queue)]
                self._kept_queue, self._kept_content = tuple(self._queue), self._content
            self._epoch = next_epoch().number
            for expectation, saved in self._kept:
                expectation.begin(saved)
            self._content, self._queue = self._kept_content, list(self._kept_queue)
            self._scenarios = {name: scenario for name, scenario in self._scenarios.items() if self._is_kept(scenario)}
            for scenario in self._scenarios.values():
                scenario.state = scenario.first
            self._allowed = []
            self._write_anew([expectation for expectation, _ in self._kept if expectation not in self._kept_queue])

    @property
    def is_in_test(self) -> bool:
        """Whether what is written now belongs to a test, and not to a class."""
        return self._kept is not None

    def clear(self) -> None:
        """Drop everything, unless tests have begun: then the next `begin` drops what belongs to the test."""
        with self._lock:
            if self._kept is None:
                self._content, self._queue, self._scenarios = None, [], {}
                self._write_anew([])

    def _is_kept(self, scenario: Scenario) -> bool:
        return any(expectation.scenario is scenario for expectation, _ in self._kept or ())

    def _write_anew(self, expectations: list[Expectation]) -> None:
        orders: dict[Order, Order] = {}
        self._numbers, self._index, self._orders = {}, _Index(), []
        for expectation in expectations:
            order = expectation.order
            if order is not None:
                expectation.order = orders.setdefault(order, Order())
            self._put(expectation)

    def add(self, expectation: Expectation) -> None:
        """Write an expectation into the registry."""
        with self._lock:
            self._put(expectation)

    def _put(self, expectation: Expectation) -> None:
        self._next_number += 1
        self._numbers[expectation] = expectation.number = self._next_number
        order = expectation.order
        if order is not None and not expectation.is_never:
            if order not in self._orders:
                self._orders.append(order)
            order.members.append(expectation)
        elif expectation.has_room or expectation.is_never:
            self._index.put(self._next_number, expectation)

    def remove(self, expectation: Expectation) -> None:
        """Strike an expectation out; nothing happens if it is not there."""
        with self._lock:
            number = self._numbers.pop(expectation, None)
            if expectation in self._queue:
                self._queue.remove(expectation)
            order = expectation.order
            if order is not None and expectation in order.members:
                order.position -= order.members.index(expectation) < order.position
                order.members.remove(expectation)
            elif number is not None:
                self._index.take(number, expectation)

    def enqueue(self, expectation: Expectation) -> None:
        """Have it answer one request that nothing else answers, after those that were enqueued before."""
        with self._lock:
            self._queue.append(expectation)

    def serve(self, content: ServedContent) -> None:
        """Answer with this whatever no expectation matches."""
        with self._lock:
            self._content = content

    @property
    def content(self) -> ServedContent | None:
        """What answers where no expectation matches; None if nothing does."""
        return self._content

    def find_scenario(self, name: str, first: str | None) -> Scenario:
        """The scenario of this name, which begins in the state ``first`` if it is new.

        Raises:
            UsageError: It is there, and begins in another state.
        """
        with self._lock:
            known = self._scenarios.get(name)
            if known is None:
                known = self._scenarios[name] = Scenario(name, first or "start")
            elif first is not None and first != known.first:
                raise UsageError(
                    f"the scenario {name!r} begins in state {known.first!r}, and now in {first!r}: keep one"
                )
            return known

    def move(self, scenario: Scenario, state: str) -> None:
        """Set the state of a scenario."""
        with self._lock:
            scenario.state = state

    def allow(self, criteria: Criteria) -> None:
        """Hold nothing against the test if nobody answers a request like this."""
        with self._lock:
            self._allowed.append(criteria)

    def disallow(self, criteria: Criteria) -> None:
        """No longer."""
        with self._lock:
            self._allowed = [known for known in self._allowed if known is not criteria]

    def allows(self, request: RecordedRequest | None) -> bool:
        """Return True if nothing is held against the test for a request; None for one of which nothing is known."""
        with self._lock:
            return any(
                not criteria.criteria or (request is not None and criteria.matches(request))
                for criteria in self._allowed
            )

    def begin_scope(self) -> Scope:
        """Note what is in the registry."""
        with self._lock:
            return Scope(dict(self._numbers), tuple(self._queue), self._content)

    def end_scope(self, scope: Scope) -> list[Expectation]:
        """Strike out what was written since, and return the expectations among it."""
        with self._lock:
            made = [expectation for expectation in self._numbers if expectation not in scope.known]
            for expectation in made:
                self.remove(expectation)
            self._queue = [expectation for expectation in self._queue if expectation in scope.queue]
            self._content = scope.content
            return made

    @property
    def expectations(self) -> list[Expectation]:
        """What is in the registry, oldest first."""
        with self._lock:
            return list(self._numbers)

    # -- deciding --------------------------------------------------------------------------------------------------

    def decide(self, request: RecordedRequest) -> Decision:
        """Find who answers ``request`` and count it there."""
        with self._lock:
            if request.window.number < self._epoch:
                return Decision(None, is_late=True)
            expectation = self._find(request)
            if expectation is not None:
                self._claim(expectation, request)
                return Decision(None if expectation.is_never else expectation.answer, expectation)
            if self._content is not None:
                return Decision(self._content.answer)
            known = [expectation for expectation in self._numbers if not expectation.is_never]
            passed = tuple((each, _explain_skip(each)) for each in known if each.matches(request))
            matching = {each for each, _ in passed}
            others = tuple(each for each in known if each not in matching)
            allowed = self.allows(request)
            request.newest = self._next_number
            return Decision(None, skipped=passed, others=others, is_allowed=allowed, newest=self._next_number)

    def _claim(self, expectation: Expectation, request: RecordedRequest) -> None:
        expectation.claim(request)
        if self._queue and expectation in self._queue:
            self._queue.remove(expectation)
        if not (expectation.is_never or expectation.has_room or expectation.order) and expectation in self._numbers:
            self._index.take(self._numbers[expectation], expectation)

    def decide_early(self, request: RecordedRequest) -> Responder | None:
        """Decide upon ``request``, of which the body is still to come, if its answer is to fail before that is read.

        It is the decision that `decide` would make.  Where something that has precedence looks at the body, None is
        returned and nothing counted: the body must be read first.
        """
        with self._lock:
            try:
                found = self._find(request, _match_head, _match_head)
            except _BodyNeeded:
                return None
            answer = found.answer if found is not None and not found.is_never else None
            if found is None or not getattr(answer, "is_early", False) or request.window.number < self._epoch:
                return None
            self._claim(found, request)
            return answer

    def _find(
        self,
        request: RecordedRequest,
        matches: Matches = Criteria.matches,
        matches_beyond_key: Matches = Criteria.matches_beyond_key,
    ) -> Expectation | None:
        near = self._index.near(request, is_body_known=matches is not _match_head)
        forbidding = find_forbidding(near, request, matches_beyond_key)
        if forbidding is not None:
            return forbidding
        for order in self._orders:
            found = order.find(request, matches)
            if found is not None:
                return found
        return (
            find_bounded(near, request, matches_beyond_key)
            or find_unbounded(near, request, matches_beyond_key)
            or self._find_enqueued(request, matches)
        )

    def _find_enqueued(self, request: RecordedRequest, matches: Matches) -> Expectation | None:
        """Find the oldest for its method, else the oldest for any."""
        found = None
        for expectation in self._queue:
            if matches(expectation.criteria, request):
                if expectation.criteria.method is not None:
                    return expectation
                found = found or expectation
        return found


class _BodyNeeded(Exception):
    """Which expectation answers depends on the body."""


def _match_head(criteria: Criteria, request: RecordedRequest) -> bool:
    known = criteria.matches_head(request)
    if known is None:
        raise _BodyNeeded
    return known


def _explain_skip(expectation: Expectation) -> str:
    """Why an expectation that matches does not answer."""
    if expectation.answer is None:
        return "it has no reply; add .reply(…)"
    if not expectation.has_room:
        return f"used up {expectation.times_called:,}/{expectation.times[1]:,}"
    scenario = expectation.scenario
    if scenario is not None and not expectation.is_ready:
        return f"it wants {scenario.name!r} in state {expectation.state!r}, which is in state {scenario.state!r}"
    order = expectation.order
    head = order.get_head() if order is not None else None
    if order is not None and head is not None and order.is_later(expectation):
        return f"it is later in its order: first must come {head.describe()}, written at {head.location}"
    return "its turn in the order is over" if order is not None else "it matches now, and did not then"


# -- the index ---------------------------------------------------------------------------------------------------------


class _IndexEntry:
    """The expectations with one key: each with its number in the registry, oldest first."""

    __slots__ = ("bounded", "forbidding", "unbounded")

    def __init__(self) -> None:
        self.forbidding: list[tuple[int, Expectation]] = []
        self.bounded: list[tuple[int, Expectation]] = []  # those that have room
        self.unbounded: list[tuple[int, Expectation]] = []

    def of(self, expectation: Expectation) -> list[tuple[int, Expectation]]:
        """The list in which an expectation stands."""
        if expectation.is_never:
            return self.forbidding
        return self.bounded if expectation.is_bounded else self.unbounded


class _Index:
    """The entries by their keys, and below those by the content that is wanted; the registry's lock guards them."""

    def __init__(self) -> None:
        self._entries: dict[Key, _IndexEntry] = {}
        self._contents: dict[Key, dict[str, dict[Hashable, _IndexEntry]]] = {}  # by the matcher that wants a content
        self._has_loose = False  # whether any of their keys leaves something open

    def put(self, number: int, expectation: Expectation) -> None:
        """Add an expectation, which is newer than all that are there."""
        method, path = key = expectation.criteria.key
        self._has_loose = self._has_loose or method is None or path is None or path.startswith("*")
        wanted = expectation.criteria.content_key
        if wanted is None:
            entry = self._entries.setdefault(key, _IndexEntry())
        else:
            name, content = wanted
            entry = self._contents.setdefault(key, {}).setdefault(name, {}).setdefault(content, _IndexEntry())
        entry.of(expectation).append((number, expectation))

    def take(self, number: int, expectation: Expectation) -> None:
        """Take an expectation out; nothing happens if it is not there."""
        key, wanted = expectation.criteria.key, expectation.criteria.content_key
        if wanted is None:
            entry = self._entries.get(key)
        else:
            entry = self._contents.get(key, {}).get(wanted[0], {}).get(wanted[1])
        place = (number, expectation)
        if entry is not None and place in entry.of(expectation):
            entry.of(expectation).remove(place)

    def near(self, request: RecordedRequest, *, is_body_known: bool = True) -> list[_IndexEntry]:
        """Where what matches can be: by method and path, one of them, or neither; and by the content.

        Args:
            request: The request.
            is_body_known: Whether its body has been read; otherwise it can have any content.
        """
        entries = self._entries
        method, path = request.method, request.plain_path
        if not self._has_loose and not self._contents:
            exact = entries.get((method, path))
            return [] if exact is None else [exact]
        keys: list[Key] = [(method, path)]
        if self._has_loose:
            group = find_group(path)
            keys += dict.fromkeys(((None, path), (method, group), (None, group), (method, None), (None, None)))
        found = [entries[key] for key in keys if key in entries]
        if self._contents:
            for key in keys:
                for name, contents in self._contents.get(key, {}).items():
                    if is_body_known:
                        entry = contents.get(read_content(request, name))
                        found += [] if entry is None else [entry]
                    else:
                        found += contents.values()
        return found


def find_forbidding(near: Iterable[_IndexEntry], request: RecordedRequest, matches: Matches) -> Expectation | None:
    """One that matches, and says that it must never come."""
    for entry in near:
        for _, expectation in entry.forbidding:
            if matches(expectation.criteria, request):
                return expectation
    return None


def find_bounded(near: Iterable[_IndexEntry], request: RecordedRequest, matches: Matches) -> Expectation | None:
    """The oldest that matches: those in an entry have room."""
    best: tuple[int, Expectation] | None = None
    for entry in near:
        for number, expectation in entry.bounded:
            if best is not None and number > best[0]:
                break
            if expectation.is_ready and matches(expectation.criteria, request):
                best = number, expectation
                break
    return best[1] if best is not None else None


def find_unbounded(near: Iterable[_IndexEntry], request: RecordedRequest, matches: Matches) -> Expectation | None:
    """The newest that matches."""
    best: tuple[int, Expectation] | None = None
    for entry in near:
        for number, expectation in reversed(entry.unbounded):
            if best is not None and number < best[0]:
                break
            if expectation.is_ready and matches(expectation.criteria, request):
                best = number, expectation
                break
    return best[1] if best is not None else None

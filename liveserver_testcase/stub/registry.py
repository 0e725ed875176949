"""The registry of expectations: a request in, a decision out.

Which expectation answers a request: none, if one that matches says that it must never come (``forbid()``, ``times=0``);
else the one of an order (``in_order()``) whose turn it is; else the oldest bounded one (``expect()``, or ``times=n``)
that matches and has room; else the newest unbounded one that matches; else the next enqueued reply; else what
``serve_content()`` said; else none, and the request is unmatched.  An expectation that has no answer yet, or whose
scenario is in another state, is passed over.  All of that is decided, counted and moved on in one step.

What is written before the first test begins belongs to the class and is there again, as it was then, in each test;
what is written later belongs to one test and is gone when the next begins.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.journal import JournalWindow
from ..errors import UsageError
from .expectation import Expectation, Order, Scenario, Times
from .matching import BodyAwaited, Criteria, Key, make_criteria
from .request import RecordedRequest
from .responders import Responder, ServedContent
from .target_matchers import find_group

if TYPE_CHECKING:
    from .inspection import Inspection
    from .matcher import Matcher

__all__ = ["Decision", "ExpectationRegistry", "Scope", "Skipped"]

_MOST_FOUND = 256  # methods and paths whose expectations are looked up once: a path can have a number in it


class Skipped(NamedTuple):
    """An expectation that matches a request and does not answer it, as it was in that moment."""

    expectation: Expectation
    has_room: bool = True
    state: str = ""  # in which its scenario was, if it is part of one
    first: Expectation | None = None  # what must come before it in its order


class Decision(NamedTuple):
    """What is to be done with a request, and of what there is no answer, why: as it was in that moment."""

    answer: Responder | None
    expectation: Expectation | None = None  # who gives it, or forbids it; None for serve_content(), too
    # If nobody answers:
    skipped: tuple[Skipped, ...] = ()  # those that match
    others: tuple[Expectation, ...] = ()  # and those that do not
    is_late: bool = False  # it came in an earlier test than the one that runs now
    is_allowed: bool = False  # nothing is held against the test
    foreign_host: str = ""  # which the stub was asked for as a proxy, and does not answer for
    hosts: tuple[str, ...] = ()  # those that it does answer for


class Scope(NamedTuple):
    """What was in the registry at one moment: when a scope began, or before the first test."""

    known: dict[Expectation, None]
    queue: tuple[Expectation, ...]
    content: ServedContent | None


class ExpectationRegistry:
    """Holds the expectations, and decides and counts in one atomic step."""

    def __init__(self) -> None:
        # Guards everything below, what the expectations have claimed, and the scenarios' states.  It can be taken again
        # by its own thread, since a predicate of the test's may ask the stub something.
        self._lock = threading.RLock()
        self._expectations: dict[Expectation, None] = {}  # all but the enqueued, oldest first
        self._next_number = 0
        self._index = _Index()
        self._orders: list[Order] = []
        self._queue: list[Expectation] = []
        self.content: ServedContent | None = None  # what answers where no expectation matches
        self._scenarios: dict[str, Scenario] = {}
        self._allowed: list[Criteria] = []
        self._class_script: Scope | None = None  # what was there when the first test began; None before
        self._epoch = 0  # the number of the test that runs
        self.order: Order | None = None  # the one that is being written

    # -- writing ---------------------------------------------------------------------------------------------------

    def begin(self, next_epoch: Callable[[], JournalWindow]) -> None:
        """Begin a test, in the journal too, by ``next_epoch``: drop what the one before has written, and count anew."""
        with self._lock:
            if self._class_script is None:
                self._class_script = self.begin_scope()
                for expectation in (*self._expectations, *self._queue):
                    expectation.save()
            known, queue, content = self._class_script
            self._epoch = next_epoch().number  # under the lock: no request finds the one begun and the other not
            for expectation in (*known, *queue):
                expectation.begin()
            self._queue, self.content, self._allowed = list(queue), content, []
            kept = {expectation.scenario for expectation in known}
            self._scenarios = {name: scenario for name, scenario in self._scenarios.items() if scenario in kept}
            for scenario in self._scenarios.values():
                scenario.state = scenario.first
            self._write_anew(known)

    @property
    def is_in_test(self) -> bool:
        """Whether what is written now belongs to a test, and not to a class."""
        return self._class_script is not None

    def clear(self) -> None:
        """Drop everything, unless tests have begun: then the next `begin` drops what belongs to the test."""
        with self._lock:
            if self._class_script is None:
                self.content, self._queue, self._scenarios = None, [], {}
                self._write_anew(())

    def _write_anew(self, expectations: Iterable[Expectation]) -> None:
        orders: dict[Order, Order] = {}
        self._expectations, self._index, self._orders = {}, _Index(), []
        for expectation in expectations:
            if expectation.order is not None:  # as it was written, without the turns that it has had
                expectation.order = orders.setdefault(expectation.order, Order())
            self.add(expectation)

    def make(
        self,
        inspection: Inspection,
        method: object,
        path: object,
        criteria: Mapping[str, Any],
        times: Times,
        *,
        handshake: tuple[Matcher, ...] = (),
        **options: Any,
    ) -> Expectation:
        """Make an expectation, which is in no registry yet; ``handshake`` is what a WebSocket wants besides."""
        made = make_criteria(method, path, **criteria)
        made = dataclasses.replace(made, others=(*handshake, *made.others))
        return Expectation(made, times, inspection=inspection, **options)

    def write(self, *args: Any, **options: Any) -> Expectation:
        """`make` an expectation, and write it into the registry; in an `order`, if one is being written."""
        expectation = self.make(*args, **options)
        expectation.order = self.order
        self.add(expectation)
        return expectation

    def add(self, expectation: Expectation) -> None:
        """Write an expectation into the registry."""
        with self._lock:
            self._next_number += 1
            expectation.number = self._next_number
            self._expectations[expectation] = None
            order = expectation.order
            if order is not None and not expectation.is_never:
                if order not in self._orders:
                    self._orders.append(order)
                order.members.append(expectation)
            elif expectation.has_room or expectation.is_never:
                self._index.put(expectation)

    def remove(self, expectation: Expectation) -> None:
        """Strike an expectation out; nothing happens if it is not there."""
        with self._lock:
            self._expectations.pop(expectation, None)
            if expectation in self._queue:
                self._queue.remove(expectation)
            order = expectation.order
            if order is not None and expectation in order.members:
                order.position -= order.members.index(expectation) < order.position
                order.members.remove(expectation)
            else:
                self._index.take(expectation)

    def enqueue(self, expectation: Expectation) -> None:
        """Have it answer one request that nothing else answers, after those that were enqueued before."""
        with self._lock:
            self._queue.append(expectation)

    def serve(self, content: ServedContent) -> None:
        """Answer with this whatever no expectation matches."""
        with self._lock:
            self.content = content

    def find_scenario(self, name: str, first: str | None) -> Scenario:
        """The scenario of this name, which begins in the state ``first`` if it is new."""
        with self._lock:
            known = self._scenarios.setdefault(name, Scenario(name, first or "start"))
            if first is not None and first != known.first:
                raise UsageError(
                    f"the scenario {name!r} begins in state {known.first!r}, and now in {first!r}: keep one"
                )
            return known

    def move(self, scenario: Scenario, state: str) -> None:
        """Set the state of a scenario."""
        with self._lock:
            scenario.state = state

    def allow(self, method: object, path: object, wanted: Mapping[str, Any]) -> Criteria:
        """Hold nothing against the test if nobody answers a request like this; `disallow` gets what is returned."""
        criteria = make_criteria(method, path, **wanted)
        with self._lock:
            self._allowed.append(criteria)
        return criteria

    def disallow(self, criteria: Criteria) -> None:
        """No longer."""
        with self._lock:
            self._allowed = [known for known in self._allowed if known is not criteria]

    def allows(self, request: RecordedRequest | None) -> bool:
        """Return True if nothing is held against the test for a request; None for one of which nothing is known."""
        with self._lock:
            return any(
                not criteria.matchers or (request is not None and criteria.matches(request))
                for criteria in self._allowed
            )

    def begin_scope(self) -> Scope:
        """Note what is in the registry."""
        with self._lock:
            return Scope(dict(self._expectations), tuple(self._queue), self.content)

    def end_scope(self, scope: Scope) -> list[Expectation]:
        """Strike out what was written since, and return the expectations among it."""
        with self._lock:
            made = [expectation for expectation in self._expectations if expectation not in scope.known]
            for expectation in made:
                self.remove(expectation)
            self._queue = [expectation for expectation in self._queue if expectation in scope.queue]
            self.content = scope.content
            return made

    @property
    def expectations(self) -> list[Expectation]:
        """What is in the registry, oldest first."""
        with self._lock:
            return list(self._expectations)

    # -- deciding --------------------------------------------------------------------------------------------------

    def decide(self, request: RecordedRequest) -> Decision:
        """Find who answers ``request`` and count it there."""
        with self._lock:
            if request.exchange.window.number < self._epoch:
                return Decision(None, is_late=True)
            expectation = self._find(request)
            if expectation is not None:
                self._claim(expectation, request)
                return Decision(None if expectation.is_never else expectation.answer, expectation)
            if self.content is not None:
                return Decision(self.content.answer)
            request.newest = self._next_number
            skipped: list[Skipped] = []
            others: list[Expectation] = []
            for each in self._expectations:
                if each.is_never:
                    continue
                if not each.matches(request):
                    others.append(each)
                    continue
                state = each.scenario.state if each.scenario is not None else ""
                first = each.order.find_before(each) if each.order is not None else None
                skipped.append(Skipped(each, each.has_room, state, first))
            return Decision(None, skipped=tuple(skipped), others=tuple(others), is_allowed=self.allows(request))

    def decide_early(self, request: RecordedRequest) -> Responder | None:
        """Decide as `decide`, of a request whose body is still to come, if its answer fails before that is read."""
        with self._lock:
            request.awaits_body = True
            try:
                found = self._find(request)
            except BodyAwaited:  # of something that has precedence
                return None
            finally:
                request.awaits_body = False
            if found is None or found.is_never or request.exchange.window.number < self._epoch:
                return None
            if not getattr(found.answer, "is_early", False):
                return None
            self._claim(found, request)
            return found.answer

    def _find(self, request: RecordedRequest) -> Expectation | None:
        near = self._index.near(request)
        for entry in near:
            for expectation in entry.forbidding:
                if expectation.criteria.matches_beyond_keys(request):
                    return expectation
        for order in self._orders:
            found = order.find(request)
            if found is not None:
                return found
        best: Expectation | None = None
        for entry in near:
            for expectation in entry.bounded:
                if best is not None and expectation.number > best.number:
                    break
                if expectation.is_ready and expectation.criteria.matches_beyond_keys(request):
                    best = expectation
                    break
        if best is not None:
            return best
        for entry in near:
            for expectation in reversed(entry.unbounded):
                if best is not None and expectation.number < best.number:
                    break
                if expectation.is_ready and expectation.criteria.matches_beyond_keys(request):
                    best = expectation
                    break
        if best is not None or not self._queue:
            return best
        # the oldest for its method, else the oldest for any
        queued = [each for each in self._queue if each.criteria.matches(request)]
        return next((each for each in queued if each.criteria.method is not None), queued[0] if queued else None)

    def _claim(self, expectation: Expectation, request: RecordedRequest) -> None:
        expectation.claim(request)
        if self._queue and expectation in self._queue:
            self._queue.remove(expectation)
        if expectation.is_bounded and not (expectation.is_never or expectation.has_room or expectation.order):
            self._index.take(expectation)


class _IndexEntry:
    """The expectations that want the same, oldest first, and below them those that want a content besides."""

    __slots__ = ("bounded", "contents", "forbidding", "unbounded")

    def __init__(self) -> None:
        self.forbidding: list[Expectation] = []
        self.bounded: list[Expectation] = []  # those that have room
        self.unbounded: list[Expectation] = []
        # by what reads the content of a request, and by the content
        self.contents: dict[Callable[[RecordedRequest], Hashable], dict[Hashable, _IndexEntry]] = {}


class _Index:
    """The entries by their keys; the registry's lock guards them."""

    def __init__(self) -> None:
        self._entries: dict[Key, _IndexEntry] = {}
        self._found: dict[tuple[str, str], list[_IndexEntry]] = {}  # what `near` has found by method and path
        self._has_contents = False

    def _find_list(self, expectation: Expectation) -> list[Expectation]:
        entry = self._entries.setdefault(expectation.criteria.key, _IndexEntry())
        wanted = expectation.criteria.content_key
        if wanted is not None:
            read, content = wanted
            entry = entry.contents.setdefault(read, {}).setdefault(content, _IndexEntry())
            self._has_contents = True
        if expectation.is_never:
            return entry.forbidding
        return entry.bounded if expectation.is_bounded else entry.unbounded

    def put(self, expectation: Expectation) -> None:
        """Add an expectation, which is newer than all that are there."""
        self._find_list(expectation).append(expectation)
        self._found.clear()

    def take(self, expectation: Expectation) -> None:
        """Take an expectation out; nothing happens if it is not there."""
        with contextlib.suppress(ValueError):
            self._find_list(expectation).remove(expectation)

    def near(self, request: RecordedRequest) -> list[_IndexEntry]:
        """Return where what matches can be: by method and path, one of them, or neither; and by the content."""
        method, path = request.method, request.plain_path
        found = self._found.get((method, path))
        if found is None:
            group = find_group(path)
            keys: tuple[Key, ...] = (
                (method, path), (None, path), (method, group), (None, group), (method, None), (None, None)
            )  # fmt: skip
            found = [self._entries[key] for key in keys if key in self._entries]
            if len(self._found) >= _MOST_FOUND:
                self._found.clear()
            self._found[method, path] = found
        if not self._has_contents:
            return found
        near = list(found)
        for entry in found:
            for read, contents in entry.contents.items():
                if request.awaits_body:  # it can have any of them
                    near += contents.values()
                elif not request.loss and (content := contents.get(read(request))) is not None:
                    near.append(content)
        return near

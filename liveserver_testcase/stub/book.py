"""The book of expectations: a request in, a decision out.

Which expectation answers a request: none, if one that matches says that it must never come (``times=0``); else the
oldest bounded one (``expect()``, or ``on(times=n)``) that matches and has room; else the newest unbounded one that
matches; else what ``serve_content()`` said; else none, and the request is unmatched.  An expectation that has no reply
yet is passed over.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple

from ..core.journal import Epoch
from .expectation import Expectation
from .reply import Reply
from .request import RecordedRequest

__all__ = ["Book", "Decision"]


class Decision(NamedTuple):
    """What is to be done with a request, and of what there is no answer, why: as it was in that moment.

    Attributes:
        reply: The answer; None if there is none.
        expectation: Who gives it, or forbids it; None for ``serve_content()``, and for an unmatched request.
        passed_over: If nobody answers: those that match, but are used up or have no reply.
        others: If nobody answers: those that do not match.
        is_late: Whether it came in an earlier test than the one that runs now.
    """

    reply: Reply | None
    expectation: Expectation | None = None
    passed_over: tuple[Expectation, ...] = ()
    others: tuple[Expectation, ...] = ()
    is_late: bool = False


class Book:
    """Holds the expectations, and decides and counts in one atomic step.

    What is written before the first `begin` belongs to the class and is there again, as it was then, in each test;
    what is written after it belongs to one test and is gone when the next begins.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards everything below, and what the expectations have claimed
        self._expectations: list[Expectation] = []
        self._content: Reply | None = None
        self._kept: list[tuple[Expectation, Reply | None]] | None = None  # of the class; None before the first test
        self._kept_content: Reply | None = None
        self._epoch = 0  # the number of the test that runs

    def begin(self, next_epoch: Callable[[], Epoch]) -> None:
        """Begin a test: drop what the one before has written, and count anew.

        Args:
            next_epoch: Begins the test in the journal too, and says which it is.  It is called under the lock, so that
                no request finds the one begun and the other not.
        """
        with self._lock:
            if self._kept is None:
                self._kept = [(expectation, expectation.answer) for expectation in self._expectations]
                self._kept_content = self._content
            self._epoch = next_epoch().number
            self._content = self._kept_content
            self._expectations = [expectation for expectation, _ in self._kept]
            for expectation, answer in self._kept:
                expectation.begin(answer)

    def add(self, expectation: Expectation) -> None:
        """Write an expectation into the book."""
        with self._lock:
            self._expectations.append(expectation)

    def remove(self, expectation: Expectation) -> None:
        """Strike an expectation out; nothing happens if it is not there."""
        with self._lock:
            self._expectations = [known for known in self._expectations if known is not expectation]

    def serve(self, reply: Reply) -> None:
        """Answer with ``reply`` whatever no expectation matches."""
        with self._lock:
            self._content = reply

    @property
    def expectations(self) -> list[Expectation]:
        """What is in the book, oldest first."""
        with self._lock:
            return list(self._expectations)

    def decide(self, request: RecordedRequest) -> Decision:
        """Find who answers ``request`` and count it there."""
        with self._lock:
            if request.epoch.number < self._epoch:
                return Decision(None, is_late=True)
            expectation = self._find(request)
            if expectation is not None:
                expectation.claim(request)
                return Decision(None if expectation.is_never else expectation.answer, expectation)
            if self._content is not None:
                return Decision(self._content)
            known = [expectation for expectation in self._expectations if not expectation.is_never]
            matching = tuple(expectation for expectation in known if expectation.matches(request))
            others = tuple(expectation for expectation in known if expectation not in matching)
            return Decision(None, passed_over=matching, others=others)

    def _find(self, request: RecordedRequest) -> Expectation | None:
        bounded = unbounded = None
        for expectation in self._expectations:
            if not expectation.is_bounded:
                if expectation.answer is not None and expectation.matches(request):
                    unbounded = expectation
            elif expectation.is_never:
                if expectation.matches(request):
                    return expectation
            elif bounded is None and expectation.has_room and expectation.answer is not None:
                if expectation.matches(request):
                    bounded = expectation
        return bounded or unbounded

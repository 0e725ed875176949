"""The book of expectations: a request in, a decision out.

Which expectation answers a request: the oldest bounded one (``expect()``, or ``on(times=n)``) that matches and has
room; else the newest unbounded one that matches; else what ``serve_content()`` said; else none, and the request is
unmatched.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from .expectation import Expectation
from .reply import Reply
from .request import RecordedRequest

__all__ = ["Book", "Decision"]


@dataclass(frozen=True)
class Decision:
    """What is to be done with a request.

    Attributes:
        reply: The answer; None if there is none.
        expectation: Who gives it; None for ``serve_content()``, and for an unmatched request.
    """

    reply: Reply | None
    expectation: Expectation | None


class Book:
    """Holds the expectations, and decides and counts in one atomic step.

    What is written before the first `begin` belongs to the class and stays; what is written after it belongs to one
    test and is gone when the next begins.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards everything below, and the `requests` of the expectations
        self._expectations: list[Expectation] = []
        self._kept: list[Expectation] = []
        self._content: Reply | None = None
        self._kept_content: Reply | None = None
        self._begun = False

    def begin(self) -> None:
        """Begin a test: drop what the one before has written, and count anew."""
        with self._lock:
            if not self._begun:
                self._begun = True
                self._kept, self._kept_content = list(self._expectations), self._content
            self._expectations, self._content = list(self._kept), self._kept_content
            for expectation in self._expectations:
                expectation.requests = []

    def add(self, expectation: Expectation) -> None:
        """Write an expectation into the book."""
        with self._lock:
            self._expectations.append(expectation)

    def remove(self, expectation: Expectation) -> None:
        """Strike an expectation out; nothing happens if it is not there."""
        with self._lock:
            self._expectations = [known for known in self._expectations if known is not expectation]
            self._kept = [known for known in self._kept if known is not expectation]

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
            expectation = self._find(request)
            if expectation is None:
                return Decision(self._content, None)
            expectation.requests.append(request)
            return Decision(expectation.answer, expectation)

    def _find(self, request: RecordedRequest) -> Expectation | None:
        for expectation in self._expectations:
            if expectation.is_bounded and expectation.has_room and expectation.matches(request):
                return expectation
        for expectation in reversed(self._expectations):
            if not expectation.is_bounded and expectation.matches(request):
                return expectation
        return None

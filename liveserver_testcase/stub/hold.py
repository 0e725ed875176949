"""Requests that wait for the test to say how they are answered."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..core.checks import KnownAttributes, check_seconds, check_switch, suggest_keywords
from ..core.text import quote
from ..errors import UsageError
from .connection import Wake
from .reply import Headers, Reply, ReplyOptions
from .request import RecordedRequest
from .responders import Responder, combine
from .waiting import Wait, in_coroutine, in_thread

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .inspection import Inspection

__all__ = ["DEFAULT_TIMEOUT", "Hold"]

__unittest = True

DEFAULT_TIMEOUT = 30.0
"""Seconds for which a request is held at most: longer than most clients wait, and shorter than a runner does."""

_ADVICE = "call hold.reply(…) or hold.drop(), or give hold() a timeout"


@dataclass(eq=False)
class _Held:
    """A request that waits."""

    request: RecordedRequest
    answer: Responder | None = None
    is_dropped: bool = False
    resets: bool = False
    is_reported: bool = False
    wake: Wake = field(default_factory=Wake)

    def end(self, answer: Responder | None, *, resets: bool = False) -> None:
        """Answer it, or drop it."""
        self.answer, self.is_dropped, self.resets = answer, answer is None, resets
        self.wake.set()


class Hold(KnownAttributes):
    """Holds the requests that an expectation matches until the test answers them, one by one.

    Made by an expectation's ``hold()``.  What nobody has answered or dropped when the test ends, or after ``timeout``
    seconds, is held against the test, unless its client has left.
    """

    __slots__ = ("__weakref__", "_describe", "_held", "_inspection", "_lock", "_timeout")

    _settable_elsewhere = "nothing of it can be set; its timeout is given to hold()"

    def __init__(
        self, describe: Callable[[], str], inspection: Inspection, *, timeout: float = DEFAULT_TIMEOUT
    ) -> None:
        self._describe = describe
        self._inspection = inspection
        self._timeout = check_seconds("timeout", timeout)
        self._lock = threading.Lock()  # guards what is below
        self._held: list[_Held] = []

    # -- what the test does ----------------------------------------------------------------------------------------

    @in_thread("await hold.wait_async(…)")
    def wait(self, timeout: float | None = None) -> Wait[RecordedRequest]:
        """Wait until a request is held.

        Args:
            timeout: Seconds; None for the stub's ``timeout``.

        Returns:
            The one that has been held for longest.

        Raises:
            AssertionError: None came; the message says what came instead.
            UsageError: It would block a running event loop: await `wait_async` there.
        """
        what = f"a request to {self._describe()} to be held"
        return self._inspection.wait(lambda: next(iter(self.requests), None), timeout, what)

    wait_async = in_coroutine(wait, "hold")

    @property
    def request(self) -> RecordedRequest:
        """The request that has been held for longest.

        Raises:
            UsageError: None is held.
        """
        with self._lock:
            return self._find("look at", None).request

    @property
    def requests(self) -> list[RecordedRequest]:
        """All that are held at the moment, oldest first; a snapshot."""
        with self._lock:
            return [held.request for held in self._held]

    def reply(
        self,
        status: object = 200,
        body: object = None,
        *,
        request: RecordedRequest | None = None,
        headers: Headers | None = None,
        **options: Unpack[ReplyOptions],
    ) -> None:
        """Answer a request that is held; takes what an expectation's ``reply()`` takes.

        Args:
            status: See `Expectation.reply`; so for what is not named here.
            body: The body.
            request: Which one; None for the one that has been held for longest.
            headers: The headers.
            options: The keywords of `Reply`.

        Raises:
            UsageError: It is not held, or the reply cannot be sent.
            TypeError: An unknown keyword; the message names the nearest.
        """
        answer = combine(status, body, headers, options, more=("request",))
        self._take("answer", request).end(answer)

    @suggest_keywords
    def drop(self, *, request: RecordedRequest | None = None, reset: bool = False) -> None:
        """Close the connection of a request that is held, without a reply.

        Args:
            request: Which one; None for the one that has been held for longest.
            reset: Whether with a TCP reset, instead of in good order.

        Raises:
            UsageError: It is not held.
        """
        self._take("drop", request).end(None, resets=check_switch("reset", reset))

    def drop_all(self) -> None:
        """Drop every request that is held."""
        self.drop_before(sys.maxsize)

    def drop_before(self, window: int) -> None:
        """Drop what is held of earlier tests than this one; called by the stub when a test begins."""
        with self._lock:
            left = [held for held in self._held if held.request.window.number < window]
            self._held = [held for held in self._held if held not in left]
        for held in left:
            held.end(None)

    def report_unanswered(self, request: RecordedRequest) -> str:
        """Say that nobody has answered ``request``; empty if it is not held, or it was said already."""
        with self._lock:
            held = next((held for held in self._held if held.request is request and not held.is_reported), None)
            if held is None:
                return ""
            held.is_reported = True
        return f"is held by {self._describe()}, and nobody has answered it: {_ADVICE}"

    def _take(self, what: str, request: RecordedRequest | None) -> _Held:
        """Hold a request no longer; of two threads that want the oldest, each gets another one."""
        with self._lock:
            held = self._find(what, request)
            self._held.remove(held)
            return held

    def _find(self, what: str, request: RecordedRequest | None) -> _Held:
        if request is not None:
            for held in self._held:
                if held.request is request:
                    return held
            shown = request.describe() if isinstance(request, RecordedRequest) else quote(request)
            raise UsageError(f"{shown} is not held, so that there is nothing to {what}: see hold.requests")
        if not self._held:
            raise UsageError(f"there is no held request to {self._describe()} to {what}: call wait() first")
        return self._held[0]

    # -- what the stub does ----------------------------------------------------------------------------------------

    def reply_to(self, request: RecordedRequest) -> Reply:
        """Wait until the test answers or drops the request, which is a `ClientDisconnected`."""
        serving = request.serving
        if serving is None:
            raise UsageError(f"{request.describe()} cannot be held: no stub serves it")
        held = _Held(request)
        request.held_by = self
        with self._lock:
            self._held.append(held)
        try:
            serving.notify()
            # of a test that is over the stub has dropped all requests before this one came
            if serving.is_late(request) or not serving.pause(self._timeout, held.wake):
                held.is_dropped = True
        finally:
            request.held_by = None
            with self._lock:
                if held in self._held:
                    self._held.remove(held)
            held.wake.close()
        if held.answer is not None:
            return held.answer.reply_to(request)
        if held.is_dropped:
            raise serving.abandon("the test dropped it", reset=held.resets, linger=not held.resets)
        raise UsageError(f"it was held for {self._timeout:g} s, and nobody has answered it: {_ADVICE}")

"""Requests that wait for the test to say how they are answered."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

from ..errors import UsageError
from .answer import Answer, combine
from .reply import Headers, Reply, ReplyOptions
from .request import RecordedRequest
from .serving import Wake

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Hold"]

__unittest = True

T = TypeVar("T")


class Waiter(Protocol):
    """The stub, as far as a hold needs it."""

    def wait(self, predicate: Callable[[], T], timeout: float | None, what: str, twin: str) -> T:
        """Wait until ``predicate()`` is true, or fail the test."""

    async def wait_async(self, predicate: Callable[[], T], timeout: float | None, what: str) -> T:
        """The same on an event loop."""


class _Held:
    """A request that waits."""

    def __init__(self, request: RecordedRequest) -> None:
        self.request = request
        self.answer: Answer | None = None
        self.resets = False
        self.wake = Wake()


class Hold:
    """Holds the requests that an expectation matches until the test answers them, one by one.

    Made by an expectation's ``hold()``.  What is still held when the test ends is dropped.

    Args:
        describe: Says whose it is.
        waiter: Waits for requests.
    """

    def __init__(self, describe: Callable[[], str], waiter: Waiter | None = None) -> None:
        self._describe = describe
        self._waiter = waiter
        self._lock = threading.Lock()  # guards what is below
        self._held: list[_Held] = []

    # -- what the test does ----------------------------------------------------------------------------------------

    def wait(self, timeout: float | None = None) -> RecordedRequest:
        """Wait until a request is held.

        Args:
            timeout: Seconds; None for the stub's ``timeout``.

        Returns:
            The one that has been held for longest.

        Raises:
            AssertionError: None came; the message says what came instead.
            UsageError: It would block a running event loop: await `wait_async` there.
        """
        return self._get_waiter().wait(self._list, timeout, self._tell_wanted(), "await hold.wait_async(…)")[0]

    async def wait_async(self, timeout: float | None = None) -> RecordedRequest:
        """`wait`, for code on an event loop."""
        return (await self._get_waiter().wait_async(self._list, timeout, self._tell_wanted()))[0]

    def _get_waiter(self) -> Waiter:
        if self._waiter is None:
            raise UsageError(f"{self._describe()} is in no stub that could hold a request")
        return self._waiter

    def _list(self) -> list[RecordedRequest]:
        with self._lock:
            return [held.request for held in self._held]

    def _tell_wanted(self) -> str:
        return f"a request to {self._describe()} to be held"

    @property
    def request(self) -> RecordedRequest:
        """The request that has been held for longest.

        Raises:
            UsageError: None is held.
        """
        return self._oldest("look at").request

    @property
    def requests(self) -> list[RecordedRequest]:
        """All that are held at the moment, oldest first; a snapshot."""
        return self._list()

    def reply(
        self,
        status: object = 200,
        body: object = None,
        *,
        headers: Headers | None = None,
        **options: Unpack[ReplyOptions],
    ) -> None:
        """Answer the request that has been held for longest; takes what an expectation's ``reply()`` takes.

        Raises:
            UsageError: None is held, or the reply cannot be sent.
            TypeError: An unknown keyword; the message names the nearest.
        """
        self._release(self._oldest("answer"), combine("reply", status, body, headers, options))

    def drop(self, *, reset: bool = False) -> None:
        """End the connection of the request that has been held for longest, without an answer.

        Args:
            reset: Whether with a TCP reset, instead of in good order.

        Raises:
            UsageError: None is held.
        """
        self._release(self._oldest("drop"), None, resets=reset)

    def drop_all(self) -> None:
        """Drop whatever is held."""
        self.drop_before(sys.maxsize)

    def drop_before(self, window: int) -> None:
        """Drop what is held of earlier tests than this one; called by the stub when a test begins."""
        with self._lock:
            left = [held for held in self._held if held.request.window.number < window]
        for held in left:
            self._release(held, None)

    def _oldest(self, what: str) -> _Held:
        with self._lock:
            if not self._held:
                raise UsageError(f"there is no held request to {self._describe()} to {what}: call wait() first")
            return self._held[0]

    def _release(self, held: _Held, answer: Answer | None, *, resets: bool = False) -> None:
        with self._lock:
            if held in self._held:
                self._held.remove(held)
        held.answer, held.resets = answer, resets
        held.wake.set()

    # -- what the stub does ----------------------------------------------------------------------------------------

    def reply_to(self, request: RecordedRequest) -> Reply:
        """Wait for the test's word.

        Raises:
            ClientDisconnected: The test has dropped it, the client has left, or the stub stops.
        """
        serving = request.serving
        if serving is None:
            raise UsageError(f"{request.describe()} cannot be held: no stub serves it")
        held = _Held(request)
        with self._lock:
            self._held.append(held)
        try:
            serving.tell()
            if not serving.is_late(request):  # else the stub has dropped what was held before this was
                serving.pause(None, held.wake)
        finally:
            with self._lock:
                if held in self._held:
                    self._held.remove(held)
            held.wake.close()
        if held.answer is None:
            raise serving.abandon("the test dropped it", reset=held.resets, linger=not held.resets)
        return held.answer.reply_to(request)

"""One expectation: what it matches, how often, in which order and state, and what it answers."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import os
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

from ..core.checks import KnownAttributes, is_count, suggest_keywords
from ..core.text import count, quote
from ..errors import UsageError
from .faults import Fault, FaultPoint, plan_fault
from .forwarding import ForwardingResponder
from .hold import DEFAULT_TIMEOUT, Hold
from .matching import Criteria
from .reply import Headers, Reply, ReplyOptions
from .request import RecordedRequest
from .responders import (
    FaultyResponder,
    FunctionResponder,
    Hook,
    Responder,
    SequenceResponder,
    Then,
    call_wsgi,
    combine,
    make_from,
)
from .stream import StreamSource, format_event, make_stream
from .waiting import Wait, in_coroutine, in_thread

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from typing_extensions import Unpack

    from .inspection import Inspection

__all__ = [
    "Expectation", "Order", "Scenario", "Times", "at_least", "at_most", "caller_location", "cite", "describe_calls",
    "describe_times", "parse_limit", "parse_times",
]  # fmt: skip

__unittest = True

_PACKAGE = __name__.partition(".")[0]
_REDIRECTS = (301, 302, 303, 307, 308)

# -- how often ---------------------------------------------------------------------------------------------------------

Times: TypeAlias = tuple[int, int | None]
"""The fewest and the most; None for no most."""


def at_least(number: int) -> Times:
    """At least so often: ``expect(…, times=at_least(2))``.

    Raises:
        UsageError: It is no number of times.
    """
    return _check_number("at_least", number), None


def at_most(number: int) -> Times:
    """At most so often, or not at all: ``expect(…, times=at_most(3))``.

    Raises:
        UsageError: It is no number of times.
    """
    return 0, _check_number("at_most", number)


def _check_number(function: str, number: object) -> int:
    if not is_count(number):
        raise UsageError(f"{function}({quote(number)}): wanted a whole number, 0 or more")
    return number


def parse_times(times: object) -> Times:
    """Check ``times=`` of what must happen: None for at least once, ``n`` for exactly n, or ``(low, high)``."""
    if times is None:
        return 1, None
    low, high = times if isinstance(times, tuple) and len(times) == 2 else (times, times)
    if is_count(low) and (high is None or (is_count(high) and low <= high)):
        return low, high
    raise UsageError(f"times is {quote(times)}; wanted a number, (low, high), or None for at least once")


def parse_limit(times: object) -> Times:
    """Check ``times=`` of what may happen: None for any number, ``n`` or ``(0, n)`` for at most n."""
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


def describe_times(times: Times) -> str:
    """As in ``exactly once``, ``at least 2 times``, ``at most 3 times``, ``1 to 3 times``, ``never``."""
    low, high = times
    if high == 0:
        return "never"
    if not low and high is None:
        return "any number of times"
    last = low if high is None else high
    number = "once" if last == 1 else count(last, "time")
    if low == high:
        return f"exactly {number}"
    if high is None:
        return f"at least {number}"
    return f"{low} to {number}" if low else f"at most {number}"


# -- what it is a part of ----------------------------------------------------------------------------------------------


class Scenario:
    """A thing with a state, which each test finds in its first one; moved under the registry's lock."""

    def __init__(self, name: str, first: str) -> None:
        self.name = name
        self.first = self.state = first

    def __repr__(self) -> str:
        return f"<Scenario {self.name!r} in state {self.state!r}>"


class Order:
    """Expectations whose requests must come in this order: the next one's turn is once the one before has had its."""

    def __init__(self) -> None:
        self.members: list[Expectation] = []
        self.position = 0  # of the one that was answered last, or the first

    def find(self, request: RecordedRequest) -> Expectation | None:
        """Return whose turn it is, if it matches ``request``: one that had enough can be followed by the next."""
        members = self.members
        while self.position < len(members) - 1 and not members[self.position].has_room:
            self.position += 1
        for expectation in members[self.position :]:
            if expectation.is_ready and expectation.has_room and expectation.criteria.matches(request):
                return expectation
            if not expectation.has_enough:
                return None
        return None

    def find_before(self, expectation: Expectation) -> Expectation | None:
        """Return what must come before its turn; None if it is its turn, or that is over."""
        end = self.members.index(expectation)
        return next((each for each in self.members[self.position : end] if not each.has_enough), None)


class Expectation(KnownAttributes):
    """What the stub answers to the requests that match, and how often they must come.

    Made by the stub's ``on()``, ``expect()`` and their like.  It takes part once it has an answer.

    Attributes:
        criteria: What a request must have.
        times: The fewest and the most requests; the fewest is 0 for what may but need not happen.
        name: What the test calls it; may be empty.
        answer: What it answers with; None until the test has said so.
        location: Where in the test it was written, ``file:line``.
        scenario: The scenario that it is a part of; None if it is part of none.
        state: The state in which its scenario must be; None for any.
    """

    __slots__ = (
        "__weakref__", "_calls", "_claimed", "_inspection", "_reply_headers", "_saved", "answer", "criteria",
        "first_turn", "is_bounded", "is_never", "location", "name", "next_state", "number", "order", "scenario",
        "state", "times",
    )  # fmt: skip

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
        self.is_never = times[1] == 0  # a request that matches is held against the test
        self.answer: Responder | None = None
        self.location = location
        self.order: Order | None = None  # in which it stands
        self.scenario = scenario
        self.state = state
        self.next_state: str | None = None  # to which it moves its scenario
        self.number = 0  # in the registry, where each has a greater one
        self.first_turn = 0  # how many requests had come when its sequence of replies was given
        self._reply_headers = reply_headers
        self._inspection = inspection
        # Both grow by the registry alone, under its lock; what the journal drops is taken out again.
        self._claimed: collections.deque[RecordedRequest] = collections.deque()
        self._calls = 0
        self._saved: dict[str, object] = {}  # what it was when the first test began

    # -- what it answers -------------------------------------------------------------------------------------------

    def _answer_with(self, content: Responder) -> Expectation:
        """Answer with ``content``, with whatever goes wrong and whoever has a look at it as before."""
        if isinstance(content, Reply):
            content = content.with_defaults(*self._reply_headers)
        known = self.answer
        self.answer = dataclasses.replace(known, content=content) if isinstance(known, FaultyResponder) else content
        return self

    @property
    def _faulty_responder(self) -> FaultyResponder:
        return self.answer if isinstance(self.answer, FaultyResponder) else FaultyResponder(self.answer)

    def reply(
        self,
        status: object = 200,
        body: object = None,
        *,
        headers: Headers | None = None,
        **options: Unpack[ReplyOptions],
    ) -> Expectation:
        """Answer with this; a later call replaces it.

        Args:
            status: The status code; or a whole answer, and nothing else: a `Reply`, a werkzeug ``Response``, or what a
                view of Flask returns.
            body: Bytes, sent as ``application/octet-stream``, or text, sent as ``text/html``; more see `Reply`.
            headers: A mapping, or pairs where a name comes twice.
            options: The keywords of `Reply`.

        Returns:
            The expectation itself, as of all these methods but `hold`.

        Raises:
            UsageError: More than one body, or a value that cannot be sent.
            TypeError: An unknown keyword; the message names the nearest.
        """
        return self._answer_with(combine(status, body, headers, options))

    @suggest_keywords
    def reply_sequence(self, *answers: object, then: Then = "fail") -> Expectation:
        """Answer with these replies, one after the other.

        Args:
            answers: Each is a `Reply`, a status, or anything else that a view of Flask returns.
            then: What comes after the last: ``"fail"`` fails the test, ``"repeat"`` gives the last one again and
                ``"cycle"`` begins anew.

        Raises:
            UsageError: There is none, or one of them is nothing that can be sent.
        """
        made = tuple(make_from(answer, "") for answer in answers)
        self._answer_with(SequenceResponder(made, then, self.describe, lambda: self.first_turn))
        self.first_turn = self.times_called
        return self

    @suggest_keywords
    def reply_with(self, function: Callable[..., object] | Responder) -> Expectation:
        """Answer with what ``function`` returns: a `Reply`, or what a view of Flask returns.

        What it raises fails the test, whatever it is, and answers 500.

        Args:
            function: Called with the `RecordedRequest` and, by name, with the path's parameters; or an object whose
                ``reply_to(request)`` is.  A coroutine function runs on a loop of the stub's; it is cancelled when the
                client leaves or the stub stops.

        Raises:
            UsageError: It cannot be called.
        """
        return self._answer_with(FunctionResponder(function))

    @suggest_keywords
    def reply_stream(
        self,
        source: StreamSource,
        status: int = 200,
        *,
        headers: Headers | None = None,
        content_type: str | None = None,
    ) -> Expectation:
        """Answer with a body that is sent piece by piece, as it is produced.

        It ends when the client leaves or the stub stops.

        Args:
            source: Pieces of bytes or text, with `Pause` between them: an iterable, an asynchronous one, or a function
                (also a generator function, asynchronous or not) that is called for each request, with the request if
                it takes an argument.  Not what such a function returns: that gives its pieces once.
            status: The status code.
            headers: A mapping, or pairs where a name comes twice.
            content_type: The Content-Type; ``application/octet-stream`` if the headers have none either.

        Raises:
            UsageError: It is nothing that gives pieces.
        """
        reply = Reply(status, None, headers, content_type=content_type)
        reply = reply.with_defaults(("Content-Type", "application/octet-stream"))
        return self._answer_with(reply.changed(stream=make_stream(source)).checked())

    @suggest_keywords
    def reply_sse(
        self, events: StreamSource, *, headers: Headers | None = None, keep_open: bool = False
    ) -> Expectation:
        """Answer with server-sent events.

        Args:
            events: As in `reply_stream`; each is a str, which is its data, or a mapping with ``data`` (sent as JSON
                unless it is a str), ``event``, ``id``, ``retry`` and ``comment``, or a `Pause`.
            headers: A mapping, or pairs where a name comes twice.
            keep_open: Whether the response stays open after the last event, until the client leaves.

        Raises:
            UsageError: It is nothing that gives events.
        """
        reply = Reply(200, None, headers).with_defaults(
            ("Content-Type", "text/event-stream"), ("Cache-Control", "no-cache")
        )
        return self._answer_with(reply.changed(stream=make_stream(events, format_event, keep_open=keep_open)))

    @suggest_keywords
    def reply_redirect(self, to: str, status: int = 302, *, headers: Headers | None = None) -> Expectation:
        """Answer with a redirection.

        Args:
            to: The Location: a URL, or a path on the stub.
            status: 301, 302, 303, 307 or 308.
            headers: A mapping, or pairs where a name comes twice.

        Raises:
            UsageError: It is none of these.
        """
        if status not in _REDIRECTS:
            raise UsageError(f"status is {quote(status)}; wanted one of {', '.join(map(str, _REDIRECTS))}")
        if not isinstance(to, str) or not to or not to.isascii() or any(char <= " " for char in to):
            raise UsageError(f"to is {quote(to)}; wanted a URL or a path, percent-encoded")
        urlsplit(to)
        reply = Reply(status, None, headers)
        return self._answer_with(reply.changed(headers=(*reply.headers, ("Location", to))))

    def reply_raw(self, *pieces: bytes) -> Expectation:
        """Answer with these bytes in place of a response, and then close the connection.

        Args:
            pieces: Bytes; each piece is sent by itself.

        Raises:
            UsageError: They are no bytes.
        """
        for piece in pieces:
            if not isinstance(piece, bytes | bytearray | memoryview):
                raise UsageError(f"reply_raw() was given {quote(piece)}, of type {type(piece).__name__}; wanted bytes")
        return self._answer_with(Reply().changed(raw=tuple(bytes(piece) for piece in pieces)))

    def reply_wsgi(self, app: WSGIApplication) -> Expectation:
        """Answer with the response of a WSGI application; an exception of it fails the test.

        Raises:
            UsageError: It cannot be called.
        """
        if not callable(app):
            raise UsageError(f"reply_wsgi() was given {quote(app)}; wanted a WSGI application")
        return self._answer_with(FunctionResponder(partial(call_wsgi, app)))

    @suggest_keywords
    def forward_to(self, upstream_url: str, *, timeout: float = 10.0, ca_file: str | None = None) -> Expectation:
        """Forward the request to another server, and answer with its response.

        Args:
            upstream_url: The other server's base URL; what it has of a path stands before that of the request.
            timeout: Seconds without a byte from it.
            ca_file: What must be trusted to verify it; the system's by default.

        Raises:
            UsageError: It is no such URL.
        """
        return self._answer_with(ForwardingResponder(upstream_url, timeout=timeout, ca_file=ca_file))

    @suggest_keywords
    def fail(self, fault: Fault, at: FaultPoint | None = None, *, after_bytes: int | None = None) -> Expectation:
        """Fail; the fault applies to the reply that is written before or after this.

        Args:
            fault: What goes wrong.
            at: Where; None for the usual point of this fault.
            after_bytes: After how many bytes of the body; by default after half of it.

        Raises:
            UsageError: The fault makes no sense there, or nothing of it would be seen, as of a body of 0 bytes that is
                truncated.  Where that shows only when the request is here, it fails the test then.
        """
        plan = plan_fault(fault, at, after_bytes)
        self.answer = dataclasses.replace(self._faulty_responder, plan=plan)
        if plan.is_early and self._inspection is not None:
            self._inspection.has_early = True
        return self

    @suggest_keywords
    def hold(self, *, timeout: float = DEFAULT_TIMEOUT) -> Hold:
        """Hold the requests until the test answers them through the `Hold` that this returns.

        Args:
            timeout: Seconds for which each is held at most: what nobody has answered by then, or by the end of the
                test, fails the test, unless its client has left.

        Raises:
            UsageError: It is no time.
        """
        hold = Hold(self.describe, self.get_inspection("hold"), timeout=timeout)
        self._answer_with(hold)
        return hold

    @suggest_keywords
    def after(self, hook: Hook) -> Expectation:
        """Call ``hook`` with each request and its reply before that is sent; several are called in order.

        Args:
            hook: Called with the `RecordedRequest` and the `Reply`; what it returns is sent instead, unless it is None.

        Raises:
            UsageError: It cannot be called.
        """
        if not callable(hook):
            raise UsageError(f"after() was given {quote(hook)}; wanted a function of a request and a reply")
        responder = self._faulty_responder
        self.answer = dataclasses.replace(responder, hooks=(*responder.hooks, hook))
        return self

    @suggest_keywords
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
        """Remove it from the stub: it answers nothing more and is not verified.

        What was written for the whole class is back for the next test.
        """
        if self._inspection is not None:
            self._inspection._registry.remove(self)

    # -- what happened ---------------------------------------------------------------------------------------------

    @property
    def requests(self) -> list[RecordedRequest]:
        """The requests that it has answered in this test, in order, as far as the journal keeps them; a snapshot."""
        return list(self._claimed)

    @property
    def times_called(self) -> int:
        """How many requests it has answered in this test."""
        return self._calls

    @property
    def is_satisfied(self) -> bool:
        """Whether it was called as often as wanted, and not more."""
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

    @in_thread("await expectation.wait_async(…)")
    def wait(self, times: int = 1, timeout: float | None = None) -> Wait[list[RecordedRequest]]:
        """Wait until it has been called so often; by then each request is recorded with its reply.

        Args:
            times: How often, 1 or more.
            timeout: Seconds; None for the stub's ``timeout``.

        Returns:
            Its requests.

        Raises:
            AssertionError: They did not come; the message says what came instead.
            UsageError: It would block a running event loop: await `wait_async` there.
        """
        return self._make_wait(times, timeout)

    wait_async = in_coroutine(wait, "expectation")

    def _make_wait(self, times: int, timeout: float | None) -> Wait[list[RecordedRequest]]:
        inspection = self.get_inspection("wait")
        if not is_count(times) or times < 1:
            raise UsageError(f"times is {quote(times)}; wanted a number of requests, 1 or more")

        what = f"{cite(self)}, to come {describe_times((times, None))}"
        return inspection.wait(lambda: self._find_recorded(times), timeout, what)

    def _find_recorded(self, times: int) -> list[RecordedRequest] | None:
        # in one piece, also where the stub is in a process of its own: a request may come between two questions
        claimed = self.requests
        recorded = [request for request in claimed if request.exchange.handler_data is request]
        return recorded if self._calls - len(claimed) + len(recorded) >= times else None

    def get_inspection(self, what: str) -> Inspection:
        """Return what waits for requests; ``what`` wants to."""
        if self._inspection is None:
            raise UsageError(f"{what}() waits for requests, and {self!r} is in no stub that could get any")
        return self._inspection

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
        request.turn = self._calls
        # what sets attributes here checks their names, which takes as long as all of this
        object.__setattr__(self, "_calls", self._calls + 1)
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
        with contextlib.suppress(ValueError):  # a test has begun in between
            self._claimed.remove(request)

    def save(self) -> None:
        """Save what it is for each test that begins; called by the registry before the first one does."""
        changing = ("__weakref__", "_calls", "_claimed", "_saved")
        self._saved = {name: getattr(self, name) for name in self.__slots__ if name not in changing}

    def begin(self) -> None:
        """Count anew, and be as it was saved; called by the registry when a test begins."""
        anew = {"first_turn": 0, "_claimed": collections.deque(), "_calls": 0}
        for name, value in {**self._saved, **anew}.items():
            object.__setattr__(self, name, value)  # setattr() would check each name: see `claim`

    # -- in words --------------------------------------------------------------------------------------------------

    def describe(self) -> str:
        """Its name and its criteria on one line, such as ``'charge' POST '/charges'``."""
        where = f" in state {quote(self.state)} of {quote(self.scenario.name)}" if self.scenario and self.state else ""
        return f"{quote(self.name) + ' ' if self.name else ''}{self.criteria.describe()}{where}"

    def __repr__(self) -> str:
        return f"<Expectation {self.describe()}, {describe_calls(self)}>"


def cite(expectation: Expectation) -> str:
    """Describe an expectation, and say where it was written."""
    return f"{expectation.describe()}, written at {expectation.location}"


def describe_calls(expectation: Expectation) -> str:
    """Say how often it is to be called, and was, as in ``exactly once, called 0 times``."""
    return f"{describe_times(expectation.times)}, called {count(expectation.times_called, 'time')}"


def caller_location() -> str:
    """Return ``file:line`` of the nearest frame outside this package."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        frame = frame.f_back
    name = frame.f_code.co_filename
    try:
        near = os.path.relpath(name)
    except (OSError, ValueError):  # the working directory is gone, or on another drive
        near = name
    return f"{name if near.startswith(os.pardir) else near}:{frame.f_lineno}"

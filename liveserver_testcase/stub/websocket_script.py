"""What a test says of the WebSockets of a stub: which handshakes it answers, and what is exchanged then, step by step.

A step is a call that is made later, in the thread of the connection; `ScriptRun` makes them.
What goes wrong is held against the test as a request that nothing answers is, with what was exchanged until then.
"""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from ..core.checks import KnownAttributes, check_seconds, check_switch, suggest_keywords
from ..core.text import count, quote
from ..errors import ClientDisconnected, UsageError
from .expectation import Expectation, caller_location, cite
from .faults import GARBAGE
from .matcher import Matcher, Mismatch
from .reply import Headers, Reply, ReplyOptions
from .report import Violation
from .request import RecordedRequest
from .responders import combine
from .values import ABSENT, show
from .waiting import Wait, in_coroutine, in_thread
from .websocket import WebSocketConnection
from .websocket_channel import WebSocketChannel, check_installed
from .websocket_messages import Mismatched, WantedMessage, check_close, check_ping, list_messages, make_data

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .connection import StubConnection
    from .inspection import Inspection

__all__ = ["ScriptRun", "WebSocketExpectation", "WebSocketFault", "make_handshake"]

__unittest = True

_UNMATCHED = 1008, "the test does not expect this message"  # policy violation: RFC 6455, 7.4.1
_FAILED = 1011, "the function of the test has failed"  # internal error
_PATIENCE = 1.0  # seconds in which a client closes the connection because of a fault, if it sees it


# -- the handshake -----------------------------------------------------------------------------------------------------


class UpgradeMatcher(Matcher):
    """That a request opens a WebSocket."""

    name = "upgrade"

    def __init__(self) -> None:
        super().__init__("websocket")

    def matches(self, request: RecordedRequest) -> bool:
        return request.opens_websocket

    def explain(self, request: RecordedRequest) -> Mismatch:
        got = request.headers.get("Upgrade")
        return self.miss("nothing" if got is None else quote(got), "it is no handshake of a WebSocket")


class SubprotocolsMatcher(Matcher):
    """That a client offers one of these subprotocols."""

    name = "subprotocols"
    wanted: tuple[str, ...]

    def matches(self, request: RecordedRequest) -> bool:
        return not set(self.wanted).isdisjoint(self._read(request))

    def explain(self, request: RecordedRequest) -> Mismatch:
        return self.miss(", ".join(map(quote, self._read(request))) or "none")

    def describe(self) -> str:
        return " or ".join(map(quote, self.wanted))

    @staticmethod
    def _read(request: RecordedRequest) -> list[str]:
        offered = request.headers.get("Sec-WebSocket-Protocol", "")
        return [name.strip() for name in offered.split(",") if name.strip()]


def make_handshake(subprotocols: object) -> tuple[Matcher, ...]:
    """Make what is wanted of a handshake besides the criteria of any request."""
    check_installed()
    names = [subprotocols] if isinstance(subprotocols, str) else subprotocols
    if not isinstance(names, Sequence) or not all(isinstance(name, str) and name.strip() for name in names):
        raise UsageError(f"subprotocols is {quote(subprotocols)}; wanted names, such as ['v1.json']")
    return (UpgradeMatcher(), SubprotocolsMatcher(tuple(names))) if names else (UpgradeMatcher(),)


# -- faults ------------------------------------------------------------------------------------------------------------


class WebSocketFault(enum.Enum):
    """What goes wrong on a WebSocket.  Each shows on the wire exactly as it says here, whatever the client makes of it.

    The connection ends when the client has left, or after a second.
    """

    WRONG_ACCEPT_KEY = "wrong accept key"
    """The handshake is answered with a ``Sec-WebSocket-Accept`` that is not made of the client's key."""
    GARBAGE = "garbage"
    """What is sent is no frame."""
    BAD_OPCODE = "bad opcode"
    """A frame of a kind that there is none of."""
    RESERVED_BITS = "reserved bits"
    """A frame with bits that no extension was agreed upon for."""
    MASKED = "masked"
    """A frame that is masked, which only those of clients are."""
    FRAGMENTED_PING = "fragmented ping"
    """A ping that is not complete in one frame."""
    LONG_PING = "long ping"
    """A ping of 126 bytes, one more than it may have."""
    BAD_UTF8 = "bad UTF-8"
    """A text that is no UTF-8."""
    BAD_CLOSE_CODE = "bad close code"
    """A close frame with code 1005, which stands for none and is never sent."""
    OVERSIZE = "oversize"
    """The beginning of a message of 4 EiB."""
    HALF_FRAME = "half a frame"
    """The connection ends in the middle of a frame."""
    STALL = "stall"
    """Nothing more is read or sent, no pong either; the connection stays open until the client leaves."""


_FRAMES = {
    WebSocketFault.GARBAGE: GARBAGE,
    WebSocketFault.BAD_OPCODE: b"\x83\x00",
    WebSocketFault.RESERVED_BITS: b"\xf1\x01a",
    WebSocketFault.MASKED: b"\x81\x85\x00\x00\x00\x00hello",
    WebSocketFault.FRAGMENTED_PING: b"\x09\x00",
    WebSocketFault.LONG_PING: b"\x89\x7e\x00\x7e" + bytes(126),
    WebSocketFault.BAD_UTF8: b"\x81\x02\xc3\x28",
    WebSocketFault.BAD_CLOSE_CODE: b"\x88\x02\x03\xed",
    WebSocketFault.OVERSIZE: b"\x82\x7f" + (1 << 62).to_bytes(8, "big") + bytes(1024),
    WebSocketFault.HALF_FRAME: b"\x81\x0ahello",
}
_AT_ONCE = (WebSocketFault.HALF_FRAME, WebSocketFault.OVERSIZE)  # after which a client may wait for more


# -- a script, and how it is played ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Step:
    """A step of a script."""

    text: str  # as it was written, such as receive('hello')
    location: str
    run: Callable[[WebSocketConnection], object]
    wanted: WantedMessage | None = None  # what it receives
    is_last: bool = False  # nothing can follow


@dataclass(frozen=True)
class WebSocketResponder:
    """Answers handshakes, and plays the script on each WebSocket."""

    subprotocols: tuple[str, ...]
    must_finish: bool  # a script that does not come to its end is held against the test
    steps: tuple[_Step, ...] = ()
    refusal: Reply | None = None
    has_wrong_key: bool = False  # in the response to the handshake

    def reply_to(self, request: RecordedRequest) -> Reply:
        """Serve the WebSocket to its end, unless it is refused."""
        if self.refusal is not None:
            return self.refusal
        serving = request.serving
        if serving is None:
            raise UsageError(f"{request.describe()} cannot open a WebSocket: no stub serves it")
        ScriptRun(self, request, serving).play()
        return request.reply or Reply(400)

    def must_go_on(self, request: RecordedRequest) -> bool:
        """Return True if the script has to come to its end for a request, and has not."""
        if not self.must_finish or self.refusal is not None:
            return False
        return request.websocket is None or request.websocket._channel.script.must_go_on


class ScriptRun:
    """A script that is played on one WebSocket, in the thread of the connection."""

    def __init__(self, responder: WebSocketResponder, request: RecordedRequest, serving: StubConnection) -> None:
        self._responder = responder
        self._serving = serving
        self._channel = WebSocketChannel(serving, request, responder.subprotocols, self)
        self._connection = request.websocket = WebSocketConnection(self._channel)
        self._position = 0  # the number of the step that is done, from 1
        self._is_finished = self._has_failed = self._is_reported = False

    def play(self) -> None:
        """Do the handshake, and each step; then go on until the client leaves."""
        channel, steps = self._channel, self._responder.steps
        try:
            if not channel.begin(has_wrong_key=self._responder.has_wrong_key):
                return
            for position, step in enumerate(steps, 1):
                self._position, self._is_finished = position, step.is_last
                step.run(self._connection)
            self._is_finished = True
            channel.finish()
        except Mismatched as error:
            lines = self._explain_step()
            for position, step in enumerate(steps[self._position :], self._position + 1):
                if step.wanted is not None and step.wanted.accepts(error.message) and not step.wanted.is_any:
                    lines.append(f"  step {position} wants it: does it come too early?")
                    break
            self._hold_against(error.what, *lines, *error.lines)
            self._close(*_UNMATCHED)
        except ClientDisconnected:
            pass  # explain_problem() says what follows
        except BaseException:
            self._has_failed = True
            self._close(*_FAILED)
            raise
        finally:
            channel.release()
            if channel.violation:
                self._hold_against(f"{channel.name}: {channel.violation}", *list_messages(channel.messages))

    def _close(self, code: int, reason: str) -> None:
        with contextlib.suppress(ClientDisconnected):
            self._channel.close(code, reason)
            self._channel.finish()

    def _hold_against(self, *lines: str) -> None:
        self._has_failed = True
        self._serving.server.inspection.note_violation(Violation(self._channel.request, lines, is_repeatable=False))

    # -- in words --------------------------------------------------------------------------------------------------

    def _explain_step(self) -> list[str]:
        steps, position = self._responder.steps, max(1, self._position)
        if not steps:
            return []
        step = steps[position - 1]
        return [f"  step {position} of {len(steps)} is {step.text}, written at {step.location}"]

    @property
    def must_go_on(self) -> bool:
        """Whether it has to come to its end, and has not."""
        return self._responder.must_finish and not (self._is_finished or self._has_failed)

    def explain_problem(self, *, once: bool = True) -> list[str]:
        """Return what is held against the test: an unfinished script, a message too many; once, if ``once``."""
        channel, lines = self._channel, []
        if self._is_reported or self._has_failed:
            return []
        if self.must_go_on:
            end = channel.describe_end()
            lines = [f"{channel.name} did not come to the end of its script: {end}", *self._explain_step()]
        elif self._is_finished and channel.untaken and any(step.wanted for step in self._responder.steps):
            # a script that receives nothing lets the client send what it likes
            more = count(len(channel.untaken), "message")
            lines = [f"{channel.name} was sent {more} that its script has no step for"]
        if lines:
            self._is_reported = once
            lines += list_messages(channel.messages)
        return lines


# -- what a test writes ------------------------------------------------------------------------------------------------


class WebSocketExpectation(KnownAttributes):
    """One expectation of WebSockets: which handshakes it answers, and the script that is played on each.

    Made by the stub's ``on_websocket()`` and ``expect_websocket()``.  Each step is done when the one before is; after
    the last the WebSocket stays open until the client leaves, or the test closes it.  Where there is a `receive`, the
    script says all that the client sends, and a message beyond it fails the test.

    Args:
        expectation: Of the handshake.
        subprotocols: What the stub speaks.
        must_finish: Whether a script that does not come to its end fails the test.
    """

    __slots__ = ("__weakref__", "_expectation")

    _settable_elsewhere = "nothing of it can be set"

    def __init__(self, expectation: Expectation, subprotocols: Sequence[str], *, must_finish: bool) -> None:
        self._expectation = expectation
        names = (subprotocols,) if isinstance(subprotocols, str) else tuple(subprotocols)
        expectation.answer = WebSocketResponder(names, must_finish)

    # -- the script ------------------------------------------------------------------------------------------------

    @suggest_keywords
    def send(self, data: object = ABSENT, *, json: object = ABSENT) -> WebSocketExpectation:
        """Send a message.

        Args:
            data: Text, or bytes.
            json: Any JSON value, sent as text.

        Returns:
            The expectation itself, as of all steps.

        Raises:
            UsageError: It is neither, or there are two.
        """
        made = make_data(data, json)
        return self._add(f"send({quote(made)})", lambda connection: connection.send(made))

    @suggest_keywords
    def receive(self, wanted: object = ABSENT, *, json: object = ABSENT) -> WebSocketExpectation:
        """Wait for a message; another one fails the test, and closes the WebSocket with 1008.

        Args:
            wanted: What it must be: text, bytes, a compiled pattern, a callable, or one of `ANY_OF` and its like;
                anything if it is not given.
            json: What it must be as JSON.

        Raises:
            UsageError: No message can be that.
        """
        message = WantedMessage(wanted, json)
        return self._add(str(message), lambda connection: connection.receive(wanted, json=json), wanted=message)

    def ping(self, data: bytes = b"ping") -> WebSocketExpectation:
        """Send a ping, and wait for its pong.

        Args:
            data: At most 125 bytes.

        Raises:
            UsageError: It is no such data.
        """
        made = check_ping(data)
        return self._add(f"ping({quote(made)})", lambda connection: connection.ping(made))

    def pause(self, seconds: float) -> WebSocketExpectation:
        """Wait; what the client sends meanwhile is received by the next steps.

        Raises:
            UsageError: It is no time.
        """
        check_seconds("seconds", seconds)
        return self._add(f"pause({seconds:g})", lambda connection: connection._channel.pump(lambda: False, seconds))

    def close(self, code: int = 1000, reason: str = "") -> WebSocketExpectation:
        """Send a close frame; nothing can follow.

        Args:
            code: Why: 1000 for no special reason.
            reason: The same in words, of at most 123 bytes.

        Raises:
            UsageError: No close frame can have them.
        """
        check_close(code, reason)
        text = f"close({code}{f', {quote(reason)}' if reason else ''})"
        return self._add(text, lambda connection: connection.close(code, reason), is_last=True)

    @suggest_keywords
    def drop(self, *, reset: bool = False) -> WebSocketExpectation:
        """End the connection without a close frame; nothing can follow.

        Args:
            reset: Whether with a TCP reset, instead of in good order.

        Raises:
            UsageError: It is neither.
        """
        check_switch("reset", reset)
        text = f"drop({'reset=True' if reset else ''})"
        return self._add(text, lambda connection: connection.drop(reset=reset), is_last=True)

    def reply_with(self, function: Callable[[WebSocketConnection], object]) -> WebSocketExpectation:
        """Call ``function`` with the connection; what it raises fails the test, and closes with 1011.

        Args:
            function: Called with the `WebSocketConnection`, on which it sends and receives for as long as it likes.  A
                coroutine function runs on a loop of the stub's, and awaits `WebSocketConnection.receive_async`.

        Raises:
            UsageError: It cannot be called.
        """
        if not callable(function):
            raise UsageError(f"reply_with() was given {quote(function)}; wanted a function of a connection")

        return self._add(
            f"reply_with({show(function)})", lambda connection: connection._channel.call(lambda: function(connection))
        )

    def fail(self, fault: WebSocketFault) -> WebSocketExpectation:
        """Fail; nothing can follow.

        Args:
            fault: What goes wrong.

        Raises:
            UsageError: There is no such fault, or it is one of the handshake and a step stands before it.
        """
        if not isinstance(fault, WebSocketFault):
            raise UsageError(f"fault is {quote(fault)}; wanted one of {', '.join(map(str, WebSocketFault))}")
        if fault is WebSocketFault.WRONG_ACCEPT_KEY:
            if self._responder.steps:
                raise UsageError(f"{fault} is a fault of the handshake, before which no step can stand")
            self._expectation.answer = replace(self._responder, has_wrong_key=True)
        if fault is WebSocketFault.STALL:
            return self._add(f"fail({fault})", lambda connection: connection._channel.stall(), is_last=True)
        data, seconds = _FRAMES.get(fault, b""), 0.0 if fault in _AT_ONCE else _PATIENCE
        return self._add(f"fail({fault})", lambda connection: connection._channel.send_raw(data, seconds), is_last=True)

    def refuse(
        self,
        status: object = 403,
        body: object = None,
        *,
        headers: Headers | None = None,
        **options: Unpack[ReplyOptions],
    ) -> WebSocketExpectation:
        """Refuse the handshake with a response; nothing can follow.

        Args:
            status: See `Expectation.reply`; so for the rest.
            body: The body.
            headers: The headers.
            options: The keywords of `Reply`.

        Raises:
            UsageError: There are steps, or the reply cannot be sent.
            TypeError: An unknown keyword; the message names the nearest.
        """
        if self._responder.steps:
            raise UsageError("refuse() stands behind a step, and what is refused has none: keep one of them")
        self._expectation.answer = replace(self._responder, refusal=combine(status, body, headers, options))
        return self

    @property
    def _responder(self) -> WebSocketResponder:
        return cast(WebSocketResponder, self._expectation.answer)  # which __init__ has set, and nothing else does

    def _add(
        self,
        text: str,
        run: Callable[[WebSocketConnection], object],
        wanted: WantedMessage | None = None,
        *,
        is_last: bool = False,
    ) -> WebSocketExpectation:
        responder = self._responder
        if responder.refusal is not None:
            raise UsageError(f"{text} cannot follow refuse(): there is no WebSocket then")
        if responder.steps and responder.steps[-1].is_last:
            raise UsageError(f"{text} cannot follow {responder.steps[-1].text}, which ends the connection")
        step = _Step(text, caller_location(), run, wanted, is_last)
        self._expectation.answer = replace(responder, steps=(*responder.steps, step))
        return self

    def then_state(self, state: str) -> WebSocketExpectation:
        """Move the scenario to ``state`` with the handshake: see `Expectation.then_state`."""
        self._expectation.then_state(state)
        return self

    def remove(self) -> None:
        """Remove it from the stub; WebSockets that are open stay."""
        self._expectation.remove()

    @property
    def _inspection(self) -> Inspection | None:
        return self._expectation._inspection

    # -- what happened ---------------------------------------------------------------------------------------------

    @in_thread("await ws.connection_async(…)")
    def connection(self, timeout: float | None = None) -> Wait[WebSocketConnection]:
        """Return the next WebSocket that was opened in this test; wait for one if there is none.

        In a ``with`` block it is closed at the end.

        Args:
            timeout: Seconds; None for the stub's ``timeout``.

        Raises:
            AssertionError: None was opened; the message says what came instead.
            UsageError: It would block a running event loop: await `connection_async` there.
        """
        inspection = self._expectation.get_inspection("connection")

        def take() -> WebSocketConnection | None:
            return next((each for each in self.connections if each._channel.take_for_test()), None)

        return inspection.wait(take, timeout, f"a WebSocket of {cite(self._expectation)}")

    connection_async = in_coroutine(connection, "ws")

    @property
    def connections(self) -> list[WebSocketConnection]:
        """The WebSockets of this test, in order, the closed ones, too; a snapshot."""
        return [request.websocket for request in self.requests if request.websocket is not None]

    @property
    def requests(self) -> list[RecordedRequest]:
        """The handshakes that it has answered in this test, in order; a snapshot."""
        return self._expectation.requests

    @property
    def times_called(self) -> int:
        """How many handshakes it has answered in this test."""
        return self._expectation.times_called

    @property
    def is_satisfied(self) -> bool:
        """Whether as many handshakes came as wanted; the scripts are verified at the end of the test."""
        return self._expectation.is_satisfied

    @in_thread("await expectation.wait_async(…)")
    def wait(self, times: int = 1, timeout: float | None = None) -> Wait[list[RecordedRequest]]:
        """Wait until so many handshakes have come: see `Expectation.wait`."""
        return self._expectation._make_wait(times, timeout)

    wait_async = in_coroutine(wait, "ws")

    def __repr__(self) -> str:
        steps = count(len(self._responder.steps), "step")
        return f"<WebSocketExpectation {self._expectation.describe()}, {steps}>"

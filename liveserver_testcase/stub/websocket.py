"""One WebSocket of a stub: its handshake, its messages, and what is wanted of them.

This is the only module that imports websockets, which is an extra and loaded with the first WebSocket stub.  Of it the
protocol is used (``ServerProtocol``), which does no I/O.

How it works: the thread of the connection, and no other, reads and writes its socket and uses the protocol.  It plays
the script, step by step, and whatever a step waits for it waits in `WebSocketConnection.pump`: for the client, for the
stub's stop, and for what other threads want done.  A test that has the connection in its hands, and a coroutine of
`WebSocketExpectation.reply_with`, are such threads: what they send is put into a queue, and what they wait for they see
in the journal.
"""

from __future__ import annotations

import collections
import logging
import re
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Literal, TypeAlias, TypeVar

from ..core.interrupts import monotonic
from ..core.names import KnownAttributes, suggest_keywords
from ..core.server import check_seconds, check_switch
from ..core.text import count, quote
from ..errors import ClientDisconnected, UsageError
from ..web.capture import WebSocketMessage
from .bodies import make_content
from .body_matchers import can_be
from .connection import StubConnection, Wake
from .matcher import Difference, find_differences, make_mismatch
from .parsing import NO_JSON, parse_json
from .reply import Reply
from .values import ABSENT, accepts, check_json, show

if TYPE_CHECKING:
    from websockets.frames import Frame
    from websockets.http11 import Response
    from websockets.server import ServerProtocol

    from .inspection import Inspection
    from .request import RecordedRequest
    from .websocket_script import ScriptRun

__all__ = [
    "Mismatched", "WantedMessage", "WebSocketConnection", "check_close", "check_installed", "check_ping", "make_data",
]  # fmt: skip

__unittest = True

T = TypeVar("T")
_Kind: TypeAlias = Literal["message", "ping", "pong", "close"]

_LOGGER = logging.getLogger(__name__)
_LARGEST = 64 * 1024 * 1024  # bytes of a message: more is closed with 1009
_CLOSE = 10.0  # seconds that a client gets to answer the close frame, as in websockets
_LONG = 3600.0  # seconds of one wait of those that last for as long as the client stays
_CANCEL = 0.25  # seconds that a coroutine of the script gets to see that its client has left
_MOST_LINES = 20  # of what was exchanged that are in a report
_CODES = (*range(1000, 1004), *range(1007, 1015), *range(3000, 5000))  # what a close frame can have: RFC 6455, 7.4


class Mismatched(AssertionError):
    """A message is not the one that is wanted.

    Args:
        what: Which, on a line.
        lines: How it differs.
        message: The message.
    """

    def __init__(self, what: str, lines: Sequence[str], message: str | bytes) -> None:
        super().__init__("\n".join([what, *lines]))
        self.what = what
        self.lines = lines
        self.message = message


class _Closed(ClientDisconnected, AssertionError):
    """The WebSocket is closed: the end of a function that serves it, and the failure of a test that waits."""


class _Once(Generic[T]):
    """A predicate of which the first true result is kept: what it takes out of a queue is not lost."""

    def __init__(self, predicate: Callable[[], T | None]) -> None:
        self._predicate = predicate
        self._result: T | None = None

    def __call__(self) -> T | None:
        if not self._result:
            self._result = self._predicate()
        return self._result

    def get(self, make_error: Callable[[], Exception]) -> T:
        """Return the result; raise if there is none."""
        result = self()
        if not result:
            raise make_error()
        return result


def check_installed() -> None:
    """Load what speaks the protocol.

    Raises:
        UsageError: It is not installed.
    """
    try:
        import websockets.server  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"a WebSocket stub needs websockets, which cannot be imported ({error}). "
            "Install liveserver-testcase[websocket]."
        ) from error


# -- what is sent, and what is wanted ----------------------------------------------------------------------------------


def make_data(data: object, json: object) -> str | bytes:
    """Make the message that ``send()`` was given.

    Raises:
        UsageError: It is none, or there are two.
    """
    if (data is ABSENT) == (json is ABSENT):
        raise UsageError("send() sends one message: wanted a str, bytes, or json=…")
    if json is not ABSENT:
        made = make_content(None, {"json": json}, None)[1]
        return made.decode() if isinstance(made, bytes) else ""
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    if not isinstance(data, str):
        hint = f": write json={quote(data)}" if isinstance(data, dict | list) else ""
        raise UsageError(f"send() was given {quote(data)}, of type {type(data).__name__}; wanted str or bytes{hint}")
    try:
        data.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"send() was given {quote(data)}, which is no text: {error.reason}") from error
    return data


def check_ping(data: object) -> bytes:
    """Return the data of a ping.

    Raises:
        UsageError: They are none.
    """
    if not isinstance(data, bytes | bytearray) or len(data) > 125:
        raise UsageError(f"ping() was given {quote(data)}; wanted at most 125 bytes")
    return bytes(data)


def check_close(code: object, reason: object) -> None:
    """Refuse what no close frame can have.

    Raises:
        UsageError: One of the two.
    """
    if isinstance(code, bool) or not isinstance(code, int) or code not in _CODES:
        raise UsageError(
            f"code is {quote(code)}; wanted one that a close frame can have: 1000 to 1003, 1007 to 1014 or 3000 to 4999"
        )
    if not isinstance(reason, str) or len(reason.encode(errors="replace")) > 123:
        raise UsageError(f"reason is {quote(reason)}; wanted a str of at most 123 bytes")


class WantedMessage:
    """What ``receive()`` wants.

    Args:
        wanted: Text or bytes, or what stands for several; ABSENT for any.
        json: Any value of JSON, or what stands for several; ABSENT where ``wanted`` says it.

    Raises:
        UsageError: No message can be that, or there are two.
    """

    weight = 1.0

    def __init__(self, wanted: object = ABSENT, json: object = ABSENT) -> None:
        self.is_any = wanted is ABSENT and json is ABSENT
        self.name = "message" if json is ABSENT else "json"
        if json is not ABSENT:
            if wanted is not ABSENT:
                raise UsageError("receive() wants one message: keep either the text, or json=…")
            check_json(json)
        elif isinstance(wanted, bytearray | memoryview):
            wanted = bytes(wanted)
        if json is ABSENT and not can_be(wanted, b""):
            hint = f": for a JSON value write json={quote(wanted)}" if isinstance(wanted, dict | list | int) else ""
            raise UsageError(f"receive() wants {quote(wanted)}; wanted a str, bytes, or a compiled pattern{hint}")
        self._wanted = wanted if json is ABSENT else json

    def _read(self, message: str | bytes) -> object:
        """Return of a message what is compared."""
        if self.name == "message":
            return message
        try:
            return parse_json(message.encode() if isinstance(message, str) else message, lambda: "utf-8")
        except ValueError:
            return NO_JSON

    def accepts(self, message: str | bytes) -> bool:
        """Return True if it is the one that is wanted; a predicate that raises does not accept it."""
        got = self._read(message)
        try:
            return self.is_any or (got is not NO_JSON and accepts(self._wanted, got))
        except Exception:  # of a predicate that was made for other messages: see explain()
            return False

    def explain(self, message: str | bytes) -> list[str]:
        """Return where a message that is not accepted differs."""
        got = self._read(message)
        if got is NO_JSON:
            found = [Difference("$", show(self._wanted), f"{quote(message)}, which is no JSON")]
        else:
            hint = ""
            if isinstance(self._wanted, str | bytes | re.Pattern):
                kind = self._wanted.pattern if isinstance(self._wanted, re.Pattern) else self._wanted
                if isinstance(kind, str) != isinstance(message, str):
                    hint = f"a {'text' if isinstance(message, str) else 'binary'} message: the other kind is wanted"
            found = find_differences(self._wanted, got)
            found = found or [Difference("$", show(self._wanted), quote(message))]
            if hint:
                found[0] = found[0]._replace(hint=hint)
        mismatch = make_mismatch(self, found)
        return [f"FAIL {mismatch}", *(f"     {line}" for line in mismatch.details)]

    def __str__(self) -> str:
        if self.is_any:
            return "receive()"
        return f"receive({'json=' if self.name == 'json' else ''}{show(self._wanted)})"


# -- a connection ------------------------------------------------------------------------------------------------------


class WebSocketConnection(KnownAttributes):
    """One WebSocket that a client has opened.

    A test gets it of `WebSocketExpectation.connection`, a function of `WebSocketExpectation.reply_with` as its
    argument.  In a ``with`` block it is closed at the end; to iterate over it gives each message until the client
    leaves.

    Args:
        connection: The client's, whose thread this is.
        request: The handshake.
        subprotocols: What the stub speaks; the first that the client offers is chosen.
        script: What is played on it.
    """

    __slots__ = (
        "__weakref__", "_close_code", "_close_reason", "_commands", "_connection", "_fragments", "_has_begun",
        "_is_over", "_is_taken", "_is_text", "_lock", "_messages", "_pongs", "_protocol", "_request", "_script",
        "_untaken", "_violation", "_wake",
    )  # fmt: skip

    _settable_elsewhere = "nothing of it can be set"

    def __init__(
        self, connection: StubConnection, request: RecordedRequest, subprotocols: Sequence[str], script: ScriptRun
    ) -> None:
        from websockets.server import ServerProtocol

        def choose(_protocol: object, offered: Sequence[str]) -> str | None:
            return next((name for name in subprotocols if name in offered), None)

        self._connection = connection
        self._request = request
        self._script = script
        self._protocol: ServerProtocol = ServerProtocol(
            select_subprotocol=choose,  # type: ignore[arg-type]  # which has a type of its own for a str
            max_size=_LARGEST,
            logger=_LOGGER,
        )
        self._lock = threading.Lock()  # guards what has not been taken or done yet
        self._commands: collections.deque[Callable[[], None]] = collections.deque()  # of other threads
        self._untaken: collections.deque[str | bytes] = collections.deque()  # messages that nobody has received
        self._messages: list[WebSocketMessage] = []
        self._fragments: list[bytes] | None = None  # of a message that comes in several frames
        self._pongs: set[bytes] = set()
        self._has_begun = self._is_over = self._is_taken = self._is_text = False
        self._close_code: int | None = None
        self._close_reason = ""
        self._violation = ""
        self._wake = Wake()

    # -- facts -----------------------------------------------------------------------------------------------------

    @property
    def request(self) -> RecordedRequest:
        """The handshake."""
        return self._request

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that was agreed upon; None if none was."""
        return self._protocol.subprotocol

    @property
    def messages(self) -> list[WebSocketMessage]:
        """What was exchanged, in order: messages, pings, pongs and the close frames; a snapshot."""
        return list(self._messages)

    @property
    def received(self) -> list[str | bytes]:
        """The messages that the client has sent, in order; a snapshot."""
        return [each.data for each in self.messages if each.kind == "message" and not each.sent]

    @property
    def sent(self) -> list[str | bytes]:
        """The messages that the client was sent, in order; a snapshot."""
        return [each.data for each in self.messages if each.kind == "message" and each.sent]

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return self._has_begun and not self._is_over and self._protocol.state.name == "OPEN"

    @property
    def close_code(self) -> int | None:
        """The code of the client's close frame: 1005 if that has none, 1006 if it has left without; None before."""
        return self._close_code

    @property
    def close_reason(self) -> str:
        """The reason in the client's close frame."""
        return self._close_reason

    # -- what a test, or a function of its, does -------------------------------------------------------------------

    @suggest_keywords
    def receive(self, wanted: object = ABSENT, *, json: object = ABSENT, timeout: float | None = None) -> str | bytes:
        """Return the next message; wait for one if there is none.

        Args:
            wanted: What it must be: text, bytes, a compiled pattern, a callable, or one of `ANY_OF` and its like;
                anything if it is not given.
            json: What it must be as JSON.
            timeout: Seconds; None for the stub's ``timeout``, and, in a function of ``reply_with()``, for as long as
                the client stays.

        Raises:
            AssertionError: It is another one, none came, or the client has left; in a function of ``reply_with()`` the
                last is a `ClientDisconnected`, too, which ends it without failing the test.
            UsageError: No message can be that, or it would block an event loop: await `receive_async` there.
        """
        message = WantedMessage(wanted, json)
        what = f"{message} on {self._name}"
        return self._check(message, self._wait(self._take, timeout, what, "await connection.receive_async(…)"))

    @suggest_keywords
    async def receive_async(
        self, wanted: object = ABSENT, *, json: object = ABSENT, timeout: float | None = None
    ) -> str | bytes:
        """`receive`, for code on an event loop."""
        message = WantedMessage(wanted, json)
        return self._check(message, await self._wait_async(self._take, timeout, f"{message} on {self._name}"))

    @suggest_keywords
    def send(self, data: object = ABSENT, *, json: object = ABSENT) -> None:
        """Send a message; it does not wait for the client.

        Args:
            data: Text, or bytes.
            json: Any JSON value, sent as text.

        Raises:
            AssertionError: The WebSocket is closed; see `receive`.
            UsageError: It is neither, or there are two.
        """
        made = make_data(data, json)

        def act() -> None:
            if isinstance(made, str):
                self._protocol.send_text(made.encode())
            else:
                self._protocol.send_binary(made)
            self._note(made, sent=True)

        self._do(act, "send a message")

    @suggest_keywords
    def ping(self, data: bytes = b"ping", *, timeout: float | None = None) -> None:
        """Send a ping, and wait for its pong.

        Args:
            data: At most 125 bytes.
            timeout: See `receive`.

        Raises:
            AssertionError: There is none; see `receive`.
            UsageError: It is no such data, or it would block an event loop: await `ping_async` there.
        """
        what = self._ping(data)
        self._wait(lambda: bytes(data) in self._pongs, timeout, what, "await connection.ping_async(…)")

    @suggest_keywords
    async def ping_async(self, data: bytes = b"ping", *, timeout: float | None = None) -> None:
        """`ping`, for code on an event loop."""
        await self._wait_async(lambda: bytes(data) in self._pongs, timeout, self._ping(data))

    def _ping(self, data: object) -> str:
        made = check_ping(data)
        self._pongs.discard(made)

        def act() -> None:
            self._protocol.send_ping(made)
            self._note(made, "ping", sent=True)

        self._do(act, "send a ping")
        return f"a pong {quote(made)} on {self._name}"

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Send a close frame; the client answers it, and the connection ends.  Again does nothing.

        Args:
            code: Why: 1000 for no special reason.
            reason: The same in words, of at most 123 bytes.

        Raises:
            UsageError: No close frame can have them.
        """
        check_close(code, reason)

        def act() -> None:
            if self.is_open:
                self._protocol.send_close(code, reason)
                self._note(reason, "close", sent=True, code=code)

        if self.is_open:
            self._do(act)

    @suggest_keywords
    def drop(self, *, reset: bool = False) -> None:
        """End the connection without a close frame.

        Args:
            reset: Whether with a TCP reset, instead of in good order.
        """
        check_switch("reset", reset)

        def act() -> None:
            self.end("the test dropped it", reset=reset)

        if not self._is_over:
            self._do(act)

    @suggest_keywords
    def wait_closed(self, timeout: float | None = None) -> int:
        """Wait until the client has closed the WebSocket, or left; returns its `close_code`.

        Args:
            timeout: See `receive`.

        Raises:
            AssertionError: It has not.
            UsageError: It would block an event loop: await `wait_closed_async` there.
        """
        what = f"{self._name} to be closed"
        self._wait(lambda: self._is_over, timeout, what, "await connection.wait_closed_async(…)")
        return self._close_code or 1006

    @suggest_keywords
    async def wait_closed_async(self, timeout: float | None = None) -> int:
        """`wait_closed`, for code on an event loop."""
        await self._wait_async(lambda: self._is_over, timeout, f"{self._name} to be closed")
        return self._close_code or 1006

    def __enter__(self) -> WebSocketConnection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[str | bytes]:
        while True:
            try:
                message = self.receive()
            except _Closed:
                return
            yield message

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        while True:
            try:
                message = await self.receive_async()
            except _Closed:
                return
            yield message

    # -- waiting, and acting, from any thread ----------------------------------------------------------------------

    @property
    def _name(self) -> str:
        return f"the WebSocket {self._request.describe()}"

    @property
    def _is_served_here(self) -> bool:
        """Whether this is the thread of the connection, which must do itself what it waits for."""
        return self._connection.thread == threading.get_ident()

    def _do(self, act: Callable[[], None], what: str = "") -> None:
        """Have the thread of the connection do something; what has a name needs an open WebSocket."""
        if what and not self.is_open:
            raise self._make_closed(f"cannot {what} on {self._name}")
        if self._is_served_here:
            act()
            self._flush()
            return
        with self._lock:
            self._commands.append(act)
            is_first = len(self._commands) == 1
        if is_first:
            self._wake.set()

    def _wait(self, predicate: Callable[[], T | None], timeout: float | None, what: str, async_name: str) -> T:
        """Wait until ``predicate()`` is true; it is asked whenever something has happened."""
        found = _Once(predicate)
        if self._is_served_here:
            seconds = None if timeout is None else check_seconds("timeout", timeout)
            self.pump(found, seconds)
            if not self._is_over and not found():
                raise AssertionError("\n".join([f"waited {seconds or 0:g} s for {what}", *self.list_messages()]))
        else:
            self._inspection.wait(lambda: found() or self._is_over, timeout, what, async_name)
        return found.get(lambda: self._make_closed(f"waited for {what}"))

    async def _wait_async(self, predicate: Callable[[], T | None], timeout: float | None, what: str) -> T:
        """`_wait`, for code on an event loop; where that is the stub's, it lasts for as long as the client stays."""
        found, server = _Once(predicate), self._connection.server
        if timeout is None and server.loop.runs_here():
            while not await server.journal.wait_for_async(lambda: found() or self._is_over, _LONG):
                pass
        else:
            await self._inspection.wait_async(lambda: found() or self._is_over, timeout, what)
        return found.get(lambda: self._make_closed(f"waited for {what}"))

    @property
    def _inspection(self) -> Inspection:
        return self._connection.server.inspection

    def _take(self) -> tuple[str | bytes] | None:
        """Take the oldest message that nobody has received; in a tuple, since it may be empty."""
        with self._lock:
            return (self._untaken.popleft(),) if self._untaken else None

    def _check(self, wanted: WantedMessage, found: tuple[str | bytes]) -> str | bytes:
        (message,) = found
        if not wanted.accepts(message):
            raise Mismatched(
                f"{self._name} was sent another message than {wanted} wants",
                [*(f"    {line}" for line in wanted.explain(message)), *self.list_messages()],
                message,
            )
        return message

    def _make_closed(self, what: str) -> _Closed:
        return _Closed("\n".join([f"{what}, but {self.describe_end()}", *self.list_messages()]))

    def take_for_test(self) -> bool:
        """Return True if a test gets it, which each does once."""
        with self._lock:
            is_free = self._has_begun and not self._is_taken
            self._is_taken = self._is_taken or is_free
            return is_free

    # -- what the thread of the connection does --------------------------------------------------------------------

    def begin(self, spoil: Callable[[Response], None] | None) -> bool:
        """Do the handshake; returns whether it succeeded.

        Args:
            spoil: Changes the response.
        """
        request, protocol = self._request, self._protocol
        exchange = request.exchange
        _, early = self._connection.take_over()
        self._connection.heeds_stop = True
        protocol.receive_data(request.head.block)
        (event,) = protocol.events_received() or (None,)
        response: Response | None = None
        if event is not None:
            response = protocol.accept(event)  # type: ignore[arg-type]  # a Request, as long as it is connecting
            if spoil is not None:
                spoil(response)
            protocol.send_response(response)
            exchange.status = response.status_code
            headers = tuple(response.headers.raw_items())
            request.reply = Reply().changed(status=response.status_code, headers=headers, body=response.body or b"")
        self._has_begun = response is not None and response.status_code == 101
        if not self._has_begun:
            self._violation = f"its handshake is malformed: {protocol.handshake_exc}"
        self._flush()
        if not self._has_begun:
            self._is_over = True
        elif early:
            self._handle(early)
        self._connection.notify()
        return self._has_begun

    def pump(self, is_done: Callable[[], object], seconds: float | None = None) -> None:
        """Read, and do what other threads want, until ``is_done()``, the end, or for so many seconds."""
        connection = self._connection
        deadline = None if seconds is None else monotonic() + seconds
        before, connection.heeds_stop = connection.heeds_stop, True
        try:
            while not self._is_over and not is_done():
                left = None if deadline is None else deadline - monotonic()
                if left is not None and left <= 0:
                    return
                self._run_commands()
                if self._is_over or is_done():
                    return
                data = connection.receive_or_wake(left, self._wake)
                if connection.stopping.is_set():
                    self._leave(1001, "the server stops")
                elif data is not None:
                    self._handle(data)
        finally:
            connection.heeds_stop = before

    def call(self, function: Callable[[WebSocketConnection], object]) -> None:
        """Call a function of the test's, for which a stop does not wait; a coroutine runs on the stub's loop."""
        self._connection.heeds_stop = False
        try:
            result = function(self)
            if isinstance(result, Awaitable):
                self._run(result)
        finally:
            self._connection.heeds_stop = True

    def _run(self, work: Awaitable[object]) -> None:
        """Run a coroutine on the stub's loop, and pump meanwhile."""
        import concurrent.futures  # which asyncio has loaded by then

        connection = self._connection
        future = connection.server.loop.submit(work)
        future.add_done_callback(lambda _: self._wake.set())
        try:
            self.pump(future.done)
            concurrent.futures.wait([future], 0.0 if connection.stopping.is_set() else _CANCEL)
            if future.done():
                future.result()
        finally:
            future.cancel()

    def finish(self) -> None:
        """Wait until the client has left; what it sends is recorded, and what the test wants is done."""
        self.pump(lambda: self._protocol.state.name != "OPEN")
        self.pump(lambda: False, _CLOSE)
        self.end("the client did not answer the close frame")

    def end(self, reason: str, *, reset: bool = False) -> None:
        """End the connection as it is."""
        if not self._is_over:
            self._is_over = True
            self._connection.abandon(reason, reset=reset, linger=not reset)
            self._connection.notify()

    def send_raw(self, data: bytes, seconds: float) -> None:
        """Send bytes past the protocol, wait for so many seconds until the client leaves, and end the connection."""
        self._connection.send(data)
        self.pump(lambda: False, seconds)
        self.end("scripted fault")

    def stall(self) -> None:
        """Neither read nor send anything until the client leaves or the stub stops."""
        self._connection.pause(None)
        self._is_over = True

    def release(self) -> None:
        """Let go of what it holds; nothing more happens on it."""
        with self._lock:
            self._is_over = True
            self._commands.clear()
        if self._close_code is None and self._has_begun:
            self._close_code = 1006
        self._wake.close()
        self._connection.end_tls()
        self._connection.notify()

    # -- for reports -----------------------------------------------------------------------------------------------

    @property
    def script(self) -> ScriptRun:
        """What is played on it."""
        return self._script

    @property
    def violation(self) -> str:
        """How the client has broken the protocol; empty if it has not."""
        return self._violation

    def count_untaken(self) -> int:
        """Return how many messages nobody has received."""
        return len(self._untaken)

    def describe_end(self) -> str:
        """Say who has closed it, and how, or that it is open."""
        closed = next((each for each in self.messages if each.kind == "close"), None)
        if closed is not None:
            reason = f" {quote(closed.data)}" if closed.data else ""
            return f"the {'stub' if closed.sent else 'client'} has closed it with {closed.code}{reason}"
        if not self._has_begun:
            return "its handshake has failed"
        return "it has ended without a close frame" if self._is_over else "it is open"

    def summarize(self) -> str:
        """Say in a few words what came of it."""
        received, sent = len(self.received), len(self.sent)
        return f"{count(received, 'message')} received, {sent:,} sent, {self.describe_end()}"

    def list_messages(self) -> list[str]:
        """What was exchanged on it, a line each: the first and the last, if there are many."""
        lines = [f"    {'stub  ' if each.sent else 'client'}  {_describe(each)}" for each in self.messages]
        half = _MOST_LINES // 2
        if len(lines) > _MOST_LINES:
            lines[half:-half] = [f"    … {len(lines) - 2 * half:,} more …"]
        return ["  what was exchanged on it:", *lines] if lines else ["  nothing was exchanged on it"]

    def __repr__(self) -> str:
        return f"<WebSocketConnection {self._request.describe()}: {self.summarize()}>"

    def is_at_rest(self) -> bool:
        """Return True if all that the client has sent, and the test wants to send, has been dealt with."""
        return not self._commands and (self._is_over or self._connection.is_at_rest())

    def _leave(self, code: int, reason: str) -> None:
        """Close it without waiting for the client."""
        try:
            self.close(code, reason)
        except ClientDisconnected:
            pass
        self._is_over = True

    def _run_commands(self) -> None:
        while True:
            with self._lock:
                command = self._commands.popleft() if self._commands else None
            if command is None:
                return
            if not self._is_over:
                command()
                self._flush()

    def _handle(self, data: bytes) -> None:
        """Take what the client has sent: complete messages are put where they are waited for."""
        protocol = self._protocol
        if data:
            protocol.receive_data(data)
        else:
            protocol.receive_eof()
        for frame in protocol.events_received():
            self._note_frame(frame)  # type: ignore[arg-type]  # no request any more
        error = protocol.parser_exc
        if error is not None and not isinstance(error, EOFError):
            self._violation = self._violation or f"the client has broken the protocol: {error}"
        sent = protocol.close_sent
        if sent is not None and not any(each.sent and each.kind == "close" for each in self._messages):
            self._note(sent.reason, "close", sent=True, code=int(sent.code))
        self._flush()
        if not data:
            self._is_over = True
        self._connection.notify()

    def _note_frame(self, frame: Frame) -> None:
        kind, data = frame.opcode.name, bytes(frame.data)
        if kind == "PING":
            self._note(data, "ping", sent=False)
            self._note(data, "pong", sent=True)
        elif kind == "PONG":
            self._note(data, "pong", sent=False)
            self._pongs.add(data)
        elif kind == "CLOSE":
            close = self._protocol.close_rcvd
            if close is not None:
                self._close_code, self._close_reason = int(close.code), close.reason
                self._note(close.reason, "close", sent=False, code=self._close_code)
        else:
            self._take_fragment(kind, data, frame.fin)

    def _take_fragment(self, kind: str, data: bytes, is_last: bool) -> None:
        if kind != "CONT":
            self._fragments, self._is_text = [], kind == "TEXT"
        if self._fragments is None:
            return
        self._fragments.append(data)
        if not is_last:
            return
        whole, self._fragments = b"".join(self._fragments), None
        message: str | bytes = whole
        if self._is_text:
            try:
                message = whole.decode()
            except UnicodeDecodeError as error:
                self._violation = f"the client has broken the protocol: a text that is no UTF-8: {quote(whole)}"
                self._protocol.fail(1007, f"{error.reason} at position {error.start}")
                return
        self._note(message, sent=False)
        with self._lock:
            self._untaken.append(message)

    def _note(self, data: str | bytes, kind: _Kind = "message", *, sent: bool, code: int | None = None) -> None:
        self._messages.append(WebSocketMessage(sent, monotonic(), data, kind, code))
        self._connection.notify()

    def _flush(self) -> None:
        """Send what the protocol wants sent."""
        try:
            for data in self._protocol.data_to_send():
                if data:
                    self._connection.send(data)
                else:
                    self._is_over = True  # the engine lets the client read what it was sent, and closes
        except ClientDisconnected:
            self._is_over = True
            raise


def _describe(message: WebSocketMessage) -> str:
    if message.kind == "message":
        return quote(message.data)
    code = "" if message.code is None else f" {message.code}"
    return f"{message.kind}{code}{f' {quote(message.data)}' if message.data else ''}"

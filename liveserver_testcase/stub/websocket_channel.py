"""One WebSocket on the wire, in the thread of its connection: its handshake, its frames, its end.

Of websockets the protocol is used (``ServerProtocol``), which does no I/O.  It is an extra, and loaded with the first
WebSocket that is opened.

How it works: the thread of the connection, and no other, reads and writes its socket and uses the protocol.  It plays
the script, step by step, and whatever a step waits for it waits in `WebSocketChannel.pump`: for the client, for the
stub's stop, and for what other threads want done.  A test that has the connection in its hands, and a coroutine of
``reply_with()``, are such threads: what they send is put into a queue, and what they wait for they see in the journal.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypeVar

from ..core.checks import check_seconds
from ..core.interrupts import monotonic
from ..core.text import count, quote
from ..errors import ClientDisconnected, UsageError
from ..web.capture import WebSocketMessage
from .connection import StubConnection, Wake
from .reply import Reply
from .waiting import Wait
from .websocket_messages import list_messages

if TYPE_CHECKING:
    from websockets.frames import Frame
    from websockets.server import ServerProtocol

    from .inspection import Inspection
    from .request import RecordedRequest
    from .websocket_script import ScriptRun

__all__ = ["ChannelWait", "WebSocketChannel", "WebSocketClosed", "check_installed"]

__unittest = True

T = TypeVar("T")
_Kind: TypeAlias = Literal["message", "ping", "pong", "close"]

_LOGGER = logging.getLogger(__name__)
_LARGEST = 64 * 1024 * 1024  # bytes of a message: more is closed with 1009
_CLOSE = 10.0  # seconds that a client gets to answer the close frame, as in websockets
_LONG = 3600.0  # seconds of one wait of those that last for as long as the client stays
_CANCEL = 0.25  # seconds that a coroutine of the script gets to see that its client has left


def check_installed() -> None:
    """Load what speaks the protocol; where it is not installed, that is a `UsageError`."""
    try:
        import websockets.server  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"a WebSocket stub needs websockets, which cannot be imported ({error}). "
            "Install liveserver-testcase[websocket]."
        ) from error


class WebSocketClosed(ClientDisconnected, AssertionError):
    """The WebSocket is closed: the end of a function that serves it, and the failure of a test that waits."""


class WebSocketChannel:
    """Serves one WebSocket; of what the stub speaks the first subprotocol that the client offers is chosen."""

    def __init__(
        self, connection: StubConnection, request: RecordedRequest, subprotocols: Sequence[str], script: ScriptRun
    ) -> None:
        from websockets.server import ServerProtocol

        def choose(_protocol: object, offered: Sequence[str]) -> str | None:
            return next((name for name in subprotocols if name in offered), None)

        self.request = request
        self.script = script
        self.name = f"the WebSocket {request.describe()}"
        # Used in the thread of the connection only; others can read its subprotocol.
        self.protocol: ServerProtocol = ServerProtocol(
            select_subprotocol=choose,  # type: ignore[arg-type]  # which has a type of its own for a str
            max_size=_LARGEST,
            logger=_LOGGER,
        )
        self.messages: list[WebSocketMessage] = []  # what was exchanged, control frames, too
        self.untaken: collections.deque[str | bytes] = collections.deque()  # messages that nobody has received
        self.has_begun = False  # the handshake has succeeded
        self.is_over = False  # nothing more can come or go
        self.violation = ""  # how the client has broken the protocol
        self._connection = connection
        self._fragments: list[bytes] | None = None  # of a message that comes in several frames
        self._is_text = False  # that message
        self._is_taken = False
        self._lock = threading.Lock()  # guards that, and the commands
        # What is to be done, and whether on an open WebSocket only.
        self._commands: collections.deque[tuple[Callable[[], None], bool]] = collections.deque()
        self._wake = Wake()

    # -- facts -----------------------------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return self.has_begun and not self.is_over and self.protocol.state.name == "OPEN"

    @property
    def close_code(self) -> int | None:
        """The code of the client's close frame: 1005 if that has none, 1006 if it has left without; None before."""
        received = self.protocol.close_rcvd
        if received is not None:
            return int(received.code)
        return 1006 if self.is_over and self.has_begun else None

    def is_at_rest(self) -> bool:
        """Return True if all that the client has sent, and the test wants to send, has been dealt with."""
        return not self._commands and (self.is_over or self._connection.is_at_rest())

    def describe_end(self) -> str:
        """Say who has closed it, and how, or that it is open."""
        closed = next((each for each in self.messages if each.kind == "close"), None)
        if closed is not None:
            reason = f" {quote(closed.data)}" if closed.data else ""
            return f"the {'stub' if closed.sent else 'client'} has closed it with {closed.code}{reason}"
        if not self.has_begun:
            return "its handshake has failed"
        return "it has ended without a close frame" if self.is_over else "it is open"

    def summarize(self) -> str:
        """Say in a few words what came of it."""
        sent = [each.sent for each in self.messages if each.kind == "message"]
        return f"{count(sent.count(False), 'message')} received, {sent.count(True):,} sent, {self.describe_end()}"

    # -- for any thread --------------------------------------------------------------------------------------------

    def take_for_test(self) -> bool:
        """Return True if a test gets it, which each does once."""
        with self._lock:
            is_free = self.has_begun and not self._is_taken
            self._is_taken = self._is_taken or is_free
            return is_free

    def do(self, act: Callable[[], None], what: str = "") -> None:
        """Have the thread of the connection do something; what has a name needs an open WebSocket."""
        if what and not self.is_open:
            raise self.make_closed(f"cannot {what} on {self.name}")
        with self._lock:
            if self.is_over:
                return
            self._commands.append((act, bool(what)))
            is_first = len(self._commands) == 1
        if self.is_served_here():
            self._run_commands()  # what others have wanted before comes before it
        elif is_first:
            self._wake.set()

    def note(self, data: str | bytes, kind: _Kind = "message", *, sent: bool, code: int | None = None) -> None:
        """Record what was exchanged."""
        self.messages.append(WebSocketMessage(sent, monotonic(), data, kind, code))
        self._connection.notify()

    @property
    def inspection(self) -> Inspection:
        """What waits for things to happen on it."""
        return self._connection.server.inspection

    def is_served_here(self) -> bool:
        """Return True in the thread of its connection."""
        return self._connection.thread == threading.get_ident()

    def make_closed(self, what: str) -> WebSocketClosed:
        """Make what is raised where ``what`` cannot be done or come any more."""
        return WebSocketClosed("\n".join([f"{what}, but {self.describe_end()}", *list_messages(self.messages)]))

    # -- for the thread of the connection --------------------------------------------------------------------------

    def begin(self, *, has_wrong_key: bool) -> bool:
        """Do the handshake, with a key that is made of the client's or not; returns whether it succeeded."""
        request, protocol = self.request, self.protocol
        _, early = self._connection.take_over()
        self._connection.heeds_stop = True
        protocol.receive_data(request.head.block)
        for event in protocol.events_received():
            response = protocol.accept(event)  # type: ignore[arg-type]  # a Request, as long as it is connecting
            if has_wrong_key:
                del response.headers["Sec-WebSocket-Accept"]
                response.headers["Sec-WebSocket-Accept"] = "bm90IG1hZGUgb2YgdGhlIGtleQ=="
            protocol.send_response(response)
            request.exchange.status = response.status_code
            headers = tuple(response.headers.raw_items())
            request.reply = Reply().changed(status=response.status_code, headers=headers, body=response.body or b"")
            self.has_begun = response.status_code == 101
        if not self.has_begun:
            self.violation = f"its handshake is malformed: {protocol.handshake_exc}"
        self._flush()
        if not self.has_begun:
            self.is_over = True
        elif early:
            self._handle(early)
        self._connection.notify()
        return self.has_begun

    def pump(self, is_done: Callable[[], T | None], seconds: float | None = None) -> T | None:
        """Read, and do what other threads want, until ``is_done()``, which is returned, the end, or so many seconds."""
        connection = self._connection
        deadline = None if seconds is None else monotonic() + seconds
        before, connection.heeds_stop = connection.heeds_stop, True
        try:
            while True:
                result = is_done()
                has_run = self._run_commands()  # also if it is done: a coroutine's last message is among them
                if result or self.is_over:
                    return result
                left = None if deadline is None else deadline - monotonic()
                if left is not None and left <= 0:
                    return None
                if has_run:
                    continue
                data = connection.receive_or_wake(left, self._wake)
                if connection.stopping.is_set():
                    with contextlib.suppress(ClientDisconnected):
                        self.close(1001, "the server stops")
                    self.is_over = True
                elif data is not None:
                    self._handle(data)
        finally:
            connection.heeds_stop = before

    def _run_commands(self) -> bool:
        """Do what was wanted, in its order; returns whether there was anything."""
        has_run = False
        while True:
            with self._lock:
                act, needs_open = self._commands.popleft() if self._commands else (None, False)
            if act is None:
                return has_run
            has_run = True
            may_act = self.is_open if needs_open else not self.is_over  # it was open when this was asked for
            if may_act:
                act()
                self._flush()

    def call(self, work: Callable[[], object]) -> None:
        """Call a function of the test's, for which a stop does not wait; a coroutine runs on the stub's loop."""
        connection = self._connection
        connection.heeds_stop = False
        try:
            result = work()
            if not isinstance(result, Awaitable):
                return
            import concurrent.futures  # which asyncio has loaded by then

            future = connection.server.loop.submit(result)
            future.add_done_callback(lambda _: self._wake.set())
            try:
                self.pump(future.done)
                concurrent.futures.wait([future], 0.0 if connection.stopping.is_set() else _CANCEL)
                if future.done():
                    future.result()
            finally:
                future.cancel()
        finally:
            connection.heeds_stop = True

    def close(self, code: int, reason: str) -> None:
        """Send a close frame, unless one was sent or has come."""

        def act() -> None:
            if self.is_open:
                self.protocol.send_close(code, reason)

        if self.is_open:
            self.do(act)

    def finish(self) -> None:
        """Wait until the client has left; what it sends is recorded, and what the test wants is done."""
        self.pump(lambda: self.protocol.state.name != "OPEN")
        self.pump(lambda: False, _CLOSE)
        self.end("the client did not answer the close frame")

    def end(self, reason: str, *, reset: bool = False) -> None:
        """End the connection as it is."""
        if not self.is_over:
            self.is_over = True
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
        self.is_over = True

    def release(self) -> None:
        """Let go of what it holds; nothing more happens on it."""
        with self._lock:
            self.is_over = True
            self._commands.clear()
        self._wake.close()
        self._connection.end_tls()
        self._connection.notify()

    # -- frames ----------------------------------------------------------------------------------------------------

    def _handle(self, data: bytes) -> None:
        """Take what the client has sent: complete messages are put where they are waited for."""
        protocol = self.protocol
        if data:
            protocol.receive_data(data)
        else:
            protocol.receive_eof()
        for frame in protocol.events_received():
            self._note_frame(frame)  # type: ignore[arg-type]  # no request any more
        error = protocol.parser_exc
        if error is not None and not isinstance(error, EOFError):
            self.violation = self.violation or f"the client has broken the protocol: {error}"
        self._flush()
        if not data:
            self.is_over = True
        self._connection.notify()

    def _note_frame(self, frame: Frame) -> None:
        kind, data = frame.opcode.name, bytes(frame.data)
        if kind == "PING":
            self.note(data, "ping", sent=False)
            self.note(data, "pong", sent=True)  # which the protocol answers with
        elif kind == "PONG":
            self.note(data, "pong", sent=False)
        elif kind == "CLOSE":
            close = self.protocol.close_rcvd
            if close is not None:
                self.note(close.reason, "close", sent=False, code=int(close.code))
        else:
            if kind != "CONT":
                self._fragments, self._is_text = [], kind == "TEXT"
            if self._fragments is None:
                return  # the rest of a text that is none: the protocol has failed already
            self._fragments.append(data)
            if not frame.fin:
                return
            whole, self._fragments = b"".join(self._fragments), None
            message: str | bytes = whole
            if self._is_text:
                try:
                    message = whole.decode()
                except UnicodeDecodeError as error:
                    self.violation = f"the client has broken the protocol: a text that is no UTF-8: {quote(whole)}"
                    self.protocol.fail(1007, f"{error.reason} at position {error.start}")
                    return
            self.untaken.append(message)
            self.note(message, sent=False)

    def _flush(self) -> None:
        """Send what the protocol wants sent; of that a close frame is recorded here, for it closes of itself, too."""
        close = self.protocol.close_sent
        if close is not None and not any(each.sent and each.kind == "close" for each in self.messages):
            self.note(close.reason, "close", sent=True, code=int(close.code))
        try:
            for data in self.protocol.data_to_send():
                if data:
                    self._connection.send(data)
                else:
                    self.is_over = True  # the engine lets the client read what it was sent, and closes
        except ClientDisconnected:
            self.is_over = True
            raise


@dataclass(frozen=True)
class ChannelWait(Generic[T]):
    """A wait for something on a WebSocket, which its end ends, too; otherwise as a `Wait`."""

    channel: WebSocketChannel
    until: Callable[[], Any]
    timeout: float | None  # of a function of the stub's that has none, it lasts for as long as the client stays
    what: str
    conclude: Callable[[Any], T]

    def run(self, what: str, instead: str) -> T:
        """Wait in a thread; that of the connection must do itself what it waits for."""
        channel = self.channel
        if not channel.is_served_here():
            return self._finish(self._make_wait().run(what, instead))
        seconds = None if self.timeout is None else check_seconds("timeout", self.timeout)
        found = channel.pump(self.until, seconds)
        if not found and not channel.is_over:
            lines = [f"waited {seconds or 0:g} s for {self.what}", *list_messages(channel.messages)]
            raise AssertionError("\n".join(lines))
        return self._finish(found)

    async def run_async(self) -> T:
        """Wait in a coroutine."""
        server = self.channel._connection.server
        if self.timeout is not None or not server.loop.runs_here():
            return self._finish(await self._make_wait().run_async())
        while True:
            found = await server.journal.wait_for_async(self._has_ended, _LONG)
            if found:
                return self._finish(found)

    def _make_wait(self) -> Wait[Any]:
        return self.channel.inspection.wait(self._has_ended, self.timeout, self.what)

    def _has_ended(self) -> Any:
        return self.until() or self.channel.is_over

    def _finish(self, found: Any) -> T:
        # True may say that it is over: then something can have come before the end
        result = self.until() if found is True else found
        if not result:
            raise self.channel.make_closed(f"waited for {self.what}")
        return self.conclude(result)

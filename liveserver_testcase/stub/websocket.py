"""One WebSocket of a stub, as a test or a function of its own has it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from ..core.checks import KnownAttributes, check_switch, suggest_keywords
from ..core.text import quote
from ..web.capture import WebSocketMessage
from .values import ABSENT
from .waiting import in_coroutine, in_thread
from .websocket_channel import ChannelWait, WebSocketChannel, WebSocketClosed
from .websocket_messages import Mismatched, WantedMessage, check_close, check_ping, list_messages, make_data

if TYPE_CHECKING:
    from .inspection import Inspection
    from .request import RecordedRequest

__all__ = ["WebSocketConnection"]

__unittest = True


class WebSocketConnection(KnownAttributes):
    """One WebSocket that a client has opened.

    A test gets it of `WebSocketExpectation.connection`, a function of `WebSocketExpectation.reply_with` as its
    argument.  In a ``with`` block it is closed at the end; to iterate over it gives each message until the client
    leaves.

    Args:
        channel: What serves it.
    """

    __slots__ = ("__weakref__", "_channel")

    _settable_elsewhere = "nothing of it can be set"

    def __init__(self, channel: WebSocketChannel) -> None:
        self._channel = channel

    @property
    def _inspection(self) -> Inspection:
        return self._channel.inspection

    # -- facts -----------------------------------------------------------------------------------------------------

    @property
    def request(self) -> RecordedRequest:
        """The handshake."""
        return self._channel.request

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that was agreed upon; None if none was."""
        return self._channel.protocol.subprotocol

    @property
    def messages(self) -> list[WebSocketMessage]:
        """What was exchanged, in order: messages, pings, pongs and the close frames; a snapshot."""
        return list(self._channel.messages)

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
        return self._channel.is_open

    @property
    def close_code(self) -> int | None:
        """The code of the client's close frame: 1005 if that has none, 1006 if it has left without; None before."""
        return self._channel.close_code

    @property
    def close_reason(self) -> str:
        """The reason in the client's close frame."""
        received = self._channel.protocol.close_rcvd
        return received.reason if received is not None else ""

    # -- what a test, or a function of its, does -------------------------------------------------------------------

    @in_thread("await connection.receive_async(…)")
    def receive(
        self, wanted: object = ABSENT, *, json: object = ABSENT, timeout: float | None = None
    ) -> ChannelWait[str | bytes]:
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
        channel = self._channel

        def take() -> tuple[str | bytes] | None:  # it may be empty
            try:
                return (channel.untaken.popleft(),)
            except IndexError:  # or another thread has it
                return None

        def check(found: tuple[str | bytes]) -> str | bytes:
            if not message.accepts(found[0]):
                raise Mismatched(
                    f"{channel.name} was sent another message than {message} wants",
                    [*(f"    {line}" for line in message.explain(found[0])), *list_messages(self.messages)],
                    found[0],
                )
            return found[0]

        return ChannelWait(channel, take, timeout, f"{message} on {channel.name}", check)

    receive_async = in_coroutine(receive, "connection")

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
                self._channel.protocol.send_text(made.encode())
            else:
                self._channel.protocol.send_binary(made)
            self._channel.note(made, sent=True)

        self._channel.do(act, "send a message")

    @in_thread("await connection.ping_async(…)")
    def ping(self, data: bytes = b"ping", *, timeout: float | None = None) -> ChannelWait[None]:
        """Send a ping, and wait for its pong.

        Args:
            data: At most 125 bytes.
            timeout: See `receive`.

        Raises:
            AssertionError: There is none; see `receive`.
            UsageError: It is no such data, or it would block an event loop: await `ping_async` there.
        """
        channel, made = self._channel, check_ping(data)
        start = len(channel.messages)

        def act() -> None:
            channel.protocol.send_ping(made)
            channel.note(made, "ping", sent=True)

        def has_come() -> bool:
            pongs = (each.data for each in channel.messages[start:] if each.kind == "pong" and not each.sent)
            return made in pongs

        channel.do(act, "send a ping")
        return ChannelWait(channel, has_come, timeout, f"a pong {quote(made)} on {channel.name}", lambda _: None)

    ping_async = in_coroutine(ping, "connection")

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Send a close frame; the client answers it, and the connection ends.  Again does nothing.

        Args:
            code: Why: 1000 for no special reason.
            reason: The same in words, of at most 123 bytes.

        Raises:
            UsageError: No close frame can have them.
        """
        check_close(code, reason)
        self._channel.close(code, reason)

    @suggest_keywords
    def drop(self, *, reset: bool = False) -> None:
        """End the connection without a close frame.

        Args:
            reset: Whether with a TCP reset, instead of in good order.
        """
        check_switch("reset", reset)
        if not self._channel.is_over:
            self._channel.do(lambda: self._channel.end("the test dropped it", reset=reset))

    @in_thread("await connection.wait_closed_async(…)")
    def wait_closed(self, timeout: float | None = None) -> ChannelWait[int]:
        """Wait until the client has closed the WebSocket, or left; returns its `close_code`.

        Args:
            timeout: See `receive`.

        Raises:
            AssertionError: It has not.
            UsageError: It would block an event loop: await `wait_closed_async` there.
        """
        channel = self._channel
        what = f"{channel.name} to be closed"
        return ChannelWait(channel, lambda: channel.is_over, timeout, what, lambda _: channel.close_code or 1006)

    wait_closed_async = in_coroutine(wait_closed, "connection")

    def __enter__(self) -> WebSocketConnection:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[str | bytes]:
        while True:
            try:
                message = self.receive()
            except WebSocketClosed:
                return
            yield message

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        while True:
            try:
                message = await self.receive_async()
            except WebSocketClosed:
                return
            yield message

    def __repr__(self) -> str:
        return f"<WebSocketConnection {self.request.describe()}: {self._channel.summarize()}>"

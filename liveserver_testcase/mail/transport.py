"""What stands between a connection's bytes and the SMTP protocol: lines, slices of mails, and implicit TLS."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

from .syntax import Refused

if TYPE_CHECKING:
    from .protocol import SMTPProtocol

__all__ = ["ImplicitTLS", "InputBuffer", "explain_handshake"]


class InputBuffer:
    """What a client has sent, and nobody has taken yet.

    Attributes:
        is_at_end: Whether the client sends nothing more.
    """

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._is_skipping = False  # the rest of a line of which the beginning was too long already
        self.is_at_end = False

    def __len__(self) -> int:
        return len(self._bytes)

    def feed(self, data: bytes) -> None:
        """Add what has come."""
        self._bytes += data

    def put_back(self, data: bytes) -> None:
        """Have ``data`` be taken next."""
        self._bytes[:0] = data

    def clear(self) -> None:
        """Forget everything."""
        self._bytes.clear()

    def take_line(self, longest: int) -> bytes | None:
        """The next line with its end; None while there is none.

        Raises:
            Refused: It was too long; nothing of it was kept.
        """
        end = self._bytes.find(b"\n") + 1
        if not end:
            if len(self._bytes) > longest:
                self._is_skipping = True
                self._bytes.clear()
            return None
        line = self.take(end)
        is_too_long, self._is_skipping = self._is_skipping or end > longest, False
        if is_too_long:
            raise Refused(500, f"5.5.2 The line is too long: more than {longest} octets")
        return line

    def take(self, size: int) -> bytes:
        """Up to ``size`` bytes."""
        with memoryview(self._bytes) as view:
            data = bytes(view[:size])
        del self._bytes[:size]
        return data


class ImplicitTLS(asyncio.Protocol):
    """Speaks TLS from the first byte, and hands the connection over to an `SMTPProtocol` when the handshake is done.

    ``create_server(ssl=...)`` would do that, too, but says nothing of a handshake that fails.

    Args:
        protocol: What speaks inside of TLS.
        context: The server's side of TLS.
        timeout: Seconds for the handshake.
    """

    def __init__(self, protocol: SMTPProtocol, context: ssl.SSLContext, timeout: float) -> None:
        self._protocol = protocol
        self._context = context
        self._timeout = timeout
        self._task: asyncio.Task[None] | None = None  # the loop itself keeps no task from the garbage collection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake."""
        self._protocol.accept(transport)
        self._task = asyncio.get_running_loop().create_task(self._secure(transport))

    async def _secure(self, transport: asyncio.BaseTransport) -> None:
        protocol = self._protocol
        protocol.record.state = "in the TLS handshake"
        try:
            secured = await asyncio.get_running_loop().start_tls(
                transport,
                protocol,
                self._context,
                server_side=True,
                ssl_handshake_timeout=self._timeout,
            )
        except Exception as error:
            protocol.end(explain_handshake(error))
            return
        # one that was aborted in the middle of the handshake: start_tls() returns all the same
        if secured is None or secured.is_closing():
            protocol.end("the client has left in the TLS handshake")
            return
        protocol.connection_made(secured)


def explain_handshake(error: BaseException | None) -> str:
    """How a handshake that failed ends the connection, in words."""
    if isinstance(error, ssl.SSLError) and error.reason == "HTTP_REQUEST":
        return "the client spoke plain HTTP on a port that speaks TLS"
    if error is None or isinstance(error, EOFError | ConnectionResetError):
        return "the client has left in the TLS handshake"
    return f"the TLS handshake failed: {error}"

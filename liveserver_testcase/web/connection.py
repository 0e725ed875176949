"""One HTTP connection: read a request, have it handled, keep the connection or close it so that nothing is lost."""

from __future__ import annotations

import contextlib
import io
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any

from ..core.clock import monotonic
from ..core.threaded import Connection, ConnectionState
from ..errors import ClientDisconnected
from .body import Body, ChunkedBody, Incoming, LengthBody
from .exchange import Exchange
from .head import BadRequest, Head, check_beginning, find_end, parse_head
from .response import ResponseWriter, describe_status, plain_response

if TYPE_CHECKING:
    from .http import HTTPServer

__all__ = ["HTTPConnection"]

_RECEIVE = 64 * 1024
_SLICE = 256 * 1024  # how much of a large response is handed over at once, so that a stop can see it move
_DRAIN = 256 * 1024  # bytes of a body nobody read that are read and dropped to keep the connection, as Go does
_LINGER = 1.0  # seconds for a client to take note of the last response before a close that could destroy it
_LINGER_BYTES = 4 * 1024 * 1024


class HTTPConnection(Connection):
    """Serves the requests of one client, one after the other.

    Attributes:
        exchange: The one that is being served.
    """

    def __init__(
        self, server: HTTPServer, sock: socket.socket, address: Any, index: int, stopping: threading.Event
    ) -> None:
        super().__init__(sock, address, index, stopping)
        self.server = server
        self.exchange: Exchange | None = None
        self.incoming = Incoming(self._receive_body)
        self._timeout: float | None = None
        self._exchanges = 0
        self._sent = 0
        self._gone: ClientDisconnected | None = None  # why nothing more can be sent

    def describe(self) -> str:
        exchange = self.exchange
        return exchange.describe() if exchange is not None else "a connection"

    # -- the loop --------------------------------------------------------------------------------------------------

    def serve(self) -> None:
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.server.tls is not None and not self._shake_hands(self.server.tls.context):
            return
        try:
            while self._serve_one():
                self.state = ConnectionState.IDLE
                if self.stopping.is_set():
                    return
        except BadRequest as refusal:
            self._refuse(refusal)
        except ClientDisconnected as error:
            self._record_nobody(str(error))

    def close(self) -> None:
        if isinstance(self.sock, ssl.SSLSocket) and not self.is_cut:
            # tell the client that this is the end, without waiting for its answer
            with contextlib.suppress(OSError, ValueError):
                self.sock.settimeout(0.0)
                self.sock.unwrap()
        super().close()

    def _serve_one(self) -> bool:
        """Serve the next request; whether the connection stays."""
        head = self._read_head()
        if head is None:
            return False
        exchange = Exchange(head, self.index, self._exchanges, self.peer)
        self._exchanges += 1
        self.since = monotonic()
        self.exchange = exchange
        self.state = ConnectionState.ACTIVE
        response = exchange.response = ResponseWriter(head, self.send, self._may_stay)
        exchange.body = body = self._make_body(head)
        self.server.journal.add(exchange)
        try:
            self._handle(exchange, response)
            return response.finished and response.keep_alive and self._drain(body)
        except ClientDisconnected as error:
            self._settle_error(exchange, error)
            return False
        finally:
            self.exchange = None
            exchange.end()
            self.server.journal.touch()

    def _handle(self, exchange: Exchange, response: ResponseWriter) -> None:
        """Have the request answered, whatever the handler does."""
        try:
            self.server.handle(exchange)
        except BaseException as error:
            self._settle_error(exchange, error)
            if response.begun:
                response.keep_alive = False
                return  # the client sees that the response is cut short
            self._answer_instead(exchange, response, 500, "Internal Server Error")
        else:
            if not response.begun:
                self._answer_instead(exchange, response, 500, "Internal Server Error")

    def _settle_error(self, exchange: Exchange, error: BaseException) -> None:
        """Tell the client's errors from the application's, and record the latter before the client hears of them."""
        failure = exchange.body.failure if exchange.body is not None else None
        if isinstance(failure, BadRequest):
            exchange.refused = failure.reason
        elif failure is not None or self._gone is not None:
            exchange.aborted = str(failure or self._gone)
        else:
            self.server.note_error(exchange, error)

    def _answer_instead(self, exchange: Exchange, response: ResponseWriter, status: int, text: str) -> None:
        """Answer in the application's place; a malformed body is the client's fault and gets a 400."""
        if exchange.aborted:
            return
        failure = exchange.body.failure if exchange.body is not None else None
        if isinstance(failure, BadRequest):
            status, text = failure.status, failure.reason
        content = f"{text}\n".encode("utf-8", "replace")
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("Connection", "close")]
        response.begin(describe_status(status), headers)
        response.finish(content)
        self._linger()

    # -- reading ---------------------------------------------------------------------------------------------------

    def _read_head(self) -> Head | None:
        """Wait for the head of the next request; None: the client is done."""
        incoming = self.incoming
        if not len(incoming):
            try:
                incoming.data = self.sock.recv(_RECEIVE)
            except OSError:
                return None  # reset or cut while there was nothing to say: not worth a word
            incoming.position = 0
            if not incoming.data:
                return None
        data = incoming.data
        end = find_end(data, incoming.position)
        if end < 0:
            data = self._read_rest_of_head()
            end = find_end(data)
        head = parse_head(data[incoming.position : end])
        incoming.position = end
        return head

    def _read_rest_of_head(self) -> bytes:
        """Read on until the head is complete, for ``header_timeout`` seconds in all."""
        incoming = self.incoming
        data = incoming.data[incoming.position :]
        self.state, self.since = ConnectionState.READING, monotonic()
        deadline = self.since + self.server.header_timeout
        end = -1
        while end < 0:
            incoming.data, incoming.position = data, 0
            check_beginning(data)
            try:
                self._set_timeout(max(0.001, deadline - monotonic()))
                more = self.sock.recv(_RECEIVE)
            except TimeoutError:
                raise BadRequest(408, f"the request's head is not complete after {self.server.header_timeout:g} s") from None
            except OSError as error:
                raise ClientDisconnected(f"the client left after {len(data)} bytes of a request's head: {error}") from error
            if not more:
                raise ClientDisconnected(f"the client left after {len(data)} bytes of a request's head")
            start = max(0, len(data) - 3)
            data += more
            end = find_end(data, start)
        self._set_timeout(None)
        incoming.data = data
        return data

    def _make_body(self, head: Head) -> Body | None:
        if head.length == 0:
            return None
        before = self._send_continue if head.expects_continue else None
        if head.length is None:
            return ChunkedBody(self.incoming, before)
        return LengthBody(self.incoming, head.length, before)

    def _receive_body(self) -> bytes:
        if self.stopping.is_set():
            raise ClientDisconnected("the server stopped before the request's body had arrived")
        state, self.state = self.state, ConnectionState.READING
        try:
            self._set_timeout(self.server.body_timeout)
            return self.sock.recv(_RECEIVE)
        except TimeoutError:
            raise BadRequest(408, f"nothing more of the request's body for {self.server.body_timeout:g} s") from None
        except OSError as error:
            raise ClientDisconnected(f"the connection broke in the middle of the request's body: {error}") from error
        finally:
            self.state = state

    def _drain(self, body: Body | None) -> bool:
        """Read what nobody read of the body, so that the next request can be found; whether it can."""
        return body is None or body.finished or body.drain(_DRAIN)

    # -- writing ---------------------------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Hand ``data`` to the system; blocks while the client does not read.

        Raises:
            ClientDisconnected: The client is gone, or the connection was cut.
        """
        if self._timeout is not None:
            self._set_timeout(None)
        self.sending = self._sent
        try:
            if len(data) <= _SLICE:
                self.sock.sendall(data)
            else:
                view = memoryview(data)
                for start in range(0, len(data), _SLICE):
                    self.sock.sendall(view[start : start + _SLICE])
                    self.sending += _SLICE
        except OSError as error:
            self._gone = ClientDisconnected(f"the client left before it had the whole response: {error}")
            raise self._gone from error
        finally:
            self.sending = -1
        self._sent += len(data)

    def _send_continue(self) -> None:
        exchange = self.exchange
        if exchange is not None and exchange.response is not None and not exchange.response.begun:
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _may_stay(self) -> bool:
        """Whether the connection can be kept, as far as can be told when the response's head leaves.

        Raises:
            BadRequest: The body turned out malformed, so the application cannot know what it answers.
        """
        exchange = self.exchange
        body = exchange.body if exchange is not None else None
        if self.stopping.is_set():
            return False
        if exchange is None or body is None or body.finished:
            return True
        if isinstance(body.failure, BadRequest) and not exchange.refused:
            raise body.failure
        if body.failure is not None or not body.was_asked_for:
            return False  # nobody knows whether a client that waits for 100 Continue will send the body or not
        return not isinstance(body, LengthBody) or body.left <= _DRAIN

    def _refuse(self, refusal: BadRequest) -> None:
        """Answer a request that could not be understood, and record it."""
        exchange = Exchange(None, self.index, self._exchanges, self.peer)
        exchange.refused = refusal.reason
        exchange.status = refusal.status
        self.server.journal.add(exchange)
        with contextlib.suppress(ClientDisconnected):
            self.send(plain_response(refusal.status, refusal.reason))
            exchange.completed = True
        exchange.end()
        self.server.journal.touch()
        self._linger()

    def _record_nobody(self, reason: str) -> None:
        """Record a client that left before there was a request to speak of."""
        exchange = Exchange(None, self.index, self._exchanges, self.peer)
        exchange.aborted = reason
        self.server.journal.add(exchange)
        exchange.end()
        self.server.journal.touch()

    def _linger(self) -> None:
        """Let the client read the last response: a close with unread bytes would reset it away.  RFC 9112, 9.6."""
        self.state = ConnectionState.READING
        deadline = monotonic() + _LINGER
        left = _LINGER_BYTES
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.sock, socket.SHUT_WR)
            while left > 0 and not self.stopping.is_set():
                self._set_timeout(max(0.001, deadline - monotonic()))
                data = socket.socket.recv(self.sock, _RECEIVE)
                if not data:
                    return
                left -= len(data)

    # -- the rest --------------------------------------------------------------------------------------------------

    def _shake_hands(self, context: ssl.SSLContext) -> bool:
        """Speak TLS from here on; whether the client does too."""
        try:
            with self._closing:  # wrap_socket moves the descriptor into another object
                self._set_timeout(self.server.header_timeout)
                self.sock = context.wrap_socket(self.sock, server_side=True, do_handshake_on_connect=False)
            self.sock.do_handshake()
            self._set_timeout(None)
        except (OSError, ValueError) as error:
            self._record_nobody(f"the TLS handshake failed: {error}")
            return False
        return True

    def _set_timeout(self, timeout: float | None) -> None:
        if timeout != self._timeout:
            self._timeout = timeout
            self.sock.settimeout(timeout)


def input_stream(body: Body | None) -> io.BufferedIOBase:
    """What an application reads a body from."""
    return io.BytesIO() if body is None else io.BufferedReader(body, _RECEIVE)

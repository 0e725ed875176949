"""One HTTP connection: read a request, have it handled, keep the connection or end it so that nothing is lost."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from ..core.connection import RECEIVE, Connection, PlainHTTP
from ..core.interrupts import monotonic
from ..core.listener import ServerSocket
from ..core.threaded import ConnectionState
from ..errors import ClientDisconnected, InvalidResponse
from .records import Exchange
from .request_body import Body, make_framing
from .request_head import BadRequest, Head, HeadValidator, parse_head, split_request_line
from .response import ResponseWriter, describe_status, plain_response

if TYPE_CHECKING:
    from .http_server import HTTPServer

__all__ = ["HTTPConnection", "Handler"]

_DRAIN = 256 * 1024  # bytes of a body nobody read that are read and dropped to keep the connection, as Go does
_READING, _ACTIVE, _IDLE = ConnectionState.READING, ConnectionState.ACTIVE, ConnectionState.IDLE


class Handler(Protocol):
    """Answers the requests of an `HTTPServer`.

    One that has an attribute ``accepts_connect = True`` is given CONNECT, too, for which it takes the connection over;
    otherwise that is refused with a 501.
    """

    def handle(self, exchange: Exchange, connection: Any, /) -> None:
        """Answer ``exchange`` through its ``response``; runs in the thread of its ``connection``.

        What it raises is recorded; the client gets a plain 500, or a cut connection if the response had begun.
        """


class HTTPConnection(Connection):
    """Serves the requests of one client, one after the other.

    Attributes:
        exchange: The one that is being served.
        data: What has been received, of which the part from `position` on has not been used.
    """

    exchange: Exchange | None = None
    data = b""
    position = 0
    _is_open = False
    _is_taken_over = False
    _has_forgiven = False  # one empty line before the request that is to come
    _exchanges = 0
    _received_at: float | None = None  # when the first bytes of the next request came

    def __init__(
        self, server: HTTPServer, sock: socket.socket, address: Any, index: int, stopping: threading.Event
    ) -> None:
        super().__init__(sock, address, index, stopping)
        self.server = server
        # the test in which the first of the bytes came that are in no exchange yet
        self._window = server.journal.window

    def describe(self) -> str:
        """The request that is being served."""
        exchange = self.exchange
        return exchange.describe() if exchange is not None else "a connection"

    @property
    def is_streaming(self) -> bool:
        """See `RequestRecord.is_streaming`."""
        exchange = self.exchange
        return exchange is not None and exchange.is_streaming

    def take_over(self) -> tuple[socket.socket, bytes]:
        """Give the handler the connection for a protocol of its own, such as WebSocket.

        Whatever is given to the exchange's response is dropped, and a stop does not wait for the handler: it ends the
        connection.  When the handler returns, the connection is closed.

        Returns:
            The socket, to be used but not closed, and what has been received already.

        Raises:
            InvalidResponse: There is no exchange, or its response has begun.
        """
        response = self.exchange.response if self.exchange is not None else None
        if response is None or response.begun:
            what = "no request is being served" if response is None else "the response has begun"
            raise InvalidResponse(f"the connection cannot be taken over: {what}; do it before anything is sent")
        response.take_over()
        self._is_taken_over = True
        self.set_timeout(None)
        data, self.data, self.position = self.data[self.position :], b"", 0
        return self.sock, data

    # -- the loop --------------------------------------------------------------------------------------------------

    def serve(self) -> bool:
        """Serve the requests that have come, until the client, the server or a mistake ends the connection."""
        try:
            if not self._is_open:
                self._is_open = True
                self._open()
            while True:
                if self.position == len(self.data):
                    data = self._receive()
                    if not data:
                        if data is None:
                            return True
                        break
                    self.data, self.position = data, 0
                if not self._serve_one():
                    break
                self.state = _IDLE
                if self.position == len(self.data) and (not self.is_encrypted or self.waits_first):
                    return True  # a client sends its next request when it has the answer to this one
                if self.stopping.is_set():
                    return False
        except BadRequest as refusal:
            self._refuse(refusal)
        except ClientDisconnected as error:
            self._record_no_request(str(error))
        except PlainHTTP:
            self._refuse(BadRequest(400, "plain HTTP on a port that speaks TLS"), send=self.send_plain)
        if self._unread or self.is_encrypted:
            self._stop_reading()  # the end itself may take a while
        if self._unread:
            self.linger()
        if self._is_taken_over and not self._resets:  # a thread of the handler's may still be receiving
            with contextlib.suppress(OSError):
                ServerSocket.shutdown(self.sock, socket.SHUT_RDWR)
        return False

    def _stop_reading(self) -> None:
        """Note that no further request can come."""
        self.is_done_reading = True
        self.server.journal.notify()

    def rest(self) -> None:
        """Note that all has been taken that had come, and wake who waits for this."""
        self.awaits_client = True
        self.server.journal.notify()

    def _open(self) -> None:
        """Do what comes before the first request."""
        if self.server.tls is not None:
            self.do_handshake(self.server.tls.context, self.server.header_timeout)

    def _serve_one(self) -> bool:
        """Serve the request whose first bytes have come; whether the connection stays."""
        head = self._read_head()
        if head is None:
            return True
        journal = self.server.journal
        exchange = self.exchange = Exchange(head, self.index, self._exchanges, self.address)
        exchange.accepted_at, exchange.handshake_done_at = self.accepted_at, self.handshake_done_at
        exchange.first_byte_at = self._received_at
        self._exchanges += 1
        self.since = exchange.arrived
        self.state = _ACTIVE
        response = exchange.response = ResponseWriter(head, self.send, self._begin_response)
        body = None
        if head.length != 0:
            framing = make_framing(head)
            body = exchange.body = Body(self, framing, self._send_continue if head.expects_continue else None)
            exchange.trailers, exchange.chunk_sizes = framing.trailers, framing.chunk_sizes
        journal.add(exchange, self._window)
        try:
            try:
                self.server.handler.handle(exchange, self)
                if not response.begun and not response.is_taken_over:
                    raise InvalidResponse("the handler ended without a response")
            except BaseException as error:
                self._answer_error(exchange, response, error)
            if response.is_taken_over:
                exchange.response, exchange.completed = None, True  # what was given to it besides was not sent
                self._unclean = True  # to end TLS is not possible while a thread of the handler's may be receiving
            elif response.finished and response.keep_alive and (body is None or body.drain(_DRAIN)):
                return True
        except ClientDisconnected:
            pass  # while an error was answered, or a body drained
        finally:
            if (body is not None or not response.finished) and not response.is_taken_over:
                failure: BadRequest | ClientDisconnected | None = self._gone
                if body is not None:
                    failure = body.failure or failure
                    body.abandon()
                if isinstance(failure, BadRequest):
                    exchange.refused = failure.reason
                elif failure is not None:
                    exchange.aborted = str(failure)
                if response.begun and not response.finished and not self._lingers:
                    self.mark_truncated(reset=not response.framed)
            exchange.end()
            self.exchange = None
            journal.notify(exchange)
        # the client may have sent more: it could not know that this is the end
        self._unread = self._gone is None or self._lingers
        return False

    def _begin_response(self) -> bool:
        """Record that the response's head leaves; whether the connection can be kept, as far as is known by now.

        Raises:
            BadRequest: The body turned out malformed, so the application cannot know what it answers.
        """
        exchange = self.exchange
        response = exchange.response if exchange is not None else None
        if exchange is None or response is None or response.is_taken_over:
            return False  # nothing leaves
        stays = self.server.keep_alive and not self.stopping.is_set()
        body = exchange.body
        if body is not None and not body.finished:
            if isinstance(body.failure, BadRequest) and not exchange.refused:
                raise body.failure
            # nobody knows whether a client that waits for 100 Continue will send the body or not
            is_known = body.failure is None and body.was_asked_for
            stays = stays and is_known and (body.framing.is_chunked or body.framing.left <= _DRAIN)
        exchange.status, exchange.response_begun_at = response.status, monotonic()
        return stays

    def _answer_error(self, exchange: Exchange, response: ResponseWriter, error: BaseException) -> None:
        """Record what the handler raised before the client reads of it, and answer in its place if nobody has."""
        self.server.note_error(exchange, error)
        failure = exchange.body.failure if exchange.body is not None else None
        is_gone = self._gone is not None or isinstance(failure, ClientDisconnected)
        if response.begun or response.is_taken_over or is_gone:
            return
        status, text = 500, "Internal Server Error"
        if isinstance(failure, BadRequest):
            status, text = failure.status, failure.reason
            exchange.refused = failure.reason
        response.begin(describe_status(status), [("Content-Type", "text/plain; charset=utf-8")])
        response.finish(f"{text}\n".encode("utf-8", "replace"))

    def _send_continue(self) -> None:
        exchange = self.exchange
        # else it is too late, or the client has not waited: RFC 9110, 10.1.1
        if exchange is not None and exchange.status is None and self.position == len(self.data):
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    # -- reading ---------------------------------------------------------------------------------------------------

    def _receive(self) -> bytes | None:
        """Take what the client has sent where a request begins; None: nothing, empty: it has left."""
        if self._timeout is not None:
            self.set_timeout(None)
        why = ""
        try:
            data = self.receive_next() if self.waits_first else self.receive_now()
        except ssl.SSLError as error:  # such as an alert: the certificate is not trusted
            raise ClientDisconnected(f"the client broke off TLS: {error}") from error
        except OSError as error:
            data, why = b"", f": {error}"
        if data:
            self._received_at = monotonic()
            self._window = self.server.journal.window
        elif data is not None and not self._exchanges and not self.is_cut:  # between two requests it is worth no word
            raise ClientDisconnected(f"the client left without having sent a request{why}")
        return data

    def _read_head(self) -> Head | None:
        """Read the head of the next request, which has begun; None: all that came is an empty line."""
        if self.data[self.position] == 13 and not self._has_forgiven:  # an empty line: RFC 9112, 2.2
            if len(self.data) - self.position < 2:
                self._receive_rest(monotonic() + self.server.header_timeout)
            if self.data[self.position : self.position + 2] == b"\r\n":
                self.position += 2
                self._has_forgiven = True
                if self.position == len(self.data):
                    return None
        end = self.data.find(b"\r\n\r\n", self.position) + 4
        if end < 4:
            deadline = monotonic() + self.server.header_timeout  # in all, however many pieces it comes in
            validator = HeadValidator()
            validator.scan(self.data[self.position :])
            while validator.end < 0:
                self._receive_rest(deadline)
                validator.scan(self.data)
            end = self.position + validator.end
        head = parse_head(self.data[self.position : end], accepts_connect=self.server.accepts_connect)
        self.position = end
        self._has_forgiven = False
        return head

    def _receive_rest(self, deadline: float) -> None:
        """Wait for more of a head."""
        if self.state is not _READING:
            self.state, self.since = _READING, monotonic()
        when = f"after {len(self.data) - self.position} bytes of a request's head"
        try:
            self.set_timeout(max(0.001, deadline - monotonic()))
            more = self.receive_next()
        except TimeoutError:
            timeout = f"{self.server.header_timeout:g} s"
            raise BadRequest(408, f"a head that is not complete after {timeout}") from None
        except OSError as error:
            raise ClientDisconnected(self.describe_disconnect(f"{when}: {error}")) from error
        if not more:
            raise ClientDisconnected(self.describe_disconnect(when))
        self.data, self.position = self.data[self.position :] + more, 0

    def receive_body(self) -> None:
        """Wait for more of a body that is being read."""
        when = "in the middle of its request's body"
        state, self.state = self.state, _READING  # before the look at `stopping`: a stop cuts who is reading
        try:
            if not self.stopping.is_set():
                self.set_timeout(self.server.body_timeout)
                more = self.sock.recv(RECEIVE)
                self._window = self.server.journal.window  # of the request that may follow the body
                if more:
                    self.data, self.position = self.data[self.position :] + more, 0
                    return
        except TimeoutError:
            timeout = f"{self.server.body_timeout:g} s"
            raise BadRequest(408, f"a body of which nothing more came for {timeout}") from None
        except OSError as error:
            raise ClientDisconnected(self.describe_disconnect(f"{when}: {error}")) from error
        finally:
            self.state = state
        if self.stopping.is_set():
            raise ClientDisconnected(f"the server stopped {when}")
        raise ClientDisconnected(self.describe_disconnect(when))

    # -- what never became a request -------------------------------------------------------------------------------

    def _on_unreadable(self, exchange: Exchange) -> None:
        """Do what is to be done when something has come that is no request, before its client is answered."""

    def _refuse(self, refusal: BadRequest, *, send: Callable[[bytes], None] | None = None) -> None:
        """Answer a request that could not be understood, and record it."""
        exchange = Exchange(None, self.index, self._exchanges, self.address)
        exchange.method, exchange.target, exchange.version = split_request_line(self.data[self.position :])
        exchange.refused, exchange.status = refusal.reason, refusal.status
        self.server.journal.add(exchange, self._window)
        self._on_unreadable(exchange)
        try:
            (send or self.send)(plain_response(refusal.status, refusal.reason, has_body=exchange.method != "HEAD"))
            exchange.completed = True
        except ClientDisconnected as error:
            exchange.aborted = str(error)
        exchange.end()
        self.server.journal.notify(exchange)
        self._unread = True

    def _record_no_request(self, reason: str) -> None:
        """Record a client that left before there was a request to speak of."""
        exchange = Exchange(None, self.index, self._exchanges, self.address)
        exchange.aborted = reason
        self.server.journal.add(exchange, self._window)
        if self.position < len(self.data):
            self._on_unreadable(exchange)
        exchange.end()
        self.server.journal.notify(exchange)

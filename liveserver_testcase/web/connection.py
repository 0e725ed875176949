"""One HTTP connection: read a request, have it handled, keep the connection or end it so that nothing is lost."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any, Protocol

from ..core.connection import RECEIVE, Connection, PlainHTTP
from ..core.interrupts import monotonic
from ..core.listener import ServerSocket
from ..core.threaded import ConnectionState
from ..errors import ClientDisconnected, InvalidResponse
from .records import Exchange
from .request_body import Body, ReceiveBuffer, make_framing
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
    """

    _is_open = False
    _is_taken_over = False
    _has_forgiven = False  # one empty line before the request that is to come

    def __init__(
        self, server: HTTPServer, sock: socket.socket, address: Any, index: int, stopping: threading.Event
    ) -> None:
        super().__init__(sock, address, index, stopping)
        self.server = server
        self.exchange: Exchange | None = None
        self.incoming = ReceiveBuffer(self._receive_body)
        self._exchanges = 0
        self._received_at: float | None = None  # when the first bytes of the next request came
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
        exchange, incoming = self.exchange, self.incoming
        response = exchange.response if exchange is not None else None
        if response is None or response.begun:
            what = "no request is being served" if response is None else "the response has begun"
            raise InvalidResponse(f"the connection cannot be taken over: {what}; do it before anything is sent")
        response.take_over()
        self._is_taken_over = True
        self.set_timeout(None)
        data, incoming.data, incoming.position = incoming.data[incoming.position :], b"", 0
        return self.sock, data

    # -- the loop --------------------------------------------------------------------------------------------------

    def serve(self) -> bool:
        """Serve the requests that have come, until the client, the server or a mistake ends the connection."""
        incoming = self.incoming
        try:
            if not self._is_open:
                self._is_open = True
                self._open()
            while True:
                if incoming.position == len(incoming.data):
                    data = self._receive()
                    if not data:
                        if data is None:
                            return True
                        break
                    incoming.data, incoming.position = data, 0
                if not self._serve_one():
                    break
                self.state = _IDLE
                if incoming.position == len(incoming.data) and (not self.is_encrypted or self.waits_first):
                    return True  # a client sends its next request when it has the answer to this one
                if self.stopping.is_set():
                    return False
        except BadRequest as refusal:
            self._refuse(refusal)
        except ClientDisconnected as error:
            self._record_no_request(str(error))
        except PlainHTTP:
            self._refuse(BadRequest(400, "plain HTTP on a port that speaks TLS"), plain=True)
        if self._unread or self.is_encrypted:
            self._stop_reading()  # the end itself may take a while
        if self._unread:
            self.linger()
        if self._is_taken_over and not self._resets:  # a thread of the handler's may still be receiving
            with contextlib.suppress(OSError):
                ServerSocket.shutdown(self.sock, socket.SHUT_RDWR)
        incoming.receive = bytes  # nothing: a cycle of references would leave each connection to the garbage collector
        return False

    def _stop_reading(self) -> None:
        """Note that no further request can come."""
        self.is_done_reading = True
        self.server.journal.wake()

    def rest(self) -> None:
        """Note that all has been taken that had come, and wake who waits for this."""
        self.awaits_client = True
        self.server.journal.wake()

    def _open(self) -> None:
        """Do what comes before the first request."""
        if self.server.tls is not None:
            self.do_handshake(self.server.tls.context, self.server.header_timeout)

    def _serve_one(self) -> bool:
        """Serve the request whose first bytes have come; whether the connection stays."""
        head = self._read_head()
        if head is None:
            return True
        exchange = Exchange(head, self.index, self._exchanges, self.address)
        exchange.accepted_at, exchange.handshake_done_at = self.accepted_at, self.handshake_done_at
        exchange.first_byte_at = self._received_at
        exchange.window = self._window
        self.exchange = exchange
        self._exchanges += 1
        self.since = exchange.arrived
        self.state = _ACTIVE
        response = exchange.response = ResponseWriter(head, self.send, self._can_keep_alive)
        body = None
        if head.length != 0:
            before = self._send_continue if head.expects_continue else None
            framing = make_framing(head)
            body = exchange.body = Body(self.incoming, framing, before)
            exchange.trailers, exchange.chunk_sizes = framing.trailers, framing.chunk_sizes
        journal = self.server.journal
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
            elif response.finished and response.keep_alive and (body is None or body.finished or body.drain(_DRAIN)):
                return True
        except ClientDisconnected:
            pass  # while an error was answered, or a body drained
        finally:
            if (body is not None or not response.finished) and not response.is_taken_over:
                self._finish_exchange(exchange, response, body)
            exchange.end()
            self.exchange = None
            journal.notify(exchange)
        # the client may have sent more: it could not know that this is the end
        self._unread = self._gone is None or self._lingers
        return False

    def _answer_error(self, exchange: Exchange, response: ResponseWriter, error: BaseException) -> None:
        """Record what the handler raised before the client reads of it, and answer in its place if nobody has."""
        self.server.note_error(exchange, error)
        failure = exchange.body.failure if exchange.body is not None else None
        if (
            response.begun
            or response.is_taken_over
            or self._gone is not None
            or isinstance(failure, ClientDisconnected)
        ):
            return
        status, text = 500, "Internal Server Error"
        if failure is not None:
            status, text = failure.status, failure.reason
            exchange.refused = failure.reason
        response.begin(describe_status(status), [("Content-Type", "text/plain; charset=utf-8")])
        response.finish(f"{text}\n".encode("utf-8", "replace"))

    def _finish_exchange(self, exchange: Exchange, response: ResponseWriter, body: Body | None) -> None:
        """Record what went wrong with the client, and what follows for the end of the connection."""
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

    def _can_keep_alive(self) -> bool:
        """Whether the connection can be kept, as far as is known when the response's head leaves.

        Raises:
            BadRequest: The body turned out malformed, so the application cannot know what it answers.
        """
        exchange = self.exchange
        if exchange is None or not self.server.keep_alive or self.stopping.is_set():
            return False
        body = exchange.body
        if body is None or body.finished:
            return True
        if isinstance(body.failure, BadRequest) and not exchange.refused:
            raise body.failure
        if body.failure is not None or not body.was_asked_for:
            return False  # nobody knows whether a client that waits for 100 Continue will send the body or not
        return body.framing.is_chunked or body.framing.left <= _DRAIN

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
        incoming = self.incoming
        if incoming.data[incoming.position] == 13 and not self._has_forgiven:  # an empty line: RFC 9112, 2.2
            if len(incoming) < 2:
                self._receive_rest(monotonic() + self.server.header_timeout)
            if incoming.data[incoming.position : incoming.position + 2] == b"\r\n":
                incoming.position += 2
                self._has_forgiven = True
                if not len(incoming):
                    return None
        end = incoming.data.find(b"\r\n\r\n", incoming.position) + 4
        if end < 4:
            end = self._read_rest_of_head()
        block = incoming.data[incoming.position : end]
        head = parse_head(block, accepts_connect=self.server.accepts_connect)
        incoming.position = end
        self._has_forgiven = False
        return head

    def _read_rest_of_head(self) -> int:
        """Read on until the head is complete, for ``header_timeout`` seconds in all; returns where it ends."""
        deadline = monotonic() + self.server.header_timeout
        scanner = HeadValidator()
        while True:
            scanner.scan(self.incoming.data[self.incoming.position :])
            if scanner.end >= 0:
                return self.incoming.position + scanner.end
            self._receive_rest(deadline)

    def _receive_rest(self, deadline: float) -> None:
        """Wait for more of a head."""
        incoming = self.incoming
        if self.state is not _READING:
            self.state, self.since = _READING, monotonic()
        when = f"after {len(incoming)} bytes of a request's head"
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
        incoming.data = incoming.data[incoming.position :] + more
        incoming.position = 0

    def _send_continue(self) -> None:
        exchange = self.exchange
        if exchange is None or exchange.response is None or exchange.response.begun or len(self.incoming):
            return  # too late, or the client has not waited: RFC 9110, 10.1.1
        self.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _receive_body(self) -> bytes:
        when = "in the middle of its request's body"
        state, self.state = self.state, _READING  # before the look at `stopping`: a stop cuts who is reading
        try:
            if not self.stopping.is_set():
                self.set_timeout(self.server.body_timeout)
                data = self.sock.recv(RECEIVE)
                self._window = self.server.journal.window  # of the request that may follow the body
                if data:
                    return data
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

    def _refuse(self, refusal: BadRequest, *, plain: bool = False) -> None:
        """Answer a request that could not be understood, and record it."""
        exchange = Exchange(None, self.index, self._exchanges, self.address)
        line = split_request_line(self.incoming.data[self.incoming.position :])
        exchange.method, exchange.target, exchange.version = line
        exchange.refused = refusal.reason
        exchange.status = refusal.status
        self.server.journal.add(exchange, self._window)
        self._on_unreadable(exchange)
        answer = plain_response(refusal.status, refusal.reason, has_body=exchange.method != "HEAD")
        try:
            if plain:
                self.send_plain(answer)
            else:
                self.send(answer)
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
        if len(self.incoming):
            self._on_unreadable(exchange)
        exchange.end()
        self.server.journal.notify(exchange)

"""The scripted HTTP server: a book of expectations behind one socket."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from typing import Any

from ..core.listener import Listener
from ..core.text import quote
from ..core.tls import ClientAuth, ClientCertificate, resolve_tls
from ..core.tracebacks import Unfinished
from ..errors import ClientDisconnected, UsageError
from ..web.records import Exchange
from ..web.request_body import Body
from ..web.wsgi import make_base_environ
from .answer import Answer, Scripted
from .connection import StubConnection
from .delivery import Delivery
from .disturbing import Disturbing
from .fault import Fault, FaultPoint
from .loop import HandlerLoop
from .reply import Reply
from .request import RecordedRequest
from .serving import Wake

__all__ = ["HTTPStub"]

_TRUST = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")


class StubHandler:
    """Answers what comes to an `HTTPStub`."""

    def __init__(self, stub: HTTPStub) -> None:
        self._stub = stub

    def handle(self, exchange: Exchange, connection: StubConnection) -> None:
        """Answer as the script says."""
        self._stub._respond(exchange, connection)


class HTTPStub(Disturbing):
    """An HTTP server that a test scripts, and asks afterwards what it was sent.

    Args:
        host: See `HTTPServer`; so for the other keywords.
        port: See `HTTPServer`.
        tls: See `HTTPServer`; a throw-away certificate is for whatever name a client asks for.
        client_auth: Whether clients must show a certificate: ``"none"``, ``"request"`` or ``"require"``.
        keep_alive: Whether connections stay open after a response.
        body_limit: Bytes that are kept of each request's body; `RecordedRequest.body_size` is its full size.

    Attributes:
        loop: Where coroutines of the script run.
        sleepers: What ends the waits of connections when the stub stops.
    """

    label = "http-stub"

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        tls: bool | tuple[str, str] | ssl.SSLContext | None = None,
        client_auth: ClientAuth = "none",
        keep_alive: bool = True,
        body_limit: int = 64 * 1024 * 1024,
        **options: Any,
    ) -> None:
        super().__init__(StubHandler(self), host, port, **options)
        if isinstance(body_limit, bool) or not isinstance(body_limit, int) or body_limit < 0:
            raise UsageError(f"body_limit is {quote(body_limit)}; wanted a number of bytes, 0 or more")
        self.tls = resolve_tls(tls, *([host] if host else []), client_auth=client_auth, any_name=True)
        self.keep_alive = keep_alive
        self._base_environ: dict[str, Any] | None = None
        self.body_limit = body_limit
        self.loop = HandlerLoop("http-stub handlers")
        self.sleepers: set[Wake] = set()
        self.has_early = False

    # -- serving ---------------------------------------------------------------------------------------------------

    def _respond(self, exchange: Exchange, connection: StubConnection) -> None:
        """Record the request, decide, answer."""
        response = exchange.response
        if response is None:
            raise RuntimeError(f"{exchange!r} is over")
        body = exchange.body
        if body is not None or self.tls is not None:
            request, answer = self._receive(exchange, connection, body)
        else:
            request = RecordedRequest(exchange, b"", self._base)
            answer = self._settle_answer(exchange, request)
        if type(answer) is Reply and answer.is_plain:
            tail = answer.tail
            if tail is None or not response.send_constant(answer.head, tail, len(answer.body)):
                response.begin_prepared(answer.head)
                response.finish(answer.body)
        else:
            self._answer(exchange, connection, request, answer)

    def _settle_answer(self, exchange: Exchange, request: RecordedRequest) -> Answer:
        """Decide what answers, and put the request to the record."""
        try:
            answer = self.decide(request)
            if type(answer) is Reply:
                request.reply = answer
            return answer
        finally:  # not before: who finds it among the requests finds it counted, too
            exchange.handler_data = request
            self.journal.notify()

    def _receive(
        self, exchange: Exchange, connection: StubConnection, body: Body | None
    ) -> tuple[RecordedRequest, Answer]:
        """The same for a request that has more to it: a body, or TLS."""
        request = RecordedRequest(exchange, b"", self._base)
        if self.tls is not None:
            request.tls = connection.tls_facts
        if body is None:
            return request, self._settle_answer(exchange, request)
        early = self._decide_early(request) if self.has_early else None
        if early is not None:
            self._fail_early(exchange, connection, request, early)
            return request, early
        self._read_body(exchange, connection, request, body, None)
        answer = self._settle_answer(exchange, request)
        return request, answer

    def _answer(self, exchange: Exchange, connection: StubConnection, request: RecordedRequest, answer: Answer) -> None:
        """Give an answer that takes more than sending what is known."""
        request.serving = connection
        try:
            reply = request.reply = answer.reply_to(request)
            self.journal.notify()
            Delivery(connection, exchange, request, reply).send()
        finally:
            request.serving = None

    @property
    def _base(self) -> dict[str, Any]:
        """What is the same in the environ of every request; made when the first one comes, and the port is known."""
        if self._base_environ is None:
            self._base_environ = make_base_environ(self.scheme, self.host, self.port)
        return self._base_environ

    # -- the request's body ----------------------------------------------------------------------------------------

    def _read_body(
        self, exchange: Exchange, connection: StubConnection, request: RecordedRequest, body: Body, most: int | None
    ) -> None:
        """Read the body, or its first ``most`` bytes, and keep of it what may be kept.

        Raises:
            ClientDisconnected: The client left in the middle of it, or it is malformed; that much is recorded.
        """
        pieces: list[bytes] = []
        try:
            body.read_into(pieces, self.body_limit if most is None else most)
            if most is None and not body.finished:
                body.skip_rest()
        except ClientDisconnected as error:
            request.failure = str(error)
            exchange.handler_data = request
            connection._on_unreadable(exchange)
            raise
        finally:
            request.body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            request.body_size = body.received

    # -- faults ----------------------------------------------------------------------------------------------------

    def _decide_early(self, request: RecordedRequest) -> Scripted | None:
        """What fails before the body has been read; decided by the head alone."""
        answer = self._book.decide_early(request)
        return answer if isinstance(answer, Scripted) else None

    def _fail_early(
        self, exchange: Exchange, connection: StubConnection, request: RecordedRequest, answer: Scripted
    ) -> None:
        """Fail in the middle of the request, as planned; of what is merely not read the answer is still to come."""
        plan, body = answer.plan, exchange.body
        exchange.handler_data = request
        self.journal.notify()
        if plan is None or body is None:
            return
        if plan.point is FaultPoint.REQUEST_BODY:
            self._read_body(exchange, connection, request, body, plan.cut(getattr(body, "left", None)))
        if plan.fault is not Fault.NO_READ:
            connection.misbehave(plan)

    # -- TLS and subprocesses --------------------------------------------------------------------------------------

    @property
    def client_certificate(self) -> ClientCertificate | None:
        """What a client can show of itself, where the stub asks for a certificate; None where it does not."""
        return self.tls.client_certificate if self.tls is not None else None

    def environ(self, *names: str, **paths: str) -> dict[str, str]:
        """The environment for a subprocess that talks to the stub: its URL, whom to trust, and no proxy.

        Args:
            names: Variables that get the base URL.
            paths: Variables that get the URL of a path.

        Returns:
            The environment of this process with these in it.
        """
        environ = {**os.environ, **dict.fromkeys(names, self.url)}
        environ.update({name: self.url_for(path) for name, path in paths.items()})
        if self.ca_file is not None:
            environ.update(dict.fromkeys(_TRUST, self.ca_file))
        hosts = [os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or "", self.host]
        no_proxy = ",".join(dict.fromkeys(filter(None, ",".join(hosts).split(","))))
        return {**environ, "NO_PROXY": no_proxy, "no_proxy": no_proxy}

    # -- life ------------------------------------------------------------------------------------------------------

    def begin(self, name: str) -> None:
        """Begin a test: forget what the one before has written, recorded, held and broken."""
        super().begin(name)
        for request in self.requests_in_flight:  # not before: one of the old test may just be coming to its hold
            if request.held_by is not None:
                request.held_by.drop_before(self.journal.window.number)

    def _open(self, listener: Listener) -> None:
        # Rules in paths need it.  It is loaded now: a class without a test need not wait for it, and a test may have
        # replaced what an import needs.
        import werkzeug.routing  # noqa: F401

        super()._open(listener)

    def _connect(self, sock: socket.socket, address: Any, index: int, stopping: threading.Event) -> StubConnection:
        return StubConnection(self, sock, address, index, stopping)

    def _stop_accepting(self) -> None:
        super()._stop_accepting()
        for wake in list(self.sleepers):
            wake.set()

    def _close(self, timeout: float) -> list[Unfinished]:
        unfinished = super()._close(timeout)
        self.loop.stop()
        return unfinished

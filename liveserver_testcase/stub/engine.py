"""What serves a stub: its connections, what is done to all of them, and the way of a request.

A request is recorded before its body is read, since one that breaks off is held against the test, too; it is decided
upon when it is whole, or, where something is scripted to fail before that, by its head.  What was decided is in the
record before the client reads of it, so that a test that has the response has the request.  A reply that is always the
same is sent as it is; any other is made outside of every lock and sent by `ResponseSender`.
"""

from __future__ import annotations

import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any, cast

from ..core.checks import check_switch, is_count
from ..core.interrupts import defer_sigint
from ..core.listener import Listener
from ..core.text import quote
from ..core.tls import ClientAuth, resolve_tls
from ..core.tracebacks import Unfinished
from ..errors import ClientDisconnected, UsageError
from ..web.http_server import HTTPServer
from ..web.records import Exchange
from ..web.request_body import Body
from ..web.response import ResponseWriter
from ..web.wsgi import make_base_environ
from .connection import HandlerLoop, StubConnection, Wake
from .expectation import Expectation
from .faults import ConnectionFault, Fault, FaultPlan, FaultPoint, Outage, fill, plan_fault
from .inspection import Inspection
from .registry import Decision, ExpectationRegistry
from .reply import Reply
from .request import RecordedRequest
from .responders import FaultyResponder, Responder
from .sending import ResponseSender, select

if TYPE_CHECKING:
    from .hosts import StubbedHosts

__all__ = ["StubEngine", "StubHandler"]

_DO_NOT_RETRY = ("x-should-retry", "false")  # heeded by the SDKs that Stainless generates: a script has no other answer


class StubHandler:
    """Answers what comes to a stub."""

    def __init__(
        self, registry: ExpectationRegistry, inspection: Inspection, hosts: StubbedHosts | None = None
    ) -> None:
        self.accepts_connect = hosts is not None
        self._hosts = hosts
        self._registry = registry
        self._inspection = inspection
        self._base_environ: dict[str, Any] | None = None  # what is the same in the environ of every request

    def handle(self, exchange: Exchange, connection: StubConnection) -> None:
        """Answer one request; runs in the thread of its connection."""
        response, server = cast(ResponseWriter, exchange.response), connection.server
        base, foreign_host = self._base_environ, ""
        if base is None:  # the first request: only now is the port known for certain
            base = self._base_environ = make_base_environ(server.scheme, server.host, server.port)
        hosts, tunnel = self._hosts, connection.tunnel
        if hosts is not None:
            if tunnel is not None and tunnel.base is not None:
                exchange.target, base = tunnel.make_url(exchange), tunnel.base
            foreign_host = hosts.find_foreign(exchange.target)
            if exchange.method == "CONNECT" and tunnel is None and not foreign_host:
                connection.open_tunnel(hosts.make_tunnel(exchange), response)
                return
        request = RecordedRequest(exchange, b"", base)
        if connection.tls_facts is not None:
            request.tls = connection.tls_facts
        body, answer = exchange.body, None
        if body is not None:
            if self._inspection.has_early and not foreign_host:
                answer = self._fail_early(connection, request, body)
            if answer is None:
                self._read_body(connection, request, body, None)
        if answer is None:
            try:
                if hosts is not None and foreign_host:
                    is_allowed = self._registry.allows(request)
                    decision = Decision(None, is_allowed=is_allowed, foreign_host=foreign_host, hosts=hosts.patterns)
                else:
                    decision = self._registry.decide(request)
                answer = decision.answer
                if answer is None:
                    answer = self._make_unmatched_reply(request, decision)
                if type(answer) is Reply:
                    request.reply = answer
            finally:  # not before: who finds it among the requests finds it counted, too
                exchange.handler_data = request
                server.journal.notify()
        if type(answer) is not Reply or not answer.is_plain:
            self._make_and_send(connection, exchange, response, request, answer)
            return
        if answer.selects:
            answer = request.reply = select(answer, request)
        if answer.tail is None or not response.send_constant(answer.head, answer.tail, len(answer.body)):
            response.begin_prepared(answer.head)
            response.finish(answer.body)

    def _make_and_send(
        self,
        connection: StubConnection,
        exchange: Exchange,
        response: ResponseWriter,
        request: RecordedRequest,
        answer: Responder,
    ) -> None:
        """Have a reply made, outside of every lock, and send it with its delays, in its pieces and with its fault."""
        request.serving = connection
        try:
            reply = request.reply = select(answer.reply_to(request), request)
            connection.notify()
            if not response.is_taken_over:
                ResponseSender(connection, exchange, response, request, reply).send()
        finally:
            request.serving = None

    def _make_unmatched_reply(self, request: RecordedRequest, decision: Decision) -> Reply:
        """Hold it against the test that nothing answers a request, and make the reply to it, which says why."""
        violation = self._inspection.note_unanswered(request, decision)
        reply = self._inspection.unmatched_reply.with_defaults(_DO_NOT_RETRY)
        if not (reply.body or reply.stream is not None or reply.chunks is not None or reply.has_no_content):
            body = f"{violation.explain()}\n{violation.again}\n".encode(errors="replace")
            reply = reply.changed(body=body).with_defaults(("Content-Type", "text/plain; charset=utf-8"))
        if decision.foreign_host:  # clients show no more than this of the answer to a CONNECT
            reply = reply.changed(reason=f"{decision.foreign_host} is none of the stub's hosts")
        return reply

    def _fail_early(self, connection: StubConnection, request: RecordedRequest, body: Body) -> Responder | None:
        """Fail in the middle of the request, if that is planned; what is returned is still to be answered with."""
        answer = self._registry.decide_early(request)
        if not isinstance(answer, FaultyResponder) or answer.plan is None:
            return None
        plan = answer.plan
        request.exchange.handler_data = request
        connection.notify()
        if plan.point is FaultPoint.REQUEST_BODY:
            self._read_body(connection, request, body, plan.cut(request.head.length))
        if plan.precedes_response:
            connection.inject_fault(plan)
        return answer

    def _read_body(self, connection: StubConnection, request: RecordedRequest, body: Body, most: int | None) -> None:
        """Read the body, or its first ``most`` bytes; also of one that breaks off what has come is recorded."""
        pieces: list[bytes] = []
        try:
            body.read_into(pieces, connection.server.body_limit if most is None else most)
            if most is None and not body.finished:
                body.drain()
        except ClientDisconnected as error:
            request.failure = str(error)
            request.exchange.handler_data = request
            connection.note_unreadable(request.exchange)
            raise
        finally:
            request.body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            request.body_size = body.received


class StubEngine(HTTPServer):
    """An HTTP server whose connections can fail on purpose; for its arguments see `HTTPStub`."""

    label = "http-stub"

    def __init__(
        self,
        host: str,
        *,
        hosts: StubbedHosts | None,
        tls: bool | tuple[str, str] | ssl.SSLContext | None,
        client_auth: ClientAuth,
        keep_alive: bool,
        body_limit: int,
        **options: Any,
    ) -> None:
        if not is_count(body_limit):
            raise UsageError(f"body_limit is {quote(body_limit)}; wanted a number of bytes, 0 or more")
        external_host = options.get("external_host")
        if not isinstance(external_host, str | None):
            raise UsageError(f"external_host is {quote(external_host)}; wanted the name of a host")
        self.registry = ExpectationRegistry()
        self.inspection = Inspection(self, self.registry)
        self.hosts = hosts
        self.stub_handler = StubHandler(self.registry, self.inspection, hosts)
        super().__init__(self.stub_handler, host, **options)
        self.tls = resolve_tls(tls, *([host] if host else []), client_auth=client_auth, any_name=True)
        self.display_name = "HTTPStub"
        self.journal.on_drop = _forget_dropped
        self.keep_alive = check_switch("keep_alive", keep_alive)
        self.body_limit = body_limit
        self.loop = HandlerLoop("http-stub handlers")  # of the coroutines of the script
        self.connection_faults: list[ConnectionFault] = []
        self._faults_lock = threading.Lock()  # guards that, and the counts in it
        self._outage: Outage | None = None
        self.stop_wake: Wake | None = None  # ends every wait of its connections when it stops

    # -- for its connections ---------------------------------------------------------------------------------------

    def plan_connection(self, *, speaks_tls: bool, only_tls: bool = False) -> FaultPlan | None:
        """Return what goes wrong with the next connection, which is counted; ``only_tls`` of one that began before."""
        if not self.connection_faults:
            return None
        with self._faults_lock:
            fitting = [each for each in self.connection_faults if only_tls <= each.plan.effect.needs_tls <= speaks_tls]
            planned = next((each for each in fitting if each.has_room), None)
            if planned is None:
                return None
            planned.count += 1
            return planned.plan

    def is_decided(self) -> bool:
        """Return True if it is decided what answers each request of this test, and each WebSocket is dealt with."""

        def is_undecided(exchange: Exchange) -> bool:
            request, websocket = exchange.handler_data, None
            if isinstance(request, RecordedRequest):
                # Of what is kept back on purpose, as by a delay, nothing more will be known at its end.
                websocket = request.websocket
                if request.is_paused or (websocket is not None and websocket._channel.is_at_rest()):
                    return False
            return exchange.window.number == self.journal.window.number

        return self._is_idle(is_undecided)

    # -- what is done to all connections ---------------------------------------------------------------------------

    def fail_connections(self, fault: Fault, times: int | None) -> ConnectionFault:
        """See `HTTPStub.on_connect`."""
        plan = plan_fault(fault, FaultPoint.CONNECT, has_request=False)
        if times is not None and not (is_count(times) and times):
            raise UsageError(f"times is {quote(times)}; wanted a number of connections, 1 or more, or None for all")
        if plan.effect.needs_tls and self.tls is None and self.hosts is None:
            raise UsageError(f"{fault} goes wrong in TLS, which {self!r} does not speak: use tls=True")
        if plan.effect.flaw is not None and self.tls is not None:
            self.tls.flawed_context(plan.effect.flaw)  # which knows whether there can be one

        def forget(planned: ConnectionFault) -> None:
            with self._faults_lock:
                self.connection_faults = [known for known in self.connection_faults if known is not planned]

        planned = ConnectionFault(plan, times, forget)
        with self._faults_lock:
            self.connection_faults.append(planned)
        return planned

    def go_down(self, *, blackhole: bool = False) -> Outage:
        """See `HTTPStub.refuse_connections` and `HTTPStub.blackhole`."""
        if self._outage is not None and not self._outage.is_over:
            raise UsageError(f"{self!r} cannot be reached already; end() that first")
        self.pause_accepting()
        self.close_connections()

        def end(outage: Outage) -> None:
            outage.abandon()
            self.resume_accepting()

        self._outage = Outage(end)
        for sock in self._listener.sockets if blackhole and self._listener is not None else ():
            self._outage.sockets += fill(sock)
        return self._outage

    def close_connections(self, *, reset: bool = False) -> None:
        """Cut every connection; with a TCP reset, if so asked."""
        if check_switch("reset", reset):
            for connection in self.connections:
                connection.mark_truncated(reset=True)
        super().close_connections()

    def end_disruptions(self) -> None:
        """Have whatever was broken work again."""
        if self._outage is not None and self.is_running:
            self._outage.end()
        with self._faults_lock:
            self.connection_faults = []

    # -- life ------------------------------------------------------------------------------------------------------

    def _open(self, listener: Listener) -> None:
        defer_sigint(self._make_wake)  # an interrupt in the middle of it would leave descriptors behind
        # Rules in paths need it.  It is loaded now: a class without a test need not wait for it, and a test may have
        # replaced what an import needs.
        import werkzeug.routing  # noqa: F401

        self._outage = None
        super()._open(listener)

    def _connect(self, sock: socket.socket, address: Any, index: int, stopping: threading.Event) -> StubConnection:
        connection = StubConnection(self, sock, address, index, stopping)
        connection.stop_wake = self.stop_wake
        return connection

    def _make_wake(self) -> None:
        self.stop_wake = Wake()

    def _stop_accepting(self) -> None:
        super()._stop_accepting()
        if self.stop_wake is not None:  # a start may fail before
            self.stop_wake.set()

    def _close(self, timeout: float) -> list[Unfinished]:
        if self._outage is not None:
            self._outage.abandon()
        try:
            unfinished = super()._close(timeout)
            self.loop.stop()
        finally:
            if self.stop_wake is not None:
                self.stop_wake.close()
        return unfinished


def _forget_dropped(exchange: Exchange) -> None:
    """Let its expectation go of a request that the journal keeps no longer."""
    request = exchange.handler_data
    if isinstance(request, RecordedRequest) and isinstance(request.expectation, Expectation):
        request.expectation.forget_request(request)

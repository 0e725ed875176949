"""The way of a request through a stub: record it, decide, make the reply, send that.

How it works: the request is recorded before its body is read, since one that breaks off is held against the test, too;
it is decided upon when it is whole, or, where something is scripted to fail before that, by its head.  What was decided
is in the record before the client reads of it, so that a test that has the response has the request.  A reply that is
always the same is sent as it is; any other is made outside of every lock and sent by `Delivery`.
"""

from __future__ import annotations

from typing import Any

from ..errors import ClientDisconnected
from ..web.records import Exchange
from ..web.request_body import Body
from ..web.wsgi import make_base_environ
from .connection import StubConnection
from .faults import Fault, FaultPoint
from .inspection import Inspection
from .registry import ExpectationRegistry
from .reply import Reply
from .report import Violation
from .request import RecordedRequest
from .responders import FaultyResponder, Responder
from .selection import select
from .sending import ResponseSender

__all__ = ["StubHandler"]

_DO_NOT_RETRY = ("x-should-retry", "false")  # heeded by the SDKs that Stainless generates: a script has no other answer


class StubHandler:
    """Answers what comes to a stub.

    Args:
        registry: What decides.
        inspection: Where unanswered requests are held against the test.
        body_limit: Bytes that are kept of a body.

    Attributes:
        unmatched_reply: What the client gets whose request nothing answers; without a body, the report.
    """

    def __init__(self, registry: ExpectationRegistry, inspection: Inspection, body_limit: int) -> None:
        self.unmatched_reply = Reply(501)
        self._registry = registry
        self._inspection = inspection
        self._body_limit = body_limit
        self._base_environ: dict[str, Any] | None = None

    def handle(self, exchange: Exchange, connection: StubConnection) -> None:
        """Answer one request; runs in the thread of its connection."""
        response = exchange.response
        if response is None:
            raise RuntimeError(f"{exchange!r} is over")
        request = RecordedRequest(exchange, b"", self._base_environ or self._make_base_environ(connection))
        if connection.tls_facts is not None:
            request.tls = connection.tls_facts
        answer: Responder | None = None
        body = exchange.body
        if body is not None:
            answer = self._fail_early(exchange, connection, request, body) if self._inspection.has_early else None
            if answer is None:
                self._read_body(connection, request, body, None)
        if answer is None:
            answer = self._decide(connection, request)
        if type(answer) is Reply and answer.selects:
            answer = request.reply = _select(answer, exchange)
        if type(answer) is not Reply or not answer.is_plain:
            self._reply(connection, request, answer)
        elif answer.tail is None or not response.send_constant(answer.head, answer.tail, len(answer.body)):
            response.begin_prepared(answer.head)
            response.finish(answer.body)

    def _make_base_environ(self, connection: StubConnection) -> dict[str, Any]:
        """What is the same in the environ of every request; made when the first one comes, and the port is known."""
        server = connection.server
        self._base_environ = make_base_environ(server.scheme, server.host, server.port)
        return self._base_environ

    # -- deciding --------------------------------------------------------------------------------------------------

    def _decide(self, connection: StubConnection, request: RecordedRequest) -> Responder:
        """Decide what answers, count it, and put the request to the record."""
        try:
            decision = self._registry.decide(request)
            answer = decision.answer
            if answer is None:
                answer = self._make_unmatched_reply(self._inspection.note_unanswered(request, decision))
            if type(answer) is Reply:
                request.reply = answer
            return answer
        finally:  # not before: who finds it among the requests finds it counted, too
            request.exchange.handler_data = request
            connection.notify()

    def _make_unmatched_reply(self, violation: Violation) -> Reply:
        """The reply to a request that nothing answers: it says why."""
        reply = self.unmatched_reply
        if not any(name.lower() == _DO_NOT_RETRY[0] for name, _ in reply.headers):
            reply = reply.changed(headers=(*reply.headers, _DO_NOT_RETRY))
        if reply.body or reply.stream is not None or reply.chunks is not None or reply.status in (204, 205, 304):
            return reply
        named = any(name.lower() == "content-type" for name, _ in reply.headers)
        kind = () if named else (("Content-Type", "text/plain; charset=utf-8"),)
        body = f"{violation.text}\n{violation.again}\n".encode(errors="replace")
        return reply.changed(body=body, headers=(*reply.headers, *kind))

    def _fail_early(
        self, exchange: Exchange, connection: StubConnection, request: RecordedRequest, body: Body
    ) -> Responder | None:
        """Fail in the middle of the request, if that is planned; else None.

        Of a body that is merely not read the answer, which is returned, is still to come.
        """
        answer = self._registry.decide_early(request)
        if not isinstance(answer, FaultyResponder) or answer.plan is None:
            return None
        plan = answer.plan
        exchange.handler_data = request
        connection.notify()
        if plan.point is FaultPoint.REQUEST_BODY:
            self._read_body(connection, request, body, plan.cut(getattr(body, "left", None)))
        if plan.fault is not Fault.NO_READ:
            connection.misbehave(plan)
        return answer

    # -- receiving and sending -------------------------------------------------------------------------------------

    def _read_body(self, connection: StubConnection, request: RecordedRequest, body: Body, most: int | None) -> None:
        """Read the body, or its first ``most`` bytes, and keep of it what may be kept.

        Raises:
            ClientDisconnected: The client left in the middle of it, or it is malformed; that much is recorded.
        """
        pieces: list[bytes] = []
        try:
            body.read_into(pieces, self._body_limit if most is None else most)
            if most is None and not body.finished:
                body.skip_rest()
        except ClientDisconnected as error:
            request.failure = str(error)
            request.exchange.handler_data = request
            connection.note_unreadable(request.exchange)
            raise
        finally:
            request.body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            request.body_size = body.received

    def _reply(self, connection: StubConnection, request: RecordedRequest, answer: Responder) -> None:
        """Make a reply for this request alone, and send it."""
        request.serving = connection
        try:
            reply = answer.reply_to(request)
            request.reply = reply = _select(reply, request.exchange) if reply.selects else reply
            connection.notify()
            ResponseSender(connection, request.exchange, request, reply).send()
        finally:
            request.serving = None


def _select(reply: Reply, exchange: Exchange) -> Reply:
    """What the client gets of it, where it asks for a part, or whether it has changed."""
    return reply if exchange.head is None else select(reply, exchange.method, exchange.head.variables)

"""What serves a stub: threads and connections, and what is done to all of them, as when it cannot be reached."""

from __future__ import annotations

import socket
import ssl
import threading
from typing import Any

from ..core.interrupts import defer_sigint
from ..core.listener import Listener
from ..core.text import quote
from ..core.tls import ClientAuth, resolve_tls
from ..core.tracebacks import Unfinished
from ..errors import UsageError
from ..web.http_server import HTTPServer
from ..web.records import Exchange
from .connection import HandlerLoop, StubConnection, Wake
from .expectation import Expectation
from .faults import FLAWS, ConnectionFault, Fault, FaultPlan, Outage, fill, plan_connection
from .handler import StubHandler
from .inspection import Inspection
from .registry import ExpectationRegistry
from .request import RecordedRequest

__all__ = ["StubEngine"]


class StubEngine(HTTPServer):
    """An HTTP server whose connections can fail on purpose.

    Args:
        registry: What its handler asks.
        host: Where it listens.
        tls: A throw-away certificate is for whatever name a client asks for.
        client_auth: Whether clients must show a certificate.
        keep_alive: Whether connections stay open after a response.
        body_limit: Bytes that are kept of a body.
        options: Those of `HTTPServer`.

    Attributes:
        inspection: What came.
        stub_handler: What answers.
        loop: Where coroutines of the script run.
        stop_wake: What ends every wait of its connections when the stub stops.
    """

    label = "http-stub"

    def __init__(
        self,
        registry: ExpectationRegistry,
        host: str,
        *,
        tls: bool | tuple[str, str] | ssl.SSLContext | None,
        client_auth: ClientAuth,
        keep_alive: bool,
        body_limit: int,
        **options: Any,
    ) -> None:
        if isinstance(body_limit, bool) or not isinstance(body_limit, int) or body_limit < 0:
            raise UsageError(f"body_limit is {quote(body_limit)}; wanted a number of bytes, 0 or more")
        self.inspection = Inspection(self, registry)
        self.stub_handler = StubHandler(registry, self.inspection, body_limit)
        super().__init__(self.stub_handler, host, **options)
        self.tls = resolve_tls(tls, *([host] if host else []), client_auth=client_auth, any_name=True)
        self.display_name = "HTTPStub"
        self.journal.on_drop = _forget
        self.keep_alive = keep_alive
        self.body_limit = body_limit
        self.loop = HandlerLoop("http-stub handlers")
        self._faults: list[ConnectionFault] = []
        self._faults_lock = threading.Lock()  # guards that, and the counts in it
        self._outage: Outage | None = None
        self.stop_wake: Wake | None = None

    # -- for its connections ---------------------------------------------------------------------------------------

    def plan_connection(self) -> FaultPlan | None:
        """What goes wrong with the next connection, which is counted; None if nothing does."""
        if not self._faults:
            return None
        with self._faults_lock:
            planned = next((known for known in self._faults if known.has_room), None)
            if planned is None:
                return None
            planned.count += 1
            return planned.plan

    def note_unreadable(self, exchange: Exchange) -> None:
        """See `Inspection.note_unreadable`."""
        self.inspection.note_unreadable(exchange)

    def is_decided(self) -> bool:
        """Return True if it is decided what answers each request of this test.

        What is kept back on purpose, as by a delay, does not count: nothing more will be known at its end.
        """
        return self._is_idle(self._is_undecided)

    def _is_undecided(self, exchange: Exchange) -> bool:
        request = exchange.handler_data
        is_kept_back = isinstance(request, RecordedRequest) and request.is_paused
        return exchange.window.number == self.journal.window.number and not is_kept_back

    # -- what is done to all connections ---------------------------------------------------------------------------

    def fail_connections(self, fault: Fault, times: int | None) -> ConnectionFault:
        """Fail whoever connects from now on.

        Raises:
            UsageError: The fault makes no sense there, or not with a stub like this.
        """
        plan = plan_connection(fault)
        if times is not None and (isinstance(times, bool) or not isinstance(times, int) or times < 1):
            raise UsageError(f"times is {quote(times)}; wanted a number of connections, 1 or more, or None for all")
        if fault is Fault.TLS_HANDSHAKE or fault in FLAWS:
            if self.tls is None:
                raise UsageError(f"{fault} goes wrong in TLS, which {self!r} does not speak: use tls=True")
            if fault in FLAWS:
                self.tls.flawed_context(FLAWS[fault])  # which knows whether there can be one
        planned = ConnectionFault(plan, times, self._forget_fault)
        with self._faults_lock:
            self._faults.append(planned)
        return planned

    def _forget_fault(self, planned: ConnectionFault) -> None:
        with self._faults_lock:
            self._faults = [known for known in self._faults if known is not planned]

    def go_down(self, *, blackhole: bool = False) -> Outage:
        """Cut every connection and refuse new ones, or leave them without any answer.

        Raises:
            ServerNotStarted: The stub does not run.
            UsageError: It cannot be reached already.
        """
        if self._outage is not None and not self._outage.is_over:
            raise UsageError(f"{self!r} cannot be reached already; end() that first")
        self.pause_accepting()
        self.close_connections()
        self._outage = Outage(self.resume_accepting)
        for sock in self._listener.sockets if blackhole and self._listener is not None else ():
            self._outage.sockets += fill(sock)
        return self._outage

    def reset_connections(self) -> None:
        """Cut every connection with a TCP reset."""
        for connection in self.connections:
            if isinstance(connection, StubConnection):
                connection.mark_truncated(reset=True)
            connection.cut()

    def end_disruptions(self) -> None:
        """Have whatever was broken work again."""
        if self._outage is not None and self.is_running:
            self._outage.end()
        with self._faults_lock:
            self._faults = []

    # -- life ------------------------------------------------------------------------------------------------------

    def _open(self, listener: Listener) -> None:
        defer_sigint(self._make_wake)  # an interrupt in the middle of it would leave descriptors behind
        # Rules in paths need it.  It is loaded now: a class without a test need not wait for it, and a test may have
        # replaced what an import needs.
        import werkzeug.routing  # noqa: F401

        self._outage = None
        super()._open(listener)

    def _connect(self, sock: socket.socket, address: Any, index: int, stopping: threading.Event) -> StubConnection:
        return StubConnection(self, sock, address, index, stopping)

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


def _forget(exchange: Exchange) -> None:
    """Let its expectation go of a request that the journal keeps no longer."""
    request = exchange.handler_data
    if isinstance(request, RecordedRequest) and isinstance(request.expectation, Expectation):
        request.expectation.forget_request(request)

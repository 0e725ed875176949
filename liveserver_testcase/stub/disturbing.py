"""What is done to a stub as a whole, besides what its script says of single requests."""

from __future__ import annotations

import threading
from typing import Any

from ..core.listener import Listener
from ..core.text import quote
from ..core.tracebacks import Unfinished
from ..errors import UsageError
from .connection import StubConnection
from .fault import FLAWS, Fault, Plan, plan_connection
from .outage import ConnectionFault, Outage, fill
from .script import Script

__all__ = ["Disturbing"]


class Disturbing(Script):
    """The part of an `HTTPStub` that fails whoever connects, and can be gone."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._faults: list[ConnectionFault] = []
        self._faults_lock = threading.Lock()  # guards that, and the counts in it
        self._outage: Outage | None = None

    def on_connect(self, fault: Fault, *, times: int | None = None) -> ConnectionFault:
        """Fail whoever connects from now on, before there is a request; connections that are open stay as they are.

        Args:
            fault: What goes wrong.
            times: With how many connections; None for all.

        Returns:
            What ends it, by a ``with`` block or by ``end()``; else it ends with the test.

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

    def plan_connection(self) -> Plan | None:
        """What goes wrong with the next connection, which is counted; None if nothing does."""
        if not self._faults:
            return None
        with self._faults_lock:
            planned = next((known for known in self._faults if known.has_room), None)
            if planned is None:
                return None
            planned.count += 1
            return planned.plan

    def refuse_connections(self) -> Outage:
        """Be gone, as a server that has crashed: connections are cut, and new ones refused.

        Returns:
            What ends it, by a ``with`` block or by ``end()``; else it ends with the test.

        Raises:
            ServerNotStarted: The stub does not run.
            UsageError: It cannot be reached already.
        """
        return self._break_down()

    def blackhole(self) -> Outage:
        """Be unreachable, as behind a firewall: connections are cut, and nothing answers an attempt to connect.

        Where the system cannot do that, which is on Windows, connections are refused.

        Returns:
            What ends it, by a ``with`` block or by ``end()``; else it ends with the test.

        Raises:
            ServerNotStarted: The stub does not run.
            UsageError: It cannot be reached already.
        """
        outage = self._break_down()
        for sock in self._listener.sockets if self._listener is not None else ():
            outage.sockets += fill(sock)
        return outage

    def _break_down(self) -> Outage:
        if self._outage is not None and not self._outage.is_over:
            raise UsageError(f"{self!r} cannot be reached already; end() that first")
        self.pause_accepting()
        self.close_connections()
        self._outage = Outage(self.resume_accepting)
        return self._outage

    def close_connections(self, *, reset: bool = False) -> None:
        """Cut every connection that is open, whatever it is at; new ones are served.

        Args:
            reset: Whether with a TCP reset, as when a machine forgets its connections.
        """
        for connection in self.connections:
            if reset and isinstance(connection, StubConnection):
                connection.mark_truncated(reset=True)
            connection.cut()

    # -- life ------------------------------------------------------------------------------------------------------

    def begin(self, name: str) -> None:
        """Begin a test: whatever was broken works again."""
        if self._outage is not None and self.is_running:
            self._outage.end()
        with self._faults_lock:
            self._faults = []
        super().begin(name)

    def _open(self, listener: Listener) -> None:
        self._outage = None
        super()._open(listener)

    def _close(self, timeout: float) -> list[Unfinished]:
        if self._outage is not None:
            self._outage.abandon()
        return super()._close(timeout)

"""The smallest servers there can be, one of each kind: they send back every line that they are sent."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

from liveserver_testcase.core.event_loop import EventLoopServer, LoopConnection
from liveserver_testcase.core.interrupts import monotonic
from liveserver_testcase.core.threaded import Connection, ConnectionState, ThreadedServer
from liveserver_testcase.core.tls import resolve_tls

__all__ = ["EchoLoopServer", "EchoServer"]


class EchoServer(ThreadedServer):
    """Echoes lines, each client in a thread."""

    scheme = "echo"
    label = "echo-server"

    def __init__(self, work: Callable[[], object] = lambda: None, **options: Any) -> None:
        super().__init__(**options)
        self.work = work

    def _connect(self, sock: socket.socket, address: Any, index: int, stopping: threading.Event) -> _EchoConnection:
        return _EchoConnection(self, sock, address, index, stopping)


class _EchoConnection(Connection):
    def __init__(
        self, server: EchoServer, sock: socket.socket, address: Any, index: int, stopping: threading.Event
    ) -> None:
        super().__init__(sock, address, index, stopping)
        self.server = server

    def serve(self) -> None:
        line = b""
        with contextlib.suppress(OSError):
            while not self.stopping.is_set():
                data = self.sock.recv(65536)
                if not data:
                    break
                self.state = ConnectionState.READING
                line += data
                if line.endswith(b"\n"):
                    self.state, self.since = ConnectionState.ACTIVE, monotonic()
                    self.server.work()
                    self.sock.sendall(line)
                    line = b""
                    self.state = ConnectionState.IDLE

    def describe(self) -> str:
        return "an echo"


class EchoLoopServer(EventLoopServer):
    """Echoes lines, all clients on one event loop."""

    scheme = "echo"
    label = "echo-loop"

    def __init__(
        self,
        work: Callable[[], object] = lambda: None,
        *,
        tls: bool | ssl.SSLContext | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.work = work
        self.tls = resolve_tls(tls)

    def _options(self) -> dict[str, Any]:
        return {"ssl": self.tls.context} if self.tls is not None else {}

    def _make_protocol(self) -> asyncio.BaseProtocol:
        return _EchoProtocol(self)


class _EchoProtocol(asyncio.Protocol):
    def __init__(self, server: EchoLoopServer) -> None:
        self.server = server
        self.line = b""
        self.connection: LoopConnection | None = None
        self.tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.connection = self.server._connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self.connection is not None:
            self.server._connection_lost(self.connection)

    def data_received(self, data: bytes) -> None:
        self.line += data
        if self.line.endswith(b"\n"):
            line, self.line = self.line, b""
            task = asyncio.get_running_loop().create_task(self.echo(line))
            self.tasks.add(task)
            task.add_done_callback(self.end)

    def end(self, task: asyncio.Task[None]) -> None:
        """Give the loop what the task has raised, now and not when it is garbage."""
        self.tasks.discard(task)
        if not task.cancelled():
            task.result()

    async def echo(self, line: bytes) -> None:
        """Work and answer; the work may be a coroutine."""
        connection = self.connection
        if connection is None:
            return
        connection.mark_busy("an echo")
        result = self.server.work()
        if asyncio.iscoroutine(result):
            await result
        if isinstance(connection.transport, asyncio.WriteTransport):
            connection.transport.write(line)
        connection.mark_idle()

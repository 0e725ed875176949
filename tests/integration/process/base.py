"""Servers in processes, for tests: made, ended, provoked, and what is left of them."""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any

from liveserver_testcase import LiveServer
from liveserver_testcase.core.server import Server
from liveserver_testcase.errors import ServerDied, UnfinishedWorkWarning
from liveserver_testcase.process.server import ProcessServer
from tests.support import HANG, NoLeaks, wait_until

__all__ = ["APP", "SCRIPTED", "LiveProcessCase", "ProcessCase", "is_alive", "is_refused"]

APP = "tests.integration.process.apps:app"
SCRIPTED = "tests.integration.process.children:make_scripted"


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def is_refused(port: int) -> bool:
    """Whether nobody listens there."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=HANG):
            return False
    except ConnectionError:
        return True


class ProcessCase(NoLeaks):
    """Servers whose children do what a test says."""

    def make(self, script: str = "be_quiet", *arguments: str, **options: Any) -> ProcessServer:
        server = ProcessServer(SCRIPTED, script, *arguments, **options)
        self.addCleanup(self.end, server)
        return server

    def end(self, server: Any) -> None:
        with contextlib.suppress(ServerDied, UnfinishedWorkWarning):
            server.stop(0.0)

    def started(self, script: str = "be_quiet", *arguments: str, **options: Any) -> ProcessServer:
        server = self.make(script, *arguments, **options)
        server.start()
        return server

    def connection(self, server: Server) -> None:
        with socket.create_connection(server.address, timeout=HANG) as client:
            client.sendall(b"hello\n")
            self.assertEqual(b"hello\n", client.recv(6))

    def provoke(self, server: Server) -> None:
        """Send a line and wait until the connection is over."""
        with contextlib.suppress(OSError), socket.create_connection(server.address, timeout=HANG) as client:
            client.sendall(b"hello\n")
            client.recv(6)

    def folder(self) -> Path:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return Path(folder.name)

    def read_pids(self, path: Path, count: int) -> list[int]:
        self.assertTrue(wait_until(lambda: path.exists() and len(path.read_text().split()) == count))
        return [int(pid) for pid in path.read_text().split()]


class LiveProcessCase(ProcessCase):
    """Live servers in processes, and their clients."""

    def live(self, app: Any = APP, **options: Any) -> LiveServer:
        """A server that is not started yet."""
        server = LiveServer(app, mode="process", **options)
        self.addCleanup(self.end, server)
        return server

    def start_live(self, app: Any = APP, **options: Any) -> LiveServer:
        server = self.live(app, **options)
        server.start()
        return server

    def get(self, server: LiveServer, path: str = "/", host: str = "127.0.0.1") -> str:
        """The body of the answer; empty if there is none."""
        context = server.client_context()
        connection = (
            HTTPSConnection(host, server.port, timeout=HANG, context=context)
            if context is not None
            else HTTPConnection(host, server.port, timeout=HANG)
        )
        with contextlib.closing(connection), contextlib.suppress(HTTPException, ConnectionError):
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        return ""

    def connect(self, server: LiveServer) -> HTTPConnection:
        client = HTTPConnection("127.0.0.1", server.port, timeout=HANG)
        self.addCleanup(client.close)
        return client

    def in_background(self, function: Callable[..., object], *arguments: object) -> None:
        """Call the function in a thread, which is joined at the end of the test."""
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        thread.start()
        self.addCleanup(thread.join, HANG)

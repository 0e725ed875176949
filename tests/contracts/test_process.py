"""The contract of every server, held against servers that run in processes."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
import threading
from typing import Any

from liveserver_testcase.core.server import Server
from liveserver_testcase.process.server import ProcessServer
from liveserver_testcase.web.live_process import RemoteServer
from tests.contracts.server_contract import ServerContract
from tests.contracts.test_servers import HTTPCase
from tests.support import NoLeaks


class Bridge:
    """Does in this process the work that a child asks for: one connection a piece of work."""

    def __init__(self, work: Any) -> None:
        self.work = work
        self.folder = tempfile.mkdtemp()
        self.path = os.path.join(self.folder, "bridge")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(128)
        self.thread = threading.Thread(target=self.serve, name="bridge", daemon=True)
        self.workers: list[threading.Thread] = []
        self.thread.start()

    def serve(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.settimeout(None)
            worker = threading.Thread(target=self.do, args=(sock,), name="bridge", daemon=True)
            self.workers.append(worker)
            worker.start()

    def do(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):
            self.work()
            sock.sendall(b".")

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join(10)
        self.listener.close()
        for worker in self.workers:
            worker.join(10)
        shutil.rmtree(self.folder)


class SpawnContract(ServerContract, NoLeaks):
    """An echo server in a fresh interpreter, whose work this process does."""

    half_said = {"half a line": b"hel"}
    request = b"hello\n"
    lives = 10
    interrupts = (8, {"start": 0.2, "stop": 0.05})

    def setUp(self) -> None:
        super().setUp()
        freed = self.freed
        self.bridge = Bridge(self.do_work)

        def close() -> None:
            freed.set()
            self.bridge.close()

        self.addCleanup(close)

    def make_server(self, **options: Any) -> Server:
        server = ProcessServer("tests.integration.process.children:make_echo", self.bridge.path, **options)
        server.label = "echo-server"  # as the one in the child, whose threads a stop names
        return server

    def check_answer(self, client: socket.socket) -> None:
        self.assertEqual(b"hello\n", self.receive(client, b"\n"))

    def test_thread_names(self) -> None:
        """The one thread of the server has its label and address for a name."""
        before = set(threading.enumerate())
        server = self.started()
        names = [thread.name for thread in set(threading.enumerate()) - before]
        self.assertEqual([f"{server.label} 127.0.0.1:{server.port}"], names)

    # where the handler and the sockets are another process's, these come to nothing
    test_stop_from_inside = test_stop_from_inside_while_it_stops = None  # type: ignore[assignment]
    test_where_shutdown_wakes_nobody = test_no_descriptors_left = None  # type: ignore[assignment]


class RemoteTLSContract(HTTPCase, SpawnContract):
    """A WSGI application in a fresh interpreter, over TLS."""

    def make_server(self, **options: Any) -> Server:
        app = "tests.integration.process.apps:bridged()"
        return RemoteServer(app, env={"BRIDGE": self.bridge.path}, tls=True, **options)

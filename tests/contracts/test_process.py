"""The contract of every server, held against servers that run in processes."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import socketserver
import tempfile
import threading
from collections.abc import Callable
from typing import Any

from liveserver_testcase.core.server import Server
from liveserver_testcase.process.server import ProcessServer
from liveserver_testcase.web.live_process import RemoteServer
from tests.contracts.server_contract import ServerContract
from tests.contracts.test_servers import HTTPCase
from tests.support import HANG, NoLeaks


class Bridge(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Does in this process the work that a child asks for: one connection a piece of work."""

    request_queue_size = 128
    daemon_threads = True  # a process may end without waiting for its work

    def __init__(self, path: str, work: Callable[[], object]) -> None:
        self.work = work
        super().__init__(path, socketserver.BaseRequestHandler)
        self.socket.settimeout(None)  # whatever the test has set for sockets

    def finish_request(self, request: Any, _address: object) -> None:
        request.settimeout(None)
        with contextlib.suppress(OSError):
            self.work()
            request.sendall(b".")


class SpawnContract(ServerContract, NoLeaks):
    """An echo server in a fresh interpreter, whose work this process does."""

    half_said = {"half a line": b"hel"}
    request = b"hello\n"
    lives = 10
    interrupts = (8, {"start": 0.2, "stop": 0.05})

    def setUp(self) -> None:
        super().setUp()
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        self.bridge = Bridge(os.path.join(folder, "bridge"), self.do_work)
        self.addCleanup(self.bridge.server_close)
        thread = threading.Thread(target=self.bridge.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        self.addCleanup(thread.join, HANG)
        self.addCleanup(self.bridge.shutdown)
        self.addCleanup(self.freed.set)

    def make_server(self, **options: Any) -> Server:
        server = ProcessServer(
            "tests.integration.process.children:make_echo", str(self.bridge.server_address), **options
        )
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
    test_where_shutdown_wakes_nobody = test_no_descriptors_left = test_copies_of_its_sockets = None  # type: ignore[assignment]


class RemoteTLSContract(HTTPCase, SpawnContract):
    """A WSGI application in a fresh interpreter, over TLS."""

    def make_server(self, **options: Any) -> Server:
        app = "tests.integration.process.apps:bridged()"
        return RemoteServer(app, env={"BRIDGE": str(self.bridge.server_address)}, tls=True, **options)

"""A threaded server can refuse new clients for a while, and keeps its port meanwhile."""

from __future__ import annotations

import socket
import threading
import unittest
from unittest import mock

from liveserver_testcase.core.listener import Listener
from liveserver_testcase.errors import ServerNotStarted, ServerStartError
from tests.contracts.toys import EchoServer
from tests.support import HANG, NoLeaks, wait_until


class PauseAcceptingTest(NoLeaks, unittest.TestCase):
    """`pause_accepting` and `resume_accepting`."""

    def setUp(self) -> None:
        self.server = EchoServer(lambda: None, host="localhost")
        self.server.start()
        self.addCleanup(self.server.stop)

    def connect(self, host: str = "127.0.0.1") -> socket.socket:
        client = socket.create_connection((host, self.server.port), timeout=HANG)
        self.addCleanup(client.close)
        return client

    def assert_echo(self, client: socket.socket) -> None:
        client.sendall(b"hello\n")
        self.assertEqual(b"hello\n", client.recv(100))

    def test_a_pause(self) -> None:
        """Nobody comes in, and nobody else gets the port; who is inside is served.  Again, either does nothing."""
        inside = self.connect()
        self.assert_echo(inside)
        for _ in range(20):
            self.server.pause_accepting()
            self.server.pause_accepting()
            for host in ("127.0.0.1", "::1"):
                self.assertRaises(OSError, self.connect, host)
            self.assertRaises(ServerStartError, Listener, "127.0.0.1", self.server.port)
            self.assert_echo(inside)
            self.server.resume_accepting()
            self.server.resume_accepting()
            self.assert_echo(self.connect())
            self.assert_echo(inside)

    def test_a_stop_in_a_pause(self) -> None:
        """A server that is paused can be stopped, and accepts when it is started again."""
        self.assert_echo(self.connect())
        self.server.pause_accepting()
        self.server.stop()
        self.server.resume_accepting()
        with self.assertRaises(ServerNotStarted) as caught:
            self.server.pause_accepting()
        name = f"<EchoServer stopped at echo://localhost:{self.server.port}>"
        self.assertEqual(f"{name} is not running; call start() before pause_accepting()", str(caught.exception))
        self.server.start()
        self.assert_echo(self.connect())

    def test_workers_that_come_back(self) -> None:
        """Threads that were serving when the pause began accept again after it."""
        clients = [self.connect() for _ in range(5)]
        for client in clients:
            self.assert_echo(client)
        self.server.pause_accepting()
        for client in clients:
            client.close()
        self.assertTrue(wait_until(lambda: not self.server.connections))
        self.server.resume_accepting()
        self.assert_echo(self.connect())

    def test_where_shutdown_wakes_nobody(self) -> None:
        """Where the system does not wake a blocked ``accept()``, the pause begins all the same."""
        with mock.patch.object(Listener, "wake", return_value=False):
            pause = threading.Thread(target=self.server.pause_accepting, daemon=True)
            pause.start()
            pause.join(HANG)
            self.assertFalse(pause.is_alive())
            self.server.resume_accepting()
            self.assert_echo(self.connect())

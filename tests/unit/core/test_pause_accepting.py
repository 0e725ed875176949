"""A threaded server can shut its acceptors for a while, and keeps its port meanwhile."""

from __future__ import annotations

import socket
import threading
import unittest
from unittest import mock

from liveserver_testcase.core.listener import Listener
from liveserver_testcase.errors import ServerNotStarted, ServerStartError
from tests.contracts.toys import EchoServer
from tests.support import HANG, NoLeaks, wait_until


class DoorsTest(NoLeaks, unittest.TestCase):
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

    def test_new_clients_are_refused(self) -> None:
        """While the acceptors are shut nobody comes in, and who is inside is served."""
        inside = self.connect()
        self.assert_echo(inside)
        self.server.pause_accepting()
        for host in ("127.0.0.1", "::1"):
            with self.assertRaises(OSError):
                self.connect(host)
        self.assert_echo(inside)
        self.server.resume_accepting()
        self.assert_echo(self.connect())
        self.assert_echo(inside)

    def test_the_port_is_kept(self) -> None:
        """Nobody else gets the port while the acceptors are shut."""
        self.server.pause_accepting()
        with self.assertRaises(ServerStartError):
            Listener("127.0.0.1", self.server.port)
        self.server.resume_accepting()
        self.assert_echo(self.connect())

    def test_again_and_again(self) -> None:
        """Shutting what is shut does nothing, and neither does opening what is open."""
        for _ in range(20):
            self.server.pause_accepting()
            self.server.pause_accepting()
            self.server.resume_accepting()
            self.server.resume_accepting()
            self.assert_echo(self.connect())

    def test_a_stop_behind_shut_doors(self) -> None:
        """A server whose acceptors are shut can be stopped, and opens them when it is started again."""
        inside = self.connect()
        self.assert_echo(inside)
        self.server.pause_accepting()
        self.server.stop()
        self.server.resume_accepting()
        with self.assertRaises(ServerNotStarted) as caught:
            self.server.pause_accepting()
        self.assertEqual(
            f"<EchoServer stopped at echo://localhost:{self.server.port}> is not running; "
            "call start() before pause_accepting()",
            str(caught.exception),
        )
        self.server.start()
        self.assert_echo(self.connect())

    def test_a_worker_that_comes_back(self) -> None:
        """A thread that was serving when the acceptors were shut is not needed at them any more."""
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
        """Where the system does not wake a blocked ``accept()``, the server knocks at its own acceptor."""
        with mock.patch.object(Listener, "wake", return_value=False):
            shut = threading.Thread(target=self.server.pause_accepting, daemon=True)
            shut.start()
            shut.join(HANG)
            self.assertFalse(shut.is_alive())
            self.server.resume_accepting()
            self.assert_echo(self.connect())

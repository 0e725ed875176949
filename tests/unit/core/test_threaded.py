"""Threads that take turns to accept: how many there are, and what they bear."""

from __future__ import annotations

import errno
import os
import re
import socket
import threading
from typing import Any
from unittest import mock

from liveserver_testcase.core import threaded
from liveserver_testcase.core.connection import Connection, ConnectionState
from liveserver_testcase.core.listener import ServerSocket
from liveserver_testcase.errors import ServerThreadError
from tests.contracts.toys import EchoServer
from tests.support import HANG, NoLeaks, wait_until

LOG = "liveserver_testcase.core"


class EchoCase(NoLeaks):
    """An echo server, and clients of it."""

    def setUp(self) -> None:
        super().setUp()
        self.server = EchoServer()
        self.addCleanup(self.server.stop)

    def connect(self) -> socket.socket:
        client = socket.create_connection(self.server.address, timeout=HANG)
        self.addCleanup(client.close)
        return client

    def connection(self, client: socket.socket | None = None) -> None:
        used = client or self.connect()
        used.sendall(b"hello\n")
        self.assertEqual(b"hello\n", used.recv(100))
        if client is None:
            used.close()

    def threads(self) -> int:
        name = self.server._thread_name
        return sum(thread.name == name for thread in threading.enumerate())


class Turns(EchoCase):
    """How many threads there are."""

    def test_clients_one_after_the_other_share_threads(self) -> None:
        """A server that nobody has asked has one thread; further clients cost no new one, but for the first few."""
        self.server.start()
        self.assertEqual(1, self.threads())
        for _ in range(50):
            self.connection()
        self.assertLessEqual(self.threads(), threaded._SPARE + 1)

    def test_clients_at_the_same_time_have_a_thread_each(self) -> None:
        """Nobody waits for another client; when all have left, the threads that are too many end."""
        together = threading.Barrier(30)
        self.server.work = lambda: together.wait(HANG)
        self.server.start()
        clients = [self.connect() for _ in range(30)]
        for client in clients:
            client.sendall(b"hello\n")
        for client in clients:
            self.assertEqual(b"hello\n", client.recv(100))
            client.close()
        self.assertTrue(wait_until(lambda: self.threads() <= threaded._SPARE + 1), self.threads())
        self.server.work = lambda: None
        self.connection()

    def test_a_crowd(self) -> None:
        """Two hundred clients that come at once are all served, and all are gone after the stop."""
        self.server.start()
        clients = [self.connect() for _ in range(200)]
        for client in clients:
            client.sendall(b"hello\n")
        self.assertEqual([b"hello\n"] * 200, [client.recv(100) for client in clients])
        self.server.stop()
        self.assertEqual([b""] * 200, [client.recv(100) for client in clients])

    def test_no_more_threads(self) -> None:
        """Where the system gives no more threads, clients are served one after the other, and it is logged once."""
        really = threaded.start_thread
        started: list[threading.Thread] = []

        def start(thread: threading.Thread) -> None:
            if started:
                raise RuntimeError("can't start new thread")
            started.append(thread)
            really(thread)

        with mock.patch.object(threaded, "start_thread", start), self.assertLogs(LOG, "ERROR") as logs:
            self.server.start()
            for _ in range(3):
                self.connection()
            self.assertEqual(1, self.threads())
            self.server.stop()
        wanted = f"ERROR:{LOG}:<EchoServer running at {self.server.url}> has no spare thread: can't start new thread"
        self.assertEqual([wanted], logs.output)


class Connections(EchoCase):
    """What the server knows of its clients."""

    def only(self) -> Connection:
        self.assertTrue(wait_until(lambda: len(self.server.connections) == 1))
        return self.server.connections[0]

    def test_states(self) -> None:
        """A connection is new, reading, active and idle in turn."""
        self.server.start()
        seen: list[ConnectionState] = []
        client = self.connect()
        connection = self.only()
        self.assertIs(ConnectionState.NEW, connection.state)
        client.sendall(b"hel")
        self.assertTrue(wait_until(lambda: connection.state is ConnectionState.READING))
        self.server.work = lambda: seen.append(connection.state)
        client.sendall(b"lo\n")
        self.assertEqual(b"hello\n", client.recv(100))
        self.assertEqual([ConnectionState.ACTIVE], seen)
        self.assertTrue(wait_until(lambda: connection.state is ConnectionState.IDLE))

    def test_peer_and_index(self) -> None:
        """It has its client's address as text, and a number from 0 over all the lives of the server."""
        for index in range(3):
            with self.server:
                client = self.connect()
                connection = self.only()
                host, port = client.getsockname()
                self.assertEqual((index, f"{host}:{port}"), (connection.index, connection.peer))
                client.close()
                self.assertTrue(wait_until(lambda: not self.server.connections))

    def test_open_sockets(self) -> None:
        """The listening sockets and those of the clients are what a forked child must let go; first there are none."""
        self.assertEqual(([], []), (self.server.connections, list(self.server.open_sockets())))
        self.server.start()
        self.connect()
        connection = self.only()
        wanted = {connection.sock, *self.server._listener.sockets}  # type: ignore[union-attr]
        self.assertEqual(wanted, set(self.server.open_sockets()))

    def test_who_is_cut_at_once(self) -> None:
        """The first thing a stop does is to cut those who are not being answered; `close_connections` cuts all."""
        self.server.start()
        for cut in (self.server.close_connections, self.server._stop_accepting):
            clients = [self.connect() for _ in range(3)]
            clients[0].sendall(b"half")
            self.connection(clients[1])
            self.assertTrue(wait_until(lambda: len(self.server.connections) == 3))
            cut()
            self.assertEqual([b""] * 3, [client.recv(100) for client in clients])
            self.assertTrue(wait_until(lambda: not self.server.connections))

    def test_who_comes_in_the_moment_of_the_stop_is_cut(self) -> None:
        """A client that is accepted while the stop looks through the others is not served, and not forgotten."""
        really = self.server._connect
        serve = mock.Mock()

        def connect_and_refuse(*arguments: Any) -> Connection:
            self.server._stop_accepting()
            connection = really(*arguments)
            connection.serve = serve  # type: ignore[method-assign]
            return connection

        self.server._connect = connect_and_refuse  # type: ignore[method-assign]
        self.server.start()
        self.assertEqual(b"", self.connect().recv(100))
        serve.assert_not_called()


class Failures(EchoCase):
    """What goes wrong, and what comes of it."""

    def assert_raised(self, error: BaseException) -> None:
        """Fail unless the server goes on serving, and its stop raises ``error``."""
        self.connection()
        with self.assertRaises(ServerThreadError) as caught:
            self.server.stop()
        self.assertIs(error, caught.exception.__cause__)

    def test_an_error_while_serving(self) -> None:
        """What serving raises ends that connection only; it is logged, and raised by the stop."""
        for error in (ValueError("boom"), SystemExit(3), KeyboardInterrupt()):
            with self.subTest(error=error):
                self.server.work = mock.Mock(side_effect=error)
                self.server.start()
                with self.assertLogs(LOG, "ERROR") as logs:
                    client = self.connect()
                    client.sendall(b"hello\n")
                    self.assertEqual(b"", client.recv(100))
                self.assertRegex(logs.output[0], f"^ERROR:{LOG}:{self.server!r} failed to serve a connection\n")
                self.assertEqual(1, len(logs.output))
                self.server.work = lambda: None
                self.assert_raised(error)

    def test_an_error_before_serving(self) -> None:
        """A connection that cannot even be made is closed; the next one is served."""
        error = ValueError("no")
        self.server.start()
        with mock.patch.object(self.server, "_connect", side_effect=error), self.assertLogs(LOG, "ERROR"):
            self.assertEqual(b"", self.connect().recv(100))
        self.assert_raised(error)

    def test_an_error_while_closing(self) -> None:
        """A connection that fails to close is gone all the same, and the error is raised by the stop."""
        self.server.start()
        with mock.patch.object(Connection, "close", autospec=True, side_effect=close_and_fail):
            with self.assertLogs(LOG, "ERROR"):
                self.connection()
                self.assertTrue(wait_until(lambda: self.server._failures and not self.server.connections))
        self.connection()
        self.assertRaises(ServerThreadError, self.server.stop)

    def accepting(self, *errors: OSError) -> list[OSError]:
        """Start the server so that ``accept()`` raises these one after the other; those that are still to come."""
        left = list(errors)
        really = ServerSocket.accept

        def accept(sock: ServerSocket) -> tuple[socket.socket, Any]:
            if left:
                raise left.pop(0)
            return really(sock)

        patched = mock.patch.object(ServerSocket, "accept", accept)
        patched.start()
        self.addCleanup(patched.stop)
        self.server.start()
        return left

    def test_a_client_that_left_before_it_was_accepted(self) -> None:
        """A client that gave up in the queue is passed over, without a word."""
        with self.assertNoLogs(LOG, "DEBUG"):
            left = self.accepting(*[OSError(number, "") for number in (errno.ECONNABORTED, errno.EPROTO, errno.EINTR)])
            self.connection()
        self.assertEqual([], left)

    def test_nothing_left_to_give(self) -> None:
        """While the system is exhausted the server tries again, and logs it once."""
        error = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        with self.assertLogs(LOG, "ERROR") as logs:
            left = self.accepting(error, error, error)
            self.connection()
        self.assertEqual([], left)
        wanted = re.escape(f" cannot accept: {error}; it tries again every 0.05 s")
        self.assertRegex(logs.output[0], f"^ERROR:{LOG}:<EchoServer .+>{wanted}$")
        self.assertEqual(1, len(logs.output))

    def test_a_stop_while_nothing_is_left_to_give(self) -> None:
        """A stop does not wait for the next attempt."""
        error = OSError(errno.EMFILE, "")
        with mock.patch.object(threaded, "_PAUSE", 10 * HANG), self.assertLogs(LOG, "ERROR"):
            left = self.accepting(error)
            self.connect()
            self.assertTrue(wait_until(lambda: not left))
            stopper = threading.Thread(target=self.server.stop)
            stopper.start()
            stopper.join(HANG)
            self.assertFalse(stopper.is_alive())

    def test_somebody_shuts_the_socket(self) -> None:
        """When code under test shuts the server's own socket, the stop says so; who is inside is served."""
        self.server.start()
        client = self.connect()
        self.connection(client)
        with self.assertLogs(LOG, "ERROR") as logs:
            self.server._listener.wake()  # type: ignore[union-attr]
            self.assertTrue(wait_until(lambda: self.server._failures))
        self.connection(client)
        wanted = f"^ERROR:{LOG}:{self.server!r} cannot accept any more: somebody else has closed its socket\n"
        self.assertRegex(logs.output[0], wanted)
        with self.assertRaisesRegex(ServerThreadError, "ended with OSError"):
            self.server.stop()

    def test_work_that_was_cut_may_fail(self) -> None:
        """What a thread raises when it has been given up belongs to nobody, not to the next life either."""
        freed, begun = threading.Event(), threading.Event()

        def work() -> None:
            begun.set()
            freed.wait(HANG)
            raise ValueError("too late")

        self.server.work = work
        self.server.start()
        self.connect().sendall(b"hello\n")
        self.assertTrue(begun.wait(HANG))
        with self.assertWarns(ResourceWarning):
            self.server.stop(0.0)
        self.server.start()
        before = self.threads()
        freed.set()
        self.assertTrue(wait_until(lambda: self.threads() <= before))
        self.server.stop()


def close_and_fail(connection: Connection) -> None:
    connection.sock.close()
    raise ValueError("boom")

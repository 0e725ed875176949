"""Threads that take turns to accept, and an event loop in a thread: what they bear, and what they know of clients."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import os
import re
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from unittest import mock

from liveserver_testcase.core import event_loop, threaded
from liveserver_testcase.core.connection import Connection, ConnectionState
from liveserver_testcase.core.listener import Listener, ServerSocket
from liveserver_testcase.core.server import State
from liveserver_testcase.errors import ServerNotStarted, ServerStartError, ServerThreadError, UnfinishedWorkWarning
from tests.contracts.toys import EchoLoopServer, EchoServer
from tests.support import HANG, NoLeaks, wait_until

LOG = "liveserver_testcase.core"
NEVER = 10 * HANG
LONG = bytes(5_000_000) + b"\n"
EXHAUSTED = OSError(errno.EMFILE, os.strerror(errno.EMFILE))


class EchoCase(NoLeaks):
    """An echo server, and clients of it."""

    server: Any

    def setUp(self) -> None:
        super().setUp()
        self.make(EchoServer)

    def make(self, kind: type[Any], **options: Any) -> None:
        self.server = kind(**options)
        self.addCleanup(self.server.stop)

    def serve(self, work: Callable[[], object] = lambda: None) -> None:
        self.server.work = work
        self.server.start()

    def connect(self, host: str = "127.0.0.1") -> socket.socket:
        client = socket.create_connection((host, self.server.port), timeout=HANG)
        self.addCleanup(client.close)
        return client

    def ask(self, line: bytes = b"hello\n") -> socket.socket:
        client = self.connect()
        client.sendall(line)
        return client

    def assert_serves(self, client: socket.socket | None = None) -> socket.socket:
        """Prove that a client is served, a new one that stays if there is none."""
        client = client or self.connect()
        client.sendall(b"hello\n")
        self.assertEqual(b"hello\n", client.recv(100))
        return client

    def connections(self) -> list[Any]:
        if isinstance(self.server, EchoServer):
            return list(self.server.connections)
        return list(self.server._run.connections) if self.server._run is not None else []

    def only(self) -> Any:
        self.assertTrue(wait_until(lambda: len(self.connections()) == 1))
        return self.connections()[0]

    def assert_all_leave(self) -> None:
        self.assertTrue(wait_until(lambda: not self.connections()))

    def assert_stop_raises(self, error: BaseException) -> None:
        """Fail unless the server goes on serving, and its stop raises ``error``."""
        self.server.work = lambda: None
        self.assert_serves().close()
        self.assert_all_leave()
        with self.assertRaisesRegex(ServerThreadError, type(error).__name__) as caught:
            self.server.stop(0.0)
        self.assertIs(error, caught.exception.__cause__)

    def assert_ends(self, function: Callable[[], object]) -> None:
        thread = threading.Thread(target=function, daemon=True)
        thread.start()
        thread.join(HANG)
        self.assertFalse(thread.is_alive(), "the call does not return")

    def exhausted(self, *errors: OSError) -> list[OSError]:
        """Have ``accept()`` raise these one after the other; those that are still to come."""
        left, really = list(errors), ServerSocket.accept

        def accept(sock: ServerSocket) -> tuple[socket.socket, Any]:
            if left:
                raise left.pop(0)
            return really(sock)

        patched = mock.patch.object(ServerSocket, "accept", accept)
        patched.start()
        self.addCleanup(patched.stop)
        return left

    def threads(self) -> int:
        return sum(thread.name == self.server._thread_name for thread in threading.enumerate())


class ThreadedEngine(EchoCase):
    """What threads and loops have in common."""

    engine: Any = EchoServer
    makes_clients = "_connect"
    errors: tuple[BaseException, ...] = (ValueError("boom"), SystemExit(3), KeyboardInterrupt())

    def setUp(self) -> None:
        NoLeaks.setUp(self)
        self.make(self.engine)

    def test_places_and_peers(self) -> None:
        """A connection has its client's address as text, and a number from 0 over all the lives of the server."""
        for index in range(3):
            with self.server:
                client = self.assert_serves()
                peer = f"127.0.0.1:{client.getsockname()[1]}"
                self.assertEqual((index, peer), (self.only().index, self.only().peer))
                client.close()
                self.assert_all_leave()

    def test_open_sockets(self) -> None:
        """The listening sockets and those of the clients are what a forked child must let go; first there are none."""
        self.assertEqual([], list(self.server.open_sockets()))
        self.server.start()
        client, port = self.assert_serves(), self.server.port
        peers = set()
        for sock in self.server.open_sockets():
            with socket.socket(fileno=os.dup(sock.fileno())) as copy:
                self.assertEqual(port, copy.getsockname()[1])
                with contextlib.suppress(OSError):  # of the one that listens
                    peers.add(copy.getpeername())
        self.assertEqual(({client.getsockname()}, 2), (peers, len(list(self.server.open_sockets()))))

    def test_nothing_left_to_give(self) -> None:
        """While the system is exhausted the server tries again, and logs it once."""
        with self.assertLogs(LOG, "DEBUG") as logs:
            left = self.exhausted(*[EXHAUSTED] * 3)
            self.server.start()
            self.assert_serves()
        self.assertEqual([], left)
        wanted = re.escape(f"{self.server!r} cannot accept: {EXHAUSTED}")
        self.assertRegex("|".join(logs.output), f"^ERROR:{LOG}:{wanted}(; it tries again every 0.05 s)?$")

    def test_a_client_that_cannot_be_served(self) -> None:
        """A connection that cannot even be made is closed, and the stop says why; the next one is served."""
        error = ValueError("no")
        self.server.start()
        failing = mock.patch.object(self.server, self.makes_clients, side_effect=error)
        with failing, self.assertLogs(LOG, "ERROR") as logs:
            self.assertEqual(b"", self.connect().recv(100))
            self.assertTrue(wait_until(lambda: self.server._failures and logs.output))
        self.assertEqual(1, len(list(self.server.open_sockets())))
        self.assert_stop_raises(error)

    def test_an_error_while_serving(self) -> None:
        """What serving raises is logged once and raised by the stop; the server goes on, and a thread cuts its client.

        On a loop that is so for an `OSError` about a file, too.
        """
        for error in self.errors:
            with self.subTest(error=error):
                self.serve(mock.Mock(side_effect=error))
                with self.assertLogs(LOG, "DEBUG") as logs:
                    client = self.ask()
                    self.assertTrue(wait_until(lambda: self.server._failures and logs.output))
                if self.engine is EchoServer:
                    self.assertEqual(b"", client.recv(100))
                    self.assertRegex(logs.output[0], f"{self.server!r} failed to serve a connection\n")
                client.close()
                self.assertEqual(["ERROR"], [record.levelname for record in logs.records])
                self.assert_stop_raises(error)


class LoopEngine(ThreadedEngine):
    """The same of a loop."""

    engine = EchoLoopServer
    makes_clients = "_make_protocol"
    errors = (ValueError("boom"), FileNotFoundError(errno.ENOENT, "no template"))


class Turns(EchoCase):
    """How many threads there are."""

    def test_clients_one_after_the_other_share_threads(self) -> None:
        """A server that nobody has asked has one thread; further clients cost no new one, but for the first few."""
        self.server.start()
        self.assertEqual(1, self.threads())
        for _ in range(50):
            self.assert_serves().close()
        self.assertLessEqual(self.threads(), threaded._SPARE + 1)

    def test_clients_at_the_same_time_have_a_thread_each(self) -> None:
        """Nobody waits for another client; when all have left, the threads that are too many end."""
        together = threading.Barrier(30)
        self.serve(lambda: together.wait(HANG))
        clients = [self.ask() for _ in range(30)]
        for client in clients:
            self.assertEqual(b"hello\n", client.recv(100))
            client.close()
        self.assertTrue(wait_until(lambda: self.threads() <= threaded._SPARE + 1), self.threads())
        self.server.work = lambda: None
        self.assert_serves()

    def test_no_more_threads(self) -> None:
        """Where the system gives no more threads, clients are served one after the other, and it is logged once."""
        really, started = threaded.start_thread, []

        def start(thread: threading.Thread) -> None:
            if started:
                raise RuntimeError("can't start new thread")
            started.append(thread)
            really(thread)

        with mock.patch.object(threaded, "start_thread", start), self.assertLogs(LOG, "ERROR") as logs:
            self.server.start()
            for _ in range(3):
                self.assert_serves().close()
            self.assertEqual(1, self.threads())
            self.server.stop()
        wanted = f"ERROR:{LOG}:<EchoServer running at {self.server.url}> has no spare thread: can't start new thread"
        self.assertEqual([wanted], logs.output)


class Threads(EchoCase):
    """What a threaded server knows of its clients, and what goes wrong."""

    def test_states(self) -> None:
        """A connection is new, reading, active and idle in turn."""
        seen: list[ConnectionState] = []
        self.serve(lambda: seen.append(connection.state))
        client = self.connect()
        connection = self.only()
        self.assertIs(ConnectionState.NEW, connection.state)
        client.sendall(b"hel")
        self.assertTrue(wait_until(lambda: connection.state is ConnectionState.READING))
        client.sendall(b"lo\n")
        self.assertEqual(b"hello\n", client.recv(100))
        self.assertEqual([ConnectionState.ACTIVE], seen)
        self.assertTrue(wait_until(lambda: connection.state is ConnectionState.IDLE))

    def test_who_is_cut_at_once(self) -> None:
        """The first thing a stop does is to cut those who are not being answered; `close_connections` cuts all."""
        self.server.start()
        for cut in (self.server.close_connections, self.server._stop_accepting):
            clients = [self.ask(b"half"), self.assert_serves(), self.connect()]
            self.assertTrue(wait_until(lambda: len(self.connections()) == 3))
            cut()
            self.assertEqual([b""] * 3, [client.recv(100) for client in clients])
            self.assert_all_leave()

    def test_who_comes_in_the_moment_of_the_stop_is_cut(self) -> None:
        """A client that is accepted while the stop looks through the others is not served, and not forgotten."""
        really, serve = self.server._connect, mock.Mock()

        def connect_and_refuse(*arguments: Any) -> Connection:
            self.server._stop_accepting()
            connection = really(*arguments)
            connection.serve = serve
            return connection

        self.server._connect = connect_and_refuse
        self.server.start()
        self.assertEqual(b"", self.connect().recv(100))
        serve.assert_not_called()

    def test_an_error_while_closing(self) -> None:
        """A connection that fails to close is gone all the same, and the error is raised by the stop."""
        error = ValueError("boom")

        def close_and_fail(connection: Connection) -> None:
            connection.sock.close()
            raise error

        self.server.start()
        with mock.patch.object(Connection, "close", close_and_fail), self.assertLogs(LOG, "ERROR") as logs:
            self.assert_serves().close()
            self.assertTrue(wait_until(lambda: self.server._failures and logs.output and not self.connections()))
        self.assert_stop_raises(error)

    def test_a_client_that_left_before_it_was_accepted(self) -> None:
        """A client that gave up in the queue is passed over, without a word."""
        with self.assertNoLogs(LOG, "DEBUG"):
            left = self.exhausted(*[OSError(number, "") for number in (errno.ECONNABORTED, errno.EPROTO, errno.EINTR)])
            self.server.start()
            self.assert_serves()
        self.assertEqual([], left)

    def test_a_stop_while_nothing_is_left_to_give(self) -> None:
        """A stop does not wait for the next attempt."""
        with mock.patch.object(threaded, "_PAUSE", NEVER), self.assertLogs(LOG, "ERROR"):
            left = self.exhausted(EXHAUSTED)
            self.server.start()
            self.connect()
            self.assertTrue(wait_until(lambda: not left))
            self.assert_ends(self.server.stop)

    def test_somebody_shuts_the_socket(self) -> None:
        """When code under test shuts the server's own socket, the stop says so; who is inside is served."""
        self.server.start()
        client = self.assert_serves()
        with self.assertLogs(LOG, "ERROR") as logs:
            self.server._listener.wake()
            self.assertTrue(wait_until(lambda: self.server._failures))
        self.assert_serves(client)
        self.assertIn(f"{self.server!r} cannot accept any more: somebody else has closed its socket\n", logs.output[0])
        with self.assertRaisesRegex(ServerThreadError, "ended with OSError"):
            self.server.stop()

    def test_work_that_was_cut_may_fail(self) -> None:
        """What a thread raises when it has been given up belongs to nobody, not to the next life either."""
        freed, begun = threading.Event(), threading.Event()

        def work() -> None:
            begun.set()
            freed.wait(HANG)
            raise ValueError("too late")

        self.serve(work)
        self.ask()
        self.assertTrue(begun.wait(HANG))
        with self.assertWarns(ResourceWarning):
            self.server.stop(0.0)
        self.server.start()
        before = self.threads()
        freed.set()
        self.assertTrue(wait_until(lambda: self.threads() <= before))
        self.server.stop()


class PauseAcceptingTest(EchoCase):
    """A threaded server can refuse new clients for a while, and keeps its port meanwhile."""

    def setUp(self) -> None:
        super().setUp()
        self.make(EchoServer, host="localhost")
        self.server.start()

    def test_a_pause(self) -> None:
        """Nobody comes in, and nobody else gets the port; who is inside is served.  Again, either does nothing."""
        inside = self.assert_serves()
        for _ in range(20):
            self.server.pause_accepting()
            self.server.pause_accepting()
            for host in ("127.0.0.1", "::1"):
                self.assertRaises(OSError, self.connect, host)
            self.assertRaises(ServerStartError, Listener, "127.0.0.1", self.server.port)
            self.assert_serves(inside)
            self.server.resume_accepting()
            self.server.resume_accepting()
            self.assert_serves()
            self.assert_serves(inside)

    def test_a_stop_in_a_pause(self) -> None:
        """A server that is paused can be stopped, and accepts when it is started again."""
        self.assert_serves()
        self.server.pause_accepting()
        self.server.stop()
        self.server.resume_accepting()
        wanted = f"^{re.escape(repr(self.server))} is not running; call start\\(\\) before pause_accepting\\(\\)$"
        self.assertRaisesRegex(ServerNotStarted, wanted, self.server.pause_accepting)
        self.server.start()
        self.assert_serves()

    def test_workers_that_come_back(self) -> None:
        """Threads that were serving when the pause began accept again after it."""
        clients = [self.assert_serves() for _ in range(5)]
        self.server.pause_accepting()
        for client in clients:
            client.close()
        self.assert_all_leave()
        self.server.resume_accepting()
        self.assert_serves()

    def test_where_shutdown_wakes_nobody(self) -> None:
        """Where the system does not wake a blocked ``accept()``, the pause begins all the same."""
        with mock.patch.object(Listener, "wake", return_value=False):
            self.assert_ends(self.server.pause_accepting)
            self.server.resume_accepting()
            self.assert_serves()


async def wait_for_ever() -> None:
    await asyncio.get_running_loop().create_future()


class LoopCase(EchoCase):
    """An echo server on a loop; its work may be a coroutine function."""

    def setUp(self) -> None:
        NoLeaks.setUp(self)
        self.make(EchoLoopServer, stop_timeout=NEVER)

    @contextlib.contextmanager
    def stopping(self) -> Any:
        """A block while which the server stops, once it has told every connection."""
        thread = threading.Thread(target=self.server.stop, daemon=True)
        thread.start()
        self.assertTrue(wait_until(lambda: all(connection.is_last for connection in self.connections())))
        yield
        thread.join(HANG)
        self.assertFalse(thread.is_alive(), "stop() does not return")


class LoopWork(LoopCase):
    """Work on a loop, what is left on it, and a stop meanwhile."""

    def test_a_long_answer_arrives(self) -> None:
        """One that is given while a stop waits, or was given before, is sent to the last byte."""
        ends: list[Callable[[], object]] = []

        async def work() -> None:
            loop = asyncio.get_running_loop()
            future = loop.create_future()
            ends.append(lambda: loop.call_soon_threadsafe(future.set_result, None))
            await future

        for is_before in (False, True):
            with self.subTest(before=is_before), mock.patch.object(event_loop, "_STALL", HANG):
                self.serve(work)
                client = self.ask(LONG)
                self.assertTrue(wait_until(lambda: ends))
                if is_before:
                    ends.pop()()
                    connection = self.only()
                    self.assertTrue(wait_until(lambda: connection.unsent and not connection.is_busy))  # noqa: B023
                with self.stopping():
                    for end in ends:
                        end()
                    with client.makefile("rb") as file:
                        self.assertEqual(LONG, file.read())
                ends.clear()

    def test_a_client_that_does_not_read_is_cut(self) -> None:
        """Nobody waits for a client that does not read what it was sent."""
        self.server.start()
        client = self.connect()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(LONG)
        self.assertTrue(client.recv(1))
        with self.stopping():
            pass

    def test_a_stop_from_a_thread_of_the_work(self) -> None:
        """Work that stops the server from a helper thread is cut at the end of the grace, and nobody hangs."""
        warned: list[object] = []

        def stop() -> None:
            with self.assertWarns(UnfinishedWorkWarning) as caught:
                self.server.stop(0.05)
            warned.append(caught.warning)

        async def work() -> None:
            helper = threading.Thread(target=stop, daemon=True)
            helper.start()
            self.addCleanup(helper.join, HANG)
            await wait_for_ever()

        self.serve(work)
        self.assertEqual(b"", self.ask().recv(100))
        self.assertTrue(wait_until(lambda: warned))

    def leave(self, wait: Callable[[], Awaitable[None]]) -> list[asyncio.Task[None]]:
        """Stop a server with a task on its loop; it has to stop at once."""
        tasks: list[asyncio.Task[None]] = []

        async def run() -> None:
            await wait()

        self.serve(lambda: tasks.append(asyncio.get_running_loop().create_task(run())))
        self.assert_serves()
        with self.stopping():
            pass
        self.assertIs(State.STOPPED, self.server.state)
        return tasks

    def test_tasks_that_are_left(self) -> None:
        """They are cancelled; no word is lost about it, nor about one that answers badly."""
        ended: list[str] = []

        async def wait() -> None:
            try:
                await wait_for_ever()
            finally:
                ended.append("cancelled")

        async def wait_badly() -> None:
            try:
                await wait()
            finally:
                raise ZeroDivisionError

        self.leave(wait)
        self.leave(wait_badly)
        self.assertEqual(["cancelled", "cancelled"], ended)

    def test_a_task_that_does_not_end(self) -> None:
        """A task that takes no notice of its end is left behind; the stop does not wait for it."""

        async def wait() -> None:
            for _ in range(2):
                with contextlib.suppress(asyncio.CancelledError):
                    await wait_for_ever()

        tasks = self.leave(wait)
        with self.assertLogs(LOG, "DEBUG") as logs:
            tasks.clear()
            gc.collect()
        self.assertIn("Task was destroyed but it is pending!", logs.output[0])

    def test_generators_are_closed(self) -> None:
        """Asynchronous generators that were left open are closed."""
        ended: list[str] = []
        generators: list[AsyncIterator[int]] = []

        async def numbers() -> AsyncIterator[int]:
            try:
                yield 1
                yield 2
            finally:
                ended.append("closed")

        async def begin() -> None:
            generators.append(numbers())
            await generators[0].__anext__()

        self.serve(begin)
        self.assert_serves()
        self.server.stop()
        self.assertEqual(["closed"], ended)


class LoopFailures(LoopCase):
    """What goes wrong on the loop."""

    def test_an_error_at_the_start(self) -> None:
        """What goes wrong on the loop before it serves, or in making it, is the cause of the `ServerStartError`."""
        for error, text, owner, name in (
            (ValueError("no options"), "ValueError: no options", self.server, "_options"),
            (SystemExit(3), "SystemExit: 3", self.server, "_options"),
            (EXHAUSTED, str(EXHAUSTED), event_loop, "EventLoop"),
        ):
            with self.subTest(error=error), mock.patch.object(owner, name, side_effect=error):
                with self.assertRaisesRegex(ServerStartError, f"could not start: .*{re.escape(text)}$") as caught:
                    self.server.start()
                self.assertIs(error, caught.exception.__cause__)
                self.assertIs(State.FAILED, self.server.state)

    def test_an_error_about_a_client_is_not(self) -> None:
        """A client that breaks the connection is no error of the server's."""
        self.serve(mock.Mock(side_effect=ConnectionResetError()))
        with self.assertLogs(LOG, "DEBUG") as logs:
            self.ask()
            self.assertTrue(wait_until(lambda: logs.records))
        self.assertEqual({"DEBUG"}, {record.levelname for record in logs.records})
        with self.assertWarns(UnfinishedWorkWarning):
            self.server.stop(0.0)

    def test_exit_on_the_loop(self) -> None:
        """`SystemExit` ends the loop: clients are cut, the port refuses, and the stop says why."""
        error = SystemExit(3)
        self.serve(mock.Mock(side_effect=error))
        with self.assertLogs(LOG, "ERROR"):
            self.assertEqual(b"", self.ask().recv(100))
            self.assertTrue(wait_until(lambda: self.server._failures))
        self.assertRaises(ConnectionRefusedError, self.connect)
        with self.assertRaises(ServerThreadError) as caught:
            self.server.stop()
        self.assertIs(error, caught.exception.__cause__)
        self.serve()
        self.assert_serves()

    def test_sockets_in_a_handshake(self) -> None:
        """A client that says nothing where TLS is spoken is accepted, and can be let go or cut."""
        self.make(EchoLoopServer, tls=True)
        self.server.start()
        with mock.patch.object(self.server, "_make_protocol", side_effect=ValueError), self.assertLogs(LOG, "ERROR"):
            self.assertEqual(b"", self.connect().recv(100))  # one for whom no protocol can be made is let go
            self.assertTrue(wait_until(lambda: self.server._failures))
        client = self.connect()
        self.assertTrue(wait_until(lambda: len(list(self.server.open_sockets())) == 2))
        self.server.close_connections()
        self.assertEqual(b"", client.recv(100))
        self.assertTrue(wait_until(lambda: len(list(self.server.open_sockets())) == 1))
        self.assertRaises(ServerThreadError, self.server.stop)

    def test_one_closed_with_bytes_unsent_is_lost_once(self) -> None:
        """A large answer whose connection is closed behind it: the client reads it, and the stop raises nothing."""
        self.server.start()
        client, connection = self.assert_serves(), self.only()

        async def end() -> None:
            connection.transport.write(LONG)
            connection.transport.close()

        asyncio.run_coroutine_threadsafe(end(), self.server._run.loop).result(HANG)
        with client.makefile("rb") as file:
            self.assertEqual(LONG, file.read())
        self.assert_all_leave()
        self.server.stop()

"""An event loop in a thread: work that takes its time, answers that are long, and what goes wrong on the loop."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import re
import socket
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any
from unittest import mock

from freezegun import freeze_time

from liveserver_testcase.core import event_loop
from liveserver_testcase.core.event_loop import LoopConnection
from liveserver_testcase.core.listener import ServerSocket
from liveserver_testcase.core.server import State
from liveserver_testcase.errors import ServerStartError, ServerThreadError, UnfinishedWorkWarning
from tests.contracts.toys import EchoLoopServer
from tests.support import HANG, NoLeaks, wait_until

LOG = "liveserver_testcase.core"
NEVER = 10 * HANG


class LoopCase(NoLeaks):
    """An echo server on a loop; its work may be a coroutine function."""

    def setUp(self) -> None:
        super().setUp()
        self.server = EchoLoopServer(stop_timeout=NEVER)
        self.addCleanup(self.server.stop)
        self.begun = threading.Event()

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

    def begin(self) -> socket.socket:
        """A client whose request is being worked on."""
        client = self.connect()
        client.sendall(b"hello\n")
        self.assertTrue(self.begun.wait(HANG))
        return client

    def stop_in_thread(self) -> threading.Thread:
        """Begin a stop; it has refused on return."""
        thread = threading.Thread(target=self.server.stop, daemon=True)
        thread.start()
        self.assertTrue(wait_until(lambda: self.server.state is not State.RUNNING))
        return thread

    def finish(self, thread: threading.Thread) -> None:
        thread.join(HANG)
        self.assertFalse(thread.is_alive(), "stop() does not return")


class Work(LoopCase):
    """Work that waits on the loop, and a stop meanwhile."""

    def setUp(self) -> None:
        super().setUp()
        self.ended: list[str] = []

    async def wait_for_ever(self) -> None:
        self.begun.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.ended.append("wait_for_ever")

    def test_others_are_served_meanwhile(self) -> None:
        """While one client's work waits, others are served."""
        self.server.work = self.wait_for_ever
        self.server.start()
        self.begin()
        self.server.work = lambda: None
        self.connection()
        with self.assertWarns(UnfinishedWorkWarning):
            self.server.stop(0.0)

    def test_it_is_cut_and_named(self) -> None:
        """After the grace it is cancelled, and named with where its task was."""
        self.server.work = self.wait_for_ever
        self.server.start()
        client = self.begin()
        with self.assertWarns(UnfinishedWorkWarning) as caught:
            self.server.stop(0.05)
        text = str(caught.warning)
        self.assertRegex(text, "cut off an echo from 127.0.0.1:[0-9]+, [0-9.]+ s old, in thread 'echo-loop 127.0.0.1:")
        self.assertRegex(text, "which was at\nStack for <Task pending [^\n]+\n  File ")
        self.assertIn("in echo\n", text)
        self.assertEqual(["wait_for_ever"], self.ended)
        self.assertEqual(b"", client.recv(100))

    def answer_late(self, line: bytes) -> tuple[socket.socket, Callable[[], object]]:
        """A client whose work has begun, and how to end that."""
        loops: list[asyncio.AbstractEventLoop] = []
        futures: list[asyncio.Future[None]] = []

        async def wait_for_the_test() -> None:
            loops.append(asyncio.get_running_loop())
            futures.append(loops[0].create_future())
            self.begun.set()
            await futures[0]

        self.server.work = wait_for_the_test
        self.server.start()
        client = self.connect()
        client.sendall(line)
        self.assertTrue(self.begun.wait(HANG))
        return client, lambda: loops[0].call_soon_threadsafe(futures[0].set_result, None)

    def only_talk(self) -> LoopConnection:
        assert self.server._run is not None
        (connection,) = self.server._run.connections
        return connection

    def read_to_the_end(self, client: socket.socket) -> bytes:
        received = bytearray()
        while data := client.recv(65536):
            received += data
        return bytes(received)

    def test_it_may_end_within_the_grace(self) -> None:
        """Work that ends while a stop waits is let end, and its client gets a long answer to the last byte."""
        line = bytes(5_000_000) + b"\n"
        client, end = self.answer_late(line)
        with mock.patch.object(event_loop, "_STALL", HANG):
            stop = self.stop_in_thread()
            self.assertTrue(wait_until(lambda: self.only_talk().is_last))
            end()
            self.assertEqual(line, self.read_to_the_end(client))
            self.finish(stop)

    def test_an_answer_on_its_way_arrives(self) -> None:
        """A long answer that was given before the stop is sent to the last byte."""
        line = bytes(5_000_000) + b"\n"
        client, end = self.answer_late(line)
        end()
        self.assertTrue(wait_until(lambda: self.only_talk().unsent and not self.only_talk().is_busy))
        with mock.patch.object(event_loop, "_STALL", HANG):
            stop = self.stop_in_thread()
            self.assertTrue(wait_until(lambda: self.only_talk().is_last))
            self.assertEqual(line, self.read_to_the_end(client))
            self.finish(stop)

    def test_a_client_that_does_not_read_is_cut(self) -> None:
        """Nobody waits for a client that does not read what it was sent."""
        self.server.start()
        client = self.connect()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(bytes(10_000_000) + b"\n")
        self.assertTrue(client.recv(1))
        self.finish(self.stop_in_thread())

    def test_its_timers_run_in_frozen_time(self) -> None:
        """While the clocks stand still the loop's own goes on."""
        self.server.work = lambda: asyncio.sleep(0.01)
        with freeze_time("2001-02-03"):
            self.server.start()
            self.connection()

    def test_a_stop_from_a_thread_of_the_work(self) -> None:
        """Work that stops the server from a helper thread is cut at the end of the grace, and nobody hangs."""

        async def stop_it() -> None:
            self.begun.set()
            loop = asyncio.get_running_loop()
            done = loop.create_future()

            def stop() -> None:
                try:
                    with self.assertWarns(UnfinishedWorkWarning):
                        self.server.stop(0.05)
                finally:
                    self.ended.append("stop")

            helper = threading.Thread(target=stop)
            helper.start()
            self.addCleanup(helper.join, HANG)
            await done

        self.server.work = stop_it
        self.server.start()
        client = self.begin()
        self.assertEqual(b"", client.recv(100))
        self.assertTrue(wait_until(lambda: self.ended == ["stop"]))


class Leftovers(LoopCase):
    """What is left on the loop when the server stops."""

    def test_tasks_are_cancelled(self) -> None:
        """Tasks that were left running are cancelled, and no word is lost about it."""
        ended: list[str] = []
        tasks: list[asyncio.Task[None]] = []

        async def wait() -> None:
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                ended.append("cancelled")

        self.server.work = lambda: tasks.append(asyncio.get_running_loop().create_task(wait()))
        self.server.start()
        self.connection()
        self.server.stop()
        self.assertEqual(["cancelled"], ended)

    def test_a_task_that_ends_badly(self) -> None:
        """A task that answers its end with an error does not hinder it."""
        tasks: list[asyncio.Task[None]] = []

        async def wait() -> None:
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                raise ZeroDivisionError

        self.server.work = lambda: tasks.append(asyncio.get_running_loop().create_task(wait()))
        self.server.start()
        self.connection()
        self.server.stop()
        self.assertIs(State.STOPPED, self.server.state)

    def test_a_task_that_does_not_end(self) -> None:
        """A task that takes no notice of its end is left behind; the stop does not wait for it."""
        tasks: list[asyncio.Task[None]] = []

        async def wait() -> None:
            for _ in range(2):
                try:
                    await asyncio.get_running_loop().create_future()
                except asyncio.CancelledError:
                    pass

        self.server.work = lambda: tasks.append(asyncio.get_running_loop().create_task(wait()))
        self.server.start()
        self.connection()
        self.finish(self.stop_in_thread())
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

        self.server.work = begin
        self.server.start()
        self.connection()
        self.server.stop()
        self.assertEqual(["closed"], ended)


class Starts(LoopCase):
    """Loops that do not come to serve."""

    def test_an_error_at_the_start(self) -> None:
        """What goes wrong on the loop before it serves is the cause of the `ServerStartError`."""
        error = ValueError("no options")

        def options() -> dict[str, Any]:
            raise error

        self.server._options = options  # type: ignore[method-assign]
        with self.assertRaisesRegex(ServerStartError, "ValueError: no options$") as caught:
            self.server.start()
        self.assertIs(error, caught.exception.__cause__)

    def test_exit_at_the_start(self) -> None:
        """`SystemExit` on the loop is the cause of the `ServerStartError`, and not swallowed by the thread."""

        def options() -> dict[str, Any]:
            raise SystemExit(3)

        self.server._options = options  # type: ignore[method-assign]
        with self.assertRaisesRegex(ServerStartError, "could not start: SystemExit: 3$") as caught:
            self.server.start()
        self.assertIsInstance(caught.exception.__cause__, SystemExit)
        self.assertIs(State.FAILED, self.server.state)

    def test_a_start_that_never_ends(self) -> None:
        """A loop that is not ready after `start_timeout` is an error that says where it is."""
        freed = threading.Event()
        self.addCleanup(freed.set)

        def options_that_hang() -> dict[str, Any]:
            freed.wait(HANG)
            return {}

        self.server.start_timeout = 0.5
        self.server._options = options_that_hang  # type: ignore[method-assign]
        with self.assertRaises(ServerStartError) as caught:
            self.server.start()
        text = str(caught.exception)
        self.assertRegex(text, "could not start: its event loop is not ready after 0.5 s.\nIt was at\n")
        self.assertIn("in options_that_hang\n", text)
        self.assertIs(State.FAILED, self.server.state)

    def test_sockets_are_replaced(self) -> None:
        """A server starts, serves and stops while a test has replaced ``socket.socket``."""
        client = socket.socket()
        self.addCleanup(client.close)
        with mock.patch("socket.socket"):
            self.server.start()
            client.connect(self.server.address)
            self.connection(client)
            self.server.stop()
        self.assertEqual(b"", client.recv(100))

    def test_no_loop(self) -> None:
        """When not even a loop can be made, as without descriptors, that is the cause."""
        error = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        with (
            mock.patch.object(event_loop, "EventLoop", side_effect=error),
            self.assertRaisesRegex(ServerStartError, re.escape(str(error))) as caught,
        ):
            self.server.start()
        self.assertIs(error, caught.exception.__cause__)


class Failures(LoopCase):
    """What goes wrong on the loop while it serves."""

    def fail_with(self, error: BaseException) -> None:
        def work() -> None:
            raise error

        self.server.work = work

    def test_an_error_in_a_task(self) -> None:
        """An error that nobody awaits is logged, and raised by the stop; the server goes on."""
        error = ValueError("boom")
        self.fail_with(error)
        self.server.start()
        with self.assertLogs(LOG, "ERROR"):
            self.connect().sendall(b"hello\n")
            self.assertTrue(wait_until(lambda: self.server._failures))
        self.server.work = lambda: None
        self.connection()
        with self.assertRaises(ServerThreadError) as caught:
            self.server.stop(0.0)
        self.assertIs(error, caught.exception.__cause__)

    def test_an_error_about_a_file_is_the_servers(self) -> None:
        """An `OSError` that has nothing to do with a client is kept, too."""
        self.fail_with(FileNotFoundError(errno.ENOENT, "no template"))
        self.server.start()
        with self.assertLogs(LOG, "ERROR"):
            self.connect().sendall(b"hello\n")
            self.assertTrue(wait_until(lambda: self.server._failures))
        with self.assertRaisesRegex(ServerThreadError, "FileNotFoundError"):
            self.server.stop(0.0)

    def test_an_error_about_a_client_is_not(self) -> None:
        """A client that breaks the connection is no error of the server's."""
        self.fail_with(ConnectionResetError())
        self.server.start()
        with self.assertLogs(LOG, "DEBUG") as logs:
            self.connect().sendall(b"hello\n")
            self.assertTrue(wait_until(lambda: logs.records))
        self.assertEqual({"DEBUG"}, {record.levelname for record in logs.records})
        with self.assertWarns(UnfinishedWorkWarning):
            self.server.stop(0.0)

    def test_exit_on_the_loop(self) -> None:
        """`SystemExit` ends the loop: clients are cut, the port refuses, and the stop says why."""
        error = SystemExit(3)
        self.fail_with(error)
        self.server.start()
        with self.assertLogs(LOG, "ERROR"):
            client = self.connect()
            client.sendall(b"hello\n")
            self.assertEqual(b"", client.recv(100))
            self.assertTrue(wait_until(lambda: self.server._failures))
        self.assertRaises(ConnectionRefusedError, self.connect)
        with self.assertRaises(ServerThreadError) as caught:
            self.server.stop()
        self.assertIs(error, caught.exception.__cause__)
        self.server.work = lambda: None
        self.server.start()
        self.connection()

    def test_nothing_left_to_give(self) -> None:
        """That nothing can be accepted for want of descriptors is logged once, and tried again."""
        error = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        accept, tries = ServerSocket.accept, [error, error, error]

        def fail(sock: ServerSocket) -> Any:
            if tries:
                raise tries.pop()
            return accept(sock)

        self.server.start()
        with self.assertLogs(LOG, "DEBUG") as logs, mock.patch.object(ServerSocket, "accept", fail):
            self.connection()
        self.assertEqual([f"ERROR:{LOG}:{self.server!r} cannot accept: {error}"], logs.output)
        self.server.stop()


class Talks(LoopCase):
    """What the server knows of its clients."""

    def test_indexes_and_peers(self) -> None:
        """Connections are numbered over all lives, and know their peers; lost ones are forgotten."""
        seen: list[tuple[int, str]] = []

        def look() -> None:
            assert self.server._run is not None
            seen.extend((connection.index, connection.peer) for connection in self.server._run.connections)

        self.server.work = look
        ports = []
        for _ in range(2):
            with self.server:
                client = self.connect()
                ports.append(client.getsockname()[1])
                self.connection(client)
                client.close()
                self.assertTrue(wait_until(lambda: not self.server._run.connections))  # type: ignore[union-attr]
        self.assertEqual([(0, f"127.0.0.1:{ports[0]}"), (1, f"127.0.0.1:{ports[1]}")], seen)

    def test_open_sockets(self) -> None:
        """The listening sockets and those of the clients are what a forked child must let go."""
        self.assertEqual([], list(self.server.open_sockets()))
        self.server.start()
        client = self.connect()
        self.connection(client)
        names = {os.readlink(f"/proc/self/fd/{sock.fileno()}") for sock in self.server.open_sockets()}
        self.assertEqual(2, len(names))

    def test_sockets_in_a_handshake(self) -> None:
        """A client that says nothing where TLS is spoken is accepted, and can be let go or cut."""
        self.server = EchoLoopServer(tls=True)
        self.addCleanup(self.server.stop)
        self.server.start()
        client = self.connect()
        self.assertTrue(wait_until(lambda: len(list(self.server.open_sockets())) == 2))
        self.server.close_connections()
        self.assertEqual(b"", client.recv(100))
        self.assertTrue(wait_until(lambda: len(list(self.server.open_sockets())) == 1))


LONG_ANSWER = 20_000_000


class LostOnceTest(NoLeaks):
    """A large answer whose connection is closed behind it."""

    def test_a_connection_closed_with_bytes_unsent_is_lost_once(self) -> None:
        """The client reads all of it, and the stop has no failure to raise."""
        server = EchoLoopServer(stop_timeout=HANG)
        with server, socket.create_connection(server.address, timeout=HANG) as client:
            client.sendall(b"hello\n")
            self.assertEqual(b"hello\n", client.recv(100))
            run = server._run
            self.assertIsNotNone(run)
            if run is None or run.loop is None:
                return
            (connection,) = run.connections

            async def end() -> None:
                if isinstance(connection.transport, asyncio.WriteTransport):
                    connection.transport.write(bytes(LONG_ANSWER))
                    connection.transport.close()

            asyncio.run_coroutine_threadsafe(end(), run.loop).result(HANG)
            size = 0
            while data := client.recv(1 << 20):
                size += len(data)

            self.assertEqual(LONG_ANSWER, size)
            self.assertTrue(wait_until(lambda: not run.connections))

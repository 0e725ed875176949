"""An event loop in a thread: work that takes its time, answers that are long, and what goes wrong on the loop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import os
import re
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any
from unittest import mock

from liveserver_testcase.core import event_loop
from liveserver_testcase.core.event_loop import LoopConnection
from liveserver_testcase.core.listener import ServerSocket
from liveserver_testcase.core.server import State
from liveserver_testcase.errors import ServerStartError, ServerThreadError, UnfinishedWorkWarning
from tests.contracts.toys import EchoLoopServer
from tests.support import HANG, NoLeaks, wait_until

LOG = "liveserver_testcase.core"
NEVER = 10 * HANG
LONG = bytes(5_000_000) + b"\n"


async def wait_for_ever() -> None:
    await asyncio.get_running_loop().create_future()


class LoopCase(NoLeaks):
    """An echo server on a loop; its work may be a coroutine function."""

    def setUp(self) -> None:
        super().setUp()
        self.server = EchoLoopServer(stop_timeout=NEVER)
        self.addCleanup(self.server.stop)
        self.begun = threading.Event()

    def serve(self, work: Callable[[], object] = lambda: None) -> None:
        self.server.work = work
        self.server.start()

    def connect(self) -> socket.socket:
        client = socket.create_connection(self.server.address, timeout=HANG)
        self.addCleanup(client.close)
        return client

    def ask(self, line: bytes = b"hello\n") -> socket.socket:
        client = self.connect()
        client.sendall(line)
        return client

    def assert_serves(self) -> socket.socket:
        client = self.ask()
        self.assertEqual(b"hello\n", client.recv(100))
        return client

    def begin(self, line: bytes = b"hello\n") -> socket.socket:
        """A client whose request is being worked on."""
        client = self.ask(line)
        self.assertTrue(self.begun.wait(HANG))
        return client

    def connections(self) -> list[LoopConnection]:
        return list(self.server._run.connections) if self.server._run is not None else []

    @contextlib.contextmanager
    def stopping(self) -> Iterator[None]:
        """A block while which the server stops, once it has told every connection."""
        thread = threading.Thread(target=self.server.stop, daemon=True)
        thread.start()
        self.assertTrue(wait_until(lambda: all(connection.is_last for connection in self.connections())))
        yield
        thread.join(HANG)
        self.assertFalse(thread.is_alive(), "stop() does not return")


class Work(LoopCase):
    """Work that waits on the loop, and a stop meanwhile."""

    def test_it_is_cut_and_named(self) -> None:
        """Others are served meanwhile; after the grace it is cancelled, and named with where its task was."""
        ended: list[str] = []

        async def work() -> None:
            self.begun.set()
            try:
                await wait_for_ever()
            finally:
                ended.append("work")

        self.serve(work)
        client = self.begin()
        self.server.work = lambda: None
        self.assert_serves()
        with self.assertWarns(UnfinishedWorkWarning) as caught:
            self.server.stop(0.05)
        text = str(caught.warning)
        self.assertRegex(text, "cut off an echo from 127.0.0.1:[0-9]+, [0-9.]+ s old, in thread 'echo-loop 127.0.0.1:")
        self.assertRegex(text, "which was at\nStack for <Task pending [^\n]+\n  File ")
        self.assertIn("in echo\n", text)
        self.assertEqual(["work"], ended)
        self.assertEqual(b"", client.recv(100))

    def test_a_long_answer_arrives(self) -> None:
        """One that is given while a stop waits, or was given before, is sent to the last byte."""
        ends: list[Callable[[], object]] = []

        async def work() -> None:
            loop = asyncio.get_running_loop()
            future = loop.create_future()
            ends.append(lambda: loop.call_soon_threadsafe(future.set_result, None))
            self.begun.set()
            await future

        for is_before in (False, True):
            with self.subTest(before=is_before), mock.patch.object(event_loop, "_STALL", HANG):
                self.begun.clear()
                self.serve(work)
                client = self.begin(LONG)
                if is_before:
                    ends.pop()()
                    (connection,) = self.connections()
                    self.assertTrue(wait_until(lambda: connection.unsent and not connection.is_busy))  # noqa: B023
                with self.stopping():
                    for end in ends:
                        end()
                    with client.makefile("rb") as file:
                        self.assertEqual(LONG, file.read())
                ends.clear()

    def test_a_client_that_does_not_read_is_cut(self) -> None:
        """Nobody waits for a client that does not read what it was sent."""
        self.serve()
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
            helper = threading.Thread(target=stop)
            helper.start()
            self.addCleanup(helper.join, HANG)
            await wait_for_ever()

        self.serve(work)
        self.assertEqual(b"", self.ask().recv(100))
        self.assertTrue(wait_until(lambda: warned))


class Leftovers(LoopCase):
    """What is left on the loop when the server stops."""

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

    def test_tasks_are_cancelled(self) -> None:
        """Tasks that were left running are cancelled; no word is lost about it, nor about one that answers badly."""
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


class Starts(LoopCase):
    """Loops that do not come to serve."""

    def test_an_error_at_the_start(self) -> None:
        """What goes wrong on the loop before it serves, or in making it, is the cause of the `ServerStartError`."""
        exhausted = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        for error, text, fail in (
            (ValueError("no options"), "ValueError: no options", mock.patch.object(self.server, "_options")),
            (SystemExit(3), "SystemExit: 3", mock.patch.object(self.server, "_options")),
            (exhausted, str(exhausted), mock.patch.object(event_loop, "EventLoop")),
        ):
            with self.subTest(error=error), fail as failing:
                failing.side_effect = error
                with self.assertRaisesRegex(ServerStartError, f"could not start: .*{re.escape(text)}$") as caught:
                    self.server.start()
                self.assertIs(error, caught.exception.__cause__)
                self.assertIs(State.FAILED, self.server.state)


class Failures(LoopCase):
    """What goes wrong on the loop while it serves."""

    def fail_with(self, error: BaseException) -> None:
        """Start a server whose work raises ``error``, ask it, and wait until it is in the log."""

        def work() -> None:
            raise error

        self.serve(work)
        with self.assertLogs(LOG, "DEBUG") as logs:
            client = self.ask()
            self.assertTrue(wait_until(lambda: logs.records))
            level = "DEBUG" if isinstance(error, ConnectionError) else "ERROR"
            if isinstance(error, SystemExit):
                self.assertEqual(b"", client.recv(100))
                self.assertTrue(wait_until(lambda: self.server._failures))
        self.assertEqual({level}, {record.levelname for record in logs.records})
        self.server.work = lambda: None

    def test_an_error_in_a_task(self) -> None:
        """An error that nobody awaits is raised by the stop, an `OSError` about a file too; the server goes on."""
        for error in (ValueError("boom"), FileNotFoundError(errno.ENOENT, "no template")):
            with self.subTest(error=error):
                self.fail_with(error)
                self.assert_serves()
                with self.assertRaisesRegex(ServerThreadError, type(error).__name__) as caught:
                    self.server.stop(0.0)
                self.assertIs(error, caught.exception.__cause__)

    def test_an_error_about_a_client_is_not(self) -> None:
        """A client that breaks the connection is no error of the server's."""
        self.fail_with(ConnectionResetError())
        with self.assertWarns(UnfinishedWorkWarning):
            self.server.stop(0.0)

    def test_exit_on_the_loop(self) -> None:
        """`SystemExit` ends the loop: clients are cut, the port refuses, and the stop says why."""
        error = SystemExit(3)
        self.fail_with(error)
        self.assertRaises(ConnectionRefusedError, self.connect)
        with self.assertRaises(ServerThreadError) as caught:
            self.server.stop()
        self.assertIs(error, caught.exception.__cause__)
        self.server.start()
        self.assert_serves()

    def test_nothing_left_to_give(self) -> None:
        """That nothing can be accepted for want of descriptors is logged once, and tried again."""
        error = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        accept, tries = ServerSocket.accept, [error, error, error]

        def fail(sock: ServerSocket) -> Any:
            if tries:
                raise tries.pop()
            return accept(sock)

        self.serve()
        with self.assertLogs(LOG, "DEBUG") as logs, mock.patch.object(ServerSocket, "accept", fail):
            self.assert_serves()
        self.assertEqual([f"ERROR:{LOG}:{self.server!r} cannot accept: {error}"], logs.output)
        self.server.stop()

    def test_no_protocol(self) -> None:
        """A client for whom no protocol can be made is let go, and the stop says why; the server goes on."""
        for tls in (None, True):
            with self.subTest(tls=tls):
                error = ValueError("no protocol")
                self.server = EchoLoopServer(tls=tls)
                self.server.start()
                with (
                    mock.patch.object(self.server, "_make_protocol", side_effect=error),
                    self.assertLogs(LOG, "ERROR"),
                ):
                    self.assertEqual(b"", self.connect().recv(100))
                    self.assertTrue(wait_until(lambda: self.server._failures))
                self.assertEqual(1, len(list(self.server.open_sockets())))
                with self.assertRaises(ServerThreadError) as caught:
                    self.server.stop()
                self.assertIs(error, caught.exception.__cause__)


class Connections(LoopCase):
    """What the server knows of its clients."""

    def test_indexes_and_peers(self) -> None:
        """Connections are numbered over all lives, and know their peers; lost ones are forgotten."""
        seen: list[tuple[int, str]] = []
        wanted: list[tuple[int, str]] = []
        self.server.work = lambda: seen.extend((each.index, each.peer) for each in self.connections())
        for index in range(2):
            with self.server, self.assert_serves() as client:
                wanted.append((index, f"127.0.0.1:{client.getsockname()[1]}"))
                client.close()
                self.assertTrue(wait_until(lambda: not self.connections()))
        self.assertEqual(wanted, seen)

    def test_open_sockets(self) -> None:
        """The listening sockets and those of the clients are what a forked child must let go."""
        self.assertEqual([], list(self.server.open_sockets()))
        self.serve()
        self.assert_serves()
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

    def test_one_closed_with_bytes_unsent_is_lost_once(self) -> None:
        """A large answer whose connection is closed behind it: the client reads it, and the stop raises nothing."""
        self.serve()
        client = self.assert_serves()
        (connection,) = self.connections()

        async def end() -> None:
            connection.transport.write(LONG)
            connection.transport.close()

        assert self.server._run is not None and self.server._run.loop is not None
        asyncio.run_coroutine_threadsafe(end(), self.server._run.loop).result(HANG)
        with client.makefile("rb") as file:
            self.assertEqual(LONG, file.read())
        self.assertTrue(wait_until(lambda: not self.connections()))
        self.server.stop()

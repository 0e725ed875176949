"""The contract of every server, held against servers that run in processes."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
import threading
import unittest
from typing import Any

from liveserver_testcase.core.server import Server
from liveserver_testcase.process.server import ProcessServer
from tests.contracts.server_contract import ServerContract
from tests.support import NoLeaks, run_python

__all__ = ["SpawnContract"]

_ELSEWHERE = "the handler and the sockets are another process's"


_INTERRUPTS = """
import os, random, signal, socket, sys, threading
from pathlib import Path
from liveserver_testcase.process.server import ProcessServer
from tests.support import wait_until

signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background of a shell ignores it
signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
server = ProcessServer("tests.integration.process.children:make_scripted", "be_quiet", stop_timeout=0.0)
longest = {"start": 0.2, "stop": 0.05}

def connection():
    with socket.create_connection(server.address, timeout=20) as client:
        client.sendall(b"hello\\n")
        assert client.recv(6) == b"hello\\n"

def count():
    children = "".join(path.read_text() for path in Path("/proc/self/task").glob("*/children"))
    return len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd")), children

with server:
    connection()
wait_until(lambda: count()[0] == 1)
before = count()
chance = random.Random(7)
hit = set()

def interrupted(move):
    try:
        signal.setitimer(signal.ITIMER_REAL, chance.uniform(1e-4, longest[move]))
        getattr(server, move)()
        signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        signal.setitimer(signal.ITIMER_REAL, 0)
        hit.add(move)

for attempt in range(30):
    interrupted("start") if attempt % 2 else server.start()
    if server.is_running:
        connection()
        interrupted("stop")
        assert server.state.value in ("stopped", "running"), server
        server.stop()
    assert server.state.value in ("failed", "stopped", "new"), server
print("start" in hit, "stop" in hit)
if not wait_until(lambda: count() == before):
    print(f"False: {count()} threads, descriptors and children, there were {before}: {threading.enumerate()}")
    sys.exit(3)
with server:
    connection()
"""


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

    def ask(self, client: socket.socket) -> None:
        client.sendall(b"hello\n")

    def check_answer(self, client: socket.socket) -> None:
        self.assertEqual(b"hello\n", self.receive(client, b"\n"))

    def test_a_hundred_lives(self) -> None:
        """A server can be started and stopped again and again; no thread, descriptor or process adds up."""
        server = self.make()
        for _ in range(10):  # a life takes a hundred times as long as that of a thread
            with server:
                self.assert_serves(server)

    def test_thread_names(self) -> None:
        """The one thread of the server has its label and address for a name."""
        before = set(threading.enumerate())
        server = self.started()
        names = [thread.name for thread in set(threading.enumerate()) - before]
        self.assertEqual([f"{server.label} 127.0.0.1:{server.port}"], names)

    @unittest.skipUnless(os.path.isdir("/proc/self/fd"), "this system does not list descriptors")
    def test_real_interrupts(self) -> None:
        """Signals that raise `KeyboardInterrupt` at any moment of a start or a stop leave nothing behind."""
        done = run_python(_INTERRUPTS, options=("-W", "ignore"))
        self.assertEqual((0, "True True"), (done.returncode, done.stdout.partition("\n")[0]), done.stdout + done.stderr)

    @unittest.skip(_ELSEWHERE)
    def test_stop_from_inside(self) -> None: ...

    @unittest.skip(_ELSEWHERE)
    def test_stop_from_inside_while_it_stops(self) -> None: ...

    @unittest.skip(_ELSEWHERE)
    def test_where_shutdown_wakes_nobody(self) -> None: ...

    @unittest.skip(_ELSEWHERE)
    def test_no_descriptors_left(self) -> None: ...

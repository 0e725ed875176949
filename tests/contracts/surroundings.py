"""The contract with what is around a server: forks, signals, the end of the process, frozen clocks, full tables."""

from __future__ import annotations

import os
import socket
import unittest
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from freezegun import freeze_time

from liveserver_testcase.errors import UnfinishedWorkWarning
from tests.contracts.base import ServerCase
from tests.support import run_python

__all__ = ["Surroundings"]

# What the scripts below begin with: a case of the class that is tested, outside of any runner.
CASE = """
import importlib, os, random, signal, socket, sys, threading, time
case = getattr(importlib.import_module(sys.argv[1]), sys.argv[2])()
case.setUp()
"""

INTERRUPTS = """
import contextlib
from pathlib import Path
from tests.support import wait_until

signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background of a shell ignores it
signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))  # a timer comes to the microsecond

def count():  # not threading.active_count(): an interrupt can leave it a thread that the system never made
    tasks, children = list(Path("/proc/self/task").iterdir()), ""
    for task in tasks:
        with contextlib.suppress(OSError):  # a thread that has ended since it was listed
            children += (task / "children").read_text()
    return len(tasks), len(os.listdir("/proc/self/fd")), children

threads = count()[0]
server = case.make_server(stop_timeout=0.0)
with server:
    case.assert_serves(server)
wait_until(lambda: count()[0] == threads)
before = count()
chance = random.Random(7)
least, longest = case.interrupts
hits = {"start": 0, "stop": 0}

def interrupted(move):
    frames = []
    try:
        signal.setitimer(signal.ITIMER_REAL, chance.uniform(1e-5, longest[move]))
        getattr(server, move)()
        signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt as error:
        signal.setitimer(signal.ITIMER_REAL, 0)
        trace = error.__traceback__
        while trace is not None:
            frames.append(trace.tb_frame.f_code.co_name)
            trace = trace.tb_next
    hits[move] += move in frames
    return move in frames

for attempt in range(10 * least):  # as many more as it takes for both to have been interrupted
    if attempt >= least and hits["start"] and hits["stop"]:
        break
    if not attempt % 2:  # or else a start that takes long would never come to a stop
        server.start()
    elif interrupted("start"):
        assert server.state.value in ("failed", "stopped", "new"), server
    if server.is_running:
        case.assert_serves(server)
        interrupted("stop")
        assert server.state.value in ("stopped", "running"), server
        server.stop()
    assert case.is_refused(server), server
if not wait_until(lambda: count() == before):
    print(f"{count()} threads, descriptors and children, there were {before}: {threading.enumerate()}")
with server:
    case.assert_serves(server)
print(hits["start"] > 0, hits["stop"] > 0)
case.doCleanups()
"""

EXIT = """
server = case.make_server()
server.start()
idle = case.connect(server)
case.hang(server)
"""

NO_DESCRIPTORS = """
import resource
server = case.make_server()
server.start()
case.assert_serves(server)
context = case.client_context(server)
clients = [socket.socket() for _ in range(20)]
resource.setrlimit(resource.RLIMIT_NOFILE, (128, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
hoard = []
try:
    while True:
        hoard.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    pass
for client in clients:
    client.settimeout(20)
    client.connect(server.address)
threading.Event().wait(0.1)  # by now accept() has failed
before = time.process_time()
threading.Event().wait(0.3)
spent = time.process_time() - before
for number in hoard:
    os.close(number)
for client in clients:
    client = case.secure(server, client)
    case.ask(client)
    case.check_answer(client)
    client.close()
case.assert_serves(server)
print("calm" if spent < 0.2 else f"{spent} s of work in 0.3 s of waiting")
case.doCleanups()
server.stop()
"""


class Surroundings(ServerCase):
    """What a server bears, and what it does not do to others."""

    def run_case(self, script: str, *options: str) -> str:
        """Run a script on a case of this class in a process of its own; what it prints, errors too."""
        done = run_python(CASE + script, type(self).__module__, type(self).__name__, options=options)
        self.assertEqual(0, done.returncode, done.stderr)
        return done.stdout + done.stderr

    # -- the test's own settings -------------------------------------------------------------------------------

    def test_a_default_timeout(self) -> None:
        """A default timeout that the test has set for sockets is not the server's."""
        self.addCleanup(socket.setdefaulttimeout, socket.getdefaulttimeout())
        socket.setdefaulttimeout(1e-6)
        server = self.started()
        patient = self.connect(server)
        for _ in range(20):
            self.assert_serves(server)  # by now the other one has waited for longer than the system can count
        self.ask(patient)
        self.check_answer(patient)

    def test_frozen_time(self) -> None:
        """While the clocks stand still it starts, serves and stops, and the grace of a stop ends."""
        with freeze_time("2001-02-03"):
            server = self.started(stop_timeout=0.1)
            self.assert_serves(server)
            client = self.connect(server)
            server.stop()
            self.assert_over(client)
            server.start()
            self.hang(server)
            with self.assertWarns(UnfinishedWorkWarning):
                server.stop()

    # -- forks -------------------------------------------------------------------------------------------------

    @contextmanager
    def forked(self, server: object) -> Iterator[None]:
        """Run the block while a child lives that was forked from this process and has called `stop()`."""
        from_child, to_parent = os.pipe()
        from_parent, to_child = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads: just that is tested
            pid = os.fork()
        if not pid:
            try:
                server.stop()  # type: ignore[attr-defined]
                os.write(to_parent, b"stopped")
                os.close(to_child)
                os.read(from_parent, 1)
            finally:
                os._exit(0)
        try:
            os.close(from_parent)
            os.close(to_parent)
            self.assertEqual(b"stopped", os.read(from_child, 100))
            yield
        finally:
            os.close(to_child)
            os.close(from_child)
            os.waitpid(pid, 0)

    @unittest.skipUnless(hasattr(os, "fork"), "this system does not fork")
    def test_a_forked_child(self) -> None:
        """A `stop()` in it is nothing to the parent's server; it keeps neither the port open nor a client waiting."""
        server = self.started()
        early = self.connect(server)
        with self.forked(server):
            self.assert_serves(server)
            self.ask(early)
            self.check_answer(early)
            self.assertTrue(server.is_running)
            server.stop()
            self.assert_over(early, "while the child lives")
            self.assert_gone(server)
            server.start()
            self.assert_serves(server)

    def test_copies_of_its_sockets(self) -> None:
        """Whoever has a copy, as a child that is forked while a client is accepted, keeps no client waiting."""
        server = self.started()
        client = self.connect(server)
        self.ask(client)
        self.check_answer(client)
        for sock in server.open_sockets():
            self.addCleanup(os.close, os.dup(sock.fileno()))
        server.stop()
        self.assert_over(client, "while there is a copy of its socket")
        self.assert_gone(server)

    # -- the process -------------------------------------------------------------------------------------------

    @unittest.skipUnless(os.path.isdir("/proc/self/fd"), "this system does not list descriptors")
    def test_real_interrupts(self) -> None:
        """Signals that raise `KeyboardInterrupt` at any moment of a start or a stop leave nothing behind."""
        printed = self.run_case(INTERRUPTS, "-W", "ignore")
        # an interrupt in a callback of the interpreter's own is printed by the interpreter, and nobody's fault
        self.assertEqual("True True", printed.partition("\n")[0], printed)

    def test_the_end_of_the_process(self) -> None:
        """A process that ends without stopping its server, with work in flight, ends, and says nothing."""
        self.assertEqual("", self.run_case(EXIT, "-X", "dev", "-W", "error"))

    def test_no_descriptors_left(self) -> None:
        """While the process can open nothing more, the server waits without work, and then it serves."""
        self.assertEqual("calm\n", self.run_case(NO_DESCRIPTORS, "-W", "error"))

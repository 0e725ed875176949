"""A server in a process: how it starts, and how it ends when it is told to."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from liveserver_testcase.core.server import Server, State
from liveserver_testcase.errors import (
    LiveServerTestCaseError,
    ServerStartError,
    ServerThreadError,
    UnfinishedWorkWarning,
    UsageError,
)
from liveserver_testcase.process.messages import RemoteTraceback, StandIn
from liveserver_testcase.process.server import ProcessServer
from tests.contracts.toys import EchoServer
from tests.integration.process import children
from tests.integration.process.base import SCRIPTED, ProcessCase, is_alive, is_refused
from tests.support import HANG, wait_until


class StartTest(ProcessCase):
    """What can be made in a process, and what is said of the rest."""

    def test_it_serves_from_another_process(self) -> None:
        """The server has a process of its own, which ends with the stop."""
        server = self.make()
        self.assertIsNone(server.pid)
        server.start()
        pid = server.pid or 0
        self.assertNotEqual(os.getpid(), pid)
        self.connection(server)
        server.stop()
        self.assertIsNone(server.pid)
        self.assertFalse(is_alive(pid))

    def test_recipes(self) -> None:
        """A class, a function and an import string can be what is called."""
        for make, arguments in (
            (EchoServer, ()),
            (children.make_scripted, ("be_quiet",)),
            ("tests.contracts.toys:EchoServer", ()),
        ):
            with self.subTest(make=make), ProcessServer(make, *arguments) as server:
                self.connection(server)

    def test_what_cannot_be_sent(self) -> None:
        """What a child cannot import, or cannot be sent, is an error that says why and what to do."""

        def inner(**options: Any) -> Server:
            return EchoServer(**options)

        where = "it is defined inside of StartTest.test_what_cannot_be_sent()"
        advice = r"\. Give a function or class at the top level of a module, or an import string such as"
        cases: list[tuple[tuple[Any, ...], str]] = [
            ((lambda: None,), r"a process of its own cannot get at <.+>: it is a lambda, which has no name"),
            ((inner,), rf"a process of its own cannot get at <.+>: {re.escape(where)}"),
            ((SCRIPTED, threading.Lock()), r"what is sent to the server's process cannot be pickled \(TypeError: .+\)"),
        ]
        for arguments, reason in cases:
            with self.subTest(reason=reason):
                server = ProcessServer(*arguments)
                self.assertRaisesRegex(UsageError, f"^{reason}{advice}", server.start)
                self.assertIs(State.FAILED, server.state)

    def test_what_cannot_be_made(self) -> None:
        """What the factory raises is the cause, also sys.exit(), which never ends the tests; nothing is left behind."""
        ended = "ended with exit code 7 before it served. The last of its output:\nnot today"
        for arguments, said in (
            (("no_such_module:app",), "could not start: ModuleNotFoundError: No module named 'no_such_module'"),
            ((SCRIPTED, "start_exiting"), "could not start: SystemExit: no configuration"),
            ((SCRIPTED, "start_leaving"), f"could not start: its process {ended}"),
            ((SCRIPTED, "start_raising"), "could not start: Particular: 1 and 2"),
        ):
            with self.subTest(said=said), self.assertRaises(ServerStartError) as caught:
                server = ProcessServer(*arguments)
                server.start()
            self.assertEqual(f"<ProcessServer starting at process://127.0.0.1:0> {said}", str(caught.exception))
            self.assertIs(State.FAILED, server.state)
        cause = caught.exception.__cause__
        self.assertIsInstance(cause, StandIn)
        trace = cause.__cause__ if cause is not None else None
        self.assertIsInstance(trace, RemoteTraceback)
        self.assertIn("in start_raising\n    raise Particular(1, 2)\n", str(trace))

    def test_never_ready(self) -> None:
        """A child that is never ready is killed, and the error shows where it was, also inside of C code."""
        for script in ("start_waiting", "start_hogging"):
            server = self.make(script, start_timeout=2.0)
            with self.subTest(script=script):
                with self.assertRaises(ServerStartError) as caught:
                    server.start()
                text = str(caught.exception)
                self.assertRegex(
                    text,
                    r"^<ProcessServer starting at process://127.0.0.1:0> did not start within 2 s, and its process was "
                    r"killed; is there something that it waits for\? The last of its output:\n",
                )
                self.assertIn(f"in {script}\n", text)

    def test_bad_options(self) -> None:
        """An environment that is none is refused by the constructor."""
        for options, wanted in (
            ({"env": "A=1"}, "env is 'A=1'; wanted a mapping of environment variables to their values, both text"),
            ({"env": {"A": 1}}, "env has 'A': 1; wanted the name and the value of a variable, both text"),
        ):
            with self.subTest(wanted=wanted), self.assertRaises(UsageError) as caught:
                ProcessServer(EchoServer, **options)
            self.assertEqual(wanted, str(caught.exception))

    def test_environment(self) -> None:
        """The child has our environment and `env`, no reloader and no debugger, our arguments and directory."""
        variables = {"FLASK_DEBUG": "1", "WERKZEUG_RUN_MAIN": "true", "OURS": "inherited"}
        names = [*variables, "EXTRA"]
        before = {name: os.environ.get(name) for name in variables}
        os.environ.update(variables)
        self.addCleanup(
            lambda: [os.environ.pop(n, None) if v is None else os.environ.update({n: v}) for n, v in before.items()]
        )
        path = self.folder() / "facts"
        with self.make("start_describing", str(path), *names, env={"EXTRA": "given"}):
            pass
        wanted = ["FLASK_DEBUG=None", "WERKZEUG_RUN_MAIN=None", "OURS=inherited", "EXTRA=given"]
        self.assertEqual("\n".join([*wanted, *sys.argv, os.getcwd()]), path.read_text())


class EndTest(ProcessCase):
    """The ends that are wanted."""

    def test_it_ends_as_it_should(self) -> None:
        """A stopped child runs what it has registered for its exit."""
        path = self.folder() / "ended"
        with self.make("start_writing_at_exit", str(path)):
            self.assertFalse(path.exists())
        self.assertEqual("ended", path.read_text())

    def test_one_that_does_not_end(self) -> None:
        """A child with a thread that does not end, and deaf to signals, is killed; the thread is named."""
        server = self.started("start_stubborn", stop_timeout=0.1)
        pid = server.pid or 0
        with self.assertWarns(UnfinishedWorkWarning) as caught:
            server.stop()
        self.assertFalse(is_alive(pid))
        self.assertRegex(
            str(caught.warning),
            rf"^{re.escape(repr(server))} cut off the end of the process from pid {pid}, 0\.0 s old, "
            r"in thread 'stubborn', which was at\n",
        )

    def test_grandchildren_end_too(self) -> None:
        """What the child has started ends with it, at a stop and at its death."""
        for how in ("stop", "death"):
            path = self.folder() / "pids"
            with self.subTest(how=how):
                server = self.started("start_with_family", str(path))
                family = self.read_pids(path, 2)
                self.assertEqual([True, True], [is_alive(pid) for pid in family])
                if how == "death":
                    os.kill(server.pid or 0, signal.SIGKILL)
                self.end(server)
                self.assertTrue(wait_until(lambda: not any(map(is_alive, family))))  # noqa: B023

    def test_a_process_that_hogs(self) -> None:
        """A child that lets nobody run in it is killed at the stop, and where it was is said."""
        server = self.started("hog", stop_timeout=0.1)
        with socket.create_connection(server.address, timeout=HANG) as client:
            client.sendall(b"hello\n")
            wait_until(lambda: select.select([client], [], [], 0.2)[0] == [])
            with self.assertWarns(UnfinishedWorkWarning) as caught:
                server.stop()
        self.assertIn("cut off a stop without an answer from pid", str(caught.warning))
        self.assertIn("in hog\n", str(caught.warning))

    def test_one_that_is_frozen_does_not_answer(self) -> None:
        """A question to a stopped process is an error that says so; it ends all the same."""
        server = self.started()
        os.kill(server.pid or 0, signal.SIGSTOP)
        with self.assertRaises(LiveServerTestCaseError) as caught:
            server._call("flush", timeout=0.1)
        self.assertEqual(
            f"{server!r} does not answer: its process (pid {server.pid}) is stopped, or runs code that lets no other "
            "thread run; it was sent the command 'flush' 0.1 s ago",
            str(caught.exception),
        )
        with self.assertWarns(UnfinishedWorkWarning):
            server.stop(0.1)

    def test_a_program_that_outlives_it(self) -> None:
        """A program that the application has started in a session of its own does not keep the port open."""
        path = self.folder() / "pid"
        server = self.started("start_daemon", str(path))
        (pid,) = self.read_pids(path, 1)
        self.addCleanup(os.kill, pid, signal.SIGKILL)
        links = [os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir()]
        self.assertEqual([], [link for link in links if link.startswith("socket:")])
        server.stop()
        self.assertTrue(is_alive(pid))
        self.assertTrue(is_refused(server.port))

    def test_a_stop_that_raises(self) -> None:
        """Whatever the stop raises in the child, the child ends and the error is raised here."""
        for kind in ("ValueError", "SystemExit", "KeyboardInterrupt"):
            with self.subTest(kind=kind):
                server = self.make("be_quiet")
                server._make, server._arguments = "tests.integration.process.children:make_unstoppable", (kind,)
                server.start()
                pid = server.pid or 0
                with self.assertRaisesRegex(ServerThreadError, f"ended with {kind}: cannot stop"):
                    server.stop()
                self.assertFalse(is_alive(pid))
                self.assertIsNone(server.pid)

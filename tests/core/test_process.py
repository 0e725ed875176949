"""A server in a process: how it starts, ends, dies and takes what it has started with it."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from liveserver_testcase.core.crossing import RemoteTraceback, StandIn
from liveserver_testcase.core.process import ProcessServer
from liveserver_testcase.core.server import Server, State
from liveserver_testcase.errors import (
    LiveServerTestCaseError,
    ServerDied,
    ServerStartError,
    UnfinishedWorkWarning,
    UsageError,
)
from tests.contracts.toys import EchoServer
from tests.core import children
from tests.support import HANG, ROOT, NoLeaks, run_python, wait_until

SCRIPTED = "tests.core.children:make_scripted"
COPIES = ("spawn", "forkserver", "fork")


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def is_refused(port: int) -> bool:
    """Whether nobody listens there."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=HANG):
            return False
    except ConnectionError:
        return True


class ProcessCase(NoLeaks):
    """Servers whose children do what a test says."""

    def make(self, script: str = "be_quiet", *arguments: str, **options: Any) -> ProcessServer:
        server = ProcessServer(SCRIPTED, script, *arguments, **options)
        self.addCleanup(self.end, server)
        return server

    def end(self, server: ProcessServer) -> None:
        with contextlib.suppress(ServerDied, UnfinishedWorkWarning):
            server.stop(0.0)

    def started(self, script: str = "be_quiet", *arguments: str, **options: Any) -> ProcessServer:
        server = self.make(script, *arguments, **options)
        server.start()
        return server

    def talk(self, server: Server) -> None:
        with socket.create_connection(server.address, timeout=HANG) as client:
            client.sendall(b"hello\n")
            self.assertEqual(b"hello\n", client.recv(6))

    def provoke(self, server: Server) -> None:
        """Send a line and wait until the connection is over."""
        with contextlib.suppress(OSError), socket.create_connection(server.address, timeout=HANG) as client:
            client.sendall(b"hello\n")
            client.recv(6)

    def folder(self) -> Path:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return Path(folder.name)

    def read_pids(self, path: Path, count: int) -> list[int]:
        self.assertTrue(wait_until(lambda: path.exists() and len(path.read_text().split()) == count))
        return [int(pid) for pid in path.read_text().split()]


class StartTest(ProcessCase):
    """What can be made in a process, and what is said of the rest."""

    def test_it_serves_from_another_process(self) -> None:
        """The server has a process of its own, which ends with the stop."""
        server = self.make()
        self.assertIsNone(server.pid)
        server.start()
        pid = server.pid or 0
        self.assertNotEqual(os.getpid(), pid)
        self.talk(server)
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
                self.talk(server)

    def test_unreachable_recipes(self) -> None:
        """What a child cannot import is an error that says why and what to do."""

        def inner(**options: Any) -> Server:
            return EchoServer(**options)

        advice = "Give a function or class at the top level of a module, or an import string such as"
        cases: list[tuple[Any, str]] = [
            (lambda: None, "it is a lambda, which has no name"),
            (inner, "it is defined inside of StartTest.test_unreachable_recipes()"),
        ]
        for recipe, reason in cases:
            with self.subTest(reason=reason):
                server = ProcessServer(recipe)
                with self.assertRaises(UsageError) as caught:
                    server.start()
                self.assertEqual(
                    f"a process of its own cannot get at {recipe!r}: {reason}. {advice} 'package.module:name'.",
                    str(caught.exception),
                )
                self.assertIs(State.FAILED, server.state)

    def test_an_argument_that_cannot_be_pickled(self) -> None:
        """An argument that cannot travel is an error, with what pickle says of it."""
        server = ProcessServer(SCRIPTED, threading.Lock())
        with self.assertRaisesRegex(
            UsageError, r"^what is sent to the server's process cannot be pickled \(TypeError: .+\)\. Give a function"
        ):
            server.start()

    def test_a_recipe_that_raises(self) -> None:
        """What the recipe raises is the cause, with the child's traceback; nothing is left behind."""
        server = self.make("start_raising")
        with self.assertRaises(ServerStartError) as caught:
            server.start()
        wanted = "<ProcessServer starting at process://127.0.0.1:0> could not start: Particular: 1 and 2"
        self.assertEqual(wanted, str(caught.exception))
        cause = caught.exception.__cause__
        self.assertIsInstance(cause, StandIn)
        self.assertEqual("Particular", type(cause).__name__)
        trace = cause.__cause__ if cause is not None else None
        self.assertIsInstance(trace, RemoteTraceback)
        self.assertIn("in start_raising\n    raise Particular(1, 2)\n", str(trace))
        self.assertIs(State.FAILED, server.state)

    def test_a_module_that_is_not_there(self) -> None:
        """An import that fails in the child is the cause."""
        with self.assertRaises(ServerStartError) as caught:
            ProcessServer("no_such_module:app").start()
        self.assertIsInstance(caught.exception.__cause__, ModuleNotFoundError)
        self.assertRegex(str(caught.exception), "not start: ModuleNotFoundError: No module named 'no_such_module'$")

    def test_a_recipe_that_exits(self) -> None:
        """A recipe that calls sys.exit() is an error that says so, and never ends the tests."""
        for method in COPIES:
            with self.subTest(method=method), self.assertRaises(ServerStartError) as caught:
                self.make("start_exiting", start_method=method).start()
            self.assertRegex(str(caught.exception), "could not start: SystemExit: no configuration$")

    def test_a_process_that_ends_before_it_serves(self) -> None:
        """A child that ends without a word is an error with its exit code and its output."""
        with self.assertRaises(ServerStartError) as caught:
            self.make("start_leaving").start()
        self.assertEqual(
            "<ProcessServer starting at process://127.0.0.1:0> could not start: its process ended with exit code 7 "
            "before it served. The last of its output:\nnot today",
            str(caught.exception),
        )

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
        """A start method or an environment that is none is refused by the constructor."""
        for options, wanted in (
            ({"start_method": "exec"}, "start_method is 'exec'; wanted one of 'spawn', 'forkserver', 'fork'"),
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
        for method in COPIES:
            path = self.folder() / "facts"
            with self.subTest(method=method):
                with self.make("start_describing", str(path), *names, start_method=method, env={"EXTRA": "given"}):
                    pass
                wanted = ["FLASK_DEBUG=None", "WERKZEUG_RUN_MAIN=None", "OURS=inherited", "EXTRA=given"]
                self.assertEqual("\n".join([*wanted, *sys.argv, os.getcwd()]), path.read_text())


class EndTest(ProcessCase):
    """The ends that are wanted."""

    def test_it_ends_as_it_should(self) -> None:
        """A stopped child runs what it has registered for its exit."""
        for method in ("spawn", "forkserver"):
            path = self.folder() / "ended"
            with self.subTest(method=method):
                with self.make("start_writing_at_exit", str(path), start_method=method):
                    self.assertFalse(path.exists())
                self.assertEqual("ended", path.read_text())

    def test_one_that_does_not_end(self) -> None:
        """A child with a thread that does not end, and deaf to signals, is killed; the thread is named."""
        for method in COPIES:
            with self.subTest(method=method):
                server = self.started("start_stubborn", start_method=method, stop_timeout=0.1)
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
            server._ask("flush", timeout=0.1)
        self.assertEqual(
            f"{server!r} does not answer: its process (pid {server.pid}) is stopped, or runs code that lets no other "
            "thread run; it was asked for 'flush' 0.1 s ago",
            str(caught.exception),
        )
        with self.assertWarns(UnfinishedWorkWarning):
            server.stop(0.1)


class WeakSystemTest(ProcessCase):
    """Systems that tell less of a process than Linux does."""

    def test_no_descriptor_of_a_process(self) -> None:
        """Where the system has no descriptor for a process, its end is noticed all the same."""
        with mock.patch.object(os, "pidfd_open", side_effect=OSError, create=True):
            server = self.started("leave", "3")
        self.provoke(server)
        self.assertTrue(wait_until(lambda: not server.is_running))
        self.assertRaises(ServerDied, server.check)
        server.start()
        server.stop()

    def test_no_look_before_the_end_is_taken(self) -> None:
        """Where the system tells of an end but once, what the child has started ends with it all the same."""
        path = self.folder() / "pids"
        with mock.patch.object(os, "waitid", create=True):
            del os.waitid
            server = self.started("start_with_family", str(path))
            family = self.read_pids(path, 2)
            server.stop()
        self.assertTrue(wait_until(lambda: not any(map(is_alive, family))))

    def test_another_system(self) -> None:
        """A system that is not of the POSIX kind is refused in words."""
        with mock.patch.object(os, "name", "nt"), self.assertRaises(UsageError) as caught:
            ProcessServer(EchoServer)
        self.assertEqual(
            "a server in a process of its own needs a POSIX system, and this one is 'nt'", str(caught.exception)
        )


class DeathTest(ProcessCase):
    """The ends that nobody wanted."""

    def assert_dies(self, script: str, *arguments: str, pattern: str, method: Any = "spawn") -> ProcessServer:
        server = self.started(script, *arguments, start_method=method)
        pid, url = server.pid, re.escape(server.url)
        self.provoke(server)
        self.assertTrue(wait_until(lambda: not server.is_running))
        with self.assertRaises(ServerDied) as caught:
            server.check()
        self.assertRegex(str(caught.exception), rf"^the server at {url} died: its process \(pid {pid}\) {pattern}")
        return server

    def test_signals_and_exit_codes(self) -> None:
        """The error names the signal or the exit code, and shows the last of the output."""
        for method in COPIES:
            with self.subTest(method=method):
                killed = r"was killed by SIGKILL \(signal 9\)\. The last of its output:\ndying of 9$"
                self.assert_dies("die", "9", pattern=killed, method=method)
                left = r"ended with exit code 3\. It had printed nothing\.$"
                self.assert_dies("leave", "3", pattern=left, method=method)

    def test_a_crash(self) -> None:
        """After a segmentation fault the output shows where it happened."""
        server = self.assert_dies("crash", pattern=r"was killed by SIGSEGV \(signal 11\)\. The last of its output:\n")
        self.assertIn("Fatal Python error: Segmentation fault", server.output)
        self.assertIn("in crash\n", server.output)

    def test_it_is_said_once(self) -> None:
        """The death is raised once; then the stop has nothing to say, and the server can start again."""
        server = self.assert_dies("leave", "3", pattern="ended with exit code 3")
        server.check()
        server.stop()
        server.start()
        self.assertTrue(server.is_running)

    def test_stop_says_it_if_nobody_has(self) -> None:
        """A death that nobody has asked for is raised by the stop."""
        server = self.started("leave", "3")
        self.provoke(server)
        wait_until(lambda: not server.is_running)
        with self.assertRaisesRegex(ServerDied, "ended with exit code 3"):
            server.stop()
        self.assertIs(State.STOPPED, server.state)

    def test_it_can_start_again_at_once(self) -> None:
        """A server whose process has died starts again on its port without a stop."""
        server = self.started("leave", "3")
        port = server.port
        self.provoke(server)
        wait_until(lambda: not server.is_running)
        server.start()
        self.assertEqual(port, server.port)
        self.assertTrue(server.is_running)

    def test_clients_are_refused(self) -> None:
        """Clients of a dead server are refused at once, and do not wait."""
        server = self.assert_dies("leave", "3", pattern="ended")
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(server.address, timeout=HANG)

    def test_a_question_says_it(self) -> None:
        """A question to a process that has died raises the same."""
        server = self.started("leave", "3")
        self.provoke(server)
        with self.assertRaisesRegex(ServerDied, "ended with exit code 3"):
            server._ask("flush")
        server.stop()


class OutputTest(ProcessCase):
    """What a child prints."""

    def test_everything_is_caught(self) -> None:
        """The output of Python, of descriptors and of other programs is kept, in its order."""
        for method in COPIES:
            with self.subTest(method=method):
                server = self.started("talk_a_little", start_method=method)
                self.talk(server)
                self.assertEqual("from Python\nfrom a descriptor\nfrom a program\n", server.output)
                server.stop()
                self.assertEqual("from Python\nfrom a descriptor\nfrom a program\n", server.output)

    def test_a_flood(self) -> None:
        """Megabytes of output block nobody; the last 64 KB are kept, and the first line says how much is not."""
        server = self.started("flood")
        self.talk(server)
        text = server.output
        self.assertRegex(text, r"^… [0-9]+ bytes before this are not kept\n")
        self.assertTrue(text.endswith("x\nthe end\n"))
        self.assertEqual(65536, len(text.partition("\n")[2]))


RUNNER = """
import os, signal, sys, threading
from pathlib import Path
from tests.support import wait_until
from liveserver_testcase.core.process import ProcessServer
if __name__ == "__main__":
    make = "tests.core.children:make_scripted"
    server = ProcessServer(make, "start_with_family", sys.argv[1], start_method=sys.argv[2])
    if sys.argv[3] == "weak":  # a system that tells nobody of the end of another process
        from liveserver_testcase.core import child
        child._tie = lambda life: None
        del os.pidfd_open
    starter = threading.Thread(target=server.start)
    starter.start()
    starter.join()  # the child does not end with the thread that started it
    if sys.argv[3] == "helper":
        os.fork() or os.execlp("sleep", "sleep", "3")
    assert wait_until(lambda: Path(sys.argv[1]).exists() and Path(sys.argv[1]).read_text().count("\\n") == 2)
    print(server.pid, server.port, flush=True)
    if sys.argv[3] == "exit":
        os._exit(0)
    sys.stdin.read()
"""


class OrphanTest(ProcessCase):
    """Nothing outlives the process that runs the tests."""

    def run_and_kill(self, method: str, how: str) -> None:
        path = self.folder() / "pids"
        script = self.folder() / "runner.py"
        script.write_text(RUNNER)
        environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
        runner = subprocess.Popen(
            [sys.executable, str(script), str(path), method, how],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environ,
        )
        with runner:
            stdout = runner.stdout
            assert stdout is not None
            pid, port = map(int, stdout.readline().split())
            family = [pid, *self.read_pids(path, 2)]
            if how == "hog":
                os.kill(pid, signal.SIGSTOP)
            if how != "exit":
                runner.send_signal(signal.SIGTERM if how == "SIGTERM" else signal.SIGKILL)
            runner.wait(HANG)
            gone = wait_until(lambda: not any(map(is_alive, family)) and is_refused(port), 1.0)
            self.assertTrue(gone, f"of {family} there are {[pid for pid in family if is_alive(pid)]}")
            if how != "helper":
                self.assertEqual(b"", stdout.read())  # nobody holds it

    def test_a_killed_runner(self) -> None:
        """However the runner ends, a second later there is no child and no grandchild, and the port refuses."""
        for method in COPIES:
            for how in ("SIGKILL", "SIGTERM", "exit", "hog", "helper"):
                with self.subTest(method=method, how=how):
                    self.run_and_kill(method, how)

    def test_where_the_kernel_does_not_help(self) -> None:
        """A thread of the child's sees to it, too."""
        self.run_and_kill("fork", "weak")

    def test_ctrl_c(self) -> None:
        """Ctrl-C at the terminal is the runner's alone: the child is not of its process group."""
        server = self.started()
        self.assertNotEqual(os.getpgrp(), os.getpgid(server.pid or 0))

    def test_a_runner_that_ends_without_a_stop(self) -> None:
        """A process that ends without stopping its server says nothing, and its child ends as it should."""
        for method in ("spawn", "forkserver"):
            path = self.folder() / "ended"
            script = self.folder() / "runner.py"
            script.write_text(
                textwrap.dedent(f"""
                from liveserver_testcase.core.process import ProcessServer
                if __name__ == "__main__":
                    ProcessServer({SCRIPTED!r}, "start_writing_at_exit", {str(path)!r}, start_method={method!r}).start()
                """)
            )
            with self.subTest(method=method):
                done = subprocess.run(
                    [sys.executable, "-X", "dev", "-W", "error", str(script)],
                    env={**os.environ, "PYTHONPATH": str(ROOT)},
                    capture_output=True,
                    text=True,
                    timeout=60,
                    check=False,
                )
                self.assertEqual((0, "", ""), (done.returncode, done.stdout, done.stderr))
                self.assertEqual("ended", path.read_text())

    def test_no_warning_of_forks(self) -> None:
        """Neither spawn nor forkserver forks a process that has threads."""
        for method in ("spawn", "forkserver"):
            done = run_python(
                f"""
                import threading
                from liveserver_testcase.core.process import ProcessServer
                threading.Thread(target=threading.Event().wait, args=(60,), daemon=True).start()
                with ProcessServer({SCRIPTED!r}, "be_quiet", start_method={method!r}):
                    print("served")
                """
            )
            with self.subTest(method=method):
                self.assertEqual((0, "served\n", ""), (done.returncode, done.stdout, done.stderr))


def setUpModule() -> None:
    """Start the fork server of `multiprocessing`, which stays until the end: no test has left it behind."""
    import multiprocessing.forkserver
    import multiprocessing.resource_tracker

    multiprocessing.resource_tracker.ensure_running()
    multiprocessing.forkserver.ensure_running()


if __name__ == "__main__":
    unittest.main()

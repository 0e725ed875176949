"""A server in a process: nothing outlives the process that runs the tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from tests.integration.process.base import SCRIPTED, ProcessCase, is_alive, is_refused
from tests.support import HANG, ROOT, run_python, wait_until

RUNNER = """
import os, signal, sys, threading
from pathlib import Path
from tests.support import wait_until
from liveserver_testcase.process.server import ProcessServer
if __name__ == "__main__":
    make = "tests.integration.process.children:make_scripted"
    server = ProcessServer(make, "start_with_family", sys.argv[1])
    starter = threading.Thread(target=server.start)
    starter.start()
    starter.join()  # the child does not end with the thread that started it
    if sys.argv[2] == "helper":
        os.fork() or os.execlp("sleep", "sleep", "3")
    assert wait_until(lambda: Path(sys.argv[1]).exists() and Path(sys.argv[1]).read_text().count("\\n") == 2)
    print(server.pid, server.port, flush=True)
    if sys.argv[2] == "exit":
        os._exit(0)
    sys.stdin.read()
"""

STARTING = """
import os, sys, threading
from liveserver_testcase.process.server import ProcessServer
from tests.support import wait_until
if __name__ == "__main__":
    server = ProcessServer("tests.integration.process.children:make_scripted", "start_waiting")
    threading.Thread(target=server.start, daemon=True).start()
    print(wait_until(lambda: server._output.text and server.pid), flush=True)
    sys.stdin.read()
"""


class OrphanTest(ProcessCase):
    """Nothing outlives the process that runs the tests."""

    def run_and_kill(self, how: str, path_first: str = "") -> None:
        path = self.folder() / "pids"
        script = self.folder() / "runner.py"
        script.write_text(RUNNER)
        environ = {**os.environ, "PYTHONPATH": f"{path_first}{ROOT}", "PYTHONWARNINGS": "ignore"}
        runner = subprocess.Popen(
            [sys.executable, str(script), str(path), how],
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
        for how in ("SIGKILL", "SIGTERM", "exit", "hog", "helper"):
            with self.subTest(how=how):
                self.run_and_kill(how)

    def test_a_runner_killed_during_a_start(self) -> None:
        """A child that is not ready yet ends with the runner, too."""
        script = self.folder() / "runner.py"
        script.write_text(STARTING)
        command = [sys.executable, "-W", "ignore", str(script)]
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        runner = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ)
        with runner:
            stdout = runner.stdout
            assert stdout is not None
            pid = int(stdout.readline())
            self.assertTrue(is_alive(pid))
            runner.kill()
            self.assertTrue(wait_until(lambda: not is_alive(pid), 1.0))

    def test_where_the_kernel_does_not_help(self) -> None:
        """A thread of the child's sees to it, too."""
        folder = self.folder()
        (folder / "sitecustomize.py").write_text("import fcntl, os\ndel fcntl.F_SETSIG, os.pidfd_open\n")
        self.run_and_kill("SIGKILL", f"{folder}{os.pathsep}")

    def test_ctrl_c(self) -> None:
        """Ctrl-C at the terminal is the runner's alone: the child is not of its process group."""
        server = self.started()
        self.assertNotEqual(os.getpgrp(), os.getpgid(server.pid or 0))

    def test_a_runner_that_ends_without_a_stop(self) -> None:
        """A process that ends without stopping its server says nothing, and its child ends as it should.

        Nor does it warn of a fork where it has threads: there is none.
        """
        path = self.folder() / "ended"
        done = run_python(
            f"""
            import threading
            from liveserver_testcase.process.server import ProcessServer
            threading.Thread(target=threading.Event().wait, args=(60,), daemon=True).start()
            ProcessServer({SCRIPTED!r}, "start_writing_at_exit", {str(path)!r}).start()
            """
        )
        self.assertEqual((0, "", ""), (done.returncode, done.stdout, done.stderr))
        self.assertEqual("ended", path.read_text())

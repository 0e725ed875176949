"""A server in a process: how it dies, what it prints, and systems that tell less."""

from __future__ import annotations

import os
import re
import socket
from unittest import mock

from liveserver_testcase.core.server import State
from liveserver_testcase.errors import ServerDied, UsageError
from liveserver_testcase.process.server import ProcessServer
from tests.contracts.toys import EchoServer
from tests.integration.process.base import ProcessCase, is_alive
from tests.support import HANG, wait_until


class DeathTest(ProcessCase):
    """The ends that nobody wanted."""

    def assert_dies(self, script: str, *arguments: str, pattern: str) -> ProcessServer:
        server = self.started(script, *arguments)
        pid, url = server.pid, re.escape(server.url)
        self.provoke(server)
        self.assertTrue(wait_until(lambda: not server.is_running))
        with self.assertRaises(ServerDied) as caught:
            server.check()
        self.assertRegex(str(caught.exception), rf"^the server at {url} died: its process \(pid {pid}\) {pattern}")
        return server

    def test_signals_and_exit_codes(self) -> None:
        """The error names the signal or the exit code, and shows the last of the output."""
        killed = r"was killed by SIGKILL \(signal 9\)\. The last of its output:\ndying of 9$"
        self.assert_dies("die", "9", pattern=killed)
        self.assert_dies("leave", "3", pattern=r"ended with exit code 3\. It had printed nothing\.$")

    def test_a_crash(self) -> None:
        """After a segmentation fault the output shows where it happened."""
        server = self.assert_dies("crash", pattern=r"was killed by SIGSEGV \(signal 11\)\. The last of its output:\n")
        self.assertIn("Fatal Python error: Segmentation fault", server.output)
        self.assertIn("in crash\n", server.output)

    def test_it_is_said_once(self) -> None:
        """The death is raised once; then the stop has nothing to say, and the server can start again on its port."""
        server = self.assert_dies("leave", "3", pattern="ended with exit code 3")
        port = server.port
        server.check()
        server.stop()
        self.assertIs(State.STOPPED, server.state)
        server.start()
        self.provoke(server)
        wait_until(lambda: not server.is_running)
        server.start()  # without a stop, too
        self.assertEqual((True, port), (server.is_running, server.port))

    def test_stop_says_it_if_nobody_has(self) -> None:
        """A death that nobody has asked for is raised by the stop, or by a question."""
        for ask in (ProcessServer.stop, lambda server: server._call("flush")):
            server = self.started("leave", "3")
            self.provoke(server)
            wait_until(lambda: not server.is_running)  # noqa: B023
            with self.assertRaisesRegex(ServerDied, "ended with exit code 3"):
                ask(server)
            server.stop()
            self.assertIs(State.STOPPED, server.state)

    def test_clients_are_refused(self) -> None:
        """Clients of a dead server are refused at once, and do not wait."""
        server = self.assert_dies("leave", "3", pattern="ended")
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(server.address, timeout=HANG)


class OutputTest(ProcessCase):
    """What a child prints."""

    def test_everything_is_caught(self) -> None:
        """The output of Python, of descriptors and of other programs is kept, in its order."""
        server = self.started("talk_a_little")
        self.connection(server)
        self.assertEqual("from Python\nfrom a descriptor\nfrom a program\n", server.output)
        server.stop()
        self.assertEqual("from Python\nfrom a descriptor\nfrom a program\n", server.output)

    def test_a_flood(self) -> None:
        """Megabytes of output block nobody; the last 64 KB are kept, and the first line says how much is not."""
        server = self.started("flood")
        self.connection(server)
        text = server.output
        self.assertRegex(text, r"^… [0-9]+ bytes before this are not kept\n")
        self.assertTrue(text.endswith("x\nthe end\n"))
        self.assertEqual(65536, len(text.partition("\n")[2]))


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
        if hasattr(os, "waitid"):
            waitid = mock.patch.object(os, "waitid")
            waitid.start()
            self.addCleanup(waitid.stop)
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

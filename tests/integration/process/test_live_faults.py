"""Servers in processes where several things happen at once, or where the application does what it should not."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

from liveserver_testcase.errors import ServerStartError, ServerThreadError, UnfinishedWorkWarning
from tests.integration.process.base import APP, LiveProcessCase, ProcessCase, is_alive, is_refused
from tests.support import HANG, wait_until


class LiveFaultTest(LiveProcessCase):
    """A live server in a process."""

    def test_a_thread_that_waits_during_a_stop(self) -> None:
        """A stop while a thread waits for requests is no death of the process; the wait goes on, and can be woken."""
        server = self.start_live()
        looks: list[int] = []
        is_done = threading.Event()

        def look() -> bool:
            looks.append(len(server.journal.entries()))
            return is_done.is_set()

        found: list[bool] = []
        thread = threading.Thread(target=lambda: found.append(server.journal.wait_for(look, 6 * HANG)))
        thread.start()
        self.addCleanup(thread.join, HANG)
        self.assertTrue(wait_until(lambda: looks))
        for _ in range(3):
            server.stop()
            server.start()
            self.assertTrue(self.get(server))
        self.assertEqual([], server.take_errors())
        is_done.set()
        server.journal.notify()
        thread.join(HANG)
        self.assertEqual([True], found)

    def test_requests_are_known_after_a_death(self) -> None:
        """What came before the process died stays known."""
        server = self.start_live()
        self.get(server, "/custom")
        self.assertEqual("", self.get(server, "/exit"))
        self.assertTrue(wait_until(lambda: not server.is_running))
        with self.assertRaisesRegex(Exception, "ended with exit code 3"):
            server.take_errors()
        self.assertEqual(["/custom", "/exit"], [record.path for record in server.journal.entries()])
        self.assertEqual(["Custom"], [type(error).__name__ for _, error in server.take_errors()])

    def test_requests_are_known_after_a_kill(self) -> None:
        """The requests of a process that was killed are known, also what nobody had asked for before."""
        for app, interface in ((APP, "wsgi"), ("tests.integration.process.apps:hello", "asgi")):
            with self.subTest(interface=interface):
                server = self.start_live(app, interface=interface)
                server.begin("a test")
                client = self.connect(server)
                before: list[Any] = []
                for number in range(20):
                    client.request("GET", f"/{number}?{'x' * number**2}")
                    client.getresponse().read()
                    before = before or server.journal.entries()
                os.kill(server.pid or 0, signal.SIGKILL)
                with self.assertRaisesRegex(Exception, "SIGKILL"):
                    server.check()
                records = server.journal.entries(server.journal.window)
                self.assertEqual([f"/{number}" for number in range(20)], [record.path for record in records])
                self.assertEqual({("GET", "127.0.0.1")}, {(record.method, record.address[0]) for record in records})
                # the kill may have come between the last response and the note of its end
                self.assertEqual([(200, True, True)] * 19, [(r.status, r.completed, r.is_over) for r in records[:-1]])
                self.assertIs(before[0], records[0])
                server.start()
                self.get(server, "/again")
                self.assertEqual(20, server.journal.entries()[-1].index)

    def test_a_request_that_kills(self) -> None:
        """Which request was being served when the process was killed is known."""
        server = self.start_live()
        self.get(server, "/before")
        self.assertEqual([], server.wait_until_idle(HANG))
        self.assertEqual("", self.get(server, "/kill"))
        with self.assertRaisesRegex(Exception, "SIGKILL"):
            server.check()
        records = server.journal.entries()
        self.assertEqual([("/before", True), ("/kill", False)], [(each.path, each.is_over) for each in records])

    def test_more_requests_than_are_kept(self) -> None:
        """What nobody had asked for when the journal was full is gone, and counted."""
        server = self.start_live(journal_limit=5)
        for number in range(12):
            self.get(server, f"/{number}")
        records = server.journal.entries()
        self.assertEqual([(number, f"/{number}") for number in range(7, 12)], [(r.index, r.path) for r in records])
        self.assertEqual(7, server.journal.dropped)

    def test_two_with_tls_at_once(self) -> None:
        """Two servers that start together have each a certificate of their own."""
        servers = [self.live(tls=True) for _ in range(2)]
        starters = [threading.Thread(target=server.start) for server in servers]
        for starter in starters:
            starter.start()
        for starter in starters:
            starter.join(HANG)
        self.assertTrue(all(self.get(server) for server in servers))

    def test_a_stop_that_takes_all_its_time(self) -> None:
        """A stop that has to cut a request and the shutdown of the application names both."""
        server = self.start_live("tests.integration.process.apps:stubborn", interface="asgi", stop_timeout=0.3)
        client = self.connect(server)
        client.request("GET", "/stay")
        server.journal.wait_for(lambda: server.in_flight, HANG)
        with (
            self.assertWarns(UnfinishedWorkWarning) as caught,
            self.assertRaisesRegex(ServerThreadError, "the shutdown of the application .* has not ended"),
        ):
            server.stop()
        self.assertIn("GET /stay from", str(caught.warning))
        self.assertNotIn("without an answer", str(caught.warning))

    def test_a_death_before_it_is_ready(self) -> None:
        """A process that dies while its application is asked whether it is ready is a start that failed, at once."""
        server = self.live(ready_path="/exit")
        with self.assertRaisesRegex(ServerStartError, "ended with exit code 3"):
            server.start()


class ProcessFaultTest(ProcessCase):
    """Any server in a process."""

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

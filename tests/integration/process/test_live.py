"""A server of HTTP in a process, asked from here: requests, errors, output, tests, deaths, TLS."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import signal
import socket
import ssl
import sys
import tempfile
import textwrap
import threading
import traceback
from pathlib import Path
from typing import Any
from unittest import mock

from liveserver_testcase import LiveServer
from liveserver_testcase.core.tls import Certificates
from liveserver_testcase.errors import (
    ServerDied,
    ServerStartError,
    ServerThreadError,
    UnfinishedWorkWarning,
    UsageError,
)
from liveserver_testcase.process.messages import RemoteTraceback, StandIn
from tests.integration.process import apps
from tests.integration.process.base import APP, LiveProcessCase
from tests.support import HANG, call_in_thread, run_python, wait_until


class RequestTest(LiveProcessCase):
    """What the parent knows of the requests."""

    def test_records(self) -> None:
        """A request is known by the time that its client has the answer, with what a thread's server knows."""
        server = self.start_live()
        server.begin("a test")
        self.assertEqual(f"/one of {server.pid}", self.get(server, "/one?a=1"))
        self.get(server, "/two")
        one, two = server.journal.entries()
        self.assertEqual(("GET", "/one?a=1", "/one", 200), (one.method, one.target, one.path, one.status))
        self.assertEqual(("a test", 0, 1), (one.window.name, one.index, two.index))
        self.assertTrue(one.completed and one.is_over and one.age < HANG)
        self.assertEqual("127.0.0.1", one.address[0])
        self.assertEqual("<RequestRecord #0 GET /one?a=1: 200>", repr(one))
        self.assertEqual((2, 0, ""), (len(server.journal), server.journal.dropped, server.journal.dropped_message))

    def test_in_flight(self) -> None:
        """A request that is being served is in flight, with the place in the application where it is."""
        server = self.start_live()
        server.begin("a test")
        self.in_background(self.get, server, "/wait")
        (record,) = server.journal.wait_for(lambda: server.in_flight, HANG)
        self.assertEqual("GET /wait", record.describe())
        self.assertFalse(record.is_over)
        self.assertTrue(wait_until(lambda: "_go_on.wait(600)" in server.stack_of(record)))
        self.assertEqual([record], server.wait_until_idle(0.0, server.journal.window))
        self.get(server, "/go")
        self.assertEqual([], server.wait_until_idle(HANG, server.journal.window))
        self.assertEqual([record.index], [r.index for r in server.journal.entries() if r.path == "/wait" and r.is_over])
        self.assertEqual("", server.stack_of(record))

    def test_a_coroutine_waits(self) -> None:
        """A wait on an event loop ends when the journal changes so, in a child that was started meanwhile, too."""
        server = self.live()

        async def wait() -> Any:
            waiting = asyncio.create_task(server.journal.wait_for_async(server.journal.entries, HANG))
            await asyncio.to_thread(server.start)
            await asyncio.to_thread(self.get, server, "/late")
            return (await waiting)[0].path

        self.assertEqual("/late", asyncio.run(wait()))

    def test_tests(self) -> None:
        """A test begins with an empty journal and output; a request belongs to the test in which it arrived."""
        server = self.start_live()
        self.get(server, "/print?before")
        server.begin("first")
        self.assertEqual(([], ""), (server.journal.entries(), server.output))
        self.in_background(self.get, server, "/wait")
        server.journal.wait_for(lambda: "/wait" in [record.path for record in server.in_flight], HANG)
        first = server.journal.window
        server.begin("second")
        self.get(server, "/print?now")
        self.assertEqual("printed now\n", server.output)
        self.assertEqual(["/print"], [record.path for record in server.journal.entries(server.journal.window)])
        self.assertEqual([], server.wait_until_idle(HANG, server.journal.window))
        (old,) = server.wait_until_idle(0.0)
        self.assertEqual(first, old.window)
        self.get(server, "/go")
        self.assertEqual([], server.wait_until_idle(HANG))

    def test_what_is_known_outlives_the_child(self) -> None:
        """After a stop, and after another start, the requests, errors and output of the test are still known."""
        server = self.start_live()
        server.begin("a test")
        window = server.journal.window
        self.get(server, "/custom")
        self.get(server, "/print?1")
        server.stop()
        self.assertEqual(["/custom", "/print"], [record.path for record in server.journal.entries(window)])
        self.assertEqual("printed 1\n", server.output)
        self.assertEqual(["Custom"], [type(error).__name__ for _, error in server.take_errors()])
        server.start()
        self.get(server, "/again")
        records = server.journal.entries(window)
        self.assertEqual([(0, "/custom"), (1, "/print"), (2, "/again")], [(r.index, r.path) for r in records])
        server.begin("the next test")
        self.assertEqual([], server.journal.entries())

    def test_a_full_journal(self) -> None:
        """The oldest, which nobody had asked for, are gone, and how many is known."""
        with self.live(journal_limit=2) as server:
            for number in range(12):
                self.get(server, f"/{number}")
            records = server.journal.entries()
            self.assertEqual([(10, "/10"), (11, "/11")], [(record.index, record.path) for record in records])
            self.assertEqual(10, server.journal.dropped)
            self.assertIn("the journal keeps 2 entries, and 10 more came", server.journal.dropped_message)

    def test_a_refused_request(self) -> None:
        """A malformed request is recorded as a server in a thread records it: refused, and not left by its client."""
        found = []
        for server in (self.live(), LiveServer(APP)):
            with server, socket.create_connection(server.address, HANG) as client:
                client.sendall(b"GET /no-host HTTP/1.1\r\n\r\n")
                while client.recv(1000):
                    pass
                (record,) = server.journal.entries()
                found.append((record.path, record.status, record.aborted, record.refused))
        self.assertEqual(found[1], found[0])
        self.assertEqual((400, "", True), (*found[0][1:3], bool(found[0][3])))

    def test_connections_can_be_cut(self) -> None:
        """Every connection is cut, and the server goes on."""
        server = self.start_live()
        connection = self.connect(server)
        connection.connect()
        self.get(server)
        server.close_connections()
        self.assertEqual(b"", connection.sock.recv(1))
        self.assertTrue(self.get(server))

    def test_environment_in_a_thread(self) -> None:
        """An environment for a server in a thread is refused."""
        wanted = "env is {'A': 'b'}, but in mode='thread' the environment is this process's own"
        with self.assertRaisesRegex(UsageError, f"^{re.escape(wanted)}$"):
            LiveServer(APP, env={"A": "b"})

    def test_nothing_to_ask(self) -> None:
        """Before the first start there is nothing, and every question is answered so."""
        server = self.live()
        server.begin("a test")
        self.assertEqual("a test", server.journal.window.name)
        self.assertEqual(([], [], [], 0, "", ""), (
            server.in_flight, server.take_errors(), server.wait_until_idle(1.0), len(server.journal), server.output,
            server.stack_of(mock.Mock(index=0)),
        ))  # fmt: skip
        server.start()
        self.get(server)
        self.assertEqual("a test", server.journal.entries()[0].window.name)


class ErrorTest(LiveProcessCase):
    """Exceptions of the application."""

    def test_the_exception_itself(self) -> None:
        """An exception whose class is known here arrives as itself, with its causes and the traceback in the child."""
        server = self.start_live()
        self.get(server, "/custom")
        (record,) = server.journal.entries()
        ((raising, error),) = server.take_errors()
        self.assertIs(record, raising)
        self.assertIs(error, record.errors[0])
        self.assertEqual("GET /custom", record.describe())
        self.assertIs(apps.Custom, type(error))
        self.assertEqual(("not a number", 7), error.args)
        self.assertIs(ValueError, type(error.__cause__))
        text = "".join(traceback.format_exception(error))
        self.assertRegex(
            text, r"^liveserver_testcase\.process\.messages\.RemoteTraceback: in the server's process\nTraceback"
        )
        self.assertIn('int("x")\n', text)
        self.assertIn('raise Custom("not a number", 7) from error\n', text)
        self.assertEqual([], server.take_errors())

    def test_several(self) -> None:
        """Several arrive in their order, also those while a body is sent, and stand-ins of what cannot be pickled."""
        server = self.start_live()
        paths = ["/custom", "/stream", "/particular", "/custom"]
        for path in paths:
            self.get(server, path)
        errors = server.take_errors()
        self.assertEqual(paths, [record.path for record, _ in errors])
        self.assertEqual("in the middle", str(errors[1][1]))
        error = errors[2][1]
        self.assertIsInstance(error, StandIn)
        self.assertIsInstance(error.__cause__, RemoteTraceback)
        self.assertEqual(
            "tests.integration.process.children.Particular: 1 and 2", traceback.format_exception_only(error)[0].strip()
        )

    def test_a_class_that_is_not_imported_here(self) -> None:
        """No module is imported for an exception: it is stood for by one of its built-in base class."""
        done = run_python(
            """
            import sys, http.client
            from liveserver_testcase import LiveServer
            with LiveServer("tests.integration.process.apps:app", mode="process") as server:
                client = http.client.HTTPConnection(*server.address)
                client.request("GET", "/custom")
                client.getresponse().read()
                client.close()
                ((_, error),) = server.take_errors()
            print(isinstance(error, ValueError), type(error).__module__, repr(str(error)))
            print("tests.integration.process.apps" in sys.modules)
            """
        )
        wanted = "True tests.integration.process.apps \"('not a number', 7)\"\nFalse\n"
        self.assertEqual((0, wanted, ""), (done.returncode, done.stdout, done.stderr))

    def test_an_application_that_cannot_be_made(self) -> None:
        """What ``create_app()`` raises there is the cause here."""
        server = self.live(apps.broken)
        with self.assertRaises(ServerStartError) as caught:
            server.start()
        self.assertEqual(
            "<LiveServer starting at http://127.0.0.1:0> could not start: Particular: 3 and 4", str(caught.exception)
        )
        self.assertIn("in broken\n", str(getattr(caught.exception.__cause__, "__cause__", "")))
        self.assertEqual("looking for the database\n", server.output)


class DeathTest(LiveProcessCase):
    """A child that dies in a test."""

    def test_it_fails_the_test_and_those_after_it(self) -> None:
        """The verdict on the test says how the process ended, once; so does that on each further test."""
        server = self.start_live()
        server.begin("first")
        self.get(server, "/custom")
        pid = server.pid
        self.assertEqual("", self.get(server, "/exit"))
        self.assertTrue(wait_until(lambda: not server.is_running))
        died = rf"^the server at {re.escape(server.url)} died: its process \(pid {pid}\) ended with exit code 3"
        again = f"{died}; what it had printed is in the first report of it$"
        for wanted in (rf"{died}\. It had printed nothing\.$", again):
            self.assertEqual([], server.wait_until_idle(HANG, server.journal.window))
            self.assertRaisesRegex(ServerDied, wanted, server.take_errors)
            if wanted is not again:  # what came before it died stays known
                self.assertEqual(["/custom", "/exit"], [record.path for record in server.journal.entries()])
                self.assertEqual(["Custom"], [type(error).__name__ for _, error in server.take_errors()])
            self.assertEqual(([], []), (server.take_errors(), server.in_flight))
            server.begin("another")
        self.assertRaisesRegex(ServerDied, again, server.journal.entries)
        self.assertEqual(f"<LiveServer died at {server.url}>", repr(server))
        server.stop()

    def test_a_request_in_flight(self) -> None:
        """A death while a request waits ends a wait for it."""
        server = self.start_live()
        server.begin("a test")
        self.in_background(self.get, server, "/wait")
        server.journal.wait_for(lambda: server.in_flight, HANG)
        waited: list[Any] = []

        def wait_and_catch() -> None:
            try:
                waited.append(server.wait_until_idle(HANG) or "ended with exit code 3")  # asked just after the death
            except ServerDied as error:
                waited.append(error)

        self.in_background(wait_and_catch)
        self.get(server, "/exit")
        self.assertTrue(wait_until(lambda: waited))
        self.assertIn("ended with exit code 3", str(waited[0]))

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
                self.assertRaisesRegex(ServerDied, "SIGKILL", server.check)
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
        self.assertRaisesRegex(ServerDied, "SIGKILL", server.check)
        records = server.journal.entries()
        self.assertEqual([("/before", True), ("/kill", False)], [(each.path, each.is_over) for each in records])

    def test_before_it_is_ready(self) -> None:
        """A process that dies while its application is asked whether it is ready is a start that failed, at once."""
        with self.assertRaisesRegex(ServerStartError, "ended with exit code 3"):
            self.live(ready_path="/exit").start()


class StopTest(LiveProcessCase):
    """What a stop does to a live server in a process."""

    def test_a_thread_that_waits(self) -> None:
        """A stop while a thread waits for requests is no death of the process; the wait goes on, and can be woken."""
        server = self.start_live()
        self.assertEqual([], server.journal.wait_for(server.journal.entries, 0.05))
        looks: list[int] = []
        is_done = threading.Event()

        def look() -> bool:
            looks.append(len(server.journal.entries()))
            return is_done.is_set()

        found = call_in_thread(server.journal.wait_for, look, 6 * HANG)
        self.assertTrue(wait_until(lambda: looks))
        for _ in range(3):
            server.stop()
            server.start()
            self.assertTrue(self.get(server))
        self.assertEqual([], server.take_errors())
        is_done.set()
        server.journal.notify()
        self.assertTrue(found.result(HANG))

    def test_one_that_takes_all_its_time(self) -> None:
        """A stop that has to cut a request and the shutdown of the application names both."""
        server = self.start_live("tests.integration.process.apps:stubborn", interface="asgi", stop_timeout=0.3)
        self.connect(server).request("GET", "/stay")
        server.journal.wait_for(lambda: server.in_flight, HANG)
        with (
            self.assertWarns(UnfinishedWorkWarning) as caught,
            self.assertRaisesRegex(ServerThreadError, "the shutdown of the application .* has not ended"),
        ):
            server.stop()
        self.assertIn("GET /stay from", str(caught.warning))
        self.assertNotIn("without an answer", str(caught.warning))


class TLSTest(LiveProcessCase):
    """A server in a process that speaks TLS."""

    def test_a_throw_away_certificate(self) -> None:
        """The child gets a certificate of this process's authority, in a file that is gone when it serves."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.addCleanup(setattr, tempfile, "tempdir", tempfile.tempdir)
        Certificates.shared().ca_file  # noqa: B018 - it stays, and in its usual place
        tempfile.tempdir = folder.name
        server = self.live(tls=True)
        for _ in range(2):
            with server:
                for host in ("127.0.0.1", "localhost"):
                    self.assertTrue(self.get(server, host=host))
                self.assertEqual(Certificates.shared().ca_file, server.ca_file)
                self.assertEqual([], list(Path(folder.name).iterdir()))
        self.assertTrue(server.url.startswith("https://"))
        self.assertRaises(ServerStartError, self.live(apps.broken, tls=True).start)
        self.assertEqual([], list(Path(folder.name).iterdir()))

    def test_two_at_once(self) -> None:
        """Two servers that start together have each a certificate of their own."""
        servers = [self.live(tls=True) for _ in range(2)]
        for started in [call_in_thread(server.start) for server in servers]:
            started.result(6 * HANG)
        self.assertTrue(all(self.get(server) for server in servers))

    def test_a_certificate_of_ones_own(self) -> None:
        """Files are named to the child; a context cannot be sent to it."""
        path = self.folder() / "own.pem"
        path.write_bytes(Certificates.shared().server_pem("own"))
        with self.live(tls=(str(path), str(path))) as server:
            self.assertTrue(self.get(server))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with self.assertRaises(UsageError) as caught:
            self.live(tls=context)
        self.assertEqual(
            f"tls is {context!r}, which cannot be sent to the server's process; wanted True, or (certfile, keyfile)",
            str(caught.exception),
        )


GEVENT = """
from gevent import monkey
monkey.patch_all()
import socket, threading, time
import gevent

def app(environ, start_response):
    begun = time.monotonic()
    time.sleep(0.01)
    start_response("200 OK", [])
    return [f"{socket.socket.__module__} {gevent.getcurrent() is not gevent.hub.get_hub()}".encode()]
"""

PATCHED = """
import socket, threading

class Wrapped(socket.socket):
    "What a library puts in the place of every socket."

socket.socket = Wrapped
made = []
really = threading.Thread.start

def start(self):
    made.append(self.name)
    really(self)

threading.Thread.start = start

def app(environ, start_response):
    start_response("200 OK", [])
    return [f"{socket.socket.__name__} {any('live-server' in name for name in made)}".encode()]
"""


class PatchedTest(LiveProcessCase):
    """Applications that replace what the standard library has."""

    def serve(self, source: str, **options: Any) -> list[str]:
        """The answers to three requests to an application of this source; nothing of it reaches this process."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        (Path(folder.name) / "patching_app.py").write_text(textwrap.dedent(source))
        with mock.patch("sys.path", [folder.name, *sys.path]):
            server = LiveServer("patching_app:app", mode="process", **options)
            self.addCleanup(self.end, server)
            with server:
                server.begin("a test")
                answers = [self.get(server) for _ in range(3)]
                self.assertEqual([200] * 3, [record.status for record in server.journal.entries()])
                self.assertEqual("", server.output)
        return answers

    def test_patched_sockets_and_threads(self) -> None:
        """What the application has put in the place of sockets and threads is what the server is made of."""
        self.assertEqual(["Wrapped True"] * 3, self.serve(PATCHED))

    def test_gevent(self) -> None:
        """An application under gevent's patches is served, and asked, from its one thread."""
        if importlib.util.find_spec("gevent") is None:
            self.skipTest("gevent is not installed")
        self.assertEqual(["gevent._socket3 True"] * 3, self.serve(GEVENT))

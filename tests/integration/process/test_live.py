"""A server of HTTP in a process, asked from here: requests, errors, output, tests, deaths, TLS."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import re
import ssl
import sys
import tempfile
import textwrap
import threading
import traceback
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any
from unittest import mock

from liveserver_testcase import LiveServer
from liveserver_testcase.core.tls import Certificates
from liveserver_testcase.errors import ServerDied, ServerStartError, UnfinishedWorkWarning, UsageError
from liveserver_testcase.process.messages import RemoteTraceback, StandIn
from tests.integration.process import apps
from tests.support import HANG, NoLeaks, run_python, wait_until

APP = "tests.integration.process.apps:app"


class RemoteCase(NoLeaks):
    """Servers in processes, and a client."""

    def make(self, app: Any = APP, **options: Any) -> LiveServer:
        server = LiveServer(app, mode="process", **options)
        self.addCleanup(self.end, server)
        return server

    def end(self, server: LiveServer) -> None:
        with contextlib.suppress(ServerDied, UnfinishedWorkWarning):
            server.stop(0.0)

    def started(self, app: Any = APP, **options: Any) -> LiveServer:
        server = self.make(app, **options)
        server.start()
        return server

    def get(self, server: LiveServer, path: str = "/", host: str = "127.0.0.1") -> str:
        """The body of the answer; empty if there is none."""
        context = server.client_context()
        connection = (
            HTTPSConnection(host, server.port, timeout=HANG, context=context)
            if context is not None
            else HTTPConnection(host, server.port, timeout=HANG)
        )
        with contextlib.closing(connection), contextlib.suppress(HTTPException, ConnectionError):
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        return ""

    def in_background(self, function: Callable[..., object], *arguments: object) -> None:
        """Call the function in a thread, which is joined at the end of the test."""
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        thread.start()
        self.addCleanup(thread.join, HANG)


class RequestTest(RemoteCase):
    """What the parent knows of the requests."""

    def test_it_runs_in_the_child(self) -> None:
        """The application runs in the child."""
        with self.make() as server:
            self.assertEqual(f"/here of {server.pid}", self.get(server, "/here"))

    def test_records(self) -> None:
        """A request is known by the time that its client has the answer, with what a thread's server knows."""
        server = self.started()
        server.begin("a test")
        self.get(server, "/one?a=1")
        self.get(server, "/two")
        one, two = server.journal.entries()
        self.assertEqual(("GET", "/one?a=1", "/one", 200), (one.method, one.target, one.path, one.status))
        self.assertEqual(("a test", 0, 1), (one.window.name, one.index, two.index))
        self.assertTrue(one.completed and one.is_over and one.age < HANG)
        self.assertEqual("127.0.0.1", one.address[0])
        self.assertEqual("<RequestRecord #0 GET /one?a=1: 200>", repr(one))
        self.assertEqual((2, 0, ""), (len(server.journal), server.journal.dropped, server.journal.dropped_message))

    def test_a_record_is_one_object(self) -> None:
        """The same request is the same object, however often one asks."""
        server = self.started()
        self.get(server, "/custom")
        (record,) = server.journal.entries()
        self.assertIs(record, server.journal.entries()[0])
        ((raising, error),) = server.take_errors()
        self.assertIs(record, raising)
        self.assertIs(error, record.errors[0])

    def test_in_flight(self) -> None:
        """A request that is being served is in flight, with the place in the application where it is."""
        server = self.started()
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

    def test_waiting(self) -> None:
        """A wait ends when the journal changes so, and else after its time."""
        server = self.started()
        self.assertEqual([], server.journal.wait_for(server.journal.entries, 0.05))
        has_looked = threading.Event()

        def look() -> list[Any]:
            try:
                return server.journal.entries()
            finally:
                has_looked.set()

        self.in_background(lambda: has_looked.wait(HANG) and self.get(server, "/late"))
        self.assertEqual("/late", server.journal.wait_for(look, HANG)[0].path)

    def test_a_coroutine_waits(self) -> None:
        """A wait on an event loop ends likewise, in a child that was started meanwhile, too."""
        server = self.make()

        async def wait() -> Any:
            waiting = asyncio.create_task(server.journal.wait_for_async(server.journal.entries, HANG))
            await asyncio.to_thread(server.start)
            await asyncio.to_thread(self.get, server, "/late")
            return (await waiting)[0].path

        self.assertEqual("/late", asyncio.run(wait()))

    def test_tests(self) -> None:
        """A test begins with an empty journal and output; a request belongs to the test in which it arrived."""
        server = self.started()
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
        server = self.started()
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
        """The limit is the child's: the oldest are gone, and how many is known."""
        with self.make(journal_limit=2) as server:
            for path in ("/1", "/2", "/3"):
                self.get(server, path)
            self.assertEqual((["/2", "/3"], 1), ([r.path for r in server.journal.entries()], server.journal.dropped))
            self.assertIn("the journal keeps 2 entries, and 1 more came", server.journal.dropped_message)

    def test_connections_can_be_cut(self) -> None:
        """Every connection is cut, and the server goes on."""
        server = self.started()
        connection = HTTPConnection("127.0.0.1", server.port, timeout=HANG)
        self.addCleanup(connection.close)
        connection.connect()
        self.get(server)
        server.close_connections()
        self.assertEqual(b"", connection.sock.recv(1))
        self.assertTrue(self.get(server))

    def test_nothing_to_ask(self) -> None:
        """Before the first start there is nothing, and every question is answered so."""
        server = self.make()
        server.begin("a test")
        self.assertEqual("a test", server.journal.window.name)
        self.assertEqual(([], [], [], 0, "", ""), (
            server.in_flight, server.take_errors(), server.wait_until_idle(1.0), len(server.journal), server.output,
            server.stack_of(mock.Mock(index=0)),
        ))  # fmt: skip
        server.start()
        self.get(server)
        self.assertEqual("a test", server.journal.entries()[0].window.name)


class ErrorTest(RemoteCase):
    """Exceptions of the application."""

    def test_the_exception_itself(self) -> None:
        """An exception whose class is known here arrives as itself, with its causes and the traceback in the child."""
        server = self.started()
        self.get(server, "/custom")
        ((record, error),) = server.take_errors()
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

    def test_a_stand_in(self) -> None:
        """An exception that cannot be pickled is stood for by one of the same name and text."""
        server = self.started()
        self.get(server, "/particular")
        ((_, error),) = server.take_errors()
        self.assertIsInstance(error, StandIn)
        self.assertEqual(("Particular", "1 and 2"), (type(error).__qualname__, str(error)))
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

    def test_in_the_middle_of_a_stream(self) -> None:
        """An exception while the body is sent is one of the request's, too."""
        server = self.started()
        self.get(server, "/stream")
        ((record, error),) = server.take_errors()
        self.assertEqual(("/stream", "in the middle"), (record.path, str(error)))

    def test_two_of_one_request_kind(self) -> None:
        """Several exceptions arrive in their order."""
        server = self.started()
        for path in ("/custom", "/particular", "/custom"):
            self.get(server, path)
        self.assertEqual(["/custom", "/particular", "/custom"], [record.path for record, _ in server.take_errors()])

    def test_an_application_that_cannot_be_made(self) -> None:
        """What ``create_app()`` raises there is the cause here."""
        server = self.make(apps.broken)
        with self.assertRaises(ServerStartError) as caught:
            server.start()
        self.assertEqual(
            "<LiveServer starting at http://127.0.0.1:0> could not start: Particular: 3 and 4", str(caught.exception)
        )
        self.assertIn("in broken\n", str(getattr(caught.exception.__cause__, "__cause__", "")))
        self.assertEqual("looking for the database\n", server.output)

    def test_our_own_errors_arrive_as_they_are(self) -> None:
        """An import string that leads nowhere is the same error in a process as in a thread."""
        server = self.make("tests.integration.process.no_such:app")
        with self.assertRaises((UsageError, ServerStartError)) as caught:
            server.start()
        self.assertIn("no_such", str(caught.exception))

    def test_an_application_that_is_out_of_reach(self) -> None:
        """A factory that the child cannot import is an error that says what to do."""
        with self.assertRaisesRegex(UsageError, "it is a lambda, which has no name. Give a function or class"):
            self.make(lambda: apps.app).start()


class DeathTest(RemoteCase):
    """A child that dies in a test."""

    def test_it_fails_the_test_and_those_after_it(self) -> None:
        """The verdict on the test says how the process ended, once; so does that on each further test."""
        server = self.started()
        server.begin("first")
        pid = server.pid
        self.assertEqual("", self.get(server, "/exit"))
        self.assertTrue(wait_until(lambda: not server.is_running))
        died = rf"^the server at {re.escape(server.url)} died: its process \(pid {pid}\) ended with exit code 3"
        again = f"{died}; what it had printed is in the first report of it$"
        for wanted in (rf"{died}\. It had printed nothing\.$", again):
            self.assertEqual([], server.wait_until_idle(HANG, server.journal.window))
            self.assertRaisesRegex(ServerDied, wanted, server.take_errors)
            self.assertEqual(([], []), (server.take_errors(), server.in_flight))
            server.begin("another")
        with self.assertRaisesRegex(ServerDied, again):
            server.journal.entries()
        self.assertEqual(f"<LiveServer died at {server.url}>", repr(server))
        server.stop()

    def test_a_request_in_flight(self) -> None:
        """A death while a request waits ends a wait for it."""
        server = self.started()
        server.begin("a test")
        self.in_background(self.get, server, "/wait")
        server.journal.wait_for(lambda: server.in_flight, HANG)
        waited: list[Any] = []
        self.in_background(lambda: waited.append(self.wait_and_catch(server)))
        self.get(server, "/exit")
        self.assertTrue(wait_until(lambda: waited))
        self.assertIn("ended with exit code 3", str(waited[0]))

    def wait_and_catch(self, server: LiveServer) -> object:
        try:
            return server.wait_until_idle(HANG) or "ended with exit code 3"  # asked just after the death
        except ServerDied as error:
            return error

    def test_it_can_be_restarted(self) -> None:
        """A test that wanted the death goes on with another child."""
        server = self.started()
        server.begin("a test")
        self.get(server, "/exit")
        wait_until(lambda: not server.is_running)
        server.start()
        self.assertTrue(self.get(server))
        self.assertEqual([], server.take_errors())


class TLSTest(RemoteCase):
    """A server in a process that speaks TLS."""

    def test_a_throw_away_certificate(self) -> None:
        """The child gets a certificate of this process's authority, in a file that is gone when it serves."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.addCleanup(setattr, tempfile, "tempdir", tempfile.tempdir)
        Certificates.shared().ca_file  # noqa: B018 - it stays, and in its usual place
        tempfile.tempdir = folder.name
        server = self.make(tls=True)
        for _ in range(2):
            with server:
                for host in ("127.0.0.1", "localhost"):
                    self.assertTrue(self.get(server, host=host))
                self.assertEqual(Certificates.shared().ca_file, server.ca_file)
                self.assertEqual([], list(Path(folder.name).iterdir()))
        self.assertTrue(server.url.startswith("https://"))
        self.assertRaises(ServerStartError, self.make(apps.broken, tls=True).start)
        self.assertEqual([], list(Path(folder.name).iterdir()))

    def test_a_certificate_of_ones_own(self) -> None:
        """Files are named to the child."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = Path(folder.name, "own.pem")
        path.write_bytes(Certificates.shared().server_pem("own"))
        with self.make(tls=(str(path), str(path))) as server:
            self.assertTrue(self.get(server))

    def test_a_context(self) -> None:
        """A context cannot travel: that is an error that says what can."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with self.assertRaises(UsageError) as caught:
            self.make(tls=context)
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


class PatchedTest(RemoteCase):
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

"""A test may replace what Python offers: a server that was started before goes on serving, and can be stopped."""

from __future__ import annotations

import contextlib
import importlib.util
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from freezegun import freeze_time
from pyfakefs.fake_filesystem_unittest import Patcher

from liveserver_testcase import HTTPStub, LiveServer, SMTPServer
from tests.support import HANG, NoLeaks, run_python

Connect = Callable[[tuple[str, int]], socket.socket]

_HTTP = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
_SMTP = b"EHLO x\r\nQUIT\r\n"


def wsgi_app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    if environ["PATH_INFO"] == "/raise":
        raise ValueError("no such path")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


async def asgi_app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        raise RuntimeError(f"no {scope['type']} here")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


def make_stub() -> HTTPStub:
    stub = HTTPStub()
    stub.on("GET", "/").reply("hello")
    return stub


SERVERS: dict[str, tuple[Callable[[], Any], bytes, bytes]] = {
    "wsgi": (lambda: LiveServer(wsgi_app), _HTTP, b"hello"),
    "asgi": (lambda: LiveServer(asgi_app, interface="asgi"), _HTTP, b"hello"),
    "stub": (make_stub, _HTTP, b"hello"),
    "smtp": (SMTPServer, _SMTP, b"\r\n221 "),
    "process": (
        lambda: LiveServer(f"{__name__}:wsgi_app", mode="process", start_timeout=6 * HANG),
        _HTTP,
        b"hello",
    ),
}


@contextlib.contextmanager
def _fail(name: str) -> Iterator[None]:
    with mock.patch(name, side_effect=AssertionError(f"{name} was called")):
        yield


PATCHES: dict[str, Callable[[], contextlib.AbstractContextManager[Any]]] = {
    "threading.Thread": lambda: mock.patch("threading.Thread"),
    "threading.Thread that fails": lambda: _fail("threading.Thread"),
    "socket.socket": lambda: mock.patch("socket.socket"),
    "socket.socket that fails": lambda: _fail("socket.socket"),
    "time.sleep": lambda: _fail("time.sleep"),
    "time.monotonic": lambda: mock.patch("time.monotonic", return_value=0.0),
    "time.time": lambda: mock.patch("time.time", return_value=0.0),
    "time.time that fails": lambda: _fail("time.time"),
    "open": lambda: _fail("builtins.open"),
    "os.environ": lambda: mock.patch.dict("os.environ", clear=True),
    "ssl.create_default_context": lambda: _fail("ssl.create_default_context"),
    "freezegun": lambda: freeze_time("2001-02-03"),
    "pyfakefs": Patcher,
}


class PatchedSurroundingsTest(NoLeaks):
    """Each patch over each server; the client's own socket class was taken before."""

    def ask(self, sockets: list[socket.socket], address: tuple[str, int], question: bytes) -> bytes:
        """Ask on a socket that was made beforehand."""
        client = sockets.pop()
        with client:
            client.connect(address)
            client.sendall(question)
            answer = b""
            while data := client.recv(65536):
                answer += data
        return answer

    def make_sockets(self) -> list[socket.socket]:
        """Sockets from the real class, for as many questions as a test asks."""
        sockets = [socket.socket() for _ in range(14)]
        for client in sockets:
            client.settimeout(HANG)
            self.addCleanup(client.close)
        return sockets

    def test_a_server_started_before_answers_during_and_after(self) -> None:
        """Twelve connections during the patch, more than the threads that wait already."""
        for kind, (make, question, wanted) in SERVERS.items():
            for name, patch in PATCHES.items():
                with self.subTest(server=kind, patch=name), make() as server:
                    sockets = self.make_sockets()
                    with patch():
                        for _ in range(12):
                            self.assertIn(wanted, self.ask(sockets, server.address, question))
                    self.assertIn(wanted, self.ask(sockets, server.address, question))

    def test_a_server_can_be_stopped_during(self) -> None:
        """A stop needs nothing that a test has replaced."""
        for kind, (make, question, wanted) in SERVERS.items():
            for name, patch in PATCHES.items():
                with self.subTest(server=kind, patch=name), make() as server:
                    with patch():
                        server.stop()
                    server.start()
                    self.assertIn(wanted, self.ask(self.make_sockets(), server.address, question))

    def test_a_server_can_be_started_during(self) -> None:
        """A start makes threads and sockets of the real classes."""
        for kind, (make, question, wanted) in SERVERS.items():
            for name, patch in PATCHES.items():
                if (kind, name) == ("process", "pyfakefs"):
                    continue  # `subprocess` makes its pipes and opens /dev/null with whatever `os` is
                with self.subTest(server=kind, patch=name), make() as server:
                    sockets = self.make_sockets()
                    server.stop()
                    with patch():
                        server.start()
                        self.assertIn(wanted, self.ask(sockets, server.address, question))
                    self.assertIn(wanted, self.ask(sockets, server.address, question))
                    self.assertLess(0, time.monotonic())

    def test_requests_of_a_process_are_known_during(self) -> None:
        """What the process has served can be read, waited for and forgotten, and exceptions are raised here."""
        make, question, _ = SERVERS["process"]
        with make() as server:
            for name, patch in PATCHES.items():
                sockets = self.make_sockets()
                with self.subTest(patch=name), patch():
                    server.begin(name)
                    self.assertEqual([], server.journal.entries())
                    self.ask(sockets, server.address, question)
                    self.ask(sockets, server.address, question.replace(b"/ ", b"/raise "))
                    records = server.journal.wait_for(server.journal.entries, HANG)
                    self.assertEqual(["/", "/raise"], [record.path for record in records])
                    self.assertEqual([], server.wait_until_idle(HANG))
                    self.assertEqual(["no such path"], [str(error) for _, error in server.take_errors()])
                    self.assertEqual("", server.output)

    def test_a_stub_misbehaves_during(self) -> None:
        """It holds requests, passes them on, and lets nobody connect."""
        upstream = HTTPStub(tls=True)
        upstream.start()
        self.addCleanup(upstream.stop)
        upstream.on().reply("hello from above")
        ca_file = upstream.ca_file
        for name, patch in PATCHES.items():
            with self.subTest(patch=name), HTTPStub() as stub:
                sockets = self.make_sockets()
                with patch():
                    hold = stub.on("GET", "/").hold()
                    client = sockets.pop()
                    client.connect(stub.address)
                    client.sendall(_HTTP)
                    hold.wait(HANG)
                    hold.reply("hello")
                    self.assertIn(b"hello", client.recv(65536))
                    with stub.blackhole():
                        pass
                    stub.on("GET", "/").forward_to(upstream.url, ca_file=ca_file)
                    self.assertIn(b"hello from above", self.ask(sockets, stub.address, _HTTP))


_ASK_ALL = """
import socket, sys
from tests.integration.cases.test_patched_surroundings import SERVERS

for kind, (make, question, wanted) in SERVERS.items():
    with make() as server:
        for _ in range(3):
            answer = b""
            with socket.create_connection(server.address, timeout=20) as client:
                client.sendall(question)
                while data := client.recv(65536):
                    answer += data
            if wanted not in answer:
                raise AssertionError(f"{kind}: {answer!r}")
with open(sys.argv[1], "w") as result:
    result.write("all have answered")
"""


class OwnProcessTest(NoLeaks):
    """What cannot be done to the process of the tests: each script is one that starts every server."""

    def run_all(self, before: str) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = Path(folder.name, "result")
        done = run_python(before + _ASK_ALL, str(path), options=())
        self.assertTrue(path.exists(), done.stderr)
        self.assertEqual(("all have answered", 0), (path.read_text(), done.returncode), done.stderr)

    def test_no_standard_streams(self) -> None:
        """Every server works where there are no standard streams, and sockets get their numbers."""
        self.run_all("import sys\nsys.stdin = sys.stdout = sys.stderr = None\n")
        self.run_all("import sys\nfor stream in (sys.stdin, sys.stdout, sys.stderr):\n    stream.close()\n")
        self.run_all("import os, sys\nfor number in range(3):\n    os.close(number)\nsys.stdout = sys.stderr = None\n")

    def test_gevent(self) -> None:
        """Every server works where gevent has replaced threads and sockets before anything else was imported."""
        if importlib.util.find_spec("gevent") is None:
            self.skipTest("gevent is not installed")
        self.run_all("from gevent import monkey\nmonkey.patch_all()\n")

"""What a failing test prints of its requests has no secrets in it."""

from __future__ import annotations

import re
import socket
import threading
import unittest
import urllib.request
from typing import Any

from liveserver_testcase import LiveServer, LiveServerTestCase, ServerDied, ServerStartError
from tests.integration.running import make_case, run_case
from tests.support import HANG, wait_until

TARGET = "/boom?password=hunter2&next=http%3A%2F%2Fann%3Ahunter2%40h%2F&a=1"
MASKED = "GET /boom?password=***&next=http%3A%2F%2Fann%3A***%40h%2F&a=1"


def fail(environ: Any, start_response: Any) -> list[bytes]:
    """Raise something that names a secret."""
    raise OSError("cannot reach postgres://ann:hunter2@db.invalid/shop?password=hunter2")


def split(environ: Any, start_response: Any) -> list[bytes]:
    """Answer with a header that cannot be sent."""
    start_response("200 OK", [("Set-Cookie", "session=" + "hunter2" + "\r\n")])
    return []


def answer(environ: Any, start_response: Any) -> list[bytes]:
    """Answer with nothing."""
    start_response("204 No Content", [])
    return []


def make_live(app: Any, test: Any, **settings: Any) -> type[Any]:
    """A class with one test of an application."""
    return make_case(LiveServerTestCase, app=staticmethod(app), test_it=test, **settings)


class MaskedReportsTest(unittest.TestCase):
    """Names and shapes of secrets are masked, whichever server prints them."""

    def test_an_error_of_the_live_application(self) -> None:
        """The request, and what was raised or cannot be sent, are named without secrets; the record keeps them."""
        targets: list[str] = []

        def test_it(self: Any) -> None:
            self.live.get(TARGET)
            targets.extend(record.target for record in self.live_server.journal.entries())
            self.assertNotIn("hunter2", repr(self.live_server.journal.entries()))

        for app, text in (
            (fail, "OSError: cannot reach postgres://ann:***@db.invalid/shop?password=***"),
            (split, "header 'Set-Cookie' has the value '***'"),
        ):
            with self.subTest(text):
                report = run_case(make_live(app, test_it)).report.rpartition("AssertionError: ")[2]
                self.assertIn(f"{MASKED}: ", report)
                self.assertIn(text, report)
                self.assertNotIn("hunter2", report)
        self.assertEqual([TARGET, TARGET], targets)

    def test_a_request_in_flight(self) -> None:
        """One that is not answered when its test is over is named without its secrets."""
        go = threading.Event()
        self.addCleanup(go.set)

        def wait(environ: Any, start_response: Any) -> list[bytes]:
            go.wait(10)
            start_response("200 OK", [])
            return []

        def test_it(self: Any) -> None:
            client = socket.create_connection((self.live_server.host, self.live_server.port))
            self.addClassCleanup(client.close)
            client.sendall(f"GET {TARGET} HTTP/1.1\r\nHost: a\r\nCookie: a=hunter2\r\n\r\n".encode())
            self.live_server.journal.wait_for(lambda: self.live_server.requests, 10)
            messages.append(repr(self.live_server.requests))

        messages: list[str] = []
        messages += run_case(make_live(wait, test_it, live_pending_timeout=0.0, live_stop_timeout=0.0)).reports()
        for message in messages:
            self.assertIn(MASKED, message)
            self.assertNotIn("hunter2", message)

    def test_a_request_that_never_came(self) -> None:
        """The path that was wanted, and the requests that came, are listed without their secrets."""
        messages: list[str] = []

        def test_it(self: Any) -> None:
            with self.assertRaises(AssertionError) as caught:
                self.assertLiveRequested("GET", TARGET, timeout=0)
            messages.append(str(caught.exception))
            self.live.get("/other?api_key=hunter2")
            with self.assertRaises(AssertionError) as caught:
                self.assertLiveRequested("GET", re.compile(r"/a\?password=hunter2"), timeout=0)
            messages.append(str(caught.exception))

        run_case(make_live(answer, test_it))
        self.assertIn(MASKED, messages[0])
        self.assertIn("GET /other?api_key=***", messages[1])
        self.assertNotIn("hunter2", "".join(messages))

    def test_a_start_that_fails(self) -> None:
        """The error of an ASGI application's startup is named without the secrets in its text."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "lifespan.startup.failed", "message": "no postgres://ann:hunter2@db.invalid/"})

        with self.assertRaises(ServerStartError) as caught:
            LiveServer(app, start_timeout=5).start()
        self.assertIn("postgres://ann:***@db.invalid/", str(caught.exception))

    def test_a_process_that_dies(self) -> None:
        """Of what it has printed the last is in the report, without its secrets."""
        with LiveServer("tests.integration.process.apps:app", mode="process") as server:
            urllib.request.urlopen(server.url_for("/print?a=1&token=hunter2"), timeout=HANG).close()
            with self.assertRaises(OSError):
                urllib.request.urlopen(server.url_for("/exit"), timeout=HANG)
            self.assertTrue(wait_until(lambda: not server.is_running))
            with self.assertRaisesRegex(ServerDied, r"printed a=1&token=\*\*\*") as caught:
                server.check()
        self.assertNotIn("hunter2", str(caught.exception))

"""What a failing test prints of its requests has no secrets in it."""

from __future__ import annotations

import re
import socket
from typing import Any

import requests

from liveserver_testcase import LiveServer, LiveServerTestCase, ServerDied, ServerStartError
from tests.integration.apps import Gate, make_app
from tests.integration.running import make_case, run_case
from tests.support import HANG, NoLeaks, wait_until

TARGET = "/boom?password=hunter2&next=http%3A%2F%2Fann%3Ahunter2%40h%2F&a=1"
MASKED = "GET /boom?password=***&next=http%3A%2F%2Fann%3A***%40h%2F&a=1"


def fail(environ: Any, start_response: Any) -> list[bytes]:
    """Raise something that names a secret."""
    raise OSError("cannot reach postgres://ann:hunter2@db.invalid/shop?password=hunter2")


def split(environ: Any, start_response: Any) -> list[bytes]:
    """Answer with a header that cannot be sent."""
    start_response("200 OK", [("Set-Cookie", "session=" + "hunter2" + "\r\n")])
    return []


class MaskedReportsTest(NoLeaks):
    """Where one secret can stand in what is said of a server; `test_every_secret` has the names and shapes of them."""

    def assert_masked(self, text: str, *wanted: str) -> None:
        """These parts are there, without the secret."""
        for part in wanted:
            self.assertIn(part, text)
        self.assertNotIn("hunter2", text)

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
                report = run_case(make_case(LiveServerTestCase, app=app, test=test_it)).report
                self.assert_masked(report.rpartition("AssertionError: ")[2], f"{MASKED}: ", text)
        self.assertEqual([TARGET, TARGET], targets)

    def test_a_request_in_flight(self) -> None:
        """One that is not answered when its test is over is named without its secrets."""
        gate = Gate()
        self.addCleanup(gate.open.set)

        def test_it(self: Any) -> None:
            client = socket.create_connection((self.live_server.host, self.live_server.port))
            self.addClassCleanup(client.close)
            client.sendall(f"GET {TARGET} HTTP/1.1\r\nHost: a\r\nCookie: a=hunter2\r\n\r\n".encode())
            self.live_server.journal.wait_for(lambda: self.live_server.requests, HANG)
            messages.append(repr(self.live_server.requests))

        messages: list[str] = []
        members = {"app": make_app(boom=gate), "live_pending_timeout": 0.0, "live_stop_timeout": 0.0}
        messages += run_case(make_case(LiveServerTestCase, test=test_it, **members)).reports()
        self.assertGreater(len(messages), 1)
        for message in messages:
            self.assert_masked(message, MASKED)

    def test_a_request_that_never_came(self) -> None:
        """The path that was wanted, and the requests that came, are listed without their secrets."""

        def test_it(self: Any) -> None:
            self.live.get("/other?api_key=hunter2")
            for path in (TARGET, re.compile(r"/a\?password=hunter2")):
                with self.assertRaises(AssertionError) as caught:
                    self.assertLiveRequested("GET", path, timeout=0)
                messages.append(str(caught.exception))

        messages: list[str] = []
        run_case(make_case(LiveServerTestCase, app=make_app(), test=test_it)).assert_passed()
        self.assert_masked("".join(messages), MASKED, "GET /other?api_key=***")

    def test_a_start_that_fails(self) -> None:
        """The error of an ASGI application's startup is named without the secrets in its text."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "lifespan.startup.failed", "message": "no postgres://ann:hunter2@db.invalid/"})

        with self.assertRaises(ServerStartError) as caught:
            LiveServer(app).start()
        self.assert_masked(str(caught.exception), "postgres://ann:***@db.invalid/")

    def test_a_process_that_dies(self) -> None:
        """Of what it has printed the last is in the report, without its secrets."""
        with LiveServer("tests.integration.process.apps:app", mode="process", start_timeout=6 * HANG) as server:
            requests.get(server.url_for("/print?a=1&token=hunter2"), timeout=HANG)
            with self.assertRaises(OSError):
                requests.get(server.url_for("/exit"), timeout=HANG)
            self.assertTrue(wait_until(lambda: not server.is_running))
            with self.assertRaises(ServerDied) as caught:
                server.check()
        self.assert_masked(str(caught.exception), "printed a=1&token=***")

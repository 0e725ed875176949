"""Streams of events from WSGI applications: they have no end of their own, so nobody waits for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from liveserver_testcase.web.wsgi import WSGIServer
from tests.integration.web.wire import WireTestCase, get
from tests.support import HANG


class EventStreams(WireTestCase):
    """What is sent as ``text/event-stream`` lasts until one side leaves."""

    def setUp(self) -> None:
        self.go = threading.Event()
        self.addCleanup(self.go.set)

    def app(self, environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        """Send one event, and the next when the test says so."""
        kind = "text/plain" if environ["QUERY_STRING"] == "plain" else "Text/Event-Stream; charset=utf-8"
        start_response("200 OK", [("content-type", kind)])
        yield b"data: 1\n\n"
        self.go.wait(HANG)
        yield b"data: 2\n\n"

    def ask_for(self, kind: str, **options: Any) -> WSGIServer:
        """A server one of whose clients has had the first event."""
        server = self.serve(self.app, **options)
        self.connect(server).send(get(f"/?{kind}")).read_until(b"data: 1\n\n")
        return server

    def test_who_is_awaited(self) -> None:
        """It is in flight, and does not keep the server from being idle; another slow response does."""
        server = self.ask_for("events")
        self.assertEqual([True], [exchange.is_streaming for exchange in server.in_flight])
        self.assertEqual([], server.wait_until_idle(0.0))
        server = self.ask_for("plain")
        self.assertEqual([False], [exchange.is_streaming for exchange in server.wait_until_idle(0.0)])
        self.go.set()
        self.assertEqual([], server.wait_until_idle(HANG))

    def test_stop(self) -> None:
        """A stop ends it at once: without its grace, and without a warning."""
        server = self.ask_for("events", stop_timeout=10 * HANG)
        stopper = threading.Thread(target=server.stop)
        stopper.start()
        stopper.join(HANG)
        self.assertFalse(stopper.is_alive())
        self.assertFalse(server.is_running)

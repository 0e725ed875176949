"""Streams of events from WSGI applications: they have no end of their own, so nobody waits for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from tests.integration.web.wire import GET, WireTestCase
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

    def test_is_not_awaited(self) -> None:
        """It is in flight, and does not keep the server from being idle."""
        server = self.serve(self.app)
        client = self.connect(server)
        client.send(GET)
        client.read_until(b"data: 1\n\n")
        self.assertEqual([True], [exchange.is_streaming for exchange in server.in_flight])
        self.assertEqual([], server.wait_until_idle(0.0))

    def test_anything_else_is_awaited(self) -> None:
        """Another slow response keeps the server from being idle."""
        server = self.serve(self.app)
        client = self.connect(server)
        client.send(GET.replace(b" / ", b" /?plain "))
        client.read_until(b"data: 1\n\n")
        self.assertEqual([False], [exchange.is_streaming for exchange in server.wait_until_idle(0.0)])
        self.go.set()
        self.assertEqual([], server.wait_until_idle(HANG))

    def test_stop(self) -> None:
        """A stop ends it at once: without its grace, and without a warning."""
        server = self.serve(self.app, stop_timeout=10 * HANG)
        client = self.connect(server)
        client.send(GET)
        client.read_until(b"data: 1\n\n")
        stopper = threading.Thread(target=server.stop)
        stopper.start()
        stopper.join(HANG)
        self.assertFalse(stopper.is_alive())
        self.assertFalse(server.is_running)
        self.go.set()

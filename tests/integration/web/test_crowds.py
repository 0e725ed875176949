"""Many at once."""

from __future__ import annotations

import selectors
import socket
from typing import Any

from tests.integration.web.wire import GET, Client, Held, WireTestCase, get, hello
from tests.support import HANG, wait_until


class Crowds(WireTestCase):
    """Each client is served as if it were alone."""

    def test_five_hundred_connections(self) -> None:
        """Of 500 clients that connect at once each gets its answer."""
        server = self.serve(hello)
        answered = 0
        with selectors.DefaultSelector() as selector:
            for _ in range(500):
                sock = socket.socket()
                self.addCleanup(sock.close)
                sock.setblocking(False)
                sock.connect_ex(server.address)
                selector.register(sock, selectors.EVENT_WRITE)
            while selector.get_map():
                ready = selector.select(HANG)
                self.assertTrue(ready, f"{answered} of 500 were answered")
                for key, events in ready:
                    sock = key.fileobj  # type: ignore[assignment]
                    if events & selectors.EVENT_WRITE:
                        sock.sendall(GET)
                        selector.modify(sock, selectors.EVENT_READ)
                    else:
                        answered += sock.recv(65536).endswith(b"hello")
                        selector.unregister(sock)
        self.assertEqual(500, answered)

    def test_re_entrancy(self) -> None:
        """An application may call its own server, which calls itself, twenty deep."""

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            depth = int(environ["PATH_INFO"][1:])
            body = b"bottom"
            if depth:
                client = Client((environ["SERVER_NAME"], int(environ["SERVER_PORT"])))
                body = b"%d %b" % (depth, client.ask(get(f"/{depth - 1}")).body)
                client.close()
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [body]

        body = self.connect(self.serve(app)).ask(get("/20")).body
        self.assertEqual(b" ".join([*(b"%d" % depth for depth in range(20, 0, -1)), b"bottom"]), body)

    def test_nobody_waits(self) -> None:
        """A request is answered while 30 others are still in the application."""
        held = Held()
        server = self.serve(lambda e, s: (held if e["PATH_INFO"] == "/wait" else hello)(e, s))
        waiting = [self.connect(server).send(get("/wait")) for _ in range(30)]
        for _ in waiting:
            self.assertTrue(held.wait())
        self.assertEqual(b"hello", self.connect(server).ask(GET).body)
        self.assertTrue(wait_until(lambda: len(server.in_flight) == 30), server.in_flight)
        held.go.set()
        self.assertEqual([b"hello"] * 30, [client.answer().body for client in waiting])

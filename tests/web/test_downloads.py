"""Large downloads over WSGI: a sound one leaves no error, however the client leaves, and a failing one does."""

from __future__ import annotations

import os
import unittest
from collections.abc import Iterator
from typing import Any

from tests.web.wire import GET, WireTestCase

PIECE = bytes(64 * 1024)
SIZES = [
    1024,
    1024 * 1024,
    20 * 1024 * 1024,
    *([200 * 1024 * 1024] if os.environ.get("LIVESERVER_LARGE_TESTS") else []),
]
WAYS = "close", "half_close", "reset"


class Downloads(WireTestCase):
    """A body of any size."""

    def make_app(self, size: int, error: BaseException | None = None) -> Any:
        """An application that answers with ``size`` bytes, and raises ``error`` behind them."""

        def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
            start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(size))])
            left = size
            while left:
                yield PIECE[:left]
                left -= min(left, len(PIECE))
            if error is not None:
                raise error

        return app

    def leave(self, server: Any, way: str) -> None:
        """Read the beginning of a response, and leave in one of the `WAYS`."""
        client = self.connect(server).send(GET)
        if way == "half_close":
            client.half_close()
        client.read_until(b"\r\n\r\n")
        if way == "reset":
            client.reset()
        client.close()

    def test_abandoned(self) -> None:
        """Who leaves in the middle is no error of the application."""
        for size in SIZES:
            for way in WAYS:
                with self.subTest(size=size, way=way):
                    server = self.serve(self.make_app(size))
                    self.leave(server, way)
                    self.exchange(server)
                    self.assertEqual([], server.take_errors())

    def test_whole(self) -> None:
        """One that is read to its end is complete, and no error."""
        for size in SIZES:
            with self.subTest(size=size):
                server = self.serve(self.make_app(size))
                self.assertEqual(size, len(self.connect(server).ask(GET).body))
                exchange = self.exchange(server)
                self.assertEqual((True, "", []), (exchange.completed, exchange.aborted, server.take_errors()))

    def test_failing(self) -> None:
        """An error behind the body is recorded, although the client has all of it."""
        for size in SIZES:
            with self.subTest(size=size):
                server = self.serve(self.make_app(size, ValueError("boom")))
                self.assertEqual(size, len(self.connect(server).ask(GET).body))
                self.exchange(server)
                self.assertEqual(["boom"], [str(error) for _, error in server.take_errors()])


if __name__ == "__main__":
    unittest.main()

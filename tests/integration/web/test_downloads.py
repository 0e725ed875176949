"""Downloads over WSGI and ASGI: a sound one fails no test, however the client leaves; a failing one always does."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from liveserver_testcase.errors import ClientDisconnected
from liveserver_testcase.web.live import LiveServer
from tests.integration.web.wire import Client, get
from tests.support import HANG, NoLeaks, wait_until

SIZES = (1_000, 1_000_000, 20_000_000)
HUGE = 200_000_000
GET = get("/", "Connection: close")
HEADERS = [("Content-Type", "application/octet-stream")]
Raise = Callable[[], None]


def nothing() -> None:
    """Raise nothing."""


def fail() -> None:
    """Raise what is a bug of the application."""
    raise ValueError("boom")


def make_wsgi(size: int, pieces: int, then: Raise = nothing) -> Any:
    """An application that answers with so many bytes in so many pieces, and then calls ``then``, whoever has left."""

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [*HEADERS, ("Content-Length", str(size))])
        return [bytes(size)] if pieces == 1 and then is nothing else generate()

    def generate() -> Iterator[bytes]:
        try:
            for _ in range(pieces):
                yield bytes(size // pieces)
        finally:
            then()

    return app


def make_asgi(size: int, pieces: int, then: Raise = nothing) -> Any:
    """The same as an ASGI application."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(name.lower().encode(), value.encode()) for name, value in HEADERS]
        headers.append((b"content-length", str(size).encode()))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            for number in range(pieces):
                more = number + 1 < pieces
                await send({"type": "http.response.body", "body": bytes(size // pieces), "more_body": more})
        finally:
            then()

    return app


MAKERS = {"wsgi": make_wsgi, "asgi httptools": make_asgi, "asgi h11": make_asgi}


def receive(client: Client) -> int:
    """Read to the end of the connection; how many bytes of the body came."""
    size, head = 0, b""
    with contextlib.suppress(ConnectionError):
        while data := client.sock.recv(1 << 20):
            if not head.endswith(b"\r\n\r\n"):
                before, mark, data = (head + data).partition(b"\r\n\r\n")
                head = before + mark
            size += len(data)
    return size


class DownloadCase(NoLeaks):
    """A live server for one application of either kind, before either of uvicorn's parsers."""

    def serve(self, app: Any, kind: str) -> LiveServer:
        interface, _, parser = kind.partition(" ")
        server = LiveServer(app, interface=interface, asgi_options={"http": parser} if parser else None)  # type: ignore[arg-type]
        server.start()
        self.addCleanup(server.stop)
        return server

    def ask(self, server: LiveServer) -> Client:
        client = Client(server.address)
        self.addCleanup(client.close)
        return client.send(GET)

    def errors(self, server: LiveServer) -> list[str]:
        """What is held against the application, when every request has ended."""
        self.assertEqual([], server.wait_until_idle(HANG))
        return [str(error) for _, error in server.take_errors()]

    def wait_for_request(self, server: LiveServer) -> None:
        self.assertTrue(wait_until(lambda: len(server.journal.entries())))


class Sound(DownloadCase):
    """An application that does nothing wrong."""

    def check_whole(self, read: Callable[[LiveServer, Client], int], sizes: tuple[int, ...] = SIZES) -> None:
        """All of each body comes, each request is complete, and no error is recorded."""
        for kind, make in MAKERS.items():
            for size in sizes:
                for pieces in (1, 10):
                    with self.subTest(kind=kind, size=size, pieces=pieces):
                        server = self.serve(make(size, pieces), kind)
                        self.assertEqual(size, read(server, self.ask(server)))
                        self.assertEqual([], self.errors(server))
                        (record,) = server.journal.entries()
                        self.assertEqual((True, ""), (record.completed, record.aborted))
                        server.stop()

    def check_left(self, leave: Callable[[LiveServer, Client], object]) -> None:
        """Whatever of a body comes, no error is recorded."""
        for kind, make in MAKERS.items():
            for size in SIZES:
                for pieces in (1, 10):
                    with self.subTest(kind=kind, size=size, pieces=pieces):
                        server = self.serve(make(size, pieces), kind)
                        leave(server, self.ask(server))
                        self.wait_for_request(server)
                        self.assertEqual([], self.errors(server))
                        server.stop()

    def test_read_at_once(self) -> None:
        """A client that reads all and closes has a complete download, of 200 MB, too."""
        self.check_whole(lambda _, client: receive(client), (*SIZES, HUGE))

    def test_read_late(self) -> None:
        """So it is for a client that reads when the server can send no more for the moment."""

        def read(server: LiveServer, client: Client) -> int:
            self.wait_for_request(server)
            return receive(client)

        self.check_whole(read)

    def test_half_closed(self) -> None:
        """A client that has said that it sends no more gets all of it, and then the end of the connection."""
        self.check_whole(lambda _, client: receive(client.half_close()))

    def test_left(self) -> None:
        """Who closes or resets the connection, in the middle or before anything has come, is no error of it."""
        for end in (Client.close, Client.reset):
            self.check_left(lambda _server, client, end=end: (client.read(1), end(client)))
            self.check_left(lambda server, client, end=end: (self.wait_for_request(server), end(client)))


class Failing(DownloadCase):
    """An application that raises an error of its own."""

    def check(self, leave: Callable[[LiveServer, Client], object], then: Raise, errors: list[str]) -> None:
        """Each download ends with these errors."""
        for kind, make in MAKERS.items():
            for size in SIZES:
                with self.subTest(kind=kind, size=size):
                    server = self.serve(make(size, 10, then), kind)
                    leave(server, self.ask(server))
                    self.wait_for_request(server)
                    self.assertEqual(errors, self.errors(server))
                    server.stop()

    def test_behind_the_body(self) -> None:
        """An error behind a body that the client has read is recorded."""
        self.check(lambda _, client: receive(client), fail, ["boom"])

    def test_after_a_departure(self) -> None:
        """An error of the application is recorded, also when the client has closed or reset the connection.

        What the application makes of the departure itself is the client's doing.
        """

        def report() -> None:
            raise RuntimeError("the client has left") from ClientDisconnected("gone")

        for then, errors in ((fail, ["boom"]), (report, [])):
            for end in (Client.close, Client.reset):
                with self.subTest(then=then.__name__, end=end.__name__):
                    self.check(lambda _server, client, end=end: (client.read(1), end(client)), then, errors)

"""Downloads over WSGI and ASGI: a sound one fails no test, however the client leaves; a failing one always does."""

from __future__ import annotations

import contextlib
import itertools
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


def wait_for_request(server: LiveServer) -> None:
    wait_until(lambda: len(server.journal.entries()))


def read_late(server: LiveServer, client: Client) -> int:
    wait_for_request(server)
    return receive(client)


def leave_in_the_middle(end: Callable[[Client], None]) -> Callable[[LiveServer, Client], object]:
    return lambda _server, client: (client.read(1), end(client))


class Downloads(NoLeaks):
    """A live server for one application of either kind, before either of uvicorn's parsers."""

    def check(
        self,
        name: str,
        act: Callable[[LiveServer, Client], object],
        *errors: str,
        then: Raise = nothing,
        sizes: tuple[int, ...] = SIZES,
        is_whole: bool = False,
    ) -> None:
        """These errors are recorded of each download by a client that acts so; a whole one is complete."""
        pieces_of_each = (1, 10) if then is nothing else (10,)
        for (kind, make), size, pieces in itertools.product(MAKERS.items(), sizes, pieces_of_each):
            interface, _, parser = kind.partition(" ")
            options: Any = {"interface": interface, "asgi_options": {"http": parser} if parser else None}
            with self.subTest(name, kind=kind, size=size, pieces=pieces):
                with LiveServer(make(size, pieces, then), **options) as server:
                    client = Client(server.address)
                    self.addCleanup(client.close)
                    received = act(server, client.send(GET))
                    wait_for_request(server)
                    self.assertEqual(1, len(server.journal))
                    self.assertEqual([], server.wait_until_idle(HANG))
                    self.assertEqual(list(errors), [str(error) for _, error in server.take_errors()])
                    if is_whole:
                        (record,) = server.journal.entries()
                        self.assertEqual((size, True, ""), (received, record.completed, record.aborted))

    def test_whole(self) -> None:
        """A client that reads all, at once, late, or after half a close, has all of it, of 200 MB, too."""
        self.check("at once", lambda _, client: receive(client), sizes=(*SIZES, HUGE), is_whole=True)
        self.check("late", read_late, is_whole=True)
        self.check("half-closed", lambda _, client: receive(client.half_close()), is_whole=True)

    def test_left(self) -> None:
        """Who closes or resets the connection, in the middle or before anything has come, is no error of it."""
        for end in (Client.close, Client.reset):
            how = end.__name__
            self.check(f"{how} in the middle", leave_in_the_middle(end))
            self.check(f"{how} unread", lambda server, client, end=end: (wait_for_request(server), end(client)))

    def test_an_error_of_the_application(self) -> None:
        """It is recorded, behind a body that the client has read, and when it has closed or reset the connection.

        What the application makes of the departure itself is the client's doing.
        """

        def report() -> None:
            raise RuntimeError("the client has left") from ClientDisconnected("gone")

        self.check("read, and an error", lambda _, client: receive(client), "boom", then=fail)
        for end in (Client.close, Client.reset):
            how = end.__name__
            self.check(f"{how}, and an error", leave_in_the_middle(end), "boom", then=fail)
            self.check(f"{how}, and the departure itself", leave_in_the_middle(end), then=report)

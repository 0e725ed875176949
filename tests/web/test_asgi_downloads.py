"""Large responses over ASGI whose client closes when it has them: a sound download fails nothing."""

from __future__ import annotations

import asyncio
import socket
import urllib.request
from typing import Any

from liveserver_testcase.web.live import LiveServer
from tests.contracts.toys import EchoLoopServer
from tests.support import HANG, NoLeaks, wait_until

SIZE = 20_000_000


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        raise RuntimeError(f"no {scope['type']} here")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % SIZE)]})
    await send({"type": "http.response.body", "body": bytes(SIZE)})


class DownloadsTest(NoLeaks):
    """What the server makes of the end of a connection."""

    def test_a_client_that_closes_with_the_last_byte_records_no_error(self) -> None:
        """The server closes such a connection when everything is sent; nothing ends it a second time."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with LiveServer(app, interface="asgi") as server:
            for _ in range(10):
                with opener.open(server.url, timeout=HANG) as response:
                    self.assertEqual(SIZE, len(response.read()))
            self.assertEqual([], server.wait_until_idle(HANG))

            self.assertEqual([], server.take_errors())


class LostOnceTest(NoLeaks):
    """The same below HTTP."""

    def test_a_connection_closed_with_bytes_unsent_is_lost_once(self) -> None:
        """Who closes while the client still has to read is told of no failure by the stop."""
        server = EchoLoopServer(stop_timeout=HANG)
        with server, socket.create_connection(server.address, timeout=HANG) as client:
            client.sendall(b"hello\n")
            self.assertEqual(b"hello\n", client.recv(100))
            run = server._run
            self.assertIsNotNone(run)
            if run is None or run.loop is None:
                return
            (connection,) = run.connections

            async def end() -> None:
                if isinstance(connection.transport, asyncio.WriteTransport):
                    connection.transport.write(bytes(SIZE))
                    connection.transport.close()

            asyncio.run_coroutine_threadsafe(end(), run.loop).result(HANG)
            size = 0
            while data := client.recv(1 << 20):
                size += len(data)

            self.assertEqual(SIZE, size)
            self.assertTrue(wait_until(lambda: not run.connections))

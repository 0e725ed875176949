"""A connection on the event loop that closes while bytes are unsent: it is lost once, and fails nothing."""

from __future__ import annotations

import asyncio
import socket

from tests.contracts.toys import EchoLoopServer
from tests.support import HANG, NoLeaks, wait_until

SIZE = 20_000_000


class LostOnceTest(NoLeaks):
    """A large answer whose connection is closed behind it."""

    def test_a_connection_closed_with_bytes_unsent_is_lost_once(self) -> None:
        """The client reads all of it, and the stop has no failure to raise."""
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

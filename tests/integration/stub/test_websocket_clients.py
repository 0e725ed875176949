"""Clients that were not made here, at a WebSocket stub: websockets, aiohttp and websocket-client.

Chromium is in ``tests/integration/live/test_browsers.py``, where there is one.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import websocket
import websockets.asyncio.client
import websockets.exceptions

from liveserver_testcase import HTTPStub, WebSocketFault
from tests.integration.stub.test_websocket import WebSocketTest
from tests.support import HANG


@dataclass
class Client:
    """A client, whichever it is."""

    subprotocol: str | None
    send: Callable[[str | bytes], Awaitable[object]]
    receive: Callable[[], Awaitable[str | bytes | int | None]]
    """Gives the code of the close frame where that came, and None where nothing did."""
    close: Callable[[int], Awaitable[object]]


@contextlib.asynccontextmanager
async def open_websockets(url: str, context: ssl.SSLContext | None, names: list[str]) -> AsyncIterator[Client]:
    """The asynchronous client of websockets."""
    options: dict[str, Any] = {"subprotocols": names} if names else {}
    async with websockets.asyncio.client.connect(url, ssl=context, proxy=None, **options) as inner:

        async def receive() -> str | bytes | int | None:
            try:
                return await inner.recv()
            except websockets.exceptions.ConnectionClosed as error:
                return error.rcvd.code if error.rcvd is not None else None

        yield Client(inner.subprotocol, inner.send, receive, inner.close)


@contextlib.asynccontextmanager
async def open_aiohttp(url: str, context: ssl.SSLContext | None, names: list[str]) -> AsyncIterator[Client]:
    """The client of aiohttp."""
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(url, ssl=context or True, protocols=names) as inner:

            async def send(message: str | bytes) -> None:
                await (inner.send_str(message) if isinstance(message, str) else inner.send_bytes(message))

            async def receive() -> str | bytes | int | None:
                message = await inner.receive()
                has_data = message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.CLOSE)
                return message.data if has_data else None

            sock = inner.get_extra_info("socket")
            yield Client(inner.protocol, send, receive, lambda code: inner.close(code=code))
    while sock is not None and sock.fileno() >= 0:  # over TLS it is closed some time after the session
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def open_websocket_client(url: str, context: ssl.SSLContext | None, names: list[str]) -> AsyncIterator[Client]:
    """The client of websocket-client, which blocks: each call runs in a thread."""
    options: dict[str, Any] = {"sslopt": {"context": context}} if context is not None else {}
    options |= {"subprotocols": names} if names else {}
    inner = await asyncio.to_thread(
        websocket.create_connection, url, timeout=HANG, http_no_proxy=["127.0.0.1"], **options
    )

    async def send(message: str | bytes) -> None:
        await asyncio.to_thread(inner.send if isinstance(message, str) else inner.send_binary, message)

    async def receive() -> str | bytes | int | None:
        try:
            opcode, data = await asyncio.to_thread(inner.recv_data)
        except (websocket.WebSocketException, OSError, UnicodeDecodeError):
            return None
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            return int.from_bytes(data[:2], "big")
        return data.decode() if opcode == websocket.ABNF.OPCODE_TEXT else data

    try:
        yield Client(inner.getsubprotocol(), send, receive, lambda code: asyncio.to_thread(inner.close, code))
    finally:
        inner.shutdown()


Opener = Callable[[str, "ssl.SSLContext | None", "list[str]"], "contextlib.AbstractAsyncContextManager[Client]"]
OPENERS: tuple[Opener, ...] = (open_websockets, open_aiohttp, open_websocket_client)
REFUSALS = (websockets.exceptions.InvalidHandshake, aiohttp.WSServerHandshakeError, websocket.WebSocketException)


class ClientTest(WebSocketTest):
    """Each client, at the same scripts."""

    def each(self, stub: HTTPStub | None = None) -> Iterator[Opener]:
        """Each client, in a test of its own."""
        to = stub or self.stub
        for opener in OPENERS:
            if opener is open_aiohttp and to.ca_file is not None and sys.version_info < (3, 11):
                continue  # asyncio of Python 3.10 closes a TLS transport some time after aiohttp has closed its session
            with self.subTest(client=opener.__name__):
                to.begin("shop.test_client")
                yield opener

    def run_client(self, opener: Opener, talk: Callable[[Any], Any], *names: str, stub: HTTPStub | None = None) -> None:
        """Have a client talk to the stub."""

        async def run() -> None:
            to = stub or self.stub
            async with opener(f"{to.ws_url}/feed", to.client_context(), list(names)) as client:
                await talk(client)

        asyncio.run(asyncio.wait_for(run(), HANG))

    def test_script(self) -> None:
        """Messages, pings and the close frame go both ways; a client's own code is known to the test."""

        async def talk(client: Any) -> None:
            self.assertEqual("v2", client.subprotocol)
            await client.send('{"subscribe": ["AAPL"]}')
            self.assertEqual('{"price": 1}', await client.receive())
            await client.send(b"\0" * 70_000)
            self.assertEqual(b"\1" * 70_000, await client.receive())
            self.assertEqual(4000, await client.receive())

        async def close(client: Any) -> None:
            self.assertEqual("hello", await client.receive())
            await client.close(1001)

        for opener in self.each():
            feed = self.stub.expect_websocket("/feed", subprotocols=["v2"])
            feed.receive(json={"subscribe": ["AAPL"]}).ping().send(json={"price": 1})
            feed.receive(b"\0" * 70_000).send(b"\1" * 70_000).close(4000, "done")
            self.run_client(opener, talk, "v1", "v2")
            self.assertIn(feed.connections[0].wait_closed(HANG), (4000, 1000, 1006))
            feed = self.stub.expect_websocket("/feed").send("hello")
            self.run_client(opener, close)
            self.assertEqual(1001, feed.connections[0].wait_closed(HANG))
            self.stub.expect_websocket("/feed").refuse(418, "no")
            with self.assertRaises(REFUSALS) as caught:
                self.run_client(opener, talk)
            self.assertIn("418", str(caught.exception))
            self.stub.verify()

    def test_both_directions_at_once_over_tls(self) -> None:
        """A test sends while the client does."""
        stub = HTTPStub(tls=True)
        self.addCleanup(stub.stop)
        stub.start()
        numbers = [f"{number}" for number in range(100)]

        async def talk(client: Any) -> None:
            connection = await feed.connection_async(HANG)
            for number in numbers:
                connection.send(number)
                await client.send(number)
            self.assertEqual(numbers, [await client.receive() for _ in numbers])
            self.assertEqual(numbers, [await connection.receive_async() for _ in numbers])
            connection.close()
            self.assertEqual(1000, await client.receive())

        for opener in self.each(stub):
            feed = stub.expect_websocket("/feed")
            self.run_client(opener, talk, stub=stub)
            stub.verify()

    def test_stop_over_tls(self) -> None:
        """A stop closes with 1001 over TLS, too."""
        stub = HTTPStub(tls=True)
        self.addCleanup(stub.stop)

        async def talk(client: Any) -> None:
            await asyncio.to_thread(stub.stop)
            self.assertEqual(1001, await client.receive())

        stub.start()
        for opener in self.each(stub):
            if not stub.is_running:
                stub.start()
            stub.on_websocket("/feed").receive("never")
            self.run_client(opener, talk, stub=stub)

    def test_no_close_frame(self) -> None:
        """A connection that ends without a close frame is an end without a code."""

        async def talk(client: Any) -> None:
            self.assertIsNone(await client.receive())

        for opener in self.each():
            feeds = [self.stub.expect_websocket("/feed").drop(reset=reset) for reset in (False, True)]
            self.run_client(opener, talk)
            self.run_client(opener, talk)
            self.assertEqual([1006, 1006], [feed.connections[0].wait_closed(HANG) for feed in feeds])
            self.stub.verify()

    def test_faults(self) -> None:
        """No fault passes for a message: each ends the conversation of each client, or its handshake.

        websockets says what it has seen by its close code.
        """

        async def talk(client: Any) -> None:
            self.assertNotIsInstance(await client.receive(), str | bytes)

        # What these clients take in spite of RFC 6455, 5.1 and 5.5.
        tolerated = {
            (open_websocket_client, WebSocketFault.MASKED),
            (open_websocket_client, WebSocketFault.BAD_OPCODE),
            (open_aiohttp, WebSocketFault.MASKED),
        }
        codes = dict.fromkeys(WebSocketFault, 1002) | {WebSocketFault.BAD_UTF8: 1007}
        codes |= dict.fromkeys((WebSocketFault.HALF_FRAME, WebSocketFault.OVERSIZE), 1006)
        for fault in WebSocketFault:
            if fault is WebSocketFault.STALL:
                continue
            for opener in self.each():
                feed = self.stub.expect_websocket("/feed").fail(fault)
                if (opener, fault) in tolerated:
                    continue
                if fault is WebSocketFault.WRONG_ACCEPT_KEY:
                    with self.assertRaises(REFUSALS):
                        self.run_client(opener, talk)
                else:
                    self.run_client(opener, talk)
                    if opener is open_websockets:
                        self.assertEqual(codes[fault], feed.connections[0].wait_closed(HANG), fault)
                self.stub.failure_report()

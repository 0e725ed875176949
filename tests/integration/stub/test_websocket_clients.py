"""Clients that were not made here, at a WebSocket stub: websockets, aiohttp and websocket-client.

Chromium is in ``tests/integration/live/test_browsers.py``, where there is one.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Protocol

import aiohttp
import websocket
import websockets.asyncio.client
import websockets.exceptions

from liveserver_testcase import HTTPStub, WebSocketFault
from tests.integration.stub.test_websocket import WebSocketTest
from tests.support import HANG


class Client(Protocol):
    """What a client can do, whichever it is; `receive` gives the code of the close frame where that came."""

    async def send(self, message: str | bytes) -> None: ...
    async def receive(self) -> str | bytes | int | None: ...
    async def close(self) -> None: ...


Opener = Callable[[str, "ssl.SSLContext | None", "list[str]"], "contextlib.AbstractAsyncContextManager[Client]"]


class WebsocketsClient:
    """The asynchronous client of websockets."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.subprotocol = inner.subprotocol

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, url: str, context: ssl.SSLContext | None, names: list[str]) -> AsyncIterator[Client]:
        options: dict[str, Any] = {"subprotocols": names} if names else {}
        async with websockets.asyncio.client.connect(url, ssl=context, proxy=None, **options) as inner:
            yield cls(inner)

    async def send(self, message: str | bytes) -> None:
        await self.inner.send(message)

    async def receive(self) -> str | bytes | int | None:
        try:
            received: str | bytes = await self.inner.recv()
        except websockets.exceptions.ConnectionClosed as error:
            return error.rcvd.code if error.rcvd is not None else None
        return received

    async def close(self) -> None:
        await self.inner.close(1001)


class AiohttpClient:
    """The client of aiohttp."""

    def __init__(self, inner: aiohttp.ClientWebSocketResponse) -> None:
        self.inner = inner
        self.subprotocol = inner.protocol

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, url: str, context: ssl.SSLContext | None, names: list[str]) -> AsyncIterator[Client]:
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(url, ssl=context or True, protocols=names) as inner:
                sock = inner.get_extra_info("socket")
                yield cls(inner)
        while sock is not None and sock.fileno() >= 0:  # over TLS it is closed some time after the session
            await asyncio.sleep(0)

    async def send(self, message: str | bytes) -> None:
        await (self.inner.send_str(message) if isinstance(message, str) else self.inner.send_bytes(message))

    async def receive(self) -> str | bytes | int | None:
        message = await self.inner.receive()
        if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            return message.data  # type: ignore[no-any-return]
        return message.data if message.type is aiohttp.WSMsgType.CLOSE else None

    async def close(self) -> None:
        await self.inner.close(code=1001)


class WebsocketClient:
    """The client of websocket-client, which blocks: each call runs in a thread."""

    def __init__(self, inner: websocket.WebSocket) -> None:
        self.inner = inner
        self.subprotocol = inner.getsubprotocol()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, url: str, context: ssl.SSLContext | None, names: list[str]) -> AsyncIterator[Client]:
        options: dict[str, Any] = {"sslopt": {"context": context}} if context is not None else {}
        options |= {"subprotocols": names} if names else {}
        inner = await asyncio.to_thread(
            websocket.create_connection, url, timeout=HANG, http_no_proxy=["127.0.0.1"], **options
        )
        try:
            yield cls(inner)
        finally:
            inner.shutdown()

    async def send(self, message: str | bytes) -> None:
        if isinstance(message, str):
            await asyncio.to_thread(self.inner.send, message)
        else:
            await asyncio.to_thread(self.inner.send_binary, message)

    async def receive(self) -> str | bytes | int | None:
        try:
            opcode, data = await asyncio.to_thread(self.inner.recv_data)
        except (websocket.WebSocketException, OSError, UnicodeDecodeError):
            return None
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            return int.from_bytes(data[:2], "big")
        return data.decode() if opcode == websocket.ABNF.OPCODE_TEXT else data

    async def close(self) -> None:
        await asyncio.to_thread(self.inner.close, 1001)


OPENERS: tuple[Opener, ...] = (WebsocketsClient.open, AiohttpClient.open, WebsocketClient.open)


class ClientTest(WebSocketTest):
    """Each client, at the same scripts."""

    def each(self, stub: HTTPStub | None = None) -> Iterator[Opener]:
        """Each client, in a test of its own."""
        to = stub or self.stub
        for opener in OPENERS:
            if opener == AiohttpClient.open and to.ca_file is not None and sys.version_info < (3, 11):
                continue  # asyncio of Python 3.10 closes a TLS transport some time after aiohttp has closed its session
            with self.subTest(client=opener.__self__.__name__):  # type: ignore[attr-defined]
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
        """Messages, pings and the close frame go both ways."""

        async def talk(client: Any) -> None:
            self.assertEqual("v2", client.subprotocol)
            await client.send('{"subscribe": ["AAPL"]}')
            self.assertEqual('{"price": 1}', await client.receive())
            await client.send(b"\0" * 70_000)
            self.assertEqual(b"\1" * 70_000, await client.receive())
            self.assertEqual(4000, await client.receive())

        for opener in self.each():
            feed = self.stub.expect_websocket("/feed", subprotocols=["v2"])
            feed.receive(json={"subscribe": ["AAPL"]}).ping().send(json={"price": 1})
            feed.receive(b"\0" * 70_000).send(b"\1" * 70_000).close(4000, "done")
            self.run_client(opener, talk, "v1", "v2")
            self.assertIn(feed.connections[0].wait_closed(HANG), (4000, 1000, 1006))
            self.stub.verify()

    def test_the_client_closes(self) -> None:
        """The code with which a client closes is known to the test."""

        async def talk(client: Any) -> None:
            self.assertEqual("hello", await client.receive())
            await client.close()

        for opener in self.each():
            feed = self.stub.expect_websocket("/feed").send("hello")
            self.run_client(opener, talk)
            self.assertEqual(1001, feed.connections[0].wait_closed(HANG))
            self.stub.verify()

    def test_over_tls(self) -> None:
        """Over TLS, too."""
        stub = HTTPStub(tls=True)
        self.addCleanup(stub.stop)
        stub.start()

        async def talk(client: Any) -> None:
            await client.send("a")
            self.assertEqual("b", await client.receive())
            self.assertEqual(1000, await client.receive())

        for opener in self.each(stub):
            stub.expect_websocket("/feed").receive("a").send("b").close()
            self.run_client(opener, talk, stub=stub)
            stub.verify()

    def test_hosts_that_are_written_into_the_code(self) -> None:
        """A stub with hosts serves their WebSockets as their proxy."""
        stub = HTTPStub(hosts=["feed.example.com"])
        self.addCleanup(stub.stop)
        stub.start()
        stub.begin("shop.test_hosts")
        stub.expect_websocket("/feed", host="feed.example.com").receive("a").send("b").close()

        async def talk() -> None:
            url = "wss://feed.example.com/feed"
            async with websockets.asyncio.client.connect(url, proxy=stub.proxy_url, ssl=stub.client_context()) as inner:
                client = WebsocketsClient(inner)
                await client.send("a")
                self.assertEqual("b", await client.receive())
                self.assertEqual(1000, await client.receive())

        asyncio.run(asyncio.wait_for(talk(), HANG))
        stub.verify()

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

    def test_another_message(self) -> None:
        """A client that sends something else is told so by the close code, and the test by its report."""

        async def talk(client: Any) -> None:
            await client.send("b")
            self.assertEqual(1008, await client.receive())

        for opener in self.each():
            self.stub.expect_websocket("/feed").receive("a")
            self.run_client(opener, talk)
            self.assertIn("FAIL message: wanted 'a', got 'b'", self.report())

    def test_no_close_frame(self) -> None:
        """A connection that ends without a close frame is an end without a code."""

        async def talk(client: Any) -> None:
            self.assertIsNone(await client.receive())

        for opener in self.each():
            self.stub.expect_websocket("/feed").drop()
            self.stub.expect_websocket("/feed").drop(reset=True)
            self.run_client(opener, talk)
            self.run_client(opener, talk)
            self.stub.verify()

    def test_faults(self) -> None:
        """No fault passes for a message: each ends the conversation of each client, or its handshake."""

        async def talk(client: Any) -> None:
            self.assertNotIsInstance(await client.receive(), str | bytes)

        # What these clients take in spite of RFC 6455, 5.1 and 5.5.
        tolerated = {
            ("WebsocketClient", WebSocketFault.MASKED),
            ("WebsocketClient", WebSocketFault.BAD_OPCODE),
            ("AiohttpClient", WebSocketFault.MASKED),
        }
        for fault in WebSocketFault:
            if fault is WebSocketFault.STALL:
                continue
            for opener in self.each():
                name = opener.__self__.__name__  # type: ignore[attr-defined]
                self.stub.expect_websocket("/feed").fail(fault)
                if (name, fault) in tolerated:
                    continue
                if fault is WebSocketFault.WRONG_ACCEPT_KEY:
                    with self.assertRaises((
                        websockets.exceptions.InvalidHandshake, aiohttp.WSServerHandshakeError,
                        websocket.WebSocketException,
                    )):  # fmt: skip
                        self.run_client(opener, talk)
                else:
                    self.run_client(opener, talk)
                self.stub.failure_report()

    def test_refusal(self) -> None:
        """A refused handshake has its status."""

        async def talk(client: Any) -> None:
            self.fail("it was let in")

        for opener in self.each():
            self.stub.expect_websocket("/feed").refuse(418, "no")
            with self.assertRaises((
                websockets.exceptions.InvalidStatus, aiohttp.WSServerHandshakeError,
                websocket.WebSocketBadStatusException,
            )) as caught:  # fmt: skip
                self.run_client(opener, talk)
            self.assertIn("418", str(caught.exception))
            self.stub.verify()

"""WebSockets over ASGI: with the clients of websockets and aiohttp, recorded, in flight, and when they go wrong."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import aiohttp
import fastapi
import websockets.asyncio.client
import websockets.exceptions
import websockets.sync.client
from fastapi import WebSocket

from liveserver_testcase.errors import InvalidResponse
from tests.integration.web.test_asgi import ASGICase
from tests.support import HANG, wait_until

app = fastapi.FastAPI()


@app.websocket("/echo")
async def serve_echo(websocket: WebSocket) -> None:
    await websocket.accept()
    while True:
        await websocket.send_text(await websocket.receive_text())


@app.websocket("/refuse")
async def refuse(websocket: WebSocket) -> None:
    await websocket.close()


@app.websocket("/close")
async def close(websocket: WebSocket) -> None:
    await websocket.accept(subprotocol="chat")
    await websocket.close(4001, "enough")


@app.websocket("/boom")
async def boom(websocket: WebSocket) -> None:
    raise ValueError("boom")


@app.websocket("/late-boom")
async def late_boom(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.receive_text()
    raise ValueError("boom")


@app.websocket("/after")
async def after(websocket: WebSocket) -> None:
    await websocket.accept()
    try:
        while True:
            await websocket.receive_text()
    except fastapi.WebSocketDisconnect:
        raise ValueError("boom") from None


class SocketCase(ASGICase):
    """Opens WebSockets; they are closed at the end of the test."""

    def url(self, path: str) -> str:
        return f"ws{self.server.url_for(path).removeprefix('http')}"

    def open(self, path: str, **options: Any) -> websockets.sync.client.ClientConnection:
        client = websockets.sync.client.connect(self.url(path), open_timeout=HANG, close_timeout=HANG, **options)
        self.addCleanup(client.__exit__, None, None, None)
        return client.__enter__()


class WebSockets(SocketCase):
    """One WebSocket at a time."""

    def test_echo(self) -> None:
        """Messages go both ways; the record is one of a WebSocket, in flight while it is open."""
        self.serve(app)
        client = self.open("/echo?a=b")
        client.send("hello")
        self.assertEqual("hello", client.recv(HANG))
        (record,) = self.server.in_flight
        self.assertEqual(
            ("WEBSOCKET", "/echo?a=b", 101, 0, True),
            (record.method, record.target, record.status, record.connection_index, record.is_streaming),
        )
        self.assertFalse(record.is_over)
        client.close()
        self.wait_idle()
        self.assertTrue(record.is_over)
        self.assertEqual(("", []), (record.aborted, self.server.take_errors()))

    def test_tls(self) -> None:
        """A WebSocket over TLS."""
        self.serve(app, tls=True)
        client = self.open("/echo", ssl=self.server.client_context())
        client.send("hello")
        self.assertEqual("hello", client.recv(HANG))

    def test_a_client_for_asyncio(self) -> None:
        """The asynchronous client of websockets."""
        self.serve(app)

        async def connection() -> object:
            async with websockets.asyncio.client.connect(self.url("/echo")) as client:
                await client.send("hello")
                return await client.recv()

        self.assertEqual("hello", asyncio.run(connection()))
        self.wait_idle()

    def test_aiohttp(self) -> None:
        """The client of aiohttp."""
        self.serve(app)

        async def connection() -> str:
            async with aiohttp.ClientSession() as session, session.ws_connect(self.server.url_for("/echo")) as client:
                await client.send_str("hello")
                return await client.receive_str()

        self.assertEqual("hello", asyncio.run(connection()))
        self.wait_idle()

    def test_a_large_message(self) -> None:
        """A message of a megabyte goes both ways."""
        self.serve(app)
        client = self.open("/echo")
        client.send("x" * 1_000_000)
        self.assertEqual(1_000_000, len(client.recv(HANG)))

    def test_refused(self) -> None:
        """A WebSocket that is closed before it is accepted is a 403."""
        self.serve(app)
        with self.assertRaises(websockets.exceptions.InvalidStatus) as caught:
            self.open("/refuse")
        self.assertEqual(403, caught.exception.response.status_code)
        self.assertEqual(403, self.only().status)
        self.assertEqual([], self.server.take_errors())

    def test_closed_by_the_application(self) -> None:
        """Subprotocol, code and reason reach the client."""
        self.serve(app)
        client = self.open("/close", subprotocols=["chat"])
        self.assertEqual("chat", client.subprotocol)
        with self.assertRaises(websockets.exceptions.ConnectionClosedError) as caught:
            client.recv(HANG)
        assert caught.exception.rcvd is not None
        self.assertEqual((4001, "enough"), (caught.exception.rcvd.code, caught.exception.rcvd.reason))
        self.assertEqual(101, self.only().status)

    def test_a_client_that_leaves_without_goodbye(self) -> None:
        """A client that breaks the connection is no error of an application that waits for it."""
        self.serve(app)
        client = self.open("/echo")
        self.assertTrue(wait_until(lambda: [r for r in self.server.in_flight if r.status == 101]))
        client.socket.shutdown(socket.SHUT_RDWR)
        self.assertEqual("", self.only().aborted)
        self.assertEqual([], self.server.take_errors())

    def test_an_error_before_it_is_accepted(self) -> None:
        """It is a 500, and recorded."""
        self.serve(app)
        with self.assertRaises(websockets.exceptions.InvalidStatus) as caught:
            self.open("/boom")
        self.assertEqual(500, caught.exception.response.status_code)
        self.assertEqual("ValueError('boom')", repr(self.error()))
        self.assertEqual(500, self.only().status)

    def test_an_error_afterwards(self) -> None:
        """It ends the connection, and is recorded."""
        self.serve(app)
        client = self.open("/late-boom")
        client.send("go")
        with self.assertRaises(websockets.exceptions.ConnectionClosed):
            client.recv(HANG)
        self.assertEqual("ValueError('boom')", repr(self.error()))

    def test_an_error_when_the_client_has_left(self) -> None:
        """What the application raises of its own accord when the client has left is recorded."""
        self.serve(app)
        self.open("/after").close()
        self.assertEqual("ValueError('boom')", repr(self.error()))

    def test_neither_accepted_nor_closed(self) -> None:
        """An application that returns without a word has an error."""

        async def forgetful(scope: Any, receive: Any, send: Any) -> None:
            assert scope["type"] == "websocket"

        self.serve(forgetful)
        with self.assertRaises(websockets.exceptions.InvalidStatus):
            self.open("/")
        error = self.error()
        self.assertIsInstance(error, InvalidResponse)
        self.assertEqual("the application returned without having accepted or closed the WebSocket", str(error))

    def test_after_a_request_on_the_same_connection(self) -> None:
        """A connection that had a request before its upgrade is still one connection."""
        self.serve(app)
        connection = self.connect()
        connection.request("GET", "/nothing")
        self.assertIn(b"Not Found", connection.getresponse().read())
        key = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
        connection.request("GET", "/echo", headers={**key, "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="})
        self.assertEqual(101, connection.getresponse().status)
        first, second = self.server.journal.entries()
        self.assertEqual([(0, 0), (0, 1)], [(r.connection_index, r.exchange_index) for r in (first, second)])
        connection.close()
        self.wait_idle()

    def test_no_upgrade(self) -> None:
        """A request for another protocol than WebSockets is answered as if it had not asked."""
        self.serve(app)
        self.assertEqual(404, self.get("/nothing", headers={"Upgrade": "foo", "Connection": "Upgrade"}).status_code)


class Stops(SocketCase):
    """What a stop does to WebSockets."""

    def test_they_are_told(self) -> None:
        """A stop closes a WebSocket with 1012, and the application hears of it."""
        heard: list[int] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            assert scope["type"] == "websocket"
            await receive()
            await send({"type": "websocket.accept"})
            heard.append((await receive())["code"])

        self.serve(app, stop_timeout=10 * HANG)
        client = self.open("/")
        self.assertTrue(wait_until(lambda: [r for r in self.server.in_flight if r.status == 101]))
        self.server.stop()
        with self.assertRaises(websockets.exceptions.ConnectionClosed) as caught:
            client.recv(HANG)
        assert caught.exception.rcvd is not None
        self.assertEqual((1012, [1012]), (caught.exception.rcvd.code, heard))

    def test_one_that_is_not_accepted_yet(self) -> None:
        """A handshake that is under way ends with a 500."""
        begun = threading.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            assert scope["type"] == "websocket"
            await receive()
            begun.set()
            await receive()

        self.serve(app, stop_timeout=10 * HANG)
        failed: list[BaseException] = []

        def connect() -> None:
            try:
                self.open("/")
            except Exception as error:
                failed.append(error)

        thread = threading.Thread(target=connect)
        thread.start()
        self.assertTrue(begun.wait(HANG))
        self.server.stop()
        thread.join(HANG)
        self.assertIsInstance(failed[0], websockets.exceptions.InvalidStatus)
        self.assertEqual("the server stopped before the WebSocket was accepted", self.only().aborted)

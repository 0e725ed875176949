"""WebSockets over ASGI: with the clients of websockets and aiohttp, recorded, in flight, and when they go wrong."""

from __future__ import annotations

import socket
import threading
from typing import Any

import fastapi
import websockets.asyncio.client
import websockets.exceptions
import websockets.sync.client
from fastapi import WebSocket

from tests.integration.web.asgi_case import NEVER, ASGICase
from tests.integration.web.wire import get
from tests.support import HANG, wait_until

BOOM = ["ValueError('boom')"]
KEY = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
UPGRADE = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", KEY)

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

    def assert_refused(self, path: str, status: int) -> None:
        """Fail unless the handshake is answered with this status, and recorded with it."""
        with self.assertRaises(websockets.exceptions.InvalidStatus) as caught:
            self.open(path)
        self.assertEqual(status, caught.exception.response.status_code)
        self.assertEqual(status, self.only().status)


class WebSockets(SocketCase):
    """One WebSocket at a time."""

    def test_echo(self) -> None:
        """Messages go both ways, plain and over TLS; the record is one of a WebSocket, in flight while it is open."""
        for tls in (None, True):
            with self.subTest(tls=tls):
                self.serve(app, tls=tls)
                client = self.open("/echo?a=b", ssl=self.server.client_context() if tls else None)
                for message in ("hello", "x" * 1_000_000):
                    client.send(message)
                    self.assertEqual(message, client.recv(HANG))
                (record,) = self.server.in_flight
                self.assertEqual(
                    ("WEBSOCKET", "/echo?a=b", 101, 0, True),
                    (record.method, record.target, record.status, record.connection_index, record.is_streaming),
                )
                self.assertFalse(record.is_over)
                client.close()
                self.wait_idle()
                self.assertTrue(record.is_over)
                self.assertEqual(("", []), (record.aborted, self.errors()))

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
        self.assertEqual([], self.errors())

    def test_a_handshake_that_is_refused(self) -> None:
        """One that the application closes is a 403; one in which it fails, or says nothing, is a 500 and an error."""

        async def forgetful(scope: Any, receive: Any, send: Any) -> None:
            assert scope["type"] == "websocket"

        silence = "InvalidResponse('the application returned without having accepted or closed the WebSocket')"
        for served, path, status, errors in (
            (app, "/refuse", 403, []),
            (app, "/boom", 500, BOOM),
            (forgetful, "/", 500, [silence]),
        ):
            with self.subTest(path=path):
                self.serve(served)
                self.assert_refused(path, status)
                self.assertEqual(errors, self.errors())

    def test_an_error_afterwards(self) -> None:
        """It ends the connection, and is recorded, also when the client has left."""
        self.serve(app)
        client = self.open("/late-boom")
        client.send("go")
        self.assertRaises(websockets.exceptions.ConnectionClosed, client.recv, HANG)
        self.assertEqual(BOOM, self.errors())
        self.open("/after").close()
        self.assertEqual(BOOM, self.errors())

    def test_after_a_request_on_the_same_connection(self) -> None:
        """A connection that had a request before its upgrade is still one connection."""
        self.serve(app)
        client = self.client()
        self.assertEqual(404, client.ask(get("/nothing")).status)
        self.assertEqual(101, client.ask(get("/echo", *UPGRADE)).status)
        places = [(record.connection_index, record.exchange_index) for record in self.server.journal.entries()]
        self.assertEqual([(0, 0), (0, 1)], places)
        client.close()
        self.wait_idle()


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

        self.serve(app, stop_timeout=NEVER)
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

        self.serve(app, stop_timeout=NEVER)
        client = self.client().send(get("/", *UPGRADE))
        self.assertTrue(begun.wait(HANG))
        self.server.stop()
        self.assertEqual(500, client.answer().status)
        self.assertEqual("the server stopped before the WebSocket was accepted", self.only().aborted)

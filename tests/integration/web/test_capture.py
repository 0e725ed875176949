"""LiveServer(capture=True): headers and bodies of requests and responses, whatever serves them."""

import unittest
from typing import Any

import requests
from websockets.sync.client import connect

from liveserver_testcase.web import capture
from liveserver_testcase.web.live import LiveServer


def wsgi_app(environ: dict[str, Any], start_response: Any) -> Any:
    """Answer with what came, in pieces for /pieces."""
    body = environ["wsgi.input"].read()
    path = environ["PATH_INFO"]
    if path == "/nonsense":
        start_response("200 OK", [])
        return "text"
    write = start_response("201 Created", [("Content-Type", "text/plain"), ("X-Path", path)])
    if path == "/write":
        write(b"old ")
    if path == "/pieces":
        return iter([b"one ", b"two ", body])
    return [b"got ", body]


def make_wsgi_app() -> Any:
    """Make the application in the server's process."""
    return wsgi_app


async def asgi_app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer with what came, and echo a WebSocket's messages."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"].upper()})
        return
    if scope["type"] == "lifespan":
        raise NotImplementedError
    body = b""
    while True:
        message = await receive()
        body += message["body"]
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 201, "headers": [(b"x-path", scope["raw_path"])]})
    await send({"type": "http.response.body", "body": b"got ", "more_body": True})
    await send({"type": "http.response.body", "body": body})


class CaptureTest(unittest.TestCase):
    """What is on a record."""

    def test_each(self) -> None:
        """Headers as sent in both directions, what the application read, and all that it sent, whatever serves it."""
        process: dict[str, Any] = {"mode": "process"}
        for app, options, path, wanted in (
            (wsgi_app, {}, "/a", b"got abc"),
            (wsgi_app, {}, "/pieces", b"one two abc"),
            (wsgi_app, {}, "/write", b"old got abc"),
            (make_wsgi_app, process, "/a", b"got abc"),
            (asgi_app, {}, "/a", b"got abc"),
        ):
            with self.subTest(app=app, path=path), LiveServer(app, capture=True, **options) as server:
                requests.post(server.url_for(path), data=b"abc", headers={"X_Odd": "1"}, timeout=10)
                seen = server.journal.entries()[-1].capture
                assert seen is not None
                self.assertIn(("content-length", "3"), [(name.lower(), value) for name, value in seen.request.headers])
                self.assertIn(("x_odd", "1"), [(name.lower(), value) for name, value in seen.request.headers])
                self.assertEqual((seen.request.body, seen.request.size), (b"abc", 3))
                self.assertIn(("x-path", path), [(name.lower(), value) for name, value in seen.response.headers])
                self.assertEqual((seen.response.body, seen.response.size), (wanted, len(wanted)))

    def test_websocket(self) -> None:
        """The messages of a WebSocket, in their order."""
        with LiveServer(asgi_app, capture=True) as server:
            with connect(server.ws_url, proxy=None) as client:
                client.send("hello")
                self.assertEqual(client.recv(10), "HELLO")
            server.wait_until_idle(10)
            seen = server.journal.entries()[-1].capture
            assert seen is not None
            self.assertEqual([(each.sent, each.data) for each in seen.messages], [(False, "hello"), (True, "HELLO")])

    def test_off(self) -> None:
        """There is none without it."""
        with LiveServer(wsgi_app) as server:
            requests.get(server.url_for("/a"), timeout=10)
            self.assertIsNone(server.journal.entries()[-1].capture)

    def test_limits(self) -> None:
        """Of a long body the beginning is kept, and of many bodies the newest."""
        with LiveServer(wsgi_app, capture=True) as server, requests.Session() as session:
            for _ in range(70):
                session.post(server.url_for("/a"), data=b"x" * 2_000_000, timeout=10)
            found = [record.capture for record in server.journal.entries()]
            last, first = found[-1], found[0]
            assert first is not None and last is not None
            self.assertEqual((len(last.request.body), last.request.size), (1024 * 1024, 2_000_000))
            self.assertEqual((first.request.body, first.request.size), (b"", 2_000_000))
            kept = sum(len(each.request.body) + len(each.response.body) for each in found if each is not None)
            self.assertLessEqual(kept, capture._TOTAL_LIMIT)

    def test_a_wrong_result_is_refused_as_without_it(self) -> None:
        """What an application does wrongly is said in the same words."""
        texts = []
        for captured in (False, True):
            with LiveServer(wsgi_app, capture=captured) as server:
                self.assertEqual(requests.get(server.url_for("/nonsense"), timeout=10).status_code, 500)
                texts += [str(error) for _, error in server.take_errors()]
        self.assertEqual(texts[0], texts[1])

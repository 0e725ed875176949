"""A real browser against a live server: headless Chromium, driven by Selenium.

Skipped where chromium and chromedriver are not installed (Debian: ``apt-get install chromium chromium-driver``); the
tests of TLS also want certutil (``libnss3-tools``), with which Chromium is told whom to trust.
"""

from __future__ import annotations

import contextlib
import unittest
from typing import Any

from liveserver_testcase import HTTPStubTestCase, LiveServerTestCase, WebSocketFault
from liveserver_testcase.core.tls import Certificates
from tests.integration.apps import Routes, answer
from tests.integration.inspector.chromium import CERTUTIL, open_browser
from tests.integration.running import make_case, run_case
from tests.support import HANG, NoLeaks, wait_until

browser: Any = None
opened = contextlib.ExitStack()


def setUpModule() -> None:
    """One browser for all of them; its home is one in which our authority is trusted."""
    global browser
    browser = opened.enter_context(open_browser(Certificates.shared().ca_file if CERTUTIL is not None else ""))


def tearDownModule() -> None:
    """Away with it."""
    opened.close()


def page(body: str, title: str = "loading") -> Any:
    """A route that answers with a page."""

    def route(environ: Any, start: Any) -> list[bytes]:
        text = f"<!doctype html><title>{title}</title><body>{body}</body>".encode()
        start("200 OK", [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(text)))])
        return [text]

    return route


def script(environ: Any, start: Any) -> list[bytes]:
    """A script that counts itself."""
    text = b"window.count = (window.count || 0) + 1; if (window.count == 10) document.title = 'loaded'"
    start("200 OK", [("Content-Type", "text/javascript"), ("Content-Length", str(len(text)))])
    return [text]


def has_title(title: str) -> bool:
    """Whether the page has got so far."""
    return wait_until(lambda: browser.title == title)


class BrowserCase(NoLeaks):
    """Has the browser leave the page of the test before."""

    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(browser.get, "about:blank")


class StubbedWebSocket(BrowserCase):
    """A page that talks to a WebSocket stub."""

    def test_conversation(self) -> None:
        """Messages go both ways, and the page sees the code of the close frame."""
        script = """
            const socket = new WebSocket("URL/feed", ["v2", "v1"]);
            socket.binaryType = "arraybuffer";
            socket.onopen = () => socket.send(JSON.stringify({subscribe: "AAPL"}));
            socket.onmessage = (event) => socket.send(new Uint8Array([1, event.data.length]));
            socket.onclose = (event) => document.title = `${socket.protocol} ${event.code} ${event.reason}`;
        """

        def test(self: Any) -> None:
            feed = self.stub.expect_websocket("/feed", subprotocols=["v1"], headers={"Origin": self.stub.url})
            feed.receive(json={"subscribe": "AAPL"}).ping().send("price").receive(b"\1\5").close(4000, "done")
            self.stub.on("GET", "/").reply(html=f"<script>{script.replace('URL', self.stub.ws_url)}</script>")
            self.stub.on("GET", "/favicon.ico").reply(404)
            browser.get(self.stub.url_for("/"))
            self.assertTrue(has_title("v1 4000 done"), browser.title)

        run_case(make_case(HTTPStubTestCase, test=test)).assert_passed()

    def test_faults(self) -> None:
        """The page sees each fault as an end that was not clean."""
        script = """
            const socket = new WebSocket("URL/feed");
            socket.onmessage = (event) => document.title = "a message";
            socket.onclose = (event) => document.title = `clean: ${event.wasClean} ${event.code}`;
        """

        def test(self: Any) -> None:
            self.stub.on("GET", "/").reply(html=f"<script>{script.replace('URL', self.stub.ws_url)}</script>")
            self.stub.on("GET", "/favicon.ico").reply(404)
            for fault in WebSocketFault:
                if fault is not WebSocketFault.STALL:
                    self.stub.expect_websocket("/feed").fail(fault)
                    browser.get(self.stub.url_for("/"))
                    self.assertTrue(has_title("clean: false 1006"), f"{fault}: {browser.title}")
            browser.get("about:blank")

        case = make_case(HTTPStubTestCase, test=test, stub_strict=False)
        run_case(case).assert_passed()


class Pages(BrowserCase):
    """Pages of a WSGI application."""

    def test_ten_assets(self) -> None:
        """A page of ten scripts loads over several connections at once, and every request is known to the test."""
        names = [f"script{n}" for n in range(10)]
        index = page("".join(f'<script async src="/{name}"></script>' for name in names))
        app = Routes(index=index, **dict.fromkeys(names, script))

        def test(self: Any) -> None:
            browser.get(self.live_url("/"))
            self.assertTrue(has_title("loaded"), browser.page_source)
            for name in names:
                self.assertLiveRequested("GET", f"/{name}", status=200, times=1)
            connections = {record.connection_index for record in self.live_server.requests}
            self.assertGreater(len(connections), 1)
            self.assertLess(len(connections), len(self.live_server.requests))

        run_case(make_case(LiveServerTestCase, app=app, test=test)).assert_passed()

    def test_page_left_open(self) -> None:
        """A page goes on with a server that was started again; its class ends while it is open, and waits for nothing.

        The grace of the stop is longer than this test may take.
        """
        app = Routes(index=page("hello", "open"), more=lambda environ, start: answer(start, "more"))

        def test(self: Any) -> None:
            browser.get(self.live_url("/"))
            self.assertTrue(has_title("open"))
            self.live_server.restart()
            browser.execute_script("fetch('/more').then(r => r.text()).then(t => document.title = t)")
            self.assertTrue(has_title("more"))

        run_case(make_case(LiveServerTestCase, app=app, test=test, live_stop_timeout=10 * HANG)).assert_passed()
        self.assertEqual("more", browser.title)


class WebSockets(BrowserCase):
    """A WebSocket of an ASGI application."""

    @staticmethod
    async def app(scope: Any, receive: Any, send: Any) -> None:
        """Answers with a page that opens a WebSocket, and echoes what that sends."""
        if scope["type"] not in ("http", "websocket"):
            raise ValueError("no lifespan here")
        if scope["type"] == "http":
            text = b"""<!doctype html><title>loading</title><script>
                const socket = new WebSocket("ws://" + location.host + "/echo");
                socket.onopen = () => socket.send("echoed");
                socket.onmessage = event => { document.title = event.data; };
                socket.onclose = event => { window.code = event.code; };
            </script>"""
            headers = [(b"content-type", b"text/html"), (b"content-length", str(len(text)).encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": text})
            return
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})

    def test_echo_and_end(self) -> None:
        """It talks, it is known to the test, and it is closed properly when the class ends under it."""

        def test(self: Any) -> None:
            browser.get(self.live_url("/"))
            self.assertTrue(has_title("echoed"))
            self.assertLiveRequested("WEBSOCKET", "/echo")
            browser.execute_script("window.keep = socket")

        run_case(make_case(LiveServerTestCase, app=WebSockets.app, test=test)).assert_passed()
        self.assertTrue(wait_until(lambda: browser.execute_script("return window.code") in (1001, 1012)))


@unittest.skipIf(CERTUTIL is None, "certutil is not installed")
class Encrypted(BrowserCase):
    """TLS that Chromium verifies."""

    def test_trusted(self) -> None:
        """With the authority given, a page loads from 127.0.0.1 and localhost without a warning."""

        def test(self: Any) -> None:
            for host in ("127.0.0.1", "localhost"):
                browser.get(f"https://{host}:{self.live_server.port}/")
                self.assertEqual("secret", browser.title)
                self.assertTrue(browser.execute_script("return window.isSecureContext"))

        case = make_case(LiveServerTestCase, app=Routes(index=page("hello", "secret")), live_tls=True, test=test)
        run_case(case).assert_passed()

    def test_untrusted(self) -> None:
        """A certificate of another authority stops the browser: the one above is really verified."""

        def test(self: Any) -> None:
            browser.get(self.live_url("/"))
            self.assertIn("ERR_CERT_AUTHORITY_INVALID", browser.page_source)

        context = Certificates.shared().server_context(flaw="untrusted")
        case = make_case(LiveServerTestCase, app=Routes(index=page("hello")), live_tls=context, test=test)
        run_case(case).assert_passed()

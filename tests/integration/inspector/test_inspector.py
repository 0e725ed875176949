"""The inspector's page: what it shows, to whom, and that nothing of what is shown runs or loads anything."""

from __future__ import annotations

import base64
import contextlib
import gzip
import http.client
import json
import smtplib
import unittest
from collections.abc import Iterator
from itertools import islice
from typing import Any

import requests
import websockets.sync.client

from liveserver_testcase import HTTPStub, LiveServer, SMTPServer
from liveserver_testcase.inspector.feed import Source
from liveserver_testcase.inspector.pages import Inspector
from tests.integration.inspector.chromium import BrowserCase, make_mail
from tests.support import HANG, wait_until

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def asgi_or_wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answer with the request's body, or raise."""
    if environ["PATH_INFO"] == "/boom":
        raise ValueError("it is broken")
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", environ.get("CONTENT_TYPE") or "text/plain")])
    return [body]


class InspectorTest(unittest.TestCase):
    """One inspector of a live server, a stub and a mail server."""

    def setUp(self) -> None:
        self.live = LiveServer(asgi_or_wsgi, capture=True)
        self.stub = HTTPStub()
        self.smtp = SMTPServer()
        servers = {"live": self.live, "stub": self.stub, "smtp": self.smtp}
        for server in servers.values():
            server.start()
            self.addCleanup(server.stop)
        self.inspector = Inspector([Source(name, server) for name, server in servers.items()], title="shop")
        self.inspector.start()
        self.addCleanup(self.inspector.stop)

    def get(self, path: str, **headers: str) -> requests.Response:
        return requests.get(f"{self.inspector.url}{path}", headers=headers, timeout=HANG)

    def assert_shows(self, item: int, *texts: str) -> None:
        """Check that the page of an item has these."""
        page = self.get(f"items/{item}").text
        for text in texts:
            self.assertIn(text, page)

    def send(self, html: str = "", subject: str = "Tea") -> None:
        """Send a mail."""
        with smtplib.SMTP(*self.smtp.addr, timeout=HANG) as client:
            client.send_message(make_mail("Your code is 482913, see https://example.com/x", html, subject))

    @contextlib.contextmanager
    def listen(self, **headers: str) -> Iterator[Iterator[tuple[str, list[dict[str, Any]]]]]:
        """What a page that listens is sent: lists of items, each with the id from which it could go on then."""

        def read(lines: Iterator[bytes]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
            last_id = ""
            for line in lines:
                if line.startswith(b"id: "):
                    last_id = line[4:].decode()
                if line.startswith(b"data: "):
                    yield last_id, json.loads(line[6:])

        url = f"{self.inspector.url}events"
        with requests.get(url, stream=True, timeout=HANG, headers=headers) as answer:
            lines = answer.iter_lines()
            self.assertEqual(next(lines), b"retry: 500")
            yield read(lines)

    def list_items(self) -> list[dict[str, Any]]:
        """All that the page is sent first."""
        with self.listen() as news:
            return next(news)[1]


class ContentTest(InspectorTest):
    """What is shown."""

    def test_items(self) -> None:
        """Requests and mails are in one list, without secrets, each once."""
        requests.get(f"{self.live.url}/?token=s3cr3t", timeout=HANG)
        self.send()
        self.stub.on("GET", "/a").reply(201)
        requests.get(f"{self.stub.url}/a", timeout=HANG)
        requests.get(f"{self.stub.url}/b", timeout=HANG)
        wait_until(lambda: all(item.get("is_over", True) for item in self.list_items()))
        items = self.list_items()
        found = [(item["server"], item.get("target") or item["subject"], item.get("status")) for item in items]
        wanted = [("live", "/?token=***", 200), ("smtp", "Tea", None), ("stub", "/a", 201), ("stub", "/b", 501)]
        self.assertEqual(sorted(found), sorted(wanted))

    def test_a_live_request(self) -> None:
        """Its bodies, its headers, and what the application raised."""
        requests.post(f"{self.live.url}/a", json={"a": [1, "é"]}, timeout=HANG)
        requests.get(f"{self.live.url}/boom", timeout=HANG)
        self.assert_shows(1, "&#34;é&#34;", "application/json", "curl --noproxy")
        self.assert_shows(2, "ValueError: it is broken")
        self.assertEqual(self.get("items/1/request").json(), {"a": [1, "é"]})
        self.assertEqual(self.get("items/1/response").headers["Content-Disposition"], "attachment; filename=response-1")

    def test_a_stub_request(self) -> None:
        """Which expectation answered, the report of one that none did, and the command that sends it again."""
        self.stub.on("POST", "/a", name="add").reply(200, PIXEL, content_type="image/png")
        requests.post(f"{self.stub.url}/a", data={"x": "1 2", "password": "p"}, timeout=HANG)
        requests.get(f"{self.stub.url}/b", timeout=HANG)
        self.assert_shows(1, "Answered by &#39;add&#39;", "<td>1 2</td>", "data:image/png;base64,", "curl --noproxy")
        self.assert_shows(2, "no expectation matches GET /b")

    def test_bodies(self) -> None:
        """Parts, forms and JSON are shown as such, decoded; what is no text, or cannot be decoded, by its size."""
        kind = "multipart/form-data; boundary=b"
        part = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx<y\r\n--b--\r\n'
        for number, (body, headers, texts) in enumerate(
            (
                (part, {"Content-Type": kind}, ["<h4>name=&#34;a&#34;</h4>", "x&lt;y", "text/plain, 3 bytes"]),
                (b"a=1&b=", {"Content-Type": "application/x-www-form-urlencoded"}, ["<td>1</td>", ">b</th><td></td>"]),
                (gzip.compress(b'{"a":1}'), {"Content-Type": "a/json", "Content-Encoding": "gzip"}, ["json, 7 bytes"]),
                (b"?", {"Content-Type": "text/plain", "Content-Encoding": "secret"}, ["it is encoded with secret"]),
                (bytes(2000), {"Content-Type": "application/zip"}, ["application/zip, 2.0 kB"]),
            ),
            1,
        ):
            with self.subTest(headers=headers):
                requests.post(self.stub.url, body, headers=headers, timeout=HANG)
                self.assert_shows(number, *texts)

    def test_a_websocket_of_a_stub(self) -> None:
        """What was exchanged on it, with control frames."""
        feed = self.stub.on_websocket("/feed").receive("a").send(b"b").ping().close(4000, "done")
        with websockets.sync.client.connect(f"{self.stub.ws_url}/feed") as client:
            client.send("a")
            self.assertEqual(b"b", client.recv(HANG))
            feed.connections[0].wait_closed(HANG)
        self.assert_shows(1, "b&#39;b&#39;", "ping b&#39;ping&#39;", "pong b&#39;ping&#39;", "close 4000 done", "/feed")

    def test_a_mail(self) -> None:
        """People, text, links, codes, files, the source, and what was said in SMTP."""
        text = "Your code is 482913, see https://example.com/x"
        mail = make_mail(text, '<p><img src="cid:pic@x"> hello</p>', "Tea <b>")
        mail.get_payload()[1].add_related(PIXEL, "image", "png", cid="<pic@x>")  # type: ignore[union-attr, index]
        mail.add_attachment(b"col;umn", maintype="text", subtype="csv", filename="päge.csv")
        with smtplib.SMTP(*self.smtp.addr, timeout=HANG) as client:
            client.send_message(mail)
        said = "250 2.1.5 OK"
        self.assert_shows(1, "Tea &lt;b&gt;", "a@example.com", "482913", "https://example.com/x", "päge.csv", said)
        self.assertIn("data:image/png;base64,", self.get("items/1/html").text)
        file = self.get("items/1/files/0")
        self.assertEqual(file.content.strip(), b"col;umn")
        self.assertIn("filename*=UTF-8''p%C3%A4ge.csv", file.headers["Content-Disposition"])
        self.assertEqual(self.get("items/1/source").content, self.smtp.outbox.last.raw)

    def test_what_is_not_there(self) -> None:
        """Each is a 404."""
        requests.get(self.stub.url, timeout=HANG)
        self.send()
        paths = ["items/9", "items/1/html", "items/2/files/7", "items/2/request", "items/1/both", "static/../pages.py"]
        self.assertEqual([404] * len(paths), [self.get(path).status_code for path in paths])

    def test_news(self) -> None:
        """A page that listens is sent what comes, with a number from which it can go on."""
        with self.listen() as news:
            requests.get(self.stub.url, timeout=HANG)
            self.assertEqual(next(news)[1][0]["number"], 1)
        with self.listen(**{"Last-Event-ID": "2"}) as news:
            self.send()
            while 2 not in [item["number"] for item in next(news)[1]]:
                pass

    def test_the_newest_first(self) -> None:
        """A page that opens is sent the newest at once, and has an id to go on from when it has been sent all."""
        self.stub.on().reply(204)
        with requests.Session() as session:
            for number in range(60):
                session.get(f"{self.stub.url}/{number}", timeout=HANG)
        with self.listen() as news:
            found = [(bool(last_id), [item["number"] for item in items]) for last_id, items in islice(news, 3)]
        wanted = [(False, [*range(36, 61)]), (False, [*range(11, 36)]), (True, [*range(1, 11)])]
        self.assertEqual(found, wanted)


class StrangersTest(InspectorTest):
    """Nobody but the page may read it."""

    def test_hosts_and_origins(self) -> None:
        """Another Host (DNS rebinding), another Origin, requests of other sites and other methods are refused."""
        port = int(self.inspector.url.rpartition(":")[2].strip("/"))
        own = f"127.0.0.1:{port}"
        for headers, status in (
            ({"Host": own}, 200),
            ({"Host": f"localhost:{port}"}, 200),
            ({"Host": "evil.example.com"}, 403),
            ({"Host": f"evil.example.com:{port}"}, 403),
            ({"Host": "127.0.0.1:1"}, 403),
            ({"Host": own, "Origin": f"http://{own}"}, 200),
            ({"Host": own, "Origin": "https://evil.example.com"}, 403),
            ({"Host": own, "Origin": "null"}, 403),
            ({"Host": own, "Sec-Fetch-Site": "same-origin"}, 200),
            ({"Host": own, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
            ({"Host": own, "Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}, 403),
        ):
            with self.subTest(headers):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HANG)
                connection.putrequest("GET", "/static/inspector.css", skip_host=True)
                for name, value in headers.items():
                    connection.putheader(name, value)
                connection.endheaders()
                answer = connection.getresponse()
                self.assertEqual(answer.status, status)
                self.assertEqual(answer.headers["Cross-Origin-Resource-Policy"], "same-origin")
                connection.close()
        self.assertEqual(requests.post(self.inspector.url, timeout=HANG).status_code, 405)

    def test_policies(self) -> None:
        """The page runs its own script alone; the frame of a mail runs none."""
        self.send("<p>x")
        page = self.get("").headers["Content-Security-Policy"]
        self.assertIn("default-src 'none'; script-src 'self';", page)
        self.assertNotIn("unsafe", page)
        frame = self.get("items/1/html").headers["Content-Security-Policy"]
        self.assertIn("sandbox", frame)
        self.assertNotIn("script", frame)


class BrowserTest(BrowserCase, InspectorTest):
    """The page in a real Chromium."""

    def rows(self) -> list[str]:
        """What the lines say."""
        found: list[str] = self.run_script(
            "[...document.querySelectorAll('#rows .what')].map(each => each.textContent)"
        )
        return found

    def choose(self, position: int) -> None:
        """Click at a line, and wait until it is shown."""
        self.run_script(f"document.querySelectorAll('#rows button')[{position}].click()")
        wait_until(lambda: self.run_script("document.querySelector('#detail article') !== null"))

    def enter_frame(self) -> bool:
        """Have scripts run in the frame of a mail, which the browser replaces while it loads; whether they do."""
        from selenium.common.exceptions import NoSuchFrameException, StaleElementReferenceException

        try:
            for frame in self.browser.find_elements("tag name", "iframe"):
                self.browser.switch_to.frame(frame)
                return True
        except (NoSuchFrameException, StaleElementReferenceException):
            pass
        return False

    def test_it_shows_what_comes(self) -> None:
        """Lines appear by themselves, newest first; one that is chosen is shown, and the filter hides others."""
        self.browser.get(self.inspector.url)
        self.browser.get_log("browser")  # of pages before
        self.assertEqual(self.browser.title, "shop")
        self.stub.on("GET", "/first").reply(json={"ok": True})
        requests.get(f"{self.stub.url}/first", timeout=HANG)
        self.send("<p>hello", "Invitation")
        wait_until(lambda: self.rows() == ["Invitation", "GET /first"])
        self.assertEqual(self.rows(), ["Invitation", "GET /first"])
        self.choose(1)
        detail = "document.getElementById('detail').innerText"
        wait_until(lambda: '"ok": true' in self.run_script(detail))
        self.assertIn("Answered by", self.run_script(detail))
        self.choose(0)
        wait_until(lambda: "Invitation" in self.run_script(detail))
        self.assertEqual(self.run_script("document.querySelector('iframe').sandbox.value"), "allow-popups")
        from selenium.webdriver.common.keys import Keys

        body = self.browser.find_element("tag name", "body")
        body.send_keys("/")
        self.browser.switch_to.active_element.send_keys("first")
        wait_until(lambda: self.rows() == ["GET /first"])
        self.browser.switch_to.active_element.send_keys(Keys.ESCAPE)
        self.assertEqual(self.browser.get_log("browser"), [])

    def test_many(self) -> None:
        """Of thousands of requests the newest are in the page, and older ones when they are asked for."""
        self.stub.on().reply(204)
        with requests.Session() as session:
            for number in range(450):
                session.get(f"{self.stub.url}/{number}", timeout=HANG)
        self.browser.get(self.inspector.url)
        wait_until(lambda: len(self.rows()) == 200)
        self.assertEqual(self.rows()[0], "GET /449")
        self.run_script("document.getElementById('more').click()")
        wait_until(lambda: len(self.rows()) == 400)
        self.assertEqual(len(self.rows()), 400)

    def test_hostile_content(self) -> None:
        """Twenty hostile mails and requests run no script and fetch nothing."""
        with HTTPStub() as outside:
            self.send_hostile(outside, self.smtp, self.stub.url)
            self.browser.get(self.inspector.url)
            wait_until(lambda: len(self.rows()) == 40)
            for position in range(40):
                self.choose(position)
                if position % 2 == 1:
                    self.assertTrue(wait_until(self.enter_frame))
                    self.assert_frame_unharmed()
            self.assert_unharmed("shop", outside)

    def test_widths(self) -> None:
        """Nothing is wider than the window, on a phone and on a desk."""
        self.send("<p>hello", "A" * 150)
        requests.get(f"{self.stub.url}/{'x' * 300}?{'y' * 300}", timeout=HANG)
        with self.narrow_and_wide() as widths:
            for width in widths:
                self.browser.get(self.inspector.url)
                wait_until(lambda: len(self.rows()) == 2)
                for position in (0, 1):
                    self.choose(position)
                    self.assertLessEqual(self.run_script("document.documentElement.scrollWidth"), width)
                    self.assertLessEqual(
                        self.run_script("document.getElementById('detail').scrollWidth"),
                        self.run_script("document.getElementById('detail').clientWidth"),
                    )

"""HAR files: saved from a stub and a live server, loaded into a stub, recorded from a real server and replayed."""

import base64
import contextlib
import gzip
import io
import json
import os
import pathlib
import tempfile
import unittest
from collections.abc import Iterator
from typing import Any
from unittest import mock

import flask
import requests

from liveserver_testcase import HTTPStub, HTTPStubTestCase, LiveServer, LiveServerTestCase, UsageError

SECRET = "s3cr3t-value"


def make_api() -> flask.Flask:
    """Make an API that does what real ones do."""
    api = flask.Flask(__name__)
    api.secret_key = "key"
    items = {number: {"id": number, "name": f"item {number}"} for number in range(1, 11)}

    @api.get("/items")
    def list_items() -> Any:
        page = int(flask.request.args.get("page", 1))
        following = flask.url_for("list_items", page=page + 1, _external=True)
        return {"items": list(items.values())[(page - 1) * 3 : page * 3], "next": following}

    @api.get("/items/<int:number>")
    def show_item(number: int) -> Any:
        return items.get(number, ({"error": "there is no such item"}, 404))

    @api.post("/items")
    def add_item() -> Any:
        name = flask.request.get_json()["name"]
        return {"name": name}, 201, {"Location": flask.url_for("show_item", number=1, _external=True)}

    @api.post("/form")
    def read_form() -> Any:
        return dict(flask.request.form)

    @api.post("/upload")
    def upload() -> Any:
        file = flask.request.files["file"]
        return {"name": file.filename, "size": len(file.read()), "title": flask.request.form["title"]}

    @api.get("/packed")
    def packed() -> Any:
        return flask.Response(
            gzip.compress(b"packed text " * 100, mtime=0), 200, {"Content-Encoding": "gzip"}, "text/plain"
        )

    @api.get("/picture")
    def picture() -> Any:
        return flask.Response(bytes(range(256)), mimetype="image/png")

    @api.get("/old")
    def old() -> Any:
        return flask.redirect(flask.url_for("show_item", number=2, _external=True))

    @api.post("/login")
    def log_in() -> Any:
        answer = flask.make_response({"access_token": SECRET, "user": flask.request.form["user"]})
        answer.set_cookie("session", SECRET, domain=None, secure=False, httponly=True)
        return answer

    @api.get("/me")
    def me() -> Any:
        if "session" in flask.request.cookies:
            return {"user": "ann"}
        return {"error": "log in"}, 401

    @api.get("/stream")
    def stream() -> Any:
        return flask.Response((f"line {number}\n" for number in range(5)), mimetype="text/plain")

    @api.route("/items/<int:number>", methods=["PUT", "PATCH", "DELETE"])
    def change(number: int) -> Any:
        if flask.request.method == "DELETE":
            return "", 204
        return {"id": number, **flask.request.get_json()}

    @api.get("/count")
    def tally() -> Any:
        tally.calls += 1  # type: ignore[attr-defined]
        return {"count": tally.calls}  # type: ignore[attr-defined]

    tally.calls = 0  # type: ignore[attr-defined]
    return api


def call_api(url: str) -> list[tuple[int, dict[str, str], bytes]]:
    """Send fifty requests; returns what was answered, with the host replaced."""
    seen: list[requests.Response] = []
    with requests.Session() as session:
        session.trust_env = False

        def send(method: str, path: str, **options: Any) -> None:
            seen.append(session.request(method, url + path, timeout=10, allow_redirects=False, **options))

        send("GET", "/me")
        send("POST", "/login", data={"user": "ann", "password": SECRET})
        send("GET", "/me")
        for number in range(1, 13):
            send("GET", f"/items/{number}")
        for page in range(1, 5):
            send("GET", "/items", params={"page": page})
        for name in ("tea", "kettle", "tasse à thé", "茶"):
            send("POST", "/items", json={"name": name})
            send("POST", "/form", data={"name": name, "size": "2"})
            send("PUT", "/items/3", json={"name": name})
            send("PATCH", "/items/4", json={"name": name})
        send("POST", "/upload", data={"title": "a picture"}, files={"file": ("a.png", io.BytesIO(bytes(range(256))))})
        for path in ("/packed", "/picture", "/old", "/stream", "/nowhere", *["/count"] * 3):
            send("GET", path)
        send("DELETE", "/items/5")
        send("HEAD", "/items/1")
        send("OPTIONS", "/items/1")
        send("GET", "/items", params={"page": "1", "q": "50% & more/<x>"})
        send("GET", "/items/1", headers={"Authorization": f"Bearer {SECRET}"})
        send("GET", f"/items?page=1&api_key={SECRET}")
    host = url.partition("://")[2]
    framing = ("Date", "Server", "Connection", "Content-Length", "Content-Encoding", "Transfer-Encoding")
    found = []
    for answer in seen:
        headers = {name: value.replace(host, "HOST") for name, value in answer.headers.items() if name not in framing}
        found.append((answer.status_code, headers, answer.content.replace(host.encode(), b"HOST")))
    return found


class Folder(unittest.TestCase):
    """A test with a folder of its own."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.file = self.folder / "traffic.har"

    def read(self) -> list[dict[str, Any]]:
        """The entries of the file."""
        log = json.loads(self.file.read_text("utf-8"))["log"]
        self.assertEqual(log["version"], "1.2")
        entries: list[dict[str, Any]] = log["entries"]
        return entries

    @contextlib.contextmanager
    def refusing(self, *texts: str) -> Iterator[None]:
        """Expect an error of use that has these texts."""
        with self.assertRaises(UsageError) as raised:
            yield
        for text in texts:
            self.assertIn(text, str(raised.exception))


class RecordTest(Folder):
    """Recorded once, a test runs offline."""

    def replay(self, strict: bool = True, **options: Any) -> HTTPStub:
        stub = HTTPStub()
        with mock.patch.dict(os.environ, LIVESERVER_RECORD=""):
            stub.record("http://127.0.0.1:9", self.file, strict=strict, **options)
        return stub

    @contextlib.contextmanager
    def recording(self, **options: Any) -> Iterator[tuple[LiveServer, HTTPStub]]:
        """A real server, and a stub that records what it answers."""
        with LiveServer(make_api()) as real, HTTPStub() as stub, mock.patch.dict(os.environ, LIVESERVER_RECORD="1"):
            stub.record(real.url, self.file, **options)
            yield real, stub

    def test_a_replay_answers_as_the_real_server(self) -> None:
        """Status, headers and decoded bodies of fifty requests are those of the real server, which is gone."""
        for secrets in (True, False):
            with self.subTest(secrets=secrets):
                with self.recording(secrets=secrets) as (_, stub):
                    recorded = call_api(stub.url)
                    stub.verify()
                self.assertGreaterEqual(len(recorded), 50)
                self.assertIn((401, {"Content-Type": "application/json"}, b'{"error":"log in"}\n'), recorded)
                with self.replay() as stub:
                    replayed = call_api(stub.url)
                    stub.verify()
                if not secrets:
                    self.assertNotIn(SECRET, self.file.read_text("utf-8"))
                    status, headers, body = recorded[1]  # the login, as it is in a file without secrets
                    cookie = headers["Set-Cookie"].replace(SECRET, "***")
                    recorded[1] = status, {**headers, "Set-Cookie": cookie}, body.replace(SECRET.encode(), b"***")
                for before, after in zip(recorded, replayed, strict=True):
                    self.assertEqual(before, after)

    def test_scripted_replies_come_first(self) -> None:
        """What a test has scripted itself is neither passed on nor replayed."""
        with self.recording() as (real, stub):
            stub.on("GET", "/items/1").reply(503)
            self.assertEqual(requests.get(f"{stub.url}/items/1", timeout=10).status_code, 503)
            self.assertEqual(requests.get(f"{stub.url}/items/2", timeout=10).status_code, 200)
        self.assertEqual([entry["request"]["url"] for entry in self.read()], [f"{real.url}/items/2"])
        with self.replay() as stub:
            stub.on("GET", "/items/2").reply(503)
            self.assertEqual(requests.get(f"{stub.url}/items/2", timeout=10).status_code, 503)

    def test_a_stale_recording_is_named(self) -> None:
        """An entry that is never asked for, a request that is not in it, and one too many each fail the test."""
        with self.recording() as (_, stub):
            requests.get(f"{stub.url}/items/1", timeout=10)
            requests.post(f"{stub.url}/items", json={"name": "tea"}, timeout=10)
        item, items = ("GET", "/items/1", None), ("POST", "/items", {"name": "coffee"})
        for calls, wanted in (
            ([item], r"recorded in traffic\.har' POST '/items'"),
            ([items], "(?s)'tea'.*'coffee'"),
            ([item, item], "(?s)has 1 response to GET /items/1.*record it again"),
        ):
            with self.subTest(wanted), self.replay() as stub:
                for method, path, body in calls:
                    requests.request(method, stub.url + path, json=body, timeout=10)
                with self.assertRaisesRegex(AssertionError, wanted):
                    stub.verify()

    def test_without_a_recording_or_a_server(self) -> None:
        """The error says how to make one; what cannot be written is refused, who cannot be reached fails the test."""
        with self.refusing("traffic.har", "is not there", "LIVESERVER_RECORD=1"):
            self.replay()
        with HTTPStub() as stub, mock.patch.dict(os.environ, LIVESERVER_RECORD="1"):
            with self.refusing("cannot be written"):
                HTTPStub().record("http://127.0.0.1:9", self.folder)
            stub.record("http://127.0.0.1:9", self.file)
            self.assertEqual(requests.get(f"{stub.url}/x", timeout=10).status_code, 500)
            with self.assertRaisesRegex(AssertionError, "could not be passed on to http://127.0.0.1:9"):
                stub.verify()


class LoadTest(Folder):
    """HAR files as a script."""

    def write(self, *entries: tuple[dict[str, Any], dict[str, Any]]) -> None:
        """Write a file as a browser does, of requests and responses."""
        request = {"method": "GET", "httpVersion": "h2", "headers": [], "cookies": []}
        response = {"status": 200, "statusText": "", "headers": [], "content": {}}
        made = [
            {
                "startedDateTime": f"2026-01-01T00:00:{number:02}.000Z", "time": 1,
                "request": {**request, **sent}, "response": {**response, **answered},
            }
            for number, (sent, answered) in enumerate(entries)
        ]  # fmt: skip
        self.file.write_text(json.dumps({"log": {"version": "1.2", "entries": made}}), "utf-8")

    def post(self, url: str, kind: str, text: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """A request with a body."""
        headers = [{"name": "Content-Type", "value": kind}]
        return {"url": url, "method": "POST", "headers": headers, "postData": {"mimeType": kind, "text": text}}, {}

    def test_a_file_of_a_browser(self) -> None:
        """Pseudo headers, bodies in base64, blocked requests and several hosts are taken as they are meant."""
        picture = base64.b64encode(bytes(range(256))).decode()
        self.write(
            ({"url": "https://api.example.com/a?x=1", "headers": [{"name": ":path", "value": "/a"}]},
             {"headers": [{"name": "content-encoding", "value": "gzip"}, {"name": "x-one", "value": "1\n2"}],
              "content": {"mimeType": "application/json", "text": '{"at": "https://api.example.com/b"}'}}),
            ({"url": "https://cdn.example.com/p.png"},
             {"content": {"mimeType": "image/png", "text": picture, "encoding": "base64"}}),
            ({"url": "https://ads.example.com/"}, {"status": 0}),
        )  # fmt: skip
        with HTTPStub() as stub:
            stub.load_har(self.file)
            answer = requests.get(f"{stub.url}/a", params={"x": "1"}, timeout=10)
            self.assertEqual(answer.text, f'{{"at": "{stub.url}/b"}}')
            self.assertEqual(answer.headers["x-one"], "1, 2")
            self.assertEqual(requests.get(f"{stub.url}/p.png", timeout=10).content, bytes(range(256)))
            stub.verify()
        stub = HTTPStub()
        self.assertEqual(len(stub.load_har(self.file, host="cdn.example.com")), 1)
        with self.refusing("no entry of the host 'shop.example.com'", "api.example.com"):
            stub.load_har(self.file, host="shop.example.com")

    def test_a_file_of_chromium(self) -> None:
        """What its developer tools have saved of a page, a picture, a form and a redirect can be asked for again."""
        with HTTPStub() as stub:
            loaded = stub.load_har(pathlib.Path(__file__).with_name("chromium.har"))
            self.assertEqual(len(loaded), 5)
            with requests.Session() as session:
                self.assertIn("<form", session.get(f"{stub.url}/", timeout=10).text)
                self.assertEqual(session.get(f"{stub.url}/p.png", timeout=10).content, bytes(range(256)))
                session.post(f"{stub.url}/j", json={"password": "x", "n": [1, 2]}, timeout=10)
                done = session.post(f"{stub.url}/form", data={"a": "é&1", "f": ""}, timeout=10)
                self.assertEqual((done.url, done.text), (f"{stub.url}/done", "<p>done"))
            stub.verify()

    def test_match(self) -> None:
        """Only what is named is compared; without ``strict`` nothing has to come, and the last response is repeated."""
        self.write(*(({"url": "http://h/n?t=1", "method": "POST"}, {"status": status}) for status in (500, 201)))
        with HTTPStub() as stub:
            stub.load_har(self.file, match=("method", "path"), strict=False)
            stub.verify()
            statuses = [requests.post(f"{stub.url}/n?t=2", data=b"x", timeout=10).status_code for _ in range(3)]
            self.assertEqual(statuses, [500, 201, 201])
            stub.verify()
        with self.refusing("match has 'methods'", "did you mean 'method'?"):
            HTTPStub().load_har(self.file, match=("methods",))
        with self.assertRaises(TypeError):
            HTTPStub().load_har(self.file, strickt=True)  # type: ignore[call-arg]

    def test_what_was_masked_matches_anything(self) -> None:
        """In queries, paths, JSON, forms and text."""
        self.write(
            ({"url": "http://h/u/***?token=***&a=1"}, {}),
            self.post("http://h/json", "application/json", '{"password": "***", "u": ["Bearer ***"]}'),
            self.post("http://h/form", "application/x-www-form-urlencoded", "user=ann&pw=***"),
            self.post("http://h/text", "text/plain", "Bearer *** of ann"),
        )
        with HTTPStub() as stub:
            stub.load_har(self.file)
            requests.get(f"{stub.url}/u/77?token=abc&a=1", timeout=10)
            requests.post(f"{stub.url}/json", json={"password": "x", "u": ["Bearer y"]}, timeout=10)
            requests.post(f"{stub.url}/form", data={"user": "ann", "pw": "&="}, timeout=10)
            plain = {"Content-Type": "text/plain"}
            requests.post(f"{stub.url}/text", "Bearer abc of ann", headers=plain, timeout=10)
            stub.verify()

    def test_files_that_are_none(self) -> None:
        """Each error says what is wrong with the file, and where."""
        for text, *said in (
            ("", "is no JSON"),
            ("[]", "has no list log.entries"),
            ('{"log": {"entries": [{}]}}', "log.entries[0] has no 'request'"),
        ):
            with self.subTest(text):
                self.file.write_text(text)
                with self.refusing(*said, "traffic.har"):
                    HTTPStub().load_har(self.file)
        with self.refusing("cannot be read"):
            HTTPStub().load_har(self.folder / "none.har")
        self.write(({"url": "http://h/"}, {"content": {"size": 12}}))
        with self.refusing("saved without its body"):
            HTTPStub().load_har(self.file)


class SaveTest(Folder):
    """What is in a file that a stub or a live server has saved."""

    def test_stub(self) -> None:
        """Request and response with their bodies and timings, without secrets."""
        with HTTPStub() as stub:
            stub.on("GET", "/moved").reply_redirect(f"/in?token={SECRET}")
            requests.get(f"{stub.url}/moved", timeout=10, allow_redirects=False)
            stub.on("POST", "/login").reply(201, json={"token": SECRET, "user": "ann"}, cookies={"sid": SECRET})
            requests.post(f"{stub.url}/login?api_key={SECRET}", json={"password": SECRET}, timeout=10)
            stub.on("GET", "/p").reply(200, bytes(range(256)))
            requests.get(f"{stub.url}/p", timeout=10)
            stub.save_har(self.file)
            stub.save_har(self.folder / "open.har", secrets=True)
        moved, entry, picture = self.read()
        self.assertEqual(moved["response"]["redirectURL"], "/in?token=***")
        self.assertNotIn(SECRET, self.file.read_text())
        self.assertIn(SECRET, (self.folder / "open.har").read_text())
        self.assertEqual(entry["request"]["url"], f"{stub.url}/login?api_key=***")
        self.assertEqual(entry["request"]["postData"]["text"], '{"password": "***"}')
        self.assertEqual((entry["response"]["status"], entry["response"]["statusText"]), (201, "Created"))
        self.assertEqual(json.loads(entry["response"]["content"]["text"]), {"token": "***", "user": "ann"})
        self.assertEqual(base64.b64decode(picture["response"]["content"]["text"]), bytes(range(256)))
        for each in (entry, picture):
            self.assertGreater(each["timings"]["wait"], 0)
            self.assertEqual(
                each["time"],
                round(sum(max(0, each["timings"][name]) for name in ("connect", "send", "wait", "receive")), 3),
            )

    def test_live(self) -> None:
        """A live server saves what it was told to keep, and says what to set where it was not."""
        with LiveServer(make_api(), capture=True) as server:
            requests.get(server.url_for("/packed"), timeout=10)
            requests.post(server.url_for("/form"), data={"name": "tea"}, timeout=10)
            server.save_har(self.file)
        packed, form = self.read()
        self.assertEqual(packed["response"]["content"]["text"], "packed text " * 100)
        self.assertLess(packed["response"]["bodySize"], packed["response"]["content"]["size"])
        self.assertEqual(form["request"]["postData"]["params"], [{"name": "name", "value": "tea"}])
        with LiveServer(make_api()) as server, self.refusing("live_capture = True", "capture=True"):
            server.save_har(self.file)

    def test_round_trip(self) -> None:
        """What a live server has saved can be loaded into a stub."""
        with LiveServer(make_api(), capture=True) as server:
            recorded = call_api(server.url)
            server.save_har(self.file, secrets=True)
        with HTTPStub() as stub:
            stub.load_har(self.file)
            self.assertEqual(call_api(stub.url), recorded)
            stub.verify()


class CasesTest(HTTPStubTestCase, LiveServerTestCase):
    """The same on test classes."""

    live_capture = True

    @classmethod
    def create_app(cls) -> flask.Flask:
        """See `make_api`."""
        return make_api()

    def test_both(self) -> None:
        """The live server's traffic is played by the stub."""
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "live.har")
            answer = self.live.get("/items/1").json()
            self.live_server.save_har(file)
            self.stub.load_har(file)
            self.assertEqual(requests.get(self.stub.url_for("/items/1"), timeout=10).json(), answer)

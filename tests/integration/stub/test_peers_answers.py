"""How other tools answer: each feature under its own name, in our words."""

from __future__ import annotations

import asyncio
import json
import random
import socket
from typing import Any

import flask
from werkzeug.wrappers import Response

from liveserver_testcase import Fault, FaultPoint, HTTPStub, Pause, Reply
from tests.integration.stub.support import receive
from tests.integration.stub.wire import GET, WireTest, get, post, split
from tests.support import HANG


class PytestHTTPServerTest(WireTest):
    """pytest-httpserver's request handlers."""

    def test_respond_with_json(self) -> None:
        """``reply(json=)``, with status, headers and type."""
        self.stub.on().reply(201, json={"a": [1]}, headers={"X-A": "1"}, content_type="application/hal+json")
        answer = self.send()
        self.assertEqual(
            (201, {"a": [1]}, "1", "application/hal+json"),
            (answer.status, json.loads(answer.body), answer.headers["x-a"], answer.headers["content-type"]),
        )

    def test_respond_with_data(self) -> None:
        """``reply(status, body)``, of bytes and text."""
        for body in (b"data", "data"):
            self.stub.on().reply(203, body, content_type="text/plain")
            answer = self.send()
            self.assertEqual((203, b"data", "text/plain"), (answer.status, answer.body, answer.headers["content-type"]))

    def test_respond_with_response(self) -> None:
        """``reply(Response(...))``."""
        self.stub.on().reply(Response("r", 202, {"X-A": "1"}))
        answer = self.send()
        self.assertEqual((202, b"r", "1"), (answer.status, answer.body, answer.headers["x-a"]))

    def test_respond_with_handler(self) -> None:
        """``reply_with()``, with a request of werkzeug's and a Response, text or more returned."""
        self.stub.on("POST").reply_with(lambda request: Response(request.get_data()[::-1]))
        self.assertEqual(b"cba", self.send("POST", "/", b"abc").body)

    def test_responding_again_replaces_the_response(self) -> None:
        """Likewise."""
        expectation = self.stub.on().reply(200)
        expectation.reply(404)
        self.assertEqual(404, self.send().status)

    def test_hooks_delay(self) -> None:
        """``delay=``."""
        self.stub.on().reply(200, delay=0.02)
        self.send()
        self.assertGreaterEqual(self.stub.requests[0].duration or 0, 0.02)

    def test_hooks_garbage(self) -> None:
        """A hook, which changes what is sent to one client only (theirs grows with each request)."""
        noise = random.Random(1).randbytes(10)
        self.stub.on().reply(200, b"abc").after(lambda _, reply: reply.changed(body=noise + reply.body + noise))
        self.assertEqual([23] * 4, [len(self.send().body) for _ in range(4)])

    def test_hooks_chain(self) -> None:
        """Several are called in order."""
        expectation = self.stub.on().reply(200, b"a")
        for mark in (b"b", b"c"):
            expectation.after(lambda _, reply, mark=mark: reply.changed(body=reply.body + mark))
        self.assertEqual(b"abc", self.send().body)

    def test_handler_errors(self) -> None:
        """Are kept with their request, which is recorded, too (theirs is not)."""
        self.stub.on().reply_with(lambda: 1 / 0)
        self.assertEqual(500, self.send("GET", "/a").status)
        ((exchange, error),) = self.take_errors()
        self.assertEqual(("/a", ZeroDivisionError), (exchange.path, type(error)))
        self.assertEqual(["/a"], [request.raw_path for request in self.stub.requests])

    def test_blocking_http_server(self) -> None:
        """``hold()``: the test looks at the request, and then answers it."""
        hold = self.stub.on().hold()
        client = self.dial()
        client.sendall(get("/a", "Connection: close"))
        self.assertEqual("/a", hold.wait(HANG).raw_path)
        hold.reply(json=1)
        self.assertEqual(b"1", self.look(client).body)

    def test_connection_refused_by_stopping(self) -> None:
        """``refuse_connections()``, or a stop and a start on the same port."""
        self.stub.stop()
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(self.stub.address, HANG)
        self.stub.start()
        self.stub.on().reply(200)
        self.assertEqual(200, self.send().status)

    def test_threaded(self) -> None:
        """Always: one that waits keeps nobody waiting."""
        self.stub.on("GET", "/slow").reply(200, delay=60)
        self.stub.on("GET", "/quick").reply(200)
        self.dial().sendall(get("/slow"))
        self.assertTrue(self.see(get("/quick", "Connection: close")).data.startswith(b"HTTP/1.1 200"))


class PytestLocalserverTest(WireTest):
    """pytest-localserver's servers."""

    def test_wsgi_server_application(self) -> None:
        """``reply_wsgi(app)``."""
        app = flask.Flask("app")
        app.add_url_rule("/a", view_func=lambda: "from flask")
        self.stub.on().reply_wsgi(app)
        self.assertEqual("from flask", self.send("GET", "/a").text)

    def test_content_of_a_generator_is_kept(self) -> None:
        """Every request gets it, not the first alone."""
        self.stub.serve_content(str(number) for number in range(3))
        self.assertEqual(["012", "012"], [self.send().text for _ in range(2)])

    def test_certificate(self) -> None:
        """``ca_file``; and one that connects and says nothing stops nobody else (theirs is frozen by it)."""
        with HTTPStub(tls=True) as stub:
            stub.on().reply(200, b"x")
            silent = socket.create_connection(stub.address, HANG)
            self.addCleanup(silent.close)
            self.assertEqual(b"x", self.see(get("/", "Connection: close"), stub=stub).body)

    def test_compress(self) -> None:
        """``compress=`` (theirs was never finished)."""
        self.stub.on().reply(text="x" * 100, compress="gzip")
        self.assertEqual("gzip", self.send().headers["content-encoding"])


class TestServerTest(WireTest):
    """test_server's responses and requests."""

    def test_response(self) -> None:
        """Status, headers and data, of bytes and text."""
        self.stub.enqueue(Reply(201, "data", {"X-A": "1"}))
        answer = self.send()
        self.assertEqual((201, b"data", "1"), (answer.status, answer.body, answer.headers["x-a"]))

    def test_response_cookies_and_charset(self) -> None:
        """``cookies=``, and a charset in the type."""
        self.stub.enqueue(Reply(200, "grün", cookies={"a": "1"}, content_type="text/html; charset=latin-1"))
        answer = self.send()
        self.assertEqual((b"gr\xfcn", "a=1; Path=/"), (answer.body, answer.headers["set-cookie"]))

    def test_response_sleep(self) -> None:
        """``delay=``, after the body has been read (theirs sleeps before)."""
        self.stub.enqueue(Reply(200, delay=0.02))
        self.send("POST", "/", b"body")
        self.assertEqual(b"body", self.stub.requests[0].body)

    def test_callback(self) -> None:
        """``reply_with()``."""
        self.stub.on().reply_with(lambda: ("data", 202, {"X-A": "1"}))
        answer = self.send()
        self.assertEqual((202, "data", "1"), (answer.status, answer.text, answer.headers["x-a"]))

    def test_raw_callback(self) -> None:
        """``reply_raw()``."""
        self.stub.on().reply_raw(b"HTTP/1.0 200 OK\r\n\r\nraw")
        self.assertEqual(b"raw", self.see().body)

    def test_data_of_an_iterator(self) -> None:
        """One item a request, and then an error."""
        self.stub.on().reply_sequence("one", "two")
        self.assertEqual(["one", "two"], [self.send().text for _ in range(2)])
        self.assertEqual(500, self.send().status)
        self.assertEqual(1, len(self.take_errors()))

    def test_a_callback_that_yields_sleeps(self) -> None:
        """``reply_stream()`` with `Pause`."""

        def slowly() -> Any:
            yield "a"
            yield Pause(0.001)
            yield "b"

        self.stub.on().reply_stream(slowly)
        self.assertEqual("ab", self.send().text)

    def test_request(self) -> None:
        """Its attributes have their names."""
        self.stub.on().reply(200)
        kind = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": "c=1", "X-A": "1"}
        self.send("PUT", "/p%20q?a=1&b=", "f=2", kind)
        request = self.stub.last_request
        self.assertEqual(
            ("PUT", "/p q", {"a": "1", "b": ""}, b"f=2", {"c": "1"}, "1", "127.0.0.1", {"f": "2"}),
            (
                request.method, request.path, request.args.to_dict(), request.data, request.cookies.to_dict(),
                request.headers["x-a"], request.client_ip, request.form.to_dict(),
            ),
        )  # fmt: skip

    def test_request_files(self) -> None:
        """With name, type and content."""
        self.stub.on().reply(200)
        body = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\n\r\ncontent\r\n--x--\r\n'
        self.send("POST", "/", body, {"Content-Type": "multipart/form-data; boundary=x"})
        file = self.stub.last_request.files["f"]
        self.assertEqual(("a.txt", b"content"), (file.filename, file.read()))

    def test_keep_alive(self) -> None:
        """On, unless it is switched off (theirs came and went)."""
        for keep_alive, end in ((True, "OPEN"), (False, "FIN")):
            with HTTPStub(keep_alive=keep_alive) as stub:
                stub.on().reply(200)
                client = self.dial(stub)
                client.sendall(GET)
                self.assertEqual(end, self.look(client, patience=0.05 if keep_alive else HANG).end)
                client.close()


class MockWebServerTest(WireTest):
    """OkHttp's MockWebServer and WireMock, which play on the wire."""

    def test_headers_delay_and_body_delay(self) -> None:
        """``delay=`` before all, ``body_delay=`` between head and body."""
        self.stub.on().reply(200, b"x", delay=0.01, body_delay=0.01)
        self.send()
        self.assertGreaterEqual(self.stub.requests[0].duration or 0, 0.02)

    def test_throttle_body(self) -> None:
        """``throttle=(bytes, seconds)``."""
        self.stub.on().reply(200, b"abc", throttle=(1, 0.005))
        self.assertEqual(b"abc", self.send().body)
        self.assertGreaterEqual(self.stub.requests[0].duration or 0, 0.01)

    def test_add_informational_response(self) -> None:
        """``informational=``."""
        self.stub.on().reply(200, informational=[103])
        self.assertTrue(self.see(get("/", "Connection: close")).data.startswith(b"HTTP/1.1 103 Early Hints\r\n\r\n"))

    def test_trailers_and_chunked_body(self) -> None:
        """``trailers=``, ``chunk_size=``."""
        self.stub.on().reply(200, b"abc", chunk_size=2, trailers={"X-A": "1"})
        self.assertEqual(b"2\r\nab\r\n1\r\nc\r\n0\r\nX-A: 1\r\n\r\n", self.see(get("/", "Connection: close")).body)

    def test_do_not_read_request_body(self) -> None:
        """``Fault.NO_READ``."""
        self.stub.on().reply(200, b"x").fail(Fault.NO_READ)
        client = self.dial()
        client.sendall(get("/", "Content-Length: 9", "Expect: 100-continue", method="POST"))
        self.assertEqual(b"x", self.look(client).body)
        self.stub.wait_until_idle(HANG)
        self.assertEqual(0, self.stub.requests[0].body_size)

    def test_socket_effects_at_five_places(self) -> None:
        """Each of theirs has its `FaultPoint`."""
        for place in list(FaultPoint)[1:]:
            self.begin(place.name)
            self.stub.on().reply(200, b"abcd").fail(Fault.CLOSE, place)
            self.assertEqual("FIN", self.see(post(b"abcd")).end)

    def test_connection_index_and_exchange_index(self) -> None:
        """The same names."""
        self.stub.on().reply(200)
        client = self.dial()
        for _ in range(2):
            client.sendall(GET)
            receive(client, lambda data: data.endswith(b"\r\n\r\n"))
        self.assertEqual([(0, 0), (0, 1)], [(r.connection_index, r.exchange_index) for r in self.stub.requests])

    def test_wiremocks_faults(self) -> None:
        """Its four kinds."""
        for fault, at, end in (
            (Fault.CLOSE, None, "FIN"), (Fault.RESET, None, "RST"), (Fault.GARBAGE, None, "FIN"),
            (Fault.GARBAGE, FaultPoint.RESPONSE_BODY, "FIN"),
        ):  # fmt: skip
            self.stub.on().reply(200, b"abcd").fail(fault, at)
            self.assertEqual(end, self.see().end)

    def test_async_handlers(self) -> None:
        """As respx and nock have, without a socket."""

        async def handle(_request: object) -> str:
            await asyncio.sleep(0)
            return "async"

        self.stub.on().reply_with(handle)
        self.assertEqual("async", self.send().text)

    def test_websockets_are_declined(self) -> None:
        """The wish to change the protocol is not granted: the request is answered as any other."""
        self.stub.on().reply(426, headers={"Upgrade": "websocket"})
        line, headers, _ = split(self.see(get("/", "Connection: Upgrade, close", "Upgrade: websocket")).data)
        self.assertEqual(("HTTP/1.1 426 Upgrade Required", "websocket"), (line, headers["upgrade"]))


class DyingClientTest(WireTest):
    """A client that dies leaves a trace, and fails the test if its request is not whole (field case B7)."""

    def assert_trace(self, sent: bytes, *, reset: bool = False, wanted: str) -> None:
        self.begin("shop.test_a")
        self.stub.on().reply(200)
        self.stub.on("GET", "/big").reply(200, b"x" * 20_000_000)
        client = self.dial()
        client.sendall(sent)
        if sent.endswith(b"\r\n\r\n") and b"/big" in sent:
            client.recv(1000)
        if reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        self.wait_for(lambda: any(exchange.aborted for exchange in self.stub.exchanges))
        self.assertRegex(self.stub.exchanges[-1].aborted, wanted)
        held = f" could not be read: .*{wanted}" if "request's" in wanted else "^$"
        self.assertEqual([], self.take_errors())
        self.assertRegex(self.stub.failure_report(), held)

    def test_each(self) -> None:
        """Before the head, in it, in the body, between chunks, with a reset, and before it has read the answer."""
        chunks = get("/", "Transfer-Encoding: chunked", method="POST")
        for sent, reset, wanted in (
            (b"", False, "without having sent a request"), (b"GET / HT", False, "after 8 bytes of a request's head"),
            (post(b"x" * 10)[:-5], False, "in the middle of its request's body"),
            (chunks + b"3\r\nabc\r\n", False, "in the middle of its request's body"),
            (post(b"x" * 10)[:-5], True, "in the middle of its request's body"),
            (get("/big"), False, "before it had the whole response"),
        ):  # fmt: skip
            with self.subTest(wanted=wanted):
                self.assert_trace(sent, reset=reset, wanted=wanted)

"""How expectations answer: sequences, functions, applications, other servers, hooks, and how misuse is told."""

from __future__ import annotations

import asyncio
import functools
import re
import socket
import threading
import traceback
import unittest
from typing import Any

import flask
import requests
from werkzeug.wrappers import Response

from liveserver_testcase import HTTPStub, RecordedRequest, Reply, UsageError
from tests.integration.stub.support import StubTest, make_expectation, receive
from tests.support import HANG

ANSWERS = (
    "wanted a Reply, a status, bytes, text, a dict or list (sent as JSON), (body, status, headers), "
    "or a werkzeug Response"
)


class ErrorTest(StubTest):
    """A stub whose handlers fail."""

    def assert_error(self, kind: type[BaseException], message: str) -> None:
        """The client got a plain 500, and the test is told why."""
        self.assertEqual((500, b"Internal Server Error\n"), self.send("GET", "/a")[::2])
        ((exchange, error),) = self.take_errors()
        self.assertEqual(("/a", kind, message), (exchange.path, type(error), str(error)))


class SequenceTest(ErrorTest):
    """`reply_sequence`."""

    def test_one_after_the_other(self) -> None:
        """Each request gets the next; then the last one again, the first one, or an error that says what to do."""
        for then, wanted in (("repeat", [503, 429, 200, 200, 200]), ("cycle", [503, 429, 200, 503, 429])):
            self.begin(then)
            replies = (503, Reply(429, headers={"Retry-After": "1"}), {"a": 1})
            self.stub.on().reply_sequence(*replies, then=then)  # type: ignore[arg-type]
            self.assertEqual(wanted, [self.send().status for _ in wanted])
        self.stub.on("GET", "/a").reply_sequence(200, 201)
        self.assertEqual([200, 201], [self.send("GET", "/a").status for _ in range(2)])
        self.assert_error(
            UsageError,
            "GET '/a' has 2 replies, and this was request 3: give another one, or say then='repeat' or then='cycle'",
        )

    def test_after_other_replies(self) -> None:
        """It begins with its first reply, however often the expectation was called before, and in each test anew."""
        of_the_class = self.stub.on("GET", "/class").reply_sequence(503, 200, then="repeat")
        for name in ("a", "b"):
            self.begin(name)
            self.assertEqual([503, 200], [self.send("GET", "/class").status for _ in range(2)])
            self.assertEqual(2, of_the_class.times_called)
        expectation = self.stub.on().reply(204)
        self.send()
        for statuses in ([500, 501], [502, 503]):
            expectation.reply_sequence(*statuses)
            self.assertEqual(statuses, [self.send().status for _ in range(2)])

    def test_a_whole_answer_with_another_status(self) -> None:
        """It keeps all else; headers replace their namesakes, as in Flask."""
        whole = Reply(200, "x", {"A": "1", "B": "2"}, reason="Fine", delay=0.01)
        for answer, wanted in (
            ((whole, 201), (201, "Fine", 0.01, "1", "2")),
            ((whole, {"a": "3"}), (200, "Fine", 0.01, "3", "2")),
            ((Response("x", 404, {"B": "4"}), 410), (410, None, 0, None, "4")),
        ):
            with self.subTest(answer=answer):
                self.begin("a")
                self.stub.on().reply(answer)
                sent = self.send()
                reply = self.stub.requests[0].reply or Reply()
                self.assertEqual(
                    wanted, (sent.status, reply.reason, reply.delay, sent.headers.get("a"), sent.headers.get("b"))
                )
        with self.assertRaisesRegex(UsageError, "^a response with status 204 has no body"):
            self.stub.on().reply((whole, 204))


class HandlerTest(ErrorTest):
    """`reply_with`."""

    def ask(self, function: Any, path: str = "/a", script: str = "/a") -> tuple[int, bytes, str | None]:
        """What a client gets."""
        self.begin("shop.test_a")
        self.stub.on("GET", script).reply_with(function)
        answer = self.send("GET", path)
        return answer.status, answer.body, answer.headers.get("content-type")

    def test_what_it_may_return(self) -> None:
        """All that a view of Flask may, and a Reply and a status besides."""
        json, html, data = "application/json", "text/html; charset=utf-8", "application/octet-stream"
        for value, wanted in (
            (Reply(201, b"x"), (201, b"x", data)), (404, (404, b"", None)), ("text", (200, b"text", html)),
            (b"data", (200, b"data", data)), ({"a": 1}, (200, b'{"a": 1}', json)), ([1], (200, b"[1]", json)),
            (("text", 201), (201, b"text", html)), (({"a": 1}, 201, {"X-A": "1"}), (201, b'{"a": 1}', json)),
            (("text", {"Content-Type": "text/csv"}), (200, b"text", "text/csv")),
            (("text", [("Content-Type", "a/b")]), (200, b"text", "a/b")), (iter(["a", b"b"]), (200, b"ab", data)),
            (Response("r", 202), (202, b"r", "text/plain; charset=utf-8")),
            (flask.Response("f", 203, {"Content-Type": "text/x"}), (203, b"f", "text/x")),
            (Response(iter(["a", "b"])), (200, b"ab", "text/plain; charset=utf-8")),
            ((Reply(201, b"x"), 202, {"X-A": "1"}), (202, b"x", data)), ("", (200, b"", None)),
        ):  # fmt: skip
            with self.subTest(value=value):
                self.assertEqual(wanted, self.ask(lambda value=value: value))

    def test_what_it_is_given(self) -> None:
        """The request, and the parameters of the path by name, as far as it has arguments for them; any callable."""

        class View:
            def __call__(self, request: RecordedRequest, id: int, name: str) -> str:
                return f"{request.path_params['id']}{id + 1}{name}"

            def method(self, request: RecordedRequest, id: int, name: str) -> str:
                return self(request, id, name)

        script = "/users/<int:id>/<name>"
        for kind, function in (
            ("positional", lambda request, id, name: f"{request.path_params['id']}{id + 1}{name}"),
            ("keywords only", lambda request, *, name, id: f"{request.path_params['id']}{id + 1}{name}"),
            ("any keyword", lambda request, **rest: f"{request.path_params['id']}{rest['id'] + 1}{rest['name']}"),
            ("a partial", functools.partial(lambda sep, request, id, name: f"{id}{sep}{id + 1}{name}", "")),
            ("an object that can be called", View()),
            ("a method", View().method),
        ):
            with self.subTest(kind):
                self.assertEqual(b"78x", self.ask(function, "/users/7/x", script)[1])
        self.assertEqual(b"7", self.ask(lambda _, id: str(id), "/users/7/x", script)[1])
        self.assertEqual(b"none", self.ask(lambda: "none", "/users/7/x", script)[1])

    def test_coroutines(self) -> None:
        """Run on a loop of the stub's, the same for all, and several at once."""
        loops: set[object] = set()

        async def handle(request: RecordedRequest) -> dict[str, str]:
            loops.add(asyncio.get_running_loop())
            await asyncio.sleep(0)
            return {"path": request.raw_path}

        for _ in range(2):
            self.assertEqual(b'{"path": "/a"}', self.ask(handle)[1])
        self.assertEqual(1, len(loops))

    def test_it_runs_outside_the_lock(self) -> None:
        """A handler can ask the stub, script it, and be called while another one runs."""

        def handle(request: RecordedRequest) -> str:
            self.stub.on("GET", "/b").reply(200, "from b")
            return f"{len(self.stub.requests)} {requests.get(self.stub.url_for('/b'), timeout=HANG).text}"

        self.assertEqual(b"1 from b", self.ask(handle)[1])

    def test_what_it_raises(self) -> None:
        """Fails the test with its own traceback, whatever it is, and the stub goes on."""
        error: BaseException

        def handle() -> None:
            raise error

        async def handle_later() -> None:
            await asyncio.sleep(0)
            raise error

        for handler, error in (
            (handle, ValueError("bad")), (handle, AssertionError("wrong amount")), (handle, SystemExit(3)),
            (handle, KeyboardInterrupt()), (handle_later, LookupError("no such thing")),
        ):  # fmt: skip
            with self.subTest(error=error):
                self.begin("shop.test_a")
                self.stub.on("GET", "/a").reply_with(handler)
                self.assert_error(type(error), str(error))
                self.assertIn(handler.__name__, [frame.name for frame in traceback.extract_tb(error.__traceback__)])
        self.assertEqual(b"fine", self.ask(lambda: "fine")[1])

    def test_nonsense(self) -> None:
        """What cannot be sent fails the test, and names the function."""

        def handle() -> None:
            return None

        line = handle.__code__.co_firstlineno
        where = f"HandlerTest.test_nonsense.<locals>.handle ({__file__}:{line})"
        for value, told in (
            (None, "None"), (1.5, "1.5, of type float"), ((), "(), of type tuple"), (True, "True, of type bool"),
            (("a", "b"), "('a', 'b'), of type tuple"), ((None, 200), "(None, 200), of type tuple"),
            (("a", 200, 5), "('a', 200, 5), of type tuple"),
        ):  # fmt: skip
            with self.subTest(value=value):
                self.begin("shop.test_a")
                self.stub.on("GET", "/a").reply_with(functools.wraps(handle)(lambda value=value: value))
                self.assert_error(UsageError, f"the handler {where} returned {told}; {ANSWERS}")

    def test_nothing_is_injected(self) -> None:
        """A line end in what a handler returns never reaches the wire (field case G4)."""
        evil = "a\r\nX-Evil: 1"
        for place, make in (
            ("a header", lambda: Reply(headers={"X-A": evil})),
            ("a header's name", lambda: Reply(headers={evil: "1"})),
            ("the reason", lambda: Reply(reason=evil)),
            ("the content type", lambda: Reply(content_type=evil)),
            ("a trailer", lambda: Reply(trailers={"X-A": evil})),
            ("an informational response", lambda: Reply(informational=[(103, {"X-A": evil})])),
            ("what views return", lambda: ("body", 200, {"X-A": evil})),
            ("a cookie's path", lambda: Reply(cookies={"a": {"value": "b", "path": evil}})),
        ):
            with self.subTest(place):
                self.begin("shop.test_a")
                self.stub.on().reply_with(make)
                answer = self.send()
                errors = self.take_errors()
                self.assertNotIn("x-evil", answer.headers)
                self.assertTrue(errors or answer.status == 200)


class HookTest(ErrorTest):
    """`after`."""

    def test_several(self) -> None:
        """In their order, with request and reply; None leaves that as it is, and what views return is understood."""
        seen: list[int] = []
        self.stub.on().after(lambda _, reply: seen.append(reply.status)).reply(202).after(
            lambda request, reply: (request.method, reply.status + 1)
        ).after(lambda _, reply: seen.append(reply.status))
        answer = self.send()
        self.assertEqual((203, b"GET", [202, 203]), (answer.status, answer.body, seen))

    def test_the_reply_stays_what_it_is(self) -> None:
        """A hook that changes what is sent changes it for one request (a trap of other tools)."""
        self.stub.on().reply(200, b"a").after(lambda _, reply: reply.changed(body=reply.body + b"!"))
        self.assertEqual([b"a!"] * 3, [self.send().body for _ in range(3)])


class ApplicationTest(ErrorTest):
    """`reply_wsgi`."""

    def test_flask(self) -> None:
        """An application behind some paths of the stub; it gets the whole request."""
        app = flask.Flask("api")

        @app.post("/users/<int:number>")
        def view(number: int) -> Any:
            return {"n": number, "q": flask.request.args["q"], "form": flask.request.form["a"]}, 201

        self.stub.on("POST", re.compile("/users/.*")).reply_wsgi(app)
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = self.send("POST", "/users/5?q=1", "a=b", kind)
        self.assertEqual((201, b'{"form":"b","n":5,"q":"1"}\n'), (answer.status, answer.body))

    def test_what_it_announces(self) -> None:
        """Its length is sent, and no Content-Type that it has not set itself."""

        def app(environ: Any, start: Any) -> Any:
            start("200 OK", [("Content-Length", "3")])
            return [b"a", b"bc"]

        self.stub.on(None, "/a").reply_wsgi(app)
        answer = self.send("GET", "/a")
        self.assertEqual(
            (b"abc", "3", None), (answer.body, *map(answer.headers.get, ("content-length", "content-type")))
        )
        self.assertEqual(200, self.send("HEAD", "/a").status)


class UpstreamTest(ErrorTest):
    """`forward_to`."""

    def test_there_and_back(self) -> None:
        """Method, path, query, headers and body go there; status, headers and body come back; with whom to trust."""
        for tls in (False, True):
            with self.subTest(tls=tls), HTTPStub(tls=tls) as upstream:
                upstream.on("PUT", "/v1/a%20b").reply(418, b"tea", reason="Teapot", cookies={"a": "1"})
                self.stub.on().forward_to(f"{upstream.url}/v1/", ca_file=upstream.ca_file)
                answer = self.send("PUT", "/a%20b?c=%2F", b"body", {"X-A": "1", "Connection": "close"})
                (request,) = upstream.requests
                host = f"{upstream.host}:{upstream.port}"
            self.assertEqual((418, b"tea", "a=1; Path=/"), (answer.status, answer.body, answer.headers["set-cookie"]))
            sent = request.query_string.decode(), request.body, request.headers["X-A"], request.headers["Host"]
            self.assertEqual(("c=%2F", b"body", "1", host), sent)

    def exchange(self, request: bytes, answer: bytes, base: str = "") -> tuple[bytes, bytes]:
        """What an upstream that answers with these bytes is sent, and what the client is."""
        upstream = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(upstream.close)
        sent: list[bytes] = []

        def serve() -> None:
            connection = upstream.accept()[0]
            with connection:
                body = request.partition(b"\r\n\r\n")[2]
                sent.append(receive(connection, lambda data: data.endswith(b"\r\n\r\n" + body)))
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        self.stub.on().forward_to(f"http://127.0.0.1:{upstream.getsockname()[1]}{base}")
        with self.connect() as client:
            client.sendall(request)
            received = b""
            while more := client.recv(65536):
                received += more
        thread.join(HANG)
        return sent[0], received

    def test_octets(self) -> None:
        """Fields go in their order, with their names and values as they came; only the connection's own do not."""
        request = (
            b"PUT /caf%E9%2f?a=%zz HTTP/1.1\r\nHost: api.test\r\nx-A: 1\r\nX-a:2\r\nX_B: \xe9\xff\r\n"
            b"Connection: close, X-Hop\r\nX-Hop: 1\r\nTE: trailers\r\nContent-Length: 2\r\n\r\n\0\xff"
        )
        answer = (
            b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
            b"HTTP/1.1 299 Fine\r\nx-C: \xe9\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n"
            b"Connection: X-Hop\r\nX-Hop: 1\r\n\r\n\0\xfe"
        )
        sent, received = self.exchange(request, answer, "/v1")
        head, _, body = sent.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        self.assertEqual((b"PUT /v1/caf%E9%2f?a=%zz HTTP/1.1", b"\0\xff"), (lines[0], body))
        self.assertEqual(b"Host: 127.0.0.1", lines[1].rpartition(b":")[0])
        own = [b"x-A: 1", b"X-a:2", b"X_B: \xe9\xff", b"Content-Length: 2", b"Connection: close"]
        self.assertEqual(own, lines[2:])
        head, _, body = received.partition(b"\r\n\r\n")
        self.assertEqual("", self.stub.failure_report())
        lines = [line for line in head.split(b"\r\n") if not line.startswith((b"Date:", b"Server:"))]
        self.assertEqual(
            [b"HTTP/1.1 299 Fine", b"x-C: \xe9", b"Set-Cookie: a=1", b"Set-Cookie: b=2", b"Content-Length: 2",
             b"Connection: close"], lines
        )  # fmt: skip
        self.assertEqual(b"\0\xfe", body)

    def test_targets(self) -> None:
        """An origin server is sent a path, or the asterisk; the length of HEAD's is that of what a GET would get."""
        for method, target, base, wanted in (
            (b"OPTIONS", b"http://api.test/x?y=1", "/v1", b"/v1/x?y=1"), (b"HEAD", b"http://api.test", "", b"/"),
            (b"GET", b"http://api.test/x?y=1", "", b"/x?y=1"), (b"OPTIONS", b"*", "", b"*"),
            (b"HEAD", b"/?", "", b"/?"),
        ):  # fmt: skip
            with self.subTest(target=target, base=base):
                request = b"%b %b HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n" % (method, target)
                length = b"7" if method == b"HEAD" else b"0"
                answer = b"HTTP/1.1 200 OK\r\nContent-Length: %b\r\n\r\n" % length
                sent, received = self.exchange(request, answer, base)
                self.assertEqual(b"%b %b HTTP/1.1" % (method, wanted), sent.split(b"\r\n")[0])
                self.assertIn(b"\r\nContent-Length: %b\r\n" % length, received)

    def test_a_body_that_was_not_kept(self) -> None:
        """It cannot be passed on, and nothing of it is."""
        with HTTPStub(body_limit=3) as stub, HTTPStub() as upstream:
            stub.on().forward_to(upstream.url)
            self.assertEqual(500, self.send("POST", "/", b"abcdef", stub=stub).status)
            self.assertEqual([], upstream.requests)
            with self.assertRaisesRegex(AssertionError, "its body has 6 bytes, of which the first 3 are kept"):
                stub.verify()

    def test_a_client_that_leaves(self) -> None:
        """Nobody waits for the upstream any more; nor does a stop."""
        with HTTPStub() as upstream:
            hold = upstream.on().hold()
            self.stub.on().forward_to(upstream.url)
            for end in (lambda client: client.close(), lambda _client: self.stub.stop()):
                client = self.connect()
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                hold.wait(HANG)
                end(client)  # type: ignore[no-untyped-call]
                self.assertEqual([], self.stub.wait_until_idle(HANG))
                self.assertTrue(upstream.journal.wait_for(lambda: not hold.requests, HANG))

    def test_one_that_does_not_answer(self) -> None:
        """Fails the test after the time that was given, or at once where nobody is there; it says where that was."""
        with HTTPStub() as upstream:
            upstream.on().hold()
            self.stub.on("GET", "/a").forward_to(upstream.url, timeout=0.05)
            self.assert_error(
                UsageError, f"GET /a could not be passed on to {upstream.url}: TimeoutError: nothing came for 0.05 s"
            )
        self.stub.on("GET", "/a").forward_to(upstream.url)
        refused = "ConnectionRefusedError: [Errno 111] Connection refused"
        self.assert_error(UsageError, f"GET /a could not be passed on to {upstream.url}: {refused}")


class RedirectTest(StubTest):
    """`reply_redirect`."""

    def test_location(self) -> None:
        """Status and Location, and headers besides."""
        self.stub.on("GET", "/a").reply_redirect("/b?c=1")
        self.stub.on("GET", "/b").reply_redirect("https://example.com/", 308, headers={"X-A": "1"})
        first, second = self.send("GET", "/a"), self.send("GET", "/b")
        self.assertEqual((302, "/b?c=1"), (first.status, first.headers["location"]))
        self.assertEqual(
            (308, "https://example.com/", "1"), (second.status, second.headers["location"], second.headers["x-a"])
        )


class MisuseTest(unittest.TestCase):
    """What cannot answer is refused where it is written."""

    def test_messages(self) -> None:
        """Each says what was given, and what is wanted."""
        expectation: Any = make_expectation()
        url, to = "wanted a base URL such as 'https://api.example.com/v1'", "wanted a URL or a path, percent-encoded"
        function = "wanted a function, or an object with reply_to(request)"
        whole = "is a whole answer: give nothing else beside it"
        for verb, arguments, message in (
            ("reply", ("404",), "reply('404') would send this text with status 200; for the status write 404"),
            ("reply", (Reply(200), b"a"), f"a Reply {whole}"),
            ("reply", (Response("a"), b"a"), f"a Response {whole}"),
            ("reply", ({"a": 1}, b"a"), f"a dict {whole}"),
            ("reply", (("a", 200), b"a"), f"a tuple {whole}"),
            ("reply_sequence", (), "reply_sequence() was given nothing; wanted one reply or more"),
            ("reply_sequence", (200, 1.5), f"an answer is 1.5, of type float; {ANSWERS}"),
            ("reply_with", ("x",), f"reply_with() was given 'x'; {function}"),
            ("reply_raw", ("text",), "reply_raw() was given 'text', of type str; wanted bytes"),
            ("reply_wsgi", ("app",), "reply_wsgi() was given 'app'; wanted a WSGI application"),
            ("reply_redirect", ("/b", 200), "status is 200; wanted one of 301, 302, 303, 307, 308"),
            *[("reply_redirect", (wrong,), f"to is {wrong!r}; {to}") for wrong in ("", "/a b", "/grün", None)],
            *[
                ("forward_to", (wrong,), f"upstream is {wrong!r}; {url}")
                for wrong in ("api.example.com", "ftp://a", "http://", "http://a/?b=1", None)
            ],
            ("after", (5,), "after() was given 5; wanted a function of a request and a reply"),
        ):
            with self.subTest(verb=verb, arguments=arguments), self.assertRaises(UsageError) as caught:
                getattr(expectation, verb)(*arguments)
            self.assertEqual(message, str(caught.exception))
        with self.assertRaisesRegex(UsageError, "^then is 'stop'; wanted 'fail', 'repeat', 'cycle'$"):
            expectation.reply_sequence(200, then="stop")

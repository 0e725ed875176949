"""Content that answers whatever nothing else does, and the attributes of a stub and of what its verbs return."""

from __future__ import annotations

from typing import Any

from liveserver_testcase import Chunked, Fault, HTTPStub, ServerNotStarted, UsageError
from tests.integration.stub.support import StubTest, receive


class ContentTest(StubTest):
    """``serve_content()``, which answers whatever nothing else does."""

    def test_every_request_gets_it(self) -> None:
        """Whatever its method and path, but for those of an expectation; of bytes no charset is guessed."""
        self.stub.on("GET", "/own").reply(201)
        for content, body, kind in (
            ("<p>grün</p>", "<p>grün</p>".encode(), "text/html; charset=utf-8"),
            (b"\x00\xff", b"\x00\xff", "application/octet-stream"),
        ):
            self.stub.serve_content(content)
            for method, target in (("GET", "/"), ("POST", "/a?b=1"), ("DELETE", "/c")):
                with self.subTest(method=method, content=content):
                    answer = self.send(method, target)
                    self.assertEqual((200, body, kind), (answer.status, answer.body, answer.headers["content-type"]))
        self.assertEqual((201, ""), (self.send("GET", "/own").status, self.stub.failure_report()))

    def test_each_call_is_complete(self) -> None:
        """Content, code and headers of an earlier call do not stick."""
        self.stub.serve_content("a", 404, {"X-A": "1", "Content-Type": "text/plain"})
        first = self.send()
        self.stub.serve_content("b")
        second = self.send()
        self.assertEqual(
            [(404, b"a", "1", "text/plain"), (200, b"b", None, "text/html; charset=utf-8")],
            [(each.status, each.body, *map(each.headers.get, ("x-a", "content-type"))) for each in (first, second)],
        )

    def test_without_a_body(self) -> None:
        """204 and 304 are sent without body, length and type; the connection stays."""
        for code in (204, 304):
            with self.subTest(code=code):
                self.stub.serve_content(code=code)
                client = self.connect()
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
                heads = receive(client, lambda data: data.count(b"\r\n\r\n") == 2).split(b"\r\n\r\n")
                self.assertEqual([b"", 3], [heads[2], len(heads)])
                for head in heads[:2]:
                    self.assertTrue(head.startswith(b"HTTP/1.1 %d " % code), head)
                    self.assertNotIn(b"content-", head.lower())
                    self.assertNotIn(b"close", head.lower())

    def test_a_delay_holds_up_nobody_else(self) -> None:
        """Other clients are answered meanwhile, and the script can be changed."""
        self.stub.on("GET", "/slow").reply(200, delay=60)
        client = self.connect()
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        self.wait_for(lambda: self.stub.requests)
        self.stub.on("GET", "/quick").reply(200)
        client = self.connect()
        client.sendall(b"GET /quick HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual(b"HTTP/1.1 200", client.recv(1000)[:12])


class LocalserverTest(StubTest):
    """What pytest-localserver's users know: ``content``, ``code``, ``headers``, ``chunked``, as they are sent."""

    def test_each_is_set_by_itself(self) -> None:
        """What was set before stays, with what `serve_content` alone can say; of headers one gets a copy."""
        self.stub.serve_content("a", cookies={"session": "7"})
        self.stub.code = 404
        self.stub.headers = {"X-A": "1"}
        self.stub.content = "none"
        headers = self.stub.headers
        assert isinstance(headers, dict)
        headers["X-B"] = "2"

        answer = self.send()

        self.assertEqual((404, "none", "1"), (answer.status, answer.text, answer.headers["x-a"]))
        self.assertEqual(("session=7; Path=/", None), (answer.headers["set-cookie"], answer.headers.get("x-b")))
        served = self.stub.content, self.stub.code, self.stub.headers, self.stub.chunked
        self.assertEqual(("none", 404, {"X-A": "1"}, Chunked.NO), served)

    def test_they_show_what_serve_content_was_given(self) -> None:
        """A call replaces all of them; what it is not given is as before any call; what is refused changes nothing."""
        self.stub.code = 404
        self.stub.serve_content(iter(["a", "b"]), chunked=True)

        for name, value in (("content", 5), ("code", 99), ("headers", {"a b": "c"}), ("chunked", "yes")):
            with self.subTest(name=name), self.assertRaises(UsageError):
                setattr(self.stub, name, value)

        self.assertEqual((["a", "b"], 200, Chunked.YES), (self.stub.content, self.stub.code, self.stub.chunked))
        self.stub.chunked = False
        self.assertEqual("2", self.send().headers["content-length"])

    def test_they_end_with_the_test(self) -> None:
        """The next test finds what the class has served."""
        self.stub.content = "class"
        self.begin("a")
        self.stub.content = "test"
        self.begin("b")

        self.assertEqual(("class", "class"), (self.stub.content, self.send().text))

    def test_content_of_several_pieces(self) -> None:
        """Also of a generator: every request gets all."""
        for content in (["a", "b"], (piece for piece in (b"a", b"b")), ["a", b"b"]):
            with self.subTest(content=content):
                self.stub.serve_content(content)
                self.assertEqual(["ab", "ab"], [self.send().text for _ in range(2)])

    def test_chunked(self) -> None:
        """Always, never, or as the headers say; framed correctly in each case, or refused."""
        asks = {"Transfer-Encoding": "chunked"}
        for mode, headers, is_chunked in (
            (Chunked.YES, None, True), (Chunked.AUTO, asks, True), (Chunked.AUTO, None, False),
            (Chunked.NO, None, False),
        ):  # fmt: skip
            with self.subTest(mode=mode, headers=headers):
                self.stub.serve_content(["a", "b"], headers=headers, chunked=mode)
                answer = self.send()
                self.assertEqual(("ab", is_chunked), (answer.text, "transfer-encoding" in answer.headers))
                self.assertEqual(mode is Chunked.YES, bool(mode))
        with self.assertRaises(UsageError):
            self.stub.serve_content("a", headers=asks, chunked=Chunked.NO)
        with self.assertRaisesRegex(UsageError, "^chunked is 'yes'; wanted Chunked.YES, Chunked.NO or Chunked.AUTO$"):
            self.stub.serve_content("a", chunked="yes")  # type: ignore[arg-type]

    def test_show_post_vars(self) -> None:
        """A form that is posted is answered with its fields."""
        self.stub.serve_content("a", show_post_vars=True)
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        self.assertEqual('{"a": "1", "b": "2"}', self.send("POST", "/", b"a=1&b=2", form).text)
        self.assertEqual("a", self.send("GET", "/").text)


class AttributesTest(StubTest):
    """Attributes that a stub, or what its verbs return, does not have."""

    def test_an_unknown_one_cannot_be_set(self) -> None:
        """A misspelt setting is an error with the name that was meant; silence would change what a test proves."""
        view, order = self.stub.defaults(prefix="/v1"), self.stub.scenario("order")
        expectation = self.stub.on("GET", "/a")
        fault = self.stub.on_connect(Fault.CLOSE, times=1)
        fault.end()
        with self.stub.refuse_connections() as outage:
            pass
        own = "set it on the stub itself"
        cases: list[tuple[object, str, str]] = [
            (expectation.hold(), "timeout", "Hold: nothing of it can be set; its timeout is given to hold()"),
            (outage, "is_ovr", "Outage: did you mean 'is_over'?"),
            (fault, "tmes", "ConnectionFault: did you mean 'times'?"),
            (self.stub, "is_stict", "HTTPStub: did you mean 'is_strict'?"),
            (self.stub, "kontent", "HTTPStub: did you mean 'content'?"),
            (view, "prefixx", f"Defaults: {own}"),
            (view, "is_strict", f"Defaults: {own}"),
            (order, "stat", "ScenarioScript: did you mean 'state'?"),
            (expectation, "tmes", "Expectation: did you mean 'times'?"),
        ]
        for owner, name, message in cases:
            with self.subTest(name=name), self.assertRaises(AttributeError) as caught:
                setattr(owner, name, True)
            wanted = f"cannot set {name!r}: {message.replace(':', ' has no such attribute:', 1)}"
            self.assertEqual(wanted, str(caught.exception))
        self.assertTrue(self.stub.is_strict)
        for name in ("requests", "on", "url", "body_limit"):  # a method or a fact is no setting
            with self.subTest(name=name), self.assertRaises(AttributeError) as caught:
                setattr(self.stub, name, None)
            self.assertEqual(f"HTTPStub.{name} can only be read", str(caught.exception))

    def test_an_unknown_one_cannot_be_read(self) -> None:
        """The message names the nearest; a port that is not there yet is no unknown attribute."""
        for owner, name, message in (
            (self.stub, "request", "HTTPStub has no attribute 'request': did you mean 'requests'"),
            (self.stub.defaults(), "request", "HTTPStub has no attribute 'request': did you mean 'requests'"),
        ):
            with self.subTest(owner=owner), self.assertRaises(AttributeError) as caught:
                getattr(owner, name)
            self.assertEqual(message, str(caught.exception)[: len(message)])
        with self.assertRaisesRegex(ServerNotStarted, "has no port yet"):
            HTTPStub().port  # noqa: B018
        verify: Any = self.stub.verify
        with self.assertRaisesRegex(TypeError, r"^verify\(\) got an unexpected keyword argument 'x'\. It takes none$"):
            verify(x=1)

    def test_a_view_has_the_rest_of_its_stub(self) -> None:
        """What is not written through it is the stub's own."""
        view = self.stub.defaults(prefix="/v1")
        view.get("/a").reply(201)
        self.assertEqual(201, self.send("GET", "/v1/a").status)
        self.assertEqual(self.stub.requests, view.requests)  # type: ignore[attr-defined]

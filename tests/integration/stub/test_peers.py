"""What the peers' users can script and ask, each under the name that they know it by."""

from __future__ import annotations

import re
import threading
from typing import Any

from werkzeug.datastructures import MultiDict

from liveserver_testcase import ABSENT, INCLUDING, Chunked, Reply, UsageError
from liveserver_testcase.stub.request import RecordedRequest
from tests.integration.stub.support import Answer, StubTest
from tests.support import HANG


class PeerTest(StubTest):
    """A stub, and a client that looks at the status."""

    def status(self, method: str = "GET", target: str = "/", body: object = None, **headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send(method, target, body, named).status


class PytestHTTPServerTest(PeerTest):
    """pytest-httpserver."""

    def test_expect_request(self) -> None:
        """A permanent handler: ``on()``; the method's case is no matter."""
        self.stub.on("POST", "/x").reply(201)
        self.assertEqual(
            [201, 201, 501], [self.status("POST", "/x"), self.status("POST", "/x"), self.status("GET", "/x")]
        )

    def test_expect_oneshot_request(self) -> None:
        """``on(times=1)``; unlike there, the next request falls through to another that matches."""
        self.stub.on("GET", "/x").reply(202)
        self.stub.on("GET", "/x", times=1).reply(201)
        self.assertEqual([201, 202], [self.status("GET", "/x"), self.status("GET", "/x")])

    def test_expect_ordered_request(self) -> None:
        """``in_order()``; unlike there, one stray request does not spoil the rest."""
        with self.stub.in_order():
            self.stub.expect("GET", "/a").reply(201)
            self.stub.expect("GET", "/b").reply(202)
        self.assertEqual([501, 201, 202], [self.status("GET", target) for target in ("/favicon.ico", "/a", "/b")])

    def test_method_all_and_uri_default(self) -> None:
        """None stands for any."""
        self.stub.on().reply(201)
        self.assertEqual([201, 201], [self.status("PATCH", "/x"), self.status("DELETE", "/y")])

    def test_uri_pattern(self) -> None:
        """A compiled pattern must match all of the path, unlike there."""
        self.stub.on("GET", re.compile("/foo")).reply(201)
        self.assertEqual([201, 501], [self.status("GET", "/foo"), self.status("GET", "/foobar")])

    def test_query_string(self) -> None:
        """A text, a mapping, a MultiDict, a function; repeated parameters all count, and numbers are understood."""
        for query in (
            "a=1&a=2",
            {"a": ["1", "2"]},
            {"a": [1, 2]},
            MultiDict([("a", "1"), ("a", "2")]),
            lambda args: "a" in args,
        ):
            with self.subTest(query=query):
                expectation = self.stub.on("GET", "/x", query=query).reply(201)
                self.assertEqual(201, self.status("GET", "/x?a=1&a=2"))
                expectation.remove()
        self.stub.on("GET", "/x", query={"a": "1"}).reply(201)
        self.assertEqual(501, self.status("GET", "/x?a=1&a=2"))

    def test_headers_and_header_value_matcher(self) -> None:
        """A subset; a function of the value is a matcher."""
        self.stub.on("GET", headers={"X-A": "1", "X-B": lambda value: value.startswith("b")}).reply(201)
        self.assertEqual([201, 501], [self.status(X_A="1", X_B="bc", X_C="c"), self.status(X_A="1", X_B="c")])

    def test_authorization_header_is_parsed(self) -> None:
        """The order of a digest's parameters is no matter."""
        self.stub.on("GET", headers={"Authorization": 'Digest realm="a", nonce="b"'}).reply(201)
        self.assertEqual(201, self.status(Authorization='Digest nonce="b", realm="a"'))

    def test_data_and_json(self) -> None:
        """Bytes, text, JSON; ``json=None`` is null, and true is not 1."""
        self.stub.on("POST", "/data", body=b"\x00").reply(201)
        self.stub.on("POST", "/null", json=None).reply(202)
        self.stub.on("POST", "/json", json={"a": 1}).reply(203)
        self.assertEqual([201, 202], [self.status("POST", "/data", b"\x00"), self.status("POST", "/null", b"null")])
        self.assertEqual([203, 501], [self.status("POST", "/json", b) for b in (b'{"a": 1}', b'{"a": true}')])

    def test_data_and_json_exclude_each_other(self) -> None:
        """A request has one body."""
        with self.assertRaises(UsageError):
            self.stub.on(body=b"a", json=1)

    def test_expect_with_a_request_matcher_of_ones_own(self) -> None:
        """``matcher=``, with an object that has ``matches()``."""

        class Matcher:
            def matches(self, request: RecordedRequest) -> bool:
                return request.path.endswith("x")

        self.stub.on(matcher=Matcher()).reply(201)
        self.assertEqual([201, 501], [self.status("GET", "/ax"), self.status("GET", "/a")])

    def test_difference(self) -> None:
        """What a request lacks, criterion by criterion."""
        self.status("GET", "/x")
        found = self.stub.last_request.difference("POST", "/y")
        self.assertEqual(
            ["method: wanted POST, got GET", "path: wanted '/y', got '/x'"],
            [str(each).partition(" (")[0] for each in found],
        )

    def test_with_post_hook(self) -> None:
        """``after()``: several, in order, and the reply stays what it was for the next request."""
        expectation = self.stub.on().reply(200, "a")
        for letter in "bc":
            expectation.after(lambda request, reply, letter=letter: Reply(200, reply.body + letter.encode()))
        self.assertEqual(["abc", "abc"], [self.send().text, self.send().text])

    def test_a_handler_without_a_response(self) -> None:
        """It fails the test, unlike there, with the place where it is written."""
        self.stub.on("GET", "/x")
        self.assertEqual(501, self.status("GET", "/x"))
        self.assertIn("what matches it has no reply; add .reply(…)", self.stub.failure_report())

    def test_wait(self) -> None:
        """For all that must come; it ends when the requests are recorded, not when they are chosen."""
        self.stub.expect("GET", "/a").reply(200, delay=0.05)
        thread = threading.Thread(target=self.status, args=["GET", "/a"])
        thread.start()
        self.addCleanup(thread.join, HANG)
        self.stub.wait_until_satisfied(HANG)
        self.assertEqual(["/a"], [request.path for request in self.stub.requests])

    def test_check(self) -> None:
        """``verify()``; everything at once, not the first error only."""
        self.status("GET", "/a")
        self.status("GET", "/b")
        with self.assertRaises(AssertionError) as caught:
            self.stub.verify()
        self.assertIn("#1: nothing answers GET /a", str(caught.exception))
        self.assertIn("#2: nothing answers GET /b", str(caught.exception))

    def test_clear(self) -> None:
        """``reset()``."""
        self.stub.on().reply(200)
        self.stub.serve_content("x")
        self.status()
        self.stub.reset()
        self.assertEqual(([], []), (self.stub.requests, self.stub.expectations))
        self.assertEqual(501, self.status())

    def test_log_and_get_matching_requests_count(self) -> None:
        """``requests`` and ``matches()``; requests that were not answered are there, too."""
        self.stub.on("GET", "/a").reply(200)
        for target in ("/a", "/b", "/a"):
            self.status("GET", target)
        self.assertEqual(2, sum(request.matches("GET", "/a") for request in self.stub.requests))
        self.assertEqual(["/b"], [request.path for request in self.stub.unmatched])

    def test_format_matchers(self) -> None:
        """``explain()``."""
        self.stub.on("GET", "/a").reply(200)
        self.assertIn("  GET '/a', any number of times, called 0 times, written at", self.stub.explain())

    def test_bake(self) -> None:
        """``defaults()``; headers merge, unlike there."""
        api = self.stub.defaults(headers={"X-A": "1"})
        api.on("GET", "/x", headers={"X-B": "2"}).reply(201)
        self.assertEqual([501, 201], [self.status("GET", "/x", X_B="2"), self.status("GET", "/x", X_A="1", X_B="2")])

    def test_no_handler_status_code(self) -> None:
        """``unmatched_reply``, of a class ``stub_unmatched``."""
        self.stub.unmatched_reply = Reply(404)
        self.assertEqual(404, self.status())

    def test_nothing_of_a_stub_is_shared_with_another(self) -> None:
        """Not its matchers either."""
        api = self.stub.defaults(headers={"X-A": "1"})
        self.assertEqual({}, getattr(self.stub.defaults(), "_criteria", None))
        self.assertEqual("GET '/x' headers={'X-A': '1'}", api.get("/x").describe())


class PytestLocalserverTest(PeerTest):
    """pytest-localserver."""

    def answer(self, *arguments: Any, **options: Any) -> Answer:
        self.stub.serve_content(*arguments, **options)
        return self.send()

    def test_serve_content(self) -> None:
        """Content, code and headers; each call is complete, unlike there, where headers stay."""
        self.assertEqual((404, "1"), (self.answer("a", 404, {"X-A": "1"}).status, self.send().headers.get("x-a")))
        self.assertNotIn("x-a", self.answer("b").headers)

    def test_content_of_several_pieces(self) -> None:
        """Also of a generator: every request gets all."""
        for content in (["a", "b"], (piece for piece in (b"a", b"b")), ["a", b"b"]):
            with self.subTest(content=content):
                self.assertEqual("ab", self.answer(content).text)
                self.assertEqual("ab", self.send().text)

    def test_chunked(self) -> None:
        """Always, never, or as the headers say; framed correctly in each case."""
        asks = {"Transfer-Encoding": "chunked"}
        for mode, headers, is_chunked in (
            (Chunked.YES, None, True),
            (Chunked.AUTO, asks, True),
            (Chunked.AUTO, None, False),
            (Chunked.NO, None, False),
        ):
            with self.subTest(mode=mode, headers=headers):
                answer = self.answer(["a", "b"], headers=headers, chunked=mode)
                self.assertEqual(("ab", is_chunked), (answer.text, "transfer-encoding" in answer.headers))

    def test_chunked_against_the_headers_is_refused(self) -> None:
        """There, the client gets a broken body."""
        with self.assertRaises(UsageError):
            self.stub.serve_content("a", headers={"Transfer-Encoding": "chunked"}, chunked=Chunked.NO)
        with self.assertRaises(UsageError) as caught:
            self.stub.serve_content("a", chunked="yes")  # type: ignore[arg-type]
        self.assertEqual("chunked is 'yes'; wanted Chunked.YES, Chunked.NO or Chunked.AUTO", str(caught.exception))

    def test_chunked_is_as_true_as_it_says(self) -> None:
        """As there."""
        self.assertEqual([True, False, False], [bool(Chunked.YES), bool(Chunked.NO), bool(Chunked.AUTO)])

    def test_show_post_vars(self) -> None:
        """A form that is posted is answered with its fields."""
        self.stub.serve_content("a", show_post_vars=True)
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        self.assertEqual('{"a": "1", "b": "2"}', self.send("POST", "/", b"a=1&b=2", form).text)
        self.assertEqual("a", self.send("GET", "/").text)

    def test_requests_and_store_request_data(self) -> None:
        """Always kept, with their bodies."""
        self.stub.serve_content()
        self.status("POST", "/x", b"body")
        self.assertEqual(b"body", self.stub.requests[0].get_data())

    def test_cookies_and_delay(self) -> None:
        """Beyond it: what test_server has."""
        answer = self.answer("a", cookies={"sid": "1"}, delay=0.01)
        self.assertTrue(answer.headers["set-cookie"].startswith("sid=1"))


class TestServerTest(PeerTest):
    """test_server."""

    def test_add_response(self) -> None:
        """``enqueue()``, with a method or without, which is no matter of case; in their order."""
        self.stub.enqueue(201)
        self.stub.enqueue(202, method="POST")
        self.assertEqual([202, 201, 501], [self.status("POST"), self.status("POST"), self.status("POST")])

    def test_add_response_with_a_count(self) -> None:
        """``on(times=n)``."""
        self.stub.on(times=2).reply(201)
        self.assertEqual([201, 201, 501], [self.status(), self.status(), self.status()])

    def test_get_request(self) -> None:
        """``last_request``; the request that found no response is there, too."""
        self.status("GET", "/x?a=1")
        self.assertEqual("1", self.stub.last_request.args["a"])

    def test_wait_request(self) -> None:
        """``wait_for_request()``; nothing polls."""
        thread = threading.Thread(target=self.status, args=["GET", "/x"])
        thread.start()
        self.addCleanup(thread.join, HANG)
        self.assertEqual("/x", self.stub.wait_for_request(timeout=HANG).path)

    def test_request_is_done(self) -> None:
        """Whether anything came at all."""
        self.assertFalse(self.stub.requests)
        self.status()
        self.assertTrue(self.stub.requests)

    def test_every_method(self) -> None:
        """HEAD is answered, and TRACE, unlike there."""
        self.stub.on().reply(200)
        for method in ("HEAD", "TRACE", "OPTIONS", "PATCH"):
            self.assertEqual(200, self.status(method))

    def test_response_once(self) -> None:
        """Bounded before unbounded: once before for ever."""
        self.stub.on("GET").reply(200)
        self.stub.on("GET", times=1).reply(503)
        self.assertEqual([503, 200], [self.status(), self.status()])


class OthersTest(PeerTest):
    """WireMock, responses, requests-mock and their like."""

    def test_absent_and_any_besides(self) -> None:
        """``absent()``, ``including``."""
        self.stub.on("GET", "/x", query=INCLUDING({"a": "1", "debug": ABSENT})).reply(201)
        self.assertEqual([201, 501], [self.status("GET", "/x?a=1&b=2"), self.status("GET", "/x?a=1&debug=1")])

    def test_response_sequence(self) -> None:
        """A list of responses; what comes after the last is said."""
        self.stub.on("GET", "/x").reply_sequence(503, Reply(200), then="repeat")
        self.assertEqual([503, 200, 200], [self.status("GET", "/x") for _ in range(3)])

    def test_an_empty_queue_answers_at_once(self) -> None:
        """MockWebServer's blocks."""
        self.stub.enqueue(200)
        self.assertEqual([200, 501], [self.status(), self.status()])

    def test_the_favicon_is_nothing_special(self) -> None:
        """It is a request as any other."""
        self.assertEqual(501, self.status("GET", "/favicon.ico"))
        self.assertEqual(["/favicon.ico"], [request.path for request in self.stub.unmatched])

    def test_an_encoded_slash_is_none(self) -> None:
        """Both forms of the path are there."""
        self.stub.on("GET", "/a%2Fb").reply(201)
        self.assertEqual([201, 501], [self.status("GET", "/a%2Fb"), self.status("GET", "/a/b")])
        self.assertEqual(["/a%2Fb", "/a/b"], [request.raw_path for request in self.stub.requests])

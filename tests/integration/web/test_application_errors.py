"""Applications that fail, or ask for what must not go on the wire: recorded, and never the client's problem."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from liveserver_testcase.errors import InvalidResponse
from liveserver_testcase.web.records import Exchange
from tests.integration.web.wire import GET, PLAIN, WireTestCase, checked, get, hello, post, streaming

IN_ALL = "wanted an iterable of bytes"


def answering(status: Any = "200 OK", headers: Any = PLAIN, body: Any = (b"",)) -> Callable[..., Any]:
    """An application that answers with whatever it is given."""

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response(status, headers)
        return body

    return app


class ErrorCase(WireTestCase):
    """Looks at what an application's error leads to."""

    def fails(self, app: Any, request: bytes = GET) -> BaseException:
        """The one error of ``app``, if the client gets a plain 500 and the server lives."""
        server = self.serve(lambda e, s: (app if e["PATH_INFO"] == "/" else hello)(e, s), valid=False)
        client = self.connect(server)
        answer = client.ask(request)
        self.assertEqual((500, "Internal Server Error"), (answer.status, answer.reason))
        self.assertEqual(b"Internal Server Error\n", answer.body)
        self.assertEqual(b"hello", self.connect(server).ask(get("/good")).body)
        exchange = self.exchanges(server, 2)[0]
        self.assertEqual((500, True, "", ""), (exchange.status, exchange.completed, exchange.aborted, exchange.refused))
        return self.only_error(exchange)

    def only_error(self, exchange: Exchange) -> BaseException:
        """The one error of an exchange."""
        self.assertEqual(1, len(exchange.errors), exchange.errors)
        return exchange.errors[0]


class WhatMustNotBeSent(ErrorCase):
    """Responses that are refused: each message is held letter by letter."""

    def check(self, table: list[tuple[Any, str]]) -> None:
        for app, message in table:
            with self.subTest(message=message):
                error = self.fails(app)
                self.assertIsInstance(error, InvalidResponse)
                self.assertEqual(message, str(error))

    def test_status(self) -> None:
        """A status that is none, or holds a line of its own."""
        wanted = "is no status: wanted a code and a reason in one line, such as '200 OK'"
        self.check(
            [
                (answering(status), f"status {status!r} {wanted}")
                for status in (
                    "", "OK", "20 OK", "2000 OK", "099 X", "200 OK\r\nX-Evil: 1", "200 a\nb", "200 a\rb", "200 a\0b",
                    "200\tOK", "\u0662\u0660\u0660 OK", b"200 OK", 200, None,
                )
            ]
        )  # fmt: skip

    def test_header_names(self) -> None:
        """A name that is no token."""
        wanted = "is not a token: wanted letters, digits and !#$%&'*+-.^_`|~ only"
        names = ("", "a b", "a:", "a\r\nX-Evil", "a\nb", "a\rb", "a\0", "\xe4", "\u20ac", " a", "a ", "(", b"a", None)
        self.check([(answering(headers=[(name, "x")]), f"header name {name!r} {wanted}") for name in names])

    def test_header_values(self) -> None:
        """A value with a line of its own, or of another type, also of the server's headers; no secret is printed."""
        hint = "a CR, LF or NUL must not be in it"
        values = ("a\r\nX-Evil: 1", "a\nb", "a\rb", "a\0b", "\r\n", "\n", "a: b\r\n", "\u20ac\n")
        names = ("Transfer-Encoding", "Keep-Alive", "Connection", "Date", "Server")
        pairs = [*(("X-A", value) for value in values), *((name, "x\r\nX-Evil: 1") for name in names)]
        table = [
            (answering(headers=[*PLAIN, (name, value)]), f"header {name!r} has the value {value!r}: {hint}")
            for name, value in pairs
        ]
        latin = "it is not Latin-1, so encode it (RFC 8187, or percent-encoding)"
        for app, what in (
            (answering(headers=[("X-A", "10 \u20ac")]), "header 'X-A' has the value '10 \u20ac'"),
            (answering("200 \u20ac"), "the status is '200 \u20ac'"),
        ):
            table.append((app, f"{what}: {latin}"))
        cookie = answering(headers=[("Set-Cookie", "a=b\r\nSet-Cookie: admin=1")])
        table.append((cookie, f"header 'Set-Cookie' has the value '***': {hint}"))
        for value in (b"a", 1, None):
            what = f"{value!r}, of type {type(value).__name__}"
            table.append((answering(headers=[("X-A", value)]), f"header 'X-A' has the value {what}: wanted a str"))
        self.check(table)

    def test_content_length(self) -> None:
        """A Content-Length that is no number, or two that differ."""
        table = [
            (answering(headers=[("Content-Length", value)]), f"Content-Length is {value!r}: wanted a number of bytes")
            for value in ("", "-1", "+5", "5 ", "0x5", "5, 5", "\u0665", "5\r\nX-Evil: 1", "9" * 19)
        ]
        two = [("Content-Length", "5"), ("content-length", "6")]
        self.check([*table, (answering(headers=two), "two Content-Length headers that differ: 5 and 6")])

    def test_length_of_a_list(self) -> None:
        """A Content-Length that a list, or an empty stream, does not keep to: nothing has left, so there is a 500."""
        for body, size in (([b"hel", b"lo"], 5), ((b"hello",), 5), ([], 0), (iter([]), 0)):
            for length in ("4" if size else "1", "6"):
                app = answering(headers=[("Content-Length", length)], body=body)
                with self.subTest(body=body, length=length):
                    self.check([(app, f"the body has {size} bytes, and its Content-Length says {length}")])

    def test_not_started(self) -> None:
        """An application that never calls start_response()."""
        message = "the application sent a body, or ended, without calling start_response()"
        bodies: list[Any] = [[], [b"hello"], (b"hello",), iter([b"hello"]), iter([])]
        self.check([(lambda e, s, body=body: body, message) for body in bodies])

    def test_started_twice(self) -> None:
        """An application that calls start_response() twice without exc_info, or with one that holds no exception."""

        def twice(*rest: Any) -> Any:
            def app(environ: dict[str, Any], start_response: Any) -> Any:
                start_response("200 OK", PLAIN)
                start_response("200 OK", PLAIN, *rest)
                return [b""]

            return app

        message = "start_response() was called a second time without exc_info"
        self.check([(twice(*rest), message) for rest in ((), (None,), ((None, None, None),))])

    def test_no_iterable_of_bytes(self) -> None:
        """An application that returns no iterable of bytes."""
        long = "x" * 200
        table: list[tuple[Any, str]] = [
            (answering(body=body), f"the application returned {shown}, of type {type(body).__name__}: {IN_ALL}")
            for body, shown in (
                (None, "None"), ("hello", "'hello'"), (b"hello", "b'hello'"), (5, "5"),
                (long, f"'{'x' * 120}'… (200 characters)"),
            )
        ]  # fmt: skip
        for item in ("hello", None, 5, bytearray(b"x")):
            message = f"the application's body has the item {item!r}, of type {type(item).__name__}: wanted bytes"
            table += [(answering(body=[b"", item]), message), (answering(body=iter([b"", item])), message)]
        self.check(table)

    def test_recovery(self) -> None:
        """After a refused start_response() another one is welcome."""

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            try:
                start_response("200 OK", [("X-A", "a\r\nb")])
            except ValueError:
                start_response("200 OK", [("X-A", "b")])
            return [b""]

        answer = self.ask(app, valid=False)
        self.assertEqual((200, "b"), (answer.status, answer.get("X-A")))

    def test_malformed_headers(self) -> None:
        """Headers that are no pairs are an error like any other."""
        for headers in (None, [("a",)], [("a", "b", "c")], "ab", [[]], [({}, "x")]):
            with self.subTest(headers=headers):
                self.assertIsInstance(self.fails(answering(headers=headers)), TypeError | ValueError)
        self.assertIsInstance(self.fails(checked(answering(headers=[]))), AssertionError)  # of wsgiref's validator


class Raised(ErrorCase):
    """Exceptions of the application."""

    KINDS = (
        ValueError, AssertionError, SystemExit, KeyboardInterrupt, GeneratorExit, BaseException, OSError, StopIteration,
    )  # fmt: skip

    def test_in_the_call(self) -> None:
        """Whatever is raised is recorded with its traceback; the client gets a 500 that says nothing of it."""
        for kind in self.KINDS:
            with self.subTest(kind=kind):

                def app(environ: dict[str, Any], start_response: Any, kind: Any = kind) -> Any:
                    start_response("200 OK", PLAIN)
                    raise kind("secret")

                error = self.fails(app)
                self.assertIs(kind, type(error))
                frames = traceback.extract_tb(error.__traceback__)
                self.assertEqual('raise kind("secret")', frames[-1].line)
                self.assertFalse([frame for frame in frames if "liveserver_testcase/web" in frame.filename], frames)
        before_the_head = streaming(b"", KeyError("secret"), headers=[*PLAIN, ("Content-Length", "100")])
        self.assertIsInstance(self.fails(before_the_head), KeyError)

    def test_after_the_head(self) -> None:
        """When the response has begun, the connection is cut, so that the client sees that something is missing."""
        for kind in (ValueError, SystemExit, KeyboardInterrupt):
            for headers in (PLAIN, [*PLAIN, ("Content-Length", "100")]):
                with self.subTest(kind=kind, headers=headers):
                    server = self.serve(streaming(b"some", kind("secret"), headers=headers))
                    with self.assertRaises(EOFError):
                        self.connect(server).ask(GET)
                    exchange = self.exchange(server)
                    self.assertIs(kind, type(self.only_error(exchange)))
                    self.assertEqual((200, False, ""), (exchange.status, exchange.completed, exchange.aborted))

    def test_after_the_head_of_http_1_0(self) -> None:
        """Where the end of the connection is the end of the body, it is reset: nothing else tells the client."""
        with self.assertRaises(ConnectionResetError):
            self.connect(self.serve(streaming(b"some", ValueError("secret")))).ask(get(version="1.0"))

    def test_in_close(self) -> None:
        """An error in close() comes after the answer, and is recorded."""

        class Body(list):  # type: ignore[type-arg]
            def close(self) -> None:
                raise ValueError("in close")

        server = self.serve(answering(body=Body([b"hello"])), valid=False)
        self.assertEqual(b"hello", self.connect(server).ask(GET).body)
        exchange = self.exchange(server)
        self.assertEqual("in close", str(self.only_error(exchange)))
        self.assertEqual((200, True), (exchange.status, exchange.completed))

    def test_nothing_else_comes_of_it(self) -> None:
        """No line is logged, the server's own stop does not raise it, and it is handed out once, with its exchange."""
        logged = self.keep_logs()
        self.fails(self.raise_value_error)
        server = self.serve(self.raise_value_error, valid=False)
        self.connect(server).ask(GET)
        exchange = self.exchange(server)
        self.assertEqual([(exchange, exchange.errors[0])], server.take_errors())
        self.assertEqual([], server.take_errors())
        server.stop()
        self.assertEqual([], logged)

    def test_connection_stays(self) -> None:
        """After a 500 the connection can be used again, and a body that nobody has read is not taken for a request."""
        client = self.connect(self.serve(self.raise_value_error, valid=False))
        for _ in range(3):
            self.assertEqual(500, client.ask(post(GET)).status)

    def raise_value_error(self, environ: dict[str, Any], start_response: Any) -> Any:
        raise ValueError("secret")


class Streams(ErrorCase):
    """Bodies that do not keep to their Content-Length once the head has left."""

    def test_each(self) -> None:
        """Of a body that is too long, what was promised is sent; one that is too short, or no bytes, is cut off."""
        too_long = "the body is at least 2 bytes longer than its Content-Length"
        for items, length, sent, message in (
            ((b"hel", b"lo!!", b"never"), "5", b"hello", too_long),
            ((b"hello!!",), "5", b"hello", too_long),
            ((b"!!",), "0", b"", too_long),
            ((b"hel", b"lo"), "6", b"hello", "the body is 1 bytes shorter than its Content-Length"),
            ((b"hel", "lo"), "5", b"hel", "the application's body has the item 'lo', of type str: wanted bytes"),
        ):
            with self.subTest(items=items):
                server = self.serve(streaming(*items, headers=[*PLAIN, ("Content-Length", length)]), valid=False)
                client = self.connect(server).send(GET)
                received = b"".join(iter(lambda: client.read(65536), b""))  # noqa: B023
                exchange = self.exchange(server)
                self.assertEqual((200, False), (exchange.status, exchange.completed))
                found = received.partition(b"\r\n\r\n")[2], str(self.only_error(exchange))
                self.assertEqual((sent, message), found)

"""Scripted answers: what is made of what a test author writes, and what is refused."""

from __future__ import annotations

import dataclasses
import gzip
import math
import pathlib
import re
import tempfile
import unittest
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from werkzeug.datastructures import MultiDict

from liveserver_testcase import Reply, UsageError
from liveserver_testcase.stub.reply import Throttle


class BodyTest(unittest.TestCase):
    """The body and the Content-Type that goes with it."""

    def assert_made(self, reply: Reply, body: bytes, content_type: str) -> None:
        self.assertEqual((body, (("Content-Type", content_type),)), (reply.body, reply.headers))

    def test_each_kind(self) -> None:
        """Bytes and the type that goes with them; ``content_type`` replaces that."""
        form = "application/x-www-form-urlencoded"
        for reply, body, content_type in (
            (Reply(200, b"\xff\0"), b"\xff\0", "application/octet-stream"),
            (Reply(200, "grün"), "grün".encode(), "text/html; charset=utf-8"),
            (Reply(text="grün"), "grün".encode(), "text/plain; charset=utf-8"),
            (Reply(html="<p>grün"), "<p>grün".encode(), "text/html; charset=utf-8"),
            (Reply(json={"a": [1, None]}), b'{"a": [1, null]}', "application/json"),
            (Reply(json=[]), b"[]", "application/json"),
            (Reply(json=0), b"0", "application/json"),
            (Reply(json=""), b'""', "application/json"),
            (Reply(json=False), b"false", "application/json"),
            (Reply(json=None), b"null", "application/json"),
            (Reply(json={}, content_type="application/hal+json"), b"{}", "application/hal+json"),
            (Reply(form={"a": "x y", "b": [1, 2]}), b"a=x+y&b=1&b=2", form),
            (Reply(form=[("a", "ü"), ("a", "&")]), b"a=%C3%BC&a=%26", form),
        ):
            with self.subTest(reply=reply):
                self.assert_made(reply, body, content_type)

    def test_the_type_of_a_text(self) -> None:
        """Where nothing is sent nothing is said of it, one among the headers is left alone, and its charset is used."""
        latin, given = 'text/html;charset="latin-1"', {"content-type": "text/csv"}
        for reply, body, headers in (
            (Reply(200, b"", ()), b"", ()),
            (Reply(200, ""), b"", ()),
            (Reply(200, "a,b", headers=given), b"a,b", (("content-type", "text/csv"),)),
            (Reply(200, "grün", headers={"Content-Type": latin}), b"gr\xfcn", (("Content-Type", latin),)),
            (Reply(text="ü", content_type="a/b; charset=ISO-8859-1"), b"\xfc",
             (("Content-Type", "a/b; charset=ISO-8859-1"),)),
            (Reply(json=1, headers={"content-type": None}), b"1", ()),  # left out
            (Reply(200, b"a", [("Content-Type", None)]), b"a", ()),
        ):  # fmt: skip
            with self.subTest(reply=reply):
                self.assertEqual((body, headers), (reply.body, reply.headers))

    def test_file(self) -> None:
        """``file`` is read when the reply is made; its type goes by its name."""
        with tempfile.TemporaryDirectory() as directory:
            for name, kind in (
                ("a.json", "application/json"),
                ("b", "application/octet-stream"),
                ("x.tar.gz", "application/gzip"),
                ("x.csv.bz2", "application/x-bzip2"),
                ("x.svgz", "application/gzip"),
                ("x.tar", "application/x-tar"),
            ):
                path = pathlib.Path(directory, name)
                path.write_bytes(b"[1]")
                for given in (path, str(path)):
                    reply = Reply(file=given)
                    self.assert_made(reply, b"[1]", kind)
                path.unlink()
                self.assertEqual(b"[1]", reply.body)

    def test_chunks(self) -> None:
        """Pieces are kept apart, and their sum is the body; a body is cut in chunks of a size, the last one smaller."""
        reply = Reply(chunks=["grün", b"\xff"])
        self.assertEqual((("grün".encode(), b"\xff"), "grün".encode() + b"\xff"), (reply.chunks, reply.body))
        self.assertEqual((("Content-Type", "text/html; charset=utf-8"),), reply.headers)
        self.assertEqual((b"ab", b"cd", b"e"), Reply(200, b"abcde", chunk_size=2).chunks)
        self.assertEqual((b'{"a":', b" 1}"), Reply(json={"a": 1}, chunk_size=5).chunks)
        self.assertEqual((), Reply(chunk_size=5).chunks)
        reply = Reply(200, iter([b"a"]))  # what gives its pieces later is asked later
        self.assertEqual((b"", None, False), (reply.body, reply.chunks, reply.stream is None))

    def test_what_goes_with_a_body(self) -> None:
        """Trailers, which are announced and have it sent in chunks, a status before it, and how fast it is sent."""
        reply = Reply(200, b"abc", trailers={"X-Sum": "1", "X-B": "2"})
        self.assertEqual(((b"abc",), (("X-Sum", "1"), ("X-B", "2"))), (reply.chunks, reply.trailers))
        self.assertIn(("Trailer", "X-Sum, X-B"), reply.headers)
        reply = Reply(informational=[102, (103, {"Link": "</a.css>"})])
        self.assertEqual(((102, ()), (103, (("Link", "</a.css>"),))), reply.informational)
        # bytes a second are sent in small pieces, often; or it is said how
        for given, wanted in ((1000, Throttle(50, 0.05)), (2, Throttle(1, 0.5)), ((7, 0.1), Throttle(7, 0.1))):
            self.assertEqual(wanted, Reply(200, b"a", throttle=given).throttle)

    def test_cookies(self) -> None:
        """Each is a Set-Cookie; a mapping has its attributes."""
        reply = Reply(cookies={"a": "1", "b": {"value": "x y", "max_age": 60, "httponly": True, "path": "/b"}})
        self.assertEqual(
            ["a=1; Path=/", 'b="x y"; Max-Age=60; HttpOnly; Path=/b'],
            [re.sub(r"; Expires=[^;]+", "", value) for name, value in reply.headers if name == "Set-Cookie"],
        )
        self.assertEqual(Reply(cookies={"a": "1"}), Reply(cookies=[("a", "1")]))

    def test_compressed(self) -> None:
        """It is sent so in any case, and says so; there are no more pieces than before."""
        reply = Reply(text="grün" * 100, compress="gzip")
        self.assertEqual("grün" * 100, gzip.decompress(reply.body).decode())
        self.assertIn(("Content-Encoding", "gzip"), reply.headers)
        chunks = Reply(chunks=[b"a" * 1000] * 4, compress="gzip").chunks or ()
        self.assertLessEqual(len(chunks), 4)
        self.assertEqual(b"a" * 4000, gzip.decompress(b"".join(chunks)))

    def test_a_status_line(self) -> None:
        """Any number from 200 to 599 can be sent, also a member of ``HTTPStatus``, and the words can be others."""
        replies = (
            Reply(),
            Reply(299),
            Reply(599),
            Reply(HTTPStatus.NOT_FOUND),
            Reply(reason="Fine"),
            Reply(404, reason=""),
        )
        lines = ["200 OK", "299 Unknown", "599 Unknown", "404 Not Found", "200 Fine", "404 "]
        self.assertEqual(lines, [reply.status_line for reply in replies])

    def test_most_are_plain(self) -> None:
        """What is sent at once is known for it; length and body are made once, unless the request has a say in them."""
        self.assertTrue(Reply(json={"a": 1}, cookies={"a": "b"}, compress="gzip").is_plain)
        for special in (
            {"delay": 1}, {"body_delay": 1}, {"throttle": 5}, {"chunks": [b"a"]}, {"informational": [103]},
            {"trailers": {"A": "1"}},
        ):  # fmt: skip
            with self.subTest(special=special):
                self.assertFalse(Reply(**special).is_plain)  # type: ignore[arg-type]
        self.assertEqual(b"Content-Length: 3\r\n\r\nabc", Reply(200, b"abc").tail)
        self.assertEqual(b"Content-Length: 0\r\n\r\n", Reply(404).tail)
        for reply in (
            Reply(204), Reply(304), Reply(headers={"Content-Length": "5"}), Reply(headers={"Connection": "close"}),
            Reply(headers={"Date": "now"}), Reply(headers={"Server": "x"}), Reply(200, b"x" * 100_000),
        ):  # fmt: skip
            with self.subTest(reply=reply):
                self.assertIsNone(reply.tail)

    def test_a_repr_that_says_what_is_special(self) -> None:
        """Only what is not as usual is shown."""
        self.assertEqual("Reply(200)", repr(Reply()))
        self.assertEqual(
            "Reply(201, body=b'[]', headers=(('Content-Type', 'application/json'),), delay=1)",
            repr(Reply(201, json=[], delay=1)),
        )


class ImmutabilityTest(unittest.TestCase):
    """A reply is the same each time it is sent."""

    def test_it_cannot_be_changed(self) -> None:
        """Assigning to a field is an error, and changes nothing."""
        reply = Reply(201)
        with self.assertRaises(dataclasses.FrozenInstanceError):
            reply.status = 500  # type: ignore[misc]
        self.assertEqual(201, reply.status)

    def test_what_it_was_made_of_may_change_afterwards(self) -> None:
        """Body, JSON value and headers are copied."""
        body, json, headers = bytearray(b"abc"), {"a": 1}, {"X-A": "1"}
        replies = [Reply(200, body, headers=headers), Reply(json=json, headers=headers)]  # type: ignore[arg-type]
        body[0:1], json["a"], headers["X-A"] = b"z", 2, "2"
        self.assertEqual([b"abc", b'{"a": 1}'], [reply.body for reply in replies])
        self.assertEqual(["1", "1"], [dict(reply.headers)["X-A"] for reply in replies])

    def test_headers_may_come_twice(self) -> None:
        """Pairs are kept in their order, and so is a list of lists; a list of values is as many, an empty one none."""
        pairs = [("Set-Cookie", "a=1"), ("X-A", "1"), ("Set-Cookie", "b=2")]
        self.assertEqual(tuple(pairs), Reply(headers=pairs).headers)
        self.assertEqual(tuple(pairs), Reply(headers=[list(pair) for pair in pairs]).headers)  # type: ignore[misc]
        several = MultiDict([("X-A", "1"), ("X-A", "2")])
        self.assertEqual((("X-A", "1"), ("X-A", "2")), Reply(headers=several).headers)
        reply = Reply(headers={"Link": ["<a>", "<b>"], "X-A": (), "X-B": "1"})
        self.assertEqual((("Link", "<a>"), ("Link", "<b>"), ("X-B", "1")), reply.headers)

    def test_one_with_other_values(self) -> None:
        """`changed` leaves the old one as it is, and what was made of that."""
        first = Reply(200, b"abc")
        self.assertTrue(first.is_plain)
        second = first.changed(delay=1.0)
        self.assertEqual((0.0, 1.0, True, False), (first.delay, second.delay, first.is_plain, second.is_plain))
        self.assertEqual((first.body, first.headers), (second.body, second.headers))


def given(*args: object, **kwargs: object) -> tuple[tuple[object, ...], dict[str, object]]:
    """What a reply is made of."""
    return args, kwargs


def each(name: str, values: Iterable[object], message: str) -> list[tuple[Any, str]]:
    """The same misuse with several values of a keyword, each of which is in the message."""
    return [(given(**{name: value}), message.format(repr(value))) for value in values]


class MisuseTest(unittest.TestCase):
    """What must not, or would not, go on the wire as written is refused where it is written."""

    def check(self, *rows: tuple[tuple[tuple[object, ...], dict[str, object]], str]) -> None:
        for (args, kwargs), message in rows:
            with self.subTest(args=args, kwargs=kwargs):
                with self.assertRaises(UsageError) as caught:
                    Reply(*args, **kwargs)  # type: ignore[arg-type]
                self.assertEqual(message, str(caught.exception))

    def test_statuses_and_reasons(self) -> None:
        """Only final statuses are replies; a reason is one line of Latin-1."""
        statuses = (0, 199, 600, 100, -1, True, "200", None, 200.0)
        self.check(
            *each("status", statuses, "status is {}; wanted a number from 200 to 599"),
            *each("reason", ("a\r\nb", "東京", 5), "reason is {}; wanted Latin-1 text on one line"),
        )
        # not 100, which the server sends, nor 101, which changes the protocol
        wanted = "wanted numbers from 102 to 199, each by itself or as (number, headers)"
        for item in (100, 101, 200, "103", (103,), True):
            self.check((given(informational=[item]), f"informational has {item!r}; {wanted}"))
        self.check((given(informational=103), "informational is 103; wanted several statuses: [103]"))

    def test_bodies(self) -> None:
        """One of a kind that can be sent, where one is sent at all."""
        two = "a reply has one body, but {} were given: keep one of them"
        none = "a response with status {} has no body, but one of {} was given: leave it out, or take another status"
        circle: list[object] = []
        circle.append(circle)
        json = "cannot be written as JSON"
        self.check(
            (given(200, b"", json={}), two.format("body and json")),
            (given(json=None, text=""), two.format("json and text")),
            (given(200, "", json=1, text=""), two.format("body and json and text")),
            (given(200, {"a": 1}), "body is a dict; wanted bytes or str (or json=… for a JSON value)"),
            (given(200, [b"a"]),
             "body is a list; wanted bytes or str (or json=… for a JSON value, chunks=… for pieces)"),
            (given(text=b"a"), "text is a bytes; wanted str"),
            *[(given(status, json={}), none.format(status, "2 bytes")) for status in (204, 205, 304)],
            (given(204, iter([b"a"])), none.format(204, "unknown length")),
            (given(json={"a": {1}}), f"json={{'a': {{1}}}} {json}: Object of type set is not JSON serializable"),
            (given(json=circle), f"json=[[...]] {json}: Circular reference detected"),
            (given(text="grün", content_type="text/plain; charset=ascii"),
             ("text 'grün' cannot be sent as ascii: 'ascii' codec can't encode character '\\xfc' in position 2: "
              "ordinal not in range(128)")),
            (given(200, "a", content_type="text/plain; charset=klingon"),
             "body 'a' cannot be sent as klingon: unknown encoding: klingon"),
            (given(text="\ud800"),
             ("text '\\ud800' cannot be sent as utf-8: 'utf-8' codec can't encode character '\\ud800' in "
              "position 0: surrogates not allowed")),
            *each("form", ("a=b", 5, [1]), "form is {}; wanted a mapping, or pairs of name and value"),
            (given(file="/no/file"), "file '/no/file' cannot be read: [Errno 2] No such file or directory: '/no/file'"),
            (given(file=5), "file is a int; wanted the path of a file"),
            (given(chunks="abc"), "chunks is a str; wanted several pieces of bytes or str"),
            (given(chunks=[b"a", 5]), "chunks has the piece 5; wanted bytes or str"),
            (given(200, b"a", chunk_size=0), "chunk_size is 0; wanted a number of bytes, 1 or more"),
            (given(chunks=[b"a"], chunk_size=2),
             "chunk_size is 2, but the body comes in pieces of its own: leave it out"),
        )  # fmt: skip
        with self.assertRaisesRegex(UsageError, f"^json=nan {json}: Out of range float values are not"):
            Reply(json=math.nan)
        with self.assertRaises(UsageError) as caught:
            Reply(json=[object()] * 100_000)
        self.assertLess(len(str(caught.exception)), 300)

    def test_waits(self) -> None:
        """A number that a thread can wait for."""
        self.check(
            *each(
                "delay",
                (-1, -0.1, math.inf, math.nan, True, "1", None, 1e300),
                "delay is {}; wanted a number of seconds, 0 or more",
            ),
            *each("body_delay", (-1,), "body_delay is {}; wanted a number of seconds, 0 or more"),
            *each(
                "throttle",
                (0, -5, "fast", (0, 1), (5, -1), (1.5, 1), True, (1, 2, 3)),
                "throttle is {}; wanted bytes a second, or (bytes, seconds)",
            ),
        )

    def test_compression(self) -> None:
        """Unknown codings, and streams."""
        self.check(
            *each("compress", ("br", "deflate", True, False), "compress is {}; wanted 'gzip' or None"),
            (given(200, iter([b"a"]), compress="gzip"), "compress is 'gzip'; a stream is compressed by what gives it"),
            (given(200, b"a", headers={"Content-Length": "1"}, compress="gzip"),
             "header 'Content-Length' is '1', but the body has 21 bytes: leave it out"),
        )  # fmt: skip

    def test_cookies(self) -> None:
        """Names and values."""
        known = "'value', 'max_age', 'expires', 'path', 'domain', 'secure', 'httponly', 'samesite', 'partitioned'"
        wanted = f"wanted a str, or a mapping with some of {known}"
        self.check(
            (given(cookies="a=b"), "cookies are 'a=b'; wanted a mapping, or pairs of name and value"),
            (given(cookies=[("a",)]), "cookie ('a',) is no pair: wanted a name and a value"),
            (given(cookies={"a": 1}), f"cookie 'a' has the value 1; {wanted}"),
            (given(cookies={"a": {"value": "b", "maxage": 1}}), f"cookie 'a' has the attribute 'maxage'; {wanted}"),
        )

    def test_headers(self) -> None:
        """Pairs of texts that can stand in a head, and say nothing wrong of the body."""
        pairs = (("X-A", 1), (1, "a"), ("X-A",), ("X-A", [1]), (None, None), "ab", ("a", "b", "c"))
        token = "is no token: wanted letters, digits and !#$%&'*+-.^_`|~ only"
        latin = "wanted Latin-1 without CR, LF and NUL (percent-encode the rest, or see RFC 8187)"
        length = "header 'Content-Length' is {!r}, but the body has 3 bytes: leave it out"
        self.check(
            (given(content_type=5),
             "header ('Content-Type', 5) is no pair of texts: wanted a name and a value, both str"),
            *each("headers", ("X-A: 1", b"X-A: 1", 5), "headers are {}; wanted a mapping, or pairs of name and value"),
            *[
                (given(headers=[pair]), f"header {pair!r} is no pair of texts: wanted a name and a value, both str")
                for pair in pairs
            ],
            *[
                (given(headers={name: "1"}), f"header name {name!r} {token}")
                for name in ("", "X A", "X:", "X\r\nY", "grün")
            ],
            *[
                (given(headers={"X-A": value}), f"header 'X-A' has the value {value!r}; {latin}")
                for value in ("a\r\nX-B: b", "a\nb", "a\0", "東京")
            ],
            # they say where the response ends; and nothing can be left out where nothing is added
            *[
                (
                    given(headers={name: None}),
                    f"header {name!r} cannot be left out: it says where the response ends",
                )
                for name in ("Content-Length", "transfer-encoding", "Connection")
            ],
            (given(200, b"a", trailers={"X-A": None}),
             "trailers have None for 'x-a', and there is nothing to leave out"),
            (given(trailers={"Content-Length": "3"}),
             "trailer 'Content-Length' would come too late: it says how the body is read"),
            (given(headers={"transfer-encoding": "chunked"}),
             "header 'transfer-encoding' is set by the server, which frames the body itself: leave it out"),
            *[
                (given(200, b"abc", headers={"Content-Length": value}), length.format(value))
                for value in ("2", "4", "03", "three", "")
            ],
            (given(headers={"Content-Length": "-1"}),
             "header 'Content-Length' is '-1', but the body has 0 bytes: leave it out"),
            (given(chunks=[b"a"], headers={"Content-Length": "1"}),
             "header 'Content-Length' is '1', but the body is sent in pieces: leave it out"),
            (given(content_type="text/a", headers={"content-type": "text/b"}),
             "content_type is 'text/a', and among the headers is Content-Type 'text/b': keep one of them"),
        )  # fmt: skip
        self.assertEqual(b"abc", Reply(200, b"abc", headers={"Content-Length": "3"}).body)
        # the answer to a HEAD may name the length that a GET would have
        self.assertEqual((("Content-Length", "3"),), Reply(headers={"Content-Length": "3"}).headers)

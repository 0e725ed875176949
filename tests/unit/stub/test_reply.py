"""Scripted answers: what is made of what a test author writes, and what is refused."""

from __future__ import annotations

import dataclasses
import gzip
import math
import pathlib
import re
import tempfile
import unittest
from http import HTTPStatus

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

    def test_without_a_type(self) -> None:
        """Where nothing is sent nothing is said about it; one among the headers is left alone."""
        self.assertEqual(Reply(200, b"", ()), Reply())
        self.assertEqual((), Reply(200, "").headers)
        given = {"content-type": "text/csv"}
        self.assertEqual((("content-type", "text/csv"),), Reply(200, "a,b", headers=given).headers)

    def test_text_is_sent_in_the_charset_that_its_type_names(self) -> None:
        """The Content-Type tells the truth."""
        self.assertEqual(b"gr\xfcn", Reply(text="grün", content_type="text/plain; charset=ISO-8859-1").body)
        self.assertEqual(b"gr\xfcn", Reply(200, "grün", headers={"Content-Type": 'text/html;charset="latin-1"'}).body)

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
        """Pieces of bytes and text are kept apart, and their sum is the body."""
        reply = Reply(chunks=["grün", b"\xff"])
        self.assertEqual((("grün".encode(), b"\xff"), "grün".encode() + b"\xff"), (reply.chunks, reply.body))
        self.assertEqual((("Content-Type", "text/html; charset=utf-8"),), reply.headers)

    def test_chunk_size(self) -> None:
        """A body is cut in chunks of that size, the last one smaller."""
        self.assertEqual((b"ab", b"cd", b"e"), Reply(200, b"abcde", chunk_size=2).chunks)
        self.assertEqual((b'{"a":', b" 1}"), Reply(json={"a": 1}, chunk_size=5).chunks)
        self.assertEqual((), Reply(chunk_size=5).chunks)

    def test_an_iterator_is_a_stream(self) -> None:
        """What gives its pieces later is asked later."""
        reply = Reply(200, iter([b"a"]))
        self.assertEqual((b"", None), (reply.body, reply.chunks))
        self.assertIsNotNone(reply.stream)

    def test_trailers(self) -> None:
        """They are announced, and have the body sent in chunks."""
        reply = Reply(200, b"abc", trailers={"X-Sum": "1", "X-B": "2"})
        self.assertEqual(((b"abc",), (("X-Sum", "1"), ("X-B", "2"))), (reply.chunks, reply.trailers))
        self.assertIn(("Trailer", "X-Sum, X-B"), reply.headers)

    def test_cookies(self) -> None:
        """Each is a Set-Cookie; a mapping has its attributes."""
        reply = Reply(cookies={"a": "1", "b": {"value": "x y", "max_age": 60, "httponly": True, "path": "/b"}})
        self.assertEqual(
            ["a=1; Path=/", 'b="x y"; Max-Age=60; HttpOnly; Path=/b'],
            [re.sub(r"; Expires=[^;]+", "", value) for name, value in reply.headers if name == "Set-Cookie"],
        )
        self.assertEqual(Reply(cookies={"a": "1"}), Reply(cookies=[("a", "1")]))

    def test_compressed(self) -> None:
        """It is sent so in any case, and says so."""
        reply = Reply(text="grün" * 100, compress="gzip")
        self.assertEqual("grün" * 100, gzip.decompress(reply.body).decode())
        self.assertIn(("Content-Encoding", "gzip"), reply.headers)

    def test_compressed_chunks(self) -> None:
        """There are no more pieces than before, and together they are the whole."""
        chunks = Reply(chunks=[b"a" * 1000] * 4, compress="gzip").chunks or ()
        self.assertLessEqual(len(chunks), 4)
        self.assertEqual(b"a" * 4000, gzip.decompress(b"".join(chunks)))

    def test_a_reason(self) -> None:
        """The words after the code can be others."""
        self.assertEqual("200 Fine", Reply(reason="Fine").status_line)
        self.assertEqual("404 ", Reply(404, reason="").status_line)

    def test_informational(self) -> None:
        """A status by itself, or with headers."""
        reply = Reply(informational=[102, (103, {"Link": "</a.css>"})])
        self.assertEqual(((102, ()), (103, (("Link", "</a.css>"),))), reply.informational)

    def test_a_throttle(self) -> None:
        """Bytes a second are sent in small pieces, often; or it is said how."""
        for given, wanted in ((1000, Throttle(50, 0.05)), (2, Throttle(1, 0.5)), ((7, 0.1), Throttle(7, 0.1))):
            self.assertEqual(wanted, Reply(200, b"a", throttle=given).throttle)

    def test_most_are_plain(self) -> None:
        """What is sent at once, as it should be, is known for it."""
        self.assertTrue(Reply(json={"a": 1}, cookies={"a": "b"}, compress="gzip").is_plain)
        for special in (
            {"delay": 1}, {"body_delay": 1}, {"throttle": 5}, {"chunks": [b"a"]}, {"informational": [103]},
            {"trailers": {"A": "1"}},
        ):  # fmt: skip
            with self.subTest(special=special):
                self.assertFalse(Reply(**special).is_plain)  # type: ignore[arg-type]

    def test_what_is_always_the_same_is_made_once(self) -> None:
        """Length and body, unless the request has a say in it."""
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

    def test_several_values_of_a_header(self) -> None:
        """A list is as many headers, an empty one none."""
        reply = Reply(headers={"Link": ["<a>", "<b>"], "X-A": (), "X-B": "1"})
        self.assertEqual((("Link", "<a>"), ("Link", "<b>"), ("X-B", "1")), reply.headers)

    def test_a_header_that_is_left_out(self) -> None:
        """Content-Type is not there, however the body is given."""
        self.assertEqual((), Reply(json=1, headers={"content-type": None}).headers)
        self.assertEqual((), Reply(200, b"a", [("Content-Type", None)]).headers)

    def test_headers_may_come_twice(self) -> None:
        """Pairs are kept in their order, and so is a list of lists."""
        pairs = [("Set-Cookie", "a=1"), ("X-A", "1"), ("Set-Cookie", "b=2")]
        self.assertEqual(tuple(pairs), Reply(headers=pairs).headers)
        self.assertEqual(tuple(pairs), Reply(headers=[list(pair) for pair in pairs]).headers)  # type: ignore[misc]
        several = MultiDict([("X-A", "1"), ("X-A", "2")])
        self.assertEqual((("X-A", "1"), ("X-A", "2")), Reply(headers=several).headers)

    def test_a_member_of_http_status_is_a_status(self) -> None:
        """The standard library's names can be used."""
        self.assertEqual("404 Not Found", Reply(HTTPStatus.NOT_FOUND).status_line)

    def test_a_status_without_a_name_has_a_status_line(self) -> None:
        """Any number from 200 to 599 can be sent."""
        self.assertEqual(["200 OK", "299 Unknown", "599 Unknown"], [Reply(n).status_line for n in (200, 299, 599)])

    def test_one_with_other_values(self) -> None:
        """`changed` leaves the old one as it is, and what was made of that."""
        first = Reply(200, b"abc")
        self.assertTrue(first.is_plain)
        second = first.changed(delay=1.0)
        self.assertEqual((0.0, 1.0, True, False), (first.delay, second.delay, first.is_plain, second.is_plain))
        self.assertEqual((first.body, first.headers), (second.body, second.headers))

    def test_it_is_its_own_answer(self) -> None:
        """Whatever the request."""
        reply = Reply()
        self.assertIs(reply, reply.reply_to(object()))


class MisuseTest(unittest.TestCase):
    """What must not, or would not, go on the wire as written is refused where it is written."""

    def assert_refused(self, message: str, *args: object, **kwargs: object) -> None:
        with self.assertRaises(UsageError) as caught:
            Reply(*args, **kwargs)  # type: ignore[arg-type]
        self.assertEqual(message, str(caught.exception))

    def test_a_status_that_is_none(self) -> None:
        """Only final statuses are replies."""
        for status in (0, 199, 600, 100, -1, True, "200", None, 200.0):
            with self.subTest(status=status):
                self.assert_refused(f"status is {status!r}; wanted a number from 200 to 599", status)

    def test_two_bodies(self) -> None:
        """Those that were given are named."""
        message = "a reply has one body, but {} were given: keep one of them"
        self.assert_refused(message.format("body and json"), 200, b"", json={})
        self.assert_refused(message.format("json and text"), json=None, text="")
        self.assert_refused(message.format("body and json and text"), 200, "", json=1, text="")

    def test_a_body_of_another_type(self) -> None:
        """JSON values are pointed to ``json``."""
        self.assert_refused("body is a dict; wanted bytes or str (or json=… for a JSON value)", 200, {"a": 1})
        self.assert_refused("text is a bytes; wanted str", text=b"a")

    def test_a_body_where_none_is_sent(self) -> None:
        """204, 205 and 304 go without one."""
        for status in (204, 205, 304):
            with self.subTest(status=status):
                self.assert_refused(
                    f"a response with status {status} has no body, but one of 2 bytes was given: "
                    "leave it out, or take another status",
                    status,
                    json={},
                )

    def test_a_value_that_json_does_not_know(self) -> None:
        """The value is shown, and the reason."""
        self.assert_refused(
            "json={'a': {1}} cannot be written as JSON: Object of type set is not JSON serializable", json={"a": {1}}
        )
        with self.assertRaisesRegex(
            UsageError, "^json=nan cannot be written as JSON: Out of range float values are not"
        ):
            Reply(json=math.nan)

    def test_a_value_that_holds_itself(self) -> None:
        """A circle has no end."""
        circle: list[object] = []
        circle.append(circle)
        self.assert_refused("json=[[...]] cannot be written as JSON: Circular reference detected", json=circle)

    def test_a_text_that_does_not_fit_its_charset(self) -> None:
        """Text, charset and reason are named."""
        self.assert_refused(
            "text 'grün' cannot be sent as ascii: 'ascii' codec can't encode character '\\xfc' in position 2: "
            "ordinal not in range(128)",
            text="grün",
            content_type="text/plain; charset=ascii",
        )
        self.assert_refused(
            "body 'a' cannot be sent as klingon: unknown encoding: klingon",
            200,
            "a",
            content_type="text/plain; charset=klingon",
        )
        self.assert_refused(
            "text '\\ud800' cannot be sent as utf-8: 'utf-8' codec can't encode character '\\ud800' in position 0: "
            "surrogates not allowed",
            text="\ud800",
        )

    def test_a_delay_that_is_none(self) -> None:
        """A delay is a number that a thread can wait for."""
        for delay in (-1, -0.1, math.inf, math.nan, True, "1", None, 1e300):
            with self.subTest(delay=delay):
                self.assert_refused(f"delay is {delay!r}; wanted a number of seconds, 0 or more", delay=delay)

    def test_waits_that_are_none(self) -> None:
        """So are the other waits."""
        self.assert_refused("body_delay is -1; wanted a number of seconds, 0 or more", body_delay=-1)
        for throttle in (0, -5, "fast", (0, 1), (5, -1), (1.5, 1), True, (1, 2, 3)):
            with self.subTest(throttle=throttle):
                self.assert_refused(
                    f"throttle is {throttle!r}; wanted bytes a second, or (bytes, seconds)", throttle=throttle
                )

    def test_forms_that_are_none(self) -> None:
        """A mapping, or pairs."""
        for form in ("a=b", 5, [1]):
            with self.subTest(form=form):
                self.assert_refused(f"form is {form!r}; wanted a mapping, or pairs of name and value", form=form)

    def test_files_that_are_none(self) -> None:
        """The file must be there now."""
        self.assert_refused(
            "file '/no/file' cannot be read: [Errno 2] No such file or directory: '/no/file'", file="/no/file"
        )
        self.assert_refused("file is a int; wanted the path of a file", file=5)

    def test_chunks_that_are_none(self) -> None:
        """Pieces of bytes or text."""
        self.assert_refused("chunks is a str; wanted several pieces of bytes or str", chunks="abc")
        self.assert_refused("chunks has the piece 5; wanted bytes or str", chunks=[b"a", 5])
        self.assert_refused(
            "body is a list; wanted bytes or str (or json=… for a JSON value, chunks=… for pieces)", 200, [b"a"]
        )
        self.assert_refused("chunk_size is 0; wanted a number of bytes, 1 or more", 200, b"a", chunk_size=0)
        self.assert_refused(
            "chunk_size is 2, but the body comes in pieces of its own: leave it out", chunks=[b"a"], chunk_size=2
        )

    def test_compressing_what_cannot_be(self) -> None:
        """Unknown codings, and streams."""
        for coding in ("br", "deflate", True, False):
            self.assert_refused(
                f"compress is {coding!r}; wanted 'gzip' or None",
                200,
                b"a",
                compress=coding,  # type: ignore[arg-type]
            )
        self.assert_refused(
            "compress is 'gzip'; a stream is compressed by what gives it", 200, iter([b"a"]), compress="gzip"
        )
        self.assert_refused(
            "header 'Content-Length' is '1', but the body has 21 bytes: leave it out",
            200, b"a", headers={"Content-Length": "1"}, compress="gzip",
        )  # fmt: skip

    def test_reasons_that_are_none(self) -> None:
        """One line of Latin-1."""
        for reason in ("a\r\nb", "東京", 5):
            with self.subTest(reason=reason):
                self.assert_refused(f"reason is {reason!r}; wanted Latin-1 text on one line", reason=reason)

    def test_informational_that_are_none(self) -> None:
        """Not 100, which the server sends, nor 101, which changes the protocol."""
        for item in (100, 101, 200, "103", (103,), True):
            with self.subTest(item=item):
                self.assert_refused(
                    f"informational has {item!r}; wanted numbers from 102 to 199, each by itself or as "
                    "(number, headers)",
                    informational=[item],
                )

    def test_trailers_that_come_too_late(self) -> None:
        """What says how the body is read cannot follow it."""
        self.assert_refused(
            "trailer 'Content-Length' would come too late: it says how the body is read",
            trailers={"Content-Length": "3"},
        )

    def test_cookies_that_are_none(self) -> None:
        """Names and values."""
        known = "'value', 'max_age', 'expires', 'path', 'domain', 'secure', 'httponly', 'samesite', 'partitioned'"
        self.assert_refused("cookies are 'a=b'; wanted a mapping, or pairs of name and value", cookies="a=b")
        self.assert_refused("cookie ('a',) is no pair: wanted a name and a value", cookies=[("a",)])
        self.assert_refused(
            f"cookie 'a' has the value 1; wanted a str, or a mapping with some of {known}", cookies={"a": 1}
        )
        self.assert_refused(
            f"cookie 'a' has the attribute 'maxage'; wanted a str, or a mapping with some of {known}",
            cookies={"a": {"value": "b", "maxage": 1}},
        )

    def test_a_length_of_what_is_sent_in_pieces(self) -> None:
        """There is none."""
        self.assert_refused(
            "header 'Content-Length' is '1', but the body is sent in pieces: leave it out",
            chunks=[b"a"],
            headers={"Content-Length": "1"},
        )

    def test_a_stream_where_no_body_is_sent(self) -> None:
        """204 and 304 go without one."""
        self.assert_refused(
            "a response with status 204 has no body, but one of unknown length was given: "
            "leave it out, or take another status",
            204,
            iter([b"a"]),
        )

    def test_headers_that_are_none(self) -> None:
        """A mapping, or pairs."""
        for headers in ("X-A: 1", b"X-A: 1", 5):
            with self.subTest(headers=headers):
                self.assert_refused(
                    f"headers are {headers!r}; wanted a mapping, or pairs of name and value", headers=headers
                )

    def test_headers_that_must_be_there(self) -> None:
        """They say where the response ends; and nothing can be left out where nothing is added."""
        for name in ("Content-Length", "transfer-encoding", "Connection"):
            self.assert_refused(
                f"header {name!r} cannot be left out: it says where the response ends", headers={name: None}
            )
        self.assert_refused(
            "trailers have None for 'x-a', and there is nothing to leave out", 200, b"a", trailers={"X-A": None}
        )

    def test_a_header_that_is_no_pair_of_texts(self) -> None:
        """Numbers are not turned into text, and words not into pairs."""
        for pair in (("X-A", 1), (1, "a"), ("X-A",), ("X-A", [1]), (None, None), "ab", ("a", "b", "c")):
            with self.subTest(pair=pair):
                self.assert_refused(
                    f"header {pair!r} is no pair of texts: wanted a name and a value, both str", headers=[pair]
                )

    def test_a_header_name_that_is_no_token(self) -> None:
        """Spaces, colons and line ends do not belong in a name."""
        for name in ("", "X A", "X:", "X\r\nY", "grün"):
            with self.subTest(name=name):
                self.assert_refused(
                    f"header name {name!r} is no token: wanted letters, digits and !#$%&'*+-.^_`|~ only",
                    headers={name: "1"},
                )

    def test_a_header_value_that_would_break_the_head(self) -> None:
        """Line ends, NUL and what is not Latin-1 are refused."""
        for value in ("a\r\nX-B: b", "a\nb", "a\0", "東京"):
            with self.subTest(value=value):
                self.assert_refused(
                    f"header 'X-A' has the value {value!r}; wanted Latin-1 without CR, LF and NUL "
                    "(percent-encode the rest, or see RFC 8187)",
                    headers={"X-A": value},
                )

    def test_framing_is_the_servers_business(self) -> None:
        """A header that the server would replace is not passed over in silence."""
        self.assert_refused(
            "header 'transfer-encoding' is set by the server, which frames the body itself: leave it out",
            headers={"transfer-encoding": "chunked"},
        )

    def test_a_length_that_is_not_the_bodys(self) -> None:
        """A Content-Length must be true."""
        message = "header 'Content-Length' is {}, but the body has 3 bytes: leave it out"
        for value in ("2", "4", "03", "three", ""):
            with self.subTest(value=value):
                self.assert_refused(message.format(repr(value)), 200, b"abc", headers={"Content-Length": value})
        self.assertEqual(b"abc", Reply(200, b"abc", headers={"Content-Length": "3"}).body)

    def test_a_length_without_a_body_must_be_a_number(self) -> None:
        """The answer to a HEAD may name the length that a GET would have; but it is a length."""
        self.assertEqual((("Content-Length", "3"),), Reply(headers={"Content-Length": "3"}).headers)
        self.assert_refused(
            "header 'Content-Length' is '-1', but the body has 0 bytes: leave it out", headers={"Content-Length": "-1"}
        )

    def test_two_types(self) -> None:
        """Both are named."""
        self.assert_refused(
            "content_type is 'text/a', and among the headers is Content-Type 'text/b': keep one of them",
            content_type="text/a",
            headers={"content-type": "text/b"},
        )

    def test_unknown_keywords_name_the_nearest(self) -> None:
        """As everywhere."""
        with self.assertRaises(TypeError) as caught:
            Reply(jsn=1)  # type: ignore[call-arg]
        self.assertEqual(
            "Reply() got an unexpected keyword argument 'jsn'. Did you mean 'json'?", str(caught.exception)
        )

    def test_long_values_are_cut_in_messages(self) -> None:
        """A message does not repeat a megabyte."""
        with self.assertRaises(UsageError) as caught:
            Reply(json=[object()] * 100_000)
        self.assertLess(len(str(caught.exception)), 300)

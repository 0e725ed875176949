"""Scripted answers: what is made of what a test author writes, and what is refused."""

from __future__ import annotations

import dataclasses
import math
import unittest
from http import HTTPStatus

from liveserver_testcase import Reply, UsageError
from liveserver_testcase.stub.reply import make_reply


class BodyTest(unittest.TestCase):
    """The body and the Content-Type that goes with it."""

    def assert_made(self, reply: Reply, body: bytes, content_type: str) -> None:
        self.assertEqual((body, (("Content-Type", content_type),)), (reply.body, reply.headers))

    def test_no_body(self) -> None:
        """An empty reply is a 200 with nothing in it, and no type for it."""
        self.assertEqual(Reply(200, b"", ()), make_reply())

    def test_an_empty_text_has_no_type(self) -> None:
        """Where nothing is sent, nothing is said about it."""
        self.assertEqual((), make_reply(200, "").headers)

    def test_bytes(self) -> None:
        """Bytes are sent as they are."""
        self.assert_made(make_reply(200, b"\xff\0"), b"\xff\0", "application/octet-stream")

    def test_text_as_body(self) -> None:
        """A str is a web page in UTF-8."""
        self.assert_made(make_reply(200, "grün"), "grün".encode(), "text/html; charset=utf-8")

    def test_plain_text(self) -> None:
        """``text`` is plain text in UTF-8."""
        self.assert_made(make_reply(text="grün"), "grün".encode(), "text/plain; charset=utf-8")

    def test_json(self) -> None:
        """Any JSON value is written as JSON."""
        for value, body in (
            ({"a": [1, None]}, b'{"a": [1, null]}'),
            ([], b"[]"),
            (0, b"0"),
            ("", b'""'),
            (False, b"false"),
        ):
            with self.subTest(value=value):
                self.assert_made(make_reply(json=value), body, "application/json")

    def test_json_null(self) -> None:
        """None is a JSON value, too."""
        self.assert_made(make_reply(json=None), b"null", "application/json")

    def test_the_type_can_be_given(self) -> None:
        """``content_type`` replaces the one that goes with the body."""
        self.assert_made(make_reply(json={}, content_type="application/hal+json"), b"{}", "application/hal+json")

    def test_the_type_can_be_a_header(self) -> None:
        """A Content-Type among the headers is left alone, however it is written."""
        self.assertEqual(
            (("content-type", "text/csv"),), make_reply(200, "a,b", headers={"content-type": "text/csv"}).headers
        )

    def test_text_is_sent_in_the_charset_that_its_type_names(self) -> None:
        """The Content-Type tells the truth."""
        self.assertEqual(b"gr\xfcn", make_reply(text="grün", content_type="text/plain; charset=ISO-8859-1").body)
        self.assertEqual(
            b"gr\xfcn", make_reply(200, "grün", headers={"Content-Type": 'text/html;charset="latin-1"'}).body
        )


class ImmutabilityTest(unittest.TestCase):
    """A reply is the same each time it is sent."""

    def test_it_cannot_be_changed(self) -> None:
        """Assigning to a field is an error, and changes nothing."""
        reply = make_reply(201)
        with self.assertRaises(dataclasses.FrozenInstanceError):
            reply.status = 500  # type: ignore[misc]
        self.assertEqual(201, reply.status)

    def test_what_it_was_made_of_may_change_afterwards(self) -> None:
        """Body, JSON value and headers are copied."""
        body, json, headers = bytearray(b"abc"), {"a": 1}, {"X-A": "1"}
        replies = [make_reply(200, body, headers=headers), make_reply(json=json, headers=headers)]  # type: ignore[arg-type]
        body[0:1], json["a"], headers["X-A"] = b"z", 2, "2"
        self.assertEqual([b"abc", b'{"a": 1}'], [reply.body for reply in replies])
        self.assertEqual(["1", "1"], [dict(reply.headers)["X-A"] for reply in replies])

    def test_headers_may_come_twice(self) -> None:
        """Pairs are kept in their order, and so is a list of lists."""
        pairs = [("Set-Cookie", "a=1"), ("X-A", "1"), ("Set-Cookie", "b=2")]
        self.assertEqual(tuple(pairs), make_reply(headers=pairs).headers)
        self.assertEqual(tuple(pairs), make_reply(headers=[list(pair) for pair in pairs]).headers)  # type: ignore[misc]

    def test_a_member_of_http_status_is_a_status(self) -> None:
        """The standard library's names can be used."""
        self.assertEqual("404 Not Found", make_reply(HTTPStatus.NOT_FOUND).status_line)

    def test_a_status_without_a_name_has_a_status_line(self) -> None:
        """Any number from 200 to 599 can be sent."""
        self.assertEqual(["200 OK", "299 Unknown", "599 Unknown"], [make_reply(n).status_line for n in (200, 299, 599)])


class MisuseTest(unittest.TestCase):
    """What must not, or would not, go on the wire as written is refused where it is written."""

    def assert_refused(self, message: str, *args: object, **kwargs: object) -> None:
        with self.assertRaises(UsageError) as caught:
            make_reply(*args, **kwargs)  # type: ignore[arg-type]
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
        """204 and 304 go without one."""
        for status in (204, 304):
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
            make_reply(json=math.nan)

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

    def test_headers_that_are_none(self) -> None:
        """A mapping, or pairs."""
        for headers in ("X-A: 1", b"X-A: 1", 5):
            with self.subTest(headers=headers):
                self.assert_refused(
                    f"headers are {headers!r}; wanted a mapping, or pairs of name and value", headers=headers
                )

    def test_a_header_that_is_no_pair_of_texts(self) -> None:
        """Numbers are not turned into text, and words not into pairs."""
        for pair in (("X-A", 1), (1, "a"), ("X-A",), ("X-A", None), "ab", ("a", "b", "c")):
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
        for value in ("a\r\nSet-Cookie: b", "a\nb", "a\0", "東京"):
            with self.subTest(value=value):
                self.assert_refused(
                    f"header 'X-A' has the value {value!r}; wanted Latin-1 without CR, LF and NUL "
                    "(percent-encode the rest, or see RFC 8187)",
                    headers={"X-A": value},
                )

    def test_framing_is_the_servers_business(self) -> None:
        """A header that the server would replace is not passed over in silence."""
        self.assert_refused(
            "header 'transfer-encoding' is the server's business: it frames the body itself; leave it out",
            headers={"transfer-encoding": "chunked"},
        )

    def test_a_length_that_is_not_the_bodys(self) -> None:
        """A Content-Length must be true."""
        message = "header 'Content-Length' is {}, but the body has 3 bytes: leave it out"
        for value in ("2", "4", "03", "three", ""):
            with self.subTest(value=value):
                self.assert_refused(message.format(repr(value)), 200, b"abc", headers={"Content-Length": value})
        self.assertEqual(b"abc", make_reply(200, b"abc", headers={"Content-Length": "3"}).body)

    def test_a_length_without_a_body_must_be_a_number(self) -> None:
        """The answer to a HEAD may name the length that a GET would have; but it is a length."""
        self.assertEqual((("Content-Length", "3"),), make_reply(headers={"Content-Length": "3"}).headers)
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

    def test_a_reply_made_by_hand_is_checked_too(self) -> None:
        """The class refuses what the function refuses."""
        for arguments, message in (
            ({"status": 99}, "status is 99; wanted a number from 200 to 599"),
            ({"body": "text"}, "body is a str; wanted bytes"),
            ({"headers": [("A", "1")]}, "headers are a list; wanted a tuple of pairs"),
            ({"headers": (("A", 1),)}, "header ('A', 1) is no pair of texts: wanted a name and a value, both str"),
            ({"delay": -1}, "delay is -1; wanted a number of seconds, 0 or more"),
        ):
            with self.subTest(arguments=arguments):
                with self.assertRaises(UsageError) as caught:
                    Reply(**arguments)
                self.assertEqual(message, str(caught.exception))

    def test_long_values_are_cut_in_messages(self) -> None:
        """A message does not repeat a megabyte."""
        with self.assertRaises(UsageError) as caught:
            make_reply(json=[object()] * 100_000)
        self.assertLess(len(str(caught.exception)), 300)


if __name__ == "__main__":
    unittest.main()

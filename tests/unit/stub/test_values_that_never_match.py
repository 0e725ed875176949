"""What no request can equal is compared as the text that is sent, or refused where it is written."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import fractions
import ipaddress
import pathlib
import re
import unittest
import uuid
from collections.abc import Iterator
from typing import Any

import requests

from liveserver_testcase import ABSENT, ALL_OF, ANY_OF, INCLUDING, NOT, UNORDERED, UsageError
from liveserver_testcase.stub.matching import make_criteria
from tests.integration.stub.support import StubTest, make_request


class Colour(enum.Enum):
    """A value with a name."""

    RED = "red"


class Shade(str, enum.Enum):
    """Texts with names."""

    DARK = "dark"


@dataclasses.dataclass
class Point:
    """Equal to its own kind only."""

    x: int = 1


async def later(_value: object) -> bool:
    """A predicate that has to be awaited."""
    return False


def giving(_value: object) -> Iterator[bool]:
    """A predicate that gives its answers one by one."""
    yield False


class Plain:
    """Equal to itself only."""

    def __repr__(self) -> str:
        return "Plain()"


MOMENT = datetime.datetime(2026, 1, 2, 3, 4)
TEXTS = (
    uuid.UUID(int=7),
    datetime.date(2026, 1, 2),
    decimal.Decimal("1.50"),
    ipaddress.ip_address("10.0.0.1"),
    7,
    1.5,
)
NEVER: tuple[tuple[Any, str], ...] = (
    (MOMENT, "'2026-01-02 03:04:00' or '2026-01-02T03:04:00', as it is sent"),
    (datetime.time(3, 4), "a text, a compiled pattern of one, or a predicate"),
    (fractions.Fraction(1, 2), "a text, a compiled pattern of one, or a predicate"),
    (1j, "a text, a compiled pattern of one, or a predicate"),
    (Colour.RED, "Colour.RED.value"),
    (b"abc", "'abc'"),
    ({"a", "b"}, "ANY_OF(…), or UNORDERED(…) for all of them"),
    ({"nested": 1}, "a text, a compiled pattern of one, or a predicate"),
    (pathlib.PurePosixPath("/x"), "a text, a compiled pattern of one, or a predicate"),
    (re.compile(b"x"), "a text, a compiled pattern of one, or a predicate"),
    (int, "a text, a compiled pattern of one, or a predicate"),
    (Point(), "a text, a compiled pattern of one, or a predicate"),
    (Plain(), "a text, a compiled pattern of one, or a predicate"),
    (later, "a text, a compiled pattern of one, or a predicate"),
    (giving, "a text, a compiled pattern of one, or a predicate"),
)


class TextTest(StubTest):
    """Parameters, fields, headers and cookies are texts."""

    def test_what_has_one_text_is_that(self) -> None:
        """It is sent as it is compared, alone, in a list and combined."""
        for value in TEXTS:
            for wanted in (value, [value], ANY_OF(value, "x")):
                with self.subTest(wanted=wanted):
                    self.stub.on("POST", "/", query={"v": wanted}, form={"v": wanted}).reply(200)
                    answer = requests.post(self.stub.url, params={"v": value}, data={"v": value}, timeout=5)
                    self.assertEqual(200, answer.status_code)
        self.assertEqual(200, self.stub.on("GET", "/x", query={"v": Shade.DARK}).reply(200) and self.get_dark())

    def get_dark(self) -> int:
        return requests.get(f"{self.stub.url}/x", params={"v": "dark"}, timeout=5).status_code

    def test_what_has_none_is_refused(self) -> None:
        """With what to write, at any depth."""
        for value, advice in NEVER:
            for wanted in (value, NOT(value), [value], ANY_OF("x", INCLUDING("y", value))):
                with self.subTest(wanted=wanted), self.assertRaises(UsageError) as caught:
                    make_criteria(query={"v": wanted})
                message = str(caught.exception)
                self.assertTrue(message.startswith("query wants "), message)
                self.assertTrue(message.endswith(f"what is sent is text: write {advice}"), message)

    def test_wherever_it_is_wanted(self) -> None:
        """Each keyword refuses it."""
        value = MOMENT
        for keyword in ("query", "headers", "cookies", "form"):
            with self.subTest(keyword=keyword), self.assertRaisesRegex(UsageError, f"^{keyword} wants datetime"):
                make_criteria(**{keyword: {"v": value}})
        for keyword in ("query", "headers", "cookies", "form", "body", "text", "auth", "host"):
            for other in (value, Plain(), Point(), {1, 2}, later, giving):
                with self.subTest(keyword=keyword, other=other), self.assertRaisesRegex(UsageError, f"^{keyword} is "):
                    make_criteria(**{keyword: other})  # type: ignore[arg-type]
        with self.assertRaisesRegex(UsageError, "^path is '/<a>/<a>', which is no rule: "):
            make_criteria("GET", "/<a>/<a>")
        with self.assertRaisesRegex(UsageError, "^path is "):
            make_criteria("GET", pathlib.PurePosixPath("/x"))
        with self.assertRaisesRegex(UsageError, "^method is "):
            make_criteria(uuid.UUID(int=1))

    def test_a_secret_is_not_printed(self) -> None:
        """The name says enough."""
        with self.assertRaisesRegex(UsageError, r"^headers wants \*\*\* for 'X-Api-Key', of type bytearray;"):
            make_criteria(headers={"X-Api-Key": bytearray(b"hunter2")})

    def test_a_truth_value(self) -> None:
        """Each client writes it in its own way."""
        with self.assertRaises(UsageError) as caught:
            make_criteria(query={"v": False})
        self.assertEqual(
            "query wants False for 'v', which no request can carry: write 'false', 'False' or '0', as it is sent",
            str(caught.exception),
        )


class TargetTest(unittest.TestCase):
    """Where a request goes, and who sends it."""

    def test_what_no_request_can_have_is_refused(self) -> None:
        """With the reason."""
        for where, wanted, message in (
            ((), {"host": "http://api.test"}, "host is 'http://api.test', which no request can name"),
            ((), {"host": ALL_OF("a.test", "a b")}, "host is 'a b', which no request can name"),
            ((), {"query": "q=grün"}, "query is 'q=grün', which no request can carry; a text is the raw query"),
            ((), {"headers": {"X-A": "a\nb"}}, "headers wants for 'X-A' a control character"),
            ((), {"headers": {"X-A": ANY_OF("a", ["b\n"])}}, "headers wants for 'X-A' a control character"),
            ((), {"headers": {"X-A": ["a,b"]}}, "headers wants for 'X-A' a list with 'a,b'; wanted each value without"),
            ((), {"headers": {"X-A": UNORDERED("a", "")}}, "headers wants for 'X-A' a list with ''; wanted each value"),
            (
                (),
                {"headers": [("X-A", "a"), ("X-A", ABSENT)]},
                "headers wants for 'X-A' a list with another list, or AB",
            ),
            ((), {"query": [("a", ABSENT), ("a", "b")]}, "query wants for 'a' a list with another list, or ABSENT, in"),
            ((), {"cookies": {"a=b": "1"}}, "cookies has the name 'a=b', which no cookie can have"),
            ((), {"auth": ("a:b", "x")}, "auth has the name 'a:b'; what follows its colon is sent as the password"),
            ((), {"files": {"f": MOMENT}}, "files wants datetime.datetime(2026, 1, 2, 3, 4) for 'f'"),
            ((), {"files": {"f": ("name", 5)}}, "files wants ('name', 5) for 'f'; wanted its content"),
            ((None, ANY_OF("/a", "b/c")), {}, "path is 'b/c'; wanted one that begins with '/'"),
            ((None, NOT("/a?b=1")), {}, "path is combined with '/a?b=1'; wanted paths alone"),
            (("GET", int), {}, "path is <class 'int'>; wanted a text that begins with '/'"),
            (("GET", UNORDERED("/a")), {}, "path is UNORDERED('/a'); wanted a text that begins with '/'"),
            ((bytes,), {}, "method is <class 'bytes'>; wanted a name such as 'GET'"),
            ((re.compile(b"G.*"),), {}, "method is re.compile(b'G.*'); wanted a name such as 'GET'"),
            ((ANY_OF("GET", int),), {}, "method is <class 'int'>; wanted a name such as 'GET'"),
            ((), {"host": NOT(int)}, "host is NOT(int); wanted a name such as 'api.example.com'"),
            ((), {"host": re.compile(b"a")}, "host is re.compile(b'a'); wanted a name such as 'api.example.com'"),
            ((), {"auth": ""}, "auth is ''; wanted (name, password), the token of a Bearer"),
            ((), {"auth": "hunter2\n"}, "auth is ***, with white space around it or a control character in it; wanted"),
            ((), {"auth": ["ann", "hunter2"]}, "auth is a list of 2; wanted (name, password), the token of a Bearer"),
            ((), {"auth": UNORDERED("a")}, "auth is UNORDERED('a'); wanted (name, password)"),
            ((), {"text": UNORDERED("a")}, "text is UNORDERED('a'); wanted text"),
            ((), {"query": {"v": [["1"]]}}, "query wants for 'v' a list with another list, or ABSENT, in it"),
            ((), {"form": {"v": UNORDERED("1", ABSENT)}}, "form wants for 'v' a list with another list, or ABSENT"),
            ((), {"json": {"v": [1, ABSENT]}}, "json wants [1, ABSENT], a list with ABSENT in it"),
            ((), {"headers": re.compile("a")}, "headers is re.compile('a'); wanted a mapping of names and values"),
            ((), {"query": re.compile(b"a")}, "query is re.compile(b'a'); wanted a mapping of names and values"),
            ((), {"query": INCLUDING("a=1")}, "query is INCLUDING('a=1'); wanted a mapping of names and values"),
            ((), {"form": UNORDERED({"a": "1"})}, "form is UNORDERED({'a': '1'}); wanted a mapping of names and"),
        ):
            with self.subTest(wanted=wanted, where=where), self.assertRaises(UsageError) as caught:
                make_criteria(*where, **wanted)  # type: ignore[arg-type]
            self.assertEqual(message, str(caught.exception)[: len(message)])

    def test_nothing_is_combined(self) -> None:
        """What combines no values would accept none, or all."""
        for kind in (ANY_OF, ALL_OF):
            with self.assertRaisesRegex(UsageError, f"^{kind.__name__}\\(\\) combines nothing; wanted values$"):
                kind()

    def test_each_path_of_several_is_one(self) -> None:
        """Decoded, a rule or a pattern."""
        wanted = ANY_OF("/gr%C3%BCn", "/users/<int:id>", re.compile("/x.*"), NOT(ALL_OF(NOT("/a%2Fb"), INCLUDING("/"))))
        for path, is_met in (("/gr%C3%BCn", True), ("/users/7", True), ("/users/x", False), ("/xy", True)):
            with self.subTest(path=path):
                self.assertEqual(is_met, make_criteria(None, wanted).matches(make_request("GET", path)))
        self.assertTrue(make_criteria(None, wanted).matches(make_request("GET", "/a%2Fb")))


class WholeTest(StubTest):
    """Several mappings are combined: each means what it means alone."""

    def test_each_of_several_mappings(self) -> None:
        """Values are compared as texts, and others besides are allowed where they always are."""
        for criteria in (
            {"query": ANY_OF({"a": 1}, {"a": 2})},
            {"query": ANY_OF(ABSENT, "a=1")},
            {"query": INCLUDING({"a": 1}, {})},
            {"form": ALL_OF(INCLUDING({"b": 2}), NOT({"b": 2}))},
            {"headers": ANY_OF({"X-A": "1"}, {"X-A": "2"})},
            {"headers": NOT({"X-A": "2"})},
            {"cookies": ALL_OF({"c": 3}, {"d": 4})},
            {"files": ABSENT},
        ):
            with self.subTest(criteria=criteria):
                self.stub.on("POST", "/", **criteria).reply(200)  # type: ignore[arg-type]
                answer = requests.post(
                    self.stub.url, params={"a": 1}, data={"b": 2, "x": 0}, headers={"X-A": "1"},
                    cookies={"c": "3", "d": "4", "e": "5"}, timeout=5,
                )  # fmt: skip
                self.assertEqual(200, answer.status_code)
                self.stub.reset()

    def test_what_differs(self) -> None:
        """A report shows each, without its secrets, and what came."""
        wanted = make_criteria(headers=ANY_OF({"X-Api-Key": "hunter2"}, {"X-A": "1"}))
        self.assertEqual("any request headers=ANY_OF({'X-Api-Key': ***}, {'X-A': '1'})", wanted.describe())
        [mismatch] = wanted.compare(make_request("GET", "/", headers=["X-Api-Key: hunter3"]))
        self.assertNotIn("hunter3", mismatch.got)
        self.assertEqual([], make_criteria(cookies=ABSENT).compare(make_request("GET", "/")))


class JSONTest(unittest.TestCase):
    """JSON has six kinds of values."""

    def test_another_kind_is_refused(self) -> None:
        """With how it may be sent."""
        for value in (
            MOMENT,
            *TEXTS[:4],
            Colour.RED,
            b"abc",
            {"a"},
            Point(),
            Plain(),
            1j,
            re.compile(b"x"),
            bytes,
            later,
        ):
            for wanted in (value, {"a": [value]}, ANY_OF("x", value), {"a": INCLUDING({"b": NOT(value)})}):
                with self.subTest(wanted=wanted), self.assertRaisesRegex(UsageError, "^json wants "):
                    make_criteria(json=wanted)
        with self.assertRaises(UsageError) as caught:
            make_criteria(json={"id": uuid.UUID(int=7)})
        self.assertEqual(
            "json wants UUID('00000000-0000-0000-0000-000000000007'), of type UUID, which no JSON is; "
            "write how it is sent, such as '00000000-0000-0000-0000-000000000007'",
            str(caught.exception),
        )

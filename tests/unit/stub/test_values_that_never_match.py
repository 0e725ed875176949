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
TEXTS = (uuid.UUID(int=7), datetime.date(2026, 1, 2), decimal.Decimal("1.50"), ipaddress.ip_address("10.0.0.1"), 7, 1.5)
ANYTHING = "a text, a compiled pattern of one, or a predicate"
NEVER: tuple[tuple[Any, str], ...] = (
    (MOMENT, "'2026-01-02 03:04:00' or '2026-01-02T03:04:00', as it is sent"),
    (Colour.RED, "Colour.RED.value"),
    (b"abc", "'abc'"),
    ({"a", "b"}, "ANY_OF(…), or UNORDERED(…) for all of them"),
    *[(value, ANYTHING) for value in (
        datetime.time(3, 4), fractions.Fraction(1, 2), 1j, {"nested": 1}, pathlib.PurePosixPath("/x"),
        re.compile(b"x"), int, Point(), Plain(), later, giving,
    )],
)  # fmt: skip


def want(*where: Any, **wanted: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What is given to ``on()``."""
    return where, wanted


METHOD = "wanted a name such as 'GET', or None for any"
PATH = "wanted a text that begins with '/', a compiled pattern, or None for any"
CARRY = "which no request can carry: write"
CASE = f"method is 'post'; {METHOD}: 'POST', for methods differ in upper and lower case"
LIST = "a list with another list, or ABSENT, in it"
TWO = "a request has one body, but json and text were given: keep one of them"
MAPPING = "wanted a mapping of names and values"
RULE = "wanted placeholders such as <name>, <int:id>, <path:rest>, or %3C for a plain '<'"
# what is written, and how the message begins
REFUSED: tuple[tuple[tuple[tuple[Any, ...], dict[str, Any]], str], ...] = (
    # methods
    (want("/x"), f"method is '/x'; {METHOD}; for any method on that path write (None, '/x')"),
    (want("GET /x"), f"method is 'GET /x'; {METHOD}; write method and path as two arguments: ('GET', '/x')"),
    (want(""), f"method is ''; {METHOD}"),
    (want(b"GET"), f"method is b'GET'; {METHOD}"),
    (want("GET\n"), f"method is 'GET\\n'; {METHOD}: 'GET'"),
    (want("post"), CASE),
    (want(NOT(ANY_OF("GET", "post"))), CASE),
    (want(["GET", "PUT"]), f"method is ['GET', 'PUT']; {METHOD}; for one of several write ANY_OF(…)"),
    (want("CONNECT"), "method is 'CONNECT', which clients send to a proxy only; the stub refuses it with 501"),
    (want(bytes), f"method is <class 'bytes'>; {METHOD}"),
    (want(re.compile(b"G.*")), f"method is re.compile(b'G.*'); {METHOD}"),
    (want(ANY_OF("GET", int)), f"method is <class 'int'>; {METHOD}"),
    (want(uuid.UUID(int=1)), "method is UUID('00000000-0000-0000-0000-000000000001'); wanted"),
    # paths
    (want("GET", "x/y"), "path is 'x/y'; wanted one that begins with '/': '/x/y'"),
    (want("GET", ""), "path is ''; wanted one that begins with '/': '/'"),
    (want("GET", b"/x"), f"path is b'/x'; {PATH}"),
    (want("GET", int), f"path is <class 'int'>; {PATH}"),
    (want("GET", UNORDERED("/a")), f"path is UNORDERED('/a'); {PATH}"),
    (want("GET", pathlib.PurePosixPath("/x")), "path is PurePosixPath('/x'); wanted"),
    (want("GET", re.compile(b"/x")), "path is re.compile(b'/x'), a pattern of bytes; compile it from a str"),
    (want("GET", "/\udce9"), "path is '/\\udce9', which no request can carry: "),
    (want("GET", "/<n:id>"), f"path is '/<n:id>', which is no rule: the converter 'n' does not exist; {RULE}"),
    (want("GET", "/<a>/<a>"), "path is '/<a>/<a>', which is no rule: "),
    (want("GET", "/?a=1", query={}), "path is '/?a=1', with a query in it, and query is {}: keep one of them"),
    (want("GET", "http://a/", host="b"), "path is 'http://a/', with a host in it, and host is 'b': keep one of them"),
    (want(None, ANY_OF("/a", "b/c")), "path is 'b/c'; wanted one that begins with '/'"),
    (want(None, NOT("/a?b=1")), "path is combined with '/a?b=1'; wanted paths alone"),
    # hosts
    (want(host="http://api.test"), "host is 'http://api.test', which no request can name"),
    (want(host=ALL_OF("a.test", "a b")), "host is 'a b', which no request can name"),
    (want(host=NOT(int)), "host is NOT(int); wanted a name such as 'api.example.com'"),
    (want(host=re.compile(b"a")), "host is re.compile(b'a'); wanted a name such as 'api.example.com'"),
    # names and values
    (want(query={"a": True}), f"query wants True for 'a', {CARRY} 'true', 'True' or '1', as it is sent"),
    (want(query={"a": False}), f"query wants False for 'a', {CARRY} 'false', 'False' or '0', as it is sent"),
    (want(query={"a": None}), f"query wants None for 'a', {CARRY} '' for an empty value, or ABSENT"),
    (want(query={1: 2}), "query has (1, 2); wanted a name, which is a text, and its value"),
    (want(query=5), f"query is 5; {MAPPING}"),
    (want(query="q=grün"), "query is 'q=grün', which no request can carry; a text is the raw query"),
    (want(query=[("a", ABSENT), ("a", "b")]), f"query wants for 'a' {LIST}"),
    (want(query={"v": [["1"]]}), f"query wants for 'v' {LIST}"),
    (want(query=re.compile(b"a")), f"query is re.compile(b'a'); {MAPPING}"),
    (want(query=INCLUDING("a=1")), f"query is INCLUDING('a=1'); {MAPPING}"),
    (want(form={"v": UNORDERED("1", ABSENT)}), f"form wants for 'v' {LIST}"),
    (want(form=UNORDERED({"a": "1"})), f"form is UNORDERED({{'a': '1'}}); {MAPPING}"),
    *[(want(headers={name: "1"}), f"headers has the name {name!r}, which no header can have")
      for name in ("X A", "X-A:", "", "Grün")],
    (want(headers={"X-A": "a\nb"}), "headers wants for 'X-A' a control character"),
    (want(headers={"X-A": ANY_OF("a", ["b\n"])}), "headers wants for 'X-A' a control character"),
    (want(headers={"X-A": ["a,b"]}), "headers wants for 'X-A' a list with 'a,b'; wanted each value without"),
    (want(headers={"X-A": UNORDERED("a", "")}), "headers wants for 'X-A' a list with ''; wanted each value"),
    (want(headers=[("X-A", "a"), ("X-A", ABSENT)]), f"headers wants for 'X-A' {LIST}"),
    (want(headers=re.compile("a")), f"headers is re.compile('a'); {MAPPING}"),
    (want(headers={"X-Api-Key": bytearray(b"x")}), "headers wants *** for 'X-Api-Key', of type bytearray;"),  # a secret
    (want(cookies={"a=b": "1"}), "cookies has the name 'a=b', which no cookie can have"),
    (want(files={"f": MOMENT}), "files wants datetime.datetime(2026, 1, 2, 3, 4) for 'f'"),
    (want(files={"f": ("name", 5)}), "files wants ('name', 5) for 'f'; wanted its content"),
    # credentials
    (want(auth=5), "auth is 5; wanted (name, password), the token of a Bearer, the whole header, or ABSENT"),
    (want(auth=("a:b", "x")), "auth has the name 'a:b'; what follows its colon is sent as the password"),
    (want(auth=""), "auth is ''; wanted (name, password), the token of a Bearer"),
    (want(auth="hunter2\n"), "auth is ***, with white space around it or a control character in it; wanted"),
    (want(auth=["ann", "hunter2"]), "auth is a list of 2; wanted (name, password), the token of a Bearer"),
    (want(auth=UNORDERED("a")), "auth is UNORDERED('a'); wanted (name, password)"),
    # the body
    (want(text="a", json={}), TWO),
    (want(body={"a": 1}), "body is {'a': 1}; wanted bytes or text: for a JSON value write json={'a': 1}"),
    (want(text=b"a"), "text is b'a'; wanted text (for bytes write body=…, for a JSON value json=…)"),
    (want(text=UNORDERED("a")), "text is UNORDERED('a'); wanted text"),
    (want(json={"v": [1, ABSENT]}), "json wants [1, ABSENT], a list with ABSENT in it"),
    (want(json={"a": float("nan")}), "json wants nan, which is no JSON"),
    (want(json={"a": [{1: "x"}]}), "json wants the key 1; in JSON every key is a text: '1'"),
    (want(json=[bytes]), "json wants bytes, and no value of JSON is one"),
    (want(json={"id": decimal.Decimal(7)}),
     "json wants Decimal('7'), of type Decimal, which no JSON is; write how it is sent, such as '7'"),
)  # fmt: skip


class RefusalTest(unittest.TestCase):
    """What no request can match."""

    def test_what_no_request_can_match_is_refused(self) -> None:
        """Where it is written; the right call is shown, and no secret."""
        for (where, wanted), message in REFUSED:
            with self.subTest(where=where, wanted=wanted):
                with self.assertRaises(UsageError) as caught:
                    make_criteria(*where, **wanted)
                self.assertEqual(message, str(caught.exception)[: len(message)])
        with self.assertRaises(TypeError) as misspelt:
            make_criteria("GET", "/x", quary={})  # type: ignore[call-arg]
        known = "make_criteria() got an unexpected keyword argument 'quary'. Did you mean 'query'?"
        self.assertEqual(known, str(misspelt.exception))

    def test_nothing_is_combined(self) -> None:
        """What combines no values would accept none, or all."""
        for kind, wanted in (
            (ANY_OF, "combines nothing; wanted values"), (ALL_OF, "combines nothing; wanted values"),
            (INCLUDING, "includes nothing; wanted a mapping, items of a list, or parts of a text"),
        ):  # fmt: skip
            with self.assertRaises(UsageError) as caught:
                kind()
            self.assertEqual(f"{kind.__name__}() {wanted}", str(caught.exception))

    def test_what_has_no_text_is_refused(self) -> None:
        """With what to write, at any depth, by each keyword."""
        for value, advice in NEVER:
            for wanted in (value, NOT(value), [value], ANY_OF("x", INCLUDING("y", value))):
                with self.subTest(wanted=wanted), self.assertRaises(UsageError) as caught:
                    make_criteria(query={"v": wanted})
                message = str(caught.exception)
                self.assertTrue(message.startswith("query wants "), message)
                self.assertTrue(message.endswith(f"what is sent is text: write {advice}"), message)
        for keyword in ("query", "headers", "cookies", "form", "body", "text", "auth", "host"):
            for other in (MOMENT, Plain(), Point(), {1, 2}, later, giving):
                with self.subTest(keyword=keyword, other=other), self.assertRaisesRegex(UsageError, f"^{keyword} is "):
                    make_criteria(**{keyword: other})  # type: ignore[arg-type]
        for keyword in ("headers", "cookies", "form"):
            with self.subTest(keyword=keyword), self.assertRaisesRegex(UsageError, f"^{keyword} wants datetime"):
                make_criteria(**{keyword: {"v": MOMENT}})

    def test_what_json_has_not_is_refused(self) -> None:
        """JSON has six kinds of values; at any depth."""
        more = (MOMENT, *TEXTS[:4], Colour.RED, b"abc", {"a"}, Point(), Plain(), 1j, re.compile(b"x"), bytes, later)
        for value in more:
            for wanted in (value, {"a": [value]}, ANY_OF("x", value), {"a": INCLUDING({"b": NOT(value)})}):
                with self.subTest(wanted=wanted), self.assertRaisesRegex(UsageError, "^json wants "):
                    make_criteria(json=wanted)


class TextTest(StubTest):
    """Parameters, fields, headers and cookies are texts."""

    def test_what_has_one_text_is_that(self) -> None:
        """It is sent as it is compared, alone, in a list and combined."""
        for value in (*TEXTS, Shade.DARK):
            sent = value.value if isinstance(value, Shade) else value
            for wanted in (value, [value], ANY_OF(value, "x")):
                with self.subTest(wanted=wanted):
                    self.stub.on("POST", "/", query={"v": wanted}, form={"v": wanted}).reply(200)
                    answer = requests.post(self.stub.url, params={"v": sent}, data={"v": sent}, timeout=5)
                    self.assertEqual(200, answer.status_code)

    def test_each_path_of_several_is_one(self) -> None:
        """Decoded, a rule or a pattern."""
        wanted = ANY_OF("/gr%C3%BCn", "/users/<int:id>", re.compile("/x.*"), NOT(ALL_OF(NOT("/a%2Fb"), INCLUDING("/"))))
        for path, is_met in (
            ("/gr%C3%BCn", True), ("/users/7", True), ("/users/x", False), ("/xy", True), ("/a%2Fb", True)
        ):  # fmt: skip
            with self.subTest(path=path):
                self.assertEqual(is_met, make_criteria(None, wanted).matches(make_request("GET", path)))


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

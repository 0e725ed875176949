"""Criteria: what matches, how a mismatch describes itself, and what no request could match."""

from __future__ import annotations

import io
import re
import unittest
from types import SimpleNamespace
from typing import Any
from unittest import mock

from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.test import encode_multipart

from liveserver_testcase import ABSENT, ALL_OF, ANY_OF, INCLUDING, NOT, UNORDERED, UsageError
from liveserver_testcase.stub.matching import make_criteria
from liveserver_testcase.stub.parsing import NO_JSON
from liveserver_testcase.stub.request import RecordedRequest
from tests.integration.stub.support import make_request

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
BASIC = "Authorization: Basic YW5uOnNlY3JldA=="  # ann:secret
TWICE = "Authorization: Bearer Bearer abc"
MORE = "(INCLUDING({…}) allows more)"
PART = "(the pattern matches a part of it, and must match all)"


def get(target: str, *headers: str, method: str = "GET") -> RecordedRequest:
    return make_request(method, target, headers=headers)


def post(body: bytes, content_type: str = JSON) -> RecordedRequest:
    return make_request("POST", "/", body, content_type)


def send_form(boundary: str, **fields: Any) -> RecordedRequest:
    """A form with files, as a browser sends it."""
    boundary, body = encode_multipart(fields, boundary=boundary)
    return post(body, f"multipart/form-data; boundary={boundary}")


def make_file(content: bytes, name: str, kind: str) -> FileStorage:
    """A file to be sent."""
    return FileStorage(io.BytesIO(content), name, content_type=kind)


def want(*where: Any, **wanted: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What is given to ``on()``."""
    return where, wanted


class MatchingTest(unittest.TestCase):
    """Requests, and what is wanted of them."""

    maxDiff = None

    def check(self, request: RecordedRequest, *rows: tuple[tuple[tuple[Any, ...], dict[str, Any]], str]) -> None:
        """Compare a request with what is wanted in each row; its text is of the only mismatch, or empty."""
        for (where, wanted), text in rows:
            with self.subTest(where=where, wanted=wanted):
                criteria = make_criteria(*where, **wanted)
                self.assertEqual([text] if text else [], [str(each) for each in criteria.compare(request)])
                self.assertIs(not text, criteria.matches(request))

    def check_each(self, name: str, *rows: tuple[Any, RecordedRequest, str]) -> None:
        """The same of one criterion, with a request in each row."""
        for wanted, request, text in rows:
            self.check(request, (want(**{name: wanted}), text and f"{name}{text}"))

    # -- where a request goes ----------------------------------------------------------------------------------------

    def test_methods(self) -> None:
        """Preflight requests, HEAD and redirects are known."""
        for wanted, got, text in (
            ("PUT", "POST", "PUT, got POST"),
            ("GET", "POST", "GET, got POST"),
            ("POST", "OPTIONS", "POST, got OPTIONS (a browser asks with OPTIONS before it sends to another origin)"),
            ("GET", "HEAD", "GET, got HEAD (an expectation of GET does not answer HEAD)"),
            ("POST", "GET", "POST, got GET (a client that follows a redirect makes a GET of a POST)"),
        ):
            self.check(get("/", method=got), (want(wanted), f"method: wanted {text}"))

    def test_paths_that_match(self) -> None:
        """Both sides are decoded once; the query does not count, and a pattern must match all of the path."""
        for wanted, target in (
            ("/charges", "/charges"),
            ("/charges", "/charges?limit=2"),
            ("/charges", "http://shop.test/charges?limit=2"),  # as proxies are sent it
            ("/grüße/a b", "/gr%C3%BC%C3%9Fe/a%20b"),
            ("/gr%C3%BC%C3%9Fe/a%20b", "/gr%C3%BC%C3%9Fe/a%20b"),
            ("/files/a%2Fb", "/files/a%2fb"),
            ("/100%25", "/100%25"),
            ("/100%", "/100%25"),
            ("*", "*"),
            (None, "*"),
            (None, "/a/b"),
            (None, "http://elsewhere.test/x"),
            (re.compile(r"/users/\d+"), "/users/12?full=1"),
            (re.compile("/[a-zü]+"), "/gr%C3%BCn"),
            # a query in it means its parameters, not their order; of a whole URL scheme and host count, too
            ("/x?a=1&b=2", "/x?b=2&a=1"),
            ("/x?", "/x"),
            ("http://127.0.0.1:8000/x?a=1#part", "/x?a=1"),
            ("HTTP://127.0.0.1:8000", "/"),
        ):
            self.check(get(target, method="OPTIONS" if target == "*" else "GET"), (want(None, wanted), ""))

    def test_paths_that_differ(self) -> None:
        """Both paths are quoted, neither can write to the terminal, and a likely mistake is named."""
        long = "/" + "a" * 4999
        rule, params = "/users/<int:id>", "its parts are there, but a placeholder does not accept its own"
        written = "placeholders are written <name>, <int:name> or <path:name>"
        pattern = "a pattern is written re.compile(…)"
        doubled = "slashes are doubled: was a path joined to a URL that ends with one?"
        for wanted, target, text in (
            ("/charges", "/refunds", "'/charges', got '/refunds'"),
            ("/files/a/b", "/files/a%2Fb",
             "'/files/a/b', got '/files/a%2Fb' (an encoded slash, %2F, does not separate)"),
            ("/charges", "//charges", f"'/charges', got '//charges' ({doubled})"),
            ("/a/b", "/a//b", f"'/a/b', got '/a//b' ({doubled})"),
            (re.compile(r"/users/\d"), "/users/12", rf"matching '/users/\\d', got '/users/12' {PART}"),
            (re.compile("/users"), "/x", "matching '/users', got '/x'"),
            ("/", "/a", "'/', got '/a'"),  # that every path begins with a slash is no hint
            ("/a", "/", "'/a', got '/'"),
            ("/caf%E9", "/caf%E8", "'/caf%E9', got '/caf%E8'"),  # octets that are no UTF-8 stay as they were sent
            ("/x", "/%1B[2J%0A%E2%80%AE", r"'/x', got '/\x1b[2J\n\u202e'"),
            ("/a", "/a/", "'/a', got '/a/' (it has a slash at the end)"),
            ("/a/", "/a", "'/a/', got '/a' (it has no slash at the end)"),
            ("/Charges", "/charges", "'/Charges', got '/charges' (upper and lower case differ)"),
            ("/a b", "/a%2520b", "'/a b', got '/a%20b' (it was percent-encoded twice)"),
            ("/charges", "/v1/charges",
             "'/charges', got '/v1/charges' (it has '/v1' in front: is the base URL right?)"),
            ("/v1/charges", "/charges",
             "'/v1/charges', got '/charges' (it lacks '/v1' in front: is the base URL right?)"),
            (long, f"{long}/",
             (f"'/{'a' * 119}'… (5,000 characters), got '/{'a' * 119}'… (5,001 characters) "
              "(it has a slash at the end)")),
            (rule, "/users/42/", f"'{rule}', got '/users/42/' (it has a slash at the end)"),
            (rule, "/users/ann", f"'{rule}', got '/users/ann' ({params})"),
            (rule, "/posts", f"'{rule}', got '/posts'"),
            ("/a/<b>/", "/a/1", "'/a/<b>/', got '/a/1' (it has no slash at the end)"),
            (ANY_OF("/x", "/y"), "/a/b", "ANY_OF('/x', '/y'), got '/a/b'"),
            # what other tools write
            ("/users/{id}", "/users/7", f"'/users/{{id}}', got '/users/7' ({written})"),
            ("/users/:id", "/users/7", f"'/users/:id', got '/users/7' ({written})"),
            ("/users/*", "/users/7", f"'/users/*', got '/users/7' ({written})"),
            (r"/users/\d+", "/users/7", rf"'/users/\\d+', got '/users/7' ({pattern})"),
            ("/users/.*$", "/users/7", f"'/users/.*$', got '/users/7' ({pattern})"),
        ):  # fmt: skip
            self.check(get(target), (want(None, wanted), f"path: wanted {text}"))
        for wanted, target, text in (
            ("/x?a=1", "/x?a=2", "query at a: wanted '1', got '2'"),
            ("/x?", "/x?a=1", f"query at a: wanted nothing, got '1' {MORE}"),
            ("https://127.0.0.1:8000/", "/",
             "scheme: wanted https, got http (the stub speaks TLS if stub_tls says so)"),
            ("http://api.shop.test:80", "/", "host: wanted 'api.shop.test', got '127.0.0.1:8000'"),
        ):  # fmt: skip
            self.check(get(target), (want("GET", wanted), text))

    def test_a_path_that_resembles_is_nearer_than_one_that_does_not(self) -> None:
        """The distance grows from a slip over a likeness to a stranger; a wrong method lies in between."""
        wanted = ((None, "/charges/"), ("PUT", None), (None, "/charge"), (None, "/refunds"), ("PUT", "/refunds"))
        compared = [make_criteria(*where).compare(get("/charges")) for where in wanted]
        distances = [sum(mismatch.distance for mismatch in found) for found in compared]
        self.assertEqual(sorted(set(distances)), distances)
        self.assertEqual(["method", "path"], [mismatch.criterion for mismatch in compared[-1]])

    def test_what_placeholders_stand_for(self) -> None:
        """With werkzeug's converters; the named groups of a pattern are handed on as placeholders are."""
        rules: list[tuple[Any, str, dict[str, Any]]] = [
            ("/users/<int:id>", "/users/42", {"id": 42}),
            ("/users/<name>/posts/<int:number>", "/users/a%20b/posts/7", {"name": "a b", "number": 7}),
            ("/files/<path:rest>", "/files/a/b.txt", {"rest": "a/b.txt"}),
            ("/<any(red, blue):colour>/x", "/red/x", {"colour": "red"}),
            ("/gr%C3%BCn/<float:n>", "/gr%C3%BCn/1.5", {"n": 1.5}),
            (re.compile(r"/users/(?P<id>\d+)"), "/users/42", {"id": "42"}),
            # of several paths those of the one that matches
            (ANY_OF("/a/<name>", "/users/<int:id>", "/x"), "/users/42", {"id": 42}),
            (ANY_OF("/a/<name>", "/users/<int:id>", "/x"), "/x", {}),
            (ALL_OF("/users/<int:id>", NOT("/users/<id>/x")), "/users/42", {"id": 42}),
            (NOT("/users/<int:id>"), "/x", {}),
        ]
        for rule, path, params in rules:
            self.check(get(path), (want("GET", rule), ""))
            criterion = make_criteria("GET", rule).path
            self.assertEqual(params, criterion.find_params(get(path)))  # type: ignore[union-attr]

    def test_methods_and_paths_follow_the_rule(self) -> None:
        """Predicates, combinators, objects that compare for themselves."""
        self.check(
            get("/a/b", method="PUT"),
            (want(ANY_OF("PUT", "POST"), ANY_OF("/a/b", "/c")), ""),
            (want(re.compile("P.*"), lambda path: path.startswith("/a")), ""),
            (want(mock.ANY, mock.ANY), ""),
            (want(NOT("PUT")), "method: wanted NOT('PUT'), got PUT"),
        )

    def test_hosts(self) -> None:
        """A text without a port leaves it open; ``a.test`` and ``a.test:80`` are one host; case does not matter."""
        neither = NOT(ANY_OF("api.test:80", "b.test"))
        for sent, wanted, is_met in (
            ("127.0.0.1:8000", re.compile(r"127\..*"), True), ("127.0.0.1:8000", ANY_OF("a.test", "127.0.0.1"), True),
            ("api.test", "api.test:80", True), ("api.test:80", "api.test:80", True), ("api.test:80", "api.test", True),
            ("api.test:8080", "api.test", True), ("api.test:8080", "api.test:80", False),
            ("API.test", "api.TEST:80", True), ("[::1]:8080", "::1", True), ("[::1]", "[::1]:80", True),
            ("api.test:8080", NOT("api.test"), False), ("api.test", neither, False), ("c.test", neither, True),
        ):  # fmt: skip
            with self.subTest(sent=sent, wanted=wanted):
                self.assertEqual(is_met, make_criteria(host=wanted).matches(get(f"http://{sent}/")))
        self.check(get("/"), (want(host="127.0.0.1:80"), "host: wanted '127.0.0.1:80', got '127.0.0.1:8000'"))

    # -- names and values --------------------------------------------------------------------------------------------

    def test_the_query(self) -> None:
        """All parameters, as often as they came; a text is the raw query, letter by letter."""
        self.check_each(
            "query",
            ({"b": "x y", "a": "1"}, get("/?a=1&b=x+y"), ""),
            ({"a": "1"}, get("/?a=1&b=x+y"), f" at b: wanted nothing, got 'x y' {MORE}"),
            ({"a": "1", "c": "3"}, get("/?a=1"), " at c: wanted '3', got nothing"),
            (INCLUDING({"a": "1"}), get("/?a=1&b=x+y"), ""),
            ({"page": 2, "x": 1.5}, get("/?page=2&x=1.5"), ""),  # a query has texts only
            ({"tag": ["a", "b"]}, get("/?tag=a&tag=b"), ""),
            ([("tag", "a"), ("tag", "b")], get("/?tag=a&tag=b"), ""),
            (MultiDict([("tag", "a"), ("tag", "b")]), get("/?tag=a&tag=b"), ""),
            ({"tag": UNORDERED("b", "a")}, get("/?tag=a&tag=b"), ""),
            ({"tag": INCLUDING("b")}, get("/?tag=a&tag=b"), ""),
            ({"tag": "a"}, get("/?tag=a&tag=b"),
             " at tag: wanted 'a', got ['a', 'b'] (it came 2 times: write a list for all of them)"),
            ({"tag": ["b", "a"]}, get("/?tag=a&tag=b"), " at tag: wanted ['b', 'a'], got ['a', 'b']"),
            ({"flag": "", "other": ""}, get("/?flag&other="), ""),  # blank values are kept
            ({}, get("/?flag"), f" at flag: wanted nothing, got '' {MORE}"),
            ({}, get("/"), ""),
            (ABSENT, get("/"), ""),
            (ABSENT, get("/?a=1"), ": wanted ABSENT, got a=1"),
            ("", get("/"), ""),
            ("", get("/?a=1"), ": wanted '', got 'a=1'"),
            ("b=2&a=1", get("/?b=2&a=1"), ""),
            ("?b=2&a=1", get("/?b=2&a=1"), ""),
            (re.compile("b=2.*"), get("/?b=2&a=1"), ""),
            ("a=1&b=2", get("/?b=2&a=1"),
             (": wanted 'a=1&b=2', got 'b=2&a=1' "
              "(the same parameters: a mapping compares those, a text each letter)")),
            ({"id": re.compile(r"\d+"), "t": mock.ANY, "debug": ABSENT}, get("/?id=42&t=x"), ""),
            ({"id": str.isdigit, "t": ANY_OF("x", "y")}, get("/?id=42&t=x"), ""),
            (lambda args: args["id"] == "42", get("/?id=42&t=x"), ""),
            (INCLUDING({"id": re.compile("4")}), get("/?id=42"), f" at id: wanted re.compile('4'), got '42' {PART}"),
            # neither a secret nor what could write to the terminal is printed
            ({"api_key": "hunter2"}, get("/?api_key=hunter3"), " at api_key: wanted ***, got another"),
            ({}, get("/?%1B[2J=1"), rf" at \x1b[2J: wanted nothing, got '1' {MORE}"),
        )  # fmt: skip

    def test_headers(self) -> None:
        """Some of them, names without case; several lines are one list, and credentials are compared as such."""
        request, several = get("/", "X-A: 1", "X-B: two"), get("/", "Accept: a", "Accept: b")
        digest = get("/", 'Authorization: Digest username="ann", realm="shop"')
        hint = "(it is one of several values: INCLUDING(…), or a list, allows that)"
        self.check_each(
            "headers",
            ({"x-a": 1, "CONTENT-TYPE": JSON, "Content-Length": 2},
             make_request("POST", "/", b"{}", JSON, ["X-A: 1"]), ""),
            ([("X-B", "two")], request, ""),
            ({"X-A": str.isdigit, "X-C": ABSENT, "X-B": re.compile("t.*")}, request, ""),
            ({"X-B": "TWO"}, request, " at X-B: wanted 'TWO', got 'two' (upper and lower case differ)"),
            ({"X-C": "x"}, request, " at X-C: wanted 'x', got nothing"),
            ({"X-A": ABSENT}, request, " at X-A: wanted ABSENT, got '1'"),
            ({"Accept": "a"}, several, f" at Accept: wanted 'a', got 'a, b' {hint}"),
            ({"Authorization": 'digest realm="shop", username="ann"'}, digest, ""),
            ({"Authorization": 'Digest username="bob"'}, digest, " at Authorization: wanted ***, got another"),
        )  # fmt: skip

    def test_cookies(self) -> None:
        """Some of them, by name."""
        self.check(
            get("/", "Cookie: theme=dark; sid=abc"),
            (want(cookies={"theme": "dark"}), ""),
            (want(cookies={"theme": ANY_OF("dark", "light"), "basket": ABSENT}), ""),
            (want(cookies={"theme": "light"}), "cookies at theme: wanted 'light', got 'dark'"),
            (want(cookies={"sid": "xyz"}), "cookies at sid: wanted ***, got another"),
            (want(cookies={"basket": "full"}), "cookies at basket: wanted 'full', got nothing"),
        )

    def test_the_code_of_a_login_and_a_key(self) -> None:
        """They are secret as parameters of a query or a form, where the request line masks them, too."""
        for name, request in (
            ("query", get("/?code=4711&key=a")),
            ("form", post(b"code=4711&key=a", FORM)),
        ):
            criteria = make_criteria(None, None, **{name: {"code": "1234", "key": "b"}})
            (mismatch,) = criteria.compare(request)
            self.assertEqual(("***", "another"), (mismatch.wanted, mismatch.got))
            self.assertEqual(("at key: wanted ***, got another",), mismatch.details)
            self.assertNotIn("1234", criteria.describe())

    def test_a_name_that_is_probably_misspelt(self) -> None:
        """What came in its place is named, and is no difference of its own; a name that is wanted itself is none."""
        misspelt = "got nothing (there is {!r}: is it misspelt?)"
        for request, criteria, text in (
            (get("/?limt=5"), {"query": {"limit": 5}}, f"query at limit: wanted '5', {misspelt.format('limt')}"),
            (get("/?Limit=5"), {"query": {"limit": 5}}, f"query at limit: wanted '5', {misspelt.format('Limit')}"),
            (get("/", "X-Shop-Nmae: a"), {"headers": {"x-shop-name": "a"}}, misspelt.format("X-Shop-Nmae")),
            (get("/", "x-shop-a: a"), {"headers": {"X-Shop-A": "a", "X-Shop-B": "b"}}, "wanted 'b', got nothing"),
            (get("/", "Cookie: teme=dark"), {"cookies": {"theme": "dark"}}, misspelt.format("teme")),
            (post(b"userId=5", FORM), {"form": {"user_id": "5"}}, misspelt.format("userId")),
        ):
            with self.subTest(criteria=criteria, text=text):
                (mismatch,) = make_criteria(None, None, **criteria).compare(request)
                self.assertTrue(str(mismatch).endswith(text), mismatch)

    def test_credentials(self) -> None:
        """Name and password, the token alone, or the whole header; never printed."""
        bearer, twice = get("/", "Authorization: Bearer abc"), "the token begins with 'Bearer ' once more"
        self.check_each(
            "auth",
            (("ann", "secret"), get("/", BASIC), ""),
            ((mock.ANY, "secret"), get("/", BASIC), ""),
            (("ann", "x"), get("/", BASIC), ": wanted Basic 'ann' ***, got Basic 'ann' *** (the password differs)"),
            (("bob", "secret"), get("/", BASIC), ": wanted Basic 'bob' ***, got Basic 'ann' ***"),
            ("secret", get("/", BASIC), ": wanted Bearer ***, got Basic 'ann' ***"),
            *[(auth, bearer, "") for auth in ("abc", "Bearer abc", "bearer abc", re.compile("a.c"))],
            (re.compile("Bearer .*"), bearer, ""),
            ("xyz", bearer, ": wanted Bearer ***, got Bearer *** (the token differs)"),
            (("ann", "abc"), bearer, ": wanted Basic 'ann' ***, got Bearer ***"),
            *[
                (auth, get("/", TWICE), f": wanted Bearer ***, got Bearer *** ({twice})")
                for auth in ("abc", "Bearer abc")
            ],
            (lambda auth: auth.token == "abc", bearer, ""),
            (ABSENT, get("/"), ""),
            ("abc", get("/"), ": wanted Bearer ***, got no Authorization header"),
            (ABSENT, get("/", BASIC), ": wanted ABSENT, got Basic 'ann' ***"),
        )

    # -- the body ----------------------------------------------------------------------------------------------------

    def test_bytes_and_text(self) -> None:
        """Bytes exactly; text as UTF-8, or in the charset of the request."""
        self.check(
            post("grün".encode("latin-1"), "text/plain; charset=latin-1"),
            (want(body="grün".encode("latin-1")), ""),
            (want(text="grün"), ""),
            (want(text=re.compile("gr.n")), ""),
            (want(text=str), ""),
            (want(body="grün"), "body: wanted 'grün', got b'gr\\xfcn'"),
        )
        self.check(
            post("grün".encode(), "text/plain"),
            (want(body="grün"), ""),
            (want(body=re.compile("g.*")), ""),
            (want(body=INCLUDING(b"gr")), ""),
            (want(body=b"x"), "body: wanted b'x', got b'gr\\xc3\\xbcn'"),
            (want(text="x"), "text: wanted 'x', got 'grün'"),
        )
        self.check(get("/"), (want(body=b"x"), "body: wanted b'x', got no body"))

    def test_no_body_is_absent_and_empty(self) -> None:
        """In whatever that is combined; a body is neither."""
        for name in ("body", "text"):
            for wanted, is_met in ((ABSENT, True), (NOT(ABSENT), False), (ANY_OF("x", ABSENT), True), (NOT(""), False)):
                criteria = make_criteria(**{name: wanted})  # type: ignore[arg-type]
                with self.subTest(name=name, wanted=wanted):
                    self.assertEqual((is_met, not is_met), (criteria.matches(get("/")), criteria.matches(post(b"a"))))

    def test_a_long_text_is_shown_as_a_diff(self) -> None:
        """Lines that differ, and where one long line parts."""
        wanted = "\n".join(f"line {n}" for n in range(9))
        (mismatch,) = make_criteria(text=wanted).compare(post(wanted.replace("4", "four").encode(), ""))
        lines = "--- wanted|+++ got|@@ -3,5 +3,5 @@| line 2| line 3|-line 4|+line four| line 5| line 6"
        self.assertEqual(tuple(lines.split("|")), mismatch.details)
        (mismatch,) = make_criteria(text="a" * 200).compare(post(b"a" * 150 + b"b" * 50, ""))
        self.assertEqual(
            ("they differ from character 151 on:", f"  wanted …'{'a' * 60}'", f"  got    …'{'a' * 20}{'b' * 40}'"),
            mismatch.details,
        )

    def test_json(self) -> None:
        """Strictly, whatever the Content-Type; what is no JSON is shown with what it was meant to be."""
        request = post(b'{"id": 1, "tags": ["a"], "on": true, "x": null}')
        self.check_each(
            "json",
            ({"id": 1, "tags": ["a"], "on": True, "x": None}, request, ""),
            (INCLUDING({"id": int, "tags": [mock.ANY]}), request, ""),
            ({"id": 1, "on": 1, "tags": ["b"], "x": None}, request,
             " at $.on: wanted 1, got True (a truth value, not a number; 1 more difference)"),
            (INCLUDING({"id": "1"}), request, " at $.id: wanted '1', got 1 (a number, not a text)"),
            (None, post(b"null"), ""),
            (None, post(b""), ": wanted None, got no body"),
            (ABSENT, post(b""), ""),
            ({"a": 1}, post(b"a=1&password=hunter2", FORM),
             (": wanted {'a': 1}, got 'a=1&password=***', which is no JSON "
              "(its Content-Type is application/x-www-form-urlencoded, not that of JSON)")),
            ({"a": 1}, get("/?a=1"), ": wanted {'a': 1}, got no body (were the parameters put into the query?)"),
            ({"password": "hunter2"}, post(b'{"password": "x"}'), " at $.password: wanted ***, got another"),
        )  # fmt: skip

    def test_a_body_is_read_as_json_once(self) -> None:
        """However many expectations ask."""
        request = post(b'{"a": [1]}')
        self.assertIs(request.json_value, request.json_value)
        for body in (b"", b"{", b"\xff", b"[" * 100_000):
            self.assertIs(NO_JSON, post(body).json_value)

    def test_forms(self) -> None:
        """All of their fields, urlencoded or multipart."""
        for request in (post(b"a=1&b=x&b=y&c=", FORM), send_form("xyz", a="1", b=["x", "y"], c="")):
            self.check(
                request,
                (want(form={"a": 1, "b": ["x", "y"], "c": ""}), ""),
                (want(form=INCLUDING({"a": "1"})), ""),
                (want(form={"a": 2, "b": ["x", "y"], "c": ""}), "form at a: wanted '2', got '1'"),
            )
        text = "form: wanted {'a': '1'}, got no form (its Content-Type is application/json, not that of a form)"
        self.check(post(b'{"a": 1}'), (want(form={"a": 1}), text))

    def test_files(self) -> None:
        """Content, name, type; the boundary is no matter, and a predicate that has read one leaves it as it was."""
        for boundary in ("one", "two"):
            request = send_form(boundary, note="x", photo=make_file(b"\xff\xd8", "me.jpg", "image/jpeg"))
            self.check(
                request,
                (want(files={"photo": b"\xff\xd8"}), ""),
                (want(files={"photo": ("me.jpg", b"\xff\xd8")}, form={"note": "x"}), ""),
                (want(files={"photo": (None, mock.ANY, "image/jpeg")}), ""),
                (want(files={"photo": lambda file: file.read(1) == b"\xff", "other": ABSENT}), ""),
                (want(files={"photo": ("you", mock.ANY)}), "files at photo (name): wanted 'you', got 'me.jpg'"),
                (want(files={"photo": b"x"}), "files at photo: wanted b'x', got b'\\xff\\xd8'"),
                (want(files={}), "files at photo: wanted nothing, got a file"),
            )
            self.assertEqual(b"\xff\xd8", request.files["photo"].read())
        text = "wanted {'a': b'x'}, got no files (its Content-Type is text/plain, not that of a form with files)"
        self.check(post(b"x", "text/plain"), (want(files={"a": b"x"}), f"files: {text}"))

    # -- matchers of a test's own ------------------------------------------------------------------------------------

    def test_a_matcher_of_ones_own(self) -> None:
        """A function of the request, or an object that can also say what it wants and what came instead."""

        def is_big(request: RecordedRequest) -> bool:
            return len(request.body) > 5

        def is_cheap(request: RecordedRequest) -> bool:
            return bool(request.get_json(force=True)["amount"] < 5)

        async def is_small(request: RecordedRequest) -> bool:
            return False

        class Small:
            def matches(self, request: RecordedRequest) -> bool:
                return not is_big(request)

        big = SimpleNamespace(matches=is_big, describe=lambda: "a big\nbody", explain=lambda got: f"{len(got.body)} B")
        self.check(
            post(b"{}"),
            (want(matcher=lambda request: request.json == {} and request.raw_path == "/"), ""),
            (want(matcher=Small()), ""),
            (want(matcher=is_big), "matcher: wanted is_big() to be true, got false"),
            (want(matcher=big), r"matcher: wanted a big\nbody, got 2 B"),
            (want(matcher=is_cheap), "matcher: wanted is_cheap(), got raised KeyError: 'amount'"),
        )
        for matcher in (Small, is_small, 5):  # a class and a coroutine function would match everything
            with self.subTest(matcher=matcher), self.assertRaises(UsageError) as caught:
                make_criteria(matcher=matcher)
            wanted = "; wanted a function of the request, or an object with matches(request)"
            self.assertEqual(wanted, str(caught.exception)[-len(wanted) :])

    # -- in words, and what is refused -------------------------------------------------------------------------------

    def test_they_are_described_on_one_line(self) -> None:
        """In the order in which they are compared; whatever is left out, the line says so; secrets are masked."""
        everything = want(
            "POST", "/x", json={"a": 1}, headers={"X-A": "1"}, query={"q": 1}, auth=("ann", "x"), cookies={"c": "d"}
        )
        for (where, wanted), text in (
            (want("POST", "/charges"), "POST '/charges'"),
            (want("POST", None), "POST any path"),
            (want(None, "/charges"), "any method '/charges'"),
            (want(), "any request"),
            (want("GET", re.compile(r"/a/\d+")), r"GET matching '/a/\\d+'"),
            (want("GET", "http://a.test:8/x?a=1"), "GET '/x' scheme=http host='a.test:8' query={'a': '1'}"),
            (want(query={"api_key": "hunter2"}), "any request query={'api_key': ***}"),
            (want(query="api_key=hunter2"), "any request query='api_key=***'"),
            (want(auth=NOT(ANY_OF(("ann", "x"), "abc"))), "any request auth=NOT(ANY_OF(('ann', ***), ***))"),
            (want(headers={"X-Api-Key": "hunter2", "Accept": "x"}),
             "any request headers={'X-Api-Key': ***, 'Accept': 'x'}"),
            (want(json={"user": "ann", "password": "x"}), "any request json={'user': 'ann', 'password': '***'}"),
            (everything,
             "POST '/x' query={'q': '1'} headers={'X-A': '1'} auth=Basic 'ann' *** cookies={'c': 'd'} json={'a': 1}"),
        ):  # fmt: skip
            with self.subTest(text=text):
                self.assertEqual(text, make_criteria(*where, **wanted).describe())

"""What can be wanted of a request besides its method: what matches, and how a mismatch describes itself."""

from __future__ import annotations

import io
import re
import unittest
from typing import Any
from unittest import mock

from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.test import encode_multipart

from liveserver_testcase import ABSENT, ANY_OF, INCLUDING, NOT, UNORDERED, UsageError
from liveserver_testcase.stub.matching import make_criteria
from liveserver_testcase.stub.parsing import NO_JSON
from liveserver_testcase.stub.request import RecordedRequest
from tests.integration.stub.support import make_request

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


def send_form(boundary: str, **fields: Any) -> RecordedRequest:
    """A form with files, as a browser sends it."""
    boundary, body = encode_multipart(fields, boundary=boundary)
    return make_request("POST", "/", body, f"multipart/form-data; boundary={boundary}")


def make_file(content: bytes, name: str, kind: str) -> FileStorage:
    """A file to be sent."""
    return FileStorage(io.BytesIO(content), name, content_type=kind)


class CriteriaTest(unittest.TestCase):
    """A request, and what is wanted of it."""

    maxDiff = None

    def assert_matches(self, request: RecordedRequest, method: Any = None, path: Any = None, **wanted: Any) -> None:
        criteria = make_criteria(method, path, **wanted)
        self.assertEqual([], [str(mismatch) for mismatch in criteria.compare(request)])
        self.assertTrue(criteria.matches(request))

    def assert_differs(
        self, message: str, request: RecordedRequest, method: Any = None, path: Any = None, **wanted: Any
    ) -> None:
        criteria = make_criteria(method, path, **wanted)
        self.assertFalse(criteria.matches(request))
        self.assertEqual([message], [str(mismatch) for mismatch in criteria.compare(request)])

    def assert_refused(self, message: str, *where: Any, **wanted: Any) -> None:
        with self.assertRaises(UsageError) as caught:
            make_criteria(*where, **wanted)
        self.assertEqual(message, str(caught.exception))


class QueryTest(CriteriaTest):
    """The parameters of a request."""

    def test_a_mapping_wants_all_parameters(self) -> None:
        """In any order, and no others."""
        request = make_request("GET", "/?a=1&b=x+y")
        self.assert_matches(request, query={"b": "x y", "a": "1"})
        self.assert_differs(
            "query at b: wanted nothing, got 'x y' (INCLUDING({…}) allows more)", request, query={"a": "1"}
        )
        self.assert_differs("query at c: wanted '3', got nothing", request, query={"a": "1", "b": "x y", "c": "3"})
        self.assert_matches(request, query=INCLUDING({"a": "1"}))

    def test_numbers_are_compared_as_they_are_sent(self) -> None:
        """A query has texts only."""
        self.assert_matches(make_request("GET", "/?page=2&x=1.5"), query={"page": 2, "x": 1.5})

    def test_a_parameter_can_come_several_times(self) -> None:
        """All of its values count, in order; one alone is not enough."""
        request = make_request("GET", "/?tag=a&tag=b")
        self.assert_matches(request, query={"tag": ["a", "b"]})
        self.assert_matches(request, query=[("tag", "a"), ("tag", "b")])
        self.assert_matches(request, query=MultiDict([("tag", "a"), ("tag", "b")]))
        self.assert_matches(request, query={"tag": UNORDERED("b", "a")})
        self.assert_matches(request, query={"tag": INCLUDING("b")})
        self.assert_differs(
            "query at tag: wanted 'a', got ['a', 'b'] (it came 2 times: write a list for all of them)",
            request,
            query={"tag": "a"},
        )
        self.assert_differs("query at tag: wanted ['b', 'a'], got ['a', 'b']", request, query={"tag": ["b", "a"]})

    def test_blank_values_are_kept(self) -> None:
        """``flag`` and ``flag=`` are a parameter without text."""
        self.assert_matches(make_request("GET", "/?flag&other="), query={"flag": "", "other": ""})
        self.assert_differs(
            "query at flag: wanted nothing, got '' (INCLUDING({…}) allows more)",
            make_request("GET", "/?flag"),
            query={},
        )

    def test_no_query_at_all(self) -> None:
        """An empty mapping and `ABSENT` want none."""
        for query in ({}, ABSENT, ""):
            with self.subTest(query=query):
                self.assert_matches(make_request("GET", "/"), query=query)
                self.assertFalse(make_criteria(query=query).matches(make_request("GET", "/?a=1")))

    def test_a_text_is_the_raw_query(self) -> None:
        """Letter by letter; that the parameters are the same is said."""
        request = make_request("GET", "/?b=2&a=1")
        self.assert_matches(request, query="b=2&a=1")
        self.assert_matches(request, query="?b=2&a=1")
        self.assert_matches(request, query=re.compile("b=2.*"))
        self.assert_differs(
            "query: wanted 'a=1&b=2', got 'b=2&a=1' "
            "(the same parameters: a mapping compares those, a text each letter)",
            request,
            query="a=1&b=2",
        )

    def test_values_follow_the_rule(self) -> None:
        """Patterns, predicates, absence, objects that compare for themselves."""
        request = make_request("GET", "/?id=42&t=x")
        self.assert_matches(request, query={"id": re.compile(r"\d+"), "t": mock.ANY, "debug": ABSENT})
        self.assert_matches(request, query={"id": str.isdigit, "t": ANY_OF("x", "y")})
        self.assert_matches(request, query=lambda args: args["id"] == "42")
        self.assert_differs(
            "query at id: wanted re.compile('4'), got '42' (the pattern matches a part of it, and must match all)",
            request,
            query=INCLUDING({"id": re.compile("4")}),
        )

    def test_secrets_are_masked(self) -> None:
        """Neither what is wanted nor what came is printed."""
        criteria = make_criteria(query={"api_key": "hunter2"})
        (mismatch,) = criteria.compare(make_request("GET", "/?api_key=hunter3"))
        self.assertEqual("query at api_key: wanted ***, got another", str(mismatch))
        self.assertEqual("any request query={'api_key': ***}", criteria.describe())
        self.assertEqual("any request query='api_key=***'", make_criteria(query="api_key=hunter2").describe())

    def test_the_name_of_a_parameter_cannot_write_to_the_terminal(self) -> None:
        """It is somebody else's text, too."""
        self.assert_differs(
            r"query at \x1b[2J: wanted nothing, got '1' (INCLUDING({…}) allows more)",
            make_request("GET", "/?%1B[2J=1"),
            query={},
        )

    def test_what_no_query_can_carry(self) -> None:
        """What to write instead is said."""
        self.assert_refused(
            "query wants True for 'a', which no request can carry: write 'true', 'True' or '1', as it is sent",
            query={"a": True},
        )
        self.assert_refused(
            "query wants None for 'a', which no request can carry: write '' for an empty value, or ABSENT",
            query={"a": None},
        )
        self.assert_refused("query has (1, 2); wanted a name, which is a text, and its value", query={1: 2})
        self.assert_refused("query is 5; wanted a mapping of names and values", query=5)


class TargetTest(CriteriaTest):
    """What a path can say."""

    def test_a_query_in_the_path_is_understood(self) -> None:
        """It means its parameters, not their order."""
        self.assert_matches(make_request("GET", "/x?b=2&a=1"), "GET", "/x?a=1&b=2")
        self.assert_differs("query at a: wanted '1', got '2'", make_request("GET", "/x?a=2"), "GET", "/x?a=1")
        self.assert_matches(make_request("GET", "/x"), "GET", "/x?")
        self.assertFalse(make_criteria("GET", "/x?").matches(make_request("GET", "/x?a=1")))

    def test_a_whole_url_is_understood(self) -> None:
        """Scheme, host, path and query."""
        url = "http://127.0.0.1:8000/x?a=1#part"
        self.assert_matches(make_request("GET", "/x?a=1"), "GET", url)
        self.assertEqual(
            "GET '/x' scheme=http host='127.0.0.1:8000' query={'a': '1'}", make_criteria("GET", url).describe()
        )
        self.assert_matches(make_request("GET", "/"), "GET", "HTTP://127.0.0.1:8000")
        self.assert_differs(
            "scheme: wanted https, got http (the stub speaks TLS if stub_tls says so)",
            make_request("GET", "/"),
            "GET",
            "https://127.0.0.1:8000/",
        )
        self.assert_differs(
            "host: wanted 'api.shop.test', got '127.0.0.1:8000'",
            make_request("GET", "/"),
            "GET",
            "http://api.shop.test:80",
        )

    def test_a_query_and_a_host_are_said_once(self) -> None:
        """Two of them contradict each other."""
        self.assert_refused(
            "path is '/x?a=1', with a query in it, and query is {'b': 1}: keep one of them",
            "GET",
            "/x?a=1",
            query={"b": 1},
        )
        self.assert_refused(
            "path is 'http://a.test/', with a host in it, and host is 'b.test': keep one of them",
            "GET",
            "http://a.test/",
            host="b.test",
        )

    def test_a_rule_has_placeholders(self) -> None:
        """With werkzeug's converters, which read what they stand for."""
        for rule, path, params in (
            ("/users/<int:id>", "/users/42", {"id": 42}),
            ("/users/<name>/posts/<int:number>", "/users/a%20b/posts/7", {"name": "a b", "number": 7}),
            ("/files/<path:rest>", "/files/a/b.txt", {"rest": "a/b.txt"}),
            ("/<any(red, blue):colour>/x", "/red/x", {"colour": "red"}),
            ("/gr%C3%BCn/<float:n>", "/grün/1.5", {"n": 1.5}),
            ("/files/<name>", "/files/a%2Fb", {"name": "a/b"}),
            ("/<code>", "/x%3Cy", {"code": "x<y"}),
        ):
            with self.subTest(rule=rule):
                request = make_request("GET", path.replace("ü", "%C3%BC"))
                self.assert_matches(request, "GET", rule)
                criterion = make_criteria("GET", rule).path
                self.assertEqual(params, criterion.find_params(request))  # type: ignore[union-attr]

    def test_a_rule_that_does_not_match(self) -> None:
        """Why is said: the slash at its end, a placeholder, another path."""
        for path, hint in (
            ("/users/42/", " (it has a slash at the end)"),
            ("/users/ann", " (its parts are there, but a placeholder does not accept its own)"),
            ("/posts", ""),
        ):
            with self.subTest(path=path):
                text = f"path: wanted '/users/<int:id>', got '{path}'{hint}"
                self.assert_differs(text, make_request("GET", path), "GET", "/users/<int:id>")
        self.assert_differs(
            "path: wanted '/a/<b>/', got '/a/1' (it has no slash at the end)",
            make_request("GET", "/a/1"),
            "GET",
            "/a/<b>/",
        )

    def test_a_rule_that_is_none(self) -> None:
        """Werkzeug's reason is given."""
        self.assert_refused(
            "path is '/<number:id>', which is no rule: the converter 'number' does not exist; "
            "wanted placeholders such as <name>, <int:id>, <path:rest>, or %3C for a plain '<'",
            "GET",
            "/<number:id>",
        )

    def test_the_named_groups_of_a_pattern_are_handed_on(self) -> None:
        """As placeholders are."""
        criterion = make_criteria("GET", re.compile(r"/users/(?P<id>\d+)")).path
        self.assertEqual({"id": "42"}, criterion.find_params(make_request("GET", "/users/42")))  # type: ignore[union-attr]

    def test_values_follow_the_rule(self) -> None:
        """Predicates, combinators, objects that compare for themselves; for the method, too."""
        request = make_request("PUT", "/a/b")
        self.assert_matches(request, ANY_OF("PUT", "POST"), ANY_OF("/a/b", "/c"))
        self.assert_matches(request, re.compile("P.*"), lambda path: path.startswith("/a"))
        self.assert_matches(request, mock.ANY, mock.ANY)
        self.assert_differs("method: wanted NOT('PUT'), got PUT", request, NOT("PUT"))
        self.assert_differs("path: wanted ANY_OF('/x', '/y'), got '/a/b'", request, None, ANY_OF("/x", "/y"))

    def test_several_methods_want_any_of(self) -> None:
        """A list is answered with what to write."""
        self.assert_refused(
            "method is ['GET', 'PUT']; wanted a name such as 'GET', or None for any; "
            "for one of several write ANY_OF(…)",
            ["GET", "PUT"],
        )


class HostTest(CriteriaTest):
    """The host that a request names."""

    def test_with_and_without_its_port(self) -> None:
        """A text without a port leaves it open; upper and lower case are the same."""
        request = make_request("GET", "/")
        for host in ("127.0.0.1", "127.0.0.1:8000", re.compile(r"127\..*"), ANY_OF("a.test", "127.0.0.1")):
            with self.subTest(host=host):
                self.assert_matches(request, host=host)
        self.assert_differs("host: wanted '127.0.0.1:80', got '127.0.0.1:8000'", request, host="127.0.0.1:80")
        self.assert_matches(make_request("GET", "http://API.shop.test/x"), host="api.shop.test")


class HeadersTest(CriteriaTest):
    """The headers of a request."""

    def test_a_subset_is_wanted(self) -> None:
        """Whatever else is there; names without case, numbers as they are sent."""
        request = make_request("POST", "/", b"{}", JSON, ["X-A: 1", "X-B: two"])
        self.assert_matches(request, headers={"x-a": 1, "CONTENT-TYPE": JSON, "Content-Length": 2})
        self.assert_matches(request, headers=[("X-B", "two")])
        self.assert_matches(request, headers={"X-A": str.isdigit, "X-C": ABSENT, "X-B": re.compile("t.*")})
        self.assert_differs(
            "headers at X-B: wanted 'TWO', got 'two' (upper and lower case differ)", request, headers={"X-B": "TWO"}
        )
        self.assert_differs("headers at X-C: wanted 'x', got nothing", request, headers={"X-C": "x"})
        self.assert_differs("headers at X-A: wanted ABSENT, got '1'", request, headers={"X-A": ABSENT})

    def test_several_lines_are_one_list(self) -> None:
        """They are parts of one value, as with commas."""
        request = make_request("GET", "/", headers=["Accept: a", "Accept: b"])
        self.assert_matches(request, headers={"Accept": ["a", "b"]})
        self.assert_matches(request, headers={"Accept": INCLUDING(["b"])})
        self.assert_matches(request, headers={"Accept": UNORDERED("b", "a")})
        (mismatch,) = make_criteria(headers={"Accept": "a"}).compare(request)
        self.assertEqual("it is one of several values: INCLUDING(…), or a list, allows that", mismatch.hint)

    def test_authorization_is_parsed(self) -> None:
        """The order of its parameters is no matter, nor the case of the scheme."""
        request = make_request("GET", "/", headers=['Authorization: Digest username="ann", realm="shop"'])
        self.assert_matches(request, headers={"Authorization": 'digest realm="shop", username="ann"'})
        self.assert_differs(
            "headers at Authorization: wanted ***, got another",
            request,
            headers={"Authorization": 'Digest username="bob", realm="shop"'},
        )

    def test_secrets_are_masked(self) -> None:
        """In what is wanted, too."""
        criteria = make_criteria(headers={"X-Api-Key": "hunter2", "Accept": "x"})
        self.assertEqual("any request headers={'X-Api-Key': ***, 'Accept': 'x'}", criteria.describe())


class CookiesTest(CriteriaTest):
    """The cookies of a request."""

    def test_a_subset_is_wanted(self) -> None:
        """By name, whatever else is there."""
        request = make_request("GET", "/", headers=["Cookie: theme=dark; sid=abc"])
        self.assert_matches(request, cookies={"theme": "dark"})
        self.assert_matches(request, cookies={"theme": ANY_OF("dark", "light"), "basket": ABSENT})
        self.assert_differs("cookies at theme: wanted 'light', got 'dark'", request, cookies={"theme": "light"})
        self.assert_differs("cookies at sid: wanted ***, got another", request, cookies={"sid": "xyz"})
        self.assert_differs("cookies at basket: wanted 'full', got nothing", request, cookies={"basket": "full"})


class AuthTest(CriteriaTest):
    """The credentials of a request."""

    BASIC = "Authorization: Basic YW5uOnNlY3JldA=="  # ann:secret

    def test_basic(self) -> None:
        """Name and password; never printed."""
        request = make_request("GET", "/", headers=[self.BASIC])
        self.assert_matches(request, auth=("ann", "secret"))
        self.assert_matches(request, auth=(mock.ANY, "secret"))
        self.assert_differs(
            "auth: wanted Basic 'ann' ***, got Basic 'ann' *** (the password differs)", request, auth=("ann", "x")
        )
        self.assert_differs("auth: wanted Basic 'bob' ***, got Basic 'ann' ***", request, auth=("bob", "secret"))
        self.assert_differs("auth: wanted Bearer ***, got Basic 'ann' ***", request, auth="secret")

    def test_bearer(self) -> None:
        """The token alone, or the whole header."""
        request = make_request("GET", "/", headers=["Authorization: Bearer abc"])
        for auth in ("abc", "Bearer abc", "bearer abc", re.compile("a.c"), re.compile("Bearer .*")):
            with self.subTest(auth=auth):
                self.assert_matches(request, auth=auth)
        self.assert_differs("auth: wanted Bearer ***, got Bearer *** (the token differs)", request, auth="xyz")
        self.assert_differs("auth: wanted Basic 'ann' ***, got Bearer ***", request, auth=("ann", "abc"))
        self.assert_matches(request, auth=lambda auth: auth.token == "abc")

    def test_none(self) -> None:
        """`ABSENT` wants no header at all."""
        self.assert_matches(make_request("GET", "/"), auth=ABSENT)
        self.assert_differs(
            "auth: wanted Bearer ***, got no Authorization header", make_request("GET", "/"), auth="abc"
        )
        self.assert_differs(
            "auth: wanted ABSENT, got Basic 'ann' ***", make_request("GET", "/", headers=[self.BASIC]), auth=ABSENT
        )
        self.assert_refused(
            "auth is 5; wanted (name, password), the token of a Bearer, the whole header, or ABSENT", auth=5
        )


class BodyTest(CriteriaTest):
    """What a request carries."""

    def test_bytes_and_text(self) -> None:
        """Bytes exactly; text as UTF-8, or in the charset of the request."""
        request = make_request("POST", "/", "grün".encode("latin-1"), "text/plain; charset=latin-1")
        self.assert_matches(request, body="grün".encode("latin-1"))
        self.assert_matches(request, text="grün")
        self.assert_matches(request, text=re.compile("gr.n"))
        self.assertFalse(make_criteria(body="grün").matches(request))
        utf8 = make_request("POST", "/", "grün".encode(), "text/plain")
        self.assert_matches(utf8, body="grün")
        self.assert_matches(utf8, body=re.compile("g.*"))
        self.assert_matches(utf8, body=INCLUDING(b"gr"))
        self.assert_differs("body: wanted b'x', got b'gr\\xc3\\xbcn'", utf8, body=b"x")
        self.assert_differs("text: wanted 'x', got 'grün'", utf8, text="x")
        self.assert_differs("body: wanted b'x', got no body", make_request("GET", "/"), body=b"x")

    def test_a_long_text_is_shown_as_a_diff(self) -> None:
        """Lines that differ, and where one long line parts."""
        wanted = "\n".join(f"line {n}" for n in range(9))
        (mismatch,) = make_criteria(text=wanted).compare(
            make_request("POST", "/", wanted.replace("4", "four").encode())
        )
        self.assertEqual(
            (
                "--- wanted",
                "+++ got",
                "@@ -3,5 +3,5 @@",
                " line 2",
                " line 3",
                "-line 4",
                "+line four",
                " line 5",
                " line 6",
            ),
            mismatch.details,
        )
        (mismatch,) = make_criteria(text="a" * 200).compare(make_request("POST", "/", b"a" * 150 + b"b" * 50))
        self.assertEqual(
            (
                "they differ from character 151 on:",
                f"  wanted …'{'a' * 60}'",
                f"  got    …'{'a' * 20}{'b' * 40}'",
            ),
            mismatch.details,
        )

    def test_json(self) -> None:
        """Strictly, whatever the Content-Type."""
        request = make_request("POST", "/", b'{"id": 1, "tags": ["a"], "on": true, "x": null}', JSON)
        self.assert_matches(request, json={"id": 1, "tags": ["a"], "on": True, "x": None})
        self.assert_matches(request, json=INCLUDING({"id": int, "tags": [mock.ANY]}))
        self.assert_differs(
            "json at $.on: wanted 1, got True (a truth value, not a number; 1 more difference)",
            request,
            json={"id": 1, "on": 1, "tags": ["b"], "x": None},
        )
        self.assert_differs(
            "json at $.id: wanted '1', got 1 (a number, not a text)", request, json=INCLUDING({"id": "1"})
        )
        self.assert_matches(make_request("POST", "/", b"null"), json=None)
        self.assert_differs("json: wanted None, got no body", make_request("POST", "/"), json=None)
        self.assert_matches(make_request("POST", "/"), json=ABSENT)

    def test_what_is_no_json(self) -> None:
        """The Content-Type says what it was meant to be; secrets are masked."""
        self.assert_differs(
            "json: wanted {'a': 1}, got 'a=1&password=***', which is no JSON "
            "(its Content-Type is application/x-www-form-urlencoded, not that of JSON)",
            make_request("POST", "/", b"a=1&password=hunter2", FORM),
            json={"a": 1},
        )
        self.assert_differs(
            "json: wanted {'a': 1}, got no body (were the parameters put into the query?)",
            make_request("POST", "/?a=1"),
            json={"a": 1},
        )

    def test_a_body_is_read_as_json_once(self) -> None:
        """However many expectations ask."""
        request = make_request("POST", "/", b'{"a": [1]}', JSON)
        self.assertIs(request.json_value, request.json_value)
        for body in (b"", b"{", b"\xff", b"[" * 100_000):
            self.assertIs(NO_JSON, make_request("POST", "/", body, JSON).json_value)

    def test_secrets_in_json_are_masked(self) -> None:
        """By the name of their key."""
        criteria = make_criteria(json={"user": "ann", "password": "hunter2"})
        (mismatch,) = criteria.compare(make_request("POST", "/", b'{"user": "ann", "password": "x"}', JSON))
        self.assertEqual("json at $.password: wanted ***, got another", str(mismatch))
        self.assertEqual("any request json={'user': 'ann', 'password': '***'}", criteria.describe())

    def test_a_form(self) -> None:
        """All of its fields, urlencoded or multipart."""
        for request in (
            make_request("POST", "/", b"a=1&b=x&b=y&c=", FORM),
            send_form("xyz", a="1", b=["x", "y"], c=""),
        ):
            self.assert_matches(request, form={"a": 1, "b": ["x", "y"], "c": ""})
            self.assert_matches(request, form=INCLUDING({"a": "1"}))
            self.assert_differs("form at a: wanted '2', got '1'", request, form={"a": 2, "b": ["x", "y"], "c": ""})
        self.assert_differs(
            "form: wanted {'a': '1'}, got no form (its Content-Type is application/json, not that of a form)",
            make_request("POST", "/", b'{"a": 1}', JSON),
            form={"a": 1},
        )

    def test_files(self) -> None:
        """Content, name, type; the boundary is no matter."""
        for boundary in ("one", "two"):
            with self.subTest(boundary=boundary):
                request = send_form(boundary, note="x", photo=make_file(b"\xff\xd8", "me.jpg", "image/jpeg"))
                self.assert_matches(request, files={"photo": b"\xff\xd8"})
                self.assert_matches(request, files={"photo": ("me.jpg", b"\xff\xd8")}, form={"note": "x"})
                self.assert_matches(request, files={"photo": (None, mock.ANY, "image/jpeg")})
                self.assert_matches(request, files={"photo": lambda file: file.read(1) == b"\xff", "other": ABSENT})
                self.assert_differs(
                    "files at photo (name): wanted 'you.jpg', got 'me.jpg'",
                    request,
                    files={"photo": ("you.jpg", mock.ANY)},
                )
                self.assert_differs("files at photo: wanted b'x', got b'\\xff\\xd8'", request, files={"photo": b"x"})
                self.assert_differs("files at photo: wanted nothing, got a file", request, files=NOT_THERE)
        self.assert_differs(
            "files: wanted {'a': b'x'}, got no files (its Content-Type is text/plain, not that of a form with files)",
            make_request("POST", "/", b"x", "text/plain"),
            files={"a": b"x"},
        )

    def test_files_are_read_whenever_they_are_asked_for(self) -> None:
        """A predicate that has read one leaves it as it was."""
        request = send_form("b", photo=make_file(b"abc", "x", "text/plain"))
        for _ in range(2):
            self.assert_matches(request, files={"photo": lambda file: file.read() == b"abc"})
        self.assertEqual(b"abc", request.files["photo"].read())

    def test_one_body_is_wanted(self) -> None:
        """Two of them contradict each other, and a JSON value is none of text."""
        self.assert_refused("a request has one body, but json and text were given: keep one of them", text="a", json={})
        self.assert_refused(
            "body is {'a': 1}; wanted bytes or text: for a JSON value write json={'a': 1}", body={"a": 1}
        )
        self.assert_refused("text is b'a'; wanted text (for bytes write body=…, for a JSON value json=…)", text=b"a")


NOT_THERE: dict[str, object] = {}


class WhereTest(CriteriaTest):
    """Predicates."""

    def test_a_function_is_asked_with_the_request(self) -> None:
        """Anything of it can be looked at."""
        request = make_request("POST", "/x", b"{}", JSON)
        self.assert_matches(request, matcher=lambda request: request.json == {} and request.raw_path == "/x")

        def is_big(request: RecordedRequest) -> bool:
            return len(request.body) > 5

        self.assert_differs("matcher: wanted is_big() to be true, got false", request, matcher=is_big)

    def test_an_object_with_matches_is_asked(self) -> None:
        """As own matchers have it."""

        class Small:
            def matches(self, request: RecordedRequest) -> bool:
                return len(request.body) < 5

            def __repr__(self) -> str:
                return "Small()"

        self.assert_matches(make_request("GET", "/"), matcher=Small())
        self.assert_refused(
            "matcher is 5; wanted a function of the request, or an object with matches(request)", matcher=5
        )

    def test_an_object_says_itself_what_it_wants(self) -> None:
        """``describe()`` and ``explain()`` are what the report has of it, on one line."""

        class Even:
            def matches(self, request: RecordedRequest) -> bool:
                return len(request.body) % 2 == 0

            def describe(self) -> str:
                return "an even\nlength"

            def explain(self, request: RecordedRequest) -> str:
                return f"{len(request.body)} bytes"

        request = make_request("POST", "/", b"abc")
        self.assert_differs(r"matcher: wanted an even\nlength, got 3 bytes", request, matcher=Even())

    def test_a_class_and_a_coroutine_function_match_everything(self) -> None:
        """They are refused, for what they return is always true."""

        class Small:
            def matches(self, request: RecordedRequest) -> bool:
                return False

        async def is_small(request: RecordedRequest) -> bool:
            return False

        for matcher in (Small, is_small):
            with self.subTest(matcher=matcher), self.assertRaisesRegex(UsageError, "wanted a function of the request"):
                make_criteria(matcher=matcher)

    def test_what_it_raises_is_the_reason(self) -> None:
        """The request does not match, and the report says why."""

        def is_cheap(request: RecordedRequest) -> bool:
            return bool(request.get_json(force=True)["amount"] < 5)

        request = make_request("POST", "/", b"{}", JSON)
        self.assert_differs("matcher: wanted is_cheap(), got raised KeyError: 'amount'", request, matcher=is_cheap)


class MisuseTest(CriteriaTest):
    """What is written wrongly."""

    def test_an_unknown_keyword_names_the_nearest(self) -> None:
        """As everywhere."""
        with self.assertRaises(TypeError) as caught:
            make_criteria("GET", "/x", quary={})  # type: ignore[call-arg]
        self.assertEqual(
            "make_criteria() got an unexpected keyword argument 'quary'. Did you mean 'query'?", str(caught.exception)
        )

    def test_everything_on_one_line(self) -> None:
        """Criteria are described as they were written, in the order in which they are compared."""
        criteria = make_criteria(
            "POST", "/x", json={"a": 1}, headers={"X-A": "1"}, query={"q": 1}, auth=("ann", "x"), cookies={"c": "d"}
        )
        self.assertEqual(
            "POST '/x' query={'q': '1'} headers={'X-A': '1'} auth=Basic 'ann' *** cookies={'c': 'd'} json={'a': 1}",
            criteria.describe(),
        )

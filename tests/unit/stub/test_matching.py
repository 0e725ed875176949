"""Criteria: what matches, how a mismatch describes itself, and what no request could match."""

from __future__ import annotations

import re
import unittest

from liveserver_testcase import ANY_OF, NOT, UsageError
from liveserver_testcase.stub.matcher import Mismatch
from liveserver_testcase.stub.matching import make_criteria
from tests.integration.stub.support import make_request


class MethodTest(unittest.TestCase):
    """The method of a request."""

    def test_it_is_compared_as_it_is(self) -> None:
        """Any token is a method, also those of Vault and Varnish; without one every method matches."""
        for method in ("GET", "HEAD", "POST", "LIST", "BAN", "PURGE", "M-SEARCH", "X!"):
            with self.subTest(method=method):
                self.assertTrue(make_criteria(method, None).matches(make_request(method)))
                self.assertTrue(make_criteria(None, "/x").matches(make_request(method, "/x")))
        (mismatch,) = make_criteria("PUT", None).compare(make_request("POST"))
        self.assertEqual("method: wanted PUT, got POST", str(mismatch))

    def test_a_mismatch_hints_at_the_likely_mistake(self) -> None:
        """Preflight requests, HEAD for GET and redirected POSTs are recognised."""
        hints = {
            ("POST", "OPTIONS"): "a browser asks with OPTIONS before it sends to another origin",
            ("GET", "HEAD"): "an expectation of GET does not answer HEAD",
            ("POST", "GET"): "a client that follows a redirect makes a GET of a POST",
            ("GET", "POST"): "",
        }
        for (wanted, got), hint in hints.items():
            with self.subTest(wanted=wanted, got=got):
                (mismatch,) = make_criteria(wanted, None).compare(make_request(got))
                self.assertEqual(hint, mismatch.hint)


class PathTest(unittest.TestCase):
    """The path of a request, without its query."""

    def explain(self, wanted: str | re.Pattern[str], target: str) -> str:
        criteria, request = make_criteria(None, wanted), make_request("GET", target)
        self.assertFalse(criteria.matches(request))
        (mismatch,) = criteria.compare(request)
        return str(mismatch)

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
        ):
            with self.subTest(wanted=wanted, target=target):
                criteria = make_criteria(None, wanted)
                request = make_request("OPTIONS" if target == "*" else "GET", target)
                self.assertEqual(([], True), (criteria.compare(request), criteria.matches(request)))

    def test_a_mismatch_says_what_is_wanted_and_what_came(self) -> None:
        """Both paths are quoted; neither can write to the terminal."""
        encoded = "an encoded slash, %2F, does not separate"
        doubled = "slashes are doubled: was a path joined to a URL that ends with one?"
        part = "the pattern matches a part of it, and must match all"
        for wanted, target, text in (
            ("/charges", "/refunds", "'/charges', got '/refunds'"),
            (
                "/files/a/b",
                "/files/a%2Fb",
                f"'/files/a/b', got '/files/a%2Fb' ({encoded})",
            ),
            ("/charges", "//charges", f"'/charges', got '//charges' ({doubled})"),
            (re.compile(r"/users/\d"), "/users/12", rf"matching '/users/\\d', got '/users/12' ({part})"),
            (re.compile("/users"), "/x", "matching '/users', got '/x'"),
            ("/", "/a", "'/', got '/a'"),  # that every path begins with a slash is no hint
            ("/a", "/", "'/a', got '/'"),
            ("/x", "/%1B[2J%0A%E2%80%AE", r"'/x', got '/\x1b[2J\n\u202e'"),
        ):
            with self.subTest(wanted=wanted, target=target):
                self.assertEqual(f"path: wanted {text}", self.explain(wanted, target))

    def test_a_mismatch_hints_at_the_likely_mistake(self) -> None:
        """A slip that is known is named."""
        hints = {
            ("/a", "/a/"): "it has a slash at the end",
            ("/a/", "/a"): "it has no slash at the end",
            ("/a/b", "/a//b"): "slashes are doubled: was a path joined to a URL that ends with one?",
            ("/Charges", "/charges"): "upper and lower case differ",
            ("/a b", "/a%2520b"): "it was percent-encoded twice",
            ("/charges", "/v1/charges"): "it has '/v1' in front: is the base URL right?",
            ("/v1/charges", "/charges"): "it lacks '/v1' in front: is the base URL right?",
        }
        for (wanted, target), hint in hints.items():
            with self.subTest(wanted=wanted, target=target):
                text = self.explain(wanted, target)
                self.assertEqual(f"({hint})", text[text.index("(") :])

    def test_long_paths_are_cut_and_their_size_named(self) -> None:
        """Each of the two is cut by itself, and the hint is still there."""
        long = "/" + "a" * 4999
        self.assertEqual(
            f"path: wanted '/{'a' * 119}'… (5,000 characters), got '/{'a' * 119}'… (5,001 characters) "
            "(it has a slash at the end)",
            self.explain(long, long + "/"),
        )

    def test_a_path_that_resembles_is_nearer_than_one_that_does_not(self) -> None:
        """The distance grows from a slip over a likeness to a stranger; a wrong method lies in between."""
        request = make_request("GET", "/charges")

        def distance(method: str | None, path: str | None) -> float:
            return sum(mismatch.distance for mismatch in make_criteria(method, path).compare(request))

        distances = [
            distance(None, "/charges/"),
            distance("PUT", None),
            distance(None, "/charge"),
            distance(None, "/refunds"),
            distance("PUT", "/refunds"),
        ]
        self.assertEqual(sorted(distances), distances)
        self.assertEqual(len(set(distances)), len(distances))


class CriteriaTest(unittest.TestCase):
    """Several criteria together."""

    def test_all_of_them_must_be_met(self) -> None:
        """Method and path count both."""
        criteria = make_criteria("GET", "/x")
        self.assertTrue(criteria.matches(make_request("GET", "/x")))
        self.assertFalse(criteria.matches(make_request("PUT", "/x")))
        self.assertFalse(criteria.matches(make_request("GET", "/y")))

    def test_every_mismatch_is_listed(self) -> None:
        """Comparing does not end at the first."""
        self.assertEqual(
            ["method", "path"],
            [mismatch.criterion for mismatch in make_criteria("GET", "/x").compare(make_request("PUT", "/y"))],
        )

    def test_they_are_described_on_one_line(self) -> None:
        """Whatever is left out, the line says so."""
        described = {
            ("POST", "/charges"): "POST '/charges'",
            ("POST", None): "POST any path",
            (None, "/charges"): "any method '/charges'",
            (None, None): "any request",
        }
        for (method, path), text in described.items():
            with self.subTest(text=text):
                self.assertEqual(text, make_criteria(method, path).describe())
        self.assertEqual(r"GET matching '/a/\\d+'", make_criteria("GET", re.compile(r"/a/\d+")).describe())

    def test_a_mismatch_is_a_value(self) -> None:
        """It cannot be changed, and two that say the same are equal."""
        mismatch = Mismatch("path", "'/a'", "'/b'")
        self.assertEqual(mismatch, Mismatch("path", "'/a'", "'/b'"))
        with self.assertRaises(AttributeError):
            mismatch.got = "'/a'"  # type: ignore[misc]
        self.assertEqual("'/b'", mismatch.got)


class MisuseTest(unittest.TestCase):
    """What no request can match is refused where it is written."""

    def test_each(self) -> None:
        """The right call is shown."""
        method = "wanted a name such as 'GET', or None for any"
        for arguments, message in (
            (("/x", None), f"method is '/x'; {method}; for any method on that path write (None, '/x')"),
            (("GET /x", None), f"method is 'GET /x'; {method}; write method and path as two arguments: ('GET', '/x')"),
            (("", None), f"method is ''; {method}"),
            ((b"GET", None), f"method is b'GET'; {method}"),
            (("GET\n", None), f"method is 'GET\\n'; {method}: 'GET'"),
            (("post", None), f"method is 'post'; {method}: 'POST', for methods differ in upper and lower case"),
            (
                (NOT(ANY_OF("GET", "post")), None),
                f"method is 'post'; {method}: 'POST', for methods differ in upper and lower case",
            ),
            (
                ("CONNECT", None),
                "method is 'CONNECT', which clients send to a proxy only; the stub refuses it with 501",
            ),
            (("GET", "x/y"), "path is 'x/y'; wanted one that begins with '/': '/x/y'"),
            (("GET", ""), "path is ''; wanted one that begins with '/': '/'"),
            (("GET", b"/x"), "path is b'/x'; wanted a text that begins with '/', a compiled pattern, or None for any"),
            (("GET", re.compile(b"/x")), "path is re.compile(b'/x'), a pattern of bytes; compile it from a str"),
        ):
            with self.subTest(arguments=arguments):
                with self.assertRaises(UsageError) as caught:
                    make_criteria(*arguments)  # type: ignore[arg-type]
                self.assertEqual(message, str(caught.exception))

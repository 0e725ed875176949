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

    def test_the_same_method_matches(self) -> None:
        """GET is GET."""
        self.assertTrue(make_criteria("GET", None).matches(make_request("GET")))

    def test_any_token_is_a_method(self) -> None:
        """Those of HashiCorp Vault and Varnish, and whatever else an API has."""
        for method in ("LIST", "BAN", "PURGE", "M-SEARCH", "X!"):
            with self.subTest(method=method):
                self.assertTrue(make_criteria(method, None).matches(make_request(method)))

    def test_another_method_does_not_match(self) -> None:
        """HEAD is not GET."""
        self.assertFalse(make_criteria("GET", None).matches(make_request("HEAD")))

    def test_no_method_means_any(self) -> None:
        """Without a method every method matches."""
        criteria = make_criteria(None, "/x")
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            with self.subTest(method=method):
                self.assertTrue(criteria.matches(make_request(method, "/x")))

    def test_a_mismatch_says_what_is_wanted_and_what_came(self) -> None:
        """Both methods are named."""
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

    def assert_matches(self, wanted: str | re.Pattern[str], target: str) -> None:
        self.assertEqual([], make_criteria(None, wanted).compare(make_request("GET", target)))
        self.assertTrue(make_criteria(None, wanted).matches(make_request("GET", target)))

    def explain(self, wanted: str | re.Pattern[str], target: str) -> str:
        criteria, request = make_criteria(None, wanted), make_request("GET", target)
        self.assertFalse(criteria.matches(request))
        (mismatch,) = criteria.compare(request)
        return str(mismatch)

    def test_the_same_path_matches(self) -> None:
        """Letter by letter."""
        self.assert_matches("/charges", "/charges")

    def test_the_query_does_not_count(self) -> None:
        """What follows the question mark is not part of the path."""
        self.assert_matches("/charges", "/charges?limit=2")

    def test_no_path_means_any(self) -> None:
        """Without a path every path matches."""
        for target in ("/", "/a/b", "*", "http://elsewhere.test/x"):
            with self.subTest(target=target):
                method = "OPTIONS" if target == "*" else "GET"
                self.assertTrue(make_criteria(None, None).matches(make_request(method, target)))

    def test_both_paths_are_decoded(self) -> None:
        """It makes no difference which side is percent-encoded."""
        for wanted in ("/grüße/a b", "/gr%C3%BC%C3%9Fe/a%20b"):
            with self.subTest(wanted=wanted):
                self.assert_matches(wanted, "/gr%C3%BC%C3%9Fe/a%20b")

    def test_an_encoded_slash_does_not_separate(self) -> None:
        """``%2F`` is part of a name, whichever way its letters are written."""
        self.assert_matches("/files/a%2Fb", "/files/a%2fb")
        self.assertEqual(
            "path: wanted '/files/a/b', got '/files/a%2Fb' (an encoded slash, %2F, does not separate)",
            self.explain("/files/a/b", "/files/a%2Fb"),
        )

    def test_an_encoded_percent_sign_is_one_sign(self) -> None:
        """``%25`` is decoded once."""
        self.assert_matches("/100%25", "/100%25")
        self.assert_matches("/100%", "/100%25")

    def test_slashes_at_the_beginning_are_not_merged(self) -> None:
        """A URL that ends with a slash and a path that begins with one are a mistake that is seen."""
        self.assertEqual(
            "path: wanted '/charges', got '//charges' "
            "(slashes are doubled: was a path joined to a URL that ends with one?)",
            self.explain("/charges", "//charges"),
        )

    def test_the_path_of_a_whole_url_is_compared(self) -> None:
        """A target in absolute form, as proxies are sent it, has a path too."""
        self.assert_matches("/charges", "http://shop.test/charges?limit=2")

    def test_the_server_as_a_whole_has_a_path(self) -> None:
        """``OPTIONS *`` can be expected."""
        self.assertTrue(make_criteria("OPTIONS", "*").matches(make_request("OPTIONS", "*")))

    def test_a_pattern_must_match_the_whole_path(self) -> None:
        """A pattern for ``/users/1`` does not match ``/users/12``."""
        self.assert_matches(re.compile(r"/users/\d+"), "/users/12?full=1")
        self.assertEqual(
            r"path: wanted matching '/users/\\d', got '/users/12' "
            "(the pattern matches a part of it, and must match all)",
            self.explain(re.compile(r"/users/\d"), "/users/12"),
        )

    def test_a_pattern_that_matches_nowhere_says_no_more(self) -> None:
        """Pattern and path are shown."""
        self.assertEqual("path: wanted matching '/users', got '/x'", self.explain(re.compile("/users"), "/x"))

    def test_a_pattern_sees_the_decoded_path(self) -> None:
        """As a text would."""
        self.assert_matches(re.compile("/[a-zü]+"), "/gr%C3%BCn")

    def test_a_mismatch_says_what_is_wanted_and_what_came(self) -> None:
        """Both paths are quoted."""
        self.assertEqual("path: wanted '/charges', got '/refunds'", self.explain("/charges", "/refunds"))

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

    def test_the_root_has_no_front(self) -> None:
        """That every path ends, or begins, with ``/`` is no hint."""
        self.assertEqual("path: wanted '/', got '/a'", self.explain("/", "/a"))
        self.assertEqual("path: wanted '/a', got '/'", self.explain("/a", "/"))

    def test_control_characters_are_escaped(self) -> None:
        """A path cannot write to the terminal."""
        self.assertEqual(r"path: wanted '/x', got '/\x1b[2J\n\u202e'", self.explain("/x", "/%1B[2J%0A%E2%80%AE"))

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

    def assert_refused(self, message: str, method: object, path: object = None) -> None:
        with self.assertRaises(UsageError) as caught:
            make_criteria(method, path)  # type: ignore[arg-type]
        self.assertEqual(message, str(caught.exception))

    def test_a_path_in_place_of_the_method(self) -> None:
        """The right call is shown."""
        self.assert_refused(
            "method is '/x'; wanted a name such as 'GET', or None for any; "
            "for any method on that path write (None, '/x')",
            "/x",
        )

    def test_method_and_path_in_one_text(self) -> None:
        """The right call is shown."""
        self.assert_refused(
            "method is 'GET /x'; wanted a name such as 'GET', or None for any; "
            "write method and path as two arguments: ('GET', '/x')",
            "GET /x",
        )

    def test_a_method_that_is_none(self) -> None:
        """Only a token is a method."""
        self.assert_refused("method is ''; wanted a name such as 'GET', or None for any", "")
        self.assert_refused("method is b'GET'; wanted a name such as 'GET', or None for any", b"GET")
        self.assert_refused("method is 'GET\\n'; wanted a name such as 'GET', or None for any: 'GET'", "GET\n")

    def test_a_method_in_lower_case(self) -> None:
        """Methods are compared letter by letter, so the right one is named; among several, too."""
        message = "method is 'post'; wanted a name such as 'GET', or None for any: 'POST', for methods differ in upper "
        self.assert_refused(f"{message}and lower case", "post")
        self.assert_refused(f"{message}and lower case", NOT(ANY_OF("GET", "post")))

    def test_a_method_for_proxies(self) -> None:
        """The stub is none, and refuses it."""
        self.assert_refused(
            "method is 'CONNECT', which clients send to a proxy only; the stub refuses it with 501", "CONNECT"
        )

    def test_a_path_without_its_slash(self) -> None:
        """The path that was meant is shown."""
        self.assert_refused("path is 'x/y'; wanted one that begins with '/': '/x/y'", "GET", "x/y")
        self.assert_refused("path is ''; wanted one that begins with '/': '/'", "GET", "")

    def test_a_path_of_another_type(self) -> None:
        """What would do is listed."""
        self.assert_refused(
            "path is b'/x'; wanted a text that begins with '/', a compiled pattern, or None for any", "GET", b"/x"
        )

    def test_a_pattern_of_bytes(self) -> None:
        """Paths are texts."""
        self.assert_refused(
            "path is re.compile(b'/x'), a pattern of bytes; compile it from a str", "GET", re.compile(b"/x")
        )

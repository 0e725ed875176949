"""A stub reads octets as they were sent: what differs on the wire is never taken for equal, and what is equal is."""

from __future__ import annotations

import base64
import re
from typing import Any

import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import Headers

from liveserver_testcase import ABSENT, ANY_OF, INCLUDING, NOT, UNORDERED
from liveserver_testcase.stub.matching import make_criteria
from liveserver_testcase.stub.parsing import decode_path
from liveserver_testcase.stub.request import RecordedRequest
from liveserver_testcase.stub.target_matchers import suggest_path
from tests.integration.stub.support import StubTest, WireTest, get, make_request

UNRESERVED = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"


def make_path(segments: list[bytes], shall_encode: list[bool]) -> str:
    """A path of these segments, where some octets are encoded although they need not be, in either case."""
    choices = iter(shall_encode * 50)
    parts = []
    for segment in segments:
        text = ""
        for octet in segment:
            is_encoded = octet not in UNRESERVED or next(choices, False)
            text += (f"%{octet:02X}" if next(choices, False) else f"%{octet:02x}") if is_encoded else chr(octet)
        parts.append(text)
    return "/" + "/".join(parts)


segments = st.lists(
    st.one_of(
        st.binary(max_size=4),
        st.sampled_from([b"/", b"%2F", b"%252F", b"%", b"%25", b"\xe9", b"%E9", b"a<b>", b"?", b"#"]),
    ),
    min_size=1,
    max_size=3,
)
choices = st.lists(st.booleans(), min_size=1, max_size=20)


class TargetTest(WireTest):
    """Methods, hosts, paths and queries."""

    @settings(max_examples=400, deadline=None, derandomize=True)
    @given(segments, segments, choices, choices)
    def test_two_paths_are_equal_if_their_octets_are(
        self, left: list[bytes], right: list[bytes], first: list[bool], second: list[bool]
    ) -> None:
        """However they are encoded; an encoded slash is one octet of a segment and does not separate."""
        paths = make_path(left, first), make_path(right, second)
        self.assertEqual(left == right, decode_path(paths[0]) == decode_path(paths[1]))
        self.assertEqual(decode_path(paths[0]), decode_path(make_path(left, second)))

    @settings(max_examples=200, deadline=None, derandomize=True)
    @given(segments, choices)
    def test_a_path_matches_itself(self, parts: list[bytes], encoded: list[bool]) -> None:
        """As it was sent, and below a placeholder."""
        path = make_path(parts, encoded)
        self.assertTrue(make_criteria("GET", path).matches(make_request("GET", path)), path)
        request = make_request("GET", f"{path}/x/7")
        criterion = make_criteria("GET", f"{path}/<name>/<int:id>").path
        self.assertTrue(criterion.matches(request), path)  # type: ignore[union-attr]
        self.assertEqual({"name": "x", "id": 7}, criterion.find_params(request))  # type: ignore[union-attr]

    @settings(max_examples=200, deadline=None, derandomize=True)
    @given(segments, choices)
    def test_a_report_names_a_path_that_can_be_written(self, parts: list[bytes], encoded: list[bool]) -> None:
        """What it suggests matches the request."""
        request = make_request("GET", make_path(parts, encoded))
        self.assertTrue(make_criteria("GET", suggest_path(request)).matches(request))

    def test_the_suggested_path_is_decoded_where_it_can_be(self) -> None:
        """It is read by people."""
        for sent, suggested in (
            ("/gr%C3%BCn", "/grün"), ("/a%2520b", "/a%2520b"), ("/%E9", "/%E9"), ("/a<b>", "/a%3Cb>")
        ):  # fmt: skip
            with self.subTest(sent=sent):
                self.stub.reset()
                self.assertIn(f"write stub.on('GET', {suggested!r}).reply(…)", self.send("GET", sent).text)

    def test_paths_that_look_alike_are_kept_apart(self) -> None:
        """``%2F`` is neither ``%252F`` nor ``/``, ``%E9`` is not ``%E8``, two slashes are not one."""
        for paths in (
            ("/files/a%2Fb", "/files/a%252Fb", "/files/a%25252Fb", "/files/a/b"),
            ("/caf%E9", "/caf%E8"), ("/find?q=%E9", "/find?q=%E8"), ("/users/<int:id>", "//users/<int:id>"),
        ):  # fmt: skip
            for wanted in paths:
                for sent in paths:
                    with self.subTest(wanted=wanted, sent=sent):
                        self.stub.reset()
                        self.stub.on("GET", wanted).reply(200)
                        answer = self.send("GET", sent.replace("<int:id>", "1"))
                        self.assertEqual(200 if wanted == sent else 501, answer.status)

    def test_a_rule_has_literal_escapes(self) -> None:
        """A plain ``<``, a slash, an octet that is no text, in front of a placeholder and behind it."""
        for rule, sent, params in (
            ("/a%3Cb/<int:id>", "/a%3Cb/7", {"id": 7}),
            ("/a%2Fb/<name>", "/a%2Fb/x", {"name": "x"}),
            ("/caf%E9/<name>", "/caf%E9/x", {"name": "x"}),
            ("/<name>/100%25", "/x/100%25", {"name": "x"}),
            # what a placeholder stands for is decoded once
            ("/files/<name>", "/files/a%2Fb", {"name": "a/b"}),
            ("/files/<name>", "/files/a%252Fb", {"name": "a%2Fb"}),
            ("/files/<name>", "/files/a%3Cb", {"name": "a<b"}),
            ("/files/<name>", "/files/gr%C3%BCn", {"name": "grün"}),
            ("/%3Cb%3E/<string(length=3):s>", "/%3Cb%3E/a%2Fb", {"s": "a/b"}),
        ):
            with self.subTest(rule=rule):
                self.stub.on("GET", rule).reply_with(lambda request, **found: repr(found))
                self.assertEqual(repr(params), self.send("GET", sent).text)

    def test_an_absolute_target(self) -> None:
        """Path, query and host are those of the target, whatever the Host header says."""
        self.stub.on("GET", "/x?y=1", host="api.test").reply(200)
        self.assertIn(b" 200 ", self.see(get("http://api.test/x?y=1", "Connection: close")).head)
        self.assertEqual("api.test", self.stub.requests[0].host)
        self.assertEqual("a", self.stub.requests[0].headers["Host"])

    def test_any_token_is_a_method(self) -> None:
        """Those of HashiCorp Vault and Varnish, and whatever else an API has; each is held against the test, too."""
        for method in ("LIST", "BAN", "PURGE", "APPROVE", "M-SEARCH", "X!"):
            with self.subTest(method=method):
                self.stub.expect(method, "/v1/secret").reply(200)
                self.assertEqual(200, requests.request(method, f"{self.stub.url}/v1/secret", timeout=5).status_code)
        self.stub.verify()
        self.assertEqual(501, requests.request("LIST", f"{self.stub.url}/x", timeout=5).status_code)
        with self.assertRaisesRegex(AssertionError, "LIST /x"):
            self.stub.verify()

    @settings(max_examples=200, deadline=None, derandomize=True)
    @given(st.lists(st.binary(max_size=3), min_size=2, max_size=2))
    def test_values_are_equal_if_their_octets_are(self, values: list[bytes]) -> None:
        """Text or not."""
        left, right = ("".join(f"%{octet:02X}" for octet in value) for value in values)
        criteria = make_criteria("GET", f"/?v={left}")
        self.assertEqual(values[0] == values[1], criteria.matches(make_request("GET", f"/?v={right}")))


class HeadersTest(WireTest):
    """Headers."""

    def test_names_with_an_underscore_are_read(self) -> None:
        """Each is what it is called: an API may want ``api_key``."""
        self.stub.on("GET", "/", headers={"X_Id": "2", "X-Id": "1", "api_key": "special"}).reply(200)
        headers = {"X_Id": "2", "X-Id": "1", "api_key": "special"}
        self.assertEqual(200, requests.get(self.stub.url, headers=headers, timeout=5).status_code)
        request = self.stub.requests[0]
        self.assertEqual("special", request.headers.get("API_KEY"))
        self.assertIn("api_key: special", request.curl(secrets=True))

    def test_several_lines_are_one_value(self) -> None:
        """With commas, and whatever white space there is around them: RFC 9110, 5.3 and 5.6.1."""
        for lines in (["X-Tag: red", "x-tag: blue"], ["X-Tag: red,blue"], ["X-Tag: red , blue"]):
            request = make_request("GET", "/", headers=lines)
            for wanted in ("red, blue", "red,blue", ["red", "blue"], INCLUDING(["blue"]), UNORDERED("blue", "red")):
                for criterion, is_met in ((wanted, True), (ANY_OF(wanted, "x"), True), (NOT(wanted), False)):
                    with self.subTest(lines=lines, criterion=criterion):
                        self.assertIs(is_met, make_criteria(headers={"X-Tag": criterion}).matches(request))
            for wanted in ("blue, red", "red"):
                self.assertFalse(make_criteria(headers={"X-Tag": wanted}).matches(request))
        self.stub.on("GET", "/", headers={"X-Tag": "red, blue"}).reply(200)
        self.assertIn(b" 200 ", self.see(get("/", "X-Tag: red", "X-Tag: blue", "Connection: close")).head)
        self.assertEqual("red, blue", self.stub.requests[0].headers["x-tag"])

    def test_values_and_names(self) -> None:
        """Of other libraries; a comma in quotes separates nothing, and white space around a value is none of it."""
        numbers = ["X-A: 1", "X-A: 2", "X-B: 3"]
        rows: tuple[tuple[list[str], Any, bool], ...] = (
            (numbers, Headers([("x-a", "1"), ("X-A", "2"), ("X-B", "3")]), True),  # werkzeug's are no mapping
            (numbers, Headers([("X-A", "1")]), False),
            (numbers, requests.structures.CaseInsensitiveDict({"x-b": "3"}), True),
            (['X-Tag: "red, blue", green'], {"X-Tag": ['"red, blue"', "green"]}, True),
            (["X-A:  1"], {"X-A": " 1\t"}, True),  # RFC 9110, 5.5
            (["X-A: a,b", "X-A: c"], [("X-A", "a, b"), ("x-a", "c")], True),  # pairs are lines
            (["X-A: a, b, c"], [("X-A", "a"), ("X-A", "b , c")], True),
            (["X-A: a, b, c"], [("X-A", "a"), ("X-A", re.compile("[bx]")), ("X-A", "c")], True),
            (["X-A: a, b"], [("X-A", "a, b"), ("X-A", "c")], False),
        )
        for lines, wanted, is_met in rows:
            with self.subTest(lines=lines, wanted=wanted):
                self.assertIs(is_met, make_criteria(headers=wanted).matches(make_request("GET", "/", headers=lines)))

    def test_values_in_latin1_and_in_utf8(self) -> None:
        """requests sends the one, aiohttp the other, and the stub reads both."""
        for text in ("grün", "Ã¼", "привет"):
            for charset in ("latin-1", "utf-8"):
                if charset == "latin-1" and not all(ord(char) < 256 for char in text):
                    continue
                with self.subTest(text=text, charset=charset):
                    self.stub.reset()
                    self.stub.on("GET", "/", headers={"X-Name": text}).reply(200)
                    line = b"X-Name: " + text.encode(charset) + b"\r\n"
                    answer = self.see(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + line + b"\r\n")
                    self.assertIn(b" 200 ", answer.head)
        request = make_request("GET", "/", headers=["X-Name: grün"])
        self.assertEqual("grün", request.headers["X-Name"])


class CookiesTest(StubTest):
    """Cookies."""

    @settings(max_examples=300, deadline=None, derandomize=True)
    @given(
        st.text(st.characters(exclude_characters=";", exclude_categories=("Cc", "Cs")), max_size=8).map(str.strip),
        st.text(st.sampled_from('ab",= \\{}:é'), max_size=8).map(str.strip),
    )
    def test_values_are_what_browsers_send(self, first: str, second: str) -> None:
        """Anything but a semicolon; other cookies stay whole."""
        cookie = f"Cookie: first={first}; second={second}; sid=1".encode().decode("latin-1")
        request = make_request("GET", "/", headers=[cookie])
        self.assertTrue(make_criteria(cookies={"first": first, "second": second, "sid": "1"}).matches(request))
        self.assertFalse(make_criteria(cookies={"first": first + "x"}).matches(request))
        self.assertFalse(make_criteria(cookies={"first": NOT(first)}).matches(request))

    def test_json_is_a_value(self) -> None:
        """Its quotes and commas are its own; some clients send several lines."""
        for value in ('{"dark":true}', 'before"after', "a, b", "a=b=c", '"in quotes"', "grün"):
            with self.subTest(value=value):
                self.stub.on("GET", "/", cookies={"prefs": value, "sid": "1"}).reply(200)
                cookie = f"prefs={value}; sid=1".encode().decode("latin-1")
                self.assertEqual(200, self.send("GET", "/", headers={"Cookie": cookie}).status)
        request = make_request("GET", "/", headers=["Cookie: a=1", "Cookie: b=2; alone"])
        self.assertTrue(make_criteria(cookies={"a": "1", "b": "2", "": "alone", "c": ABSENT}).matches(request))

    def test_what_a_server_has_put_in_quotes(self) -> None:
        """A cookie that a stub sets comes back as it was written."""
        self.stub.on("GET", "/set").reply(200, cookies={"name": "Ann, the 1st; ü"})
        self.stub.on("GET", "/get", cookies={"name": "Ann, the 1st; ü"}).reply(200)
        with requests.Session() as session:
            session.get(f"{self.stub.url}/set", timeout=5)
            self.assertEqual(200, session.get(f"{self.stub.url}/get", timeout=5).status_code)
        self.assertEqual("Ann, the 1st; ü", self.stub.requests[-1].cookies["name"])


class CredentialsTest(StubTest):
    """Names, passwords and tokens."""

    def make_request(self, user: str, password: str, charset: str) -> RecordedRequest:
        credentials = base64.b64encode(f"{user}:{password}".encode(charset)).decode()
        return make_request("GET", "/", headers=[f"Authorization: Basic {credentials}"])

    def test_in_latin1_and_in_utf8(self) -> None:
        """requests sends the one, aiohttp and browsers the other."""
        for user, password in (("jürgen", "pässword"), ("ann", "Ã¼:x")):
            for charset in ("latin-1", "utf-8"):
                with self.subTest(user=user, charset=charset):
                    request = self.make_request(user, password, charset)
                    self.assertTrue(make_criteria(auth=(user, password)).matches(request))
                    self.assertFalse(make_criteria(auth=(user, "x")).matches(request))
        self.stub.on("GET", "/", auth=("jürgen", "pässword")).reply(200)
        auth = ("jürgen", "pässword")
        self.assertEqual(200, requests.get(self.stub.url, auth=auth, timeout=5).status_code)

    def test_several(self) -> None:
        """Each of a combination is credentials; what is not wanted is not, however it is read."""
        basic = self.make_request("ann", "secret", "utf-8")
        bearer = make_request("GET", "/", headers=["Authorization: Bearer abc"])
        cases: tuple[tuple[Any, bool, bool], ...] = (
            (ANY_OF(("ann", "secret"), "abc"), True, True),
            (NOT("abc"), True, False),
            (NOT("Bearer abc"), True, False),
            (NOT(("ann", "secret")), False, True),
            (ANY_OF(ABSENT, "abc"), False, True),
        )
        for wanted, is_basic, is_bearer in cases:
            with self.subTest(wanted=wanted):
                self.assertEqual(is_basic, make_criteria(auth=wanted).matches(basic))
                self.assertEqual(is_bearer, make_criteria(auth=wanted).matches(bearer))

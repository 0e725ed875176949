"""The command that sends a request again: to the stub and to nobody else, with nothing added and nothing lost."""

from __future__ import annotations

import shutil
import unittest

from tests.fuzz.curl_replay import Replayer, make_requests
from tests.integration.stub.support import StubTest, WireTest, get, make_request, post

URL = "http://127.0.0.1:8000"


class WritingTest(unittest.TestCase):
    """What the command has in it."""

    def test_it_is_for_the_stub(self) -> None:
        """Whatever host the request names: it may be that of a real service; and past any proxy."""
        request = make_request("DELETE", "http://api.example.com/x?a=1")
        self.assertEqual(
            f"curl --noproxy '*' -X DELETE --request-target 'http://api.example.com/x?a=1' {URL}", request.curl()
        )
        request = make_request("GET", "/x")
        request._block = request._block.replace(b"127.0.0.1:8000", b"api.example.com")
        self.assertEqual(f"curl --noproxy '*' -H 'Host: api.example.com' {URL}/x", request.curl())

    def test_each(self) -> None:
        """A method that curl understands of itself is not named, and nothing is changed: brackets, dots, empty headers.

        Of a HEAD with a body the answer is not waited for; what clients say by themselves is left out.
        """
        ours = ["Accept-Encoding: gzip", "Connection: keep-alive"]
        head = f"-X HEAD --max-filesize 1 --max-time 2 -H Content-Type: --data-raw a {URL}/"
        json = f"""-H 'Content-Type: application/json' --data-raw '{{"a": 1}}' {URL}/x"""
        for request, command in (
            (make_request("POST", "/x", b'{"a": 1}', "application/json"), json),
            (make_request("POST", "/"), f"-X POST {URL}/"),
            (make_request("HEAD", "/"), f"-I {URL}/"),
            (make_request("PUT", "/", b"a"), f"-X PUT -H Content-Type: --data-raw a {URL}/"),
            (make_request("HEAD", "/", b"a"), head),
            (make_request("GET", "/items/{x}?f[1-3]=a"), f"--globoff '{URL}/items/{{x}}?f[1-3]=a'"),
            (make_request("GET", "/a/../b"), f"--path-as-is {URL}/a/../b"),
            (make_request("GET", "/", headers=["X-Empty:"]), f"-H 'X-Empty;' {URL}/"),
            (make_request("POST", "/", b"abc"), f"-H Content-Type: --data-raw abc {URL}/"),
            (make_request("OPTIONS", "*"), f"-X OPTIONS --request-target '*' {URL}"),
            (make_request("GET", "/'$(id)"), f"""'{URL}/'"'"'$(id)'"""),
            (make_request("GET", "/", headers=ours), f"{URL}/"),
        ):
            with self.subTest(command=command):
                self.assertEqual(f"curl --noproxy '*' {command}", request.curl())
        exact = f"-H 'Accept-Encoding: gzip' -H 'Connection: keep-alive' -H User-Agent: -H Accept: {URL}/"
        self.assertEqual(f"curl --noproxy '*' {exact}", make_request("GET", "/", headers=ours).curl(secrets=True))

    def test_a_body_on_standard_input(self) -> None:
        """If it is binary or long."""
        for body in (b"\xff\xfe", b"a\0b", b"a" * 5000):
            with self.subTest(body=body[:3]):
                self.assertIn(" --data-binary @- ", make_request("POST", "/", body).curl())
        self.assertIn(r" --data-raw $'a\nb\x1b\'' ", make_request("POST", "/", b"a\nb\x1b'").curl())

    def test_octets_that_are_no_text(self) -> None:
        """They are in the command as they were sent."""
        request = make_request("GET", "/", headers=["X-A: grün"])
        self.assertIn(r"-H $'X-A: gr\xfcn'", request.curl(secrets=True))


@unittest.skipUnless(shutil.which("curl") and shutil.which("bash"), "curl or bash is not installed")
class ReplayTest(WireTest):
    """What the real curl makes of it."""

    def test_random_requests_arrive_equal(self) -> None:
        """Method, target, headers and body; ``python -m tests.fuzz.curl_replay 10000`` tries more of them."""
        replayer, requests = Replayer(self.stub), make_requests(7, f"{self.stub.host}:{self.stub.port}")
        for _ in range(200):
            first, second, command = replayer.replay(next(requests))
            self.assertEqual(first, second, command)

    def test_those_that_were_changed(self) -> None:
        """Each arrives as it was sent."""
        for sent in (
            get("/items/{x}"),
            get("/items?f[1-3]=a"),
            get("/a/../b"),
            get("/", "X-Empty:"),
            get("http://api.test/x?y=1"),
            get("*", method="OPTIONS"),
            post(b"abc"),
            post(bytes(range(256)) * 40, "Content-Type: x/y"),
            post(b"abc", "Content-Type: text/plain").replace(b"POST", b"HEAD"),
            post(b""),
        ):
            with self.subTest(sent=sent[:60]):
                first, second, command = Replayer(self.stub).replay(sent)
                self.assertEqual(first, second, command)


class ReportTest(StubTest):
    """Where it is printed."""

    def test_in_the_answer_to_a_request_that_nothing_answers(self) -> None:
        """With the stub's address."""
        answer = self.send("GET", "/x", headers={"Host": "api.example.com"})
        self.assertIn(
            f"  to send it again: curl --noproxy '*' -H 'Host: api.example.com' {self.stub.url}/x", answer.text
        )

"""A matcher and a responder of one's own."""

import hashlib
import hmac
import unittest

import requests

from liveserver_testcase import HTTPStubTestCase, Reply

KEY = b"shared secret"


def sign(body):
    return hmac.new(KEY, body, hashlib.sha256).hexdigest()


def deliver(url, body, signature):
    """The code under test."""
    return requests.post(f"{url}/hooks", data=body, headers={"X-Signature": signature}, timeout=5)


class Signed:
    """A matcher: the body is signed with a key."""

    def matches(self, request):
        return hmac.compare_digest(request.headers.get("X-Signature", ""), sign(request.body))

    def describe(self):
        return "a body that is signed with the shared key"

    def explain(self, request):
        return "no signature" if "X-Signature" not in request.headers else "the signature of another body"


class Counter:
    """A responder: each client gets its own numbers."""

    def __init__(self):
        self.last = {}

    def reply_to(self, request):
        client = request.headers.get("X-Client", "")
        self.last[client] = self.last.get(client, 0) + 1
        return Reply(json={"number": self.last[client]})


class OwnPartsTest(HTTPStubTestCase):
    def test_a_matcher(self):
        self.stub.expect("POST", "/hooks", matcher=Signed()).reply(204)
        self.assertEqual(204, deliver(self.stub.url, b"{}", sign(b"{}")).status_code)

    def test_what_its_report_says(self):
        self.stub.on("POST", "/hooks", matcher=Signed()).reply(204)
        with self.allowUnmatchedRequests():
            report = deliver(self.stub.url, b"{}", sign(b"[]")).text
        self.assertIn("FAIL matcher: wanted a body that is signed with the shared key, got the signature of", report)

    def test_a_function_is_a_matcher_too(self):
        self.stub.expect("POST", "/hooks", matcher=lambda request: len(request.body) < 10).reply(204)
        self.assertEqual(204, deliver(self.stub.url, b"{}", "").status_code)

    def test_a_responder(self):
        self.stub.on("GET", "/number").reply_with(Counter())
        numbers = [
            requests.get(self.stub.url_for("/number"), headers={"X-Client": client}, timeout=5).json()["number"]
            for client in ("a", "b", "a")
        ]
        self.assertEqual([1, 1, 2], numbers)

    def test_a_function_is_a_responder_too(self):
        self.stub.on("GET", "/users/<int:id>").reply_with(lambda request, id: {"id": id})
        self.assertEqual({"id": 7}, requests.get(self.stub.url_for("/users/7"), timeout=5).json())


if __name__ == "__main__":
    unittest.main()

"""What a failing test prints of its requests has no secrets in it."""

from __future__ import annotations

import unittest
import urllib.request
from typing import Any

from liveserver_testcase import HTTPStubTestCase, LiveServerTestCase
from tests.cases.running import make_case, run_case

TARGET = "/boom?password=hunter2&next=http%3A%2F%2Fann%3Ahunter2%40h%2F&a=1"
MASKED = "GET /boom?password=***&next=http%3A%2F%2Fann%3A***%40h%2F&a=1"


def fail(environ: Any, start_response: Any) -> list[bytes]:
    """Raise something."""
    raise LookupError("no tea")


class MaskedReportsTest(unittest.TestCase):
    """Names and shapes of secrets are masked, whichever server prints them."""

    def test_an_error_of_the_live_application(self) -> None:
        """The request that caused it is named without its secrets; its record keeps them."""
        targets: list[str] = []

        def test_it(self: Any) -> None:
            self.live.get(TARGET)
            targets.extend(record.target for record in self.live_server.journal.entries())
            self.assertNotIn("hunter2", repr(self.live_server.journal.entries()))

        case = make_case(LiveServerTestCase, test_it=test_it, create_app=classmethod(lambda cls: fail))
        report = run_case(case).report
        self.assertIn(MASKED, report)
        self.assertNotIn("hunter2", report)
        self.assertEqual([TARGET], targets)

    def test_a_request_that_no_stub_expects(self) -> None:
        """Its target, its headers and its body are masked, of whatever type a secret is."""

        def test_it(self: Any) -> None:
            self.stub.expect("POST", "/boom", json={"a": 1}).reply(200)
            for body in (b'{"credentials": {"a": ["hunter2"]}', b"<a><password>hunter2</password></a>"):
                request = urllib.request.Request(
                    self.stub.url.rstrip("/") + TARGET, body, {"X-Api-Key": "hunter2"}, method="POST"
                )
                with self.assertRaises(OSError) as caught:
                    urllib.request.urlopen(request, timeout=5)
                caught.exception.close()

        report = run_case(make_case(HTTPStubTestCase, test_it=test_it)).report
        self.assertIn("POST /boom?password=***", report)
        self.assertNotIn("hunter2", report)


if __name__ == "__main__":
    unittest.main()

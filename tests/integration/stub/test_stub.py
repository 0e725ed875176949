"""HTTPStubTestCase: what fails a test by itself, and what survives from test to test."""

from __future__ import annotations

import functools
import http.client
import os
import socket
import threading
import unittest
from collections.abc import Callable
from typing import Any
from unittest import mock

from liveserver_testcase import HTTPStub, HTTPStubTestCase, Reply, UsageError
from tests.integration.running import Outcome, make_case, run_case
from tests.support import HANG, NoLeaks

Stub = Any  # a test of a class that is made on the fly has no types


def send(stub: HTTPStub, method: str = "GET", target: str = "/", body: bytes | None = None) -> int:
    """Send a request on a connection of its own; the status."""
    connection = http.client.HTTPConnection(stub.host, stub.port, timeout=HANG)
    try:
        connection.request(method, target, body)
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


def run(*tests: Callable[[Any], None], **members: Any) -> Outcome:
    """Run a class with the mixin whose tests are these, in their order."""
    named = {f"test_{number}": test for number, test in enumerate(tests, 1)}
    return run_case(make_case(HTTPStubTestCase, **named, **members))


def send_some(case: Any, data: bytes) -> socket.socket:
    """Send what begins a request on a connection that stays until the class is over."""
    client = socket.create_connection(case.stub.address, HANG)
    case.addClassCleanup(client.close)
    client.sendall(data)
    case.stub.journal.wait_for(lambda: len(case.stub.journal), HANG)
    return client


HALF = b"PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab"


def last_lines(report: str) -> list[str]:
    """The report without the traceback above it."""
    return report[report.index("AssertionError: ") + len("AssertionError: ") :].split("\n")


class VerdictTest(NoLeaks):
    """What the stub holds against a test fails it."""

    maxDiff = None

    def test_a_test_that_goes_as_scripted_passes(self) -> None:
        """What was expected came, what was allowed did not."""

        def test(self: Stub) -> None:
            self.stub.expect("POST", "/charges").reply(201)
            self.stub.on("GET", "/status").reply(200)
            self.assertEqual(201, send(self.stub, "POST", "/charges"))

        self.assertEqual({"run": 1}, run(test).summary)

    def test_what_fails_a_test(self) -> None:
        """A request that nothing answers, and the expectation that it was meant for: the report says why."""

        def test(self: Stub) -> None:
            self.stub.expect("POST", "/charges").reply(201)
            send(self.stub, "POST", "/charge", b"amount=5")

        outcome = run(test)
        self.assertEqual({"run": 1, "failures": 1}, outcome.summary)
        report = """\
#1: no expectation matches POST /charge (8 bytes of no content type)
  nearest: POST '/charges', written at test_stub.py:N
    ok   method POST
    FAIL path: wanted '/charges', got '/charge'
  POST '/charges' was expected exactly once, and never came
  to send it again: curl --noproxy '*' -H Content-Type: --data-raw amount=5 http://127.0.0.1:PORT/charge
the stub at http://127.0.0.1:PORT was sent 1 request in this test:
  #1 POST /charge (8 bytes of no content type) -> 501"""
        self.assertEqual(report.split("\n"), last_lines(outcome.report))

    def test_a_test_that_failed_already_gets_the_report_as_a_note(self) -> None:
        """It fails once, for its own reason, and the stub's view is added."""

        def test(self: Stub) -> None:
            status = send(self.stub, "GET", "/x")
            self.assertEqual(200, status)

        outcome = run(test)
        self.assertEqual({"run": 1, "failures": 1}, outcome.summary)
        self.assertIn("AssertionError: 200 != 501", outcome.report)
        self.assertIn("#1: nothing answers GET /x: no expectation is written", outcome.report)

    def test_a_request_on_its_way_is_waited_for(self) -> None:
        """What arrives while the test ends is still answered, and counts."""

        def test(self: Stub) -> None:
            self.stub.expect("PUT", "/x").reply(200)
            threading.Timer(0.05, send_some(self, HALF).sendall, [b"c"]).start()

        self.assertEqual({"run": 1}, run(test, stub_pending_timeout=HANG).summary)

    def test_what_is_not_waited_for(self) -> None:
        """A test is over, and its stub stops, although a reply is still to come; or the environment says so."""

        def delayed(self: Stub) -> None:
            self.stub.expect("GET", "/slow").reply(200, delay=600)
            send_some(self, b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
            self.stub.journal.wait_for(lambda: self.stub.requests, HANG)

        def never_ending(self: Stub) -> None:
            send_some(self, HALF)

        for test, environment in ((delayed, {}), (never_ending, {"STUBSERVER_PENDING_TIMEOUT": "0"})):
            with self.subTest(test=test.__name__), mock.patch.dict(os.environ, environment):
                outcomes: list[Outcome] = []
                work = functools.partial(run, test, stub_pending_timeout=3 * HANG)
                thread = threading.Thread(target=lambda: outcomes.append(work()))  # noqa: B023
                self.addCleanup(thread.join, 4 * HANG)
                thread.start()
                thread.join(HANG)
                self.assertEqual([{"run": 1}], [outcome.summary for outcome in outcomes], "it is not over")


class IsolationTest(NoLeaks):
    """What a test leaves to the next."""

    def test_the_script_of_the_class_survives(self) -> None:
        """What `configure_stub` wrote, and what `setUpClass` wrote after it, is there in each test, counted anew."""

        def configure_stub(cls: Any, stub: HTTPStub) -> None:
            stub.expect("GET", "/login").reply(200)

        def setUpClass(cls: Any) -> None:
            super(cls, cls).setUpClass()
            cls.stub.serve_content("content", 203)

        def test(self: Stub) -> None:
            self.stub.on("GET", "/mine").reply(200)
            self.assertEqual([200, 203], [send(self.stub, "GET", target) for target in ("/login", "/other")])

        def forgetful(self: Stub) -> None:
            self.assertEqual(203, send(self.stub, "GET", "/mine"))

        outcome = run(
            test, test, forgetful, configure_stub=classmethod(configure_stub), setUpClass=classmethod(setUpClass)
        )
        self.assertEqual({"run": 3, "failures": 1}, outcome.summary)
        self.assertIn(
            "GET '/login' was expected exactly once, and never came, written at test_stub.py:N", outcome.report
        )

    def test_what_comes_late_names_its_test(self) -> None:
        """A request between two tests fails the second, once, and is not among its requests.

        Of one that comes after the last nobody is left to fail but the class itself.
        """
        seen: list[Any] = []

        class Case(HTTPStubTestCase):
            def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
                if self.id().endswith("2"):
                    send(self.stub, "GET", "/late")
                return super().run(result)

            @classmethod
            def tearDownClass(cls) -> None:
                send(cls.stub, "GET", "/last")
                super().tearDownClass()

            def test_1(self) -> None:
                seen.append(self.stub.requests)

            test_2 = test_3 = test_1

        Case.__module__, Case.__qualname__ = "made", "Case"
        outcome = run_case(Case)
        self.assertEqual({"run": 3, "failures": 1, "errors": 1}, outcome.summary)
        self.assertEqual([[], [], []], seen)
        self.assertEqual("made.Case.test_2", outcome.result.failures[0][0].id())
        late, last = (f"left over from made.Case.test_{number}: nothing answers GET /{path}: no expectation is written"
                      for number, path in ((1, "late"), (3, "last")))  # fmt: skip
        self.assertIn(late, outcome.result.failures[0][1])
        self.assertIn(last, outcome.result.errors[0][1])

    def test_subtests_share_a_record(self) -> None:
        """A subtest is no test of its own."""

        def test(self: Stub) -> None:
            self.stub.on().reply(200)
            for number in (1, 2):
                with self.subTest(number=number):
                    send(self.stub)
                    self.assertEqual(number, len(self.stub.requests))

        self.assertEqual({"run": 1}, run(test).summary)


class MisuseTest(NoLeaks):
    """What a class gets wrong."""

    def test_configuring_the_stub_needs_a_class_method(self) -> None:
        """Or a static one, which is called with the stub alone; the decorator to write is named."""
        outcome = run(lambda self: None, configure_stub=lambda self, stub: None)
        self.assertEqual({"run": 0, "errors": 1}, outcome.summary)
        wanted = "UsageError: Case.configure_stub() must be a class method: write @classmethod above it"
        self.assertIn(wanted, outcome.report)
        seen: list[HTTPStub] = []
        outcome = run(lambda self: None, configure_stub=staticmethod(seen.append))
        self.assertEqual(({"run": 1}, 1), (outcome.summary, len(seen)))

    def test_an_error_while_configuring_stops_the_stub(self) -> None:
        """It is reported for the class, and nothing is left behind."""

        def configure_stub(cls: Any, stub: HTTPStub) -> None:
            stub.on("/x")

        outcome = run(lambda self: None, configure_stub=classmethod(configure_stub))
        self.assertEqual({"run": 0, "errors": 1}, outcome.summary)
        self.assertIn("UsageError: method is '/x'; ", outcome.report)


class SettingsTest(NoLeaks):
    """What a class sets."""

    def test_what_is_forgiven(self) -> None:
        """Unmatched requests or unmet expectations, if class or environment says so; never what is forbidden."""

        def stray(self: Stub) -> None:
            self.assertEqual(501, send(self.stub, "GET", "/x"))

        def unmet(self: Stub) -> None:
            self.assertFalse(self.stub.expect("GET", "/x").reply(200).is_satisfied)

        def forbidden(self: Stub) -> None:
            self.stub.forbid("GET", "/x")
            send(self.stub, "GET", "/x")

        for test, settings, environment, failures in (
            (stray, {"stub_strict": False}, {}, {}), (stray, {}, {"STUBSERVER_STRICT": "off"}, {}),
            (unmet, {"stub_verify": False}, {}, {}), (forbidden, {"stub_strict": False}, {}, {"failures": 1}),
        ):  # fmt: skip
            with self.subTest(settings=settings, environment=environment), mock.patch.dict(os.environ, environment):
                self.assertEqual({"run": 1, **failures}, run(test, **settings).summary)

    def test_stub_unmatched_is_what_the_client_gets(self) -> None:
        """Its status and headers; the report is the body unless it has one, as where the code wants JSON everywhere."""
        seen: list[tuple[int, str | None, bytes]] = []

        def test(self: Stub) -> None:
            connection = http.client.HTTPConnection(self.stub.host, self.stub.port, timeout=HANG)
            self.addCleanup(connection.close)
            connection.request("GET", "/x")
            response = connection.getresponse()
            seen.append((response.status, response.headers["X-A"], response.read()))

        for reply in (Reply(404, headers={"X-A": "1"}), Reply(405, json={"error": "x"})):
            self.assertEqual({"run": 1}, run(test, stub_strict=False, stub_unmatched=reply).summary)
        self.assertEqual([(404, "1"), (405, None)], [answer[:2] for answer in seen])
        self.assertIn(b"nothing answers GET /x: no expectation is written", seen[0][2])
        self.assertEqual(b'{"error": "x"}', seen[1][2])

    def test_they_reach_the_stub(self) -> None:
        """Journal, bodies, keep-alive, time; of TLS the client needs the stub's ``ca_file`` only."""

        def test(self: Stub) -> None:
            limits = self.stub.journal.limit, self.stub.body_limit, self.stub.keep_alive, self.stub.timeout
            self.assertEqual((5, 100, False, 0.25), limits)
            self.assertTrue(self.stub.url.startswith("https://"))
            self.stub.expect("GET", "/x").reply(200)
            connection = http.client.HTTPSConnection(
                self.stub.host, self.stub.port, timeout=HANG, context=self.stub.client_context()
            )
            self.addCleanup(connection.close)
            connection.request("GET", "/x")
            self.assertEqual(200, connection.getresponse().status)

        settings = {"stub_journal_limit": 5, "stub_body_limit": 100, "stub_keep_alive": False, "stub_timeout": 0.25}
        self.assertEqual({"run": 1}, run(test, stub_tls=True, **settings).summary)


class SchemeTest(NoLeaks):
    """A client that speaks TLS where it should not, or does not where it should."""

    def test_the_report_says_why(self) -> None:
        """The client sees an error of its TLS, or gets a 400 in plain HTTP."""

        def https(self: Stub) -> None:
            connection = http.client.HTTPSConnection(self.stub.host, self.stub.port, timeout=HANG)
            self.addCleanup(connection.close)
            with self.assertRaises(OSError):
                connection.request("GET", "/x")
            self.stub.expect("GET", "/x").reply(200)

        def plain(self: Stub) -> None:
            self.assertEqual(400, send(self.stub, "GET", "/x"))
            self.stub.expect("GET", "/x").reply(200)

        for test, tls, hint in (
            (https, None, "  a client wants TLS of a stub that speaks plain HTTP: does its URL begin with https?"),
            (plain, True, "  a client speaks plain HTTP to a stub that wants TLS: does its URL begin with http?"),
        ):
            self.assertEqual(hint, last_lines(run(test, stub_tls=tls).report)[-1])


class SeveralStubsTest(NoLeaks):
    """More than one API."""

    maxDiff = None

    def test_each_has_its_own_script(self) -> None:
        """They are found by name, in the class's script, too."""

        def configure_stub(cls: Any, stub: Any) -> None:
            stub.on("GET", "/who").reply(text="main")
            cls.stubs["billing"].on("GET", "/who").reply(text="billing")

        def test(self: Stub) -> None:
            self.assertEqual(["billing", "geo"], list(self.stubs))
            self.stubs["geo"].expect("GET", "/where").reply(200)
            self.assertEqual(200, send(self.stub, "GET", "/who"))
            self.assertEqual(200, send(self.stubs["billing"], "GET", "/who"))
            self.assertEqual(200, send(self.stubs["geo"], "GET", "/where"))
            self.assertRequested("GET", "/who", times=1, stub="billing")
            self.assertRequested("GET", "/where", stub=self.stubs["geo"])

        outcome = run(test, test, stub_names=("billing", "geo"), configure_stub=classmethod(configure_stub))
        self.assertEqual({"run": 2}, outcome.summary)

    def test_a_request_at_the_wrong_stub_is_recognised(self) -> None:
        """The report names the one that expects it; an unmet expectation of a further stub fails the test, too."""

        def test(self: Stub) -> None:
            self.stubs["billing"].expect("GET", "/invoices").reply(200)
            send(self.stubs["geo"], "GET", "/invoices")

        outcome = run(test, stub_names=("billing", "geo"))
        self.assertEqual({"run": 1, "failures": 1}, outcome.summary)
        self.assertEqual(
            [
                (
                    "stub 'billing': GET '/invoices' was expected exactly once, and never came, "
                    "written at test_stub.py:N"
                ),
                "the stub 'billing' was sent nothing in this test: does the code under test use http://127.0.0.1:PORT?",
                "",
                "stub 'geo': #1: nothing answers GET /invoices: no expectation is written",
                "  write stub.on('GET', '/invoices').reply(…), or expect(…) if it must come",
                (
                    "  the stub 'billing' at http://127.0.0.1:PORT expects it: GET '/invoices', "
                    "written at test_stub.py:N"
                ),
                "  to send it again: curl --noproxy '*' http://127.0.0.1:PORT/invoices",
                "the stub 'geo' at http://127.0.0.1:PORT was sent 1 request in this test:",
                "  #1 GET /invoices -> 501",
            ],
            last_lines(outcome.report),
        )

    def test_an_unknown_name_is_refused(self) -> None:
        """With those that there are; one name alone is a sequence of letters."""

        def test(self: Stub) -> None:
            with self.assertRaises(UsageError) as caught:
                self.stubs["bill"]
            self.assertEqual("Case has no stub 'bill': its stub_names are 'billing', 'geo'", str(caught.exception))
            with self.assertRaisesRegex(
                AttributeError, r"^stubs have no attribute 'geo': the stub .* is stubs\['geo'\]$"
            ):
                _ = self.stubs.geo

        self.assertEqual({"run": 1}, run(test, stub_names=("billing", "geo")).summary)
        for name, value, message in (
            ("stub_names", "geo", "Case.stub_names is 'geo'; wanted several names: ('geo',)"),
            ("stub_unmatched", 404, "Case.stub_unmatched is 404; wanted a Reply"),
        ):
            outcome = run(lambda self: None, **{name: value})
            self.assertEqual({"run": 0, "errors": 1}, outcome.summary)
            self.assertIn(f"UsageError: {message}", outcome.report)

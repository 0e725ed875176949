"""HTTPStubTestCase: its settings, further stubs, and a client of the wrong scheme."""

from __future__ import annotations

import http.client
import os
from typing import Any
from unittest import mock

from liveserver_testcase import Reply, UsageError
from tests.integration.stub.test_stub import Stub, last_lines, run, send
from tests.support import HANG, NoLeaks


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
                    "written at test_stub_options.py:N"
                ),
                "the stub 'billing' was sent nothing in this test: does the code under test use http://127.0.0.1:PORT?",
                "",
                "stub 'geo': #1: nothing answers GET /invoices: no expectation is written",
                "  write stub.on('GET', '/invoices').reply(…), or expect(…) if it must come",
                (
                    "  the stub 'billing' at http://127.0.0.1:PORT expects it: GET '/invoices', "
                    "written at test_stub_options.py:N"
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

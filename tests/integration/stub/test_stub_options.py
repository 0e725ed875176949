"""HTTPStubTestCase: its settings, further stubs, order, absence, connections, and code on an event loop."""

from __future__ import annotations

import asyncio
import http.client
import os
import threading
import unittest
from typing import Any
from unittest import mock

from liveserver_testcase import HTTPStubTestCase, Reply, UsageError
from tests.integration.running import normalise
from tests.integration.stub.test_stub import Stub, last_lines, run, send
from tests.support import HANG, NoClassLeaks, NoLeaks, wait_until


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

    def test_stub_unmatched_must_be_a_reply(self) -> None:
        """A number would not do."""
        outcome = run(lambda self: None, stub_unmatched=404)
        self.assertEqual({"run": 0, "errors": 1}, outcome.summary)
        self.assertIn("UsageError: Case.stub_unmatched is 404; wanted a Reply", outcome.report)

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
        """The report names the one that expects it."""

        def test(self: Stub) -> None:
            self.stubs["billing"].on("GET", "/invoices").reply(200)
            send(self.stubs["geo"], "GET", "/invoices")

        outcome = run(test, stub_names=("billing", "geo"))
        self.assertEqual({"run": 1, "failures": 1}, outcome.summary)
        self.assertEqual(
            [
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

    def test_each_is_verified(self) -> None:
        """An unmet expectation of a further stub fails the test."""

        def test(self: Stub) -> None:
            self.stubs["geo"].expect("GET", "/where").reply(200)

        self.assertEqual(
            [
                "stub 'geo': GET '/where' was expected exactly once, and never came, written at test_stub_options.py:N",
                "the stub 'geo' was sent nothing in this test: does the code under test use http://127.0.0.1:PORT?",
            ],
            last_lines(run(test, stub_names=["geo"]).report),
        )

    def test_an_unknown_name_is_refused(self) -> None:
        """With those that there are."""

        def test(self: Stub) -> None:
            with self.assertRaises(UsageError) as caught:
                self.stubs["bill"]
            self.assertEqual("Case has no stub 'bill': its stub_names are 'billing', 'geo'", str(caught.exception))
            with self.assertRaisesRegex(
                AttributeError, r"^stubs have no attribute 'geo': the stub .* is stubs\['geo'\]$"
            ):
                _ = self.stubs.geo

        self.assertEqual({"run": 1}, run(test, stub_names=("billing", "geo")).summary)

    def test_one_name_alone_is_refused(self) -> None:
        """A text is a sequence of letters."""
        outcome = run(lambda self: None, stub_names="geo")
        self.assertIn("UsageError: Case.stub_names is 'geo'; wanted several names: ('geo',)", outcome.report)


class AssertionsTest(NoClassLeaks, HTTPStubTestCase):
    """What a test can say besides `assertRequested`'s count."""

    maxDiff = None

    def setUp(self) -> None:
        super().setUp()
        self.stub.on().reply(200)
        self.threads: list[threading.Thread] = []

    def tearDown(self) -> None:
        for thread in self.threads:
            thread.join(HANG)
        super().tearDown()

    def send_when_waited_for(self, path: str) -> None:
        """Send a request in the background as soon as an assertion waits for one."""

        def work() -> None:
            wait_until(lambda: self.stub.journal._waiting)
            send(self.stub, "GET", path)

        self.threads.append(threading.Thread(target=work))
        self.threads[-1].start()

    def report(self, function: Any, *arguments: Any, **options: Any) -> list[str]:
        with self.assertRaises(AssertionError) as caught:
            function(*arguments, **options)
        return normalise(str(caught.exception)).split("\n")

    def test_criteria_choose_the_request(self) -> None:
        """As they do for expectations."""
        send(self.stub, "POST", "/x?a=1", b'{"n": 1}')
        send(self.stub, "POST", "/x?a=2", b'{"n": 2}')
        self.assertEqual(b'{"n": 2}', self.assertRequested("POST", "/x", query={"a": 2}, json={"n": 2}).body)
        self.assertEqual(
            [
                "POST '/x' json={'n': 3} was expected at least once, and never came",
                "  nearest: #1 POST /x?a=1 (8 bytes of no content type)",
                "    ok   method POST",
                "    ok   path '/x'",
                "    FAIL json at $.n: wanted 3, got 1",
                "the stub at http://127.0.0.1:PORT was sent 2 requests in this test:",
                "  #1 POST /x?a=1 (8 bytes of no content type) -> 200",
                "  #2 POST /x?a=2 (8 bytes of no content type) -> 200",
            ],
            self.report(self.assertRequested, "POST", "/x", json={"n": 3}, timeout=0.01),
        )

    def test_a_request_on_its_way_is_waited_for(self) -> None:
        """Code in the background has its time."""
        self.send_when_waited_for("/late")
        self.assertRequested("GET", "/late", timeout=HANG)

    def test_what_must_not_come(self) -> None:
        """At once, or within a time."""
        self.assertNotRequested("GET", "/x")
        self.assertNotRequested("GET", "/x", within=0.01)
        self.send_when_waited_for("/x")
        self.assertEqual(
            "GET '/x' must never come, and came once",
            self.report(self.assertNotRequested, "GET", "/x", within=HANG)[0],
        )

    def test_order(self) -> None:
        """Others may come in between, unless it is exact."""
        for path in ("/login", "/noise", "/buy", "/logout"):
            send(self.stub, "GET", path)
        found = self.assertRequestOrder([("GET", "/login"), ("GET", "/buy", {"query": {}})])
        self.assertEqual(["/login", "/buy"], [request.path for request in found])
        self.assertEqual(
            [
                "after #3 GET /buy, sooner or later must come GET '/login', and did not",
                "  #1 GET /login matches it, and came before",
                "  the order that was wanted:",
                "    ok   GET '/buy'",
                "    FAIL GET '/login'",
            ],
            self.report(self.assertRequestOrder, [("GET", "/buy"), ("GET", "/login")])[:5],
        )
        self.assertEqual(
            [
                "after #1 GET /login, next must come GET '/buy', and did not",
                "  #3 GET /buy matches it, and came later",
            ],
            self.report(self.assertRequestOrder, [("GET", "/login"), ("GET", "/buy")], exact=True)[:2],
        )
        self.assertEqual(
            "more came than the 1 request that were wanted",
            self.report(self.assertRequestOrder, [("GET", "/login")], exact=True)[0],
        )

    def test_steps_of_an_order(self) -> None:
        """Each can be an expectation, and is nothing else; the same twice wants two."""
        first, second = self.stub.on("GET", "/a").reply(200), self.stub.on("GET", "/b").reply(200)
        send(self.stub, "GET", "/a")
        send(self.stub, "GET", "/b")
        self.assertRequestOrder([first, second], exact=True)
        self.report(self.assertRequestOrder, [("GET", "/a"), ("GET", "/a")])
        with self.assertRaisesRegex(UsageError, r"^a step is '/a'; wanted \(method, path\), \(method, "):
            self.assertRequestOrder(["/a"])  # type: ignore[list-item]
        with self.assertRaisesRegex(UsageError, r"^assertRequestOrder\(\) was given no step; wanted \(method, path\)"):
            self.assertRequestOrder([])

    def test_connections(self) -> None:
        """One that is kept alive is used again, one of its own is not."""
        connection = http.client.HTTPConnection(self.stub.host, self.stub.port, timeout=HANG)
        self.addCleanup(connection.close)
        for path in ("/a", "/b"):
            connection.request("GET", path)
            connection.getresponse().read()
        send(self.stub, "GET", "/c")
        first, second, third = self.stub.requests
        self.assertConnectionReused(first, second)
        self.assertRegex(
            self.report(self.assertConnectionReused, second, third)[0],
            r"^GET /c came on connection \d+, and GET /b on connection \d+: the client did not use it again$",
        )
        self.assertEqual(
            ["GET /a came on the same connection, but not after GET /b"],
            self.report(self.assertConnectionReused, second, first),
        )

    def test_everything_so_far(self) -> None:
        """What would fail the test at its end fails it where it is asked, and not again."""
        self.assertStubSatisfied()
        expectation = self.stub.expect("GET", "/x", times=2).reply(200)
        send(self.stub, "GET", "/x")
        self.assertEqual(
            "GET '/x' was expected exactly 2 times, and came once, written at test_stub_options.py:N",
            self.report(self.assertStubSatisfied)[0],
        )
        expectation.remove()
        self.assertStubSatisfied()

    def test_unmatched_requests_can_be_allowed(self) -> None:
        """For a while, and only some."""
        for expectation in self.stub.expectations:
            expectation.remove()
        with self.allowUnmatchedRequests("GET", "/favicon.ico"):
            self.assertEqual(501, send(self.stub, "GET", "/favicon.ico"))
            self.assertStubSatisfied()
            send(self.stub, "GET", "/other")
            self.assertIn("GET /other", self.report(self.assertStubSatisfied)[0])
        send(self.stub, "GET", "/favicon.ico")
        self.assertIn("GET /favicon.ico", self.report(self.assertStubSatisfied)[0])
        self.assertEqual(3, len(self.stub.unmatched))

    def test_a_stub_that_is_none(self) -> None:
        """Is refused, with what would do."""
        with self.assertRaises(UsageError) as caught:
            self.assertRequested("GET", "/x", stub=5)  # type: ignore[call-overload]
        self.assertEqual("stub is 5; wanted an HTTPStub, the name of one, or None for self.stub", str(caught.exception))


class AsyncTest(NoClassLeaks, HTTPStubTestCase, unittest.IsolatedAsyncioTestCase):
    """Code on the test's own loop."""

    async def send_soon(self, path: str) -> None:
        """Send a request from the loop that a blocking wait would stop."""
        while not self.stub.journal._waiting:
            await asyncio.sleep(0)
        await asyncio.to_thread(send, self.stub, "GET", path)

    async def test_what_comes_from_the_loop_can_be_awaited(self) -> None:
        """The loop goes on meanwhile."""
        expectation = self.stub.expect("GET", "/a", times=4).reply(200)
        task = asyncio.create_task(self.send_soon("/a"))
        self.assertEqual("/a", (await self.stub.take_request_async(HANG)).path)
        await task
        for wait in (
            lambda: self.assertRequestedAsync("GET", "/a", times=2, timeout=HANG),
            lambda: self.stub.wait_for_request_async("GET", "/a", times=3, timeout=HANG),
            lambda: expectation.wait_async(4, HANG),
        ):
            task = asyncio.create_task(self.send_soon("/a"))
            await wait()
            await task
        await self.stub.wait_until_satisfied_async(HANG)
        await self.assertNotRequestedAsync("GET", "/b", within=0.01)

    async def test_blocking_the_loop_is_refused(self) -> None:
        """With what to write instead; what is there already can be asked for."""
        expectation = self.stub.on("GET", "/a").reply(200)
        calls: dict[str, Any] = {
            "await self.assertRequestedAsync(…)": lambda: self.assertRequested("GET", "/a", timeout=1),
            "await self.assertNotRequestedAsync(…)": lambda: self.assertNotRequested("GET", "/a", within=1),
            "await stub.take_request_async(…)": self.stub.take_request,
            "await stub.wait_for_request_async(…)": lambda: self.stub.wait_for_request("GET", "/a"),
            "await stub.wait_until_satisfied_async(…)": self.stub.wait_until_satisfied,
            "await expectation.wait_async(…)": expectation.wait,
            "await self.assertStubSatisfiedAsync(…)": self.assertStubSatisfied,
            "await stub.verify_async()": self.stub.verify,
            "async with stub.scope_async()": self.stub.scope().__enter__,
        }
        for advice, call in calls.items():
            with self.subTest(advice=advice):
                with self.assertRaises(UsageError) as caught:
                    call()
                self.assertIn("would block the event loop ", str(caught.exception))
                self.assertTrue(str(caught.exception).endswith(f"write {advice}"), str(caught.exception))
        await asyncio.to_thread(send, self.stub, "GET", "/a")
        self.assertRequested("GET", "/a")

    async def test_what_is_not_there_fails_at_once(self) -> None:
        """Without a time that somebody wants it to wait; the report says so."""
        hint = r"^GET '/a' was .*, and never came\n  there was no wait, as it would block the event loop"
        with self.assertRaisesRegex(AssertionError, hint):
            self.assertRequested("GET", "/a")

    async def test_verifying_on_the_loop(self) -> None:
        """What is on its way is waited for, and the loop goes on."""
        with self.assertRaisesRegex(AssertionError, "GET '/b' was expected"):
            async with self.stub.scope_async():
                self.stub.expect("GET", "/b").reply(200)
        self.stub.expect("GET", "/a").reply(200)
        for verify in (self.stub.verify_async, self.assertStubSatisfiedAsync):
            with self.assertRaisesRegex(AssertionError, "GET '/a' was expected"):
                await verify()
        await asyncio.to_thread(send, self.stub, "GET", "/a")
        await self.stub.verify_async()
        await self.assertStubSatisfiedAsync()

    async def test_waiting_stops(self) -> None:
        """When something comes that nothing answers."""
        self.stub.expect("GET", "/a").reply(200)
        task = asyncio.create_task(self.send_soon("/b"))
        with self.assertRaisesRegex(AssertionError, "^stopped waiting, since nothing answers #1 GET /b\n"):
            await self.stub.wait_until_satisfied_async(HANG, stop_on_unmatched=True)
        await task
        with self.assertRaises(AssertionError):
            await asyncio.to_thread(self.stub.wait_until_satisfied, HANG, stop_on_unmatched=True)
        await asyncio.to_thread(send, self.stub, "GET", "/a")

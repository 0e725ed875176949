"""What a test case with the mixin asserts of its stub, and what it awaits on an event loop."""

from __future__ import annotations

import asyncio
import http.client
import re
import threading
import unittest
from typing import Any

from liveserver_testcase import HTTPStubTestCase, RecordedRequest, UsageError
from tests.integration.running import normalise
from tests.integration.stub.test_stub import send
from tests.support import HANG, NoClassLeaks, wait_until


class AssertionsTest(NoClassLeaks, HTTPStubTestCase):
    """Assertions, within a test case that has the mixin."""

    maxDiff = None
    stub_timeout = 0.0

    def setUp(self) -> None:
        super().setUp()
        self.stub.on().reply(200)
        self.threads: list[threading.Thread] = []

    def tearDown(self) -> None:
        for thread in self.threads:
            thread.join(HANG)
        super().tearDown()

    def send(self, *targets: str) -> None:
        for target in targets:
            send(self.stub, "GET", target)

    def send_when_waited_for(self, path: str) -> None:
        """Send a request in the background as soon as an assertion waits for one."""

        def work() -> None:
            wait_until(lambda: self.stub.journal._waiting)
            send(self.stub, "GET", path)

        self.threads.append(threading.Thread(target=work))
        self.threads[-1].start()

    def report(self, function: Any, *arguments: Any, **options: Any) -> list[str]:
        """The lines of the failure that a call must raise."""
        with self.assertRaises(self.failureException) as caught:
            function(*arguments, **options)
        return normalise(str(caught.exception)).split("\n")

    def test_the_request_is_returned(self) -> None:
        """The first that matches the criteria; any, a pattern of the whole path, method and path by their names."""
        send(self.stub, "POST", "/users/12?n=1", b'{"n": 1}')
        send(self.stub, "POST", "/users/12?n=2", b'{"n": 2}')
        for arguments, options in (
            ((), {}), (("POST", "/users/12"), {}), (("POST", re.compile(r"/users/\d+")), {}),
            ((), {"method": "POST", "path": "/users/12"}),
        ):  # fmt: skip
            request = self.assertRequested(*arguments, **options)
            self.assertIsInstance(request, RecordedRequest)
            self.assertEqual("1", request.args["n"])
        self.report(self.assertRequested, "POST", re.compile(r"/users/\d"))
        self.assertEqual(b'{"n": 2}', self.assertRequested("POST", None, query={"n": 2}, json={"n": 2}).body)

    def test_several_requests_are_returned_as_a_list(self) -> None:
        """In their order; ``times=1`` means exactly one, which is returned as itself."""
        self.send("/a", "/b", "/a?2")
        self.assertEqual("/b", self.assertRequested("GET", "/b", times=1).path)
        for times in (2, (1, 2), (2, None), (1, 5)):
            with self.subTest(times=times):
                found = self.assertRequested("GET", "/a", times=times)
                self.assertEqual(["/a", "/a?2"], [request.exchange.target for request in found])
        for times in (1, 3, (3, None), (0, 1), 0):
            with self.subTest(times=times):
                self.report(self.assertRequested, "GET", "/a", times=times)
        self.assertEqual([], self.assertRequested("GET", "/c", times=0))

    def test_a_request_is_there_before_its_answer(self) -> None:
        """A client that has the answer finds its request asserted; one in the background has its time."""
        for number in range(1, 31):
            self.send("/a")
            self.assertRequested("GET", "/a", times=(number, number))
        self.send_when_waited_for("/late")
        self.assertRequested("GET", "/late", timeout=HANG)

    def test_a_failure_is_a_failure(self) -> None:
        """Of the class that the test wants, so that runners do not count an error; the author's words come first."""
        self.assertEqual(
            [
                "any request was expected at least once, and never came",
                "the stub was sent nothing in this test: does the code under test use http://127.0.0.1:PORT?",
            ],
            self.report(self.assertRequested),
        )
        self.send("/charge")
        self.assertEqual(
            [
                "the shop must ask",
                "GET '/charges' was expected at least once, and never came",
                "  nearest: #1 GET /charge",
                "    ok   method GET",
                "    FAIL path: wanted '/charges', got '/charge'",
                "the stub at http://127.0.0.1:PORT was sent 1 request in this test:",
                "  #1 GET /charge -> 200",
            ],
            self.report(self.assertRequested, "GET", "/charges", msg="the shop must ask"),
        )

    def test_what_is_misused(self) -> None:
        """An unknown keyword names the nearest and the function; a stub that is none says what would do."""
        with self.assertRaises(TypeError) as misspelt:
            self.assertRequested("GET", "/x", time=1)  # type: ignore[call-overload]
        wanted = "assertRequested() got an unexpected keyword argument 'time'. Did you mean 'times'?"
        self.assertEqual(wanted, str(misspelt.exception))
        with self.assertRaises(UsageError) as caught:
            self.assertRequested("GET", "/x", stub=5)  # type: ignore[call-overload]
        self.assertEqual("stub is 5; wanted an HTTPStub, the name of one, or None for self.stub", str(caught.exception))

    def test_what_came_and_what_did_not(self) -> None:
        """At once, or within a time; what nothing answered came, too."""
        self.assertNotRequested("GET", "/x")
        self.assertNotRequested("GET", "/x", within=0.01)
        self.send_when_waited_for("/x")
        report = self.report(self.assertNotRequested, "GET", "/x", within=HANG)
        self.assertEqual("GET '/x' must never come, and came once", report[0])
        self.stub.expect("GET", "/x", times=0)
        self.send("/x")
        self.assertRequested("GET", "/x")
        self.stub.failure_report()

    def test_order(self) -> None:
        """Others may come in between, unless it is exact."""
        self.send("/login", "/noise", "/buy", "/logout")
        found = self.assertRequestOrder([("GET", "/login"), ("GET", "/buy", {"query": {}})])
        self.assertEqual(["/login", "/buy"], [request.path for request in found])
        for steps, exact, lines in (
            (
                [("GET", "/buy"), ("GET", "/login")],
                False,
                [
                    "after #3 GET /buy, sooner or later must come GET '/login', and did not",
                    "  #1 GET /login matches it, and came before",
                    "  the order that was wanted:",
                    "    ok   GET '/buy'",
                    "    FAIL GET '/login'",
                ],
            ),
            (
                [("GET", "/login"), ("GET", "/buy")],
                True,
                [
                    "after #1 GET /login, next must come GET '/buy', and did not",
                    "  #3 GET /buy matches it, and came later",
                ],
            ),
            ([("GET", "/login")], True, ["more came than the 1 request that were wanted"]),
        ):
            report = self.report(self.assertRequestOrder, steps, exact=exact)
            self.assertEqual(lines, report[: len(lines)])

    def test_steps_of_an_order(self) -> None:
        """Each can be an expectation, and is nothing else; the same twice wants two."""
        first, second = self.stub.on("GET", "/a").reply(200), self.stub.on("GET", "/b").reply(200)
        self.send("/a", "/b")
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
        self.send("/c")
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
        self.send("/x")
        wanted = "GET '/x' was expected exactly 2 times, and came once, written at test_stub_assertions.py:N"
        self.assertEqual(wanted, self.report(self.assertStubSatisfied)[0])
        expectation.remove()
        self.assertStubSatisfied()

    def test_unmatched_requests_can_be_allowed(self) -> None:
        """For a while, and only some."""
        for expectation in self.stub.expectations:
            expectation.remove()
        with self.allowUnmatchedRequests("GET", "/favicon.ico"):
            self.assertEqual(501, send(self.stub, "GET", "/favicon.ico"))
            self.assertStubSatisfied()
            self.send("/other")
            self.assertIn("GET /other", self.report(self.assertStubSatisfied)[0])
        self.send("/favicon.ico")
        self.assertIn("GET /favicon.ico", self.report(self.assertStubSatisfied)[0])
        self.assertEqual(3, len(self.stub.unmatched))


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

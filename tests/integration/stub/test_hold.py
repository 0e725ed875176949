"""Requests that wait for the test's word."""

from __future__ import annotations

import sys
import threading
import unittest

from liveserver_testcase import Fault, Reply, UsageError
from tests.integration.stub.support import Answer, WireTest, get, make_expectation, make_request
from tests.support import HANG


class HoldTest(WireTest):
    """`Expectation.holds`."""

    def ask(self, path: str = "/") -> list[Answer]:
        """Send a request from a thread; what it gets is there when the thread has ended."""
        answers: list[Answer] = []
        thread = threading.Thread(target=lambda: answers.append(self.send("GET", path)))
        thread.start()
        self.addCleanup(thread.join, HANG)
        self.threads = [*getattr(self, "threads", []), thread]
        return answers

    def join(self) -> None:
        for thread in self.threads:
            thread.join(HANG)

    def test_the_test_answers(self) -> None:
        """The client waits until it is told, and then gets that: whatever can be an answer elsewhere."""
        hold = self.stub.expect("GET", "/slow", times=6).hold()
        for arguments, options, wanted in (
            ((201,), {"json": {"a": 1}, "headers": {"X-A": "1"}}, (201, b'{"a": 1}', "1")),
            ((Reply(404),), {}, (404, b"", None)), ((503,), {}, (503, b"", None)),
            (("text",), {}, (200, b"text", None)),
            (({"a": 1},), {}, (200, b'{"a": 1}', None)), ((("x", 418),), {}, (418, b"x", None)),
        ):  # fmt: skip
            answers = self.ask("/slow")
            request = hold.wait(HANG)
            self.assertEqual(("/slow", []), (request.raw_path, answers))
            self.assertIs(request, hold.request)
            hold.reply(*arguments, **options)  # type: ignore[call-overload]
            self.join()
            ((status, headers, body),) = answers
            self.assertEqual(wanted, (status, body, headers.get("x-a")))
            self.assertEqual(status, request.reply.status if request.reply else 0)
        self.stub.verify()

    def test_drop(self) -> None:
        """The connection ends without an answer, in good order or with a reset."""
        hold = self.stub.on().hold()
        for reset, end in ((False, "FIN"), (True, "RST")):
            client = self.dial()
            client.sendall(get())
            hold.wait(HANG)
            hold.drop(reset=reset)
            self.assertEqual((b"", end), self.look(client))
        clients = [self.dial() for _ in range(3)]
        for client in clients:
            client.sendall(get())
        self.wait_for(lambda: len(hold.requests) == 3)
        hold.drop_all()
        self.assertEqual(["FIN"] * 3, [self.look(client).end for client in clients])
        self.stub.wait_until_idle(HANG)
        self.assertEqual(["the test dropped it"] * 5, [exchange.aborted for exchange in self.stub.exchanges])
        self.assertEqual(([], ""), (self.take_errors(), self.stub.failure_report()))

    def test_any_of_them(self) -> None:
        """A request that is named is answered or dropped before its turn, once."""
        hold = self.stub.on().hold()
        answers = []
        for number in range(3):
            answers.append(self.ask(f"/{number}"))
            self.wait_for(lambda wanted=number + 1: len(hold.requests) == wanted)  # type: ignore[misc]
        first, second, third = hold.requests
        hold.reply(200, "third", request=third)
        hold.reply(200, "first")
        hold.reply(200, "second", request=second)
        self.join()
        self.assertEqual(["first", "second", "third"], [answer[0].text for answer in answers])
        for act in (hold.reply, hold.drop):
            with self.assertRaisesRegex(UsageError, "^GET /0 is not held, so that there is nothing to "):
                act(request=first)
        with self.assertRaisesRegex(UsageError, "^'x' is not held"):
            hold.drop(request="x")  # type: ignore[arg-type]

    def test_what_nobody_answers(self) -> None:
        """It is held against the test, once; after its time it is answered with a 500, and is, too."""
        hold = self.stub.expect("GET", "/slow").hold()
        client = self.dial()
        client.sendall(get("/slow"))
        hold.wait(HANG)
        with self.assertRaisesRegex(AssertionError, "^#1 GET /slow is held by GET '/slow', and nobody "):
            self.stub.verify()
        self.assertEqual("", self.stub.failure_report())
        hold.drop()
        self.stub.on().hold(timeout=0.01)
        self.assertEqual(500, self.send().status)
        with self.assertRaisesRegex(AssertionError, r"^GET / could not .*: it was held for 0\.01 s, and nobody"):
            self.stub.verify()

    def test_whose_client_has_left(self) -> None:
        """It is held no longer, and needs no answer: that it gives up is what such a test is about."""
        hold = self.stub.on().hold()
        client = self.dial()
        client.sendall(get())
        hold.wait(HANG)
        client.close()
        self.assertEqual("", self.stub.failure_report())
        self.wait_for(lambda: not hold.requests)
        self.assertEqual([], self.stub.wait_until_idle(HANG))

    def test_the_end_of_the_test(self) -> None:
        """What is held is dropped when the next one begins, also if it was enqueued, removed or replaced."""
        enqueued = self.stub.enqueue(200, method="PUT")
        removed, replaced, kept = (self.stub.on("GET", f"/{name}") for name in ("removed", "replaced", "kept"))
        holds = [expectation.hold() for expectation in (enqueued, removed, replaced, kept)]
        clients = []
        for method, path in (("PUT", "/"), ("GET", "/removed"), ("GET", "/replaced"), ("GET", "/kept")):
            clients.append(self.dial())
            clients[-1].sendall(get(path, method=method))
        for hold in holds:
            hold.wait(HANG)
        removed.remove()
        replaced.reply(200)
        self.begin("shop.test_b")
        self.assertEqual([(b"", "FIN")] * 4, [self.look(client) for client in clients])
        self.assertEqual([], self.stub.wait_until_idle(HANG))

    def test_two_threads_answer(self) -> None:
        """Each answers another request, and none stays held: sixteen threads, switched as often as can be."""
        self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())
        for _ in range(10):
            hold = self.stub.on().hold()
            clients = [self.dial() for _ in range(16)]
            for client in clients:
                client.sendall(get("/", "Connection: close"))
            self.wait_for(lambda hold=hold: len(hold.requests) == 16)  # type: ignore[misc]
            sys.setswitchinterval(1e-6)
            threads = [threading.Thread(target=hold.reply, args=[200, f"<{number}>"]) for number in range(16)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(HANG)
            sys.setswitchinterval(0.005)
            bodies = sorted(self.look(client).body for client in clients)
            self.assertEqual(sorted(b"<%d>" % number for number in range(16)), bodies)

    def test_a_request_of_a_test_that_is_over(self) -> None:
        """Is not held: the test that could answer it has ended while it was on its way."""

        class LateConnection:
            def notify(self) -> None: ...

            def pause(self, *_arguments: object) -> bool:
                raise AssertionError("it was held")

            def is_late(self, request: object) -> bool:
                return True

            def abandon(self, reason: str, **_how: bool) -> Exception:
                return ConnectionError(reason)

        request, hold = make_request(), self.stub.on().hold()
        request.serving = LateConnection()  # type: ignore[assignment]
        with self.assertRaisesRegex(ConnectionError, "^the test dropped it$"):
            hold.reply_to(request)
        self.assertEqual([], hold.requests)

    def test_with_a_fault(self) -> None:
        """What is held can go wrong when it is answered."""
        hold = self.stub.on().hold()
        self.stub.expectations[0].fail(Fault.TRUNCATE)
        client = self.dial()
        client.sendall(get())
        hold.wait(HANG)
        hold.reply(200, b"abcd")
        seen = self.look(client)
        self.assertEqual((b"ab", "FIN"), (seen.body, seen.end))

    def test_none_is_held(self) -> None:
        """There is nothing to look at, to answer or to drop; a wait for one fails, and says what came instead."""
        hold = self.stub.on("GET", "/a").hold()
        for act, what in ((lambda: hold.request, "look at"), (hold.reply, "answer"), (hold.drop, "drop")):
            with self.subTest(what=what), self.assertRaises(UsageError) as caught:
                act()
            self.assertEqual(
                f"there is no held request to GET '/a' to {what}: call wait() first", str(caught.exception)
            )
        self.send("GET", "/b")
        with self.assertRaisesRegex(AssertionError, r"(?s)waited 0\.01 s for a request to GET '/a' to be held.*GET /b"):
            hold.wait(0.01)

    def test_without_a_stub(self) -> None:
        """Nothing can be held."""
        with self.assertRaisesRegex(UsageError, "is in no stub that could get any$"):
            make_expectation("GET", "/").hold()
        with self.assertRaisesRegex(UsageError, "cannot be held: no stub serves it$"):
            self.stub.on().hold().reply_to(make_request())


class AsyncHoldTest(unittest.IsolatedAsyncioTestCase, WireTest):
    """The same on an event loop."""

    async def test_await(self) -> None:
        """A coroutine awaits the request; blocking is refused with what to write, and a wait fails as it does."""
        hold = self.stub.on().hold()
        client = self.dial()
        client.sendall(get("/slow"))
        request = await hold.wait_async(HANG)
        self.assertEqual("/slow", request.raw_path)
        with self.assertRaisesRegex(UsageError, r"write await hold\.wait_async\(…\)$"):
            hold.wait()
        hold.drop()
        with self.assertRaisesRegex(AssertionError, "for a request to GET '/a' to be held"):
            await self.stub.on("GET", "/a").hold().wait_async(0.01)

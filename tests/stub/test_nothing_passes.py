"""Nothing passes silently: what went wrong in an exchange fails the test in which it went wrong, and `verify()`."""

from __future__ import annotations

import contextlib
import http.client
import unittest
from collections.abc import Callable
from typing import Any

from liveserver_testcase import HTTPStub, HTTPStubTestCase
from tests.stub.support import StubTest
from tests.stub.wire import WireTest
from tests.support import HANG


def run_test(body: Callable[[Any], object], **attributes: object) -> unittest.TestResult:
    """Run ``body`` as the one test of a class with a stub."""
    case = type("CaseTest", (HTTPStubTestCase,), {"test": body, **attributes})
    result = unittest.TestResult()
    unittest.TestSuite([case("test")]).run(result)
    return result


def boom(*_args: object) -> Any:
    raise ValueError("boom")


class RaisedTest(StubTest):
    """What a handler, a hook or an application raises, or returns that is no answer."""

    MISTAKES: tuple[tuple[str, Callable[[HTTPStub], object], str], ...] = (
        ("raises", lambda stub: stub.on().reply_with(boom), "ValueError: boom"),
        ("returns None", lambda stub: stub.on().reply_with(lambda: None), "returned None; wanted a Reply"),
        ("hook", lambda stub: stub.on().reply(200).after(boom), "ValueError: boom"),
        ("hook returns", lambda stub: stub.on().reply(200).after(lambda _r, _a: object()), "the hook .* returned <obj"),
        ("application", lambda stub: stub.on().reply_wsgi(boom), "ValueError: boom"),
        ("sequence", lambda stub: stub.on().reply_sequence(201), "has 1 reply, and this was request 2"),
        ("stream", lambda stub: stub.on().reply_stream(boom), "ValueError: boom"),
    )

    def ask(self, stub: HTTPStub) -> None:
        for _ in range(2):
            with contextlib.suppress(http.client.IncompleteRead):
                self.send("GET", "/x", stub=stub)

    def test_verify(self) -> None:
        """It fails, with what was raised as its cause; a second one has nothing more to say."""
        for name, script, wanted in self.MISTAKES:
            with self.subTest(name), HTTPStub() as stub:
                script(stub)
                self.ask(stub)
                with self.assertRaisesRegex(AssertionError, f"^GET /x could not be answered: .*{wanted}") as caught:
                    stub.verify()
                self.assertIsNotNone(caught.exception.__cause__)
                stub.verify()

    def test_assert_stub_satisfied(self) -> None:
        """It fails there, and the test once, not twice."""
        for name, script, wanted in self.MISTAKES:

            def body(case: Any, script: Any = script, wanted: str = wanted) -> None:
                script(case.stub)
                self.ask(case.stub)
                with case.assertRaisesRegex(AssertionError, wanted):
                    case.assertStubSatisfied()

            with self.subTest(name):
                result = run_test(body)
                self.assertEqual(([], []), (result.failures, result.errors))

    def test_failure_report(self) -> None:
        """It is there for whoever looks after a stub otherwise."""
        self.stub.on().reply_with(boom)
        self.send("GET", "/x")
        self.assertRegex(self.stub.failure_report(), "^GET /x could not be answered: ValueError: boom$")

    def test_what_was_taken_is_not_held(self) -> None:
        """Who wants the error takes it."""
        self.stub.on().reply_with(boom)
        self.send("GET", "/x")
        self.assertEqual(["boom"], [str(error) for _, error in self.stub.take_errors()])
        self.stub.verify()

    def test_reset_forgets_it(self) -> None:
        """As it forgets what was not answered."""
        self.stub.on().reply_with(boom)
        self.send("GET", "/x")
        self.stub.reset()
        self.stub.verify()

    def test_of_an_earlier_test(self) -> None:
        """It names its test."""
        self.begin("shop.test_a")
        self.stub.on().reply_with(boom)
        self.send("GET", "/x")
        self.begin("shop.test_b")
        self.stub.verify()
        self.assertRegex(self.late_report(), r"^left over from shop\.test_a: GET /x could not be answered")


class UnreadableTest(WireTest):
    """What is malformed, or breaks off in the middle."""

    REFUSED: tuple[tuple[bytes, str], ...] = (
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", "^GET / could not be read: .*Content-Length"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "could not be read: a TLS handshake on a port"),
        (
            b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
            "^POST /x could not be",
        ),
    )
    BROKEN_OFF: tuple[tuple[bytes, str], ...] = (
        (b"PUT /big HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc", "^PUT /big could not be read: the client "),
        (b"GET /half HTTP/1.1\r\nHo", "could not be read: the client left after 22 bytes of a request's head"),
    )

    def send_wrong(self, data: bytes) -> None:
        client = self.dial()
        client.sendall(data)
        if data in dict(self.BROKEN_OFF):
            client.close()
        else:
            self.look(client)
        self.stub.wait_until_idle(HANG)

    def test_verify(self) -> None:
        """It fails, although the client got no answer that a test could look at."""
        self.stub.on().reply(200)
        for data, wanted in (*self.REFUSED, *self.BROKEN_OFF):
            with self.subTest(data=data):
                self.send_wrong(data)
                with self.assertRaisesRegex(AssertionError, wanted):
                    self.stub.verify()
                self.stub.verify()

    def test_it_is_held_once_the_client_has_its_answer(self) -> None:
        """Nobody has to wait for anything else."""
        client = self.dial()
        client.sendall(self.REFUSED[0][0])
        client.recv(1)
        self.assertRegex(self.stub.failure_report(), self.REFUSED[0][1])

    def test_what_is_allowed(self) -> None:
        """Who is not strict, or allows what matches, is not disturbed."""
        wrong = self.BROKEN_OFF[0][0]
        with self.stub.allow_unmatched():
            for data, _ in (*self.REFUSED, *self.BROKEN_OFF):
                self.send_wrong(data)
        with self.stub.allow_unmatched("PUT", "/big"):
            self.send_wrong(wrong)
        self.stub.is_strict = False
        self.send_wrong(wrong)
        self.stub.verify()
        self.stub.is_strict = True
        with self.stub.allow_unmatched("GET", "/big"):
            self.send_wrong(wrong)
        self.assertRegex(self.stub.failure_report(), "^PUT /big could not be read")

    def test_who_only_connects(self) -> None:
        """Looks whether the stub is there, and asks for nothing."""
        self.dial().close()
        self.wait_for(lambda: len(self.stub.journal))
        self.stub.verify()

    def test_what_the_test_ends_itself(self) -> None:
        """A cut connection and a stop are the test's own doing."""
        for end in (self.stub.close_connections, self.stub.stop):
            client = self.dial()
            client.sendall(self.BROKEN_OFF[0][0])
            self.wait_for(lambda: self.stub.in_flight)
            end()
            self.stub.wait_until_idle(HANG)
        self.assertEqual("", self.stub.failure_report())

    def test_of_an_earlier_test(self) -> None:
        """It names its test."""
        self.begin("shop.test_a")
        self.send_wrong(self.BROKEN_OFF[0][0])
        self.begin("shop.test_b")
        self.stub.verify()
        self.assertRegex(self.late_report(), r"^left over from shop\.test_a: PUT /big could not be read: ")
        self.assertEqual("", self.late_report())


if __name__ == "__main__":
    unittest.main()

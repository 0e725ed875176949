"""A stub outside of any test case, two of them, and many clients at once."""

from __future__ import annotations

import collections
import re
import socket
import sys
import threading
import unittest
from typing import Any

from liveserver_testcase import HTTPStub
from liveserver_testcase.stub.script import caller_location
from tests.contracts.base import has_ipv6
from tests.integration.stub.support import StubTest, receive
from tests.support import HANG, run_python


class AloneTest(StubTest):
    """A stub outside of any test case."""

    def test_with_starts_and_stops_it(self) -> None:
        """Inside of the block it serves."""
        with HTTPStub() as stub:
            stub.on("GET", "/x").reply(200)
            self.assertEqual(200, self.send("GET", "/x", stub=stub).status)
            self.assertEqual(["/x"], [request.path for request in stub.requests])
            self.assertEqual("", stub.failure_report())
        self.assertFalse(stub.is_running)

    def test_it_can_be_scripted_before_it_starts(self) -> None:
        """Neither expectations nor the record need a socket."""
        stub = HTTPStub()
        self.assertEqual(([], []), (stub.requests, stub.expectations))
        stub.on("GET", "/x").reply(200)
        with stub:
            self.assertEqual(200, self.send("GET", "/x", stub=stub).status)

    def test_the_script_survives_a_restart(self) -> None:
        """So does the record."""
        self.stub.expect("GET", "/x", times=2).reply(200)
        self.send("GET", "/x")
        self.stub.stop()
        self.stub.start()
        self.assertEqual(200, self.send("GET", "/x").status)
        self.assertEqual((2, ""), (len(self.stub.requests), self.stub.failure_report()))

    def test_it_can_be_asked_when_it_has_stopped(self) -> None:
        """Record and verdict are still there."""
        self.stub.expect("GET", "/x").reply(200)
        self.send("GET", "/y")
        self.stub.stop()
        self.assertEqual(1, len(self.stub.requests))
        self.assertIn("no expectation matches GET /y", self.stub.failure_report())

    def test_two_at_once_are_strangers(self) -> None:
        """Each has its own port, script and record."""
        with HTTPStub() as other:
            self.stub.on("GET", "/x").reply(text="one")
            other.on("GET", "/x").reply(text="two")
            self.assertEqual(["one", "two"], [self.send("GET", "/x", stub=stub).text for stub in (self.stub, other)])
            self.assertEqual([1, 1], [len(stub.requests) for stub in (self.stub, other)])
            self.assertNotEqual(self.stub.port, other.port)

    @unittest.skipUnless(has_ipv6(), "there is no IPv6 here")
    def test_it_speaks_ipv6(self) -> None:
        """The URL has brackets, and the request its address."""
        with HTTPStub("::1") as stub:
            stub.on().reply(200)
            self.assertEqual(f"http://[::1]:{stub.port}", stub.url)
            self.assertEqual(200, self.send("GET", "/x", stub=stub).status)
            self.assertEqual(("::1", f"{stub.url}/x"), (stub.requests[0].remote_addr, stub.requests[0].url))

    def test_it_cannot_be_pickled(self) -> None:
        """The reason is given."""
        import pickle

        with self.assertRaisesRegex(TypeError, "^<HTTPStub running at http://.*> cannot be pickled or copied: "):
            pickle.dumps(self.stub)

    def test_a_script_without_a_file_has_a_place_too(self) -> None:
        """What is typed in has a line."""
        result = run_python(
            """
            from liveserver_testcase import HTTPStub
            print(HTTPStub().on("GET", "/x").location)
            """
        )
        self.assertEqual(("<string>:3\n", ""), (result.stdout, result.stderr))

    def test_it_is_noted_when_the_directory_is_gone(self) -> None:
        """Nothing needs the working directory."""
        result = run_python(
            """
            import os, tempfile
            import liveserver_testcase.stub.server
            with tempfile.TemporaryDirectory() as directory:
                os.chdir(directory)
            print(liveserver_testcase.stub.server.HTTPStub().on("GET", "/x").location)
            """
        )
        self.assertEqual(("<string>:6\n", ""), (result.stdout, result.stderr))


class PlaceTest(unittest.TestCase):
    """Where the library ends and the test begins."""

    def test_a_package_with_a_similar_name_is_not_ours(self) -> None:
        """Only the library's own frames are passed over."""
        scope: dict[str, Any] = {"__name__": "liveserver_testcase_helpers.stubs", "find": caller_location}
        exec(compile("place = find()", "helpers.py", "exec"), scope)
        self.assertEqual("helpers.py:1", scope["place"])


class ThreadsTest(StubTest):
    """Twenty clients at once, their threads and the server's switched as often as can be."""

    def test_nothing_is_lost_or_doubled(self) -> None:
        """Bounded expectations are claimed exactly, every client gets the answer of the expectation that counts it."""
        self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())
        limits = [1, 7, 20] * 30  # many limits: it is there that a count can be missed
        bounded = [
            self.stub.expect("GET", re.compile("/.*"), times=limit).reply(text=f"<{index}>")
            for index, limit in enumerate(limits)
        ]
        rest = self.stub.on("GET", re.compile("/.*")).reply(text="<rest>")
        answers: list[bytes] = []

        def work(number: int) -> None:
            with socket.create_connection(self.stub.address, HANG) as client:
                client.sendall(b"".join(b"GET /%d/%d HTTP/1.1\r\nHost: a\r\n\r\n" % (number, n) for n in range(50)))
                received = receive(client, lambda data: data.count(b"<") == 50 and data.endswith(b">"))
            answers.extend(re.findall(rb"<\w+>", received))

        threads = [threading.Thread(target=work, args=[number]) for number in range(20)]
        sys.setswitchinterval(1e-6)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(HANG)
        self.assertEqual([], self.stub.wait_until_idle(HANG))
        called = {b"<%d>" % index: expectation.times_called for index, expectation in enumerate(bounded)}
        self.assertEqual(limits, list(called.values()))
        self.assertEqual(called | {b"<rest>": rest.times_called}, collections.Counter(answers))
        sent = {f"/{number}/{n}" for number in range(20) for n in range(50)}
        recorded = [request.path for request in self.stub.requests]
        claimed = [request.path for expectation in [*bounded, rest] for request in expectation.requests]
        self.assertEqual((sent, 1000), (set(recorded), len(recorded)))
        self.assertEqual((sent, 1000), (set(claimed), len(claimed)))
        self.assertEqual("", self.stub.failure_report())

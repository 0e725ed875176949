"""A stub outside of any test case, two of them, and many clients at once."""

from __future__ import annotations

import unittest
from typing import Any

from liveserver_testcase import HTTPStub
from liveserver_testcase.stub.script import caller_location
from tests.contracts.base import has_ipv6
from tests.integration.stub.support import StubTest
from tests.support import run_python


class AloneTest(StubTest):
    """A stub outside of any test case."""

    def test_it_can_be_scripted_before_it_starts(self) -> None:
        """Neither expectations nor the record need a socket."""
        stub = HTTPStub()
        self.assertEqual(([], []), (stub.requests, stub.expectations))
        stub.on("GET", "/x").reply(200)
        with stub:
            self.assertEqual(200, self.send("GET", "/x", stub=stub).status)

    def test_the_script_survives_a_restart(self) -> None:
        """So does the record, which can be asked when the stub has stopped, too."""
        self.stub.expect("GET", "/x", times=2).reply(200)
        self.send("GET", "/x")
        self.stub.stop()
        self.stub.start()
        self.assertEqual(200, self.send("GET", "/x").status)
        self.send("GET", "/y")
        self.stub.stop()
        self.assertEqual(3, len(self.stub.requests))
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

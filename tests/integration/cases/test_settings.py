"""Configuration attributes, and the environment variables that override them for one run."""

from __future__ import annotations

import os
import socket
import unittest
from typing import Any
from unittest import mock

from liveserver_testcase import HTTPStub, HTTPStubTestCase, LiveServerTestCase, ServerTestCase, SMTPTestCase, UsageError
from tests.integration.apps import make_app
from tests.integration.cases.toys import nothing
from tests.integration.running import make_case, run_case
from tests.support import NoLeaks


def environ(**variables: str) -> Any:
    """Set environment variables for a while."""
    return mock.patch.dict(os.environ, variables)


def find_free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Settings(ServerTestCase):
    """Attributes of each kind."""

    word = "attribute"
    count = 3
    seconds = 1.5


class Spelling(NoLeaks):
    """Class attributes that look like settings."""

    def test_of_ones_own(self) -> None:
        """Attributes and methods of a class's own are left alone, whatever they are called."""
        own = {
            "live_user": "ann",
            "live_server_url": "x",
            "live_modes": lambda self: None,
            "stub_answer": b"",
            "lives": 9,
        }
        case = make_case(LiveServerTestCase, app=make_app(), test=nothing, **own)
        self.assertEqual({"run": 1}, run_case(case).summary)

    def test_on_a_test(self) -> None:
        """A setting of one test has no effect, and fails it; the address of a server may be kept there."""

        def test(self: Any) -> None:
            self.stub_host, self.stub_port = self.stub.address
            self.stub_strict = False

        self.assertIn(
            "AssertionError: self.stub_strict = False has no effect, for the servers of Case have read it from the "
            "class when they started: write it in the class",
            run_case(make_case(HTTPStubTestCase, test=test)).report,
        )

    def test_a_block_that_is_not_entered(self) -> None:
        """What is to be said of a block asserts nothing without one."""

        def test(self: Any) -> None:
            self.expectLiveErrors(ValueError)

        self.assertRegex(
            run_case(make_case(LiveServerTestCase, app=make_app(), test=test)).report,
            r"Error: self\.expectLiveErrors\(…\) at test_settings\.py:\d+ is about a block, and there was none: "
            r"write with self\.expectLiveErrors\(…\):",
        )


class Kinds(unittest.TestCase):
    """``setting()``."""

    def test_attributes_and_variables(self) -> None:
        """Without a variable, or with an empty one, the attribute counts; else the variable, as a value of the kind."""
        for variables, wanted in (
            ({}, ("attribute", 3, 1.5)),
            ({"WORD": "", "COUNT": " "}, ("attribute", 3, 1.5)),
            ({"WORD": " variable", "COUNT": "8 ", "SECONDS": "2"}, ("variable", 8, 2.0)),
        ):
            with self.subTest(variables), environ(**variables):
                found = [Settings.setting(*each) for each in (("word", "WORD", str), ("count", "COUNT", int))]
                self.assertEqual(wanted, (*found, Settings.setting("seconds", "SECONDS", float)))
        self.assertEqual(2, type("Case", (Settings,), {"seconds": 2}).setting("seconds", "SECONDS", float))

    def test_truths_and_choices(self) -> None:
        """A truth can be said in several words; a value that is none of the choices is refused."""
        case = type("Case", (Settings,), {"flag": False})
        for text, value in (("1", True), ("Yes", True), ("on", True), ("0", False), ("FALSE", False)):
            with environ(FLAG=text):
                self.assertIs(value, case.setting("flag", "FLAG", bool))
        with environ(FLAG="perhaps"), self.assertRaisesRegex(UsageError, "FLAG is 'perhaps'; wanted True or False$"):
            case.setting("flag", "FLAG", bool)
        with self.assertRaisesRegex(UsageError, r"^Settings.word is 'attribute'; wanted one of 'a', 'b'$"):
            Settings.setting("word", "WORD", str, ("a", "b"))

    def test_nonsense(self) -> None:
        """A value that cannot be is refused, with the name of its variable, or of its attribute."""
        whole, seconds = "wanted a whole number, 0 or more", "wanted a number of seconds, 0 or more"
        for name, kind, values, wanted in (
            ("COUNT", int, ("many", "1.5", "-1"), whole),
            ("SECONDS", float, ("soon", "-1", "nan", "inf"), seconds),
            ("count", int, ("8000", True, None), whole),
            ("seconds", float, ("1", float("inf")), seconds),
            ("word", str, (8,), "wanted text"),
        ):
            for value in values:
                is_variable = name.isupper()
                where = f"the environment variable {name}" if is_variable else f"Case.{name}"
                with self.subTest(where, value=value), environ(**({name: value} if is_variable else {})):
                    case = type("Case", (Settings,), {} if is_variable else {name: value})
                    with self.assertRaises(UsageError) as caught:
                        case.setting(name.lower(), name if is_variable else "NO_SUCH_VARIABLE", kind)
                    self.assertEqual(f"{where} is {value!r}; {wanted}", str(caught.exception))


class OfTheMixins(NoLeaks):
    """The variables of the three mixins."""

    def test_ports(self) -> None:
        """Each server listens where its variables say, and has the times that they say."""
        for bases, variable, find in (
            (LiveServerTestCase, "LIVESERVER", lambda case: case.live_server._server),
            (HTTPStubTestCase, "STUBSERVER", lambda case: case.stub),
            (SMTPTestCase, "SMTPSERVER", lambda case: case.smtp),
        ):
            port = find_free_port()
            with self.subTest(variable=variable):
                where = {f"{variable}_HOST": "localhost", f"{variable}_PORT": str(port)}
                with environ(**where, LIVESERVER_START_TIMEOUT="3", LIVESERVER_STOP_TIMEOUT="0.5"):
                    case = make_case(bases, app=make_app())
                    case.setUpClass()
                    self.addCleanup(case.tearDownClass)
                    server = find(case)
                    self.assertEqual(("localhost", port), server.address)
                if bases is LiveServerTestCase:
                    self.assertEqual((3.0, 0.5), (server.start_timeout, server.stop_timeout))

    def test_nonsense(self) -> None:
        """A value that cannot be, such as a misspelt word for a switch, is one clear error in setUpClass."""
        for name, value, wanted in (
            *((name, "soon", "") for name in ("PORT", "START_TIMEOUT", "STOP_TIMEOUT", "PENDING_TIMEOUT")),
            *((name, "flase", "wanted True or False") for name in ("PAUSE_ON_FAILURE", "CAPTURE", "TLS")),
        ):
            with self.subTest(name=name), environ(**{f"LIVESERVER_{name}": value}):
                outcome = run_case(make_case(LiveServerTestCase, app=make_app(), test=nothing))
                self.assertEqual({"run": 0, "errors": 1}, outcome.summary)
                self.assertIn("setUpClass (made.Case)", outcome.printed)
                text = f"UsageError: the environment variable LIVESERVER_{name} is {value!r}; {wanted}"
                self.assertIn(text, outcome.report)
        with environ(LIVESERVER_RECORD="flase"), HTTPStub() as stub:
            with self.assertRaisesRegex(UsageError, "'flase'; wanted True or False"):
                stub.record("http://127.0.0.1:9", "recorded.har")

    def test_host_that_is_none(self) -> None:
        """A host that is no address of this machine is an error that names it."""
        with environ(LIVESERVER_HOST="192.0.2.1"):
            outcome = run_case(make_case(LiveServerTestCase, app=make_app(), test=nothing))
        self.assertEqual({"run": 0, "errors": 1}, outcome.summary)
        self.assertIn("192.0.2.1", outcome.report)

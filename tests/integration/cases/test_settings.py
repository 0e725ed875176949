"""Configuration attributes, and the environment variables that override them for one run."""

from __future__ import annotations

import os
import socket
import unittest
from typing import Any
from unittest import mock

from liveserver_testcase import HTTPStub, HTTPStubTestCase, LiveServerTestCase, ServerTestCase, SMTPTestCase, UsageError
from tests.integration.apps import make_app
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
        case = make_case(LiveServerTestCase, app=make_app(), test=lambda self: None, **own)
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

    def test_nonsense_in_a_variable(self) -> None:
        """A value that cannot be is refused, with the name of the variable."""
        whole = "wanted a whole number, 0 or more"
        seconds = "wanted a number of seconds, 0 or more"
        for name, kind, text, wanted in (
            ("COUNT", int, "many", whole),
            ("COUNT", int, "1.5", whole),
            ("COUNT", int, "-1", whole),
            ("SECONDS", float, "soon", seconds),
            ("SECONDS", float, "-1", seconds),
            ("SECONDS", float, "nan", seconds),
            ("SECONDS", float, "inf", seconds),
        ):
            with self.subTest(text=text, kind=kind), environ(**{name: text}):
                with self.assertRaises(UsageError) as caught:
                    Settings.setting(name.lower(), name, kind)
                self.assertEqual(f"the environment variable {name} is {text!r}; {wanted}", str(caught.exception))

    def test_nonsense_in_an_attribute(self) -> None:
        """So is an attribute, with its class."""
        for name, kind, value, wanted in (
            ("count", int, "8000", "wanted a whole number, 0 or more"),
            ("count", int, True, "wanted a whole number, 0 or more"),
            ("count", int, None, "wanted a whole number, 0 or more"),
            ("seconds", float, "1", "wanted a number of seconds, 0 or more"),
            ("seconds", float, float("inf"), "wanted a number of seconds, 0 or more"),
            ("word", str, 8, "wanted text"),
        ):
            with self.subTest(name=name, value=value):
                case = type("Case", (Settings,), {name: value})
                with self.assertRaises(UsageError) as caught:
                    case.setting(name, "NO_SUCH_VARIABLE", kind)
                self.assertEqual(f"Case.{name} is {value!r}; {wanted}", str(caught.exception))


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
        """A value that cannot be is one clear error in setUpClass."""
        for name in ("PORT", "START_TIMEOUT", "STOP_TIMEOUT", "PENDING_TIMEOUT"):
            with self.subTest(name=name), environ(**{f"LIVESERVER_{name}": "soon"}):
                outcome = run_case(make_case(LiveServerTestCase, app=make_app(), test=lambda self: None))
                self.assertEqual({"run": 0, "errors": 1}, outcome.summary)
                self.assertIn("setUpClass (made.Case)", outcome.printed)
                self.assertIn(f"UsageError: the environment variable LIVESERVER_{name} is 'soon'; ", outcome.report)

    def test_a_switch_that_is_neither_on_nor_off(self) -> None:
        """A misspelt word is refused by every variable that switches something, and does not count as on."""
        text = "'flase'; wanted True or False"
        for name in ("LIVESERVER_PAUSE_ON_FAILURE", "LIVESERVER_CAPTURE", "LIVESERVER_TLS"):
            with self.subTest(name=name), environ(**{name: "flase"}):
                outcome = run_case(make_case(LiveServerTestCase, app=make_app(), test=lambda self: self.fail("it ran")))
                self.assertEqual({"run": 0, "errors": 1}, outcome.summary)
                self.assertIn(f"UsageError: the environment variable {name} is {text}", outcome.report)
        with environ(LIVESERVER_RECORD="flase"), HTTPStub() as stub, self.assertRaisesRegex(UsageError, text):
            stub.record("http://127.0.0.1:9", "recorded.har")

    def test_host_that_is_none(self) -> None:
        """A host that is no address of this machine is an error that names it."""
        with environ(LIVESERVER_HOST="192.0.2.1"):
            outcome = run_case(make_case(LiveServerTestCase, app=make_app(), test=lambda self: None))
        self.assertEqual({"run": 0, "errors": 1}, outcome.summary)
        self.assertIn("192.0.2.1", outcome.report)

"""Classes: in every order of their bases, forgetful, broken, and next to broken ones."""

from __future__ import annotations

import itertools
import unittest

from liveserver_testcase import HTTPStubTestCase, LiveServerTestCase, SMTPTestCase
from tests.integration.apps import Routes, answer, make_app
from tests.runners.suites.expected import ClassError, expect


class Together:
    """An application that needs to know the two other servers when it is made."""

    @classmethod
    def create_app(cls) -> Routes:
        text = f"{cls.stub.url} {cls.smtp.addr[1]}"
        return Routes(index=lambda environ, start: answer(start, text))

    @expect("passed")
    def test_the_app_knows_the_others(self):
        self.assertEqual(self.live.get("/").text, f"{self.stub.url} {self.smtp.port}")


MIXINS = (LiveServerTestCase, HTTPStubTestCase, SMTPTestCase)
for bases in itertools.permutations(MIXINS):
    name = "Order" + "".join("ABC"[MIXINS.index(base)] for base in bases)
    globals()[name] = type(name, (Together, *bases), {"__module__": __name__})


class Forgetful(LiveServerTestCase):
    """Forgets ``super()`` wherever that does no harm."""

    app = make_app()

    def setUp(self) -> None:
        pass

    def tearDown(self) -> None:
        pass

    @classmethod
    def tearDownClass(cls) -> None:
        pass

    @expect("failed", "the application raised an error:")
    def test_app_raises(self):
        self.live.get("/boom")

    @expect("passed")
    def test_the_next_one(self):
        self.live.get("/")


class AfterForgetful(unittest.TestCase):
    @expect("passed")
    def test_its_servers_are_stopped_all_the_same(self):
        self.assertFalse(hasattr(Forgetful.live_server, "url"))


RAN = "ran without its servers: "
NOT_STARTED = "no setUpClass() has started the servers of ForgetfulSetUpClass; "
WHAT_TO_DO = "if the class overrides setUpClass(), it must call super().setUpClass() first"


class ForgetfulSetUpClass(LiveServerTestCase):
    """Forgets ``super()`` where it is needed."""

    app = make_app()

    @classmethod
    def setUpClass(cls) -> None:
        pass

    @expect("error", "test_that_needs_none " + RAN + NOT_STARTED + WHAT_TO_DO)
    def test_that_needs_none(self):
        pass

    @expect("error", "ForgetfulSetUpClass.live_server is not there: " + NOT_STARTED + WHAT_TO_DO, conceals=[RAN])
    def test_that_needs_one(self):
        self.live.get("/")

    @expect("failed", "1 != 2", RAN + NOT_STARTED + WHAT_TO_DO)
    def test_that_fails(self):
        self.assertEqual(1, 2)

    @expect("skipped", "not now", conceals=["servers"])
    def test_skip(self):
        self.skipTest("not now")


class AppRaises(LiveServerTestCase):
    class_error = ClassError("setUpClass", ["LookupError: no configuration"])

    @classmethod
    def create_app(cls) -> Routes:
        raise LookupError("no configuration")

    def test_not_reached(self):
        self.fail("not reached")

    test_not_reached_either = test_not_reached


class OwnClassCleanup(LiveServerTestCase):
    """Its class clean-up fails, and its tests do not."""

    app = make_app()
    class_error = ClassError("tearDownClass", ["ValueError: of a class clean-up"])

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.addClassCleanup(cls.fail_to_clean_up)

    @classmethod
    def fail_to_clean_up(cls) -> None:
        raise ValueError("of a class clean-up")

    @expect("passed")
    def test_passes(self):
        self.live.get("/")

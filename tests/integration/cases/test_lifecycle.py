"""The life of a class: its servers start, serve its tests and stop, whatever happens."""

from __future__ import annotations

import gc
import os
import threading
import unittest
import warnings
import weakref
from typing import Any

import requests

from liveserver_testcase import ClassServer, HTTPStubTestCase, LiveServerTestCase, ServerNotStarted, SMTPTestCase
from tests.integration.apps import Routes, answer, make_app
from tests.integration.cases.toys import Toy, make_toys, nothing
from tests.integration.running import is_refused, make_case, run_case, run_suite
from tests.support import HANG, NoLeaks


class Broken(NoLeaks):
    """Classes that do not come to run."""

    def test_set_up_class_that_ends_early(self) -> None:
        """A setUpClass that raises, or skips its class, after super() leaves no server running."""
        for error, kind in ((ValueError("of setUpClass"), "errors"), (unittest.SkipTest("not here"), "skipped")):
            urls: list[str] = []

            def set_up(cls: Any, urls: list[str] = urls, error: Exception = error) -> None:
                super(cls, cls).setUpClass()
                urls.extend([cls.live_url(), cls.stub.url, cls.smtp.url])
                raise error

            members = {"app": make_app(), "setUpClass": classmethod(set_up), "test": nothing}
            with self.subTest(error=error):
                outcome = run_case(make_case(LiveServerTestCase, HTTPStubTestCase, SMTPTestCase, **members))
                self.assertEqual({"run": 0, kind: 1}, outcome.summary)
                self.assertEqual([True] * 3, [is_refused(url) for url in urls])

    def test_error_while_taking_back(self) -> None:
        """Where a start fails and a stop, too, the error of the start is raised and says the other."""
        errors = {"start": ValueError("cannot start"), "stop": OSError("cannot stop")}
        report = run_case(make_toys(lambda: Toy(**errors))).report
        self.assertIn("ValueError: cannot start\n\nstop() of the server 'toy' raised OSError: cannot stop", report)


class Families(NoLeaks):
    """Classes that inherit from each other."""

    def test_subclass(self) -> None:
        """A subclass has servers of its own, and the parent's are neither taken for them nor disturbed by their end."""

        class Parent(LiveServerTestCase, HTTPStubTestCase):
            app = make_app()

        class Child(Parent):
            pass

        Parent.setUpClass()
        self.addCleanup(Parent.doClassCleanups)
        with self.assertRaisesRegex(ServerNotStarted, r"^Child\.live_server is not there"):
            Child.live_url()
        Child.setUpClass()
        self.assertNotEqual(Parent.live_url(), Child.live_url())
        Child.tearDownClass()
        Child.doClassCleanups()
        self.assertEqual("fine", requests.get(Parent.live_url("/"), timeout=HANG).text)
        Parent.tearDownClass()

    def test_started_once(self) -> None:
        """A server that is inherited twice is started once, also if setUpClass calls those of its bases by name."""
        heard: list[str] = []

        class Top(LiveServerTestCase, HTTPStubTestCase):
            @classmethod
            def create_app(cls) -> Routes:
                heard.append(cls.__name__)
                return make_app()

            @classmethod
            def setUpClass(cls) -> None:
                super().setUpClass()
                heard.append(cls.live_url())
                super(LiveServerTestCase, cls).setUpClass()

            def visit(self) -> None:
                self.assertEqual(heard[-1], self.live_url())
                self.live.get("/")

        left, right = type("Left", (Top,), {}), type("Right", (Top,), {})
        run_case(type("Bottom", (left, right), {"test_it": Top.visit})).assert_passed()
        self.assertEqual("Bottom", heard[0])
        self.assertEqual(2, len(heard))

    def test_interleaved_in_a_suite(self) -> None:
        """A class whose tests are not in one piece starts again."""
        heard: list[str] = []
        one, other = make_toys(lambda: Toy("one", heard)), make_toys(lambda: Toy("other", heard))
        self.assertEqual({"run": 3}, run_suite(one("test_it"), other("test_it"), one("test_it")).summary)
        self.assertEqual([f"{do} {name}" for name in ("one", "other", "one") for do in ("start", "stop")], heard)

    def test_settle_begins_with_the_callers(self) -> None:
        """A request that the application still makes to the stub is waited for, and counts."""

        class Case(LiveServerTestCase, HTTPStubTestCase):
            client_is_gone = threading.Event()

            @classmethod
            def create_app(cls) -> Routes:
                def later(environ: Any, start: Any) -> Any:
                    answer(start)
                    yield b"fi"
                    cls.client_is_gone.wait(HANG)
                    requests.post(cls.stub.url_for("/pay"), timeout=HANG)
                    yield b"ne"

                return Routes(later=later)

            def test_it(self) -> None:
                self.stub.expect("POST", "/pay").reply(201)
                answer = self.live.get("/later", stream=True)
                self.assertEqual(b"fi", answer.raw.read(2))
                self.addCleanup(answer.close)
                self.addCleanup(self.client_is_gone.set)

        run_case(Case).assert_passed()


class Ends(NoLeaks):
    """How a class ends."""

    def test_tear_down_class_again(self) -> None:
        """tearDownClass() does nothing before a start, or a second time; who asks then reads that it is over."""
        case = make_case(LiveServerTestCase, app=make_app())
        case.tearDownClass()
        case.setUpClass()
        server = weakref.ref(case.live_server._server)
        case.tearDownClass()
        case.tearDownClass()
        case.doClassCleanups()
        self.assertEqual([], case.tearDown_exceptions)
        with self.assertRaises(ServerNotStarted) as caught:
            case.live_url()
        wanted = "Case.live_server is not there: the servers of Case were stopped by its tearDownClass()"
        self.assertEqual(wanted, str(caught.exception))
        gc.collect()
        self.assertIsNone(server(), "it is kept, to be stopped again at exit")

    def test_other_bases_are_torn_down(self) -> None:
        """A server that does not stop keeps no other base from its tearDownClass, and no other server from its stop."""
        heard = []

        class Base(unittest.TestCase):
            @classmethod
            def tearDownClass(cls) -> None:
                heard.append("torn down")

        class Case(LiveServerTestCase, Base):
            app = make_app()

            @classmethod
            def class_servers(cls) -> list[ClassServer[Any]]:
                stuck = ClassServer("stuck", lambda: Toy(stop=OSError("stuck")), order=40)
                return [*super().class_servers(), stuck]

            def test_it(self) -> None:
                heard.append(self.live_url())

        outcome = run_case(Case)
        self.assertEqual({"run": 1, "errors": 1}, outcome.summary)
        self.assertTrue(outcome.report.endswith("Error: stop() of the server 'stuck' raised OSError: stuck"))
        self.assertEqual("torn down", heard[1])
        self.assertTrue(is_refused(heard[0]))

    @unittest.skipUnless(hasattr(os, "fork"), "there is no fork")
    def test_forked_child(self) -> None:
        """A forked child that tears the class down stops nothing of its parent's."""

        class Heard(list[str]):
            def append(self, text: str) -> None:
                os.write(write, text.encode())

        read, write = os.pipe()
        self.addCleanup(os.close, read)
        case = make_toys(lambda: Toy(heard=Heard()))
        case.setUpClass()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # about threads, of which this class has none
            child = os.fork()
        if child == 0:
            try:
                case.tearDownClass()
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        os.write(write, b"|")
        case.tearDownClass()
        os.close(write)
        self.assertEqual(b"start toy|stop toy", os.read(read, 100))

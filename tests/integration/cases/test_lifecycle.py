"""The life of a class: its servers start, serve its tests and stop, whatever happens."""

from __future__ import annotations

import gc
import os
import socket
import threading
import unittest
import warnings
import weakref
from typing import Any

import requests

from liveserver_testcase import (
    ClassServer,
    HTTPStubTestCase,
    LiveServerTestCase,
    ServerNotStarted,
    ServerTestCase,
    SMTPTestCase,
)
from tests.integration.apps import Routes, answer, make_app
from tests.integration.running import is_refused, make_case, run_case, run_suite
from tests.support import NoLeaks


class Broken(NoLeaks):
    """Classes that do not come to run."""

    def test_set_up_class_that_raises(self) -> None:
        """A setUpClass that raises after super() leaves no server running."""
        urls = []

        class Case(LiveServerTestCase, HTTPStubTestCase, SMTPTestCase):
            app = make_app()

            @classmethod
            def setUpClass(cls) -> None:
                super().setUpClass()
                urls.extend([cls.live_url(), cls.stub.url, cls.smtp.url])
                raise ValueError("of setUpClass")

            def test_it(self) -> None:
                pass

        self.assertEqual({"run": 0, "errors": 1}, run_case(Case).summary)
        self.assertEqual([True] * 3, [is_refused(url) for url in urls])

    def test_port_that_is_taken(self) -> None:
        """A taken port is an ordinary error of that class, and others run."""
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)

        class Case(LiveServerTestCase, HTTPStubTestCase):
            app = make_app()
            live_port = taken.getsockname()[1]

            def test_it(self) -> None:
                pass

        class Next(LiveServerTestCase):
            app = make_app()

            def test_it(self) -> None:
                self.live.get("/")

        self.assertEqual({"run": 1, "errors": 1}, run_case(Case, Next).summary)

    def test_error_while_taking_back(self) -> None:
        """Where a start fails and a stop, too, the error of the start is raised and says the other."""

        class Stuck:
            def start(self) -> None:
                raise ValueError("cannot start")

            def stop(self) -> None:
                raise OSError("cannot stop")

        case = make_case(ServerTestCase, class_servers=classmethod(lambda cls: [ClassServer("toy", Stuck)]))
        case.test_it = lambda self: None
        report = run_case(case).report
        self.assertIn("ValueError: cannot start\n\nstop() of the server 'toy' raised OSError: cannot stop", report)


class Families(NoLeaks):
    """Classes that inherit from each other."""

    def test_subclass(self) -> None:
        """A subclass has a server of its own, and the parent's is not disturbed by its end."""

        class Parent(LiveServerTestCase):
            app = make_app()

        class Child(Parent):
            pass

        Parent.setUpClass()
        self.addCleanup(Parent.doClassCleanups)
        Child.setUpClass()
        self.assertNotEqual(Parent.live_url(), Child.live_url())
        Child.tearDownClass()
        self.assertEqual("fine", requests.get(Parent.live_url("/"), timeout=10).text)

    def test_subclass_that_has_not_started(self) -> None:
        """A subclass does not take its parent's server for its own."""

        class Parent(LiveServerTestCase):
            app = make_app()

        class Child(Parent):
            pass

        Parent.setUpClass()
        self.addCleanup(Parent.doClassCleanups)
        with self.assertRaisesRegex(ServerNotStarted, r"^Child\.live_server is not there"):
            Child.live_url()

    def test_diamond(self) -> None:
        """A server that is inherited twice is started once."""
        started = []

        class Top(LiveServerTestCase):
            @classmethod
            def create_app(cls) -> Routes:
                started.append(cls.__name__)
                return make_app()

        class Left(Top):
            pass

        class Right(Top):
            pass

        class Bottom(Left, Right):
            def test_it(self) -> None:
                self.live.get("/")

        self.assertEqual({"run": 1}, run_case(Bottom).summary)
        self.assertEqual(["Bottom"], started)

    def test_set_up_class_by_two_ways(self) -> None:
        """A setUpClass that calls both of its bases' by name starts the servers once."""

        class Case(LiveServerTestCase, HTTPStubTestCase):
            app = make_app()

            @classmethod
            def setUpClass(cls) -> None:
                super().setUpClass()
                cls.first = cls.live_url()
                super(LiveServerTestCase, cls).setUpClass()

            def test_it(self) -> None:
                self.assertEqual(self.first, self.live_url())

        self.assertEqual({"run": 1}, run_case(Case).summary)

    def test_interleaved_by_hand(self) -> None:
        """Two classes whose lives overlap do not disturb each other."""
        one, other = (make_case(LiveServerTestCase, HTTPStubTestCase, app=make_app()) for _ in range(2))
        one.setUpClass()
        other.setUpClass()
        self.addCleanup(other.doClassCleanups)
        one.tearDownClass()
        self.assertEqual("fine", requests.get(other.live_url("/"), timeout=10).text)
        other.tearDownClass()
        one.doClassCleanups()

    def test_interleaved_in_a_suite(self) -> None:
        """A class whose tests are not in one piece starts again."""
        ports: list[str] = []

        class One(LiveServerTestCase):
            app = make_app()

            def test_it(self) -> None:
                self.live.get("/")
                ports.append(type(self).__name__)

        class Other(One):
            pass

        outcome = run_suite(One("test_it"), Other("test_it"), One("test_it"))
        self.assertEqual({"run": 3}, outcome.summary)
        self.assertEqual(["One", "Other", "One"], ports)


class Order(unittest.TestCase):
    """Servers that need each other."""

    def test_settle_begins_with_the_callers(self) -> None:
        """A request that the application still makes to the stub is waited for, and counts."""

        class Case(LiveServerTestCase, HTTPStubTestCase):
            @classmethod
            def create_app(cls) -> Routes:
                def later(environ: Any, start: Any) -> Any:
                    answer(start)
                    yield b"fi"
                    cls.client_is_gone.wait(10)
                    requests.post(cls.stub.url_for("/pay"), timeout=10)
                    yield b"ne"

                return Routes(later=later)

            def test_it(self) -> None:
                type(self).client_is_gone = threading.Event()
                self.stub.expect("POST", "/pay").reply(201)
                answer = self.live.get("/later", stream=True)
                self.assertEqual(b"fi", answer.raw.read(2))
                self.addCleanup(answer.close)
                self.addCleanup(self.client_is_gone.set)

        self.assertEqual({"run": 1}, run_case(Case).summary)


class Ends(NoLeaks):
    """How a class ends."""

    def test_tear_down_class_without_a_start(self) -> None:
        """tearDownClass() of a class that has not started does nothing, and so does a second one."""
        case = make_case(LiveServerTestCase, app=make_app())
        case.tearDownClass()
        case.setUpClass()
        case.tearDownClass()
        case.tearDownClass()
        case.doClassCleanups()
        self.assertEqual([], case.tearDown_exceptions)

    def test_other_bases_are_torn_down(self) -> None:
        """A server that does not stop keeps no other base from its tearDownClass, and no other server from its stop."""
        heard = []

        class Stuck:
            def start(self) -> None:
                pass

            def stop(self) -> None:
                raise OSError("stuck")

        class Base(unittest.TestCase):
            @classmethod
            def tearDownClass(cls) -> None:
                heard.append("torn down")

        class Case(LiveServerTestCase, Base):
            app = make_app()

            @classmethod
            def class_servers(cls) -> list[ClassServer[Any]]:
                return [*super().class_servers(), ClassServer("stuck", Stuck, order=40)]

            def test_it(self) -> None:
                heard.append(self.live_url())

        self.assertEqual({"run": 1, "errors": 1}, run_case(Case).summary)
        self.assertEqual("torn down", heard[1])
        self.assertTrue(is_refused(heard[0]))

    def test_absence_says_that_it_is_over(self) -> None:
        """A server that is asked for too late says so."""
        case = make_case(LiveServerTestCase, app=make_app())
        case.setUpClass()
        case.tearDownClass()
        wanted = "Case.live_server is not there: the servers of Case were stopped by its tearDownClass()"
        with self.assertRaisesRegex(ServerNotStarted, f"^{wanted}$".replace("(", r"\(").replace(")", r"\)")):
            case.live_url()

    def test_nothing_is_kept(self) -> None:
        """Of a class that is over nothing is kept: not its servers, and nothing that is stopped again at exit."""
        case = make_case(LiveServerTestCase, app=make_app())
        case.setUpClass()
        server = weakref.ref(case.live_server._server)
        case.tearDownClass()
        case.doClassCleanups()
        gc.collect()
        self.assertIsNone(server())

    def test_skip_in_set_up_class(self) -> None:
        """A class that skips itself after super() is skipped, and its servers are stopped."""
        urls: list[str] = []

        class Case(LiveServerTestCase):
            app = make_app()

            @classmethod
            def setUpClass(cls) -> None:
                super().setUpClass()
                urls.append(cls.live_url())
                raise unittest.SkipTest("not here")

            def test_it(self) -> None:
                pass

        self.assertEqual({"run": 0, "skipped": 1}, run_case(Case).summary)
        self.assertTrue(is_refused(urls[0]))

    @unittest.skipUnless(hasattr(os, "fork"), "there is no fork")
    def test_forked_child(self) -> None:
        """A forked child that tears the class down stops nothing of its parent's."""
        stopped = []

        class Toy:
            def start(self) -> None:
                pass

            def stop(self) -> None:
                stopped.append(os.getpid())
                os.write(write, b"stopped")

        read, write = os.pipe()
        self.addCleanup(os.close, read)
        case = make_case(ServerTestCase, class_servers=classmethod(lambda cls: [ClassServer("toy", Toy)]))
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
        self.assertEqual(b"|stopped", os.read(read, 100))

"""Ctrl-C and exits, after which unittest cleans nothing up."""

from __future__ import annotations

import unittest
from typing import Any

from liveserver_testcase import HTTPStubTestCase, LiveServerTestCase, ServerStartError, SMTPTestCase
from tests.integration.cases.toys import Toy, make_toys
from tests.integration.running import is_refused, make_case
from tests.support import NoLeaks, run_python


class InAProcess(NoLeaks):
    """While the servers of a class start or stop."""

    def test_interrupt_while_starting(self) -> None:
        """Ctrl-C in create_app() stops at once what runs already: unittest would not.  An exit is an error."""
        for error, raised in ((KeyboardInterrupt, KeyboardInterrupt), (SystemExit, ServerStartError)):
            with self.subTest(error=error):
                urls: list[str] = []

                def create_app(cls: Any, urls: list[str] = urls, error: type[BaseException] = error) -> Any:
                    urls.extend([cls.stub.url, cls.smtp.url])
                    raise error

                bases = (LiveServerTestCase, HTTPStubTestCase, SMTPTestCase)
                case = make_case(*bases, create_app=classmethod(create_app))
                with self.assertRaises(raised):
                    case.setUpClass()
                case.doClassCleanups()
                self.assertEqual([True] * 2, [is_refused(url) for url in urls])

    def test_interrupted_stop(self) -> None:
        """Ctrl-C in the stop of one server goes through when the others have stopped."""
        heard: list[str] = []
        interrupted = {"b": {"stop": KeyboardInterrupt()}}
        case = make_toys(*(lambda name=name: Toy(name, heard, **interrupted.get(name, {})) for name in "abc"))
        case.setUpClass()
        with self.assertRaises(KeyboardInterrupt):
            case.tearDownClass()
        self.assertEqual(["stop c", "stop b", "stop a"], heard[3:])


SCRIPT = """
    import atexit, threading, unittest

    def look_back():
        print("threads:", [t.name for t in threading.enumerate() if t is not threading.main_thread()])

    atexit.register(look_back)  # before the package does, so that it is called after the package's

    from liveserver_testcase import *
    from tests.integration.apps import make_app

    class Toy:
        def start(self): pass
        def stop(self): print("toy stopped", flush=True)

    class Case(LiveServerTestCase, HTTPStubTestCase, SMTPTestCase):
        app = make_app()

        @classmethod
        def class_servers(cls):
            return [*super().class_servers(), ClassServer("toy", Toy)]

        @classmethod
        def setUpClass(cls):
            super().setUpClass()
            if WHERE == "setUpClass":
                raise ERROR

        def test_it(self):
            self.live.get("/")
            raise ERROR

    unittest.main(argv=["here"])
"""


class Processes(unittest.TestCase):
    """Ctrl-C under plain unittest, which runs no class clean-up then."""

    def test_interrupts_and_exits(self) -> None:
        """The process ends, and its servers before: no thread is left, and nothing warns of anything."""
        for where, error, status in (
            ("test", "KeyboardInterrupt", None),
            ("setUpClass", "KeyboardInterrupt", None),
            ("setUpClass", "SystemExit(7)", 7),
        ):
            with self.subTest(where=where, error=error):
                process = run_python(SCRIPT.replace("WHERE", repr(where)).replace("ERROR", error))
                self.assertEqual("toy stopped\nthreads: []\n", process.stdout, process.stderr)
                self.assertNotIn("Warning", process.stderr)
                if status is None:
                    self.assertIn("KeyboardInterrupt", process.stderr)
                    self.assertNotEqual(0, process.returncode)
                else:
                    self.assertEqual(status, process.returncode)

    def test_request_in_flight(self) -> None:
        """A request that is in flight then is cut at once, whatever time a stop would have given it."""
        process = run_python(
            """
            import threading, unittest
            from liveserver_testcase import LiveServerTestCase
            from tests.integration.apps import Gate, make_app

            class Case(LiveServerTestCase):
                gate = Gate()
                app = make_app(gate=gate)
                live_stop_timeout = 25

                def test_it(self):
                    threading.Thread(target=self.ask, daemon=True).start()
                    self.gate.entered.wait(10)
                    raise KeyboardInterrupt

                def ask(self):
                    try:
                        self.live.get("/gate")
                    except OSError:
                        pass

            unittest.main(argv=["here"])
            """,
            options=("-X", "dev"),  # the server warns of what it cuts
            timeout=20,
        )
        self.assertIn("KeyboardInterrupt", process.stderr)
        self.assertNotEqual(0, process.returncode)

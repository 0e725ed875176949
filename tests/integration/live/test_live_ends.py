"""What does not end: starts and shutdowns, threads of the application, and requests after the last test."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import requests

from liveserver_testcase import LiveServer, LiveServerTestCase, ServerStartError, UnfinishedWorkWarning
from tests.integration.apps import Routes, answer, make_app, make_lifespan_app
from tests.integration.live import apart
from tests.integration.running import Outcome, is_refused, make_case, run_case, visit
from tests.support import HANG, NoLeaks, wait_until


class Starts(NoLeaks):
    """``live_start_timeout`` in thread mode."""

    def run_and_go_on(self, **members: Any) -> Outcome:
        """Run such a class, which fails, and after it one whose application is fine."""
        slow = make_case(LiveServerTestCase, live_start_timeout=0.5, test=lambda self: None, **members)
        outcome = run_case(slow, make_case(LiveServerTestCase, app=make_app(), test=visit("/", status=200)))
        runs = 2 if members.get("live_scope") == "test" else 1
        self.assertEqual({"run": runs, "errors": 1}, outcome.summary, outcome.printed)
        return outcome

    def test_create_app(self) -> None:
        """`create_app` that waits for something is interrupted there, whatever the scope, also if it tries again."""
        urls: list[str] = []

        def wait(cls: Any) -> Any:
            urls.append(cls.live_url())
            threading.Event().wait(6 * HANG)

        def wait_again(cls: Any) -> Any:
            urls.append(cls.live_url())
            while True:
                try:
                    threading.Event().wait(6 * HANG)
                except Exception:
                    continue

        for scope, create_app in (
            *((scope, wait) for scope in ("class", "module", "session", "test")),
            ("class", wait_again),
        ):
            with self.subTest(scope=scope, create_app=create_app.__name__):
                outcome = self.run_and_go_on(create_app=classmethod(create_app), live_scope=scope)
                self.assertIn("the application of Case is not made after 0.5 s (live_start_timeout)", outcome.report)
                if scope != "test":
                    self.assertRegex(
                        outcome.report,
                        rf'create_app\(\) was at\n  File "test_live_ends.py", line N, in {create_app.__name__}\n'
                        r" +threading.Event\(\).wait\(6 \* HANG\)\n",
                    )
                self.assertTrue(is_refused(urls[-1]))

    def test_import(self) -> None:
        """A module whose import does not end is named, and not taken for imported; no `LiveServer` is made of it."""
        with tempfile.TemporaryDirectory() as directory, mock.patch.object(sys, "path", [directory, *sys.path]):
            Path(directory, "slow_shop.py").write_text(f"import threading\nthreading.Event().wait({6 * HANG})\n")
            for _ in range(2):
                outcome = self.run_and_go_on(app="slow_shop:app")
                self.assertIn('File "slow_shop.py", line N, in <module>\n', outcome.report)
            with self.assertRaises(ServerStartError) as caught:
                LiveServer("slow_shop:app", start_timeout=0.5)
        text = str(caught.exception)
        self.assertIn("'slow_shop:app' is not loaded after 0.5 s.\nIt was at\n", text)
        self.assertIn('slow_shop.py", line 2, in <module>\n', text)

    def test_asgi_startup_that_blocks(self) -> None:
        """A startup that lets the loop do nothing else is bounded; when it lets go, nothing is left of it."""
        for scope in ("class", "module"):
            with self.subTest(scope=scope):
                freed = threading.Event()

                async def app(connection: Any, receive: Any, send: Any, freed: threading.Event = freed) -> None:
                    freed.wait(6 * HANG)

                try:
                    outcome = self.run_and_go_on(app=app, live_interface="asgi", live_scope=scope)
                finally:
                    freed.set()
                self.assertRegex(
                    outcome.report,
                    r"could not start: its event loop is not ready after 0\.5 s\.\nIt was at\n"
                    r'  File "test_live_ends\.py", line N, in app\n    freed\.wait\(6 \* HANG\)\n',
                )


class Shutdowns(NoLeaks):
    """An ASGI application whose shutdown does not end fails its class, and the next one runs."""

    def check(self, close_database: Callable[[], Any], **members: Any) -> None:
        app = make_lifespan_app(close_database)
        case = make_case(LiveServerTestCase, app=app, live_stop_timeout=0.05, test=visit("/", status=200), **members)
        outcome = run_case(case, make_case(LiveServerTestCase, app=make_app(), test=visit("/", status=200)))
        self.assertEqual({"run": 2, "errors": 1}, outcome.summary, outcome.printed)
        self.assertRegex(
            outcome.report, r"the shutdown of the application of <.+> has not ended after 0\.\d+ s\.\nIt was at"
        )
        self.assertIn("in close_database\n", outcome.report)

    def test_it_waits(self) -> None:
        """One that waits is given up."""

        async def close_database() -> None:
            await asyncio.get_running_loop().create_future()

        for scope in ("class", "test"):
            self.check(close_database, live_scope=scope)

    def test_it_blocks(self) -> None:
        """One that blocks the event loop is left behind, and ends when it is let go."""
        freed = threading.Event()
        self.addCleanup(freed.set)

        def close_database() -> None:
            freed.wait(6 * HANG)

        self.check(close_database)
        freed.set()

    def test_in_a_process(self) -> None:
        """So it is in a process of its own."""
        outcome = run_case(apart.Unfinished)
        self.assertEqual({"run": 1, "errors": 1}, outcome.summary, outcome.printed)
        self.assertIn("has not ended after 0.05 s.", outcome.report)
        self.assertIn("make_lifespan_app(lambda: threading.Event().wait(60))\n", outcome.report)


class Threads(NoLeaks):
    """Threads that the application has started."""

    def setUp(self) -> None:
        self.gate = threading.Event()
        self.threads: list[threading.Thread] = []
        self.addCleanup(self.end_threads)

    def end_threads(self) -> None:
        self.gate.set()
        for thread in self.threads:
            thread.join(HANG)

    def start_thread(self, *, daemon: bool = False) -> None:
        def report() -> None:
            self.gate.wait(6 * HANG)

        thread = threading.Thread(target=report, name="reporter", daemon=daemon)
        self.threads.append(thread)
        thread.start()

    def run_warned(self, app: Any, test: Any = None, **members: Any) -> list[str]:
        """The warnings of a class that passes, whose application is this one, or made by this function of its class."""
        made = {"app": app} if isinstance(app, Routes) else {"create_app": classmethod(app)}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            test = test or visit("/", status=200)
            run_case(make_case(LiveServerTestCase, test=test, __module__=__name__, **made, **members)).assert_passed()
        return [str(each.message) for each in caught if each.category is UnfinishedWorkWarning]

    def test_of_a_request(self) -> None:
        """One that a request has left running is named, with its stack; nobody waits for it."""

        def work(environ: Any, start: Any) -> Any:
            self.start_thread()
            return answer(start)

        for scope in ("class", "test", "module"):
            with self.subTest(scope=scope):
                (text,) = self.run_warned(Routes(index=work), live_scope=scope)
                self.assertRegex(
                    text,
                    r"^<LiveServer stopped at http://127\.0\.0\.1:\d+> has stopped, and a thread goes on that came "
                    r"with its application: this process cannot end before\. "
                    r"End it in tearDownClass\(\), or make it a daemon: "
                    r"'reporter', at\n(?s:.*), in report\n    self\.gate\.wait\(6 \* HANG\)\n",
                )
        self.assertTrue(self.threads[0].is_alive())

    def test_of_create_app(self) -> None:
        """So are those that `create_app` has started; a warning that is an error fails the class."""

        def create_app(cls: Any) -> Any:
            self.start_thread()
            self.start_thread()
            return make_app()

        self.assertIn("2 threads go on that came with its application", self.run_warned(create_app)[0])
        with warnings.catch_warnings():
            warnings.simplefilter("error", UnfinishedWorkWarning)
            outcome = run_case(make_case(LiveServerTestCase, create_app=classmethod(create_app), test=visit("/")))
        self.assertEqual({"run": 1, "errors": 1}, outcome.summary, outcome.printed)

    def test_others(self) -> None:
        """Daemons, threads from before, those that are about to end, and idle executors are nobody's trouble."""
        self.start_thread()
        executor = ThreadPoolExecutor()
        self.addCleanup(executor.shutdown)
        ending = threading.Event()

        def create_app(cls: Any) -> Any:
            self.start_thread(daemon=True)
            executor.submit(int).result(HANG)
            self.threads.append(threading.Thread(target=ending.wait, args=(HANG,)))
            self.threads[-1].start()
            return make_app()

        self.assertEqual([], self.run_warned(create_app, lambda case: ending.set()))

    def test_a_busy_executor(self) -> None:
        """An executor that still works is named."""
        executor = ThreadPoolExecutor(thread_name_prefix="mailer")
        self.addCleanup(executor.shutdown)
        self.addCleanup(self.gate.set)

        def create_app(cls: Any) -> Any:
            executor.submit(self.gate.wait, 6 * HANG)
            return make_app()

        self.assertIn("make it a daemon: 'mailer_0', at\n", self.run_warned(create_app)[0])


class AfterTheLastTest(NoLeaks):
    """Requests that begin when the last test is over."""

    def run_class(self, **members: Any) -> Outcome:
        members = {"app": make_app(), "test": visit("/", status=200), "__module__": __name__, **members}
        return run_case(make_case(LiveServerTestCase, **members))

    def test_an_error(self) -> None:
        """It fails the class, in ``tearDownClass``, whether that stops the servers or not, and in a class clean-up."""

        def tear_down(cls: Any) -> None:
            requests.get(cls.live_url("/boom"), timeout=HANG)
            super(cls, cls).tearDownClass()

        def forget_super(cls: Any) -> None:
            requests.get(cls.live_url("/boom"), timeout=HANG)

        def set_up(cls: Any) -> None:
            super(cls, cls).setUpClass()
            cls.addClassCleanup(lambda: requests.get(cls.live_url("/boom"), timeout=HANG))

        clean_up = {"setUpClass": classmethod(set_up)}
        for name, members in {
            "tearDownClass": {"tearDownClass": classmethod(tear_down)},
            "tearDownClass without super()": {"tearDownClass": classmethod(forget_super)},
            "tearDownClass, with a server for the module": {
                "tearDownClass": classmethod(tear_down),
                "live_scope": "module",
            },
            "a class clean-up": {**clean_up, "tearDownClass": classmethod(lambda cls: None)},
        }.items():
            with self.subTest(name):
                outcome = self.run_class(**members)
                self.assertEqual({"run": 1, "errors": 1}, outcome.summary, outcome.printed)
                self.assertIn("RuntimeError: kaboom\n", outcome.report)
                self.assertRegex(
                    outcome.report,
                    r"AssertionError: left over from \S+\.Case\.test_it: the application raised an error:\n"
                    r"  GET /boom: RuntimeError: kaboom$",
                )
        self.assertIn("the servers of Case were stopped by its tearDownClass()", self.run_class(**clean_up).report)

    def test_in_flight(self) -> None:
        """So does what is raised while the server stops, of a request that began before."""
        entered = threading.Event()
        clients: list[threading.Thread] = []
        servers: list[Any] = []

        def late(environ: Any, start: Any) -> Any:
            entered.set()
            wait_until(lambda: not servers[0].is_running)
            raise RuntimeError("kaboom")

        def tear_down(cls: Any) -> None:
            url = cls.live_url("/late")
            servers.append(cls.live_server)
            clients.append(threading.Thread(target=lambda: requests.get(url, timeout=HANG)))
            clients[0].start()
            entered.wait(HANG)
            super(cls, cls).tearDownClass()

        outcome = self.run_class(app=make_app(late=late), tearDownClass=classmethod(tear_down))
        clients[0].join(HANG)
        self.assertEqual({"run": 1, "errors": 1}, outcome.summary, outcome.printed)
        self.assertIn("GET /late: RuntimeError: kaboom", outcome.report)

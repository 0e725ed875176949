"""The end of a class: shutdowns that do not end, threads that go on, requests after the last test."""

from __future__ import annotations

import asyncio
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests

from liveserver_testcase import LiveServerTestCase, UnfinishedWorkWarning
from tests.integration.apps import Routes, answer, make_app, make_lifespan_app
from tests.integration.live import apart
from tests.integration.running import Outcome, make_case, run_case, visit
from tests.support import HANG, NoLeaks, wait_until


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
        for members in (
            {"tearDownClass": classmethod(tear_down)},
            {"tearDownClass": classmethod(forget_super)},
            {"tearDownClass": classmethod(tear_down), "live_scope": "module"},
            {**clean_up, "tearDownClass": classmethod(lambda cls: None)},
        ):
            with self.subTest(members):
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

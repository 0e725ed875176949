"""The end of a class: shutdowns that do not end, threads that go on, requests after the last test."""

from __future__ import annotations

import asyncio
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests

from liveserver_testcase import LiveServerTestCase, UnfinishedWorkWarning
from tests.integration.apps import Routes, answer, make_app, make_lifespan_app
from tests.integration.live import apart
from tests.integration.running import Outcome, make_case, run_case
from tests.support import HANG, NoLeaks, wait_until


def visit(self: Any) -> None:
    """A test that finds its application."""
    self.assertLess(self.live.get("/").status_code, 300)


class Shutdowns(NoLeaks):
    """An ASGI application whose shutdown does not end fails its class, and the next one runs."""

    def check(self, app: Any, **members: Any) -> None:
        case = make_case(LiveServerTestCase, app=app, live_stop_timeout=0.05, test=visit, **members)
        outcome = run_case(case, make_case(LiveServerTestCase, app=make_app(), test=visit))
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
            self.check(make_lifespan_app(close_database), live_scope=scope)

    def test_it_blocks(self) -> None:
        """One that blocks the event loop is left behind, and ends when it is let go."""
        freed = threading.Event()
        self.addCleanup(freed.set)

        def close_database() -> None:
            freed.wait(6 * HANG)

        self.check(make_lifespan_app(close_database))
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

    def run_with_warnings(self, *cases: Any) -> tuple[Outcome, list[str]]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            outcome = run_case(*cases)
        return outcome, [str(each.message) for each in caught if each.category is UnfinishedWorkWarning]

    def make_case(self, **members: Any) -> type[Any]:
        def work(environ: Any, start: Any) -> Any:
            self.start_thread()
            return answer(start)

        def test(case: Any) -> None:
            case.assertEqual(200, case.live.get("/work").status_code)

        return make_case(LiveServerTestCase, **{"app": Routes(work=work), "test": test, **members})

    def test_of_a_request(self) -> None:
        """One that a request has left running is named, with its stack; nobody waits for it."""
        for scope in ("class", "test", "module"):
            with self.subTest(scope=scope):
                outcome, texts = self.run_with_warnings(self.make_case(live_scope=scope, __module__=__name__))
                self.assertEqual({"run": 1}, outcome.summary, outcome.printed)
                self.assertEqual(1, len(texts), texts)
                self.assertRegex(
                    texts[0],
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

        case = self.make_case(create_app=classmethod(create_app), test=visit)
        outcome, texts = self.run_with_warnings(case)
        self.assertEqual({"run": 1}, outcome.summary, outcome.printed)
        self.assertIn("2 threads go on that came with its application", texts[0])
        with warnings.catch_warnings():
            warnings.simplefilter("error", UnfinishedWorkWarning)
            outcome = run_case(case)
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
            thread = threading.Thread(target=ending.wait, args=(HANG,))
            self.threads.append(thread)
            thread.start()
            return make_app()

        def test(case: Any) -> None:
            visit(case)
            ending.set()

        outcome, texts = self.run_with_warnings(self.make_case(create_app=classmethod(create_app), test=test))
        self.assertEqual(({"run": 1}, []), (outcome.summary, texts))

    def test_a_busy_executor(self) -> None:
        """An executor that still works is named."""
        executor = ThreadPoolExecutor(thread_name_prefix="mailer")
        self.addCleanup(executor.shutdown)
        self.addCleanup(self.gate.set)

        def create_app(cls: Any) -> Any:
            executor.submit(self.gate.wait, 6 * HANG)
            return make_app()

        _, texts = self.run_with_warnings(self.make_case(create_app=classmethod(create_app), test=visit))
        self.assertIn("make it a daemon: 'mailer_0', at\n", texts[0])


class AfterTheLastTest(NoLeaks):
    """Requests that begin when the last test is over."""

    def check(self, **members: Any) -> None:
        outcome = run_case(make_case(LiveServerTestCase, app=make_app(), test=visit, **members))
        self.assertEqual({"run": 1, "errors": 1}, outcome.summary, outcome.printed)
        self.assertIn("RuntimeError: kaboom\n", outcome.report)
        self.assertRegex(
            outcome.report,
            r"AssertionError: left over from \S+\.Case\.test_it: the application raised an error:\n"
            r"  GET /boom: RuntimeError: kaboom$",
        )

    def test_in_tear_down_class(self) -> None:
        """What the application raises in ``tearDownClass`` fails the class, whether that stops the servers or not."""

        def tear_down(cls: Any) -> None:
            requests.get(cls.live_url("/boom"), timeout=HANG)
            super(cls, cls).tearDownClass()

        def forget_super(cls: Any) -> None:
            requests.get(cls.live_url("/boom"), timeout=HANG)

        self.check(tearDownClass=classmethod(tear_down))
        self.check(tearDownClass=classmethod(forget_super))
        self.check(tearDownClass=classmethod(tear_down), live_scope="module", __module__=__name__)

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

        app = make_app(late=late)
        outcome = run_case(make_case(LiveServerTestCase, app=app, test=visit, tearDownClass=classmethod(tear_down)))
        clients[0].join(HANG)
        self.assertEqual({"run": 1, "errors": 1}, outcome.summary, outcome.printed)
        self.assertIn("GET /late: RuntimeError: kaboom", outcome.report)

    def test_in_a_clean_up(self) -> None:
        """In a class clean-up the servers run only where no ``tearDownClass`` has stopped them."""

        def set_up(cls: Any) -> None:
            super(cls, cls).setUpClass()
            cls.addClassCleanup(lambda: requests.get(cls.live_url("/boom"), timeout=HANG))

        members = {"setUpClass": classmethod(set_up), "app": make_app(), "test": visit}
        self.check(setUpClass=classmethod(set_up), tearDownClass=classmethod(lambda cls: None))
        report = run_case(make_case(LiveServerTestCase, **members)).report
        self.assertIn("the servers of Case were stopped by its tearDownClass()", report)

"""What a test has of its live server: the handle, which may stop and start it, URLs, and a session."""

from __future__ import annotations

import asyncio
import re
import unittest
from typing import Any
from unittest import mock

import requests

from liveserver_testcase import LiveServer, LiveServerTestCase, ServerNotStarted, ServerStartError, UsageError
from tests.integration.apps import Gate, Routes, answer, make_app
from tests.integration.running import is_refused, make_case, run_case
from tests.support import NoClassLeaks, NoLeaks


class TheHandle(NoClassLeaks, LiveServerTestCase):
    """What it gives, and what it refuses."""

    app = make_app()

    def test_the_facts(self) -> None:
        """The handle has the addresses of the server, its application and its mode."""
        handle = self.live_server
        self.assertTrue(handle.is_running)
        self.assertEqual(("127.0.0.1", handle.port), handle.address)
        self.assertEqual(f"http://127.0.0.1:{handle.port}", handle.url)
        self.assertEqual(f"ws://127.0.0.1:{handle.port}", handle.ws_url)
        self.assertEqual(f"{handle.url}/a?b=1", handle.url_for("/a", b=1))
        self.assertEqual((None, None), (handle.ca_file, handle.client_context()))
        self.assertIs(type(self).app, handle.app)
        self.assertEqual("thread", handle.mode)
        self.assertRegex(repr(handle), r"^<live_server of TheHandle: <\w+ running at http://127\.0\.0\.1:\d+>>$")

    def test_unknown_attributes(self) -> None:
        """An unknown attribute, of a server, too, is refused with the nearest one; a known one cannot be set."""
        handle: Any = self.live_server
        server: Any = LiveServer(make_app())
        for of, name, value, message in (
            (handle, "request", None, r"^LiveServerHandle has no attribute 'request': did"),
            (handle, "zz", None, r"'zz': known are address, app, .*, ws_url$"),
            (handle, "prot", 1, r"^cannot set 'prot': LiveServerHandle has .* 'port'\?$"),
            (handle, "port", 1, r"^LiveServerHandle\.port can only be read$"),
            (server, "ulr", None, "has no attribute 'ulr': did you mean 'url'"),
            (server, "ap", make_app(), "cannot set 'ap': LiveServer has .* did you mean 'app'"),
            (server, "app", make_app(), "LiveServer.app can only be read"),
        ):
            with self.subTest(message), self.assertRaisesRegex(AttributeError, message):
                getattr(of, name) if value is None else setattr(of, name, value)
        self.assertIn("LiveServer new at http://127.0.0.1:0", repr(server))
        with self.assertRaisesRegex(ServerNotStarted, "has no port yet: the system chooses one when it starts"):
            server.port  # noqa: B018

    def test_down_as_a_decorator(self) -> None:
        """It is entered when the function is called, as any block of `contextlib`."""
        url = self.live_url()
        self.assertTrue(self.live_server.down()(is_refused)(url))
        self.assertFalse(is_refused(url))

    def test_restart(self) -> None:
        """``live_server.restart`` closes every connection and keeps the port."""
        url = self.live_url("/")
        self.live.get("/")
        self.live_server.restart()
        self.assertEqual((200, url), (self.live.get("/").status_code, self.live_url("/")))
        first, second = self.live_server.requests
        self.assertLess(first.connection_index, second.connection_index)


class OnALoop(NoClassLeaks, LiveServerTestCase, unittest.IsolatedAsyncioTestCase):
    """A stop waits for requests, whose clients may be on the loop that it would block."""

    gate: Gate

    @classmethod
    def create_app(cls) -> Any:
        cls.gate = Gate()
        return Routes(index=lambda environ, start: answer(start), slow=cls.gate)

    async def test_a_client_of_the_loop(self) -> None:
        """A plain stop is refused; the awaited one lets the client have its answer, and keeps the port."""
        url = self.live_url("/")
        reader, writer = await asyncio.open_connection(*self.live_server.address)
        writer.write(b"GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        await self.assertLiveRequestedAsync("GET", "/slow")
        for switch, advice in (
            (self.live_server.stop, "await self.live_server.stop_async()"),
            (self.live_server.restart, "await self.live_server.restart_async()"),
            (self.live_server.down().__enter__,
             "await self.live_server.stop_async() in place of the block, and start_async() after it"),
        ):  # fmt: skip
            with self.assertRaises(UsageError) as caught:
                switch()
            self.assertRegex(
                str(caught.exception),
                r"^live_server\.\w+\(\) would block the event loop of this test while it waits for GET /slow; "
                rf"write {re.escape(advice)}$",
            )
        stopping = asyncio.create_task(self.live_server.restart_async())
        self.gate.open.set()
        self.assertIn(b" 200 OK", await reader.read())
        writer.close()
        await stopping
        await self.live_server.stop_async()
        self.assertTrue(is_refused(url))
        await self.live_server.start_async()
        self.live_server.restart()  # nothing is in flight
        self.assertEqual(url, self.live_url("/"))

    def test_what_is_not_awaited(self) -> None:
        """A test that forgets to await one fails, and nothing was done."""
        for name in "start_async", "stop_async", "restart_async":

            async def test(self: Any, name: str = name) -> None:
                getattr(self.live_server, name)()
                self.assertTrue(self.live_server.is_running)

            case = make_case(LiveServerTestCase, unittest.IsolatedAsyncioTestCase, app=make_app(), test=test)
            self.assertIn(f"self.live_server.{name}(…) at test_live_handle.py:", run_case(case).report)


class Switching(NoLeaks):
    """A server that is stopped and started by its tests."""

    def test_a_stop_is_the_test_s_own(self) -> None:
        """It is held against nobody; the port is kept until the server serves there again, in the next test at last."""

        class Case(LiveServerTestCase):
            app = make_app()

            def check_kept(self) -> None:
                self.assertFalse(self.live_server.is_running)
                self.assertTrue(is_refused(self.live_url()))
                with self.assertRaisesRegex(ServerStartError, "the port is taken"):
                    LiveServer(make_app(), port=self.live_server.port).start()

            def test_1(self) -> None:
                url = self.live_url()
                with self.live_server.down():
                    self.check_kept()
                self.assertEqual((url, 200), (self.live_url(), self.live.get("/").status_code))
                type(self).live_server.stop()
                self.live_server.stop()
                self.check_kept()

            def test_2(self) -> None:
                self.assertTrue(self.live_server.is_running)
                self.assertEqual(200, self.live.get("/").status_code)
                self.live_server.start()
                self.live_server.stop()

        Case.__module__ = __name__
        for scope in ("class", "test", "module"):
            with self.subTest(scope=scope):
                Case.live_scope = scope
                run_case(Case).assert_passed(2)

    def test_the_server_of_the_moment(self) -> None:
        """A handle that was kept stands for the server of the test that runs, whose port is free afterwards."""
        kept: list[Any] = []
        ports: list[int] = []

        class Case(LiveServerTestCase):
            app = make_app()
            live_scope = "test"

            def test_1(self) -> None:
                kept.append(self.live_server)

            def test_2(self) -> None:
                self.assertEqual(self.live_server.url, kept[0].url)
                self.live.get("/")
                self.assertEqual(["/"], [request.path for request in kept[0].requests])
                ports.append(self.live_server.port)
                self.live_server.stop()

        run_case(Case).assert_passed(2)
        with LiveServer(make_app(), port=ports[0]) as server:
            self.assertEqual(ports[0], server.port)

    def test_autostart(self) -> None:
        """Without autostart the application can be changed before the class starts its server."""

        class Case(LiveServerTestCase):
            live_autostart = False

            @classmethod
            def create_app(cls) -> Any:
                return Routes()

            @classmethod
            def setUpClass(cls) -> None:
                super().setUpClass()
                cls.live_server.app.routes["late"] = lambda environ, start: answer(start, "added late")
                cls.live_server.start()

            def test_it(self) -> None:
                self.assertEqual("added late", self.live.get("/late").text)

        run_case(Case).assert_passed()

    def test_a_thread_that_dies(self) -> None:
        """A thread of the server that has died is an error of the next call, or else of the test."""

        def test(self: Any) -> None:
            self.live_server._server._engine._record_failure(ZeroDivisionError("in a thread"))

        def ask(self: Any) -> None:
            test(self)
            self.live_url()

        for each in (test, ask):
            self.assertIn(
                "a thread of <LiveServer running at http://127.0.0.1:PORT> ended with ZeroDivisionError: in a thread",
                run_case(make_case(LiveServerTestCase, app=make_app(), test=each)).report,
            )

    def test_a_server_that_stopped_by_itself(self) -> None:
        """A server that somebody has stopped behind the test's back is said to be gone, in each test."""

        class Case(LiveServerTestCase):
            app = make_app()

            def test_1(self) -> None:
                self.live_server._server.stop()

            def test_2(self) -> None:
                pass

        outcome = run_case(Case)
        self.assertEqual({"run": 2, "failures": 2}, outcome.summary)
        for report in outcome.reports():
            self.assertIn("<LiveServer stopped at http://127.0.0.1:PORT> does not run any more", report)


def _echo(environ: Any, start: Any) -> list[bytes]:
    return answer(start, environ["REQUEST_URI"])


class Urls(LiveServerTestCase):
    """``live_url()``."""

    @classmethod
    def create_app(cls) -> Any:
        return _echo

    def test_each(self) -> None:
        """Paths and parameters give these URLs."""
        queries: tuple[tuple[str, str, dict[str, Any]], ...] = (
            ("/a/b", "/a/b", {}),
            ("/a/b", "a/b", {}),
            ("//a", "//a", {}),
            ("/a/", "/a/", {}),
            ("/?b=1", "?b=1", {}),
            # parameters are quoted; numbers are written as such
            ("/a?q=tea+%26+milk&page=2", "/a", {"q": "tea & milk", "page": 2}),
            # a list gives a parameter for each item, an empty one none; None leaves one out
            ("/a?tag=x&tag=y", "/a", {"tag": ["x", "y"], "none": []}),
            ("/a?tag=x", "/a", {"tag": ("x",)}),
            ("/a", "/a", {"q": None}),
            ("/a?q=1", "/a", {"q": [None, 1]}),
            ("/a?b=1&c=2", "/a?b=1", {"c": 2}),
            ("/a?c=2#top", "/a#top", {"c": 2}),
            ("/login?next=http://example.com/", "/login?next=http://example.com/", {}),
            ("/a?path=b&cls=c&self=d", "/a", {"path": "b", "cls": "c", "self": "d"}),
            # a percent sign that encodes nothing is data; an octet that is encoded already stays
            ("/50%25%20off", "/50% off", {}),
            ("/100%25", "/100%", {}),
            ("/a%25zz", "/a%zz", {}),
            ("/a%252", "/a%2", {}),
            ("/a%2Fb", "/a%2Fb", {}),
            ("/a%252Fb", "/a%252Fb", {}),
            ("/?q=5%25&r=%41", "/?q=5%&r=%41", {}),
        )
        for wanted, path, query in queries:
            with self.subTest(path=path, query=query):
                self.assertEqual(f"{self.live_server.url}{wanted}", self.live_url(path, **query))
        self.assertEqual(f"{self.live_server.url}/", self.live_url())
        self.assertEqual("http://example.com/a?b=1", self.live_url("http://example.com/a", b=1))
        self.assertEqual(self.live_url("/a"), type(self).live_url("/a"))


class TheSession(NoLeaks):
    """``live``."""

    def test_paths_of_the_live_server(self) -> None:
        """A path is one on the live server, whatever it looks like; a whole URL is taken as it is."""

        def test(self: Any) -> None:
            for path in ("/a", "/a?b=1", "//example.com/a", "/login?next=http://example.com/"):
                self.assertEqual(path, self.live.get(path).text)
            self.assertEqual("/a", self.live.get("a").text)
            self.assertEqual("/a", self.live.get(self.live_url("/a")).text)

        run_case(make_case(LiveServerTestCase, app=_echo, test=test)).assert_passed()

    def test_one_for_a_test(self) -> None:
        """A test has one session, which keeps the connection, waits a while and takes nothing from the environment."""

        def test(self: Any) -> None:
            self.assertIs(self.live, self.live)
            self.live.post("/a", json={"b": 1})
            self.assertEqual(b"", self.live.head("/a").content)
            first, second = self.live_server.journal.entries(self.live_server.journal.window)
            self.assertEqual((first.connection_index, 1), (second.connection_index, second.exchange_index))
            self.assertEqual((False, 30.0), (self.live.trust_env, self.live.timeout))

        run_case(make_case(LiveServerTestCase, app=_echo, test=test)).assert_passed()

    def test_its_end(self) -> None:
        """It is closed after its test, also one that fails, and after a clean-up that uses it for the first time."""
        used: list[Any] = []

        def test(self: Any) -> None:
            used.append(self.live)
            self.fail("it does")

        def test_clean_up(self: Any) -> None:
            self.addCleanup(lambda: used.append(self.live))

        case = make_case(LiveServerTestCase, app=make_app(), test=test, test_clean_up=test_clean_up)
        case.setUpClass()
        self.addCleanup(case.tearDownClass)
        again = case("test_it")
        with mock.patch.object(requests.Session, "close", autospec=True, side_effect=requests.Session.close) as close:
            for each in (again, again, case("test_clean_up")):
                each.run(unittest.TestResult())
        self.assertEqual(3, len({id(session) for session in used}))
        self.assertEqual(used, [call.args[0] for call in close.call_args_list])

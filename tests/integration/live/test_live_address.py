"""The address of a live server while its application is made, and the port that the application asks for."""

from __future__ import annotations

import socket
import unittest
from collections.abc import Callable
from typing import Any
from unittest import mock

import requests

from liveserver_testcase import LiveServer, LiveServerTestCase, ServerNotStarted, WildcardAddressWarning
from tests.integration.apps import answer, make_app
from tests.integration.live import apart
from tests.integration.running import Outcome, is_refused, make_case, run_case
from tests.support import NoLeaks


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def run_on_free_port(run: Callable[[int], Outcome]) -> Outcome:
    """Run with a free port, again with another one if somebody was faster to take it."""
    for _ in range(5):
        outcome = run(free_port())
        if "the port is taken" not in outcome.printed:
            break
    return outcome


class WhileMade(NoLeaks):
    """What `create_app` can know."""

    def make(self, **members: Any) -> type[Any]:
        """A class whose application answers with the URLs that it was made with."""

        class Case(LiveServerTestCase):
            @classmethod
            def create_app(cls) -> Any:
                handle = cls.live_server
                urls = " ".join([cls.live_url("/a", b=1), cls.live_ws_url("/ws"), handle.url, handle.ws_url])
                facts = f"{handle.host} {handle.port} {handle.address[1]} {handle.ca_file}"
                return make_app(urls=lambda environ, start: answer(start, f"{urls} {facts}"))

            def test_1(self) -> None:
                handle = self.live_server
                expected = [self.live_url("/a", b=1), self.live_ws_url("/ws"), handle.url, handle.ws_url]
                expected += [handle.host, str(handle.port), str(handle.port), str(handle.ca_file)]
                for _ in range(2):
                    self.assertEqual(expected, self.live.get("/urls").text.split())
                    self.live_server.restart()

            test_2 = test_1

        for name, value in members.items():
            setattr(Case, name, value)
        return Case

    def test_settings(self) -> None:
        """It knows the URL in every scope, with the class's host, port and scheme, and the name that clients know."""
        scopes = [{"live_scope": scope} for scope in ("test", "function", "class", "module", "package")]
        hosts = {"live_host": "localhost"}, {"live_tls": True}, {"live_tls": True, "live_host": "localhost"}
        for settings in (*scopes, *hosts):
            with self.subTest(settings=settings):
                # the server of a package ends with the first class of another one
                elsewhere = make_case(LiveServerTestCase, app=make_app(), test=lambda self: None)
                run_case(self.make(**settings), elsewhere).assert_passed(3)
        run_on_free_port(lambda port: run_case(self.make(live_port=port))).assert_passed(2)
        servers: list[Any] = []
        case = self.make(live_scope="session", tearDown=lambda self: servers.append(self.live_server._server))
        try:
            run_case(case).assert_passed(2)
        finally:
            servers[0].stop()

        def create_app(cls: Any) -> Any:
            self.assertEqual(f"http://shop.test:{cls.live_server.port}/", cls.live_url())
            return make_app()

        members = {"create_app": classmethod(create_app), "test": lambda self: None}
        run_case(make_case(LiveServerTestCase, live_external_host="shop.test", **members)).assert_passed()

    def test_asgi(self) -> None:
        """The startup of an ASGI application finds the same URL as `create_app`, and also where that has not asked."""
        for scope in ("class", "test", "module"):
            for reads in (True, False):
                with self.subTest(scope=scope, reads=reads):
                    urls: list[str] = []

                    def create_app(cls: Any, reads: bool = reads, urls: list[str] = urls) -> Any:
                        if reads:
                            urls.append(cls.live_url())

                        async def app(connection: Any, receive: Any, send: Any) -> None:
                            await receive()
                            if connection["type"] == "lifespan":
                                urls.append(cls.live_url())
                                await send({"type": "lifespan.startup.complete"})
                                await receive()
                                await send({"type": "lifespan.shutdown.complete"})
                                return
                            await send({"type": "http.response.start", "status": 204})
                            await send({"type": "http.response.body"})

                        return app

                    def test(self: Any, urls: list[str] = urls) -> None:
                        self.assertEqual({self.live_url()}, set(urls))
                        self.assertEqual(204, self.live.get("/").status_code)

                    members = {"create_app": classmethod(create_app), "live_scope": scope, "test": test}
                    run_case(make_case(LiveServerTestCase, **members, __module__=__name__)).assert_passed()

    def test_nobody_can_take_the_port(self) -> None:
        """Until the server starts clients are refused, and nobody else can have the port."""
        seen: list[Any] = []

        def create_app(cls: Any) -> Any:
            host, port = cls.live_server.address
            seen.append(is_refused(cls.live_url()))
            with socket.socket() as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    sock.bind((host, port))
                    sock.listen()
                except OSError as error:
                    seen.append(type(error))
            return make_app()

        def test(self: Any) -> None:
            self.assertEqual(200, self.live.get("/").status_code)

        run_case(make_case(LiveServerTestCase, create_app=classmethod(create_app), test=test)).assert_passed()
        self.assertEqual([True, OSError], seen)

    def test_without_autostart(self) -> None:
        """A server that is started later, or never, keeps the port, and clients are refused meanwhile."""

        def create_app(cls: Any) -> Any:
            cls.url = cls.live_url()
            return make_app()

        def start(self: Any) -> None:
            self.assertTrue(is_refused(self.url))
            self.assertEqual(self.url, self.live_url())
            self.live_server.start()
            self.assertEqual(self.url, self.live_url())
            self.assertEqual(200, self.live.get("/").status_code)

        def wait(self: Any) -> None:
            self.assertEqual(self.url, self.live_url())

        for test in (start, wait):
            members = {"create_app": classmethod(create_app), "live_autostart": False, "test": test}
            run_case(make_case(LiveServerTestCase, **members)).assert_passed()

    def test_no_application(self) -> None:
        """When no application comes of it, the port is given up."""
        for error in (LookupError("no tea"), unittest.SkipTest("no tea today"), None):
            with self.subTest(error=error):
                urls: list[str] = []

                def create_app(cls: Any, urls: list[str] = urls, error: Exception | None = error) -> None:
                    urls.append(cls.live_url())
                    if error is not None:
                        raise error

                outcome = run_case(
                    make_case(LiveServerTestCase, create_app=classmethod(create_app), test=lambda self: None)
                )
                self.assertEqual(0, outcome.summary["run"])
                self.assertTrue(is_refused(urls[0]))

    def test_more_than_the_address(self) -> None:
        """Whatever needs the server itself says why it is not there."""

        def create_app(cls: Any) -> Any:
            why = "create_app\\(\\) is making its application; until then there is only its address"
            for name in ("app", "requests", "is_running", "mode"):
                with self.assertRaisesRegex(ServerNotStarted, f"Case.live_server is not there: {why}"):
                    getattr(cls.live_server, name)
            with self.assertRaisesRegex(Exception, why):
                cls.live_server.start()
            return make_app()

        members = {"create_app": classmethod(create_app), "test": lambda self: None}
        run_case(make_case(LiveServerTestCase, **members)).assert_passed()

    def test_too_early(self) -> None:
        """A class that asks while it is written, or before its setUpClass, gets the reason."""

        def set_up(cls: Any) -> None:
            cls.live_url()

        members = {"setUpClass": classmethod(set_up), "app": make_app(), "test": lambda self: None}
        case = make_case(LiveServerTestCase, **members)
        self.assertIn("no setUpClass() has started the servers of Case", run_case(case).report)
        with self.assertRaisesRegex(ServerNotStarted, "no setUpClass\\(\\) has started the servers of Case"):
            case.live_url()

    def test_wildcard(self) -> None:
        """Binding every interface warns, whenever it happens."""

        def create_app(cls: Any) -> Any:
            with self.assertWarnsRegex(WildcardAddressWarning, "the live server listens on every interface"):
                cls.live_url()
            return make_app()

        members = {"create_app": classmethod(create_app), "live_host": "0.0.0.0", "test": lambda self: None}
        run_case(make_case(LiveServerTestCase, **members)).assert_passed()


class ConfiguredPort(NoLeaks):
    """``config["LIVESERVER_PORT"]`` of the application."""

    def make(self, port: int, *, reads: bool, **members: Any) -> type[Any]:
        """A class whose application is configured with ``port``."""

        def create_app(cls: Any) -> Any:
            if reads:
                cls.live_url()
            app = make_app()
            app.config["LIVESERVER_PORT"] = port
            return app

        def test(self: Any) -> None:
            self.assertEqual(port, self.live_server.port)
            self.assertEqual(200, self.live.get("/").status_code)

        return make_case(
            LiveServerTestCase,
            **{"create_app": classmethod(create_app), "test": test, "__module__": __name__, **members},
        )

    def test_it_counts(self) -> None:
        """It is the port where nobody has asked for the URL before."""
        for scope in ("class", "test", "module"):
            with self.subTest(scope=scope):
                members = {"reads": False, "live_scope": scope}
                run_on_free_port(lambda port, more=members: run_case(self.make(port, **more))).assert_passed()

    def test_contradiction(self) -> None:
        """An application that was made with the URL of another port is refused, with both ports and a way out."""
        report = run_case(self.make(18765, reads=True)).report
        self.assertRegex(
            report,
            r"UsageError: Case\.create_app\(\) has read the URL of the live server, which is bound to port \d+ since "
            r"then, and the application's config\['LIVESERVER_PORT'\] is 18765\. Set Case\.live_port = 18765, which is "
            r"known before the application is, or leave LIVESERVER_PORT out of its configuration$",
        )

    def test_the_class_comes_first(self) -> None:
        """With ``live_port`` there is no contradiction."""
        for more in (0, 1):

            def run(port: int, more: int = more) -> Outcome:
                case = self.make(port + more, reads=True, live_port=port)
                case.test_it = lambda self: self.assertEqual(port, self.live_server.port)
                return run_case(case)

            run_on_free_port(run).assert_passed()


class InAProcess(NoLeaks):
    """The same where the application is made in a process of its own."""

    def test_its_own_url(self) -> None:
        """`create_app` knows the URL there."""
        for settings in ({"live_port": 0}, {"live_scope": "test"}, {"live_tls": True}, {"live_host": "localhost"}):
            with self.subTest(settings=settings), mock.patch.multiple(apart.Reading, **settings):
                run_case(apart.Reading).assert_passed()

    def test_configured_port(self) -> None:
        """The application's configuration chooses the port from there, also in later starts, and a startup finds it."""

        for case in (apart.Configured, apart.Starting):

            def run(port: int, case: type[Any] = case) -> Outcome:
                with mock.patch.dict("os.environ", SHOP_PORT=str(port)):
                    return run_case(case)

            with self.subTest(case=case):
                run_on_free_port(run).assert_passed()

    def test_taken(self) -> None:
        """One that is taken is an error of the class that says so."""
        with LiveServer(make_app()) as server, mock.patch.dict("os.environ", SHOP_PORT=str(server.port)):
            report = run_case(apart.Configured).report
        self.assertIn("ServerStartError: cannot listen on 127.0.0.1:PORT: the port is taken", report)

    def test_contradiction(self) -> None:
        """It is refused from there, too, where it is not the port that `create_app` has read."""
        with mock.patch.dict("os.environ", SHOP_PORT="18765"):
            report = run_case(apart.Contradictory).report
        self.assertRegex(
            report,
            r"Contradictory\.create_app\(\) has read the URL of the live server, which is bound to port "
            r"\d+ since then, and the application's config\['LIVESERVER_PORT'\] is 18765\. Set Contradictory",
        )

    def test_alone(self) -> None:
        """A `LiveServer` without a class takes the port of its application's configuration, in either mode."""

        def serve(port: int) -> Outcome:
            def test(self: Any) -> None:
                for options in ({}, {"mode": "process"}):
                    with LiveServer("tests.integration.apps:make_configured_app()", **options) as server:
                        self.assertEqual(port, server.port)
                        self.assertEqual(200, requests.get(server.url, timeout=30).status_code)

            with mock.patch.dict("os.environ", SHOP_PORT=str(port)):
                return run_case(make_case(unittest.TestCase, test=test))

        run_on_free_port(serve).assert_passed()

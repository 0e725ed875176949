"""The address of a live server while its application is made, and the port that the application asks for."""

from __future__ import annotations

import os
import socket
import unittest
from collections.abc import Callable
from typing import Any
from unittest import mock

import requests

from liveserver_testcase import LiveServer, LiveServerTestCase, ServerNotStarted, WildcardAddressWarning
from tests.integration.apps import answer, make_app, make_lifespan_app
from tests.integration.live import apart
from tests.integration.running import Outcome, is_refused, make_case, run_case, visit
from tests.support import HANG, NoLeaks


def run_made(create_app: Callable[[Any], Any], test: Any = None, **members: Any) -> Outcome:
    """Run one test of a class whose application is made so; by default one that finds the application."""
    members = {"__module__": __name__, "test": test or visit("/", status=200), **members}
    return run_case(make_case(LiveServerTestCase, create_app=classmethod(create_app), **members))


def run_on_free_port(run: Callable[[int], Outcome]) -> Outcome:
    """Run with a free port, in ``SHOP_PORT``, too; again with another one if somebody was faster to take it."""
    for _ in range(5):
        with socket.create_server(("127.0.0.1", 0)) as sock:
            port = sock.getsockname()[1]
        with mock.patch.dict(os.environ, SHOP_PORT=str(port)):
            outcome = run(port)
        if "the port is taken" not in outcome.printed:
            break
    return outcome


class WhileMade(NoLeaks):
    """What `create_app` can know."""

    def test_settings(self) -> None:
        """It knows the URL in every scope, with the class's host, port and scheme, after a restart, too."""

        def describe(cls: Any) -> str:
            handle = cls.live_server
            urls = [cls.live_url("/a", b=1), cls.live_ws_url("/ws"), handle.url, handle.ws_url]
            return " ".join([*urls, f"{handle.host} {handle.port} {handle.address[1]} {handle.ca_file}"])

        def create_app(cls: Any) -> Any:
            text = describe(cls)
            return make_app(urls=lambda environ, start: answer(start, text))

        def test(self: Any) -> None:
            for _ in range(2):
                self.assertEqual(describe(type(self)), self.live.get("/urls").text)
                self.live_server.restart()

        for settings in (
            *({"live_scope": scope} for scope in ("test", "function", "class", "module", "package")),
            {"live_host": "localhost"},
            {"live_tls": True},
            {"live_tls": True, "live_host": "localhost"},
        ):
            with self.subTest(settings=settings):
                run_made(create_app, test, test_2=test, **settings).assert_passed(2)
        # the server of a package ends with the first class of another one
        run_case(make_case(LiveServerTestCase, app=make_app(), test=visit("/"))).assert_passed()
        run_on_free_port(lambda port: run_made(create_app, test, live_port=port)).assert_passed()
        servers: list[Any] = []
        keep = {"tearDown": lambda self: servers.append(self.live_server._server)}
        try:
            run_made(create_app, test, live_scope="session", **keep).assert_passed()
        finally:
            servers[0].stop()

    def test_the_name_that_clients_know(self) -> None:
        """Its URLs have it, and the port."""

        def create_app(cls: Any) -> Any:
            self.assertEqual(f"http://shop.test:{cls.live_server.port}/", cls.live_url())
            return make_app()

        run_made(create_app, lambda self: None, live_external_host="shop.test").assert_passed()

    def test_asgi(self) -> None:
        """The startup of an ASGI application finds the same URL as `create_app`, and also where that has not asked."""
        for scope, reads in ((scope, reads) for scope in ("class", "test", "module") for reads in (True, False)):
            with self.subTest(scope=scope, reads=reads):
                urls: list[str] = []

                def create_app(cls: Any, reads: bool = reads, urls: list[str] = urls) -> Any:
                    if reads:
                        urls.append(cls.live_url())

                    return make_lifespan_app(start_up=lambda: urls.append(cls.live_url()))

                def test(self: Any, urls: list[str] = urls) -> None:
                    self.assertEqual({self.live_url()}, set(urls))
                    self.assertEqual(200, self.live.get("/").status_code)

                run_made(create_app, test, live_scope=scope).assert_passed()

    def test_nobody_can_take_the_port(self) -> None:
        """Until the server starts clients are refused, and nobody else can have the port."""
        seen: list[Any] = []

        def create_app(cls: Any) -> Any:
            seen.append(is_refused(cls.live_url()))
            with socket.socket() as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    sock.bind(cls.live_server.address)
                    sock.listen()
                except OSError as error:
                    seen.append(type(error))
            return make_app()

        run_made(create_app).assert_passed()
        self.assertEqual([True, OSError], seen)

    def test_without_autostart(self) -> None:
        """A server that is started later, or never, keeps the port, and clients are refused meanwhile."""

        def create_app(cls: Any) -> Any:
            cls.url = cls.live_url()
            return make_app()

        def start(self: Any) -> None:
            self.assertTrue(is_refused(self.url))
            self.live_server.start()
            self.assertEqual((self.url, 200), (self.live_url(), self.live.get("/").status_code))

        for test in (start, lambda self: self.assertEqual(self.url, self.live_url())):
            run_made(create_app, test, live_autostart=False).assert_passed()

    def test_no_application(self) -> None:
        """When no application comes of it, the port is given up."""
        for error in (LookupError("no tea"), unittest.SkipTest("no tea today"), None):
            with self.subTest(error=error):
                urls: list[str] = []

                def create_app(cls: Any, urls: list[str] = urls, error: Exception | None = error) -> None:
                    urls.append(cls.live_url())
                    if error is not None:
                        raise error

                self.assertEqual(0, run_made(create_app).summary["run"])
                self.assertTrue(is_refused(urls[0]))

    def test_more_than_the_address(self) -> None:
        """Whatever needs the server itself says why it is not there."""
        why = r"create_app\(\) is making its application; until then there is only its address"

        def create_app(cls: Any) -> Any:
            for name in ("app", "requests", "is_running", "mode"):
                with self.assertRaisesRegex(ServerNotStarted, f"Case.live_server is not there: {why}"):
                    getattr(cls.live_server, name)
            with self.assertRaisesRegex(Exception, why):
                cls.live_server.start()
            return make_app()

        run_made(create_app).assert_passed()

    def test_too_early(self) -> None:
        """A class that asks while it is written, or before its setUpClass, gets the reason."""
        early = classmethod(lambda cls: cls.live_url())
        case = make_case(LiveServerTestCase, setUpClass=early, app=make_app(), test=visit("/"))
        self.assertIn("no setUpClass() has started the servers of Case", run_case(case).report)
        with self.assertRaisesRegex(ServerNotStarted, r"no setUpClass\(\) has started the servers of Case"):
            case.live_url()

    def test_wildcard(self) -> None:
        """Binding every interface warns, whenever it happens."""

        def create_app(cls: Any) -> Any:
            with self.assertWarnsRegex(WildcardAddressWarning, "the live server listens on every interface"):
                cls.live_url()
            return make_app()

        run_made(create_app, live_host="0.0.0.0").assert_passed()


CONTRADICTION = (
    r"{0}\.create_app\(\) has read the URL of the live server, which is bound to port \d+ since then, and the "
    r"application's config\['LIVESERVER_PORT'\] is 18765\. Set {0}\.live_port = 18765, which is known before the "
    r"application is, or leave LIVESERVER_PORT out of its configuration$"
)


class ConfiguredPort(NoLeaks):
    """``config["LIVESERVER_PORT"]`` of the application."""

    def run_configured(self, port: int, *, reads: bool, listens: int = 0, **members: Any) -> Outcome:
        """Run a class whose application is configured with ``port``; its server is to have that, or another one."""

        def create_app(cls: Any) -> Any:
            if reads:
                cls.live_url()
            app = make_app()
            app.config["LIVESERVER_PORT"] = port
            return app

        def test(self: Any) -> None:
            self.assertEqual((listens or port, 200), (self.live_server.port, self.live.get("/").status_code))

        return run_made(create_app, test, **members)

    def test_it_counts(self) -> None:
        """It is the port where nobody has asked for the URL before."""
        for scope in ("class", "test", "module"):
            with self.subTest(scope=scope):
                run_on_free_port(
                    lambda port, scope=scope: self.run_configured(port, reads=False, live_scope=scope)
                ).assert_passed()

    def test_contradiction(self) -> None:
        """An application that was made with the URL of another port is refused, with both ports and a way out."""
        report = self.run_configured(18765, reads=True).report
        self.assertRegex(report, f"UsageError: {CONTRADICTION.format('Case')}")

    def test_the_class_comes_first(self) -> None:
        """With ``live_port`` there is no contradiction."""
        for more in (0, 1):
            run_on_free_port(
                lambda port, more=more: self.run_configured(port + more, reads=True, listens=port, live_port=port)
            ).assert_passed()


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
            with self.subTest(case=case):
                run_on_free_port(lambda port, case=case: run_case(case)).assert_passed()

    def test_refused(self) -> None:
        """A port that is taken, or is not the one that `create_app` has read, is an error of the class."""
        with LiveServer(make_app()) as server, mock.patch.dict(os.environ, SHOP_PORT=str(server.port)):
            report = run_case(apart.Configured).report
        self.assertIn("ServerStartError: cannot listen on 127.0.0.1:PORT: the port is taken", report)
        with mock.patch.dict(os.environ, SHOP_PORT="18765"):
            self.assertRegex(run_case(apart.Contradictory).report, CONTRADICTION.format("Contradictory"))

    def test_alone(self) -> None:
        """A `LiveServer` without a class takes the port of its application's configuration, in either mode."""

        def serve(port: int) -> Outcome:
            def test(self: Any) -> None:
                for options in ({}, {"mode": "process", "start_timeout": 6 * HANG}):
                    with LiveServer("tests.integration.apps:make_configured_app()", **options) as server:
                        self.assertEqual(port, server.port)
                        self.assertEqual(200, requests.get(server.url, timeout=HANG).status_code)

            return run_case(make_case(unittest.TestCase, test=test))

        run_on_free_port(serve).assert_passed()

"""``live_server`` on a test class is a handle of the class's server."""

from __future__ import annotations

import socket
import unittest
from typing import Any

from liveserver_testcase import LiveServer, LiveServerTestCase, ServerStartError
from tests.integration.apps import make_app
from tests.integration.running import is_refused, make_case, run_case
from tests.support import NoLeaks


class TestTheHandle(unittest.TestCase):
    """What it gives, what it refuses, and which server it stands for."""

    def test_the_facts(self) -> None:
        """The handle has the addresses of the server, its application and its mode."""

        class Case(LiveServerTestCase):
            app = make_app()

            def test(self) -> None:
                handle = self.live_server
                self.assertTrue(handle.is_running)
                self.assertEqual(("127.0.0.1", handle.port), handle.address)
                self.assertEqual(f"http://127.0.0.1:{handle.port}", handle.url)
                self.assertEqual(f"ws://127.0.0.1:{handle.port}", handle.ws_url)
                self.assertEqual(f"{handle.url}/a?b=1", handle.url_for("/a", b=1))
                self.assertEqual((None, None), (handle.ca_file, handle.client_context()))
                self.assertIs(type(self).app, handle.app)
                self.assertEqual("thread", handle.mode)
                self.assertRegex(repr(handle), r"^<live_server of Case: <\w+ running at http://127\.0\.0\.1:\d+>>$")

        outcome = run_case(Case)
        self.assertEqual({"run": 1}, outcome.summary, outcome.printed)

    def test_a_stop_is_the_test_s_own(self) -> None:
        """A stop and a start through the class or a test are held against nobody, and the port stays."""

        class Case(LiveServerTestCase):
            app = make_app()

            def test_1(self) -> None:
                port = self.live_server.port
                type(self).live_server.stop()
                self.assertFalse(self.live_server.is_running)
                with self.assertRaises(ConnectionRefusedError):
                    socket.create_connection(("127.0.0.1", port), 10)

            def test_2(self) -> None:
                self.assertTrue(self.live_server.is_running)
                self.assertEqual(200, self.live.get("/").status_code)

        outcome = run_case(Case)
        self.assertEqual({"run": 2}, outcome.summary, outcome.printed)

    def test_the_server_of_the_moment(self) -> None:
        """A handle that was kept stands for the server of the test that runs."""
        kept: list[Any] = []

        class Case(LiveServerTestCase):
            app = make_app()
            live_scope = "test"

            def test_1(self) -> None:
                kept.append(self.live_server)

            def test_2(self) -> None:
                self.assertEqual(self.live_server.url, kept[0].url)
                self.live.get("/")
                self.assertEqual(["/"], [request.path for request in kept[0].requests])

        outcome = run_case(Case)
        self.assertEqual({"run": 2}, outcome.summary, outcome.printed)

    def test_unknown_attributes(self) -> None:
        """An unknown attribute, read or set, is refused with the nearest one; a known one cannot be set."""

        class Case(LiveServerTestCase):
            app = make_app()

            def test(self) -> None:
                handle: Any = self.live_server
                with self.assertRaisesRegex(AttributeError, r"^LiveServerHandle has no attribute 'request': did"):
                    handle.request  # noqa: B018
                with self.assertRaisesRegex(AttributeError, r"'zz': known are address, app, .*, ws_url$"):
                    handle.zz  # noqa: B018
                with self.assertRaisesRegex(AttributeError, r"^cannot set 'prot': LiveServerHandle has .* 'port'\?$"):
                    handle.prot = 1
                with self.assertRaisesRegex(AttributeError, r"^LiveServerHandle\.port can only be read$"):
                    handle.port = 1

        outcome = run_case(Case)
        self.assertEqual({"run": 1}, outcome.summary, outcome.printed)

    def test_the_old_names_are_gone(self) -> None:
        """The class itself has no names for what the handle does."""
        names = [name for name in dir(LiveServerTestCase) if name.startswith(("start_", "stop_", "restart_", "wait_"))]
        self.assertEqual([], names)


class KeptPort(NoLeaks):
    """The port of a server that a test has stopped."""

    def test_it_is_kept(self) -> None:
        """Nobody else can have it until the server serves there again, whichever test starts it."""

        class Case(LiveServerTestCase):
            app = make_app()

            def check_kept(self) -> None:
                self.assertTrue(is_refused(self.live_url()))
                with self.assertRaisesRegex(ServerStartError, "the port is taken"):
                    LiveServer(make_app(), port=self.live_server.port).start()

            def test_1(self) -> None:
                with self.live_server.down():
                    self.check_kept()
                self.assertEqual(200, self.live.get("/").status_code)
                self.live_server.stop()
                self.check_kept()

            def test_2(self) -> None:
                self.assertEqual(200, self.live.get("/").status_code)
                self.live_server.stop()

        Case.__module__ = __name__
        for scope in ("class", "test", "module"):
            with self.subTest(scope=scope):
                Case.live_scope = scope
                outcome = run_case(Case)
                self.assertEqual({"run": 2}, outcome.summary, outcome.printed)

    def test_it_is_given_up(self) -> None:
        """When the class is over, anybody can have it."""
        ports: list[int] = []

        def test(self: Any) -> None:
            ports.append(self.live_server.port)
            self.live_server.stop()

        members = {"app": make_app(), "live_scope": "module", "test": test, "__module__": __name__}
        outcome = run_case(make_case(LiveServerTestCase, **members))
        self.assertEqual({"run": 1}, outcome.summary, outcome.printed)
        with LiveServer(make_app(), port=ports[0]) as server:
            self.assertEqual(ports[0], server.port)

"""The URLs and the session that a test has of its live server."""

from __future__ import annotations

import unittest
from typing import Any
from unittest import mock

import requests

from liveserver_testcase import LiveServerTestCase
from tests.integration.apps import answer, make_app
from tests.integration.running import make_case, run_case
from tests.support import NoLeaks


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

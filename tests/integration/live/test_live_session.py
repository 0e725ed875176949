"""The URLs and the session that a test has of its live server."""

from __future__ import annotations

import gc
import unittest
import warnings
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


class TheSession(LiveServerTestCase):
    """``live``."""

    @classmethod
    def create_app(cls) -> Any:
        return _echo

    def test_paths(self) -> None:
        """A path is one on the live server, whatever it looks like; a whole URL is taken as it is."""
        for path in ("/a", "/a?b=1", "//example.com/a", "/login?next=http://example.com/"):
            with self.subTest(path=path):
                self.assertEqual(path, self.live.get(path).text)
        self.assertEqual("/a", self.live.get("a").text)
        self.assertEqual("/a", self.live.get(self.live_url("/a")).text)

    def test_one_for_a_test(self) -> None:
        """A test has one session with requests' own methods, which keeps cookies and the connection."""
        self.assertIs(self.live, self.live)
        self.live.post("/a", json={"b": 1})
        self.assertEqual(b"", self.live.head("/a").content)
        first, second = self.live_server.journal.entries(self.live_server.journal.window)
        self.assertEqual((first.connection_index, 1), (second.connection_index, second.exchange_index))

    def test_surroundings(self) -> None:
        """It takes nothing from the environment, and does not wait for ever."""
        self.assertEqual((False, 30.0), (self.live.trust_env, self.live.timeout))


class TheSessionsEnd(NoLeaks):
    """When a test is over."""

    def test_each_its_own(self) -> None:
        """The session is closed after the test, also one that fails; the same test run again has one of its own."""
        sessions: list[Any] = []

        def test(self: Any) -> None:
            sessions.append(self.live)
            self.live.get("/")
            self.fail("it does")

        case = make_case(LiveServerTestCase, app=make_app(), test=test)
        case.setUpClass()
        self.addCleanup(case.tearDownClass)
        again = case("test_it")
        with mock.patch.object(requests.Session, "close", autospec=True, side_effect=requests.Session.close) as close:
            again.run(unittest.TestResult())
            again.run(unittest.TestResult())
        self.assertIsNot(sessions[0], sessions[1])
        self.assertEqual(sessions, [call.args[0] for call in close.call_args_list])

    def test_in_a_clean_up(self) -> None:
        """A clean-up that uses it for the first time can, and it is closed after that."""

        def test(self: Any) -> None:
            self.addCleanup(lambda: self.live.get("/"))

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            run_case(make_case(LiveServerTestCase, app=make_app(), test=test)).assert_passed()
            gc.collect()

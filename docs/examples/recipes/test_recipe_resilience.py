"""A client that is to survive what servers do to it."""

from __future__ import annotations

import unittest

import requests
import tea_shop
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from liveserver_testcase import LiveServerTestCase


class PriceList:
    """The code under test: it remembers prices for the time when the shop cannot be reached."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.known: dict[str, int] = {}
        self.session = requests.Session()
        self.session.mount("http://", HTTPAdapter(max_retries=Retry(2, backoff_factor=0, allowed_methods=["GET"])))

    def ask(self, tea: str) -> int:
        try:
            answer = self.session.get(f"{self.url}/{tea}", timeout=5)
        except requests.ConnectionError:
            return self.known[tea]
        self.known[tea] = answer.json()["cents"]
        return self.known[tea]


class ResilienceTest(LiveServerTestCase):
    app = tea_shop.application

    def setUp(self) -> None:
        self.prices = PriceList(self.live_server.url)
        self.addCleanup(self.prices.session.close)

    def test_an_outage(self) -> None:
        self.prices.ask("assam")
        with self.live_server.down():
            self.assertEqual(self.prices.ask("assam"), 450)
        self.assertEqual(self.prices.ask("sencha"), 620)

    def test_nothing_known_yet(self) -> None:
        with self.live_server.down(), self.assertRaises(KeyError):
            self.prices.ask("assam")

    def test_a_restart(self) -> None:
        self.prices.ask("assam")
        self.live_server.restart()
        self.assertEqual(self.prices.ask("assam"), 450)

    def test_connections_that_die(self) -> None:
        self.prices.ask("assam")
        self.live_server.close_connections()
        self.assertEqual(self.prices.ask("assam"), 450)
        first, second = self.assertLiveRequested("GET", "/assam", times=2)
        self.assertNotEqual(first.connection_index, second.connection_index)


if __name__ == "__main__":
    unittest.main()

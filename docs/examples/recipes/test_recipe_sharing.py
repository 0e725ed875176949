"""An application that is slow to start, and is started once for two classes."""

from __future__ import annotations

import unittest
from typing import Any

import tea_shop

from liveserver_testcase import LiveServerTestCase

starts: list[str] = []


class ShopTestCase(LiveServerTestCase):
    live_scope = "session"

    @classmethod
    def create_app(cls) -> Any:
        starts.append(cls.__name__)  # and here five seconds go by
        return tea_shop.application


class PriceTest(ShopTestCase):
    def test_a_price(self) -> None:
        self.assertEqual(self.live.get("/assam").json(), {"cents": 450})
        self.assertEqual(len(starts), 1)


class MissingTest(ShopTestCase):
    def test_what_is_not_sold(self) -> None:
        self.assertEqual(self.live.get("/milk").status_code, 404)
        self.assertEqual(len(starts), 1)

    def test_the_requests_of_this_test_alone(self) -> None:
        self.live.get("/milk")
        self.assertLiveRequested("GET", "/milk", times=1, status=404)


if __name__ == "__main__":
    unittest.main()

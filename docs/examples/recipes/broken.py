"""Tests that fail, for the page about debugging; their reports are the ``report_*.txt`` beside it."""

from __future__ import annotations

import tea_shop

from liveserver_testcase import LiveServerTestCase


class PriceTest(LiveServerTestCase):
    app = tea_shop.application

    def test_a_price(self) -> None:
        answer = self.live.get("/gunpowder")
        self.assertEqual(answer.status_code, 200)

    def test_nobody_looks_at_the_answer(self) -> None:
        self.live.get("/gunpowder")

    def test_a_request_that_never_came(self) -> None:
        self.live.get("/milk")
        self.assertLiveRequested("GET", "/assam", timeout=0.1)

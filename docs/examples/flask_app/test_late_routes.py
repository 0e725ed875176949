"""A route that only a test has."""

from __future__ import annotations

import unittest

from flask import Flask

from liveserver_testcase import LiveServerTestCase


class LateRouteTest(LiveServerTestCase):
    """The server starts when the class has added its route."""

    live_autostart = False

    @classmethod
    def create_app(cls) -> Flask:
        return Flask("shop")

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.live_server.app.add_url_rule("/late", view_func=lambda: "added late")
        cls.live_server.start()

    def test_the_route(self) -> None:
        self.assertEqual(self.live.get("/late").text, "added late")


if __name__ == "__main__":
    unittest.main()

"""Where the server listens, and by what name clients know it."""

from __future__ import annotations

import os
import unittest
import warnings

import tea_shop

from liveserver_testcase import LiveServerTestCase, WildcardAddressWarning


class GridTest(LiveServerTestCase):
    """Reachable from other hosts, and known to them by a name."""

    app = tea_shop.application
    live_host = "0.0.0.0"
    live_external_host = os.environ.get("TEST_RUNNER_HOST", "localhost")

    @classmethod
    def setUpClass(cls):
        with warnings.catch_warnings():  # other machines are to reach it
            warnings.simplefilter("ignore", WildcardAddressWarning)
            super().setUpClass()

    def test_the_url(self) -> None:
        self.assertEqual(self.live_url("/assam"), f"http://{self.live_external_host}:{self.live_server.port}/assam")
        self.assertEqual(self.live.get("/assam").status_code, 200)


class PortTest(LiveServerTestCase):
    """A port that must be known beforehand: from ``TEST_PORT`` on, one for each worker of pytest-xdist."""

    app = tea_shop.application
    first = int(os.environ.get("TEST_PORT", "0"))
    live_port = first and first + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))

    def test_the_port(self) -> None:
        self.assertIn(self.live_port, (0, self.live_server.port))
        self.assertEqual(self.live.get("/assam").status_code, 200)


if __name__ == "__main__":
    unittest.main()

from __future__ import annotations

import os
import socket
import unittest
from typing import Any

import requests

from liveserver_testcase import LiveServerTestCase


class KettleTest(LiveServerTestCase):
    app = "kettle:application"
    live_mode = "process"
    live_env = {"KETTLE_TAP": "rain"}

    def test_it_boils_elsewhere(self) -> None:
        answer = self.live.get("/boil")
        self.assertNotIn(str(os.getpid()), answer.text)
        self.assertTrue(socket.getaddrinfo("127.0.0.1", 80))  # ours still works
        self.assertLiveRequested("GET", "/boil", status=200)

    def test_an_error_is_the_test_s(self) -> None:
        with self.expectLiveErrors(RuntimeError, "vinegar"):
            self.live.get("/descale")

    def test_a_crash(self) -> None:
        with self.assertRaises(requests.ConnectionError):
            self.live.get("/boil-dry")
        self.assertIn("bang\nFatal Python error: Aborted", self.live_server.output)
        self.live_server.start()  # the crash was wanted: go on with another process
        self.assertEqual(self.live.get("/boil").status_code, 200)


class StrongKettleTest(LiveServerTestCase):
    live_mode = "process"

    @classmethod
    def create_app(cls) -> Any:
        import kettle  # here, and so only in the server's process

        return kettle.create_application(power="3000 W")

    def test_it_boils(self) -> None:
        self.assertEqual(self.live.get("/boil").status_code, 200)


if __name__ == "__main__":
    unittest.main()

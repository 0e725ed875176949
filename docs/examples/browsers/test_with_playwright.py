"""A page in Chromium, driven by Playwright."""

from __future__ import annotations

import importlib.util
import shutil
import unittest

from counter_app import create_app
from flask import Flask

from liveserver_testcase import LiveServerTestCase

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@unittest.skipIf(importlib.util.find_spec("playwright") is None, "Playwright is not installed")
@unittest.skipIf(CHROMIUM is None, "Chromium is not installed")
class CounterTest(LiveServerTestCase):
    live_tls = True

    @classmethod
    def create_app(cls) -> Flask:
        return create_app()

    @classmethod
    def setUpClass(cls) -> None:
        from playwright.sync_api import sync_playwright

        super().setUpClass()
        playwright = sync_playwright().start()
        cls.addClassCleanup(playwright.stop)
        cls.browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        cls.addClassCleanup(cls.browser.close)

    def test_a_click(self) -> None:
        page = self.browser.new_page(base_url=self.live_url(), ignore_https_errors=True)
        self.addCleanup(page.close)
        page.goto("/")
        page.get_by_role("button").click()
        page.locator("output", has_text="1").wait_for()
        self.assertLiveRequested("POST", "/count", times=1, status=200)


if __name__ == "__main__":
    unittest.main()

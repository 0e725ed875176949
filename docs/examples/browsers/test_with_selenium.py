"""A page in Chromium, driven by Selenium; over TLS, too."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import unittest
from typing import Any

from counter_app import create_app
from flask import Flask

from liveserver_testcase import LiveServerTestCase

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
CERTUTIL = shutil.which("certutil")


def trust(home: str, ca_file: str) -> None:
    """Make a home directory in which Chromium trusts the servers' authority."""
    database = os.path.join(home, ".pki", "nssdb")
    os.makedirs(database)
    for arguments in (["-N", "--empty-password"], ["-A", "-t", "C,,", "-n", "tests", "-i", ca_file]):
        subprocess.run(
            [str(CERTUTIL), "-d", f"sql:{database}", *arguments], check=True, capture_output=True, timeout=30
        )


def open_chromium(home: str) -> Any:
    """Start Chromium without a window."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    service = webdriver.ChromeService(DRIVER, env={**os.environ, "HOME": home})
    return webdriver.Chrome(options=options, service=service)


@unittest.skipIf(CHROMIUM is None or DRIVER is None, "chromium and chromedriver are not installed")
class CounterTest(LiveServerTestCase):
    """One browser for the class."""

    @classmethod
    def create_app(cls) -> Flask:
        return create_app()

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        home = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        cls.addClassCleanup(home.cleanup)
        cls.prepare(home.name)
        cls.browser = open_chromium(home.name)
        cls.addClassCleanup(cls.browser.quit)

    @classmethod
    def prepare(cls, home: str) -> None:
        """What the browser is to find at home."""

    def wait_for_text(self, text: str) -> None:
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.browser, 10).until(lambda b: b.find_element("tag name", "output").text == text)

    def test_a_click(self) -> None:
        self.browser.get(self.live_url("/"))
        self.browser.find_element("tag name", "button").click()
        self.wait_for_text("1")
        self.assertLiveRequested("POST", "/count", times=1, status=200)

    def test_two_clicks(self) -> None:
        self.browser.get(self.live_url("/"))
        self.browser.find_element("tag name", "button").click()
        self.wait_for_text("1")
        self.browser.find_element("tag name", "button").click()
        self.wait_for_text("2")


@unittest.skipIf(CERTUTIL is None, "certutil is not installed")
class SecureCounterTest(CounterTest):
    """The same over TLS, with a certificate that the browser has verified."""

    live_tls = True

    @classmethod
    def prepare(cls, home: str) -> None:
        trust(home, cls.live_server.ca_file)

    def test_the_context_is_secure(self) -> None:
        self.browser.get(self.live_url("/"))
        self.assertIs(self.browser.execute_script("return isSecureContext && location.protocol == 'https:'"), True)


if __name__ == "__main__":
    unittest.main()

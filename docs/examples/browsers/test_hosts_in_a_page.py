"""A page that calls an API whose host is written into its script."""

from __future__ import annotations

import os
import shutil
import tempfile
import unittest
from typing import Any

from liveserver_testcase import HTTPStub, HTTPStubTestCase, LiveServerTestCase

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
PAGE = b"""<!doctype html>
<title>Checkout</title>
<output></output>
<script>
  fetch("https://api.stripe.com/v1/balance")
    .then(answer => answer.text())
    .then(text => { document.querySelector("output").textContent = text })
</script>
"""


def application(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/html")])
    return [PAGE]


def open_chromium(home: str, proxy_url: str) -> Any:
    """Start Chromium behind a proxy."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    options.accept_insecure_certs = True
    for argument in (
        f"--proxy-server={proxy_url}",
        "--disable-background-networking",
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
    ):
        options.add_argument(argument)
    service = webdriver.ChromeService(DRIVER, env={**os.environ, "HOME": home})
    return webdriver.Chrome(options=options, service=service)


@unittest.skipIf(CHROMIUM is None or DRIVER is None, "chromium and chromedriver are not installed")
class BalanceTest(LiveServerTestCase, HTTPStubTestCase):
    app = application
    stub_hosts = ["api.stripe.com", "*.google.com", "*.googleapis.com"]

    @classmethod
    def configure_stub(cls, stub: HTTPStub) -> None:
        for host in ("*.google.com", "*.googleapis.com"):  # Chromium looks for updates there, and more
            stub.on(host=host).reply(404)

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        home = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        cls.addClassCleanup(home.cleanup)
        cls.browser = open_chromium(home.name, cls.stub.proxy_url)
        cls.addClassCleanup(cls.browser.quit)

    def test_the_page_shows_the_balance(self) -> None:
        from selenium.webdriver.support.ui import WebDriverWait

        balance = self.stub.expect("GET", "https://api.stripe.com/v1/balance")
        balance.reply(text="12 EUR", headers={"Access-Control-Allow-Origin": "*"})
        self.browser.get(self.live_url("/"))
        WebDriverWait(self.browser, 10).until(lambda b: b.find_element("tag name", "output").text == "12 EUR")

"""A Chromium that tests drive, and content that would do harm if it were trusted."""

from __future__ import annotations

import contextlib
import os
import shutil
import smtplib
import subprocess
import tempfile
import unittest
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

import requests

from liveserver_testcase import HTTPStub, SMTPServer
from tests.support import HANG, wait_until

__all__ = ["CERTUTIL", "BrowserCase", "make_mail", "open_browser"]

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
CERTUTIL = shutil.which("certutil")

SCRIPTS = [
    "<script>{hit}</script>",
    "<img src=x onerror='{hit}'>",
    "<svg onload='{hit}'></svg>",
    "<body onload='{hit}'>",
    '<iframe srcdoc="<script>{hit}</script>"></iframe>',
    "<a href='javascript:{hit}' id=a autofocus onfocus='{hit}'>x</a>",
    "<details open ontoggle='{hit}'>x</details>",
    "<video><source onerror='{hit}'></video>",
    "<input onfocus='{hit}' autofocus>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror='{hit}'>",
    '"><script>{hit}</script>',
    "</pre></td></title></textarea></style></script><script>{hit}</script>",
    "<style>@import '{url}/style';</style>",
    "<link rel=stylesheet href='{url}/link'>",
    "<img src='{url}/pixel.png'>",
    "<body background='{url}/back.png'>",
    "<div style=\"background:url('{url}/css.png')\">x</div>",
    "<meta http-equiv=refresh content='0;url={url}/refresh'>",
    "<object data='{url}/object'></object><embed src='{url}/embed'>",
    "<form action='{url}/form'><input name=q></form><script>document.forms[0].submit()</script>",
]
"""HTML of twenty kinds, in which ``{hit}`` stands for a script and ``{url}`` for a server that is not to be asked."""


def make_mail(text: str = "", html: str = "", subject: str = "Tea", **headers: str) -> EmailMessage:
    """Make a mail from Ann to Bob."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Ann <a@example.com>", "b@example.com", subject
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(text)
    if html:
        mail.add_alternative(html, subtype="html")
    return mail


class BrowserCase(unittest.TestCase):
    """A test with a Chromium that ends with the class."""

    browser: Any

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        opening = open_browser()
        cls.browser = opening.__enter__()
        cls.addClassCleanup(opening.__exit__, None, None, None)

    def run_script(self, script: str) -> Any:
        """What an expression of JavaScript is worth."""
        return self.browser.execute_script(f"return {script}")

    def send_hostile(self, outside: HTTPStub, smtp: SMTPServer, *urls: str) -> list[str]:
        """Send twenty hostile mails, and as many requests to each URL; ``outside`` is not to be asked for anything."""
        hit = "document.title = 1; parent.document.title = 1; top.hit = 1; window.hit = 1"
        contents = [script.replace("{hit}", hit).replace("{url}", outside.url) for script in SCRIPTS]
        for number, content in enumerate(contents):
            subject = f"<img src={outside.url}/{number}>"
            with smtplib.SMTP(*smtp.addr, timeout=HANG) as client:
                client.send_message(make_mail(content, content, subject, X_Hostile="<script>hit = 1</script>"))
            for url in urls:
                requests.post(
                    f"{url}/<script>?{content}",
                    data=content.encode(),
                    headers={"Content-Type": "text/html", "X-Hostile": content.replace("\n", " ")},
                    timeout=HANG,
                )
        return contents

    def assert_unharmed(self, title: str, outside: HTTPStub) -> None:
        """No script has run, and nothing was fetched."""
        self.assertEqual(title, self.browser.title)
        self.assertIsNone(self.run_script("window.hit ?? null"))
        self.assertEqual([], [request.describe() for request in outside.requests])

    def assert_frame_unharmed(self) -> None:
        """Nor in the frame that is looked at; goes back to the page."""
        wait_until(lambda: self.run_script("document.readyState === 'complete'"))
        self.assertIsNone(self.run_script("window.hit ?? null"))
        self.browser.switch_to.default_content()

    @contextlib.contextmanager
    def narrow_and_wide(self) -> Iterator[Iterator[int]]:
        """The widths of a phone and of a desk, which the window has meanwhile."""
        try:
            yield map(self._set_width, (400, 1400))
        finally:
            self.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    def _set_width(self, width: int) -> int:
        metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        return width


@contextlib.contextmanager
def open_browser(ca_file: str = "") -> Iterator[Any]:
    """A Chromium with a home of its own, in which it trusts this authority; who asks is skipped where there is none."""
    if CHROMIUM is None or DRIVER is None:
        raise unittest.SkipTest("chromium and chromedriver are not installed")
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with tempfile.TemporaryDirectory(prefix="liveserver-testcase-browser-", ignore_cleanup_errors=True) as home:
        if ca_file:
            database = os.path.join(home, ".pki", "nssdb")
            os.makedirs(database)
            for arguments in (["-N", "--empty-password"], ["-A", "-t", "C,,", "-n", "tests", "-i", ca_file]):
                command = [str(CERTUTIL), "-d", f"sql:{database}", *arguments]
                subprocess.run(command, check=True, capture_output=True, timeout=HANG)
        browser = webdriver.Chrome(options=options, service=Service(DRIVER, env={**os.environ, "HOME": home}))
        try:
            browser.set_page_load_timeout(HANG)
            yield browser
        finally:
            browser.quit()

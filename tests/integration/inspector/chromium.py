"""A Chromium that tests drive, and content that would do harm if it were trusted."""

from __future__ import annotations

import os
import shutil
import tempfile
import unittest
from typing import Any

from tests.support import HANG

__all__ = ["SCRIPTS", "needs_chromium", "start_browser"]

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
needs_chromium = unittest.skipIf(CHROMIUM is None or DRIVER is None, "chromium and chromedriver are not installed")

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


def start_browser(case: type[unittest.TestCase]) -> Any:
    """Start a Chromium that ends with the class."""
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    home = tempfile.TemporaryDirectory(prefix="liveserver-testcase-browser-", ignore_cleanup_errors=True)
    case.addClassCleanup(home.cleanup)
    options = Options()
    options.binary_location = CHROMIUM or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(DRIVER, env={**os.environ, "HOME": home.name}))
    case.addClassCleanup(browser.quit)
    browser.set_page_load_timeout(HANG)
    return browser

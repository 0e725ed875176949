"""How soon the inspector shows 10,000 requests and 1,000 mails in Chromium, and then one more.

``python -m benchmarks.inspector REQUESTS MAILS ROUNDS`` is the process of the servers; it prints its figures as JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import smtplib
import subprocess
import sys
import tempfile
import time
from email.message import EmailMessage
from typing import Any

from benchmarks.apps import BODY
from benchmarks.journals import send
from benchmarks.processes import environment
from benchmarks.run import Run
from benchmarks.tables import Column, Table

ROW = "inspector"
REQUESTS, MAILS, NEWS = 10_000, 1_000, 5
PATIENCE = 300.0
COLUMNS = (
    Column("paint", "first paint, ms", digits=0),
    Column("rows", "first rows, ms", digits=0),
    Column("news", "a new one, ms", digits=0),
)
#: Notes when the page has its first rows, and when the newest of them has changed last.
WATCH = """
    addEventListener("DOMContentLoaded", () => {
      const rows = document.getElementById("rows");
      new MutationObserver(() => requestAnimationFrame(() => {
        window.rowsAt ??= performance.now();
        const newest = rows.querySelector(".what")?.textContent;
        if (newest !== window.newest) { window.newest = newest; window.newestAt = Date.now(); }
      })).observe(rows, {childList: true, subtree: true});
    });
"""


def measure(run: Run) -> list[Table]:
    """Fill a stub and a mail server in a process of their own, and open the page."""
    title = f"Inspector with {REQUESTS:,} requests and {MAILS:,} mails, in Chromium"
    table = Table(
        "inspector", title, COLUMNS, notes=["from the start of the navigation; from the sending of the request"]
    )
    if shutil.which("chromium") is None or shutil.which("chromedriver") is None:
        table.remark(ROW, "chromium and chromedriver are not installed")
        return [table]
    part = 100 if run.settings.quick else 1
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "benchmarks.inspector",
            *map(str, (REQUESTS // part, MAILS // part, run.settings.rounds)),
        ],
        env=environment(),
        stdout=subprocess.PIPE,
        timeout=PATIENCE,
        check=True,
    )
    for figures in json.loads(done.stdout):
        for name, values in figures.items():
            for value in values:
                table.add(ROW, name, value)
    return [table]


def send_mails(address: tuple[str, int], count: int) -> None:
    """Send mails with a text, HTML and a small attachment."""
    with smtplib.SMTP(*address) as client:
        for number in range(count):
            mail = EmailMessage()
            mail["From"], mail["To"], mail["Subject"] = "shop@example.com", "ann@example.com", f"Order {number}"
            mail.set_content("Thank you for your order.\n" * 20)
            mail.add_alternative("<p>Thank you for your order.</p>\n" * 20, subtype="html")
            mail.add_attachment(b"col;umn\n" * 100, maintype="text", subtype="csv", filename="order.csv")
            client.send_message(mail)


def open_browser(home: str) -> Any:
    """Start Chromium without a window."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    service = webdriver.ChromeService(shutil.which("chromedriver"), env={**os.environ, "HOME": home})
    browser = webdriver.Chrome(options=options, service=service)
    browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
    return browser


def look(browser: Any, url: str, stub: Any, unique: int) -> dict[str, list[float]]:
    """Open the page, and send a few more requests."""
    browser.get("about:blank")
    browser.get(url)
    await_script(browser, "return window.rowsAt")
    paint = await_script(
        browser, "return performance.getEntriesByName('first-contentful-paint').map(entry => entry.startTime)[0]"
    )
    news = []
    for number in range(NEWS):
        began = time.time()
        send(stub.port, 1, keep=True, first=unique + number)
        wanted = f"GET /users/{unique + number}"
        await_script(browser, f"return window.newest === {json.dumps(wanted)}")
        news.append(browser.execute_script("return window.newestAt") - began * 1000)
    return {"paint": [paint], "rows": [browser.execute_script("return window.rowsAt")], "news": news}


def await_script(browser: Any, script: str) -> Any:
    """Ask the page until it has an answer."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        answer = browser.execute_script(script)
        if answer:
            return answer
        time.sleep(0.05)
    raise SystemExit(f"the page has no answer to: {script}")


def main(requests: int, mails: int, rounds: int) -> None:
    """Print the figures of each round."""
    from liveserver_testcase import HTTPStub, SMTPServer
    from liveserver_testcase.inspector.feed import Source
    from liveserver_testcase.inspector.pages import Inspector

    with (
        HTTPStub(journal_limit=2 * REQUESTS) as stub,
        SMTPServer() as smtp,
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home,
    ):
        stub.on("GET").reply(200, BODY)
        send_mails(smtp.addr, mails // 2)
        send(stub.port, requests, keep=True)
        send_mails(smtp.addr, mails - mails // 2)
        inspector = Inspector([Source("stub", stub), Source("smtp", smtp)])
        inspector.start()
        browser = open_browser(home)
        try:
            figures = [look(browser, inspector.url, stub, requests + NEWS * turn) for turn in range(rounds)]
        finally:
            browser.quit()
            inspector.stop()
    print(json.dumps(figures))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

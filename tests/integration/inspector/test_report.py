"""The report of a failure in a real Chromium: it shows all that it has, and nothing of that runs or loads anything."""

from __future__ import annotations

import os
import smtplib
import tempfile
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from unittest import mock

import requests

from liveserver_testcase import HTTPStub, HTTPStubTestCase, LiveServerTestCase, SMTPTestCase
from tests.integration.inspector.chromium import SCRIPTS, needs_chromium, start_browser
from tests.integration.running import make_case, run_case
from tests.support import HANG, NoLeaks, wait_until


def echo(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answer with the request's body, as HTML."""
    start_response("200 OK", [("Content-Type", "text/html")])
    return [environ["wsgi.input"].read()]


@needs_chromium
class ReportTest(NoLeaks):
    """A report that is opened from a folder."""

    browser: Any

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.browser = start_browser(cls)

    def open_report(self, test: Any) -> None:
        """Run a test that fails, and open what it has left."""
        folder = tempfile.TemporaryDirectory(prefix="liveserver-testcase-")
        self.addCleanup(folder.cleanup)
        case = make_case(LiveServerTestCase, HTTPStubTestCase, SMTPTestCase, app=staticmethod(echo), test=test)
        with mock.patch.dict(os.environ, {"LIVESERVER_ARTIFACTS": folder.name}):
            run_case(case)
        self.browser.get(Path(folder.name, "made.Case.test_it", "report.html").resolve().as_uri())
        wait_until(lambda: self.browser.execute_script("return document.readyState") == "complete")
        self.browser.execute_script("document.querySelectorAll('details').forEach(each => each.open = true)")

    def test_hostile_content(self) -> None:
        """Twenty hostile mails and requests run no script and fetch nothing."""
        hit = "document.title = 1; parent.document.title = 1; top.hit = 1; window.hit = 1"
        with HTTPStub() as outside:
            contents = [script.replace("{hit}", hit).replace("{url}", outside.url) for script in SCRIPTS]

            def test(case: Any) -> None:
                case.stub.on().reply(200, "<script>hit = 1</script>", content_type="text/html")
                for number, content in enumerate(contents):
                    mail = EmailMessage()
                    mail["From"], mail["To"] = "a@example.com", "b@example.com"
                    mail["Subject"], mail["X-Hostile"] = f"<img src={outside.url}/{number}>", "<script>hit = 1</script>"
                    mail.set_content(content)
                    mail.add_alternative(content, subtype="html")
                    with smtplib.SMTP(*case.smtp.addr, timeout=HANG) as client:
                        client.send_message(mail)
                    for url in (case.stub.url, case.live_url()):
                        requests.post(
                            f"{url}/<script>?{content}",
                            data=content.encode(),
                            headers={"Content-Type": "text/html", "X-Hostile": content.replace("\n", " ")},
                            timeout=HANG,
                        )
                raise ValueError("".join(contents))

            self.open_report(test)

            self.assertEqual(len(self.browser.find_elements("css selector", "details.entry")), 3 * len(SCRIPTS))
            frames = self.browser.find_elements("tag name", "iframe")
            self.assertEqual(len(frames), len(SCRIPTS))
            for frame in frames:
                self.browser.execute_script("arguments[0].scrollIntoView()", frame)
                self.browser.switch_to.frame(frame)
                wait_until(lambda: self.browser.execute_script("return document.readyState === 'complete'"))
                self.assertIsNone(self.browser.execute_script("return window.hit ?? null"))
                self.browser.switch_to.default_content()
            self.assertEqual(self.browser.title, "made.Case.test_it has failed")
            self.assertIsNone(self.browser.execute_script("return window.hit ?? null"))
            self.assertEqual([request.describe() for request in outside.requests], [])
        self.assertEqual(self.browser.execute_script("return document.scripts.length"), 0)

    def test_a_mail_is_rendered(self) -> None:
        """A mail looks as its sender has made it, in a frame that may do nothing."""

        def test(case: Any) -> None:
            mail = EmailMessage()
            mail["From"], mail["To"], mail["Subject"] = "a@example.com", "b@example.com", "Tea"
            mail.set_content("tea")
            mail.add_alternative('<p id="tea" style="color: rgb(1, 2, 3)">tea', subtype="html")
            with smtplib.SMTP(*case.smtp.addr, timeout=HANG) as client:
                client.send_message(mail)
            case.fail("look")

        self.open_report(test)
        frame = self.browser.find_element("tag name", "iframe")
        self.assertEqual(frame.get_attribute("sandbox"), "")
        self.browser.switch_to.frame(frame)
        color = self.browser.execute_script("return getComputedStyle(document.getElementById('tea')).color")
        self.browser.switch_to.default_content()
        self.assertEqual(color, "rgb(1, 2, 3)")

    def test_widths(self) -> None:
        """Nothing is wider than the window, on a phone and on a desk."""

        def test(case: Any) -> None:
            requests.get(f"{case.live_url()}/{'x' * 300}?{'y' * 300}", timeout=HANG)
            raise ValueError("z" * 500)

        self.open_report(test)
        self.addCleanup(self.browser.execute_cdp_cmd, "Emulation.clearDeviceMetricsOverride", {})
        for width in (400, 1400):
            with self.subTest(width):
                metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
                self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
                self.assertLessEqual(self.browser.execute_script("return document.documentElement.scrollWidth"), width)

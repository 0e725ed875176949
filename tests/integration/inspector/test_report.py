"""The report of a failure in a real Chromium: it shows all that it has, and nothing of that runs or loads anything."""

from __future__ import annotations

import os
import smtplib
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import requests

from liveserver_testcase import HTTPStub, HTTPStubTestCase, LiveServerTestCase, SMTPTestCase
from tests.integration.inspector.chromium import BrowserCase, make_mail
from tests.integration.running import make_case, run_case
from tests.support import HANG, NoLeaks, wait_until


def echo(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answer with the request's body, as HTML."""
    start_response("200 OK", [("Content-Type", "text/html")])
    return [environ["wsgi.input"].read()]


class ReportTest(BrowserCase, NoLeaks):
    """A report that is opened from a folder."""

    def open_report(self, test: Any) -> None:
        """Run a test that fails, and open what it has left."""
        folder = tempfile.TemporaryDirectory(prefix="liveserver-testcase-")
        self.addCleanup(folder.cleanup)
        case = make_case(LiveServerTestCase, HTTPStubTestCase, SMTPTestCase, app=staticmethod(echo), test=test)
        with mock.patch.dict(os.environ, {"LIVESERVER_ARTIFACTS": folder.name}):
            run_case(case)
        self.browser.get(Path(folder.name, "made.Case.test_it", "report.html").resolve().as_uri())
        wait_until(lambda: self.run_script("document.readyState") == "complete")
        self.browser.execute_script("document.querySelectorAll('details').forEach(each => each.open = true)")

    def test_hostile_content(self) -> None:
        """Twenty hostile mails and requests run no script and fetch nothing."""
        with HTTPStub() as outside:

            def test(case: Any) -> None:
                case.stub.on().reply(200, "<script>hit = 1</script>", content_type="text/html")
                raise ValueError("".join(self.send_hostile(outside, case.smtp, case.stub.url, case.live_url())))

            self.open_report(test)

            self.assertEqual(60, len(self.browser.find_elements("css selector", "details.entry")))
            frames = self.browser.find_elements("tag name", "iframe")
            self.assertEqual(20, len(frames))
            for frame in frames:
                self.browser.execute_script("arguments[0].scrollIntoView()", frame)
                self.browser.switch_to.frame(frame)
                self.assert_frame_unharmed()
            self.assert_unharmed("made.Case.test_it has failed", outside)
        self.assertEqual(self.run_script("document.scripts.length"), 0)

    def test_a_mail_is_rendered(self) -> None:
        """A mail looks as its sender has made it, in a frame that may do nothing."""

        def test(case: Any) -> None:
            with smtplib.SMTP(*case.smtp.addr, timeout=HANG) as client:
                client.send_message(make_mail("tea", '<p id="tea" style="color: rgb(1, 2, 3)">tea'))
            case.fail("look")

        self.open_report(test)
        frame = self.browser.find_element("tag name", "iframe")
        self.assertEqual(frame.get_attribute("sandbox"), "")
        self.browser.switch_to.frame(frame)
        color = self.run_script("getComputedStyle(document.getElementById('tea')).color")
        self.browser.switch_to.default_content()
        self.assertEqual(color, "rgb(1, 2, 3)")

    def test_widths(self) -> None:
        """Nothing is wider than the window, on a phone and on a desk."""

        def test(case: Any) -> None:
            requests.get(f"{case.live_url()}/{'x' * 300}?{'y' * 300}", timeout=HANG)
            raise ValueError("z" * 500)

        self.open_report(test)
        with self.narrow_and_wide() as widths:
            for width in widths:
                self.assertLessEqual(self.run_script("document.documentElement.scrollWidth"), width)

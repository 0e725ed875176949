"""The folder that a failed test leaves: what is in it, for which failures there is one, and that it harms none."""

from __future__ import annotations

import json
import os
import smtplib
import sys
import tempfile
import unittest
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from unittest import mock

import freezegun
import requests

from liveserver_testcase import HTTPStubTestCase, LiveServerTestCase, SMTPTestCase
from tests.integration.live import apart
from tests.integration.running import Outcome, make_case, run_case
from tests.support import HANG, NoLeaks, run_python

THE_CASE = "made.Case.test_it"
PNG = b"\x89PNG\r\n\x1a\n"


def send_mail(case: Any, subject: str = "Welcome", html: str = "<h1>Welcome</h1>") -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "shop@example.com", "ann@example.com", subject
    mail.set_content("Your code is 482913, or https://shop.example.com/reset?token=s3cr3t")
    mail.add_alternative(html, subtype="html")
    with smtplib.SMTP(*case.smtp.addr, timeout=HANG) as client:
        client.send_message(mail)


def look(self: Any) -> None:
    """Be a test that fails."""
    self.fail("look")


def shop(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answer with JSON that has a secret."""
    start_response("200 OK", [("Content-Type", "application/json"), ("Set-Cookie", "sid=s3cr3t")])
    return [b'{"ok": true, "password": "s3cr3t"}']


class FolderTest(NoLeaks):
    """Runs classes with ``LIVESERVER_ARTIFACTS`` set to a folder of the test."""

    def setUp(self) -> None:
        super().setUp()
        folder = tempfile.TemporaryDirectory(prefix="liveserver-testcase-", ignore_cleanup_errors=True)
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name).resolve()
        patch = mock.patch.dict(os.environ, {"LIVESERVER_ARTIFACTS": str(self.root)})
        patch.start()
        self.addCleanup(patch.stop)

    def folders(self) -> list[str]:
        """The names of the folders that there are."""
        return sorted(each.name for each in self.root.iterdir())

    def read(self, folder: str = THE_CASE, name: str = "report.html") -> str:
        return (self.root / folder / name).read_text(encoding="utf-8")

    def assert_named(self, outcome: Outcome, *names: str) -> None:
        """Check that the text of each failure ends with the path of its folder, and that there are no others."""
        texts = [text.rstrip() for _, text in [*outcome.result.failures, *outcome.result.errors]]
        self.assertEqual(len(texts), len(names), texts)
        for text, name in zip(texts, names, strict=True):
            self.assertTrue(text.endswith(f"\nwhat its servers saw is in {self.root / name}"), text)
        self.assertEqual(self.folders(), sorted(set(names)))


class ContentTest(FolderTest):
    """What is in it."""

    def test_all_three_servers(self) -> None:
        """The failure, the traffic in its order, the mails and the log, without secrets; nothing of a run before."""

        def test(self: Any) -> None:
            self.stub.on("GET", "/rates").reply(json={"eur": 1})
            requests.get(self.stub.url + "/rates?api_key=s3cr3t", timeout=HANG)
            self.live.post("/buy", json={"tea": 1, "password": "s3cr3t"})
            send_mail(self)
            self.assertEqual("tea", "coffee")

        case = make_case(LiveServerTestCase, HTTPStubTestCase, SMTPTestCase, app=staticmethod(shop), test=test)
        (self.root / THE_CASE / "mail" / "of an earlier run").mkdir(parents=True)
        self.assert_named(run_case(case), THE_CASE)

        report = self.read()
        places = [
            report.index(text) for text in ("AssertionError", "GET /rates?api_key=***", "POST /buy", ">Welcome</span>")
        ]
        self.assertEqual(places, sorted(places))
        self.assertIn("&#34;tea&#34;: 1", report)
        self.assertIn('sandbox="" referrerpolicy="no-referrer" srcdoc="', report)
        self.assertIn("482913", report)
        self.assertNotIn("s3cr3t", report)
        self.assertNotIn("<script", report)
        self.assertNotIn("result.py", report)  # frames of this package
        traffic = self.read(name="traffic.har")
        self.assertNotIn("s3cr3t", traffic)
        entries = json.loads(traffic)["log"]["entries"]
        self.assertEqual([entry["request"]["method"] for entry in entries], ["GET", "POST"])
        self.assertIn("***", entries[1]["response"]["content"]["text"])
        mails = [path.name for path in (self.root / THE_CASE / "mail").iterdir()]
        self.assertEqual(mails, ["001-Welcome.eml"])

    def test_process_mode(self) -> None:
        """The server's process captures, too, and what it has printed is in the report, also when it has died."""
        run_case(apart.Failing, apart.Dying)
        folder = f"{apart.__name__}.Failing.test_it"
        self.assertIn("RuntimeError: kaboom", self.read(folder))
        (entry,) = json.loads(self.read(folder, "traffic.har"))["log"]["entries"]
        self.assertEqual(entry["response"]["status"], 500)
        self.assertIn("Log and output: live", self.read(f"{apart.__name__}.Dying.test_1"))
        self.assertIn("goodbye", self.read(f"{apart.__name__}.Dying.test_1"))

    def test_a_screenshot(self) -> None:
        """Of the browser under one of its usual names, or of what the test returns; taken while it is there."""

        class Browser:
            def __init__(self) -> None:
                self.is_open = True

            def get_screenshot_as_png(self) -> bytes:
                if not self.is_open:
                    raise ValueError("the browser is gone")
                return PNG

        class Page:
            def screenshot(self) -> bytes:
                return PNG

        def set_up(self: Any) -> None:
            self.browser = Browser()

        def tear_down(self: Any) -> None:
            self.browser.is_open = sys.version_info < (3, 11)  # which reports a failure when the clean-ups are over

        for members in (
            {"setUp": set_up, "tearDown": tear_down},
            {"page": Page()},
            {"browser": object(), "driver": Browser()},
            {"browser": property(lambda self: self.fail()), "driver": Browser()},  # it might start one: it is not asked
            {"server_screenshot": lambda self: PNG},
        ):
            with self.subTest(members):
                self.assert_named(run_case(make_case(HTTPStubTestCase, test=look, **members)), THE_CASE)
                self.assertEqual((self.root / THE_CASE / "screenshot.png").read_bytes(), PNG)
                self.assertIn("data:image/png;base64,", self.read())

    def test_many(self) -> None:
        """Of hundreds of requests the report has the latest, and the HAR all."""

        def test(self: Any) -> None:
            self.stub.on().reply(204)
            with requests.Session() as session:
                for number in range(310):
                    session.get(f"{self.stub.url}/{number}", timeout=HANG)
            self.fail("look")

        run_case(make_case(HTTPStubTestCase, test=test))
        report = self.read()
        self.assertIn("Without 10 earlier ones", report)
        self.assertNotIn("GET /9<", report)
        self.assertIn("GET /10<", report)
        self.assertEqual(len(json.loads(self.read(name="traffic.har"))["log"]["entries"]), 310)

    def test_a_frozen_clock(self) -> None:
        """The timeline is in the order in which things happened, whatever the test does to the clock."""

        def test(self: Any) -> None:
            self.stub.on().reply(204)
            requests.get(f"{self.stub.url}/first", timeout=HANG)
            with freezegun.freeze_time("2001-01-01"):
                send_mail(self, "Second")
            requests.get(f"{self.stub.url}/third", timeout=HANG)
            self.fail("look")

        run_case(make_case(HTTPStubTestCase, SMTPTestCase, test=test))
        report = self.read()
        places = [report.index(text) for text in ("GET /first<", "Second<", "GET /third<")]
        self.assertEqual(places, sorted(places))
        self.assertNotIn('class="when">-', report)

    def test_large_bodies(self) -> None:
        """What would take long to mask is left out, the oldest first, and both files say so."""

        def test(self: Any) -> None:
            self.stub.on().reply(204)
            for number in range(3):
                requests.post(f"{self.stub.url}/{number}", data=b"word " * 200_000, timeout=HANG)
            requests.post(f"{self.stub.url}/form", files={"password": (None, "s3cr3t"), "a": (None, "b")}, timeout=HANG)
            self.fail("look")

        run_case(make_case(HTTPStubTestCase, test=test))
        entries = json.loads(self.read(name="traffic.har"))["log"]["entries"]
        self.assertTrue(entries[-1]["request"]["postData"]["text"])
        self.assertEqual([entry.get("comment", "") for entry in entries].count(""), 2)
        self.assertEqual(entries[0]["comment"], "the bodies, of 1,000,000 bytes, are left out")
        report = self.read()
        self.assertIn("only the first 200,000 bytes are shown", report)
        self.assertNotIn("s3cr3t", report)


class FailuresTest(FolderTest):
    """Which failures leave one."""

    def test_none(self) -> None:
        """A test that passes, is skipped, or fails as expected leaves nothing."""
        members: dict[str, Any] = {
            "test_1": lambda self: None,
            "test_2": lambda self: self.skipTest("not today"),
            "test_3": unittest.expectedFailure(lambda self: self.fail("as expected")),
        }
        run_case(make_case(HTTPStubTestCase, **members))
        self.assertEqual(self.folders(), [])

    def test_several_failures(self) -> None:
        """What a server holds against a test fails it like any failure; all of a test are in its one folder."""

        def unmet(self: Any) -> None:
            self.stub.expect("GET", "/never")

        def subtests(self: Any) -> None:
            for number in range(3):
                with self.subTest(number=number):
                    self.assertEqual(number, 1)

        async def later(self: Any) -> None:
            self.fail("in a coroutine")

        def tear_down(self: Any) -> None:
            raise ValueError("the clean-up")

        stub, isolated = (HTTPStubTestCase,), (HTTPStubTestCase, unittest.IsolatedAsyncioTestCase)
        both: dict[str, Any] = {"test": lambda self: self.fail("the test"), "tearDown": tear_down}
        for bases, members, count, texts in (
            (stub, {"test": unmet}, 1, ("GET &#39;/never&#39;",)),
            (stub, {"test": subtests}, 2, ("(number=0)", "0 != 1", "(number=2)", "2 != 1")),
            (stub, both, 2, ("the test", "the clean-up")),
            (isolated, {"test": later}, 1, ("in a coroutine",)),
        ):
            with self.subTest(texts):
                self.assert_named(run_case(make_case(*bases, **members)), *[THE_CASE] * count)
                for text in texts:
                    self.assertIn(text, self.read())

    def test_set_up_class(self) -> None:
        """What fails there, before, while or after the servers start, leaves the folder of the class, once."""

        def fail(cls: Any) -> Any:
            raise ValueError("before, or while")

        def log_in(cls: Any) -> None:
            super(cls, cls).setUpClass()
            cls.stub.on().reply(403)
            requests.get(f"{cls.stub.url}/login", timeout=HANG).raise_for_status()

        for name, base, members, text in (
            ("Before", HTTPStubTestCase, {"setUpClass": classmethod(fail)}, "before, or while"),
            ("While", LiveServerTestCase, {"create_app": classmethod(fail)}, "before, or while"),
            ("After", HTTPStubTestCase, {"setUpClass": classmethod(log_in)}, "GET /login"),
        ):
            with self.subTest(name):
                case = make_case(base, test=look, **members)
                case.__qualname__ = name
                _, report = run_case(case).result.errors[0]
                self.assertEqual(report.count("what its servers saw"), 1, report)
                self.assertIn(text, self.read(f"made.{name}"))

    def test_debug(self) -> None:
        """A test that is run without a result leaves one."""
        case = make_case(HTTPStubTestCase, test=look)
        case.setUpClass()
        self.addCleanup(case.doClassCleanups)
        with self.assertRaises(AssertionError):
            case("test_it").debug()
        case.tearDownClass()
        self.assertEqual(self.folders(), [THE_CASE])

    def test_a_class_attribute(self) -> None:
        """The folder can stand in the class; the variable wins, and ``none`` is none."""
        for attribute, variable, is_there in (
            (self.root / "mine", "", True),
            (str(self.root / "mine"), "none", False),
            (self.root / "other", str(self.root / "mine"), True),
        ):
            with self.subTest(variable), mock.patch.dict(os.environ, {"LIVESERVER_ARTIFACTS": variable}):
                run_case(make_case(HTTPStubTestCase, test=look, server_artifacts=attribute))
                self.assertEqual((self.root / "mine" / THE_CASE / "report.html").exists(), is_there)
                if is_there:
                    (self.root / "mine").rename(self.root / f"was {variable.replace('/', '_')}")
        self.assertFalse((self.root / "other").exists())

    def test_any_name_of_a_test(self) -> None:
        """Names that no file system takes are changed, and keep a hash that tells them apart."""

        names = ["test_plain", "test <a>", "test /a", "test_" + "x" * 300, "test_" + "x" * 301]
        outcome = run_case(make_case(HTTPStubTestCase, **dict.fromkeys(names, look)))
        self.assertEqual(len(outcome.result.failures), len(names))
        found = self.folders()
        self.assertEqual(len(found), len(names))
        self.assertIn("made.Case.test_plain", found)
        for folder in found:
            self.assertRegex(folder, r"^made\.Case\.test_[A-Za-z0-9_.-]{1,120}$")
            self.assertTrue((self.root / folder / "report.html").is_file())


class TroubleTest(FolderTest):
    """What goes wrong is said, and is not held against the test."""

    def report(self, **members: Any) -> str:
        outcome = run_case(make_case(HTTPStubTestCase, test=look, **members))
        self.assertEqual(outcome.summary, {"run": 1, "failures": 1})
        self.assertIn("AssertionError: look", outcome.report)
        return outcome.report.rpartition("\n\n")[2]

    def test_no_folder(self) -> None:
        """A file is where the folder should be."""
        (self.root / "file").write_text("")
        with mock.patch.dict(os.environ, {"LIVESERVER_ARTIFACTS": str(self.root / "file")}):
            report = self.report()
        self.assertRegex(report, r"^there is no folder of this failure in .*file: (FileExistsError|NotADirectoryError)")

    def test_a_screenshot_that_fails(self) -> None:
        """Each is one line, above the path."""

        def gone(self: Any) -> bytes:
            raise ValueError("the browser is gone")

        async def later(self: Any) -> bytes:
            return PNG

        for take, text in (
            (gone, "ValueError: the browser is gone"),
            (later, "it is a coroutine: override server_screenshot() and return bytes"),
            (lambda self: "png", "server_screenshot() returned str; wanted bytes, or None"),
        ):
            with self.subTest(text):
                first, *rest = self.report(server_screenshot=take).splitlines()
                self.assertTrue(first.startswith("there is no screenshot: ") and first.endswith(text), first)
                self.assertEqual(rest, [f"what its servers saw is in {self.root / 'made.Case.test_it'}"])

    def test_no_jinja(self) -> None:
        """The traffic and the mails are written all the same."""
        from liveserver_testcase.inspector import pages

        pages.load_templates.cache_clear()
        with mock.patch.dict(sys.modules, {"jinja2": None}):
            report = self.report()
        self.assertEqual(
            report.splitlines()[0], "there is no report.html: pip install 'liveserver-testcase[inspector]'"
        )
        self.assertEqual([each.name for each in (self.root / THE_CASE).iterdir()], ["traffic.har"])

    def test_a_mistaken_attribute(self) -> None:
        """A setting that is no path, or misspelt, is an error of the class, and no test is run."""
        with mock.patch.dict(os.environ, {"LIVESERVER_ARTIFACTS": ""}):
            for name, value, text in (
                ("server_artifacts", 5, "Case.server_artifacts is 5; wanted text"),
                ("server_artifact", "x", "did you mean server_artifacts?"),
            ):
                with self.subTest(name):
                    outcome = run_case(make_case(HTTPStubTestCase, test=lambda self: None, **{name: value}))
                    self.assertEqual({"run": 0, "errors": 1}, outcome.summary)
                    self.assertIn(text, outcome.report)


class OffTest(NoLeaks):
    """What it costs who does not use it."""

    def test_nothing_is_loaded(self) -> None:
        """Without a folder nothing of it is imported, and a live server does not capture."""
        script = """
            import os, sys, unittest
            os.environ.pop("LIVESERVER_ARTIFACTS", None)
            from liveserver_testcase import LiveServerTestCase

            class ShopTest(LiveServerTestCase):
                @staticmethod
                def app(environ, start_response):
                    start_response("200 OK", [])
                    return [b""]

                def test_it(self):
                    self.live.get("/")
                    self.assertIsNone(self.live_server.requests[0].capture)
                    self.fail("look")

            unittest.main(argv=["x"], exit=False, verbosity=0)
            print(sorted(name for name in sys.modules if "inspector" in name or "har" == name.rpartition(".")[2]
                         or name.partition(".")[0] == "jinja2"))
        """
        done = run_python(script)
        self.assertIn("failures=1", done.stderr)
        self.assertEqual(done.stdout.strip(), "[]")

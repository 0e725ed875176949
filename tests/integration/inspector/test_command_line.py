"""``python -m liveserver_testcase``: servers by hand, as a person or a program starts them."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import smtplib
import subprocess
import sys
import tempfile
import textwrap
import threading
import unittest
from collections.abc import Iterator
from typing import Any

import requests

from tests.support import HANG, ROOT

FILES = {
    "shop/__init__.py": "",
    "shop/wsgi.py": """
        def app(environ, start_response):
            if environ["PATH_INFO"] == "/boom":
                raise ValueError("it is broken")
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"welcome"]

        async def asgi(scope, receive, send):
            if scope["type"] == "http":
                await send({"type": "http.response.start", "status": 204, "headers": []})
                await send({"type": "http.response.body"})

        def make_app():
            return app
    """,
    "stubs.py": """
        def configure(stub):
            stub.on("GET", "/status").reply(json={"ok": True})

        def broken(stub):
            stub.on("GET", "/x", qury={})
    """,
    "raising.py": "1 / 0",
    "tests/__init__.py": "",
    "tests/test_shop.py": """
        from liveserver_testcase import HTTPStubTestCase, LiveServerTestCase, SMTPTestCase
        from shop.wsgi import app

        class ShopTest(LiveServerTestCase, HTTPStubTestCase, SMTPTestCase):
            @classmethod
            def create_app(cls):
                return app

            @classmethod
            def configure_stub(cls, stub):
                stub.on("GET", "/status").reply(json={"ok": True})
    """,
}


class CommandTest(unittest.TestCase):
    """A folder with an application, and the program started in it."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        for name, text in FILES.items():
            file = cls.folder / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(textwrap.dedent(text))
        shutil.copytree(ROOT / "docs" / "examples" / "start", cls.folder, dirs_exist_ok=True)

    @contextlib.contextmanager
    def run_command(self, *arguments: str, ends_with: int = 0) -> Iterator[subprocess.Popen[str]]:
        """The program while it runs, with its output as a pipe and no input; it ends by itself, or by a signal."""
        environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""}
        command = [sys.executable, "-X", "dev", "-W", "error", "-m", "liveserver_testcase", *arguments]
        pipes: Any = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
        process = subprocess.Popen(
            command, cwd=self.folder, env=environ, stdin=subprocess.DEVNULL, encoding="utf-8", **pipes
        )
        killer = threading.Timer(6 * HANG, process.kill)
        killer.start()
        try:
            yield process
            if process.poll() is None and ends_with == 0:
                process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=6 * HANG)
            self.assertEqual((process.returncode, errors if ends_with == 0 else ""), (ends_with, ""))
        finally:
            killer.cancel()
            process.kill()
            process.communicate()

    def start(self, process: subprocess.Popen[str], kind: str) -> str:
        """The URL of the server that it has started; the inspector is beside it."""
        first, second = self.read(process, 2)
        self.assertRegex(first, rf"^{kind} server at (http|smtp)://127\.0\.0\.1:\d+$")
        self.assertRegex(second, r"^inspector at http://127\.0\.0\.1:\d+/$")
        return first.rpartition(" ")[2]

    def read(self, process: subprocess.Popen[str], count: int = 1) -> list[str]:
        """The next lines."""
        assert process.stdout is not None
        return [process.stdout.readline().rstrip("\n") for _ in range(count)]

    def refuse(self, *arguments: str) -> str:
        """What is said of a wrong command: one line, and status 2."""
        with self.run_command(*arguments, ends_with=2) as process:
            _, errors = process.communicate(timeout=6 * HANG)  # with the start of the program, on a busy machine
        self.assertEqual(errors.count("\n"), 1, errors)
        self.assertTrue(errors.startswith("liveserver-testcase: "), errors)
        return errors

    def test_the_readme(self) -> None:
        """Each command that it has works as printed, beside its examples."""
        text = (ROOT / "README.rst").read_text(encoding="utf-8")
        commands = re.findall(r"^ +python -m liveserver_testcase (.+)$", text, re.MULTILINE)
        self.assertEqual([command.split()[0] for command in commands], ["live", "stub", "smtp", "all"])
        for command in commands:
            with self.subTest(command), self.run_command(*command.split()) as process:
                self.start(process, "(live|stub|smtp)")

    def test_live(self) -> None:
        """An application, or what a function makes, is served; each request is a line, without secrets."""
        with self.run_command("live", "shop.wsgi:app") as process:
            url = self.start(process, "live")
            self.assertEqual(requests.get(f"{url}/?token=s3cr3t", timeout=HANG).text, "welcome")
            self.assertRegex(self.read(process)[0], r"^\d\d:\d\d:\d\d live GET /\?token=\*\*\* -> 200 in [\d.]+ ms$")
            requests.get(f"{url}/boom", timeout=HANG)
            self.assertRegex(self.read(process)[0], r"live GET /boom -> 500 in [\d.]+ ms \(raised ValueError\)$")
        for name, status in (("shop.wsgi:asgi", 204), ("shop.wsgi:make_app()", 200)):
            with self.subTest(name), self.run_command("live", name, "--no-inspector") as process:
                first, second = self.read(process, 2)
                self.assertEqual(second, "there is no inspector")
                self.assertEqual(requests.get(first.rpartition(" ")[2], timeout=HANG).status_code, status)

    def test_stub(self) -> None:
        """A script answers; what it does not know gets the report, and is marked."""
        with self.run_command("stub", "stubs.py:configure") as process:
            url = self.start(process, "stub")
            self.assertEqual(requests.get(f"{url}/status", timeout=HANG).json(), {"ok": True})
            answer = requests.get(f"{url}/statis", timeout=HANG)
            self.assertEqual(answer.status_code, 501)
            self.assertIn("FAIL path: wanted '/status', got '/statis'", answer.text)
            lines = self.read(process, 2)
            self.assertRegex(lines[1], r"stub GET /statis -> 501 in [\d.]+ ms \(nothing answers it\)$")

    def test_smtp(self) -> None:
        """Mails are lines; anybody can log in where that is wanted."""
        with self.run_command("smtp", "--accept-any-login") as process:
            port = self.start(process, "smtp").rpartition(":")[2]
            with smtplib.SMTP("127.0.0.1", int(port), timeout=HANG) as client:
                client.login("ann", "anything")
                client.sendmail("a@example.com", ["b@example.com"], b"Subject: Tea\r\n\r\nCome.")
            self.assertRegex(self.read(process)[0], r"smtp a@example\.com -> b@example\.com: Tea$")

    def test_all(self) -> None:
        """The servers of a test class stay up, with what the class has scripted."""
        with self.run_command("all", "tests/test_shop.py:ShopTest") as process:
            lines = self.read(process, 4)
            urls = dict(line.split(" server at ") for line in lines[:3])
            self.assertEqual(list(urls), ["smtp", "stub", "live"])
            self.assertIn("inspector at ", lines[3])
            self.assertEqual(requests.get(urls["live"], timeout=HANG).text, "welcome")
            self.assertEqual(requests.get(f"{urls['stub']}/status", timeout=HANG).json(), {"ok": True})

    def test_json(self) -> None:
        """Programs read an object a line."""
        with self.run_command("stub", "stubs.py:configure", "--json") as process:
            started, inspector = (json.loads(line) for line in self.read(process, 2))
            self.assertEqual((started["event"], started["kind"]), ("started", "stub"))
            self.assertEqual(inspector["event"], "inspector")
            requests.get(f"{started['url']}/status", timeout=HANG)
            line = json.loads(self.read(process)[0])
            self.assertEqual((line["event"], line["method"], line["status"]), ("request", "GET", 200))

    def test_interrupt(self) -> None:
        """Ctrl-C ends it, also while a page listens to its events."""
        with self.run_command("stub") as process:
            page = self.read(process, 2)[1].removeprefix("inspector at ")
            with requests.get(f"{page}events", stream=True, timeout=HANG) as events:
                self.assertEqual(next(events.iter_lines()), b"retry: 500")
                process.send_signal(signal.SIGINT)
                self.assertEqual(process.wait(HANG), 0)

    def test_nobody_reads(self) -> None:
        """A pipe that is closed ends it without a word."""
        with self.run_command("stub") as process:
            url = self.start(process, "stub")
            assert process.stdout is not None
            process.stdout.close()
            requests.get(url, timeout=HANG)
            self.assertEqual(process.wait(HANG), 0)
            process.stdout = None

    def test_errors_of_use(self) -> None:
        """Each is one line that says what is wrong."""
        for arguments, text in (
            (["serve"], "invalid choice: 'serve'"),
            (["live"], "the following arguments are required: app; see liveserver-testcase live --help"),
            (["live", "shop.wsgi:ap"], "shop.wsgi has no attribute 'ap'"),
            (["live", "raising:app"], "division by zero"),
            (["live", "shop.wsgi:app", "--host", "256.0.0.1"], "256.0.0.1"),
            (["stub", "none.py:configure"], "there is no file 'none.py'"),
            (["stub", "stubs.py:setup"], "stubs.py has no 'setup'"),
            (["stub", "stubs.py"], "wanted module:name, or path/to/file.py:name"),
            (["stub", "stubs.py:broken"], "Did you mean 'query'?"),
            (["stub", "--har", "none.har"], "'none.har' cannot be read"),
            (["stub", "raising.py:configure"], "the import of raising.py has failed (ZeroDivisionError: division by"),
            (["smtp", "--user", "ann"], "--user is 'ann'; wanted a name and a password"),
            (["all", "stubs.py:configure"], "wanted a test class"),
        ):
            with self.subTest(arguments):
                self.assertIn(text, self.refuse(*arguments))

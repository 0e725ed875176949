"""Servers in processes under whatever runs the tests: scripts, import modes, coverage."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path

from tests.support import ROOT

CLASS = """
import http.client, os, unittest
from liveserver_testcase import LiveServer

class ShopTest(unittest.TestCase):
    @classmethod
    def create_app(cls):
        def app(environ, start):
            start("200 OK", [])
            return [f"{cls.__name__} {os.getpid()}".encode()]
        return app

    @classmethod
    def setUpClass(cls):
        cls.server = LiveServer(cls.create_app, mode="process")
        cls.server.start()
        cls.addClassCleanup(cls.server.stop)

    def test_it(self):
        client = http.client.HTTPConnection(*self.server.address)
        self.addCleanup(client.close)
        client.request("GET", "/")
        self.assertEqual(f"ShopTest {self.server.pid}", client.getresponse().read().decode())
"""

APP = """
def app(environ, start):
    start("200 OK", [])
    return [b"covered"]
"""

ASKING = """
import http.client
from liveserver_testcase import LiveServer
if __name__ == "__main__":
    with LiveServer("shop:app", mode="process") as server:
        client = http.client.HTTPConnection(*server.address)
        client.request("GET", "/")
        client.getresponse().read()
        client.close()
"""

COVERAGE = """
[run]
source = .
parallel = true
concurrency = thread, multiprocessing
patch = subprocess
"""


class RunsTest(unittest.TestCase):
    """Files of a user's, run as users run them."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(textwrap.dedent(text).lstrip())

    def run_python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV"))}
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**ours, "PYTHONPATH": str(ROOT), "HYPOTHESIS_NO_PLUGINS": "1"},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    def assert_runs(self, *arguments: str) -> None:
        done = self.run_python(*arguments)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)

    def test_runners(self) -> None:
        """A class is found in the child whatever has run its tests, which the child does not run."""
        (self.folder / "pack").mkdir()
        self.write("pack/__init__.py", "")
        self.write("pack/test_shop.py", f'{CLASS}\nif __name__ == "__main__":\n    unittest.main()\n')
        pytest = ("pytest", "-q", "-p", "no:cacheprovider")
        for arguments in (
            ("pack/test_shop.py",),
            ("-m", "pack.test_shop"),
            ("-m", "unittest", "pack.test_shop"),
            ("-m", *pytest),
            ("-m", *pytest, "-n", "2"),
            ("-m", *pytest, "--import-mode=importlib", "pack"),  # by its file alone
            ("-m", "nose2", "pack.test_shop"),
        ):
            with self.subTest(arguments=arguments):
                self.assert_runs("-X", "dev", "-W", "error", *arguments)

    def test_a_script_without_a_guard(self) -> None:
        """A script that would run its tests in the child is told what to write; nothing runs for ever."""
        self.write("shop.py", f"{CLASS}\nunittest.main()\n")
        done = self.run_python("shop.py")
        self.assertNotEqual(0, done.returncode)
        self.assertIn("Ran 0 tests", done.stderr)
        self.assertRegex(
            done.stderr,
            r"UsageError: importing /.+/shop\.py in the server's process ended it \(SystemExit: \w+\)\. The process "
            r"needs the script's classes and must not run its tests: call unittest\.main\(\) under "
            r"`if __name__ == '__main__':`",
        )

    def test_a_script_that_starts_a_server_without_a_guard(self) -> None:
        """A child that would start a child of its own while it imports the script does not."""
        self.write(
            "shop.py",
            """
            from liveserver_testcase import LiveServer

            def make():
                return print

            LiveServer(make, mode="process").start()
            """,
        )
        done = self.run_python("shop.py")
        self.assertEqual(1, done.returncode)
        self.assertIn(
            "UsageError: <LiveServer starting at http://127.0.0.1:0> was to be started while a server's process "
            "imports the script that runs the tests: call unittest.main(), and whatever else starts servers, under "
            "`if __name__ == '__main__':`",
            done.stderr,
        )

    def test_coverage(self) -> None:
        """What runs in the child is measured, with coverage's own settings for it."""
        self.write("shop.py", APP)
        self.write("ask.py", ASKING)
        self.write("cov.ini", COVERAGE)
        self.assert_runs("-m", "coverage", "run", "--rcfile=cov.ini", "ask.py")
        self.assert_runs("-m", "coverage", "combine", "-q", "--rcfile=cov.ini")
        done = self.run_python("-m", "coverage", "report", "--rcfile=cov.ini", "--include=shop.py")
        self.assertRegex(done.stdout, r"shop\.py +3 +0 +100%")

"""The folder of a failure under each runner."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

from tests.support import run_files

TRAFFIC = ["report.html", "traffic.har"]
SUITE = """
    import pytest, requests, unittest
    from liveserver_testcase import HTTPStubTestCase

    class ShopTest(HTTPStubTestCase):
        def test_1(self):
            requests.get(self.stub.url + "/a")
        def test_2(self):
            self.fail("look")
        def test_3(self):
            pass

    class BrokenTest(HTTPStubTestCase):
        @classmethod
        def setUpClass(cls):
            super().setUpClass()
            raise ValueError("broken")
        def test_1(self):
            pass
"""
FIXTURES = """
    import pytest, requests

    class Page:
        def screenshot(self):
            return b"a picture"

    @pytest.fixture
    def page():
        return Page()

    @pytest.mark.parametrize("path", ["a/b", "c"])
    def test_fails(stub, page, path):
        assert 1 == 2

    def test_is_judged(stub):
        requests.get(stub.url)

    def test_passes(stub):
        pass

    def test_is_skipped(stub):
        pytest.skip("not today")

    def test_fails_without_a_server():
        assert False

    @pytest.fixture
    def app():
        return 5

    def test_cannot_start(live):
        pass
"""


class RunnersTest(unittest.TestCase):
    """What is printed, and what is in the folder."""

    def run_suite(self, suite: str, *command: str) -> dict[str, list[str]]:
        """Run a module; returns the names of the folders, whose paths are printed, with what is in each."""
        with tempfile.TemporaryDirectory() as folder:
            printed = run_files(folder, *command, files={"test_it.py": suite}, LIVESERVER_ARTIFACTS="failures")
            root = Path(folder, "failures")
            found = {each.name: sorted(file.name for file in each.iterdir()) for each in root.iterdir()}
            for name in found:
                self.assertIn(f"what its servers saw is in {root.resolve() / name}\n", printed)
        return found

    def test_each_runner(self) -> None:
        """The same folders, and their paths in what is printed."""
        for command in (
            ("unittest", "test_it"),
            ("pytest", "-p", "no:cacheprovider", "test_it.py"),
            ("pytest", "-p", "no:cacheprovider", "-n", "2", "test_it.py"),
            ("nose2", "test_it"),
        ):
            with self.subTest(command):
                names = ["test_it.BrokenTest", "test_it.ShopTest.test_1", "test_it.ShopTest.test_2"]
                self.assertEqual(self.run_suite(SUITE, *command), dict.fromkeys(names, TRAFFIC))

    def test_fixtures(self) -> None:
        """Tests that take the plugin's fixtures leave one, too, with a picture of the fixture's page."""
        plugin = ("-p", "liveserver_testcase.pytest_plugin")
        found = self.run_suite(FIXTURES, "pytest", *plugin, "-p", "no:cacheprovider", "-n", "2", "test_it.py")
        picture = ["report.html", "screenshot.png", "traffic.har"]
        self.assertEqual(
            {name.rpartition("-")[0]: files for name, files in found.items()},
            {
                "test_it.py_test_fails_a_b": picture,
                "test_it.py_test_fails_c": picture,
                "test_it.py_test_is_judged": TRAFFIC,
                "liveserver_testcase.pytest_plugin.live_of_test_it.py_test_cannot_start": TRAFFIC,
            },
        )

"""What the documentation says happens: its projects pass their tests, and its reports are what readers see."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import unittest
from pathlib import Path

from tests.docs.pages import DOCS, EXAMPLES, run


class ProjectsTest(unittest.TestCase):
    """The examples that are projects, or lessons; pytest runs their tests with all others."""

    @unittest.skipIf(importlib.util.find_spec("django") is None, "Django is not installed")
    def test_the_django_site(self) -> None:
        """Its tests run under unittest and Django's own runner, and leave no connection that keeps a database."""
        with tempfile.TemporaryDirectory() as name:
            file = {"GUESTBOOK_TEST_DATABASE": str(Path(name, "test.sqlite3"))}
            for arguments, variables in (
                (("-m", "unittest"), {}),
                (("-m", "unittest"), file),
                (("manage.py", "test"), file),
                (("manage.py", "test", "--parallel", "2"), {}),
            ):
                with self.subTest(arguments=arguments, variables=variables):
                    output = run("-W", "error", *arguments, folder=EXAMPLES / "django_site", code=0, **variables)
                    self.assertRegex(output, r"Ran \d\d tests")
                    self.assertEqual([], list(Path(name).iterdir()))

    def test_others(self) -> None:
        """Their tests run under unittest, say nothing, and are as many as a page says."""
        for folder, needed, modules, printed in (
            ("flask_app", "flask_sqlalchemy", (), r"\A\.+\n-+\nRan \d\d tests"),
            ("letters", "django", (), r"Ran \d\d tests"),
            ("todo", "requests", ("test_todo",), "Ran 2 tests"),
            ("weather", "requests", ("test_weather",), "Ran 2 tests"),
            ("letters", "requests", ("test_accounts",), "Ran 2 tests"),
        ):
            with self.subTest(folder=folder, modules=modules):
                if importlib.util.find_spec(needed) is None:
                    self.skipTest(f"{needed} is not installed")
                output = run("-W", "error", "-m", "unittest", *modules, folder=EXAMPLES / folder, code=0)
                self.assertRegex(output, printed)

    def test_the_demo_passes_and_shows_a_report(self) -> None:
        """``make demo`` shows the shop's traffic, and the report of the test that fails on purpose."""
        output = run("demo.py", folder=EXAMPLES / "checkout", code=0)
        self.assertIn("payment API  POST /charges", output)
        self.assertIn("mail server  to ann@example.com: 'Your tea'", output)
        self.assertIn("FAIL path: wanted '/charges', got '/charge/charges'", output)


@unittest.skipIf(sys.version_info < (3, 11), "Python 3.10 prints tests and tracebacks in another way")
class ReportsTest(unittest.TestCase):
    """The reports on the pages."""

    maxDiff = None

    MODULES = {
        "letters": "failing.FailingTest",
        "recipes": "broken.PriceTest",
        "todo": "failing_todo.FailingTest",
        "weather": "failing_weather.FailingTest",
    }

    def test_reports(self) -> None:
        """Each is what the failing test of its name prints, and a page shows it."""
        pages = "".join(page.read_text(encoding="utf-8") for page in DOCS.rglob("*.rst"))
        for folder, case in self.MODULES.items():
            for report in sorted((EXAMPLES / folder).glob("report_*.txt")):
                with self.subTest(report=report.name):
                    test = f"{case}.{report.stem.replace('report', 'test', 1)}"
                    output = run("-m", "unittest", test, folder=EXAMPLES / folder, code=1)
                    self.assertIn(report.read_text(encoding="utf-8").strip(), output)
                    self.assertIn(f".. example: {folder}/{report.name}\n", pages)

    def test_the_output_of_the_passing_run(self) -> None:
        """The tutorial's reader sees the two lines that the page shows."""
        output = run("-m", "unittest", "-v", "test_signup", folder=EXAMPLES / "first", code=0)
        shown = (DOCS / "tutorial" / "all-three.rst").read_text(encoding="utf-8")
        lines = [line for line in output.splitlines() if line.endswith("... ok")]
        self.assertEqual(len(lines), 2)
        for line in lines:
            self.assertIn(f"    {line}\n", shown)

    def test_the_report_of_the_broken_run(self) -> None:
        """The reader who breaks the application as told sees the report that the page shows."""
        source = (EXAMPLES / "first" / "test_signup.py").read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "test_signup.py").write_text(source.replace('f"{spam_api}/check/', 'f"{spam_api}/checks/'))
            output = run("-m", "unittest", "test_signup.SignupTest.test_a_welcome_is_mailed", folder=folder, code=1)
        shown = (EXAMPLES / "first" / "report.txt").read_text(encoding="utf-8")
        self.assertIn(shown.strip(), output)

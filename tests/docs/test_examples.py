"""What the documentation says happens: its projects pass their tests, and its reports are what readers see."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import unittest
from pathlib import Path

from tests.docs.pages import DOCS, EXAMPLES, run


class ProjectsTest(unittest.TestCase):
    """The examples that are projects of a framework; pytest runs their tests with all others."""

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

    @unittest.skipIf(importlib.util.find_spec("flask_sqlalchemy") is None, "Flask-SQLAlchemy is not installed")
    def test_the_flask_application(self) -> None:
        """Its tests run under unittest, say nothing and leave nothing."""
        output = run("-W", "error", "-m", "unittest", folder=EXAMPLES / "flask_app", code=0)
        self.assertRegex(output, r"\A\.+\n-+\nRan \d\d tests")

    @unittest.skipIf(importlib.util.find_spec("django") is None, "Django is not installed")
    def test_the_mails(self) -> None:
        """The examples about mail run under unittest, too."""
        output = run("-W", "error", "-m", "unittest", folder=EXAMPLES / "letters", code=0)
        self.assertRegex(output, r"Ran \d\d tests")

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


class TutorialTest(unittest.TestCase):
    """What the tutorial shows is what its reader sees."""

    @unittest.skipIf(sys.version_info < (3, 11), "Python 3.10 names a test without its class and method")
    def test_the_output_of_the_passing_run(self) -> None:
        """The reader sees the two lines that the page shows."""
        output = run("-m", "unittest", "-v", "test_signup", folder=EXAMPLES / "first", code=0)
        shown = (DOCS / "tutorial" / "all-three.rst").read_text(encoding="utf-8")
        lines = [line for line in output.splitlines() if line.endswith("... ok")]
        self.assertEqual(len(lines), 2)
        for line in lines:
            self.assertIn(f"    {line}\n", shown)

    @unittest.skipIf(sys.version_info < (3, 11), "the page shows the traceback of Python 3.11 and later")
    def test_the_report_of_the_broken_run(self) -> None:
        """The reader who breaks the application as told sees the report that the page shows."""
        source = (EXAMPLES / "first" / "test_signup.py").read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "test_signup.py").write_text(source.replace('f"{spam_api}/check/', 'f"{spam_api}/checks/'))
            output = run("-m", "unittest", "test_signup.SignupTest.test_a_welcome_is_mailed", folder=folder, code=1)
        shown = (EXAMPLES / "first" / "report.txt").read_text(encoding="utf-8")
        self.assertIn(shown.strip(), output)

    def test_the_lessons_for_one_server(self) -> None:
        """Their tests pass, as the pages say."""
        for folder in ("todo", "weather", "letters"):
            name = {"todo": "test_todo", "weather": "test_weather", "letters": "test_accounts"}[folder]
            with self.subTest(name):
                self.assertIn("Ran 2 tests", run("-m", "unittest", name, folder=EXAMPLES / folder, code=0))

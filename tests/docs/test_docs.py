"""What the documentation says is what happens: its examples run, its outputs are real, its tables are complete."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import liveserver_testcase as package

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
EXAMPLES = DOCS / "examples"
PAGES = [page for page in [ROOT / "README.rst", *DOCS.rglob("*.rst")] if "_build" not in page.parts]


def run(*arguments: str, folder: Path, code: int, **variables: str) -> str:
    """Run Python in ``folder``; its output, with ports, times and folders made the same for all."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **variables}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    output = done.stdout + done.stderr
    if done.returncode != code:
        raise AssertionError(f"{arguments} ended with {done.returncode}:\n{output}")
    output = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:49213", output)
    return re.sub(r"in \d+\.\d+s", "in 0.010s", output)


def make_alike(report: str) -> str:
    """A report without what differs from Python to Python, from machine to machine and from run to run."""
    report = re.sub(r"^ +[~^][ ~^]*\n", "", report, flags=re.MULTILINE)
    report = re.sub(r'File "[^"]*/', 'File "', report)
    return re.sub(r"\d+ ms", "1 ms", report)


class ExampleTest(unittest.TestCase):
    """The code that readers copy."""

    def test_the_pages_show_the_examples(self) -> None:
        """Each block on a page is its source, letter by letter: ``make pages`` writes them."""
        run("embed.py", "--check", folder=DOCS, code=0)

    def test_python_on_a_page_is_an_example(self) -> None:
        """No code stands on a page that nothing runs."""
        unmarked = re.compile(r"^(?! *\.\. example: ).*\n\n *\.\. code-block:: python", re.MULTILINE)
        for page in PAGES:
            with self.subTest(page=page.name):
                self.assertEqual([], unmarked.findall(page.read_text(encoding="utf-8")))

    def test_the_readme_is_short(self) -> None:
        """The README has fewer than 140 lines."""
        self.assertLess(len((ROOT / "README.rst").read_text(encoding="utf-8").splitlines()), 140)

    def test_links_of_the_readme_lead_somewhere(self) -> None:
        """Each file that the README links to is there."""
        for target in re.findall(r"<([^>\s]+)>`_", (ROOT / "README.rst").read_text(encoding="utf-8")):
            with self.subTest(target=target):
                self.assertTrue((ROOT / target).exists())

    def test_the_demo_passes_and_shows_a_report(self) -> None:
        """``make demo`` shows the shop's traffic, and the report of the test that fails on purpose."""
        output = run("demo.py", folder=EXAMPLES / "checkout", code=0)
        self.assertIn("payment API  POST /charges", output)
        self.assertIn("mail server  to ann@example.com: 'Your tea'", output)
        self.assertIn("FAIL path: wanted '/charges', got '/charge/charges'", output)


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


class DebuggingTest(unittest.TestCase):
    """The reports on the page about debugging."""

    @unittest.skipIf(sys.version_info < (3, 11), "Python 3.10 names a test without its class and method")
    def test_reports(self) -> None:
        """They are what readers see who run the same tests."""
        for name in ("a_price", "nobody_looks_at_the_answer", "a_request_that_never_came"):
            with self.subTest(name=name):
                output = run("-m", "unittest", f"broken.PriceTest.test_{name}", folder=EXAMPLES / "recipes", code=1)
                shown = (EXAMPLES / "recipes" / f"report_{name}.txt").read_text(encoding="utf-8")
                self.assertIn(shown.strip(), make_alike(output))


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


class NamesTest(unittest.TestCase):
    """What pages name is there."""

    THEIRS = frozenset({"live_server_url", "live_server_ws_url", "live_server_scope"})  # of those whom one comes from
    MODULES = frozenset({"live_adapter", "live_handle"})

    def test_members_of_the_live_mixin(self) -> None:
        """Each name of the live mixin on a page is one of its members, or a file."""
        names = re.compile(r"\b(?:live_[a-z_]+|(?:assert|expect)(?:No)?Live[A-Z]\w+)\b(?!\.py)")
        for page in PAGES:
            for name in sorted(set(names.findall(page.read_text(encoding="utf-8"))) - self.THEIRS - self.MODULES):
                with self.subTest(page=page.name, name=name):
                    self.assertTrue(hasattr(package.LiveServerTestCase, name))

    def test_variables(self) -> None:
        """Each environment variable on a page is in the table of settings, or below it."""
        table = (DOCS / "reference" / "settings.rst").read_text(encoding="utf-8")
        theirs = {"LIVESERVER_TIMEOUT"}
        for page in PAGES:
            for name in sorted(set(re.findall(r"\bLIVESERVER_[A-Z_]+\b", page.read_text(encoding="utf-8"))) - theirs):
                with self.subTest(page=page.name, name=name):
                    self.assertIn(f"``{name}``", table)


class ReferenceTest(unittest.TestCase):
    """The reference is complete."""

    def test_every_public_name_is_in_the_reference(self) -> None:
        """Whatever the package exports is documented on some page of the reference."""
        pages = "\n".join(page.read_text(encoding="utf-8") for page in (DOCS / "reference").glob("*.rst"))
        for name in package.__all__:
            with self.subTest(name=name):
                self.assertRegex(pages, rf"auto(class|data|exception|function):: (liveserver_testcase\.)?{name}\b")

    def test_every_file_is_on_the_page_about_the_house(self) -> None:
        """The page about the design names each file of the package."""
        page = (DOCS / "explanation" / "design.rst").read_text(encoding="utf-8")
        for path in (ROOT / "liveserver_testcase").glob("*/*.py"):
            if path.name != "__init__.py":
                with self.subTest(path=path.name):
                    self.assertRegex(page, rf"\b{path.name}\b")

    def test_every_setting_is_in_the_table(self) -> None:
        """Each configuration attribute of a mixin stands in the table with its default and its variable."""
        table = (DOCS / "reference" / "settings.rst").read_text(encoding="utf-8")
        for case, prefix, variable in (
            (package.LiveServerTestCase, "live_", "LIVESERVER_"),
            (package.HTTPStubTestCase, "stub_", "STUBSERVER_"),
            (package.SMTPTestCase, "smtp_", "SMTPSERVER_"),
        ):
            for name, value in vars(case).items():
                if name.startswith(prefix) and isinstance(value, str | int | float):
                    row = (
                        rf"``{name}``\s+``{re.escape(str(value))}``\s+``{variable}{name.removeprefix(prefix).upper()}``"
                    )
                    with self.subTest(name=name):
                        self.assertRegex(table, row)

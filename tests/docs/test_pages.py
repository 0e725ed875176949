"""What stands on a page is true: its code is tested, its report is real, its links lead somewhere, its names exist."""

from __future__ import annotations

import re
import tempfile
import textwrap
import unittest
from pathlib import Path

import liveserver_testcase as package
from tests.docs.pages import DOCS, PAGES, README, REFERENCE, ROOT, run


class CodeTest(unittest.TestCase):
    """The code on the pages."""

    def test_the_pages_show_the_examples(self) -> None:
        """Each block on a page is its source, letter by letter: ``make pages`` writes them."""
        run("embed.py", "--check", folder=DOCS, code=0)

    def test_python_on_a_page_is_an_example(self) -> None:
        """No code stands on a page that nothing runs."""
        unmarked = re.compile(r"^(?! *\.\. example: ).*\n\n *\.\. code-block:: python", re.MULTILINE)
        for page in PAGES:
            with self.subTest(page=page.name):
                self.assertEqual([], unmarked.findall(page.read_text(encoding="utf-8")))


class ReadmeTest(unittest.TestCase):
    """The page that most people read first, on a code host or a package index."""

    text = README.read_text(encoding="utf-8")

    def test_its_code_works_as_it_stands(self) -> None:
        """Its three blocks, each pasted into a file in an empty folder, are three tests that pass."""
        blocks = re.findall(r"\.\. code-block:: python\n\n((?: {4}.*\n|\n)+)", self.text)
        self.assertEqual(3, len(blocks))
        with tempfile.TemporaryDirectory() as name:
            for number, block in enumerate(blocks):
                Path(name, f"test_{number}.py").write_text(textwrap.dedent(block), encoding="utf-8")
            output = run("-W", "error", "-m", "unittest", folder=Path(name), code=0)
        self.assertIn("Ran 3 tests", output)

    def test_its_report_is_real(self) -> None:
        """Text and picture are what its first test prints if a parameter is misspelt: ``make pages`` writes them."""
        run("picture.py", "--check", folder=DOCS, code=0)

    def test_its_links_lead_somewhere(self) -> None:
        """Each file that it links to is in the repository, and it names no address that nobody has registered."""
        targets = re.findall(r"<([^>\s]+)>`_|\.\. image:: (\S+)", self.text)
        self.assertTrue(targets)
        for target in map("".join, targets):
            with self.subTest(target=target):
                self.assertTrue((ROOT / target).exists())


class NamesTest(unittest.TestCase):
    """What pages name is there."""

    THEIRS = frozenset({"live_server_url", "live_server_ws_url", "live_server_scope", "LIVESERVER_TIMEOUT"})

    def test_members_and_variables(self) -> None:
        """Each name of the live mixin on a page is its member; each variable is in the table of settings."""
        table = (REFERENCE / "settings.rst").read_text(encoding="utf-8")
        members = re.compile(r"(?<!cases\.)\b(?:live_[a-z_]+|(?:assert|expect)(?:No)?Live[A-Z]\w+)\b(?!\.py)")
        variables = re.compile(r"\b(?:LIVESERVER|STUBSERVER|SMTPSERVER)_[A-Z_]+\b")
        for page in PAGES:
            text = page.read_text(encoding="utf-8")
            for name in {*members.findall(text), *variables.findall(text)} - self.THEIRS:
                with self.subTest(page=page.name, name=name):
                    is_known = f"``{name}``" in table if name.isupper() else hasattr(package.LiveServerTestCase, name)
                    self.assertTrue(is_known)

    def test_files_of_the_package(self) -> None:
        """Each file or package that the page about the design names is there."""
        page = (DOCS / "explanation" / "design.rst").read_text(encoding="utf-8")
        for name in set(re.findall(r"``((?:cases|stub|mail|web|process|core|tests)/[\w/.]*)``", page)):
            with self.subTest(name=name):
                self.assertTrue((ROOT / name).exists() or (ROOT / "liveserver_testcase" / name).exists())

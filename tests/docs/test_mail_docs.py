"""What the pages about mail show is what their readers see."""

from __future__ import annotations

import importlib.util
import re
import unittest

from liveserver_testcase import ReceivedEmail, SMTPTestCase
from liveserver_testcase.mail.criteria import KNOWN, EmailCriteria
from tests.docs.test_docs import DOCS, EXAMPLES, run
from tests.integration.mail.mailing import normalise_dialogue

LETTERS = EXAMPLES / "letters"


class ReportsTest(unittest.TestCase):
    """The reports on the pages."""

    maxDiff = None

    def test_each(self) -> None:
        """They are what the failing examples print, and a page shows each."""
        pages = "".join(page.read_text(encoding="utf-8") for page in DOCS.rglob("*.rst"))
        for name in (
            "another_subject",
            "nobody_connects",
            "a_recipient_is_refused",
            "one_too_many",
            "a_link_that_is_not_there",
            "no_starttls",
        ):
            with self.subTest(name):
                output = run("-m", "unittest", f"failing.FailingTest.test_{name}", folder=LETTERS, code=1)
                output = re.sub(r"EHLO \S+", "EHLO laptop", normalise_dialogue(output))
                output = re.sub(r"size=\d+", "size=725", output)
                output = re.sub(r"code=\d+", "code=560941", output)
                self.assertIn((LETTERS / f"report_{name}.txt").read_text(encoding="utf-8"), output)
                self.assertIn(f"letters/report_{name}.txt", pages)


class ReferenceTest(unittest.TestCase):
    """The page that lists what there is."""

    page = (DOCS / "reference" / "mail.rst").read_text(encoding="utf-8")

    def test_every_criterion(self) -> None:
        """Each criterion has a row, and is known to type checkers."""
        names = {*KNOWN, "attachment", "headers", "tls"}
        self.assertEqual(set(EmailCriteria.__annotations__), names)
        for name in names:
            with self.subTest(name):
                self.assertRegex(self.page, rf"(?m)^``{name}`` ")

    def test_every_member_of_a_mail(self) -> None:
        """Each public property and method of a mail is documented."""
        listed = re.findall(r"\w+", self.page.partition("autoclass:: ReceivedEmail")[2].partition("..")[0])
        members = {name for name in vars(ReceivedEmail) if not name.startswith("_")}
        self.assertEqual(members - set(listed), set())

    def test_every_assertion(self) -> None:
        """Each assertion is documented with its class."""
        page = (DOCS / "reference" / "mixins.rst").read_text(encoding="utf-8")
        for name in dir(SMTPTestCase):
            if "Email" in name:
                with self.subTest(name):
                    self.assertRegex(page, rf"\b{name}\b")


class ExamplesTest(unittest.TestCase):
    """The examples on the pages; pytest runs them with all others."""

    @unittest.skipIf(importlib.util.find_spec("django") is None, "Django is not installed")
    def test_under_unittest(self) -> None:
        """They run under unittest, too."""
        output = run("-W", "error", "-m", "unittest", folder=LETTERS, code=0)
        self.assertRegex(output, r"Ran \d\d tests")


class TutorialTest(unittest.TestCase):
    """The lesson about mail."""

    def test_it_passes(self) -> None:
        """Its tests pass, as the page says."""
        output = run("-m", "unittest", "test_accounts", folder=LETTERS, code=0)
        self.assertIn("Ran 2 tests", output)
        self.assertIn("OK", output)

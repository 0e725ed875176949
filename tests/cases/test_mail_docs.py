"""What the pages about mail show is what their readers see."""

from __future__ import annotations

import re
import unittest

from tests.cases.mailing import normalise_dialogue
from tests.test_docs import DOCS, EXAMPLES, run

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
        ):
            with self.subTest(name):
                output = run("-m", "unittest", f"failing.FailingTest.test_{name}", folder=LETTERS, code=1)
                output = re.sub(r"EHLO \S+", "EHLO laptop", normalise_dialogue(output))
                output = re.sub(r"size=\d+", "size=725", output)
                output = re.sub(r"code=\d+", "code=560941", output)
                self.assertIn((LETTERS / f"report_{name}.txt").read_text(encoding="utf-8"), output)
                self.assertIn(f"letters/report_{name}.txt", pages)


class TutorialTest(unittest.TestCase):
    """The lesson about mail."""

    def test_it_passes(self) -> None:
        """Its tests pass, as the page says."""
        output = run("-m", "unittest", "test_accounts", folder=LETTERS, code=0)
        self.assertIn("Ran 2 tests", output)
        self.assertIn("OK", output)


if __name__ == "__main__":
    unittest.main()

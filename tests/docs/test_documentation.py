"""What the pages about the stub show is what their readers see."""

from __future__ import annotations

import unittest

from tests.docs.test_docs import EXAMPLES, run


class ReportsTest(unittest.TestCase):
    """Reports that are shown on pages."""

    maxDiff = None

    def test_the_reports_of_the_failing_tests(self) -> None:
        """Each is printed as it stands in its file."""
        output = run("-m", "unittest", "failing_weather", folder=EXAMPLES / "weather", code=1)
        reports = sorted((EXAMPLES / "weather").glob("report_*.txt"))
        self.assertEqual(3, len(reports))
        for report in reports:
            with self.subTest(report=report.name):
                self.assertIn(report.read_text(encoding="utf-8"), output)

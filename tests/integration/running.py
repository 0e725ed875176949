"""Run a test class inside a test, and look at what came of it."""

from __future__ import annotations

import io
import re
import socket
import unittest
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

__all__ = ["Outcome", "is_refused", "make_case", "normalise", "run_case", "run_suite", "visit"]


class Outcome:
    """What became of a run.

    Attributes:
        result: The runner's own result.
        printed: All that the runner printed.
    """

    def __init__(self, result: unittest.TestResult, printed: str) -> None:
        self.result = result
        self.printed = printed

    @property
    def summary(self) -> dict[str, int]:
        """How many of each kind, none left out but zeros."""
        kinds = ("failures", "errors", "skipped", "expectedFailures", "unexpectedSuccesses")
        counts = {kind: len(getattr(self.result, kind)) for kind in kinds}
        return {"run": self.result.testsRun, **{kind: count for kind, count in counts.items() if count}}

    def assert_passed(self, count: int = 1) -> None:
        """So many tests have run, and all have passed."""
        if self.summary != {"run": count}:
            raise AssertionError(f"{self.summary}\n{self.printed}")

    def reports(self) -> list[str]:
        """The text of each failure and error, made comparable."""
        return [normalise(text) for _, text in [*self.result.failures, *self.result.errors]]

    @property
    def report(self) -> str:
        """The text of the one failure or error."""
        reports = self.reports()
        if len(reports) != 1:
            raise AssertionError(f"there are {len(reports)} reports:\n" + "\n".join(reports) + self.printed)
        return reports[0]


def is_refused(url: str) -> bool:
    """Whether nobody listens there any more."""
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname, parts.port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def run_suite(*tests: Any, **options: Any) -> Outcome:
    """Run tests or suites with unittest's own runner."""
    stream = io.StringIO()
    runner = unittest.TextTestRunner(stream=stream, verbosity=0, **options)
    result = runner.run(unittest.TestSuite(tests))
    return Outcome(result, stream.getvalue())


def run_case(*cases: type[unittest.TestCase], **options: Any) -> Outcome:
    """Run all tests of the classes, one class after the other."""
    return run_suite(*map(unittest.defaultTestLoader.loadTestsFromTestCase, cases), **options)


def make_case(*bases: type, **members: Any) -> type[Any]:
    """A test class named ``Case`` with these members; a function named ``test`` becomes its one test."""
    if "test" in members:
        members["test_it"] = members.pop("test")
    return type("Case", bases, {"__module__": "made", "__qualname__": "Case", **members})


def visit(*paths: str, status: int | None = None) -> Callable[[Any], None]:
    """A test of a live server that requests these paths, and minds their status if there is one to compare."""

    def test(self: Any) -> None:
        for path in paths or ("/",):
            found = self.live.get(path).status_code
            self.assertEqual(found if status is None else status, found)

    return test


def normalise(text: str) -> str:
    """A report without what differs from run to run, or from Python to Python."""
    rules = [
        (r"^[ ~^]+\n", ""),  # what underlines a part of a line, on 3.11 and later
        (r'File "[^"]*?([^"/\\]+)", line \d+', r'File "\1", line N'),
        (r"written at \S*?([^\s/\\]+):\d+", r"written at \1:N"),
        (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
        (r"\d+\.\d s old", "N s old"),
        (r"0x[0-9a-f]+", "0xN"),
    ]
    for pattern, replacement in rules:
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    return text.rstrip("\n")

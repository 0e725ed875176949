"""One set of suites under six runners: every test comes to the same under each, and says the same."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import os
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.runners.recording import Record, load
from tests.runners.suites.expected import ClassError, Expected

ROOT = Path(__file__).resolve().parents[2]
SUITES = [f"tests.runners.suites.{name}" for name in ("suite_outcomes", "suite_async", "suite_classes", "suite_late")]
FILES = [f"{name.replace('.', os.sep)}.py" for name in SUITES]
PYTEST = ["-m", "pytest", "-p", "tests.runners.recording", "-p", "no:cacheprovider", "-o", "python_files=suite_*.py"]

UNITTEST = """
import unittest
from tests.runners.recording import RecordingResult
unittest.main(module=None, testRunner=unittest.TextTestRunner(resultclass=RecordingResult))
"""

TESTTOOLS = """
import sys
import testtools.run
from tests.runners.recording import Recording
class RecordingResult(Recording, testtools.TextTestResult):
    pass
testtools.run.TextTestResult = RecordingResult
testtools.run.main(sys.argv, sys.stdout)
"""

GREEN = """
import sys
import green.cmdline
import green.runner
from tests.runners.recording import save_green
original = green.runner.run
def run(*arguments):
    result = original(*arguments)
    save_green(result)
    return result
green.runner.run = run
sys.exit(green.cmdline.main())
"""

STRICT = ["-X", "dev", "-W", "error"]
COMMANDS = {
    "unittest": [*STRICT, "-c", UNITTEST, *SUITES],
    "pytest": [*PYTEST, *FILES],  # its configuration makes warnings errors
    # a class in one process, as everybody wants it: some tests tell what the one before them has left
    "xdist": [*PYTEST, "-n", "2", "--dist", "loadscope", *FILES],
    "testtools": [*STRICT, "-c", TESTTOOLS, *SUITES],
    "green": [*STRICT, "-c", GREEN, "--processes", "2", *SUITES],
    "nose2": [*STRICT, "-m", "nose2", "--plugin", "tests.runners.recording", *SUITES],
}
MISSING = [name for name in ("testtools", "green") if importlib.util.find_spec(name) is None]
# Python 3.12.1 and 3.12.2 start no test that is skipped, on which green ends with an AttributeError, whatever the tests
if (3, 12, 1) <= sys.version_info < (3, 12, 3) and "green" not in MISSING:
    MISSING.append("green")
LIMIT = 120  # seconds for what takes about five


class Run:
    """A runner in a process of its own, which is waited for when somebody wants to know."""

    def __init__(self, directory: Path, name: str) -> None:
        self._path = directory / f"{name}.json"
        ours = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        environ = {**ours, "RECORD_TO": str(self._path), "PYTHONPATH": str(ROOT)}
        self._output = (directory / f"{name}.txt").open("w+", encoding="utf-8")
        self._process = subprocess.Popen(
            [sys.executable, *COMMANDS[name]], cwd=ROOT, env=environ, stdout=self._output, stderr=subprocess.STDOUT
        )

    def finish(self) -> tuple[list[Record], str, int]:
        """Its records, all it printed, and its exit status."""
        try:
            status = self._process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        self._output.seek(0)
        output = self._output.read()
        if not self._path.exists():
            raise AssertionError(f"the runner died:\n{output}")
        return load(self._path), output, status

    def close(self) -> None:
        """End it, if it goes on; close what it wrote to."""
        self._process.kill()
        self._process.wait()
        self._output.close()


runs: dict[str, Run] = {}
opened = contextlib.ExitStack()  # not module clean-ups: pytest does not run those


def setUpModule() -> None:
    """Begin all at once; each test class waits for its own."""
    directory = opened.enter_context(tempfile.TemporaryDirectory())
    for name in COMMANDS:
        if name not in MISSING:
            runs[name] = Run(Path(directory), name)
            opened.callback(runs[name].close)


def tearDownModule() -> None:
    """End what still goes on, and remove its files."""
    opened.close()


def suite_classes() -> Iterator[type[unittest.TestCase]]:
    """The test classes of all suites that have tests."""
    for suite in SUITES:
        module = importlib.import_module(suite)
        for value in vars(module).values():
            if inspect.isclass(value) and issubclass(value, unittest.TestCase) and value.__module__ == suite:
                if unittest.defaultTestLoader.getTestCaseNames(value):
                    yield value


def expectations() -> Iterator[tuple[str, str, Expected]]:
    """Every test that runs, with what it must come to."""
    for case in suite_classes():
        error = getattr(case, "class_error", None)
        if error is not None and error.where == "setUpClass":
            continue
        for name in unittest.defaultTestLoader.getTestCaseNames(case):
            yield case.__name__, name, getattr(case, name).expected


def class_errors() -> dict[str, ClassError]:
    """The classes that fail as a whole."""
    return {case.__name__: case.class_error for case in suite_classes() if hasattr(case, "class_error")}


class Checks:
    """What holds under every runner."""

    runner: str
    records: list[Record]
    output: str
    status: int
    severity = ("passed", "skipped", "unexpected success", "expected failure", "failed", "error")

    @classmethod
    def setUpClass(cls) -> None:
        cls.records, cls.output, cls.status = runs[cls.runner].finish()

    def outcome(self: Any, expected: str) -> str:
        """What the runner calls an outcome."""
        return expected

    def of_test(self, case: str, test: str) -> list[Record]:
        return [record for record in self.records if (record.case, record.test) == (case, test)]

    def test_outcomes(self: Any) -> None:
        """Every test comes to what its suite says, and a test that was not to run did not."""
        found = {}
        for record in self.records:
            key = f"{record.case}.{record.test}"
            if record.test and self.severity.index(record.what) >= self.severity.index(found.get(key, "passed")):
                found[key] = record.what
        wanted = {f"{case}.{test}": self.outcome(expected.outcome) for case, test, expected in expectations()}
        self.assertEqual(wanted, found)

    def test_reports(self: Any) -> None:
        """A report says what it must, in order, once, and the runner prints it; what is not the test's is not in it."""
        for case, test, expected in expectations():
            records = self.of_test(case, test)
            text = "\n".join(record.text for record in records)
            with self.subTest(case=case, test=test):
                is_failure = self.outcome(expected.outcome) in ("failed", "error")
                self.assertEqual(is_failure, sum(record.what in ("failed", "error") for record in records))
                self.check_says(text, expected.says, printed=is_failure)
                for concealed in expected.conceals:
                    self.assertNotIn(concealed, text)

    def test_class_errors(self: Any) -> None:
        """A class that cannot start, or has something to say after its last test, is reported as one, and says it."""
        found: dict[str, set[str]] = {}
        for record in self.records:
            if not record.test:
                found.setdefault(record.case, set()).add(record.what)
        self.assertEqual({case: {error.where} for case, error in class_errors().items()}, found)
        for case, error in class_errors().items():
            for record in self.of_test(case, ""):
                with self.subTest(case=case):
                    self.check_says(record.text, error.says)

    def test_the_end(self: Any) -> None:
        """The runner ends as it does when tests have failed; no warning and no error of its own is printed."""
        self.assertEqual(1, self.status, self.output)
        for sign in ("ResourceWarning", "Exception ignored", "INTERNALERROR", "never retrieved", "Fatal Python"):
            self.assertNotIn(sign, self.output)

    def check_says(self: Any, text: str, says: Sequence[str], *, printed: bool = True) -> None:
        place = 0
        for words in says:
            place = text.find(words, place)
            self.assertNotEqual(-1, place, f"{words!r} is missing, or too early, in:\n{text}")
            place += len(words)
            if printed:
                self.assertIn(words, self.output)


class UnderUnittest(Checks, unittest.TestCase):
    """``python -m unittest``."""

    runner = "unittest"


class UnderPytest(Checks, unittest.TestCase):
    """``pytest``, which calls an error in a test a failure, too."""

    runner = "pytest"

    def outcome(self, expected: str) -> str:
        return {"error": "failed", "unexpected success": "failed"}.get(expected, expected)


class UnderXdist(UnderPytest):
    """``pytest -n 2``."""

    runner = "xdist"


class UnderNose2(Checks, unittest.TestCase):
    """``nose2``."""

    runner = "nose2"


@unittest.skipIf("testtools" in MISSING, "testtools is not installed")
class UnderTesttools(Checks, unittest.TestCase):
    """``python -m testtools.run``."""

    runner = "testtools"


@unittest.skipIf("green" in MISSING, "green is not installed, or cannot run a skipped test on this Python")
class UnderGreen(Checks, unittest.TestCase):
    """``green``, which does not say which class an error of a whole class belongs to."""

    runner = "green"
    test_class_errors = None  # type: ignore[assignment]

    def check_says(self, text: str, says: Sequence[str], *, printed: bool = True) -> None:
        """It prints no heading above a traceback."""
        super().check_says(text, [words for words in says if not words.startswith("Traceback (")], printed=printed)

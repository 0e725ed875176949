"""What six runners make of the same suites, as records of one form.

This module is the whole of the recording: results for unittest and testtools, a plugin for pytest and one for nose2
(``-p tests.runners.recording``, ``--plugin`` there), and a function for the result of green.  Each writes its records
as JSON to the path in ``RECORD_TO``.
"""

from __future__ import annotations

import json
import os
import sys
import unittest
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

__all__ = ["Record", "Recording", "RecordingResult", "load", "save_green"]


@dataclass
class Record:
    """One thing that a runner was told.

    Attributes:
        case: The name of the class.
        test: The name of the test; empty for something about the class.
        what: An outcome, or ``setUpClass`` or ``tearDownClass``.
        text: What the runner prints about it.
    """

    case: str
    test: str
    what: str
    text: str = ""


def load(path: Path) -> list[Record]:
    """The records of a run."""
    return [Record(**record) for record in json.loads(path.read_text(encoding="utf-8"))]


def _save(records: Sequence[Record]) -> None:
    path = os.environ.get("RECORD_TO")
    if path:
        Path(path).write_text(json.dumps([asdict(record) for record in records]), encoding="utf-8")


def _make_record(test: Any, what: str, text: str = "") -> Record:
    """A record of a test, a subtest, or what stands for a class that failed: ``setUpClass (module.Class)``."""
    name = test.id()
    if name.startswith(("setUpClass (", "tearDownClass (")):
        where, _, case = name.rstrip(")").partition(" (")
        return Record(case.rpartition(".")[2], "", where, text)
    _, case, name = getattr(test, "test_case", test).id().rsplit(".", 2)
    return Record(case, name, what, text)


# -- unittest ----------------------------------------------------------------------------------------------------------


if TYPE_CHECKING:
    _Result = unittest.TextTestResult
else:
    _Result = object


class Recording(_Result):
    """Mixed into a runner's own result: prints as ever, and records."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.records: list[Record] = []

    def addSuccess(self, test: Any) -> None:
        super().addSuccess(test)
        self.records.append(_make_record(test, "passed"))

    def addFailure(self, test: Any, err: Any) -> None:
        super().addFailure(test, err)
        self.records.append(_make_record(test, "failed", self.failures[-1][1]))

    def addError(self, test: Any, err: Any) -> None:
        super().addError(test, err)
        self.records.append(_make_record(test, "error", self.errors[-1][1]))

    def addSkip(self, test: Any, reason: str) -> None:
        super().addSkip(test, reason)
        self.records.append(_make_record(test, "skipped", reason))

    def addExpectedFailure(self, test: Any, err: Any) -> None:
        super().addExpectedFailure(test, err)
        self.records.append(_make_record(test, "expected failure", self.expectedFailures[-1][1]))

    def addUnexpectedSuccess(self, test: Any) -> None:
        super().addUnexpectedSuccess(test)
        self.records.append(_make_record(test, "unexpected success"))

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        super().addSubTest(test, subtest, err)
        if err is not None:
            failed = issubclass(err[0], test.failureException)
            text = (self.failures if failed else self.errors)[-1][1]
            self.records.append(_make_record(subtest, "failed" if failed else "error", text))

    def stopTestRun(self) -> None:
        super().stopTestRun()
        _save(self.records)


class RecordingResult(Recording, unittest.TextTestResult):
    """unittest's."""


# -- green -------------------------------------------------------------------------------------------------------------


def save_green(result: Any) -> None:
    """Record what green has collected from its processes; what befalls a class as a whole it does not assign to one."""
    records = []
    for what, entries in (
        ("passed", [(test, "") for test in result.passing]),
        ("unexpected success", [(test, "") for test in result.unexpectedSuccesses]),
        ("failed", result.failures),
        ("error", result.errors),
        ("skipped", result.skipped),
        ("expected failure", result.expectedFailures),
    ):
        records += [
            Record(test.class_name, test.method_name, what, str(text)) for test, text in entries if test.method_name
        ]
    _save(records)


# -- pytest ------------------------------------------------------------------------------------------------------------

_reports: list[Record] = []


def pytest_runtest_logreport(report: Any) -> None:
    """Record what a person would read of."""
    _, case, name = report.nodeid.split("::")
    text = report.longreprtext
    if report.skipped:
        reason = getattr(report, "wasxfail", None)
        what = "skipped" if reason is None else "expected failure"
        _reports.append(Record(case, name, what, text or str(reason)))
    elif report.when == "call":
        _reports.append(Record(case, name, report.outcome, text))
    elif report.failed:
        where = {"setup": "setUpClass", "teardown": "tearDownClass"}[report.when]
        _reports.append(Record(case, "", where, text))


def pytest_sessionfinish(session: Any) -> None:
    """Write the records; with several processes the one that is told by all others does."""
    if not hasattr(session.config, "workerinput"):
        _save(_reports)


# -- nose2 -------------------------------------------------------------------------------------------------------------

if "nose2" in sys.modules:
    from nose2 import events, result, util

    class RequestLog(events.Plugin):  # type: ignore[misc]
        """Records what nose2 prints."""

        alwaysOn = True

        def __init__(self) -> None:
            self.records: list[Record] = []

        def testOutcome(self, event: Any) -> None:
            what = event.outcome
            if what == result.SUBTEST:
                if event.exc_info is None:
                    return
                failed = issubclass(event.exc_info[0], event.test.failureException)
                what = result.FAIL if failed else result.ERROR
            if what == result.FAIL and event.expected:
                what = "expected failure"
            if what == result.PASS and not event.expected:
                what = "unexpected success"
            text = event.reason or (util.exc_info_to_string(event.exc_info, event.test) if event.exc_info else "")
            self.records.append(_make_record(event.test, what, text))

        def afterSummaryReport(self, event: Any) -> None:
            _save(self.records)

"""How much CPU time an import takes, in fresh interpreters."""

from __future__ import annotations

import resource
import subprocess
import sys

from benchmarks.processes import LIMIT, environment
from benchmarks.run import Run
from benchmarks.servers import OURS
from benchmarks.tables import Column, Table

BARE = "bare interpreter"
FLOOR = "its libraries"
MIXINS = "ours, three mixins"
STATEMENTS = {
    BARE: "pass",
    OURS: "import liveserver_testcase",
    MIXINS: ("from liveserver_testcase import HTTPStubTestCase, LiveServerTestCase, SMTPTestCase"),
    FLOOR: "import aiosmtpd.smtp, requests, werkzeug.wrappers",
    "pytest-httpserver": "import pytest_httpserver",
    "unittest": "import unittest",
}


def measure(run: Run) -> list[Table]:
    """Take the CPU time of whole interpreters, in turns; the bare one of the same round is taken off."""
    table = Table(
        "imports",
        f"Import, ms of CPU ({run.settings.imports} fresh interpreters each, the bare one taken off)",
        (Column("ms", "ms", digits=1),),
        ((FLOOR, "x libs"),),
        notes=[
            f"ours: {STATEMENTS[OURS]}",
            f"{FLOOR}: {STATEMENTS[FLOOR]}",
        ],
    )
    statements = dict(STATEMENTS)
    for turn in range(run.settings.imports + 1):
        bare = 0.0
        for name, statement in list(statements.items()):
            took = interpret(statement)
            if took is None:
                run.say(f"  left out: {name}: {statement!r} fails")
                del statements[name]
            elif name == BARE:
                bare = took
            elif turn:  # the first round warms the file cache up
                table.add(name, "ms", took - bare)
    return [table]


def interpret(statement: str) -> float | None:
    """Give the CPU time in ms of an interpreter that runs one statement; None when the statement fails."""
    before = _children()
    done = subprocess.run(
        [sys.executable, "-c", statement],
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=LIMIT,
        check=False,
    )
    return (_children() - before) * 1e3 if done.returncode == 0 else None


def _children() -> float:
    """Give the CPU time in seconds that the processes waited for have taken."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime

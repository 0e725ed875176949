"""How long an import takes, in fresh interpreters."""

from __future__ import annotations

import subprocess
import sys
import time

from benchmarks.processes import LIMIT, environment
from benchmarks.run import Run
from benchmarks.servers import OURS
from benchmarks.tables import Column, Table

BARE = "bare interpreter"
FLOOR = "its three libraries"
MIXINS = "ours, three mixins"
STATEMENTS = {
    BARE: "pass",
    OURS: "import liveserver_testcase",
    MIXINS: ("from liveserver_testcase import HTTPStubTestCase, LiveServerTestCase, SMTPTestCase"),
    FLOOR: "import werkzeug.wrappers, requests, httptools",
    "pytest-httpserver": "import pytest_httpserver",
    "unittest": "import unittest",
}


def measure(run: Run) -> list[Table]:
    """Time whole interpreters, in turns; the bare one of the same round is taken off."""
    table = Table(
        "imports",
        f"Import, ms ({run.settings.imports} fresh interpreters each, the bare one taken off)",
        (Column("ms", "ms", digits=1),),
        ((FLOOR, "x libs"),),
        notes=[
            f"ours: {STATEMENTS[OURS]}",
            f"its three libraries: {STATEMENTS[FLOOR]}",
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
    """Time an interpreter in ms that runs one statement; None when the statement fails."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", statement],
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=LIMIT,
        check=False,
    )
    return (time.perf_counter() - began) * 1e3 if done.returncode == 0 else None

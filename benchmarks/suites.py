"""A suite of test classes, each with a server of its own, as a wall clock sees it."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.lifecycle import FIRST, STOP, live_and_die
from benchmarks.processes import Crew, WorkerError, environment
from benchmarks.run import Run
from benchmarks.servers import OURS, REFERENCE, Server
from benchmarks.tables import Column, Table

TESTS = 5
NO_REQUEST = "no request, no server"
OUTSIDE = "one server outside"
SESSION = "ours, live_scope = session"
#: A stop of so many ms waits for something; such suites are run together, once.
WAITS = 50.0
#: No suite may take longer for a class than this, in seconds, with its interpreter's start beside.
LONGEST_CLASS, LONGEST_START = 1.5, 20.0

NOTHING = """\
class Base(unittest.TestCase):
    pass
"""
ELSEWHERE = """\
class Base(unittest.TestCase):
    def live_url(self, path):
        return "http://127.0.0.1:{port}" + path
"""
MIXIN = """\
from benchmarks.apps import hello
from liveserver_testcase import LiveServerTestCase

class Base(LiveServerTestCase):
    app = hello
"""
SHARED = """\
from benchmarks.apps import hello
from liveserver_testcase import LiveServerTestCase

class Base(LiveServerTestCase):
    app = hello
    live_scope = "session"
"""
PEER = """\
from benchmarks.servers import server

class Base(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = server("{name}").make()
        cls.server.start()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def live_url(self, path):
        return "http://127.0.0.1:" + str(self.server.port) + path
"""
IMPORTS = "import unittest\nfrom urllib.request import urlopen\n"
CLASS = "\nclass Test{number:03}(Base):\n"
TEST = "    def test_{number}(self):\n        {body}\n"
REQUEST = """\
with urlopen(self.live_url("/")) as answer:
            self.assertEqual(answer.read(), b"hello")
"""
NO_BODY = 'self.assertEqual(b"hello", b"hello")\n'


@dataclass(frozen=True)
class Suite:
    """A generated test module: its row in the table, and where its base class comes from."""

    name: str
    base: str
    body: str = REQUEST

    def write(self, home: Path, classes: int) -> str:
        """Write the module, and give its name."""
        tests = "".join(TEST.format(number=n, body=self.body) for n in range(TESTS))
        cases = "".join(CLASS.format(number=n) + tests for n in range(classes))
        module = "test_" + "".join(c if c.isalnum() else "_" for c in self.name)
        (home / f"{module}.py").write_text(f"{IMPORTS}{self.base}{cases}")
        return module


def measure(run: Run) -> list[Table]:
    """Time the suites: quick ones in turns, then those whose servers wait all together."""
    classes = run.settings.classes
    table = Table(
        "suites",
        f"A suite of {classes} classes x {TESTS} tests, one request each, a server for each class",
        (Column("wall", "wall, s"), Column("cost", "ms a class", digits=1, ratios=False)),
        ((OUTSIDE, "x outside"), (REFERENCE, "x phs")),
    )
    waiting = those_that_wait(run)
    servers = run.of("http")
    # Ours, if it runs, serves from outside too: then a server per class is all that differs.
    hosts = sorted(servers, key=lambda s: s.name != OURS)[:2]
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as name, Crew(run, hosts) as workers:
        home = Path(name)
        suites = [Suite(NO_REQUEST, NOTHING, NO_BODY)]
        for worker in workers:
            with workers.excusing(worker):
                port = worker.ask("start")["port"]
                suites.append(Suite(OUTSIDE, ELSEWHERE.format(port=port)))
                table.notes.append(f"one server outside: {worker.server.name}, in another process")
                break
        suites += [suite_of(server) for server in servers if server.name not in waiting]
        if any(server.name == OURS for server in servers):
            suites.append(Suite(SESSION, SHARED))
        for _ in range(run.settings.rounds):
            for suite in list(suites):
                if not enter(run, table, [suite], home):
                    suites.remove(suite)
        enter(run, table, [suite_of(s) for s in servers if s.name in waiting], home)
    note_cost(table, classes)
    if waiting:
        table.notes.append(f"run together, once, because they wait at stop: {', '.join(waiting)}")
    return [table]


def suite_of(server: Server) -> Suite:
    """Give the suite whose classes each start this server; ours by its own mixin."""
    return Suite(server.name, MIXIN if server.name == OURS else PEER.format(name=server.name))


def those_that_wait(run: Run) -> list[str]:
    """Find the servers whose stop waits, by letting each live once."""
    scratch = Table("scratch", "", (FIRST, STOP))
    live_and_die(replace(run, settings=replace(run.settings, cycles=1)), "http", scratch)
    stops = {server.name: scratch.figure(server.name, "stop") for server in run.of("http")}
    return [name for name, stop in stops.items() if stop is not None and stop > WAITS]


def enter(run: Run, table: Table, suites: Iterable[Suite], home: Path) -> bool:
    """Run suites at the same time and enter how long each took; say whether all went well."""
    classes = run.settings.classes
    running: list[tuple[Suite, Runner]] = []
    well = True
    try:
        running.extend((suite, Runner(suite.write(home, classes), home)) for suite in suites)
        latest = time.monotonic() + classes * LONGEST_CLASS + LONGEST_START
        while any(runner.ended is None for _, runner in running) and time.monotonic() < latest:
            for _, runner in running:
                runner.look()
            time.sleep(0.001)
        for suite, runner in running:
            try:
                table.add(suite.name, "wall", runner.wall(classes * TESTS))
            except WorkerError as error:
                run.say(f"  left out: {suite.name}: {error}")
                well = False
    finally:
        for _, runner in running:
            runner.close()
    return well


class Runner:
    """A `python -m unittest` of one module, timed from outside."""

    def __init__(self, module: str, home: Path) -> None:
        self.ended: float | None = None
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        self._began = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "unittest", module],
            cwd=home,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )

    def look(self) -> None:
        """Note the time if it has ended."""
        if self.ended is None and self._process.poll() is not None:
            self.ended = time.perf_counter()

    def wall(self, tests: int) -> float:
        """Give the seconds it took.

        Raises:
            WorkerError: It did not end in time, or not every test passed.
        """
        if self.ended is None:
            raise WorkerError("the suite did not end in time")
        self._output.seek(0)
        output = self._output.read().decode(errors="replace")
        if self._process.returncode or f"Ran {tests} tests" not in output:
            raise WorkerError(reason(output))
        return self.ended - self._began

    def close(self) -> None:
        """End it, if it runs still."""
        self._process.kill()
        self._process.wait()
        self._output.close()


def reason(output: str) -> str:
    """Find the line of a failed suite's output that says why."""
    lines = output.strip().splitlines() or ["no output"]
    errors = [line for line in lines if re.match(r"[\w.]+(Error|Exception)\b", line)]
    return (errors or lines)[-1]


def note_cost(table: Table, classes: int) -> None:
    """Enter what a class's server costs: the wall time above the suite that shares one."""
    base = table.figure(OUTSIDE, "wall")
    for row in table.rows():
        wall = table.figure(row, "wall")
        if base is not None and wall is not None and row not in (OUTSIDE, NO_REQUEST):
            table.add(row, "cost", (wall - base) / classes * 1e3)

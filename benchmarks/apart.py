"""Start to first answer, and stop, of servers that run the application in a process of its own."""

from __future__ import annotations

from benchmarks.imports import interpret
from benchmarks.lifecycle import FIRST, STOP, live_and_die
from benchmarks.process_servers import APP
from benchmarks.run import Run
from benchmarks.tables import Table

IMPORT = "python -c import"
STATEMENT = f"import {APP.partition(':')[0]}"


def measure(run: Run) -> list[Table]:
    """Measure servers in processes, and the bare import of their application before and after them."""
    cycles = run.settings.cycles
    title = f"A Flask application in a process of its own: start to first answer, and stop ({cycles} cycles)"
    table = Table("apart", title, (FIRST, STOP), ((IMPORT, "x imp"), ("pytest-flask-process", "x p-f")))
    table.notes += [
        f"{IMPORT}: a whole interpreter that runs {STATEMENT!r}",
        "pytest-flask copies a process that has imported the application; ours imports it",
    ]
    time_imports(run, table, cycles - cycles // 2)
    live_and_die(run, "process", table)
    time_imports(run, table, cycles // 2)
    if table.figure("pytest-flask-process", "stop") is not None:
        table.remark("pytest-flask-process", "stop does not wait for its end")
    return [table]


def time_imports(run: Run, table: Table, times: int) -> None:
    """Time interpreters that import the application and nothing of ours."""
    for _ in range(times):
        took = interpret(STATEMENT)
        if took is None:
            run.say(f"  left out: {IMPORT}: {STATEMENT!r} fails")
            return
        table.add(IMPORT, "first", took)

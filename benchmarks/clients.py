"""What the user of a real client feels: `requests` and `httpx` in the server's own process."""

from __future__ import annotations

import importlib.util

from benchmarks.processes import Crew
from benchmarks.run import Run
from benchmarks.servers import REFERENCE, UVICORN
from benchmarks.tables import Column, Table

COLUMNS = (
    Column("requests", "requests.Session, us", digits=0),
    Column("httpx", "httpx.Client, us", digits=0),
)


def measure(run: Run) -> list[Table]:
    """Time requests from the main thread of each threaded server's process, in turns."""
    columns = [column for column in COLUMNS if importlib.util.find_spec(column.name)]
    for column in COLUMNS:
        if column not in columns:
            run.say(f"  left out: {column.title}: module {column.name} is not installed")
    table = Table(
        "clients",
        "Microseconds a request, client and server in one process",
        columns,
        ((REFERENCE, "x phs"), (UVICORN, "x uvi")),
        notes=["not pinned: a test process is not either"],
    )
    servers = [server for server in run.of("http") if server.threaded]
    table.line_up(servers)
    with Crew(run, servers) as workers:
        for worker in workers:
            with workers.excusing(worker):
                worker.ask("start")
        for _ in range(run.settings.rounds):
            for column in columns:
                for worker in workers:
                    with workers.excusing(worker):
                        reply = worker.ask(column.name, run.settings.client_window)
                        table.add(worker.server.name, column.name, reply["us"])
    return [table]

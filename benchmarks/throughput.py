"""Requests a second: a new connection each, one kept alive, eight kept alive."""

from __future__ import annotations

import math
import re
import shutil

from benchmarks.processes import Crew, WorkerError, cores, measure_load, run_client
from benchmarks.run import Run
from benchmarks.servers import REFERENCE, UVICORN, Server
from benchmarks.tables import Column, Table

WRK_RATE = re.compile(r"^Requests/sec:\s+([\d.]+)$", re.MULTILINE)
WRK_ERRORS = re.compile(r"^\s*Socket errors:.*$|^\s*Non-2xx.*$", re.MULTILINE)

COLUMNS = (
    Column("new", "new conn/s", digits=0),
    Column("one", "one kept/s", digits=0),
    Column("eight", "eight kept/s", digits=0),
)


def measure(run: Run) -> list[Table]:
    """Load each server in turn, from another process; all of them run the whole time."""
    places = cores()
    server_core, client_core = places or (None, None)
    table = Table(
        "throughput",
        "Requests a second, tiny application",
        COLUMNS,
        ((REFERENCE, "x phs"), (UVICORN, "x uvi")),
        notes=[
            f"server pinned to core {server_core}, client to core {client_core}"
            if places
            else "not pinned: there are no two cores to choose from"
        ],
    )
    wrk = shutil.which("wrk") is not None and not run.settings.quick
    table.notes.append(
        "eight connections: wrk -t1 -c8" if wrk else "eight connections: a client in Python, as for the other columns"
    )
    servers: list[Server] = [server for server in run.servers if server.kind == "http"]
    table.line_up(servers)
    with Crew(run, servers, server_core) as workers:
        ports: dict[str, int] = {}
        for worker in workers:
            with workers.excusing(worker):
                ports[worker.server.name] = worker.ask("start")["port"]
        for _ in range(run.settings.rounds):
            for column in COLUMNS:
                for worker in workers:
                    with workers.excusing(worker):
                        name = worker.server.name
                        load(run, table, name, column.name, ports[name], client_core, wrk)
    return [table]


def load(run: Run, table: Table, name: str, mode: str, port: int, core: int | None, wrk: bool) -> None:
    """Load one server for one window, and enter its rate."""
    if mode == "eight" and wrk:
        table.add(name, mode, measure_wrk(port, run.settings.window, core))
        return
    result = measure_load(mode, port, run.settings.window, core)
    table.add(name, mode, result["rate"])
    if mode == "one" and result["closes"]:
        table.remark(name, "closes each connection: the client connects anew")


def measure_wrk(port: int, seconds: float, core: int | None) -> float:
    """Give the rate that wrk reports; it counts in whole seconds.

    Raises:
        WorkerError: wrk failed, or met errors.
    """
    whole = math.ceil(seconds)
    command = ["wrk", "-t1", "-c8", f"-d{whole}s", f"http://127.0.0.1:{port}/"]
    output = run_client(command, whole, core)
    rate = WRK_RATE.search(output)
    if rate is None:
        raise WorkerError("wrk printed no rate")
    errors = WRK_ERRORS.search(output)
    if errors and "Non-2xx" in errors[0]:
        raise WorkerError(f"wrk: {errors[0].strip()}")
    return float(rate[1])

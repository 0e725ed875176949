"""Mails a second, what a large one costs in memory, and the life of a mail server."""

from __future__ import annotations

from benchmarks import mail_crowd
from benchmarks.lifecycle import measure_mail
from benchmarks.mail_load import MEGABYTE
from benchmarks.processes import Crew, WorkerHandle, cores, measure_load
from benchmarks.run import Run
from benchmarks.servers import MAIL_REFERENCE
from benchmarks.tables import Column, Table

SMTPLIB = (
    Column("mails-new", "smtplib, new conn", digits=0),
    Column("mails-one", "one conn", digits=0),
)
RAW = (
    Column("raw-new", "new conn", digits=0),
    Column("raw-one", "one conn", digits=0),
    Column("raw-1mb", "1 MB", digits=0),
    Column("raw-25mb", "25 MB", digits=1),
)
LARGE = 25 * MEGABYTE
PATIENCE = 20.0  # seconds for one large mail


def measure(run: Run) -> list[Table]:
    """Send mails from another process, in turns."""
    places = cores()
    server_core, client_core = places or (None, None)
    note = (
        f"server pinned to core {server_core}, client to core {client_core}"
        if places
        else "not pinned: there are no two cores to choose from"
    )
    reference = ((MAIL_REFERENCE, "x aio"),)
    tables = {
        "mail": Table("mail", "Mails of 1 KB a second, sent with smtplib", SMTPLIB, reference, notes=[note]),
        "mail-raw": Table("mail-raw", "Mails a second, sent on a plain socket", RAW, reference, notes=[note]),
    }
    with Crew(run, run.of("mail"), server_core) as workers:
        ports: dict[str, int] = {}
        for worker in workers:
            with workers.excusing(worker):
                ports[worker.server.name] = worker.ask("start")["port"]
        for _ in range(run.settings.rounds):
            for table in tables.values():
                for column in table.columns:
                    for worker in workers:
                        with workers.excusing(worker):
                            name = worker.server.name
                            result = measure_load(column.name, ports[name], run.settings.window, client_core)
                            table.add(name, column.name, result["rate"])
                            worker.ask("forget")
    return [measure_mail(run), *tables.values(), measure_memory(run), mail_crowd.measure(run)]


def measure_memory(run: Run) -> Table:
    """Send one large mail to each server, in a process that has seen no other."""
    table = Table(
        "mail-memory",
        "Most memory that one mail of 25 MB takes, as a multiple of the mail",
        (Column("peak", "x mail", digits=1),),
        ((MAIL_REFERENCE, "x aio"),),
    )
    for _ in range(min(3, run.settings.rounds)):
        with Crew(run, run.of("mail")) as workers:
            for worker in workers:
                with workers.excusing(worker):
                    table.add(worker.server.name, "peak", weigh(worker) / LARGE)
    return table


def weigh(worker: WorkerHandle) -> float:
    """How much the most memory of a process grows with one large mail."""
    port = worker.ask("start")["port"]
    before: float = worker.ask("peak")["peak"]
    measure_load("single-25mb", port, PATIENCE, None)
    after: float = worker.ask("peak")["peak"]
    return after - before

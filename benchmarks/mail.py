"""Mails a second, and the life of a mail server."""

from __future__ import annotations

from benchmarks.lifecycle import measure_mail
from benchmarks.processes import Crew, cores, measure_load
from benchmarks.run import Run
from benchmarks.servers import MAIL_REFERENCE
from benchmarks.tables import Column, Table

COLUMNS = (
    Column("mails-new", "new conn, mails/s", digits=0),
    Column("mails-one", "one conn, mails/s", digits=0),
)


def measure(run: Run) -> list[Table]:
    """Send mails of 1 KB with smtplib from another process, in turns."""
    places = cores()
    server_core, client_core = places or (None, None)
    table = Table(
        "mail",
        "Mails of 1 KB a second, sent with smtplib",
        COLUMNS,
        ((MAIL_REFERENCE, "x aio"),),
        notes=[
            f"server pinned to core {server_core}, client to core {client_core}"
            if places
            else "not pinned: there are no two cores to choose from"
        ],
    )
    with Crew(run, run.of("mail"), server_core) as workers:
        ports: dict[str, int] = {}
        for worker in workers:
            with workers.excusing(worker):
                ports[worker.server.name] = worker.ask("start")["port"]
        for _ in range(run.settings.rounds):
            for column in COLUMNS:
                for worker in workers:
                    with workers.excusing(worker):
                        name = worker.server.name
                        result = measure_load(column.name, ports[name], run.settings.window, client_core)
                        table.add(name, column.name, result["rate"])
    return [measure_mail(run), table]

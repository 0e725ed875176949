"""Start to first answer, and stop."""

from __future__ import annotations

from benchmarks.processes import Crew, WorkerHandle
from benchmarks.run import Run
from benchmarks.servers import MAIL_REFERENCE, REFERENCE, UVICORN, Kind
from benchmarks.tables import Column, Table

#: Lives in one turn; one after the other, as the classes of a suite have them.
BLOCK = 5
#: Who takes longer for a turn waits more than it works; meanwhile it is the next server's turn.
TURN = 0.25

FIRST = Column("first", "first answer, ms", digits=2)
STOP = Column("stop", "stop, ms", digits=2)


def measure(run: Run) -> list[Table]:
    """Measure HTTP servers; in interleaved cycles, each server in a process of its own."""
    title = f"Life of a server: start to first answer, and stop ({run.settings.cycles} cycles)"
    table = Table("lifecycle", title, (FIRST, STOP), ((REFERENCE, "x phs"), (UVICORN, "x uvi")))
    table.notes += [
        "first answer: from making the server to the end of one request's answer; not pinned",
        "stop: of a server that has been idle for 20 ms",
    ]
    live_and_die(run, "http", table)
    if table.figure("pytest-flask", "stop") is not None:
        table.remark("pytest-flask", "a process; stop does not wait for its end")
    return [table]


def measure_mail(run: Run) -> Table:
    """Measure mail servers the same way; their first answer is the greeting."""
    table = Table(
        "mail-lifecycle",
        f"Life of a mail server: start to greeting, and stop ({run.settings.cycles} cycles)",
        (FIRST, STOP),
        ((MAIL_REFERENCE, "x aio"),),
    )
    live_and_die(run, "mail", table)
    return table


def live_and_die(run: Run, kind: Kind, table: Table) -> None:
    """Let every server live the same number of times, in turns of a few lives each."""
    servers = run.of(kind)
    table.line_up(servers)
    cycles = run.settings.cycles
    block = min(BLOCK, cycles)
    with Crew(run, servers) as workers:
        for worker in workers:
            worker.send("cycles", 1)  # imports its libraries
        for worker in workers:
            with workers.excusing(worker):
                worker.receive()
        for _ in range(-(-cycles // block)):
            for worker in workers:
                with workers.excusing(worker):
                    if worker.busy:
                        note(table, worker)
                    worker.send("cycles", block)
                    if worker.heard_within(TURN):
                        note(table, worker)
        for worker in workers:
            with workers.excusing(worker):
                if worker.busy:
                    note(table, worker)


def note(table: Table, worker: WorkerHandle) -> None:
    """Wait for what a worker measured, and enter it."""
    for column, values in worker.receive().items():
        for value in values:
            table.add(worker.server.name, column, value)

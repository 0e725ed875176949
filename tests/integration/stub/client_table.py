"""What real clients make of each fault: looked at, and written into the documentation.

``python -m tests.integration.stub.client_table 3`` adds to the table what it sees in three rounds, of some rows if
those are named; what is there already stays, since a reset can overtake what was sent before it: then clients differ
from one round to the next.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from liveserver_testcase import Fault, FaultPoint, HTTPStub
from liveserver_testcase.stub.faults import FaultPlan, plan_fault
from tests.integration.stub.clients import CLIENTS, Wish

__all__ = ["ROWS", "TABLE", "observe", "read_table", "spoil"]

TABLE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "client-errors.rst"
OUTAGES = ("refuse_connections()", "blackhole()")
_OWN = ("TLS_HANDSHAKE", "EXPIRED_CERT", "WRONG_HOST_CERT", "UNTRUSTED_CERT")
_BODY = b"x" * 300_000


def _list_plans() -> Iterator[tuple[str, FaultPlan]]:
    for at in FaultPoint:
        for fault in Fault:
            with contextlib.suppress(Exception):
                plan = plan_fault(fault, at, has_request=at is not FaultPoint.CONNECT)
                yield f"{plan.fault.name} at {plan.point.name}", plan


ROWS = dict(_list_plans())
"""Every fault at every place, by the name of its row."""


@contextlib.contextmanager
def spoil(row: str, patience: float = 0.15) -> Iterator[Wish]:
    """A stub that fails as the row says, and what a client is to wish for; where it stalls, for so many seconds."""
    plan = ROWS.get(row)
    tls = plan is not None and plan.fault.name in _OWN
    with HTTPStub(tls=tls) as stub:
        stub.on().reply(200, _BODY[:1000])
        body = _BODY if plan is not None and plan.is_early else None
        stalls = row == OUTAGES[1] or (plan is not None and plan.fault is Fault.STALL)
        wish = Wish([stub.url_for("/")], body, stub.ca_file, patience if stalls else 10.0)
        if plan is None:
            with stub.refuse_connections() if row == OUTAGES[0] else stub.blackhole():
                yield wish
        elif plan.point is FaultPoint.CONNECT:
            with stub.on_connect(plan.fault):
                yield wish
        else:
            stub.expectations[0].fail(plan.fault, plan.point)
            yield wish


def observe(client: str, wish: Wish) -> str:
    """What a client raises, or the status and the bytes that it takes for the whole."""
    try:
        ((status, body),) = CLIENTS[client](wish)
    except Exception as error:
        return str(error) if client == "curl" else type(error).__name__
    return f"{status}, {len(body):,} bytes"


def read_table() -> dict[str, dict[str, list[str]]]:
    """The table as it is in the documentation: by row and client."""
    found: dict[str, dict[str, list[str]]] = {}
    if not TABLE.exists():
        return found
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    cells = [line for line in lines if line.startswith(("   * - ", "     - "))][len(CLIENTS) + 1 :]
    for start in range(0, len(cells), len(CLIENTS) + 1):
        row, *rest = [cell[7:] for cell in cells[start : start + len(CLIENTS) + 1]]
        found[row.strip("`")] = {
            client: [part.strip("`") for part in cell.split(" / ")] for client, cell in zip(CLIENTS, rest, strict=True)
        }
    return found


def _write(table: dict[str, dict[str, list[str]]]) -> None:
    lines = [
        "What clients make of it",
        "=======================",
        "",
        "What each client raised, or took for the whole answer, when a reply of 1,000 bytes went wrong; of curl the",
        "code that it ended with.  Retries were off, and what stalls was given up after a moment.  Where a reset can",
        "overtake what was sent before it, or an end what is still being sent, a client can see either.  A test holds",
        "this table.",
        "",
        ".. list-table::",
        "   :header-rows: 1",
        "   :class: wide",
        "",
        "   * - fault and place",
        *[f"     - {client}" for client in CLIENTS],
    ]
    for row in (*OUTAGES, *ROWS):
        lines.append(f"   * - ``{row}``")
        lines += [f"     - {' / '.join(f'``{each}``' for each in table[row][client])}" for client in CLIENTS]
    TABLE.write_text("\n".join([*lines, ""]), encoding="utf-8")


def main(rounds: int, rows: Sequence[str] = (*OUTAGES, *ROWS)) -> None:
    """Look several times, and write down what was seen; of some rows only, where those are named."""
    logging.disable(logging.CRITICAL)
    table = read_table()
    for _ in range(rounds):
        for row in rows:
            for client in CLIENTS:
                with spoil(row) as wish:
                    seen = observe(client, wish)
                cell = table.setdefault(row, {}).setdefault(client, [])
                if seen not in cell:
                    cell.append(seen)
                    cell.sort()
    _write(table)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3, sys.argv[2:] or (*OUTAGES, *ROWS))

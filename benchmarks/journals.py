"""What a journal of many requests takes: memory for each, and the time to look through it.

``python -m benchmarks.journals SERVER COUNT`` is the process of one server; it prints its figures as JSON.
"""

from __future__ import annotations

import gc
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.apps import BODY
from benchmarks.processes import environment
from benchmarks.run import Run
from benchmarks.servers import OUR_STUB, REFERENCE
from benchmarks.tables import Column, Table

HOST = "127.0.0.1"
REQUEST = b"GET /users/%d HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench/1\r\nAccept: */*\r\nConnection: %b\r\n\r\n"
PATIENCE = 300.0
COLUMNS = (Column("kept", "kB a request"), Column("query", "look through, ms", digits=1))
#: As many as the promise says; of the peer, which needs a minute for them, as many as tell.
COUNTS = {OUR_STUB: 100_000, REFERENCE: 20_000}


def measure(run: Run) -> list[Table]:
    """Fill each journal in a process that does nothing else."""
    table = Table(
        "journals",
        "Journal of 100,000 requests, each for another path",
        COLUMNS,
        ((REFERENCE, "x phs"),),
        notes=["the peer's figures are of 20,000 requests, its time to look through them times five"],
    )
    wanted = {server.name for server in run.servers}
    for name, count in COUNTS.items():
        if name not in wanted:
            continue
        count = count // 100 if run.settings.quick else count
        for _ in range(1 if run.settings.quick else min(3, run.settings.rounds)):
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.journals", name, str(count)],
                env=environment(),
                stdout=subprocess.PIPE,
                timeout=PATIENCE,
                check=True,
            )
            figures = json.loads(done.stdout)
            table.add(name, "kept", figures["bytes"] / count / 1000)
            table.add(name, "query", figures["query"] * 1000 * 100_000 / count)
    return [table]


def send(port: int, count: int, *, keep: bool, first: int = 0) -> None:
    """Send so many requests, on one connection if it is kept."""
    client = socket.create_connection((HOST, port))
    for number in range(first, first + count):
        client.sendall(REQUEST % (number, b"keep-alive" if keep else b"close"))
        while keep and not client.recv(65536).endswith(BODY):
            pass
        if not keep:
            while client.recv(65536):
                pass
            client.close()
            client = socket.create_connection((HOST, port))
    client.close()


def weigh() -> int:
    """Bytes that this process has in memory."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def fill(port: int, count: int, query: Callable[[], int], *, keep: bool) -> dict[str, float]:
    """Send the requests, and see what they take."""
    send(port, min(count, 1000), keep=keep)  # whatever is made once is made
    before = weigh()
    send(port, count, keep=keep)
    grown = weigh() - before
    began = time.perf_counter()
    found = query()
    took = time.perf_counter() - began
    if found < 1:
        raise SystemExit("the journal has lost requests")
    return {"bytes": grown, "query": took}


def fill_ours(count: int) -> dict[str, float]:
    """Ours, with room for all."""
    from liveserver_testcase import HTTPStub

    with HTTPStub(journal_limit=2 * count) as stub:
        stub.on("GET").reply(200, BODY)
        return fill(stub.port, count, lambda: sum(r.matches("GET", "/users/7") for r in stub.requests), keep=True)


def fill_reference(count: int) -> dict[str, float]:
    """pytest-httpserver."""
    import logging

    from pytest_httpserver import HTTPServer, RequestMatcher, URIPattern

    class Any(URIPattern):
        def match(self, uri: str) -> bool:
            return True

    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    with HTTPServer(HOST, 0) as server:
        server.expect_request(Any()).respond_with_data(BODY)
        matcher = RequestMatcher("/users/7")
        return fill(server.port, count, lambda: server.get_matching_requests_count(matcher), keep=False)


if __name__ == "__main__":
    name, count = sys.argv[1:]
    figures = fill_ours(int(count)) if name == OUR_STUB else fill_reference(int(count))
    print(json.dumps(figures))

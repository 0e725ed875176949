"""What a request costs by the number of expectations that it could be for."""

from __future__ import annotations

import http.client
import importlib.util
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from statistics import median

from benchmarks.http_servers import quiet_werkzeug
from benchmarks.run import Run
from benchmarks.tables import Column, Table
from liveserver_testcase import HTTPStub

COUNTS = (1, 100, 10_000)
REQUESTS = 200  # in one sample; a peer that looks at each expectation has few of them
PEER = "pytest_httpserver"

Address = tuple[str, int]
Script = Callable[[int], AbstractContextManager[Address]]


def measure(run: Run) -> list[Table]:
    """Time requests on new connections, for the last expectation that was written and for the first."""
    table = Table(
        "expectations",
        "A request by the number of expectations, µs (new connections, first and last expectation in turns)",
        (Column("ours", "ours", digits=0), Column("peer", "pytest-httpserver", digits=0)),
        ((name(1), "x one"),),
    )
    makers: dict[str, Script] = {"ours": script_ours}
    if importlib.util.find_spec(PEER) is not None:
        makers["peer"] = script_peer
    else:
        run.say(f"  left out: {PEER} is not installed")
    for _ in range(run.settings.rounds):
        for count in COUNTS:
            for column, make in makers.items():
                with make(count) as address:
                    table.add(name(count), column, sample(address, count, send_path))
        for row, count in ((ONE_BODY, 1), (MANY_BODIES, COUNTS[-1])):
            with script_bodies(count) as address:
                table.add(row, "ours", sample(address, count, send_body))
    return [table]


def name(count: int) -> str:
    """The row of that many expectations."""
    return f"{count:,} expectation{'' if count == 1 else 's'}"


ONE, MANY = name(COUNTS[0]), name(COUNTS[-1])
ONE_BODY, MANY_BODIES = (f"{name(count)}, by JSON" for count in (COUNTS[0], COUNTS[-1]))


@contextmanager
def script_ours(count: int) -> Iterator[Address]:
    """A stub of ours with that many expectations."""
    with HTTPStub() as stub:
        for number in range(count):
            stub.on("GET", f"/things/{number}").reply(200, json={"number": number})
        yield stub.host, stub.port


@contextmanager
def script_peer(count: int) -> Iterator[Address]:
    """The same of pytest-httpserver."""
    from pytest_httpserver import HTTPServer

    quiet_werkzeug()
    with HTTPServer("127.0.0.1") as server:
        for number in range(count):
            server.expect_request(f"/things/{number}", method="GET").respond_with_json({"number": number})
        yield server.host, server.port


@contextmanager
def script_bodies(count: int) -> Iterator[Address]:
    """A stub of ours with that many expectations for one path, which differ in the JSON that they want."""
    with HTTPStub() as stub:
        for number in range(count):
            stub.on("POST", "/things", json={"number": number}).reply(200, json={"number": number})
        yield stub.host, stub.port


def sample(address: Address, count: int, send: Callable[[Address, int], None]) -> float:
    """Time requests one by one; the median in microseconds, since other processes come in between."""
    requests = REQUESTS if count < 1000 else REQUESTS // 10
    for number in range(5):
        send(address, number % count)
    times = []
    for number in range(requests):
        began = time.perf_counter()
        send(address, 0 if number % 2 else count - 1)
        times.append(time.perf_counter() - began)
    return median(times) * 1e6


def send_path(address: Address, number: int) -> None:
    """Ask for the path of one of the expectations."""
    send(address, "GET", f"/things/{number}", None)


def send_body(address: Address, number: int) -> None:
    """Send what one of the expectations wants."""
    send(address, "POST", "/things", f'{{"number": {number}}}')


def send(address: Address, method: str, path: str, body: str | None) -> None:
    """Send a request on a connection of its own."""
    headers = {} if body is None else {"Content-Type": "application/json"}
    connection = http.client.HTTPConnection(*address, timeout=60)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        response.read()
    finally:
        connection.close()
    if response.status != 200:
        raise RuntimeError(f"{method} {path} was answered with {response.status}")

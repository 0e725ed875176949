"""Stopping a server that clients hold: idle, silent, half-way, not reading; and many at once."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from benchmarks import wire
from benchmarks.processes import Crew, WorkerError, WorkerHandle
from benchmarks.run import Run
from benchmarks.servers import OUR_ASGI, OUR_TLS, OURS, REFERENCE, UVICORN
from benchmarks.tables import Column, Table

#: Until a server has accepted everybody and read what there is to read.
SETTLE = 0.3
#: A receive buffer that a large answer fills at once.
SMALL_BUFFER = 4096
#: A server that has not connected a client by now has no room for it.
CONNECT = 2.0
#: Our own server may wait for a request in flight, so it gets longer than a peer's patience.
OUR_LIMIT = 10.0
#: When time is up, an answer that is there already is still taken.
SHORTEST = 0.001
#: Those that the others are compared with; one that hangs costs all of its patience.
FEW = (OURS, REFERENCE, UVICORN)
#: Rows whose stop is held against a target; the others are peers.
OUR_ROWS = (OURS, OUR_ASGI)
SLEEPING = "sleeping"
AT_ONCE = "at once"

Hold = Callable[[socket.socket, int], None]


def idle(sock: socket.socket, port: int) -> None:
    """Make one request and keep the connection."""
    sock.sendall(wire.request(port))
    wire.read_answer(sock)


def silent(sock: socket.socket, port: int) -> None:
    """Send nothing."""


def half_header(sock: socket.socket, port: int) -> None:
    """Stop in the middle of a header."""
    sock.sendall(wire.request(port)[:-10])


def half_body(sock: socket.socket, port: int) -> None:
    """Announce 1,000 bytes of body and send ten."""
    head = f"POST /read HTTP/1.1\r\nHost: {wire.HOST}:{port}\r\nContent-Length: 1000\r\n\r\n"
    sock.sendall(head.encode() + b"x" * 10)


def not_reading(sock: socket.socket, port: int) -> None:
    """Ask for a large answer and leave it."""
    sock.sendall(wire.request(port, "/big"))


def pieces_not_read(sock: socket.socket, port: int) -> None:
    """Ask for an answer that comes in pieces and leave it."""
    sock.sendall(wire.request(port, "/pieces"))


def sleeping(sock: socket.socket, port: int) -> None:
    """Ask for an answer that takes half a minute."""
    sock.sendall(wire.request(port, "/sleep"))


_held: list[ssl.SSLSocket] = []


def tls_idle(sock: socket.socket, port: int) -> None:
    """Make one request over TLS and keep the connection."""
    spoken = wire.speak_tls(sock.dup())
    _held.append(spoken)
    spoken.sendall(wire.request(port))
    wire.read_answer(spoken)


@dataclass(frozen=True)
class Kind:
    """A kind of client; `alone` where one of them is the question, `tls` where a server of TLS is held."""

    name: str
    hold: Hold
    alone: bool = False
    tls: bool = False


KINDS = (
    Kind("idle", idle),
    Kind("silent", silent),
    Kind("half header", half_header),
    Kind("half body", half_body),
    Kind("not reading", not_reading),
    Kind("pieces", pieces_not_read),
    Kind("TLS silent", silent, tls=True),
    Kind("TLS idle", tls_idle, tls=True),
    Kind(SLEEPING, sleeping, alone=True),
)
LEFT = Column("left", "left behind", digits=0, ratios=False, worst=True)


def measure(run: Run) -> list[Table]:
    """Hold each server in every way and stop it; ours alone, peers at the same time."""
    settings = run.settings
    columns = [Column(kind.name, kind.name, digits=1, ratios=False) for kind in KINDS]
    table = Table(
        "crowd",
        "Stop with clients that hold the server, ms",
        (*columns, LEFT),
        notes=[
            f"{settings.crowd} clients hold ours, {settings.crowd_peers} a peer",
            f"{SLEEPING}: one request that the application answers after 30 s",
            f"hangs: not stopped after {settings.patience:g} s; its process was ended",
            "left behind: threads and open files after the last of ours was stopped, at most",
        ],
    )
    servers = [server for server in run.of("http") if server.threaded]
    ours = [server for server in servers if server.name in OUR_ROWS]
    peers = [server for server in servers if server.name not in OUR_ROWS]
    if settings.quick:
        servers, peers = ours, []
        table.notes.append("a quick run: ours only")
    table.line_up(servers)
    with Crew(run, ours) as workers:
        for kind in KINDS:
            if not kind.tls:
                stop_held(table, workers, kind, settings.crowd, OUR_LIMIT)
    with Crew(run, run.of("tls") if ours else []) as workers:
        for kind in KINDS:
            if kind.tls:
                stop_held(table, workers, kind, settings.crowd, OUR_LIMIT)
    with Crew(run, peers) as workers:
        for kind in KINDS:
            if kind.tls:
                continue
            hanging = stop_held(table, workers, kind, settings.crowd_peers, settings.patience)
            workers.replace(hanging)
    return [table, at_once(run)]


def stop_held(table: Table, workers: Crew, kind: Kind, clients: int, limit: float) -> list[WorkerHandle]:
    """Hold servers with so many clients each, stop them all, enter what it took; give those that hang."""
    hanging = []
    with ExitStack() as stack:
        held = []
        for worker in workers:
            try:
                hold(stack, worker, kind, clients)
                held.append(worker)
            except (WorkerError, OSError) as error:
                workers.run.say(f"  {worker.server.name}, {kind.name}: {error}")
                table.remark(worker.server.name, "failed", kind.name)
                hanging.append(worker)
        time.sleep(SETTLE)
        for worker in held:
            worker.send("stop")
        latest = time.monotonic() + limit
        for worker in held:
            name = OURS if worker.server.name == OUR_TLS else worker.server.name
            try:
                reply = worker.receive(max(0.0, latest - time.monotonic()))
            except WorkerError:
                table.remark(name, "hangs", kind.name)
                hanging.append(worker)
            else:
                table.add(name, kind.name, reply["stop"])
                if name in OUR_ROWS and not kind.alone:
                    table.add(name, LEFT.name, reply["left"])
    while _held:
        _held.pop().close()
    return hanging


def hold(stack: ExitStack, worker: WorkerHandle, kind: Kind, clients: int) -> None:
    """Start a server and let clients of this kind hold it until the stack closes them."""
    if worker.server.name in (*OUR_ROWS, OUR_TLS):
        worker.ask("cycles", 1)  # what a first life loads and keeps is not left behind
    port = worker.ask("start")["port"]
    for _ in range(1 if kind.alone else clients):
        kind.hold(stack.enter_context(client(port)), port)


def client(port: int) -> socket.socket:
    """Open a connection that takes in little."""
    sock = socket.socket()
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        sock.settimeout(CONNECT)
        sock.connect((wire.HOST, port))
    except OSError:
        sock.close()
        raise
    return sock


def at_once(run: Run) -> Table:
    """Open many connections, send a request on each, and count the answers."""
    number = run.settings.at_once
    table = Table(
        "at-once",
        f"{number} connections opened together, a request on each",
        (
            Column("answered", "answered", digits=0, ratios=False),
            Column("ms", "ms for all", digits=0, ratios=False),
        ),
    )
    servers = [server for server in run.of("http") if server.name in FEW]
    table.line_up(servers)
    with Crew(run, servers) as workers:
        for worker in workers:
            with workers.excusing(worker):
                name = worker.server.name
                port = worker.ask("start")["port"]
                began = time.perf_counter()
                limit = OUR_LIMIT if name == OURS else run.settings.patience
                table.add(name, "answered", answers(port, number, limit))
                table.add(name, "ms", (time.perf_counter() - began) * 1e3)
    return table


def answers(port: int, number: int, limit: float) -> int:
    """Count the answers that come in time on so many connections, none of which waits to connect."""
    answered = 0
    latest = time.monotonic() + limit
    message = wire.request(port)
    with ExitStack() as stack:
        connected = []
        for _ in range(number):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex((wire.HOST, port))
            connected.append(sock)
        asked = []
        for sock in connected:
            sock.settimeout(max(SHORTEST, latest - time.monotonic()))
            with suppress(OSError):
                sock.sendall(message)
                asked.append(sock)
        for sock in asked:
            sock.settimeout(max(SHORTEST, latest - time.monotonic()))
            with suppress(OSError):
                wire.read_answer(sock)
                answered += 1
    return answered

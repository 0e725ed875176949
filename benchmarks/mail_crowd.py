"""Stopping a mail server that clients hold: idle, in the middle of a mail, over TLS, and silent."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks import wire
from benchmarks.http_servers import Adapter
from benchmarks.mail_servers import MailAdapter, TLSMode
from benchmarks.processes import Crew, WorkerError
from benchmarks.run import Run
from benchmarks.servers import MAIL_REFERENCE, OUR_MAIL
from benchmarks.tables import Column, Table

SETTLE = 0.3  # seconds until a server has read what there is to read
LIMIT = 30.0  # seconds in which our server is surely stopped, clients and all
SAYING_HELLO = b"EHLO localhost\r\n"
MAIL_SO_FAR = b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\nSubject: half"


def idle(sock: socket.socket) -> socket.socket:
    """Read the greeting and say nothing."""
    sock.recv(1024)
    return sock


def in_a_mail(sock: socket.socket) -> socket.socket:
    """Stop in the middle of a mail."""
    sock.recv(1024)
    sock.sendall(SAYING_HELLO + MAIL_SO_FAR)
    return sock


def over_tls(sock: socket.socket) -> socket.socket:
    """Begin TLS with STARTTLS and say nothing more."""
    sock.recv(1024)
    for line, end in ((SAYING_HELLO, b" HELP\r\n"), (b"STARTTLS\r\n", b"\n")):
        sock.sendall(line)
        heard = b""
        while not heard.endswith(end):
            heard += sock.recv(1024)
    return wire.speak_tls(sock)


def silent(sock: socket.socket) -> socket.socket:
    """Say nothing at all."""
    return sock


@dataclass(frozen=True)
class Kind:
    """A kind of client, and what TLS the server has for it."""

    name: str
    hold: Callable[[socket.socket], socket.socket]
    tls: TLSMode | None = None


KINDS = (
    Kind("idle", idle),
    Kind("in a mail", in_a_mail),
    Kind("STARTTLS, idle", over_tls, "starttls"),
    Kind("TLS, silent", silent, "implicit"),
)
LEFT = Column("left", "left behind", digits=0, ratios=False, worst=True)


def hold(adapter: Adapter, name: str, clients: int) -> tuple[Adapter, Callable[[], None]]:
    """Start a mail server and have clients of a kind hold it; give it, and what lets it go.

    Raises:
        TypeError: It is no server that can be told of TLS.
    """
    if not isinstance(adapter, MailAdapter):
        raise TypeError(f"{adapter!r} is no mail server that can be told of TLS")
    kind = next(kind for kind in KINDS if kind.name == name)
    adapter.tls = kind.tls
    adapter.start()
    stack = ExitStack()
    for _ in range(clients):
        stack.enter_context(kind.hold(wire.connect(adapter.port)))
    time.sleep(SETTLE)
    return adapter, stack.close


def measure(run: Run) -> Table:
    """Hold our server and the one that it is compared with, in every way, and stop them."""
    settings = run.settings
    table = Table(
        "mail-crowd",
        "Stop of a mail server with clients that hold it, ms",
        (*(Column(kind.name, kind.name, digits=1, ratios=False) for kind in KINDS), LEFT),
        notes=[
            f"{settings.crowd} clients hold ours, {settings.crowd_peers} the other",
            f"hangs: not stopped after {settings.patience:g} s; its process was ended",
        ],
    )
    servers = [server for server in run.of("mail") if server.name in (OUR_MAIL, MAIL_REFERENCE)]
    table.line_up(servers)
    with Crew(run, servers) as workers:
        for kind in KINDS:
            for worker in workers:
                is_ours = worker.server.name == OUR_MAIL
                clients = settings.crowd if is_ours else settings.crowd_peers
                limit = LIMIT if is_ours else settings.patience
                try:
                    worker.ask("stop_held", kind.name, 1, limit=limit)  # what a first life loads and keeps
                    reply = worker.ask("stop_held", kind.name, clients, limit=limit)
                except WorkerError as error:
                    run.say(f"  {worker.server.name}, {kind.name}: {error}")
                    table.remark(worker.server.name, "hangs", kind.name)
                    workers.replace([worker])
                else:
                    table.add(worker.server.name, kind.name, reply["stop"])
                    table.add(worker.server.name, LEFT.name, reply["left"])
    return table

"""One run of the benchmark: how much of everything, who takes part, and where lines go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.servers import Kind, Server


@dataclass(frozen=True)
class Settings:
    """How much is measured. A quick run shows that everything works; its figures are rough.

    Attributes:
        rounds: How often a measurement goes round all servers.
        window: Seconds that one server is loaded in one round.
        client_window: The same for the clients in the server's own process.
        cycles: Starts and stops of each server.
        classes: Test classes in a suite, of five tests each.
        imports: Interpreters started for each import.
        crowd: Clients that hold our server when it is stopped.
        crowd_peers: Clients that hold a peer; a few are enough to see whether it hangs.
        at_once: Connections that are opened together.
        patience: Seconds that a peer gets to stop before it counts as hanging.
        quick: It is a quick run.
    """

    rounds: int = 5
    window: float = 0.4
    client_window: float = 0.25
    cycles: int = 50
    classes: int = 100
    imports: int = 15
    crowd: int = 200
    crowd_peers: int = 8
    at_once: int = 500
    patience: float = 3.0
    quick: bool = False


QUICK = Settings(rounds=1, window=0.08, client_window=0.08, cycles=3, classes=5, imports=3, patience=0.8, quick=True)


@dataclass(frozen=True)
class Run:
    """What every measurement is given.

    Attributes:
        settings: How much.
        servers: Those that are installed and wanted.
        say: Prints a line of progress or a remark.
    """

    settings: Settings
    servers: Sequence[Server]
    say: Callable[[str], None]

    def of(self, kind: Kind) -> list[Server]:
        """Give the servers of a kind, without the limit of the machine."""
        return [server for server in self.servers if server.kind == kind and not server.limit]

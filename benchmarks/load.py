"""The client process: ``python -m benchmarks.load MODE PORT SECONDS`` prints what it achieved.

It is a process of its own, so that client and server do not share an interpreter lock, and it
warms the server up for a fifth of the time before it counts.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

from benchmarks import mail_load, wire

WARM = 0.2

MODES: dict[str, Callable[[int], wire.Client]] = {
    "new": wire.NewConnections,
    "one": wire.KeptConnection,
    "eight": lambda port: wire.KeptConnections(port, 8),
    **mail_load.MODES,
}


def main(arguments: list[str]) -> None:
    """Run one client and print its rate, and how many exchanges it had on a connection."""
    mode, port, seconds = arguments
    client = MODES[mode](int(port))
    try:
        warm = client.run(float(seconds) * WARM)[0] if client.most > 1 else 0
        count, took = client.run(float(seconds))
        if not count:
            raise ConnectionError("nothing was exchanged")
        closes = client.connections >= warm + count
        print(json.dumps({"rate": count / took, "closes": closes}))
    finally:
        client.close()


if __name__ == "__main__":
    main(sys.argv[1:])

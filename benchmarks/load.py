"""The client process: ``python -m benchmarks.load MODE PORT SECONDS`` prints what it achieved.

It is a process of its own, so that client and server do not share an interpreter lock, and it
warms the server up for a fifth of the time before it counts.
"""

from __future__ import annotations

import json
import smtplib
import sys
from collections.abc import Callable

from benchmarks import wire

WARM = 0.2
SENDER = "shop@example.com"
RECEIVER = "customer@example.com"
MAIL = (
    f"From: {SENDER}\r\nTo: {RECEIVER}\r\nSubject: Receipt\r\n\r\n" + "Thank you for your order of one teapot.\r\n" * 22
)


class NewMailConnections(wire.Client):
    """Sends each mail on a connection of its own."""

    most = wire.MOST_CONNECTIONS

    def __init__(self, port: int) -> None:
        self._port = port

    def step(self) -> int:
        """Connect, greet, send, quit."""
        with open_mail(self._port) as client:
            send_mail(client)
        return 1


class OneMailConnection(wire.Client):
    """Sends all mails on one connection."""

    def __init__(self, port: int) -> None:
        self._client = open_mail(port)

    def step(self) -> int:
        """Send one mail."""
        send_mail(self._client)
        return 1

    def close(self) -> None:
        """Quit."""
        self._client.quit()


def open_mail(port: int) -> smtplib.SMTP:
    """Connect to a mail server."""
    # The name is given, because smtplib would look it up in the DNS for every client.
    return smtplib.SMTP(wire.HOST, port, local_hostname="localhost", timeout=wire.PATIENCE)


def send_mail(client: smtplib.SMTP) -> None:
    """Send one mail.

    Raises:
        ConnectionError: The server refused a recipient.
    """
    refused = client.sendmail(SENDER, [RECEIVER], MAIL)
    if refused:
        raise ConnectionError(f"refused: {refused}")


MODES: dict[str, Callable[[int], wire.Client]] = {
    "new": wire.NewConnections,
    "one": wire.KeptConnection,
    "eight": lambda port: wire.KeptConnections(port, 8),
    "mails-new": NewMailConnections,
    "mails-one": OneMailConnection,
}


def main(arguments: list[str]) -> None:
    """Run one client and print its rate, and how many exchanges it had on a connection."""
    mode, port, seconds = arguments
    client = MODES[mode](int(port))
    try:
        warm, _ = client.run(float(seconds) * WARM)
        count, took = client.run(float(seconds))
        if not count:
            raise ConnectionError("nothing was exchanged")
        closes = client.connections >= warm + count
        print(json.dumps({"rate": count / took, "closes": closes}))
    finally:
        client.close()


if __name__ == "__main__":
    main(sys.argv[1:])

"""Mail clients: smtplib as people use it, and a plain socket that costs less than any server."""

from __future__ import annotations

import smtplib
from collections.abc import Callable
from typing import BinaryIO

from benchmarks import wire

SENDER = "shop@example.com"
RECEIVER = "customer@example.com"
LINE = "Thank you for your order of one teapot.\r\n"
HEAD = f"From: {SENDER}\r\nTo: {RECEIVER}\r\nSubject: Receipt\r\n\r\n"
MAIL = HEAD + LINE * 22
#: A large mail is mostly attachments: lines of base64.
WIDE = b"QmFzZTY0" * 9 + b"QmFz\r\n"


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


class Dialogue:
    """SMTP on a plain socket, as far as a benchmark needs it."""

    def __init__(self, port: int) -> None:
        self._sock = wire.connect(port)
        self._file: BinaryIO = self._sock.makefile("rb")
        self.read()
        self.say(b"EHLO localhost\r\n")

    def read(self) -> None:
        """Read one answer.

        Raises:
            ConnectionError: It refuses.
        """
        while True:
            line = self._file.readline()
            if line[:1] not in (b"2", b"3"):
                raise ConnectionError(f"refused: {line!r}")
            if line[3:4] == b" ":
                return

    def say(self, data: bytes) -> None:
        """Send something and read the answer."""
        self._sock.sendall(data)
        self.read()

    def send(self, mail: bytes) -> None:
        """Send a mail, which ends with a dot on a line."""
        self.say(b"MAIL FROM:<shop@example.com>\r\n")
        self.say(b"RCPT TO:<customer@example.com>\r\n")
        self.say(b"DATA\r\n")
        self.say(mail)

    def close(self) -> None:
        """Close the socket."""
        self._file.close()
        self._sock.close()


class RawNew(wire.Client):
    """Sends each mail on a plain socket of its own."""

    most = wire.MOST_CONNECTIONS

    def __init__(self, port: int) -> None:
        self._port = port

    def step(self) -> int:
        """Connect, greet, send, quit."""
        dialogue = Dialogue(self._port)
        dialogue.send(MAIL.encode() + b".\r\n")
        dialogue.say(b"QUIT\r\n")
        dialogue.close()
        return 1


class RawOne(wire.Client):
    """Sends all mails of one size on one plain socket."""

    def __init__(self, port: int, size: int = 0) -> None:
        body = WIDE * (size // len(WIDE)) if size else (LINE * 22).encode()
        self._mail = HEAD.encode() + body + b".\r\n"
        self._dialogue = Dialogue(port)

    def step(self) -> int:
        """Send one mail."""
        self._dialogue.send(self._mail)
        return 1

    def close(self) -> None:
        """Leave."""
        self._dialogue.close()


class Single(RawOne):
    """Sends a single mail, however long it has time."""

    most = 1


MEGABYTE = 1_000_000

MODES: dict[str, Callable[[int], wire.Client]] = {
    "mails-new": NewMailConnections,
    "mails-one": OneMailConnection,
    "raw-new": RawNew,
    "raw-one": RawOne,
    "raw-1mb": lambda port: RawOne(port, MEGABYTE),
    "raw-25mb": lambda port: RawOne(port, 25 * MEGABYTE),
    "single-25mb": lambda port: Single(port, 25 * MEGABYTE),
}

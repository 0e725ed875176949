"""Bind listening sockets: once, in the caller's thread, with errors that say what to do."""

from __future__ import annotations

import contextlib
import errno
import os
import socket

from ..errors import ServerStartError, UsageError

__all__ = ["BACKLOG", "Listener", "format_host"]

BACKLOG = 1024
"""Connections the kernel queues while no thread accepts; with 5, as in socketserver, 371 of 500 at once are lost."""

_LOCALHOST = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
_NO_IPV6 = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT}
_PORT_TRIES = 32  # a port that is free for IPv4 and taken for IPv6 is rare; this many in a row mean something is wrong


class Listener:
    """One or two listening sockets on one port.

    ``localhost`` listens on 127.0.0.1 and ::1 alike (on 127.0.0.1 alone where the machine has no IPv6), so that a
    client that tries ::1 first cannot reach a stranger on the same port.

    Args:
        host: An IPv4 or IPv6 literal (brackets allowed), a name of this machine, or ``localhost``.
        port: A TCP port, or 0 for one that the system picks.

    Raises:
        ServerStartError: The port is taken, or the host is not an address of this machine; the cause is attached.
        UsageError: The port is no number from 0 to 65535.
    """

    def __init__(self, host: str, port: int = 0) -> None:
        if not isinstance(port, int) or isinstance(port, bool) or not 0 <= port <= 65535:
            raise UsageError(f"port is {port!r}; wanted a whole number from 0 (any free port) to 65535")
        if not isinstance(host, str) or not host:
            raise UsageError(f"host is {host!r}; wanted an address such as '127.0.0.1', '::1' or 'localhost'")
        self.host = host.strip("[]")
        try:
            self.sockets = _bind_localhost(port) if self.host == "localhost" else [_bind(self.host, port)]
        except OSError as error:
            raise ServerStartError(_explain(self.host, port, error)) from error
        self.port: int = self.sockets[0].getsockname()[1]

    def wake(self) -> bool:
        """Make every blocked ``accept()`` return and every new client be refused; False where the system cannot."""
        try:
            for sock in self.sockets:
                sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return False  # macOS and Windows: shutdown() of a listening socket wakes nobody
        return True

    def knock(self, sock: socket.socket) -> None:
        """Connect to one of the own sockets and leave, so that one blocked ``accept()`` returns."""
        with contextlib.suppress(OSError), socket.socket(sock.family, socket.SOCK_STREAM) as client:
            client.settimeout(0.5)
            client.connect(sock.getsockname())

    def close(self) -> None:
        """Close the sockets.  shutdown() first: a forked child that holds a copy then cannot keep the port open."""
        self.wake()
        for sock in self.sockets:
            sock.close()


def format_host(host: str) -> str:
    """Write ``host`` as a URL wants it: an IPv6 literal in brackets.  Source: RFC 3986, 3.2.2."""
    return f"[{host}]" if ":" in host else host


def _bind(host: str, port: int, family: int | None = None) -> socket.socket:
    if family is None:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
    else:
        address = (host, port)
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(None)  # whatever socket.setdefaulttimeout() the tests have set
        if os.name == "nt":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # start again at once on the same port
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


def _bind_localhost(port: int) -> list[socket.socket]:
    """Bind 127.0.0.1 and ::1 on one port; with port 0, try until one is free for both."""
    (family4, host4), (family6, host6) = _LOCALHOST
    for attempt in range(_PORT_TRIES):
        first = _bind(host4, port, family4)
        try:
            return [first, _bind(host6, first.getsockname()[1], family6)]
        except OSError as error:
            if error.errno in _NO_IPV6:
                return [first]
            first.close()
            if port or error.errno != errno.EADDRINUSE or attempt == _PORT_TRIES - 1:
                raise
        except BaseException:
            first.close()
            raise
    raise RuntimeError("unreachable")  # pragma: no cover


def _explain(host: str, port: int, error: OSError) -> str:
    where = f"cannot listen on {format_host(host)}:{port}"
    if error.errno == errno.EADDRINUSE:
        return f"{where}: the port is taken ({error}). Use port 0 to get a free one, or stop the program that holds it."
    if isinstance(error, socket.gaierror):
        return (
            f"{where}: the host name does not resolve ({error}). "
            "Use an address of this machine, such as 127.0.0.1 or ::1, or 'localhost'."
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{where}: it is no address of this machine ({error}). Use 127.0.0.1, ::1 or 'localhost'."
    if error.errno == errno.EACCES:
        return f"{where}: permission denied ({error}). Ports below 1024 need special rights: use port 0."
    return f"{where}: {error}"

"""Bind listening sockets: once, in the caller's thread, with errors that say what to do."""

from __future__ import annotations

import _socket
import contextlib
import errno
import os
import socket
import warnings
from typing import Any

from ..errors import ServerStartError, UsageError, WildcardAddressWarning
from .tracebacks import callers_level

__all__ = [
    "BACKLOG", "EXHAUSTED", "Listener", "ServerSocket", "check_address", "connect", "format_host", "make_socket_pair",
    "warn_of_wildcard",
]  # fmt: skip

BACKLOG = 1024
"""Connections the kernel queues while no thread accepts: with 5, as in socketserver, 371 of 500 are lost."""

EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
"""What ``accept()`` fails with while the process, or the system, has nothing left to give."""

_LOCALHOST = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
_NO_IPV6 = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT}
# a port that is free for IPv4 and taken for IPv6 is rare; this many in a row mean that something is wrong
_PORT_TRIES = 32
# Bytes that the system takes of what a client does not read.  Its own limit is megabytes, and filling them looks to a
# stop like a client that reads.
_SEND_BUFFER = 128 * 1024
_WILDCARDS = ("0.0.0.0", "::")
_REASONS = {
    errno.EADDRINUSE: ("the port is taken", "Use port 0 to get a free one, or stop the program that holds it."),
    errno.EADDRNOTAVAIL: ("it is no address of this machine", "Use 127.0.0.1, ::1 or 'localhost'."),
    errno.EACCES: ("permission denied", "Ports below 1024 need special rights: use port 0."),
}


if hasattr(socket.socket, "_accept"):

    class ServerSocket(socket.socket):
        """A socket that goes on working while a test has replaced ``socket.socket``; so do those that it accepts."""

        _kind: tuple[int, int, int] | None = None

        def accept(self) -> tuple[socket.socket, Any]:
            """Accept a connection; the socket's own method would make one of whatever ``socket.socket`` is by now."""
            number, address = self._accept()  # type: ignore[attr-defined]
            if self._kind is None:  # once: each of these is a search in an enum
                self._kind = self.family, self.type, self.proto
            return ServerSocket(*self._kind, fileno=number), address

else:
    ServerSocket = socket.socket  # type: ignore[misc,assignment]  # gevent has replaced it before we were imported


def make_socket_pair() -> tuple[socket.socket, socket.socket]:
    """Two sockets that are connected; `socket.socketpair` would make them of whatever ``socket.socket`` is by now."""
    if hasattr(_socket, "socketpair"):
        one, other = (ServerSocket(s.family, s.type, s.proto, fileno=s.detach()) for s in _socket.socketpair())
        return one, other
    kind = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # Windows has no pairs
    listener, client = _socket.socket(*kind), _socket.socket(*kind)
    number = -1
    try:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        client.connect(listener.getsockname())
        number, peer = listener._accept()  # type: ignore[attr-defined]
        if peer != client.getsockname():
            raise ConnectionError(f"wanted to connect two sockets of this process, and {peer} was faster; start again")
        return ServerSocket(*kind, fileno=client.detach()), ServerSocket(*kind, fileno=number)
    except BaseException:
        client.close()
        if number >= 0:
            socket.close(number)
        raise
    finally:
        listener.close()


def connect(host: str, port: int, timeout: float) -> socket.socket:
    """Connect as a client, as `socket.create_connection` does, with a socket of our own class."""
    failure = OSError(f"{host!r} has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        sock = ServerSocket(family, kind, protocol)
        try:
            sock.settimeout(timeout)
            sock.connect(address)
            return sock
        except OSError as error:
            sock.close()
            failure = error
    raise failure


class Listener:
    """One or two listening sockets on one port.

    ``localhost`` listens on 127.0.0.1 and ::1 alike (on 127.0.0.1 alone where the machine has no IPv6), so
    that a client that tries ::1 first cannot reach a stranger on the same port.

    Args:
        host: An IPv4 or IPv6 literal (brackets allowed), a name of this machine, or ``localhost``.
        port: A TCP port, or 0 for one that the system picks.
        listens: Whether clients can connect at once.  If not, the port is kept, and they are refused until `listen`.

    Raises:
        ServerStartError: The port is taken, or the host is not an address of this machine; the cause is attached.
    """

    def __init__(self, host: str, port: int = 0, *, listens: bool = True) -> None:
        self.host, self.port = check_address(host, port)
        try:
            if self.host == "localhost":
                self.sockets = _bind_localhost(port)
            else:
                found = socket.getaddrinfo(self.host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
                family, _, _, _, address = found[0]
                self.sockets = [_bind(family, address)]
        except (OSError, UnicodeError) as error:  # UnicodeError: a name that cannot be encoded for a look-up
            raise ServerStartError(_explain(self.host, port, error)) from error
        self.port = self.sockets[0].getsockname()[1]
        if listens:
            self.listen()
        else:
            self._reserve()

    @classmethod
    def from_sockets(cls, host: str, sockets: list[socket.socket]) -> Listener:
        """A listener of sockets that somebody else has bound: a child process is given its parent's."""
        self = cls.__new__(cls)
        self.host, self.sockets = host, sockets
        self.port = sockets[0].getsockname()[1]
        return self

    def listen(self) -> None:
        """Let clients connect; where that fails, which is a `ServerStartError`, the sockets are closed."""
        try:
            for sock in self.sockets:
                if os.name != "nt":  # connections of an earlier run that linger on the port are no conflict
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)  # what it accepts inherits this
                sock.listen(BACKLOG)
        except OSError as error:
            self.release()
            raise ServerStartError(_explain(self.host, self.port, error)) from error

    def _reserve(self) -> None:
        """Keep others from listening on the port, who may with a socket that is bound with SO_REUSEADDR."""
        if os.name != "nt":
            for sock in self.sockets:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)

    def wake(self) -> None:
        """Refuse new clients, and make every blocked ``accept()`` return, where the system can."""
        with contextlib.suppress(OSError):  # macOS and Windows: shutdown() of a listening socket wakes nobody
            for sock in self.sockets:
                sock.shutdown(socket.SHUT_RDWR)

    def stop_listening(self) -> None:
        """Refuse new clients, and keep the port: `sockets` are others then, which are bound and do not listen."""
        places = [(sock.family, sock.getsockname()) for sock in self.sockets]
        self.close()
        self.sockets = []
        for family, place in places:
            with contextlib.suppress(OSError):  # somebody else was faster: opening again will say so
                self.sockets.append(_bind(family, place))
        self._reserve()

    def listen_again(self) -> None:
        """Let clients connect again, after `stop_listening`: on the sockets that have kept the port meanwhile."""
        wanted = len(_LOCALHOST) if self.host == "localhost" else 1
        if len(self.sockets) < wanted:  # one could not be bound; where there is no IPv6, one is enough
            self.release()
            self.sockets = Listener(self.host, self.port, listens=False).sockets
        self.listen()

    def release(self) -> None:
        """Close the sockets here; another process goes on listening on its copies."""
        for sock in self.sockets:
            sock.close()

    def close(self) -> None:
        """Close the sockets; shut down first, so that no copy in a forked child keeps the port open."""
        self.wake()
        self.release()


def check_address(host: str, port: int) -> tuple[str, int]:
    """``host``, without the brackets of an IPv6 literal in a URL, and ``port``, if they can be such."""
    if not isinstance(port, int) or isinstance(port, bool) or not 0 <= port <= 65535:
        raise UsageError(f"port is {port!r}; wanted a whole number from 0 (any free port) to 65535")
    if not isinstance(host, str) or not host.strip("[]"):
        raise UsageError(f"host is {host!r}; wanted an address such as '127.0.0.1', '::1' or 'localhost'")
    return host.strip("[]"), port


def warn_of_wildcard(host: str, what: str) -> None:
    """Warn if ``host`` stands for every interface; called before it is bound, since the warning may be an error."""
    if host in _WILDCARDS:
        warnings.warn(
            f"{what} listens on every interface: other machines can reach it. "
            "Use 127.0.0.1, ::1 or 'localhost', or filter this warning where that is wanted",
            WildcardAddressWarning,
            stacklevel=callers_level(),
        )


def format_host(host: str) -> str:
    """Write ``host`` as a URL wants it: an IPv6 literal in brackets.  Source: RFC 3986, 3.2.2."""
    return f"[{host}]" if ":" in host else host


def _bind(family: int, address: tuple[Any, ...]) -> socket.socket:
    """Make a socket that is bound, and does not listen."""
    # asyncio sets TCP_NODELAY only on a socket that says which protocol it is
    sock = ServerSocket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.settimeout(None)  # whatever socket.setdefaulttimeout() the tests have set
        if os.name == "nt":
            exclusive = socket.SO_EXCLUSIVEADDRUSE  # type: ignore[attr-defined,unused-ignore]
            sock.setsockopt(socket.SOL_SOCKET, exclusive, 1)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # start again at once on the same port
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
    except BaseException:
        sock.close()
        raise
    return sock


def _bind_localhost(port: int) -> list[socket.socket]:
    """Bind 127.0.0.1 and ::1 on one port; with port 0, try until one is free for both."""
    (family4, host4), (family6, host6) = _LOCALHOST
    for _ in range(_PORT_TRIES):
        first = _bind(family4, (host4, port))
        try:
            return [first, _bind(family6, (host6, first.getsockname()[1]))]
        except BaseException as error:
            if isinstance(error, OSError) and error.errno in _NO_IPV6:
                return [first]
            first.close()
            if port or not isinstance(error, OSError) or error.errno != errno.EADDRINUSE:
                raise
    raise OSError(errno.EADDRINUSE, f"{_PORT_TRIES} ports in a row were free on 127.0.0.1 and taken on ::1")


def _explain(host: str, port: int, error: OSError | UnicodeError) -> str:
    """Why it is not possible to listen there, and what to do."""
    if isinstance(error, socket.gaierror | UnicodeError):
        what = f"the host name does not resolve ({error})"
        advice = "Use an address of this machine, such as 127.0.0.1 or ::1, or 'localhost'."
    else:
        what, advice = _REASONS.get(error.errno or 0, ("", ""))
        what = f"{what} ({error})" if what else str(error)
    return f"cannot listen on {format_host(host)}:{port}: {what}" + (f". {advice}" if advice else "")

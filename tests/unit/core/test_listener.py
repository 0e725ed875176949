"""Listening sockets: what is bound, how it is woken and closed, and what is said when it cannot be."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
import threading
import unittest
from collections.abc import Iterator
from unittest import mock

from liveserver_testcase.core.listener import Listener, check_address, format_host
from liveserver_testcase.errors import ServerStartError
from tests.contracts.base import has_ipv6
from tests.support import HANG, NoLeaks


class ListenerCase(NoLeaks):
    """Listeners, and clients of them."""

    def listen(self, host: str = "127.0.0.1", port: int = 0) -> Listener:
        listener = Listener(host, port)
        self.addCleanup(listener.close)
        return listener

    def connect(self, listener: Listener) -> socket.socket:
        client = socket.create_connection(("127.0.0.1", listener.port), timeout=HANG)
        self.addCleanup(client.close)
        return client


class Binding(ListenerCase):
    """What a listener binds."""

    def test_a_free_port(self) -> None:
        """Port 0 is one that the system picks, on that address alone; nobody else can have it, and no program."""
        self.addCleanup(socket.setdefaulttimeout, socket.getdefaulttimeout())
        socket.setdefaulttimeout(0.01)  # which is for the tests' sockets, not for the listener's
        listener = self.listen()
        (sock,) = listener.sockets
        self.assertEqual(("127.0.0.1", listener.port), sock.getsockname())
        self.assertEqual((None, False), (sock.gettimeout(), sock.get_inheritable()))
        self.connect(listener)
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with self.assertRaises(OSError):
                other.bind(("127.0.0.1", listener.port))
                other.listen(1)

    @unittest.skipUnless(has_ipv6(), "this machine has no ::1")
    def test_localhost_with_a_port_taken_on_ipv6(self) -> None:
        """It is not taken on 127.0.0.1 either, for nobody would know whom they reach; any other port is tried next."""
        with socket.socket(socket.AF_INET6) as stranger:
            stranger.bind(("::1", 0))
            stranger.listen(1)
            with self.assertRaises(ServerStartError):
                Listener("localhost", stranger.getsockname()[1])
        with taken_on_ipv6(times=3) as tries:
            self.listen("localhost")
        self.assertEqual(4, tries[0])
        wanted = "32 ports in a row were free on 127.0.0.1 and taken on ::1"
        with taken_on_ipv6(times=1000), self.assertRaisesRegex(ServerStartError, wanted):
            Listener("localhost")

    def test_localhost_without_ipv6(self) -> None:
        """On a machine without IPv6 ``localhost`` is 127.0.0.1 alone."""
        with taken_on_ipv6(times=1000, error=errno.EADDRNOTAVAIL):
            names = [sock.getsockname()[0] for sock in self.listen("localhost").sockets]
        self.assertEqual(["127.0.0.1"], names)


@contextlib.contextmanager
def taken_on_ipv6(times: int, error: int = errno.EADDRINUSE) -> Iterator[list[int]]:
    """Let so many binds to ::1 fail; yields how many were tried."""
    tries = [0]
    really = socket.socket.bind

    def bind(sock: socket.socket, address: tuple[object, ...]) -> None:
        if address[0] == "::1":
            tries[0] += 1
            if tries[0] <= times:
                raise OSError(error, os.strerror(error))
        really(sock, address)

    with mock.patch.object(socket.socket, "bind", bind):
        yield tries


class Closing(ListenerCase):
    """How a listener ends."""

    @unittest.skipUnless(sys.platform == "linux", "this system wakes nobody")
    def test_wake(self) -> None:
        """`wake` makes a blocked ``accept()`` return, and new clients are refused."""
        listener = self.listen()

        def accept() -> None:
            with contextlib.suppress(OSError):
                listener.sockets[0].accept()[0].close()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        listener.wake()
        thread.join(HANG)
        self.assertFalse(thread.is_alive())

    def test_close_twice(self) -> None:
        """The second `close` does nothing, and neither does `wake`; the port refuses."""
        listener = self.listen()
        listener.close()
        listener.close()
        listener.wake()
        self.assertRaises(ConnectionRefusedError, self.connect, listener)

    @unittest.skipUnless(os.name == "posix", "this system keeps no port open for a copy")
    def test_a_copy_does_not_keep_the_port(self) -> None:
        """After `close` the port refuses, even if somebody holds a copy of the socket, as a forked child does."""
        listener = self.listen()
        with listener.sockets[0].dup():
            listener.close()
            self.assertRaises(ConnectionRefusedError, self.connect, listener)
            self.listen(port=listener.port)


class Words(NoLeaks):
    """What is said, letter by letter."""

    def test_why_it_cannot_listen(self) -> None:
        """Address and reason are named, and what to do; the system's own error is the cause."""
        taken = OSError(errno.EADDRINUSE, "in use")
        foreign = OSError(errno.EADDRNOTAVAIL, "not available")
        forbidden = OSError(errno.EACCES, "Permission denied")
        unknown = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        exhausted = OSError(errno.ENOBUFS, "No buffer space available")
        free = "Use port 0 to get a free one, or stop the program that holds it."
        resolving = "Use an address of this machine, such as 127.0.0.1 or ::1, or 'localhost'."
        table = [
            ("127.0.0.1", taken, "the port is taken", free),
            ("2001:db8::1", foreign, "it is no address of this machine", "Use 127.0.0.1, ::1 or 'localhost'."),
            ("127.0.0.1", forbidden, "permission denied", "Ports below 1024 need special rights: use port 0."),
            ("shop.example", unknown, "the host name does not resolve", resolving),
            ("127.0.0.1", exhausted, "", ""),
        ]
        for host, error, what, advice in table:
            fails: tuple[object, str] = (socket, "getaddrinfo") if error is unknown else (socket.socket, "bind")
            why = f"{what} ({error}). {advice}" if what else str(error)
            wanted = f"cannot listen on {format_host(host)}:80: {why}"
            with self.subTest(error=error), mock.patch.object(*fails, side_effect=error):
                with self.assertRaises(ServerStartError) as caught:
                    Listener(host, 80)
                self.assertEqual((wanted, error), (str(caught.exception), caught.exception.__cause__))
        with self.assertRaisesRegex(ServerStartError, r"^cannot listen on a\.\.b:0: the host name does not resolve"):
            Listener("a..b")  # which cannot even be looked up

    def test_brackets(self) -> None:
        """An IPv6 literal has them in a URL, and nothing else has; an address is handed back without them."""
        self.assertEqual(("::1", 80), check_address("[::1]", 80))
        self.assertEqual(("127.0.0.1", 0), check_address("127.0.0.1", 0))
        hosts = {"::1": "[::1]", "127.0.0.1": "127.0.0.1", "localhost": "localhost"}
        self.assertEqual([*hosts.values()], [format_host(host) for host in hosts])

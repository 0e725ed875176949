"""Listening sockets: what is bound, how it is woken and closed, and what is said when it cannot be."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
import sys
import threading
import unittest
from collections.abc import Iterator
from unittest import mock

from liveserver_testcase.core.listener import Listener, check_address, format_host
from liveserver_testcase.errors import ServerStartError, UsageError
from tests.contracts.base import has_ipv6
from tests.support import HANG, NoLeaks


class Binding(NoLeaks):
    """What a listener binds."""

    def listen(self, host: str = "127.0.0.1", port: int = 0) -> Listener:
        listener = Listener(host, port)
        self.addCleanup(listener.close)
        return listener

    def test_a_free_port(self) -> None:
        """Port 0 is one that the system picks; it listens at once."""
        listener = self.listen()
        self.assertGreater(listener.port, 0)
        with socket.create_connection(("127.0.0.1", listener.port), timeout=HANG):
            pass

    def test_it_listens_on_that_address_only(self) -> None:
        """A listener on one loopback address is not on another one."""
        listener = self.listen()
        self.assertEqual([("127.0.0.1", listener.port)], [sock.getsockname() for sock in listener.sockets])

    def test_a_given_port(self) -> None:
        """A port that was just given up can be had again at once, after connections that the server closed."""
        first = Listener("127.0.0.1")
        with socket.create_connection(("127.0.0.1", first.port), timeout=HANG) as client:
            accepted, _ = first.sockets[0].accept()
            accepted.close()  # this side closes first and keeps the port in TIME_WAIT
            client.recv(1)
        first.close()
        self.assertEqual(first.port, self.listen(port=first.port).port)

    def test_it_blocks_whatever_the_default_is(self) -> None:
        """A default timeout for sockets is not the listener's."""
        self.addCleanup(socket.setdefaulttimeout, socket.getdefaulttimeout())
        socket.setdefaulttimeout(0.01)
        self.assertEqual([None], [sock.gettimeout() for sock in self.listen().sockets])

    def test_nobody_else_can_bind(self) -> None:
        """While it listens the port is taken, also for somebody who may use addresses again."""
        listener = self.listen()
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with self.assertRaises(OSError):
                other.bind(("127.0.0.1", listener.port))
                other.listen(1)

    def test_its_sockets_are_not_handed_to_programs(self) -> None:
        """A program that the tests start does not get a copy of the sockets."""
        self.assertFalse(any(sock.get_inheritable() for sock in self.listen().sockets))

    @unittest.skipUnless(has_ipv6(), "this machine has no ::1")
    def test_ipv6(self) -> None:
        """An IPv6 literal binds that family only, with or without brackets."""
        for host in ("::1", "[::1]"):
            with self.subTest(host=host):
                listener = self.listen(host)
                self.assertEqual("::1", listener.host)
                self.assertEqual([socket.AF_INET6], [sock.family for sock in listener.sockets])

    @unittest.skipUnless(has_ipv6(), "this machine has no ::1")
    def test_localhost(self) -> None:
        """``localhost`` binds one port on both families."""
        names = [sock.getsockname()[:2] for sock in self.listen("localhost").sockets]
        self.assertEqual([("127.0.0.1", names[0][1]), ("::1", names[0][1])], names)

    @unittest.skipUnless(has_ipv6(), "this machine has no ::1")
    def test_localhost_with_a_port_taken_on_ipv6(self) -> None:
        """A port that a stranger has on ::1 is not taken on 127.0.0.1 either: nobody would know whom they reach."""
        with socket.socket(socket.AF_INET6) as stranger:
            stranger.bind(("::1", 0))
            stranger.listen(1)
            with self.assertRaises(ServerStartError):
                Listener("localhost", stranger.getsockname()[1])

    @unittest.skipUnless(has_ipv6(), "this machine has no ::1")
    def test_localhost_tries_again(self) -> None:
        """A free port that turns out to be taken on ::1 is given back, and another one is tried."""
        with taken_on_ipv6(times=3) as tries:
            self.listen("localhost")
        self.assertEqual(4, tries[0])

    @unittest.skipUnless(has_ipv6(), "this machine has no ::1")
    def test_localhost_does_not_try_for_ever(self) -> None:
        """When every port is taken on ::1 it says so."""
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


class Closing(NoLeaks):
    """How a listener ends."""

    @unittest.skipUnless(sys.platform == "linux", "this system wakes nobody")
    def test_wake(self) -> None:
        """`wake` makes a blocked ``accept()`` return, and new clients are refused."""
        listener = Listener("127.0.0.1")
        self.addCleanup(listener.close)
        ended = threading.Event()

        def accept() -> None:
            with contextlib.suppress(OSError):
                listener.sockets[0].accept()[0].close()
            ended.set()

        thread = threading.Thread(target=accept)
        thread.start()
        listener.wake()
        self.assertTrue(ended.wait(HANG))
        thread.join(HANG)
        self.assertFalse(thread.is_alive())

    def test_wake_after_the_close(self) -> None:
        """A closed listener wakes nobody, and nothing fails."""
        listener = Listener("127.0.0.1")
        listener.close()
        listener.wake()

    @unittest.skipUnless(os.name == "posix", "this system keeps no port open for a copy")
    def test_a_copy_does_not_keep_the_port(self) -> None:
        """After `close` the port refuses, even if somebody holds a copy of the socket, as a forked child does."""
        listener = Listener("127.0.0.1")
        with listener.sockets[0].dup():
            listener.close()
            with self.assertRaises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", listener.port), timeout=HANG)
            Listener("127.0.0.1", listener.port).close()

    def test_close_twice(self) -> None:
        """The second `close` does nothing."""
        listener = Listener("127.0.0.1")
        listener.close()
        listener.close()
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", listener.port), timeout=HANG)


class Words(NoLeaks):
    """What is said, letter by letter."""

    def assert_says(self, wanted: str, host: str, port: int, error: BaseException, where: str = "bind") -> None:
        target = socket.socket if where == "bind" else socket
        with mock.patch.object(target, where, side_effect=error):
            with self.assertRaisesRegex(ServerStartError, f"^{re.escape(wanted)}$") as caught:
                Listener(host, port)
        self.assertIs(error, caught.exception.__cause__)

    def test_a_taken_port(self) -> None:
        """A taken port is named, and what to do."""
        error = OSError(errno.EADDRINUSE, "in use")
        self.assert_says(
            f"cannot listen on 127.0.0.1:80: the port is taken ({error}). "
            "Use port 0 to get a free one, or stop the program that holds it.",
            "127.0.0.1",
            80,
            error,
        )

    def test_an_address_of_another_machine(self) -> None:
        """A foreign address is named; an IPv6 literal has its brackets."""
        error = OSError(errno.EADDRNOTAVAIL, "not available")
        self.assert_says(
            f"cannot listen on [2001:db8::1]:0: it is no address of this machine ({error}). "
            "Use 127.0.0.1, ::1 or 'localhost'.",
            "2001:db8::1",
            0,
            error,
        )

    def test_a_name_that_does_not_resolve(self) -> None:
        """A name that nobody knows is named."""
        error = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        self.assert_says(
            f"cannot listen on shop.example:0: the host name does not resolve ({error}). "
            "Use an address of this machine, such as 127.0.0.1 or ::1, or 'localhost'.",
            "shop.example",
            0,
            error,
            where="getaddrinfo",
        )

    def test_a_name_that_cannot_be_looked_up(self) -> None:
        """A name that is none is named, too."""
        with self.assertRaisesRegex(ServerStartError, r"^cannot listen on a\.\.b:0: the host name does not resolve"):
            Listener("a..b")

    def test_a_port_that_needs_rights(self) -> None:
        """A port that only root may have is named, and what to do."""
        error = OSError(errno.EACCES, "Permission denied")
        self.assert_says(
            f"cannot listen on 127.0.0.1:80: permission denied ({error}). "
            "Ports below 1024 need special rights: use port 0.",
            "127.0.0.1",
            80,
            error,
        )

    def test_anything_else(self) -> None:
        """Another error stands as it is."""
        error = OSError(errno.ENOBUFS, "No buffer space available")
        self.assert_says(f"cannot listen on 127.0.0.1:0: {error}", "127.0.0.1", 0, error)

    def test_a_bad_port(self) -> None:
        """What is no port is refused with what is wanted."""
        for port in (-1, 65536, "80", None, True):
            wanted = f"port is {port!r}; wanted a whole number from 0 (any free port) to 65535"
            with self.subTest(port=port), self.assertRaisesRegex(UsageError, f"^{re.escape(wanted)}$"):
                Listener("127.0.0.1", port)  # type: ignore[arg-type]

    def test_a_bad_host(self) -> None:
        """What is no host is refused with what is wanted."""
        for host in ("", "[]", None, b"::1"):
            wanted = f"host is {host!r}; wanted an address such as '127.0.0.1', '::1' or 'localhost'"
            with self.subTest(host=host), self.assertRaisesRegex(UsageError, f"^{re.escape(wanted)}$"):
                Listener(host)  # type: ignore[arg-type]

    def test_check_address(self) -> None:
        """An address is handed back without the brackets of a URL."""
        self.assertEqual(("::1", 80), check_address("[::1]", 80))
        self.assertEqual(("127.0.0.1", 0), check_address("127.0.0.1", 0))

    def test_format_host(self) -> None:
        """A URL wants brackets around an IPv6 literal, and around nothing else."""
        self.assertEqual("[::1]", format_host("::1"))
        self.assertEqual("127.0.0.1", format_host("127.0.0.1"))
        self.assertEqual("localhost", format_host("localhost"))

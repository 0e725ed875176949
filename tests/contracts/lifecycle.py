"""The contract of a server's life: start, stop, again, in the wrong order, from everywhere."""

from __future__ import annotations

import copy
import gc
import pickle
import re
import socket
import threading
import unittest
import weakref
from collections.abc import Callable
from typing import Any
from unittest import mock

from liveserver_testcase.core.listener import Listener
from liveserver_testcase.core.server import Server, State
from liveserver_testcase.errors import ServerNotStarted, ServerStartError, ServerStateError, UsageError
from tests.contracts.base import ServerCase, has_ipv6
from tests.support import HANG, wait_until

__all__ = ["Lifecycle"]

CROWD = 8


class Lifecycle(ServerCase):
    """Every move from every state."""

    def test_a_life(self) -> None:
        """It serves from `start()` to `stop()`, then the port refuses, and is its own again; stops may be repeated."""
        server = self.make()
        server.stop()
        self.assertIs(State.NEW, server.state)
        server.start()
        port = server.port
        for _ in range(2):
            self.assertTrue(server.is_running)
            self.assert_serves(server)
            server.stop()
            self.assertFalse(server.is_running)
            self.assert_gone(server)
            server.stop()
            self.assertEqual((State.STOPPED, port), (server.state, server.port))
            server.start()
            self.assertEqual(port, server.port)

    def test_with_starts_and_stops(self) -> None:
        """``with`` starts the server, hands it over, and stops it, also after an error, which passes through."""
        server = self.make()
        with self.assertRaises(ZeroDivisionError), server as entered:
            self.assertIs(server, entered)
            self.assert_serves(server)
            raise ZeroDivisionError
        self.assert_gone(server)

    def test_start_twice(self) -> None:
        """The second `start()` is an error that changes nothing."""
        server = self.started()
        wanted = f"{server!r} runs already; a second start() would change nothing. Call stop() first."
        with self.assertRaisesRegex(ServerStateError, f"^{re.escape(wanted)}$"):
            server.start()
        self.assertTrue(server.is_running)
        self.assert_serves(server)

    def test_a_hundred_lives(self) -> None:
        """A server can be started and stopped again and again; no thread, descriptor or process adds up."""
        server = self.make()
        for _ in range(self.lives):
            with server:
                self.assert_serves(server)

    def test_garbage(self) -> None:
        """A server that never ran goes without a trace, and so does one that has run and was stopped."""
        reference = weakref.ref(self.make_server())
        gc.collect()
        self.assertIsNone(reference())
        server = self.make_server()
        with server:
            self.assert_serves(server)
        reference = weakref.ref(server)
        del server
        self.work = lambda: None
        self.assertTrue(wait_until(lambda: gc.collect() >= 0 and reference() is None))

    # -- many threads ------------------------------------------------------------------------------------------

    def test_one_of_eight_starts_wins(self) -> None:
        """Of eight threads that start it at once, one does and seven get an error; the server serves."""
        server = self.make()
        raised = self.in_threads(*[server.start] * CROWD)
        self.assertEqual(1, raised.count(None), raised)
        self.assertEqual({ServerStateError}, {type(error) for error in raised if error is not None})
        self.assert_serves(server)

    def test_eight_stops(self) -> None:
        """Eight threads may stop it at once: when any of them returns, it is stopped."""
        server = self.started()
        self.assert_serves(server)
        refused: list[bool] = []

        def stop() -> None:
            server.stop()
            refused.append(self.is_refused(server))

        self.assertEqual([None] * CROWD, self.in_threads(*[stop] * CROWD))
        self.assertEqual([True] * CROWD, refused)
        self.assertIs(State.STOPPED, server.state)

    def test_starts_and_stops_at_once(self) -> None:
        """Threads that start and stop it in no order leave it in one of its states, and able to serve."""
        server = self.make()

        def start() -> None:
            for _ in range(10):
                try:
                    server.start()
                except ServerStateError:
                    pass

        def stop() -> None:
            for _ in range(10):
                server.stop()

        self.assertEqual([None] * CROWD, self.in_threads(*[start, stop] * (CROWD // 2)))
        server.stop()
        self.assertIs(State.STOPPED, server.state)
        server.start()
        self.assert_serves(server)

    def test_stop_waits_for_a_start(self) -> None:
        """`stop()` in one thread while another one starts it: it is started, and then stopped."""
        server = self.make()
        opening, go_on = threading.Event(), threading.Event()
        really = server._open

        def open_slowly(listener: Listener) -> None:
            opening.set()
            go_on.wait(HANG)
            really(listener)

        def stop() -> None:
            self.assertTrue(opening.wait(HANG))
            self.assertEqual("starting", server.state.value)
            threading.Timer(0.0, go_on.set).start()
            server.stop()

        with mock.patch.object(server, "_open", open_slowly):
            self.assertEqual([None, None], self.in_threads(server.start, stop))
        self.assertIs(State.STOPPED, server.state)
        self.assert_gone(server)

    # -- starts that fail --------------------------------------------------------------------------------------

    def test_a_taken_port(self) -> None:
        """A port that somebody has, or took meanwhile, is an error at once; once it is free, the server has it."""
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            holder.listen(1)
            server = self.make(port=holder.getsockname()[1])
            self.assert_taken(server)
            server.stop()
        for _ in range(2):
            server.start()
            self.assert_serves(server)
            server.stop()
            with socket.socket() as holder:
                holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                holder.bind(server.address)
                holder.listen(1)
                self.assert_taken(server)

    def assert_taken(self, server: Server) -> None:
        with self.assertRaisesRegex(ServerStartError, f":{server.port}: the port is taken") as caught:
            server.start()
        self.assertIsInstance(caught.exception.__cause__, OSError)
        self.assertIs(State.FAILED, server.state)

    def test_what_is_no_address(self) -> None:
        """What is no port, or no host, is refused by the constructor with what is wanted."""
        for name, values, wanted in (
            ("port", (-1, 65536, "80", None, True, 80.0), "wanted a whole number from 0 (any free port) to 65535"),
            ("host", ("", "[]", None, b"::1"), "wanted an address such as '127.0.0.1', '::1' or 'localhost'"),
        ):
            for value in values:
                text = f"^{re.escape(f'{name} is {value!r}; {wanted}')}$"
                with self.subTest(name=name, value=value), self.assertRaisesRegex(UsageError, text):
                    self.make_server(**{name: value})

    def test_a_start_that_fails_half_way(self) -> None:
        """An error while it opens is a `ServerStartError`, an interrupt stays one; after either it can start."""
        server = self.make()
        really = server._open
        error = RuntimeError("no more threads")
        for raised, is_open in ((error, True), (KeyboardInterrupt(), False), (KeyboardInterrupt(), True)):

            def open_and_fail(listener: Listener, raised: Any = raised, is_open: bool = is_open) -> None:
                if is_open:
                    really(listener)
                raise raised

            wanted = ServerStartError if raised is error else KeyboardInterrupt
            with self.subTest(raised=raised, is_open=is_open), mock.patch.object(server, "_open", open_and_fail):
                with self.assertRaises(wanted) as caught:
                    server.start()
                self.assertIs(State.FAILED, server.state)
            if raised is error:
                self.assertRegex(str(caught.exception), "RuntimeError: no more threads$")
                self.assertIs(error, caught.exception.__cause__)
        server.start()
        self.assert_serves(server)

    # -- facts -------------------------------------------------------------------------------------------------

    def test_repr(self) -> None:
        """The ``repr`` has the name, the state and the URL."""
        server = self.make()
        before, seen = f"{server.scheme}://127.0.0.1:0", [repr(server)]
        really = {name: getattr(server, name) for name in ("_open", "_close")}

        def look(name: str) -> Callable[..., object]:
            return lambda argument: (seen.append(repr(server)), really[name](argument))[1]

        with mock.patch.object(server, "_open", look("_open")), mock.patch.object(server, "_close", look("_close")):
            with server:
                seen.append(repr(server))
        wanted = {"new": before, "starting": before, **dict.fromkeys(("running", "stopping", "stopped"), server.url)}
        found = [*seen, repr(server)]
        self.assertEqual([f"<{server.display_name} {state} at {url}>" for state, url in wanted.items()], found)

    def test_address_and_url(self) -> None:
        """They carry the literal host and the port; before the start a port left to the system is not known."""
        server = self.make()
        for name in ("port", "address", "url"):
            with self.subTest(name=name):
                self.assertFalse(hasattr(server, name))
                wanted = f"{server!r} has no port yet: the system chooses one when it starts. Call start()."
                with self.assertRaisesRegex(ServerNotStarted, f"^{re.escape(wanted)}$"):
                    getattr(server, name)
        server.start()
        self.assertEqual(("127.0.0.1", server.port), server.address)
        self.assertEqual(f"{server.scheme}://127.0.0.1:{server.port}", server.url)

    @unittest.skipUnless(has_ipv6(), "this machine has no ::1")
    def test_an_ipv6_literal(self) -> None:
        """An IPv6 literal serves, in brackets or not, and stands in brackets in the URL."""
        for host in ("::1", "[::1]"):
            with self.subTest(host=host), self.make_server(host=host) as server:
                self.assertEqual(f"{server.scheme}://[::1]:{server.port}", server.url)
                self.assertEqual("::1", server.host)
                self.assert_serves(server)

    @unittest.skipUnless(has_ipv6(), "this machine has no ::1")
    def test_localhost_is_both_families(self) -> None:
        """``localhost`` serves on 127.0.0.1 and on ::1, on one port, and refuses on both."""
        server = self.started(host="localhost")
        for host in ("127.0.0.1", "::1"):
            self.assert_serves(server, host)
        server.stop()
        for host in ("127.0.0.1", "::1"):
            with self.subTest(host=host), self.assertRaises(ConnectionRefusedError):
                self.connect(server, host)

    def test_thread_names(self) -> None:
        """Every thread of a server has the server's label and address for a name."""
        before = set(threading.enumerate())
        server = self.started()
        self.hang(server)
        names = {thread.name for thread in set(threading.enumerate()) - before}
        self.freed.set()
        self.assertEqual({f"{server.label} 127.0.0.1:{server.port}"}, names)

    def test_it_cannot_be_pickled_or_copied(self) -> None:
        """A copy would be a second owner of one socket: it is refused in words."""
        server: Server = self.make()
        wanted = (
            f"{server!r} cannot be pickled or copied: it is a socket and threads of this process. "
            "Hand on its url instead."
        )
        for refused in (pickle.dumps, copy.copy, copy.deepcopy):
            with self.subTest(refused=refused), self.assertRaisesRegex(TypeError, f"^{re.escape(wanted)}$"):
                refused(server)

"""The running servers of a process: stopped when it exits, let go by its children."""

from __future__ import annotations

import os
import socket
import unittest
from collections.abc import Iterable
from unittest import mock

from liveserver_testcase.core import server as registry
from tests.contracts.toys import EchoServer
from tests.support import NoLeaks, run_python


class _Fake:
    """What the registry must know of a server."""

    def __init__(self, *sockets: socket.socket, error: Exception | None = None) -> None:
        self.sockets = sockets
        self.error = error
        self.stops: list[float | None] = []

    def stop(self, timeout: float | None = None) -> None:
        self.stops.append(timeout)
        if self.error is not None:
            raise self.error

    def open_sockets(self) -> Iterable[socket.socket]:
        return self.sockets


class TheRegistry(NoLeaks):
    """Who is in it, and what is done with them."""

    def setUp(self) -> None:
        super().setUp()
        patched = mock.patch.object(registry, "_running", set())
        self.running = patched.start()
        self.addCleanup(patched.stop)

    def test_a_server_is_in_it_while_it_runs(self) -> None:
        """`start` puts a server on the list, `stop` takes it off."""
        server = EchoServer()
        with server:
            self.assertEqual({server}, self.running)
        self.assertEqual(set(), self.running)

    def test_a_failed_start_leaves_nothing_in_it(self) -> None:
        """A server that could not start is not on the list."""
        server = EchoServer()
        with mock.patch.object(server, "_open", side_effect=KeyboardInterrupt):
            self.assertRaises(KeyboardInterrupt, server.start)
        self.assertEqual(set(), self.running)

    def test_all_are_stopped_at_once(self) -> None:
        """At exit every server is stopped without grace, also when one of them fails."""
        servers = [_Fake(), _Fake(error=ValueError("no")), _Fake()]
        for server in servers:
            self.running.add(server)
        registry._stop_all()
        self.assertEqual([[0.0]] * 3, [server.stops for server in servers])

    @unittest.skipUnless(hasattr(os, "fork"), "this system does not fork")
    def test_letting_go(self) -> None:
        """A descriptor that is let go leads nowhere, and its number stays taken; closed ones are passed over."""
        ours, theirs = socket.socketpair()
        closed = socket.socket()
        closed.close()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        number = ours.fileno()
        self.running.add(_Fake(ours, closed))
        registry._close_after_fork()
        self.assertEqual(b"", theirs.recv(1))
        self.assertTrue(os.path.samestat(os.fstat(number), os.stat(os.devnull)))
        self.assertFalse(os.get_inheritable(number))
        self.assertEqual(set(), self.running)

    def test_servers_are_stopped_before_the_process_is_gone(self) -> None:
        """At exit the servers have stopped when what was registered before them is called."""
        done = run_python(
            """
            import atexit
            atexit.register(lambda: print(server.state.value))
            from tests.contracts.toys import EchoServer
            server = EchoServer()
            server.start()
            """
        )
        self.assertEqual(("stopped\n", ""), (done.stdout, done.stderr))

    def test_servers_are_stopped_after_an_unhandled_error(self) -> None:
        """They are, too, when the process ends with `SystemExit` or Ctrl-C."""
        for error in ("SystemExit(3)", "KeyboardInterrupt"):
            with self.subTest(error=error):
                done = run_python(
                    f"""
                    import atexit
                    atexit.register(lambda: print(server.state.value))
                    from tests.contracts.toys import EchoServer
                    server = EchoServer()
                    server.start()
                    raise {error}
                    """
                )
                self.assertEqual("stopped\n", done.stdout)

"""The contract of `stop()`: who is cut at once, who is waited for, and what is said of the rest."""

from __future__ import annotations

import re
import threading
from unittest import mock

from liveserver_testcase.core.listener import Listener
from liveserver_testcase.core.server import Server, State
from liveserver_testcase.errors import UnfinishedWorkWarning
from tests.contracts.base import ServerCase
from tests.support import HANG, wait_until

__all__ = ["Stopping"]

NEVER = 10 * HANG  # a grace that no test lives to see: who gets it is not waited for
SHORT = 0.1


class Stopping(ServerCase):
    """What `stop()` does to clients, and to the server's own threads."""

    def assert_stops(self, server: Server) -> None:
        stop = threading.Thread(target=server.stop, daemon=True)
        stop.start()
        stop.join(HANG)
        self.assertFalse(stop.is_alive(), "stop() waits for somebody whom it need not wait for")

    def test_clients_that_do_nothing_are_cut(self) -> None:
        """Nobody waits for clients that are silent, idle, answered, in the middle of a sentence, or not yet of TLS."""
        for name, said in {"silent": b"", **self.half_said}.items():
            with self.subTest(client=name):
                server = self.started(stop_timeout=NEVER)
                clients = [self.connect(server) for _ in range(3)]
                for client in clients:
                    client.sendall(said)
                clients.append(self.connect_plainly(server))
                answered = self.connect(server)  # by now the others have been accepted
                self.ask(answered)
                self.check_answer(answered)
                self.assert_stops(server)
                for client in (*clients, answered):
                    self.assert_over(client)
                    client.close()

    def test_work_may_end_within_the_grace(self) -> None:
        """Work that ends in time is let end: its client gets the whole answer, and nothing is said."""
        server = self.started(stop_timeout=NEVER)
        client = self.hang(server)
        with self.stopping(server):
            self.freed.set()
            self.check_answer(client)
        self.assertIs(State.STOPPED, server.state)

    def test_work_that_does_not_end_is_cut_and_named(self) -> None:
        """After the grace the client is cut, and a warning names peer, thread and where the work is."""
        server = self.started(stop_timeout=SHORT)
        client = self.hang(server)
        peer = f"127.0.0.1:{client.getsockname()[1]}"
        with self.assertWarns(UnfinishedWorkWarning) as caught:
            server.stop()
        self.assertIs(State.STOPPED, server.state)
        self.assertEqual(__file__, caught.filename)
        text = str(caught.warning)
        self.assertRegex(text, f"^{re.escape(repr(server))} cut off .+ from {peer}, [0-9]+\\.[0-9] s old, ")
        self.assertIn(f"in thread '{server.label} 127.0.0.1:{server.port}', which was at\n", text)
        self.assertIn("work_that_hangs", text)
        self.assert_over(client)
        self.assert_gone(server)

    def test_after_work_that_did_not_end(self) -> None:
        """A warning that is an error is raised when all is done, and once; the server serves beside the old work.

        ``stop(timeout)`` outranks the server's own `stop_timeout`.
        """
        server = self.started(stop_timeout=NEVER)
        self.hang(server)
        with self.assertRaises(UnfinishedWorkWarning):
            server.stop(0.0)
        self.assertIs(State.STOPPED, server.state)
        self.assert_gone(server)
        server.stop()
        self.work = lambda: None
        server.start()
        self.assert_serves(server)
        self.freed.set()
        self.assert_serves(server)
        server.stop()

    def test_stop_from_inside(self) -> None:
        """In a handler `stop()` refuses new clients at once and returns; the client is answered, then all ends."""
        server = self.started()
        seen: list[object] = []

        def stop_it() -> None:
            seen.append(server.stop())
            seen.append(self.is_refused(server))

        self.work = stop_it
        client = self.connect(server)
        self.ask(client)
        self.check_answer(client)
        self.assertEqual([None, True], seen)
        self.assertIs(State.STOPPED, wait_until(lambda: server.state is State.STOPPED and server.state))

    def test_stop_from_inside_while_it_stops(self) -> None:
        """A handler may call `stop()` while another thread's waits for it: it does not wait in turn."""
        server = self.started(stop_timeout=NEVER)
        client = self.hang(server, then=server.stop)
        with self.stopping(server):
            self.freed.set()
            self.check_answer(client)
        self.assertIs(State.STOPPED, server.state)

    def test_an_interrupted_stop(self) -> None:
        """A `KeyboardInterrupt` during the grace passes through, and all is cut; the next stop says what was."""
        server = self.started(stop_timeout=NEVER)
        client = self.hang(server)
        really = server._close
        graces: list[float] = []

        def interrupt_the_first(timeout: float) -> object:
            graces.append(timeout)
            if len(graces) == 1:
                raise KeyboardInterrupt
            return really(timeout)

        with mock.patch.object(server, "_close", interrupt_the_first):
            self.assertRaises(KeyboardInterrupt, server.stop)
        self.assertEqual([NEVER, 0.0], graces)
        with self.assertWarns(UnfinishedWorkWarning):
            server.stop()
        self.assertIs(State.STOPPED, server.state)
        self.assert_over(client)
        self.assert_gone(server)

    def test_where_shutdown_wakes_nobody(self) -> None:
        """Where the system does not wake a blocked ``accept()``, the stop ends all the same."""
        with mock.patch.object(Listener, "wake", return_value=False):
            server = self.started(stop_timeout=NEVER)
            clients = [self.connect(server) for _ in range(10)]
            for client in clients:
                self.ask(client)
                self.check_answer(client)
            self.assert_stops(server)
            for client in clients:
                self.assert_over(client)
            self.assert_gone(server)

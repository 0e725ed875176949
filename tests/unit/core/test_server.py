"""What every server has beside the contract: words, settings, reports, signals, and its end with the process."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
import unittest
from collections.abc import Callable, Iterable
from unittest import mock

from liveserver_testcase.core import server as core_server
from liveserver_testcase.core.listener import Listener
from liveserver_testcase.core.server import State
from liveserver_testcase.core.tracebacks import Unfinished
from liveserver_testcase.errors import (
    ServerStartError,
    ServerStateError,
    ServerThreadError,
    UnfinishedWorkWarning,
    UsageError,
)
from tests.contracts.toys import EchoServer
from tests.support import HANG, NoLeaks, call_in_thread, run_python, wait_until

LEFT = Unfinished("an echo", "127.0.0.1:50004", 1.0, "echo-server", "")


class ServerCase(NoLeaks):
    """A server that each test may change."""

    def setUp(self) -> None:
        super().setUp()
        self.server = EchoServer()
        self.addCleanup(self.server.stop)

    def replace(self, name: str, function: object) -> None:
        """Put ``function`` in the place of a method of the server, until the end of the test."""
        patched = mock.patch.object(self.server, name, function)
        patched.start()
        self.addCleanup(patched.stop)

    def open_with(self, before: Callable[[], object]) -> None:
        """Have this called before the server opens."""
        really = self.server._open

        def open_then(listener: Listener) -> None:
            before()
            really(listener)

        self.replace("_open", open_then)

    def close_with(self, act: Callable[[], list[Unfinished] | None], *, after: bool = False) -> None:
        """Have this called before or after the server closes; what it returns was cut, too."""
        really = self.server._close

        def close(timeout: float) -> list[Unfinished]:
            first = None if after else act()
            cut = really(timeout)
            return [*cut, *(first or []), *((act() or []) if after else [])]

        self.replace("_close", close)


class Settings(ServerCase):
    """What the constructor takes."""

    def test_timeouts(self) -> None:
        """Timeouts are seconds, whole or not, and may be none; anything else is refused and changes nothing."""
        server = EchoServer(start_timeout=3, stop_timeout=0.0)
        self.assertEqual((3, 0.0), (server.start_timeout, server.stop_timeout))
        for name in ("start_timeout", "stop_timeout"):
            for value in (-1, float("inf"), float("nan"), "2", None, True):
                wanted = f"{name} is {value!r}; wanted a number of seconds, 0 or more"
                with self.subTest(name=name, value=value):
                    with self.assertRaisesRegex(UsageError, f"^{re.escape(wanted)}$"):
                        EchoServer(**{name: value})
        self.server.start()
        with self.assertRaisesRegex(UsageError, "^timeout is -1; wanted a number of seconds, 0 or more$"):
            self.server.stop(-1)
        self.assertTrue(self.server.is_running)

    def test_a_fixed_port_is_known_before_the_start(self) -> None:
        """A port that was given is known, and so is the URL."""
        server = EchoServer(host="[::1]", port=8080)
        self.assertEqual((("::1", 8080), "echo://[::1]:8080"), (server.address, server.url))


class Errors(ServerCase):
    """What a caller may catch."""

    def test_what_a_start_raises(self) -> None:
        """An error of ours stays one; any other is wrapped, `SystemExit` too, which would end the whole run."""
        name = "<EchoServer failed at echo://127.0.0.1:0>"
        table: list[tuple[BaseException, type[Exception], str]] = [
            (UsageError("write this instead"), UsageError, "write this instead"),
            (ValueError("none"), ServerStartError, f"{name} could not start: ValueError: none"),
            (SystemExit(1), ServerStartError, f"{name} could not start: SystemExit: 1"),
        ]
        for error, kind, wanted in table:
            with self.subTest(error=error), mock.patch.object(self.server, "_open", side_effect=error):
                with self.assertRaisesRegex(kind, f"^{re.escape(wanted)}$"):
                    self.server.start()
                self.assertIs(State.FAILED, self.server.state)

    def test_an_illegal_move(self) -> None:
        """A move that is not in the table is refused and changes nothing."""
        wanted = "<EchoServer new at echo://127.0.0.1:0> cannot go from new to stopped"
        with self.server._lock, self.assertRaisesRegex(ServerStateError, f"^{re.escape(wanted)}$"):
            self.server._transition(State.STOPPED)
        self.assertIs(State.NEW, self.server.state)

    def test_start_while_it_stops(self) -> None:
        """A start while it stops is refused with what to do."""
        wanted = re.escape(" is stopping; wait until that is done before calling start().")
        refused: list[bool] = []

        def start_again() -> None:
            self.assertRaisesRegex(ServerStateError, f"^<.+>{wanted}$", self.server.start)
            refused.append(True)

        self.close_with(start_again)
        self.server.start()
        self.server.stop()
        self.assertEqual([True], refused)

    def test_a_start_that_takes_too_long_for_a_stop(self) -> None:
        """`stop` waits for another thread's start for `start_timeout` seconds, and then says what it did."""
        self.server.start_timeout = 0.05
        opening, go_on = threading.Event(), threading.Event()
        self.open_with(lambda: (opening.set(), go_on.wait(HANG)))
        self.addCleanup(go_on.set)
        started = call_in_thread(self.server.start)
        self.assertTrue(opening.wait(HANG))
        wanted = "<EchoServer starting at echo://127.0.0.1:0> is still starting after 0.1 s; nothing was done"
        self.assertRaisesRegex(ServerStateError, f"^{re.escape(wanted)}$", self.server.stop)
        go_on.set()
        started.result(HANG)
        self.assertTrue(self.server.is_running)


class Reports(ServerCase):
    """What `stop` says of what went wrong, once."""

    def run_with(self, *unfinished: Unfinished, failures: tuple[BaseException, ...] = ()) -> None:
        """Start the server, and let its end be like this."""
        self.close_with(lambda: list(unfinished))
        self.server.start()
        self.server._failures += failures

    def test_several_pieces_are_one_warning(self) -> None:
        """All that was cut stands in one warning, so that none is lost where warnings are errors."""
        self.run_with(LEFT, LEFT)
        with self.assertWarns(UnfinishedWorkWarning) as caught:
            self.server.stop()
        wanted = f"<EchoServer stopped at {self.server.url}> cut off 2 pieces of work:\n{LEFT}\n{LEFT}"
        self.assertEqual(wanted, str(caught.warning))

    def test_the_errors_of_threads(self) -> None:
        """What a thread died of is raised, with the original as its cause; further ones are counted."""
        errors = (RuntimeError("boom"), SystemExit(3), RuntimeError("c"))
        for failures, more in ((errors[:1], ""), (errors, " (and 2 more)")):
            self.run_with(failures=failures)
            wanted = f"a thread of <EchoServer stopped at {self.server.url}> ended with RuntimeError: boom{more}"
            with self.assertRaisesRegex(ServerThreadError, f"^{re.escape(wanted)}$") as caught:
                self.server.stop()
            self.assertIs(errors[0], caught.exception.__cause__)
            self.server.stop()

    def test_a_warning_and_an_error(self) -> None:
        """When both are there, both are said; where warnings are errors, this one is the context of the other."""
        self.run_with(LEFT, failures=(RuntimeError("boom"),))
        with self.assertWarns(UnfinishedWorkWarning), self.assertRaises(ServerThreadError):
            self.server.stop()
        self.run_with(failures=(RuntimeError("boom"),))
        with self.assertRaises(ServerThreadError) as caught:
            self.server.stop()
        self.assertIsInstance(caught.exception.__context__, UnfinishedWorkWarning)

    def test_a_new_life_is_a_new_record(self) -> None:
        """What nobody asked for does not come up in the next life."""
        answers = iter([KeyboardInterrupt(), [LEFT], []])

        def answer() -> list[Unfinished]:
            found = next(answers)
            if isinstance(found, BaseException):
                raise found
            return found

        self.close_with(answer, after=True)
        self.server.start()
        self.assertRaises(KeyboardInterrupt, self.server.stop)  # and nobody calls stop() again for the rest
        self.server.start()
        self.server.stop()

    def test_an_error_of_the_close_itself(self) -> None:
        """An error while it closes is raised when it has stopped."""
        self.close_with(mock.Mock(side_effect=ZeroDivisionError("no")), after=True)
        self.server.start()
        self.assertRaisesRegex(ServerThreadError, "ZeroDivisionError: no$", self.server.stop)
        self.assertIs(State.STOPPED, self.server.state)


class Signals(ServerCase):
    """A handler of the tests' that stops the server while the main thread is at something."""

    def setUp(self) -> None:
        super().setUp()
        self.raised: list[BaseException] = []
        self.addCleanup(signal.signal, signal.SIGTERM, signal.getsignal(signal.SIGTERM))
        signal.signal(signal.SIGTERM, self.stop_it)

    def stop_it(self, *_: object) -> None:
        try:
            self.server.stop()
        except BaseException as error:
            self.raised.append(error)

    def test_in_a_start(self) -> None:
        """In the middle of a start there is nothing to stop yet: it says so at once instead of waiting for itself."""
        self.open_with(lambda: signal.raise_signal(signal.SIGTERM))
        self.server.start()
        self.assertEqual([ServerStateError], [type(error) for error in self.raised])
        self.assertRegex(str(self.raised[0]), "cannot be stopped by the thread that is just starting it$")

    def test_later(self) -> None:
        """While it runs the handler stops it like anybody else; in the middle of a stop it does nothing."""
        self.server.start()
        signal.raise_signal(signal.SIGTERM)
        self.assertIs(State.STOPPED, self.server.state)
        self.close_with(lambda: signal.raise_signal(signal.SIGTERM))
        self.server.start()
        self.server.stop()
        self.assertIs(State.STOPPED, self.server.state)
        self.assertEqual([], self.raised)


class Threads(ServerCase):
    """A stop from inside that cannot have a thread of its own."""

    def test_no_thread_for_the_rest(self) -> None:
        """When the system has no more threads, a stop from inside cuts everything there and then, and says why."""
        raised: list[str] = []

        def stop_it() -> None:
            with mock.patch.object(threading.Thread, "start", side_effect=RuntimeError("can't start new thread")):
                try:
                    self.server.stop()
                except RuntimeError as error:
                    raised.append(str(error))

        self.server.work = stop_it
        self.server.start()
        with socket.create_connection(self.server.address, timeout=HANG) as client:
            client.sendall(b"hello\n")
            self.assertEqual(b"", client.recv(10))
        self.assertTrue(wait_until(lambda: self.server.state is State.STOPPED))
        self.assertEqual(["can't start new thread"], raised)
        with self.assertWarns(UnfinishedWorkWarning):
            self.server.stop()


class TheRegistry(NoLeaks):
    """The running servers of a process: stopped when it exits, let go by its children."""

    def setUp(self) -> None:
        super().setUp()
        patched = mock.patch.object(core_server, "_running", set())
        self.running = patched.start()
        self.addCleanup(patched.stop)

    def test_who_is_in_it(self) -> None:
        """A server is in it while it runs, and not if it could not start."""
        server = EchoServer()
        with server:
            self.assertEqual({server}, self.running)
        self.assertEqual(set(), self.running)
        with mock.patch.object(server, "_open", side_effect=KeyboardInterrupt):
            self.assertRaises(KeyboardInterrupt, server.start)
        self.assertEqual(set(), self.running)

    def test_all_are_stopped_at_once(self) -> None:
        """At exit every server is stopped without grace, also when one of them fails."""
        servers = [mock.Mock(), mock.Mock(**{"stop.side_effect": ValueError("no")}), mock.Mock()]
        self.running.update(servers)
        core_server._stop_all()
        for server in servers:
            server.stop.assert_called_once_with(0.0)

    @unittest.skipUnless(hasattr(os, "fork"), "this system does not fork")
    def test_letting_go(self) -> None:
        """A descriptor that is let go leads nowhere, and its number stays taken; closed ones are passed over."""
        ours, theirs = socket.socketpair()
        closed = socket.socket()
        closed.close()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        sockets: Iterable[socket.socket] = (ours, closed)
        self.running.add(mock.Mock(open_sockets=lambda: sockets))
        core_server._close_after_fork()
        self.assertEqual(b"", theirs.recv(1))
        self.assertTrue(os.path.samestat(os.fstat(ours.fileno()), os.stat(os.devnull)))
        self.assertFalse(os.get_inheritable(ours.fileno()))
        self.assertEqual(set(), self.running)

    def test_servers_are_stopped_before_the_process_is_gone(self) -> None:
        """They have stopped when what was registered before them is called, however the process ends."""
        for end in ("pass", "raise SystemExit(3)", "raise KeyboardInterrupt"):
            with self.subTest(end=end):
                done = run_python(
                    f"""
                    import atexit
                    atexit.register(lambda: print(server.state.value))
                    from tests.contracts.toys import EchoServer
                    server = EchoServer()
                    server.start()
                    {end}
                    """
                )
                self.assertEqual("stopped\n", done.stdout)
                self.assertEqual("KeyboardInterrupt" in end, bool(done.stderr))

"""What is the same for every server whatever it serves, beside the contract: words, settings, reports, signals."""

from __future__ import annotations

import re
import signal
import socket
import threading
from unittest import mock

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
from tests.support import HANG, NoLeaks, wait_until

LEFT = Unfinished("an echo", "127.0.0.1:50004", 1.0, "echo-server", "")


class ServerCase(NoLeaks):
    """A server that each test may bend."""

    def setUp(self) -> None:
        super().setUp()
        self.server = EchoServer()
        self.addCleanup(self.server.stop)

    def bend(self, name: str, function: object) -> None:
        """Put ``function`` in the place of a method of the server, until the end of the test."""
        patched = mock.patch.object(self.server, name, function)
        patched.start()
        self.addCleanup(patched.stop)


class Settings(ServerCase):
    """What the constructor takes."""

    def test_timeouts(self) -> None:
        """Timeouts are seconds, whole or not, and may be none."""
        server = EchoServer(start_timeout=3, stop_timeout=0.0)
        self.assertEqual((3, 0.0), (server.start_timeout, server.stop_timeout))

    def test_bad_timeouts(self) -> None:
        """What is no number of seconds is refused with what is wanted."""
        for name in ("start_timeout", "stop_timeout"):
            for value in (-1, float("inf"), float("nan"), "2", None, True):
                wanted = f"{name} is {value!r}; wanted a number of seconds, 0 or more"
                with self.subTest(name=name, value=value):
                    with self.assertRaisesRegex(UsageError, f"^{re.escape(wanted)}$"):
                        EchoServer(**{name: value})

    def test_a_bad_grace(self) -> None:
        """`stop` refuses what is no number of seconds, and changes nothing."""
        self.server.start()
        with self.assertRaisesRegex(UsageError, "^timeout is -1; wanted a number of seconds, 0 or more$"):
            self.server.stop(-1)
        self.assertTrue(self.server.is_running)

    def test_a_fixed_port_is_known_before_the_start(self) -> None:
        """A port that was given is known, and so is the URL."""
        server = EchoServer(host="[::1]", port=8080)
        self.assertEqual(("::1", 8080), server.address)
        self.assertEqual("echo://[::1]:8080", server.url)


class Errors(ServerCase):
    """What a caller may catch."""

    def test_a_usage_error_of_a_start_stays_one(self) -> None:
        """An error of ours that `_open` raises is not wrapped in another one."""
        self.bend("_open", mock.Mock(side_effect=UsageError("write this instead")))
        with self.assertRaisesRegex(UsageError, "^write this instead$"):
            self.server.start()
        self.assertIs(State.FAILED, self.server.state)

    def test_a_failed_start_says_why(self) -> None:
        """Any other error is wrapped, and named with its class."""
        self.bend("_open", mock.Mock(side_effect=ValueError("no such thing")))
        wanted = "<EchoServer failed at echo://127.0.0.1:0> could not start: ValueError: no such thing"
        with self.assertRaisesRegex(ServerStartError, f"^{re.escape(wanted)}$"):
            self.server.start()

    def test_a_start_that_wants_to_exit(self) -> None:
        """`SystemExit` is wrapped, too: in a `setUpClass` it would end the whole run."""
        self.bend("_open", mock.Mock(side_effect=SystemExit(1)))
        with self.assertRaisesRegex(ServerStartError, "could not start: SystemExit: 1$"):
            self.server.start()

    def test_an_illegal_move(self) -> None:
        """A move that is not in the table is refused and changes nothing."""
        wanted = "<EchoServer new at echo://127.0.0.1:0> cannot go from new to stopped"
        with self.server._lock, self.assertRaisesRegex(ServerStateError, f"^{re.escape(wanted)}$"):
            self.server._transition(State.STOPPED)
        self.assertIs(State.NEW, self.server.state)

    def test_start_while_it_stops(self) -> None:
        """A start while it stops is refused with what to do."""
        raised: list[str] = []
        really = self.server._close

        def close(timeout: float) -> list[Unfinished]:
            try:
                self.server.start()
            except ServerStateError as error:
                raised.append(str(error))
            return really(timeout)

        self.bend("_close", close)
        self.server.start()
        self.server.stop()
        name = f"<EchoServer stopping at {self.server.url}>"
        self.assertEqual([f"{name} is stopping; wait until that is done before calling start()."], raised)

    def test_a_start_that_takes_too_long_for_a_stop(self) -> None:
        """`stop` waits for another thread's start for `start_timeout` seconds, and then says what it did."""
        self.server.start_timeout = 0.05
        opening, go_on = threading.Event(), threading.Event()
        really = self.server._open

        def open_slowly(listener: Listener) -> None:
            opening.set()
            go_on.wait(HANG)
            really(listener)

        self.bend("_open", open_slowly)
        starter = threading.Thread(target=self.server.start)
        starter.start()
        self.assertTrue(opening.wait(HANG))
        wanted = "<EchoServer starting at echo://127.0.0.1:0> is still starting after 0.1 s; nothing was done"
        try:
            with self.assertRaisesRegex(ServerStateError, f"^{re.escape(wanted)}$"):
                self.server.stop()
        finally:
            go_on.set()
            starter.join(HANG)


class Reports(ServerCase):
    """What `stop` says of what went wrong, once."""

    def close_with(self, *unfinished: Unfinished, failures: tuple[BaseException, ...] = ()) -> None:
        """Run the server, and let its end be like this."""
        really = self.server._close

        def close(timeout: float) -> list[Unfinished]:
            return [*really(timeout), *unfinished]

        self.bend("_close", close)
        self.server.start()
        self.server._failures += failures

    def test_several_pieces_are_one_warning(self) -> None:
        """All that was cut stands in one warning, so that none is lost where warnings are errors."""
        self.close_with(LEFT, LEFT)
        with self.assertWarns(UnfinishedWorkWarning) as caught:
            self.server.stop()
        wanted = f"<EchoServer stopped at {self.server.url}> cut off 2 pieces of work:\n{LEFT}\n{LEFT}"
        self.assertEqual(wanted, str(caught.warning))

    def test_the_error_of_a_thread(self) -> None:
        """What a thread died of is raised, with the original as its cause."""
        error = RuntimeError("boom")
        self.close_with(failures=(error,))
        wanted = f"a thread of <EchoServer stopped at {self.server.url}> ended with RuntimeError: boom"
        with self.assertRaisesRegex(ServerThreadError, f"^{re.escape(wanted)}$") as caught:
            self.server.stop()
        self.assertIs(error, caught.exception.__cause__)
        self.server.stop()

    def test_several_errors_are_counted(self) -> None:
        """The first error is the cause, the others are counted."""
        self.close_with(failures=(SystemExit(3), RuntimeError("b"), RuntimeError("c")))
        with self.assertRaisesRegex(ServerThreadError, r"ended with SystemExit: 3 \(and 2 more\)$"):
            self.server.stop()

    def test_an_error_hides_no_warning(self) -> None:
        """When both are there, both are said."""
        self.close_with(LEFT, failures=(RuntimeError("boom"),))
        with self.assertWarns(UnfinishedWorkWarning), self.assertRaises(ServerThreadError):
            self.server.stop()

    def test_a_warning_hides_no_error(self) -> None:
        """Where warnings are errors the thread's error is raised, and the warning is its context."""
        self.close_with(LEFT, failures=(RuntimeError("boom"),))
        with self.assertRaises(ServerThreadError) as caught:
            self.server.stop()
        self.assertIsInstance(caught.exception.__context__, UnfinishedWorkWarning)

    def test_a_new_life_is_a_new_record(self) -> None:
        """What nobody asked for does not come up in the next life."""
        really = self.server._close
        answers = iter([KeyboardInterrupt(), [LEFT], []])

        def close(timeout: float) -> list[Unfinished]:
            really(timeout)
            answer = next(answers)
            if isinstance(answer, BaseException):
                raise answer
            return answer

        self.bend("_close", close)
        self.server.start()
        self.assertRaises(KeyboardInterrupt, self.server.stop)  # and nobody calls stop() again to hear the rest
        self.server.start()
        self.server.stop()

    def test_an_error_of_the_close_itself(self) -> None:
        """An error while it closes is raised when it has stopped."""
        really = self.server._close

        def close(timeout: float) -> list[Unfinished]:
            really(timeout)
            raise ZeroDivisionError("no")

        self.bend("_close", close)
        self.server.start()
        with self.assertRaisesRegex(ServerThreadError, "ZeroDivisionError: no$"):
            self.server.stop()
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
        really = self.server._open

        def open_and_signal(listener: Listener) -> None:
            signal.raise_signal(signal.SIGTERM)
            really(listener)

        self.bend("_open", open_and_signal)
        self.server.start()
        self.assertEqual([ServerStateError], [type(error) for error in self.raised])
        self.assertRegex(str(self.raised[0]), "cannot be stopped by the thread that is just starting it$")

    def test_in_a_stop(self) -> None:
        """In the middle of a stop it does nothing, and the stop goes on."""
        really = self.server._close

        def close_and_signal(timeout: float) -> list[Unfinished]:
            signal.raise_signal(signal.SIGTERM)
            return really(timeout)

        self.bend("_close", close_and_signal)
        self.server.start()
        self.server.stop()
        self.assertEqual([], self.raised)
        self.assertIs(State.STOPPED, self.server.state)

    def test_while_it_runs(self) -> None:
        """While it runs the handler stops it like anybody else."""
        self.server.start()
        signal.raise_signal(signal.SIGTERM)
        self.assertIs(State.STOPPED, self.server.state)
        self.assertEqual([], self.raised)


class Threads(ServerCase):
    """A stop from inside that cannot have a thread of its own."""

    def test_no_thread_for_the_rest(self) -> None:
        """When the system has no more threads, a stop from inside cuts everything there and then, and says why."""
        raised: list[BaseException] = []

        def stop_it() -> None:
            with mock.patch.object(threading.Thread, "start", side_effect=RuntimeError("can't start new thread")):
                try:
                    self.server.stop()
                except RuntimeError as error:
                    raised.append(error)

        self.server.work = stop_it
        self.server.start()
        with socket.create_connection(self.server.address, timeout=HANG) as client:
            client.sendall(b"hello\n")
            self.assertEqual(b"", client.recv(10))
        self.assertTrue(wait_until(lambda: self.server.state is State.STOPPED))
        self.assertEqual(["can't start new thread"], [str(error) for error in raised])
        with self.assertWarns(UnfinishedWorkWarning):
            self.server.stop()

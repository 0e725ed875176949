"""Run any server in a process of its own: the same verbs, the same states, and one more way to die."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from ..core.interrupts import defer_sigint, monotonic
from ..core.listener import Listener
from ..core.server import HasDescriptor, Server
from ..core.tracebacks import Unfinished
from ..errors import LiveServerTestCaseError, ServerDied, ServerStartError, UsageError
from .child import METHODS, ChildConnection, ChildExited, ChildTimeout, OutputTail, StartMethod, launch
from .messages import ServerFactory, StopReport, WorkerConfig
from .worker import is_importing_main

__all__ = ["ProcessServer", "StartMethod"]


_ANSWER = 5.0  # seconds for an answer that takes the child no time
_STOP = 1.0  # seconds beyond its grace that a stop in the child may take
_EXIT = 0.5  # seconds that a child gets to end once its server has stopped: it writes coverage data, for one
_TERM = 0.25  # seconds that it gets after SIGTERM
_KILL = 5.0  # seconds that the system gets to end what was killed
_DUMP = 0.5  # seconds that it gets to print its stacks after SIGABRT
_FORKSERVER_HINT = (
    "\nmultiprocessing's fork server imports the script that runs the tests, and prints to the terminal what is wrong "
    "with it: is unittest.main() called under `if __name__ == '__main__':`?"
)
_RELOADERS = ("WERKZEUG_RUN_MAIN", "WERKZEUG_SERVER_FD", "RUN_MAIN", "FLASK_RUN_FROM_CLI")


class ProcessServer(Server):
    """A server that is made and runs in a child process, on a socket that is bound here.

    The child does not outlive this process, whatever ends it, and nothing that the child has started outlives the
    child: they are a process group of their own.

    Args:
        make: Makes the server there: a function or class that the child can import, or an import string
            ``package.module:name``.  It is called with ``arguments``, and with ``host``, ``port``, ``start_timeout``
            and ``stop_timeout``.
        arguments: To be pickled.
        host: See `Server`.
        port: See `Server`.
        options: Further keywords for ``make``, to be pickled.
        early: Modules that the child imports before anything else.
        start_method: ``spawn`` for a fresh interpreter, ``forkserver`` for a copy of a small one, ``fork`` for a copy
            of this process; the last can hang where this process has threads.
        env: Environment variables that the child has besides those of this process.
        start_timeout: See `Server`.
        stop_timeout: See `Server`; a child that does not end within it is killed.

    Raises:
        UsageError: One of these is of the wrong kind.
    """

    scheme: ClassVar[str] = "process"
    label = "server-process"
    desk = f"{__package__}.worker:CommandHandler"
    """The import string of the class that answers questions in the child."""

    def __init__(
        self,
        make: Callable[..., Server] | str,
        *arguments: Any,
        host: str = "127.0.0.1",
        port: int = 0,
        options: Mapping[str, Any] | None = None,
        early: tuple[str, ...] = (),
        start_method: StartMethod = "spawn",
        env: Mapping[str, str] | None = None,
        start_timeout: float = 10.0,
        stop_timeout: float = 2.0,
    ) -> None:
        super().__init__(host, port, start_timeout=start_timeout, stop_timeout=stop_timeout)
        if os.name != "posix":
            raise UsageError(f"a server in a process of its own needs a POSIX system, and this one is {os.name!r}")
        if start_method not in METHODS:
            wanted = ", ".join(map(repr, METHODS))
            raise UsageError(f"start_method is {start_method!r}; wanted one of {wanted}")
        self.start_method: StartMethod = start_method
        self.env = _check_env(env)
        self._make, self._arguments, self._options, self._early = make, arguments, dict(options or {}), early
        self._output = OutputTail()
        self._child_connection: ChildConnection | None = None
        self._death: ServerDied | None = None
        self._death_summary = ""
        self._is_death_told = False  # in this test
        self._was_death_told = False  # in any

    # -- what a test may ask -----------------------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        """Whether the server serves: its process has not died either."""
        return super().is_running and self._child_connection is not None and self._child_connection.child.poll() is None

    @property
    def pid(self) -> int | None:
        """The child's process number; None while there is no child."""
        return self._child_connection.child.pid if self._child_connection is not None else None

    @property
    def output(self) -> str:
        """What the child and its own children have printed since the test began; the last 64 KB of it."""
        line = self._child_connection
        if line is not None:
            with contextlib.suppress(ChildExited, ChildTimeout):
                line.ask("flush", timeout=_ANSWER)
        return self._output.text

    @property
    def death(self) -> ServerDied | None:
        """How the child has died by itself; None if it has not."""
        line = self._child_connection
        if line is not None and line.is_serving and not line.is_leaving and line.child.poll() is not None:
            return self._note_death(line)
        return self._death

    def check(self) -> None:
        """Raise what has gone wrong with the server meanwhile; said once.

        Raises:
            ServerDied: Its process has.
            ServerThreadError: See `Server.check`.
        """
        self._check_life()
        if self._serves:
            for failure in self._ask("failures"):
                self._record_failure(failure.unpack())
        super().check()

    def _check_life(self) -> None:
        """Raise the death of the child, if it has died and nobody was told."""
        death = self.death
        if death is not None and not self._is_death_told:
            self._is_death_told = True
            raise self._death_error(death)

    @property
    def _serves(self) -> bool:
        """Whether there is a child that can be asked."""
        line = self._child_connection
        return line is not None and line.is_serving and not line.is_leaving and self.death is None

    def open_sockets(self) -> list[HasDescriptor]:
        """What a copy of this process must let go, lest the child outlives us."""
        line = self._child_connection
        ends: list[HasDescriptor] = []
        if line is not None:
            with contextlib.suppress(ValueError):  # closed meanwhile
                ends = [each for each in (line.child.pipe, line.child.life, line.child.output) if each.fileno() >= 0]
        return [*super().open_sockets(), *ends]

    def _ask(self, question: str, *arguments: object, timeout: float = _ANSWER) -> Any:
        """Ask the child's desk.

        Raises:
            ServerDied: There is no child any more.
        """
        line = self._child_connection
        if line is None:
            if self._death is not None:
                raise self._death_error(self._death)
            raise ServerDied(f"{self!r} has no process: it is {self._state.value}")
        try:
            return line.ask(question, *arguments, timeout=timeout)
        except ChildExited:
            self._is_death_told = True
            raise self._death_error(self._note_death(line)) from None
        except ChildTimeout:
            raise LiveServerTestCaseError(
                f"{self!r} does not answer: its process (pid {line.child.pid}) is stopped, or runs code that lets no "
                f"other thread run; it was asked for {question!r} {timeout:g} s ago"
            ) from None

    def _note_death(self, line: ChildConnection) -> ServerDied:
        if self._death is None:
            code = line.child.wait(_KILL)
            line.is_over.wait(_KILL)  # the last of its output is here
            self._death_summary = (
                f"the server at {self.url} died: its process (pid {line.child.pid}) {_describe_end(code)}"
            )
            self._death = ServerDied(f"{self._death_summary}.{self._describe_output()}")
        return self._death

    def _death_error(self, death: ServerDied) -> ServerDied:
        """The death as an exception of its own, in full the first time and in a line from then on.

        An exception that is raised once a test would gather the frames and notes of all of them.
        """
        again = f"{self._death_summary}; what it had printed is in the first report of it"
        told, self._was_death_told = ServerDied(again if self._was_death_told else str(death)), True
        return told

    def __repr__(self) -> str:
        return super().__repr__() if self._death is None else f"<{type(self).__name__} died at {self.url}>"

    def _describe_output(self) -> str:
        tail = self._output.tail()
        return f" The last of its output:\n{tail}" if tail else " It had printed nothing."

    # -- life --------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """See `Server.start`; a server whose process has died starts again."""
        if self.death is not None:
            self._is_death_told = True
            self.stop(0.0)
        super().start()

    def _open(self, listener: Listener) -> None:
        if is_importing_main():
            raise UsageError(
                f"{self!r} was to be started while a server's process imports the script that runs the tests: "
                "call unittest.main(), and whatever else starts servers, under `if __name__ == '__main__':`"
            )
        deadline = monotonic() + self.start_timeout
        self._death, self._is_death_told, self._was_death_told = None, False, False
        self._output.clear()
        config = self._give_orders(listener)

        def begin() -> None:
            child = launch(self.start_method, config, listener.sockets)
            self._child_connection = ChildConnection(child, self._output, self._thread_name)
            self._child_connection.start()

        defer_sigint(begin)
        listener.release()  # else clients of a child that dies would wait for ever, and not be refused
        if self._child_connection is not None:
            self._await_ready(self._child_connection, deadline)

    def _recipe(self, port: int) -> ServerFactory:
        """What is made in the child."""
        options = {
            **self._options,
            "host": self._host,
            "port": port,
            "start_timeout": self.start_timeout,
            "stop_timeout": self.stop_timeout,
        }
        return ServerFactory(self._make, self._arguments, options, self._early)

    def _give_orders(self, listener: Listener) -> WorkerConfig:
        recipe = self._recipe(listener.port)
        environment = {name: value for name, value in os.environ.items() if name not in _RELOADERS}
        environment.pop("FLASK_DEBUG", None)
        environment.update(self.env)
        copied = self.start_method == "fork"
        main: dict[str, str] = {}
        if recipe.needs_main and not copied:
            from multiprocessing.spawn import get_preparation_data

            found = get_preparation_data("server")
            main = {name: found[name] for name in ("init_main_from_name", "init_main_from_path") if name in found}
        return WorkerConfig(
            parent=os.getpid(),
            host=self._host,
            make=recipe.call if copied else recipe.pack(),
            desk=self.desk,
            path=tuple(entry or os.getcwd() for entry in sys.path),
            arguments=tuple(sys.argv),
            environment=environment,
            modules={} if copied else recipe.modules(),
            main=main,
        )

    def _await_ready(self, line: ChildConnection, deadline: float) -> None:
        try:
            failure = line.wait_for_ready(deadline - monotonic())
        except ChildExited:
            code = line.child.wait(_KILL)
            how = f"its process {_describe_end(code)} before it served.{self._describe_output()}"
            hint = _FORKSERVER_HINT if self.start_method == "forkserver" else ""
            raise ServerStartError(f"{self!r} could not start: {how}{hint}") from None
        except ChildTimeout:
            line.child.signal(signal.SIGABRT)  # faulthandler prints where it is
            line.child.wait(_DUMP)
            self._end(line)
            raise ServerStartError(
                f"{self!r} did not start within {self.start_timeout:g} s, and its process was killed; "
                f"is there something that it waits for?{self._describe_output()}"
            ) from None
        if failure is not None:
            error = failure.unpack()
            if isinstance(error, LiveServerTestCaseError):
                raise error
            raise ServerStartError(f"{self!r} could not start: {failure.describe()}") from error

    def _stop_accepting(self) -> None:
        """Nothing: the child refuses as soon as it is told to stop."""

    def _is_server_thread(self) -> bool:
        return False

    def _close(self, timeout: float) -> list[Unfinished]:
        line = self._child_connection
        if line is None:
            return []
        deadline = monotonic() + timeout
        farewell: StopReport | None = None
        cut: list[Unfinished] = []
        asks = self._serves
        line.is_leaving = True
        if asks:
            try:
                farewell = line.ask("stop", timeout, timeout=timeout + _STOP)
            except ChildTimeout:
                line.child.signal(signal.SIGABRT)  # faulthandler prints where it is
                line.child.wait(_DUMP)
                cut.append(Unfinished("a stop without an answer", f"pid {line.child.pid}", timeout + _STOP, "main", ""))
            except ChildExited:
                pass  # it has ended just now, as it was to
        ended = farewell is None or line.child.wait(max(_EXIT, deadline - monotonic())) is not None
        self._end(line, gently=farewell is not None)
        self._child_connection = None
        if farewell is not None:
            cut += [*farewell.unfinished, *(() if ended else farewell.threads)]
            for failure in farewell.failures:
                self._record_failure(failure.unpack())
            self._on_stop_report(farewell.words)
        return [replace(each, stack=self._output.tail()) if not each.stack else each for each in cut]

    def _end(self, line: ChildConnection, *, gently: bool = False) -> None:
        """See to it that the child and all that it has started are gone, and let go of it."""
        child = line.child
        if gently and child.poll() is None:
            child.signal(signal.SIGTERM)
            child.wait(_TERM)
        if child.poll() is None:
            child.signal(signal.SIGKILL)
            child.wait(_KILL)
        line.close()

    def _on_stop_report(self, words: object) -> None:
        """Take what the child's desk has left for those who ask later."""


def _describe_end(code: int | None) -> str:
    if code is None:
        return "does not end, although it was killed"
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:  # one of the real-time signals
        name = "a signal"
    return f"was killed by {name} (signal {-code})"


def _check_env(env: Mapping[str, str] | None) -> dict[str, str]:
    """A copy of ``env``, if it can be an environment."""
    if env is not None and not isinstance(env, Mapping):
        raise UsageError(f"env is {env!r}; wanted a mapping of environment variables to their values, both text")
    for name, value in (env or {}).items():
        if not isinstance(name, str) or not isinstance(value, str) or not name or "=" in name:
            raise UsageError(f"env has {name!r}: {value!r}; wanted the name and the value of a variable, both text")
    return dict(env or {})

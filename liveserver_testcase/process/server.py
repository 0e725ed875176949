"""Run any server in a child process: the same methods and states, and the process may die.

How it works.  `ProcessServer.start` binds the sockets in this process, spawns a fresh interpreter with copies of them
(`child`), and closes its own.  The child gets a `WorkerConfig`: it takes over the environment and the path, makes the
server from its pickled factory, has it adopt the sockets, and reports that it serves (`worker`).  From then on clients
connect to the child and nothing of what they send passes through here.

Over a socket pair the parent sends commands, such as ``stop``, and the child results and events (`messages`).  A thread
of the parent receives those and what the child prints, and waits for its end.  An end that nobody has asked for is
kept, and raised by whatever the test asks of the server next.  The child ends when the parent's end of a pipe closes,
whatever has ended the parent, and takes along every process that it has started.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from ..core.interrupts import defer_sigint, monotonic
from ..core.listener import Listener
from ..core.masking import mask
from ..core.server import Server
from ..core.tracebacks import Unfinished
from ..errors import LiveServerTestCaseError, ServerDied, ServerStartError, UsageError
from .child import ChildProcess, OutputTail
from .messages import Result, ServerFactory, WorkerConfig, find_main, find_modules
from .worker import is_importing_main

if TYPE_CHECKING:
    from _typeshed import HasFileno

__all__ = ["ProcessServer"]

_COMMAND = 5.0  # seconds for a command that takes the child no time
# Seconds beyond its grace that a stop in the child may take: more than any server of ours takes to cut and name what is
# left, to shut the application down and to join its threads, so that its report arrives.
_STOP = 3.0
_EXIT = 0.5  # seconds that a child gets to end once its server has stopped: it writes coverage data, for one
_TERM = 0.25  # seconds that it gets after SIGTERM
_KILL = 5.0  # seconds that the system gets to end what was killed
_DUMP = 0.5  # seconds that it gets to print its stacks after SIGABRT
_NOT_INHERITED = ("WERKZEUG_RUN_MAIN", "WERKZEUG_SERVER_FD", "RUN_MAIN", "FLASK_RUN_FROM_CLI", "FLASK_DEBUG")


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
        preload: Modules that the child imports before anything else.
        env: Environment variables that the child has besides those of this process.
        start_timeout: See `Server`.
        stop_timeout: See `Server`; a child that does not end within it is killed.
    """

    scheme: ClassVar[str] = "process"
    label = "server-process"
    handler = f"{__package__}.worker:CommandHandler"
    """The import string of the class that runs commands in the child."""

    def __init__(
        self,
        make: Callable[..., Server] | str,
        *arguments: Any,
        host: str = "127.0.0.1",
        port: int = 0,
        options: Mapping[str, Any] | None = None,
        preload: tuple[str, ...] = (),
        env: Mapping[str, str] | None = None,
        start_timeout: float = 10.0,
        stop_timeout: float = 2.0,
    ) -> None:
        super().__init__(host, port, start_timeout=start_timeout, stop_timeout=stop_timeout)
        if os.name != "posix":
            raise UsageError(f"a server in a process of its own needs a POSIX system, and this one is {os.name!r}")
        if env is not None and not isinstance(env, Mapping):
            raise UsageError(f"env is {env!r}; wanted a mapping of environment variables to their values, both text")
        self.env = dict(env or {})
        for name, value in self.env.items():
            if not isinstance(name, str) or not isinstance(value, str) or not name or "=" in name:
                raise UsageError(f"env has {name!r}: {value!r}; wanted the name and the value of a variable, both text")
        self._make, self._arguments, self._options, self._preload = make, arguments, dict(options or {}), preload
        self._output = OutputTail()
        self._child: ChildProcess | None = None
        self._death: ServerDied | None = None
        self._death_texts: Iterator[str] = iter(())  # of its reports: in full, and in a line from then on
        self._is_death_reported = False  # in this test

    # -- what a test may ask -----------------------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        """Whether the server serves: its process has not died either."""
        return super().is_running and self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int | None:
        """The child's process number; None while there is no child."""
        return self._child.pid if self._child is not None else None

    @property
    def output(self) -> str:
        """What the child and its own children have printed since the test began; the last 64 KB of it."""
        self._send_command("flush")
        return self._output.text

    @property
    def death(self) -> ServerDied | None:
        """How the child has died by itself; None if it has not."""
        child = self._child
        if child is not None and child.is_serving and not child.is_stopping and child.poll() is not None:
            self._note_death(child)
        return self._death

    def check(self) -> None:
        """Raise what has gone wrong with the server meanwhile; said once.

        Raises:
            ServerDied: Its process has.
            ServerThreadError: See `Server.check`.
        """
        self._check_life()
        for failure in self._query("failures", default=()):
            self._record_failure(failure.unpack())
        super().check()

    def _check_life(self) -> None:
        """Raise the death of the child, if it has died and this was not raised in this test yet.

        It is a new exception each time: one that is raised once a test would gather the frames and notes of all.
        """
        if self.death is not None and not self._is_death_reported:
            self._is_death_reported = True
            raise ServerDied(next(self._death_texts))

    def _note_death(self, child: ChildProcess) -> None:
        if self._death is None:
            code = child.wait(_KILL)
            child.has_ended.wait(_KILL)  # the last of its output and of its events are here
            summary = f"the server at {self.url} died: its process (pid {child.pid}) {_describe_end(code)}"
            text = f"{summary}.{self._describe_output()}"
            again = f"{summary}; what it had printed is in the first report of it"
            self._death_texts = itertools.chain([text], itertools.repeat(again))
            self._death = ServerDied(text)

    @property
    def _serves(self) -> bool:
        """Whether there is a child that runs commands."""
        child = self._child
        return child is not None and child.is_serving and not child.is_stopping and self.death is None

    def open_sockets(self) -> list[HasFileno]:
        """What a forked copy of this process must close, lest the child outlives us."""
        return [*super().open_sockets(), *(self._child.open_files() if self._child is not None else ())]

    def __repr__(self) -> str:
        return super().__repr__() if self._death is None else f"<{self.display_name} died at {self.url}>"

    # -- commands ----------------------------------------------------------------------------------------------

    def _call(self, command: str, *arguments: object, timeout: float = _COMMAND, default: Any = None) -> Any:
        """Run a command in the child and return its result; ``default`` where there is no child, or it is stopping.

        Raises:
            ServerDied: The child has died.
        """
        child = self._child
        if child is None or child.is_stopping:
            return default
        try:
            result = child.call(command, *arguments, timeout=timeout)
        except TimeoutError:
            raise LiveServerTestCaseError(
                f"{self!r} does not answer: its process (pid {child.pid}) is stopped, or runs code that "
                f"lets no other thread run; it was sent the command {command!r} {timeout:g} s ago"
            ) from None
        if result is None and not child.is_stopping:
            self._note_death(child)
            self._is_death_reported = False
            self._check_life()
        if result is None:  # another thread has stopped the server meanwhile
            return default
        if result.error is not None:
            raise result.error.unpack()
        return result.value

    def _query(self, command: str, *arguments: object, timeout: float = _COMMAND, default: Any = None) -> Any:
        """See `_call`; ``default`` also where the child has died before."""
        return self._call(command, *arguments, timeout=timeout, default=default) if self._serves else default

    def _send_command(self, command: str, *arguments: object) -> None:
        """Run a command in the child, if there is one, whatever comes of it."""
        if self._child is not None:
            with contextlib.suppress(TimeoutError):
                self._child.call(command, *arguments, timeout=_COMMAND)

    # -- what the child pushes, in a thread of the server ------------------------------------------------------

    def _on_event(self, value: Any) -> None:
        """Give meaning to an event; called for each, in their order."""

    def _on_end(self, memory: int) -> None:
        """Read what the child has left in the memory that is shared with it; called when it has ended."""

    def _guard(self, function: Callable[[Any], None], value: Any) -> None:
        """Call one of these two; what goes wrong is raised by the next `check` or `stop`."""
        try:
            function(value)
        except Exception as error:
            self._record_failure(error)

    # -- life --------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """See `Server.start`; a server whose process has died starts again."""
        if self.death is not None:
            self._is_death_reported = True
            self.stop(0.0)
        super().start()

    def _open(self, listener: Listener) -> None:
        if is_importing_main():
            raise UsageError(
                f"{self!r} was to be started while a server's process imports the script that runs the tests: "
                "call unittest.main(), and whatever else starts servers, under `if __name__ == '__main__':`"
            )
        deadline = monotonic() + self.start_timeout
        self._death, self._is_death_reported = None, False
        self._output.clear()
        factory = self._make_factory(listener.port)
        packed, owners = factory.pack(), factory.owners()
        environment = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
        config = WorkerConfig(
            parent_pid=os.getpid(),
            host=self._host,
            factory=packed,
            handler=self.handler,
            sys_path=tuple(entry or os.getcwd() for entry in sys.path),
            argv=tuple(sys.argv),
            environment={**environment, **self.env},
            modules=find_modules([*factory.preload, *owners]),
            main=find_main(owners),
        )

        def spawn() -> None:
            on_event = functools.partial(self._guard, self._on_event)
            on_end = functools.partial(self._guard, self._on_end)
            self._child = ChildProcess(config, listener.sockets, self._output, self._thread_name, on_event, on_end)
            self._child.start()

        defer_sigint(spawn)
        listener.release()  # else clients of a child that dies would wait forever, and not be refused
        if self._child is not None:
            # an application may be configured with another port, which the child has bound then
            listener.port = self._await_ready(self._child, deadline)

    def _make_factory(self, port: int) -> ServerFactory:
        """What makes the server in the child."""
        options = {
            **self._options,
            "host": self._host,
            "port": port,
            "start_timeout": self.start_timeout,
            "stop_timeout": self.stop_timeout,
        }
        return ServerFactory(self._make, self._arguments, options, self._preload)

    def _await_ready(self, child: ChildProcess, deadline: float) -> int:
        """Wait until the child serves, and return the port that it serves on."""
        try:
            result = child.wait_until_ready(deadline - monotonic())
        except TimeoutError:
            self._abort(child)
            self._end(child)
            raise ServerStartError(
                f"{self!r} did not start within {self.start_timeout:g} s, and its process was killed; "
                f"is there something that it waits for?{self._describe_output()}"
            ) from None
        if result is None:
            raise ServerStartError(
                f"{self!r} could not start: its process {_describe_end(child.wait(_KILL))} before it served."
                f"{self._describe_output()}"
            )
        if result.error is not None:
            error = result.error.unpack()
            if isinstance(error, LiveServerTestCaseError):
                raise error
            raise ServerStartError(f"{self!r} could not start: {result.error.describe()}") from error
        return int(result.value)

    def _describe_output(self) -> str:
        tail = mask(self._output.tail())
        return f" The last of its output:\n{tail}" if tail else " It had printed nothing."

    def _stop_accepting(self) -> None:
        """Nothing: the child does so as soon as it gets the command to stop."""

    def _is_server_thread(self) -> bool:
        return False

    def _close(self, timeout: float) -> list[Unfinished]:
        child = self._child
        if child is None:
            return []
        deadline = monotonic() + timeout
        cut: list[Unfinished] = []
        result: Result | None = None  # None: it has ended just now, as was wanted
        serves = self._serves
        child.is_stopping = True
        if serves:
            try:
                result = child.call("stop", timeout, timeout=timeout + _STOP)
            except TimeoutError:
                self._abort(child)
                cut.append(Unfinished("a stop without an answer", f"pid {child.pid}", timeout + _STOP, "main", ""))
        report = result.value if result is not None and result.error is None else None
        has_ended = report is None or child.wait(max(_EXIT, deadline - monotonic())) is not None
        self._end(child, gently=report is not None)
        self._child = None
        if result is not None and result.error is not None:
            self._record_failure(result.error.unpack())
        if report is not None:
            cut += [*report.unfinished, *(() if has_ended else report.threads)]
            for failure in report.failures:
                self._record_failure(failure.unpack())
        return [each._replace(stack=self._output.tail()) if not each.stack else each for each in cut]

    def _abort(self, child: ChildProcess) -> None:
        """End a child that does not answer; `faulthandler` prints where it is."""
        child.signal(signal.SIGABRT)
        child.wait(_DUMP)

    def _end(self, child: ChildProcess, *, gently: bool = False) -> None:
        """See to it that the child and all that it has started are gone, and close what belongs to it."""
        signals = [(signal.SIGTERM, _TERM)] if gently else []
        for number, seconds in [*signals, (signal.SIGKILL, _KILL)]:
            if child.poll() is None:
                child.signal(number)
                child.wait(seconds)
        child.close()


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

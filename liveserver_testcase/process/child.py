"""Spawn a child process, exchange messages with it, and end it with everything that it has started."""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import select
import selectors
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from io import FileIO
from typing import Any

from ..core.interrupts import OneShotEvent, ServerThread, defer_sigint, monotonic, start_thread
from ..core.listener import make_socket_pair
from .messages import Event, Pipe, Result, WorkerConfig

__all__ = ["ChildProcess", "OutputTail"]

_BOOTSTRAP = "import sys; sys.path.insert(0, {root!r}); from {package}.worker import begin; begin(*{numbers!r})"
_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_POLL = 0.05  # seconds between two looks at a child for whose end the system has no descriptor, while it is waited for
_PAUSE = 0.2  # and while it serves
_PATIENCE = 5.0  # seconds for a message that has begun: the other side has it whole, and sends it at once
_CHUNK = 1 << 16
_MOST_CHUNKS = 32  # a pipe holds one or few: what was printed before a result is read before the result is
_DYING = 1.0  # seconds that a child gets to end when it has closed the pipe
_END = 5.0  # seconds that the thread gets to notice the end of the child


class OutputTail:
    """Keeps the last ``limit`` of the bytes that it is given; threads may add while others read."""

    def __init__(self, limit: int = 65536) -> None:
        self.limit = limit
        self._lock = threading.Lock()  # guards what is below
        self._kept = bytearray()
        self._lost = 0

    def add(self, data: bytes) -> None:
        """Append, and forget the oldest beyond the limit."""
        with self._lock:
            self._kept += data
            excess = max(0, len(self._kept) - self.limit)
            self._lost += excess
            del self._kept[:excess]

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()
            self._lost = 0

    @property
    def text(self) -> str:
        """What is kept; its first line says how much is not."""
        with self._lock:
            text, lost = self._kept.decode("utf-8", "replace"), self._lost
        return f"… {lost} bytes before this are not kept\n{text}" if lost else text

    def tail(self, lines: int = 100) -> str:
        """The last lines of it, without the empty ones at its end."""
        return "\n".join(self.text.rstrip().splitlines()[-lines:])


class ChildProcess:
    """A fresh interpreter that runs, or has run, and the thread that receives what comes from it.

    `multiprocessing` is not used: it imports the script that runs the tests, starts a resource tracker, and kills no
    process group.

    Args:
        config: What it is sent at once.
        sockets: It gets copies of them.
        output: Gets what it prints.
        name: Of the thread.
        on_event: Called in the thread with each event that the child pushes, in their order.
        on_end: Called in the thread when the child has ended and all its events have been handled, with the descriptor
            of the memory that the two share: what its `CommandHandler` has left there can be read.
    """

    def __init__(
        self,
        config: WorkerConfig,
        sockets: Sequence[socket.socket],
        output: OutputTail,
        name: str,
        on_event: Callable[[Any], None],
        on_end: Callable[[int], None],
    ) -> None:
        self.has_ended = OneShotEvent()
        self.is_serving = False  # it has said that it is ready
        self.is_stopping = False  # it has been asked to stop: its end is wanted
        self._kept_output = output
        self._on_event, self._on_end = on_event, on_end
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            one, other = make_socket_pair()
            theirs.enter_context(other).settimeout(None)
            one.settimeout(_PATIENCE)
            self._pipe = ours.enter_context(contextlib.closing(Pipe(one)))
            life, self._life = _make_pipe(theirs, ours)  # open for as long as this process lives
            self._output, output_end = _make_pipe(ours, theirs)
            os.set_blocking(self._output.fileno(), False)
            if hasattr(os, "memfd_create"):
                self._memory = FileIO(os.memfd_create("liveserver-testcase"))
            else:
                import tempfile  # not on Linux

                with tempfile.TemporaryFile() as file:
                    self._memory = FileIO(os.dup(file.fileno()))
            ours.enter_context(self._memory)
            numbers = [_lift(file.fileno(), theirs) for file in (other, life, output_end, self._memory)]
            listening = [_lift(sock.fileno(), theirs) for sock in sockets]
            flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
            code = _BOOTSTRAP.format(root=_ROOT, package=__package__, numbers=numbers)
            group: dict[str, Any] = {"process_group": 0} if sys.version_info >= (3, 11) else {}
            self._popen = subprocess.Popen(
                [sys.executable, *flags, "-c", code],
                stdin=subprocess.DEVNULL,
                stdout=numbers[2],
                stderr=numbers[2],
                env=dict(config.environment),
                pass_fds=[*numbers, *listening],
                **group,
            )
            self.pid = self._popen.pid  # which is also the number of its group
            self._pipe.send((config, listening))
            self._sentinel: FileIO | None = None  # readable when it has ended
            if hasattr(os, "pidfd_open"):
                with contextlib.suppress(OSError):
                    self._sentinel = ours.enter_context(FileIO(os.pidfd_open(self.pid)))
            self._descriptors = ours.pop_all()
        self._reaping = threading.Lock()  # one thread at a time looks whether it has ended
        self._code: int | None = None
        self._lock = threading.Lock()  # guards what is below
        self._numbers = itertools.count(1)
        self._first: queue.SimpleQueue[Result | None] = queue.SimpleQueue()  # None: the process has ended
        self._waiting = {0: self._first}
        self._thread = ServerThread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to receive."""
        start_thread(self._thread)

    def open_files(self) -> list[Pipe | FileIO]:
        """What a forked copy of this process must close, lest the child outlives us."""
        with contextlib.suppress(ValueError):  # closed meanwhile
            return [each for each in (self._pipe, self._life, self._output) if each.fileno() >= 0]
        return []

    # -- its end -------------------------------------------------------------------------------------------------

    def poll(self) -> int | None:
        """Its exit code, or minus the signal that killed it; None while it lives."""

        def reap() -> None:
            with self._reaping:
                if self._code is not None:
                    return
                if not hasattr(os, "waitid"):
                    self._code = self._popen.poll()
                    if self._code is not None:
                        self._kill_group()
                    return
                with contextlib.suppress(ChildProcessError):  # somebody waits for all children
                    if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                        return
                    self._kill_group()  # before its number can be another one's
                self._code = self._popen.poll()

        if self._code is None:
            defer_sigint(reap)  # else an interrupt could come between the system's answer, given once, and its note
        return self._code

    def wait(self, timeout: float) -> int | None:
        """Wait for its end, for ``timeout`` seconds at most; see `poll`."""
        deadline = monotonic() + timeout
        while (code := self.poll()) is None and (left := deadline - monotonic()) > 0:
            poll = select.poll()
            if self._sentinel is not None:
                poll.register(self._sentinel, select.POLLIN)
            poll.poll((left if self._sentinel is not None else min(left, _POLL)) * 1000)
        return code

    def signal(self, number: int) -> None:
        """Send a signal to it and to everything that it has started."""
        with self._reaping, contextlib.suppress(ProcessLookupError, PermissionError):
            if self._code is not None:
                return
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:  # it has not made its group yet
                os.kill(self.pid, number)

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Join the thread and close every descriptor; the child must have ended."""
        self._thread.join(_END)
        self._descriptors.close()

    # -- commands ------------------------------------------------------------------------------------------------

    def wait_until_ready(self, timeout: float) -> Result | None:
        """Wait until the process serves: for the port that it serves on, or what it has failed with; see `call`."""
        result = _take(self._first, timeout)
        self.is_serving = result is not None and result.error is None
        return result

    def call(self, command: str, *arguments: object, timeout: float) -> Result | None:
        """Run a command in the child and return its result; every event pushed before it has been handled by then.

        Returns:
            None if the process has ended; after ``timeout`` seconds without a result a TimeoutError is raised.
        """
        box: queue.SimpleQueue[Result | None] = queue.SimpleQueue()
        with self._lock:
            if self.has_ended.is_set():
                return None
            number = next(self._numbers)
            self._waiting[number] = box
        try:
            self._pipe.send((number, command, arguments))
        except OSError:
            self.has_ended.wait(_DYING + 1.0)
            return None
        else:
            return _take(box, timeout)
        finally:
            with self._lock:
                self._waiting.pop(number, None)

    # -- the thread ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self._pipe, selectors.EVENT_READ, "pipe")
                selector.register(self._output, selectors.EVENT_READ, "output")
                if self._sentinel is not None:
                    selector.register(self._sentinel, selectors.EVENT_READ, "end")
                while self.poll() is None:
                    ready = {key.data for key, _ in selector.select(None if self._sentinel is not None else _PAUSE)}
                    if not self._read_output():
                        with contextlib.suppress(KeyError, ValueError):  # it was before, or is closed
                            selector.unregister(self._output)
                    if "pipe" in ready and not self._receive():
                        selector.unregister(self._pipe)
                        if not self.is_stopping and self.wait(_DYING) is None:
                            self.signal(signal.SIGKILL)
            with contextlib.suppress(EOFError, OSError):  # the last messages, if nobody else has the other end
                self._pipe.sock.settimeout(0.0)
                while self._receive():
                    pass
            self._on_end(self._memory.fileno())
            self._read_output()
        finally:
            with self._lock:
                self.has_ended.set()
                waiting = list(self._waiting.values())
            for box in waiting:
                box.put(None)

    def _receive(self) -> bool:
        """Handle the next message; False: there will be none any more."""
        try:
            message = self._pipe.receive()
        except EOFError:
            return False
        if isinstance(message, Event):
            self._on_event(message.value)
            return True
        with self._lock:
            box = self._waiting.get(message.number)
        if box is not None:
            box.put(message)
        return True

    def _read_output(self) -> bool:
        """Read what has been printed; False: nobody can print any more."""
        for _ in range(_MOST_CHUNKS):
            try:
                data = self._output.read(_CHUNK)
            except ValueError:  # closed
                return False
            if data is None:
                return True
            if not data:
                return False
            self._kept_output.add(data)
        return True


def _take(box: queue.SimpleQueue[Result | None], timeout: float) -> Result | None:
    try:
        return box.get(timeout=max(0.0, timeout))
    except queue.Empty:
        raise TimeoutError from None


def _make_pipe(reader: contextlib.ExitStack, writer: contextlib.ExitStack) -> tuple[FileIO, FileIO]:
    """Make a pipe whose ends are closed with these; of files, since a fake file system closes no number."""
    reading, writing = os.pipe()
    return reader.enter_context(FileIO(reading)), writer.enter_context(FileIO(writing, "w"))


def _lift(number: int, copies: contextlib.ExitStack) -> int:
    """The descriptor, or a copy if it has the number of a standard stream: while those are closed, others get it.

    The child's own streams would take its place there.
    """
    if number > 2:
        return number
    import fcntl  # not on Windows

    return copies.enter_context(FileIO(fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 3))).fileno()

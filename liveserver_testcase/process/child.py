"""Begin a child process, by one of three methods, and end it with everything that it has started."""

from __future__ import annotations

import abc
import atexit
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
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

from ..core.interrupts import OneShotEvent, defer_sigint, start_thread
from . import worker as child
from .messages import Pipe, RemoteException, WorkerConfig

__all__ = ["METHODS", "Child", "ChildConnection", "ChildExited", "ChildTimeout", "OutputTail", "StartMethod", "launch"]

StartMethod: TypeAlias = Literal["spawn", "forkserver", "fork"]
METHODS: tuple[StartMethod, ...] = ("spawn", "forkserver", "fork")

_BOOTSTRAP = "import sys; sys.path.insert(0, {root!r}); from {package}.worker import begin; begin(*{numbers!r})"
_LOST = 0.05  # seconds between two looks at a child for whose end the system has no descriptor
_PATIENCE = 5.0  # seconds for a message that has begun: the other side has it whole, and sends it at once


class Child(abc.ABC):
    """A child process that runs, or has run.

    Attributes:
        pid: Its number, and that of its group.
        pipe: For questions to it.
        output: What it prints comes here; a descriptor that does not block.
        life: What tells it that this process lives, as long as it is open.
    """

    def __init__(self, pid: int, pipe: Pipe, output: int, life: int) -> None:
        self.pid = pid
        self.pipe = pipe
        self.output = os.fdopen(output, "rb", buffering=0)
        self.life = os.fdopen(life, "wb", buffering=0)
        self._lock = threading.Lock()  # one thread at a time looks whether it has ended
        self._code: int | None = None

    @property
    @abc.abstractmethod
    def sentinel(self) -> int | None:
        """A descriptor that is readable when it has ended; None where the system has none."""

    @abc.abstractmethod
    def _reap(self) -> int | None:
        """Its exit code, or minus the signal, if it has ended; whatever is left of its group is killed then."""

    def poll(self) -> int | None:
        """Its exit code, or minus the signal that killed it; None while it lives."""

        def look() -> None:
            with self._lock:
                if self._code is None:
                    self._code = self._reap()

        if self._code is None:
            defer_sigint(look)  # else an interrupt could come between the system's answer, given once, and its note
        return self._code

    def wait(self, timeout: float) -> int | None:
        """Wait for its end, for ``timeout`` seconds at most; see `poll`."""
        from ..core.interrupts import monotonic

        deadline = monotonic() + timeout
        while (code := self.poll()) is None and (left := deadline - monotonic()) > 0:
            number = self.sentinel
            waiting = [number] if number is not None else []
            poll = select.poll()
            for each in waiting:
                poll.register(each, select.POLLIN)
            poll.poll((left if waiting else min(left, _LOST)) * 1000)
        return code

    def signal(self, number: int) -> None:
        """Send a signal to it and to everything that it has started."""
        with self._lock, contextlib.suppress(ProcessLookupError, PermissionError):
            if self._code is not None:
                return
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:  # it has not made its group yet
                os.kill(self.pid, number)

    def _kill_group(self) -> None:
        """Kill what is left of its group, when it has ended and its number is not yet another one's."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Let go of everything; it must have ended."""
        self.pipe.close()
        self.output.close()
        self.life.close()


class _Spawned(Child):
    """A fresh interpreter."""

    def __init__(self, popen: subprocess.Popen[bytes], pipe: Pipe, output: int, life: int) -> None:
        super().__init__(popen.pid, pipe, output, life)
        self._popen = popen
        self._pidfd: int | None = None
        if hasattr(os, "pidfd_open"):
            with contextlib.suppress(OSError):
                self._pidfd = os.pidfd_open(popen.pid)

    @property
    def sentinel(self) -> int | None:
        return self._pidfd

    def _reap(self) -> int | None:
        if hasattr(os, "waitid"):
            with contextlib.suppress(ChildProcessError):  # somebody waits for all children
                if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                    return None
                self._kill_group()
            return self._popen.poll()
        code = self._popen.poll()
        if code is not None:
            self._kill_group()
        return code

    def close(self) -> None:
        super().close()
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None


class _Forked(Child):
    """A process of `multiprocessing`: a copy of its fork server, or of this one."""

    def __init__(self, process: Any, pipe: Pipe, output: int, life: int) -> None:
        super().__init__(process.pid, pipe, output, life)
        self._process = process

    @property
    def sentinel(self) -> int | None:
        return int(self._process.sentinel)

    def _reap(self) -> int | None:
        code: int | None = self._process.exitcode
        if code is not None:
            self._kill_group()
        return code

    def close(self) -> None:
        super().close()
        with contextlib.suppress(ValueError):  # a close before was interrupted
            self._process.join(1.0)
            self._process.close()


def launch(method: StartMethod, config: WorkerConfig, sockets: Sequence[socket.socket]) -> Child:
    """Begin a child that serves on copies of ``sockets``.

    Raises:
        OSError: The system has no process, or no descriptor, left.
    """
    ours, theirs = socket.socketpair()
    ours.settimeout(_PATIENCE)
    theirs.settimeout(None)
    kept: list[int] = []
    given: list[int] = []
    try:
        life_in, life_out = os.pipe()
        kept.append(life_out)
        given.append(life_in)
        output_in, output_out = os.pipe()
        kept.append(output_in)
        given.append(output_out)
        os.set_blocking(output_in, False)
        numbers = (theirs.fileno(), life_in, output_out)
        if method == "spawn":
            made: Child = _Spawned(_execute(config, sockets, numbers), Pipe(ours), output_in, life_out)
            made.pipe.send((config, [sock.fileno() for sock in sockets]))
        else:
            foreign = (ours.fileno(), *kept) if method == "fork" else ()
            made = _Forked(_start(method, config, sockets, numbers, foreign), Pipe(ours), output_in, life_out)
        kept.clear()
        return made
    finally:
        theirs.close()
        for number in given + kept:
            os.close(number)
        if kept:
            ours.close()


def _execute(
    config: WorkerConfig, sockets: Sequence[socket.socket], numbers: tuple[int, int, int]
) -> subprocess.Popen[bytes]:
    """Start a fresh interpreter, which is told the rest through the pipe."""
    package = __package__ or ""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    code = _BOOTSTRAP.format(root=root, package=package, numbers=numbers)
    group: dict[str, Any] = {"process_group": 0} if sys.version_info >= (3, 11) else {}
    return subprocess.Popen(
        [sys.executable, *flags, "-c", code],
        stdin=subprocess.DEVNULL,
        stdout=numbers[2],
        stderr=numbers[2],
        env=dict(config.environment) if config.environment is not None else None,
        pass_fds=[*numbers, *(sock.fileno() for sock in sockets)],
        **group,
    )


class _Handed:
    """A descriptor that `multiprocessing` carries over to a child."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> Any:
        from multiprocessing import reduction

        return _take, (reduction.DupFd(self.number),)


def _take(handed: Any) -> int:
    return int(handed.detach())


def _start(
    method: str,
    config: WorkerConfig,
    sockets: Sequence[socket.socket],
    numbers: Sequence[int],
    foreign: tuple[int, ...],
) -> Any:
    """Start a process of `multiprocessing`."""
    import multiprocessing.util
    from dataclasses import replace

    from ..core import server as registry

    registry.go_first()  # multiprocessing, at exit, waits for its children before it would be our turn to stop them
    listening: list[Any] = [sock.fileno() for sock in sockets]
    rest: list[Any] = list(numbers)
    if method == "fork":
        config = replace(config, foreign=foreign)
    else:
        listening, rest = [_Handed(number) for number in listening], [_Handed(number) for number in rest]
    context: Any = multiprocessing.get_context(method)
    process = context.Process(target=_run, args=(method, config, listening, rest))
    process.start()
    return process


def _run(method: str, config: WorkerConfig, listening: list[int], numbers: list[int]) -> None:
    """The life of a child of `multiprocessing`."""
    code = child.serve(config, listening, *numbers)
    if method == "forkserver":
        atexit._run_exitfuncs()
    if code:
        sys.exit(code)


_CHUNK = 1 << 16
_MOST_CHUNKS = 32  # a pipe holds one or few: what was printed before an answer is read before the answer is
_PAUSE = 0.2  # seconds between two looks at a child for whose end the system has no descriptor
_DYING = 1.0  # seconds that a child gets to end when it has let go of the line

_END = 5.0  # seconds that the thread gets to notice the end of the child

_Answer: TypeAlias = tuple[str, Any]


class OutputTail:
    """Keeps the last of the bytes that it is given; threads may add while others read.

    Args:
        limit: How many bytes are kept.
    """

    def __init__(self, limit: int = 65536) -> None:
        self.limit = limit
        self._lock = threading.Lock()  # guards what is below
        self._kept = bytearray()
        self._lost = 0

    def add(self, data: bytes) -> None:
        """Append, and forget the oldest beyond the limit."""
        with self._lock:
            self._kept += data
            excess = len(self._kept) - self.limit
            if excess > 0:
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
            kept, lost = bytes(self._kept), self._lost
        text = kept.decode("utf-8", "replace")
        return f"… {lost} bytes before this are not kept\n{text}" if lost else text

    def tail(self, lines: int = 100) -> str:
        """The last lines of it, without the empty ones at its end."""
        return "\n".join(self.text.rstrip().splitlines()[-lines:])


class ChildExited(Exception):
    """The process has ended, or has let go of the line."""


class ChildTimeout(Exception):
    """The process has not answered in time."""


class ChildConnection:
    """One child process and the thread that listens to it.

    Args:
        child: It runs.
        output: Gets what it prints.
        name: Of the thread.

    Attributes:
        is_over: Set when the process has ended.
    """

    def __init__(self, child: Child, output: OutputTail, name: str) -> None:
        self.child = child
        self.output = output
        self.is_over = OneShotEvent()
        self.is_serving = False  # the process has said that it is ready
        self.is_leaving = False  # the process has been told to stop
        self._first: queue.SimpleQueue[_Answer] = queue.SimpleQueue()
        self._lock = threading.Lock()  # guards what is below
        self._numbers = itertools.count(1)
        self._asked: dict[int, queue.SimpleQueue[_Answer]] = {0: self._first}
        self.thread = threading.Thread(target=self._listen, name=name, daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        start_thread(self.thread)

    def wait_for_ready(self, timeout: float) -> RemoteException | None:
        """Wait until the process serves; what it has failed with if it does not.

        Raises:
            ChildExited: The process has ended without a word.
            ChildTimeout: It has not said anything for ``timeout`` seconds.
        """
        word: Any = self._take(self._first, timeout)
        if isinstance(word, RemoteException):
            return word
        self.is_serving = True
        return None

    def ask(self, question: str, *arguments: object, timeout: float) -> Any:
        """Ask the child's desk; what it raises there is raised here.

        Raises:
            ChildExited: The process has ended.
            ChildTimeout: No answer has come for ``timeout`` seconds.
        """
        box: queue.SimpleQueue[_Answer] = queue.SimpleQueue()
        with self._lock:
            if self.is_over.is_set():
                raise ChildExited
            number = next(self._numbers)
            self._asked[number] = box
        try:
            self.child.pipe.send((number, question, arguments))
        except OSError as error:
            self.is_over.wait(_DYING + 1.0)
            raise ChildExited from error
        try:
            return self._take(box, timeout)
        finally:
            with self._lock:
                self._asked.pop(number, None)

    def close(self) -> None:
        """Join the thread and let go of the child, which has ended."""
        self.thread.join(_END)
        self.child.close()

    def _take(self, box: queue.SimpleQueue[_Answer], timeout: float) -> Any:
        try:
            kind, value = box.get(timeout=max(0.0, timeout))
        except queue.Empty:
            raise ChildTimeout from None
        if kind == "gone":
            raise ChildExited
        if kind == "raised":
            raise value.unpack()
        return value

    def _listen(self) -> None:
        try:
            with selectors.DefaultSelector() as selector:
                self._watch(selector)
        finally:
            with self._lock:
                self.is_over.set()
                asked = list(self._asked.values())
            for box in asked:
                box.put(("gone", None))

    def _watch(self, selector: selectors.BaseSelector) -> None:
        """Listen until the process has ended."""
        child = self.child
        selector.register(child.pipe, selectors.EVENT_READ, "pipe")
        selector.register(child.output, selectors.EVENT_READ, "output")
        if child.sentinel is not None:
            selector.register(child.sentinel, selectors.EVENT_READ, "end")
        while child.poll() is None:
            heard = {key.data for key, _ in selector.select(None if child.sentinel is not None else _PAUSE)}
            if not self._drain():
                with contextlib.suppress(KeyError, ValueError):  # it was before, or is closed
                    selector.unregister(child.output)
            if "pipe" in heard and not self._receive():
                selector.unregister(child.pipe)
                if not self.is_leaving and child.wait(_DYING) is None:
                    child.signal(signal.SIGKILL)
        with contextlib.suppress(EOFError, OSError):  # the last answers, if nobody else has the other end
            child.pipe.sock.settimeout(0.0)
            while self._receive():
                pass
        self._drain()

    def _receive(self) -> bool:
        """Hand an answer to whoever has asked; False: there will be none any more."""
        try:
            word = self.child.pipe.receive()
        except EOFError:
            return False
        if isinstance(word, tuple):
            number, good, value = word
            answer = ("answer" if good else "raised", value)
        else:
            number, answer = 0, ("answer", word)
        with self._lock:
            box = self._asked.get(number)
        if box is not None:
            box.put(answer)
        return True

    def _drain(self) -> bool:
        """Take what has been printed; False: nobody can print any more."""
        for _ in range(_MOST_CHUNKS):
            try:
                data = self.child.output.read(_CHUNK)
            except ValueError:  # closed
                return False
            if data is None:
                return True
            if not data:
                return False
            self.output.add(data)
        return True

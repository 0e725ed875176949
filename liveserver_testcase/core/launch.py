"""Begin a child process, by one of three methods, and end it with everything that it has started."""

from __future__ import annotations

import abc
import atexit
import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

from . import child
from .interrupts import uninterrupted
from .orders import Orders
from .pipe import Pipe

__all__ = ["METHODS", "Child", "StartMethod", "launch"]

StartMethod: TypeAlias = Literal["spawn", "forkserver", "fork"]
METHODS: tuple[StartMethod, ...] = ("spawn", "forkserver", "fork")

_BOOTSTRAP = "import sys; sys.path.insert(0, {root!r}); from {package}.child import begin; begin(*{numbers!r})"
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
            uninterrupted(look)  # else an interrupt could come between the system's answer, given once, and its note
        return self._code

    def wait(self, timeout: float) -> int | None:
        """Wait for its end, for ``timeout`` seconds at most; see `poll`."""
        from .clock import monotonic

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

    def _sweep(self) -> None:
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
                self._sweep()
            return self._popen.poll()
        code = self._popen.poll()
        if code is not None:
            self._sweep()
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
            self._sweep()
        return code

    def close(self) -> None:
        super().close()
        with contextlib.suppress(ValueError):  # a close before was interrupted
            self._process.join(1.0)
            self._process.close()


def launch(method: StartMethod, orders: Orders, sockets: Sequence[socket.socket]) -> Child:
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
            made: Child = _Spawned(_execute(orders, sockets, numbers), Pipe(ours), output_in, life_out)
            made.pipe.send((orders, [sock.fileno() for sock in sockets]))
        else:
            foreign = (ours.fileno(), *kept) if method == "fork" else ()
            made = _Forked(_start(method, orders, sockets, numbers, foreign), Pipe(ours), output_in, life_out)
        kept.clear()
        return made
    finally:
        theirs.close()
        for number in given + kept:
            os.close(number)
        if kept:
            ours.close()


def _execute(
    orders: Orders, sockets: Sequence[socket.socket], numbers: tuple[int, int, int]
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
        env=dict(orders.environment) if orders.environment is not None else None,
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
    method: str, orders: Orders, sockets: Sequence[socket.socket], numbers: Sequence[int], foreign: tuple[int, ...]
) -> Any:
    """Start a process of `multiprocessing`."""
    import multiprocessing.util
    from dataclasses import replace

    from . import registry

    registry.go_first()  # multiprocessing, at exit, waits for its children before it would be our turn to stop them
    listening: list[Any] = [sock.fileno() for sock in sockets]
    rest: list[Any] = list(numbers)
    if method == "fork":
        orders = replace(orders, foreign=foreign)
    else:
        listening, rest = [_Handed(number) for number in listening], [_Handed(number) for number in rest]
    context: Any = multiprocessing.get_context(method)
    process = context.Process(target=_run, args=(method, orders, listening, rest))
    process.start()
    return process


def _run(method: str, orders: Orders, listening: list[int], numbers: list[int]) -> None:
    """The life of a child of `multiprocessing`."""
    code = child.serve(orders, listening, *numbers)
    if method == "forkserver":
        atexit._run_exitfuncs()
    if code:
        sys.exit(code)

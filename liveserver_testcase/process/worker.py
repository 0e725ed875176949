"""The life of a child process: prepare, make the server, serve, answer the parent's questions, end with the parent.

Little is imported before the application is: it may want to replace the sockets and threads of the standard library.
"""

from __future__ import annotations

import _thread
import contextlib
import faulthandler
import importlib.util
import os
import pickle
import pkgutil
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from ..core.tracebacks import Unfinished, stack_of_thread
from .messages import Pipe, RemoteException, ServerFactory, StopReport, WorkerConfig

__all__ = ["CommandHandler", "begin", "is_importing_main", "serve"]

_ORPHANED = 70  # the exit code of a child whose parent is gone; nobody is left to see it

_importing_main = False


def is_importing_main() -> bool:
    """Whether this is a child that is just importing the script that its parent runs."""
    return _importing_main


class CommandHandler:
    """Answers what the parent asks of the server; each method without an underscore is a question.

    Args:
        server: It runs.

    Attributes:
        waits: The questions that may take their time: each is answered in a thread of its own.
    """

    waits: frozenset[str] = frozenset()

    def __init__(self, server: Any) -> None:
        self.server = server

    def flush(self) -> None:
        """Let go what has been printed."""
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()

    def failures(self) -> list[RemoteException]:
        """What threads of the server have ended with since the last call."""
        failures: list[BaseException] = self.server._failures
        return [RemoteException.pack(failures.pop(0)) for _ in range(len(failures))]

    def stop(self, timeout: float) -> StopReport:
        """Stop the server; the process ends when this is answered."""
        self.server._report = lambda: None  # said by the parent's server
        self.server.stop(timeout)
        self.flush()
        return StopReport(list(self.server._unfinished), self.failures(), _find_holders(), self._shutdown_grace())

    def _shutdown_grace(self) -> object:
        return None


def begin(control: int, life: int, output: int) -> None:
    """The whole life of a child that is a fresh interpreter; it is told the rest through ``control``.

    Args:
        control: A socket to the parent.
        life: A pipe that the parent keeps open as long as it lives.
        output: Where standard output and error go.
    """
    pipe = Pipe(socket.socket(fileno=control))
    try:
        config, listening = pipe.receive()
    except EOFError:
        os._exit(_ORPHANED)
    code = serve(config, listening, pipe.sock.detach(), life, output)
    if code:
        sys.exit(code)


def serve(config: WorkerConfig, listening: list[int], control: int, life: int, output: int) -> int:
    """Do as ordered until the parent says stop; returns the exit code."""
    _settle(config, life, output)
    _watch_parent(config.parent, life)
    server = None
    try:
        server = _make(config, listening)
        desk: CommandHandler = pkgutil.resolve_name(config.desk)(server)
    except BaseException as error:
        _flush()
        with contextlib.suppress(OSError), contextlib.closing(Pipe(socket.socket(fileno=control))) as pipe:
            pipe.send(RemoteException.pack(error.with_traceback(_skip_own_frames(error.__traceback__))))
        if server is not None:
            with contextlib.suppress(Exception):
                server.stop(0.0)
        return 1
    pipe = Pipe(socket.socket(fileno=control))  # made now: the application may have brought a class of its own
    pipe.sock.settimeout(None)
    pipe.send("ready")
    with contextlib.closing(pipe):
        try:
            _answer_all(pipe, desk)
        except EOFError:
            _end_group()
    return 0


def _settle(config: WorkerConfig, life: int, output: int) -> None:
    """Make this process one of its own: group, streams, environment, path."""
    for number in config.foreign:
        with contextlib.suppress(OSError):
            os.close(number)
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)  # Ctrl-C at the terminal is the parent's, and what this process starts ends with it
    _kill_group_with_parent(life)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    for number in (1, 2):
        os.dup2(output, number)
    os.close(output)
    for name, number in (("stdout", 1), ("stderr", 2)):  # those of a copied parent may be a test runner's
        stream = open(number, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)  # type: ignore[misc]  # noqa: SIM115
    faulthandler.enable(file=2)
    if config.foreign:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a copied parent's handlers are for the parent
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.environment is not None:
        os.environ.clear()
        os.environ.update(config.environment)
    sys.path[:] = config.path or sys.path
    sys.argv[:] = config.arguments or sys.argv


def _kill_group_with_parent(life: int) -> None:
    """Have the kernel kill the whole group when the parent's end of ``life`` closes, where it can.

    It needs no thread of ours for that, so that code that never lets go of the interpreter, or a stopped process, dies
    too.  Source: fcntl(2), F_SETSIG.
    """
    try:
        import fcntl

        fcntl.fcntl(life, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(life, fcntl.F_SETSIG, signal.SIGKILL)  # type: ignore[attr-defined,unused-ignore]
        fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC)
    except (ImportError, AttributeError, OSError):  # the thread that follows the parent has to do
        return


def _watch_parent(parent: int, life: int) -> None:
    """End with the parent: a thread that waits for its end, and for that of its end of ``life``."""
    poll = select.poll()
    poll.register(life, select.POLLIN)
    if hasattr(os, "pidfd_open"):
        try:
            poll.register(os.pidfd_open(parent), select.POLLIN)
        except ProcessLookupError:
            os._exit(_ORPHANED)
        except OSError:  # an old kernel: the pipe has to do
            pass

    def follow() -> None:
        poll.poll()
        _end_group()

    _thread.start_new_thread(follow, ())  # not of `threading`: gevent patches by halves where there are other threads


def _end_group() -> None:
    """The parent is gone: so is everybody here."""
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(_ORPHANED)


def _make(config: WorkerConfig, listening: list[int]) -> Any:
    """Import, make the server and start it on the parent's sockets."""
    if config.main:
        _import_main(config)
    for name, file in config.modules.items():
        _import(name, file)
    if isinstance(config.make, bytes):
        recipe: ServerFactory = pickle.loads(config.make)
        server = recipe.call()
    else:
        server = config.make()
    from ..core.listener import Listener

    sockets = [socket.socket(fileno=number) for number in listening]
    for sock in sockets:
        sock.settimeout(None)  # the application may have called socket.setdefaulttimeout()
    server.adopt(Listener.over(config.host, sockets))
    server.start()
    return server


def _import(name: str, file: str) -> None:
    """Import a module, by its file where the name leads nowhere, as with some of pytest's import modes."""
    try:
        pkgutil.resolve_name(f"{name}:")
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}.") or not file:
            raise
        spec = importlib.util.spec_from_file_location(name, file)
        if spec is None or spec.loader is None:
            raise
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)


def _import_main(config: WorkerConfig) -> None:
    """Import the script that the parent runs, under the name that `multiprocessing` gives it."""
    global _importing_main
    from multiprocessing.spawn import prepare

    _importing_main = True
    try:
        prepare(dict(config.main))
    except SystemExit as error:
        where = config.main.get("init_main_from_path") or config.main.get("init_main_from_name")
        from ..errors import UsageError

        raise UsageError(
            f"importing {where} in the server's process ended it (SystemExit: {error}). The process needs the script's "
            "classes and must not run its tests: call unittest.main() under `if __name__ == '__main__':`"
        ) from error
    finally:
        _importing_main = False


def _answer_all(pipe: Pipe, desk: CommandHandler) -> None:
    """Answer questions in this thread until the one to stop is answered."""
    while True:
        number, name, arguments = pipe.receive()
        question = getattr(desk, name)
        if name in desk.waits:
            _in_thread(_answer, pipe, number, question, arguments)
        else:
            _answer(pipe, number, question, arguments)
            if name == "stop":
                return


def _in_thread(function: Callable[..., None], *arguments: object) -> None:
    threading.Thread(target=function, args=arguments, name="liveserver-testcase desk", daemon=True).start()


def _answer(pipe: Pipe, number: int, question: Callable[..., object], arguments: tuple[Any, ...]) -> None:
    try:
        answer: tuple[bool, object] = (True, question(*arguments))
    except BaseException as error:
        answer = (False, RemoteException.pack(error))
    with contextlib.suppress(OSError):  # the parent is gone, which is seen elsewhere
        pipe.send((number, *answer))


def _find_holders() -> list[Unfinished]:
    """The threads that the end of the process waits for."""
    holders = []
    for thread in threading.enumerate():
        if thread not in (threading.main_thread(), threading.current_thread()) and not thread.daemon:
            stack = stack_of_thread(thread.ident)
            holders.append(Unfinished("the end of the process", f"pid {os.getpid()}", 0.0, thread.name, stack))
    return holders


def _skip_own_frames(trace: TracebackType | None) -> TracebackType | None:
    """A traceback from where what was called begins: how it was reached says nothing to its author."""
    package, inner = str(__package__).partition(".")[0], trace
    while inner is not None and str(inner.tb_frame.f_globals.get("__package__")).partition(".")[0] == package:
        inner = inner.tb_next
    return inner or trace


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()

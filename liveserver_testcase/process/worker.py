"""What runs in a child process: prepare, make the server, serve, run the parent's commands, end with the parent.

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
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from ..core.tracebacks import Unfinished, find_lasting_threads, stack_of_thread
from .messages import Event, Pipe, RemoteException, Result, ServerFactory, StopReport

__all__ = ["CommandHandler", "begin", "import_modules", "is_importing_main"]

_ORPHANED = 70  # the exit code of a child whose parent is gone; nobody is left to see it

_importing_main = False


def is_importing_main() -> bool:
    """Whether this is a child that is just importing the script that its parent runs."""
    return _importing_main


class CommandHandler:
    """Runs the parent's commands; each method without an underscore is one.

    Args:
        server: It is made, and starts next.
        push: Sends an event to the parent, before every result that is sent later.
        memory: A descriptor of a file, at first empty, which the parent can read when this process has died.

    Attributes:
        slow_commands: Those that may take their time: each is run in a thread of its own.
    """

    slow_commands: frozenset[str] = frozenset()

    def __init__(self, server: Any, push: Callable[[object], None], memory: int) -> None:
        self.server = server
        self.push = push
        self.memory = memory

    def flush(self) -> None:
        """Write out what has been printed."""
        _flush()

    def failures(self) -> list[RemoteException]:
        """What threads of the server have ended with since the last call."""
        return [RemoteException.pack(error) for error in self.server.take_report()[1]]

    def stop(self, timeout: float) -> StopReport:
        """Stop the server; the process ends when the result has been sent."""
        self.server.silence()
        self.server.stop(timeout)
        unfinished, failures = self.server.take_report()
        _flush()
        threads = [
            Unfinished("the end of the process", f"pid {os.getpid()}", 0.0, thread.name, stack_of_thread(thread.ident))
            for thread in find_lasting_threads((threading.main_thread(), threading.current_thread()), 0.0)
        ]
        return StopReport(unfinished, [RemoteException.pack(error) for error in failures], threads)


def begin(control: int, life: int, output: int, memory: int) -> None:
    """The whole life of a child; the rest of what it needs comes over ``control``.

    Args:
        control: A socket to the parent.
        life: A pipe that the parent keeps open as long as it lives.
        output: Where standard output and error go.
        memory: See `CommandHandler`.
    """
    pipe = Pipe(socket.socket(fileno=control))
    try:
        config, listening = pipe.receive()
    except EOFError:
        os._exit(_ORPHANED)
    pipe.sock.detach()
    for number in (control, life, memory, *listening):
        os.set_inheritable(number, False)  # else a program that the application starts could hold the port
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)  # Ctrl-C at the terminal is the parent's, and what this process starts ends with it
    _end_with_parent(config.parent_pid, life)
    os.close(output)  # it is standard output and error already
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream = open(number, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    faulthandler.enable(file=2)
    os.environ.clear()
    os.environ.update(config.environment)
    sys.path[:] = config.sys_path
    sys.argv[:] = config.argv
    server = None
    try:
        import_modules(config.modules, config.main)
        factory: ServerFactory = pickle.loads(config.factory)
        server = factory.call()
        from ..core.listener import Listener  # with sockets and threads, which the application may have replaced

        sockets = [socket.socket(fileno=number) for number in listening]
        for sock in sockets:
            sock.settimeout(None)  # the application may have called socket.setdefaulttimeout()
        server.adopt(Listener.from_sockets(config.host, sockets))
        pipe = Pipe(socket.socket(fileno=control))  # likewise
        pipe.sock.settimeout(None)
        handler: CommandHandler = pkgutil.resolve_name(config.handler)(
            server, lambda value: _send(pipe, Event(value)), memory
        )
        server.start()
    except BaseException as error:
        _flush()
        failure = RemoteException.pack(error.with_traceback(_skip_own_frames(error.__traceback__)))
        if pipe.fileno() < 0:
            pipe = Pipe(socket.socket(fileno=control))
        with contextlib.closing(pipe):
            _send(pipe, Result(0, error=failure))
        if server is not None:
            with contextlib.suppress(Exception):
                server.stop(0.0)
        sys.exit(1)
    with contextlib.closing(pipe):
        try:
            pipe.send(Result(0, server.port))
            _run_commands(pipe, handler)
        except (EOFError, OSError):
            _end_group()


def _send(pipe: Pipe, message: object) -> None:
    with contextlib.suppress(OSError):  # the parent is gone, which the thread of `_end_with_parent` sees
        pipe.send(message)


def _end_with_parent(parent: int, life: int) -> None:
    """Have this process, and what it starts, end when the parent does, or its end of ``life`` closes.

    Where it can, the kernel kills the whole group: it needs no thread of ours for that, so that code that never lets go
    of the interpreter, or a stopped process, dies too.  Source: fcntl(2), F_SETSIG.
    """
    with contextlib.suppress(ImportError, AttributeError, OSError):  # then the thread has to do
        import fcntl

        fcntl.fcntl(life, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(life, fcntl.F_SETSIG, signal.SIGKILL)  # type: ignore[attr-defined,unused-ignore]
        fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC)
    poll = select.poll()
    poll.register(life, select.POLLIN)
    if hasattr(os, "pidfd_open"):
        try:
            poll.register(os.pidfd_open(parent), select.POLLIN)
        except ProcessLookupError:
            os._exit(_ORPHANED)
        except OSError:  # an old kernel: the pipe has to do
            pass

    def wait_for_parent() -> None:
        poll.poll()
        _end_group()

    _thread.start_new_thread(wait_for_parent, ())  # gevent patches `threading` by halves where that has other threads


def _end_group() -> None:
    """Kill this process and what it has started: the parent is gone."""
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(_ORPHANED)


def import_modules(modules: Mapping[str, str], main: Mapping[str, str]) -> None:
    """Import what pickled values refer to: see `find_modules` and `find_main`."""
    global _importing_main
    if main:
        from multiprocessing.spawn import prepare

        _importing_main = True
        try:
            prepare(dict(main))  # under the name that `multiprocessing` gives it
        except SystemExit as error:
            where = main.get("init_main_from_path") or main.get("init_main_from_name")
            from ..errors import UsageError

            raise UsageError(
                f"importing {where} in the server's process ended it (SystemExit: {error}). The process needs the "
                "script's classes and must not run its tests: call unittest.main() under `if __name__ == '__main__':`"
            ) from error
        finally:
            _importing_main = False
    for name, file in modules.items():
        try:
            pkgutil.resolve_name(f"{name}:")
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}.") or not file:
                raise
            # the name leads nowhere, as with some of pytest's import modes
            spec = importlib.util.spec_from_file_location(name, file)
            if spec is None or spec.loader is None:
                raise
            module = sys.modules[name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)


def _run_commands(pipe: Pipe, handler: CommandHandler) -> None:
    """Run commands, in this thread unless they are slow, until the one to stop has been run."""

    def run(number: int, command: Callable[..., object], arguments: tuple[Any, ...]) -> None:
        try:
            result = Result(number, command(*arguments))
        except BaseException as error:
            result = Result(number, error=RemoteException.pack(error))
        _send(pipe, result)

    name = ""
    while name != "stop":
        number, name, arguments = pipe.receive()
        command = getattr(handler, name)
        if name in handler.slow_commands:
            args = (number, command, arguments)
            threading.Thread(target=run, args=args, name="liveserver-testcase command", daemon=True).start()
        else:
            run(number, command, arguments)


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

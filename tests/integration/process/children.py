"""What the tests of servers in processes have their children do; importable there by name."""

from __future__ import annotations

import atexit
import builtins
import ctypes
import functools
import os
import signal
import socket
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

from liveserver_testcase.core.server import Server
from tests.contracts.toys import EchoServer

__all__ = ["Particular", "make_echo", "make_scripted"]


class Particular(Exception):
    """Cannot be pickled: its arguments are others than those of its constructor."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__(f"{first} and {second}")


def work_that_hangs(path: str) -> None:
    """Have the test at the other end of a socket do the work, and wait until it has."""
    with socket.socket(socket.AF_UNIX) as bridge:
        bridge.settimeout(None)  # a copy of the test's process has the default timeout that it has set
        bridge.connect(path)
        bridge.recv(1)


def make_echo(path: str, **options: Any) -> Server:
    """An echo server whose work is the test's."""
    return EchoServer(functools.partial(work_that_hangs, path), **options)


def make_scripted(script: str, *arguments: str, **options: Any) -> Server:
    """An echo server that does at each line what a function of this module does; ``script`` names it.

    One whose name begins with ``start_`` is called when the server is made.
    """
    function = functools.partial(globals()[script], *arguments)
    if script.startswith("start_"):
        function()
        return EchoServer(**options)
    return EchoServer(function, **options)


class Unstoppable(EchoServer):
    """Raises when it is to stop."""

    kind: type[BaseException] = ValueError

    def stop(self, timeout: float | None = None) -> None:
        raise self.kind("cannot stop")


def make_unstoppable(kind: str, **options: Any) -> Server:
    """A server whose stop raises a built-in exception of this name."""
    server = Unstoppable(**options)
    server.kind = getattr(builtins, kind)
    return server


def be_quiet() -> None:
    """Do nothing."""


def start_raising() -> None:
    """Cannot be made."""
    raise Particular(1, 2)


def start_leaving() -> None:
    """Ends the process with exit code 7, and says something before."""
    print("not today")
    sys.stdout.flush()
    os._exit(7)


def start_exiting() -> None:
    """Asks for the end of the interpreter."""
    sys.exit("no configuration")


def start_waiting() -> None:
    """Is never ready."""
    print("waiting for Godot")
    threading.Event().wait(600)


def hog() -> None:
    """Lets no other thread of the process run."""
    ctypes.PyDLL(None).sleep(600)


def start_hogging() -> None:
    """Is never ready."""
    hog()


def start_stubborn() -> None:
    """Ignores the signals that ask it to end, and has a thread that does not end either."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=threading.Event().wait, args=(600,), name="stubborn").start()


def start_writing_at_exit(path: str) -> None:
    """Writes a file when the interpreter ends as it should."""
    atexit.register(Path(path).write_text, "ended", "utf-8")


def start_with_family(path: str) -> None:
    """Has a child of its own, and a grandchild that is a copy of it."""
    code = "import os, sys, time; os.fork(); print(os.getpid(), file=open(sys.argv[1], 'a')); time.sleep(600)"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        subprocess.Popen([sys.executable, "-W", "ignore", "-c", code, path])


def start_daemon(path: str) -> None:
    """Has a program that is in no group of the server's, and gets every descriptor that can be inherited."""
    code = "import os, sys, time; print(os.getpid(), file=open(sys.argv[1], 'a')); time.sleep(600)"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        subprocess.Popen([sys.executable, "-c", code, path], close_fds=False, start_new_session=True)


def start_describing(path: str, *names: str) -> None:
    """Writes what it has of the environment, and how it was started."""
    facts = [f"{name}={os.environ.get(name)}" for name in names]
    Path(path).write_text("\n".join([*facts, *sys.argv, os.getcwd()]), encoding="utf-8")


def die(number: str) -> None:
    """Ends by a signal."""
    print(f"dying of {number}", file=sys.stderr)
    os.kill(os.getpid(), int(number))
    threading.Event().wait(600)


def leave(code: str) -> None:
    """Ends at once."""
    os._exit(int(code))


def crash() -> None:
    """Reads where nothing is."""
    ctypes.string_at(0)


def flood() -> None:
    """Prints 30 MB, from Python, from a descriptor and from another program."""
    line = "x" * 99 + "\n"
    for _ in range(100):
        sys.stdout.write(line * 1000)
        os.write(2, (line * 1000).encode())
    sys.stdout.flush()
    subprocess.run([sys.executable, "-c", f"import sys; sys.stdout.write({line!r} * 100000)"], check=True)
    subprocess.run([sys.executable, "-c", "print('the end')"], check=True)


def talk_a_little() -> None:
    """Prints in three ways."""
    print("from Python")
    sys.stdout.flush()
    os.write(1, b"from a descriptor\n")
    subprocess.run([sys.executable, "-c", "import sys; print('from a program', file=sys.stderr)"], check=True)

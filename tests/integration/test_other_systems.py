"""Servers do without what only Linux has, or only a POSIX system.

`run_without` removes names from the standard library of a fresh interpreter, and of the child processes that it starts,
before the package is imported, and runs tests of other modules there.  What a system really does differently (how
sockets close, what a signal interrupts) this cannot show.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path

from tests.support import ROOT

# A child process is watched by a look now and then instead of a descriptor, ends with its parent by a thread instead of
# a signal of the kernel's, and tells of its end but once; idle connections cost a thread; a client that leaves behind
# what it has sent is not seen to leave.
LIKE_MACOS = """
    import fcntl, os, select

    MISSING = {os: ["pidfd_open", "memfd_create", "waitid"], select: ["epoll", "POLLRDHUP"], fcntl: ["F_SETSIG"]}
    for module, names in MISSING.items():
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
"""

# `select()` waits for sockets and fails for one that is closed; `socketpair()` goes over TCP; a call cannot be
# interrupted by a timer; nothing forks.
LIKE_WINDOWS = """
    import _socket

    if hasattr(_socket, "socketpair"):
        del _socket.socketpair
    import asyncio, os, select, selectors, signal, socket, subprocess, time

    MISSING = {
        os: ["fork", "register_at_fork"],
        select: ["epoll", "poll", "POLLRDHUP"],
        signal: ["setitimer"],
        socket: ["MSG_DONTWAIT"],
        time: ["clock_gettime"],
    }
    for module, names in MISSING.items():
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    selectors.DefaultSelector = selectors.SelectSelector
"""

ENGINES = "unit.core.test_engines"
THREADS = (ENGINES, "integration.web.test_departures")
STUB = ("integration.stub.test_hold", "integration.stub.test_outage", "integration.stub.test_delivery")
PROCESSES = ("integration.process.test_death", "integration.process.test_orphans")
LOOPS = (
    ENGINES,
    "contracts.test_servers.EchoLoopContract.test_an_interrupted_stop",
    "integration.mail.test_engine",
    "integration.web.test_asgi_stop",
)

LIMIT = 240.0  # seconds, where about ten are needed


def run_without(missing: str, *modules: str) -> subprocess.CompletedProcess[str]:
    """Run test modules in an interpreter whose start runs ``missing``."""
    # coverage would measure the interpreter from before that on, and imports the very modules that lose something
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_PROCESS_")}
    with tempfile.TemporaryDirectory(prefix="liveserver-systems-") as folder:
        (Path(folder) / "sitecustomize.py").write_text(textwrap.dedent(missing), encoding="utf-8")
        return subprocess.run(
            [sys.executable, "-X", "dev", "-W", "error", "-m", "unittest", *(f"tests.{module}" for module in modules)],
            capture_output=True,
            check=False,
            cwd=ROOT,
            encoding="utf-8",
            env={**environment, "PYTHONPATH": os.pathsep.join([folder, str(ROOT)])},
            timeout=LIMIT,
        )


class OtherSystemsTest(unittest.TestCase):
    """The fallbacks, switched on."""

    def test_without_what_linux_has(self) -> None:
        """Threads, the stub and child processes work as on Linux, in more threads and by looks."""
        done = run_without(LIKE_MACOS, *THREADS, *STUB, *PROCESSES)
        self.assertEqual(0, done.returncode, done.stderr)

    def test_without_what_posix_has(self) -> None:
        """Threads, the stub, the mail server and an ASGI loop work; child processes are refused there."""
        done = run_without(LIKE_WINDOWS, *THREADS, *STUB, *LOOPS)
        self.assertEqual(0, done.returncode, done.stderr)

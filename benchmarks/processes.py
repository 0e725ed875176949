"""Child processes of the benchmark: their environment, their core, and what is asked of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

from benchmarks.run import Run
from benchmarks.servers import Server

ROOT = Path(__file__).resolve().parent.parent
PROXIES = ("http_proxy", "https_proxy", "all_proxy")
#: Long enough for the slowest import and the slowest stop of a healthy server.
LIMIT = 20.0
#: A worker that waits for a command leaves at once.
LEAVE = 5.0


class WorkerError(Exception):
    """A server could not do what was asked, or did not in time."""


def environment() -> dict[str, str]:
    """Give children this checkout on their path, and no proxy between a client and its server.

    They write bytecode, as everywhere: without it, an import measures the compiler.
    """
    variables = {k: v for k, v in os.environ.items() if k.lower() not in PROXIES}
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    path = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**variables, "PYTHONPATH": os.pathsep.join(path)}


def cores() -> tuple[int, int] | None:
    """Give the server's and the client's core, or None where there are not two to be had."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    usable = sorted(os.sched_getaffinity(0))
    return (usable[0], usable[1]) if len(usable) > 1 else None


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """Let processes that are started here inherit one core."""
    if core is None or not hasattr(os, "sched_getaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class WorkerHandle:
    """A worker process, seen from the benchmark.

    Attributes:
        server: What it runs.
        busy: It was sent a command and has not been heard since.
    """

    def __init__(self, server: Server, core: int | None = None) -> None:
        self.server = server
        self.busy = False
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        self._pipe, theirs = Pipe()
        with theirs, on_core(core):
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.worker", server.name, str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                start_new_session=True,
            )
        self.send("ready")

    def send(self, *command: object) -> None:
        """Give a command without waiting for its reply.

        Raises:
            WorkerError: The process has ended.
        """
        self.busy = True
        try:
            self._pipe.send(command)
        except OSError as error:
            raise WorkerError(self._last_words()) from error

    def heard_within(self, seconds: float) -> bool:
        """Say whether the reply has come, after waiting this long for it."""
        return self._pipe.poll(seconds)

    def receive(self, limit: float = LIMIT) -> dict[str, Any]:
        """Wait for the reply to the last command.

        Raises:
            WorkerError: No reply within the limit, or the reply is an error, or the process ended.
        """
        if not self.heard_within(limit):
            raise WorkerError(f"no answer within {limit:g} s")
        try:
            reply: dict[str, Any] = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise WorkerError(self._last_words()) from error
        self.busy = False
        if "error" in reply:
            raise WorkerError(reply["error"])
        return reply

    def ask(self, *command: object, limit: float = LIMIT) -> dict[str, Any]:
        """Give a command and wait for its reply."""
        self.send(*command)
        return self.receive(limit)

    def close(self) -> None:
        """End the process: kindly when it is waiting for a command, else by force."""
        try:
            if not self.busy:
                self._pipe.send(("leave",))
                self._process.wait(LEAVE)
        except (OSError, subprocess.TimeoutExpired):
            pass
        self._pipe.close()
        # The whole session: a server may have started a process of its own.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._errors.close()

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "the process ended")


class Crew:
    """The workers of one measurement, fewer when one of them fails.

    Attributes:
        run: What they work for.
    """

    def __init__(self, run: Run, servers: Sequence[Server], core: int | None = None) -> None:
        self.run = run
        self._core = core
        self._members: list[WorkerHandle] = []
        try:
            self._hire(servers)
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[WorkerHandle]:
        """Go through those that take part still; one may drop out meanwhile."""
        return iter(list(self._members))

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def excusing(self, worker: WorkerHandle) -> Iterator[None]:
        """Drop a worker that fails in this block, and say why."""
        try:
            yield
        except WorkerError as error:
            self.run.say(f"  left out: {worker.server.name}: {error}")
            self._members.remove(worker)
            worker.close()

    def replace(self, workers: Sequence[WorkerHandle]) -> None:
        """End workers that do not answer any more, and have new ones for the same servers."""
        for worker in workers:
            self._members.remove(worker)
            worker.close()
        self._hire([worker.server for worker in workers])

    def close(self) -> None:
        """End all workers."""
        for worker in self:
            worker.close()
        self._members.clear()

    def _hire(self, servers: Sequence[Server]) -> None:
        workers = []
        for server in servers:
            workers.append(WorkerHandle(server, self._core))
            self._members.append(workers[-1])
        for worker in workers:  # they start at the same time
            with self.excusing(worker):
                worker.receive()


def measure_load(mode: str, port: int, seconds: float, core: int | None) -> dict[str, Any]:
    """Run the client process against a port.

    Raises:
        WorkerError: The client failed, or took far longer than it was told.
    """
    command = [sys.executable, "-m", "benchmarks.load", mode, str(port), str(seconds)]
    result: dict[str, Any] = json.loads(run_client(command, seconds * 2, core))
    return result


def run_client(command: Sequence[str], seconds: float, core: int | None) -> str:
    """Run a client program on its core and give its output.

    Raises:
        WorkerError: It failed, or took far longer than it was told.
    """
    with on_core(core):
        client = subprocess.Popen(
            command,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    try:
        output, errors = client.communicate(timeout=seconds + LIMIT)
    except subprocess.TimeoutExpired as error:
        raise WorkerError(f"client not done after {seconds + LIMIT:g} s") from error
    finally:
        client.kill()
        client.wait()
    if client.returncode:
        raise WorkerError((errors.strip().splitlines() or ["client failed"])[-1])
    return output

"""The server process: ``python -m benchmarks.worker SERVER FD`` does what it is told on a pipe.

A command is a tuple of its name and its arguments; the reply is a dictionary of figures, or
``{"error": text}``. A worker ends when the pipe does, so it never outlives the benchmark.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any

from benchmarks import wire
from benchmarks.apps import BODY
from benchmarks.http_servers import Adapter
from benchmarks.servers import server

Reply = dict[str, float]
#: The system forgets a thread a moment after it was joined.
SETTLE = 0.5
#: A server is stopped when it has been idle for this long. Those of socketserver look at once
#: after a request, and then every half second, whether they shall stop.
IDLE = 0.02
FEWEST, MOST = 5, 5000


def _count(kind: str) -> int:
    """Count the threads ("task") or open files ("fd") of this process, as the system sees them."""
    try:
        return len(os.listdir(f"/proc/self/{kind}"))
    except OSError:
        return threading.active_count() if kind == "task" else 0


class Worker:
    """One server of a kind at a time, and what is measured in its process."""

    def __init__(self, name: str) -> None:
        self._kind = server(name)
        contacts = {"mail": wire.greeting, "tls": wire.get_over_tls}
        self._contact = contacts.get(self._kind.kind, wire.get)
        self._running: Adapter | None = None
        self._threads = self._files = 0

    def cycles(self, number: int) -> dict[str, list[float]]:
        """Time so many whole lives, one after the other."""
        lives = [self._cycle() for _ in range(number)]
        return {figure: [life[figure] for life in lives] for figure in ("first", "stop")}

    def _cycle(self) -> Reply:
        """Time one life: until the first answer has arrived, then until it has stopped."""
        began = time.perf_counter()
        adapter = self._kind.make()
        adapter.start()
        self._contact(adapter.port)
        answered = time.perf_counter()
        time.sleep(IDLE)
        stopping = time.perf_counter()
        adapter.stop()
        stopped = time.perf_counter()
        adapter.tidy()
        return {"first": (answered - began) * 1e3, "stop": (stopped - stopping) * 1e3}

    def start(self) -> Reply:
        """Start the server and give its port, after a first answer: a broken one shows here."""
        self._threads, self._files = _count("task"), _count("fd")
        self._running = self._kind.make()
        self._running.start()
        self._contact(self._running.port)
        return {"port": self._running.port}

    def stop(self) -> Reply:
        """Time its stop, and count the threads and open files that it left."""
        if self._running is None:
            return {"stop": 0.0, "left": 0}
        began = time.perf_counter()
        self._running.stop()
        took = time.perf_counter() - began
        self._running.tidy()
        self._running = None
        return {"stop": took * 1e3, "left": self._left()}

    def _left(self) -> int:
        latest = time.monotonic() + SETTLE
        while True:
            left = max(0, _count("task") - self._threads) + max(0, _count("fd") - self._files)
            if not left or time.monotonic() > latest:
                return left
            time.sleep(0.01)

    def forget(self) -> Reply:
        """Have a mail server forget what it has kept."""
        if self._running is not None:
            self._running.forget()
        return {}

    def stop_held(self, kind: str, clients: int) -> Reply:
        """Time the stop of a mail server that is held by so many clients of a kind."""
        from benchmarks.mail_crowd import hold

        self._threads, self._files = _count("task"), _count("fd")
        self._running, close = hold(self._kind.make(), kind, clients)
        try:
            began = time.perf_counter()
            self._running.stop()
            took = time.perf_counter() - began
        finally:
            close()
        self._running = None
        return {"stop": took * 1e3, "left": self._left()}

    def peak(self) -> Reply:
        """The most memory that this process has had so far, in bytes."""
        import resource

        return {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}

    def requests(self, seconds: float) -> Reply:
        """Time a request of a `requests.Session` in this process, in microseconds."""
        import requests

        with requests.Session() as session:
            return self._client(session.get, seconds)

    def httpx(self, seconds: float) -> Reply:
        """Time a request of an `httpx.Client` in this process, in microseconds."""
        import httpx

        with httpx.Client() as client:
            return self._client(client.get, seconds)

    def _client(self, get: Callable[[str], Any], seconds: float) -> Reply:
        if self._running is None:
            raise RuntimeError("not started")
        url = f"http://{wire.HOST}:{self._running.port}/"
        for _ in range(FEWEST):
            if get(url).content != BODY:
                raise RuntimeError("wrong answer")
        count = 0
        began = now = time.perf_counter()
        while count < FEWEST or (now < began + seconds and count < MOST):
            get(url).content  # noqa: B018 - reads the body
            count += 1
            now = time.perf_counter()
        return {"us": (now - began) / count * 1e6}

    def obey(self, command: Sequence[Any]) -> dict[str, Any]:
        """Carry out one command; an exception becomes a reply."""
        actions: dict[str, Callable[..., Mapping[str, Any]]] = {
            "ready": dict,
            "cycles": self.cycles,
            "start": self.start,
            "stop": self.stop,
            "forget": self.forget,
            "stop_held": self.stop_held,
            "peak": self.peak,
            "requests": self.requests,
            "httpx": self.httpx,
        }
        name, *arguments = command
        try:
            return {**actions[name](*arguments)}
        except BaseException as error:  # uvicorn raises SystemExit
            return {"error": f"{type(error).__name__}: {error}"}


def main(arguments: list[str]) -> None:
    """Obey until the pipe ends, then leave at once: a peer may have threads that never end."""
    name, fd = arguments
    worker = Worker(name)
    with Connection(int(fd)) as pipe:
        while True:
            try:
                command = pipe.recv()
            except (EOFError, OSError):
                break
            if command[0] == "leave":
                break
            pipe.send(worker.obey(command))
    if not server(name).threaded:
        worker.obey(("stop",))
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Serve with an asyncio event loop of the server's own, in one thread."""

from __future__ import annotations

import abc
import asyncio
import contextlib
import logging
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

from .clock import monotonic
from .listener import Listener, format_host
from .server import Server, Unfinished

__all__ = ["LoopServer", "Talk"]

log = logging.getLogger("liveserver_testcase.core")

_JOIN = 0.3  # seconds that the loop's thread gets to end once nothing holds it


class Talk:
    """One connection of a loop server, as far as a stop must know.

    Attributes:
        transport: The TCP transport, under TLS too: its ``abort()`` waits for nobody.
        is_busy: Whether something is being done for the client, rather than waited for from it.
        what: What is being done, in a few words.
    """

    def __init__(self, transport: asyncio.BaseTransport, index: int) -> None:
        self.transport = transport
        self.index = index
        self.is_busy = False
        self.what = "a connection"
        self.ended: asyncio.Future[None] | None = None  # made by a stop that waits for the work to end
        self.since = monotonic()
        address = transport.get_extra_info("peername") or ("unknown", 0)
        self.peer = f"{format_host(str(address[0]))}:{address[1]}"

    def begin(self, what: str) -> None:
        """Note that something is being done for the client."""
        self.what, self.since, self.is_busy = what, monotonic(), True

    def end(self) -> None:
        """Note that it is the client's turn."""
        self.is_busy = False
        if self.ended is not None and not self.ended.done():
            self.ended.set_result(None)

    def abort(self) -> None:
        """Cut the connection, without the goodbyes of TLS: they take up to 30 s on Python 3.12 and later."""
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()


class _Run:
    """The loop, the thread and the connections of one run, from a start to its stop."""

    def __init__(self, server: LoopServer, listener: Listener, name: str) -> None:
        self.server = server
        self.listener = listener
        self.loop = asyncio.new_event_loop()
        self.talks: set[Talk] = set()
        self.servers: list[asyncio.Server] = []
        self.ready = threading.Event()
        self.ended = threading.Event()
        self.stopping = False
        self.error: BaseException | None = None
        self.cut: list[Unfinished] = []
        self.thread = threading.Thread(target=self.work, name=name, daemon=True)

    def work(self) -> None:
        """The life of the loop's thread."""
        try:
            asyncio.set_event_loop(self.loop)
            self.loop.run_until_complete(self.begin())
            self.ready.set()
            self.loop.run_forever()
            self.loop.run_until_complete(self.cancel_tasks())
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        except BaseException as error:  # also SystemExit, which a thread would swallow
            self.error = error
            if self.ready.is_set():
                log.exception("the loop of %r ended", self.server)
                self.server._failures.append(error)
        finally:
            for server in self.servers:
                server.close()
            for talk in list(self.talks):
                talk.abort()
            self.listener.close()
            with contextlib.suppress(RuntimeError):
                self.loop.run_until_complete(asyncio.sleep(0))  # let the aborted transports close their sockets
            self.loop.close()
            self.ready.set()
            self.ended.set()

    async def begin(self) -> None:
        factory = self.server._make_protocol
        for sock in self.listener.sockets:
            self.servers.append(await self.loop.create_server(factory, sock=sock, backlog=1024, **self.server._options()))

    async def cancel_tasks(self) -> None:
        """Cancel what is left on the loop and give it a moment to take note."""
        tasks = asyncio.all_tasks(self.loop) - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_JOIN / 2)

    async def finish(self, timeout: float) -> None:
        """Refuse, cut who waits, let the busy end, cut them too, and leave the loop."""
        for server in self.servers:
            server.close()
        waits = []
        for talk in list(self.talks):
            if talk.is_busy:
                talk.ended = self.loop.create_future()
                waits.append(talk.ended)
            else:
                talk.abort()
        if waits:
            await asyncio.wait(waits, timeout=timeout)
        for talk in list(self.talks):
            if talk.is_busy:
                self.cut.append(Unfinished(talk.what, talk.peer, monotonic() - talk.since, self.thread.name, ""))
            talk.abort()
        await asyncio.sleep(0)  # connection_lost is called from the loop
        self.loop.stop()

    def stack(self) -> str:
        frame = sys._current_frames().get(self.thread.ident or 0)
        return "".join(traceback.format_stack(frame)) if frame is not None else ""


class LoopServer(Server):
    """A server whose connections are protocols on an asyncio loop in a thread of its own."""

    _run: _Run | None = None

    @abc.abstractmethod
    def _make_protocol(self) -> asyncio.BaseProtocol:
        """Make the protocol object for a new connection; runs in the loop's thread."""

    def _options(self) -> dict[str, Any]:
        """More keywords for ``loop.create_server``, such as ``ssl``."""
        return {}

    def _open(self, listener: Listener) -> None:
        run = self._run = _Run(self, listener, self._thread_name)
        try:
            run.thread.start()
        except BaseException:
            run.loop.close()
            run.ended.set()
            raise
        if not run.ready.wait(self.start_timeout):
            raise TimeoutError(f"the event loop is not ready after {self.start_timeout:g} s; it is at\n{run.stack()}")
        if run.error is not None:
            raise run.error

    def _refuse(self) -> None:
        run = self._run
        if run is not None:
            run.stopping = True
            run.listener.wake()

    def _close(self, timeout: float) -> list[Unfinished]:
        run = self._run
        if run is None or run.ended.is_set():
            return []
        finish: Callable[[], object] = lambda: run.loop.create_task(run.finish(timeout))  # noqa: E731
        with contextlib.suppress(RuntimeError):  # the loop closed by itself meanwhile
            run.loop.call_soon_threadsafe(finish)
        if not run.ended.wait(timeout + _JOIN):
            return self._give_up(run)
        run.thread.join(_JOIN)
        return run.cut

    def _give_up(self, run: _Run) -> list[Unfinished]:
        """Something blocks the loop: end its sockets from outside, leave the daemon thread, and name what it is at."""
        stack = run.stack()
        unfinished = []
        for talk in list(run.talks):
            sock = talk.transport.get_extra_info("socket")
            with contextlib.suppress(OSError, AttributeError):
                sock.shutdown(socket.SHUT_RDWR)
            if talk.is_busy:
                unfinished.append(Unfinished(talk.what, talk.peer, monotonic() - talk.since, run.thread.name, stack))
        run.listener.close()
        return unfinished or [Unfinished("a callback on the event loop", "the server itself", 0.0, run.thread.name, stack)]

    def _is_inside(self) -> bool:
        return self._run is not None and threading.get_ident() == self._run.thread.ident

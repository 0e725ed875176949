"""One connection of a stub: it can wait with an eye on its client, and fail on purpose.

Every wait for the sake of a request (a delay, a hold, a coroutine of the script) is a `StubConnection.pause` in the
thread of its connection: it ends when the time is over, when another thread sets its `Wake`, when the client leaves and
when the stub stops.  Coroutines run on a `HandlerLoop`, whose thread starts when one is first needed.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Awaitable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from ..core.connection import RECEIVE, ConnectionState, is_readable
from ..core.interrupts import ServerThread, monotonic, start_thread
from ..core.listener import ServerSocket, make_socket_pair
from ..core.tls import TLSFacts
from ..errors import ClientDisconnected
from ..web.connection import HTTPConnection
from ..web.records import Exchange
from ..web.response import ResponseWriter
from .faults import FaultPlan
from .request import RecordedRequest

if TYPE_CHECKING:
    import asyncio
    import concurrent.futures

    from .engine import StubEngine
    from .hosts import Tunnel

__all__ = ["HandlerLoop", "StubConnection", "Wake"]

T = TypeVar("T")

_JOIN = 0.25  # seconds that the thread of a loop gets to end once its tasks are cancelled
_LONGEST = 24 * 3600.0  # seconds: what one call can wait for; who waits longer waits again


class Wake:
    """Ends a wait from another thread, and every later one; it can be waited for together with a client."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the sockets' end: a byte must not go into a reused number
        self._inner, self._outer = make_socket_pair()

    def fileno(self) -> int:
        """Return the descriptor that becomes readable."""
        return self._inner.fileno()

    def clear(self) -> None:
        """Be as new, once it is set."""
        self._inner.recv(RECEIVE)

    def set(self) -> None:
        """End the wait, also one that has not begun; again, or when it is over, does nothing."""
        with self._lock, contextlib.suppress(OSError):
            self._outer.send(b"!")

    def close(self) -> None:
        """Let go of it; nobody may wait for it any more."""
        with self._lock:
            self._inner.close()
            self._outer.close()


class StubConnection(HTTPConnection):
    """Serves the requests of one client of a stub."""

    server: StubEngine
    stop_wake: Wake | None = None  # set when this run of the stub stops: a later one has another
    tls_facts: TLSFacts | None = None
    tunnel: Tunnel | None = None  # what the client has made of it with CONNECT
    heeds_stop = False  # what it does at the moment ends by itself when the stub stops, in good order

    def _open(self) -> None:
        """Fail, if that is planned for this connection, or speak TLS, if the client does."""
        server, tunnel, tls, hosts = self.server, self.tunnel, self.server.tls, self.server.hosts
        if tls is None and tunnel is None and not server.connection_faults:
            return
        speaks_tls = tls is not None
        if tunnel is not None:
            self.set_timeout(server.header_timeout)
            try:
                self.await_client()
                speaks_tls = ServerSocket.recv(self.sock, 1, socket.MSG_PEEK) == b"\x16"
            except OSError as error:
                raise ClientDisconnected(
                    self.describe_disconnect(f"without having used its tunnel: {error}")
                ) from error
            tunnel.open("https" if speaks_tls else "http", server.url)
        plan = server.plan_connection(speaks_tls=speaks_tls, only_tls=tunnel is not None)
        flaw = plan.effect.flaw if plan is not None else None
        if plan is not None and flaw is None:
            self.inject_fault(plan)
        if not speaks_tls:
            return
        if tunnel is not None and hosts is not None:
            context = hosts.server_context(tunnel.host, flaw)
        elif tls is not None:
            context = tls.context if flaw is None else tls.flawed_context(flaw)
        self.do_handshake(context, server.header_timeout)
        self.tls_facts = TLSFacts.read(self.sock)  # type: ignore[arg-type]

    def open_tunnel(self, tunnel: Tunnel, response: ResponseWriter) -> None:
        """Answer CONNECT: what the client sends next begins another connection, as it believes."""
        response.open_tunnel()
        self.tunnel = tunnel
        self._is_open = False
        self._exchanges = 0

    @property
    def is_streaming(self) -> bool:
        """Whether a stop cuts it."""
        return super().is_streaming and not self.heeds_stop

    # -- what came, and was no request -----------------------------------------------------------------------------

    def _record_no_request(self, reason: str) -> None:
        """Record with the CONNECT why no request came through the tunnel, for that has its host."""
        if self.tunnel is None or self._exchanges:
            super()._record_no_request(reason)
            return
        self.tunnel.exchange.aborted = reason
        self.server.journal.notify(self.tunnel.exchange)

    def note_unreadable(self, exchange: Exchange) -> None:
        """Hold it against the test that no request could be made out of what came, or that it broke off."""
        if not (self.is_cut or self.stopping.is_set()):  # else it was the test that has ended it
            self.server.inspection.note_unreadable(exchange)

    _on_unreadable = note_unreadable

    # -- the end ---------------------------------------------------------------------------------------------------

    def inject_fault(self, plan: FaultPlan) -> NoReturn:
        """Fail as planned, as far as it is about the connection, whatever has been sent before."""
        self._stop_reading()
        effect = plan.effect
        if effect.data:
            with contextlib.suppress(ClientDisconnected):
                self.send(effect.data)
        if effect.before_end is not None:
            effect.before_end(self)
        raise self.end_now(f"scripted fault: {plan.describe()}", reset=effect.resets, linger=effect.lingers)

    def end_now(self, reason: str, *, reset: bool = False, linger: bool = False) -> ClientDisconnected:
        """Have the connection end, although the response may say nothing of it; see `abandon`."""
        exchange = self.exchange
        if exchange is not None:
            exchange.aborted = reason  # also if the response has come to its end
            if exchange.response is not None:
                exchange.response.keep_alive = False
        self._unread = linger  # where there is no exchange that would say so
        return self.abandon(reason, reset=reset, linger=linger)

    def end_tls(self) -> None:
        """Send the alert that says that the end is no attack, without waiting for that of the client."""
        if isinstance(self.sock, ssl.SSLSocket) and not (self._unclean or self.is_cut):
            self._unclean = True
            with contextlib.suppress(OSError, ValueError):
                self.set_timeout(0.0)
                self.sock.unwrap()

    def half_close(self) -> None:
        """Say that nothing more comes, and read on until the client leaves."""
        self.state = ConnectionState.READING
        self._send_close_notify()
        with contextlib.suppress(OSError):
            ServerSocket.shutdown(self.sock, socket.SHUT_WR)
            self.set_timeout(None)
            while not self.stopping.is_set() and ServerSocket.recv(self.sock, RECEIVE):
                pass

    # -- waiting ---------------------------------------------------------------------------------------------------

    def pause(self, seconds: float | None, wake: Wake | None = None) -> bool:
        """Wait for ``wake``, for so many seconds at most; nobody who settles waits for this.

        Returns:
            False when the stub stops.

        Raises:
            ClientDisconnected: The client has left.
        """
        request = self.exchange.handler_data if self.exchange is not None else None
        if not isinstance(request, RecordedRequest):
            return self._pause(seconds, wake)
        request.is_paused = True
        self.notify()
        try:
            return self._pause(seconds, wake)
        finally:
            request.is_paused = False

    def _pause(self, seconds: float | None, wake: Wake | socket.socket | None) -> bool:
        if self.stopping.is_set():
            return False
        if _wait_for_client(self.sock, seconds, self._list_wakes(wake)) is False:
            self._gone = ClientDisconnected(self.describe_disconnect("while it was kept waiting"))
            raise self._gone
        return not self.stopping.is_set()

    def _list_wakes(self, wake: Wake | socket.socket | None) -> list[Wake | socket.socket]:
        return [each for each in (self.stop_wake, wake) if each is not None]

    def wait_readable(self, sock: socket.socket, seconds: float) -> None:
        """Wait until another socket than the client's can be read, or raise `TimeoutError`; see `pause`."""
        if not is_readable(sock) and not self._pause(seconds, sock):
            raise self.end_now("the stub stopped while it waited for another server")
        if not is_readable(sock):
            raise TimeoutError(f"nothing came for {seconds:g} s")

    def run(self, work: Awaitable[T]) -> T:
        """Run a coroutine on the stub's loop, and wait for its result: what ends a `pause` cancels it."""
        done = Wake()
        future = self.server.loop.submit(work)
        future.add_done_callback(lambda _: done.set())
        try:
            if not self._pause(None, done):
                raise self.end_now("the stub stopped while a coroutine of its script ran")
            return future.result(timeout=0)
        finally:
            future.cancel()
            done.close()

    def receive_or_wake(self, seconds: float | None, wake: Wake) -> bytes | None:
        """Wait for bytes on a connection that was taken over: none if the client has left, None if the wait ends."""
        if not (isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()):
            self.rest()
            try:
                ready = _poll(dict.fromkeys((self.sock, *self._list_wakes(wake)), _READABLE), seconds)
            finally:
                self.awaits_client = False
            if wake.fileno() in ready:
                wake.clear()
            if self.stopping.is_set() or self.number not in ready:
                return None
        try:
            return self.sock.recv(RECEIVE)
        except OSError:  # it is broken, which is an end as well
            return b""

    def notify(self) -> None:
        """Wake who waits for something to happen to a request."""
        self.server.journal.notify()

    def has_left(self) -> bool:
        """Return True if the client has left, as far as it shows without waiting."""
        with self._closing:  # so that the descriptor's number is still this connection's
            return self.sock.fileno() < 0 or _wait_for_client(self.sock, 0, ()) is False

    def is_late(self, request: RecordedRequest) -> bool:
        """Return True if the test in which a request came is over."""
        return request.window.number < self.server.journal.window.number


# The end of what the client sends shows behind what it has sent on Linux, and nowhere else.
_LEAVING = getattr(select, "POLLRDHUP", 0)
_READABLE = getattr(select, "POLLIN", 1)
_LEFT = _LEAVING | sum(getattr(select, name, 0) for name in ("POLLHUP", "POLLERR", "POLLNVAL"))


def _wait_for_client(
    client: socket.socket, seconds: float | None, wakes: Sequence[Wake | socket.socket]
) -> bool | None:
    """Wait: True for one of ``wakes``, False for the client's leaving, None when the time is over."""
    deadline = None if seconds is None else monotonic() + seconds
    wanted: dict[Wake | socket.socket, int] = {client: _LEAVING or _READABLE, **dict.fromkeys(wakes, _READABLE)}
    while True:
        events = _poll(wanted, None if deadline is None else deadline - monotonic())
        if any(wake.fileno() in events for wake in wakes):
            return True
        event = events.get(client.fileno(), 0)
        if event & _LEFT:
            return False
        if event:
            try:
                if not ServerSocket.recv(client, 1, socket.MSG_PEEK):
                    return False
            except OSError:
                return False
            wanted[client] = 0  # it has sent more, and there is no telling whether it leaves after that
        elif deadline is not None and monotonic() >= deadline:
            return None


def _poll(wanted: Mapping[Wake | socket.socket, int], seconds: float | None) -> dict[int, int]:
    """Wait for these events for so many seconds, or as long as one call can; returns those there are by descriptor."""
    left = _LONGEST if seconds is None else min(max(0.0, seconds), _LONGEST)
    if not hasattr(select, "poll"):  # Windows
        ready = select.select([each for each, events in wanted.items() if events], [], [], left)[0]
        return {each.fileno(): _READABLE for each in ready}
    poll = select.poll()
    for each, events in wanted.items():
        poll.register(each, events)
    return dict(poll.poll(left * 1000))


class HandlerLoop:
    """Runs coroutines for threads that wait for them, in a thread of this name that starts with the first one."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()  # guards the two below
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def submit(self, work: Awaitable[T]) -> concurrent.futures.Future[T]:
        """Begin ``work``; cancelling what is returned cancels it."""
        import asyncio  # 20 ms, which a stub without coroutines need not wait

        async def wait() -> T:
            return await work

        # as it is where it can be: what is cancelled before it has begun must not be left behind, never awaited
        coroutine: Coroutine[Any, Any, T] = work if isinstance(work, Coroutine) else wait()
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = ServerThread(target=_run_loop, args=(self._loop,), name=self._name, daemon=True)
                start_thread(self._thread)
            return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def runs_here(self) -> bool:
        """Return True if this is called by one of its coroutines."""
        import asyncio

        return self._loop is not None and asyncio._get_running_loop() is self._loop

    def finish(self, work: Coroutine[Any, Any, object]) -> None:
        """Have ``work`` done, and wait for it for a moment; nothing comes of what it raises."""
        with contextlib.suppress(Exception):
            self.submit(work).result(_JOIN)

    def stop(self) -> None:
        """Cancel what runs, and end the thread; one that a handler blocks is left to itself."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        with contextlib.suppress(RuntimeError):  # it is closed
            loop.call_soon_threadsafe(loop.stop)
        if thread is not threading.current_thread():
            thread.join(_JOIN)


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Run the loop, and cancel what is left when it stops."""
    import asyncio

    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        asyncio.set_event_loop(None)
        loop.close()

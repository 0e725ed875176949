"""One connection of a stub: it can wait with an eye on its client, and fail on purpose.

Every wait for the sake of a request (a delay, a hold, a coroutine of the script) is a `StubConnection.pause` in the
thread of its connection: it ends when the time is over, when another thread sets its `Wake`, when the client leaves and
when the stub stops.  Coroutines run on a `HandlerLoop`, whose thread starts when one is first needed.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Awaitable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from ..core.connection import RECEIVE
from ..core.interrupts import ServerThread, monotonic, start_thread
from ..core.listener import ServerSocket, make_socket_pair
from ..core.threaded import ConnectionState
from ..core.tls import TLS, TLSFacts
from ..errors import ClientDisconnected
from ..web.connection import HTTPConnection
from ..web.records import Exchange
from .faults import FLAWS, Fault, FaultPlan
from .request import RecordedRequest

if TYPE_CHECKING:
    import asyncio
    import concurrent.futures

    from .engine import StubEngine

__all__ = ["HandlerLoop", "StubConnection", "Wake"]

T = TypeVar("T")

GARBAGE = bytes(range(128, 256)) + b"\r\n\r\n" + bytes(range(255, 127, -1))
"""What is sent where no HTTP is: the same each time."""

_ALERT = bytes((21, 3, 3, 0, 2, 2, 40))  # a fatal alert, handshake_failure: RFC 8446, 6
_JOIN = 0.25  # seconds that the thread of a loop gets to end once its tasks are cancelled
_LONGEST = 24 * 3600.0  # seconds: what one call can wait for; who waits longer waits again


class Wake:
    """Ends a wait from another thread; it can be waited for together with a client.

    Once it is set it stays so: one that stands for the stub's stop serves every wait of the stub.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the sockets' end: a byte must not go into a reused number
        self._inner, self._outer = make_socket_pair()

    def fileno(self) -> int:
        """What becomes readable."""
        return self._inner.fileno()

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
    """Serves the requests of one client of a stub.

    Attributes:
        tls_facts: What was agreed upon in the handshake; None without TLS.
    """

    server: StubEngine

    def __init__(
        self, server: StubEngine, sock: socket.socket, address: Any, index: int, stopping: threading.Event
    ) -> None:
        super().__init__(server, sock, address, index, stopping)
        self.tls_facts: TLSFacts | None = None
        self._stop_wake = server.stop_wake  # of this run of the stub: a later one has another

    def _open(self) -> None:
        plan = self.server.plan_connection()
        tls = self.server.tls
        if plan is not None:
            self._fail(plan, tls)
        elif tls is not None:
            self.do_handshake(tls.context, self.server.header_timeout)
        if tls is not None:
            self.tls_facts = TLSFacts.read(self.sock)  # type: ignore[arg-type]

    def _fail(self, plan: FaultPlan, tls: TLS | None) -> None:
        """Do to a new connection what is planned for it."""
        if plan.fault in FLAWS and tls is not None:
            self.do_handshake(tls.flawed_context(FLAWS[plan.fault]), self.server.header_timeout)
            return
        if plan.fault is Fault.TLS_HANDSHAKE:
            self._stop_reading()
            self._receive_plain()
            self.send_plain(_ALERT)
            raise self._end_now("TLS handshake refused", linger=True)
        self.misbehave(plan)

    def _on_unreadable(self, exchange: Exchange) -> None:
        self.note_unreadable(exchange)

    def note_unreadable(self, exchange: Exchange) -> None:
        """Hold it against the test that no request could be made out of what came, or that it broke off."""
        if not (self.is_cut or self.stopping.is_set()):  # else it was the test that has ended it
            self.server.note_unreadable(exchange)

    # -- misbehaving -----------------------------------------------------------------------------------------------

    def misbehave(self, plan: FaultPlan) -> None:
        """Do what is planned, where it is only about the connection, whatever has been sent before.

        Raises:
            ClientDisconnected: Always.
        """
        self._stop_reading()
        reason = f"the stub was told to fail: {plan.describe()}"
        if plan.fault is Fault.RESET:
            raise self._end_now(reason, reset=True)
        if plan.fault is Fault.STALL:
            self.state = ConnectionState.READING  # a stop need not wait for this
            with contextlib.suppress(ClientDisconnected):
                self.pause(None)
            raise self._end_now(reason)
        if plan.fault is Fault.HALF_CLOSE:
            self._half_close()
            raise self._end_now(reason)
        if plan.fault is Fault.GARBAGE:
            with contextlib.suppress(ClientDisconnected):
                self.send(GARBAGE)
        raise self._end_now(reason, linger=True)

    def _end_now(self, reason: str, *, reset: bool = False, linger: bool = False) -> ClientDisconnected:
        exchange = self.exchange
        if exchange is not None:
            exchange.aborted = reason  # also if the response has come to its end
            if exchange.response is not None:
                exchange.response.keep_alive = False
        self._unread = linger  # where there is no exchange that would say so
        return self.abandon(reason, reset=reset, linger=linger)

    def end_early(self, reason: str, *, linger: bool = False) -> ClientDisconnected:
        """Have the connection end with the response, although the response says nothing of it; see `abandon`."""
        return self._end_now(reason, linger=linger)

    def _half_close(self) -> None:
        """Say that nothing more comes, and read on until the client has enough."""
        self.state = ConnectionState.READING
        self._send_close_notify()
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.sock, socket.SHUT_WR)
            self.set_timeout(None)
            while not self.stopping.is_set() and ServerSocket.recv(self.sock, RECEIVE):
                pass

    def _receive_plain(self) -> None:
        """Receive once what the client sends, whatever it is."""
        with contextlib.suppress(OSError):
            self.set_timeout(self.server.header_timeout)
            self.sock.recv(RECEIVE)

    # -- waiting ---------------------------------------------------------------------------------------------------

    def pause(self, seconds: float | None, wake: Wake | None = None) -> bool:
        """Wait, with an eye on the client and on the stub's stop.

        Args:
            seconds: How long at most; None for as long as it takes.
            wake: What ends the wait besides.

        Returns:
            True when the time is over, or ``wake`` was set; False when the stub stops.

        Raises:
            ClientDisconnected: The client has left.
        """
        request = self.exchange.handler_data if self.exchange is not None else None
        if not isinstance(request, RecordedRequest):
            return self._pause(seconds, wake)
        request.is_paused = True
        self.notify()  # whoever waits for this test to settle need not wait for this
        try:
            return self._pause(seconds, wake)
        finally:
            request.is_paused = False

    def wait_readable(self, sock: socket.socket, seconds: float) -> None:
        """Wait until another socket than the client's can be read.

        Raises:
            TimeoutError: It cannot within the time.
            ClientDisconnected: The client has left, or the stub stops.
        """
        if _is_readable(sock):
            return
        if not self._pause(seconds, sock):
            raise self._end_now("the stub stopped while it waited for another server")
        if not _is_readable(sock):
            raise TimeoutError(f"nothing came for {seconds:g} s")

    def _pause(self, seconds: float | None, wake: Wake | socket.socket | None) -> bool:
        if self.stopping.is_set():
            return False
        if self._wait_for(seconds, wake):
            return not self.stopping.is_set()
        self._gone = ClientDisconnected(self.describe_disconnect("while it was kept waiting"))
        raise self._gone

    def _wait_for(self, seconds: float | None, wake: Wake | socket.socket | None) -> bool:
        """Wait for the time, the stop or ``wake``; False: the client has left."""
        deadline = None if seconds is None else monotonic() + seconds
        watched, wakes = _Watched(self.sock), [each for each in (self._stop_wake, wake) if each is not None]
        while True:
            left = _LONGEST if deadline is None else deadline - monotonic()
            if left <= 0:
                return True
            found = watched.wait(min(left, _LONGEST), wakes)
            if found is not None:
                return found

    def notify(self) -> None:
        """Wake who waits for something to happen to a request."""
        self.server.journal.notify()

    def has_left(self) -> bool:
        """Return True if the client has left, as far as it shows without waiting."""
        with self._closing:  # so that the descriptor's number is still this connection's
            return self.sock.fileno() < 0 or _Watched(self.sock).wait(0, []) is False

    def is_late(self, request: RecordedRequest) -> bool:
        """Whether the test in which a request came is over."""
        return request.window.number < self.server.journal.window.number

    def run(self, work: Awaitable[T]) -> T:
        """Run a coroutine on the stub's loop, and wait for its result; see `pause`.

        Raises:
            ClientDisconnected: The client has left, or the stub stops; the coroutine is cancelled.
        """
        done = Wake()
        # as it is where it can be: what is cancelled before it has begun must not be left behind, never awaited
        coroutine: Coroutine[Any, Any, T] = work if isinstance(work, Coroutine) else _await(work)
        future = self.server.loop.submit(coroutine)
        future.add_done_callback(lambda _: done.set())
        try:
            if not self._pause(None, done):
                raise self._end_now("the stub stopped while a coroutine of its script ran")
            return future.result(timeout=0)
        finally:
            future.cancel()
            done.close()


class _Watched:
    """A client that is watched for leaving, while it may well send more."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._half_closed_unknown = False  # it has sent more, and there is no telling whether it leaves after that

    def wait(self, seconds: float, wakes: Sequence[Wake | socket.socket]) -> bool | None:
        """Wait: True for one of ``wakes``, False for the client's leaving, None for neither."""
        if hasattr(select, "poll"):
            return self._poll(seconds, wakes)
        watched: list[Any] = [*wakes] if self._half_closed_unknown else [*wakes, self._sock]
        ready = select.select(watched, [], [], seconds)[0]
        if any(found in wakes for found in ready):
            return True
        return self._look() if ready else None

    def _poll(self, seconds: float, wakes: Sequence[Wake | socket.socket]) -> bool | None:
        poll = select.poll()
        # the end of what the client sends shows behind what it has sent on Linux, and nowhere else
        leaving = getattr(select, "POLLRDHUP", 0)
        numbers = {wake.fileno() for wake in wakes}
        for number in numbers:
            poll.register(number, select.POLLIN)
        poll.register(self._sock, leaving or (0 if self._half_closed_unknown else select.POLLIN))
        ready = poll.poll(seconds * 1000)
        if any(number in numbers for number, _ in ready):
            return True
        if not ready:
            return None
        gone = ready[0][1] & (leaving | select.POLLHUP | select.POLLERR | select.POLLNVAL)
        return False if gone else self._look()

    def _look(self) -> bool | None:
        """Whether the client has left, as far as what it has sent tells."""
        try:
            if not ServerSocket.recv(self._sock, 1, socket.MSG_PEEK):
                return False
        except OSError:
            return False
        self._half_closed_unknown = True
        return None


def _is_readable(sock: socket.socket) -> bool:
    if not hasattr(select, "poll"):
        return bool(select.select([sock], [], [], 0)[0])
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


async def _await(work: Awaitable[T]) -> T:
    return await work


class HandlerLoop:
    """Runs coroutines for threads that wait for them.

    Args:
        name: What the thread is called.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()  # guards the two below
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Begin ``work``; cancelling what is returned cancels it."""
        import asyncio  # 20 ms, which a stub without coroutines need not wait

        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = ServerThread(target=_run_loop, args=(self._loop,), name=self._name, daemon=True)
                start_thread(self._thread)
            return asyncio.run_coroutine_threadsafe(work, self._loop)

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
    """The life of the thread."""
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

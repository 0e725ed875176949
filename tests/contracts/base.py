"""What the contract asks of a concrete class, and the verbs that its tests are written in."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from liveserver_testcase.core.server import Server
from tests.support import HANG, NoLeaks, call_in_thread, wait_until

__all__ = ["ServerCase", "has_ipv6"]

# The contract is a mixin and no TestCase, so that no loader runs it by itself.
Base = NoLeaks if TYPE_CHECKING else object


def has_ipv6() -> bool:
    """Whether this machine has the address ::1."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


class ServerCase(Base):
    """One server of one kind, and clients that speak its protocol.

    A concrete class says what is between the two rules below, and is done; `EchoContract` is the shortest.
    """

    # -- what a concrete class provides ------------------------------------------------------------------------

    half_said: dict[str, bytes] = {}
    """What a client may say and then fall silent, so that the server waits for more; by name."""

    request: bytes
    """One complete request: the server calls `do_work` and answers."""

    lives = 100
    """How often it is started in one test: a process takes a hundred times as long as a thread."""

    interrupts = (100, {"start": 1e-3, "stop": 1e-3})
    """How many starts and stops are interrupted at least, and how long each takes at most, in seconds."""

    def make_server(self, **options: Any) -> Server:
        """Make a server, not started, that calls `do_work` in each exchange before it answers."""
        raise NotImplementedError

    def check_answer(self, client: socket.socket) -> None:
        """Read the answer to one `ask`, and fail unless it is whole and right."""
        raise NotImplementedError

    def client_context(self, server: Server) -> ssl.SSLContext | None:
        """How clients speak TLS; None if they do not."""
        tls = getattr(server, "tls", None)
        return tls.client_context() if tls is not None else None

    # -- verbs of the tests ------------------------------------------------------------------------------------

    def setUp(self) -> None:
        super().setUp()
        self.work: Callable[[], object] = lambda: None  # what the server does in each exchange
        self.freed = threading.Event()  # ends the work of `hang`
        self.addCleanup(self.freed.set)

    def do_work(self) -> None:
        self.work()

    def make(self, **options: Any) -> Server:
        """Make a server that is stopped at the end of the test, whatever happens."""
        server = self.make_server(**options)
        self.addCleanup(server.stop)
        return server

    def started(self, **options: Any) -> Server:
        server = self.make(**options)
        server.start()
        return server

    def ask(self, client: socket.socket) -> None:
        client.sendall(self.request)

    def connect(self, server: Server, host: str | None = None) -> socket.socket:
        """A client, with TLS if the server wants it, closed at the end of the test."""
        return self.secure(server, self.connect_plainly(server, host))

    def connect_plainly(self, server: Server, host: str | None = None) -> socket.socket:
        """A client that says nothing, not even of TLS."""
        client = socket.create_connection((host or server.host, server.port), timeout=HANG)
        self.addCleanup(client.close)
        return client

    def secure(self, server: Server, client: socket.socket) -> socket.socket:
        """Speak TLS from here on, if the server wants it."""
        context = self.client_context(server)
        if context is None:
            return client
        wrapped = context.wrap_socket(client, server_hostname=server.host)
        self.addCleanup(wrapped.close)
        return wrapped

    def assert_serves(self, server: Server, host: str | None = None) -> None:
        """Prove that the server serves."""
        client = self.connect(server, host)
        self.ask(client)
        self.check_answer(client)
        client.close()

    def hang(self, server: Server, then: Callable[[], object] = lambda: None) -> socket.socket:
        """Begin an exchange that does not end before `freed` is set; its work has begun on return."""
        begun = threading.Event()

        def work_that_hangs() -> None:
            begun.set()
            self.freed.wait(6 * HANG)
            then()

        self.work = work_that_hangs
        client = self.connect(server)
        self.ask(client)
        self.assertTrue(begun.wait(HANG), "the server does not work on the request")
        return client

    def receive(self, client: socket.socket, end: bytes) -> bytes:
        """Read up to ``end``, or to the end of the connection."""
        data = b""
        while not data.endswith(end):
            more = client.recv(65536)
            if not more:
                break
            data += more
        return data

    def is_refused(self, server: Server) -> bool:
        """Whether a new client is turned away."""
        try:
            with socket.create_connection(server.address, timeout=HANG):
                return False
        except ConnectionRefusedError:
            return True
        except ConnectionResetError:  # accepted by the system in the very moment in which the acceptor was shut
            return False

    def assert_over(self, client: socket.socket, message: str = "") -> None:
        """Fail unless the server has ended the connection; `TimeoutError` means that it has not."""
        try:
            while client.recv(65536):
                pass
        except TimeoutError:
            self.fail(f"the connection is still open {message}")
        except OSError:
            pass

    def assert_gone(self, server: Server) -> None:
        """Fail unless the port refuses and can be bound by somebody else."""
        self.assertTrue(self.is_refused(server), f"{server!r} still accepts")
        with socket.socket(socket.AF_INET6 if ":" in server.host else socket.AF_INET) as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(server.address)
            other.listen(1)

    def in_threads(self, *functions: Callable[[], object]) -> list[BaseException | None]:
        """Call the functions at the same moment, each in a thread; what each raised."""
        together = threading.Barrier(len(functions))
        raised: list[BaseException | None] = [None] * len(functions)

        def call(index: int, function: Callable[[], object]) -> None:
            try:
                together.wait(HANG)
                function()
            except BaseException as error:
                raised[index] = error

        threads = [threading.Thread(target=call, args=item, daemon=True) for item in enumerate(functions)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(2 * HANG)
            self.assertFalse(thread.is_alive(), "a call does not return")
        return raised

    @contextmanager
    def stopping(self, server: Server, timeout: float | None = None) -> Iterator[None]:
        """Stop the server in a thread, and run the block once it refuses; then wait for the stop to end."""
        stopped = call_in_thread(server.stop, timeout)
        wait_until(lambda: not server.is_running and self.is_refused(server))
        yield
        stopped.result(2 * HANG)

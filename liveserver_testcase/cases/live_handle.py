"""What ``live_server`` is on a test class: a handle of the class's server, and not the server itself."""

from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..core.checks import KnownAttributes, check_seconds, suggest_keywords
from ..core.journal import runs_loop
from ..core.started import StartedBlock, StartedCoroutine, note_started
from ..errors import UsageError
from ..web.http_server import Mode
from ..web.live import LiveServer
from ..web.records import RequestRecord
from .base import ServerTestCase
from .class_server import ServerAttribute
from .live_adapter import LiveAdapter, describe_pending
from .live_address import LiveAddress
from .waiting import Inquiry, Wait

if TYPE_CHECKING:
    from ..core.journal import Journal

__all__ = ["LiveServerAttribute", "LiveServerHandle"]

__unittest = True
__tracebackhide__ = True


async def _call_in_thread(function: Callable[[], None]) -> None:
    import asyncio  # 20 ms, which tests without coroutines need not wait

    await asyncio.to_thread(function)


def _note(handle: LiveServerHandle, call: StartedCoroutine | StartedBlock) -> None:
    handle._adapter.started.append(call)


class LiveServerHandle(KnownAttributes):
    """The live server of a test class, whichever runs at the moment.

    A stop here is the test's own and is not held against it; the next test starts the server again.  With
    ``LIVESERVER_URL`` set, what needs a server of ours skips the test.
    """

    __slots__ = ("_adapter", "_owner")

    def __init__(self, owner: type[ServerTestCase], adapter: LiveAdapter) -> None:
        self._owner = owner
        self._adapter = adapter

    # -- life --------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the server where ``live_autostart = False``, or a test, has left it stopped.

        If it runs, nothing happens.
        """
        self._adapter.switch(True)

    def stop(self) -> None:
        """Stop the server and keep its port; the next test starts it again.  If it is stopped, nothing happens.

        Raises:
            UsageError: A stop waits for requests in flight, and their clients may be on the event loop that runs here.
        """
        self._stop("stop", "await self.live_server.stop_async()")

    def restart(self) -> None:
        """Stop the server and start it again, on the same port and with the same application: see `stop`."""
        self._stop("restart", "await self.live_server.restart_async()")
        self.start()

    @note_started("self.live_server.start_async", _note)
    async def start_async(self) -> None:
        """`start`, for code on an event loop, which goes on meanwhile."""
        await _call_in_thread(self.start)

    @note_started("self.live_server.stop_async", _note)
    async def stop_async(self) -> None:
        """`stop`, for code on an event loop, which goes on meanwhile."""
        await _call_in_thread(self.stop)

    @note_started("self.live_server.restart_async", _note)
    async def restart_async(self) -> None:
        """`restart`, for code on an event loop, which goes on meanwhile."""
        await _call_in_thread(self.restart)

    def _stop(self, call: str, instead: str) -> None:
        pending = self._server.wait_until_idle(0) if runs_loop() and self.is_running else []
        if pending:
            raise UsageError(
                f"live_server.{call}() would block the event loop of this test while it waits for "
                f"{pending[0].describe()}; write {instead}"
            )
        self._adapter.switch(False)

    @note_started("self.live_server.down", _note)
    @contextlib.contextmanager
    def down(self) -> Iterator[None]:
        """In this block nobody listens on the server's port, and nobody can; afterwards it serves there again.

        Raises:
            UsageError: As for `stop`.
        """
        self._stop("down", "await self.live_server.stop_async() in place of the block, and start_async() after it")
        try:
            yield
        finally:
            self.start()

    def close_connections(self) -> None:
        """Close every connection at once, also those with a request in flight."""
        self._server.close_connections()

    @property
    def is_running(self) -> bool:
        """Whether the server serves."""
        return self._server.is_running

    # -- what happened -----------------------------------------------------------------------------------------------

    @property
    def requests(self) -> list[RequestRecord]:
        """The requests of this test, in the order of their arrival; each has ``method``, ``path``, ``status``…"""
        return self.journal.entries(self.journal.window)

    @property
    def errors(self) -> list[BaseException]:
        """The exceptions that the application has raised in this test, also those that are expected or ignored."""
        return [error for record in self.requests for error in record.errors]

    @property
    def output(self) -> str:
        """What the application has logged while it handled requests of this test; in process mode what it has printed.

        What the loggers let through: a level that is not enabled is not there.
        """
        output = self._server.output
        return output if output is not None else self._adapter.log.text

    @property
    def journal(self) -> Journal[RequestRecord]:
        """Every request that the server keeps, `requests` among them."""
        return self._server.journal

    def save_har(self, path: str | os.PathLike[str], *, secrets: bool = False) -> None:
        """Write the requests and responses of this test into a file: see `LiveServer.save_har`.

        Raises:
            UsageError: ``live_capture`` is not set, or the file cannot be written.
        """
        self._server.save_har(path, secrets=secrets)

    @suggest_keywords
    def wait_until_idle(self, timeout: float | None = None) -> None:
        """Wait until no request is in flight.

        Args:
            timeout: Seconds; `live_pending_timeout` by default.

        Raises:
            AssertionError: One still is; it is named, with where the application is.
        """
        self._until_idle(timeout).run("await self.live_server.wait_until_idle_async(…)")

    @note_started("self.live_server.wait_until_idle_async", _note)
    @suggest_keywords
    async def wait_until_idle_async(self, timeout: float | None = None) -> None:
        """`wait_until_idle`, for code on an event loop: that goes on meanwhile."""
        await self._until_idle(timeout).run_async()

    def _until_idle(self, timeout: float | None = None) -> Inquiry[None]:
        """Inquire whether any request is in flight, and fail with the name of each."""
        seconds = self._adapter.pending_timeout if timeout is None else check_seconds("timeout", timeout)
        server = self._server

        def conclude(_advice: str) -> None:
            pending = server.wait_until_idle(0)
            if pending:
                listed = describe_pending([(record, server.stack_of(record)) for record in pending])
                raise self._owner.failureException(f"still in flight after {seconds:g} s:\n{listed}")

        wait = Wait(self.journal, lambda: not server.wait_until_idle(0), seconds)
        return Inquiry([wait], conclude, "live_server.wait_until_idle()")

    # -- facts -------------------------------------------------------------------------------------------------------

    @property
    def app(self) -> Any:
        """The application; in process mode what it is made from there."""
        return self._server.app

    @property
    def mode(self) -> Mode:
        """``thread`` or ``process``."""
        return self._server.mode

    @property
    def host(self) -> str:
        """The host it listens on."""
        return self._location.host

    @property
    def port(self) -> int:
        """The port it listens on; it survives stop and start.

        Raises:
            ServerNotStarted: The system chooses it, and the server has not been started yet.
        """
        return self._location.port

    @property
    def address(self) -> tuple[str, int]:
        """``(host, port)``, as the socket module wants it."""
        return self._location.address

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        return self._location.url

    @property
    def ws_url(self) -> str:
        """The same for WebSockets: ``ws://`` or ``wss://``."""
        return self._location.ws_url

    def url_for(self, path: str = "", /, **query: Any) -> str:
        """The URL of ``path`` on this server, with ``query`` as parameters."""
        return self._location.url_for(path, **query)

    def request_context(self, path: str = "/", /) -> contextlib.AbstractContextManager[Any]:
        """A request context of the Flask application, as of a request to ``path`` on this server.

        In it ``url_for(…, _external=True)`` has the live address, whatever ``SERVER_NAME`` says.

        Raises:
            UsageError: The application is not Flask's, or lives in another process.
        """
        app, owner = self.app, self._owner.__name__
        if self.mode == "process":
            raise UsageError(f"{owner}'s application lives in another process: use live_url() with the path")
        if not hasattr(app, "test_request_context"):
            raise UsageError(f"{owner}'s application is {app!r}, and not Flask's: use live_url() with the path")
        context = app.test_request_context(path, base_url=f"{self.url}/")
        context.url_adapter = app.url_map.bind_to_environ(context.request.environ)
        return context  # type: ignore[no-any-return]

    @property
    def ca_file(self) -> str | None:
        """The certificates to trust, as a path for ``verify=``; None without TLS or with a context of your own."""
        return self._location.ca_file

    def client_context(self) -> ssl.SSLContext | None:
        """A client's context that trusts the server's certificate and no other; None without TLS.

        Raises:
            UsageError: The server's context was made by the user: only they know whom to trust.
        """
        return self._location.client_context()

    @property
    def _location(self) -> LiveServer | LiveAddress:
        """What knows where the server listens, or is going to listen while `create_app` makes its application."""
        return self._adapter.address or self._server

    @property
    def _server(self) -> LiveServer:
        """The server that this stands for at the moment."""
        if not self._adapter.is_made:
            raise self._owner._explain_absence(self._adapter.name)
        return self._adapter.server

    def __repr__(self) -> str:
        return f"<live_server of {self._owner.__name__}: {self._adapter._server!r}>"


class LiveServerAttribute(ServerAttribute[LiveServerHandle]):
    """The class attribute through which a test class and its tests reach the handle."""

    def __get__(self, instance: ServerTestCase | None, owner: type[ServerTestCase]) -> LiveServerHandle:
        adapter = owner._own_run().adapter(self._name)
        if isinstance(adapter, LiveAdapter) and (adapter.is_made or adapter.address is not None):
            return LiveServerHandle(owner, adapter)
        return super().__get__(instance, owner)  # somebody else's server, or none

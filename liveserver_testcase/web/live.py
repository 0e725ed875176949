"""LiveServer: the user's own application on a live port, whatever its interface and wherever it runs."""

from __future__ import annotations

import contextlib
import http.client
import os
import ssl
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from ..core.checks import check_switch
from ..core.interrupts import monotonic
from ..core.journal import JournalWindow
from ..core.listener import connect
from ..core.server import State
from ..core.text import describe_error, one_line
from ..errors import ServerDied, ServerStartError, UsageError
from .application import configured_port, detect_interface, load_app
from .framework_errors import FrameworkErrors
from .http_server import HTTPEndpoint, HTTPServerFacade, Mode, check_external_host, check_mode
from .records import Around, RequestRecord
from .wsgi import WSGIServer

if TYPE_CHECKING:
    from ..core.listener import Listener
    from ..core.tracebacks import Unfinished

__all__ = ["Interface", "LiveServer"]

Interface: TypeAlias = Literal["auto", "wsgi", "asgi"]

_START = JournalWindow(-1, "the start of the server")  # for requests that no test has caused
_READY_PAUSE = 0.05  # seconds between two looks at an application that is not ready yet


class LiveServer(HTTPServerFacade[RequestRecord]):
    """Serves your application, and keeps its exceptions, also those that its framework answers with a 500.

    Usable alone: ``with LiveServer(app) as server: requests.get(server.url_for("/"))``.

    What serves is chosen when it is made: a thread for each connection of a WSGI application, an event loop in one
    thread for an ASGI application, or a process of its own for either.

    Args:
        app: A WSGI or ASGI application, or an import string of one: ``package.module:attribute``, or with ``()`` at its
            end of a function that makes one.
        host: See `Server`.
        port: See `Server`; 0 also means the ``config["LIVESERVER_PORT"]`` of the application.
        interface: ``auto``, or what ``app`` is: ``wsgi`` or ``asgi``.
        mode: ``thread``, or ``process`` for a process of its own; ``app`` is an import string then, or a function or
            class method at the top level of a module, without arguments, that makes the application.
        tls: True for a throw-away certificate, ``(certfile, keyfile)``, or an ``ssl.SSLContext``.
        external_host: The host in its URLs, where clients know it by another name.
        ready_path: A start also waits until a GET of this path is answered below 500; None for no such wait.
        around: Called with each request's record before the application is; returns a context manager that is entered
            around it, in the same thread or task.
        asgi_options: Keywords for ``uvicorn.Config``.
        capture: Whether headers and bodies are kept of each request and response: see `web.capture.Capture`.
        env: Environment variables that the process has besides this one's.
        journal_limit: How many requests are kept.
        start_timeout: See `Server`.
        stop_timeout: See `Server`.

    Raises:
        UsageError: The application is none, or it cannot be told what it is.
    """

    __slots__ = ("__weakref__", "_app", "_captures", "_engine", "_framework_errors", "_mode", "_ready_path")

    def __init__(
        self,
        app: Any,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        interface: Interface = "auto",
        mode: Mode = "thread",
        tls: bool | tuple[str, str] | ssl.SSLContext | None = None,
        external_host: str | None = None,
        ready_path: str | None = None,
        around: Around | None = None,
        asgi_options: Mapping[str, Any] | None = None,
        capture: bool = False,
        env: Mapping[str, str] | None = None,
        journal_limit: int = 10_000,
        start_timeout: float = 10.0,
        stop_timeout: float = 2.0,
    ) -> None:
        check_mode(mode)
        if interface not in get_args(Interface):
            raise UsageError(f"interface is {interface!r}; wanted 'auto', 'wsgi' or 'asgi'")
        check_external_host(external_host)
        if around is not None and not callable(around):
            raise UsageError(f"around is {around!r}; wanted a function of a request's record, or None")
        if ready_path is not None and not isinstance(ready_path, str):
            raise UsageError(f"ready_path is {ready_path!r}; wanted a path such as '/health', or None")
        self._mode: Mode = mode
        self._ready_path = ready_path
        self._captures = check_switch("capture", capture)
        self._engine: HTTPEndpoint[Any]
        options: dict[str, Any] = {
            "tls": tls,
            "external_host": external_host,
            "journal_limit": journal_limit,
            "start_timeout": start_timeout,
            "stop_timeout": stop_timeout,
        }
        if mode == "process":
            from .live_process import RemoteServer  # with subprocess and pickle, which the others do without

            self._app = app
            self._framework_errors = None  # the frameworks are in the other process, and a LiveServer there has theirs
            there = {
                "interface": interface,
                "asgi_options": dict(asgi_options or {}),
                "around": around,
                "capture": capture,
            }
            self._engine = RemoteServer(app, host, port, options=there, env=env, **options)
        else:
            if env:
                raise UsageError(f"env is {env!r}, but in mode='thread' the environment is this process's own")
            self._app = load_app(app, start_timeout) if isinstance(app, str) else app
            self._framework_errors = FrameworkErrors(self.note_error, around)
            options |= {"port": port or configured_port(self._app), "around": self._framework_errors.surround}
            interface = detect_interface(self._app) if interface == "auto" else interface
            served = self._app
            if capture:
                from .capture import capture_exchanges

                served = capture_exchanges(served, interface)
            if interface == "asgi":
                from .asgi import ASGIServer  # with uvicorn, which not everybody has installed

                self._engine = ASGIServer(served, host, options=asgi_options, **options)
            else:
                if asgi_options:
                    raise UsageError(f"asgi_options is {dict(asgi_options)!r}, but {self._app!r} is a WSGI application")
                self._engine = WSGIServer(served, host, **options)
        self._engine.display_name = type(self).__name__

    # -- life --------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """See `Server.start`; with a ``ready_path`` it also waits until the application is ready."""
        if self._framework_errors is not None:
            self._framework_errors.connect()
        try:
            self._engine.start()
            if self._ready_path is not None:
                self._wait_until_ready(self._ready_path)
        except BaseException:
            with contextlib.suppress(Exception):
                if self._ready_path is not None and self.is_running:
                    self._engine.stop(0.0)
            self._disconnect_frameworks()
            raise

    def stop(self, timeout: float | None = None) -> None:
        """See `Server.stop`."""
        try:
            self._engine.stop(timeout)
        finally:
            self._disconnect_frameworks()

    def _disconnect_frameworks(self) -> None:
        """Disconnect, unless requests are still served: a stop from one of them goes on when that is answered."""
        if self._framework_errors is not None and self._engine.state not in (State.RUNNING, State.STOPPING):
            self._framework_errors.disconnect()

    def silence(self) -> None:
        """See `Server.silence`."""
        self._engine.silence()

    def take_report(self) -> tuple[list[Unfinished], list[BaseException]]:
        """See `Server.take_report`."""
        return self._engine.take_report()

    def adopt(self, listener: Listener) -> None:
        """See `Server.adopt`."""
        self._engine.adopt(listener)

    # -- what happened -----------------------------------------------------------------------------------------------

    @property
    def output(self) -> str | None:
        """What the server's process has printed since the test began; None in a thread of this one."""
        return getattr(self._engine, "output", None)

    def begin(self, name: str) -> None:
        """Begin a test: forget the requests of the one before."""
        self._engine.begin(name)
        if self._framework_errors is not None and self.is_running:  # only a stop disconnects
            self._framework_errors.connect()

    def note_error(self, record: RequestRecord, error: BaseException) -> None:
        """See `RequestLog.note_error`."""
        self._engine.note_error(record, error)

    def take_errors(self) -> list[tuple[RequestRecord, BaseException]]:
        """The exceptions that were recorded since the last call, each with its request.

        Raises:
            ServerDied: The server's process has; raised once in each test.
        """
        return self._engine.take_errors()

    def save_har(self, path: str | os.PathLike[str], *, secrets: bool = False) -> None:
        """Write the requests and responses of this test into a file that developer tools open.

        Args:
            path: The HAR file; one that exists is replaced.
            secrets: Whether secrets are written as they were; otherwise ``***`` stands for each.

        Raises:
            UsageError: The server does not keep headers and bodies, or the file cannot be written.
        """
        from .har import make_captured_entries, write_har

        if not self._captures:
            raise UsageError(
                f"{self!r} keeps no headers and bodies that could be saved; set live_capture = True "
                "(LIVESERVER_CAPTURE=1), or make it with LiveServer(app, capture=True)"
            )
        records = self.journal.entries(self.journal.window)
        write_har(path, make_captured_entries(records, self.url), secrets=secrets)

    def stack_of(self, record: RequestRecord) -> str:
        """The stack of the application for a request in flight, as `traceback` formats it; empty if unknown."""
        return self._engine.stack_of(record)

    def is_handling(self) -> bool:
        """Whether the calling code belongs to a request of this server."""
        return self._framework_errors is not None and self._framework_errors.is_handling()

    # -- facts -------------------------------------------------------------------------------------------------------

    @property
    def app(self) -> Any:
        """The application, imported if it was named; in process mode what it is made from there."""
        return self._app

    @property
    def mode(self) -> Mode:
        """``thread`` or ``process``."""
        return self._mode

    @property
    def death(self) -> ServerDied | None:
        """How the server's process died; None if it runs, or if there is none."""
        return getattr(self._engine, "death", None)

    @property
    def pid(self) -> int | None:
        """The id of the server's process; None where there is none."""
        return getattr(self._engine, "pid", None)

    # -- readiness ---------------------------------------------------------------------------------------------------

    def _wait_until_ready(self, path: str) -> None:
        """Wait until a GET of ``path`` is answered below 500, and take these requests out of the test that runs.

        Raises:
            ServerStartError: It is not in time; says what was answered last, or how the server's process has died.
        """
        timeout = self._engine.start_timeout
        deadline = monotonic() + timeout
        answer = "there was no time to ask"
        status, is_ready, pause = 0, False, threading.Event()
        ports: set[int] = set()  # that were asked from
        while not is_ready and (left := deadline - monotonic()) > 0:
            try:
                status = self._ask(path, left, ports)
                is_ready, answer = status < 500, f"it answered {status}"
            except (OSError, http.client.HTTPException) as error:
                if not status or not isinstance(error, TimeoutError):  # the last one may get a moment only
                    answer = describe_error(error)
                if not self.is_running:  # nobody need wait for it any longer
                    try:
                        self.check()
                    except ServerDied as death:
                        what = f"{self!r} could not start: GET {one_line(path)} was not answered, for {death}"
                        raise ServerStartError(what) from death
            if not is_ready:
                pause.wait(min(_READY_PAUSE, left))
        records = self.journal.entries(self.journal.window)
        errors = self._engine.move_to_window([each for each in records if each.address[1] in ports], _START)
        if not is_ready:
            raise ServerStartError(
                f"{self!r} is not ready after {timeout:g} s: GET {one_line(path)}: {answer}; wanted a status below 500"
            ) from (errors[-1] if errors else None)

    def _ask(self, path: str, timeout: float, ports: set[int]) -> int:
        """The status of a GET; the client's port is added to ``ports``."""
        host, tls = self.host.strip("[]"), self._engine.tls
        connection = http.client.HTTPConnection(host, self.port, timeout=timeout)
        with contextlib.closing(connection):
            sock = connect(host, self.port, timeout)
            connection.sock = sock
            ports.add(sock.getsockname()[1])
            if tls is not None:
                # a context of the user's: whom it convinces is not known here
                context = ssl._create_unverified_context()
                if self.ca_file is not None:
                    context = tls.client_context()
                    context.check_hostname = False  # a certificate of the user's is for the name that clients use
                connection.sock = context.wrap_socket(sock, server_hostname=host)
            connection.request("GET", path)
            return connection.getresponse().status

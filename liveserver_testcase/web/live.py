"""LiveServer: the user's own application on a live port, whatever its interface and wherever it runs."""

from __future__ import annotations

import contextlib
import functools
import http.client
import ssl
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from ..core.interrupts import monotonic
from ..core.journal import JournalWindow
from ..errors import ServerDied, ServerStartError, UsageError
from .application import configured_port, detect_interface, load_app
from .http_server import HTTPEndpoint
from .records import RequestLog, RequestRecord
from .wsgi import WSGIServer

if TYPE_CHECKING:
    from ..core.listener import Listener
    from ..core.tracebacks import Unfinished

__all__ = ["Around", "Interface", "LiveServer", "Mode", "WSGILiveServer", "serving_server"]

Interface: TypeAlias = Literal["auto", "wsgi", "asgi"]
Mode: TypeAlias = Literal["thread", "process"]
Around: TypeAlias = Callable[[RequestRecord], contextlib.AbstractContextManager[object]]

_SIGNALS = (  # of frameworks that keep exceptions to themselves, each by its module
    "flask.got_request_exception",
    "quart.got_request_exception",
    "quart.got_websocket_exception",
    "quart.signals.got_background_exception",
    "django.core.signals.got_request_exception",
)
_START = JournalWindow(-1, "the start of the server")  # for requests that no test has caused
_READY_PAUSE = 0.05  # seconds between two looks at an application that is not ready yet

# Which request of which server runs.  A context variable, since frameworks carry it over to the threads in which they
# run asynchronous code; whoever else uses the same application at the same time has none.
_serving: ContextVar[tuple[LiveServer, RequestRecord] | None] = ContextVar("liveserver_testcase_serving", default=None)


def serving_server() -> LiveServer | None:
    """The live server whose request the calling code handles; None outside of one."""
    serving = _serving.get()
    return serving[0] if serving is not None else None


class LiveServer(HTTPEndpoint, RequestLog[RequestRecord]):
    """Serves an application of your own and keeps what it raises, also what its framework answers with a 500 by itself.

    Usable alone: ``with LiveServer(app) as server: requests.get(server.url_for("/"))``.

    Args:
        app: A WSGI or ASGI application, or an import string of one: ``package.module:attribute``, or with ``()`` at its
            end of a function that makes one.
        host: See `Server`.
        port: See `Server`; 0 also means the ``config["LIVESERVER_PORT"]`` of an application in a thread.
        interface: ``auto``, or what ``app`` is: ``wsgi`` or ``asgi``.
        mode: ``thread``, or ``process`` for a process of its own; ``app`` is an import string then, or a function or
            class method at the top level of a module, without arguments, that makes the application.
        tls: True for a throw-away certificate, ``(certfile, keyfile)``, or an ``ssl.SSLContext``.
        external_host: The host in its URLs, where clients know it by another name.
        ready_path: A start also waits until a GET of this path is answered below 500; None for no such wait.
        around: Called with each request's record before the application is; returns a context manager that is entered
            around it, in the same thread or task.
        asgi_options: Keywords for ``uvicorn.Config``.
        env: Environment variables that the process has besides this one's.
        journal_limit: How many requests are kept.
        start_timeout: See `Server`.
        stop_timeout: See `Server`.

    Attributes:
        app: The application, imported if it was named; in process mode what it is made from there.

    Raises:
        UsageError: The application is none, or it cannot be told what it is.
    """

    label = "live-server"
    app: Any
    around: Around | None
    ready_path: str | None

    if TYPE_CHECKING:  # what the classes that `__new__` chooses from bring

        @property
        def in_flight(self) -> list[RequestRecord]: ...
        def _stop_accepting(self) -> None: ...
        def _is_server_thread(self) -> bool: ...
        def close_connections(self) -> None: ...

    def __new__(cls, app: Any, host: str = "127.0.0.1", port: int = 0, **options: Any) -> LiveServer:
        if cls is not LiveServer:
            return super().__new__(cls)
        mode, interface = options.get("mode", "thread"), options.get("interface", "auto")
        if mode not in get_args(Mode):
            raise UsageError(f"mode is {mode!r}; wanted 'thread' or 'process'")
        if interface not in get_args(Interface):
            raise UsageError(f"interface is {interface!r}; wanted 'auto', 'wsgi' or 'asgi'")
        if mode == "process":
            there = super().__new__(_process_class())
            there.app = app
            return there
        if options.get("env"):
            raise UsageError(f"env is {options['env']!r}, but in mode='thread' the environment is this process's own")
        loaded = load_app(app) if isinstance(app, str) else app
        self = super().__new__(_choose(loaded, interface))
        self.app = loaded  # __init__ is given the import string again, and a factory is not to be called twice
        return self

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
        env: Mapping[str, str] | None = None,
        journal_limit: int = 10_000,
        start_timeout: float = 10.0,
        stop_timeout: float = 2.0,
    ) -> None:
        if not isinstance(app, str):
            self.app = app
        self.mode: Mode = mode
        self.external_host = external_host
        self.ready_path = ready_path
        self.around = around
        self._interface: Interface = interface
        self._env = env
        self._disconnect: dict[str, Callable[[], object]] = {}
        self._set_up(
            host,
            port or (configured_port(self.app) if mode == "thread" else 0),
            asgi_options or {},
            tls=tls,
            journal_limit=journal_limit,
            start_timeout=start_timeout,
            stop_timeout=stop_timeout,
        )

    def _set_up(self, host: str, port: int, asgi_options: Mapping[str, Any], **options: Any) -> None:
        """Initialise the server that this one is besides."""
        raise NotImplementedError

    def start(self) -> None:
        """See `Server.start`; with a ``ready_path`` it also waits until the application is ready."""
        super().start()
        if self.ready_path is not None:
            try:
                wait_until_ready(self, self.ready_path, self.start_timeout)
            except BaseException:
                with contextlib.suppress(Exception):
                    self.stop(0.0)
                raise

    def begin(self, name: str) -> None:
        """Begin a test: forget the requests of the one before."""
        self.journal.begin(name)
        self.journal.clear()
        if self.is_running:  # only a stop disconnects them
            self._connect_frameworks()

    @contextlib.contextmanager
    def _enter(self, record: RequestRecord) -> Iterator[None]:
        """Around the application: within reach of what its framework says about exceptions."""
        token = _serving.set((self, record))
        try:
            with self.around(record) if self.around is not None else contextlib.nullcontext():
                yield
        finally:
            _serving.reset(token)

    def _open(self, listener: Listener) -> None:
        self._connect_frameworks()
        super()._open(listener)  # type: ignore[safe-super]

    def _close(self, timeout: float) -> list[Unfinished]:
        try:
            return super()._close(timeout)  # type: ignore[safe-super]
        finally:
            while self._disconnect:
                self._disconnect.popitem()[1]()

    def _connect_frameworks(self) -> None:
        """Hear of the exceptions that a framework answers with a 500: of those that are loaded, and none is by us."""
        for name in _SIGNALS:
            module, _, attribute = name.rpartition(".")
            signal = getattr(sys.modules.get(module), attribute, None)
            if signal is not None and name not in self._disconnect:
                self._disconnect[name] = _connect(self, signal)

    def _hear(self, error: BaseException | None) -> None:
        """Record ``error`` if it is of a request that this server serves, else it is none of its business."""
        serving = _serving.get()
        if serving is not None and serving[0] is self and error is not None:
            self.note_error(serving[1], error)


class WSGILiveServer(LiveServer, WSGIServer):  # type: ignore[misc]  # an Exchange is a RequestRecord
    """A `LiveServer` of a WSGI application."""

    def _set_up(self, host: str, port: int, asgi_options: Mapping[str, Any], **options: Any) -> None:
        if asgi_options:
            raise UsageError(f"asgi_options is {dict(asgi_options)!r}, but {self.app!r} is a WSGI application")
        WSGIServer.__init__(self, self.app, host, port, around=self._surround, **options)

    def _surround(self, record: RequestRecord) -> contextlib.AbstractContextManager[object]:
        """What `_enter` does, without the price of a generator unless somebody is around."""
        return self._enter(record) if self.around is not None else _Serving(self, record)


class _Serving:
    """Says which request runs while it is entered."""

    __slots__ = ("_serving", "_token")

    def __init__(self, server: LiveServer, record: RequestRecord) -> None:
        self._serving = server, record

    def __enter__(self) -> None:
        self._token = _serving.set(self._serving)

    def __exit__(self, *_exc_info: object) -> None:
        _serving.reset(self._token)


def _choose(app: Any, interface: Interface) -> type[LiveServer]:
    """The class of the server that can serve ``app`` in this process."""
    if (detect_interface(app) if interface == "auto" else interface) == "wsgi":
        return WSGILiveServer
    return _asgi_class()


@functools.cache
def _asgi_class() -> type[LiveServer]:
    from .asgi import ASGIServer  # takes its time to import, and is not wanted by all

    class ASGILiveServer(LiveServer, ASGIServer):
        """A `LiveServer` of an ASGI application."""

        def _set_up(self, host: str, port: int, asgi_options: Mapping[str, Any], **options: Any) -> None:
            ASGIServer.__init__(self, self.app, host, port, options=asgi_options, **options)

    return ASGILiveServer


@functools.cache
def _process_class() -> type[LiveServer]:
    from .live_process import RemoteServer

    class ProcessLiveServer(LiveServer, RemoteServer):  # type: ignore[override]  # HTTPEndpoint's scheme counts
        """A `LiveServer` whose application runs in a process of its own."""

        begin = RemoteServer.begin

        def _set_up(self, host: str, port: int, asgi_options: Mapping[str, Any], **options: Any) -> None:
            theirs = {"interface": self._interface, "asgi_options": dict(asgi_options), "around": self.around}
            RemoteServer.__init__(self, self.app, host, port, options=theirs, env=self._env, **options)

        def _connect_frameworks(self) -> None:
            """Nothing: they are in the other process, and so is a `LiveServer` that hears of them."""

    return ProcessLiveServer


def _connect(server: LiveServer, signal: Any) -> Callable[[], object]:
    """Have ``server`` hear of the exceptions that ``signal`` tells; returns what ends it."""

    def hear(*_sender: object, exception: BaseException | None = None, **_more: object) -> None:
        server._hear(exception or sys.exc_info()[1])  # Django sends no exception, but while it handles one

    signal.connect(hear, weak=False)
    return lambda: signal.disconnect(hear)


def wait_until_ready(server: LiveServer, path: str, timeout: float) -> None:
    """Wait until a GET of ``path`` is answered below 500.

    Raises:
        ServerStartError: It is not after ``timeout`` seconds; says what was answered last.
    """
    deadline = monotonic() + timeout
    said = "there was no time to ask"
    pause = threading.Event()
    ports: set[int] = set()  # that were asked from
    while (left := deadline - monotonic()) > 0:
        try:
            status = _ask(server, path, left, ports)
        except (OSError, http.client.HTTPException) as error:
            said = f"{type(error).__name__}: {error}"
            if not server.is_running:
                _raise_death(server, path)
        else:
            if status < 500:
                _set_apart(server, ports)
                return
            said = f"it answered {status}"
        pause.wait(min(_READY_PAUSE, left))
    errors = _set_apart(server, ports)
    raise ServerStartError(
        f"{server!r} is not ready after {timeout:g} s: GET {path}: {said}; wanted a status below 500"
    ) from (errors[-1][1] if errors else None)


def _raise_death(server: LiveServer, path: str) -> None:
    """Raise the end of the server's process, which nobody need wait for any longer.

    Raises:
        ServerStartError: It has died.
    """
    try:
        server.check()
    except ServerDied as death:
        raise ServerStartError(f"{server!r} could not start: GET {path} was not answered, for {death}") from death


def _set_apart(server: LiveServer, ports: set[int]) -> list[tuple[RequestRecord, BaseException]]:
    """Take requests that came from ``ports`` out of the test that runs; returns what the application raised in them."""
    for record in server.journal.entries(server.journal.window):
        if record.address[1] in ports:
            record.window = _START
    errors = server.take_errors()
    server._errors[:0] = [raised for raised in errors if raised[0].window is not _START]  # of others: a test's own
    return [raised for raised in errors if raised[0].window is _START]


def _ask(server: LiveServer, path: str, timeout: float, ports: set[int]) -> int:
    """The status of a GET; the client's port is added to ``ports``."""
    host = server.host.strip("[]")
    context = server.tls.client_context() if server.tls is not None and server.ca_file is not None else None
    if context is not None:
        context.check_hostname = False  # a certificate of the user's is for the name that clients use
    elif server.tls is not None:
        context = ssl._create_unverified_context()  # a context of the user's: whom it convinces is not known here
    connection = (
        http.client.HTTPSConnection(host, server.port, timeout=timeout, context=context)
        if context is not None
        else http.client.HTTPConnection(host, server.port, timeout=timeout)
    )
    with contextlib.closing(connection):
        connection.connect()
        ports.add(connection.sock.getsockname()[1])
        connection.request("GET", path)
        return connection.getresponse().status

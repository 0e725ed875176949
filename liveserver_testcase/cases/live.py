"""LiveServerTestCase: the user's own application on a live port."""

from __future__ import annotations

import contextlib
import inspect
import os
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, cast, get_args

from ..core.interrupts import TimeLimitExceeded, time_limit
from ..core.tracebacks import fold_stack
from ..errors import LiveServerTestCaseError, ServerStartError, UsageError
from ..web.application import configured_port, load_app
from ..web.http_server import Mode
from ..web.live import Interface, LiveServer
from ..web.records import RequestRecord
from .after_failure import is_pause_wanted
from .class_server import ClassServer, instance_property
from .django_databases import refuse_uncommitted
from .failure_text import is_all_ours, name_error
from .live_adapter import LiveAdapter
from .live_address import (
    CHILD_VARIABLE,
    ExternalAdapter,
    LiveAddress,
    ServerView,
    check_port,
    describe_servers,
    external_url,
    make_child_run,
    skip_external,
)
from .live_assertions import LiveAssertions
from .settings import read_flag, read_optional

if TYPE_CHECKING:
    import ssl

    from ..web.session import LiveSession

__all__ = ["LiveServerTestCase"]

__unittest = True
__tracebackhide__ = True

_NAME = "live_server"


class LiveServerTestCase(LiveAssertions):
    """Runs an application on a real port while the tests of the class run.

    An exception in the application fails the test whose request caused it, also when the client saw no more than a
    500, or nothing.

    Attributes:
        app: The application: WSGI or ASGI, or an import string of one, such as ``shop.wsgi:app`` or
            ``shop:make_app()``; or override `create_app`.
        live_interface: ``auto``, or what the application is: ``wsgi`` or ``asgi``.
        live_mode: ``thread``, or ``process`` for a process of its own.
        live_scope: How long a server lasts: ``test`` (or ``function``), ``class``, ``module``, ``package`` or
            ``session`` (the whole run).  The wide ones are shared by classes with the same application and settings.
        live_host: Where to listen.
        live_port: The port; 0 for the application's own ``config["LIVESERVER_PORT"]``, or else for one that the system
            chooses.
        live_external_host: The host in its URLs, where clients know it by another name; None for `live_host`.
        live_tls: True for a throw-away certificate, ``(certfile, keyfile)``, or an ``ssl.SSLContext``.
        live_autostart: Whether the server starts by itself; if not, call ``live_server.start()``.
        live_start_timeout: Seconds that `create_app` may take, and then the start.
        live_stop_timeout: Seconds that requests in flight get when the server stops.
        live_pending_timeout: Seconds after a test for its requests in flight to end; those that do not fail it.
        live_ready_path: A start also waits until a GET of this path is answered below 500; None for no such wait.
        live_raise_errors: Whether exceptions of the application fail the test.
        live_ignored_errors: Exception types that never do.
        live_env: More environment variables of the process.
        live_asgi_options: Keywords for ``uvicorn.Config``.
        live_capture: Whether headers and bodies of requests and responses are kept, to look at or to save.
            Environment: ``LIVESERVER_CAPTURE``.
        live_openapi: An OpenAPI document to which the responses are held: the path of a YAML or JSON file, or a dict; a
            response that differs fails the test.  Environment: ``LIVESERVER_OPENAPI``, a path or ``none``.
        live_server: The handle of the class's server, a `LiveServerHandle`.
    """

    app: ClassVar[Any] = None
    live_interface: ClassVar[Interface] = "auto"
    live_mode: ClassVar[Mode] = "thread"
    live_scope: ClassVar[str] = "class"
    live_host: ClassVar[str] = "127.0.0.1"
    live_port: ClassVar[int] = 0
    live_external_host: ClassVar[str | None] = None
    live_tls: ClassVar[bool | tuple[str, str] | ssl.SSLContext] = False
    live_autostart: ClassVar[bool] = True
    live_start_timeout: ClassVar[float] = 10.0
    live_stop_timeout: ClassVar[float] = 2.0
    live_pending_timeout: ClassVar[float] = 5.0
    live_ready_path: ClassVar[str | None] = None
    live_raise_errors: ClassVar[bool] = True
    live_ignored_errors: ClassVar[tuple[type[BaseException], ...]] = ()
    live_env: ClassVar[Mapping[str, str] | None] = None
    live_asgi_options: ClassVar[Mapping[str, Any]] = {}
    live_capture: ClassVar[bool] = False
    live_openapi: ClassVar[str | os.PathLike[str] | Mapping[str, Any] | None] = None

    _live_session: LiveSession | None = None

    # -- what a class may override -----------------------------------------------------------------------------------

    @classmethod
    def create_app(cls) -> Any:
        """Make the application; called when the class's stubs and mail server run already.

        Once for each server: see `live_scope`.  In process mode it is called in the server's process.  It can read
        `live_url` and its like: the port is known from then on, and kept until the server starts.

        Raises:
            UsageError: There is none: neither ``app`` nor an override of this method.
        """
        app = cls.app
        if app is None:
            raise UsageError(f"{cls.__name__} has no application: set `app`, or override the class method create_app()")
        if isinstance(app, property) or (inspect.isfunction(app) and "self" in inspect.signature(app).parameters):
            raise UsageError(
                f"{cls.__name__}.app is a {'property' if isinstance(app, property) else 'method'} with self, and there "
                "is no test when the server starts: set it to a plain function or an application object, or override "
                "the class method create_app()"
            )
        return load_app(app) if isinstance(app, str) else app

    @classmethod
    def live_request_context(cls, request: RequestRecord) -> contextlib.AbstractContextManager[object]:
        """Return a context that is entered for each request, in its thread or task; override it if needed.

        For what belongs to a thread and the application expects: a connection to a database that is shared with the
        test, a user, a time zone.
        """
        return contextlib.nullcontext()

    # -- the server --------------------------------------------------------------------------------------------------

    @classmethod
    def live_url(cls, path: str = "", /, **query: Any) -> str:
        """The URL of ``path`` on the live server, with ``query`` as parameters.

        Raises:
            ServerNotStarted: The server does not run: ``setUpClass()`` was overridden without ``super()``.
            ServerThreadError: A thread of the server has died.
        """
        adapter = cls._live_adapter()
        if adapter is not None and adapter.is_made:
            adapter.server.check()
        return cls.live_server.url_for(path, **query)

    @classmethod
    def live_ws_url(cls, path: str = "", /, **query: Any) -> str:
        """The same for a WebSocket: ``ws://`` or ``wss://``."""
        return f"ws{cls.live_url(path, **query).removeprefix('http')}"

    @classmethod
    def live_url_for(cls, endpoint: str, /, **values: Any) -> str:
        """The URL of a Flask endpoint on the live server; ``SERVER_NAME`` plays no part in it.

        Raises:
            UsageError: The application is not Flask's, or lives in another process.
            werkzeug.routing.BuildError: There is no such endpoint, or it wants other values.
        """
        if cls._live_adapter() is None:
            skip_external("live_url_for()", external_url())
        with cls.live_server.request_context():
            path = cls.live_server.app.url_for(endpoint, _external=False, **values)
        return cls.live_server.url_for(path)

    @instance_property
    def live(self) -> LiveSession:
        """A requests session for which ``/path`` is a path on the live server; closed when the test is over.

        It trusts the server's certificate, and takes no proxy from the environment.
        """
        if self._live_session is None:
            url = self.live_url()
            from ..web.session import LiveSession  # requests takes 60 ms to import, and not every class needs it

            is_ours = self._live_adapter() is not None
            session = LiveSession(url.rstrip("/"), ca_file=self.live_server.ca_file, trust_env=not is_ours)
            self._live_session = session
            self.addCleanup(setattr, self, "_live_session", None)
            self.addCleanup(session.close)
        return self._live_session

    # -- how the base drives it --------------------------------------------------------------------------------------

    @classmethod
    def setUpClass(cls) -> None:
        """Start the servers of the class.

        Raises:
            UsageError: It is one of Django's ``TestCase``, whose data no other thread sees.
        """
        if not external_url():
            refuse_uncommitted(cls)
        super().setUpClass()

    @classmethod
    def class_servers(cls) -> list[ClassServer[Any]]:
        url = external_url()
        return [*super().class_servers(), ExternalAdapter(_NAME, url) if url else LiveAdapter(_NAME, cls)]

    @classmethod
    def _live_key(cls) -> Hashable:
        """What makes two classes share a server: where their application comes from, and every setting."""
        origin = inspect.getattr_static(cls, "create_app")
        app = cls.app if origin is vars(LiveServerTestCase)["create_app"] else None
        around = inspect.getattr_static(cls, "live_request_context")
        settings = [(name, repr(getattr(cls, name))) for name in sorted(_SETTINGS)]
        return id(origin), app if isinstance(app, str) else id(app), id(around), cls._captures(), tuple(settings)

    @classmethod
    def _captures(cls) -> bool:
        """Whether headers and bodies are kept: also where somebody is going to look at what has failed."""
        if cls._read_openapi() is not None:
            return True
        return cls.setting("live_capture", "LIVESERVER_CAPTURE", bool) or bool(cls._artifacts) or is_pause_wanted()

    @classmethod
    def _read_openapi(cls) -> str | os.PathLike[str] | Mapping[str, Any] | None:
        """The OpenAPI document to which responses are held."""
        variable = os.environ.get("LIVESERVER_OPENAPI", "").strip()
        return None if variable.lower() == "none" else variable or cls.live_openapi

    @classmethod
    def _make_live_address(cls) -> LiveAddress:
        """Make the address at which the server of this class, or of one of its tests, is going to listen."""
        return LiveAddress(
            cls.setting("live_host", "LIVESERVER_HOST", str),
            cls.setting("live_port", "LIVESERVER_PORT", int),
            external_host=read_optional(cls, "live_external_host", "LIVESERVER_EXTERNAL_HOST", str),
            tls=read_flag(cls, "live_tls", "LIVESERVER_TLS"),
        )

    @classmethod
    def _make_live_server(cls, address: LiveAddress) -> LiveServer:
        """Make the server of this class, or of one of its tests, which is going to listen at ``address``."""
        for name in ("create_app", "live_request_context"):
            found = inspect.getattr_static(cls, name)
            if inspect.isfunction(found) or isinstance(found, property):
                raise UsageError(
                    f"{cls.__name__}.{name}() is called for the class, and not for one test: "
                    f"write @classmethod above it{', and no @property' if isinstance(found, property) else ''}"
                )
        mode = cast(Mode, cls.setting("live_mode", "LIVESERVER_MODE", str, get_args(Mode)))
        app, port, env = cls._make_app_there, address.wanted_port, cls.live_env
        if mode == "process":
            address.bind()  # create_app() runs where it cannot be bound when it is read
            servers = {adapter.name: adapter.server for adapter in cls._own_run().servers if adapter.is_made}
            env = {**(env or {}), CHILD_VARIABLE: describe_servers({**servers, _NAME: address})}
        else:
            app = cls._make_app()
            if address.listener is not None and not port:
                port = address.port
                check_port(cls, port, configured_port(app))
        around = inspect.getattr_static(cls, "live_request_context")
        is_usual = around is vars(LiveServerTestCase)["live_request_context"]
        server = LiveServer(
            app,
            address.host,
            port,
            interface=cast(Interface, cls.setting("live_interface", "LIVESERVER_INTERFACE", str, get_args(Interface))),
            mode=mode,
            tls=address.tls,
            external_host=address.external_host,
            ready_path=read_optional(cls, "live_ready_path", "LIVESERVER_READY_PATH", str),
            around=None if is_usual else cls.live_request_context,
            asgi_options=cls.live_asgi_options,
            capture=cls._captures(),
            env=env,
            start_timeout=cls.setting("live_start_timeout", "LIVESERVER_START_TIMEOUT", float),
            stop_timeout=cls.setting("live_stop_timeout", "LIVESERVER_STOP_TIMEOUT", float),
        )
        if address.listener is not None:
            server.adopt(address.listener)
        return server

    @classmethod
    def _check_create_app(cls) -> None:
        """Refuse a ``create_app`` that is the application, or wants arguments: it is called with none."""
        with contextlib.suppress(TypeError, ValueError):  # it is written in C
            # a decorator such as mock.patch() may add arguments, or take some itself
            parameters = inspect.signature(cls.create_app, follow_wrapped=False).parameters.values()
            required = [
                each.name
                for each in parameters
                if each.default is each.empty and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
            ]
            if len(required) > 1 and required[0] in ("environ", "scope"):
                raise UsageError(f"{cls.__name__}.create_app is an application, and not what makes one: name it app")
            if required:
                raise UsageError(
                    f"{cls.__name__}.create_app() is called without arguments, and wants {', '.join(required)}: "
                    "give each a default, or override create_app() and call yours with what it wants"
                )

    @classmethod
    def _make_app_there(cls) -> Any:
        """Make the application in the server's process, where no ``setUpClass`` has run."""
        run = cls._class_run = make_child_run()
        app = cls._make_app()
        adapter, port = run.adapter(_NAME), configured_port(app)
        if adapter is not None and port and not cls.setting("live_port", "LIVESERVER_PORT", int):
            view: ServerView = adapter.server
            if view.was_read:
                check_port(cls, view.port, port)
            view.move(port)
        return app

    @classmethod
    def _make_app(cls) -> Any:
        """What `create_app` returns, or an error that says what went wrong in it."""
        seconds = cls.setting("live_start_timeout", "LIVESERVER_START_TIMEOUT", float)
        # in a process of its own its parent ends it in time
        limit = time_limit(seconds) if cls._live_adapter() is not None else contextlib.nullcontext()
        try:
            with limit:
                app = cls.create_app()
        except TimeLimitExceeded as interrupt:
            raise ServerStartError(
                f"the application of {cls.__name__} is not made after {seconds:g} s (live_start_timeout).\n"
                f"create_app() was at\n{fold_stack(interrupt.stack).rstrip()}"
            ) from None
        except LiveServerTestCaseError:
            raise
        except (Exception, SystemExit) as error:
            if type(error).__name__ == "SkipTest":
                raise
            if isinstance(error, TypeError) and is_all_ours(error):  # the call itself has failed
                cls._check_create_app()
            raise ServerStartError(f"{cls.__name__}.create_app() raised {name_error(error)}") from error
        if inspect.iscoroutine(app):
            app.close()  # else Python warns that nobody has awaited it
            raise UsageError(
                f"{cls.__name__}.create_app() is a coroutine function, and no event loop runs yet: write it without "
                "async, and await what is to be awaited in the application's startup"
            )
        if app is None:
            raise UsageError(f"{cls.__name__}.create_app() returned None: is `return app` missing at its end?")
        if isinstance(app, str):
            raise UsageError(f"{cls.__name__}.create_app() returned {app!r}, a str: write app = {app!r} in its place")
        if inspect.isgenerator(app):
            raise UsageError(
                f"{cls.__name__}.create_app() is a generator: write return in place of yield, and clean up by "
                "cls.addClassCleanup()"
            )
        if not callable(app):
            raise UsageError(
                f"the application of {cls.__name__} is {app!r}; wanted a WSGI or ASGI callable. "
                "Does create_app() return it?"
            )
        return app


_SETTINGS = frozenset(
    name
    for name, value in vars(LiveServerTestCase).items()
    if name.startswith("live_") and not isinstance(value, classmethod | property)
) - {
    _NAME, "live_scope", "live_autostart", "live_pending_timeout", "live_raise_errors", "live_ignored_errors",
    "live_openapi",
}  # fmt: skip

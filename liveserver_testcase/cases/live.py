"""LiveServerTestCase: the user's own application on a live port."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import UsageError
from ..web.exchange import Exchange
from ..web.live import LiveServer
from .base import ClassServer, Problem, ServerAttribute, ServerTestCase
from .outcome import format_error, name_error

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from ..web.client import LiveSession

__all__ = ["LiveServerTestCase"]

__unittest = True
__tracebackhide__ = True

_Raised = tuple[Exchange, BaseException]

_MOST = 20  # errors that are listed; a page that polls can cause hundreds


class _LivePart(ClassServer[LiveServer]):
    """The live application, as the base drives it."""

    def __init__(self, case: type[LiveServerTestCase]) -> None:
        super().__init__("live_server", case._make_live_server, order=30)
        self.pending_timeout = case.setting("live_pending_timeout", "LIVESERVER_PENDING_TIMEOUT", float)
        self.pending: list[Exchange] = []
        self.late: list[_Raised] = []

    def begin(self, test_id: str) -> None:
        if self.server is not None:
            self.server.begin(test_id)

    def settle(self) -> None:
        if self.server is not None:
            self.pending = self.server.wait_until_idle(self.pending_timeout, self.server.journal.epoch)

    def problems(self) -> list[Problem]:
        if self.server is None:
            return []
        current = self.server.journal.epoch.number
        found = self.server.take_errors()
        self.late += [raised for raised in found if raised[0].epoch.number != current]
        mine = [raised for raised in found if raised[0].epoch.number == current]
        problems = [describe_errors("the application raised", mine)] if mine else []
        pending, self.pending = self.pending, []
        if pending:
            lines = [f"  {exchange.describe()}, {exchange.age:.1f} s old" for exchange in pending]
            what = f"still in flight {self.pending_timeout:g} s after the test:"
            problems.append(Problem("\n".join([what, *lines])))
        return problems

    def leftovers(self) -> list[Problem]:
        if self.server is None:
            return []
        late, self.late = self.late + self.server.take_errors(), []
        tests = dict.fromkeys(exchange.epoch for exchange, _ in late)
        return [
            describe_errors(
                f"left over from {test.name}: the application raised", [e for e in late if e[0].epoch == test]
            )
            for test in tests
        ]


def describe_errors(what: str, errors: list[_Raised]) -> Problem:
    """One problem for several errors: the first is its cause, the tracebacks of others that differ are printed."""
    count = "an error" if len(errors) == 1 else f"{len(errors)} errors"
    listed = errors[:_MOST]
    lines = [f"{what} {count}:"]
    lines += [f"  {exchange.describe()}: {name_error(error)}" for exchange, error in listed]
    if len(errors) > len(listed):
        lines.append(f"  … and {len(errors) - len(listed)} more")
    shown = {format_error(errors[0][1])}
    for exchange, error in listed[1:]:
        text = format_error(error)
        if text not in shown:
            shown.add(text)
            lines += ["", f"{exchange.describe()}:", text]
    return Problem("\n".join(lines), errors[0][1])


class LiveServerTestCase(ServerTestCase):
    """Runs the class's WSGI application on a real port while its tests run.

    An exception in the application fails the test whose request caused it, also when the client saw no more than a
    500, or nothing.

    Attributes:
        app: The application; or override `create_app`.
        live_host: Where to listen.  Environment: ``LIVESERVER_HOST``.
        live_port: The port; 0 for one that the system chooses.  Environment: ``LIVESERVER_PORT``.
        live_start_timeout: Seconds that the start may take.  Environment: ``LIVESERVER_START_TIMEOUT``.
        live_stop_timeout: Seconds that requests in flight get when the server stops.
            Environment: ``LIVESERVER_STOP_TIMEOUT``.
        live_pending_timeout: Seconds after a test for its requests in flight to end; those that do not fail it.
            Environment: ``LIVESERVER_PENDING_TIMEOUT``.
        live_server: The running `LiveServer`.
    """

    app: ClassVar[Any] = None
    live_host: ClassVar[str] = "127.0.0.1"
    live_port: ClassVar[int] = 0
    live_start_timeout: ClassVar[float] = 10.0
    live_stop_timeout: ClassVar[float] = 2.0
    live_pending_timeout: ClassVar[float] = 5.0
    live_server: ServerAttribute[LiveServer] = ServerAttribute()

    _live_session: LiveSession | None = None

    @classmethod
    def create_app(cls) -> WSGIApplication:
        """Make the application; called once for the class, when the class's stubs and mail server run already.

        Raises:
            UsageError: There is none: neither ``app`` nor an override of this method.
        """
        if cls.app is None:
            raise UsageError(f"{cls.__name__} has no application: set `app`, or override the class method create_app()")
        return cls.app  # type: ignore[no-any-return]

    @classmethod
    def live_url(cls, path: str = "", /, **query: Any) -> str:
        """The URL of ``path`` on the live server, with ``query`` as parameters.

        Raises:
            ServerNotStarted: The server does not run: ``setUpClass()`` was overridden without ``super()``.
        """
        return cls.live_server.url_for(path, **query)

    @property
    def live(self) -> LiveSession:
        """A requests session for which ``/path`` is a path on the live server; closed when the test is over."""
        if self._live_session is None:
            server = self.live_server
            from ..web.client import LiveSession  # requests takes 60 ms to import, and not every class needs it

            self._live_session = LiveSession(server.url, ca_file=server.ca_file)
            self.addCleanup(self._close_live_session)
        return self._live_session

    def _close_live_session(self) -> None:
        if self._live_session is not None:
            self._live_session.close()
            self._live_session = None

    @classmethod
    def class_servers(cls) -> list[ClassServer[Any]]:
        return [*super().class_servers(), _LivePart(cls)]

    @classmethod
    def _make_live_server(cls) -> LiveServer:
        if inspect.isfunction(inspect.getattr_static(cls, "create_app")):
            raise UsageError(
                f"{cls.__name__}.create_app() is called once for the class, before any test: "
                "write @classmethod above it"
            )
        app = cls.create_app()
        if not callable(app):
            raise UsageError(
                f"the application of {cls.__name__} is {app!r}; wanted a WSGI callable. Does create_app() return it?"
            )
        return LiveServer(
            app,
            cls.setting("live_host", "LIVESERVER_HOST", str),
            cls.setting("live_port", "LIVESERVER_PORT", int),
            start_timeout=cls.setting("live_start_timeout", "LIVESERVER_START_TIMEOUT", float),
            stop_timeout=cls.setting("live_stop_timeout", "LIVESERVER_STOP_TIMEOUT", float),
        )

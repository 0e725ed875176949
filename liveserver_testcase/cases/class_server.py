"""The servers of a test class: started in order, asked about each test, stopped in reverse."""

from __future__ import annotations

import atexit
import contextlib
import os
import unittest
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Protocol, TypeVar

from ..core.proxies import bypass_proxies, exempt_host, restore_proxies
from ..errors import LiveServerTestCaseError, ServerNotStarted, UsageError
from .after_failure import is_pause_wanted, pause_on_failure
from .failure_text import find_skip, is_all_ours, name_error

if TYPE_CHECKING:
    from .base import ServerTestCase

__all__ = [
    "NOT_STARTED", "ClassRun", "ClassServer", "Findings", "Problem", "ServerAttribute", "Startable",
    "instance_property",
]  # fmt: skip

__unittest = True
__tracebackhide__ = True


class Startable(Protocol):
    """The least that a class server needs: it can be started and stopped."""

    def start(self) -> Any:
        """Begin to serve; return when it serves."""

    def stop(self) -> Any:
        """Stop serving, also if it never started."""


S = TypeVar("S", bound=Startable)


@dataclass(frozen=True)
class Problem:
    """A reason why a server fails a test.

    Attributes:
        text: What the failing test's report says.
        cause: The exception behind it, whose traceback is printed too.
    """

    text: str
    cause: BaseException | None = None


class ClassServer(Generic[S]):
    """One server of a test class: how it starts, begins and ends a test, and stops.

    Enough as it is for a server that only has to run.  A subclass that knows more of its server overrides `begin`,
    `settle`, `problems`, `describe_activity`, `output`, `late_problems` and `end`; what they raise is an error of the
    test.

    Args:
        name: The attribute under which the test finds the server (see `ServerAttribute`).
        make: Makes the server when its turn comes; the servers before it in `order` run by then.
        order: Servers start from the lowest to the highest and stop in reverse: mail is 10, stubs 20, the live
            application 30.

    It is asked about tests only while `is_made`.
    """

    def __init__(self, name: str, make: Callable[[], S], *, order: int = 20) -> None:
        self.name = name
        self.order = order
        self._make = make
        self._server: S | None = None

    @property
    def server(self) -> S:
        """What ``make`` made.

        Raises:
            ServerNotStarted: Its turn has not come.
        """
        if self._server is None:
            raise ServerNotStarted(f"{self.name} is not there yet: {self.explain_absence() or 'its turn has not come'}")
        return self._server

    @server.setter
    def server(self, server: S) -> None:
        self._server = server

    @property
    def is_made(self) -> bool:
        """Whether there is a `server`."""
        return self._server is not None

    def start(self) -> None:
        """Make the server and start it."""
        self.server = self._make()
        self.server.start()

    def begin(self, test_id: str) -> None:
        """A test begins: forget the one before."""

    def settle(self) -> None:
        """A test is over: let come to an end what is still going on, within a bound.

        Called for the last started server first: what calls others is quiet before those are asked.
        """

    def problems(self) -> list[Problem]:
        """What is held against the test that is over; each problem once.

        Asked after each test; the answer is dropped when the test was skipped.
        """
        return []

    def explain(self, error: BaseException) -> str:
        """Return what the server saw that helps with an error of the test; empty for nothing."""
        return ""

    def describe_activity(self) -> str:
        """Describe what the server did in the test that is over and has failed; empty for nothing.

        Asked after `problems`, so that what those have said need not be said again.
        """
        return ""

    def failed(self, test_id: str) -> None:
        """The test has just failed, and its servers still run: a moment to look at them."""

    def output(self) -> str:
        """Return what the server has logged and printed in the test, for the report that a failure leaves."""
        return ""

    def late_problems(self) -> list[Problem]:
        """What came to light since, about tests that are over already; each problem once, and says whose it is.

        Asked after `problems`, and once more when the server has stopped.
        """
        return []

    def end(self) -> None:
        """The test is over, and its servers have been asked."""

    @property
    def host(self) -> str | None:
        """The host that no proxy may come before."""
        host = getattr(self._server, "host", None)
        return host if isinstance(host, str) else None

    def explain_absence(self) -> str:
        """Why there is no server yet; empty if only its turn has not come."""
        return ""

    def stop(self) -> None:
        """Stop the server, if it was made."""
        if self._server is not None:
            self._server.stop()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}: {self._server!r}>"


# -- how a class and its tests reach a server --------------------------------------------------------------------------


class ServerAttribute(Generic[S]):
    """A class attribute through which a test class and its tests reach the server of the same name.

    Before the server is there a test gets a `ServerNotStarted`, and a class something that raises it when it is used:
    nose2 looks at every attribute of a class when it collects tests, and would give up.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: ServerTestCase | None, owner: type[ServerTestCase]) -> S:
        adapter = owner._own_run().adapter(self._name)
        if adapter is not None and adapter.is_made:
            return adapter.server  # type: ignore[no-any-return]
        if instance is not None:
            raise owner._explain_absence(self._name)
        absent: Any = _Absent(f"{owner.__name__}.{self._name}, not started", lambda: owner._explain_absence(self._name))
        return absent  # type: ignore[no-any-return]


class _Absent:
    """What a class gets in place of what is not there: it raises when it is used."""

    def __init__(self, shown: str, explain: Callable[[], ServerNotStarted]) -> None:
        self._shown = shown
        self._explain = explain

    def __getattr__(self, name: str) -> NoReturn:
        raise self._explain()

    def __repr__(self) -> str:
        return f"<{self._shown}>"


if TYPE_CHECKING:
    instance_property = property
else:

    class instance_property(property):
        """A property that a class cannot use; what the class gets says so."""

        def __get__(self, instance: object, owner: type | None = None) -> Any:
            if instance is not None:
                return super().__get__(instance, owner)
            text = f"{owner.__name__}.{self.fget.__name__} is one test's own: use it in setUp() or in a test"
            return _Absent(text, lambda: ServerNotStarted(text))


# -- the life of them all ----------------------------------------------------------------------------------------------


class Findings:
    """What speaks against a test or a class: what its servers hold against it, and what went wrong with themselves."""

    def __init__(self, problems: Iterable[Problem] = (), errors: Iterable[Problem] = ()) -> None:
        self.problems = [*problems]
        self.errors = [*errors]

    def catch(self, server: ClassServer[Any], method: str) -> _Catcher:
        """Note what is raised in a block, in which this method of ``server`` is called."""
        return _Catcher(self.errors, server, method)


class _Catcher:
    """The block of `Findings.catch`: every test enters several, and contextlib's cost four times as much."""

    __slots__ = ("_errors", "_method", "_server")

    def __init__(self, errors: list[Problem], server: ClassServer[Any], method: str) -> None:
        self._errors, self._server, self._method = errors, server, method

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        if not isinstance(error, Exception):
            return False
        if isinstance(error, LiveServerTestCaseError) and is_all_ours(error):
            error.__traceback__ = None  # its text says it all
        what = f"{self._method}() of the server {self._server.name!r} raised {name_error(error)}"
        self._errors.append(Problem(what, error))
        return True


class ClassRun:
    """The servers of one class from their start to their stop, listed in any order."""

    def __init__(self, servers: Iterable[ClassServer[Any]]) -> None:
        self.servers = sorted(servers, key=lambda server: server.order)
        names = [server.name for server in self.servers]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise UsageError(f"class_servers() lists two servers named {twice!r}; each needs a name of its own")
        self.latest = ""  # the name of the server whose turn came last
        self._started: list[ClassServer[Any]] = []
        self._errors: list[Problem] = []  # of beginning the test
        self._late: list[Problem] = []  # seen during a test that was skipped
        self._pauses = False
        self._pid = os.getpid()

    def start(self) -> None:
        """Start the servers; call `stop` also when this fails."""
        _running.add(self)
        bypass_proxies()
        self._pauses = is_pause_wanted()
        for server in self.servers:
            self._started.append(server)
            self.latest = server.name
            server.start()
            exempt_host(server.host)

    def adapter(self, name: str) -> ClassServer[Any] | None:
        """The class server of this name."""
        return next((server for server in self.servers if server.name == name), None)

    @property
    def _made(self) -> list[ClassServer[Any]]:
        """Those that can be asked: one whose start has failed has no server."""
        return [server for server in self._started if server.is_made]

    def begin(self, test_id: str) -> unittest.SkipTest | None:
        """Begin a test on every server; what goes wrong is reported when the test is over.

        Returns:
            What the start of a server has raised to skip the test.
        """
        found = Findings()
        skip: unittest.SkipTest | None = None
        for server in self._started:
            with found.catch(server, "begin"):
                try:
                    server.begin(test_id)
                except Exception as error:
                    wanted = find_skip(error)
                    if wanted is None:
                        raise
                    skip = skip or wanted
        self._errors = found.errors
        return skip

    def failed(self, test_id: str) -> None:
        """Pass on to every server that the test has just failed."""
        for server in self._made:
            server.failed(test_id)
        if self._pauses:
            pause_on_failure(test_id, [(server.name, server.server) for server in self._made])

    def explain(self, error: BaseException) -> str:
        """Return what the servers saw that helps with an error of the test; empty for nothing."""
        return "\n\n".join(filter(None, (server.explain(error) for server in self._made)))

    def describe_activity(self, *, without: str = "") -> str:
        """Describe what the servers did in the test that is over.

        Args:
            without: The name of a server that the failure's own text describes.
        """
        found, texts = Findings(), []
        for server in self._made:
            if server.name != without:
                with found.catch(server, "describe_activity"):
                    texts.append(server.describe_activity())
        return "\n\n".join([*filter(None, texts), *(error.text for error in found.errors)])

    def end_test(self, skipped: bool = False) -> Findings:
        """Let the servers settle and ask what they hold against the test that is over.

        Args:
            skipped: Nothing is held against this test; what is left of earlier ones is kept for the next.
        """
        found = Findings(errors=self._errors)
        late, self._errors, self._late = self._late, [], []
        for server in reversed(self._made):
            with found.catch(server, "settle"):
                server.settle()
        for server in self._made:
            with found.catch(server, "problems"):
                found.problems += server.problems()
            with found.catch(server, "late_problems"):
                late += server.late_problems()
            with found.catch(server, "end"):
                server.end()
        if skipped:
            self._late = late
            return Findings()
        found.problems += late
        return found

    def stop(self) -> Findings:
        """Stop what was started, the last one first, whatever goes wrong; say what came to light since."""
        found = Findings(self._late)
        started, self._started, self._late = self._started, [], []
        _running.discard(self)
        interrupt: BaseException | None = None
        for server in reversed(started) if self._pid == os.getpid() else ():  # a forked child's are its parent's
            try:
                with found.catch(server, "stop"):
                    server.stop()
            except BaseException as error:  # the other servers must be stopped all the same
                interrupt = error
            if server.is_made:
                with found.catch(server, "late_problems"):
                    found.problems += server.late_problems()
        restore_proxies()
        if interrupt is not None:
            raise interrupt
        return found


_running: set[ClassRun] = set()  # plain unittest runs no class clean-up after a KeyboardInterrupt


@atexit.register
def _abandon_all() -> None:
    """Stop, at the end of the process, those servers that do not do so by themselves."""
    for run in list(_running):
        run._started = [server for server in run._made if not getattr(server.server, "stops_at_exit", False)]
        with contextlib.suppress(Exception):
            run.stop()


NOT_STARTED = ClassRun(())  # of a class whose servers have not been started, or were stopped

"""HTTPStubTestCase: somebody else's API, played by a script."""

from __future__ import annotations

import inspect
import re
from typing import Any, ClassVar, Literal, overload

from ..errors import UsageError
from ..stub.diagnosis import describe_exchange, explain_count
from ..stub.keywords import suggest_keywords
from ..stub.matching import make_criteria
from ..stub.request import RecordedRequest
from ..stub.server import HTTPStub
from ..stub.times import parse_times
from ..web.exchange import Exchange
from .base import ClassServer, Problem, ServerAttribute, ServerTestCase

__all__ = ["HTTPStubTestCase"]

__unittest = True

_Raised = tuple[Exchange, BaseException]


class _StubPart(ClassServer[HTTPStub]):
    """The stub, as the base drives it."""

    def __init__(self, case: type[HTTPStubTestCase]) -> None:
        super().__init__("stub", case._make_stub, order=20)
        self.case = case
        self.settle_timeout = case.setting("stub_settle", "STUBSERVER_SETTLE", float)
        self.late: list[_Raised] = []

    def start(self) -> None:
        super().start()
        if self.server is not None:
            self.case.configure_stub(self.server)

    def begin(self, test_id: str) -> None:
        if self.server is not None:
            self.server.begin(test_id)

    def settle(self) -> None:
        if self.server is not None:
            self.server.settle(self.settle_timeout)

    def problems(self) -> list[Problem]:
        if self.server is None:
            return []
        current = self.server.journal.epoch.number
        found = self.server.take_errors()
        self.late += [raised for raised in found if raised[0].epoch.number != current]
        mine = [raised for raised in found if raised[0].epoch.number == current]
        return _make_problems(self.server, mine, self.server.verdict())

    def leftovers(self) -> list[Problem]:
        if self.server is None:
            return []
        late, self.late = self.late + self.server.take_errors(), []
        return _make_problems(self.server, late, self.server.leftovers(), are_late=True)


def _make_problems(stub: HTTPStub, errors: list[_Raised], report: str, *, are_late: bool = False) -> list[Problem]:
    """A problem for each reply that could not be sent to its request, and one for the report, if there is one."""
    problems = []
    for exchange, error in errors:
        when = f"left over from {exchange.epoch.name}: " if are_late else ""
        what = f"{describe_exchange(exchange)} could not be answered: {type(error).__name__}: {error}"
        problems.append(Problem(f"stub {stub.url}:\n{when}{what}", error))
    return [*problems, Problem(report)] if report else problems


class HTTPStubTestCase(ServerTestCase):
    """Runs a scripted HTTP server while the class's tests run.

    Each test begins with an empty record and with what `configure_stub` wrote, or nothing, in the script.  A request
    that nothing answers, and an expectation that is not met, fail the test.

    Attributes:
        stub: The running `HTTPStub`.
        stub_host: Where to listen.  Environment: ``STUBSERVER_HOST``.
        stub_port: The port; 0 for one that the system chooses.  Environment: ``STUBSERVER_PORT``.
        stub_settle: Seconds after a test for its requests on their way to arrive before it is judged.
            Environment: ``STUBSERVER_SETTLE``.
    """

    stub: ServerAttribute[HTTPStub] = ServerAttribute()
    stub_host: ClassVar[str] = "127.0.0.1"
    stub_port: ClassVar[int] = 0
    stub_settle: ClassVar[float] = 0.5

    @classmethod
    def configure_stub(cls, stub: HTTPStub) -> None:
        """Write what every test of the class finds in the script; called once, when the stub has started."""

    @overload
    def assertRequested(  # type: ignore[overload-overlap]  # the literal 1 is not any int
        self,
        method: str | None = None,
        path: str | re.Pattern[str] | None = None,
        *,
        times: Literal[1] | None = None,
        msg: str | None = None,
    ) -> RecordedRequest: ...
    @overload
    def assertRequested(
        self,
        method: str | None = None,
        path: str | re.Pattern[str] | None = None,
        *,
        times: int | tuple[int, int | None],
        msg: str | None = None,
    ) -> list[RecordedRequest]: ...
    @suggest_keywords
    def assertRequested(
        self,
        method: str | None = None,
        path: str | re.Pattern[str] | None = None,
        *,
        times: int | tuple[int, int | None] | None = None,
        msg: str | None = None,
    ) -> RecordedRequest | list[RecordedRequest]:
        """Fail unless the stub was sent such requests in this test.

        It does not wait: a request is there before its client has the answer.

        Args:
            method: Such as ``GET``; None for any.
            path: The decoded path, a pattern that matches all of it, or None for any.
            times: How often: ``n`` for exactly n, ``(low, high)``, None for at least once, 0 for never.
            msg: What to say besides when it fails.

        Returns:
            The first `RecordedRequest` that matches; a list of all where ``times`` is anything but None or 1.

        Raises:
            UsageError: No request can match, or ``times`` is none of these.
            TypeError: An unknown keyword; the message names the nearest.
        """
        criteria = make_criteria(method, path)
        low, high = parse_times(times)
        traffic = self.stub.traffic
        found = [request for request in traffic.requests if criteria.matches(request)]
        if len(found) < low or (high is not None and len(found) > high):
            self.fail_with(explain_count(criteria, (low, high), traffic), msg)
        return found[0] if times in (None, 1) else found

    @classmethod
    def class_servers(cls) -> list[ClassServer[Any]]:
        return [*super().class_servers(), _StubPart(cls)]

    @classmethod
    def _make_stub(cls) -> HTTPStub:
        if inspect.isfunction(inspect.getattr_static(cls, "configure_stub")):
            raise UsageError(f"{cls.__name__}.configure_stub() must be a class method: write @classmethod above it")
        return HTTPStub(
            cls.setting("stub_host", "STUBSERVER_HOST", str), cls.setting("stub_port", "STUBSERVER_PORT", int)
        )

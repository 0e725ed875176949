"""HTTPStubTestCase: somebody else's API, played by a script."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from ..stub.diagnosis import explain_count, list_requests
from ..stub.expectation import describe_times, parse_times
from ..stub.matching import make_criteria
from ..stub.request import RecordedRequest
from ..stub.server import HTTPStub
from .base import ClassServer, Problem, ServerAttribute, ServerTestCase

__all__ = ["HTTPStubTestCase"]

__unittest = True


class _StubPart(ClassServer[HTTPStub]):
    """The stub, as the base drives it."""

    def __init__(self, case: type[HTTPStubTestCase]) -> None:
        super().__init__("stub", case._make_stub, order=20)
        self.case = case

    def start(self) -> None:
        super().start()
        if self.server is not None:
            self.case.configure_stub(self.server)

    def begin(self, test_id: str) -> None:
        if self.server is not None:
            self.server.begin(test_id)

    def settle(self) -> None:
        if self.server is not None:
            self.server.wait_until_idle(self.case.stub_settle, self.server.journal.epoch)

    def problems(self) -> list[Problem]:
        if self.server is None:
            return []
        texts = self._violations() + self.server.explain_unmet()
        if not texts:
            return self._errors()
        listing = list_requests(self.server.requests)
        return [*self._errors(), Problem("\n".join([f"stub {self.server.url}:", *texts, *listing]))]

    def leftovers(self) -> list[Problem]:
        texts = self._violations()
        found = [Problem("\n".join([f"stub {self.server.url}:", *texts]))] if texts and self.server is not None else []
        return [*self._errors(), *found]

    def _violations(self) -> list[str]:
        if self.server is None:
            return []
        current = self.server.journal.epoch.number
        return [
            text if epoch.number == current else f"left over from {epoch.name}: {text}"
            for epoch, text in self.server.take_violations()
        ]

    def _errors(self) -> list[Problem]:
        if self.server is None:
            return []
        return [
            Problem(f"stub {self.server.url}: an error while it answered {exchange.describe()}: {error!r}", error)
            for exchange, error in self.server.take_errors()
        ]


class HTTPStubTestCase(ServerTestCase):
    """Runs a scripted HTTP server while the class's tests run.

    Each test begins with an empty script and an empty record, but for what `configure_stub` wrote.  A request that
    nothing answers, and an expectation that is not met, fail the test.

    Attributes:
        stub: The running `HTTPStub`.
        stub_host: Where to listen.  Environment: ``STUBSERVER_HOST``.
        stub_port: The port; 0 for one that the system chooses.  Environment: ``STUBSERVER_PORT``.
        stub_settle: Seconds after a test for its exchanges in flight to end before it is judged.
    """

    stub: ServerAttribute[HTTPStub] = ServerAttribute()
    stub_host: ClassVar[str] = "127.0.0.1"
    stub_port: ClassVar[int] = 0
    stub_settle: ClassVar[float] = 0.5

    @classmethod
    def configure_stub(cls, stub: HTTPStub) -> None:
        """Write what every test of the class finds in the script; called once, when the stub has started."""

    def assertRequested(  # noqa: N802
        self,
        method: str | None = None,
        path: str | re.Pattern[str] | None = None,
        *,
        times: int | tuple[int, int | None] | None = None,
        msg: str | None = None,
    ) -> Any:
        """Fail unless the stub was sent such requests in this test.

        Args:
            method: Such as ``GET``; None for any.
            path: The decoded path, a pattern that matches all of it, or None for any.
            times: How often: ``n`` for exactly n, ``(low, high)``, None for at least once, 0 for never.
            msg: What to say besides when it fails.

        Returns:
            The `RecordedRequest`; a list of them where ``times`` is anything but None or 1.
        """
        criteria = make_criteria(method, path)
        low, high = parse_times(times)
        requests = self.stub.requests
        found: list[RecordedRequest] = [r for r in requests if all(c.compare(r) is None for c in criteria)]
        if len(found) < low or (high is not None and len(found) > high):
            self.fail_with(explain_count(criteria, describe_times((low, high)), found, requests), msg)
        return found[0] if times in (None, 1) else found

    @classmethod
    def class_servers(cls) -> list[ClassServer[Any]]:
        return [*super().class_servers(), _StubPart(cls)]

    @classmethod
    def _make_stub(cls) -> HTTPStub:
        return HTTPStub(
            cls.setting("stub_host", "STUBSERVER_HOST", str), cls.setting("stub_port", "STUBSERVER_PORT", int)
        )

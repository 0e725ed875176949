"""The stubs of a class, as the base drives them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NoReturn

from ..core.text import describe_error
from ..errors import ServerNotStarted, UsageError
from ..stub.diagnosis import describe_exchange
from ..stub.server import HTTPStub
from ..web.records import Exchange
from .base import ServerTestCase
from .servers import ClassServer, Problem

if TYPE_CHECKING:
    from typing import Any

__all__ = ["StubPart", "StubsAttribute"]

__unittest = True

_Raised = tuple[Exchange, BaseException]


class StubPart(ClassServer[HTTPStub]):
    """A stub of a class.

    Args:
        name: Of the class server: ``stub``, or ``stub`` and the name of the stub.
        make: Makes the stub.
        settle_timeout: Seconds for requests that are on their way when a test is over.
        configure: Called with the stub when it has started.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[], HTTPStub],
        settle_timeout: float,
        configure: Callable[[HTTPStub], object] = lambda stub: None,
    ) -> None:
        super().__init__(name, make, order=20)
        self.settle_timeout = settle_timeout
        self._configure = configure
        self._late: list[_Raised] = []

    def start(self) -> None:
        super().start()
        if self.server is not None:
            self._configure(self.server)

    def begin(self, test_id: str) -> None:
        if self.server is not None:
            self.server.begin(test_id)

    def settle(self) -> None:
        if self.server is not None:
            self.server.settle(self.settle_timeout)

    def problems(self) -> list[Problem]:
        if self.server is None:
            return []
        current = self.server.journal.window.number
        found = self.server.take_errors()
        self._late += [raised for raised in found if raised[0].window.number != current]
        mine = [raised for raised in found if raised[0].window.number == current]
        return _make_problems(self.server, mine, self.server.failure_report())

    def leftovers(self) -> list[Problem]:
        if self.server is None:
            return []
        late, self._late = self._late + self.server.take_errors(), []
        return _make_problems(self.server, late, self.server.leftovers(), are_late=True)


def _make_problems(stub: HTTPStub, errors: list[_Raised], report: str, *, are_late: bool = False) -> list[Problem]:
    """A problem for each reply that could not be sent to its request, and one for the report, if there is one."""
    problems = []
    lead = f"stub {stub.name!r}: " if stub.name else ""
    for exchange, error in errors:
        when = f"left over from {exchange.window.name}: " if are_late else ""
        what = f"{describe_exchange(exchange)} could not be answered: {describe_error(error)}"
        problems.append(Problem(f"{lead}{when}{what}", error))
    return [*problems, Problem(report)] if report else problems


class StubsAttribute:
    """A class attribute through which a test class and its tests reach its named stubs."""

    def __get__(self, instance: object, owner: type[ServerTestCase]) -> Mapping[str, HTTPStub]:
        return _Stubs(owner)


class _Stubs(Mapping[str, HTTPStub]):
    """The named stubs of a class, by their names."""

    def __init__(self, case: type[Any]) -> None:
        self._case = case
        self._names: tuple[str, ...] = tuple(case.stub_names)

    def __getitem__(self, name: str) -> HTTPStub:
        if name not in self._names:
            known = ", ".join(map(repr, self._names)) or "empty"
            raise UsageError(f"{self._case.__name__} has no stub {name!r}: its stub_names are {known}")
        run = self._case._own_run()
        stub = run.find(f"stub {name}") if run is not None else None
        if stub is None:
            reason = self._case._explain_absence(f"stub {name}")
            raise ServerNotStarted(f"{self._case.__name__}.stubs[{name!r}] is not there: {reason}")
        return stub  # type: ignore[no-any-return]

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"stubs have no attribute {name!r}: the stub of that name is stubs[{name!r}]")

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"<stubs of {self._case.__name__}: {', '.join(self._names) or 'none'}>"

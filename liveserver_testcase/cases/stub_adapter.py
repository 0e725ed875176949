"""The stubs of a class, as the base drives them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

from ..errors import UsageError
from ..stub.server import HTTPStub
from .base import ServerTestCase
from .class_server import ClassServer, Problem

__all__ = ["StubAdapter", "StubsAttribute"]

__unittest = True


class StubAdapter(ClassServer[HTTPStub]):
    """A stub of a class, named ``stub``, or ``stub`` and its name; ``configure`` is called when it has started."""

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
        self._as_proxy = contextlib.ExitStack()
        self._lists_requests = False  # whether what it has held against the test lists its requests

    def start(self) -> None:
        super().start()
        if self.server.hosts:
            self._as_proxy.enter_context(self.server.as_proxy())
        self._configure(self.server)

    def stop(self) -> None:
        self._as_proxy.close()
        super().stop()

    def begin(self, test_id: str) -> None:
        self.server.begin(test_id)
        self.server._inspection.started = []

    def settle(self) -> None:
        self.server._inspection.settle(self.settle_timeout)

    def problems(self) -> list[Problem]:
        inspection = self.server._inspection
        failures = inspection.take_failures()
        self._lists_requests = bool(failures)
        forgotten = [started.explain_if_forgotten() for started in inspection.started or ()]
        inspection.started = None
        return [*(Problem(text) for text in forgotten if text), *(Problem(*failure) for failure in failures)]

    def describe_activity(self) -> str:
        return "" if self._lists_requests else "\n".join(self.server._inspection.traffic.list_requests())

    def late_problems(self) -> list[Problem]:
        return [Problem(*failure) for failure in self.server._inspection.take_late_failures()]


class _Stubs(Mapping[str, HTTPStub]):
    """The named stubs of a class, by their names."""

    def __init__(self, case: type[Any]) -> None:
        self._case = case
        self._names: tuple[str, ...] = tuple(case.stub_names)

    def __getitem__(self, name: str) -> HTTPStub:
        if name not in self._names:
            known = ", ".join(map(repr, self._names)) or "empty"
            raise UsageError(f"{self._case.__name__} has no stub {name!r}: its stub_names are {known}")
        adapter = self._case._own_run().adapter(f"stub {name}")
        if adapter is None or not adapter.is_made:
            raise self._case._explain_absence(f"stub {name}", f"stubs[{name!r}]")
        return adapter.server  # type: ignore[no-any-return]

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"stubs have no attribute {name!r}: the stub of that name is stubs[{name!r}]")

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"<stubs of {self._case.__name__}: {', '.join(self._names) or 'none'}>"


class StubsAttribute:
    """A class attribute through which a test class and its tests reach its named stubs."""

    def __get__(self, instance: object, owner: type[ServerTestCase]) -> Mapping[str, HTTPStub]:
        return _Stubs(owner)

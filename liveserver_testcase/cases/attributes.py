"""Class attributes of a test class: its servers, and what belongs to one test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, NoReturn, overload

from ..errors import ServerNotStarted
from .class_server import S

if TYPE_CHECKING:
    from .base import ServerTestCase

__all__ = ["ServerAttribute", "instance_property"]

__unittest = True
__tracebackhide__ = True


class ServerAttribute(Generic[S]):
    """A class attribute through which a test class and its tests reach the server of the same name.

    Before the server is there a test gets a `ServerNotStarted`, and a class something that raises it when it is used:
    nose2 looks at every attribute of a class when it collects tests, and would give up.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type[ServerTestCase]) -> S: ...
    @overload
    def __get__(self, instance: ServerTestCase, owner: type[ServerTestCase]) -> S: ...
    def __get__(self, instance: ServerTestCase | None, owner: type[ServerTestCase]) -> S:
        adapter = owner._own_run().adapter(self._name)
        if adapter is not None and adapter.is_made:
            return adapter.server  # type: ignore[no-any-return]
        if instance is not None:
            raise owner._explain_absence(self._name)
        return _Absent(owner, self._name)  # type: ignore[return-value]


class _Absent:
    """Stands for a server that is not there; it cannot be used."""

    def __init__(self, owner: type[ServerTestCase], name: str) -> None:
        self._owner = owner
        self._name = name

    def __getattr__(self, name: str) -> NoReturn:
        raise self._owner._explain_absence(self._name)

    def __repr__(self) -> str:
        return f"<{self._owner.__name__}.{self._name}, not started>"


class _NoTest:
    """What a class gets that asks for what is a test's own; it cannot be used."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> NoReturn:
        raise ServerNotStarted(f"{self._name} is one test's own: use it in setUp() or in a test")


if TYPE_CHECKING:
    instance_property = property
else:

    class instance_property(property):
        """A property whose class is not its own value: nose2 looks at each, and an exception would end it."""

        def __get__(self, instance: object, owner: type | None = None) -> Any:
            if instance is None:
                return _NoTest(f"{owner.__name__}.{self.fget.__name__}")
            return super().__get__(instance, owner)

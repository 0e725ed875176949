"""A server that does nothing but what a test wants to see of a class's servers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from liveserver_testcase import ClassServer, ServerTestCase
from tests.integration.running import make_case

__all__ = ["Toy", "make_toys", "nothing"]


def nothing(_: Any) -> None:
    """Be a test that passes."""


class Toy:
    """Writes down what happens to it, and raises what it is to raise then.

    Args:
        name: Its name.
        heard: Where it writes.
        raises: An exception for ``start`` or ``stop``.
    """

    def __init__(self, name: str = "toy", heard: list[str] | None = None, **raises: BaseException) -> None:
        self.name = name
        self.heard = [] if heard is None else heard
        self._raises = raises

    def start(self) -> None:
        self._note("start")

    def stop(self) -> None:
        self._note("stop")

    def _note(self, what: str) -> None:
        self.heard.append(f"{what} {self.name}")
        if what in self._raises:
            raise self._raises[what]


def make_toys(*servers: ClassServer[Any] | Callable[[], Toy], **members: Any) -> type[Any]:
    """A class with these servers, or those that these functions make."""
    listed = [each if isinstance(each, ClassServer) else ClassServer(each().name, each) for each in servers]
    return make_case(ServerTestCase, class_servers=classmethod(lambda cls: listed), **{"test": nothing, **members})

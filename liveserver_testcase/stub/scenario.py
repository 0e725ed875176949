"""The state of somebody else's thing, which requests move on."""

from __future__ import annotations

__all__ = ["Scenario"]


class Scenario:
    """A thing with a state.

    Attributes:
        name: What the test calls it.
        first: The state in which each test finds it.
        state: The state in which it is now; read and moved under the book's lock while a request is decided upon.
    """

    def __init__(self, name: str, first: str) -> None:
        self.name = name
        self.first = self.state = first

    def __repr__(self) -> str:
        return f"<Scenario {self.name!r} in state {self.state!r}>"

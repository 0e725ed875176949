"""Where expectations are looked up: by the method and the path of a request, as far as they are plain."""

from __future__ import annotations

from collections.abc import Iterable

from .expectation import Expectation, Matches
from .matching import Key, find_group
from .request import RecordedRequest

__all__ = ["Shelf", "Shelves", "find_bounded", "find_forbidding", "find_unbounded"]


class Shelf:
    """The expectations with one key: each with its number in the book, oldest first."""

    __slots__ = ("bounded", "forbidding", "unbounded")

    def __init__(self) -> None:
        self.forbidding: list[tuple[int, Expectation]] = []
        self.bounded: list[tuple[int, Expectation]] = []  # those that have room
        self.unbounded: list[tuple[int, Expectation]] = []

    def of(self, expectation: Expectation) -> list[tuple[int, Expectation]]:
        """The list in which an expectation stands."""
        if expectation.is_never:
            return self.forbidding
        return self.bounded if expectation.is_bounded else self.unbounded


class Shelves:
    """All shelves, by their keys; the book's lock guards them."""

    def __init__(self) -> None:
        self._shelves: dict[Key, Shelf] = {}
        self._has_loose = False  # whether any of their keys leaves something open

    def put(self, number: int, expectation: Expectation) -> None:
        """Put an expectation, which is newer than all that are there, on its shelf."""
        method, path = key = expectation.criteria.key
        self._has_loose = self._has_loose or method is None or path is None or path.startswith("*")
        self._shelves.setdefault(key, Shelf()).of(expectation).append((number, expectation))

    def take(self, number: int, expectation: Expectation) -> None:
        """Take an expectation from its shelf; nothing happens if it is not there."""
        shelf = self._shelves.get(expectation.criteria.key)
        place = (number, expectation)
        if shelf is not None and place in shelf.of(expectation):
            shelf.of(expectation).remove(place)

    def near(self, request: RecordedRequest) -> list[Shelf]:
        """Where what matches can be: by method and path, one of them, or neither."""
        shelves = self._shelves
        method, path = request.method, request.plain_path
        exact = shelves.get((method, path))
        if not self._has_loose:
            return [] if exact is None else [exact]
        group = find_group(path)
        keys = (None, path), (method, group), (None, group), (method, None), (None, None)
        found = [shelves[key] for key in dict.fromkeys(keys) if key in shelves]
        return found if exact is None else [exact, *found]


def find_forbidding(near: Iterable[Shelf], request: RecordedRequest, matches: Matches) -> Expectation | None:
    """One that matches, and says that it must never come."""
    for shelf in near:
        for _, expectation in shelf.forbidding:
            if matches(expectation.criteria, request):
                return expectation
    return None


def find_bounded(near: Iterable[Shelf], request: RecordedRequest, matches: Matches) -> Expectation | None:
    """The oldest that matches: those on a shelf have room."""
    best: tuple[int, Expectation] | None = None
    for shelf in near:
        for number, expectation in shelf.bounded:
            if best is not None and number > best[0]:
                break
            if expectation.is_ready and matches(expectation.criteria, request):
                best = number, expectation
                break
    return best[1] if best is not None else None


def find_unbounded(near: Iterable[Shelf], request: RecordedRequest, matches: Matches) -> Expectation | None:
    """The newest that matches."""
    best: tuple[int, Expectation] | None = None
    for shelf in near:
        for number, expectation in reversed(shelf.unbounded):
            if best is not None and number < best[0]:
                break
            if expectation.is_ready and matches(expectation.criteria, request):
                best = number, expectation
                break
    return best[1] if best is not None else None

"""What a child process is told at its birth, and what it says when it goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .crossing import Crossing
from .unfinished import Unfinished

__all__ = ["Farewell", "Orders"]


@dataclass(frozen=True)
class Orders:
    """How a child process makes its server.

    Attributes:
        parent: The process that it serves, and does not outlive.
        host: What its sockets were bound as.
        make: The recipe, pickled, or as a call where the child is a copy of its parent.
        desk: The class that answers its parent's questions, as an import string.
        path: ``sys.path`` of the parent.
        arguments: ``sys.argv`` of the parent.
        environment: All of its environment; None if it has it already.
        modules: What is imported first: names, each with the file to load where the name cannot be found.
        main: How the script that the parent runs is found, for `multiprocessing.spawn.prepare`.
        foreign: Descriptors that a copy of the parent has and must not keep.
    """

    parent: int
    host: str
    make: bytes | Callable[[], object]
    desk: str
    path: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] | None = None
    modules: Mapping[str, str] = field(default_factory=dict)
    main: Mapping[str, str] = field(default_factory=dict)
    foreign: tuple[int, ...] = ()


@dataclass(frozen=True)
class Farewell:
    """What a server had to say when it stopped.

    Attributes:
        unfinished: The work that it had to cut.
        failures: What its threads have ended with.
        threads: What may keep the process from ending: the application's threads that are no daemons.
        words: What its desk has for those who ask later.
    """

    unfinished: list[Unfinished]
    failures: list[Crossing]
    threads: list[Unfinished]
    words: object = None

"""The verbs of a stub that do nothing until what they return is awaited, or entered."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from ..core.started import StartedBlock, StartedCoroutine, find_place

__all__ = ["note_started"]

__unittest = True

P = ParamSpec("P")
R = TypeVar("R")


def note_started(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Note each call of a verb, such as ``stub.scope``, for the test to fail that forgets to await or enter it."""

    def decorate(verb: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(verb)
        def start(*args: P.args, **kwargs: P.kwargs) -> R:
            made: Any = verb(*args, **kwargs)
            owner: Any = args[0]
            # without a test case there is none to fail, and whoever keeps a coroutine keeps Python from warning of it
            if owner._inspection is not None and owner._inspection.started is not None:
                kind = StartedCoroutine if inspect.iscoroutine(made) else StartedBlock
                owner._inspection.started.append(kind(name, find_place(), made))
            return made  # type: ignore[no-any-return]

        return start

    return decorate

"""Keywords that a function does not know, answered with the one that was meant."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

__all__ = ["suggest_keywords"]

P = ParamSpec("P")
R = TypeVar("R")


def suggest_keywords(function: Callable[P, R]) -> Callable[P, R]:
    """Have ``function`` refuse an unknown keyword with the nearest one that it knows.

    Its signature stays what it is, for type checkers, editors and `inspect`.  Python says this itself from 3.13 on.

    Raises:
        TypeError: When it is called with a keyword that it does not know, or with the name of an argument that it
            takes by position.
    """
    parameters = inspect.signature(function).parameters.values()
    known = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name != "self"]
    by_position = [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY and p.name != "self"]

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        for name in kwargs:
            if name not in known:
                raise TypeError(_refuse(function.__name__, name, known, by_position))
        return function(*args, **kwargs)

    return checked


def _refuse(function: str, name: str, known: list[str], by_position: list[str]) -> str:
    if name in by_position:
        order = ", ".join(by_position)
        return f"{function}() takes {name!r} by its position, without its name: {function}({order}, …)"
    import difflib  # costs a millisecond that nobody needs until now

    near = difflib.get_close_matches(name, known, n=1)
    advice = f"Did you mean {near[0]!r}?" if near else f"It knows {', '.join(map(repr, known))}."
    return f"{function}() got an unexpected keyword argument {name!r}. {advice}"

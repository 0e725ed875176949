"""Names that nobody knows, keywords or attributes: refused with the one that was meant."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from types import MemberDescriptorType
from typing import ParamSpec, TypeVar

from ..core.text import suggest_name

__all__ = ["check_settable", "refuse_unknown", "suggest_keywords", "suggest_more_keywords"]

__unittest = True  # assertions are called through it
__tracebackhide__ = True

P = ParamSpec("P")
R = TypeVar("R")


def suggest_keywords(function: Callable[P, R]) -> Callable[P, R]:
    """Have ``function`` refuse an unknown keyword with the nearest one that it knows.

    Its signature stays what it is, for type checkers, editors and `inspect`.  Python says this itself from 3.13 on.

    Raises:
        TypeError: When it is called with a keyword that it does not know, or with the name of an argument that it
            takes by position.
    """
    return suggest_more_keywords()(function)


def suggest_more_keywords(*more: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """The same for a function that takes ``**keywords``, of which it knows these."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        parameters = inspect.signature(function).parameters.values()
        known = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name != "self"]
        by_position = [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY and p.name != "self"]
        known += more
        # of a class, not of its __init__
        called = function.__qualname__.split(".")[-2] if function.__name__ == "__init__" else function.__name__

        @functools.wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            refuse_unknown(called, kwargs, known, by_position)
            return function(*args, **kwargs)

        return checked

    return decorate


def refuse_unknown(function: str, given: Iterable[str], known: Sequence[str], by_position: Sequence[str] = ()) -> None:
    """Refuse the first keyword that is not known.

    Args:
        function: Whose keywords they are.
        given: Those that it was called with.
        known: Those that it takes.
        by_position: The names of arguments that it takes without a name.

    Raises:
        TypeError: There is one.
    """
    for name in given:
        if name not in known:
            raise TypeError(_refuse(function, name, known, by_position))


def _refuse(function: str, name: str, known: Sequence[str], by_position: Sequence[str]) -> str:
    if name in by_position:
        order = ", ".join(by_position)
        return f"{function}() takes {name!r} by its position, without its name: {function}({order}, …)"
    import difflib  # costs a millisecond that nobody needs until now

    near = difflib.get_close_matches(name, known, n=1)
    advice = f"Did you mean {near[0]!r}?" if near else f"It knows {', '.join(map(repr, known))}."
    return f"{function}() got an unexpected keyword argument {name!r}. {advice}"


def check_settable(owner: object, name: str) -> None:
    """Refuse to set an attribute that ``owner`` has no slot and no setter for: a misspelt one would do nothing.

    Raises:
        AttributeError: It has none; the message has the nearest name that can be set.
    """
    kind = type(owner)
    if _is_settable(kind, name):
        return
    if not name.startswith("_") and hasattr(kind, name):
        raise AttributeError(f"{kind.__name__}.{name} can only be read")
    settable = [known for known in dir(kind) if not known.startswith("_") and _is_settable(kind, known)]
    advice = suggest_name(name, settable) if settable else "set it on the stub itself"
    raise AttributeError(f"cannot set {name!r}: {kind.__name__} has no such attribute: {advice}")


def _is_settable(kind: type, name: str) -> bool:
    found = inspect.getattr_static(kind, name, None)
    return isinstance(found, MemberDescriptorType) or (isinstance(found, property) and found.fset is not None)

"""What users write, checked: values of the wrong kind are refused, and misspelt names with the one that was meant."""

from __future__ import annotations

import functools
import inspect
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from types import MemberDescriptorType
from typing import TYPE_CHECKING, NoReturn, ParamSpec, TypeGuard, TypeVar

from ..errors import UsageError
from .text import quote

__all__ = [
    "KnownAttributes", "check_seconds", "check_switch", "is_count", "is_predicate", "read_switch", "refuse_unknown",
    "suggest_keywords", "suggest_more_keywords", "suggest_name",
]  # fmt: skip

__unittest = True  # assertions are called through it
__tracebackhide__ = True

P = ParamSpec("P")
R = TypeVar("R")


# -- values


def check_seconds(name: str, value: object) -> float:
    """Return ``value``, if it is a number of seconds that a thread can wait for.

    Raises:
        UsageError: It is not.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= threading.TIMEOUT_MAX:
        raise UsageError(f"{name} is {quote(value)}; wanted a number of seconds, 0 or more")
    return value


def check_switch(name: str, value: object) -> bool:
    """Return ``value``, if it is True or False: a str such as ``"no"`` would be taken for True.

    Raises:
        UsageError: It is not.
    """
    if not isinstance(value, bool):
        raise UsageError(f"{name} is {quote(value)}; wanted True or False")
    return value


def is_predicate(value: object) -> bool:
    """Whether it can be asked: what coroutine functions and generator functions return is always true."""
    if not callable(value):
        return False
    later = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    return not any(is_one(each) for each in (value, type(value).__call__) for is_one in later)


def read_switch(variable: str) -> bool | None:
    """Return what an environment variable says: 1, true, yes, on, or 0, false, no, off; None where it is not set.

    Raises:
        UsageError: It is another word, and which of the two was meant is anybody's guess.
    """
    text = os.environ.get(variable, "").strip()
    if not text:
        return None
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off"):
        return False
    raise UsageError(f"the environment variable {variable} is {text!r}; wanted True or False")


def is_count(value: object) -> TypeGuard[int]:
    """Whether it is a whole number, 0 or more; True is none."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


# -- names


def suggest_name(name: object, known: Iterable[str]) -> str:
    """What to write instead of an unknown name: the nearest of the known ones, or else all of them."""
    import difflib  # costs a millisecond that no passing test needs

    near = difflib.get_close_matches(str(name), known := list(known), 1)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"


class KnownAttributes:
    """Refuses an attribute that there is none of: to set one that is misspelt would do nothing.

    What can be set are slots, and properties with a setter.  A subclass without ``__slots__`` can have more.
    """

    __slots__ = ()

    _settable_elsewhere = ""
    """What to say in place of a suggestion, where nothing can be set."""

    if not TYPE_CHECKING:  # where it would let every name be read and set

        def __getattr__(self, name: str) -> NoReturn:
            kind = type(self)
            found = getattr(kind, name, None)
            if isinstance(found, property):  # which has raised what is an AttributeError, too: ServerNotStarted
                return found.__get__(self)
            text = f"{kind.__name__} has no attribute {name!r}: {suggest_name(name, _public(kind))}"
            raise AttributeError(text, name=None)  # else Python adds a suggestion of its own, which may be private

        def __setattr__(self, name: str, value: object) -> None:
            kind = type(self)
            if not _is_settable(kind, name):
                if not name.startswith("_") and hasattr(kind, name):
                    raise AttributeError(f"{kind.__name__}.{name} can only be read")
                if not kind.__dictoffset__:
                    public = _public(kind)
                    settable = [known for known in public if _is_settable(kind, known)]
                    advice = (not settable and self._settable_elsewhere) or suggest_name(name, settable or public)
                    raise AttributeError(f"cannot set {name!r}: {kind.__name__} has no such attribute: {advice}")
            object.__setattr__(self, name, value)


def _public(kind: type) -> list[str]:
    return [name for name in dir(kind) if not name.startswith("_")]


def _is_settable(kind: type, name: str) -> bool:
    found = getattr(kind, name, None)
    return isinstance(found, MemberDescriptorType) or (isinstance(found, property) and found.fset is not None)


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
        parameters = [each for each in inspect.signature(function).parameters.values() if each.name != "self"]
        known = [each.name for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
        known += more
        by_position = [each.name for each in parameters if each.kind is each.POSITIONAL_ONLY]
        # of a class, not of its __init__
        called = function.__qualname__.split(".")[-2] if function.__name__ == "__init__" else function.__name__

        @functools.wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            refuse_unknown(called, kwargs, known, by_position)
            return function(*args, **kwargs)

        return checked

    return decorate


def refuse_unknown(function: str, given: Iterable[str], known: Sequence[str], by_position: Sequence[str] = ()) -> None:
    """Refuse the first keyword of a call that is not known.

    Args:
        function: Whose keywords they are.
        given: Those that it was called with.
        known: Those that it takes.
        by_position: The names of arguments that it takes without a name.

    Raises:
        TypeError: There is one.
    """
    for name in given:
        if name in known:
            continue
        if name in by_position:
            order = ", ".join(by_position)
            raise TypeError(f"{function}() takes {name!r} by its position, without its name: {function}({order}, …)")
        advice = suggest_name(name, known) if known else "it takes none"
        advice = advice[0].upper() + advice[1:]
        raise TypeError(f"{function}() got an unexpected keyword argument {name!r}. {advice}")

"""Read a setting: a class attribute, which an environment variable overrides for one run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, TypeVar

from ..core.checks import is_count, read_switch
from ..errors import UsageError

__all__ = ["read_flag", "read_optional", "read_setting"]

__unittest = True
__tracebackhide__ = True

C = TypeVar("C", str, int, float, bool)

_WANTED = {
    int: "a whole number, 0 or more",
    float: "a number of seconds, 0 or more",
    bool: "True or False",
    str: "text",
}


def read_setting(case: type, attribute: str, variable: str, kind: type[C], choices: Sequence[C] = ()) -> C:
    """The value of a class attribute, or of the environment variable if that is set: see `ServerTestCase.setting`."""
    text = os.environ.get(variable, "").strip()
    if kind is bool and text:
        return bool(read_switch(variable))
    what = f"the environment variable {variable}" if text else f"{case.__name__}.{attribute}"
    value: Any = text or getattr(case, attribute)
    shown = value
    if text:
        try:
            value = kind(text)
        except ValueError:
            value = None  # of no kind, and refused below
    if kind is int:
        fits = is_count(value)
    elif kind is float:
        fits = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")
    else:
        fits = isinstance(value, kind)
    if not fits or (choices and value not in choices):
        wanted = f"one of {', '.join(map(repr, choices))}" if choices else _WANTED[kind]
        raise UsageError(f"{what} is {shown!r}; wanted {wanted}")
    checked: C = value
    return checked


def read_optional(case: type, attribute: str, variable: str, kind: type[C], choices: Sequence[C] = ()) -> C | None:
    """A setting that may be None; the variable says it with the word none."""
    text = os.environ.get(variable, "").strip()
    if text.lower() == "none" or (not text and getattr(case, attribute) is None):
        return None
    return read_setting(case, attribute, variable, kind, choices)


def read_flag(case: type, attribute: str, variable: str) -> Any:
    """A setting that is True or False, or something that no variable can say."""
    value = getattr(case, attribute)
    if isinstance(value, bool) or os.environ.get(variable, "").strip():
        return read_setting(case, attribute, variable, bool)
    return value

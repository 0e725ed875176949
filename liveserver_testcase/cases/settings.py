"""Read a setting: a class attribute, which an environment variable overrides for one run."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any, TypeVar

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
_TRUTHS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def read_setting(case: type, attribute: str, variable: str, kind: type[C], choices: Sequence[C] = ()) -> C:
    """The value of a class attribute, or of the environment variable if that is set: see `ServerTestCase.setting`."""
    text = os.environ.get(variable, "").strip()
    if not text:
        value = getattr(case, attribute)
        return _check(f"{case.__name__}.{attribute}", value, value, kind, choices)
    what = f"the environment variable {variable}"
    try:
        parsed = _TRUTHS[text.lower()] if kind is bool else kind(text)
    except (ValueError, KeyError) as error:
        raise _unwanted(what, text, kind, choices) from error
    return _check(what, text, parsed, kind, choices)


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


def _check(what: str, shown: object, value: Any, kind: type[C], choices: Sequence[C]) -> C:
    """``value`` if it is a sensible ``kind``."""
    accepted: Any = (int, float) if kind is float else kind
    fits = isinstance(value, accepted) and (kind is bool or not isinstance(value, bool))
    if fits and kind in (int, float):
        fits = 0 <= value < math.inf
    if not fits or (choices and value not in choices):
        raise _unwanted(what, shown, kind, choices)
    checked: C = value
    return checked


def _unwanted(what: str, shown: object, kind: type, choices: Sequence[object]) -> UsageError:
    wanted = f"one of {', '.join(map(repr, choices))}" if choices else _WANTED[kind]
    return UsageError(f"{what} is {shown!r}; wanted {wanted}")

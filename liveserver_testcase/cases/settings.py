"""Read a setting: a class attribute, which an environment variable overrides for one run."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any, TypeVar

from ..errors import UsageError

__all__ = ["read_setting"]

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
    """The value of a class attribute, or of the environment variable if that is set to anything.

    Args:
        case: The class.
        attribute: Such as ``live_port``.
        variable: Such as ``LIVESERVER_PORT``.
        kind: ``str``, ``int`` (0 or more), ``float`` (seconds) or ``bool``, which a variable says with ``1``, ``true``,
            ``yes``, ``on`` or their opposites.
        choices: The values that there are; none for any.

    Raises:
        UsageError: The value is no ``kind``, or none of the choices; says whether it is the attribute's or the
            variable's.
    """
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

"""Read a setting: a class attribute, which an environment variable overrides for one run."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any, TypeVar

from ..errors import UsageError

__all__ = ["check_spelling", "read_setting"]

__unittest = True
__tracebackhide__ = True

C = TypeVar("C", str, int, float, bool)

_WANTED = {
    int: "a whole number, 0 or more",
    float: "a number of seconds, 0 or more",
    bool: "True or False",
    str: "text",
}
_PREFIXES = ("live_", "stub_", "smtp_")
_PACKAGE = __name__.partition(".")[0]
_ALIKE = 0.87  # how much alike two names are of which one was meant, from 0 to 1
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


def check_spelling(case: type) -> None:
    """Refuse a class attribute that looks like a setting which it is not: it would be passed over in silence.

    Raises:
        UsageError: There is one; the message names the setting that was meant.
    """
    ours = [vars(base) for base in case.__mro__ if base.__module__.partition(".")[0] == _PACKAGE]
    for base in case.__mro__:
        for name, value in vars(base).items():
            if name.startswith(_PREFIXES) and not any(name in names for names in ours) and not _is_code(value):
                settings = [known for names in ours for known, kept in names.items() if not _is_code(kept)]
                _refuse_if_misspelt(base, name, value, settings)


def _is_code(value: object) -> bool:
    return callable(value) or hasattr(value, "__get__")


def _refuse_if_misspelt(base: type, name: str, value: object, settings: Sequence[str]) -> None:
    from difflib import get_close_matches  # seldom needed

    nearest = get_close_matches(name, settings, 1, _ALIKE)
    if nearest:
        raise UsageError(
            f"{base.__name__}.{name} = {value!r} is no setting, and would do nothing: did you mean {nearest[0]}? "
            "If it is an attribute of your own, give it another name."
        )


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

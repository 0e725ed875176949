"""Where a value differs from what is wanted, in words.  Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ..core.text import describe_error, quote
from .values import (
    ABSENT,
    ALL_OF,
    INCLUDING,
    UNORDERED,
    Combinator,
    accepts,
    find_odd_item,
    merge_values,
    show,
)

__all__ = ["Difference", "find_differences", "find_value_differences"]

_MOST = 20  # differences that are looked for: the first is shown, and how many more there are


class Difference(NamedTuple):
    """One place where what came is not what was wanted.

    Attributes:
        where: The place, such as ``$.items[0].price``; ``$`` is the whole.
        wanted: What was wanted there, as text.
        got: What is there, as text.
        hint: What the likely mistake is; may be empty.
        texts: Both, if they are texts, for a diff.
    """

    where: str
    wanted: str
    got: str
    hint: str = ""
    texts: tuple[str, str] | None = None


def find_differences(wanted: object, got: object, where: str = "$") -> list[Difference]:
    """Where ``got`` differs from what is wanted; nothing if it does not."""
    try:
        if accepts(wanted, got):
            return []
    except Exception as error:
        reason = f"{show(wanted)} raised {describe_error(error)}" if callable(wanted) else describe_error(error)
        return [Difference(where, show(wanted), _show_got(got), reason)]
    if isinstance(wanted, Combinator):
        return _compare_combined(wanted, got, where)[:_MOST]
    if isinstance(wanted, dict) and isinstance(got, Mapping):
        found = _compare_keys(wanted, got, where)
        extra = [key for key in got if key not in wanted]
        allow = "" if found else "INCLUDING({…}) allows more"
        found += [Difference(f"{where}{_step(key)}", "nothing", _show_got(got[key]), allow) for key in extra]
        return found[:_MOST]
    if isinstance(wanted, list | tuple) and isinstance(got, list | tuple):
        return _compare_items(wanted, got, where)[:_MOST]
    texts = (wanted, got) if isinstance(wanted, str) and isinstance(got, str) else None
    return [Difference(where, show(wanted), _show_got(got), _hint(wanted, got), texts)]


def find_value_differences(
    wanted: object, values: Sequence[str], where: str, accepts_it: Callable[[object], bool]
) -> list[Difference]:
    """Where what came under one name differs from what is wanted, unless that is accepted."""
    try:
        if accepts_it(wanted):
            return []
    except Exception as error:
        return [Difference(where, show(wanted), _show_got(merge_values(values)), f"raised {describe_error(error)}")]
    hint = ""
    if len(values) > 1 and not isinstance(wanted, list | tuple | Combinator):
        hint = f"it came {len(values)} times: write a list for all of them"
    got = merge_values(values)
    return [Difference(where, show(wanted), _show_got(got), hint or _hint(wanted, got))]


def _compare_combined(wanted: Combinator, got: object, where: str) -> list[Difference]:
    """Of those that accept many values and have parts: which part is missed."""
    if isinstance(wanted, ALL_OF):
        return [found for part in wanted.wanted for found in find_differences(part, got, where)]
    if isinstance(wanted, INCLUDING) and isinstance(got, Mapping):
        parts = [part for part in wanted.wanted if isinstance(part, Mapping)]
        if len(parts) == len(wanted.wanted):
            return [found for part in parts for found in _compare_keys(part, got, where)]
    if isinstance(wanted, UNORDERED) and isinstance(got, list | tuple) and len(got) != len(wanted.items):
        return [_other_length(where, len(wanted.items), len(got))]
    if isinstance(wanted, INCLUDING | UNORDERED) and isinstance(got, list | tuple):
        number = find_odd_item(wanted.items, got)
        odd = "other items" if number is None else f"an item {show(wanted.items[number])}"
        return [Difference(where, odd, _show_got(got))]
    return [Difference(where, show(wanted), _show_got(got), _hint(wanted, got))]


def _compare_keys(wanted: Mapping[Any, object], got: Mapping[Any, object], where: str) -> list[Difference]:
    return [
        found
        for key, want in wanted.items()
        for found in find_differences(want, got.get(key, ABSENT), f"{where}{_step(key)}")
    ]


def _compare_items(wanted: Sequence[object], got: Sequence[object], where: str) -> list[Difference]:
    if len(wanted) == len(got) and UNORDERED(*wanted).accepts(got):
        return [
            Difference(where, show(wanted), _show_got(got), "the same items in another order: UNORDERED(…) allows it")
        ]
    found = [
        difference
        for index, (want, item) in enumerate(zip(wanted, got, strict=False))
        for difference in find_differences(want, item, f"{where}[{index}]")
    ]
    return [*found, _other_length(where, len(wanted), len(got))] if len(wanted) != len(got) else found


def _other_length(where: str, wanted: int, got: int) -> Difference:
    return Difference(where, f"a list of {wanted}", f"a list of {got}")


def _step(key: object) -> str:
    """A key as a step of a path: plainly where it can be, else in brackets."""
    return f".{key}" if isinstance(key, str) and re.fullmatch(r"\w+", key) else f"[{quote(key)}]"


_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "a truth value"),
    ((int, float), "a number"),
    (str, "a text"),
    (dict, "an object"),
    ((list, tuple), "a list"),
    (type(None), "null"),
)


def _kind(value: object) -> str:
    return next((name for kinds, name in _KINDS if isinstance(value, kinds)), "")


def _hint(wanted: object, got: object) -> str:
    """What makes the one of the other, or that they are of different kinds."""
    if got is ABSENT or wanted is ABSENT:
        return ""
    if isinstance(wanted, str) and isinstance(got, str):
        if wanted.strip() == got.strip():
            return "white space differs at the ends"
        return "upper and lower case differ" if wanted.lower() == got.lower() else ""
    if isinstance(wanted, re.Pattern) and isinstance(got, str) and isinstance(wanted.pattern, str):
        return "the pattern matches a part of it, and must match all" if wanted.search(got) else ""
    kinds = _kind(wanted), _kind(got)
    return f"{kinds[1]}, not {kinds[0]}" if all(kinds) and kinds[0] != kinds[1] else ""


def _show_got(value: object) -> str:
    return "nothing" if value is ABSENT else quote(value)

"""Where a value differs from what is wanted, in words.  Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

from ..core.text import describe_error, quote
from .values import (
    ABSENT,
    ALL_OF,
    INCLUDING,
    UNORDERED,
    Combinator,
    accepts,
    first_unassigned,
    merge_values,
    show,
)

__all__ = ["Difference", "find_differences", "find_value_differences"]

_MOST_ALIGNED = 10_000  # pairs of items that are compared to find out which belong together: it takes time
_MOST = 1000  # differences of one value: some are shown, and how many more there are


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
        return _compare_keys(wanted, got, where, is_exact=True)[:_MOST]
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
    if isinstance(wanted, INCLUDING | UNORDERED) and isinstance(got, list | tuple):
        return _compare_unordered(wanted.items, got, where)
    return [Difference(where, show(wanted), _show_got(got), _hint(wanted, got))]


def _compare_unordered(wanted: Sequence[object], got: Sequence[object], where: str) -> list[Difference]:
    """The first item that is missing, or the first that is too many."""
    number = first_unassigned(wanted, got)
    if number is not None:
        return [Difference(where, f"an item {show(wanted[number])}", _show_got(got))]
    extra = [item for item in got if not any(accepts(want, item) for want in wanted)]
    if extra:
        return [Difference(where, "no other item", f"an item {_show_got(extra[0])}")]
    return [Difference(where, f"a list of {len(wanted)}", f"a list of {len(got)}")]


def _compare_keys(
    wanted: Mapping[Any, object], got: Mapping[Any, object], where: str, *, is_exact: bool = False
) -> list[Difference]:
    extra = [key for key in got if key not in wanted]
    found: list[Difference] = []
    for key, want in wanted.items():
        for difference in find_differences(want, got.get(key, ABSENT), f"{where}{_step(key)}"):
            misspelt = _find_misspelt(key, extra) if key not in got else None
            if misspelt is not None:
                extra.remove(misspelt)
                difference = difference._replace(hint=f"there is {quote(misspelt)}: is it misspelt?")
            found.append(difference)
    if is_exact:
        allow = "" if found else "INCLUDING({…}) allows more"
        found += [Difference(f"{where}{_step(key)}", "nothing", _show_got(got[key]), allow) for key in extra]
    return found


def _find_misspelt(key: object, others: Sequence[object]) -> object | None:
    """Which of the other keys is probably the one that was meant."""
    names = {_plain(other): other for other in others if isinstance(other, str)}
    if not isinstance(key, str) or not names:
        return None
    from difflib import get_close_matches  # costs a millisecond that no passing test needs

    near = get_close_matches(_plain(key), names, 1, 0.75)
    return names[near[0]] if near else None


def _plain(key: str) -> str:
    """A key without what styles of writing make of it: ``user_id`` is ``userId``."""
    return re.sub(r"[\W_]", "", key).lower() or key


def _compare_items(wanted: Sequence[object], got: Sequence[object], where: str) -> list[Difference]:
    if len(wanted) == len(got) and UNORDERED(*wanted).accepts(got):
        return [
            Difference(where, show(wanted), _show_got(got), "the same items in another order: UNORDERED(…) allows it")
        ]
    found: list[Difference] = []
    for left, right in _align(wanted, got):
        if right is None:
            found.append(Difference(f"{where}[{left}]", show(wanted[left or 0]), "nothing"))
        elif left is None:
            found.append(Difference(f"{where}[{right}]", "nothing", _show_got(got[right])))
        else:
            found += find_differences(wanted[left], got[right], f"{where}[{right}]")
    return found


def _align(wanted: Sequence[object], got: Sequence[object]) -> list[tuple[int | None, int | None]]:
    """Which item belongs to which, by the least cost: so one item more or less is one difference."""
    start = 0
    while start < min(len(wanted), len(got)) and not _cost(wanted[start], got[start]):
        start += 1
    end = 0
    while end < min(len(wanted), len(got)) - start and not _cost(wanted[-1 - end], got[-1 - end]):
        end += 1
    rows, columns = range(start, len(wanted) - end), range(start, len(got) - end)
    if len(rows) * len(columns) > _MOST_ALIGNED:
        return list(zip_longest(rows, columns))
    costs = {(row, column): _cost(wanted[row], got[column]) for row in rows for column in columns}
    best: dict[tuple[int, int], tuple[float, int, int]] = {(rows.stop, columns.stop): (0.0, 0, 0)}
    for row in reversed(range(start, rows.stop + 1)):
        for column in reversed(range(start, columns.stop + 1)):
            steps = [
                (cost + best[row + down, column + along][0], down, along)
                for cost, down, along in ((costs.get((row, column), 0.0), 1, 1), (1.0, 1, 0), (1.0, 0, 1))
                if (row + down, column + along) in best
            ]
            if steps:
                best[row, column] = min(steps, key=lambda step: step[0])
    pairs: list[tuple[int | None, int | None]] = []
    row = column = start
    while (row, column) != (rows.stop, columns.stop):
        _, down, along = best[row, column]
        pairs.append((row if down else None, column if along else None))
        row, column = row + down, column + along
    return pairs


def _cost(wanted: object, got: object) -> float:
    """How different two items are: 0 if they are equal, 1 if they have nothing in common."""
    try:
        if accepts(wanted, got):
            return 0.0
        if not isinstance(wanted, dict) or not isinstance(got, Mapping):
            return 1.0
        same = sum(key in got and accepts(want, got[key]) for key, want in wanted.items())
    except Exception:  # of a predicate that was made for other items
        return 1.0
    return 1 - same / len({*wanted, *got})


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

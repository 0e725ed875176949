"""One thing that is wanted of a request, and where a request differs from it, in words.  Pure."""

from __future__ import annotations

import abc
import functools
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from ..core.masking import MASK, is_secret, mask
from ..core.text import count, describe_error, one_line, quote
from .values import (
    ABSENT,
    ALL_OF,
    INCLUDING,
    UNORDERED,
    Combinator,
    accepts,
    first_unassigned,
    freeze,
    merge_values,
    show,
)

if TYPE_CHECKING:
    from .request import RecordedRequest

__all__ = [
    "Difference", "Matcher", "Mismatch", "find_differences", "find_misspelt", "find_value_differences", "make_mismatch",
]  # fmt: skip

_MOST_SHOWN = 5  # differences of one criterion that are shown with their values
_LONG = 60  # characters of a text from which on a diff says more than the two texts
_MOST_ALIGNED = 10_000  # pairs of items that are compared to find out which belong together: it takes time
_MOST = 1000  # differences of one value: some are shown, and how many more there are


@dataclass(frozen=True)
class Mismatch:
    """How a request differs from a criterion.

    Attributes:
        criterion: Which one, such as ``path``.
        wanted: What it wants, as text.
        got: What the request has, as text.
        hint: What the likely mistake is; may be empty.
        distance: How far this takes the request from what was wanted, for finding the nearest miss.
        where: The place within it, such as ``$.items[0].price``; may be empty.
        details: Further lines, such as a diff.
    """

    criterion: str
    wanted: str
    got: str
    hint: str = ""
    distance: float = 1.0
    where: str = ""
    details: tuple[str, ...] = ()

    def __str__(self) -> str:
        place = f" at {self.where}" if self.where else ""
        return f"{self.criterion}{place}: {_format_difference(self)}"


class Matcher(abc.ABC):
    """One thing that is wanted of a request: a value, or what stands for several."""

    name: ClassVar[str]  # what it looks at, such as path; also the keyword that makes one
    weight: ClassVar[float] = 1.0  # how far a mismatch takes a request from what was wanted; of an address, farther
    reads_body: ClassVar[bool] = False  # it looks, or may look, at the body
    wants_whole_body: ClassVar[bool] = False  # it says what the whole body is, so that two of them make no sense
    is_met_by_key = False  # a request with the same `Criteria.key` cannot miss it

    def __init__(self, wanted: object) -> None:
        self.wanted = wanted

    @abc.abstractmethod
    def matches(self, request: RecordedRequest) -> bool:
        """Return True if ``request`` has it; asked of each request, so it is quick."""

    @abc.abstractmethod
    def explain(self, request: RecordedRequest) -> Mismatch:
        """Return how ``request``, which does not match, differs; asked for a report only."""

    def describe(self) -> str:
        """Write what it wants."""
        return show(self.wanted)

    def make_key(self) -> Hashable | None:
        """Return the content that it wants, if a request matches just where `read_key` returns the same; or None."""
        return None

    @staticmethod
    def read_key(request: RecordedRequest) -> Hashable | None:
        """Return the content that ``request`` has, as `make_key` does; None if it has none."""
        return None

    def compare(self, request: RecordedRequest) -> Mismatch | None:
        """Return None if ``request`` has it, else how it differs."""
        if self.wants_whole_body and request.loss:
            return self.miss(quote(request.body), f"it had {count(request.body_size, 'byte')}{request.loss}")
        try:
            return None if self.matches(request) else self.explain(request)
        except Exception as error:  # of a predicate, or of an __eq__, that was made for other values
            return self.miss(f"raised {describe_error(error)}")

    def miss(self, got: str, hint: str = "", distance: float | None = None) -> Mismatch:
        """Return a mismatch with the whole of what is wanted."""
        return Mismatch(self.name, self.describe(), got, hint, self.weight if distance is None else distance)


# -- where a value differs --------------------------------------------------------------------------------------------


class Difference(NamedTuple):
    """One place where what came is not what was wanted, both as they are shown."""

    where: str  # such as $.items[0].price; $ is the whole
    wanted: str
    got: str
    hint: str = ""
    texts: tuple[str, str] | None = None  # both, if they are texts, for a diff


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
    got = merge_values(values)
    try:
        if accepts_it(wanted):
            return []
        hint = _hint(wanted, got)
        if len(values) > 1 and not isinstance(wanted, list | tuple | Combinator):
            hint = f"it came {len(values)} times: write a list for all of them"
    except Exception as error:
        hint = f"raised {describe_error(error)}"
    return [Difference(where, show(wanted), _show_got(got), hint)]


def _compare_combined(wanted: Combinator, got: object, where: str) -> list[Difference]:
    """Of those that accept many values and have parts: which part is missed."""
    if isinstance(wanted, ALL_OF):
        return [found for part in wanted.wanted for found in find_differences(part, got, where)]
    if (
        isinstance(wanted, INCLUDING)
        and isinstance(got, Mapping)
        and all(isinstance(p, Mapping) for p in wanted.wanted)
    ):
        parts: Any = wanted.wanted
        return [found for part in parts for found in _compare_keys(part, got, where)]
    if not isinstance(wanted, INCLUDING | UNORDERED) or not isinstance(got, list | tuple):
        return [Difference(where, show(wanted), _show_got(got), _hint(wanted, got))]
    number = first_unassigned(wanted.items, got)
    if number is not None:
        return [Difference(where, f"an item {show(wanted.items[number])}", _show_got(got))]
    for item in got:
        if not any(accepts(want, item) for want in wanted.items):
            return [Difference(where, "no other item", f"an item {_show_got(item)}")]
    return [Difference(where, f"a list of {len(wanted.items)}", f"a list of {len(got)}")]


def _compare_keys(
    wanted: Mapping[Any, object], got: Mapping[Any, object], where: str, *, is_exact: bool = False
) -> list[Difference]:
    extra = [key for key in got if key not in wanted]
    found: list[Difference] = []
    for key, want in wanted.items():
        differences = find_differences(want, got.get(key, ABSENT), f"{where}{_step(key)}")
        misspelt = find_misspelt(key, extra) if differences and key not in got else None
        if misspelt is not None:
            extra.remove(misspelt)
            hint = f"there is {quote(misspelt)}: is it misspelt?"
            differences = [difference._replace(hint=hint) for difference in differences]
        found += differences
    if is_exact:
        allow = "" if found else "INCLUDING({…}) allows more"
        found += [Difference(f"{where}{_step(key)}", "nothing", _show_got(got[key]), allow) for key in extra]
    return found


def find_misspelt(key: object, others: Sequence[object]) -> str | None:
    """Which of the other keys is probably the one that was meant: ``user_id`` is ``userId``."""

    def strip(name: str) -> str:
        return re.sub(r"[\W_]", "", name).lower() or name

    names = {strip(other): other for other in others if isinstance(other, str)}
    if not isinstance(key, str) or not names:
        return None
    from difflib import get_close_matches  # costs a millisecond that no passing test needs

    near = get_close_matches(strip(key), names, 1, 0.75)
    return names[near[0]] if near else None


def _compare_items(wanted: Sequence[object], got: Sequence[object], where: str) -> list[Difference]:
    if len(wanted) == len(got) and first_unassigned(wanted, got) is None:
        hint = "the same items in another order: UNORDERED(…) allows it"
        return [Difference(where, show(wanted), _show_got(got), hint)]
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
    start = end = 0
    least = min(len(wanted), len(got))
    while start < least and not _cost(wanted[start], got[start]):
        start += 1
    while end < least - start and not _cost(wanted[-1 - end], got[-1 - end]):
        end += 1
    rows, columns = range(start, len(wanted) - end), range(start, len(got) - end)
    if len(rows) * len(columns) > _MOST_ALIGNED:
        return _align_many(wanted, got, rows, columns)
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


def _align_many(
    wanted: Sequence[object], got: Sequence[object], rows: range, columns: range
) -> list[tuple[int | None, int | None]]:
    """The same of too many to compare each with each: what stands between items that are equal, and found by a key."""
    from difflib import SequenceMatcher  # costs a millisecond that no passing test needs

    def make_key(item: object) -> Hashable:
        try:
            return freeze(item)
        except (TypeError, RecursionError):
            return object()  # equal to none

    left, right = [make_key(wanted[row]) for row in rows], [make_key(got[column]) for column in columns]
    pairs: list[tuple[int | None, int | None]] = []
    for tag, top, bottom, first, last in SequenceMatcher(None, left, right).get_opcodes():
        inner, outer = rows[top:bottom], columns[first:last]
        if tag == "replace" and len(inner) * len(outer) <= _MOST_ALIGNED:
            for row, column in _align(wanted[inner.start : inner.stop], got[outer.start : outer.stop]):
                pairs.append((None if row is None else inner[row], None if column is None else outer[column]))
        elif tag != "equal":
            pairs += zip_longest(inner, outer)
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
    (bool, "a truth value"), ((int, float), "a number"), (str, "a text"),
    (dict, "an object"), ((list, tuple), "a list"), (type(None), "null"),
)  # fmt: skip


def _hint(wanted: object, got: object) -> str:
    """What makes the one of the other, or that they are of different kinds."""
    if isinstance(wanted, str) and isinstance(got, str):
        if wanted.strip() == got.strip():
            return "white space differs at the ends"
        return "upper and lower case differ" if wanted.lower() == got.lower() else ""
    if isinstance(wanted, re.Pattern) and isinstance(got, str) and isinstance(wanted.pattern, str):
        return "the pattern matches a part of it, and must match all" if wanted.search(got) else ""
    ours, theirs = (next((name for kinds, name in _KINDS if isinstance(value, kinds)), "") for value in (wanted, got))
    return f"{theirs}, not {ours}" if ours and theirs and ours != theirs else ""


def _show_got(value: object) -> str:
    return "nothing" if value is ABSENT else quote(value)


# -- many differences as one mismatch --------------------------------------------------------------------------------


class _Criterion(Protocol):
    """What a mismatch is of: a `Matcher`, or what compares something else than a request."""

    @property
    def name(self) -> str: ...

    @property
    def weight(self) -> float: ...


def make_mismatch(criterion: _Criterion, found: Sequence[Difference], *, are_parameters: bool = False) -> Mismatch:
    """The first of the differences, a diff if it is one of long texts, and the next four, each with its values."""

    def cover(each: Difference) -> Difference:
        return each._replace(wanted=MASK, got="nothing" if each.got == "nothing" else "another", texts=None)

    hides = functools.partial(is_secret, is_parameter=are_parameters)
    first, *rest = (cover(each) if hides(each.where) else each for each in found)
    hint = "; ".join(filter(None, [first.hint, count(len(rest), "more difference") if rest else ""]))
    where = "" if first.where == "$" else one_line(first.where)
    lines = [f"at {one_line(each.where)}: {_format_difference(each)}" for each in rest[: _MOST_SHOWN - 1]]
    if len(rest) >= _MOST_SHOWN:
        lines.append(f"… and {count(len(rest) - _MOST_SHOWN + 1, 'more difference')}")
    distance = 1.0 if hides(first.where) else criterion.weight * (1 - 0.5 / (1 + len(found)))
    details = (*(_diff(*first.texts) if first.texts else ()), *lines)
    return Mismatch(criterion.name, first.wanted, first.got, hint, distance, where, details)


def _format_difference(difference: Difference | Mismatch) -> str:
    text = f"wanted {difference.wanted}, got {difference.got}"
    return f"{text} ({difference.hint})" if difference.hint else text


def _diff(wanted: str, got: str) -> tuple[str, ...]:
    """The lines that differ, or where one long line does; without their secrets."""
    if max(len(wanted), len(got)) < _LONG and "\n" not in wanted + got:
        return ()
    # Comparing takes time.  Masked before they are cut into lines, for a secret can have several.
    wanted, got = mask(wanted[:20_000]), mask(got[:20_000])
    if wanted == got:
        return (f"they differ where {MASK} stands, or after 20,000 characters",)
    left, right = wanted.splitlines(), got.splitlines()
    if len(left) <= 1 and len(right) <= 1:
        pairs = enumerate(zip(wanted, got, strict=False))
        same = next((place for place, (a, b) in pairs if a != b), min(len(wanted), len(got)))
        start = max(0, same - 20)
        lead = "…" if start else ""
        return (
            f"they differ from character {same + 1:,} on:",
            f"  wanted {lead}{show(wanted[start : same + 40])}",
            f"  got    {lead}{show(got[start : same + 40])}",
        )
    import difflib  # costs a millisecond that no passing test needs

    lines = list(difflib.unified_diff(left, right, "wanted", "got", lineterm="", n=2))
    shown = [quote(line)[1:-1] for line in lines[:20]]
    return (*shown, f"… {len(lines) - 20:,} more lines") if len(lines) > 20 else tuple(shown)

"""The one rule by which a wanted value is compared with what came, and the values that stand for many.

A plain value means equality, and inside lists and mappings each part follows the rule itself.  A compiled pattern must
match a whole text; a callable is asked; a type wants an instance of it; an ``__eq__`` of an object's own decides.
"""

from __future__ import annotations

import contextlib
import enum
import math
import re
import sys
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, TypeGuard, TypeVar

from ..core.checks import is_predicate
from ..core.masking import MASK, is_secret
from ..core.text import one_line, quote
from ..errors import UsageError

__all__ = [
    "ABSENT", "ALL_OF", "ANY_OF", "INCLUDING", "NOT", "UNORDERED", "Combinator", "Logical", "Masked", "accepts",
    "accepts_each", "accepts_values", "check_json", "decides_on_text", "first_unassigned", "freeze",
    "is_custom_comparator", "is_type", "list_parts", "make_text", "merge_values", "show",
]  # fmt: skip


C = TypeVar("C", bound="Combinator")


class Combinator:
    """A value that stands for many: equal to each that it accepts, so that it works wherever values are compared."""

    def __init__(self, *wanted: object) -> None:
        self.wanted = wanted

    @property
    def items(self) -> Sequence[object]:
        """What a list must have: one list was given, or its items."""
        first = self.wanted[0] if len(self.wanted) == 1 else None
        return first if isinstance(first, list | tuple) else self.wanted

    def accepts(self, got: object) -> bool:
        """Whether ``got`` is one of the values; ``ABSENT`` if there is none."""
        raise NotImplementedError

    def accepts_values(self, values: Sequence[str]) -> bool:
        """The same for something that can come several times, such as a parameter of a query."""
        raise NotImplementedError

    def map(self: C, function: Callable[[object], object]) -> C:
        """The same of other values."""
        return type(self)(*map(function, self.wanted))

    def __eq__(self, other: object) -> bool:
        return other is self or (not isinstance(other, Combinator) and self.accepts(other))

    __hash__ = None  # type: ignore[assignment]  # equal to values of many hashes

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(show, self.wanted))})"


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"

    def __reduce__(self) -> str:
        return "ABSENT"  # in another process it is that one's


ABSENT = _Absent()
"""Stands for nothing: wanted of a header, cookie, parameter or key, it must not be there."""


class Logical(Combinator):
    """A combination that asks the same of each of its values."""

    def __init__(self, *wanted: object) -> None:
        if not wanted:
            raise UsageError(f"{type(self).__name__}() combines nothing; wanted values")
        super().__init__(*wanted)

    def combine(self, test: Callable[[object], bool]) -> bool:
        """Return what follows from ``test`` of each value."""
        raise NotImplementedError

    def accepts(self, got: object) -> bool:
        return self.combine(lambda wanted: accepts(wanted, got))

    def accepts_values(self, values: Sequence[str]) -> bool:
        return self.combine(lambda wanted: accepts_values(wanted, values))


class ANY_OF(Logical):
    """Accepts what at least one of the values accepts; `ABSENT` may be among them."""

    def combine(self, test: Callable[[object], bool]) -> bool:
        return any(map(test, self.wanted))


class ALL_OF(Logical):
    """Accepts what each of the values accepts."""

    def combine(self, test: Callable[[object], bool]) -> bool:
        return all(map(test, self.wanted))


class NOT(Logical):
    """Accepts what the value does not accept; ``NOT(ABSENT)`` is there, whatever it is."""

    def __init__(self, wanted: object, /) -> None:
        super().__init__(wanted)

    def combine(self, test: Callable[[object], bool]) -> bool:
        return not test(self.wanted[0])


class INCLUDING(Combinator):
    """Accepts what has at least this: keys of a mapping, items of a list, parts of a text.

    ``INCLUDING({"id": 1})`` accepts an object with more keys, ``INCLUDING("a", "b")`` a list with more items, in any
    order, or a text in which both stand.  What is nested in it is compared as a whole: write INCLUDING there, too.
    """

    def __init__(self, *wanted: object) -> None:
        if not wanted:
            raise UsageError("INCLUDING() includes nothing; wanted a mapping, items of a list, or parts of a text")
        super().__init__(*wanted)

    def accepts(self, got: object) -> bool:
        if isinstance(got, Mapping):
            return all(
                isinstance(part, Mapping) and all(accepts(want, got.get(key, ABSENT)) for key, want in part.items())
                for part in self.wanted
            )
        if isinstance(got, str | bytes):
            kind: Any = str if isinstance(got, str) else bytes
            return all(
                isinstance(part.pattern, kind) and part.search(got) is not None
                if isinstance(part, re.Pattern)
                else isinstance(part, kind) and part in got
                for part in self.items
            )
        return isinstance(got, list | tuple) and first_unassigned(self.items, got) is None

    def accepts_values(self, values: Sequence[str]) -> bool:
        is_list = len(values) > 1 or len(self.wanted) > 1 or isinstance(self.wanted[0], list | tuple)
        return bool(values) and self.accepts(list(values) if is_list else values[0])


class UNORDERED(Combinator):
    """Accepts a list of exactly these items, in any order."""

    def accepts(self, got: object) -> bool:
        items = self.items
        return isinstance(got, list | tuple) and len(got) == len(items) and first_unassigned(items, got) is None

    def accepts_values(self, values: Sequence[str]) -> bool:
        return self.accepts(list(values))


# -- what can be wanted ------------------------------------------------------------------------------------------------

_TEXTS = ("uuid.UUID", "decimal.Decimal", "datetime.date", "ipaddress.IPv4Address", "ipaddress.IPv6Address")
_MOST_WRITTEN = 100  # items of a mapping or a list: as many as can be seen in a text that is cut anyway
_JSON: tuple[object, ...] = ("", 0, 0.5, True, None, [], {})  # one value of each kind


def is_custom_comparator(value: object) -> bool:
    """Whether a value decides for itself: it is callable, or has an ``__eq__`` of its own."""
    if callable(value):
        return is_predicate(value)
    # that of Python's own types, such as a date, and the one that a dataclass is given, know their own kind only
    owner = next(each for each in type(value).__mro__ if "__eq__" in each.__dict__)
    root = owner.__module__.partition(".")[0]
    if root in sys.stdlib_module_names and root != "unittest":
        return False
    return not hasattr(owner, "__dataclass_fields__") or owner.__eq__.__code__.co_filename != "<string>"


def _is_a(value: object, *names: str) -> bool:
    # none of the classes is imported for that
    return any(f"{each.__module__}.{each.__qualname__}" in names for each in type(value).__mro__)


def _list_items(value: object) -> Sequence[object]:
    """The items that a list must have, if it is one that is wanted."""
    return value.items if isinstance(value, INCLUDING | UNORDERED) else value if isinstance(value, list | tuple) else ()


def make_text(criterion: str, name: str, value: object) -> object:
    """What is wanted of something that is sent as text: numbers as that; what accepts no text is a `UsageError`."""
    if isinstance(value, str) or value is ABSENT:
        return value
    if any(part is ABSENT or isinstance(part, list | tuple) for part in _list_items(value)):
        raise UsageError(
            f"{criterion} wants for {name!r} a list with another list, or ABSENT, in it, which never comes; "
            "wanted the texts alone"
        )
    if isinstance(value, Combinator):
        return value.map(lambda part: make_text(criterion, name, part))
    if isinstance(value, list | tuple):
        return [make_text(criterion, name, part) for part in value]
    shown = f"{criterion} wants {MASK if is_secret(name) else show(value)} for {name!r}"
    if isinstance(value, bool) or value is None:
        advice = "'' for an empty value, or ABSENT"
        if value is not None:
            advice = f"'{str(value).lower()}', '{value}' or '{value:d}', as it is sent"
        raise UsageError(f"{shown}, which no request can carry: write {advice}")
    is_datetime = _is_a(value, "datetime.datetime")
    if (isinstance(value, int | float) and not isinstance(value, enum.Enum)) or (
        _is_a(value, *_TEXTS) and not is_datetime
    ):
        return str(value)
    if decides_on_text(value):
        return value
    advice = "a text, a compiled pattern of one, or a predicate"
    if isinstance(value, bytes):
        advice = repr(value.decode("utf-8", "replace"))
    elif isinstance(value, enum.Enum):
        advice = f"{type(value).__name__}.{value.name}.value"
    elif is_datetime:
        advice = f"{str(value)!r} or {str(value).replace(' ', 'T')!r}, as it is sent"
    elif isinstance(value, set | frozenset):
        advice = "ANY_OF(…), or UNORDERED(…) for all of them"
    what = "a class" if isinstance(value, type) else f"of type {type(value).__name__}"
    raise UsageError(f"{shown}, {what}; what is sent is text: write {advice}")


def check_json(value: object) -> None:
    """Refuse with a `UsageError` what no JSON can be equal to, or has in it what none can."""
    if any(part is ABSENT for part in _list_items(value)):
        raise UsageError(f"json wants {show(value)}, a list with ABSENT in it; an item that is not there is left out")
    if isinstance(value, Combinator | list | tuple):
        for part in value.wanted if isinstance(value, Combinator) else value:
            check_json(part)
    elif isinstance(value, Mapping):
        for key, part in value.items():
            if not isinstance(key, str):
                raise UsageError(f"json wants the key {show(key)}; in JSON every key is a text: {str(key)!r}")
            check_json(part)
    elif isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"json wants {value!r}, which is no JSON")
    elif isinstance(value, str | int | float | type(None)) or value is ABSENT or is_text_pattern(value):
        return
    elif is_type(value):
        if not any(isinstance(one, value) for one in _JSON):
            raise UsageError(f"json wants {value.__name__}, and no value of JSON is one")
    elif not is_custom_comparator(value):
        raise UsageError(
            f"json wants {show(value)}, of type {type(value).__name__}, which no JSON is; "
            f"write how it is sent, such as {str(value)!r}"
        )


def is_text_pattern(value: object) -> bool:
    """Whether it is a compiled pattern of text, and not of bytes."""
    return isinstance(value, re.Pattern) and isinstance(value.pattern, str)


def decides_on_text(value: object) -> bool:
    """Whether it stands for texts without being one: a pattern, a class of texts, or what decides for itself."""
    if is_type(value):
        return issubclass(str, value)
    return is_text_pattern(value) or (is_custom_comparator(value) and not isinstance(value, UNORDERED))


def is_type(value: object) -> TypeGuard[type]:
    """Whether a value wants an instance of it: it is a class, and does not compare for itself, as dirty-equals' do."""
    return isinstance(value, type) and type(value).__eq__ is type.__eq__


# -- whether -----------------------------------------------------------------------------------------------------------


def accepts(wanted: object, got: object) -> bool:
    """Whether ``got``, which is ``ABSENT`` if nothing came, is what is wanted; what a predicate raises comes out."""
    if wanted.__class__ is str:  # most are
        return wanted == got
    if isinstance(wanted, Combinator):
        return wanted.accepts(got)
    if wanted is ABSENT or got is ABSENT:
        return wanted is got
    if isinstance(wanted, dict):
        return (
            isinstance(got, Mapping)
            and all(accepts(want, got.get(key, ABSENT)) for key, want in wanted.items())
            and all(key in wanted for key in got)
        )
    if isinstance(wanted, list | tuple):
        return isinstance(got, list | tuple) and len(wanted) == len(got) and all(map(accepts, wanted, got))
    if isinstance(wanted, re.Pattern):
        return isinstance(got, type(wanted.pattern)) and wanted.fullmatch(got) is not None
    if isinstance(wanted, bool) or isinstance(got, bool):  # true is not 1, although Python says so
        if wanted.__class__ is bool or isinstance(wanted, int | float):
            return wanted is got
    if is_type(wanted):
        return isinstance(got, wanted) and not (isinstance(got, bool) and wanted is not bool and wanted is not object)
    if callable(wanted) and not isinstance(wanted, type):
        return bool(wanted(got))
    return bool(wanted == got)


def list_parts(wanted: object) -> list[object]:
    """The values that one is combined of, each of which `accepts_each` asks about; itself, if it is not combined."""
    if not isinstance(wanted, Logical):
        return [wanted]
    return [part for each in wanted.wanted for part in list_parts(each)]


def accepts_each(test: Callable[[object], bool], wanted: object) -> bool:
    """Whether what came is what is wanted, where ``test`` says so of each value that several are combined of."""
    return wanted.combine(partial(accepts_each, test)) if isinstance(wanted, Logical) else test(wanted)


def accepts_values(wanted: object, values: Sequence[str]) -> bool:
    """Whether what came under one name is what is wanted: of a list each, in order; else the only one."""
    if wanted.__class__ is str:
        return len(values) == 1 and values[0] == wanted
    if isinstance(wanted, Combinator):
        return wanted.accepts_values(values)
    if isinstance(wanted, list | tuple):
        return accepts(wanted, list(values))
    if len(values) > 1 and (callable(wanted) or isinstance(wanted, re.Pattern)):
        return False
    return accepts(wanted, merge_values(values))


def merge_values(values: Sequence[object]) -> object:
    """The only value; all, if they are several; ABSENT if there is none."""
    return list(values) if len(values) > 1 else values[0] if values else ABSENT


def first_unassigned(wanted: Sequence[object], got: Sequence[object]) -> int | None:
    """Find an item of its own for each that is wanted; None if that succeeds, else the first without one."""
    # Several can be accepted by the same item, so that the first choice is not always right: augmenting paths.
    taken: dict[int, int] = {}  # index of what came -> index of who wants it
    places: dict[Hashable, list[int]] = {}
    others: list[int] = []  # who accept more than one value
    with contextlib.suppress(TypeError, RecursionError):
        for index, item in enumerate(got):
            places.setdefault(freeze(item), []).append(index)
    for number, want in enumerate(wanted):
        try:  # of equal items each is as good as another
            taken[places[freeze(want)].pop()] = number
        except (TypeError, LookupError, RecursionError):
            others.append(number)

    def place(number: int, tried: set[int]) -> bool:
        for is_free in (True, False):
            for index, item in enumerate(got):
                if index not in tried and (index not in taken) is is_free and accepts(wanted[number], item):
                    tried.add(index)
                    if is_free or place(taken[index], tried):
                        taken[index] = number
                        return True
        return False

    return next((number for number in others if not place(number, set())), None)


def freeze(value: object) -> Hashable:
    """A plain value as a key: two have the same if and only if each accepts the other; others are a TypeError."""
    kind = value.__class__
    if kind is str or kind is int or kind is float or value is None:
        return value
    if kind is bool:
        return bool, value
    if kind is dict:
        return dict, frozenset([(key, freeze(part)) for key, part in value.items()])  # type: ignore[attr-defined]
    if kind is list or kind is tuple:
        return list, tuple(map(freeze, value))  # type: ignore[call-overload]
    raise TypeError(f"{kind.__name__} is not plain")


# -- in words ----------------------------------------------------------------------------------------------------------


class Masked:
    """Stands for a value that must not be read in a report."""

    def __repr__(self) -> str:
        return MASK


def show(value: object) -> str:
    """A wanted value as it was written, without addresses, cut if it is long."""
    return quote(value) if isinstance(value, str | bytes) else one_line(_write(value))


def _write(value: object) -> str:
    if isinstance(value, str | bytes):
        return quote(value)
    if isinstance(value, dict) and value.__class__ is dict:
        return "{" + ", ".join(f"{key!r}: {_write(part)}" for key, part in islice(value.items(), _MOST_WRITTEN)) + "}"
    if isinstance(value, list) and value.__class__ is list:
        return f"[{', '.join(map(_write, value[:_MOST_WRITTEN]))}]"
    if isinstance(value, type):
        return value.__name__
    code = getattr(value, "__code__", None)
    if getattr(value, "__name__", "") == "<lambda>" and code is not None:
        return f"the lambda in line {code.co_firstlineno}"
    if callable(value) and hasattr(value, "__name__"):
        return f"{value.__name__}()"
    try:
        return repr(value)
    except Exception as error:  # a report must come to its end
        return f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"

"""The one rule by which a wanted value is compared, and where a value differs."""

from __future__ import annotations

import re
import unittest
from dataclasses import dataclass
from typing import Any
from unittest import mock

from liveserver_testcase import ABSENT, ALL_OF, ANY_OF, INCLUDING, NOT, UNORDERED
from liveserver_testcase.stub.matcher import find_differences
from liveserver_testcase.stub.values import accepts, accepts_values, show


class Even:
    """As the objects of dirty-equals: it compares for itself."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int) and other % 2 == 0

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "Even()"


class OddMeta(type):
    """As the classes of dirty-equals: also the class itself compares."""

    def __eq__(cls, other: object) -> bool:
        return isinstance(other, int) and other % 2 == 1

    __hash__ = type.__hash__


class Odd(metaclass=OddMeta):
    """Equal to odd numbers."""


@dataclass(frozen=True)
class Between:
    """A predicate that is a value, too."""

    low: int
    high: int

    def __call__(self, value: int) -> bool:
        return self.low <= value <= self.high


class AcceptsTest(unittest.TestCase):
    """What is accepted."""

    def test_what_is_accepted_and_what_is_not(self) -> None:
        """Each wanted value, what it accepts and what it does not; where that differs is found, or not, as well."""
        nested = {"id": mock.ANY, "n": [Even(), Odd]}
        short = ALL_OF(str, re.compile("a.*"), lambda value: len(value) < 3)
        table: list[tuple[object, tuple[object, ...], tuple[object, ...]]] = [
            # a plain value means equality
            ("a", ("a",), ("A", b"a", 1, None, ["a"])),
            (1, (1, 1.0), (2, "1", None, True)),
            (None, (None,), (0, "", False, [], {}, ABSENT)),
            ([1, [2]], ([1, [2]],), ([1], [1, [3]], [1, [2], 3], {})),
            ((1, 2), ([1, 2],), ()),
            # one is not true: JSON knows the difference, although Python's == does not
            (True, (True,), (1, 1.0, "true")),
            (0, (0,), (False,)),
            (False, (False,), (0,)),
            ({"a": [1]}, (), ({"a": [True]},)),
            ({"a": [True]}, ({"a": [True]},), ()),
            # an object has exactly its keys
            ({"a": 1, "b": {"c": 2}}, ({"b": {"c": 2}, "a": 1},), ()),
            ({"a": 1}, ({"a": 1},), ({"a": 1, "b": 2}, {}, {"a": 2}, [], None)),
            ({"a": None}, (), ({},)),
            # a pattern matches a whole text, and no other kind of value
            (re.compile(r"\d+"), ("12",), ("12a", "a12", b"12", 12, None)),
            (re.compile(rb"\d+"), (b"12",), ("12",)),
            # a callable is asked: functions, methods, functions of C, objects with __call__
            (lambda value: value > 3, (4,), (3,)),
            ("abc".startswith, ("ab",), ("b",)),
            ({"a", "b"}.__contains__, ("a",), ("c",)),
            (Between(1, 3), (2,), (4,)),
            # a type wants an instance: zero is an int, and a truth value is none
            (int, (0, 5), (True, "5", 5.0, None)),
            (str, ("",), (1,)),
            (bool, (False,), (0,)),
            (dict, ({},), ([],)),
            # an object with an __eq__ of its own decides: mock.ANY, the objects of dirty-equals and their classes
            (nested, ({"id": None, "n": [2, 3]},), ({"id": None, "n": [2, 2]}, {"n": [2, 3]})),
            # what must not be there: null is there
            ({"a": 1, "b": ABSENT}, ({"a": 1},), ({"a": 1, "b": None},)),
            (mock.ANY, (None,), (ABSENT,)),
            # combinations
            (ANY_OF("a", re.compile("b+"), None), ("a", "bb", None), ("c",)),
            ({"a": ANY_OF(1, ABSENT)}, ({}, {"a": 1}), ({"a": 2},)),
            (short, ("ab",), ("abc", "b")),
            (NOT("a"), ("b", None), ("a",)),
            ({"a": NOT(ABSENT)}, ({"a": None},), ({},)),
            # some keys of an object; what is nested is compared as a whole
            (INCLUDING({"a": 1}), ({"a": 1, "b": 2},), ({"a": 2}, {"b": 2}, [], "a", None)),
            (INCLUDING({"a": {"b": 1}}), (), ({"a": {"b": 1, "c": 2}},)),
            (INCLUDING({"a": INCLUDING({"b": 1}), "x": ABSENT}), ({"a": {"b": 1, "c": 2}, "d": 3},), ()),
            # some items of a list, in any order, each item for itself
            (INCLUDING("a", "b"), (["b", "c", "a"],), (["a"], ["a", "a"], [], None)),
            (INCLUDING(["a", "b"]), (["b", "c", "a"],), (["a"], ["a", "a"], [], None)),
            (INCLUDING({"id": 1}), ([{"id": 2}, {"id": 1}],), ()),
            (INCLUDING("a", "a"), (), (["a", "b"],)),
            # parts of a text, and of bytes
            (INCLUDING("ell", re.compile("o$")), ("hello",), (b"hello", 5)),
            (INCLUDING("ell", "x"), (), ("hello",)),
            (INCLUDING(b"ell", re.compile(b"l+")), (b"hello",), ("hello",)),
            (INCLUDING(re.compile("l+"), 5), (), ("hello", b"hello")),
            # the same items, whatever their order, as often as they are wanted; the first choice can be a wrong one
            (UNORDERED(1, 2, 2), ([2, 1, 2],), ([1, 2], [1, 1, 2], [1, 2, 2, 3], {}, None)),
            (UNORDERED([1, 2, 2]), ([2, 1, 2],), ([1, 2], [1, 1, 2], [1, 2, 2, 3], {}, None)),
            (UNORDERED(), ([],), ([1],)),
            (UNORDERED(mock.ANY, Even(), 2), ([2, 4, 1],), ([2, 1, 1],)),
            (UNORDERED(int, 1.0, True), ([1.0, True, 1],), ([1.0, True, 1.5],)),
        ]
        for wanted, accepted, refused in table:
            for value, is_accepted in [(each, True) for each in accepted] + [(each, False) for each in refused]:
                with self.subTest(wanted=wanted, value=value):
                    self.assertEqual(is_accepted, accepts(wanted, value))
                    self.assertEqual(is_accepted, find_differences(wanted, value) == [])

    def test_each_of_many_items_has_its_own(self) -> None:
        """Objects by the thousand, and values that accept each of them."""
        objects = [{"id": "a", "n": number} for number in range(2000)]
        for wanted in (
            UNORDERED(*objects),
            INCLUDING(*objects[5:]),
            UNORDERED(*[dict] * 2000),
            UNORDERED(*["a"] * 2000),
        ):
            self.assertTrue(wanted.accepts(["a"] * 2000 if wanted.items[0] == "a" else objects[::-1]))

    def test_combinators_compare_wherever_values_are_compared(self) -> None:
        """In an ``assertEqual``, too; among themselves they are what they are."""
        self.assertEqual({"a": INCLUDING({"b": 1})}, {"a": {"b": 1, "c": 2}})
        self.assertNotEqual(ANY_OF(1, 2), 3)
        self.assertNotEqual(ANY_OF(1, 2), ANY_OF(1, 2))

    def test_they_read_as_they_were_written(self) -> None:
        """Without addresses."""
        big = {"a": lambda value: value}
        line = big["a"].__code__.co_firstlineno
        for value, text in (
            (ANY_OF("a", NOT(ABSENT)), "ANY_OF('a', NOT(ABSENT))"),
            (INCLUDING({"a": [int, len]}), "INCLUDING({'a': [int, len()]})"),
            (UNORDERED(re.compile("a")), "UNORDERED(re.compile('a'))"),
            (big, f"{{'a': the lambda in line {line}}}"),
            (b"a" * 500, f"{b'a' * 120!r}… (500 bytes)"),
        ):
            with self.subTest(text=text):
                self.assertEqual(text, show(value))


class ValuesTest(unittest.TestCase):
    """What can come several times."""

    def test_one_value_is_compared_by_itself(self) -> None:
        """A plain value, a pattern and a predicate want it to be the only one."""
        for wanted in ("a", re.compile("[a]"), "abc".startswith, ANY_OF("a", "b"), NOT("b"), mock.ANY, str):
            with self.subTest(wanted=wanted):
                self.assertTrue(accepts_values(wanted, ["a"]))
        for wanted in ("a", re.compile("[a]"), "abc".startswith, ANY_OF("a", "b")):
            with self.subTest(wanted=wanted):
                self.assertFalse(accepts_values(wanted, ["a", "a"]))
                self.assertFalse(accepts_values(wanted, []))

    def test_a_list_wants_all(self) -> None:
        """In order, unless it says otherwise."""
        for wanted, values, answer in (
            (["a", "b"], ["a", "b"], True),
            (["a", "b"], ["b", "a"], False),
            (["a"], ["a"], True),
            (["a"], ["a", "b"], False),
            ([], [], True),
            (UNORDERED("a", "b"), ["b", "a"], True),
            (UNORDERED("a"), ["a"], True),
            (INCLUDING("a"), ["b", "a"], True),
            (INCLUDING(["a"]), ["abc"], False),
            (INCLUDING("a"), ["bab"], True),
            (INCLUDING("a"), [], False),
            (ABSENT, [], True),
            (ABSENT, ["a"], False),
            (NOT(ABSENT), ["a", "b"], True),
            (mock.ANY, ["a", "b"], True),
            (mock.ANY, [], False),
            (ALL_OF(INCLUDING("a"), NOT(INCLUDING("c"))), ["a", "b"], True),
        ):
            with self.subTest(wanted=wanted, values=values):
                self.assertIs(answer, accepts_values(wanted, values))


class DifferencesTest(unittest.TestCase):
    """Where a value differs, and what the likely mistake is."""

    def explain(self, wanted: object, got: object) -> list[str]:
        found = find_differences(wanted, got)
        return [f"{d.where}: {d.wanted} | {d.got}" + (f" ({d.hint})" if d.hint else "") for d in found]

    def test_items_that_are_missing_from_a_long_list(self) -> None:
        """Each is one difference, however far they are apart."""
        objects = [{"id": number, "n": [number]} for number in range(300)]
        got = [each for each in objects if each["id"] not in (5, 280)]
        got[100] = {"id": 101, "n": []}
        found = [f"{each.where}: {each.wanted} | {each.got}" for each in find_differences(objects, got)]
        self.assertEqual(
            [
                "$[5]: {'id': 5, 'n': [5]} | nothing", "$[100].n[0]: 101 | nothing",
                "$[280]: {'id': 280, 'n': [280]} | nothing",
            ],
            found,
        )  # fmt: skip

    def test_the_place_the_values_and_a_hint(self) -> None:
        """Of each difference, in the order of what was wanted."""

        def is_big(value: Any) -> bool:
            return bool(value > 3)

        more = "(INCLUDING({…}) allows more)"
        table: list[tuple[object, object, list[str]]] = [
            # keys and indexes, and brackets where a key is no word
            ({"items": [{"id": 1}, {"id": 2, "a b": "x"}]}, {"items": [{"id": 1}, {"id": 3, "a b": "y"}]},
             ["$.items[1].id: 2 | 3", "$.items[1]['a b']: 'x' | 'y'"]),
            ({"a": 1}, {}, ["$.a: 1 | nothing"]),
            ({"a": 1}, {"a": 1, "b": 2}, [f"$.b: nothing | 2 {more}"]),
            ({"a": ABSENT}, {"a": 1}, ["$.a: ABSENT | 1"]),
            ({"a": 1, "c": 2}, {"b": 1, "c": 2}, ["$.a: 1 | nothing", "$.b: nothing | 1"]),
            # lists: their length, their order, their items
            ([1, 2], [1], ["$[1]: 2 | nothing"]),
            ([1], [1, 2], ["$[1]: nothing | 2"]),
            ([1, 2], [2, 1], ["$: [1, 2] | [2, 1] (the same items in another order: UNORDERED(…) allows it)"]),
            ([1, 2], [1, 3], ["$[1]: 2 | 3"]),
            ([0, 1, 2], [1, 0, 5], ["$[0]: 0 | 1", "$[1]: 1 | 0", "$[2]: 2 | 5"]),
            (INCLUDING(2), [1, 3], ["$: an item 2 | [1, 3]"]),
            (UNORDERED(1, 2), [1, 3], ["$: an item 2 | [1, 3]"]),
            (UNORDERED(1, 2), [1], ["$: an item 2 | [1]"]),
            (UNORDERED(1, 2), [1, 3, 2], ["$: no other item | an item 3"]),
            (UNORDERED(1), [1, 1], ["$: a list of 1 | a list of 2"]),
            # kinds: a number for a text is the commonest mistake
            (5, "5", ["$: 5 | '5' (a text, not a number)"]),
            ("5", 5, ["$: '5' | 5 (a number, not a text)"]),
            (True, 1, ["$: True | 1 (a number, not a truth value)"]),
            (1, True, ["$: 1 | True (a truth value, not a number)"]),
            ("", None, ["$: '' | None (null, not a text)"]),
            ([], {}, ["$: [] | {} (an object, not a list)"]),
            (5, 6, ["$: 5 | 6"]),
            # slips
            ("a", "a ", ["$: 'a' | 'a ' (white space differs at the ends)"]),
            ("a", "A", ["$: 'a' | 'A' (upper and lower case differ)"]),
            (re.compile("a"), "ab",
             ["$: re.compile('a') | 'ab' (the pattern matches a part of it, and must match all)"]),
            # combinations: the part that is missed
            (INCLUDING({"a": 1}), {"b": 2}, ["$.a: 1 | nothing"]),
            (INCLUDING({"a": {"b": 1}}), {"a": {"b": 1, "c": 2}}, [f"$.a.c: nothing | 2 {more}"]),
            (INCLUDING({"a": 1}), "x", ["$: INCLUDING({'a': 1}) | 'x'"]),
            (ALL_OF("a", int), "a", ["$: int | 'a'"]),
            # what a predicate raised
            (is_big, "a", [("$: is_big() | 'a' (is_big() raised TypeError: '>' not supported between instances of "
                           "'str' and 'int')")]),
        ]  # fmt: skip
        for wanted, got, lines in table:
            with self.subTest(wanted=wanted, got=got):
                self.assertEqual(lines, self.explain(wanted, got))

    def test_one_item_more_or_less_is_one_difference(self) -> None:
        """Wherever it is; what stays is compared with its own counterpart."""
        items = [{"id": number, "name": f"n{number}"} for number in range(30)]
        for place in (0, 1, 15, 29):
            with self.subTest(place=place):
                less = items[:place] + items[place + 1 :]
                self.assertEqual([f"$[{place}]: {items[place]} | nothing"], self.explain(items, less))
                self.assertEqual([f"$[{place}]: nothing | {items[place]}"], self.explain(less, items))
        changed = [*items[:5], *items[6:20], {"id": 20, "name": "other"}, *items[21:]]
        self.assertEqual(
            ["$[5]: {'id': 5, 'name': 'n5'} | nothing", "$[19].name: 'n20' | 'other'"], self.explain(items, changed)
        )

    def test_a_misspelt_key_is_named(self) -> None:
        """Instead of one that is missing and one that is too many."""
        for wanted, got, key in (
            ({"amount": 5}, {"amuont": 5}, "amuont"),
            ({"user_id": 5}, {"userId": 5}, "userId"),
            ({"userId": 5, "x": 1}, {"user-id": 6, "x": 1}, "user-id"),
        ):
            with self.subTest(key=key):
                line = f"$.{next(iter(wanted))}: 5 | nothing (there is {key!r}: is it misspelt?)"
                self.assertEqual([line], self.explain(wanted, got))
                self.assertEqual([line], self.explain(INCLUDING(wanted), {**got, "more": 1}))

    def test_what_is_large_is_compared_in_bounded_time(self) -> None:
        """Between items that are equal, if to compare each with each would take too long; up to 1,000 differences."""
        found = self.explain(list(range(1000)), list(range(1, 1001)))
        self.assertEqual(["$[0]: 0 | nothing", "$[999]: nothing | 1000"], found)
        self.assertEqual(1000, len(find_differences(list(range(2000)), list(range(5000, 7000)))))

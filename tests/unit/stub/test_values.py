"""The one rule by which a wanted value is compared, and where a value differs."""

from __future__ import annotations

import re
import unittest
from dataclasses import dataclass
from typing import Any
from unittest import mock

from liveserver_testcase import ABSENT, ALL_OF, ANY_OF, INCLUDING, NOT, UNORDERED, UsageError
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

    def assert_accepts(self, wanted: object, *values: object) -> None:
        for value in values:
            with self.subTest(value=value):
                self.assertTrue(accepts(wanted, value))
                self.assertEqual([], find_differences(wanted, value))

    def assert_refuses(self, wanted: object, *values: object) -> None:
        for value in values:
            with self.subTest(value=value):
                self.assertFalse(accepts(wanted, value))
                self.assertNotEqual([], find_differences(wanted, value))

    def test_a_plain_value_means_equality(self) -> None:
        """Texts, numbers, null, lists and objects."""
        self.assert_accepts("a", "a")
        self.assert_refuses("a", "A", b"a", 1, None, ["a"])
        self.assert_accepts(1, 1, 1.0)
        self.assert_refuses(1, 2, "1", None)
        self.assert_accepts(None, None)
        self.assert_refuses(None, 0, "", False, [], {})
        self.assert_accepts([1, [2]], [1, [2]])
        self.assert_refuses([1, [2]], [1], [1, [3]], [1, [2], 3], {})
        self.assert_accepts((1, 2), [1, 2])

    def test_one_is_not_true(self) -> None:
        """JSON knows the difference, although Python's ``==`` does not; nested, too."""
        self.assert_refuses(True, 1, 1.0, "true")
        self.assert_refuses(1, True)
        self.assert_refuses(0, False)
        self.assert_refuses(False, 0)
        self.assert_refuses({"a": [1]}, {"a": [True]})
        self.assert_accepts({"a": [True]}, {"a": [True]})

    def test_an_object_has_exactly_its_keys(self) -> None:
        """Another key is one too many."""
        self.assert_accepts({"a": 1, "b": {"c": 2}}, {"b": {"c": 2}, "a": 1})
        self.assert_refuses({"a": 1}, {"a": 1, "b": 2}, {}, {"a": 2}, [], None)
        self.assert_refuses({"a": None}, {})

    def test_a_pattern_matches_a_whole_text(self) -> None:
        """Not a part, and no other kind of value."""
        self.assert_accepts(re.compile(r"\d+"), "12")
        self.assert_refuses(re.compile(r"\d+"), "12a", "a12", b"12", 12, None)
        self.assert_accepts(re.compile(rb"\d+"), b"12")

    def test_a_callable_is_asked(self) -> None:
        """Functions, methods, functions of C, objects with ``__call__``."""
        self.assert_accepts(lambda value: value > 3, 4)
        self.assert_refuses(lambda value: value > 3, 3)
        self.assert_accepts("abc".startswith, "ab")
        self.assert_accepts({"a", "b"}.__contains__, "a")
        self.assert_accepts(Between(1, 3), 2)
        self.assert_refuses(Between(1, 3), 4)

    def test_a_type_wants_an_instance(self) -> None:
        """Zero is an int, and a truth value is none."""
        self.assert_accepts(int, 0, 5)
        self.assert_refuses(int, True, "5", 5.0, None)
        self.assert_accepts(str, "")
        self.assert_accepts(bool, False)
        self.assert_accepts(dict, {})

    def test_an_object_with_an_eq_of_its_own_decides(self) -> None:
        """``mock.ANY``, the objects of dirty-equals and their classes, nested in JSON, too."""
        self.assert_accepts({"id": mock.ANY, "n": [Even(), Odd]}, {"id": None, "n": [2, 3]})
        self.assert_refuses({"id": mock.ANY, "n": [Even(), Odd]}, {"id": None, "n": [2, 2]}, {"n": [2, 3]})

    def test_absent(self) -> None:
        """What must not be there: null is there."""
        self.assert_accepts({"a": 1, "b": ABSENT}, {"a": 1})
        self.assert_refuses({"a": 1, "b": ABSENT}, {"a": 1, "b": None})
        self.assert_refuses(mock.ANY, ABSENT)
        self.assert_refuses(None, ABSENT)

    def test_any_of(self) -> None:
        """One is enough."""
        self.assert_accepts(ANY_OF("a", re.compile("b+"), None), "a", "bb", None)
        self.assert_refuses(ANY_OF("a", re.compile("b+")), "c", None)
        self.assert_accepts({"a": ANY_OF(1, ABSENT)}, {}, {"a": 1})
        self.assert_refuses({"a": ANY_OF(1, ABSENT)}, {"a": 2})

    def test_all_of(self) -> None:
        """Each must be."""
        self.assert_accepts(ALL_OF(str, re.compile("a.*"), lambda value: len(value) < 3), "ab")
        self.assert_refuses(ALL_OF(str, re.compile("a.*"), lambda value: len(value) < 3), "abc", "b")

    def test_not(self) -> None:
        """The contrary; what is not absent is there."""
        self.assert_accepts(NOT("a"), "b", None)
        self.assert_refuses(NOT("a"), "a")
        self.assert_accepts({"a": NOT(ABSENT)}, {"a": None})
        self.assert_refuses({"a": NOT(ABSENT)}, {})

    def test_including_keys(self) -> None:
        """A subset of an object; what is nested is compared as a whole."""
        self.assert_accepts(INCLUDING({"a": 1}), {"a": 1, "b": 2})
        self.assert_refuses(INCLUDING({"a": 1}), {"a": 2}, {"b": 2}, [], "a", None)
        self.assert_refuses(INCLUDING({"a": {"b": 1}}), {"a": {"b": 1, "c": 2}})
        self.assert_accepts(INCLUDING({"a": INCLUDING({"b": 1}), "x": ABSENT}), {"a": {"b": 1, "c": 2}, "d": 3})

    def test_including_items(self) -> None:
        """A subset of a list, in any order, each item for itself."""
        for wanted in (INCLUDING("a", "b"), INCLUDING(["a", "b"])):
            self.assert_accepts(wanted, ["b", "c", "a"])
            self.assert_refuses(wanted, ["a"], ["a", "a"], [], None)
        self.assert_accepts(INCLUDING({"id": 1}), [{"id": 2}, {"id": 1}])
        self.assert_refuses(INCLUDING("a", "a"), ["a", "b"])

    def test_including_texts(self) -> None:
        """Parts of a text, and of bytes."""
        self.assert_accepts(INCLUDING("ell", re.compile("o$")), "hello")
        self.assert_refuses(INCLUDING("ell", "x"), "hello", b"hello", 5)
        self.assert_accepts(INCLUDING(b"ell", re.compile(b"l+")), b"hello")
        self.assert_refuses(INCLUDING(re.compile("l+"), 5), "hello", b"hello")

    def test_unordered(self) -> None:
        """The same items, whatever their order, as often as they are wanted."""
        for wanted in (UNORDERED(1, 2, 2), UNORDERED([1, 2, 2])):
            self.assert_accepts(wanted, [2, 1, 2])
            self.assert_refuses(wanted, [1, 2], [1, 1, 2], [1, 2, 2, 3], {}, None)
        self.assert_accepts(UNORDERED(), [])

    def test_unordered_finds_an_item_for_each(self) -> None:
        """Also where the first choice would leave nothing for another."""
        self.assert_accepts(UNORDERED(mock.ANY, Even(), 2), [2, 4, 1])
        self.assert_refuses(UNORDERED(mock.ANY, Even(), 2), [2, 1, 1])

    def test_combinators_compare_wherever_values_are_compared(self) -> None:
        """In an ``assertEqual``, too; among themselves they are what they are."""
        self.assertEqual({"a": INCLUDING({"b": 1})}, {"a": {"b": 1, "c": 2}})
        self.assertNotEqual(ANY_OF(1, 2), 3)
        self.assertNotEqual(ANY_OF(1, 2), ANY_OF(1, 2))

    def test_they_read_as_they_were_written(self) -> None:
        """Without addresses."""
        for value, text in (
            (ANY_OF("a", NOT(ABSENT)), "ANY_OF('a', NOT(ABSENT))"),
            (INCLUDING({"a": [int, len]}), "INCLUDING({'a': [int, len()]})"),
            (UNORDERED(re.compile("a")), "UNORDERED(re.compile('a'))"),
            ({"a": lambda value: value}, f"{{'a': the lambda in line {self.line()}}}"),
            (b"a" * 500, f"{b'a' * 120!r}… (500 bytes)"),
        ):
            with self.subTest(text=text):
                self.assertEqual(text, show(value))

    @staticmethod
    def line() -> int:
        """Of the lambda above."""
        return AcceptsTest.test_they_read_as_they_were_written.__code__.co_firstlineno + 6

    def test_including_nothing_is_refused(self) -> None:
        """It would accept everything."""
        with self.assertRaises(UsageError) as caught:
            INCLUDING()
        self.assertEqual(
            "INCLUDING() includes nothing; wanted a mapping, items of a list, or parts of a text", str(caught.exception)
        )


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

    def test_the_place_is_named(self) -> None:
        """Keys and indexes, and brackets where a key is no word."""
        wanted = {"items": [{"id": 1}, {"id": 2, "a b": "x"}]}
        got = {"items": [{"id": 1}, {"id": 3, "a b": "y"}]}
        self.assertEqual(["$.items[1].id: 2 | 3", "$.items[1]['a b']: 'x' | 'y'"], self.explain(wanted, got))

    def test_keys(self) -> None:
        """One that is missing, one that is too many."""
        self.assertEqual(["$.a: 1 | nothing"], self.explain({"a": 1}, {}))
        self.assertEqual(["$.b: nothing | 2 (INCLUDING({…}) allows more)"], self.explain({"a": 1}, {"a": 1, "b": 2}))
        self.assertEqual(["$.a: ABSENT | 1"], self.explain({"a": ABSENT}, {"a": 1}))

    def test_lists(self) -> None:
        """Their length, their order, their items."""
        self.assertEqual(["$[1]: 2 | nothing"], self.explain([1, 2], [1]))
        self.assertEqual(["$[1]: nothing | 2"], self.explain([1], [1, 2]))
        self.assertEqual(
            ["$: [1, 2] | [2, 1] (the same items in another order: UNORDERED(…) allows it)"],
            self.explain([1, 2], [2, 1]),
        )
        self.assertEqual(["$[1]: 2 | 3"], self.explain([1, 2], [1, 3]))
        self.assertEqual(["$: an item 2 | [1, 3]"], self.explain(INCLUDING(2), [1, 3]))
        self.assertEqual(["$: an item 2 | [1, 3]"], self.explain(UNORDERED(1, 2), [1, 3]))
        self.assertEqual(["$: an item 2 | [1]"], self.explain(UNORDERED(1, 2), [1]))
        self.assertEqual(["$: no other item | an item 3"], self.explain(UNORDERED(1, 2), [1, 3, 2]))
        self.assertEqual(["$: a list of 1 | a list of 2"], self.explain(UNORDERED(1), [1, 1]))

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
        self.assertEqual(["$[0]: 0 | 1", "$[1]: 1 | 0", "$[2]: 2 | 5"], self.explain([0, 1, 2], [1, 0, 5]))

    def test_long_lists_are_compared_in_bounded_time(self) -> None:
        """Item by item, where to find out which belong together would take too long."""
        found = self.explain(list(range(1000)), list(range(1, 1001)))
        self.assertEqual(("$[0]: 0 | 1", 1000), (found[0], len(found)))

    def test_a_misspelt_key_is_named(self) -> None:
        """Instead of one that is missing and one that is too many."""
        for wanted, got, key in (
            ({"amount": 5}, {"amuont": 5}, "amuont"),
            ({"user_id": 5}, {"userId": 5}, "userId"),
            ({"userId": 5, "x": 1}, {"user-id": 6, "x": 1}, "user-id"),
        ):
            with self.subTest(key=key):
                name = next(iter(wanted))
                self.assertEqual(
                    [f"$.{name}: 5 | nothing (there is {key!r}: is it misspelt?)"], self.explain(wanted, got)
                )
                self.assertEqual(
                    [f"$.{name}: 5 | nothing (there is {key!r}: is it misspelt?)"],
                    self.explain(INCLUDING(wanted), {**got, "more": 1}),
                )
        self.assertEqual(["$.a: 1 | nothing", "$.b: nothing | 1"], self.explain({"a": 1, "c": 2}, {"b": 1, "c": 2}))

    def test_kinds(self) -> None:
        """A number for a text is the commonest mistake."""
        for wanted, got, text in (
            (5, "5", "$: 5 | '5' (a text, not a number)"),
            ("5", 5, "$: '5' | 5 (a number, not a text)"),
            (True, 1, "$: True | 1 (a number, not a truth value)"),
            (1, True, "$: 1 | True (a truth value, not a number)"),
            ("", None, "$: '' | None (null, not a text)"),
            ([], {}, "$: [] | {} (an object, not a list)"),
            (5, 6, "$: 5 | 6"),
        ):
            with self.subTest(text=text):
                self.assertEqual([text], self.explain(wanted, got))

    def test_slips(self) -> None:
        """White space, case, a pattern that matches a part."""
        self.assertEqual(["$: 'a' | 'a ' (white space differs at the ends)"], self.explain("a", "a "))
        self.assertEqual(["$: 'a' | 'A' (upper and lower case differ)"], self.explain("a", "A"))
        self.assertEqual(
            ["$: re.compile('a') | 'ab' (the pattern matches a part of it, and must match all)"],
            self.explain(re.compile("a"), "ab"),
        )

    def test_including_names_the_key(self) -> None:
        """And what is nested in it says how to allow more there."""
        self.assertEqual(["$.a: 1 | nothing"], self.explain(INCLUDING({"a": 1}), {"b": 2}))
        self.assertEqual(
            ["$.a.c: nothing | 2 (INCLUDING({…}) allows more)"],
            self.explain(INCLUDING({"a": {"b": 1}}), {"a": {"b": 1, "c": 2}}),
        )
        self.assertEqual(["$: INCLUDING({'a': 1}) | 'x'"], self.explain(INCLUDING({"a": 1}), "x"))

    def test_all_of_names_the_part(self) -> None:
        """Only what is missed."""
        self.assertEqual(["$: int | 'a'"], self.explain(ALL_OF("a", int), "a"))

    def test_a_predicate_that_raises(self) -> None:
        """What it raised is the reason."""

        def is_big(value: Any) -> bool:
            return bool(value > 3)

        self.assertEqual(
            ["$: is_big() | 'a' (is_big() raised TypeError: '>' not supported between instances of 'str' and 'int')"],
            self.explain(is_big, "a"),
        )

    def test_many_differences_are_counted(self) -> None:
        """Up to a thousand."""
        self.assertEqual(100, len(find_differences(list(range(100)), list(range(500, 600)))))
        self.assertEqual(1000, len(find_differences(list(range(2000)), list(range(5000, 7000)))))

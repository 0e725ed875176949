"""How a failure is put to a reader: as a note on another exception, and at which place."""

from __future__ import annotations

import functools
import sys
import traceback
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any

from liveserver_testcase.cases.failure_text import add_note, as_note, name_error, raise_at


class OwnText(Exception):
    """Makes its text itself."""

    def __str__(self) -> str:
        return "own text"


class Unspeakable(Exception):
    """Cannot say what it is."""

    def __str__(self) -> str:
        raise ValueError("no words")


class Notes(unittest.TestCase):
    """A note is printed with its exception, on every Python."""

    def test_of_many_kinds(self) -> None:
        """It stands below the exception's own text, also where that is made by the exception itself, or is none."""
        chained, hidden, within = OwnText(), OwnText(), OwnText()
        chained.__cause__ = ValueError("the cause")
        hidden.__context__, hidden.__suppress_context__ = ValueError("the context"), True
        within.__context__ = OwnText()
        for error in (
            *(ValueError("its text"), ValueError(), ValueError(1, 2), KeyError("key"), OSError(2, "gone"), OwnText()),
            *(chained, hidden, within),
        ):
            with self.subTest(error=repr(error)):
                own = str(error)
                add_note(error, "\nthe note")
                text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
                self.assertIn("the note", text)
                self.assertIn(own, text)
                if own == "its text":  # the others cannot be noted by their text on Python 3.10
                    self.assertTrue(text.endswith("ValueError: its text\n\nthe note\n"), text)

    @unittest.skipIf(sys.version_info >= (3, 11), "there are notes")
    def test_in_a_circle(self) -> None:
        """Exceptions that lead to each other in a circle are left alone."""
        error, other = OwnText(), OwnText()
        error.__context__, other.__context__ = other, error
        add_note(error, "the note")
        self.assertIs(error, other.__context__)

    def test_with_a_cause(self) -> None:
        """A failure with a cause is noted with the cause's traceback."""
        failure = AssertionError("the failure")
        failure.__cause__ = ValueError("the cause")
        self.assertEqual("\nthe failure\n\nValueError: the cause", as_note(failure))

    def test_a_line(self) -> None:
        """In a line it is its type and the first of its text, without notes, or the place of a syntax error."""
        noted = ValueError("its text")
        noted.__notes__ = ["a note"]  # type: ignore[attr-defined]
        with self.assertRaises(SyntaxError) as caught:
            compile("a b", "template", "exec")
        for error, wanted in (
            (ValueError("its text"), "ValueError: its text"),
            (ValueError(), "ValueError"),
            (ValueError("one\ntwo"), "ValueError: one"),
            (ValueError("\n"), "ValueError: "),
            (KeyError("key"), "KeyError: 'key'"),
            (noted, "ValueError: its text"),
            (caught.exception, "SyntaxError: invalid syntax"),
        ):
            with self.subTest(error=error):
                self.assertEqual(wanted, name_error(error))
        self.assertIn("Unspeakable", name_error(Unspeakable()))  # which cannot be printed


def _decorate(function: Callable[[], None]) -> Callable[[], None]:
    @functools.wraps(function)
    def wrapped() -> None:
        function()

    return wrapped


@_decorate
@_decorate
def _somewhere() -> None:
    pass


class Places(unittest.TestCase):
    """Where a failure is raised."""

    def place(self, function: object) -> traceback.FrameSummary:
        error = raise_at(function, ValueError("here"))
        return traceback.extract_tb(error.__traceback__)[-1]

    def test_first_lines(self) -> None:
        """The traceback ends at the test's def line, under its decorators, or at that of a class; nothing is marked."""
        for function, line in ((_somewhere, "def _somewhere() -> None:"), (Places, "class Places(unittest.TestCase):")):
            with self.subTest(line):
                place = self.place(function)
                self.assertEqual(
                    (Path(__file__).name, function.__name__, line), (Path(place.filename).name, place.name, place.line)
                )
                error = raise_at(function, ValueError("here"))
                lines = traceback.format_exception(type(error), error, error.__traceback__)
                self.assertTrue(lines[-2].endswith(f"{line}\n"), lines)

    def test_without_a_place(self) -> None:
        """Whatever runs as a test gets its failure: what has no source, or a place that Python refuses, too."""
        space: dict[str, Any] = {}
        exec("def made():\n    pass", space)

        def refused() -> None:
            pass

        refused.__code__ = refused.__code__.replace(co_filename="a\0b")
        made = type("Made", (), {"__module__": "made"})
        for function in (len, functools.partial(print), None, "test", object(), made, refused):
            with self.subTest(function=function):
                self.assertIsNotNone(self.place(function))
        self.assertEqual(("<string>", 1), (self.place(space["made"]).filename, self.place(space["made"]).lineno))

    def test_its_own_error(self) -> None:
        """The error keeps its cause."""
        error = ValueError("here")
        error.__cause__ = cause = KeyError("there")
        self.assertIs(cause, raise_at(_somewhere, error).__cause__)

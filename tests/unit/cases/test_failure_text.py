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


class Notes(unittest.TestCase):
    """A note is printed with its exception, on every Python."""

    def printed(self, error: BaseException) -> str:
        add_note(error, "\nthe note")
        return "".join(traceback.format_exception(type(error), error, error.__traceback__))

    def test_below_its_own_text(self) -> None:
        """It stands below the exception's own text, if that has any."""
        self.assertTrue(self.printed(ValueError("its text")).endswith("ValueError: its text\n\nthe note\n"))
        self.assertIn("the note", self.printed(ValueError()))

    def test_of_many_kinds(self) -> None:
        """It is printed also where the text is made by the exception itself."""
        chained = OwnText()
        chained.__cause__ = ValueError("the cause")
        hidden = OwnText()
        hidden.__context__ = ValueError("the context")
        hidden.__suppress_context__ = True
        within = OwnText()
        within.__context__ = OwnText()
        for error in (KeyError("key"), OSError(2, "gone"), OwnText(), ValueError(1, 2), chained, hidden, within):
            with self.subTest(error=repr(error)):
                own = str(error)
                text = self.printed(error)
                self.assertIn("the note", text)
                self.assertIn(own, text)

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

    def test_at_the_def(self) -> None:
        """The traceback ends at the test's def line, under its decorators."""
        place = self.place(_somewhere)
        self.assertEqual(
            (Path(__file__).name, "_somewhere", "def _somewhere() -> None:"),
            (Path(place.filename).name, place.name, place.line),
        )

    def test_at_a_class(self) -> None:
        """Of a class it ends at the first line."""
        place = self.place(Places)
        self.assertEqual(("Places", "class Places(unittest.TestCase):"), (place.name, place.line))

    def test_nothing_is_underlined(self) -> None:
        """No part of the line is to blame."""
        error = raise_at(_somewhere, ValueError("here"))
        lines = traceback.format_exception(type(error), error, error.__traceback__)
        self.assertTrue(lines[-2].endswith("def _somewhere() -> None:\n"), lines)

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


class Unspeakable(Exception):
    """Cannot say what it is."""

    def __str__(self) -> str:
        raise ValueError("no words")


class Names(unittest.TestCase):
    """An exception in a line."""

    def test_lines(self) -> None:
        """It is its type and the first line of its text, without notes, or the place of a syntax error."""
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

"""How a failure is put to its reader: where it is raised, its notes, an exception as text."""

from __future__ import annotations

import ast
import builtins
import contextlib
import inspect
import linecache
import sys
import traceback
import unittest
from collections.abc import Sequence
from types import FunctionType
from typing import Any, TypeVar

from ..core.masking import mask

__all__ = ["add_note", "as_note", "find_skip", "format_error", "is_all_ours", "members_of", "name_error", "raise_at"]

__unittest = True
__tracebackhide__ = True

E = TypeVar("E", bound=BaseException)

_PACKAGE = __name__.partition(".")[0]
_MOST_NAMED = 5  # exceptions of a group
_GROUP: Any = getattr(builtins, "BaseExceptionGroup", ())
_MOST_DECORATORS = 50  # lines of them, beyond which it is not worth the search


def raise_at(place: Any, error: E) -> E:
    """Raise ``error`` as if the first line of ``place``, a function or class, did, and return it.

    That is where readers, editors and runners look for a test, and no line of its body is the cause.  pytest would
    otherwise print the source of this module.
    """
    code = None
    with contextlib.suppress(Exception):  # it is neither, or has no source
        if isinstance(place, type):
            file, line, name = inspect.getfile(place), inspect.getsourcelines(place)[1], place.__name__
        else:
            original = inspect.unwrap(place).__code__
            file, first, name = original.co_filename, original.co_firstlineno, original.co_name
            starts = f"def {name}", f"async def {name}"  # the code of a function begins with its first decorator
            lines = range(first, first + _MOST_DECORATORS)
            line = next((n for n in lines if linecache.getline(file, n).lstrip().startswith(starts)), first)
        tree = ast.parse("raise error")
        for node in ast.walk(tree):
            if isinstance(node, ast.stmt | ast.expr):
                node.col_offset = node.end_col_offset = -1  # none: no part of the line is underlined
        code = compile(tree, file, "exec").replace(co_name=name, co_firstlineno=line)
    try:
        if code is not None:
            FunctionType(code, {"error": error})()
        raise error
    except BaseException as raised:
        if raised is not error:
            raise
    return error


def is_all_ours(error: BaseException) -> bool:
    """Whether an exception has passed no other code than this package's: its traceback helps nobody."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return all(frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE for frame in frames)


def find_skip(error: BaseException) -> unittest.SkipTest | None:
    """What is to skip the test or class: the exception, or its cause where it was raised in a server's own process."""
    return next((each for each in (error, error.__cause__) if isinstance(each, unittest.SkipTest)), None)


def as_note(problem: BaseException) -> str:
    """A failure as text, with the traceback of the exception behind it: a note has no cause of its own."""
    cause = problem.__cause__
    return f"\n{problem}" if cause is None else f"\n{problem}\n\n{format_error(cause)}"


def format_error(error: BaseException) -> str:
    """An exception as it is printed when nobody catches it."""
    return "".join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip()


def name_error(error: BaseException) -> str:
    """An exception in a line, without its secrets.

    The rest of its text, its notes, and the place of a syntax error are left out; of a group its members are named.
    """
    parts = traceback.format_exception_only(type(error), error)
    name = mask(next((part for part in parts if not part.startswith(" ")), parts[0]).splitlines()[0])
    inner = members_of(error)
    more = ["…"] if len(inner) > _MOST_NAMED else []
    return f"{name}, with {'; '.join([*map(name_error, inner[:_MOST_NAMED]), *more])}" if inner else name


def members_of(error: BaseException) -> Sequence[BaseException]:
    """The exceptions in a group; none of anything else, and none on Python 3.10, which has no groups."""
    return error.exceptions if isinstance(error, _GROUP) else ()


def add_note(error: BaseException, note: str) -> None:
    """Attach ``note`` to an exception so that every runner prints it."""
    if sys.version_info >= (3, 11):
        error.add_note(note)
        return
    plain = type(error).__str__ in (BaseException.__str__, Exception.__str__)
    if plain and len(error.args) <= 1:
        text = str(error)
        error.args = (f"{text}\n{note}" if text else note,)
        return
    last = error  # its text is made elsewhere: print the note as an exception that came before
    seen = {id(last)}
    while (before := last.__cause__ or (None if last.__suppress_context__ else last.__context__)) is not None:
        if id(before) in seen:
            return
        seen.add(id(before))
        last = before
    if last.__suppress_context__:
        last.__cause__ = AssertionError(note)
    else:
        last.__context__ = AssertionError(note)

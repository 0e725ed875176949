"""Criteria: what an expectation wants of a request.  Pure: no clock, socket or thread.

A criterion compares one thing and returns None, or a `Mismatch` that describes itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from werkzeug.wrappers import Request

from ..errors import UsageError

__all__ = ["Criterion", "MethodCriterion", "Mismatch", "PathCriterion", "make_criteria"]

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


@dataclass(frozen=True)
class Mismatch:
    """How a request differs from a criterion.

    Attributes:
        criterion: Which one, such as ``path``.
        wanted: What it wants, as text.
        got: What the request has, as text.
        hint: What the likely mistake is; may be empty.
        weight: How far this takes the request from what was wanted, for finding the nearest miss.
    """

    criterion: str
    wanted: str
    got: str
    hint: str = ""
    weight: int = 1

    def __str__(self) -> str:
        text = f"{self.criterion}: wanted {self.wanted}, got {self.got}"
        return f"{text} ({self.hint})" if self.hint else text


class Criterion(Protocol):
    """One thing that is wanted of a request."""

    @property
    def name(self) -> str:
        """What it looks at."""

    def compare(self, request: Request) -> Mismatch | None:
        """None if ``request`` has it."""

    def describe(self) -> str:
        """What it wants, as text."""


@dataclass(frozen=True)
class MethodCriterion:
    """The method, in any case."""

    method: str
    name = "method"

    def compare(self, request: Request) -> Mismatch | None:
        if request.method == self.method:
            return None
        return Mismatch("method", self.method, request.method, weight=3)

    def describe(self) -> str:
        return self.method


@dataclass(frozen=True)
class PathCriterion:
    """The decoded path without the query: the same text, or a pattern that matches all of it."""

    path: str | re.Pattern[str]
    name = "path"

    def compare(self, request: Request) -> Mismatch | None:
        if isinstance(self.path, str):
            if request.path == self.path:
                return None
            return Mismatch("path", repr(self.path), repr(request.path), self._hint(self.path, request.path), weight=10)
        if self.path.fullmatch(request.path):
            return None
        hint = "the pattern must match the whole path" if self.path.search(request.path) else ""
        return Mismatch("path", self.describe(), repr(request.path), hint, weight=10)

    @staticmethod
    def _hint(wanted: str, got: str) -> str:
        if wanted.rstrip("/") == got.rstrip("/"):
            return "a slash at the end"
        if wanted.lower() == got.lower():
            return "upper and lower case"
        return ""

    def describe(self) -> str:
        return repr(self.path) if isinstance(self.path, str) else f"re {self.path.pattern!r}"


def make_criteria(method: str | None, path: str | re.Pattern[str] | None) -> tuple[Criterion, ...]:
    """Check what a test author wrote, and make criteria of it.

    Raises:
        UsageError: It can match no request, or does not say what it means.
    """
    criteria: list[Criterion] = []
    if method is not None:
        if not isinstance(method, str) or not _TOKEN.fullmatch(method):
            advice = f"; for any method on that path write (None, {method!r})" if str(method).startswith("/") else ""
            raise UsageError(f"method is {method!r}; wanted a name such as 'GET', or None for any{advice}")
        criteria.append(MethodCriterion(method.upper()))
    if path is not None:
        if isinstance(path, str):
            if not path.startswith("/"):
                raise UsageError(f"path is {path!r}; wanted one that begins with '/', a compiled pattern, or None for any")
            if "?" in path:
                raise UsageError(f"path is {path!r}, with a query in it; wanted the path alone: {path.partition('?')[0]!r}")
        elif not isinstance(path, re.Pattern):
            raise UsageError(f"path is {path!r}; wanted a text that begins with '/', a compiled pattern, or None for any")
        criteria.append(PathCriterion(path))
    return tuple(criteria)

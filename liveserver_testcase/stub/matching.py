"""Criteria: what an expectation wants of a request.  Pure: no clock, socket or thread.

A criterion compares one thing and returns None, or a `Mismatch` that describes itself.
"""

from __future__ import annotations

import abc
import re
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import unquote

from ..errors import UsageError
from .request import RecordedRequest, decode_path
from .wording import quote

__all__ = [
    "Criteria",
    "Criterion",
    "MethodCriterion",
    "Mismatch",
    "PathCriterion",
    "PatternCriterion",
    "make_criteria",
]

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, 5.6.2
_COMPARED = 100  # characters of two paths that are looked through for a likeness, which takes time


@dataclass(frozen=True)
class Mismatch:
    """How a request differs from a criterion.

    Attributes:
        criterion: Which one, such as ``path``.
        wanted: What it wants, as text.
        got: What the request has, as text.
        hint: What the likely mistake is; may be empty.
        distance: How far this takes the request from what was wanted, for finding the nearest miss.
    """

    criterion: str
    wanted: str
    got: str
    hint: str = ""
    distance: float = 1.0

    def __str__(self) -> str:
        text = f"{self.criterion}: wanted {self.wanted}, got {self.got}"
        return f"{text} ({self.hint})" if self.hint else text


class Criterion(abc.ABC):
    """One thing that is wanted of a request.

    Attributes:
        name: What it looks at, such as ``path``.
    """

    name: ClassVar[str]

    @abc.abstractmethod
    def matches(self, request: RecordedRequest) -> bool:
        """Whether ``request`` has it; asked of each request, so it is quick."""

    @abc.abstractmethod
    def explain(self, request: RecordedRequest) -> Mismatch:
        """How ``request``, which does not match, differs; asked for a report only."""

    @abc.abstractmethod
    def describe(self) -> str:
        """What it wants, as text."""

    def compare(self, request: RecordedRequest) -> Mismatch | None:
        """None if ``request`` has it."""
        return None if self.matches(request) else self.explain(request)


@dataclass(frozen=True)
class MethodCriterion(Criterion):
    """The method, in upper case."""

    method: str
    name = "method"

    def matches(self, request: RecordedRequest) -> bool:
        return request.method == self.method

    def explain(self, request: RecordedRequest) -> Mismatch:
        hint = ""
        if request.method == "OPTIONS":
            hint = "a browser asks with OPTIONS before it sends to another origin"
        elif (self.method, request.method) == ("GET", "HEAD"):
            hint = "an expectation of GET does not answer HEAD"
        elif (self.method, request.method) == ("POST", "GET"):
            hint = "a client that follows a redirect makes a GET of a POST"
        return Mismatch(self.name, self.method, request.method, hint, 3.0)

    def describe(self) -> str:
        return self.method


@dataclass(frozen=True)
class PathCriterion(Criterion):
    """The path without the query, decoded as `RecordedRequest.plain_path` is."""

    path: str
    name = "path"

    def matches(self, request: RecordedRequest) -> bool:
        return request.plain_path == self.path

    def explain(self, request: RecordedRequest) -> Mismatch:
        got = request.plain_path
        hint = _find_slip(self.path, got)
        distance = 1.0 if hint else 10.0 - 6.0 * _likeness(self.path, got)
        return Mismatch(self.name, self.describe(), quote(got), hint, distance)

    def describe(self) -> str:
        return quote(self.path)


@dataclass(frozen=True)
class PatternCriterion(Criterion):
    """A pattern that matches the whole path."""

    pattern: re.Pattern[str]
    name = "path"

    def matches(self, request: RecordedRequest) -> bool:
        return self.pattern.fullmatch(request.plain_path) is not None

    def explain(self, request: RecordedRequest) -> Mismatch:
        part = self.pattern.search(request.plain_path)
        hint = "the pattern matches a part of it, and must match all" if part else ""
        return Mismatch(self.name, self.describe(), quote(request.plain_path), hint, 2.0 if part else 8.0)

    def describe(self) -> str:
        return f"matching {quote(self.pattern.pattern)}"


def _find_slip(wanted: str, got: str) -> str:
    """What small mistake makes one path of the other; empty if none that is known."""
    if wanted.rstrip("/") == got.rstrip("/"):
        return f"it has {'a' if len(got) > len(wanted) else 'no'} slash at the end"
    if re.sub("//+", "/", wanted) == re.sub("//+", "/", got):
        return "slashes are doubled: was a path joined to a URL that ends with one?"
    if wanted.lower() == got.lower():
        return "upper and lower case differ"
    if got.replace("%2F", "/") == wanted:
        return "an encoded slash, %2F, does not separate"
    if unquote(got) == wanted:
        return "it was percent-encoded twice"
    if len(wanted) > 1 and got.endswith(wanted):
        return f"it has {quote(got[: -len(wanted)])} in front: is the base URL right?"
    if len(got) > 1 and wanted.endswith(got):
        return f"it lacks {quote(wanted[: -len(got)])} in front: is the base URL right?"
    return ""


def _likeness(wanted: str, got: str) -> float:
    from difflib import SequenceMatcher  # costs a millisecond that no passing test needs

    return SequenceMatcher(None, wanted[:_COMPARED], got[:_COMPARED], autojunk=False).ratio()


@dataclass(frozen=True)
class Criteria:
    """All that is wanted of one request; any request meets criteria of which there are none."""

    criteria: tuple[Criterion, ...] = ()

    def matches(self, request: RecordedRequest) -> bool:
        """Whether every criterion is met."""
        for criterion in self.criteria:  # noqa: SIM110  # all() costs as much as the comparisons
            if not criterion.matches(request):
                return False
        return True

    def compare(self, request: RecordedRequest) -> list[Mismatch]:
        """How ``request`` differs from what is wanted; nothing if it matches."""
        found = [criterion.compare(request) for criterion in self.criteria]
        return [mismatch for mismatch in found if mismatch is not None]

    def describe(self) -> str:
        """The criteria on one line, such as ``POST '/charges'``."""
        texts = {criterion.name: criterion.describe() for criterion in self.criteria}
        if "method" not in texts and "path" not in texts:
            return " ".join(["any request", *texts.values()])
        return " ".join([texts.pop("method", "any method"), texts.pop("path", "any path"), *texts.values()])


def make_criteria(method: str | None, path: str | re.Pattern[str] | None) -> Criteria:
    """Check what a test author wrote, and make criteria of it.

    Raises:
        UsageError: It can match no request, or does not say what it means.
    """
    criteria: list[Criterion] = []
    if method is not None:
        criteria.append(MethodCriterion(_check_method(method)))
    if isinstance(path, re.Pattern):
        if not isinstance(path.pattern, str):
            raise UsageError(f"path is {path!r}, a pattern of bytes; compile it from a str")
        criteria.append(PatternCriterion(path))
    elif path is not None:
        criteria.append(PathCriterion(decode_path(_check_path(path))))
    return Criteria(tuple(criteria))


def _check_method(method: object) -> str:
    if isinstance(method, str) and _TOKEN.fullmatch(method):
        return method.upper()
    advice = ""
    if isinstance(method, str):
        name, _, rest = method.strip().partition(" ")
        if name.startswith("/"):
            advice = f"; for any method on that path write (None, {method!r})"
        elif rest.strip().startswith("/"):
            advice = f"; write method and path as two arguments: ({name!r}, {rest.strip()!r})"
    raise UsageError(f"method is {quote(method)}; wanted a name such as 'GET', or None for any{advice}")


def _check_path(path: object) -> str:
    if not isinstance(path, str):
        raise UsageError(
            f"path is {quote(path)}; wanted a text that begins with '/', a compiled pattern, or None for any"
        )
    if url := re.match(r"[A-Za-z][\w+.-]*://[^/?#]*([^?#]*)", path):
        raise UsageError(f"path is {quote(path)}, a whole URL; wanted the path alone: {quote(url[1] or '/')}")
    if not path.startswith("/") and path != "*":  # OPTIONS *: RFC 9112, 3.2.4
        raise UsageError(f"path is {quote(path)}; wanted one that begins with '/': {quote('/' + path)}")
    if "?" in path:
        alone = path.partition("?")[0]
        raise UsageError(f"path is {quote(path)}, with a query in it; wanted the path alone: {quote(alone)}")
    return path

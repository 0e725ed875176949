"""Criteria of where a request goes: method, path, host.  Pure: no clock, socket or thread."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple
from urllib.parse import unquote

from werkzeug.exceptions import HTTPException

from ..core.text import quote
from ..errors import UsageError
from .criterion import Criterion, Mismatch, is_judge
from .subject import Subject, decode_path
from .values import Combinator, accepts, show

__all__ = [
    "HostCriterion",
    "MethodCriterion",
    "PathCriterion",
    "PatternCriterion",
    "RuleCriterion",
    "SchemeCriterion",
    "Target",
    "make_method",
    "make_path",
    "split_target",
]

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, 5.6.2
_COMPARED = 100  # characters of two paths that are looked through for a likeness, which takes time


@dataclass(frozen=True)
class MethodCriterion(Criterion):
    """The method, in upper case, or a value that stands for several."""

    method: object
    name = "method"
    weight = 3.0

    def matches(self, request: Subject) -> bool:
        return accepts(self.method, request.method)

    def explain(self, request: Subject) -> Mismatch:
        hint = ""
        if request.method == "OPTIONS":
            hint = "a browser asks with OPTIONS before it sends to another origin"
        elif (self.method, request.method) == ("GET", "HEAD"):
            hint = "an expectation of GET does not answer HEAD"
        elif (self.method, request.method) == ("POST", "GET"):
            hint = "a client that follows a redirect makes a GET of a POST"
        return Mismatch(self.name, self.describe(), request.method, hint, self.weight)

    def describe(self) -> str:
        return self.method if isinstance(self.method, str) else show(self.method)


class PathCriterion(Criterion):
    """The path without the query, decoded as `Subject.plain_path` is: a text, or a value that stands for several."""

    name = "path"
    weight = 10.0
    has_params: ClassVar[bool] = False  # whether it has placeholders

    def __init__(self, path: object) -> None:
        self.path = path

    def matches(self, request: Subject) -> bool:
        return accepts(self.path, request.plain_path)

    def explain(self, request: Subject) -> Mismatch:
        got = request.plain_path
        if not isinstance(self.path, str):
            return Mismatch(self.name, self.describe(), quote(got), "", 8.0)
        hint = _find_slip(self.path, got)
        distance = 1.0 if hint else self.weight - 6.0 * _likeness(self.path, got)
        return Mismatch(self.name, self.describe(), quote(got), hint, distance)

    def describe(self) -> str:
        return quote(self.path) if isinstance(self.path, str) else show(self.path)

    def find_params(self, request: Subject) -> dict[str, Any]:
        """What the placeholders in it stand for in the path of ``request``, which matches."""
        return {}


class PatternCriterion(PathCriterion):
    """A pattern that matches the whole path; what its named groups match is handed on."""

    has_params = True

    def __init__(self, pattern: re.Pattern[str]) -> None:
        super().__init__(pattern)
        self.pattern = pattern

    def explain(self, request: Subject) -> Mismatch:
        part = self.pattern.search(request.plain_path)
        hint = "the pattern matches a part of it, and must match all" if part else ""
        return Mismatch(self.name, self.describe(), quote(request.plain_path), hint, 2.0 if part else 8.0)

    def describe(self) -> str:
        return f"matching {quote(self.pattern.pattern)}"

    def find_params(self, request: Subject) -> dict[str, Any]:
        found = self.pattern.fullmatch(request.plain_path)
        return found.groupdict() if found is not None else {}


class RuleCriterion(PathCriterion):
    """A rule as Flask's routes have it, such as ``/users/<int:id>``, with werkzeug's converters.

    Raises:
        UsageError: It is no such rule.
    """

    has_params = True

    def __init__(self, rule: str) -> None:
        rule = rule if "%3c" in rule.lower() else decode_path(rule)
        super().__init__(rule)
        self.rule = rule
        from werkzeug.routing import Map, Rule  # loaded when a stub starts

        try:
            rules = Map([Rule(rule, endpoint="")], merge_slashes=False, redirect_defaults=False)
            self._adapter = rules.bind("stub")
        except (ValueError, LookupError, TypeError) as error:
            raise UsageError(
                f"path is {quote(rule)}, which is no rule: {error}; wanted placeholders such as <name>, <int:id>, "
                "<path:rest>, or %3C for a plain '<'"
            ) from error

    def matches(self, request: Subject) -> bool:
        return self._match(request.plain_path) is not None

    def _match(self, path: str) -> Mapping[str, Any] | None:
        try:
            return self._adapter.match(path)[1]
        except HTTPException:  # not found, or found with another slash at the end
            return None

    def find_params(self, request: Subject) -> dict[str, Any]:
        found = self._match(request.plain_path) or {}
        return {k: v.replace("%2F", "/") if isinstance(v, str) else v for k, v in found.items()}

    def explain(self, request: Subject) -> Mismatch:
        got = request.plain_path
        other = got[:-1] if got.endswith("/") else f"{got}/"
        hint, distance = "", 10.0 - 6.0 * _likeness(re.sub("<.*?>", "", self.rule), got)
        if self._match(other) is not None:
            hint, distance = f"it has {'a' if got.endswith('/') else 'no'} slash at the end", 1.0
        elif self._match_loosely(got):
            hint, distance = "its parts are there, but a placeholder does not accept its own", 2.0
        return Mismatch(self.name, self.describe(), quote(got), hint, distance)

    def _match_loosely(self, path: str) -> bool:
        parts = re.split("<.*?>", self.rule)
        return re.fullmatch("[^/]*".join(map(re.escape, parts)), path) is not None


class HostCriterion(Criterion):
    """The host that the request names: of a text without a port the port is no matter."""

    name = "host"
    weight = 10.0

    def __init__(self, host: object) -> None:
        self.host = host.lower() if isinstance(host, str) else host
        self._has_port = isinstance(host, str) and re.search(r":\d+$", host) is not None

    def matches(self, request: Subject) -> bool:
        host = request.host.lower()
        if isinstance(self.host, str):
            return self.host == (host if self._has_port else _without_port(host))
        return accepts(self.host, host) or accepts(self.host, _without_port(host))

    def explain(self, request: Subject) -> Mismatch:
        return Mismatch(self.name, self.describe(), quote(request.host), "", self.weight)

    def describe(self) -> str:
        return show(self.host)


@dataclass(frozen=True)
class SchemeCriterion(Criterion):
    """What a whole URL begins with."""

    scheme: str
    name = "scheme"
    weight = 3.0

    def matches(self, request: Subject) -> bool:
        return request.scheme == self.scheme

    def explain(self, request: Subject) -> Mismatch:
        hint = "the stub speaks TLS if stub_tls says so" if self.scheme == "https" else "the stub speaks TLS"
        return Mismatch(self.name, self.scheme, request.scheme, hint, self.weight)

    def describe(self) -> str:
        return self.scheme


def _without_port(host: str) -> str:
    return re.sub(r":\d*$", "", host)


# -- how paths resemble each other -------------------------------------------------------------------------------------


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


# -- what a test author writes -----------------------------------------------------------------------------------------


def make_method(method: object) -> MethodCriterion:
    """Check a method.

    Raises:
        UsageError: No request can have it.
    """
    if isinstance(method, str) and _TOKEN.fullmatch(method):
        return MethodCriterion(method.upper())
    if isinstance(method, Combinator):
        return MethodCriterion(method.map(_upper))
    if isinstance(method, re.Pattern) or is_judge(method):
        return MethodCriterion(method)
    advice = ""
    if isinstance(method, str):
        name, _, rest = method.strip().partition(" ")
        if name.startswith("/"):
            advice = f"; for any method on that path write (None, {method!r})"
        elif rest.strip().startswith("/"):
            advice = f"; write method and path as two arguments: ({name!r}, {rest.strip()!r})"
    elif isinstance(method, list | tuple | set | frozenset):
        advice = "; for one of several write ANY_OF(…)"
    raise UsageError(f"method is {quote(method)}; wanted a name such as 'GET', or None for any{advice}")


def _upper(method: object) -> object:
    return (
        method.upper() if isinstance(method, str) else method.map(_upper) if isinstance(method, Combinator) else method
    )


class Target(NamedTuple):
    """What a path says, if it is more than a path.

    Attributes:
        path: The path alone.
        query: What follows a question mark; None if there is none.
        host: Of a whole URL, with its port; None if there is none.
        scheme: Of a whole URL; None if there is none.
    """

    path: object
    query: str | None = None
    host: str | None = None
    scheme: str | None = None


def split_target(path: object) -> Target:
    """Take apart a path with a query, or a whole URL."""
    if not isinstance(path, str):
        return Target(path)
    scheme = host = None
    url = re.match(r"(https?)://([^/?#]*)", path, re.IGNORECASE)
    if url is not None:
        scheme, host = url[1].lower(), url[2].rpartition("@")[2].lower()
        default = ":80" if scheme == "http" else ":443"
        host = host.removesuffix(default)
        path = path[url.end() :]
        path = path if path.startswith("/") else f"/{path}"
    path = path.partition("#")[0]  # a client keeps the fragment to itself
    rest, question, query = _split_query(path)
    return Target(rest, query if question else None, host, scheme)


def _split_query(path: str) -> tuple[str, str, str]:
    """At the first question mark outside placeholders, whose arguments may have one."""
    found = re.match(r"((?:<[^<>]*>|[^?])*)(\??)(.*)", path, re.DOTALL)
    return (found[1], found[2], found[3]) if found else (path, "", "")


def make_path(path: object) -> PathCriterion:
    """Check a path, without query and host.

    Raises:
        UsageError: No request can have it.
    """
    if isinstance(path, re.Pattern):
        if not isinstance(path.pattern, str):
            raise UsageError(f"path is {path!r}, a pattern of bytes; compile it from a str")
        return PatternCriterion(path)
    if isinstance(path, Combinator) or is_judge(path):
        return PathCriterion(path)
    if not isinstance(path, str):
        raise UsageError(
            f"path is {quote(path)}; wanted a text that begins with '/', a compiled pattern, or None for any"
        )
    if not path.startswith("/") and path != "*":  # OPTIONS *: RFC 9112, 3.2.4
        raise UsageError(f"path is {quote(path)}; wanted one that begins with '/': {quote('/' + path)}")
    return RuleCriterion(path) if re.search("<[^<>]+>", path) else PathCriterion(decode_path(path))

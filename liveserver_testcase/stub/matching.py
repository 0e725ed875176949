"""Criteria: what an expectation wants of a request.  Pure: no clock, socket or thread.

A criterion compares one thing and returns None, or a `Mismatch` that describes itself.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypedDict

from ..core.names import refuse_unknown
from ..core.text import quote
from ..errors import UsageError
from .body_matchers import AuthMatcher, BodyMatcher, CustomMatcher, JSONMatcher, TextMatcher
from .field_matchers import CookiesMatcher, FilesMatcher, FormMatcher, HeadersMatcher, QueryMatcher
from .matcher import Matcher, Mismatch
from .parsing import NO_JSON
from .target_matchers import (
    HostMatcher,
    MethodMatcher,
    PathMatcher,
    RuleMatcher,
    SchemeMatcher,
    find_group,
    make_method,
    make_path,
    split_target,
)
from .values import freeze

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .request import RecordedRequest

__all__ = [
    "CRITERIA",
    "Criteria",
    "CriteriaKeywords",
    "Key",
    "find_group",
    "make_criteria",
    "make_criteria_of",
    "read_content",
]

Key = tuple[str | None, str | None]
"""A method and a path, or the first part of one; None for any."""


class CriteriaKeywords(TypedDict, total=False):
    """What can be wanted of a request besides its method and its path.

    Each takes a plain value, which means equality; a compiled pattern, which must match all of a text; a callable,
    which is asked; an object with an ``__eq__`` of its own; or one of `ABSENT`, `ANY_OF`, `ALL_OF`, `NOT`, `INCLUDING`
    and `UNORDERED`; and so does each part of a mapping or a list.

    Attributes:
        query: The parameters, all of them; a text is the raw query.
        headers: Some of the headers; names without case.
        cookies: Some of the cookies.
        body: The body: bytes, or text as UTF-8.
        text: The body as text, in its own charset.
        json: The body as JSON; None for ``null``.
        form: The fields of a form, all of them.
        files: The files of a form, all of them: content, ``(name, content)`` or ``(name, content, type)``.
        auth: ``(name, password)`` of Basic, or the token of Bearer.
        host: The host that is named, with or without its port.
        matcher: A function that is asked with the request, or an object with ``matches(request)``.
    """

    query: object
    headers: object
    cookies: object
    body: object
    text: object
    json: object
    form: object
    files: object
    auth: object
    host: object
    matcher: Any


CRITERIA: Mapping[str, Callable[[Any], Matcher]] = {
    "host": HostMatcher,
    "query": QueryMatcher,
    "headers": HeadersMatcher,
    "auth": AuthMatcher,
    "cookies": CookiesMatcher,
    "json": JSONMatcher,
    "form": FormMatcher,
    "files": FilesMatcher,
    "text": TextMatcher,
    "body": BodyMatcher,
    "matcher": CustomMatcher,
}
"""What makes a criterion of each keyword, in the order in which they are compared: the quickest first."""

_BODIES = ("json", "form", "text", "body")  # and files, which come with a form
_READING = (*_BODIES, "files", "matcher")


@dataclass(frozen=True)
class Criteria:
    """All that is wanted of one request; any request meets criteria of which there are none."""

    method: MethodMatcher | None = None
    path: PathMatcher | None = None
    others: tuple[Matcher, ...] = ()

    @cached_property
    def criteria(self) -> tuple[Matcher, ...]:
        """All of them, in the order in which a report shows them."""
        return tuple(criterion for criterion in (self.method, self.path, *self.others) if criterion is not None)

    @cached_property
    def key(self) -> Key:
        """Method and path, or of a rule `find_group`, as far as they are plain: who has another key cannot match."""
        method = self.method.method if self.method is not None else None
        path = self.path.path if self.path is not None else None
        if isinstance(self.path, RuleMatcher):
            path = self.path.group
        return method if isinstance(method, str) else None, path if isinstance(path, str) else None

    @cached_property
    def content_key(self) -> tuple[str, Hashable] | None:
        """The matcher of a content that is plain, and the content: a request with another cannot match."""
        for criterion in self.others:
            content = criterion.make_key()
            if content is not None:
                return criterion.name, content
        return None

    @cached_property
    def beyond_key(self) -> tuple[Matcher, ...]:
        """Those that a request with the same key can still miss."""
        method, path = self.key
        rest = [self.method] if method is None else []
        rest += [self.path] if path is None or isinstance(self.path, RuleMatcher) else []  # type: ignore[list-item]
        return tuple(criterion for criterion in (*rest, *self.others) if criterion is not None)

    @cached_property
    def reads_body(self) -> bool:
        """Whether one of them looks, or may look, at the body."""
        return any(criterion.name in _READING for criterion in self.others)

    def matches_head(self, request: RecordedRequest) -> bool | None:
        """Compare a request whose body is still to come; None: it matches as far as is known, and the body decides."""
        if not _meets(tuple(each for each in self.criteria if each.name not in _READING), request):
            return False
        return None if self.reads_body else True

    def matches(self, request: RecordedRequest) -> bool:
        """Whether every criterion is met; a predicate that raises is not."""
        return _meets(self.criteria, request)

    def matches_beyond_key(self, request: RecordedRequest) -> bool:
        """The same for a request that has the same key."""
        return not self.beyond_key or _meets(self.beyond_key, request)

    def compare(self, request: RecordedRequest) -> list[Mismatch]:
        """How ``request`` differs from what is wanted; nothing if it matches."""
        found = [criterion.compare(request) for criterion in self.criteria]
        return [mismatch for mismatch in found if mismatch is not None]

    def describe(self) -> str:
        """The criteria on one line, such as ``POST '/charges' json={'amount': 5}``."""
        texts = {criterion.name: criterion.describe() for criterion in self.criteria}
        others = [f"{name}={text}" for name, text in texts.items() if name not in ("method", "path")]
        if "method" not in texts and "path" not in texts:
            return " ".join(["any request", *others])
        return " ".join([texts.get("method", "any method"), texts.get("path", "any path"), *others])


def _meets(criteria: tuple[Matcher, ...], request: RecordedRequest) -> bool:
    try:
        for criterion in criteria:  # all() costs as much as the comparisons
            if not criterion.matches(request):
                return False
    except Exception:  # the report says what was raised: see Matcher.compare
        return False
    return True


def read_content(request: RecordedRequest, name: str) -> Hashable:
    """What a request has of the content that the criterion ``name`` is looked up by; None if it has none."""
    if name != "json":
        return request.text if name == "text" else request.body
    value = request.read_json()
    try:
        return None if value is NO_JSON else (freeze(value),)
    except RecursionError:
        return None


def make_criteria(method: object = None, path: object = None, **wanted: Unpack[CriteriaKeywords]) -> Criteria:
    """Check what a test author wrote, and make criteria of it.

    Args:
        method: Such as ``GET``; None for any.
        path: A text, a rule such as ``/users/<int:id>``, a compiled pattern; with a query, or as a whole URL; None for
            any.
        wanted: See `CriteriaKeywords`.

    Raises:
        UsageError: No request can match, or it does not say what it means.
        TypeError: An unknown keyword; the message names the nearest.
    """
    refuse_unknown("make_criteria", wanted, list(CRITERIA))
    return make_criteria_of(method, path, wanted)


def make_criteria_of(method: object, path: object, wanted: Mapping[str, Any]) -> Criteria:
    """The same, of keywords that are known."""
    target = split_target(path)
    given = {name: value for name, value in wanted.items() if value is not None or name == "json"}
    made: dict[str, Matcher] = {}
    if target.query is not None:
        if "query" in given:
            raise UsageError(
                f"path is {quote(path)}, with a query in it, and query is {quote(given['query'])}: keep one of them"
            )
        made["query"] = QueryMatcher.parse(target.query)
    if target.host is not None:
        if "host" in given:
            raise UsageError(
                f"path is {quote(path)}, with a host in it, and host is {quote(given['host'])}: keep one of them"
            )
        made["host"] = HostMatcher(target.host)
    bodies = [name for name in _BODIES if name in given]
    if len(bodies) > 1:
        raise UsageError(f"a request has one body, but {' and '.join(bodies)} were given: keep one of them")
    made |= {name: CRITERIA[name](value) for name, value in given.items()}
    if target.scheme is not None:
        made["scheme"] = SchemeMatcher(target.scheme)
    order = ["scheme", *CRITERIA]
    others = tuple(made[name] for name in order if name in made)
    return Criteria(
        None if method is None else make_method(method), None if path is None else make_path(target.path), others
    )

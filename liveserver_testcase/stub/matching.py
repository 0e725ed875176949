"""All that is wanted of one request.  Pure: no clock, socket or thread.

A matcher compares one thing.  It stands with its keyword in ``target_matchers``, ``field_matchers`` or
``body_matchers``, and is listed there.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..core.checks import refuse_unknown
from ..core.text import quote
from ..errors import UsageError
from .body_matchers import BODY_MATCHERS, BodyKeywords
from .field_matchers import FIELD_MATCHERS, FieldKeywords, QueryMatcher
from .matcher import Matcher, Mismatch
from .target_matchers import (
    TARGET_MATCHERS,
    HostMatcher,
    MethodMatcher,
    PathMatcher,
    SchemeMatcher,
    TargetKeywords,
    make_path,
    split_target,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .request import RecordedRequest

__all__ = ["CRITERIA", "BodyAwaited", "Criteria", "CriteriaKeywords", "Key", "make_criteria"]

Key = tuple[str | None, str | None]
"""A method and a path, or the first part of one; None for any."""


class CriteriaKeywords(TargetKeywords, FieldKeywords, BodyKeywords, total=False):
    """What can be wanted of a request besides its method and its path.

    Each takes a plain value, which means equality; a compiled pattern, which must match all of a text; a callable,
    which is asked; an object with an ``__eq__`` of its own; or one of `ABSENT`, `ANY_OF`, `ALL_OF`, `NOT`, `INCLUDING`
    and `UNORDERED`; and so does each part of a mapping or a list.
    """


_MATCHERS = sorted((*TARGET_MATCHERS, *FIELD_MATCHERS, *BODY_MATCHERS), key=lambda matcher: matcher.reads_body)
CRITERIA: Mapping[str, type[Matcher]] = {matcher.name: matcher for matcher in _MATCHERS}
"""What makes a matcher of each keyword, in the order in which they are compared: those that read the body come last."""


class BodyAwaited(Exception):
    """Whether a request matches depends on its body, which has not been read."""


@dataclass(frozen=True)
class Criteria:
    """All that is wanted of one request; any request meets criteria of which there are none."""

    method: MethodMatcher | None = None
    path: PathMatcher | None = None
    others: tuple[Matcher, ...] = ()

    @cached_property
    def matchers(self) -> tuple[Matcher, ...]:
        """All of them, in the order in which a report shows them."""
        return tuple(each for each in (self.method, self.path, *self.others) if each is not None)

    @cached_property
    def key(self) -> Key:
        """Method and path, as far as they are plain: a request with another key cannot match."""
        return self.method.key if self.method is not None else None, self.path.key if self.path is not None else None

    @cached_property
    def _lookup(self) -> tuple[tuple[Callable[[RecordedRequest], Hashable], Hashable] | None, tuple[Matcher, ...]]:
        """The content key, and the matchers that a request with the same keys can still miss."""
        rest = [each for each in self.matchers if not each.is_met_by_key]
        for matcher in self.others:
            content = matcher.make_key()
            if content is not None:
                rest.remove(matcher)
                return (matcher.read_key, content), tuple(rest)
        return None, tuple(rest)

    @property
    def content_key(self) -> tuple[Callable[[RecordedRequest], Hashable], Hashable] | None:
        """What reads a content of a request, and the one that is wanted: a request matches that if it has it."""
        return self._lookup[0]

    def matches(self, request: RecordedRequest) -> bool:
        """Return True if every one is met; a predicate that raises is not.  `BodyAwaited` if that takes the body."""
        return _are_met(self.matchers, request)

    def matches_beyond_keys(self, request: RecordedRequest) -> bool:
        """Like `matches`, for a request that has the same `key` and, unless it awaits its body, `content_key`."""
        matchers = self.matchers if request.awaits_body else self._lookup[1]
        return not matchers or _are_met(matchers, request)

    def compare(self, request: RecordedRequest) -> list[Mismatch]:
        """Return how ``request`` differs from what is wanted; nothing if it matches."""
        found = [matcher.compare(request) for matcher in self.matchers]
        return [mismatch for mismatch in found if mismatch is not None]

    def describe(self) -> str:
        """Write the criteria on one line, such as ``POST '/charges' json={'amount': 5}``."""
        others = [f"{matcher.name}={matcher.describe()}" for matcher in self.others]
        if self.method is None and self.path is None:
            return " ".join(["any request", *others])
        method = self.method.describe() if self.method is not None else "any method"
        return " ".join([method, self.path.describe() if self.path is not None else "any path", *others])


def _are_met(matchers: tuple[Matcher, ...], request: RecordedRequest) -> bool:
    for matcher in matchers:  # all() costs as much as the comparisons
        if matcher.reads_body:
            if request.awaits_body:
                raise BodyAwaited
            if matcher.wants_whole_body and request.loss:
                return False  # what was not kept may be anything
        try:
            if not matcher.matches(request):
                return False
        except Exception:  # the report says what was raised: see Matcher.compare
            return False
    return True


def make_criteria(method: object = None, path: object = None, **wanted: Unpack[CriteriaKeywords]) -> Criteria:
    """Check what a test author wrote, and make criteria of it; see `Script.on`."""
    refuse_unknown("make_criteria", wanted, list(CRITERIA))
    path_alone, query, host, scheme = split_target(path)
    given: dict[str, Any] = {name: value for name, value in wanted.items() if value is not None or name == "json"}
    for name, part in (("query", query), ("host", host)):
        if part is not None and name in given:
            raise UsageError(
                f"path is {quote(path)}, with a {name} in it, and {name} is {quote(given[name])}: keep one of them"
            )
    bodies = [name for name in CRITERIA if name in given and CRITERIA[name].wants_whole_body]
    if len(bodies) > 1:
        raise UsageError(f"a request has one body, but {' and '.join(bodies)} were given: keep one of them")
    made: dict[str, Matcher] = {name: CRITERIA[name](value) for name, value in given.items()}
    if query is not None:
        made["query"] = QueryMatcher.parse(query)
    if host is not None:
        made["host"] = HostMatcher(host)
    others = [made[name] for name in CRITERIA if name in made]
    if scheme is not None:
        others.insert(0, SchemeMatcher(scheme))
    return Criteria(
        None if method is None else MethodMatcher(method),
        None if path is None else make_path(path_alone),
        tuple(others),
    )

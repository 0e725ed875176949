"""The verbs with which a test writes a script, for a stub and for views of it."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from ..core.text import quote
from ..errors import UsageError
from .expectation import Expectation
from .keywords import suggest_more_keywords
from .matching import CRITERIA, CriteriaKeywords
from .reply import Headers, Reply
from .scenario import Scenario
from .times import Times, parse_limit, parse_times
from .values import INCLUDING

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Defaults", "ScenarioScript", "ScriptKeywords", "Scripting", "Wish"]

_suggest = suggest_more_keywords(*CRITERIA)
_suggest_all = suggest_more_keywords("times", "name", "state", *CRITERIA)
TimesArgument: TypeAlias = "int | tuple[int, int | None] | None"


class ScriptKeywords(CriteriaKeywords, total=False):
    """The keywords of `Scripting.on`."""

    times: TimesArgument
    name: str | None
    state: str | None


class Wish:
    """What a test has written of one expectation, before it is checked.

    Attributes:
        method: The method.
        path: The path.
        wanted: The criteria by their keywords.
        times: How often.
        name: What the test calls it.
        scenario: The scenario that it is part of.
        state: The state that this must be in.
        reply_headers: What is added to its reply.
    """

    def __init__(self, method: object, path: object, wanted: Mapping[str, Any], times: Times, name: str | None) -> None:
        if name is not None and not isinstance(name, str):
            raise UsageError(f"name is {quote(name)}; wanted a text")
        self.method = method
        self.path = path
        self.wanted = dict(wanted)
        self.times = times
        self.name = name or ""
        self.scenario: Scenario | None = None
        self.state: str | None = None
        self.reply_headers: tuple[tuple[str, str], ...] = ()


class Scripting(abc.ABC):
    """Says what may, must and must not come."""

    @abc.abstractmethod
    def _write(self, wish: Wish) -> Expectation:
        """Write an expectation."""

    @_suggest
    def on(
        self,
        method: object = None,
        path: object = None,
        /,
        *,
        times: TimesArgument = None,
        name: str | None = None,
        state: str | None = None,
        **criteria: Unpack[CriteriaKeywords],
    ) -> Expectation:
        """Answer requests like this, which may come or not.

        Args:
            method: Such as ``GET``; None for any.
            path: The path, decoded but for ``%2F``, which is no slash; a rule such as ``/users/<int:id>``; a compiled
                pattern that matches all of it; with a query, or as a whole URL; None for any.
            times: How often it may answer at most; None for any number.
            name: What a report calls it.
            state: The state in which the scenario must be, of a view that `Script.scenario` made.
            criteria: What else is wanted of a request: see `CriteriaKeywords`.

        Returns:
            The expectation, which wants to be told what it answers, by its ``reply()``, ``reply_with()``, ….

        Raises:
            UsageError: No request can match, or ``times`` says that one must come.
            TypeError: An unknown keyword; the message names the nearest.
        """
        return self._wish(method, path, criteria, parse_limit(times), name, state)

    @_suggest
    def expect(
        self,
        method: object = None,
        path: object = None,
        /,
        *,
        times: TimesArgument = 1,
        name: str | None = None,
        state: str | None = None,
        **criteria: Unpack[CriteriaKeywords],
    ) -> Expectation:
        """Answer requests like this, which must come: exactly once, unless ``times`` says otherwise.

        Args:
            method: See `on`.
            path: See `on`.
            times: ``n`` for exactly n, ``(low, high)``, ``at_least(n)``, ``at_most(n)``, None for at least once, 0 for
                never: see `forbid`.
            name: See `on`.
            state: See `on`.
            criteria: See `on`.

        Returns:
            The expectation, which wants to be told what it answers, by its ``reply()``, ``reply_with()``, ….

        Raises:
            UsageError: No request can match, or ``times`` is none of these.
            TypeError: An unknown keyword; the message names the nearest.
        """
        return self._wish(method, path, criteria, parse_times(times), name, state)

    @_suggest
    def forbid(
        self,
        method: object = None,
        path: object = None,
        /,
        *,
        name: str | None = None,
        state: str | None = None,
        **criteria: Unpack[CriteriaKeywords],
    ) -> Expectation:
        """Hold a request like this against the test, whatever else would answer it.

        Args:
            method: See `on`; so for the rest.

        Raises:
            UsageError: No request can match.
            TypeError: An unknown keyword; the message names the nearest.
        """
        return self._wish(method, path, criteria, (0, 0), name, state)

    def _wish(
        self,
        method: object,
        path: object,
        criteria: CriteriaKeywords,
        times: Times,
        name: str | None,
        state: str | None,
    ) -> Expectation:
        wish = Wish(method, path, criteria, times, name)
        wish.state = state
        return self._write(wish)

    @_suggest_all
    def get(self, path: object = None, /, **options: Unpack[ScriptKeywords]) -> Expectation:
        """``on("GET", path, …)``."""
        return self.on("GET", path, **options)

    @_suggest_all
    def post(self, path: object = None, /, **options: Unpack[ScriptKeywords]) -> Expectation:
        """``on("POST", path, …)``."""
        return self.on("POST", path, **options)

    @_suggest_all
    def put(self, path: object = None, /, **options: Unpack[ScriptKeywords]) -> Expectation:
        """``on("PUT", path, …)``."""
        return self.on("PUT", path, **options)

    @_suggest_all
    def patch(self, path: object = None, /, **options: Unpack[ScriptKeywords]) -> Expectation:
        """``on("PATCH", path, …)``."""
        return self.on("PATCH", path, **options)

    @_suggest_all
    def delete(self, path: object = None, /, **options: Unpack[ScriptKeywords]) -> Expectation:
        """``on("DELETE", path, …)``."""
        return self.on("DELETE", path, **options)

    @_suggest_all
    def head(self, path: object = None, /, **options: Unpack[ScriptKeywords]) -> Expectation:
        """``on("HEAD", path, …)``."""
        return self.on("HEAD", path, **options)

    @_suggest_all
    def options(self, path: object = None, /, **options: Unpack[ScriptKeywords]) -> Expectation:
        """``on("OPTIONS", path, …)``."""
        return self.on("OPTIONS", path, **options)

    @_suggest
    def defaults(
        self, *, prefix: str = "", reply_headers: Headers | None = None, **criteria: Unpack[CriteriaKeywords]
    ) -> Defaults:
        """A view of the stub: what is written through it starts from these criteria.

        Args:
            prefix: Stands before each path.
            reply_headers: What each reply has that does not say otherwise.
            criteria: What is wanted of each request.  Mappings (headers, cookies, query, form) are merged with those of
                an expectation; anything else is replaced by what that says.

        Raises:
            UsageError: No request can match.
            TypeError: An unknown keyword; the message names the nearest.
        """
        return Defaults(self, criteria, prefix, reply_headers)


class _View(Scripting):
    """Writes through something else, and is it in everything else."""

    def __init__(self, through: Scripting) -> None:
        self._through = through

    if not TYPE_CHECKING:  # a type checker would believe that every name is there

        def __getattr__(self, name: str) -> Any:
            if name == "_through":  # a half-made object (copy.copy)
                raise AttributeError(name)
            return getattr(self._through, name)


class Defaults(_View):
    """What `Scripting.defaults` returns."""

    def __init__(
        self, through: Scripting, criteria: Mapping[str, Any], prefix: str, reply_headers: Headers | None
    ) -> None:
        super().__init__(through)
        if not isinstance(prefix, str) or (prefix and not prefix.startswith("/")):
            raise UsageError(f"prefix is {quote(prefix)}; wanted one that begins with '/', such as '/v1'")
        self._criteria = criteria
        self._prefix = prefix.rstrip("/")
        self._reply_headers = Reply(headers=reply_headers).headers

    def _write(self, wish: Wish) -> Expectation:
        for name, value in self._criteria.items():
            wish.wanted[name] = _merge(name, value, wish.wanted.get(name)) if name in wish.wanted else value
        if self._prefix and isinstance(wish.path, str) and wish.path.startswith("/"):
            wish.path = self._prefix + wish.path
        elif self._prefix:
            raise UsageError(f"path is {quote(wish.path)}; wanted a text, before which {self._prefix!r} can stand")
        own = {name.lower() for name, _ in wish.reply_headers}
        wish.reply_headers += tuple(pair for pair in self._reply_headers if pair[0].lower() not in own)
        return self._through._write(wish)


def _merge(name: str, default: object, own: object) -> object:
    """Both, if they are mappings: a header is the same whatever its case."""
    inner = own.wanted[0] if isinstance(own, INCLUDING) else own
    if not isinstance(default, Mapping) or not isinstance(inner, Mapping):
        return own
    fold = str.lower if name == "headers" else str
    said = {fold(key) for key in inner}
    merged = {**{key: value for key, value in default.items() if fold(key) not in said}, **inner}
    return INCLUDING(merged) if isinstance(own, INCLUDING) else merged


class ScenarioScript(_View):
    """What `Script.scenario` returns: expectations of it can want a state, and move it on.

    Args:
        through: The stub.
        scenario: The scenario.
    """

    def __init__(self, through: Any, scenario: Scenario) -> None:
        super().__init__(through)
        self._scenario = scenario

    def _write(self, wish: Wish) -> Expectation:
        if wish.state is not None and (not isinstance(wish.state, str) or not wish.state):
            raise UsageError(f"state is {quote(wish.state)}; wanted a text")
        wish.scenario = self._scenario
        return self._through._write(wish)

    @property
    def name(self) -> str:
        """What the test calls it."""
        return self._scenario.name

    @property
    def state(self) -> str:
        """The state in which it is; it can be set."""
        return self._scenario.state

    @state.setter
    def state(self, state: str) -> None:
        if not isinstance(state, str) or not state:
            raise UsageError(f"state is {quote(state)}; wanted a text")
        self._through._book.move(self._scenario, state)  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        return repr(self._scenario)

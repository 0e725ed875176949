"""What a test says to a stub: what may, must and must not come, and what is answered.

A `Script` writes expectations into the registry.  An `HTTPStub` is one, and so are the views of it: what is written
through `Script.defaults` starts from common criteria, and what is written through `Script.scenario` is part of a
scenario.  Whatever else a view is asked for, it has of the stub; a wait for requests has the common criteria, too.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from werkzeug.wrappers import Response

from ..core.checks import KnownAttributes, suggest_keywords, suggest_more_keywords
from ..core.text import quote
from ..errors import UsageError
from .bodies import make_pairs
from .expectation import Expectation, Order, Scenario, Times, caller_location, parse_limit, parse_times
from .inspection import Inspection
from .matching import CRITERIA, CriteriaKeywords, make_criteria
from .registry import ExpectationRegistry
from .reply import Headers, Reply
from .responders import Chunked, Content, ServedContent
from .values import INCLUDING
from .waiting import Wait, note_block, refuse_in_loop

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .websocket_script import WebSocketExpectation

__all__ = ["Defaults", "ScenarioScript", "Script", "ScriptKeywords", "check_text"]

__unittest = True

_suggest = suggest_more_keywords(*CRITERIA)
_suggest_all = suggest_more_keywords("times", "name", "state", *CRITERIA)
_WAITING = "wait_for_request", "wait_for_request_async"  # for requests like this; what the others take is any request
_TAKING = "take_request", "take_request_async"
TimesArgument: TypeAlias = "int | tuple[int, int | None] | None"


class ScriptKeywords(CriteriaKeywords, total=False):
    """The keywords of `Script.on`."""

    times: TimesArgument
    name: str | None
    state: str | None


class Script(KnownAttributes):
    """Says what may, must and must not come."""

    __slots__ = ("_criteria", "_inspection", "_prefix", "_registry", "_reply_headers", "_scenario")

    def __init__(self, registry: ExpectationRegistry, inspection: Inspection) -> None:
        self._registry = registry
        self._inspection = inspection
        # What a view adds to each expectation.
        self._prefix = ""
        self._criteria: Mapping[str, Any] = {}
        self._reply_headers: tuple[tuple[str, str], ...] = ()
        self._scenario: Scenario | None = None

    def _write(
        self, method: object, path: object, criteria: Mapping[str, Any], times: Times, *, name: Any, **options: Any
    ) -> Expectation:
        if name is not None:
            check_text("name", name, may_be_empty=True)
        state = options["state"]
        if state is not None and self._scenario is None:
            raise UsageError(
                f"state is {quote(state)}, but of no scenario; write stub.scenario('…').on(…, state={quote(state)})"
            )
        if state is not None:
            check_text("state", state)
        path, wanted = self._complete(path, criteria)
        options |= {"scenario": self._scenario, "reply_headers": self._reply_headers, "location": caller_location()}
        return self._registry.write(self._inspection, method, path, wanted, times, name=name or "", **options)

    def _complete(self, path: object, criteria: Mapping[str, Any]) -> tuple[object, Mapping[str, Any]]:
        """Return a path and criteria with what a view adds to them."""
        wanted = {**self._criteria, **criteria}
        for name in self._criteria.keys() & criteria.keys():
            wanted[name] = _merge(name, self._criteria[name], criteria[name])
        if not self._prefix:
            return path, wanted
        if not isinstance(path, str) or not path.startswith("/"):
            raise UsageError(f"path is {quote(path)}; wanted a str, before which {self._prefix!r} can stand")
        return self._prefix + path, wanted

    def _refuse_common(self, what: str) -> None:
        """Refuse a verb that has no place for what a view adds."""
        if self._prefix or self._criteria or self._reply_headers:
            raise UsageError(f"{what}, whatever this view has in common: call it on the stub itself")

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
            The expectation; say what it answers by its ``reply()``, ``reply_with()``, ….

        Raises:
            UsageError: No request can match, or ``times`` says that one must come.
            TypeError: An unknown keyword; the message names the nearest.
        """
        return self._write(method, path, criteria, parse_limit(times), name=name, state=state)

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
            method: See `on`; so for what is not named here.
            times: ``n`` for exactly n, ``(low, high)``, ``at_least(n)``, ``at_most(n)``, None for at least once, 0 for
                never: see `forbid`.

        Raises:
            UsageError: No request can match, or ``times`` is none of these.
        """
        return self._write(method, path, criteria, parse_times(times), name=name, state=state)

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
        """Fail the test if a request like this comes, whatever else would answer it; for its arguments see `on`."""
        return self._write(method, path, criteria, (0, 0), name=name, state=state)

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
    def on_websocket(
        self,
        path: object = None,
        /,
        *,
        subprotocols: Sequence[str] = (),
        times: TimesArgument = None,
        name: str | None = None,
        state: str | None = None,
        **criteria: Unpack[CriteriaKeywords],
    ) -> WebSocketExpectation:
        """Serve WebSockets that are opened like this, which may come or not.

        Args:
            path: See `on`; so for what is not named here.
            subprotocols: Of which a client must offer one; the first of these that it offers is agreed upon.
            criteria: What is wanted of the handshake: see `CriteriaKeywords`.

        Returns:
            The expectation; say by its ``receive()``, ``send()``, … what is exchanged.

        Raises:
            UsageError: No handshake can match, ``times`` says that one must come, or websockets is not installed.
        """
        often = parse_limit(times)
        return self._write_websocket(path, criteria, often, subprotocols, must_finish=False, name=name, state=state)

    @_suggest
    def expect_websocket(
        self,
        path: object = None,
        /,
        *,
        subprotocols: Sequence[str] = (),
        times: TimesArgument = 1,
        name: str | None = None,
        state: str | None = None,
        **criteria: Unpack[CriteriaKeywords],
    ) -> WebSocketExpectation:
        """Serve WebSockets that are opened like this, which must come, and whose script must come to its end.

        Args:
            path: See `on_websocket`; so for what is not named here.
            times: See `expect`.

        Raises:
            UsageError: No handshake can match, ``times`` is no number of times, or websockets is not installed.
        """
        often = parse_times(times)
        return self._write_websocket(path, criteria, often, subprotocols, must_finish=True, name=name, state=state)

    def _write_websocket(
        self,
        path: object,
        criteria: Mapping[str, Any],
        times: Times,
        subprotocols: Sequence[str],
        *,
        must_finish: bool,
        **options: Any,
    ) -> WebSocketExpectation:
        from .websocket_script import WebSocketExpectation, make_handshake  # which few scripts need

        if self._inspection.is_remote:
            raise UsageError(
                "a stub with mode='process' has no WebSockets: their connections are in its process, and what a test "
                "does with them is not; use mode='thread'"
            )
        handshake = make_handshake(subprotocols)
        expectation = self._write("GET", path, criteria, times, handshake=handshake, **options)
        return WebSocketExpectation(expectation, subprotocols, must_finish=must_finish)

    @_suggest
    def defaults(
        self, *, prefix: str = "", reply_headers: Headers | None = None, **criteria: Unpack[CriteriaKeywords]
    ) -> Defaults:
        """Return a view of the stub whose expectations have these criteria in common.

        What it is asked by `allow_unmatched` and `HTTPStub.wait_for_request` has them, too.

        Args:
            prefix: Stands before each path.
            reply_headers: What each reply has that does not say otherwise.
            criteria: What is wanted of each request.  Mappings (headers, cookies, query, form) are merged with those of
                an expectation; anything else is replaced by what that says.

        Raises:
            UsageError: No request can match.
        """
        return Defaults(self, criteria, prefix, reply_headers)

    @suggest_keywords
    def serve_content(
        self,
        content: Content = "",
        code: int = 200,
        headers: Headers | None = None,
        *,
        chunked: Chunked | bool | None = Chunked.NO,
        cookies: Mapping[str, str] | None = None,
        delay: float = 0.0,
        show_post_vars: bool = False,
    ) -> None:
        """Answer with ``content`` whatever no expectation matches; each call replaces the last one, headers and all.

        Args:
            content: Bytes, or text that is sent as UTF-8 ``text/html``; or several pieces of either.
            code: The status.
            headers: A mapping, or pairs where a name comes twice.
            chunked: Whether each piece is sent as a chunk.
            cookies: Names and values, sent as Set-Cookie.
            delay: Seconds before the answer.
            show_post_vars: Whether a form that is posted is answered with its fields, as JSON, instead.

        Raises:
            UsageError: One of these cannot be sent.
        """
        self._refuse_common("serve_content() answers whatever no expectation matches")
        self._registry.serve(ServedContent(content, code, headers, chunked, cookies, delay, show_post_vars))

    @suggest_keywords
    def enqueue(self, reply: object, *, method: str | None = None) -> Expectation:
        """Answer the next request that nothing else answers with this, after the replies that were enqueued before.

        Args:
            reply: A `Reply`, a status, or whatever else a view of Flask returns; or what
                `Expectation.reply_with` takes.
            method: Only a request with this method, before those for any.

        Returns:
            What was enqueued, with its request when that has come.

        Raises:
            UsageError: It is nothing that can be sent.
        """
        self._refuse_common("enqueue() answers whatever comes next")
        expectation = self._registry.make(self._inspection, method, None, {}, (0, 1), location=caller_location())
        if isinstance(reply, Reply | Response) or not (callable(reply) or hasattr(reply, "reply_to")):
            expectation.reply(reply)
        else:
            expectation.reply_with(reply)
        self._registry.enqueue(expectation)
        return expectation

    # -- recorded traffic ------------------------------------------------------------------------------------------

    @suggest_keywords
    def load_har(
        self,
        path: str | os.PathLike[str],
        *,
        match: Sequence[str] = ("method", "path", "query", "body"),
        strict: bool = True,
        host: str | None = None,
    ) -> list[Expectation]:
        """Answer as a HAR file has it: each entry becomes an expectation, and repeated ones a sequence.

        What was masked when the file was saved matches anything.  The host of the recorded server becomes the stub's in
        ``Location``, in bodies of text, and so on, and cookies lose their domain.  WebSockets are passed over.

        Args:
            path: The file: from `HTTPStub.save_har`, `LiveServer.save_har`, `record`, or a browser's developer tools.
            match: What of a request must be that of an entry: some of ``method``, ``path``, ``query``, ``body``,
                ``host`` and ``headers``.
            strict: Whether an entry that is never asked for fails the test, and a request that comes more often than it
                was recorded, too; else the last response to it is given again.
            host: Only the entries of this host, of a file that has several.

        Returns:
            The expectations, in the order of the first entry of each.

        Raises:
            UsageError: It is no HAR file, a response was saved without its body, or ``match`` is none of these.
        """
        from .har import load_har  # which few scripts need, as below

        return load_har(self, path, match=match, strict=strict, host=host)

    @suggest_keywords
    def record(
        self,
        upstream_url: str,
        path: str | os.PathLike[str],
        *,
        match: Sequence[str] = ("method", "path", "query", "body"),
        strict: bool | None = None,
        secrets: bool = False,
        timeout: float = 10.0,
        ca_file: str | None = None,
    ) -> list[Expectation]:
        """Record the responses of a real server, with ``LIVESERVER_RECORD=1``, or replay them, without it.

        While it records, what nothing else answers is passed on to ``upstream_url``, and ``path`` is written anew with
        each response.  Without that variable nothing leaves the stub: see `load_har`.

        Args:
            upstream_url: The base URL of the real server.
            path: The HAR file.
            match: See `load_har`.
            strict: See `load_har`; None for True in a test, and False for what a whole class shares.
            secrets: Whether the file has secrets as they were; otherwise ``***`` stands for each.
            timeout: Seconds without a byte from the real server.
            ca_file: What must be trusted to verify it, as a path; the system's by default.

        Returns:
            The expectations that answer.

        Raises:
            UsageError: There is nothing to replay, the file cannot be written, or one of these is of the wrong kind.
        """
        from .har import record

        strict = self._registry.is_in_test if strict is None else strict
        options: dict[str, Any] = {"secrets": secrets, "timeout": timeout, "ca_file": ca_file}
        return record(self, upstream_url, path, match=match, strict=strict, **options)

    # -- a document ------------------------------------------------------------------------------------------------

    @suggest_keywords
    def load_openapi(
        self, source: str | os.PathLike[str] | Mapping[str, Any], *, strict: bool = True, base_path: str | None = None
    ) -> list[Expectation]:
        """Answer as an OpenAPI document has it: each operation becomes an expectation.

        It answers with an example of the document, or else with a value that is made from the schema; a client can ask
        for another one with ``Prefer: code=404`` or ``Prefer: example=name``.  What a test writes besides wins.

        Args:
            source: The path of a YAML or JSON file, OpenAPI 3.0 or 3.1; or what is in it, as a dict.
            strict: Whether a request that the document does not allow is unmatched, so that it fails the test with a
                report of where it differs; else it is answered all the same.
            base_path: What stands before the paths of the document, ``""`` for nothing; None for what the URLs of its
                servers have there.

        Returns:
            The expectations, each named by its ``operationId``; operations without placeholders come first.

        Raises:
            UsageError: It is no such document, or openapi-core is not installed: ``liveserver-testcase[openapi]``.
        """
        from .openapi import load_openapi

        return load_openapi(self, source, strict=strict, base_path=base_path)

    @note_block("stub.in_order")
    @contextlib.contextmanager
    def in_order(self) -> Iterator[None]:
        """Want requests in the order in which their expectations are written inside.

        What comes before its turn is answered by something else, or by nothing.

        Raises:
            UsageError: It is inside another order.
        """
        if self._registry.order is not None:
            raise UsageError("in_order() stands inside another in_order(); write one after the other")
        self._registry.order = Order()
        try:
            yield
        finally:
            self._registry.order = None

    @note_block("stub.scope")
    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Remove the expectations that are written inside at the end of the block, and verify them there.

        Raises:
            AssertionError: At the end of the block: an expectation that was written inside is not met.
            UsageError: It would block a running event loop: write ``async with stub.scope_async()`` there.
        """
        refuse_in_loop("stub.scope()", "async with stub.scope_async()")
        with self._scope() as check:
            yield
            check().run("stub.scope()", "async with stub.scope_async()")

    @note_block("stub.scope_async")
    @contextlib.asynccontextmanager
    async def scope_async(self) -> AsyncIterator[None]:
        """Like `scope`, for code on an event loop."""
        with self._scope() as check:
            yield
            await check().run_async()

    @contextlib.contextmanager
    def _scope(self) -> Iterator[Callable[[], Wait[None]]]:
        """Strike out at the end of the block what was written in it; what it is given fails if that is not met."""
        scope = self._registry.begin_scope()
        try:
            yield lambda: self._inspection.settle_and(
                lambda: self._inspection.check_met(self._registry.end_scope(scope))
            )
        finally:
            self._registry.end_scope(scope)

    @suggest_keywords
    def scenario(self, name: str, first: str | None = None) -> ScenarioScript:
        """Return a view of the stub that has a state, such as an order that is new, paid and then shipped.

        Expectations that are written through it can want a ``state`` and move the thing on with ``then_state()``; the
        move is one with the answer, so that no second request finds the old state.

        Args:
            name: Of the thing; the same name is the same thing.
            first: The state in which each test finds it; ``start`` if none of the views says another.

        Raises:
            UsageError: The name or the state is no text, or the thing begins in another state.
        """
        check_text("name", name)
        if first is not None:
            check_text("first", first)
        return ScenarioScript(self, self._registry.find_scenario(name, first))

    @note_block("stub.allow_unmatched")
    @contextlib.contextmanager
    def allow_unmatched(
        self, method: object = None, path: object = None, /, **criteria: Unpack[CriteriaKeywords]
    ) -> Iterator[None]:
        """Let requests like this stay unmatched while the block lasts, without failing the test."""
        path, wanted = self._complete(path, criteria)
        allowed = self._registry.allow(method, path, wanted)
        try:
            yield
        finally:
            self._registry.disallow(allowed)


class _View(Script):
    """Writes what it adds besides, and is the script that it was made of in everything else."""

    __slots__ = ("_through",)

    _settable_elsewhere = "set it on the stub itself"

    def __init__(self, through: Script) -> None:
        super().__init__(through._registry, through._inspection)
        self._through = through
        self._prefix, self._criteria = through._prefix, through._criteria
        self._reply_headers, self._scenario = through._reply_headers, through._scenario

    if not TYPE_CHECKING:  # a type checker would believe that every name is there

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_"):  # of a half-made object (copy.copy)
                raise AttributeError(name)
            return getattr(self._through, name)


class Defaults(_View):
    """What `Script.defaults` returns."""

    __slots__ = ()

    def __init__(
        self, through: Script, criteria: Mapping[str, Any], prefix: str, reply_headers: Headers | None
    ) -> None:
        super().__init__(through)
        if not isinstance(prefix, str) or (prefix and not prefix.startswith("/")):
            raise UsageError(f"prefix is {quote(prefix)}; wanted one that begins with '/', such as '/v1'")
        make_criteria(**criteria)  # what no request can match is refused here, not where it is used
        self._criteria = through._complete("/", criteria)[1]
        self._prefix += prefix.rstrip("/")
        own = Reply(headers=make_pairs(reply_headers, "reply_headers"))
        self._reply_headers = own.with_defaults(*through._reply_headers).headers

    if not TYPE_CHECKING:  # see `_View`

        def __getattr__(self, name: str) -> Any:
            if name in _TAKING and (self._prefix or self._criteria):
                return lambda *_, **__: self._refuse_common(f"{name}() takes whatever comes next")
            if name not in _WAITING:
                return super().__getattr__(name)
            stub = self._through
            while isinstance(stub, _View):
                stub = stub._through

            @functools.wraps(getattr(stub, name))
            def wait(method: object = None, path: object = None, /, **kwargs: Any) -> Any:
                path, kwargs = self._complete(path, kwargs)
                return getattr(stub, name)(method, path, **kwargs)

            return wait


def _merge(name: str, default: object, own: object) -> object:
    """Both, if they are mappings: a header is the same whatever its case."""
    parts: tuple[Any, ...] = own.wanted if isinstance(own, INCLUDING) else (own,)
    if not isinstance(default, Mapping) or not all(isinstance(part, Mapping) for part in parts):
        return own
    inner = {key: value for part in parts for key, value in part.items()}
    fold = str.lower if name == "headers" else str
    said = {fold(key) for key in inner}
    merged = {**{key: value for key, value in default.items() if fold(key) not in said}, **inner}
    return INCLUDING(merged) if isinstance(own, INCLUDING) else merged


class ScenarioScript(_View):
    """What `Script.scenario` returns: its expectations can want a state, and change it."""

    __slots__ = ()

    _scenario: Scenario

    def __init__(self, through: Script, scenario: Scenario) -> None:
        super().__init__(through)
        self._scenario = scenario

    @property
    def name(self) -> str:
        """What the test calls it."""
        return self._scenario.name

    @property
    def state(self) -> str:
        """The present state; it can be set."""
        return self._scenario.state

    @state.setter
    def state(self, state: str) -> None:
        check_text("state", state)
        self._registry.move(self._scenario, state)

    def __repr__(self) -> str:
        return repr(self._scenario)


def check_text(name: str, value: object, *, may_be_empty: bool = False) -> str:
    """Refuse what is no text with a `UsageError`."""
    if not isinstance(value, str) or not (value or may_be_empty):
        raise UsageError(f"{name} is {quote(value)}; wanted a str")
    return value

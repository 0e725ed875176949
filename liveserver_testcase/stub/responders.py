"""What an expectation can answer with, besides a reply that is always the same: each makes a reply of a request.

A verb of `Expectation` hands over a `Reply`, or a function of the request, as a test does with ``reply_with()``: a new
one is one method there.
"""

from __future__ import annotations

import enum
import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, get_args

from werkzeug.wrappers import Response
from werkzeug.wsgi import ClosingIterator

from ..core.checks import check_switch, refuse_unknown
from ..core.text import count, quote
from ..errors import UsageError
from .bodies import list_pairs
from .faults import FaultPlan
from .reply import WITHOUT_BODY, Headers, Reply, ReplyOptions
from .request import RecordedRequest
from .stream import Stream, encode_piece, takes_arguments

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

__all__ = [
    "Chunked", "Content", "FaultyResponder", "FunctionResponder", "Hook", "Responder", "SequenceResponder",
    "ServedContent", "Then", "call_wsgi", "combine", "make_from",
]  # fmt: skip

Content: TypeAlias = "str | bytes | Iterable[str | bytes]"

Then: TypeAlias = Literal["fail", "repeat", "cycle"]
"""What comes after the last of several replies: an error, the last one again, or the first one."""

Hook: TypeAlias = "Callable[[RecordedRequest, Reply], object]"
"""Gets a request and the reply to it, and returns what to send instead; None for the same."""

_KNOWN = ("status", "body", "headers", *ReplyOptions.__annotations__)

DEFAULT_BODY = bytes(range(32, 127)).ljust(1024, b".")
"""What is cut, held up or spoilt where a fault needs a body and none was given."""


class Responder(Protocol):
    """What an expectation answers with: it makes a reply of a request, outside of any lock.

    Everything that an expectation answers with is one, a `Reply` too, and so is what a test hands to ``reply_with()``.
    """

    def reply_to(self, request: RecordedRequest, /) -> Reply:
        """Make the reply to ``request``."""


def make_from(value: object, whose: str = "") -> Reply:
    """Make a reply of what Flask's views return, or of a bit more; ``whose`` says who gave it, for the message."""
    if isinstance(value, Reply):
        return value
    if isinstance(value, Response):
        return _make_from_response(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return Reply(value)
    if isinstance(value, dict | list):
        return Reply(json=value)
    if isinstance(value, str | bytes | bytearray | Iterator | AsyncIterator):
        return Reply(200, value)
    if isinstance(value, tuple) and value:
        body, *rest = value
        status = rest.pop(0) if rest and isinstance(rest[0], int) else None
        headers = rest.pop(0) if rest and isinstance(rest[0], Mapping | list | tuple) else None
        is_known = not rest and (len(value) < 3 or headers is not None)
        if is_known and isinstance(body, Reply | Response):
            # Another status and further headers for a whole answer, as in Flask: a header replaces its namesake.
            whole = make_from(body)
            more = Reply(whole.status if status is None else status, headers=headers)
            replaced = {name.lower() for name, _ in more.headers}
            kept = tuple(pair for pair in whole.headers if pair[0].lower() not in replaced)
            reason = whole.reason if isinstance(body, Reply) or status is None else None
            return whole.changed(status=more.status, reason=reason, headers=(*kept, *more.headers)).checked()
        if is_known and isinstance(body, dict | list):
            return Reply(200 if status is None else status, headers=headers, json=body)
        if is_known and not isinstance(body, tuple | int | None):
            return Reply(200 if status is None else status, body, headers)
    what = f"{whose or 'an answer'} {'returned' if whose else 'is'} {quote(value)}"
    what += "" if value is None else f", of type {type(value).__name__}"
    raise UsageError(
        f"{what}; wanted a Reply, a status, bytes, text, a dict or list (sent as JSON), "
        "(body, status, headers), or a werkzeug Response"
    )


def _make_from_response(response: Response) -> Reply:
    pairs = [(name, value) for name, value in response.headers.items() if name.lower() != "content-length"]
    reason = response.status.partition(" ")[2]
    if not response.is_streamed:
        untyped = [] if "Content-Type" in response.headers else [("Content-Type", None)]
        whole = Reply(response.status_code, response.get_data(), [*pairs, *untyped], reason=reason)
        return whole.changed(selects=False)  # the application has decided that already

    def items(_request: object) -> Iterator[bytes]:
        try:
            yield from response.iter_encoded()
        finally:
            response.close()

    return Reply(response.status_code, None, pairs, reason=reason).changed(stream=Stream(items, encode_piece))


def combine(
    status: object, body: object, headers: Headers | None, options: ReplyOptions, *, more: Sequence[str] = ()
) -> Reply:
    """Make the reply that ``reply()`` of an expectation, or of a hold, is given; ``more`` are further keywords."""
    if options:
        refuse_unknown("reply", options, (*_KNOWN, *more))
    if isinstance(status, int):
        return Reply(status, body, headers, **options)
    if isinstance(status, str) and len(status) == 3 and status.isdecimal():
        raise UsageError(f"reply({status!r}) would send this text with status 200; for the status write {status}")
    if body is not None or headers is not None or options:
        raise UsageError(f"a {type(status).__name__} is a whole answer: give nothing else beside it")
    return make_from(status)


@dataclass(frozen=True)
class FaultyResponder:
    """An answer, what goes wrong with it, and who has a look at it first."""

    content: Responder | None = None  # what it would be otherwise; None for what is always the same and says nothing
    plan: FaultPlan | None = None
    hooks: tuple[Hook, ...] = ()  # called in their order

    def __post_init__(self) -> None:
        """Refuse a fault of which it is plain already that nothing would be seen."""
        reply = self._default if self.content is None else self.content
        if self.plan is not None and isinstance(reply, Reply) and not self.hooks:
            self.plan.check(reply)

    @property
    def is_early(self) -> bool:
        """Whether it fails before the request's body has been read."""
        return self.plan is not None and self.plan.is_early

    def reply_to(self, request: RecordedRequest) -> Reply:
        """Make the reply with its fault, when the hooks have seen it."""
        reply = self.content.reply_to(request) if self.content is not None else self._default
        for hook in self.hooks:
            result = hook(request, reply)
            if result is not None:
                reply = make_from(result, f"the hook {describe_function(hook)}")
        return reply if self.plan is None else reply.changed(fault=self.plan)

    @property
    def _default(self) -> Reply:
        return Reply(200) if self.plan is None else Reply(200, DEFAULT_BODY)


@dataclass(frozen=True)
class SequenceResponder:
    """One answer after the other."""

    answers: tuple[Responder, ...]
    then: Then
    describe: Callable[[], str]  # says whose they are
    # the number, among the requests of the expectation, of the first that they are for
    get_first_turn: Callable[[], int] = int

    def __post_init__(self) -> None:
        """Refuse what is no sequence."""
        if not self.answers:
            raise UsageError("reply_sequence() was given nothing; wanted one reply or more")
        if self.then not in get_args(Then):
            raise UsageError(f"then is {quote(self.then)}; wanted {', '.join(map(repr, get_args(Then)))}")

    def reply_to(self, request: RecordedRequest) -> Reply:
        """Return the reply whose turn it is, in the order in which the requests were matched."""
        turn, known = max(0, request.turn - self.get_first_turn()), len(self.answers)
        if turn >= known:
            if self.then == "fail":
                raise UsageError(
                    f"{self.describe()} has {count(known, 'reply').replace('replys', 'replies')}, and this was request "
                    f"{turn + 1}: give another one, or say then='repeat' or then='cycle'"
                )
            turn = known - 1 if self.then == "repeat" else turn % known
        return self.answers[turn].reply_to(request)


class FunctionResponder:
    """Asks a function of the test's with the request and, by name, those path parameters that it has arguments for."""

    def __init__(self, function: Callable[..., object] | Responder) -> None:
        if not callable(function) and not hasattr(function, "reply_to"):
            raise UsageError(
                f"reply_with() was given {quote(function)}; wanted a function, or an object with reply_to(request)"
            )
        if isinstance(function, type) and hasattr(function, "reply_to"):
            raise UsageError(f"reply_with() was given the class {function.__qualname__}; wanted an object of it")
        ask: Any = function
        self.function: Callable[..., object] = getattr(ask, "reply_to", ask)
        self._wants_request = takes_arguments(self.function)
        try:
            parameters = list(inspect.signature(self.function).parameters.values())
        except (TypeError, ValueError):  # of a builtin without a signature
            parameters = []
        named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        if self._wants_request and parameters and parameters[0].kind is not parameters[0].KEYWORD_ONLY:
            del named[:1]  # the first of them gets the request
        self._names = {p.name for p in named}
        self._takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters)

    def reply_to(self, request: RecordedRequest) -> Reply:
        """Make a reply of what the function returns for ``request``; a coroutine runs on the stub's loop."""
        known = request.path_params
        named = dict(known) if self._takes_all else {name: known[name] for name in self._names & known.keys()}
        result = self.function(request, **named) if self._wants_request else self.function(**named)
        if isinstance(result, Awaitable):
            if request.serving is None:
                raise UsageError(f"the coroutine of {describe_function(self.function)} has no loop: no stub serves it")
            result = request.serving.run(result)
        if isinstance(result, Iterator | AsyncIterator):  # made for this request alone: nobody will want it again
            kind = (("Content-Type", "application/octet-stream"),)
            return Reply().changed(stream=Stream(lambda _request: result, encode_piece), headers=kind)
        return make_from(result, f"the handler {describe_function(self.function)}")


def describe_function(function: Callable[..., object]) -> str:
    """Its name and where it is written."""
    inner = inspect.unwrap(getattr(function, "func", function))
    code = getattr(inner, "__code__", None)
    name = getattr(inner, "__qualname__", None) or type(function).__name__
    return f"{name} ({code.co_filename}:{code.co_firstlineno})" if code is not None else name


def call_wsgi(app: WSGIApplication, request: RecordedRequest) -> Reply:
    """Return what a WSGI application answers; a body whose length it does not announce comes as it gives it."""
    from werkzeug.test import run_wsgi_app  # loaded for the first such answer

    def check_pieces() -> Iterator[bytes]:
        for piece in pieces:
            if not isinstance(piece, bytes):
                raise UsageError(f"the application gave {quote(piece)}, of type {type(piece).__name__}; wanted bytes")
            yield piece

    pieces, status, headers = run_wsgi_app(app, request.make_environ())
    has_type, length = "Content-Type" in headers, headers.get("Content-Length")
    checked = ClosingIterator(check_pieces(), getattr(pieces, "close", None))
    response = Response(checked, status, headers)
    if not has_type:  # werkzeug's default
        del response.headers["Content-Type"]
    if request.method == "HEAD" or (length is None and response.status_code not in WITHOUT_BODY):
        return _make_from_response(response)
    with response:
        body = b"".join(checked)
    if length not in (None, str(len(body))) and response.status_code != 304:
        raise UsageError(f"the application announced {quote(length)} bytes, and gave {len(body):,}")
    response.set_data(body)
    return _make_from_response(response)


# -- what serve_content() serves --------------------------------------------------------------------------------------


class Chunked(enum.Enum):
    """Whether content is sent in chunks: never, always, or if its headers say ``Transfer-Encoding: chunked``."""

    NO = False
    YES = True
    AUTO = None

    def __bool__(self) -> bool:
        return bool(self.value)


@dataclass(eq=False)
class ServedContent:
    """What `Script.serve_content` was given, and the answer that is made of it."""

    content: Content = ""
    code: int = 200
    headers: Headers | None = None
    chunked: Chunked | bool | None = Chunked.NO
    cookies: Mapping[str, str] | None = None
    delay: float = 0.0
    show_post_vars: bool = False

    def __post_init__(self) -> None:
        """Keep a copy of each, and make the answer."""
        chunked, headers, content = self.chunked, self.headers, self.content
        try:
            self.chunked = Chunked(chunked.value if isinstance(chunked, Chunked) else chunked)
        except ValueError as error:
            raise UsageError(f"chunked is {quote(chunked)}; wanted Chunked.YES, Chunked.NO or Chunked.AUTO") from error
        pairs = list(list_pairs(headers, "headers"))
        self.headers = dict(headers) if isinstance(headers, Mapping) else pairs
        if isinstance(content, str | bytes):
            items: list[str | bytes] = [content]
        elif isinstance(content, Mapping) or not isinstance(content, Iterable):
            raise UsageError(f"content is {quote(content)}; wanted text, bytes, or several pieces of either")
        else:
            self.content = items = list(content)  # of a generator all, so that every request gets them
        for item in items:
            if not isinstance(item, str | bytes):
                raise UsageError(f"content has the piece {quote(item)}; wanted text or bytes")
        # The server says by itself that it sends chunks; whether the author does, counts with AUTO alone.
        known = [pair for pair in pairs if isinstance(pair, tuple | list) and len(pair) == 2]  # Reply refuses the rest
        framing = [pair for pair in known if str(pair[0]).lower() == "transfer-encoding"]
        plain = [pair for pair in pairs if pair not in framing]
        says_chunked = any("chunked" in str(value).lower() for _, value in framing)
        sent = pairs if self.chunked is Chunked.NO else plain
        more: dict[str, Any] = {"cookies": self.cookies, "delay": self.delay}
        if self.chunked is Chunked.YES or (self.chunked is Chunked.AUTO and says_chunked):
            reply = Reply(self.code, headers=sent, chunks=[item for item in items if item], **more)
        elif all(isinstance(item, str) for item in items):
            reply = Reply(self.code, "".join(items), sent, **more)  # type: ignore[arg-type]
        else:
            body = b"".join(item.encode() if isinstance(item, str) else item for item in items)
            reply = Reply(self.code, body, sent, **more)
        self.answer: Responder = reply
        if check_switch("show_post_vars", self.show_post_vars):
            self.answer = FunctionResponder(partial(_show_form, reply))


def _show_form(otherwise: Reply, request: RecordedRequest) -> Reply:
    """A form that was posted as JSON, each field with its first value."""
    if request.method == "POST" and request.mimetype == "application/x-www-form-urlencoded":
        return Reply(200, json.dumps(request.form), content_type="application/json")
    return otherwise

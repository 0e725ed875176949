"""How an expectation answers: every method ends in one answer that makes a reply of a request."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from ..core.names import suggest_keywords
from ..core.text import quote
from ..errors import UsageError
from .faults import Fault, FaultPoint, plan_exchange
from .forwarding import ForwardingResponder
from .hold import DEFAULT_TIMEOUT, Hold
from .reply import Headers, Reply, ReplyOptions
from .responders import (
    FaultyResponder,
    FunctionResponder,
    Hook,
    Responder,
    SequenceResponder,
    Then,
    WSGIResponder,
    check_then,
    combine,
    make_from,
)
from .stream import StreamSource, format_event, make_stream

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from typing_extensions import Unpack

    from .inspection import Inspection

__all__ = ["ReplyVerbs"]

A = TypeVar("A", bound="ReplyVerbs")

_REDIRECTS = (301, 302, 303, 307, 308)


class ReplyVerbs:
    """The half of an expectation that says how requests are answered.

    Attributes:
        answer: What it answers with; None until the test has said so.
    """

    answer: Responder | None = None
    _inspection: Inspection | None = None
    first_turn = 0  # how many requests had come when its sequence of replies was given

    @property
    def times_called(self) -> int:
        """How many requests it has answered in this test."""
        raise NotImplementedError

    def describe(self) -> str:
        """What it answers, on one line."""
        raise NotImplementedError

    def _answer_with(self, answer: Responder) -> None:
        """Answer with this from now on."""
        self.answer = answer

    def _say(self: A, content: Responder) -> A:
        """Answer with ``content``, with whatever goes wrong and whoever has a look at it as before."""
        if isinstance(self.answer, FaultyResponder):
            scripted = content = FaultyResponder(content, self.answer.plan, self.answer.hooks)
            scripted.check()
        self._answer_with(content)
        return self

    def _scripted(self) -> FaultyResponder:
        return self.answer if isinstance(self.answer, FaultyResponder) else FaultyResponder(self.answer)

    def reply(
        self: A,
        status: object = 200,
        body: object = None,
        *,
        headers: Headers | None = None,
        **options: Unpack[ReplyOptions],
    ) -> A:
        """Answer with this; a later call replaces it.

        Args:
            status: The status code; or a whole answer, and nothing else: a `Reply`, a werkzeug ``Response``, or what a
                view of Flask returns.
            body: Bytes, sent as ``application/octet-stream``, or text, sent as ``text/html``; more see `Reply`.
            headers: A mapping, or pairs where a name comes twice.
            options: The keywords of `Reply`.

        Returns:
            The expectation itself, as of all these methods but `hold`.

        Raises:
            UsageError: More than one body, or a value that cannot be sent.
            TypeError: An unknown keyword; the message names the nearest.
        """
        return self._say(combine("reply", status, body, headers, options))

    @suggest_keywords
    def reply_sequence(self: A, *answers: object, then: Then = "fail") -> A:
        """Answer with one after the other.

        Args:
            answers: Each is a `Reply`, a status, or anything else that a view of Flask returns.
            then: What comes after the last: ``"fail"`` fails the test, ``"repeat"`` gives the last one again and
                ``"cycle"`` begins anew.

        Raises:
            UsageError: There is none, or one of them is nothing that can be sent.
        """
        if not answers:
            raise UsageError("reply_sequence() was given nothing; wanted one reply or more")
        made = tuple(make_from(answer, "") for answer in answers)
        self._say(SequenceResponder(made, check_then(then), self.describe, lambda: self.first_turn))
        self.first_turn = self.times_called
        return self

    def reply_with(self: A, function: Callable[..., object] | Responder) -> A:
        """Answer with what ``function`` returns: a `Reply`, or what a view of Flask returns.

        What it raises fails the test, whatever it is, and answers 500.

        Args:
            function: Called with the `RecordedRequest` and, by name, with the path's parameters; or an object whose
                ``reply_to(request)`` is.  A coroutine function runs on a loop of the stub's; it is cancelled when the
                client leaves or the stub stops.

        Raises:
            UsageError: It cannot be called.
        """
        return self._say(FunctionResponder(function))

    @suggest_keywords
    def reply_stream(
        self: A,
        source: StreamSource,
        status: int = 200,
        *,
        headers: Headers | None = None,
        content_type: str | None = None,
    ) -> A:
        """Answer with a body that is sent piece by piece, as it comes.

        It ends when the client leaves or the stub stops.

        Args:
            source: Pieces of bytes or text, with `Pause` between them: an iterable, an asynchronous one, or a function
                (also a generator function, asynchronous or not) that is called for each request, with the request if
                it takes an argument.  Not what such a function returns: that gives its pieces once.
            status: The status code.
            headers: A mapping, or pairs where a name comes twice.
            content_type: The Content-Type; ``application/octet-stream`` if the headers have none either.

        Raises:
            UsageError: It is nothing that gives pieces.
        """
        reply = _add_default(Reply(status, None, headers, content_type=content_type), "application/octet-stream")
        return self._say(reply.changed(stream=make_stream(source)).checked())

    @suggest_keywords
    def reply_sse(self: A, events: StreamSource, *, headers: Headers | None = None, keep_open: bool = False) -> A:
        """Answer with server-sent events.

        Args:
            events: As in `reply_stream`; each is a str, which is its data, or a mapping with ``data`` (sent as JSON
                unless it is a str), ``event``, ``id``, ``retry`` and ``comment``, or a `Pause`.
            headers: A mapping, or pairs where a name comes twice.
            keep_open: Whether the response stays open after the last event, until the client leaves.

        Raises:
            UsageError: It is nothing that gives events.
        """
        reply = _add_default(Reply(200, None, headers), "text/event-stream")
        if reply.find_header("Cache-Control") is None and "cache-control" not in reply.left_out:
            reply = reply.changed(headers=(*reply.headers, ("Cache-Control", "no-cache")))
        return self._say(reply.changed(stream=make_stream(events, format_event, keep_open=keep_open)))

    @suggest_keywords
    def reply_redirect(self: A, to: str, status: int = 302, *, headers: Headers | None = None) -> A:
        """Answer with a redirection.

        Args:
            to: The Location: a URL, or a path on the stub.
            status: 301, 302, 303, 307 or 308.
            headers: A mapping, or pairs where a name comes twice.

        Raises:
            UsageError: It is none of these.
        """
        if status not in _REDIRECTS:
            raise UsageError(f"status is {quote(status)}; wanted one of {', '.join(map(str, _REDIRECTS))}")
        if not isinstance(to, str) or not to or not to.isascii() or any(char <= " " for char in to):
            raise UsageError(f"to is {quote(to)}; wanted a URL or a path, percent-encoded")
        urlsplit(to)
        reply = Reply(status, None, headers)
        return self._say(reply.changed(headers=(*reply.headers, ("Location", to))))

    def reply_raw(self: A, *pieces: bytes) -> A:
        """Answer with these bytes in place of a response, and then end the connection.

        Args:
            pieces: Bytes; each piece is sent by itself.

        Raises:
            UsageError: They are no bytes.
        """
        for piece in pieces:
            if not isinstance(piece, bytes | bytearray | memoryview):
                raise UsageError(f"reply_raw() was given {quote(piece)}, of type {type(piece).__name__}; wanted bytes")
        return self._say(Reply().changed(raw=tuple(bytes(piece) for piece in pieces)))

    def reply_wsgi(self: A, app: WSGIApplication) -> A:
        """Answer with what a WSGI application answers; what it raises fails the test.

        Raises:
            UsageError: It cannot be called.
        """
        if not callable(app):
            raise UsageError(f"reply_wsgi() was given {quote(app)}; wanted a WSGI application")
        return self._say(WSGIResponder(app))

    @suggest_keywords
    def forward_to(self: A, upstream_url: str, *, timeout: float = 10.0, ca_file: str | None = None) -> A:
        """Pass the request on to another server, and its answer back.

        Args:
            upstream_url: The other server's base URL; what it has of a path stands before that of the request.
            timeout: Seconds without a byte from it.
            ca_file: What must be trusted to verify it; the system's by default.

        Raises:
            UsageError: It is no such URL.
        """
        return self._say(ForwardingResponder(upstream_url, timeout=timeout, ca_file=ca_file))

    @suggest_keywords
    def fail(self: A, fault: Fault, at: FaultPoint | None = None, *, after_bytes: int | None = None) -> A:
        """Misbehave; what else it was told to answer, before or afterwards, is what goes wrong.

        Args:
            fault: What goes wrong.
            at: Where; by default where it is most at home.
            after_bytes: After how many bytes of the body; by default after half of it.

        Raises:
            UsageError: The fault makes no sense there, or nothing of it would be seen, as of a body of 0 bytes that is
                truncated.  Where that shows only when the request is here, it fails the test then.
        """
        known, plan = self._scripted(), plan_exchange(fault, at, after_bytes)
        scripted = FaultyResponder(known.content, plan, known.hooks)
        scripted.check()
        if plan.is_early and self._inspection is not None:
            self._inspection.has_early = True
        self._answer_with(scripted)
        return self

    @suggest_keywords
    def hold(self, *, timeout: float = DEFAULT_TIMEOUT) -> Hold:
        """Hold the requests until the test answers them through the `Hold` that this returns.

        Args:
            timeout: Seconds for which each is held at most: what nobody has answered by then, or by the end of the
                test, fails the test, unless its client has left.

        Raises:
            UsageError: It is no time.
        """
        hold = Hold(self.describe, self._inspection, timeout=timeout)
        self._say(hold)
        return hold

    def after(self: A, hook: Hook) -> A:
        """Have ``hook`` look at each request and the reply to it before that is sent; several are called in order.

        Args:
            hook: Called with the `RecordedRequest` and the `Reply`; what it returns is sent instead, unless it is None.

        Raises:
            UsageError: It cannot be called.
        """
        if not callable(hook):
            raise UsageError(f"after() was given {quote(hook)}; wanted a function of a request and a reply")
        known = self._scripted()
        self._answer_with(FaultyResponder(known.content, known.plan, (*known.hooks, hook)))
        return self


def _add_default(reply: Reply, content_type: str) -> Reply:
    """Give a reply this Content-Type, unless it says another, or is to have none."""
    if reply.find_header("Content-Type") is not None or "content-type" in reply.left_out:
        return reply
    return reply.changed(headers=(*reply.headers, ("Content-Type", content_type)))

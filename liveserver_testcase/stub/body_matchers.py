"""Criteria of credentials and body, and predicates.  Pure: no clock, socket or thread."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any

from werkzeug.datastructures import Authorization

from ..core.masking import MASK
from ..core.text import one_line, quote
from ..errors import UsageError
from .differences import Difference, find_differences
from .matcher import Matcher, Mismatch, make_mismatch
from .parsing import NO_JSON, parse_authorization, read_latin1
from .values import (
    ABSENT,
    INCLUDING,
    Combinator,
    Masked,
    accepts,
    accepts_each,
    check_json,
    freeze,
    is_custom_comparator,
    is_text_pattern,
    is_type,
    make_text,
    show,
)

if TYPE_CHECKING:
    from .request import RecordedRequest

__all__ = [
    "AuthMatcher",
    "BodyMatcher",
    "CustomMatcher",
    "JSONMatcher",
    "TextMatcher",
    "can_be",
    "compare_content",
    "explain_kind",
    "has_same_credentials",
]


# -- credentials -----------------------------------------------------------------------------------------------------


class AuthMatcher(Matcher):
    """The credentials: ``(name, password)`` of Basic, the token of Bearer, or all of the header."""

    name = "auth"

    def __init__(self, wanted: object) -> None:
        self.wanted = self._check(wanted)

    def _check(self, wanted: object) -> object:
        if isinstance(wanted, Combinator):
            return wanted.map(self._check)
        if isinstance(wanted, tuple) and len(wanted) == 2:
            if isinstance(wanted[0], str) and ":" in wanted[0]:  # RFC 7617, 2
                raise UsageError(
                    f"auth has the name {quote(wanted[0])}; what follows its colon is sent as the password"
                )
            return make_text(self.name, "name", wanted[0]), make_text(self.name, "password", wanted[1])
        if isinstance(wanted, str) or wanted is ABSENT or is_text_pattern(wanted):
            return wanted
        if is_type(wanted) or not is_custom_comparator(wanted):
            raise UsageError(
                f"auth is {quote(wanted)}; wanted (name, password), the token of a Bearer, the whole header, or ABSENT"
            )
        return wanted

    def matches(self, request: RecordedRequest) -> bool:
        raw, got = request.headers.get("Authorization"), request.authorization
        return accepts_each(lambda wanted: _accepts_credentials(wanted, raw, got), self.wanted)

    def explain(self, request: RecordedRequest) -> Mismatch:
        got = request.authorization
        raw = request.headers.get("Authorization")
        if raw is None:
            return Mismatch(self.name, self.describe(), "no Authorization header")
        if got is None:
            return Mismatch(self.name, self.describe(), "an Authorization header that cannot be read")
        text = f"{got.type.title()} {quote(got.username)} ***" if got.type == "basic" else f"{got.type.title()} ***"
        hint = ""
        if isinstance(self.wanted, tuple) and got.type == "basic" and accepts(self.wanted[0], got.username):
            hint = "the password differs"
        elif isinstance(self.wanted, str) and got.type == "bearer":
            hint = "the token differs" if " " not in self.wanted else ""
            if str(got.token).lower().startswith("bearer "):
                hint = "the token begins with 'Bearer ' once more"
        return Mismatch(self.name, self.describe(), text, hint)

    def describe(self) -> str:
        if isinstance(self.wanted, tuple):
            return f"Basic {show(self.wanted[0])} ***"
        if isinstance(self.wanted, str):
            scheme, space, _ = self.wanted.partition(" ")
            return f"{scheme.title()} ***" if space else "Bearer ***"
        if isinstance(self.wanted, re.Pattern):
            return f"matching {MASK}"
        return show(_mask_parts(self.wanted))


def _accepts_credentials(wanted: object, raw: str | None, got: Authorization | None) -> bool:
    """Whether credentials, as they came and as they were read, are what is wanted."""
    kind = got.type if got is not None else ""
    if wanted is ABSENT:
        return raw is None
    if isinstance(wanted, tuple):
        if got is None or kind != "basic":
            return False
        name, password = str(got.username), str(got.password)
        return accepts(wanted, (name, password)) or accepts(wanted, (read_latin1(name), read_latin1(password)))
    token = got.token if got is not None and kind == "bearer" else None
    if isinstance(wanted, str):
        if " " in wanted:
            return raw is not None and (raw == wanted or has_same_credentials(wanted, raw))
        return token == wanted
    if isinstance(wanted, re.Pattern | Combinator):
        return (raw is not None and accepts(wanted, raw)) or (token is not None and accepts(wanted, token))
    return accepts(wanted, got)


def _mask_parts(wanted: object) -> object:
    """A combination with none of the texts and patterns in it: each is a token, or all of the header."""
    if isinstance(wanted, Combinator):
        return wanted.map(_mask_parts)
    return Masked() if isinstance(wanted, str | re.Pattern) else wanted


def has_same_credentials(wanted: str, got: str) -> bool:
    """Whether two values of Authorization say the same, whatever the order of their parameters."""
    first, second = parse_authorization(wanted), parse_authorization(got)
    return first is not None and first == second


# -- the body --------------------------------------------------------------------------------------------------------


_JSON_KINDS = (bool, int, float, list, tuple, dict)


def can_be(wanted: object, kind: str | bytes) -> bool:
    """Whether text, or bytes, which can be text as well, can be what is wanted."""
    if isinstance(wanted, Combinator):
        return all(can_be(part, kind) for part in _parts_of(wanted))
    if is_type(wanted):
        return isinstance(kind, wanted)
    if isinstance(wanted, str) or wanted is ABSENT or is_text_pattern(wanted):
        return True
    return is_custom_comparator(wanted) or (isinstance(kind, bytes) and isinstance(wanted, bytes | re.Pattern))


def _parts_of(wanted: Combinator) -> Sequence[object]:
    return wanted.items if isinstance(wanted, INCLUDING) else wanted.wanted


class BodyMatcher(Matcher):
    """The body: bytes, or text that is compared as UTF-8."""

    name = "body"

    def __init__(self, wanted: object) -> None:
        self.wanted = bytes(wanted) if isinstance(wanted, bytearray | memoryview) else wanted
        if not can_be(self.wanted, b""):
            advice = f": for a JSON value write json={quote(wanted)}" if isinstance(wanted, _JSON_KINDS) else ""
            raise UsageError(f"body is {quote(wanted)}; wanted bytes or text{advice}")

    def matches(self, request: RecordedRequest) -> bool:
        if isinstance(self.wanted, str):
            return request.body == self.wanted.encode()
        return accepts(
            self.wanted, _in_kind(self.wanted, request.body) if request.body or self.wanted is not ABSENT else ABSENT
        )

    def make_key(self) -> Hashable | None:
        wanted = self.wanted.encode() if isinstance(self.wanted, str) else self.wanted
        return wanted if wanted.__class__ is bytes else None

    def explain(self, request: RecordedRequest) -> Mismatch:
        if not request.body:
            return Mismatch(self.name, self.describe(), "no body")
        found = find_differences(self.wanted, _in_kind(self.wanted, request.body))
        return make_mismatch(self, found or [Difference("$", self.describe(), quote(request.body))])

    def describe(self) -> str:
        return show(self.wanted)


class TextMatcher(Matcher):
    """The body as text, in its own charset."""

    name = "text"

    def __init__(self, wanted: object) -> None:
        if not can_be(wanted, ""):
            raise UsageError(f"text is {quote(wanted)}; wanted text (for bytes write body=…, for a JSON value json=…)")
        self.wanted = wanted

    def matches(self, request: RecordedRequest) -> bool:
        return not request.content_problem and accepts(self.wanted, request.text)

    def make_key(self) -> Hashable | None:
        return self.wanted if self.wanted.__class__ is str else None

    def explain(self, request: RecordedRequest) -> Mismatch:
        if not request.body:
            return Mismatch(self.name, self.describe(), "no body")
        if request.content_problem:
            return Mismatch(self.name, self.describe(), quote(request.body), request.content_problem)
        return make_mismatch(self, find_differences(self.wanted, request.text))

    def describe(self) -> str:
        return show(self.wanted)


class JSONMatcher(Matcher):
    """The body as JSON, whatever its Content-Type: ``1`` is not ``true``, and an object has no further keys."""

    name = "json"

    def __init__(self, wanted: object) -> None:
        check_json(wanted)
        self.wanted = wanted

    def matches(self, request: RecordedRequest) -> bool:
        if not request.body:
            return accepts(self.wanted, ABSENT)
        got = request.read_json()
        return got is not NO_JSON and accepts(self.wanted, got)

    def make_key(self) -> Hashable | None:
        try:
            return (freeze(self.wanted),)  # None is a value, too
        except (TypeError, RecursionError):
            return None

    def explain(self, request: RecordedRequest) -> Mismatch:
        if not request.body:
            return Mismatch(self.name, self.describe(), "no body", explain_kind(request, "JSON"))
        got = request.read_json()
        if got is NO_JSON:
            hint = explain_kind(request, "JSON")
            got = quote(request.body) if request.content_problem else quote(request.text)
            return Mismatch(self.name, self.describe(), f"{got}, which is no JSON", hint)
        return make_mismatch(self, find_differences(self.wanted, got))

    def describe(self) -> str:
        return show(self.wanted)


def explain_kind(request: RecordedRequest, wanted: str) -> str:
    """What kind of body came instead of the one that is wanted."""
    kind = request.mimetype
    if request.content_problem:
        return request.content_problem
    if not request.body:
        return "were the parameters put into the query?" if request.query_string else ""
    coding = request.headers.get("Content-Encoding", "")
    if coding and request.content is request.body:
        return f"its Content-Encoding is {one_line(coding)}, which stays on it"
    if not kind:
        return "it has no Content-Type" if wanted != "JSON" else ""
    fits = kind.endswith("json") if wanted == "JSON" else kind in _FORMS
    return "" if fits else f"its Content-Type is {one_line(kind)}, not that of {wanted}"


_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


# -- anything else ---------------------------------------------------------------------------------------------------


class CustomMatcher(Matcher):
    """A matcher of the test's own: a function of the request, or an object with ``matches(request)``.

    Such an object may also have ``describe()`` and ``explain(request)``, which say in a report what it wants and what a
    request has instead: what every other criterion has, too.
    """

    name = "matcher"

    def __init__(self, wanted: Any) -> None:
        ask = getattr(wanted, "matches", wanted)
        if isinstance(wanted, type) or not callable(ask) or inspect.iscoroutinefunction(ask):
            raise UsageError(
                f"matcher is {quote(wanted)}; wanted a function of the request, or an object with matches(request)"
            )
        self.wanted = wanted
        self._ask: Callable[[RecordedRequest], object] = ask

    def matches(self, request: RecordedRequest) -> bool:
        return bool(self._ask(request))

    def explain(self, request: RecordedRequest) -> Mismatch:
        explain = getattr(self.wanted, "explain", None)
        if not callable(explain):
            return Mismatch(self.name, f"{self.describe()} to be true", "false")
        found = explain(request)
        return found if isinstance(found, Mismatch) else Mismatch(self.name, self.describe(), one_line(str(found)))

    def describe(self) -> str:
        describe = getattr(self.wanted, "describe", None)
        return one_line(str(describe())) if callable(describe) else show(self.wanted)


def compare_content(want: object, content: bytes, where: str) -> list[Difference]:
    """How bytes differ from what is wanted of them, which may be text."""
    return find_differences(want, _in_kind(want, content), where)


def _in_kind(want: object, content: bytes) -> object:
    """Bytes as what is wanted of them: text if that is text."""
    if isinstance(want, Combinator):
        is_text = any(isinstance(_in_kind(part, b""), str) for part in want.wanted)
    else:
        is_text = isinstance(want, str) or (isinstance(want, re.Pattern) and isinstance(want.pattern, str))
    if not is_text:
        return content
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content

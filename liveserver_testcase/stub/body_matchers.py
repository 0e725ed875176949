"""Criteria of the body, and what a test asks of a request itself.  Pure: no clock, socket or thread."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypedDict

from werkzeug.datastructures import FileStorage

from ..core.checks import is_predicate
from ..core.text import count, one_line, quote
from ..errors import UsageError
from .field_matchers import FieldMatcher
from .matcher import Difference, Matcher, Mismatch, find_differences, make_mismatch
from .parsing import NO_JSON
from .values import (
    ABSENT,
    INCLUDING,
    UNORDERED,
    Combinator,
    accepts,
    accepts_each,
    check_json,
    freeze,
    is_custom_comparator,
    is_text_pattern,
    is_type,
    show,
)

if TYPE_CHECKING:
    from .request import RecordedRequest

__all__ = ["BODY_MATCHERS", "BodyKeywords", "can_be"]

_JSON_KINDS = (bool, int, float, list, tuple, dict)


def can_be(wanted: object, kind: str | bytes) -> bool:
    """Return True if text, or bytes, which can be text as well, can be what is wanted."""
    if isinstance(wanted, UNORDERED):
        return False
    if isinstance(wanted, Combinator):
        return all(can_be(part, kind) for part in (wanted.items if isinstance(wanted, INCLUDING) else wanted.wanted))
    if is_type(wanted):
        return isinstance(kind, wanted)
    if isinstance(wanted, str) or wanted is ABSENT or is_text_pattern(wanted):
        return True
    return is_custom_comparator(wanted) or (isinstance(kind, bytes) and isinstance(wanted, bytes | re.Pattern))


class BodyMatcher(Matcher):
    """The body: bytes, or text that is compared as UTF-8."""

    name = "body"
    reads_body = wants_whole_body = True

    def __init__(self, wanted: object) -> None:
        super().__init__(bytes(wanted) if isinstance(wanted, bytearray | memoryview) else wanted)
        if not can_be(self.wanted, b""):
            advice = f": for a JSON value write json={quote(wanted)}" if isinstance(wanted, _JSON_KINDS) else ""
            raise UsageError(f"body is {quote(wanted)}; wanted bytes or text{advice}")
        if isinstance(wanted, str) and wanted.encode(errors="ignore").decode() != wanted:
            raise UsageError(f"body is {quote(wanted)}; wanted text that UTF-8 has")

    def read(self, request: RecordedRequest, want: object) -> object:
        """Return what came, as it is compared with what is wanted."""
        return _in_kind(want, request.body)

    def matches(self, request: RecordedRequest) -> bool:
        def accepts_part(want: object) -> bool:
            return not request.body if want is ABSENT else accepts(want, self.read(request, want))

        return accepts_each(accepts_part, self.wanted)

    def make_key(self) -> Hashable | None:
        wanted = self.wanted.encode() if isinstance(self.wanted, str) else self.wanted
        return wanted if wanted.__class__ is bytes else None

    @staticmethod
    def read_key(request: RecordedRequest) -> Hashable | None:
        return request.body

    def explain(self, request: RecordedRequest) -> Mismatch:
        if not request.body:
            return self.miss("no body")
        found = find_differences(self.wanted, self.read(request, self.wanted))
        return make_mismatch(self, found or [Difference("$", self.describe(), quote(request.body))])


class TextMatcher(BodyMatcher):
    """The body as text, in its own charset."""

    name = "text"

    def __init__(self, wanted: object) -> None:
        if not can_be(wanted, ""):
            raise UsageError(f"text is {quote(wanted)}; wanted text (for bytes write body=…, for a JSON value json=…)")
        Matcher.__init__(self, wanted)

    def read(self, request: RecordedRequest, want: object) -> object:
        return request.text

    def matches(self, request: RecordedRequest) -> bool:
        return not request.content_problem and super().matches(request)

    def make_key(self) -> Hashable | None:
        return self.wanted if isinstance(self.wanted, str) and self.wanted.__class__ is str else None

    @staticmethod
    def read_key(request: RecordedRequest) -> Hashable | None:
        return None if request.content_problem else request.text

    def explain(self, request: RecordedRequest) -> Mismatch:
        problem = request.content_problem
        return self.miss(quote(request.body), problem) if problem else super().explain(request)


class JSONMatcher(Matcher):
    """The body as JSON, whatever its Content-Type: ``1`` is not ``true``, and an object has no further keys."""

    name = "json"
    reads_body = wants_whole_body = True

    def __init__(self, wanted: object) -> None:
        check_json(wanted)
        super().__init__(wanted)

    def matches(self, request: RecordedRequest) -> bool:
        if not request.body:
            return accepts(self.wanted, ABSENT)
        got = request.json_value
        return got is not NO_JSON and accepts(self.wanted, got)

    def make_key(self) -> Hashable | None:
        try:
            return (freeze(self.wanted),)  # None is a value, too
        except (TypeError, RecursionError):
            return None

    @staticmethod
    def read_key(request: RecordedRequest) -> Hashable | None:
        value = request.json_value
        try:
            return None if value is NO_JSON else (freeze(value),)
        except RecursionError:
            return None

    def explain(self, request: RecordedRequest) -> Mismatch:
        if not request.body:
            return self.miss("no body", _explain_kind(request, "JSON"))
        got = request.json_value
        if got is NO_JSON:
            shown = quote(request.body if request.content_problem else request.text)
            return self.miss(f"{shown}, which is no JSON", _explain_kind(request, "JSON"))
        return make_mismatch(self, find_differences(self.wanted, got))


def _explain_kind(request: RecordedRequest, wanted: str) -> str:
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
    forms = ("application/x-www-form-urlencoded", "multipart/form-data")
    fits = kind.endswith("json") if wanted == "JSON" else kind in forms
    return "" if fits else f"its Content-Type is {one_line(kind)}, not that of {wanted}"


def _in_kind(want: object, content: bytes) -> object:
    """Bytes as what is wanted of them: text if that is text."""
    is_text = isinstance(want, str) or is_text_pattern(want)
    if isinstance(want, Combinator):
        is_text = any(isinstance(_in_kind(part, b""), str) for part in want.wanted)
    try:
        return content.decode() if is_text else content
    except UnicodeDecodeError:
        return content


class FormMatcher(FieldMatcher):
    """The fields of a form, all of them, however they were encoded."""

    name = "form"
    reads_body = wants_whole_body = are_parameters = True

    def read(self, request: RecordedRequest) -> Any:
        return request.form

    def matches(self, request: RecordedRequest) -> bool:
        return super().matches(request) and not request.content_problem

    def explain(self, request: RecordedRequest) -> Mismatch:
        if self.fields is None:
            return self.miss(quote(request.form.to_dict(flat=False)))
        found = super().explain(request)
        return found if request.form else self.miss("no form", _explain_kind(request, "a form"))


class FilesMatcher(FieldMatcher):
    """The files of a form, all of them: content, ``(name, content)`` or ``(name, content, type)`` of each."""

    name = "files"
    reads_body = True

    def read(self, request: RecordedRequest) -> Any:
        return request.files

    def make_value(self, name: str, value: object) -> object:
        if isinstance(value, list):
            return [self.make_value(name, part) for part in value]
        if isinstance(value, tuple) and not 2 <= len(value) <= 3:
            raise UsageError(
                f"files wants {quote(value)} for {name!r}; wanted (name, content) or (name, content, type)"
            )
        content = value[1] if isinstance(value, tuple) else value
        if not (isinstance(content, Combinator) or content is ABSENT or can_be(content, b"")):
            raise UsageError(f"files wants {quote(value)} for {name!r}; wanted its content, as bytes or text")
        return value

    def matches(self, request: RecordedRequest) -> bool:
        return super().matches(request) if self.fields is None else not self._find(request)

    def _find(self, request: RecordedRequest) -> list[Difference]:
        fields, found = self.fields or {}, []
        for name, want in fields.items():
            files = request.files.getlist(name)
            wants = want if isinstance(want, list) else [want]
            if len(files) == len(wants):
                for part, file in zip(wants, files, strict=True):
                    found += _compare_file(part, file, name)
            elif want is ABSENT or isinstance(want, Combinator):
                found += _compare_file(want, files[0] if files else None, name)
            else:
                came = count(len(files), "file") if files else "nothing"
                found.append(Difference(name, count(len(wants), "file"), came))
        others = [name for name in request.files if name not in fields] if self.is_exact else []
        return found + [Difference(name, "nothing", "a file") for name in others]

    def explain(self, request: RecordedRequest) -> Mismatch:
        if not request.files:
            return self.miss("no files", _explain_kind(request, "a form with files"))
        if self.fields is not None:
            return make_mismatch(self, self._find(request))
        return make_mismatch(self, [Difference("$", self.describe(), f"files {', '.join(map(quote, request.files))}")])


def _compare_file(want: object, file: FileStorage | None, name: str) -> list[Difference]:
    """How a file differs from its content, from its name and content, or from what a predicate thinks of it."""
    if file is None or want is ABSENT:
        is_met = file is None and accepts(want, ABSENT)
        return [] if is_met else [Difference(name, show(want), "nothing" if file is None else "a file")]
    content = file.stream.getvalue()  # type: ignore[attr-defined]  # see RecordedRequest._get_file_stream
    if isinstance(want, tuple):
        found = find_differences(want[0], file.filename, f"{name} (name)") if want[0] is not None else []
        found += find_differences(want[1], _in_kind(want[1], content), f"{name} (content)")
        return found + (find_differences(want[2], file.mimetype, f"{name} (type)") if len(want) > 2 else [])
    if callable(want) and not isinstance(want, type):
        file.stream.seek(0)
        fits = want(file)
        file.stream.seek(0)
        got = f"file {quote(file.filename)} of {count(len(content), 'byte')}"
        return [] if fits else [Difference(name, show(want), got)]
    return find_differences(want, _in_kind(want, content), name)


class CustomMatcher(Matcher):
    """A matcher of the test's own: a function, or an object with ``matches(request)`` and what else a matcher has."""

    name = "matcher"
    reads_body = True

    def __init__(self, wanted: Any) -> None:
        ask = getattr(wanted, "matches", wanted)
        if isinstance(wanted, type) or not is_predicate(ask):
            raise UsageError(
                f"matcher is {quote(wanted)}; wanted a function of the request, or an object with matches(request)"
            )
        super().__init__(wanted)
        self._ask: Callable[[RecordedRequest], object] = ask

    def matches(self, request: RecordedRequest) -> bool:
        return bool(self._ask(request))

    def explain(self, request: RecordedRequest) -> Mismatch:
        explain = getattr(self.wanted, "explain", None)
        if not callable(explain):
            return replace(self.miss("false"), wanted=f"{self.describe()} to be true")
        found = explain(request)
        return found if isinstance(found, Mismatch) else self.miss(one_line(str(found)))

    def describe(self) -> str:
        describe = getattr(self.wanted, "describe", None)
        return one_line(str(describe())) if callable(describe) else show(self.wanted)


class BodyKeywords(TypedDict, total=False):
    """Keywords of criteria of the body, and of a test's own."""

    json: object  # the body as JSON; None for null
    form: object  # the fields of a form, all of them
    files: object  # the files of a form, all of them: content, (name, content) or (name, content, type)
    text: object  # the body as text, in its own charset
    body: object  # the body: bytes, or text as UTF-8
    matcher: Any  # a function that is asked with the request, or an object with matches(request)


BODY_MATCHERS: tuple[type[Matcher], ...] = (
    JSONMatcher, FormMatcher, FilesMatcher, TextMatcher, BodyMatcher, CustomMatcher
)  # fmt: skip

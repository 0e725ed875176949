"""Criteria of names with values: query, headers, cookies, form, files.  Pure: no clock, socket or thread."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias
from urllib.request import parse_http_list

from werkzeug.datastructures import FileStorage, MultiDict

from ..core.masking import is_secret
from ..core.text import count, one_line, quote
from ..errors import UsageError
from .body_matchers import can_be, compare_content, explain_kind, has_same_credentials
from .differences import Difference, find_differences, find_value_differences
from .matcher import Matcher, Mismatch, make_mismatch
from .parsing import TOKEN, decode_octets, parse_form, read_latin1
from .values import (
    ABSENT,
    INCLUDING,
    UNORDERED,
    Combinator,
    Masked,
    accepts,
    accepts_each,
    accepts_values,
    is_custom_comparator,
    is_type,
    make_text,
    show,
)

if TYPE_CHECKING:
    from .request import RecordedRequest

__all__ = ["CookiesMatcher", "FilesMatcher", "FormMatcher", "HeadersMatcher", "QueryMatcher"]

_QUERY = re.compile(r"[\x21\x22\x24-\x7e]*")  # visible ASCII, and no fragment
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
Fields: TypeAlias = "dict[str, object]"


class _Fields(Matcher):
    """Names with values, each of which can come several times.

    Args:
        wanted: A mapping or pairs; ``INCLUDING`` around it allows others besides; anything else is asked for the whole.
    """

    are_some: ClassVar[bool] = False  # others are always allowed besides

    def __init__(self, wanted: object) -> None:
        self.wanted = wanted
        self.fields: Fields | None = None
        self.is_exact = not self.are_some
        inner = wanted.wanted[0] if isinstance(wanted, INCLUDING) and len(wanted.wanted) == 1 else None
        if _is_mapping(inner):
            self.fields, self.is_exact = self._make_fields(_list_pairs(inner)), False
        elif _is_mapping(wanted) or (isinstance(wanted, list | tuple) and wanted):
            self.fields = self._make_fields(_list_pairs(wanted))
        elif wanted is ABSENT or isinstance(wanted, Combinator | re.Pattern):
            return
        elif is_type(wanted) or not is_custom_comparator(wanted):
            raise UsageError(f"{self.name} is {quote(wanted)}; wanted a mapping of names and values")

    def read(self, request: RecordedRequest) -> Any:
        """The names and values that came: a werkzeug ``MultiDict``, or what behaves like one."""
        raise NotImplementedError

    def read_whole(self, request: RecordedRequest) -> object:
        """What something that is no mapping is asked for."""
        return self.read(request)

    def make_name(self, name: str) -> str:
        """A name as it is compared."""
        return name

    def _make_fields(self, pairs: Iterable[object]) -> Fields:
        fields: Fields = {}
        for pair in pairs:
            if not isinstance(pair, tuple | list) or len(pair) != 2 or not isinstance(pair[0], str):
                raise UsageError(f"{self.name} has {quote(pair)}; wanted a name, which is a text, and its value")
            name, value = self.make_name(pair[0]), self.make_value(pair[0], pair[1])
            if name in fields:  # pairs, where a name comes twice
                before = fields[name]
                fields[name] = [*(before if isinstance(before, list) else [before]), value]
            else:
                fields[name] = value
        return fields

    def make_value(self, name: str, value: object) -> object:
        """A value as it is compared: what comes is always text."""
        return make_text(self.name, name, value)

    def read_values(self, request: RecordedRequest, name: str, want: object) -> list[str]:
        """What came under a name."""
        return self.read(request).getlist(name)  # type: ignore[no-any-return]

    def accepts(self, request: RecordedRequest, name: str, want: object) -> bool:
        """Whether what came under a name is what is wanted."""
        return accepts_values(want, self.read_values(request, name, want))

    def matches(self, request: RecordedRequest) -> bool:
        if self.fields is None:
            return accepts(self.wanted, self.read_whole(request))
        for name, want in self.fields.items():
            if not self.accepts(request, name, want):
                return False
        return not self.is_exact or all(name in self.fields for name in self.read(request))

    def explain(self, request: RecordedRequest) -> Mismatch:
        if self.fields is None:
            whole = self.read_whole(request)
            text = "nothing" if whole is ABSENT else one_line(str(whole))
            return Mismatch(self.name, self.describe(), text, distance=self.weight)
        got = self.read(request)
        found = [
            difference
            for name, want in self.fields.items()
            for difference in find_value_differences(
                want, self.read_values(request, name, want), name, partial(self.accepts, request, name)
            )
        ]
        found += [
            Difference(name, "nothing", quote(got[name]), "" if found else "INCLUDING({…}) allows more")
            for name in (got if self.is_exact else ())
            if name not in self.fields
        ]
        mismatch = make_mismatch(self, found)
        return self.improve(mismatch, request)

    def improve(self, mismatch: Mismatch, request: RecordedRequest) -> Mismatch:
        """Say more, if there is more to say."""
        return mismatch

    def describe(self) -> str:
        if self.fields is None:
            return show(self.wanted)
        pairs = {
            name: Masked() if is_secret(name) and value is not ABSENT else value for name, value in self.fields.items()
        }
        return show(pairs) if self.is_exact or self.are_some else f"INCLUDING({show(pairs)})"


def _is_mapping(wanted: object) -> bool:
    """Whether it has names and values: a mapping, or one of the classes for headers that are none."""
    return isinstance(wanted, Mapping) or (
        not isinstance(wanted, type) and all(callable(getattr(wanted, name, None)) for name in ("keys", "items"))
    )


def _list_pairs(wanted: Any) -> list[object]:
    """Its names and values; a name comes as often as it is there."""
    if isinstance(wanted, list | tuple):
        return list(wanted)
    if isinstance(wanted, MultiDict):
        return list(wanted.items(multi=True))
    return list(wanted.multi_items() if hasattr(wanted, "multi_items") else wanted.items())  # httpx's have the first


class QueryMatcher(_Fields):
    """The parameters of the query, all of them; a text is the raw query, letter by letter."""

    name = "query"

    def __init__(self, wanted: object) -> None:
        self.raw = wanted.removeprefix("?") if isinstance(wanted, str) else None
        is_none = isinstance(wanted, list | tuple) and not wanted
        if self.raw is not None and not _QUERY.fullmatch(self.raw):
            raise UsageError(
                f"query is {quote(wanted)}, which no request can carry; a text is the raw query, as in 'q=a%20b'"
            )
        super().__init__(ABSENT if self.raw is not None or is_none else wanted)

    @classmethod
    def parse(cls, query: str) -> QueryMatcher:
        """That of a query as it stands in a URL: its parameters, not its letters."""
        return cls(parse_form(query.encode()) or {})

    def read(self, request: RecordedRequest) -> Any:
        return request.args

    def read_whole(self, request: RecordedRequest) -> object:
        if self.wanted is ABSENT:
            return request.query_string.decode("latin-1") or ABSENT
        return request.query_string.decode("latin-1") if isinstance(self.wanted, re.Pattern) else request.args

    def matches(self, request: RecordedRequest) -> bool:
        if self.raw is not None:
            return request.query_string.decode("latin-1") == self.raw
        return super().matches(request)

    def explain(self, request: RecordedRequest) -> Mismatch:
        if self.raw is not None:
            raw = request.query_string.decode("latin-1")
            same = sorted(parse_form(raw.encode())) == sorted(parse_form(self.raw.encode()))
            hint = "the same parameters: a mapping compares those, a text each letter" if same else ""
            return Mismatch(self.name, self.describe(), quote(raw), hint)
        return super().explain(request)

    def describe(self) -> str:
        return quote(self.raw) if self.raw is not None else super().describe()


class HeadersMatcher(_Fields):
    """Some of the headers: others may be there, and names are compared without case.

    Several lines are one value with commas, and white space around a comma has no meaning: RFC 9110, 5.3 and 5.6.1.
    """

    name = "headers"
    are_some = True

    def read(self, request: RecordedRequest) -> Any:
        return request.headers

    def make_name(self, name: str) -> str:
        if not TOKEN.fullmatch(name):
            raise UsageError(f"headers has the name {quote(name)}, which no header can have")
        return name.title()

    def make_value(self, name: str, value: object) -> object:
        if isinstance(value, bytes):
            value = decode_octets(value)
        if not isinstance(value, str):
            return super().make_value(name, value)
        if _CONTROL.search(value):
            raise UsageError(f"headers wants for {name!r} a control character, which no header can have")
        return value.strip(" \t")

    def read_values(self, request: RecordedRequest, name: str, want: object) -> list[str]:
        value = request.header_values.get(name.lower(), ("", None))[1]
        if _wants_list(want):
            return _split(value)
        return [] if value is None else [value]

    def accepts(self, request: RecordedRequest, name: str, want: object) -> bool:
        return accepts_each(lambda part: self._accepts_one(request, name, part), want)

    def _accepts_one(self, request: RecordedRequest, name: str, want: object) -> bool:
        values = self.read_values(request, name, want)
        if accepts_values(want, values):
            return True
        if not isinstance(want, str) or not values:
            return False
        got = values[0]
        if name == "Authorization" and has_same_credentials(want, got):
            return True
        return want == read_latin1(got) or ("," in got and _split(want) == _split(got))

    def improve(self, mismatch: Mismatch, request: RecordedRequest) -> Mismatch:
        want = (self.fields or {}).get(mismatch.where)
        if isinstance(want, str) and want in _split(request.headers.get(mismatch.where)):
            return replace(mismatch, hint="it is one of several values: INCLUDING(…), or a list, allows that")
        return mismatch


def _wants_list(want: object) -> bool:
    if isinstance(want, INCLUDING):
        return len(want.wanted) == 1 and isinstance(want.wanted[0], list | tuple)
    return isinstance(want, list | tuple | UNORDERED)


def _split(value: str | None) -> list[str]:
    """The parts of a header that came on several lines, or with commas, which is the same: RFC 9110, 5.3."""
    return [part for part in parse_http_list(value or "") if part]


class CookiesMatcher(_Fields):
    """Some of the cookies: others may be there.  A text in quotes is the same with them and without."""

    name = "cookies"
    are_some = True

    def read(self, request: RecordedRequest) -> Any:
        return request.cookies

    def make_name(self, name: str) -> str:
        if name != name.strip(" \t") or any(char in ";=" for char in name) or _CONTROL.search(name):
            raise UsageError(f"cookies has the name {quote(name)}, which no cookie can have")
        return name

    def accepts(self, request: RecordedRequest, name: str, want: object) -> bool:
        quoted = request.raw_cookies.getlist(name)
        return accepts_each(
            lambda part: accepts_values(part, request.cookies.getlist(name)) or accepts_values(part, quoted), want
        )


class FormMatcher(_Fields):
    """The fields of a form, all of them, however they were encoded."""

    name = "form"

    def read(self, request: RecordedRequest) -> Any:
        return request.form

    def matches(self, request: RecordedRequest) -> bool:
        return super().matches(request) and not request.content_problem

    def improve(self, mismatch: Mismatch, request: RecordedRequest) -> Mismatch:
        if not request.form:
            return Mismatch(self.name, self.describe(), "no form", explain_kind(request, "a form"), self.weight)
        return mismatch

    def explain(self, request: RecordedRequest) -> Mismatch:
        if self.fields is None:
            return Mismatch(self.name, self.describe(), quote(request.form.to_dict(flat=False)))
        return super().explain(request)


class FilesMatcher(_Fields):
    """The files of a form, all of them: content, ``(name, content)`` or ``(name, content, type)`` of each."""

    name = "files"

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
        if self.fields is None:
            return accepts(self.wanted, request.files or ABSENT)
        return not self._find(request)

    def _find(self, request: RecordedRequest) -> list[Difference]:
        fields, found = self.fields or {}, []
        for name, want in fields.items():
            files = request.files.getlist(name)
            wants = want if isinstance(want, list) else [want]
            if len(files) != len(wants) and not (want is ABSENT or isinstance(want, Combinator)):
                found.append(
                    Difference(name, count(len(wants), "file"), count(len(files), "file") if files else "nothing")
                )
                continue
            pairs = (
                zip(wants, files, strict=True) if len(files) == len(wants) else [(want, files[0] if files else None)]
            )
            for part, file in pairs:
                found += _compare_file(part, file, name)
        others = [name for name in request.files if name not in fields] if self.is_exact else []
        return found + [Difference(name, "nothing", "a file") for name in others]

    def explain(self, request: RecordedRequest) -> Mismatch:
        if not request.files:
            return Mismatch(self.name, self.describe(), "no files", explain_kind(request, "a form with files"))
        found = self._find(request) if self.fields is not None else []
        return make_mismatch(
            self, found or [Difference("$", self.describe(), f"files {', '.join(map(quote, request.files))}")]
        )


def _compare_file(want: object, file: FileStorage | None, name: str) -> list[Difference]:
    """How a file differs from its content, from its name and content, or from what a predicate thinks of it."""
    if file is None or want is ABSENT:
        return (
            []
            if (file is None and accepts(want, ABSENT))
            else [Difference(name, show(want), "nothing" if file is None else "a file")]
        )
    content = file.stream.getvalue()  # type: ignore[attr-defined]  # see RecordedRequest._get_file_stream
    if isinstance(want, tuple):
        found = find_differences(want[0], file.filename, f"{name} (name)") if want[0] is not None else []
        found += compare_content(want[1], content, f"{name} (content)")
        return found + (find_differences(want[2], file.mimetype, f"{name} (type)") if len(want) > 2 else [])
    if callable(want) and not isinstance(want, type):
        file.stream.seek(0)
        fits = bool(want(file))
        file.stream.seek(0)
        return (
            []
            if fits
            else [Difference(name, show(want), f"file {quote(file.filename)} of {count(len(content), 'byte')}")]
        )
    return compare_content(want, content, name)

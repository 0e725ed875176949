"""Criteria of names with values: query, headers, cookies, form, files.  Pure: no clock, socket or thread."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, TypeAlias
from urllib.parse import parse_qsl

from werkzeug.datastructures import FileStorage, MultiDict

from ..core.masking import is_secret
from ..core.text import count, one_line, quote
from ..errors import UsageError
from .contents import compare_content, explain_kind, has_same_credentials
from .criterion import Criterion, Mismatch, is_judge, make_mismatch
from .differences import Difference, find_differences, find_value_differences
from .subject import Subject
from .values import ABSENT, INCLUDING, UNORDERED, Combinator, Masked, accepts, accepts_values, show

__all__ = ["CookiesCriterion", "FilesCriterion", "FormCriterion", "HeadersCriterion", "QueryCriterion"]

Fields: TypeAlias = "dict[str, object]"


class _Fields(Criterion):
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
        if isinstance(inner, Mapping):
            self.fields, self.is_exact = self._make_fields(inner), False
        elif isinstance(wanted, Mapping) or (isinstance(wanted, list | tuple) and wanted):
            self.fields = self._make_fields(wanted)
        elif not (wanted is ABSENT or isinstance(wanted, Combinator | re.Pattern) or is_judge(wanted)):
            raise UsageError(f"{self.name} is {quote(wanted)}; wanted a mapping of names and values")

    def read(self, request: Subject) -> Any:
        """The names and values that came: a werkzeug ``MultiDict``, or what behaves like one."""
        raise NotImplementedError

    def read_whole(self, request: Subject) -> object:
        """What something that is no mapping is asked for."""
        return self.read(request)

    def make_name(self, name: str) -> str:
        """A name as it is compared."""
        return name

    def _make_fields(self, wanted: object) -> Fields:
        if isinstance(wanted, MultiDict):
            pairs: Iterable[Any] = list(wanted.items(multi=True))
        else:
            pairs = wanted.items() if isinstance(wanted, Mapping) else wanted  # type: ignore[assignment]
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
        if isinstance(value, bool) or value is None:
            advice = "'true', 'True' or '1', as it is sent" if value else "the text that is sent"
            if value is None:
                advice = "'' for an empty value, or ABSENT"
            raise UsageError(f"{self.name} wants {value!r} for {name!r}, which no request can carry: write {advice}")
        if isinstance(value, int | float):
            return str(value)
        if isinstance(value, list | tuple):
            return [self.make_value(name, part) for part in value]
        return value.map(lambda part: self.make_value(name, part)) if isinstance(value, Combinator) else value

    def matches(self, request: Subject) -> bool:
        if self.fields is None:
            return accepts(self.wanted, self.read_whole(request))
        got = self.read(request)
        for name, want in self.fields.items():
            if not accepts_values(want, got.getlist(name)):
                return False
        return not self.is_exact or all(name in self.fields for name in got)

    def explain(self, request: Subject) -> Mismatch:
        if self.fields is None:
            whole = self.read_whole(request)
            text = "nothing" if whole is ABSENT else one_line(str(whole))
            return Mismatch(self.name, self.describe(), text, distance=self.weight)
        got = self.read(request)
        found = [
            difference
            for name, want in self.fields.items()
            for difference in find_value_differences(want, got.getlist(name), name)
        ]
        found += [
            Difference(name, "nothing", quote(got[name]), "" if found else "INCLUDING({…}) allows more")
            for name in (got if self.is_exact else ())
            if name not in self.fields
        ]
        mismatch = make_mismatch(self, found)
        return self.improve(mismatch, request)

    def improve(self, mismatch: Mismatch, request: Subject) -> Mismatch:
        """Say more, if there is more to say."""
        return mismatch

    def describe(self) -> str:
        if self.fields is None:
            return show(self.wanted)
        pairs = {
            name: Masked() if is_secret(name) and value is not ABSENT else value for name, value in self.fields.items()
        }
        return show(pairs) if self.is_exact or self.are_some else f"INCLUDING({show(pairs)})"


class QueryCriterion(_Fields):
    """The parameters of the query, all of them; a text is the raw query, letter by letter."""

    name = "query"

    def __init__(self, wanted: object) -> None:
        self.raw = wanted.removeprefix("?") if isinstance(wanted, str) else None
        is_none = isinstance(wanted, list | tuple) and not wanted
        super().__init__(ABSENT if self.raw is not None or is_none else wanted)

    @classmethod
    def parse(cls, query: str) -> QueryCriterion:
        """That of a query as it stands in a URL: its parameters, not its letters."""
        return cls(parse_qsl(query, keep_blank_values=True) or {})

    def read(self, request: Subject) -> Any:
        return request.args

    def read_whole(self, request: Subject) -> object:
        if self.wanted is ABSENT:
            return request.query_string.decode("latin-1") or ABSENT
        return request.query_string.decode("latin-1") if isinstance(self.wanted, re.Pattern) else request.args

    def matches(self, request: Subject) -> bool:
        if self.raw is not None:
            return request.query_string.decode("latin-1") == self.raw
        return super().matches(request)

    def explain(self, request: Subject) -> Mismatch:
        if self.raw is not None:
            raw = request.query_string.decode("latin-1")
            same = sorted(parse_qsl(raw, keep_blank_values=True)) == sorted(parse_qsl(self.raw, keep_blank_values=True))
            hint = "the same parameters: a mapping compares those, a text each letter" if same else ""
            return Mismatch(self.name, self.describe(), quote(raw), hint)
        return super().explain(request)

    def describe(self) -> str:
        return quote(self.raw) if self.raw is not None else super().describe()


class HeadersCriterion(_Fields):
    """Some of the headers: others may be there, and names are compared without case."""

    name = "headers"
    are_some = True

    def read(self, request: Subject) -> Any:
        return request.headers

    def make_name(self, name: str) -> str:
        return name.title()

    def matches(self, request: Subject) -> bool:
        if self.fields is None:
            return accepts(self.wanted, request.headers)
        headers = request.headers
        return all(_accepts_header(name, want, headers.get(name)) for name, want in self.fields.items())

    def explain(self, request: Subject) -> Mismatch:
        if self.fields is None:
            return Mismatch(self.name, self.describe(), "other headers")
        found = []
        for name, want in self.fields.items():
            got = request.headers.get(name)
            try:
                fits = _accepts_header(name, want, got)
            except Exception:
                fits = False
            if not fits:
                found += find_value_differences(
                    want, _split(got) if _wants_list(want) else [] if got is None else [got], name
                )
        parts = [(d.where, request.headers.get(d.where)) for d in found[:1]]
        if parts and parts[0][1] and "," in parts[0][1] and self.fields[parts[0][0]] in _split(parts[0][1]):
            found[0] = found[0]._replace(hint="it is one of several values: INCLUDING(…), or a list, allows that")
        return make_mismatch(self, found or [Difference("", self.describe(), "other headers")])


def _accepts_header(name: str, want: object, got: str | None) -> bool:
    if got is not None and name == "Authorization" and isinstance(want, str):
        return want == got or has_same_credentials(want, got)
    if _wants_list(want):
        return accepts_values(want, _split(got))
    return accepts(want, ABSENT if got is None else got)


def _wants_list(want: object) -> bool:
    if isinstance(want, INCLUDING):
        return len(want.wanted) == 1 and isinstance(want.wanted[0], list | tuple)
    return isinstance(want, list | tuple | UNORDERED)


def _split(value: str | None) -> list[str]:
    """The parts of a header that came on several lines, or with commas, which is the same: RFC 9110, 5.3."""
    return [] if value is None else [part.strip() for part in re.findall(r'(?:"(?:\\.|[^"\\])*"|[^,"])+', value)]


class CookiesCriterion(_Fields):
    """Some of the cookies: others may be there."""

    name = "cookies"
    are_some = True

    def read(self, request: Subject) -> Any:
        return request.cookies


class FormCriterion(_Fields):
    """The fields of a form, all of them, however they were encoded."""

    name = "form"

    def read(self, request: Subject) -> Any:
        return request.form

    def improve(self, mismatch: Mismatch, request: Subject) -> Mismatch:
        if not request.form:
            return Mismatch(self.name, self.describe(), "no form", explain_kind(request, "a form"), self.weight)
        return mismatch

    def explain(self, request: Subject) -> Mismatch:
        if self.fields is None:
            return Mismatch(self.name, self.describe(), quote(request.form.to_dict(flat=False)))
        return super().explain(request)


class FilesCriterion(_Fields):
    """The files of a form, all of them: content, ``(name, content)`` or ``(name, content, type)`` of each."""

    name = "files"

    def read(self, request: Subject) -> Any:
        return request.files

    def make_value(self, name: str, value: object) -> object:
        if isinstance(value, list):
            return [self.make_value(name, part) for part in value]
        if isinstance(value, tuple) and not 2 <= len(value) <= 3:
            raise UsageError(
                f"files wants {quote(value)} for {name!r}; wanted (name, content) or (name, content, type)"
            )
        if isinstance(value, bool | int | float | dict | type(None)):
            raise UsageError(f"files wants {quote(value)} for {name!r}; wanted its content, as bytes or text")
        return value

    def matches(self, request: Subject) -> bool:
        if self.fields is None:
            return accepts(self.wanted, request.files or ABSENT)
        return not self._find(request)

    def _find(self, request: Subject) -> list[Difference]:
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

    def explain(self, request: Subject) -> Mismatch:
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

"""Criteria of names with values, such as a query, and of credentials.  Pure: no clock, socket or thread."""

from __future__ import annotations

import abc
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from operator import methodcaller
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict
from urllib.request import parse_http_list

from werkzeug.datastructures import MultiDict

from ..core.masking import MASK, is_secret
from ..core.text import one_line, quote
from ..errors import UsageError
from .matcher import Difference, Matcher, Mismatch, find_misspelt, find_value_differences, make_mismatch
from .parsing import TOKEN, decode_octets, parse_authorization, parse_form, read_latin1
from .values import (
    ABSENT,
    INCLUDING,
    UNORDERED,
    Combinator,
    Logical,
    Masked,
    accepts,
    accepts_each,
    accepts_values,
    is_custom_comparator,
    is_text_pattern,
    is_type,
    make_text,
    show,
)

if TYPE_CHECKING:
    from .request import RecordedRequest

__all__ = ["FIELD_MATCHERS", "FieldKeywords", "FieldMatcher", "QueryMatcher"]

_QUERY = re.compile(r"[\x21\x22\x24-\x7e]*")  # visible ASCII, and no fragment
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class FieldMatcher(Matcher):
    """Names with values, of which each can come several times: a mapping or pairs; else it is asked for the whole."""

    allows_others: ClassVar[bool] = False  # fields that are not wanted may be there besides, whatever is written
    has_case: ClassVar[bool] = True  # names that differ in upper and lower case are different
    are_parameters: ClassVar[bool] = False  # they are those of a query or a form, of which more is secret

    def __init__(self, wanted: object) -> None:
        super().__init__(wanted)
        self.fields: dict[str, object] | None = None  # None: it is asked for the whole
        self.is_exact = not (self.allows_others or isinstance(wanted, INCLUDING))
        self._parts: Logical | None = None  # each is compared as it is where it stands alone
        if isinstance(wanted, INCLUDING):
            mappings = [_list_pairs(part) for part in wanted.wanted]
        else:
            mappings = [list(wanted) if isinstance(wanted, list | tuple) and wanted else _list_pairs(wanted)]
        if isinstance(wanted, Logical):
            self._parts = wanted.map(type(self))
        elif None not in mappings:
            self.fields = self._make_fields(chain.from_iterable(filter(None, mappings)))
        elif wanted is not ABSENT and not self.can_be_whole(wanted):
            raise UsageError(f"{self.name} is {quote(wanted)}; wanted a mapping of names and values")

    @abc.abstractmethod
    def read(self, request: RecordedRequest) -> Any:
        """Return the names and values that came: a werkzeug ``MultiDict``, or what behaves like one."""

    def can_be_whole(self, wanted: object) -> bool:
        """Whether something that is no mapping can be asked for the whole."""
        return not isinstance(wanted, Combinator) and not is_type(wanted) and is_custom_comparator(wanted)

    def read_whole(self, request: RecordedRequest) -> object:
        """Return what something that is no mapping is asked for."""
        return (self.read(request) or ABSENT) if self.wanted is ABSENT else self.read(request)

    def make_name(self, name: str) -> str:
        """Return a name as it is compared."""
        return name

    def make_value(self, name: str, value: object) -> object:
        """Return a value as it is compared: what comes is always text."""
        return make_text(self.name, name, value)

    def list_values(self, value: object) -> Sequence[object]:
        """Return what one of several pairs with the same name wants, as several values."""
        return value if isinstance(value, list) else [value]

    def _make_fields(self, pairs: Iterable[object]) -> dict[str, object]:
        fields: dict[str, object] = {}
        for pair in pairs:
            if not isinstance(pair, tuple | list) or len(pair) != 2 or not isinstance(pair[0], str):
                raise UsageError(f"{self.name} has {quote(pair)}; wanted a name, which is a text, and its value")
            name, value = self.make_name(pair[0]), self.make_value(pair[0], pair[1])
            if name in fields:  # pairs, where a name comes twice
                together = [*self.list_values(fields[name]), *self.list_values(value)]
                value = self.make_value(pair[0], together)  # which may be what none of them is: never met
            fields[name] = value
        return fields

    def read_values(self, request: RecordedRequest, name: str, want: object) -> list[str]:
        """Return what came under a name."""
        return self.read(request).getlist(name)  # type: ignore[no-any-return]

    def accepts(self, request: RecordedRequest, name: str, want: object) -> bool:
        """Return True if what came under a name is what is wanted."""
        return accepts_values(want, self.read_values(request, name, want))

    def matches(self, request: RecordedRequest) -> bool:
        if self._parts is not None:
            return self._parts.combine(methodcaller("matches", request))
        if self.fields is None:
            return accepts(self.wanted, self.read_whole(request))
        for name, want in self.fields.items():
            if not self.accepts(request, name, want):
                return False
        return not self.is_exact or all(name in self.fields for name in self.read(request))

    def explain(self, request: RecordedRequest) -> Mismatch:
        if self.fields is None:
            whole = self.read_whole(request)
            return self.miss("nothing" if whole is ABSENT else one_line(str(whole)))
        got = self.read(request)
        found: list[Difference] = []
        names = dict.fromkeys(got.keys())
        others = [name for name in names if (name if self.has_case else name.title()) not in self.fields]
        for name, want in self.fields.items():
            values = self.read_values(request, name, want)
            differences = find_value_differences(want, values, name, partial(self.accepts, request, name))
            misspelt = find_misspelt(name, others) if differences and not values else None
            if misspelt is not None:
                others.remove(misspelt)
                differences = [
                    each._replace(hint=f"there is {quote(misspelt)}: is it misspelt?") for each in differences
                ]
            found += differences
        found += [
            Difference(name, "nothing", quote(got[name]), "" if found else "INCLUDING({…}) allows more")
            for name in (others if self.is_exact else ())
        ]
        return make_mismatch(self, found, are_parameters=self.are_parameters)

    def describe(self) -> str:
        if self._parts is not None:
            return f"{type(self._parts).__name__}({', '.join(map(methodcaller('describe'), self._parts.wanted))})"
        if self.fields is None:
            return show(self.wanted)
        pairs = {
            name: Masked() if value is not ABSENT and is_secret(name, is_parameter=self.are_parameters) else value
            for name, value in self.fields.items()
        }
        return show(pairs) if self.is_exact or self.allows_others else f"INCLUDING({show(pairs)})"


def _list_pairs(wanted: Any) -> list[object] | None:
    """Names and values, a name as often as it came; None if it is no mapping, nor one of the classes for headers."""
    if isinstance(wanted, MultiDict):
        return list(wanted.items(multi=True))
    if isinstance(wanted, type) or not all(callable(getattr(wanted, name, None)) for name in ("keys", "items")):
        return None
    return list(wanted.multi_items() if hasattr(wanted, "multi_items") else wanted.items())  # httpx's have the first


class QueryMatcher(FieldMatcher):
    """The parameters of the query, all of them; a text is the raw query, letter by letter."""

    name = "query"
    are_parameters = True

    def __init__(self, wanted: object) -> None:
        if isinstance(wanted, str) and not _QUERY.fullmatch(wanted.removeprefix("?")):
            raise UsageError(
                f"query is {quote(wanted)}, which no request can carry; a text is the raw query, as in 'q=a%20b'"
            )
        if isinstance(wanted, str):
            wanted = wanted.removeprefix("?")
        elif isinstance(wanted, list | tuple) and not wanted:
            wanted = ABSENT
        super().__init__(wanted)

    @classmethod
    def parse(cls, query: str) -> QueryMatcher:
        """Return that of a query as it stands in a URL: of its parameters, not of its letters."""
        return cls(parse_form(query.encode()) or {})

    def read(self, request: RecordedRequest) -> Any:
        return request.args

    def can_be_whole(self, wanted: object) -> bool:
        return isinstance(wanted, str) or is_text_pattern(wanted) or super().can_be_whole(wanted)

    def read_whole(self, request: RecordedRequest) -> object:
        raw = request.query_string.decode("latin-1")
        if self.wanted is ABSENT:
            return raw or ABSENT
        return raw if isinstance(self.wanted, str | re.Pattern) else request.args

    def explain(self, request: RecordedRequest) -> Mismatch:
        if not isinstance(self.wanted, str):
            return super().explain(request)
        same = sorted(parse_form(request.query_string)) == sorted(parse_form(self.wanted.encode()))
        hint = "the same parameters: a mapping compares those, a text each letter" if same else ""
        return self.miss(quote(self.read_whole(request)), hint)


class HeadersMatcher(FieldMatcher):
    """Some of the headers, by names without case; several lines are a value with commas: RFC 9110, 5.3 and 5.6.1."""

    name = "headers"
    allows_others = True
    has_case = False

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
            value = super().make_value(name, value)
        self._check_texts(name, value, are_items=False)
        return value.strip(" \t") if isinstance(value, str) else value

    def list_values(self, value: object) -> Sequence[object]:
        return _split(value) if isinstance(value, str) else super().list_values(value)

    def _check_texts(self, name: str, value: object, *, are_items: bool) -> None:
        """Refuse a text that no header can have; as one of several values, what a comma would divide or leave out."""
        if isinstance(value, list | tuple | Combinator):
            parts = value.items if isinstance(value, Combinator) else value
            for part in value.wanted if isinstance(value, Logical) else parts:
                self._check_texts(name, part, are_items=_wants_list(value))
        elif isinstance(value, str):
            if _CONTROL.search(value):
                raise UsageError(f"headers wants for {name!r} a control character, which no header can have")
            if are_items and _split(value) != [value.strip()]:
                shown = MASK if is_secret(name) else quote(value)
                raise UsageError(f"headers wants for {name!r} a list with {shown}; wanted each value without a comma")

    def read_values(self, request: RecordedRequest, name: str, want: object) -> list[str]:
        value = request.header_values.get(name.lower(), ("", None))[1]
        if _wants_list(want):
            return _split(value)
        return [] if value is None else [value]

    def accepts(self, request: RecordedRequest, name: str, want: object) -> bool:
        def accepts_part(part: object) -> bool:
            values = self.read_values(request, name, part)
            if accepts_values(part, values):
                return True
            if not isinstance(part, str) or not values:
                return False
            got = values[0]
            if name == "Authorization" and _has_same_credentials(part, got):
                return True
            return part == read_latin1(got) or ("," in got and _split(part) == _split(got))

        return accepts_each(accepts_part, want)

    def explain(self, request: RecordedRequest) -> Mismatch:
        mismatch = super().explain(request)
        want = (self.fields or {}).get(mismatch.where)
        if isinstance(want, str) and want in _split(request.headers.get(mismatch.where)):
            return replace(mismatch, hint="it is one of several values: INCLUDING(…), or a list, allows that")
        return mismatch


def _wants_list(want: object) -> bool:
    if isinstance(want, INCLUDING):
        return len(want.wanted) == 1 and isinstance(want.wanted[0], list | tuple)
    return isinstance(want, list | tuple | UNORDERED)


def _split(value: str | None) -> list[str]:
    # the same on several lines or with commas: RFC 9110, 5.3
    return [part for part in parse_http_list(value or "") if part]


class CookiesMatcher(FieldMatcher):
    """Some of the cookies: others may be there.  A text in quotes is the same with them and without."""

    name = "cookies"
    allows_others = True

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


class AuthMatcher(Matcher):
    """The credentials: ``(name, password)`` of Basic, the token of Bearer, or all of the header."""

    name = "auth"

    def __init__(self, wanted: object) -> None:
        super().__init__(self._check(wanted))

    def _check(self, wanted: object) -> object:
        if isinstance(wanted, Logical | INCLUDING):
            return wanted.map(self._check)
        if isinstance(wanted, tuple) and len(wanted) == 2:
            if isinstance(wanted[0], str) and ":" in wanted[0]:  # RFC 7617, 2
                raise UsageError(
                    f"auth has the name {quote(wanted[0])}; what follows its colon is sent as the password"
                )
            return make_text(self.name, "name", wanted[0]), make_text(self.name, "password", wanted[1])
        if isinstance(wanted, str) and wanted.strip() == wanted != "" and not _CONTROL.search(wanted):
            return wanted
        if wanted is ABSENT or is_text_pattern(wanted):
            return wanted
        if isinstance(wanted, Combinator) or is_type(wanted) or not is_custom_comparator(wanted):
            shown = quote(wanted)
            if isinstance(wanted, list | tuple):  # it can have a password in it
                shown = f"a {type(wanted).__name__} of {len(wanted)}"
            elif isinstance(wanted, str) and wanted:
                shown = f"{MASK}, with white space around it or a control character in it"
            raise UsageError(
                f"auth is {shown}; wanted (name, password), the token of a Bearer, the whole header, or ABSENT"
            )
        return wanted

    def matches(self, request: RecordedRequest) -> bool:
        raw, got = request.headers.get("Authorization"), request.authorization
        kind = got.type if got is not None else ""
        token = got.token if got is not None and kind == "bearer" else None

        def accepts_credentials(wanted: object) -> bool:
            if wanted is ABSENT:
                return raw is None
            if isinstance(wanted, tuple):
                if got is None or kind != "basic":
                    return False
                name, password = str(got.username), str(got.password)
                return accepts(wanted, (name, password)) or accepts(wanted, (read_latin1(name), read_latin1(password)))
            if isinstance(wanted, str) and " " in wanted:
                return raw is not None and (raw == wanted or _has_same_credentials(wanted, raw))
            if isinstance(wanted, str):
                return token == wanted
            if isinstance(wanted, re.Pattern | Combinator):
                return (raw is not None and accepts(wanted, raw)) or (token is not None and accepts(wanted, token))
            return accepts(wanted, got)

        return accepts_each(accepts_credentials, self.wanted)

    def explain(self, request: RecordedRequest) -> Mismatch:
        got = request.authorization
        if "Authorization" not in request.headers:
            return self.miss("no Authorization header")
        if got is None:
            return self.miss("an Authorization header that cannot be read")
        hint = ""
        if isinstance(self.wanted, tuple) and got.type == "basic" and accepts(self.wanted[0], got.username):
            hint = "the password differs"
        elif isinstance(self.wanted, str) and got.type == "bearer":
            hint = "the token differs" if " " not in self.wanted else ""
            if str(got.token).lower().startswith("bearer "):
                hint = "the token begins with 'Bearer ' once more"
        name = f" {quote(got.username)}" if got.type == "basic" else ""
        return self.miss(f"{got.type.title()}{name} {MASK}", hint)

    def describe(self) -> str:
        if isinstance(self.wanted, tuple):
            return f"Basic {show(self.wanted[0])} {MASK}"
        if isinstance(self.wanted, str):
            scheme, space, _ = self.wanted.partition(" ")
            return f"{scheme.title() if space else 'Bearer'} {MASK}"
        if isinstance(self.wanted, re.Pattern):
            return f"matching {MASK}"
        return show(_mask_parts(self.wanted))


def _mask_parts(wanted: object) -> object:
    """A combination with no password, text or pattern in it: each text is a token, or all of the header."""
    if isinstance(wanted, Combinator):
        return wanted.map(_mask_parts)
    if isinstance(wanted, tuple):
        return wanted[0], Masked()
    return Masked() if isinstance(wanted, str | re.Pattern) else wanted


def _has_same_credentials(wanted: str, got: str) -> bool:
    """Whether two values of Authorization say the same, whatever the order of their parameters."""
    first, second = parse_authorization(wanted), parse_authorization(got)
    return first is not None and first == second


class FieldKeywords(TypedDict, total=False):
    """Keywords of criteria of query and headers."""

    query: object  # the parameters, all of them; a text is the raw query
    headers: object  # some of the headers; names without case
    auth: object  # (name, password) of Basic, or the token of Bearer
    cookies: object  # some of the cookies


FIELD_MATCHERS: tuple[type[Matcher], ...] = (QueryMatcher, HeadersMatcher, AuthMatcher, CookiesMatcher)

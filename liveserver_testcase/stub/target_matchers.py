"""Criteria of where a request goes: method, path, host.  Pure: no clock, socket or thread."""

from __future__ import annotations

import re
from collections.abc import Mapping
from operator import methodcaller
from typing import TYPE_CHECKING, Any, TypedDict
from urllib.parse import unquote

from werkzeug.exceptions import HTTPException

from ..core.text import quote
from ..errors import UsageError
from .matcher import Matcher, Mismatch
from .parsing import ENCODED_SLASH, TOKEN, decode_path, split_path, write_octets, write_path
from .values import INCLUDING, Logical, accepts, accepts_each, decides_on_text, list_parts, show

if TYPE_CHECKING:
    from .request import RecordedRequest

__all__ = [
    "TARGET_MATCHERS", "HostMatcher", "MethodMatcher", "PathMatcher", "SchemeMatcher", "TargetKeywords",
    "find_group", "make_path", "split_target", "suggest_path",
]  # fmt: skip

# What werkzeug cannot have in a rule, or takes for the beginning of a placeholder, and a private character for each.
_FOR_RULES = {ord("<"): 0x10FC3C, 0xDC2F: 0x10FC2F} | {0xDC00 + octet: 0x10FC00 + octet for octet in range(0x80, 0x100)}
_FROM_RULES = {private: char for char, private in _FOR_RULES.items()}
_HOST = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=%]+(:[0-9]*)?|\[[0-9A-Fa-f:.]+\](:[0-9]*)?|[0-9A-Fa-f:.]+|")
_PORT = re.compile(r":[0-9]+\Z")
_COMPARED = 100  # characters of two paths that are looked through for a likeness, which takes time
_METHOD_HINTS = {
    ("GET", "HEAD"): "an expectation of GET does not answer HEAD",
    ("POST", "GET"): "a client that follows a redirect makes a GET of a POST",
    (None, "OPTIONS"): "a browser asks with OPTIONS before it sends to another origin",
}


class MethodMatcher(Matcher):
    """The method, or a value that stands for several."""

    name = "method"
    weight = 3.0

    def __init__(self, wanted: object) -> None:
        _check_method(wanted)
        super().__init__(wanted)
        self.key = wanted if isinstance(wanted, str) else None
        self.is_met_by_key = self.key is not None

    def matches(self, request: RecordedRequest) -> bool:
        return accepts(self.wanted, request.method)

    def explain(self, request: RecordedRequest) -> Mismatch:
        hint = _METHOD_HINTS.get((self.key, request.method)) or _METHOD_HINTS.get((None, request.method), "")
        return self.miss(request.method, hint)

    def describe(self) -> str:
        return self.key or show(self.wanted)


class PathMatcher(Matcher):
    """The path without the query, decoded as `plain_path` is: a text, or a value that stands for several."""

    name = "path"
    weight = 10.0
    has_params = False  # whether it has placeholders

    def __init__(self, wanted: object) -> None:
        super().__init__(wanted)
        # what the registry looks it up by: the path, or the `find_group` of those that it can match; None for any
        self.key = wanted if isinstance(wanted, str) else None
        self.is_met_by_key = self.key is not None
        self._parts: Logical | None = None
        if isinstance(wanted, Logical):
            parts: Any = wanted.map(self._make_part)
            self._parts = parts
            self.has_params = any(part.has_params for part in parts.wanted)

    @staticmethod
    def _make_part(path: object) -> PathMatcher:
        if split_target(path)[0] != path:
            raise UsageError(
                f"path is combined with {quote(path)}; wanted paths alone: write query=… and host=… for the rest"
            )
        return make_path(path)

    def matches(self, request: RecordedRequest) -> bool:
        if self._parts is not None:
            return self._parts.combine(methodcaller("matches", request))
        return accepts(self.wanted, request.plain_path)

    def explain(self, request: RecordedRequest) -> Mismatch:
        got = request.plain_path
        if self.key is None:
            return self.miss(_show(got), distance=8.0)
        hint = _path_hint(self.key, got)
        return self.miss(_show(got), hint, 1.0 if hint else self.weight - 6.0 * _similarity(self.key, got))

    def describe(self) -> str:
        return _show(self.wanted) if isinstance(self.wanted, str) else show(self.wanted)

    def find_params(self, request: RecordedRequest) -> dict[str, Any]:
        """Return what the placeholders in it stand for in the path of ``request``, which matches."""
        parts: Any = self._parts.wanted if self._parts is not None else ()
        met = (part for part in parts if part.has_params and part.matches(request))
        return next((part.find_params(request) for part in met), {})


class PatternMatcher(PathMatcher):
    """A pattern that matches the whole path; what its named groups match is handed on."""

    has_params = True

    def __init__(self, pattern: re.Pattern[str]) -> None:
        super().__init__(pattern)
        self._pattern = pattern

    def explain(self, request: RecordedRequest) -> Mismatch:
        part = self._pattern.search(request.plain_path)
        hint = "the pattern matches a part of it, and must match all" if part else ""
        return self.miss(_show(request.plain_path), hint, 2.0 if part else 8.0)

    def describe(self) -> str:
        return f"matching {quote(self._pattern.pattern)}"

    def find_params(self, request: RecordedRequest) -> dict[str, Any]:
        found = self._pattern.fullmatch(request.plain_path)
        return found.groupdict() if found is not None else {}


class RuleMatcher(PathMatcher):
    """A rule as Flask's routes have it, such as ``/users/<int:id>``, with werkzeug's converters."""

    has_params = True

    def __init__(self, rule: str) -> None:
        pieces = re.split("(<[^<>]*>)", rule)
        pieces[::2] = map(split_path, pieces[::2])
        super().__init__("".join(map(write_path, pieces)))
        head, slash, _ = pieces[0][1:].partition("/")
        self.key = find_group(f"/{write_path(head)}") if slash else None
        self.is_met_by_key = False
        self._slashes = _count_slashes(pieces[0])
        pieces[::2] = [piece.translate(_FOR_RULES) for piece in pieces[::2]]
        self._literals = pieces[::2]
        from werkzeug.routing import Map, Rule  # loaded when a stub starts

        try:
            rules = [Rule("".join(pieces)[self._slashes - 1 :], endpoint="")]
            self._adapter = Map(rules, merge_slashes=False, redirect_defaults=False).bind("stub")
        except (ValueError, LookupError, TypeError, SyntaxError) as error:
            raise UsageError(
                f"path is {quote(rule)}, which is no rule: {error}; wanted placeholders such as <name>, <int:id>, "
                "<path:rest>, or %3C for a plain '<'"
            ) from error

    def matches(self, request: RecordedRequest) -> bool:
        return self._match(split_path(request.raw_path)) is not None

    def _match(self, path: str) -> Mapping[str, Any] | None:
        """What the placeholders stand for in a path that `split_path` made; None if it does not match."""
        if _count_slashes(path) != self._slashes:  # werkzeug takes several at the beginning for one
            return None
        try:
            return self._adapter.match(path.translate(_FOR_RULES))[1]
        except HTTPException:  # not found, or found with another slash at the end
            return None

    def find_params(self, request: RecordedRequest) -> dict[str, Any]:
        found = self._match(split_path(request.raw_path)) or {}
        return {
            name: value.translate(_FROM_RULES).replace(ENCODED_SLASH, "/") if isinstance(value, str) else value
            for name, value in found.items()
        }

    def explain(self, request: RecordedRequest) -> Mismatch:
        got = split_path(request.raw_path)
        shown = _show(write_path(got))
        if self._match(got[:-1] if got.endswith("/") else f"{got}/") is not None:
            return self.miss(shown, f"it has {'a' if got.endswith('/') else 'no'} slash at the end", 1.0)
        if re.fullmatch("[^/]*".join(map(re.escape, self._literals)), got.translate(_FOR_RULES)):
            return self.miss(shown, "its parts are there, but a placeholder does not accept its own", 2.0)
        literal = write_path("".join(self._literals).translate(_FROM_RULES))
        return self.miss(shown, distance=10.0 - 6.0 * _similarity(literal, write_path(got)))


def _count_slashes(path: str) -> int:
    return len(path) - len(path.lstrip("/"))


def _show(path: str) -> str:
    return quote(write_octets(path))


def find_group(path: str) -> str:
    """What paths with the same first part have in common: rules are looked up by it."""
    return f"*{path[1:].partition('/')[0]}"


class HostMatcher(Matcher):
    """The host that the request names: of a text without a port the port is no matter; a star is all below a name."""

    name = "host"
    weight = 10.0

    def __init__(self, wanted: object) -> None:
        for part in list_parts(wanted):
            if not isinstance(part, str | INCLUDING) and not decides_on_text(part):
                raise UsageError(
                    f"host is {quote(wanted)}; wanted a name such as 'api.example.com', with a port or without"
                )
            if isinstance(part, str) and not _HOST.fullmatch(part):
                raise UsageError(
                    f"host is {quote(part)}, which no request can name; wanted one such as 'api.example.com:8080'"
                )
        super().__init__(wanted)

    def matches(self, request: RecordedRequest) -> bool:
        host = request.host.lower()
        if not _PORT.search(host):
            host = f"{host}:{443 if request.scheme == 'https' else 80}"
        alone = _PORT.sub("", host)

        def accepts_host(wanted: object) -> bool:
            if isinstance(wanted, str):
                wanted = wanted.lower()
                if wanted.count(":") > 1 and not wanted.startswith("["):  # an IPv6 address, which a URL has in brackets
                    wanted = f"[{wanted}]"
                if wanted.startswith("*."):
                    return host.endswith(wanted[1:]) or alone.endswith(wanted[1:])
            return accepts(wanted, host) or accepts(wanted, alone)

        return accepts_each(accepts_host, self.wanted)

    def explain(self, request: RecordedRequest) -> Mismatch:
        return self.miss(quote(request.host))


class SchemeMatcher(Matcher):
    """What a whole URL begins with."""

    name = "scheme"
    weight = 3.0

    def matches(self, request: RecordedRequest) -> bool:
        return request.scheme == self.wanted

    def explain(self, request: RecordedRequest) -> Mismatch:
        hint = "the stub speaks TLS if stub_tls says so" if self.wanted == "https" else "the stub speaks TLS"
        return self.miss(request.scheme, hint)

    def describe(self) -> str:
        return str(self.wanted)


class TargetKeywords(TypedDict, total=False):
    """Keywords of criteria of where a request goes."""

    host: object  # that is named, with or without its port; *.example.com for all below that name


TARGET_MATCHERS: tuple[type[Matcher], ...] = (HostMatcher,)

# -- how paths resemble each other -------------------------------------------------------------------------------------


def _path_hint(wanted: str, got: str) -> str:
    """What small mistake makes one path of the other; empty if none that is known."""
    if wanted.rstrip("/") == got.rstrip("/"):
        return f"it has {'a' if len(got) > len(wanted) else 'no'} slash at the end"
    if re.sub("//+", "/", wanted) == re.sub("//+", "/", got):
        return "slashes are doubled: was a path joined to a URL that ends with one?"
    if wanted.lower() == got.lower():
        return "upper and lower case differ"
    if got.replace("%2F", "/") == wanted:
        return "an encoded slash, %2F, does not separate"
    if unquote(got) == wanted and "%" in got:
        return "it was percent-encoded twice"
    parts = re.split(r"\{[^{}]*\}|(?<=/):\w+|\*+", wanted)
    if len(parts) > 1 and re.fullmatch(".+".join(map(re.escape, parts)), got):
        return "placeholders are written <name>, <int:name> or <path:name>"
    if re.search(r"\\\w|\.[*+]|\[[^]]+\]|\(.*\)|^/?\^|\$$", wanted):
        return "a pattern is written re.compile(…)"
    if len(wanted) > 1 and got.endswith(wanted):
        return f"it has {_show(got[: -len(wanted)])} in front: is the base URL right?"
    if len(got) > 1 and wanted.endswith(got):
        return f"it lacks {_show(wanted[: -len(got)])} in front: is the base URL right?"
    return ""


def _similarity(wanted: str, got: str) -> float:
    from difflib import SequenceMatcher  # costs a millisecond that no passing test needs

    return SequenceMatcher(None, wanted[:_COMPARED], got[:_COMPARED], autojunk=False).ratio()


# -- what a test author writes -----------------------------------------------------------------------------------------


def _check_method(method: object) -> object:
    """Refuse what is no method, among several, too; upper and lower case are different.  Source: RFC 9110, 9.1."""
    if isinstance(method, Logical):
        return method.map(_check_method)
    if isinstance(method, INCLUDING) or decides_on_text(method):
        return method
    advice = ""
    if isinstance(method, str) and TOKEN.fullmatch(method):
        if method == "CONNECT":
            raise UsageError("method is 'CONNECT', which clients send to a proxy only; the stub refuses it with 501")
        if method == method.upper():
            return method
        advice = f": {method.upper()!r}, for methods differ in upper and lower case"
    elif isinstance(method, str):
        name, _, rest = method.strip().partition(" ")
        if name.startswith("/"):
            advice = f"; for any method on that path write (None, {method!r})"
        elif rest.strip().startswith("/"):
            advice = f"; write method and path as two arguments: ({name.upper()!r}, {rest.strip()!r})"
        elif TOKEN.fullmatch(name) and not rest:
            advice = f": {name.upper()!r}"
    elif isinstance(method, list | tuple | set | frozenset):
        advice = "; for one of several write ANY_OF(…)"
    raise UsageError(f"method is {quote(method)}; wanted a name such as 'GET', or None for any{advice}")


def split_target(path: object) -> tuple[object, str | None, str | None, str | None]:
    """Take apart a path with a query, or a whole URL: the path alone; its query, host and scheme, or None."""
    if not isinstance(path, str):
        return path, None, None, None
    scheme = host = None
    url = re.match(r"(https?|wss?)://([^/?#]*)", path, re.IGNORECASE)
    if url is not None:
        scheme, host = re.sub(r"^ws", "http", url[1].lower()), url[2].rpartition("@")[2].lower()
        host = host.removesuffix(":80" if scheme == "http" else ":443")
        path = path[url.end() :]
        path = path if path.startswith("/") else f"/{path}"
    path = path.partition("#")[0]  # a client keeps the fragment to itself
    # at the first question mark outside placeholders, whose arguments may have one
    alone = re.match(r"(?:<[^<>]*>|[^?])*", path)
    end = alone.end() if alone is not None else 0
    return path[:end], path[end + 1 :] if end < len(path) else None, host, scheme


def suggest_path(request: RecordedRequest) -> str:
    """The path, or URL, to write in a test so that ``request`` has it: decoded where that says the same."""
    plain = request.plain_path
    origin = re.match("https?://[^/?]*|", request.exchange.target)
    lead = origin[0] if origin is not None else ""
    if not re.search("[<?#]", plain) and write_octets(plain) == plain and decode_path(plain) == plain:
        return lead + plain
    return lead + request.raw_path.replace("<", "%3C")


def make_path(path: object) -> PathMatcher:
    """Check a path, without query and host; one that no request can have is a `UsageError`."""
    if isinstance(path, re.Pattern):
        if not isinstance(path.pattern, str):
            raise UsageError(f"path is {path!r}, a pattern of bytes; compile it from a str")
        return PatternMatcher(path)
    if isinstance(path, Logical | INCLUDING) or decides_on_text(path):
        return PathMatcher(path)
    if not isinstance(path, str):
        raise UsageError(
            f"path is {quote(path)}; wanted a text that begins with '/', a compiled pattern, or None for any"
        )
    if not path.startswith("/") and path != "*":  # OPTIONS *: RFC 9112, 3.2.4
        raise UsageError(f"path is {quote(path)}; wanted one that begins with '/': {quote('/' + path)}")
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"path is {quote(path)}, which no request can carry: {error}") from error
    return RuleMatcher(path) if re.search("<[^<>]+>", path) else PathMatcher(decode_path(path))

"""The body of a reply, its type and its headers, of what an author writes; what cannot be sent is a `UsageError`."""

from __future__ import annotations

import json as json_module
import mimetypes
import os
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal, TypeAlias, TypedDict
from urllib.parse import urlencode

from werkzeug.datastructures import MultiDict
from werkzeug.http import dump_cookie

from ..core.text import quote
from ..errors import UsageError
from .stream import Stream, make_single_stream

__all__ = [
    "Cookies", "Headers", "ReplyOptions", "list_pairs", "make_content", "make_cookies", "make_pairs", "refuse_pair",
    "split_headers",
]  # fmt: skip

Headers: TypeAlias = "Mapping[str, str | Sequence[str] | None] | Iterable[tuple[str, str | Sequence[str] | None]]"
"""A mapping, or pairs; several values of one name in a list, and None for a header that is to be left out."""

Cookies: TypeAlias = "Mapping[str, str | Mapping[str, Any]] | Iterable[tuple[str, str | Mapping[str, Any]]]"
"""Names and values; a value can be a mapping with ``value`` and attributes, as ``max_age`` or ``samesite``."""

_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([^\s;\"]+)", re.IGNORECASE)
_COOKIE_OPTIONS = (
    "value", "max_age", "expires", "path", "domain", "secure", "httponly", "samesite", "partitioned"
)  # fmt: skip


class ReplyOptions(TypedDict, total=False):
    """The keywords of `Reply`, and of everything that makes one."""

    json: Any
    text: str | None
    html: str | None
    form: Mapping[str, object] | Iterable[tuple[str, object]] | None
    file: str | os.PathLike[str] | None
    chunks: Iterable[bytes | str] | None
    chunk_size: int | None
    cookies: Cookies | None
    content_type: str | None
    reason: str | None
    trailers: Headers | None
    informational: Iterable[int | tuple[int, Headers]]
    delay: float
    body_delay: float
    throttle: float | tuple[int, float] | None
    compress: Literal["gzip"] | None


_TypedBody: TypeAlias = tuple[str, "bytes | tuple[bytes, ...] | Stream"]
"""The Content-Type that goes with a body, and the body: whole, in chunks, or as a stream."""


def make_content(body: object, options: Mapping[str, Any], named: str | None) -> _TypedBody:
    """Make the one body that was given, by position or as an option; ``named`` is the author's Content-Type."""
    given = {"body": body, **{name: options[name] for name in _MAKERS if name in options}}
    given = {name: value for name, value in given.items() if value is not None or name == "json"}
    if len(given) > 1:
        raise UsageError(f"a reply has one body, but {' and '.join(given)} were given: keep one of them")
    for name, value in given.items():
        return _MAKERS[name](value, named)
    return "", b""


def _make_body(body: object, named: str | None) -> _TypedBody:
    if isinstance(body, str):
        return "text/html; charset=utf-8", _encode("body", body, named)
    if isinstance(body, bytes | bytearray | memoryview):
        return "application/octet-stream", bytes(body)
    if isinstance(body, Iterator | AsyncIterator):
        return "application/octet-stream", make_single_stream(body)
    hint = ", chunks=… for pieces" if isinstance(body, list | tuple) else ""
    raise UsageError(f"body is a {type(body).__name__}; wanted bytes or str (or json=… for a JSON value{hint})")


def _make_json(value: object, _named: str | None) -> _TypedBody:
    try:
        return "application/json", json_module.dumps(value, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"json={quote(value)} cannot be written as JSON: {error}") from error


def _make_text(name: str, kind: str, text: object, named: str | None) -> _TypedBody:
    if not isinstance(text, str):
        raise UsageError(f"{name} is a {type(text).__name__}; wanted str")
    return kind, _encode(name, text, named)


def _make_form(form: object, named: str | None) -> _TypedBody:
    pairs = list(form.items()) if isinstance(form, Mapping) else form
    try:
        if isinstance(pairs, str | bytes):
            raise TypeError("it is no pairs")
        return "application/x-www-form-urlencoded", urlencode(list(pairs), doseq=True).encode()  # type: ignore[call-overload]
    except (TypeError, ValueError) as error:
        raise UsageError(f"form is {quote(form)}; wanted a mapping, or pairs of name and value") from error


def _make_file(path: object, _named: str | None) -> _TypedBody:
    """Read a file; its type goes by its name, and of a compressed one is what it is compressed as."""
    if not isinstance(path, str | os.PathLike):
        raise UsageError(f"file is a {type(path).__name__}; wanted the path of a file")
    kind, coding = mimetypes.guess_type(os.fspath(path))
    if coding is not None:
        kind = _COMPRESSED.get(coding)
    try:
        with open(path, "rb") as file:
            return kind or "application/octet-stream", file.read()
    except (OSError, ValueError) as error:  # no file can have that name
        raise UsageError(f"file {os.fspath(path)!r} cannot be read: {error}") from error


_COMPRESSED = {
    "gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz",
    "compress": "application/x-compress", "br": "application/x-brotli", "zstd": "application/zstd",
}  # fmt: skip


def _make_chunks(chunks: object, named: str | None) -> _TypedBody:
    if isinstance(chunks, str | bytes | Mapping) or not isinstance(chunks, Iterable):
        raise UsageError(f"chunks is a {type(chunks).__name__}; wanted several pieces of bytes or str")
    made, kind = [], "application/octet-stream"
    for chunk in chunks:
        if isinstance(chunk, str):
            kind, chunk = "text/html; charset=utf-8", _encode("chunks", chunk, named)
        if not isinstance(chunk, bytes | bytearray | memoryview):
            raise UsageError(f"chunks has the piece {quote(chunk)}; wanted bytes or str")
        made.append(bytes(chunk))
    return kind, tuple(made)


_MAKERS: Mapping[str, Callable[[object, str | None], _TypedBody]] = {
    "body": _make_body,
    "json": _make_json,
    "text": partial(_make_text, "text", "text/plain; charset=utf-8"),
    "html": partial(_make_text, "html", "text/html; charset=utf-8"),
    "form": _make_form,
    "file": _make_file,
    "chunks": _make_chunks,
}


def _encode(name: str, text: str, content_type: str | None) -> bytes:
    """Text in the charset that its Content-Type promises."""
    found = _CHARSET.search(content_type) if isinstance(content_type, str) else None
    charset = found[1] if found else "utf-8"
    try:
        return text.encode(charset)
    except (LookupError, ValueError) as error:
        raise UsageError(f"{name} {quote(text)} cannot be sent as {charset}: {error}") from error


# -- headers -------------------------------------------------------------------------------------------------------


_NEEDED = ("connection", "content-length", "transfer-encoding")  # they say where the response ends


def make_pairs(headers: Headers | None, what: str = "headers") -> list[tuple[str, str]]:
    """Headers as pairs."""
    made, left_out = split_headers(headers, what)
    if left_out:
        raise UsageError(f"{what} have None for {quote(left_out[0])}, and there is nothing to leave out")
    return made


def split_headers(headers: Headers | None, what: str = "headers") -> tuple[list[tuple[str, str]], list[str]]:
    """Headers as pairs, and the names, in lower case, of those that are to be left out."""
    made: list[tuple[str, str]] = []
    left_out: list[str] = []
    for pair in list_pairs(headers, what):
        name, value = pair if isinstance(pair, tuple | list) and len(pair) == 2 else (None, None)
        if isinstance(name, str) and value is None:
            if name.lower() in _NEEDED:
                raise UsageError(f"header {name!r} cannot be left out: it says where the response ends")
            left_out.append(name.lower())
            continue
        for item in value if isinstance(value, list | tuple) else [value]:
            if not isinstance(name, str) or not isinstance(item, str):
                raise refuse_pair(pair)
            made.append((name, item))
    return made, left_out


def list_pairs(given: Any, what: str) -> Iterable[Any]:
    """Names and values of a mapping, or what may be pairs of them."""
    pairs = given.items(multi=True) if isinstance(given, MultiDict) else () if given is None else given
    pairs = pairs.items() if isinstance(pairs, Mapping) else pairs
    if isinstance(pairs, str | bytes) or not isinstance(pairs, Iterable):
        raise UsageError(f"{what} are {quote(given)}; wanted a mapping, or pairs of name and value")
    return pairs


def refuse_pair(pair: object) -> UsageError:
    """Say that this is no header."""
    return UsageError(f"header {quote(pair)} is no pair of texts: wanted a name and a value, both str")


def make_cookies(cookies: Cookies | None) -> list[tuple[str, str]]:
    """A Set-Cookie header for each cookie."""
    made = []
    for pair in list_pairs(cookies, "cookies"):
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not isinstance(pair[0], str):
            raise UsageError(f"cookie {quote(pair)} is no pair: wanted a name and a value")
        name, value = pair
        options: dict[str, Any] = dict(value) if isinstance(value, Mapping) else {"value": value}
        unknown = [key for key in options if key not in _COOKIE_OPTIONS]
        if unknown or not isinstance(options.get("value", ""), str):
            what = f"the attribute {unknown[0]!r}" if unknown else f"the value {quote(options['value'])}"
            known = ", ".join(map(repr, _COOKIE_OPTIONS))
            raise UsageError(f"cookie {name!r} has {what}; wanted a str, or a mapping with some of {known}")
        try:
            made.append(("Set-Cookie", dump_cookie(name, options.pop("value", ""), max_size=0, **options)))
        except (AttributeError, TypeError, ValueError) as error:
            raise UsageError(f"cookie {name!r} cannot be set to {quote(value)}: {error}") from error
    return made

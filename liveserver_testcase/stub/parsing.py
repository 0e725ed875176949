"""What a request says, from the octets that were sent: path, query, form, headers, cookies, content.  Pure.

Octets are decoded once, as UTF-8.  What is no UTF-8 is kept apart: a lone surrogate stands for each such octet, as
``surrogateescape`` has it, so that different octets are never taken for equal.
"""

from __future__ import annotations

import base64
import codecs
import json
import re
from collections.abc import Callable, Iterable
from typing import Any, NoReturn
from urllib.parse import unquote_to_bytes

from werkzeug.datastructures import Authorization, Headers
from werkzeug.formparser import MultiPartParser
from werkzeug.http import parse_options_header

from ..web import request_head

__all__ = [
    "ENCODED_SLASH", "NO_JSON", "TOKEN", "FormParser", "decode_octets", "decode_path", "find_charset", "join_lines",
    "parse_authorization", "parse_cookies", "parse_form", "parse_json", "read_latin1", "split_path",
    "unquote_cookie", "write_octets", "write_path",
]  # fmt: skip

NO_JSON = object()
"""Stands for a body that is no JSON."""
TOKEN = re.compile(request_head.TOKEN.decode())
"""What a method or the name of a header is.  Source: RFC 9110, 5.6.2."""

# -- octets ------------------------------------------------------------------------------------------------------------

ENCODED_SLASH = "\udc2f"  # stands for an encoded slash; `surrogateescape` has no use for it, since a slash is ASCII
_PERCENT_SLASH = re.compile("%2[Ff]")
_LIKE_A_SLASH = re.compile("%(?=(?:25)*2[Ff])")
_NO_UTF8 = re.compile("[\udc80-\udcff]")


def split_path(raw: str) -> str:
    """A path decoded, with one character for each encoded slash, which does not separate: RFC 3986, 2.2 and 2.4."""
    if "%" not in raw:
        return raw
    return ENCODED_SLASH.join(
        unquote_to_bytes(part).decode("utf-8", "surrogateescape") for part in _PERCENT_SLASH.split(raw)
    )


def decode_path(raw: str) -> str:
    """A path decoded once, but for ``%2F`` and ``%252F``: two paths are equal here if their octets are."""
    return write_path(split_path(raw)) if "%" in raw else raw


def write_path(path: str) -> str:
    """What `split_path` made, as text for people."""
    return _LIKE_A_SLASH.sub("%25", path).replace(ENCODED_SLASH, "%2F")


def write_octets(text: str) -> str:
    """The text with octets that are no UTF-8 as they are in a URL: ``%E9``."""
    return _NO_UTF8.sub(lambda match: f"%{ord(match[0]) - 0xDC00:02X}", text)


def decode_octets(octets: bytes) -> str:
    """Text that may be in UTF-8, as browsers and aiohttp send it, or in Latin-1, as requests does."""
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def read_latin1(text: str) -> str:
    """What `decode_octets` has read as UTF-8, as Latin-1: the same octets can be either."""
    return text.encode("utf-8").decode("latin-1")


_QUOTED = re.compile(r'"(?:[^\\"]|\\.)*"', re.DOTALL)
_QUOTED_OCTET = re.compile(rb"\\([0-3][0-7]{2}|.)", re.DOTALL)  # as http.cookies and werkzeug write them

# -- pairs -------------------------------------------------------------------------------------------------------------


def parse_form(data: bytes, charset: str = "utf-8") -> list[tuple[str, str]]:
    """Names and values of a query or a form.  Source: URL Standard, 5.1."""
    errors = "surrogateescape" if charset == "utf-8" else "replace"

    def decode(part: bytes) -> str:
        if b"%" not in part and b"+" not in part:
            return part.decode(charset, errors)
        return unquote_to_bytes(part.replace(b"+", b" ")).decode(charset, errors)

    if not data:
        return []
    pairs = [part.partition(b"=") for part in data.split(b"&") if part]
    return [(decode(name), decode(value)) for name, _, value in pairs]


def join_lines(lines: Iterable[tuple[bytes, bytes]]) -> dict[str, tuple[str, str]]:
    """Headers by their names in lower case: the name as sent, and the value of all its lines: RFC 9110, 5.3."""
    headers: dict[str, tuple[str, str]] = {}
    for octets, value in lines:
        name, text = octets.decode("ascii"), decode_octets(value)
        key = name.lower()
        if key in headers:
            name, before = headers[key]
            text = before + ("; " if key == "cookie" else ", ") + text
        headers[key] = name, text
    return headers


def parse_cookies(header: str) -> list[tuple[str, str]]:
    """Names and values as they were sent: split at ``;`` only, for values can have anything else in them."""
    pairs = [part.strip(" \t").partition("=") for part in header.split(";") if part.strip(" \t")]
    return [(name.strip(" \t"), value.strip(" \t")) if sign else ("", name) for name, sign, value in pairs]


def unquote_cookie(value: str) -> str:
    """A value without the quotes that servers put around those with spaces, commas or other characters in them."""
    if _QUOTED.fullmatch(value) is None:
        return value
    octets = _QUOTED_OCTET.sub(
        lambda match: bytes([int(match[1], 8)]) if len(match[1]) == 3 else match[1],
        value[1:-1].encode("utf-8", "surrogateescape"),
    )
    return octets.decode("utf-8", "surrogateescape")


def parse_authorization(header: str | None) -> Authorization | None:
    """Credentials; name and password of Basic as browsers and aiohttp send them, or in Latin-1, as requests does."""
    scheme, _, rest = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return Authorization.from_header(header)
    try:
        name, _, password = decode_octets(base64.b64decode(rest.strip(" \t"), validate=True)).partition(":")
    except ValueError:
        return None
    return Authorization("basic", {"username": name, "password": password})


class FormParser(MultiPartParser):
    """Reads each field of a multipart form in its own charset, else in that of the form: RFC 7578, 4.6 and 5.1.2."""

    charset = "utf-8"

    def get_part_charset(self, headers: Headers) -> str:
        """The charset of one field, called by werkzeug."""
        named = parse_options_header(headers.get("Content-Type"))[1].get("charset")
        return find_charset(named or self.charset)


# -- content -----------------------------------------------------------------------------------------------------------


def find_charset(named: str | None) -> str:
    """The charset with this name; UTF-8 if there is none, or none for text."""
    try:
        info = codecs.lookup(named or "utf-8")
        b"a\xff".decode(info.name, "replace")
    except (LookupError, ValueError):
        return "utf-8"
    return info.name


def parse_json(content: bytes, find_named: Callable[[], str]) -> Any:
    """JSON in any UTF, or in the charset that is named; else `ValueError`, also of ``NaN``, which Python reads."""
    try:
        try:
            return _JSON.decode(content.decode(json.detect_encoding(content)))
        except UnicodeDecodeError:
            name = find_named()
            if name == "utf-8":
                raise
            return _JSON.decode(content.decode(name))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_JSON = json.JSONDecoder(parse_constant=_refuse_constant)  # json.loads() would make one for each body
